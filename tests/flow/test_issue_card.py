"""Issuing a card: what is ordered is on it, what is wrong is said before it is touched, and no card is done twice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cardapps.card_authorities import HierarchyAuthorities
from cardapps.hierarchy import Hierarchy
from cardapps.piv.driver import PivSession
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import card_from_image
from ecitizen.errors import (
    CardRemoved,
    CardSpoiled,
    CryptogramWrong,
    FileFailed,
    JournalFailed,
    KeyIncorrect,
    PinIncorrect,
    PlanMismatch,
    StatusError,
    WrongCard,
)
from ecitizen.globalplatform import DomainSession
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.iso7816.globalplatform import CardLifeCycle
from ecitizen.issuing_ports import TaskState
from ecitizen.key_providers import DiversifiedKeys, KeyContext, StaticKeys
from ecitizen.model import BilingualText, CardAdmin, CardDate, CitizenId, HealthInsurance, OfficialStatus, Photo
from ecitizen.registry.journal import SqliteJournal
from ecitizen.secret import KeyBytes, Pin
from ecitizen.secure_channel.handshake import Scp03Keys
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.issue_card import IssuedCard, issue_card, plan_issue_on
from ecitizen.usecases.issue_plan import CardOrder, plan_issue
from ecitizen.usecases.read_card import read_card
from ecitizen.usecases.verify_card import verify_card
from ecitizen.verdict import CardVerdict
from tests.flow.cutting import CutAt, Scissors, inserted
from tests.issuing_desk import MOMENT, SERIAL, Desk, QuickAuthorities, blank_card, memory_of, order_for, session_with

NAME = SERIAL.hex().upper()
ORDER = order_for("boonmee")
P_256 = KeyAlgorithm.P_256


@pytest.fixture(scope="module")
def quick() -> QuickAuthorities:
    return QuickAuthorities.new()


@pytest.fixture
def desk(quick: QuickAuthorities) -> Desk:
    return Desk(quick.copy())


def issue(desk: Desk, image: CardImage, order: CardOrder = ORDER) -> IssuedCard:
    with session_with(image) as session:
        return issue_card(session, order, desk.office, deliver=desk.deliver, moment=MOMENT)


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
@pytest.mark.parametrize("persona", ["wanida", "somchai", "thongdee"])
def test_an_issued_card_is_genuine_and_says_what_was_ordered(
    persona: str, protocol: CardProtocol, tmp_path: Path
) -> None:
    """Read and verified by the plain readers, with the test hierarchy's trust."""
    with Hierarchy.open(tmp_path / "hierarchy") as hierarchy:
        image, order = blank_card(protocol), order_for(persona)
        done = issue(Desk(HierarchyAuthorities(hierarchy)), image, order)
        assert (done.card_serial, done.changed, done.resumed, done.revoked) == (NAME, True, False, 0)
        reader = VirtualReader(card_from_image(image))
        found = read_card(reader)
        for name, record in order.applications.items():
            known = replace(record, chip_serial=NAME) if isinstance(record, CardAdmin) else record
            assert found.applications[name] == known, name
        verified = verify_card(reader, trust=hierarchy.trust_folder)
        assert verified.verdict is CardVerdict.GENUINE
        assert {finding.means for finding in verified.findings} == {None}


def test_each_agency_has_its_own_keys_and_nobody_knows_the_codes(desk: Desk) -> None:
    image = blank_card()
    issue(desk, image)
    [(pin, puk)] = desk.delivered
    assert len(pin) == 6
    assert puk is not None
    assert len(puk) == 8
    memory = memory_of(image)
    keys = {str(values["keys_01"]["enc"]) for values in memory.values() if "keys_01" in values}  # type: ignore[index,call-overload]
    assert (
        len(keys) == len([name for name in memory if "keys_01" in memory[name]]) == 5
    )  # a domain each, and the issuer
    assert not any(name.startswith("keys_") and name != "keys_01" for values in memory.values() for name in values)
    with session_with(image) as session:
        piv = PivSession.select(session)
        with pytest.raises(PinIncorrect):
            piv.verify_pin(Pin("123456"))
        piv.verify_pin(Pin(pin))
        piv.authenticate_management(desk.office.keys.management_key(_context(desk)))
        with pytest.raises(StatusError):  # nobody writes without the domain's keys
            session.command(CommandApdu(0x80, 0xE2, 0x88, 0, b"\x01\x01\x01\x00"), "storing")


def _context(desk: Desk) -> KeyContext:
    domain = next(each for each in desk.office.scheme.domains if "piv" in each.applications)
    return KeyContext(domain.aid, SERIAL)


