"""The exchange against cards that are played from a list: what is sent, byte by byte, and what is answered."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecitizen.errors import CardProtocolError, UsageError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.command import read_binary, select
from ecitizen.iso7816.exchange import ROUNDS_MAX, LinkState, exchange, is_plain, plain_response

THAI_READ = CommandApdu(0x80, 0xB0, 0x00, 0x04, b"\x00\x0d", ne=13)
THAI_READ_HEX = "80B0000402000D"
CID = b"1234567890123"


def t0(p2: int = 0x00) -> LinkState:
    return LinkState(CardProtocol.T0, get_response_p2=p2)


def t1(extended: bool | None = None) -> LinkState:
    return LinkState(CardProtocol.T1, extended_length=extended)


def drive(command: CommandApdu, link: LinkState, card: Callable[[bytes], bytes]) -> ResponseApdu:
    steps = exchange(command, link)
    raw = next(steps)
    while True:
        try:
            raw = steps.send(card(raw))
        except StopIteration as done:
            response: ResponseApdu = done.value
            return response


def play(command: CommandApdu, link: LinkState, script: Iterable[tuple[str, str]]) -> ResponseApdu:
    """Drive the exchange with a card that knows one conversation, all of which must happen."""
    left = list(script)

    def card(raw: bytes) -> bytes:
        assert left, f"unexpected command {raw.hex().upper()}"
        expected, answer = left.pop(0)
        assert raw.hex().upper() == expected.replace(" ", "").upper()
        return bytes.fromhex(answer)

    response = drive(command, link, card)
    assert not left, f"never sent: {left}"
    return response


# --- answers that wait (61xx) and lengths to be corrected (6Cxx) ---


def test_thai_read_on_t0_is_fetched_with_get_response() -> None:
    response = play(THAI_READ, t0(), [(THAI_READ_HEX, "610D"), ("00C000000D", CID.hex() + "9000")])
    assert response == ResponseApdu(CID, 0x9000)


def test_the_oldest_chips_are_asked_with_p2_01() -> None:
    response = play(THAI_READ, t0(p2=0x01), [(THAI_READ_HEX, "610D"), ("00C000010D", CID.hex() + "9000")])
    assert response.data == CID


@pytest.mark.parametrize("refusal", ["6A86", "6B00", "6E00"])
def test_the_form_of_get_response_that_works_is_learned(refusal: str) -> None:
    link = t0()
    script = [
        (THAI_READ_HEX, "610D"),
        ("00C000000D", refusal),
        ("00C000010D", CID.hex() + "9000"),
    ]
    assert play(THAI_READ, link, script).data == CID
    assert play(THAI_READ, link, [(THAI_READ_HEX, "610D"), ("00C000010D", CID.hex() + "9000")]).data == CID


def test_learning_goes_both_ways() -> None:
    script = [(THAI_READ_HEX, "610D"), ("00C000010D", "6A86"), ("00C000000D", CID.hex() + "9000")]
    assert play(THAI_READ, t0(p2=0x01), script).data == CID


def test_both_forms_refused_is_the_cards_answer() -> None:
    script = [(THAI_READ_HEX, "610D"), ("00C000000D", "6A86"), ("00C000010D", "6A86")]
    assert play(THAI_READ, t0(), script) == ResponseApdu(b"", 0x6A86)


def test_a_length_is_corrected_in_the_learned_form_too() -> None:
    script = [
        (THAI_READ_HEX, "610D"),
        ("00C000000D", "6A86"),
        ("00C000010D", "6C0A"),
        ("00C000010A", "31" * 10 + "9000"),
    ]
    assert play(THAI_READ, t0(), script).data == b"1" * 10


def test_a_card_that_gives_the_answer_in_pieces() -> None:
    command = CommandApdu(0x80, 0xB0, 0x00, 0x00, b"\x00\xff", ne=255)
    script = [
        ("80B000000200FF", "6164"),
        ("00C0000064", "11" * 100 + "619B"),
        ("00C000009B", "22" * 155 + "9000"),
    ]
    assert play(command, t0(), script).data == b"\x11" * 100 + b"\x22" * 155


def test_less_than_promised_is_what_there_is() -> None:
    assert play(THAI_READ, t0(), [(THAI_READ_HEX, "610D"), ("00C000000D", "31329000")]) == ResponseApdu(b"12", 0x9000)


def test_more_waiting_than_asked_for_is_left_behind() -> None:
    script = [(THAI_READ_HEX, "61FF"), ("00C000000D", CID.hex() + "61F2")]
    assert play(THAI_READ, t0(), script) == ResponseApdu(CID, 0x61F2)


def test_6100_means_256_or_more() -> None:
    command = read_binary(0, 1000)
    script = [
        ("00B0000000", "AA" * 256 + "6100"),
        ("00C0000000", "BB" * 256 + "6100"),
        ("00C0000000", "CC" * 256 + "6110"),
        ("00C0000010", "DD" * 16 + "9000"),
    ]
    assert len(play(command, t0(), script).data) == 784


def test_data_with_61xx_counts() -> None:
    """The laser number as some readers ask for it: 7 bytes at once, the rest waits (thai-card.md, 3.4)."""
    command = CommandApdu(0x80, 0x00, ne=23)
    script = [("8000000017", "01" * 7 + "6110"), ("00C0000010", "02" * 16 + "9000")]
    assert play(command, t0(), script).data == b"\x01" * 7 + b"\x02" * 16


def test_a_wrong_length_is_corrected_once() -> None:
    script = [("80CA9F7F00", "6C2D"), ("80CA9F7F2D", "9F7F2A" + "00" * 42 + "9000")]
    assert len(play(CommandApdu(0x80, 0xCA, 0x9F, 0x7F, ne=256), t0(), script).data) == 45


def test_6c00_asks_for_256() -> None:
    script = [("00B0000010", "6C00"), ("00B0000000", "77" * 16 + "9000")]
    assert play(read_binary(0, 16), t0(), script).data == b"\x77" * 16


def test_a_card_that_insists_on_giving_more_is_cut_to_what_was_asked_for() -> None:
    script = [("8000000007", "6C17"), ("8000000017", "01" * 23 + "9000")]
    assert play(CommandApdu(0x80, 0x00, ne=7), t0(), script) == ResponseApdu(b"\x01" * 7, 0x9000)


def test_a_length_corrected_twice_is_a_breach() -> None:
    with pytest.raises(CardProtocolError, match="6Cxx twice"):
        play(read_binary(0, 16), t0(), [("00B0000010", "6C08"), ("00B0000008", "6C04")])


def test_get_response_can_be_corrected_as_well() -> None:
    script = [(THAI_READ_HEX, "610D"), ("00C000000D", "6C05"), ("00C0000005", "31" * 5 + "9000")]
    assert play(THAI_READ, t0(), script).data == b"11111"


def test_without_ne_an_answer_stays_where_it_is() -> None:
    command = select(bytes.fromhex("A000000054480001"), ne=None)
    assert play(command, t0(), [("00A4040008A000000054480001", "610A")]) == ResponseApdu(b"", 0x610A)


def test_an_error_on_the_way_is_the_answer() -> None:
    script = [(THAI_READ_HEX, "610D"), ("00C000000D", "6F00")]
    assert play(THAI_READ, t0(), script) == ResponseApdu(b"", 0x6F00)


def test_a_warning_at_the_end_is_kept() -> None:
    script = [(THAI_READ_HEX, "6102"), ("00C0000002", "31326282")]
    assert play(THAI_READ, t0(), script) == ResponseApdu(b"12", 0x6282)


# GET RESPONSE is interindustry whatever the command was, on the same channel, without chaining and secure messaging.
GET_RESPONSE_CLASSES = [
    (0x00, 0x00),
    (0x02, 0x02),
    (0x80, 0x00),
    (0x83, 0x03),
    (0x84, 0x00),
    (0x0C, 0x00),
    (0x40, 0x40),
    (0x4F, 0x4F),
    (0xC5, 0x45),
    (0x60, 0x40),
]


@pytest.mark.parametrize(("cla", "expected"), GET_RESPONSE_CLASSES, ids=lambda value: f"{value:02X}")
def test_get_response_keeps_the_channel(cla: int, expected: int) -> None:
    command = CommandApdu(cla, 0xCA, 0x01, 0x01, ne=4)
    script = [(f"{cla:02X}CA010104", "6104"), (f"{expected:02X}C0000004", "010203049000")]
    assert play(command, t1(), script).data == bytes((1, 2, 3, 4))


# --- what the link can't carry in one piece ---


def test_t0_has_no_case_4_so_le_is_dropped() -> None:
    script = [("00A4040002434D", "6105"), ("00C0000005", "01020304059000")]
    assert len(play(select(b"CM", ne=256), t0(), script).data) == 5


def test_t1_sends_case_4_whole() -> None:
    assert play(select(b"CM", ne=256), t1(), [("00A4040002434D00", "01029000")]).data == b"\x01\x02"


@pytest.mark.parametrize("link", [t0(), t1(), t1(extended=False)], ids=["T=0", "T=1 unknown", "T=1 refused"])
def test_more_than_a_short_response_carries_is_asked_for_as_all(link: LinkState) -> None:
    assert play(read_binary(0, 5000), link, [("00B0000000", "AB" * 256 + "9000")]).data == b"\xab" * 256


def test_extended_length_where_the_card_takes_it() -> None:
    link = t1(extended=True)
    assert len(play(read_binary(0, 5118, sfi=1), link, [("00B081000013FE", "AB" * 5118 + "9000")]).data) == 5118
    assert play(read_binary(0, 256), link, [("00B0000000", "AB" * 256 + "9000")]).sw == 0x9000


def test_long_data_in_one_extended_command() -> None:
    command = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, b"\x55" * 300)
    assert play(command, t1(extended=True), [("00DB3FFF00012C" + "55" * 300, "9000")]).sw == 0x9000


@pytest.mark.parametrize("link", [t0(), t1()], ids=["T=0", "T=1"])
def test_long_data_in_a_chain_of_255_byte_blocks(link: LinkState) -> None:
    command = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, b"\x55" * 511)
    script = [
        ("10DB3FFFFF" + "55" * 255, "9000"),
        ("10DB3FFFFF" + "55" * 255, "9000"),
        ("00DB3FFF01" + "55", "9000"),
    ]
    assert play(command, link, script) == ResponseApdu(b"", 0x9000)


def test_only_the_last_of_a_chain_asks_for_the_answer() -> None:
    command = CommandApdu(0x02, 0x87, 0x11, 0x9A, b"\x55" * 256, ne=256)
    script = [("1287119AFF" + "55" * 255, "9000"), ("0287119A01" + "55" + "00", "CAFE9000")]
    assert play(command, t1(), script).data == b"\xca\xfe"
    script = [
        ("1287119AFF" + "55" * 255, "9000"),
        ("0287119A01" + "55", "6102"),
        ("02C0000002", "CAFE9000"),
    ]
    assert play(command, t0(), script).data == b"\xca\xfe"


def test_an_error_in_the_middle_ends_the_chain() -> None:
    command = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, b"\x55" * 600, ne=256)
    script = [("10DB3FFFFF" + "55" * 255, "9000"), ("10DB3FFFFF" + "55" * 255, "6883")]
    assert play(command, t1(), script) == ResponseApdu(b"", 0x6883)


@pytest.mark.parametrize("answer", ["6102", "CAFE9000", "CAFE6A80", "6283", "63C3"])
def test_an_answer_before_the_end_of_the_chain_is_a_breach(answer: str) -> None:
    """Taken for a success, it would hide that the rest of the data was never sent."""
    command = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, b"\x55" * 300, ne=1)
    with pytest.raises(CardProtocolError, match="chaining"):
        play(command, t0(), [("10DB3FFFFF" + "55" * 255, answer)])


def test_exactly_255_bytes_need_no_chain() -> None:
    command = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, b"\x55" * 255)
    assert play(command, t0(), [("00DB3FFFFF" + "55" * 255, "9000")]).sw == 0x9000


def test_what_no_command_can_ask_for_is_the_callers_fault() -> None:
    with pytest.raises(UsageError):
        play(read_binary(0, 70000), t1(extended=True), [])


# --- cards that break the rules ---


def test_promises_without_data_are_a_breach() -> None:
    with pytest.raises(CardProtocolError, match="61xx without data"):
        play(THAI_READ, t0(), [(THAI_READ_HEX, "610D"), ("00C000000D", "610D")])


def test_an_answer_that_never_ends_is_bounded() -> None:
    sent: list[bytes] = []

    def card(raw: bytes) -> bytes:
        sent.append(raw)
        return b"\x00\x61\x01"

    with pytest.raises(CardProtocolError, match="never ends"):
        drive(read_binary(0, 65536), t1(extended=True), card)
    assert len(sent) == ROUNDS_MAX + 1


@pytest.mark.parametrize("answer", [b"", b"\x90"])
def test_an_answer_without_status_word_is_a_breach(answer: bytes) -> None:
    with pytest.raises(CardProtocolError, match="status word"):
        drive(THAI_READ, t0(), lambda _: answer)


@pytest.mark.parametrize("sw", ["6000", "60FF", "5FFF", "7000", "8FFF", "A000", "FFFF", "0000"])
def test_what_is_no_status_word_is_a_breach(sw: str) -> None:
    with pytest.raises(CardProtocolError, match="no status word"):
        play(THAI_READ, t0(), [(THAI_READ_HEX, sw)])


@pytest.mark.parametrize("sw", [0x6300, 0x6A82, 0x6FFF, 0x9001, 0x9FFF])
def test_any_status_word_comes_back_as_it_is(sw: int) -> None:
    assert play(THAI_READ, t0(), [(THAI_READ_HEX, f"{sw:04X}")]) == ResponseApdu(b"", sw)


def test_more_data_than_asked_for_is_a_breach() -> None:
    with pytest.raises(CardProtocolError, match="more than it was asked"):
        play(read_binary(0, 4), t1(), [("00B0000004", "01020304059000")])
    with pytest.raises(CardProtocolError, match="more than it was asked"):
        play(THAI_READ, t0(), [(THAI_READ_HEX, "610D"), ("00C000000D", "31" * 14 + "9000")])
    with pytest.raises(CardProtocolError, match="more than it was asked"):
        play(read_binary(0, 4), t0(), [("00B0000004", "6C08"), ("00B0000008", "31" * 9 + "9000")])


# --- plain commands, which need no generator ---


@pytest.mark.parametrize(
    ("command", "on_t0", "on_t1"),
    [
        (CommandApdu(0x00, 0x70), True, True),
        (CommandApdu(0x00, 0x84, ne=256), True, True),
        (CommandApdu(0x00, 0xD6, data=bytes(255)), True, True),
        (CommandApdu(0x00, 0xA4, data=b"CM", ne=256), False, True),
        (CommandApdu(0x00, 0xB0, ne=257), False, False),
        (CommandApdu(0x00, 0xD6, data=bytes(256)), False, False),
        (CommandApdu(0x00, 0xB0, ne=1, extended=True), False, False),
    ],
)
def test_a_plain_command_goes_as_it_is(command: CommandApdu, on_t0: bool, on_t1: bool) -> None:
    assert is_plain(command, t0()) == on_t0
    assert is_plain(command, t1()) == is_plain(command, t1(extended=True)) == on_t1


@pytest.mark.parametrize(
    ("ne", "answer", "data"),
    [
        (2, "CAFE9000", "CAFE"),
        (2, "CA9000", "CA"),
        (2, "9000", ""),
        (None, "9000", ""),
        (2, "9000009000", None),  # more than was asked for
        (2, "6102", None),
        (2, "CAFE6102", None),
        (2, "6C01", None),
        (2, "6A82", None),
        (2, "6282", None),
        (2, "9001", None),
        (2, "00", None),
        (2, "", None),
    ],
)
def test_a_plain_answer_is_the_response(ne: int | None, answer: str, data: str | None) -> None:
    expected = None if data is None else ResponseApdu(bytes.fromhex(data), 0x9000)
    assert plain_response(CommandApdu(0x00, 0x84, ne=ne), bytes.fromhex(answer)) == expected


# --- any card ---

PLAUSIBLE = st.builds(
    lambda data, sw1, sw2: data + bytes((sw1, sw2)),
    st.binary(max_size=300),
    st.sampled_from([0x61, 0x61, 0x6C, 0x90, 0x6A, 0x62]),
    st.sampled_from([0x00, 0x01, 0x0D, 0x86, 0xFF]),
)


COMMANDS = st.builds(
    CommandApdu,
    st.sampled_from([0x00, 0x80, 0x4F]),
    st.sampled_from([0xB0, 0xC0, 0xCA]),
    data=st.sampled_from([b"", b"\x00\xff", bytes(700)]),
    ne=st.sampled_from([None, 1, 255, 256, 65536]),
)
LINKS = st.builds(
    LinkState, st.sampled_from(CardProtocol), st.sampled_from([0, 1]), st.sampled_from([None, True, False])
)


@settings(deadline=None)
@given(COMMANDS, LINKS, st.lists(st.binary(max_size=4) | PLAUSIBLE, min_size=1, max_size=8))
def test_any_answers_give_a_response_or_a_breach(command: CommandApdu, link: LinkState, answers: list[bytes]) -> None:
    rounds = 0

    def card(raw: bytes) -> bytes:
        nonlocal rounds
        assert CommandApdu.parse(raw).encode() == raw
        rounds += 1
        return answers[(rounds - 1) % len(answers)]

    try:
        response = drive(command, link, card)
    except CardProtocolError:  # DecodeError is one
        pass
    else:
        assert 0x6100 <= response.sw <= 0x6FFF or 0x9000 <= response.sw <= 0x9FFF
        assert command.ne is None or len(response.data) <= command.ne
    assert rounds <= 6 + 4 * ROUNDS_MAX


@settings(deadline=None)
@given(COMMANDS, LINKS, st.sampled_from([0, 1, 2, 255, 256, 257]))
def test_the_exchange_agrees_on_what_is_plain(command: CommandApdu, link: LinkState, answer_len: int) -> None:
    assume(is_plain(command, link))
    steps = exchange(command, link)
    assert next(steps) == command.encode()
    answer = bytes(answer_len) + b"\x90\x00"
    response = plain_response(command, answer)
    with pytest.raises(CardProtocolError if response is None else StopIteration) as done:
        steps.send(answer)
    if isinstance(done.value, StopIteration):
        assert done.value.value == response
