"""A credential that a desk gives the holder of a card: an SD-JWT of which the holder shows what is needed, and no more.

    issued = issue_credential(desk, card_certificate, issuer=..., claims=claims_of(reading, now), moment=now)
    shown = present(issued, [("claims", "health_insurance", "entitled")], card, audience=clinic, nonce=nonce, ...)
    report = check_credential(shown, trust, now, recipient=clinic, nonce=nonce)

It is bound to the holder's key for authentication (PIV 9A) by that key alone, so it shows no name that is not
disclosed. Security objects never go in: their hashes would tell what is hidden.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from ecitizen.errors import UsageError

from .certificates import certified_key
from .errors import Malformed, PkiError, SignatureInvalid
from .exchange import ExchangeReport, ExchangeVerdict, Party, Role
from .exchange_check import CLOCK_DIFFERENCE_MAX, DESK_USAGE, Voice, extended_usages, taking
from .exchange_package import VALID_FOR, VALID_FOR_MAX
from .exchange_replay import ReplayGuard
from .exchange_schema import CREDENTIAL, check_schema
from .exchange_words import words
from .jws import Show
from .oids import PURPOSES
from .path import Finding, Result
from .sd_jwt import (
    Binding,
    Hidden,
    RandomBytes,
    SdJwt,
    VerifiedSdJwt,
    issue,
    numeric_date,
    present,
    read_sd_jwt,
    verify,
)
from .signed import DocumentVerdict, RevocationSource, SignatureReport
from .signed_trust import SigningTrust, identity_of, judge_signer
from .strict_json import to_base64url
from .token_errors import TokenProblem, TokenRefused
from .trust import TrustStore

__all__ = ["check_credential", "issue_credential", "present", "read_sd_jwt"]

FORMAT: Final = "exchange-credential"
DECOYS: Final = 3
"""Digests of nothing beside each group of hidden values."""

_BY_PROBLEM: Final[Mapping[TokenProblem, ExchangeVerdict]] = MappingProxyType(
    {
        TokenProblem.EXPIRED: ExchangeVerdict.EXPIRED,
        TokenProblem.NOT_YET_VALID: ExchangeVerdict.NOT_YET_VALID,
        TokenProblem.WRONG_TYPE: ExchangeVerdict.REFUSED,
        TokenProblem.DISCLOSURE: ExchangeVerdict.ALTERED,
        TokenProblem.BINDING_MISSING: ExchangeVerdict.REFUSED,
        TokenProblem.BINDING_WRONG: ExchangeVerdict.ALTERED,
        TokenProblem.BINDING_STALE: ExchangeVerdict.REPLAYED,
        TokenProblem.AUDIENCE: ExchangeVerdict.WRONG_RECIPIENT,
        TokenProblem.NONCE: ExchangeVerdict.REPLAYED,
    }
)


def issue_credential(  # noqa: PLR0913 - each is one thing that a credential says
    desk: Party,
    holder_certificate: bytes,
    *,
    issuer: str,
    moment: datetime,
    applications: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    claims: Mapping[str, Mapping[str, bool]] = MappingProxyType({}),
    valid_for: timedelta = VALID_FOR,
    random_bytes: RandomBytes = os.urandom,
    show: Show | None = None,
) -> SdJwt:
    """Issue a credential with one use of the desk's key; every field and every claim in it can be kept back.

    `holder_certificate` (DER) is the one for signing in of the holder's card, which the caller has checked. Raise
    UsageError for another certificate, a party that is no desk, no data, or a validity of more than 31 days.
    """
    if desk.role is not Role.DESK:
        raise UsageError("a credential is issued by a desk")
    if PURPOSES["client_authentication"] not in extended_usages(holder_certificate):
        raise UsageError("a credential is bound to the card's key for signing in; give the certificate of key 9A")
    if not timedelta(0) < valid_for <= VALID_FOR_MAX or moment.tzinfo is None:
        raise UsageError(f"a credential is valid for at most {VALID_FOR_MAX.days} days, from a time with a time zone")
    if not any(applications.values()) and not any(claims.values()):
        raise UsageError("a credential without any data is none")
    issued_at = int(moment.timestamp())
    content = {
        "vct": CREDENTIAL,
        "iss": issuer,
        "iat": issued_at,
        "exp": issued_at + int(valid_for.total_seconds()),
        "applications": _hidden(applications),
        "claims": _hidden(claims),
    }
    return issue(
        {name: value for name, value in content.items() if value},
        desk.signer,
        certificates=(desk.certificate, *desk.chain),
        holder=certified_key(holder_certificate),
        decoys=DECOYS,
        algorithm=desk.algorithm,
        random_bytes=random_bytes,
        show=show,
    )


def _hidden(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Hidden]]:
    return {name: {each: Hidden(value) for each, value in group.items()} for name, group in groups.items() if group}


def check_credential(
    text: str,
    trust: TrustStore | None,
    moment: datetime,
    *,
    recipient: str,
    nonce: str,
    guard: ReplayGuard | None = None,
    revocation: RevocationSource | None = None,
) -> ExchangeReport:
    """Tell what a presented credential is worth: made for this recipient, in answer to this nonce.

    A verifier that gives each nonce once needs no `guard`. Raise UsageError for a moment without a time zone,
    StoreFailed if the guard can't remember. Whatever comes in as `text` is answered with a report.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a check needs a time zone")
    voice = Voice()
    try:
        token = read_sd_jwt(text)
        desk, *others = token.jwt.signatures[0].certificates or (b"",)
        verified = _verified(token, desk, moment, Binding(recipient, nonce))
    except TokenRefused as error:
        finding = Finding("token", Result.FAILED, error.text, error.evidence)
        return ExchangeReport(_BY_PROBLEM[error.problem], moment, FORMAT, (), (finding,))
    except SignatureInvalid as error:
        voice.against(ExchangeVerdict.ALTERED, "signature", "signature_wrong", detail=str(error))
        return ExchangeReport(voice.verdict, moment, FORMAT, (), tuple(voice.findings))
    except PkiError as error:
        voice.against(ExchangeVerdict.REFUSED, "form", "form_wrong", detail=str(error))
        return ExchangeReport(voice.verdict, moment, FORMAT, (), tuple(voice.findings))
    voice.passed("form", "form_right")
    assert verified.bound_at is not None
    voice.passed("holder", "holder_present", presented_at=verified.bound_at.isoformat())
    voice.passed("recipient", "recipient_right")
    signature = _signature(desk, others, verified, SigningTrust(trust, moment, revocation))
    voice.verdicts.append(ExchangeVerdict.of_document(signature.verdict))
    expires_at = numeric_date(verified.claims, "exp")
    assert expires_at is not None
    if voice.verdict is ExchangeVerdict.VALID and guard is not None:
        name = to_base64url(hashlib.sha256(f"{recipient}\0{nonce}".encode()).digest())
        taking(voice, guard, name, expires_at, moment)
    verdict = voice.verdict
    given = verified.claims if verdict is ExchangeVerdict.VALID else None
    return ExchangeReport(verdict, moment, FORMAT, (signature,), tuple(voice.findings), claims=given)


