"""The printable report: it says what the report says, in Thai and English, with its font inside."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.generic import TrailerReference, read_object
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PdfFileWriter

from ecitizen.errors import FileFailed
from ecitizen.model import BilingualText
from pki import pdf
from pki.path import Finding, Result
from pki.pdf_report import report_pdf
from pki.signed import DocumentReport, DocumentVerdict, Level, SignatureReport, SignerIdentity
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import town
from tests.thai_font import needs_thai_font
from tests.unit.small_pki import MOMENT

SIGNER = SignerIdentity("สมชาย ใจดี", "Somchai Jaidee", "นายทะเบียน", "กรมการปกครอง", b"", "CN=Somchai")
FINDING = Finding("content", Result.FAILED, BilingualText("เนื้อหาเปลี่ยน", "changed"), {"page": "2"})


def report(verdict: DocumentVerdict, count: int = 1) -> DocumentReport:
    signature = SignatureReport(
        verdict,
        Level.LTA,
        "pades",
        SIGNER,
        claimed_at=MOMENT,
        proven_at=MOMENT + timedelta(minutes=1),
        covers="revision 1 of 2",
        changed=("revision 2: page 1",),
        findings=(FINDING,),
    )
    return DocumentReport(verdict, MOMENT, "pades", (signature,) * count, (FINDING,))


def pages(document: bytes) -> list[Any]:
    reader = PdfFileReader(BytesIO(document))
    return [page.get_object() for page in reader.root["/Pages"]["/Kids"]]


def said(document: bytes) -> str:
    """What programs copy from the report; each piece of text says itself (ActualText)."""
    found = []
    for page in pages(document):
        for piece in page["/Contents"].data.split(b"/ActualText ")[1:]:
            found.append(_text(piece))
    return " ".join(found)


def _text(piece: bytes) -> str:
    return str(read_object(BytesIO(piece), TrailerReference(PdfFileWriter())))


@needs_thai_font
@pytest.mark.parametrize("verdict", DocumentVerdict)
def test_every_verdict_is_told_in_both_languages(verdict: DocumentVerdict) -> None:
    text = said(report_pdf([("letter.pdf", report(verdict))]))
    for part in ("letter.pdf", "สมชาย", "Somchai Jaidee", "กรมการปกครอง", "B-LTA", "2569", "2026", "เนื้อหาเปลี่ยน"):
        assert part in text.replace("  ", " "), part


@needs_thai_font
def test_many_signatures_take_many_pages() -> None:
    document = report_pdf([("a.pdf", report(DocumentVerdict.VALID, 40)), ("b.pdf", report(DocumentVerdict.ALTERED))])
    assert len(pages(document)) > 5
    assert "b.pdf" in said(document)


@needs_thai_font
def test_a_real_report() -> None:
    place = town()
    signed = pdf.sign(pdf_file(), place.signer(), place.citizen.der, place.chain, moment=MOMENT)
    text = said(report_pdf([("จดหมาย.pdf", pdf.verify(signed, None, MOMENT)), ("", pdf.verify(b"", None, MOMENT))]))
    assert "จดหมาย" in text
    assert "Signature1" in text


@needs_thai_font
def test_names_can_not_break_out_of_their_place() -> None:
    text = said(report_pdf([(") Tj ET (\\\r\n\u202e>>" * 5, report(DocumentVerdict.VALID))]))
    assert ") Tj ET (" in text


def test_a_font_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileFailed):
        report_pdf([], font=tmp_path / "none.ttf")
