"""Conversations with a PIV card, written by hand from the standard, played against both sides.

Kept apart from test_transcripts: what a PIV driver does is not one reading but a script of calls, and both sides use
random bytes. The head of a transcript says besides the facts of the card which script the driver plays (`# driver:`),
whether the applet must give the same answers (`# applet:`), and what random bytes each side gets.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cardapps.piv.applet import PivApplet
from cardapps.piv.driver import PivSession
from cardapps.piv.layout import AlgorithmId, ObjectId, Origin, PinPolicy, Slot, TouchPolicy
from cardapps.piv.objects import Chuid, Discovery, KeyHistory, PrintedInformation
from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.issuer_domain import IssuerSecurityDomain
from ecitizen.errors import (
    KeyIncorrect,
    LastTryRefused,
    NotSupported,
    PinBlocked,
    PinIncorrect,
    SecurityStatusNotSatisfied,
    StatusError,
)
from ecitizen.ports import PinState
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.transport.replay import ReplayTransport, Transcript

FOLDER = Path(__file__).parents[2] / "fixtures" / "transcripts"
CHIP_SERIAL = bytes(8)
DEFAULT_KEY = KeyBytes(bytes.fromhex("010203040506070801020304050607080102030405060708"))
LONG_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF102132435465768798A9BACBDCEDFE0F")
ELEMENTS = "A0 00 00 03 08 00 00 10 00 01 00"


@dataclass(frozen=True, slots=True)
class Play:
    """A transcript and what its head says."""

    transcript: Transcript
    facts: dict[str, Any]
    script: str
    for_applet: bool
    random_of_card: bytes
    random_of_host: bytes

    def answers(self, ins: int) -> list[bytes]:
        """The whole answers to the commands of one instruction, joined, without status words."""
        found: list[bytes] = []
        for command, answer in self.transcript.exchanges:
            if command[1] == ins:
                found.append(b"")
            if found and command[1] in {ins, 0xC0}:
                found[-1] += answer[:-2]
        return found

    def block(self, head: str, at: int = 0) -> bytes:
        """The last bytes of data of a command whose chain begins with `head`: what comes after the templates."""
        found: list[bytes] = []
        begun = bytes.fromhex(head)
        for command, _ in self.transcript.exchanges:
            if command[1:4] == begun[1:4]:
                data = command[5 : 5 + command[4]]
                if command[0] & 0x10:
                    found.append(data)
                elif found and len(found[-1]) == 255:
                    found[-1] += data
        return found[at][-256:]


def load(path: Path) -> Play:
    text = path.read_text(encoding="utf-8")
    head = dict(
        re.findall(r"^# (facts|driver|applet|random of the card|random of the host): (.+)$", text, re.MULTILINE)
    )
    assert head["applet"] in {"yes", "no"}
    return Play(
        Transcript.parse(text),
        json.loads((FOLDER / head["facts"]).read_text(encoding="utf-8")),
        head["driver"],
        for_applet=head["applet"] == "yes",
        random_of_card=bytes.fromhex(head.get("random of the card", "")),
        random_of_host=bytes.fromhex(head.get("random of the host", "")),
    )


class Given:
    """A source of random bytes that are not: those of the head, in order and no others."""

    def __init__(self, content: bytes) -> None:
        self.left = content

    def __call__(self, length: int) -> bytes:
        assert length <= len(self.left)
        taken, self.left = self.left[:length], self.left[length:]
        return taken


def memory(facts: dict[str, Any]) -> dict[str, Any]:
    """The applet's memory; in the facts bytes are hex."""
    return {
        name: bytes.fromhex(value)
        if isinstance(value, str)
        else value | {"private": bytes.fromhex(value["private"])}
        if isinstance(value, dict)
        else value
        for name, value in facts["memory"].items()
    }


def key_of(facts: dict[str, Any], slot: str) -> KeyBytes:
    return KeyBytes(bytes.fromhex(facts["memory"][f"key {slot}"]["private"]))


def point_in(play: Play) -> bytes:
    """The point that 9A agrees with."""
    point = next(command[11:76] for command, _ in play.transcript.exchanges if command[:4] == b"\x00\x87\x11\x9a")
    assert point[0] == 0x04
    return point


