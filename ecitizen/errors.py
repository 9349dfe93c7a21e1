"""The one tree of errors. Nothing else leaves a public call of this toolkit.

EcitizenError
├─ UsageError                 the caller broke a rule
│   ├─ EncodeError            a value that the card's format can't hold
│   │   └─ PortraitUnusable   a picture that can't become the card's portrait
│   ├─ PinMalformed           not the form of a PIN; the card was not asked
│   └─ LastTryRefused         one try is left, and the caller did not say to use it
├─ ConfigError                something on this machine is missing or set wrong
│   ├─ PcscUnavailable        no PC/SC binding, or no PC/SC daemon
│   └─ FileFailed             a file could not be written
├─ TransportError             the way to the card failed
│   ├─ NoReader               no reader, or none of that name
│   ├─ ReaderAmbiguous        several would do; name one
│   ├─ NoCard                 the reader is empty
│   ├─ CardRemoved            the card was pulled out
│   ├─ CardReset              another program reset the card
│   ├─ CardMute               a card is there, but does not answer
│   ├─ ReaderBusy             another program holds the card
│   └─ TransmitFailed         the reader could not carry this command
├─ CardError                  the card said no
│   └─ StatusError(sw)
│       ├─ AppNotFound        6A82 to SELECT: this application is not on the card
│       ├─ SecurityStatusNotSatisfied   6982
│       ├─ PinIncorrect(retries_left)   63Cx
│       ├─ PinBlocked         6983: no try is left
│       ├─ KeyIncorrect       the management key is not this card's
│       └─ NotSupported       6D00 and the like: this card has no such command or algorithm
├─ CardProtocolError          the card answered outside the standard
│   ├─ DecodeError            bytes that don't have the form they must have
│   │   └─ CheckDigitWrong    a number whose last digit contradicts the others
│   └─ SecureMessagingError   a secure channel failed: changed on the way, or not the one it was opened with
│       └─ CryptogramWrong    the two ends do not hold the same keys
├─ IssuanceError              a card can't be made, changed or retired
│   ├─ PlanMismatch(problems) what was ordered can't be written; the card was not touched
│   ├─ WrongCard              not the card that was meant, or not in the state for this
│   ├─ ReadBackMismatch       the card does not say what was written
│   ├─ CardSpoiled(reason)    this card can't become a good one any more
│   └─ JournalFailed          the journal of issuing can't be used
├─ TranscriptMismatch         a replayed card was asked something it doesn't know
└─ ImageError                 a saved card can't be used
    ├─ ImageBusy              another program is using it
    ├─ ImageDamaged           not a card image, or a broken one
    └─ ImageTooNew            written by a later version

Every class has a `code`: a short stable name for programs, which JSON and the exit codes use.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .model import Problem


class EcitizenError(Exception):
    """Root of all errors of the toolkit. `str()` says what happened and what to do next."""

    code: ClassVar[str] = "error"


class UsageError(EcitizenError):
    """The caller broke a rule of this interface."""

    code = "usage"


class EncodeError(UsageError):
    """A value can't be written in the card's format: too long, wrong characters, bad check digit."""

    code = "not_encodable"


class PortraitUnusable(EncodeError):
    """A picture that can't become the portrait on a card: damaged, of an unknown kind, too small, too large."""

    code = "portrait"


class PinMalformed(UsageError):
    """What was given can't be a PIN, so the card was not asked and no try is lost."""

    code = "pin_malformed"


class LastTryRefused(UsageError):
    """One try is left before the PIN is blocked, and the caller did not say that it may be used."""

    code = "last_try"


class ConfigError(EcitizenError):
    """Something on this machine is missing or set wrong."""

    code = "config"


class PcscUnavailable(ConfigError):
    """PC/SC can't be used here: the binding is not installed or the daemon does not run."""

    code = "pcsc_unavailable"


class FileFailed(ConfigError):
    """A file that was asked for could not be written."""

    code = "file"


class TransportError(EcitizenError):
    """The way to the card failed; the card itself said nothing."""

    code = "transport"


class NoReader(TransportError):
    """There is no reader, or none with that name."""

    code = "no_reader"


