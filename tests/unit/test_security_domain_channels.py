"""Channels beside each other, to domains and applications, on every logical channel, and chains below them.

GlobalPlatform Card Specification 2.3.1, 11.1.4; ISO/IEC 7816-4:2020, 5.4.1.
"""

from dataclasses import replace

import pytest

from ecitizen.emulator.card import Card
from ecitizen.emulator.personalise import card_from_image
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu, with_channel
from ecitizen.iso7816.exchange import LinkState
from ecitizen.secure_channel.handshake import CardAnswer, SecurityLevel, initialize_update
from ecitizen.secure_channel.scp03 import HostChannel, session_keys
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from tests.unit.gp_host import CHALLENGE, published_keys
from tests.unit.gp_issued import (
    CARD_ADMIN,
    CITIZEN_ID,
    INTERIOR,
    Manager,
    dgi,
    everything,
    extradition,
    interior_keys,
    issued,
    personalisation,
)

STATE = bytes.fromhex("01000000000000") + b"JC1234567890" + bytes(4)
LAST = 0x88
READ = CommandApdu(0x00, 0xB0, 0x81, 0x00, ne=256)


class OnChannel(Manager):
    """A host on another logical channel of a card that somebody else has powered."""

    def __init__(self, card: Card, number: int) -> None:
        self.card, self.number = card, number
        self.link = LinkState(card.protocol)
        self.channel = None

    def plain(self, command: CommandApdu) -> ResponseApdu:
        secured = command.cla & 0x04 and (0x04 if self.number < 4 else 0x20)
        return super().plain(replace(command, cla=with_channel(command.cla & ~0x04, self.number) | secured))


def test_a_channel_to_an_application_writes_no_more_when_it_goes_to_another_domain() -> None:
    image = issued()
    host = Manager.of(image)
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1)).data == b"\x01"
    writer = OnChannel(host.card, 1)
    assert writer.select(CARD_ADMIN) == 0x9000
    writer.open(published_keys())
    assert writer.store(dgi(0x0101, STATE)) == 0x9000
    host.open(published_keys())
    assert host.install(extradition(CARD_ADMIN, INTERIOR), 0x10) == 0x9000
    assert writer.store(dgi(0x0101, bytes(23))) == 0x6985
    assert image.read("card_admin")["state"] == STATE


@pytest.mark.parametrize("number", [1, 3, 4, 18])  # on 19 the class of a secured chain would be FF, which is none
def test_channels_of_every_logical_channel(number: int) -> None:
    image = issued()
    host = Manager.of(image)
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, number)).sw == 0x9000
    writer = OnChannel(host.card, number)
    assert writer.select(INTERIOR) == 0x9000
    writer.open(interior_keys())
    host.open(published_keys())  # another channel beside it
    assert writer.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert writer.store(dgi(0x0101, bytes(300))) == 0x9000  # longer than a short command
    assert host.ask("80CA00E0").endswith("9000")
    assert writer.ask("80CA00E0").endswith("9000")
    assert image.read("citizen_id")["block0"] == bytes(300)
    assert writer.plain(CommandApdu(0x80, 0xCA, 0x00, 0xE0, ne=256)).sw == 0x6982  # ends its channel, and only that
    assert writer.manage(0xCA, 0x00, 0xE0) == 0x6982
    assert host.ask("80CA00E0").endswith("9000")


@pytest.mark.parametrize("aid", [CITIZEN_ID, INTERIOR])
def test_a_chain_is_put_together_below_the_mac(aid: bytes) -> None:
    """The MAC covers Lc as the whole command has it, in three bytes."""
    image = issued()
    host = Manager.of(image).at_domain(aid, interior_keys())
    if aid == INTERIOR:
        assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.channel is not None
    whole = host.channel.wrap_command(CommandApdu(0x80, 0xE2, LAST, 0x00, dgi(0x0101, bytes(700))))
    assert whole.cla == 0x84
    parts = [whole.data[at : at + 200] for at in range(0, len(whole.data), 200)]
    for each in parts[:-1]:
        assert host.card.transmit(CommandApdu(0x94, 0xE2, LAST, 0x00, each).encode()) == b"\x90\x00"
    last = host.plain(CommandApdu(0x84, 0xE2, LAST, 0x00, parts[-1], 256))
    assert host.channel.unwrap_response(last).sw == 0x9000
    assert image.read("citizen_id")["block0"] == bytes(700)


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
def test_long_data_reach_an_application_over_every_link(protocol: CardProtocol) -> None:
    image = issued()
    host = Manager.at(image, protocol)
    assert host.plain(CommandApdu(0x00, 0xA4, 0x04, 0x00, CITIZEN_ID)).sw >> 8 in {0x90, 0x61}
    host.open(interior_keys())
    assert host.send(CommandApdu(0x80, 0xE2, LAST, 0x00, dgi(0x0101, bytes(3000)))).sw == 0x9000
    assert image.read("citizen_id")["block0"] == bytes(3000)


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
@pytest.mark.parametrize("level", SecurityLevel, ids=lambda level: level.name)
def test_as_many_bytes_come_as_were_asked_for(protocol: CardProtocol, level: SecurityLevel) -> None:
    """Protected, too: no padding brings more of a file, and none is lost."""
    image = issued()
    image.read("card").write({"protocol": int(protocol)})
    with CardSession(VirtualReader(card_from_image(image)).connect()) as session:
        select = CommandApdu(0x00, 0xA4, 0x04, 0x00, CITIZEN_ID, 256)
        assert session.transmit(select).sw == 0x9000
        answer = CardAnswer.parse(session.transmit(initialize_update(CHALLENGE)).data, len(CHALLENGE))
        secret = session_keys(interior_keys(), CHALLENGE, answer.challenge)
        plain = Manager.of(issued())
        plain.select(CITIZEN_ID)
        session.open_channel(HostChannel(secret, CHALLENGE, answer, level))
        for length in (1, 15, 16, 23, 231, 255, 256):
            thai = CommandApdu(0x80, 0xB0, 0x00, 0x00, length.to_bytes(2), length)  # the data say how much, too
            reads = [thai, replace(READ, ne=length)]
            for each in reads[: 1 + (protocol is CardProtocol.T1)]:
                assert session.transmit(each) == plain.plain(each)
        assert session.transmit(CommandApdu(0x80, 0xCA, 0x00, 0xE0, ne=256)).sw != 0x6982  # the channel goes on


