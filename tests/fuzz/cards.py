"""Targets: the emulated card under any commands, and the host side against any card."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cardapps.card_admin.applet import CardAdminApplet
from cardapps.citizen_id.applet import CitizenIdApplet
from cardapps.civil_servant.applet import CivilServantApplet
from cardapps.health_insurance.applet import HealthInsuranceApplet
from ecitizen.apps import installed_drivers
from ecitizen.emulator.applet import Applet
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.issuer_domain import IssuerSecurityDomain
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.errors import (
    CardError,
    CardMute,
    CardProtocolError,
    CardRemoved,
    CardReset,
    DecodeError,
    TransmitFailed,
    TransportError,
)
from ecitizen.iso7816.apdu import NE_SHORT, CardProtocol, CommandApdu, logical_channel
from ecitizen.iso7816.status import is_valid
from ecitizen.jsonio import plain
from ecitizen.model import ApplicationRecord
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.base import Transport
from ecitizen.transport.replay import Transcript
from ecitizen.transport.trace import Redaction, TextTrace, TracingTransport
from ecitizen.transport.virtual import VirtualReader

from .target import Cursor, Target, piece, transcripts

PERSONAS = ("wanida", "vichai", "somchai")
"""All four applications; layout 0002; the plainest."""
KINDS = tuple((persona, protocol) for persona in PERSONAS for protocol in CardProtocol)

# --- the emulated card ---

POWER_ON, POWER_OFF, RESET = 0xFE, 0xFD, 0xFC
"""In place of a command's length."""
PROBE = ("00A4040000", "80CA9F7F2D", "00A4040008A000000054480001", "80B000000200FF", "00C00000FF")


class CardCheck:
    """A stream of commands, resets and power cuts: each answer is one that the standard allows."""

    def __init__(self) -> None:
        self._cards = [virtual_card(persona, protocol) for persona, protocol in KINDS]
        self._probes = [self._probe(card) for card in self._cards]

    def __call__(self, data: bytes) -> None:
        source = Cursor(data)
        head = source.byte()
        number = (head & 0x7F) % len(self._cards)
        card = self._cards[number]
        card.power_on()
        while source:
            mark = source.byte()
            if mark == POWER_ON:
                assert card.power_on() == card.atr
            elif mark == POWER_OFF:
                card.power_off()
            elif mark == RESET:
                assert card.reset() == card.atr
            else:
                command = source.take(source.byte() << 8 | source.byte() if mark == 0xFF else mark)
                answer = card.transmit(command)
                check_answer(command, answer, card.protocol)
                if head & 0x80:
                    check_promise(card, command, answer)
        assert self._probe(card) == self._probes[number]

    def _probe(self, card: Card) -> list[bytes]:
        """What the card says to the same questions after each power on: nothing in it may change."""
        return [card.power_on(), *(card.transmit(bytes.fromhex(command)) for command in PROBE)]


def check_answer(raw: bytes, answer: bytes, protocol: CardProtocol) -> None:
    """What ISO/IEC 7816-3, 12 and 7816-4, 5 ask of any answer."""
    assert len(answer) >= 2
    data_len, sw = len(answer) - 2, int.from_bytes(answer[-2:], "big")
    assert is_valid(sw)
    refused = 0x6400 <= sw <= 0x6FFF
    assert not (refused and data_len)
    assert sw >> 8 != 0x6C or protocol is CardProtocol.T0
    try:
        command = CommandApdu.parse(raw)
    except DecodeError:
        assert sw in {0x6700, 0x6F00}
        return
    if protocol is CardProtocol.T0:
        assert not (command.data and data_len)
        assert data_len <= (command.ne or NE_SHORT)
    elif command.ins != 0xC0:  # which hosts send without Le and mean all
        assert data_len <= (command.ne or 0)


def check_promise(card: Card, raw: bytes, answer: bytes) -> None:
    """61xx and 6Cxx say how many bytes there are; then so many must come."""
    sw1, sw2 = answer[-2:]
    promised = sw2 or NE_SHORT
    if sw1 == 0x61:
        channel = logical_channel(raw[0])
        cla = channel if channel < 4 else 0x40 | channel - 4
        follow_up = bytes((cla, 0xC0, 0x00, 0x00, sw2))
    elif sw1 == 0x6C:
        follow_up = raw[:4] + bytes((sw2,))
    else:
        return
    brought = card.transmit(follow_up)
    assert len(brought) - 2 == promised
    assert brought[-2] in {0x90, 0x61, 0x62}


