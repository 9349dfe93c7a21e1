"""Names of the key, hash and signature algorithms that cards and authorities use, and what each pair fits.

Names only: nothing here computes. Sources: NIST SP 800-78-5, sections 3.1 to 3.3; RFC 8017 (RSA); RFC 8032 (EdDSA).
"""

from enum import StrEnum, unique
from typing import NamedTuple


@unique
class KeyAlgorithm(StrEnum):
    """Kinds of asymmetric keys, as commands and JSON name them."""

    RSA_2048 = "rsa2048"
    RSA_3072 = "rsa3072"
    RSA_4096 = "rsa4096"
    P_256 = "p256"
    P_384 = "p384"
    ED25519 = "ed25519"
    X25519 = "x25519"

    @property
    def is_rsa(self) -> bool:
        """Signs with RSA padding, and deciphers."""
        return self.startswith("rsa")

    @property
    def is_nist_curve(self) -> bool:
        """Signs with ECDSA, and agrees on keys."""
        return self in {KeyAlgorithm.P_256, KeyAlgorithm.P_384}


@unique
class HashAlgorithm(StrEnum):
    """Hash functions, by the names that `hashlib` knows."""

    SHA_256 = "sha256"
    SHA_384 = "sha384"
    SHA_512 = "sha512"

    @property
    def digest_len(self) -> int:
        """Bytes of a digest."""
        return int(self.removeprefix("sha")) // 8


@unique
class SignatureScheme(StrEnum):
    """How a digest becomes a signature."""

    RSA_PKCS1 = "rsa-pkcs1"
    """RSASSA-PKCS1-v1_5 (RFC 8017, 8.2)."""
    RSA_PSS = "rsa-pss"
    """RSASSA-PSS with MGF1 of the same hash and a salt as long as the digest (RFC 8017, 8.1)."""
    ECDSA = "ecdsa"
    """The signature is a DER SEQUENCE of r and s (RFC 3279, 2.2.3)."""
    EDDSA = "eddsa"
    """Ed25519 over the message itself (RFC 8032); it has no hash to choose."""


class SignatureAlgorithm(NamedTuple):
    """A scheme and its hash; `hash` is None for EdDSA only."""

    scheme: SignatureScheme
    hash: HashAlgorithm | None
