"""Data objects: GET DATA and PUT DATA (SP 800-73-5 part 2, 3.1.2 and 3.3.1)."""

from typing import Final

from ecitizen.emulator.applet import Refusal, ok
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord

from . import layout
from .applet_state import PivMemory, Use, object_name
from .applet_templates import content_of, elements_of
from .layout import ObjectId
from .objects import Discovery

_BARE: Final = frozenset({ObjectId.DISCOVERY, ObjectId.BIOMETRIC_GROUP_TEMPLATE})
"""Objects that stand without tag 53, since they have their own."""

_STANDARD: Final = frozenset(ObjectId) - frozenset(layout.VENDOR_OBJECTS)


def get_data(use: Use, command: CommandApdu) -> ResponseApdu:
    """Give an object whole; the card's operating system cuts it into answers."""
    _require_objects(command)
    tag = _tag(use.memory, content_of(layout.TAG_TAG_LIST, command.data))
    if tag in layout.PIN_PROTECTED_OBJECTS and not use.status.pin:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    content = use.memory.object(tag)
    if content is None and tag == ObjectId.DISCOVERY:
        content = Discovery().encode()
    if content is None:
        raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
    return ok(tlv.encode(tag if tag in _BARE else layout.TAG_DATA, content))


def put_data(use: Use, command: CommandApdu) -> ResponseApdu:
    """Store an object, or remove it if the new content is empty; the discovery object is then the card's own again."""
    _require_objects(command)
    if not use.may_manage:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    elements = elements_of(command.data)
    if len(elements) == 1 and elements[0].tag in _BARE:
        tag, content = elements[0].tag, elements[0].value
    elif [each.tag for each in elements] == [layout.TAG_TAG_LIST, layout.TAG_DATA]:
        tag, content = _tag(use.memory, elements[0].value), elements[1].value
        if tag in _BARE:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    else:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    if len(tlv.encode(layout.TAG_DATA, content)) > layout.OBJECT_MAX_LEN:
        raise Refusal(StatusWord.NOT_ENOUGH_MEMORY)
    use.memory.write({object_name(tag): content or None})
    return ok()


def _require_objects(command: CommandApdu) -> None:
    if command.p1 << 8 | command.p2 != layout.P1_P2_OBJECTS:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)


def _tag(memory: PivMemory, tag_list: bytes) -> int:
    """The object that the host names; refuse one that this card does not know."""
    tag = int.from_bytes(tag_list)
    known = tag in _STANDARD or (memory.extensions and tag in layout.VENDOR_OBJECTS)
    if not known or tag_list[0] == 0:
        raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
    return tag
