"""Signing keys in PKCS#11 modules: HSMs, tokens, and SoftHSM in tests. Needs python-pkcs11 (the extra `pkcs11`).

The module is asked for bare signatures over digests (CKM_ECDSA, CKM_RSA_PKCS), which every module has; hashes and
encodings are made here. A key is named as in RFC 7512: `pkcs11:token=Ministry;object=persons?module-path=/usr/lib/...`,
or by its CKA_ID (`id=%01`): OpenSC calls the two halves of a pair and their certificate by three different labels, and
they share that one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote, unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from ecitizen.secret import KeyBytes

from .certificates import certified_key
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


AskPin = Callable[[], KeyBytes]
"""Asks for the PIN, for one signature; what it gives is wiped after that."""


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Where a key is in a module (RFC 7512)."""

    token: str
    label: str
    """CKA_LABEL; empty if it is not named."""
    module: str
    id: bytes = b""
    """CKA_ID; empty if it is not named."""

    @classmethod
    def parse(cls, text: str) -> "Pkcs11Uri":
        """Read `pkcs11:token=...;object=...;id=...?module-path=...`, of which object or id may be left out.

        Raise UsageError for any other.
        """
        path, _, query = text.removeprefix(SCHEME).partition("?")
        try:
            found = dict(part.split("=", 1) for part in [*path.split(";"), *query.split("&")] if part)
            token, module = (unquote(found.pop(name), errors="strict") for name in ("token", "module-path"))
            label, key_id = unquote(found.pop("object", ""), errors="strict"), unquote_to_bytes(found.pop("id", ""))
        except (ValueError, KeyError):
            raise UsageError(
                "a key in a module is named like pkcs11:token=NAME;object=NAME?module-path=/usr/lib/module.so"
            ) from None
        if found or not token or not module or not (label or key_id) or not text.startswith(SCHEME):
            raise UsageError("token, module-path, and object or id name a key here, and nothing else does")
        return cls(token, label, module, key_id)


