"""What goes beyond the standard, as YubiKeys have it and middleware knows it: metadata, import, reset and more.

Formats: card-stack.md, 2.1. A card whose memory says `extensions: False` has none of these commands. Where tokens are
not documented: a key is moved into an empty slot only (6985 otherwise); the card has nothing to touch, so a touch
policy other than never is refused; RESET leaves the card's number, and the attestation key with its certificate.
"""

from collections.abc import Mapping
from typing import Final

from ecitizen.emulator.applet import Refusal, ok
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord

from . import layout
from .applet_authenticate import private_key
from .applet_generate import asymmetric, require_management, slot_to_fill, take_policy, write_keys
from .applet_state import REFERENCES, RETRIES_MAX, Reference, StoredKey, Use, factory_state, slot_named
from .applet_templates import distinct
from .layout import AlgorithmId, KeyReference, ObjectId, Origin, PinPolicy, Slot, TouchPolicy

SERIAL_LEN: Final = 4


def get_version(use: Use, command: CommandApdu) -> ResponseApdu:  # noqa: ARG001 - the same for every card
    """The level of these extensions, three bytes."""
    _require(command, p1=0, p2=0)
    return ok(bytes(layout.EXTENSION_VERSION))


def get_serial(use: Use, command: CommandApdu) -> ResponseApdu:
    """The card's number, four bytes."""
    _require(command, p1=0, p2=0)
    return ok(use.memory.serial.to_bytes(SERIAL_LEN))


# Metadata


def get_metadata(use: Use, command: CommandApdu) -> ResponseApdu:
    """What can be said of a key, a PIN or the PUK without showing it; 6A88 where there is none."""
    _require(command, p1=0)
    if command.p2 in REFERENCES:
        return ok(_metadata_of_reference(use, REFERENCES[command.p2]))
    if command.p2 == KeyReference.MANAGEMENT:
        return ok(_metadata_of_management_key(use))
    stored = use.memory.key(Slot(command.p2)) if command.p2 in frozenset(Slot) else None
    if stored is None:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    return ok(_metadata_of_key(use, stored))


def _metadata_of_reference(use: Use, reference: Reference) -> bytes:
    memory = use.memory
    return _objects(
        {
            layout.TAG_METADATA_ALGORITHM: bytes((layout.METADATA_ALGORITHM_OF_PIN,)),
            layout.TAG_METADATA_IS_DEFAULT: bytes((_same(memory.secret(reference), reference.default),)),
            layout.TAG_METADATA_RETRIES: bytes((memory.tries_max(reference), memory.tries(reference))),
        }
    )


def _metadata_of_management_key(use: Use) -> bytes:
    known = use.memory.management_key
    if known is None:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    algorithm, key = known
    is_default = algorithm is AlgorithmId.TRIPLE_DES and _same(key, layout.DEFAULT_MANAGEMENT_KEY)
    return _objects(
        {
            layout.TAG_METADATA_ALGORITHM: bytes((algorithm,)),
            layout.TAG_METADATA_POLICIES: bytes((PinPolicy.DEFAULT, TouchPolicy.NEVER)),
            layout.TAG_METADATA_IS_DEFAULT: bytes((is_default,)),
        }
    )


def _metadata_of_key(use: Use, stored: StoredKey) -> bytes:
    from . import applet_keys  # late: `cryptography` is slow to import

    return _objects(
        {
            layout.TAG_METADATA_ALGORITHM: bytes((stored.algorithm,)),
            layout.TAG_METADATA_POLICIES: bytes((stored.pin_policy, TouchPolicy.NEVER)),
            layout.TAG_METADATA_ORIGIN: bytes((stored.origin,)),
            layout.TAG_METADATA_PUBLIC_KEY: applet_keys.public_objects(private_key(use, stored)),
        }
    )


def _objects(values: Mapping[int, bytes]) -> bytes:
    return b"".join(tlv.encode(tag, value) for tag, value in values.items())


def _same(secret: bytes, known: bytes) -> bool:
    from hmac import compare_digest  # late: it brings hashlib

    return compare_digest(secret, known)


# Keys


def import_key(use: Use, command: CommandApdu) -> ResponseApdu:
    """Take in a private key that the host made; a key that was there is gone, its certificate is not."""
    if command.p1 not in layout.FIELD_LENS:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    algorithm = asymmetric(bytes((command.p1,)))
    slot = slot_to_fill(use, command.p2)
    require_management(use)
    parts = distinct(command.data)
    pin_policy = take_policy(use, slot, parts)

    from . import applet_keys  # late, as above

    private = applet_keys.encoded(applet_keys.imported(algorithm, parts))
    write_keys(use, {slot: StoredKey(algorithm, private, Origin.IMPORTED, pin_policy)})
    return ok()


