"""A command APDU in words (ISO/IEC 7816-4:2020, 5.4 and 11)."""

from collections.abc import Callable

from ..errors import DecodeError
from ..iso7816.apdu import CLA_CHAINING, CLA_FURTHER, CommandApdu, logical_channel
from ..iso7816.command import P1_SELECT_BY_DF_NAME, P1_SFI, Ins
from ..log import Secret, is_secured, names_only, secret_of
from .objects import content, not_shown, printable
from .values import Explanation, Kind, Part, byte_count
from .vocabulary import CLA_PROPRIETARY, Vocabulary, instruction

_CLA_INVALID = 0xFF
_CLA_RESERVED_BITS = 0xE0
_CLA_RESERVED = 0x20

_SELECT_BY = {
    0x00: "MF, DF or EF by file identifier",
    0x01: "child DF by file identifier",
    0x02: "EF under the current DF by file identifier",
    0x03: "parent of the current DF",
    0x04: "application by DF name",
    0x08: "by path from the MF",
    0x09: "by path from the current DF",
}
_SELECT_WHICH = ("first or only", "last", "next", "previous")
_SELECT_ANSWER = ("FCI", "FCP", "FMD", "nothing")


def explain_command(raw: bytes, known: Vocabulary) -> Explanation:
    """The bytes as a command APDU."""
    try:
        command = CommandApdu.parse(raw)
    except DecodeError as error:
        return Explanation(Kind.COMMAND, f"no command APDU: {error}", fits=False)
    if command.cla == _CLA_INVALID or command.ins & 0xF0 in {0x60, 0x90}:
        return Explanation(Kind.COMMAND, "no command APDU: the standard has no such class or instruction", fits=False)
    name = instruction(command)
    parts = [
        Part("CLA", raw[:1], _class_words(command.cla)),
        Part("INS", raw[1:2], name or "no instruction that we know"),
        Part("P1-P2", raw[2:4], parameters(command) or ""),
        *_body(raw, command, known),
    ]
    return Explanation(Kind.COMMAND, command_line(command, known), tuple(parts))


def command_line(command: CommandApdu, known: Vocabulary, application: str | None = None) -> str:
    """A command in one line, without anything of its data that might be secret.

    `application` is the one that is selected, if that is known; otherwise, all that know the command speak.
    """
    name = instruction(command)
    words = "; or ".join(f"{driver}: {words}" for driver, words in known.command_words(command, application))
    if words:
        pieces = [name, words]
    else:
        proprietary = " (proprietary class)" if command.cla & CLA_PROPRIETARY else ""
        pieces = [
            (name or f"instruction {command.ins:02X}") + proprietary,
            _select_words(command, known) or parameters(command),
            f"{byte_count(len(command.data))} of data" if command.data and not _is_select(command) else None,
        ]
    pieces.append(None if command.ne is None else _le_words(command))
    return ", ".join(piece for piece in pieces if piece)


def _le_words(command: CommandApdu) -> str:
    return f"expects up to {byte_count(command.ne or 0)}"


def _is_select(command: CommandApdu) -> bool:
    return command.ins == Ins.SELECT and names_only(command)


def _select_words(command: CommandApdu, known: Vocabulary) -> str | None:
    if not _is_select(command) or command.p1 != P1_SELECT_BY_DF_NAME:
        return None
    name = known.application(command.data)
    return f"{command.data.hex().upper()} ({name})" if name and command.data else name or command.data.hex().upper()


def _class_words(cla: int) -> str:
    """A class byte (5.4.1)."""
    if not cla & CLA_PROPRIETARY and cla & _CLA_RESERVED_BITS == _CLA_RESERVED:
        return "reserved class"
    words = ["proprietary" if cla & CLA_PROPRIETARY else "interindustry", f"logical channel {logical_channel(cla)}"]
    if is_secured(cla):
        words.append("secure messaging")
    if cla & CLA_CHAINING:
        words.append("not the last of a chain")
    if cla & CLA_FURTHER and cla & CLA_PROPRIETARY:
        words.append("coded as GlobalPlatform does")
    return ", ".join(words)


# --- P1-P2 ---


def parameters(command: CommandApdu) -> str | None:
    """What P1 and P2 say, or None where we don't know."""
    describe = _PARAMETERS.get(command.ins & ~1 if command.ins in _ODD_ALIKE else command.ins)
    if describe is None or (command.cla & CLA_PROPRIETARY and command.ins not in _PROPRIETARY_ALIKE):
        return None
    return describe(command.p1, command.p2)


