"""What other people's hosts send to a card: their ways of saying what the standard leaves open, written by hand.

The forms are those of GlobalPlatformPro, pySim and gpshell. All that is sent is in clear here; the channel is the
host's of these tests.
"""

import pytest

from ecitizen.emulator.image import CardImage
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.secure_channel.handshake import SecurityLevel
from ecitizen.secure_channel.key_blocks import encode_key
from tests.unit.gp_host import CHALLENGE, Host, published_keys
from tests.unit.gp_issued import (
    APPLICATIONS_FILE,
    CARD_ADMIN,
    CITIZEN_ID,
    DOMAIN_MODULE,
    DOMAINS_FILE,
    HEALTH,
    HEALTH_INSURANCE,
    INTERIOR,
    ISSUER,
    PIV,
    Manager,
    application,
    blank,
    dgi,
    domain,
    everything,
    extradition,
    interior_keys,
    issued,
    lv,
    manager,
    personalisation,
)
from tests.unit.test_security_domain_channels import OnChannel


def at(image: CardImage, protocol: CardProtocol = CardProtocol.T1) -> Host:
    return Host.at(image, protocol)


def raw(host: Host, text: str) -> str:
    """An APDU as it is in hex, and its answer as it is."""
    return host.card.transmit(bytes.fromhex(text)).hex().upper()


def hexed(*parts: bytes) -> str:
    return b"".join(parts).hex().upper()


def interior_blocks(kvn: int = 0x01) -> bytes:
    """The data of PUT KEY that bring the interior's keys under those that everybody knows."""
    new = interior_keys()
    return bytes((kvn,)) + b"".join(encode_key(published_keys().dek, key) for key in (new.enc, new.mac, new.dek))


# The way to a channel


@pytest.mark.parametrize(
    "select",
    ["00A40400", "00A4040000", "00A4040008A000000151000000", "00A4040008A00000015100000000", "00A4040005A00000015100"],
)
def test_the_manager_is_found_by_every_form_of_select(select: str) -> None:
    assert raw(at(blank()), select)[-4:] == "9000"


@pytest.mark.parametrize(
    "question", ["80CA006600", "00CA006600", "80CA00E000", "00CA00E000", "80CA9F7F00", "00CA9F7F00"]
)
def test_what_hosts_ask_before_a_channel_in_both_classes(question: str) -> None:
    assert raw(at(blank()), question)[-4:] == "9000"


@pytest.mark.parametrize(
    "question", ["80CA00CF00", "80CA2F0000", "80CAFF2100", "80CA004200", "80CA004500", "80CA006700"]
)
def test_what_the_card_has_not_is_named_so_and_nothing_is_lost(question: str) -> None:
    host = at(blank())
    assert raw(host, question) == "6A88"
    host.open()


@pytest.mark.parametrize(
    ("kvn", "sw"), [(0x00, 0x9000), (0x30, 0x9000), (0xFF, 0x6A88), (0x01, 0x6A88), (0x31, 0x6A88)]
)
@pytest.mark.parametrize("ne", [None, 256])
def test_key_versions_that_hosts_begin_with(kvn: int, sw: int, ne: int | None) -> None:
    host = at(blank())
    said = host.plain(CommandApdu(0x80, 0x50, kvn, 0x00, CHALLENGE, 256))
    assert said.sw == sw
    assert len(said.data) == (32 if sw == 0x9000 else 0)
    host.open()  # no try was lost, no state kept


@pytest.mark.parametrize("level", [0x00, 0x02, 0x10, 0x30, 0x31, 0x23, 0x80])
def test_a_level_without_a_mac_is_no_level_here(level: int) -> None:
    """Amendment D has level 00, after which commands come in clear; this card always wants a MAC."""
    host = at(blank())
    command = host.begin(published_keys()).external_authenticate()
    bare = CommandApdu(0x84, 0x82, level, 0x00, command.data)
    assert host.plain(bare).sw == 0x6A86
    assert raw(host, "80F28002024F0000") == "6982"
    host.open()


@pytest.mark.parametrize("level", SecurityLevel, ids=lambda level: level.name)
def test_a_channel_is_begun_anew_in_an_open_one(level: SecurityLevel) -> None:
    host = at(blank()).open(level=level)
    assert host.ask("80F280024F00")[-4:] == "9000"
    host.open(level=level)  # plain INITIALIZE UPDATE, as after any error
    assert host.ask("80F280024F00")[-4:] == "9000"
    assert raw(host, "80F28002024F0000") == "6982"  # in clear: the channel is over
    assert raw(host, "80F28002024F0000") == "6982"


