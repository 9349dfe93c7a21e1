"""What every kind of signed document has in common: verdicts, levels, reports and bounds.

CAdES (`cms`), PAdES (`pdf`), XAdES (`xades`) and ASiC (`asic`) each have three functions of the same shape:

    sign(..., signer, certificate, chain, level, timestamps, revocation, moment, show)
    extend(data, level, timestamps, revocation, trust, moment)
    verify(data, trust, moment, bounds, revocation) -> DocumentReport

`trust` is a `pki.trust.TrustStore`, or None to trust nobody. Who signed, and whether that may be believed, is judged
in `signed_trust`, once for all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Final, Protocol

from ecitizen.algorithms import HashAlgorithm

from .path import Finding, PathReport, Result
from .revocation_fetch import Fetched
from .signed_words import words

__all__ = [
    "DEFAULT_BOUNDS",
    "NO_FORMAT",
    "DocumentReport",
    "DocumentVerdict",
    "Fetched",
    "Finding",
    "Level",
    "PathReport",
    "Result",
    "RevocationSource",
    "Show",
    "SignatureReport",
    "SignedBounds",
    "SignerIdentity",
    "TimestampSource",
    "failed",
    "no_signature",
    "noted",
    "passed",
    "unknown",
    "verdict_of",
    "worst",
]

NO_FORMAT: Final = "none"
"""The format of a document without any signature."""


@unique
class DocumentVerdict(StrEnum):
    """What a signature, or all of a document's, comes to; the worst first, and of several the worst counts."""

    ALTERED = "altered"
    """It is not what was signed, or the signature itself does not hold."""
    REVOKED = "revoked"
    """The signer's certificate was revoked before the signature is proven to have been there."""
    UNTRUSTED = "untrusted"
    """The signature holds, but nobody trusted vouches for the signer."""
    EXPIRED = "expired"
    """The certificate has run out, and nothing proves that the signature is older than that."""
    CANNOT_TELL = "cannot-tell"
    """Something is missing that the answer needs; the findings say what."""
    VALID = "valid"


