"""What a visible signature shows: Thai that is shaped and can be copied, the portrait, and fonts that are missing."""

import builtins
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PdfFileWriter

from ecitizen.errors import ConfigError, FileFailed, UsageError
from pki import pdf
from pki.errors import Malformed
from pki.pdf import Appearance
from pki.pdf_appearance import Jpeg, SignedBy
from pki.pdf_fonts import FONT_FOLDERS, ThaiFont, find_font
from pki.pdf_times import english_time, thai_time
from pki.signed import SignerIdentity
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import town
from tests.thai_font import needs_thai_font
from tests.unit.small_pki import MOMENT

BOX = Appearance(box=(72, 300, 300, 380))
PORTRAIT = Path(__file__).parents[2] / "cardapps" / "personas" / "somchai.jpg"
SOMCHAI = SignerIdentity("นาย สมชาย ใจดี", "Mr. Somchai Jaidee", "นายทะเบียน", "กรมการปกครอง", b"", "CN=Somchai")
THAI = "ที่นี่ น้ำ กิ๊ฟ ปู่ ญี่ปุ่น ฐานะ ก็"


@pytest.fixture(scope="module")
def font_file() -> bytes:
    return find_font()


@pytest.fixture(scope="module")
def font(font_file: bytes) -> ThaiFont:
    return ThaiFont(PdfFileWriter(), font_file)


def signed(appearance: Appearance, **wishes: Any) -> bytes:
    place = town()
    return pdf.sign(
        pdf_file(), place.signer(), place.citizen.der, place.chain, moment=MOMENT, appearance=appearance, **wishes
    )


def picture(document: bytes) -> Any:
    """The appearance stream of the signature."""
    reader = PdfFileReader(BytesIO(document))
    return reader.embedded_signatures[0].sig_field["/AP"]["/N"]


def test_it_says_who_when_and_why_in_both_languages() -> None:
    said = SignedBy(SOMCHAI, MOMENT, "เพื่อรับรอง", "Bangkok").lines()
    assert said == [
        "ลงนามอิเล็กทรอนิกส์โดย / Digitally signed by",
        "นาย สมชาย ใจดี",
        "Mr. Somchai Jaidee",
        "นายทะเบียน, กรมการปกครอง",
        "วันเวลา: 22 พ.ย. 2569 19:00:00 น.",
        "Time: 22 Nov 2026 19:00:00 +07:00",
        "เหตุผล / Reason: เพื่อรับรอง",
        "สถานที่ / Location: Bangkok",
    ]


def test_what_is_not_known_is_left_out() -> None:
    nobody = replace(SOMCHAI, name_th="", name_en="", office="", agency="")
    said = SignedBy(nobody, MOMENT, None, None).lines()
    assert said[1:2] == ["CN=Somchai"]
    assert len(said) == 4


def test_midnight_is_tomorrow_in_thailand() -> None:
    moment = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
    assert thai_time(moment) == "1 ม.ค. 2570 00:00:00 น."
    assert english_time(moment) == "1 Jan 2027 00:00:00 +07:00"


@needs_thai_font
def test_the_picture_is_in_the_field_and_its_font_in_the_file() -> None:
    document = signed(BOX, reason="เห็นชอบ")
    fonts = picture(document)["/Resources"]["/Font"]
    descendant = fonts["/F1"]["/DescendantFonts"][0]
    assert "/FontFile2" in descendant["/FontDescriptor"] or "/FontFile3" in descendant["/FontDescriptor"]
    assert "/ToUnicode" in fonts["/F1"]
    assert sorted(picture(document)["/BBox"]) == [0, 0, 80, 228]


@needs_thai_font
def test_the_portrait_is_the_file_itself() -> None:
    document = signed(replace(BOX, portrait=PORTRAIT.read_bytes()))
    image = picture(document)["/Resources"]["/XObject"]["/Portrait"]
    assert image.encoded_data == PORTRAIT.read_bytes()
    assert image["/Filter"] == "/DCTDecode"
    assert (image["/Width"], image["/Height"]) == _size(PORTRAIT.read_bytes())


