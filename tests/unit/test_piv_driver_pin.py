"""PIN and PUK: what is sent, what is not, and what other makers' answers mean."""

import pytest

from cardapps.piv.driver import PivSession
from ecitizen.errors import (
    LastTryRefused,
    NotSupported,
    PinBlocked,
    PinIncorrect,
    SecurityStatusNotSatisfied,
    StatusError,
    UsageError,
)
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.ports import PinState
from tests.unit.piv_scripts import OTHER_PIN, OTHER_PIN_BYTES, OTHER_PUK, PIN, PIN_BYTES, PUK, playing

STATE = "> 00 20 00 80"
VERIFY = f"> 00 20 00 80 08 {PIN_BYTES}"
METADATA = "> 00 F7 00 80 00"
PUK_METADATA = "> 00 F7 00 81 00"
NO_METADATA = "< 6D 00"
PUK_BYTES = "31 32 33 34 35 36 37 38"
OTHER_PUK_BYTES = "'open-it!'"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("90 00", PinState(None, verified=True)),
        ("63 C3", PinState(3)),
        ("63 C0", PinState(0)),
        ("63 CF", PinState(15)),
        ("63 02", PinState(2)),
        ("63 00", PinState(None)),
        ("69 83", PinState(0)),
        ("69 82", PinState(None)),
        ("6A 88", PinState(None)),
        ("67 00", PinState(None)),
        ("6D 00", PinState(None)),
    ],
)
def test_state_on_cards_without_metadata(answer: str, state: PinState) -> None:
    with playing(f"{STATE}\n< {answer}\n{METADATA}\n{NO_METADATA}\n{STATE}\n< {answer}") as piv:
        assert piv.pin_state() == state
        assert piv.pin_state() == state  # metadata are not asked for again
        assert piv.known_pin_state == state


def test_state_with_more_tries_than_a_status_word_can_tell() -> None:
    with playing(f"{STATE}\n< 63 CF\n{METADATA}\n< 06 02 FF FE 90 00") as piv:
        assert piv.pin_state() == PinState(0xFE, 0xFF)


def test_state_on_cards_with_metadata() -> None:
    answer = "< 01 01 FF 05 01 01 06 02 05 04 90 00"
    with playing(f"{STATE}\n< 63 C4\n{METADATA}\n{answer}\n{STATE}\n< 90 00\n{METADATA}\n{answer}") as piv:
        assert piv.pin_state() == PinState(4, 5, verified=False, is_default=True)
        assert piv.pin_state() == PinState(4, 5, verified=True, is_default=True)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("01 01 FF 05 01 00 06 02 03 02 90 00", PinState(2, 3, is_default=False)),
        ("06 02 03 00 90 00", PinState(0, 3)),
        ("01 01 FF 06 01 03 90 00", PinState(None, 3)),
        ("01 01 FF 05 00 06 00 90 00", PinState(None)),
        ("90 00", PinState(None)),
        ("6A 88", PinState(None)),
        ("69 85", PinState(None)),
    ],
)
def test_state_of_the_puk(answer: str, state: PinState) -> None:
    with playing(f"{PUK_METADATA}\n< {answer}") as piv:
        assert piv.puk_state() == state


def test_verify() -> None:
    with playing(f"{STATE}\n< 63 C3\n{VERIFY}\n< 90 00", CardProtocol.T0) as piv:
        piv.verify_pin(PIN)
        assert piv.known_pin_state == PinState(None, verified=True)


def test_the_last_try_is_not_used_by_accident() -> None:
    with playing(f"{STATE}\n< 63 C1") as piv, pytest.raises(LastTryRefused, match="one try is left for the PIN"):
        piv.verify_pin(PIN)
    with playing(f"{STATE}\n< 63 C1\n{VERIFY}\n< 90 00") as piv:
        piv.verify_pin(PIN, last_try=True)


@pytest.mark.parametrize("answer", ["63 C0", "69 83"])
def test_a_blocked_pin_is_not_sent(answer: str) -> None:
    with playing(f"{STATE}\n< {answer}") as piv, pytest.raises(PinBlocked, match="unblock it with the PUK") as error:
        piv.verify_pin(PIN, last_try=True)
    assert error.value.sw == 0x6983


def test_where_nothing_is_known_of_the_tries_the_pin_is_sent() -> None:
    for answer in ("6A 88", "63 00", "67 00"):
        with playing(f"{STATE}\n< {answer}\n{VERIFY}\n< 90 00") as piv:
            piv.verify_pin(PIN)


def test_a_wrong_pin() -> None:
    with playing(f"{STATE}\n< 63 C3\n{VERIFY}\n< 63 C2") as piv:
        with pytest.raises(PinIncorrect, match="2 tries are left") as error:
            piv.verify_pin(PIN)
        assert piv.known_pin_state is None
    assert (error.value.retries_left, error.value.sw) == (2, 0x63C2)
    with playing(f"{STATE}\n< 63 02\n{VERIFY}\n< 63 01") as piv, pytest.raises(PinIncorrect, match="1 try is left"):
        piv.verify_pin(PIN)


@pytest.mark.parametrize(("answer", "words"), [("63 C0", "wrong, and now blocked"), ("69 83", "is blocked")])
def test_a_wrong_pin_that_was_the_last(answer: str, words: str) -> None:
    with playing(f"{STATE}\n< 63 C1\n{VERIFY}\n< {answer}") as piv, pytest.raises(PinBlocked, match=words):
        piv.verify_pin(PIN, last_try=True)


