"""Is this card genuine: the answer as values, and what it rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from types import MappingProxyType

from .model import BilingualText, CardReading


@unique
class CardVerdict(StrEnum):
    """What a card is. The order is that of precedence: where several are true, the first one is the answer."""

    ALTERED = "altered"
    """Data are not as their agency sealed them."""
    CLONED = "cloned"
    """The data are those of another card."""
    UNTRUSTED = "untrusted"
    """Sealed by somebody who may not."""
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    """Put on hold for a time: an official who may not act."""
    EXPIRED = "expired"
    INCOMPLETE = "incomplete"
    """Not everything that makes a card is on it: half-personalised, or something was taken away."""
    UNSIGNED = "unsigned"
    """Of a generation that signs nothing, as today's cards: nobody can tell it from a copy."""
    CANNOT_TELL = "cannot-tell"
    """Something needed to be sure is missing; the findings say what."""
    GENUINE = "genuine"


@unique
class CheckResult(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be made."""
    NOTED = "noted"
    """Something to know that decides nothing."""


@dataclass(frozen=True, slots=True)
class CardFinding:
    """One thing that was found out about a card."""

    application: str | None
    """None where the whole card is meant."""
    check: str
    """`presence`, `data`, `signature`, `signer`, `certificate`, `binding`, `challenge`, `expiry`, `reading`."""
    result: CheckResult
    text: BilingualText
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What it rests on: names of fields, certificates, times (ISO 8601), reasons. No personal data."""
    means: CardVerdict | None = None
    """What the card is by this alone; None where it speaks neither against the card nor leaves a doubt."""


@dataclass(frozen=True, slots=True)
class CardVerification:
    """The answer, the evidence, and exactly the data that were judged."""

    verdict: CardVerdict
    moment: datetime
    findings: tuple[CardFinding, ...]
    reading: CardReading
    test: bool
    """Trust was placed in authorities for tests: the answer is worth nothing outside them."""


def verdict_of(findings: Iterable[CardFinding]) -> CardVerdict:
    """The verdict that all findings together come to. Nothing found is no proof, and so no genuine card."""
    all_findings = list(findings)
    found = {finding.means for finding in all_findings}
    worst = next((verdict for verdict in CardVerdict if verdict in found), None)
    if worst is not None:
        return worst
    doubtful = any(finding.result in {CheckResult.FAILED, CheckResult.UNKNOWN} for finding in all_findings)
    proven = any(finding.result is CheckResult.PASSED for finding in all_findings)
    return CardVerdict.GENUINE if proven and not doubtful else CardVerdict.CANNOT_TELL
