"""What is in a PDF: its signatures, what each covers, what came after it, and the evidence that lies beside.

pyHanko reads the file; what a ByteRange may be is checked here, on the bytes. Nothing is believed yet, no key or
certificate is looked at: the outcome is plain values, made in bounded time whatever the file is.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.generic import DictionaryObject, IndirectObject, parse_pdf_date
from pyhanko.pdf_utils.misc import PdfStrictReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from .pdf_changes import Change, changes_since
from .pdf_library import HOSTILE, decode_limits
from .pdf_settings import Certify
from .signed import SignedBounds

_STARTXREF_MAX: Final = 2000
"""Revisions of a file."""
_TIMESTAMP_FILTER: Final = "ETSI.RFC3161"
_HEX = re.compile(rb"<[0-9A-Fa-f]*>")
_TEXT_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class FoundSignature:
    """A signature as it lies in the file."""

    name: str
    """Of its field."""
    filter: str
    """How it is made: `ETSI.CAdES.detached`, `adbe.pkcs7.detached`... (ISO 32000-2, 12.8.3)."""
    contents: bytes
    """What is signed with: DER and the zeros behind it; empty if it can't be read."""
    covered: tuple[int, ...]
    """Its ByteRange: position, length, position, length; empty if that is no good one."""
    problems: tuple[str, ...]
    """Names of words: why it does not cover what it should."""
    revision: int
    """The one that it is in, from 1."""
    claimed_at: datetime | None
    certifies: Certify | None
    changes: tuple[Change, ...]
    evidence_covered: bool
    """There was a security store with revocation data when it was made."""

    @property
    def is_timestamp(self) -> bool:
        """It is a timestamp over the document, not somebody's signature."""
        return self.filter == _TIMESTAMP_FILTER


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in a file."""

    signatures: tuple[FoundSignature, ...] = ()
    revisions: int = 0
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    problems: tuple[str, ...] = ()
    """Names of words about the whole file; with any of them nothing in it is valid."""
    notes: tuple[str, ...] = ()
    """The same, for what decides nothing."""


def examine(document: bytes, bounds: SignedBounds) -> Examination:
    """Read a file. All that can be wrong with it is among the problems."""
    if (problem := _refusal(document, bounds)) is not None:
        return Examination(problems=(problem,))
    _silence()
    try:
        try:
            return _examine(document, bounds, strict=True)
        except PdfStrictReadError:
            loosely = _examine(document, bounds, strict=False)
            return replace(loosely, problems=("not_strict", *loosely.problems))
    except HOSTILE:
        return Examination(problems=("damaged",))


def _refusal(document: bytes, bounds: SignedBounds) -> str | None:
    """What can be said without reading it."""
    if len(document) > bounds.document_max_len:
        return "too_large"
    if not document.startswith(b"%PDF-"):
        return "not_pdf"
    return "bounds" if document.count(b"startxref") > _STARTXREF_MAX else None


def _examine(document: bytes, bounds: SignedBounds, *, strict: bool) -> Examination:
    reader = PdfFileReader(BytesIO(document), strict=strict, decode_limits=decode_limits())
    revisions = reader.xrefs.total_revisions
    if "/Encrypt" in reader.trailer:
        return Examination(revisions=revisions, problems=("encrypted",))
    found: list[FoundSignature] = []
    problems: list[str] = []
    if reader.xrefs.hybrid_xrefs_present:
        problems.append("hybrid")
    for name, value, field in enumerate_sig_fields(reader, filled_status=True):
        if value is None:
            continue
        if len(found) == bounds.signatures_max:
            problems.append("bounds")
            break
        found.append(_read_signature(document, reader, str(name), field))
    if not found and b"/ByteRange" in document:
        problems.append("outside_form")
    store = _Store.read(reader, bounds)
    return Examination(
        tuple(sorted(found, key=lambda each: each.revision)),
        revisions,
        store.certificates,
        store.crls,
        store.ocsps,
        tuple(problems),
        ("store_bounds",) if store.too_much else (),
    )


def _read_signature(document: bytes, reader: PdfFileReader, name: str, field: Any) -> FoundSignature:
    """One signature; of one that can't be read the name at least."""
    try:
        signature = EmbeddedPdfSignature(reader, field, name)
    except HOSTILE:
        return _unread(field, name, reader.xrefs.total_revisions)
    problems = _range_problems(document, signature)
    coverage = SignatureCoverageLevel.UNCLEAR
    with suppress(*HOSTILE):
        coverage = signature.evaluate_signature_coverage()
    if not problems and coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        problems = ["not_whole"]
    revision = signature.signed_revision
    if not problems and _stray_bytes(document, signature, reader.xrefs.total_revisions - 1 - revision):
        problems = ["stray_bytes"]
    certifies, locks_broken = _permission(signature)
    if locks_broken:
        problems.append("lock_unread")
    return FoundSignature(
        name=name,
        filter=_filter_of(signature.sig_object),
        contents=signature.pkcs7_content,
        covered=() if "range_wrong" in problems else tuple(int(each) for each in signature.byte_range),
        problems=tuple(problems),
        revision=revision + 1,
        claimed_at=_claimed_at(signature),
        certifies=certifies,
        changes=() if problems else tuple(changes_since(reader, signature)),
        evidence_covered=_has_evidence(reader, revision),
    )


