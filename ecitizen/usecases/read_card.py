"""Reading a card: every application that is asked for, text first and photo last, one failure never losing the rest."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

from ..apps import installed_drivers
from ..errors import AppNotFound, CardError, CardProtocolError, UsageError
from ..model import ApplicationRecord, CardReading, Problem
from ..ports import Driver, PhotoCache
from ..session import CardSession
from ..transport.virtual import VirtualReader
from .open_card import open_card


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the read is, 0 to 100 percent, and at which application."""

    percent: int
    application: str


@dataclass(frozen=True, slots=True)
class DataRead:
    """What an application says. The one with a photo comes twice: its text at once, and again with the photo."""

    application: str
    record: ApplicationRecord
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ReadFinished:
    """The whole of what was read; the last event."""

    reading: CardReading


CardEvent = Progress | DataRead | ReadFinished


def read_card(
    reader: str | VirtualReader | CardSession | None = None,
    *,
    apps: Iterable[str] | None = None,
    fields: Iterable[str] | None = None,
    photo: bool = True,
    photos: PhotoCache | None = None,
    on_event: Callable[[CardEvent], None] | None = None,
    wait: float = 0.0,
) -> CardReading:
    """Read a card and give all that was asked for, and what is wrong with it.

    `reader` is as for `open_card`, or an open session. `apps` are names of applications and `fields` names like
    `citizen_id.name_th`; with neither, everything is read. `photo=False` leaves out portraits that were not asked
    for by name. `photos` is a cache of portraits (any mutable mapping, kept by the caller) that saves reading the
    same one again. `on_event` is called with each CardEvent as it happens, text long before the photo.

    Raise UsageError for an unknown name or none at all, TransportError if the card is pulled out or the reader
    fails, AppNotFound if the card has no application that we know. What only part of the card gets wrong is in
    `problems`.
    """
    if not isinstance(reader, CardSession):
        with open_card(reader, wait=wait) as session:
            return read_card(session, apps=apps, fields=fields, photo=photo, photos=photos, on_event=on_event)
    reading: CardReading | None = None
    # Closed before the session is, whatever `on_event` raises: it holds the card in a transaction.
    with closing(stream_card(reader, apps=apps, fields=fields, photo=photo, photos=photos)) as events:
        for event in events:
            if on_event:
                on_event(event)
            if isinstance(event, ReadFinished):
                reading = event.reading
    assert reading is not None
    return reading


def stream_card(
    session: CardSession,
    *,
    apps: Iterable[str] | None = None,
    fields: Iterable[str] | None = None,
    photo: bool = True,
    photos: PhotoCache | None = None,
) -> Generator[CardEvent, None, None]:
    """The same as `read_card`, as events to iterate over; the last one is ReadFinished.

    The card is reserved from the first event to the last: go through them without waiting for a person.
    """
    request = _Request.of(apps, fields, photo=photo)
    return _Reader(session, request, {} if photos is None else photos).run()


def check_request(apps: Iterable[str] | None, fields: Iterable[str] | None) -> None:
    """Raise UsageError if there is no such application or field, without needing a card."""
    _Request.of(apps, fields, photo=True)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be read: fields by application, in the order of reading."""

    drivers: tuple[Driver, ...]
    """All that are known, in the order of showing."""
    wanted: Mapping[str, frozenset[str]]
    by_name: frozenset[str]
    """Applications that the caller named: that one is absent is worth telling."""

    @classmethod
    def of(cls, apps: Iterable[str] | None, fields: Iterable[str] | None, *, photo: bool) -> "_Request":
        drivers = installed_drivers()
        known = {driver.name: driver for driver in drivers}
        wanted: dict[str, set[str]] = {}
        everything = known if apps is None and fields is None else ()
        for name in [*everything, *(apps or ())]:
            if name not in known:
                raise UsageError(f"no application {name}; there are {', '.join(known)}")
            driver = known[name]
            wanted[name] = {entry for entry in driver.fields if photo or entry != driver.photo_field}
        for entry in fields or ():
            name, _, field_name = entry.partition(".")
            if name not in known or field_name not in known[name].fields:
                raise UsageError(f"no field {entry}; write APPLICATION.FIELD, as in {_example(drivers)}")
            wanted.setdefault(name, set()).add(field_name)
        if not wanted:
            raise UsageError(f"nothing to read; name an application, or a field as in {_example(drivers)}")
        by_name = frozenset() if everything else frozenset(wanted)
        # A photo takes longer than all text together, so its application is the last to be read.
        order = sorted(known.values(), key=lambda driver: driver.photo_field in wanted.get(driver.name, ()))
        return cls(
            drivers,
            {driver.name: frozenset(wanted[driver.name]) for driver in order if driver.name in wanted},
            by_name,
        )


def _example(drivers: tuple[Driver, ...]) -> str:
    return f"{drivers[0].name}.{next(iter(drivers[0].fields))}"


class _Reader:
    """One read: goes through the applications and keeps what each gave."""

    def __init__(self, session: CardSession, request: _Request, photos: PhotoCache) -> None:
        self.session = session
        self.request = request
        self.photos = photos
        self.found: dict[str, ApplicationRecord] = {}
        self.problems: dict[str, tuple[Problem, ...]] = {}
        self.percent = 0

    def run(self) -> Generator[CardEvent, None, None]:
        drivers = {driver.name: driver for driver in self.request.drivers}
        begun = self.session.stats
        with self.session.transaction():
            yield Progress(0, next(iter(self.request.wanted)))  # the card is ours now
            left = self._expected(self.request.wanted, drivers)
            for name in self.request.wanted:
                yield from self._read(drivers[name], left)
                left -= self._expected([name], drivers)
        if not self.found and not self.problems:
            raise AppNotFound(
                "this card has none of the applications that were looked for; is it the right card?", 0x6A82
            )
        applications = {driver.name: self.found.get(driver.name) for driver in self.request.drivers}
        problems = tuple(problem for driver in self.request.drivers for problem in self.problems.get(driver.name, ()))
        yield Progress(100, list(self.request.wanted)[-1])
        yield ReadFinished(CardReading(applications, problems, self.session.stats_since(begun)))

    def _expected(self, names: Iterable[str], drivers: Mapping[str, Driver]) -> int:
        return sum(drivers[name].expected_exchanges(self.request.wanted[name], self.session.protocol) for name in names)

    def _read(self, driver: Driver, left: int) -> Generator[CardEvent, None, None]:
        """Read one application; `left` is about how many exchanges it and the ones after it will take."""
        begun, from_percent = self.session.stats.exchanges, self.percent
        try:
            for result in driver.read(self.session, self.request.wanted[driver.name], self.photos):
                if result is not None:
                    self.found[driver.name] = result.record
                    self.problems[driver.name] = result.problems
                    yield DataRead(driver.name, result.record, result.problems)
                done = self.session.stats.exchanges - begun
                reached = from_percent + (100 - from_percent) * done // max(left, 1)
                self.percent = max(self.percent, min(99, reached))
                yield Progress(self.percent, driver.name)
        except AppNotFound as error:
            if driver.name in self.request.by_name:
                self._fail(driver.name, AppNotFound.code, str(error))
        except (CardError, CardProtocolError) as error:
            self._fail(driver.name, error.code, str(error))

    def _fail(self, application: str, code: str, message: str) -> None:
        """The application failed as a whole, or after the part that it gave."""
        problem = Problem(application, None, code, message)
        self.problems[application] = (*self.problems.get(application, ()), problem)
