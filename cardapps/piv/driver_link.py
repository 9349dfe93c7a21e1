"""The selected PIV application as the parts of the driver talk to it: commands, transactions, what the card lacks.

Cards of many makers answer here, so nothing is taken for granted: an extension that the card does not have is found
out by asking, once, and data objects are looked for in whatever the card puts around them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ecitizen.errors import DecodeError, NotSupported, TransportError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_MAX, CommandApdu, ResponseApdu
from ecitizen.iso7816.status import StatusWord, status_error
from ecitizen.session import CardSession

from . import layout
from .layout import ExtensionIns, Ins

RandomSource = Callable[[int], bytes]
"""Gives so many random bytes."""

_NO_SUCH_COMMAND = frozenset(
    {
        StatusWord.INSTRUCTION_NOT_SUPPORTED,
        StatusWord.CLASS_NOT_SUPPORTED,
        StatusWord.FUNCTION_NOT_SUPPORTED,
        StatusWord.CLASS_FUNCTION_NOT_SUPPORTED,
    }
)
"""Status words after which the same extension is not asked for again."""

_REFUSALS = range(StatusWord.WRONG_LENGTH, StatusWord.NO_PRECISE_DIAGNOSIS + 1)
"""What cards answer to a question that they don't understand: anything from 6700 to 6F00."""


@dataclass(frozen=True, slots=True)
class ApplicationProperties:
    """What the card says of its PIV application when it is selected; much of it is missing on many cards.

    `algorithms` are identifiers as in P1 of GENERAL AUTHENTICATE, also such as `layout.AlgorithmId` does not name.
    """

    aid: bytes = b""
    label: str = ""
    algorithms: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, answer: bytes) -> "ApplicationProperties":
        """Read the answer to SELECT (SP 800-73-5 part 2, table 3): as much of it as can be made out, maybe nothing."""
        try:
            template = tlv.find(tlv.parse(answer), layout.TAG_APPLICATION_PROPERTIES)
            elements = template.children() if template else ()
            authority = tlv.find(elements, layout.TAG_TAG_ALLOCATION_AUTHORITY, layout.TAG_APPLICATION_IDENTIFIER)
            lists = [each.children() for each in elements if each.tag == layout.TAG_ALGORITHMS_SUPPORTED]
        except DecodeError:
            return cls()  # the application is selected all the same
        values = {element.tag: element.value for element in elements}
        name = values.get(layout.TAG_APPLICATION_IDENTIFIER, b"")
        if name and not name.startswith(layout.RID):  # only the part behind the authority's
            name = (authority.value if authority else layout.RID) + name
        algorithms = (each.value for found in lists for each in found if each.tag == layout.TAG_ALGORITHM)
        label = values.get(layout.TAG_APPLICATION_LABEL, b"").decode("utf-8", "replace")
        return cls(name, label, frozenset(b"".join(algorithms)))


class PivLink:
    """Sends commands to the application that `session` has selected."""

    def __init__(
        self, session: CardSession, properties: ApplicationProperties, *, random: RandomSource = os.urandom
    ) -> None:
        self.session = session
        self.properties = properties
        self.random = random
        self._depth = 0
        self._absent: set[ExtensionIns] = set()
        self._told: dict[ExtensionIns, bytes | None] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep other programs off the card until the block ends; blocks may stand inside each other."""
        if self._depth:
            yield
            return
        self._depth += 1
        try:
            with self.session.transaction():
                yield
        except TransportError:
            self._forget()
            raise
        finally:
            self._depth -= 1

    def _send(
        self, ins: Ins | ExtensionIns, p1: int, p2: int, data: bytes = b"", *, ne: int | None = None
    ) -> ResponseApdu:
        """Send a command and give its whole answer, whatever the status word."""
        with self.transaction():  # a long command or answer takes several exchanges
            return self.session.transmit(CommandApdu(0x00, ins, p1, p2, data, ne))

    def _forget(self) -> None:
        """Put out of mind what the card may have put out of mind: it was reset, or is another one."""

    def _must(
        self, doing: str, ins: Ins | ExtensionIns, p1: int, p2: int, data: bytes = b"", *, ne: int | None = None
    ) -> bytes:
        """Send a command that must succeed and give its data; raise StatusError if it does not."""
        response = self._send(ins, p1, p2, data, ne=ne)
        if response.sw != StatusWord.NO_ERROR:
            raise status_error(response.sw, doing)
        return response.data

    def _extension(
        self, doing: str, ins: ExtensionIns, p1: int = 0, p2: int = 0, data: bytes = b"", *, ne: int | None = None
    ) -> bytes:
        """The same for a command that only some cards have: raise NotSupported if this one does not."""
        response = self._send(ins, p1, p2, data, ne=ne)
        if response.sw in _NO_SUCH_COMMAND:
            raise NotSupported(f"{doing}: this card has no command for that ({response.sw:04X})", response.sw)
        if response.sw != StatusWord.NO_ERROR:
            raise status_error(response.sw, doing)
        return response.data

    def _ask(self, doing: str, ins: ExtensionIns, p2: int = 0) -> bytes | None:
        """Ask for what only some cards tell; None if this one does not."""
        if ins in self._absent:
            return None
        response = self._send(ins, 0, p2, ne=NE_MAX)
        if response.sw in _NO_SUCH_COMMAND:
            self._absent.add(ins)
        if response.sw in _REFUSALS:
            return None
        if response.sw != StatusWord.NO_ERROR:
            raise status_error(response.sw, doing)
        return response.data

    def _ask_once(self, doing: str, ins: ExtensionIns) -> bytes | None:
        """The same for what never changes: the card is asked once."""
        if ins not in self._told:
            self._told[ins] = self._ask(doing, ins)
        return self._told[ins]


def element(data: bytes, tag: int, doing: str) -> bytes:
    """The value of the data object `tag` at the beginning of `data`; whatever follows it is passed over.

    Raise DecodeError, beginning with `doing`, if another object stands there, none, or only a part of one.
    """
    length = tlv.total_len(data)
    if length is None or length > len(data):
        raise DecodeError(f"{doing}: the card's answer is cut off")
    found = tlv.parse_one(data[:length])
    if found.tag != tag:
        raise DecodeError(f"{doing}: the card answered with a data object {found.tag:02X} in place of {tag:02X}")
    return found.value


def response_element(data: bytes, tag: int, doing: str) -> bytes:
    """The value of `tag` inside the answer to GENERAL AUTHENTICATE; raise DecodeError if it is not there."""
    template = tlv.parse(element(data, layout.TAG_DYNAMIC_AUTHENTICATION, doing))
    found = tlv.find(template, tag)
    if found is None:
        raise DecodeError(f"{doing}: the card's answer lacks the data object {tag:02X}")
    return found.value
