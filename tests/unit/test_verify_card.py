"""What findings come to, what dates mean, and how the use case deals with who judges."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from ecitizen import apps
from ecitizen.entry_points import EntryPoint
from ecitizen.errors import ConfigError
from ecitizen.model import BilingualText, CardDate, CitizenId
from ecitizen.ports import ApplicationReading, Driver, TrustEvaluator
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.verify_card import _expiry, _last_day, verify_card
from ecitizen.verdict import CardFinding, CardVerdict, CheckResult, verdict_of

TEXT = BilingualText("ก", "a")
MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def finding(result: CheckResult, means: CardVerdict | None = None) -> CardFinding:
    return CardFinding("citizen_id", "data", result, TEXT, {}, means)


PASSED = finding(CheckResult.PASSED)
BAD = [verdict for verdict in CardVerdict if verdict is not CardVerdict.GENUINE]


def test_the_verdicts_are_those_of_the_interface_in_their_order() -> None:
    assert [verdict.value for verdict in CardVerdict] == [
        *("altered", "cloned", "untrusted", "revoked", "suspended", "expired", "incomplete", "unsigned"),
        *("cannot-tell", "genuine"),
    ]


def test_genuine_only_if_something_passed_and_nothing_speaks_against_it() -> None:
    assert verdict_of([PASSED]) is CardVerdict.GENUINE
    assert verdict_of([PASSED, finding(CheckResult.NOTED)]) is CardVerdict.GENUINE
    for nothing in ([], [finding(CheckResult.NOTED)]):
        assert verdict_of(nothing) is CardVerdict.CANNOT_TELL
    for unsaid in (CheckResult.FAILED, CheckResult.UNKNOWN):
        assert verdict_of([PASSED, finding(unsaid)]) is CardVerdict.CANNOT_TELL


@pytest.mark.parametrize("verdict", BAD)
def test_one_finding_decides(verdict: CardVerdict) -> None:
    assert verdict_of([PASSED, finding(CheckResult.FAILED, verdict), PASSED]) is verdict


def test_of_several_the_first_in_the_order_decides_wherever_it_stands() -> None:
    for first, second in combinations(BAD, 2):
        both = [finding(CheckResult.FAILED, second), PASSED, finding(CheckResult.FAILED, first)]
        assert verdict_of(both) is verdict_of(reversed(both)) is first


# --- dates ---


@pytest.mark.parametrize(
    ("raw", "last"),
    [
        ("25740414", "2031-04-14"),
        ("25670200", "2024-02-29"),
        ("25680200", "2025-02-28"),
        ("25740000", "2031-12-31"),
        ("99999999", None),
        ("        ", None),
    ],
)
def test_a_date_known_in_part_holds_until_its_last_day(raw: str, last: str | None) -> None:
    found = _last_day(CardDate.parse(raw))
    assert (found and found.isoformat()) == last


@pytest.mark.parametrize("raw", ["05440101", "99991231"])
def test_the_earliest_and_the_latest_dates_that_a_card_can_have(raw: str) -> None:
    (citizen,) = (driver for driver in apps.installed_drivers() if driver.name == "citizen_id")
    found = _expiry(ApplicationReading(citizen, CitizenId(expiry_date=CardDate.parse(raw)), ()), MOMENT)
    assert found is not None
    assert (found.means is CardVerdict.EXPIRED) == (raw == "05440101")


# --- who judges ---


class Judge:
    """Finds what it is told to find, and keeps what it was asked."""

    def __init__(self, *findings: CardFinding, test: bool = False) -> None:
        self.findings, self.test = findings, test
        self.asked: list[str] = []
        self.serial: bytes | None = None

    def question(self, session: CardSession, readings: Sequence[ApplicationReading]) -> Any:
        self.asked = [reading.driver.name for reading in readings]
        session.select(readings[0].driver.aid)  # the card is still there
        return "answers"

    def judge(
        self, answers: Any, readings: Sequence[ApplicationReading], chip_serial: bytes | None, moment: datetime
    ) -> tuple[CardFinding, ...]:
        assert answers == "answers"
        self.serial = chip_serial
        return self.findings


def test_the_judge_is_asked_about_all_that_was_read() -> None:
    judge: Any = Judge(PASSED, test=True)
    evaluator: TrustEvaluator = judge
    found = verify_card(VirtualReader(virtual_card("wanida")), trust=evaluator, moment=MOMENT)
    assert judge.asked == ["citizen_id", "health_insurance", "civil_servant", "card_admin"]
    assert judge.serial == bytes.fromhex("419000A1B2020590")
    assert (found.verdict, found.test, found.moment) == (CardVerdict.GENUINE, True, MOMENT)
    assert found.reading.complete
    assert found.reading.link.exchanges == 59
    assert [each.application for each in found.findings if each.check == "expiry"] == ["citizen_id", "civil_servant"]


def test_an_open_session_stays_open() -> None:
    with CardSession(VirtualReader(virtual_card("somchai")).connect()) as session:
        for _ in range(2):
            assert verify_card(session, trust=Judge(PASSED), moment=MOMENT).verdict is CardVerdict.GENUINE


def test_a_card_that_expired_is_that_whatever_the_judge_found() -> None:
    later = MOMENT + timedelta(days=3650)
    found = verify_card(VirtualReader(virtual_card("somchai")), trust=Judge(PASSED), moment=later)
    assert found.verdict is CardVerdict.EXPIRED
    (expiry,) = (each for each in found.findings if each.means)
    assert (expiry.application, expiry.evidence) == ("citizen_id", {"last_day": "2031-04-14"})


def test_no_date_is_a_remark_and_a_damaged_one_a_doubt() -> None:
    found = verify_card(VirtualReader(virtual_card("kla")), trust=Judge(PASSED), moment=MOMENT)
    assert [each.result for each in found.findings if each.check == "expiry"] == [CheckResult.NOTED]
    from ecitizen.emulator.image import CardImage
    from ecitizen.emulator.persona import find_persona
    from ecitizen.emulator.personalise import card_from_image, sections_for
    from ecitizen.iso7816.apdu import CardProtocol

    sections: Any = sections_for(find_persona("somchai"), CardProtocol.T0)
    block = bytearray(sections["citizen_id"]["block0"])
    block[0x016F:0x0177] = b"25741314"
    sections["citizen_id"]["block0"] = bytes(block)
    reader = VirtualReader(card_from_image(CardImage.in_memory(sections)))
    assert verify_card(reader, trust=Judge(PASSED), moment=MOMENT).verdict is CardVerdict.CANNOT_TELL


def test_who_judges_is_found_among_the_installed_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert apps.trust_evaluator(None, offline=True, random_bytes=bytes).test is False
    for found in ((), (EntryPoint("a", "b:c"), EntryPoint("d", "e:f"))):
        monkeypatch.setattr(apps, "entry_points", lambda group, found=found: found)
        with pytest.raises(ConfigError, match=f"{len(found)} packages judge cards"):
            verify_card(VirtualReader(virtual_card("somchai")), trust=None)


def test_drivers_of_ours_say_what_is_sealed() -> None:
    for driver in apps.installed_drivers():
        checked: Driver = driver
        assert getattr(checked, "data_groups", None), driver.name
