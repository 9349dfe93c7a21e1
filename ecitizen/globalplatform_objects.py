"""What a card says of its management: keys, production data, the standard it follows, what is installed on it.

GlobalPlatform Card Specification 2.3.1. Values and their decoding, no conversation: that is `globalplatform`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, unique
from typing import Final

from .errors import DecodeError, EncodeError, UsageError
from .iso7816 import tlv
from .iso7816.globalplatform import (
    AID_ISSUER_DOMAIN,
    AID_LOAD_FILE_OF_DOMAINS,
    AID_MAX_LEN,
    AID_MIN_LEN,
    AID_MODULE_OF_DOMAINS,
    LOCKED,
    TAG_AID,
    TAG_CARD_RECOGNITION_DATA,
    TAG_CIN,
    TAG_CPLC,
    TAG_DOMAIN,
    TAG_IIN,
    TAG_KEY,
    TAG_KEY_INFORMATION,
    TAG_LIFE_CYCLE,
    TAG_LOAD_FILE,
    TAG_MODULE,
    TAG_PRIVILEGES,
    TAG_REGISTRY_ENTRY,
    TAG_SEQUENCE_COUNTER,
    ApplicationLifeCycle,
    CardLifeCycle,
)

__all__ = [
    "AID_ISSUER_DOMAIN",
    "AID_LOAD_FILE_OF_DOMAINS",
    "AID_MAX_LEN",
    "AID_MIN_LEN",
    "AID_MODULE_OF_DOMAINS",
    "CPLC_LEN",
    "DGI_SHORT_MAX_LEN",
    "LOCKED",
    "PRIVILEGES_NONE",
    "TAG_AID",
    "TAG_CARD_RECOGNITION_DATA",
    "TAG_CIN",
    "TAG_CPLC",
    "TAG_IIN",
    "TAG_KEY_INFORMATION",
    "TAG_SEQUENCE_COUNTER",
    "ApplicationLifeCycle",
    "CardLifeCycle",
    "CardRecognition",
    "Cplc",
    "DataGrouping",
    "KeyInformation",
    "Privilege",
    "RegistryEntry",
    "RegistryKind",
    "check_aid",
    "expect",
    "parse_cplc",
    "parse_key_information",
    "parse_recognition",
    "parse_registry",
    "versions",
]

_TYPE_EXTENDED: Final = 0xFF
"""First of a key's components in the extended form: a type byte and two bytes of length follow (11.3.3.1)."""

_TAG_RECOGNITION: Final = 0x73
_TAG_OID: Final = 0x06
_TAG_VERSION: Final = 0x60
_TAG_SECURE_CHANNEL: Final = 0x64
_OID_GLOBALPLATFORM: Final = bytes.fromhex("2A864886FC6B")
"""1.2.840.114283 (H.2)."""
_ARC_VERSION: Final = 2
_ARC_SECURE_CHANNEL: Final = 4

CPLC_LEN: Final = 42


@unique
class RegistryKind(IntEnum):
    """What GET STATUS and SET STATUS are about: P1 (11.4.2.1, 11.10.2.1)."""

    ISSUER_DOMAIN = 0x80
    APPLICATIONS = 0x40
    """Applications and supplementary security domains."""
    LOAD_FILES = 0x20
    LOAD_FILES_AND_MODULES = 0x10


class Privilege(IntFlag):
    """What an application may (6.6.1, 11.1.2), as three bytes, highest first."""

    SECURITY_DOMAIN = 0x800000
    DAP_VERIFICATION = 0x400000
    DELEGATED_MANAGEMENT = 0x200000
    CARD_LOCK = 0x100000
    CARD_TERMINATE = 0x080000
    CARD_RESET = 0x040000
    CVM_MANAGEMENT = 0x020000
    MANDATED_DAP_VERIFICATION = 0x010000
    TRUSTED_PATH = 0x008000
    AUTHORIZED_MANAGEMENT = 0x004000
    TOKEN_VERIFICATION = 0x002000
    GLOBAL_DELETE = 0x001000
    GLOBAL_LOCK = 0x000800
    GLOBAL_REGISTRY = 0x000400
    FINAL_APPLICATION = 0x000200
    GLOBAL_SERVICE = 0x000100
    RECEIPT_GENERATION = 0x000080
    CIPHERED_LOAD_FILE_DATA_BLOCK = 0x000040
    CONTACTLESS_ACTIVATION = 0x000020
    CONTACTLESS_SELF_ACTIVATION = 0x000010

    @classmethod
    def parse(cls, data: bytes) -> "Privilege":
        """One byte (older cards) or three; raise DecodeError for another length."""
        if len(data) not in {1, 3}:
            raise DecodeError("the privileges of an application are one byte or three")
        return cls(int.from_bytes(data.ljust(3, b"\x00"), "big"))

    def encode(self) -> bytes:
        """Three bytes."""
        return int(self).to_bytes(3, "big")


