"""Reading CMS messages of any length: BER as others write it, in two passes and flat memory (ITU-T X.690, 8.1).

The first pass walks the whole structure and keeps all but the content, so a file that is cut off or badly formed is
known before anybody is asked for a PIN. The second reads the content, whose place the first has found. Small parts are
given as DER: definite lengths in the fewest bytes, strings in one piece.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from .der import (
    CONTEXT_CONSTRUCTED,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    TAG_SET,
    Reader,
    der,
    oid,
    sequence,
)
from .errors import KeyUnsupported, Malformed

OID_DATA: Final = "1.2.840.113549.1.7.1"
OID_ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"
OID_AUTH_ENVELOPED_DATA: Final = "1.2.840.113549.1.9.16.1.23"
GCM_CONTENT_MAX_LEN: Final = 2**36 - 32
"""Bytes that AES-GCM may encrypt under one nonce (NIST SP 800-38D, 5.2.1.1)."""

_OID_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_CONSTRUCTED = 0x20
_TAG_NUMBER = 0x1F
_END_OF_CONTENTS = b"\x00\x00"
_LONG = 0x80
_LENGTH_BYTES_MAX = 8
_DEPTH_MAX = 12
_PIECE_LEN = 1 << 18
_COST = 16
"""What a value is charged with besides its bytes: values of no length cost memory too."""


@dataclass(frozen=True, slots=True)
class EnvelopeBounds:
    """How much of a stranger's message is read before it is refused."""

    recipients_max: int = 1000
    part_max_len: int = 2 << 20
    """Bytes of recipients, certificates and attributes together, and a few more for each value in them."""
    content_max_len: int = GCM_CONTENT_MAX_LEN
    strings_max: int = 1 << 24
    """Pieces that a content may be cut into."""


STANDARD_BOUNDS: Final = EnvelopeBounds()


@dataclass(frozen=True, slots=True)
class Envelope:
    """All of an encrypted message but its content (RFC 5652, 6.1; RFC 5083, 2.1)."""

    authenticated: bool
    """AuthEnvelopedData; False for EnvelopedData, in which nobody can see whether it was altered."""
    recipients: tuple[bytes, ...]
    """RecipientInfos, DER."""
    content_type: bytes
    """OBJECT IDENTIFIER of what was encrypted, DER."""
    cipher: bytes
    """AlgorithmIdentifier of the content encryption, DER."""
    content_at: int
    """Where the content's tag stands in the file."""
    content_len: int
    """Bytes of the content."""
    attributes: bytes = b""
    """Attributes under the authentication tag, as SET OF, DER; empty if there are none."""
    mac: bytes = b""
    """The authentication tag; empty in EnvelopedData."""


