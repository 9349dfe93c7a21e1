"""What issuing needs of the packages above `ecitizen`: who certifies, who seals, what a card is made of.

The office's own side is here too: the journal, without which no card is touched. What reading needs is in `ports`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any, Protocol

from .algorithms import KeyAlgorithm
from .model import ApplicationRecord, Problem
from .ports import CertificateRequest, IssuableDriver
from .secret import KeyBytes, Pin
from .session import CardSession

if TYPE_CHECKING:
    from datetime import datetime

    from .globalplatform_objects import DataGrouping


@unique
class CardTask(StrEnum):
    """What an issuing office does to a card."""

    ISSUE = "issue"
    UPDATE = "update"
    RENEW = "renew"
    UNBLOCK = "unblock"
    LOCK = "lock"
    UNLOCK = "unlock"
    ROTATE = "rotate"
    RETIRE = "retire"


@unique
class TaskState(StrEnum):
    """What became of it."""

    BEGUN = "begun"
    """Not finished; if nobody is at it, the card was pulled out or the program died."""
    DONE = "done"
    ABANDONED = "abandoned"
    """Ended before the card was changed."""
    SPOILED = "spoiled"
    """The card can't become a good one any more."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A task of a card, as the journal has it."""

    card: str
    """The chip's serial, 16 hex digits."""
    kind: CardTask
    state: TaskState
    reason: str
    """Why it was abandoned or the card is spoiled: a short name."""
    salt: bytes
    order_hash: bytes
    """HMAC-SHA-256 of what was ordered, under the salt."""
    done: Mapping[str, bytes]
    """Steps that were finished, with their evidence."""
    begun: frozenset[str]
    """Steps that were begun, whether or not they were finished."""


class IssuanceJournal(Protocol):
    """Where each step is written down before and after, durably. Raise JournalFailed if it can't be."""

    def latest(self, card: str) -> JournalEntry | None:
        """The last task of this card; None for a card that nobody did anything to."""
        ...

    def spoiled(self, card: str) -> str | None:
        """Why the card is spoiled; None if it is not."""
        ...

    def begin(self, card: str, kind: CardTask, order: bytes, moment: "datetime") -> JournalEntry:
        """Enter a new task; of the order only a salted hash is kept."""
        ...

    def before(self, card: str, step: str, moment: "datetime") -> None:
        """Enter that a step begins."""
        ...

    def after(self, card: str, step: str, moment: "datetime", evidence: bytes = b"") -> None:
        """Enter that it is done, with a hash of what it made."""
        ...

    def finish(self, card: str, moment: "datetime") -> None:
        """Enter that the task is done."""
        ...

    def abandon(self, card: str, reason: str, moment: "datetime") -> None:
        """Enter that it ended before the card was changed."""
        ...

    def spoil(self, card: str, reason: str, moment: "datetime") -> None:
        """Enter that the card is spoiled."""
        ...


class CardDomain(Protocol):
    """A security domain of a card scheme: an agency's own room on the card."""

    @property
    def name(self) -> str:
        """The agency's short name."""
        ...

    @property
    def aid(self) -> bytes:
        """The domain's AID."""
        ...

    @property
    def applications(self) -> Sequence[str]:
        """Names of the applications that live in it."""
        ...


