"""What the official's application holds for a record: the content of its file, and what a reader will make of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.command import OFFSET_MAX
from ecitizen.model import CivilServant, OfficialStatus, Problem

from . import layout


def officer(record: CivilServant) -> bytes:
    """The content of the officer's file; raise EncodeError for what the layout can't hold."""
    objects = {entry.tag: _object(entry, getattr(record, entry.name)) for entry in layout.OBJECTS}
    version = tlv.encode(layout.TAG_VERSION, bytes((layout.VERSION,)))
    return _template(version + b"".join(objects.values()))


def changed(before: bytes, changes: Mapping[str, Any]) -> bytes:
    """The file with these values in place of those that stand there: other objects, known or not, keep their bytes.

    Raise EncodeError for a value that doesn't fit, DecodeError if `before` is no officer's file.
    """
    found = [(child.tag, child.encode()) for child in _children(before)]
    earlier = {layout.TAG_VERSION}
    for entry in layout.OBJECTS:
        if entry.name in changes:
            content = _object(entry, changes[entry.name])
            if entry.required and not content:
                raise EncodeError(f"{entry.name}: this field must not be left out")
            found = _with_object(found, entry.tag, content, earlier)
        earlier.add(entry.tag)
    return _template(b"".join(content for _, content in found))


def _with_object(
    objects: list[tuple[int, bytes]], tag: int, content: bytes, earlier: set[int]
) -> list[tuple[int, bytes]]:
    """The objects with this one in place of those of its tag, or behind what comes earlier; without it if empty."""
    kept = [each for each in objects if each[0] != tag]
    places = [at for at, each in enumerate(objects) if each[0] == tag]
    behind = [at + 1 for at, each in enumerate(kept) if each[0] in earlier]
    at = places[0] if places else max(behind, default=0)
    return [*kept[:at], *([(tag, content)] if content else []), *kept[at:]]


def problems(record: CivilServant, moment: datetime) -> list[Problem]:
    """All that is wrong with a record that is to be issued at `moment`."""
    found = []
    for entry in layout.OBJECTS:
        value = getattr(record, entry.name)
        if value is None and entry.required:
            found.append(_problem(entry.name, "blank", "this field must not be left out"))
            continue
        try:
            _object(entry, value)
        except EncodeError as error:
            found.append(_problem(entry.name, error.code, str(error)))
    begins = record.appointed_date.value if record.appointed_date else None
    ends = record.expiry_date.value if record.expiry_date else None
    if begins and ends and ends < begins:
        found.append(_problem("expiry_date", "order", "expiry_date is before appointed_date"))
    if record.status is OfficialStatus.ACTIVE and ends and ends < moment.date():
        found.append(_problem("expiry_date", "expired", "an official's card that has ended can't say active"))
    if not found:
        try:
            officer(record)
        except EncodeError as error:
            found.append(_problem(None, error.code, str(error)))
    return found


def _object(entry: layout.OfficerObject, value: Any) -> bytes:
    """The data object of a field; nothing for None."""
    if value is None:
        return b""
    try:
        return tlv.encode(entry.tag, entry.codec.encode(value))
    except EncodeError as error:
        raise EncodeError(f"{entry.name}: {error}") from None


def _template(content: bytes) -> bytes:
    whole = tlv.encode(layout.TAG_OFFICER, content)
    if len(whole) > OFFSET_MAX:
        raise EncodeError("the official's data are too long for READ BINARY (32,767 bytes)")
    return whole


def _children(content: bytes) -> tuple[tlv.Tlv, ...]:
    template = tlv.parse_one(content)
    if template.tag != layout.TAG_OFFICER:
        raise DecodeError(f"the official's application has tag {template.tag:X} where {layout.TAG_OFFICER:X} must be")
    return tuple(template.children())


def _problem(field: str | None, code: str, message: str) -> Problem:
    return Problem(layout.NAME, field, code, message)
