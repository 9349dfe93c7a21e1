"""Whoever keeps the keys of cards: a port, and two ways to satisfy it.

A provider has one version of keys for many cards. It opens channels, encrypts under a card's data key and wraps keys
on their way into a card; the static keys of a card come into being for the time of one call and never leave it.
`DiversifiedKeys` derives them from a master key, `pki.pkcs11_card_keys` does so with a master key in a token.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, Protocol

from .errors import UsageError
from .secret import KeyBytes
from .secure_channel.handshake import KEY_LENS, KVN_MAX, KVN_TEST_KEYS, CardAnswer, Scp03Keys, SessionKeys

CHIP_SERIAL_LEN: Final = 8
KVN_DIVERSIFIED: Final = 0x01
"""Key version of diversified keys, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class KeyContext:
    """Whose keys are meant: those of one domain on one card."""

    domain_aid: bytes
    """Of the security domain that has the keys, 5 to 16 bytes."""
    chip_serial: bytes
    """8 bytes, out of the production data of the chip."""
    diversification: bytes = b""
    """The 10 bytes that the card itself names its keys by; empty before it was asked. Nothing is derived from them
    here: they are for providers that must do as another issuer does."""

    def __post_init__(self) -> None:
        if not 5 <= len(self.domain_aid) <= 16 or len(self.chip_serial) != CHIP_SERIAL_LEN:
            raise UsageError("a card's keys are found by a domain's AID of 5 to 16 bytes and a chip serial of 8 bytes")


class KeyProvider(Protocol):
    """One version of keys, for any card of an issuer."""

    @property
    def kvn(self) -> int:
        """The key version number, 1 to 127."""
        ...

    @property
    def unsafe(self) -> bool:
        """Everybody knows these keys: they are for tests, and for cards that nobody has yet."""
        ...

    def open_channel(self, card: KeyContext, answer: CardAnswer, host_challenge: bytes) -> SessionKeys:
        """The keys of a channel, of the card's answer to INITIALIZE UPDATE with this host challenge."""
        ...

    def card_challenge(self, card: KeyContext, sequence: int, aid: bytes, length: int) -> bytes:
        """The challenge of `length` bytes that a card with pseudo-random challenges must choose at this sequence
        counter, while the application `aid` is selected (Amendment D 1.1.2, 6.2.2.1)."""
        ...

    def encrypt(self, card: KeyContext, plain: bytes) -> bytes:
        """Whole blocks of 16 bytes, padded by the caller, under the card's data key."""
        ...

    def wrap_key(self, card: KeyContext, key: KeyBytes) -> bytes:
        """A new key for this card, wrapped under its data key: type, length and block, check value."""
        ...

    def put_key_blocks(self, card: KeyContext, under: "KeyProvider", under_card: KeyContext | None = None) -> bytes:
        """The data of PUT KEY that bring these keys into the card: version and three blocks.

        `under` has the data key that wraps them, the one of the channel's keys; `under_card` says whose it is, if
        that is another domain.
        """
        ...

    def check_values(self, card: KeyContext) -> tuple[bytes, bytes, bytes]:
        """Three bytes for each key, by which a card proves that it has got them."""
        ...


class ManagementKeySource(Protocol):
    """A provider that has a card's PIV management key (9B) too."""

    def management_key(self, card: KeyContext) -> KeyBytes:
        """The AES key that lets one change what is on the signing application; wipe it after use."""
        ...


class _CardKeys(ABC):
    """What all providers do alike, once they have a card's keys for a moment."""

    def __init__(self, kvn: int) -> None:
        if not 0 < kvn <= KVN_MAX:
            raise UsageError("a key version number is from 1 to 127")
        self._kvn = kvn
        self._closed = False

    @property
    def kvn(self) -> int:
        """The key version number."""
        return self._kvn

    @abstractmethod
    def _keys(self, card: KeyContext) -> Scp03Keys:
        """The keys of a card, to be wiped by the caller."""

    def close(self) -> None:
        """Overwrite what was kept; the provider can't be used any more. May be called twice."""
        self._closed = True

    @contextmanager
    def _for_a_moment(self, card: KeyContext) -> Iterator[Scp03Keys]:
        self._require_open()
        keys = self._keys(card)
        try:
            yield keys
        finally:
            keys.wipe()

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError("this provider of keys is closed; open it again")

    def open_channel(self, card: KeyContext, answer: CardAnswer, host_challenge: bytes) -> SessionKeys:
        """The keys of a channel, of the card's answer to INITIALIZE UPDATE with this host challenge."""
        from .secure_channel.scp03 import session_keys  # late: brings `cryptography`

        with self._for_a_moment(card) as keys:
            return session_keys(keys, host_challenge, answer.challenge)

    def card_challenge(self, card: KeyContext, sequence: int, aid: bytes, length: int) -> bytes:
        """The challenge that the card must choose at this sequence counter."""
        from .secure_channel.scp03 import pseudo_random_challenge

        with self._for_a_moment(card) as keys:
            return pseudo_random_challenge(keys.enc, sequence, aid, length)

    def encrypt(self, card: KeyContext, plain: bytes) -> bytes:
        """Whole blocks of 16 bytes under the card's data key; raise UsageError for others."""
        from .secure_channel.aes import BLOCK_LEN, AesKey

        if not plain or len(plain) % BLOCK_LEN:
            raise UsageError("only whole blocks of 16 bytes are encrypted under a data key; pad them before")
        with self._for_a_moment(card) as keys:
            cipher = AesKey(keys.dek)
            encrypted = cipher.encrypt(plain)
            cipher.wipe()
            return encrypted

    def wrap_key(self, card: KeyContext, key: KeyBytes) -> bytes:
        """A new key for this card, wrapped under its data key: type, length and block, check value."""
        from .secure_channel.key_blocks import encode_key

        with self._for_a_moment(card) as keys:
            return encode_key(keys.dek, key)

    def put_key_blocks(self, card: KeyContext, under: KeyProvider, under_card: KeyContext | None = None) -> bytes:
        """The data of PUT KEY that bring these keys into the card: version and three blocks."""
        with self._for_a_moment(card) as keys:
            three = (keys.enc, keys.mac, keys.dek)
            return bytes((self._kvn,)) + b"".join(under.wrap_key(under_card or card, key) for key in three)

    def check_values(self, card: KeyContext) -> tuple[bytes, bytes, bytes]:
        """Three bytes for each key, by which a card proves that it has got them."""
        from .secure_channel.key_blocks import check_value

        with self._for_a_moment(card) as keys:
            return check_value(keys.enc), check_value(keys.mac), check_value(keys.dek)


