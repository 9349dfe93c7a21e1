"""An answer is spoiled on its way while a card is issued: nothing but our own errors comes of it, no card is lost, and
the same call made again ends as it should.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest

from ecitizen.emulator.personalise import card_from_image
from ecitizen.errors import CardError, CardProtocolError, EcitizenError
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader, VirtualTransport
from tests.flow.cutting import WHOLE
from tests.flow.issued_cards import NAME, at_a_blank_card, check_issued, issue
from tests.issuing_desk import Desk, copy_of, session_with

STRIDE = 1 if WHOLE else 18
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda answer: answer[:1],
    "cut off": lambda answer: answer[: len(answer) // 2] + answer[-2:],
    "a bit": lambda answer: answer[:5] + bytes((answer[5] ^ 0x10,)) + answer[6:] if len(answer) > 7 else b"\x6f\x01",
    "refused": lambda _: b"\x69\x85",
    "longer": lambda answer: b"\x00" * 3 + answer,
}


class BadTransport(VirtualTransport):
    """A way to the card on which one answer is spoiled."""

    def __init__(self, reader: VirtualReader, at: int, spoil: Callable[[bytes], bytes]) -> None:
        assert reader.card is not None
        super().__init__(reader, reader.card)
        self._at = at
        self._spoil = spoil
        self.count = 0

    def transmit(self, command: bytes) -> bytes:
        self.count += 1
        answer = super().transmit(command)
        return self._spoil(answer) if self.count == self._at else answer


def issued_over(transport: BadTransport, desk: Desk) -> None:
    with CardSession(transport) as session:
        issue(session, desk)


@cache
def exchanges() -> int:
    """How many an issuing takes."""
    sections, desk = at_a_blank_card()
    transport = BadTransport(VirtualReader(card_from_image(copy_of(sections))), 0, bytes)
    issued_over(transport, desk)
    return transport.count


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_answer_loses_no_card(how: str) -> None:
    first = 1 + 3 * list(SPOILT).index(how) % STRIDE  # each kind elsewhere
    places = range(first, exchanges() + 1, STRIDE)
    survived = 0
    for at in places:
        sections, desk = at_a_blank_card()
        image = copy_of(sections)
        transport = BadTransport(VirtualReader(card_from_image(image)), at, SPOILT[how])
        with suppress(CardError, CardProtocolError):  # and no other kind
            issued_over(transport, desk)
        assert desk.journal.spoiled(NAME) is None, at
        try:
            with session_with(image) as session:
                issue(session, desk)
        except EcitizenError as error:
            pytest.fail(f"{how} at exchange {at}: {error!r}")
        check_issued(image, desk)
        survived += 1
    print(f"an answer {how}: {survived} of {len(places)} places survived")
    assert survived == len(places)
