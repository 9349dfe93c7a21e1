import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816.tlv import (
    CompactTlv,
    Tlv,
    encode,
    encode_compact,
    find,
    parse,
    parse_compact,
    parse_one,
    total_len,
    walk,
)

# FCI of a GlobalPlatform card: AID A000000151000000, maximum length of command data 255 (GPC 2.3, 11.9.3.1).
FCI = bytes.fromhex("6F10 8408A000000151000000 A5049F6501FF")


def tags() -> st.SearchStrategy[int]:
    """Well-formed tags of one to four bytes."""
    one = st.integers(1, 0xFE).filter(lambda byte: byte & 0x1F != 0x1F)
    first = st.sampled_from([0x1F, 0x3F, 0x5F, 0x7F, 0x9F, 0xBF, 0xDF])
    middle = st.lists(st.integers(0x81, 0xFF), max_size=2).map(bytes)
    many = st.builds(lambda a, b, c: int.from_bytes(bytes((a,)) + b + bytes((c,))), first, middle, st.integers(0, 0x7F))
    return one | many


def constructed_tags() -> st.SearchStrategy[int]:
    return tags().filter(lambda tag: Tlv(tag, b"").constructed)


def trees() -> st.SearchStrategy[Tlv]:
    primitive = tags().filter(lambda tag: not Tlv(tag, b"").constructed)
    return st.recursive(
        st.builds(Tlv, primitive, st.binary(max_size=300)),
        lambda below: st.builds(
            lambda tag, children: Tlv(tag, b"".join(child.encode() for child in children)),
            constructed_tags(),
            st.lists(below, max_size=4),
        ),
        max_leaves=12,
    )


def test_fci_by_path() -> None:
    objects = parse(FCI)
    aid = find(objects, 0x6F, 0x84)
    max_len = find(objects, 0x6F, 0xA5, 0x9F65)
    assert aid == Tlv(0x84, bytes.fromhex("A000000151000000"))
    assert max_len == Tlv(0x9F65, b"\xff")
    assert find(objects, 0x6F, 0x85) is None
    assert find(objects, 0x62, 0x84) is None
    assert find(objects) is None


def test_find_takes_the_first_and_does_not_look_into_primitives() -> None:
    objects = parse(bytes.fromhex("80 01 01 80 01 02"))
    assert find(objects, 0x80) == Tlv(0x80, b"\x01")
    with pytest.raises(DecodeError, match="80 is primitive"):
        find(objects, 0x80, 0x81)


def test_walk_goes_depth_first() -> None:
    seen = [(depth, each.tag) for depth, each in walk(parse(FCI))]
    assert seen == [(0, 0x6F), (1, 0x84), (1, 0xA5), (2, 0x9F65)]


def test_three_byte_tag_keeps_all_its_bytes() -> None:
    assert parse(bytes.fromhex("5FC102 02 3000")) == (Tlv(0x5FC102, b"\x30\x00"),)


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "04 00"),
        (127, "04 7F"),
        (128, "04 8180"),
        (255, "04 81FF"),
        (256, "04 820100"),
        (65535, "04 82FFFF"),
        (65536, "04 83010000"),
    ],
)
def test_lengths_are_written_minimal(length: int, header: str) -> None:
    value = bytes(length)
    encoded = encode(0x04, value)
    assert encoded == bytes.fromhex(header) + value
    assert parse_one(encoded) == Tlv(0x04, value)


@pytest.mark.parametrize("header", ["81 03", "82 0003", "83 000003", "84 00000003"])
def test_lengths_need_not_be_minimal_on_input(header: str) -> None:
    assert parse(bytes.fromhex(f"80 {header} 010203")) == (Tlv(0x80, b"\1\2\3"),)


