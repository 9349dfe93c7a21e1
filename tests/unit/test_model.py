from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, EcitizenError
from ecitizen.model import (
    Address,
    CardAdmin,
    CardDate,
    CardReading,
    CitizenId,
    CivilServant,
    DatePrecision,
    HealthInsurance,
    LinkStats,
    PersonName,
    Photo,
    Problem,
)

LINK = LinkStats("T=0", 7, 70, 700)


@pytest.mark.parametrize(
    ("raw", "iso", "precision", "parts"),
    [
        ("25300215", "1987-02-15", DatePrecision.DAY, (1987, 2, 15)),
        ("25430229", "2000-02-29", DatePrecision.DAY, (2000, 2, 29)),
        ("05440101", "0001-01-01", DatePrecision.DAY, (1, 1, 1)),
        ("99991231", "9456-12-31", DatePrecision.DAY, (9456, 12, 31)),
        ("25300200", None, DatePrecision.MONTH, (1987, 2, None)),
        ("25300000", None, DatePrecision.YEAR, (1987, None, None)),
        ("25300015", None, DatePrecision.YEAR, (1987, None, None)),
        ("99999999", None, DatePrecision.NONE, (None, None, None)),
        ("        ", None, DatePrecision.NONE, (None, None, None)),
        ("\0\0\0\0\0\0\0\0", None, DatePrecision.NONE, (None, None, None)),
    ],
)
def test_date(
    raw: str, iso: str | None, precision: DatePrecision, parts: tuple[int | None, int | None, int | None]
) -> None:
    parsed = CardDate.parse(raw)
    assert (parsed.raw, parsed.iso, parsed.precision) == (raw, iso, precision)
    assert (parsed.year, parsed.month, parsed.day) == parts
    assert parsed.value == (date.fromisoformat(iso) if iso else None)
    assert parsed.lifelong == (raw == "99999999")


@pytest.mark.parametrize(
    "raw",
    [
        "25440229",  # 2001: the leap years are those of the common era
        "24430229",  # 1900
        "25301301",
        "25300132",
        "25300431",
        "25300231",
        "25300199",
        "99999998",
        "05430101",  # the year before year 1
        "00000000",
        "2530021",
        "253002150",
        "",
        "2530021 ",
        " 2530021",
        "๒๕๓๐๐๒๑๕",
        "+2530215",
        "2_530215",
    ],
)
def test_no_date(raw: str) -> None:
    with pytest.raises(DecodeError):
        CardDate.parse(raw)


@given(st.dates(max_value=date(9456, 12, 31)))
def test_known_day_round_trips(day: date) -> None:
    written = CardDate.from_date(day)
    assert written.value == day
    assert int(written.raw[:4]) == day.year + 543
    assert CardDate.parse(written.raw) == written


def test_day_too_late_for_four_digits_is_refused() -> None:
    with pytest.raises(DecodeError):
        CardDate.from_date(date(9457, 1, 1))


@given(st.text(max_size=10) | st.text("0123456789 ", min_size=8, max_size=8))
def test_any_text_is_a_date_or_refused(raw: str) -> None:
    try:
        parsed = CardDate.parse(raw)
    except EcitizenError as error:
        assert isinstance(error, DecodeError)  # noqa: PT017 - one of the two right ends
        return
    assert parsed.raw == raw
    assert (parsed.iso is None) == (parsed.precision is not DatePrecision.DAY)


def test_name_and_address_in_one_line() -> None:
    assert str(PersonName("นาย", "สมชาย", "", "ใจดี")) == "นาย สมชาย ใจดี"
    assert str(PersonName()) == ""
    parts = ("99", "หมู่ที่ 4", "ตรอก", "ซอย", "ถนน", "ตำบล", "อำเภอ", "จังหวัด")
    assert str(Address(*parts)) == " ".join(parts)
    assert str(Address(house_no="8", province="กรุงเทพมหานคร")) == "8 กรุงเทพมหานคร"


def test_personal_bytes_are_not_in_repr() -> None:
    record = CitizenId(photo=Photo(b"picture"), raw={"cid": b"secret"})
    assert "picture" not in repr(record)
    assert "secret" not in repr(record)


def test_photo_digest() -> None:
    # FIPS 180-4 example: SHA-256 of "abc".
    assert Photo(b"abc").sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_raw_bytes_do_not_count_for_equality() -> None:
    assert CitizenId(cid="1", raw={"cid": b"1"}) == CitizenId(cid="1")


def test_reading_gives_each_application_by_its_type() -> None:
    records = (CitizenId(cid="1"), HealthInsurance(), CivilServant(), CardAdmin())
    names = ("citizen_id", "health_insurance", "civil_servant", "card_admin")
    reading = CardReading(dict(zip(names, records, strict=True)), (), LINK)
    assert (reading.citizen_id, reading.health_insurance, reading.civil_servant, reading.card_admin) == records
    assert reading.complete


def test_reading_without_an_application() -> None:
    problem = Problem("citizen_id", None, "app_not_found", "it is not there")
    reading = CardReading({"citizen_id": None}, (problem,), LINK)
    assert reading.citizen_id is None
    assert reading.card_admin is None
    assert not reading.complete
