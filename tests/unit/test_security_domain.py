"""Channels, keys and counters of a security domain on the emulated card (GlobalPlatform 2.3.1, 11; Amendment D, 7)."""

from dataclasses import replace
from pathlib import Path

import pytest

from ecitizen.emulator.image import CardImage, Disk, Value
from ecitizen.emulator.security_domain_keys import TRIES_MAX, DomainKeys, key_memory
from ecitizen.errors import CryptogramWrong, ImageDamaged, ImageError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Option, SecurityLevel, initialize_update
from ecitizen.secure_channel.key_blocks import check_value, encode_key
from ecitizen.secure_channel.scp03 import HostChannel, pseudo_random_challenge, session_keys
from tests.unit.gp_host import CHALLENGE, KVN, SERIAL, Host, blank_image, published_keys

GET_CPLC = CommandApdu(0x80, 0xCA, 0x9F, 0x7F, ne=256)
CPLC_LEN = 45
FORGED = CommandApdu(0x84, 0x82, 0x33, 0x00, bytes(16))
OTHER = published_keys(0x31, 16, 0x80)

both_protocols = pytest.mark.parametrize("protocol", CardProtocol)


def put_key(*, clear_length: bool = True, kvn: int = 0x31, length: int = 16) -> bytes:
    """The data of PUT KEY for three equal keys, under the published data key."""
    new = published_keys(kvn, length, 0x80)
    dek = published_keys().dek
    return bytes((kvn,)) + encode_key(dek, new.enc, clear_length=clear_length) * 3


def tries(image: CardImage, kvn: int = KVN) -> int:
    found = DomainKeys(image.read("card")).find(kvn)
    assert found is not None
    return found.tries


def sequence(image: CardImage, kvn: int = KVN) -> int:
    found = DomainKeys(image.read("card")).find(kvn)
    assert found is not None
    return found.sequence


# Opening.


def test_the_answer_names_the_chip_the_keys_and_the_channel() -> None:
    said = Host.at(blank_image()).plain(initialize_update(CHALLENGE))
    answer = CardAnswer.parse(said.data, 8)
    assert answer.diversification == b"\x00\x00" + SERIAL
    assert (answer.kvn, int(answer.options), answer.sequence) == (KVN, 0x70, 0)
    assert Scp03Option.S16 not in answer.options
    aid = bytes.fromhex("A000000151000000")
    assert answer.challenge == pseudo_random_challenge(published_keys().enc, 0, aid, 8)


@both_protocols
@pytest.mark.parametrize("level", SecurityLevel)
@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_channel_carries_commands(protocol: CardProtocol, level: SecurityLevel, length: int) -> None:
    host = Host.at(blank_image(published_keys(length=length)), protocol).open(published_keys(length=length), level)
    for _ in range(3):
        response = host.send(GET_CPLC)
        assert (len(response.data), response.sw) == (CPLC_LEN, 0x9000)


def test_key_version_0_is_the_lowest() -> None:
    image = blank_image(published_keys(0x31, 16, 0x80), published_keys(0x30))
    Host.at(image).open(published_keys(0x30), kvn=0)


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        (CommandApdu(0x80, 0x50, KVN, 1, CHALLENGE, 256), 0x6A86),
        (CommandApdu(0x80, 0x50, 0x44, 0, CHALLENGE, 256), 0x6A88),
        (CommandApdu(0x80, 0x50, KVN, 0, bytes(16), 256), 0x6700),
        (CommandApdu(0x80, 0x50, KVN, 0, b"", 256), 0x6700),
        (CommandApdu(0x00, 0x50, KVN, 0, CHALLENGE, 256), 0x6D00),
        (FORGED, 0x6982),
        (CommandApdu(0xA0, 0xCA, 0x9F, 0x7F, ne=256), 0x6E00),
        (CommandApdu(0x84, 0xCA, 0x9F, 0x7F, bytes(8), 256), 0x6982),
        (CommandApdu(0x80, 0xD8, 0x00, 0x81, put_key(), 256), 0x6982),
        (CommandApdu(0x80, 0xE4, 0x00, 0x00, b"\xd2\x01\x30", 256), 0x6982),
    ],
)
def test_what_is_refused_without_a_channel(command: CommandApdu, sw: int) -> None:
    assert Host.at(blank_image()).plain(command) == ResponseApdu(b"", sw)


