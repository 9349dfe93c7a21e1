"""A transcript of what goes over a link: every command and answer with its time, redacted unless asked otherwise.

    session = open_card(wrap=lambda card: TracingTransport(card, TextTrace(sys.stderr.write)))

A TextTrace has the form of `transport.replay`, so a raw one can be played again.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, unique

from ..errors import DecodeError, EcitizenError, UsageError
from ..iso7816.apdu import CardProtocol
from ..iso7816.atr import Atr
from ..iso7816.link_time import LinkTiming
from ..iso7816.status import describe as describe_status
from ..log import Excerpt, Redactor
from .base import Transport

BYTES_PER_LINE = 32


@unique
class Redaction(Enum):
    """What a trace hides."""

    PINS_KEYS_AND_PERSONAL_DATA = "redacted"
    NOTHING_SHOW_ALL_SECRETS = "raw"
    """The trace holds all that the card says, and PINs: treat it as you would treat the card."""


@dataclass(frozen=True, slots=True)
class CardTraced:
    """The beginning, and again after every reset: which card it is. `seconds` count from the beginning."""

    seconds: float
    reader: str
    atr: bytes
    protocol: CardProtocol
    redaction: Redaction
    was_reset: bool = False


@dataclass(frozen=True, slots=True)
class ExchangeTraced:
    """One command, and the answer to it or why there was none."""

    number: int
    """From 1."""
    seconds: float
    """When it was sent, counted from the beginning."""
    took: float
    """Seconds until the answer was here."""
    command: Excerpt
    answer: Excerpt | None
    failure: str | None
    """The `code` of the error, where there was no answer."""
    words: str
    """What the command is for; empty where nobody says so."""
    status: str
    """What the status word means; empty without one."""
    link_seconds: float | None
    """What a real card's link would have taken (`iso7816.link_time`); None where the ATR does not tell."""


TraceEvent = CardTraced | ExchangeTraced
TraceSink = Callable[[TraceEvent], None]
"""Takes the events of a trace as they happen, in the thread that uses the card."""

Narrate = Callable[[bytes], str]
"""Says in words what a command is for; asked about each command of the card in its order."""


def _say_nothing(_: bytes) -> str:
    return ""


