"""RSA encodings around the private-key operation, which is all that a PIV card does (RFC 8017, 7 and 9).

Signatures need encoding, ciphertexts decoding. Decoding does the same work whatever it finds and has one error for
all, as evenly as Python allows: who could tell the reasons apart could open messages with them.
"""

import hashlib
from collections.abc import Callable
from hmac import compare_digest
from types import MappingProxyType

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import DecodeError

# DigestInfo but for the digest at its end (RFC 8017, 9.2, note 1)
_DIGEST_INFO = MappingProxyType(
    {
        HashAlgorithm.SHA_256: bytes.fromhex("3031300D060960864801650304020105000420"),
        HashAlgorithm.SHA_384: bytes.fromhex("3041300D060960864801650304020205000430"),
        HashAlgorithm.SHA_512: bytes.fromhex("3051300D060960864801650304020305000440"),
    }
)
_PSS_TRAILER = 0xBC
_PKCS1_PADDING_MIN_LEN = 8


def pkcs1_signature_block(digest: bytes, hashed: HashAlgorithm, block_len: int) -> bytes:
    """EMSA-PKCS1-v1_5 (RFC 8017, 9.2)."""
    info = _DIGEST_INFO[hashed] + digest
    return b"\x00\x01" + b"\xff" * (block_len - len(info) - 3) + b"\x00" + info


def pss_signature_block(digest: bytes, hashed: HashAlgorithm, block_len: int, random: Callable[[int], bytes]) -> bytes:
    """EMSA-PSS (RFC 8017, 9.1.1) with a salt as long as the digest, for a modulus of `8 * block_len` bits."""
    salt = random(hashed.digest_len)
    check = hashlib.new(hashed, bytes(8) + digest + salt).digest()
    plain = (b"\x01" + salt).rjust(block_len - len(check) - 1, b"\x00")
    masked = bytearray(_xor(plain, _mask(check, len(plain), hashed)))
    masked[0] &= 0x7F  # the encoded message is one bit shorter than the modulus
    return bytes(masked) + check + bytes((_PSS_TRAILER,))


def pkcs1_message(block: bytes) -> bytes:
    """The message in an RSAES-PKCS1-v1_5 block (RFC 8017, 7.2.2); DecodeError if it is none."""
    wrong = block[0] | (block[1] ^ 0x02)
    end, found = 0, 0  # of the padding
    for index in range(2, len(block)):
        zero = (block[index] - 1) >> 8 & 1
        end |= index * (zero & ~found)
        found |= zero
    wrong |= (1 - found) | (end < 2 + _PKCS1_PADDING_MIN_LEN)
    return _checked(block[end + 1 :], wrong)


def oaep_message(block: bytes, hashed: HashAlgorithm) -> bytes:
    """The message in an RSAES-OAEP block with an empty label and MGF1 of the same hash (RFC 8017, 7.1.2).

    Raise DecodeError if it is none.
    """
    size = hashed.digest_len
    masked = block[1 + size :]
    seed = _xor(block[1 : 1 + size], _mask(masked, size, hashed))
    plain = _xor(masked, _mask(seed, len(masked), hashed))
    wrong = block[0] | (not compare_digest(plain[:size], hashlib.new(hashed).digest()))
    at, found = 0, 0  # of the byte 01 that ends the padding
    for index in range(size, len(plain)):
        zero = (plain[index] - 1) >> 8 & 1
        one = ((plain[index] ^ 1) - 1) >> 8 & 1
        at |= index * (one & ~found)
        wrong |= ~found & ~zero & ~one & 1
        found |= one
    return _checked(plain[at + 1 :], wrong | (1 - found))


def undecipherable() -> DecodeError:
    """The one error for whatever does not open."""
    return DecodeError("this does not open with the card's key: it was not enciphered for it, or in another way")


def _checked(message: bytes, wrong: int) -> bytes:
    if wrong:
        raise undecipherable()
    return message


def _mask(seed: bytes, length: int, hashed: HashAlgorithm) -> bytes:
    """MGF1 (RFC 8017, B.2.1)."""
    count = -(-length // hashed.digest_len)
    blocks = (hashlib.new(hashed, seed + number.to_bytes(4, "big")).digest() for number in range(count))
    return b"".join(blocks)[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
