"""The persona cards and software that is not ours: probes, mistakes, and arbitrary bytes."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.emulator.card import Card
from ecitizen.emulator.persona import installed_personas
from ecitizen.errors import DecodeError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, logical_channel
from ecitizen.testing import virtual_card

T0, T1 = CardProtocol.T0, CardProtocol.T1

PROBES = (
    "00A4040007627601FF00000000",
    "00A4040006A00000000101",
    "00A404000BE82B0601040181C31F0201",
    "00A404000CD23300000045737445494420",
    "00A4040009A00000030800001000",
    "00CADF3000",
    "80CADF3000",
    "00CB3FFF055C035FC10200",
    "0020008000",
    "0084000008",
    "00A4000C023F00",
    "00A4020C022F00",
    "B0340076",
    "80B40000",
)
"""What OpenSC sends to find out what a card is (card-stack.md, 2.2), and commands of applications that are not here."""


@pytest.mark.parametrize("protocol", CardProtocol)
def test_probes_leave_the_selected_application_alone(protocol: CardProtocol) -> None:
    card = virtual_card("somchai", protocol)
    card.power_on()
    assert card.transmit(bytes.fromhex("00A4040008A000000054480001")) == (
        b"\x61\x0a" if protocol is T0 else b"\x90\x00"
    )
    for probe in PROBES:
        answer = card.transmit(bytes.fromhex(probe)).hex().upper()
        assert answer in {"6A82", "6D00", "6E00", "6986"}, probe
    assert card.transmit(bytes.fromhex("80B00000020004")) == b"\x61\x04"
    assert card.transmit(bytes.fromhex("00C0000004")) == b"0003\x90\x00"


# --- any bytes ---

AIDS = [
    "A000000151000000",
    "A000000054480001",
    "A000000054480083",
    "A000000084060002",
    "F0" + b"ECITIZEN-CS".hex(),
    "434D",
    "",
    "A0",
    "A00000005448",
]
SENSIBLE = [
    *(
        bytes.fromhex(f"00A404{p2}{len(aid) // 2:02X}{aid}{le}")
        for aid in AIDS
        for p2 in ("00", "02")
        for le in ("", "00")
    ),
    *(
        bytes.fromhex(command)
        for command in (
            "80B000000200FF",
            "80B0017B0200FF",
            "80B00000020104",
            "80B015790200A0",
            "80B0173E02000A",
            "80B0FFFF0200FF",
            "00B0000000",
            "00B08100000000",
            "00B0810000",
            "00B0820010",
            "00B08000FF",
            "00B000000013FE",
            "00A4000002010100",
            "00A4020C020001",
            "8000000000",
            "8000000007",
            "8000000017",
            "80CA9F7F00",
            "80CA9F7F2D",
            "00CA9F7F10",
            "00C0000000",
            "00C0000110",
            "80C0000001",
            "00C00000000100",
            "0070000001",
            "0070000000",
            "00700005",
            "00708001",
            "00708000",
        )
    ),
]
FOLLOW = b""
"""Stands for what a host does after 61xx or 6Cxx: fetch the answer, or ask again with the right length."""


def _mutated(command: bytes, at: int, value: int, cut: int, tail: bytes) -> bytes:
    raw = bytearray(command)
    raw[at % len(raw)] = value
    return bytes(raw[: len(raw) - cut]) + tail


SENSIBLE_COMMANDS = st.sampled_from(SENSIBLE)
OTHER_CLASSES = st.builds(
    lambda command, cla: bytes((cla,)) + command[1:], SENSIBLE_COMMANDS, st.sampled_from([0x01, 0x41, 0x81, 0xC1])
)
MUTATED = st.builds(
    _mutated, SENSIBLE_COMMANDS, st.integers(0, 20), st.integers(0, 255), st.integers(0, 2), st.binary(max_size=2)
)
STEPS = st.lists(
    SENSIBLE_COMMANDS | OTHER_CLASSES | MUTATED | st.binary(min_size=1, max_size=12) | st.just(FOLLOW), max_size=30
)


@cache
def _all_cards(protocol: CardProtocol) -> list[Card]:
    return [virtual_card(persona, protocol) for persona in installed_personas().values()]


def _most(command: CommandApdu, protocol: CardProtocol) -> int:
    """How many bytes may answer this command at most."""
    if protocol is T0:
        return 0 if command.data else command.ne or 256
    return command.ne or (256 if command.ins == 0xC0 else 0)


def _require_legal(raw: bytes, answer: bytes, protocol: CardProtocol) -> None:
    assert len(answer) >= 2
    data, sw = answer[:-2], int.from_bytes(answer[-2:], "big")
    assert sw == 0x9000 or 0x6100 <= sw <= 0x6FFF
    if data:
        assert sw == 0x9000 or sw >> 8 in {0x61, 0x62, 0x63}
    try:
        command = CommandApdu.parse(raw)
    except DecodeError:
        assert answer == b"\x67\x00"
        return
    assert len(data) <= _most(command, protocol)
    if protocol is T0:
        assert len(data) <= 256
        assert not command.extended or sw == 0x6700
    else:
        assert sw >> 8 != 0x6C  # a length is never wrong on T=1: less is given, or all there is


def _follow(card: Card, raw: bytes, answer: bytes) -> tuple[bytes, bytes]:
    """What the card announced must come: 61xx as many bytes, 6Cxx as many to the same command."""
    sw1, sw2 = answer[-2:]
    if sw1 == 0x61:
        channel = logical_channel(raw[0]) if raw[0] < 0xA0 or 0xC0 <= raw[0] < 0xE0 else 0
        cla = channel if channel < 4 else 0x40 + channel - 4
        raw = bytes((cla, 0xC0, 0x00, 0x00, sw2))
    elif sw1 == 0x6C:
        raw = raw[:4] + bytes((sw2,))
    else:
        return raw, answer
    answer = card.transmit(raw)
    assert len(answer) == (sw2 or 256) + 2
    assert answer[-2] in {0x90, 0x61, 0x62}
    return raw, answer


@pytest.mark.parametrize("protocol", CardProtocol)
@settings(deadline=None)
@given(which=st.integers(0, 1000), steps=STEPS)
def test_any_sequence_is_answered_within_the_standard(protocol: CardProtocol, which: int, steps: list[bytes]) -> None:
    cards = _all_cards(protocol)
    card = cards[which % len(cards)]
    card.power_on()
    raw, answer = b"", b"\x90\x00"
    for step in steps:
        if step == FOLLOW:
            raw, answer = _follow(card, raw, answer)
        else:
            raw, answer = step, card.transmit(step)
        if raw:
            _require_legal(raw, answer, protocol)
