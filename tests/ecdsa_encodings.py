"""Signatures that are not what an ECDSA signature in DER must be, of the kind that Wycheproof made famous.

Each is made of a good signature: SEQUENCE of two INTEGERs from 1 to n - 1, in the one encoding that DER has (RFC 3279,
2.2.3; ITU-T X.690, 8.3, 10.1). None may be accepted by anybody. (`r` with `n - s` is missing: it is a good signature.)
"""

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ORDERS = {
    "secp256r1": 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
    "secp384r1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
    ),
}
"""The order n of each curve's group (SEC 2, version 2, 2.4.2 and 2.5.1)."""

_INTEGER = 0x02
_SEQUENCE = 0x30


def wrong_encodings(signature: bytes, curve: str = "secp256r1") -> dict[str, bytes]:
    """What is wrong, and the bytes; none is the signature itself."""
    r, s = decode_dss_signature(signature)
    found = {
        **dict(_values(r, s, ORDERS[curve])),
        **dict(_integers(_number(r), _number(s))),
        **dict(_sequences(_number(r), _number(s))),
        **dict(_bytes(signature, r, s, ORDERS[curve])),
    }
    assert signature not in found.values()
    return found


def _values(r: int, s: int, n: int) -> Iterator[tuple[str, bytes]]:
    """Good DER of wrong numbers."""
    for name, first, second in (
        ("both zero", 0, 0),
        ("r zero", 0, s),
        ("s zero", r, 0),
        ("both one", 1, 1),
        ("r one, s zero", 1, 0),
        ("both minus one", -1, -1),
        ("r negative", -r, s),
        ("s negative", r, -s),
        ("r plus n", r + n, s),
        ("s plus n", r, s + n),
        ("r minus n", r - n, s),
        ("s minus n", r, s - n),
        ("r is n", n, s),
        ("s is n", r, n),
        ("both n", n, n),
        ("r is n minus one", n - 1, s),
        ("r far too long", r + (1 << 2048), s),
        ("s shifted by a byte", r, s << 8),
        ("exchanged", s, r),
    ):
        yield name, _tlv(_SEQUENCE, _tlv(_INTEGER, _number(first)), _tlv(_INTEGER, _number(second)))


def _integers(r: bytes, s: bytes) -> Iterator[tuple[str, bytes]]:
    """The right numbers as INTEGERs that DER does not have."""
    good_r, good_s = _tlv(_INTEGER, r), _tlv(_INTEGER, s)
    for name, first, second in (
        ("r with a zero too many", _tlv(_INTEGER, b"\0" + r), good_s),
        ("s with a zero too many", good_r, _tlv(_INTEGER, b"\0" + s)),
        ("s with many zeros", good_r, _tlv(_INTEGER, bytes(40) + s)),
        ("r empty", _tlv(_INTEGER, b""), good_s),
        ("s empty", good_r, _tlv(_INTEGER, b"")),
        ("s with zeros behind", good_r, _tlv(_INTEGER, s + b"\0\0")),
        ("s cut", good_r, _tlv(_INTEGER, s[:-1])),
        ("r's length in long form", bytes((_INTEGER, 0x81, len(r))) + r, good_s),
        ("s's length in long form", good_r, bytes((_INTEGER, 0x81, len(s))) + s),
        ("s's length in four bytes", good_r, bytes((_INTEGER, 0x84, 0, 0, 0, len(s))) + s),
        ("s of indefinite length", good_r, bytes((_INTEGER, 0x80)) + s + b"\0\0"),
        ("s longer than there is", good_r, bytes((_INTEGER, len(s) + 1)) + s),
        ("s shorter than there is", good_r, bytes((_INTEGER, len(s) - 1)) + s),
        ("s of a length beyond all bounds", good_r, bytes((_INTEGER, 0x88)) + b"\xff" * 8 + s),
        ("s of reserved length FF", good_r, bytes((_INTEGER, 0xFF)) + s),
        ("s an OCTET STRING", good_r, _tlv(0x04, s)),
        ("r an ENUMERATED", _tlv(0x0A, r), good_s),
        ("s context-specific", good_r, _tlv(0x82, s)),
        ("s constructed", good_r, _tlv(0x22, s)),
        ("s in high tag form", good_r, b"\x1f\x02" + bytes((len(s),)) + s),
        ("s NULL", good_r, b"\x05\x00"),
        ("s infinity, a REAL", good_r, b"\x09\x01\x40"),
        ("r minus infinity, a REAL", b"\x09\x01\x41", good_s),
        ("s a BOOLEAN", good_r, b"\x01\x01\xff"),
        ("s nested", good_r, _tlv(_SEQUENCE, good_s)),
    ):
        yield name, _tlv(_SEQUENCE, first, second)
    if r[0] == 0:  # the sign needs its zero
        yield "r without its zero", _tlv(_SEQUENCE, _tlv(_INTEGER, r[1:]), good_s)
    if s[0] == 0:
        yield "s without its zero", _tlv(_SEQUENCE, good_r, _tlv(_INTEGER, s[1:]))


