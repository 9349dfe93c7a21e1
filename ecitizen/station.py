"""A station: all readers of a desk or kiosk, watched for months, every card read as it comes.

    with Station() as station:
        for event in station.events():
            ...

One thread watches the readers, and each reader with a card has a thread of its own, so a card that never answers
blocks nobody but itself. All that happens is an event; nothing that a card, a reader or another program does ends
the station.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from .errors import (
    AppNotFound,
    CardMute,
    CardProtocolError,
    CardRemoved,
    CardReset,
    EcitizenError,
    NoCard,
    NoReader,
    PcscUnavailable,
    ReaderBusy,
    TransmitFailed,
)
from .model import ApplicationRecord, CardReading, Problem
from .ports import PhotoCache
from .session import CardSession
from .transport.base import ReaderInfo, ReaderSource, Transport
from .usecases.read_card import DataRead, Progress, ReadFinished, check_request, stream_card


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEvent:
    """Something that happened, at `moment` (UTC), in `reader` (its alias, or its name; None: in all of them)."""

    moment: datetime
    reader: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderAttached(StationEvent):
    """A reader was plugged in, or was there from the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderGone(StationEvent):
    """A reader was unplugged, or the PC/SC service went away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardInserted(StationEvent):
    """A card was put in. `atr` is None where it does not answer."""

    atr: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTaken(StationEvent):
    """The card was taken out: forget everything about its holder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProgress(StationEvent):
    """How far the read is, in percent, and at which application."""

    percent: int
    application: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataArrived(StationEvent):
    """What an application says; text first, and again with the photo. A later one replaces an earlier one."""

    application: str
    record: ApplicationRecord
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead(StationEvent):
    """The whole card was read."""

    reading: CardReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(StationEvent):
    """The card in this reader could not be read, or (reader None) readers can't be watched for now."""

    error: EcitizenError


@dataclass(frozen=True, slots=True)
class StationSettings:
    """What to read, and how patiently. Times are seconds."""

    apps: Sequence[str] | None = None
    fields: Sequence[str] | None = None
    photo: bool = True
    photos: PhotoCache | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Alias to part of a reader's name. With aliases given, readers that have none are left alone."""
    settle: float = 0.3
    """Wait this long after an insertion: a card that is still moving answers badly."""
    retries: int = 2
    """How often to reset a card that answers badly and try again."""
    retry_pause: float = 0.3
    busy_patience: float = 10.0
    """How long to wait for another program that holds the card for itself."""
    card_silence: float = 10.0
    """A card that brings nothing for this long is mute."""
    poll: float = 0.5
    """The longest that the watching thread sleeps, and so the longest that `stop` takes."""
    service_pause: float = 1.0
    """Between two attempts to reach a PC/SC service that is away."""


_BAD_FIRST_ANSWERS = (CardMute, CardProtocolError, TransmitFailed, AppNotFound)
_GONE = (CardRemoved, NoCard, NoReader, PcscUnavailable)


