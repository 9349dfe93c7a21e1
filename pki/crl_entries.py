"""The few entries of a long CRL that concern a path, found without reading the others (RFC 5280, 5.1.2.6).

certvalidator looks at every entry in Python, 36 microseconds each: the list of a nation takes it seconds. Here a search
for the serial numbers' bytes tells whether an entry can be there at all, and only if so the entries are walked.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from asn1crypto import crl as asn1_crl

from .der import TAG_GENERALIZED_TIME, TAG_SEQUENCE, TAG_UTC_TIME, Reader, head
from .errors import Malformed

_CERTIFICATE_ISSUER: Final = bytes.fromhex("0603551D1D")
"""The extension that names the issuer of this entry's certificate and of all that follow (RFC 5280, 5.3.3)."""
_TIME_TAGS: Final = (bytes((TAG_UTC_TIME,)), bytes((TAG_GENERALIZED_TIME,)))
_LONG_LEN = 0x80
_SEARCHES_MAX = 32


def entries_about(entries: bytes, serial_numbers: Sequence[bytes]) -> asn1_crl.RevokedCertificates:
    """The entries of these certificates, in the order of the list.

    `entries` is the content of revokedCertificates, `serial_numbers` are INTEGERs in DER. An entry that names the
    issuer of those behind it comes along. Raise Malformed for entries that are not DER, or name an issuer that is none.
    """
    found: list[bytes] = []
    many = len(serial_numbers) > _SEARCHES_MAX  # then the walk is quicker
    if many or any(number + tag in entries for number in serial_numbers for tag in _TIME_TAGS):
        found = list(_walk(entries, frozenset(serial_numbers)))
    count = sum(map(len, found))
    return asn1_crl.RevokedCertificates.load(head(TAG_SEQUENCE, count) + b"".join(found))


def _walk(entries: bytes, wanted: frozenset[bytes]) -> Iterator[bytes]:
    names_issuers = _CERTIFICATE_ISSUER in entries
    issuer: bytes | None = None
    at, end = 0, len(entries)
    try:
        while at < end:
            start, length = at + 2, entries[at + 1]
            if entries[at] != TAG_SEQUENCE or length >= _LONG_LEN:
                start, length = _long(entries, at)
            begin, at = at, start + length
            if names_issuers and entries.find(_CERTIFICATE_ISSUER, start, at) >= 0:
                issuer = entries[begin:at]
            if entries[start : start + 2 + entries[start + 1]] in wanted:
                entry = entries[begin:at]
                if issuer is not None and issuer != entry:
                    yield issuer
                if issuer is not None:
                    _check_issuer(issuer)
                    issuer = None  # it counts until another comes, and is there now
                yield entry
    except IndexError:
        at = -1
    if at != end:
        raise Malformed("the entries of a CRL are not DER")


def _long(entries: bytes, at: int) -> tuple[int, int]:
    """Where the content of the entry there starts, and its length, if that is written in several bytes."""
    content = len(Reader(entries, at).content(TAG_SEQUENCE))
    return at + len(head(TAG_SEQUENCE, content)), content


def _check_issuer(entry: bytes) -> None:
    """One without a directory name would leave it open whose certificate follows."""
    if asn1_crl.RevokedCertificate.load(entry).issuer_name is None:
        raise Malformed("an entry of a CRL names no issuer in the extension for it")
