"""Selective disclosure for JSON Web Tokens: RFC 9901, compact serialisation.

The issuer signs salted digests instead of values, the holder shows the values that are wanted and proves with a key
of the card that the token is the holder's, the verifier checks both:

    issued = issue({"iss": ..., "claims": {"entitled": Hidden(True)}}, desk, moment=now, holder=public_key)
    shown = present(issued, [("claims", "entitled")], card, audience=clinic, nonce=nonce, moment=now)
    verified = verify(read_sd_jwt(shown), issuer_key, moment=now, binding=Binding(clinic, nonce))

Sections in comments are the RFC's.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from . import jws
from .errors import Malformed
from .jwk import jwk_of, key_of
from .jws import Jws, Show
from .keys import digest
from .strict_json import from_base64url, read_json, read_object, to_base64url, write_json
from .token_errors import TokenProblem, TokenRefused

TYPE: Final = "dc+sd-jwt"
"""Type of what is issued here, in its header (SD-JWT VC)."""
BINDING_TYPE: Final = "kb+jwt"
TEXT_MAX_LEN: Final = 4 * 1024 * 1024
DISCLOSURES_MAX: Final = 1024
DEPTH_MAX: Final = 64
"""How deep claims may nest with all that is disclosed in its place."""
SALT_LEN: Final = 16
"""Bytes, before base64url: 128 bits (9.3)."""
NONCE_MIN_LEN: Final = 16
"""Characters of a nonce that `present` takes."""
BINDING_AGE_MAX: Final = timedelta(minutes=5)
CLOCK_DIFFERENCE_MAX: Final = timedelta(minutes=1)
"""By how much the holder's clock may be ahead of the verifier's."""

_SD: Final = "_sd"
_SD_ALG: Final = "_sd_alg"
_ELEMENT: Final = "..."
_RESERVED: Final = frozenset({_SD, _ELEMENT})
_PLAIN: Final = frozenset({"iss", "nbf", "exp", "cnf", "vct", "status", "aud", _SD_ALG})
"""Claims that decide whether the token is valid; hiding them would make it seem so (9.7)."""
_HASHES: Final = MappingProxyType(
    {"sha-256": HashAlgorithm.SHA_256, "sha-384": HashAlgorithm.SHA_384, "sha-512": HashAlgorithm.SHA_512}
)
"""Names in IANA's registry of named information hashes (4.1.1)."""

Path = tuple[str | int, ...]
"""Names of members, and numbers of elements in an array with everything disclosed."""
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that the holder may disclose or not; what is in it may be Hidden too."""

    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A salted value; `name` is None for an element of an array."""

    text: str = field(repr=False)
    """base64url, as it stands in the token: the digest is of exactly this."""
    name: str | None
    value: Any = field(repr=False)

    def digest(self, hashed: HashAlgorithm) -> str:
        """As it stands among the issuer's digests (4.2.3)."""
        return to_base64url(digest(self.text.encode("ascii"), hashed))


@dataclass(frozen=True, slots=True)
class SdJwt:
    """An SD-JWT that is well formed; nothing in it is proven before `verify`."""

    token: str = field(repr=False)
    """The issuer-signed JWT, compact."""
    jwt: Jws = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    """As signed: digests where values are hidden."""
    disclosures: tuple[Disclosure, ...]
    binding: str | None = field(default=None, repr=False)
    """The key binding JWT, compact; None if nobody has presented it yet."""

    @property
    def header(self) -> Mapping[str, Any]:
        """The issuer's protected header."""
        return self.jwt.signatures[0].header

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """Of the digests; SHA-256 if nothing is said (4.1.1). Raise Malformed for one that is not used here."""
        found = _HASHES.get(str(self.payload.get(_SD_ALG, "sha-256")))
        if found is None:
            raise Malformed("the token's digests are by a hash that is too weak, or not known here")
        return found

    @property
    def bound(self) -> str:
        """What the holder's proof is over: all up to it, with the last tilde (4.3.1)."""
        return "~".join((self.token, *(each.text for each in self.disclosures), ""))

    def __str__(self) -> str:
        return self.bound + (self.binding or "")


@dataclass(frozen=True, slots=True)
class Binding:
    """What a verifier wants of the holder's proof."""

    audience: str
    nonce: str = field(repr=False)
    age_max: timedelta = BINDING_AGE_MAX


@dataclass(frozen=True, slots=True)
class VerifiedSdJwt:
    """What a token says, after everything about it was checked."""

    claims: Mapping[str, Any] = field(repr=False)
    """The issuer's claims with all that was disclosed in its place, and no digests (7.1)."""
    header: Mapping[str, Any] = field(repr=False)
    disclosed: tuple[Path, ...]
    bound_at: datetime | None = None
    """When the holder made the proof, by the holder's clock; None if there is none."""
    holder_key: bytes | None = field(default=None, repr=False)
    """SubjectPublicKeyInfo, DER, of whom the token is bound to."""


