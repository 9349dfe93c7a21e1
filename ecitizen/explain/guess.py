"""What are these bytes? The likeliest reading first."""

from collections.abc import Callable
from dataclasses import replace

from ..errors import UsageError
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu
from ..iso7816.status import StatusWord, is_success
from .answers import explain_response, explain_status
from .commands import explain_command
from .objects import explain_tlv
from .resets import explain_atr
from .values import Explanation, Kind, byte_count
from .vocabulary import Vocabulary, instruction

_HEX_PREFIX = "0x"


def explain(data: bytes | str, kind: Kind | None = None, known: Vocabulary | None = None) -> Explanation:
    """Say what bytes mean; as `kind`, or as whatever they look like, with the other readings in `alternatives`.

    `data` may be hex, with spaces and colons where you like. `known` are the names of applications, all that are
    installed unless given. Bytes that fit nothing are explained as data objects, with `fits` False. Passwords and keys
    in commands are not repeated. Raise UsageError if there are no bytes, or for text that is not hex.
    """
    raw = parse_hex(data) if isinstance(data, str) else bytes(data)
    if not raw:
        raise UsageError("there is nothing to explain; give bytes in hex, as in 00A4040008A000000054480001")
    names = Vocabulary.installed() if known is None else known
    if kind is not None:
        return _READINGS[kind](raw, names)
    readings = [reading(raw, names) for reading in _READINGS.values()]
    fitting = sorted((each for each in readings if each.fits), key=lambda each: -_likelihood(each, raw, names))
    if not fitting:
        return Explanation(Kind.TLV, f"{byte_count(len(raw))} that no message of a card looks like", fits=False)
    return replace(fitting[0], alternatives=tuple(replace(each, parts=()) for each in fitting[1:]))


def parse_hex(text: str) -> bytes:
    """Bytes from hex as people write it: any spaces, colons, and 0x before it. Raise UsageError."""
    digits = "".join(part.removeprefix(_HEX_PREFIX) for part in text.replace(":", " ").split())
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise UsageError("that is not hex; write two digits 0-9 A-F for each byte, as in 6A82") from None


_READINGS: dict[Kind, Callable[[bytes, Vocabulary], Explanation]] = {
    Kind.COMMAND: explain_command,
    Kind.RESPONSE: explain_response,
    Kind.TLV: explain_tlv,
    Kind.ATR: lambda raw, _: explain_atr(raw),
    Kind.SW: lambda raw, _: explain_status(raw),
}


def _likelihood(reading: Explanation, raw: bytes, known: Vocabulary) -> int:
    """A rank; only the order of the numbers means something."""
    match reading.kind:
        case Kind.SW:
            return 100  # two bytes can hardly be anything else
        case Kind.ATR:
            return 95  # length and check byte are right: no accident
        case Kind.COMMAND:
            command = CommandApdu.parse(raw)
            return 90 if instruction(command) or known.command_words(command) else 30
        case Kind.RESPONSE:
            sw = int.from_bytes(raw[-2:], "big")
            return 85 if is_success(sw) else 60 if sw in list(StatusWord) else 40
        case Kind.TLV:
            first = tlv.parse(raw)[0]
            return 70 if known.object_words(first.tag, None) else 50
