"""What the blocks of a Thai record hold: from values to bytes and back, without a card.

Both sides use it: the applet when an emulated card is made, the driver when one is issued.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.model import Problem

from .fields import Field, decode_field, encode_field
from .thai_record import fid_of

Blocks = dict[int, bytes]
"""Content by the block's number."""


def filled(blocks: Mapping[int, bytes], fields: Iterable[Field], values: Mapping[str, Any]) -> Blocks:
    """The blocks with these values written into the fields of their names; all else stays.

    Raise EncodeError that names the field whose value doesn't fit.
    """
    changed = {number: bytearray(content) for number, content in blocks.items()}
    for field in fields:
        if field.name in values:
            changed[field.block][field.offset : field.end] = encode_field(field, values[field.name])
    return {number: bytes(content) for number, content in changed.items()}


def values_of(record: Any, fields: Iterable[Field]) -> dict[str, Any]:
    """The record's values for the fields."""
    return {field.name: getattr(record, field.name) for field in fields}


def raw_of(blocks: Mapping[int, bytes], fields: Iterable[Field]) -> dict[str, bytes]:
    """Each field's bytes, as a reader gets them; raise DecodeError if a block is too short for its fields."""
    raw = {}
    for field in fields:
        raw[field.name] = blocks.get(field.block, b"")[field.offset : field.end]
        if len(raw[field.name]) != field.length:
            raise DecodeError(f"{field.name}: the record ends before this field")
    return raw


def decoded(application: str, raw: Mapping[str, bytes], fields: Iterable[Field]) -> dict[str, Any]:
    """The values as a reader gets them; None for what it would report as a problem."""
    return {field.name: decode_field(application, field, raw[field.name])[0] for field in fields}


def encoding_problems(application: str, record: Any, fields: Iterable[Field]) -> list[Problem]:
    """Every field that can't be written, or must not be blank and is."""
    problems = []
    for field in fields:
        value = getattr(record, field.name)
        if value is None and field.required:
            problems.append(Problem(application, field.name, "blank", "this field must not be left out"))
            continue
        try:
            encode_field(field, value)
        except EncodeError as error:
            problems.append(Problem(application, field.name, error.code, str(error)))
    return problems


def files(blocks: Mapping[int, bytes]) -> dict[int, bytes]:
    """The same content by the file identifiers of the blocks."""
    return {fid_of(number): content for number, content in blocks.items()}


def blocks_in(contents: Mapping[int, bytes]) -> Blocks:
    """An application's files by the numbers of the blocks that they are."""
    return {fid - fid_of(0): content for fid, content in contents.items()}
