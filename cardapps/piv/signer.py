"""Keys on a PIV card behind the ports that signing code knows: Signer, KeyAgreement, Decipherer.

The card does the private-key operation on one block; hashing, padding and checking are done here. Signatures are
checked against the public key before anybody sees them (a wrong RSA signature can give away the key), which costs 0.03
to 0.25 ms. On P-384, where it would be 0.6 ms and more, that is done with the first signature of each signer: enough to
notice a certificate of another key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import CardProtocolError, SecurityStatusNotSatisfied, UsageError
from ecitizen.iso7816.status import StatusWord, status_error
from ecitizen.ports import PinState
from ecitizen.secret import Pin
from pki import keys

from . import driver_keys, layout, rsa_padding
from .driver import PivSession
from .layout import PinPolicy, Slot

AskPin = Callable[[PinState], Pin]
"""Asks the holder for the PIN, told what is known of its tries; raises an EcitizenError if there will be none.

To return a PIN when one try is left is to agree that it is used.
"""


@dataclass(frozen=True, slots=True)
class CardKey:
    """A key in a slot: what is known of it, and how to use it with as few questions as can be."""

    piv: PivSession
    slot: Slot
    algorithm: KeyAlgorithm
    public_key: bytes
    pin_policy: PinPolicy
    ask_pin: AskPin | None

    @classmethod
    def find(cls, piv: PivSession, slot: Slot, ask_pin: AskPin | None, public_key: bytes | None) -> Self:
        """Ask the card for what is known of its key; raise UsageError if its public key is not to be had."""
        metadata = piv.metadata(slot)
        public_key = public_key or piv.public_key(slot, metadata)
        if public_key is None:
            raise UsageError(
                f"there is no key in slot {slot}, or the card does not tell its public key: write its certificate to "
                "the card, or give the public key"
            )
        told = metadata.pin_policy if metadata else None
        policy = told or layout.default_pin_policy(slot)
        algorithm = keys.key_algorithm(keys.load_public_key(public_key))
        return cls(piv, slot, algorithm, public_key, policy, ask_pin)

    def certificate(self) -> bytes | None:
        """The certificate in the slot, DER, if it is of this key."""
        der = self.piv.certificate(self.slot)
        if der is None or driver_keys.public_key_in_certificate(der) != self.public_key:
            return None
        return der

    def use(self, tag: int, value: bytes) -> bytes:
        """The private-key operation on `value`, with the PIN if the key wants it.

        The holder is asked before the card is reserved, the PIN shown and the key used while it is. Raises what
        `PivSession.verify_pin` does; SecurityStatusNotSatisfied if the PIN is wanted and nobody can be asked.
        """
        if self.ask_pin is None:
            return self._operate(tag, value)
        if not self._wants_pin():
            try:
                return self._operate(tag, value)
            except SecurityStatusNotSatisfied:  # another program ended the verification, or the card is stricter
                state = self.piv.ask_pin_state()
        else:
            state = self._pin_state()
        if state.blocked:
            raise status_error(StatusWord.AUTHENTICATION_METHOD_BLOCKED, "asking for the PIN", shown="PIN")
        pin = self.ask_pin(state)
        with self.piv.transaction():
            self.piv.select_again()  # while the holder typed, another program may have selected something else
            self.piv.verify_pin(pin, last_try=state.retries_left == 1)
            return self._operate(tag, value)

    def _wants_pin(self) -> bool:
        if self.pin_policy in {PinPolicy.NEVER, PinPolicy.ALWAYS}:
            return self.pin_policy is PinPolicy.ALWAYS
        return not self._pin_state().verified

    def _pin_state(self) -> PinState:
        """What is known of the PIN; the card is asked if nothing is, or nothing good, which others may have changed."""
        known = self.piv.known_pin_state
        return self.piv.ask_pin_state() if known is None or known.retries_left in {0, 1} else known

    def _operate(self, tag: int, value: bytes) -> bytes:
        identifier = layout.KEY_ALGORITHM_IDS[self.algorithm]
        if tag == layout.TAG_EXPONENTIATION:
            return self.piv.agree_point(self.slot, identifier, value)
        return self.piv.sign_block(self.slot, identifier, value)

    def use_rsa(self, block: bytes) -> bytes:
        """The same on an RSA block; what a card leaves out in front, zeros, is put back."""
        result = self.use(layout.TAG_CHALLENGE, block)
        if len(result) > len(block):
            raise CardProtocolError("the card's RSA result is longer than its key; try another card")
        return result.rjust(len(block), b"\x00")


class CardSigner:
    """A key on a card that satisfies `ecitizen.ports.Signer`. Made by `PivSession.signer`."""

    def __init__(self, key: CardKey) -> None:
        self.key_algorithm = key.algorithm
        self.public_key = key.public_key
        self.algorithms = keys.signature_algorithms(key.algorithm)
        if not self.algorithms:
            raise UsageError(f"the key in slot {key.slot} agrees on secrets and can't sign; take another slot")
        self._key = key
        self._public = keys.load_public_key(key.public_key)
        self._certificate: bytes | None = None
        self._certificate_known = False
        self._proven = False
        """A signature by the card's key fitted the public key."""

    @property
    def certificate(self) -> bytes | None:
        """The certificate of the key, DER, read from the card when first asked for; None if there is none of it."""
        if not self._certificate_known:
            self._certificate = self._key.certificate()
            self._certificate_known = True
        return self._certificate

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a message; for EdDSA the card gets all of it, otherwise its digest.

        Raise UsageError for an algorithm that is not the key's, CardProtocolError for a signature that is wrong, and
        what `CardKey.use` raises.
        """
        self._require(algorithm)
        if algorithm.hash is not None:
            return self._sign(keys.digest(message, algorithm.hash), algorithm.scheme, algorithm.hash)
        signature = self._key.use(layout.TAG_CHALLENGE, message)
        assert isinstance(self._public, ed25519.Ed25519PublicKey)
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            raise self._wrong() from None
        return signature

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign a digest; raises as `sign` does, and UsageError for a wrong length and for EdDSA."""
        self._require(algorithm)
        if algorithm.hash is None:
            raise UsageError("Ed25519 signs whole messages and no digests; give the message")
        if len(digest) != algorithm.hash.digest_len:
            raise UsageError(f"a digest of {algorithm.hash} has {algorithm.hash.digest_len} bytes")
        return self._sign(digest, algorithm.scheme, algorithm.hash)

    def _sign(self, digest: bytes, scheme: SignatureScheme, hashed: HashAlgorithm) -> bytes:
        try:
            if isinstance(self._public, rsa.RSAPublicKey):
                return self._sign_rsa(self._public, digest, scheme, hashed)
            assert isinstance(self._public, ec.EllipticCurvePublicKey)
            return self._sign_ecdsa(self._public, digest, hashed)
        except InvalidSignature:
            raise self._wrong() from None

    def _sign_rsa(
        self, public: rsa.RSAPublicKey, digest: bytes, scheme: SignatureScheme, hashed: HashAlgorithm
    ) -> bytes:
        block_len = public.key_size // 8
        primitive = keys.HASH_PRIMITIVES[hashed]
        pad: padding.PKCS1v15 | padding.PSS
        if scheme is SignatureScheme.RSA_PKCS1:
            block = rsa_padding.pkcs1_signature_block(digest, hashed, block_len)
            pad = padding.PKCS1v15()
        else:
            block = rsa_padding.pss_signature_block(digest, hashed, block_len, self._key.piv.random)
            pad = padding.PSS(padding.MGF1(primitive), padding.PSS.DIGEST_LENGTH)
        signature = self._key.use_rsa(block)
        public.verify(signature, digest, pad, Prehashed(primitive))
        return signature

    def _sign_ecdsa(self, public: ec.EllipticCurvePublicKey, digest: bytes, hashed: HashAlgorithm) -> bytes:
        field_len = layout.FIELD_LENS[layout.KEY_ALGORITHM_IDS[self.key_algorithm]]
        # As a number the digest is what it was: its leftmost bits (FIPS 186-5, 6.4.1), or with zeros in front.
        value = digest[:field_len].rjust(field_len, b"\x00")
        signature = _checked_form(self._key.use(layout.TAG_CHALLENGE, value))
        if not self._proven or self.key_algorithm is not KeyAlgorithm.P_384:
            public.verify(signature, digest, ec.ECDSA(Prehashed(keys.HASH_PRIMITIVES[hashed])))
            self._proven = True
        return signature

    def _require(self, algorithm: SignatureAlgorithm) -> None:
        if algorithm not in self.algorithms:
            raise UsageError(f"a key of kind {self.key_algorithm} does not sign with that algorithm")

    def _wrong(self) -> CardProtocolError:
        return CardProtocolError(
            f"the signature does not fit the public key of slot {self._key.slot}: "
            "the certificate is of another key, or the card is faulty"
        )


