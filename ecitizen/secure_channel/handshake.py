"""What host and card say to each other before an SCP03 channel is open, and the keys that they bring.

GlobalPlatform Card Specification 2.3, Amendment D 1.1.2 (SCP03), 5.1, 6.2 and 7.1; 16-byte fields (S16) are
Amendment D 1.2. Nothing here computes, so that the card side can name these things without importing a cipher.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag, unique
from typing import Final

from ..errors import DecodeError, UsageError
from ..iso7816.apdu import NE_SHORT, CommandApdu
from ..secret import KeyBytes

INS_INITIALIZE_UPDATE: Final = 0x50
INS_EXTERNAL_AUTHENTICATE: Final = 0x82
CLA_GLOBALPLATFORM: Final = 0x80
CLA_SECURED: Final = 0x84

SCP03: Final = 0x03
"""The protocol's identifier in the answer to INITIALIZE UPDATE."""

DIVERSIFICATION_LEN: Final = 10
SEQUENCE_LEN: Final = 3
SEQUENCE_MAX: Final = 0xFFFFFF
KVN_MAX: Final = 0x7F
MODES: Final = (8, 16)
"""S8 and S16: the length of challenges, cryptograms and MACs, in bytes."""

KEY_LENS: Final = (16, 24, 32)
KEY_TYPE_AES: Final = 0x88
"""Card Specification 2.3.1, 11.1.8, table 11-16."""

KVN_TEST_KEYS: Final = 0x30
"""Key version of the transport keys that blank cards come with."""
TEST_KEY: Final = bytes(range(0x40, 0x50))
"""40 41 ... 4F, which every document on GlobalPlatform prints: all three keys of test cards, and of many new ones."""


@unique
class SecurityLevel(IntEnum):
    """What a channel protects: P1 of EXTERNAL AUTHENTICATE (Amendment D, 7.1.2.1, table 7-5)."""

    C_MAC = 0x01
    C_MAC_C_ENC = 0x03
    C_MAC_R_MAC = 0x11
    C_MAC_C_ENC_R_MAC = 0x13
    FULL = 0x33

    @property
    def command_encrypted(self) -> bool:
        """Whether command data are encrypted."""
        return bool(self & 0x02)

    @property
    def response_authenticated(self) -> bool:
        """Whether answers carry a MAC."""
        return bool(self & 0x10)

    @property
    def response_encrypted(self) -> bool:
        """Whether response data are encrypted."""
        return bool(self & 0x20)


class Scp03Option(IntFlag):
    """What a card's SCP03 can do: the parameter i (Amendment D, 5.1, table 5-1)."""

    S16 = 0x08
    PSEUDO_RANDOM = 0x10
    R_MAC = 0x20
    R_ENC = 0x40

    @property
    def mode(self) -> int:
        """The length of challenges, cryptograms and MACs, in bytes."""
        return MODES[Scp03Option.S16 in self]

    def allow(self, level: SecurityLevel) -> bool:
        """Tell whether a card with these options can open a channel of this level."""
        if level.response_encrypted and Scp03Option.R_ENC not in self:
            return False
        return not level.response_authenticated or Scp03Option.R_MAC in self


@dataclass(frozen=True, slots=True)
class Scp03Keys:
    """The static keys of one key version: AES of one length, 16, 24 or 32 bytes. Raise UsageError otherwise."""

    enc: KeyBytes
    mac: KeyBytes
    dek: KeyBytes
    kvn: int

    def __post_init__(self) -> None:
        lengths = {len(key) for key in (self.enc, self.mac, self.dek)}
        if len(lengths) != 1 or not lengths <= set(KEY_LENS):
            raise UsageError("the three keys of SCP03 have 16, 24 or 32 bytes, all the same")
        if not 0 <= self.kvn <= KVN_MAX:
            raise UsageError("a key version number is from 0 to 127")

    @classmethod
    def published(cls, kvn: int = KVN_TEST_KEYS) -> "Scp03Keys":
        """The keys that everybody knows: what cards for developers, and many new ones, come with."""
        return cls.same(KeyBytes(TEST_KEY), kvn)

    @classmethod
    def same(cls, key: KeyBytes, kvn: int) -> "Scp03Keys":
        """Three keys with one value, as test cards have them."""
        enc, mac, dek = (KeyBytes(key.reveal()) for _ in range(3))
        return cls(enc, mac, dek, kvn)

    def wipe(self) -> None:
        """Overwrite the keys."""
        for key in (self.enc, self.mac, self.dek):
            key.wipe()


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of one channel, derived from the static keys and both challenges."""

    enc: KeyBytes
    mac: KeyBytes
    rmac: KeyBytes

    def wipe(self) -> None:
        """Overwrite the keys."""
        for key in (self.enc, self.mac, self.rmac):
            key.wipe()


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """The answer to INITIALIZE UPDATE (Amendment D, 7.1.1.6, table 7-3)."""

    diversification: bytes
    """10 bytes that name the card's keys to whoever derives them."""
    kvn: int
    options: Scp03Option
    challenge: bytes
    cryptogram: bytes
    sequence: int | None
    """The sequence counter; None where the card challenge is random."""

    def encode(self) -> bytes:
        """The answer's data."""
        sequence = b"" if self.sequence is None else self.sequence.to_bytes(SEQUENCE_LEN, "big")
        head = self.diversification + bytes((self.kvn, SCP03, self.options))
        return head + self.challenge + self.cryptogram + sequence

    @classmethod
    def parse(cls, data: bytes, mode: int) -> "CardAnswer":
        """Read an answer to a host challenge of `mode` bytes, 8 or 16; raise DecodeError if it is none of SCP03."""
        fixed = DIVERSIFICATION_LEN + 3
        if len(data) < fixed:
            raise DecodeError("the answer to INITIALIZE UPDATE is too short to say which channel the card speaks")
        kvn, protocol, options = data[DIVERSIFICATION_LEN:fixed]
        if protocol != SCP03:
            raise DecodeError(f"this card opens channels of SCP{protocol:02X}; only SCP03 is supported")
        if len(data) not in {fixed + 2 * mode, fixed + 2 * mode + SEQUENCE_LEN}:
            raise DecodeError("the answer to INITIALIZE UPDATE has the wrong length for SCP03")
        challenge, rest = data[fixed : fixed + mode], data[fixed + mode :]
        cryptogram, sequence = rest[:mode], rest[mode:]
        counter = int.from_bytes(sequence, "big") if sequence else None
        return cls(data[:DIVERSIFICATION_LEN], kvn, Scp03Option(options), challenge, cryptogram, counter)


def initialize_update(host_challenge: bytes, *, kvn: int = 0) -> CommandApdu:
    """INITIALIZE UPDATE with 8 bytes for S8 or 16 for S16; `kvn` 0 leaves the choice of keys to the card."""
    if len(host_challenge) not in MODES:
        raise UsageError("a host challenge has 8 bytes (S8) or 16 (S16)")
    return CommandApdu(CLA_GLOBALPLATFORM, INS_INITIALIZE_UPDATE, kvn, 0, host_challenge, NE_SHORT)
