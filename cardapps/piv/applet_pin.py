"""PIN and PUK: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-5 part 2, 3.2.1 to 3.2.3).

The rule under all three: a try is taken away, durably, before anything is compared, and given back after. Whoever
pulls the card at whatever moment has lost the try.

Where the standard leaves a choice: reference data of the wrong form or length are answered with 6A80 and cost no try.
Eight bytes FF, an empty PIN, are a wrong PIN instead: software that blocks a PIN on purpose, to reset the card, sends
them.
"""

from ecitizen.emulator.applet import Refusal, ok
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord

from . import layout
from .applet_personalising import unblock
from .applet_state import REFERENCES, Reference, Use, is_well_formed, padded
from .layout import KeyReference

_EMPTY = padded(b"")


def verify(use: Use, command: CommandApdu) -> ResponseApdu:
    """Compare the PIN; without data tell its state; with P1 = FF forget that it was verified."""
    if command.p1 not in {layout.P1_VERIFY, layout.P1_END_VERIFICATION}:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    if command.p2 != KeyReference.APPLICATION_PIN:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    if command.p1 == layout.P1_END_VERIFICATION:
        if command.data:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        use.status.forget_pin()
        return ok()
    if not command.data:
        if use.status.pin:
            return ok()
        raise _refusal_of_tries(use.memory.tries(Reference.PIN))
    _compare(use, Reference.PIN, command.data, guarding=Reference.PIN)
    use.memory.write({Reference.PIN.tries: use.memory.tries_max(Reference.PIN)})
    use.status.pin = use.status.pin_fresh = True
    return ok()


def change_reference_data(use: Use, command: CommandApdu) -> ResponseApdu:
    """Replace PIN or PUK by who knows the old one. A PIN that was changed is verified, but not for a signature."""
    if command.p1:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    if command.p2 not in REFERENCES:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    reference = REFERENCES[command.p2]
    _replace(use, command, known=reference, target=reference)
    if reference is Reference.PIN:
        use.status.pin = True
    return ok()


def reset_retry_counter(use: Use, command: CommandApdu) -> ResponseApdu:
    """Set a new PIN by who knows the PUK; whether the PIN is verified stays as it is, unless the PUK is wrong."""
    if command.p1:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    if command.p2 != KeyReference.APPLICATION_PIN:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    if len(command.data) == layout.REFERENCE_DATA_LEN:
        return unblock(use, command)
    _replace(use, command, known=Reference.PUK, target=Reference.PIN)
    return ok()


def _replace(use: Use, command: CommandApdu, *, known: Reference, target: Reference) -> None:
    old, new = command.data[: layout.REFERENCE_DATA_LEN], command.data[layout.REFERENCE_DATA_LEN :]
    if use.memory.tries(known) and old != _EMPTY and not is_well_formed(target, new):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    _compare(use, known, old, guarding=target)
    memory = use.memory
    memory.write({target: new, target.tries: memory.tries_max(target), known.tries: memory.tries_max(known)})


def _compare(use: Use, reference: Reference, offered: bytes, *, guarding: Reference) -> None:
    """Take a try and return if it was right; giving the try back is left to the caller's own write.

    Refuse with 63Cx, which ends the verification of the PIN if that is what was to be verified or replaced; with 6983
    if there was no try, 6A80 for what can't be a PIN or PUK.
    """
    from hmac import compare_digest  # late: it brings hashlib, and most commands need no comparison

    memory = use.memory
    left = memory.tries(reference)
    if not left:
        raise Refusal(StatusWord.AUTHENTICATION_METHOD_BLOCKED)
    if offered != _EMPTY and not is_well_formed(reference, offered):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    memory.write({reference.tries: left - 1})
    if compare_digest(memory.secret(reference), offered) and offered != _EMPTY:
        return
    if guarding is Reference.PIN:
        use.status.forget_pin()
    raise Refusal(StatusWord.WARNING_MEMORY_CHANGED | 0xC0 | left - 1)


def _refusal_of_tries(left: int) -> Refusal:
    return Refusal(
        StatusWord.WARNING_MEMORY_CHANGED | 0xC0 | left if left else StatusWord.AUTHENTICATION_METHOD_BLOCKED
    )
