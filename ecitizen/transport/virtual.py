"""A card reader inside this process, for tests, demonstrations and card images."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ..errors import CardRemoved, NoCard
from ..iso7816.apdu import CardProtocol


class InsertableCard(Protocol):
    """A card as a reader sees it from outside: contacts to power and bytes to exchange."""

    @property
    def protocol(self) -> CardProtocol:
        """The protocol that the card speaks."""
        ...

    def power_on(self) -> bytes:
        """Cold reset; gives the ATR."""
        ...

    def power_off(self) -> None:
        """Take the power away."""
        ...

    def reset(self) -> bytes:
        """Warm reset; gives the ATR."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """One command APDU, one answer."""
        ...


class VirtualReader:
    """A reader to put cards into; `open_card` and `read_card` take it in place of a reader's name."""

    def __init__(self, card: InsertableCard | None = None, name: str = "virtual") -> None:
        self.name = name
        self._card = card
        self._removals = 0

    def insert(self, card: InsertableCard) -> None:
        """Put a card in, in place of the one that may be there."""
        self.remove()
        self._card = card

    def remove(self) -> None:
        """Pull the card out."""
        if self._card is not None:
            self._card.power_off()
            self._removals += 1
        self._card = None

    @property
    def card(self) -> InsertableCard | None:
        """The card that is in the reader now."""
        return self._card

    @property
    def removals(self) -> int:
        """How often a card was pulled out; a connection lasts until the next time."""
        return self._removals

    def connect(self) -> "VirtualTransport":
        """Power the card; raise NoCard if there is none."""
        if self._card is None:
            raise NoCard(f"there is no card in reader {self.name}; insert one")
        return VirtualTransport(self, self._card)


class VirtualTransport:
    """The way to the card in a VirtualReader."""

    def __init__(self, reader: VirtualReader, card: InsertableCard) -> None:
        self._reader = reader
        self._card = card
        self._removals = reader.removals
        self._atr = card.power_on()

    @property
    def name(self) -> str:
        """The reader's name."""
        return self._reader.name

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self._atr

    @property
    def protocol(self) -> CardProtocol:
        """The protocol of the card."""
        return self._card.protocol

    def transmit(self, command: bytes) -> bytes:
        """Hand the command to the card; raise CardRemoved if it is no longer there."""
        self._require_card()
        try:
            return self._card.transmit(command)
        except CardRemoved:  # a card that plays its own removal (emulator/faulty.py): then the reader is empty
            self._reader.remove()
            raise

    def reset(self) -> None:
        """Reset the card."""
        self._require_card()
        self._atr = self._card.reset()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nothing to keep off: a reader in this process has one user."""
        yield

    def close(self) -> None:
        """Take the power off the card, if it is still there."""
        if self._inserted:
            self._card.power_off()

    @property
    def _inserted(self) -> bool:
        """The card was in the reader all the time."""
        return self._reader.removals == self._removals

    def _require_card(self) -> None:
        if not self._inserted:
            raise CardRemoved("the card was pulled out; insert it again and start anew")
