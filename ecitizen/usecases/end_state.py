"""What two cards must have in common to be the same but for chance and time: said here once, and nowhere else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import StatusError
from ..globalplatform import DomainSession
from ..globalplatform_objects import AID_ISSUER_DOMAIN
from ..session import CardSession
from .issuing_office import CardAtDesk, IssuingOffice


@dataclass(frozen=True, slots=True)
class EndState:
    """What is compared of an issued card. Two are equal if these are.

    Left out, since no two runs have them alike: counters of channels; keys that were generated on the card,
    certificates, and signatures (here is only that they are there); random numbers (PIN, PUK, card holder's and
    container's identifiers); times. What the office derives from the chip's serial is not seen, but has opened the
    channels of this look. The chip's serial itself is another card's matter.
    """

    life_cycle: int
    keys: dict[str, tuple[tuple[int, int, int, int], ...]]
    """By domain: identifier, version, type and length of each key."""
    registry: dict[str, tuple[int, int, str | None]]
    """By AID: life cycle, privileges, and the AID of its domain."""
    files: dict[str, dict[int, bytes]]
    """By application: its files as they are."""
    seals: dict[str, tuple[bool, bool]]
    """By application: whether it has a certificate for this card, and a security object."""
    objects: dict[int, bytes | None]
    """Of the application with the keys, by tag; what is random or guarded by the PIN only as far as it is there."""
    certificates: dict[int, bool]
    """By slot: whether it has one."""
    tries: tuple[int | None, int | None]
    defaults: tuple[str, ...]


def end_state(session: CardSession, office: IssuingOffice, moment: datetime) -> EndState:
    """Look at a card with the office's keys.

    Opening channels counts on the card; nothing else changes. Raise what `CardAtDesk` does, and CardError and
    CardProtocolError if the card fails.
    """
    desk = CardAtDesk(session, office, moment)
    issuer = desk.open_issuer()
    registry = desk.registry(issuer)
    life_cycle = desk.life_cycle(issuer)
    scheme = office.scheme
    keys = {_hex(AID_ISSUER_DOMAIN): _keys(issuer)}
    for domain in scheme.domains[1:]:
        if domain.aid in registry:
            selected, _ = desk.open_domain(domain)
            keys[_hex(domain.aid)] = _keys(selected)
    files, seals = {}, {}
    for name, driver in scheme.drivers.items():
        if driver.aid not in registry:
            continue
        found = desk.read_files(name, sealed=True)
        seals[name] = (bool(found.pop(scheme.certificate_file)), bool(found.pop(scheme.seal_file)))
        files[name] = found
    return EndState(
        life_cycle,
        keys,
        {_hex(aid): _entry(entry) for aid, entry in registry.items()},
        files,
        seals,
        **_key_application(desk, scheme.key_application.aid in registry),
    )


def _key_application(desk: CardAtDesk, present: bool) -> dict[str, Any]:
    """What can be seen of the application with the keys, without its PIN."""
    application, session = desk.office.scheme.key_application, desk.session
    if not present:
        return {"objects": {}, "certificates": {}, "tries": (None, None), "defaults": ()}
    session.select(application.aid)
    objects: dict[int, bytes | None] = {}
    for tag in application.objects({}, desk.chip_serial, "", desk.moment, bytes):
        try:
            content = application.read_object(session, tag)
        except StatusError:  # guarded by the PIN: there, if it is there
            content = b""
        objects[tag] = b"" if content and tag in application.random_objects else content
    return {
        "objects": objects,
        "certificates": {slot: application.certificate(session, slot) is not None for slot in application.usual_keys},
        "tries": application.tries_left(session),
        "defaults": application.defaults_left(session),
    }


def _keys(selected: DomainSession) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(sorted((each.kid, each.kvn, each.key_type, each.length) for each in selected.key_information()))


def _entry(entry: Any) -> tuple[int, int, str | None]:
    return (entry.life_cycle, int(entry.privileges), None if entry.domain is None else _hex(entry.domain))


def _hex(aid: bytes) -> str:
    return aid.hex().upper()
