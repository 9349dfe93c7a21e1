"""`ecitizen pin`: the PIN of the card in a reader."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_last_try, add_pin, add_reader, add_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecitizen.ports import PinState
    from ecitizen.session import CardSession
    from ecitizen.usecases.manage_pin import PinPrompt, PinStatus

    from ..language import Words


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen pin")
    status = group.add_parser("status", help="say how many tries are left", description=show_status.__doc__)
    add_reader(status)
    status.set_defaults(run=show_status)

    verify = group.add_parser("verify", help="try the PIN", description=verify_pin.__doc__)
    add_reader(verify)
    add_pin(verify)
    verify.set_defaults(run=verify_pin)

    change = group.add_parser("change", help="replace the PIN, or the PUK", description=change_pin.__doc__)
    change.add_argument("--puk", action="store_true", help="replace the PUK, not the PIN")
    add_reader(change)
    add_pin(change)
    add_secret(change, "--new-pin-fd", "the new PIN")
    add_secret(change, "--puk-fd", "the PUK")
    add_secret(change, "--new-puk-fd", "the new PUK")
    change.set_defaults(run=change_pin)

    unblock = group.add_parser("unblock", help="set a new PIN by means of the PUK", description=unblock_pin.__doc__)
    add_reader(unblock)
    add_secret(unblock, "--puk-fd", "the PUK")
    add_secret(unblock, "--new-pin-fd", "the new PIN")
    add_last_try(unblock)
    unblock.set_defaults(run=unblock_pin)


def show_status(arguments: argparse.Namespace) -> ExitCode:
    """Say how many tries PIN and PUK have left before they are blocked. This uses none of them."""
    from ecitizen.usecases.manage_pin import pin_status
    from ecitizen.usecases.open_card import open_card

    with open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session:
        return _show(pin_status(session), arguments)


def verify_pin(arguments: argparse.Namespace) -> ExitCode:
    """Ask for the PIN and have the card verify it. A wrong one costs a try, the right one gives all tries back."""
    from ecitizen.usecases import manage_pin

    _ = arguments.words.translate
    return _act(manage_pin.verify_pin, arguments, _("The PIN is right."))


def change_pin(arguments: argparse.Namespace) -> ExitCode:
    """Ask for the PIN and a new one, and replace it; with --puk, the same of the PUK.

    A PIN has 6 to 8 digits, a PUK 6 to 8 letters, digits or signs.
    """
    from ecitizen.errors import UsageError
    from ecitizen.usecases import manage_pin

    _ = arguments.words.translate
    others = ("pin_fd", "new_pin_fd") if arguments.puk else ("puk_fd", "new_puk_fd")
    if any(getattr(arguments, name) is not None for name in others):
        wanted = "--puk-fd and --new-puk-fd go with --puk, --pin-fd and --new-pin-fd without it"
        raise UsageError(f"{wanted}; the card was not asked")
    if arguments.puk:
        return _act(manage_pin.change_puk, arguments, _("The PUK was changed."))
    return _act(manage_pin.change_pin, arguments, _("The PIN was changed."))


def unblock_pin(arguments: argparse.Namespace) -> ExitCode:
    """Ask for the PUK and a new PIN, and set it, whether or not the old one is blocked."""
    from ecitizen.usecases import manage_pin

    _ = arguments.words.translate
    return _act(manage_pin.unblock_pin, arguments, _("The PIN is set, and unblocked."))


def _act(deed: "Callable[[CardSession, PinPrompt], PinStatus]", arguments: argparse.Namespace, done: str) -> ExitCode:
    from ecitizen.usecases.open_card import open_card

    from ..output import talk
    from ..prompts import Secrets

    secrets = Secrets(arguments)
    with open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session:
        status = deed(session, secrets)
    talk(done)
    return _show(status, arguments)


def _show(status: "PinStatus", arguments: argparse.Namespace) -> ExitCode:
    from ecitizen.jsonio import plain

    from ..output import print_json

    if arguments.json:
        print_json({"schema_version": 1, **plain(status)})
        return ExitCode.OK
    print(f"PIN: {pin_text(status.pin, arguments.words)}")
    print(f"PUK: {pin_text(status.puk, arguments.words)}")
    return ExitCode.OK


def pin_text(state: "PinState", words: "Words") -> str:
    """What the card tells of a PIN or PUK, in one line."""
    _ = words.translate
    if state.blocked:
        text = _("blocked")
    elif state.retries_left is None:
        text = _("the card does not tell how many tries are left")
    elif state.retries_max is None:
        text = _("tries left: {left}").format(left=state.retries_left)
    else:
        text = _("tries left: {left} of {max}").format(left=state.retries_left, max=state.retries_max)
    if state.is_default:
        text += _(", the one that everybody knows: change it")
    return text
