"""Answers instead of data: what a desk may say about a card without handing over the fields that say so.

A claim that the card's data do not settle is not made: a year of birth alone may leave open whether somebody is 20.
Days are Thai days.
"""

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

from ecitizen.errors import UsageError
from ecitizen.model import BilingualText, CardDate, CardReading, DatePrecision, OfficialStatus

from .pdf_times import THAI_TIME


@dataclass(frozen=True, slots=True)
class DerivedClaim:
    """One answer: of which application, called what, from which fields, and by which rule."""

    application: str
    name: str
    fields: tuple[str, ...]
    text: BilingualText
    rule: Callable[[Any, date], bool | None]
    """Of the application's record and a day; None if the record does not settle it."""


def _valid(record: Any, day: date) -> bool | None:
    """Not past its last day; of a date known in part the last day that it can mean. A lifelong card never ends."""
    expiry: CardDate | None = record.expiry_date
    if expiry is None:
        return None
    if expiry.lifelong:
        return True
    last = _last_day(expiry)
    return None if last is None else day <= last


def _entitled(record: Any, day: date) -> bool | None:
    """Registered in a scheme, which has begun, and not ended if the card tells its end."""
    if record.main_scheme is None or record.expiry_date is None:
        return None
    begin, end = record.issue_date, _last_day(record.expiry_date)
    begun = begin is None or begin.value is None or begin.value <= day
    return bool(record.main_scheme.strip()) and begun and (end is None or day <= end)


def _serving(record: Any, day: date) -> bool | None:
    """In active service, and the official's card has not expired."""
    valid = _valid(record, day)
    if record.status is None or valid is None:
        return None
    return record.status is OfficialStatus.ACTIVE and valid


def _over(years: int) -> Callable[[Any, date], bool | None]:
    """Has completed so many years, which is on the birthday (Civil and Commercial Code, section 16)."""

    def rule(record: Any, day: date) -> bool | None:
        born: CardDate | None = record.birth_date
        if born is None or born.year is None or (last := _last_day(born)) is None:
            return None
        if _birthday(last, years) <= day:
            return True
        first = date(born.year, born.month or 1, born.day or 1)
        return False if day < _birthday(first, years) else None

    return rule


def _birthday(born: date, years: int) -> date:
    """Of somebody born on 29 February it is 1 March in other years."""
    year = born.year + years
    if (born.month, born.day) == (2, 29) and not calendar.isleap(year):
        return date(year, 3, 1)
    return born.replace(year=year)


def _last_day(value: CardDate) -> date | None:
    """The last day that a date can mean; None if it is blank or lifelong."""
    if value.year is None or value.precision is DatePrecision.NONE:
        return None
    month = value.month or 12
    return date(value.year, month, value.day or calendar.monthrange(value.year, month)[1])


CLAIMS: Final = (
    DerivedClaim(
        "citizen_id", "valid", ("expiry_date",), BilingualText("บัตรยังไม่หมดอายุ", "the card has not expired"), _valid
    ),
    DerivedClaim("citizen_id", "over_15", ("birth_date",), BilingualText("อายุครบ 15 ปี", "is 15 or older"), _over(15)),
    DerivedClaim("citizen_id", "over_18", ("birth_date",), BilingualText("อายุครบ 18 ปี", "is 18 or older"), _over(18)),
    DerivedClaim(
        "citizen_id",
        "over_20",
        ("birth_date",),
        BilingualText("บรรลุนิติภาวะ (20 ปี)", "is of age: 20 or older"),
        _over(20),
    ),
    DerivedClaim("citizen_id", "over_60", ("birth_date",), BilingualText("อายุครบ 60 ปี", "is 60 or older"), _over(60)),
    DerivedClaim(
        "health_insurance",
        "entitled",
        ("main_scheme", "issue_date", "expiry_date"),
        BilingualText("มีสิทธิรักษาพยาบาล", "is entitled to health care"),
        _entitled,
    ),
    DerivedClaim(
        "health_insurance",
        "valid",
        ("expiry_date",),
        BilingualText("สิทธิยังไม่หมดอายุ", "the entitlement has not expired"),
        _valid,
    ),
    DerivedClaim(
        "civil_servant",
        "valid",
        ("expiry_date",),
        BilingualText("บัตรข้าราชการยังไม่หมดอายุ", "the official's card has not expired"),
        _valid,
    ),
    DerivedClaim(
        "civil_servant",
        "serving",
        ("status", "expiry_date"),
        BilingualText("ยังรับราชการอยู่", "is in active service"),
        _serving,
    ),
)
"""All claims that there are."""

_BY_NAME: Final[Mapping[tuple[str, str], DerivedClaim]] = MappingProxyType(
    {(claim.application, claim.name): claim for claim in CLAIMS}
)


def claims_of(reading: CardReading, moment: datetime) -> dict[str, dict[str, bool]]:
    """All claims that a card's data settle at a moment, by application."""
    found: dict[str, dict[str, bool]] = {}
    for claim in CLAIMS:
        answer = _answer(claim, reading, moment)
        if answer is not None:
            found.setdefault(claim.application, {})[claim.name] = answer
    return found


def chosen_claims(
    reading: CardReading, chosen: Mapping[str, tuple[str, ...]], moment: datetime
) -> dict[str, dict[str, bool]]:
    """These claims, by application; raise UsageError for one that there is not, or that the data do not settle."""
    found: dict[str, dict[str, bool]] = {}
    for application, names in chosen.items():
        for name in names:
            claim = _BY_NAME.get((application, name))
            if claim is None:
                known = ", ".join(f"{each.application}.{each.name}" for each in CLAIMS)
                raise UsageError(f"there is no claim {application}.{name}; there are {known}")
            answer = _answer(claim, reading, moment)
            if answer is None:
                raise UsageError(f"the card's data do not settle {application}.{name}: {', '.join(claim.fields)}")
            found.setdefault(application, {})[name] = answer
    return found


def _answer(claim: DerivedClaim, reading: CardReading, moment: datetime) -> bool | None:
    if moment.tzinfo is None:
        raise UsageError("the moment of a claim needs a time zone")
    record = reading.applications.get(claim.application)
    return None if record is None else claim.rule(record, moment.astimezone(THAI_TIME).date())
