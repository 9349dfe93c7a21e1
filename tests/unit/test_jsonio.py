import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError
from ecitizen.jsonio import SCHEMA_VERSION, plain, record_from_json, to_json
from ecitizen.model import (
    Address,
    ApplicationRecord,
    BilingualText,
    CardAdmin,
    CardDate,
    CardReading,
    CitizenId,
    CivilServant,
    HealthInsurance,
    LinkStats,
    OfficialStatus,
    PersonName,
    Photo,
    Problem,
    Sex,
)

KINDS: tuple[type[ApplicationRecord], ...] = (CitizenId, HealthInsurance, CivilServant, CardAdmin)

FIELD_NAMES = sorted(
    {*plain(CitizenId()), *plain(HealthInsurance()), *plain(CivilServant()), *plain(CardAdmin()), "raw"}
)
BLANK = CardDate.parse(" " * 8)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def records() -> st.SearchStrategy[Any]:
    """Records as a driver makes them: a date is never None, a photo is not in JSON."""
    text = optional(st.text(max_size=10))
    dates = st.sampled_from(["25300215", "25300200", "25300000", "99999999", " " * 8, "\0" * 8]).map(CardDate.parse)
    name = optional(st.builds(PersonName, st.text(), st.text(), st.text(), st.text()))
    address = optional(st.builds(Address, st.text(), soi=st.text(), province=st.text()))
    both = optional(st.builds(BilingualText, st.text(), st.text()))
    citizen = st.builds(
        CitizenId,
        cid=text,
        name_th=name,
        name_en=name,
        birth_date=dates,
        sex=optional(st.sampled_from(Sex)),
        issue_date=dates,
        expiry_date=dates,
        address=address,
        layout_version=text,
    )
    health = st.builds(
        HealthInsurance,
        main_scheme=text,
        issue_date=dates,
        expiry_date=dates,
        update_date=dates,
        hospital_changes=optional(st.integers(0, 9)),
    )
    officer = st.builds(
        CivilServant,
        officer_number=text,
        ministry=both,
        status=optional(st.sampled_from(OfficialStatus)),
        appointed_date=dates,
        expiry_date=dates,
        legal_reference=both,
    )
    return st.one_of(citizen, health, officer, st.builds(CardAdmin, text, text))


@given(records())
def test_record_round_trips_through_json_text(record: Any) -> None:
    data = json.loads(json.dumps(plain(record)))
    data.pop("photo", None)
    assert record_from_json(type(record), data) == record


def json_values() -> st.SearchStrategy[Any]:
    keys = st.sampled_from([*FIELD_NAMES, "prefix", "first", "th", "en", "raw", "iso", "precision", "year"])
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("25300215")
    return st.recursive(
        leaves,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(keys | st.text(max_size=3), below, max_size=5),
        max_leaves=8,
    )


@given(st.sampled_from(KINDS), json_values())
def test_any_json_is_a_record_or_a_decode_error(kind: type[ApplicationRecord], data: Any) -> None:
    try:
        record = record_from_json(kind, data)
    except DecodeError as error:
        assert kind.__name__ in str(error)  # noqa: PT017 - one of the two right ends
        return
    assert isinstance(record, kind)
    json.dumps(plain(record))


@given(st.sampled_from(KINDS), st.sampled_from(FIELD_NAMES), json_values())
def test_any_value_in_any_field_is_taken_or_refused(kind: type[ApplicationRecord], name: str, value: Any) -> None:
    try:
        record = record_from_json(kind, {name: value})
    except DecodeError as error:
        assert kind.__name__ in str(error)  # noqa: PT017 - one of the two right ends
        return
    assert isinstance(record, kind)


