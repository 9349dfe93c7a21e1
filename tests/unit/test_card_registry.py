"""What an image says is on its card: with a registry, without one, and with a broken one; blank and managed cards."""

from typing import Any

import pytest

from cardapps import domains
from cardapps.domains import AGENCIES, DOMAINS, ISSUER, domain_of
from cardapps.hierarchy_plan import hierarchy_plan
from ecitizen.emulator import catalogue
from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import (
    DomainPlan,
    blank_sections,
    card_from_image,
    managed_sections,
    sections_for,
)
from ecitizen.errors import ConfigError, ImageDamaged, UsageError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.iso7816.globalplatform import AID_ISSUER_DOMAIN
from ecitizen.testing import blank_card
from tests.unit import gp_issued
from tests.unit.gp_host import SERIAL, Host, published_keys
from tests.unit.gp_issued import CARD_ADMIN, CITIZEN_ID, INTERIOR, Manager, issued, manager

T1 = CardProtocol.T1


def registry(*changes: dict[str, Any]) -> list[Value]:
    """The registry of a card with one domain and one application, with other values in the last entries."""
    entries: list[dict[str, Value]] = [
        {
            "name": f"domain_{INTERIOR.hex()}",
            "aid": INTERIOR,
            "domain": AID_ISSUER_DOMAIN,
            "state": 7,
            "privileges": b"\x80\0\0",
        },
        {"name": "citizen_id", "aid": CITIZEN_ID, "domain": INTERIOR, "state": 7, "privileges": bytes(3)},
    ]
    for entry, change in zip(reversed(entries), changes, strict=False):
        entry.update(change)
    return list(entries)


def image_with(entries: Value) -> CardImage:
    sections = blank_sections(T1, SERIAL)
    sections["card"]["registry"] = entries
    return CardImage.in_memory({**sections, "citizen_id": {"installed": True}})


def test_a_registry_is_read() -> None:
    host = manager(image_with(registry()))
    assert [applet.aid for applet in host.card.applets] == [ISSUER.aid, INTERIOR, CITIZEN_ID]
    assert [applet.aid for applet in host.card.applets[1:]] == [INTERIOR, CITIZEN_ID]


@pytest.mark.parametrize(
    "entries",
    [
        None,
        b"",
        {},
        ["citizen_id"],
        [{}],
        registry({"name": "card"}),
        registry({"name": 7}),
        registry({"aid": "A000000054480001"}),
        registry({"aid": bytes(4)}),
        registry({"aid": bytes(17)}),
        registry({"aid": INTERIOR}),
        registry({"aid": AID_ISSUER_DOMAIN}),
        registry({"aid": CARD_ADMIN}),  # not that of the applet of this name
        registry({"domain": CITIZEN_ID}),
        registry({"domain": CARD_ADMIN}),
        registry({"domain": b""}),
        registry({"state": 0}),
        registry({"state": True}),
        registry({"state": 0x1F}),
        registry({"state": 0x107}),
        registry({"privileges": b""}),
        registry({}, {"name": "domain_00"}),
    ],
    ids=str,
)
def test_a_broken_registry_is_damage(entries: Value) -> None:
    with pytest.raises(ImageDamaged, match="section card"):
        card_from_image(image_with(entries))


def test_an_application_that_nobody_brings() -> None:
    with pytest.raises(ConfigError, match="no applet library_card is installed"):
        card_from_image(image_with(registry({"name": "library_card"})))


def test_domains_that_go_in_a_circle_open_no_channel() -> None:
    host = Manager.of(image_with(registry({}, {"domain": INTERIOR})))
    assert host.select(INTERIOR) == 0x9000
    assert host.plain(CommandApdu(0x80, 0x50, 0x30, 0x00, bytes(8), 256)).sw != 0x9000


def test_a_registry_is_derived_for_a_card_that_was_made_ready() -> None:
    sections = managed_sections(sections_for(find_persona("somchai"), T1), published_keys())
    old = sections_for(find_persona("somchai"), T1)
    old["card"] |= {name: value for name, value in sections["card"].items() if name.startswith("keys_")}
    for each in (sections, old):
        image = CardImage.in_memory(each)
        host = manager(image)
        assert host.ask("80F240024F005C024FCC", 1000).count("CC08A000000151000000") == 3
        assert host.manage(0xF0, 0x40, 0x80, CITIZEN_ID) == 0x9000
        assert "applets" not in image.read("card")
        assert Manager.of(image).select(CITIZEN_ID) == 0x6A82
        assert Manager.of(image).select(CARD_ADMIN) == 0x9000


