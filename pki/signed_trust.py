"""Whether a signer may be believed: one judgement for CAdES, PAdES, XAdES and the timestamps in them.

The rules are those of ETSI EN 319 102-1 (basic validation, with proof of time, and of long-term signatures) in few
words: a good certificate now is enough; one that is expired or revoked now was good enough if a timestamp proves that
the signature is older, and revocation data say that it was good then.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from .certificates import load_certificate
from .errors import Malformed, PkiError
from .path import PathReport, RevocationRule, Verdict
from .signed import DocumentVerdict, Finding, RevocationSource, SignerIdentity, failed, noted, passed, unknown

SKEW_MAX: Final = timedelta(minutes=5)
"""How far the clocks of others may be ahead of ours, and how long it may take to sign or check something."""
_INSTANTS_MAX: Final = 8
"""Moments at which a past status is looked for; each is a path validation."""
_ON_HOLD: Final = "certificate_hold"
_THAI: Final = range(0x0E00, 0x0E80)
_BROKEN: Final = (ValueError, TypeError, x509.InvalidVersion)
"""What revocation data raise that can't be read; path validation names them."""


class Vouching(Protocol):
    """Who tells what a certificate is worth; `pki.trust.TrustStore` does."""

    @property
    def crls(self) -> tuple[bytes, ...]:
        """CRLs that it knows of, DER."""
        ...

    @property
    def ocsps(self) -> tuple[bytes, ...]:
        """OCSP responses that it knows of, DER."""
        ...

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
        """Validate a certificate; what is given comes on top of what is known."""
        ...


@dataclass(frozen=True, slots=True)
class SigningTrust:
    """Whom to believe, and the moment of the check."""

    store: Vouching | None
    """None to trust nobody."""
    moment: datetime
    revocation: RevocationSource | None = None
    """Asked for what neither the document nor the store has; None to ask nobody."""

    def check(
        self,
        certificate: bytes,
        others: Iterable[bytes] = (),
        crls: Iterable[bytes] = (),
        ocsps: Iterable[bytes] = (),
        at: datetime | None = None,
        *,
        usage: str | None = None,
        revocation: RevocationRule = RevocationRule.REQUIRE,
    ) -> PathReport:
        """Validate a certificate (DER) at a time, now if none is given; without a store it is untrusted."""
        when = at or self.moment
        if self.store is None:
            return PathReport(Verdict.UNTRUSTED, when, (failed("path", "no_trust"),))
        given = tuple(each for each in dict.fromkeys(others) if each != certificate), tuple(crls), tuple(ocsps)
        report = self._ask(certificate, given, when, usage, revocation)
        if report.verdict is not Verdict.CANNOT_TELL or self.revocation is None or not report.chain:
            return report
        fetched = self.revocation.fetch(report.chain)
        more = (given[0], (*given[1], *fetched.crls), (*given[2], *fetched.ocsps))
        return self._ask(certificate, more, made_by(when, fetched.crls, fetched.ocsps), usage, revocation)

    def _ask(
        self,
        certificate: bytes,
        given: tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]],
        when: datetime,
        usage: str | None,
        revocation: RevocationRule,
    ) -> PathReport:
        assert self.store is not None
        others, crls, ocsps = given
        return self.store.check(
            certificate, moment=when, usage=usage, others=others, crls=crls, ocsps=ocsps, revocation=revocation
        )


@dataclass(frozen=True, slots=True)
class SignerJudgement:
    """What a signer's certificate comes to, and why."""

    verdict: DocumentVerdict
    """Never `altered`: of the signature itself nothing is known here."""
    path: PathReport
    findings: tuple[Finding, ...]


