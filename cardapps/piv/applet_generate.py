"""GENERATE ASYMMETRIC KEY PAIR (SP 800-73-5 part 2, 3.3.2), and the policies that a new key may be given."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from ecitizen.emulator.applet import Refusal, ok
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord

from . import layout
from .applet_state import StoredKey, Use, key_name, slot_named
from .applet_templates import content_of, distinct
from .layout import AlgorithmId, Origin, PinPolicy, Slot, TouchPolicy

_EXPONENT = layout.RSA_EXPONENT.to_bytes(3)


def generate(use: Use, command: CommandApdu) -> ResponseApdu:
    """Make a key in a slot and give its public half; a key that was there is gone, its certificate is not."""
    if command.p1:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    slot = slot_to_fill(use, command.p2)
    require_management(use)
    wishes = distinct(content_of(layout.TAG_GENERATE, command.data))
    algorithm = asymmetric(wishes.pop(layout.TAG_GENERATE_ALGORITHM, b""))
    exponent = wishes.pop(layout.TAG_GENERATE_PARAMETER, _EXPONENT)
    pin_policy = take_policy(use, slot, wishes)
    if wishes or exponent != _EXPONENT:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)

    from . import applet_keys  # late: `cryptography` is slow to import

    key = applet_keys.generate(algorithm)
    stored = StoredKey(algorithm, applet_keys.encoded(key), Origin.GENERATED, pin_policy)
    write_keys(use, {slot: stored})
    return ok(tlv.encode(layout.TAG_PUBLIC_KEY, applet_keys.public_objects(key)))


def write_keys(use: Use, keys: Mapping[Slot, StoredKey | None]) -> None:
    """Put these keys into their slots, all at once, and forget what was opened before."""
    use.memory.write({key_name(slot): None if key is None else key.to_value() for slot, key in keys.items()})
    use.parsed.clear()


def require_management(use: Use) -> None:
    """Refuse who has not shown the management key, and does not come through the domain's channel."""
    if not use.may_manage:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)


def slot_to_fill(use: Use, reference: int) -> Slot:
    """The slot that P2 names; refuse what is none, and that of attestation on a card that has no extensions."""
    slot = slot_named(reference)
    if slot is Slot.ATTESTATION and not use.memory.extensions:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    return slot


def asymmetric(value: bytes) -> AlgorithmId:
    """The kind of key that one byte names; refuse another."""
    number = int.from_bytes(value)
    if len(value) != 1 or number not in layout.FIELD_LENS:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return AlgorithmId(number)


def take_policy(use: Use, slot: Slot, wishes: dict[int, bytes]) -> PinPolicy:
    """Take the policies out of the host's wishes (extension) and give the PIN policy for the key."""
    pin = _taken(use, wishes, layout.TAG_PIN_POLICY, frozenset(PinPolicy))
    touch = _taken(use, wishes, layout.TAG_TOUCH_POLICY, frozenset(TouchPolicy))
    if touch not in {TouchPolicy.DEFAULT, TouchPolicy.NEVER}:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return PinPolicy(pin) if pin else layout.default_pin_policy(slot)


def _taken(use: Use, wishes: dict[int, bytes], tag: int, known: AbstractSet[int]) -> int:
    value = wishes.pop(tag, None)
    if value is None:
        return 0
    number = int.from_bytes(value)
    if not use.memory.extensions or len(value) != 1 or number not in known:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return number
