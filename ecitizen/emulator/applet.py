"""What an application looks like from inside the card."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from ..iso7816.access import AccessCondition
from ..iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ..iso7816.status import StatusWord
from .image import Value


class Refusal(Exception):
    """The card side's way to answer with a status word and nothing else; never leaves the card."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class Selection(Protocol):
    """One logical channel's use of an applet, from SELECT to the next; what it remembers dies with it."""

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command with all there is to say; the card's operating system applies Le.

        `command.cla` is 00 or 80 without channel bits, or another class as it came. Raise Refusal for an error.
        """
        ...


class Applet(ABC):
    """An application on the card. `name` is its key in a persona and its section of the card image."""

    name: ClassVar[str]
    aid: ClassVar[bytes]
    aliases: ClassVar[tuple[bytes, ...]] = ()
    """Other names that SELECT takes when given in full."""

    def __init__(self, memory: Mapping[str, Value], protocol: CardProtocol) -> None:
        self.memory = memory
        self.protocol = protocol

    @abstractmethod
    def fci(self) -> bytes:
        """File control information that SELECT answers."""

    @abstractmethod
    def open(self) -> Selection:
        """The applet was selected on some channel."""


def require(condition: AccessCondition) -> None:
    """Refuse the command if its condition does not hold."""
    if condition is not AccessCondition.ALWAYS:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)


def ok(data: bytes = b"") -> ResponseApdu:
    """A command that went well."""
    return ResponseApdu(data, StatusWord.NO_ERROR)
