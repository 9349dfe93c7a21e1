"""A head-and-shoulders portrait in a flat style, drawn from a `Look`.

Coordinates are pixels of the finished picture (148 x 178, origin top left, the face's middle at x = 74); everything
is drawn four times as large and scaled down at the end, which makes the edges smooth.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from PIL import Image, ImageColor, ImageDraw

from .people import Dress, Hair, Look

WIDTH, HEIGHT = 148, 178
CANVAS = (160, 192)
"""The finished picture with the right and lower margin that JPEG's 16-pixel units need; a decoder cuts it off."""

SCALE = 4
MIDDLE = 74.0

INK = "#33272a"
GOLD = "#e5c04f"

Point = tuple[float, float]


def shade(colour: str, factor: float) -> str:
    """Make a colour darker (`factor` below 1) or lighter (above)."""
    red, green, blue = (min(255, round(part * factor)) for part in ImageColor.getrgb(colour)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def mirrored(half: Sequence[Point]) -> list[Point]:
    """Complete the right half of an outline, given from top to bottom, with its mirror image."""
    return [*half, *((2 * MIDDLE - x, y) for x, y in reversed(half))]


class Sheet:
    """A canvas that takes finished-picture coordinates, shifted down by `drop`."""

    def __init__(self, image: Image.Image, drop: float = 0) -> None:
        self._image = image
        self._draw = ImageDraw.Draw(image)
        self._drop = drop

    @classmethod
    def blank(cls, backdrop: str) -> "Sheet":
        """Take a new sheet of one colour."""
        width, height = CANVAS
        return cls(Image.new("RGB", (width * SCALE, height * SCALE), backdrop))

    def lowered(self, drop: float) -> "Sheet":
        """Draw on the same canvas, with everything lower by `drop`."""
        return Sheet(self._image, self._drop + drop)

    def oval(self, x: float, y: float, across: float, down: float, colour: str) -> None:
        """Fill an ellipse around (x, y) with the half-axes `across` and `down`."""
        y += self._drop
        box = [(x - across) * SCALE, (y - down) * SCALE, (x + across) * SCALE, (y + down) * SCALE]
        self._draw.ellipse(box, fill=colour)

    def ring(self, x: float, y: float, across: float, down: float, colour: str, width: float) -> None:
        """Draw the outline of an ellipse."""
        y += self._drop
        box = [(x - across) * SCALE, (y - down) * SCALE, (x + across) * SCALE, (y + down) * SCALE]
        self._draw.ellipse(box, outline=colour, width=round(width * SCALE))

    def shape(self, points: Sequence[Point], colour: str) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * SCALE, (y + self._drop) * SCALE) for x, y in points], fill=colour)

    def blob(self, points: Sequence[Point], colour: str) -> None:
        """Fill a smooth outline through the points (a closed Catmull-Rom spline)."""
        count = len(points)
        ring = [points[(i - 1) % count] for i in range(count + 3)]
        self.shape(_spline(ring), colour)

    def stroke(self, points: Sequence[Point], colour: str, width: float) -> None:
        """Draw a smooth line with round ends through the points."""
        line = _spline([points[0], *points, points[-1]])
        radius = width / 2
        for (x0, y0), (x1, y1) in zip(line, line[1:], strict=False):
            for step in range(4):
                self.oval(x0 + (x1 - x0) * step / 4, y0 + (y1 - y0) * step / 4, radius, radius, colour)
        self.oval(*line[-1], radius, radius, colour)

    def finished(self) -> Image.Image:
        """The picture in its final size, `CANVAS`."""
        return self._image.resize(CANVAS, Image.Resampling.LANCZOS)


def _spline(points: Sequence[Point], steps: int = 16) -> list[Point]:
    """Follow a Catmull-Rom spline from the second to the last point but one."""
    line = []
    for before, start, end, after in zip(points, points[1:], points[2:], points[3:], strict=False):
        for step in range(steps):
            t = step / steps
            line.append(
                (
                    _cubic(before[0], start[0], end[0], after[0], t),
                    _cubic(before[1], start[1], end[1], after[1], t),
                )
            )
    return [*line, points[-2]]


