"""Orders for cards, from JSON and CSV: every field is checked for its form, and all that is wrong is told at once.

A JSON record is an object with `schema_version` 1, `applications` (records as `ecitizen.jsonio` writes them, by the
application's name), and if need be `portrait` (a file's name beside the record, or {"base64": ...}), `keys` (kinds of
keys by slot: {"9A": "p256"}), `chip_serial` (16 hex digits: this card and no other). A CSV file has a card in each
line, and columns named by the same keys with dots between: citizen_id.name_th.first. An empty cell is an absent field.
Whether what the fields say can be written is for `ecitizen.usecases.issue_plan`.
"""

import base64
import binascii
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, NoReturn, get_type_hints

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.apps import installed_drivers
from ecitizen.errors import DecodeError, PlanMismatch, PortraitUnusable
from ecitizen.jsonio import record_from_json
from ecitizen.model import ApplicationRecord, CitizenId, Photo, Problem
from ecitizen.ports import IssuableDriver
from ecitizen.usecases.issue_plan import CardOrder, plan_mismatch

from .portrait import INPUT_MAX_LEN, portrait

SCHEMA_VERSION: Final = 1
RECORD_MAX_LEN: Final = 96 * 1024 * 1024
"""Bytes of a record: a picture in base64 is a third longer than its file."""

_RECORD: Final = "record"
"""The application that problems of the record itself are said to be of."""
_KEYS: Final = frozenset({"schema_version", "applications", "portrait", "keys", "chip_serial"})
_PHOTO: Final = "photo"
_ROWS_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """A line of a CSV file: an order, or all that is wrong with it."""

    line: int
    """In the file, from 1, which is the line with the names."""
    order: CardOrder | None
    problems: tuple[Problem, ...] = ()


def order_from_json(data: bytes | str, *, folder: str | os.PathLike[str] | None = None) -> CardOrder:
    """The order in a JSON record; a portrait's file is looked for in `folder` and nowhere else.

    Raise PlanMismatch with all that is wrong, each with the name of its field.
    """
    return _order(_json_object(data), folder)


def load_order(path: str | os.PathLike[str]) -> CardOrder:
    """The order in a JSON file, whose portrait lies beside it; raise as `order_from_json` does."""
    place = Path(path)
    return order_from_json(_content(place, "the record", RECORD_MAX_LEN), folder=place.parent)


def orders_from_csv(data: bytes | str, *, folder: str | os.PathLike[str] | None = None) -> Iterator[CsvOrder]:
    """The orders in a CSV file, line by line: a bad line spoils no other. Raise PlanMismatch if there is no header."""
    rows = _csv_rows(_text(data))
    first = next(rows, None)
    if first is None:
        _refuse("", "empty", "the file has no line with the names of the fields")
    columns = _columns(first[1])
    for line, cells, damage in rows:
        if damage:
            yield CsvOrder(line, None, (Problem(_RECORD, None, DecodeError.code, damage),))
        elif len(cells) != len(columns):
            message = f"the line has {len(cells)} cells where the first one has {len(columns)}"
            yield CsvOrder(line, None, (Problem(_RECORD, None, DecodeError.code, message),))
        elif any(cells):
            yield _csv_order(line, columns, cells, folder)


def changes_from_json(application: str, data: object) -> dict[str, Any]:
    """Values for `update_card` out of JSON: an object of fields as in a record, null to blank one.

    Raise PlanMismatch that names each field that is wrong.
    """
    driver = _drivers().get(application)
    if driver is None:
        _refuse("", "unknown", f"there is no application {application}; there are {', '.join(_drivers())}")
    values, problems = _field_values(application, driver.record_type, data)
    if problems:
        raise plan_mismatch(problems)
    return values


# The record


