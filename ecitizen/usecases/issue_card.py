"""Issuing a card: from a blank one to one that its holder can use, whatever happens in between.

Each thing that is done is either seen on the card or written in the journal, so the same call with the same order goes
on where another one was cut. Done once more, it changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from functools import partial
from typing import Final

from ..errors import ReadBackMismatch, WrongCard
from ..globalplatform import DomainSession
from ..globalplatform_objects import (
    AID_ISSUER_DOMAIN,
    AID_LOAD_FILE_OF_DOMAINS,
    AID_MODULE_OF_DOMAINS,
    ApplicationLifeCycle,
    CardLifeCycle,
    DataGrouping,
    Privilege,
    RegistryEntry,
    versions,
)
from ..issuing_ports import CardTask, TaskState
from ..key_providers import KeyContext
from ..model import LinkStats
from ..secret import Pin
from ..session import CardSession
from .issue_plan import ApplicationPlan, CardOrder, IssuePlan, expected_serial, plan_issue
from .issuing_office import (
    PIN_LEN,
    PUK_LEN,
    CardAtDesk,
    Deliver,
    IssuingOffice,
    digest,
    is_order,
    random_code,
    require_same,
)

_LIFE_CYCLE_STEPS: Final = (CardLifeCycle.OP_READY, CardLifeCycle.INITIALIZED, CardLifeCycle.SECURED)


@unique
class CardTaskState(StrEnum):
    """How far a card is with an order."""

    BLANK = "blank"
    UNFINISHED = "unfinished"
    """A try of the same order was cut."""
    ISSUED = "issued"


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """What became of an order."""

    card_serial: str
    """The chip's, 16 hex digits."""
    plan: IssuePlan
    resumed: bool
    """An earlier try was cut; any codes that it delivered are void."""
    changed: bool
    """False if the card was as ordered already: nothing was written, and no codes were delivered."""
    revoked: int
    """Certificates of earlier tries for keys that nobody has any more."""
    link: LinkStats


def issue_card(
    session: CardSession, order: CardOrder, office: IssuingOffice, *, deliver: Deliver, moment: datetime
) -> IssuedCard:
    """Make a blank card what the order says, or go on where an earlier call with the same order was cut.

    `deliver` gets the PIN and the PUK once, shortly before the card is secured; those that a cut call delivered are
    void. Raise PlanMismatch with all that is wrong with the order, WrongCard for a card that is not blank or not the
    one that is meant, KeyIncorrect or CryptogramWrong if the office does not have its keys: the card was not changed
    then. Raise CardSpoiled if it can't become a good one. After TransportError, StatusError, other CardProtocolErrors
    and JournalFailed call again with the same order.
    """
    begun = session.stats
    plan = plan_issue(order, office.scheme, office.authorities, moment)
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        _require_meant(desk, order)
        content = order.canonical()
        if _is_issued(desk, content):
            _ReadBack(desk, plan).check(None)
            return IssuedCard(desk.serial, plan, False, False, 0, session.stats_since(begun))
        resumed = desk.resume(CardTask.ISSUE, content) is not None
        revoked = _Issuing(desk, plan, deliver).run(content, resumed=resumed)
    return IssuedCard(desk.serial, plan, resumed, True, revoked, session.stats_since(begun))


@dataclass(frozen=True, slots=True)
class PlanOnCard:
    """What `issue_card` would do to the card that is in the reader."""

    card_serial: str
    plan: IssuePlan
    state: CardTaskState


def plan_issue_on(session: CardSession, order: CardOrder, office: IssuingOffice, *, moment: datetime) -> PlanOnCard:
    """What `issue_card` would do to this card, without opening a channel, which a card counts; raise as it does.

    What only a channel shows is not known here: whether the keys are the card's, and its life cycle.
    """
    plan = plan_issue(order, office.scheme, office.authorities, moment)
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        _require_meant(desk, order)
        content = order.canonical()
        if _is_issued(desk, content):
            return PlanOnCard(desk.serial, plan, CardTaskState.ISSUED)
        if desk.resume(CardTask.ISSUE, content) is not None:
            return PlanOnCard(desk.serial, plan, CardTaskState.UNFINISHED)
        wanted = [*(each.aid for each in plan.applications), *(each.aid for each in plan.domains[1:])]
        if not desk.fresh or any(map(desk.has, wanted)):
            raise _not_blank(desk)
    return PlanOnCard(desk.serial, plan, CardTaskState.BLANK)


