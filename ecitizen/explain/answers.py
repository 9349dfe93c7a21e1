"""Answers of a card in words: a response APDU, a status word."""

from ..errors import DecodeError
from ..iso7816.apdu import ResponseApdu
from ..iso7816.status import describe, is_valid
from .objects import content, printable
from .values import Explanation, Kind, Part, byte_count
from .vocabulary import Vocabulary

_STATUS_LEN = 2


def explain_status(raw: bytes) -> Explanation:
    """The bytes as a status word."""
    sw = int.from_bytes(raw, "big")
    if len(raw) != _STATUS_LEN or not is_valid(sw):
        return Explanation(Kind.SW, "no status word: it is two bytes, 61xx to 6Fxx or 9xxx", fits=False)
    return Explanation(Kind.SW, f"status word {sw:04X}: {describe(sw)}", _status_parts(raw))


def explain_response(raw: bytes, known: Vocabulary) -> Explanation:
    """The bytes as a response APDU."""
    try:
        response = ResponseApdu.parse(raw)
    except DecodeError:
        return Explanation(
            Kind.RESPONSE, "no response APDU: it has at least the two bytes of a status word", fits=False
        )
    if not is_valid(response.sw):
        summary = f"no response APDU: {response.sw:04X} at its end is no status word"
        return Explanation(Kind.RESPONSE, summary, fits=False)
    parts = _status_parts(raw[-_STATUS_LEN:])
    summary = f"response without data, {response.sw:04X}: {describe(response.sw)}"
    if response.data:
        words = printable(response.data) or byte_count(len(response.data))
        parts = (content(response.data, known, words), *parts)
        summary = f"response with {byte_count(len(response.data))} of data, {response.sw:04X}: {describe(response.sw)}"
    return Explanation(Kind.RESPONSE, summary, parts)


def _status_parts(raw: bytes) -> tuple[Part, ...]:
    return (Part("SW1-SW2", raw, describe(int.from_bytes(raw, "big"))),)
