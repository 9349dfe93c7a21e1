"""STORE DATA: what a host writes into a domain or an application, in numbered blocks that count as one.

GlobalPlatform Card Specification 2.3.1, 11.11. Nothing is handed on before the last block, so that whoever stores it
can do so in one write: a card pulled out in between has stored nothing.
"""

from enum import IntEnum, unique
from typing import Final

from ..errors import DecodeError
from ..iso7816 import tlv
from ..iso7816.apdu import LC_MAX, CommandApdu
from ..iso7816.status import StatusWord
from ..secret import KeyBytes
from .applet import Refusal

INS_STORE_DATA: Final = 0xE2

P1_LAST_BLOCK: Final = 0x80
P1_ENCRYPTION: Final = 0x60
P1_FORM: Final = 0x18
P1_FURTHER: Final = 0x07
"""Reserved, but for bit 1: whether an answer may come, which makes no difference here."""

ENCRYPTED: Final = 0x60
"""Each value is encrypted under the data key of the channel's key version (Amendment D, 6.2.8)."""
NOT_ENCRYPTED: Final = 0x00

DGI_LEN: Final = 2
LONG_LENGTH: Final = 0xFF
"""A length of FF is followed by two bytes with the length itself."""


@unique
class StoreForm(IntEnum):
    """How the data are built: bits 5 and 4 of P1 (11.11.2.1, table 11-89)."""

    DGI = 0x08
    BER_TLV = 0x10


class StoredBlocks:
    """The blocks of one STORE DATA sequence."""

    def __init__(self) -> None:
        self._data = b""
        self._number = 0
        self._begun = 0

    def take(self, command: CommandApdu) -> bytes | None:
        """All data, if this block is the last; None if more must come.

        Refuse a block that is out of its order (6A86), says of its form what the others do not (6A86), or is too
        much (6A84); what was collected is forgotten then.
        """
        data, number, begun = self._data, self._number, self._begun
        self.forget()
        kind = command.p1 & (P1_ENCRYPTION | P1_FORM)
        if command.p2 != number or command.p1 & P1_FURTHER & ~1 or (number and kind != begun):
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        data += command.data
        if len(data) > LC_MAX or (number == 0xFF and not command.p1 & P1_LAST_BLOCK):
            raise Refusal(StatusWord.NOT_ENOUGH_MEMORY)
        if command.p1 & P1_LAST_BLOCK:
            return data
        self._data, self._number, self._begun = data, number + 1, kind
        return None

    def forget(self) -> None:
        """Another command came in between, or the sequence is over."""
        self._data, self._number, self._begun = b"", 0, 0


def with_form(p1: int, usual: StoreForm) -> int:
    """P1 with the form of the data: some hosts say none, and leave it to who gets them."""
    return p1 if p1 & P1_FORM else p1 | usual


def data_objects(p1: int, data: bytes, dek: KeyBytes) -> list[tuple[int, bytes]]:
    """What the blocks hold, in order: tag or data grouping identifier, and the value in clear.

    Refuse a form or an encryption that is not known (6A86), and data that are not of that form (6A80).
    """
    form, encryption = p1 & P1_FORM, p1 & P1_ENCRYPTION
    try:
        if form == StoreForm.BER_TLV and encryption == NOT_ENCRYPTED:
            return [(each.tag, each.value) for each in tlv.parse(data)]
        if form == StoreForm.DGI and encryption in {NOT_ENCRYPTED, ENCRYPTED}:
            return [(dgi, _in_clear(value, dek) if encryption else value) for dgi, value in _groupings(data)]
    except DecodeError:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD) from None
    raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)


def _groupings(data: bytes) -> list[tuple[int, bytes]]:
    """Data grouping identifiers with their values; raise DecodeError if a length does not fit."""
    found = []
    at = 0
    while at < len(data):
        dgi = int.from_bytes(data[at : at + DGI_LEN], "big")
        length_at = at + DGI_LEN
        begin = length_at + 1
        length = int.from_bytes(data[length_at:begin], "big")
        if length == LONG_LENGTH:
            begin += 2
            length = int.from_bytes(data[length_at + 1 : begin], "big")
        at = begin + length
        if at > len(data):
            raise DecodeError("a data grouping is longer than what came")
        found.append((dgi, data[begin:at]))
    return found


def _in_clear(value: bytes, dek: KeyBytes) -> bytes:
    """A value that was padded and encrypted under the data key; raise DecodeError if it was not."""
    from ..secure_channel.aes import AesKey, unpad  # late: brings `cryptography`

    cipher = AesKey(dek)
    clear = cipher.decrypt(value)
    cipher.wipe()
    return unpad(clear)