def test_two_cards_have_other_codes_and_keys(desk: Desk) -> None:
    one, other = blank_card(), blank_card(serial=SERIAL[::-1])
    issue(desk, one)
    issue(desk, other)
    assert len(set(desk.delivered)) == 2
    assert one.read("card")["keys_01"] != other.read("card")["keys_01"]


def test_other_keys_than_the_usual_ones(desk: Desk) -> None:
    image = blank_card()
    issue(desk, image, order_for("somchai", keys={0x9A: KeyAlgorithm.P_384, 0x9E: P_256}))
    assert [name for name in image.read("piv") if name.startswith("key ")] == ["key 9A", "key 9E"]


def test_a_card_without_keys_is_not_sealed(desk: Desk) -> None:
    image = blank_card()
    done = issue(desk, image, order_for("somchai", keys={}))
    assert not any(plan.sealed for plan in done.plan.applications)
    assert desk.delivered == []
    assert "piv" not in image.sections()
    assert read_card(VirtualReader(card_from_image(image))).citizen_id is not None


# Before the card is touched


def changed(name: str, **changes: Any) -> CardOrder:
    record: Any = ORDER.applications[name]
    return replace(ORDER, applications={**ORDER.applications, name: replace(record, **changes)})


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(CardOrder({}), ("card", None, "empty"), id="nothing"),
        pytest.param(CardOrder({"farmer": CitizenId()}), ("farmer", None, "unknown"), id="unknown"),
        pytest.param(CardOrder({"citizen_id": HealthInsurance()}), ("citizen_id", None, "unknown"), id="another"),
        pytest.param(
            changed("citizen_id", cid="1999900100426"), ("citizen_id", "cid", "not_encodable"), id="check digit"
        ),
        pytest.param(changed("citizen_id", cid=None), ("citizen_id", "cid", "blank"), id="no number"),
        pytest.param(
            changed("citizen_id", issue_place="é"), ("citizen_id", "issue_place", "not_encodable"), id="TIS-620"
        ),
        pytest.param(
            changed("citizen_id", issue_place="ก" * 101), ("citizen_id", "issue_place", "not_encodable"), id="long"
        ),
        pytest.param(
            changed("citizen_id", birth_date=CardDate.parse("26990101")),
            ("citizen_id", "issue_date", "order"),
            id="dates",
        ),
        pytest.param(
            changed("citizen_id", expiry_date=CardDate.parse("25660101"), issue_date=CardDate.parse("25650101")),
            ("citizen_id", "expiry_date", "expired"),
            id="expired",
        ),
        pytest.param(changed("citizen_id", expiry_date=None), ("citizen_id", "expiry_date", "blank"), id="no date"),
        pytest.param(
            changed("citizen_id", photo=Photo(b"\xff\xd8\xff\xd9" * 1500)),
            ("citizen_id", "photo", "not_encodable"),
            id="photo",
        ),
        pytest.param(
            changed("citizen_id", photo=Photo(b"GIF89a")), ("citizen_id", "photo", "not_encodable"), id="no photo"
        ),
        pytest.param(
            changed("citizen_id", layout_version="0009"),
            ("citizen_id", "layout_version", "unknown_layout"),
            id="layout",
        ),
        pytest.param(
            changed("health_insurance", hospital_changes=10),
            ("health_insurance", "hospital_changes", "not_encodable"),
            id="count",
        ),
        pytest.param(
            changed("card_admin", laser_number="JT9"), ("card_admin", "laser_number", "not_encodable"), id="laser"
        ),
        pytest.param(
            changed("card_admin", chip_serial="12"), ("card_admin", "chip_serial", "not_encodable"), id="no serial"
        ),
        pytest.param(
            changed("health_insurance", expiry_date=CardDate.parse("24000101")),
            ("health_insurance", "expiry_date", "order"),
            id="entitlement",
        ),
        pytest.param(
            changed("civil_servant", officer_number="ก"),
            ("civil_servant", "officer_number", "not_encodable"),
            id="officer",
        ),
        pytest.param(changed("civil_servant", status=None), ("civil_servant", "status", "blank"), id="status"),
        pytest.param(
            changed("civil_servant", ministry=BilingualText("\ud800", "")),
            ("civil_servant", "ministry", "not_encodable"),
            id="half a character",
        ),
        pytest.param(
            changed("civil_servant", ministry=BilingualText("ก" * 11_000, "")),
            ("civil_servant", None, "not_encodable"),
            id="too long",
        ),
        pytest.param(
            changed(
                "civil_servant",
                expiry_date=CardDate.parse("25500101"),
                appointed_date=CardDate.parse("25600101"),
                status=OfficialStatus.RETIRED,
            ),
            ("civil_servant", "expiry_date", "order"),
            id="service",
        ),
        pytest.param(
            changed(
                "civil_servant",
                expiry_date=CardDate.parse("25660101"),
                appointed_date=None,
                status=OfficialStatus.ACTIVE,
            ),
            ("civil_servant", "expiry_date", "expired"),
            id="active after the end",
        ),
        pytest.param(replace(ORDER, keys={0x82: P_256, 0x9E: P_256}), ("piv", "82", "key"), id="slot"),
        pytest.param(replace(ORDER, keys={0x9A: P_256}), ("piv", "9E", "key"), id="no binding key"),
        pytest.param(replace(ORDER, keys={0x9E: KeyAlgorithm.ED25519}), ("piv", "9E", "key"), id="kind of key"),
        pytest.param(
            CardOrder({"card_admin": ORDER.applications["card_admin"]}), ("piv", "9A", "key"), id="keys of nobody"
        ),
        pytest.param(
            replace(changed("card_admin", chip_serial=NAME[::-1]), chip_serial=SERIAL),
            ("card_admin", "chip_serial", "order"),
            id="two chips",
        ),
    ],
)
def test_what_is_wrong_is_found_before_the_card_is_touched(
    desk: Desk, order: CardOrder, expected: tuple[str, str | None, str]
) -> None:
    image = blank_card()
    before = memory_of(image)
    with pytest.raises(PlanMismatch) as caught:
        issue(desk, image, order)
    assert expected in {(each.application, each.field, each.code) for each in caught.value.problems}
    assert memory_of(image) == before
    assert desk.journal.latest(NAME) is None


