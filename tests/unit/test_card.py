"""The card's operating system, in hand-written conversations from ISO/IEC 7816-3 and -4.

A conversation is lines of `command > answer` in hex. `..` behind an answer's length means bytes that don't matter.
"""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from ecitizen.emulator.applet import Applet, Refusal, Selection, ok
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import Value
from ecitizen.errors import ImageError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu

T0, T1 = CardProtocol.T0, CardProtocol.T1
ATR = bytes.fromhex("3B00")

# --- a card of three applets ---

SELECT_ALPHA = "00A4040006A00000000101"
SELECT_BETA = "00A4040006A00000000102"
SELECT_GAMMA = "00A4040006A00000000201"
WHICH = "8016000001"
"""Which applet is selected, one byte."""
MARK = "80140000"
"""Mark this selection; WHICH then has bit 8 set."""
STATE = "000102030405060708090A0B0C0D0E0F10111213141516"
"""The 23 bytes that 80 10 gives."""


class _Use:
    """One selection of a toy applet: data of a chosen length, an echo, a mark that dies with the selection."""

    def __init__(self, number: int) -> None:
        self.number = number

    def process(self, command: CommandApdu) -> ResponseApdu:
        if command.cla != 0x80:
            raise Refusal(0x6E00)
        if command.ins == 0x10:
            return ok(bytes(range(23)))
        if command.ins == 0x12:
            return ok(command.data)
        if command.ins == 0x14:
            self.number |= 0x80
            return ok()
        if command.ins == 0x16:
            return ok(bytes((self.number,)))
        if command.ins == 0x18:
            return ok(b"\xab" * (command.p1 << 8 | command.p2))
        if command.ins == 0x1A:
            return ResponseApdu(b"\x01\x02", 0x6282)
        if command.ins in {0x60, 0x9F}:
            raise AssertionError("no applet may ever get this instruction")
        raise Refusal(0x6D00)


class _Toy(Applet):
    number: ClassVar[int]

    def fci(self) -> bytes:
        return b"\x84" + bytes((len(self.aid),)) + self.aid

    def open(self) -> Selection:
        return _Use(self.number)


class Alpha(_Toy):
    name, aid, number = "alpha", bytes.fromhex("A00000000101"), 1


class Beta(_Toy):
    name, aid, number = "beta", bytes.fromhex("A00000000102"), 2


class Gamma(_Toy):
    name, aid, number = "gamma", bytes.fromhex("A00000000201"), 3
    aliases = (b"CM",)


def toy_card(protocol: CardProtocol) -> Card:
    memory: Mapping[str, Value] = {}
    card = Card([kind(memory, protocol) for kind in (Alpha, Beta, Gamma)], atr=ATR, protocol=protocol)
    assert card.power_on() == ATR
    return card


