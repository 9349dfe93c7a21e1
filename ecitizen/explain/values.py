"""What an explanation is made of."""

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Kind(StrEnum):
    """What bytes can be read as."""

    COMMAND = "command"
    RESPONSE = "response"
    TLV = "tlv"
    ATR = "atr"
    SW = "sw"


def byte_count(number: int) -> str:
    """So many bytes, in words."""
    return "1 byte" if number == 1 else f"{number} bytes"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the bytes: its name in the standard, what it says here, and what it is made of."""

    name: str
    data: bytes
    """Empty where it may not be shown."""
    meaning: str = ""
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One way to read the bytes, and the other ways there are."""

    kind: Kind
    summary: str
    parts: tuple[Part, ...] = ()
    fits: bool = True
    """False if the bytes are not that; `summary` says why."""
    alternatives: tuple["Explanation", ...] = ()
    """Other ways to read the same bytes, the likelier first, without their parts: explain as that kind for them."""