def test_padding_is_skipped_around_objects_but_kept_in_values() -> None:
    data = bytes.fromhex("0000 80 02 00FF FF00 6F 06 00 81 01 AA FFFF 00FF")
    first, second = parse(data)
    assert first == Tlv(0x80, b"\x00\xff")
    assert second.children() == (Tlv(0x81, b"\xaa"),)
    assert parse(b"\xff" * 64 + b"\x00" * 64) == ()
    assert parse(b"") == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("80", "byte 0 ends inside its tag or length"),
        ("8000 5F", "byte 2 ends inside its tag or length"),
        ("5FC1", "byte 0 ends inside its tag or length"),
        ("80 82 01", "byte 0 ends inside its tag or length"),
        ("80 03 0102", "byte 0 claims 3 bytes, but 2 follow"),
        ("80 01 01 81 84 FFFFFFFF 00", "byte 3 claims 4294967295 bytes, but 1 follow"),
        ("30 80 0000", "byte 0 has an indefinite length"),
        ("80 85 0000000001 01", "byte 0 has 5 bytes of length"),
        ("80 FF", "byte 0 has 127 bytes of length"),
        ("00 5F8001 00", "byte 1 has a number with a leading zero"),
        ("5F81818181 00", "byte 0 is longer than 4 bytes"),
    ],
)
def test_malformed_input_is_refused_with_its_place(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        parse(bytes.fromhex(data))


def test_parse_one_wants_exactly_one() -> None:
    assert parse_one(bytes.fromhex("00 80 01 AA FF")) == Tlv(0x80, b"\xaa")
    for data in ("", "FFFF", "8000 8100"):
        with pytest.raises(DecodeError, match="one data object was expected"):
            parse_one(bytes.fromhex(data))


def test_children_of_a_primitive_are_refused() -> None:
    with pytest.raises(DecodeError, match="primitive"):
        Tlv(0x5F01, bytes.fromhex("8000")).children()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", None),
        ("FFFF", None),
        ("7F", None),
        ("7F61", None),
        ("7F61 82", None),
        ("7F61 8201", None),
        ("7F61 820100", 5 + 256),
        ("7F61 820100 AABB", 5 + 256),
        ("80 00", 2),
        ("80 05 01", 7),
        ("0000 80 05", 9),
        ("80 84 FFFFFFFF", 6 + 0xFFFFFFFF),
    ],
)
def test_total_len(prefix: str, expected: int | None) -> None:
    assert total_len(bytes.fromhex(prefix)) == expected


@pytest.mark.parametrize("prefix", ["30 80", "80 85", "5F80", "5F818181"])
def test_total_len_refuses_what_can_never_be_an_object(prefix: str) -> None:
    with pytest.raises(DecodeError):
        total_len(bytes.fromhex(prefix))


@pytest.mark.parametrize(
    "tag", [-1, 0, 0xFF, 0xFF21, 0x1F, 0x8081, 0x5F81, 0x5F8001, 0x5F0101, 0x5F8181818101, 0x10000000000]
)
def test_bad_tags_are_not_written(tag: int) -> None:
    with pytest.raises(EncodeError):
        encode(tag, b"")
    with pytest.raises(EncodeError):
        Tlv(tag, b"").encode()


def test_objects_are_written_under_constructed_tags_only() -> None:
    assert encode(0x6F, [Tlv(0x84, b"\xa0"), Tlv(0xA5, b"")]) == bytes.fromhex("6F 05 8401A0 A500")
    assert encode(0x6F, ()) == bytes.fromhex("6F00")
    with pytest.raises(EncodeError, match="primitive"):
        encode(0x84, [Tlv(0x80, b"")])


def test_a_value_beyond_four_length_bytes_is_not_written() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 1 << 32

    with pytest.raises(EncodeError, match="at most 4 294 967 295 bytes"):
        encode(0x04, Huge())


def test_walk_is_bounded() -> None:
    data = b""
    for _ in range(4):
        data = encode(0x30, data)
    assert [depth for depth, _ in walk(parse(data), max_depth=4)] == [0, 1, 2, 3]
    with pytest.raises(DecodeError, match="more than 3 deep"):
        list(walk(parse(data), max_depth=3))