def talk(card: Card, conversation: str) -> None:
    for line in conversation.strip().splitlines():
        command, expected = (part.replace(" ", "") for part in line.split("#")[0].split(">"))
        answer = card.transmit(bytes.fromhex(command)).hex().upper()
        if ".." in expected:
            length, sw = expected.split("..")
            assert (len(answer) // 2 - 2, answer[-4:]) == (int(length), sw), line
        else:
            assert answer == expected, line


def both(conversation: str) -> None:
    for protocol in CardProtocol:
        talk(toy_card(protocol), conversation)


# --- T=0 ---


@pytest.mark.parametrize(
    "conversation",
    [
        f"8010000017 > {STATE} 9000",
        f"80100000 > 6C17 \n 8010000017 > {STATE} 9000",
        f"8010000000 > 6C17 \n 8010000017 > {STATE} 9000",
        "80100000FF > 6C17",
        "8010000018 > 6C17",
    ],
    ids=["exact", "no Le", "Le 00", "too much", "one too much"],
)
def test_t0_names_the_length_when_too_much_is_asked_for(conversation: str) -> None:
    talk(toy_card(T0), conversation)


def test_t0_gives_less_when_less_is_asked_for_and_keeps_the_rest() -> None:
    talk(
        toy_card(T0),
        f"""
        8010000007 > {STATE[:14]} 6110
        00C0000004 > {STATE[14:22]} 610C
        00C00000FF > 6C0C               # more than waits: the length is named, nothing is lost
        00C000000C > {STATE[22:]} 9000
        00C0000001 > 6985               # nothing waits any more
        """,
    )


def test_t0_drops_the_rest_at_the_next_command() -> None:
    talk(toy_card(T0), f"8010000007 > {STATE[:14]} 6110 \n {WHICH} > 01 9000 \n 00C0000010 > 6985")
    talk(toy_card(T0), f"8010000007 > {STATE[:14]} 6110 \n 8000000000 > 6D00 \n 00C0000010 > 6985")
    talk(toy_card(T0), f"8010000007 > {STATE[:14]} 6110 \n 00A4040001B0 > 6A82 \n 00C0000010 > 6985")
    talk(toy_card(T0), f"8010000007 > {STATE[:14]} 6110 \n 0070000001 > 01 9000 \n 00C0000010 > 6985")


@pytest.mark.parametrize("le", ["", "00", "02", "FF"], ids=["no Le", "00", "02", "FF"])
def test_t0_never_answers_data_to_a_command_with_data(le: str) -> None:
    talk(toy_card(T0), f"8012000003 AABBCC {le} > 6103 \n 00C0000003 > AABBCC 9000")


@pytest.mark.parametrize("cla", ["00", "80"])
@pytest.mark.parametrize("p2", ["00", "01"])
def test_get_response_has_the_forms_that_hosts_use(cla: str, p2: str) -> None:
    for protocol in CardProtocol:
        talk(toy_card(protocol), f"8012000003 AABBCC > 6103 \n {cla}C000{p2}03 > AABBCC 9000")


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ("00C0000203", "6A86"),
        ("00C0010003", "6A86"),
        ("00C0FFFF03", "6A86"),
        ("00C0000001AA", "6700"),
        ("00C0000001AA03", "6700"),
    ],
)
def test_a_wrong_get_response_leaves_the_answer_waiting(wrong: str, answer: str) -> None:
    both(f"8012000003 AABBCC > 6103 \n {wrong} > {answer} \n 00C0000003 > AABBCC 9000")


def test_get_response_without_le_means_all() -> None:
    talk(toy_card(T0), "8012000003 AABBCC > 6103 \n 00C00000 > 6C03 \n 00C0000003 > AABBCC 9000")
    talk(toy_card(T1), "8012000003 AABBCC > 6103 \n 00C00000 > AABBCC 9000")


def test_more_than_256_bytes_wait_as_6100() -> None:
    talk(
        toy_card(T0),
        """
        8018020000 > 256..6100
        00C0000000 > 256..9000
        8018025800 > 256..6100
        00C0000000 > 256..6158
        00C0000058 > 88..9000
        8018010000 > 256..9000
        80180100   > 256..9000
        80180101FF > 255..6102
        """,
    )


def test_a_warning_comes_with_the_last_bytes() -> None:
    both("801A000001 > 01 6101 \n 00C0000001 > 02 6282")
    both("801A000002 > 0102 6282")


@pytest.mark.parametrize("command", ["80100000000017", "80120000000001AA", "80120000000001AA0001", "80100000000000"])
def test_t0_has_no_extended_length(command: str) -> None:
    talk(toy_card(T0), f"{command.replace(' ', '')} > 6700 \n {WHICH} > 01 9000")


@pytest.mark.parametrize("command", ["", "80", "8010", "801000", "8012000003AABB", "8012000001010203"])
def test_bytes_that_are_no_command_are_a_wrong_length(command: str) -> None:
    both(f"{command} > 6700 \n {WHICH} > 01 9000")


# --- T=1 ---


def test_t1_gives_what_is_asked_for() -> None:
    talk(
        toy_card(T1),
        f"""
        8010000017 > {STATE} 9000
        8010000000 > {STATE} 9000
        80100000FF > {STATE} 9000
        8010000007 > {STATE[:14]} 6110
        00C0000010 > {STATE[14:]} 9000
        80100000   > 6117               # no Le: the answer waits
        00C0000000 > {STATE} 9000
        8012000002 AABB 00 > AABB 9000
        8012000002 AABB 01 > AA 6101
        """,
    )


def test_t1_has_extended_length() -> None:
    talk(
        toy_card(T1),
        f"""
        80100000 00 0000 > {STATE} 9000
        80181000 00 0000 > 4096..9000
        80181000 00 0800 > 2048..6100
        00C00000 00 0800 > 2048..9000
        8018FFFF 00 0000 > 65535..9000
        80120000 00 0003 AABBCC 0003 > AABBCC 9000
        80120000 00 0003 AABBCC > 6103
        80181000 00 > 256..6100
        """,
    )


# --- selection ---

