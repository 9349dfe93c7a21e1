"""`ecitizen card update`, `renew`, `unblock`, `lock`, `unlock` and `retire`: what becomes of an issued card."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ecitizen.errors import UsageError

from ..exit_codes import ExitCode
from .work import (
    Outcome,
    PinOut,
    Write,
    add_office,
    add_pin_out,
    confirm_card,
    reporting,
    require_same_card,
    show,
    words_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ecitizen.algorithms import KeyAlgorithm
    from ecitizen.session import CardSession
    from ecitizen.usecases.issuing_office import ChangedCard, IssuingOffice
    from ecitizen.usecases.update_card import UpdatePlan

    from ..language import Words

ISSUED = "issued"
UNFINISHED = "unfinished"
_OFFSET_LEN = 2
"""What stands before the bytes that go inside a file: where."""
CHANGES_MAX_LEN = 1 << 20


class Desk:
    """One act on the card in the reader: it is looked at, asked about, looked at again, and changed."""

    def __init__(
        self, arguments: argparse.Namespace, session: "CardSession", office: "IssuingOffice", moment: "datetime"
    ) -> None:
        self.arguments = arguments
        self.session = session
        self.office = office
        self.moment = moment

    def serial(self) -> str:
        """The chip's; raise WrongCard and CardSpoiled for a card that this office does not change."""
        from ecitizen.usecases.issuing_office import CardAtDesk

        with self.session.transaction():
            desk = CardAtDesk(self.session, self.office, self.moment)
            if desk.fresh:
                from ecitizen.errors import WrongCard

                raise WrongCard(f"card {desk.serial} is not issued yet; use `ecitizen card issue`")
            return desk.serial

    def act(
        self, serial: str, writes: tuple[Write, ...], question: str, done: str, act: "Callable[[], ChangedCard]"
    ) -> ExitCode:
        """Ask, act and tell; in a dry run only tell."""
        from ..output import talk

        _ = self.arguments.words.translate
        state = self._state(serial)
        if state == UNFINISHED:
            talk(
                _("An earlier task on card {serial} was cut. If it was this one, it goes on from there.").format(
                    serial=serial
                )
            )
        outcome = Outcome(serial, self.arguments.dry_run, state, bool(writes), 0, writes)
        if not self.arguments.dry_run:
            if writes:
                confirm_card(self.arguments, question, serial)
                require_same_card(self.session, self.office, self.moment, serial)
            changed = act()
            outcome = replace(outcome, changed=changed.changed, revoked=changed.revoked)
            if not changed.changed:
                done = _("Card {serial} is like that already; nothing was written.")
        return show(self.arguments, outcome, done)

    def _state(self, serial: str) -> str:
        from ecitizen.issuing_ports import TaskState

        entry = self.office.journal.latest(serial)
        return UNFINISHED if entry is not None and entry.state is TaskState.BEGUN else ISSUED


@contextmanager
def _desk(arguments: argparse.Namespace, *, certifying: bool = False) -> Iterator[Desk]:
    from ecitizen.usecases.open_card import open_card
    from pki.template import utc_now

    from .office import open_office

    moment = utc_now()
    with (
        open_office(arguments, moment, certifying=certifying) as office,
        open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session,
    ):
        yield Desk(arguments, session, office, moment)


# What it says


