"""Targets: both ends of a secure channel on a hostile link, and the keys of a PUT KEY."""

import contextlib
from collections.abc import Iterator

from ecitizen.errors import EcitizenError, SecureMessagingError
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Keys, Scp03Option, SecurityLevel
from ecitizen.secure_channel.key_blocks import check_value, decode_keys, encode_key
from ecitizen.secure_channel.scp03 import CardChannel, CardOpening, HostChannel, session_keys

from .target import Cursor, Target, piece

KEYS = Scp03Keys.same(KeyBytes(bytes(range(0x40, 0x50))), 0x30)
HOST, CARD = bytes(16), bytes(range(16))
OPTIONS = Scp03Option.R_MAC | Scp03Option.R_ENC
LEVELS = tuple(SecurityLevel)
STATUS_WORDS = (0x9000, 0x6A88, 0x6310, 0x6108)


def ends(flags: int) -> tuple[HostChannel, CardChannel]:
    """An open channel of some level, S8 or S16."""
    mode = 16 if flags & 0x80 else 8
    options = OPTIONS | Scp03Option.S16 if mode == 16 else OPTIONS
    opening = CardOpening(KEYS, options, HOST[:mode], CARD[:mode], diversification=bytes(10))
    derived = session_keys(KEYS, HOST[:mode], CARD[:mode])
    host = HostChannel(derived, HOST[:mode], opening.answer, LEVELS[flags % len(LEVELS)])
    return host, opening.authenticate(host.external_authenticate())


def changed(data: bytes, source: Cursor) -> bytes:
    """What the link makes of a message: some bytes in place of others, or nothing new."""
    at = source.byte()
    return data[:at] + source.piece() + data[at + source.byte() :]


def check_channel(data: bytes) -> None:
    """What was changed is refused, what was not comes out as it went in; nothing else happens."""
    source = Cursor(data)
    host, card = ends(source.byte())
    while source:
        plain = CommandApdu(0x80, source.byte(), source.byte(), source.byte(), source.piece(), 256)
        answer = ResponseApdu(source.piece()[:256], STATUS_WORDS[source.byte() % len(STATUS_WORDS)])
        sent = host.wrap_command(plain)
        came = CommandApdu(sent.cla, sent.ins, sent.p1, sent.p2, changed(sent.data, source), sent.ne)
        try:
            seen = card.unwrap_command(came)
        except SecureMessagingError:
            assert came != sent
            assert card.closed
            return
        assert came == sent
        assert seen == plain.with_ne(271 if host.level.response_encrypted else 256)  # as much as the same blocks hold
        protected = card.wrap_response(answer)
        arrived = ResponseApdu(changed(protected.data, source), protected.sw)
        try:
            read = host.unwrap_response(arrived)
        except SecureMessagingError:
            assert arrived != protected
            assert host.closed
            return
        assert arrived == protected or not host.level.response_authenticated
        bare_error = host.level.response_authenticated and answer.sw not in {0x9000, 0x6310}
        assert arrived != protected or read == (ResponseApdu(b"", answer.sw) if bare_error else answer)


def check_answer(data: bytes) -> None:
    """An answer to INITIALIZE UPDATE is read and says the same again, or is refused with an error of ours."""
    for mode in (8, 16):
        with contextlib.suppress(EcitizenError):
            answer = CardAnswer.parse(data, mode)
            assert answer.encode() == data
            with contextlib.suppress(EcitizenError):
                HostChannel(session_keys(KEYS, HOST[:mode], answer.challenge), HOST[:mode], answer)


def check_put_key(data: bytes) -> None:
    """Keys come out only with the check values that prove them."""
    try:
        keys = decode_keys(KEYS.dek, data)
    except EcitizenError:
        return
    assert all(check_value(key) in data for key in keys)


def channel_seeds() -> Iterator[bytes]:
    for flags in (*range(len(LEVELS)), 0x80, 0xFF):
        exchange = bytes((0xE2, 0x01, 0x00)) + piece(b"name of a holder") + piece(b"recognised") + b"\x00"
        yield bytes((flags,)) + exchange + b"\x00\x00\x00" * 2 + exchange
        yield bytes((flags,)) + exchange + b"\x05\x01\x00\x01"
        yield bytes((flags,)) + exchange + b"\x00\x00\x00" + b"\x03\x01\xff\x01"


def answer_seeds() -> Iterator[bytes]:
    for sequence in (None, 7):
        yield CardAnswer(bytes(10), 0x30, OPTIONS, CARD[:8], bytes(8), sequence).encode()
        yield CardAnswer(bytes(10), 0x30, OPTIONS | Scp03Option.S16, CARD, bytes(16), sequence).encode()


def put_key_seeds() -> Iterator[bytes]:
    for length in (16, 24, 32):
        for clear_length in (True, False):
            yield encode_key(KEYS.dek, KeyBytes(bytes(length)), clear_length=clear_length) * 3


TARGETS = (
    Target("scp03", check_channel, channel_seeds, max_len=400, weight=6),
    Target("scp03_answer", check_answer, answer_seeds, max_len=60, weight=6),
    Target("put_key", check_put_key, put_key_seeds, max_len=200, weight=6),
)