@pytest.mark.parametrize("answer", ["63 00", "69 82"])
def test_a_wrong_pin_on_cards_that_give_no_number(answer: str) -> None:
    script = f"{STATE}\n< 63 C3\n{VERIFY}\n< {answer}\n{STATE}\n< 63 C2"
    with playing(script) as piv, pytest.raises(PinIncorrect) as error:
        piv.verify_pin(PIN)
    assert error.value.retries_left == 2
    script = f"{STATE}\n< {answer}\n{VERIFY}\n< {answer}\n{STATE}\n< {answer}"
    with playing(script) as piv, pytest.raises(StatusError, match="the PIN is wrong, and this card does not") as other:
        piv.verify_pin(PIN)
    assert isinstance(other.value, SecurityStatusNotSatisfied) == (answer == "69 82")


def test_other_refusals_are_told_as_they_are() -> None:
    with playing(f"{STATE}\n< 63 C3\n{VERIFY}\n< 6A 80") as piv, pytest.raises(StatusError, match="6A80"):
        piv.verify_pin(PIN)


def test_end_of_verification() -> None:
    with playing("> 00 20 FF 80\n< 90 00") as piv:
        piv.end_verification()
    with playing("> 00 20 FF 80\n< 6A 86") as piv, pytest.raises(StatusError, match="6A86"):
        piv.end_verification()


def test_change_of_the_pin() -> None:
    command = f"> 00 24 00 80 10 {PIN_BYTES} {OTHER_PIN_BYTES}"
    with playing(f"{STATE}\n< 63 C3\n{command}\n< 90 00") as piv:
        piv.change_pin(PIN, OTHER_PIN)
    with playing(f"{STATE}\n< 63 C3\n{command}\n< 63 C2") as piv, pytest.raises(PinIncorrect, match="changing the PIN"):
        piv.change_pin(PIN, OTHER_PIN)
    with playing(f"{STATE}\n< 63 C1") as piv, pytest.raises(LastTryRefused):
        piv.change_pin(PIN, OTHER_PIN)


def test_change_of_the_puk() -> None:
    command = f"> 00 24 00 81 10 {PUK_BYTES} {OTHER_PUK_BYTES}"
    with playing(f"{PUK_METADATA}\n< 06 02 03 03 90 00\n{command}\n< 90 00") as piv:
        piv.change_puk(PUK, OTHER_PUK)
    with (
        playing(f"{PUK_METADATA}\n{NO_METADATA}\n{command}\n< 69 83") as piv,
        pytest.raises(PinBlocked, match="issued"),
    ):
        piv.change_puk(PUK, OTHER_PUK)
    with playing(f"{PUK_METADATA}\n< 06 02 03 01 90 00") as piv, pytest.raises(LastTryRefused, match="the PUK"):
        piv.change_puk(PUK, OTHER_PUK)
    with playing(f"{PUK_METADATA}\n< 06 02 03 00 90 00") as piv, pytest.raises(PinBlocked, match="the PUK"):
        piv.change_puk(PUK, OTHER_PUK)


def test_unblocking() -> None:
    command = f"> 00 2C 00 80 10 {PUK_BYTES} {OTHER_PIN_BYTES}"
    with playing(f"{PUK_METADATA}\n{NO_METADATA}\n{command}\n< 90 00") as piv:
        piv.unblock_pin(PUK, OTHER_PIN)
    with (
        playing(f"{PUK_METADATA}\n{NO_METADATA}\n{command}\n< 63 C4") as piv,
        pytest.raises(PinIncorrect, match="unblocking the PIN: the PUK is wrong; 4 tries are left"),
    ):
        piv.unblock_pin(PUK, OTHER_PIN)
    with (
        playing(f"{PUK_METADATA}\n{NO_METADATA}\n{command}\n< 63 00") as piv,
        pytest.raises(StatusError, match="the PUK is wrong, and this card does not tell"),
    ):
        piv.unblock_pin(PUK, OTHER_PIN)


def test_number_of_tries() -> None:
    with playing("> 00 FA 05 0A\n< 90 00") as piv:
        piv.set_retries(5, 10)
    with playing("> 00 FA 05 0A\n< 6D 00") as piv, pytest.raises(NotSupported, match="no command for that"):
        piv.set_retries(5, 10)
    with playing("> 00 FA 05 0A\n< 69 82") as piv, pytest.raises(SecurityStatusNotSatisfied):
        piv.set_retries(5, 10)


@pytest.mark.parametrize(("pin", "puk"), [(0, 3), (3, 0), (256, 3), (3, -1)])
def test_impossible_numbers_of_tries(pin: int, puk: int) -> None:
    with playing("") as piv, pytest.raises(UsageError):
        piv.set_retries(pin, puk)


def test_no_pin_in_any_message() -> None:
    def refused(piv: PivSession) -> str:
        with pytest.raises(StatusError) as error:
            piv.verify_pin(PIN)
        return f"{error.value} {error.value!r} {error.value.args}"

    for answer in ("63 C2", "63 00", "69 83", "6A 80", "6F 00"):
        with playing(f"{STATE}\n< 6A 88\n{VERIFY}\n< {answer}\n" + f"{STATE}\n< 6A 88" * (answer == "63 00")) as piv:
            assert "123456" not in refused(piv)