def test_a_plain_chain_is_still_the_applications_own_matter() -> None:
    host = Manager.of(issued())
    assert host.select(CITIZEN_ID) == 0x9000
    assert host.card.transmit(bytes.fromhex("10D6000001AA")).hex() == "6884"
    assert host.card.transmit(bytes.fromhex("04B0810000")).hex() == "6982"  # no channel is open
    assert host.card.transmit(bytes.fromhex("94E2880001AA")).hex() == "9000"
    assert host.card.transmit(bytes.fromhex("84E2880001AA")).hex() == "6982"


# A hostile host


@pytest.mark.parametrize(
    "intruder",
    [
        READ,
        CommandApdu(0x80, 0xE2, LAST, 0x00, dgi(0x0101, b"x")),
        CommandApdu(0x84, 0xE2, LAST, 0x00, dgi(0x0101, b"x") + bytes(8)),
        CommandApdu(0x84, 0x82, 0x33, 0x00, bytes(16)),
        CommandApdu(0x00, 0xFF, 0x00, 0x00),
    ],
    ids=lambda command: command.encode().hex()[:12],
)
def test_what_is_not_protected_ends_the_channel_to_an_application(intruder: CommandApdu) -> None:
    image = issued()
    before = everything(image)
    host = Manager.of(image).at_domain(CITIZEN_ID, interior_keys())
    assert host.plain(intruder) == ResponseApdu(b"", 0x6982)
    assert host.store(dgi(0x0101, b"x")) == 0x6982
    assert host.plain(READ).sw == 0x9000  # reading is for anybody, as ever
    assert everything(image) == before


@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_a_mac_that_is_off_by_one_bit(bit: int) -> None:
    image = issued()
    before = everything(image)
    host = Manager.of(image).at_domain(INTERIOR, interior_keys())
    assert host.install(personalisation(CITIZEN_ID), 0x20) == 0x9000
    assert host.channel is not None
    sent = host.channel.wrap_command(CommandApdu(0x80, 0xE2, LAST, 0x00, dgi(0x0101, b"x"), 256))
    mac = int.from_bytes(sent.data[-8:]) ^ 1 << bit
    assert host.plain(replace(sent, data=sent.data[:-8] + mac.to_bytes(8))).sw == 0x6982
    assert host.plain(sent).sw == 0x6982  # too late, the channel is over
    assert everything(image) == before


@pytest.mark.parametrize("aid", [CITIZEN_ID, INTERIOR])
def test_a_command_is_good_once(aid: bytes) -> None:
    host = Manager.of(issued()).at_domain(aid, interior_keys())
    assert host.channel is not None
    sent = host.channel.wrap_command(CommandApdu(0x80, 0xE2, 0x08, 0x00, b"\x01", 256))
    assert host.channel.unwrap_response(host.plain(sent)).sw == 0x9000
    assert host.plain(sent).sw == 0x6982
    assert host.manage(0xE2, 0x08, 0x01, b"\x01") == 0x6982


def test_a_channel_of_one_application_is_none_of_another() -> None:
    host = Manager.of(issued()).at_domain(CITIZEN_ID, interior_keys())
    assert host.select(CARD_ADMIN) == 0x9000
    assert host.store(dgi(0x0101, STATE)) == 0x6982
    assert host.select(CITIZEN_ID) == 0x9000
    assert host.store(dgi(0x0101, b"x")) == 0x6982


def test_wrong_hosts_lock_an_agencys_keys_and_nobody_elses() -> None:
    image = issued()
    for number in range(10):
        host = Manager.of(image)
        assert host.select(INTERIOR if number % 2 else CITIZEN_ID) == 0x9000
        assert host.plain(CommandApdu(0x80, 0x50, 0x01, 0x00, bytes(8), 256)).sw == 0x9000
        assert host.plain(CommandApdu(0x84, 0x82, 0x33, 0x00, bytes(16))).sw == 0x6300
    host = Manager.of(image)
    for aid in (INTERIOR, CITIZEN_ID):
        assert host.select(aid) == 0x9000
        assert host.plain(CommandApdu(0x80, 0x50, 0x01, 0x00, bytes(8), 256)).sw == 0x6983
    assert host.plain(READ).sw == 0x9000  # whoever only reads is not locked out
    assert host.at_domain(CARD_ADMIN, published_keys()).store(dgi(0x0101, STATE)) == 0x9000
