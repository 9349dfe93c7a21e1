"""The sheet that portraits are drawn on, and its colours.

Coordinates are pixels of the finished picture (148 x 178, origin top left, the face's middle at x = 74); everything
is drawn four times as large and scaled down at the end, which makes the edges smooth.
"""

from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageColor, ImageDraw

WIDTH, HEIGHT = 148, 178
CANVAS = (160, 192)
"""The finished picture with the right and lower margin that JPEG's 16-pixel units need; a decoder cuts it off."""

SCALE = 4
MIDDLE = 74.0

GOLD = "#e5c04f"

Point = tuple[float, float]


def shade(colour: str, factor: float) -> str:
    """Make a colour darker (`factor` below 1) or lighter (above)."""
    red, green, blue = (min(255, round(part * factor)) for part in ImageColor.getrgb(colour)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def blend(one: str, other: str, part: float) -> str:
    """Mix two colours; `part` is how much of the other."""
    pairs = zip(ImageColor.getrgb(one)[:3], ImageColor.getrgb(other)[:3], strict=True)
    red, green, blue = (round(a + (b - a) * part) for a, b in pairs)
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
        for (x0, y0), (x1, y1) in pairwise(line):
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
