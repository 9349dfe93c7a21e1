"""Changing an issued card: one field of one application, keys, codes, locks, its end; and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cardapps.card_authorities import HierarchyAuthorities
from cardapps.hierarchy import Hierarchy
from cardapps.piv.driver import PivSession
from cardapps.portrait import portrait
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import card_from_image
from ecitizen.errors import AppNotFound, CardRemoved, PlanMismatch, UsageError, WrongCard
from ecitizen.globalplatform import DomainSession
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.issuing_ports import TaskState
from ecitizen.key_providers import DiversifiedKeys
from ecitizen.model import Address, BilingualText, CardDate, OfficialStatus, Photo
from ecitizen.secret import KeyBytes, Pin
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.change_card import (
    lock_application,
    plan_renewal,
    renew_card,
    retire_card,
    rotate_keys,
    unblock_card,
    unlock_application,
)
from ecitizen.usecases.issue_card import issue_card
from ecitizen.usecases.read_card import read_card
from ecitizen.usecases.update_card import plan_update, smallest_changes, update_card
from ecitizen.usecases.verify_card import verify_card
from ecitizen.verdict import CardVerdict
from tests.flow.cutting import CutAt, Scissors, inserted
from tests.issuing_desk import MOMENT, SERIAL, Desk, blank_card, copy_of, memory_of, order_for, session_with

NAME = SERIAL.hex().upper()
PICTURE = Path(__file__).parents[2] / "cardapps/personas/malee.jpg"
P_256 = KeyAlgorithm.P_256
ADDRESS = Address(house_no="1/2", road="ถนนสุขุมวิท", amphoe="เขตบางนา", province="กรุงเทพมหานคร")


@pytest.fixture(scope="module")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Hierarchy.open(tmp_path_factory.mktemp("change") / "hierarchy") as found:
        yield found


@pytest.fixture(scope="module")
def made(hierarchy: Hierarchy) -> Callable[[CardProtocol], Any]:
    """An official's card for each protocol, made once, with the statements of its journal."""
    cards: dict[CardProtocol, Any] = {}

    def make(protocol: CardProtocol) -> Any:
        if protocol not in cards:
            desk, image = Desk(HierarchyAuthorities(hierarchy)), blank_card(protocol, SERIAL[:7] + bytes((protocol,)))
            with session_with(image) as session:
                issue_card(session, order_for("wanida"), desk.office, deliver=desk.deliver, moment=MOMENT)
            cards[protocol] = memory_of(image)
        return cards[protocol]

    return make


@pytest.fixture(params=CardProtocol, ids=str)
def image(request: pytest.FixtureRequest, made: Callable[[CardProtocol], Any]) -> CardImage:
    return copy_of(made(request.param))


@pytest.fixture
def desk(hierarchy: Hierarchy) -> Desk:
    return Desk(HierarchyAuthorities(hierarchy))


def verdict(image: CardImage, hierarchy: Hierarchy) -> CardVerdict:
    return verify_card(VirtualReader(card_from_image(image)), trust=hierarchy.trust_folder).verdict


def reading(image: CardImage) -> Any:
    return read_card(VirtualReader(card_from_image(image)))


def differing(before: dict[str, Any], image: CardImage) -> set[tuple[str, str]]:
    """What is another in the card's memory, but for counters of channels."""
    after = memory_of(image)
    assert before.keys() == after.keys()
    return {
        (section, key)
        for section in after
        for key in before[section].keys() | after[section].keys()
        if before[section].get(key) != after[section].get(key) and not key.startswith("keys_")
    }


UPDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "moved": ("citizen_id", {"address": ADDRESS}),
    "hospital": ("health_insurance", {"main_hospital": "โรงพยาบาลบางนา", "hospital_changes": 3}),
    "promoted": ("civil_servant", {"position": BilingualText("ผู้อำนวยการ", "Director")}),
    "retired": ("civil_servant", {"status": OfficialStatus.RETIRED}),
    "suspended": ("civil_servant", {"status": OfficialStatus.SUSPENDED, "legal_reference": None}),
    "photo": ("citizen_id", {"photo": portrait(PICTURE.read_bytes())}),
    "laser": ("card_admin", {"laser_number": "JT0000000001"}),
}


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_changes_what_it_names(name: str, image: CardImage, desk: Desk, hierarchy: Hierarchy) -> None:
    application, changes = UPDATES[name]
    before, record = memory_of(image), reading(image).applications[application]
    with session_with(image) as session:
        plan = plan_update(session, application, changes, desk.office, moment=MOMENT)
    assert memory_of(image) == before
    with session_with(image) as session:
        done = update_card(session, application, changes, desk.office, moment=MOMENT)
    assert done.changed
    assert reading(image).applications[application] == replace(record, **changes)
    place = {"civil_servant": "officer", "card_admin": "state"}.get(application, "block0")
    assert differing(before, image) == {(application, place), (application, "security_object")}
    assert sum(length for _, length in plan.groupings) < 5200
    assert verdict(image, hierarchy) is CardVerdict.GENUINE
    with session_with(image) as session:
        again = update_card(session, application, changes, desk.office, moment=MOMENT)
    assert not again.changed


