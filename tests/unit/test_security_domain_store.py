"""STORE DATA: numbers of issuer and card, in every form, in one block and in many (GlobalPlatform 2.3.1, 11.11)."""

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.emulator.applet import Refusal
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.security_domain_store import data_objects
from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.secret import KeyBytes
from tests.unit.gp_host import Host, blank_image

DEK = bytes(range(0x40, 0x50))
IIN, CIN = "4203764123", "4506636172642031"
NUMBERS = {"iin": bytes.fromhex("764123"), "cin": b"card 1"}


def encrypted(clear: bytes) -> str:
    padded = clear + b"\x80" + bytes(-(len(clear) + 1) % 16)
    return AES.new(DEK, AES.MODE_CBC, bytes(16)).encrypt(padded).hex()


BOTH_ENCRYPTED = encrypted(bytes.fromhex(IIN + CIN))


def stored(image: CardImage) -> dict[str, object]:
    return {name: value for name, value in image.read("card").items() if name in NUMBERS}


def store(host: Host, *blocks: tuple[int, int, str]) -> list[int]:
    return [host.send(CommandApdu(0x80, 0xE2, p1, p2, bytes.fromhex(data))).sw for p1, p2, data in blocks]


@pytest.mark.parametrize(
    "blocks",
    [
        [(0x90, 0, IIN + CIN)],
        [(0x91, 0, IIN + CIN)],
        [(0x88, 0, "00700D" + IIN + CIN)],
        [(0x88, 0, "0070FF000D" + IIN + CIN)],
        [(0x88, 0, "007005" + IIN + "007008" + CIN)],
        [(0xE8, 0, "007010" + BOTH_ENCRYPTED)],
        [(0x10, 0, IIN), (0x90, 1, CIN)],
        [(0x10, 0, IIN[:6]), (0x10, 1, ""), (0x90, 2, IIN[6:] + CIN)],
        [(0x68, 0, "007010" + BOTH_ENCRYPTED[:18]), (0xE8, 1, BOTH_ENCRYPTED[18:])],
    ],
    ids=lambda blocks: " ".join(f"{p1:02X}" for p1, _, _ in blocks),
)
def test_numbers_are_stored(blocks: list[tuple[int, int, str]]) -> None:
    image = blank_image()
    assert store(Host.at(image).open(), *blocks) == [0x9000] * len(blocks)
    assert stored(image) == NUMBERS


def test_nothing_is_stored_before_the_last_block() -> None:
    image = blank_image()
    host = Host.at(image).open()
    assert store(host, (0x10, 0, IIN), (0x10, 1, CIN)) == [0x9000] * 2
    assert stored(image) == {}
    host.card.reset()
    assert store(host.open(), (0x90, 2, "")) == [0x6A86]
    assert stored(image) == {}


def test_another_command_in_between_ends_the_sequence() -> None:
    image = blank_image()
    host = Host.at(image).open()
    store(host, (0x10, 0, IIN))
    assert host.ask("80CA9F7F").endswith("9000")
    assert store(host, (0x90, 1, CIN), (0x90, 0, CIN)) == [0x6A86, 0x9000]
    assert stored(image) == {"cin": b"card 1"}


@pytest.mark.parametrize(
    ("blocks", "sw"),
    [
        ([(0x90, 1, IIN)], 0x6A86),
        ([(0x10, 0, IIN), (0x90, 2, CIN)], 0x6A86),
        ([(0x10, 0, IIN), (0x88, 1, CIN)], 0x6A86),
        ([(0x98, 0, IIN)], 0x6A86),
        ([(0xB0, 0, IIN)], 0x6A86),  # encrypted in a way of the application's own
        ([(0xF0, 0, IIN)], 0x6A86),  # encrypted BER-TLV
        ([(0x92, 0, IIN)], 0x6A86),
        ([(0x90, 0, IIN + "46")], 0x6A80),
        ([(0x90, 0, IIN + "4700")], 0x6A80),
        ([(0x90, 0, IIN + "4500")], 0x6A80),
        ([(0x90, 0, IIN + "4541" + "00" * 65)], 0x6A80),
        ([(0x88, 0, "00700E" + IIN + CIN)], 0x6A80),
        ([(0x88, 0, "0070")], 0x6A80),
        ([(0x88, 0, "00")], 0x6A80),
        ([(0x88, 0, "0070FF00")], 0x6A80),
        ([(0x88, 0, "007105" + IIN)], 0x6A80),
        ([(0xE8, 0, "007005" + IIN)], 0x6A80),
        ([(0xE8, 0, "007010" + "00" * 16)], 0x6A80),
    ],
)
def test_what_is_refused_stores_nothing(blocks: list[tuple[int, int, str]], sw: int) -> None:
    image = blank_image()
    host = Host.at(image).open()
    *before, last = store(host, *blocks)
    assert (set(before) <= {0x9000}, last) == (True, sw)
    assert stored(image) == {}
    assert store(host, (0x90, 0, IIN)) == [0x9000]  # from the beginning again


def test_blocks_have_an_end() -> None:
    host = Host.at(blank_image()).open()
    assert store(host, *[(0x10, number, "00") for number in range(256)]) == [0x9000] * 255 + [0x6A84]
    assert store(host, (0x10, 0, "00" * 40000), (0x90, 1, "00" * 40000)) == [0x9000, 0x6A84]


def test_a_channel_is_needed() -> None:
    image = blank_image()
    assert Host.at(image).plain(CommandApdu(0x80, 0xE2, 0x90, 0, bytes.fromhex(IIN))).sw == 0x6982
    assert stored(image) == {}


@given(p1=st.integers(0, 255), data=st.binary(max_size=60))
def test_whatever_is_stored(p1: int, data: bytes) -> None:
    try:
        found = data_objects(p1, data, KeyBytes(DEK))
    except Refusal as refusal:
        found, sw = [], refusal.sw
    else:
        sw = 0x9000
    assert sw in {0x9000, 0x6A80, 0x6A86}
    assert sum(len(value) for _, value in found) <= len(data)
