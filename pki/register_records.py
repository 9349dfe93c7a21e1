"""What the register of certificates holds, as values: authorities, services, certificates and lists."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ecitizen.errors import UsageError

from .certificates import load_certificate
from .status import RevocationReason

SHARDS_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """An authority as the register knows it."""

    name: str
    """Short, for files and addresses: letters, digits and hyphens."""
    certificate: bytes
    """Its own, DER."""
    key_reference: str
    """Where its key is kept, as `pki.key_source` reads it; never the key."""
    base_uri: str
    """Where its lists and answers are served, http or https, without a slash at the end."""
    crl_shards: int = 1
    """Into how many lists its revocations are parted: a power of two, which only grows."""
    profiles: tuple[str, ...] = ()
    """The profiles that it issues by; empty is all that there are."""


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A key that answers in an authority's name: an OCSP responder, a timestamp authority, a document signer."""

    name: str
    authority: str
    profile: str
    key_reference: str
    certificate: bytes


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """An issued certificate as the register knows it."""

    authority: str
    serial: int
    profile: str
    card_serial: str | None
    application: str | None
    certificate: bytes


class RevokedEntry(NamedTuple):
    """A line of a revocation list. There are millions, so it is a plain tuple."""

    serial: int
    at: datetime
    reason: RevocationReason


@dataclass(frozen=True, slots=True)
class PublishedList:
    """The newest full list of a shard that was published."""

    number: int
    last_change: int
    """The last event that it is sure to tell of."""
    this_update: datetime
    next_update: datetime


def check_authority(record: AuthorityRecord) -> None:
    """Raise UsageError for a name, an address or a number of lists that can't be used."""
    if not record.name.replace("-", "").isalnum() or not record.name.isascii():
        raise UsageError("an authority's name has letters, digits and hyphens only: it becomes part of addresses")
    place = urlsplit(record.base_uri)
    if place.scheme not in {"http", "https"} or not place.netloc or not record.base_uri.isascii():
        raise UsageError("the base address must be like http://pki.example.go.th: relying parties fetch lists there")
    if place.query or place.fragment or record.base_uri.endswith("/"):
        raise UsageError("the base address ends without a slash, a query and a fragment")
    check_shards(record.crl_shards)
    root = is_root(record.certificate)
    if root and record.crl_shards > 1:
        raise UsageError("a root's list is not parted: it issues a few certificates only")


def is_root(certificate: bytes) -> bool:
    """Whether an authority's certificate (DER) is by itself; raise Malformed for what is none."""
    loaded = load_certificate(certificate)
    return loaded.subject == loaded.issuer


def check_shards(crl_shards: int) -> None:
    """Raise UsageError if revocations can't be parted into so many lists."""
    if not 1 <= crl_shards <= SHARDS_MAX or crl_shards & (crl_shards - 1):
        raise UsageError(f"the number of lists is a power of two, up to {SHARDS_MAX}")
