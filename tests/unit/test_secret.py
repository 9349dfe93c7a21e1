"""Values that never show themselves: PINs and keys."""

import copy
import json
import pickle

import pytest

from ecitizen.errors import PinMalformed, UsageError
from ecitizen.secret import KeyBytes, Pin

SECRET = "739154"


@pytest.mark.parametrize("text", ["123456", "1234567", "12345678", "000000"])
def test_a_pin_has_six_to_eight_digits(text: str) -> None:
    pin = Pin(text)
    assert (pin.reveal(), len(pin)) == (text.encode(), len(text))


@pytest.mark.parametrize(
    "text", ["", "12345", "123456789", "12345a", "12345 ", "１２３４５６", "12345²", "๑๒๓๔๕๖", "12345\0"]
)
def test_what_is_no_pin_never_reaches_a_card(text: str) -> None:
    with pytest.raises(PinMalformed, match="the card was not asked") as caught:
        Pin(text)
    assert not text.strip() or text not in str(caught.value)


@pytest.mark.parametrize("text", ["12345678", "AbC-1!", "x" * 8, " spaces "])
def test_a_puk_may_have_letters_and_signs(text: str) -> None:
    assert Pin.puk(text).reveal() == text.encode()


@pytest.mark.parametrize("text", ["12345", "123456789", "1234567\n", "กขคงจฉ", "12345\x7f"])
def test_what_is_no_puk(text: str) -> None:
    with pytest.raises(PinMalformed):
        Pin.puk(text)


@pytest.mark.parametrize("secret", [Pin(SECRET), Pin.puk(SECRET), KeyBytes(SECRET.encode())])
def test_a_secret_is_not_shown(secret: Pin | KeyBytes) -> None:
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{[secret]}", "%s" % secret):  # noqa: UP031
        assert SECRET not in shown
        assert type(secret).__name__ in shown
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("secret", [Pin(SECRET), KeyBytes(SECRET.encode())])
def test_a_secret_is_not_copied_by_accident(secret: Pin | KeyBytes) -> None:
    with pytest.raises(UsageError, match="reveal it on purpose"):
        pickle.dumps(secret)
    with pytest.raises(UsageError):
        copy.copy(secret)
    with pytest.raises(UsageError):
        copy.deepcopy([secret])
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(secret)
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)


def test_equal_secrets() -> None:
    assert Pin("123456") == Pin("123456")
    assert Pin("123456") != Pin("123457")
    assert Pin("123456") != Pin("1234567")
    assert KeyBytes(b"123456") != Pin("123456")
    assert KeyBytes(b"123456") != b"123456"
    assert KeyBytes(b"123456") == KeyBytes(b"123456")


def test_what_is_revealed_is_a_copy_and_what_is_wiped_is_gone() -> None:
    key = KeyBytes(b"key")
    shown = key.reveal()
    key.wipe()
    assert (shown, key.reveal(), len(key)) == (b"key", b"", 0)
    assert not key
