"""Checking CAdES and other CMS signatures, of our own and of other makers (ETSI EN 319 102-1, in few words)."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError

from .cms_algorithms import hash_name
from .cms_archive import HashIndex, archive_digest, read_index
from .cms_check import Digests, SignerCheck, check_countersigner, check_signers
from .cms_forms import (
    ARCHIVE_TIMESTAMP_V3,
    COUNTERSIGNATURE,
    SIGNATURE_TIMESTAMP,
    SignedData,
    SignerInfo,
    read_signed_data,
    read_signer_info,
)
from .errors import Malformed, PkiError
from .keys import digest
from .long_term import Evidence
from .pem import der_from
from .signed import (
    DEFAULT_BOUNDS,
    DocumentReport,
    DocumentVerdict,
    Finding,
    Level,
    RevocationSource,
    SignatureReport,
    SignedBounds,
    failed,
    no_signature,
    noted,
    passed,
    unknown,
    verdict_of,
    worst,
)
from .signed_files import Content, Document, Readable, content_of
from .signed_trust import SKEW_MAX, SignerJudgement, SigningTrust, Vouching, identity_of, judge_signer
from .timestamp_check import TimestampReport, verify_timestamp
from .timestamp_info import TimestampInfo, read_token

FORMAT: Final = "cades"
COUNTERSIGNATURE_FORMAT: Final = "cades-countersignature"
"""Of the report on a signature over another one of the same file."""
_PEM_START: Final = b"-----BEGIN "
_PEM_LABELS: Final = ("CMS", "PKCS7")

Clock = Callable[[], float]


def verify(
    signature: Readable,
    data: Readable | Content | None = None,
    *,
    trust: Vouching | None,
    moment: datetime,
    bounds: SignedBounds = DEFAULT_BOUNDS,
    revocation: RevocationSource | None = None,
    covers: str | None = None,
    clock: Clock = time.monotonic,
) -> DocumentReport:
    """Check a CMS signature (DER, BER or PEM) at a moment; `data` is what a detached one is over.

    What is wrong with the signature is the answer, never an error. `covers` says what `data` is, for people; without
    it that is the file's name. Raise FileFailed for a file that can't be read, UsageError for a moment without a time
    zone.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a check needs a time zone")
    with ExitStack() as stack:
        document = stack.enter_context(Document(signature))
        try:
            signed = read_signed_data(_without_pem(document, stack, bounds), bounds)
        except Malformed as error:
            return no_signature(moment, unknown("form", "not_readable", detail=str(error)))
        beside = None if data is None else content_of(data, stack)
        name = covers or (beside.document.name if beside is not None else "") or None
        return _Verification(signed, SigningTrust(trust, moment, revocation), bounds, clock).run(beside, name)


def _without_pem(document: Document, stack: ExitStack, bounds: SignedBounds) -> Document:
    if document.read(0, len(_PEM_START)) != _PEM_START:
        return document
    if document.size > bounds.document_max_len:
        raise Malformed("the signature is in PEM and too long for that")
    text = document.read(0, document.size)
    for label in _PEM_LABELS:
        with suppress(Malformed):
            return stack.enter_context(Document(der_from(text, label)[0]))
    raise Malformed("there is no signature in this PEM file")


@dataclass(frozen=True, slots=True)
class _Stage:
    """Evidence, and when it is proven to have been there; None if nothing proves it."""

    evidence: Evidence
    archived_at: datetime | None = None
    index: HashIndex | None = None
    """What that archive timestamp covers."""