SELECTIONS = [
    ("full name", "00A4040006A00000000102", "02"),
    ("partial name: the first", "00A4040005A000000001", "01"),
    ("partial name: one fits", "00A4040005A000000002", "03"),
    ("another name", "00A4040002434D", "03"),
    ("empty name: the default", f"{SELECT_BETA} > 6108 \n 00A4040000", "01"),
    ("no name: the default", f"{SELECT_BETA} > 6108 \n 00A40400", "01"),
    ("last", "00A4040105A000000001", "02"),
    ("next", "00A4040205A000000001", "02"),
    ("next, over all", f"{SELECT_BETA} > 6108 \n 00A4040201A0", "03"),
    ("previous", f"{SELECT_BETA} > 6108 \n 00A4040305A000000001", "01"),
    ("next when another is selected: the first", f"{SELECT_GAMMA} > 6108 \n 00A4040205A000000001", "01"),
    ("previous when another is selected: the last", f"{SELECT_GAMMA} > 6108 \n 00A4040305A000000001", "02"),
]


@pytest.mark.parametrize(("what", "select", "applet"), SELECTIONS, ids=[what for what, *_ in SELECTIONS])
def test_select_by_name(what: str, select: str, applet: str) -> None:
    talk(toy_card(T0), f"{select} > 6108 \n {WHICH} > {applet} 9000")


@pytest.mark.parametrize(
    ("select", "sw"),
    [
        ("00A4040006A00000000103", "6A82"),
        ("00A4040007A0000000010100", "6A82"),  # longer than the name
        ("00A404000143", "6A82"),  # an alias is taken in full only
        ("00A4040010" + "A0" * 16, "6A82"),
        ("00A4040205A000000002", "6A82"),  # next after the last of that name
        ("00A4041006A00000000102", "6A86"),
        ("00A4000002" + "3F00", "6E00"),  # goes to the applet, which is in charge of its files
    ],
)
def test_a_failed_select_changes_nothing(select: str, sw: str) -> None:
    talk(toy_card(T0), f"{SELECT_GAMMA} > 6108 \n {MARK} > 9000 \n {select} > {sw} \n {WHICH} > 83 9000")
    talk(toy_card(T1), f"{SELECT_GAMMA} > 9000 \n {MARK} > 9000 \n {select} > {sw} \n {WHICH} > 83 9000")


def test_a_select_that_goes_well_forgets_what_was_before() -> None:
    talk(toy_card(T0), f"{MARK} > 9000 \n {WHICH} > 81 9000 \n {SELECT_ALPHA} > 6108 \n {WHICH} > 01 9000")


def test_what_select_answers() -> None:
    fci = "8406 A00000000102"
    talk(toy_card(T0), f"{SELECT_BETA} > 6108 \n 00C0000008 > {fci} 9000")
    talk(toy_card(T0), f"{SELECT_BETA}00 > 6108 \n 00C0000008 > {fci} 9000")
    talk(toy_card(T0), "00A4040C06A00000000102 > 9000 \n 00C0000001 > 6985")
    talk(toy_card(T1), f"{SELECT_BETA} > 9000 \n {SELECT_BETA}00 > {fci} 9000 \n {SELECT_BETA}02 > 8406 6106")
    talk(toy_card(T1), "00A4040C06A0000000010200 > 9000")


# --- classes, channels ---


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("FF10000017", "6E00"),
        ("FFA4040000", "6E00"),
        ("2010000017", "6E00"),
        ("20A4040006A00000000102", "6E00"),
        ("3F10000017", "6E00"),
        ("8060000000", "6D00"),
        ("006F000000", "6D00"),
        ("8090000000", "6D00"),
        ("809F000000", "6D00"),
        ("0410000000", "6882"),
        ("0C10000000", "6882"),
        ("8410000000", "6882"),
        ("6010000000", "6881"),  # secure messaging on channel 4, which is closed
        ("1010000000", "6884"),
        ("9010000001AA", "6884"),
        ("0110000000", "6881"),
        ("8310000000", "6881"),
        ("4010000000", "6881"),
        ("CF10000000", "6881"),
        ("0010000000", "6E00"),  # by the applet
        ("A010000000", "6E00"),
        ("E010000000", "6881"),  # GlobalPlatform's secure messaging on channel 4
    ],
)
def test_what_no_applet_gets_is_refused_for_its_reason(command: str, sw: str) -> None:
    both(f"{command} > {sw} \n {WHICH} > 01 9000")