def _not_blank(desk: CardAtDesk) -> WrongCard:
    return WrongCard(f"card {desk.serial} is not blank, and nothing is known of it; take a blank one")


def _require_no_more_keys(desk: CardAtDesk, issuer: DomainSession) -> None:
    """A blank card has one version of keys: whoever has another could do with it what the office does."""
    if versions(issuer.key_information()) != (desk.issuer_keys.kvn,):
        raise WrongCard(
            f"card {desk.serial} has more keys than its transport keys, and nobody knows whose; take another"
        )


def _require_meant(desk: CardAtDesk, order: CardOrder) -> None:
    expected = expected_serial(order)
    if expected is not None and expected != desk.chip_serial:
        raise WrongCard(
            f"the order is for card {expected.hex().upper()}, and this is {desk.serial}; take the right one"
        )


def _is_issued(desk: CardAtDesk, order: bytes) -> bool:
    """Whether this card was issued by this very order; raise WrongCard if it was by another, or is out of use."""
    entry = desk.office.journal.latest(desk.serial)
    if entry is None or entry.state is TaskState.ABANDONED or entry.state is TaskState.BEGUN:
        return False
    if entry.kind is not CardTask.ISSUE or not is_order(entry, order):
        raise WrongCard(f"card {desk.serial} was issued already; change it with update, or take a blank one")
    desk.done = entry.done
    return True


