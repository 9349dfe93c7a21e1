"""A small durable memory in a SQLite file: one table, its owner's alone, shared by processes, written through.

What a transaction has recorded is on the medium when it returns. One object is used by one thread.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

from .errors import StoreFailed

BUSY_SECONDS = 30.0
"""How long a call waits for another process that is writing."""


class SmallStore:
    """Such a file, open; a context manager. Subclasses say what is in it."""

    what: ClassVar[str]
    """What it is called in messages, in the plural."""
    application_id: ClassVar[int]
    """Tells the file from other SQLite files."""
    version: ClassVar[int] = 1
    table: ClassVar[str]
    """The statement that makes the one table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the file, or make one that only its owner can read; raise StoreFailed if it can't be used."""
        target = Path(path)
        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT, 0o600))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "this can't be a file's name"
            raise StoreFailed(f"can't open the file of {cls.what} {target}: {reason}") from None
        with cls._errors():
            connection = sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None)
            store = cls(connection)
            try:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA fullfsync = ON")  # on macOS a commit reaches the medium only so
                with store.transaction():
                    store._prepare()
            except BaseException:
                connection.close()
                raise
        return store

    def close(self) -> None:
        """Close the file."""
        with self._errors():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything or nothing, and nobody between; raise StoreFailed for what SQLite says."""
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        [application_id] = self._connection.execute("PRAGMA application_id").fetchone()
        [version] = self._connection.execute("PRAGMA user_version").fetchone()
        [tables] = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application_id, version, tables) == (0, 0, 0):
            self._connection.execute(self.table)
            self._connection.execute(f"PRAGMA application_id = {self.application_id}")
            self._connection.execute(f"PRAGMA user_version = {self.version}")
        elif (application_id, version) != (self.application_id, self.version):
            raise StoreFailed(f"this is no file of {self.what} that this version can use; give the right one")

    @classmethod
    @contextmanager
    def _errors(cls) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreFailed(f"the file of {cls.what} can't be used: {error}; check the disk and the file") from None