def _select(p1: int, p2: int) -> str:
    by = _SELECT_BY.get(p1, f"P1 {p1:02X} is reserved")
    return f"{by}, {_SELECT_WHICH[p2 & 0x03]} occurrence, answer {_SELECT_ANSWER[p2 >> 2 & 0x03]}"


def _binary(p1: int, p2: int) -> str:
    if p1 & P1_SFI:
        return f"EF of short identifier {p1 & 0x1F}, from byte {p2}"
    return f"current EF, from byte {p1 << 8 | p2}"


def _record(p1: int, p2: int) -> str:
    sfi = p2 >> 3
    file = f"EF of short identifier {sfi}" if sfi else "current EF"
    return f"{file}, record {p1}" if p2 & 0x04 else f"{file}, record of identifier {p1}"


def _password(p1: int, p2: int) -> str:
    scope = "of the application" if p2 & 0x80 else "of the card"
    number = p2 & 0x1F
    reference = f"reference data {number} {scope}" if p2 else "reference data that the card implies"
    return f"{reference}, P1 {p1:02X}" if p1 else reference


def _data_object(p1: int, p2: int) -> str:
    tag = p1 << 8 | p2
    return "tags in the command data" if tag == 0x3FFF else f"data object {tag:04X}"


def _channel(p1: int, p2: int) -> str:
    which = f"channel {p2}" if p2 else "a channel that the card chooses" if not p1 else "this channel"
    return f"{'close' if p1 & 0x80 else 'open'} {which}"


def _authenticate(p1: int, p2: int) -> str:
    algorithm = f"algorithm {p1:02X}" if p1 else "algorithm that the card implies"
    return f"{algorithm}, key {p2:02X}" if p2 else f"{algorithm}, key that the card implies"


def _get_response(p1: int, p2: int) -> str:
    return "in the form of the oldest Thai chips" if (p1, p2) == (0x00, 0x01) else ""


_PARAMETERS: dict[int, Callable[[int, int], str]] = {
    Ins.SELECT: _select,
    **dict.fromkeys((0xB0, 0xD0, 0xD6, 0x0E), _binary),
    **dict.fromkeys((0xB2, 0xD2, 0xDC), _record),
    **dict.fromkeys((0x20, 0x24, 0x26, 0x28, 0x2C), _password),
    **dict.fromkeys((0xCA, 0xCB, 0xDA, 0xDB), _data_object),
    Ins.MANAGE_CHANNEL: _channel,
    **dict.fromkeys((0x82, 0x86, 0x87, 0x88), _authenticate),
    Ins.GET_RESPONSE: _get_response,
}
_ODD_ALIKE = frozenset({0x21, 0x25, 0x2D})
"""With an odd instruction, these have data objects as data, and the same P1-P2."""
_PROPRIETARY_ALIKE = frozenset({0xCA, 0xDA, 0x70, 0xC0})
"""Instructions that proprietary classes (GlobalPlatform's, and readers of Thai cards) use in the standard's way."""


# --- the body ---


def _body(raw: bytes, command: CommandApdu, known: Vocabulary) -> list[Part]:
    parts = []
    le_len = 0 if command.ne is None else 2 if command.extended else 1
    at = 4
    if command.data:
        lc_len = 3 if command.extended else 1
        parts.append(Part("Lc", raw[at : at + lc_len], f"{byte_count(len(command.data))} of data"))
        parts.append(_data(command, known))
        at += lc_len + len(command.data)
    elif command.extended:
        le_len = 3
    if command.ne is not None:
        parts.append(Part("Le", raw[at : at + le_len], _le_words(command)))
    return parts


def _data(command: CommandApdu, known: Vocabulary) -> Part:
    secret = secret_of(command)
    if secret in {Secret.PIN, Secret.KEY}:
        return Part("data", b"", not_shown(len(command.data), secret))
    if is_secured(command.cla):
        return content(command.data, known, "under secure messaging")
    words = "; or ".join(f"{name}: {text}" for name, text in known.command_words(command))
    if words:
        return content(command.data, known, words)
    if _is_select(command) and command.p1 == P1_SELECT_BY_DF_NAME:
        return Part("data", command.data, known.application(command.data) or "an application that we don't know")
    if _is_select(command):
        return Part("data", command.data, "file identifiers")
    return content(command.data, known, printable(command.data))