def test_the_smallest_changes() -> None:
    old, new = b"0123456789" * 10, b"0123x56789" * 2 + b"0123456789" * 8
    assert [(each.dgi, each.value) for each in smallest_changes({0x0101: old}, {0x0101: new})] == [
        (0x8101, b"\x00\x04x"),
        (0x8101, b"\x00\x0ex"),
    ]
    near = b"ab23cd6789" + old[10:]
    [one] = smallest_changes({0x0101: old}, {0x0101: near})
    assert (one.dgi, one.value) == (0x8101, b"\x00\x00ab23cd")
    [whole] = smallest_changes({0x0101: old}, {0x0101: old + b"x"})
    assert (whole.dgi, whole.value) == (0x0101, old + b"x")
    assert smallest_changes({0x0101: old}, {0x0101: old}) == []


@pytest.mark.parametrize(
    ("application", "changes", "error"),
    [
        pytest.param("farmer", {"name": "x"}, UsageError, id="application"),
        pytest.param("citizen_id", {}, UsageError, id="nothing"),
        pytest.param("citizen_id", {"colour": "red"}, UsageError, id="field"),
        pytest.param("citizen_id", {"cid": "1999900100426"}, PlanMismatch, id="check digit"),
        pytest.param("citizen_id", {"cid": None}, PlanMismatch, id="required"),
        pytest.param("citizen_id", {"issue_place": "a\x1b[2J"}, PlanMismatch, id="control character"),
        pytest.param("citizen_id", {"layout_version": "0002"}, PlanMismatch, id="layout"),
        pytest.param("citizen_id", {"expiry_date": CardDate.parse("25010101")}, PlanMismatch, id="dates"),
        pytest.param("citizen_id", {"photo": Photo(b"x" * 5200)}, PlanMismatch, id="photo"),
        pytest.param("civil_servant", {"officer_number": None}, PlanMismatch, id="number"),
        pytest.param("civil_servant", {"officer_number": "ก"}, PlanMismatch, id="letters"),
        pytest.param("card_admin", {"chip_serial": "00" * 8}, PlanMismatch, id="the chip's own"),
    ],
)
def test_updates_that_can_not_be(
    application: str, changes: dict[str, Any], error: type[Exception], desk: Desk, made: Callable[[CardProtocol], Any]
) -> None:
    image = copy_of(made(CardProtocol.T1))
    before = memory_of(image)
    with session_with(image) as session, pytest.raises(error):
        update_card(session, application, changes, desk.office, moment=MOMENT)
    assert memory_of(image) == before
    assert desk.journal.latest(NAME[:14] + "01") is None


