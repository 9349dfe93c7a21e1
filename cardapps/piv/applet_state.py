"""What the PIV applet remembers: its memory, which outlives the power, and the security status, which does not.

The memory is one section of the card image:

pin, puk                      eight bytes each, padded with FF
pin_tries, puk_tries          tries left
pin_tries_max, puk_tries_max  what a right PIN or PUK sets the tries to
management_key                with management_algorithm
serial, extensions            the card's number; whether it knows more than the standard
key 9A, key 9C, …             a StoredKey
object 5FC102, …              what stands inside tag 53 (for 7E and 7F61: inside these)

It may hold more, which the applet leaves alone. An applet that was installed on a card, and not personalised yet, has
no management key, and no tries of PIN and PUK.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Any, Final

from ecitizen.emulator.applet import INSTALLED, Refusal
from ecitizen.emulator.image import Section, Value
from ecitizen.errors import ImageDamaged
from ecitizen.iso7816.status import StatusWord
from ecitizen.secure_channel.handshake import SecurityLevel

from . import layout
from .layout import AlgorithmId, KeyReference, ObjectId, Origin, PinPolicy, Slot

SERIAL_OF_CHIP: Final = slice(2, 6)
"""The card's number in its chip serial, which is fabrication date, serial number and batch."""

RETRIES_MAX: Final = 15
"""More would not fit into the status word 63Cx."""


@unique
class Reference(StrEnum):
    """The two secrets that people know; the value is their key in the memory."""

    PIN = "pin"
    PUK = "puk"

    @property
    def tries(self) -> str:
        """The memory's key of the tries left."""
        return f"{self}_tries"

    @property
    def tries_max(self) -> str:
        """The memory's key of the most tries."""
        return f"{self}_tries_max"

    @property
    def default(self) -> bytes:
        """What tokens are delivered with, as it is stored."""
        text = layout.DEFAULT_PIN if self is Reference.PIN else layout.DEFAULT_PUK
        return padded(text.encode("ascii"))


REFERENCES: Final[Mapping[int, Reference]] = MappingProxyType(
    {KeyReference.APPLICATION_PIN: Reference.PIN, KeyReference.PUK: Reference.PUK}
)
"""What P2 of a command calls them."""


def padded(secret: bytes) -> bytes:
    """A PIN or PUK as commands carry it (SP 800-73-5 part 2, 2.4.3)."""
    return secret.ljust(layout.REFERENCE_DATA_LEN, bytes((layout.REFERENCE_DATA_PADDING,)))


def is_well_formed(reference: Reference, data: bytes) -> bool:
    """Six to eight digits (a PUK: any bytes but FF), and FF after them to a length of eight."""
    secret = data.rstrip(bytes((layout.REFERENCE_DATA_PADDING,)))
    if len(secret) < layout.REFERENCE_DATA_MIN_LEN or len(data) != layout.REFERENCE_DATA_LEN:
        return False
    return secret.isdigit() if reference is Reference.PIN else layout.REFERENCE_DATA_PADDING not in secret


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private key in the memory: PKCS#8, and what is to be known without opening it."""

    algorithm: AlgorithmId
    private: bytes = field(repr=False)
    origin: Origin
    pin_policy: PinPolicy
    """Never DEFAULT: that was made the slot's own when the key came."""

    @classmethod
    def from_value(cls, value: Value) -> "StoredKey":
        """Read; raise ImageDamaged for what no key looks like."""
        try:
            parts: Any = value
            key = cls(
                AlgorithmId(parts["algorithm"]),
                parts["private"],
                Origin(parts["origin"]),
                PinPolicy(parts["pin_policy"]),
            )
        except (KeyError, TypeError, ValueError):
            raise damaged() from None
        if key.algorithm not in layout.FIELD_LENS or not isinstance(key.private, bytes) or not key.pin_policy:
            raise damaged()
        return key

    def to_value(self) -> dict[str, Value]:
        """As the memory holds it."""
        return {
            "algorithm": int(self.algorithm),
            "private": self.private,
            "origin": int(self.origin),
            "pin_policy": int(self.pin_policy),
        }


def key_name(slot: Slot) -> str:
    """The memory's key of a private key."""
    return f"{_KEY}{slot}"


def slot_named(reference: int) -> Slot:
    """The slot of a key reference in P1 or P2; refuse another."""
    try:
        return Slot(reference)
    except ValueError:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2) from None


def object_name(tag: int) -> str:
    """The memory's key of a data object."""
    return f"{_OBJECT}{tag:X}"


_KEY = "key "
_OBJECT = "object "


