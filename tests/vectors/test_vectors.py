"""Every layout against tables and values that were typed from the reference, never made by our own code.

Driver and applet share a layout, so a wrong constant in it would pass all tests of one against the other.
"""

import ast
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cardapps import seal_files, thai_record
from cardapps.card_admin import layout as card_admin
from cardapps.citizen_id import layout as citizen_id
from cardapps.civil_servant import layout as civil_servant
from cardapps.fields import Code, Field, decode_field, encode_field
from cardapps.health_insurance import layout as health_insurance
from ecitizen.errors import DecodeError
from ecitizen.iso7816.access import AccessRule
from ecitizen.jsonio import plain
from ecitizen.transport.replay import Transcript

FOLDER = Path(__file__).parents[2] / "fixtures" / "vectors"
MODULES = {
    "card_admin": card_admin,
    "citizen_id": citizen_id,
    "civil_servant": civil_servant,
    "health_insurance": health_insurance,
    "seal_files": seal_files,
    "thai_record": thai_record,
}


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


Vector = tuple[str, dict[str, Any]]
VECTORS: list[Vector] = [(name, vector) for name in MODULES for vector in load(name)["vectors"]]
DATA_OBJECTS = [entry for entry in VECTORS if entry[0] == "civil_servant"]
CPLC = [entry for entry in VECTORS if entry[1]["field"] == "chip_serial"]
FIELDS = [entry for entry in VECTORS if entry not in DATA_OBJECTS and entry not in CPLC]
TWO_WAY = [entry for entry in FIELDS if not {"problem", "decode_only"} & entry[1].keys()]


def label(part: Any) -> str:
    return part if isinstance(part, str) else str(part["field"])


def octets(text: str) -> bytes:
    """Bytes in the notation of transcripts."""
    return Transcript.parse(f"> 00\n< {text}").exchanges[0][1] if text else b""


def field_of(name: str, vector: Mapping[str, Any]) -> Field:
    tables: dict[str, tuple[Field, ...]] = {
        "TEXT_FIELDS_0003": citizen_id.TEXT_FIELDS_0003,
        "TEXT_FIELDS_0002": citizen_id.TEXT_FIELDS_0002,
        "health_insurance": health_insurance.FIELDS,
        "card_admin": (card_admin.LASER_NUMBER,),
    }
    table = tables[vector.get("table", "TEXT_FIELDS_0003") if name == "citizen_id" else name]
    return next(field for field in table if field.name == vector["field"])


def as_row(value: Any) -> Any:
    """A constant of a layout as it stands in the JSON."""
    match value:
        case bytes():
            row: Any = value.hex().upper()
        case slice():
            row = [value.start, value.stop]
        case tuple():
            row = [as_row(entry) for entry in value]
        case Code():
            row = as_row(value.values)
        case Mapping():
            row = {str(key): as_row(entry) for key, entry in value.items()}
        case AccessRule():
            row = {"read": value.read.name, "update": value.update.name}
        case Field():
            row = [value.name, value.block, f"0x{value.offset:04X}", value.length, value.required]
        case civil_servant.OfficerObject():
            row = [value.name, f"{value.tag:02X}", value.required]
        case _:
            row = plain(value)
    return row


def public_constants(module: ModuleType) -> dict[str, Any]:
    """What the module itself assigns, without what it imports."""
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    names = [target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("_")]
    return {name: as_row(getattr(module, name)) for name in names}


@pytest.mark.parametrize("name", MODULES)
def test_every_constant_is_as_the_reference_has_it(name: str) -> None:
    expected = load(name)
    assert public_constants(MODULES[name]) == expected["constants"] | expected["tables"]


@pytest.mark.parametrize(("name", "vector"), FIELDS, ids=label)
def test_field_decodes(name: str, vector: dict[str, Any]) -> None:
    value, problem = decode_field(name, field_of(name, vector), octets(vector["raw"]))
    assert (problem.code if problem else None) == vector.get("problem")
    assert plain(value) == vector.get("value")
    if problem:
        assert (problem.application, problem.field) == (name, vector["field"])


@pytest.mark.parametrize(("name", "vector"), TWO_WAY, ids=label)
def test_field_encodes_to_the_same_bytes(name: str, vector: dict[str, Any]) -> None:
    field = field_of(name, vector)
    raw = octets(vector["raw"])
    value, _ = decode_field(name, field, raw)
    assert encode_field(field, value) == raw


@pytest.mark.parametrize(("name", "vector"), DATA_OBJECTS, ids=label)
def test_data_object_of_the_official(name: str, vector: dict[str, Any]) -> None:
    codec = next(entry.codec for entry in civil_servant.OBJECTS if entry.name == vector["field"])
    raw = octets(vector["raw"])
    if "problem" in vector:
        with pytest.raises(DecodeError) as caught:
            codec.decode(raw)
        assert caught.value.code == vector["problem"]
        return
    value = codec.decode(raw)
    assert plain(value) == vector["value"]
    if not vector.get("decode_only"):
        assert codec.encode(value) == raw


@pytest.mark.parametrize(("name", "vector"), CPLC, ids=label)
def test_chip_serial(name: str, vector: dict[str, Any]) -> None:
    answer = octets(vector["raw"])
    assert len(answer) == card_admin.CPLC_ANSWER_LEN
    assert answer[card_admin.CHIP_SERIAL].hex().upper() == vector["value"]


def test_an_absent_laser_number_is_zero_bytes() -> None:
    assert encode_field(card_admin.LASER_NUMBER, None) == bytes(16)


def test_every_field_has_a_good_vector() -> None:
    tables: dict[str, tuple[Any, ...]] = {
        "card_admin": (card_admin.LASER_NUMBER,),
        "citizen_id": citizen_id.TEXT_FIELDS_0003,
        "civil_servant": civil_servant.OBJECTS,
        "health_insurance": health_insurance.FIELDS,
    }
    for name, table in tables.items():
        good = {vector["field"] for vector in load(name)["vectors"] if "value" in vector}
        assert good - {"chip_serial"} == {entry.name for entry in table}


def test_fields_of_a_layout_do_not_overlap() -> None:
    tables = (
        (*citizen_id.TEXT_FIELDS_0003, citizen_id.PHOTO_0003),
        (*citizen_id.TEXT_FIELDS_0002, citizen_id.PHOTO_0002),
        health_insurance.FIELDS,
    )
    for table in tables:
        places = sorted((field.block, field.offset, field.end) for field in table)
        for (block, _, end), (next_block, start, _) in pairwise(places):
            assert block != next_block or end <= start


def test_commands_of_the_layouts() -> None:
    assert thai_record.read_command(1, 0x1579, 174).encode() == bytes.fromhex("80B01579 02 01AE AE")
    assert thai_record.read_command(0, 0, 255).encode() == bytes.fromhex("80B00000 02 00FF FF")
    assert card_admin.get_state().encode() == bytes.fromhex("80000000 17")
    assert card_admin.get_cplc().encode() == bytes.fromhex("80CA9F7F 2D")
    assert [thai_record.sfi_of(block) for block in (0, 1)] == [1, 2]
    assert [thai_record.fid_of(block) for block in (0, 1)] == [0x0101, 0x0102]