# --- what the driver does ---


def script_pin(piv: PivSession, play: Play) -> None:
    assert piv.pin_state() == PinState(3, 3, is_default=True)
    with pytest.raises(PinIncorrect) as wrong:
        piv.verify_pin(Pin("654321"))
    assert wrong.value.retries_left == 2
    piv.verify_pin(Pin("123456"))
    assert piv.pin_state() == PinState(3, 3, verified=True, is_default=True)
    piv.end_verification()
    piv.change_pin(Pin("123456"), Pin("11223344"))
    assert piv.pin_state() == PinState(3, 3, verified=True, is_default=False)
    piv.end_verification()
    for left in (2, 1):
        with pytest.raises(PinIncorrect) as wrong:
            piv.verify_pin(Pin("123456"))
        assert wrong.value.retries_left == left
    with pytest.raises(LastTryRefused):
        piv.verify_pin(Pin("123456"))
    with pytest.raises(PinBlocked):
        piv.verify_pin(Pin("123456"), last_try=True)
    with pytest.raises(PinBlocked):
        piv.verify_pin(Pin("11223344"))
    with pytest.raises(PinIncorrect) as wrong:
        piv.unblock_pin(Pin.puk("00000000"), Pin("135790"))
    assert wrong.value.retries_left == 2
    piv.unblock_pin(Pin.puk("12345678"), Pin("135790"))
    assert piv.pin_state() == PinState(3, 3, is_default=False)
    piv.change_puk(Pin.puk("12345678"), Pin.puk("abc-+#"))
    assert piv.puk_state() == PinState(3, 3, is_default=False)
    piv.verify_pin(Pin("135790"))


def script_objects(piv: PivSession, play: Play) -> None:
    assert piv.discovery() == Discovery(application_pin=True, global_pin=False, aid=bytes.fromhex(ELEMENTS))
    assert piv.chuid() == Chuid(
        bytes.fromhex("00112233445546778899AABBCCDDEEFF"),
        "20310105",
        bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB"),
    )
    assert piv.certificate(Slot.AUTHENTICATION) == bytes.fromhex(play.facts["certificate"])
    assert piv.certificate(Slot.SIGNATURE) is None
    assert piv.key_history() == KeyHistory(1, 0, "")
    container = piv.read_object(ObjectId.CAPABILITY_CONTAINER)
    assert container == bytes.fromhex(play.facts["memory"]["object 5FC107"])
    assert piv.read_object(ObjectId.BIOMETRIC_GROUP_TEMPLATE) is None
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.read_object(ObjectId.PRINTED_INFORMATION)
    piv.verify_pin(Pin("123456"))
    printed = piv.read_object(ObjectId.PRINTED_INFORMATION)
    assert printed is not None
    assert PrintedInformation.parse(printed) == PrintedInformation(
        name="Somchai Sommuti", expiration_date="2031JAN05", serial_number="9901"
    )


def script_write(piv: PivSession, play: Play) -> None:
    certificate = bytes.fromhex(play.facts["certificate"])
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.write_object(ObjectId.KEY_HISTORY, KeyHistory(1, 0).encode())
    piv.authenticate_management(DEFAULT_KEY)
    piv.write_object(ObjectId.KEY_HISTORY, KeyHistory(1, 0).encode())
    assert piv.key_history() == KeyHistory(1, 0)
    piv.write_certificate(Slot.SIGNATURE, certificate)
    assert piv.certificate(Slot.SIGNATURE) == certificate
    piv.delete_certificate(Slot.SIGNATURE)
    assert piv.certificate(Slot.SIGNATURE) is None
    policy = bytes.fromhex(f"4F 0B {ELEMENTS} 5F 2F 02 60 10")
    piv.write_object(ObjectId.DISCOVERY, policy)
    assert piv.read_object(ObjectId.DISCOVERY) == policy
    with pytest.raises(StatusError) as refused:
        piv.write_object(0x5FC17F, b"\x01")
    assert refused.value.sw == 0x6A82


