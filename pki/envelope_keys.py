"""Key transport and key agreement for encrypted messages, and private keys in memory that open them.

Sources: RFC 8017, 7.1 (RSAES-OAEP); RFC 5753, 3.1 and 7.2 (ECDH with the X9.63 key derivation); RFC 3394 (AES wrap).
"""

from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.errors import DecodeError, UsageError

from .der import explicit, octet_string, sequence
from .keys import HASH_PRIMITIVES, PrivateKey, load_public_key, public_key_info

DERIVATION_HASHES: Final = MappingProxyType(
    {
        "sha1": hashes.SHA1(),  # noqa: S303 - openssl's default; the derivation does not rest on collisions
        **{str(name): primitive for name, primitive in HASH_PRIMITIVES.items()},
    }
)
"""Hashes of the key derivation, by name; SHA-1 is read and never written."""


class FileKeyAgreement:
    """A private key on P-256 or P-384 in memory that satisfies `ports.KeyAgreement`; UsageError for another one."""

    def __init__(self, key: PrivateKey) -> None:
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise UsageError("only keys on P-256 and P-384 agree on secrets here; take another key")
        self.public_key = public_key_info(key)
        self._key = key

    def agree(self, peer: bytes) -> bytes:
        """The shared secret, x of the point; raise UsageError for a key on another curve, Malformed for none."""
        public = load_public_key(peer)
        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != self._key.curve.name:
            raise UsageError("the other side's key is not on the curve of this one")
        return self._key.exchange(ec.ECDH(), public)


class FileDecipherer:
    """A private RSA key in memory that satisfies `ports.Decipherer`; UsageError for another kind of key."""

    def __init__(self, key: PrivateKey) -> None:
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UsageError("only RSA keys decipher; take another key")
        self.public_key = public_key_info(key)
        self._key = key

    def decipher(self, ciphertext: bytes, oaep: HashAlgorithm | None = None) -> bytes:
        """Open RSAES-OAEP with that hash, or with None RSAES-PKCS1-v1_5; DecodeError, always the same, if it fails."""
        try:
            return self._key.decrypt(ciphertext, padding.PKCS1v15() if oaep is None else _oaep(oaep))
        except ValueError:
            raise DecodeError("this does not open with the key: it was not enciphered for it, or otherwise") from None


def transport(public: rsa.RSAPublicKey, key: bytes, hashed: HashAlgorithm) -> bytes:
    """A content key enciphered to an RSA key, RSAES-OAEP with MGF1 of the same hash and no label."""
    return public.encrypt(key, _oaep(hashed))


def ephemeral_agreement(public: ec.EllipticCurvePublicKey) -> tuple[bytes, bytes]:
    """A new key on the same curve, used once: its SubjectPublicKeyInfo (DER), and the secret that it agrees on."""
    once = ec.generate_private_key(public.curve)
    return public_key_info(once), once.exchange(ec.ECDH(), public)


def wrapping_key(secret: bytes, wrap: bytes, length: int, hashed: str, ukm: bytes | None = None) -> bytes:
    """The key-encryption key of `length` bytes that a shared secret makes (RFC 5753, 7.2; ANSI X9.63).

    `wrap` is the AlgorithmIdentifier (DER) of the key wrap, `ukm` what the sender added.
    """
    added = b"" if ukm is None else explicit(0, octet_string(ukm))
    shared = sequence(wrap, added, explicit(2, octet_string((length * 8).to_bytes(4, "big"))))
    return X963KDF(DERIVATION_HASHES[hashed], length, shared).derive(secret)


def unwrapped(wrapping: bytes, wrapped: bytes) -> bytes | None:
    """What AES has wrapped (RFC 3394, 2.2.2); None if its check value is not there, or it is of no possible length."""
    try:
        return aes_key_unwrap(wrapping, wrapped)
    except (InvalidUnwrap, ValueError):
        return None


def agreement_hash(algorithm: KeyAlgorithm) -> HashAlgorithm:
    """The hash that derives keys for a curve, of its own strength."""
    return HashAlgorithm.SHA_384 if algorithm is KeyAlgorithm.P_384 else HashAlgorithm.SHA_256


def _oaep(hashed: HashAlgorithm) -> padding.OAEP:
    primitive = HASH_PRIMITIVES[hashed]
    return padding.OAEP(padding.MGF1(primitive), primitive, None)
