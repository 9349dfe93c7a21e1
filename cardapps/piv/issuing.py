"""The signing application for whoever issues cards; satisfies `ecitizen.issuing_ports.KeyApplication`.

Data groupings are those of this toolkit's applet (GlobalPlatform leaves them to the application): 8010 PIN, 8011 PUK,
809B management key with its algorithm's identifier before it. All else are the commands of the standard, through the
secure channel of the domain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import EncodeError, UsageError
from ecitizen.globalplatform_objects import DataGrouping
from ecitizen.model import CitizenId, Problem
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession

from . import layout
from .driver import PivSession
from .driver_link import ApplicationProperties
from .layout import AlgorithmId, Ins, KeyReference, ObjectId, Slot
from .objects import KeyHistory

_AES_OF_LEN: Final[Mapping[int, AlgorithmId]] = MappingProxyType(
    {16: AlgorithmId.AES_128, 24: AlgorithmId.AES_192, 32: AlgorithmId.AES_256}
)
_PERSONAL: Final = frozenset({Slot.AUTHENTICATION, Slot.SIGNATURE, Slot.KEY_MANAGEMENT})
_ALLOWED: Final = frozenset({*_PERSONAL, Slot.CARD_AUTHENTICATION})
_EXCHANGE_ONLY: Final = frozenset({KeyAlgorithm.X25519})
_BINDING: Final = frozenset(
    {KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072, KeyAlgorithm.RSA_4096}
)
"""What the agencies' profiles certify."""


