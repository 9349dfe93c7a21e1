"""JSON Web Signatures, made over any `ecitizen.ports.Signer` and checked: RFC 7515, 7518, 8037 and 9864.

    made = sign(payload, signer, certificates=(certificate, *chain))        one signature, one use of the key
    compact(payload, made), general(payload, [made, another])               two ways of writing it down
    read_compact(text), read_general(text)                                  nothing is proven yet
    verify(jws.payload, signature, public_key)                              raises, or tells how it was signed

The algorithm is bound to the kind of key: no `none`, no HMAC, no P-256 key with ES384. Keys come from the caller, or
from `x5c` and then through `pki.trust`; `jwk`, `jku` and `x5u` in a header are never believed. Only protected headers
count: a signature with an unprotected one is refused.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .certificates import certified_key
from .errors import Malformed, SignatureInvalid
from .keys import digest, key_algorithm, load_public_key, public_key_info, verify_signature
from .strict_json import from_base64, from_base64url, read_object, to_base64, to_base64url, write_json

TEXT_MAX_LEN: Final = 4 * 1024 * 1024
"""Characters of a whole JWS."""
HEADER_MAX_LEN: Final = 64 * 1024
SIGNATURES_MAX: Final = 16
CERTIFICATES_MAX: Final = 8
"""In `x5c`."""
_SIGNATURE_MAX_LEN: Final = 1024
_PARTS: Final = 3
_OWN_NAMES: Final = frozenset({"alg", "x5c", "x5t#S256", "crit", "b64"})

Show = Callable[[bytes, HashAlgorithm], None]
"""Told the digest that the key is about to sign, before it is used; raising an error there means that nothing is."""


@dataclass(frozen=True, slots=True)
class JoseAlgorithm:
    """What a value of `alg` means, and the kinds of keys that it is for."""

    algorithm: SignatureAlgorithm
    keys: frozenset[KeyAlgorithm]


_RSA = frozenset(kind for kind in KeyAlgorithm if kind.is_rsa)


def _meaning(
    scheme: SignatureScheme, hashed: HashAlgorithm | None, keys: frozenset[KeyAlgorithm] = _RSA
) -> JoseAlgorithm:
    return JoseAlgorithm(SignatureAlgorithm(scheme, hashed), keys)


ALGORITHMS: Final[Mapping[str, JoseAlgorithm]] = MappingProxyType(
    {
        # RFC 7518, 3.1; the salt of PS* is as long as the digest (3.5)
        "ES256": _meaning(SignatureScheme.ECDSA, HashAlgorithm.SHA_256, frozenset({KeyAlgorithm.P_256})),
        "ES384": _meaning(SignatureScheme.ECDSA, HashAlgorithm.SHA_384, frozenset({KeyAlgorithm.P_384})),
        "RS256": _meaning(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_256),
        "RS384": _meaning(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_384),
        "RS512": _meaning(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_512),
        "PS256": _meaning(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_256),
        "PS384": _meaning(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_384),
        "PS512": _meaning(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_512),
        # RFC 8037, 3.1; RFC 9864, 2.2 gives it a name that says which curve
        "EdDSA": _meaning(SignatureScheme.EDDSA, None, frozenset({KeyAlgorithm.ED25519})),
        "Ed25519": _meaning(SignatureScheme.EDDSA, None, frozenset({KeyAlgorithm.ED25519})),
    }
)
"""Values of `alg` that are made and believed; there is no other."""

_FIELD_LENS: Final = MappingProxyType({KeyAlgorithm.P_256: 32, KeyAlgorithm.P_384: 48})
"""Bytes of R and of S (RFC 7518, 3.4)."""


@dataclass(frozen=True, slots=True)
class JwsSignature:
    """One signature of a JWS: its protected header as it stands in the text, the header's values, and the signature."""

    protected: str = field(repr=False)
    """base64url: what was signed begins with it."""
    header: Mapping[str, Any] = field(repr=False)
    signature: bytes

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """What `x5c` holds, DER, the signer's first; nothing is proven by it."""
        return _certificates(self.header)