def test_channels_have_each_their_selection_and_their_waiting_answer() -> None:
    talk(
        toy_card(T0),
        f"""
        0070000001 > 01 9000
        8116000001 > 01 9000              # a new channel begins with the default application
        01A4040006A00000000102 > 6108
        8012000002 AABB > 6102            # waits on the basic channel
        01C0000008 > 8406A00000000102 9000
        00C0000002 > AABB 9000
        81140000 > 9000
        {WHICH} > 01 9000
        8116000001 > 82 9000
        00708001 > 9000
        8116000001 > 6881
        01C0000001 > 6881
        00708001 > 6881
        """,
    )


def test_a_channel_of_the_hosts_choice() -> None:
    both(
        """
        00700013 > 9000
        CF16000001 > 01 9000
        00700013 > 6A81                   # it is open
        4F708000 > 9000                   # closes itself
        CF16000001 > 6881
        00700014 > 6A86                   # there are 20
        00708000 > 6A86                   # the basic channel stays
        00708014 > 6A86
        00704000 > 6A86
        0070000001AA > 6700
        """,
    )


def test_a_channel_opened_on_another_has_its_application() -> None:
    talk(
        toy_card(T1),
        """
        00700002 > 9000
        02A4040006A00000000201 > 9000
        02700007 > 9000
        C316000001 > 03 9000
        0070000001 > 01 9000
        8116000001 > 01 9000
        """,
    )


def test_there_are_twenty_channels() -> None:
    for protocol in CardProtocol:
        card = toy_card(protocol)
        for number in range(1, 20):
            talk(card, f"0070000001 > {number:02X} 9000")
        # Found by the fuzzer: no 6C01, which promises a channel that the same command with Le = 01 would not get.
        talk(card, "00700000 > 6A81 \n 00700000FD > 6A81")
        talk(card, "0070000001 > 6A81 \n 00708007 > 9000 \n 0070000001 > 07 9000")


def test_t0_asks_for_le_before_it_opens_a_channel() -> None:
    talk(toy_card(T0), "00700000 > 6C01 \n 0070000000 > 6C01 \n 0070000001 > 01 9000")
    talk(toy_card(T1), "0070000000 > 01 9000 \n 00700000 > 6101 \n 00C0000001 > 02 9000")


# --- power ---


def test_reset_forgets_everything() -> None:
    card = toy_card(T0)
    for again in (card.reset, card.power_on):
        talk(card, f"0070000001 > 01 9000 \n {SELECT_BETA} > 6108 \n {MARK} > 9000 \n 8012000001AA > 6101")
        assert again() == ATR
        talk(card, f"00C0000001 > 6985 \n {WHICH} > 01 9000 \n 8116000001 > 6881")


def test_without_power_there_is_no_precise_diagnosis() -> None:
    card = Card([Alpha({}, T0)], atr=ATR, protocol=T0)
    talk(card, f"{WHICH} > 6F00")
    card.power_on()
    card.power_off()
    talk(card, f"{WHICH} > 6F00 \n > 6F00")


def test_a_card_without_applets_answers_all_the_same() -> None:
    for protocol in CardProtocol:
        card = Card([], atr=ATR, protocol=protocol)
        card.power_on()
        talk(card, f"{SELECT_ALPHA} > 6A82 \n 00A40400 > 6A82 \n {WHICH} > 6D00 \n 00C0000001 > 6985")


# --- chains ---

SELECT_DELTA = "00A4040006A00000000301"


class _KeptUse(_Use):
    """Keeps its mark over a second SELECT, and has a memory that fails."""

    def process(self, command: CommandApdu) -> ResponseApdu:
        if command.ins == 0x1C:
            raise ImageError("the disk is full")
        return super().process(command)


class Delta(_Toy):
    """Takes chains; selected again, it is where it was."""

    name, aid, number, chaining = "delta", bytes.fromhex("A00000000301"), 4, True

    def open(self) -> Selection:
        return _KeptUse(self.number)

    def reopen(self, selection: Selection) -> Selection:
        return selection


def chaining_card(protocol: CardProtocol = T1) -> Card:
    card = Card([kind({}, protocol) for kind in (Delta, Alpha)], atr=ATR, protocol=protocol)
    card.power_on()
    return card