def add_update(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = update.__doc__
    _add_application(parser)
    parser.add_argument("--from", dest="changes", metavar="FILE", help="JSON with the fields that change; null blanks")
    parser.add_argument("--portrait", metavar="FILE", help="a new portrait: any picture")
    add_office(parser, certifying=True)
    parser.set_defaults(run=reporting(update))


def update(arguments: argparse.Namespace) -> ExitCode:
    """Change fields of one application, and have its agency seal it again: one write, all of it or nothing."""
    from ecitizen.usecases.update_card import plan_update, update_card

    _ = arguments.words.translate
    name, changes = arguments.application, _changes(arguments)
    with _desk(arguments, certifying=True) as desk:
        plan = plan_update(desk.session, name, changes, desk.office, moment=desk.moment)
        return desk.act(
            plan.card_serial,
            tuple(_update_writes(plan, words_of(arguments))),
            _("What card {serial} says will be changed. Type its serial to go on: "),
            _("Card {serial} says what it should now; it was read back."),
            lambda: update_card(desk.session, name, changes, desk.office, moment=desk.moment),
        )


def _update_writes(plan: "UpdatePlan", words: "Words") -> Iterator[Write]:
    from ecitizen.usecases.update_card import DGI_PART

    _ = words.translate
    for dgi, length in plan.groupings:
        part, whole = (
            _("write {len:,} bytes inside file {file} of {application}"),
            _("write file {file} of {application}, {len:,} bytes"),
        )
        inside = bool(dgi & DGI_PART)
        size, file = length - _OFFSET_LEN if inside else length, f"{dgi & ~DGI_PART:04X}"
        text = (part if inside else whole).format(len=size, file=file, application=plan.application)
        yield Write(f"file {file}", text, size)
    if plan.changes and plan.sealed:
        yield Write("seal", _("have the agency of {application} seal it again").format(application=plan.application))


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields that change, with their values; raise PlanMismatch for those that have another form."""
    import json

    from cardapps.issuance_record import changes_from_json

    from ..files import read_file

    changes: dict[str, Any] = {}
    if arguments.changes is not None:
        try:
            data = json.loads(read_file(arguments.changes, CHANGES_MAX_LEN).decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise UsageError(f'{arguments.changes} is no JSON; write {{"address": {{...}}}} or the like') from None
        changes = changes_from_json(arguments.application, data)
    if arguments.portrait is not None:
        from cardapps.portrait import INPUT_MAX_LEN, portrait

        changes["photo"] = portrait(read_file(arguments.portrait, INPUT_MAX_LEN))
    if not changes:
        raise UsageError("say what changes: --from FILE, or --portrait FILE")
    return changes


# The holder's keys and codes


def add_renew(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = renew.__doc__
    parser.add_argument(
        "--key", action="append", type=_slot_and_kind, metavar="SLOT=KIND", help="9A or 9C, as 9C=p384 (repeatable)"
    )
    add_office(parser, certifying=True)
    parser.set_defaults(run=reporting(renew))


def renew(arguments: argparse.Namespace) -> ExitCode:
    """Make new keys of the holder on the card, with new certificates, and revoke the old ones.

    Without --key those of 9A and 9C that the card has, on P-256. PIN and PUK stay.
    """
    from ecitizen.usecases.change_card import plan_renewal, renew_card

    _ = arguments.words.translate
    with _desk(arguments, certifying=True) as desk:
        serial = desk.serial()
        keys = dict(arguments.key) if arguments.key else _renewable_keys(desk)
        plan_renewal(desk.session, keys, desk.office, moment=desk.moment)
        return desk.act(
            serial,
            tuple(_renew_writes(keys, words_of(arguments))),
            _("Keys of the holder on card {serial} will be replaced. Type its serial to go on: "),
            _("Card {serial} has new keys and certificates; revoked: {revoked}."),
            lambda: renew_card(desk.session, keys, desk.office, moment=desk.moment),
        )


def _renew_writes(keys: "Mapping[int, KeyAlgorithm]", words: "Words") -> Iterator[Write]:
    _ = words.translate
    for slot, algorithm in keys.items():
        text = _("replace the key in slot {slot} by a new one, {algorithm}, and certify it")
        yield Write(f"key {slot:02X}", text.format(slot=f"{slot:02X}", algorithm=algorithm))
    yield Write("revoke", _("revoke the certificates of the old keys"))


def _renewable_keys(desk: Desk) -> "dict[int, KeyAlgorithm]":
    """Slots with a certificate whose keys can be renewed, each with the usual kind of key."""
    application = desk.office.scheme.key_application
    with desk.session.transaction():
        desk.session.select(application.aid)
        slots = [slot for slot in application.renewable_slots if application.certificate(desk.session, slot)]
    return {slot: application.usual_keys[slot] for slot in slots}


def _slot_and_kind(text: str) -> "tuple[int, KeyAlgorithm]":
    from ..piv.work import key_algorithm, slot

    place, _, kind = text.partition("=")
    return slot(place), key_algorithm(kind)


def add_unblock(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = unblock.__doc__
    add_pin_out(parser, "the new PIN")
    add_office(parser)
    parser.set_defaults(run=reporting(unblock))


def unblock(arguments: argparse.Namespace) -> ExitCode:
    """Set a new random PIN by the right of the office, without the PUK, which stays as it is."""
    from ecitizen.usecases.change_card import unblock_card

    _ = arguments.words.translate
    deliver = PinOut(arguments)
    with _desk(arguments) as desk:
        done = desk.act(
            desk.serial(),
            (_unblock_write(words_of(arguments)),),
            _("Card {serial} gets a new PIN. Type its serial to go on: "),
            _("Card {serial} has a new PIN."),
            lambda: unblock_card(desk.session, desk.office, deliver=deliver, moment=desk.moment),
        )
    deliver.close()
    return done


def _unblock_write(words: "Words") -> Write:
    _ = words.translate
    return Write("codes", _("set a new random PIN"))


# Its life


def add_lock(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = lock.__doc__
    _add_application(parser)
    add_office(parser)
    parser.set_defaults(run=reporting(lock))


def add_unlock(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = unlock.__doc__
    _add_application(parser)
    add_office(parser)
    parser.set_defaults(run=reporting(unlock))


def add_retire(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = retire.__doc__
    add_office(parser)
    parser.set_defaults(run=reporting(retire))


def lock(arguments: argparse.Namespace) -> ExitCode:
    """Keep one application of a card from being used, until it is unlocked. Certificates stay good."""
    from ecitizen.usecases.change_card import lock_application

    _ = arguments.words.translate
    name = arguments.application
    with _desk(arguments) as desk:
        _require_known(desk, name)
        return desk.act(
            desk.serial(),
            (Write("lock", _lock_words(name, words_of(arguments), locked=True)),),
            _("An application of card {serial} will be locked. Type its serial to go on: "),
            _("The application is locked on card {serial}."),
            lambda: lock_application(desk.session, name, desk.office, moment=desk.moment),
        )


def unlock(arguments: argparse.Namespace) -> ExitCode:
    """Let an application of a card be used again."""
    from ecitizen.usecases.change_card import unlock_application

    _ = arguments.words.translate
    name = arguments.application
    with _desk(arguments) as desk:
        _require_known(desk, name)
        return desk.act(
            desk.serial(),
            (Write("unlock", _lock_words(name, words_of(arguments), locked=False)),),
            _("An application of card {serial} will be unlocked. Type its serial to go on: "),
            _("The application can be used again on card {serial}."),
            lambda: unlock_application(desk.session, name, desk.office, moment=desk.moment),
        )


def _require_known(desk: Desk, name: str) -> None:
    """Raise UsageError for an application that no card of this office has."""
    from ecitizen.usecases.issue_plan import issuable

    if name != desk.office.scheme.key_application.name:
        issuable(desk.office.scheme, name)


def _lock_words(name: str, words: "Words", *, locked: bool) -> str:
    _ = words.translate
    text = _("lock {application}") if locked else _("unlock {application}")
    return text.format(application=name)


def retire(arguments: argparse.Namespace) -> ExitCode:
    """Put a card out of use for ever: its certificates are revoked, then it is locked and terminated.

    A card that can't be had any more is revoked with `ecitizen ca revoke`.
    """
    from ecitizen.usecases.change_card import retire_card

    _ = arguments.words.translate
    with _desk(arguments) as desk:
        return desk.act(
            desk.serial(),
            tuple(_retire_writes(words_of(arguments))),
            _("Card {serial} will be ended for ever. Type its serial to go on: "),
            _("Card {serial} is out of use for ever; certificates revoked: {revoked}."),
            lambda: retire_card(desk.session, desk.office, moment=desk.moment),
        )


def _retire_writes(words: "Words") -> Iterator[Write]:
    _ = words.translate
    yield Write("revoke", _("revoke all certificates of the card"))
    yield Write("terminate", _("lock the card and terminate it"))


def _add_application(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("application", metavar="APP", help="the application, as citizen_id")