@pytest.mark.parametrize(("p1", "p2", "sw"), [(0x00, 0, 0x6A86), (0x02, 0, 0x6A86), (0x33, 1, 0x6A86)])
def test_wrong_parameters_of_external_authenticate_cost_no_try(p1: int, p2: int, sw: int) -> None:
    image = blank_image()
    host = Host.at(image)
    opened = host.begin(published_keys()).external_authenticate()
    assert host.plain(CommandApdu(0x84, 0x82, p1, p2, opened.data)).sw == sw
    host.begin(published_keys())
    assert host.plain(CommandApdu(0x84, 0x82, 0x33, 0, opened.data[:-1])).sw == 0x6700
    assert tries(image) == TRIES_MAX


def test_an_opening_is_good_for_the_very_next_command_only() -> None:
    host = Host.at(blank_image())
    opened = host.begin(published_keys()).external_authenticate()
    assert host.plain(GET_CPLC).sw == 0x9000
    assert host.plain(opened).sw == 0x6982


def test_every_channel_has_another_challenge_and_a_replay_fails() -> None:
    image = blank_image()
    host = Host.at(image)
    first = host.begin(published_keys()).external_authenticate()
    assert host.plain(first).sw == 0x9000
    assert sequence(image) == 1
    host.begin(published_keys())
    assert host.plain(first).sw == 0x6300
    assert (sequence(image), tries(image)) == (1, TRIES_MAX - 1)


# Failures are counted.


def test_wrong_hosts_lock_the_keys_and_only_these() -> None:
    image = blank_image(published_keys(), OTHER)
    for left in range(TRIES_MAX, 0, -1):
        host = Host.at(image)
        host.begin(published_keys())
        assert tries(image) == left
        assert host.plain(FORGED).sw == 0x6300
        assert host.plain(GET_CPLC).sw == 0x9000
    assert Host.at(image).plain(initialize_update(CHALLENGE, kvn=KVN)).sw == 0x6983
    Host.at(image).open(OTHER)


def test_the_right_host_gives_the_tries_back() -> None:
    image = blank_image()
    host = Host.at(image)
    host.begin(published_keys())
    host.plain(FORGED)
    host.open()
    assert tries(image) == TRIES_MAX


def test_a_wrong_mac_counts_too() -> None:
    image = blank_image()
    host = Host.at(image)
    opened = host.begin(published_keys()).external_authenticate()
    changed = opened.data[:-1] + bytes((opened.data[-1] ^ 1,))
    assert host.plain(CommandApdu(0x84, 0x82, 0x33, 0, changed)).sw == 0x6982
    assert tries(image) == TRIES_MAX - 1


def test_a_host_with_wrong_keys_notices_first_and_costs_no_try() -> None:
    image = blank_image()
    with pytest.raises(CryptogramWrong):
        Host.at(image).begin(published_keys(KVN, 16, 0x41))
    assert tries(image) == TRIES_MAX


# A channel and who would break it.


@pytest.mark.parametrize(
    "intruder", [GET_CPLC, CommandApdu(0x00, 0x84, ne=8), CommandApdu(0x84, 0xCA, 0x9F, 0x7F, bytes(8), 256)]
)
def test_a_plain_or_forged_command_ends_the_channel(intruder: CommandApdu) -> None:
    host = Host.at(blank_image()).open()
    assert host.plain(intruder) == ResponseApdu(b"", 0x6982)
    assert host.send(GET_CPLC).sw == 0x6982


def test_selecting_ends_the_channel() -> None:
    host = Host.at(blank_image()).open()
    assert host.plain(CommandApdu(0x00, 0xA4, 0x04, 0x00)).sw == 0x9000
    assert host.send(GET_CPLC).sw == 0x6982


def test_power_ends_the_channel() -> None:
    host = Host.at(blank_image()).open()
    host.card.reset()
    assert host.send(GET_CPLC).sw == 0x6982


def test_a_new_channel_takes_the_place_of_the_old_one() -> None:
    host = Host.at(blank_image()).open()
    old = host.channel
    host.open()
    assert host.send(GET_CPLC).sw == 0x9000
    host.channel = old
    assert host.send(GET_CPLC).sw == 0x6982


def test_an_error_inside_the_channel_leaves_it_open() -> None:
    host = Host.at(blank_image()).open()
    assert host.ask("80CA0099") == "6A88"
    assert host.ask("80120000") == "6D00"
    assert host.ask("00A40400A000000151") == "6A82"
    assert host.send(GET_CPLC).sw == 0x9000


