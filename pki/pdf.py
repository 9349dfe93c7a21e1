"""PAdES: PDF documents signed with the card, raised to long-term levels, and checked (ETSI EN 319 142-1, ISO 32000-2).

pyHanko, the extra `sign`, reads and writes PDF; keys, timestamps, evidence, trust and the verdict are ours. It is
imported when the first of these functions runs. Every change is an incremental update: what was there stays, byte by
byte.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from ecitizen.algorithms import SignatureAlgorithm
from ecitizen.errors import ConfigError, FileFailed, UsageError
from ecitizen.ports import Signer

from .pdf_settings import Appearance, Certify
from .signed import (
    DEFAULT_BOUNDS,
    DocumentReport,
    Level,
    RevocationSource,
    Show,
    SignedBounds,
    TimestampSource,
)
from .signed_trust import Vouching
from .trust import TrustStore

__all__ = ["Appearance", "Certify", "Document", "add_field", "extend", "sign", "verify"]

Document = bytes | str | os.PathLike[str]
"""A PDF: its bytes, or where its file is."""

_WITH_TIMESTAMP: Final = frozenset({Level.T, Level.LT, Level.LTA})
_WITH_EVIDENCE: Final = frozenset({Level.LT, Level.LTA})


def sign(  # noqa: PLR0913 - all that can be chosen; each has its usual value
    document: Document,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    moment: datetime,
    field: str | None = None,
    appearance: Appearance | None = None,
    certify: Certify | None = None,
    reason: str | None = None,
    location: str | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
) -> bytes:
    """Sign a PDF and return it; the key is used exactly once, after `show` was told the digest it signs.

    `certificate` (DER) is the key's, `chain` what leads to its root. Levels from T on need `timestamps`; those from LT
    on also `trust`, and `revocation` for what that does not know. `field` names a signature field: an empty one is
    filled, otherwise a new one is made; without it the new one is called Signature1 and so on. `appearance` makes a new
    field visible, and is how a visible one is drawn. `certify` makes it the document's certification instead of an
    approval.

    Raise UsageError for what this document, its certification or the key does not allow, Malformed for what is no PDF,
    ConfigError if pyHanko or a Thai font is not installed, and what the signer and the sources raise.
    """
    _check_moment(moment)
    _check_sources(level, timestamps, trust)
    content = read_document(document, DEFAULT_BOUNDS)
    with _library():
        from .pdf_extending import Sources
        from .pdf_signing import Wishes, sign_document
    sources = Sources(timestamps, revocation, trust, moment)
    wishes = Wishes(moment, field, appearance, certify, reason, location, show, algorithm)
    return sign_document(content, signer, certificate, chain, wishes, level, sources)


def extend(
    document: Document,
    level: Level,
    *,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    moment: datetime,
) -> bytes:
    """Raise a signed PDF to a level, or renew the archive timestamp of one that is at LTA already.

    To T by a timestamp over the whole document, since the signatures in it can't be changed any more; to LT by the
    certificates and revocation data of all signatures and timestamps (from `trust`, and `revocation` for what that
    does not know); to LTA by a timestamp over all of that. What is there already is not added again.

    Raise UsageError if there is no signature, or one that does not hold; EvidenceMissing if a signer can't be vouched
    for; otherwise as `sign` does.
    """
    _check_moment(moment)
    content = read_document(document, DEFAULT_BOUNDS)
    if level is Level.B:
        raise UsageError("every signature is at level b; give t, lt or lta to extend it")
    _check_sources(level, timestamps, trust, extend=True)
    with _library():
        from .pdf_extending import Sources, extend_document
    return extend_document(content, level, Sources(timestamps, revocation, trust, moment))


def verify(
    document: Document,
    trust: Vouching | None,
    moment: datetime,
    bounds: SignedBounds = DEFAULT_BOUNDS,
    revocation: RevocationSource | None = None,
) -> DocumentReport:
    """Check all signatures of a PDF, ours or another maker's, at a moment: what each covers, who made it, what it is
    worth, and what was changed afterwards. A bad document is never an error but a verdict, in bounded time.

    Raise UsageError for a moment without a time zone, FileFailed if the file can't be read, ConfigError if pyHanko is
    not installed.
    """
    _check_moment(moment)
    content = read_document(document, bounds)
    with _library():
        from .pdf_checking import check_document
    return check_document(content, trust, moment, bounds, revocation)


def add_field(document: Document, name: str, appearance: Appearance) -> bytes:
    """Put an empty signature field into a PDF, for somebody to sign in later; its box must be given.

    Raise UsageError if there is a field of that name, or if a signature in the document forbids it.
    """
    content = read_document(document, DEFAULT_BOUNDS)
    with _library():
        from .pdf_signing import add_empty_field
    return add_empty_field(content, name, appearance)


def read_document(document: Document, bounds: SignedBounds) -> bytes:
    """The bytes of a document, one more at most than is allowed; raise FileFailed if its file can't be read."""
    if isinstance(document, bytes):
        return document
    path = Path(document)
    try:
        with path.open("rb") as file:
            return file.read(bounds.document_max_len + 1)
    except OSError as error:
        raise FileFailed(f"cannot read {path}: {error.strerror or type(error).__name__}") from error


@contextmanager
def _library() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            "signing and checking PDF needs a library that is not installed; run: pip install ecitizen[sign]"
        ) from error


def _check_moment(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise UsageError("the moment of a signature or its check needs a time zone")


def _check_sources(
    level: Level, timestamps: TimestampSource | None, trust: TrustStore | None, *, extend: bool = False
) -> None:
    """What a level is made of must be there before anything is done. An extension finds out itself about T."""
    if level in _WITH_TIMESTAMP and timestamps is None and not (extend and level is Level.LT):
        raise UsageError(f"level {level} needs a timestamp authority; give one, or take level b")
    if level in _WITH_EVIDENCE and trust is None:
        raise UsageError(f"level {level} needs a trust directory, by which evidence is chosen; or take level t")
