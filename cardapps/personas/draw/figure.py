"""A head-and-shoulders portrait in a flat style, drawn from a `Look`."""

from PIL import Image

from .dress import DRESS
from .hair import HAIR, HAIR_BEHIND
from .people import Look
from .sheet import GOLD, MIDDLE, Point, Sheet, blend, mirrored, shade

INK = "#33272a"
"""The colour of eyes and lashes."""


def portrait(look: Look) -> Image.Image:
    """Draw a person; the picture has the size `CANVAS`, of which the upper left 148 x 178 pixels are meant."""
    sheet = Sheet.blank(look.backdrop)
    head = sheet.lowered(4)
    if look.hair in HAIR_BEHIND:
        HAIR_BEHIND[look.hair](head, look)
    _body(sheet.lowered(-4), look)
    _head(head, look)
    _face(head, look)
    HAIR[look.hair](head, look)
    if look.glasses:
        _glasses(head, look.glasses)
    return sheet.finished()


def _body(sheet: Sheet, look: Look) -> None:
    neck = shade(look.skin, 0.84)
    cloth = look.cloth
    sheet.blob(
        [(-6, 230), (4, 160), (18, 147), (50, 137), (74, 133), (98, 137), (130, 147), (144, 160), (154, 230)],
        cloth,
    )
    sheet.blob([(60, 98), (88, 98), (88, 128), (96, 137), (74, 152), (52, 137), (60, 128)], neck)
    sheet.blob([(60, 104), (88, 104), (88, 124), (74, 133), (60, 124)], shade(look.skin, 0.76))
    DRESS[look.dress](sheet, look)


def _head(sheet: Sheet, look: Look) -> None:
    shadow = shade(look.skin, 0.84)
    for side in (-1, 1):
        sheet.oval(MIDDLE + side * 30, 83, 6, 9, look.skin)
        sheet.oval(MIDDLE + side * 31, 84, 3, 5.5, shadow)
        if look.earrings:
            sheet.oval(MIDDLE + side * 31, 94, 2.4, 2.4, GOLD)
    jaw = look.jaw
    sheet.blob(
        mirrored(
            [
                *((MIDDLE + 16, 39), (MIDDLE + 28, 56), (MIDDLE + 30, 80)),
                *((MIDDLE + 26 * jaw, 99), (MIDDLE + 16 * jaw, 113), (MIDDLE + 6 * jaw, 119)),
            ]
        ),
        look.skin,
    )


def _face(sheet: Sheet, look: Look) -> None:
    blush = blend(look.skin, "#e0736a", 0.22)
    line = shade(look.skin, 0.74)
    brow = shade(look.hair_colour, 0.8)
    for side in (-1, 1):

        def at(x: float, y: float, side: int = side) -> Point:
            return MIDDLE + side * x, y

        sheet.oval(*at(19, 95), 6, 4, blush)
        sheet.stroke([at(7, 70), at(13, 67.6), at(20.5, 70)], brow, look.brow)
        sheet.oval(*at(13.5, 79.5), 5.4, 4, "#ffffff")
        sheet.oval(*at(13.2, 79.7), 3.4, 3.7, INK)
        sheet.oval(*at(13.2 - side * 1.1, 78.4), 1.1, 1.1, "#ffffff")
        lid = [at(7.8, 79.5), at(13.5, 75.4), at(19.4, 78.6)]
        sheet.stroke(lid, INK, 1.8 if look.lashes else 1.2)
        if look.lashes:
            sheet.stroke([at(18.6, 78), at(21.3, 75.8)], INK, 1.4)
        if look.years > 0:
            sheet.stroke([at(10.5, 94), at(14, 98), at(15, 103)], line, 1.1)
        if look.years > 1:
            sheet.stroke([at(8.5, 87), at(13, 88.8), at(18, 87.2)], line, 1)
            sheet.stroke([at(23, 77), at(26, 75.5)], line, 0.9)
    sheet.stroke([(75, 84), (78, 92), (74, 94.5), (71, 93.5)], line, 1.6)
    _mouth(sheet, look)


def _mouth(sheet: Sheet, look: Look) -> None:
    corner, low = 104.0 - look.smile * 0.6, 104.0 + look.smile * 0.8
    if look.lashes:
        upper: list[Point] = [(63.5, corner), (70, 101.6), (74, 102.6), (78, 101.6), (84.5, corner)]
        sheet.blob([*upper, (80, low + 1.4), (74, low + 2.6), (68, low + 1.4)], look.lips)
        sheet.blob([(66, corner + 1), (74, 104.4), (82, corner + 1), (78, low - 0.6), (74, low)], "#ffffff")
    else:
        sheet.blob(
            [(63, corner), (74, 104.2), (85, corner), (80, low + 0.6), (74, low + 2), (68, low + 0.6)],
            look.lips,
        )
        sheet.blob([(65, corner + 0.6), (74, 104.6), (83, corner + 0.6), (78, low - 0.4), (70, low - 0.4)], "#ffffff")
    if look.moustache:
        sheet.blob(
            [(60, 103), (66, 98.4), (74, 98), (82, 98.4), (88, 103), (81, 102), (74, 101.4), (67, 102)],
            shade(look.hair_colour, 0.9),
        )


def _glasses(sheet: Sheet, colour: str) -> None:
    for side in (-1, 1):
        sheet.ring(MIDDLE + side * 13.5, 80.5, 10, 8.6, colour, 1.6)
        sheet.stroke([(MIDDLE + side * 23.4, 79), (MIDDLE + side * 30, 78)], colour, 1.6)
    sheet.stroke([(70.6, 80), (74, 78.4), (77.4, 80)], colour, 1.6)