class _Issuing:
    """One run over one card."""

    def __init__(self, desk: CardAtDesk, plan: IssuePlan, deliver: Deliver) -> None:
        self._desk = desk
        self._office = desk.office
        self._scheme = desk.office.scheme
        self._plan = plan
        self._deliver = deliver
        self._wanted = {plan.aid: plan for plan in plan.applications}
        self._domains = {domain.aid: domain for domain in plan.domains[1:]}

    def run(self, order: bytes, *, resumed: bool) -> int:
        """Do all that is not done yet; gives how many certificates were revoked."""
        desk = self._desk
        issuer = desk.open_issuer()
        if issuer.cplc().chip_serial != desk.chip_serial:
            raise WrongCard(f"this is not card {desk.serial}, which it said to be before; look at the reader")
        state, registry = desk.life_cycle(issuer), desk.registry(issuer)
        if not resumed:
            if state is not CardLifeCycle.OP_READY or registry or not desk.fresh:
                raise _not_blank(desk)
            _require_no_more_keys(desk, issuer)
            desk.begin(CardTask.ISSUE, order)
        self._require_ours(state, registry)
        if state is CardLifeCycle.SECURED:  # the last thing that is done to the card
            _ReadBack(desk, self._plan).check(None)
            desk.finish()
            return 0
        self._install(issuer, state, registry)
        self._give_keys()
        pin, puk = (random_code(length, self._office.random_bytes) for length in (PIN_LEN, PUK_LEN))
        try:
            self._make_keys(pin, puk)
            self._store()
            certificates = self._read_back(pin)
            revoked = self._office.authorities.revoke_others(desk.serial, certificates, desk.moment)
            self._secure(pin, puk)
        finally:
            pin.wipe()
            puk.wipe()
        desk.finish()
        return revoked

    def _read_back(self, pin: Pin) -> list[bytes]:
        """Compare all with what was written. What differs is read once more: something may have happened on the way."""
        read_back = _ReadBack(self._desk, self._plan)
        try:
            return read_back.check(pin)
        except ReadBackMismatch:
            with self._desk.spoiling():
                return read_back.check(pin)

    def _require_ours(self, state: CardLifeCycle, registry: Mapping[bytes, RegistryEntry]) -> None:
        """What is on the card is what we may have put there."""
        foreign = registry.keys() - self._wanted.keys() - self._domains.keys()
        if foreign:
            named = ", ".join(sorted(aid.hex().upper() for aid in foreign))
            raise self._desk.spoil(f"it has {named}, which was not ordered", "registry")
        if state not in _LIFE_CYCLE_STEPS:
            raise self._desk.spoil(f"it is {state.name}", "life_cycle")

    def _require_complete(self, registry: Mapping[bytes, RegistryEntry]) -> None:
        """All that was ordered is there, in its domain, and nothing else.

        An empty registry is told without a MAC, so at the beginning somebody on the way may have made it empty; one
        that has entries is proved.
        """
        self._require_ours(CardLifeCycle.INITIALIZED, registry)
        wanted = {plan.aid: plan.domain.aid for plan in self._plan.applications}
        wanted |= dict.fromkeys(self._domains, AID_ISSUER_DOMAIN)
        found = {aid: entry.domain for aid, entry in registry.items()}
        if found != wanted:
            raise ReadBackMismatch("the card does not say that it has what was installed; put it in again, and go on")

    def _install(self, issuer: DomainSession, state: CardLifeCycle, registry: Mapping[bytes, RegistryEntry]) -> None:
        """Domains and applications, each application in its domain."""
        for domain in self._domains.values():
            if domain.aid not in registry:
                with self._desk.step(f"domain {domain.name}"):
                    issuer.install_and_make_selectable(
                        AID_LOAD_FILE_OF_DOMAINS,
                        AID_MODULE_OF_DOMAINS,
                        domain.aid,
                        privileges=Privilege.SECURITY_DOMAIN,
                    )
        for plan in self._plan.applications:
            entry = registry.get(plan.aid)
            lives_in = AID_ISSUER_DOMAIN if entry is None else entry.domain
            if entry is not None and lives_in == plan.domain.aid:
                continue
            with self._desk.step(f"install {plan.name}"):
                if entry is None:
                    issuer.install_and_make_selectable(self._scheme.load_file, plan.aid, plan.aid)
                if lives_in != plan.domain.aid:
                    issuer.extradite(plan.aid, plan.domain.aid)
        if state is CardLifeCycle.OP_READY:
            issuer.set_card_status(CardLifeCycle.INITIALIZED)

    def _give_keys(self) -> None:
        """Keys of its own to every domain that has none."""
        for domain in self._domains.values():
            selected, own = self._desk.open_domain(domain)
            if not own:
                with self._desk.step(f"keys {domain.name}"):
                    self._desk.put_keys(selected, self._office.keys, 0)
            self._desk.require_no_other_keys(selected, self._office.keys.kvn)

    def _make_keys(self, pin: Pin, puk: Pin) -> None:
        """Keys that are made on the card, through a channel in which the card proves its answers; and the codes."""
        application = self._scheme.key_application
        plan = self._wanted.get(application.aid)
        if plan is None:
            return
        selected = self._desk.open_application(plan.aid, plan.domain)
        self._write_objects()
        for slot in self._plan.keys:
            self._make_key(slot)
        context = KeyContext(plan.domain.aid, self._desk.chip_serial)
        management_key = self._office.keys.management_key(context)
        try:
            with self._desk.step("codes"):
                selected.store_groupings(application.codes(pin, puk, management_key), encrypted=True)
        finally:
            management_key.wipe()

    def _write_objects(self) -> None:
        application, desk = self._scheme.key_application, self._desk
        if STEP_OBJECTS in desk.done:
            return
        objects = application.objects(
            self._plan.order.applications,
            desk.chip_serial,
            self._scheme.issuer,
            desk.moment,
            self._office.random_bytes,
        )
        with desk.step(STEP_OBJECTS, partial(digest, objects)):
            for tag, content in objects.items():
                application.write_object(desk.session, tag, content)

    def _make_key(self, slot: int) -> None:
        """A key and its certificate; once more, both, if it was cut in between: the first key is gone then."""
        application, desk = self._scheme.key_application, self._desk
        if step_of_key(slot) in desk.done:
            return
        certificate = b""
        with desk.step(step_of_key(slot), lambda: digest({slot: certificate})):
            public_key = application.generate(desk.session, slot, self._plan.keys[slot])
            request = application.request(slot, public_key, self._plan.order.applications, desk.serial)
            certificate = self._office.authorities.certify(application.name, request, desk.moment)
            application.store_certificate(desk.session, slot, certificate)

    def _store(self) -> None:
        """What each application says, with its seal: one write for each."""
        for plan in self._plan.applications:
            if not plan.contents or step_of_files(plan.name) in self._desk.done:
                continue
            files = {**plan.contents, **(self._seals(plan) if plan.sealed else {})}
            with self._desk.step(step_of_files(plan.name), partial(digest, files)):
                selected = self._desk.open_to_store(plan.aid, plan.domain)
                selected.store_groupings(DataGrouping(fid, content) for fid, content in files.items())

    def _seals(self, plan: ApplicationPlan) -> dict[int, bytes]:
        public_key = self._desk.binding_key()
        authorities, desk = self._office.authorities, self._desk
        record = self._scheme.drivers[plan.name].record_of(plan.contents)
        return {
            self._scheme.certificate_file: authorities.application_certificate(
                plan.name, public_key, desk.serial, desk.moment
            ),
            self._scheme.seal_file: authorities.seal(plan.name, record, public_key, desk.chip_serial, desk.moment),
        }

    def _secure(self, pin: Pin, puk: Pin) -> None:
        """Applications personalised, own keys for the issuer's domain, the codes delivered, and the card secured."""
        desk = self._desk
        issuer = desk.open_issuer()
        registry = desk.registry(issuer)
        self._require_complete(registry)
        for aid, entry in registry.items():
            if entry.life_cycle != ApplicationLifeCycle.PERSONALIZED and aid in self._wanted:
                issuer.set_status(aid, ApplicationLifeCycle.PERSONALIZED)
        if desk.fresh:
            with desk.step("rotate"):
                desk.put_keys(issuer, self._office.keys, self._office.transport.kvn)
            desk.rotated()
            issuer = desk.open_issuer()  # which proves that both ends have the new keys
        desk.require_no_other_keys(issuer, self._office.keys.kvn)
        if self._plan.keys:
            self._deliver(pin, puk)
        with desk.step("secured"):
            issuer.set_card_status(CardLifeCycle.SECURED)


