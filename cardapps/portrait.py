"""From any picture to the portrait on a card: upright, cropped, and the best JPEG of so many bytes.

The card's portrait is 148 by 178 pixels (thai-card.md, 3.2), a baseline JPEG without metadata. Needs Pillow, which the
extra `ecitizen[issue]` brings; it is imported when a picture comes. Colours are taken for sRGB, as cameras write them:
embedded colour profiles are not applied.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Final

from ecitizen.errors import ConfigError, PortraitUnusable
from ecitizen.model import Photo

from .citizen_id.contents import PHOTO_READ_LEN
from .citizen_id.jpeg import find_end

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_LEN: Final = PHOTO_READ_LEN
"""Bytes: readers in the field get at no more, though the field holds 5,118."""

WIDTH: Final = 148
HEIGHT: Final = 178

INPUT_MAX_LEN: Final = 64 * 1024 * 1024
PIXELS_MAX: Final = 80_000_000
"""More than any camera makes; a small file may claim to be any number, and would fill the memory."""
_SMALLEST: Final = (WIDTH // 2, HEIGHT // 2)
"""Enlarged more than twice, a face can't be recognised."""

_FORMATS: Final = ("JPEG", "MPO", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM", "TGA")
"""Pictures only: other kinds that Pillow opens start programs or are documents."""
_FROM_TOP: Final = 1 / 3
"""Of what is cut off a picture that is too tall: faces are in the upper part."""
_LEAST_CONTRAST: Final = 16
"""Between the darkest and the lightest of 256; less is an empty picture."""
_SCALES: Final = (1.0, 0.9, 0.8, 0.7, 0.6)
"""Sizes that are tried: fewer pixels at a better quality may look better once they are shown at full size."""
_INFO_ALLOWED: Final = frozenset({"jfif", "jfif_version", "jfif_unit", "jfif_density"})
"""What Pillow finds in a JPEG file that is neither progressive nor has metadata."""
_QUALITY_MAX: Final = 95
"""Above it JPEG files grow, and the picture does not get better."""
_SUBSAMPLINGS: Final = (0, 2)
"""Colours at full (4:4:4) and at half (4:2:0) resolution."""


def portrait(picture: bytes, *, max_len: int = MAX_LEN) -> Photo:
    """The portrait for a card, made of a picture file: at most `max_len` bytes, ending with the JPEG's own end.

    What is such a portrait already stays as it is, so that nothing is lost by doing it twice.
    Raise PortraitUnusable for what is no picture, a damaged one, one that is too small or has nothing on it, or one
    that claims more pixels than any camera makes; ConfigError without Pillow.
    """
    if len(picture) > INPUT_MAX_LEN:
        raise PortraitUnusable(f"the picture has more than {INPUT_MAX_LEN >> 20} MiB; give a smaller one")
    with _reading():
        if len(picture) <= max_len and _is_portrait(picture):
            return Photo(picture)
        upright = _upright(picture)
        reference = _cropped(upright).resize((WIDTH, HEIGHT), _lanczos())
    if max(high - low for low, high in _extrema(reference)) < _LEAST_CONTRAST:
        raise PortraitUnusable("there is nothing on the picture; give one with a face")
    candidates = list(_candidates(reference, max_len))
    if not candidates:
        raise PortraitUnusable(f"the picture can't be made to fit {max_len} bytes; give another one")
    _, best = min(candidates)
    return Photo(best)


def _opened(picture: bytes) -> "ImageFile":
    """The picture, of which no more than the head was read."""
    from PIL import Image

    Image.init()  # or else it knows only the commonest kinds by name
    return Image.open(BytesIO(picture), formats=[each for each in _FORMATS if each in Image.OPEN])


def _is_portrait(picture: bytes) -> bool:
    """A baseline JPEG of the right size, whole, with nothing else in the file."""
    with _opened(picture) as opened:
        plain = opened.format == "JPEG" and opened.mode in {"L", "RGB"} and opened.size == (WIDTH, HEIGHT)
        if not plain or opened.info.keys() - _INFO_ALLOWED:
            return False
        opened.load()
    return find_end(picture) == len(picture)


def _upright(picture: bytes) -> "Image":
    """The picture as a person sees it: turned as its camera says, on white, in colours or grey of 8 bits."""
    from PIL import ImageOps

    with _opened(picture) as opened:
        width, height = opened.size
        if width * height > PIXELS_MAX:
            raise PortraitUnusable(f"the picture has {width} by {height} pixels; give one of at most 80 million")
        if opened.format in {"JPEG", "MPO"}:
            opened.draft("RGB" if opened.mode == "YCbCr" else opened.mode, (4 * WIDTH, 4 * HEIGHT))
        opened.load()
        turned = ImageOps.exif_transpose(opened)
        return _eight_bits(turned)


def _eight_bits(image: "Image") -> "Image":
    """Mode L or RGB, whatever it was."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        low, high = _extrema(image)[0]
        scale = 65535 if image.mode.startswith("I") and low >= 0 and high <= 65535 else max(high - low, 1)
        shift = 0 if scale == 65535 else low
        return image.convert("F").point(lambda value: value * (255 / scale) - shift * 255 / scale).convert("L")
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        pixels = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels).convert("RGB")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _cropped(image: "Image") -> "Image":
    """The largest part of the card's proportions: from the middle, and of a tall picture rather from above."""
    width, height = image.size
    new_width = min(width, round(height * WIDTH / HEIGHT))
    new_height = min(height, round(width * HEIGHT / WIDTH))
    if new_width < _SMALLEST[0] or new_height < _SMALLEST[1]:
        raise PortraitUnusable(
            f"the picture has {width} by {height} pixels; give one of at least {_SMALLEST[0]} by {_SMALLEST[1]}"
        )
    left, top = (width - new_width) // 2, round((height - new_height) * _FROM_TOP)
    return image.crop((left, top, left + new_width, top + new_height))


def _candidates(reference: "Image", max_len: int) -> Iterator[tuple[float, bytes]]:
    """For each size and resolution of colours the best file that is short enough, with how far it is off."""
    for scale in _SCALES:
        size = (round(WIDTH * scale), round(HEIGHT * scale))
        pixels = reference if scale == 1.0 else reference.resize(size, _lanczos())
        for subsampling in _SUBSAMPLINGS if reference.mode == "RGB" else _SUBSAMPLINGS[:1]:
            jpeg = _longest(pixels, subsampling, max_len)
            if jpeg is not None:
                yield _difference(reference, jpeg), jpeg


def _longest(pixels: "Image", subsampling: int, max_len: int) -> bytes | None:
    """The file of the best quality that has at most so many bytes."""
    best = None
    low, high = 1, _QUALITY_MAX
    while low <= high:
        quality = (low + high) // 2
        jpeg = _encoded(pixels, quality, subsampling)
        if len(jpeg) <= max_len:
            best, low = jpeg, quality + 1
        else:
            high = quality - 1
    return best


def _encoded(pixels: "Image", quality: int, subsampling: int) -> bytes:
    out = BytesIO()
    pixels.save(out, "JPEG", quality=quality, subsampling=subsampling, optimize=True, exif=b"", comment=b"")
    return out.getvalue()


def _difference(reference: "Image", jpeg: bytes) -> float:
    """Mean square of how far the picture, shown at full size, is from what it was."""
    from PIL import Image, ImageChops, ImageStat

    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as opened:
        shown = opened.resize(reference.size, Image.Resampling.BICUBIC)
    squares = ImageStat.Stat(ImageChops.difference(reference, shown)).sum2
    return float(sum(squares))


def _extrema(image: "Image") -> list[tuple[float, float]]:
    """Darkest and lightest of each channel."""
    return [channel.getextrema() for channel in image.split()]  # type: ignore[misc]  # of one channel it is a pair


def _lanczos() -> int:
    from PIL import Image

    return Image.Resampling.LANCZOS


@contextmanager
def _reading() -> Iterator[None]:
    """Pillow's errors as ours; it lets out whatever its decoders run into, and warns of what we refuse or repair."""
    try:
        from PIL import Image  # late: most programs make no cards
    except ImportError:
        raise ConfigError("pictures need Pillow; install it with `pip install ecitizen[issue]`") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError:
        raise PortraitUnusable("the picture claims more pixels than any camera makes; give another one") from None
    except MemoryError:
        raise PortraitUnusable("the picture is too large for this machine; give a smaller one") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        LookupError,
        TypeError,
        ArithmeticError,
        AttributeError,
        AssertionError,
        RuntimeError,
        struct.error,
        zlib.error,
    ) as error:
        raise PortraitUnusable(
            f"this is no picture, or a damaged one ({type(error).__name__}); give a JPEG or PNG file"
        ) from None
