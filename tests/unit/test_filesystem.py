"""Transparent files, and the commands that read them (ISO/IEC 7816-4:2020, 7.4 and 11.2)."""

import pytest

from ecitizen.emulator.applet import Refusal
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.iso7816.access import AccessCondition, AccessRule
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu

FIRST = TransparentFile(0x0101, 1, b"first file")
LONG = TransparentFile(0x0102, 30, bytes(range(256)) * 2)


def ask(files: FileSelection, command: str) -> ResponseApdu | int:
    """The answer, or the status word of a refusal."""
    try:
        return files.process(CommandApdu.parse(bytes.fromhex(command)))
    except Refusal as refusal:
        return refusal.sw


@pytest.fixture
def files() -> FileSelection:
    return FileSelection([FIRST, LONG])


def test_control_parameters_have_the_data_objects_of_the_standard() -> None:
    assert FIRST.fcp() == bytes.fromhex("6213 8002000A 820101 83020101 880108 8C0303FF00")
    assert LONG.fcp() == bytes.fromhex("6213 80020200 820101 83020102 8801F0 8C0303FF00")


def test_select_by_identifier(files: FileSelection) -> None:
    assert ask(files, "00A4000002010100") == ResponseApdu(FIRST.fcp(), 0x9000)
    assert ask(files, "00A4020402010200") == ResponseApdu(LONG.fcp(), 0x9000)
    assert ask(files, "00A4020C020101") == ResponseApdu(b"", 0x9000)
    assert ask(files, "00B0000000") == ResponseApdu(b"first file", 0x9000)


def test_a_failed_select_keeps_the_current_file(files: FileSelection) -> None:
    assert ask(files, "00B0000000") == 0x6986  # none is current yet
    ask(files, "00A4020C020101")
    assert ask(files, "00A4000C023F00") == 0x6A82
    assert ask(files, "00A4000C0101") == 0x6A82
    assert ask(files, "00A4000C") == 0x6A82
    assert ask(files, "00A4010C020102") == 0x6A86
    assert ask(files, "00A40003020102") == 0x6A86
    assert ask(files, "00B0000005") == ResponseApdu(b"first", 0x9000)


@pytest.mark.parametrize(
    ("command", "data", "sw"),
    [
        ("00B0810005", b"first", 0x9000),
        ("00B0810605", b"file", 0x6282),  # the end comes before the fifth byte
        ("00B0810600", b"file", 0x9000),  # Le 00 asks for what there is
        ("00B08106", b"file", 0x9000),
        ("00B081060000FF", b"file", 0x6282),
        ("00B08106000000", b"file", 0x9000),
        ("00B0810901", b"e", 0x9000),
        ("00B09E0000", LONG.content[:256], 0x9000),
        ("00B09EFF00", LONG.content[255:511], 0x9000),
        ("00B09EFF000000", LONG.content[255:], 0x9000),
        ("00B09E00000101", LONG.content[:257], 0x9000),
    ],
)
def test_read_by_short_identifier(files: FileSelection, command: str, data: bytes, sw: int) -> None:
    assert ask(files, command) == ResponseApdu(data, sw)


def test_a_short_identifier_makes_the_file_current(files: FileSelection) -> None:
    ask(files, "00B09E0001")
    assert ask(files, "00B001FE02") == ResponseApdu(b"\xfe\xff", 0x9000)
    assert ask(files, "00B0800101") == ResponseApdu(b"\x01", 0x9000)  # short identifier 0: the current file


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("00B0810A01", 0x6B00),  # behind the end
        ("00B081FF01", 0x6B00),
        ("00B0820001", 0x6A82),
        ("00B0800001", 0x6A82),  # no current file
        ("00B0C10001", 0x6A86),
        ("00B0E10001", 0x6A86),
        ("00B081000154", 0x6700),
        ("00B2010400", 0x6D00),
        ("80B0810001", 0x6E00),
    ],
)
def test_what_is_refused(files: FileSelection, command: str, sw: int) -> None:
    assert ask(files, command) == sw


def test_a_refused_read_keeps_the_current_file(files: FileSelection) -> None:
    ask(files, "00B0810001")
    assert ask(files, "00B09EFF01") == ResponseApdu(b"\xff", 0x9000)
    assert ask(files, "00B0820001") == 0x6A82
    assert ask(files, "00B0810B01") == 0x6B00
    assert ask(files, "00B0020001") == 0x6B00
    assert ask(files, "00B001FF01") == ResponseApdu(b"\xff", 0x9000)


def test_a_file_may_be_current_from_the_start() -> None:
    assert ask(FileSelection([FIRST], FIRST), "00B0000600") == ResponseApdu(b"file", 0x9000)


def test_nobody_may_write_with_a_plain_command(files: FileSelection) -> None:
    assert ask(files, "00D681000158") == 0x6982
    assert ask(files, "00D600000158") == 0x6986  # no current file
    assert ask(files, "00D682000158") == 0x6A82
    assert ask(files, "00B0810005") == ResponseApdu(b"first", 0x9000)


def test_a_file_that_nobody_may_read() -> None:
    secret = TransparentFile(0x0103, 3, b"secret", AccessRule(AccessCondition.NEVER, AccessCondition.NEVER))
    files = FileSelection([secret])
    assert secret.fcp().endswith(bytes.fromhex("8C0303FFFF"))
    assert ask(files, "00B0830000") == 0x6982
    assert ask(files, "00B0000000") == 0x6986
