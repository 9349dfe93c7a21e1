"""A card for the tests of card management: the card's end of SCP03, and answers that a test writes down.

It is no emulator: it knows the channel and nothing of domains, so that what a host sends can be held against bytes
written by hand from the standard, and so that a card can be hostile.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ecitizen.errors import CryptogramWrong, SecureMessagingError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import Scp03Keys, Scp03Option
from ecitizen.secure_channel.scp03 import CardChannel, CardOpening, pseudo_random_challenge

ISSUER_AID = bytes.fromhex("A000000151000000")
SERIAL = bytes.fromhex("1122334455667788")
CPLC = "9F7F2A" + "4790" + "5040" + "4791" + "0000" * 2 + SERIAL.hex().upper() + "00" * 24
KEY_INFORMATION = "E012C00401308810C00402308810C00403308810"
TEST_KEY = bytes(range(0x40, 0x50))
OPTIONS = Scp03Option.PSEUDO_RANDOM | Scp03Option.R_MAC | Scp03Option.R_ENC

Reply = Callable[[CommandApdu], ResponseApdu]
Tamper = Callable[[bytes, bytes], bytes]
"""What goes out, given the command as it came and the answer as it should be."""


def same_keys(kvn: int = 0x30, first: int = 0x40, length: int = 16) -> Scp03Keys:
    return Scp03Keys.same(KeyBytes(bytes(range(first, first + length))), kvn)


class ChannelCard:
    """A transport to the card; `seen` has the commands in hex as they were before the channel wrapped them."""

    def __init__(
        self,
        answers: Mapping[str, str] | None = None,
        *,
        options: Scp03Option = OPTIONS,
        keys: Scp03Keys | None = None,
        protocol: CardProtocol = CardProtocol.T1,
        aid: bytes = ISSUER_AID,
        control_information: str = "6F108408A000000151000000A5049F6501FF",
    ) -> None:
        self.name = "channel card"
        self.atr = b"\x3b\x00"
        self.protocol = protocol
        self.seen: list[str] = []
        self.raw: list[bytes] = []
        self.tamper: Tamper = lambda _, answer: answer
        self.sequence = 0
        self.answers = {
            "00A4040008A000000151000000": control_information + "9000",
            "80CA00E0": KEY_INFORMATION + "9000",
            "80CA9F7F": CPLC + "9000",
            **(answers or {}),
        }
        self.keys = keys or same_keys()
        self.options = options
        self.aid = aid
        self._opening: CardOpening | None = None
        self.channel: CardChannel | None = None

    def transmit(self, command: bytes) -> bytes:
        self.raw.append(command)
        return self.tamper(command, self._answer(CommandApdu.parse(command)).encode())

    def _answer(self, command: CommandApdu) -> ResponseApdu:
        if command.ins == 0x50:
            return self._initialize(command)
        if command.ins == 0x82 and self._opening is not None:
            try:
                self.channel = self._opening.authenticate(command)
            except CryptogramWrong:
                return ResponseApdu(b"", 0x6300)
            self.sequence += 1
            return ResponseApdu(b"", 0x9000)
        if self.channel is None or self.channel.closed or command.ins == 0xA4:
            self.channel = None
            return self._plain(command)
        try:
            bare = self.channel.unwrap_command(command)
        except SecureMessagingError:
            return ResponseApdu(b"", 0x6982)
        return self.channel.wrap_response(self._plain(bare))

    def _initialize(self, command: CommandApdu) -> ResponseApdu:
        self.channel = None
        if len(command.data) != self.options.mode:
            return ResponseApdu(b"", 0x6700)
        counted = Scp03Option.PSEUDO_RANDOM in self.options
        mode = self.options.mode
        challenge = pseudo_random_challenge(self.keys.enc, self.sequence, self.aid, mode) if counted else b"R" * mode
        self._opening = CardOpening(
            self.keys,
            self.options,
            command.data,
            challenge,
            diversification=bytes(10),
            sequence=self.sequence if counted else None,
        )
        return ResponseApdu(self._opening.answer.encode(), 0x9000)

    def _plain(self, command: CommandApdu) -> ResponseApdu:
        text = CommandApdu(command.cla, command.ins, command.p1, command.p2, command.data).encode().hex().upper()
        self.seen.append(text)
        return ResponseApdu.parse(bytes.fromhex(self.answers.get(text, "6D00")))

    def reset(self) -> None:
        self.channel = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        """Nothing to let go of."""
