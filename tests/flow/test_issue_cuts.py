"""The card is pulled out at every exchange and at every write of its memory while it is issued; and the program ends.

Each time the same call is made again, and must end where an uncut one ends (`ecitizen.usecases.end_state`), with the
last codes that were delivered, and with no good certificate for a key that nobody has. `make soak` cuts everywhere, a
card with all its applications.
"""

import pytest

from ecitizen.emulator.image import CardImage
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.usecases.issue_card import issue_card
from tests.flow.cutting import WHOLE, CutAt, Trial, campaign
from tests.flow.issued_cards import (
    NAME,
    ORDER,
    at_a_blank_card,
    at_an_issued_card,
    authorities,
    certificates_on,
    check_issued,
    issue,
    state_of,
    uncut_issue,
)
from tests.issuing_desk import MOMENT, Desk, QuickAuthorities, blank_card, memory_of, session_with

PROTOCOLS = list(CardProtocol) if WHOLE else [CardProtocol.T1]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@pytest.mark.parametrize("at", CutAt, ids=lambda at: at.name.lower())
def test_every_cut_is_survived(at: CutAt, protocol: CardProtocol) -> None:
    campaign(f"issue, {protocol}", Trial(lambda: at_a_blank_card(protocol), issue, check_issued), at)


def test_twice_changes_nothing() -> None:
    sections, desk = at_an_issued_card()
    image = CardImage.in_memory(sections)
    with session_with(image) as session:
        done = issue_card(session, ORDER, desk.office, deliver=desk.deliver, moment=MOMENT)
    assert not done.changed
    assert memory_of(image) == sections
    assert desk.delivered == []
    assert isinstance(desk.authorities, QuickAuthorities)
    assert set(desk.authorities.good(NAME)) == certificates_on(image)


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
def test_the_state_is_the_same_on_both_protocols(protocol: CardProtocol) -> None:
    image, desk = blank_card(protocol), Desk(authorities().copy())
    with session_with(image) as session:
        issue(session, desk)
    assert state_of(image, desk) == uncut_issue()