# Issuing


def issue(
    claims: Mapping[str, Any],
    signer: Signer,
    *,
    certificates: Sequence[bytes] = (),
    holder: bytes | None = None,
    decoys: int = 0,
    algorithm: str | None = None,
    random_bytes: RandomBytes = os.urandom,
    show: Show | None = None,
) -> SdJwt:
    """Issue a token over claims, those in `Hidden` selectively disclosable, with one use of the issuer's key.

    `holder` is the public key (SubjectPublicKeyInfo, DER) that it is bound to; `decoys` is how many digests of nothing
    stand beside the real ones of each object, so that their number says less (4.2.5). Raise UsageError for reserved or
    hidden claims that may not be, and as `jws.sign` does.
    """
    if hidden := sorted(name for name in _PLAIN if isinstance(claims.get(name), Hidden)):
        raise UsageError(f"these claims decide whether the token is valid and can't be hidden: {', '.join(hidden)}")
    maker = _Maker(random_bytes, decoys)
    payload: dict[str, Any] = maker.made(claims)
    payload[_SD_ALG] = "sha-256"
    if holder is not None:
        payload["cnf"] = {"jwk": jwk_of(holder)}
    content = write_json(payload)
    made = jws.sign(content, signer, certificates=certificates, header={"typ": TYPE}, algorithm=algorithm, show=show)
    return SdJwt(jws.compact(content, made), Jws(content, (made,)), payload, tuple(maker.disclosures))