class ReaderAmbiguous(TransportError):
    """Several readers would do; the caller must name one."""

    code = "reader_ambiguous"


class NoCard(TransportError):
    """The reader is empty."""

    code = "no_card"


class CardRemoved(TransportError):
    """The card was pulled out."""

    code = "card_removed"


class CardReset(TransportError):
    """Another program reset the card: what was selected and verified is gone."""

    code = "card_reset"


class CardMute(TransportError):
    """Something is in the reader that does not answer as a card."""

    code = "card_mute"


class ReaderBusy(TransportError):
    """Another program holds the card for itself."""

    code = "reader_busy"


class TransmitFailed(TransportError):
    """The reader could not carry this command; another one may pass."""

    code = "transmit_failed"


class CardError(EcitizenError):
    """The card refused."""

    code = "card"


class StatusError(CardError):
    """The card answered with an error status word.

    `sw` is the status word, 0x6300 to 0x6FFF (ISO/IEC 7816-4:2020, 5.6). `iso7816.status.status_error` makes
    the right subclass with the words for it.
    """

    code = "status"

    def __init__(self, message: str, sw: int) -> None:
        super().__init__(message)
        self.sw = sw


class AppNotFound(StatusError):
    """The application is not on this card."""

    code = "app_not_found"


class SecurityStatusNotSatisfied(StatusError):
    """The card wants a PIN or a key first."""

    code = "security_status_not_satisfied"


class PinIncorrect(StatusError):
    """The PIN or PUK is wrong; `retries_left` tries are left."""

    code = "pin_incorrect"

    def __init__(self, message: str, sw: int, retries_left: int) -> None:
        super().__init__(message, sw)
        self.retries_left = retries_left


class PinBlocked(StatusError):
    """No try is left: the PIN must be unblocked with the PUK, the PUK by whoever issued the card."""

    code = "pin_blocked"


class KeyIncorrect(StatusError):
    """The card did not accept the management key."""

    code = "key_incorrect"


class NotSupported(StatusError):
    """This card does not have the command, the algorithm or the object."""

    code = "not_supported"


class CardProtocolError(EcitizenError):
    """The card answered outside the standard."""

    code = "card_protocol"


class DecodeError(CardProtocolError):
    """Bytes don't have the form they must have."""

    code = "not_decodable"


class CheckDigitWrong(DecodeError):
    """A number's check digit contradicts its other digits."""

    code = "check_digit"


class SecureMessagingError(CardProtocolError):
    """A message of a secure channel was changed, or does not come from the other end; the channel is closed."""

    code = "secure_messaging"


class CryptogramWrong(SecureMessagingError):
    """The other end does not hold the keys that the channel was to be opened with."""

    code = "cryptogram_wrong"


class IssuanceError(EcitizenError):
    """A card can't be made, changed or retired."""

    code = "issuance"


class PlanMismatch(IssuanceError):
    """What was ordered can't be written, so the card was not touched; `problems` has all that is wrong with it."""

    code = "plan"

    def __init__(self, message: str, problems: "tuple[Problem, ...]" = ()) -> None:
        super().__init__(message)
        self.problems = problems


class WrongCard(IssuanceError):
    """This is not the card that was meant, or it is not in the state that this needs; nothing was written."""

    code = "wrong_card"


class ReadBackMismatch(IssuanceError):
    """The card does not say what was written to it."""

    code = "read_back"


class CardSpoiled(IssuanceError):
    """This card can't become a good one any more: keep it apart and take another. `reason` is a short name."""

    code = "spoiled"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class JournalFailed(IssuanceError):
    """The journal of issuing can't be read or written; no card is touched without it."""

    code = "journal"


class TranscriptMismatch(EcitizenError):
    """A replayed card got a command that its transcript does not have at this place."""

    code = "transcript_mismatch"


class ImageError(EcitizenError):
    """A saved card image can't be used."""

    code = "image"


class ImageBusy(ImageError):
    """Another program is using this card image."""

    code = "image_busy"


class ImageDamaged(ImageError):
    """The file is not a card image, or its content is broken."""

    code = "image_damaged"


class ImageTooNew(ImageError):
    """The card image was written by a later version of the toolkit."""

    code = "image_too_new"
