"""Portraits: any picture in, upright and cropped, the best JPEG that fits; clear refusal of what is no picture."""

import random
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageStat

from cardapps.citizen_id.jpeg import find_end
from cardapps.portrait import HEIGHT, MAX_LEN, WIDTH, portrait
from ecitizen.errors import PortraitUnusable

PERSONAS = Path(__file__).parents[2] / "cardapps/personas"
FOUND = (PERSONAS / "somchai.jpg").read_bytes()


def face(size: tuple[int, int] = (600, 800), mode: str = "RGB") -> Image.Image:
    """A drawing whose top is light and whose bottom is dark, red on the left and blue on the right."""
    image = Image.new("RGB", size, (200, 200, 200))
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.rectangle((0, height // 2, width, height), fill=(40, 40, 40))
    draw.rectangle((0, 0, width // 4, height), fill=(220, 30, 30))
    draw.rectangle((3 * width // 4, 0, width, height), fill=(30, 30, 220))
    draw.ellipse((width // 3, height // 4, 2 * width // 3, 3 * height // 4), fill=(230, 190, 150))
    return image.convert(mode)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def shown(jpeg: bytes) -> Image.Image:
    return Image.open(BytesIO(jpeg)).convert("RGB").resize((WIDTH, HEIGHT))


def difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one, other)).rms)


def check(jpeg: bytes) -> None:
    """What a card can hold and a field reader shows."""
    assert len(jpeg) <= MAX_LEN
    assert find_end(jpeg) == len(jpeg)
    assert jpeg.endswith(b"\xff\xd9")
    assert b"Exif" not in jpeg
    assert b"ICC_PROFILE" not in jpeg
    with Image.open(BytesIO(jpeg)) as opened:
        assert opened.format == "JPEG"
        assert abs(opened.width / opened.height - WIDTH / HEIGHT) < 0.01
        assert opened.width <= WIDTH
        assert not opened.info.keys() & {"progressive", "progression", "comment", "exif", "icc_profile"}
        opened.load()


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True, "comment": b"who made it"}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "1", {}),
        ("PNG", "I;16", {}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "I;16", {}),
        ("TIFF", "F", {}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("WEBP", "RGBA", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "".join(value),
)
def test_pictures_of_every_kind(kind: str, mode: str, options: dict[str, Any]) -> None:
    image = face(mode="L").convert("I").point(lambda value: value * 256).convert("I;16") if mode == "I;16" else None
    found = portrait(saved(image or face(mode=mode), kind, **options)).jpeg
    check(found)
    picture = shown(found)
    top, bottom = (ImageStat.Stat(picture.crop((50, y, 98, y + 20))).mean[0] for y in (0, HEIGHT - 20))
    assert top > 140
    assert bottom < 100  # upright, and not inverted


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_says_how_it_was_held(orientation: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = face((592, 712))
    held = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = portrait(saved(held, "JPEG", quality=95, exif=exif)).jpeg
    assert difference(shown(found), upright.resize((WIDTH, HEIGHT))) < 12


def test_what_is_clear_is_white() -> None:
    image = face((296, 356), "RGBA")
    image.putalpha(Image.new("L", image.size, 255))
    clear = Image.new("RGBA", (296, 356), (0, 0, 0, 0))
    clear.paste(image.crop((100, 100, 200, 200)), (100, 100))
    assert ImageStat.Stat(shown(portrait(saved(clear)).jpeg).crop((0, 0, 30, 30))).mean[0] > 245


@pytest.mark.parametrize("size", [(1600, 800), (400, 1200), (74, 89), (4000, 3000)])
def test_it_is_cropped_to_the_portrait_of_the_card(size: tuple[int, int]) -> None:
    check(portrait(saved(face(size), "JPEG", quality=90)).jpeg)


def test_of_a_tall_picture_the_upper_part_is_kept() -> None:
    image = Image.new("RGB", (300, 1200), (250, 250, 250))
    ImageDraw.Draw(image).ellipse((80, 310, 220, 500), fill=(120, 80, 60))
    picture = shown(portrait(saved(image)).jpeg)
    assert ImageStat.Stat(picture.crop((60, 60, 90, 90))).mean[0] < 150


def test_a_hard_picture_is_the_best_that_fits() -> None:
    """Noise takes the most room: quality falls, then size, and it is still a picture of the same thing."""
    noise = Image.frombytes("RGB", (WIDTH, HEIGHT), random.Random(1).randbytes(3 * WIDTH * HEIGHT))
    mixed = Image.blend(face((WIDTH, HEIGHT)), noise, 0.35)
    found = portrait(saved(mixed)).jpeg
    check(found)
    assert len(found) > 0.9 * MAX_LEN
    plain = BytesIO()  # what is simply squeezed until it fits is no better
    for quality in range(95, 0, -1):
        plain = BytesIO()
        mixed.save(plain, "JPEG", quality=quality)
        if len(plain.getvalue()) <= MAX_LEN:
            break
    assert difference(shown(found), mixed) <= difference(shown(plain.getvalue()), mixed) + 0.5


def test_a_portrait_is_left_alone() -> None:
    once = portrait(saved(face())).jpeg
    assert portrait(once).jpeg == once
    trailing = portrait(once + b"\x20" * 10).jpeg
    assert find_end(trailing) == len(trailing)


def test_there_is_room_for_so_many_bytes_only() -> None:
    assert len(portrait(saved(face()), max_len=2500).jpeg) <= 2500
    with pytest.raises(PortraitUnusable, match="can't be made to fit"):
        portrait(saved(face()), max_len=300)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        pytest.param(b"", "no picture", id="nothing"),
        pytest.param(b"hello, world", "no picture", id="text"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "no picture", id="a program"),
        pytest.param(FOUND[: len(FOUND) // 2], "damaged", id="cut off"),
        pytest.param(saved(face((60, 80))), "60 by 80 pixels", id="too small"),
        pytest.param(saved(face((2000, 80))), "at least", id="too flat"),
        pytest.param(saved(Image.new("RGB", (300, 400), "white")), "nothing on the picture", id="empty"),
        pytest.param(png_that_claims(9000, 9000), "at most 80 million", id="many pixels"),
        pytest.param(png_that_claims(60000, 60000), "more pixels", id="a bomb"),
        pytest.param(bytes(64 * 1024 * 1024 + 1), "64 MiB", id="too long"),
    ],
)
def test_what_can_not_be_used_is_refused(picture: bytes, words: str) -> None:
    with pytest.raises(PortraitUnusable, match=words):
        portrait(picture)


_SMALL = {
    kind: saved(face((150, 180), mode), kind)
    for kind, mode in (("JPEG", "RGB"), ("PNG", "P"), ("TIFF", "CMYK"), ("GIF", "P"), ("WEBP", "RGBA"))
}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(_SMALL)),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6),
    end=st.floats(0, 1),
)
def test_a_damaged_file_is_used_or_refused(kind: str, places: list[tuple[float, int]], end: float) -> None:
    damaged = bytearray(_SMALL[kind])
    for place, bits in places:
        damaged[int(place * (len(damaged) - 1))] ^= bits
    with suppress(PortraitUnusable):  # and nothing else
        check(portrait(bytes(damaged[: int(end * len(damaged)) + 1])).jpeg)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_picture(data: bytes) -> None:
    with suppress(PortraitUnusable):
        check(portrait(data).jpeg)
