"""Sign-in by card, compatible with Web eID: tokens made with key 9A, and a validator for servers.

    browser side        token_text = sign_in(signer, certificate, origin, nonce)
    server side         validator = WebEidValidator(origin, trust, nonces)
                        nonce = validator.challenge(session, moment)
                        who = validator.validate(token_text, session, moment)       raises, or tells who it is

The signature is over hash(origin) || hash(nonce), both by the hash of the algorithm (web-eid-system-architecture-doc,
"authentication token"); the server puts in its own origin and the nonce that it gave, and takes neither from the token.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from cryptography import x509

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer
from ecitizen.version import __version__

from . import jws
from .certificates import certified_key, load_certificate
from .errors import Malformed, PkiError
from .jws import Show
from .keys import digest, load_public_key, public_key_info
from .oids import PURPOSES
from .path import PathReport
from .signed import DocumentVerdict, RevocationSource, SignerIdentity
from .signed_trust import SigningTrust, Vouching, identity_of, judge_signer
from .strict_json import from_base64, read_object, text_member, to_base64, write_json
from .token_errors import TokenProblem, TokenRefused
from .web_eid_nonces import VALID_FOR, NonceStore, RandomBytes, new_nonce

FORMAT: Final = "web-eid:1.0"
APP_VERSION: Final = f"urn:ecitizen:release:{__version__}"
"""Where the official program names its release; validators only log it."""
TOKEN_MAX_LEN: Final = 10_000
"""Characters; the official validators take no more."""
NONCE_MIN_LEN: Final = 44
"""Characters of base64: 256 bits."""
NONCE_MAX_LEN: Final = 128
ORIGIN_MAX_LEN: Final = 255

MOBILE_POLICIES: Final = ("1.3.6.1.4.1.10015.1.3", "1.3.6.1.4.1.10015.18.1", "1.3.6.1.4.1.10015.17")
"""Certificates on phones and in apps instead of cards, with all policies below: SK's Mobile-ID (until 2022, and since),
and Smart-ID."""

_CLIENT_AUTHENTICATION: Final = PURPOSES["client_authentication"]
_FORMATS: Final = re.compile(r"web-eid:1(\.[0-9]{1,4})?")
"""Minor versions only add members (architecture document, "token format")."""
_NONCE: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN: Final = re.compile(rf"https://({_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{{0,4}}))?")
_HTTPS_PORT: Final = 443
_PORT_MAX: Final = 65535

_ALGORITHMS: Final = frozenset(jws.ALGORITHMS) - {"EdDSA", "Ed25519"}
"""ES*, RS* and PS*: Web eID has no others, since there must be a hash."""

_BY_VERDICT: Final[Mapping[DocumentVerdict, TokenProblem]] = MappingProxyType(
    {
        DocumentVerdict.REVOKED: TokenProblem.REVOKED,
        DocumentVerdict.UNTRUSTED: TokenProblem.UNTRUSTED,
        DocumentVerdict.EXPIRED: TokenProblem.CERTIFICATE_EXPIRED,
        DocumentVerdict.CANNOT_TELL: TokenProblem.STATUS_UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class WebEidToken:
    """A token that is well formed; nothing in it is proven."""

    certificate: bytes = field(repr=False)
    """DER: `unverifiedCertificate`."""
    algorithm: str
    signature: bytes = field(repr=False)
    format: str
    app_version: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who has signed in, and what that rests on."""

    subject: SignerIdentity
    serial_number: str = field(repr=False)
    """Of the person, as the certificate's subject has it (with us a pseudonym); "" if it has none."""
    origin: str
    moment: datetime
    path: PathReport


def check_origin(origin: str) -> str:
    """The origin if it is written as browsers do; raise UsageError otherwise.

    https, the host in small letters (names of other scripts in Punycode), a port only if it is not 443, and nothing
    behind: no slash, path, question mark (RFC 6454, 6.2).
    """
    found = _ORIGIN.fullmatch(origin) if len(origin) <= ORIGIN_MAX_LEN else None
    port = int(found["port"] or 0) if found else 0
    if found is None or port == _HTTPS_PORT or port > _PORT_MAX:
        raise UsageError("an origin is like https://service.example.go.th or https://host:8443, without a slash behind")
    return origin


# Making


def sign_in(
    signer: Signer,
    certificate: bytes,
    origin: str,
    nonce: str,
    *,
    algorithm: str | None = None,
    show: Show | None = None,
) -> str:
    """A token for a server's challenge, as JSON, with one use of the key.

    `certificate` (DER) is the one of key 9A; `algorithm` is the key's best if none is given. Raise UsageError for an
    origin or a nonce that is not as it must be, or a certificate that is not the key's, and what the signer raises.
    """
    check_origin(origin)
    if not NONCE_MIN_LEN <= len(nonce) <= NONCE_MAX_LEN or not _NONCE.fullmatch(nonce):
        raise UsageError(f"a server's challenge has {NONCE_MIN_LEN} to {NONCE_MAX_LEN} characters of base64")
    if certified_key(certificate) != public_key_info(load_public_key(signer.public_key)):
        raise UsageError("the certificate is not for this key; give the two that belong together")
    name = jws.jose_algorithm(signer, algorithm)
    hashed = jws.ALGORITHMS[name].algorithm.hash
    if name not in _ALGORITHMS or hashed is None:
        raise UsageError("Web eID knows RSA and ECDSA; a card with Ed25519 can't sign in this way")
    signature = jws.signed_value(_signed(origin, nonce, hashed), signer, jws.ALGORITHMS[name].algorithm, show)
    return write_json(
        {
            "unverifiedCertificate": to_base64(certificate),
            "algorithm": name,
            "signature": to_base64(signature),
            "format": FORMAT,
            "appVersion": APP_VERSION,
        }
    ).decode("utf-8")


