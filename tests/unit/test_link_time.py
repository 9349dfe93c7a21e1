"""Times of a real link, against sums made by hand from ISO/IEC 7816-3:2006."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.iso7816.atr import Atr
from ecitizen.iso7816.link_time import LinkTiming

T0, T1 = CardProtocol.T0, CardProtocol.T1

SLOW = Atr.parse(bytes.fromhex("3B6800005448204E49442036"))  # no TA1: 372 clocks for a bit
MIDDLE = Atr.parse(bytes.fromhex("3B781800005448204E49442037"))  # TA1 = 18: 372/12 = 31 clocks
FAST = Atr.parse(bytes.fromhex("3B799600005448204E4944203137"))  # TA1 = 96: 512/32 = 16 clocks
BLOCKS = Atr.parse(bytes.fromhex("3B99968131FE455448204E49442031375D"))  # T=1, 16 clocks, IFSC 254, LRC

SELECT = bytes.fromhex("00A4040008A000000054480001")


def etus(atr: Atr, command: bytes, answer: bytes, **settings: object) -> float:
    """The time of an exchange in bits, at one clock per second and 16 clocks per bit or what the ATR says."""
    timing = LinkTiming(atr, clock_hz=1, **settings)  # type: ignore[arg-type]
    return timing.exchange_seconds(command, answer) / timing.etu_seconds


@pytest.mark.parametrize(("atr", "clocks"), [(SLOW, 372), (MIDDLE, 31), (FAST, 16)])
def test_a_bit_takes_fi_over_di_clocks(atr: Atr, clocks: int) -> None:
    assert LinkTiming(atr, clock_hz=4_000_000).etu_seconds == pytest.approx(clocks / 4_000_000)


@pytest.mark.parametrize(
    ("command", "answer", "characters"),
    [
        ("00A40000", "9000", 5 + 2),  # case 1: the header has P3 = 00
        ("00C000000D", "00" * 13 + "9000", 5 + 1 + 13 + 2),  # case 2: header, procedure byte, data, status
        ("00C000000D", "6C0A", 5 + 2),  # refused: SW1 stands in place of the procedure byte
        ("80B0000402000D", "610D", 5 + 1 + 2 + 2),  # case 3
        ("00A4040008A000000054480001", "610A", 5 + 1 + 8 + 2),
        ("00A4040008A00000005448000100", "00" * 10 + "9000", 5 + 1 + 8 + 2 + 5 + 1 + 10 + 2),  # case 4: GET RESPONSE
        ("00B0000000", "00" * 256 + "9000", 5 + 1 + 256 + 2),
        ("00B00000000200", "00" * 512 + "9000", 2 * (5 + 1 + 256 + 2)),  # extended: READ BINARY, then GET RESPONSE
    ],
)
def test_t0_takes_twelve_bits_for_each_character(command: str, answer: str, characters: int) -> None:
    assert etus(FAST, bytes.fromhex(command), bytes.fromhex(answer)) == pytest.approx(12 * characters)


def test_t0_carries_a_long_command_in_envelopes() -> None:
    command = bytes.fromhex("00D60000 00012C") + bytes(300)  # 307 bytes in all: 255 and 52
    assert etus(FAST, command, b"\x90\x00") == pytest.approx(12 * ((5 + 1 + 255 + 2) + (5 + 1 + 52 + 2)))


def test_extra_guard_time_is_for_characters_to_the_card() -> None:
    atr = Atr.build({"TA1": 0x96, "TC1": 5})
    assert etus(atr, bytes.fromhex("00C0000003"), b"abc\x90\x00") == pytest.approx(5 * (12 + 5) + (1 + 3 + 2) * 12)


def test_extra_guard_time_of_255_is_none_on_t0_and_less_than_none_on_t1() -> None:
    t0 = Atr.build({"TA1": 0x96, "TC1": 255})
    assert etus(t0, bytes.fromhex("00C0000003"), b"abc\x90\x00") == pytest.approx(11 * 12)
    t1 = Atr.build({"TA1": 0x96, "TC1": 255, "TD1": 0x01})
    # Blocks of 3 + 5 + 1 and 3 + 5 + 1: eight steps of 11 bits each, and a turn of 22.
    assert etus(t1, bytes.fromhex("00C0000003"), b"abc\x90\x00") == pytest.approx(2 * (8 * 11 + 22))


def test_extra_guard_time_is_counted_at_the_offered_speed_if_the_atr_has_global_bytes() -> None:
    plain = Atr.build({"TA1": 0x96, "TC1": 10, "TD1": 0x00})
    with_t15 = Atr.build({"TA1": 0x96, "TC1": 10, "TD1": 0x80, "TD2": 0x1F, "TA3": 0x03})
    assert LinkTiming(plain, 1, negotiated=False).to_card_seconds == pytest.approx((12 + 10) * 372)
    assert LinkTiming(with_t15, 1, negotiated=False).to_card_seconds == pytest.approx(12 * 372 + 10 * 16)


def test_t1_puts_a_prologue_and_an_epilogue_around_each_message() -> None:
    # I-blocks of 3 + 13 + 1 = 17 and 3 + 12 + 1 = 16 characters; a turn of 22 bits behind each.
    assert etus(BLOCKS, SELECT, bytes(10) + b"\x90\x00") == pytest.approx((16 * 12 + 22) + (15 * 12 + 22))


def test_t1_with_crc_has_a_character_more_in_each_block() -> None:
    atr = Atr.build({"TA1": 0x96, "TD1": 0x81, "TD2": 0x51, "TA3": 0xFE, "TC3": 0x01})
    assert etus(atr, SELECT, bytes(10) + b"\x90\x00") == pytest.approx((17 * 12 + 22) + (16 * 12 + 22))


def test_t1_chains_what_is_longer_than_a_block() -> None:
    # 700 bytes of answer at IFSD 254: 254 + 254 + 192 in blocks of 258, 258, 196, and two R-blocks of 4.
    blocks = (257 * 12 + 22) + (257 * 12 + 22) + (195 * 12 + 22) + 2 * (3 * 12 + 22)
    command = bytes.fromhex("00B000000002BA")  # 7 bytes: a block of 11
    assert etus(BLOCKS, command, bytes(698) + b"\x90\x00") == pytest.approx((10 * 12 + 22) + blocks)


def test_t1_card_says_how_long_blocks_to_it_may_be() -> None:
    atr = Atr.build({"TA1": 0x96, "TD1": 0x01})  # no TA for T=1: IFSC 32
    command = bytes.fromhex("00D6000022") + bytes(34)  # 39 bytes: 32 + 7
    chain = (35 * 12 + 22) + (10 * 12 + 22) + (3 * 12 + 22)
    assert etus(atr, command, b"\x90\x00") == pytest.approx(chain + (5 * 12 + 22))


def test_a_session_is_its_exchanges_and_on_t1_the_announcement_of_the_ifsd() -> None:
    exchanges = [(SELECT, b"\x61\x0a"), (bytes.fromhex("00C000000A"), bytes(10) + b"\x90\x00")]
    t0 = LinkTiming(FAST)
    assert t0.session_seconds(exchanges) == pytest.approx(12 * (16 + 18) * 16 / 4_000_000)
    t1 = LinkTiming(BLOCKS)
    announcement = 2 * (4 * 12 + 22) * 16 / 4_000_000  # S(IFS request) and S(IFS response): 3 + 1 + 1 characters
    assert t1.session_seconds([]) == pytest.approx(announcement)
    assert LinkTiming(BLOCKS, ifsd=32).session_seconds([]) == 0


def test_the_work_of_the_card_is_added_for_each_command() -> None:
    exchanges = [(SELECT, b"\x61\x0a")] * 3
    gain = LinkTiming(FAST, card_seconds=0.01).session_seconds(exchanges) - LinkTiming(FAST).session_seconds(exchanges)
    assert gain == pytest.approx(0.03)


def test_without_negotiation_the_speed_is_that_of_the_beginning_unless_the_card_insists() -> None:
    assert LinkTiming(FAST, 1, negotiated=False).etu_seconds == 372
    insisting = Atr.build({"TA1": 0x96, "TD1": 0x10, "TA2": 0x00})
    assert LinkTiming(insisting, 1, negotiated=False).etu_seconds == 16


def test_reserved_speeds_are_not_used() -> None:
    assert LinkTiming(Atr.build({"TA1": 0x70}), 1).etu_seconds == 372


@pytest.mark.parametrize(("atr", "floor", "places"), [(SLOW, 6.4, 1), (MIDDLE, 0.5, 1), (FAST, 0.3, 1)])
def test_the_reference_floor_of_a_full_record(atr: Atr, floor: float, places: int) -> None:
    # thai-card.md, section 1: about 5.7 KB at 4 MHz, before per-command overhead.
    assert round(5_700 * LinkTiming(atr).from_card_seconds, places) == floor


@pytest.mark.parametrize(("atr", "seconds"), [(SLOW, 6.823224), (MIDDLE, 0.568602), (FAST, 0.293472)])
def test_a_full_record_with_the_overhead_of_its_commands(atr: Atr, seconds: float) -> None:
    # 23 pieces: READ is 10 characters, GET RESPONSE 8 and the data; 5,700 + 23 * 18 = 6,114 characters.
    sizes = [255] * 22 + [90]
    plan = [
        exchange
        for size in sizes
        for exchange in (
            (bytes.fromhex("80B000000200") + bytes([size]), bytes([0x61, size])),
            (bytes.fromhex("00C00000") + bytes([size]), bytes(size) + b"\x90\x00"),
        )
    ]
    assert LinkTiming(atr).session_seconds(plan) == pytest.approx(seconds)


def test_the_protocol_is_the_agreed_one() -> None:
    both = Atr.build({"TA1": 0x96, "TD1": 0x80, "TD2": 0x01})
    assert LinkTiming(both).used_protocol is T0
    assert LinkTiming(both, protocol=T1).used_protocol is T1


@pytest.mark.parametrize("settings", [{"clock_hz": 0}, {"clock_hz": float("nan")}, {"ifsd": 0}, {"ifsd": 255}])
def test_settings_that_no_link_has_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LinkTiming(FAST, **settings)  # type: ignore[arg-type]


def test_negative_work_and_unknown_protocols_are_refused() -> None:
    with pytest.raises(UsageError, match="own work"):
        LinkTiming(FAST, card_seconds=-1)
    with pytest.raises(UsageError, match="T=14"):
        LinkTiming(Atr.build({"TD1": 0x0E}))


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([SLOW, FAST, BLOCKS]))
def test_any_bytes_take_some_time_and_more_bytes_take_no_less(command: bytes, answer: bytes, atr: Atr) -> None:
    timing = LinkTiming(atr)
    assert 0 < timing.exchange_seconds(command, answer) <= timing.exchange_seconds(command, answer + bytes(300))
