from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.errors import (
    AppNotFound,
    CardProtocolError,
    CardRemoved,
    DecodeError,
    SecurityStatusNotSatisfied,
    StatusError,
    UsageError,
)
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.exchange import LinkState, exchange
from ecitizen.model import LinkStats
from ecitizen.session import CardSession

AID = bytes.fromhex("A000000054480001")
SELECT = "00A4040008A000000054480001"


class Scripted:
    """A transport that expects commands in their order and gives the answers written beside them."""

    def __init__(self, *script: tuple[str, str], protocol: CardProtocol = CardProtocol.T0, atr: str = "3B00") -> None:
        self.name = "scripted"
        self.atr = bytes.fromhex(atr)
        self.protocol = protocol
        self.script = list(script)
        self.events: list[str] = []

    def transmit(self, command: bytes) -> bytes:
        expected, answer = self.script.pop(0)
        assert command.hex().upper() == expected
        if answer == "removed":
            raise CardRemoved("the card was pulled out")
        return bytes.fromhex(answer)

    def reset(self) -> None:
        self.events.append("reset")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.events.append("begin")
        yield
        self.events.append("end")

    def close(self) -> None:
        self.events.append("close")


def session(*script: tuple[str, str], protocol: CardProtocol = CardProtocol.T0, atr: str = "3B00") -> CardSession:
    return CardSession(Scripted(*script, protocol=protocol, atr=atr))


def test_a_session_is_its_transports_and_closes_it() -> None:
    transport = Scripted(protocol=CardProtocol.T1)
    with CardSession(transport) as card:
        assert (card.name, card.atr, card.protocol) == ("scripted", b"\x3b\x00", CardProtocol.T1)
        card.reset()
        with card.transaction():
            pass
    assert transport.events == ["reset", "begin", "end", "close"]


def test_a_closed_session_says_so() -> None:
    card = session()
    card.close()
    card.close()
    with pytest.raises(UsageError, match="closed"):
        card.transmit(CommandApdu(0, 0xB0))
    with pytest.raises(UsageError, match="closed"):
        card.reset()
    with pytest.raises(UsageError, match="closed"):
        card.transaction()


@pytest.mark.parametrize(
    ("atr", "get_response"), [("3B6700", "00C0000102"), ("3B6800", "00C0000002"), ("", "00C0000002")]
)
def test_the_oldest_chips_are_known_by_their_atr(atr: str, get_response: str) -> None:
    card = session(("80B00000020002", "6102"), (get_response, "30309000"), atr=atr)
    assert card.transmit(CommandApdu(0x80, 0xB0, 0, 0, b"\x00\x02", 2)).data == b"00"


def test_everything_on_the_link_is_counted() -> None:
    card = session(("80B00000020002", "6102"), ("00C0000002", "30309000"), ("00B0000001", "6A82"))
    card.transmit(CommandApdu(0x80, 0xB0, 0, 0, b"\x00\x02", 2))
    begun = card.stats
    assert begun == LinkStats("T=0", 2, 12, 6)
    card.transmit(CommandApdu(0, 0xB0, ne=1))
    assert card.stats == LinkStats("T=0", 3, 17, 8)
    assert card.stats_since(begun) == LinkStats("T=0", 1, 5, 2)


def test_select_on_t0_does_not_fetch_what_nobody_reads() -> None:
    assert session((SELECT, "610A")).select(AID) == b""
    assert session((SELECT, "9000")).select(AID) == b""
    assert session((SELECT, "6283")).select(AID) == b""


def test_select_on_t1_gives_the_control_information() -> None:
    card = session((SELECT + "00", "6F0A8408A0000000544800019000"), protocol=CardProtocol.T1)
    assert card.select(AID) == bytes.fromhex("6F0A8408A000000054480001")


