"""How values look to a person, in the language spoken, without columns that depend on Thai widths."""

import sys
from collections.abc import Iterator
from typing import Any

from ecitizen.model import (
    BUDDHIST_ERA,
    BilingualText,
    CardDate,
    CardReading,
    OfficialStatus,
    Photo,
    Problem,
    Sex,
)
from ecitizen.ports import Driver

from .language import Language, Words

NOTHING = "–"

# fmt: off
_MONTHS_TH = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)
_MONTHS_EN = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
_WORDS: dict[Sex | OfficialStatus, str] = {
    Sex.MALE: "ชาย",
    Sex.FEMALE: "หญิง",
    Sex.UNSPECIFIED: "ไม่ระบุ",
    OfficialStatus.ACTIVE: "ปฏิบัติราชการ",
    OfficialStatus.RETIRED: "เกษียณ",
    OfficialStatus.SUSPENDED: "ถูกพักราชการ",
}
_LIFELONG = BilingualText("ตลอดชีพ", "lifelong")
_BAR_LEN = 30


def print_json(value: Any) -> None:
    """Data for programs, on standard output: one JSON value, Thai as it is where the output is UTF-8."""
    import json  # late: a command that prints for people needs no JSON

    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=not unicode, indent=2))


def talk(text: str) -> None:
    """Words for the person at the terminal, on standard error."""
    sys.stdout.flush()  # in order, where both go to the same place
    print(text, file=sys.stderr)


def reading_lines(reading: CardReading, drivers: tuple[Driver, ...], words: Words) -> Iterator[str]:
    """A reading as lines: each application that was found, the fields that were read, and what is wrong."""
    _ = words.translate
    for driver in drivers:
        record = reading.applications.get(driver.name)
        if record is None:
            continue
        yield words.choose(driver.title)
        for name, label in driver.fields.items():
            value = getattr(record, name)
            if value is None and name not in record.raw:
                continue  # not asked for, or not there to be read: to say "nothing" of it would be untrue
            text = show_citizen_number(value) if name == "cid" else show(value, words)
            yield f"  {words.choose(label)}: {text}"
        yield ""
    for problem in reading.problems:
        yield f"! {problem_text(problem, words)}"
    link = reading.link
    yield _("{protocol}, {exchanges} exchanges, {sent:,} bytes sent, {received:,} received").format(
        protocol=link.protocol, exchanges=link.exchanges, sent=link.bytes_sent, received=link.bytes_received
    )


def problem_text(problem: Problem, words: Words) -> str:
    """A problem in one line."""
    where = problem.application if problem.field is None else f"{problem.application}.{problem.field}"
    return f"{where}: {words.problem(problem)} [{problem.code}]"


def printable(line: str) -> str:
    """The line with escapes in place of control characters: what a card says shall not steer the terminal."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in line)


def show(value: object, words: Words) -> str:
    """Any value of the model, for a person."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, CardDate):
        return show_date(value, words)
    if isinstance(value, BilingualText):
        return printable(words.choose(value)) or NOTHING
    if isinstance(value, Photo):
        _ = words.translate
        return _("JPEG, {len:,} bytes, SHA-256 {digest}…").format(len=len(value.jpeg), digest=value.sha256[:16])
    if isinstance(value, Sex | OfficialStatus):
        return words.choose(BilingualText(_WORDS[value], value.value))
    return printable(str(value)) or NOTHING


def show_date(date: CardDate, words: Words) -> str:
    """A date in both eras, as far as it is known."""
    if date.lifelong:
        return words.choose(_LIFELONG)
    if date.year is None:
        return NOTHING
    year_th = date.year + BUDDHIST_ERA
    if date.month is None:
        text = BilingualText(f"พ.ศ. {year_th}", str(date.year))
    else:
        day = "" if date.day is None else f"{date.day} "
        month_th, month_en = _MONTHS_TH[date.month - 1], _MONTHS_EN[date.month - 1]
        text = BilingualText(f"{day}{month_th} {year_th}", f"{day}{month_en} {date.year}")
    if words.both:
        return words.choose(text)
    other_era = f"ค.ศ. {date.year}" if words.language is Language.TH else f"B.E. {year_th}"
    return f"{words.choose(text)} ({other_era})"


def show_citizen_number(cid: str | None) -> str:
    """A citizen number as it is printed, 1-4-5-2-1."""
    return NOTHING if cid is None else f"{cid[0]}-{cid[1:5]}-{cid[5:10]}-{cid[10:12]}-{cid[12]}"


class ProgressBar:
    """A bar on standard error while it is a terminal; silent otherwise."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()

    def show(self, percent: int, doing: str) -> None:
        """Draw the bar at `percent`."""
        if self._on:
            filled = _BAR_LEN * percent // 100
            bar = "█" * filled + "░" * (_BAR_LEN - filled)
            print(f"\r{bar} {percent:3d} % {doing:<24}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the bar away."""
        if self._on:
            print(f"\r{' ' * (_BAR_LEN + 32)}\r", end="", file=sys.stderr, flush=True)
