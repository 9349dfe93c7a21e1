"""Readers of a soak test, and the hand that puts cards in: in this process, or behind pcscd."""

import threading
from collections.abc import Sequence
from typing import Protocol

from ecitizen.emulator.faulty import FaultyCard
from ecitizen.emulator.vpcd import VpcdClient
from ecitizen.transport.base import ReaderSource
from ecitizen.transport.pcsc import PcscSource
from ecitizen.transport.virtual import VirtualReader
from ecitizen.transport.virtual_source import VirtualSource

from .removal import PATIENCE, Slot


class Desk(Protocol):
    """Some readers."""

    @property
    def readers(self) -> Sequence[str]:
        """Their names."""
        ...

    def source(self) -> ReaderSource:
        """What a station watches."""
        ...

    def insert(self, reader: str, card: FaultyCard) -> None:
        """Put a card into an empty reader."""
        ...

    def remove(self, reader: str) -> None:
        """Take the card out, unless a fault has done so."""
        ...


class VirtualDesk:
    """Readers in this process."""

    def __init__(self, count: int) -> None:
        self._places = {f"virtual {number}": VirtualReader(name=f"virtual {number}") for number in range(count)}
        self._source = VirtualSource(*self._places.values())
        self.readers = tuple(self._places)

    def source(self) -> ReaderSource:
        return self._source

    def insert(self, reader: str, card: FaultyCard) -> None:
        self._source.insert(reader, card)

    def remove(self, reader: str) -> None:
        if self._places[reader].card is not None:
            self._source.remove(reader)


class PcscDesk:
    """Slots of pcscd's virtual readers."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._ports = dict(slots)
        self._inside: dict[str, tuple[VpcdClient, threading.Thread]] = {}
        self.readers = tuple(self._ports)

    def source(self) -> ReaderSource:
        return PcscSource()

    def insert(self, reader: str, card: FaultyCard) -> None:
        client = VpcdClient(card, port=self._ports[reader])
        client.attach(PATIENCE)
        thread = threading.Thread(target=client.serve, name=f"card in {reader}")
        thread.start()
        self._inside[reader] = client, thread

    def remove(self, reader: str) -> None:
        inside = self._inside.pop(reader, None)
        if inside is not None:
            client, thread = inside
            client.detach()
            thread.join()
