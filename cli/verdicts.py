"""How the verification of a card is shown: to people, to programs, and as an exit code."""

from collections.abc import Iterator
from typing import Any

from ecitizen.jsonio import SCHEMA_VERSION, plain
from ecitizen.model import BilingualText
from ecitizen.ports import Driver
from ecitizen.verdict import CardFinding, CardVerdict, CardVerification, CheckResult

from .exit_codes import ExitCode
from .language import Words
from .output import printable

_VERDICTS = {
    CardVerdict.GENUINE: BilingualText("บัตรจริง", "genuine"),
    CardVerdict.ALTERED: BilingualText("ข้อมูลถูกแก้ไข", "altered"),
    CardVerdict.CLONED: BilingualText("บัตรสำเนา", "a copy of another card"),
    CardVerdict.UNTRUSTED: BilingualText("ผู้ออกไม่น่าเชื่อถือ", "issued by somebody who is not trusted"),
    CardVerdict.REVOKED: BilingualText("ถูกเพิกถอน", "revoked"),
    CardVerdict.SUSPENDED: BilingualText("ถูกระงับ", "suspended"),
    CardVerdict.EXPIRED: BilingualText("หมดอายุ", "expired"),
    CardVerdict.INCOMPLETE: BilingualText("บัตรไม่สมบูรณ์", "incomplete"),
    CardVerdict.UNSIGNED: BilingualText("บัตรรุ่นที่ไม่มีลายมือชื่อ พิสูจน์ไม่ได้", "unsigned, so nobody can tell it from a copy"),
    CardVerdict.CANNOT_TELL: BilingualText("บอกไม่ได้", "cannot tell"),
}
_CARD = BilingualText("บัตร", "Card")
_MARKS = {CheckResult.PASSED: "+", CheckResult.FAILED: "!", CheckResult.UNKNOWN: "?", CheckResult.NOTED: "-"}


def exit_code_of(verdict: CardVerdict) -> ExitCode:
    """0 for a genuine card, and a code of its own for each other verdict."""
    return ExitCode.OK if verdict is CardVerdict.GENUINE else ExitCode[verdict.name]


def json_of(found: CardVerification) -> dict[str, Any]:
    """The verification as JSON values, without the card's data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": found.verdict.value,
        "test": found.test,
        "moment": found.moment.isoformat(),
        "findings": [
            {
                "application": finding.application,
                "check": finding.check,
                "result": finding.result.value,
                "text": plain(finding.text),
                "evidence": dict(finding.evidence),
            }
            for finding in found.findings
        ],
        "link": plain(found.reading.link),
    }


def verdict_line(found: CardVerification, words: Words) -> str:
    """The one plain answer, and whether it is about the real world."""
    _ = words.translate
    line = f"{_('Verdict')}: {words.choose(_VERDICTS[found.verdict])}"
    return f"{line} {_('(by authorities for tests)')}" if found.test else line


def verification_lines(found: CardVerification, drivers: tuple[Driver, ...], words: Words) -> Iterator[str]:
    """The answer, then what each check came to, by application."""
    yield verdict_line(found, words)
    titles = {driver.name: driver.title for driver in drivers}
    for name in dict.fromkeys(finding.application for finding in found.findings):
        yield ""
        yield words.choose(titles.get(name or "", _CARD))
        for finding in found.findings:
            if finding.application == name:
                yield f"{_MARKS[finding.result]} {words.choose(finding.text)}{printable(_details(finding))}"


def _details(finding: CardFinding) -> str:
    """What a check that did not pass rests on."""
    if finding.result is CheckResult.PASSED or not finding.evidence:
        return ""
    return f" [{', '.join(f'{name}: {value}' for name, value in finding.evidence.items())}]"
