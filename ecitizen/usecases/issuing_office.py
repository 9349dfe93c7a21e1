"""What every act on a card has in common: the office that acts, the card before it, and what is written down of it."""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from ..errors import (
    AppNotFound,
    CardProtocolError,
    CardSpoiled,
    DecodeError,
    ReadBackMismatch,
    SecureMessagingError,
    StatusError,
    UsageError,
    WrongCard,
)
from ..globalplatform import DomainSession
from ..globalplatform_objects import (
    AID_ISSUER_DOMAIN,
    CardLifeCycle,
    KeyInformation,
    RegistryEntry,
    RegistryKind,
    versions,
)
from ..issuing_ports import (
    CardAuthorities,
    CardDomain,
    CardScheme,
    CardTask,
    IssuanceJournal,
    JournalEntry,
    TaskState,
)
from ..key_providers import KeyProvider, ManagementKeySource
from ..ports import IssuableDriver
from ..secret import Pin
from ..secure_channel.handshake import SecurityLevel
from ..session import CardSession
from .issue_plan import domain_of, issuable

PIN_LEN: Final = 6
PUK_LEN: Final = 8
_CODES_REFUSED: Final = frozenset({"123456", "654321", "12345678", "87654321"})

Deliver = Callable[[Pin, Pin | None], None]
"""Takes the holder's new PIN, and the PUK if that is new too: once, to be handed over and forgotten."""


class CardKeys(KeyProvider, ManagementKeySource, Protocol):
    """Who keeps the keys that issued cards have."""


@dataclass(frozen=True, slots=True)
class IssuingOffice:
    """Who issues cards, and by what means."""

    scheme: CardScheme
    authorities: CardAuthorities
    keys: CardKeys
    """Of issued cards: each card and each domain has its own."""
    transport: KeyProvider
    """Of cards as they come from their maker."""
    journal: IssuanceJournal
    random_bytes: Callable[[int], bytes] = field(default=os.urandom, repr=False)
    on_step: Callable[[str], None] | None = field(default=None, repr=False)
    """Is told the name of each step, as the journal calls it, when that begins: for whoever waits."""

    def __post_init__(self) -> None:
        if self.keys.kvn == self.transport.kvn:
            raise UsageError("issued cards need another key version than blank ones, or nobody can tell them apart")


@dataclass(frozen=True, slots=True)
class ChangedCard:
    """What was done to a card."""

    card_serial: str
    changed: bool
    """False if the card was like that already: nothing was written."""
    revoked: int = 0
    """Certificates that are no longer good."""


