"""What a fuzz target is, and how the bytes that a fuzzer makes up are cut into something to do."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ecitizen.transport.replay import Transcript

TRANSCRIPTS = Path(__file__).parents[2] / "fixtures" / "transcripts"


@dataclass(frozen=True, slots=True)
class Target:
    """Code that takes whatever bytes come. `check` raises if it does anything but what its contract says."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    max_len: int
    weight: int
    """Its part of the runs in a campaign: the quick targets get more."""


class Cursor:
    """Reads made-up bytes piece by piece; behind their end are zeros and empty pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        return next(iter(self.take(1)), 0)

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece

    def piece(self) -> bytes:
        """A piece that begins with its length: one byte, or FF and two bytes."""
        count = self.byte()
        return self.take(count if count < 0xFF else self.byte() << 8 | self.byte())

    def rest(self) -> bytes:
        return self.take(len(self._data))


def piece(data: bytes) -> bytes:
    """`data` as `Cursor.piece` reads it back."""
    head = bytes((len(data),)) if len(data) < 0xFF else b"\xff" + len(data).to_bytes(2, "big")
    return head + data


def transcripts() -> Iterator[Transcript]:
    """The conversations that were written by hand: good beginnings for a fuzzer."""
    for path in sorted(TRANSCRIPTS.glob("*.transcript")):
        yield Transcript.parse(path.read_text(encoding="utf-8"))


def messages() -> Iterator[bytes]:
    """Every command and answer of these conversations."""
    for transcript in transcripts():
        for exchange in transcript.exchanges:
            yield from exchange
