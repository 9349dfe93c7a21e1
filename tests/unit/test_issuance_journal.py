"""The journal of issuing: what it says of a card, what it refuses, and that it keeps no secrets."""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecitizen.errors import JournalFailed, UsageError
from ecitizen.issuing_ports import CardTask, TaskState
from ecitizen.registry.journal import SqliteJournal
from ecitizen.usecases.issuing_office import is_order

CARD, OTHER = "412300A1B2C3D4E5", "412300A1B2C3D4E6"
MOMENT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ORDER = b'{"cid":"1999900100425","name":"Somchai"}'


@pytest.fixture
def journal() -> SqliteJournal:
    return SqliteJournal.in_memory()


def test_a_task_from_its_beginning_to_its_end(journal: SqliteJournal) -> None:
    assert journal.latest(CARD) is None
    begun = journal.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
    assert journal.latest(CARD) == begun
    assert (begun.state, begun.done, begun.begun) == (TaskState.BEGUN, {}, frozenset())
    journal.before(CARD, "install piv", MOMENT)
    entry = journal.latest(CARD)
    assert entry is not None
    assert (entry.done, entry.begun) == ({}, frozenset({"install piv"}))
    journal.after(CARD, "install piv", MOMENT, b"hash")
    journal.before(CARD, "codes", MOMENT)
    entry = journal.latest(CARD)
    assert entry is not None
    assert (entry.done, entry.begun) == ({"install piv": b"hash"}, frozenset({"install piv", "codes"}))
    journal.before(CARD, "install piv", MOMENT)  # once more: now nobody knows
    entry = journal.latest(CARD)
    assert entry is not None
    assert entry.done == {}
    journal.finish(CARD, MOMENT)
    entry = journal.latest(CARD)
    assert entry is not None
    assert entry.state is TaskState.DONE
    assert journal.latest(OTHER) is None


def test_an_order_is_recognised_and_not_kept(journal: SqliteJournal) -> None:
    first = journal.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
    second = journal.begin(OTHER, CardTask.ISSUE, ORDER, MOMENT)
    assert is_order(first, ORDER)
    assert not is_order(first, ORDER + b" ")
    assert first.order_hash != second.order_hash  # nobody sees that two cards were ordered alike


def test_one_task_at_a_time(journal: SqliteJournal) -> None:
    for work in (journal.finish, lambda card, at: journal.before(card, "x", at)):
        with pytest.raises(UsageError, match="no task"):
            work(CARD, MOMENT)
    journal.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
    with pytest.raises(UsageError, match="not finished: issue"):
        journal.begin(CARD, CardTask.UPDATE, ORDER, MOMENT)
    with pytest.raises(UsageError, match="was not begun"):
        journal.after(CARD, "codes", MOMENT)
    for name in ("", "x" * 65):
        with pytest.raises(UsageError, match="1 to 64"):
            journal.before(CARD, name, MOMENT)
    with pytest.raises(UsageError, match="time zone"):
        journal.finish(CARD, MOMENT.replace(tzinfo=None))
    journal.abandon(CARD, "superseded", MOMENT)
    journal.begin(CARD, CardTask.UPDATE, ORDER, MOMENT)
    entry = journal.latest(CARD)
    assert entry is not None
    assert (entry.kind, entry.state) == (CardTask.UPDATE, TaskState.BEGUN)


def test_a_card_stays_spoiled(journal: SqliteJournal) -> None:
    assert journal.spoiled(CARD) is None
    journal.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
    journal.spoil(CARD, "read_back", MOMENT)
    journal.begin(CARD, CardTask.RETIRE, b"", MOMENT)
    journal.finish(CARD, MOMENT)
    assert journal.spoiled(CARD) == "read_back"
    assert journal.spoiled(OTHER) is None


def test_the_file_is_its_owners_and_has_no_order_in_it(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite"
    with SqliteJournal.open(place) as journal:
        journal.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
        journal.before(CARD, "codes", MOMENT)
    assert place.stat().st_mode & 0o777 == 0o600
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert CARD.encode() in written
    assert b"1999900100425" not in written
    assert b"Somchai" not in written
    with SqliteJournal.open(place) as again:
        entry = again.latest(CARD)
        assert entry is not None
        assert is_order(entry, ORDER)


def test_two_programs_at_one_journal(tmp_path: Path) -> None:
    with SqliteJournal.open(tmp_path / "j") as one, SqliteJournal.open(tmp_path / "j") as other:
        one.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
        other.begin(OTHER, CardTask.ISSUE, ORDER, MOMENT)
        with pytest.raises(UsageError, match="not finished"):
            other.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
        assert one.latest(OTHER) is not None


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 30, b"SQLite format 3\0" + b"x" * 999]
)
def test_a_file_of_something_else(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "journal"
    place.write_bytes(content)
    with pytest.raises(JournalFailed):
        SqliteJournal.open(place)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("PRAGMA application_id = 1", "no journal"),
        ("PRAGMA user_version = 2", "later version"),
        ("UPDATE task SET state = 'lost'", "not ours"),
        ("DROP TABLE step", "can't be used"),
    ],
)
def test_a_journal_that_was_changed(tmp_path: Path, change: str, words: str) -> None:
    place = tmp_path / "journal"
    with SqliteJournal.open(place) as journal:
        journal.begin(CARD, CardTask.ISSUE, ORDER, MOMENT)
    connection = sqlite3.connect(place)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(JournalFailed, match=words), SqliteJournal.open(place) as journal:
        journal.latest(CARD)


def test_a_place_that_is_none(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "journal", "a\0b"):
        with pytest.raises(JournalFailed, match="can't open"):
            SqliteJournal.open(place)
    journal = SqliteJournal.open(tmp_path / "j", random_bytes=os.urandom)
    journal.close()
    with pytest.raises(JournalFailed):
        journal.latest(CARD)
