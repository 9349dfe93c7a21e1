from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816.atr import Atr, Convention
from ecitizen.iso7816.tlv import CompactTlv

# Thai cards (thai-card.md, section 1), a PIV card, and the toolkit's own T=1 form of the Thai card.
THAI_6 = bytes.fromhex("3B680000 5448204E49442036")
THAI_7 = bytes.fromhex("3B78180000 5448204E49442037")
THAI_10 = bytes.fromhex("3B79180000 5448204E4944203130")
THAI_17 = bytes.fromhex("3B79960000 5448204E4944203137")
THAI_18 = bytes.fromhex("3B79960000 5448204E4944203138")
PIV = bytes.fromhex("3B9B118131FE4580F9A0000003080000100043")
THAI_T1 = bytes.fromhex("3B99968131FE455448204E49442031375D")


@pytest.mark.parametrize(
    ("raw", "historical", "fi", "di"),
    [
        (THAI_6, b"TH NID 6", 372, 1),
        (THAI_7, b"TH NID 7", 372, 12),
        (THAI_10, b"TH NID 10", 372, 12),
        (THAI_17, b"TH NID 17", 512, 32),
        (THAI_18, b"TH NID 18", 512, 32),
    ],
)
def test_thai_cards_speak_t0_only(raw: bytes, historical: bytes, fi: int, di: int) -> None:
    atr = Atr.parse(raw)
    assert atr.historical == historical
    assert (atr.fi, atr.di) == (fi, di)
    assert atr.etu_clocks == Fraction(fi, di)
    assert atr.protocols == (0,)
    assert atr.default_protocol == 0
    assert atr.tck is None
    assert not atr.specific_mode
    assert atr.ifsc is None
    assert atr.compact_tlv() == ()
    assert atr.interface["TB1"] == 0
    assert atr.extra_guard_time == 0
    assert atr.convention is Convention.DIRECT


def test_thai_t1_form() -> None:
    atr = Atr.parse(THAI_T1)
    assert atr.interface == {"TA1": 0x96, "TD1": 0x81, "TD2": 0x31, "TA3": 0xFE, "TB3": 0x45}
    assert list(atr.interface) == ["TA1", "TD1", "TD2", "TA3", "TB3"]
    assert atr.protocols == (1,)
    assert atr.default_protocol == 1
    assert atr.ifsc == 254
    assert atr.historical == b"TH NID 17"
    assert atr.tck == 0x5D
    assert (atr.fi, atr.di, atr.max_clock_hz) == (512, 32, 5_000_000)


def test_piv_card_names_its_application() -> None:
    atr = Atr.parse(PIV)
    assert atr.protocols == (1,)
    assert (atr.fi, atr.di, atr.max_clock_hz) == (372, 1, 5_000_000)
    assert atr.compact_tlv() == (CompactTlv(0xF, bytes.fromhex("A00000030800001000")),)
    assert atr.tck == 0x43


def test_shortest_atr() -> None:
    atr = Atr.parse(bytes.fromhex("3B00"))
    assert atr.interface == {}
    assert (atr.protocols, atr.historical, atr.tck) == ((0,), b"", None)
    assert (atr.fi, atr.di, atr.max_clock_hz) == (372, 1, 5_000_000)


def test_inverse_convention() -> None:
    assert Atr.parse(bytes.fromhex("3F00")).convention is Convention.INVERSE


def test_t0_named_by_td1_has_no_check_byte() -> None:
    atr = Atr.parse(bytes.fromhex("3B8000"))
    assert (atr.protocols, atr.tck) == ((0,), None)


def test_two_protocols_come_in_order() -> None:
    # T=0 first, then T=1 with an information field of 128 bytes; TCK = 80 ^ 80 ^ 11 ^ 80 = 91.
    atr = Atr.parse(bytes.fromhex("3B80 80 11 80 91"))
    assert atr.protocols == (0, 1)
    assert atr.default_protocol == 0
    assert atr.ifsc == 128


def test_t15_is_no_protocol_but_wants_a_check_byte() -> None:
    # T=0, then T=15 with TA3 (clock stop, classes A and B); TCK = 80 ^ 80 ^ 1F ^ C3 = DC.
    atr = Atr.parse(bytes.fromhex("3B80 80 1F C3 DC"))
    assert atr.protocols == (0,)
    assert atr.tck == 0xDC
    assert atr.ifsc is None


