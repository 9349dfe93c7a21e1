"""How the check of signed documents is shown: to people, to programs, and as an exit code."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from ecitizen.jsonio import plain
from ecitizen.model import BilingualText
from pki import pdf_words
from pki.path import Finding, PathReport, Result
from pki.signed import DocumentReport, DocumentVerdict, SignatureReport, SignerIdentity

from ..exit_codes import ExitCode
from ..language import Words
from ..output import printable

Reports = Sequence[tuple[str, DocumentReport]]
"""Files as they were named, and what was found."""

MARKS = {Result.PASSED: "+", Result.FAILED: "!", Result.UNKNOWN: "?", Result.NOTED: "-"}


def exit_code_of(verdict: DocumentVerdict) -> ExitCode:
    """0 for a valid document, and a code of its own for each other verdict."""
    return ExitCode.OK if verdict is DocumentVerdict.VALID else ExitCode[verdict.name]


# For programs


def json_of(reports: Reports, verdict: DocumentVerdict, *, test: bool) -> dict[str, Any]:
    """What was found, as JSON values: the verdict on all files, each file, and each signature with its evidence."""
    return {
        "schema_version": 1,
        "verdict": verdict.value,
        "test": test,
        "moment": reports[0][1].moment.isoformat(),
        "documents": [
            {
                "file": name,
                "verdict": report.verdict.value,
                "format": report.format,
                "findings": findings_json(report.findings),
            }
            for name, report in reports
        ],
        "signatures": [
            {"file": name, **signature_json(each)} for name, report in reports for each in report.signatures
        ],
    }


def signature_json(signature: SignatureReport) -> dict[str, Any]:
    """One signature with its evidence, as JSON values."""
    return {
        "verdict": signature.verdict.value,
        "format": signature.format,
        "level": signature.level.value if signature.level else None,
        "signer": signer_json(signature.signer) if signature.signer else None,
        "claimed_at": _time(signature.claimed_at),
        "proven_at": _time(signature.proven_at),
        "covers": signature.covers,
        "changed": list(signature.changed),
        "path": path_json(signature.path) if signature.path else None,
        "findings": findings_json(signature.findings),
    }


def signer_json(signer: SignerIdentity) -> dict[str, Any]:
    """Who a certificate is about, as JSON values."""
    return {
        "name_th": signer.name_th,
        "name_en": signer.name_en,
        "office": signer.office,
        "agency": signer.agency,
        "subject": signer.subject,
        "certificate_sha256": sha256(signer.certificate).hexdigest(),
    }


def path_json(path: PathReport) -> dict[str, Any]:
    """What path validation found, as JSON values."""
    return {
        "verdict": path.verdict.value,
        "moment": path.moment.isoformat(),
        "revoked_at": _time(path.revoked_at),
        "reason": path.reason,
        "findings": findings_json(path.findings),
        "chain": [sha256(der).hexdigest() for der in path.chain],
    }


def findings_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON values."""
    return [
        {
            "check": finding.check,
            "result": finding.result.value,
            "text": plain(finding.text),
            "evidence": dict(finding.evidence),
        }
        for finding in findings
    ]


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


# For people


def report_lines(reports: Reports, words: Words, *, test: bool) -> Iterator[str]:
    """Each file: the one plain answer, then each signature, and what every check came to."""
    for number, (name, report) in enumerate(reports):
        if number:
            yield ""
        yield printable(name)
        yield verdict_line(report.verdict, words, test=test)
        yield from finding_lines(report.findings, words)
        for each in report.signatures:
            yield ""
            yield from (printable(line) for line in _signature_lines(each, words))
            yield from finding_lines(each.findings, words)


def verdict_line(verdict: DocumentVerdict, words: Words, *, test: bool) -> str:
    """The one plain answer, and whether it is about the real world."""
    _ = words.translate
    line = f"{_('Verdict')}: {verdict_text(verdict, words)}"
    return f"{line} {_('(by authorities for tests)')}" if test else line


def verdict_text(verdict: DocumentVerdict, words: Words) -> str:
    """A verdict in words: those of the printed report."""
    return words.choose(pdf_words.words(f"verdict_{verdict.value}"))


def _signature_lines(signature: SignatureReport, words: Words) -> Iterator[str]:
    _ = words.translate
    level = signature.level.value if signature.level else _("none")
    yield _("Signature ({form}, level {level}): {verdict}").format(
        form=signature.format, level=level, verdict=verdict_text(signature.verdict, words)
    )
    if signature.signer:
        yield f"  {_('Signed by')}: {signer_name(signature.signer, words)}"
    if signature.proven_at:
        yield f"  {_('Signed before')}: {_shown(signature.proven_at)} {_('(proven by a timestamp)')}"
    if signature.claimed_at:
        yield f"  {_('Signed at')}: {_shown(signature.claimed_at)} {_('(by the clock of the signer)')}"
    if signature.covers:
        yield f"  {_('What was signed')}: {signature.covers}"
    for change in signature.changed:
        yield f"  {_('Changed afterwards')}: {change}"


def signer_name(signer: SignerIdentity, words: Words) -> str:
    """Who signed: name, office and agency, or what else the certificate says."""
    names = words.choose(BilingualText(signer.name_th, signer.name_en))
    return ", ".join(each for each in (names, signer.office, signer.agency) if each) or signer.subject


def finding_lines(findings: Iterable[Finding], words: Words) -> Iterator[str]:
    """A line for each finding, with what it rests on if it did not go well; what is said again is said once."""
    yield from dict.fromkeys(_finding_line(finding, words) for finding in findings)


def _finding_line(finding: Finding, words: Words) -> str:
    line = f"{MARKS[finding.result]} {words.choose(finding.text)}"
    details = ", ".join(f"{name}: {value}" for name, value in finding.evidence.items() if value)
    return printable(f"{line} [{details}]" if details and finding.result is not Result.PASSED else line)


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
