"""Challenges of a web server to browsers that want to sign in: each is good for one session, once, for five minutes."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Protocol

from .small_store import SmallStore
from .strict_json import to_base64

NONCE_BYTES: Final = 32
VALID_FOR: Final = timedelta(minutes=5)
_SESSIONS_MAX: Final = 100_000

RandomBytes = Callable[[int], bytes]


class NonceStore(Protocol):
    """Where a server keeps the challenges that it gave, by the browser's session."""

    def put(self, session: str, nonce: str, until: datetime, moment: datetime) -> None:
        """Keep a challenge; an earlier one of the session is good no more."""
        ...

    def take(self, session: str, moment: datetime) -> str | None:
        """The session's challenge, which is then gone whatever becomes of it; None if there is none that is good."""
        ...


def new_nonce(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """A challenge: 256 bits in base64, 44 characters."""
    return to_base64(random_bytes(NONCE_BYTES))


class MemoryNonces:
    """A NonceStore for a server of one process; the oldest go when there are 100,000."""

    def __init__(self) -> None:
        self._nonces: dict[str, tuple[str, datetime]] = {}

    def put(self, session: str, nonce: str, until: datetime, moment: datetime) -> None:
        """Keep a challenge."""
        if len(self._nonces) >= _SESSIONS_MAX:
            self._nonces = {name: each for name, each in self._nonces.items() if each[1] > moment}
        if len(self._nonces) >= _SESSIONS_MAX:
            self._nonces.pop(next(iter(self._nonces)))
        self._nonces[session] = (nonce, until)

    def take(self, session: str, moment: datetime) -> str | None:
        """Give the challenge of a session and forget it."""
        nonce, until = self._nonces.pop(session, ("", moment))
        return nonce if moment < until else None


class FileNonces(SmallStore):
    """A NonceStore in a SQLite file, for servers of several processes. Of a session only the digest is written."""

    what: ClassVar[str] = "challenges"
    application_id: ClassVar[int] = 0x6543574E  # eCWN
    table: ClassVar[str] = (
        "CREATE TABLE nonce (session BLOB PRIMARY KEY, nonce TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID"
    )

    def put(self, session: str, nonce: str, until: datetime, moment: datetime) -> None:
        """Keep a challenge, and forget those that have run out."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM nonce WHERE until <= ?", (_milliseconds(moment),))
            row = (_name(session), nonce, _milliseconds(until))
            connection.execute("INSERT OR REPLACE INTO nonce VALUES (?, ?, ?)", row)

    def take(self, session: str, moment: datetime) -> str | None:
        """Give the challenge of a session and forget it."""
        name = _name(session)
        with self.transaction() as connection:
            found = connection.execute("SELECT nonce, until FROM nonce WHERE session = ?", (name,)).fetchone()
            connection.execute("DELETE FROM nonce WHERE session = ?", (name,))
        return str(found[0]) if found is not None and _milliseconds(moment) < found[1] else None


def _name(session: str) -> bytes:
    """Whoever reads the file can't take over sessions."""
    return hashlib.sha256(session.encode("utf-8")).digest()


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