class _Verification:
    def __init__(self, signed: SignedData, trust: SigningTrust, bounds: SignedBounds, clock: Clock) -> None:
        self.signed = signed
        self.trust = trust
        self.bounds = bounds
        self._clock = clock
        self._deadline = clock() + bounds.seconds

    @property
    def out_of_time(self) -> bool:
        """Whether nothing further may be begun."""
        return self._clock() > self._deadline

    def run(self, beside: Content | None, covers: str | None) -> DocumentReport:
        """The report on all signatures of the file."""
        if not self.signed.signers:
            return no_signature(self.trust.moment)
        findings = self._bounds_findings()
        content = self.signed.content or beside
        digests = None if content is None else Digests(content)
        if digests is not None:
            digests.prepare(self._hashes())
            if beside is not None and beside is not content and Digests(beside).of("sha256") != digests.of("sha256"):
                findings.append(failed("digest", "content_twice"))
                digests = Digests(beside)  # so it is as altered as what was asked about
        checks = check_signers(self.signed, digests, bounds=self.bounds)
        covers = covers or ("attached content" if self.signed.content is not None else None)
        reports = []
        countersigned: list[_Countersigned] = []
        for number, (signer, check) in enumerate(zip(self.signed.signers, checks, strict=True), 1):
            if self.out_of_time:
                reports.append(_unread(FORMAT, covers, unknown("bounds", "out_of_time")))
            else:
                signature = _Signature(self, signer, check, digests)
                reports.append(replace(signature.report(), covers=covers))
                countersigned += signature.countersigned(number)
        reports += self._countersignatures(countersigned, len(reports) + 1)
        if countersigned:
            findings.append(unknown("bounds", "bounds", bound="signatures_max"))
        verdict = verdict_of(reports, findings)
        return DocumentReport(verdict, self.trust.moment, FORMAT, tuple(reports), tuple(findings))

    def _countersignatures(self, waiting: "list[_Countersigned]", number: int) -> Iterator[SignatureReport]:
        """Reports on these, on those over them and so on; what is over the bound stays in the list."""
        while waiting and number <= self.bounds.signatures_max:
            each = waiting.pop(0)
            try:
                if self.out_of_time:
                    yield _unread(COUNTERSIGNATURE_FORMAT, each.covers, unknown("bounds", "out_of_time"))
                else:
                    signature = each.read(self)
                    yield replace(signature.report(), covers=each.covers)
                    waiting += signature.countersigned(number)
            except Malformed as error:
                why = unknown("form", "not_readable", detail=str(error))
                yield _unread(COUNTERSIGNATURE_FORMAT, each.covers, why)
            number += 1

    def _bounds_findings(self) -> list[Finding]:
        there = {
            "embedded_certificates_max": (len(self.signed.certificates), self.bounds.embedded_certificates_max),
            "embedded_revocations_max": (len(self.signed.revocation_choices), self.bounds.embedded_revocations_max),
        }
        return [unknown("bounds", "bounds", bound=name) for name, (count, most) in there.items() if count > most]

    def _hashes(self) -> set[str]:
        """All hashes that the content will be asked for, so that it is read once."""
        found: set[str] = set()
        for signer in self.signed.signers:
            with suppress(PkiError):
                found.add(hash_name(signer.digest_algorithm))
            for token in signer.values(ARCHIVE_TIMESTAMP_V3)[: self.bounds.timestamps_max]:
                with suppress(Malformed):
                    hashed = read_token(token)[1].hash
                    found |= {str(hashed)} if hashed is not None else set()
        return found

    @property
    def evidence(self) -> Evidence:
        """All that the file brings along."""
        return Evidence(
            self.signed.certificates[: self.bounds.embedded_certificates_max],
            self.signed.crls[: self.bounds.embedded_revocations_max],
            self.signed.ocsps[: self.bounds.embedded_revocations_max],
        )


