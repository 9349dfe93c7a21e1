"""Data objects and other content in words."""

from ..errors import DecodeError
from ..iso7816 import tlv
from ..iso7816.tlv import MAX_DEPTH, Tlv
from .values import Explanation, Kind, Part, byte_count
from .vocabulary import Vocabulary, data_object

_CONTEXT_CLASS = 0x80
_PRIVATE_CLASS = 0xC0
_TEXT_MAX = 200
"""Longer text is cut: an explanation is not a dump."""

_THAI = frozenset(map(chr, range(0x0E01, 0x0E5C)))
"""The Thai letters; Windows-874 has typographic signs too, which are likelier no text at all."""

_NAMES_AN_APPLICATION = frozenset({0x4F, 0x84})


def explain_tlv(raw: bytes, known: Vocabulary) -> Explanation:
    """The bytes as BER-TLV data objects."""
    try:
        objects = tlv.parse(raw)
    except DecodeError as error:
        return Explanation(Kind.TLV, f"no data objects: {error}", fits=False)
    if not objects:
        return Explanation(Kind.TLV, "no data objects: nothing but padding", fits=False)
    count = "a data object" if len(objects) == 1 else f"{len(objects)} data objects"
    names = [name for each in objects[:1] if (name := data_object(each.tag, None))]
    return Explanation(Kind.TLV, ": ".join([count, *names]), _parts(objects, None, known, 0))


def content_parts(data: bytes, known: Vocabulary) -> tuple[Part, ...]:
    """What the content of a message is made of, if it is made of data objects of which we know the first."""
    found = explain_tlv(data, known)
    recognised = found.fits and data_object(tlv.parse(data)[0].tag, None) is not None
    return found.parts if recognised else ()


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
    name = f"{tag.hex().upper()} {data_object(each.tag, parent) or _class_of(tag[0])}"
    if each.constructed and depth + 1 < MAX_DEPTH:
        try:
            children = each.children()
        except DecodeError:
            return Part(name, each.value, "should hold data objects, but does not")
        return Part(name, each.value, byte_count(len(each.value)), _parts(children, each.tag, known, depth + 1))
    return Part(name, each.value, _value_words(each, known))


def _value_words(each: Tlv, known: Vocabulary) -> str:
    if each.tag in _NAMES_AN_APPLICATION and each.value:
        return known.application(each.value) or "an application that we don't know"
    return printable(each.value) or byte_count(len(each.value))


def _class_of(first: int) -> str:
    """The class of a tag that has no name here (ISO/IEC 7816-4:2020, 6.3)."""
    if first & _PRIVATE_CLASS == _PRIVATE_CLASS:
        return "private object"
    return "object of its context" if first & _CONTEXT_CLASS else "object"
