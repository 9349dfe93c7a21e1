"""Data objects and other content in words.

What stands in dynamic authentication data (7C) proves knowledge of keys or is a secret itself: it is named, never
repeated, and neither is what contains it.
"""

from ..errors import DecodeError
from ..iso7816 import tlv
from ..iso7816.tlv import MAX_DEPTH, MAX_TAG_LEN, Tlv
from ..log import Secret
from .values import Explanation, Kind, Part, byte_count
from .vocabulary import TAG_AUTHENTICATION, Vocabulary

_CONTEXT_CLASS = 0x80
_PRIVATE_CLASS = 0xC0
_TEXT_MAX = 200
"""Longer text is cut: an explanation is not a dump."""

_THAI = frozenset(map(chr, range(0x0E01, 0x0E5C)))
"""The Thai letters; Windows-874 has typographic signs too, which are likelier no text at all."""

_NAMES_AN_APPLICATION = frozenset({0x4F, 0x84})
_TAG_LIST = 0x5C
_TAG_DISCRETIONARY = 0x53
"""Primitive by its tag, and yet some applications put data objects into it."""


def explain_tlv(raw: bytes, known: Vocabulary) -> Explanation:
    """The bytes as BER-TLV data objects."""
    try:
        objects = tlv.parse(raw)
    except DecodeError as error:
        return Explanation(Kind.TLV, f"no data objects: {error}", fits=False)
    if not objects:
        return Explanation(Kind.TLV, "no data objects: nothing but padding", fits=False)
    count = "a data object" if len(objects) == 1 else f"{len(objects)} data objects"
    names = [name for each in objects[:1] if (name := known.object_words(each.tag, None))]
    return Explanation(Kind.TLV, ": ".join([count, *names]), _parts(objects, None, known, 0))


def content(data: bytes, known: Vocabulary, words: str) -> Part:
    """The data of a message, with what they are made of if that is data objects of which we know the first."""
    found = explain_tlv(data, known)
    recognised = found.fits and known.object_words(tlv.parse(data)[0].tag, None) is not None
    parts = found.parts if recognised else ()
    if holds_secrets(data):
        return Part("data", b"", not_shown(len(data), Secret.KEY), parts)
    return Part("data", data, words, parts)


def holds_secrets(data: bytes) -> bool:
    """Whether there are dynamic authentication data in these data objects, or at the beginning of what is cut off."""
    if data[:1] == bytes((TAG_AUTHENTICATION,)):
        return True
    try:
        return any(each.tag == TAG_AUTHENTICATION for _, each in tlv.walk(tlv.parse(data)))
    except DecodeError:
        return False


def not_shown(length: int, why: Secret) -> str:
    """What is said in the place of a secret of so many bytes."""
    return f"{byte_count(length)}, not shown: {why}"


def printable(data: bytes) -> str:
    """The bytes as text, in quotes, if they are nothing else: ASCII, or the Thai of the cards; else nothing."""
    text = data.rstrip(b" \0")
    for charset, label in (("ascii", ""), ("cp874", "Thai ")):
        try:
            words = text.decode(charset)
        except UnicodeDecodeError:
            continue
        if words and words.isprintable() and all(character.isascii() or character in _THAI for character in words):
            cut = f'"{words[:_TEXT_MAX]}"' + ("…" if len(words) > _TEXT_MAX else "")
            return f"{label}text {cut}"
    return ""


def _parts(objects: tuple[Tlv, ...], parent: int | None, known: Vocabulary, depth: int) -> tuple[Part, ...]:
    return tuple(_part(each, parent, known, depth) for each in objects)


def _part(each: Tlv, parent: int | None, known: Vocabulary, depth: int) -> Part:
    tag = each.tag.to_bytes((each.tag.bit_length() + 7) // 8)
    name = f"{tag.hex().upper()} {known.object_words(each.tag, parent) or _class_of(tag[0])}"
    if parent == TAG_AUTHENTICATION and each.value:
        return Part(name, b"", not_shown(len(each.value), Secret.KEY))
    # What an application keeps in 53 has tags that say constructed and bytes that are none, so it goes no deeper.
    constructed = each.constructed and parent != _TAG_DISCRETIONARY
    if each.tag == _TAG_DISCRETIONARY and (elements := _elements(each.value, known)):
        return Part(name, each.value, byte_count(len(each.value)), _parts(elements, each.tag, known, depth + 1))
    if constructed and depth + 1 < MAX_DEPTH:
        secret = each.tag == TAG_AUTHENTICATION or holds_secrets(each.value)
        data = b"" if secret else each.value
        try:
            children = each.children()
        except DecodeError:
            return Part(name, data, "should hold data objects, but does not")
        return Part(name, data, byte_count(len(each.value)), _parts(children, each.tag, known, depth + 1))
    return Part(name, each.value, _value_words(each, known))


def _elements(value: bytes, known: Vocabulary) -> tuple[Tlv, ...]:
    """The data objects in 53, if they are all of them objects of an installed application."""
    try:
        objects = tlv.parse(value)
    except DecodeError:
        return ()
    own = (known.is_object_of_an_application(each.tag, _TAG_DISCRETIONARY) for each in objects)
    return objects if all(own) else ()


def _value_words(each: Tlv, known: Vocabulary) -> str:
    if each.tag in _NAMES_AN_APPLICATION and each.value:
        return known.application(each.value) or "an application that we don't know"
    if each.tag == _TAG_LIST and len(each.value) <= MAX_TAG_LEN:
        words = known.object_words(int.from_bytes(each.value, "big"), None)
        return words or byte_count(len(each.value))
    return printable(each.value) or byte_count(len(each.value))


def _class_of(first: int) -> str:
    """The class of a tag that has no name here (ISO/IEC 7816-4:2020, 6.3)."""
    if first & _PRIVATE_CLASS == _PRIVATE_CLASS:
        return "private object"
    return "object of its context" if first & _CONTEXT_CLASS else "object"
