"""What the signing application takes from its security domain, and from nobody else.

STORE DATA brings the first PIN, PUK and management key, encrypted under the data key of the channel. RESET RETRY
COUNTER with a new PIN alone lets the holder's office unblock a card without its PUK; it must come through a channel
that protects everything, so that nobody on the way sees or changes the PIN.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ecitizen.emulator.applet import DataGrouping, Refusal, ok
from ecitizen.emulator.image import Value
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord
from ecitizen.secure_channel.handshake import SecurityLevel

from . import layout
from .applet_state import RETRIES_MAX, PivMemory, Reference, Use, is_well_formed
from .layout import AlgorithmId

_SECRETS: Final[Mapping[int, Reference]] = {layout.DGI_PIN: Reference.PIN, layout.DGI_PUK: Reference.PUK}


def changes(memory: PivMemory, groupings: Sequence[DataGrouping]) -> dict[str, Value]:
    """What the groupings change in memory: a PIN or PUK that is set has all its tries.

    Refuse with 6985 a secret that did not come encrypted, with 6A80 what is not known, not well-formed or there twice.
    """
    found = {each.dgi: each.value for each in groupings}
    if len(found) != len(groupings):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    if any(each.dgi in layout.DGIS_SECRET and not each.encrypted for each in groupings):
        raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    result = _tries(memory, found.pop(layout.DGI_TRIES, None))
    for dgi, reference in _SECRETS.items():
        value = found.pop(dgi, None)
        if value is None:
            continue
        if not is_well_formed(reference, value):
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        most = result.get(reference.tries_max, memory.tries_max(reference))
        result |= {reference: value, reference.tries: most}
    result |= _management_key(found.pop(layout.DGI_MANAGEMENT_KEY, None))
    if found:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return result


def _tries(memory: PivMemory, value: bytes | None) -> dict[str, Value]:
    """How often PIN and PUK may be wrong in a row; who has had some wrong has no more left than before."""
    if value is None:
        return {}
    if len(value) != len(Reference) or not all(1 <= each <= RETRIES_MAX for each in value):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    result: dict[str, Value] = {}
    for reference, most in zip(Reference, value, strict=True):
        result |= {reference.tries_max: most, reference.tries: min(memory.tries(reference), most)}
    return result


def _management_key(value: bytes | None) -> dict[str, Value]:
    if value is None:
        return {}
    number, key = int.from_bytes(value[:1]), value[1:]
    if number not in layout.MANAGEMENT_KEY_LENS or len(key) != layout.MANAGEMENT_KEY_LENS[AlgorithmId(number)]:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return {"management_algorithm": number, "management_key": key}


def unblock(use: Use, command: CommandApdu) -> ResponseApdu:
    """RESET RETRY COUNTER with a new PIN and no PUK: for the domain alone, through a channel of the full level."""
    if use.channel is not SecurityLevel.FULL:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    if not is_well_formed(Reference.PIN, command.data):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    memory = use.memory
    memory.write({Reference.PIN: command.data, Reference.PIN.tries: memory.tries_max(Reference.PIN)})
    use.status.forget_pin()
    return ok()
