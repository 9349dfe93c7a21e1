"""Algorithms of CMS signatures: how ours are written, and how those of all makers are read and checked.

Sources: RFC 5754 (SHA-2), RFC 4056 (RSA-PSS), RFC 5758 and RFC 5753 (ECDSA), RFC 8419 (Ed25519), RFC 8702 (SHA-3).
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme

from .algorithm_identifiers import hash_identifier, signature_identifier
from .certificates import load_certificate
from .der import NULL, TAG_OID, TAG_SEQUENCE, Reader, explicit, integer, oid, sequence
from .errors import KeyUnsupported, Malformed, SignatureInvalid

_RSA_BITS_MIN: Final = 2048

_HASHES: Final = MappingProxyType(
    {
        oid("2.16.840.1.101.3.4.2.1"): "sha256",
        oid("2.16.840.1.101.3.4.2.2"): "sha384",
        oid("2.16.840.1.101.3.4.2.3"): "sha512",
        oid("2.16.840.1.101.3.4.2.8"): "sha3_256",
        oid("2.16.840.1.101.3.4.2.9"): "sha3_384",
        oid("2.16.840.1.101.3.4.2.10"): "sha3_512",
    }
)
"""Those that are believed; SHA-1 and its elders are not among them (NIST SP 800-131A revision 2, section 9)."""
_PRIMITIVES: Final = MappingProxyType(
    {
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
        "sha3_256": hashes.SHA3_256(),
        "sha3_384": hashes.SHA3_384(),
        "sha3_512": hashes.SHA3_512(),
    }
)
_RSA_ENCRYPTION: Final = oid("1.2.840.113549.1.1.1")
"""Names no hash: the digest algorithm does (RFC 3370, 3.2)."""
_RSA_PSS: Final = oid("1.2.840.113549.1.1.10")
_MGF1: Final = oid("1.2.840.113549.1.1.8")
_EC_PUBLIC_KEY: Final = oid("1.2.840.10045.2.1")
"""Some makers write this for ECDSA."""
_ED25519: Final = oid("1.3.101.112")
_SIGNATURES: Final = MappingProxyType(
    {
        oid("1.2.840.113549.1.1.11"): (SignatureScheme.RSA_PKCS1, "sha256"),
        oid("1.2.840.113549.1.1.12"): (SignatureScheme.RSA_PKCS1, "sha384"),
        oid("1.2.840.113549.1.1.13"): (SignatureScheme.RSA_PKCS1, "sha512"),
        oid("1.2.840.10045.4.3.2"): (SignatureScheme.ECDSA, "sha256"),
        oid("1.2.840.10045.4.3.3"): (SignatureScheme.ECDSA, "sha384"),
        oid("1.2.840.10045.4.3.4"): (SignatureScheme.ECDSA, "sha512"),
        oid("2.16.840.1.101.3.4.3.10"): (SignatureScheme.ECDSA, "sha3_256"),
        oid("2.16.840.1.101.3.4.3.11"): (SignatureScheme.ECDSA, "sha3_384"),
        oid("2.16.840.1.101.3.4.3.12"): (SignatureScheme.ECDSA, "sha3_512"),
        oid("2.16.840.1.101.3.4.3.14"): (SignatureScheme.RSA_PKCS1, "sha3_256"),
        oid("2.16.840.1.101.3.4.3.15"): (SignatureScheme.RSA_PKCS1, "sha3_384"),
        oid("2.16.840.1.101.3.4.3.16"): (SignatureScheme.RSA_PKCS1, "sha3_512"),
    }
)


class Contradiction(Malformed):
    """A signature names algorithms that don't go together, or not with the signer's key."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a signature of any maker was made."""

    scheme: SignatureScheme
    hash: str
    """Over the signed attributes, as hashlib names it."""
    salt_len: int = 0
    """Of RSA-PSS, bytes."""


# Writing


def written_signature(algorithm: SignatureAlgorithm) -> bytes:
    """The AlgorithmIdentifier of a signature, DER; of RSA-PSS with its salt, as long as the digest (RFC 4055, 3.1)."""
    if algorithm.scheme is not SignatureScheme.RSA_PSS:
        return signature_identifier(algorithm)
    assert algorithm.hash is not None
    hashed = hash_identifier(algorithm.hash)
    parts = (hashed, sequence(_MGF1, hashed), integer(algorithm.hash.digest_len))
    return sequence(_RSA_PSS, sequence(*(explicit(number, part) for number, part in enumerate(parts))))


def digest_for(algorithm: SignatureAlgorithm) -> HashAlgorithm:
    """The hash of the content that goes with a signature: its own, and SHA-512 with Ed25519 (RFC 8419, 3.1)."""
    return algorithm.hash or HashAlgorithm.SHA_512


