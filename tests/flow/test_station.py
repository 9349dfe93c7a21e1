"""A station survives bad cards, other programs, readers that go and a service that stops."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from ecitizen.errors import CardMute, CardReset, EcitizenError, PcscUnavailable, ReaderBusy
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.model import CitizenId
from ecitizen.station import (
    CardInserted,
    CardRead,
    CardTaken,
    DataArrived,
    Failed,
    ReaderAttached,
    ReaderGone,
    ReadProgress,
    Station,
    StationEvent,
    StationSettings,
)
from ecitizen.testing import virtual_card
from ecitizen.transport.base import Transport
from ecitizen.transport.virtual import VirtualReader
from ecitizen.transport.virtual_source import VirtualSource

QUICK = {"settle": 0.0, "retry_pause": 0.0, "poll": 0.02, "service_pause": 0.01}
LIMIT = 20.0  # seconds without any event, after which a test gives up


class Wrapped:
    """A transport that asks `before` about every command."""

    def __init__(self, inner: Transport, before: Callable[[int], bytes | None]) -> None:
        self._inner = inner
        self._before = before
        self._count = 0
        self.resets = 0

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def atr(self) -> bytes:
        return self._inner.atr

    @property
    def protocol(self) -> CardProtocol:
        return self._inner.protocol

    def transmit(self, command: bytes) -> bytes:
        self._count += 1
        instead = self._before(self._count)
        return self._inner.transmit(command) if instead is None else instead

    def reset(self) -> None:
        self.resets += 1
        self._inner.reset()

    def transaction(self) -> AbstractContextManager[None]:
        return self._inner.transaction()

    def close(self) -> None:
        self._inner.close()


@contextmanager
def running(source: VirtualSource, **settings: object) -> Iterator[Iterator[StationEvent]]:
    """A station over `source`; gives its events, in which a long silence is a failure."""
    with Station(StationSettings(**{**QUICK, **settings}), source=source) as station:  # type: ignore[arg-type]
        yield loud(station)


def loud(station: Station) -> Iterator[StationEvent]:
    yield from station.events(LIMIT)
    pytest.fail("no event came")


def until(events: Iterator[StationEvent], kind: type[StationEvent]) -> list[StationEvent]:
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, kind):
            break
    return seen


def kinds(events: list[StationEvent]) -> list[str]:
    return [type(event).__name__ for event in events if not isinstance(event, ReadProgress)]


def test_a_card_is_read_text_first_and_photo_last() -> None:
    source = VirtualSource(VirtualReader(name="desk"))
    with running(source) as events:
        assert kinds(until(events, ReaderAttached)) == ["ReaderAttached"]
        source.insert("desk", virtual_card("wanida"))
        seen = until(events, CardRead)
    assert kinds(seen) == ["CardInserted", *["DataArrived"] * 5, "CardRead"]
    citizen = [event.record for event in seen if isinstance(event, DataArrived) and isinstance(event.record, CitizenId)]
    assert [record.photo is None for record in citizen] == [True, False]
    percents = [event.percent for event in seen if isinstance(event, ReadProgress)]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(event.reader == "desk" and event.moment.tzinfo is not None for event in seen)


def test_several_readers_by_alias_and_no_others() -> None:
    readers = [VirtualReader(virtual_card("somchai"), name=f"ACME Reader {number}") for number in range(3)]
    source = VirtualSource(*readers)
    with running(source, aliases={"left": "reader 0", "right": "READER 2"}) as events:
        read = {until(events, CardRead)[-1].reader for _ in range(2)}
    assert read == {"left", "right"}


def test_a_card_that_answers_badly_at_first_is_reset_and_read() -> None:
    transports: list[Wrapped] = []

    def wrap(inner: Transport) -> Transport:
        bad = not transports
        transports.append(Wrapped(inner, lambda _: b"\x00" if bad else None))
        return transports[-1]

    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"), wrap=wrap)
    with running(source) as events:
        last = until(events, CardRead)[-1]
    assert isinstance(last, CardRead)
    assert last.reading.complete
    assert [transport.resets for transport in transports] == [0, 1]


def test_a_card_that_always_answers_badly_is_told_once() -> None:
    source = VirtualSource(
        VirtualReader(virtual_card("somchai"), name="desk"), wrap=lambda inner: Wrapped(inner, lambda _: b"\x6f\x00")
    )
    with running(source) as events:
        seen = until(events, CardRead)
    last = seen[-1]
    assert isinstance(last, CardRead)
    assert not last.reading.complete
    assert kinds(seen).count("CardRead") == 1


@pytest.mark.parametrize("at", [1, 5, 20, 40])
def test_another_programs_reset_means_reading_again(at: int) -> None:
    resets: list[int] = []

    def disturb(count: int) -> bytes | None:
        if count == at and not resets:
            resets.append(at)
            raise CardReset("another program reset the card; start again")
        return None

    source = VirtualSource(
        VirtualReader(virtual_card("somchai"), name="desk"), wrap=lambda inner: Wrapped(inner, disturb)
    )
    with running(source) as events:
        last = until(events, CardRead)[-1]
    assert isinstance(last, CardRead)
    assert last.reading.complete
    assert resets


class BusySource(VirtualSource):
    """Another program holds the card for a number of attempts."""

    def __init__(self, reader: VirtualReader, times: int) -> None:
        super().__init__(reader)
        self.left = times

    def connect(self, name: str) -> Transport:
        self.left -= 1
        if self.left >= 0:
            raise ReaderBusy("another program holds the card for itself; close that program")
        return super().connect(name)


def test_a_busy_reader_is_waited_for() -> None:
    source = BusySource(VirtualReader(virtual_card("somchai"), name="desk"), times=5)
    with running(source) as events:
        last = until(events, CardRead)[-1]
    assert isinstance(last, CardRead)
    assert last.reading.complete


def test_a_reader_that_stays_busy_is_told() -> None:
    source = BusySource(VirtualReader(virtual_card("somchai"), name="desk"), times=10**9)
    with running(source, busy_patience=0.05) as events:
        last = until(events, Failed)[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, ReaderBusy)
    assert last.reader == "desk"


def test_a_silent_card_blocks_no_other_reader_and_not_the_end() -> None:
    silence = threading.Event()

    def keep_silent(count: int) -> bytes | None:
        if count == 3:
            silence.wait()
        return None

    def wrap(inner: Transport) -> Transport:
        return Wrapped(inner, keep_silent) if inner.name == "bad" else inner

    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="bad"), VirtualReader(name="good"), wrap=wrap)
    try:
        with running(source, card_silence=0.1) as events:
            source.insert("good", virtual_card("wanida"))
            seen = until(events, Failed)
            while not any(isinstance(event, CardRead) for event in seen):
                seen += until(events, CardRead)
            begun = time.monotonic()
        assert time.monotonic() - begun < LIMIT
    finally:
        silence.set()
    failures = [event for event in seen if isinstance(event, Failed)]
    assert [(event.reader, type(event.error)) for event in failures] == [("bad", CardMute)]
    assert {event.reader for event in seen if isinstance(event, CardRead)} == {"good"}


def test_after_a_silent_card_the_next_one_is_read() -> None:
    silence = threading.Event()
    connections = []

    def wrap(inner: Transport) -> Transport:
        connections.append(inner)
        first = len(connections) == 1

        def before(_: int) -> bytes | None:
            if first:
                silence.wait()
            return None

        return Wrapped(inner, before)

    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"), wrap=wrap)
    with running(source, card_silence=0.05) as events:
        until(events, Failed)
        source.insert("desk", virtual_card("wanida"))
        assert kinds(until(events, CardInserted)) == ["CardTaken", "CardInserted"]
        silence.set()  # as a real reader lets go of a card that was pulled out
        last = until(events, CardRead)[-1]
    assert isinstance(last, CardRead)
    assert last.reading.civil_servant is not None


def test_the_service_goes_and_comes_back() -> None:
    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"))
    with running(source) as events:
        until(events, CardRead)
        source.set_service(running=False)
        seen = until(events, Failed)
        assert kinds(seen) == ["CardTaken", "ReaderGone", "Failed"]
        last = seen[-1]
        assert isinstance(last, Failed)
        assert last.reader is None
        assert isinstance(last.error, PcscUnavailable)
        time.sleep(0.1)  # several attempts, which are not told one by one
        source.set_service(running=True)
        assert kinds(until(events, CardRead))[:2] == ["ReaderAttached", "CardInserted"]


@pytest.mark.parametrize("at", [1, 2, 7, 30])
def test_a_reader_unplugged_in_the_middle_of_a_read(at: int) -> None:
    def pull(count: int) -> bytes | None:
        if count == at and not gone.is_set():
            gone.set()
            source.unplug("desk")
        return None

    gone = threading.Event()
    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"), wrap=lambda inner: Wrapped(inner, pull))
    with running(source) as events:
        seen = until(events, ReaderGone)
        assert kinds(seen)[-2:] == ["CardTaken", "ReaderGone"]
        assert "Failed" not in kinds(seen)
        source.plug_in(VirtualReader(virtual_card("somchai"), name="desk"))
        assert "CardRead" in kinds(until(events, CardRead))


def test_a_card_swapped_in_the_middle_of_a_read_never_mixes_two_people() -> None:
    swapped = threading.Event()

    def swap(count: int) -> bytes | None:
        if count == 20 and not swapped.is_set():
            swapped.set()
            source.insert("desk", virtual_card("wanida"))
        return None

    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"), wrap=lambda inner: Wrapped(inner, swap))
    with running(source) as events:
        seen = until(events, CardRead)
    assert kinds(seen).count("CardRead") == 1
    last = seen[-1]
    assert isinstance(last, CardRead)
    assert last.reading.citizen_id is not None
    assert last.reading.citizen_id.name_en is not None
    assert last.reading.citizen_id.name_en.first == "Wanida"
    taken = next(at for at, event in enumerate(seen) if isinstance(event, CardTaken))
    after = [event for event in seen[taken:] if isinstance(event, DataArrived) and isinstance(event.record, CitizenId)]
    assert all(event.record == last.reading.citizen_id for event in after[-1:])


def test_a_callback_gets_the_events() -> None:
    done = threading.Event()
    seen: list[StationEvent] = []

    def note(event: StationEvent) -> None:
        seen.append(event)
        if isinstance(event, CardRead):
            done.set()

    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"))
    with Station(StationSettings(**QUICK), source=source, on_event=note):  # type: ignore[arg-type]
        assert done.wait(LIMIT)
    assert kinds(seen)[:2] == ["ReaderAttached", "CardInserted"]


def test_a_callback_that_fails_stops_the_station_and_is_told() -> None:
    def fail(_: StationEvent) -> None:
        raise RuntimeError("a bug of the kiosk")

    source = VirtualSource(VirtualReader(name="desk"))
    station = Station(StationSettings(**QUICK), source=source, on_event=fail)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="a bug of the kiosk"), station:
        assert station.stopping.wait(LIMIT)


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    source = VirtualSource(VirtualReader(virtual_card("somchai"), name="desk"))
    with running(source) as events:
        until(events, CardRead)
    assert set(threading.enumerate()) == before


def test_unknown_fields_are_refused_before_any_card_comes() -> None:
    with pytest.raises(EcitizenError, match="citizen_id"):
        Station(StationSettings(fields=("citizen_id.shoe_size",)), source=VirtualSource())
