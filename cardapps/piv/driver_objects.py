"""Data objects, host side: GET DATA and PUT DATA, and what the certificates among them hold (SP 800-73-5 part 2, 3.1.2
and 3.3.2).
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final, TypeVar

from ecitizen.errors import DecodeError, StatusError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_MAX
from ecitizen.iso7816.status import StatusWord, is_warning, status_error

from . import layout, objects
from .driver_link import PivLink, element
from .layout import Ins, ObjectId, Slot
from .objects import CertificateObject, Chuid, Discovery, KeyHistory

_OUTER_TAGS: Final = {
    ObjectId.DISCOVERY: layout.TAG_DISCOVERY,
    ObjectId.BIOMETRIC_GROUP_TEMPLATE: layout.TAG_BIOMETRIC_GROUP,
}
"""Objects that are not wrapped in tag 53."""

_ABSENT: Final = frozenset(
    {
        StatusWord.FILE_OR_APPLICATION_NOT_FOUND,
        StatusWord.RECORD_NOT_FOUND,
        StatusWord.REFERENCED_DATA_NOT_FOUND,
    }
)
_FULL: Final = frozenset({StatusWord.NOT_ENOUGH_MEMORY, StatusWord.WRONG_LENGTH})
_GZIP_MAGIC: Final = b"\x1f\x8b"

_Content = TypeVar("_Content", Chuid, Discovery, KeyHistory)


class ObjectCommands(PivLink):
    """The part of a PIV session that reads and writes data objects."""

    def read_object(self, tag: int) -> bytes | None:
        """What stands inside an object (inside tag 53, 7E or 7F61); None if the card has it not, or empty.

        Raise SecurityStatusNotSatisfied for an object that is read after the PIN only, DecodeError for a part of one.
        """
        doing = f"reading data object {tag:X}"
        response = self._send(Ins.GET_DATA, *_objects(), _tag_list(tag), ne=NE_MAX)
        if response.sw in _ABSENT:
            return None
        if response.sw != StatusWord.NO_ERROR and not (response.data and is_warning(response.sw)):
            raise status_error(response.sw, doing)
        if not response.data:
            return None
        return _unwrapped(response.data, tag, doing) or None

    def write_object(self, tag: int, content: bytes) -> None:
        """Put an object in place of what was there; the management key must be authenticated."""
        self._must(f"writing data object {tag:X}", Ins.PUT_DATA, *_objects(), _put(tag, content))

    def delete_object(self, tag: int) -> None:
        """Empty an object, which is how the standard deletes; the management key must be authenticated."""
        self.write_object(tag, b"")

    def certificate(self, slot: Slot) -> bytes | None:
        """The certificate of a key, DER and unpacked; None if there is none. Raise DecodeError for a damaged one."""
        content = self.read_object(slot.certificate_object)
        return None if content is None else certificate_in(content)

    def write_certificate(self, slot: Slot, der: bytes, *, compress: bool | None = None) -> None:
        """Store a certificate; the management key must be authenticated.

        With `compress` None it is packed with gzip only if the card has no room for it as it is. For a retired key the
        key history is written too, if it counts less: where it ends, other software looks no further.
        """
        doing = f"writing the certificate of slot {slot}"
        contents = [
            CertificateObject(der).encode(compress=packed) for packed in (False, True) if compress in {None, packed}
        ]
        with self.transaction():
            for content in contents:
                sw = self._send(Ins.PUT_DATA, *_objects(), _put(slot.certificate_object, content)).sw
                if sw not in _FULL:
                    break
            if sw != StatusWord.NO_ERROR:
                raise status_error(sw, doing)
            if slot.is_retired:
                self._count_retired(slot - Slot.RETIRED_1 + 1)

    def delete_certificate(self, slot: Slot) -> None:
        """Remove the certificate of a key; the management key must be authenticated."""
        self.delete_object(slot.certificate_object)

    def chuid(self) -> Chuid | None:
        """The cardholder unique identifier, if the card has one."""
        return self._parsed(ObjectId.CHUID, Chuid)

    def discovery(self) -> Discovery | None:
        """Which PINs the card uses, if it tells."""
        return self._parsed(ObjectId.DISCOVERY, Discovery)

    def key_history(self) -> KeyHistory | None:
        """How many retired keys the card has, if it tells."""
        return self._parsed(ObjectId.KEY_HISTORY, KeyHistory)

    def _count_retired(self, count: int) -> None:
        """Have the key history count at least so many keys; a card that keeps none is no error."""
        with suppress(StatusError):
            try:
                history = self.key_history() or KeyHistory()
            except DecodeError:
                history = KeyHistory()
            if history.on_card < count:
                self.write_object(ObjectId.KEY_HISTORY, replace(history, on_card=count).encode())

    def _parsed(self, tag: ObjectId, kind: type[_Content]) -> _Content | None:
        content = self.read_object(tag)
        return None if content is None else kind.parse(content)


def certificate_in(content: bytes) -> bytes | None:
    """The certificate in an object's content; None where the object only says that there is none.

    Cards exist that leave out CertInfo, or forget to say there that the certificate is packed; gzip shows by itself.
    """
    stored = tlv.find(tlv.parse(content), objects.TAG_CERTIFICATE)
    if stored is not None and not stored.value:
        return None
    if stored is not None and stored.value.startswith(_GZIP_MAGIC):
        content = stored.encode() + tlv.encode(objects.TAG_CERTIFICATE_INFO, bytes((objects.CERTIFICATE_GZIP,)))
    return CertificateObject.parse(content).certificate


def _objects() -> tuple[int, int]:
    return divmod(layout.P1_P2_OBJECTS, 0x100)


def _tag_list(tag: int) -> bytes:
    return tlv.encode(layout.TAG_TAG_LIST, tag.to_bytes((tag.bit_length() + 7) // 8, "big"))


def _put(tag: int, content: bytes) -> bytes:
    outer = _OUTER_TAGS.get(ObjectId(tag)) if tag in _OUTER_TAGS else None
    if outer is not None:
        return tlv.encode(outer, content)
    return _tag_list(tag) + tlv.encode(layout.TAG_DATA, content)


def _unwrapped(answer: bytes, tag: int, doing: str) -> bytes:
    outer = tag if tag in _OUTER_TAGS else layout.TAG_DATA
    try:
        return element(answer, outer, doing)
    except DecodeError:
        if outer == layout.TAG_DATA:
            raise
    return element(element(answer, layout.TAG_DATA, doing), outer, doing)  # some cards wrap these too
