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
