"""The journal of issuing: what was begun and what was done on which card, in one SQLite file.

Each step is entered before the card is touched and again after it, and what was entered is on the medium when the call
returns. Whoever finds a card that was pulled out learns from here what it was to become. The journal has no PINs, no
keys and no personal data: a card is named by its chip's serial, the record that was ordered by a salted hash, and what
a step made by a hash of it. Several processes may use one journal at once; one object is used by one thread.
"""

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from ..errors import JournalFailed, UsageError
from ..issuing_ports import CardTask, JournalEntry, TaskState

BUSY_SECONDS: Final = 30.0
"""How long a call waits for another process that is writing."""

_APPLICATION_ID = 0x65634A4C  # "ecJL", in the file's header
_VERSION = 1
_SALT_LEN = 16
_NAME_MAX = 64
_SCHEMA = """
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    card TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    salt BLOB NOT NULL,
    order_hash BLOB NOT NULL,
    begun INTEGER NOT NULL,
    changed INTEGER NOT NULL
);
CREATE INDEX task_card ON task (card);
CREATE TABLE step (
    task INTEGER NOT NULL REFERENCES task,
    name TEXT NOT NULL,
    begun INTEGER NOT NULL,
    done INTEGER,
    evidence BLOB NOT NULL,
    PRIMARY KEY (task, name)
) WITHOUT ROWID;
"""
_LATEST = "SELECT id, kind, state, reason, salt, order_hash FROM task WHERE card = ? ORDER BY id DESC LIMIT 1"


