"""The PIV applet as the card's operating system sees it: selection, classes, chains, and memory that is none."""

import random
import subprocess
import sys

import pytest

from cardapps.piv.applet import PivApplet
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage, Value
from ecitizen.errors import ImageDamaged
from ecitizen.iso7816.apdu import CardProtocol
from tests.piv_card import (
    ALGORITHM_BYTES,
    GET_CHUID,
    PIN_NEVER,
    PIN_STATE,
    SELECT,
    SELECT_NEIGHBOUR,
    VERIFY,
    WRONG_PIN,
    Hand,
    Neighbour,
    memory,
    stored,
    template,
)

APPLICATION_PROPERTIES = (
    "6145"
    "4F06000010000100"
    "79074F05A000000308"
    "500C65636974697A656E20504956"
    "AC24800103800105800107800108 80010A 80010C 800111 800114 800116 8001E0 8001E1 060100"
).replace(" ", "")


@pytest.mark.parametrize(
    "name",
    ["A000000308000010000100", "A00000030800001000", "A000000308", "A0000003"],
    ids=["full", "OpenSC's", "yubikit's", "the first"],
)
def test_select_by_full_and_truncated_name(name: str) -> None:
    select = f"00A40400{len(name) // 2:02X}{name}"
    Hand().talk(f"{SELECT_NEIGHBOUR} > 9000 \n {select}00 > {APPLICATION_PROPERTIES} 9000 \n {PIN_STATE} > 63C3")
    hand = Hand(protocol=CardProtocol.T0)
    hand.talk(f"{SELECT_NEIGHBOUR} > 9000 \n {select} > 6147 \n 00C0000047 > {APPLICATION_PROPERTIES} 9000")


def test_a_name_that_is_too_long_or_another_version_is_not_this_application() -> None:
    Hand().talk("00A404000CA00000030800001000010000 > 6A82 \n 00A404000BA000000308000010000200 > 6A82")


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("80200080", "6E00"),
        ("80CB3FFF035C017E00", "6E00"),
        ("B0340076", "6E00"),
        ("00CADF3000", "6D00"),
        ("0084000008", "6D00"),
        ("00B0000000", "6D00"),
        ("00FC0000", "6D00"),
        ("00EE0000", "6D00"),
        ("00A4000C023F00", "6A82"),
        ("00A4020C022F00", "6A82"),
    ],
)
def test_commands_of_others_leave_the_pin_verified(command: str, sw: str) -> None:
    """What clients send to find out what a card is."""
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000 \n {command} > {sw} \n {PIN_STATE} > 9000")
    assert hand.contents() == memory()


# --- chains ---

LONG = bytes(range(256)) * 2
PUT_LONG = bytes.fromhex("5C035FC102 5382 0200") + LONG


def links(command: bytes, size: int) -> list[bytes]:
    """PUT DATA in a chain of links."""
    found = []
    for at in range(0, len(command), size):
        part = command[at : at + size]
        cla = 0x10 if at + size < len(command) else 0x00
        found.append(bytes((cla, 0xDB, 0x3F, 0xFF, len(part))) + part)
    return found


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("size", [255, 100, 1])
def test_a_long_object_comes_in_a_chain_and_goes_in_pieces(protocol: CardProtocol, size: int) -> None:
    hand = Hand(protocol=protocol)
    manage(hand)
    for link in links(PUT_LONG, size):
        assert hand.card.transmit(link) == b"\x90\x00"
    answer = hand.card.transmit(bytes.fromhex(GET_CHUID))
    data = answer[:-2]
    while answer[-2] == 0x61:
        answer = hand.card.transmit(bytes((0x00, 0xC0, 0, 0, answer[-1])))
        data += answer[:-2]
    assert answer[-2:] == b"\x90\x00"
    assert data == bytes.fromhex("53820200") + LONG


