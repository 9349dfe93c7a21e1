"""Reading an application's seals: conversations written by hand from issue 5 and ISO/IEC 7816-4:2020, 11.2.3.

Each is played against the host side, which must send exactly these commands, and against the card side of every
application that it is for, which must give exactly these answers.
"""

from typing import Any

import pytest

from cardapps.seal_files_driver import read_seal
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import StatusError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.session import CardSession
from ecitizen.transport.replay import ReplayTransport, Transcript

AIDS = {
    "citizen_id": "A0 00 00 00 54 48 00 01",
    "health_insurance": "A0 00 00 00 54 48 00 83",
    "civil_servant": "F0 45 43 49 54 49 5A 45 4E 2D 43 53",
    "card_admin": "A0 00 00 00 84 06 00 02",
}
LONG = b"\x30\x82\x02\x54" + bytes(range(256)) * 2 + bytes(84)
"""600 bytes: 256, 256 and 88."""
SHORT = b"\x30\x03abc"

T0 = """
atr 3B 00
protocol T=0
> 00 B0 9D 00 00                # READ BINARY, SFI 1D, from 0: 256 bytes
< 30 82 02 54 {first} 90 00
> 00 B0 01 00 00                # the same file from 256: 256 bytes
< {second} 90 00
> 00 B0 02 00 58                # from 512: the last 88
< {third} 90 00
> 00 B0 9C 00 00                # SFI 1C
< 6C 05                         # it has 5 bytes
> 00 B0 9C 00 05
< 30 03 'abc' 90 00
"""
T1 = T0.replace("T=0", "T=1").replace("< 6C 05                         # it has 5 bytes\n> 00 B0 9C 00 05\n", "")


def transcript(protocol: CardProtocol) -> Transcript:
    first, second, third = (part.hex() for part in (LONG[4:256], LONG[256:512], LONG[512:]))
    text = T0 if protocol is CardProtocol.T0 else T1
    return Transcript.parse(text.format(first=first, second=second, third=third))


@pytest.mark.parametrize("protocol", CardProtocol)
def test_the_host_side_sends_these_commands(protocol: CardProtocol) -> None:
    transport = ReplayTransport(transcript(protocol))
    with CardSession(transport) as session:
        assert read_seal(session, 0x1D) == LONG
        assert read_seal(session, 0x1C) == SHORT


def card(name: str, protocol: CardProtocol, **files: bytes) -> Card:
    sections: dict[str, dict[str, Any]] = dict(sections_for(find_persona("wanida"), protocol))
    sections[name] |= files
    made = card_from_image(CardImage.in_memory(sections))
    made.power_on()
    aid = bytes.fromhex(AIDS[name])
    made.transmit(bytes((0x00, 0xA4, 0x04, 0x0C, len(aid))) + aid)
    return made


@pytest.mark.parametrize("name", AIDS)
@pytest.mark.parametrize("protocol", CardProtocol)
def test_the_card_side_gives_these_answers(name: str, protocol: CardProtocol) -> None:
    made = card(name, protocol, security_object=LONG, application_certificate=SHORT)
    for command, answer in transcript(protocol).exchanges:
        assert made.transmit(command) == answer, command.hex()


@pytest.mark.parametrize("name", AIDS)
@pytest.mark.parametrize("protocol", CardProtocol)
def test_the_files_have_identifiers_too_and_can_not_be_written(name: str, protocol: CardProtocol) -> None:
    made = card(name, protocol, security_object=LONG, application_certificate=SHORT)
    for fid, sfi, first in ((0x1C, "E0", SHORT), (0x1D, "E8", LONG)):
        assert made.transmit(bytes((0x00, 0xA4, 0x02, 0x0C, 0x02, 0x01, fid))) == b"\x90\x00"
        assert made.transmit(bytes.fromhex("00B0000005")) == first[:5] + b"\x90\x00"
        answer = made.transmit(bytes((0x00, 0xA4, 0x02, 0x04, 0x02, 0x01, fid, 0x00)))
        if answer[:1] == b"\x61":
            answer = made.transmit(bytes((0x00, 0xC0, 0x00, 0x00, answer[1])))
        assert bytes.fromhex(f"88 01 {sfi}") in answer
        assert bytes.fromhex("8C 03 03 FF 00") in answer  # free to read, never to write
        assert made.transmit(bytes.fromhex("00D6000001AA")) == b"\x69\x82"
    assert made.transmit(bytes.fromhex("00B09D0005"))[-2:] == b"\x90\x00"


@pytest.mark.parametrize("name", AIDS)
@pytest.mark.parametrize("protocol", CardProtocol)
def test_a_card_without_them_says_that_they_are_absent(name: str, protocol: CardProtocol) -> None:
    for command in ("00B09D0000", "00B09C0000"):
        answer = card(name, protocol).transmit(bytes.fromhex(command))
        assert answer == (b"\x6d\x00" if name == "card_admin" else b"\x6a\x82")


def answered(answer: str) -> bytes | None:
    script = f"atr 3B 00\nprotocol T=1\n> 00 B0 9D 00 00\n< {answer}\n"
    with CardSession(ReplayTransport(Transcript.parse(script))) as session:
        return read_seal(session, 0x1D)


@pytest.mark.parametrize("sw", ["69 82", "69 00", "6A 82", "6A 86", "6D 00", "6E 00"])
def test_refusals_that_mean_absent(sw: str) -> None:
    assert answered(sw) is None


@pytest.mark.parametrize("sw", ["67 00", "6B 00", "6F 00", "64 00", "66 00", "68 81"])
def test_refusals_that_mean_that_the_card_failed(sw: str) -> None:
    with pytest.raises(StatusError):
        answered(sw)


def test_blank_files_hold_nothing_and_rubbish_comes_as_it_is() -> None:
    assert answered("00*256 90 00") is None
    assert answered("FF*100 90 00") is None
    assert answered("30 80 'abc' 90 00") == b"\x30\x80abc"
    assert answered("30 03 'abc' FF*20 90 00") == SHORT