@dataclass(slots=True)
class _Walk:
    """A place in a file, and the values that it is inside of: where each ends, or None until end-of-contents."""

    source: BinaryIO
    end: int
    bounds: EnvelopeBounds
    at: int = 0
    inside: list[int | None] = field(default_factory=list)
    used: int = 0
    """What parts have taken of `part_max_len` so far."""

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self._pass_by(count)
        data = self.source.read(count)
        if len(data) != count:
            raise _cut_off()
        return data

    def skip(self, count: int) -> None:
        """Go on without reading."""
        self._pass_by(count)
        self.source.seek(self.at)

    def _pass_by(self, count: int) -> None:
        limit = self._limit()
        if count > limit - self.at:
            raise _cut_off() if limit == self.end else Malformed("a value is longer than what it is in")
        self.at += count

    def _limit(self) -> int:
        """Where the innermost value whose length was told ends."""
        return next((end for end in reversed(self.inside) if end is not None), self.end)

    def head(self) -> tuple[int, int | None]:
        """Tag and length of the next value; the length is None if its end will be marked."""
        tag, first = self.take(2)
        if tag & _TAG_NUMBER == _TAG_NUMBER:
            raise Malformed("a tag of several bytes, which CMS does not have")
        if first < _LONG:
            return tag, first
        if first == _LONG:
            if not tag & _CONSTRUCTED:
                raise Malformed("a primitive value has no length")
            return tag, None
        count = first & 0x7F
        if count > _LENGTH_BYTES_MAX:
            raise Malformed("a length of more than eight bytes")
        return tag, int.from_bytes(self.take(count), "big")

    def enter(self, tag: int) -> None:
        """Go into the next value, which must have this tag."""
        found, length = self.head()
        if found != tag:
            raise Malformed(f"the message has a value of tag {found:02X} where {tag:02X} belongs")
        self.open(length)

    def open(self, length: int | None) -> None:
        """Be inside a value of this length from here on."""
        if len(self.inside) >= _DEPTH_MAX:
            raise Malformed("values are nested too deeply")
        if length is not None and length > self._limit() - self.at:
            raise _cut_off() if self._limit() == self.end else Malformed("a value is longer than what it is in")
        self.inside.append(None if length is None else self.at + length)

    def more(self) -> bool:
        """Whether something follows inside this value; if not, it is left."""
        end = self.inside[-1]
        if end is not None:
            if self.at < end:
                return True
            self.inside.pop()
            return False
        if self.peek(2) != _END_OF_CONTENTS:
            return True
        self.take(2)
        self.inside.pop()
        return False

    def leave(self) -> None:
        """Be at the end of this value."""
        if self.more():
            raise Malformed("there is more in this message than there may be")

    def next_tag(self) -> int:
        """Tag of the next value of this one, which is not left; 0 at its end."""
        end = self.inside[-1]
        return 0 if end is not None and self.at >= end else self.peek(1)[0]

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay there."""
        data = self.take(count)
        self.at -= count
        self.source.seek(self.at)
        return data

    def element(self) -> bytes:
        """The next value, whole, as DER has it. It is charged to what parts may take together."""
        tag, length = self.head()
        if (length or 0) > self.bounds.part_max_len - self.used:
            raise _too_much()
        self.used += _COST
        if not tag & _CONSTRUCTED:
            assert length is not None
            self.used += length
            return der(tag, self.take(length))
        self.open(length)
        parts = []
        while self.more():
            parts.append(self.element())
        if tag == TAG_OCTET_STRING | _CONSTRUCTED:
            return der(TAG_OCTET_STRING, *(Reader(part).content(TAG_OCTET_STRING) for part in parts))
        return der(tag, *parts)


def read_envelope(source: BinaryIO, bounds: EnvelopeBounds = STANDARD_BOUNDS) -> Envelope:
    """Walk through a message, whose file must be seekable, from its beginning to its end.

    Raise Malformed for what is no encrypted message, KeyUnsupported for another kind of message or too much of it.
    """
    walk = _Walk(source, source.seek(0, 2), bounds)
    source.seek(0)
    walk.enter(TAG_SEQUENCE)
    kind = walk.element()
    authenticated = kind == oid(OID_AUTH_ENVELOPED_DATA)
    if not authenticated and kind != oid(OID_ENVELOPED_DATA):
        Reader(kind).content(TAG_OID)
        raise KeyUnsupported("this CMS message is not an encrypted one, or of a kind that is not opened here")
    walk.enter(CONTEXT_CONSTRUCTED)
    envelope = _body(walk, authenticated=authenticated)
    walk.leave()
    walk.leave()
    if walk.at != walk.end:
        raise Malformed("something follows the message; cut it off, or get the file again")
    return envelope


def _body(walk: _Walk, *, authenticated: bool) -> Envelope:
    walk.enter(TAG_SEQUENCE)
    Reader(walk.element()).integer()  # the version says nothing that the rest does not
    if walk.next_tag() == CONTEXT_CONSTRUCTED:
        walk.element()  # certificates of the sender's, for static key agreement
    recipients = _recipients(walk)
    walk.enter(TAG_SEQUENCE)
    content_type, cipher = walk.element(), walk.element()
    content_at, content_len = walk.at, 0
    for count in _strings(walk):
        walk.skip(count)
        content_len += count
        if content_len > walk.bounds.content_max_len:
            raise _too_much()
    walk.leave()
    attributes, mac = b"", b""
    if authenticated:
        if walk.next_tag() == CONTEXT_CONSTRUCTED | 1:
            attributes = bytes((TAG_SET,)) + walk.element()[1:]
        mac = Reader(walk.element()).content(TAG_OCTET_STRING)
        _check_content_type(content_type, attributes)
    if walk.next_tag() == CONTEXT_CONSTRUCTED | (2 if authenticated else 1):
        walk.element()  # attributes that nobody vouches for
    walk.leave()
    return Envelope(
        authenticated, recipients, content_type, cipher, content_at, content_len, attributes=attributes, mac=mac
    )


def _check_content_type(content_type: bytes, attributes: bytes) -> None:
    """Another type than data must be among the attributes, which the tag covers (RFC 5083, 2.1)."""
    if content_type == oid(OID_DATA):
        return
    said = sequence(oid(_OID_CONTENT_TYPE), der(TAG_SET, content_type))
    members = Reader(attributes).inside(TAG_SET) if attributes else Reader(b"")
    while members.more:
        if members.element(TAG_SEQUENCE) == said:
            return
    raise Malformed("the type of the message's content is not under its authentication tag")


def _recipients(walk: _Walk) -> tuple[bytes, ...]:
    walk.enter(TAG_SET)
    found: list[bytes] = []
    while walk.more():
        if len(found) == walk.bounds.recipients_max:
            raise KeyUnsupported(
                f"the message has more than {walk.bounds.recipients_max} recipients, and is not opened"
            )
        found.append(walk.element())
    return tuple(found)


def content_pieces(source: BinaryIO, envelope: Envelope, bounds: EnvelopeBounds = STANDARD_BOUNDS) -> Iterator[bytes]:
    """The encrypted content of a message that `read_envelope` has read, piece by piece."""
    walk = _Walk(source, source.seek(0, 2), bounds, at=envelope.content_at)
    source.seek(envelope.content_at)
    for string in _strings(walk):
        left = string
        while left:
            count = min(left, _PIECE_LEN)
            yield walk.take(count)
            left -= count


def _strings(walk: _Walk) -> Iterator[int]:
    """Lengths of the pieces of an encrypted content; whoever asks has read or skipped each before the next."""
    tag, length = walk.head()
    if tag == CONTEXT_CONSTRUCTED:
        depth = len(walk.inside)
        walk.open(length)
        count = 0
        while len(walk.inside) > depth:
            if not walk.more():
                continue
            count += 1
            if count > walk.bounds.strings_max:
                raise _too_much()
            tag, length = walk.head()
            if tag == TAG_OCTET_STRING | _CONSTRUCTED:
                walk.open(length)
            elif tag == TAG_OCTET_STRING and length is not None:
                yield length
            else:
                raise Malformed("the encrypted content is no string of bytes")
    elif tag == CONTEXT_CONSTRUCTED & ~_CONSTRUCTED and length is not None:
        yield length
    else:
        raise Malformed("the message has no encrypted content; it may be kept in a file of its own")


def _cut_off() -> Malformed:
    return Malformed("the file ends before the message does; get it again")


def _too_much() -> KeyUnsupported:
    return KeyUnsupported("the message is larger than what is opened here; its sender must divide it")