@unique
class Level(StrEnum):
    """How much a signature brings along for those who check it later (ETSI EN 319 122-1 and its siblings, 6.1)."""

    B = "b"
    """The signature and its certificate."""
    T = "t"
    """And a timestamp over the signature."""
    LT = "lt"
    """And certificates and revocation data for all of it."""
    LTA = "lta"
    """And an archive timestamp over all of that."""

    @property
    def rank(self) -> int:
        """0 for B to 3 for LTA."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class SignerIdentity:
    """Who a certificate says that its holder is; "" is what it does not say."""

    name_th: str = field(repr=False)
    name_en: str = field(repr=False)
    office: str = field(repr=False)
    """Position or unit, of someone who signs for an organisation."""
    agency: str
    """The organisation."""
    certificate: bytes = field(repr=False)
    """DER."""
    subject: str = field(repr=False)
    """The whole name, as RFC 4514 writes it."""


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature: what it is over, who made it and when, and what it is worth."""

    verdict: DocumentVerdict
    level: Level | None
    """The highest level whose parts are all there; None if it is not even B: it does not name its certificate."""
    format: str
    """`cades`, `pades`, `xades`, `cms`, `pkcs7`..."""
    signer: SignerIdentity | None
    """None if the certificate is not there."""
    claimed_at: datetime | None = None
    """By the signer's own clock."""
    proven_at: datetime | None = None
    """By the earliest timestamp that can be believed: the signature was there then."""
    covers: str | None = None
    """What was signed, in words for people: a file's name, "whole document", "revision 2 of 3"..."""
    changed: tuple[str, ...] = ()
    """What was changed or added after signing, and where."""
    path: PathReport | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """All signatures of a document, and the one verdict."""

    verdict: DocumentVerdict
    moment: datetime
    """When the document was looked at: all answers are for this moment."""
    format: str
    """`cades`, `pades`, `xades`, `asic-e`, `asic-s`, or `none`."""
    signatures: tuple[SignatureReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What concerns the document and no signature alone."""


@dataclass(frozen=True, slots=True)
class SignedBounds:
    """How much a document may ask of who checks it. What is over a bound is never valid, and the report says so."""

    document_max_len: int = 256 * 1024 * 1024
    """Bytes of a document that has to be in memory (PDF, XML); what is streamed has no bound."""
    signature_max_len: int = 16 * 1024 * 1024
    """Bytes of a signature without what it is over."""
    signatures_max: int = 64
    embedded_certificates_max: int = 64
    """Certificates of one signature; those behind are not looked at."""
    embedded_revocations_max: int = 64
    """CRLs and OCSP responses of one signature."""
    others_max: int = 10_000
    """Certificates, CRLs and OCSP responses of one signature; a signature with more is not read at all."""
    attributes_max: int = 64
    timestamps_max: int = 32
    """Timestamps of one signature, those in timestamps counted."""
    depth_max: int = 32
    """How deep structures may nest."""
    entries_max: int = 4096
    """Files in a container."""
    expanded_max_len: int = 4 * 1024 * 1024 * 1024
    """Bytes of all files in a container, as they are unpacked; they are not held in memory."""
    seconds: float = 60.0
    """Time after which no further signature is begun."""


DEFAULT_BOUNDS: Final = SignedBounds()

Show = Callable[[bytes, HashAlgorithm], None]
"""Told the digest that the key is about to sign, before it is used; raising an error there means that nothing is."""


class TimestampSource(Protocol):
    """Where timestamps come from: an authority over HTTP, or one in this program (`timestamp_client`)."""

    def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
        """An RFC 3161 timestamp token (ContentInfo, DER) over a digest; raise TimestampUnavailable."""
        ...


class RevocationSource(Protocol):
    """Where revocation data come from; `pki.revocation_fetch.RevocationFetcher` is one."""

    def fetch(self, chain: Sequence[bytes]) -> Fetched:
        """What is known about the certificates of a path (DER, the anchor last)."""
        ...


def worst(verdicts: Iterable[DocumentVerdict]) -> DocumentVerdict:
    """The one that counts; `valid` of none at all."""
    order = list(DocumentVerdict)
    return min(verdicts, key=order.index, default=DocumentVerdict.VALID)


def verdict_of(signatures: Sequence[SignatureReport], findings: Iterable[Finding] = ()) -> DocumentVerdict:
    """The verdict on a document: the worst of its signatures; cannot-tell without any, or if a finding left doubt."""
    if not signatures:
        return DocumentVerdict.CANNOT_TELL
    doubts = [DocumentVerdict.CANNOT_TELL for each in findings if each.result in {Result.FAILED, Result.UNKNOWN}]
    return worst([*(each.verdict for each in signatures), *doubts])


def no_signature(moment: datetime, *findings: Finding, form: str = NO_FORMAT) -> DocumentReport:
    """The report on a document in which no signature was found."""
    said = findings or (unknown("form", "no_signature"),)
    return DocumentReport(DocumentVerdict.CANNOT_TELL, moment, form, (), said)


def passed(check: str, word: str, **evidence: str) -> Finding:
    """A check that went well; its text is the one of that name in `signed_words`."""
    return Finding(check, Result.PASSED, words(word), evidence)


def failed(check: str, word: str, **evidence: str) -> Finding:
    """A check that did not."""
    return Finding(check, Result.FAILED, words(word), evidence)


def unknown(check: str, word: str, **evidence: str) -> Finding:
    """A check that could not be made."""
    return Finding(check, Result.UNKNOWN, words(word), evidence)


def noted(check: str, word: str, **evidence: str) -> Finding:
    """Something to know that decides nothing."""
    return Finding(check, Result.NOTED, words(word), evidence)