class CardAtDesk:
    """The card in the reader, and the office's task with it.

    Making one selects the issuer's domain and asks which chip and which keys it has, so that no wrong key is tried.
    `also` are keys that the card may have besides the office's. Raise WrongCard for a card with none of them,
    CardSpoiled for one that is known to be useless.
    """

    def __init__(
        self, session: CardSession, office: IssuingOffice, moment: datetime, *, also: KeyProvider | None = None
    ) -> None:
        if moment.tzinfo is None:
            raise UsageError("a moment needs a time zone; use datetime.now(UTC)")
        self.session = session
        self.office = office
        self.moment = moment
        issuer = self._select(AID_ISSUER_DOMAIN, None)
        self.chip_serial = issuer.chip_serial()
        self.serial = self.chip_serial.hex().upper()
        reason = office.journal.spoiled(self.serial)
        if reason is not None:
            raise CardSpoiled(f"card {self.serial} is spoiled ({reason}); keep it apart and take another", reason)
        known = (office.keys, office.transport) if also is None else (also, office.keys, office.transport)
        self.issuer_keys = self._known(issuer, known)
        self.done: Mapping[str, bytes] = {}
        self.begun: frozenset[str] = frozenset()
        self._binding_key: bytes | None = None

    # Channels

    @property
    def fresh(self) -> bool:
        """Whether the issuer's domain still has its transport keys."""
        return self.issuer_keys is self.office.transport

    def open_issuer(self) -> DomainSession:
        """The issuer's domain, through a channel with its keys."""
        issuer = self._select(AID_ISSUER_DOMAIN)
        issuer.open_channel(self.issuer_keys)
        return issuer

    def open_domain(self, domain: CardDomain) -> tuple[DomainSession, bool]:
        """A domain through its own keys, or through the issuer's as long as it has none; and whether it has."""
        selected = self._select(domain.aid)
        own = any(each.kvn == self.office.keys.kvn for each in _keys_of(selected))
        if own:
            selected.open_channel(self.office.keys)
        else:
            selected.open_channel(self.issuer_keys, keys_of=AID_ISSUER_DOMAIN)
        return selected, own

    def open_application(
        self,
        aid: bytes,
        domain: CardDomain,
        keys: KeyProvider | None = None,
        level: SecurityLevel = SecurityLevel.FULL,
    ) -> DomainSession:
        """An application, through the keys of its domain: the office's, or those that are given."""
        selected = self._select(aid)
        keys = keys or (self.issuer_keys if domain.aid == AID_ISSUER_DOMAIN else self.office.keys)
        selected.open_channel(keys, level, keys_of=domain.aid)
        return selected

    def open_to_store(self, aid: bytes, domain: CardDomain) -> DomainSession:
        """An application that gets what anybody may read: its answers are not protected, since it is read back, and
        on T=0 each protected answer would take another exchange."""
        return self.open_application(aid, domain, level=SecurityLevel.C_MAC_C_ENC)

    def open_with_either(self, aid: bytes, new: KeyProvider) -> tuple[DomainSession, KeyProvider | None]:
        """A domain through the new keys or, if it does not have them yet, the office's; None if it has no own ones,
        which the issuer's prove."""
        selected = self._select(aid)
        versions = {each.kvn for each in _keys_of(selected)}
        keys = next((each for each in (new, self.office.keys) if each.kvn in versions), None)
        if keys is not None:
            selected.open_channel(keys)
        else:
            selected.open_channel(self.issuer_keys, keys_of=AID_ISSUER_DOMAIN)
        return selected, keys

    def rotated(self) -> None:
        """The issuer's domain has its own keys now."""
        self.issuer_keys = self.office.keys

    def has(self, aid: bytes) -> bool:
        """Whether an application or domain of this name can be selected."""
        try:
            self._select(aid)
        except AppNotFound:
            return False
        return True

    def key_versions(self, aid: bytes) -> frozenset[int]:
        """Which versions of keys a domain says that it has; none for one that is not there or has none of its own."""
        try:
            return frozenset(versions(_keys_of(self._select(aid))))
        except AppNotFound:
            return frozenset()

    def registry(self, issuer: DomainSession) -> dict[bytes, RegistryEntry]:
        """What is installed, by AID."""
        return {entry.aid: entry for entry in issuer.get_status(RegistryKind.APPLICATIONS)}

    def life_cycle(self, issuer: DomainSession) -> CardLifeCycle:
        """The state of the card; raise CardProtocolError if it names none of the standard's."""
        for entry in issuer.get_status(RegistryKind.ISSUER_DOMAIN):
            if entry.life_cycle in set(CardLifeCycle):
                return CardLifeCycle(entry.life_cycle)
        raise CardProtocolError(f"card {self.serial} does not say in which state it is; keep it apart")

    def require_no_other_keys(self, selected: DomainSession, kvn: int) -> None:
        """Ask a domain through its channel whether it has keys of this version alone.

        Who has another version of them can do what its owner can, so the card is spoiled.
        """
        others = set(versions(selected.key_information())) - {kvn}
        if others:
            named = ", ".join(f"{each:02X}" for each in sorted(others))
            raise self.spoil(f"the domain {selected.aid.hex().upper()} has keys {named}, which nobody ordered", "keys")

    def put_keys(self, selected: DomainSession, new: KeyProvider, replace: int) -> None:
        """Put keys into a domain. If the card then proves others, nobody knows which it has: it is spoiled."""
        try:
            selected.put_keys(new, replace=replace)
        except (SecureMessagingError, DecodeError):
            raise  # on the way to us something was changed: the card itself may be right
        except CardProtocolError as error:
            raise self.spoil(str(error), "keys") from error

    def _select(self, aid: bytes, serial: bytes | None = b"") -> DomainSession:
        known = self.chip_serial if serial == b"" else serial
        return DomainSession.select(self.session, aid, chip_serial=known, random_bytes=self.office.random_bytes)

    def _known(self, issuer: DomainSession, known: Sequence[KeyProvider]) -> KeyProvider:
        versions = {each.kvn for each in issuer.key_information()}
        for keys in known:
            if keys.kvn in versions:
                return keys
        named = ", ".join(f"{kvn:02X}" for kvn in sorted(versions)) or "none"
        raise WrongCard(
            f"card {self.serial} has key versions {named}, none of which is this office's; no key was tried"
        )

    # The journal

    def begin(self, kind: CardTask, order: bytes) -> JournalEntry:
        """Enter a new task."""
        entry = self.office.journal.begin(self.serial, kind, order, self.moment)
        self._continue(entry)
        return entry

    def resume(self, kind: CardTask, order: bytes) -> JournalEntry | None:
        """The unfinished task of this card if it is this very one, None without any; raise WrongCard for another."""
        entry = self.office.journal.latest(self.serial)
        if entry is None or entry.state is not TaskState.BEGUN:
            return None
        if entry.kind is not kind or not is_order(entry, order):
            raise WrongCard(
                f"card {self.serial} has an unfinished task ({entry.kind}) with another order; finish that one first"
            )
        self._continue(entry)
        return entry

    def resume_if(self, kind: CardTask, order: bytes) -> bool:
        """Whether this very task is the unfinished one of this card."""
        entry = self.office.journal.latest(self.serial)
        if entry is None or entry.state is not TaskState.BEGUN or entry.kind is not kind or not is_order(entry, order):
            return False
        self._continue(entry)
        return True

    def begin_or_resume(self, kind: CardTask, order: bytes) -> bool:
        """Enter a task, or go on with the unfinished one if it is this very one; True if it is.

        Another one is given up for it if it is of a kind that never leaves a card between two states; raise WrongCard
        for one that must be finished first.
        """
        if self.resume_if(kind, order):
            return True
        entry = self.office.journal.latest(self.serial)
        if entry is not None and entry.state is TaskState.BEGUN:
            if entry.kind not in WHOLE_AT_ANY_TIME:
                raise WrongCard(f"card {self.serial} has an unfinished task ({entry.kind}); finish that one first")
            self.office.journal.abandon(self.serial, "superseded", self.moment)
        self.begin(kind, order)
        return False

    def _continue(self, entry: JournalEntry) -> None:
        self.done, self.begun = entry.done, entry.begun

    @contextmanager
    def step(self, name: str, evidence: Callable[[], bytes] = bytes) -> Iterator[None]:
        """Enter a step before and after what is done in the block; `evidence` is asked at its end."""
        self.office.journal.before(self.serial, name, self.moment)
        if self.office.on_step is not None:
            self.office.on_step(name)
        yield
        found = evidence()
        self.office.journal.after(self.serial, name, self.moment, found)
        self.done = {**self.done, name: found}

    def finish(self) -> None:
        """Enter that the task is done."""
        self.office.journal.finish(self.serial, self.moment)

    def spoil(self, why: str, reason: str) -> CardSpoiled:
        """Enter that the card is useless, and give the error that says so."""
        self.office.journal.spoil(self.serial, reason, self.moment)
        return CardSpoiled(f"card {self.serial} is spoiled: {why}; keep it apart and take another", reason)

    @contextmanager
    def spoiling(self) -> Iterator[None]:
        """What was written is not what is read: then the card is useless."""
        try:
            yield
        except ReadBackMismatch as error:
            raise self.spoil(str(error), "read_back") from error

    # Reading back

    def read_contents(self, name: str, *, proved: bool) -> dict[int, bytes]:
        """The files of an application, which is selected then.

        As any reader gets them, or `proved` to be this card's by the channel of its domain: what somebody signs for
        on the strength of it must not have been changed on its way.
        """
        scheme = self.office.scheme
        driver: IssuableDriver = issuable(scheme, name)
        if not proved:
            return driver.read_contents(self.session)
        selected = self.open_application(driver.aid, domain_of(scheme, name))
        return driver.read_contents(self.session, selected=selected.control_information)

    def read_files(self, name: str, *, sealed: bool) -> dict[int, bytes]:
        """The files of an application, and its seal if it has one, as any reader gets them."""
        scheme = self.office.scheme
        found = self.read_contents(name, proved=False)
        if sealed:
            for fid in (scheme.certificate_file, scheme.seal_file):
                found[fid] = scheme.read_file(self.session, fid) or b""
        return found

    def binding_key(self) -> bytes:
        """The key that binds applications to the card, out of its certificate (SubjectPublicKeyInfo, DER).

        Agencies sign for it, so it comes through the channel of its domain; asked once.
        """
        if self._binding_key is None:
            scheme, application = self.office.scheme, self.office.scheme.key_application
            self.open_application(application.aid, domain_of(scheme, application.name))
            self._binding_key = application.public_key(self.session, application.binding_slot)
        if self._binding_key is None:
            raise ReadBackMismatch("the card has no certificate for the key that binds its applications")
        return self._binding_key


