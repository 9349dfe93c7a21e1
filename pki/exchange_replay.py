"""Which packages a recipient has taken already: each one is taken once.

A package is remembered until it expires, after which it is refused for that; so the memory stays small.
"""

from datetime import UTC, datetime
from typing import ClassVar, Protocol

from .small_store import SmallStore


class ReplayGuard(Protocol):
    """A memory of packages."""

    def take(self, name: str, until: datetime, moment: datetime) -> datetime | None:
        """Remember a package that is valid `until` then; None if it is new, otherwise when it was taken.

        Asking and remembering are one step: of two who take the same package at once one gets None.
        """
        ...


class MemoryGuard:
    """A ReplayGuard that forgets when the program ends: for tests and trials."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[datetime, datetime]] = {}

    def take(self, name: str, until: datetime, moment: datetime) -> datetime | None:
        """Remember a package; when it was taken if it is known."""
        self._seen = {each: times for each, times in self._seen.items() if times[1] > moment}
        if name in self._seen:
            return self._seen[name][0]
        self._seen[name] = (moment, until)
        return None


class FileGuard(SmallStore):
    """A ReplayGuard in a SQLite file, which several processes may use at once."""

    what: ClassVar[str] = "packages taken"
    application_id: ClassVar[int] = 0x65435847  # eCXG
    table: ClassVar[str] = (
        "CREATE TABLE seen (name TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID"
    )

    def take(self, name: str, until: datetime, moment: datetime) -> datetime | None:
        """Remember a package; when it was taken if it is known. Raise StoreFailed, and nothing was remembered."""
        now = int(moment.timestamp())
        with self.transaction() as connection:
            connection.execute("DELETE FROM seen WHERE until <= ?", (now,))
            row = connection.execute("SELECT at FROM seen WHERE name = ?", (name,)).fetchone()
            if row is None:
                connection.execute("INSERT INTO seen VALUES (?, ?, ?)", (name, now, int(until.timestamp()) + 1))
        return None if row is None else datetime.fromtimestamp(row[0], UTC)
