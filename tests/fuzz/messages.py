"""Targets: the messages between reader and card, byte by byte (ecitizen/iso7816)."""

import contextlib
from collections.abc import Iterator

from ecitizen.errors import CardProtocolError, DecodeError, UsageError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_MAX, CardProtocol, CommandApdu, ResponseApdu, logical_channel
from ecitizen.iso7816.atr import Atr
from ecitizen.iso7816.exchange import ROUNDS_MAX, LinkState, exchange
from ecitizen.iso7816.files import FileInfo
from ecitizen.iso7816.link_time import LinkTiming
from ecitizen.iso7816.status import describe, is_success, is_valid, is_warning

from .target import Cursor, Target, messages, piece, transcripts


def check_atr(data: bytes) -> None:
    try:
        atr = Atr.parse(data)
    except DecodeError:
        return
    assert atr.raw == data
    assert Atr.build(atr.interface, atr.historical, atr.convention) == atr
    assert atr.ifsc is None or 1 <= atr.ifsc <= 254
    assert (atr.etu_clocks is None) == (atr.bits_per_second(4e6) is None)
    with contextlib.suppress(DecodeError):
        atr.compact_tlv()
    for protocol in CardProtocol:
        timing = LinkTiming(atr, protocol=protocol)
        assert timing.session_seconds([(data, data), (b"\x00\xc0\x00\x00\x00", b"\x90\x00")]) > 0
    with contextlib.suppress(UsageError):  # a card that speaks neither T=0 nor T=1 by itself
        assert LinkTiming(atr).exchange_seconds(data, b"") >= 0


def atr_seeds() -> Iterator[bytes]:
    for transcript in transcripts():
        yield transcript.atr
    for interface in ({"TD1": 0x81, "TD2": 0x31, "TA3": 0xFE, "TB3": 0x45}, {"TA1": 0x96, "TD1": 0x1F, "TA2": 0x01}):
        with contextlib.suppress(UsageError):
            yield Atr.build(interface, b"\x80\x31\x80\x65").raw
    yield Atr.build({"TD1": 0x01}, b"\x00\x31\x80\x00\x90\x00").raw


def check_tlv(data: bytes) -> None:
    FileInfo.parse(data)
    with contextlib.suppress(DecodeError):
        objects = tlv.parse_compact(data)
        assert b"".join(tlv.encode_compact(each.tag, each.value) for each in objects) == data
    with contextlib.suppress(DecodeError):
        total = tlv.total_len(data)
        if total is not None and total <= len(data):
            assert len(tlv.parse(data[:total])) == 1
    try:
        found = tlv.parse(data)
    except DecodeError:
        return
    assert tlv.parse(b"".join(each.encode() for each in found)) == found
    with contextlib.suppress(DecodeError):
        for depth, each in tlv.walk(found):
            assert depth < tlv.MAX_DEPTH
            assert tlv.parse_one(tlv.encode(each.tag, each.value)) == each


def check_apdu(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        response = ResponseApdu.parse(data)
        assert response.encode() == data
        assert describe(response.sw)
        assert is_valid(response.sw) or not (is_success(response.sw) or is_warning(response.sw))
    try:
        command = CommandApdu.parse(data)
    except DecodeError:
        return
    assert 0 <= logical_channel(command.cla) <= 19
    assert command.encode() == data
    assert command.ne is None or 1 <= command.ne <= (NE_MAX if command.extended else 256)


def check_exchange(data: bytes) -> None:
    """A card that answers anything, asked anything: `exchange` comes to an end, with no more than was asked for."""
    source = Cursor(data)
    flags, cla, ins, p1, p2 = (source.byte() for _ in range(5))
    link = LinkState(
        CardProtocol.T1 if flags & 1 else CardProtocol.T0,
        get_response_p2=flags >> 1 & 1,
        extended_length={0: None, 1: False}.get(flags >> 2 & 3, True),
    )
    ne = None if flags & 0x10 else (source.byte() << 8 | source.byte()) + 1
    content = source.piece() * (1 + (flags >> 5))
    steps = exchange(CommandApdu(cla, ins, p1, p2, content, ne), link)
    sent = 0
    try:
        raw = next(steps)
        while True:
            sent += 1
            assert CommandApdu.parse(raw).encode() == raw
            assert link.protocol is CardProtocol.T1 or not CommandApdu.parse(raw).extended
            raw = steps.send(source.piece() if source else b"\x61\x01" if flags & 0x08 else b"\x90\x00")
    except StopIteration as done:
        response: ResponseApdu = done.value
        assert is_valid(response.sw)
        assert ne is None or len(response.data) <= ne
    except (CardProtocolError, UsageError):
        pass
    assert sent <= 4 * ROUNDS_MAX + len(content) // 255 + 4


def exchange_seeds() -> Iterator[bytes]:
    for flags in (0x00, 0x01, 0x05, 0x11, 0x0A):
        head = bytes((flags, 0x00, 0xA4, 0x04, 0x00)) + (b"" if flags & 0x10 else b"\x00\xff")
        yield head + piece(b"\xa0\x00") + piece(b"\x61\x0a") + piece(b"\x6f\x08" + bytes(8) + b"\x90\x00")
        yield head + piece(b"") + piece(b"\x6c\x10") + piece(bytes(16) + b"\x61\x00") + piece(bytes(256) + b"\x90\x00")
        yield head + piece(b"") + piece(b"\x61\x20") + piece(b"\x6b\x00") + piece(bytes(32) + b"\x90\x00")


TARGETS = (
    Target("atr", check_atr, atr_seeds, max_len=40, weight=120),
    Target("tlv", check_tlv, lambda: (message[:-2] for message in messages()), max_len=512, weight=60),
    Target("apdu", check_apdu, messages, max_len=600, weight=200),
    Target("exchange", check_exchange, exchange_seeds, max_len=2048, weight=60),
)
