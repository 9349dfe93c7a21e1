"""The private keys of the PIV applet: making, taking in, and using them. Needs `cryptography`; import it late.

An RSA signature of the common form (PKCS#1 v1.5) is OpenSSL's work, in constant time. Any other RSA block (PSS, or to
be deciphered) is raised to the power here, with Python's integers: their time tells something of the key to who can
measure it. An emulated card keeps its keys in a file anyway.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from ecitizen.emulator.applet import Refusal
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.status import StatusWord
from pki.errors import KeyUnsupported
from pki.keys import PrivateKey, generate_key, key_algorithm

from . import layout
from .applet_state import damaged
from .layout import KEY_ALGORITHM_IDS, AlgorithmId

CardKey: TypeAlias = PrivateKey

KEY_ALGORITHMS: Final = MappingProxyType({number: algorithm for algorithm, number in KEY_ALGORITHM_IDS.items()})
"""The kind of key of each identifier."""

_RSA: Final = frozenset({AlgorithmId.RSA_2048, AlgorithmId.RSA_3072, AlgorithmId.RSA_4096})
_CURVES: Final[Mapping[AlgorithmId, tuple[ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    AlgorithmId.P_256: (ec.SECP256R1(), hashes.SHA256()),
    AlgorithmId.P_384: (ec.SECP384R1(), hashes.SHA384()),
}
"""With each a hash as long as the field: the name under which OpenSSL takes a digest of that length."""

_PKCS1_HEAD: Final = b"\x00\x01"
_PKCS1_PADDING_MIN_LEN: Final = 8


def generate(algorithm: AlgorithmId) -> CardKey:
    """A new key."""
    return generate_key(KEY_ALGORITHMS[algorithm])


def encoded(key: CardKey) -> bytes:
    """The key for the memory: PKCS#8."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def opened(private: bytes, algorithm: AlgorithmId) -> CardKey:
    """The key from the memory; raise ImageDamaged if it is none, or of another kind.

    The long test (a tenth of a second and more) that p and q are primes is left out: they were tested when the key
    came, and each result is tested with the public key before it leaves the card.
    """
    try:
        key = load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        raise damaged() from None
    if not isinstance(key, CardKey) or not _is_whole(key):
        raise damaged()
    try:
        if key_algorithm(key) is KEY_ALGORITHMS[algorithm]:
            return key
    except KeyUnsupported:
        pass
    raise damaged()


def _is_whole(key: CardKey) -> bool:
    if not isinstance(key, rsa.RSAPrivateKey):
        return True
    numbers = key.private_numbers()
    p, q, e, d = numbers.p, numbers.q, numbers.public_numbers.e, numbers.d
    return (
        p * q == numbers.public_numbers.n
        and p % 2 == q % 2 == 1
        and min(p, q) > 1
        and e == layout.RSA_EXPONENT
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and d * e % (p - 1) == d * e % (q - 1) == 1
        and numbers.iqmp * q % p == 1
    )


