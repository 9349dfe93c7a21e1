"""Cards for the tests of card content: blank ones, and one with two agencies on it; and the data of INSTALL."""

from functools import cache

from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import (
    DomainPlan,
    blank_sections,
    card_from_image,
    managed_sections,
    sections_for,
)
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.secure_channel.handshake import Scp03Keys
from tests.unit.gp_host import SERIAL, Host, published_keys

ISSUER = bytes.fromhex("A000000151000000")
INTERIOR = b"\xf0ECITIZEN-SD-MOI"
HEALTH = b"\xf0ECITIZEN-SD-NHS"
OTHER_DOMAIN = b"\xf0ECITIZEN-SD-OCS"
CITIZEN_ID = bytes.fromhex("A000000054480001")
HEALTH_INSURANCE = bytes.fromhex("A000000054480083")
CARD_ADMIN = bytes.fromhex("A000000084060002")
CIVIL_SERVANT = b"\xf0ECITIZEN-CS"
PIV = bytes.fromhex("A000000308000010000100")

DOMAINS_FILE = bytes.fromhex("A0000001515350")
DOMAIN_MODULE = bytes.fromhex("A000000151535041")
APPLICATIONS_FILE = b"\xf0ECITIZEN-APPS"

NO_PARAMETERS = b"\xc9\x00"


def interior_keys() -> Scp03Keys:
    return published_keys(0x01, 16, 0x50)


def health_keys() -> Scp03Keys:
    return published_keys(0x01, 16, 0x60)


def lv(*values: bytes) -> bytes:
    """Each value behind its length."""
    return b"".join(bytes((len(value),)) + value for value in values)


def application(aid: bytes) -> bytes:
    """The data of INSTALL for an application."""
    return lv(APPLICATIONS_FILE, aid, aid, bytes(3), NO_PARAMETERS, b"")


def domain(aid: bytes) -> bytes:
    """The same for a domain."""
    return lv(DOMAINS_FILE, DOMAIN_MODULE, aid, b"\x80\x00\x00", NO_PARAMETERS, b"")


def extradition(aid: bytes, to: bytes) -> bytes:
    return lv(to, b"", aid, b"", b"", b"")


def personalisation(aid: bytes) -> bytes:
    return lv(b"", b"", aid, b"", b"", b"")


def dgi(number: int, value: bytes) -> bytes:
    """A data grouping."""
    length = bytes((len(value),)) if len(value) < 0xFF else b"\xff" + len(value).to_bytes(2)
    return number.to_bytes(2) + length + value


def blank(**further: Value) -> CardImage:
    """A card as `emulator new --blank` makes it."""
    sections = blank_sections(CardProtocol.T1, SERIAL)
    return CardImage.in_memory({"card": {**sections["card"], **further}})


@cache
def _somchai() -> dict[str, dict[str, Value]]:
    return sections_for(find_persona("somchai"), CardProtocol.T1)


def issued() -> CardImage:
    """Somchai's card in the hands of two agencies; card administration is the issuer's."""
    plans = (
        DomainPlan(INTERIOR, ["citizen_id"], interior_keys()),
        DomainPlan(HEALTH, ["health_insurance"], health_keys()),
    )
    return CardImage.in_memory(managed_sections(_somchai(), published_keys(), plans))


def everything(image: CardImage) -> dict[str, dict[str, Value]]:
    """All that is in an image, but for the counters of its keys."""
    found = {name: dict(image.read(name)) for name in image.sections()}
    for section in found.values():
        for value in section.values():
            if isinstance(value, dict) and "sequence" in value:
                value["sequence"] = value["tries"] = 0
    return found


class Manager(Host):
    """A host at one card, with the commands of card management in short."""

    @classmethod
    def of(cls, image: CardImage) -> "Manager":
        return cls(card_from_image(image))

    def select(self, aid: bytes) -> int:
        return self.plain(CommandApdu(0x00, 0xA4, 0x04, 0x00, aid, 256)).sw

    def at_domain(self, aid: bytes, keys: Scp03Keys) -> "Manager":
        """A channel to a domain, or to an application through its domain."""
        assert self.select(aid) == 0x9000
        self.open(keys)
        return self

    def manage(self, ins: int, p1: int, p2: int, data: bytes = b"", ne: int | None = 256) -> int:
        """The status word of a command of class 80 through the channel."""
        return self.send(CommandApdu(0x80, ins, p1, p2, data, ne)).sw

    def install(self, data: bytes, p1: int = 0x0C) -> int:
        return self.manage(0xE6, p1, 0x00, data)

    def delete(self, aid: bytes, p2: int = 0x00) -> int:
        return self.manage(0xE4, 0x00, p2, b"\x4f" + lv(aid))

    def store(self, data: bytes, p1: int = 0x88, p2: int = 0x00) -> int:
        return self.manage(0xE2, p1, p2, data, None)


def manager(image: CardImage) -> Manager:
    """A channel to the issuer's domain."""
    host = Manager.of(image)
    host.open()
    return host