class TracingTransport:
    """Passes everything on to another transport, and tells `sink` of it.

    Errors of the inner transport and of the sink are passed on as well. `narrate` finds words for commands:
    `ecitizen.explain.Narrator().words` knows the installed applications.
    """

    def __init__(
        self,
        inner: Transport,
        sink: TraceSink,
        *,
        redaction: Redaction = Redaction.PINS_KEYS_AND_PERSONAL_DATA,
        narrate: Narrate = _say_nothing,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._inner = inner
        self._sink = sink
        self._redaction = redaction
        self._narrate = narrate
        self._clock = clock
        self._redactor = Redactor()
        self._begun = clock()
        self._number = 0
        self._timing = _timing(inner)
        self._tell_card()

    @property
    def name(self) -> str:
        """The reader's name."""
        return self._inner.name

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self._inner.atr

    @property
    def protocol(self) -> CardProtocol:
        """The protocol that reader and card agreed on."""
        return self._inner.protocol

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU; the sink is told when the answer is here, or the error."""
        sent_at = self._clock()
        try:
            answer = self._inner.transmit(command)
        except EcitizenError as error:
            self._tell_exchange(sent_at, command, None, error.code)
            raise
        self._tell_exchange(sent_at, command, answer, None)
        return answer

    def reset(self) -> None:
        """Reset the card (warm)."""
        self._inner.reset()
        self._redactor.reset()
        self._timing = _timing(self._inner)
        self._tell_card(was_reset=True)

    def transaction(self) -> AbstractContextManager[None]:
        """Keep other programs off the card for the time of one operation."""
        return self._inner.transaction()

    def close(self) -> None:
        """Let go of the card."""
        self._inner.close()

    def _tell_card(self, *, was_reset: bool = False) -> None:
        seconds = self._clock() - self._begun
        self._sink(CardTraced(seconds, self.name, self.atr, self.protocol, self._redaction, was_reset))

    def _tell_exchange(self, sent_at: float, command: bytes, answer: bytes | None, failure: str | None) -> None:
        took = self._clock() - sent_at
        self._number += 1
        shown_command = self._redactor.command(command)
        shown_answer = None if answer is None else self._redactor.answer(command, answer)
        if self._redaction is Redaction.NOTHING_SHOW_ALL_SECRETS:
            shown_command, shown_answer = Excerpt(command), None if answer is None else Excerpt(answer)
        self._sink(
            ExchangeTraced(
                number=self._number,
                seconds=sent_at - self._begun,
                took=took,
                command=shown_command,
                answer=shown_answer,
                failure=failure,
                words=self._narrate(command),
                status=describe_status(int.from_bytes(answer[-2:], "big")) if answer and len(answer) >= 2 else "",
                link_seconds=self._link_seconds(command, answer),
            )
        )

    def _link_seconds(self, command: bytes, answer: bytes | None) -> float | None:
        if self._timing is None or answer is None:
            return None
        return self._timing.exchange_seconds(command, answer)


def _timing(card: Transport) -> LinkTiming | None:
    try:
        return LinkTiming(Atr.parse(card.atr), protocol=card.protocol)
    except (DecodeError, UsageError):
        return None  # real cards with sloppy ATRs exist, and work


class TextTrace:
    """Writes a trace as text, for a person and for `transport.replay`. `write` takes whole lines with their ends."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def __call__(self, event: TraceEvent) -> None:
        """Write one event."""
        lines = _card_lines(event) if isinstance(event, CardTraced) else _exchange_lines(event)
        self._write("".join(f"{line}\n" for line in lines))


class JsonLinesTrace:
    """Writes a trace as JSON Lines: one object for each event, `kind` says which."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def __call__(self, event: TraceEvent) -> None:
        """Write one event."""
        import json  # late: a trace for people needs no JSON

        self._write(json.dumps(_card_json(event) if isinstance(event, CardTraced) else _exchange_json(event)) + "\n")


_WARNINGS = {
    Redaction.PINS_KEYS_AND_PERSONAL_DATA: "PINs, keys and personal data are hidden",
    Redaction.NOTHING_SHOW_ALL_SECRETS: "RAW: PINs and personal data are in it; keep it as safe as the card",
}


def _card_lines(event: CardTraced) -> list[str]:
    if event.was_reset:
        return [f"# {event.seconds:.3f} s: the card was reset", f"atr {event.atr.hex(' ').upper()}"]
    return [
        f"# {_WARNINGS[event.redaction]}",
        f"# reader {_one_line(event.reader)}",
        f"atr {event.atr.hex(' ').upper()}",
        f"protocol {event.protocol}",
    ]


def _exchange_lines(event: ExchangeTraced) -> list[str]:
    title = f"# {event.number} at {event.seconds:.3f} s"
    lines = ["", f"{title}: {_one_line(event.words)}" if event.words else title]
    if event.answer is None:  # a transcript has no command without an answer, so this is a remark
        return [*lines, f"# > {event.command}", f"# failed after {_duration(event.took)}: {event.failure}"]
    link = "" if event.link_seconds is None else f", on a real link {_duration(event.link_seconds)}"
    meaning = f"{event.status}, " if event.status else ""
    return [
        *lines,
        *_message_lines(">", event.command),
        *_message_lines("<", event.answer),
        f"# {meaning}after {_duration(event.took)}{link}",
    ]


def _message_lines(mark: str, message: Excerpt) -> list[str]:
    """The message; a long one goes on in lines that begin with spaces."""
    if message.hidden_len:
        return [f"{mark} {message}"]
    data = message.head
    pieces = [data[at : at + BYTES_PER_LINE].hex(" ").upper() for at in range(0, len(data), BYTES_PER_LINE)] or [""]
    return [f"{mark} {pieces[0]}", *(f"  {piece}" for piece in pieces[1:])]


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3f} s"


def _one_line(text: str) -> str:
    """Text that can't be taken for something else in a transcript."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _card_json(event: CardTraced) -> dict[str, object]:
    return {
        "kind": "reset" if event.was_reset else "card",
        "seconds": round(event.seconds, 6),
        "reader": event.reader,
        "atr": event.atr.hex().upper(),
        "protocol": str(event.protocol),
        "redacted": event.redaction is not Redaction.NOTHING_SHOW_ALL_SECRETS,
    }


def _exchange_json(event: ExchangeTraced) -> dict[str, object]:
    return {
        "kind": "exchange",
        "number": event.number,
        "seconds": round(event.seconds, 6),
        "took": round(event.took, 6),
        "command": _message_json(event.command),
        "answer": None if event.answer is None else _message_json(event.answer),
        "failure": event.failure,
        "words": event.words,
        "status": event.status,
        "link_seconds": None if event.link_seconds is None else round(event.link_seconds, 6),
    }


def _message_json(message: Excerpt) -> dict[str, object]:
    return {
        "head": message.head.hex().upper(),
        "hidden_len": message.hidden_len,
        "hidden_why": message.why,
        "tail": message.tail.hex().upper(),
    }
