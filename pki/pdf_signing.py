"""Signing a PDF: one more revision with a signature in it, over all that is there (ETSI EN 319 142-1, 5 and 6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils.generic import DictionaryObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter, append_signature_field, enumerate_sig_fields
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.stamp import BaseStampStyle

from ecitizen.algorithms import SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .pdf_appearance import SignedBy, signature_style
from .pdf_extending import Sources, check_evidence, raised
from .pdf_key import SigningKey
from .pdf_library import SourceTimeStamper, open_for_update, pdf_errors
from .pdf_settings import Appearance, Certify
from .signed import Level, Show
from .signed_trust import identity_of

_TEXT_MAX: Final = 500
"""Characters of a reason or a place."""
_FIELDS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller of `pdf.sign` chose."""

    moment: datetime
    field: str | None
    appearance: Appearance | None
    certify: Certify | None
    reason: str | None
    location: str | None
    show: Show | None
    algorithm: SignatureAlgorithm | None


def sign_document(
    document: bytes,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes],
    wishes: Wishes,
    level: Level,
    sources: Sources,
) -> bytes:
    """See `pdf.sign`."""
    if any(len(text or "") > _TEXT_MAX for text in (wishes.reason, wishes.location)):
        raise UsageError(f"the reason and the place of a signature have {_TEXT_MAX} characters at most")
    key = SigningKey.of(signer, certificate, chain, algorithm=wishes.algorithm, moment=wishes.moment, show=wishes.show)
    stamper = None if sources.timestamps is None or level is Level.B else SourceTimeStamper(sources.timestamps)
    writer = open_for_update(document)
    with pdf_errors("sign this document"):
        if level in {Level.LT, Level.LTA}:
            assert stamper is not None
            check_evidence(certificate, chain, sources, stamper)
        signed = _sign(writer, key, wishes, stamper)
        return raised(signed, level, sources, stamper)


def _sign(
    writer: IncrementalPdfFileWriter,
    key: SigningKey,
    wishes: Wishes,
    stamper: SourceTimeStamper | None,
) -> bytes:
    field = _Field.find(writer.prev, wishes.field)
    box = wishes.appearance.box if wishes.appearance is not None else None
    _check_allowed(writer.prev, field, wishes.certify, visible=box is not None)
    style = None
    if box is not None or field.visible:
        said = SignedBy(identity_of(key.certificate), wishes.moment, wishes.reason, wishes.location)
        style = signature_style(wishes.appearance or Appearance(), said)
    metadata = PdfSignatureMetadata(
        field_name=field.name,
        md_algorithm=key.hash,
        reason=wishes.reason,
        location=wishes.location,
        certify=wishes.certify is not None,
        docmdp_permissions=MDPPerm(wishes.certify or Certify.FORMS),
        subfilter=SigSeedSubFilter.PADES,
    )
    pdf_signer = PdfSigner(
        metadata,
        key.described(),
        stamp_style=style or BaseStampStyle(),
        new_field_spec=None if field.exists else _new_field(field.name, wishes.appearance),
    )
    session = pdf_signer.init_signing_session(writer, existing_fields_only=field.exists)
    if session.timestamper is not None:
        raise UsageError("the field wants a timestamp from an authority that it names; sign at level t with your own")
    session.system_time = wishes.moment
    # In the document the signature is written in hexadecimal digits.
    prepared = session.prepare_tbs_document(validation_info=None, bytes_reserved=2 * key.room(stamper))
    output = BytesIO()
    covered, _ = prepared.digest_tbs_document(output=output)
    covered.fill_with_cms(output, key.sign(covered.document_digest, stamper))
    return output.getvalue()


@dataclass(frozen=True, slots=True)
class _Field:
    """The signature field that is going to hold the signature."""

    name: str
    exists: bool
    visible: bool

    @classmethod
    def find(cls, reader: PdfFileReader, wanted: str | None) -> "_Field":
        """The field of that name, or a new one; raise UsageError if it is filled already."""
        fields = _fields(reader)
        if wanted is None:
            return cls(unused_name(fields, "Signature"), exists=False, visible=False)
        if wanted not in fields:
            if "." in wanted or not wanted.strip():
                raise UsageError("the name of a new signature field can't be empty or have dots in it")
            return cls(wanted, exists=False, visible=False)
        filled, dictionary = fields[wanted]
        if filled:
            raise UsageError("this signature field is signed already; take another one, or a new one")
        return cls(wanted, exists=True, visible=_is_visible(dictionary))


def _fields(reader: PdfFileReader) -> dict[str, tuple[bool, DictionaryObject]]:
    """All signature fields: whether they are signed, and their dictionaries."""
    found: dict[str, tuple[bool, DictionaryObject]] = {}
    for name, value, reference in enumerate_sig_fields(reader):
        found[name] = (value is not None, reference.get_object())
        if len(found) > _FIELDS_MAX:
            raise UsageError(f"the document has more than {_FIELDS_MAX} signature fields")
    return found


def unused_name(taken: Any, kind: str) -> str:
    """Signature1, or the first that is free after it."""
    return next(name for number in range(1, _FIELDS_MAX + 3) if (name := f"{kind}{number}") not in taken)


def _is_visible(field: DictionaryObject) -> bool:
    try:
        left, bottom, right, top = (float(each) for each in field["/Rect"])
    except (KeyError, TypeError, ValueError):
        return False
    return left != right and bottom != top


def _check_allowed(reader: PdfFileReader, field: _Field, certify: Certify | None, *, visible: bool) -> None:
    """Raise UsageError if a signature that is there would be broken by this one."""
    signatures = reader.embedded_signatures
    if certify is not None and signatures:
        raise UsageError("a certification must be the first signature of a document; sign it without certifying")
    for each in reader.embedded_regular_signatures:
        level = each.docmdp_level
        if level is MDPPerm.NO_CHANGES:
            raise UsageError("the document is certified against all changes; it can't be signed any more")
        if level is not None and visible and not field.exists:
            raise UsageError("the document is certified: sign without a new picture, or in a field that is there")
        if field.exists and each.fieldmdp is not None and each.fieldmdp.is_locked(field.name):
            raise UsageError("a signature in the document has locked this field; sign in another one")


def _new_field(name: str, appearance: Appearance | None) -> SigFieldSpec:
    if appearance is None or appearance.box is None:
        return SigFieldSpec(sig_field_name=name)
    left, bottom, right, top = appearance.box
    if not (left < right and bottom < top):
        raise UsageError("the box of a signature is left, bottom, right, top in points; it can't be empty")
    # pyHanko's picture of a box has whole numbers; what it says of the type, it means.
    box = (round(left), round(bottom), round(right), round(top))
    return SigFieldSpec(sig_field_name=name, on_page=appearance.page, box=box)


def add_empty_field(document: bytes, name: str, appearance: Appearance) -> bytes:
    """See `pdf.add_field`."""
    if appearance.box is None:
        raise UsageError("a field to sign in needs a box: left, bottom, right, top in points")
    writer = open_for_update(document)
    with pdf_errors("add a signature field"):
        field = _Field.find(writer.prev, name)
        if field.exists:
            raise UsageError("there is a signature field of that name already")
        if any(each.docmdp_level is not None for each in writer.prev.embedded_regular_signatures):
            raise UsageError("the document is certified: no field can be added")
        append_signature_field(writer, replace(_new_field(name, appearance), empty_field_appearance=True))
        output = BytesIO()
        writer.write(output)
    return output.getvalue()
