"""Reading the data objects in a command: what is malformed is refused with 6A80."""

from ecitizen.emulator.applet import Refusal
from ecitizen.errors import DecodeError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.status import StatusWord


def elements_of(data: bytes) -> tuple[tlv.Tlv, ...]:
    """All data objects."""
    try:
        return tlv.parse(data)
    except DecodeError:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD) from None


def distinct(data: bytes) -> dict[int, bytes]:
    """All data objects by tag; refuse if one is there twice."""
    elements = elements_of(data)
    found = {each.tag: each.value for each in elements}
    if len(found) != len(elements):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return found


def content_of(tag: int, data: bytes) -> bytes:
    """The value of the one data object, which has this tag."""
    elements = elements_of(data)
    if [each.tag for each in elements] != [tag]:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return elements[0].value
