"""Path validation: is this certificate to be believed, at this moment, by these anchors (RFC 5280, section 6).

The validation itself is pyhanko-certvalidator's, the best there is by NIST's test suite. Around it stand what it
leaves open (pki.md, findings 3 to 5): strict reading first, revocation required, no tolerance of time, the anchors'
own constraints, and bounds on the work. Nothing is ever fetched here.
"""

import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from asn1crypto import x509 as asn1_x509
from pyhanko_certvalidator import errors as foreign
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    AcceptAllAlgorithms,
    CertRevTrustPolicy,
    PKIXValidationParams,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.validate import SUPPORTED_EXTENSIONS, async_validate_path

from ecitizen.errors import UsageError
from ecitizen.model import BilingualText

from .errors import Malformed
from .path_algorithms import InheritingSignatureValidator, weakness
from .path_candidates import Bounds, Candidate, Search, read_candidate
from .path_words import words
from .revocation_data import Crl, RevocationData, read_revocation_data

__all__ = ["Bounds", "Finding", "PathReport", "PolicyRules", "Result", "RevocationRule", "Verdict", "validate"]


@unique
class Verdict(StrEnum):
    """What a certificate is, the most telling first: of several paths the best verdict counts."""

    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    CANNOT_TELL = "cannot-tell"
    UNTRUSTED = "untrusted"


