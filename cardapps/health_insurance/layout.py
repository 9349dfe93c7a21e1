"""What the health applet and its readers agree on: thai-card.md, sections 2 and 3.3."""

from types import MappingProxyType

from ..fields import TEXT, Count, Date, Field

NAME = "health_insurance"
AID = bytes.fromhex("A000000054480083")

RECORD_LEN = 350
VERSION = b"0001"
"""Four bytes at offset 0 that no reader reads; probably a version, so our card has one there."""

FIELDS = (
    Field("main_scheme", 0x0004, 60, TEXT),
    Field("sub_scheme", 0x0040, 100, TEXT),
    Field("main_hospital", 0x00A4, 80, TEXT),
    Field("sub_hospital", 0x00F4, 80, TEXT),
    Field("paid_type", 0x0144, 1, TEXT),
    Field("issue_date", 0x0145, 8, Date()),
    Field("expiry_date", 0x014D, 8, Date()),
    Field("update_date", 0x0155, 8, Date()),
    Field("hospital_changes", 0x015D, 1, Count()),
)

DATA_GROUPS = MappingProxyType(
    {
        1: ("main_scheme",),
        2: ("sub_scheme",),
        3: ("main_hospital",),
        4: ("sub_hospital",),
        5: ("paid_type",),
        6: ("issue_date",),
        7: ("expiry_date",),
        8: ("update_date",),
        9: ("hospital_changes",),
    }
)
"""What the security object is over: fields as they stand in the record, with their padding. The table is ours."""
