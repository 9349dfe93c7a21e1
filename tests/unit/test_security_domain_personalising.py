"""STORE DATA into applications, through their domains (GlobalPlatform Card Specification 2.3.1, 7.3.3 and 11.11)."""

import pytest
from Crypto.Cipher import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.security_domain_store import LONG_LENGTH
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.secure_channel.handshake import SecurityLevel
from tests.unit.gp_host import CHALLENGE, Host, published_keys
from tests.unit.gp_issued import (
    CARD_ADMIN,
    CITIZEN_ID,
    CIVIL_SERVANT,
    HEALTH,
    HEALTH_INSURANCE,
    INTERIOR,
    ISSUER,
    Manager,
    application,
    blank,
    dgi,
    domain,
    everything,
    extradition,
    health_keys,
    interior_keys,
    issued,
    manager,
    personalisation,
)

STATE = bytes.fromhex("01000000000000") + b"JC1234567890" + bytes(4)
LAST = 0x88
MORE = 0x08


def encrypted(dek: bytes, clear: bytes) -> bytes:
    padded = clear + b"\x80" + bytes(-(len(clear) + 1) % 16)
    return AES.new(dek, AES.MODE_CBC, bytes(16)).encrypt(padded)


def test_a_domain_writes_into_its_application() -> None:
    image = issued()
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.store(dgi(0x0101, b"0003" + bytes(5946))) == 0x9000
    assert image.read("citizen_id")["block0"] == b"0003" + bytes(5946)


def test_an_application_that_is_selected_takes_its_data_itself() -> None:
    image = issued()
    host = Manager.of(image).at_domain(CITIZEN_ID, interior_keys())
    assert host.store(dgi(0x0101, b"0003" + bytes(100))) == 0x9000
    assert host.send(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=256)).data == b"0003" + bytes(100)
    assert host.ask("00A40000013F") == "6A82"
    assert image.read("citizen_id")["block0"] == b"0003" + bytes(100)


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
@pytest.mark.parametrize("level", SecurityLevel)
def test_the_channel_to_an_application_reads_and_writes_at_every_level(
    protocol: CardProtocol, level: SecurityLevel
) -> None:
    host = Host.at(issued(), protocol)
    assert host.plain(CommandApdu(0x00, 0xA4, 0x04, 0x00, CARD_ADMIN)).sw >> 8 in {0x90, 0x61}
    host.open(published_keys(), level)
    assert host.send(CommandApdu(0x80, 0xE2, LAST, 0x00, dgi(0x0101, STATE))).sw == 0x9000
    assert host.send(CommandApdu(0x80, 0x00, 0x00, 0x00, ne=23)).data == STATE


def test_both_ways_in_many_blocks_that_end_anywhere() -> None:
    content = bytes(range(256)) * 3
    data = dgi(0x0101, content)
    for cut in (1, 3, 200, len(data) - 1):
        for through_domain in (True, False):
            image = issued()
            host = Manager.of(image).at_domain(INTERIOR if through_domain else CITIZEN_ID, interior_keys())
            if through_domain:
                host.install(personalisation(CITIZEN_ID), 0x20)
            assert host.store(data[:cut], MORE, 0) == 0x9000
            assert image.read("citizen_id")["block0"] != content
            assert host.store(b"", MORE, 1) == 0x9000
            assert host.store(data[cut:], LAST, 2) == 0x9000
            assert image.read("citizen_id")["block0"] == content


def test_values_come_encrypted_under_the_data_key_of_the_channel() -> None:
    image = issued()
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    host.install(personalisation(CITIZEN_ID), 0x20)
    dek = interior_keys().dek.reveal()
    assert host.store(dgi(0x0101, encrypted(dek, b"0003 in cipher")), 0xE8) == 0x9000
    assert image.read("citizen_id")["block0"] == b"0003 in cipher"
    host.install(personalisation(CITIZEN_ID), 0x20)
    assert host.store(dgi(0x0101, encrypted(bytes(16), b"under another key")), 0xE8) == 0x6A80
    assert image.read("citizen_id")["block0"] == b"0003 in cipher"


def test_a_part_of_a_file_is_changed_in_place() -> None:
    image = issued()
    before = image.read("citizen_id")["block0"]
    assert isinstance(before, bytes)
    host = Manager.of(image).at_domain(CITIZEN_ID, interior_keys())
    changes = dgi(0x8101, b"\x00\xe1" + b"2") + dgi(0x8101, (len(before) - 3).to_bytes(2) + b"end")
    assert host.store(changes) == 0x9000
    assert image.read("citizen_id")["block0"] == before[:0xE1] + b"2" + before[0xE2:-3] + b"end"


def test_a_part_may_follow_the_whole_in_one_sequence() -> None:
    image = issued()
    host = Manager.of(image).at_domain(CITIZEN_ID, interior_keys())
    assert host.store(dgi(0x011D, b"object") + dgi(0x811D, b"\x00\x00O") + dgi(0x011C, b"certificate")) == 0x9000
    section = image.read("citizen_id")
    assert (section["security_object"], section["application_certificate"]) == (b"Object", b"certificate")
    assert host.send(CommandApdu(0x00, 0xB0, 0x9D, 0x00, ne=256)).data == b"Object"