def test_a_chain_is_one_command() -> None:
    talk(
        chaining_card(T0),
        "9012000002 AABB > 9000 \n 9012000001 CC > 9000 \n 8012000001 DD > 6104 \n 00C0000004 > AABBCCDD 9000",
    )
    talk(chaining_card(T1), "9012000002 AABB > 9000 \n 90120000 > 9000 \n 8012000001 CC 00 > AABBCC 9000")
    talk(chaining_card(T1), "9012000002 AABB > 9000 \n 8012000000 > AABB 9000")
    talk(chaining_card(T1), "90120000 00 0002 AABB > 9000 \n 80120000 00 0001 CC 0000 > AABBCC 9000")


@pytest.mark.parametrize(
    ("between", "answer"),
    [
        (WHICH, "04 9000"),
        ("8012010001 DD 00", "DD 9000"),  # other parameters: another command
        ("9012010001 DD", "9000"),
        ("0012000001 DD 00", "6E00"),  # another class
        ("00C0000001", "6985"),
        ("00A4040006A00000000999", "6A82"),
        (SELECT_DELTA, "9000"),
        ("0070000001", "01 9000"),
    ],
)
def test_what_comes_in_between_ends_a_chain(between: str, answer: str) -> None:
    card = chaining_card()
    talk(card, f"9012000002 AABB > 9000 \n {between} > {answer} \n 8012000001 CC 00 > CC 9000")


@pytest.mark.parametrize(
    ("bytes_", "answer"), [("8012000002 AA", "6700"), ("8060000000", "6D00"), ("8412000001 DD", "6882")]
)
def test_what_reaches_no_channel_leaves_its_chain_alone(bytes_: str, answer: str) -> None:
    talk(chaining_card(), f"9012000002 AABB > 9000 \n {bytes_} > {answer} \n 8012000001 CC 00 > AABBCC 9000")


def test_each_channel_has_its_chain() -> None:
    talk(
        chaining_card(),
        """
        00700001 > 9000
        9012000001 AA > 9000
        9112000001 BB > 9000
        8012000001 CC 00 > AACC 9000
        8112000001 DD 00 > BBDD 9000
        """,
    )


def test_a_chain_has_an_end() -> None:
    card = chaining_card()
    for _ in range(257):
        talk(card, "90120000FF " + "55" * 255 + " > 9000")
    talk(card, "9012000001 55 > 6700 \n 8012000001 CC 00 > CC 9000")


def test_the_longest_chain() -> None:
    card = chaining_card()
    for _ in range(256):
        talk(card, "90120000FF " + "55" * 255 + " > 9000")
    talk(card, "80120000 00 00FF " + "55" * 255 + " 0000 > 65535..9000")


@pytest.mark.parametrize("command", ["10A4040006A00000000301", "10C0000001", "10700000"])
def test_what_is_never_chained(command: str) -> None:
    talk(chaining_card(), f"9012000001 AA > 9000 \n {command} > 6884 \n 8012000001 CC 00 > CC 9000")


def test_a_link_drops_the_answer_that_waits() -> None:
    talk(chaining_card(T0), "8010000007 > 00010203040506 6110 \n 9012000001 AA > 9000 \n 00C0000010 > 6985")


def test_another_application_gets_nothing_of_a_chain() -> None:
    card = chaining_card()
    talk(card, f"9012000001 AA > 9000 \n {SELECT_ALPHA} > 9000 \n 8012000001 CC 00 > CC 9000 \n 9012000001 AA > 6884")
    talk(card, f"{SELECT_DELTA} > 9000 \n 8012000001 CC 00 > CC 9000")


def test_power_ends_a_chain() -> None:
    card = chaining_card()
    talk(card, "9012000001 AA > 9000")
    card.reset()
    talk(card, "8012000001 CC 00 > CC 9000")


# --- reselection, memory ---


def test_an_applet_may_keep_what_it_knows_when_it_is_selected_again() -> None:
    talk(
        chaining_card(),
        f"""
        {MARK} > 9000
        {SELECT_DELTA} > 9000
        00A4040004A0000000 > 9000
        {WHICH} > 84 9000
        00A4040006A00000000999 > 6A82
        {WHICH} > 84 9000
        {SELECT_ALPHA} > 9000
        {SELECT_DELTA} > 9000
        {WHICH} > 04 9000
        """,
    )


def test_a_memory_that_takes_nothing_is_a_memory_failure() -> None:
    talk(chaining_card(T0), f"801C0000 > 6581 \n {WHICH} > 04 9000")
    talk(chaining_card(T1), f"801C0000 > 6581 \n {WHICH} > 04 9000")
