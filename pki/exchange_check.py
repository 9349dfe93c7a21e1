"""Checking a data package, offline, by its recipient: one verdict, and what it rests on.

Whatever comes in is answered with a report and never with an error. A package is remembered as taken only when all
else about it is in order, so nobody can use up other people's packages or fill the memory.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from ecitizen.errors import UsageError

from . import jws
from .certificates import certified_key, load_certificate
from .data_security import check_signature, open_security_object
from .errors import PkiError
from .exchange import TYPE, ExchangeReport, ExchangeVerdict, Role, verdict_of
from .exchange_package import ExchangePackage, SealedApplication, read_package
from .exchange_replay import ReplayGuard
from .exchange_words import words
from .jws import Jws, JwsSignature
from .oids import PURPOSES
from .path import Finding, PathReport, Result, RevocationRule, Verdict
from .sd_jwt import numeric_date
from .signed import DocumentVerdict, RevocationSource, SignatureReport
from .signed_trust import SigningTrust, identity_of, judge_signer
from .strict_json import to_base64url
from .trust import TrustStore

FORMAT: Final = "exchange-package"
DESK_USAGE: Final = PURPOSES["officer"]
"""The extended key usage of whoever signs for an agency's desk."""
CARD_APPLICATION: Final = "piv"
"""If policy.toml names authorities for it, the card's certificate must be by one of them."""
CLOCK_DIFFERENCE_MAX: Final = timedelta(minutes=1)
"""By how much the sender's clock may be ahead."""
_HOLDER_USAGES: Final = frozenset(
    {PURPOSES[each] for each in ("client_authentication", "document_signing", "email_protection")}
)
"""A certificate of key 9A or 9C has one of them; the card's own, 9E, which needs no PIN, has none."""

_BY_PATH: Final = {
    Verdict.REVOKED: ExchangeVerdict.REVOKED,
    Verdict.EXPIRED: ExchangeVerdict.EXPIRED,
    Verdict.NOT_YET_VALID: ExchangeVerdict.UNTRUSTED,
    Verdict.CANNOT_TELL: ExchangeVerdict.CANNOT_TELL,
    Verdict.UNTRUSTED: ExchangeVerdict.UNTRUSTED,
}


@dataclass(slots=True)
class Voice:
    """Collects findings, and what each of them makes of the whole."""

    findings: list[Finding] = field(default_factory=list)
    verdicts: list[ExchangeVerdict] = field(default_factory=list)

    def passed(self, check: str, word: str, **evidence: str) -> None:
        """A check that went well."""
        self.findings.append(Finding(check, Result.PASSED, words(word), evidence))

    def noted(self, check: str, word: str, **evidence: str) -> None:
        """Something to know that decides nothing."""
        self.findings.append(Finding(check, Result.NOTED, words(word), evidence))

    def against(self, means: ExchangeVerdict, check: str, word: str, **evidence: str) -> None:
        """A check that went wrong, or could not be made."""
        result = Result.UNKNOWN if means is ExchangeVerdict.CANNOT_TELL else Result.FAILED
        self.findings.append(Finding(check, result, words(word), evidence))
        self.verdicts.append(means)

    @property
    def verdict(self) -> ExchangeVerdict:
        """What all of it comes to."""
        return verdict_of(self.verdicts)


@dataclass(frozen=True, slots=True)
class ForApplication:
    """A trust directory that believes only an application's own authorities; a `signed_trust.Vouching`."""

    store: TrustStore
    application: str

    @property
    def crls(self) -> tuple[bytes, ...]:
        """The directory's."""
        return self.store.crls

    @property
    def ocsps(self) -> tuple[bytes, ...]:
        """The directory's."""
        return self.store.ocsps

    def check(
        self,
        certificate: bytes,
        *,
        moment: datetime,
        usage: str | None = None,
        others: Iterable[bytes] = (),
        crls: Iterable[bytes] = (),
        ocsps: Iterable[bytes] = (),
        revocation: RevocationRule = RevocationRule.REQUIRE,
    ) -> PathReport:
        """As `TrustStore.check`; where policy.toml says nothing about the application, any authority will do."""
        application = self.application if self.application in self.store.policy.applications else None
        return self.store.check(
            certificate,
            moment=moment,
            application=application,
            usage=usage,
            others=others,
            crls=crls,
            ocsps=ocsps,
            revocation=revocation,
        )


