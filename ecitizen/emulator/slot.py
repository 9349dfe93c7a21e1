"""A slot of pcscd's virtual reader, into which card images are put and taken out while programs look on."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..errors import CardRemoved, EcitizenError, UsageError
from .faults import Fault, FaultScript, OtherResetAt, ReaderGoneAt
from .faulty import FaultyCard, FaultyDisk
from .image import CardImage, StoredPath
from .image_store import located
from .personalise import card_from_image
from .vpcd import DEFAULT_HOST, DEFAULT_PORT, VpcdClient


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """What is in a slot. `exchanges` and `writes` are counted from when the faults were set."""

    inserted: bool
    powered: bool
    """Whether the reader has powered the card, so that PC/SC programs see it."""
    image: str
    """The card image that is in, or was in last."""
    exchanges: int
    writes: int
    faults: tuple[Fault, ...]


class VirtualSlot:
    """A slot of the virtual reader at `host` and `port`. May be used from several threads; a context manager.

    It is empty at first. Where nobody listens, a card that was inserted waits until somebody does, and again
    whenever the daemon went away. `faults` are played by all cards that are put in, until `set_faults` sets others;
    exchanges are counted on from card to card. `on_attached` is called from a thread of the slot after each
    connection; it must not take the card out. Raise UsageError for faults that can't be played through vpcd.
    """

    def __init__(
        self,
        image: StoredPath,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        *,
        faults: Iterable[Fault] = (),
        on_attached: Callable[[], None] | None = None,
    ) -> None:
        self._image = located(image)
        self._host = host
        self._port = port
        self._on_attached = on_attached
        self._script = _script(faults)
        self._lock = threading.RLock()  # guards what is in the slot
        self._insertion: _Insertion | None = None

    def insert(self, image: StoredPath | None = None) -> None:
        """Put a card in: this image, or the last one.

        Raise UsageError if a card is in, ImageBusy, ImageDamaged or another ImageError if it can't be opened.
        """
        with self._lock:
            if self._inserted is not None:
                raise UsageError("there is a card in the slot already; remove it first, or swap it")
            self._end()
            self._start(self._open(self._image if image is None else image))

    def remove(self) -> None:
        """Pull the card out and close its image. Raise UsageError if the slot is empty."""
        with self._lock:
            if self._inserted is None:
                raise UsageError("there is no card in the slot; insert one first")
            self._end()

    def swap(self, image: StoredPath) -> None:
        """Put this card in instead of the one that may be there, which stays if the image can't be opened.

        Raise ImageBusy, ImageDamaged or another ImageError then.
        """
        with self._lock:
            if located(image) == self._image or self._inserted is None:
                self._end()  # the same image can't be opened twice
            insertion = self._open(image)
            self._end()
            self._start(insertion)

    def set_faults(self, faults: Iterable[Fault] = ()) -> None:
        """Play these faults from now on, and count from here; without any, the card works.

        Raise UsageError for faults that can't be played through vpcd.
        """
        with self._lock:
            self._script = _script(faults)
            if self._insertion is not None:
                self._insertion.play(self._script)

    @property
    def status(self) -> SlotStatus:
        """What is in the slot now."""
        with self._lock:
            inserted, script = self._inserted, self._script
            return SlotStatus(
                inserted is not None,
                inserted is not None and inserted.client.powered.is_set(),
                self._image,
                script.exchanges,
                script.writes,
                script.faults,
            )

    def wait_powered(self, timeout: float) -> bool:
        """Wait until the reader has powered the card, `timeout` seconds at most."""
        with self._lock:
            inserted = self._inserted
        return inserted is not None and inserted.client.powered.wait(timeout)

    def check(self) -> None:
        """Raise the error that ended the card, if one did: ConfigError (unknown host), ImageError (full disk)."""
        with self._lock:
            if self._insertion is not None and self._insertion.error is not None:
                raise self._insertion.error

    def close(self) -> None:
        """Take the card out, if one is in."""
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _inserted(self) -> "_Insertion | None":
        """The card, unless a fault has pulled it out or an error has ended it."""
        insertion = self._insertion
        return insertion if insertion is not None and insertion.present else None

    def _open(self, image: StoredPath) -> "_Insertion":
        insertion = _Insertion(image, self._script, self._host, self._port)
        self._image = located(image)
        return insertion

    def _start(self, insertion: "_Insertion") -> None:
        self._insertion = insertion
        insertion.start(self._on_attached)

    def _end(self) -> None:
        if self._insertion is not None:
            self._insertion.end()
            self._insertion = None


class _Insertion:
    """One card in the slot: its image is open and a thread speaks for it, from `start` until it is out again."""

    def __init__(self, image: StoredPath, script: FaultScript, host: str, port: int) -> None:
        self.error: EcitizenError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._disk = FaultyDisk(script)
        self._image = CardImage.open(image, disk=self._disk)
        try:
            self._card = FaultyCard(card_from_image(self._image), script, sleep=self._stop.wait)
            self.client = VpcdClient(self._card, host, port)
        except BaseException:
            self._image.close()
            raise

    @property
    def present(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._card.out

    def play(self, script: FaultScript) -> None:
        self._disk.script = self._card.script = script

    def start(self, on_attached: Callable[[], None] | None) -> None:
        self._thread = threading.Thread(target=self._serve, args=(on_attached,), name="ecitizen card")
        self._thread.start()

    def end(self) -> None:
        self.client.detach()  # first, or a card that is woken from a latency still sends its answer
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _serve(self, on_attached: Callable[[], None] | None) -> None:
        try:
            self.client.run(self._stop, on_attached)
        except EcitizenError as error:
            self.error = error
        finally:
            with suppress(CardRemoved):  # a power cut in the very last write; the journal is still there
                self._image.close()


def _script(faults: Iterable[Fault]) -> FaultScript:
    script = FaultScript(faults)
    for fault in script.faults:
        if isinstance(fault, OtherResetAt | ReaderGoneAt):
            raise UsageError(
                f"{fault} can't be played through vpcd, only in a reader of this process; see docs/faults.md"
            )
    return script
