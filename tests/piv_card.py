"""A PIV card for tests of the card side: known keys, a neighbour application, and ways to talk to it by hand.

A conversation is lines of `command > answer` in hex; `..9000` is any data with that status word. Nothing here comes
from the host side of PIV: what the tests send and expect is written from SP 800-73 by hand.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cardapps.piv.applet import PivApplet
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.applet import Applet, Refusal, Selection
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage, Value
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from pki.keys import generate_key

ATR = bytes.fromhex("3B00")
SELECT = "00A4040005A000000308"
SELECT_NEIGHBOUR = "00A4040006F00000000001"
VERIFY = "0020008008313233343536FFFF"
WRONG_PIN = "0020008008303030303030FFFF"
PIN_STATE = "00200080"
GET_CHUID = "00CB3FFF055C035FC10200"
MANAGEMENT_KEY = bytes.fromhex("0102030405060708" * 3)

ALGORITHM_BYTES: Mapping[KeyAlgorithm, int] = {
    KeyAlgorithm.RSA_2048: 0x07,
    KeyAlgorithm.RSA_3072: 0x05,
    KeyAlgorithm.RSA_4096: 0x16,
    KeyAlgorithm.P_256: 0x11,
    KeyAlgorithm.P_384: 0x14,
    KeyAlgorithm.ED25519: 0xE0,
    KeyAlgorithm.X25519: 0xE1,
}
PIN_NEVER, PIN_ONCE, PIN_ALWAYS = 1, 2, 3


class Neighbour(Applet):
    """Another application on the card."""

    name: ClassVar[str] = "neighbour"
    aid: ClassVar[bytes] = bytes.fromhex("F00000000001")

    def fci(self) -> bytes:
        return b""

    def open(self) -> Selection:
        return self

    def process(self, command: CommandApdu) -> ResponseApdu:
        raise Refusal(0x6D00)


@cache
def private_key(algorithm: KeyAlgorithm) -> Any:
    """One key of each kind, the same in every test of a run."""
    return generate_key(algorithm)


def stored(algorithm: KeyAlgorithm, pin_policy: int, origin: int = 1) -> dict[str, Value]:
    """A key as the applet's memory holds it."""
    key = private_key(algorithm)
    return {
        "algorithm": ALGORITHM_BYTES[algorithm],
        "private": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "origin": origin,
        "pin_policy": pin_policy,
    }


def memory() -> dict[str, Value]:
    """The memory of a card as it is delivered, with a key in 9A, 9C, 9D and 9E, and two objects."""
    return {
        "pin": b"123456\xff\xff",
        "pin_tries": 3,
        "pin_tries_max": 3,
        "puk": b"12345678",
        "puk_tries": 3,
        "puk_tries_max": 3,
        "management_algorithm": 0x03,
        "management_key": MANAGEMENT_KEY,
        "serial": 0x00A1B2C3,
        "extensions": True,
        "key 9A": stored(KeyAlgorithm.P_256, PIN_ONCE),
        "key 9C": stored(KeyAlgorithm.RSA_2048, PIN_ALWAYS),
        "key 9D": stored(KeyAlgorithm.X25519, PIN_ONCE),
        "key 9E": stored(KeyAlgorithm.P_256, PIN_NEVER),
        "object 5FC102": bytes.fromhex("3419") + bytes(25),
        "object 5FC109": bytes.fromhex("0103414243"),
    }


class Hand:
    """A PIV card in a reader, and a hand that types APDUs."""

    def __init__(
        self,
        changes: Mapping[str, Value] | None = None,
        *,
        protocol: CardProtocol = CardProtocol.T1,
        image: CardImage | None = None,
        random_bytes: Callable[[int], bytes] | None = None,
    ) -> None:
        self.image = image or CardImage.in_memory({"piv": {**memory(), **(changes or {})}})
        self.section = self.image.read("piv")
        chance = {"random_bytes": random_bytes} if random_bytes else {}
        applets = [PivApplet(self.section, protocol, **chance), Neighbour({}, protocol)]
        self.card = Card(applets, atr=ATR, protocol=protocol)
        self.card.power_on()
        self.talk(f"{SELECT} > 9000" if protocol is CardProtocol.T1 else f"{SELECT} > 6147")

    def talk(self, conversation: str) -> None:
        """Send each command and compare its answer."""
        for line in conversation.strip().splitlines():
            command, expected = (part.replace(" ", "") for part in line.split("#")[0].split(">"))
            answer = self.card.transmit(bytes.fromhex(command)).hex().upper()
            if expected.startswith(".."):
                assert len(answer) > 4, line
                answer, expected = answer[-4:], expected[2:]
            assert answer == expected, f"{line.strip()}: the card said {answer}"

    def send(self, head: str, data: bytes | str = b"", *, ne: int | None = 65536) -> tuple[bytes, int]:
        """Send a command with an extended length where it must be (T=1); give data and status word."""
        cla, ins, p1, p2 = bytes.fromhex(head)
        body = bytes.fromhex(data) if isinstance(data, str) else data
        answer = self.card.transmit(CommandApdu(cla, ins, p1, p2, body, ne, extended=True).encode())
        return answer[:-2], int.from_bytes(answer[-2:])

    def sw(self, head: str, data: bytes | str = b"") -> int:
        """Send a command whose data don't matter."""
        return self.send(head, data)[1]

    def manage(self) -> None:
        """Authenticate with the default management key, by the external form."""
        from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

        answer, sw = self.send("0087039B", "7C028100")
        assert sw == 0x9000
        assert self.sw("0087039B", template("82", encipher(TripleDES(MANAGEMENT_KEY), answer[4:]))) == 0x9000

    def contents(self) -> dict[str, Value]:
        """All that is in the memory."""
        return dict(self.section)


def encipher(cipher: Any, block: bytes) -> bytes:
    """One block of a cipher."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    encryptor = Cipher(cipher, ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def tlv(tag: str, value: bytes = b"") -> bytes:
    """A data object, by the rules of BER with a definite length."""
    if len(value) < 0x80:
        length = bytes((len(value),))
    else:
        size = value_len = len(value)
        count = (size.bit_length() + 7) // 8
        length = bytes((0x80 | count,)) + value_len.to_bytes(count)
    return bytes.fromhex(tag) + length + value


def template(*parts: str | bytes) -> bytes:
    """A dynamic authentication template of tags and their values in turn: template("82", b"", "81", digest)."""
    tags, values = parts[::2], parts[1::2]
    return tlv("7C", b"".join(tlv(str(tag), bytes(value)) for tag, value in zip(tags, values, strict=True)))  # type: ignore[arg-type]
