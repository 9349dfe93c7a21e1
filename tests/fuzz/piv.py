"""Target: our PIV driver and any card."""

import contextlib
from collections.abc import Callable, Iterator

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import DEFAULT_MANAGEMENT_KEY, DEFAULT_PIN, DEFAULT_PUK, AlgorithmId, ObjectId, Slot
from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, record_for, sections_for
from ecitizen.errors import EcitizenError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.ports import PinState
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from pki import keys

from .cards import HostileTransport
from .target import Cursor, Target

PIN, OTHER_PIN = Pin(DEFAULT_PIN), Pin("87654321")
PUK = Pin.puk(DEFAULT_PUK)
PIN_COMMANDS = frozenset({0x20, 0x24, 0x2C})
KEY = keys.generate_key(KeyAlgorithm.P_256)
PEER = keys.public_key_info(keys.generate_key(KeyAlgorithm.P_256))
KEYS = {
    Slot.AUTHENTICATION: KeyAlgorithm.P_256,
    Slot.SIGNATURE: KeyAlgorithm.ED25519,
    Slot.KEY_MANAGEMENT: KeyAlgorithm.RSA_2048,
    Slot.CARD_AUTHENTICATION: KeyAlgorithm.P_256,
}

Deed = Callable[[PivSession], object]


def ask(_: PinState) -> Pin:
    return PIN


def sign(slot: Slot, which: int) -> Deed:
    """Whatever the card does, a signature that comes out is right."""

    def deed(piv: PivSession) -> None:
        signer = piv.signer(slot, ask)
        algorithm = signer.algorithms[which % len(signer.algorithms)]
        keys.verify_signature(signer.public_key, b"message", signer.sign(b"message", algorithm), algorithm)
        assert signer.certificate is None or signer.certificate[:1] == b"\x30"

    return deed


def set_management_key(piv: PivSession) -> None:
    piv.authenticate_management(KeyBytes(DEFAULT_MANAGEMENT_KEY))
    piv.set_management_key(KeyBytes(bytes(16)), AlgorithmId.AES_128)
    piv.authenticate_management(KeyBytes(bytes(16)))


def look(piv: PivSession) -> None:
    for question in (piv.version, piv.serial, piv.pin_state, piv.puk_state, piv.management_metadata):
        question()
    for content in (piv.chuid, piv.discovery, piv.key_history):
        content()


DEEDS: tuple[Deed, ...] = (
    look,
    lambda piv: [piv.certificate(slot) for slot in KEYS],
    lambda piv: [piv.metadata(slot) for slot in (*KEYS, Slot.RETIRED_1)],
    lambda piv: [piv.public_key(slot) for slot in KEYS],
    lambda piv: piv.read_object(ObjectId.CAPABILITY_CONTAINER),
    sign(Slot.AUTHENTICATION, 0),
    sign(Slot.SIGNATURE, 0),
    sign(Slot.KEY_MANAGEMENT, 0),
    sign(Slot.KEY_MANAGEMENT, 3),
    lambda piv: piv.agreement(Slot.AUTHENTICATION, ask).agree(PEER),
    lambda piv: piv.decipherer(Slot.KEY_MANAGEMENT, ask).decipher(bytes(255) + b"\x02"),
    lambda piv: piv.decipherer(Slot.KEY_MANAGEMENT, ask).decipher(bytes(255) + b"\x02", HashAlgorithm.SHA_256),
    lambda piv: piv.verify_pin(OTHER_PIN),
    lambda piv: piv.change_pin(PIN, OTHER_PIN),
    lambda piv: piv.change_puk(PUK, PUK),
    lambda piv: piv.unblock_pin(PUK, OTHER_PIN),
    lambda piv: piv.end_verification(),
    lambda piv: piv.authenticate_management(KeyBytes(DEFAULT_MANAGEMENT_KEY)),
    set_management_key,
    lambda piv: piv.set_retries(5, 5),
    lambda piv: piv.generate_key(Slot.RETIRED_1, KeyAlgorithm.P_256),
    lambda piv: piv.import_key(Slot.RETIRED_1, keys.private_key_info(KEY)),
    lambda piv: piv.move_key(Slot.AUTHENTICATION, Slot.RETIRED_1),
    lambda piv: piv.attest(Slot.AUTHENTICATION),
    lambda piv: piv.write_certificate(Slot.RETIRED_1, b"\x30" + bytes(300)),
    lambda piv: piv.write_object(ObjectId.SECURITY_OBJECT, bytes(1000)),
    lambda piv: piv.reset(),
)
RESET = len(DEEDS) - 1
"""The one deed that shows PINs more than once, since it means to block them."""


class PivCheck:
    """Deeds on a card that answers anything: done, or an error of ours; and a PIN is shown once for each asking."""

    def __init__(self) -> None:
        persona = find_persona("somchai")
        records = [record_for("piv", persona, keys=KEYS, extensions=extensions) for extensions in (True, False)]
        self._kinds = [
            sections_for(persona, protocol, further={"piv": record}) for protocol in CardProtocol for record in records
        ]

    def __call__(self, data: bytes) -> None:
        source = Cursor(data)
        flags = source.byte()
        card = card_from_image(CardImage.in_memory(self._kinds[flags % len(self._kinds)]))
        deeds = [source.byte() % len(DEEDS) for _ in range(1 + (flags >> 6))]
        hostile = HostileTransport(card, source, polite_end=bool(flags & 0x10))
        with contextlib.suppress(EcitizenError):
            piv = PivSession.select(CardSession(hostile), random=bytes)
            for number in deeds:
                begun = len(hostile.exchanges)
                with contextlib.suppress(EcitizenError):
                    DEEDS[number](piv)
                assert number == RESET or pins_shown(hostile.exchanges[begun:]) <= 1


def pins_shown(exchanges: list[tuple[bytes, bytes]]) -> int:
    """How often a PIN went to the card."""
    commands = (CommandApdu.parse(raw) for raw, _ in exchanges)
    return sum(command.ins in PIN_COMMANDS and bool(command.data) for command in commands)


def seeds() -> Iterator[bytes]:
    tricks = bytes((0x00, 0x00, 0x16, 0xFF, 0x00, 0x02, 0x6C, 0x10, 0x00, 0x24, 0x00, 0x35, 0x1A, 0x00))
    for number in range(len(DEEDS)):
        for kind in range(4):
            yield bytes((kind | 0x10, number))
            yield bytes((kind | 0x90, 12, 17, number)) + bytes(9) + tricks
            yield bytes((kind, number, 0, 0)) + tricks[::-1] + b"\x01\x05abc\x90\x00"


TARGETS = (Target("piv", PivCheck(), seeds, max_len=400, weight=4),)