@pytest.mark.parametrize(
    ("p1", "data", "sw"),
    [
        (LAST, b"", 0x6A80),
        (LAST, dgi(0x0101, b""), 0x6A80),
        (LAST, dgi(0x0070, b"\x42\x01\x01"), 0x6A80),
        (LAST, dgi(0x011E, b"x"), 0x6A80),
        (LAST, dgi(0x0101, b"x") + dgi(0x0001, b"x"), 0x6A80),
        (LAST, dgi(0x0101, b"x")[:-1], 0x6A80),
        (LAST, dgi(0x8101, b"\x00"), 0x6A80),
        (LAST, dgi(0x8101, b"\x00\x00"), 0x6A80),
        (LAST, dgi(0x8101, b"\x17\x3e" + b"x"), 0x6A80),  # 5,950: behind the end
        (LAST, dgi(0x8101, b"\x17\x3d" + b"xx"), 0x6A80),
        (LAST, dgi(0x811D, b"\x00\x00x"), 0x6A80),  # there is no seal to change
        (LAST, dgi(0x8102, b"\x00\x00x"), 0x6A80),
        (LAST, dgi(0x011D, bytes(16385)), 0x6A84),
        (0x90, b"\x42\x01\x01", 0x6A86),
        (0x80, b"x", 0x6A80),
        (0xA8, dgi(0x0101, b"x"), 0x6A86),
        (0x8A, dgi(0x0101, b"x"), 0x6A86),
        (0xE8, dgi(0x0101, b"x"), 0x6A80),
    ],
)
@pytest.mark.parametrize("through_domain", [True, False])
def test_what_an_application_does_not_take_changes_nothing(through_domain: bool, p1: int, data: bytes, sw: int) -> None:
    image = issued()
    before = everything(image)
    host = Manager.of(image).at_domain(INTERIOR if through_domain else CITIZEN_ID, interior_keys())
    if through_domain:
        assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.store(data, p1) == sw
    assert everything(image) == before
    if through_domain:  # the sequence is over: what comes now is for the domain itself
        assert host.store(dgi(0x0101, b"x")) == 0x6A80
    else:
        assert host.store(dgi(0x0101, b"x")) == 0x9000


def test_another_command_ends_a_sequence_and_for_whom_it_is() -> None:
    image = issued()
    before = everything(image)
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    host.install(personalisation(CITIZEN_ID), 0x20)
    assert host.store(dgi(0x0101, b"x")[:2], MORE, 0) == 0x9000
    assert host.ask("80CA00E0").endswith("9000")
    assert host.store(dgi(0x0101, b"x")[2:], LAST, 1) == 0x6A86
    host.install(personalisation(CITIZEN_ID), 0x20)
    assert host.ask("80CA00E0").endswith("9000")
    assert host.store(dgi(0x0101, b"x")) == 0x6A80  # for the domain
    host.at_domain(CITIZEN_ID, interior_keys())
    assert host.store(dgi(0x0101, b"x")[:2], MORE, 0) == 0x9000
    assert host.send(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=256)).sw == 0x9000
    assert host.store(dgi(0x0101, b"x")[2:], LAST, 1) == 0x6A86
    assert everything(image) == before


def test_a_channel_that_ends_takes_its_sequence_with_it() -> None:
    host = Manager.of(issued()).at_domain(CITIZEN_ID, interior_keys())
    assert host.store(dgi(0x0101, b"x")[:2], MORE, 0) == 0x9000
    host.open(interior_keys())
    assert host.store(dgi(0x0101, b"x")[2:], LAST, 1) == 0x6A86


def test_a_sequence_is_for_one_application_and_once() -> None:
    image = issued()
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    host.install(personalisation(CITIZEN_ID), 0x20)
    assert host.store(dgi(0x0101, b"first")) == 0x9000
    assert host.store(dgi(0x0101, b"second")) == 0x6A80
    assert image.read("citizen_id")["block0"] == b"first"


def test_a_domain_keeps_numbers_of_its_own() -> None:
    image = issued()
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    assert host.store(b"\x42\x02\x11\x22\x45\x01\x33", 0x90) == 0x9000
    assert host.ask("80CA0042") == "420211229000"
    assert "iin" not in image.read("card")
    assert host.ask("80CA9F7F") == "6A88"  # the chip is the issuer's


# No agency writes another's application.


@pytest.mark.parametrize("aid", [HEALTH_INSURANCE, CARD_ADMIN, HEALTH, INTERIOR])
def test_another_agencys_application_is_refused_and_the_channel_goes_on(aid: bytes) -> None:
    image = issued()
    before = everything(image)
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    assert host.install(personalisation(aid), 0x20) == 0x6985
    assert host.store(dgi(0x0101, b"stolen")) == 0x6A80
    assert everything(image) == before
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000


def test_the_issuer_writes_no_agencys_application_either() -> None:
    host = manager(issued())
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x6985
    assert host.install(personalisation(CARD_ADMIN), 0x20) == 0x9000