class Station:
    """Watches readers and reads every card. A context manager; give `on_event`, or iterate over `events`.

    `source` is where readers come from: PC/SC unless given. `on_event` is called in a thread of the station; an
    exception that it raises stops the station and comes out of `stop`, that is, at the end of the `with` block.
    `wrap` is put around the transport to every card, as a TracingTransport may be.
    `stopping` is set once the station is to end. Raise UsageError for applications or fields that do not exist.
    """

    def __init__(
        self,
        settings: StationSettings | None = None,
        *,
        source: ReaderSource | None = None,
        on_event: Callable[[StationEvent], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wrap: Callable[[Transport], Transport] | None = None,
    ) -> None:
        self.settings = settings or StationSettings()
        check_request(self.settings.apps, self.settings.fields)
        self._source = source or _pcsc_source()
        self._on_event = on_event
        self._clock = clock
        self._wrap = wrap
        self._events: queue.SimpleQueue[StationEvent | None] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._callback_error: BaseException | None = None

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._watch, name="ecitizen station", daemon=True)]
        if self._on_event:
            self._threads.append(threading.Thread(target=self._call_back, name="ecitizen events", daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the watch. Waits for the station's threads, but not for a card that never answers."""
        self.stopping.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._threads = []
        if self._callback_error is not None:
            error, self._callback_error = self._callback_error, None
            raise error

    def events(self, timeout: float | None = None) -> Iterator[StationEvent]:
        """Events as they happen; ends when the station stops, or after `timeout` seconds without any."""
        while True:
            try:
                event = self._events.get(timeout=timeout)
            except queue.Empty:
                return
            if event is None:
                self._events.put(None)  # for others who iterate
                return
            yield event

    def _call_back(self) -> None:
        assert self._on_event is not None
        try:
            for event in self.events():
                self._on_event(event)
        except BaseException as error:  # handed to whoever stops the station
            self._callback_error = error
            self.stopping.set()

    def _watch(self) -> None:
        """The watching thread: sees readers and cards come and go, and starts a visit for every card."""
        places: dict[str, _Place] = {}
        away = False
        while not self.stopping.is_set():
            try:
                states = self._source.wait(self.settings.poll)
            except EcitizenError as error:
                away = self._service_away(error, places, told=away)
            else:
                away = False
                self._compare(places, states)
        for place in places.values():
            place.end_visit()
        for place in places.values():
            place.join(self.settings.poll)
        self._source.close()
        self._events.put(None)

    def _service_away(self, error: EcitizenError, places: dict[str, "_Place"], *, told: bool) -> bool:
        if not told:
            for name in list(places):
                self._gone(places, name)
            self._emit(Failed(moment=self._clock(), reader=None, error=error))
        self.stopping.wait(self.settings.service_pause)
        return True

    def _compare(self, places: dict[str, "_Place"], states: tuple[ReaderInfo, ...]) -> None:
        seen = {state.name: state for state in states if self._alias(state.name) is not None}
        for name in [name for name in places if name not in seen]:
            self._gone(places, name)
        for name, state in seen.items():
            place = places.get(name)
            if place is None:
                alias = self._alias(name) or name
                place = places[name] = _Place(name, alias)
                self._emit(ReaderAttached(moment=self._clock(), reader=alias))
            self._update(place, state)

    def _update(self, place: "_Place", state: ReaderInfo) -> None:
        swapped = place.changes != state.changes
        if place.occupied and (swapped or not state.card_present):
            place.occupied = False
            place.end_visit()
            self._emit(CardTaken(moment=self._clock(), reader=place.alias))
        place.changes = state.changes
        if state.card_present and not place.occupied:
            place.occupied = True
            place.waiting = True
            self._emit(CardInserted(moment=self._clock(), reader=place.alias, atr=state.atr))
        if place.waiting and place.free:
            place.waiting = False
            place.begin_visit(_Visit(self._connect, place.name, place.alias, self.settings, self._emit, self._clock))
        elif place.visit is not None and place.occupied:
            place.visit.check_silence()

    def _gone(self, places: dict[str, "_Place"], name: str) -> None:
        place = places.pop(name)
        place.end_visit()
        if place.occupied:
            self._emit(CardTaken(moment=self._clock(), reader=place.alias))
        self._emit(ReaderGone(moment=self._clock(), reader=place.alias))

    def _alias(self, name: str) -> str | None:
        """What the reader is called here; None if it is none of ours."""
        if not self.settings.aliases:
            return name
        folded = name.casefold()
        return next((alias for alias, part in self.settings.aliases.items() if part.casefold() in folded), None)

    def _connect(self, name: str) -> Transport:
        transport = self._source.connect(name)
        return self._wrap(transport) if self._wrap else transport

    def _emit(self, event: StationEvent) -> None:
        self._events.put(event)


class _Place:
    """One reader: what was last seen in it, and the visit of the card that is in it."""

    def __init__(self, name: str, alias: str) -> None:
        self.name = name
        self.alias = alias
        self.changes = -1
        self.occupied = False
        self.waiting = False
        """A card is there whose visit has not begun, because the one before has not ended."""
        self.visit: _Visit | None = None
        self._thread: threading.Thread | None = None

    @property
    def free(self) -> bool:
        """True if no visit is going on."""
        return self._thread is None or not self._thread.is_alive()

    def begin_visit(self, visit: "_Visit") -> None:
        self.visit = visit
        self._thread = threading.Thread(target=visit.run, name=f"ecitizen {self.alias}", daemon=True)
        self._thread.start()

    def end_visit(self) -> None:
        """The card has gone: what its visit still says is of no interest."""
        self.waiting = False
        if self.visit is not None:
            self.visit.over.set()
            self.visit = None

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)


class _Visit:
    """One card, from insertion to removal: settles, is read, and is tried again if it answers badly."""

    def __init__(
        self,
        connect: Callable[[str], Transport],
        name: str,
        alias: str,
        settings: StationSettings,
        emit: Callable[[StationEvent], None],
        clock: Callable[[], datetime],
    ) -> None:
        self.over = threading.Event()
        self._connect = connect
        self._name = name
        self._alias = alias
        self._settings = settings
        self._emit_event = emit
        self._clock = clock
        self._heard = time.monotonic()
        self._reserving = False
        """Connecting: PC/SC lets us wait without limit while another program is in a transaction."""
        self._working = True

    def check_silence(self) -> None:
        """Called by the watching thread: a card that has brought nothing for too long is mute, or reserved."""
        if not self._working or self.over.is_set() or time.monotonic() - self._heard <= self._settings.card_silence:
            return
        if self._reserving:  # told once; the card is read when the other program has done
            self._heard = float("inf")
            self._fail(ReaderBusy("another program keeps the card reserved; wait for it, or close that program"))
        else:
            self._fail(CardMute("the card stopped answering; take it out, clean its contacts and insert it again"))
            self.over.set()

    def run(self) -> None:
        """The visit's thread."""
        try:
            if not self.over.wait(self._settings.settle):
                self._read_patiently()
        except _GONE:
            pass  # the watching thread sees it too, and says so
        except EcitizenError as error:
            self._fail(error)
        finally:
            self._working = False

    def _read_patiently(self) -> None:
        """Read the card; again after another program's reset, and a few times if it answers badly."""
        left = self._settings.retries
        busy_until = time.monotonic() + self._settings.busy_patience
        while not self.over.is_set():
            self._reserving, self._heard = True, time.monotonic()
            try:
                reading = self._read(reset=left < self._settings.retries)
            except ReaderBusy:
                if time.monotonic() > busy_until:
                    raise
            except (CardReset, *_BAD_FIRST_ANSWERS):
                if not left:
                    raise
                left -= 1
            else:
                if not left or not _answered_badly(reading):
                    self._emit(CardRead(moment=self._clock(), reader=self._alias, reading=reading))
                    return
                left -= 1
            self.over.wait(self._settings.retry_pause)

    def _read(self, *, reset: bool) -> CardReading:
        settings = self._settings
        reading: CardReading | None = None
        with CardSession(self._connect(self._name)) as session:
            if reset:
                session.reset()
            for event in stream_card(
                session, apps=settings.apps, fields=settings.fields, photo=settings.photo, photos=settings.photos
            ):
                self._reserving, self._heard = False, time.monotonic()
                if self.over.is_set():
                    raise CardRemoved("the card was taken out while it was read")
                if isinstance(event, Progress):
                    self._emit(
                        ReadProgress(
                            moment=self._clock(),
                            reader=self._alias,
                            percent=event.percent,
                            application=event.application,
                        )
                    )
                elif isinstance(event, DataRead):
                    self._emit(
                        DataArrived(
                            moment=self._clock(),
                            reader=self._alias,
                            application=event.application,
                            record=event.record,
                            problems=event.problems,
                        )
                    )
                elif isinstance(event, ReadFinished):
                    reading = event.reading
        assert reading is not None
        return reading

    def _fail(self, error: EcitizenError) -> None:
        self._emit(Failed(moment=self._clock(), reader=self._alias, error=error))

    def _emit(self, event: StationEvent) -> None:
        if not self.over.is_set():
            self._emit_event(event)


def _answered_badly(reading: CardReading) -> bool:
    """True if a whole application failed by the card's fault, which a reset may cure."""
    return any(problem.field is None and problem.code != AppNotFound.code for problem in reading.problems)


def _pcsc_source() -> ReaderSource:
    from .transport.pcsc import PcscSource  # late: a station of virtual readers needs no PC/SC

    return PcscSource()
