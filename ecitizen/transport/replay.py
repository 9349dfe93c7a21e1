"""A card played from a transcript: it knows one conversation, and fails on any deviation.

The format is text that a person writes from a standard and another reviews:

    # what this shows, and the source
    atr 3B 79 96 00 00 'TH NID 17'
    protocol T=0
    > 00 A4 04 00 08 A0 00 00 00 54 48 00 01
    < 61 0A
    > 80 B0 00 00 02 00 FF        # a remark
    < 61 FF
      continued on lines that begin with a space

An item is bytes in hex, text in quotes ('...' in Windows-874, the chip's Thai; "..." in UTF-8), or either with *N
behind it: repeated N times. The character # always begins a remark; inside a text it is written 23.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import DecodeError, TranscriptMismatch
from ..iso7816.apdu import CardProtocol

_ITEM = re.compile(
    r"""\s*(?:(?P<hex>(?:[0-9A-Fa-f]{2})+)|'(?P<thai>[^']*)'|"(?P<utf8>[^"]*)")(?:\*(?P<times>[0-9]+))?"""
)
_REPEAT_MAX = 65536


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation with one card: the commands in order, and the answer to each."""

    atr: bytes
    protocol: CardProtocol
    exchanges: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def parse(cls, text: str) -> "Transcript":
        """Read a transcript; raise DecodeError with the line number if it is not one."""
        atr, protocol = b"", CardProtocol.T0
        commands: list[bytes] = []
        answers: list[bytes] = []
        for number, mark, rest in _statements(text):
            if mark == "atr":
                atr = _items(rest, number)
            elif mark == "protocol" and rest in {"T=0", "T=1"}:
                protocol = CardProtocol(int(rest[-1]))
            elif mark == ">" and len(commands) == len(answers):
                commands.append(_items(rest, number))
            elif mark == "<" and len(commands) == len(answers) + 1:
                answers.append(_items(rest, number))
            else:
                raise DecodeError(f"transcript line {number}: expected atr, protocol, or > and < in turn")
        if len(commands) != len(answers):
            raise DecodeError("the transcript ends with a command that has no answer")
        return cls(atr, protocol, tuple(zip(commands, answers, strict=True)))


def _statements(text: str) -> Iterator[tuple[int, str, str]]:
    """Logical lines: comments dropped, continuation lines joined; line number, first word, and the rest."""
    pending: tuple[int, str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split("#", 1)[0].rstrip()
        if not bare:
            continue
        if bare[0] in " \t":
            if pending is None:
                raise DecodeError(f"transcript line {number}: nothing to continue")
            pending = (pending[0], pending[1], f"{pending[2]} {bare.strip()}")
            continue
        if pending is not None:
            yield pending
        mark, _, rest = bare.partition(" ")
        pending = (number, mark, rest.strip())
    if pending is not None:
        yield pending


def _items(text: str, number: int) -> bytes:
    result = bytearray()
    at = 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            raise DecodeError(f"transcript line {number}: not bytes in hex or text in quotes")
        result += _piece(item, number) * _times(item, number)
        at = item.end()
    return bytes(result)


def _piece(item: re.Match[str], number: int) -> bytes:
    try:
        if item["hex"] is not None:
            return bytes.fromhex(item["hex"])
        return item["thai"].encode("cp874") if item["thai"] is not None else item["utf8"].encode()
    except UnicodeEncodeError:
        raise DecodeError(f"transcript line {number}: a character that this encoding does not have") from None


def _times(item: re.Match[str], number: int) -> int:
    digits = item["times"] or "1"
    if len(digits) > len(str(_REPEAT_MAX)) or int(digits) > _REPEAT_MAX:
        raise DecodeError(f"transcript line {number}: repeated more than {_REPEAT_MAX} times")
    return int(digits)


class ReplayTransport:
    """Plays a Transcript to a driver: each command must come as written and in its order.

    `close` (and leaving the session) fails if the driver stopped before the end.
    """

    def __init__(self, transcript: Transcript, name: str = "replay") -> None:
        self.name = name
        self.atr = transcript.atr
        self.protocol = transcript.protocol
        self._exchanges = transcript.exchanges
        self._at = 0

    def transmit(self, command: bytes) -> bytes:
        """The written answer; raise TranscriptMismatch if this is not the command that comes next."""
        if self._at == len(self._exchanges):
            raise TranscriptMismatch(f"after the last of {self._at} exchanges came {command.hex(' ').upper()}")
        expected, answer = self._exchanges[self._at]
        if command != expected:
            raise TranscriptMismatch(
                f"exchange {self._at + 1}: expected {expected.hex(' ').upper()}, got {command.hex(' ').upper()}"
            )
        self._at += 1
        return answer

    def reset(self) -> None:
        """A transcript has no reset in it."""
        raise TranscriptMismatch(f"reset after exchange {self._at}, which the transcript does not have")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transcript has one reader."""
        yield

    def close(self) -> None:
        """Raise TranscriptMismatch if exchanges are left over."""
        left = len(self._exchanges) - self._at
        self._at = len(self._exchanges)
        if left:
            raise TranscriptMismatch(f"{left} exchanges of the transcript were not asked for")