@pytest.mark.parametrize("keys", [health_keys(), published_keys(0x01)], ids=["another agency's", "the issuer's"])
@pytest.mark.parametrize("aid", [CITIZEN_ID, INTERIOR])
def test_other_keys_open_no_channel_to_an_agencys_application(keys: object, aid: bytes) -> None:
    host = Manager.of(issued())
    assert host.select(aid) == 0x9000
    assert host.plain(CommandApdu(0x80, 0x50, 0x30, 0x00, CHALLENGE, 256)).sw == 0x6A88
    said = host.plain(CommandApdu(0x80, 0x50, 0x01, 0x00, CHALLENGE, 256))
    assert said.sw == 0x9000
    assert host.plain(CommandApdu(0x84, 0x82, 0x33, 0x00, bytes(16))).sw == 0x6300
    assert host.plain(CommandApdu(0x80, 0xE2, LAST, 0x00, dgi(0x0101, b"x"))).sw == 0x6982


# Blank and half-personalised applications


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
def test_what_a_blank_application_answers(protocol: CardProtocol) -> None:
    image = blank()
    host = Host.at(image, protocol).open()
    for aid in (CITIZEN_ID, CIVIL_SERVANT, CARD_ADMIN):
        assert host.send(CommandApdu(0x80, 0xE6, 0x0C, 0x00, application(aid), 256)).sw == 0x9000
    for aid, command, sw in (
        (CITIZEN_ID, CommandApdu(0x80, 0xB0, 0x00, 0x00, b"\x00\x04", 4), 0x6A82),
        (CITIZEN_ID, CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=4), 0x6A82),
        (CITIZEN_ID, CommandApdu(0x00, 0xB0, 0x00, 0x00, ne=4), 0x6986),
        (CITIZEN_ID, CommandApdu(0x00, 0xB0, 0x9D, 0x00, ne=4), 0x6A82),
        (CIVIL_SERVANT, CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=4), 0x6A82),
        (CARD_ADMIN, CommandApdu(0x80, 0x00, 0x00, 0x00, ne=23), 0x6A88),
    ):
        assert host.plain(CommandApdu(0x00, 0xA4, 0x04, 0x00, aid)).sw >> 8 in {0x90, 0x61}
        assert host.plain(command).sw == sw


def test_a_seal_alone_makes_no_record() -> None:
    image = blank()
    host = manager(image)
    host.install(application(CITIZEN_ID))
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.store(dgi(0x011D, b"seal") + dgi(0x0102, b"second block")) == 0x9000
    again = Manager.of(image)
    assert again.select(CITIZEN_ID) == 0x9000
    assert again.plain(CommandApdu(0x00, 0xB0, 0x9D, 0x00, ne=256)).data == b"seal"
    assert again.plain(CommandApdu(0x00, 0xB0, 0x82, 0x00, ne=256)).data == b"second block"
    assert again.plain(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=256)).sw == 0x6A82


def test_a_new_domain_is_opened_with_the_issuers_keys() -> None:
    image = blank()
    host = manager(image)
    host.install(domain(INTERIOR))
    host.install(application(CITIZEN_ID))
    host.install(extradition(CITIZEN_ID, INTERIOR), 0x10)
    host.at_domain(INTERIOR, published_keys())
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.store(dgi(0x0101, b"0003")) == 0x9000
    host.at_domain(CITIZEN_ID, published_keys())
    assert host.send(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=4)).data == b"0003"


GROUPINGS = st.tuples(st.sampled_from([0x0101, 0x8101, 0x011D, 0x811D, 0x0102]), st.binary(max_size=40))


@settings(max_examples=60)
@given(st.lists(GROUPINGS, max_size=4))
def test_all_of_a_sequence_or_nothing(groupings: list[tuple[int, bytes]]) -> None:
    image: CardImage = issued()
    before = everything(image)
    host = Manager.of(image).at_domain(CITIZEN_ID, interior_keys())
    sw = host.store(b"".join(dgi(number, value) for number, value in groupings))
    after = everything(image)
    if sw != 0x9000:
        assert (sw, after) == (0x6A80, before)
        return
    names = {0x0101: "block0", 0x0102: "block1", 0x011D: "security_object"}
    expected = dict(before["citizen_id"])
    for number, value in groupings:
        place = names[number & 0x7FFF]
        old = expected.get(place, b"")
        assert isinstance(old, bytes)
        at, new = (int.from_bytes(value[:2]), value[2:]) if number & 0x8000 else (0, value)
        expected[place] = old[:at] + new + old[at + len(new) :] if number & 0x8000 else new
    assert after["citizen_id"] == expected


def test_a_length_of_three_bytes_begins_with_ff() -> None:
    assert dgi(0x0101, bytes(300))[2] == LONG_LENGTH
    assert ISSUER != HEALTH


def test_a_block_behind_a_gap_leaves_a_card_that_can_be_read() -> None:
    image = issued()
    host = Manager.of(image).at_domain(CITIZEN_ID, interior_keys())
    assert host.store(dgi(0x0107, b"a seventh block")) == 0x9000
    again = Manager.of(image)
    assert again.select(CITIZEN_ID) == 0x9000
    assert again.plain(CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=4)).data == b"0003"
