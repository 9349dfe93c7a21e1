"""The CMS signature inside a PDF signature: does it hold over what its ByteRange covers, and what came along with it.

ISO 32000-2, 12.8.3.3, and ETSI EN 319 142-1, 5.3: one signer, detached. Whether the certificate may be believed is
another question, and not asked here.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .cms_ber import ALL_LEVELS, element
from .cms_check import Digests, check_signers
from .cms_forms import DATA, SIGNATURE_TIMESTAMP, SignedData, SignerInfo, read_signed_data
from .der import CONTEXT_CONSTRUCTED, TAG_SEQUENCE, Reader, oid
from .errors import Malformed
from .pdf_examination import FoundSignature
from .signed import DocumentVerdict, Finding, SignedBounds, noted, unknown
from .signed_files import Content, Document

DETACHED: Final = frozenset({"ETSI.CAdES.detached", "adbe.pkcs7.detached"})
"""The kinds of signatures that are checked here (SubFilter; ISO 32000-2, table 260)."""
WEAK: Final = frozenset({"adbe.pkcs7.sha1", "adbe.x509.rsa_sha1"})
"""They sign a SHA-1 digest, for which somebody with money can make a second document."""

_REVOCATION_ARCHIVAL: Final = oid("1.2.840.113583.1.1.8")
"""CRLs and OCSP responses as a signed attribute (ISO 32000-2, 12.8.3.3.3)."""
_CRLS, _OCSPS = CONTEXT_CONSTRUCTED, CONTEXT_CONSTRUCTED | 1


@dataclass(frozen=True, slots=True)
class CheckedCms:
    """What the signature itself comes to; `verdict` is valid, altered or cannot-tell."""

    verdict: DocumentVerdict
    findings: tuple[Finding, ...]
    certificate: bytes | None = field(default=None, repr=False)
    """The signer's, DER."""
    others: tuple[bytes, ...] = field(default=(), repr=False)
    """Certificates that came along."""
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    ocsps: tuple[bytes, ...] = field(default=(), repr=False)
    signed_at: datetime | None = None
    """By the signer's clock, if it is among what is signed."""
    names_certificate: bool = False
    """What is signed names the certificate, as the baseline levels want it."""
    signature: bytes = field(default=b"", repr=False)
    """What a signature timestamp is over."""
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    """Timestamps over the signature, not checked."""


def signature_of(contents: bytes) -> bytes:
    """The signature at the beginning of Contents, without the zeros that fill the place behind it; DER or BER.

    Raise Malformed if there is none, or something else than zeros behind it.
    """
    try:
        _, end = element(contents, 0, len(contents), ALL_LEVELS)
    except (IndexError, OverflowError, RecursionError):
        raise Malformed("the signature ends too early, or nests too deep") from None
    if contents[end:].strip(b"\0"):
        raise Malformed("something else than zeros stands behind the signature")
    return contents[:end]


def covered_content(document: bytes, found: FoundSignature) -> Content:
    """What the signature is over."""
    return Content(Document(document), array("Q", found.covered))


def check_cms(document: bytes, found: FoundSignature, others: tuple[bytes, ...], bounds: SignedBounds) -> CheckedCms:
    """Check the signature of one signer over what its ByteRange covers; never raises. `others` are certificates."""
    if found.filter in WEAK:
        return _doubtful(unknown("algorithm", "algorithm_weak", algorithm=found.filter))
    if found.filter not in DETACHED:
        return _doubtful(unknown("form", "not_readable", filter=found.filter))
    try:
        data = read_signed_data(signature_of(found.contents), bounds)
    except Malformed as error:
        return _doubtful(unknown("form", "not_readable", detail=str(error)))
    if len(data.signers) != 1 or data.content is not None or data.content_type != DATA:
        return _doubtful(unknown("form", "not_readable", signers=str(len(data.signers))))
    return _check(Digests(covered_content(document, found)), data, others, bounds)


def _doubtful(*findings: Finding) -> CheckedCms:
    return CheckedCms(DocumentVerdict.CANNOT_TELL, findings)


def _check(content: Digests, data: SignedData, others: tuple[bytes, ...], bounds: SignedBounds) -> CheckedCms:
    (signer,) = data.signers
    (check,) = check_signers(data, content, others, bounds)
    embedded = data.certificates[: bounds.embedded_certificates_max]
    left_out = [noted("bounds", "bounds", bound="certificates")] if len(data.certificates) > len(embedded) else []
    crls, ocsps = _archived(signer)
    most = bounds.embedded_revocations_max
    return CheckedCms(
        check.verdict,
        (*check.findings, *left_out),
        check.certificate,
        embedded,
        (*data.crls, *crls)[:most],
        (*data.ocsps, *ocsps)[:most],
        check.claims.signed_at,
        check.names_certificate,
        signer.signature,
        signer.values(SIGNATURE_TIMESTAMP)[: bounds.timestamps_max],
    )


def _archived(signer: SignerInfo) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Revocation data that Adobe's programs put among what is signed."""
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    for attribute in signer.signed:
        if attribute.type == _REVOCATION_ARCHIVAL:
            for value in attribute.values:
                try:
                    crls += _members(value, _CRLS)
                    ocsps += _members(value, _OCSPS)
                except Malformed:
                    continue
    return tuple(crls), tuple(ocsps)


def _members(value: bytes, tag: int) -> Iterator[bytes]:
    fields = Reader(value).inside()
    while fields.more:
        found = fields.peek()
        entry = fields.inside(found)
        if found == tag:
            entries = entry.inside()
            while entries.more:
                yield entries.element(TAG_SEQUENCE)
