"""Thousands of insertions, many of them faulty, under a station: what must come of each, and what must not be left."""

import gc
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ecitizen
from ecitizen.emulator.card import Card
from ecitizen.emulator.faults import (
    ExtraAt,
    Fault,
    GarbleAt,
    Latency,
    MuteAt,
    OtherResetAt,
    RemoveAt,
    ResetAt,
    StatusAt,
    TruncateAt,
)
from ecitizen.emulator.faulty import FaultyCard
from ecitizen.emulator.persona import installed_personas
from ecitizen.model import CardReading
from ecitizen.station import (
    CardRead,
    CardTaken,
    Failed,
    ReaderAttached,
    ReaderGone,
    ReadProgress,
    Station,
    StationEvent,
    StationSettings,
)
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader

from .desk import Desk

SILENCE_SECONDS = 60.0
"""Without any event for this long, something hangs."""
GOOD_SHARE = 0.5
PULLED_SHARE = 0.1
"""Of the others: a good card, but the hand is too quick."""
WARM_UP_SHARE = 0.2
EXCHANGES = 60
"""Faults come at one of so many exchanges: a full read has 10 to 59."""

Kind = tuple[str, str]
"""Persona and protocol."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One insertion as it was planned."""

    kind: Kind
    fault: Fault | None
    pull_at: int | None
    """The hand takes the card out at this progress event."""
    seen: list[CardReading | Failed] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing is wrong with the card, and nobody takes it out early."""
        return self.fault is None and self.pull_at is None


@dataclass(slots=True)
class Report:
    """What came of it all. `wrong` are the insertions of which something else came than must."""

    insertions: int = 0
    good: int = 0
    delivered: int = 0
    """Good ones of which the station gave exactly what is on the card, once."""
    faults: Counter[str] = field(default_factory=Counter)
    cured: int = 0
    """Faulty ones that were read in full all the same, by trying again."""
    failures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    """Resident memory after the warm-up and at the end, in KiB."""
    threads_left: int = 0
    files_left: int = 0

    @property
    def growth(self) -> float:
        return self.resident[-1] / self.resident[0] - 1


class Soak:
    """Puts cards into the readers of a desk until there were enough; `seed` and a reader's name make their order."""

    def __init__(self, desk: Desk, *, seed: int, faults: "FaultMaker", settings: StationSettings) -> None:
        self._desk = desk
        self._chances = {reader: random.Random(f"{seed} {reader}") for reader in desk.readers}
        self._faults = faults
        self._settings = settings
        kinds = [(name, protocol) for name in sorted(installed_personas()) for protocol in ("t0", "t1")]
        self._cards: Mapping[str, dict[Kind, Card]] = {
            reader: {kind: virtual_card(*kind) for kind in kinds} for reader in desk.readers
        }
        self._expected = {kind: ecitizen.read_card(VirtualReader(virtual_card(*kind))) for kind in kinds}
        self._visits: dict[str, Visit] = {}
        self._progress: Counter[str] = Counter()
        self._report = Report()

    def run(self, insertions: int) -> Report:
        report = self._report
        threads, files = set(threading.enumerate()), _open_files()
        with Station(self._settings, source=self._desk.source()) as station:
            for event in station.events(SILENCE_SECONDS):
                self._see(event, insertions)
                if report.insertions == int(insertions * WARM_UP_SHARE) and not report.resident:
                    report.resident.append(_resident())
                if report.insertions == insertions and not self._visits:
                    break
            else:
                raise AssertionError(f"nothing happened for {SILENCE_SECONDS:.0f} seconds: {self._visits}")
            report.resident.append(_resident())
        report.threads_left = len(set(threading.enumerate()) - threads)
        report.files_left = _open_files() - files
        return report

    def _see(self, event: StationEvent, insertions: int) -> None:
        reader = event.reader
        if reader is None or reader not in self._desk.readers or isinstance(event, ReaderGone):
            self._report.wrong.append(f"unexpected: {event}")
            return
        visit = self._visits.get(reader)
        if isinstance(event, ReaderAttached):
            self._insert(reader, insertions)
        elif isinstance(event, CardTaken):
            self._desk.remove(reader)
            if visit is not None:
                del self._visits[reader]
                self._judge(visit)
            self._insert(reader, insertions)
        elif isinstance(event, CardRead | Failed) and visit is not None:
            visit.seen.append(event.reading if isinstance(event, CardRead) else event)
            self._desk.remove(reader)
        elif isinstance(event, ReadProgress) and visit is not None:
            self._progress[reader] += 1
            if self._progress[reader] == visit.pull_at:
                self._desk.remove(reader)

    def _insert(self, reader: str, insertions: int) -> None:
        if self._report.insertions == insertions:
            return
        self._report.insertions += 1
        chance = self._chances[reader]
        kind = chance.choice(list(self._expected))
        fault, pull_at = None, None
        if chance.random() >= GOOD_SHARE:
            if chance.random() < PULLED_SHARE:
                pull_at = chance.randint(1, 30)
            else:
                fault = self._faults(chance)
        self._visits[reader] = Visit(kind, fault, pull_at)
        self._progress[reader] = 0
        self._desk.insert(reader, FaultyCard(self._cards[reader][kind], [fault] if fault else []))

    def _judge(self, visit: Visit) -> None:
        report, expected = self._report, self._expected[visit.kind]
        readings = [seen for seen in visit.seen if isinstance(seen, CardReading)]
        failures = [seen.error.code for seen in visit.seen if isinstance(seen, Failed)]
        report.failures.update(failures)
        if visit.good:
            report.good += 1
            if readings == [expected] and not failures:
                report.delivered += 1
            else:
                report.wrong.append(f"a good card of {visit.kind} gave {failures or 'another reading, or none'}")
            return
        report.faults["hand" if visit.fault is None else type(visit.fault).__name__] += 1
        for reading in readings:
            same = reading.complete and reading.applications == expected.applications
            report.cured += same
            if not same and reading.complete and not isinstance(visit.fault, _FALSIFYING):
                report.wrong.append(f"{visit.kind} with {visit.fault} was taken for complete, but is not")


FaultMaker = Callable[[random.Random], Fault]
_FALSIFYING = (GarbleAt, ExtraAt, TruncateAt, StatusAt)
"""Nobody can tell such an answer from a good one, where it has the right form."""


def pcsc_fault(chance: random.Random) -> Fault:
    """A fault that can be played through pcscd."""
    at = chance.randint(1, EXCHANGES)
    makers: tuple[Callable[[], Fault], ...] = (
        lambda: RemoveAt(at, chance.random() < 0.5),
        lambda: GarbleAt(at, chance.randint(0, 99)),
        lambda: TruncateAt(at, chance.randint(0, 200)),
        lambda: ExtraAt(at, chance.randbytes(chance.randint(1, 20))),
        lambda: StatusAt(at, chance.choice((0x6F00, 0x6A82, 0x6982, 0x6200, 0x9000, 0x6101, 0x6C01, 0x0000))),
        lambda: ResetAt(at),
        lambda: Latency(chance.choice((0.0, 0.0005)), 1e-6),
        lambda: MuteAt(chance.choice((0, at, at))),
    )
    return chance.choice(makers)()


def virtual_fault(chance: random.Random) -> Fault:
    """A fault that can be played in this process."""
    return OtherResetAt(chance.randint(1, EXCHANGES)) if chance.random() < 0.1 else pcsc_fault(chance)


def _resident() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0])


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
