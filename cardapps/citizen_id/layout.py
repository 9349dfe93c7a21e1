"""What the citizen's ID applet and its readers agree on: thai-card.md, sections 2, 3.1 and 3.2."""

from types import MappingProxyType

from ecitizen.model import Address, PersonName, Sex

from ..fields import TEXT, CitizenNumber, Code, Date, Field, Parts, Text

NAME = "citizen_id"
AID = bytes.fromhex("A000000054480001")

VERSION_0003 = "0003"
VERSION_0002 = "0002"

SEX = Code(MappingProxyType({"1": Sex.MALE, "2": Sex.FEMALE, "3": Sex.UNSPECIFIED}))
"""3 is known from one reader only."""

LAYOUT_VERSION = Field("layout_version", 0x0000, 4, TEXT, required=True)
"""At the same place in every layout: the first read tells them apart."""

PHOTO_NAME = "photo"
RECORD_LEN = 5950
"""A reader of whole records got this many bytes; what follows the last field is unknown (zero on our card)."""


def _identity(block: int) -> tuple[Field, ...]:
    """The fields up to the photo, which both layouts have at the same offsets."""
    return (
        Field("cid", 0x0004, 13, CitizenNumber(), block, required=True),
        Field("name_th", 0x0011, 100, Parts(PersonName), block, required=True),
        Field("name_en", 0x0075, 100, Parts(PersonName), block),
        Field("birth_date", 0x00D9, 8, Date(), block),
        Field("sex", 0x00E1, 1, SEX, block),
        Field("request_number", 0x00E2, 20, TEXT, block),
        Field("issue_place", 0x00F6, 100, TEXT, block),
        Field("issuer_code", 0x015A, 13, TEXT, block),
        Field("issue_date", 0x0167, 8, Date(), block),
        Field("expiry_date", 0x016F, 8, Date(), block),
        Field("card_type", 0x0177, 2, TEXT, block),
    )


TEXT_FIELDS_0003 = (
    LAYOUT_VERSION,
    *_identity(block=0),
    Field("address", 0x1579, 160, Parts(Address)),
    Field("photo_number", 0x1619, 14, TEXT),
)
PHOTO_0003 = Field(PHOTO_NAME, 0x017B, 5118, Text())
"""The portrait, a JPEG file with spaces behind it. Two bytes of unknown meaning stand before it."""

TEXT_FIELDS_0002 = (
    LAYOUT_VERSION,
    *_identity(block=1),
    Field("address", 0x0004, 150, Parts(Address)),
)
VERSION_AGAIN_0002 = Field("layout_version", 0x0000, 4, TEXT, block=1)
"""The record of 377 bytes begins with the version too; no reader is known to ask there."""
PHOTO_0002 = Field(PHOTO_NAME, 0x017B, 5118, Text(), block=1)
BLOCK_LENS_0002 = MappingProxyType({0: 154, 1: 5497})
"""Layout 0002 keeps version and address in block 0, all else in block 1 (one source; untested on plastic)."""

DATA_GROUPS = MappingProxyType(
    {
        1: ("layout_version", "card_type"),
        2: ("cid",),
        3: ("name_th",),
        4: ("name_en",),
        5: ("birth_date",),
        6: ("sex",),
        7: ("request_number",),
        8: ("issue_place", "issuer_code"),
        9: ("issue_date",),
        10: ("expiry_date",),
        11: ("address",),
        12: ("photo_number",),
        13: ("photo",),
    }
)
"""What the security object is over: fields as they stand in the record with their padding, the photo up to its end.

The table is ours, as is the whole seal. Layout 0002 has no group 12, and a card without a photo no group 13.
"""
