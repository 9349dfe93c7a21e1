"""Signed PDF made into something else, in every way that was published: none of them may come out as valid.

The attacks are those of Mainka, Mladenov, Rohlmann and Schwenk: universal signature forgery, incremental saving and
signature wrapping (CCS 2019), shadow attacks (NDSS 2021), evil annotations and sneaky signatures (S&P 2021).
"""

import re
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from pki import pdf
from pki.pdf_settings import Appearance, Certify
from pki.signed import DocumentReport, DocumentVerdict
from pki.trust import TrustStore
from tests.pdf_files import (
    CATALOG,
    CONTENT,
    FIELD,
    FONT,
    PAGE,
    last_object,
    last_startxref,
    root_of,
    size_of,
    small_objects,
    stream,
    updated,
)
from tests.pdf_files import (
    pdf as pdf_file,
)
from tests.pdf_signers import town
from tests.thai_font import needs_thai_font
from tests.unit.small_pki import MOMENT

Attack = Callable[[bytes], bytes]
EVIL = stream(b"BT /F1 24 Tf 72 700 Td (Pay 9,000,000 baht to Mallory) Tj ET")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return town().store(tmp_path_factory.mktemp("trust"), *town().lists().crls)


@cache
def signed(certify: Certify | None = None, *, shadow: bool = False) -> bytes:
    """A good document, signed or certified by the citizen."""
    objects = small_objects()
    if shadow:  # what an attacker had prepared before somebody signed
        objects[FIELD] = objects[FIELD].replace(b"/FT /Tx", b"/FT /Tx /V (100 baht)")
        objects[7] = b"<< /Type /Annot /Subtype /Square /Rect [60 690 500 730] /IC [1 1 1] /F 4 >>"
        objects[PAGE] = objects[PAGE].replace(b"[6 0 R]", b"[6 0 R 7 0 R]")
        objects[8] = b"<< /Type /Catalog /Pages 9 0 R >>"
        objects[9] = b"<< /Type /Pages /Kids [10 0 R] /Count 1 >>"
        objects[10] = b"<< /Type /Page /Parent 9 0 R /MediaBox [0 0 595 842] /Contents 11 0 R /Resources << >> >>"
        objects[11] = EVIL
    place = town()
    return pdf.sign(pdf_file(objects), place.signer(), place.citizen.der, place.chain, moment=MOMENT, certify=certify)


def check(document: bytes, trust: TrustStore) -> DocumentReport:
    return pdf.verify(document, trust, MOMENT)


def test_what_the_attacks_begin_with_is_valid(trust: TrustStore) -> None:
    for document in (signed(), signed(shadow=True), *map(signed, Certify)):
        report = check(document, trust)
        assert report.verdict is DocumentVerdict.VALID
        assert report.signatures[0].changed == ()


# What is put into the file


def signature_number(document: bytes) -> int:
    """The object that is the signature."""
    numbers = re.findall(rb"[\r\n](\d+) 0 obj\s*<<(?:(?!endobj).)*?/ByteRange", document, re.DOTALL)
    return int(numbers[-1])


def field_number(document: bytes) -> int:
    """The object that is the signature's field."""
    pattern = rb"[\r\n](\d+) 0 obj\s*<<(?:(?!endobj).)*?/V %d 0 R" % signature_number(document)
    return int(re.findall(pattern, document, re.DOTALL)[-1])


def resigned(change: Callable[[bytes], bytes]) -> Attack:
    """A revision in which the signature object itself is another one."""

    def attack(document: bytes) -> bytes:
        number = signature_number(document)
        return updated(document, {number: change(last_object(document, number)), CONTENT: EVIL})

    return attack


