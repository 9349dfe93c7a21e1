"""Keys on their way into a card, against PyCryptodome."""

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, EcitizenError, UsageError
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.key_blocks import check_value, decode_keys, encode_key

DEK = KeyBytes(bytes.fromhex("404142434445464748494A4B4C4D4E4F"))


def key(length: int) -> KeyBytes:
    return KeyBytes(bytes(range(length)))


def test_the_check_value_of_the_published_test_key() -> None:
    expected = AES.new(DEK.reveal(), AES.MODE_ECB).encrypt(b"\x01" * 16)[:3]
    assert check_value(DEK) == expected == bytes.fromhex("504A77")


@pytest.mark.parametrize(("length", "block"), [(16, 16), (24, 32), (32, 32)])
@pytest.mark.parametrize("clear_length", [True, False])
def test_a_key_goes_in_and_comes_out(length: int, block: int, clear_length: bool) -> None:
    encoded = encode_key(DEK, key(length), clear_length=clear_length)
    head = bytes((0x88, block + 1, length)) if clear_length else bytes((0x88, block))
    assert encoded.startswith(head)
    encrypted = encoded[len(head) : len(head) + block]
    bare = AES.new(DEK.reveal(), AES.MODE_CBC, bytes(16)).decrypt(encrypted)
    assert bare[:length] == bytes(range(length))
    assert encoded[len(head) + block :] == b"\x03" + check_value(key(length))
    assert decode_keys(DEK, encoded * 3) == [key(length)] * 3


def test_no_keys_are_no_keys() -> None:
    assert decode_keys(DEK, b"") == []


GOOD = encode_key(DEK, key(16))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" + GOOD[1:],  # a DES key
        GOOD[:-1],
        GOOD[:10],
        b"\x88",
        GOOD[:-1] + bytes((GOOD[-1] ^ 1,)),
        GOOD[:2] + b"\x18" + GOOD[3:],  # says 24 bytes of one block
        GOOD[:2] + b"\x0f" + GOOD[3:],
        GOOD[:-4] + b"\x00",  # no check value
        b"\x88\x00\x03" + bytes(3),
        b"\x88\x05" + bytes(5) + b"\x03" + bytes(3),
    ],
)
def test_what_is_not_proved_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_keys(DEK, data)


def test_another_data_key_proves_nothing() -> None:
    with pytest.raises(DecodeError, match="check value"):
        decode_keys(key(16), GOOD)


def test_only_aes_keys_are_encoded() -> None:
    with pytest.raises(UsageError):
        encode_key(DEK, key(8))


@given(st.binary(max_size=100))
def test_whatever_bytes_come(data: bytes) -> None:
    try:
        keys = decode_keys(DEK, b"\x88" + data)
    except EcitizenError:
        return
    assert all(len(each) in {16, 24, 32} for each in keys)