def test_hostile_nesting_and_padding_cost_little() -> None:
    nested = b""
    for _ in range(2000):
        nested = encode(0x30, nested)
    start = time.perf_counter()
    with pytest.raises(DecodeError, match="deep"):
        list(walk(parse(nested)))
    assert len(parse(b"\x80\x00" * 100_000)) == 100_000
    assert parse(b"\xff" * 1_000_000) == ()
    assert time.perf_counter() - start < 5  # linear work takes a small part of a second


@given(st.lists(trees(), max_size=4))
def test_objects_read_back(objects: list[Tlv]) -> None:
    data = b"".join(each.encode() for each in objects)
    assert parse(data) == tuple(objects)
    if objects:
        assert total_len(data) == len(objects[0].encode())
    again = [(depth, each) for depth, each in walk(parse(data), max_depth=100)]
    assert [each for depth, each in again if depth == 0] == objects


@given(trees())
def test_constructed_objects_are_their_children(tree: Tlv) -> None:
    if tree.constructed:
        assert encode(tree.tag, tree.children()) == tree.encode()
    else:
        assert encode(tree.tag, tree.value) == tree.encode()


@given(trees(), st.data())
def test_total_len_of_a_prefix_is_right_or_not_known(tree: Tlv, data: st.DataObject) -> None:
    encoded = tree.encode()
    cut = data.draw(st.integers(0, len(encoded)))
    assert total_len(encoded[:cut]) in (None, len(encoded))


@given(trees(), st.data())
def test_a_cut_object_is_refused(tree: Tlv, data: st.DataObject) -> None:
    encoded = tree.encode()
    cut = data.draw(st.integers(1, len(encoded) - 1))
    with pytest.raises(DecodeError):
        parse(encoded[:cut])


def tlv_like() -> st.SearchStrategy[bytes]:
    """Bytes that get far into the parser: made of tags, lengths and padding."""
    parts = [
        "00",
        "FF",
        "30",
        "6F",
        "80",
        "5FC1",
        "5F80",
        "7F4E",
        "1F",
        "80",
        "8101",
        "820001",
        "84",
        "85",
        "05",
    ]
    return st.lists(st.sampled_from(parts), max_size=40).map(lambda each: bytes.fromhex("".join(each)))


@given(st.binary(max_size=400) | tlv_like())
def test_any_bytes_give_objects_or_decode_error(data: bytes) -> None:
    for read in (parse, parse_one, total_len, parse_compact, lambda each: list(walk(parse(each)))):
        with suppress(DecodeError):
            read(data)


@given(st.binary(max_size=400) | tlv_like())
def test_what_was_read_is_written_and_read_the_same(data: bytes) -> None:
    with suppress(DecodeError):
        objects = parse(data)
        assert parse(b"".join(each.encode() for each in objects)) == objects


def test_compact_objects_of_a_piv_card() -> None:
    # Card service data, card capabilities and AID, as in the historical bytes of PIV cards.
    data = bytes.fromhex("31C1 73C00140 F9A00000030800001000")
    assert parse_compact(data) == (
        CompactTlv(3, b"\xc1"),
        CompactTlv(7, b"\xc0\x01\x40"),
        CompactTlv(0xF, bytes.fromhex("A00000030800001000")),
    )


def test_a_cut_compact_object_is_refused() -> None:
    with pytest.raises(DecodeError, match="byte 2 claims 3 bytes"):
        parse_compact(bytes.fromhex("31C1 73C001"))


@given(st.lists(st.builds(CompactTlv, st.integers(0, 15), st.binary(max_size=15))))
def test_compact_objects_read_back(objects: list[CompactTlv]) -> None:
    assert parse_compact(b"".join(encode_compact(each.tag, each.value) for each in objects)) == tuple(objects)


@pytest.mark.parametrize(("tag", "length"), [(16, 0), (-1, 0), (0, 16)])
def test_compact_limits(tag: int, length: int) -> None:
    with pytest.raises(EncodeError):
        encode_compact(tag, bytes(length))