@unique
class Result(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be made."""
    NOTED = "noted"
    """Something to know that decides nothing."""


@unique
class RevocationRule(StrEnum):
    """Whose revocation status must be known."""

    REQUIRE = "require"
    """Every certificate's but the anchor's."""
    IF_NAMED = "if-named"
    """That of certificates which name a CRL or an OCSP responder."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a validation found, for people and for programs."""

    check: str
    """`form`, `bounds`, `path`, `time`, `revocation`, `algorithm`, `usage`."""
    result: Result
    text: BilingualText
    evidence: Mapping[str, str] = field(default_factory=dict)
    """What it rests on: names of certificates, times (ISO 8601), reasons."""


@dataclass(frozen=True, slots=True)
class PathReport:
    """The verdict on a certificate, what it rests on, and the path."""

    verdict: Verdict
    moment: datetime
    findings: tuple[Finding, ...]
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    """DER, from the certificate to its anchor; empty if there is no path."""
    revoked_at: datetime | None = None
    reason: str | None = None
    """Of the revocation, as RFC 5280, 5.3.1 names it with underscores: `key_compromise`, `certificate_hold`..."""


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """The user's wishes about certificate policies (RFC 5280, 6.1.1 c to g)."""

    acceptable: frozenset[str] = frozenset()
    """Policy OIDs, dotted; empty means any."""
    explicit: bool = False
    """The path must be good for at least one acceptable policy."""
    mapping: bool = True
    """Authorities may map one policy to another."""
    any_policy: bool = True
    """The policy anyPolicy counts as every policy."""


ANY_POLICY: Final = PolicyRules()
NO_BOUNDS_GIVEN: Final = Bounds()

_RULES: Final = MappingProxyType(
    {
        RevocationRule.REQUIRE: RevocationCheckingRule.CRL_OR_OCSP_REQUIRED,
        RevocationRule.IF_NAMED: RevocationCheckingRule.CHECK_IF_DECLARED,
        RevocationRule.OFF: RevocationCheckingRule.NO_CHECK,
    }
)
_HOSTILE: Final = (
    ArithmeticError,
    AssertionError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    NotImplementedError,
)
"""What certvalidator and asn1crypto raise for data that they did not expect."""
_FOREIGN: Final = (foreign.PathError, foreign.ValidationError, foreign.CRLValidationError, foreign.OCSPValidationError)


def validate(  # noqa: PLR0913 - each is one thing that RFC 5280 leaves to the user
    certificate: bytes,
    *,
    anchors: Iterable[bytes | Candidate],
    others: Iterable[bytes | Candidate] = (),
    crls: Iterable[bytes | Crl] = (),
    ocsps: Iterable[bytes] = (),
    moment: datetime,
    revocation: RevocationRule = RevocationRule.REQUIRE,
    policies: PolicyRules = ANY_POLICY,
    usage: str | None = None,
    bounds: Bounds = NO_BOUNDS_GIVEN,
    clock: Callable[[], float] = time.monotonic,
) -> PathReport:
    """Tell what a certificate is worth at `moment`; everything is DER, or was read by `read_candidate` or `read_crl`.

    `anchors` are the trusted certificates, `others` may stand between, `crls` and `ocsps` are what is known of
    revocation; `usage` is the OID of an extended key usage that the certificate must have. Bad input is never an
    error but a verdict. Raise UsageError for a moment without a time zone, Malformed for an anchor that is no
    certificate.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a validation needs a time zone")
    validation = _Validation(moment.astimezone(UTC), revocation, policies, usage, bounds)
    trusted = [read_candidate(anchor) for anchor in anchors]
    try:
        leaf = read_candidate(certificate)
    except Malformed as error:
        return validation.report(Verdict.UNTRUSTED, _failed("form", "form", detail=str(error)))
    return validation.run(leaf, trusted, validation.read_others(others), (crls, ocsps), clock)


@dataclass(slots=True)
class _Outcome:
    """What the check of one path came to."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    path: tuple[Candidate, ...] = ()
    revoked_at: datetime | None = None
    reason: str | None = None


class _Validation:
    def __init__(
        self, moment: datetime, revocation: RevocationRule, policies: PolicyRules, usage: str | None, bounds: Bounds
    ) -> None:
        self.moment = moment
        self.revocation = revocation
        self.usage = usage
        self.bounds = bounds
        self.noted: list[Finding] = []
        self.parameters = PKIXValidationParams(
            user_initial_policy_set=policies.acceptable or frozenset({"any_policy"}),
            initial_policy_mapping_inhibit=not policies.mapping,
            initial_explicit_policy=policies.explicit,
            initial_any_policy_inhibit=not policies.any_policy,
        )

    def report(self, verdict: Verdict, *findings: Finding) -> PathReport:
        return PathReport(verdict, self.moment, (*findings, *self.noted))

    def read_others(self, others: Iterable[bytes | Candidate]) -> list[Candidate]:
        """What of the certificates that came along can be used."""
        found = []
        for number, der in enumerate(others):
            if number == self.bounds.others:
                self.noted.append(_noted("bounds", "bounds", bound="others"))
                break
            try:
                found.append(read_candidate(der))
            except Malformed as error:
                self.noted.append(_noted("form", "form_other", detail=str(error)))
        return found

    def run(
        self,
        leaf: Candidate,
        anchors: Sequence[Candidate],
        others: Sequence[Candidate],
        revocation: tuple[Iterable[bytes | Crl], Iterable[bytes]],
        clock: Callable[[], float],
    ) -> PathReport:
        """Check path after path until one is valid; otherwise the most telling outcome counts."""
        search = Search(anchors, others, self.bounds, clock)
        known = read_revocation_data(*revocation, self.moment, late=lambda: search.half_time)
        self.noted += [_noted("revocation", "revocation_form", detail=detail) for detail in known.refused]
        best: _Outcome | None = None
        if any(leaf.der == anchor.der for anchor in anchors):
            best = self._check_anchor(leaf)
        else:
            for path in search.paths(leaf):
                outcome = self._check(path, anchors, search, known)
                if best is None or _ORDER[outcome.verdict] < _ORDER[best.verdict]:
                    best = outcome
                if best.verdict is Verdict.VALID:
                    break
        if search.exhausted and (best is None or best.verdict is not Verdict.VALID):
            self.noted.append(_noted("bounds", "bounds", bound=search.exhausted))
        if best is None:
            issuer = _named(leaf.loose.issuer)
            if search.exhausted == "seconds":  # with more time there might be a path
                return self.report(Verdict.CANNOT_TELL, _unknown("path", "search_ended", issuer=issuer))
            return self.report(Verdict.UNTRUSTED, _failed("path", "no_path", issuer=issuer))
        return replace(
            self.report(best.verdict, *best.findings),
            chain=tuple(each.der for each in best.path),
            revoked_at=best.revoked_at,
            reason=best.reason,
        )

    def _check_anchor(self, leaf: Candidate) -> _Outcome:
        """A certificate that is itself an anchor needs no path; but it may have run out."""
        if (bad := _unknown_demand(leaf)) is not None:
            return _Outcome(Verdict.UNTRUSTED, (_failed("path", "invalid", **bad),), (leaf,))
        for verdict, word, wrong in (
            (Verdict.EXPIRED, "expired", self.moment > leaf.loose.not_valid_after),
            (Verdict.NOT_YET_VALID, "not_yet_valid", self.moment < leaf.loose.not_valid_before),
        ):
            if wrong:
                return _Outcome(verdict, (_failed("time", word, **_about(leaf)),), (leaf,))
        return _Outcome(Verdict.VALID, (_passed("path", "anchor", **_about(leaf)),), (leaf,))

    def _check(
        self, path: tuple[Candidate, ...], anchors: Sequence[Candidate], search: Search, known: RevocationData
    ) -> _Outcome:
        """One path: its algorithms and use by our rules, all the rest by certvalidator."""
        if (bad := _unknown_demand(path[-1])) is not None:
            return _Outcome(Verdict.UNTRUSTED, (_failed("path", "invalid", **bad),), path)
        if (bad := _weak_link(path)) is not None:
            return _Outcome(Verdict.UNTRUSTED, (_failed("algorithm", "weak", **bad),), path)
        if self.usage is not None and (bad := _unfit(path, self.usage)) is not None:
            return _Outcome(Verdict.UNTRUSTED, (_failed("usage", "usage", **bad),), path)
        relevant, too_much = known.relevant(path, search, self.bounds)
        if too_much:
            self.noted.append(_noted("bounds", "bounds", bound="revocation_data"))
        helpers = search.closure((*relevant.issuers, *(each.issuer for each in path)))
        relevant = relevant.about((*path, *helpers, *search.anchors_named(relevant.issuers)))
        outcome = self._ask(path, anchors, helpers, relevant, _RULES[self.revocation])
        if outcome.verdict is Verdict.CANNOT_TELL:
            # Only the status may be unknown: an expired certificate is expired whether or not a list is at hand.
            otherwise = self._ask(path, anchors, helpers, relevant, RevocationCheckingRule.NO_CHECK)
            return outcome if otherwise.verdict is Verdict.VALID else otherwise
        if (
            outcome.verdict is Verdict.VALID
            and relevant.crls
            and relevant.ocsps
            and self.revocation is not RevocationRule.OFF
        ):
            # A good OCSP response would make certvalidator overlook a CRL that says revoked.
            by_crl = self._ask(path, anchors, helpers, relevant.without_ocsps(), RevocationCheckingRule.CRL_REQUIRED)
            if by_crl.verdict is Verdict.REVOKED:
                return by_crl
        return outcome

    def _ask(
        self,
        path: tuple[Candidate, ...],
        anchors: Sequence[Candidate],
        helpers: Sequence[Candidate],
        known: RevocationData,
        rule: RevocationCheckingRule,
    ) -> _Outcome:
        """What certvalidator says of a path."""
        leaf, *between, anchor = path
        roots = {each.der: CertTrustAnchor(each.as_anchor(), derive_default_quals_from_cert=True) for each in anchors}
        context = ValidationContext(
            trust_manager=SimpleTrustManager.build(list(roots.values())),
            other_certs=_at_most_four_of_a_name((*between, *helpers)),
            moment=self.moment,
            crls=known.crls,
            ocsps=known.ocsps,
            revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy(rule, rule)),
            time_tolerance=timedelta(0),
            algorithm_usage_policy=AcceptAllAlgorithms(),  # ours has been asked
            signature_validator=InheritingSignatureValidator([each.loose for each in reversed(path)]),
        )
        chain = ValidationPath(roots[anchor.der], [each.loose for each in reversed(between)], leaf.loose)
        _silence()
        try:
            _finish(async_validate_path(context, chain, self.parameters))
        except (*_FOREIGN, *_HOSTILE) as error:
            return replace(_refusal(error, known.freshness(path)), path=path)
        return _Outcome(
            Verdict.VALID, (_passed("path", "valid", **_about(anchor)), *self._status_findings(path, known)), path
        )

    def _status_findings(self, path: tuple[Candidate, ...], known: RevocationData) -> list[Finding]:
        if self.revocation is RevocationRule.OFF:
            return [_noted("revocation", "revocation_off")]
        word = "not_revoked" if self.revocation is RevocationRule.REQUIRE else "revocation_if_named"
        status = _passed("revocation", word, **known.freshness(path))
        return [status, _noted("revocation", "without_delta")] if known.lacks_delta else [status]


