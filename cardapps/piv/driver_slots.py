"""Keys on the card, host side: made, imported, moved, described, and used on single blocks (SP 800-73-5 part 2, 3.2.4
and 3.3.1; the rest are extensions).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import DecodeError, NotSupported, StatusError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_MAX
from ecitizen.iso7816.status import StatusWord, status_error
from ecitizen.secret import KeyBytes

from . import layout
from .driver_link import element, response_element
from .driver_metadata import KeyMetadata
from .driver_objects import ObjectCommands
from .layout import AlgorithmId, ExtensionIns, Ins, PinPolicy, Slot

_TAG_DER_SEQUENCE: Final = 0x30

_KIND_REFUSED: Final = frozenset(
    {
        StatusWord.INCORRECT_DATA_FIELD,
        StatusWord.FUNCTION_NOT_SUPPORTED,
        StatusWord.INCORRECT_PARAMETERS_P1_P2,
        StatusWord.INSTRUCTION_NOT_SUPPORTED,
        StatusWord.CLASS_NOT_SUPPORTED,
    }
)
"""How cards answer who asks for a key of a kind, or in a place, that they don't have."""

_NOT_ATTESTED: Final = frozenset({StatusWord.INCORRECT_DATA_FIELD, StatusWord.REFERENCED_DATA_NOT_FOUND})


