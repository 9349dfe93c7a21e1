"""Signing keys in PKCS#11 modules: HSMs, tokens, and SoftHSM in tests. Needs python-pkcs11 (the extra `pkcs11`).

The module is asked for bare signatures over digests (CKM_ECDSA, CKM_RSA_PKCS), which every module has; hashes and
encodings are made here. A key is named as in RFC 7512: `pkcs11:token=Ministry;object=persons?module-path=/usr/lib/...`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from ecitizen.secret import KeyBytes

from .der import NULL, octet_string, oid, sequence
from .errors import KeyUnavailable, KeyUnsupported, PassphraseWrong
from .keys import check_digest, digest, key_algorithm, load_public_key, public_key_info, signature_algorithms

if TYPE_CHECKING:
    import pkcs11

SCHEME: Final = "pkcs11:"

_HASH_OIDS = MappingProxyType(
    {
        HashAlgorithm.SHA_256: "2.16.840.1.101.3.4.2.1",
        HashAlgorithm.SHA_384: "2.16.840.1.101.3.4.2.2",
        HashAlgorithm.SHA_512: "2.16.840.1.101.3.4.2.3",
    }
)
_CURVES = MappingProxyType({KeyAlgorithm.P_256: "secp256r1", KeyAlgorithm.P_384: "secp384r1"})


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Where a key is in a module (RFC 7512)."""

    token: str
    label: str
    module: str

    @classmethod
    def parse(cls, text: str) -> "Pkcs11Uri":
        """Read `pkcs11:token=...;object=...?module-path=...`; raise UsageError for any other."""
        path, _, query = text.removeprefix(SCHEME).partition("?")
        try:
            found = dict(part.split("=", 1) for part in [*path.split(";"), *query.split("&")] if part)
            values = [unquote(found.pop(name), errors="strict") for name in ("token", "object", "module-path")]
        except (ValueError, KeyError):
            raise UsageError(
                "a key in a module is named like pkcs11:token=NAME;object=NAME?module-path=/usr/lib/module.so"
            ) from None
        if found or not all(values) or not text.startswith(SCHEME):
            raise UsageError("only token, object and module-path name a key here, and all three are needed")
        return cls(*values)