class StaticKeys(_CardKeys):
    """The same keys on every card, as test cards have them; satisfies KeyProvider.

    It takes copies: `keys` stay the caller's. `close` overwrites them.
    """

    def __init__(self, keys: Scp03Keys, *, unsafe: bool = False) -> None:
        super().__init__(keys.kvn)
        self._own = _copy(keys)
        self._unsafe = unsafe

    @classmethod
    def published(cls, kvn: int = KVN_TEST_KEYS) -> "StaticKeys":
        """The test keys that everybody knows."""
        return cls(Scp03Keys.published(kvn), unsafe=True)

    @property
    def unsafe(self) -> bool:
        """Everybody knows these keys."""
        return self._unsafe

    def close(self) -> None:
        """Overwrite the keys."""
        super().close()
        self._own.wipe()

    def __repr__(self) -> str:
        return f"StaticKeys(kvn={self._kvn:#04x})"

    def _keys(self, card: KeyContext) -> Scp03Keys:  # noqa: ARG002 - the same for every card
        return _copy(self._own)


@unique
class KeyPurpose(StrEnum):
    """What a derived key is for: its label in the derivation."""

    ENC = "ENC"
    MAC = "MAC"
    DEK = "DEK"
    PIV_MANAGEMENT = "9B"


Prf = Callable[[bytes], bytes]
"""AES-CMAC under the master key: a message in, 16 bytes out."""

_PRF_LEN: Final = 16


def derive(prf: Prf, label: bytes, context: bytes, length: int) -> KeyBytes:
    """`length` bytes by SP 800-108r1, 4.1: counter mode, with counter and length of 32 bits each.

    The input of round i is i, label, 00, context, length in bits. No field is of a length that the one before it
    leaves open: labels have no 00, and a context ends in a serial of fixed length.
    """
    fixed = label + b"\x00" + context + (8 * length).to_bytes(4, "big")
    return KeyBytes(counter_mode(prf, fixed, length))


def counter_mode(prf: Prf, fixed: bytes, length: int) -> bytes:
    """The rounds of SP 800-108r1, 4.1, over fixed input data, behind a counter of 32 bits."""
    rounds = -(-length // _PRF_LEN)
    return b"".join(prf(number.to_bytes(4, "big") + fixed) for number in range(1, rounds + 1))[:length]


class DerivedKeys(_CardKeys):
    """Keys of its own for every domain on every card, derived from a master key; satisfies KeyProvider.

    `prf` is AES-CMAC under the master key, wherever that is. The derivation is that of NIST SP 800-108 in counter
    mode: the purpose as label, the domain's AID and the chip's serial as context. The version is no part of it, so
    keys of another version need another master key.
    """

    def __init__(self, prf: Prf, *, kvn: int = KVN_DIVERSIFIED, key_len: int = 32) -> None:
        super().__init__(kvn)
        if key_len not in KEY_LENS:
            raise UsageError("an AES key has 16, 24 or 32 bytes")
        self._prf = prf
        self._key_len = key_len

    @property
    def unsafe(self) -> bool:
        """Only who has the master key knows them."""
        return False

    def management_key(self, card: KeyContext) -> KeyBytes:
        """The key 9B of this card's signing application, of the same length; wipe it after use."""
        return self._derive(KeyPurpose.PIV_MANAGEMENT, card)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kvn={self._kvn:#04x})"

    def _keys(self, card: KeyContext) -> Scp03Keys:
        enc, mac, dek = (self._derive(each, card) for each in (KeyPurpose.ENC, KeyPurpose.MAC, KeyPurpose.DEK))
        return Scp03Keys(enc, mac, dek, self._kvn)

    def _derive(self, purpose: KeyPurpose, card: KeyContext) -> KeyBytes:
        self._require_open()
        return derive(self._prf, purpose.encode("ascii"), card.domain_aid + card.chip_serial, self._key_len)


class DiversifiedKeys(DerivedKeys):
    """Derived keys whose master key is in this process: AES of 16, 24 or 32 bytes.

    The keys of cards are of its length. It takes a copy; `close` overwrites it.
    """

    def __init__(self, master: KeyBytes, *, kvn: int = KVN_DIVERSIFIED) -> None:
        from .secure_channel.aes import AesKey  # late: brings `cryptography`

        super().__init__(self._cmac, kvn=kvn, key_len=len(master))
        self._cipher = AesKey(master)

    def close(self) -> None:
        """Overwrite the master key."""
        if not self._closed:
            super().close()
            self._cipher.wipe()

    def _cmac(self, message: bytes) -> bytes:
        return self._cipher.cmac(message)


def _copy(keys: Scp03Keys) -> Scp03Keys:
    enc, mac, dek = (KeyBytes(key.reveal()) for key in (keys.enc, keys.mac, keys.dek))
    return Scp03Keys(enc, mac, dek, keys.kvn)
