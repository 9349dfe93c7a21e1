"""The PIV layout and the codecs of its objects against values that were typed from the standard.

Kept apart from test_vectors: PIV has codes and objects where the other applications have fields at offsets.
"""

import ast
import gzip
import json
from collections.abc import Mapping
from enum import Enum, IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cardapps.piv import layout, objects
from ecitizen.errors import DecodeError, EncodeError
from ecitizen.transport.replay import Transcript

FILE = Path(__file__).parents[2] / "fixtures" / "vectors" / "piv.json"
EXPECTED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = EXPECTED["vectors"]
GOOD = [vector for vector in VECTORS if "value" in vector]
BAD = [vector for vector in VECTORS if "error" in vector]
TWO_WAY = [vector for vector in GOOD if not vector.get("decode_only")]
TYPES: dict[str, Any] = {
    "CertificateObject": objects.CertificateObject,
    "Chuid": objects.Chuid,
    "Discovery": objects.Discovery,
    "KeyHistory": objects.KeyHistory,
    "PrintedInformation": objects.PrintedInformation,
}
OF_BYTES = frozenset({"aid", "cardholder_uuid", "certificate", "fasc_n", "guid", "signature"})


def octets(text: str) -> bytes:
    """Bytes in the notation of transcripts."""
    return Transcript.parse(f"> 00\n< {text}").exchanges[0][1] if text else b""


def label(vector: dict[str, Any]) -> str:
    return str(vector.get("object") or vector.get("function") or vector.get("slot"))


def as_row(value: Any) -> Any:
    """A constant as it stands in the JSON."""
    match value:
        case int():
            row: Any = f"0x{value:02X}"
        case bytes():
            row = value.hex().upper()
        case str():
            row = str(value)
        case frozenset():
            row = sorted(as_row(entry) for entry in value)
        case tuple():
            row = [as_row(entry) for entry in value]
        case range():
            assert value.step == 1
            row = [as_row(value.start), as_row(value.stop)]
        case Mapping():
            row = {as_row(key): as_row(entry) for key, entry in value.items()}
        case _:
            raise AssertionError(f"no row for {value!r}")
    return row


def own_names(module: ModuleType, kind: type[ast.stmt]) -> list[str]:
    """Public names that the module itself assigns, or classes that it has."""
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, kind)]
    names = [
        name.id if isinstance(name, ast.Name) else str(getattr(name, "name", ""))
        for node in nodes
        for name in (node.targets if isinstance(node, ast.Assign) else [node])
    ]
    return [name for name in names if not name.startswith("_")]


def constants(module: ModuleType) -> dict[str, Any]:
    return {name: as_row(getattr(module, name)) for name in own_names(module, ast.Assign)}


def value_of(vector: dict[str, Any]) -> Any:
    """The value of a vector as the object that the module knows."""
    fields = {
        name: octets(value) if name in OF_BYTES and isinstance(value, str) else value
        for name, value in vector["value"].items()
    }
    return TYPES[vector["object"]](**fields)


def test_every_constant_of_the_layout_is_as_the_standard_has_it() -> None:
    assert constants(layout) == EXPECTED["constants"]


def test_every_constant_of_the_objects_is_as_the_standard_has_it() -> None:
    assert constants(objects) == EXPECTED["object_constants"]


def test_every_code_is_as_the_standard_has_it() -> None:
    classes = {name: getattr(layout, name) for name in own_names(layout, ast.ClassDef)}
    assert all(issubclass(each, IntEnum) for each in classes.values())
    found = {name: {member.name: as_row(member.value) for member in each} for name, each in classes.items()}
    assert found == EXPECTED["enums"]


@pytest.mark.parametrize("row", EXPECTED["slots"], ids=label)
def test_what_follows_from_a_slot(row: dict[str, Any]) -> None:
    slot = layout.Slot(int(row["slot"], 16))
    assert str(slot) == row["text"]
    assert slot.is_retired == row.get("retired", False)
    assert layout.default_pin_policy(slot) is layout.PinPolicy[row["pin"]]
    assert slot.certificate_object is layout.ObjectId(int(row["certificate"], 16))


def test_every_slot_has_a_certificate_of_its_own() -> None:
    assert len({slot.certificate_object for slot in layout.Slot}) == len(layout.Slot)


@pytest.mark.parametrize("vector", GOOD, ids=label)
def test_object_decodes(vector: dict[str, Any]) -> None:
    assert TYPES[vector["object"]].parse(octets(vector["raw"])) == value_of(vector)


@pytest.mark.parametrize("vector", BAD, ids=label)
def test_object_that_is_none(vector: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        TYPES[vector["object"]].parse(octets(vector["raw"]))
    assert caught.value.code == vector["error"]


@pytest.mark.parametrize("vector", TWO_WAY, ids=label)
def test_object_encodes_to_the_same_bytes(vector: dict[str, Any]) -> None:
    options = {"compress": True} if vector.get("compress") else {}
    assert value_of(vector).encode(**options) == octets(vector["raw"])


@pytest.mark.parametrize("row", EXPECTED["contents"], ids=label)
def test_content_that_is_only_written(row: dict[str, Any]) -> None:
    assert getattr(objects, row["function"])(*map(octets, row["arguments"])) == octets(row["raw"])


@pytest.mark.parametrize("row", EXPECTED["unencodable"], ids=label)
def test_what_an_object_can_not_hold_is_refused(row: dict[str, Any]) -> None:
    arguments = [octets(argument) for argument in row.get("arguments", ())]
    write = value_of(row).encode if "value" in row else getattr(objects, row["object"])
    with pytest.raises(EncodeError):
        write(*arguments)


def test_every_object_has_a_vector_each_way() -> None:
    names = {name for name in own_names(objects, ast.ClassDef) if not issubclass(getattr(objects, name), Enum)}
    assert {vector["object"] for vector in TWO_WAY} == {vector["object"] for vector in BAD} == names


def test_a_certificate_is_unpacked_up_to_the_limit_and_no_further() -> None:
    for size, fits in ((0x10000, True), (0x10001, False)):
        packed = gzip.compress(bytes(size))
        content = b"\x70\x81" + bytes((len(packed),)) + packed + b"\x71\x01\x01"
        if fits:
            assert objects.CertificateObject.parse(content).certificate == bytes(size)
        else:
            with pytest.raises(DecodeError):
                objects.CertificateObject.parse(content)


def test_defaults_are_those_of_a_card_without_a_global_pin() -> None:
    assert objects.Discovery() == objects.Discovery(application_pin=True, global_pin=False, aid=layout.AID)
    assert objects.Discovery(application_pin=False).encode().endswith(octets("5F 2F 02 00 00"))
    assert objects.Chuid(bytes(16), "20310105").fasc_n == octets("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
    assert objects.Chuid(bytes(16), "20310105").encode().endswith(octets("35 08 32 30 33 31 30 31 30 35 3E 00 FE 00"))
    assert objects.PrintedInformation().encode() == octets("FE 00")
    assert objects.KeyHistory().encode() == octets("C1 01 00 C2 01 00 FE 00")


def test_the_holder_is_not_in_the_repr_of_printed_information() -> None:
    assert "Somchai" not in repr(objects.PrintedInformation(name="Somchai Sommuti", issuer="ISSUE"))
