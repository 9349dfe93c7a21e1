"""AES as SCP03 uses it: single blocks, CBC, CMAC and the derivation of keys.

Needs `cryptography`, which is slow to import: import this module late.
"""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.constant_time import bytes_eq

from ..errors import DecodeError, UsageError
from ..secret import KeyBytes

BLOCK_LEN: Final = 16
ZERO_BLOCK: Final = bytes(BLOCK_LEN)
PADDING_MARK: Final = 0x80
"""Padding is this byte and then zeros, always at least the one (GlobalPlatform Card Specification 2.3.1, B.2.3)."""


class AesKey:
    """A key in use: what can be prepared is prepared once, since one key serves hundreds of commands.

    `wipe` overwrites our copy; OpenSSL overwrites its own when it lets go of it. SECURITY.md says what remains.
    """

    __slots__ = ("_algorithm", "_blocks", "_buffer", "_mac")

    def __init__(self, key: KeyBytes) -> None:
        if len(key) not in {16, 24, 32}:
            raise UsageError("an AES key has 16, 24 or 32 bytes")
        self._buffer = bytearray(key.reveal())
        self._algorithm: AES | None = AES(self._buffer)  # which keeps the buffer, not a copy of it
        self._blocks = Cipher(self._algorithm, ECB()).encryptor()  # noqa: S305 - of one block, with nothing to chain
        self._mac = CMAC(self._algorithm)

    def wipe(self) -> None:
        """Overwrite the key; it can't be used any more."""
        self._buffer[:] = bytes(len(self._buffer))
        self._algorithm = None
        del self._blocks, self._mac

    def encrypt_block(self, block: bytes) -> bytes:
        """One block of 16 bytes under the bare cipher."""
        return self._blocks.update(block)

    def cmac(self, message: bytes) -> bytes:
        """The 16 bytes of AES-CMAC (NIST SP 800-38B)."""
        mac = self._mac.copy()
        mac.update(message)
        return mac.finalize()

    def encrypt(self, data: bytes, iv: bytes = ZERO_BLOCK) -> bytes:
        """Whole blocks under CBC, without padding (NIST SP 800-38A, 6.2)."""
        return Cipher(self._in_use(), CBC(iv)).encryptor().update(data)

    def decrypt(self, data: bytes, iv: bytes = ZERO_BLOCK) -> bytes:
        """The same back; raise DecodeError if these are not whole blocks."""
        if len(data) % BLOCK_LEN:
            raise DecodeError("what AES has encrypted comes in blocks of 16 bytes")
        return Cipher(self._in_use(), CBC(iv)).decryptor().update(data)

    def derive(self, constant: int, context: bytes, length: int) -> bytes:
        """`length` bytes for one purpose: SP 800-108 in counter mode with CMAC.

        The order of the fields is that of Amendment D 1.1.2, 4.1.5: label of 11 zeros and the constant, 00, length
        in bits, counter, context.
        """
        label = bytes(11) + bytes((constant, 0)) + (8 * length).to_bytes(2, "big")
        blocks = -(-length // BLOCK_LEN)
        derived = b"".join(self.cmac(label + bytes((number,)) + context) for number in range(1, blocks + 1))
        return derived[:length]

    def _in_use(self) -> AES:
        if self._algorithm is None:
            raise UsageError("this key was wiped; open the channel again")
        return self._algorithm


def pad(data: bytes) -> bytes:
    """`data` with padding up to whole blocks."""
    return data + bytes((PADDING_MARK,)) + bytes(-(len(data) + 1) % BLOCK_LEN)


def unpad(data: bytes) -> bytes:
    """`data` without its padding; raise DecodeError if it has none."""
    bare = data.rstrip(b"\x00")
    if not bare or bare[-1] != PADDING_MARK or len(data) - len(bare) >= BLOCK_LEN:
        raise DecodeError("what was decrypted does not end in padding")
    return bare[:-1]


def equal(one: bytes, other: bytes) -> bool:
    """Compare two secrets of the same length in a time that tells nothing of them."""
    return bytes_eq(one, other)
