"""Data objects: BER-TLV as cards use it, and COMPACT-TLV as historical bytes use it.

Sources: ISO/IEC 7816-4:2020, 6.3 (BER-TLV) and 12.1.1 (historical bytes); ITU-T X.690, 8.1; for padding also
ISO/IEC 7816-4:1995, D.1.

Reading is liberal where cards are: lengths need not be minimal, and 00 or FF bytes before, between and after
objects are skipped, since erased memory looks like that. Writing is strict. `parse` reads one level only, in
one pass; whoever goes deeper says how deep, so that hostile bytes cost no more than their length times depth.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import DecodeError, EncodeError

MAX_TAG_LEN = 4
"""Bytes in a tag; the standard needs at most three."""

MAX_LENGTH_LEN = 4
"""Bytes that say a length, after the one that counts them."""

MAX_DEPTH = 16
"""Levels that `walk` goes down unless told otherwise."""

_PADDING = b"\x00\xff"


@dataclass(frozen=True, slots=True)
class Tlv:
    """One BER-TLV data object.

    `tag` holds all bytes of the tag as they stand on the card, so 0x5FC102 is the object 5F C1 02.
    """

    tag: int
    value: bytes

    @property
    def constructed(self) -> bool:
        """True if the value is itself made of data objects (bit 6 of the first tag byte)."""
        return bool(_tag_bytes(self.tag)[0] & 0x20)

    def children(self) -> tuple["Tlv", ...]:
        """Read the value as data objects, one level; raise DecodeError if it is not made of them."""
        if not self.constructed:
            raise DecodeError(f"the data object {self.tag:02X} is primitive: it holds no other data objects")
        return parse(self.value)

    def encode(self) -> bytes:
        """Write the object as `encode` does."""
        return encode(self.tag, self.value)


@dataclass(frozen=True, slots=True)
class CompactTlv:
    """One COMPACT-TLV data object: a tag of four bits, and 0 to 15 bytes.

    Tag 0xY stands for the BER-TLV tag 0x4Y (ISO/IEC 7816-4:2020, 12.1.1.1).
    """

    tag: int
    value: bytes


def parse(data: bytes) -> tuple[Tlv, ...]:
    """Read all data objects in `data`, one level deep; padding gives no object.

    Raises DecodeError, with the offset in bytes, if `data` is anything but well-formed objects and padding.
    """
    found = []
    at = _skip_padding(data, 0)
    while at < len(data):
        header = _read_header(data, at)
        if header is None:
            raise DecodeError(f"the data object at byte {at} ends inside its tag or length")
        tag, start, value_len = header
        end = start + value_len
        if end > len(data):
            raise DecodeError(f"the data object at byte {at} claims {value_len} bytes, but {len(data) - start} follow")
        found.append(Tlv(tag, bytes(data[start:end])))
        at = _skip_padding(data, end)
    return tuple(found)


def parse_one(data: bytes) -> Tlv:
    """Read `data` as exactly one data object, with or without padding around it.

    Raises DecodeError if there is none, more than one, or no well-formed one.
    """
    found = parse(data)
    if len(found) != 1:
        raise DecodeError(f"one data object was expected, {len(found)} are there")
    return found[0]


def find(objects: Iterable[Tlv], *path: int) -> Tlv | None:
    """Follow `path`, one tag per level, and return the object at its end, or None.

    The first object with a matching tag is taken on each level. Raises DecodeError if an object on the way
    can't be read as data objects. `find(parse(fci), 0x6F, 0x84)` is the application identifier in an FCI.
    """
    found: Tlv | None = None
    for tag in path:
        level = objects if found is None else found.children()
        found = next((each for each in level if each.tag == tag), None)
        if found is None:
            return None
    return found


def walk(objects: Iterable[Tlv], max_depth: int = MAX_DEPTH) -> Iterator[tuple[int, Tlv]]:
    """Yield every object with its depth (0 for `objects` themselves), each before its children, in order.

    Raises DecodeError if a constructed object is malformed, or if there are more levels than `max_depth`.
    """
    pending = [(0, each) for each in reversed(tuple(objects))]
    while pending:
        depth, each = pending.pop()
        if depth >= max_depth:
            raise DecodeError(f"data objects are nested more than {max_depth} deep")
        yield depth, each
        if each.constructed:
            pending.extend((depth + 1, child) for child in reversed(each.children()))


def total_len(prefix: bytes) -> int | None:
    """Tell how many bytes the first data object takes, from the first bytes of a file.

    The count starts at the beginning of `prefix`, so padding before the object is in it. None means that
    `prefix` ends before the length is complete: read more. Raises DecodeError if no data object can begin so.
    """
    header = _read_header(prefix, _skip_padding(prefix, 0))
    if header is None:
        return None
    _, start, value_len = header
    return start + value_len


def encode(tag: int, value: bytes | Iterable[Tlv]) -> bytes:
    """Write a data object with a definite length in the fewest bytes.

    `value` is bytes as they are, or the objects of a constructed one. Raises EncodeError for a tag that is
    none, for objects under a primitive tag, and for a value of more than 2**32 - 1 bytes.
    """
    tag_bytes = _tag_bytes(tag)
    if not isinstance(value, bytes):
        if not tag_bytes[0] & 0x20:
            raise EncodeError(f"the tag {tag:02X} is primitive: give its value as bytes")
        value = b"".join(child.encode() for child in value)
    return tag_bytes + _length_bytes(len(value)) + value


def parse_compact(data: bytes) -> tuple[CompactTlv, ...]:
    """Read consecutive COMPACT-TLV data objects, as in historical bytes after the category indicator 80.

    Raises DecodeError if the last object claims more bytes than there are.
    """
    found = []
    at = 0
    while at < len(data):
        tag, value_len = divmod(data[at], 0x10)
        end = at + 1 + value_len
        if end > len(data):
            raise DecodeError(f"the COMPACT-TLV object at byte {at} claims {value_len} bytes, fewer follow")
        found.append(CompactTlv(tag, bytes(data[at + 1 : end])))
        at = end
    return tuple(found)


def encode_compact(tag: int, value: bytes) -> bytes:
    """Write a COMPACT-TLV data object; raise EncodeError for a tag above 15 or more than 15 bytes."""
    if not 0 <= tag <= 15:
        raise EncodeError("a COMPACT-TLV tag is 0 to 15")
    if len(value) > 15:
        raise EncodeError(f"a COMPACT-TLV object holds at most 15 bytes, not {len(value)}")
    return bytes((tag << 4 | len(value),)) + value


def _skip_padding(data: bytes, at: int) -> int:
    # No tag of ISO/IEC 7816 begins with 00 or FF, so neither byte can hide an object.
    while at < len(data) and data[at] in _PADDING:
        at += 1
    return at


def _read_header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Read tag, offset of the value and its length at `at`; None if `data` ends inside tag or length."""
    tag_end = _tag_end(data, at)
    if tag_end is None or tag_end >= len(data):
        return None
    tag = int.from_bytes(data[at:tag_end])
    first = data[tag_end]
    if first < 0x80:
        return tag, tag_end + 1, first
    count = first & 0x7F
    if count == 0:
        raise DecodeError(f"the data object at byte {at} has an indefinite length, which cards don't use")
    if count > MAX_LENGTH_LEN:
        raise DecodeError(f"the data object at byte {at} has {count} bytes of length, more than {MAX_LENGTH_LEN}")
    start = tag_end + 1 + count
    if start > len(data):
        return None
    return tag, start, int.from_bytes(data[tag_end + 1 : start])


