"""An application's data as the data groups that its agency seals: used where cards are made and where they are checked.

Data groups are of what a reader reads, byte for byte, not of what it understands.
"""

from collections.abc import Mapping
from typing import Final

from ecitizen.model import ApplicationRecord, Photo
from ecitizen.ports import SealedDriver
from pki.data_security import GROUP_CHIP_SERIAL, GROUP_KEY

CHIP_SERIAL_LEN: Final = 8


def data_groups(driver: SealedDriver, record: ApplicationRecord) -> dict[int, bytes]:
    """The data groups of an application that was read in full, by number; a group of which nothing is there is left
    out. A photo counts up to its end if it has one, and otherwise as it was read.
    """
    groups = {
        number: [part for name in names if (part := _part(record, name)) is not None]
        for number, names in driver.data_groups.items()
    }
    return {number: b"".join(parts) for number, parts in groups.items() if parts}


def binding_groups(public_key: bytes, chip_serial: bytes) -> dict[int, bytes]:
    """The data groups that bind an application to one card: its key 9E (SubjectPublicKeyInfo, DER) and its chip."""
    return {GROUP_KEY: public_key, GROUP_CHIP_SERIAL: chip_serial}


def fields_of(driver: SealedDriver, groups: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the fields in these data groups, and the number of a group that the layout does not have."""
    table: Mapping[int, tuple[str, ...]] = driver.data_groups
    return tuple(name for number in groups for name in table.get(number, (f"data group {number}",)))


def _part(record: ApplicationRecord, name: str) -> bytes | None:
    raw = record.raw.get(name)
    value = getattr(record, name, None)
    if isinstance(value, Photo):
        return value.jpeg
    if raw is not None and name == _PHOTO and not raw.strip(_BLANK):
        return None  # an empty field for a photo may be read in part only
    return raw


_PHOTO = "photo"
_BLANK = b" \x00"
