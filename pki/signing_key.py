"""Any Signer, card or file, as a private key that `cryptography` builds certificates and requests with.

The builders ask a private key for its public half and for signatures, and for nothing else; so a subclass of the
abstract key classes that passes `sign` on is all that a key on a card needs (tried for certificates, CRLs, OCSP
responses, requests and PKCS#7).
"""

from typing import Any, Never

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from ecitizen import algorithms
from ecitizen.algorithms import SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .keys import HASH_PRIMITIVES, load_public_key, signature_algorithms

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def usual_algorithm(signer: Signer) -> SignatureAlgorithm:
    """How this key signs certificates: RSA with SHA-512, P-256 with SHA-256, P-384 with SHA-384, Ed25519 as it is.

    Raise UsageError for a signer that can't do that.
    """
    found = next(iter(signature_algorithms(signer.key_algorithm)), None)
    if found is None or found not in signer.algorithms:
        raise UsageError(f"this key of kind {signer.key_algorithm} can't sign certificates; take another one")
    return found


def usual_hash(signer: Signer) -> SHA256 | SHA384 | SHA512 | None:
    """The hash of `usual_algorithm`, as the builders take it."""
    hashed = usual_algorithm(signer).hash
    return None if hashed is None else HASH_PRIMITIVES[hashed]


def signing_key(signer: Signer) -> SigningKey:
    """The signer as a private key of `cryptography`; raise UsageError if it can't sign certificates."""
    usual_algorithm(signer)
    public = load_public_key(signer.public_key)
    if isinstance(public, rsa.RSAPublicKey):
        return _RsaKey(signer, public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _EcKey(signer, public)
    assert isinstance(public, ed25519.Ed25519PublicKey)
    return _Ed25519Key(signer, public)


class _KeyElsewhere:
    """What all of them refuse: the key is not in this program."""

    def private_numbers(self) -> Never:
        raise self._refusal()

    def private_bytes(self, *_args: Any, **_kwargs: Any) -> Never:
        raise self._refusal()

    def private_bytes_raw(self) -> Never:
        raise self._refusal()

    def decrypt(self, *_args: Any, **_kwargs: Any) -> Never:
        raise self._refusal()

    def exchange(self, *_args: Any, **_kwargs: Any) -> Never:
        raise self._refusal()

    def __copy__(self) -> Never:
        raise self._refusal()

    def __deepcopy__(self, memo: dict[Any, Any]) -> Never:
        raise self._refusal()

    @staticmethod
    def _refusal() -> UsageError:
        return UsageError("this key only signs; it never leaves the place where it is kept")


class _RsaKey(_KeyElsewhere, rsa.RSAPrivateKey):
    def __init__(self, signer: Signer, public: rsa.RSAPublicKey) -> None:
        self._signer, self._public = signer, public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(self, data: Any, padding_: Any, algorithm: Prehashed | HashAlgorithm | NoDigestInfo) -> bytes:
        if not isinstance(padding_, padding.PKCS1v15):
            raise UsageError("certificates are signed with RSA PKCS#1 v1.5 here")
        return self._signer.sign(bytes(data), _algorithm(SignatureScheme.RSA_PKCS1, algorithm))


class _EcKey(_KeyElsewhere, ec.EllipticCurvePrivateKey):
    def __init__(self, signer: Signer, public: ec.EllipticCurvePublicKey) -> None:
        self._signer, self._public = signer, public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._signer.sign(bytes(data), _algorithm(SignatureScheme.ECDSA, signature_algorithm.algorithm))


class _Ed25519Key(_KeyElsewhere, ed25519.Ed25519PrivateKey):
    def __init__(self, signer: Signer, public: ed25519.Ed25519PublicKey) -> None:
        self._signer, self._public = signer, public

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public

    def sign(self, data: Any) -> bytes:
        return self._signer.sign(bytes(data), SignatureAlgorithm(SignatureScheme.EDDSA, None))


def _algorithm(scheme: SignatureScheme, hashed: Prehashed | HashAlgorithm | NoDigestInfo) -> SignatureAlgorithm:
    known = {primitive.name: name for name, primitive in HASH_PRIMITIVES.items()}
    found: algorithms.HashAlgorithm | None = None
    if isinstance(hashed, HashAlgorithm):
        found = known.get(hashed.name)
    if found is None:
        raise UsageError("certificates are signed over the message, with SHA-256, SHA-384 or SHA-512")
    return SignatureAlgorithm(scheme, found)
