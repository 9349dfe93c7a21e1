"""GET STATUS and SET STATUS of a card with domains (GlobalPlatform Card Specification 2.3.1, 11.4 and 11.10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.emulator.applet import Refusal
from ecitizen.emulator.security_domain_status import status_question
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu
from tests.unit.gp_host import published_keys
from tests.unit.gp_issued import (
    APPLICATIONS_FILE,
    CARD_ADMIN,
    CITIZEN_ID,
    CIVIL_SERVANT,
    DOMAIN_MODULE,
    DOMAINS_FILE,
    HEALTH,
    HEALTH_INSURANCE,
    INTERIOR,
    ISSUER,
    OTHER_DOMAIN,
    PIV,
    Manager,
    application,
    domain,
    everything,
    interior_keys,
    issued,
    manager,
)

ALL = b"\x4f\x00"
Objects = dict[int, bytes]


def page(host: Manager, p1: int, p2: int = 0x02, question: bytes = ALL) -> tuple[list[Objects], int]:
    """The entries of one answer, and its status word."""
    response = host.send(CommandApdu(0x80, 0xF2, p1, p2, question, 256))
    entries = tlv.parse(response.data)
    assert {each.tag for each in entries} <= {0xE3}
    return [{each.tag: each.value for each in entry.children()} for entry in entries], response.sw


def states(host: Manager) -> dict[bytes, int]:
    """States of applications and domains by AID."""
    found: dict[bytes, int] = {}
    p2, sw = 0x02, 0x6310
    while sw == 0x6310:
        entries, sw = page(host, 0x40, p2, b"\x4f\x00\x5c\x03\x4f\x9f\x70")
        found |= {entry[0x4F]: entry[0x9F70][0] for entry in entries}
        p2 = 0x03
    assert sw == 0x9000
    return found


# GET STATUS


def test_what_does_not_fit_comes_with_the_next_command() -> None:
    host = manager(issued())
    host.install(application(PIV))
    host.install(application(CIVIL_SERVANT))
    host.install(domain(OTHER_DOMAIN))
    first, sw = page(host, 0x40)
    assert sw == 0x6310
    second, sw = page(host, 0x40, 0x03)
    assert sw == 0x9000
    assert [entry[0x4F] for entry in first + second] == [
        *(INTERIOR, HEALTH, CITIZEN_ID, HEALTH_INSURANCE, CARD_ADMIN),
        *(PIV, CIVIL_SERVANT, OTHER_DOMAIN),
    ]
    assert page(host, 0x40, 0x03) == ([], 0x6985)  # there is no more


@pytest.mark.parametrize("question", ["80CA00E0", "80F280034F00"])
def test_the_next_entries_are_those_of_the_very_last_question(question: str) -> None:
    host = manager(issued())
    assert page(host, 0x40)[1] == 0x6310
    host.ask(question)
    assert page(host, 0x40, 0x03) == ([], 0x6985)
    assert page(host, 0x40)[1] == 0x6310
    assert page(host, 0x40, 0x03, b"\x4f\x01\xa0") == ([], 0x6985)


def test_an_entry_says_whose_it_is_and_where_it_came_from() -> None:
    host = manager(issued())
    (entry,), _ = page(host, 0x40, question=b"\x4f\x08" + CITIZEN_ID)
    assert entry == {0x4F: CITIZEN_ID, 0x9F70: b"\x07", 0xC5: bytes(3), 0xC4: APPLICATIONS_FILE, 0xCC: INTERIOR}
    (entry,), _ = page(host, 0x40, question=b"\x4f\x10" + INTERIOR)
    assert entry == {0x4F: INTERIOR, 0x9F70: b"\x07", 0xC5: b"\x80\0\0", 0xC4: DOMAINS_FILE, 0xCC: ISSUER}
    (entry,), _ = page(host, 0x40, question=b"\x4f\x08" + CITIZEN_ID + b"\x5c\x02\xcc\xcf")
    assert entry == {0xCC: INTERIOR}


def test_load_files_with_and_without_their_modules() -> None:
    host = manager(issued())
    files, sw = page(host, 0x20)
    assert (sw, [entry[0x4F] for entry in files]) == (0x9000, [DOMAINS_FILE, APPLICATIONS_FILE])
    assert files[0] == {0x4F: DOMAINS_FILE, 0x9F70: b"\x01", 0xCE: b"\x01\x00", 0xCC: ISSUER}
    response = host.send(CommandApdu(0x80, 0xF2, 0x10, 0x02, ALL, 256))
    modules = [[each.value for each in entry.children() if each.tag == 0x84] for entry in tlv.parse(response.data)]
    assert modules[0] == [DOMAIN_MODULE]
    assert {CITIZEN_ID, HEALTH_INSURANCE, CARD_ADMIN, CIVIL_SERVANT, PIV} <= set(modules[1])


def test_a_domain_sees_itself_and_its_own() -> None:
    host = Manager.of(issued()).at_domain(INTERIOR, interior_keys())
    assert states(host) == {INTERIOR: 0x07, CITIZEN_ID: 0x07}
    assert page(host, 0x80) == ([], 0x6A88)


@given(st.binary(max_size=40))
def test_whatever_is_asked(data: bytes) -> None:
    sw, begins = 0x9000, b""
    try:
        begins, _ = status_question(data)
    except Refusal as refusal:
        sw = refusal.sw
    assert sw in {0x9000, 0x6A80}
    assert begins in data


# SET STATUS


def test_an_application_grows_up_and_is_locked_and_unlocked() -> None:
    host = Manager.of(issued()).at_domain(INTERIOR, interior_keys())
    for p2, state in ((0x00, 0x07), (0x07, 0x07), (0x0F, 0x0F), (0x0F, 0x0F), (0x80, 0x8F), (0xFF, 0x8F), (0x07, 0x0F)):
        assert host.manage(0xF0, 0x40, p2, CITIZEN_ID) == 0x9000
        assert states(host)[CITIZEN_ID] == state
    for p2 in (0x07, 0x03, 0x1F, 0x01):
        assert host.manage(0xF0, 0x40, p2, CITIZEN_ID) == 0x6A80
    assert host.manage(0xF0, 0x40, 0x0F, INTERIOR) == 0x9000
    assert states(host) == {INTERIOR: 0x0F, CITIZEN_ID: 0x0F}


def test_installed_is_made_selectable_by_install_and_not_by_a_state() -> None:
    host = manager(issued())
    assert host.install(application(PIV), 0x04) == 0x9000
    assert host.manage(0xF0, 0x40, 0x07, PIV) == 0x6A80
    assert host.manage(0xF0, 0x40, 0x80, PIV) == 0x9000
    assert states(host)[PIV] == 0x83


@pytest.mark.parametrize("p1", [0x40, 0x60])
@pytest.mark.parametrize("aid", [HEALTH_INSURANCE, HEALTH, CARD_ADMIN])
def test_an_agency_does_not_lock_what_is_not_its_own(p1: int, aid: bytes) -> None:
    image = issued()
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    before = everything(image)
    for p2 in (0x80, 0x0F):
        assert host.manage(0xF0, p1, p2, aid) == 0x6985
    assert host.manage(0xF0, 0x40, 0x80, INTERIOR) == 0x6985  # itself: only the issuer could undo it
    assert host.manage(0xF0, 0x80, 0x7F) == 0x6985  # the card
    assert host.manage(0xF0, 0x80, 0xFF, ISSUER) == 0x6985
    assert everything(image) == before


def test_the_issuer_locks_an_agency_with_all_that_is_its_own() -> None:
    image = issued()
    host = manager(image)
    assert host.manage(0xF0, 0x60, 0x80, INTERIOR) == 0x9000
    assert states(host) == {INTERIOR: 0x87, HEALTH: 0x07, CITIZEN_ID: 0x87, HEALTH_INSURANCE: 0x07, CARD_ADMIN: 0x07}
    other = Manager.of(image)
    assert (other.select(INTERIOR), other.select(CITIZEN_ID), other.select(HEALTH)) == (0x6A82, 0x6A82, 0x9000)
    host = manager(image)
    assert host.manage(0xF0, 0x60, 0x00, INTERIOR) == 0x9000
    assert set(states(host).values()) == {0x07}
    assert host.manage(0xF0, 0x60, 0x80, CITIZEN_ID) == 0x6A88  # no domain


def test_a_locked_domain_opens_no_channel_to_its_applications() -> None:
    image = issued()
    assert manager(image).manage(0xF0, 0x40, 0x80, INTERIOR) == 0x9000
    host = Manager.of(image)
    assert host.select(CITIZEN_ID) == 0x9000  # it can be read
    assert host.plain(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=4)).data == b"0003"
    assert host.plain(CommandApdu(0x80, 0x50, 0x01, 0x00, bytes(8), 256)).sw in {0x6985, 0x6D00}


def test_a_partial_name_passes_over_what_is_locked() -> None:
    image = issued()
    assert manager(image).manage(0xF0, 0x40, 0x80, CITIZEN_ID) == 0x9000
    host = Manager.of(image)
    assert host.select(CITIZEN_ID) == 0x6A82
    assert host.select(CITIZEN_ID[:6]) == 0x9000
    assert host.plain(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=3)).sw == 0x9000


@pytest.mark.parametrize(("aid", "keys"), [(CITIZEN_ID, interior_keys()), (INTERIOR, interior_keys())])
def test_what_is_locked_while_it_is_selected_answers_no_more(aid: bytes, keys: object) -> None:
    image = issued()
    host = manager(image)
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1)).data == b"\x01"
    assert host.plain(CommandApdu(0x01, 0xA4, 0x04, 0x00, aid, 256)).sw == 0x9000
    assert host.manage(0xF0, 0x40, 0x80, aid) == 0x9000
    assert host.plain(CommandApdu(0x01, 0xB0, 0x81, 0x00, ne=4)).sw == 0x6985
    assert host.plain(CommandApdu(0x81, 0x50, 0x01, 0x00, bytes(8), 256)).sw == 0x6985
    assert host.manage(0xF0, 0x40, 0x00, aid) == 0x9000


def test_a_locked_card_warns_and_refuses_agencies() -> None:
    image = issued()
    host = manager(image)
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1)).data == b"\x01"
    assert host.plain(CommandApdu(0x01, 0xA4, 0x04, 0x00, INTERIOR, 256)).sw == 0x9000
    assert host.manage(0xF0, 0x80, 0x7F) == 0x9000
    assert host.plain(CommandApdu(0x81, 0x50, 0x01, 0x00, bytes(8), 256)).sw == 0x6985
    assert host.install(application(PIV)) == 0x6985
    assert Manager.of(image).select(ISSUER) == 0x6283
    assert Manager.of(image).select(INTERIOR) == 0x6A82
    host = manager(image)
    assert host.manage(0xF0, 0x80, 0x0F) == 0x9000
    assert Manager.of(image).select(INTERIOR) == 0x9000


@pytest.mark.parametrize(
    ("p1", "p2", "data", "sw"),
    [
        (0x20, 0x80, CITIZEN_ID, 0x6A86),
        (0xC0, 0x80, CITIZEN_ID, 0x6A86),
        (0x40, 0x80, b"", 0x6A88),
        (0x40, 0x80, CITIZEN_ID[:-1], 0x6A88),
        (0x40, 0x80, CIVIL_SERVANT, 0x6A88),
        (0x40, 0x80, ISSUER, 0x6A88),
        (0x60, 0x80, ISSUER, 0x6A88),
        (0x80, 0x07, INTERIOR, 0x6A88),
    ],
)
def test_states_that_can_not_be_set(p1: int, p2: int, data: bytes, sw: int) -> None:
    image = issued()
    host = manager(image)
    before = everything(image)
    assert host.manage(0xF0, p1, p2, data) == sw
    assert everything(image) == before


def test_the_keys_of_the_fixture_are_not_the_issuers() -> None:
    assert interior_keys() != published_keys(0x01)