def _cubic(before: float, start: float, end: float, after: float, t: float) -> float:
    bend = 2 * before - 5 * start + 4 * end - after
    twist = 3 * (start - end) + after - before
    return start + t * (end - before + t * (bend + t * twist)) / 2


def portrait(look: Look) -> Image.Image:
    """Draw a person; the picture has the size `CANVAS`, of which the upper left 148 x 178 pixels are meant."""
    sheet = Sheet.blank(look.backdrop)
    head = sheet.lowered(4)
    _HAIR_BEHIND.get(look.hair, _nothing)(head, look)
    _body(sheet.lowered(-4), look)
    _head(head, look)
    _face(head, look)
    _HAIR[look.hair](head, look)
    if look.glasses:
        _glasses(head, look.glasses)
    return sheet.finished()


def _nothing(sheet: Sheet, look: Look) -> None:
    """Some hair has nothing behind the head."""


# The body


def _body(sheet: Sheet, look: Look) -> None:
    neck = shade(look.skin, 0.84)
    cloth = look.cloth
    sheet.blob(
        [(-6, 230), (4, 160), (18, 147), (50, 137), (74, 133), (98, 137), (130, 147), (144, 160), (154, 230)],
        cloth,
    )
    sheet.blob([(60, 98), (88, 98), (88, 128), (96, 137), (74, 152), (52, 137), (60, 128)], neck)
    sheet.blob([(60, 104), (88, 104), (88, 124), (74, 133), (60, 124)], shade(look.skin, 0.76))
    _DRESS[look.dress](sheet, look)


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
    for y in (166,):
        sheet.stroke([(66, y + 3), (74, y), (82, y + 3)], "#e8e4da", 1.8)


# The head


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
            [(MIDDLE + 16, 39), (MIDDLE + 28, 56), (MIDDLE + 30, 80)]
            + [(MIDDLE + 26 * jaw, 99), (MIDDLE + 16 * jaw, 113), (MIDDLE + 6 * jaw, 119)]
        ),
        look.skin,
    )


def _face(sheet: Sheet, look: Look) -> None:
    blush = _blend(look.skin, "#e0736a", 0.22)
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


def _blend(one: str, other: str, part: float) -> str:
    pairs = zip(ImageColor.getrgb(one)[:3], ImageColor.getrgb(other)[:3], strict=True)
    red, green, blue = (round(a + (b - a) * part) for a, b in pairs)
    return f"#{red:02x}{green:02x}{blue:02x}"


# The hair


def _light(look: Look) -> str:
    return _blend(look.hair_colour, "#ffffff", 0.16)


def _side_part(sheet: Sheet, look: Look) -> None:
    outline = [(43, 78), (40, 58), (46, 38), (62, 26), (84, 25), (100, 35), (107, 54), (105, 78), (101.5, 64)]
    sheet.blob([*outline, (94, 55), (76, 54), (60, 48), (52, 57), (46.5, 65)], look.hair_colour)
    sheet.stroke([(61, 47), (72, 38), (88, 36)], _light(look), 2.2)


def _cropped(sheet: Sheet, look: Look) -> None:
    outline = [(44, 76), (42, 58), (48, 41), (62, 32), (74, 30), (86, 32), (100, 41), (106, 58), (104, 76)]
    sheet.blob([*outline, (101, 62), (92, 50), (74, 47), (56, 50), (47, 62)], look.hair_colour)
    sheet.stroke([(60, 40), (72, 36.5), (84, 37.5)], _light(look), 2)


def _tousled(sheet: Sheet, look: Look) -> None:
    outline: list[Point] = [(43.5, 78), (40, 58), (44, 42), (52, 36), (58, 29), (66, 29), (72, 24), (80, 26)]
    outline += [(88, 25), (94, 31), (102, 36), (107, 47), (108, 60), (104.5, 78)]
    fringe: list[Point] = [
        (101, 64),
        (97, 54),
        (90, 57),
        (85, 50),
        (77, 56),
        (70, 49),
        (61, 56),
        (54, 53),
        (47, 64),
    ]
    sheet.blob([*outline, *fringe], look.hair_colour)
    sheet.stroke([(58, 44), (68, 37), (80, 37)], _light(look), 2.2)


