"""The register of all authorities: certificates, revocations and the numbers of revocation lists, in one SQLite file.

What a call has recorded is on the medium when it returns, so a certificate, an answer or a list that leaves afterwards
can't be forgotten by a power cut. Several processes may use one register at once; one object is used by one thread.

A revocation is kept twice: as the state of a certificate, by shards, which is what a full list says; and in the order
of events, which is what a delta list says since the full one.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ecitizen.errors import UsageError

from .certificates import load_certificate
from .errors import NotIssued, RequestRejected, SerialTaken, StoreFailed
from .register_file import prepare, sqlite_errors
from .register_records import (
    AuthorityRecord,
    CertificateRecord,
    PublishedList,
    RevokedEntry,
    ServiceRecord,
    check_authority,
)
from .status import CertificateState, CertificateStatus, RevocationReason

__all__ = [
    "AuthorityRecord",
    "CertificateRecord",
    "CertificateState",
    "CertificateStatus",
    "PublishedList",
    "RevocationReason",
    "RevokedEntry",
    "ServiceRecord",
    "Store",
    "serial_content",
    "shard_of",
]

BUSY_SECONDS: Final = 30.0
"""How long a call waits for another process that is writing."""

_GOOD: Final = CertificateStatus(CertificateState.GOOD)
_UNKNOWN: Final = CertificateStatus(CertificateState.UNKNOWN)
_ROWS_AT_ONCE = 10_000
_STATUS = """
SELECT r.at, r.reason FROM certificate c LEFT JOIN revocation r ON r.authority = c.authority AND r.serial = c.serial
WHERE c.authority = ? AND c.serial = ?
"""
_LISTED = """
SELECT serial, at, reason FROM revocation
WHERE authority = ? AND shard = ? AND (not_after >= ? OR change > ?)
"""
_CHANGED = """
SELECT serial, at, reason FROM change
WHERE id IN (SELECT max(id) FROM change WHERE authority = ? AND shard = ? AND id > ? GROUP BY serial) ORDER BY id
"""


class Store:
    """An open register. It is a context manager; `close` it, or leave it, when done."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._depth = 0
        self._ids: dict[str, int] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = True) -> "Store":
        """Open a register, or make a new one that only its owner can read.

        Raise StoreFailed if it is damaged, of a later version, no register at all, or can't be opened.
        """
        target = Path(path)
        try:
            if create:
                os.close(os.open(target, os.O_RDWR | os.O_CREAT, 0o600))
            elif not target.is_file():
                raise StoreFailed(f"there is no register {target}; make one with `ecitizen ca init`")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "this can't be a file's name"
            raise StoreFailed(f"can't open the register {target}: {reason}") from None
        return cls._opened(str(target))

    @classmethod
    def in_memory(cls) -> "Store":
        """A register for tests and trials."""
        return cls._opened(":memory:")

    @classmethod
    def _opened(cls, path: str) -> "Store":
        with sqlite_errors():
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                prepare(connection)
            except BaseException:
                connection.close()
                raise
        return cls(connection)

    def close(self) -> None:
        """Close the file; what was recorded is already on the medium."""
        with sqlite_errors():
            self._connection.close()

    def size(self) -> int:
        """Bytes that the register takes."""
        [pages], [page_len] = self._one("PRAGMA page_count"), self._one("PRAGMA page_size")
        return int(pages) * int(page_len)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that is recorded in the block durable together at its end, or nothing of it if it raises."""
        with sqlite_errors():
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit()

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    # Authorities and their services

    def add_authority(self, record: AuthorityRecord) -> None:
        """Enter an authority; raise UsageError for a name that is taken, or what can't be right."""
        check_authority(record)
        row = (record.name, record.certificate, record.key_reference, record.base_uri, record.crl_shards)
        with self.transaction():
            if self._one("SELECT 1 FROM authority WHERE name = ?", record.name):
                raise UsageError(f"there is an authority {record.name} already; give the new one another name")
            self._connection.execute(
                "INSERT INTO authority (name, certificate, key_reference, base_uri, crl_shards, profiles) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*row, " ".join(record.profiles)),
            )

    def authority(self, name: str) -> AuthorityRecord:
        """What is known of an authority; raise NotIssued if there is none of that name."""
        for record in self.authorities():
            if record.name == name:
                return record
        raise _no_authority(name)

    def authorities(self) -> tuple[AuthorityRecord, ...]:
        """All authorities, in the order of their entry."""
        query = "SELECT name, certificate, key_reference, base_uri, crl_shards, profiles FROM authority ORDER BY id"
        return tuple(
            AuthorityRecord(name, certificate, key_reference, base_uri, crl_shards, tuple(profiles.split()))
            for name, certificate, key_reference, base_uri, crl_shards, profiles in self._all(query)
        )

    def grow_shards(self, authority: str, crl_shards: int) -> None:
        """Part the revocations of future certificates into more lists; old certificates stay on theirs.

        Raise UsageError for a number that is no power of two, or smaller than before.
        """
        with self.transaction():
            record = self.authority(authority)
            check_authority(replace(record, crl_shards=crl_shards))
            if crl_shards < record.crl_shards:
                raise UsageError("the number of lists only grows: certificates out there point to all that there are")
            self._connection.execute("UPDATE authority SET crl_shards = ? WHERE name = ?", (crl_shards, authority))

    def put_service(self, record: ServiceRecord) -> None:
        """Enter a service, or its new certificate and key."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO service (name, authority, profile, key_reference, certificate) "
                "VALUES (?, ?, ?, ?, ?)",
                (record.name, self._id(record.authority), record.profile, record.key_reference, record.certificate),
            )

    def services(self) -> tuple[ServiceRecord, ...]:
        """All services, by name."""
        query = (
            "SELECT s.name, a.name, s.profile, s.key_reference, s.certificate "
            "FROM service s JOIN authority a ON a.id = s.authority ORDER BY s.name"
        )
        return tuple(ServiceRecord(*row) for row in self._all(query))

    # Certificates

    def record_certificate(
        self,
        authority: str,
        der: bytes,
        *,
        profile: str,
        card_serial: str | None = None,
        application: str | None = None,
        shard: int | None = None,
    ) -> None:
        """Enter a certificate (DER) before it leaves. `shard` is what its CRL address says, by default `shard_of`.

        Raise SerialTaken if the authority has used the serial number, Malformed for what is no certificate.
        """
        certificate = load_certificate(der)
        serial = certificate.serial_number
        if shard is None:
            shard = shard_of(serial, self.authority(authority).crl_shards)
        not_after = int(certificate.not_valid_after_utc.timestamp())
        row = (self._id(authority), serial_content(serial), shard, profile, card_serial, application, not_after, der)
        with self.transaction():
            if self._place(self._id(authority), serial_content(serial)) is not None:
                raise SerialTaken(f"the authority {authority} has used this serial number before; ask once more")
            self._connection.execute(
                "INSERT INTO certificate (authority, serial, shard, profile, card_serial, application, not_after, der) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def certificate(self, authority: str, serial: int) -> CertificateRecord:
        """An issued certificate; raise NotIssued if the authority has issued none with that serial number."""
        row = self._one(
            "SELECT profile, card_serial, application, der FROM certificate WHERE authority = ? AND serial = ?",
            self._id(authority),
            serial_content(serial),
        )
        if row is None:
            raise _not_issued(authority)
        return CertificateRecord(authority, serial, *row)

    def certificates_of_card(self, card_serial: str) -> tuple[CertificateRecord, ...]:
        """All certificates of all authorities for one card, in the order of issue."""
        query = (
            "SELECT a.name, c.serial, c.profile, c.card_serial, c.application, c.der FROM certificate c "
            "JOIN authority a ON a.id = c.authority WHERE c.card_serial = ? ORDER BY c.id"
        )
        return tuple(CertificateRecord(row[0], _serial(row[1]), *row[2:]) for row in self._all(query, card_serial))

    # Revocation

    def revoke(self, authority: str, serial: int, reason: RevocationReason, at: datetime) -> None:
        """Revoke a certificate for ever, or with CERTIFICATE_HOLD suspend it.

        Raise NotIssued if there is no such certificate, RequestRejected if it is revoked (or on hold and is to be
        suspended again), UsageError for a reason that revokes nothing.
        """
        if reason is RevocationReason.REMOVE_FROM_CRL:
            raise UsageError("this reason revokes nothing; use `reinstate`")
        with self.transaction():
            held = self._held_state(authority, serial)
            if held is not None and (held is not RevocationReason.CERTIFICATE_HOLD or reason is held):
                state = "suspended" if held is RevocationReason.CERTIFICATE_HOLD else "revoked"
                raise RequestRejected(f"this certificate is {state} already; nothing was changed")
            self._record_revocation(self._id(authority), serial, reason, at)

    def suspend(self, authority: str, serial: int, at: datetime) -> None:
        """Put a certificate on hold; raise as `revoke` does."""
        self.revoke(authority, serial, RevocationReason.CERTIFICATE_HOLD, at)

    def reinstate(self, authority: str, serial: int, at: datetime) -> None:
        """Make a suspended certificate good again; raise RequestRejected for one that is not on hold."""
        with self.transaction():
            if self._held_state(authority, serial) is not RevocationReason.CERTIFICATE_HOLD:
                raise RequestRejected("this certificate is not suspended, so it can't be reinstated")
            number, content = self._id(authority), serial_content(serial)
            place = self._place(number, content)
            assert place is not None
            shard, _ = place
            self._log(number, shard, content, _seconds(at), RevocationReason.REMOVE_FROM_CRL)
            self._connection.execute(
                "DELETE FROM revocation WHERE authority = ? AND shard = ? AND serial = ?", (number, shard, content)
            )

    def revoke_card(self, card_serial: str, reason: RevocationReason, at: datetime) -> tuple[CertificateRecord, ...]:
        """Revoke all certificates of all authorities on a card, in one transaction; give those that were not revoked.

        With CERTIFICATE_HOLD they are suspended, those that are good. Raise NotIssued for a card without any.
        """
        with self.transaction():
            found = self.certificates_of_card(card_serial)
            if not found:
                raise NotIssued("no certificate was issued for a card of this serial number; check it")
            changed = []
            for each in found:
                held = self._held_state(each.authority, each.serial)
                if held is None or (held is RevocationReason.CERTIFICATE_HOLD and reason is not held):
                    self.revoke(each.authority, each.serial, reason, at)
                    changed.append(each)
            return tuple(changed)

    def status(self, authority: str, serial: int) -> CertificateStatus:
        """What the authority says of a serial number; UNKNOWN if it has not issued such a certificate."""
        row = self._one(_STATUS, self._id(authority), serial_content(serial))
        if row is None:
            return _UNKNOWN
        if row[0] is None:
            return _GOOD
        return CertificateStatus(CertificateState.REVOKED, _moment(row[0]), RevocationReason(row[1]))

    def revoked(self, authority: str, shard: int | None = None, since: int | None = None) -> Iterator[RevokedEntry]:
        """What a list of the authority says, or of one shard of it.

        Without `since` all that is revoked or suspended. With it, a `last_change`, the state of what has changed after
        that event; REMOVE_FROM_CRL for what was reinstated. Expired certificates are left out as by `revoked_rows`.
        """
        for content, at, reason in self.revoked_rows(authority, shard, since):
            yield RevokedEntry(_serial(content), _moment(at), RevocationReason(reason))

    def revoked_rows(
        self, authority: str, shard: int | None = None, since: int | None = None
    ) -> Iterator[tuple[bytes, int, int]]:
        """The same as rows for `pki.crl`: content of the serial's DER INTEGER, seconds since 1970, reason.

        A certificate that expired stays until a full list made after its expiry has had it (RFC 5280, 3.3).
        """
        number = self._id(authority)
        for each in self.shards(authority) if shard is None else (shard,):
            if since is None:
                base = self.published(authority, each)
                expired = (0, 0) if base is None else (_seconds(base.this_update), base.last_change)
                yield from self._rows(_LISTED, (number, each, *expired))
            else:
                yield from self._rows(_CHANGED, (number, each, since))

    # For those who keep the status of all certificates (`pki.ocsp_index`)

    def newest(self) -> tuple[int, int]:
        """Numbers of the newest certificate and of the newest event, of any authority; they only grow."""
        query = (
            "SELECT coalesce((SELECT max(id) FROM certificate), 0), "
            "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'change'), 0)"
        )
        certificate, change = self._one(query)
        return certificate, change

    def serials(self, authority: str, since: int) -> Iterator[bytes]:
        """Serial numbers, as the content of their DER INTEGER, of certificates after that number; below 0 all."""
        query = "SELECT serial FROM certificate WHERE authority = ?"
        values: tuple[int, ...] = (self._id(authority),)
        if since >= 0:
            query, values = (
                "SELECT serial FROM certificate NOT INDEXED WHERE authority = ? AND id > ?",
                (*values, since),
            )
        return (content for (content,) in self._rows(query, values))

    def events(self, authority: str, since: int) -> Iterator[tuple[bytes, int, int]]:
        """What was revoked and reinstated after an event, in order; below 0 what is revoked now. As `revoked_rows`."""
        if since < 0:
            return self._rows("SELECT serial, at, reason FROM revocation WHERE authority = ?", (self._id(authority),))
        query = "SELECT serial, at, reason FROM change NOT INDEXED WHERE id > ? AND authority = ? ORDER BY id"
        return self._rows(query, (since, self._id(authority)))

    # Revocation lists

    def last_change(self) -> int:
        """The newest event of all; 0 before the first."""
        row = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'change'")
        return 0 if row is None else int(row[0])

    def shards(self, authority: str) -> range:
        """The shards that need a list: all that certificates point to."""
        return range(self.authority(authority).crl_shards)

    def next_crl_number(self, authority: str, shard: int) -> int:
        """A number for a list, full or delta: greater than all before it for this shard, from 1."""
        with self.transaction():
            row = self._one(
                "INSERT INTO list (authority, shard, number) VALUES (?, ?, 1) "
                "ON CONFLICT (authority, shard) DO UPDATE SET number = number + 1 RETURNING number",
                self._id(authority),
                shard,
            )
            assert row is not None
            return int(row[0])

    def published(self, authority: str, shard: int) -> PublishedList | None:
        """The newest full list that was published, if any."""
        row = self._one(
            "SELECT base_number, base_change, base_this_update, base_next_update FROM list "
            "WHERE authority = ? AND shard = ? AND base_number IS NOT NULL",
            self._id(authority),
            shard,
        )
        return None if row is None else PublishedList(row[0], row[1], _moment(row[2]), _moment(row[3]))

    def record_published(self, authority: str, shard: int, published: PublishedList) -> None:
        """Say that a full list is out: from now on, delta lists tell what came after it."""
        times = (_seconds(published.this_update), _seconds(published.next_update))
        with self.transaction():
            self._connection.execute(
                "UPDATE list SET base_number = ?, base_change = ?, base_this_update = ?, base_next_update = ? "
                "WHERE authority = ? AND shard = ? AND coalesce(base_number, 0) < ?",
                (published.number, published.last_change, *times, self._id(authority), shard, published.number),
            )

    # Rows

    def _id(self, authority: str) -> int:
        found = self._ids.get(authority)
        if found is None:
            row = self._one("SELECT id FROM authority WHERE name = ?", authority)
            if row is None:
                raise _no_authority(authority)
            found = self._ids[authority] = int(row[0])
        return found

    def _place(self, number: int, content: bytes) -> tuple[int, int] | None:
        """Shard and end of validity of an issued certificate; None if there is none."""
        query = "SELECT shard, not_after FROM certificate WHERE authority = ? AND serial = ?"
        row = self._one(query, number, content)
        return None if row is None else (row[0], row[1])

    def _held_state(self, authority: str, serial: int) -> RevocationReason | None:
        """Why a certificate is revoked; None if it is good. Raise NotIssued if there is none."""
        status = self.status(authority, serial)
        if status.state is CertificateState.UNKNOWN:
            raise _not_issued(authority)
        return status.reason

    def _record_revocation(self, number: int, serial: int, reason: RevocationReason, at: datetime) -> None:
        content = serial_content(serial)
        place = self._place(number, content)
        assert place is not None
        shard, not_after = place
        change = self._log(number, shard, content, _seconds(at), reason)
        self._connection.execute(
            "INSERT OR REPLACE INTO revocation (authority, shard, serial, at, reason, not_after, change) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, shard, content, _seconds(at), int(reason), not_after, change),
        )

    def _log(self, number: int, shard: int, content: bytes, at: int, reason: RevocationReason) -> int:
        cursor = self._connection.execute(
            "INSERT INTO change (authority, shard, serial, at, reason) VALUES (?, ?, ?, ?, ?)",
            (number, shard, content, at, int(reason)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _one(self, query: str, *values: object) -> Any:
        with sqlite_errors():
            return self._connection.execute(query, values).fetchone()

    def _all(self, query: str, *values: object) -> list[Any]:
        with sqlite_errors():
            return self._connection.execute(query, values).fetchall()

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[Any]:
        with sqlite_errors():
            cursor = self._connection.execute(query, values)
        while True:
            with sqlite_errors():
                rows = cursor.fetchmany(_ROWS_AT_ONCE)
            if not rows:
                return
            yield from rows


def serial_content(serial: int) -> bytes:
    """The content of a serial number's DER INTEGER: how the register keeps it, and lists have it."""
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big")


def shard_of(serial: int, crl_shards: int) -> int:
    """The list that a new certificate belongs to: the low bits of its random serial number."""
    return serial & (crl_shards - 1)


def _serial(content: bytes) -> int:
    return int.from_bytes(content, "big")


def _seconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise UsageError("the moment of an event needs a time zone")
    return int(moment.timestamp())


@lru_cache(maxsize=4096)  # one "card lost" event, or one busy second, is many rows
def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _no_authority(name: str) -> NotIssued:
    return NotIssued(
        f"there is no authority {name} in this register; take root, interior, persons or what your plan has"
    )


def _not_issued(authority: str) -> NotIssued:
    return NotIssued(f"the authority {authority} has issued no certificate with this serial number; check it")
