"""Private keys under a passphrase: PKCS#8 EncryptedPrivateKeyInfo with PBES2 (RFC 5958, section 3; RFC 8018, 6.2).

Written here because the usual writers derive the key with some thousand rounds, which a thief's machine repeats for
each guess at almost no cost. Every reader of PKCS#8 takes what this writes.
"""

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ecitizen.iso7816 import tlv
from ecitizen.secret import KeyBytes

ROUNDS: Final = 600_000
"""Rounds of PBKDF2 with HMAC-SHA-256: about a quarter of a second for each guess (OWASP's figure of 2023)."""
SALT_LEN: Final = 16
_KEY_LEN = 32
_BLOCK_LEN = 16

_TAG_INTEGER, _TAG_OCTET_STRING, _TAG_NULL, _TAG_OBJECT_IDENTIFIER, _TAG_SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30

# Contents of the object identifiers (RFC 8018, appendix C)
_OID_PBES2 = bytes.fromhex("2A864886F70D01050D")
_OID_PBKDF2 = bytes.fromhex("2A864886F70D01050C")
_OID_HMAC_SHA256 = bytes.fromhex("2A864886F70D0209")
_OID_AES_256_CBC = bytes.fromhex("60864801650304012A")

_PEM_LABEL = "ENCRYPTED PRIVATE KEY"
_PEM_LINE_LEN = 64


def encrypted_pem(
    private_key_info: KeyBytes, passphrase: KeyBytes, *, randomness: Callable[[int], bytes] = os.urandom
) -> bytes:
    """PEM of a PKCS#8 key encrypted with AES-256-CBC; ASCII, lines end in a line feed."""
    salt, vector = randomness(SALT_LEN), randomness(_BLOCK_LEN)
    key = hashlib.pbkdf2_hmac("sha256", passphrase.reveal(), salt, ROUNDS, _KEY_LEN)
    padder = PKCS7(_BLOCK_LEN * 8).padder()
    padded = padder.update(private_key_info.reveal()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(padded) + encryptor.finalize()
    der = _sequence(_sequence(_oid(_OID_PBES2), _parameters(salt, vector)), tlv.encode(_TAG_OCTET_STRING, encrypted))
    return _pem(der)


def _parameters(salt: bytes, vector: bytes) -> bytes:
    """PBES2-params: how the key is derived, and the cipher."""
    rounds = ROUNDS.to_bytes(ROUNDS.bit_length() // 8 + 1, "big")
    derivation = _sequence(
        tlv.encode(_TAG_OCTET_STRING, salt),
        tlv.encode(_TAG_INTEGER, rounds),
        _sequence(_oid(_OID_HMAC_SHA256), tlv.encode(_TAG_NULL, b"")),
    )
    return _sequence(
        _sequence(_oid(_OID_PBKDF2), derivation),
        _sequence(_oid(_OID_AES_256_CBC), tlv.encode(_TAG_OCTET_STRING, vector)),
    )


def _oid(content: bytes) -> bytes:
    return tlv.encode(_TAG_OBJECT_IDENTIFIER, content)


def _sequence(*elements: bytes) -> bytes:
    return tlv.encode(_TAG_SEQUENCE, b"".join(elements))


def _pem(der: bytes) -> bytes:
    text = b64encode(der).decode("ascii")
    lines = [text[start : start + _PEM_LINE_LEN] for start in range(0, len(text), _PEM_LINE_LEN)]
    return "\n".join([f"-----BEGIN {_PEM_LABEL}-----", *lines, f"-----END {_PEM_LABEL}-----", ""]).encode("ascii")