class KeyApplication(Protocol):
    """The application with the holder's keys, for whoever issues cards.

    What takes a session works on a card on which the application is selected; what changes the card needs the secure
    channel of its domain, at the level that protects answers too, so that a public key is proved to come from the
    card. Slots are key references, as 0x9A.
    """

    @property
    def name(self) -> str:
        """The application's name: its entry point."""
        ...

    @property
    def aid(self) -> bytes:
        """What SELECT takes."""
        ...

    @property
    def binding_slot(self) -> int:
        """The key that binds the other applications to this card."""
        ...

    @property
    def renewable_slots(self) -> Sequence[int]:
        """Keys that can be made anew without anything else on the card losing its use."""
        ...

    @property
    def named_by(self) -> Sequence[str]:
        """Names of the applications whose records say whom the certificates are for."""
        ...

    @property
    def usual_keys(self) -> Mapping[int, KeyAlgorithm]:
        """The kinds of keys that a card has unless told otherwise, by slot."""
        ...

    def check(
        self, applications: Mapping[str, Any], keys: Mapping[int, KeyAlgorithm], moment: "datetime"
    ) -> tuple[Problem, ...]:
        """All that is wrong with these kinds of keys for this holder; nothing if they can be made."""
        ...

    def request(
        self, slot: int, public_key: bytes, applications: Mapping[str, Any], card_serial: str
    ) -> CertificateRequest:
        """What to ask an authority for, for the key of a slot."""
        ...

    def generate(self, session: CardSession, slot: int, algorithm: KeyAlgorithm) -> bytes:
        """Have the card make a key; gives its public key (SubjectPublicKeyInfo, DER)."""
        ...

    def certificate(self, session: CardSession, slot: int) -> bytes | None:
        """The certificate in a slot, DER; None if there is none."""
        ...

    def public_key(self, session: CardSession, slot: int) -> bytes | None:
        """The public key in a slot's certificate (SubjectPublicKeyInfo, DER); None if there is none."""
        ...

    def store_certificate(self, session: CardSession, slot: int, certificate: bytes) -> None:
        """Put a certificate into a slot."""
        ...

    def management_key(self, key: KeyBytes) -> "DataGrouping":
        """The management key as a data grouping, which must go encrypted."""
        ...

    def objects(
        self,
        applications: Mapping[str, Any],
        chip_serial: bytes,
        issuer: str,
        moment: "datetime",
        random_bytes: Callable[[int], bytes],
    ) -> dict[int, bytes]:
        """The data objects of a new card besides certificates, by tag; some of them are random."""
        ...

    @property
    def random_objects(self) -> frozenset[int]:
        """Tags of those objects that no two cards have alike."""
        ...

    def read_object(self, session: CardSession, tag: int) -> bytes | None:
        """A data object; None if it is not there."""
        ...

    def write_object(self, session: CardSession, tag: int, content: bytes) -> None:
        """Put a data object in place."""
        ...

    def codes(self, pin: Pin, puk: Pin, management_key: KeyBytes) -> "tuple[DataGrouping, ...]":
        """PIN, PUK and management key as data groupings, which must go encrypted."""
        ...

    def set_pin(self, session: CardSession, pin: Pin) -> None:
        """Set a new PIN by the right of the domain, without the old one or the PUK."""
        ...

    def verify_pin(self, session: CardSession, pin: Pin) -> None:
        """Show the PIN to the card."""
        ...

    def tries_left(self, session: CardSession) -> tuple[int | None, int | None]:
        """Tries left of PIN and PUK; None is what the card does not tell."""
        ...

    def defaults_left(self, session: CardSession) -> tuple[str, ...]:
        """Names of those of PIN, PUK and management key that everybody knows."""
        ...


class CardAuthorities(Protocol):
    """Those who certify the keys on cards and seal what applications say, for whoever issues cards."""

    @property
    def applications(self) -> frozenset[str]:
        """Names of the applications that somebody here seals."""
        ...

    def check(self, request: CertificateRequest, algorithm: KeyAlgorithm) -> str | None:
        """Why no authority would give such a certificate for a key of this kind; None if nothing is against it."""
        ...

    def certify(self, application: str, request: CertificateRequest, moment: "datetime") -> bytes:
        """A certificate for a key on a card, DER.

        Asked again for the same card, profile and public key it gives the same certificate, as long as that is good.
        """
        ...

    def application_certificate(
        self, application: str, public_key: bytes, card_serial: str, moment: "datetime"
    ) -> bytes:
        """The agency's certificate for the key that binds its application to the card, DER; again as `certify`."""
        ...

    def seal(
        self,
        application: str,
        record: ApplicationRecord,
        public_key: bytes,
        chip_serial: bytes,
        moment: "datetime",
    ) -> bytes:
        """The security object over what a reader reads, for this card, DER."""
        ...

    def revoke_others(
        self,
        card_serial: str,
        keep: Sequence[bytes],
        moment: "datetime",
        *,
        profiles: Collection[str] | None = None,
    ) -> int:
        """Revoke all certificates of a card but these (DER): nobody has the keys of the others. Gives their number.

        With `profiles`, only certificates that were issued by one of these.
        """
        ...

    def revoke_card(self, card_serial: str, moment: "datetime") -> int:
        """Revoke all certificates of a card that goes out of use; gives how many were good until now."""
        ...


@dataclass(frozen=True, slots=True)
class CardScheme:
    """What a card of one issuer is made of. Entry point group `ecitizen.issuer`: a callable that gives one."""

    domains: Sequence[CardDomain]
    """The issuer's first."""
    load_file: bytes
    """What the applications are installed from; each one's module has the AID of the application."""
    drivers: Mapping[str, IssuableDriver]
    """Of all applications whose files the toolkit can write, in the order of writing."""
    key_application: KeyApplication
    certificate_file: int
    """In each application: the file with its certificate for this card."""
    seal_file: int
    """The file with its security object."""
    issuer: str
    """Who issues the card, as it is printed on it."""
    read_file: Callable[[CardSession, int], bytes | None]
    """Read one of these two files of the application that is selected; None if it is not there."""
