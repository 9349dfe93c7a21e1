"""What `ecitizen` needs of the packages above it: Protocols that applications and issuers satisfy.

Implementations are found through entry points (`apps`), so that nothing here knows who they are.
"""

from collections.abc import Generator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from .algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm
from .iso7816.apdu import CardProtocol, CommandApdu
from .model import ApplicationRecord, BilingualText, PersonName, Problem
from .secret import Pin
from .session import CardSession

if TYPE_CHECKING:
    from datetime import datetime

    from .verdict import CardFinding

PhotoCache = MutableMapping[tuple[str, str], bytes]
"""Portraits the caller has: (card's number, request number of the card) to JPEG file."""


@dataclass(frozen=True, slots=True)
class ApplicationResult:
    """What is known of an application so far: all its text, and at the end its photo too."""

    record: ApplicationRecord
    problems: tuple[Problem, ...] = ()


Reading = Generator[ApplicationResult | None, None, None]
"""Steps of reading an application: None after each piece, a result when there is something to show.

The last result is the whole.
"""


class Driver(Protocol):
    """The host side of one application. Found by the entry point group `ecitizen.drivers`."""

    @property
    def name(self) -> str:
        """The application's name: its key in JSON and its entry point."""
        ...

    @property
    def title(self) -> BilingualText:
        """What people call it."""
        ...

    @property
    def rank(self) -> int:
        """Its place among the applications of a card, low first."""
        ...

    @property
    def aid(self) -> bytes:
        """What SELECT takes to find it; the first one, where it is more than one applet."""
        ...

    @property
    def fields(self) -> Mapping[str, BilingualText]:
        """Names of all its fields, in the order of showing, and what people call them."""
        ...

    @property
    def photo_field(self) -> str | None:
        """The field that is a picture: slow to read, so it comes last."""
        ...

    def expected_exchanges(self, fields: frozenset[str], protocol: CardProtocol) -> int:
        """About how many exchanges `read` will take, for a progress bar."""
        ...

    def read(self, session: CardSession, fields: frozenset[str], photos: PhotoCache) -> Reading:
        """Select the application and read `fields`, text before photo, in as few exchanges as can be.

        Raise AppNotFound if the card does not have it, CardError and CardProtocolError if the card fails.
        """
        ...


@runtime_checkable
class CommandWords(Protocol):
    """What a Driver may have besides: words for the commands of its application, for traces and `ecitizen explain`."""

    def command_words(self, command: CommandApdu) -> str | None:
        """What the command asks of this application, in a few words without personal data; None for a foreign one."""
        ...


@runtime_checkable
class SealedDriver(Protocol):
    """What a Driver has besides if its agency seals the data: what is sealed, and what says until when it is good."""

    @property
    def data_groups(self) -> Mapping[int, tuple[str, ...]]:
        """Names of the fields in each data group, numbered 1 to 14, as `raw` of the application's record has them."""
        ...

    @property
    def expiry_field(self) -> str | None:
        """The date after which the application is no longer valid; None if it is good as long as the card is."""
        ...


@dataclass(frozen=True, slots=True)
class ApplicationReading:
    """What an application of a card said when it was read for verification."""

    driver: Driver
    record: ApplicationRecord
    problems: tuple[Problem, ...]


class TrustEvaluator(Protocol):
    """Tells whether a card's data were sealed by those who may, for this very card.

    Entry point group `ecitizen.trust`: a callable of a trust directory (or None, to trust nobody) that takes the
    keywords `offline` and `random_bytes`.
    """

    @property
    def test(self) -> bool:
        """The trusted authorities are for tests only."""
        ...

    def question(self, session: CardSession, readings: Sequence[ApplicationReading]) -> Any:
        """Read the seals of these applications and challenge the card; give the answers for `judge`.

        Raise TransportError if the way to the card fails. All that the card itself does wrong is part of the answers.
        """
        ...

    def judge(
        self, answers: Any, readings: Sequence[ApplicationReading], chip_serial: bytes | None, moment: "datetime"
    ) -> "tuple[CardFinding, ...]":
        """What seals, signers, certificates and answers come to at `moment`; the card is not needed any more."""
        ...


