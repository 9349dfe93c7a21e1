"""Targets: files and texts from outside: card images, transcripts, faults, and bytes to be explained."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from ecitizen.emulator.faults import FORMS, parse_fault
from ecitizen.emulator.image import CardImage, Disk, Sections
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import ConfigError, DecodeError, ImageError, UsageError
from ecitizen.explain import Explanation, Kind, Narrator, Part, Vocabulary, explain
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.transport.replay import Transcript

from .target import TRANSCRIPTS, Cursor, Target, messages, piece

JOURNAL = b"\0"
"""Stands between the image and its journal."""
WITH_CRC = b"!"
"""A line of the journal that begins with this gets the right check sum at its end: no fuzzer would guess it."""


class QuickDisk(Disk):
    """A disk that need not survive a power cut."""

    def fsync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


class ImageCheck:
    """The card image: a snapshot and a journal, both from the fuzzer."""

    def __init__(self) -> None:
        shared_memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(
            prefix="ecitizen-fuzz-", dir=shared_memory if shared_memory.is_dir() else None
        )
        self._path = Path(self._folder.name, "card.json")

    def __call__(self, data: bytes) -> None:
        """Open it twice, which must give the same; and make a card of it, which must answer."""
        snapshot, _, journal = data.partition(JOURNAL)
        self._path.write_bytes(snapshot)
        lines = b"\n".join(_line(line) for line in journal.split(b"\n"))
        self._path.with_name("card.json.journal").write_bytes(lines)
        try:
            first = self._content()
        except ImageError:
            return
        assert self._content() == first
        with CardImage.open(self._path, disk=QuickDisk()) as image, contextlib.suppress(ImageError, ConfigError):
            card = card_from_image(image)
            assert card.power_on() == card.atr
            for command in ("00A4040000", "80CA9F7F00", "00A4040008A000000054480001", "80B00000020004", "00C0000004"):
                assert len(card.transmit(bytes.fromhex(command))) >= 2

    def _content(self) -> dict[str, dict[str, object]]:
        with CardImage.open(self._path, disk=QuickDisk()) as image:
            return {name: dict(image.read(name)) for name in image.sections()}


def _line(line: bytes) -> bytes:
    if not line.startswith(WITH_CRC):
        return line
    body = line.removeprefix(WITH_CRC)
    return body + b',"crc32":"%08x"}' % crc32(body)


def image_seeds() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "card.json")
        small: Sections = {
            "card": {"applets": [], "atr": b";\x00", "protocol": 0, "cplc": bytes(42)},
            "other": {"a": [1, {}]},
        }
        CardImage.create(path, small).close()
        snapshot = path.read_bytes()
        yield snapshot
        generation = int(snapshot.split(b'"generation": ')[1].split(b",")[0])
        changes = (b'[["put","other","b",{"$hex":"00"}]]', b'[["delete","other","a"]]', b'[["drop","other"]]')
        yield (
            snapshot
            + JOURNAL
            + b"\n".join(
                WITH_CRC + b'{"generation":%d,"sequence":%d,"changes":%s' % (generation, number, change)
                for number, change in enumerate(changes, 1)
            )
            + b"\n"
        )
        persona = find_persona("wanida")
        for protocol in CardProtocol:
            applications = {name: each for name, each in persona.applications.items() if name != "citizen_id"}
            sections = sections_for(replace(persona, applications=applications), protocol)
            CardImage.create(path, sections, overwrite=True).close()
            yield path.read_bytes()


def check_transcript(data: bytes) -> None:
    text = data.decode("utf-8", errors="replace")
    try:
        transcript = Transcript.parse(text)
    except DecodeError:
        return
    lines = [f"atr {transcript.atr.hex(' ')}", f"protocol {transcript.protocol}"]
    for command, answer in transcript.exchanges:
        lines += [f"> {command.hex()}", f"< {answer.hex(' ')}  # written again"]
    assert Transcript.parse("\n".join(lines)) == transcript


def transcript_seeds() -> Iterator[bytes]:
    for path in sorted(TRANSCRIPTS.glob("*.transcript")):
        yield path.read_bytes()[:1500]
    yield "atr 3B00\nprotocol T=1\n> 00 'ก'*3 \"ข\"\n< 00*16\n  9000\n".encode()


def check_fault(data: bytes) -> None:
    with contextlib.suppress(UsageError):
        fault = parse_fault(data.decode("latin-1"))
        assert parse_fault(str(fault)) == fault


def fault_seeds() -> Iterator[bytes]:
    for form in FORMS:
        numbers = form.replace("XXXX", "6A82").replace("HEX", "00FF").replace("SECONDS", "0.5").replace("BYTES", "3")
        for letter in ("N", "SEED", "KEEP", "W"):
            numbers = numbers.replace(letter, "7")
        yield numbers.encode()
    yield b"latency=0.1+0.002/byte"


class ExplainCheck:
    """`explain` and the narrator: words for any bytes."""

    def __init__(self) -> None:
        self._known = Vocabulary.installed()

    def __call__(self, data: bytes) -> None:
        source = Cursor(data)
        narrator = Narrator(self._known)
        while source:
            raw = source.piece()
            assert "\n" not in narrator.words(raw)
        if not data:
            return
        best = explain(data, known=self._known)
        assert explain(data.hex(" "), known=self._known) == best
        for kind in Kind:
            reading = explain(data, kind, self._known)
            assert reading.kind is kind
            assert reading.summary
            assert kind is best.kind or reading.fits == (kind in {each.kind for each in best.alternatives})
            _check_parts(reading, data)


def _check_parts(reading: Explanation, data: bytes) -> None:
    """What is shown are bytes that are there."""
    pending: list[Part] = list(reading.parts)
    while pending:
        part = pending.pop()
        assert part.data in data
        pending.extend(part.parts)


def explain_seeds() -> Iterator[bytes]:
    yield from messages()
    found = list(messages())
    yield b"".join(piece(message) for message in found[:40])
    yield bytes.fromhex("3B79960000544820 4E4944203137")


TARGETS = (
    Target("image", ImageCheck(), image_seeds, max_len=4096, weight=40),
    Target("transcript", check_transcript, transcript_seeds, max_len=2048, weight=50),
    Target("fault", check_fault, fault_seeds, max_len=60, weight=120),
    Target("explain", ExplainCheck(), explain_seeds, max_len=400, weight=15),
)
