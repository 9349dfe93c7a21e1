"""Nothing that is not asked for personal data has any: each output is searched for every persona's own words.

Searched for: citizen number, names in both languages, house number with street, laser number and pieces of the
portrait, as text, as the bytes of the chip in hex, and in JSON escapes. Of a signing card: PINs, the PUK, management
keys, private keys, challenges and what answers them, what was deciphered or agreed, and what its data objects hold.
"""

import json
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from cardapps.piv.applet import PivApplet
from cardapps.piv.driver import PivSession
from cardapps.piv.layout import AlgorithmId, ObjectId, Slot
from cardapps.piv.objects import PrintedInformation
from cli.exit_codes import ExitCode
from cli.main import main
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import Persona, installed_personas
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import CardRemoved, EcitizenError
from ecitizen.explain import Narrator, Vocabulary
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.model import CitizenId, Problem
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.transport.trace import JsonLinesTrace, Redaction, TextTrace, TracingTransport
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.read_card import read_card
from pki.keys import private_key_info
from tests.cli.conftest import Outcome
from tests.cli.issuing import OFFICE, RECORD, Issuing
from tests.unit.small_pki import root

PERSONAS = sorted(installed_personas().values(), key=lambda persona: persona.name)


def secrets(persona: Persona) -> set[str]:
    """What must not be found, in every form that it could take."""
    record = persona.applications["citizen_id"]
    assert isinstance(record, CitizenId)
    admin: Any = persona.applications["card_admin"]
    words = {record.cid, admin.laser_number}
    for name in (record.name_th, record.name_en):
        words |= {name.first, name.last} if name else set()
    if record.address:
        words.add(f"{record.address.house_no} {record.address.moo}".strip())
    texts = {word for word in words if word and len(word) > 3}
    chip = {text.encode("cp874") for text in texts}
    if record.photo:
        jpeg = record.photo.jpeg
        chip |= {jpeg[at : at + 12] for at in range(700, len(jpeg) - 12, 400) if len(set(jpeg[at : at + 12])) > 6}
    found = set(texts)
    for data in chip:
        found |= {data.hex(), data.hex(" "), data.hex().upper(), data.hex(" ").upper(), repr(data)[2:-1]}
    return found | {json.dumps(text)[1:-1] for text in texts}


def damaged(persona: Persona) -> CardImage:
    """The persona's card with a byte out of place in every text field: problems tell of each without its content."""
    sections = sections_for(persona, CardProtocol.T0)
    block = "block1" if isinstance(sections["citizen_id"].get("block1"), bytes) else "block0"
    record = sections["citizen_id"][block]
    assert isinstance(record, bytes)
    content = bytearray(record)
    for offset in (5, 20, 120, 217, 225, 359, 367):
        content[offset] = 0xFF  # no Thai character, no digit
    return CardImage.in_memory({**sections, "citizen_id": {**sections["citizen_id"], block: bytes(content)}})


def traces(persona: Persona) -> Iterator[str]:
    """A redacted trace in both forms, of both protocols."""
    for protocol in CardProtocol:
        for sink in (TextTrace, JsonLinesTrace):
            lines: list[str] = []
            card = card_from_image(CardImage.in_memory(sections_for(persona, protocol)))
            transport = TracingTransport(
                VirtualReader(card).connect(), sink(lines.append), narrate=Narrator(Vocabulary.installed()).words
            )
            read_card(CardSession(transport))
            yield "".join(lines)


def errors(persona: Persona) -> Iterator[str]:
    """Errors, with their tracebacks: of a card pulled out at every tenth exchange, and of data that don't fit."""
    for at in range(1, 60, 10):
        reader = VirtualReader(card_from_image(CardImage.in_memory(sections_for(persona, CardProtocol.T0))))
        transport = reader.connect()
        answer, count = transport.transmit, 0

        def transmit(command: bytes) -> bytes:
            nonlocal count
            count += 1
            if count == at:  # noqa: B023 - called before the next turn
                reader.remove()  # noqa: B023
            return answer(command)  # noqa: B023

        transport.transmit = transmit  # type: ignore[method-assign]
        try:
            read_card(CardSession(transport))
        except CardRemoved as error:
            yield told(error)
    record = persona.applications["citizen_id"]
    assert isinstance(record, CitizenId)
    for bad in (replace(record, cid=f"{record.cid}0"), replace(record, issue_place="x" * 101)):
        try:
            sections_for(replace(persona, applications={**persona.applications, "citizen_id": bad}), CardProtocol.T0)
        except EcitizenError as error:
            yield told(error)