def _order(record: Mapping[str, Any], folder: str | os.PathLike[str] | None) -> CardOrder:
    problems = [_problem(key, "unknown", "there is no such key in a record") for key in record if key not in _KEYS]
    if record.get("schema_version") != SCHEMA_VERSION or record.get("schema_version") is True:
        problems.append(_problem("schema_version", "unknown_layout", f"it must be {SCHEMA_VERSION}"))
    applications = _applications(record.get("applications"), problems)
    keys = _keys(record.get("keys"), problems)
    serial = _serial(record.get("chip_serial"), problems)
    if record.get("portrait") is not None:
        photo = _photo(record["portrait"], folder, problems)
        citizen = applications.get("citizen_id")
        if isinstance(citizen, CitizenId) and photo is not None:
            applications["citizen_id"] = replace(citizen, photo=photo)
        elif citizen is None:
            problems.append(_problem("portrait", "unknown", "only citizen_id has a portrait, and it is not ordered"))
    if problems:
        raise plan_mismatch(problems)
    return CardOrder(applications, keys, serial)


def _applications(data: object, problems: list[Problem]) -> dict[str, ApplicationRecord]:
    drivers = _drivers()
    if not isinstance(data, Mapping):
        problems.append(_problem("applications", DecodeError.code, "an object with a record for each application"))
        return {}
    found: dict[str, ApplicationRecord] = {}
    for name, content in data.items():
        if name not in drivers:
            known = ", ".join(drivers)
            problems.append(_problem(f"applications.{name}"[:80], "unknown", f"there are {known}"))
        elif content is not None:
            kind: Any = drivers[name].record_type
            values, wrong = _field_values(name, kind, content)
            problems += wrong
            found[name] = kind(**values)
    return found


def _field_values(application: str, kind: Any, data: object) -> tuple[dict[str, Any], list[Problem]]:
    """Each field that has the right form, and a problem for each other one."""
    if not isinstance(data, Mapping):
        return {}, [Problem(application, None, DecodeError.code, "the record of an application is an object")]
    values, problems = {}, []
    for name, value in data.items():
        try:
            values[name] = getattr(record_from_json(kind, {name: value}), name)
        except DecodeError as error:
            message = str(error).removeprefix(f"{kind.__name__}.{name}: ").removeprefix(f"{kind.__name__}: ")
            problems.append(Problem(application, str(name)[:80], error.code, message))
    return values, problems


def _keys(data: object, problems: list[Problem]) -> dict[int, KeyAlgorithm] | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        problems.append(_problem("keys", DecodeError.code, 'an object of slots, as {"9A": "p256"}'))
        return None
    found = {}
    for slot, kind in data.items():
        try:
            number = int(slot, 16) if len(slot) == 2 and slot.isalnum() and slot.isascii() else -1
            found[number] = KeyAlgorithm(kind)
        except ValueError:
            number = -1
        if number < 0:
            known = ", ".join(KeyAlgorithm)
            problems.append(_problem(f"keys.{slot}"[:80], DecodeError.code, f"a slot as 9A, and one of {known}"))
    return found


def _serial(data: object, problems: list[Problem]) -> bytes | None:
    if data is None:
        return None
    try:
        serial = bytes.fromhex(data) if isinstance(data, str) and len(data) == 16 else b""
    except ValueError:
        serial = b""
    if len(serial) != 8:
        problems.append(_problem("chip_serial", DecodeError.code, "16 hex digits"))
        return None
    return serial


def _photo(data: object, folder: str | os.PathLike[str] | None, problems: list[Problem]) -> Photo | None:
    """The portrait that is named or given."""
    try:
        return portrait(_picture(data, folder))
    except PortraitUnusable as error:
        problems.append(Problem("citizen_id", _PHOTO, error.code, str(error)))
    except PlanMismatch as error:
        problems += error.problems
    return None


def _picture(data: object, folder: str | os.PathLike[str] | None) -> bytes:
    if isinstance(data, Mapping) and data.keys() == {"base64"} and isinstance(data["base64"], str):
        try:
            return base64.b64decode(data["base64"], validate=True)
        except (binascii.Error, ValueError):
            _refuse("portrait", DecodeError.code, "this is not base64")
    if not isinstance(data, str) or not data:
        _refuse("portrait", DecodeError.code, 'the name of a file beside the record, or {"base64": "..."}')
    if folder is None or Path(data).is_absolute() or ".." in Path(data).parts or "\0" in data:
        _refuse("portrait", "file", "the picture must lie beside the record, or below its folder")
    return _content(Path(folder) / data, "the picture", INPUT_MAX_LEN)