def judge_signer(
    trust: SigningTrust,
    certificate: bytes,
    others: Sequence[bytes] = (),
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    *,
    proven_at: datetime | None = None,
    archived_at: datetime | None = None,
    usage: str | None = None,
) -> SignerJudgement:
    """Tell whether a signer (certificate in DER) may be believed for what is proven to have been signed by `proven_at`.

    `archived_at` is the time by which `others`, `crls` and `ocsps` are proven to have been there: the oldest archive
    timestamp; None if nothing proves it. `usage` is an extended key usage that the certificate must have (OID).
    """
    if (unfit := _not_for_signing(certificate)) is not None and usage is None:
        report = PathReport(Verdict.UNTRUSTED, trust.moment, (unfit,))
        return SignerJudgement(DocumentVerdict.UNTRUSTED, report, (unfit,))
    now = trust.check(certificate, others, crls, ocsps, usage=usage)
    if now.verdict is Verdict.VALID:
        return SignerJudgement(DocumentVerdict.VALID, now, (passed("path", "signer_valid"),))
    if trust.store is None:
        return SignerJudgement(DocumentVerdict.UNTRUSTED, now, (failed("path", "no_trust"),))
    past = _Past(trust, certificate, (tuple(others), tuple(crls), tuple(ocsps)), archived_at or trust.moment, usage)
    return past.judged(now, proven_at)


def _refused(report: PathReport) -> SignerJudgement:
    """What it means that a path is neither good nor revoked."""
    if report.verdict is Verdict.EXPIRED:
        return SignerJudgement(DocumentVerdict.EXPIRED, report, (failed("time", "expired"),))
    if report.verdict is Verdict.CANNOT_TELL:
        return SignerJudgement(DocumentVerdict.CANNOT_TELL, report, (unknown("revocation", "status_missing"),))
    return SignerJudgement(DocumentVerdict.UNTRUSTED, report, (failed("path", "untrusted"),))