def card_seeds() -> Iterator[bytes]:
    for transcript in transcripts():
        stream = b"".join(piece(command) for command, _ in transcript.exchanges[:12])
        for number, (_, protocol) in enumerate(KINDS):
            if protocol is transcript.protocol:
                yield bytes((number,)) + stream
                yield bytes((number | 0x80,)) + stream
    channels = ("0070000001", "01A4040008A000000054480001", "81B000000200FF", "0170800100", "0070000500", "45A40400")
    files = ("00A4040008A000000054480001", "00A40000020101", "00B08100000FFF", "00B0000000FFFF", "00D68100", "00840000")
    for number in range(len(KINDS)):
        for commands in (channels, files):
            stream = b"".join(piece(bytes.fromhex(command)) for command in commands)
            yield bytes((number | 0x80,)) + stream + bytes((RESET,)) + stream + bytes((POWER_OFF,)) + piece(bytes(4))


# --- any memory ---

APPLETS: tuple[type[Applet], ...] = (CitizenIdApplet, HealthInsuranceApplet, CivilServantApplet, CardAdminApplet)


class MemoryCheck:
    """A good card whose memory the fuzzer has overwritten: read on T=0 and on T=1, it says the same."""

    def __init__(self) -> None:
        self._sections = [sections_for(find_persona(name), CardProtocol.T0) for name in PERSONAS]
        self._drivers = installed_drivers()

    def __call__(self, data: bytes) -> None:
        source = Cursor(data)
        sections = {name: dict(each) for name, each in self._sections[source.byte() % len(PERSONAS)].items()}
        while source:
            _patch(sections, source)
        found = []
        for protocol in CardProtocol:
            image = CardImage.in_memory(sections)
            installed = [applet for applet in APPLETS if applet.name in sections]
            applets = [applet(image.read(applet.name), protocol) for applet in installed]
            domain = IssuerSecurityDomain(image.read("card"), protocol)
            reader = VirtualReader(Card([domain, *applets], atr=b"\x3b\x00", protocol=protocol))
            with CardSession(reader.connect()) as session:
                found.append(self._read(session))
        assert found[0] == found[1]

    def _read(self, session: CardSession) -> dict[str, ApplicationRecord]:
        records = {}
        for driver in self._drivers:
            try:
                for result in driver.read(session, frozenset(driver.fields), {}):
                    if result is not None:
                        json.dumps([plain(result.record), plain(result.problems)])
                        records[driver.name] = result.record
            except (CardError, CardProtocolError):
                continue
        assert session.stats.exchanges < 400
        return records


def _patch(sections: dict[str, dict[str, Any]], source: Cursor) -> None:
    """Overwrite some bytes of some value, or cut it there."""
    values = [(section, key) for section in sections for key in sections[section] if key not in {"atr", "persona"}]
    section, key = values[source.byte() % len(values)]
    offset, new = source.byte() << 8 | source.byte(), source.piece()
    old = sections[section][key]
    if isinstance(old, bytes):
        at = offset & 0x7FFF
        patched = old[:at] + new
        sections[section][key] = patched if offset & 0x8000 else patched + old[at + len(new) :]


def memory_seeds() -> Iterator[bytes]:
    for number in range(len(PERSONAS)):
        for value in range(0, 12, 2):
            for offset in (0x0000, 0x0004, 0x00D9, 0x017B, 0x1579, 0x8000, 0x8100):
                yield bytes((number, value)) + offset.to_bytes(2, "big") + piece(b"0002 \xff\xd9#25")


# --- any answers ---


