"""Selection, discovery of extensions and reset: hand-written conversations with cards of several makers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cardapps.piv.driver import ApplicationProperties, PivSession
from cardapps.piv.layout import Slot
from ecitizen.errors import AppNotFound, CardReset, NotSupported, StatusError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.ports import PinHolder, PinState
from ecitizen.session import CardSession
from tests.unit.piv_scripts import PIN, playing, written

SELECT = "> 00 A4 04 00 09 A0 00 00 03 08 00 00 10 00"
SELECT_WHOLE = "> 00 A4 04 00 0B A0 00 00 03 08 00 00 10 00 01 00"
AID = bytes.fromhex("A000000308000010000100")


def test_a_session_is_a_pin_holder() -> None:
    with playing("") as piv:
        holder: PinHolder = piv
        assert holder is piv


@pytest.mark.parametrize(
    ("answer", "properties"),
    [
        pytest.param(
            "61 2C 4F 06 00 00 10 00 01 00 79 07 4F 05 A0 00 00 03 08 50 06 'My PIV'"
            " AC 06 80 01 07 06 01 00 AC 09 80 01 11 80 01 E0 06 01 00",
            ApplicationProperties(AID, "My PIV", frozenset({0x07, 0x11, 0xE0})),
            id="the-part-behind-the-rid",
        ),
        pytest.param(
            "61 16 4F 0B A0 00 00 03 08 00 00 10 00 01 00 79 07 4F 05 A0 00 00 03 08",
            ApplicationProperties(AID),
            id="the-whole-name",
        ),
        pytest.param("61 08 4F 06 00 00 10 00 01 00", ApplicationProperties(AID), id="no-authority"),
        pytest.param(
            "61 0A 79 07 4F 05 A0 00 00 03 08 50 FF", ApplicationProperties(), id="damaged, and selected all the same"
        ),
        pytest.param("61 09 79 07 4F 05 A0 00 00 03 08", ApplicationProperties(), id="no-name"),
        pytest.param("6F 08 84 06 00 00 10 00 01 00", ApplicationProperties(), id="another-template"),
        pytest.param("", ApplicationProperties(), id="nothing"),
    ],
)
def test_select_takes_what_the_card_says_of_itself(answer: str, properties: ApplicationProperties) -> None:
    with written(f"{SELECT} 00\n< {answer} 90 00") as session:
        assert PivSession.select(session).properties == properties


def test_select_on_t0_fetches_the_answer() -> None:
    script = f"{SELECT}\n< 61 0A\n> 00 C0 00 00 0A\n< 61 08 4F 06 00 00 10 00 01 00 90 00"
    with written(script, CardProtocol.T0) as session:
        assert PivSession.select(session).properties.aid == AID


def test_a_card_that_wants_the_whole_name() -> None:
    with written(f"{SELECT} 00\n< 6A 82\n{SELECT_WHOLE} 00\n< 90 00") as session:
        PivSession.select(session)


def test_a_card_without_the_application() -> None:
    with (
        written(f"{SELECT} 00\n< 6A 82\n{SELECT_WHOLE} 00\n< 6A 82") as session,
        pytest.raises(AppNotFound, match="no PIV application"),
    ):
        PivSession.select(session)


def test_a_card_that_refuses_the_application() -> None:
    with written(f"{SELECT} 00\n< 6A 81\n{SELECT_WHOLE} 00\n< 62 83") as session:
        assert PivSession.select(session).properties == ApplicationProperties()
    with (
        written(f"{SELECT} 00\n< 69 85\n{SELECT_WHOLE} 00\n< 69 85") as session,
        pytest.raises(StatusError, match=r"selecting the PIV application.*6985"),
    ):
        PivSession.select(session)


def test_version_and_serial_are_asked_for_once() -> None:
    with playing("> 00 FD 00 00 00\n< 05 07 00 90 00\n> 00 F8 00 00 00\n< 01 02 03 04 90 00") as piv:
        assert [piv.version(), piv.version()] == [(5, 7, 0)] * 2
        assert [piv.serial(), piv.serial()] == [0x01020304] * 2


@pytest.mark.parametrize(
    "sw", ["6A 80", "6A 88", "6D 00", "69 85", "6E 00", "6A 81", "6A 86", "6B 00", "67 00", "6F 00"]
)
def test_a_card_without_version_and_serial(sw: str) -> None:
    with playing(f"> 00 FD 00 00 00\n< {sw}\n> 00 F8 00 00 00\n< {sw}") as piv:
        assert [piv.version(), piv.version()] == [None, None]
        assert [piv.serial(), piv.serial()] == [None, None]


def test_odd_versions_and_serials() -> None:
    with playing("> 00 FD 00 00 00\n< 05 07 90 00\n> 00 F8 00 00 00\n< 90 00") as piv:
        assert piv.version() is None
        assert piv.serial() is None


def test_a_card_that_fails_is_not_one_without_the_extension() -> None:
    with playing("> 00 FD 00 00 00\n< 65 81") as piv, pytest.raises(StatusError, match=r"asking for the version.*6581"):
        piv.version()


def test_reset_blocks_pin_and_puk_first() -> None:
    wrong = "30 31 32 33 34 35 36 37"
    with playing(
        f"""
        > 00 FD 00 00 00
        < 05 07 00 90 00
        > 00 FB 00 00
        < 69 85
        > 00 20 00 80 08 {wrong}
        < 63 C1
        > 00 20 00 80 08 {wrong}
        < 90 00                                 # it was the right one, by the rarest chance
        > 00 20 00 80 08 {wrong}
        < 63 C0
        > 00 24 00 81 10 {wrong} {wrong}
        < 63 C0
        > 00 FB 00 00
        < 90 00
        """
    ) as piv:
        piv.reset()


def test_reset_of_a_card_that_is_blocked_already() -> None:
    with playing("> 00 FD 00 00 00\n< 05 07 00 90 00\n> 00 FB 00 00\n< 90 00") as piv:
        piv.reset()


def test_reset_destroys_nothing_on_a_card_that_has_no_reset() -> None:
    with playing("> 00 FD 00 00 00\n< 69 85") as piv, pytest.raises(NotSupported):
        piv.reset()
    with playing("> 00 FD 00 00 00\n< 05 07 00 90 00\n> 00 FB 00 00\n< 6D 00") as piv, pytest.raises(NotSupported):
        piv.reset()


def test_reset_says_if_the_card_won_t_after_all() -> None:
    script = """
        > 00 FD 00 00 00
        < 05 07 00 90 00
        > 00 FB 00 00
        < 69 85
        > 00 20 00 80 08 30 31 32 33 34 35 36 37
        < 69 83
        > 00 24 00 81 10 30 31 32 33 34 35 36 37 30 31 32 33 34 35 36 37
        < 69 83
        > 00 FB 00 00
        < 69 85
        """
    with playing(script) as piv, pytest.raises(StatusError, match="6985"):
        piv.reset()


def test_reset_stops_at_an_answer_that_it_does_not_understand() -> None:
    script = """
        > 00 FD 00 00 00
        < 05 07 00 90 00
        > 00 FB 00 00
        < 69 85
        > 00 20 00 80 08 30 31 32 33 34 35 36 37
        < 6A 80
        """
    with playing(script) as piv, pytest.raises(StatusError, match="blocking the PIN"):
        piv.reset()


class OneCard:
    """Another program uses the card too: it may reset it, and its doings wait for our transactions."""

    name, atr, protocol = "shared", b"\x3b\x00", CardProtocol.T1

    def __init__(self) -> None:
        self.events: list[str] = []
        self.was_reset = False

    def transmit(self, command: bytes) -> bytes:
        self.events.append(command.hex().upper())
        return bytes.fromhex("63C3") if len(command) == 4 else bytes.fromhex("9000")

    def reset(self) -> None:
        self.was_reset = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self.was_reset:
            raise CardReset("another program reset the card")
        self.events.append("begin")
        yield
        self.events.append("end")

    def close(self) -> None:
        self.events.append("close")


def test_what_belongs_together_is_one_transaction() -> None:
    card = OneCard()
    piv = PivSession(CardSession(card), ApplicationProperties())
    piv.verify_pin(PIN)
    assert card.events == ["begin", "00200080", "0020008008313233343536FFFF", "end"]
    card.events.clear()
    with piv.transaction():
        piv.verify_pin(PIN)
        piv.delete_object(0x5FC105)
    assert (card.events[0], card.events[-1], len(card.events)) == ("begin", "end", 5)


def test_after_another_program_reset_the_card_nothing_is_believed_or_done_again() -> None:
    card = OneCard()
    piv = PivSession(CardSession(card), ApplicationProperties())
    piv.verify_pin(PIN)
    assert piv.known_pin_state == PinState(None, verified=True)
    card.was_reset = True
    card.events.clear()
    for _ in range(2):
        with pytest.raises(CardReset):
            piv.public_key(Slot.AUTHENTICATION)
    assert card.events == []
    assert piv.known_pin_state is None


def test_reset_of_a_card_that_takes_any_pin() -> None:
    class Yes(OneCard):
        def transmit(self, command: bytes) -> bytes:
            self.events.append(command.hex())
            return bytes.fromhex({0xFB: "6985", 0xFD: "0507009000"}.get(command[1], "9000"))

    card = Yes()
    with pytest.raises(StatusError, match="6985"):
        PivSession(CardSession(card), ApplicationProperties()).reset()
    assert len(card.events) < 1100


def test_the_driver_is_quick_to_import() -> None:
    code = "import sys, cardapps.piv.driver; print(*{'cryptography', 'hashlib', 'hmac'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert found.strip() == ""
