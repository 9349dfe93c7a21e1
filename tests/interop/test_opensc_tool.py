"""OpenSC's `opensc-tool` (C) reads the emulated card with commands written by hand.

OpenSC knows T=0 itself: it leaves Le away where it must, shows 61xx to a command without Le as 9000, and fetches
the answer by GET RESPONSE where the command has an Le.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.testing import virtual_card

SELECT_MOI = "00 A4 04 00 08 A0 00 00 00 54 48 00 01"
SELECT_ADM = "00 A4 04 00 08 A0 00 00 00 84 06 00 02"
SELECT_DEFAULT = "00 A4 04 00"
READ_CID = "80 B0 00 04 02 00 0D"
GET_CID = "00 C0 00 00 0D"
GET_CPLC = "80 CA 9F 7F"

ATR = {
    "t0": "3b:79:96:00:00:54:48:20:4e:49:44:20:31:37",
    "t1": "3b:99:96:81:31:fe:45:54:48:20:4e:49:44:20:31:37:5d",
}

Answer = tuple[str, bytes]
"""Status word in hex, and data."""


@dataclass(frozen=True)
class OpenscTool:
    """opensc-tool, and the reader with somchai's card in it."""

    program: str
    reader: str
    protocol: str

    def run(self, *arguments: str) -> str:
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, *commands: str, driver: str | None = "default") -> list[Answer]:
        """Send APDUs; `driver` None lets OpenSC find out by itself what card this is."""
        chosen = ["--card-driver", driver] if driver else []
        sends = [word for command in commands for word in ("--send-apdu", command.replace(" ", ""))]
        return list(_answers(self.run("--reader", self.reader, *chosen, *sends)))


def _answers(output: str) -> Iterator[Answer]:
    """`Received (SW1=0x90, SW2=0x00)`, then lines of 16 bytes in hex and as characters; a single line is not padded."""
    for part in output.split("Received ")[1:]:
        status = re.match(r"\(SW1=0x(..), SW2=0x(..)\)", part)
        assert status, output
        lines = part.partition("Sending:")[0].splitlines()[1:]
        width = 48 if len(lines) > 1 else sum(map(len, lines)) * 3 // 4
        yield status[1] + status[2], bytes.fromhex("".join(line[:width] for line in lines))


@pytest.fixture(scope="module", params=["t0", "t1"])
def opensc_tool(
    request: pytest.FixtureRequest,
    insert: Callable[..., AbstractContextManager[tuple[str, ...]]],
    foreign_program: Callable[[str], str],
) -> Iterator[OpenscTool]:
    with insert(virtual_card("somchai", request.param)) as (reader,):
        yield OpenscTool(foreign_program("opensc-tool"), reader, request.param)


@pytest.fixture
def somchai(person: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return person("somchai")


def test_it_lists_readers_and_card(opensc_tool: OpenscTool, pcscd: PrivatePcscd) -> None:
    rows = [line.split(maxsplit=2) for line in opensc_tool.run("--list-readers").splitlines()[2:]]
    seen = {name.strip(): card for _, card, name in rows}
    assert {name: seen[name] for name in pcscd.reader_names} == dict(
        zip(pcscd.reader_names, ["Yes", "No"], strict=True)
    )


def test_it_sees_the_atr(opensc_tool: OpenscTool) -> None:
    assert opensc_tool.run("--reader", opensc_tool.reader, "--atr").strip() == ATR[opensc_tool.protocol]


def test_it_reads_the_citizen_number_in_two_steps(opensc_tool: OpenscTool, somchai: dict[str, Any]) -> None:
    assert opensc_tool.send(SELECT_MOI, READ_CID, GET_CID) == [
        ("9000", b""),
        ("9000", b""),
        ("9000", somchai["citizen_id"]["cid"].encode("ascii")),
    ]


def test_it_reads_the_citizen_number_after_probing_for_all_cards_it_knows(
    opensc_tool: OpenscTool, somchai: dict[str, Any]
) -> None:
    answers = opensc_tool.send(SELECT_MOI, f"{READ_CID} 0D", driver=None)
    assert answers == [("9000", b""), ("9000", somchai["citizen_id"]["cid"].encode("ascii"))]


def test_it_fetches_the_answer_to_select_by_itself(opensc_tool: OpenscTool) -> None:
    [(status, fci)] = opensc_tool.send(f"{SELECT_MOI} 00")
    assert status == "9000"
    aid = bytes.fromhex("84 08 A0 00 00 00 54 48 00 01")
    if opensc_tool.protocol == "t0":
        assert fci == aid
    else:  # file control information, with the announcement of extended length
        assert fci[0] == 0x6F
        assert fci[1] == len(fci) - 2
        assert fci[2:12] == aid


def test_it_follows_an_answer_taken_in_pieces(opensc_tool: OpenscTool, somchai: dict[str, Any]) -> None:
    answers = opensc_tool.send(SELECT_MOI, READ_CID, "00 C0 00 00 0A")
    cid = somchai["citizen_id"]["cid"].encode("ascii")
    assert answers[-1] == ("9000", cid)  # it asks again for the last 3, since the card says 6103


def test_it_reads_the_production_data_of_the_chip(opensc_tool: OpenscTool, somchai: dict[str, Any]) -> None:
    serial = bytes.fromhex(somchai["card_admin"]["chip_serial"])
    cplc = bytes.fromhex("9F 7F 2A") + bytes(10) + serial + bytes(24)
    refused = ("6C2D", b"") if opensc_tool.protocol == "t0" else ("9000", b"")
    assert opensc_tool.send(SELECT_DEFAULT, GET_CPLC, f"{GET_CPLC} 2D") == [("9000", b""), refused, ("9000", cplc)]


def test_it_reads_the_laser_number(opensc_tool: OpenscTool, somchai: dict[str, Any]) -> None:
    laser_number = somchai["card_admin"]["laser_number"].encode("ascii")
    answers = opensc_tool.send(SELECT_ADM, "80 00 00 00 17")
    assert answers == [("9000", b""), ("9000", bytes.fromhex("01 00 00 00 00 00 00") + laser_number + bytes(4))]


def test_it_is_told_what_is_not_there(opensc_tool: OpenscTool) -> None:
    answers = opensc_tool.send(
        SELECT_MOI,
        "00 A4 04 00 08 A0 00 00 00 54 48 00 11",  # an applet of old cards, which some readers try first
        "80 B0 00 04 02 09 0D",  # block 9
        "80 B0 7F FF 02 00 0D",  # behind the end
        "80 FE 00 00",
    )
    assert [status for status, _ in answers] == ["9000", "6A82", "6A82", "6B00", "6D00"]