def manage(hand: Hand) -> None:
    """Authenticate with the management key on either protocol."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    from tests.piv_card import MANAGEMENT_KEY, encipher

    answer = hand.card.transmit(bytes.fromhex("0087039B047C02810000"))
    if answer[-2] == 0x61:
        answer = hand.card.transmit(bytes((0x00, 0xC0, 0, 0, answer[-1])))
    response = encipher(TripleDES(MANAGEMENT_KEY), answer[4:12])
    assert hand.card.transmit(bytes.fromhex("0087039B0C7C0A8208") + response) == b"\x90\x00"


@pytest.mark.parametrize("between", [PIN_STATE, GET_CHUID, "00CADF3000", "00C0000001"])
def test_a_chain_left_half_way_leaves_nothing_behind(between: str) -> None:
    hand = Hand()
    manage(hand)
    before = hand.contents()
    first, second, *_, last = links(PUT_LONG, 100)
    for begun in ([first], [first, second]):
        for link in begun:
            hand.talk(f"{link.hex()} > 9000")
        hand.card.transmit(bytes.fromhex(between))
        hand.talk(f"{last.hex()} > 6A80")
        assert hand.contents() == before


def test_another_application_in_the_middle_of_a_chain_ends_chain_and_status() -> None:
    hand = Hand()
    manage(hand)
    before = hand.contents()
    *begun, last = links(PUT_LONG, 255)
    for link in begun:
        hand.talk(f"{link.hex()} > 9000")
    hand.talk(f"{SELECT_NEIGHBOUR} > 9000 \n {SELECT} > 9000 \n {last.hex()} > 6982")
    assert hand.contents() == before


def test_a_pin_in_a_chain_is_a_pin() -> None:
    Hand().talk(f"10200080043132333 4 > 9000 \n 00200080043536FFFF > 9000 \n {PIN_STATE} > 9000")
    Hand().talk(f"1020008008303030303030FFFF > 9000 \n {PIN_STATE} > 63C2")  # the end of that chain


# --- without extensions ---


@pytest.mark.parametrize("ins", ["F6", "F7", "F8", "F9", "FA", "FB", "FD", "FE", "FF"])
def test_a_card_without_extensions_knows_none_of_them(ins: str) -> None:
    hand = Hand({"extensions": False, "pin_tries": 0, "puk_tries": 0})
    manage(hand)
    before = hand.contents()
    for parameters in ("0000", "009A", "9A00", "FFFF", "0080"):
        hand.talk(f"00{ins}{parameters} > 6D00")
    assert hand.contents() == before


# --- memory ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pin", None),
        ("pin", b"1234567"),
        ("pin", "12345678"),
        ("puk", b""),
        ("pin_tries", None),
        ("pin_tries", -1),
        ("pin_tries", 4),
        ("pin_tries", True),
        ("puk_tries_max", 16),
        ("management_algorithm", 0),
        ("management_algorithm", 7),
        ("management_key", bytes(16)),
        ("serial", 1 << 32),
        ("serial", None),
        ("key 9A", b"key"),
        ("key 9A", {}),
        ("key 9A", {"algorithm": 0x11, "private": "no bytes", "origin": 1, "pin_policy": 2}),
        ("key 9A", {"algorithm": 0x03, "private": b"", "origin": 1, "pin_policy": 2}),
        ("key 9A", {"algorithm": 0x11, "private": b"", "origin": 3, "pin_policy": 2}),
        ("key 9A", {"algorithm": 0x11, "private": b"", "origin": 1, "pin_policy": 0}),
        ("key 9A", {"algorithm": 0x11, "private": b"", "origin": 1, "pin_policy": 9}),
        ("key 9A", {"algorithm": [], "private": b"", "origin": 1, "pin_policy": 1}),
        ("object 5FC102", "text"),
        ("object 5FC102", None),
    ],
)
def test_memory_that_no_card_wrote_is_an_image_error(name: str, value: Value) -> None:
    image = CardImage.in_memory({"piv": {**memory(), name: value}})
    applet = PivApplet(image.read("piv"), CardProtocol.T1)
    with pytest.raises(ImageDamaged, match="make a new one"):
        applet.open()
    card = Card([Neighbour({}, CardProtocol.T1), applet], atr=bytes.fromhex("3B80800101"), protocol=CardProtocol.T1)
    card.power_on()
    assert card.transmit(bytes.fromhex("00A4040009A00000030800001000")) == bytes.fromhex("6581")


def test_a_private_key_that_is_none_is_a_memory_failure() -> None:
    other_kind = {**stored(KeyAlgorithm.P_256, PIN_NEVER), "algorithm": 0x14}
    broken = {**stored(KeyAlgorithm.P_256, PIN_NEVER), "private": b"\x30\x00"}
    for key, algorithm in ((other_kind, "14"), (broken, "11")):
        assert Hand({"key 9E": key}).sw(f"0087{algorithm}9E", "7C058200810101") == 0x6581


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.ED25519])
def test_a_private_key_that_was_tampered_with_raises_nothing(algorithm: KeyAlgorithm) -> None:
    """Whatever became of its bytes, the card answers: with a signature, or that its memory failed."""
    key, chance = stored(algorithm, PIN_NEVER), random.Random(algorithm)
    private, block = key["private"], bytes.fromhex("0001" + "FF" * 202 + "00" + "31" * 51)
    assert isinstance(private, bytes)
    answers = set()
    for _ in range(150):
        spoiled = bytearray(private)
        at = chance.randrange(len(spoiled))
        spoiled[at : at + chance.choice((1, 1, 1, 2))] = chance.randbytes(chance.choice((0, 1, 1, 2)))
        hand = Hand({"key 9E": {**key, "private": bytes(spoiled)}})
        data = template("82", b"", "81", block if algorithm.is_rsa else bytes(32))
        answers.add(hand.sw(f"0087{ALGORITHM_BYTES[algorithm]:02X}9E", data))
        answers.add(hand.sw("00F7009E"))
    assert 0x6581 in answers
    assert answers <= {0x9000, 0x6581, 0x6F00}


def test_the_card_starts_without_cryptography() -> None:
    script = (
        "import sys, cardapps.piv.applet\n"
        "slow = {'cryptography', 'hashlib', 'hmac', 'pki'} & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_secrets_are_in_no_repr() -> None:
    hand = Hand()
    hand.talk(f"{WRONG_PIN} > 63C2 \n 0087039B047C02810000 > ..9000")
    selection = hand.card._channels[0].selection
    shown = repr(getattr(selection, "use", None))
    assert "pending" in shown
    for secret in (b"123456", b"12345678", bytes(range(1, 9))):
        assert repr(secret)[2:-1] not in shown
