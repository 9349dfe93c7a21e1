"""Names of what SELECT answers about a file or application (ISO/IEC 7816-4:2020, 7.4 and 12.2)."""

from dataclasses import dataclass

from ..errors import DecodeError
from . import tlv

TAG_FCP = 0x62
TAG_FCI = 0x6F
TAG_DATA_LEN = 0x80
"""Number of data bytes in the file, without structure."""
TAG_FILE_DESCRIPTOR = 0x82
TAG_FID = 0x83
TAG_DF_NAME = 0x84
TAG_SFI = 0x88
"""Short EF identifier, in bits 8 to 4."""

FDB_TRANSPARENT_EF = 0x01
"""File descriptor byte: working EF, transparent structure."""

TAG_CARD_CAPABILITIES = 0x47
"""Three bytes of software functions; table 118 to 120."""
CAPABILITY_EXTENDED_LENGTH = 0x40
"""In the third byte: extended Lc and Le fields."""

TAG_EXTENDED_LENGTH = 0x7F66
"""Two integers (tag 02): the longest command APDU and the longest response APDU, in bytes."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What an FCI or FCP says, as far as a reader needs it; None or False where it says nothing."""

    df_name: bytes | None = None
    data_len: int | None = None
    extended_length: bool = False

    @classmethod
    def parse(cls, fci: bytes) -> "FileInfo":
        """Read an answer to SELECT.

        Thai chips answer bare data objects without a template; anything that is not BER-TLV says nothing, since
        an application may answer in a form of its own.
        """
        try:
            objects = tlv.parse(fci)
            if len(objects) == 1 and objects[0].tag in {TAG_FCI, TAG_FCP}:
                objects = objects[0].children()
        except DecodeError:
            return cls()
        values = {entry.tag: entry.value for entry in objects}
        capabilities = values.get(TAG_CARD_CAPABILITIES, b"")
        data_len = values.get(TAG_DATA_LEN)
        return cls(
            values.get(TAG_DF_NAME),
            int.from_bytes(data_len, "big") if data_len else None,
            len(capabilities) == 3 and bool(capabilities[2] & CAPABILITY_EXTENDED_LENGTH),
        )