def test_a_card_without_the_application(desk: Desk) -> None:
    with session_with(blank_card()) as session, pytest.raises(WrongCard, match="no readable application"):
        update_card(session, "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT)


def test_an_agency_can_not_write_anothers_application(desk: Desk, made: Callable[[CardProtocol], Any]) -> None:
    """The health office's keys open no channel to the citizen application."""
    image = copy_of(made(CardProtocol.T1))
    scheme = desk.office.scheme
    health = next(each for each in scheme.domains if "health_insurance" in each.applications)
    with session_with(image) as session:
        selected = DomainSession.select(session, scheme.drivers["citizen_id"].aid, chip_serial=SERIAL)
        with pytest.raises(Exception, match="keys") as caught:
            selected.open_channel(desk.office.keys, keys_of=health.aid)
    assert caught.type.__name__ == "CryptogramWrong"


def test_new_keys_and_certificates(image: CardImage, desk: Desk, hierarchy: Hierarchy) -> None:
    before = memory_of(image)
    with session_with(image) as session:
        assert plan_renewal(session, {0x9A: P_256}, desk.office, moment=MOMENT).keys == {0x9A: P_256}
        assert memory_of(image) == before
        done = renew_card(session, {0x9A: P_256, 0x9C: KeyAlgorithm.P_384}, desk.office, moment=MOMENT)
    assert done.revoked >= 2
    assert differing(before, image) == {
        ("piv", "key 9A"),
        ("piv", "key 9C"),
        ("piv", "object 5FC105"),
        ("piv", "object 5FC10A"),
    }
    assert verdict(image, hierarchy) is CardVerdict.GENUINE
    for keys in ({0x9E: P_256}, {0x9D: P_256}, {}, {0x9A: KeyAlgorithm.X25519}):
        with session_with(image) as session, pytest.raises(PlanMismatch):
            renew_card(session, keys, desk.office, moment=MOMENT)


def test_unblocking_by_the_offices_right(image: CardImage, desk: Desk) -> None:
    image.read("piv").write({"pin_tries": 0})
    puk = image.read("piv")["puk"]
    with session_with(image) as session:
        unblock_card(session, desk.office, deliver=desk.deliver, moment=MOMENT)
    [(pin, no_puk)] = desk.delivered
    assert no_puk is None
    assert image.read("piv")["puk"] == puk
    with session_with(image) as session:
        PivSession.select(session).verify_pin(Pin(pin))


def test_locking_one_application(image: CardImage, desk: Desk, hierarchy: Hierarchy) -> None:
    for name in ("health_insurance", "piv"):
        with session_with(image) as session:
            assert lock_application(session, name, desk.office, moment=MOMENT).changed
            assert not lock_application(session, name, desk.office, moment=MOMENT).changed
    found = reading(image)
    assert found.health_insurance is None
    assert found.citizen_id is not None
    with session_with(image) as session, pytest.raises(AppNotFound):
        PivSession.select(session)
    for name in ("health_insurance", "piv"):
        with session_with(image) as session:
            assert unlock_application(session, name, desk.office, moment=MOMENT).changed
    assert verdict(image, hierarchy) is CardVerdict.GENUINE


def test_a_lock_of_what_is_not_there(desk: Desk) -> None:
    image = blank_card()
    with session_with(image) as session, pytest.raises(WrongCard, match="no application"):
        lock_application(session, "citizen_id", desk.office, moment=MOMENT)
    with session_with(image) as session, pytest.raises(UsageError, match="no application farmer"):
        lock_application(session, "farmer", desk.office, moment=MOMENT)


def test_keys_of_another_master(image: CardImage, desk: Desk, hierarchy: Hierarchy) -> None:
    new = DiversifiedKeys(KeyBytes(bytes(32)), kvn=0x02)
    with session_with(image) as session:
        assert rotate_keys(session, new, desk.office, moment=MOMENT).changed
        assert not rotate_keys(session, new, desk.office, moment=MOMENT).changed
        with pytest.raises(WrongCard, match="key versions 02"):
            update_card(session, "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT)
        with pytest.raises(UsageError, match="another version"):
            rotate_keys(session, desk.office.keys, desk.office, moment=MOMENT)
    later = Desk(desk.authorities, keys=new)
    with session_with(image) as session:
        update_card(session, "citizen_id", {"address": ADDRESS}, later.office, moment=MOMENT)
    assert verdict(image, hierarchy) is CardVerdict.GENUINE


def test_an_update_that_was_cut_can_be_given_up_for_another(desk: Desk, made: Callable[[CardProtocol], Any]) -> None:
    image = copy_of(made(CardProtocol.T1))
    with inserted(image, Scissors(CutAt.COMMAND, 20)) as session, pytest.raises(CardRemoved):
        update_card(session, "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT)
    with session_with(image) as session:
        update_card(session, "civil_servant", {"status": OfficialStatus.RETIRED}, desk.office, moment=MOMENT)
    entry = desk.journal.latest(NAME[:14] + "01")
    assert entry is not None
    assert entry.state is TaskState.DONE


def test_a_renewal_that_was_cut_comes_first(desk: Desk, made: Callable[[CardProtocol], Any]) -> None:
    image = copy_of(made(CardProtocol.T1))
    with inserted(image, Scissors(CutAt.COMMAND, 16)) as session, pytest.raises(CardRemoved):
        renew_card(session, {0x9A: P_256}, desk.office, moment=MOMENT)
    with session_with(image) as session:
        acts: list[Callable[[], object]] = [
            lambda: update_card(session, "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT),
            lambda: renew_card(session, {0x9C: P_256}, desk.office, moment=MOMENT),
            lambda: retire_card(session, desk.office, moment=MOMENT),
        ]
        for act in acts:
            with pytest.raises(WrongCard, match="unfinished task"):
                act()
        renew_card(session, {0x9A: P_256}, desk.office, moment=MOMENT)
        update_card(session, "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT)


def test_the_end_of_a_card(image: CardImage, desk: Desk, hierarchy: Hierarchy) -> None:
    """Last in this module: it revokes the certificates of the cards made above."""
    with session_with(image) as session:
        assert retire_card(session, desk.office, moment=MOMENT).revoked > 0
        assert not retire_card(session, desk.office, moment=MOMENT).changed
        with pytest.raises(WrongCard):
            update_card(session, "citizen_id", {"address": ADDRESS}, desk.office, moment=MOMENT)
    assert reading(image).citizen_id is None
