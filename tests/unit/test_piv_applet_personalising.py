"""What the signing application takes from its domain, and what it refuses to everybody else."""

import pytest
from Crypto.Cipher import AES

from ecitizen.emulator.image import CardImage
from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.secure_channel.handshake import SecurityLevel
from tests.unit.gp_host import published_keys
from tests.unit.gp_issued import PIV, Manager, application, blank, dgi, everything, manager, personalisation

PIN, PUK = b"654321\xff\xff", b"ABCDEFGH"
KEY = b"\x08" + bytes(range(0x20, 0x30))
DEK = bytes(range(0x40, 0x50))
GENERATE = CommandApdu(0x00, 0x47, 0x00, 0x9A, bytes.fromhex("AC03800111"), 256)
PUT_CHUID = CommandApdu(0x00, 0xDB, 0x3F, 0xFF, bytes.fromhex("5C035FC1025303300101"))
UNBLOCK = CommandApdu(0x00, 0x2C, 0x00, 0x80, b"111111\xff\xff")
SECRET = 0xE8


def cipher(number: int, clear: bytes) -> bytes:
    padded = clear + b"\x80" + bytes(-(len(clear) + 1) % 16)
    return dgi(number, AES.new(DEK, AES.MODE_CBC, bytes(16)).encrypt(padded))


PERSONAL = cipher(0x8010, PIN) + cipher(0x8011, PUK) + cipher(0x809B, KEY) + cipher(0x8012, b"\x05\x04")


@pytest.fixture
def image() -> CardImage:
    """A card with a signing application that nobody has personalised."""
    made = blank()
    assert manager(made).install(application(PIV)) == 0x9000
    return made


def at_application(image: CardImage, level: SecurityLevel = SecurityLevel.FULL) -> Manager:
    host = Manager.of(image)
    assert host.select(PIV) == 0x9000
    host.open(published_keys(), level)
    return host


def tries(image: CardImage) -> tuple[object, ...]:
    section = image.read("piv")
    return tuple(section[name] for name in ("pin_tries", "pin_tries_max", "puk_tries", "puk_tries_max"))


def test_a_blank_application_has_no_secret_that_anybody_knows(image: CardImage) -> None:
    host = Manager.of(image)
    assert host.select(PIV) == 0x9000
    for command, sw in {
        "002000803132333435 36FFFF": 0x6983,
        "00200080FFFFFFFFFFFFFFFF": 0x6983,
        "002400803132333435 36FFFF3132333435 36FFFF": 0x6983,
        "002400813132333435363738 4142434445464748": 0x6983,
        "002C00803132333435363738 313233343536FFFF": 0x6983,
        "0087039B7C028100": 0x6A86,
        "0087089B7C028000": 0x6A86,
        "00F7009B": 0x6A88,
        "00FFFFFF089B10" + "00" * 16: 0x6982,
        "00FB0000": 0x6985,
        "0047009AAC03800111": 0x6982,
        "00DB3FFF5C035FC1025303300101": 0x6982,
        "00F70080": 0x9000,
        "00F8 0000": 0x9000,
    }.items():
        raw = bytes.fromhex(command)
        assert (command, host.plain(CommandApdu(raw[0], raw[1], raw[2], raw[3], raw[4:], 256)).sw) == (command, sw)


@pytest.mark.parametrize("through_domain", [True, False])
def test_secrets_come_with_the_last_block(image: CardImage, through_domain: bool) -> None:
    host = manager(image) if through_domain else at_application(image)
    if through_domain:
        assert host.install(personalisation(PIV), 0x20) == 0x9000
    assert host.store(PERSONAL[:50], 0x68, 0) == 0x9000
    assert tries(image) == (0, 3, 0, 3)
    assert host.store(PERSONAL[50:], SECRET, 1) == 0x9000
    section = image.read("piv")
    assert (section["pin"], section["puk"], section["management_key"]) == (PIN, PUK, KEY[1:])
    assert section["management_algorithm"] == 8
    assert tries(image) == (5, 5, 4, 4)
    plain = Manager.of(image)
    assert plain.select(PIV) == 0x9000
    assert plain.plain(CommandApdu(0x00, 0x20, 0x00, 0x80, PIN)).sw == 0x9000
    assert plain.plain(CommandApdu(0x00, 0x87, 0x08, 0x9B, bytes.fromhex("7C028100"), 256)).sw == 0x9000


def test_a_secret_that_is_set_again_has_all_its_tries(image: CardImage) -> None:
    host = at_application(image)
    host.store(PERSONAL, SECRET)
    for _ in range(5):
        host.send(CommandApdu(0x00, 0x20, 0x00, 0x80, b"000000\xff\xff"))
    assert tries(image) == (0, 5, 4, 4)
    assert host.store(cipher(0x8012, b"\x03\x03"), SECRET) == 0x9000
    assert tries(image) == (0, 3, 3, 3)
    assert host.store(cipher(0x8010, PIN), SECRET) == 0x9000
    assert tries(image) == (3, 3, 3, 3)
    assert host.store(dgi(0x8012, b"\x0f\x0f")) == 0x9000  # no secret: may come in clear
    assert tries(image) == (3, 15, 3, 15)


