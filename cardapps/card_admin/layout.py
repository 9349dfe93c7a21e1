"""What the card administration applet (ADM) and its readers agree on: thai-card.md, sections 2 and 3.4."""

import re
from types import MappingProxyType

from ecitizen.errors import DecodeError, EncodeError
from ecitizen.iso7816.access import FREE_TO_READ
from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.iso7816.command import get_data

from ..fields import BLANK, Field

NAME = "card_admin"
AID = bytes.fromhex("A000000084060002")

ACCESS = FREE_TO_READ

CLA_ADM = 0x80
INS_GET_STATE = 0x00
STATE_LEN = 23
FID_STATE = 0x0101
"""Names the state where it is written; to read it there is a command (`get_state`), and no file."""
STATE_HEAD = bytes.fromhex("01000000000000")
"""Version 1.0, state, authorise flag, and three bytes of unknown meaning; the values are ours."""

_LASER_NUMBER = re.compile(r"[A-Z]{2}[0-9]{10}")

NAME_CARD_MANAGER = b"CM"
CLA_GLOBALPLATFORM = 0x80
TAG_CPLC = 0x9F7F
CPLC_ANSWER_LEN = 45
CHIP_SERIAL = slice(13, 21)
"""Of the answer with its tag and length: fabrication date, serial number, batch."""


class LaserNumber:
    """Two letters and ten digits, padded with zero bytes."""

    def decode(self, raw: bytes) -> str | None:
        """The number without its padding."""
        text = raw.rstrip(BLANK).decode("latin-1")
        if text and not _LASER_NUMBER.fullmatch(text):
            raise DecodeError("the laser number on the card must be two letters and ten digits")
        return text or None

    def encode(self, value: str | None, length: int) -> bytes:
        """The number and its padding."""
        if value is not None and not _LASER_NUMBER.fullmatch(value):
            raise EncodeError("a laser number is two letters and ten digits")
        return (value or "").encode("ascii").ljust(length, b"\0")


LASER_NUMBER = Field("laser_number", 7, 16, LaserNumber(), required=True)

DATA_GROUPS = MappingProxyType({1: ("laser_number",)})
"""What the security object is over: the field with its padding. The table is ours."""


def get_state() -> CommandApdu:
    """Ask the ADM applet for its state, which the laser number is part of."""
    return CommandApdu(CLA_ADM, INS_GET_STATE, ne=STATE_LEN)


def get_cplc() -> CommandApdu:
    """Ask the card manager for the production data of the chip."""
    return get_data(TAG_CPLC, CPLC_ANSWER_LEN, cla=CLA_GLOBALPLATFORM)
