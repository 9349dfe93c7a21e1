"""Decoding what a card says of its management: garbage is a typed error, and nothing else ever is."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.globalplatform_objects import (
    CPLC_LEN,
    DataGrouping,
    KeyInformation,
    Privilege,
    RegistryEntry,
    parse_cplc,
    parse_key_information,
    parse_recognition,
    parse_registry,
)
from ecitizen.iso7816 import tlv

PARSERS = (parse_key_information, parse_recognition, parse_cplc, parse_registry)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("E000", ()),
        ("", ()),
        ("E006C00401FF8010", (KeyInformation(1, 0xFF, 0x80, 16),)),
        ("C00401FF8820C00402018818", (KeyInformation(1, 0xFF, 0x88, 32), KeyInformation(2, 1, 0x88, 24))),
        ("E008C0060130A180A003", (KeyInformation(1, 0x30, 0xA1, 0x80),)),
        ("E00AC0080130FF8800200100", (KeyInformation(1, 0x30, 0x88, 32),)),
    ],
    ids=["none", "nothing", "DES", "bare", "two components", "extended"],
)
def test_key_information(text: str, keys: tuple[KeyInformation, ...]) -> None:
    assert parse_key_information(bytes.fromhex(text)) == keys


@pytest.mark.parametrize(
    "text", ["E002C000", "E005C003013088", "E003010101", "C0050130881000", "E0", "E004C004", "4F00"]
)
def test_key_information_that_is_none(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_key_information(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("text", "version", "channels"),
    [
        ("7300", (), ()),
        ("66027300", (), ()),
        ("660F730D640B06092A864886FC6B040215", (), ((2, 0x15),)),
        ("660F730D600B06092A864886FC6B020201", (2, 1), ()),
        ("6607730563030601FF", (), ()),
        ("66077305640306012A", (), ()),
        ("660473026000", (), ()),
    ],
)
def test_card_recognition(text: str, version: tuple[int, ...], channels: tuple[tuple[int, int], ...]) -> None:
    found = parse_recognition(bytes.fromhex(text))
    assert (found.version, found.secure_channels) == (version, channels)


@pytest.mark.parametrize("text", ["", "6600", "66024200", "4200", "66037301AB", "73036402FF"])
def test_card_recognition_that_is_none(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_recognition(bytes.fromhex(text))


def test_production_data_with_and_without_their_tag() -> None:
    raw = bytes(range(1, CPLC_LEN + 1))
    found = parse_cplc(tlv.encode(0x9F7F, raw))
    assert found == parse_cplc(raw)
    assert (found.fabricator, found.chip_type, found.operating_system) == (0x0102, 0x0304, 0x0506)
    assert found.chip_serial == bytes(range(11, 19))
    for wrong in (b"", raw[:-1], tlv.encode(0x9F7F, raw[:-1]), tlv.encode(0x9F7E, raw)):
        with pytest.raises(DecodeError):
            parse_cplc(wrong)


@pytest.mark.parametrize(("data", "value"), [(b"\x80", 0x800000), (b"\x9c\xcc\x00", 0x9CCC00)])
def test_privileges(data: bytes, value: int) -> None:
    assert Privilege.parse(data) == value
    assert Privilege.parse(Privilege(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "E3094F0501020304059F70",
        "E30B4F0501020304059F700000",
        "E30A4F05010203040 59F7000".replace(" ", ""),
        "E3084F04010203049F700107",
        "E30B4F04010203049F700107",
        "E30E4F050102030405 9F700107 C5020000".replace(" ", ""),
        "E30F4F050102030405 9F700107 CC03010203".replace(" ", ""),
        "E4004F00",
    ],
)
def test_entries_that_are_none(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_registry(bytes.fromhex(text))


def test_an_entry_that_tells_little() -> None:
    assert parse_registry(bytes.fromhex("E30B4F0501020304059F700107")) == (RegistryEntry(bytes(range(1, 6)), 7),)
    assert parse_registry(b"") == ()


@pytest.mark.parametrize(
    ("dgi", "length", "head"), [(0x0101, 0, "010100"), (0x8010, 254, "8010FE"), (1, 255, "0001FF00FF")]
)
def test_data_groupings(dgi: int, length: int, head: str) -> None:
    assert DataGrouping(dgi, bytes(length)).encode() == bytes.fromhex(head) + bytes(length)


@pytest.mark.parametrize(("dgi", "length"), [(0, 1), (0x10000, 1), (-1, 1), (1, 65536)])
def test_data_groupings_that_can_not_be(dgi: int, length: int) -> None:
    with pytest.raises(EncodeError):
        DataGrouping(dgi, bytes(length)).encode()


@pytest.mark.parametrize("parse", PARSERS, ids=lambda each: each.__name__)
@given(
    data=st.one_of(
        st.binary(max_size=80),
        st.lists(
            st.tuples(
                st.sampled_from([0xE0, 0xC0, 0x66, 0x73, 0x64, 0x60, 0x06, 0xE3, 0x4F, 0x9F70, 0xC5, 0xCC, 0x84]),
                st.binary(max_size=20),
            ),
            max_size=4,
        ).map(lambda parts: b"".join(tlv.encode(tag, value) for tag, value in parts)),
    )
)
def test_whatever_a_card_says_is_a_value_or_a_typed_error(parse: Callable[[bytes], object], data: bytes) -> None:
    for form in (data, tlv.encode(0xE0, data), tlv.encode(0xE3, data), tlv.encode(0x66, tlv.encode(0x73, data))):
        with suppress(DecodeError):
            parse(form)


def test_a_grouping_shows_nobody_what_is_in_it() -> None:
    assert repr(DataGrouping(0x8010, b"135790")) == "DataGrouping(dgi=32784)"
