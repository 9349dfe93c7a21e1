"""The SQLite file of the register: its tables, how it is opened, and its errors."""

import sqlite3

from .errors import StoreFailed

_APPLICATION_ID = 0x65634341  # "ecCA", in the file's header
_VERSION = 2
_REVOCATION_SERIAL = "CREATE INDEX revocation_serial ON revocation (authority, serial, at, reason)"
"""What the status of one certificate is read from, in one place; registers of version 1 are without it."""
_SCHEMA = """
CREATE TABLE authority (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    certificate BLOB NOT NULL,
    key_reference TEXT NOT NULL,
    base_uri TEXT NOT NULL,
    crl_shards INTEGER NOT NULL,
    profiles TEXT NOT NULL
);
CREATE TABLE service (
    name TEXT PRIMARY KEY,
    authority INTEGER NOT NULL REFERENCES authority,
    profile TEXT NOT NULL,
    key_reference TEXT NOT NULL,
    certificate BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE certificate (
    id INTEGER PRIMARY KEY,
    authority INTEGER NOT NULL REFERENCES authority,
    serial BLOB NOT NULL,
    shard INTEGER NOT NULL,
    profile TEXT NOT NULL,
    card_serial TEXT,
    application TEXT,
    not_after INTEGER NOT NULL,
    der BLOB NOT NULL
);
CREATE UNIQUE INDEX certificate_serial ON certificate (authority, serial);
CREATE INDEX certificate_card ON certificate (card_serial) WHERE card_serial IS NOT NULL;
CREATE TABLE revocation (
    authority INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    serial BLOB NOT NULL,
    at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (authority, shard, serial)
) WITHOUT ROWID;
CREATE TABLE change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    authority INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    serial BLOB NOT NULL,
    at INTEGER NOT NULL,
    reason INTEGER NOT NULL
);
CREATE INDEX change_shard ON change (authority, shard);
CREATE TABLE list (
    authority INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    number INTEGER NOT NULL,
    base_number INTEGER,
    base_change INTEGER,
    base_this_update INTEGER,
    base_next_update INTEGER,
    PRIMARY KEY (authority, shard)
) WITHOUT ROWID;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Check that the file is a register or empty; make the tables of an empty one, and what an old one lacks."""
    if _version_of(connection) == 0:
        connection.execute("PRAGMA journal_mode = WAL")  # readers and a writer don't wait for each other
    connection.execute("PRAGMA synchronous = FULL")  # a commit waits for the medium
    connection.execute("PRAGMA fullfsync = ON")  # on macOS too, where fsync alone does not
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MiB: serial numbers are random, and so is the index
    if _version_of(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version_of(connection)
    if version < _VERSION:  # nobody else was quicker
        for statement in _SCHEMA.split(";") if version == 0 else ():
            connection.execute(statement)
        connection.execute(_REVOCATION_SERIAL)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _version_of(connection: sqlite3.Connection) -> int:
    """Of the register; 0 for a file that is empty. Raise StoreFailed for one that is something else."""
    [application_id] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application_id, version, tables) == (0, 0, 0):
        return 0
    if application_id != _APPLICATION_ID:
        raise StoreFailed("this file is no register of certificates; give the right one")
    if version not in range(1, _VERSION + 1):
        raise StoreFailed("the register was written by a later version of the toolkit; use that one")
    return int(version)


class sqlite_errors:  # noqa: N801 - a context manager, which is used as a function
    """SQLite's errors as ours; its messages name tables and files, never what is in them.

    It is around every query, and a class costs a third of what a generator does.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise StoreFailed(
                f"the register of certificates can't be used: {error}; check the disk and the file"
            ) from None
