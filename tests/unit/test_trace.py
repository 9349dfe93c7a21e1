"""What a trace shows and what it hides; redaction rules of `ecitizen.log`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.emulator.persona import installed_personas
from ecitizen.errors import CardRemoved, DecodeError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.log import Excerpt, Redactor, Secret
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card, virtual_reader
from ecitizen.transport.replay import ReplayTransport, Transcript
from ecitizen.transport.trace import (
    CardTraced,
    ExchangeTraced,
    JsonLinesTrace,
    Redaction,
    TextTrace,
    TraceEvent,
    TracingTransport,
)
from ecitizen.usecases.open_card import open_card
from ecitizen.usecases.read_card import read_card

RAW = Redaction.NOTHING_SHOW_ALL_SECRETS
ATR = bytes.fromhex("3B799600005448204E4944203137")


class ScriptedCard:
    """A transport with answers in a list; an exception in it is raised. A reset changes the ATR."""

    name = "scripted\nreader"
    protocol = CardProtocol.T0

    def __init__(self, answers: list[bytes | Exception], atr: bytes = ATR) -> None:
        self.atr = atr
        self.answers = answers
        self.calls: list[str] = []

    def transmit(self, command: bytes) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reset(self) -> None:
        self.calls.append("reset")
        self.atr = bytes.fromhex("3B00")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.calls.append("begin")
        yield
        self.calls.append("end")

    def close(self) -> None:
        self.calls.append("close")


def ticks() -> Iterator[float]:
    """A clock that goes on by a quarter of a second at each look."""
    now = 100.0
    while True:
        yield now
        now += 0.25


def traced(
    card: ScriptedCard, redaction: Redaction = Redaction.PINS_KEYS_AND_PERSONAL_DATA
) -> tuple[TracingTransport, list[TraceEvent]]:
    events: list[TraceEvent] = []
    clock = ticks()
    transport = TracingTransport(
        card, events.append, redaction=redaction, narrate=lambda raw: f"INS {raw[1]:02X}", clock=lambda: next(clock)
    )
    return transport, events


def exchange(command: str, answer: str) -> tuple[str, str]:
    """How a command and its answer look, redacted."""
    redactor = Redactor()
    shown = str(redactor.command(bytes.fromhex(command)))
    return shown, str(redactor.answer(bytes.fromhex(command), bytes.fromhex(answer)))


# --- redaction rules ---


@pytest.mark.parametrize(
    ("command", "answer", "shown_command", "shown_answer"),
    [
        # VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER
        ("0020008008313233343536FFFF", "63C2", "00 20 00 80 08 [8 bytes hidden: PIN]", "63 C2"),
        ("002400800431323334", "9000", "00 24 00 80 04 [4 bytes hidden: PIN]", "90 00"),
        ("002C00800431323334", "9000", "00 2C 00 80 04 [4 bytes hidden: PIN]", "90 00"),
        ("002C0080000004 31323334", "9000", "00 2C 00 80 00 00 04 [4 bytes hidden: PIN]", "90 00"),  # extended
        # PUT KEY, EXTERNAL, GENERAL and INTERNAL AUTHENTICATE, INITIALIZE UPDATE, import of a key
        ("80D8000102AABB00", "019000", "80 D8 00 01 02 [2 bytes hidden: key] 00", "[1 byte hidden: key] 90 00"),
        ("8082000002AABB", "9000", "80 82 00 00 02 [2 bytes hidden: key]", "90 00"),
        ("00870300027C0000", "7C009000", "00 87 03 00 02 [2 bytes hidden: key] 00", "[2 bytes hidden: key] 90 00"),
        ("0088000002AABB00", "AA9000", "00 88 00 00 02 [2 bytes hidden: key] 00", "[1 byte hidden: key] 90 00"),
        ("8050000002AABB00", "AA9000", "80 50 00 00 02 [2 bytes hidden: key] 00", "[1 byte hidden: key] 90 00"),
        ("00FE070002AABB", "9000", "00 FE 07 00 02 [2 bytes hidden: key]", "90 00"),
        # personal data: standard and Thai READ, GET DATA with the CPLC, writing
        ("00B0000002", "AABB9000", "00 B0 00 00 02", "[2 bytes hidden: personal data] 90 00"),
        ("80B0000402000D", "AABB9000", "80 B0 00 04 02 00 0D", "[2 bytes hidden: personal data] 90 00"),
        ("80CA9F7F2D", "9F7F9000", "80 CA 9F 7F 2D", "[2 bytes hidden: personal data] 90 00"),
        ("00D6000002AABB", "9000", "00 D6 00 00 02 [2 bytes hidden: personal data]", "90 00"),
        # PIV: keys that are set and used, challenges, data objects; only the tag of an object may be seen
        ("00FFFFFF02039B", "9000", "00 FF FF FF 02 [2 bytes hidden: key]", "90 00"),
        ("0087119A02AABB", "7C009000", "00 87 11 9A 02 [2 bytes hidden: key]", "[2 bytes hidden: key] 90 00"),
        ("1087079C02AABB", "9000", "10 87 07 9C 02 [2 bytes hidden: key]", "90 00"),  # the beginning of a chain
        ("10FE079C02AABB", "9000", "10 FE 07 9C 02 [2 bytes hidden: key]", "90 00"),
        ("10DB3FFF02AABB", "9000", "10 DB 3F FF 02 [2 bytes hidden: personal data]", "90 00"),
        ("00DB3FFF055C0153015A", "9000", "00 DB 3F FF 05 [5 bytes hidden: personal data]", "90 00"),
        ("00CB3FFF055C035FC10200", "53019000", "00 CB 3F FF 05 5C 03 5F C1 02 00",
         "[2 bytes hidden: personal data] 90 00"),
        ("10CB3FFF055C035FC102", "9000", "10 CB 3F FF 05 [5 bytes hidden: personal data]", "90 00"),
        ("00CB3FFF055C025FC102", "9000", "00 CB 3F FF 05 [5 bytes hidden: personal data]", "90 00"),
        ("00CB3FFF045D025FC1", "9000", "00 CB 3F FF 04 [4 bytes hidden: personal data]", "90 00"),
        ("00CB3FFF015C", "9000", "00 CB 3F FF 01 [1 byte hidden: personal data]", "90 00"),
        ("00CB3FFF115C0F" + "31" * 15, "9000", "00 CB 3F FF 11 [17 bytes hidden: personal data]", "90 00"),
        ("0CCB3FFF055C035FC102", "9000", "0C CB 3F FF 05 [5 bytes hidden: secure messaging]", "90 00"),
        ("00F99A0000", "30009000", "00 F9 9A 00 00", "[2 bytes hidden: unknown content] 90 00"),
        # what nobody thought of
        ("90B0000002AABB", "9000", "90 B0 00 00 02 [2 bytes hidden: personal data]", "90 00"),
        ("8000000017", "AABB9000", "80 00 00 00 17", "[2 bytes hidden: unknown content] 90 00"),
        ("80F1000002AABB", "9000", "80 F1 00 00 02 [2 bytes hidden: unknown content]", "90 00"),
        ("0CA4040002AABB00", "AA9000", "0C A4 04 00 02 [2 bytes hidden: secure messaging] 00",
         "[1 byte hidden: secure messaging] 90 00"),
        ("00A4040011" + "31" * 17, "9000", "00 A4 04 00 11 [17 bytes hidden: unknown content]", "90 00"),
        # harmless: a SELECT and an answer of file objects only
        ("00A4040004A0000000", "84029999610A", "00 A4 04 00 04 A0 00 00 00", "84 02 99 99 61 0A"),
        ("00A4040000", "6F0484029999 9000", "00 A4 04 00 00", "6F 04 84 02 99 99 90 00"),
        ("00A4040000", "6F055F2002 5041 9000", "00 A4 04 00 00", "[7 bytes hidden: unknown content] 90 00"),
        ("00A4040000", "313939399000", "00 A4 04 00 00", "[4 bytes hidden: unknown content] 90 00"),
        # broken messages: no APDU, no status word
        ("0020008008313233", "6700", "00 20 00 80 [4 bytes hidden: unknown content]", "67 00"),
        ("002000", "6700", "00 20 00", "67 00"),
        ("00A40400", "90", "00 A4 04 00", "[1 byte hidden: unknown content]"),
    ],
)  # fmt: skip
def test_content_is_hidden_unless_it_is_harmless(
    command: str, answer: str, shown_command: str, shown_answer: str
) -> None:
    assert exchange(command, answer) == (shown_command, shown_answer)


def test_get_response_is_judged_by_the_command_before_it_on_its_channel() -> None:
    redactor = Redactor()
    fci, get_response = bytes.fromhex("84029999 9000"), bytes.fromhex("00C0000004")

    def answer_after(*commands: str) -> str:
        for command in commands:
            redactor.command(bytes.fromhex(command))
        return str(redactor.answer(get_response, fci))

    hidden = "[4 bytes hidden: personal data] 90 00"
    assert answer_after("00A4040000", "00C0000004") == "84 02 99 99 90 00"
    assert answer_after("80B0000402000D", "00C0000004") == hidden
    assert answer_after("01A4040000") == hidden  # a SELECT on another channel changes nothing here
    assert answer_after("00A4040000", "002000") == "[4 bytes hidden: unknown content] 90 00"  # a broken command
    assert answer_after("00A4040000") == "84 02 99 99 90 00"
    redactor.reset()
    assert str(redactor.answer(get_response, fci)) == "[4 bytes hidden: unknown content] 90 00"


def test_what_comes_after_a_chain_is_judged_by_its_command() -> None:
    redactor = Redactor()
    for command in ("1087079C02AABB", "0087079C02AABB"):
        assert "hidden: key" in str(redactor.command(bytes.fromhex(command)))
    hidden = "[4 bytes hidden: key] 90 00"
    assert str(redactor.answer(bytes.fromhex("00C0000004"), bytes.fromhex("AABBCCDD9000"))) == hidden


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_message_keeps_its_length_and_its_ends(command: bytes, answer: bytes) -> None:
    redactor = Redactor()
    for raw, shown in ((command, redactor.command(command)), (answer, redactor.answer(command, answer))):
        assert shown.total_len == len(raw)
        assert raw.startswith(shown.head)
        assert raw.endswith(shown.tail)
        assert (shown.why is None) == (shown.hidden_len == 0)
    if len(answer) >= 2 and redactor.answer(command, answer).hidden_len:
        assert redactor.answer(command, answer).tail == answer[-2:]


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=64))
def test_a_password_shows_in_no_form_of_its_commands(secret: bytes, padding: bytes) -> None:
    data = secret + padding
    for ins in (0x20, 0x24, 0x2C, 0xD8, 0x82, 0x87):
        shown = Redactor().command(bytes((0x00, ins, 0x00, 0x80, len(data))) + data)
        assert shown == Excerpt(bytes((0x00, ins, 0x00, 0x80, len(data))), len(data), shown.why)
        assert shown.why in {Secret.PIN, Secret.KEY}


# --- the transport ---


def test_every_exchange_is_told_with_its_times() -> None:
    transport, events = traced(ScriptedCard([bytes.fromhex("610A")]))
    command = bytes.fromhex("00A4040008A000000054480001")
    assert transport.transmit(command) == b"\x61\x0a"
    begin, told = events
    assert isinstance(told, ExchangeTraced)
    # The clock is looked at: at the beginning, for the card, before and behind the exchange.
    assert begin == CardTraced(0.25, "scripted\nreader", ATR, CardProtocol.T0, Redaction.PINS_KEYS_AND_PERSONAL_DATA)
    assert told.link_seconds == pytest.approx(16 * 12 * 16 / 4_000_000)
    assert replace(told, link_seconds=None) == ExchangeTraced(
        number=1,
        seconds=0.5,
        took=0.25,
        command=Excerpt(command),
        answer=Excerpt(b"\x61\x0a"),
        failure=None,
        words="INS A4",
        status="10 more response bytes are waiting",
        link_seconds=None,
    )


def test_a_failure_is_told_and_passed_on() -> None:
    error = CardRemoved("the card was pulled out")
    transport, events = traced(ScriptedCard([error, b"\x90\x00"]))
    with pytest.raises(CardRemoved) as raised:
        transport.transmit(bytes.fromhex("0020008004 31323334"))
    assert raised.value is error
    transport.transmit(bytes.fromhex("00A40400"))
    told = [event for event in events if isinstance(event, ExchangeTraced)]
    assert [(each.number, each.failure, each.answer) for each in told] == [
        (1, "card_removed", None),
        (2, None, Excerpt(b"\x90\x00")),
    ]
    assert told[0].link_seconds is None
    assert str(told[0].command) == "00 20 00 80 04 [4 bytes hidden: PIN]"


def test_a_reset_is_told_with_the_new_atr_and_ends_what_was_known() -> None:
    card = ScriptedCard([bytes.fromhex("6104"), bytes.fromhex("840299999000")])
    transport, events = traced(card)
    transport.transmit(bytes.fromhex("00A4040000"))
    transport.reset()
    transport.transmit(bytes.fromhex("00C0000004"))
    _, _, reset, last = events
    assert isinstance(reset, CardTraced)
    assert (reset.was_reset, reset.atr) == (True, bytes.fromhex("3B00"))
    assert isinstance(last, ExchangeTraced)
    assert last.answer == Excerpt(b"", 4, Secret.UNKNOWN, b"\x90\x00")
    assert last.link_seconds == pytest.approx((5 + 1 + 4 + 2) * 12 * 372 / 4_000_000)


def test_all_else_is_passed_on() -> None:
    card = ScriptedCard([])
    transport, _ = traced(card)
    with transport.transaction():
        transport.reset()
    transport.close()
    assert card.calls == ["begin", "reset", "end", "close"]
    assert (transport.name, transport.atr, transport.protocol) == (card.name, card.atr, CardProtocol.T0)


def test_a_sloppy_atr_has_no_link_time() -> None:
    transport, events = traced(ScriptedCard([b"\x90\x00"], atr=b"\x3b"))
    transport.transmit(bytes.fromhex("00A40400"))
    assert isinstance(events[-1], ExchangeTraced)
    assert events[-1].link_seconds is None


# --- writers ---


def test_text_is_a_transcript_with_remarks() -> None:
    card = ScriptedCard([bytes.fromhex("6102"), CardRemoved("gone"), bytes(40) + b"\x90\x00"])
    lines: list[str] = []
    clock = ticks()
    transport = TracingTransport(
        card, TextTrace(lines.append), redaction=RAW, narrate=lambda _: "a\nb", clock=lambda: next(clock)
    )
    transport.transmit(bytes.fromhex("80B0000402000D"))
    with pytest.raises(CardRemoved):
        transport.transmit(bytes.fromhex("00C0000028"))
    transport.transmit(bytes.fromhex("00C0000028"))
    assert "".join(lines) == (
        "# RAW: PINs and personal data are in it; keep it as safe as the card\n"
        "# reader scripted?reader\n"
        "atr 3B 79 96 00 00 54 48 20 4E 49 44 20 31 37\n"
        "protocol T=0\n"
        "\n"
        "# 1 at 0.500 s: a?b\n"
        "> 80 B0 00 04 02 00 0D\n"
        "< 61 02\n"
        "# 2 more response bytes are waiting, after 250 ms, on a real link 0.48 ms\n"
        "\n"
        "# 2 at 1.000 s: a?b\n"
        "# > 00 C0 00 00 28\n"
        "# failed after 250 ms: card_removed\n"
        "\n"
        "# 3 at 1.500 s: a?b\n"
        "> 00 C0 00 00 28\n"
        f"< {' '.join(['00'] * 32)}\n"
        f"  {' '.join(['00'] * 8)} 90 00\n"
        "# no error, after 250 ms, on a real link 2.3 ms\n"
    )
    assert Transcript.parse("".join(lines)).exchanges == (
        (bytes.fromhex("80B0000402000D"), b"\x61\x02"),
        (bytes.fromhex("00C0000028"), bytes(40) + b"\x90\x00"),
    )


def test_json_lines_say_the_same() -> None:
    lines: list[str] = []
    clock = ticks()
    transport = TracingTransport(ScriptedCard([b"\x63\xc2"]), JsonLinesTrace(lines.append), clock=lambda: next(clock))
    transport.transmit(bytes.fromhex("002000800431323334"))
    transport.reset()
    first, exchanged, reset = (json.loads(line) for line in lines)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert first == {
        "kind": "card",
        "seconds": 0.25,
        "reader": "scripted\nreader",
        "atr": ATR.hex().upper(),
        "protocol": "T=0",
        "redacted": True,
    }
    assert exchanged == {
        "kind": "exchange",
        "number": 1,
        "seconds": 0.5,
        "took": 0.25,
        "command": {"head": "0020008004", "hidden_len": 4, "hidden_why": "PIN", "tail": ""},
        "answer": {"head": "63C2", "hidden_len": 0, "hidden_why": None, "tail": ""},
        "failure": None,
        "words": "",
        "status": "counter at 2",
        "link_seconds": pytest.approx(0.000576),  # 5 + 1 + 4 + 2 characters of 48 microseconds
    }
    assert (reset["kind"], reset["atr"]) == ("reset", "3B00")


@pytest.mark.parametrize("protocol", CardProtocol)
def test_a_raw_trace_of_a_read_can_be_played_again(protocol: CardProtocol) -> None:
    lines: list[str] = []
    with virtual_reader(virtual_card("wanida", protocol)) as reader:
        wrapped = open_card(reader, wrap=lambda card: TracingTransport(card, TextTrace(lines.append), redaction=RAW))
        with wrapped as session:
            reading = read_card(session)
    replay = ReplayTransport(Transcript.parse("".join(lines)))
    with CardSession(replay) as session:
        assert read_card(session).applications == reading.applications


def test_a_redacted_trace_can_not_be_played_again() -> None:
    lines: list[str] = []
    transport = TracingTransport(ScriptedCard([b"AB\x90\x00"]), TextTrace(lines.append))
    transport.transmit(bytes.fromhex("00B0000002"))
    with pytest.raises(DecodeError, match="line 8"):
        Transcript.parse("".join(lines))


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("persona", sorted(installed_personas()))
def test_a_trace_shows_nothing_of_the_holder(persona: str, protocol: CardProtocol) -> None:
    card = virtual_card(persona, protocol)
    text: list[str] = []
    lines: list[str] = []

    def both(event: TraceEvent) -> None:
        TextTrace(text.append)(event)
        JsonLinesTrace(lines.append)(event)

    with virtual_reader(card) as reader, open_card(reader, wrap=lambda card: TracingTransport(card, both)) as session:
        reading = read_card(session)
    written = "".join(text + lines)
    digits = "".join(written.split()).upper()
    pieces = {
        data[at : at + 8]
        for record in reading.applications.values()
        if record is not None
        for data in record.raw.values()
        for at in range(0, len(data) - 7, 8)
        if len(set(data[at : at + 8])) > 2  # not padding
    }
    assert len(pieces) > 4
    assert [piece for piece in pieces if piece.hex().upper() in digits] == []
    assert [piece for piece in pieces if piece.decode("cp874", "replace") in written] == []
