"""Times as people in Thailand write them, for pictures of signatures and reports."""

from datetime import datetime, timedelta, timezone
from typing import Final

THAI_TIME: Final = timezone(timedelta(hours=7))
BUDDHIST_ERA: Final = 543

_MONTHS_TH = ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.")
_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def thai_time(moment: datetime) -> str:
    """The time in Thailand, by the Buddhist era: 22 พ.ย. 2569 19:00:00 น."""
    local = moment.astimezone(THAI_TIME)
    return f"{local.day} {_MONTHS_TH[local.month - 1]} {local.year + BUDDHIST_ERA} {local:%H:%M:%S} น."


def english_time(moment: datetime) -> str:
    """The same for those who read English: 22 Nov 2026 19:00:00 +07:00."""
    local = moment.astimezone(THAI_TIME)
    return f"{local.day} {_MONTHS_EN[local.month - 1]} {local.year} {local:%H:%M:%S} +07:00"
