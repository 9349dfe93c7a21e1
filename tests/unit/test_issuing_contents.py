"""What each application holds for a record: what is encoded reads back, and a change touches nothing but its field."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardapps.civil_servant import contents as officer_contents
from cardapps.civil_servant.layout import OBJECTS
from ecitizen.apps import card_scheme, installed_drivers
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import installed_personas
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816 import tlv
from ecitizen.model import Address, BilingualText, CardAdmin, CardDate, CitizenId, HealthInsurance, OfficialStatus
from ecitizen.ports import IssuableDriver
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
PERSONAS = installed_personas()
DRIVERS = card_scheme().drivers
CASES = [
    pytest.param(persona, application, id=f"{name}-{application}")
    for name, persona in sorted(PERSONAS.items())
    for application in persona.applications
]


def test_every_driver_can_write() -> None:
    assert [driver.name for driver in installed_drivers()] == list(DRIVERS)
    assert all(isinstance(driver, IssuableDriver) for driver in DRIVERS.values())


@pytest.mark.parametrize(("persona", "application"), CASES)
def test_the_driver_writes_what_the_applet_has_and_readers_read(persona: Any, application: str) -> None:
    """The same bytes on both sides, read back whole; and what a reader makes of them without a card."""
    driver, record = DRIVERS[application], persona.applications[application]
    contents = driver.contents(record)
    for protocol in persona.atrs:
        sections = sections_for(persona, protocol)
        memory = [value for value in sections[application].values() if isinstance(value, bytes)]
        assert sorted(memory) == sorted(contents.values())
        with CardSession(VirtualReader(card_from_image(CardImage.in_memory(sections))).connect()) as session:
            assert driver.read_contents(session) == contents
            *_, last = (step for step in driver.read(session, frozenset(driver.fields), {}) if step is not None)
        found, read = driver.record_of(contents), last.record
        if application == "card_admin":
            assert isinstance(read, CardAdmin)
            assert found == replace(read, chip_serial=None)
        else:
            assert found == read
            assert _without_photo(found.raw) == _without_photo(read.raw)  # which is read to its end only
        assert driver.changed(contents, {}) == contents


def _without_photo(raw: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in raw.items() if name != "photo"}


CHANGES: dict[str, dict[str, Any]] = {
    "citizen_id": {
        "address": Address(house_no="9"),
        "issue_place": None,
        "expiry_date": CardDate.parse("99999999"),
        "photo": None,
    },
    "health_insurance": {"main_hospital": "โรงพยาบาลใหม่", "hospital_changes": None},
    "civil_servant": {
        "status": OfficialStatus.SUSPENDED,
        "position": BilingualText("ครู", ""),
        "legal_reference": None,
        "expiry_date": CardDate.parse("26000101"),
    },
    "card_admin": {"laser_number": "AA0000000000"},
}


@pytest.mark.parametrize(("persona", "application"), CASES)
def test_a_change_is_what_a_record_with_that_change_would_be(persona: Any, application: str) -> None:
    driver, record = DRIVERS[application], persona.applications[application]
    before = driver.contents(record)
    for name, value in CHANGES[application].items():
        after = driver.changed(before, {name: value})
        assert after == driver.contents(replace(record, **{name: value})), name
    assert driver.changed(before, CHANGES[application]) == driver.contents(replace(record, **CHANGES[application]))


def test_objects_that_nobody_knows_stay_in_the_officers_file() -> None:
    known = officer_contents.officer(PERSONAS["wanida"].applications["civil_servant"])  # type: ignore[arg-type]
    foreign = tlv.encode(0xDF01, b"of a later version")
    whole = tlv.encode(0xE0, tlv.parse_one(known).value + foreign)
    after = officer_contents.changed(whole, {"status": OfficialStatus.RETIRED, "legal_reference": None})
    assert tlv.parse_one(after).value.endswith(foreign)
    back = officer_contents.changed(after, {"legal_reference": BilingualText("ก", "a")})
    tags = [child.tag for child in tlv.parse_one(back).children()]
    assert tags == [0xC0, *(entry.tag for entry in OBJECTS), 0xDF01]


@pytest.mark.parametrize("name", DRIVERS)
def test_contents_that_are_none(name: str) -> None:
    with pytest.raises(DecodeError):
        DRIVERS[name].record_of({0x0101: b"\x01\x00"})


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("civil_servant", "status", None), ("citizen_id", "layout_version", "0003"), ("card_admin", "chip_serial", "x")],
)
def test_fields_that_stay(name: str, field: str, value: object) -> None:
    driver = DRIVERS[name]
    with pytest.raises(EncodeError, match=field):
        driver.changed(driver.contents(PERSONAS["wanida"].applications[name]), {field: value})


TEXT = st.text(alphabet=st.sampled_from("กขค ab#1é\0\U0001f600"), max_size=12)
DATES = st.sampled_from(["25280415", "25280400", "25280000", "99999999", "        ", "25700101"]).map(CardDate.parse)


@settings(max_examples=200, deadline=None)
@given(
    record=st.builds(
        CitizenId,
        cid=st.none() | st.sampled_from(["1999900100425", "1999900100426", "x"]),
        issue_place=st.none() | TEXT,
        birth_date=st.none() | DATES,
        issue_date=st.none() | DATES,
        expiry_date=st.none() | DATES,
        layout_version=st.none() | st.sampled_from(["0003", "0002", "0009", "x"]),
        address=st.none() | st.builds(Address, house_no=TEXT, province=TEXT),
    )
)
def test_what_is_checked_can_be_written_and_reads_back(record: CitizenId) -> None:
    driver = DRIVERS["citizen_id"]
    problems = driver.check(record, MOMENT)
    if problems:
        assert all(each.application == "citizen_id" and each.field for each in problems)
        return
    found = driver.record_of(driver.contents(record))
    assert isinstance(found, CitizenId)
    assert (found.cid, found.issue_place, found.address) == (record.cid, record.issue_place, record.address)


@settings(max_examples=100, deadline=None)
@given(
    record=st.builds(
        HealthInsurance,
        main_scheme=st.none() | TEXT,
        hospital_changes=st.none() | st.integers(-1, 11),
        issue_date=st.none() | DATES,
        expiry_date=st.none() | DATES,
    )
)
def test_health_records_too(record: HealthInsurance) -> None:
    driver = DRIVERS["health_insurance"]
    if driver.check(record, MOMENT):
        return
    found = driver.record_of(driver.contents(record))
    assert isinstance(found, HealthInsurance)
    assert (found.main_scheme, found.hospital_changes) == (record.main_scheme, record.hospital_changes)
