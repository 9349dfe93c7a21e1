"""A letter as the simplest PDF there is: something to sign where there is nothing else, as in the demo."""

from collections.abc import Sequence

_BEGIN = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_FREE = b"0000000000 65535 f \n"


def letter_pdf(lines: Sequence[str]) -> bytes:
    """One page A4 with these lines, ASCII only: the fonts that every reader of PDF has know no Thai."""
    shown = b"".join(b"(%s) Tj T*\n" % _escaped(line) for line in lines)
    text = b"BT /F1 14 Tf 20 TL 72 742 Td\n%sET" % shown
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        _FONT,
    ]
    body, table = _BEGIN, _FREE
    for number, content in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + b"xref\n0 %d\n" % size + table + end


def _escaped(line: str) -> bytes:
    text = line.encode("ascii", "replace")
    for sign in (b"\\", b"(", b")"):
        text = text.replace(sign, b"\\" + sign)
    return text
