"""`scriptor` of pcsc-tools (Perl) plays a script of APDUs to the emulated card; each answer is written by hand."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from ecitizen.testing import virtual_card

SCRIPT = """\
# comments and a reset, as in the manual
reset
00 A4 04 00 08 A0 00 00 00 54 48 00 01
80 B0 00 04 02 00 0D
00 C0 00 00 0D
80 B0 00 D9 02 00 09
80 C0 00 01 08
00 C0 00 00 01
80 B0 01 7B 02 00 02 02
00 A4 04 00 08 A0 00 00 00 54 48 00 83
80 B0 00 04 02 00 3C
00 C0 00 00 3C
"""

ATR = {
    "T=0": "3B 79 96 00 00 54 48 20 4E 49 44 20 31 37",
    "T=1": "3B 99 96 81 31 FE 45 54 48 20 4E 49 44 20 31 37 5D",
}


def answers(output: str) -> Iterator[bytes]:
    """A line `> command`, then `< answer : its meaning`; long answers go over several lines."""
    for block in output.split("\n< ")[1:]:
        answer = re.match(r"(?:OK: )?((?:[0-9A-F]{2}\s+)+)", block)
        assert answer, block
        yield bytes.fromhex(answer[1])


@pytest.mark.parametrize("protocol", ["T=0", "T=1"])
def test_a_script_reads_the_card(
    protocol: str,
    insert: Callable[..., AbstractContextManager[tuple[str, ...]]],
    foreign_program: Callable[[str], str],
    person: Callable[[str], dict[str, Any]],
) -> None:
    somchai = person("somchai")
    cid = somchai["citizen_id"]["cid"].encode("ascii")
    birth_date = somchai["citizen_id"]["birth_date"].encode("ascii")
    main_scheme = somchai["health_insurance"]["main_scheme"].encode("cp874").ljust(60)
    with insert(virtual_card("somchai", protocol.replace("=", "").lower())) as (reader,):
        done = subprocess.run(
            [foreign_program("scriptor"), "-r", reader, "-p", protocol],
            input=SCRIPT,
            capture_output=True,
            text=True,
            check=True,
        )
    on_t0 = protocol == "T=0"
    assert list(answers(done.stdout)) == [
        bytes.fromhex(ATR[protocol]),
        b"\x61\x0a" if on_t0 else b"\x90\x00",
        b"\x61\x0d",
        cid + b"\x90\x00",
        b"\x61\x09",
        birth_date + b"\x61\x01",
        b"1\x90\x00",
        b"\x61\x02" if on_t0 else b"\xff\xd8\x90\x00",
        b"\x61\x0a" if on_t0 else b"\x90\x00",
        b"\x61\x3c",
        main_scheme + b"\x90\x00",
    ]
