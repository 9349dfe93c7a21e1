"""The answer to reset: what a card says about itself and its link when it gets power.

Source: ISO/IEC 7816-3:2006, clause 8; for the historical bytes ISO/IEC 7816-4:2020, 12.1.1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from ..errors import DecodeError, EncodeError
from .tlv import CompactTlv, parse_compact

if TYPE_CHECKING:
    from fractions import Fraction

MAX_ATR_LEN = 33
"""Bytes in an ATR: TS and at most 32 more (ISO/IEC 7816-3:2006, 8.2.1)."""

GLOBAL_T = 15
"""The value of T that is no protocol but announces global interface bytes (ISO/IEC 7816-3:2006, 8.2.3)."""

CATEGORY_WITH_STATUS = 0x00
CATEGORY_COMPACT_TLV = 0x80
"""Category indicators of historical bytes in COMPACT-TLV (ISO/IEC 7816-4:2020, 12.1.1)."""

TAG_STATUS_INDICATOR = 0x8
"""COMPACT-TLV tag of life cycle status and status word (ISO/IEC 7816-4:2020, 12.1.1)."""

# ISO/IEC 7816-3:2006, 8.3, table 7: bits 8 to 5 of TA1 to Fi and the highest clock in Hz.
_FI_AND_MAX_CLOCK = {
    0x0: (372, 4_000_000),
    0x1: (372, 5_000_000),
    0x2: (558, 6_000_000),
    0x3: (744, 8_000_000),
    0x4: (1116, 12_000_000),
    0x5: (1488, 16_000_000),
    0x6: (1860, 20_000_000),
    0x9: (512, 5_000_000),
    0xA: (768, 7_500_000),
    0xB: (1024, 10_000_000),
    0xC: (1536, 15_000_000),
    0xD: (2048, 20_000_000),
}

# ISO/IEC 7816-3:2006, 8.3, table 8: bits 4 to 1 of TA1 to Di.
_DI = {0x1: 1, 0x2: 2, 0x3: 4, 0x4: 8, 0x5: 16, 0x6: 32, 0x7: 64, 0x8: 12, 0x9: 20}

_DEFAULT_TA1 = 0x11
_DEFAULT_IFSC = 32
_LETTERS = "ABCD"


@unique
class Convention(StrEnum):
    """How the card puts bits on the line; readers always deliver the bytes decoded."""

    DIRECT = "direct"
    INVERSE = "inverse"


# TS (ISO/IEC 7816-3:2006, 8.1).
_CONVENTIONS = {0x3B: Convention.DIRECT, 0x3F: Convention.INVERSE}


@dataclass(frozen=True, slots=True)
class Atr:
    """An answer to reset, taken apart; make one with `parse` or `build`.

    Two are equal if their bytes are. Fi, Di and what follows from them are what the card offers: whether the
    reader makes use of it is not said here.
    """

    raw: bytes
    convention: Convention = field(compare=False)
    interface: Mapping[str, int] = field(compare=False)
    """The interface bytes by their names in the standard, in order: `{"TA1": 0x96}`."""
    protocols: tuple[int, ...] = field(compare=False)
    """The values of T offered, in order and once each; `(0,)` if the card names none."""
    historical: bytes = field(compare=False)
    tck: int | None = field(compare=False)
    """The check byte; None where the standard has none, that is, with T=0 alone."""

    @classmethod
    def parse(cls, data: bytes) -> "Atr":
        """Read the whole ATR `data`, 2 to 33 bytes from TS on, without a byte too few or too many.

        Raises DecodeError if TS is neither 3B nor 3F, if bytes are missing or left over, if the check byte is
        wrong, or if no protocol is offered.
        """
        data = bytes(data)
        if not 2 <= len(data) <= MAX_ATR_LEN:
            raise DecodeError(f"an ATR has 2 to {MAX_ATR_LEN} bytes, not {len(data)}")
        convention = _CONVENTIONS.get(data[0])
        if convention is None:
            raise DecodeError(f"an ATR begins with 3B or 3F, not {data[0]:02X}")
        interface = dict(_read_interface(data))
        announced = _announced_protocols(interface) or (0,)
        if announced[0] == GLOBAL_T:
            raise DecodeError("the ATR offers T=15 first, which is no protocol")
        start = 2 + len(interface)
        end = start + (data[1] & 0x0F)
        has_tck = _needs_tck(announced)
        if len(data) != end + has_tck:
            raise DecodeError(f"the ATR announces {end + has_tck} bytes, but has {len(data)}")
        if has_tck and _xor(data[1:]) != 0:
            raise DecodeError(f"the check byte of the ATR is wrong: {data[end]:02X}, not {_xor(data[1:end]):02X}")
        return cls(
            raw=data,
            convention=convention,
            interface=interface,
            protocols=tuple(dict.fromkeys(t for t in announced if t != GLOBAL_T)),
            historical=data[start:end],
            tck=data[end] if has_tck else None,
        )

    @classmethod
    def build(
        cls,
        interface: Mapping[str, int],
        historical: bytes = b"",
        convention: Convention = Convention.DIRECT,
    ) -> "Atr":
        """Put an ATR together, with its check byte where one is due.

        `interface` has whole bytes by name, as `Atr.interface` gives them; in TD1 and so on, the upper four
        bits must announce the bytes that follow. Raises EncodeError if all this makes no valid ATR.
        """
        if len(historical) > 15:
            raise EncodeError(f"an ATR has at most 15 historical bytes, not {len(historical)}")
        if not all(0 <= byte <= 0xFF for byte in interface.values()):
            raise EncodeError("an interface byte of an ATR is 0 to 255")
        ts = next(byte for byte, each in _CONVENTIONS.items() if each is convention)
        y1 = sum(1 << bit for bit, letter in enumerate(_LETTERS) if f"T{letter}1" in interface)
        names = (f"T{letter}{group}" for group in range(1, MAX_ATR_LEN) for letter in _LETTERS)
        data = bytes((ts, y1 << 4 | len(historical), *(interface[name] for name in names if name in interface)))
        data += historical
        if _needs_tck(_announced_protocols(interface)):
            data += bytes((_xor(data[1:]),))
        try:
            atr = cls.parse(data)
        except DecodeError as problem:
            raise EncodeError(f"these interface bytes make no ATR: {problem}") from None
        if atr.interface != dict(interface):
            raise EncodeError("these interface bytes make no ATR: a TD byte does not announce what follows it")
        return atr

    @property
    def fi(self) -> int | None:
        """Fi, the clock rate conversion integer of TA1; 372 without TA1, None if TA1 has a reserved value."""
        found = _FI_AND_MAX_CLOCK.get(self._ta1 >> 4)
        return None if found is None else found[0]

    @property
    def max_clock_hz(self) -> int | None:
        """The highest clock the card takes, in Hz; 5 MHz without TA1, None if TA1 has a reserved value."""
        found = _FI_AND_MAX_CLOCK.get(self._ta1 >> 4)
        return None if found is None else found[1]

    @property
    def di(self) -> int | None:
        """Di, the baud rate adjustment integer of TA1; 1 without TA1, None if TA1 has a reserved value."""
        return _DI.get(self._ta1 & 0x0F)

    @property
    def etu_clocks(self) -> "Fraction | None":
        """Clock cycles for one bit at the speed offered, Fi/Di; None if TA1 has a reserved value."""
        # Late: this import costs more than the rest of the package.
        from fractions import Fraction

        fi, di = self.fi, self.di
        return None if fi is None or di is None else Fraction(fi, di)

    def bits_per_second(self, clock_hz: float) -> float | None:
        """Tell the speed of the line in bits per second at a clock of `clock_hz`, if Fi and Di are used.

        A byte on the line takes 12 bits with T=0 and guard time 0, and at least 11 with T=1. None if TA1 has
        a reserved value.
        """
        fi, di = self.fi, self.di
        return None if fi is None or di is None else clock_hz * di / fi

    @property
    def specific_mode(self) -> bool:
        """True if the card insists on `default_protocol` and can't be negotiated with (TA2 is there)."""
        return "TA2" in self.interface

    @property
    def default_protocol(self) -> int:
        """The T that is used unless another is negotiated: that of TA2, else the first one offered."""
        return self.interface["TA2"] & 0x0F if self.specific_mode else self.protocols[0]

    @property
    def extra_guard_time(self) -> int:
        """N of TC1, 0 to 255: extra bit times between bytes to the card; 255 means as few as possible."""
        return self.interface.get("TC1", 0)

    @property
    def ifsc(self) -> int | None:
        """The longest T=1 information field the card takes, in bytes: 32 unless it says otherwise.

        None if the card does not offer T=1, or says a reserved value (00 or FF). Source: ISO/IEC 7816-3:2006,
        11.4.2.
        """
        if 1 not in self.protocols:
            return None
        # TA1 and TA2 are global: only from TA3 on does a TA belong to the T of the TD before it.
        owners = (group for group in range(2, MAX_ATR_LEN) if self.interface.get(f"TD{group}", 0) & 0x0F == 1)
        sizes = (self.interface[f"TA{group + 1}"] for group in owners if f"TA{group + 1}" in self.interface)
        size = next(sizes, _DEFAULT_IFSC)
        return None if size in (0x00, 0xFF) else size

    def compact_tlv(self) -> tuple[CompactTlv, ...]:
        """Read the historical bytes as COMPACT-TLV data objects.

        With category 00, the status indicator stands in the last three bytes without tag and length; it is
        given as an object of tag 8 here too. The result is empty for any category but 00 and 80, so it is for
        "TH NID 17". Raises DecodeError if the bytes are not what their category says.
        """
        category, body = self.historical[:1], self.historical[1:]
        if category == bytes((CATEGORY_COMPACT_TLV,)):
            return parse_compact(body)
        if category != bytes((CATEGORY_WITH_STATUS,)):
            return ()
        if len(body) < 3:
            raise DecodeError("historical bytes of category 00 must end in a status indicator of 3 bytes")
        return (*parse_compact(body[:-3]), CompactTlv(TAG_STATUS_INDICATOR, body[-3:]))

    @property
    def _ta1(self) -> int:
        return self.interface.get("TA1", _DEFAULT_TA1)


def _read_interface(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield the interface bytes with their names; the caller has seen that `data` has TS and T0."""
    at, group, announced = 2, 1, data[1] >> 4
    while announced:
        td = 0
        for bit, letter in enumerate(_LETTERS):
            if announced & 1 << bit:
                if at >= len(data):
                    raise DecodeError(f"the ATR ends before its interface byte T{letter}{group}")
                td = data[at] if letter == "D" else 0
                yield f"T{letter}{group}", data[at]
                at += 1
        group, announced = group + 1, td >> 4


def _announced_protocols(interface: Mapping[str, int]) -> tuple[int, ...]:
    """The values of T in the TD bytes as they come, with repetitions and T=15."""
    return tuple(byte & 0x0F for name, byte in interface.items() if name.startswith("TD"))


def _needs_tck(announced: tuple[int, ...]) -> bool:
    """Tell whether a check byte is due: it is unless T=0 is all that is announced (ISO/IEC 7816-3, 8.2.5)."""
    return any(announced)


def _xor(data: bytes) -> int:
    total = 0
    for byte in data:
        total ^= byte
    return total
