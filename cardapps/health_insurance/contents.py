"""What the health entitlement application holds for a record: its block, and what a reader will make of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ecitizen.model import CardDate, HealthInsurance, Problem

from ..thai_record_contents import Blocks, decoded, encoding_problems, filled, raw_of, values_of
from . import layout


def blocks(record: HealthInsurance) -> Blocks:
    """The block for this holder; raise EncodeError for what the layout can't hold."""
    return filled({0: layout.VERSION.ljust(layout.RECORD_LEN)}, layout.FIELDS, values_of(record, layout.FIELDS))


def changed(before: Mapping[int, bytes], changes: Mapping[str, Any]) -> Blocks:
    """The block with these values in place of those that stand there; raise EncodeError for one that doesn't fit."""
    return filled(before, layout.FIELDS, changes)


def record_of(contents: Mapping[int, bytes]) -> HealthInsurance:
    """The record as a reader gets it; raise DecodeError if the block is too short to be one."""
    raw = raw_of(contents, layout.FIELDS)
    return HealthInsurance(**decoded(layout.NAME, raw, layout.FIELDS), raw=raw)


def problems(record: HealthInsurance, _moment: datetime) -> list[Problem]:
    """All that is wrong with a record; an entitlement may have ended, and readers see that."""
    found = encoding_problems(layout.NAME, record, layout.FIELDS)
    begins, ends = _day(record.issue_date), _day(record.expiry_date)
    if begins and ends and ends < begins:
        found.append(Problem(layout.NAME, "expiry_date", "order", "expiry_date is before issue_date"))
    return found


def _day(value: CardDate | None) -> str | None:
    """Of a day that is known, its digits, which sort as days do."""
    return value.raw if value is not None and value.value is not None else None
