"""Host side of an application's seals: reading the two EFs of the application that is selected."""

from ecitizen.errors import CardError, CardProtocolError, DecodeError, StatusError, TransmitFailed
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_SHORT
from ecitizen.session import CardSession

from .seal_files import FILE_MAX_LEN

_ABSENT = frozenset({0x69, 0x6A, 0x6D, 0x6E})
"""SW1 of a card that has no such file, or does not know the command there."""
_BLANK = b"\x00\xff"


def read_seal(session: CardSession, sfi: int) -> bytes | None:
    """The content of an EF, as far as its outer DER value goes; None if the card has it not, or nothing in it.

    What is no DER value comes as the first piece of it. Raise StatusError for other refusals, DecodeError for a file
    that ends too early, and what else a card can do wrong.
    """
    try:
        content = session.read_binary(0, NE_SHORT, sfi=sfi)
    except StatusError as error:
        if error.sw >> 8 in _ABSENT:
            return None
        raise
    if not content.strip(_BLANK):
        return None
    total = _total_len(content)
    while len(content) < total:
        content += _read_on(session, len(content), total)
    return content[:total]


def _total_len(content: bytes) -> int:
    try:
        total = tlv.total_len(content)
    except DecodeError:
        total = None
    return len(content) if total is None else min(total, FILE_MAX_LEN)


def _read_on(session: CardSession, offset: int, end: int) -> bytes:
    """All the rest at once where card and reader take extended length, else a short piece of it."""
    if session.link.extended_length and end - offset > NE_SHORT:
        try:
            return session.read_binary(offset, end - offset)
        except (CardError, CardProtocolError, TransmitFailed):
            session.require_whole_channel()
            session.link.extended_length = False
    return session.read_binary(offset, min(NE_SHORT, end - offset))
