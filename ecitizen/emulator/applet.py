"""What an application looks like from inside the card."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from ..errors import ImageDamaged
from ..iso7816.access import AccessCondition
from ..iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ..iso7816.status import StatusWord
from .image import Value

if TYPE_CHECKING:
    from ..secure_channel.handshake import SecurityLevel

INSTALLED = "installed"
"""Key in the memory of an applet that came onto the card by INSTALL: its contents may be missing yet."""

CONTENT_MAX = 0xFFFF
"""The longest file whose length two bytes of the control information can tell, in bytes."""


class Refusal(Exception):
    """The card side's way to answer with a status word and nothing else; never leaves the card."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class DataGrouping(NamedTuple):
    """One piece of personal data on its way into an application (GlobalPlatform Card Specification 2.3.1, 11.11)."""

    dgi: int
    """Data grouping identifier, two bytes: what the value is."""
    value: bytes
    """In clear."""
    encrypted: bool
    """It came encrypted under the data key of its channel."""


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
    """Whether it takes commands of GlobalPlatform's secure messaging itself: `cla` is then 04 or 84."""
    managed: ClassVar[bool] = False
    """Whether it can be installed blank, and takes its data (`store`) through the channel of its security domain."""

    selected: Callable[[], Iterable["Applet"]] = staticmethod(tuple)
    """What is selected on the card's channels; a card tells it to its first applet."""

    def __init__(self, memory: Mapping[str, Value], protocol: CardProtocol) -> None:
        self.memory = memory
        self.protocol = protocol
        for key in self.contents:
            if key in memory or INSTALLED not in memory:
                self.content(key)

    def content(self, key: str) -> bytes:
        """Bytes of the memory; raise ImageDamaged if they are not there, or more than a file can be."""
        value = self.memory.get(key)
        if not isinstance(value, bytes) or len(value) > CONTENT_MAX:
            raise ImageDamaged(
                f"the image's section {self.name} is incomplete; make a new one with `ecitizen emulator new`"
            )
        return value

    @property
    def blank(self) -> bool:
        """Whether it was installed, and does not have its contents yet."""
        return any(key not in self.memory for key in self.contents)

    @classmethod
    def blank_memory(cls, chip_serial: bytes) -> dict[str, Value]:  # noqa: ARG003 - for applets that have a number
        """The memory of a newly installed applet on the chip of this 8-byte serial."""
        return {INSTALLED: True}

    def store(self, groupings: Sequence[DataGrouping]) -> Mapping[str, Value]:  # noqa: ARG002 - this one takes none
        """What personal data change in the memory; all of it is written at once, and None removes a value.

        Raise Refusal for data that are not for this applet: nothing is written then.
        """
        raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)

    def secured_command(
        self,
        selection: Selection,
        command: CommandApdu,
        level: "SecurityLevel",  # noqa: ARG002 - for applets that allow more to their domain
    ) -> ResponseApdu:
        """Answer a command that came through a channel of the applet's domain, with its plain class."""
        return selection.process(command)

    @abstractmethod
    def fci(self) -> bytes:
        """File control information that SELECT answers."""

    def selected_sw(self) -> int:
        """The status word that SELECT answers: success, or a warning about the state of what was selected."""
        return StatusWord.NO_ERROR

    @abstractmethod
    def open(self) -> Selection:
        """The applet was selected on some channel."""

    def reopen(self, selection: Selection) -> Selection:  # noqa: ARG002 - for applets whose security status stays
        """The applet was selected on a channel where it was selected already."""
        return self.open()

    def permits(self, applet: "Applet") -> bool:  # noqa: ARG002 - for the one that keeps the card's life cycle
        """Tell whether `applet` may be selected; the first applet of a card is asked."""
        return True

    def guarded(self, applet: "Applet", selection: Selection) -> Selection:  # noqa: ARG002 - for the one with keys
        """The selection of `applet` behind a secure channel, or as it is; the first applet of a card is asked."""
        return selection


def require(condition: AccessCondition) -> None:
    """Refuse the command if its condition does not hold."""
    if condition is not AccessCondition.ALWAYS:
        raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)


def ok(data: bytes = b"") -> ResponseApdu:
    """A command that went well."""
    return ResponseApdu(data, StatusWord.NO_ERROR)
