"""JSON and base64url as signed tokens need them: one reading for each text, or none.

What two programs could read in two ways is refused: members that stand twice, numbers that are none, text that is no
Unicode, spare bits in base64url. Sources: RFC 8259, RFC 7493 (I-JSON), RFC 4648, section 5, RFC 7515, section 2.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from ecitizen.errors import UsageError

from .errors import Malformed

DEPTH_MAX: Final = 32
"""How deep arrays and objects may nest."""
_NUMBER_MAX_LEN: Final = 40
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def read_json(text: bytes | str, *, max_len: int, depth_max: int = DEPTH_MAX) -> Any:
    """The value of a JSON text in UTF-8; raise Malformed for what is none, could be read in two ways, or is too long.

    `max_len` is in bytes, of a `str` in characters.
    """
    if len(text) > max_len:
        raise Malformed(f"the JSON text is longer than {max_len} bytes, which is more than will be read")
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        raise Malformed("the JSON text is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Malformed("this is no JSON text that can be read in one way only") from None
    _check(value, depth_max)
    return value


def read_object(text: bytes | str, *, max_len: int, depth_max: int = DEPTH_MAX) -> dict[str, Any]:
    """The same of a text that must be an object."""
    value = read_json(text, max_len=max_len, depth_max=depth_max)
    if not isinstance(value, dict):
        raise Malformed("the JSON text is no object")
    return value


def write_json(value: Any) -> bytes:
    """A value as JSON in UTF-8, in as few bytes as can be; raise UsageError for what JSON does not have."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        raise UsageError(
            "this can't be written as JSON: numbers, text, true, false, null, lists and objects can"
        ) from None


def to_base64url(data: bytes) -> str:
    """Bytes as base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: object) -> bytes:
    """The bytes of base64url without padding; raise Malformed for anything else, spare bits that are not 0 too."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Malformed("this is no base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise Malformed("this base64url has spare bits, so it could be written in another way")
    return data


def to_base64(data: bytes) -> str:
    """Bytes as base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: object) -> bytes:
    """The bytes of base64 with padding; raise Malformed for anything else."""
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        raise Malformed("this is no base64")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Malformed("this is no base64") from None
    if to_base64(data) != text:
        raise Malformed("this base64 has spare bits, so it could be written in another way")
    return data


def text_member(value: Mapping[str, Any], name: str) -> str:
    """A member that must be text; raise Malformed that names it."""
    found = value.get(name)
    if not isinstance(found, str):
        raise Malformed(f"the member {name} must be there and be text")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _no_number(_text: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _NUMBER_MAX_LEN:  # reading takes time by the square of the length
        raise ValueError("a number is too long")
    return int(text)


def _check(value: Any, depth_max: int) -> None:
    """Nothing nests too deep, and all text is Unicode: no half of a surrogate pair."""
    level = [value]
    for _ in range(depth_max + 1):
        if not level:
            return
        inner: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _check_text(each)
            elif isinstance(each, dict):
                for name in each:
                    _check_text(name)
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = inner
    raise Malformed(f"the JSON text nests deeper than {depth_max} levels")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("text in JSON is no Unicode") from None