# GET STATUS


def test_get_status_as_pysim_asks_it() -> None:
    host = manager(issued())
    said = host.ask("80F240024F005C054F9F70C5CC")
    assert said.startswith("E3" + "25" + "4F10" + hexed(INTERIOR) + "9F700107" + "C503800000" + "CC08" + hexed(ISSUER))
    assert said.endswith("9000")


def test_get_status_in_the_form_of_older_hosts() -> None:
    host = manager(issued())
    assert host.ask("80F280004F00") == "08" + hexed(ISSUER) + "0F9C9000"
    wanted = [
        (INTERIOR, "0780"),
        (HEALTH, "0780"),
        (CITIZEN_ID, "0F00"),
        (HEALTH_INSURANCE, "0F00"),
        (CARD_ADMIN, "0F00"),
    ]
    applications = "".join(f"{len(aid):02X}{hexed(aid)}{state}" for aid, state in wanted)
    said = host.ask("80F240004F00")
    assert [said[-4:], len(said)] == ["9000", len(applications) + 4]
    assert host.ask(f"80F24000{hexed(bytes((0x4F, len(PIV))), PIV)}") == "6A88"
    files = f"07{hexed(DOMAINS_FILE)}0100"
    assert host.ask(f"80F22000{hexed(bytes((0x4F, 7)), DOMAINS_FILE)}") == files + "9000"
    assert host.ask(f"80F21000{hexed(bytes((0x4F, 7)), DOMAINS_FILE)}") == f"{files}0108{hexed(DOMAIN_MODULE)}9000"


def test_a_list_goes_on_in_the_form_in_which_it_was_begun() -> None:
    host = manager(issued())
    assert host.ask("80F240024F00")[-4:] == "6310"
    assert host.ask("80F240014F00") == "6985"
    assert host.ask("80F240024F00")[-4:] == "6310"
    assert host.ask("80F240034F00")[-4:] == "9000"
    assert host.ask("80F240044F00") == "6A86"


# INSTALL, DELETE, SET STATUS


@pytest.mark.parametrize(
    "parameters", [b"", b"\xc9\x00", b"\xc9\x02\x01\x02", b"\xef\x06\xc7\x02\x00\xff\xc8\x02\x00\xff\xc9\x00"]
)
@pytest.mark.parametrize("privileges", [b"\x00", bytes(3)])
def test_install_with_the_fields_that_hosts_fill(parameters: bytes, privileges: bytes) -> None:
    host = manager(blank())
    assert host.install(lv(APPLICATIONS_FILE, PIV, PIV, privileges, parameters, b"")) == 0x9000
    assert host.install(lv(b"", b"", PIV, b"", b"", b""), 0x20) == 0x9000
    assert host.delete(PIV, 0x80) == 0x9000


def test_installed_first_and_made_selectable_later() -> None:
    host = manager(blank())
    assert host.install(application(PIV), 0x04) == 0x9000
    assert host.install(lv(b"", b"", PIV, b"\x00", b"", b""), 0x08) == 0x9000


def test_a_card_is_locked_and_unlocked_without_naming_it() -> None:
    """SET STATUS of the card with P1 = 80 comes with an AID, without data, and with Le only."""
    host = manager(blank())
    for state, data in ((0x07, b""), (0x0F, ISSUER), (0x7F, b""), (0x0F, ISSUER)):
        assert host.manage(0xF0, 0x80, state, data, None) == 0x9000
    assert host.manage(0xF0, 0x80, 0x7F, b"", 256) == 0x9000
    assert host.manage(0xF0, 0x80, 0x0F, b"", 256) == 0x9000


def test_an_application_is_locked_by_80_and_unlocked_by_whatever_state() -> None:
    host = manager(issued())
    for lock, unlock in ((0x80, 0x00), (0x87, 0x07), (0xFF, 0x0F)):
        assert host.manage(0xF0, 0x40, lock, CARD_ADMIN) == 0x9000
        assert host.manage(0xF0, 0x40, unlock, CARD_ADMIN) == 0x9000
    assert host.manage(0xF0, 0x60, 0x80, INTERIOR) == 0x9000
    assert host.manage(0xF0, 0x60, 0x00, INTERIOR) == 0x9000


# STORE DATA and PUT KEY