def _refusal(error: Exception, freshness: Mapping[str, str]) -> _Outcome:
    """What it means that certvalidator refused a path."""
    if isinstance(error, foreign.RevokedError):
        reason = str(error.reason.native)
        word = "on_hold" if reason == "certificate_hold" else "revoked"
        finding = _failed("revocation", word, at=error.revocation_dt.isoformat(), reason=reason)
        return _Outcome(Verdict.REVOKED, (finding,), revoked_at=error.revocation_dt, reason=reason)
    if isinstance(error, foreign.ExpiredError):
        return _Outcome(Verdict.EXPIRED, (_failed("time", "expired", at=error.expired_dt.isoformat()),))
    if isinstance(error, foreign.NotYetValidError):
        return _Outcome(Verdict.NOT_YET_VALID, (_failed("time", "not_yet_valid", at=error.valid_from.isoformat()),))
    if isinstance(error, foreign.InsufficientRevinfoError):
        word = "status_stale" if isinstance(error, foreign.StaleRevinfoError) else "status_unknown"
        return _Outcome(Verdict.CANNOT_TELL, (_unknown("revocation", word, **freshness),))
    detail = str(error) if isinstance(error, _FOREIGN) else type(error).__name__
    return _Outcome(Verdict.UNTRUSTED, (_failed("path", "invalid", detail=detail),))