WHOLE_AT_ANY_TIME: Final = frozenset({CardTask.UPDATE, CardTask.UNBLOCK, CardTask.LOCK, CardTask.UNLOCK})
"""Tasks that change a card in one write: an unfinished one was done or was not, and can be given up."""


def is_order(entry: JournalEntry, order: bytes) -> bool:
    """Whether the journal's entry is of this very order."""
    return hmac.compare_digest(hmac.digest(entry.salt, order, hashlib.sha256), entry.order_hash)


def digest(contents: Mapping[int, bytes]) -> bytes:
    """One hash of several files or objects, with their identifiers and lengths."""
    whole = hashlib.sha256()
    for number, content in sorted(contents.items()):
        whole.update(number.to_bytes(4, "big") + len(content).to_bytes(4, "big") + content)
    return whole.digest()


def random_code(length: int, random_bytes: Callable[[int], bytes]) -> Pin:
    """A PIN or PUK of so many digits, each as likely as any other; none that everybody would try first."""
    while True:
        digits = ""
        while len(digits) < length:
            byte = random_bytes(1)[0]
            if byte < 250:  # so that no digit is likelier than another
                digits += str(byte % 10)
        if digits not in _CODES_REFUSED and len(set(digits)) > 1:
            return Pin(digits)


def require_same(what: str, wanted: Mapping[int, bytes], found: Mapping[int, bytes]) -> None:
    """Raise ReadBackMismatch that names the first byte that differs, and no byte itself."""
    for number, content in wanted.items():
        read = found.get(number, b"")
        if read != content:
            at = next((at for at, (one, other) in enumerate(zip(content, read, strict=False)) if one != other), None)
            where = f"from byte {at}" if at is not None else f"in length: {len(read)} of {len(content)}"
            raise ReadBackMismatch(f"{what} {number:04X} on the card differs {where} from what was written")


def _keys_of(selected: DomainSession) -> tuple[KeyInformation, ...]:
    """The keys of a domain; a new one has none, and may say so with an error."""
    try:
        return selected.key_information()
    except StatusError:
        return ()