class Pkcs11Token:
    """A session on a token, logged in. It is a context manager; its signers work until it is left.

    Raise KeyUnavailable if there is no such module or token, PassphraseWrong for a wrong PIN.
    """

    def __init__(self, uri: Pkcs11Uri, pin: KeyBytes, *, writing: bool = False) -> None:
        try:
            import pkcs11  # late: an extra, which few need
        except ImportError:
            raise KeyUnavailable("python-pkcs11 is not installed; install ecitizen[pkcs11]") from None
        with _module_errors(uri.token):
            token = pkcs11.lib(uri.module).get_token(token_label=uri.token)
            self._session = token.open(rw=writing, user_pin=pin.reveal().decode("utf-8", "replace"))
        self._token = uri.token

    def __enter__(self) -> "Pkcs11Token":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out; its signers sign no more."""
        with _module_errors(self._token):
            self._session.close()

    def signer(self, label: str) -> "Pkcs11Signer":
        """The key pair of that label; raise KeyUnavailable if there is none."""
        from pkcs11 import ObjectClass

        with _module_errors(self._token):
            private = self._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
            public = self._session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label)
            return Pkcs11Signer(private, _public_key(public), self._token)

    def generate(self, label: str, algorithm: KeyAlgorithm) -> "Pkcs11Signer":
        """A new key pair, which never leaves the token; raise UsageError if the label is taken."""
        from pkcs11 import Attribute, KeyType, ObjectClass
        from pkcs11.util.ec import encode_named_curve_parameters

        with _module_errors(self._token):
            wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: label}
            if next(iter(self._session.get_objects(wanted)), None) is not None:
                raise UsageError(f"there is a key {label} on the token already; give the new one another name")
            if algorithm.is_rsa:
                size = int(algorithm.removeprefix("rsa"))
                self._session.generate_keypair(KeyType.RSA, size, label=label, store=True)
            elif algorithm in _CURVES:
                curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[algorithm])}
                parameters = self._session.create_domain_parameters(KeyType.EC, curve, local=True)
                parameters.generate_keypair(label=label, store=True)
            else:
                raise KeyUnsupported("tokens make RSA, P-256 and P-384 keys here; take one of these")
        return self.signer(label)


class Pkcs11Signer:
    """A key on a token; satisfies `ecitizen.ports.Signer`."""

    def __init__(self, private: "pkcs11.Key", public_key: bytes, token: str) -> None:
        self.public_key = public_key
        self.certificate: bytes | None = None
        self.key_algorithm = key_algorithm(load_public_key(public_key))
        self.algorithms = signature_algorithms(self.key_algorithm)
        self._private: Any = private
        self._token = token

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a message; raise UsageError for an algorithm that is not the key's, KeyUnavailable if it fails."""
        if algorithm.hash is None:
            raise UsageError(f"a key of kind {self.key_algorithm} does not sign with that algorithm")
        return self.sign_digest(digest(message, algorithm.hash), algorithm)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a digest; raise as `sign` does, and UsageError for a wrong length."""
        import pkcs11
        from pkcs11 import Mechanism

        if algorithm not in self.algorithms:
            raise UsageError(f"a key of kind {self.key_algorithm} does not sign with that algorithm")
        check_digest(digest, algorithm)
        hashed = algorithm.hash
        assert hashed is not None
        with _module_errors(self._token):
            if algorithm.scheme is SignatureScheme.ECDSA:
                return _ecdsa_der(self._private.sign(digest, mechanism=Mechanism.ECDSA))
            if algorithm.scheme is SignatureScheme.RSA_PKCS1:
                named = sequence(sequence(oid(_HASH_OIDS[hashed]), NULL), octet_string(digest))  # RFC 8017, 9.2
                return bytes(self._private.sign(named, mechanism=Mechanism.RSA_PKCS))
            name = hashed.upper()
            parameters = (Mechanism[name], pkcs11.MGF[name], hashed.digest_len)
            return bytes(self._private.sign(digest, mechanism=Mechanism.RSA_PKCS_PSS, mechanism_param=parameters))


def _ecdsa_der(signature: bytes) -> bytes:
    """r and s, one after the other as modules have them, as a DER SEQUENCE."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _public_key(key: "pkcs11.Key") -> bytes:
    """SubjectPublicKeyInfo, DER, of a key object."""
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    found: Any = key
    if found.key_type is KeyType.RSA:
        return public_key_info(load_public_key(_rsa_info(encode_rsa_public_key(found))))
    if found.key_type is KeyType.EC:
        try:
            return public_key_info(load_public_key(encode_ec_public_key(found)))
        except ValueError:
            raise KeyUnsupported(f"the key {found[Attribute.LABEL]} is on a curve that is not used here") from None
    raise KeyUnsupported("the key on the token is of a kind that is not used here; take RSA, P-256 or P-384")


def _rsa_info(public_key: bytes) -> bytes:
    """SubjectPublicKeyInfo of a PKCS#1 RSAPublicKey (RFC 3279, 2.3.1)."""
    from .der import bit_string

    return sequence(sequence(oid("1.2.840.113549.1.1.1"), NULL), bit_string(public_key))


@contextmanager
def _module_errors(token: str) -> Iterator[None]:
    """Errors of modules as ours."""
    from pkcs11 import exceptions

    try:
        yield
    except (exceptions.PinIncorrect, exceptions.PinLenRange, exceptions.PinInvalid):
        raise PassphraseWrong(f"the token {token} did not take the PIN; look how many tries are left") from None
    except (exceptions.NoSuchToken, exceptions.NoSuchKey, exceptions.MultipleObjectsReturned) as error:
        name = type(error).__name__
        raise KeyUnavailable(f"there is no such key or token, or not only one ({token}: {name})") from None
    except (exceptions.PKCS11Error, RuntimeError) as error:
        name = type(error).__name__
        raise KeyUnavailable(f"the PKCS#11 module or its token {token} failed ({name}); check module-path") from None