@dataclass(frozen=True, slots=True)
class Jws:
    """A JWS that is well formed; nothing in it is proven before `verify`."""

    payload: bytes = field(repr=False)
    signatures: tuple[JwsSignature, ...]


# Making


def jose_algorithm(signer: Signer, wanted: str | None = None) -> str:
    """The `alg` that a signer signs with, the best first; raise UsageError for a wanted one that is not the key's."""
    for name, meaning in sorted(ALGORITHMS.items(), key=lambda item: _preference(signer, item[1])):
        if signer.key_algorithm in meaning.keys and meaning.algorithm in signer.algorithms and wanted in {None, name}:
            return name
    raise UsageError(f"a key of kind {signer.key_algorithm} does not sign with {wanted or 'any algorithm of JWS'}")


def _preference(signer: Signer, meaning: JoseAlgorithm) -> int:
    known = list(signer.algorithms)
    return known.index(meaning.algorithm) if meaning.algorithm in known else len(known)


def sign(
    payload: bytes,
    signer: Signer,
    *,
    certificates: Sequence[bytes] = (),
    header: Mapping[str, Any] = MappingProxyType({}),
    algorithm: str | None = None,
    show: Show | None = None,
) -> JwsSignature:
    """Sign a payload with exactly one use of the key.

    `certificates` (DER, the signer's first) go into `x5c`, and the digest of the first into `x5t#S256`; `header` has
    further protected members, such as `typ`. Raise UsageError for a certificate that is not the key's, a header that
    sets what is set here, or an algorithm that the key has not, and what the signer raises.
    """
    if (taken := _OWN_NAMES & header.keys()) != frozenset():
        raise UsageError(f"these members of a header can't be set: {', '.join(sorted(taken))}")
    name = jose_algorithm(signer, algorithm)
    whole: dict[str, Any] = {"alg": name, **header}
    if certificates:
        if certified_key(certificates[0]) != public_key_info(load_public_key(signer.public_key)):
            raise UsageError("the certificate is not for this key; give the two that belong together")
        whole |= {"x5c": [to_base64(each) for each in certificates], "x5t#S256": _thumbprint(certificates[0])}
    protected = to_base64url(write_json(whole))
    meaning = ALGORITHMS[name]
    signature = signed_value(_signing_input(protected, payload), signer, meaning.algorithm, show)
    return JwsSignature(protected, MappingProxyType(whole), signature)


def signed_value(message: bytes, signer: Signer, algorithm: SignatureAlgorithm, show: Show | None = None) -> bytes:
    """Use the key once, and give the signature as JWS writes it: ECDSA as R||S, all others as they are."""
    if algorithm.hash is None:
        if show is not None:
            show(digest(message, HashAlgorithm.SHA_512), HashAlgorithm.SHA_512)
        return signer.sign(message, algorithm)
    hashed = digest(message, algorithm.hash)
    if show is not None:
        show(hashed, algorithm.hash)
    made = signer.sign_digest(hashed, algorithm)
    if algorithm.scheme is not SignatureScheme.ECDSA:
        return made
    field_len = _FIELD_LENS[signer.key_algorithm]
    return b"".join(number.to_bytes(field_len, "big") for number in decode_dss_signature(made))


def compact(payload: bytes, signature: JwsSignature) -> str:
    """The compact serialisation (RFC 7515, 7.1)."""
    return ".".join((signature.protected, to_base64url(payload), to_base64url(signature.signature)))


def general(payload: bytes, signatures: Sequence[JwsSignature]) -> bytes:
    """The general JSON serialisation (RFC 7515, 7.2.1) with all the signatures, in UTF-8."""
    if not signatures or len(signatures) > SIGNATURES_MAX:
        raise UsageError(f"a JWS has one to {SIGNATURES_MAX} signatures")
    entries = [{"protected": each.protected, "signature": to_base64url(each.signature)} for each in signatures]
    return write_json({"payload": to_base64url(payload), "signatures": entries})


# Reading


def read_compact(text: str, *, max_len: int = TEXT_MAX_LEN) -> Jws:
    """Take a compact JWS apart; raise Malformed."""
    if len(text) > max_len:
        raise Malformed(f"the signed token is longer than {max_len} characters, which is more than will be read")
    parts = text.split(".", _PARTS)
    if len(parts) != _PARTS:
        raise Malformed("the signed token does not have three parts between dots")
    protected, payload, signature = parts
    return Jws(from_base64url(payload), (_signature(protected, signature),))


