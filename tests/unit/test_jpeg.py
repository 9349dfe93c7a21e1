from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cardapps.citizen_id.jpeg import find_end
from ecitizen.errors import DecodeError

# ITU-T T.81, annex B, by hand: SOI, APP0 (2 bytes of content), COM with FF D9 in it, SOS, a scan, EOI.
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
APP0 = bytes.fromhex("FFE0 0004 4A46")
COM = bytes.fromhex("FFFE 0006 FFD9 2020")
SOS = bytes.fromhex("FFDA 0008 01 0100 003F00")
SCAN = bytes.fromhex("3F FF00 20 FFD0 12 FFD7 20 FF00")
SMALL = SOI + APP0 + COM + SOS + SCAN + EOI
PROGRESSIVE = SOI + SOS + b"\x01" + COM + SOS + b"\x02\xff\x00" + EOI
PORTRAIT = (Path(__file__).parents[2] / "cardapps" / "personas" / "somchai.jpg").read_bytes()


@pytest.mark.parametrize("jpeg", [SMALL, PROGRESSIVE, PORTRAIT, SOI + EOI], ids=["small", "scans", "portrait", "empty"])
@pytest.mark.parametrize("behind", [b"", b" " * 100, EOI, b"\0", SMALL])
def test_end_is_behind_the_last_marker(jpeg: bytes, behind: bytes) -> None:
    assert find_end(jpeg + behind) == len(jpeg)


@pytest.mark.parametrize(
    "jpeg",
    [
        SOI + b"\xff\xff\xff" + APP0[1:] + EOI,  # fill bytes before a marker (B.1.1.2)
        SOI + b"\xff\x01" + EOI,  # TEM has no length
        SOI + SOS + b"\x20\xff\xff" + EOI[1:],  # fill bytes at the end of a scan
        SOI + bytes.fromhex("FFFE 0002") + EOI,  # an empty segment
    ],
)
def test_rare_but_right(jpeg: bytes) -> None:
    assert find_end(jpeg + b" ") == len(jpeg)


@pytest.mark.parametrize("jpeg", [SMALL, PROGRESSIVE])
def test_every_beginning_has_no_end_yet(jpeg: bytes) -> None:
    assert [find_end(jpeg[:cut]) for cut in range(len(jpeg))] == [None] * len(jpeg)


@given(st.integers(0, len(PORTRAIT) - 1))
def test_cut_portrait_has_no_end_yet(cut: int) -> None:
    assert find_end(PORTRAIT[:cut]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a",
        b" ",
        b"\xff\xd9",
        b"\xff ",
        SOI + b"    ",
        SOI + b"\xff\x00\x00\x00",
        SOI + SOI,
        SOI + b"\xff\xe0\x00\x01",  # a length that does not count itself
        SOI + b"\xff\xe0\x00\x00",
        SOI + APP0 + b"\x00" + EOI,
    ],
)
def test_no_jpeg_file(data: bytes) -> None:
    with pytest.raises(DecodeError):
        find_end(data)


def check(data: bytes) -> None:
    """An end inside the data, right behind an EOI; or none; or DecodeError."""
    try:
        end = find_end(data)
    except DecodeError as error:
        assert str(error)  # noqa: PT017 - one of the three right ends
        return
    if end is not None:
        assert data[:2] == SOI
        assert data[end - 2 : end] == EOI
        assert find_end(data[:end]) == end


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([SOI, EOI, APP0, COM, SOS, SCAN, b"\xff", b" "])).map(b"".join)
)
@example(b"")
@example(b"\xff")
def test_any_bytes(data: bytes) -> None:
    check(data)
    check(SOI + data)


@given(st.lists(st.tuples(st.integers(0, len(PORTRAIT) - 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_damaged_portrait(changes: list[tuple[int, int]]) -> None:
    data = bytearray(PORTRAIT)
    for at, value in changes:
        data[at] = value
    check(bytes(data))