def _tag_end(data: bytes, at: int) -> int | None:
    """Offset of the byte after the tag at `at`, or None if `data` ends inside the tag."""
    if at >= len(data):
        return None
    if data[at] & 0x1F != 0x1F:
        return at + 1
    for end in range(at + 2, at + MAX_TAG_LEN + 1):
        if end > len(data):
            return None
        last = data[end - 1]
        if end == at + 2 and last == 0x80:
            raise DecodeError(f"the tag at byte {at} has a number with a leading zero")
        if last < 0x80:
            return end
    raise DecodeError(f"the tag at byte {at} is longer than {MAX_TAG_LEN} bytes")


def _tag_bytes(tag: int) -> bytes:
    """Write a tag; it must read back as itself, or else EncodeError."""
    if 0 < tag < 1 << 8 * MAX_TAG_LEN:
        data = tag.to_bytes((tag.bit_length() + 7) // 8)
        try:
            if data[0] not in _PADDING and _tag_end(data, 0) == len(data):
                return data
        except DecodeError as problem:
            raise EncodeError(f"{tag:X} is no BER-TLV tag: {problem}") from None
    raise EncodeError(f"{tag:X} is no BER-TLV tag: check its first byte and its length")


def _length_bytes(count: int) -> bytes:
    if count < 0x80:
        return bytes((count,))
    data = count.to_bytes((count.bit_length() + 7) // 8)
    if len(data) > MAX_LENGTH_LEN:
        raise EncodeError("a data object holds at most 4 294 967 295 bytes")
    return bytes((0x80 | len(data),)) + data