@dataclass(frozen=True, slots=True)
class _Past:
    """Looks back: what a certificate was worth when the signature is proven to have been there."""

    trust: SigningTrust
    certificate: bytes
    given: tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]
    known_at: datetime
    """By then the revocation data were there; whoever signed them must not have expired before."""
    usage: str | None

    def judged(self, now: PathReport, proven_at: datetime | None) -> SignerJudgement:
        """What a certificate comes to that is not good now."""
        if now.verdict is Verdict.REVOKED:
            return self.of_revoked(now, proven_at)
        if proven_at is not None and now.verdict in {Verdict.EXPIRED, Verdict.CANNOT_TELL}:
            return self.of_unknown(proven_at)
        if now.verdict is Verdict.CANNOT_TELL and (revoked := self.stale_revocation()) is not None:
            return self.of_revoked(revoked, None)
        return _refused(now)

    def of_revoked(self, now: PathReport, proven_at: datetime | None) -> SignerJudgement:
        """A certificate that is revoked now: good if the signature is proven to be older."""
        assert now.revoked_at is not None
        evidence = {"revoked_at": now.revoked_at.isoformat(), "reason": now.reason or ""}
        if proven_at is None or now.revoked_at <= proven_at:
            return SignerJudgement(DocumentVerdict.REVOKED, now, (failed("revocation", "revoked", **evidence),))
        # That it was revoked later says that it was not revoked before; all else must have been right then.
        then = self._check(proven_at, RevocationRule.OFF)
        if then.verdict is Verdict.VALID:
            return SignerJudgement(DocumentVerdict.VALID, then, (noted("revocation", "revoked_later", **evidence),))
        return _refused(then)

    def of_unknown(self, proven_at: datetime) -> SignerJudgement:
        """A certificate that has expired, or whose status is not known now."""
        reports = [self._check(instant) for instant in self._instants(proven_at)]
        revoked = [report for report in reports if report.revoked_at is not None]
        for report in sorted(revoked, key=lambda each: each.revoked_at or proven_at):
            if self.of_revoked(report, proven_at).verdict is DocumentVerdict.REVOKED:  # what is known later counts
                return self.of_revoked(report, proven_at)
        for report in reports:
            if report.verdict is Verdict.VALID:
                return self._valid_then(report, proven_at)
        return self.of_revoked(revoked[0], proven_at) if revoked else _refused(reports[0])

    def stale_revocation(self) -> PathReport | None:
        """What an old list says that the certificate is revoked: that does not pass, unless it was on hold only."""
        reports = (self._check(instant) for instant in self._instants(None))
        return next((each for each in reports if each.revoked_at and each.reason != _ON_HOLD), None)

    def _valid_then(self, report: PathReport, proven_at: datetime) -> SignerJudgement:
        """The status was good; but it may be that somebody made up the evidence with an old key of an authority."""
        for issuer in report.chain[1:-1]:
            if load_certificate(issuer).not_valid_after_utc < self.known_at:
                return SignerJudgement(DocumentVerdict.EXPIRED, report, (failed("revocation", "evidence_expired"),))
        evidence = {"proven_at": proven_at.isoformat(), "status_at": report.moment.isoformat()}
        return SignerJudgement(DocumentVerdict.VALID, report, (passed("path", "valid_then", **evidence),))

    def _instants(self, proven_at: datetime | None) -> list[datetime]:
        """When to ask: as the signature came, and when revocation data say how things were after that."""
        store = self.trust.store
        assert store is not None
        times = {*_crl_times((*self.given[1], *store.crls)), *_ocsp_times((*self.given[2], *store.ocsps))}
        since = [] if proven_at is None else [proven_at]
        later = sorted(time for time in times if time <= self.trust.moment and (not since or time > since[0]))
        # The first may be the only ones that came before a certificate expired, the last know the most.
        return list(dict.fromkeys((*since, *later[: _INSTANTS_MAX // 2], *later[-_INSTANTS_MAX // 2 :])))

    def _check(self, at: datetime, revocation: RevocationRule = RevocationRule.REQUIRE) -> PathReport:
        return self.trust.check(self.certificate, *self.given, at, usage=self.usage, revocation=revocation)


def made_by(moment: datetime, crls: Iterable[bytes], ocsps: Iterable[bytes]) -> datetime:
    """The moment, or a little later if some of these data were made just then: they were asked for after it began."""
    times = (*_crl_times(crls), *_ocsp_times(ocsps))
    return max((time for time in times if moment < time <= moment + SKEW_MAX), default=moment)


def _crl_times(crls: Iterable[bytes]) -> Iterator[datetime]:
    for crl in crls:
        with suppress(*_BROKEN):
            yield x509.load_der_x509_crl(crl).last_update_utc


def _ocsp_times(answers: Iterable[bytes]) -> Iterator[datetime]:
    for answer in answers:
        with suppress(*_BROKEN):
            yield from [single.this_update_utc for single in ocsp.load_der_ocsp_response(answer).responses]


def _not_for_signing(certificate: bytes) -> Finding | None:
    """A certificate that names its uses must name signing (RFC 5280, 4.2.1.3)."""
    try:
        usage = load_certificate(certificate).extensions.get_extension_for_class(x509.KeyUsage).value
    except (Malformed, x509.ExtensionNotFound):
        return None  # the path validation has something to say about the first
    if usage.digital_signature or usage.content_commitment:
        return None
    return failed("usage", "key_usage")


# Who it is


def identity_of(certificate: bytes) -> SignerIdentity:
    """Who a certificate (DER) says that its holder is; of one that can't be read all is empty.

    Ours have the Thai name beside the subject (`subjects`); in those of other makers it may be the common name.
    """
    try:
        parsed = load_certificate(certificate)
    except PkiError:
        return SignerIdentity("", "", "", "", certificate, "")
    subject = parsed.subject
    agency = _text(subject, NameOID.ORGANIZATION_NAME)
    offices = [_text(subject, NameOID.TITLE), _text(subject, NameOID.ORGANIZATIONAL_UNIT_NAME)] if agency else []
    names = [_person(subject, with_title=not agency), *_alternative_names(parsed)]
    thai = next((each for each in names if _is_thai(each)), "")
    english = next((each for each in names if each and not _is_thai(each)), "")
    office = ", ".join(each for each in offices if each)
    return SignerIdentity(thai, english, office, agency, certificate, subject.rfc4514_string())


def _person(name: x509.Name, *, with_title: bool) -> str:
    """Title, given name and surname, or else the common name; a title beside an organisation is an office."""
    parts = [_text(name, NameOID.GIVEN_NAME), _text(name, NameOID.SURNAME)]
    if not any(parts):
        return _text(name, NameOID.COMMON_NAME) or _text(name, NameOID.PSEUDONYM)
    title = [_text(name, NameOID.TITLE)] if with_title else []
    return " ".join(part for part in (*title, *parts) if part)


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [_person(name.value, with_title=True) for name in names if isinstance(name, x509.DirectoryName)]


def _text(name: x509.Name, kind: x509.ObjectIdentifier) -> str:
    found = [str(each.value) for each in name.get_attributes_for_oid(kind)]
    return found[0] if found else ""


def _is_thai(text: str) -> bool:
    return any(ord(letter) in _THAI for letter in text)