def _sequences(r: bytes, s: bytes) -> Iterator[tuple[str, bytes]]:
    """The right INTEGERs in something else than one SEQUENCE in DER."""
    first, second = _tlv(_INTEGER, r), _tlv(_INTEGER, s)
    inner = first + second
    yield "only r", _tlv(_SEQUENCE, first)
    yield "only s", _tlv(_SEQUENCE, second)
    yield "three numbers", _tlv(_SEQUENCE, inner, second)
    yield "a NULL more", _tlv(_SEQUENCE, inner, b"\x05\x00")
    yield "end of contents inside", _tlv(_SEQUENCE, inner, b"\0\0")
    yield "an empty sequence", _tlv(_SEQUENCE)
    yield "nested", _tlv(_SEQUENCE, _tlv(_SEQUENCE, inner))
    yield "nested in itself for ever", b"\x30\x80" * 200
    yield "in an OCTET STRING", _tlv(0x04, _tlv(_SEQUENCE, inner))
    yield "a SET", _tlv(0x31, inner)
    yield "primitive", _tlv(0x10, inner)
    yield "context-specific", _tlv(0xA0, inner)
    yield "length in long form", bytes((_SEQUENCE, 0x81, len(inner))) + inner
    yield "length in two bytes", bytes((_SEQUENCE, 0x82, 0, len(inner))) + inner
    yield "length in nine bytes", bytes((_SEQUENCE, 0x89)) + bytes(8) + bytes((len(inner),)) + inner
    yield "indefinite length", b"\x30\x80" + inner + b"\0\0"
    yield "indefinite length without an end", b"\x30\x80" + inner
    yield "a byte longer than there is", bytes((_SEQUENCE, len(inner) + 1)) + inner
    yield "a byte shorter than there is", bytes((_SEQUENCE, len(inner) - 1)) + inner


def _bytes(signature: bytes, r: int, s: int, n: int) -> Iterator[tuple[str, bytes]]:
    """The signature with something before it, behind it, or in another form altogether."""
    size = (n.bit_length() + 7) // 8
    yield "nothing", b""
    yield "one byte", signature[:1]
    yield "tag and length", signature[:2]
    yield "cut", signature[:-1]
    yield "a zero behind", signature + b"\0"
    yield "twice", signature * 2
    yield "an end of contents behind", signature + b"\0\0"
    yield "a zero before", b"\0" + signature
    yield "as IEEE P1363 has it", r.to_bytes(size, "big") + s.to_bytes(size, "big")
    yield "in hex", signature.hex().encode()
    yield "zeros", bytes(len(signature))
    yield "the last bit flipped", signature[:-1] + bytes((signature[-1] ^ 1,))


def _number(value: int) -> bytes:
    length = ((value if value >= 0 else ~value).bit_length() // 8) + 1
    return value.to_bytes(length, "big", signed=True)


def _tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    count = len(content)
    if count < 0x80:
        return bytes((tag, count)) + content
    length = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
