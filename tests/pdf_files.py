"""PDF files written by hand: small good ones, and revisions appended to them, as an attacker would write them.

Nothing here knows pyHanko; objects are bytes, offsets are counted.
"""

import re
from collections.abc import Mapping

CATALOG, PAGES, PAGE, CONTENT, FONT, FIELD = range(1, 7)
TEXT = b"BT /F1 24 Tf 72 700 Td (Pay 100 baht to Somchai) Tj ET"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def small_objects(content: bytes = TEXT) -> dict[int, bytes]:
    """One page with a line of text, and a form with one text field, Amount, that is not filled."""
    return {
        CATALOG: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /DR << /Font << /F1 5 0 R >> >> >> >>",
        PAGES: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [6 0 R]"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        CONTENT: stream(content),
        FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        FIELD: b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (Amount) /Rect [72 600 272 620] /F 4 /P 3 0 R"
        b" /DA (/F1 12 Tf 0 g) >>",
    }


def pdf(objects: Mapping[int, bytes] | None = None, trailer: bytes = b"") -> bytes:
    """A file with these objects, the first of which is the catalog."""
    objects = objects or small_objects()
    body, offsets = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", {}
    for number, content in objects.items():
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = max(objects) + 1
    rows = b"".join(
        b"%010d 00000 n \n" % offsets[number] if number in offsets else b"%010d 65535 f \n" % 0
        for number in range(1, size)
    )
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, rows)
    end = b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(body))
    return body + table + end


def last_startxref(document: bytes) -> int:
    """Where the last cross-reference section of a file is."""
    return int(re.findall(rb"startxref\s+(\d+)", document)[-1])


def size_of(document: bytes) -> int:
    """The number of the first object that a file does not have."""
    return max(int(each) for each in re.findall(rb"/Size (\d+)", document))


def updated(document: bytes, objects: Mapping[int, bytes], root: int = 0, trailer: bytes = b"") -> bytes:
    """The file with one more revision, which has these objects instead of those before."""
    body, rows = document + (b"" if document.endswith(b"\n") else b"\n"), b""
    for number, content in sorted(objects.items()):
        rows += b"%d 1\n%010d 00000 n \n" % (number, len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = max([size_of(document), *(number + 1 for number in objects)])
    entries = b"/Size %d /Root %d 0 R /Prev %d %s" % (
        size,
        root or root_of(document),
        last_startxref(document),
        trailer,
    )
    end = b"xref\n%strailer\n<< %s >>\nstartxref\n%d\n%%%%EOF\n" % (rows, entries, len(body))
    return body + end


def root_of(document: bytes) -> int:
    """The number of the catalog."""
    return int(re.findall(rb"/Root (\d+) 0 R", document)[-1])


def last_object(document: bytes, number: int) -> bytes:
    """An object as the last revision has it; of files without object streams."""
    found = re.findall(rb"(?:^|[\r\n])%d 0 obj\s*(.*?)\s*endobj" % number, document, re.DOTALL)
    content: bytes = found[-1]
    return content
