"""Host side of PIV: one session with the application, on the card of any maker.

with open_card() as card:
    piv = PivSession.select(card)
    signer = piv.signer(Slot.AUTHENTICATION, ask_pin)
    signature = signer.sign(message, signer.algorithms[0])

Its parts are in `driver_pin`, `driver_management`, `driver_objects` and `driver_slots`. After CardReset nothing is
selected or verified any more, and nothing is done about that silently: select again, and ask the holder.
"""

import os
from typing import TYPE_CHECKING, Self

from ecitizen.errors import AppNotFound, NotSupported
from ecitizen.iso7816.apdu import NE_SHORT
from ecitizen.iso7816.command import select
from ecitizen.iso7816.status import StatusWord, describe, is_success, is_warning, status_error
from ecitizen.session import CardSession

from . import layout
from .driver_link import ApplicationProperties, RandomSource
from .driver_management import ManagementCommands
from .driver_metadata import KeyMetadata
from .driver_pin import PinCommands
from .driver_slots import KeyCommands
from .layout import ExtensionIns, KeyReference, Slot

if TYPE_CHECKING:
    from .signer import AskPin, CardDecipherer, CardKeyAgreement, CardSigner

__all__ = ["ApplicationProperties", "KeyMetadata", "PivSession"]

_NAMES = (layout.RID + layout.PIX[:4], layout.AID)
"""Without the version, as the standard lets cards be selected and all middleware does; then in full."""


class PivSession(PinCommands, ManagementCommands, KeyCommands):
    """The PIV application of a card, selected. Satisfies `ecitizen.ports.PinHolder`; belongs to one thread."""

    _name = layout.AID
    """What the card was selected by."""

    @classmethod
    def select(cls, session: CardSession, *, random: RandomSource = os.urandom) -> Self:
        """Select the application; raise AppNotFound if the card does not have it.

        The answer is read on T=0 too, where that takes a second exchange: other cards' abilities are known from it.
        """
        with session.transaction():
            for name in _NAMES:
                response = session.transmit(select(name, ne=NE_SHORT))
                if is_success(response.sw) or is_warning(response.sw):
                    piv = cls(session, ApplicationProperties.parse(response.data), random=random)
                    piv._name = name
                    return piv
        if response.sw == StatusWord.FILE_OR_APPLICATION_NOT_FOUND:
            raise AppNotFound(f"this card has no PIV application: {describe(response.sw)}", response.sw)
        raise status_error(response.sw, "selecting the PIV application")

    def select_again(self) -> None:
        """Select the application once more; while it is selected that changes nothing (SP 800-73-5 part 2, 3.1.1)."""
        self.session.command(select(self._name, ne=None), "selecting the PIV application")

    def version(self) -> tuple[int, int, int] | None:
        """Version of the card's extensions, or of the token's firmware; None if the card does not tell (extension)."""
        answer = self._ask_once("asking for the version", ExtensionIns.GET_VERSION)
        return (answer[0], answer[1], answer[2]) if answer and len(answer) >= 3 else None

    def serial(self) -> int | None:
        """The token's serial number; None if the card does not tell (extension)."""
        answer = self._ask_once("asking for the serial number", ExtensionIns.GET_SERIAL)
        return int.from_bytes(answer, "big") if answer else None

    def reset(self) -> None:
        """Destroy all keys, certificates and data, and set PIN, PUK and management key to their defaults (extension).

        Cards do that only when no try is left for PIN and PUK, so both are blocked first, by wrong ones. Raise
        NotSupported, before anything is lost, if the card shows no sign that it can be reset.
        """
        doing = "resetting the application"
        if self.version() is None:
            raise NotSupported(f"{doing}: this card has no command for that", StatusWord.INSTRUCTION_NOT_SUPPORTED)
        with self.transaction():
            self._forget_all()
            response = self._send(ExtensionIns.RESET, 0x00, 0x00)  # all there is to do on a card that is blocked
            if response.sw == StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED:
                self._block(KeyReference.APPLICATION_PIN)
                self._block(KeyReference.PUK)
                self._extension(doing, ExtensionIns.RESET)
            elif response.sw != StatusWord.NO_ERROR:
                raise status_error(response.sw, doing)

    def signer(self, slot: Slot, ask_pin: "AskPin | None" = None, *, public_key: bytes | None = None) -> "CardSigner":
        """The key of a slot as a `ports.Signer`; `ask_pin` is called whenever the key wants the PIN.

        `public_key` (SubjectPublicKeyInfo, DER) is for a card that tells it neither in metadata nor in a certificate.
        Raise UsageError if nothing tells it, or the key can't sign.
        """
        from .signer import CardKey, CardSigner  # late: it brings the cryptography package

        return CardSigner(CardKey.find(self, slot, ask_pin, public_key))

    def agreement(
        self, slot: Slot, ask_pin: "AskPin | None" = None, *, public_key: bytes | None = None
    ) -> "CardKeyAgreement":
        """The key of a slot as a `ports.KeyAgreement`; as `signer` for the rest."""
        from .signer import CardKey, CardKeyAgreement  # late: it brings the cryptography package

        return CardKeyAgreement(CardKey.find(self, slot, ask_pin, public_key))

    def decipherer(
        self, slot: Slot, ask_pin: "AskPin | None" = None, *, public_key: bytes | None = None
    ) -> "CardDecipherer":
        """The key of a slot as a `ports.Decipherer`; as `signer` for the rest."""
        from .signer import CardDecipherer, CardKey  # late: it brings the cryptography package

        return CardDecipherer(CardKey.find(self, slot, ask_pin, public_key))