def told(error: EcitizenError) -> str:
    return f"{error} {error!r} {error.args} {''.join(traceback.format_exception(error))}"


def problems(persona: Persona) -> Iterator[str]:
    found: tuple[Problem, ...] = read_card(VirtualReader(card_from_image(damaged(persona)))).problems
    assert len(found) >= 5
    yield from map(repr, found)


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
@pytest.mark.parametrize("source", [traces, errors, problems])
def test_the_library_tells_nothing(persona: Persona, source: Callable[[Persona], Iterator[str]]) -> None:
    words = secrets(persona)
    assert len(words) > 5
    texts = list(source(persona))
    assert texts
    for text in texts:
        assert not [word for word in words if word in text]


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_the_command_tells_nothing(
    persona: Persona, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Commands that are not asked for personal data, on standard output; all commands, on standard error."""
    caplog.set_level(logging.DEBUG)
    image = tmp_path / "card"
    reader = ["--reader", f"virtual:{image}"]
    trace = ["trace", "--out", str(tmp_path / "trace"), "--"]
    main(["emulator", "new", str(image), "--persona", persona.name, "--no-piv"])
    for arguments in (
        ["emulator", "show", str(image)],
        ["card", "info", *reader],
        ["card", "info", "--json", *reader],
        ["card", "read", "--field", "citizen_id.card_type", *reader],
        ["card", "read", "--field", "citizen_id.card_type", "--json", *reader],
        ["card", "read", "--field", "citizen_id.shoe_size", *reader],
        [*trace, "card", "info", *reader],
    ):
        main(arguments)
    silent = capsys.readouterr()
    main([*trace, "card", "read", "--photo", str(tmp_path / "none" / "photo.jpg"), *reader])
    main([*trace, "card", "read", "--json", *reader])
    main(["card", "read", *reader])
    asked = capsys.readouterr()
    words = secrets(persona)
    for text in (silent.out, silent.err, asked.err, (tmp_path / "trace").read_text("utf-8"), caplog.text):
        assert not [word for word in words if word in text]
    assert [word for word in words if word in asked.out], "the search finds nothing even where it must"


# --- the signing card ---

FACTS = json.loads((Path(__file__).parents[2] / "fixtures" / "transcripts" / "piv_card.json").read_text("utf-8"))
NEW_PIN, WRONG_PIN, NEW_PUK, WRONG_PUK = "73916428", "862973", "kX7#pQ2z", "Zr8&wY5u"
DEFAULT_PIN, DEFAULT_PUK = "123456", "12345678"
DEFAULT_KEY = bytes.fromhex("010203040506070801020304050607080102030405060708")
NEW_KEY = bytes.fromhex("8D1F63A905C7427EB4D85A3B91E6270F")
BOB = bytes.fromhex("302A300506032B656E032100DE9EDB7D7B7DC1B4D35B61C2ECE435373F8343C85B78674DADFC7E146F882B4F")
AGREED = bytes.fromhex("4A5D9D5BA4CE2DE1728E3BF480350F25E07E21C947D19E3376F09B3C1E161742")
MESSAGE = b"Meet me at the old market."


class Numbered:
    """Random bytes that a search can find again: each value is other than all before it."""

    def __init__(self, first: int) -> None:
        self.given: list[bytes] = []
        self._next = first

    def __call__(self, length: int) -> bytes:
        self._next += 1
        value = bytes((self._next * 7 + at * 29) & 0xFF for at in range(length))
        self.given.append(value)
        return value


def signing_card(protocol: CardProtocol, random: Numbered) -> Card:
    """The card of the PIV transcripts, with an attestation key left out."""
    memory: dict[str, Any] = {
        name: bytes.fromhex(value)
        if isinstance(value, str)
        else value | {"private": bytes.fromhex(value["private"])}
        if isinstance(value, dict)
        else value
        for name, value in FACTS["memory"].items()
    }
    image = CardImage.in_memory({"piv": memory})
    atr = bytes.fromhex("3B1B1180F9A00000030800001000" if protocol is CardProtocol.T0 else
                        "3B9B118131FE4580F9A0000003080000100043")  # fmt: skip
    return Card([PivApplet(image.read("piv"), protocol, random)], atr=atr, protocol=protocol)


def use_the_card(piv: PivSession, enciphered: bytes) -> Iterator[str]:
    """All that a holder and an officer do with a card, right and wrong; gives the errors as they are told."""
    mistakes: list[Callable[[], object]] = [
        lambda: piv.verify_pin(Pin(WRONG_PIN)),
        lambda: piv.change_pin(Pin(WRONG_PIN), Pin(NEW_PIN)),
        lambda: piv.verify_pin(Pin(WRONG_PIN)),  # one try is left: refused
        lambda: piv.verify_pin(Pin(WRONG_PIN), last_try=True),
        lambda: piv.verify_pin(Pin(DEFAULT_PIN)),  # blocked
        lambda: piv.unblock_pin(Pin.puk(WRONG_PUK), Pin(NEW_PIN)),
        lambda: piv.change_puk(Pin.puk(WRONG_PUK), Pin.puk(NEW_PUK)),
        lambda: piv.authenticate_management(KeyBytes(DEFAULT_KEY[::-1])),
        lambda: piv.authenticate_management(KeyBytes(NEW_KEY)),
        lambda: piv.set_management_key(KeyBytes(NEW_KEY[1:]), AlgorithmId.AES_128),
        lambda: piv.import_key(Slot.RETIRED_2, KeyBytes(NEW_KEY)),
        lambda: piv.write_object(ObjectId.PRINTED_INFORMATION, b"not allowed"),
        lambda: piv.read_object(ObjectId.PRINTED_INFORMATION),
        lambda: Pin(NEW_PIN + "9"),
        lambda: Pin.puk(NEW_PUK + "\u00e9"),
        lambda: PrintedInformation(name="\u0e2a\u0e21\u0e0a\u0e32\u0e22").encode(),
    ]
    for mistake in mistakes:
        try:
            mistake()
        except EcitizenError as error:
            yield told(error)
        else:
            raise AssertionError("this should have been a mistake")
    piv.unblock_pin(Pin.puk(DEFAULT_PUK), Pin(DEFAULT_PIN), last_try=True)
    piv.change_puk(Pin.puk(DEFAULT_PUK), Pin.puk(NEW_PUK))
    piv.change_pin(Pin(DEFAULT_PIN), Pin(NEW_PIN))
    piv.verify_pin(Pin(NEW_PIN))
    yield repr([piv.pin_state(), piv.puk_state(), Pin(NEW_PIN), Pin.puk(NEW_PUK), KeyBytes(NEW_KEY)])
    assert piv.read_object(ObjectId.PRINTED_INFORMATION)
    assert piv.chuid()
    assert piv.certificate(Slot.AUTHENTICATION)
    piv.authenticate_management(KeyBytes(DEFAULT_KEY))
    piv.set_management_key(KeyBytes(NEW_KEY), AlgorithmId.AES_128)
    piv.authenticate_management(KeyBytes(NEW_KEY))
    for slot, source in ((Slot.RETIRED_2, "9A"), (Slot.RETIRED_3, "9C"), (Slot.RETIRED_4, "9E")):
        piv.import_key(slot, KeyBytes(bytes.fromhex(FACTS["memory"][f"key {source}"]["private"])))
    piv.write_object(ObjectId.PRINTED_INFORMATION, PrintedInformation(name="Somchai Sommuti").encode())
    piv.write_certificate(Slot.SIGNATURE, bytes.fromhex(FACTS["certificate"]))
    decipherer = piv.decipherer(Slot.KEY_MANAGEMENT, lambda _: Pin(NEW_PIN))
    assert decipherer.decipher(enciphered) == MESSAGE
    agreement = piv.agreement(Slot.RETIRED_1, lambda _: Pin(NEW_PIN))
    assert agreement.agree(BOB) == AGREED
    signer = piv.signer(Slot.SIGNATURE, lambda _: Pin(NEW_PIN))
    signer.sign(MESSAGE, signer.algorithms[0])
    yield repr([signer, decipherer, agreement, piv, piv.metadata(Slot.SIGNATURE)])
    try:
        decipherer.decipher(enciphered[:-1] + bytes((enciphered[-1] ^ 1,)))
    except EcitizenError as error:
        yield told(error)


def private_parts(key: dict[str, Any]) -> list[bytes]:
    """The numbers of a private key that nobody may know."""
    private = load_der_private_key(bytes.fromhex(key["private"]), None)
    if isinstance(private, RSAPrivateKey):
        numbers = private.private_numbers()
        return [
            number.to_bytes(256, "big").lstrip(b"\0")
            for number in (numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        ]
    if isinstance(private, EllipticCurvePrivateKey):
        return [private.private_numbers().private_value.to_bytes(32, "big")]
    assert isinstance(private, Ed25519PrivateKey | X25519PrivateKey)
    return [private.private_bytes_raw()]


def enciphered_message() -> bytes:
    """The message for the key in 9D."""
    private = load_der_private_key(bytes.fromhex(FACTS["memory"]["key 9D"]["private"]), None)
    assert isinstance(private, RSAPrivateKey)
    return private.public_key().encrypt(MESSAGE, PKCS1v15())


def card_secrets(random: list[bytes]) -> set[str]:
    """What must not be found of a signing card, in every form that it could take."""
    keys = [number for value in FACTS["memory"].values() if isinstance(value, dict) for number in private_parts(value)]
    objects = [bytes.fromhex(value) for name, value in FACTS["memory"].items() if name.startswith("object")]
    texts = [NEW_PIN, WRONG_PIN, NEW_PUK, WRONG_PUK, "Somchai", MESSAGE.decode("ascii")]
    pins = [text.encode("ascii") for text in (DEFAULT_PIN, DEFAULT_PUK, *texts)]
    pieces = [data[at : at + 8] for data in (*keys, *objects) for at in range(0, len(data) - 7, 8)]
    hidden = [*pins, *random, NEW_KEY[:8], AGREED[:8], AGREED[-8:], *(each for each in pieces if len(set(each)) > 5)]
    found = set(texts)
    for data in hidden:
        found |= {data.hex(), data.hex(" "), data.hex().upper(), data.hex(" ").upper(), repr(data)[2:-1]}
    return found


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("sink", [TextTrace, JsonLinesTrace])
def test_a_signing_card_in_use_tells_nothing(
    protocol: CardProtocol,
    sink: type[TextTrace] | type[JsonLinesTrace],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []
    of_card, of_host = Numbered(0), Numbered(100)
    transport = TracingTransport(
        VirtualReader(signing_card(protocol, of_card)).connect(),
        sink(lines.append),
        narrate=Narrator(Vocabulary.installed()).words,
        clock=lambda: 0.0,  # times have digits, and a PIN is nothing else
    )
    with CardSession(transport) as session:
        texts = list(use_the_card(PivSession.select(session, random=of_host), enciphered_message()))
    output = capsys.readouterr()
    words = card_secrets([*of_card.given, *of_host.given])
    assert len(words) > 500
    assert len(lines) > 60
    for text in (*lines, *texts, caplog.text, output.out, output.err):
        assert not [word for word in words if word in text]


def test_a_raw_trace_has_what_the_search_looks_for() -> None:
    lines: list[str] = []
    of_card, of_host = Numbered(0), Numbered(100)
    card = VirtualReader(signing_card(CardProtocol.T1, of_card)).connect()
    raw = Redaction.NOTHING_SHOW_ALL_SECRETS
    with CardSession(TracingTransport(card, TextTrace(lines.append), redaction=raw)) as session:
        list(use_the_card(PivSession.select(session, random=of_host), enciphered_message()))
    written = "".join("".join(lines).split())
    for secret in (NEW_PIN.encode(), WRONG_PUK.encode(), NEW_KEY, AGREED, MESSAGE[:8], b"Somchai", of_host.given[-1]):
        assert secret.hex().upper() in written


def descriptor(secret: str) -> str:
    """The number of an open file that gives one line."""
    reading, writing = os.pipe()
    os.write(writing, f"{secret}\n".encode())
    os.close(writing)
    return str(reading)


def desk(folder: Path) -> list[str]:
    """Options that name a desk's key and certificate."""
    party = root().issue("Desk")
    (folder / "desk.key").write_bytes(private_key_info(party.key).reveal())
    (folder / "desk.crt").write_bytes(party.der)
    return ["--desk-key", str(folder / "desk.key"), "--desk-certificate", str(folder / "desk.crt")]


def test_pins_and_keys_that_commands_are_given_are_told_by_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    image, message, key = tmp_path / "card", tmp_path / "message", tmp_path / "key.der"
    message.write_bytes(MESSAGE)
    key.write_bytes(bytes.fromhex(FACTS["memory"]["key 9A"]["private"]))
    main(["emulator", "new", str(image), "--persona", "somchai"])
    capsys.readouterr()
    out = ["--out", str(tmp_path / "out")]
    challenge = ["--origin", "https://service.example.go.th", "--nonce", "QkFTRTY0" * 6]
    hand_over = ["--from", "A", "--to", "B", "--purpose", "c", "--claim", "citizen_id.valid", *desk(tmp_path)]
    default_key, other_key = descriptor(DEFAULT_KEY.hex()), descriptor(DEFAULT_KEY[::-1].hex())
    told = []
    for arguments, code in (
        (["pin", "status"], ExitCode.OK),
        (["pin", "verify", "--pin-fd", descriptor(WRONG_PIN)], ExitCode.CARD),
        (["pin", "verify", "--pin-fd", descriptor(NEW_PIN + "9")], ExitCode.USAGE),
        (["pin", "change", "--pin-fd", descriptor(DEFAULT_PIN), "--new-pin-fd", descriptor(NEW_PIN)], ExitCode.OK),
        (["pin", "change", "--puk", "--puk-fd", descriptor(DEFAULT_PUK), "--new-puk-fd", descriptor(NEW_PUK)],
         ExitCode.OK),
        (["pin", "unblock", "--puk-fd", descriptor(WRONG_PUK), "--new-pin-fd", descriptor(NEW_PIN)], ExitCode.CARD),
        (["pin", "verify", "--json", "--pin-fd", descriptor(WRONG_PIN)], ExitCode.CARD),
        (["piv", "import", "83", str(key), "--management-key-fd", default_key], ExitCode.OK),
        (["piv", "import", "84", str(key), "--management-key-fd", other_key], ExitCode.CARD),
        (["piv", "sign", "9C", str(message), *out, "--pin-fd", descriptor(NEW_PIN)], ExitCode.OK),
        (["piv", "decrypt", "9D", str(message), *out, "--pin-fd", descriptor(NEW_PIN)], ExitCode.CARD),
        (["sign", str(message), *out, "--pin-fd", descriptor(WRONG_PIN)], ExitCode.CARD),
        (["sign", str(message), *out, "--pin-fd", descriptor(NEW_PIN), "--json"], ExitCode.OK),
        (["encrypt", str(message)], ExitCode.OK),
        (["decrypt", f"{message}.p7m", "--out", f"{message}.2", "--pin-fd", descriptor(WRONG_PIN)], ExitCode.CARD),
        (["decrypt", f"{message}.p7m", "--out", f"{message}.2", "--pin-fd", descriptor(NEW_PIN)], ExitCode.OK),
        (["auth", "token", *challenge, "--pin-fd", descriptor(WRONG_PIN)], ExitCode.CARD),
        (["auth", "token", *challenge, *out, "--pin-fd", descriptor(NEW_PIN)], ExitCode.OK),
        (["exchange", "create", *hand_over, *out, "--pin-fd", descriptor(NEW_PIN)], ExitCode.OK),
    ):  # fmt: skip
        trace = tmp_path / "trace"
        assert main(["trace", "--json", "--out", str(trace), "--", *arguments, "--reader", f"virtual:{image}"]) == code
        told += [event for event in map(json.loads, trace.read_text("utf-8").splitlines()) if event["kind"] != "card"]
    captured = capsys.readouterr()
    for event in told:  # times have digits, and a PIN is nothing else
        del event["seconds"], event["took"], event["link_seconds"]
    words = card_secrets([DEFAULT_KEY[-10:-2], DEFAULT_KEY[::-1][-10:-2]]) - {"Somchai"}
    assert len(told) > 40
    for text in (json.dumps(told), captured.out, captured.err, caplog.text):
        assert not [word for word in words if word in text]


# --- issuing ---


def keys_on(image: Path) -> Iterator[bytes]:
    """All keys of a card image that nobody may know: of its domains, the management key, the holder's."""
    with CardImage.open(image) as opened:
        for name in opened.sections():
            for key, value in opened.read(name).items():
                parts = [part for part in value.values() if isinstance(part, bytes)] if isinstance(value, dict) else []
                if key.startswith("key "):
                    yield from private_parts({"private": parts[0].hex()})
                else:
                    yield from parts
                if key == "management_key":
                    assert isinstance(value, bytes)
                    yield value


def test_an_office_issues_changes_and_ends_a_card_and_tells_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither keys nor codes nor whose card it is, on the terminal, in traces, in the log, or in the journal."""
    caplog.set_level(logging.DEBUG)
    desk = Issuing(tmp_path, lambda *line: Outcome(main(line), "", ""))
    (tmp_path / "office.toml").write_text(OFFICE)
    assert main(["gp", "keys", "new", str(tmp_path / "master.json")]) == ExitCode.OK
    desk.put_in_a_blank_card()
    citizen = RECORD["applications"]["citizen_id"]
    changes = tmp_path / "changes.json"
    changes.write_text(json.dumps({"address": {"house_no": "77/19 Nowhere Lane"}}))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**RECORD, "schema_version": 2}))
    codes, keys, told = [], set(), []
    for arguments, code, pin_out in (
        (["issue", "--from", str(wrong)], ExitCode.USAGE, True),
        (["issue", "--from", desk.record(), "--dry-run"], ExitCode.OK, False),
        (["issue", "--from", desk.record(), "--json"], ExitCode.OK, True),
        (["update", "citizen_id", "--from", str(changes), "--dry-run"], ExitCode.OK, False),
        (["update", "citizen_id", "--from", str(changes)], ExitCode.OK, False),
        (["unblock"], ExitCode.OK, True),
        (["renew"], ExitCode.OK, False),
        (["lock", "citizen_id"], ExitCode.OK, False),
        (["unlock", "citizen_id"], ExitCode.OK, False),
        (["retire"], ExitCode.OK, False),
    ):
        trace = tmp_path / "trace"
        assert desk(*arguments, pin_out=pin_out, before=["trace", "--json", "--out", str(trace), "--"]).code == code
        if pin_out and code == ExitCode.OK:
            codes.append(desk.codes())
        keys |= set(keys_on(desk.image))
        if trace.exists():
            told += list(map(json.loads, trace.read_text("utf-8").splitlines()))
            trace.unlink()
    captured = capsys.readouterr()
    for event in told:
        for name in ("seconds", "took", "link_seconds"):
            event.pop(name, None)
    keys.add(bytes.fromhex(json.loads((tmp_path / "master.json").read_text())["key"]))
    pins = [code for delivered in codes for code in (delivered.pin, delivered.puk) if code]
    words = {piece.hex() for key in keys for piece in (key[:8], key[-8:])} | {pin.encode().hex() for pin in pins}
    words |= {citizen["cid"], citizen["cid"].encode().hex(), citizen["name_en"]["first"], citizen["name_th"]["last"]}
    words |= {"Nowhere Lane", b"Nowhere Lane".hex(), "JT9000000017"}
    assert (len(told) > 300, len(keys) > 15, len(pins)) == (True, True, 3)
    for text in (json.dumps(told, ensure_ascii=False), captured.out, captured.err, caplog.text, kept(desk.journal)):
        assert not [word for word in words if word.casefold() in text.casefold()]
        assert not [pin for pin in pins if re.search(rf"(?<![0-9A-Za-z]){pin}(?![0-9A-Za-z])", text)]


def kept(journal: Path) -> str:
    """What stands in the journal, as text and in hex."""
    content = b"".join(path.read_bytes() for path in journal.parent.glob(f"{journal.name}*"))
    return content.decode("utf-8", "replace") + content.hex()