def test_channels_on_two_logical_channels_know_nothing_of_each_other() -> None:
    host = Host.at(blank_image()).open()
    assert host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1)).data == b"\x01"
    assert host.plain(CommandApdu(0x81, 0xCA, 0x9F, 0x7F, ne=256)).sw == 0x9000
    assert host.send(GET_CPLC).sw == 0x9000


def begin_on(host: Host, number: int) -> CommandApdu:
    """A second opening on another logical channel; its EXTERNAL AUTHENTICATE."""
    host.plain(CommandApdu(0x00, 0x70, 0x00, 0x00, ne=1))
    said = host.plain(CommandApdu(0x80 | number, 0x50, KVN, 0, CHALLENGE, 256))
    answer = CardAnswer.parse(said.data, 8)
    other = HostChannel(session_keys(published_keys(), CHALLENGE, answer.challenge), CHALLENGE, answer)
    return replace(other.external_authenticate(), cla=0x84 | number)


def test_openings_side_by_side_have_no_more_tries_than_one() -> None:
    image = blank_image()
    host = Host.at(image)
    for _ in range(TRIES_MAX - 1):
        host.begin(published_keys())
        host.plain(FORGED)
    begin_on(host, 1)
    right = begin_on(host, 2)
    host.begin(published_keys())
    assert host.plain(FORGED).sw == 0x6300
    assert host.plain(replace(FORGED, cla=0x85)).sw == 0x6983
    assert host.plain(right).sw == 0x6983
    assert tries(image) == 0


@pytest.mark.parametrize("new", [KVN, 0x31])
def test_keys_that_were_rotated_meanwhile_open_nothing(new: int) -> None:
    host = Host.at(blank_image())
    waiting = begin_on(host, 1)
    host.open()
    assert host.send(CommandApdu(0x80, 0xD8, KVN, 0x81, put_key(kvn=new), 256)).sw == 0x9000
    assert host.plain(waiting).sw == 0x6983


# Keys.


@both_protocols
@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("clear_length", [True, False])
def test_keys_are_added(protocol: CardProtocol, length: int, clear_length: bool) -> None:
    image = blank_image()
    host = Host.at(image, protocol).open()
    new = published_keys(0x31, length, 0x80)
    data = put_key(clear_length=clear_length, length=length)
    answer = host.send(CommandApdu(0x80, 0xD8, 0x00, 0x81, data, 256))
    assert answer == ResponseApdu(b"\x31" + check_value(new.enc) * 3, 0x9000)
    Host.at(image, protocol).open(new)
    Host.at(image, protocol).open(published_keys())


def test_keys_are_rotated_and_the_channel_goes_on() -> None:
    image = blank_image()
    host = Host.at(image).open()
    assert host.send(CommandApdu(0x80, 0xD8, KVN, 0x81, put_key(), 256)).sw == 0x9000
    assert host.send(GET_CPLC).sw == 0x9000
    assert Host.at(image).plain(initialize_update(CHALLENGE, kvn=KVN)).sw == 0x6A88
    Host.at(image).open(OTHER)


def test_a_version_is_replaced_by_itself() -> None:
    image = blank_image()
    host = Host.at(image).open()
    assert host.send(CommandApdu(0x80, 0xD8, KVN, 0x81, put_key(kvn=KVN), 256)).sw == 0x9000
    Host.at(image).open(published_keys(KVN, 16, 0x80))


GOOD = put_key()


@pytest.mark.parametrize(
    ("p1", "p2", "data", "sw"),
    [
        (0x00, 0x01, GOOD, 0x6A86),
        (0x00, 0x82, GOOD, 0x6A86),
        (0x32, 0x81, GOOD, 0x6A88),
        (0x00, 0x81, b"", 0x6A80),
        (0x00, 0x81, b"\x31", 0x6A80),
        (0x00, 0x81, GOOD[:-1], 0x6A80),
        (0x00, 0x81, GOOD[:-1] + b"\x00", 0x6A80),
        (0x00, 0x81, b"\x00" + GOOD[1:], 0x6A80),
        (0x00, 0x81, b"\x80" + GOOD[1:], 0x6A80),
        (0x00, 0x81, bytes((KVN,)) + GOOD[1:], 0x6A80),  # there already
        (0x00, 0x81, GOOD + encode_key(published_keys().dek, OTHER.enc), 0x6A80),
        (0x00, 0x81, GOOD[:47] + encode_key(published_keys().dek, KeyBytes(bytes(32))), 0x6A80),
    ],
)
def test_keys_that_are_refused_change_nothing(p1: int, p2: int, data: bytes, sw: int) -> None:
    image = blank_image()
    host = Host.at(image).open()
    before = dict(image.read("card"))
    assert host.send(CommandApdu(0x80, 0xD8, p1, p2, data, 256)).sw == sw
    assert dict(image.read("card")) == before


