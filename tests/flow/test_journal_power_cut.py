"""The power goes at any write of the journal: what a call had answered is there, and nothing is half there.

Every write is cut at its beginning, in its middle, and with all lost that was not yet synchronised.
"""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecitizen.errors import JournalFailed
from ecitizen.issuing_ports import CardTask, JournalEntry, TaskState
from ecitizen.registry.journal import SqliteJournal
from tests.flow.failing_sqlite import FailingDisk, failing_disk

CARD = "412300A1B2C3D4E5"
MOMENT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

Work = Callable[[SqliteJournal], object]
WORK: dict[str, tuple[Work, ...]] = {
    "begin": (lambda journal: journal.begin("OTHER", CardTask.ISSUE, b"order", MOMENT),),
    "step": (
        lambda journal: journal.before(CARD, "codes", MOMENT),
        lambda journal: journal.after(CARD, "codes", MOMENT, b"evidence"),
    ),
    "finish": (lambda journal: journal.finish(CARD, MOMENT),),
    "spoil": (lambda journal: journal.spoil(CARD, "keys", MOMENT),),
}
Picture = tuple[JournalEntry | None, JournalEntry | None, str | None]


def picture(journal: SqliteJournal) -> Picture:
    return journal.latest(CARD), journal.latest("OTHER"), journal.spoiled(CARD)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a task and a step of it."""
    folder = tmp_path_factory.mktemp("prepared")
    with SqliteJournal.open(folder / "journal") as journal:
        journal.begin(CARD, CardTask.ISSUE, b"order", MOMENT)
        journal.before(CARD, "keys", MOMENT)
        journal.after(CARD, "keys", MOMENT)
    return folder


def fixed_salt(length: int) -> bytes:
    return b"\x5a" * length


def run(folder: Path, calls: tuple[Work, ...], disk: FailingDisk, cut: int, part: int = 0) -> int:
    """Do the work on a disk that fails; gives how many calls were answered."""
    journal = SqliteJournal.open(folder / "journal", random_bytes=fixed_salt)
    answered = 0
    try:
        disk.arm(cut, part)
        for call in calls:
            call(journal)
            answered += 1
    except JournalFailed:
        pass
    finally:
        disk.off = True
        try:
            journal.close()
        except JournalFailed:
            assert cut
    return answered


@pytest.mark.parametrize("name", WORK)
def test_the_power_goes_at_every_write(name: str, prepared: Path, tmp_path: Path) -> None:
    calls = WORK[name]
    with SqliteJournal.open(prepared / "journal") as journal:
        pictures = [picture(journal)]
    for count in range(1, len(calls) + 1):  # what must be there after so many answers
        folder = tmp_path / f"whole{count}"
        shutil.copytree(prepared, folder)
        with failing_disk() as disk:
            assert run(folder, calls[:count], disk, 0) == count
            writes = disk.count
        with SqliteJournal.open(folder / "journal") as journal:
            pictures.append(picture(journal))
    assert writes >= 2
    survived = 0
    for cut in range(1, writes + 1):
        for part, forget in ((0, False), (7, False), (0, True)):
            folder = tmp_path / "cut"
            shutil.copytree(prepared, folder)
            with failing_disk() as disk:
                answered = run(folder, calls, disk, cut, part)
                if forget:
                    disk.forget()
            with SqliteJournal.open(folder / "journal") as journal:
                found = picture(journal)
                [check] = journal._connection.execute("PRAGMA integrity_check").fetchone()
            assert check == "ok"
            assert found in pictures[answered : answered + 2], f"{name}: write {cut}"
            survived += 1
            shutil.rmtree(folder)
    print(f"journal, {name}: {survived} of {3 * writes} power cuts survived")
    assert survived == 3 * writes


def test_a_begun_task_is_seen_by_whoever_comes_next(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "j")
    with SqliteJournal.open(tmp_path / "j" / "journal") as journal:
        entry = journal.latest(CARD)
    assert entry is not None
    assert (entry.state, set(entry.done)) == (TaskState.BEGUN, {"keys"})