PRIVILEGES_NONE: Final = Privilege(0)


@dataclass(frozen=True, slots=True)
class KeyInformation:
    """One key that a domain has: what it is, never its value (11.3.3.1)."""

    kid: int
    kvn: int
    key_type: int
    """88 is AES, 80 to 84 are DES (11.1.8, table 11-16)."""
    length: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class CardRecognition:
    """Which standard and which secure channels a card says that it has (H.2)."""

    version: tuple[int, ...]
    """Of the Card Specification, as (2, 3, 1); empty if the card does not tell."""
    secure_channels: tuple[tuple[int, int], ...]
    """Protocol and its parameter i, as (3, 0x70)."""


@dataclass(frozen=True, slots=True)
class Cplc:
    """Card production life cycle data: 42 bytes that the chip's maker and those after it have written."""

    raw: bytes

    @property
    def fabricator(self) -> int:
        """Who made the chip."""
        return int.from_bytes(self.raw[0:2], "big")

    @property
    def chip_type(self) -> int:
        """Which chip it is."""
        return int.from_bytes(self.raw[2:4], "big")

    @property
    def operating_system(self) -> int:
        """Who made the card's operating system."""
        return int.from_bytes(self.raw[4:6], "big")

    @property
    def chip_serial(self) -> bytes:
        """The 8 bytes that readers take as the card's number: fabrication date, serial number and batch."""
        return self.raw[10:18]


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One thing that is installed on a card, as GET STATUS tells of it (11.4.3.1)."""

    aid: bytes
    life_cycle: int
    """A CardLifeCycle for the issuer's domain, else an ApplicationLifeCycle, or what the application made of it."""
    privileges: Privilege = PRIVILEGES_NONE
    domain: bytes | None = None
    """The security domain that it belongs to; None if the card does not tell."""
    load_file: bytes | None = None
    """What it was installed from; None if the card does not tell."""
    modules: tuple[bytes, ...] = ()
    """What of a load file can be installed."""

    @property
    def locked(self) -> bool:
        """Whether it is an application that can't be selected until it is unlocked."""
        return bool(self.life_cycle & LOCKED) and self.life_cycle & 0x03 == 0x03


def parse_key_information(data: bytes) -> tuple[KeyInformation, ...]:
    """The keys in an answer to GET DATA 00E0: within the tag E0, as the standard has it, or bare, as YubiKeys send it.

    Raise DecodeError for anything else.
    """
    objects = tlv.parse(data)
    if len(objects) == 1 and objects[0].tag == TAG_KEY_INFORMATION:
        objects = objects[0].children()
    if any(each.tag != TAG_KEY for each in objects):
        raise DecodeError("the card's key information has something else in it than keys")
    return tuple(_key_information(each.value) for each in objects)


def _key_information(value: bytes) -> KeyInformation:
    if len(value) >= 6 and value[2] == _TYPE_EXTENDED:
        return KeyInformation(value[0], value[1], value[3], int.from_bytes(value[4:6], "big"))
    if len(value) < 4 or len(value) % 2:
        raise DecodeError("the card's key information does not say what kind of key it is about")
    return KeyInformation(*value[:4])


def versions(known: Iterable[KeyInformation]) -> tuple[int, ...]:
    """The key versions of a domain, each once, lowest first."""
    return tuple(sorted({each.kvn for each in known}))