def test_date_as_text_as_shape_and_as_null() -> None:
    shape = {"raw": "25300215", "iso": "1987-02-15", "precision": "day", "lifelong": False}
    date = CardDate.parse("25300215")
    assert plain(date) == shape
    assert record_from_json(CitizenId, {"birth_date": "25300215"}).birth_date == date
    assert record_from_json(CitizenId, {"birth_date": shape}).birth_date == date
    assert record_from_json(CitizenId, {"birth_date": None}).birth_date == BLANK
    assert record_from_json(CitizenId, {}).birth_date == BLANK


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"birth_date": {}}, "CitizenId.birth_date: expected CardDate, found NoneType"),
        ({"birth_date": {"raw": {"raw": "25300215"}}}, "CitizenId.birth_date: expected CardDate, found dict"),
        ({"birth_date": "25301301"}, "CitizenId.birth_date: a date on the card is not in the calendar"),
        ({"birth_date": 25300215}, "CitizenId.birth_date: expected CardDate, found int"),
        ({"sex": "1"}, "CitizenId.sex: "),
        ({"cid": 1990100001017}, "CitizenId.cid: expected str, found int"),
        ({"name_th": {"given": "ก"}}, "CitizenId.name_th: there is no field given"),
        ({"name_th": {"first": None}}, "CitizenId.name_th.first: expected str, found NoneType"),
        ({"photo": {"bytes": 1}}, "CitizenId: there is no field photo"),
        ({"raw": {}}, "CitizenId: there is no field raw"),
        ([], "CitizenId: expected CitizenId, found list"),
        (None, "CitizenId: expected CitizenId, found NoneType"),
    ],
)
def test_error_names_the_key(data: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        record_from_json(CitizenId, data)
    assert str(caught.value).startswith(message)


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(DecodeError):
        record_from_json(HealthInsurance, {"hospital_changes": True})


def test_reading_as_json_has_the_keys_that_programs_rely_on() -> None:
    photo = Photo(b"abc")
    reading = CardReading(
        {
            "citizen_id": CitizenId(cid="1990100001017", sex=Sex.FEMALE, photo=photo, raw={"cid": b"1990100001017"}),
            "health_insurance": None,
            "civil_servant": CivilServant(ministry=BilingualText("ก", "A"), status=OfficialStatus.RETIRED),
            "card_admin": CardAdmin(),
        },
        (Problem("citizen_id", "address", "missing", "it is not there"),),
        LinkStats("T=0", 7, 70, 700),
    )
    data = json.loads(json.dumps(to_json(reading)))
    assert data["schema_version"] == SCHEMA_VERSION == 1
    assert data["health_insurance"] is None
    assert data["problems"] == [
        {"application": "citizen_id", "field": "address", "code": "missing", "message": "it is not there"}
    ]
    assert data["link"] == {"protocol": "T=0", "exchanges": 7, "bytes_sent": 70, "bytes_received": 700}
    citizen = data["citizen_id"]
    assert (citizen["cid"], citizen["sex"], citizen["name_th"]) == ("1990100001017", "female", None)
    assert citizen["photo"] == {"bytes": 3, "sha256": photo.sha256}
    assert data["civil_servant"]["ministry"] == {"th": "ก", "en": "A"}
    assert data["civil_servant"]["status"] == "retired"
    assert data["card_admin"] == {"laser_number": None, "chip_serial": None}


KEYS: list[tuple[Any, str]] = [
    (
        CitizenId(),
        "cid name_th name_en birth_date sex request_number issue_place issuer_code issue_date expiry_date card_type"
        " address photo_number layout_version photo",
    ),
    (PersonName(), "prefix first middle last"),
    (Address(), "house_no moo trok soi road tambon amphoe province"),
    (
        HealthInsurance(),
        "main_scheme sub_scheme main_hospital sub_hospital paid_type issue_date expiry_date update_date"
        " hospital_changes",
    ),
    (
        CivilServant(),
        "officer_number ministry department position level status appointed_date expiry_date issuing_authority"
        " legal_reference",
    ),
    (CardAdmin(), "laser_number chip_serial"),
]


@pytest.mark.parametrize(("value", "keys"), KEYS)
def test_keys_are_those_of_the_published_form(value: Any, keys: str) -> None:
    assert " ".join(plain(value)) == keys
