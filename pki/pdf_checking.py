"""The verdict on a signed PDF: what was found in the file, put together with keys, certificates and time.

Timestamps over the document come first, the youngest before the others: each proves that what it covers was there.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ecitizen.algorithms import HashAlgorithm
from ecitizen.model import BilingualText

from .errors import Malformed
from .keys import digest
from .path import Result
from .pdf_changes import Change, ChangeKind
from .pdf_cms import CheckedCms, check_cms, covered_content, signature_of
from .pdf_deadline import Allowance, OutOfMemory, OutOfTime, within
from .pdf_examination import Examination, FoundSignature, examine
from .pdf_settings import FOREIGN_FORMAT, FORMAT, TIMESTAMP_FORMAT, Certify
from .pdf_words import words
from .signed import (
    DocumentReport,
    DocumentVerdict,
    Finding,
    Level,
    RevocationSource,
    SignatureReport,
    SignedBounds,
    no_signature,
    noted,
    unknown,
    verdict_of,
    worst,
)
from .signed_trust import SigningTrust, Vouching, identity_of, judge_signer
from .timestamp_check import DigestOf, TimestampReport, verify_timestamp

Clock = Callable[[], float]
"""Seconds, from whenever."""

_DOUBTFUL: Final = frozenset({"not_strict", "hybrid"})
"""Problems of files that programs may read differently. Where a signature covers the whole file, it is what the signer
signed; but what was changed afterwards in such a file, nobody can tell."""
_ALTERED: Final = frozenset({"range_wrong", "not_whole", "stray_bytes"})
"""Problems which mean that the signature is not over the document that is seen."""


def check_document(
    document: bytes,
    trust: Vouching | None,
    moment: datetime,
    bounds: SignedBounds,
    revocation: RevocationSource | None,
    clock: Clock = time.monotonic,
) -> DocumentReport:
    """See `pdf.verify`."""
    begun = clock()
    try:
        examination = within(Allowance.for_reading(document, bounds.seconds), lambda: examine(document, bounds))
    except OutOfMemory:
        return no_signature(moment, _about_file("bounds"))
    except OutOfTime:
        return no_signature(moment, unknown("bounds", "out_of_time"))
    findings = tuple(_about_file(each) for each in examination.problems)
    notes = tuple(noted("bounds", "bounds", about=each) for each in examination.notes)
    if not examination.signatures:
        return no_signature(moment, *findings, *notes)
    checker = _Checker(document, examination, SigningTrust(trust, moment, revocation), bounds, clock, begun)
    signatures = tuple(checker.reports())
    return DocumentReport(verdict_of(signatures, findings), moment, FORMAT, signatures, (*findings, *notes))


def _about_file(problem: str) -> Finding:
    return Finding("form", Result.NOTED if problem in _DOUBTFUL else Result.UNKNOWN, words(problem))


@dataclass(slots=True)
class _Checker:
    document: bytes
    examination: Examination
    trust: SigningTrust
    bounds: SignedBounds
    clock: Clock
    begun: float
    stamps: dict[int, TimestampReport] = field(default_factory=dict)
    """Of timestamps over the document, by their place among the signatures."""
    checked: dict[int, CheckedCms] = field(default_factory=dict)

    def reports(self) -> list[SignatureReport]:
        """One for each signature, in the order of their revisions."""
        found = self.examination.signatures
        for number, each in enumerate(found):
            if not each.is_timestamp:
                self.checked[number] = check_cms(self.document, each, self.examination.certificates, self.bounds)
        for number in reversed(range(len(found))):
            if found[number].is_timestamp:
                self.stamps[number] = self._stamp(number)
        return [self._report(number) for number in range(len(found))]

    def _report(self, number: int) -> SignatureReport:
        found = self.examination.signatures[number]
        if self._time_is_over():
            return SignatureReport(
                DocumentVerdict.CANNOT_TELL,
                None,
                TIMESTAMP_FORMAT if found.is_timestamp else FORMAT,
                None,
                findings=(unknown("bounds", "out_of_time"),),
            )
        return self._timestamp_report(number) if found.is_timestamp else self._signature_report(number)

    def _time_is_over(self) -> bool:
        return self.clock() - self.begun > self.bounds.seconds

    # Time

    def _stamp(self, number: int) -> TimestampReport:
        """What a timestamp over the document is worth; the ones behind it, which are known already, help."""
        if self._time_is_over():
            return TimestampReport(DocumentVerdict.CANNOT_TELL, None, (unknown("bounds", "out_of_time"),))
        found = self.examination.signatures[number]
        proven_at, archived_at = self._proof_behind(number)
        try:
            token = signature_of(found.contents) if found.covered else b""
        except Malformed:
            token = b""
        return self._verify(token, self._digest_of(found), proven_at, archived_at)

    def _digest_of(self, found: FoundSignature) -> DigestOf:
        content = covered_content(self.document, found)
        return lambda algorithm: content.digests([str(algorithm)])[str(algorithm)]

    def _verify(
        self, token: bytes, digest_of: DigestOf, proven_at: datetime | None, archived_at: datetime | None
    ) -> TimestampReport:
        pool = self.examination
        return verify_timestamp(
            token,
            digest_of,
            self.trust,
            others=pool.certificates,
            crls=pool.crls,
            ocsps=pool.ocsps,
            proven_at=proven_at,
            archived_at=archived_at,
        )

    def _proof_behind(self, number: int) -> tuple[datetime | None, datetime | None]:
        """By when a signature, and the evidence for it, were there: by good timestamps that cover them."""
        found = self.examination.signatures
        good = [
            (stamp.moment, found[place].evidence_covered)
            for place, stamp in self.stamps.items()
            if place != number
            and found[place].revision > found[number].revision
            and stamp.verdict is DocumentVerdict.VALID
            and not found[place].problems
            and stamp.moment is not None
        ]
        return (
            min((moment for moment, _ in good), default=None),
            min((moment for moment, with_evidence in good if with_evidence), default=None),
        )

    # Reports

    def _timestamp_report(self, number: int) -> SignatureReport:
        found, stamp = self.examination.signatures[number], self.stamps[number]
        verdict, findings = self._document_findings(found)
        proven = stamp.moment if stamp.verdict is DocumentVerdict.VALID else None
        return SignatureReport(
            verdict=worst([stamp.verdict, verdict]),
            level=None,
            format=TIMESTAMP_FORMAT,
            signer=None if stamp.certificate is None else identity_of(stamp.certificate),
            claimed_at=stamp.moment,
            proven_at=proven,
            covers=None if stamp.verdict is DocumentVerdict.ALTERED else self._covers(found),
            changed=tuple(map(_told, found.changes)),
            path=stamp.path,
            findings=(*findings, *stamp.findings),
        )

    def _signature_report(self, number: int) -> SignatureReport:
        found, cms = self.examination.signatures[number], self.checked[number]
        verdict, findings = self._document_findings(found)
        verdict, findings = worst([cms.verdict, verdict]), (*findings, *cms.findings)
        if found.problems and not found.covered:
            cms = CheckedCms(cms.verdict, cms.findings, cms.certificate)
        stamps = [self._signature_stamp(token, number, cms) for token in cms.tokens]
        findings = (*findings, *(finding for stamp in stamps for finding in stamp.findings))
        proven_at = self._proven_at(number, stamps)
        signer, path = None, None
        if cms.certificate is not None:
            signer = identity_of(cms.certificate)
            pool = self.examination
            judged = judge_signer(
                self.trust,
                cms.certificate,
                (*cms.others, *pool.certificates),
                (*cms.crls, *pool.crls),
                (*cms.ocsps, *pool.ocsps),
                proven_at=proven_at,
                archived_at=self._proof_behind(number)[1],
            )
            verdict, findings, path = worst([verdict, judged.verdict]), (*findings, *judged.findings), judged.path
        return SignatureReport(
            verdict=verdict,
            level=self._level(number, cms),
            format=FORMAT if found.filter == "ETSI.CAdES.detached" else FOREIGN_FORMAT,
            signer=signer,
            claimed_at=found.claimed_at or cms.signed_at,
            proven_at=proven_at,
            covers=self._covers(found) if cms.verdict is DocumentVerdict.VALID else None,
            changed=tuple(map(_told, found.changes)),
            path=path,
            findings=findings,
        )

    def _signature_stamp(self, token: bytes, number: int, cms: CheckedCms) -> TimestampReport:
        proven_at, archived_at = self._proof_behind(number)

        def digest_of(algorithm: HashAlgorithm) -> bytes:
            return digest(cms.signature, algorithm)

        return self._verify(token, digest_of, proven_at, archived_at)

    def _proven_at(self, number: int, stamps: Sequence[TimestampReport]) -> datetime | None:
        """The earliest time that can be believed."""
        behind, _ = self._proof_behind(number)
        good = [stamp.moment for stamp in stamps if stamp.verdict is DocumentVerdict.VALID]
        return min((moment for moment in (*good, behind) if moment is not None), default=None)

    def _level(self, number: int, cms: CheckedCms) -> Level | None:
        """The highest level whose parts are all there, whatever they are worth."""
        found = self.examination.signatures
        if found[number].filter != "ETSI.CAdES.detached" or not cms.names_certificate:
            return None
        behind = [each for each in found if each.is_timestamp and each.revision > found[number].revision]
        if not cms.tokens and not behind:
            return Level.B
        if not (self.examination.crls or self.examination.ocsps):
            return Level.T
        return Level.LTA if any(each.evidence_covered for each in behind) else Level.LT

    def _covers(self, found: FoundSignature) -> str | None:
        total = self.examination.revisions
        if found.problems:
            return None
        return "whole document" if found.revision == total else f"revision {found.revision} of {total}"

    def _coverage(self, found: FoundSignature) -> Finding:
        """`_covers` in both languages."""
        total = self.examination.revisions
        word = words("covers_all")
        if found.revision < total:
            word = words("covers_then", revision=found.revision, total=total)
        return Finding("coverage", Result.NOTED, word)

    def _document_findings(self, found: FoundSignature) -> tuple[DocumentVerdict, tuple[Finding, ...]]:
        """What the file itself says about a signature: coverage, and what was changed."""
        findings: list[Finding] = [
            Finding("form", Result.PASSED if not found.problems else Result.NOTED, words("in_field"), _place(found))
        ]
        if not found.problems:
            findings.append(self._coverage(found))
        verdicts = [DocumentVerdict.VALID]
        for problem in found.problems:
            altered = problem in _ALTERED
            findings.append(Finding("coverage", Result.FAILED if altered else Result.UNKNOWN, words(problem)))
            verdicts.append(DocumentVerdict.ALTERED if altered else DocumentVerdict.CANNOT_TELL)
        if found.revision < self.examination.revisions:
            doubts = _DOUBTFUL.intersection(self.examination.problems)
            findings += [Finding("change", Result.UNKNOWN, words(each)) for each in sorted(doubts)]
            verdicts += [DocumentVerdict.CANNOT_TELL for _ in doubts]
        for change in found.changes:
            finding, verdict = _judge_change(change, found.certifies)
            findings.append(finding)
            verdicts.append(verdict)
        if found.certifies is not None:
            findings.append(Finding("certification", Result.NOTED, words(f"certifies_{int(found.certifies)}")))
        return worst(verdicts), tuple(findings)


def _place(found: FoundSignature) -> dict[str, str]:
    return {"field": found.name, "revision": str(found.revision), "filter": found.filter}


def _judge_change(change: Change, certifies: Certify | None) -> tuple[Finding, DocumentVerdict]:
    """A change that is allowed is told; one that is not means that the document is another one now."""
    evidence = {"revision": str(change.revision), "kind": str(change.kind), "place": change.place}
    if change.allowed:
        return Finding("change", Result.NOTED, _described(change), evidence), DocumentVerdict.VALID
    if certifies is Certify.ANNOTATIONS and change.kind is ChangeKind.ANNOTATED:
        # The certification allows remarks, and nobody can tell by a program what they hide.
        text = _described(change, "remarks")
        return Finding("change", Result.UNKNOWN, text, evidence), DocumentVerdict.CANNOT_TELL
    if certifies is not None:
        evidence["certification"] = str(int(certifies))
    return Finding("change", Result.FAILED, _described(change), evidence), DocumentVerdict.ALTERED


def _described(change: Change, word: str = "") -> BilingualText:
    """`_told` in both languages."""
    place: BilingualText | str = ""
    if change.place:
        on_page = change.kind in {ChangeKind.PAGE, ChangeKind.ANNOTATED}
        place = words("place_page" if on_page else "place_field", place=change.place)
    what = words(word or f"change_{change.kind}")
    return words("changed_in", what=what, revision=change.revision, place=place)


def _told(change: Change) -> str:
    """A change in a line, for programs and people: "revision 3: page 2"."""
    place = f" {change.place}" if change.place else ""
    return f"revision {change.revision}: {change.kind}{place}"
