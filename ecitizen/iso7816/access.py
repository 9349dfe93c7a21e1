"""Who may do what with a file (ISO/IEC 7816-4:2020, 9.3.3, compact format)."""

from dataclasses import dataclass
from enum import IntEnum, unique

TAG_COMPACT_SECURITY_ATTRIBUTES = 0x8C
"""In the file control parameters."""

_AM_READ_AND_UPDATE = 0x03
"""Access mode byte of an EF: bit 2 UPDATE BINARY, bit 1 READ BINARY."""


@unique
class AccessCondition(IntEnum):
    """What must be true before an operation; the value is the security condition byte."""

    ALWAYS = 0x00
    NEVER = 0xFF


@dataclass(frozen=True, slots=True)
class AccessRule:
    """The conditions for reading and for changing an application's data over the card's contacts."""

    read: AccessCondition
    update: AccessCondition

    def compact(self) -> bytes:
        """The rule as a card states it: access mode byte, then a condition for each of its bits, highest first."""
        return bytes((_AM_READ_AND_UPDATE, self.update, self.read))


FREE_TO_READ = AccessRule(read=AccessCondition.ALWAYS, update=AccessCondition.NEVER)
"""Anybody who has the card may read; nobody may write with a plain command."""
