"""Certificate revocation lists, written as a stream: millions of entries, and only a few thousand in memory at once.

A list is DER that is laid out here byte by byte (RFC 5280, 5); `tests/interop` has OpenSSL and others read it. Lists
are parted by shards, each with its address in a critical issuing distribution point, and delta lists tell what has
changed since the newest full one.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Final, TypeAlias

from cryptography import x509

from ecitizen.errors import FileFailed, UsageError
from ecitizen.ports import Signer

from .algorithm_identifiers import signature_identifier
from .certificate_parts import certificate_parts
from .certificates import certified_key, load_certificate
from .der import (
    TAG_SEQUENCE,
    TRUE,
    bit_string,
    enumerated,
    explicit,
    head,
    implicit,
    integer,
    octet_string,
    oid,
    sequence,
    x509_time,
)
from .keys import load_public_key, public_key_info, verify_digest
from .register_records import RevokedEntry
from .signing_key import usual_algorithm
from .status import RevocationReason

CrlRow: TypeAlias = tuple[bytes, int, int]
"""An entry as the register keeps it: content of the serial's DER INTEGER, seconds since 1970, reason."""

VALIDITY_MAX: Final = timedelta(days=366)

_ROWS_AT_ONCE = 2_000
"""So few that what is made of them stays in the processor's caches."""
_PARTS = 5
"""An entry is made of: head, serial number, day, minute, and the rest."""
_IN_MEMORY_MAX = 8 * 1024 * 1024
_DAY = 86_400
_SERIAL_LEN_MAX = 20
_UTC_TIMES = range(-631_152_000, 2_524_608_000)
"""Seconds since 1970 that are written as UTCTime: from 1950 to 2049 (RFC 5280, 5.1.2.6)."""

# RFC 5280: 5.3.1, 4.2.1.1, 5.2.3, 5.2.5, 4.2.1.15 with 5.2.6, 5.2.4
_OID_REASON = oid("2.5.29.21")
_OID_AUTHORITY_KEY = oid("2.5.29.35")
_OID_NUMBER = oid("2.5.29.20")
_OID_POINT = oid("2.5.29.28")
_OID_FRESHEST = oid("2.5.29.46")
_OID_DELTA = oid("2.5.29.27")


@dataclass(frozen=True, slots=True)
class CrlHead:
    """What a list says of itself."""

    number: int
    this_update: datetime
    next_update: datetime
    point: str | None = None
    """The address that the certificates it speaks for point to; written as critical issuing distribution point."""
    freshest: str | None = None
    """For a full list: where its delta list is."""
    base_number: int | None = None
    """For a delta list: the number of the full list that it adds to."""