def _signed(origin: str, nonce: str, hashed: HashAlgorithm) -> bytes:
    return digest(origin.encode("utf-8"), hashed) + digest(nonce.encode("utf-8"), hashed)


# Checking


def read_token(text: str | bytes) -> WebEidToken:
    """Take a token apart; raise Malformed. Members that are not known are not looked at: later versions add some."""
    value = read_object(text, max_len=TOKEN_MAX_LEN)
    if not _FORMATS.fullmatch(form := text_member(value, "format")):
        raise Malformed("this is no Web eID token of version 1")
    algorithm = text_member(value, "algorithm")
    if algorithm not in _ALGORITHMS:
        raise Malformed("the token is signed by an algorithm that Web eID does not have, or that is not known here")
    certificate = from_base64(value.get("unverifiedCertificate"))
    signature = from_base64(value.get("signature"))
    return WebEidToken(certificate, algorithm, signature, form, _app_version(value))


def _app_version(value: Mapping[str, Any]) -> str:
    return text_member(value, "appVersion") if "appVersion" in value else ""


def check_signature(token: WebEidToken, origin: str, nonce: str) -> None:
    """Make sure that the certificate's key signed for this origin and nonce; raise SignatureInvalid, or as keys do."""
    hashed = jws.ALGORITHMS[token.algorithm].algorithm.hash
    assert hashed is not None
    message = _signed(origin, nonce, hashed)
    jws.verify_value(message, token.signature, certified_key(token.certificate), token.algorithm)


class WebEidValidator:
    """A server's side of signing in: gives challenges, and tells who answered.

    `origin` is the server's own, as browsers write it. `trust` vouches for authorities: `pki.trust.TrustStore`, of our
    country or others. `refused_policies` are certificate policies (OIDs, with all below) that are not accepted;
    `revocation` is asked for revocation data that `trust` lacks. Raise UsageError for another origin.
    """

    def __init__(
        self,
        origin: str,
        trust: Vouching,
        nonces: NonceStore,
        *,
        refused_policies: tuple[str, ...] = MOBILE_POLICIES,
        revocation: RevocationSource | None = None,
        random_bytes: RandomBytes | None = None,
    ) -> None:
        self._origin = check_origin(origin)
        self._trust = trust
        self._nonces = nonces
        self._refused = refused_policies
        self._revocation = revocation
        self._random = random_bytes

    def challenge(self, session: str, moment: datetime) -> str:
        """A new challenge for a browser's session, good once and for five minutes."""
        nonce = new_nonce() if self._random is None else new_nonce(self._random)
        self._nonces.put(session, nonce, moment + VALID_FOR, moment)
        return nonce

    def validate(self, token: str | bytes, session: str, moment: datetime) -> SignIn:
        """Tell who has answered the session's challenge, which is used up by that whatever comes of it.

        Raise Malformed, SignatureInvalid or KeyUnsupported, TokenRefused that tells why, or StoreFailed.
        """
        if moment.tzinfo is None:
            raise UsageError("the moment of a check needs a time zone")
        nonce = self._nonces.take(session, moment)
        if nonce is None:
            raise TokenRefused(TokenProblem.NONCE_UNKNOWN)
        read = read_token(token)
        certificate = load_certificate(read.certificate)
        usage = self._check_purpose(certificate)
        check_signature(read, self._origin, nonce)
        trust = SigningTrust(self._trust, moment, self._revocation)
        judged = judge_signer(trust, read.certificate, usage=usage)
        if judged.verdict is not DocumentVerdict.VALID:
            raise TokenRefused(_BY_VERDICT[judged.verdict], path=judged.path.verdict.value)
        return SignIn(identity_of(read.certificate), _serial_number(certificate), self._origin, moment, judged.path)

    def _check_purpose(self, certificate: x509.Certificate) -> str | None:
        """For signing in, and not on a phone; gives the extended key usage to look for, of those that name any."""
        usages = _extension(certificate, x509.KeyUsage)
        if usages is not None and not usages.digital_signature:
            raise TokenRefused(TokenProblem.PURPOSE)
        purposes = _extension(certificate, x509.ExtendedKeyUsage)
        if purposes is None:
            # Some countries' cards (the Belgian) name no purposes; then the key usage must say something.
            if usages is None or usages.content_commitment:
                raise TokenRefused(TokenProblem.PURPOSE)
        elif _CLIENT_AUTHENTICATION not in {each.dotted_string for each in purposes}:
            raise TokenRefused(TokenProblem.PURPOSE)
        for policy in _extension(certificate, x509.CertificatePolicies) or ():
            if f"{policy.policy_identifier.dotted_string}.".startswith(tuple(f"{each}." for each in self._refused)):
                raise TokenRefused(TokenProblem.POLICY, policy=policy.policy_identifier.dotted_string)
        return None if purposes is None else _CLIENT_AUTHENTICATION


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _serial_number(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)
    return str(found[0].value) if found else ""


def reason(error: PkiError) -> str:
    """Why a token was not accepted, for programs: a TokenProblem, or the code of the error."""
    return error.problem.value if isinstance(error, TokenRefused) else error.code