def public_objects(key: CardKey) -> bytes:
    """The public key as GENERATE ASYMMETRIC KEY PAIR gives it, inside tag 7F49 (part 2, table 11)."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        modulus = numbers.n.to_bytes(key.key_size // 8)
        exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8)
        return tlv.encode(layout.TAG_MODULUS, modulus) + tlv.encode(layout.TAG_PUBLIC_EXPONENT, exponent)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        point = key.public_key().public_bytes_raw()
    return tlv.encode(layout.TAG_POINT, point)


# Importing


def imported(algorithm: AlgorithmId, parts: Mapping[int, bytes]) -> CardKey:
    """The key that a host sends in parts, by tag; refuse with 6A80 what is no such key."""
    try:
        return _IMPORTS[algorithm](algorithm, parts)
    except (ValueError, KeyError):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD) from None


def _imported_rsa(algorithm: AlgorithmId, parts: Mapping[int, bytes]) -> CardKey:
    tags = (
        layout.TAG_IMPORT_PRIME_P,
        layout.TAG_IMPORT_PRIME_Q,
        layout.TAG_IMPORT_EXPONENT_P,
        layout.TAG_IMPORT_EXPONENT_Q,
        layout.TAG_IMPORT_COEFFICIENT,
    )
    length = layout.FIELD_LENS[algorithm]
    p, q, exponent_p, exponent_q, coefficient = (_number(parts, tag, length // 2) for tag in tags)
    if len(parts) != len(tags) or (p * q).bit_length() != 8 * length:
        raise ValueError("another modulus than the algorithm's")
    public = rsa.RSAPublicNumbers(layout.RSA_EXPONENT, p * q)
    # OpenSSL tests what is left: that p and q are primes, and that the exponents and the coefficient are theirs.
    exponent = pow(layout.RSA_EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(p, q, exponent, exponent_p, exponent_q, coefficient, public).private_key()


def _imported_ec(algorithm: AlgorithmId, parts: Mapping[int, bytes]) -> CardKey:
    if len(parts) != 1:
        raise ValueError("a scalar and nothing else")
    scalar = _number(parts, layout.TAG_IMPORT_EC_SCALAR, layout.FIELD_LENS[algorithm])
    return ec.derive_private_key(scalar, _CURVES[algorithm][0])  # which tests that the scalar is in range


def _imported_25519(algorithm: AlgorithmId, parts: Mapping[int, bytes]) -> CardKey:
    if len(parts) != 1:
        raise ValueError("a key and nothing else")
    if algorithm is AlgorithmId.ED25519:
        return ed25519.Ed25519PrivateKey.from_private_bytes(parts[layout.TAG_IMPORT_ED25519])
    return x25519.X25519PrivateKey.from_private_bytes(parts[layout.TAG_IMPORT_X25519])


def _number(parts: Mapping[int, bytes], tag: int, length: int) -> int:
    if len(parts[tag]) != length:
        raise ValueError("each part has the full length")
    return int.from_bytes(parts[tag])


_IMPORTS: Final[Mapping[AlgorithmId, Callable[[AlgorithmId, Mapping[int, bytes]], CardKey]]] = {
    **dict.fromkeys(_RSA, _imported_rsa),
    **dict.fromkeys(_CURVES, _imported_ec),
    AlgorithmId.ED25519: _imported_25519,
    AlgorithmId.X25519: _imported_25519,
}


# Using


def respond(key: CardKey, challenge: bytes) -> bytes:
    """The private operation on what stands in tag 81: an RSA block, a digest, for Ed25519 the message itself."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _rsa(key, challenge)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa(key, challenge)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(challenge)
    raise Refusal(StatusWord.INCORRECT_DATA_FIELD)


def agree(key: CardKey, point: bytes) -> bytes:
    """The secret shared with the public key in tag 85; refuse a point that is not on the curve."""
    try:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            if point[:1] != bytes((layout.EC_POINT_UNCOMPRESSED,)):
                raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
            return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point))
        if isinstance(key, x25519.X25519PrivateKey):
            return key.exchange(x25519.X25519PublicKey.from_public_bytes(point))  # a secret of zeros is refused
    except ValueError:
        pass
    raise Refusal(StatusWord.INCORRECT_DATA_FIELD)


def _ecdsa(key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
    """ECDSA over a digest of at most the field's length: a longer one is for the host to cut (FIPS 186-5, 6.4.1)."""
    length = (key.key_size + 7) // 8
    if not 0 < len(digest) <= length:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    hash_of_length = next(each for curve, each in _CURVES.values() if curve.name == key.curve.name)
    return key.sign(digest.rjust(length, b"\0"), ec.ECDSA(utils.Prehashed(hash_of_length)))


def _rsa(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """The block to the power of the private exponent; it must be as long as the modulus, and less."""
    length = key.key_size // 8
    public = key.public_key().public_numbers()
    number = int.from_bytes(block)
    if len(block) != length or number >= public.n:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    content = _pkcs1_content(block)
    result = _power(key.private_numbers(), number) if content is None else _pkcs1_signature(key, content)
    if pow(result, public.e, public.n) != number:  # a slip in one half of the computation would tell a prime
        raise Refusal(StatusWord.NO_PRECISE_DIAGNOSIS)
    return result.to_bytes(length)


def _pkcs1_signature(key: rsa.RSAPrivateKey, content: bytes) -> int:
    try:
        return int.from_bytes(key.sign(content, padding.PKCS1v15(), utils.NoDigestInfo()))
    except (ValueError, InternalError):  # OpenSSL computes nothing with a key from a memory that was tampered with
        raise damaged() from None


def _pkcs1_content(block: bytes) -> bytes | None:
    """What a block of type 1 pads (RFC 8017, 9.2), or None for another block."""
    head, separator, content = block.partition(b"\xff\x00")
    head += b"\xff"
    well_padded = (
        head == _PKCS1_HEAD.ljust(len(head), b"\xff") and len(head) >= len(_PKCS1_HEAD) + _PKCS1_PADDING_MIN_LEN
    )
    return content if separator and content and well_padded else None


def _power(key: rsa.RSAPrivateNumbers, number: int) -> int:
    """With the Chinese remainder theorem (RFC 8017, 5.1.2), four times as fast as without."""
    by_p, by_q = pow(number, key.dmp1, key.p), pow(number, key.dmq1, key.q)
    return by_q + key.q * ((by_p - by_q) * key.iqmp % key.p)
