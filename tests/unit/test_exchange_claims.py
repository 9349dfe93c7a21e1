"""Answers instead of data: each rule of the table at its edges, in Thai days."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.apps import installed_drivers
from ecitizen.errors import UsageError
from ecitizen.model import CardDate, CardReading, CitizenId, CivilServant, HealthInsurance, LinkStats, OfficialStatus
from pki.exchange import ExchangeVerdict
from pki.exchange_claims import CLAIMS, chosen_claims, claims_of
from tests.unit.exchange_desk import READING
from tests.unit.small_pki import MOMENT

LINK = LinkStats("T=1", 1, 1, 1)
DAY = timedelta(days=1)


def noon(year: int, month: int, day: int) -> datetime:
    """Midday in Thailand."""
    return datetime(year, month, day, 5, tzinfo=UTC)


def claims(moment: datetime = MOMENT, **records: Any) -> dict[str, dict[str, bool]]:
    return claims_of(CardReading(records, (), LINK), moment)


def date(text: str) -> CardDate:
    return CardDate.parse(text)


def test_the_table_names_fields_that_there_are() -> None:
    fields = {driver.name: driver.fields for driver in installed_drivers()}
    for claim in CLAIMS:
        assert set(claim.fields) <= set(fields[claim.application]), claim.name
        assert claim.text.th
        assert claim.text.en
    assert len({(claim.application, claim.name) for claim in CLAIMS}) == len(CLAIMS)


def test_all_claims_of_a_card() -> None:
    assert claims_of(READING, MOMENT) == {
        "citizen_id": {"valid": True, "over_15": True, "over_18": True, "over_20": True, "over_60": False},
        "health_insurance": {"entitled": True, "valid": True},
        "civil_servant": {"valid": True, "serving": True},
    }


@pytest.mark.parametrize(
    ("born", "years", "day", "answer"),
    [
        ("25491122", 20, (2026, 11, 21), False),
        ("25491122", 20, (2026, 11, 22), True),
        ("25470229", 18, (2022, 2, 28), False),
        ("25470229", 18, (2022, 3, 1), True),
        ("25470229", 20, (2024, 2, 29), True),
        ("25490000", 20, (2025, 12, 31), False),
        ("25490000", 20, (2026, 6, 30), None),
        ("25490000", 20, (2026, 12, 31), True),
        ("25491100", 20, (2026, 10, 31), False),
        ("25491100", 20, (2026, 11, 15), None),
        ("25491100", 20, (2026, 11, 30), True),
        ("        ", 20, (2026, 11, 30), None),
    ],
    ids=str,
)
def test_ages(born: str, years: int, day: tuple[int, int, int], answer: bool | None) -> None:
    found = claims(noon(*day), citizen_id=CitizenId(birth_date=date(born)))
    assert found.get("citizen_id", {}).get(f"over_{years}") is answer


@pytest.mark.parametrize(
    ("expiry", "answer"),
    [
        (date("25691122"), True),
        (date("25691121"), False),
        (date("25691100"), True),
        (date("25691000"), False),
        (date("25690000"), True),
        (date("99999999"), True),
        (date("        "), None),
        (None, None),
    ],
    ids=str,
)
def test_validity(expiry: CardDate | None, answer: bool | None) -> None:
    assert claims(citizen_id=CitizenId(expiry_date=expiry)).get("citizen_id", {}).get("valid") is answer
    servant = CivilServant(status=OfficialStatus.ACTIVE, expiry_date=expiry)
    assert claims(civil_servant=servant).get("civil_servant", {}).get("serving") is answer


def test_days_are_thai_days() -> None:
    card = CitizenId(expiry_date=date("25691122"))
    midnight = datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert claims(midnight - timedelta(seconds=1), citizen_id=card)["citizen_id"]["valid"] is True
    assert claims(midnight, citizen_id=card)["citizen_id"]["valid"] is False


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, True),
        ({"main_scheme": "  "}, False),
        ({"main_scheme": None}, None),
        ({"expiry_date": None}, None),
        ({"expiry_date": date("25691121")}, False),
        ({"expiry_date": date("        ")}, True),
        ({"expiry_date": date("99999999")}, True),
        ({"issue_date": date("25691123")}, False),
        ({"issue_date": None}, True),
    ],
    ids=str,
)
def test_entitlement(changes: dict[str, Any], answer: bool | None) -> None:
    insured = HealthInsurance(main_scheme="UCS", issue_date=date("25600101"), expiry_date=date("25691122"))
    found = claims(health_insurance=replace(insured, **changes))
    assert found.get("health_insurance", {}).get("entitled") is answer


@pytest.mark.parametrize("status", [OfficialStatus.RETIRED, OfficialStatus.SUSPENDED, None])
def test_who_does_not_serve(status: OfficialStatus | None) -> None:
    servant = CivilServant(status=status, expiry_date=date("99999999"))
    assert claims(civil_servant=servant)["civil_servant"].get("serving") is (None if status is None else False)


def test_claims_are_chosen_by_name() -> None:
    chosen = {"citizen_id": ("over_20",), "health_insurance": ("entitled", "valid")}
    assert chosen_claims(READING, chosen, MOMENT) == {
        "citizen_id": {"over_20": True},
        "health_insurance": {"entitled": True, "valid": True},
    }


@pytest.mark.parametrize(
    "chosen", [{"citizen_id": ("tall",)}, {"card_admin": ("valid",)}, {"civil_servant": ("entitled",)}], ids=str
)
def test_claims_that_there_are_not(chosen: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError, match="there is no claim"):
        chosen_claims(READING, chosen, MOMENT)


def test_claims_that_the_card_does_not_settle() -> None:
    reading = CardReading({"citizen_id": CitizenId(), "civil_servant": None}, (), LINK)
    for application, name in (("citizen_id", "over_20"), ("civil_servant", "valid")):
        with pytest.raises(UsageError, match="do not settle"):
            chosen_claims(reading, {application: (name,)}, MOMENT)
    with pytest.raises(UsageError, match="time zone"):
        claims_of(READING, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


@given(st.dates(min_value=datetime(1, 1, 1).date(), max_value=datetime(9000, 1, 1).date()), st.integers(0, 60_000))  # noqa: DTZ001 - days
def test_whoever_is_over_an_age_stays_so(born: Any, days: int) -> None:
    card = CitizenId(birth_date=CardDate.from_date(born))
    moment = datetime(born.year, born.month, born.day, 5, tzinfo=UTC) + days * DAY
    today, tomorrow = (claims(each, citizen_id=card)["citizen_id"] for each in (moment, moment + DAY))
    assert list(today) == ["over_15", "over_18", "over_20", "over_60"]
    assert all(tomorrow[name] for name, answer in today.items() if answer)


def test_the_table_in_the_pages_is_this_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text("utf-8")
    for claim in CLAIMS:
        fields = ", ".join(f"`{each}`" for each in claim.fields)
        assert f"| `{claim.application}.{claim.name}` | {fields} |" in page
    assert page.count("| `citizen_id.") + page.count("| `health_insurance.") + page.count("| `civil_servant.") == len(
        CLAIMS
    )
    section = page.partition("## What the recipient's check says")[2].partition("Rules:")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE) == [each.value for each in ExchangeVerdict]
