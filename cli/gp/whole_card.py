"""`ecitizen gp keys rotate` on an issued card: the keys of all its domains, by the office and with its journal."""

import argparse
from typing import TYPE_CHECKING

from .keys import KeyWrite, Rotation, ask, require_card

if TYPE_CHECKING:
    from ecitizen.session import CardSession
    from ecitizen.usecases.change_card import RotationPlan
    from ecitizen.usecases.issuing_office import CardKeys, IssuingOffice

    from .key_source import CardKeySource


def is_whole(arguments: argparse.Namespace, session: "CardSession", serial: str) -> bool:
    """Whether it is the office that rotates: the card is in its journal, or has domains of agencies.

    Raise UsageError if one domain of a card is named that the journal knows: with keys of its own the office would
    not find its way into it any more.
    """
    from ecitizen.errors import UsageError

    from ..issuing.office import is_known

    known = is_known(arguments, serial)
    if arguments.domain is None:
        return known or _has_agencies(session)
    if known:
        raise UsageError(
            f"card {serial} is in the office's journal, and all its domains have keys of one master; leave out --domain"
        )
    return False


def rotate_card(
    arguments: argparse.Namespace, session: "CardSession", serial: str, source: "CardKeySource"
) -> Rotation:
    """Replace the keys of a whole card, or go on where an earlier run was cut; in a dry run only say so."""
    from ecitizen.usecases.change_card import plan_rotation, rotate_keys
    from pki.template import utc_now

    from ..issuing.office import issuing_keys, open_office
    from ..output import talk

    _ = arguments.words.translate
    moment = utc_now()
    # The office certifies nothing here, so the one secret there may be is the PIN of a token, which `source` asks for.
    bare = argparse.Namespace(**{**vars(arguments), "keys_pin_fd": None, "passphrase_fd": None, "pin_fd": None})
    with open_office(bare, moment, source=source) as office:
        new = issuing_keys(source, arguments.new_keys)
        plan = plan_rotation(session, new, office, moment=moment)
        rotation = _rotation(plan, office, new, bytes.fromhex(serial))
        if plan.resumed:
            talk(_("An earlier run on card {serial} was cut, and this goes on from there.").format(serial=serial))
        if rotation.changes and not arguments.dry_run:
            ask(arguments, serial)
            require_card(session, serial)
            rotate_keys(session, new, office, moment=moment)
    return rotation


def _rotation(plan: "RotationPlan", office: "IssuingOffice", new: "CardKeys", chip_serial: bytes) -> Rotation:
    from ecitizen.key_providers import KeyContext

    writes = []
    for aid in plan.domains:
        values = tuple(each.hex().upper() for each in new.check_values(KeyContext(aid, chip_serial)))
        writes.append(KeyWrite(aid.hex().upper(), office.keys.kvn, new.kvn, values))
    return Rotation(plan.card_serial, tuple(writes), plan.management_key, new.unsafe)


def _has_agencies(session: "CardSession") -> bool:
    """Whether the card has a domain besides the issuer's."""
    from cardapps.domains import AGENCIES
    from ecitizen.errors import AppNotFound

    with session.transaction():
        for each in AGENCIES:
            try:
                session.select(each.aid)
            except AppNotFound:
                continue
            return True
    return False
