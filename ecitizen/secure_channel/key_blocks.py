"""Keys on their way into a card: the blocks of PUT KEY and their check values.

GlobalPlatform Card Specification 2.3.1, 11.8.2.3 and B.5; Amendment D 1.1.2, 7.2. Needs `cryptography`: import late.
"""

from typing import Final

from ..errors import DecodeError, UsageError
from ..secret import KeyBytes
from .aes import BLOCK_LEN, AesKey, equal, pad
from .handshake import KEY_LENS, KEY_TYPE_AES

CHECK_VALUE_LEN: Final = 3
_CHECKED: Final = b"\x01" * BLOCK_LEN


def check_value(key: KeyBytes) -> bytes:
    """The three bytes by which a key is recognised without being shown: of a block of 01 under it."""
    cipher = AesKey(key)
    value = cipher.encrypt_block(_CHECKED)[:CHECK_VALUE_LEN]
    cipher.wipe()
    return value


def encode_key(dek: KeyBytes, key: KeyBytes, *, clear_length: bool = True) -> bytes:
    """One key for PUT KEY: type, length and block, check value with its length.

    The block is the key under the data key, behind a byte with its length; some hosts leave that byte out.
    Raise UsageError if it is no AES key.
    """
    if len(key) not in KEY_LENS:
        raise UsageError("an AES key has 16, 24 or 32 bytes")
    bare = key.reveal()
    cipher = AesKey(dek)
    block = cipher.encrypt(bare if len(bare) % BLOCK_LEN == 0 else pad(bare))
    cipher.wipe()
    if clear_length:
        block = bytes((len(key),)) + block
    return bytes((KEY_TYPE_AES, len(block))) + block + bytes((CHECK_VALUE_LEN,)) + check_value(key)


def decode_keys(dek: KeyBytes, data: bytes) -> list[KeyBytes]:
    """The keys of a PUT KEY, behind the new version number; raise DecodeError if one is not proved by its check value.

    With and without the byte for the clear length are told apart by the length of the block.
    """
    keys = []
    while data:
        if len(data) < 2 or data[0] != KEY_TYPE_AES:
            raise DecodeError("only AES keys can be put into this card")
        end = 2 + data[1]
        block, value, rest = data[2:end], data[end : end + 1 + CHECK_VALUE_LEN], data[end + 1 + CHECK_VALUE_LEN :]
        if len(block) != data[1] or len(value) != 1 + CHECK_VALUE_LEN or value[0] != CHECK_VALUE_LEN:
            raise DecodeError("a key and its check value do not have the lengths that they name")
        keys.append(_proved(dek, block, value[1:]))
        data = rest
    return keys


def _proved(dek: KeyBytes, block: bytes, value: bytes) -> KeyBytes:
    """The key in a block: of the lengths that it can have, the one that the check value proves."""
    lengths: tuple[int, ...] = KEY_LENS
    if len(block) % BLOCK_LEN == 1:
        lengths, block = (block[0],), block[1:]
    cipher = AesKey(dek)
    bare = cipher.decrypt(block)
    cipher.wipe()
    for length in lengths:
        if length in KEY_LENS and len(block) == -(-length // BLOCK_LEN) * BLOCK_LEN:
            key = KeyBytes(bare[:length])
            if equal(check_value(key), value):
                return key
            key.wipe()
    raise DecodeError("a key does not have the check value that came with it")