def _unread(field: Any, name: str, revisions: int) -> FoundSignature:
    """A signature of an unknown kind, or a broken one; whichever it is, it is not valid."""
    kind = ""
    with suppress(*HOSTILE):
        kind = _filter_of(field.get_object()["/V"])
    return FoundSignature(name, kind, b"", (), ("signature_unread",), revisions, None, None, (), evidence_covered=False)


def _filter_of(dictionary: Any) -> str:
    return str(dictionary.get("/SubFilter", "")).removeprefix("/")[:40]


def _range_problems(document: bytes, signature: EmbeddedPdfSignature) -> list[str]:
    """What is wrong with the ByteRange: it must leave out exactly the signature, and nothing else (12.8.1).

    What it leaves out must stand where the signature's own Contents stands, or else something may hide in the gap.
    """
    spans = [int(each) for each in signature.byte_range if isinstance(each, int)]
    if len(signature.byte_range) != 4 or len(spans) != 4:
        return ["range_wrong"]
    start, before, behind, length = spans
    if start != 0 or not 0 < before < behind <= behind + length <= len(document):
        return ["range_wrong"]
    gap = document[before:behind]
    if not _HEX.fullmatch(gap) or len(gap) % 2 or bytes.fromhex(gap[1:-1].decode("ascii")) != signature.pkcs7_content:
        return ["range_wrong"]
    if not document[:before].rstrip(b" \t\r\n\x0c\x00").endswith(b"/Contents"):
        return ["range_wrong"]
    return []


def _stray_bytes(document: bytes, signature: EmbeddedPdfSignature, later: int) -> bool:
    """Something was written behind the signature that is in no revision: other programs may find and show it."""
    _, _, behind, length = (int(each) for each in signature.byte_range)
    rest = document[behind + length :]
    if later == 0:
        return bool(rest.strip(b" \t\r\n\x0c\x00"))
    tail = document[document.rfind(b"%%EOF") + 5 :]
    return rest.count(b"startxref") != later or bool(tail.strip(b" \t\r\n\x0c\x00"))


def _claimed_at(signature: EmbeddedPdfSignature) -> datetime | None:
    """The signer's own clock: in the dictionary, or among what is signed with the key."""
    moment = None
    with suppress(*HOSTILE):
        moment = signature.self_reported_timestamp
    if moment is None:
        with suppress(*HOSTILE):
            moment = parse_pdf_date(str(signature.sig_object["/M"]), strict=False)
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _permission(signature: EmbeddedPdfSignature) -> tuple[Certify | None, bool]:
    """What the signature allows afterwards; the second is true if that can't be read."""
    try:
        level = signature.docmdp_level
        _ = signature.fieldmdp
        return (None if level is None else Certify(level.value)), False
    except HOSTILE:
        return None, True


def _has_evidence(reader: PdfFileReader, revision: int) -> bool:
    with suppress(*HOSTILE):
        store = reader.get_historical_resolver(revision).root["/DSS"]
        return bool(store.get("/CRLs") or store.get("/OCSPs"))
    return False


@dataclass(frozen=True, slots=True)
class _Store:
    """The document security store: what is in it, of all signatures together (ISO 32000-2, 12.8.4.3)."""

    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    too_much: bool

    @classmethod
    def read(cls, reader: PdfFileReader, bounds: SignedBounds) -> "_Store":
        """All that can be read."""
        store: Any = DictionaryObject()
        with suppress(*HOSTILE):
            store = reader.root["/DSS"]
        most = bounds.embedded_certificates_max * 4
        kinds = (
            ("/Certs", DecodePurpose.CERTIFICATE),
            ("/CRLs", DecodePurpose.CRL),
            ("/OCSPs", DecodePurpose.OCSP_RESPONSE),
        )
        too_much, contents = False, []
        for key, purpose in kinds:
            entries: list[Any] = []
            with suppress(*HOSTILE):
                entries = list(store.get(key, ()))
            too_much |= len(entries) > most
            contents.append(tuple(_streams(entries[:most], purpose)))
        return cls(contents[0], contents[1], contents[2], too_much)


def _streams(entries: list[Any], purpose: DecodePurpose) -> Iterator[bytes]:
    for entry in entries:
        if isinstance(entry, IndirectObject):
            with suppress(*HOSTILE):
                yield entry.get_object().read_data(purpose)


def _silence() -> None:
    """Keep pyHanko's log, which quotes documents, from everybody."""
    log = logging.getLogger("pyhanko")
    if not log.handlers:
        log.propagate = False
        log.addHandler(logging.NullHandler())
