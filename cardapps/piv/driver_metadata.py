"""What cards with metadata (extension F7) tell of a key or a PIN. Any part may be missing, or be of a later make."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from ecitizen.errors import DecodeError
from ecitizen.iso7816 import tlv
from ecitizen.ports import PinState

from . import layout
from .layout import AlgorithmId, Origin, PinPolicy, TouchPolicy

_Code = TypeVar("_Code", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class KeyMetadata:
    """A key as the card describes it; None is what it does not tell, or what is not known here.

    `algorithm` is a bare number where `AlgorithmId` has no name for it; `public_key` is SubjectPublicKeyInfo, DER.
    """

    algorithm: AlgorithmId | int | None = None
    pin_policy: PinPolicy | None = None
    touch_policy: TouchPolicy | None = None
    origin: Origin | None = None
    public_key: bytes | None = None
    is_default: bool | None = None

    @classmethod
    def parse(cls, answer: bytes) -> "KeyMetadata":
        """Read the answer to GET METADATA; raise DecodeError if it is no list of data objects."""
        values = _values(answer)
        number = _number(values.get(layout.TAG_METADATA_ALGORITHM))
        known = _named(AlgorithmId, number)
        algorithm = number if known is None else known
        policies = values.get(layout.TAG_METADATA_POLICIES, b"")
        return cls(
            algorithm,
            _named(PinPolicy, _number(policies[:1])),
            _named(TouchPolicy, _number(policies[1:2])),
            _named(Origin, _number(values.get(layout.TAG_METADATA_ORIGIN))),
            _public_key(algorithm, values.get(layout.TAG_METADATA_PUBLIC_KEY)),
            _flag(values),
        )


def retry_metadata(answer: bytes) -> PinState:
    """Read what GET METADATA says of a PIN or PUK: all of `PinState` but whether it is verified."""
    values = _values(answer)
    retries = values.get(layout.TAG_METADATA_RETRIES, b"")
    return PinState(_number(retries[1:2]), _number(retries[:1]), is_default=_flag(values))


def _public_key(algorithm: AlgorithmId | int | None, elements: bytes | None) -> bytes | None:
    if not elements or not isinstance(algorithm, AlgorithmId) or algorithm not in layout.FIELD_LENS:
        return None
    from .driver_keys import public_key_info  # late: it brings the cryptography package

    return public_key_info(algorithm, elements)


def _values(answer: bytes) -> dict[int, bytes]:
    try:
        return {element.tag: element.value for element in tlv.parse(answer)}
    except DecodeError as error:
        raise DecodeError(f"what the card tells of its keys is damaged: {error}") from None


def _number(value: bytes | None) -> int | None:
    return int.from_bytes(value, "big") if value else None


def _named(kind: type[_Code], number: int | None) -> _Code | None:
    return None if number is None or number not in kind.__members__.values() else kind(number)


def _flag(values: dict[int, bytes]) -> bool | None:
    value = values.get(layout.TAG_METADATA_IS_DEFAULT)
    return bool(value[0]) if value else None