def script_manage(piv: PivSession, play: Play) -> None:
    piv.authenticate_management(DEFAULT_KEY)
    for algorithm, length in ((AlgorithmId.AES_128, 16), (AlgorithmId.AES_192, 24), (AlgorithmId.AES_256, 32)):
        key = KeyBytes(LONG_KEY[:length])
        piv.set_management_key(key, algorithm)
        piv.authenticate_management(key)
    with pytest.raises(KeyIncorrect):
        piv.authenticate_management(KeyBytes(LONG_KEY[::-1]))


def script_false_card(piv: PivSession, play: Play) -> None:
    with pytest.raises(KeyIncorrect):
        piv.authenticate_management(DEFAULT_KEY)


def script_keys(piv: PivSession, play: Play) -> None:
    answers = play.answers(0x87)
    block, cipher = play.block("1087079C"), play.block("1087079D")
    assert block.startswith(b"\x00\x01\xff")
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.sign_block(Slot.SIGNATURE, AlgorithmId.RSA_2048, block)
    piv.verify_pin(Pin("123456"))
    signature = piv.sign_block(Slot.SIGNATURE, AlgorithmId.RSA_2048, block)
    assert len(signature) == 256
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.sign_block(Slot.SIGNATURE, AlgorithmId.RSA_2048, block)
    opened = piv.sign_block(Slot.KEY_MANAGEMENT, AlgorithmId.RSA_2048, cipher)
    assert (opened[:2], opened[-9:]) == (b"\x00\x02", b"\x00a secret")
    assert piv.sign_block(Slot.KEY_MANAGEMENT, AlgorithmId.RSA_2048, block) == signature
    assert b"".join(answers).count(signature) == 2
    point = point_in(play)
    shared = piv.agree_point(Slot.AUTHENTICATION, AlgorithmId.P_256, point)
    assert len(shared) == 32
    bob = bytes.fromhex("DE9EDB7D7B7DC1B4D35B61C2ECE435373F8343C85B78674DADFC7E146F882B4F")
    assert piv.agree_point(Slot.RETIRED_1, AlgorithmId.X25519, bob) == bytes.fromhex(
        "4A5D9D5BA4CE2DE1728E3BF480350F25E07E21C947D19E3376F09B3C1E161742"
    )
    piv.end_verification()
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.agree_point(Slot.AUTHENTICATION, AlgorithmId.P_256, point)
    assert piv.sign_block(Slot.CARD_AUTHENTICATION, AlgorithmId.ED25519, b"\x72") == bytes.fromhex(
        "92A009A9F0D4CAB8720E820B5F642540A2B27B5416503F8FB3762223EBDB69DA"
        "085AC1E43E15996E458F3613D0F11D8C387B2EAEB4302AEEB00D291612BB0C00"
    )


def script_generate(piv: PivSession, play: Play) -> None:
    point, modulus, ed25519, x25519 = play.answers(0x47)[:4]
    made = piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)
    assert (len(made), made[-65:]) == (91, point[-65:])
    made = piv.generate_key(Slot.SIGNATURE, KeyAlgorithm.RSA_2048, pin_policy=PinPolicy.ONCE)
    assert modulus[9:265] in made
    assert piv.generate_key(Slot.CARD_AUTHENTICATION, KeyAlgorithm.ED25519)[-32:] == ed25519[-32:]
    assert piv.generate_key(Slot.RETIRED_1, KeyAlgorithm.X25519)[-32:] == x25519[-32:]
    with pytest.raises(NotSupported):
        piv.generate_key(Slot.RETIRED_1, KeyAlgorithm.P_384)
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.generate_key(Slot.RETIRED_2, KeyAlgorithm.P_256)