def _receding(sheet: Sheet, look: Look) -> None:
    for side in (-1, 1):
        tuft = [
            (31.5, 82),
            (34.5, 70),
            (33, 55),
            (26, 42),
            (20, 38),
            (22, 46),
            (26.5, 56),
            (28, 68),
            (29, 76),
        ]
        sheet.blob([(MIDDLE + side * x, y) for x, y in tuft], look.hair_colour)
    sheet.oval(68, 46, 7, 3, _blend(look.skin, "#ffffff", 0.35))
    for y, half in ((53, 11), (58, 13)):
        line: list[Point] = [(MIDDLE - half, y), (MIDDLE, y - 1.2), (MIDDLE + half, y)]
        sheet.stroke(line, shade(look.skin, 0.82), 1)


def _swept(sheet: Sheet, look: Look) -> None:
    outline = [(43, 80), (40, 60), (45, 40), (60, 28), (78, 25), (96, 32), (106, 48), (107.5, 64), (105, 80)]
    sheet.blob([*outline, (101, 62), (92, 46), (74, 43), (57, 47), (47, 62)], look.hair_colour)
    for shift in (0, 9, 18):
        strand: list[Point] = [(58 + shift, 43), (63 + shift, 34), (73 + shift, 30 + shift / 4)]
        sheet.stroke(strand, _light(look), 1.6)


def _bun_behind(sheet: Sheet, look: Look) -> None:
    sheet.oval(74, 25, 17, 14, shade(look.hair_colour, 0.82))
    sheet.stroke([(62, 22), (72, 14.5), (84, 17)], _light(look), 2)
    sheet.blob(mirrored([(78, 28), (106, 46), (109, 78), (98, 104)]), shade(look.hair_colour, 0.82))


def _bun(sheet: Sheet, look: Look) -> None:
    outline = [
        (42.5, 84),
        (39.5, 60),
        (46, 40),
        (62, 29),
        (74, 27),
        (86, 29),
        (102, 40),
        (108.5, 60),
        (105.5, 84),
    ]
    sheet.blob([*outline, (101, 66), (92, 53), (80, 45), (66, 52), (54, 58), (47, 68)], look.hair_colour)
    sheet.stroke([(56, 44), (66, 36), (80, 35)], _light(look), 2.2)


def _long_behind(sheet: Sheet, look: Look) -> None:
    sheet.blob(
        mirrored([(80, 26), (104, 38), (112, 70), (112, 110), (116, 146), (104, 156), (90, 150)]),
        shade(look.hair_colour, 0.86),
    )


def _long(sheet: Sheet, look: Look) -> None:
    for side in (-1, 1):
        half = [(-2, 28), (16, 28), (29, 38), (36, 58), (36, 86), (38, 120), (36, 146), (30, 148), (28, 122)]
        half += [(29, 96), (29, 76), (24, 60), (12, 50), (1, 41)]
        sheet.blob([(MIDDLE + side * x, y) for x, y in half], look.hair_colour)
    sheet.stroke([(84, 38), (96, 46), (103, 62)], _light(look), 2.2)


def _wavy_behind(sheet: Sheet, look: Look) -> None:
    half: list[Point] = [
        (82, 24),
        (104, 36),
        (114, 58),
        (112, 76),
        (119, 94),
        (115, 112),
        (121, 130),
        (112, 146),
    ]
    sheet.blob(mirrored([*half, (92, 148)]), shade(look.hair_colour, 0.84))


def _wavy(sheet: Sheet, look: Look) -> None:
    left: list[Point] = [
        (78, 26),
        (58, 27),
        (43, 40),
        (37, 62),
        (39, 78),
        (33, 96),
        (38, 112),
        (32, 130),
        (42, 142),
    ]
    sheet.blob([*left, (48, 128), (45, 108), (46, 84), (52, 66), (70, 52)], look.hair_colour)
    right: list[Point] = [
        (72, 26),
        (92, 27),
        (106, 40),
        (111, 60),
        (109, 78),
        (115, 96),
        (110, 112),
        (116, 130),
    ]
    sheet.blob([*right, (106, 142), (100, 128), (103, 108), (102, 84), (98, 64), (84, 52)], look.hair_colour)
    sheet.stroke([(56, 46), (63, 38), (76, 34)], _light(look), 2.4)
    sheet.stroke([(41, 100), (44.5, 112), (41, 126)], _light(look), 1.8)
    sheet.stroke([(107, 100), (103.5, 112), (107, 126)], _light(look), 1.8)