class HostileTransport:
    """A card in a reader that goes wrong in every way that a fuzzer can think of."""

    name = "hostile"

    def __init__(self, card: Card, source: Cursor, *, polite_end: bool) -> None:
        self.atr = card.power_on()
        self.protocol = card.protocol
        self.exchanges: list[tuple[bytes, bytes]] = []
        self._card = card
        self._source = source
        self._polite_end = polite_end

    def transmit(self, command: bytes) -> bytes:
        assert CommandApdu.parse(command).encode() == command
        answer = self._answer(command)
        self.exchanges.append((command, answer))
        assert len(self.exchanges) < 5000
        return answer

    def _answer(self, command: bytes) -> bytes:
        if not self._source:
            if self._polite_end:
                return self._card.transmit(command)
            raise CardRemoved("the card was pulled out")
        what = self._source.byte()
        trick = _TRICKS.get(what & 0x0F)
        if trick is None:
            return self._card.transmit(command)
        return trick(self._card.transmit(command), what >> 4, self._source)

    def reset(self) -> None:
        self._card.reset()

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        pass


def _fail(_: bytes, number: int, __: Cursor) -> bytes:
    kinds = (CardRemoved, CardReset, CardMute, TransmitFailed)
    raise kinds[number % len(kinds)]("the way to the card failed")


def _flip(answer: bytes, number: int, source: Cursor) -> bytes:
    mask = source.take(number + 1).ljust(len(answer), b"\0")
    return bytes(byte ^ flip for byte, flip in zip(answer, mask, strict=False))


Trick = Callable[[bytes, int, Cursor], bytes]
_TRICKS: Mapping[int, Trick] = {
    1: lambda _, __, source: source.piece(),
    2: lambda answer, _, source: answer[:-2] + source.take(2),
    3: lambda _, __, source: source.take(2),
    4: lambda answer, number, _: answer[:number],
    5: lambda answer, number, _: answer[:-2] + bytes(number * 20) + answer[-2:],
    6: _flip,
    7: _fail,
    8: lambda answer, _, source: source.piece() + answer[-2:],
    9: lambda answer, number, _: answer[:-2] * (number + 1) + answer[-2:],
    10: lambda _, number, __: bytes((0x61, number * 16)),
    11: lambda _, number, source: source.take(2).ljust(2, b"\1") * (number * 9) + b"\x90\x00",
}


class DriverCheck:
    """Every application read from a hostile card: a record, problems, or an error of ours; and a trace that replays."""

    def __init__(self) -> None:
        self._cards = [virtual_card(persona, protocol) for persona, protocol in KINDS]
        self._drivers = installed_drivers()

    def __call__(self, data: bytes) -> None:
        source = Cursor(data)
        flags = source.byte()
        card = self._cards[source.byte() % len(self._cards)]
        hostile = HostileTransport(card, source, polite_end=bool(flags & 0x10))
        if not flags & 0x20:
            self._read(hostile, flags)
            return
        lines: list[str] = []
        redaction = Redaction.NOTHING_SHOW_ALL_SECRETS
        self._read(TracingTransport(hostile, TextTrace(lines.append), redaction=redaction), flags)
        assert Transcript.parse("".join(lines)).exchanges == tuple(hostile.exchanges)
        self._read(TracingTransport(hostile, TextTrace(lambda _: None)), flags)

    def _read(self, transport: Transport, flags: int) -> None:
        driver = self._drivers[flags & 0x03]
        fields = list(driver.fields)
        wanted = frozenset(fields[:: 1 + (flags >> 6)] if flags & 0x04 else fields)
        session = CardSession(transport)
        with contextlib.suppress(CardError, CardProtocolError, TransportError):
            for result in driver.read(session, wanted, {}):
                if result is not None:
                    json.dumps([plain(result.record), plain(result.problems)])


def driver_seeds() -> Iterator[bytes]:
    tricks = bytes((0x00, 0x00, 0x16, 0xFF, 0x00, 0x02, 0x6C, 0x10, 0x00, 0x24, 0x00, 0x35, 0x1A, 0x00))
    for flags in range(0, 0x40, 0x04):
        for driver in range(4):
            for number in range(len(KINDS)):
                head = bytes((flags | driver, number))
                yield head + tricks
                yield head + bytes(8) + tricks[::-1] + b"\x01\x05abc\x90\x00"


TARGETS = (
    Target("card", CardCheck(), card_seeds, max_len=1024, weight=50),
    Target("memory", MemoryCheck(), memory_seeds, max_len=400, weight=4),
    Target("drivers", DriverCheck(), driver_seeds, max_len=600, weight=8),
)