def test_a_name_that_no_certificate_has_is_found_too(desk: Desk) -> None:
    """On the card it fits; an authority would refuse it half way."""
    citizen = ORDER.applications["citizen_id"]
    assert isinstance(citizen, CitizenId)
    assert citizen.name_en is not None
    order = changed(
        "citizen_id",
        name_en=replace(citizen.name_en, prefix="\x07"),
    )
    with pytest.raises(PlanMismatch, match="printed"):
        issue(desk, blank_card(), order)


@pytest.mark.parametrize(
    "character",
    ["\x1b", "\x00", "\n", "\x7f", "\x85", "\x9b", "\u202e", "\u2066", "\u2028", "\u2029", "\u200b", "\ufeff"],
    ids=lambda each: f"U+{ord(each):04X}",
)
def test_characters_that_nobody_sees_are_not_written(desk: Desk, character: str) -> None:
    """A terminal, or whatever else shows the card, might obey them."""
    address = ORDER.applications["citizen_id"]
    assert isinstance(address, CitizenId)
    assert address.address is not None
    for field, value in {
        "issue_place": f"a{character}[2J",
        "address": replace(address.address, road=f"{character}ถนน"),
    }.items():
        with pytest.raises(PlanMismatch, match=f"U\\+{ord(character):04X}") as caught:
            plan_issue(changed("citizen_id", **{field: value}), desk.office.scheme, desk.office.authorities, MOMENT)
        assert {each.field for each in caught.value.problems} == {field}


@pytest.mark.parametrize("issuer", ["กรมการปกครอง", "Office\x1b[2J", "Office\u202e"], ids=["Thai", "C0", "bidi"])
def test_an_office_whose_name_can_not_be_printed_issues_nothing(desk: Desk, issuer: str) -> None:
    scheme = replace(desk.office.scheme, issuer=issuer)
    with pytest.raises(PlanMismatch) as caught:
        plan_issue(ORDER, scheme, desk.office.authorities, MOMENT)
    assert [(each.application, each.field) for each in caught.value.problems] == [("piv", "issuer")]
    plan_issue(replace(ORDER, keys={}), scheme, desk.office.authorities, MOMENT)  # which prints no name


def test_all_problems_come_at_once_and_say_no_personal_data(desk: Desk) -> None:
    order = changed("citizen_id", cid="1999900100426", issue_place="é" * 200)
    with pytest.raises(PlanMismatch) as caught:
        plan_issue(order, desk.office.scheme, desk.office.authorities, MOMENT)
    assert [each.field for each in caught.value.problems] == ["cid", "issue_place"]
    assert "1999900100426" not in str(caught.value)
    plan = plan_issue(ORDER, desk.office.scheme, desk.office.authorities, MOMENT)
    citizen = ORDER.applications["citizen_id"]
    assert isinstance(citizen, CitizenId)
    for text in (repr(ORDER), repr(plan), repr(plan.steps)):
        assert str(citizen.cid) not in text
        assert str(citizen.name_en) not in text


