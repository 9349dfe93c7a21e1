"""A report on checked documents for paper and files: one PDF, in Thai and English, fonts inside.

It tells what was found when the documents were checked. It is not signed, and proves nothing to others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from ecitizen.errors import ConfigError

from .path import Result
from .pdf_settings import FOREIGN_FORMAT, FORMAT, TIMESTAMP_FORMAT
from .pdf_words import words
from .signed import DocumentReport, DocumentVerdict, Finding, SignatureReport

PAGE_WIDTH, PAGE_HEIGHT = 595, 842
"""A4, in points."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 56.0, 60.0, 56.0
_LINE: Final = 1.5
_TITLE, _HEADING, _TEXT, _SMALL = 18.0, 13.0, 10.0, 8.5
_GREEN, _RED, _AMBER, _BLACK, _GREY = (0, 0.45, 0.15), (0.75, 0.05, 0.05), (0.7, 0.4, 0), (0, 0, 0), (0.35, 0.35, 0.35)

Colour = tuple[float, float, float]

_COLOURS: Final[dict[DocumentVerdict, Colour]] = {
    DocumentVerdict.VALID: _GREEN,
    DocumentVerdict.ALTERED: _RED,
    DocumentVerdict.REVOKED: _RED,
    DocumentVerdict.UNTRUSTED: _RED,
    DocumentVerdict.EXPIRED: _AMBER,
    DocumentVerdict.CANNOT_TELL: _AMBER,
}
_MARKS: Final = {Result.PASSED: "+", Result.FAILED: "x", Result.UNKNOWN: "?", Result.NOTED: "-"}
_OF_PDF: Final = frozenset({FORMAT, TIMESTAMP_FORMAT, FOREIGN_FORMAT})
"""Of these the findings tell in both languages what is covered and was changed; of others the lines are file names."""


@dataclass(frozen=True, slots=True)
class _Line:
    """Text in one style; it is broken into as many lines as it needs."""

    text: str
    size: float = _TEXT
    indent: float = 0.0
    colour: Colour = _BLACK
    space_before: float = 0.0


def report_pdf(reports: Sequence[tuple[str, DocumentReport]], *, font: Path | None = None) -> bytes:
    """A printable report on documents, each with the name of its file; of all kinds of signed documents.

    `font` is a font with Thai letters, if not one that is installed. Raise ConfigError if there is none or pyHanko is
    not installed, UsageError for a file that is no font.
    """
    with _library():
        from .pdf_fonts import find_font
    lines = list(_lines(reports))
    return _Printer(find_font(font)).run(lines)


@contextmanager
def _library() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError("a report in PDF needs a library; run: pip install ecitizen[sign]") from error


# What it says


def _lines(reports: Sequence[tuple[str, DocumentReport]]) -> Iterator[_Line]:
    yield _Line("รายงานผลการตรวจสอบลายมือชื่ออิเล็กทรอนิกส์", _TITLE)
    yield _Line("Verification report on electronic signatures", _HEADING, colour=_GREY)
    for name, report in reports:
        yield from _about_document(name, report)
    yield _Line(words("report_about").th, _SMALL, colour=_GREY, space_before=18)
    yield _Line(words("report_about").en, _SMALL, colour=_GREY)


def _about_document(name: str, report: DocumentReport) -> Iterator[_Line]:
    from .pdf_times import english_time, thai_time

    yield _Line(f"เอกสาร / Document: {name}", _HEADING, space_before=16)
    verdict = words(f"verdict_{report.verdict}")
    yield _Line(f"ผล / Verdict: {verdict.th} / {verdict.en}", _HEADING, colour=_COLOURS[report.verdict])
    yield _Line(f"ตรวจสอบ ณ / Checked as of: {thai_time(report.moment)} ({english_time(report.moment)})")
    yield _Line(f"รูปแบบ / Format: {report.format}")
    for finding in report.findings:
        yield from _about_finding(finding, 0)
    for number, signature in enumerate(report.signatures, start=1):
        yield from _about_signature(number, len(report.signatures), signature)