class _Maker:
    """Turns claims into digests and disclosures."""

    def __init__(self, random_bytes: RandomBytes, decoys: int) -> None:
        self._random = random_bytes
        self._decoys = decoys
        self.disclosures: list[Disclosure] = []

    def made(self, value: Any, depth: int = 0) -> Any:
        """The value with every Hidden in it replaced by its digest."""
        if depth > DEPTH_MAX:
            raise UsageError(f"claims nest at most {DEPTH_MAX} levels deep")
        if isinstance(value, Mapping):
            return self._object(value, depth + 1)
        if isinstance(value, list | tuple):
            return [self._element(each, depth + 1) for each in value]
        return value

    def _object(self, members: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if not all(isinstance(name, str) for name in members) or _RESERVED & members.keys():
            raise UsageError(f"names of claims are text, and not {' or '.join(sorted(_RESERVED))}")
        plain = {name: self.made(value, depth) for name, value in members.items() if not isinstance(value, Hidden)}
        digests = [self._hide(value.value, name, depth) for name, value in members.items() if isinstance(value, Hidden)]
        if digests:
            # Sorted, so that their order says nothing about the claims (4.2.4.1).
            plain[_SD] = sorted([*digests, *(to_base64url(self._random(32)) for _ in range(self._decoys))])
        return plain

    def _element(self, value: Any, depth: int) -> Any:
        return (
            {_ELEMENT: self._hide(value.value, None, depth)} if isinstance(value, Hidden) else self.made(value, depth)
        )

    def _hide(self, value: Any, name: str | None, depth: int) -> str:
        """Keep a disclosure of the value; gives its digest."""
        salt = to_base64url(self._random(SALT_LEN))
        inner = self.made(value, depth)
        parts = [salt, inner] if name is None else [salt, name, inner]
        self.disclosures.append(Disclosure(to_base64url(write_json(parts)), name, inner))
        return self.disclosures[-1].digest(HashAlgorithm.SHA_256)


# Reading


def read_sd_jwt(text: str, *, max_len: int = TEXT_MAX_LEN) -> SdJwt:
    """Take an SD-JWT or SD-JWT+KB apart; raise Malformed."""
    if len(text) > max_len:
        raise Malformed(f"the token is longer than {max_len} characters, which is more than will be read")
    token, *disclosures = text.split("~")
    if not disclosures or len(disclosures) > DISCLOSURES_MAX:
        raise Malformed(f"this is no SD-JWT: there is no tilde, or more than {DISCLOSURES_MAX}")
    *disclosures, binding = disclosures
    jwt = jws.read_compact(token)
    payload = read_object(jwt.payload, max_len=max_len)
    return SdJwt(token, jwt, payload, tuple(_disclosure(each) for each in disclosures), binding or None)


def _disclosure(text: str) -> Disclosure:
    parts = read_json(from_base64url(text), max_len=TEXT_MAX_LEN)
    if not isinstance(parts, list) or len(parts) not in {2, 3} or not isinstance(parts[0], str):
        raise Malformed("a disclosure is not a salt, perhaps a name, and a value")
    if len(parts) == 2:
        return Disclosure(text, None, parts[1])
    if not isinstance(parts[1], str):
        raise Malformed("a disclosure has a name that is not text")
    return Disclosure(text, parts[1], parts[2])


# Presenting


def present(
    issued: SdJwt,
    disclose: Iterable[Path],
    signer: Signer,
    *,
    audience: str,
    nonce: str,
    moment: datetime,
    algorithm: str | None = None,
    show: Show | None = None,
) -> str:
    """Show the values at these paths and those around them, to this audience only, with one use of the holder's key.

    Raise UsageError for a path that the token does not hide, a token that is not bound to this key, or a nonce of less
    than 16 characters, Malformed for a token that contradicts itself.
    """
    if len(nonce) < NONCE_MIN_LEN:
        raise UsageError(f"a nonce has at least {NONCE_MIN_LEN} characters; take the one that the verifier gave")
    if _holder_key(issued) != key_of(jwk_of(signer.public_key)):
        raise UsageError("the token is bound to another key; use the card that it was issued to")
    shown = select(issued, disclose)
    content = write_json(
        {
            "iat": int(moment.timestamp()),
            "aud": audience,
            "nonce": nonce,
            "sd_hash": _sd_hash(shown),
        }
    )
    made = jws.sign(content, signer, header={"typ": BINDING_TYPE}, algorithm=algorithm, show=show)
    return str(replace(shown, binding=jws.compact(content, made)))


def select(issued: SdJwt, disclose: Iterable[Path]) -> SdJwt:
    """The same token with the disclosures at these paths, and those around them, and without a holder's proof."""
    places = hidden_paths(issued)
    wanted: set[Path] = set()
    for path in disclose:
        if path not in places:
            raise UsageError(f"the token hides nothing at {'/'.join(map(str, path))}; choose what it has")
        wanted |= {path[:end] for end in range(1, len(path) + 1)}
    chosen = {each.text for path, each in places.items() if path in wanted}
    return replace(issued, disclosures=tuple(d for d in issued.disclosures if d.text in chosen), binding=None)


def hidden_paths(token: SdJwt) -> dict[Path, Disclosure]:
    """Where each disclosure of a token belongs; raise Malformed or TokenRefused if they contradict each other."""
    opened = _Opened(token)
    opened.run()
    return opened.places


# Verifying


def verify(
    token: SdJwt,
    issuer_key: bytes,
    *,
    moment: datetime,
    types: frozenset[str] = frozenset({TYPE}),
    binding: Binding | None = None,
    unbound: bool = False,
) -> VerifiedSdJwt:
    """Check everything about a token: the issuer's signature, each disclosure, the times, and the holder's proof.

    `issuer_key` is the issuer's public key (SubjectPublicKeyInfo, DER); whether to believe it is for `pki.trust`. With
    `binding` the holder's proof must be there and answer it; without, `unbound` says that a token that nobody proves to
    be theirs will do. Raise SignatureInvalid, Malformed, or TokenRefused that tells why.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a check needs a time zone")
    if binding is None and not unbound:
        raise UsageError("say what the holder's proof must answer, or that none is needed")
    jws.verify(token.jwt.payload, token.jwt.signatures[0], issuer_key)
    if str(token.header.get("typ")) not in types:
        raise TokenRefused(TokenProblem.WRONG_TYPE)
    opened = _Opened(token)
    claims = opened.run()
    check_times(claims, moment)
    bound_at = None
    if token.binding is not None:
        bound_at = _check_binding(token, binding, moment)
    elif binding is not None:
        raise TokenRefused(TokenProblem.BINDING_MISSING)
    key = _holder_key(token) if "cnf" in token.payload else None
    return VerifiedSdJwt(claims, token.header, tuple(opened.places), bound_at, key)


def check_times(claims: Mapping[str, Any], moment: datetime) -> None:
    """Hold `exp` and `nbf` against a moment, without tolerance (RFC 7519, 4.1); raise TokenRefused or Malformed."""
    expires, begins = numeric_date(claims, "exp"), numeric_date(claims, "nbf")
    if expires is not None and moment >= expires:
        raise TokenRefused(TokenProblem.EXPIRED, expired_at=expires.isoformat())
    if begins is not None and moment < begins:
        raise TokenRefused(TokenProblem.NOT_YET_VALID, valid_from=begins.isoformat())


def numeric_date(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A claim that is a time in seconds since 1970 (RFC 7519, 2); None if it is not there. Raise Malformed."""
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"the claim {name} is no time in seconds")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise Malformed(f"the claim {name} is not in any calendar") from None