@dataclass(frozen=True, slots=True)
class PinState:
    """A PIN or PUK as the card tells of it; None is what it does not tell."""

    retries_left: int | None
    retries_max: int | None = None
    verified: bool = False
    is_default: bool | None = None

    @property
    def blocked(self) -> bool:
        """No try is left."""
        return self.retries_left == 0


class PinHolder(Protocol):
    """An application with a PIN, selected on a card. Entry point group `ecitizen.pins`: a callable of CardSession.

    Each method that sends a PIN raises PinIncorrect with the tries left, PinBlocked, or LastTryRefused if one try is
    left and `last_try` is not set: then nothing was sent.
    """

    def pin_state(self) -> PinState:
        """Tries left, without using one."""
        ...

    def puk_state(self) -> PinState:
        """The same of the PUK."""
        ...

    def verify_pin(self, pin: Pin, *, last_try: bool = False) -> None:
        """Show the PIN to the card."""
        ...

    def end_verification(self) -> None:
        """Have the card forget that the PIN was shown."""
        ...

    def change_pin(self, old: Pin, new: Pin, *, last_try: bool = False) -> None:
        """Replace the PIN."""
        ...

    def change_puk(self, old: Pin, new: Pin, *, last_try: bool = False) -> None:
        """Replace the PUK."""
        ...

    def unblock_pin(self, puk: Pin, new: Pin, *, last_try: bool = False) -> None:
        """Set a new PIN with the PUK."""
        ...


class Signer(Protocol):
    """A private key that signs, wherever it lives: on a card, in a token, in a file."""

    @property
    def key_algorithm(self) -> KeyAlgorithm:
        """The kind of key."""
        ...

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    @property
    def certificate(self) -> bytes | None:
        """The X.509 certificate of the key, DER, if it is known."""
        ...

    @property
    def algorithms(self) -> tuple[SignatureAlgorithm, ...]:
        """What it can sign with, the best first."""
        ...

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a message; for EdDSA the whole of it, otherwise its digest.

        ECDSA signatures are DER. Raise UsageError for an algorithm that is not the key's.
        """
        ...

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a digest of the algorithm's hash; raise UsageError for a wrong length, and for EdDSA."""
        ...


class KeyAgreement(Protocol):
    """A private key that agrees on a secret with somebody's public key (ECDH, X25519)."""

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    def agree(self, peer: bytes) -> bytes:
        """The shared secret with a public key (SubjectPublicKeyInfo, DER); UsageError for one of another curve."""
        ...


class Decipherer(Protocol):
    """A private RSA key that opens what was enciphered to its public key."""

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    def decipher(self, ciphertext: bytes, oaep: HashAlgorithm | None = None) -> bytes:
        """Open RSAES-OAEP with that hash, or with None RSAES-PKCS1-v1_5 (RFC 8017, 7); DecodeError if it is neither."""
        ...


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a certificate is to say; `profile` names the issuer's rules for all the rest."""

    profile: str
    public_key: bytes
    """SubjectPublicKeyInfo, DER; whoever asks has made sure that the holder has the private key."""
    name_th: PersonName | None = None
    name_en: PersonName | None = None
    citizen_number: str | None = None
    """Never written into a certificate as it is, unless the profile says so."""
    card_serial: str | None = None


class CertificateIssuer(Protocol):
    """An authority that issues certificates."""

    @property
    def certificate(self) -> bytes:
        """The issuer's own certificate, DER."""
        ...

    def issue(self, request: CertificateRequest) -> bytes:
        """A certificate, DER. Raise UsageError for a request that the profile does not allow."""
        ...
