"""Cards for the cut campaigns: blank and issued ones with their office, and what must hold of them at the end."""

from dataclasses import replace
from functools import cache
from typing import Any

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage, Sections
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.issuing_ports import TaskState
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.usecases.end_state import EndState, end_state
from ecitizen.usecases.issue_card import issue_card
from ecitizen.usecases.issue_plan import CardOrder
from tests.flow.cutting import WHOLE
from tests.issuing_desk import MOMENT, SERIAL, Desk, QuickAuthorities, blank_card, memory_of, order_for, session_with

NAME = SERIAL.hex().upper()
P_256 = KeyAlgorithm.P_256


def order() -> CardOrder:
    if WHOLE:
        return order_for("wanida")
    whole = order_for("wanida", keys={0x9A: P_256, 0x9E: P_256}).applications
    few = {name: whole[name] for name in ("citizen_id", "civil_servant", "card_admin")}
    return CardOrder({**few, "citizen_id": _without_photo(few["citizen_id"])}, {0x9A: P_256, 0x9E: P_256})


def _without_photo(record: Any) -> Any:
    return replace(record, photo=None)


ORDER = order()


@cache
def authorities() -> QuickAuthorities:
    return QuickAuthorities.new()


def at_a_blank_card(protocol: CardProtocol = CardProtocol.T1) -> tuple[Sections, Desk]:
    return memory_of(blank_card(protocol)), Desk(authorities().copy())


def issue(session: CardSession, desk: Desk) -> object:
    return issue_card(session, ORDER, desk.office, deliver=desk.deliver, moment=MOMENT)


@cache
def issued() -> tuple[Sections, Desk, EndState]:
    sections, desk = at_a_blank_card()
    image = CardImage.in_memory(sections)
    with session_with(image) as session:
        issue(session, desk)
    found = memory_of(image)
    return found, desk, state_of(image, desk)


def state_of(image: CardImage, desk: Desk) -> EndState:
    with session_with(image) as session:
        return end_state(session, desk.office, MOMENT)


def at_an_issued_card() -> tuple[Sections, Desk]:
    sections, desk, _ = issued()
    return sections, desk.copy()


def certificates_on(image: CardImage) -> set[bytes]:
    """All that are on the card, found in its memory."""
    found = set()
    for name in image.sections():
        for key, value in image.read(name).items():
            if key == "application_certificate":
                assert isinstance(value, bytes)
                found.add(value)
    with session_with(image) as session:
        piv = PivSession.select(session)
        for slot in (Slot.AUTHENTICATION, Slot.SIGNATURE, Slot.KEY_MANAGEMENT, Slot.CARD_AUTHENTICATION):
            certificate = piv.certificate(slot)
            if certificate is not None:
                found.add(certificate)
    return found


def check_ended(image: CardImage, desk: Desk) -> None:
    """The journal says done; each good certificate is on the card, and each on the card is good."""
    entry = desk.journal.latest(NAME)
    assert entry is not None
    assert entry.state is TaskState.DONE
    assert isinstance(desk.authorities, QuickAuthorities)
    assert certificates_on(image) == set(desk.authorities.good(NAME))


def check_pin(image: CardImage, desk: Desk) -> None:
    """The codes that were delivered last are those of the card."""
    pin, _ = desk.delivered[-1]
    with session_with(image) as session:
        PivSession.select(session).verify_pin(Pin(pin))


def check_issued(image: CardImage, desk: Desk) -> None:
    check_ended(image, desk)
    check_pin(image, desk)
    assert state_of(image, desk) == uncut_issue()


@cache
def uncut_issue() -> EndState:
    return issued()[2]