def _ponytail_behind(sheet: Sheet, look: Look) -> None:
    tail: list[Point] = [
        (98, 44),
        (114, 50),
        (122, 72),
        (120, 104),
        (126, 128),
        (112, 132),
        (106, 108),
        (104, 76),
    ]
    sheet.blob(tail, shade(look.hair_colour, 0.86))
    sheet.oval(106, 47, 5, 6, "#d2505a")


def _ponytail(sheet: Sheet, look: Look) -> None:
    outline = [
        (43, 84),
        (39.5, 60),
        (46, 39),
        (61, 28),
        (76, 26),
        (92, 30),
        (104, 42),
        (108.5, 60),
        (105, 84),
    ]
    fringe = [(101, 68), (97, 62), (88, 63), (74, 61), (60, 63), (51, 62), (47, 68)]
    sheet.blob([*outline, *fringe], look.hair_colour)
    sheet.stroke([(56, 46), (67, 38), (82, 37)], _light(look), 2.2)


def _bob_behind(sheet: Sheet, look: Look) -> None:
    sheet.blob(mirrored([(80, 25), (104, 36), (114, 66), (113, 104), (102, 118)]), shade(look.hair_colour, 0.82))


def _bob(sheet: Sheet, look: Look) -> None:
    outline: list[Point] = [
        (47, 116),
        (36, 112),
        (34.5, 88),
        (36, 58),
        (46, 37),
        (62, 26),
        (84, 25),
        (101, 35),
    ]
    outline += [(111, 56), (113.5, 88), (112, 112), (101, 116), (103, 98), (102.5, 78), (98, 66), (88, 58)]
    sheet.blob([*outline, (66, 46), (56, 58), (48, 72), (45.5, 96)], look.hair_colour)
    sheet.stroke([(70, 40), (84, 36), (98, 44)], _light(look), 2.4)


def _perm_behind(sheet: Sheet, look: Look) -> None:
    for x, y in ((44, 92), (104, 92), (41, 78), (107, 78), (46, 40), (102, 40)):
        sheet.oval(x, y, 11, 11, shade(look.hair_colour, 0.86))


def _perm(sheet: Sheet, look: Look) -> None:
    curls = ((42, 66, 9), (44, 52, 10), (52, 41, 11), (64, 34, 12), (78, 32, 12), (91, 37, 12), (102, 47, 11))
    for x, y, size in (
        *curls,
        (106, 60, 9.5),
        (108, 72, 7),
        (40, 78, 7),
        (60, 47, 7),
        (74, 45, 8),
        (88, 48, 7),
    ):
        sheet.oval(x, y, size, size, look.hair_colour)
    for x, y in ((52, 38), (66, 31), (80, 29), (94, 35)):
        sheet.stroke([(x - 4, y + 2), (x, y - 2), (x + 5, y)], _light(look), 1.8)


Painter = Callable[[Sheet, Look], None]

_DRESS: Mapping[Dress, Painter] = MappingProxyType(
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
_HAIR_BEHIND: Mapping[Hair, Painter] = MappingProxyType(
    {
        Hair.BUN: _bun_behind,
        Hair.LONG: _long_behind,
        Hair.WAVY: _wavy_behind,
        Hair.PONYTAIL: _ponytail_behind,
        Hair.BOB: _bob_behind,
        Hair.PERM: _perm_behind,
    }
)
_HAIR: Mapping[Hair, Painter] = MappingProxyType(
    {
        Hair.SIDE_PART: _side_part,
        Hair.CROPPED: _cropped,
        Hair.TOUSLED: _tousled,
        Hair.RECEDING: _receding,
        Hair.SWEPT: _swept,
        Hair.BUN: _bun,
        Hair.LONG: _long,
        Hair.WAVY: _wavy,
        Hair.PONYTAIL: _ponytail,
        Hair.BOB: _bob,
        Hair.PERM: _perm,
    }
)
