"""What every way to a card can do."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ..iso7816.apdu import CardProtocol


class Transport(Protocol):
    """A powered card in some reader. Errors are TransportErrors."""

    @property
    def name(self) -> str:
        """The reader's name."""
        ...

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        ...

    @property
    def protocol(self) -> CardProtocol:
        """The protocol that reader and card agreed on."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU and give the card's answer, status word included."""
        ...

    def reset(self) -> None:
        """Reset the card (warm): all that was selected and verified is gone."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Keep other programs off the card for the time of one operation."""
        ...

    def close(self) -> None:
        """Let go of the card. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """A reader, and what is in it. `atr` is None where the reader is empty or the card does not answer."""

    name: str
    card_present: bool
    atr: bytes | None = None
    changes: int = 0
    """A count that grows with every card put in or taken out, so that a quick swap is noticed."""


class ReaderSource(Protocol):
    """A place where readers come and go, to be watched by one thread."""

    def wait(self, seconds: float) -> tuple[ReaderInfo, ...]:
        """All readers, as soon as something changes or after `seconds`; at once when asked for the first time.

        Raise PcscUnavailable while the service is away; the next call tries again.
        """
        ...

    def connect(self, name: str) -> Transport:
        """Connect to the card in a reader. May be called from any thread."""
        ...

    def close(self) -> None:
        """Stop watching. Called by the thread that waits."""
        ...
