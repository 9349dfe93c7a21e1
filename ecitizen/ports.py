"""What `ecitizen` needs of the packages above it: Protocols that applications and issuers satisfy.

Implementations are found through entry points (`apps`), so that nothing here knows who they are.
"""

from collections.abc import Generator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .iso7816.apdu import CardProtocol, CommandApdu
from .model import ApplicationRecord, BilingualText, Problem
from .session import CardSession

PhotoCache = MutableMapping[tuple[str, str], bytes]
"""Portraits the caller has: (card's number, request number of the card) to JPEG file."""


@dataclass(frozen=True, slots=True)
class ApplicationResult:
    """What is known of an application so far: all its text, and at the end its photo too."""

    record: ApplicationRecord
    problems: tuple[Problem, ...] = ()


Reading = Generator[ApplicationResult | None, None, None]
"""Steps of reading an application: None after each piece, a result when there is something to show.

The last result is the whole.
"""


class Driver(Protocol):
    """The host side of one application. Found by the entry point group `ecitizen.drivers`."""

    @property
    def name(self) -> str:
        """The application's name: its key in JSON and its entry point."""
        ...

    @property
    def title(self) -> BilingualText:
        """What people call it."""
        ...

    @property
    def rank(self) -> int:
        """Its place among the applications of a card, low first."""
        ...

    @property
    def aid(self) -> bytes:
        """What SELECT takes to find it; the first one, where it is more than one applet."""
        ...

    @property
    def fields(self) -> Mapping[str, BilingualText]:
        """Names of all its fields, in the order of showing, and what people call them."""
        ...

    @property
    def photo_field(self) -> str | None:
        """The field that is a picture: slow to read, so it comes last."""
        ...

    def expected_exchanges(self, fields: frozenset[str], protocol: CardProtocol) -> int:
        """About how many exchanges `read` will take, for a progress bar."""
        ...

    def read(self, session: CardSession, fields: frozenset[str], photos: PhotoCache) -> Reading:
        """Select the application and read `fields`, text before photo, in as few exchanges as can be.

        Raise AppNotFound if the card does not have it, CardError and CardProtocolError if the card fails.
        """
        ...


@runtime_checkable
class CommandWords(Protocol):
    """What a Driver may have besides: words for the commands of its application, for traces and `ecitizen explain`."""

    def command_words(self, command: CommandApdu) -> str | None:
        """What the command asks of this application, in a few words without personal data; None for a foreign one."""
        ...