def _verified(token: SdJwt, desk: bytes, moment: datetime, binding: Binding) -> VerifiedSdJwt:
    """What the token says if all in it agrees, and it is as credentials must be."""
    verified = verify(token, certified_key(desk), moment=moment, binding=binding)
    check_schema(verified.claims, CREDENTIAL)
    issued_at, expires_at = (numeric_date(verified.claims, name) for name in ("iat", "exp"))
    assert issued_at is not None
    assert expires_at is not None
    if not timedelta(0) < expires_at - issued_at <= VALID_FOR_MAX:
        raise Malformed(f"a credential is valid for at most {VALID_FOR_MAX.days} days from its issue")
    if issued_at - moment > CLOCK_DIFFERENCE_MAX:
        raise TokenRefused(TokenProblem.NOT_YET_VALID, valid_from=issued_at.isoformat())
    return verified


def _signature(desk: bytes, others: Iterable[bytes], verified: VerifiedSdJwt, trust: SigningTrust) -> SignatureReport:
    """The desk's signature, which holds: whether the desk may be believed."""
    signer = identity_of(desk)
    right = Finding("signature", Result.PASSED, words("issuer_valid"))
    if signer.agency and signer.agency != verified.claims["iss"]:
        other = Finding("sender", Result.FAILED, words("sender_other"), {"agency": signer.agency})
        return SignatureReport(DocumentVerdict.UNTRUSTED, None, "jws", signer, findings=(right, other))
    judged = judge_signer(trust, desk, tuple(others), usage=DESK_USAGE)
    return SignatureReport(
        judged.verdict,
        None,
        "jws",
        signer,
        numeric_date(verified.claims, "iat"),
        covers=Role.DESK.value,
        path=judged.path,
        findings=(right, *judged.findings),
    )
