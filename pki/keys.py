"""Asymmetric keys and what they sign: made, loaded, kept in files, checked.

One way in for each form: whatever these functions return is of a kind in `KeyAlgorithm`, is strong enough, and its
parts fit together. Public keys travel between modules as SubjectPublicKeyInfo, DER (RFC 5280, 4.1.2.7).
"""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import FileFailed, UsageError
from ecitizen.secret import KeyBytes

from .errors import KeyUnsupported, Malformed, PassphraseWrong, SignatureInvalid
from .key_wrapping import encrypted_pem

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | x25519.X25519PublicKey

RSA_EXPONENT: Final = 65537
"""The exponent of keys that are made here; loaded ones may have a larger one (FIPS 186-5, A.1.1)."""
_RSA_EXPONENT_BITS_MAX = 256

_RSA_SIZES = MappingProxyType({2048: KeyAlgorithm.RSA_2048, 3072: KeyAlgorithm.RSA_3072, 4096: KeyAlgorithm.RSA_4096})
_CURVES = MappingProxyType({ec.SECP256R1.name: KeyAlgorithm.P_256, ec.SECP384R1.name: KeyAlgorithm.P_384})
HASH_PRIMITIVES: Mapping[HashAlgorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = MappingProxyType(
    {
        HashAlgorithm.SHA_256: hashes.SHA256(),
        HashAlgorithm.SHA_384: hashes.SHA384(),
        HashAlgorithm.SHA_512: hashes.SHA512(),
    }
)
"""Hash functions as `cryptography` takes them."""
_PEM_START = b"-----BEGIN "


# Kinds


def generate_key(algorithm: KeyAlgorithm) -> PrivateKey:
    """A new private key from the system's randomness; RSA takes from a tenth of a second to a few seconds."""
    match algorithm:
        case KeyAlgorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyAlgorithm.X25519:
            return x25519.X25519PrivateKey.generate()
        case KeyAlgorithm.P_256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.P_384:
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            size = int(algorithm.removeprefix("rsa"))
            return rsa.generate_private_key(RSA_EXPONENT, size)


def key_algorithm(key: object) -> KeyAlgorithm:
    """The kind of a private or public key of `cryptography`.

    Raise KeyUnsupported (a UsageError) for RSA of other sizes than 2048, 3072 and 4096 or with an exponent that is
    even or below 65537, for other curves than P-256 and P-384, and for all other kinds.
    """
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return _rsa_algorithm(key)
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        found = _CURVES.get(key.curve.name)
        if found is None:
            raise KeyUnsupported("the key is on a curve that is not used here; take P-256 or P-384")
        return found
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return KeyAlgorithm.ED25519
    if isinstance(key, x25519.X25519PrivateKey | x25519.X25519PublicKey):
        return KeyAlgorithm.X25519
    raise KeyUnsupported("this is no key of a kind that is used here; take RSA, P-256, P-384, Ed25519 or X25519")


def _rsa_algorithm(key: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> KeyAlgorithm:
    algorithm = _RSA_SIZES.get(key.key_size)
    if algorithm is None:
        raise KeyUnsupported("an RSA key of this size is not used here; take one of 2048, 3072 or 4096 bits")
    public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    exponent = public.public_numbers().e
    if exponent < RSA_EXPONENT or exponent % 2 == 0 or exponent.bit_length() > _RSA_EXPONENT_BITS_MAX:
        raise KeyUnsupported("the RSA key has an unsafe public exponent; take a key with exponent 65537")
    return algorithm


# Public keys


def public_key_info(key: PrivateKey | PublicKey) -> bytes:
    """The public key as SubjectPublicKeyInfo, DER; of a private key its public half."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_public_key(spki: bytes) -> PublicKey:
    """Read a SubjectPublicKeyInfo, DER. Raise Malformed, or KeyUnsupported as `key_algorithm` does."""
    try:
        key = load_der_public_key(spki)
    except UnsupportedAlgorithm:
        raise KeyUnsupported("the public key is of a kind or on a curve that is not used here") from None
    except (ValueError, TypeError, InternalError):
        raise Malformed("these bytes are no public key (SubjectPublicKeyInfo, DER) that can be used") from None
    return supported_public_key(key)


def supported_public_key(key: object) -> PublicKey:
    """The same key, if it is a public one of a kind that is used here; raise KeyUnsupported for any other."""
    key_algorithm(key)
    if not isinstance(key, PublicKey):
        raise KeyUnsupported("this is a private key where a public one is wanted")
    return key


# Private keys


def private_key_info(key: PrivateKey) -> KeyBytes:
    """The private key as unencrypted PKCS#8, DER (RFC 5958): for memory, never for a file."""
    return KeyBytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def load_private_key(data: bytes, passphrase: KeyBytes | None = None) -> PrivateKey:
    """Read a private key: PEM or DER, PKCS#8, PKCS#1 or SEC 1, encrypted or not.

    A passphrase that is not needed does no harm. Raise PassphraseWrong, Malformed for what is no key or whose parts
    contradict each other, or KeyUnsupported as `key_algorithm` does. The check of RSA parts takes about 0.07 s.
    """
    key: object
    try:
        key = _decoded(data, None)
    except TypeError:  # it is encrypted
        key = _decrypted(data, passphrase)
    except (ValueError, InternalError, UnsupportedAlgorithm):
        raise Malformed("this is no private key that can be used: not PKCS#8, PKCS#1 or SEC 1, or damaged") from None
    key_algorithm(key)
    assert isinstance(key, PrivateKey)
    return key


def _decoded(data: bytes, passphrase: bytes | None) -> object:
    load = load_pem_private_key if _PEM_START in data else load_der_private_key
    return load(data, passphrase)


def _decrypted(data: bytes, passphrase: KeyBytes | None) -> object:
    if not passphrase:
        raise PassphraseWrong("the private key is encrypted; give its passphrase")
    try:
        return _decoded(data, passphrase.reveal())
    except (ValueError, TypeError, InternalError, UnsupportedAlgorithm):
        # The library does not tell these cases apart, and a wrong passphrase is by far the most frequent.
        raise PassphraseWrong(
            "the passphrase does not open this private key; check it, or convert the file with `openssl pkcs8 -topk8`"
        ) from None


def save_private_key(path: str | os.PathLike[str], key: PrivateKey, passphrase: KeyBytes) -> None:
    """Write the key to a new file: PKCS#8 encrypted with the passphrase, PEM, readable by its owner alone.

    When this returns, the file is on the medium. Raise FileFailed if it exists or can't be written, UsageError for an
    empty passphrase. Takes a fraction of a second, on purpose: so does each guess of the passphrase.
    """
    if not passphrase:
        raise UsageError("a private key is not saved without a passphrase; give one")
    content = encrypted_pem(private_key_info(key), passphrase)
    target = Path(path)
    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        raise FileFailed(f"{target} exists, and a key is never overwritten; choose another name") from None
    except (OSError, ValueError) as error:
        raise _write_failed(target, error) from None
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            target.unlink()
        raise _write_failed(target, error) from None


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the medium."""
    if sys.platform != "win32":  # which can't open folders, and keeps a journal of names itself
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_failed(path: Path, error: Exception) -> FileFailed:
    reason = getattr(error, "strerror", None) or "this can't be a file's name"
    return FileFailed(f"can't write the key to {path}: {reason}; choose another place")


# Signatures


def digest(message: bytes, algorithm: HashAlgorithm) -> bytes:
    """The hash of a message."""
    return hashlib.new(algorithm, message).digest()


@cache  # a handful
def signature_algorithms(algorithm: KeyAlgorithm) -> tuple[SignatureAlgorithm, ...]:
    """What a key of this kind signs with, the usual first; nothing for X25519, which only agrees on keys.

    RSA begins with PKCS#1 v1.5 and SHA-512, as Thai authorities sign; a curve with the hash of its own strength.
    """
    match algorithm:
        case KeyAlgorithm.X25519:
            return ()
        case KeyAlgorithm.ED25519:
            return (SignatureAlgorithm(SignatureScheme.EDDSA, None),)
        case KeyAlgorithm.P_256:
            order = (HashAlgorithm.SHA_256, HashAlgorithm.SHA_384, HashAlgorithm.SHA_512)
        case KeyAlgorithm.P_384:
            order = (HashAlgorithm.SHA_384, HashAlgorithm.SHA_512, HashAlgorithm.SHA_256)
        case _:
            order = (HashAlgorithm.SHA_512, HashAlgorithm.SHA_384, HashAlgorithm.SHA_256)
            schemes = (SignatureScheme.RSA_PKCS1, SignatureScheme.RSA_PSS)
            return tuple(SignatureAlgorithm(scheme, hashed) for scheme in schemes for hashed in order)
    return tuple(SignatureAlgorithm(SignatureScheme.ECDSA, hashed) for hashed in order)


def verify_signature(public_key: bytes, message: bytes, signature: bytes, algorithm: SignatureAlgorithm) -> None:
    """Check a signature by a public key (SubjectPublicKeyInfo, DER); ECDSA signatures are DER.

    Raise SignatureInvalid, UsageError for an algorithm that is not the key's, or what `load_public_key` raises.
    """
    key = load_public_key(public_key)
    _check_algorithm(key_algorithm(key), algorithm)
    if isinstance(key, ed25519.Ed25519PublicKey):
        try:
            key.verify(signature, message)
        except InvalidSignature:
            raise _wrong_signature() from None
    else:
        _verify(key, message, signature, algorithm, _hash(algorithm))


def verify_digest(public_key: bytes, digest: bytes, signature: bytes, algorithm: SignatureAlgorithm) -> None:
    """Check a signature over a digest, as `verify_signature` does; raise UsageError for EdDSA and a wrong length."""
    key = load_public_key(public_key)
    _check_algorithm(key_algorithm(key), algorithm)
    check_digest(digest, algorithm)
    _verify(key, digest, signature, algorithm, Prehashed(_hash(algorithm)))


def _verify(
    key: PublicKey,
    data: bytes,
    signature: bytes,
    algorithm: SignatureAlgorithm,
    hashed: hashes.HashAlgorithm | Prehashed,
) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _padding(algorithm), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hashed))
    except InvalidSignature:
        raise _wrong_signature() from None


def _wrong_signature() -> SignatureInvalid:
    return SignatureInvalid("the signature is not by this key over this message; do not trust them")


def check_digest(digest: bytes, algorithm: SignatureAlgorithm) -> None:
    """Raise UsageError if this is no digest that the algorithm signs."""
    if algorithm.hash is None:
        raise UsageError("Ed25519 signs whole messages and no digests; give the message")
    if len(digest) != algorithm.hash.digest_len:
        raise UsageError(f"a digest of {algorithm.hash} has {algorithm.hash.digest_len} bytes")


class FileSigner:
    """A private key in memory that satisfies `ecitizen.ports.Signer`; raise UsageError for an X25519 key."""

    def __init__(self, key: PrivateKey, certificate: bytes | None = None) -> None:
        self.key_algorithm = key_algorithm(key)
        self.algorithms = signature_algorithms(self.key_algorithm)
        if isinstance(key, x25519.X25519PrivateKey):
            raise UsageError("an X25519 key agrees on keys and can't sign; take another one")
        self.public_key = public_key_info(key)
        self.certificate = certificate
        self._key = key
        # Made once: an OCSP responder signs as often as it can.
        self._by_message = {each: _signing(key, each, _hash_of(each)) for each in self.algorithms}
        self._by_digest = {
            each: _signing(key, each, Prehashed(_hash(each))) for each in self.algorithms if each.hash is not None
        }

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a message; raise UsageError for an algorithm that is not the key's."""
        signing = self._by_message.get(algorithm)
        if signing is None:
            raise _not_its_algorithm(self.key_algorithm)
        return signing(message)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a digest; raise UsageError for a wrong length, for EdDSA, and for an algorithm that is not the key's."""
        _check_algorithm(self.key_algorithm, algorithm)
        check_digest(digest, algorithm)
        return self._by_digest[algorithm](digest)


def _signing(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    algorithm: SignatureAlgorithm,
    hashed: hashes.HashAlgorithm | Prehashed | None,
) -> Callable[[bytes], bytes]:
    """How this key signs with that algorithm, over messages or over digests."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    assert hashed is not None
    if isinstance(key, rsa.RSAPrivateKey):
        return partial(key.sign, padding=_padding(algorithm), algorithm=hashed)
    return partial(key.sign, signature_algorithm=ec.ECDSA(hashed))


def _check_algorithm(kind: KeyAlgorithm, algorithm: SignatureAlgorithm) -> None:
    if algorithm not in signature_algorithms(kind):
        raise _not_its_algorithm(kind)


def _not_its_algorithm(kind: KeyAlgorithm) -> UsageError:
    return UsageError(f"a key of kind {kind} does not sign with that algorithm")


def _hash(algorithm: SignatureAlgorithm) -> hashes.HashAlgorithm:
    assert algorithm.hash is not None
    return HASH_PRIMITIVES[algorithm.hash]


def _hash_of(algorithm: SignatureAlgorithm) -> hashes.HashAlgorithm | None:
    return None if algorithm.hash is None else HASH_PRIMITIVES[algorithm.hash]


def _padding(algorithm: SignatureAlgorithm) -> padding.PKCS1v15 | padding.PSS:
    if algorithm.scheme is SignatureScheme.RSA_PKCS1:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(_hash(algorithm)), padding.PSS.DIGEST_LENGTH)