def test_a_plan_says_what_will_be_written(desk: Desk) -> None:
    plan = plan_issue(ORDER, desk.office.scheme, desk.office.authorities, MOMENT)
    names = [step.name for step in plan.steps]
    assert names[0] == "domain interior"
    assert names[-3:] == ["read back", "rotate", "secured"]
    image = blank_card()
    issue(desk, image)
    entry = desk.journal.latest(NAME)
    assert entry is not None
    undone = {"read back"}  # which writes nothing
    assert set(names) - undone <= set(entry.done)
    stored = {step.name: step.content_len for step in plan.steps}
    assert stored["store citizen_id"] == 5950


# The wrong card


def test_a_card_that_is_not_blank(desk: Desk) -> None:
    image = blank_card()
    issue(desk, image)
    before = memory_of(image)
    for order in (order_for("somchai"), replace(ORDER, keys={0x9E: P_256})):
        with pytest.raises(WrongCard, match="issued already"):
            issue(desk, image, order)
    assert memory_of(image) == before
    other = Desk(desk.authorities)  # an office that knows nothing of it
    with pytest.raises(WrongCard, match="not blank"):
        issue(other, image)
    assert len(desk.delivered) == 1


def test_another_card_than_the_order_names(desk: Desk) -> None:
    for order in (replace(ORDER, chip_serial=SERIAL[::-1]), changed("card_admin", chip_serial="00" * 8)):
        with pytest.raises(WrongCard, match="take the right one"):
            issue(desk, blank_card(), order)
    assert desk.journal.latest(NAME) is None
    issue(desk, blank_card(), replace(ORDER, chip_serial=SERIAL))


def test_keys_that_are_not_the_offices(desk: Desk) -> None:
    image = blank_card()
    other_transport = Scp03Keys.same(KeyBytes(bytes(16)), 0x30)
    desk.office = replace(desk.office, transport=StaticKeys(other_transport))
    with pytest.raises(CryptogramWrong):
        issue(desk, image)
    desk.office = replace(desk.office, transport=StaticKeys(Scp03Keys.same(KeyBytes(bytes(16)), 0x31)))
    with pytest.raises(WrongCard, match="key versions 30"):
        issue(desk, image)
    assert image.read("card")["keys_30"]["tries"] == 10  # type: ignore[index,call-overload]  # no try was lost
    assert desk.journal.latest(NAME) is None


def test_an_unfinished_card_is_finished_with_its_own_order_only(desk: Desk) -> None:
    image = blank_card()
    stop_after(desk, image, 60)
    with pytest.raises(WrongCard, match="unfinished task"):
        issue(desk, image, order_for("somchai"))
    done = issue(desk, image)
    assert (done.resumed, done.changed) == (True, True)


def stop_after(desk: Desk, image: CardImage, exchanges: int, order: CardOrder = ORDER) -> None:
    with inserted(image, Scissors(CutAt.COMMAND, exchanges)) as session, pytest.raises(CardRemoved):
        issue_card(session, order, desk.office, deliver=desk.deliver, moment=MOMENT)


def test_the_plan_for_the_card_in_the_reader_touches_nothing(desk: Desk) -> None:
    image = blank_card()

    def look(order: CardOrder = ORDER) -> str:
        before, journal = memory_of(image), desk.state()
        with session_with(image) as session:
            found = plan_issue_on(session, order, desk.office, moment=MOMENT)
        assert (memory_of(image), desk.state()) == (before, journal)
        assert found.card_serial == NAME
        return found.state

    assert look() == "blank"
    stop_after(desk, image, 60)
    assert look() == "unfinished"
    issue(desk, image)
    assert look() == "issued"
    with pytest.raises(WrongCard, match="issued already"):
        look(order_for("somchai"))
    desk.office = replace(desk.office, journal=SqliteJournal.in_memory())
    with pytest.raises(WrongCard, match="not blank"):
        look()


# What happens on the way


class OtherKeys(DiversifiedKeys):
    """Keys whose check values are not those that a card finds: as if the card had taken others than it was given."""

    def check_values(self, card: KeyContext) -> tuple[bytes, bytes, bytes]:
        return bytes(3), bytes(3), bytes(3)