def check_package(
    data: bytes,
    trust: TrustStore | None,
    moment: datetime,
    *,
    recipient: str,
    guard: ReplayGuard | None,
    purposes: frozenset[str] | None = None,
    roles: frozenset[Role] = frozenset(Role),
    revocation: RevocationSource | None = None,
) -> ExchangeReport:
    """Tell what a signed package is worth to this recipient at a moment.

    `guard` remembers which packages were taken; None leaves that to the caller. `purposes` are the codes of what the
    data may be used for here; None is any. `roles` are whose signatures must be there. `trust` is None to trust nobody;
    `revocation` is asked for what it lacks. Raise UsageError for a moment without a time zone, StoreFailed if the guard
    can't remember.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a check needs a time zone")
    voice = Voice()
    try:
        read = jws.read_general(data)
        package = read_package(read.payload)
        claimed = [numeric_date(each.header, "iat") for each in read.signatures]
    except PkiError as error:
        voice.against(ExchangeVerdict.REFUSED, "form", "form_wrong", detail=str(error))
        return ExchangeReport(voice.verdict, moment, FORMAT, (), tuple(voice.findings))
    voice.passed("form", "form_right")
    check = _Check(package, trust, moment, voice, revocation)
    reports = check.signatures(read, claimed, roles)
    check.terms(recipient, purposes, roles)
    for name, seal in package.seals.items():
        check.seal(name, seal)
    voice.verdicts += [ExchangeVerdict.of_document(each.verdict) for each in reports]
    if voice.verdict is ExchangeVerdict.VALID:
        taking(voice, guard, _name(read, package), package.expires_at, moment)
    verdict = voice.verdict
    given = package if verdict is ExchangeVerdict.VALID else None
    return ExchangeReport(verdict, moment, FORMAT, reports, tuple(voice.findings), given)


def taking(voice: Voice, guard: ReplayGuard | None, name: str, until: datetime, moment: datetime) -> None:
    """Remember what is otherwise in order as taken, or say when that was."""
    if guard is None:
        voice.noted("replay", "replay_unchecked")
    elif (taken_at := guard.take(name, until, moment)) is not None:
        voice.against(ExchangeVerdict.REPLAYED, "replay", "replayed", taken_at=taken_at.isoformat())
    else:
        voice.passed("replay", "first_time")


def _name(read: Jws, package: ExchangePackage) -> str:
    """How a package is remembered: by its number and whoever sent it, since anybody can choose a number."""
    desk = next((each for each in read.signatures if each.header.get("role") == Role.DESK), read.signatures[0])
    key = certified_key(desk.certificates[0])
    return to_base64url(hashlib.sha256(key + package.id.encode("ascii")).digest())


@dataclass(frozen=True, slots=True)
class _Check:
    package: ExchangePackage
    trust: TrustStore | None
    moment: datetime
    voice: Voice
    revocation: RevocationSource | None

    def signatures(
        self, read: Jws, claimed: Sequence[datetime | None], roles: frozenset[Role]
    ) -> tuple[SignatureReport, ...]:
        """Who signed, each in which role; all that must are there, once, and are not one and the same."""
        found = [each.header.get("role") for each in read.signatures]
        if sorted(map(str, found)) != sorted(roles) or any(each.header.get("typ") != TYPE for each in read.signatures):
            self.voice.against(ExchangeVerdict.REFUSED, "signatures", "roles_wrong")
            return ()
        reports = tuple(self._signature(read, one, at) for one, at in zip(read.signatures, claimed, strict=True))
        keys = [_key(each.certificates[0]) for each in read.signatures if each.certificates]
        if len(set(keys)) != len(read.signatures):
            self.voice.against(ExchangeVerdict.REFUSED, "signatures", "same_key")
        return reports

    def _signature(self, read: Jws, signature: JwsSignature, claimed_at: datetime | None) -> SignatureReport:
        role = Role(signature.header["role"])
        if not signature.certificates:
            finding = Finding("signature", Result.UNKNOWN, words("no_certificate"))
            return self._report(role, None, DocumentVerdict.CANNOT_TELL, (finding,), claimed_at)
        certificate, *others = signature.certificates
        try:
            jws.verify(read.payload, signature, certified_key(certificate))
        except PkiError as error:
            finding = Finding("signature", Result.FAILED, words("signature_wrong"), {"detail": str(error)})
            return self._report(role, certificate, DocumentVerdict.ALTERED, (finding,), claimed_at)
        findings = [Finding("signature", Result.PASSED, words("signature_valid"))]
        if (unfit := self._unfit(role, certificate)) is not None:
            return self._report(role, certificate, DocumentVerdict.UNTRUSTED, (*findings, unfit), claimed_at)
        judged = judge_signer(
            SigningTrust(self._vouching(role), self.moment, self.revocation),
            certificate,
            others,
            usage=DESK_USAGE if role is Role.DESK else None,
        )
        findings += judged.findings
        return self._report(role, certificate, judged.verdict, tuple(findings), claimed_at, judged.path)

    def _vouching(self, role: Role) -> TrustStore | ForApplication | None:
        if role is Role.CARD and self.trust is not None:
            return ForApplication(self.trust, CARD_APPLICATION)
        return self.trust

    def _unfit(self, role: Role, certificate: bytes) -> Finding | None:
        """Why such a certificate can't sign in this role, whoever issued it."""
        if role is Role.CARD:
            usages = extended_usages(certificate)
            wrong = not usages & _HOLDER_USAGES or DESK_USAGE in usages
            return Finding("usage", Result.FAILED, words("not_a_card")) if wrong else None
        agency = identity_of(certificate).agency
        if agency and agency != self.package.sender:
            return Finding("sender", Result.FAILED, words("sender_other"), {"agency": agency})
        return None

    @staticmethod
    def _report(
        role: Role,
        certificate: bytes | None,
        verdict: DocumentVerdict,
        findings: tuple[Finding, ...],
        claimed_at: datetime | None,
        path: PathReport | None = None,
    ) -> SignatureReport:
        signer = None if certificate is None else identity_of(certificate)
        return SignatureReport(
            verdict, None, "jws", signer, claimed_at, covers=role.value, path=path, findings=findings
        )

    def terms(self, recipient: str, purposes: frozenset[str] | None, roles: frozenset[Role]) -> None:
        """For whom, for what, and for how long."""
        package, voice = self.package, self.voice
        if package.recipient == recipient:
            voice.passed("recipient", "recipient_right")
        else:
            voice.against(ExchangeVerdict.WRONG_RECIPIENT, "recipient", "recipient_wrong")
        if purposes is not None and package.purpose.code not in purposes:
            voice.against(ExchangeVerdict.WRONG_PURPOSE, "purpose", "purpose_wrong", purpose=package.purpose.code)
        if self.moment >= package.expires_at:
            at = package.expires_at.isoformat()
            voice.against(ExchangeVerdict.EXPIRED, "time", "out_of_date", expired_at=at)
        elif package.issued_at - self.moment > CLOCK_DIFFERENCE_MAX:
            at = package.issued_at.isoformat()
            voice.against(ExchangeVerdict.NOT_YET_VALID, "time", "too_early", valid_from=at)
        else:
            voice.passed("time", "in_time")
        if package.consent is None:
            voice.noted("consent", "consent_none")
        else:
            word = "consent_given" if Role.CARD in roles else "consent_told"
            voice.noted("consent", word, given_by=package.consent.given_by)

    def seal(self, name: str, seal: SealedApplication) -> None:
        """What the application's own agency sealed on the card; the data groups were held against it when read."""
        sealed = open_security_object(seal.security_object)
        try:
            check_signature(sealed)
        except PkiError as error:
            self.voice.against(ExchangeVerdict.ALTERED, "seal", "seal_wrong", application=name, detail=str(error))
            return
        verdict = Verdict.UNTRUSTED
        if self.trust is not None and (trusted := self.trust.policy.applications.get(name)) is not None:
            usage = trusted.document_signer_usage
            report = self.trust.check(sealed.certificate, moment=self.moment, application=name, usage=usage)
            verdict = report.verdict
        if verdict is Verdict.VALID:
            self.voice.passed("seal", "seal_valid", application=name)
        else:
            means = _BY_PATH[verdict]
            word = "seal_unknown" if means is ExchangeVerdict.CANNOT_TELL else "seal_untrusted"
            self.voice.against(means, "seal", word, application=name, certificate=verdict.value)


def extended_usages(certificate: bytes) -> frozenset[str]:
    """Extended key usages that a certificate names, as OIDs; none of one that can't be read."""
    try:
        extensions = load_certificate(certificate).extensions
        named = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (PkiError, x509.ExtensionNotFound):
        return frozenset()
    return frozenset(each.dotted_string for each in named)


def _key(certificate: bytes) -> bytes:
    try:
        return certified_key(certificate)
    except PkiError:
        return certificate
