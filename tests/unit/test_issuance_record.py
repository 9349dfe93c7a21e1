"""Orders from JSON and CSV: what is right comes through, and whatever is wrong is named by its field."""

import base64
import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardapps.issuance_record import changes_from_json, load_order, order_from_json, orders_from_csv
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.persona import find_persona
from ecitizen.errors import PlanMismatch
from ecitizen.model import BilingualText, CitizenId, HealthInsurance, OfficialStatus, PersonName

PERSONAS = Path(__file__).parents[2] / "cardapps/personas"


def record(persona: str = "somchai", **changes: Any) -> dict[str, Any]:
    data = json.loads((PERSONAS / f"{persona}.json").read_text(encoding="utf-8"))
    names = ("citizen_id", "health_insurance", "civil_servant", "card_admin")
    applications = {name: data[name] for name in names if data[name] is not None}
    picture = applications["citizen_id"].pop("photo", None)
    applications["card_admin"].pop("chip_serial")
    found = {"schema_version": 1, "applications": applications, **({"portrait": picture} if picture else {})}
    return {**found, **changes}


def problems(data: Any) -> set[tuple[str, str | None]]:
    with pytest.raises(PlanMismatch) as caught:
        order_from_json(data if isinstance(data, bytes | str) else json.dumps(data), folder=PERSONAS)
    assert caught.value.problems
    return {(each.application, each.field) for each in caught.value.problems}


@pytest.mark.parametrize("persona", ["somchai", "vichai", "kla", "malee"])
def test_a_persona_as_a_record_is_the_same_records(persona: str) -> None:
    order = order_from_json(json.dumps(record(persona)), folder=PERSONAS)
    expected = find_persona(persona).applications
    assert order.applications.keys() == expected.keys()
    for name, found in order.applications.items():
        if name not in {"citizen_id", "card_admin"}:
            assert found == expected[name]
    citizen = order.applications["citizen_id"]
    assert isinstance(citizen, CitizenId)
    assert citizen.cid == expected["citizen_id"].cid  # type: ignore[attr-defined]
    assert citizen.photo is None or citizen.photo.jpeg.endswith(b"\xff\xd9")
    assert (order.keys, order.chip_serial) == (None, None)


def test_keys_serial_and_a_picture_inside(tmp_path: Path) -> None:
    picture = base64.b64encode((PERSONAS / "somchai.jpg").read_bytes()).decode()
    data = record(keys={"9a": "p384", "9E": "p256"}, chip_serial="412300A1B2C3D4E5", portrait={"base64": picture})
    place = tmp_path / "record.json"
    place.write_text("\ufeff" + json.dumps(data), encoding="utf-8")
    order = load_order(place)
    assert order.keys == {0x9A: KeyAlgorithm.P_384, 0x9E: KeyAlgorithm.P_256}
    assert order.chip_serial == bytes.fromhex("412300A1B2C3D4E5")
    assert order.canonical() == load_order(place).canonical()
    assert order.canonical() != order_from_json(json.dumps(record()), folder=PERSONAS).canonical()


def with_field(application: str, field: str, value: Any) -> dict[str, Any]:
    data = record()
    data["applications"][application][field] = value
    return data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", ("record", None), id="nothing"),
        pytest.param(b"\xff\xfe{}", ("record", None), id="not UTF-8"),
        pytest.param("[]", ("record", None), id="a list"),
        pytest.param('{"a": 1, "a": 1}', ("record", None), id="a key twice"),
        pytest.param('{"schema_version": NaN}', ("record", None), id="no number"),
        pytest.param('{"schema_version": 1.0}', ("record", None), id="no whole number"),
        pytest.param("[" * 100_000, ("record", None), id="nested"),
        pytest.param("1" * 5000, ("record", None), id="a long number"),
        pytest.param('{"schema_version": 1', ("record", None), id="cut off"),
        pytest.param(record(schema_version=2), ("record", "schema_version"), id="version"),
        pytest.param(record(schema_version=True), ("record", "schema_version"), id="version true"),
        pytest.param(record(further=1), ("record", "further"), id="unknown key"),
        pytest.param(record(applications=[]), ("record", "applications"), id="applications"),
        pytest.param(record(applications={"piv": {}}), ("record", "applications.piv"), id="unknown application"),
        pytest.param(record(applications={"citizen_id": 1}), ("citizen_id", None), id="record no object"),
        pytest.param(record(keys=[]), ("record", "keys"), id="keys"),
        pytest.param(record(keys={"9A": "des"}), ("record", "keys.9A"), id="kind of key"),
        pytest.param(record(keys={"xx": "p256"}), ("record", "keys.xx"), id="slot"),
        pytest.param(record(chip_serial="12"), ("record", "chip_serial"), id="serial short"),
        pytest.param(record(chip_serial="zz" * 8), ("record", "chip_serial"), id="serial no hex"),
        pytest.param(record(portrait="missing.jpg"), ("record", None), id="portrait missing"),
        pytest.param(record(portrait="../personas/somchai.jpg"), ("record", "portrait"), id="portrait elsewhere"),
        pytest.param(record(portrait="/etc/passwd"), ("record", "portrait"), id="portrait absolute"),
        pytest.param(record(portrait="a\0b"), ("record", "portrait"), id="portrait with NUL"),
        pytest.param(record(portrait=7), ("record", "portrait"), id="portrait a number"),
        pytest.param(record(portrait={"base64": "%%%"}), ("record", "portrait"), id="no base64"),
        pytest.param(record(portrait={"base64": "aGVsbG8="}), ("citizen_id", "photo"), id="no picture"),
        pytest.param(with_field("citizen_id", "cid", 1), ("citizen_id", "cid"), id="number for text"),
        pytest.param(with_field("citizen_id", "sex", "x"), ("citizen_id", "sex"), id="unknown code"),
        pytest.param(with_field("citizen_id", "birth_date", "25281315"), ("citizen_id", "birth_date"), id="month"),
        pytest.param(with_field("citizen_id", "name_th", {"first": 1}), ("citizen_id", "name_th"), id="part"),
        pytest.param(with_field("citizen_id", "photo", "x"), ("citizen_id", "photo"), id="photo inside"),
        pytest.param(with_field("citizen_id", "colour", "x"), ("citizen_id", "colour"), id="unknown field"),
        pytest.param(
            with_field("health_insurance", "hospital_changes", True),
            ("health_insurance", "hospital_changes"),
            id="bool",
        ),
    ],
)
def test_whatever_is_wrong_is_named(data: Any, expected: tuple[str, str | None]) -> None:
    assert expected in problems(data)


