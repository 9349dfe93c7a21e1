"""What `ecitizen` needs of the packages above it: Protocols that applications and issuers satisfy.

Implementations are found through entry points (`apps`), so that nothing here knows who they are. Here is what reading
needs; the rest has its names here too, and stands in `signing_ports` and `trust_ports`, which are imported when one of
them is first asked for: reading a card should begin at once. What only offices need is in `issuing_ports`.
"""

from collections.abc import Generator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from .iso7816.apdu import CardProtocol, CommandApdu
from .model import ApplicationRecord, BilingualText, Problem
from .session import CardSession

if TYPE_CHECKING:
    from datetime import datetime

    from .signing_ports import (
        CertificateIssuer,
        CertificateRequest,
        Decipherer,
        KeyAgreement,
        PinHolder,
        PinState,
        Signer,
    )
    from .trust_ports import ApplicationReading, TrustEvaluator

__all__ = [
    "ApplicationReading",
    "ApplicationResult",
    "CertificateIssuer",
    "CertificateRequest",
    "CommandWords",
    "Decipherer",
    "Driver",
    "IssuableDriver",
    "KeyAgreement",
    "PhotoCache",
    "PinHolder",
    "PinState",
    "Reading",
    "SealedDriver",
    "Signer",
    "TrustEvaluator",
]

_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("ApplicationReading", "TrustEvaluator"), ".trust_ports"),
        **dict.fromkeys(("CertificateIssuer", "CertificateRequest", "PinHolder", "PinState"), ".signing_ports"),
        **dict.fromkeys(("Decipherer", "KeyAgreement", "Signer"), ".signing_ports"),
    }
)


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_ELSEWHERE[name], __package__), name)


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


@runtime_checkable
class SealedDriver(Protocol):
    """What a Driver has besides if its agency seals the data: what is sealed, and what says until when it is good."""

    @property
    def data_groups(self) -> Mapping[int, tuple[str, ...]]:
        """Names of the fields in each data group, numbered 1 to 14, as `raw` of the application's record has them."""
        ...

    @property
    def expiry_field(self) -> str | None:
        """The date after which the application is no longer valid; None if it is good as long as the card is."""
        ...


@runtime_checkable
class IssuableDriver(Driver, Protocol):
    """What a Driver has besides if the toolkit can write its application: from a record to files, and back.

    Files are named by their identifiers, which are the identifiers of data groupings that a card stores them under.
    """

    @property
    def record_type(self) -> type[ApplicationRecord]:
        """What the application's record is."""
        ...

    def check(self, record: Any, moment: "datetime") -> tuple[Problem, ...]:
        """All that is wrong with a record that is to be on a card from `moment`; nothing if it can be written."""
        ...

    def contents(self, record: Any) -> dict[int, bytes]:
        """What each file holds for this record; raise EncodeError for what can't be written."""
        ...

    def changed(self, before: Mapping[int, bytes], changes: Mapping[str, Any]) -> dict[int, bytes]:
        """The files with these fields changed, and every other byte as it was; raise EncodeError for what can't be."""
        ...

    def record_of(self, found: Mapping[int, bytes]) -> ApplicationRecord:
        """What a reader makes of these files, `raw` too; raise DecodeError if nothing can be made of them."""
        ...

    def read_contents(self, session: CardSession, *, selected: bytes | None = None) -> dict[int, bytes]:
        """Select the application and read its files whole; raise CardError if the card refuses.

        `selected` is its control information where it is selected already, as behind a secure channel, which another
        SELECT would end.
        """
        ...