@pytest.mark.parametrize(
    ("p1", "data", "sw"),
    [
        (0x88, dgi(0x8010, PIN), 0x6985),
        (0x88, dgi(0x8011, PUK), 0x6985),
        (0x88, dgi(0x809B, KEY), 0x6985),
        (0x88, dgi(0x8012, b"\x05\x05") + dgi(0x8010, PIN), 0x6985),
        (SECRET, cipher(0x8010, b"654321"), 0x6A80),
        (SECRET, cipher(0x8010, b"65432\xff\xff\xff"), 0x6A80),
        (SECRET, cipher(0x8010, b"65432A\xff\xff"), 0x6A80),
        (SECRET, cipher(0x8010, b""), 0x6A80),
        (SECRET, cipher(0x8011, b"\xff" * 8), 0x6A80),
        (SECRET, cipher(0x8012, b"\x00\x03"), 0x6A80),
        (SECRET, cipher(0x8012, b"\x03\x10"), 0x6A80),
        (SECRET, cipher(0x8012, b"\x03"), 0x6A80),
        (SECRET, cipher(0x809B, b""), 0x6A80),
        (SECRET, cipher(0x809B, KEY[:-1]), 0x6A80),
        (SECRET, cipher(0x809B, b"\x11" + KEY[1:]), 0x6A80),
        (SECRET, cipher(0x8010, PIN) + cipher(0x8010, PIN), 0x6A80),
        (SECRET, cipher(0x8010, PIN) + cipher(0x8013, PIN), 0x6A80),
        (0x88, dgi(0x0101, b"x"), 0x6A80),
    ],
)
def test_what_it_does_not_take_changes_nothing(image: CardImage, p1: int, data: bytes, sw: int) -> None:
    host = at_application(image)
    before = everything(image)
    assert host.store(data, p1) == sw
    assert everything(image) == before


@pytest.mark.parametrize("level", SecurityLevel)
def test_the_domain_generates_keys_and_puts_objects_without_9b(image: CardImage, level: SecurityLevel) -> None:
    host = at_application(image, level)
    answer = host.send(GENERATE)
    assert (answer.sw, answer.data[:5].hex()) == (0x9000, "7f49438641")
    assert host.send(PUT_CHUID).sw == 0x9000
    assert image.read("piv")["object 5FC102"] == b"\x30\x01\x01"
    host.select(PIV)  # the channel is over, and its rights with it
    assert host.plain(GENERATE).sw == 0x6982
    assert host.plain(PUT_CHUID).sw == 0x6982


def test_the_right_is_the_channels_and_not_the_selections(image: CardImage) -> None:
    host = at_application(image)
    assert host.send(PUT_CHUID).sw == 0x9000
    assert host.plain(PUT_CHUID).sw == 0x6982  # ends the channel
    assert host.plain(PUT_CHUID).sw == 0x6982
    assert host.plain(GENERATE).sw == 0x6982


@pytest.mark.parametrize("level", SecurityLevel)
def test_a_new_pin_without_the_puk_needs_the_full_level(image: CardImage, level: SecurityLevel) -> None:
    host = at_application(image, level)
    host.store(PERSONAL, SECRET)
    before = everything(image)
    answered = host.send(UNBLOCK).sw
    if level is SecurityLevel.FULL:
        assert answered == 0x9000
        assert image.read("piv")["pin"] == UNBLOCK.data
    else:
        assert answered == 0x6982
        assert everything(image) == before


def test_a_blocked_pin_is_unblocked_and_must_be_verified(image: CardImage) -> None:
    host = at_application(image)
    host.store(PERSONAL, SECRET)
    assert host.send(CommandApdu(0x00, 0x20, 0x00, 0x80, PIN)).sw == 0x9000
    assert host.send(UNBLOCK).sw == 0x9000
    assert host.send(CommandApdu(0x00, 0x20, 0x00, 0x80)).sw == 0x63C5
    for data, sw in ((b"12345\xff\xff\xff", 0x6A80), (b"\xff" * 8, 0x6A80), (b"12345A\xff\xff", 0x6A80)):
        assert host.send(CommandApdu(0x00, 0x2C, 0x00, 0x80, data)).sw == sw
    assert host.send(CommandApdu(0x00, 0x2C, 0x00, 0x81, PIN)).sw == 0x6A88
    assert host.send(CommandApdu(0x00, 0x2C, 0x01, 0x80, PIN)).sw == 0x6A86
    assert host.send(CommandApdu(0x00, 0x2C, 0x00, 0x80, PUK + PIN)).sw == 0x9000  # with the PUK, as ever


def test_nobody_sets_a_pin_without_the_puk_outside_a_channel(image: CardImage) -> None:
    at_application(image).store(PERSONAL, SECRET)
    host = Manager.of(image)
    assert host.select(PIV) == 0x9000
    assert host.plain(UNBLOCK).sw == 0x6982
    assert image.read("piv")["pin"] == PIN


def test_blocking_everything_brings_no_known_secret_back(image: CardImage) -> None:
    at_application(image).store(PERSONAL, SECRET)
    host = Manager.of(image)
    host.select(PIV)
    for p1, data in ((0x20, b"000000\xff\xff"), (0x2C, b"0" * 8 + b"000000\xff\xff")):
        for _ in range(6):
            host.plain(CommandApdu(0x00, p1, 0x00, 0x80, data))
    assert tries(image) == (0, 5, 0, 4)
    assert host.plain(CommandApdu(0x00, 0xFB, 0x00, 0x00)).sw == 0x6985
