"""The card is pulled out at every exchange and at every write of its memory while it is changed.

As in test_issue_cuts.py, everywhere in `make soak`: the same call is made again, and nothing but what it names is
another than before.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from ecitizen.emulator.image import CardImage, Sections, Value
from ecitizen.issuing_ports import CardTask, TaskState
from ecitizen.key_providers import DiversifiedKeys
from ecitizen.model import Address, BilingualText
from ecitizen.secret import KeyBytes
from ecitizen.session import CardSession
from ecitizen.usecases.change_card import (
    lock_application,
    renew_card,
    retire_card,
    rotate_keys,
    unblock_card,
    unlock_application,
)
from ecitizen.usecases.end_state import EndState
from ecitizen.usecases.update_card import update_card
from tests.flow.cutting import Act, CutAt, Scissors, Trial, campaign
from tests.flow.issued_cards import (
    NAME,
    P_256,
    at_an_issued_card,
    certificates_on,
    check_ended,
    check_pin,
    issued,
    state_of,
    uncut_issue,
)
from tests.issuing_desk import MOMENT, Desk, QuickAuthorities, memory_of, session_with

STATE_AFTER_RETIRING = 0xFF

CHANGES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "address": ("citizen_id", {"address": Address(house_no="1/2", road="ถนนสุขุมวิท", province="กรุงเทพมหานคร")}),
    "promotion": (
        "civil_servant",
        {"position": BilingualText("ครู", "Teacher")},
    ),
}


def changing(name: str) -> Trial:
    application, changes = CHANGES[name]

    def act(session: CardSession, desk: Desk) -> object:
        return update_card(session, application, changes, desk.office, moment=MOMENT)

    @cache
    def wanted() -> EndState:
        image, desk = Trial(at_an_issued_card, act, check_ended).run_uncut()
        return state_of(image, desk)

    def check(image: CardImage, desk: Desk) -> None:
        check_ended(image, desk)
        state = state_of(image, desk)
        assert state == wanted()
        before = uncut_issue()
        assert state.files[application] != before.files[application]
        assert {**state.files, application: b""} == {**before.files, application: b""}  # nothing else touched
        assert (state.registry, state.objects, state.tries) == (before.registry, before.objects, before.tries)

    return Trial(at_an_issued_card, act, check)


def renew(session: CardSession, desk: Desk) -> object:
    return renew_card(session, {0x9A: P_256}, desk.office, moment=MOMENT)


def check_renewed(image: CardImage, desk: Desk) -> None:
    check_ended(image, desk)
    assert state_of(image, desk) == uncut_issue()
    old = certificates_on(CardImage.in_memory(issued()[0]))
    assert len(certificates_on(image) - old) == len(old - certificates_on(image)) == 1


def unblock(session: CardSession, desk: Desk) -> object:
    return unblock_card(session, desk.office, deliver=desk.deliver, moment=MOMENT)


def check_unblocked(image: CardImage, desk: Desk) -> None:
    check_ended(image, desk)
    check_pin(image, desk)
    assert state_of(image, desk) == uncut_issue()


def at_a_blocked_card() -> tuple[Sections, Desk]:
    sections, desk = at_an_issued_card()
    return {**sections, "piv": {**sections["piv"], "pin_tries": 0}}, desk


def lock(session: CardSession, desk: Desk) -> object:
    return lock_application(session, "citizen_id", desk.office, moment=MOMENT)


def unlock(session: CardSession, desk: Desk) -> object:
    return unlock_application(session, "citizen_id", desk.office, moment=MOMENT)


@cache
def locked() -> tuple[Sections, Desk]:
    sections, desk = at_an_issued_card()
    image = CardImage.in_memory(sections)
    with session_with(image) as session:
        lock(session, desk)
    return memory_of(image), desk


def at_a_locked_card() -> tuple[Sections, Desk]:
    return locked()[0], locked()[1].copy()


def check_locked(image: CardImage, desk: Desk) -> None:
    check_ended(image, desk)
    with session_with(image) as session:
        unlock(session, desk)
    assert state_of(image, desk) == uncut_issue()
    assert len(desk.delivered) == 0


def check_unlocked(image: CardImage, desk: Desk) -> None:
    check_ended(image, desk)
    assert state_of(image, desk) == uncut_issue()


NEW_KEYS = DiversifiedKeys(KeyBytes(bytes(range(16))), kvn=0x02)


def rotate(session: CardSession, desk: Desk) -> object:
    return rotate_keys(session, NEW_KEYS, desk.office, moment=MOMENT)


def check_rotated(image: CardImage, desk: Desk) -> None:
    check_ended(image, desk)
    later = Desk(desk.authorities, desk.journal, NEW_KEYS)
    state, before = state_of(image, later), uncut_issue()
    versions = {kvn for keys in state.keys.values() for _, kvn, _, _ in keys}
    assert versions == {0x02}
    assert state.keys.keys() == before.keys.keys()
    assert (state.files, state.registry, state.objects) == (before.files, before.registry, before.objects)
    management: Value = image.read("piv")["management_key"]
    assert management != issued()[0]["piv"]["management_key"]


def retire(session: CardSession, desk: Desk) -> object:
    return retire_card(session, desk.office, moment=MOMENT)


def check_retired(image: CardImage, desk: Desk) -> None:
    entry = desk.journal.latest(NAME)
    assert entry is not None
    assert entry.state is TaskState.DONE
    assert isinstance(desk.authorities, QuickAuthorities)
    assert desk.authorities.good(NAME) == []
    assert image.read("card")["life_cycle"] == STATE_AFTER_RETIRING


TRIALS = {
    "update an address": changing("address"),
    "update a promotion": changing("promotion"),
    "renew": Trial(at_an_issued_card, renew, check_renewed),
    "unblock": Trial(at_a_blocked_card, unblock, check_unblocked),
    "lock": Trial(at_an_issued_card, lock, check_locked),
    "unlock": Trial(at_a_locked_card, unlock, check_unlocked),
    "rotate keys": Trial(at_an_issued_card, rotate, check_rotated),
    "retire": Trial(at_an_issued_card, retire, check_retired),
}


@pytest.mark.parametrize("at", CutAt, ids=lambda at: at.name.lower())
@pytest.mark.parametrize("name", TRIALS)
def test_every_cut_is_survived(name: str, at: CutAt) -> None:
    campaign(name, TRIALS[name], at)


@pytest.mark.parametrize(("act", "kind"), [(renew, CardTask.RENEW), (retire, CardTask.RETIRE)])
def test_an_update_that_was_cut_keeps_a_card_from_nothing(act: Act, kind: CardTask) -> None:
    """It is whole at any time, so what was wanted of the card then may as well be given up."""
    scissors = Scissors(CutAt.RETURN, 6)
    image, desk = TRIALS["update an address"].run(scissors)
    entry = desk.journal.latest(NAME)
    assert entry is not None
    assert (entry.kind, entry.state, scissors.done) == (CardTask.UPDATE, TaskState.BEGUN, True)
    with session_with(image) as session:
        act(session, desk)
    entry = desk.journal.latest(NAME)
    assert entry is not None
    assert (entry.kind, entry.state) == (kind, TaskState.DONE)
