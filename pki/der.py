"""DER, written and strictly read: just what revocation lists, OCSP and timestamps are made of (ITU-T X.690).

Writers take content and give the whole value: tag, length, content. `Reader` takes what others wrote and accepts one
encoding only of each value: definite lengths in the fewest bytes, whole numbers without padding, TRUE as FF.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from .errors import Malformed

TAG_BOOLEAN: Final = 0x01
TAG_INTEGER: Final = 0x02
TAG_BIT_STRING: Final = 0x03
TAG_OCTET_STRING: Final = 0x04
TAG_NULL: Final = 0x05
TAG_OID: Final = 0x06
TAG_ENUMERATED: Final = 0x0A
TAG_UTF8_STRING: Final = 0x0C
TAG_UTC_TIME: Final = 0x17
TAG_GENERALIZED_TIME: Final = 0x18
TAG_SEQUENCE: Final = 0x30
TAG_SET: Final = 0x31
CONTEXT: Final = 0x80
"""Class bits of a context-specific tag, whose number is added: [0] IMPLICIT over a primitive type is CONTEXT + 0."""
CONTEXT_CONSTRUCTED: Final = 0xA0
"""The same over a constructed type, and EXPLICIT over any."""

NULL: Final = b"\x05\x00"
TRUE: Final = b"\x01\x01\xff"

_SHORT_LEN = 0x80
_LENGTH_BYTES_MAX = 4


# Writing


def der(tag: int, *parts: bytes) -> bytes:
    """A value of that tag (one byte, 8.1.2) whose content are the parts, one after the other."""
    content = b"".join(parts)
    count = len(content)
    if count < _SHORT_LEN:
        return bytes((tag, count)) + content
    return head(tag, count) + content


def head(tag: int, count: int) -> bytes:
    """Tag and length of a value whose content, of `count` bytes, is written by other means."""
    if count < _SHORT_LEN:
        return bytes((tag, count))
    length = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((tag, _SHORT_LEN | len(length))) + length


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE, or SEQUENCE OF."""
    return der(TAG_SEQUENCE, *parts)


def set_of(parts: Iterable[bytes], tag: int = TAG_SET) -> bytes:
    """SET OF, its members in DER's order (11.6)."""
    return der(tag, *sorted(parts))


def integer(number: int, tag: int = TAG_INTEGER) -> bytes:
    """INTEGER, or with its tag ENUMERATED; in the fewest bytes (8.3.2)."""
    twin = number if number >= 0 else ~number  # needs as many bits
    return der(tag, number.to_bytes(twin.bit_length() // 8 + 1, "big", signed=True))


def enumerated(number: int) -> bytes:
    """ENUMERATED."""
    return integer(number, TAG_ENUMERATED)


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER in dotted decimal, two arcs or more; the caller knows that it is one."""
    first, second, *others = (int(arc) for arc in dotted.split("."))
    return der(TAG_OID, *(_base_128(arc) for arc in (first * 40 + second, *others)))


def octet_string(content: bytes) -> bytes:
    """OCTET STRING."""
    return der(TAG_OCTET_STRING, content)


def bit_string(content: bytes, unused: int = 0) -> bytes:
    """BIT STRING, of which the last `unused` bits don't count."""
    return der(TAG_BIT_STRING, bytes((unused,)), content)


def named_bit(number: int) -> bytes:
    """BIT STRING of a list of named bits with this one set; bits behind it are left out (11.2.2)."""
    return bit_string(bytes(number // 8) + bytes((0x80 >> number % 8,)), 7 - number % 8)


def explicit(number: int, *parts: bytes) -> bytes:
    """[number] EXPLICIT over a value, or [number] IMPLICIT over the content of a SEQUENCE; up to 30."""
    return der(CONTEXT_CONSTRUCTED | number, *parts)


def implicit(number: int, content: bytes) -> bytes:
    """[number] IMPLICIT over the content of a primitive type; up to 30."""
    return der(CONTEXT | number, content)


def generalized_time(moment: datetime) -> bytes:
    """GeneralizedTime in UTC and whole seconds, as certificates and revocation want it (RFC 5280, 4.1.2.5.2)."""
    return der(TAG_GENERALIZED_TIME, b"%04d%02d%02d%02d%02d%02dZ" % moment.astimezone(UTC).timetuple()[:6])


def x509_time(moment: datetime) -> bytes:
    """Time as certificates and CRLs have it: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280, 5.1.2.4)."""
    if moment.astimezone(UTC).year >= 2050:
        return generalized_time(moment)
    fields = moment.astimezone(UTC).timetuple()[:6]
    return der(TAG_UTC_TIME, b"%02d%02d%02d%02d%02d%02dZ" % (fields[0] % 100, *fields[1:]))


def _base_128(number: int) -> bytes:
    """A number in groups of seven bits, all but the last marked (8.19.2)."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))


# Reading


class Reader:
    """Reads values one after the other; each call takes the next one, and raises Malformed if it is another.

    Nothing is copied but what is returned. `peek` and `more` look ahead; `close` makes sure that nothing is left.
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    @property
    def more(self) -> bool:
        """Whether something follows."""
        return self._at < self._end

    def peek(self) -> int:
        """The tag of the next value; 0, which none has, at the end."""
        return self._data[self._at] if self._at < self._end else 0

    def close(self) -> None:
        """Say that this is the end; raise Malformed if it is not."""
        if self._at != self._end:
            raise Malformed("there is more in these bytes than there may be")

    def inside(self, tag: int = TAG_SEQUENCE) -> "Reader":
        """A reader of what is in the next value."""
        start = self._enter(tag)
        return Reader(self._data, start, self._at)

    def content(self, tag: int) -> bytes:
        """The content of the next value."""
        start = self._enter(tag)
        return self._data[start : self._at]

    def element(self, tag: int) -> bytes:
        """The whole of the next value: tag, length and content, which is not looked into."""
        begin = self._at
        self._enter(tag)
        return self._data[begin : self._at]

    def integer(self) -> int:
        """An INTEGER of any length."""
        content = self.content(TAG_INTEGER)
        if not content or (len(content) > 1 and content[0] in (0x00, 0xFF) and content[0] >> 7 == content[1] >> 7):
            raise Malformed("a whole number is empty, or has more bytes than it needs")
        return int.from_bytes(content, "big", signed=True)

    def flag(self) -> bool:
        """A BOOLEAN DEFAULT FALSE: TRUE if it is there; that it is absent means FALSE, and FALSE is never written."""
        if self.peek() != TAG_BOOLEAN:
            return False
        if self.content(TAG_BOOLEAN) != b"\xff":
            raise Malformed("a truth value is not written as DER has it")
        return True

    def _enter(self, tag: int) -> int:
        """Go behind the next value; give where its content starts."""
        data, at, end = self._data, self._at + 2, self._end
        if at > end or data[at - 2] != tag:
            raise Malformed(f"a value of tag {tag:02X} is missing")
        length = data[at - 1]
        if length >= _SHORT_LEN:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            if not 0 < count <= _LENGTH_BYTES_MAX or at + count > end or len(head(0, length)) != 2 + count:
                raise Malformed("a length is not written as DER has it")
            at += count
        if length > end - at:
            raise Malformed("a value is longer than what it is in")
        self._at = at + length
        return at
