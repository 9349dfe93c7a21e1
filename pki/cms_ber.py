"""From BER to DER: CMS of other makers has values of unknown length, and content in many pieces (ITU-T X.690, 8.1.3).

What is of interest is rewritten so that `der.Reader` takes it: definite lengths in the fewest bytes, octet strings in
one piece. What lies deeper stays as it is, byte for byte: certificates, CRLs, and timestamps with their own digests.
"""

from array import array
from typing import Final

from .der import TAG_OCTET_STRING, der
from .errors import Malformed
from .signed_files import Content, Document

ALL_LEVELS: Final = 1 << 16
DEPTH_MAX: Final = 32
PIECES_MAX: Final = 1_000_000
"""Pieces of an octet string; at 4 kB, as `openssl -stream` makes them, that is 4 GB."""

_CONSTRUCTED: Final = 0x20
_NUMBER: Final = 0x1F
_OCTET_STRING_IN_PIECES: Final = TAG_OCTET_STRING | _CONSTRUCTED
_HEAD_MAX_LEN: Final = 10
_SMALL_LEN: Final = 1024
_END: Final = b"\x00\x00"


def head(data: bytes, at: int, end: int) -> tuple[int, int | None, int]:
    """Tag, length (None if it is indefinite) and where the content begins; raise Malformed for no good head."""
    if at + 2 > end:
        raise Malformed("a value ends before its head does")
    tag, length = data[at], data[at + 1]
    if tag & _NUMBER == _NUMBER or not tag:
        raise Malformed("a value has a tag that is not used in signatures")
    at += 2
    if length == 0x80:
        if not tag & _CONSTRUCTED:
            raise Malformed("a simple value has no length")
        return tag, None, at
    if length > 0x80:
        count = length & 0x7F
        if count > 8 or at + count > end:
            raise Malformed("a length is too long")
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    if length > end - at:
        raise Malformed("a value is longer than what it is in")
    return tag, length, at


def normalised(data: bytes, levels: int = ALL_LEVELS) -> bytes:
    """One value, rewritten as DER would have it down to so many levels; sets keep their order.

    Raise Malformed if it is not one value, or nests too deep.
    """
    value, after = element(data, 0, len(data), levels)
    if after != len(data):
        raise Malformed("there is more in these bytes than there may be")
    return value


def element(data: bytes, at: int, end: int, levels: int, depth: int = 0) -> tuple[bytes, int]:
    """The value at a position, rewritten, and where the next one begins."""
    if depth > DEPTH_MAX:
        raise Malformed("values nest too deep")
    tag, length, start = head(data, at, end)
    if length is not None and (levels <= 0 or not tag & _CONSTRUCTED):
        return der(tag, data[start : start + length]), start + length
    members, after = _members(data, start, None if length is None else start + length, end, levels - 1, depth + 1)
    if tag != _OCTET_STRING_IN_PIECES:
        return der(tag, *members), after
    contents = []
    for member in members:
        inner, _, begin = head(member, 0, len(member))
        if inner != TAG_OCTET_STRING:
            raise Malformed("an octet string has a piece that is none")
        contents.append(member[begin:])
    return der(TAG_OCTET_STRING, *contents), after


def _members(data: bytes, at: int, stop: int | None, end: int, levels: int, depth: int) -> tuple[list[bytes], int]:
    """What is in a constructed value; without `stop`, up to the mark of its end."""
    members = []
    while at < stop if stop is not None else data[at : at + 2] != _END:
        member, at = element(data, at, end if stop is None else stop, levels, depth)
        members.append(member)
    return members, at if stop is not None else at + len(_END)


class Walk:
    """A way through a value in a document that may be too long for memory; `end` is None inside an indefinite one."""

    def __init__(self, document: Document, at: int = 0, end: int | None = None) -> None:
        self.document = document
        self.at = at
        self._end = end

    @property
    def limit(self) -> int:
        """Behind the last byte that may belong to it."""
        return self.document.size if self._end is None else self._end

    @property
    def tag(self) -> int:
        """Of the next value; 0 if there is none."""
        if self.at >= self.limit:
            return 0
        return (self.document.read(self.at, 1) or b"\0")[0]

    def enter(self, tag: int) -> "Walk":
        """Go into the next value, which must have that tag. The way goes on in the new walk; see `leave`."""
        found, length, start = self._head()
        if found != tag:
            raise Malformed(f"a value of tag {tag:02X} is missing")
        return Walk(self.document, start, None if length is None else start + length)

    def leave(self, inner: "Walk") -> None:
        """Go on behind a value that was entered; raise Malformed if something is left in it."""
        if inner._end is None:  # the same class
            if self.document.read(inner.at, 2) != _END:
                raise Malformed("a value of unknown length has no end")
            inner.at += len(_END)
        elif inner.at != inner._end:
            raise Malformed("there is more in these bytes than there may be")
        if inner.at > self.limit:
            raise Malformed("a value is longer than what it is in")
        self.at = inner.at

    @property
    def more(self) -> bool:
        """Whether something follows in this value."""
        return self.at < self._end if self._end is not None else self.tag != 0

    def skip_primitive(self) -> bytes:
        """Take the next value, which is a small one, whole."""
        _, length, start = self._head()
        if length is None or length > _SMALL_LEN:
            raise Malformed("a value that should be small is not")
        value = self.document.read(self.at, start + length - self.at)
        self.at = start + length
        return value

    def skip_small(self) -> bytes:
        """Take the next value, a small one of any form, whole; rewritten as DER has it."""
        data = self.document.read(self.at, min(_SMALL_LEN, self.limit - self.at))
        value, count = element(data, 0, len(data), ALL_LEVELS)
        self.at += count
        return value

    def rest(self, max_len: int) -> bytes:
        """All that follows in the document, up to a bound."""
        count = self.limit - self.at
        if count > max_len:
            raise Malformed(f"the signature has more than {max_len} bytes beside what it is over")
        return self.document.read(self.at, count)

    def octet_string(self) -> Content:
        """Where the content of an octet string is, in one piece or in many."""
        ranges = array("Q")
        self._collect(ranges, 0)
        return Content(self.document, ranges)

    def _collect(self, ranges: "array[int]", depth: int) -> None:
        tag, length, start = self._head()
        if depth > DEPTH_MAX or len(ranges) > 2 * PIECES_MAX:
            raise Malformed("the content is in too many pieces")
        if tag == TAG_OCTET_STRING and length is not None:
            ranges.extend((start, length))
            self.at = start + length
            return
        pieces = self.enter(_OCTET_STRING_IN_PIECES)
        while pieces.more:
            pieces._collect(ranges, depth + 1)
        self.leave(pieces)

    def _head(self) -> tuple[int, int | None, int]:
        data = self.document.read(self.at, min(_HEAD_MAX_LEN, self.limit - self.at))
        tag, length, start = head(data, 0, len(data) if len(data) < 2 else self.limit - self.at)
        return tag, length, self.at + start
