"""Target: a managed card, and an issuer or an agency that sends whatever it likes through its channel."""

from collections.abc import Iterator, Mapping

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import card_from_image
from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.iso7816.status import is_valid
from ecitizen.secure_channel.handshake import Scp03Keys, SecurityLevel
from tests.unit.gp_host import published_keys
from tests.unit.gp_issued import (
    APPLICATIONS_FILE,
    CARD_ADMIN,
    CITIZEN_ID,
    CIVIL_SERVANT,
    HEALTH_INSURANCE,
    INTERIOR,
    ISSUER,
    OTHER_DOMAIN,
    PIV,
    Manager,
    application,
    dgi,
    domain,
    extradition,
    interior_keys,
    issued,
    lv,
    personalisation,
)

from .target import Cursor, Target, piece

SECTIONS = {name: dict(issued().read(name)) for name in issued().sections()}
CHANNELS: tuple[tuple[bytes, Scp03Keys], ...] = (
    (ISSUER, published_keys()),
    (INTERIOR, interior_keys()),
    (CITIZEN_ID, interior_keys()),
    (CARD_ADMIN, published_keys()),
)
INSTRUCTIONS = (0xE6, 0xE2, 0xE4, 0xF0, 0xF2, 0xD8, 0xCA, 0xB0, 0xA4)
NAMES = (
    CITIZEN_ID,
    CARD_ADMIN,
    HEALTH_INSURANCE,
    PIV,
    CIVIL_SERVANT,
    INTERIOR,
    OTHER_DOMAIN,
    ISSUER,
    APPLICATIONS_FILE,
)
OTHERS = {
    INTERIOR: ("health_insurance", "card_admin", "card"),
    CITIZEN_ID: ("health_insurance", "card_admin", "card"),
    CARD_ADMIN: ("health_insurance", "citizen_id", "card"),
}
"""What nobody may change through this channel; of the card the registry."""


def unchanged(image: CardImage, name: str) -> bool:
    now, before = dict(image.read(name)), SECTIONS[name]
    if name == "card":  # whose states an agency may set, and whose counters move
        return {entry["aid"]: entry["domain"] for entry in _entries(now)} == {
            entry["aid"]: entry["domain"] for entry in _entries(before)
        }
    return now == before


def _entries(card: Mapping[str, object]) -> list[dict[str, object]]:
    registry = card["registry"]
    assert isinstance(registry, list)
    return registry


def check_card(data: bytes) -> None:
    """Every answer has a status word, the image stays a card's, and nobody writes what is another's."""
    source = Cursor(data)
    image = CardImage.in_memory(SECTIONS)
    aid, keys = CHANNELS[source.byte() % len(CHANNELS)]
    host = Manager.of(image).at_domain(aid, keys)
    assert host.channel is not None
    host.open(keys, SecurityLevel.C_MAC)
    while source:
        kind = source.byte()
        ins = INSTRUCTIONS[kind % len(INSTRUCTIONS)]
        p1, p2 = source.byte(), source.byte()
        content = source.piece()[:2000]
        if kind & 0x80:  # an AID that means something in place of made-up bytes
            content = content[:1] + lv(NAMES[kind % len(NAMES)]) + content[1:]
        response = host.send(CommandApdu(0x00 if ins in {0xA4, 0xB0} else 0x80, ins, p1, p2, content, 256))
        assert is_valid(response.sw)
        assert not response.data or response.sw in {0x9000, 0x6310, 0x6282}
    card_from_image(CardImage.in_memory({name: dict(image.read(name)) for name in image.sections()}))
    assert all(unchanged(image, name) for name in OTHERS.get(aid, ()))


def seeds() -> Iterator[bytes]:
    def command(ins: int, p1: int, p2: int, data: bytes) -> bytes:
        return bytes((INSTRUCTIONS.index(ins), p1, p2)) + piece(data)

    install = [command(0xE6, 0x0C, 0, data) for data in (application(PIV), domain(OTHER_DOMAIN))]
    give = command(0xE6, 0x10, 0, extradition(CARD_ADMIN, INTERIOR))
    delete = [command(0xE4, 0, p2, b"\x4f" + lv(INTERIOR)) for p2 in (0, 0x80)]
    states = [command(0xF0, 0x40, state, CITIZEN_ID) for state in (0x80, 0x00, 0x0F)]
    lists = [command(0xF2, p1, p2, b"\x4f\x00") for p1 in (0x80, 0x40, 0x20, 0x10) for p2 in (2, 3)]
    yield b"\x00" + b"".join((*install, give, *states, *lists, *delete))
    write = dgi(0x0101, b"0003" + bytes(60)) + dgi(0x8101, b"\x00\x01x") + dgi(0x011D, b"object")
    blocks = command(0xE2, 0x08, 0, write[:30]) + command(0xE2, 0x88, 1, write[30:])
    yield b"\x01" + command(0xE6, 0x20, 0, personalisation(CITIZEN_ID)) + blocks + b"".join(states)
    yield b"\x01" + command(0xE6, 0x20, 0, personalisation(HEALTH_INSURANCE)) + blocks
    yield b"\x01" + command(0xE2, 0x90, 0, b"\x42\x02\x11\x22") + command(0xCA, 0x00, 0x42, b"")
    yield b"\x02" + blocks + command(0xB0, 0x81, 0x00, b"")
    yield b"\x03" + command(0xE2, 0x88, 0, dgi(0x0101, bytes(23)))


TARGETS = (Target("gp_card", check_card, seeds, max_len=1500, weight=2),)