# Reading


def hash_name(identifier: bytes) -> str:
    """The hash (as hashlib names it) of an AlgorithmIdentifier; raise KeyUnsupported for a weak or unknown one."""
    parts = Reader(identifier).inside()
    found = _HASHES.get(parts.element(TAG_OID))
    if parts.more and parts.element(parts.peek()) != NULL:
        raise Malformed("a hash algorithm has parameters, which it can't have")
    if found is None:
        raise KeyUnsupported("the hash is one that is too weak, or not known here")
    return found


def read_method(signature_algorithm: bytes, digest_algorithm: bytes) -> Method:
    """How a signature was made, by what it says.

    Raise KeyUnsupported for what is too weak or not known, Contradiction if the two algorithms don't go together.
    """
    parts = Reader(signature_algorithm).inside()
    name = parts.element(TAG_OID)
    if name == _RSA_PSS:
        method = _read_pss(parts.element(TAG_SEQUENCE) if parts.more else sequence())
    elif name in {_RSA_ENCRYPTION, _EC_PUBLIC_KEY}:
        scheme = SignatureScheme.RSA_PKCS1 if name == _RSA_ENCRYPTION else SignatureScheme.ECDSA
        return Method(scheme, hash_name(digest_algorithm))
    elif name == _ED25519:
        return Method(SignatureScheme.EDDSA, hash_name(digest_algorithm))
    elif name in _SIGNATURES:
        method = Method(*_SIGNATURES[name])
    else:
        raise KeyUnsupported("the signature algorithm is too weak, or not known here")
    if method.hash != hash_name(digest_algorithm):
        raise Contradiction("the signature names one hash for itself and another for the content")
    return method


def _read_pss(parameters: bytes) -> Method:
    """RSASSA-PSS-params; what is left out means SHA-1, which is too weak (RFC 4055, 3.1)."""
    given = {}
    inside = Reader(parameters).inside()
    while inside.more:
        tag = inside.peek()
        given[tag & 0x1F] = inside.inside(tag)
    if not {0, 1} <= given.keys():
        raise KeyUnsupported("RSA-PSS with SHA-1 is too weak")
    hashed = hash_name(given[0].element(TAG_SEQUENCE))
    mask = given[1].inside()
    if mask.element(TAG_OID) != _MGF1 or hash_name(mask.element(TAG_SEQUENCE)) != hashed:
        raise KeyUnsupported("RSA-PSS with two hashes is not used here")
    salt_len = given[2].integer() if 2 in given else 20
    if not 0 <= salt_len <= 512 or (3 in given and given[3].integer() != 1):
        raise Malformed("RSA-PSS has parameters that can't be")
    return Method(SignatureScheme.RSA_PSS, hashed, salt_len)


def check_signature(certificate: bytes, method: Method, signature: bytes, message: bytes | None, digest: bytes) -> None:
    """Check a signature by a certificate's key over a message, or over its digest if the message is too long to hold.

    Raise SignatureInvalid, Contradiction for a key of another kind than the method, KeyUnsupported for a weak or
    unknown key, Malformed for what is no certificate.
    """
    try:
        key = load_certificate(certificate).public_key()
    except (UnsupportedAlgorithm, ValueError, TypeError):
        raise KeyUnsupported("the certificate's key is of a kind that is not known here, or damaged") from None
    hashed = Prehashed(_PRIMITIVES[method.hash])
    try:
        if isinstance(key, rsa.RSAPublicKey) and method.scheme in {SignatureScheme.RSA_PKCS1, SignatureScheme.RSA_PSS}:
            if key.key_size < _RSA_BITS_MIN:
                raise KeyUnsupported("the RSA key is too short to be believed")
            key.verify(signature, digest, _padding(method), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and method.scheme is SignatureScheme.ECDSA:
            key.verify(signature, digest, ec.ECDSA(hashed))
        elif isinstance(key, ed25519.Ed25519PublicKey) and method.scheme is SignatureScheme.EDDSA:
            if message is None:
                raise KeyUnsupported("Ed25519 over content of this size can't be checked")
            key.verify(signature, message)
        else:
            raise Contradiction("the signature is of another kind than the certificate's key")
    except (InvalidSignature, ValueError):
        raise SignatureInvalid("the signature is not by this certificate's key") from None


def _padding(method: Method) -> padding.PKCS1v15 | padding.PSS:
    if method.scheme is SignatureScheme.RSA_PKCS1:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(_PRIMITIVES[method.hash]), method.salt_len)
