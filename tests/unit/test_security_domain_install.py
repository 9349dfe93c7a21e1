"""INSTALL and DELETE (GlobalPlatform Card Specification 2.3.1, 11.5 and 11.2), one command at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.emulator.applet import Refusal
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.security_domain_install import InstallFields
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from tests.unit.gp_host import published_keys
from tests.unit.gp_issued import (
    APPLICATIONS_FILE,
    CARD_ADMIN,
    CITIZEN_ID,
    CIVIL_SERVANT,
    DOMAIN_MODULE,
    DOMAINS_FILE,
    HEALTH,
    INTERIOR,
    ISSUER,
    NO_PARAMETERS,
    OTHER_DOMAIN,
    Manager,
    application,
    blank,
    domain,
    everything,
    extradition,
    interior_keys,
    issued,
    lv,
    manager,
    personalisation,
)

DOMAIN_BITS = b"\x80\x00\x00"
C9 = NO_PARAMETERS


def names(image: CardImage) -> list[bytes]:
    """AIDs of what is selectable on the card, in order, after a reset."""
    return [applet.aid for applet in Manager.of(image).card.applets]


def test_applications_and_domains_come_in_the_order_of_their_installation() -> None:
    image = blank()
    host = manager(image)
    answer = host.send(CommandApdu(0x80, 0xE6, 0x0C, 0x00, application(CITIZEN_ID), 256))
    assert answer == ResponseApdu(b"\x00", 0x9000)
    assert host.install(domain(INTERIOR)) == 0x9000
    assert host.install(application(CARD_ADMIN)) == 0x9000
    assert names(image) == [ISSUER, CITIZEN_ID, INTERIOR, CARD_ADMIN]
    assert [host.select(aid) for aid in names(image)] == [0x9000] * 4


def test_what_is_installed_can_be_used_without_a_reset_and_after_one() -> None:
    image = blank()
    host = manager(image)
    assert host.select(CITIZEN_ID) == 0x6A82
    host.open()
    host.install(application(CITIZEN_ID))
    for each in (host, Manager.of(image)):
        assert each.select(CITIZEN_ID) == 0x9000


def test_installed_is_not_selectable_until_it_is_made_so() -> None:
    host = manager(blank())
    assert host.install(application(CITIZEN_ID), 0x04) == 0x9000
    assert host.select(CITIZEN_ID) == 0x6A82
    host.open()
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x6985
    assert host.install(lv(b"", b"", CITIZEN_ID, bytes(3), b"", b""), 0x08) == 0x9000
    assert host.install(lv(b"", b"", CITIZEN_ID, bytes(3), b"", b""), 0x08) == 0x9000
    assert host.select(CITIZEN_ID) == 0x9000


@pytest.mark.parametrize(
    ("p1", "p2", "data", "sw"),
    [
        (0x02, 0x00, lv(APPLICATIONS_FILE, ISSUER, b"", b"", b""), 0x6A81),  # loading of code
        (0x00, 0x00, application(CITIZEN_ID), 0x6A86),
        (0x0E, 0x00, application(CITIZEN_ID), 0x6A86),
        (0x8C, 0x00, application(CITIZEN_ID), 0x6A86),
        (0x0C, 0x01, application(CITIZEN_ID), 0x6A86),
        (0x20, 0x01, personalisation(CARD_ADMIN), 0x6A86),
        (0x0C, 0x00, b"", 0x6A80),
        (0x0C, 0x00, application(CITIZEN_ID)[:-1], 0x6A80),
        (0x0C, 0x00, application(CITIZEN_ID) + b"\x00", 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(3), C9, bytes(16)), 0x6A80),  # a token
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(3), b"\xef\x00", b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(3), b"\xc9\x01", b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(3), C9 + C9, b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(3), C9 + b"\xca\x00", b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, b"\x04\x00\x00", C9, b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, b"", C9, b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(2), C9, b""), 0x6A80),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID + b"\x01", bytes(3), C9, b""), 0x6A80),
        (0x0C, 0x00, lv(DOMAINS_FILE, DOMAIN_MODULE, OTHER_DOMAIN, bytes(3), C9, b""), 0x6A80),
        (0x0C, 0x00, lv(DOMAINS_FILE, DOMAIN_MODULE, OTHER_DOMAIN, b"\xc0\x00\x00", C9, b""), 0x6A80),
        (0x0C, 0x00, lv(DOMAINS_FILE, DOMAIN_MODULE, b"\xf0123", DOMAIN_BITS, C9, b""), 0x6A80),  # an AID of 4 bytes
        (0x0C, 0x00, lv(DOMAINS_FILE, DOMAIN_MODULE, b"\xf0" + bytes(16), DOMAIN_BITS, C9, b""), 0x6A80),
        (0x0C, 0x00, lv(b"\xf0OTHERS", CITIZEN_ID, CITIZEN_ID, bytes(3), C9, b""), 0x6A88),
        (0x0C, 0x00, lv(APPLICATIONS_FILE, INTERIOR, INTERIOR, bytes(3), C9, b""), 0x6A88),
        (0x0C, 0x00, lv(DOMAINS_FILE, CITIZEN_ID, CITIZEN_ID, bytes(3), C9, b""), 0x6A88),
        (0x0C, 0x00, application(CARD_ADMIN), 0x6985),  # there already
        (0x0C, 0x00, domain(INTERIOR), 0x6985),
        (0x0C, 0x00, domain(ISSUER), 0x6985),
        (0x0C, 0x00, domain(CARD_ADMIN), 0x6985),
        (0x08, 0x00, lv(b"", b"", CITIZEN_ID, bytes(3), b"", b""), 0x6A88),
        (0x08, 0x00, lv(DOMAINS_FILE, b"", CARD_ADMIN, bytes(3), b"", b""), 0x6A80),
        (0x08, 0x00, lv(b"", b"", CARD_ADMIN, DOMAIN_BITS, b"", b""), 0x6A80),
        (0x10, 0x00, extradition(CITIZEN_ID, INTERIOR), 0x6A88),
        (0x10, 0x00, extradition(CARD_ADMIN, OTHER_DOMAIN), 0x6A88),
        (0x10, 0x00, extradition(CARD_ADMIN, CARD_ADMIN), 0x6A88),  # no domain
        (0x10, 0x00, extradition(INTERIOR, INTERIOR), 0x6985),  # domains stay the issuer's
        (0x10, 0x00, lv(INTERIOR, CARD_ADMIN, CARD_ADMIN, b"", b"", b""), 0x6A80),
        (0x10, 0x00, lv(INTERIOR, b"", CARD_ADMIN, bytes(3), b"", b""), 0x6A80),
        (0x40, 0x00, lv(b"", CARD_ADMIN, CARD_ADMIN, b"", b"", b""), 0x6A80),
        (0x40, 0x00, lv(b"", b"", CARD_ADMIN, b"\x80\x00\x00", b"", b""), 0x6A80),
        (0x40, 0x00, lv(b"", b"", CITIZEN_ID, b"", b"", b""), 0x6A88),
        (0x20, 0x00, personalisation(CITIZEN_ID), 0x6A88),
        (0x20, 0x00, personalisation(INTERIOR), 0x6985),
        (0x20, 0x00, lv(b"", b"", CARD_ADMIN, b"\x00", b"", b""), 0x6A80),
        (0x20, 0x00, lv(INTERIOR, b"", CARD_ADMIN, b"", b"", b""), 0x6A80),
    ],
)
def test_what_can_not_be_installed_changes_nothing(p1: int, p2: int, data: bytes, sw: int) -> None:
    image = blank()
    host = manager(image)
    assert (host.install(application(CARD_ADMIN)), host.install(domain(INTERIOR))) == (0x9000, 0x9000)
    before = everything(image)
    assert host.manage(0xE6, p1, p2, data) == sw
    assert everything(image) == before
    assert host.install(application(CITIZEN_ID)) == 0x9000  # and the channel goes on


def test_the_long_forms_of_lengths_and_the_short_one_of_privileges() -> None:
    host = manager(blank())
    parameters = b"\xef\x04\xc7\x02\x01\x00" + b"\xc9\x81\x80" + bytes(128)
    data = lv(APPLICATIONS_FILE, CITIZEN_ID, CITIZEN_ID, b"\x00") + b"\x81\x89" + parameters + b"\x00"
    assert host.install(data) == 0x9000
    longer = b"\xc9\x82\x01\x00" + bytes(256)
    data = lv(APPLICATIONS_FILE, CARD_ADMIN, CARD_ADMIN, b"\x00") + b"\x82\x01\x04" + longer + b"\x00"
    assert host.install(data) == 0x9000
    assert host.install(lv(DOMAINS_FILE, DOMAIN_MODULE, INTERIOR, b"\x80", C9, b"")) == 0x9000


def test_loading_is_out_of_scope_and_says_so() -> None:
    assert manager(blank()).manage(0xE8, 0x80, 0x00, b"\xc4\x00") == 0x6A81


def test_registry_update_gives_an_application_to_a_domain_too() -> None:
    image = blank()
    host = manager(image)
    host.install(application(CITIZEN_ID))
    host.install(domain(INTERIOR))
    assert host.install(lv(b"", b"", CITIZEN_ID, bytes(3), b"", b""), 0x40) == 0x9000
    assert host.install(lv(INTERIOR, b"", CITIZEN_ID, b"", b"", b""), 0x40) == 0x9000
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x6985
    assert host.install(lv(INTERIOR, b"", INTERIOR, DOMAIN_BITS, b"", b""), 0x40) == 0x6985


def test_what_was_given_to_an_agency_is_not_taken_back() -> None:
    host = manager(issued())
    assert host.install(extradition(CITIZEN_ID, INTERIOR), 0x10) == 0x9000  # it is there
    for target in (ISSUER, HEALTH):
        assert host.install(extradition(CITIZEN_ID, target), 0x10) == 0x6985
    host.at_domain(INTERIOR, interior_keys())
    for target in (ISSUER, HEALTH):
        assert host.install(extradition(CITIZEN_ID, target), 0x10) == 0x6985
    host.at_domain(ISSUER, published_keys())
    assert host.install(extradition(CARD_ADMIN, ISSUER), 0x10) == 0x9000


def test_nothing_is_given_to_a_locked_domain() -> None:
    host = manager(issued())
    assert host.manage(0xF0, 0x40, 0x80, INTERIOR) == 0x9000
    assert host.install(extradition(CARD_ADMIN, INTERIOR), 0x10) == 0x6985


@pytest.mark.parametrize("p1", [0x04, 0x08, 0x0C, 0x10, 0x40])
def test_content_is_the_issuers(p1: int) -> None:
    image = issued()
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    before = everything(image)
    assert host.install(application(CIVIL_SERVANT), p1) in {0x6985, 0x6A80}
    assert host.install(lv(HEALTH, b"", CITIZEN_ID, b"", b"", b""), p1) in {0x6985, 0x6A80}
    assert host.delete(CITIZEN_ID) == 0x6985
    assert everything(image) == before


# DELETE


def test_what_is_deleted_is_gone_with_its_data_and_can_come_again() -> None:
    image = issued()
    host = manager(image)
    answer = host.send(CommandApdu(0x80, 0xE4, 0, 0, b"\x4f" + lv(CITIZEN_ID), 256))
    assert answer == ResponseApdu(b"\x00", 0x9000)
    assert "citizen_id" not in image.sections()
    assert names(image) == [ISSUER, INTERIOR, HEALTH, bytes.fromhex("A000000054480083"), CARD_ADMIN]
    assert host.install(application(CITIZEN_ID)) == 0x9000
    assert dict(image.read("citizen_id")) == {"installed": True}


@pytest.mark.parametrize(("aid", "p2"), [(CITIZEN_ID, 0x00), (INTERIOR, 0x80)])
def test_what_is_selected_elsewhere_is_not_deleted(aid: bytes, p2: int) -> None:
    image = issued()
    host = Manager.of(image)
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1)).data == b"\x01"
    assert host.plain(CommandApdu(0x01, 0xA4, 0x04, 0x00, CITIZEN_ID, 256)).sw == 0x9000
    host.open()
    assert host.plain(CommandApdu(0x01, 0xB0, 0x81, 0x00, ne=4)).data == b"0003"
    assert host.delete(aid, p2) == 0x6985
    assert host.plain(CommandApdu(0x01, 0xB0, 0x81, 0x00, ne=4)).data == b"0003"
    assert host.plain(CommandApdu(0x00, 0x70, 0x80, 0x01)).sw == 0x9000
    assert host.delete(aid, p2) == 0x9000


def test_a_domain_goes_only_with_what_belongs_to_it() -> None:
    image = issued()
    host = manager(image)
    assert host.delete(INTERIOR) == 0x6985
    assert host.delete(INTERIOR, 0x80) == 0x9000
    assert {"citizen_id", f"domain_{INTERIOR.hex()}"}.isdisjoint(image.sections())
    assert host.install(domain(INTERIOR)) == 0x9000
    assert host.delete(INTERIOR) == 0x9000


@pytest.mark.parametrize(
    ("p1", "p2", "data", "sw"),
    [
        (0x01, 0x00, b"\x4f" + lv(CITIZEN_ID), 0x6A86),
        (0x00, 0x40, b"\x4f" + lv(CITIZEN_ID), 0x6A86),
        (0x00, 0x00, b"", 0x6A80),
        (0x00, 0x00, b"\x4f", 0x6A80),
        (0x00, 0x00, b"\x4f\x00", 0x6A80),
        (0x00, 0x00, b"\x4f\x05A000", 0x6A80),
        (0x00, 0x00, b"\x4e" + lv(CITIZEN_ID), 0x6A80),
        (0x00, 0x00, b"\x4f" + lv(CITIZEN_ID) + b"\x9e\x00", 0x6A80),
        (0x00, 0x00, b"\x4f" + lv(CIVIL_SERVANT), 0x6A88),
        (0x00, 0x00, b"\x4f" + lv(CITIZEN_ID[:5]), 0x6A88),
        (0x00, 0x00, b"\x4f" + lv(ISSUER), 0x6985),
        (0x00, 0x80, b"\x4f" + lv(APPLICATIONS_FILE), 0x6985),
        (0x00, 0x00, b"\x4f" + lv(DOMAINS_FILE), 0x6985),
        (0x00, 0x00, b"\xd0\x01\x01", 0x6A80),  # one key of a version
    ],
)
def test_what_can_not_be_deleted(p1: int, p2: int, data: bytes, sw: int) -> None:
    image = issued()
    host = manager(image)
    before = everything(image)
    assert host.manage(0xE4, p1, p2, data) == sw
    assert everything(image) == before


# The data of INSTALL


@given(st.binary(max_size=80))
def test_whatever_bytes_come(data: bytes) -> None:
    sw, lengths = 0x9000, 0
    try:
        fields = InstallFields.parse(data)
    except Refusal as refusal:
        sw = refusal.sw
    else:
        values = (fields.first, fields.second, fields.application, fields.privileges, fields.parameters, fields.token)
        lengths = sum(map(len, values)) + len(values)
    assert sw in {0x9000, 0x6A80}
    assert lengths <= len(data)


@given(st.lists(st.binary(max_size=127), min_size=6, max_size=6))
def test_six_values_come_out_as_they_went_in(values: list[bytes]) -> None:
    fields = InstallFields.parse(lv(*values))
    assert fields == InstallFields(*values)
