"""Faults to prove a program with, as values: the card is pulled out, falls silent, answers nonsense, loses power.

`faulty` plays a list of them. What happens depends on nothing but that list and the commands that come: the same
list gives the same session. Every fault also has a text form, as `remove@5`, for the command line and the emulator's
control.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from ..errors import UsageError

EXCHANGE_MAX = 999_999_999
SECONDS_MAX = 3600.0
EXTRA_LEN_MAX = 65535


# Faults


@dataclass(frozen=True, slots=True)
class AtExchange:
    """What the faults of one exchange have in common: `exchange` is counted from 1."""

    NAME: ClassVar[str]
    FIRST: ClassVar[int] = 1
    exchange: int

    def __post_init__(self) -> None:
        _require(self.FIRST <= self.exchange <= EXCHANGE_MAX, f"exchanges are counted from {self.FIRST}")

    def __str__(self) -> str:
        return f"{self.NAME}@{self.exchange}"


@dataclass(frozen=True, slots=True)
class RemoveAt(AtExchange):
    """The card is pulled out: before it gets the command, or `after` it has acted on it but before its answer."""

    NAME = "remove"
    after: bool = False

    def __str__(self) -> str:
        return f"{self.NAME}@{self.exchange}{':after' if self.after else ''}"


@dataclass(frozen=True, slots=True)
class MuteAt(AtExchange):
    """The card gives no answer from this exchange until its power is taken away; exchange 0: never, not even an ATR."""

    NAME = "mute"
    FIRST = 0


@dataclass(frozen=True, slots=True)
class GarbleAt(AtExchange):
    """Some bits of the answer are flipped, one for every 16 bytes; which ones, the seed decides."""

    NAME = "garble"
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.NAME}@{self.exchange}:{self.seed}"


@dataclass(frozen=True, slots=True)
class TruncateAt(AtExchange):
    """Only the first `keep` bytes of the answer arrive, status word included; 0 and 1 leave no status word."""

    NAME = "truncate"
    keep: int

    def __post_init__(self) -> None:
        AtExchange.__post_init__(self)
        _require(self.keep >= 0, "an answer can't be cut to fewer than 0 bytes")

    def __str__(self) -> str:
        return f"{self.NAME}@{self.exchange}:{self.keep}"


@dataclass(frozen=True, slots=True)
class ExtraAt(AtExchange):
    """The answer has more data than it should: `data`, before the status word."""

    NAME = "extra"
    data: bytes

    def __post_init__(self) -> None:
        AtExchange.__post_init__(self)
        _require(0 < len(self.data) <= EXTRA_LEN_MAX, f"extra data are 1 to {EXTRA_LEN_MAX} bytes")

    def __str__(self) -> str:
        return f"{self.NAME}@{self.exchange}={self.data.hex().upper()}"


@dataclass(frozen=True, slots=True)
class StatusAt(AtExchange):
    """The card answers with this status word and nothing else, and does not act on the command."""

    NAME = "sw"
    sw: int

    def __post_init__(self) -> None:
        AtExchange.__post_init__(self)
        _require(0 <= self.sw <= 0xFFFF, "a status word is two bytes")

    def __str__(self) -> str:
        return f"{self.NAME}@{self.exchange}={self.sw:04X}"


@dataclass(frozen=True, slots=True)
class ResetAt(AtExchange):
    """The card starts anew by itself just before the command: what was selected and verified is gone."""

    NAME = "reset"


@dataclass(frozen=True, slots=True)
class OtherResetAt(AtExchange):
    """Another program resets the card just before the command: CardReset, until the caller resets or connects anew."""

    NAME = "other-reset"


@dataclass(frozen=True, slots=True)
class ReaderGoneAt(AtExchange):
    """The reader is unplugged with the card in it: NoReader from here on, until other faults are set."""

    NAME = "reader-gone"


@dataclass(frozen=True, slots=True)
class Latency:
    """Every answer takes `seconds`, and `per_byte` seconds for each byte of command and answer."""

    seconds: float = 0.0
    per_byte: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.seconds, self.per_byte):
            _require(0 <= value <= SECONDS_MAX, f"a latency is 0 to {SECONDS_MAX:.0f} seconds")

    def __str__(self) -> str:
        per_byte = f"{_decimal(self.per_byte)}/byte"
        if not self.per_byte:
            return f"latency={_decimal(self.seconds)}"
        return f"latency={_decimal(self.seconds)}+{per_byte}" if self.seconds else f"latency={per_byte}"


@dataclass(frozen=True, slots=True)
class LinkLatency:
    """Every answer takes the time that a real reader would need for it, at 4 MHz (`iso7816.link_time`)."""

    def __str__(self) -> str:
        return "latency=link"


@dataclass(frozen=True, slots=True)
class PowerCutAt:
    """The power goes while the card writes its memory: of write number `write`, from 1, `byte` bytes are written."""

    write: int
    byte: int

    def __post_init__(self) -> None:
        _require(0 < self.write <= EXCHANGE_MAX, "writes are counted from 1")
        _require(self.byte >= 0, "a power cut comes after 0 bytes or more")

    def __str__(self) -> str:
        return f"power-cut@{self.write}:{self.byte}"


Fault: TypeAlias = (
    RemoveAt
    | MuteAt
    | GarbleAt
    | TruncateAt
    | ExtraAt
    | StatusAt
    | ResetAt
    | OtherResetAt
    | ReaderGoneAt
    | Latency
    | LinkLatency
    | PowerCutAt
)


# Text forms

FORMS: Mapping[str, str] = MappingProxyType(
    {
        "remove@N": "the card is pulled out before it gets command N",
        "remove@N:after": "the card is pulled out after it has acted on command N, before its answer",
        "mute@N": "no answer from command N until the card loses power; mute@0: never any, not even an ATR",
        "garble@N:SEED": "bits of answer N are flipped; without :SEED as with :0",
        "truncate@N:KEEP": "only the first KEEP bytes of answer N arrive",
        "extra@N=HEX": "answer N has these bytes too many",
        "sw@N=XXXX": "command N is answered with this status word and does nothing",
        "reset@N": "the card starts anew before command N, and nobody is told",
        "other-reset@N": "another program resets the card before command N (in this process only)",
        "reader-gone@N": "the reader is unplugged at command N (in this process only)",
        "latency=SECONDS": "every answer takes that long",
        "latency=SECONDS/byte": "every answer takes that long for each byte; latency=A+B/byte for both",
        "latency=link": "every answer takes the time that a real reader would need for it",
        "power-cut@W:BYTES": "the power goes when write W to the card image has put down that many bytes",
    }
)
"""Every text form of a fault, and what it means. Exchanges and writes are counted from 1, numbers are decimal."""

_NUMBER = r"([0-9]{1,9})"
_SECONDS = r"([0-9]{1,4}(?:\.[0-9]{1,9})?)"


def parse_fault(text: str) -> Fault:
    """The fault of a text form, as in `remove@5`; `str(fault)` gives it back. Raise UsageError that lists the forms."""
    for pattern, make in _MAKERS:
        found = pattern.fullmatch(text)
        if found is not None:
            return make(*found.groups(default=""))
    raise UsageError(f"{text[:40]!r} is not a fault; there are {', '.join(FORMS)}")


_MAKERS: tuple[tuple[re.Pattern[str], Callable[..., Fault]], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (rf"remove@{_NUMBER}(:after)?", lambda at, after: RemoveAt(int(at), bool(after))),
        (rf"mute@{_NUMBER}", lambda at: MuteAt(int(at))),
        (rf"garble@{_NUMBER}(?::{_NUMBER})?", lambda at, seed: GarbleAt(int(at), int(seed or 0))),
        (rf"truncate@{_NUMBER}:{_NUMBER}", lambda at, keep: TruncateAt(int(at), int(keep))),
        (rf"extra@{_NUMBER}=((?:[0-9A-Fa-f]{{2}})+)", lambda at, data: ExtraAt(int(at), bytes.fromhex(data))),
        (rf"sw@{_NUMBER}=([0-9A-Fa-f]{{4}})", lambda at, sw: StatusAt(int(at), int(sw, 16))),
        (rf"reset@{_NUMBER}", lambda at: ResetAt(int(at))),
        (rf"other-reset@{_NUMBER}", lambda at: OtherResetAt(int(at))),
        (rf"reader-gone@{_NUMBER}", lambda at: ReaderGoneAt(int(at))),
        (rf"latency={_SECONDS}", lambda seconds: Latency(float(seconds))),
        (rf"latency=(?:{_SECONDS}\+)?{_SECONDS}/byte", lambda first, each: Latency(float(first or 0), float(each))),
        (r"latency=link", LinkLatency),
        (rf"power-cut@{_NUMBER}:{_NUMBER}", lambda write, byte: PowerCutAt(int(write), int(byte))),
    )
)


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise UsageError(f"this fault can't be: {rule}")


def _decimal(seconds: float) -> str:
    return f"{seconds:.9f}".rstrip("0").rstrip(".")


# Playing them


class FaultScript:
    """A list of faults, and how far it has been played.

    It belongs to the place where cards are, not to one card: exchanges and writes are counted on when a card is put
    in again, so that the fault of one exchange happens once.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self.exchanges = 0
        """How many commands have come."""
        self.writes = 0
        """How often a FaultyDisk was written to."""
        self.stuck: MuteAt | OtherResetAt | ReaderGoneAt | None = next(
            (fault for fault in self.faults if isinstance(fault, MuteAt) and fault.exchange == 0), None
        )
        """The fault that lets no command through at the moment."""
