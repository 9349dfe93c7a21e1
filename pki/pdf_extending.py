"""What makes the signatures of a PDF last: evidence and archive timestamps (ETSI EN 319 142-1, 5.4 and 5.5).

Evidence goes into the document security store (DSS), with an entry (VRI) for each signature and timestamp; a document
timestamp is a signature field like any other, whose signature is an RFC 3161 token over the whole file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from asn1crypto import crl, ocsp, x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.signers.pdf_signer import PdfTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError

from .cms_check import Digests, check_signers
from .long_term import Evidence, collect
from .pdf_checking import check_document
from .pdf_cms import check_cms, signature_of
from .pdf_examination import FoundSignature, examine
from .pdf_library import SourceTimeStamper, complete, open_for_update, pdf_errors
from .signed import DEFAULT_BOUNDS, DocumentReport, DocumentVerdict, Level, RevocationSource, TimestampSource
from .timestamp_info import read_token
from .trust import TrustStore

_ARCHIVE_HASH: Final = HashAlgorithm.SHA_512
_FIELDS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what makes signatures last comes from."""

    timestamps: TimestampSource | None
    revocation: RevocationSource | None
    trust: TrustStore | None
    moment: datetime


def extend_document(document: bytes, level: Level, sources: Sources) -> bytes:
    """See `pdf.extend`."""
    _check_worth_it(document, sources)
    stamper = None if sources.timestamps is None else SourceTimeStamper(sources.timestamps)
    with pdf_errors("extend the signatures of this document"):
        if not _is_timestamped(document):
            if stamper is None:
                raise UsageError("a signature in the document has no timestamp yet; give a timestamp authority")
            document = add_archive_timestamp(document, stamper)
        return raised(document, level, sources, stamper)


def raised(document: bytes, level: Level, sources: Sources, stamper: SourceTimeStamper | None) -> bytes:
    """A document whose last signature has a timestamp, at a level from T on."""
    if level in {Level.LT, Level.LTA}:
        document = add_evidence(document, sources)
    if level is Level.LTA:
        assert stamper is not None
        document = add_archive_timestamp(document, stamper)
    return document


def _report(document: bytes, sources: Sources) -> DocumentReport:
    return check_document(document, sources.trust, sources.moment, DEFAULT_BOUNDS, sources.revocation)


def _check_worth_it(document: bytes, sources: Sources) -> None:
    """Raise UsageError for a document that is not signed, or whose signatures don't hold: no level mends that."""
    report = _report(document, sources)
    if not report.signatures:
        raise UsageError("no signature was found in the document; sign it first")
    if report.verdict is DocumentVerdict.ALTERED:
        raise UsageError("a signature in the document does not hold; extending it would not make it right")


def _is_timestamped(document: bytes) -> bool:
    """The last signature has a timestamp in it, or is one over the document."""
    last = examine(document, DEFAULT_BOUNDS).signatures[-1]
    return last.is_timestamp or bool(check_cms(document, last, (), DEFAULT_BOUNDS).tokens)


def check_evidence(certificate: bytes, chain: Sequence[bytes], sources: Sources, stamper: SourceTimeStamper) -> None:
    """Raise EvidenceMissing if a signature by this certificate could not be made to last; before it is made."""
    collect(certificate, chain, store=sources.trust, source=sources.revocation, moment=sources.moment)
    _evidence_of_token(stamper.trial(_ARCHIVE_HASH), Evidence(), sources)


def add_archive_timestamp(document: bytes, stamper: SourceTimeStamper) -> bytes:
    """The document with a timestamp over all of it."""
    writer = open_for_update(document)
    taken = {name for name, _, _ in enumerate_sig_fields(writer.prev)}
    name = next(name for number in range(1, _FIELDS_MAX) if (name := f"Timestamp{number}") not in taken)
    output = BytesIO()
    complete(PdfTimeStamper(stamper, name).async_timestamp_pdf(writer, str(_ARCHIVE_HASH), output=output))
    return output.getvalue()


def add_evidence(document: bytes, sources: Sources) -> bytes:
    """The document with evidence for those of its signatures and timestamps that have none yet."""
    writer = open_for_update(document)
    examination = examine(document, DEFAULT_BOUNDS)
    known = Evidence(examination.certificates, examination.crls, examination.ocsps)
    entries = _entries(writer)
    added = False
    for found, report in zip(examination.signatures, _report(document, sources).signatures, strict=True):
        if _identifier(found) not in entries:
            evidence = _evidence(document, found, known, report.proven_at, sources)
            added |= _store(writer, found, evidence)
    if not added:
        return document
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def _identifier(found: FoundSignature) -> Any:
    return DocumentSecurityStore.sig_content_identifier(_hexadecimal(found))


def _hexadecimal(found: FoundSignature) -> bytes:
    return found.contents.hex().encode("ascii")


def _entries(writer: IncrementalPdfFileWriter) -> frozenset[Any]:
    """The signatures that have evidence already."""
    root: Any = writer.prev.root
    return frozenset(root["/DSS"].get("/VRI", {})) if "/DSS" in root else frozenset()


def _store(writer: IncrementalPdfFileWriter, found: FoundSignature, evidence: Evidence) -> bool:
    store = DocumentSecurityStore.supply_dss_in_writer(
        writer,
        _hexadecimal(found),
        certs=[x509.Certificate.load(each) for each in evidence.certificates],
        crls=[crl.CertificateList.load(each) for each in evidence.crls],
        ocsps=[ocsp.OCSPResponse.load(each) for each in evidence.ocsps],
    )
    return bool(store.modified)


def _evidence(
    document: bytes, found: FoundSignature, known: Evidence, proven_at: datetime | None, sources: Sources
) -> Evidence:
    """What is needed to judge who signed, and the authorities whose timestamps are in the signature."""
    if found.is_timestamp:
        return _evidence_of_token(signature_of(found.contents), known, sources)
    cms = check_cms(document, found, known.certificates, DEFAULT_BOUNDS)
    if cms.certificate is None:
        raise UsageError("a signature in the document came without its certificate; it can't be made to last")
    evidence = collect(
        cms.certificate,
        cms.others,
        store=sources.trust,
        source=sources.revocation,
        moment=sources.moment,
        known=known + Evidence((), cms.crls, cms.ocsps),
        proven_at=proven_at,
    )
    for token in cms.tokens:
        evidence += _evidence_of_token(token, known, sources)
    return evidence


def _evidence_of_token(token: bytes, known: Evidence, sources: Sources) -> Evidence:
    signed_data, _ = read_token(token)
    assert signed_data.content is not None  # of a token that was read
    (check,) = check_signers(signed_data, Digests(signed_data.content), known.certificates)
    if check.certificate is None:
        raise UsageError("a timestamp in the document came without its certificate; it can't be made to last")
    return collect(
        check.certificate,
        signed_data.certificates,
        store=sources.trust,
        source=sources.revocation,
        moment=sources.moment,
        known=known,
        usage=ExtendedKeyUsageOID.TIME_STAMPING.dotted_string,
    )