def move_key(use: Use, command: CommandApdu) -> ResponseApdu:
    """Move a key from slot P2 to the empty slot P1, or with P1 = FF delete it; certificates stay where they are."""
    if command.data:
        raise Refusal(StatusWord.WRONG_LENGTH)
    source = slot_named(command.p2)
    target = None if command.p1 == layout.P1_DELETE_KEY else slot_named(command.p1)
    if target is not None and (source is target or Slot.ATTESTATION in {source, target}):
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    require_management(use)
    stored = use.memory.key(source)
    if stored is None:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    if target is None:
        write_keys(use, {source: None})
        return ok()
    if use.memory.key(target) is not None:
        raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    write_keys(use, {source: None, target: stored})
    return ok()


def attest(use: Use, command: CommandApdu) -> ResponseApdu:
    """A certificate by the attestation key, which says that the key in slot P1 was made on this card."""
    _require(command, p2=0)
    slot = slot_named(command.p1)
    if slot is Slot.ATTESTATION:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    stored, voucher = use.memory.key(slot), use.memory.key(Slot.ATTESTATION)
    issuer = use.memory.object(ObjectId.ATTESTATION_CERTIFICATE)
    if stored is None or voucher is None or issuer is None:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    if stored.origin is not Origin.GENERATED:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)

    from . import applet_attestation  # late, as above

    return ok(
        applet_attestation.certificate(
            slot,
            private_key(use, stored).public_key(),
            pin_policy=stored.pin_policy,
            card_serial=use.memory.serial,
            issuer_object=issuer,
            issuer_key=private_key(use, voucher),
            certificate_serial=use.random_bytes(applet_attestation.SERIAL_LEN),
        )
    )


# Management key, tries, reset


def set_management_key(use: Use, command: CommandApdu) -> ResponseApdu:
    """Replace the management key: algorithm, 9B, length, key. It stays authenticated."""
    if (command.p1, command.p2) != (layout.P1_SET_MANAGEMENT_KEY, layout.P2_SET_MANAGEMENT_KEY):
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    require_management(use)
    number, head, key = int.from_bytes(command.data[:1]), command.data[1:3], command.data[3:]
    if number not in layout.MANAGEMENT_KEY_LENS or len(key) != layout.MANAGEMENT_KEY_LENS[AlgorithmId(number)]:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    if head != bytes((KeyReference.MANAGEMENT, len(key))):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    use.memory.write({"management_algorithm": number, "management_key": key})
    return ok()


def set_retries(use: Use, command: CommandApdu) -> ResponseApdu:
    """Set how many tries PIN (P1) and PUK (P2) have; both become the defaults that tokens are delivered with."""
    if command.data:
        raise Refusal(StatusWord.WRONG_LENGTH)
    if not (1 <= command.p1 <= RETRIES_MAX and 1 <= command.p2 <= RETRIES_MAX):
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
    require_management(use)
    if not use.status.pin:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
    changes: dict[str, bytes | int] = {}
    for reference, tries in ((Reference.PIN, command.p1), (Reference.PUK, command.p2)):
        changes |= {reference: reference.default, reference.tries: tries, reference.tries_max: tries}
    use.memory.write(changes)
    use.status.forget_pin()
    return ok()


def reset(use: Use, command: CommandApdu) -> ResponseApdu:
    """Back to the state of delivery, without keys and objects; only when neither PIN nor PUK has a try left.

    Never on a card that its issuer's domain is in charge of: who blocks its PIN must not get it with a known one.
    """
    _require(command, p1=0, p2=0)
    if use.memory.managed or any(use.memory.tries(reference) for reference in Reference):
        raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    use.memory.write({**dict.fromkeys(use.memory.user_content()), **factory_state()})
    use.status.forget_pin()
    use.status.management = False
    use.parsed.clear()
    return ok()


def _require(command: CommandApdu, *, p1: int | None = None, p2: int | None = None) -> None:
    """Refuse data, and other parameters than these."""
    if command.data:
        raise Refusal(StatusWord.WRONG_LENGTH)
    if p1 not in {None, command.p1} or p2 not in {None, command.p2}:
        raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
