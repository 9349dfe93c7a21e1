import pytest

from ecitizen.errors import (
    AppNotFound,
    NotSupported,
    PinBlocked,
    PinIncorrect,
    SecurityStatusNotSatisfied,
    StatusError,
)
from ecitizen.iso7816.status import (
    StatusWord,
    describe,
    is_success,
    is_valid,
    is_warning,
    retries_left,
    status_error,
)

GENERIC = {"not a status word", "proprietary status word"}


@pytest.mark.parametrize(
    ("sw", "name"),
    [
        (0x9000, "NO_ERROR"),
        (0x6282, "END_REACHED_BEFORE_NE_BYTES"),
        (0x6581, "MEMORY_FAILURE"),
        (0x6700, "WRONG_LENGTH"),
        (0x6881, "LOGICAL_CHANNEL_NOT_SUPPORTED"),
        (0x6884, "COMMAND_CHAINING_NOT_SUPPORTED"),
        (0x6982, "SECURITY_STATUS_NOT_SATISFIED"),
        (0x6983, "AUTHENTICATION_METHOD_BLOCKED"),
        (0x6984, "REFERENCE_DATA_NOT_USABLE"),
        (0x6985, "CONDITIONS_OF_USE_NOT_SATISFIED"),
        (0x6986, "COMMAND_NOT_ALLOWED_NO_CURRENT_EF"),
        (0x6A80, "INCORRECT_DATA_FIELD"),
        (0x6A82, "FILE_OR_APPLICATION_NOT_FOUND"),
        (0x6A86, "INCORRECT_PARAMETERS_P1_P2"),
        (0x6A88, "REFERENCED_DATA_NOT_FOUND"),
        (0x6B00, "WRONG_PARAMETERS_P1_P2"),
        (0x6D00, "INSTRUCTION_NOT_SUPPORTED"),
        (0x6E00, "CLASS_NOT_SUPPORTED"),
        (0x6F00, "NO_PRECISE_DIAGNOSIS"),
    ],
)
def test_names_are_those_of_the_standard(sw: int, name: str) -> None:
    assert StatusWord(sw).name == name


@pytest.mark.parametrize(
    ("sw", "words"),
    [
        (0x9000, "no error"),
        (0x6982, "security status not satisfied"),
        (0x6A82, "file or application not found"),
        (0x6100, "256 or more response bytes are waiting"),
        (0x611A, "26 more response bytes are waiting"),
        (0x6C00, "wrong Le, the right one is 256"),
        (0x6C64, "wrong Le, the right one is 100"),
        (0x63C0, "counter at 0"),
        (0x63CF, "counter at 15"),
        (0x63D0, "unlisted warning, memory may have changed"),
        (0x63BF, "unlisted warning, memory may have changed"),
        (0x6210, "the card has a query of 16 bytes for the terminal"),
        (0x6402, "the card has a query of 2 bytes for the terminal"),
        (0x62F1, "unlisted warning, memory unchanged"),
        (0x6AF1, "unlisted fault in the parameters"),
        (0x9110, "proprietary status word"),
        (0x9FFF, "proprietary status word"),
        (0x6000, "not a status word"),
        (0x7000, "not a status word"),
        (-1, "not a status word"),
        (0x16982, "not a status word"),
    ],
)
def test_describe(sw: int, words: str) -> None:
    assert describe(sw) == words


def test_every_name_has_words_of_its_own() -> None:
    words = [describe(sw) for sw in StatusWord]
    assert len(set(words)) == len(words)
    assert not GENERIC.intersection(words)
    assert not any(each.startswith("unlisted") for each in words)


def test_every_valid_interindustry_word_is_described() -> None:
    for sw in range(0x6100, 0x7000):
        assert describe(sw) not in GENERIC, f"{sw:04X}"


def test_kinds_partition_the_words() -> None:
    success = {sw for sw in range(0x10000) if is_success(sw)}
    warning = {sw for sw in range(0x10000) if is_warning(sw)}
    valid = {sw for sw in range(0x10000) if is_valid(sw)}
    assert success == {0x9000, *range(0x6100, 0x6200)}
    assert warning == set(range(0x6200, 0x6400))
    assert valid == {*range(0x6100, 0x7000), *range(0x9000, 0xA000)}


def test_values_beyond_16_bits_are_nothing() -> None:
    for sw in (-1, 0x19000, 0x16100, 0x16282):
        assert not is_success(sw)
        assert not is_warning(sw)
        assert not is_valid(sw)


def test_status_error_says_what_happened() -> None:
    error = status_error(0x6982, "reading the record")
    assert isinstance(error, SecurityStatusNotSatisfied)
    assert error.sw == 0x6982
    assert str(error) == "reading the record: the card answered 6982 (security status not satisfied)"


def test_status_error_guesses_nothing() -> None:
    error = status_error(0x6A82)
    assert type(error) is StatusError
    assert not isinstance(error, AppNotFound)
    assert error.sw == 0x6A82
    assert str(error) == "the card answered 6A82 (file or application not found)"


def test_status_error_of_what_the_card_does_not_have() -> None:
    for sw in (0x6D00, 0x6A81):
        assert type(status_error(sw)) is NotSupported


def test_retries_left_tells_what_the_card_tells() -> None:
    told = {sw: left for sw in range(0x10000) if (left := retries_left(sw)) is not None}
    assert told == {0x6983: 0} | {0x63C0 + left: left for left in range(16)} | {
        0x6300 + left: left for left in range(1, 16)
    }


def test_status_error_of_a_pin_that_was_shown() -> None:
    wrong = status_error(0x63C2, "verifying the PIN", shown="PIN")
    assert isinstance(wrong, PinIncorrect)
    assert (wrong.retries_left, wrong.sw) == (2, 0x63C2)
    assert str(wrong) == "verifying the PIN: the PIN is wrong; 2 tries are left"
    assert str(status_error(0x63C1, shown="PUK")) == "the PUK is wrong; 1 try is left"


def test_status_error_of_a_pin_that_is_blocked() -> None:
    for sw, words in ((0x63C0, "is wrong, and now blocked"), (0x6983, "is blocked")):
        blocked = status_error(sw, shown="PIN")
        assert isinstance(blocked, PinBlocked)
        assert blocked.sw == sw
        assert str(blocked) == f"the PIN {words}; unblock it with the PUK"
    assert str(status_error(0x6983, shown="PUK")) == "the PUK is blocked; only whoever issued the card can help"


def test_status_words_of_pins_mean_nothing_where_none_was_shown() -> None:
    for sw in (0x63C2, 0x63C0, 0x6983):
        assert type(status_error(sw)) is StatusError
    assert type(status_error(0x6300, shown="PIN")) is StatusError