def test_blocks_are_counted_from_0_and_each_may_expect_an_answer() -> None:
    host = manager(blank())
    host.install(application(CITIZEN_ID))
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    data = dgi(0x0101, bytes(400))
    for number, at_ in enumerate(range(0, len(data), 200)):
        last = 0x80 if at_ + 200 >= len(data) else 0
        assert host.manage(0xE2, 0x08 | last, number, data[at_ : at_ + 200], 256) == 0x9000


def test_data_that_come_without_a_word_on_their_form() -> None:
    """P1 = 80: pySim's way unless it is told otherwise. A domain takes data objects then, an application groupings."""
    image = blank()
    host = manager(image)
    assert host.store(b"\x42\x03\x12\x34\x56", 0x80) == 0x9000
    assert host.ask("80CA0042") == "42031234569000"
    host.install(application(CITIZEN_ID))
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.store(dgi(0x0101, b"data"), 0x80) == 0x9000
    assert image.read("citizen_id")["block0"] == b"data"


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
def test_keys_are_put_into_a_new_domain_under_the_issuers(protocol: CardProtocol) -> None:
    """The domain is selected, opened with the issuer's keys, and gets its own: from then on these alone manage it."""
    image = blank()
    host = Manager.of(image) if protocol is CardProtocol.T1 else Manager(at(image, protocol).card)
    host.open()
    host.install(domain(INTERIOR))
    host.at_domain(INTERIOR, published_keys())
    assert host.manage(0xD8, 0x00, 0x81, interior_blocks()) == 0x9000
    assert host.manage(0xD8, 0x00, 0x81, interior_blocks(0x02)) == 0x6985  # it is the agency's now
    assert host.ask("80CA00E0")[-4:] == "9000"  # what anybody may ask
    host.at_domain(INTERIOR, interior_keys())
    assert host.manage(0xF2, 0x40, 0x02, b"\x4f\x00") == 0x9000


# Channels that were there before


def opened_on_two_channels(image: CardImage, aid: bytes) -> tuple[Manager, OnChannel]:
    """The issuer's domain on the basic channel, and this application or domain on another, with the issuer's keys."""
    host = Manager.of(image)
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1)).data == b"\x01"
    host.open()
    other = OnChannel(host.card, 1)
    return host, other


def test_the_issuers_old_channel_to_a_domain_manages_no_more_once_it_has_keys() -> None:
    image = blank()
    host, old = opened_on_two_channels(image, INTERIOR)
    for data, p1 in (
        (domain(INTERIOR), 0x0C),
        (application(CITIZEN_ID), 0x0C),
        (extradition(CITIZEN_ID, INTERIOR), 0x10),
    ):
        assert host.install(data, p1) == 0x9000
    assert old.select(INTERIOR) == 0x9000
    old.open(published_keys())
    assert old.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    host.at_domain(INTERIOR, published_keys())
    assert host.manage(0xD8, 0x00, 0x81, interior_blocks()) == 0x9000
    before = everything(image)
    assert old.store(dgi(0x0101, b"x")) == 0x6985
    assert old.install(personalisation(CITIZEN_ID), 0x20) == 0x6985
    assert old.manage(0xD8, 0x00, 0x81, interior_blocks(0x02)) == 0x6985
    assert old.manage(0xD8, 0x01, 0x81, interior_blocks()) == 0x6985
    assert everything(image) == before


def test_the_issuers_old_channel_to_the_signing_application_sets_no_pin_once_it_went_to_its_domain() -> None:
    image = blank()
    host, old = opened_on_two_channels(image, PIV)
    assert host.install(domain(INTERIOR)) == 0x9000
    assert host.install(application(PIV)) == 0x9000
    assert old.select(PIV) == 0x9000
    old.open(published_keys())
    unblock = CommandApdu(0x00, 0x2C, 0x00, 0x80, b"135790\xff\xff")
    assert old.send(unblock).sw == 0x9000
    host.at_domain(INTERIOR, published_keys())
    assert host.manage(0xD8, 0x00, 0x81, interior_blocks()) == 0x9000
    host.at_domain(ISSUER, published_keys())
    assert host.install(extradition(PIV, INTERIOR), 0x10) == 0x9000
    before = everything(image)
    generate = CommandApdu(0x00, 0x47, 0x00, 0x9A, bytes.fromhex("AC03800111"), 256)
    put = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, bytes.fromhex("5C035FC1025301AA"))
    for command in (unblock, generate, put):
        assert old.send(command) == ResponseApdu(b"", 0x6985)
    assert everything(image) == before
