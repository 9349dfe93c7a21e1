"""Thai and English letters in PDF: finding a font, shaping text with HarfBuzz, embedding what is used of it.

Thai vowels and tones stand above and below consonants, moved by what is there already; only shaping puts them right.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pyhanko.pdf_utils.generic import IndirectObject
from pyhanko.pdf_utils.writer import BasePdfFileWriter

from ecitizen.errors import ConfigError, FileFailed, UsageError

FONT_FOLDERS: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts/Supplemental",
    "C:/Windows/Fonts",
)
FONT_FILES: Final = (
    "THSarabunNew.ttf",
    "Sarabun-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "Garuda.ttf",
    "Loma.ttf",
    "Laksaman.ttf",
    "Norasi.ttf",
    "Ayuthaya.ttf",
    "leelawad.ttf",
    "tahoma.ttf",
)
"""Fonts with Thai and Latin letters, the ones of official documents first; the last come with macOS and Windows."""
FONT_MAX_LEN: Final = 32 * 1024 * 1024

_OF_FONTFORGE = "FFTM"
_RUNS = re.compile("[\u0e00-\u0e7f]+|[^\u0e00-\u0e7f]+")
"""HarfBuzz shapes text of one script at a time."""
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, among them those that turn the direction of text, with which names can be forged."""


def find_font(given: Path | None = None, folders: Iterable[str] = FONT_FOLDERS) -> bytes:
    """The file of a font with Thai letters: the given one, or the first that this machine has.

    Raise FileFailed if the given one can't be read, ConfigError if none is found.
    """
    if given is not None:
        return _read(given)
    found: dict[str, Path] = {}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                found.setdefault(name, Path(place, name))
    for name in FONT_FILES:
        if name in found:
            return _read(found[name])
    raise ConfigError("no font with Thai letters is installed; install one (Debian: fonts-thai-tlwg) or name its file")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            font = file.read(FONT_MAX_LEN + 1)
    except OSError as error:
        raise FileFailed(f"cannot read the font {path}: {error.strerror or type(error).__name__}") from error
    if len(font) > FONT_MAX_LEN:
        raise UsageError(f"{path} is longer than {FONT_MAX_LEN} bytes, which no font for documents is")
    return font


@dataclass(frozen=True, slots=True)
class ShapedText:
    """A line of text, ready for a content stream."""

    operators: bytes
    """They begin and end at the text position, which they move along."""
    width: float
    """In parts of the font's size."""


class ThaiFont:
    """A font that is being embedded in a document, with as many letters as are used."""

    def __init__(self, writer: BasePdfFileWriter, font: bytes) -> None:
        """Raise ConfigError if shaping is not installed, UsageError for what is no font."""
        try:
            from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
        except ImportError as error:
            raise ConfigError("writing Thai into PDF needs a library; run: pip install ecitizen[sign]") from error
        from fontTools.ttLib import TTLibError

        try:
            self._glyphs: Any = GlyphAccumulator(writer, BytesIO(font), font_size=1)
            self._known = frozenset(self._glyphs.tt.getBestCmap())
            if _OF_FONTFORGE in self._glyphs.tt:  # when it was made; fontTools complains about it
                del self._glyphs.tt[_OF_FONTFORGE]
        except (TTLibError, KeyError, ValueError, TypeError, AssertionError) as error:
            raise UsageError("the font can't be used; give a TrueType or OpenType font file") from error
        self._fallback = "?" if ord("?") in self._known else ""

    @property
    def resource(self) -> IndirectObject:
        """What a page's resources call the font by."""
        found: IndirectObject = self._glyphs.as_resource()
        return found

    def width(self, text: str) -> float:
        """How wide a line is, in parts of the font's size."""
        return self.shape(text, 1).width

    def shape(self, text: str, size: float) -> ShapedText:
        """A line of text in a size, in points. Letters that the font lacks become question marks."""
        self._glyphs.font_size = size
        pieces: list[Any] = [self._glyphs.shape(run) for run in _RUNS.findall(self._shown(text))]
        return ShapedText(b" ".join(each.graphics_ops for each in pieces), sum(each.x_advance for each in pieces))

    def lines(self, text: str, size: float, width: float) -> Iterator[str]:
        """Break a text into lines no wider than `width` points: at spaces, else wherever it must be."""
        line = ""
        for word in re.findall(r"\S+\s*", self._shown(text)):
            rest = word
            if line and self.width((line + rest).rstrip()) * size > width:
                yield line.rstrip()
                line = ""
            while self.width(rest.rstrip()) * size > width and len(rest) > 1:
                fitting = self._fitting(rest, width / size)
                yield rest[:fitting]
                rest = rest[fitting:]
            line += rest
        if line.strip():
            yield line.rstrip()

    def _fitting(self, word: str, width: float) -> int:
        """How many characters of a word fit; one that stands above or below another one stays with it."""
        low, high = 1, len(word)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(word[:middle]) > width:
                high = middle - 1
            else:
                low = middle
        while low > 1 and low < len(word) and _stays_with_the_one_before(word[low]):
            low -= 1
        return low

    def _shown(self, text: str) -> str:
        clean = _NOT_SHOWN.sub(" ", text)
        return "".join(letter if ord(letter) in self._known else self._fallback for letter in clean)


def _stays_with_the_one_before(letter: str) -> bool:
    return letter in "\u0e30\u0e31\u0e32\u0e33\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e3a\u0e45\u0e46" or (
        "\u0e47" <= letter <= "\u0e4e"
    )


def draw(font: ThaiFont, name: str, text: str, place: tuple[float, float], size: float) -> bytes:
    """Operators that write a line at a place; `name` is what the page's resources call the font."""
    x, y = place
    return b"BT %s %g Tf %g %g Td %s ET" % (name.encode("ascii"), size, x, y, font.shape(text, size).operators)
