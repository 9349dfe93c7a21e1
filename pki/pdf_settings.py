"""What may be chosen when a PDF is signed, and names of formats: values only, which cost no import of pyHanko."""

from dataclasses import dataclass, field
from enum import IntEnum, unique
from pathlib import Path
from typing import Final

FORMAT: Final = "pades"
TIMESTAMP_FORMAT: Final = "pades-timestamp"
"""A timestamp over the whole document."""
FOREIGN_FORMAT: Final = "pdf"
"""A signature in a PDF that is not PAdES."""


@unique
class Certify(IntEnum):
    """What a certification allows afterwards (DocMDP, ISO 32000-2, 12.8.2.2); filling and signing go together."""

    NOTHING = 1
    FORMS = 2
    """Filling fields and signing."""
    ANNOTATIONS = 3
    """And remarks. They can hide what was signed, so we never call such a document valid once remarks were added."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """Where a visible signature stands and what it shows besides the text."""

    box: tuple[float, float, float, float] | None = None
    """Left, bottom, right and top, in points from the lower left corner of the page; None for a field that has one."""
    page: int = 0
    """Number of the page from 0; -1 is the last one."""
    font: Path | None = None
    """A TrueType or OpenType font with Thai letters; None to take one that is installed."""
    portrait: bytes | None = field(default=None, repr=False)
    """A JPEG picture of the signer."""
