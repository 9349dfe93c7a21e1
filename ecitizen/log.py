"""What may be written down of the traffic with a card: a rule for every instruction and data object.

All content is hidden unless a rule says that it is harmless, so a command that nobody thought of gives nothing away.
Headers, lengths and status words always stay.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from .errors import DecodeError
from .iso7816 import tlv
from .iso7816.apdu import CLA_CHAINING, CLA_FURTHER, CommandApdu, logical_channel
from .iso7816.command import Ins


@unique
class Secret(StrEnum):
    """Why something is hidden."""

    PIN = "PIN"
    KEY = "key"
    PERSONAL = "personal data"
    SECURE_MESSAGING = "secure messaging"
    UNKNOWN = "unknown content"


# ISO/IEC 7816-4:2020, 5.4.2 and 11.6: commands with a password in their data.
_PIN_COMMANDS = frozenset({0x20, 0x21, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2C, 0x2D})

# Keys, and what proves them: GENERATE ASYMMETRIC KEY PAIR 46 47, PERFORM SECURITY OPERATION 2A, EXTERNAL 82, GET
# CHALLENGE 84, GENERAL 86 87 and INTERNAL AUTHENTICATE 88 (ISO/IEC 7816-4:2020, 11.6; ISO/IEC 7816-8:2021, 5);
# INITIALIZE UPDATE 50 and PUT KEY D8 (GlobalPlatform Card Specification 2.3.1, D.4 and 11.8); FE and FF import keys on
# tokens (card-stack.md, 2.1).
_KEY_COMMANDS = frozenset({0x2A, 0x46, 0x47, 0x50, 0x82, 0x84, 0x86, 0x87, 0x88, 0xD8, 0xFE, 0xFF})

# ISO/IEC 7816-4:2020, 5.4.2: commands that read or write files, records and data objects; E2 is also STORE DATA.
_DATA_COMMANDS = frozenset(
    {0xB0, 0xB1, 0xB2, 0xB3, 0xC0, 0xCA, 0xCB, 0xCC, 0xCD, 0xD0, 0xD1, 0xD2, 0xD6, 0xD7, 0xDA, 0xDB, 0xDC, 0xDD, 0xE2}
)

# What an answer to SELECT says of a file or application, not of a person (ISO/IEC 7816-4:2020, 7.4 and 8.2.2).
_HARMLESS_OBJECTS = frozenset(
    {0x02, 0x06, 0x47, 0x4F, 0x50, 0x61, 0x62, 0x6F, 0x79, 0xA5, 0xAC, 0x5F50, 0x7F66, 0x9F65}
    | {0x80, 0x81, 0x82, 0x83, 0x84, 0x86, 0x88, 0x8A, 0x8B, 0x8C}
)

_INS_GET_DATA_ODD = 0xCB
_TAG_LIST = 0x5C
_NAME_MAX_LEN = 16
"""An application's name, file identifiers, tags: no more bytes than this (ISO/IEC 7816-4:2020, 11.2.2)."""

_THAI_CLA = 0x80
_CHANNEL_BITS = 0x03
_THAI_READ_DATA_LEN = 2
"""READ of the Thai record: block and length; the offset is in P1-P2 (thai-card.md, 3.1)."""