def read_general(text: bytes | str, *, max_len: int = TEXT_MAX_LEN) -> Jws:
    """Take a JWS in the general JSON serialisation apart; raise Malformed."""
    whole = read_object(text, max_len=max_len)
    entries = whole.get("signatures")
    if not isinstance(entries, list) or not 1 <= len(entries) <= SIGNATURES_MAX:
        raise Malformed(f"the signed JSON does not have one to {SIGNATURES_MAX} signatures")
    return Jws(from_base64url(whole.get("payload")), tuple(_entry(each) for each in entries))


def _entry(entry: object) -> JwsSignature:
    if not isinstance(entry, dict) or "header" in entry:
        raise Malformed("a signature has a header that it does not protect, and that anybody could have put there")
    return _signature(entry.get("protected"), entry.get("signature"))


def _signature(protected: object, signature: object) -> JwsSignature:
    header = read_object(from_base64url(protected), max_len=HEADER_MAX_LEN)
    assert isinstance(protected, str)
    if "crit" in header or "b64" in header:
        raise Malformed("the signature has critical extensions of JWS, and none is known here")
    if str(header.get("alg")) not in ALGORITHMS:
        raise Malformed("the signature is by an algorithm that is too weak, or not known here")
    if len(value := from_base64url(signature)) > _SIGNATURE_MAX_LEN:
        raise Malformed("the signature is too long")
    certificates = _certificates(header)
    if "x5t#S256" in header and certificates and header["x5t#S256"] != _thumbprint(certificates[0]):
        raise Malformed("the signature names another certificate than the one that it brings")
    return JwsSignature(protected, MappingProxyType(header), value)


def _certificates(header: Mapping[str, Any]) -> tuple[bytes, ...]:
    entries = header.get("x5c", [])
    if not isinstance(entries, list) or len(entries) > CERTIFICATES_MAX or (not entries and "x5c" in header):
        raise Malformed(f"x5c in the header is not a list of 1 to {CERTIFICATES_MAX} certificates")
    return tuple(from_base64(each) for each in entries)


# Checking


def verify(payload: bytes, signature: JwsSignature, public_key: bytes) -> SignatureAlgorithm:
    """Check one signature by a public key (SubjectPublicKeyInfo, DER), and tell how it was made.

    Raise SignatureInvalid, also for an algorithm that is not for such a key, or what `keys.load_public_key` raises.
    """
    message = _signing_input(signature.protected, payload)
    return verify_value(message, signature.signature, public_key, str(signature.header.get("alg")))


def verify_value(message: bytes, signature: bytes, public_key: bytes, name: str) -> SignatureAlgorithm:
    """Check a signature as JWS writes it over a message, by the `alg` of that name; raise as `verify` does."""
    kind = key_algorithm(load_public_key(public_key))
    meaning = ALGORITHMS.get(name)
    if meaning is None or kind not in meaning.keys:
        raise SignatureInvalid(f"the signature is said to be by an algorithm that a key of kind {kind} does not have")
    if meaning.algorithm.scheme is SignatureScheme.ECDSA:
        signature = _der(signature, _FIELD_LENS[kind])
    verify_signature(public_key, message, signature, meaning.algorithm)
    return meaning.algorithm


def _der(signature: bytes, field_len: int) -> bytes:
    """R||S as the DER that keys take."""
    if len(signature) != 2 * field_len:
        raise SignatureInvalid(f"an ECDSA signature by this key has {2 * field_len} bytes")
    r, s = (int.from_bytes(signature[at : at + field_len], "big") for at in (0, field_len))
    return encode_dss_signature(r, s)


def _signing_input(protected: str, payload: bytes) -> bytes:
    return f"{protected}.{to_base64url(payload)}".encode("ascii")


def _thumbprint(certificate: bytes) -> str:
    return to_base64url(hashlib.sha256(certificate).digest())


def same(one: str, other: str) -> bool:
    """Whether two values are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8"), other.encode("utf-8"))
