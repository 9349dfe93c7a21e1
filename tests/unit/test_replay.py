import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecitizen.errors import DecodeError, TranscriptMismatch
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.iso7816.command import select
from ecitizen.session import CardSession
from ecitizen.transport.replay import ReplayTransport, Transcript

TEXT = """
# a remark; > 00 in it is no command
atr 3B 79 96 00 00 'TH NID 17'
protocol T=0
> 00 A4 04 00 08 A0 00 00 00 54 48 00 01
< 61 0A
> 80B00000 02 00FF        # a remark

< 'กข' 23 'A' "ก" 20*3
  00*2 'ab'*2
\t90 00
"""
CARD = Transcript.parse(TEXT)


def one(items: str) -> bytes:
    return Transcript.parse(f"> 00\n< {items}").exchanges[0][1]


def test_transcript_is_read_as_written() -> None:
    assert CARD.atr == bytes.fromhex("3B7996000054482 04E4944203137".replace(" ", ""))
    assert CARD.protocol is CardProtocol.T0
    assert CARD.exchanges == (
        (bytes.fromhex("00A4040008A000000054480001"), bytes.fromhex("610A")),
        (bytes.fromhex("80B000000200FF"), bytes.fromhex("A1A2 23 41 E0B881 202020 0000 61626162 9000")),
    )


def test_other_protocol_and_an_empty_transcript() -> None:
    assert Transcript.parse("protocol T=1").protocol is CardProtocol.T1
    assert Transcript.parse("") == Transcript(b"", CardProtocol.T0, ())


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("9000", b"\x90\x00"),
        ("90 00*2", b"\x90\x00\x00"),
        ("9000*2", b"\x90\x00\x90\x00"),
        ("''", b""),
        ("'a''b'", b"ab"),
        ("'20' 20", b"20 "),
        ("00*0", b""),
        ("00*65536", bytes(65536)),
        ("", b""),
    ],
)
def test_items(items: str, expected: bytes) -> None:
    assert one(items) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("> 0", "line 1"),
        ("\n> 0G", "line 2"),
        ("> 'a", "line 1"),
        ("> 'a#b'", "line 1"),
        ("> 'é'", "encoding"),
        ('> "\ud800"', "encoding"),
        ("> 00*65537", "65536 times"),
        ("> 00*" + "9" * 5000, "65536 times"),
        ("> 00*-1", "line 1"),
        ("< 90 00", "in turn"),
        ("> 00\n> 00", "in turn"),
        ("> 00\n< 90 00\n< 90 00", "in turn"),
        ("> 00", "no answer"),
        ("protocol T=2", "line 1"),
        ("hello", "line 1"),
        ("  90 00", "nothing to continue"),
    ],
)
def test_no_transcript(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        Transcript.parse(text)


@given(
    st.text()
    | st.lists(st.sampled_from([*TEXT.splitlines(keepends=True), "> ", "< ", "'", '"', "*9", "é"])).map("".join)
)
@example("> '\ud800'")
def test_any_text_is_a_transcript_or_a_decode_error(text: str) -> None:
    try:
        parsed = Transcript.parse(text)
    except DecodeError as error:
        assert "transcript" in str(error)  # noqa: PT017 - one of the two right ends
        return
    assert isinstance(parsed, Transcript)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=5), st.binary(max_size=20))
def test_written_bytes_read_back(exchanges: list[tuple[bytes, bytes]], atr: bytes) -> None:
    text = f"atr {atr.hex(' ')}\n" + "".join(f"> {asked.hex(' ')}\n< {told.hex()}\n" for asked, told in exchanges)
    assert Transcript.parse(text) == Transcript(atr, CardProtocol.T0, tuple(exchanges))


def play(transport: ReplayTransport) -> None:
    for command, answer in CARD.exchanges:
        assert transport.transmit(command) == answer


def test_the_written_conversation_passes() -> None:
    transport = ReplayTransport(CARD, "a card")
    assert (transport.name, transport.atr, transport.protocol) == ("a card", CARD.atr, CardProtocol.T0)
    with transport.transaction():
        play(transport)
    transport.close()
    transport.close()


@given(st.binary(max_size=20))
@example(CARD.exchanges[1][0])
@example(CARD.exchanges[0][0] + b"\0")
@example(CARD.exchanges[0][0][:-1])
def test_another_command_fails(command: bytes) -> None:
    with pytest.raises(TranscriptMismatch, match=r"exchange 1: expected 00 A4"):
        ReplayTransport(CARD).transmit(command if command != CARD.exchanges[0][0] else b"")


def test_a_wrong_command_is_not_counted() -> None:
    transport = ReplayTransport(CARD)
    with pytest.raises(TranscriptMismatch):
        transport.transmit(b"")
    play(transport)
    transport.close()


def test_one_command_too_many_fails() -> None:
    transport = ReplayTransport(CARD)
    play(transport)
    with pytest.raises(TranscriptMismatch, match="after the last of 2 exchanges came 00 B0"):
        transport.transmit(b"\x00\xb0")


@pytest.mark.parametrize("played", [0, 1])
def test_leftover_exchanges_fail_at_close_and_once(played: int) -> None:
    transport = ReplayTransport(CARD)
    for command, _ in CARD.exchanges[:played]:
        transport.transmit(command)
    with pytest.raises(TranscriptMismatch, match=f"{2 - played} exchanges"):
        transport.close()
    transport.close()


def test_reset_fails() -> None:
    with pytest.raises(TranscriptMismatch, match="reset"):
        ReplayTransport(CARD).reset()


def test_leaving_the_session_too_early_fails() -> None:
    with pytest.raises(TranscriptMismatch, match="1 exchanges"), CardSession(ReplayTransport(CARD)) as session:
        session.transmit(select(bytes.fromhex("A000000054480001"), ne=None))