def test_all_that_is_wrong_is_told_at_once() -> None:
    data = with_field("citizen_id", "cid", 1)
    data["applications"]["health_insurance"]["update_date"] = "x"
    data["keys"] = {"9A": 1}
    assert problems(data) == {("citizen_id", "cid"), ("health_insurance", "update_date"), ("record", "keys.9A")}


def test_a_portrait_without_a_citizen() -> None:
    data = record()
    del data["applications"]["citizen_id"]
    assert problems(data) == {("record", "portrait")}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_record_with_anything_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    found = record(portrait=None)
    inside: Any = found
    while True:
        key = data.draw(st.sampled_from(sorted(inside)))
        if isinstance(inside[key], dict) and data.draw(st.booleans()):
            inside = inside[key]
            continue
        inside[key] = data.draw(_JSON)
        break
    with suppress(PlanMismatch):  # and nothing else
        order_from_json(json.dumps(found), folder=PERSONAS)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 2000), bits=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_file_is_read_or_refused(at: int, bits: int, cut: bool) -> None:
    raw = bytearray(json.dumps(record(portrait=None), ensure_ascii=False).encode())
    at %= len(raw)
    raw[at] ^= bits
    with suppress(PlanMismatch):
        order_from_json(bytes(raw[:at] if cut else raw), folder=PERSONAS)


# CSV

HEAD = (
    "citizen_id.cid",
    "citizen_id.name_th.prefix",
    "citizen_id.name_th.first",
    "citizen_id.sex",
    "health_insurance.hospital_changes",
    "portrait",
    "keys.9A",
)
GOOD = ("1999900100425", "นาย", "สมชาย", "male", "2", "somchai.jpg", "p256")


def table(*rows: tuple[str, ...], head: tuple[str, ...] = HEAD) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    return out.getvalue()


def test_lines_of_csv_are_orders() -> None:
    short = ("1999900100425", "", "", "", "", "", "")
    first, second = orders_from_csv(table(GOOD, short), folder=PERSONAS)
    assert first.order is not None
    assert second.order is not None
    citizen, health = first.order.applications["citizen_id"], first.order.applications["health_insurance"]
    assert isinstance(citizen, CitizenId)
    assert citizen.name_th == PersonName("นาย", "สมชาย")
    assert citizen.photo is not None
    assert health == HealthInsurance(hospital_changes=2)
    assert first.order.keys == {0x9A: KeyAlgorithm.P_256}
    assert second.order.applications.keys() == {"citizen_id"}


def test_a_bad_line_spoils_no_other() -> None:
    bad = ("1999900100425", "", "", "x", "many", "", "")
    lines = list(orders_from_csv(table(bad, GOOD, GOOD[:3], ("",) * 7), folder=PERSONAS))
    assert [line.line for line in lines] == [2, 3, 4]
    assert [each.field for each in lines[0].problems] == ["sex", "hospital_changes"]
    assert lines[1].order is not None
    assert "3 cells" in lines[2].problems[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line"),
        ("a,a\n", "each field once"),
        ("citizen_id.cid,\n", "each field once"),
        ("colour\nred\n", "of no field"),
        (b"\xff\n", "UTF-8"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(PlanMismatch, match=words):
        list(orders_from_csv(text))


def test_a_field_can_not_be_a_value_and_have_parts() -> None:
    head = ("citizen_id.name_th", "citizen_id.name_th.first")
    (line,) = orders_from_csv(table(("a", "b"), head=head))
    assert "can't have parts" in line.problems[0].message
    (line,) = orders_from_csv(table(("b", "a"), head=head[::-1]))
    assert "can't have a value" in line.problems[0].message


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=st.sampled_from('a,"\n\r\0 .9'), max_size=60))
def test_any_text_below_a_header_gives_lines(text: str) -> None:
    for line in orders_from_csv("citizen_id.cid,keys.9A\n" + text):
        assert (line.order is None) == bool(line.problems)


def test_changes_for_an_update() -> None:
    found = changes_from_json("civil_servant", {"status": "retired", "position": {"th": "ครู", "en": "Teacher"}})
    assert found == {"status": OfficialStatus.RETIRED, "position": BilingualText("ครู", "Teacher")}
    for application, data in (("piv", {}), ("civil_servant", []), ("civil_servant", {"status": "x"})):
        with pytest.raises(PlanMismatch):
            changes_from_json(application, data)