class CardKeyAgreement:
    """A key on a card that satisfies `ecitizen.ports.KeyAgreement`. Made by `PivSession.agreement`."""

    def __init__(self, key: CardKey) -> None:
        if not (key.algorithm.is_nist_curve or key.algorithm is KeyAlgorithm.X25519):
            raise UsageError(f"the key in slot {key.slot} can't agree on secrets; take one on P-256, P-384 or X25519")
        self.key_algorithm = key.algorithm
        self.public_key = key.public_key
        self._key = key

    def agree(self, peer: bytes) -> bytes:
        """The shared secret with somebody's public key (SubjectPublicKeyInfo, DER): x of the point, or 32 bytes.

        Raise UsageError for a key on another curve or off it, CardProtocolError for an answer of the wrong length or
        all zeros, and what `CardKey.use` raises.
        """
        point = driver_keys.public_point(peer, self.key_algorithm)
        secret = self._key.use(layout.TAG_EXPONENTIATION, point)
        if len(secret) != layout.FIELD_LENS[layout.KEY_ALGORITHM_IDS[self.key_algorithm]] or not any(secret):
            raise CardProtocolError("the secret that the card gave is none; the other side's key may be a false one")
        return secret


class CardDecipherer:
    """An RSA key on a card that satisfies `ecitizen.ports.Decipherer`. Made by `PivSession.decipherer`."""

    def __init__(self, key: CardKey) -> None:
        if not key.algorithm.is_rsa:
            raise UsageError(f"the key in slot {key.slot} is no RSA key and deciphers nothing; take another slot")
        self.key_algorithm = key.algorithm
        self.public_key = key.public_key
        self._key = key
        public = keys.load_public_key(key.public_key)
        assert isinstance(public, rsa.RSAPublicKey)
        self._modulus = public.public_numbers().n

    def decipher(self, ciphertext: bytes, oaep: HashAlgorithm | None = None) -> bytes:
        """Open RSAES-OAEP with that hash, or with None RSAES-PKCS1-v1_5.

        Raise DecodeError, always the same, if it does not open; and what `CardKey.use` raises.
        """
        length = layout.FIELD_LENS[layout.KEY_ALGORITHM_IDS[self.key_algorithm]]
        if len(ciphertext) != length or int.from_bytes(ciphertext, "big") >= self._modulus:
            raise rsa_padding.undecipherable()
        block = self._key.use_rsa(ciphertext)
        return rsa_padding.pkcs1_message(block) if oaep is None else rsa_padding.oaep_message(block, oaep)


def _checked_form(signature: bytes) -> bytes:
    """An ECDSA signature in DER; raise CardProtocolError for any other spelling of the same numbers."""
    try:
        r, s = decode_dss_signature(signature)
        right = encode_dss_signature(r, s) == signature
    except ValueError:
        right = False
    if not right:
        raise CardProtocolError("the card's ECDSA signature is not two numbers in DER; try another card")
    return signature