class SqliteJournal:
    """An open journal; satisfies `issuing_ports.IssuanceJournal`. It is a context manager; `close` it when done."""

    def __init__(self, connection: sqlite3.Connection, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._connection = connection
        self._random_bytes = random_bytes

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> "SqliteJournal":
        """Open a journal, or make a new one that only its owner can read.

        Raise JournalFailed if it is damaged, of a later version, no journal at all, or can't be opened.
        """
        target = Path(path)
        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT, 0o600))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "this can't be a file's name"
            raise JournalFailed(f"can't open the journal {target}: {reason}") from None
        return cls._opened(str(target), random_bytes)

    @classmethod
    def in_memory(cls) -> "SqliteJournal":
        """A journal for tests and trials, gone with this process."""
        return cls._opened(":memory:", os.urandom)

    @classmethod
    def _opened(cls, path: str, random_bytes: Callable[[int], bytes]) -> "SqliteJournal":
        with _sqlite_errors():
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        return cls(connection, random_bytes)

    def close(self) -> None:
        """Close the file; what was entered is already on the medium."""
        with _sqlite_errors():
            self._connection.close()

    def __enter__(self) -> "SqliteJournal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def latest(self, card: str) -> JournalEntry | None:
        """The last task of this card, whatever became of it; None for a card that nobody did anything to."""
        with _sqlite_errors():
            found = self._connection.execute(_LATEST, (card,)).fetchone()
            if found is None:
                return None
            number, kind, state, reason, salt, order_hash = found
            steps = self._connection.execute("SELECT name, done, evidence FROM step WHERE task = ?", (number,))
            rows = steps.fetchall()
        done = {name: evidence for name, at, evidence in rows if at is not None}
        begun = frozenset(name for name, _, _ in rows)
        try:
            return JournalEntry(card, CardTask(kind), TaskState(state), reason, salt, order_hash, done, begun)
        except ValueError:
            raise JournalFailed(f"the journal of card {card} has words in it that are not ours; don't go on") from None

    def spoiled(self, card: str) -> str | None:
        """Why the card can't become a good one any more; None if nobody found that."""
        query = "SELECT reason FROM task WHERE card = ? AND state = ? ORDER BY id LIMIT 1"
        with _sqlite_errors():
            found = self._connection.execute(query, (card, TaskState.SPOILED)).fetchone()
        return None if found is None else str(found[0])

    def begin(self, card: str, kind: CardTask, order: bytes, moment: datetime) -> JournalEntry:
        """Enter a new task; `order` is hashed with a salt of its own, and not kept.

        Raise UsageError if the last task of this card still goes on.
        """
        salt = self._random_bytes(_SALT_LEN)
        with self._writing():
            entry = self.latest(card)
            if entry is not None and entry.state is TaskState.BEGUN:
                raise UsageError(f"card {card} has a task that is not finished: {entry.kind}; finish that first")
            self._connection.execute(
                "INSERT INTO task (card, kind, state, reason, salt, order_hash, begun, changed)"
                " VALUES (?, ?, ?, '', ?, ?, ?, ?)",
                (card, kind, TaskState.BEGUN, salt, order_hash(salt, order), *_twice(moment)),
            )
        return JournalEntry(card, kind, TaskState.BEGUN, "", salt, order_hash(salt, order), {}, frozenset())

    def before(self, card: str, step: str, moment: datetime) -> None:
        """Enter that a step begins: from now on, and until `after`, nobody knows whether it was done."""
        if not 0 < len(step) <= _NAME_MAX:
            raise UsageError(f"the name of a step has 1 to {_NAME_MAX} characters")
        with self._writing():
            number = self._open_task(card)
            self._connection.execute(
                "INSERT OR REPLACE INTO step (task, name, begun, done, evidence) VALUES (?, ?, ?, NULL, x'')",
                (number, step, _seconds(moment)),
            )

    def after(self, card: str, step: str, moment: datetime, evidence: bytes = b"") -> None:
        """Enter that a step is done; `evidence` is a hash of what it made, or empty."""
        with self._writing():
            number = self._open_task(card)
            changed = self._connection.execute(
                "UPDATE step SET done = ?, evidence = ? WHERE task = ? AND name = ?",
                (_seconds(moment), evidence, number, step),
            )
            if changed.rowcount != 1:
                raise UsageError(f"the step {step} was not begun")

    def finish(self, card: str, moment: datetime) -> None:
        """Enter that the task is done."""
        self._end(card, TaskState.DONE, "", moment)

    def abandon(self, card: str, reason: str, moment: datetime) -> None:
        """Enter that the task ended without the card having been changed."""
        self._end(card, TaskState.ABANDONED, reason, moment)

    def spoil(self, card: str, reason: str, moment: datetime) -> None:
        """Enter that the card can't become a good one any more; `reason` is a short name."""
        self._end(card, TaskState.SPOILED, reason, moment)

    def _end(self, card: str, state: TaskState, reason: str, moment: datetime) -> None:
        with self._writing():
            self._connection.execute(
                "UPDATE task SET state = ?, reason = ?, changed = ? WHERE id = ?",
                (state, reason[:_NAME_MAX], _seconds(moment), self._open_task(card)),
            )

    def _open_task(self, card: str) -> int:
        found = self._connection.execute(
            "SELECT id FROM task WHERE card = ? AND state = ? ORDER BY id DESC LIMIT 1", (card, TaskState.BEGUN)
        ).fetchone()
        if found is None:
            raise UsageError(f"card {card} has no task in the journal; begin one")
        return int(found[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """All that is entered in the block is on the medium at its end, or nothing of it."""
        with _sqlite_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def order_hash(salt: bytes, order: bytes) -> bytes:
    """How a journal names what was ordered: without the salt, even a short record can't be guessed from it."""
    return hmac.digest(salt, order, hashlib.sha256)


def _twice(moment: datetime) -> tuple[int, int]:
    return _seconds(moment), _seconds(moment)


def _seconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise UsageError("a moment needs a time zone; use datetime.now(UTC)")
    return int(moment.timestamp())


def _prepare(connection: sqlite3.Connection) -> None:
    """Check that the file is a journal or empty; make the tables of an empty one."""
    if not _is_journal(connection):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit waits for the medium
    connection.execute("PRAGMA fullfsync = ON")  # on macOS too, where fsync alone does not
    connection.execute("PRAGMA foreign_keys = ON")
    if _is_journal(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    if not _is_journal(connection):  # nobody else was quicker
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _is_journal(connection: sqlite3.Connection) -> bool:
    """Whether the tables are there; raise JournalFailed for a file that is something else."""
    [application_id] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application_id, version, tables) == (0, 0, 0):
        return False
    if application_id != _APPLICATION_ID:
        raise JournalFailed("this file is no journal of issuing; give the right one")
    if version != _VERSION:
        raise JournalFailed("the journal was written by a later version of the toolkit; use that one")
    return True


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    """SQLite's errors as ours; its messages name tables and files, never what is in them."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalFailed(f"the journal of issuing can't be used: {error}; check the disk and the file") from None