def test_there_is_room_for_eight_versions() -> None:
    image = blank_image()
    host = Host.at(image).open()
    for kvn in range(0x31, 0x38):
        assert host.send(CommandApdu(0x80, 0xD8, 0x00, 0x81, put_key(kvn=kvn), 256)).sw == 0x9000
    assert host.send(CommandApdu(0x80, 0xD8, 0x00, 0x81, put_key(kvn=0x38), 256)).sw == 0x6A84


def test_key_versions_are_deleted_but_not_the_one_in_use() -> None:
    image = blank_image(published_keys(), OTHER)
    host = Host.at(image).open()
    assert host.ask("80E40000D20130") == "6985"
    assert host.ask("80E40000D20144") == "6A88"
    assert host.ask("80E40000D20100") == "6A88"
    assert host.ask("80E40000D00101") == "6A80"
    assert host.ask("80E40001D20131") == "6A86"
    assert host.ask("80E40000D20131") == "009000"
    assert [each.keys.kvn for each in DomainKeys(image.read("card"))] == [KVN]


# What anybody may ask.


def test_key_information_recognition_data_and_counter() -> None:
    image = blank_image(published_keys(), published_keys(0x31, 32))
    Host.at(image).open()
    plain = Host.at(image)
    keys = "".join(f"C004{kid:02X}{kvn}88{length}" for kvn, length in (("30", "10"), ("31", "20")) for kid in (1, 2, 3))
    assert plain.plain(CommandApdu(0x80, 0xCA, 0x00, 0xE0, ne=256)).data.hex().upper() == "E024" + keys
    assert plain.plain(CommandApdu(0x00, 0xCA, 0x00, 0xC1, ne=256)).data.hex().upper() == "C103000001"
    recognition = plain.plain(CommandApdu(0x80, 0xCA, 0x00, 0x66, ne=256)).data.hex().upper()
    assert recognition == (
        "6631732F06072A864886FC6B01600C060A2A864886FC6B0202030163090607" + "2A864886FC6B03640B06092A864886FC6B040370"
    )


# Memory.


class FullDisk(Disk):
    """A disk that takes nothing from some moment on."""

    full = False

    def write(self, fd: int, data: bytes) -> None:
        if self.full:
            raise OSError(28, "no space left")
        super().write(fd, data)


def test_a_write_that_fails_is_told_and_the_channel_goes_on(tmp_path: Path) -> None:
    disk = FullDisk()
    sections = {"card": {"cplc": bytes(42), "registry": [], **key_memory(published_keys())}}
    with CardImage.create(tmp_path / "card", sections, disk=disk) as image:
        host = Host.at(image).open()
        disk.full = True
        assert host.send(CommandApdu(0x80, 0xD8, 0x00, 0x81, GOOD, 256)).sw == 0x6581
        assert host.send(GET_CPLC).sw == 0x9000
        host.begin(published_keys())
        assert host.plain(FORGED).sw == 0x6581  # the try could not be counted, so it was none
        disk.full = False
    with CardImage.open(tmp_path / "card") as image:
        assert [each.keys.kvn for each in DomainKeys(image.read("card"))] == [KVN]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("keys_30", {"tries": TRIES_MAX + 1}),
        ("keys_30", {"tries": -1}),
        ("keys_30", {"sequence": True}),
        ("keys_30", {"sequence": 1 << 25}),
        ("keys_30", {"enc": bytes(15)}),
        ("keys_30", {"dek": None}),
        ("keys_3", {}),
        ("keys_zz", {}),
        ("keys_00", {}),
        ("keys_80", {}),
    ],
)
def test_broken_memory_is_an_error_of_the_image(name: str, change: dict[str, Value]) -> None:
    value = key_memory(published_keys())["keys_30"]
    assert isinstance(value, dict)
    with pytest.raises(ImageDamaged) as caught:
        list(DomainKeys({name: {**value, **change}}))
    assert isinstance(caught.value, ImageError)


def test_a_counter_at_its_end_opens_nothing_more() -> None:
    image = blank_image()
    value = key_memory(published_keys())["keys_30"]
    assert isinstance(value, dict)
    image.read("card").write({"keys_30": {**value, "sequence": 0x1000000}})
    assert Host.at(image).plain(initialize_update(CHALLENGE)).sw == 0x6983
