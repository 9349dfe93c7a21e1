"""What each persona looks like: nobody who exists."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType


@unique
class Hair(StrEnum):
    """A way to wear one's hair."""

    SIDE_PART = "side part"
    CROPPED = "cropped"
    TOUSLED = "tousled"
    RECEDING = "receding"
    SWEPT = "swept"
    BUN = "bun"
    LONG = "long"
    WAVY = "wavy"
    PONYTAIL = "ponytail"
    BOB = "bob"
    PERM = "perm"


@unique
class Dress(StrEnum):
    """What is seen of the clothes."""

    SHIRT = "shirt"
    POLO = "polo"
    SUIT = "suit"
    UNIFORM = "uniform"
    BLOUSE = "blouse"
    JACKET = "jacket"
    INDIGO = "indigo"


@dataclass(frozen=True, slots=True)
class Look:
    """One face, as colours and shapes."""

    hair: Hair
    dress: Dress
    cloth: str
    hair_colour: str = "#2b2320"
    skin: str = "#eabf98"
    lips: str = "#b9695a"
    jaw: float = 1.0
    """Width of the lower face; 1 is the middle."""
    smile: float = 3.0
    """How far the corners of the mouth are up, in pixels of the finished picture."""
    brow: float = 2.2
    """Thickness of the eyebrows, in the same pixels."""
    lashes: bool = False
    glasses: str | None = None
    """Colour of the frame, if there is one."""
    moustache: bool = False
    earrings: bool = False
    years: int = 0
    """0 young, 1 lines beside the mouth, 2 lines under the eyes too."""
    backdrop: str = "#a9cdea"


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "somchai": Look(Hair.SIDE_PART, Dress.SHIRT, "#f6f8fb", jaw=1.04, brow=2.8),
        "wanida": Look(Hair.BUN, Dress.UNIFORM, "#b59a63", lips="#c4545a", lashes=True, earrings=True, smile=3.6),
        "boonmee": Look(
            Hair.RECEDING, Dress.SHIRT, "#d9e4d3", "#c9c7c4", "#dcae84", glasses="#5b4636", years=2, brow=2.6
        ),
        "thongdee": Look(Hair.PERM, Dress.BLOUSE, "#8a5a9e", "#8d8682", "#d6a57b", lashes=True, earrings=True, years=2),
        "naree": Look(Hair.LONG, Dress.JACKET, "#2f6f73", "#241d1c", "#f1cba6", "#c8505c", 0.95, lashes=True),
        "prasert": Look(
            Hair.CROPPED,
            Dress.INDIGO,
            "#2f4470",
            "#3a3331",
            "#c8956a",
            jaw=1.1,
            brow=3.2,
            moustache=True,
            years=1,
        ),
        "ploy": Look(Hair.WAVY, Dress.BLOUSE, "#f3ede2", "#6d4630", "#f3d2b3", "#cf6a68", 0.96, 3.8, lashes=True),
        "anong": Look(
            Hair.PONYTAIL,
            Dress.POLO,
            "#e8b23a",
            "#2a211f",
            "#e9bd95",
            "#c2605f",
            0.97,
            4.0,
            2.0,
            True,
            "#a8404a",
        ),
        "manop": Look(Hair.CROPPED, Dress.POLO, "#3f8a63", "#221c1b", "#d9aa7f", glasses="#2a2e36", smile=3.8),
        "siriporn": Look(Hair.BOB, Dress.JACKET, "#cf5f4e", "#3b2822", "#eec49d", "#bd4a50", 1.02, lashes=True),
        "chai": Look(Hair.TOUSLED, Dress.SUIT, "#29384f", "#1f1b1c", "#e3b58b", brow=2.8, smile=2.8),
        "vichai": Look(Hair.SWEPT, Dress.SUIT, "#6a5f58", "#a3a09e", "#dfb187", jaw=1.06, brow=3.0, years=2, smile=2.4),
        "malee": Look(Hair.BUN, Dress.BLOUSE, "#d98a9b", "#b3aeab", "#e2b48c", lashes=True, glasses="#8d7448", years=2),
        "altered": Look(Hair.SWEPT, Dress.POLO, "#7a4b8c", "#1f1a19", "#e0b080", jaw=0.98, brow=3.4, smile=1.6),
        "cloned": Look(
            Hair.LONG, Dress.BLOUSE, "#5aa7a0", "#3a2a24", "#efc49c", "#b8585a", 1.0, lashes=True, smile=2.0
        ),
        "revoked": Look(Hair.TOUSLED, Dress.SHIRT, "#b8d4f0", "#2a2422", "#d8a678", glasses="#22303c", smile=1.2),
        "expired": Look(
            Hair.PERM, Dress.JACKET, "#8f2f3f", "#a8a29e", "#e6ba90", lashes=True, glasses="#6a4a2a", years=1
        ),
        "untrusted": Look(
            Hair.RECEDING, Dress.SUIT, "#1c1c20", "#4a4038", "#d2a074", moustache=True, brow=3.6, years=1
        ),
        "suspended": Look(Hair.SIDE_PART, Dress.UNIFORM, "#b59a63", "#2b2320", "#ddb084", moustache=True, smile=1.4),
    }
)
"""Each persona with a portrait, by name; the half-personalised card has none."""