def test_ifsc_belongs_to_t1_and_not_to_t15() -> None:
    # TD1: T=1; TD2: T=15 with TA3, so no information field size is given; TCK = 80 ^ 81 ^ 1F ^ C3 = DD.
    assert Atr.parse(bytes.fromhex("3B80 81 1F C3 DD")).ifsc == 32


@pytest.mark.parametrize("size", [0x00, 0xFF])
def test_reserved_ifsc_is_not_known(size: int) -> None:
    assert Atr.build({"TD1": 0x81, "TD2": 0x11, "TA3": size}).ifsc is None


def test_specific_mode_decides_the_protocol() -> None:
    # TA2 = 01: T=1 is used, though T=0 is named first; TCK = 80 ^ 90 ^ 01 ^ 01 = 10.
    atr = Atr.parse(bytes.fromhex("3B80 90 01 01 10"))
    assert atr.specific_mode
    assert atr.protocols == (0, 1)
    assert atr.default_protocol == 1


def test_extra_guard_time() -> None:
    assert Atr.parse(bytes.fromhex("3B40 FF")).extra_guard_time == 255


@pytest.mark.parametrize(
    ("ta1", "fi", "max_clock_hz", "di"),
    [
        (0x01, 372, 4_000_000, 1),
        (0x18, 372, 5_000_000, 12),
        (0x29, 558, 6_000_000, 20),
        (0x32, 744, 8_000_000, 2),
        (0x43, 1116, 12_000_000, 4),
        (0x54, 1488, 16_000_000, 8),
        (0x65, 1860, 20_000_000, 16),
        (0x97, 512, 5_000_000, 64),
        (0xA5, 768, 7_500_000, 16),
        (0xB5, 1024, 10_000_000, 16),
        (0xC5, 1536, 15_000_000, 16),
        (0xD5, 2048, 20_000_000, 16),
        (0x75, None, None, 16),
        (0x85, None, None, 16),
        (0xE5, None, None, 16),
        (0xF5, None, None, 16),
        (0x10, 372, 5_000_000, None),
        (0x1A, 372, 5_000_000, None),
        (0x1F, 372, 5_000_000, None),
    ],
)
def test_ta1_tables(ta1: int, fi: int | None, max_clock_hz: int | None, di: int | None) -> None:
    atr = Atr.parse(bytes((0x3B, 0x10, ta1)))
    assert (atr.fi, atr.max_clock_hz, atr.di) == (fi, max_clock_hz, di)
    if fi is None or di is None:
        assert atr.etu_clocks is None
        assert atr.bits_per_second(4_000_000) is None
    else:
        assert atr.etu_clocks == Fraction(fi, di)


def test_line_speed() -> None:
    assert Atr.parse(THAI_17).bits_per_second(4_000_000) == 250_000
    assert Atr.parse(THAI_6).bits_per_second(3_720_000) == 10_000


def test_historical_bytes_of_category_00_end_in_a_status() -> None:
    atr = Atr.build({}, bytes.fromhex("00 31C0 05 9000"))
    assert atr.compact_tlv() == (CompactTlv(3, b"\xc0"), CompactTlv(8, bytes.fromhex("059000")))


@pytest.mark.parametrize("historical", ["00", "009000", "8031", "80 31C0 73C001", "00 31 059000"])
def test_historical_bytes_that_break_their_category(historical: str) -> None:
    atr = Atr.build({}, bytes.fromhex(historical))
    with pytest.raises(DecodeError):
        atr.compact_tlv()