class CrlWriter:
    """Writes the lists of one authority.

    Raise UsageError for a certificate that is not the key's, or a key that can't sign digests.
    """

    def __init__(self, signer: Signer, certificate: bytes) -> None:
        if certified_key(certificate) != public_key_info(load_public_key(signer.public_key)):
            raise UsageError("the authority's certificate is not for this key; give the two that belong together")
        self._signer = signer
        self._algorithm = usual_algorithm(signer)
        if self._algorithm.hash is None:
            raise UsageError("lists are signed as they are written, which Ed25519 can't do; take RSA or P-256")
        self._hash = self._algorithm.hash
        self._identifier = signature_identifier(self._algorithm)
        self._issuer = certificate_parts(certificate).subject
        self._key_identifier = _key_identifier(certificate)

    def write(self, out: IO[bytes], about: CrlHead, rows: Iterable[CrlRow]) -> int:
        """Write a list; give its number of entries.

        Raise UsageError for what can't be in a list, FileFailed if `out` can't be written, SignatureInvalid if the
        key has signed wrongly, and whatever the signer raises.
        """
        _check(about)
        try:
            with SpooledTemporaryFile(_IN_MEMORY_MAX) as entries:  # their length stands before them
                count = sum(self._spool(entries, rows))
                self._assemble(out, about, entries)
        except OSError as error:
            raise FileFailed(f"can't write the revocation list: {error.strerror}; free some room on the disk") from None
        return count

    def to_bytes(self, about: CrlHead, rows: Iterable[CrlRow]) -> bytes:
        """The list in memory: for small ones."""
        out = io.BytesIO()
        self.write(out, about, rows)
        return out.getvalue()

    @staticmethod
    def _spool(entries: IO[bytes], rows: Iterable[CrlRow]) -> Iterator[int]:
        for count, encoded in encoded_entries(rows):
            entries.write(encoded)
            yield count

    def _assemble(self, out: IO[bytes], about: CrlHead, entries: IO[bytes]) -> None:
        entries_len = entries.tell()
        version = integer(1)
        times = x509_time(about.this_update) + x509_time(about.next_update)
        before = version + self._identifier + self._issuer + times
        if entries_len:  # an empty list has none at all (5.1.2.6)
            before += head(TAG_SEQUENCE, entries_len)
        after = self._extensions(about)
        tbs_head = head(TAG_SEQUENCE, len(before) + entries_len + len(after))
        hashed = hashlib.new(self._hash, tbs_head + before)
        for part in _parts(entries):
            hashed.update(part)
        hashed.update(after)
        signature = self._signature(hashed.digest())
        content_len = len(tbs_head) + len(before) + entries_len + len(after) + len(self._identifier) + len(signature)
        out.write(head(TAG_SEQUENCE, content_len) + tbs_head + before)
        for part in _parts(entries):
            out.write(part)
        out.write(after + self._identifier + signature)

    def _signature(self, digest: bytes) -> bytes:
        signature = self._signer.sign_digest(digest, self._algorithm)
        # A faulty card or HSM must be found out here, not by whoever relies on the list.
        verify_digest(self._signer.public_key, digest, signature, self._algorithm)
        return bit_string(signature)

    def _extensions(self, about: CrlHead) -> bytes:
        """[0] crlExtensions."""
        extensions = [
            _extension(_OID_AUTHORITY_KEY, sequence(implicit(0, self._key_identifier))),
            _extension(_OID_NUMBER, integer(about.number)),
        ]
        if about.point is not None:
            extensions.append(_extension(_OID_POINT, sequence(explicit(0, _full_name(about.point))), critical=True))
        if about.freshest is not None:
            point = sequence(explicit(0, _full_name(about.freshest)))
            extensions.append(_extension(_OID_FRESHEST, sequence(point)))
        if about.base_number is not None:
            extensions.append(_extension(_OID_DELTA, integer(about.base_number), critical=True))
        return explicit(0, sequence(*extensions))


