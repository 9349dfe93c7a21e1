"""RSA encodings, judged by the cryptography package, and by an encoding of every wrong kind."""

import os
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from hypothesis import given
from hypothesis import strategies as st

from cardapps.piv.rsa_padding import oaep_message, pkcs1_message, pkcs1_signature_block, pss_signature_block
from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import DecodeError
from pki import keys

KEY = rsa.generate_private_key(65537, 2048)
NUMBERS = KEY.private_numbers()
LEN = 256


def private(block: bytes) -> bytes:
    """The operation that a card does."""
    return pow(int.from_bytes(block, "big"), NUMBERS.d, NUMBERS.public_numbers.n).to_bytes(LEN, "big")


def check(signature: bytes, digest: bytes, hashed: HashAlgorithm, pad: padding.PKCS1v15 | padding.PSS) -> None:
    KEY.public_key().verify(signature, digest, pad, Prehashed(keys.HASH_PRIMITIVES[hashed]))


@pytest.mark.parametrize("hashed", HashAlgorithm)
def test_signature_blocks_verify(hashed: HashAlgorithm) -> None:
    digest = keys.digest(b"message", hashed)
    check(private(pkcs1_signature_block(digest, hashed, LEN)), digest, hashed, padding.PKCS1v15())
    primitive = keys.HASH_PRIMITIVES[hashed]
    pss = padding.PSS(padding.MGF1(primitive), padding.PSS.DIGEST_LENGTH)
    for _ in range(8):
        block = pss_signature_block(digest, hashed, LEN, os.urandom)
        assert len(block) == LEN
        assert block[0] < 0x80
        check(private(block), digest, hashed, pss)
    with pytest.raises(InvalidSignature):
        check(private(block), bytes(len(digest)), hashed, pss)


def test_pss_is_salted_by_the_source_given() -> None:
    def block(salt: bytes) -> bytes:
        return pss_signature_block(bytes(32), HashAlgorithm.SHA_256, LEN, lambda count: salt * count)

    assert block(b"a") == block(b"a") != block(b"b")


@pytest.mark.parametrize("length", [0, 1, 100, LEN - 11])
def test_pkcs1_messages_open(length: int) -> None:
    message = b"\x00" + os.urandom(length - 1) if length else b""
    assert pkcs1_message(private(KEY.public_key().encrypt(message, padding.PKCS1v15()))) == message


@pytest.mark.parametrize("hashed", HashAlgorithm)
@pytest.mark.parametrize("fill", [0.0, 0.5, 1.0])
def test_oaep_messages_open(hashed: HashAlgorithm, fill: float) -> None:
    message = os.urandom(int(fill * (LEN - 2 * hashed.digest_len - 2)))
    primitive = keys.HASH_PRIMITIVES[hashed]
    ciphertext = KEY.public_key().encrypt(message, padding.OAEP(padding.MGF1(primitive), primitive, None))
    assert oaep_message(private(ciphertext), hashed) == message


def test_oaep_with_another_hash_or_label_does_not_open() -> None:
    sha256, sha1 = hashes.SHA256(), hashes.SHA1()
    for pad in (
        padding.OAEP(padding.MGF1(sha256), sha256, b"label"),
        padding.OAEP(padding.MGF1(sha1), sha256, None),
        padding.OAEP(padding.MGF1(sha256), hashes.SHA384(), None),
    ):
        with pytest.raises(DecodeError):
            oaep_message(private(KEY.public_key().encrypt(b"x", pad)), HashAlgorithm.SHA_256)


GOOD = b"\x00\x02" + b"\x55" * (LEN - 10) + b"\x00message"


@pytest.mark.parametrize(
    "block",
    [
        b"\x01" + GOOD[1:],
        b"\x80" + GOOD[1:],
        b"\x00\x01" + GOOD[2:],
        b"\x00\x00" + GOOD[2:],
        b"\x00\x82" + GOOD[2:],
        GOOD.replace(b"\x00m", b"\x01m"),
        GOOD[:9] + b"\x00" + GOOD[10:],
        GOOD[:2] + b"\x00" + GOOD[3:],
        bytes(LEN),
        b"\xff" * LEN,
    ],
)
def test_wrong_pkcs1_blocks_all_say_the_same(block: bytes) -> None:
    assert len(GOOD) == LEN
    assert pkcs1_message(GOOD) == b"message"
    assert pkcs1_message(GOOD[:10] + b"\x00" + GOOD[11:]) == GOOD[11:]  # eight bytes of padding are enough
    assert refusal(pkcs1_message, block) == refusal(pkcs1_message, bytes(LEN))


def refusal(open_block: Callable[[bytes], bytes], block: bytes) -> str:
    with pytest.raises(DecodeError) as error:
        open_block(block)
    assert error.value.__cause__ is None
    return str(error.value)


@given(st.integers(0, LEN - 1), st.integers(1, 255))
def test_every_damage_to_an_oaep_block_says_the_same(at: int, flip: int) -> None:
    block = bytearray(encoded(keys.digest(b"", HashAlgorithm.SHA_256) + bytes(LEN - 66) + b"\x01"))
    assert oaep_message(bytes(block), HashAlgorithm.SHA_256) == b""
    block[at] ^= flip
    words = refusal(lambda block: oaep_message(block, HashAlgorithm.SHA_256), bytes(block))
    assert words == refusal(pkcs1_message, bytes(LEN))


def encoded(plain: bytes) -> bytes:
    """An OAEP block around a data block of any content."""
    from cardapps.piv.rsa_padding import _mask, _xor

    hashed = HashAlgorithm.SHA_256
    seed = bytes(32)
    masked = _xor(plain, _mask(seed, len(plain), hashed))
    return b"\x00" + _xor(seed, _mask(masked, 32, hashed)) + masked


def test_an_oaep_block_without_its_mark() -> None:
    label = keys.digest(b"", HashAlgorithm.SHA_256)
    size = LEN - 33 - 32
    assert oaep_message(encoded(label + bytes(size - 2) + b"\x01x"), HashAlgorithm.SHA_256) == b"x"
    assert oaep_message(encoded(label + bytes(size - 1) + b"\x01"), HashAlgorithm.SHA_256) == b""
    for plain in (bytes(size), bytes(size - 2) + b"\x02\x01", b"\x02" + b"\x01" * (size - 1), b"\xff" * size):
        with pytest.raises(DecodeError):
            oaep_message(encoded(label + plain), HashAlgorithm.SHA_256)
