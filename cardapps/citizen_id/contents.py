"""What the citizen's ID application holds for a record: its blocks, and what a reader will make of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.model import CardDate, CitizenId, Photo, Problem

from ..fields import Field
from ..thai_record_contents import Blocks, decoded, encoding_problems, filled, raw_of, values_of
from . import layout
from .jpeg import find_end

PHOTO_READ_LEN: Final = 5100
"""Bytes of the portrait that readers in the field get at: 20 reads of 255, of a field of 5,118 (thai-card.md, 3.2)."""


def blocks(record: CitizenId) -> Blocks:
    """The blocks for this holder, in layout 0003 or 0002; raise EncodeError for what the layout can't hold."""
    old = record.layout_version == layout.VERSION_0002
    empty = (
        {number: b" " * length for number, length in layout.BLOCK_LENS_0002.items()}
        if old
        else {0: bytes(layout.RECORD_LEN)}
    )
    fields, photo = _tables(record.layout_version)
    if old:
        fields = (*fields, layout.VERSION_AGAIN_0002)
    return _with_photo(filled(empty, fields, values_of(record, fields)), photo, record.photo)


def changed(before: Mapping[int, bytes], changes: Mapping[str, Any]) -> Blocks:
    """The blocks with these values in place of those that stand there; all else keeps its bytes.

    Raise EncodeError for a value that doesn't fit, and for the layout's version, which a card keeps.
    """
    if "layout_version" in changes:
        raise EncodeError("layout_version: a card keeps its layout; issue a new card")
    fields, photo = _tables(_version(before))
    after = filled(before, fields, changes)
    return _with_photo(after, photo, changes[photo.name]) if photo.name in changes else after


def record_of(contents: Mapping[int, bytes]) -> CitizenId:
    """The record as a reader gets it from these blocks; raise DecodeError if they are too short to be any."""
    fields, photo = _tables(_version(contents))
    raw = raw_of(contents, (*fields, photo))
    return replace(CitizenId(**decoded(layout.NAME, raw, fields), raw=raw), photo=_photo(raw[photo.name]))


def problems(record: CitizenId, moment: datetime) -> list[Problem]:
    """All that is wrong with a record that is to be issued at `moment`."""
    fields, _ = _tables(record.layout_version)
    found = encoding_problems(layout.NAME, record, fields)
    if record.layout_version not in {None, layout.VERSION_0002, layout.VERSION_0003}:
        found.append(_problem("layout_version", "unknown_layout", "the layout must be 0003 (or 0002 on old cards)"))
    if record.photo is not None:
        try:
            check_photo(record.photo)
        except EncodeError as error:
            found.append(_problem(layout.PHOTO_NAME, error.code, str(error)))
    return found + _date_problems(record, moment)


def check_photo(photo: Photo) -> None:
    """Raise EncodeError if readers would not get this portrait whole: too long, no JPEG, or more than that."""
    if len(photo.jpeg) > PHOTO_READ_LEN:
        raise EncodeError(f"the portrait has {len(photo.jpeg)} bytes; readers get at {PHOTO_READ_LEN}")
    try:
        end = find_end(photo.jpeg)
    except DecodeError:
        end = None
    if end != len(photo.jpeg):
        raise EncodeError("the portrait is not one whole JPEG file; make it with cardapps.portrait")


def _date_problems(record: CitizenId, moment: datetime) -> list[Problem]:
    """Dates in the wrong order. A part that is not known contradicts nothing."""
    found = []
    ordered = ("birth_date", "issue_date", "expiry_date")
    known = [(name, day) for name in ordered if (day := _first_day(getattr(record, name))) is not None]
    for (earlier, before), (later, after) in pairwise(known):
        if after < before:
            found.append(_problem(later, "order", f"{later} is before {earlier}"))
    for name in ("issue_date", "expiry_date"):
        value: CardDate | None = getattr(record, name)
        if value is None or (value.value is None and not value.lifelong):
            found.append(_problem(name, "blank", "a card that is issued has this date, to the day"))
    if record.expiry_date is not None and (last := record.expiry_date.value) is not None and last < moment.date():
        found.append(_problem("expiry_date", "expired", "the card would have expired before it is issued"))
    return found


def _first_day(value: CardDate | None) -> date | None:
    if value is None or value.year is None or value.month is None:
        return None
    return value.value or date(value.year, value.month, 1)


def _tables(version: str | None) -> tuple[tuple[Field, ...], Field]:
    """Text fields and photo field of a layout; a record that names none is of the present one."""
    if version == layout.VERSION_0002:
        return layout.TEXT_FIELDS_0002, layout.PHOTO_0002
    return layout.TEXT_FIELDS_0003, layout.PHOTO_0003


def _version(contents: Mapping[int, bytes]) -> str:
    raw = contents.get(layout.LAYOUT_VERSION.block, b"")[: layout.LAYOUT_VERSION.end]
    return raw.decode("latin-1")


def _with_photo(before: Mapping[int, bytes], field: Field, photo: Photo | None) -> Blocks:
    jpeg = photo.jpeg if photo else b""
    if len(jpeg) > field.length:
        raise EncodeError(f"photo: the JPEG has {len(jpeg)} bytes; the field holds {field.length}")
    block = before[field.block]
    return {**before, field.block: block[: field.offset] + jpeg.ljust(field.length) + block[field.end :]}


def _photo(raw: bytes) -> Photo | None:
    try:
        end = find_end(raw)
    except DecodeError:
        end = None
    return None if end is None else Photo(raw[:end])


def _problem(field: str, code: str, message: str) -> Problem:
    return Problem(layout.NAME, field, code, message)