def rows_from(entries: Iterable[RevokedEntry]) -> Iterator[CrlRow]:
    """Entries as rows; raise UsageError for a serial number below 0, or a time without a time zone."""
    for serial, at, reason in entries:
        if serial < 0 or at.tzinfo is None:
            raise UsageError("a revoked certificate has a serial number of 0 or more, and a time with its time zone")
        yield serial.to_bytes(serial.bit_length() // 8 + 1, "big"), int(at.timestamp()), reason


def encoded_entries(rows: Iterable[CrlRow]) -> Iterator[tuple[int, bytes]]:
    """Rows as revokedCertificates entries, DER; a few thousand at a time, with their count.

    All that is the same in many entries is made once and looked up, for this is where the time goes. Raise UsageError
    for a reason that does not exist, a serial number that is too long, or a time that no list can have.
    """
    heads, ends = _heads(), _ends()
    minutes = [b"%02d%02d" % divmod(minute, 60) for minute in range(24 * 60)]
    days = _Days()
    remaining = iter(rows)
    while chunk := list(islice(remaining, _ROWS_AT_ONCE)):
        try:
            # Column by column: each looks into one small table at a time.
            parts = [b""] * (_PARTS * len(chunk))
            parts[0::_PARTS] = [heads[reason][len(content)] for content, _, reason in chunk]
            parts[1::_PARTS] = [content for content, _, _ in chunk]
            parts[2::_PARTS] = [days[at // _DAY] for _, at, _ in chunk]
            parts[3::_PARTS] = [minutes[at % _DAY // 60] for _, at, _ in chunk]
            parts[4::_PARTS] = [ends[reason][at % 60] for _, at, reason in chunk]
            encoded = b"".join(parts)
        except (KeyError, IndexError, TypeError):
            raise UsageError("a revocation has a reason, a time or a serial number that no list can have") from None
        yield len(chunk), encoded


class _Days(dict[int, bytes]):
    """Tag, length and date of a UTCTime, by days since 1970."""

    def __missing__(self, day: int) -> bytes:
        if day * _DAY not in _UTC_TIMES:
            raise KeyError(day)
        date = datetime.fromtimestamp(day * _DAY, UTC)
        found = self[day] = b"\x17\x0d%02d%02d%02d" % (date.year % 100, date.month, date.day)
        return found


def _ends() -> dict[int, list[bytes]]:
    """What follows the minute, by reason and second: the rest of the time, and the reason unless it is none."""
    ends = {}
    for reason in RevocationReason:
        told = b"" if reason is RevocationReason.UNSPECIFIED else sequence(_extension(_OID_REASON, enumerated(reason)))
        ends[int(reason)] = [b"%02dZ" % second + told for second in range(60)]
    return ends


def _heads() -> dict[int, list[bytes]]:
    """What stands before the serial number, by reason and the number's length."""
    time_len = len(x509_time(datetime(2026, 1, 1, tzinfo=UTC)))
    second_len = len(b"00Z")
    heads = {}
    for reason, [end, *_] in _ends().items():
        rest_len = time_len + len(end) - second_len
        heads[reason] = [
            head(TAG_SEQUENCE, 2 + serial_len + rest_len) + bytes((0x02, serial_len))
            for serial_len in range(_SERIAL_LEN_MAX + 1)
        ]
    return heads


def _parts(entries: IO[bytes]) -> Iterator[bytes]:
    entries.seek(0)
    while part := entries.read(1 << 20):
        yield part


def _extension(identifier: bytes, value: bytes, *, critical: bool = False) -> bytes:
    return sequence(identifier, TRUE if critical else b"", octet_string(value))


def _full_name(uri: str) -> bytes:
    """DistributionPointName with one address (4.2.1.13): [0] fullName of [6] uniformResourceIdentifier."""
    return explicit(0, implicit(6, uri.encode("ascii")))


def _key_identifier(certificate: bytes) -> bytes:
    """By what the authority's certificate calls its key (4.2.1.1)."""
    loaded = load_certificate(certificate)
    try:
        return loaded.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(load_public_key(certified_key(certificate))).digest


def _check(about: CrlHead) -> None:
    if about.this_update.tzinfo is None or about.next_update.tzinfo is None:
        raise UsageError("the times of a revocation list need a time zone")
    if not timedelta(0) < about.next_update - about.this_update <= VALIDITY_MAX:
        raise UsageError(f"a revocation list holds for some time, and for {VALIDITY_MAX.days} days at most")
    if about.number < 1 or about.number.bit_length() > 8 * _SERIAL_LEN_MAX - 1:
        raise UsageError("a revocation list has a number from 1, of 20 bytes at most")
    if about.base_number is not None and not 0 < about.base_number <= about.number:
        raise UsageError("a delta list adds to a full list with a number from 1 to its own")
    if about.base_number is not None and about.freshest is not None:
        raise UsageError("a delta list does not point to delta lists")
    if not all(address is None or address.isascii() for address in (about.point, about.freshest)):
        raise UsageError("an address in a revocation list has ASCII characters only")
