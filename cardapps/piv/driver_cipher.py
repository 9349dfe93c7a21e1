"""One block under a management key; needs the cryptography package, so it is imported late."""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ecitizen.secret import KeyBytes

from .layout import AlgorithmId


class BlockCipher:
    """3DES or AES on single blocks: what GENERAL AUTHENTICATE does with a witness and a challenge."""

    def __init__(self, algorithm: AlgorithmId, key: KeyBytes) -> None:
        kind = TripleDES if algorithm is AlgorithmId.TRIPLE_DES else algorithms.AES
        self._cipher = Cipher(kind(key.reveal()), modes.ECB())  # noqa: S305 - one block: no mode is involved

    def encipher(self, block: bytes) -> bytes:
        """The block enciphered."""
        return self._cipher.encryptor().update(block)

    def decipher(self, block: bytes) -> bytes:
        """The block in clear."""
        return self._cipher.decryptor().update(block)
