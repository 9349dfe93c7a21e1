"""What an application looks like from inside the card."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from ..errors import ImageDamaged
from ..iso7816.access import AccessCondition
from ..iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ..iso7816.status import StatusWord
from .image import Value

CONTENT_MAX = 0xFFFF
"""The longest file whose length two bytes of the control information can tell, in bytes."""


class Refusal(Exception):
    """The card side's way to answer with a status word and nothing else; never leaves the card."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class Selection(Protocol):
    """One logical channel's use of an applet, from SELECT to the next; what it remembers dies with it."""

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command with all there is to say; the card's operating system applies Le.

        `command.cla` is 00 or 80 without channel bits (04 or 84 if `Applet.secured`), or another class as it came.
        Raise Refusal for an error.
        """
        ...


class Applet(ABC):
    """An application on the card. `name` is its key in a persona and its section of the card image."""

    name: ClassVar[str]
    aid: ClassVar[bytes]
    aliases: ClassVar[tuple[bytes, ...]] = ()
    """Other names that SELECT takes when given in full."""
    contents: ClassVar[tuple[str, ...]] = ()
    """Keys of the memory without which there is no such applet; each holds bytes."""
    chaining: ClassVar[bool] = False
    """Whether it takes commands in chains (ISO/IEC 7816-4:2020, 5.4.1)."""
    secured: ClassVar[bool] = False
    """Whether it takes commands of GlobalPlatform's secure messaging: `cla` is then 04 or 84."""
    neighbours: Sequence["Applet"] = ()
    """All applets of the card, in their order; the card sets it."""

    def __init__(self, memory: Mapping[str, Value], protocol: CardProtocol) -> None:
        self.memory = memory
        self.protocol = protocol
        for key in self.contents:
            self.content(key)

    def content(self, key: str) -> bytes:
        """Bytes of the memory; raise ImageDamaged if they are not there, or more than a file can be."""
        value = self.memory.get(key)
        if not isinstance(value, bytes) or len(value) > CONTENT_MAX:
            raise ImageDamaged(
                f"the image's section {self.name} is incomplete; make a new one with `ecitizen emulator new`"
            )
        return value

    @abstractmethod
    def fci(self) -> bytes:
        """File control information that SELECT answers."""

    @abstractmethod
    def open(self) -> Selection:
        """The applet was selected on some channel."""

    def reopen(self, selection: Selection) -> Selection:  # noqa: ARG002 - for applets whose security status stays
        """The applet was selected on a channel where it was selected already."""
        return self.open()

    def permits(self, applet: "Applet") -> bool:  # noqa: ARG002 - for the one that keeps the card's life cycle
        """Tell whether `applet` may be selected; the first applet of a card is asked."""
        return True


def require(condition: AccessCondition) -> None:
    """Refuse the command if its condition does not hold."""
    if condition is not AccessCondition.ALWAYS:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)


def ok(data: bytes = b"") -> ResponseApdu:
    """A command that went well."""
    return ResponseApdu(data, StatusWord.NO_ERROR)
