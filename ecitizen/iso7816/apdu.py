"""Command and response APDUs (ISO/IEC 7816-3:2006, 12.1; ISO/IEC 7816-4:2020, 5.2 to 5.4)."""

from dataclasses import dataclass
from enum import IntEnum, unique

from ..errors import DecodeError, UsageError

NE_SHORT = 256
"""The most that one short response carries, in bytes."""

NE_MAX = 65536
"""The most that one extended response carries, in bytes; asks for "everything" where the length is not known."""

LC_SHORT_MAX = 255
LC_MAX = 65535

CLA_CHAINING = 0x10
"""Command chaining: this is not the last command of the chain (ISO/IEC 7816-4:2020, 5.4.1)."""

CLA_FURTHER = 0x40
"""Further interindustry class: four channel bits instead of two."""

CHANNEL_MAX = 19


@unique
class CardProtocol(IntEnum):
    """Transmission protocol between reader and card (ISO/IEC 7816-3:2006, 10 and 11)."""

    T0 = 0
    T1 = 1

    def __str__(self) -> str:
        return f"T={self.value}"


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """A command to the card.

    `ne` is how many response bytes are expected, 1 to 65536; None means no response data. `extended` chooses the
    extended length fields; `exchange` does so by itself where card and reader take them.
    """

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = b""
    ne: int | None = None
    extended: bool = False

    def with_ne(self, ne: int | None) -> "CommandApdu":
        """The same command with another `ne`; several times as fast as `dataclasses.replace`."""
        return CommandApdu(self.cla, self.ins, self.p1, self.p2, self.data, ne, self.extended)

    def encode(self) -> bytes:
        """The APDU as it is sent. Raise UsageError if a number doesn't fit its field."""
        data, ne = self.data, self.ne
        head = (self.cla, self.ins, self.p1, self.p2)
        try:
            if self.extended:
                return bytes(head) + self._extended_body()
            if len(data) > LC_SHORT_MAX or (ne is not None and not 1 <= ne <= NE_SHORT):
                raise UsageError("a short command APDU carries at most 255 bytes and expects 1 to 256; use extended")
            le = () if ne is None else (ne & 0xFF,)
            if data:
                return bytes((*head, len(data))) + data + bytes(le)
            return bytes(head + le)
        except ValueError:
            raise UsageError("CLA, INS, P1 and P2 of a command APDU are one byte each") from None

    def _extended_body(self) -> bytes:
        if len(self.data) > LC_MAX or (self.ne is not None and not 1 <= self.ne <= NE_MAX):
            raise UsageError("an extended command APDU carries at most 65535 bytes and expects 1 to 65536")
        body = len(self.data).to_bytes(3, "big") + self.data if self.data else b""
        if self.ne is None:
            return body
        le = (self.ne & 0xFFFF).to_bytes(2, "big")
        return body + le if body else b"\x00" + le

    @classmethod
    def parse(cls, raw: bytes) -> "CommandApdu":
        """Read an APDU of any of the four cases, short or extended; raise DecodeError if the lengths don't fit."""
        if len(raw) < 4:
            raise DecodeError("a command APDU has at least four bytes")
        cla, ins, p1, p2 = raw[:4]
        body = raw[4:]
        if not body:
            return cls(cla, ins, p1, p2)
        if len(body) == 1:
            return cls(cla, ins, p1, p2, ne=body[0] or NE_SHORT)
        if body[0]:
            data, le = body[1 : 1 + body[0]], body[1 + body[0] :]
            if len(data) == body[0] and len(le) <= 1:
                return cls(cla, ins, p1, p2, data, (le[0] or NE_SHORT) if le else None)
            raise DecodeError("the length Lc of a command APDU does not fit its bytes")
        return cls(cla, ins, p1, p2, *cls._parse_extended(body), extended=True)

    @staticmethod
    def _parse_extended(body: bytes) -> tuple[bytes, int | None]:
        if len(body) == 3:
            return b"", int.from_bytes(body[1:], "big") or NE_MAX
        lc = int.from_bytes(body[1:3], "big")
        data, le = body[3 : 3 + lc], body[3 + lc :]
        if len(body) < 3 or not lc or len(data) != lc or len(le) not in {0, 2}:
            raise DecodeError("the extended length of a command APDU does not fit its bytes")
        return data, (int.from_bytes(le, "big") or NE_MAX) if le else None


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """An answer of the card: data and the status word."""

    data: bytes
    sw: int

    def encode(self) -> bytes:
        """The answer as the card sends it."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def parse(cls, raw: bytes) -> "ResponseApdu":
        """Read an answer; raise DecodeError if it has no status word."""
        if len(raw) < 2:
            raise DecodeError("the card's answer has no status word; check the contacts and insert the card again")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))


def logical_channel(cla: int) -> int:
    """The logical channel, 0 to 19, that a class byte names (ISO/IEC 7816-4:2020, 5.4.1).

    GlobalPlatform codes proprietary classes 80 to BF and C0 to FF alike.
    """
    return 4 + (cla & 0x0F) if cla & CLA_FURTHER else cla & 0x03


def with_channel(cla: int, channel: int) -> int:
    """`cla` of the basic channel (00 to 0F, or 80 to 8F), moved to another logical channel."""
    if not 0 <= channel <= CHANNEL_MAX:
        raise UsageError("a logical channel is a number from 0 to 19")
    return cla | channel if channel < 4 else (cla & 0xB0) | CLA_FURTHER | (channel - 4)
