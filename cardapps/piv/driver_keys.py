"""Asymmetric keys in the forms that cards have for them; needs the cryptography package, so it is imported late."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import DecodeError, UsageError
from ecitizen.iso7816 import tlv
from ecitizen.secret import KeyBytes
from pki import keys

from . import layout
from .layout import AlgorithmId

_CURVES = ((AlgorithmId.P_256, ec.SECP256R1), (AlgorithmId.P_384, ec.SECP384R1))


def public_key_info(algorithm: AlgorithmId, elements: bytes) -> bytes:
    """SubjectPublicKeyInfo, DER, of a public key as a card gives it: what stands inside tag 7F49, or in metadata.

    Raise DecodeError if it is no key of that kind: of another size, or a point beside the curve.
    """
    values = {element.tag: element.value for element in tlv.parse(elements)}
    try:
        key = _public_key(algorithm, values)
    except (ValueError, KeyError, UnsupportedAlgorithm):
        raise DecodeError("the public key that the card gave is none, or of another kind than it says") from None
    return keys.public_key_info(key)


def _public_key(algorithm: AlgorithmId, values: dict[int, bytes]) -> keys.PublicKey:
    if algorithm is AlgorithmId.ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(values[layout.TAG_POINT])
    if algorithm is AlgorithmId.X25519:
        return x25519.X25519PublicKey.from_public_bytes(values[layout.TAG_POINT])
    for name, curve in _CURVES:
        if algorithm is name:
            return ec.EllipticCurvePublicKey.from_encoded_point(curve(), values[layout.TAG_POINT])
    modulus, exponent = (int.from_bytes(values[tag], "big") for tag in (layout.TAG_MODULUS, layout.TAG_PUBLIC_EXPONENT))
    if modulus.bit_length() != 8 * layout.FIELD_LENS[algorithm]:
        raise ValueError
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def public_key_in_certificate(der: bytes) -> bytes:
    """SubjectPublicKeyInfo, DER, of a certificate; raise DecodeError if it is none."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DecodeError("the certificate on the card is damaged, or its key is of a kind that nobody uses") from None


def public_point(peer: bytes, algorithm: KeyAlgorithm) -> bytes:
    """The point that a card agrees with, of somebody's public key (SubjectPublicKeyInfo, DER).

    Raise UsageError if it is no key on that curve.
    """
    key = keys.load_public_key(peer)
    if keys.key_algorithm(key) != algorithm:
        raise UsageError(f"the other side's key is not on the curve of this one ({algorithm})")
    if isinstance(key, x25519.X25519PublicKey):
        return key.public_bytes_raw()
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def import_elements(private_key: KeyBytes) -> tuple[KeyAlgorithm, KeyBytes, bytes]:
    """A private key (PKCS#8, DER) as a card takes it: its kind, the data objects, and the public key as in metadata.

    Raise what `pki.keys.load_private_key` raises, UsageError for an RSA exponent that the standard does not have.
    """
    key = keys.load_private_key(private_key.reveal())
    algorithm = keys.key_algorithm(key)
    field_len = layout.FIELD_LENS[layout.KEY_ALGORITHM_IDS[algorithm]]
    if isinstance(key, rsa.RSAPrivateKey):
        parts = _rsa_parts(key, field_len // 2)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        parts = [(layout.TAG_IMPORT_EC_SCALAR, key.private_numbers().private_value.to_bytes(field_len, "big"))]
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        parts = [(layout.TAG_IMPORT_ED25519, key.private_bytes_raw())]
    else:
        parts = [(layout.TAG_IMPORT_X25519, key.private_bytes_raw())]
    elements = b"".join(tlv.encode(tag, value) for tag, value in parts)
    return algorithm, KeyBytes(elements), keys.public_key_info(key)


def _rsa_parts(key: rsa.RSAPrivateKey, prime_len: int) -> list[tuple[int, bytes]]:
    numbers = key.private_numbers()
    if numbers.public_numbers.e != layout.RSA_EXPONENT:
        raise UsageError("cards take RSA keys with the public exponent 65537 only; make another key")
    parts = {
        layout.TAG_IMPORT_PRIME_P: numbers.p,
        layout.TAG_IMPORT_PRIME_Q: numbers.q,
        layout.TAG_IMPORT_EXPONENT_P: numbers.dmp1,
        layout.TAG_IMPORT_EXPONENT_Q: numbers.dmq1,
        layout.TAG_IMPORT_COEFFICIENT: numbers.iqmp,
    }
    if max(numbers.p, numbers.q).bit_length() > 8 * prime_len:
        raise UsageError("cards take RSA keys with two primes of the same length only; make another key")
    return [(tag, value.to_bytes(prime_len, "big")) for tag, value in parts.items()]