def _size(content: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(BytesIO(content)) as image:
        return image.size


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xd8" + bytes(2_000_000)]
)
def test_what_is_no_portrait_is_refused_before_the_key_is_used(content: bytes) -> None:
    signer = town().signer()
    with pytest.raises(UsageError, match="JPEG"):
        pdf.sign(
            pdf_file(),
            signer,
            town().citizen.der,
            moment=MOMENT,
            appearance=replace(BOX, portrait=content),
        )
    assert signer.used == 0


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_portrait_or_refused(content: bytes) -> None:
    try:
        read = Jpeg.read(b"\xff\xd8\xff" + content)
    except UsageError:
        return
    assert read.width
    assert read.height


@needs_thai_font
def test_a_box_too_small_to_be_read_is_refused() -> None:
    signer = town().signer()
    with pytest.raises(UsageError, match="too small"):
        pdf.sign(pdf_file(), signer, town().citizen.der, moment=MOMENT, appearance=Appearance(box=(72, 300, 90, 310)))
    assert signer.used == 0


# Fonts


@needs_thai_font
def test_thai_vowels_and_tones_are_shaped(font: ThaiFont) -> None:
    """A tone above a vowel stands higher than one above a consonant: it is another glyph, or is moved."""
    alone, above = font.shape("ก่", 10), font.shape("กิ่", 10)
    assert alone.width == pytest.approx(above.width)
    assert font.width("กิ่") == pytest.approx(font.width("ก"))
    consonant = font.shape("ก", 10).operators
    assert alone.operators != consonant
    assert above.operators != alone.operators


@needs_thai_font
def test_every_piece_is_said_as_text_too(font: ThaiFont) -> None:
    assert font.shape(THAI, 10).operators.count(b"/ActualText") >= 1


@needs_thai_font
def test_lines_are_no_wider_than_they_may_be(font: ThaiFont) -> None:
    text = "ข้าพเจ้าขอรับรองว่าเอกสารนี้เป็นความจริงทุกประการ " * 5 + "and that it is all true " * 5
    lines = list(font.lines(text, 10, 120))
    assert len(lines) > 5
    assert all(font.width(line) * 10 <= 120 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert not any(line[0] in "ัิีึืฺุู็่้๊๋์ํ๎" for line in lines)


@needs_thai_font
@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_written(font: ThaiFont, text: str) -> None:
    shaped = font.shape(text, 10)
    assert shaped.width >= 0
    assert all(line for line in font.lines(text, 10, 50))


@needs_thai_font
def test_letters_that_turn_the_text_are_not_written(font: ThaiFont) -> None:
    assert font.shape("a\u202eb", 10).operators == font.shape("a b", 10).operators


@needs_thai_font
def test_letters_that_a_font_lacks_are_question_marks(font: ThaiFont) -> None:
    assert font.shape("\U0001f600", 10).operators == font.shape("?", 10).operators


def test_a_machine_without_thai_fonts_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fonts-thai-tlwg"):
        find_font(folders=[str(tmp_path)])


@needs_thai_font
def test_the_callers_font_comes_first(tmp_path: Path, font_file: bytes) -> None:
    path = tmp_path / "mine.ttf"
    path.write_bytes(font_file)
    assert find_font(path, FONT_FOLDERS) == font_file
    assert signed(replace(BOX, font=path))


def test_a_font_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileFailed):
        signed(replace(BOX, font=tmp_path / "nothing.ttf"))
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font at all")
    with pytest.raises((UsageError, Malformed), match="font"):
        signed(replace(BOX, font=broken))


@needs_thai_font
def test_without_the_library_for_shaping_it_says_what_to_install(
    font_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> ModuleType:
        if name.endswith("opentype"):
            raise ImportError("no uharfbuzz")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match="pip install"):
        ThaiFont(PdfFileWriter(), font_file)
