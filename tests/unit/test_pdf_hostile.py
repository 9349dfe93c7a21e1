"""Files that were made to keep a program busy, or to fill its memory: the answer comes soon, and is never "valid"."""

import time
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from pki import pdf
from pki.pdf_checking import check_document
from pki.pdf_deadline import Allowance, OutOfMemory, OutOfTime, within
from pki.signed import DEFAULT_BOUNDS, DocumentVerdict
from tests.pdf_files import CATALOG, CONTENT, PAGES, last_object, small_objects, stream, updated
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import town
from tests.unit.small_pki import MOMENT

# Where Hypothesis has put a function of its own into the garbage collector, "stop" may arrive there and be ignored:
# it is told again, and only pytest minds.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function gc_cumulative_time:pytest.PytestUnraisableExceptionWarning"
)

BOUNDS = replace(DEFAULT_BOUNDS, seconds=1.0)
PATIENCE = 8.0
"""Seconds; the machine may be busy."""


def with_objects(objects: dict[int, bytes]) -> bytes:
    return pdf_file({**small_objects(), **objects})


def signed() -> bytes:
    place = town()
    return pdf.sign(pdf_file(), place.signer(), place.citizen.der, place.chain, moment=MOMENT)


def deep() -> bytes:
    return with_objects(
        {7: b"[" * 100_000 + b"]" * 100_000, CATALOG: b"<< /Type /Catalog /Pages 2 0 R /AcroForm 7 0 R >>"}
    )


def fan_out() -> bytes:
    """Thirty objects, each of which leads to the next one thirty times: 30 to the power of 30 ways."""
    objects = small_objects()
    objects[CATALOG] = objects[CATALOG].replace(b"/Type /Catalog", b"/Type /Catalog /Names 100 0 R")
    for number in range(100, 130):
        objects[number] = b"[ " + b"%d 0 R " % (number + 1) * 30 + b"]"
    objects[130] = b"null"
    place = town()
    made = pdf.sign(pdf_file(objects), place.signer(), place.citizen.der, place.chain, moment=MOMENT)
    return updated(made, {129: b"[ 130 0 R ]", CONTENT: small_objects()[CONTENT]})


