"""The record form of the Thai national card, which the interior and the health applets share.

An applet has blocks of bytes, and a READ command of its own: class 80, READ BINARY's instruction, the offset in
P1-P2, and as command data the number of the block and how many bytes to give (thai-card.md, 3.1). One byte names that
length, so a read brings at most 255 bytes.

On T=1, where no Thai card was ever seen and the form is ours, the same blocks are also transparent EFs: block n is
the EF of short identifier n + 1, read with the standard READ BINARY. SELECT announces it: the answer has the EF's
length and, in the card capabilities, extended length (ISO/IEC 7816-4:2020, 12.1.1.8).
"""

from ecitizen.iso7816 import tlv
from ecitizen.iso7816.access import FREE_TO_READ, TAG_COMPACT_SECURITY_ATTRIBUTES
from ecitizen.iso7816.apdu import NE_MAX, CardProtocol, CommandApdu
from ecitizen.iso7816.command import Ins
from ecitizen.iso7816.files import (
    FDB_TRANSPARENT_EF,
    TAG_CARD_CAPABILITIES,
    TAG_DATA_LEN,
    TAG_DF_NAME,
    TAG_EXTENDED_LENGTH,
    TAG_FCI,
    TAG_FILE_DESCRIPTOR,
    TAG_SFI,
)

ACCESS = FREE_TO_READ
"""Personal data are in clear, readable without a PIN; no write command is published (thai-card.md, 3.5)."""

CLA_READ = 0x80
READ_LEN_MAX = 255

CARD_CAPABILITIES = bytes.fromhex("D4015F")
"""Selection by full and partial name, FID and SFI; one-byte data units; extended length and 8 or more channels."""


def read_command(block: int, offset: int, length: int) -> CommandApdu:
    """READ `length` bytes (1 to 255) of a block from `offset`."""
    return CommandApdu(CLA_READ, Ins.READ_BINARY, offset >> 8, offset & 0xFF, bytes((block, length)), ne=length)


def sfi_of(block: int) -> int:
    """The short identifier of the EF that is the same bytes as the block."""
    return block + 1


def fid_of(block: int) -> int:
    """The file identifier of the same EF."""
    return 0x0100 | sfi_of(block)


def fci(aid: bytes, protocol: CardProtocol, record_len: int) -> bytes:
    """What SELECT answers: on T=0 the ten bytes of the real card, on T=1 a template with the announcements."""
    name = tlv.encode(TAG_DF_NAME, aid)
    if protocol is CardProtocol.T0:
        return name
    longest = tlv.encode(0x02, (NE_MAX - 1).to_bytes(3, "big"))
    return tlv.encode(
        TAG_FCI,
        name
        + tlv.encode(TAG_DATA_LEN, record_len.to_bytes(2, "big"))
        + tlv.encode(TAG_FILE_DESCRIPTOR, bytes((FDB_TRANSPARENT_EF,)))
        + tlv.encode(TAG_SFI, bytes((sfi_of(0) << 3,)))
        + tlv.encode(TAG_COMPACT_SECURITY_ATTRIBUTES, ACCESS.compact())
        + tlv.encode(TAG_CARD_CAPABILITIES, CARD_CAPABILITIES)
        + tlv.encode(TAG_EXTENDED_LENGTH, longest + longest),
    )