class _Signature:
    """The check of one signature of a file."""

    def __init__(
        self,
        whole: _Verification,
        signer: SignerInfo,
        check: SignerCheck,
        digests: Digests | None,
        over: "_Countersigned | None" = None,
    ) -> None:
        self.whole = whole
        self.over = over
        self.signer = signer
        self.check = check
        self.digests = digests
        self.findings = list(check.findings)
        self.stages = [_Stage(whole.evidence), *(() if over is None else over.stages)]
        """Of the evidence as it is now, and then as each archive timestamp covers it, back in time."""
        self.archived = False
        self.stamped = False
        self.late = False
        self.in_doubt = False
        """A timestamp may be good or not: nobody can tell."""

    def report(self) -> SignatureReport:
        self._check_archives()
        proven_at = self._proven_at()
        claims, certificate = self.check.claims, self.check.certificate
        if claims.signed_at is not None and proven_at is not None and claims.signed_at > proven_at + SKEW_MAX:
            self.findings.append(noted("time", "claimed_later", claimed=claims.signed_at.isoformat()))
        if self.signer.values(COUNTERSIGNATURE):
            self.findings.append(noted("form", "countersigned"))
        what, form = ("content", FORMAT) if self.over is None else (self.over.covers, COUNTERSIGNATURE_FORMAT)
        changed = (what,) if any(each.check == "digest" and _is_failed(each) for each in self.findings) else ()
        base = SignatureReport(
            worst([self.check.verdict, DocumentVerdict.CANNOT_TELL]) if self.late else self.check.verdict,
            self._level(),
            form,
            None,
            claims.signed_at,
            proven_at,
            changed=changed,
        )
        if certificate is None:
            return replace(base, findings=tuple(self.findings))
        judged = self._judged(certificate, proven_at)
        return replace(
            base,
            verdict=worst([base.verdict, self._unless_in_doubt(judged.verdict)]),
            signer=identity_of(certificate),
            path=judged.path,
            findings=(*self.findings, *judged.findings),
        )

    def countersigned(self, number: int) -> "list[_Countersigned]":
        """The countersignatures over this signature, which is so many-th in the report; ask after `report`."""
        found = []
        for value in self.signer.values(COUNTERSIGNATURE):
            covering = [each for each in self.stages if each.index and each.index.covers(COUNTERSIGNATURE, value)]
            found.append(_Countersigned(value, self.signer.signature, f"signature {number}", tuple(covering)))
        return found

    def _unless_in_doubt(self, verdict: DocumentVerdict) -> DocumentVerdict:
        """That nothing proves the time can't be said where a timestamp might, if more were known of it."""
        return DocumentVerdict.CANNOT_TELL if verdict is DocumentVerdict.EXPIRED and self.in_doubt else verdict

    def _judged(self, certificate: bytes, proven_at: datetime | None) -> SignerJudgement:
        """The best that the evidence makes of the signer: the oldest is proven best, the newest may say more."""
        judgements = []
        for stage in reversed(self.stages):
            evidence = stage.evidence
            judgements.append(
                judge_signer(
                    self.whole.trust,
                    certificate,
                    evidence.certificates,
                    evidence.crls,
                    evidence.ocsps,
                    proven_at=proven_at,
                    archived_at=stage.archived_at,
                )
            )
            if judgements[-1].verdict in {DocumentVerdict.VALID, DocumentVerdict.REVOKED}:
                return judgements[-1]
        return judgements[0]

    def _timestamp(self, token: bytes, digest_of: Callable[[HashAlgorithm], bytes]) -> TimestampReport:
        """A timestamp, as far back in time as the archive timestamps around it reach."""
        reports = []
        for stage in reversed(self.stages):
            evidence = stage.evidence
            reports.append(
                verify_timestamp(
                    token,
                    digest_of,
                    self.whole.trust,
                    others=evidence.certificates,
                    crls=evidence.crls,
                    ocsps=evidence.ocsps,
                    proven_at=self.stages[-1].archived_at,
                    archived_at=stage.archived_at,
                )
            )
            if reports[-1].verdict in {DocumentVerdict.VALID, DocumentVerdict.ALTERED, DocumentVerdict.REVOKED}:
                return reports[-1]
        self.in_doubt |= reports[0].verdict is DocumentVerdict.CANNOT_TELL and reports[0].moment is not None
        return reports[0]

    def _check_archives(self) -> None:
        """The archive timestamps from the newest back; each proves when those before it were there."""
        for token, parts, info in self._archives():
            if self._is_late():
                return
            try:
                index = read_index(parts)
            except Malformed:
                self.findings.append(failed("timestamp", "archive_wrong", time=info.moment.isoformat()))
                continue
            if index.missing(self.whole.signed, self.signer) or self.digests is None:
                self.findings.append(failed("timestamp", "archive_wrong", time=info.moment.isoformat()))
                continue
            report = self._timestamp(token, self._archive_digest(index))
            self.findings += report.findings
            if report.verdict is DocumentVerdict.ALTERED:
                self.findings.append(failed("timestamp", "archive_wrong", time=info.moment.isoformat()))
                continue
            self.archived = True
            if report.verdict is DocumentVerdict.VALID:
                covered = index.covered(self.whole.signed)
                if len(self.stages) == 1 and covered != self.whole.evidence:
                    self.findings.append(noted("timestamp", "unsigned_evidence"))
                self.findings.append(passed("timestamp", "archive_valid", time=info.moment.isoformat()))
                self.stages.append(_Stage(covered, info.moment, index))

    def _archives(self) -> list[tuple[bytes, SignedData, TimestampInfo]]:
        found = []
        for token in self._bounded(self.signer.values(ARCHIVE_TIMESTAMP_V3)):
            try:
                found.append((token, *read_token(token)))
            except Malformed:
                self.findings.append(unknown("timestamp", "timestamp_unread"))
        return sorted(found, key=lambda each: each[2].moment, reverse=True)

    def _archive_digest(self, index: HashIndex) -> Callable[[HashAlgorithm], bytes]:
        digests = self.digests
        assert digests is not None

        def of(algorithm: HashAlgorithm) -> bytes:
            return archive_digest(self.whole.signed, self.signer, index.written, digests.of, algorithm)

        return of

    def _proven_at(self) -> datetime | None:
        """The earliest time at which the signature is proven to have been there."""
        moments = [stage.archived_at for stage in self.stages if stage.archived_at is not None]
        for token in self._bounded(self.signer.values(SIGNATURE_TIMESTAMP)):
            if self._is_late():
                break
            report = self._timestamp(token, self._signature_digest)
            self.findings += report.findings
            if report.moment is not None and report.verdict is not DocumentVerdict.ALTERED:
                self.stamped = True
            if report.moment is not None and report.verdict is DocumentVerdict.VALID:
                moments.append(report.moment)
        return min(moments, default=None)

    def _is_late(self) -> bool:
        """Whether the time is over, which leaves the answer open."""
        if self.whole.out_of_time and not self.late:
            self.late = True
            self.findings.append(unknown("bounds", "out_of_time"))
        return self.late

    def _signature_digest(self, algorithm: HashAlgorithm) -> bytes:
        return digest(self.signer.signature, algorithm)

    def _bounded(self, tokens: Sequence[bytes]) -> Sequence[bytes]:
        if len(tokens) > self.whole.bounds.timestamps_max:
            self.findings.append(unknown("bounds", "bounds", bound="timestamps_max"))
        return tokens[: self.whole.bounds.timestamps_max]

    def _level(self) -> Level | None:
        """The highest level of which everything is there and holds."""
        if not self.check.names_certificate:
            return None
        if not self.stamped:
            return Level.B
        if not self.whole.signed.crls and not self.whole.signed.ocsps:
            return Level.T
        return Level.LTA if self.archived else Level.LT


@dataclass(frozen=True, slots=True)
class _Countersigned:
    """A countersignature, not yet read (RFC 5652, 11.4)."""

    written: bytes
    signature: bytes
    """What it is over: the value of another signature."""
    covers: str
    stages: tuple[_Stage, ...]
    """Of the archive timestamps of the other signature that cover it."""

    def read(self, whole: _Verification) -> _Signature:
        """Take it apart and check whether it holds; raise Malformed if it can't be read."""
        signer = read_signer_info(self.written, whole.bounds)
        digests = Digests(Document(self.signature).whole())
        return _Signature(
            whole, signer, check_countersigner(whole.signed, signer, digests, whole.bounds), digests, self
        )


def _unread(form: str, covers: str | None, why: Finding) -> SignatureReport:
    return SignatureReport(DocumentVerdict.CANNOT_TELL, None, form, None, covers=covers, findings=(why,))


def _is_failed(finding: Finding) -> bool:
    return finding.result == "failed"