def test_no_historical_bytes_no_objects() -> None:
    assert Atr.parse(bytes.fromhex("3B00")).compact_tlv() == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "2 to 33 bytes, not 0"),
        ("3B", "2 to 33 bytes, not 1"),
        ("3B0F" + "00" * 32, "2 to 33 bytes, not 34"),
        ("0300", "begins with 3B or 3F"),
        ("3B10", "ends before its interface byte TA1"),
        ("3B80 81 31", "ends before its interface byte TA3"),
        ("3B80 80", "ends before its interface byte TD2"),
        ("3B68 00 00 54", "announces 12 bytes, but has 5"),
        ("3B00 00", "announces 2 bytes, but has 3"),
        ("3B80 00 80", "announces 3 bytes, but has 4"),
        ("3B80 01", "announces 4 bytes, but has 3"),
        ("3B80 0F 8F", "T=15 first"),
        (PIV.hex()[:-2] + "44", "check byte of the ATR is wrong: 44, not 43"),
        (PIV.hex()[:-2], "announces 19 bytes, but has 18"),
        (PIV.hex() + "00", "announces 19 bytes, but has 20"),
    ],
)
def test_bad_atrs_are_refused(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Atr.parse(bytes.fromhex(data))


@pytest.mark.parametrize("raw", [THAI_6, THAI_7, THAI_10, THAI_17, THAI_18, PIV, THAI_T1])
def test_build_is_the_inverse_of_parse(raw: bytes) -> None:
    atr = Atr.parse(raw)
    assert Atr.build(atr.interface, atr.historical) == atr
    assert Atr.build({name: atr.interface[name] for name in reversed(list(atr.interface))}, atr.historical).raw == raw


def test_build_computes_the_check_byte() -> None:
    interface = {"TA1": 0x96, "TD1": 0x81, "TD2": 0x31, "TA3": 0xFE, "TB3": 0x45}
    assert Atr.build(interface, b"TH NID 17").raw == THAI_T1
    assert Atr.build({}, convention=Convention.INVERSE).raw == bytes.fromhex("3F00")


@pytest.mark.parametrize(
    ("interface", "historical"),
    [
        ({}, bytes(16)),
        ({"TA1": 256}, b""),
        ({"TA1": -1}, b""),
        ({"XY": 0}, b""),
        ({"TAx": 0}, b""),
        ({"TA2": 0x01}, b""),
        ({"TD1": 0x81}, b""),
        ({"TD1": 0x01, "TA2": 0x01}, b""),
        ({"TD1": 0x0F}, b""),
        ({"TD1": 0x10, "TB2": 0x01}, b""),
        ({f"TD{group}": 0x80 for group in range(1, 32)} | {"TD32": 0x00}, b""),
    ],
)
def test_what_makes_no_atr_is_not_built(interface: dict[str, int], historical: bytes) -> None:
    with pytest.raises(EncodeError):
        Atr.build(interface, historical)


def test_an_atr_full_of_interface_bytes() -> None:
    # Each group announces only the next one: 30 TD bytes, and T=1 named last.
    atr = Atr.build({f"TD{group}": 0x80 for group in range(1, 29)} | {"TD29": 0x11, "TA30": 0x40})
    assert len(atr.raw) == 33
    assert atr.protocols == (0, 1)
    assert atr.ifsc == 64


def test_equal_atrs_are_one_key() -> None:
    assert len({Atr.parse(THAI_17), Atr.parse(THAI_17), Atr.parse(THAI_18)}) == 2


def atr_like() -> st.SearchStrategy[bytes]:
    """Bytes that begin as an ATR does, so that most get past the first checks."""
    return st.builds(lambda ts, rest: ts + rest, st.sampled_from([b"\x3b", b"\x3f"]), st.binary(max_size=34))


@given(st.binary(max_size=40) | atr_like())
def test_any_bytes_give_an_atr_or_decode_error(data: bytes) -> None:
    with suppress(DecodeError):
        atr = Atr.parse(data)
        assert 0 <= atr.default_protocol <= 15
        assert atr.ifsc is None or 1 <= atr.ifsc <= 254
        assert (atr.etu_clocks is None) == (atr.bits_per_second(4e6) is None)
        atr.compact_tlv()


@given(st.data())
def test_any_well_formed_atr_reads_back(data: st.DataObject) -> None:
    interface: dict[str, int] = {}
    group, room = 1, 15
    announces_more = True
    while announces_more:
        presence = data.draw(st.integers(0, 15)) if room >= 5 else 0
        letters = [letter for bit, letter in enumerate("ABC") if presence & 1 << bit]
        if group > 1:
            interface[f"TD{group - 1}"] |= presence << 4
        interface |= {f"T{letter}{group}": data.draw(st.integers(0, 255)) for letter in letters}
        announces_more = bool(presence & 8)
        if announces_more:
            interface[f"TD{group}"] = data.draw(st.integers(0, 14))
        room -= presence.bit_count()
        group += 1
    historical = data.draw(st.binary(max_size=15))
    convention = data.draw(st.sampled_from(Convention))
    atr = Atr.build(interface, historical, convention)
    again = Atr.parse(atr.raw)
    assert (again.interface, again.historical, again.convention) == (interface, historical, convention)
    offered = [byte & 0x0F for name, byte in interface.items() if name.startswith("TD")] or [0]
    assert set(again.protocols) == set(offered)
    assert again.protocols[0] == offered[0]
    assert (again.tck is None) == (set(again.protocols) == {0})
    with pytest.raises(DecodeError):
        Atr.parse(atr.raw + b"\x00")
    with pytest.raises(DecodeError):
        Atr.parse(atr.raw[:-1])
