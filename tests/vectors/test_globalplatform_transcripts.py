"""Card management written by hand from the standard, played against a blank card, at both protocols.

The transcripts hold what a channel protects in clear (see their heads): what protects it is checked elsewhere, against
published vectors and a second calculation (test_scp03).
"""

import re
from pathlib import Path

import pytest

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections, card_from_image
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Keys, SecurityLevel
from ecitizen.secure_channel.scp03 import HostChannel, session_keys
from ecitizen.transport.replay import Transcript
from tests.unit.gp_host import Host

FOLDER = Path(__file__).parents[2] / "fixtures" / "transcripts"
PATHS = sorted(FOLDER.glob("gp_*.transcript"))
SECURED = 0x04
CHALLENGE_AND_CRYPTOGRAM = slice(13, 29)


class Player(Host):
    """A host that opens channels with the keys in a transcript's head, and sends what comes."""

    def __init__(self, text: str, protocol: CardProtocol) -> None:
        keys = re.findall(r"^# key (..): (.+)$", text, re.MULTILINE)
        self._keys = {int(kvn, 16): Scp03Keys.same(KeyBytes(bytes.fromhex(key)), int(kvn, 16)) for kvn, key in keys}
        (serial,) = re.findall(r"^# chip serial: (.+)$", text, re.MULTILINE)
        super().__init__(card_from_image(CardImage.in_memory(blank_sections(protocol, bytes.fromhex(serial)))))
        self._begun = (b"", b"")

    def answer(self, command: CommandApdu) -> ResponseApdu:
        """The card's answer as the transcript has it."""
        if not command.cla & SECURED:
            response = self.plain(command)
            if (command.cla, command.ins, response.sw) == (0x80, 0x50, 0x9000):
                self._begun = (command.data, response.data)
                data = bytearray(response.data)
                data[CHALLENGE_AND_CRYPTOGRAM] = bytes(16)
                return ResponseApdu(bytes(data), response.sw)
            return response
        if command.ins == 0x82:
            challenge, said = self._begun
            opening = CardAnswer.parse(said, len(challenge))
            session = session_keys(self._keys[opening.kvn], challenge, opening.challenge)
            self.channel = HostChannel(session, challenge, opening, SecurityLevel(command.p1))
            return self.plain(self.channel.external_authenticate())
        bare = CommandApdu(command.cla & ~SECURED, command.ins, command.p1, command.p2, command.data, command.ne)
        return self.send(bare)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
def test_card_gives_these_answers(path: Path, protocol: CardProtocol) -> None:
    text = path.read_text(encoding="utf-8")
    player = Player(text, protocol)
    for number, (sent, expected) in enumerate(Transcript.parse(text).exchanges, 1):
        command = CommandApdu.parse(sent)
        if protocol is CardProtocol.T0 and command.ins == 0xA4:
            answered = player.answer(command)  # with T=0 the control information says less, and may wait
            assert (number, answered.sw == 0x9000 or answered.sw >> 8 == 0x61) == (number, expected[-2:] == b"\x90\x00")
            continue
        assert (number, player.answer(command).encode().hex(" ")) == (number, expected.hex(" "))


def test_there_are_transcripts() -> None:
    assert [path.stem for path in PATHS] == ["gp_official", "gp_signing_card"]