HEADER_LEN = 4
"""CLA INS P1 P2."""
STATUS_LEN = 2


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A message as far as it may be seen: its beginning, how many bytes of it are hidden and why, and its end."""

    head: bytes
    hidden_len: int = 0
    why: Secret | None = None
    tail: bytes = b""

    @property
    def total_len(self) -> int:
        """The length of the whole message in bytes."""
        return len(self.head) + self.hidden_len + len(self.tail)

    def __str__(self) -> str:
        hidden = (
            f"[{self.hidden_len} {'byte' if self.hidden_len == 1 else 'bytes'} hidden: {self.why}]"
            if self.hidden_len
            else ""
        )
        return " ".join(part for part in (_hex(self.head), hidden, _hex(self.tail)) if part)


def secret_of(command: CommandApdu) -> Secret:
    """What the content of a command or of its answer would give away, unless it is known to be harmless.

    Every command of a chain has the instruction of the whole, so each is judged alike.
    """
    if is_secured(command.cla):
        return Secret.SECURE_MESSAGING
    if command.ins in _PIN_COMMANDS:
        return Secret.PIN
    if command.ins in _KEY_COMMANDS:
        return Secret.KEY
    return Secret.PERSONAL if command.ins in _DATA_COMMANDS else Secret.UNKNOWN


class Redactor:
    """Decides what of the traffic with one card may be seen.

    It remembers for each logical channel which command came last, since GET RESPONSE brings the answer to that one.
    """

    def __init__(self) -> None:
        self._last: dict[int, CommandApdu] = {}

    def command(self, raw: bytes) -> Excerpt:
        """The command: its header and lengths, and its data where they are harmless."""
        try:
            command = CommandApdu.parse(raw)
        except DecodeError:
            self.reset()  # who knows what the card makes of it
            return _hide(raw, HEADER_LEN, 0, Secret.UNKNOWN)
        channel = logical_channel(command.cla)
        if command.ins != Ins.GET_RESPONSE:
            self._last[channel] = command
        if not command.data or names_only(command):
            return Excerpt(raw)
        le_len = 0 if command.ne is None else 2 if command.extended else 1
        return _hide(raw, len(raw) - len(command.data) - le_len, le_len, secret_of(command))

    def answer(self, command: bytes, raw: bytes) -> Excerpt:
        """The answer to a command that `command` has seen: its status word, and its data where they are harmless."""
        asked = self._asked(command)
        if len(raw) < STATUS_LEN:
            return _hide(raw, 0, 0, Secret.UNKNOWN)
        if asked is None:
            return _hide(raw, 0, STATUS_LEN, Secret.UNKNOWN)
        if asked.ins == Ins.SELECT and not is_secured(asked.cla) and _describes_a_file(raw[:-STATUS_LEN]):
            return Excerpt(raw)
        return _hide(raw, 0, STATUS_LEN, secret_of(asked))

    def reset(self) -> None:
        """Forget what came before: the card was reset."""
        self._last.clear()

    def _asked(self, raw: bytes) -> CommandApdu | None:
        """The command that an answer is to: with GET RESPONSE, the one before it."""
        try:
            command = CommandApdu.parse(raw)
        except DecodeError:
            return None
        if command.ins == Ins.GET_RESPONSE:
            return self._last.get(logical_channel(command.cla))
        return command


def names_only(command: CommandApdu) -> bool:
    """Whether the data of a command only name what is wanted, so that they may be seen."""
    if is_secured(command.cla) or command.cla & CLA_CHAINING:
        return False
    if command.ins == Ins.SELECT:
        return len(command.data) <= _NAME_MAX_LEN
    if command.ins == _INS_GET_DATA_ODD:
        return len(command.data) <= _NAME_MAX_LEN and _is_tag_list(command.data)
    is_thai_class = command.cla & ~_CHANNEL_BITS == _THAI_CLA
    return is_thai_class and command.ins == Ins.READ_BINARY and len(command.data) == _THAI_READ_DATA_LEN


def is_secured(cla: int) -> bool:
    """Whether the class byte says secure messaging (ISO/IEC 7816-4:2020, 5.4.1)."""
    return bool(cla & 0x20) if cla & CLA_FURTHER else bool(cla & 0x0C)


def _is_tag_list(data: bytes) -> bool:
    """Whether it is the tags of objects, and so nothing of what is in them (ISO/IEC 7816-4:2020, 11.4.2)."""
    return len(data) >= 2 and data[0] == _TAG_LIST and data[1] == len(data) - 2


def _describes_a_file(data: bytes) -> bool:
    """Whether an answer to SELECT holds nothing but data objects that are harmless."""
    try:
        objects = [each.tag for _, each in tlv.walk(tlv.parse(data))]
    except DecodeError:
        return False
    return _HARMLESS_OBJECTS.issuperset(objects)


def _hide(raw: bytes, head_len: int, tail_len: int, why: Secret) -> Excerpt:
    head, rest = raw[:head_len], raw[head_len:]
    cut = max(len(rest) - tail_len, 0)
    return Excerpt(head + rest[cut:]) if not cut else Excerpt(head, cut, why, rest[cut:])


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()