def test_check_values_of_other_keys_spoil_the_card(desk: Desk) -> None:
    """A domain that took other keys than it was given: nobody can open it any more."""
    desk.office = replace(desk.office, keys=OtherKeys(KeyBytes(bytes(16))))
    with pytest.raises(CardSpoiled) as caught:
        issue(desk, blank_card())
    assert caught.value.reason == "keys"
    assert desk.journal.spoiled(NAME) == "keys"


def test_codes_that_could_not_be_delivered_are_made_anew(desk: Desk) -> None:
    image = blank_card()

    def fails(pin: Pin, puk: Pin | None) -> None:
        desk.deliver(pin, puk)
        raise FileFailed("the pipe is closed")

    with session_with(image) as session, pytest.raises(FileFailed):
        issue_card(session, ORDER, desk.office, deliver=fails, moment=MOMENT)
    assert image.read("card")["life_cycle"] != CardLifeCycle.SECURED
    issue(desk, image)
    first, second = desk.delivered
    assert first != second
    with session_with(image) as session:
        PivSession.select(session).verify_pin(Pin(second[0]))


def test_no_journal_no_card(desk: Desk) -> None:
    image = blank_card()
    before = memory_of(image)
    desk.journal.close()
    with pytest.raises(JournalFailed):
        issue(desk, image)
    assert memory_of(image) == before


def spoil(image: CardImage, section: str, key: str, change: Callable[[Any], Any]) -> None:
    value = image.read(section)[key]
    image.read(section).write({key: change(value)})


def test_a_card_that_says_something_else_is_spoiled(desk: Desk) -> None:
    """A bit of the memory has turned over between writing and reading back."""
    image = blank_card()
    stop_after(desk, image, 150)
    entry = desk.journal.latest(NAME)
    assert entry is not None
    assert "store citizen_id" in entry.done
    spoil(image, "citizen_id", "block0", lambda content: content[:300] + bytes((content[300] ^ 1,)) + content[301:])
    with pytest.raises(CardSpoiled) as caught:
        issue(desk, image)
    assert caught.value.reason == "read_back"
    assert desk.journal.spoiled(NAME) == "read_back"
    with pytest.raises(CardSpoiled, match="keep it apart"):
        issue(desk, image)
    assert desk.delivered == []


def test_a_card_with_something_on_it_that_was_not_ordered_is_spoiled(desk: Desk) -> None:
    image = blank_card()
    order = replace(ORDER, applications={"citizen_id": ORDER.applications["citizen_id"]})
    stop_after(desk, image, 30, order)
    with session_with(image) as session:
        domain = DomainSession.select(session)
        domain.open_channel(StaticKeys.published())
        aid = desk.office.scheme.drivers["health_insurance"].aid
        domain.install_and_make_selectable(desk.office.scheme.load_file, aid, aid)
    with pytest.raises(CardSpoiled, match="not ordered"):
        issue(desk, image, order)


def test_a_card_that_was_locked_meanwhile_is_spoiled(desk: Desk) -> None:
    image = blank_card()
    stop_after(desk, image, 60)
    with session_with(image) as session:
        domain = DomainSession.select(session)
        domain.open_channel(StaticKeys.published())
        for state in (CardLifeCycle.SECURED, CardLifeCycle.CARD_LOCKED):
            domain.set_card_status(state)
    with pytest.raises(CardSpoiled, match="CARD_LOCKED"):
        issue(desk, image)


def test_another_master_key_spoils_nothing(desk: Desk) -> None:
    image = blank_card()
    stop_after(desk, image, 120)
    right = desk.office
    desk.office = replace(right, keys=DiversifiedKeys(KeyBytes(bytes(16))))
    with pytest.raises((CryptogramWrong, KeyIncorrect)):
        issue(desk, image)
    assert desk.journal.spoiled(NAME) is None
    desk.office = right
    assert issue(desk, image).resumed
    entry = desk.journal.latest(NAME)
    assert entry is not None
    assert entry.state is TaskState.DONE


def test_the_journal_has_no_secrets(desk: Desk, tmp_path: Path) -> None:
    image = blank_card()
    issue(desk, image)
    text = "\n".join(desk.journal._connection.iterdump())
    [(pin, puk)] = desk.delivered
    citizen = ORDER.applications["citizen_id"]
    assert isinstance(citizen, CitizenId)
    for secret in (str(citizen.cid), f"'{pin}'", str(puk), str(citizen.name_en), str(citizen.name_th)):
        assert secret not in text
    for section in memory_of(image).values():
        for name, value in section.items():
            if name.startswith("keys_"):
                assert value["enc"].hex() not in text.lower()  # type: ignore[index,call-overload,union-attr]
