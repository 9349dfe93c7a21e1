"""What the card administration applet holds for a record: the state that it answers."""

from collections.abc import Mapping
from typing import Any

from ecitizen.errors import DecodeError
from ecitizen.model import CardAdmin, Problem

from ..fields import decode_field, encode_field
from ..thai_record_contents import encoding_problems
from . import layout


def state(record: CardAdmin) -> bytes:
    """The 23 bytes; raise EncodeError for a laser number that is none. The chip serial is the chip's own."""
    return layout.STATE_HEAD + encode_field(layout.LASER_NUMBER, record.laser_number)


def changed(before: bytes, changes: Mapping[str, Any]) -> bytes:
    """The state with another laser number, if that is what changes."""
    field = layout.LASER_NUMBER
    if field.name not in changes:
        return before
    return before[: field.offset] + encode_field(field, changes[field.name]) + before[field.end :]


def record_of(content: bytes) -> CardAdmin:
    """The record as a reader gets it, but for the chip serial; raise DecodeError if the state is too short."""
    field = layout.LASER_NUMBER
    raw = content[field.offset : field.end]
    if len(raw) != field.length:
        raise DecodeError("the card's state is too short to have a laser number")
    return CardAdmin(decode_field(layout.NAME, field, raw)[0], raw={field.name: raw})


def problems(record: CardAdmin) -> list[Problem]:
    """All that is wrong with a record."""
    return encoding_problems(layout.NAME, record, [layout.LASER_NUMBER])
