"""The hair of the persons of the portraits: what lies behind the head, and what lies on it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .people import Hair, Look
from .sheet import MIDDLE, Point, Sheet, blend, mirrored, shade

Painter = Callable[[Sheet, Look], None]


def _light(look: Look) -> str:
    return blend(look.hair_colour, "#ffffff", 0.16)


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
    sheet.oval(68, 46, 7, 3, blend(look.skin, "#ffffff", 0.35))
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


HAIR_BEHIND: Mapping[Hair, Painter] = MappingProxyType(
    {
        Hair.BUN: _bun_behind,
        Hair.LONG: _long_behind,
        Hair.WAVY: _wavy_behind,
        Hair.PONYTAIL: _ponytail_behind,
        Hair.BOB: _bob_behind,
        Hair.PERM: _perm_behind,
    }
)
HAIR: Mapping[Hair, Painter] = MappingProxyType(
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
