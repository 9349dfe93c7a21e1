"""A host for the tests of security domains: commands into a card in this process, through a channel or plain."""

from collections.abc import Mapping

from ecitizen.emulator.card import Card
from ecitizen.emulator.card_registry import CardRegistry
from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.issuer_domain import IssuerSecurityDomain
from ecitizen.emulator.security_domain_keys import key_memory
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.exchange import LinkState, exchange
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import CardAnswer, Scp03Keys, SecurityLevel, initialize_update
from ecitizen.secure_channel.scp03 import HostChannel, session_keys

SERIAL = bytes.fromhex("1122334455667788")
KVN = 0x30
CHALLENGE = bytes(range(8))


def published_keys(kvn: int = KVN, length: int = 16, first: int = 0x40) -> Scp03Keys:
    """The published test key 40 41 ... 4F, or others."""
    return Scp03Keys.same(KeyBytes(bytes(range(first, first + length))), kvn)


def blank_image(*versions: Scp03Keys, **further: Value) -> CardImage:
    """A card with nothing but the card manager and its keys."""
    memory: dict[str, Value] = {
        "cplc": IssuerSecurityDomain.cplc(SERIAL),
        "atr": b"\x3b\x00",
        "protocol": int(CardProtocol.T1),
        "registry": [],
        **further,
    }
    for keys in versions or (published_keys(),):
        memory |= key_memory(keys)
    return CardImage.in_memory({"card": memory})


class Host:
    """A host at one card; `open` begins a channel."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.card.power_on()
        self.link = LinkState(card.protocol)
        self.channel: HostChannel | None = None

    @classmethod
    def at(cls, image: CardImage, protocol: CardProtocol = CardProtocol.T1) -> "Host":
        return cls(Card(CardRegistry(image, protocol), atr=b"\x3b\x00", protocol=protocol))

    def plain(self, command: CommandApdu) -> ResponseApdu:
        """What the card answers to a command as it is, over all the exchanges that the link makes of it."""
        steps = exchange(command, self.link)
        raw = next(steps)
        while True:
            try:
                raw = steps.send(self.card.transmit(raw))
            except StopIteration as done:
                response: ResponseApdu = done.value
                return response

    def begin(
        self, keys: Scp03Keys, level: SecurityLevel = SecurityLevel.FULL, *, kvn: int | None = None
    ) -> HostChannel:
        """INITIALIZE UPDATE alone."""
        said = self.plain(initialize_update(CHALLENGE, kvn=keys.kvn if kvn is None else kvn))
        assert said.sw == 0x9000, f"{said.sw:04X}"
        answer = CardAnswer.parse(said.data, len(CHALLENGE))
        return HostChannel(session_keys(keys, CHALLENGE, answer.challenge), CHALLENGE, answer, level)

    def open(
        self, keys: Scp03Keys | None = None, level: SecurityLevel = SecurityLevel.FULL, *, kvn: int | None = None
    ) -> "Host":
        """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE; gives the host itself."""
        channel = self.begin(keys or published_keys(), level, kvn=kvn)
        assert self.plain(channel.external_authenticate()) == ResponseApdu(b"", 0x9000)
        self.channel = channel
        return self

    def send(self, command: CommandApdu) -> ResponseApdu:
        """A command through the channel."""
        assert self.channel is not None
        return self.channel.unwrap_response(self.plain(self.channel.wrap_command(command)))

    def ask(self, text: str, ne: int | None = 256) -> str:
        """The same in hex: header and data without Lc, answer and status word."""
        raw = bytes.fromhex(text)
        response = self.send(CommandApdu(raw[0], raw[1], raw[2], raw[3], raw[4:], ne))
        return response.encode().hex().upper()


def sections_with(sections: Mapping[str, Mapping[str, Value]], keys: Scp03Keys) -> CardImage:
    """A whole card, with management keys."""
    return CardImage.in_memory({**sections, "card": {**sections["card"], **key_memory(keys)}})