def test_select_tells_absent_from_refused() -> None:
    with pytest.raises(AppNotFound, match="A000000054480001") as absent:
        session((SELECT, "6A82")).select(AID)
    assert absent.value.sw == 0x6A82
    with pytest.raises(StatusError, match=r"selecting A000000054480001.*6A81") as refused:
        session((SELECT, "6A81")).select(AID)
    assert not isinstance(refused.value, AppNotFound)


def test_a_command_must_succeed() -> None:
    read = CommandApdu(0x00, 0xB0, ne=4)
    assert session(("00B0000004", "010203049000")).command(read, "reading") == b"\x01\x02\x03\x04"
    assert session(("00B0000004", "01026282")).command(read, "reading") == b"\x01\x02"
    with pytest.raises(SecurityStatusNotSatisfied, match=r"^reading: the card answered 6982"):
        session(("00B0000004", "6982")).command(read, "reading")
    with pytest.raises(StatusError) as error:
        session(("00B0000004", "6F00")).command(read, "reading")
    assert error.value.sw == 0x6F00


def test_read_binary() -> None:
    assert session(("00B0010203", "4142439000")).read_binary(0x0102, 3) == b"ABC"
    assert session(("00B0810005", "4142436282")).read_binary(0, 5, sfi=1) == b"ABC"
    with pytest.raises(DecodeError, match="without data"):
        session(("00B0000003", "9000")).read_binary(0, 3)
    with pytest.raises(StatusError):
        session(("00B0000003", "6B00")).read_binary(0, 3)


def test_extended_length_once_it_is_known() -> None:
    card = session(("00B00000001000", "AB" * 4096 + "9000"), protocol=CardProtocol.T1)
    card.link.extended_length = True
    assert card.read_binary(0, 4096) == b"\xab" * 4096


def test_what_goes_wrong_on_the_way_is_told_apart() -> None:
    with pytest.raises(CardRemoved):
        session(("00B0000001", "removed")).read_binary(0, 1)
    with pytest.raises(CardProtocolError):
        session(("00B0000001", "")).read_binary(0, 1)
    with pytest.raises(CardProtocolError):
        session(("00B0000001", "00010203")).read_binary(0, 1)


class Repeating(Scripted):
    """A transport that gives its answers one after another, over and over, and keeps what it was sent."""

    def __init__(self, answers: list[bytes], protocol: CardProtocol) -> None:
        super().__init__(protocol=protocol)
        self.answers = cycle(answers)
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return next(self.answers)


@settings(deadline=None)
@given(
    command=st.builds(
        CommandApdu,
        st.just(0x00),
        st.sampled_from([0xB0, 0xC0]),
        data=st.sampled_from([b"", b"\x00\xff", bytes(300)]),
        ne=st.sampled_from([None, 2, 256, 300]),
    ),
    protocol=st.sampled_from(CardProtocol),
    answers=st.lists(
        st.sampled_from(["9000", "CAFE9000", "CAFEBA9000", "6102", "CA6101", "6C01", "6A86", "6A82", "6000", ""]),
        min_size=1,
        max_size=4,
    ),
)
def test_the_short_way_is_the_exchange(command: CommandApdu, protocol: CardProtocol, answers: list[str]) -> None:
    """A plain command is sent without the generator; what goes over the link, and what comes of it, is the same."""
    card = Repeating([bytes.fromhex(answer) for answer in answers], protocol)
    given_by_session = outcome(lambda: CardSession(card).transmit(command))
    twin = Repeating([bytes.fromhex(answer) for answer in answers], protocol)
    assert outcome(lambda: by_the_book(command, twin)) == given_by_session
    assert twin.sent == card.sent


def outcome(call: Callable[[], ResponseApdu]) -> ResponseApdu | str:
    try:
        return call()
    except CardProtocolError as error:
        return str(error)


def by_the_book(command: CommandApdu, card: Repeating) -> ResponseApdu:
    steps = exchange(command, LinkState(card.protocol))
    raw = next(steps)
    while True:
        try:
            raw = steps.send(card.transmit(raw))
        except StopIteration as done:
            response: ResponseApdu = done.value
            return response