class PivIssuing:
    """What is done to the PIV application when a card is issued or changed."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID
    binding_slot: ClassVar[int] = Slot.CARD_AUTHENTICATION
    renewable_slots: ClassVar[Sequence[int]] = (Slot.AUTHENTICATION, Slot.SIGNATURE)
    """Without the old key of 9D nobody could read what was enciphered for it, and 9E binds all applications."""
    named_by: ClassVar[Sequence[str]] = ("citizen_id",)
    usual_keys: ClassVar[Mapping[int, KeyAlgorithm]] = MappingProxyType(
        dict.fromkeys(sorted(_ALLOWED), KeyAlgorithm.P_256)
    )
    random_objects: ClassVar[frozenset[int]] = frozenset({ObjectId.CHUID, ObjectId.CAPABILITY_CONTAINER})

    def check(
        self, applications: Mapping[str, Any], keys: Mapping[int, KeyAlgorithm], moment: datetime
    ) -> tuple[Problem, ...]:
        """All that is wrong with these kinds of keys for this holder."""
        found = []
        citizen = _citizen(applications)
        personal = citizen.cid is not None and (citizen.name_th is not None or citizen.name_en is not None)
        for slot, algorithm in keys.items():
            field = f"{slot:02X}"
            if slot not in _ALLOWED:
                found.append(_problem(field, "no key is made there when a card is issued; there are 9A, 9C, 9D and 9E"))
            elif (algorithm in _EXCHANGE_ONLY and slot != Slot.KEY_MANAGEMENT) or (
                slot == self.binding_slot and algorithm not in _BINDING
            ):
                found.append(_problem(field, f"a key {algorithm} can't do what this slot is for"))
            elif slot in _PERSONAL and not personal:
                found.append(_problem(field, "the holder's certificates need citizen_id with cid and a name"))
        if keys and self.binding_slot not in keys:
            found.append(_problem(f"{self.binding_slot:02X}", "the key that binds the applications must be made"))
        if not found:
            try:
                self.objects(applications, bytes(8), "", moment, bytes)
            except EncodeError as error:
                found.append(Problem(self.name, None, error.code, str(error)))
        return tuple(found)

    def request(
        self, slot: int, public_key: bytes, applications: Mapping[str, Any], card_serial: str
    ) -> CertificateRequest:
        """What to ask an authority for; raise UsageError for a holder whom no certificate can name."""
        from .record import certificate_request  # late: it brings the cryptography package

        found = certificate_request(Slot(slot), public_key, _citizen(applications), card_serial)
        if found is None:
            raise UsageError("the holder's certificates need citizen_id with cid and a name")
        return replace(found, card_serial=card_serial)  # by which the register finds them

    def generate(self, session: CardSession, slot: int, algorithm: KeyAlgorithm) -> bytes:
        """Have the card make a key; gives its public key (SubjectPublicKeyInfo, DER)."""
        return _selected(session).generate_key(Slot(slot), algorithm)

    def certificate(self, session: CardSession, slot: int) -> bytes | None:
        """The certificate in a slot, DER."""
        return _selected(session).certificate(Slot(slot))

    def public_key(self, session: CardSession, slot: int) -> bytes | None:
        """The public key in a slot's certificate (SubjectPublicKeyInfo, DER); None if there is none."""
        from .driver_keys import public_key_in_certificate  # late: it brings the cryptography package

        certificate = self.certificate(session, slot)
        return None if certificate is None else public_key_in_certificate(certificate)

    def store_certificate(self, session: CardSession, slot: int, certificate: bytes) -> None:
        """Put a certificate into a slot, as it is: packed ones save little, and not every reader unpacks them."""
        _selected(session).write_certificate(Slot(slot), certificate, compress=False)

    def objects(
        self,
        applications: Mapping[str, Any],
        chip_serial: bytes,
        issuer: str,
        moment: datetime,
        random_bytes: Callable[[int], bytes],
    ) -> dict[int, bytes]:
        """Card holder's identifier, capability container, printed information, key history."""
        from .record import card_objects  # late: it brings the cryptography package

        found = card_objects(chip_serial, _citizen(applications), moment, random_bytes, issuer)
        return {**found, ObjectId.KEY_HISTORY: KeyHistory(on_card=0).encode()}

    def read_object(self, session: CardSession, tag: int) -> bytes | None:
        """A data object; raise SecurityStatusNotSatisfied for one that is read after the PIN only."""
        return _selected(session).read_object(tag)

    def write_object(self, session: CardSession, tag: int, content: bytes) -> None:
        """Put a data object in place."""
        _selected(session).write_object(tag, content)

    def codes(self, pin: Pin, puk: Pin, management_key: KeyBytes) -> tuple[DataGrouping, ...]:
        """PIN, PUK and management key as data groupings; raise UsageError for a key that is no AES key."""
        return (
            DataGrouping(layout.DGI_PIN, _padded(pin)),
            DataGrouping(layout.DGI_PUK, _padded(puk)),
            self.management_key(management_key),
        )

    def management_key(self, key: KeyBytes) -> DataGrouping:
        """The management key as a data grouping; raise UsageError for one that is no AES key."""
        algorithm = _AES_OF_LEN.get(len(key))
        if algorithm is None:
            raise UsageError("a management key is an AES key of 16, 24 or 32 bytes")
        return DataGrouping(layout.DGI_MANAGEMENT_KEY, bytes((algorithm,)) + key.reveal())

    def set_pin(self, session: CardSession, pin: Pin) -> None:
        """RESET RETRY COUNTER with new reference data only (ISO/IEC 7816-4:2020, 11.6.11)."""
        _selected(session)._must(
            "setting a new PIN", Ins.RESET_RETRY_COUNTER, 0x00, KeyReference.APPLICATION_PIN, _padded(pin)
        )

    def verify_pin(self, session: CardSession, pin: Pin) -> None:
        """Show the PIN to the card; raise PinIncorrect and PinBlocked."""
        _selected(session).verify_pin(pin)

    def tries_left(self, session: CardSession) -> tuple[int | None, int | None]:
        """Tries left of PIN and PUK."""
        piv = _selected(session)
        return piv.ask_pin_state().retries_left, piv.puk_state().retries_left

    def defaults_left(self, session: CardSession) -> tuple[str, ...]:
        """Which of PIN, PUK and management key are the ones that everybody knows, by what the card tells of them."""
        piv = _selected(session)
        management = piv.management_metadata()
        told = {
            "PIN": piv.pin_state().is_default,
            "PUK": piv.puk_state().is_default,
            "management key": management.is_default if management else None,
        }
        return tuple(name for name, default in told.items() if default)


def _selected(session: CardSession) -> PivSession:
    """The application that the session has selected, behind whatever channel it has."""
    return PivSession(session, ApplicationProperties(layout.AID))


def _citizen(applications: Mapping[str, Any]) -> CitizenId:
    found = applications.get("citizen_id")
    return found if isinstance(found, CitizenId) else CitizenId()


def _padded(pin: Pin) -> bytes:
    return pin.reveal().ljust(layout.REFERENCE_DATA_LEN, bytes((layout.REFERENCE_DATA_PADDING,)))


def _problem(field: str, message: str) -> Problem:
    return Problem(layout.NAME, field, "key", message)
