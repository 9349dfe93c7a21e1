"""`ecitizen card`: what is on the card in a reader; issuing it, changing it, ending it."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..issuing import change, issue
from ..options import add_moment, add_reader

if TYPE_CHECKING:
    from pathlib import Path

    from ecitizen.model import CardReading
    from ecitizen.ports import Driver

    from ..language import Words


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen card")
    read = group.add_parser("read", help="read the card's applications", description=read_card.__doc__)
    add_reader(read)
    read.add_argument("--app", action="append", metavar="APP", help="read this application (may be repeated)")
    read.add_argument(
        "--field", action="append", metavar="APP.FIELD", help="read this field, as citizen_id.name_th (may be repeated)"
    )
    photo = read.add_mutually_exclusive_group()
    photo.add_argument("--photo", metavar="FILE", help="save the portrait, a JPEG file")
    photo.add_argument("--no-photo", action="store_true", help="leave the portrait out: much quicker")
    read.set_defaults(run=read_card)

    verify = group.add_parser("verify", help="say whether the card is genuine", description=verify_card.__doc__)
    add_reader(verify)
    verify.add_argument("--trust", metavar="DIR", help="believe those whom this trust directory names; docs/trust.md")
    verify.add_argument("--offline", action="store_true", help="fetch nothing: judge by what the trust directory holds")
    add_moment(verify)
    verify.set_defaults(run=verify_card)

    info = group.add_parser("info", help="say what kind of card this is", description=show_info.__doc__)
    add_reader(info)
    info.set_defaults(run=show_info)

    issue.add_issue(group.add_parser("issue", help="make a blank card a person's"))
    change.add_update(group.add_parser("update", help="change what one application says"))
    change.add_renew(group.add_parser("renew", help="give the holder new keys and certificates on the same card"))
    change.add_unblock(group.add_parser("unblock", help="set a new PIN by the right of the office"))
    change.add_lock(group.add_parser("lock", help="keep an application from being used"))
    change.add_unlock(group.add_parser("unlock", help="let it be used again"))
    change.add_retire(group.add_parser("retire", help="put a card out of use for ever"))


def read_card(arguments: argparse.Namespace) -> ExitCode:
    """Read the card: all its applications, or those and the fields that are named; text first, photo last."""
    from ecitizen.apps import installed_drivers
    from ecitizen.jsonio import to_json
    from ecitizen.usecases import read_card as use_case
    from ecitizen.usecases.open_card import open_card

    from ..output import ProgressBar, print_json, reading_lines

    drivers = installed_drivers()
    bar = ProgressBar()

    def on_event(event: use_case.CardEvent) -> None:
        if isinstance(event, use_case.Progress):
            bar.show(event.percent, event.application)

    try:
        with open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session:
            reading = use_case.read_card(
                session,
                apps=arguments.app,
                fields=_fields(arguments, drivers),
                photo=not arguments.no_photo,
                on_event=on_event,
            )
    finally:
        bar.clear()
    complete = reading.complete
    if arguments.photo:
        complete = _save_photo(reading, arguments.photo, arguments.words) and complete
    if arguments.json:
        print_json(to_json(reading))
    else:
        print("\n".join(reading_lines(reading, drivers, arguments.words)))
    return ExitCode.OK if complete else ExitCode.PROBLEMS


def _fields(arguments: argparse.Namespace, drivers: "tuple[Driver, ...]") -> list[str] | None:
    """The fields that the command line asks for: those that it names, and the photo if it is to be saved."""
    named: list[str] = list(arguments.field or ())
    if arguments.photo and (arguments.app or named):
        named += [f"{driver.name}.{driver.photo_field}" for driver in drivers if driver.photo_field]
    return named or None


def _save_photo(reading: "CardReading", path: str, words: "Words") -> bool:
    """Save the portrait and say so; False if there is none."""
    from ..output import talk
    from ..photo import photo_of, save

    _ = words.translate
    photo = photo_of(reading)
    if photo is None:
        talk(_("The card gave no photo; nothing was saved."))
        return False
    save(photo, path)
    talk(_("The photo was saved as {path}.").format(path=path))
    return True


def verify_card(arguments: argparse.Namespace) -> ExitCode:
    """Say whether the card is genuine: who signed its data, whether they may, and whether it is the card they meant."""
    from ecitizen.apps import installed_drivers
    from ecitizen.usecases import verify_card as use_case
    from ecitizen.usecases.open_card import open_card

    from ..output import print_json
    from ..verdicts import exit_code_of, json_of, verification_lines

    trust = _trust(arguments)
    with open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session:
        found = use_case.verify_card(session, trust=trust, moment=arguments.moment, offline=arguments.offline)
    if arguments.json:
        print_json(json_of(found))
    else:
        print("\n".join(verification_lines(found, installed_drivers(), arguments.words)))
    return exit_code_of(found.verdict)


def _trust(arguments: argparse.Namespace) -> "str | Path | None":
    """The trust directory to judge by; only for card images, which are no cards, the test hierarchy's."""
    from ecitizen.usecases.open_card import VIRTUAL_PREFIX

    from ..folders import sample_hierarchy_folder, trust_folder

    if arguments.trust is not None:
        return str(arguments.trust)
    if (arguments.reader or "").startswith(VIRTUAL_PREFIX):
        from cardapps.hierarchy import Hierarchy  # late: it brings the cryptography package

        with Hierarchy.open(sample_hierarchy_folder()) as hierarchy:
            return hierarchy.trust_folder
    usual = trust_folder()
    return usual if usual.is_dir() else None


def show_info(arguments: argparse.Namespace) -> ExitCode:
    """Say what kind of card this is: its answer to reset, speed, and which applications it has."""
    from ecitizen.apps import installed_drivers, installed_pins
    from ecitizen.jsonio import plain
    from ecitizen.usecases.card_info import card_info
    from ecitizen.usecases.open_card import open_card

    from ..output import print_json

    with open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session:
        info = card_info(session)
    if arguments.json:
        print_json({"schema_version": 1, **plain(info)})
        return ExitCode.OK
    _ = arguments.words.translate
    speed = _("unknown")
    if info.bits_per_second:
        speed = _("{speed:,} bit/s at 4 MHz (Fi {fi}, Di {di})").format(
            speed=info.bits_per_second, fi=info.fi, di=info.di
        )
    offered = _(" and ").join(info.protocols) or _("nothing readable")
    used = _("{protocol} (the card offers {offered})").format(protocol=info.link.protocol, offered=offered)
    print(f"{_('Reader')}: {info.reader}")
    print(f"ATR: {info.atr} ({info.historical})")
    print(f"{_('Protocol')}: {used}")
    print(f"{_('Link speed')}: {speed}")
    titles = {driver.name: arguments.words.choose(driver.title) for driver in installed_drivers()}
    titles |= {name: _("Signing application") for name in installed_pins()}
    for name, title in titles.items():
        print(f"{title} [{name}]: {_('yes') if info.applications[name] else _('no')}")
    return ExitCode.OK