def script_extensions(piv: PivSession, play: Play) -> None:
    assert (piv.version(), piv.serial()) == ((5, 7, 0), 0x00123456)
    expected = {
        Slot.AUTHENTICATION: (AlgorithmId.P_256, PinPolicy.ONCE, Origin.GENERATED),
        Slot.SIGNATURE: (AlgorithmId.RSA_2048, PinPolicy.ALWAYS, Origin.IMPORTED),
        Slot.CARD_AUTHENTICATION: (AlgorithmId.ED25519, PinPolicy.NEVER, Origin.IMPORTED),
        Slot.RETIRED_1: (AlgorithmId.X25519, PinPolicy.ONCE, Origin.IMPORTED),
    }
    for slot, told in expected.items():
        metadata = piv.metadata(slot)
        assert metadata is not None
        assert (metadata.algorithm, metadata.pin_policy, metadata.origin) == told
        assert (metadata.touch_policy, metadata.is_default) == (TouchPolicy.NEVER, None)
        assert metadata.public_key is not None
    assert piv.metadata(Slot.RETIRED_20) is None
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.import_key(Slot.RETIRED_2, key_of(play.facts, "9A"))
    piv.authenticate_management(DEFAULT_KEY)
    assert piv.import_key(Slot.RETIRED_2, key_of(play.facts, "9A")) is KeyAlgorithm.P_256
    rsa = piv.import_key(Slot.RETIRED_3, key_of(play.facts, "9C"), pin_policy=PinPolicy.NEVER)
    assert rsa is KeyAlgorithm.RSA_2048
    assert piv.import_key(Slot.RETIRED_4, key_of(play.facts, "9E")) is KeyAlgorithm.ED25519
    assert piv.import_key(Slot.RETIRED_5, key_of(play.facts, "82")) is KeyAlgorithm.X25519
    metadata = piv.metadata(Slot.RETIRED_3)
    assert metadata is not None
    assert (metadata.pin_policy, metadata.origin) == (PinPolicy.NEVER, Origin.IMPORTED)
    metadata = piv.metadata(Slot.RETIRED_4)
    assert metadata is not None
    assert metadata.public_key == bytes.fromhex(
        "302A300506032B65700321003D4017C3E843895A92B70AA74D1B7EBC9C982CCF2EC4968CC0CD55F12AF4660C"
    )
    assert len(piv.sign_block(Slot.RETIRED_3, AlgorithmId.RSA_2048, play.block("10870784"))) == 256
    piv.move_key(Slot.RETIRED_2, Slot.RETIRED_20)
    assert piv.metadata(Slot.RETIRED_2) is None
    assert piv.metadata(Slot.RETIRED_20) is not None
    piv.delete_key(Slot.RETIRED_20)
    assert piv.metadata(Slot.RETIRED_20) is None
    with pytest.raises(StatusError) as refused:
        piv.attest(Slot.RETIRED_3)
    assert refused.value.sw == 0x6A88
    piv.verify_pin(Pin("123456"))
    piv.set_retries(4, 2)
    assert piv.pin_state() == PinState(4, 4, is_default=True)
    assert piv.puk_state() == PinState(2, 2, is_default=True)


def script_plain(piv: PivSession, play: Play) -> None:
    assert (piv.version(), piv.serial()) == (None, None)
    assert (piv.version(), piv.serial()) == (None, None)  # asked once
    assert piv.pin_state() == PinState(3)
    assert piv.puk_state() == PinState(None)
    assert piv.metadata(Slot.AUTHENTICATION) is None
    piv.authenticate_management(DEFAULT_KEY)
    public_key = piv.public_key(Slot.AUTHENTICATION)
    assert public_key is not None
    assert public_key in bytes.fromhex(play.facts["memory"]["object 5FC105"])
    for ask in (
        lambda: piv.import_key(Slot.RETIRED_2, key_of(play.facts, "9A")),
        lambda: piv.move_key(Slot.RETIRED_2, Slot.RETIRED_20),
        lambda: piv.attest(Slot.AUTHENTICATION),
        lambda: piv.set_management_key(DEFAULT_KEY, AlgorithmId.TRIPLE_DES),
        lambda: piv.set_retries(4, 2),
    ):
        with pytest.raises(NotSupported):
            ask()


