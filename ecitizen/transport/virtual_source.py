"""Virtual readers to watch: a ReaderSource in this process, for tests and demonstrations of a Station."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import NoReader, PcscUnavailable
from .base import ReaderInfo, Transport
from .virtual import InsertableCard, VirtualReader


class VirtualSource:
    """Readers that a test plugs in, fills, empties and unplugs, from any thread."""

    def __init__(self, *readers: VirtualReader, wrap: Callable[[Transport], Transport] | None = None) -> None:
        self._readers = {reader.name: reader for reader in readers}
        self._changes = {reader.name: 0 for reader in readers}
        self._changed = threading.Condition()
        self._version = 1
        self._seen = 0
        self._closed = False
        self._away = False
        self._wrap = wrap or (lambda transport: transport)

    def plug_in(self, reader: VirtualReader) -> None:
        """A reader is attached."""
        with self._changing():
            self._readers[reader.name] = reader
            self._changes[reader.name] = 0

    def unplug(self, name: str) -> None:
        """A reader is detached, with the card that may be in it."""
        with self._changing():
            self._readers.pop(name).remove()

    def insert(self, name: str, card: InsertableCard) -> None:
        """Put a card into a reader, in place of the one that may be there."""
        with self._changing():
            self._readers[name].insert(card)
            self._changes[name] += 1

    def remove(self, name: str) -> None:
        """Pull the card out."""
        with self._changing():
            self._readers[name].remove()
            self._changes[name] += 1

    def set_service(self, *, running: bool) -> None:
        """Stop the service, or start it again."""
        with self._changing():
            self._away = not running

    def wait(self, seconds: float) -> tuple[ReaderInfo, ...]:
        """All readers, as soon as something changes or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version != self._seen, seconds)
            self._seen = self._version
            if self._away:
                raise PcscUnavailable("the virtual service was stopped; start it again")
            return tuple(
                ReaderInfo(name, reader.card is not None, None, self._changes[name])
                for name, reader in self._readers.items()
            )

    def connect(self, name: str) -> Transport:
        """Connect to the card in a reader."""
        with self._changed:
            reader = self._readers.get(name)
        if reader is None:
            raise NoReader(f"the reader {name} is gone; plug it in again")
        return self._wrap(reader.connect())

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock while something changes, and tell who waits."""
        with self._changed:
            yield
            self._version += 1
            self._changed.notify_all()
