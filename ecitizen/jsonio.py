"""Card values as JSON, and records from JSON. The form has a version; within it, keys are only ever added."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import DecodeError
from .model import CardDate, CardReading, Photo

SCHEMA_VERSION = 1

T = TypeVar("T")

_NOT_IN_JSON = frozenset({"raw"})
"""Bytes as read are for programs that ask for them in Python."""


def to_json(reading: CardReading) -> dict[str, Any]:
    """A reading as JSON values: a key per application, `problems`, `link` and `schema_version`.

    The photo is given by its length and digest; the picture itself is `reading.citizen_id.photo.jpeg`.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: plain(record) for name, record in reading.applications.items()},
        "problems": [plain(problem) for problem in reading.problems],
        "link": plain(reading.link),
    }


def plain(value: Any) -> Any:
    """Any value of the model as what `json.dumps` takes."""
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, StrEnum) else value
    if isinstance(value, CardDate):
        return {
            "raw": value.raw,
            "iso": value.iso,
            "precision": value.precision.value,
            "lifelong": value.lifelong,
        }
    if isinstance(value, Photo):
        return {"bytes": len(value.jpeg), "sha256": value.sha256}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name not in _NOT_IN_JSON}


def record_from_json(kind: type[T], data: object) -> T:
    """A record of the model from JSON: names and shapes as `to_json` gives them, or a date as its eight characters.

    What is not there is None; a date that is null is blank. Photos are not in JSON. Raise DecodeError that names
    the key that is wrong.
    """
    value = _convert(kind, data, kind.__name__)
    assert isinstance(value, kind)
    return value


def _convert(kind: Any, data: object, where: str) -> Any:
    if get_origin(kind) in {UnionType, Union}:
        kind = next(option for option in get_args(kind) if option is not NoneType)
        if data is None:
            return CardDate.parse(" " * 8) if kind is CardDate else None
    if kind is CardDate and isinstance(data, Mapping):
        data = data.get("raw")  # all else in the shape of a date follows from its eight characters
    try:
        if kind is CardDate and isinstance(data, str):
            return CardDate.parse(data)
        if isinstance(kind, type) and issubclass(kind, StrEnum) and isinstance(data, str):
            return kind(data)
    except (DecodeError, ValueError) as error:
        raise DecodeError(f"{where}: {error}") from None
    if kind is not CardDate and is_dataclass(kind) and isinstance(data, Mapping):
        return _convert_record(kind, data, where)
    if kind in {str, int} and type(data) is kind:
        return data
    raise DecodeError(f"{where}: expected {getattr(kind, '__name__', kind)}, found {type(data).__name__}")


def _convert_record(kind: Any, data: Mapping[Any, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    names = [
        field.name for field in fields(kind) if field.name not in _NOT_IN_JSON and hints[field.name] != Photo | None
    ]
    unknown = sorted(str(key) for key in data.keys() - set(names))
    if unknown:
        raise DecodeError(f"{where}: there is no field {', '.join(unknown)}; the fields are {', '.join(names)}")
    optional = {name for name in names if get_origin(hints[name]) in {UnionType, Union}}
    return kind(
        **{
            name: _convert(hints[name], data.get(name), f"{where}.{name}")
            for name in names
            if name in data or name in optional
        }
    )
