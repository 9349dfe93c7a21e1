"""Public keys as JSON Web Keys: RFC 7517, RFC 7518, section 6, and RFC 8037, section 2."""

from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ecitizen.errors import UsageError

from .errors import Malformed
from .keys import load_public_key, public_key_info, supported_public_key
from .strict_json import from_base64url, text_member, to_base64url

_CURVES: Final = MappingProxyType({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1})
_FIELD_LENS: Final = MappingProxyType({"P-256": 32, "P-384": 48})
_RSA_MAX_LEN: Final = 512


def jwk_of(public_key: bytes) -> dict[str, str]:
    """The JWK of a public key that signs (SubjectPublicKeyInfo, DER): the required members and no others.

    Raise UsageError for X25519, or what `keys.load_public_key` raises.
    """
    key = load_public_key(public_key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = next(name for name, kind in _CURVES.items() if isinstance(key.curve, kind))
        numbers = key.public_numbers()
        x, y = (to_base64url(value.to_bytes(_FIELD_LENS[curve], "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": curve, "x": x, "y": y}
    if isinstance(key, rsa.RSAPublicKey):
        n, e = (_written(value) for value in (key.public_numbers().n, key.public_numbers().e))
        return {"kty": "RSA", "n": n, "e": e}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": to_base64url(key.public_bytes_raw())}
    raise UsageError("an X25519 key agrees on keys and can't sign; take another one")


def key_of(jwk: object) -> bytes:
    """The public key (SubjectPublicKeyInfo, DER) of a JWK; members that it needs not are not looked at.

    Raise Malformed, also for a private key, or KeyUnsupported for a key that is too weak or not used here.
    """
    if not isinstance(jwk, dict) or "d" in jwk or "k" in jwk:
        raise Malformed("this is no JSON Web Key of a public key")
    try:
        key = _key(jwk)
    except ValueError:
        raise Malformed("the JSON Web Key is damaged: such a key does not exist") from None
    return public_key_info(supported_public_key(key))


def _key(jwk: dict[str, Any]) -> object:
    kind = jwk.get("kty")
    if kind == "EC" and (curve := _CURVES.get(text_member(jwk, "crv"))) is not None:
        field_len = _FIELD_LENS[jwk["crv"]]
        x, y = (_number(jwk, name, field_len) for name in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()
    if kind == "RSA":
        e, n = _number(jwk, "e"), _number(jwk, "n")
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kind == "OKP" and jwk.get("crv") == "Ed25519":
        data = from_base64url(jwk.get("x"))
        return ed25519.Ed25519PublicKey.from_public_bytes(data)
    raise Malformed("the JSON Web Key is of a kind or on a curve that is not used here")


def _number(jwk: dict[str, Any], name: str, exact_len: int | None = None) -> int:
    data = from_base64url(jwk.get(name))
    right = len(data) == exact_len if exact_len is not None else 0 < len(data) <= _RSA_MAX_LEN and data[0] != 0
    if not right:
        raise Malformed(f"the member {name} of the JSON Web Key has the wrong length")
    return int.from_bytes(data, "big")


def _written(value: int) -> str:
    return to_base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
