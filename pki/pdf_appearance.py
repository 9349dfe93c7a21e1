"""What a visible signature looks like: who signed, when and why, in Thai and English, with a portrait if wanted.

The picture is for people. It proves nothing: whoever wants to know has the signature checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pyhanko.pdf_utils.content import ResourceType
from pyhanko.pdf_utils.generic import NameObject, NumberObject, StreamObject, pdf_name
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp import BaseStamp, BaseStampStyle

from ecitizen.errors import UsageError

from .pdf_fonts import ThaiFont, draw, find_font
from .pdf_settings import Appearance
from .pdf_times import english_time, thai_time
from .signed import SignerIdentity

_SIZE_MAX, _SIZE_MIN = 11.0, 3.5
_LINE = 1.45
"""Distance of lines, in sizes of the font: Thai has two storeys above the consonants, and one below."""
_MARGIN = 3.0
_PORTRAIT_MAX_LEN = 1024 * 1024
_FONT, _PORTRAIT = "/F1", "/Portrait"


@dataclass(frozen=True)
class SignedBy:
    """What a visible signature says."""

    signer: SignerIdentity
    moment: datetime
    reason: str | None
    location: str | None

    def lines(self) -> list[str]:
        """Line by line, Thai and English."""
        names = [each for each in (self.signer.name_th, self.signer.name_en) if each] or [self.signer.subject]
        office = ", ".join(each for each in (self.signer.office, self.signer.agency) if each)
        labelled = [("เหตุผล / Reason", self.reason), ("สถานที่ / Location", self.location)]
        return [
            "ลงนามอิเล็กทรอนิกส์โดย / Digitally signed by",
            *names,
            *([office] if office else []),
            f"วันเวลา: {thai_time(self.moment)}",
            f"Time: {english_time(self.moment)}",
            *(f"{label}: {text}" for label, text in labelled if text),
        ]


@dataclass(frozen=True)
class Jpeg:
    """A picture as PDF takes it: the file as it is, and how large it is."""

    content: bytes = field(repr=False)
    width: int
    height: int
    colours: int

    @classmethod
    def read(cls, content: bytes) -> "Jpeg":
        """Raise UsageError for what is not a JPEG file in grey or colour (ISO/IEC 10918-1, B.2.2)."""
        at = 2
        if content[:2] == b"\xff\xd8" and len(content) <= _PORTRAIT_MAX_LEN:
            while at + 9 < len(content) and content[at] == 0xFF:
                marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
                if marker in _FRAMES:
                    height, width = int.from_bytes(content[at + 5 : at + 7]), int.from_bytes(content[at + 7 : at + 9])
                    if width and height and content[at + 9] in _SPACES:
                        return cls(content, width, height, content[at + 9])
                at += 2 + max(length, 2)
        raise UsageError(f"the portrait must be a JPEG picture of {_PORTRAIT_MAX_LEN // 1024} kB at most")

    def as_object(self) -> StreamObject:
        """The image for PDF (ISO 32000-2, 8.9.5)."""
        return StreamObject(
            {
                pdf_name("/Type"): pdf_name("/XObject"),
                pdf_name("/Subtype"): pdf_name("/Image"),
                pdf_name("/Width"): NumberObject(self.width),
                pdf_name("/Height"): NumberObject(self.height),
                pdf_name("/ColorSpace"): pdf_name(_SPACES[self.colours]),
                pdf_name("/BitsPerComponent"): NumberObject(8),
                pdf_name("/Filter"): pdf_name("/DCTDecode"),
            },
            encoded_data=self.content,
        )


_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_SPACES: Final = {1: "/DeviceGray", 3: "/DeviceRGB"}


@dataclass(frozen=True)
class SignatureStyle(BaseStampStyle):
    """How pyHanko asks for the picture, once it knows the box of the field."""

    lines: tuple[str, ...] = ()
    font: bytes = b""
    portrait: Jpeg | None = None

    def create_stamp(
        self,
        writer: BasePdfFileWriter,
        box: BoxConstraints,
        text_params: dict[str, Any],  # noqa: ARG002 - pyHanko's texts; ours are written already
    ) -> "SignaturePicture":
        """The picture for one box."""
        return SignaturePicture(writer, self, box)


def signature_style(appearance: Appearance, said: SignedBy) -> SignatureStyle:
    """Prepare a picture; raise as `find_font` does, and UsageError for a portrait that is no JPEG."""
    portrait = None if appearance.portrait is None else Jpeg.read(appearance.portrait)
    font = find_font(None if appearance.font is None else Path(appearance.font))
    return SignatureStyle(lines=tuple(said.lines()), font=font, portrait=portrait)


class SignaturePicture(BaseStamp):
    """The lines as large as the box allows, the portrait at their left, a thin frame around."""

    def __init__(self, writer: BasePdfFileWriter, style: SignatureStyle, box: BoxConstraints) -> None:
        super().__init__(writer, style, box)
        self._picture = style
        self._font = ThaiFont(writer, style.font)

    def render(self) -> bytes:
        """The content stream; raise UsageError if the box is too small to be read."""
        width, height = float(self.box.width), float(self.box.height)
        left, pieces = _MARGIN, [b"q 0.5 w 0.25 0.25 %g %g re S" % (width - 0.5, height - 0.5)]
        if (portrait := self._picture.portrait) is not None:
            tall = height - 2 * _MARGIN
            wide = min(tall * portrait.width / portrait.height, width / 3)
            tall = wide * portrait.height / portrait.width
            pieces.append(b"q %g 0 0 %g %g %g cm /Portrait Do Q" % (wide, tall, left, (height - tall) / 2))
            image = self._ensure_writer.add_object(portrait.as_object())
            self.set_resource(ResourceType.XOBJECT, NameObject(_PORTRAIT), image)
            left += wide + _MARGIN
        size = self._size(self._picture.lines, width - left - _MARGIN, height - 2 * _MARGIN)
        y = height - _MARGIN - size
        for line in self._picture.lines:
            pieces.append(draw(self._font, _FONT, line, (left, y), size))
            y -= size * _LINE
        self.set_resource(ResourceType.FONT, NameObject(_FONT), self._font.resource)
        return b"\n".join([*pieces, b"Q"])

    def _size(self, lines: Sequence[str], width: float, height: float) -> float:
        widest = max(self._font.width(line) for line in lines)
        size = min(_SIZE_MAX, width / widest, height / (len(lines) * _LINE))
        if size < _SIZE_MIN:
            raise UsageError("the box of the signature is too small for its text; make it larger, say 200 by 70 points")
        return size
