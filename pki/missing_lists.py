"""What is missing where a path can't be told to be good: authorities of whom there is no current revocation list."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from .certificates import load_certificate


def authorities_without_list(chain: Sequence[bytes], crls: Iterable[bytes], moment: datetime) -> tuple[str, ...]:
    """Names (RFC 4514) of the issuers in a path, from certificate to anchor, for whom no list speaks at `moment`.

    All is DER. Lists that can't be read count as missing. Whether a list is signed rightly is not asked here.
    """
    current = {issuer for crl in crls if (issuer := _issuer_of_current(crl, moment)) is not None}
    certificates = [load_certificate(der) for der in chain]
    names = [issuer.subject for _, issuer in pairwise(certificates)]
    return tuple(dict.fromkeys(name.rfc4514_string() for name in names if name not in current))


def _issuer_of_current(crl: bytes, moment: datetime) -> x509.Name | None:
    try:
        parsed = x509.load_der_x509_crl(crl)
        issuer, since, until = parsed.issuer, parsed.last_update_utc, parsed.next_update_utc
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return issuer if until is not None and since <= moment <= until else None