STEP_OBJECTS: Final = "objects"


def step_of_key(slot: int) -> str:
    """How the journal calls the making of a key."""
    return f"key {slot:02X}"


def step_of_files(application: str) -> str:
    """How the journal calls the storing of an application's files."""
    return f"store {application}"


class _ReadBack:
    """Reads all that was written, as any reader does, and compares it with the order and the journal."""

    def __init__(self, desk: CardAtDesk, plan: IssuePlan) -> None:
        self._desk = desk
        self._plan = plan
        self._scheme = desk.office.scheme

    def check(self, pin: Pin | None) -> list[bytes]:
        """Raise ReadBackMismatch for any byte that differs, and for codes that everybody knows.

        Without the PIN, objects that it guards are left out. Gives all certificates that are on the card.
        """
        certificates = []
        if self._plan.keys:
            certificates += self._check_keys(pin)
        for plan in self._plan.applications:
            if plan.contents:
                certificates += self._check_files(plan)
        return certificates

    def _check_keys(self, pin: Pin | None) -> list[bytes]:
        application, session, done = self._scheme.key_application, self._desk.session, self._desk.done
        session.select(application.aid)
        left = application.defaults_left(session)
        if left:
            raise ReadBackMismatch(f"the card has a {' and a '.join(left)} that everybody knows")
        certificates = []
        for slot in self._plan.keys:
            certificate = application.certificate(session, slot) or b""
            if digest({slot: certificate}) != done.get(step_of_key(slot)):
                raise ReadBackMismatch(f"the certificate in slot {slot:02X} is not the one that was written")
            certificates.append(certificate)
        if pin is not None:
            application.verify_pin(session, pin)
            tags = application.objects(
                self._plan.order.applications, self._desk.chip_serial, self._scheme.issuer, self._desk.moment, bytes
            )
            found = {tag: application.read_object(session, tag) or b"" for tag in tags}
            if digest(found) != done.get(STEP_OBJECTS):
                raise ReadBackMismatch("the data objects beside the keys are not those that were written")
        return certificates

    def _check_files(self, plan: ApplicationPlan) -> list[bytes]:
        found = self._desk.read_files(plan.name, sealed=plan.sealed)
        require_same(f"{plan.name}: file", plan.contents, found)
        if digest(found) != self._desk.done.get(step_of_files(plan.name)):
            raise ReadBackMismatch(f"{plan.name}: the seal on the card is not the one that was written")
        return [found[self._scheme.certificate_file]] if plan.sealed else []