def script_sign(piv: PivSession, play: Play) -> None:
    asked: list[PinState] = []

    def ask_pin(state: PinState) -> Pin:
        asked.append(state)
        return Pin("123456")

    signer = piv.signer(Slot.SIGNATURE, ask_pin)
    signature = signer.sign(b"abc", SignatureAlgorithm(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_256))
    assert signature == play.answers(0x87)[1][8:]
    assert len(signer.sign(b"abc", SignatureAlgorithm(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_256))) == 256
    decipherer = piv.decipherer(Slot.KEY_MANAGEMENT, ask_pin)
    assert decipherer.decipher(play.block("1087079D")) == b"a secret"
    assert decipherer.decipher(play.block("1087079D", 1), HashAlgorithm.SHA_256) == b"another secret"
    head = bytes.fromhex("3059301306072A8648CE3D020106082A8648CE3D030107034200")
    shared = piv.agreement(Slot.AUTHENTICATION, ask_pin).agree(head + point_in(play))
    assert shared == play.answers(0x87)[-1][-32:]
    assert asked == [PinState(3), PinState(None, verified=True)]


def script_ecdsa(piv: PivSession, play: Play) -> None:
    signer = piv.signer(Slot.AUTHENTICATION, lambda _: Pin("123456"))
    for number, name in enumerate((HashAlgorithm.SHA_256, HashAlgorithm.SHA_384)):
        signature = signer.sign(b"abc", SignatureAlgorithm(SignatureScheme.ECDSA, name))
        assert signature == play.answers(0x87)[number][4:]


def script_reset(piv: PivSession, play: Play) -> None:
    piv.reset()
    assert piv.pin_state() == piv.puk_state() == PinState(3, 3, is_default=True)
    assert piv.metadata(Slot.AUTHENTICATION) is None
    assert piv.chuid() is None
    piv.verify_pin(Pin("123456"))
    piv.authenticate_management(DEFAULT_KEY)


SCRIPTS: dict[str, Callable[[PivSession, Play], None]] = {
    "pin": script_pin,
    "objects": script_objects,
    "write": script_write,
    "manage": script_manage,
    "false card": script_false_card,
    "keys": script_keys,
    "generate": script_generate,
    "extensions": script_extensions,
    "plain": script_plain,
    "sign": script_sign,
    "ecdsa": script_ecdsa,
    "reset": script_reset,
}

PLAYS = {path.stem: load(path) for path in sorted(FOLDER.glob("piv_*.transcript"))}
FOR_DRIVER = {name: play for name, play in PLAYS.items() if play.script != "none"}
FOR_APPLET = {name: play for name, play in PLAYS.items() if play.for_applet}


@pytest.mark.parametrize("play", FOR_DRIVER.values(), ids=FOR_DRIVER)
def test_driver_sends_these_commands_and_understands_the_answers(play: Play) -> None:
    random = Given(play.random_of_host)
    with CardSession(ReplayTransport(play.transcript)) as session:
        piv = PivSession.select(session, random=random)
        assert piv.properties.aid == bytes.fromhex(ELEMENTS)
        assert piv.properties.label == "ecitizen PIV"
        assert piv.properties.algorithms == frozenset(bytes.fromhex("03 05 07 08 0A 0C 11 14 16 E0 E1"))
        SCRIPTS[play.script](piv, play)
    assert not random.left


@pytest.mark.parametrize("play", FOR_APPLET.values(), ids=FOR_APPLET)
def test_applet_gives_these_answers(play: Play) -> None:
    transcript = play.transcript
    random = Given(play.random_of_card)
    card_manager: dict[str, Any] = {"cplc": IssuerSecurityDomain.cplc(CHIP_SERIAL)}
    image = CardImage.in_memory({"card": card_manager, "piv": memory(play.facts)})
    applets = (
        IssuerSecurityDomain(image.read("card"), transcript.protocol),
        PivApplet(image.read("piv"), transcript.protocol, random),
    )
    card = Card(applets, atr=transcript.atr, protocol=transcript.protocol)
    assert card.power_on() == transcript.atr
    for number, (command, answer) in enumerate(transcript.exchanges, 1):
        assert (number, command.hex(" "), card.transmit(command).hex(" ")) == (
            number,
            command.hex(" "),
            answer.hex(" "),
        )
    assert not random.left


def test_every_script_is_played_on_both_protocols() -> None:
    played = {(play.script, play.transcript.protocol.value) for play in FOR_DRIVER.values()}
    assert played == {(name, protocol) for name in SCRIPTS for protocol in (0, 1)}


def test_every_transcript_is_played_against_one_side_at_least() -> None:
    assert FOR_DRIVER.keys() | FOR_APPLET.keys() == PLAYS.keys()
