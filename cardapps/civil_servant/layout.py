"""What the official's applet and its readers agree on. This layout is ours: none is published.

It is described for other implementers in docs/civil-servant-layout.md. One transparent EF holds one BER-TLV template;
SELECT and READ BINARY are the standard's (ISO/IEC 7816-4:2020, 11.1.1 and 11.2.3). Tags are of the private class.
Readers skip tags they don't know, so fields may be added within version 1.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.access import FREE_TO_READ
from ecitizen.model import BilingualText, CardDate, OfficialStatus

NAME = "civil_servant"
AID = b"\xf0ECITIZEN-CS"
"""Proprietary category, not registered: first half-byte F (ISO/IEC 7816-5:2004, 8.2.1)."""

ACCESS = FREE_TO_READ
"""An official must be able to show who they are; changes come through the issuer's secure channel only."""

FID_OFFICER = 0x0101
SFI_OFFICER = 0x01

VERSION = 1
TAG_OFFICER = 0xE0
TAG_VERSION = 0xC0
TAG_TEXT_TH = 0xC1
TAG_TEXT_EN = 0xC2


class OfficerCodec(Protocol):
    """How one data object of the template is written."""

    def decode(self, value: bytes) -> Any:
        """The value; raise DecodeError."""
        ...

    def encode(self, value: Any) -> bytes:
        """The object's value field; raise EncodeError."""
        ...


class _OfficerNumber:
    """ASCII letters, digits and hyphens, 1 to 32."""

    def decode(self, value: bytes) -> str:
        text = _utf8(value)
        if not _is_officer_number(text):
            raise DecodeError("an officer number is 1 to 32 ASCII letters, digits and hyphens")
        return text

    def encode(self, value: str) -> bytes:
        if not _is_officer_number(value):
            raise EncodeError("an officer number is 1 to 32 ASCII letters, digits and hyphens")
        return value.encode("ascii")


class _Bilingual:
    """Two data objects, Thai and English, each UTF-8 without padding; an absent one is empty."""

    def decode(self, value: bytes) -> BilingualText:
        texts = {entry.tag: _utf8(entry.value) for entry in tlv.parse(value)}
        return BilingualText(texts.get(TAG_TEXT_TH, ""), texts.get(TAG_TEXT_EN, ""))

    def encode(self, value: BilingualText) -> bytes:
        texts = ((TAG_TEXT_TH, value.th), (TAG_TEXT_EN, value.en))
        try:
            return b"".join(tlv.encode(tag, text.encode()) for tag, text in texts if text)
        except UnicodeEncodeError:
            raise EncodeError("the text has characters that UTF-8 can't hold") from None


class _Status:
    """One byte: 01 active, 02 retired, 03 suspended."""

    def decode(self, value: bytes) -> OfficialStatus:
        for status, code in _STATUS_CODES.items():
            if value == code:
                return status
        raise DecodeError("an official's status is one byte, 01, 02 or 03")

    def encode(self, value: OfficialStatus) -> bytes:
        return _STATUS_CODES[value]


class _Date:
    """Eight ASCII digits YYYYMMDD of the Buddhist era, as in the other applications of the card."""

    def decode(self, value: bytes) -> CardDate:
        return CardDate.parse(_utf8(value))

    def encode(self, value: CardDate) -> bytes:
        return value.raw.encode("ascii")


_STATUS_CODES = {
    OfficialStatus.ACTIVE: b"\x01",
    OfficialStatus.RETIRED: b"\x02",
    OfficialStatus.SUSPENDED: b"\x03",
}


@dataclass(frozen=True, slots=True)
class OfficerObject:
    """One field: its data object in the template, and how that is written."""

    name: str
    tag: int
    codec: OfficerCodec
    required: bool = False


OBJECTS = (
    OfficerObject("officer_number", 0xC3, _OfficerNumber(), required=True),
    OfficerObject("ministry", 0xE4, _Bilingual()),
    OfficerObject("department", 0xE5, _Bilingual()),
    OfficerObject("position", 0xE6, _Bilingual()),
    OfficerObject("level", 0xE7, _Bilingual()),
    OfficerObject("status", 0xC8, _Status(), required=True),
    OfficerObject("appointed_date", 0xC9, _Date()),
    OfficerObject("expiry_date", 0xCA, _Date()),
    OfficerObject("issuing_authority", 0xEB, _Bilingual()),
    OfficerObject("legal_reference", 0xEC, _Bilingual()),
)

RAW_REST = "rest"
"""In `raw` of a record that was read: all objects that are no field's, whole, one after the other."""

DATA_GROUPS = MappingProxyType(
    {
        1: ("officer_number",),
        2: ("ministry",),
        3: ("department",),
        4: ("position",),
        5: ("level",),
        6: ("status",),
        7: ("appointed_date",),
        8: ("expiry_date",),
        9: ("issuing_authority",),
        10: ("legal_reference",),
        11: ("rest",),
    }
)
"""What the security object is over: the value of each field's data object, and whatever else is in the template.

That keeps others from adding an object, or a second one of a field's tag, which some reader might take for the field.
"""


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise DecodeError("text in the official's application must be UTF-8") from None


def _is_officer_number(text: str) -> bool:
    return 0 < len(text) <= 32 and text.isascii() and text.replace("-", "").isalnum()