def swapped(pattern: bytes, replacement: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        changed = re.sub(pattern, replacement, content, count=1, flags=re.DOTALL)
        assert changed != content
        return changed

    return change


def in_place(pattern: bytes, replacement: Callable[[re.Match[bytes]], bytes]) -> Attack:
    """Bytes changed where they stand; all offsets stay."""

    def attack(document: bytes) -> bytes:
        found = list(re.finditer(pattern, document, re.DOTALL))[-1]
        new = replacement(found)
        assert len(new) <= len(found[0])
        return document[: found.start()] + new.ljust(len(found[0])) + document[found.end() :]

    return attack


BYTE_RANGE = rb"/ByteRange ?\[[^\]]*\]"
CONTENTS = rb"/Contents ?<[0-9a-fA-F]*>"


def ranges(change: Callable[[int, int, int], tuple[int, int, int, int] | str]) -> Attack:
    """The ByteRange changed in place."""

    def replacement(found: re.Match[bytes]) -> bytes:
        _, before, behind, length = map(int, re.findall(rb"\d+", found[0]))
        new = change(before, behind, length)
        text = new if isinstance(new, str) else " ".join(map(str, new))
        return b"/ByteRange [%s]" % text.encode("ascii") if text else b""

    return in_place(BYTE_RANGE, replacement)


def wrapped(document: bytes) -> bytes:
    """Signature wrapping: the second part is moved to the end, and something evil comes into the gap."""
    found = list(re.finditer(BYTE_RANGE, document))[-1]
    _, before, behind, length = map(int, re.findall(rb"\d+", found[0]))
    evil = b"\n%d 0 obj\n%s\nendobj\n" % (CONTENT, EVIL)
    room = len(found[0]) - len(b"/ByteRange []")
    spans = b"0 %d %d %d" % (before, behind + len(evil), length)
    moved = b"/ByteRange [%s]" % spans.ljust(room)
    whole = document[:behind] + evil + document[behind : behind + length]
    return whole[: found.start()] + moved + whole[found.end() :]


def without_table(document: bytes) -> bytes:
    """Incremental saving: objects behind the end, and a copy of the old end; programs that repair files show them."""
    return document + b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (CONTENT, EVIL, last_startxref(document))


def with_second_end(document: bytes) -> bytes:
    return document + b"%d 0 obj\n%s\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%%%EOF\n" % (CONTENT, EVIL)


def table_only(document: bytes) -> bytes:
    """A shadow attack without a new object: the table says that the content is where the hidden one is."""
    evil = document.index(b"\n11 0 obj") + 1
    entries = b"/Size %d /Root %d 0 R /Prev %d" % (size_of(document), root_of(document), last_startxref(document))
    at = len(document)
    table = b"xref\n%d 1\n%010d 00000 n \ntrailer\n<< %s >>\nstartxref\n%d\n%%%%EOF\n" % (CONTENT, evil, entries, at)
    return document + table


def root_swapped(document: bytes) -> bytes:
    """Hide and replace: another catalog, whose pages were signed together with the rest."""
    number = size_of(document)
    catalog = last_object(document, CATALOG).replace(b"/Pages 2 0 R", b"/Pages 9 0 R")
    return updated(document, {number: catalog}, root=number)


def freed(number: int) -> Attack:
    """Hide: an object that lay over the page is not there any more."""

    def attack(document: bytes) -> bytes:
        entries = b"/Size %d /Root %d 0 R /Prev %d" % (size_of(document), root_of(document), last_startxref(document))
        table = b"xref\n%d 1\n%010d 00001 f \ntrailer\n<< %s >>\n" % (number, 0, entries)
        return document + table + b"startxref\n%d\n%%%%EOF\n" % len(document)

    return attack


def replaced(objects: Mapping[int, bytes]) -> Attack:
    return lambda document: updated(document, objects)


def refilled(document: bytes) -> bytes:
    """Replace via form: what a filled field says, and what it looks like."""
    field = last_object(document, FIELD).replace(b"(100 baht)", b"(9,000,000 baht)")
    number = size_of(document)
    look = stream(b"/Tx BMC BT /F1 12 Tf (9,000,000 baht) Tj ET EMC", b"/Subtype /Form /BBox [0 0 200 20]")
    return updated(document, {FIELD: field[:-2] + b"/AP << /N %d 0 R >> >>" % number, number: look})


def page_number(document: bytes, change: Callable[[bytes], bytes], further: Mapping[int, bytes]) -> bytes:
    return updated(document, {PAGE: change(last_object(document, PAGE)), **further})


def annotated(document: bytes) -> bytes:
    """Evil annotation: a remark that lies over the text and says something else."""
    number = size_of(document)
    look = stream(b"1 1 1 rg 0 0 440 40 re f BT (Pay Mallory) Tj ET", b"/Subtype /Form /BBox [0 0 440 40]")
    remark = b"<< /Type /Annot /Subtype /FreeText /Rect [60 690 500 730] /F 4 /AP << /N %d 0 R >> >>" % (number + 1)
    add = swapped(rb"/Annots \[", b"/Annots [%d 0 R " % number)
    return page_number(document, add, {number: remark, number + 1: look})


def sneaky(document: bytes) -> bytes:
    """Sneaky signature: a field to sign in, with a picture over the text, and no signature."""
    number = size_of(document)
    look = stream(b"1 1 1 rg 0 0 440 40 re f BT (Pay Mallory) Tj ET", b"/Subtype /Form /BBox [0 0 440 40]")
    field = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (Sneaky) /Rect [60 690 500 730] /F 4 /P 3 0 R"
    field += b" /AP << /N %d 0 R >> >>" % (number + 1)
    catalog = swapped(rb"/Fields \[", b"/Fields [%d 0 R " % number)
    add = swapped(rb"/Annots \[", b"/Annots [%d 0 R " % number)
    return page_number(
        document,
        add,
        {number: field, number + 1: look, CATALOG: catalog(last_object(document, CATALOG))},
    )


def unsigned(document: bytes) -> bytes:
    """The field of the signature is empty again, and the text is another one."""
    field = swapped(rb"/V \d+ 0 R", b"")(last_object(document, field_number(document)))
    return updated(document, {field_number(document): field, CONTENT: EVIL})


def without_form(document: bytes) -> bytes:
    """The form that the signature's field belongs to is gone."""
    return updated(document, {CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>", CONTENT: EVIL})


def certification_removed(document: bytes) -> bytes:
    catalog = re.sub(rb"/Perms\s*(<<.*?>>|\d+ 0 R)", b"", last_object(document, CATALOG), flags=re.DOTALL)
    return updated(document, {CATALOG: catalog, CONTENT: EVIL})


def page_added(document: bytes) -> bytes:
    number = size_of(document)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << >> >>" % (number + 1)
    pages = b"<< /Type /Pages /Kids [%d 0 R 3 0 R] /Count 2 >>" % number
    return updated(document, {2: pages, number: page, number + 1: EVIL})


def of_another_document(document: bytes) -> bytes:
    """The signature of one document put into another one of the same length."""
    return document.replace(b"Pay 100 baht to Somchai", b"Pay 999 baht to Mallory")


def objects_twice(document: bytes) -> bytes:
    """The table leads to a second object of the same number."""
    return updated(updated(document, {CONTENT: EVIL}), {CONTENT: small_objects()[CONTENT]})


ATTACKS: dict[str, tuple[Attack, Certify | None]] = {
    "content changed in place": (of_another_document, None),
    "content changed by a revision": (replaced({CONTENT: EVIL}), None),
    "content changed and changed back": (objects_twice, None),
    "font changed": (replaced({FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"}), None),
    "page added": (page_added, None),
    "saved without a table": (without_table, None),
    "saved with a second end": (with_second_end, None),
    "junk behind the end": (lambda document: document + b"\n<script>", None),
    "range removed": (ranges(lambda *_: ""), None),
    "range empty": (ranges(lambda *_: " "), None),
    "range of zeros": (ranges(lambda *_: "0 0 0 0"), None),
    "range of words": (ranges(lambda *_: "/A /B /C /D"), None),
    "range of three": (ranges(lambda before, behind, _: f"0 {before} {behind}"), None),
    "range negative": (ranges(lambda before, behind, length: f"0 {before} {behind} -9"), None),
    "range starts later": (ranges(lambda before, behind, length: (9, before - 9, behind, length)), None),
    "range overlaps": (ranges(lambda before, behind, length: (0, before + 10, before, length)), None),
    "range with a larger hole": (ranges(lambda before, behind, length: (0, before - 90, behind, length)), None),
    "range with a hole behind": (ranges(lambda before, behind, length: (0, before, behind + 90, length - 90)), None),
    "range ends early": (ranges(lambda before, behind, length: (0, before, behind, length - 90)), None),
    "range too long": (ranges(lambda before, behind, length: (0, before, behind, length + 9)), None),
    "wrapped": (wrapped, None),
    "signature removed": (in_place(CONTENTS, lambda _: b""), None),
    "signature null": (in_place(CONTENTS, lambda _: b"/Contents null"), None),
    "signature of zeros": (in_place(CONTENTS, lambda found: b"/Contents <%s>" % (b"0" * (len(found[0]) - 12))), None),
    "signature with a tail": (in_place(CONTENTS, lambda found: found[0][:-9] + b"deadbeef>"), None),
    "signature object without range": (resigned(swapped(BYTE_RANGE, b"")), None),
    "signature object without signature": (resigned(swapped(CONTENTS, b"")), None),
    "signature object again": (resigned(lambda content: content + b" "), None),
    "field emptied": (unsigned, None),
    "form removed": (without_form, None),
    "remark after an approval": (annotated, None),
    "field after certifying": (sneaky, Certify.FORMS),
    "field after certifying for remarks": (sneaky, Certify.ANNOTATIONS),
    "field after certifying for nothing": (sneaky, Certify.NOTHING),
    "remark after certifying": (annotated, Certify.FORMS),
    "remark after certifying for remarks": (annotated, Certify.ANNOTATIONS),
    "certification removed": (certification_removed, Certify.NOTHING),
    "content after certifying for remarks": (replaced({CONTENT: EVIL}), Certify.ANNOTATIONS),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_is_valid(name: str, trust: TrustStore) -> None:
    attack, certify = ATTACKS[name]
    document = attack(signed(certify))
    assert document != signed(certify)
    report = check(document, trust)
    assert report.verdict in {DocumentVerdict.ALTERED, DocumentVerdict.CANNOT_TELL}
    assert all(each.verdict is not DocumentVerdict.VALID for each in report.signatures)
    assert report.findings or report.signatures


SHADOWS: dict[str, Attack] = {
    "hide": freed(7),
    "hide by a smaller remark": replaced({7: b"<< /Type /Annot /Subtype /Square /Rect [0 0 1 1] /F 2 >>"}),
    "replace by a form": refilled,
    "hide and replace by the table": table_only,
    "hide and replace by the catalog": root_swapped,
    "sneaky picture": sneaky,
}


@pytest.mark.parametrize("name", SHADOWS)
def test_no_shadow_attack_is_valid(name: str, trust: TrustStore) -> None:
    report = check(SHADOWS[name](signed(shadow=True)), trust)
    assert report.verdict is DocumentVerdict.ALTERED
    assert report.signatures[0].changed


def look(text: bytes) -> bytes:
    return stream(b"BT /F1 12 Tf (%s) Tj ET" % text if text else b"", b"/Subtype /Form /BBox [0 0 200 20]")


def unreadable(text: bytes) -> bytes:
    """A look that is larger than will be decoded; programs that show it have no such bound."""
    packed = zlib.compress(b" " * 3_000_000 + b"BT /F1 12 Tf (%s) Tj ET" % text, 9)
    return stream(packed, b"/Subtype /Form /BBox [0 0 200 20] /Filter /FlateDecode")


def picture(colour: bytes) -> bytes:
    return stream(colour, b"/Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8")


BOX = b"<< /Type /Annot /Subtype /Widget /FT /Btn /T (Agree) /V /Off /AS /Off /Rect [72 600 272 620] /F 4 /P 3 0 R"
BOX += b" /AP << /N << /Yes 20 0 R /Off 21 0 R >> >> >>"
TICKED = BOX.replace(b"/Off /AS /Off", b"/Yes /AS /Yes")
FILLED = small_objects()[FIELD][:-2] + b"/V (100) /AP << /N 21 0 R >> >>"
SHOWS_PICTURE = b"/Subtype /Form /BBox [0 0 200 20] /Resources << /XObject << /I 22 0 R >> >>"
LOOKS: dict[str, tuple[dict[int, bytes], tuple[bytes, bytes], dict[int, bytes]]] = {
    "the box that is ticked has another mark": (
        {FIELD: TICKED, 20: look(b"X"), 21: look(b"")},
        (b"/Yes 20 0 R", b"/Yes 30 0 R"),
        {30: look(b"no")},
    ),
    "the box that is ticked looks empty": (
        {FIELD: TICKED, 20: look(b"X"), 21: look(b"")},
        (b"/AS /Yes", b"/AS /Off"),
        {},
    ),
    "a look that can't be read": (
        {FIELD: FILLED, 21: unreadable(b"100")},
        (b"21 0 R", b"30 0 R"),
        {30: unreadable(b"9")},
    ),
    "moved out of sight": (
        {FIELD: FILLED, 21: look(b"100")},
        (b"21 0 R", b"30 0 R"),
        {30: look(b"100").replace(b"/Subtype", b"/Matrix [0 0 0 0 0 0] /Subtype")},
    ),
    "another font": ({FIELD: FILLED, 21: look(b"100")}, (b"/F1 12 Tf", b"/F2 12 Tf"), {}),
    "another picture": (
        {FIELD: FILLED, 21: stream(b"/I Do", SHOWS_PICTURE), 22: picture(b"0")},
        (b"21 0 R", b"30 0 R"),
        {30: stream(b"/I Do", SHOWS_PICTURE.replace(b"22 0 R", b"31 0 R")), 31: picture(b"1")},
    ),
    "the field is hidden": ({FIELD: FILLED, 21: look(b"100")}, (b"/F 4", b"/F 2"), {}),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_filled_field_may_not_look_different_later(name: str, trust: TrustStore) -> None:
    """Its value stays, and its look says something else."""
    objects, (old, new), further = LOOKS[name]
    place = town()
    document = pdf.sign(
        pdf_file({**small_objects(), **objects}), place.signer(), place.citizen.der, place.chain, moment=MOMENT
    )
    assert check(document, trust).verdict is DocumentVerdict.VALID
    field = swapped(re.escape(old), new)(last_object(document, FIELD))
    report = check(updated(document, {FIELD: field, **further}), trust)
    assert report.verdict is DocumentVerdict.ALTERED
    assert [line.split()[:3] for line in report.signatures[0].changed] == [["revision", "3:", "refilled"]]


def test_a_field_without_a_value_that_shows_something_elsewhere_is_not_empty(trust: TrustStore) -> None:
    """Its widget, a field of its own without a name, shows an amount; the value that comes later is another one."""
    place, objects = town(), small_objects()
    objects[FIELD] = b"<< /FT /Tx /T (Amount) /Kids [20 0 R] /DA (/F1 12 Tf 0 g) >>"
    objects[PAGE] = objects[PAGE].replace(b"/Annots [6 0 R]", b"/Annots [20 0 R]")
    objects[20] = b"<< /Type /Annot /Subtype /Widget /Parent 6 0 R /Rect [72 600 272 620] /F 4 /AP << /N 21 0 R >> >>"
    valued = objects[FIELD].replace(b"/Kids", b"/V (900) /Kids")
    for shown, verdict in ((b"", DocumentVerdict.VALID), (b"100", DocumentVerdict.ALTERED)):
        document = pdf_file({**objects, 21: look(shown)})
        document = pdf.sign(document, place.signer(), place.citizen.der, place.chain, moment=MOMENT)
        assert check(updated(document, {FIELD: valued}), trust).verdict is verdict


def test_a_field_without_a_value_whose_look_can_not_be_read_is_not_empty(trust: TrustStore) -> None:
    place, empty = town(), FILLED.replace(b"/V (100)", b"")
    document = pdf_file({**small_objects(), FIELD: empty, 21: unreadable(b"100")})
    document = pdf.sign(document, place.signer(), place.citizen.der, place.chain, moment=MOMENT)
    filled = empty.replace(b"/N 21 0 R >>", b"/N 30 0 R >> /V (900)")
    assert check(updated(document, {FIELD: filled, 30: look(b"900")}), trust).verdict is DocumentVerdict.ALTERED


def test_a_field_that_is_saved_again_or_closed_is_the_same(trust: TrustStore) -> None:
    place = town()
    document = pdf_file({**small_objects(), FIELD: FILLED, 21: unreadable(b"100")})
    document = pdf.sign(document, place.signer(), place.citizen.der, place.chain, moment=MOMENT)
    for new in (b"/F 4 ", b"/F 4 /Ff 1 "):
        report = check(updated(document, {FIELD: FILLED.replace(b"/F 4 ", new)}), trust)
        assert report.verdict is DocumentVerdict.VALID
        assert report.signatures[0].changed == ("revision 3: evidence",) or not report.signatures[0].changed


def test_an_empty_box_may_be_ticked(trust: TrustStore) -> None:
    place = town()
    document = pdf_file({**small_objects(), FIELD: BOX, 20: look(b"X"), 21: look(b"")})
    document = pdf.sign(document, place.signer(), place.citizen.der, place.chain, moment=MOMENT)
    report = check(updated(document, {FIELD: TICKED}), trust)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].changed == ("revision 3: filled Agree",)


def test_every_program_must_read_the_same(trust: TrustStore) -> None:
    """Two tables of contents, one for old programs: a hybrid file can show two documents."""
    document = signed()
    table = stream(zlib.compress(b""), b"/Type /XRef /Size 0 /W [1 2 1] /Filter /FlateDecode")
    at = len(document)
    hybrid = updated(document + b"99 0 obj\n" + table + b"\nendobj\n", {}, trailer=b"/XRefStm %d" % at)
    assert check(hybrid, trust).verdict is not DocumentVerdict.VALID


def test_an_unsigned_file_says_that_nobody_signed(trust: TrustStore) -> None:
    report = check(pdf_file(), trust)
    assert report.verdict is DocumentVerdict.CANNOT_TELL
    assert report.signatures == ()
    assert report.format == "none"


@pytest.mark.parametrize("part", range(1, 20))
def test_a_truncated_file_is_never_valid(part: int, trust: TrustStore) -> None:
    document = signed()
    assert check(document[: len(document) * part // 20], trust).verdict is not DocumentVerdict.VALID


def test_a_file_may_also_lie_in_a_folder(tmp_path: Path, trust: TrustStore) -> None:
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed())
    assert pdf.verify(path, trust, MOMENT).verdict is DocumentVerdict.VALID


@needs_thai_font
def test_a_visible_field_of_somebody_else_is_no_attack(trust: TrustStore) -> None:
    place = town()
    look = Appearance(box=(72, 300, 300, 380))
    both = pdf.sign(signed(), place.signer(), place.citizen.der, place.chain, moment=MOMENT, appearance=look)
    report = check(both, trust)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].changed == ("revision 3: signed Signature2",)