def _about_signature(number: int, total: int, report: SignatureReport) -> Iterator[_Line]:
    from .pdf_times import english_time, thai_time

    yield _Line(f"ลายมือชื่อ / Signature {number} / {total}", _HEADING, space_before=12)
    verdict = words(f"verdict_{report.verdict}")
    yield _Line(f"ผล / Verdict: {verdict.th} / {verdict.en}", indent=12, colour=_COLOURS[report.verdict])
    signer = report.signer
    level = "" if report.level is None else f" B-{report.level.upper()}"
    told = [("ชนิดและระดับ / Kind and level", f"{report.format}{level}")]
    if signer is not None:
        names = " / ".join(each for each in (signer.name_th, signer.name_en) if each)
        told += [
            ("ผู้ลงนาม / Signer", names or signer.subject),
            ("ตำแหน่ง / Office", signer.office),
            ("หน่วยงาน / Agency", signer.agency),
        ]
    for label, moment in (
        ("เวลาตามผู้ลงนาม / Time by the signer", report.claimed_at),
        ("เวลาที่พิสูจน์ได้ / Proven time", report.proven_at),
    ):
        told.append((label, "" if moment is None else f"{thai_time(moment)} ({english_time(moment)})"))
    if report.format not in _OF_PDF:
        told.append(("ครอบคลุม / Covers", report.covers or ""))
        told += [("เปลี่ยนแปลงภายหลัง / Changed afterwards", each) for each in report.changed]
    for label, text in told:
        if text:
            yield _Line(f"{label}: {text}", indent=12)
    for finding in report.findings:
        yield from _about_finding(finding, 12)


def _about_finding(finding: Finding, indent: float) -> Iterator[_Line]:
    colour = {Result.PASSED: _GREEN, Result.FAILED: _RED, Result.UNKNOWN: _AMBER}.get(finding.result, _GREY)
    text = f"{_MARKS[finding.result]} {finding.text.th} / {finding.text.en}"
    yield _Line(text, _SMALL, indent + 6, colour)
    if finding.evidence:
        told = ", ".join(f"{key}: {value}" for key, value in finding.evidence.items() if value)
        yield _Line(told, _SMALL - 1.5, indent + 18, _GREY)


# How it is printed


@dataclass(slots=True)
class _Printer:
    """Lays lines on pages."""

    font_file: bytes
    _pages: list[list[bytes]] = field(default_factory=list)
    _y: float = 0.0

    def run(self, lines: Sequence[_Line]) -> bytes:
        """The document."""
        from pyhanko.pdf_utils.writer import PdfFileWriter

        from .pdf_fonts import ThaiFont

        writer = PdfFileWriter()
        font = ThaiFont(writer, self.font_file)
        for line in lines:
            self._place(font, line)
        for number, page in enumerate(self._pages, start=1):
            page.append(_drawn(font, f"{number} / {len(self._pages)}", PAGE_WIDTH / 2 - 10, 30, _SMALL, _GREY))
            self._add_page(writer, font, b"\n".join(page))
        output = BytesIO()
        writer.write(output)
        return output.getvalue()

    def _place(self, font: Any, line: _Line) -> None:
        self._y -= line.space_before
        width = PAGE_WIDTH - _LEFT - _RIGHT - line.indent
        for text in font.lines(line.text, line.size, width):
            if not self._pages or self._y - line.size * _LINE < _BOTTOM:
                self._pages.append([])
                self._y = PAGE_HEIGHT - _TOP
            self._y -= line.size * _LINE
            self._pages[-1].append(_drawn(font, text, _LEFT + line.indent, self._y, line.size, line.colour))

    @staticmethod
    def _add_page(writer: Any, font: Any, content: bytes) -> None:
        from pyhanko.pdf_utils.generic import DictionaryObject, NameObject, StreamObject
        from pyhanko.pdf_utils.writer import PageObject

        fonts: Any = DictionaryObject({NameObject("/F1"): font.resource})
        stream = StreamObject(stream_data=content)
        stream.compress()
        page = PageObject(
            contents=writer.add_object(stream),
            media_box=(0, 0, PAGE_WIDTH, PAGE_HEIGHT),
            resources=DictionaryObject({NameObject("/Font"): fonts}),
        )
        writer.insert_page(page)


def _drawn(font: Any, text: str, x: float, y: float, size: float, colour: Colour) -> bytes:
    from .pdf_fonts import draw

    return b"%g %g %g rg %s" % (*colour, draw(font, "/F1", text, (x, y), size))