def parse_recognition(data: bytes) -> CardRecognition:
    """Card recognition data: tag 66 with 73 in it, or 73 alone; raise DecodeError for anything else."""
    found = tlv.find(tlv.parse(data), TAG_CARD_RECOGNITION_DATA, _TAG_RECOGNITION)
    if found is None:
        found = tlv.find(tlv.parse(data), _TAG_RECOGNITION)
    if found is None:
        raise DecodeError("the card recognition data have no tag 73")
    version: tuple[int, ...] = ()
    channels = []
    for each in found.children():
        if each.tag not in {_TAG_VERSION, _TAG_SECURE_CHANNEL}:
            continue
        oid = tlv.find(each.children(), _TAG_OID)
        arcs = tuple(oid.value.removeprefix(_OID_GLOBALPLATFORM)) if oid is not None else ()
        if each.tag == _TAG_VERSION and arcs[:1] == (_ARC_VERSION,):
            version = arcs[1:]
        elif each.tag == _TAG_SECURE_CHANNEL and arcs[:1] == (_ARC_SECURE_CHANNEL,) and len(arcs) == 3:
            channels.append((arcs[1], arcs[2]))
    return CardRecognition(version, tuple(channels))


def parse_cplc(data: bytes) -> Cplc:
    """Production data with their tag or without; raise DecodeError if they are not 42 bytes."""
    if len(data) != CPLC_LEN:
        data = expect(data, TAG_CPLC)
    if len(data) != CPLC_LEN:
        raise DecodeError("the card's production data (CPLC) are not 42 bytes")
    return Cplc(data)


def expect(data: bytes, tag: int) -> bytes:
    """The value of the one data object that was asked for; raise DecodeError if it is another."""
    found = tlv.parse_one(data)
    if found.tag != tag:
        raise DecodeError(f"the card answered with a data object {found.tag:02X} where {tag:02X} was asked for")
    return found.value


def parse_registry(data: bytes) -> tuple[RegistryEntry, ...]:
    """The entries in an answer to GET STATUS; raise DecodeError if it has anything else in it."""
    return tuple(_registry_entry(each) for each in tlv.parse(data))


def _registry_entry(entry: tlv.Tlv) -> RegistryEntry:
    if entry.tag != TAG_REGISTRY_ENTRY:
        raise DecodeError(f"the card's registry has a data object {entry.tag:02X} in it, which is no entry")
    parts = entry.children()
    known = {each.tag: each.value for each in reversed(parts)}
    life_cycle = known.get(TAG_LIFE_CYCLE, b"")
    if not life_cycle or len(life_cycle) > 2:  # some cards add a byte of their own
        raise DecodeError("an entry of the card's registry does not tell its life cycle")
    privileges = known.get(TAG_PRIVILEGES)
    return RegistryEntry(
        _aid(known.get(TAG_AID, b"")),
        life_cycle[0],
        Privilege.parse(privileges) if privileges else PRIVILEGES_NONE,
        _aid(known[TAG_DOMAIN]) if known.get(TAG_DOMAIN) else None,
        _aid(known[TAG_LOAD_FILE]) if known.get(TAG_LOAD_FILE) else None,
        tuple(_aid(each.value) for each in parts if each.tag == TAG_MODULE),
    )


def _aid(value: bytes) -> bytes:
    if not AID_MIN_LEN <= len(value) <= AID_MAX_LEN:
        raise DecodeError("the card's registry has an AID that is not 5 to 16 bytes long")
    return value


def check_aid(aid: bytes) -> bytes:
    """The AID itself; raise UsageError if it can't be one."""
    if not AID_MIN_LEN <= len(aid) <= AID_MAX_LEN:
        raise UsageError("an AID is 5 to 16 bytes long")
    return aid


DGI_SHORT_MAX_LEN: Final = 0xFE
"""The longest value whose length is one byte; FF says that two bytes follow (11.11.2.3)."""


@dataclass(frozen=True, slots=True)
class DataGrouping:
    """A value under a data grouping identifier (DGI), 0001 to FFFF, up to 65,535 bytes."""

    dgi: int
    value: bytes = field(repr=False)
    """It may be a PIN or a key."""

    def encode(self) -> bytes:
        """Identifier, length and value; raise EncodeError if that can't be."""
        length = len(self.value)
        if not 0 < self.dgi <= 0xFFFF or length > 0xFFFF:
            raise EncodeError("a data grouping has an identifier from 0001 to FFFF and at most 65,535 bytes")
        short = length <= DGI_SHORT_MAX_LEN
        head = bytes((length,)) if short else b"\xff" + length.to_bytes(2, "big")
        return self.dgi.to_bytes(2, "big") + head + self.value
