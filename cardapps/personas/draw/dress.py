"""What the persons of the portraits wear."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .people import Dress, Look
from .sheet import GOLD, MIDDLE, Sheet, shade


def _collar(sheet: Sheet, colour: str, drop: float = 160) -> None:
    """Two collar leaves that meet under the neck."""
    for side in (-1, 1):
        leaf = [(58, 126), (74, 148), (66, drop), (50, 136)]
        sheet.shape([(MIDDLE + side * (MIDDLE - x), y) for x, y in leaf], colour)


def _shirt(sheet: Sheet, look: Look) -> None:
    dark = shade(look.cloth, 0.86)
    sheet.stroke([(74, 148), (74, 200)], dark, 1.6)
    for y in (158, 172):
        sheet.oval(74, y, 1.8, 1.8, dark)
    _collar(sheet, shade(look.cloth, 0.94))


def _polo(sheet: Sheet, look: Look) -> None:
    dark = shade(look.cloth, 0.72)
    sheet.shape([(69, 145), (79, 145), (78, 174), (70, 174)], shade(look.cloth, 0.88))
    for y in (157, 166):
        sheet.oval(74, y, 1.6, 1.6, "#f4f1ea")
    _collar(sheet, dark, 156)


def _suit(sheet: Sheet, look: Look) -> None:
    sheet.shape([(56, 130), (74, 150), (92, 130), (84, 200), (64, 200)], "#f4f6f8")
    sheet.shape([(70, 150), (78, 150), (80, 157), (82, 200), (66, 200), (68, 157)], "#9b3440")
    _collar(sheet, "#ffffff", 157)
    for side in (-1, 1):
        lapel = [(54, 131), (46, 139), (52, 152), (48, 157), (68, 200), (74, 200), (58, 158)]
        sheet.shape([(MIDDLE + side * (MIDDLE - x), y) for x, y in lapel], shade(look.cloth, 1.28))


def _uniform(sheet: Sheet, look: Look) -> None:
    """The khaki of Thai officials: shoulder boards, collar, breast pockets, and a badge on the left breast."""
    dark = shade(look.cloth, 0.8)
    sheet.stroke([(74, 148), (74, 200)], dark, 1.6)
    for y in (158, 171):
        sheet.oval(74, y, 2, 2, GOLD)
    _collar(sheet, shade(look.cloth, 1.12), 161)
    for side in (-1, 1):
        flip = [(MIDDLE + side * (MIDDLE - x), y) for x, y in ((14, 152), (18, 146), (45, 137), (46, 143))]
        sheet.shape(flip, "#2d2a2c")
        for along in (0.3, 0.55):
            x = MIDDLE + side * (MIDDLE - (16 + 30 * along))
            sheet.oval(x, 149 - 10 * along, 1.9, 1.9, GOLD)
        pin_x = MIDDLE + side * 14
        sheet.oval(pin_x, 150, 2, 2, GOLD)
        pocket = MIDDLE + side * 36
        sheet.shape([(pocket - 12, 168), (pocket + 12, 168), (pocket + 12, 200), (pocket - 12, 200)], dark)
        sheet.shape([(pocket - 11, 170), (pocket + 11, 170), (pocket + 11, 200), (pocket - 11, 200)], look.cloth)
    sheet.shape([(99, 159), (121, 159), (121, 165), (99, 165)], "#3a3436")
    for left, colour in ((99, "#c94b43"), (104.5, "#f1ead8"), (110, "#3d5fa8"), (115.5, GOLD)):
        sheet.shape([(left, 160), (left + 5.5, 160), (left + 5.5, 164), (left, 164)], colour)
    sheet.shape([(27, 159), (49, 159), (49, 165), (27, 165)], "#2d2a2c")


def _blouse(sheet: Sheet, look: Look) -> None:
    sheet.blob([(50, 136), (60, 129), (74, 151), (88, 129), (98, 136), (74, 166)], shade(look.cloth, 0.86))
    sheet.blob([(61, 126), (74, 131), (87, 126), (82, 141), (74, 149), (66, 141)], shade(look.skin, 0.84))
    for x, y in ((62, 141), (68, 147.5), (74, 150), (80, 147.5), (86, 141)):
        sheet.oval(x, y, 1.8, 1.8, "#fbf6ec")


def _jacket(sheet: Sheet, look: Look) -> None:
    sheet.shape([(54, 131), (74, 140), (94, 131), (84, 200), (64, 200)], "#fbf4ea")
    sheet.blob([(61, 126), (74, 131), (87, 126), (81, 143), (74, 152), (67, 143)], shade(look.skin, 0.84))
    for side in (-1, 1):
        lapel = [(56, 131), (46, 138), (51, 154), (70, 200), (75, 200), (62, 158)]
        sheet.shape([(MIDDLE + side * (MIDDLE - x), y) for x, y in lapel], shade(look.cloth, 0.8))


def _indigo(sheet: Sheet, look: Look) -> None:
    """The round-necked cotton shirt (mo hom) of the north, tied at the front."""
    sheet.blob([(52, 135), (60, 127), (74, 150), (88, 127), (96, 135), (74, 161)], shade(look.cloth, 0.72))
    sheet.blob([(61, 126), (74, 131), (87, 126), (82, 143), (74, 151), (66, 143)], shade(look.skin, 0.84))
    sheet.stroke([(74, 156), (74, 200)], shade(look.cloth, 0.66), 2)
    sheet.stroke([(66, 169), (74, 166), (82, 169)], "#e8e4da", 1.8)


DRESS: Mapping[Dress, Callable[[Sheet, Look], None]] = MappingProxyType(
    {
        Dress.SHIRT: _shirt,
        Dress.POLO: _polo,
        Dress.SUIT: _suit,
        Dress.UNIFORM: _uniform,
        Dress.BLOUSE: _blouse,
        Dress.JACKET: _jacket,
        Dress.INDIGO: _indigo,
    }
)
