"""Planning reads: which pieces of a card's record to ask for, so that the fewest exchanges bring what is wanted.

Spans are half-open byte ranges of one record (`start`, `end`). What was read goes into a SparseBytes, which knows
what is still missing.
"""

from collections.abc import Iterable
from typing import NamedTuple

BRIDGE = 255
"""Unwanted bytes between two wanted spans that are cheaper to read than another command, in bytes."""


class Span(NamedTuple):
    """Bytes `start` up to, not including, `end`."""

    start: int
    end: int


def plan_reads(wanted: Iterable[Span], longest: int) -> list[Span]:
    """The fewest reads of at most `longest` bytes that cover all wanted spans.

    Starting each read at the first byte that no read has yet, and taking along what it reaches, is optimal.
    """
    reads: list[Span] = []
    for start, end in sorted(wanted):
        if reads and start <= reads[-1].end + BRIDGE:  # grow the last read as far as it can go
            begin = reads[-1].start
            if start < begin + longest:
                reads[-1] = Span(begin, max(reads[-1].end, min(end, begin + longest)))
        position = max(start, reads[-1].end) if reads else start
        while position < end:
            reads.append(Span(position, min(end, position + longest)))
            position = reads[-1].end
    return reads


def widen(reads: Iterable[Span], bonus: Span, longest: int) -> list[Span]:
    """The same number of reads, each grown into `bonus`, which is wanted later, as far as it has room."""
    result = []
    for start, end in reads:
        if end < bonus.end and bonus.start < start + longest:
            end = min(start + longest, bonus.end)  # noqa: PLW2901 - the grown end is the end from here on
        room = longest - (end - start)
        if bonus.start < start < bonus.end + room:
            start = max(start - room, bonus.start)  # noqa: PLW2901
        result.append(Span(start, end))
    return result


class SparseBytes:
    """A record of which some pieces are known."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._known: list[Span] = []

    def put(self, offset: int, data: bytes) -> None:
        """These bytes were read at `offset`."""
        if not data:
            return
        end = offset + len(data)
        self._data.extend(bytes(max(0, end - len(self._data))))
        self._data[offset:end] = data
        merged: list[Span] = []
        for span in sorted([*self._known, Span(offset, end)]):
            if merged and span.start <= merged[-1].end:
                merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
            else:
                merged.append(span)
        self._known = merged

    def get(self, span: Span) -> bytes | None:
        """The bytes of the span, or None if some are not known."""
        known = any(start <= span.start and span.end <= end for start, end in self._known)
        return bytes(self._data[span.start : span.end]) if known else None

    def prefix(self, span: Span) -> bytes:
        """The bytes from the beginning of the span as far as they are known without a gap."""
        end = next((end for start, end in self._known if start <= span.start < end), span.start)
        return bytes(self._data[span.start : min(end, span.end)])

    def gaps(self, span: Span) -> list[Span]:
        """The pieces of the span that are not known."""
        result: list[Span] = []
        position = span.start
        for start, end in self._known:
            if start >= span.end:
                break
            if start > position:
                result.append(Span(position, start))
            position = max(position, end)
        if position < span.end:
            result.append(Span(position, span.end))
        return result
