"""One command and its whole answer, whatever the protocol makes of it: sans-IO.

`exchange` is a generator: it yields the bytes to send and is sent the card's answer, until it returns the whole
response. It hides what T=0 and short lengths do to a command: an answer that waits (61xx), a length to be corrected
(6Cxx), a command or a response too long for one APDU (chaining). ISO/IEC 7816-4:2020, 5.3 and 7.6.

Most commands need none of that. Whoever counts microseconds sends one that `is_plain` by itself, and turns to
`exchange` if `plain_response` says that the answer is not all.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

from ..errors import CardProtocolError
from .apdu import (
    CLA_CHAINING,
    CLA_FURTHER,
    LC_SHORT_MAX,
    NE_SHORT,
    CardProtocol,
    CommandApdu,
    ResponseApdu,
)
from .command import Ins
from .status import StatusWord, is_success, is_valid, is_warning

SW1_WAITING = 0x61
"""So many bytes of the answer wait for GET RESPONSE."""
SW1_WRONG_LE = 0x6C
"""So many bytes are there: ask again for these."""

ROUNDS_MAX = 1024
"""How often one answer may go on with 61xx. Four times what 65,536 bytes in pieces of 256 need."""

_INS_GET_RESPONSE = int(Ins.GET_RESPONSE)  # before Python 3.12, to read a member of an enum costs a function call
_GET_RESPONSE_REFUSED = frozenset(
    {StatusWord.INCORRECT_PARAMETERS_P1_P2, StatusWord.WRONG_PARAMETERS_P1_P2, StatusWord.CLASS_NOT_SUPPORTED}
)

_SHOWN_ONCE = frozenset({0x20, 0x21, 0x24, 0x2C})
"""VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER: a card would count a repetition as one try more."""

_SW_NO_ERROR = b"\x90\x00"
_CHAIN_GOES_ON = ResponseApdu(b"", StatusWord.NO_ERROR)

Exchange = Generator[bytes, bytes, ResponseApdu]


@dataclass(slots=True)
class LinkState:
    """What is known of one card in one reader, and what was learned while talking to it."""

    protocol: CardProtocol
    get_response_p2: int = 0x00
    """The oldest Thai chips want 01 here (thai-card.md, section 1)."""
    extended_length: bool | None = None
    """Card and reader take extended length fields; None until a card says so, False for good once refused."""


def exchange(command: CommandApdu, link: LinkState) -> Exchange:
    """Send `command` and collect its whole answer, at most `command.ne` bytes.

    With `ne` None, an answer that waits (61xx) is left where it is: its status word comes back as it came.
    Raise CardProtocolError if the card breaks the rules of 61xx and 6Cxx or sends more than was asked for.
    """
    *head, last = _split(command, link)
    for part in head:
        response = _parse((yield part.encode()))
        if response == _CHAIN_GOES_ON:
            continue
        if response.data or is_success(response.sw) or is_warning(response.sw):
            raise CardProtocolError("the card answered a command before it had all of it (chaining)")
        return response
    response = _parse((yield last.encode()))
    if not is_success(response.sw):
        response = yield from _correct(last, response, link)
    if command.ne is None:
        return response
    if response.sw >> 8 == SW1_WAITING:
        return (yield from _collect(command.cla, command.ne, response, link))
    _check_len(response, command.ne)
    return response


def is_plain(command: CommandApdu, link: LinkState) -> bool:
    """Tell whether the link carries `command` as it is: short, and on T=0 not with data both ways."""
    if command.extended or len(command.data) > LC_SHORT_MAX:
        return False
    ne = command.ne
    return ne is None or (ne <= NE_SHORT and not (command.data and link.protocol is CardProtocol.T0))


def plain_response(command: CommandApdu, answer: bytes) -> ResponseApdu | None:
    """The response if `answer` is the whole of it: 9000, and no more than was asked for; None if not."""
    if answer.endswith(_SW_NO_ERROR) and (command.ne is None or len(answer) - len(_SW_NO_ERROR) <= command.ne):
        return ResponseApdu(answer[:-2], 0x9000)
    return None


def _split(command: CommandApdu, link: LinkState) -> list[CommandApdu]:
    """The command as this link can carry it: extended, or short, or a chain of short ones."""
    if is_plain(command, link):
        return [command]
    ne = command.ne
    if link.protocol is CardProtocol.T1 and link.extended_length:
        long = len(command.data) > LC_SHORT_MAX or (ne is not None and ne > NE_SHORT)
        return [replace(command, extended=long)]
    if link.protocol is CardProtocol.T0 and command.data:
        ne = None  # T=0 has no case 4: the answer waits for GET RESPONSE
    elif ne is not None:
        ne = min(ne, NE_SHORT)
    if len(command.data) <= LC_SHORT_MAX:
        return [command.with_ne(ne)]
    parts = [command.data[at : at + LC_SHORT_MAX] for at in range(0, len(command.data), LC_SHORT_MAX)]
    return [
        *(replace(command, cla=command.cla | CLA_CHAINING, data=part, ne=None) for part in parts[:-1]),
        replace(command, data=parts[-1], ne=ne),
    ]


def _correct(command: CommandApdu, response: ResponseApdu, link: LinkState) -> Exchange:
    """Send a command again with the right length if the card named it, or as the other form of GET RESPONSE."""
    response = yield from _correct_length(command, response)
    if command.ins == _INS_GET_RESPONSE and response.sw in _GET_RESPONSE_REFUSED and not response.data:
        other = replace(command, p2=link.get_response_p2 ^ 0x01)
        response = yield from _correct_length(other, _parse((yield other.encode())))
        if response.sw not in _GET_RESPONSE_REFUSED:
            link.get_response_p2 = other.p2
    return response


def _correct_length(command: CommandApdu, response: ResponseApdu) -> Exchange:
    """Send a command again with the length that the card named (6Cxx), and keep of the answer what was asked for."""
    if response.sw >> 8 != SW1_WRONG_LE or (command.data and command.ins in _SHOWN_ONCE):
        return response
    available = response.sw & 0xFF or NE_SHORT
    response = _parse((yield command.with_ne(available).encode()))
    if response.sw >> 8 == SW1_WRONG_LE:
        raise CardProtocolError("the card refuses the very length that it asked for (6Cxx twice)")
    _check_len(response, available)
    return replace(response, data=response.data[: command.ne])


def _collect(cla: int, ne: int, response: ResponseApdu, link: LinkState) -> Exchange:
    """Follow 61xx until the answer is whole or `ne` bytes are there."""
    data = bytearray(response.data)
    # GET RESPONSE is an interindustry command of the same logical channel, whatever the class of the first command.
    get_response_cla = cla & (CLA_FURTHER | 0x0F) if cla & CLA_FURTHER else cla & 0x03
    rounds = 0
    while response.sw >> 8 == SW1_WAITING and len(data) < ne:
        rounds += 1
        if rounds > ROUNDS_MAX:
            raise CardProtocolError("the card's answer never ends (61xx); take the card out and try another")
        waiting = response.sw & 0xFF or NE_SHORT
        get_response = CommandApdu(
            get_response_cla, _INS_GET_RESPONSE, 0, link.get_response_p2, ne=min(waiting, ne - len(data))
        )
        response = _parse((yield get_response.encode()))
        if not is_success(response.sw):
            response = yield from _correct(get_response, response, link)
        if not response.data and response.sw >> 8 == SW1_WAITING:
            raise CardProtocolError("the card promises an answer that it does not give (61xx without data)")
        data += response.data
    response = ResponseApdu(bytes(data), response.sw)
    _check_len(response, ne)
    return response


def _check_len(response: ResponseApdu, ne: int) -> None:
    if len(response.data) > ne:
        raise CardProtocolError("the card sent more than it was asked for")


def _parse(raw: bytes) -> ResponseApdu:
    response = ResponseApdu.parse(raw)
    if not is_valid(response.sw):
        raise CardProtocolError(f"the card answered {response.sw:04X}, which is no status word")
    return response
