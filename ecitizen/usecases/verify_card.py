"""Is this card genuine? Reads all its applications, has their seals judged, and gives one answer with evidence."""

import os
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone

from ..apps import installed_drivers, trust_evaluator
from ..errors import AppNotFound, CardError, CardProtocolError, UsageError
from ..model import BilingualText, CardDate, CardReading, Problem
from ..ports import ApplicationReading, Driver, SealedDriver, TrustEvaluator
from ..session import CardSession
from ..transport.virtual import VirtualReader
from ..verdict import CardFinding, CardVerdict, CardVerification, CheckResult, verdict_of
from .open_card import open_card

THAILAND = timezone(timedelta(hours=7))
"""Where the days end that dates on cards mean."""

_DECEMBER = 12

_NOT_READ = BilingualText("อ่านแอปพลิเคชันไม่ได้ ลองใหม่อีกครั้ง", "the application could not be read; try again")
_EXPIRED = BilingualText("หมดอายุแล้ว", "the date of expiry has passed")
_IN_TIME = BilingualText("ยังไม่หมดอายุ", "the date of expiry has not come yet")
_NO_DATE = BilingualText("ไม่ระบุวันหมดอายุ", "no date of expiry is given")
_DATE_UNKNOWN = BilingualText("อ่านวันหมดอายุไม่ได้", "the date of expiry can't be understood")


def verify_card(
    reader: str | VirtualReader | CardSession | None = None,
    *,
    trust: str | os.PathLike[str] | TrustEvaluator | None,
    moment: datetime | None = None,
    offline: bool = False,
    random_bytes: Callable[[int], bytes] = os.urandom,
    wait: float = 0.0,
) -> CardVerification:
    """Tell whether a card is genuine at `moment`, by default now, and what that rests on.

    `reader` is as for `open_card`, or an open session. `trust` is a trust directory (docs/trust.md), or who judges by
    one; None trusts nobody. `offline` fetches nothing, even if the directory allows it. The answer is `genuine` only
    if everything that should be was proven. The data that were judged are in the answer: show these, and no others.

    Raise AppNotFound if the card has none of the installed applications, TransportError if the way to it fails,
    UsageError for a moment without a time zone, ConfigError for a directory that is no trust directory.
    """
    now = moment or datetime.now(UTC)
    if now.tzinfo is None:
        raise UsageError("the moment of a verification needs a time zone")
    evaluator = (
        trust_evaluator(trust, offline=offline, random_bytes=random_bytes)
        if trust is None or isinstance(trust, str | os.PathLike)
        else trust
    )
    if isinstance(reader, CardSession):
        return _verify(reader, evaluator, now)
    with open_card(reader, wait=wait) as session:
        return _verify(session, evaluator, now)


def _verify(session: CardSession, evaluator: TrustEvaluator, moment: datetime) -> CardVerification:
    drivers = installed_drivers()
    begun = session.stats
    with session.transaction():
        readings, findings = _read_all(session, drivers)
        answers = evaluator.question(session, readings)
    if not readings and not findings:
        raise AppNotFound("this card has none of the applications that were looked for; is it the right card?", 0x6A82)
    applications = {driver.name: None for driver in drivers} | {each.driver.name: each.record for each in readings}
    problems = tuple(problem for each in readings for problem in each.problems)
    reading = CardReading(applications, problems, session.stats_since(begun))
    serial = reading.card_admin.chip_serial if reading.card_admin else None
    findings += evaluator.judge(answers, readings, None if serial is None else bytes.fromhex(serial), moment)
    findings += [finding for each in readings if (finding := _expiry(each, moment)) is not None]
    return CardVerification(verdict_of(findings), moment, tuple(findings), reading, evaluator.test)


def _read_all(session: CardSession, drivers: tuple[Driver, ...]) -> tuple[list[ApplicationReading], list[CardFinding]]:
    """Everything on the card, and a doubt for each application that is there and can't be read."""
    readings: list[ApplicationReading] = []
    doubts: list[CardFinding] = []
    for driver in drivers:
        try:
            results = [each for each in driver.read(session, frozenset(driver.fields), {}) if each is not None]
        except AppNotFound:
            continue
        except (CardError, CardProtocolError) as error:
            doubts.append(_doubt(driver.name, "reading", _NOT_READ, error=error.code))
            continue
        if results:
            readings.append(ApplicationReading(driver, results[-1].record, results[-1].problems))
        else:
            doubts.append(_doubt(driver.name, "reading", _NOT_READ))
    return readings, doubts


def _expiry(reading: ApplicationReading, moment: datetime) -> CardFinding | None:
    """Whether the application's own date is over; None if it has none by its kind."""
    driver = reading.driver
    if not isinstance(driver, SealedDriver) or driver.expiry_field is None:
        return None
    value: CardDate | None = getattr(reading.record, driver.expiry_field)
    if value is None and _is_problem(driver.expiry_field, reading.problems):
        return _doubt(driver.name, "expiry", _DATE_UNKNOWN)
    last = None if value is None else _last_day(value)
    if last is None:
        return CardFinding(driver.name, "expiry", CheckResult.NOTED, _NO_DATE)
    end = datetime.combine(last, time.max, THAILAND)
    evidence = {"last_day": last.isoformat()}
    if moment > end:
        return CardFinding(driver.name, "expiry", CheckResult.FAILED, _EXPIRED, evidence, CardVerdict.EXPIRED)
    return CardFinding(driver.name, "expiry", CheckResult.PASSED, _IN_TIME, evidence)


def _is_problem(field: str, problems: tuple[Problem, ...]) -> bool:
    return any(problem.field == field for problem in problems)


def _last_day(value: CardDate) -> date | None:
    """The last day of validity; of a date known in part the last that it can mean. None for lifelong and blank."""
    if value.year is None:
        return None
    month = value.month or _DECEMBER
    return date(value.year, month, value.day or monthrange(value.year, month)[1])


def _doubt(application: str, check: str, text: BilingualText, **evidence: str) -> CardFinding:
    return CardFinding(application, check, CheckResult.UNKNOWN, text, evidence, CardVerdict.CANNOT_TELL)
