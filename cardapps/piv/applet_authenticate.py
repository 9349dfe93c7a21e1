"""GENERAL AUTHENTICATE (SP 800-73-5 part 2, 3.2.4): private keys at work, and the proof of the management key.

What the standard leaves open, and what is done here:

* P1 or P2 that don't name a key on this card are answered with 6A86, also for a slot that is empty.
* A key does what it can, in whichever slot: as on tokens, the host decides what a key is for. The attestation key is
  the exception: it signs attestations only.
* A challenge or witness waits for the very next command, whatever that is. It is bound to its form, and to the key
  that was in place when it was given out.
* A try to authenticate ends an earlier authentication, also if the try has no chance.
* An INTERNAL AUTHENTICATE of 9B with data is refused: it would let a host have its own challenge answered, and then
  show the answer as its own (reflection).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ecitizen.emulator.applet import Refusal, ok
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord

from . import layout
from .applet_state import ChallengeForm, PendingChallenge, StoredKey, Use, slot_named
from .applet_templates import content_of, distinct
from .layout import AlgorithmId, KeyReference, PinPolicy, Slot

_MUTUAL: Final = frozenset({layout.TAG_WITNESS, layout.TAG_CHALLENGE, layout.TAG_RESPONSE})
_SIGN: Final = frozenset({layout.TAG_CHALLENGE, layout.TAG_RESPONSE})
_AGREE: Final = frozenset({layout.TAG_EXPONENTIATION, layout.TAG_RESPONSE})


def general_authenticate(use: Use, command: CommandApdu) -> ResponseApdu:
    """Use the key that P2 names, by the algorithm that P1 names."""
    pending, use.pending = use.pending, None
    if command.p2 == KeyReference.MANAGEMENT:
        return _manage(use, command, pending)
    slot = slot_named(command.p2)
    stored = use.memory.key(slot)
    if slot is Slot.ATTESTATION or stored is None or command.p1 != stored.algorithm:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    operation, value = _private_operation(distinct(content_of(layout.TAG_DYNAMIC_AUTHENTICATION, command.data)))
    if not _may_use(use, stored):
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    response = operation(private_key(use, stored), value)
    if stored.pin_policy is not PinPolicy.NEVER:
        use.status.pin_fresh = False
    return _answer(layout.TAG_RESPONSE, response)


def private_key(use: Use, stored: StoredKey) -> Any:
    """The key, opened; one that was opened before comes from memory."""
    from . import applet_keys  # late: `cryptography` is slow to import

    if stored.private not in use.parsed:
        use.parsed[stored.private] = applet_keys.opened(stored.private, stored.algorithm)
    return use.parsed[stored.private]


def _may_use(use: Use, stored: StoredKey) -> bool:
    if stored.pin_policy is PinPolicy.NEVER:
        return True
    return use.status.pin_fresh if stored.pin_policy is PinPolicy.ALWAYS else use.status.pin


def _private_operation(template: Mapping[int, bytes]) -> tuple[Callable[[Any, bytes], bytes], bytes]:
    from . import applet_keys  # late, as above

    if template.get(layout.TAG_RESPONSE) == b"":  # which asks for a response
        if template.keys() == _SIGN:
            return applet_keys.respond, template[layout.TAG_CHALLENGE]
        if template.keys() == _AGREE:
            return applet_keys.agree, template[layout.TAG_EXPONENTIATION]
    raise Refusal(StatusWord.INCORRECT_DATA_FIELD)


# Management key


def _manage(use: Use, command: CommandApdu, pending: PendingChallenge | None) -> ResponseApdu:
    known = use.memory.management_key
    if known is None:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    algorithm, key = known
    named = AlgorithmId.TRIPLE_DES if command.p1 == AlgorithmId.TRIPLE_DES_DEFAULT else command.p1
    if named != algorithm:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    template = distinct(content_of(layout.TAG_DYNAMIC_AUTHENTICATION, command.data))
    witness, challenge, response = (
        template.get(tag) for tag in (layout.TAG_WITNESS, layout.TAG_CHALLENGE, layout.TAG_RESPONSE)
    )
    if template == {layout.TAG_CHALLENGE: b""}:
        return _give_out(use, ChallengeForm.EXTERNAL, algorithm, key)
    if template == {layout.TAG_WITNESS: b""}:
        return _give_out(use, ChallengeForm.MUTUAL, algorithm, key)
    length = layout.CHALLENGE_LENS[algorithm]
    if template.keys() == {layout.TAG_RESPONSE} and response:
        use.status.management = False
        expected = _expected(pending, ChallengeForm.EXTERNAL, algorithm, key)
        _require_equal(response, _crypt(algorithm, key, expected), length)
        use.status.management = True
        return ok()
    if witness and challenge and template.keys() <= _MUTUAL and not response:
        use.status.management = False
        expected = _expected(pending, ChallengeForm.MUTUAL, algorithm, key)
        if len(challenge) != length:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        _require_equal(witness, expected, length)
        use.status.management = True
        return _answer(layout.TAG_RESPONSE, _crypt(algorithm, key, challenge))
    raise Refusal(StatusWord.INCORRECT_DATA_FIELD)


def _give_out(use: Use, form: ChallengeForm, algorithm: AlgorithmId, key: bytes) -> ResponseApdu:
    """A challenge is sent as it is, to be enciphered; a witness enciphered, to be deciphered."""
    value = use.random_bytes(layout.CHALLENGE_LENS[algorithm])
    use.pending = PendingChallenge(form, value, algorithm, key)
    if form is ChallengeForm.EXTERNAL:
        return _answer(layout.TAG_CHALLENGE, value)
    return _answer(layout.TAG_WITNESS, _crypt(algorithm, key, value))


def _expected(pending: PendingChallenge | None, form: ChallengeForm, algorithm: AlgorithmId, key: bytes) -> bytes:
    """The value that was given out in this form for this key."""
    if pending is None or (pending.form, pending.algorithm, pending.key) != (form, algorithm, key):
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    return pending.value


def _require_equal(given: bytes, expected: bytes, length: int) -> None:
    from hmac import compare_digest  # late: it brings hashlib

    if len(given) != length:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    if not compare_digest(given, expected):
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)


def _crypt(algorithm: AlgorithmId, key: bytes, block: bytes) -> bytes:
    """Encipher one block."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # late: slow to import
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    cipher = TripleDES(key) if algorithm is AlgorithmId.TRIPLE_DES else AES(key)
    encryptor = Cipher(cipher, ECB()).encryptor()  # noqa: S305 - a single block, as the standard has it
    return encryptor.update(block) + encryptor.finalize()


def _answer(tag: int, value: bytes) -> ResponseApdu:
    return ok(tlv.encode(layout.TAG_DYNAMIC_AUTHENTICATION, tlv.encode(tag, value)))