def _drivers() -> dict[str, IssuableDriver]:
    return {driver.name: driver for driver in installed_drivers() if isinstance(driver, IssuableDriver)}


# Files and their forms


def _content(path: Path, what: str, longest: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(longest + 1)
    except (OSError, ValueError) as error:
        _refuse("", "file", f"{what} can't be read: {getattr(error, 'strerror', None) or 'this is no name of a file'}")
    if len(content) > longest:
        _refuse("", "file", f"{what} has more than {longest >> 20} MiB")
    return content


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse("", DecodeError.code, "the file is not UTF-8; save it as UTF-8")


def _json_object(data: bytes | str) -> Mapping[str, Any]:
    text = _text(data)
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_no_number)
    except RecursionError:
        _refuse("", DecodeError.code, "the JSON is nested too deep")
    except ValueError as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        _refuse("", DecodeError.code, f"this is no JSON{where}: {reason}")
    if not isinstance(found, dict):
        _refuse("", DecodeError.code, "a record is a JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that stands twice nobody can tell which is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_number(_: str) -> NoReturn:
    raise ValueError("a record has whole numbers only")


def _csv_rows(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Line number, cells, and what is wrong with the line, if it is."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    for _ in range(_ROWS_MAX):
        try:
            yield reader.line_num + 1, [cell.strip() for cell in next(reader)], ""
        except StopIteration:
            return
        except csv.Error as error:
            yield max(reader.line_num, 1), [], f"this is no line of CSV: {error}"


def _columns(names: list[str]) -> list[tuple[str, ...]]:
    if len(set(names)) != len(names) or not all(names):
        _refuse("", DecodeError.code, "the first line must name each field once")
    columns = [tuple(name.split(".")) for name in names]
    drivers = _drivers()
    for column in columns:
        if column[0] not in drivers and column[0] not in _KEYS - {"schema_version", "applications"}:
            _refuse("", "unknown", f"a column is of no field of a record: {'.'.join(column)[:80]}")
    return columns


def _csv_order(
    line: int, columns: list[tuple[str, ...]], cells: list[str], folder: str | os.PathLike[str] | None
) -> CsvOrder:
    try:
        return CsvOrder(line, _order(_nested(columns, cells), folder))
    except PlanMismatch as error:
        return CsvOrder(line, None, error.problems)


def _nested(columns: list[tuple[str, ...]], cells: list[str]) -> dict[str, Any]:
    """The record that a line means, in the form that JSON would have."""
    drivers = _drivers()
    record: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "applications": {}}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        inside = record["applications"] if column[0] in drivers else record
        *way, last = column
        for name in way:
            inside = inside.setdefault(name, {})
            if not isinstance(inside, dict):
                _refuse(".".join(column)[:80], DecodeError.code, "this field has a value already, and can't have parts")
        if last in inside:
            _refuse(".".join(column)[:80], DecodeError.code, "this field has parts already, and can't have a value")
        inside[last] = _number(drivers, column, cell)
    return record


def _number(drivers: Mapping[str, IssuableDriver], column: tuple[str, ...], cell: str) -> str | int:
    """A cell as its field wants it: CSV does not tell numbers from text."""
    driver = drivers.get(column[0])
    if driver is None or len(column) != 2:
        return cell
    kind: Any = driver.record_type
    hint = get_type_hints(kind).get(column[1]) if column[1] in {each.name for each in fields(kind)} else None
    return int(cell) if hint == int | None and cell.isascii() and cell.isdigit() and len(cell) < 10 else cell


def _problem(field: str, code: str, message: str) -> Problem:
    return Problem(_RECORD, field, code, message)


def _refuse(field: str, code: str, message: str) -> NoReturn:
    raise plan_mismatch([Problem(_RECORD, field or None, code, message)])