class KeyCommands(ObjectCommands):
    """The part of a PIV session that deals with asymmetric keys."""

    _made: Mapping[Slot, bytes] = MappingProxyType({})
    """Public keys of what was generated or imported in this session: a card without metadata never tells them again."""

    def metadata(self, slot: Slot) -> KeyMetadata | None:
        """What the card tells of a key; None if there is no key, or the card has no metadata."""
        answer = self._ask(f"asking about the key in slot {slot}", ExtensionIns.GET_METADATA, slot)
        return KeyMetadata.parse(answer) if answer else None

    def public_key(self, slot: Slot, metadata: KeyMetadata | None = None) -> bytes | None:
        """The public key of a slot: SubjectPublicKeyInfo, DER; None if nothing tells it.

        Asked are this session's own memory, the card's metadata (unless they are given), and at last the certificate.
        """
        if slot in self._made:
            return self._made[slot]
        metadata = metadata or self.metadata(slot)
        if metadata is not None and metadata.public_key is not None:
            return metadata.public_key
        certificate = self.certificate(slot)
        if certificate is None:
            return None
        from .driver_keys import public_key_in_certificate  # late: it brings the cryptography package

        return public_key_in_certificate(certificate)

    def generate_key(self, slot: Slot, algorithm: KeyAlgorithm, *, pin_policy: PinPolicy = PinPolicy.DEFAULT) -> bytes:
        """Have the card make a key pair and give the public key: SubjectPublicKeyInfo, DER.

        The management key must be authenticated. The key that was in the slot is gone, its certificate is not. A PIN
        policy other than the standard's is an extension. Raise NotSupported for a kind that the card can't make.
        """
        from .driver_keys import public_key_info  # late: it brings the cryptography package

        doing = f"generating a key in slot {slot}"
        identifier = layout.KEY_ALGORITHM_IDS[algorithm]
        control = tlv.encode(layout.TAG_GENERATE_ALGORITHM, bytes((identifier,))) + _policy(pin_policy)
        self._forget_key(slot)
        response = self._send(
            Ins.GENERATE_ASYMMETRIC_KEY_PAIR, 0x00, slot, tlv.encode(layout.TAG_GENERATE, control), ne=NE_MAX
        )
        _require_done(response.sw, doing, algorithm)
        return self._remember_key(
            slot, public_key_info(identifier, element(response.data, layout.TAG_PUBLIC_KEY, doing))
        )

    def import_key(
        self, slot: Slot, private_key: KeyBytes, *, pin_policy: PinPolicy = PinPolicy.DEFAULT
    ) -> KeyAlgorithm:
        """Put a private key (PKCS#8, DER) into a slot and tell its kind (extension).

        The management key must be authenticated. Raise NotSupported if the card takes no keys, or not of this kind;
        what `pki.keys.load_private_key` raises for bytes that are no key.
        """
        from .driver_keys import import_elements  # late: it brings the cryptography package

        algorithm, elements, public_key = import_elements(private_key)
        data = elements.reveal() + _policy(pin_policy)
        self._forget_key(slot)
        try:
            response = self._send(ExtensionIns.IMPORT_KEY, layout.KEY_ALGORITHM_IDS[algorithm], slot, data)
        finally:
            elements.wipe()
        _require_done(response.sw, f"importing a key into slot {slot}", algorithm)
        self._remember_key(slot, public_key)
        return algorithm

    def move_key(self, source: Slot, target: Slot) -> None:
        """Move a key to an empty slot; its certificate stays where it is (extension)."""
        public_key = self._made.get(source)
        self._forget_key(source)
        self._forget_key(target)
        self._extension(f"moving the key in slot {source}", ExtensionIns.MOVE_KEY, target, source)
        if public_key is not None:
            self._remember_key(target, public_key)

    def delete_key(self, slot: Slot) -> None:
        """Destroy a key; its certificate stays (extension)."""
        self._forget_key(slot)
        self._extension(f"deleting the key in slot {slot}", ExtensionIns.MOVE_KEY, layout.P1_DELETE_KEY, slot)

    def attest(self, slot: Slot) -> bytes:
        """A certificate by the card's own authority that the key was made on the card, DER (extension).

        Raise StatusError if there is no key, or one that came from outside; NotSupported if the card can't attest.
        """
        doing = f"attesting the key in slot {slot}"
        try:
            certificate = self._extension(doing, ExtensionIns.ATTEST, slot, ne=NE_MAX)
        except StatusError as error:
            if error.sw not in _NOT_ATTESTED:
                raise
            raise StatusError(f"{doing}: no key in it was made on this card ({error.sw:04X})", error.sw) from None
        if tlv.total_len(certificate) != len(certificate) or tlv.parse_one(certificate).tag != _TAG_DER_SEQUENCE:
            raise DecodeError(f"{doing}: the card answered with something else than a certificate")
        return certificate

    def general_authenticate(
        self, slot: Slot, algorithm: AlgorithmId, elements: Mapping[int, bytes], doing: str = "using a key"
    ) -> bytes:
        """GENERAL AUTHENTICATE with these data objects in their order; gives the card's response, tag 82.

        Raise SecurityStatusNotSatisfied if the key wants the PIN first, StatusError if the card refuses otherwise.
        """
        inner = b"".join(tlv.encode(tag, value) for tag, value in elements.items())
        data = tlv.encode(layout.TAG_DYNAMIC_AUTHENTICATION, inner)
        answer = self._must(doing, Ins.GENERAL_AUTHENTICATE, algorithm, slot, data, ne=NE_MAX)
        return response_element(answer, layout.TAG_RESPONSE, doing)

    def sign_block(self, slot: Slot, algorithm: AlgorithmId, block: bytes) -> bytes:
        """The private-key operation on a block: an RSA block as long as the modulus, a digest, an Ed25519 message.

        For RSA it is deciphering too.
        """
        elements = {layout.TAG_RESPONSE: b"", layout.TAG_CHALLENGE: block}
        return self.general_authenticate(slot, algorithm, elements, f"using the key in slot {slot}")

    def agree_point(self, slot: Slot, algorithm: AlgorithmId, point: bytes) -> bytes:
        """The shared secret with a point: 04, x and y on a NIST curve, 32 bytes for X25519."""
        elements = {layout.TAG_RESPONSE: b"", layout.TAG_EXPONENTIATION: point}
        return self.general_authenticate(slot, algorithm, elements, f"agreeing with the key in slot {slot}")

    def _forget_all(self) -> None:
        """Nothing that was in a slot is there any more."""
        self._forget()
        self._made = MappingProxyType({})

    def _remember_key(self, slot: Slot, public_key: bytes) -> bytes:
        self._made = {**self._made, slot: public_key}
        return public_key

    def _forget_key(self, slot: Slot) -> None:
        """From now on nobody knows what is in the slot, even if the card is pulled out amid the command."""
        self._made = {other: key for other, key in self._made.items() if other is not slot}


def _policy(policy: PinPolicy) -> bytes:
    """The policy as a data object; the default is not named, since cards without the extension don't know that tag."""
    return b"" if policy is PinPolicy.DEFAULT else tlv.encode(layout.TAG_PIN_POLICY, bytes((policy,)))


def _require_done(sw: int, doing: str, algorithm: KeyAlgorithm) -> None:
    if sw in _KIND_REFUSED:
        raise NotSupported(f"{doing}: this card does not take {algorithm} there ({sw:04X})", sw)
    if sw != StatusWord.NO_ERROR:
        raise status_error(sw, doing)