class PivMemory:
    """The applet's section of the card image, by what it means. Changes go through `write`, all of one at once.

    Raise ImageDamaged if the section is not a PIV applet's.
    """

    def __init__(self, section: Section) -> None:
        self._section = section
        for reference in Reference:
            most = self.tries_max(reference)
            if (
                len(self.secret(reference)) != layout.REFERENCE_DATA_LEN
                or not 0 <= self.tries(reference) <= most <= RETRIES_MAX
            ):
                raise damaged()
        if self.management_key is None and not self.managed:
            raise damaged()
        if not 0 <= self.serial < 1 << 32:
            raise damaged()
        for name in section:
            if name.startswith(_KEY):
                StoredKey.from_value(section[name])
            elif name.startswith(_OBJECT):
                self._bytes(name)

    @property
    def extensions(self) -> bool:
        """Whether the card knows commands beyond the standard."""
        return self._section.get("extensions", True) is not False

    @property
    def serial(self) -> int:
        """The card's number, 32 bits."""
        return self._number("serial")

    @property
    def managed(self) -> bool:
        """Whether the applet was installed through its card's domain, which then is in charge of it."""
        return INSTALLED in self._section

    @property
    def management_key(self) -> tuple[AlgorithmId, bytes] | None:
        """Kind and value of the key 9B; None before it is set."""
        if not {"management_algorithm", "management_key"} & self._section.keys():
            return None
        number, key = self._number("management_algorithm"), self._bytes("management_key")
        if number not in layout.MANAGEMENT_KEY_LENS or len(key) != layout.MANAGEMENT_KEY_LENS[AlgorithmId(number)]:
            raise damaged()
        return AlgorithmId(number), key

    def secret(self, reference: Reference) -> bytes:
        """A PIN or PUK, eight bytes."""
        return self._bytes(reference)

    def tries(self, reference: Reference) -> int:
        """How often it may still be wrong."""
        return self._number(reference.tries)

    def tries_max(self, reference: Reference) -> int:
        """How often it may be wrong in a row."""
        return self._number(reference.tries_max)

    def key(self, slot: Slot) -> StoredKey | None:
        """The private key in a slot."""
        value = self._section.get(key_name(slot))
        return None if value is None else StoredKey.from_value(value)

    def object(self, tag: int) -> bytes | None:
        """The content of a data object."""
        return self._bytes(object_name(tag)) if object_name(tag) in self._section else None

    def user_content(self) -> Iterator[str]:
        """The memory's names of all keys and objects, but for those of attestation, which outlive a reset."""
        kept = {key_name(Slot.ATTESTATION), object_name(ObjectId.ATTESTATION_CERTIFICATE)}
        return (name for name in self._section if name.startswith((_KEY, _OBJECT)) and name not in kept)

    def write(self, changes: Mapping[str, Value]) -> None:
        """Put all of it or nothing, durably; None removes. Raise ImageError if it can't be stored."""
        self._section.write(changes)

    def _bytes(self, name: str) -> bytes:
        value = self._section.get(name)
        if not isinstance(value, bytes):
            raise damaged()
        return value

    def _number(self, name: str) -> int:
        value = self._section.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise damaged()
        return value


def factory_state() -> dict[str, Value]:
    """PIN, PUK and management key as tokens are delivered."""
    state: dict[str, Value] = {
        "management_algorithm": int(AlgorithmId.TRIPLE_DES),
        "management_key": layout.DEFAULT_MANAGEMENT_KEY,
    }
    for reference in Reference:
        state[reference] = reference.default
        state[reference.tries] = state[reference.tries_max] = layout.DEFAULT_RETRIES
    return state


def blank_state(serial: int) -> dict[str, Value]:
    """What a newly installed applet holds: nobody knows its PIN and PUK, nor has them any try; there is no 9B."""
    state: dict[str, Value] = {INSTALLED: True, "serial": serial}
    for reference in Reference:
        state[reference] = padded(b"")
        state[reference.tries] = 0
        state[reference.tries_max] = layout.DEFAULT_RETRIES
    return state


def damaged() -> ImageDamaged:
    """The error for a memory that no PIV applet wrote."""
    return ImageDamaged(f"the image's section {layout.NAME} is incomplete; make a new one with `ecitizen emulator new`")


@unique
class ChallengeForm(StrEnum):
    """What the card waits to be answered."""

    EXTERNAL = "challenge"
    MUTUAL = "witness"


@dataclass(frozen=True, slots=True)
class PendingChallenge:
    """A challenge or witness that the card gave out, and what an answer must be made with."""

    form: ChallengeForm
    value: bytes = field(repr=False)
    algorithm: AlgorithmId
    key: bytes = field(repr=False)


@dataclass(slots=True)
class SecurityStatus:
    """What a selection has been shown."""

    pin: bool = False
    """The PIN is verified."""
    pin_fresh: bool = False
    """It was verified by VERIFY, and no private key was used since: what PIN policy ALWAYS asks for."""
    management: bool = False
    """The management key is authenticated."""

    def forget_pin(self) -> None:
        """The PIN is verified no longer."""
        self.pin = self.pin_fresh = False


@dataclass(slots=True)
class Use:
    """One use of the applet, from SELECT to the next: what commands work on."""

    memory: PivMemory
    random_bytes: Callable[[int], bytes] = field(repr=False)
    parsed: dict[bytes, Any] = field(repr=False)
    """Private keys that were opened, by their bytes: that can take longer than to use one."""
    status: SecurityStatus = field(default_factory=SecurityStatus)
    pending: PendingChallenge | None = None
    """Given out by the very last command: any other command drops it."""
    channel: SecurityLevel | None = None
    """What protects this very command: a channel of the application's domain, or nothing."""

    @property
    def may_manage(self) -> bool:
        """The management key is authenticated, or the command comes from the domain that is in charge of this card."""
        return self.status.management or self.channel is not None
