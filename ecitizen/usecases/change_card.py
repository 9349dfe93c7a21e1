"""Changing an issued card: the holder's keys, a blocked PIN, its life, its own keys. What it says is `update_card`.

Each call touches what it names and nothing else. One that was cut is called again with the same arguments.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..algorithms import KeyAlgorithm
from ..errors import AppNotFound, ReadBackMismatch, StatusError, UsageError, WrongCard
from ..globalplatform_objects import AID_ISSUER_DOMAIN, CardLifeCycle, Privilege
from ..iso7816.status import StatusWord
from ..issuing_ports import CardTask, TaskState
from ..key_providers import KeyContext
from ..model import Problem
from ..session import CardSession
from .issue_plan import domain_of, issuable, plan_mismatch
from .issuing_office import PIN_LEN, CardAtDesk, CardKeys, ChangedCard, Deliver, IssuingOffice, digest, random_code


@dataclass(frozen=True, slots=True)
class RenewPlan:
    """What `renew_card` does."""

    card_serial: str
    keys: Mapping[int, KeyAlgorithm]


def plan_renewal(
    session: CardSession, keys: Mapping[int, KeyAlgorithm], office: IssuingOffice, *, moment: datetime
) -> RenewPlan:
    """What `renew_card` would do; raise as it does."""
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        _holder(desk, keys, proved=False)
        return RenewPlan(desk.serial, keys)


def renew_card(
    session: CardSession, keys: Mapping[int, KeyAlgorithm], office: IssuingOffice, *, moment: datetime
) -> ChangedCard:
    """Make new keys of the holder on the card, by slot, with new certificates; then the old ones are revoked.

    The holder's name and number are those that the card says. Raise PlanMismatch for keys that can't be made anew
    without something else losing its use, WrongCard for a card with another task to be finished. A call that was cut
    must be made again with the same keys: until then a slot may have a key without its certificate.
    """
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        records = _holder(desk, keys, proved=True)
        order = _order({"keys": {f"{slot:02X}": str(kind) for slot, kind in sorted(keys.items())}})
        desk.begin_or_resume(CardTask.RENEW, order)
        application = office.scheme.key_application
        desk.open_application(application.aid, domain_of(office.scheme, application.name))
        for slot, algorithm in keys.items():
            _renew_key(desk, slot, algorithm, records)
        revoked = _revoke_replaced(desk, keys, records)
        desk.finish()
    return ChangedCard(desk.serial, True, revoked)


def _renew_key(desk: CardAtDesk, slot: int, algorithm: KeyAlgorithm, records: Mapping[str, Any]) -> None:
    application, name = desk.office.scheme.key_application, f"key {slot:02X}"
    if name in desk.done:
        return
    certificate = b""
    with desk.step(name, lambda: digest({slot: certificate})):
        public_key = application.generate(desk.session, slot, algorithm)
        request = application.request(slot, public_key, records, desk.serial)
        certificate = desk.office.authorities.certify(application.name, request, desk.moment)
        application.store_certificate(desk.session, slot, certificate)
        if application.certificate(desk.session, slot) != certificate:
            raise ReadBackMismatch(f"the certificate in slot {slot:02X} is not the one that was written; renew again")


def _holder(desk: CardAtDesk, keys: Mapping[int, KeyAlgorithm], *, proved: bool) -> dict[str, Any]:
    """The records of the card that certificates are made of; raise PlanMismatch if these keys can't be renewed.

    `proved` to be what the card says, before somebody certifies them.
    """
    application = desk.office.scheme.key_application
    refused = [slot for slot in keys if slot not in application.renewable_slots]
    if refused or not keys:
        usable = ", ".join(f"{slot:02X}" for slot in application.renewable_slots)
        named = ", ".join(f"{slot:02X}" for slot in refused) or "no slot"
        message = f"{named}: only {usable} can be renewed on the same card; for others issue a new one"
        raise plan_mismatch([Problem(application.name, None, "key", message)])
    records = {}
    for name in application.named_by:
        try:
            found = desk.read_contents(name, proved=proved)
        except AppNotFound:
            continue
        records[name] = issuable(desk.office.scheme, name).record_of(found)
    binding = desk.office.scheme.key_application.usual_keys[application.binding_slot]
    problems = application.check(records, {application.binding_slot: binding, **keys}, desk.moment)
    if problems:
        raise plan_mismatch(problems)
    return records


def _revoke_replaced(desk: CardAtDesk, keys: Mapping[int, KeyAlgorithm], records: Mapping[str, Any]) -> int:
    """Revoke what was certified for the slots that have new keys; gives how many certificates that were.

    Those of other slots and of the applications were not touched, so an answer that got lost makes none of them bad.
    """
    application = desk.office.scheme.key_application
    profiles = {
        slot: application.request(slot, b"", records, desk.serial).profile for slot in (*application.usual_keys, *keys)
    }
    renewed = {profiles[slot] for slot in keys}
    kept = {
        slot: application.certificate(desk.session, slot) for slot, profile in profiles.items() if profile in renewed
    }
    if any(kept[slot] is None for slot in keys):
        raise ReadBackMismatch("the card does not show its new certificates; put it in again, and renew again")
    keep = [each for each in kept.values() if each is not None]
    return desk.office.authorities.revoke_others(desk.serial, keep, desk.moment, profiles=renewed)


def unblock_card(session: CardSession, office: IssuingOffice, *, deliver: Deliver, moment: datetime) -> ChangedCard:
    """Set a new random PIN by the right of the office, without the PUK; `deliver` gets it once, and no PUK.

    The PUK and everything else stay as they are. After an error call again: the last PIN that was delivered holds.
    """
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        application = office.scheme.key_application
        desk.begin_or_resume(CardTask.UNBLOCK, b"")
        pin = random_code(PIN_LEN, office.random_bytes)
        try:
            with desk.step("codes"):
                desk.open_application(application.aid, domain_of(office.scheme, application.name))
                application.set_pin(session, pin)
            deliver(pin, None)
        finally:
            pin.wipe()
        desk.finish()
    return ChangedCard(desk.serial, True)


def lock_application(session: CardSession, application: str, office: IssuingOffice, *, moment: datetime) -> ChangedCard:
    """Keep one application from being used, until it is unlocked; its certificates are not suspended by this."""
    return _set_lock(session, application, office, moment, locked=True)


def unlock_application(
    session: CardSession, application: str, office: IssuingOffice, *, moment: datetime
) -> ChangedCard:
    """Let an application be used again."""
    return _set_lock(session, application, office, moment, locked=False)


def _set_lock(
    session: CardSession, application: str, office: IssuingOffice, moment: datetime, *, locked: bool
) -> ChangedCard:
    scheme = office.scheme
    aid = (
        scheme.key_application.aid if application == scheme.key_application.name else issuable(scheme, application).aid
    )
    kind = CardTask.LOCK if locked else CardTask.UNLOCK
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        issuer = desk.open_issuer()
        entry = desk.registry(issuer).get(aid)
        if entry is None:
            raise WrongCard(f"card {desk.serial} has no application {application}; nothing was changed")
        if entry.locked == locked:
            if desk.resume_if(kind, application.encode()):
                desk.finish()
            return ChangedCard(desk.serial, False)
        desk.begin_or_resume(kind, application.encode())
        with desk.step(kind):
            (issuer.lock if locked else issuer.unlock)(aid)
        desk.finish()
    return ChangedCard(desk.serial, True)


def retire_card(session: CardSession, office: IssuingOffice, *, moment: datetime) -> ChangedCard:
    """Put a card out of use for ever: its certificates are revoked, then it is locked and terminated.

    It is the certificates that relying parties look at, so they go first. A card that can't be had any more is only
    revoked: `office.authorities.revoke_card`.
    """
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        last = office.journal.latest(desk.serial)
        if last is not None and (last.kind, last.state) == (CardTask.RETIRE, TaskState.DONE):
            return ChangedCard(desk.serial, False)
        desk.begin_or_resume(CardTask.RETIRE, b"")
        with desk.step("revoke"):
            revoked = office.authorities.revoke_card(desk.serial, moment)
        with desk.step("terminate"):
            _terminate(desk)
        desk.finish()
    return ChangedCard(desk.serial, True, revoked)


def _terminate(desk: CardAtDesk) -> None:
    """Lock the card, then end it; a card that opens no channel any more because it has ended is as it should be."""
    try:
        issuer = desk.open_issuer()
    except StatusError as error:
        if error.sw == StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED and "terminate" in desk.begun:
            return
        raise
    if desk.life_cycle(issuer) is CardLifeCycle.SECURED:
        issuer.set_card_status(CardLifeCycle.CARD_LOCKED)
    issuer.set_card_status(CardLifeCycle.TERMINATED)


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """What `rotate_keys` does."""

    card_serial: str
    domains: Sequence[bytes]
    """AIDs of those that get new keys; what an earlier call that was cut has done is not among them."""
    management_key: bool
    """Whether that of the application with the keys is replaced, too."""
    resumed: bool


def plan_rotation(session: CardSession, new: CardKeys, office: IssuingOffice, *, moment: datetime) -> RotationPlan:
    """What `rotate_keys` would do, without opening a channel, which a card counts; raise as it does.

    The domains are those of the office's scheme. Whether the keys are the card's only a channel shows.
    """
    order = _rotation(new, office)
    with session.transaction():
        desk = CardAtDesk(session, office, moment, also=new)
        resumed = desk.resume(CardTask.ROTATE, order) is not None
        if desk.fresh:
            raise WrongCard(f"card {desk.serial} is not issued yet; its keys are replaced when it is")
        if desk.issuer_keys is new and not resumed:
            return RotationPlan(desk.serial, (), False, False)
        issuer, *others = (each.aid for each in office.scheme.domains)
        old, versions = office.keys.kvn, {aid: desk.key_versions(aid) for aid in (*others, issuer)}
        domains = tuple(aid for aid, found in versions.items() if old in found and new.kvn not in found)
        return RotationPlan(desk.serial, domains, desk.has(office.scheme.key_application.aid), resumed)


def rotate_keys(session: CardSession, new: CardKeys, office: IssuingOffice, *, moment: datetime) -> ChangedCard:
    """Replace the keys of all domains of an issued card, and its management key, by those of `new`.

    The new keys have another version. The supplementary domains go first and the issuer's last, so that a call that
    was cut finds its way: each domain is opened with whichever of the two versions it has. From then on the card
    belongs to an office whose `keys` are `new`.
    """
    order = _rotation(new, office)
    with session.transaction():
        desk = CardAtDesk(session, office, moment, also=new)
        resumed = desk.resume(CardTask.ROTATE, order) is not None
        registry = desk.registry(desk.open_issuer())  # which proves the keys, too
        if desk.issuer_keys is new and not resumed:
            return ChangedCard(desk.serial, False)
        if not registry:  # no MAC says so: nothing is to be left out because somebody on the way did
            raise WrongCard(f"card {desk.serial} says that nothing is installed on it; issue it first")
        if not resumed:
            desk.begin(CardTask.ROTATE, order)
        for aid in (
            *(aid for aid, entry in registry.items() if entry.privileges & Privilege.SECURITY_DOMAIN),
            AID_ISSUER_DOMAIN,
        ):
            if aid == AID_ISSUER_DOMAIN and office.scheme.key_application.aid in registry:
                _replace_management_key(desk, new)
            _replace_keys(desk, aid, new)
        desk.finish()
    return ChangedCard(desk.serial, True)


def _rotation(new: CardKeys, office: IssuingOffice) -> bytes:
    """The task as the journal has it; raise UsageError for keys that nobody could tell from others by their version."""
    taken = office.keys.kvn, office.transport.kvn
    if new.kvn in taken:
        named = " and ".join(f"{kvn:02X}" for kvn in taken)
        raise UsageError(f"the new keys must have another version than {named}, which issued and blank cards have")
    return f"{office.keys.kvn:02X} to {new.kvn:02X}".encode()


def _replace_keys(desk: CardAtDesk, aid: bytes, new: CardKeys) -> None:
    selected, keys = desk.open_with_either(aid, new)
    if keys is None or keys is new:
        return
    with desk.step(f"keys {aid.hex().upper()}"):
        desk.put_keys(selected, new, keys.kvn)


def _replace_management_key(desk: CardAtDesk, new: CardKeys) -> None:
    application = desk.office.scheme.key_application
    domain = domain_of(desk.office.scheme, application.name)
    key = new.management_key(KeyContext(domain.aid, desk.chip_serial))
    try:
        with desk.step("management key"):
            selected = desk.open_application(application.aid, domain, new)
            selected.store_groupings([application.management_key(key)], encrypted=True)
    finally:
        key.wipe()


def _order(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode("ascii")