class Pkcs11Token:
    """A session on a token, logged in. It is a context manager; its signers work until it is left.

    Raise KeyUnavailable if there is no such module or token, PassphraseWrong for a wrong PIN.
    """

    def __init__(self, uri: Pkcs11Uri, pin: KeyBytes, *, writing: bool = False) -> None:
        self._session = _session(uri, pin, writing=writing)
        self._token = uri.token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out; its signers sign no more."""
        from pkcs11 import exceptions

        # after a wrong PIN for one signature OpenSC has logged out by itself
        with module_errors(self._token), suppress(exceptions.UserNotLoggedIn):
            self._session.close()

    def signer(self, label: str = "", key_id: bytes = b"", *, ask_pin: AskPin | None = None) -> "Pkcs11Signer":
        """The key pair of that label, that CKA_ID, or both; its certificate with it if that has the same CKA_ID.

        `ask_pin` is for a key that wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE). Raise KeyUnavailable if
        there is none, or more than one, KeyUnsupported for a key that is not used here or wants the PIN each time where
        nobody is asked, and Malformed for a certificate that can't be read.
        """
        from pkcs11 import Attribute, ObjectClass

        with module_errors(self._token):
            private: Any = self._session.get_key(
                object_class=ObjectClass.PRIVATE_KEY, label=label or None, id=key_id or None
            )
            always = bool(_attribute(private, Attribute.ALWAYS_AUTHENTICATE))
            if always and ask_pin is None:
                raise KeyUnsupported(
                    "this key wants the PIN for every signature, which is not asked here; take another"
                )
            own_id: bytes = _attribute(private, Attribute.ID) or b""
            public = self._public_half(own_id, label)
            certificates = _certificates(self._session, "", own_id) if own_id else []
            if public is not None:
                key = _public_key(public)
            elif certificates:
                key = certified_key(certificates[0])
            else:
                raise KeyUnavailable(f"the token {self._token} has this private key only; put its certificate there")
            own = next((each for each in certificates if certified_key(each) == key), None)
            return Pkcs11Signer(private, key, self._token, certificate=own, ask_pin=ask_pin if always else None)

    def _public_half(self, own_id: bytes, label: str) -> "pkcs11.Object | None":
        """The public key object of a pair: by CKA_ID, as the standard wants it, or else by label."""
        from pkcs11 import Attribute, ObjectClass

        for name, value in ((Attribute.ID, own_id), (Attribute.LABEL, label)):
            wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, name: value}
            found = next(iter(self._session.get_objects(wanted)), None) if value else None
            if found is not None:
                return found
        return None

    def generate(self, label: str, algorithm: KeyAlgorithm) -> "Pkcs11Signer":
        """A new key pair, which never leaves the token; raise UsageError if the label is taken, or empty."""
        from pkcs11 import Attribute, KeyType, ObjectClass
        from pkcs11.util.ec import encode_named_curve_parameters

        check_new_label(label)
        with module_errors(self._token):
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

    def __init__(
        self,
        private: "pkcs11.Key",
        public_key: bytes,
        token: str,
        *,
        certificate: bytes | None = None,
        ask_pin: AskPin | None = None,
    ) -> None:
        self.public_key = public_key
        self.certificate = certificate
        self.key_algorithm = key_algorithm(load_public_key(public_key))
        self.algorithms = signature_algorithms(self.key_algorithm)
        self._private: Any = private
        self._token = token
        self._ask_pin = ask_pin

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a message; raise UsageError for an algorithm that is not the key's, KeyUnavailable if it fails."""
        if algorithm.hash is None:
            raise UsageError(f"a key of kind {self.key_algorithm} does not sign with that algorithm")
        return self.sign_digest(digest(message, algorithm.hash), algorithm)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a digest; raise as `sign` does, UsageError for a wrong length, and PassphraseWrong for a wrong PIN."""
        import pkcs11
        from pkcs11 import Mechanism

        if algorithm not in self.algorithms:
            raise UsageError(f"a key of kind {self.key_algorithm} does not sign with that algorithm")
        check_digest(digest, algorithm)
        hashed = algorithm.hash
        assert hashed is not None
        if algorithm.scheme is SignatureScheme.ECDSA:
            return _ecdsa_der(self._signed(digest, Mechanism.ECDSA))
        if algorithm.scheme is SignatureScheme.RSA_PKCS1:
            named = sequence(sequence(oid(_HASH_OIDS[hashed]), NULL), octet_string(digest))  # RFC 8017, 9.2
            return self._signed(named, Mechanism.RSA_PKCS)
        name = hashed.upper()
        return self._signed(digest, Mechanism.RSA_PKCS_PSS, (Mechanism[name], pkcs11.MGF[name], hashed.digest_len))

    def _signed(self, data: bytes, mechanism: "pkcs11.Mechanism", parameters: tuple[Any, ...] | None = None) -> bytes:
        """One signature, with one PIN for it if the key wants that."""
        pin = None if self._ask_pin is None else self._ask_pin()
        try:
            with module_errors(self._token):
                # `pin` is a login of kind CKU_CONTEXT_SPECIFIC between C_SignInit and C_Sign (PKCS#11 2.40, 5.6)
                text = None if pin is None else _text(pin)
                return bytes(self._private.sign(data, mechanism=mechanism, mechanism_param=parameters, pin=text))
        finally:
            if pin is not None:
                pin.wipe()


def certificate_on_token(uri: Pkcs11Uri) -> bytes | None:
    """The certificate of that label and CKA_ID, DER, which tokens give without a PIN; None if not exactly one fits.

    Raise KeyUnavailable if there is no such module or token.
    """
    session = _session(uri, None)
    with module_errors(uri.token):
        try:
            found = _certificates(session, uri.label, uri.id)
        finally:
            session.close()
    return found[0] if len(found) == 1 else None


def check_new_label(label: str) -> None:
    """Raise UsageError if a new key would have no name."""
    if not label:
        raise UsageError("a new key on a token needs a name: object=NAME")


def _session(uri: Pkcs11Uri, pin: KeyBytes | None, *, writing: bool = False) -> "pkcs11.Session":
    """A session on a token; without a PIN it shows what everybody may see."""
    try:
        import pkcs11  # late: an extra, which few need
    except ImportError:
        raise KeyUnavailable("python-pkcs11 is not installed; install ecitizen[pkcs11]") from None
    with module_errors(uri.token):
        token = pkcs11.lib(uri.module).get_token(token_label=uri.token)
        return token.open(rw=writing, user_pin=None if pin is None else _text(pin))


def _text(pin: KeyBytes) -> str:
    return pin.reveal().decode("utf-8", "replace")


def _certificates(session: "pkcs11.Session", label: str, own_id: bytes) -> list[bytes]:
    """The X.509 certificates with this label and CKA_ID, as far as these are not empty; DER, each once."""
    from pkcs11 import Attribute, CertificateType, ObjectClass

    wanted: dict[Attribute, Any] = {Attribute.LABEL: label, Attribute.ID: own_id}
    wanted = {name: value for name, value in wanted.items() if value}
    wanted |= {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
    found: Iterable[Any] = session.get_objects(wanted)
    return list(dict.fromkeys(bytes(each[Attribute.VALUE]) for each in found))


def _attribute(key: Any, name: "pkcs11.Attribute") -> Any:
    """What the token says, or None if it knows no such thing."""
    from pkcs11 import exceptions

    try:
        return key[name]
    except (exceptions.AttributeTypeInvalid, exceptions.FunctionFailed):
        return None


def _ecdsa_der(signature: bytes) -> bytes:
    """r and s, one after the other as modules have them, as a DER SEQUENCE."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _public_key(key: Any) -> bytes:
    """SubjectPublicKeyInfo, DER, of a key object."""
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    if key.key_type is KeyType.RSA:
        return public_key_info(load_public_key(_rsa_info(encode_rsa_public_key(key))))
    if key.key_type is KeyType.EC:
        try:
            return public_key_info(load_public_key(encode_ec_public_key(key)))
        except ValueError:
            raise KeyUnsupported(f"the key {key[Attribute.LABEL]} is on a curve that is not used here") from None
    raise KeyUnsupported("the key on the token is of a kind that is not used here; take RSA, P-256 or P-384")


def _rsa_info(public_key: bytes) -> bytes:
    """SubjectPublicKeyInfo of a PKCS#1 RSAPublicKey (RFC 3279, 2.3.1)."""
    from .der import bit_string

    return sequence(sequence(oid("1.2.840.113549.1.1.1"), NULL), bit_string(public_key))


@contextmanager
def module_errors(token: str) -> Iterator[None]:
    """Errors of modules as ours; `token` is its name, for the message."""
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
