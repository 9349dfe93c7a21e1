"""Opening the authorities of a folder: their register, and their keys wherever they are kept."""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import add_secret

if TYPE_CHECKING:
    from datetime import datetime

    from ecitizen.ports import Signer
    from ecitizen.secret import KeyBytes
    from pki.hierarchy import Hierarchy
    from pki.key_source import KeySource

    from ..prompts import Secrets


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Let a command name the folder of the authorities."""
    parser.add_argument("folder", metavar="DIR", help="the folder of the authorities")


def add_keys(parser: argparse.ArgumentParser, *, shares: bool = False) -> None:
    """Let a command open keys."""
    add_secret(parser, "--passphrase-fd", "the passphrase of key files or the PIN of a token")
    add_secret(parser, "--pin-fd", "the PIN of a card that has a key")
    if shares:
        parser.add_argument(
            "--share",
            action="append",
            metavar="FILE",
            help="a holder's share of what opens the root's key (repeat for each holder)",
        )


def add_moment(parser: argparse.ArgumentParser) -> None:
    """Let a command be told when something happened."""
    parser.add_argument(
        "--at", type=moment, metavar="TIME", help="when it happened, as 2026-11-22T09:30+07:00 (default: now)"
    )


def moment(text: str) -> "datetime":
    """A time on the command line. Raise ArgumentTypeError for one without a time zone."""
    from datetime import datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with its zone, as 2026-11-22T09:30+07:00")
    return found


def now_or(given: "datetime | None") -> "datetime":
    """The time that the command line says, or the present."""
    from pki.template import utc_now

    return given or utc_now()


@contextmanager
def authorities(arguments: argparse.Namespace) -> "Iterator[Hierarchy]":
    """The authorities of the folder; their keys are opened when a command needs them."""
    from pki.hierarchy import Hierarchy

    with keys(arguments) as source, Hierarchy.open(Path(arguments.folder), source) as opened:
        yield opened


@contextmanager
def keys(arguments: argparse.Namespace) -> "Iterator[KeySource]":
    """Keys of the folder, on tokens, and on cards. A passphrase is asked for once, and for the root's by shares."""
    from pki.hierarchy import KEYS
    from pki.key_source import KeySource

    from ..prompts import Secrets

    secrets = Secrets(arguments)
    asked: dict[str, KeyBytes] = {}

    def passphrase(reference: str) -> "KeyBytes":
        root = _passphrase_by_shares(arguments) if reference == "file:root.pem" else None
        if root is not None:
            return root
        if not asked:
            asked["passphrase"] = secrets.passphrase()
        return asked["passphrase"]

    with ExitStack() as cards:

        def card_key(place: str) -> "Signer":
            return _card_signer(place, arguments, secrets, cards)

        folder = Path(getattr(arguments, "folder", None) or ".") / KEYS
        yield cards.enter_context(KeySource(folder, passphrase=passphrase, pin=passphrase, openers={"piv": card_key}))


def _passphrase_by_shares(arguments: argparse.Namespace) -> "KeyBytes | None":
    """What the holders' shares make, if the command line names any."""
    from ecitizen.secret import KeyBytes
    from pki.shares import Share, combine

    from ..files import read_file

    paths = getattr(arguments, "share", None)
    if not paths:
        return None
    shares = [Share.parse(read_file(path, 4096).decode("utf-8", "replace")) for path in paths]
    return KeyBytes(combine(shares).reveal().hex().encode("ascii"))


def _card_signer(place: str, arguments: argparse.Namespace, secrets: "Secrets", cards: ExitStack) -> "Signer":
    """The key in a card's slot: `9c`, or `9c@part of the reader's name`."""
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import Slot
    from ecitizen.errors import UsageError
    from ecitizen.usecases.open_card import open_card

    from ..options import WAIT_SECONDS

    slot, _, reader = place.partition("@")
    try:
        number = Slot(int(slot, 16))
    except ValueError:
        raise UsageError(f"{slot!r} is no slot of a card; a key on a card is named like piv:9c@READER") from None
    session = cards.enter_context(open_card(reader or None, wait=WAIT_SECONDS, wrap=arguments.wrap))
    return PivSession.select(session).signer(number, secrets.pin)