def test_a_card_without_keys_manages_nothing_and_reads_as_ever() -> None:
    host = Host(card_from_image(CardImage.in_memory(sections_for(find_persona("somchai"), T1))))
    for command in ("80503000080001020304050607", "80E2880001AA", "8482330000"):
        for aid in ("", CITIZEN_ID.hex(), CARD_ADMIN.hex()):
            assert host.card.transmit(bytes.fromhex(f"00A40400{len(aid) // 2:02X}{aid}"))[-2:] == b"\x90\x00"
            assert host.card.transmit(bytes.fromhex(command)).hex() in {"6d00", "6e00", "6882", "6700"}


# Making cards


def test_a_blank_card() -> None:
    sections = blank_sections(T1, SERIAL)
    assert sections.keys() == {"card"}
    assert sections["card"]["cplc"] == bytes(10) + SERIAL + bytes(24)
    assert sections["card"]["life_cycle"] == 1
    host = manager(CardImage.in_memory(sections))
    assert host.ask("80F240024F00") == "6A88"
    other = blank_sections(CardProtocol.T0, SERIAL, atr=b"\x3b\x00", keys=published_keys(0x42, 32, 0x10))
    assert other["card"]["atr"] == b"\x3b\x00"
    assert {name for name in other["card"] if name.startswith("keys_")} == {"keys_42"}


@pytest.mark.parametrize("serial", [b"", bytes(7), bytes(9)])
def test_a_chip_serial_has_eight_bytes(serial: bytes) -> None:
    with pytest.raises(UsageError, match="8 bytes"):
        blank_sections(T1, serial)


def test_a_blank_card_with_an_atr_of_another_protocol() -> None:
    with pytest.raises(UsageError, match="T=1"):
        blank_sections(T1, SERIAL, atr=b"\x3b\x00")


@pytest.mark.parametrize("protocol", ["t0", "t1", CardProtocol.T0])
def test_a_blank_card_for_other_peoples_tests(protocol: CardProtocol | str) -> None:
    card = blank_card(protocol, chip_serial=SERIAL)
    assert card.power_on()
    assert Host(card).open().ask("80CA9F7F")[26:42] == SERIAL.hex().upper()
    assert blank_card().protocol is CardProtocol.T0
    with pytest.raises(UsageError, match="t0 or t1"):
        blank_card("t2")


def test_domains_for_a_card_that_is_ready() -> None:
    sections = sections_for(find_persona("somchai"), T1)
    with pytest.raises(UsageError, match="piv"):
        managed_sections(sections, published_keys(), [DomainPlan(INTERIOR, ["piv"])])
    made = managed_sections(sections, published_keys(), [DomainPlan(INTERIOR, ["citizen_id"])])
    assert Manager.of(CardImage.in_memory(made)).at_domain(CITIZEN_ID, published_keys())
    with pytest.raises(UsageError, match="sections_for"):
        managed_sections(made, published_keys())
    assert issued().sections() == (
        "card",
        "card_admin",
        "citizen_id",
        f"domain_{INTERIOR.hex()}",
        f"domain_{gp_issued.HEALTH.hex()}",
        "health_insurance",
    )


# The table of domains


def test_the_table_of_domains_and_the_card_agree() -> None:
    assert ISSUER.aid == AID_ISSUER_DOMAIN
    assert [each.is_issuer for each in DOMAINS.values()] == [True, False, False, False, False]
    assert len({each.aid for each in DOMAINS.values()}) == len(DOMAINS)
    assert all(5 <= len(each.aid) <= 16 for each in DOMAINS.values())
    claimed = [name for each in DOMAINS.values() for name in each.applications]
    assert sorted(claimed) == sorted(module.name for module in catalogue.modules_by_aid().values())
    assert domain_of("piv").name == "persons"
    assert domain_of("library_card") is ISSUER


def test_load_files_are_those_of_the_card() -> None:
    assert {each.aid for each in catalogue.load_files()} == {domains.LOAD_FILE_DOMAINS, domains.LOAD_FILE_APPLICATIONS}
    assert domains.MODULE_DOMAIN in catalogue.load_files()[0].modules


def test_agencies_are_called_as_their_authorities() -> None:
    plan = hierarchy_plan()
    assert {each.name for each in AGENCIES} == plan.authorities.keys()
    for name, application in plan.applications.items():
        assert domain_of(name).name in {application.authority, ISSUER.name}
