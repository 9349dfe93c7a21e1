"""Command and response APDUs, byte by byte from ISO/IEC 7816-3:2006, 12.1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, UsageError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu, logical_channel, with_channel

DATA_255 = bytes(range(1, 256))
DATA_256 = b"\xa5" * 256
DATA_65535 = b"\x5a" * 65535

# (case, value, bytes as they are sent)
ENCODINGS = [
    ("1", CommandApdu(0x00, 0x70, 0x80, 0x01), "00708001"),
    ("2S, one byte", CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1), "0070000001"),
    ("2S, 255", CommandApdu(0x00, 0xB0, 0x01, 0x02, ne=255), "00B00102FF"),
    ("2S, 256 is 00", CommandApdu(0x00, 0xB0, 0x00, 0x00, ne=256), "00B0000000"),
    ("3S", CommandApdu(0x80, 0xB0, 0x00, 0x04, b"\x00\x0d"), "80B0000402000D"),
    ("3S, 255", CommandApdu(0x00, 0xD6, 0x00, 0x00, DATA_255), "00D60000FF" + DATA_255.hex()),
    ("4S", CommandApdu(0x00, 0xA4, 0x04, 0x00, b"\x43\x4d", 0x0A), "00A4040002434D0A"),
    ("4S, 256 is 00", CommandApdu(0x00, 0xA4, 0x04, 0x00, b"\x43\x4d", 256), "00A4040002434D00"),
    ("4S, data that ends with 00", CommandApdu(0, 0xA4, 4, 0, b"\x01\x00", 1), "00A4040002010001"),
    ("2E, one byte", CommandApdu(0x00, 0xB0, 0x00, 0x00, ne=1, extended=True), "00B00000000001"),
    ("2E, 257", CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=257, extended=True), "00B08100000101"),
    ("2E, 65536 is 0000", CommandApdu(0x00, 0xB0, 0x00, 0x00, ne=65536, extended=True), "00B00000000000"),
    ("3E, one byte", CommandApdu(0x00, 0xD6, 0x00, 0x00, b"\xaa", extended=True), "00D60000000001AA"),
    ("3E, 256", CommandApdu(0x00, 0xD6, 0, 0, DATA_256, extended=True), "00D60000000100" + DATA_256.hex()),
    ("3E, 65535", CommandApdu(0, 0xD6, 0, 0, DATA_65535, extended=True), "00D6000000FFFF" + DATA_65535.hex()),
    ("4E, Le without a byte 00 before it", CommandApdu(0, 0xCB, 0x3F, 0xFF, b"\xaa", 5, True), "00CB3FFF000001AA0005"),
    ("4E, 65536 is 0000", CommandApdu(0, 0xCB, 0x3F, 0xFF, b"\xaa", 65536, True), "00CB3FFF000001AA0000"),
]


@pytest.mark.parametrize(("case", "command", "sent"), ENCODINGS, ids=[case for case, *_ in ENCODINGS])
def test_each_case_has_the_bytes_of_the_standard(case: str, command: CommandApdu, sent: str) -> None:
    assert command.encode() == bytes.fromhex(sent)
    assert CommandApdu.parse(bytes.fromhex(sent)) == command


def test_case_1_has_no_extended_form() -> None:
    assert CommandApdu(0x00, 0x70, 0x80, 0x01, extended=True).encode() == bytes.fromhex("00708001")


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "00A404",
        "00A404000201",  # Lc 2, one byte
        "00A40400010102030405",  # Lc 1, and too much behind
        "00A404000201020304",  # two bytes where one Le must be
        "00A404000001",  # extended, cut short
        "00A404000000",  # the same, shorter still
        "00A4040000000000",  # extended Lc of zero, with a byte behind
        "00A40400000002AA",  # extended Lc 2, one byte
        "00A40400000001AA05",  # extended data with a short Le
        "00A40400000001AA000005",  # Le of three bytes behind data
    ],
)
def test_lengths_that_do_not_fit_are_refused(raw: str) -> None:
    with pytest.raises(DecodeError):
        CommandApdu.parse(bytes.fromhex(raw))


@pytest.mark.parametrize(
    "command",
    [
        CommandApdu(256, 0, 0, 0),
        CommandApdu(0, -1, 0, 0),
        CommandApdu(0, 0, 0x7F66, 0),
        CommandApdu(0, 0, 0, 300),
        CommandApdu(0, 0, ne=0),
        CommandApdu(0, 0, ne=257),
        CommandApdu(0, 0, data=bytes(256)),
        CommandApdu(0, 0, ne=0, extended=True),
        CommandApdu(0, 0, ne=65537, extended=True),
        CommandApdu(0, 0, data=bytes(65536), extended=True),
    ],
    ids=lambda command: f"{command.cla:x}-{command.ins:x}-{len(command.data)}-{command.ne}-{command.extended}",
)
def test_what_does_not_fit_its_field_is_the_callers_fault(command: CommandApdu) -> None:
    with pytest.raises(UsageError):
        command.encode()


def test_response_is_data_and_status_word() -> None:
    assert ResponseApdu.parse(b"\x90\x00") == ResponseApdu(b"", 0x9000)
    assert ResponseApdu.parse(b"\x01\x02\x62\x82") == ResponseApdu(b"\x01\x02", 0x6282)
    assert ResponseApdu(b"\x01", 0x6A82).encode() == b"\x01\x6a\x82"


@pytest.mark.parametrize("raw", [b"", b"\x90"])
def test_an_answer_without_status_word_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        ResponseApdu.parse(raw)


# ISO/IEC 7816-4:2020, 5.4.1: first interindustry class channels 0 to 3, further class 4 to 19; bits of chaining and
# secure messaging do not change the channel.
CHANNELS = [
    (0x00, 0),
    (0x03, 3),
    (0x10, 0),
    (0x0C, 0),
    (0x13, 3),
    (0x40, 4),
    (0x4F, 19),
    (0x50, 4),
    (0x60, 4),
    (0x80, 0),
    (0x82, 2),
    (0x84, 0),
    (0xC0, 4),
    (0xCF, 19),
]


@pytest.mark.parametrize(("cla", "channel"), CHANNELS, ids=lambda value: f"{value:02X}")
def test_the_class_names_the_channel(cla: int, channel: int) -> None:
    assert logical_channel(cla) == channel


def test_a_class_is_moved_to_a_channel() -> None:
    assert [with_channel(0x00, channel) for channel in (0, 3, 4, 19)] == [0x00, 0x03, 0x40, 0x4F]
    assert [with_channel(0x80, channel) for channel in (0, 3, 4, 19)] == [0x80, 0x83, 0xC0, 0xCF]
    assert with_channel(0x10, 7) == 0x53
    for channel in range(20):
        assert logical_channel(with_channel(0x80, channel)) == channel
    for channel in (-1, 20):
        with pytest.raises(UsageError):
            with_channel(0x00, channel)


def test_protocols_have_the_names_of_the_standard() -> None:
    assert [str(protocol) for protocol in CardProtocol] == ["T=0", "T=1"]


BYTE = st.integers(0, 255)


@st.composite
def commands(draw: st.DrawFn) -> CommandApdu:
    extended = draw(st.booleans())
    data = draw(st.binary(max_size=600 if extended else 255))
    ne = draw(st.none() | st.integers(1, 65536 if extended else 256))
    # Without lengths there is only one form.
    cla, ins, p1, p2 = draw(st.tuples(BYTE, BYTE, BYTE, BYTE))
    return CommandApdu(cla, ins, p1, p2, data, ne, extended and bool(data or ne))


@settings(deadline=None)
@given(commands())
def test_every_command_reads_back(command: CommandApdu) -> None:
    assert CommandApdu.parse(command.encode()) == command


@settings(deadline=None)
@given(st.binary(max_size=300) | st.builds(bytes.__add__, st.just(bytes(5)), st.binary(max_size=40)))
def test_any_bytes_are_one_command_or_none(raw: bytes) -> None:
    try:
        command = CommandApdu.parse(raw)
    except DecodeError:
        return
    assert command.encode() == raw


@settings(deadline=None)
@given(st.binary(max_size=70), st.integers(0, 0xFFFF))
def test_every_response_reads_back(data: bytes, sw: int) -> None:
    assert ResponseApdu.parse(ResponseApdu(data, sw).encode()) == ResponseApdu(data, sw)
