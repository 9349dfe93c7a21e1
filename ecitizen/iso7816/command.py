"""The interindustry commands in use, by their standard names (ISO/IEC 7816-4:2020, 11)."""

from enum import IntEnum, unique

from .apdu import NE_SHORT, CommandApdu


@unique
class Ins(IntEnum):
    """Instruction bytes (ISO/IEC 7816-4:2020, 5.4.2 and table 4.2)."""

    MANAGE_CHANNEL = 0x70
    GET_CHALLENGE = 0x84
    SELECT = 0xA4
    READ_BINARY = 0xB0
    GET_RESPONSE = 0xC0
    GET_DATA = 0xCA
    UPDATE_BINARY = 0xD6


P1_SELECT_BY_DF_NAME = 0x04
P2_FIRST_FCI = 0x00
P2_NEXT_FCI = 0x02

P1_SFI = 0x80
"""READ BINARY: bits 5 to 1 of P1 are a short EF identifier, P2 is the offset."""

OFFSET_MAX = 0x7FFF
"""The farthest offset that P1-P2 of READ BINARY can name, in bytes."""


def select(aid: bytes, *, p2: int = P2_FIRST_FCI, ne: int | None = NE_SHORT) -> CommandApdu:
    """SELECT an application by its AID, full or the beginning of it; `ne=None` asks for no answer."""
    return CommandApdu(0x00, Ins.SELECT, P1_SELECT_BY_DF_NAME, p2, aid, ne)


def read_binary(offset: int, ne: int, *, sfi: int | None = None) -> CommandApdu:
    """READ BINARY from `offset` of the current EF, or of the EF `sfi` (offset at most 255)."""
    if sfi is None:
        return CommandApdu(0x00, Ins.READ_BINARY, offset >> 8, offset & 0xFF, ne=ne)
    return CommandApdu(0x00, Ins.READ_BINARY, P1_SFI | sfi, offset, ne=ne)


def get_data(tag: int, ne: int, *, cla: int = 0x00) -> CommandApdu:
    """GET DATA for the object of a one- or two-byte tag."""
    return CommandApdu(cla, Ins.GET_DATA, tag >> 8, tag & 0xFF, ne=ne)