def _check_binding(token: SdJwt, wanted: Binding | None, moment: datetime) -> datetime:
    """The holder's proof: type, key, time, audience, nonce, and that it is over exactly what is presented (7.3)."""
    assert token.binding is not None
    jwt = jws.read_compact(token.binding)
    [signature] = jwt.signatures
    if signature.header.get("typ") != BINDING_TYPE:
        raise TokenRefused(TokenProblem.BINDING_WRONG)
    jws.verify(jwt.payload, signature, _holder_key(token))
    claims = read_object(jwt.payload, max_len=TEXT_MAX_LEN)
    values = {name: claims.get(name) for name in ("aud", "nonce", "sd_hash")}
    made_at = numeric_date(claims, "iat")
    if made_at is None or not all(isinstance(each, str) for each in values.values()):
        raise Malformed("the holder's proof lacks its time, audience, nonce or digest")
    if not jws.same(str(values["sd_hash"]), _sd_hash(token)):
        raise TokenRefused(TokenProblem.BINDING_WRONG)
    if wanted is not None:
        if not jws.same(str(values["aud"]), wanted.audience):
            raise TokenRefused(TokenProblem.AUDIENCE)
        if not jws.same(str(values["nonce"]), wanted.nonce):
            raise TokenRefused(TokenProblem.NONCE)
        if not -CLOCK_DIFFERENCE_MAX <= moment - made_at <= wanted.age_max:
            raise TokenRefused(TokenProblem.BINDING_STALE, made_at=made_at.isoformat())
    return made_at


def _sd_hash(token: SdJwt) -> str:
    return to_base64url(digest(token.bound.encode("ascii"), token.hash_algorithm))


def _holder_key(token: SdJwt) -> bytes:
    confirmation = token.payload.get("cnf")
    if not isinstance(confirmation, dict) or "jwk" not in confirmation:
        raise TokenRefused(TokenProblem.BINDING_MISSING)
    return key_of(confirmation["jwk"])


class _Opened:
    """Puts each disclosure where its digest stands (7.1, step 3); every rule that is broken is a TokenRefused."""

    def __init__(self, token: SdJwt) -> None:
        hashed = token.hash_algorithm
        self._payload = token.payload
        self._count = len(token.disclosures)
        self._by_digest = {each.digest(hashed): each for each in token.disclosures}
        self._seen: set[str] = set()
        self.places: dict[Path, Disclosure] = {}

    def run(self) -> dict[str, Any]:
        """The claims with all that is disclosed in its place."""
        if len(self._by_digest) != self._count:
            raise TokenRefused(TokenProblem.DISCLOSURE)  # one is there twice
        claims = {name: value for name, value in self._object(self._payload, ()).items() if name != _SD_ALG}
        if len(self.places) != self._count:
            raise TokenRefused(TokenProblem.DISCLOSURE)  # one belongs nowhere
        return claims

    def _opened(self, value: Any, path: Path) -> Any:
        if len(path) > DEPTH_MAX:
            raise Malformed(f"the token's claims nest deeper than {DEPTH_MAX} levels")
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            return list(self._elements(value, path))
        return value

    def _object(self, members: Mapping[str, Any], path: Path) -> dict[str, Any]:
        if _ELEMENT in members or (path and _SD_ALG in members):
            raise TokenRefused(TokenProblem.DISCLOSURE)
        found = {name: self._opened(value, (*path, name)) for name, value in members.items() if name != _SD}
        digests = members.get(_SD, [])
        if not isinstance(digests, list):
            raise TokenRefused(TokenProblem.DISCLOSURE)
        for each in digests:
            disclosure = self._take(each)
            if disclosure is None:
                continue
            name = disclosure.name
            if name is None or name in _RESERVED or name in found or (not path and name in _PLAIN):
                raise TokenRefused(TokenProblem.DISCLOSURE)
            self.places[(*path, name)] = disclosure
            found[name] = self._opened(disclosure.value, (*path, name))
        return found

    def _elements(self, values: Sequence[Any], path: Path) -> Iterator[Any]:
        """The elements that are there or disclosed; those that stay hidden leave no gap."""
        for number, value in enumerate(values):
            if not isinstance(value, dict) or _ELEMENT not in value:
                yield self._opened(value, (*path, number))
                continue
            if len(value) != 1:
                raise TokenRefused(TokenProblem.DISCLOSURE)
            disclosure = self._take(value[_ELEMENT])
            if disclosure is None:
                continue
            if disclosure.name is not None:
                raise TokenRefused(TokenProblem.DISCLOSURE)
            self.places[(*path, number)] = disclosure
            yield self._opened(disclosure.value, (*path, number))

    def _take(self, digest_text: object) -> Disclosure | None:
        """The disclosure of a digest, if it was disclosed; each digest may stand once in all of the token."""
        if not isinstance(digest_text, str) or digest_text in self._seen:
            raise TokenRefused(TokenProblem.DISCLOSURE)
        self._seen.add(digest_text)
        return self._by_digest.get(digest_text)


def new_nonce(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """A nonce for a verifier to give: 256 bits, base64url."""
    return to_base64url(random_bytes(32))