def pages_loop() -> bytes:
    return with_objects({PAGES: b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"})


def fields_loop() -> bytes:
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [7 0 R] >> >>"
    return with_objects({CATALOG: catalog, 7: b"<< /T (a) /Kids [7 0 R 7 0 R] >>"})


def parents_loop() -> bytes:
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [7 0 R] >> >>"
    return with_objects({CATALOG: catalog, 7: b"<< /T (a) /FT /Sig /Parent 7 0 R /V 7 0 R >>"})


def previous_loop() -> bytes:
    made = pdf_file()
    at = made.rindex(b"startxref")
    return made.replace(b"trailer\n<< ", b"trailer\n<< /Prev %d " % int(made[at:].split()[1]))


def length_of_itself() -> bytes:
    return with_objects({CONTENT: b"<< /Length 4 0 R >>\nstream\nx\nendstream"})


def reference_to_itself() -> bytes:
    return with_objects({CATALOG: b"1 0 R"})


def many_revisions() -> bytes:
    document = pdf_file()
    for _ in range(2500):
        document += b"\nstartxref\n0\n%%EOF"
    return document


def deflated(content: bytes, entries: bytes) -> bytes:
    return stream(zlib.compress(content, 9), entries + b" /Filter /FlateDecode")


def xref_stream(section: bytes, entries: bytes) -> bytes:
    body = b"%PDF-1.7\n1 0 obj\n" + deflated(section, b"/Type /XRef /W [1 4 2] /Root 1 0 R " + entries) + b"\nendobj\n"
    return body + b"startxref\n9\n%%EOF\n"


def bomb_of_references() -> bytes:
    return xref_stream(bytes(60_000_000), b"/Size 40000000")


def bomb_of_objects() -> bytes:
    """The catalog is in a stream of objects that unpacks to 60 MB, packed twice."""
    twice = zlib.compress(zlib.compress(b"1 0 << " + b" " * 60_000_000, 9), 9)
    body = b"%PDF-1.7\n"
    offsets = [len(body)]
    packed = b"/Type /ObjStm /N 1 /First 4 /Filter [/FlateDecode /FlateDecode]"
    body += b"2 0 obj\n" + stream(twice, packed) + b"\nendobj\n"
    offsets.append(len(body))
    rows = b"\0\0\0\0\0\0\0" + b"\2\0\0\0\2\0\0" + b"\1" + offsets[0].to_bytes(4, "big") + b"\0\0"
    rows += b"\1" + offsets[1].to_bytes(4, "big") + b"\0\0"
    body += b"3 0 obj\n" + stream(rows, b"/Type /XRef /W [1 4 2] /Size 4 /Root 1 0 R") + b"\nendobj\n"
    return body + b"startxref\n%d\n%%%%EOF\n" % offsets[1]


def object_stream_in_itself() -> bytes:
    body = b"%PDF-1.7\n"
    at = len(body)
    rows = b"\0\0\0\0\0\0\0" + b"\2\0\0\0\2\0\0" + b"\2\0\0\0\2\0\1" + b"\1" + at.to_bytes(4, "big") + b"\0\0"
    body += b"3 0 obj\n" + stream(rows, b"/Type /XRef /W [1 4 2] /Size 4 /Root 1 0 R") + b"\nendobj\n"
    return body + b"startxref\n%d\n%%%%EOF\n" % at


def many_numbers() -> bytes:
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields 7 0 R >> >>"
    return with_objects({CATALOG: catalog, 7: b"[" + b"0 " * 10_000_000 + b"]"})


def many_fields() -> bytes:
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [" + b"7 0 R " * 200_000 + b"] >> >>"
    return with_objects({CATALOG: catalog, 7: b"<< /T (a) /FT /Sig /V << /ByteRange [0 1 2 3] /Contents <00> >> >>"})


def many_signatures() -> bytes:
    fields = b" ".join(b"%d 0 R" % number for number in range(10, 210))
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] >> >>" % fields
    value = b"<< /T (%d) /FT /Sig /V << /ByteRange [0 1 2 3] /Contents <3003020100> >> >>"
    return with_objects({CATALOG: catalog, **{number: value % number for number in range(10, 210)}})


def huge_size() -> bytes:
    return pdf_file().replace(b"/Size 7", b"/Size 99999999999999999999")


def huge_table() -> bytes:
    return pdf_file().replace(b"xref\n0 7", b"xref\n0 999999999")


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nested deep": deep,
    "fanning out": fan_out,
    "pages in a loop": pages_loop,
    "fields in a loop": fields_loop,
    "parents in a loop": parents_loop,
    "tables in a loop": previous_loop,
    "a length that is itself": length_of_itself,
    "a catalog that is itself": reference_to_itself,
    "many revisions": many_revisions,
    "a bomb of references": bomb_of_references,
    "a bomb of objects": bomb_of_objects,
    "objects in themselves": object_stream_in_itself,
    "many numbers": many_numbers,
    "many fields": many_fields,
    "many signatures": many_signatures,
    "a huge size": huge_size,
    "a huge table": huge_table,
    "nothing": lambda: b"",
    "a beginning only": lambda: b"%PDF-1.7\n",
    "another kind of file": lambda: b"PK\x03\x04" + bytes(100),
    "zeros": lambda: b"%PDF-1.7\n" + bytes(1_000_000),
    "ends only": lambda: b"%PDF-1.7\n" + b"startxref\n9\n%%EOF\n" * 500,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_answer_comes_soon(name: str) -> None:
    document = HOSTILE[name]()
    begin = time.monotonic()
    report = pdf.verify(document, None, MOMENT, BOUNDS)
    assert time.monotonic() - begin < PATIENCE
    assert report.verdict is not DocumentVerdict.VALID
    assert not any(each.verdict is DocumentVerdict.VALID for each in report.signatures)


@pytest.mark.parametrize("name", ["a bomb of references", "a bomb of objects"])
def test_bombs_do_not_go_off(name: str) -> None:
    document = HOSTILE[name]()
    tracemalloc.start()
    try:
        pdf.verify(document, None, MOMENT, BOUNDS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 1024 * 1024


def test_an_encrypted_file_says_so() -> None:
    entries = b"/Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s>" % (b"00" * 32, b"00" * 32)
    document = pdf_file(trailer=b"/Encrypt << %s >> /ID [<00> <00>]" % entries)
    report = pdf.verify(document, None, MOMENT)
    assert report.verdict is DocumentVerdict.CANNOT_TELL
    assert "password" in report.findings[0].text.en


def test_a_file_over_the_bound_is_not_read() -> None:
    report = pdf.verify(signed(), None, MOMENT, replace(DEFAULT_BOUNDS, document_max_len=1000))
    assert report.verdict is DocumentVerdict.CANNOT_TELL
    assert report.signatures == ()


def test_more_signatures_than_the_bound_are_never_valid() -> None:
    report = pdf.verify(many_signatures(), None, MOMENT, replace(DEFAULT_BOUNDS, signatures_max=3))
    assert len(report.signatures) == 3
    assert report.verdict is not DocumentVerdict.VALID


def test_when_its_time_is_over_no_further_signature_is_begun() -> None:
    ticks = iter(range(0, 1000, 40))
    report = check_document(signed(), None, MOMENT, DEFAULT_BOUNDS, None, lambda: next(ticks))
    assert report.verdict is DocumentVerdict.UNTRUSTED
    ticks = iter(range(0, 1000, 70))
    report = check_document(signed(), None, MOMENT, DEFAULT_BOUNDS, None, lambda: next(ticks))
    assert report.verdict is DocumentVerdict.CANNOT_TELL
    assert [each.verdict for each in report.signatures] == [DocumentVerdict.CANNOT_TELL]


def test_what_breaks_the_rules_of_pdf_is_never_valid() -> None:
    document = signed()
    twice = last_object(document, CATALOG).replace(b"/Type /Catalog", b"/Type /Catalog /Type /Catalog")
    report = pdf.verify(updated(document, {CATALOG: twice}), None, MOMENT)
    assert report.verdict is not DocumentVerdict.VALID


def test_work_that_ends_in_time_gives_its_result() -> None:
    assert within(Allowance(5), lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        within(Allowance(5), lambda: 1 // 0)


def test_work_that_fills_the_memory_is_ended() -> None:
    def endless() -> list[list[int]]:
        kept = [[0]]
        while True:
            kept.append([0])

    with pytest.raises(OutOfMemory):
        within(Allowance(PATIENCE, blocks=1_000_000), endless)


def test_what_is_allowed_grows_with_the_document_up_to_a_bound() -> None:
    small, large = (Allowance.for_reading(bytes(size), 60) for size in (1000, 30_000_000))
    assert small.seconds < 5 < large.seconds <= 20
    assert small.blocks < large.blocks
    assert Allowance.for_reading(b"/ByteRange" * 10_000, 60).seconds < 12
    assert Allowance.for_reading(bytes(30_000_000), 2.5).seconds == 2.5


def test_work_without_end_is_ended() -> None:
    def forever() -> None:
        while True:
            try:
                time.sleep(0.001)
            except Exception:  # as careless code has it
                continue

    begin = time.monotonic()
    with pytest.raises(OutOfTime):
        within(Allowance(0.2), forever)
    assert time.monotonic() - begin < PATIENCE