_ORDER: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}


def _unknown_demand(anchor: Candidate) -> dict[str, str] | None:
    """What an anchor wants and nobody here knows: a critical extension; certvalidator looks at all others'."""
    unknown = anchor.loose.critical_extensions - SUPPORTED_EXTENSIONS
    return {**_about(anchor), "critical_extensions": ", ".join(sorted(unknown))} if unknown else None


def _weak_link(path: tuple[Candidate, ...]) -> dict[str, str] | None:
    """The first certificate of a path that is signed too weakly, or has too weak a key."""
    for child, issuer in pairwise(path):
        signature = child.loose["signature_algorithm"]
        found = weakness(signature, issuer.loose.public_key, child.loose.not_valid_before)
        found = found or weakness(signature, child.loose.public_key, child.loose.not_valid_before)
        if found:
            return {**_about(child), "algorithm": found}
    return None


def _unfit(path: tuple[Candidate, ...], usage: str) -> dict[str, str] | None:
    """Who in a path forbids this extended key usage: the certificate if it lacks it, an issuer that lists others."""
    for number, each in enumerate(path[:-1]):
        extension = each.loose.extended_key_usage_value
        allowed = None if extension is None else {purpose.dotted for purpose in extension}
        if number == 0 and (allowed is None or usage not in allowed):
            return {**_about(each), "usage": usage}
        if number and allowed is not None and not allowed & {usage, _ANY_EXTENDED_KEY_USAGE}:
            return {**_about(each), "usage": usage}
    return None


_ANY_EXTENDED_KEY_USAGE: Final = "2.5.29.37.0"

_OF_A_NAME_MAX: Final = 4
"""certvalidator's own search for CRL and OCSP issuers is factorial in this."""


def _at_most_four_of_a_name(candidates: Iterable[Candidate]) -> list[asn1_x509.Certificate]:
    found: dict[str, dict[bytes, asn1_x509.Certificate]] = {}
    for each in candidates:
        same = found.setdefault(each.name, {})
        if len(same) < _OF_A_NAME_MAX:
            same[each.der] = each.loose
    return [certificate for same in found.values() for certificate in same.values()]


def _silence() -> None:
    """Keep certvalidator's log, which has people's names in it, from everybody."""
    log = logging.getLogger(foreign.__package__)
    if not log.handlers:
        log.propagate = False
        log.addHandler(logging.NullHandler())


def _finish(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that waits for nothing, since nothing is fetched; so it works inside an event loop too."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise ValueError("path validation wanted to wait")


def _about(candidate: Candidate) -> dict[str, str]:
    return {"certificate": _named(candidate.loose.subject), "serial_number": f"{candidate.loose.serial_number:X}"}


def _named(name: asn1_x509.Name) -> str:
    try:
        return str(name.human_friendly)
    except _HOSTILE:
        return ""


def _passed(check: str, word: str, **evidence: str) -> Finding:
    return Finding(check, Result.PASSED, words(word), evidence)


def _failed(check: str, word: str, **evidence: str) -> Finding:
    return Finding(check, Result.FAILED, words(word), evidence)


def _unknown(check: str, word: str, **evidence: str) -> Finding:
    return Finding(check, Result.UNKNOWN, words(word), evidence)


def _noted(check: str, word: str, **evidence: str) -> Finding:
    return Finding(check, Result.NOTED, words(word), evidence)
