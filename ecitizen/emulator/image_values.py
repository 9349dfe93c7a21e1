"""The values that an emulated card's memory holds: what is allowed, and how JSON writes them.

Bytes stand in JSON as {"$hex": "3b67"}; everything else is what JSON has anyway, without fractions.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from ..errors import UsageError

Value: TypeAlias = "bytes | int | str | bool | list[Value] | dict[str, Value] | None"
Sections: TypeAlias = Mapping[str, Mapping[str, Value]]
Memory: TypeAlias = dict[str, dict[str, Value]]
Edit: TypeAlias = (
    tuple[Literal["put"], str, str, Value] | tuple[Literal["delete"], str, str] | tuple[Literal["drop"], str]
)

MAX_DEPTH = 12
MAX_INT_BITS = 64
_HEX_KEY = "$hex"


def checked_sections(sections: Sections) -> Memory:
    """Give sections as memory keeps them: copies, of exactly the types in `Value`. Raises UsageError."""
    try:
        return {
            checked_name(section): {checked_name(key): checked(value) for key, value in values.items()}
            for section, values in sections.items()
        }
    except AttributeError as error:
        raise UsageError("Sections are a mapping of names to mappings of values.") from error


def checked_name(name: str) -> str:
    """Give the name of a section, of a value or of a dict's item. Raises UsageError for one that can't be."""
    if not isinstance(name, str) or not name or name.startswith("$"):
        raise UsageError("A name in a card image must be text that is not empty and does not start with $")
    return _checked_text(name)


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("Text in a card image must be Unicode without lone surrogates") from error
    return str.__str__(text)


def checked(value: object, depth: int = 0) -> Value:
    """Give a value as memory keeps it: a copy, of exactly the types in `Value`. Raises UsageError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return _checked_text(value)
    if isinstance(value, int) and value.bit_length() <= MAX_INT_BITS:
        return int(value)
    if depth < MAX_DEPTH:
        if isinstance(value, list):
            return [checked(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {checked_name(key): checked(item, depth + 1) for key, item in value.items()}
    raise UsageError(
        "A card image holds bytes, text, true, false, null, numbers up to 64 bits, and lists and dicts of"
        f" these up to {MAX_DEPTH} deep"
    )


def decoded(value: object, depth: int = 0) -> Value:
    """Give a value of a file as memory keeps it. Raises UsageError as `checked` does, and for bad hex."""
    if isinstance(value, dict) and _HEX_KEY in value:
        digits = value[_HEX_KEY]
        try:
            if len(value) == 1 and isinstance(digits, str):
                return bytes.fromhex(digits)
        except ValueError as error:
            raise UsageError("Bytes must be written in hexadecimal") from error
        raise UsageError("Bytes must be written in hexadecimal")
    if depth < MAX_DEPTH:
        if isinstance(value, list):
            return [decoded(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {checked_name(key): decoded(item, depth + 1) for key, item in value.items()}
    return checked(value, depth)


def copied(value: Value) -> Value:
    """Give a value that its user may change without touching memory."""
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return value


def encoded_bytes(value: object) -> dict[str, str]:
    """Write bytes in JSON; `json` asks this for every type it does not know, and memory holds no other."""
    assert isinstance(value, bytes)
    return {_HEX_KEY: value.hex()}


def apply_edit(memory: Memory, edit: Edit) -> None:
    """Change `memory`, whose touched sections must belong to the caller."""
    match edit:
        case ("put", section, key, value):
            memory.setdefault(section, {})[key] = value
        case ("delete", section, key):
            memory.get(section, {}).pop(key, None)
        case ("drop", section):
            memory.pop(section, None)
