"""What signing needs of the packages above `ecitizen`: keys wherever they live, PINs, and who certifies."""

from dataclasses import dataclass
from typing import Protocol

from .algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm
from .model import PersonName
from .secret import Pin


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
