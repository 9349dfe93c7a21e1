"""Working with a signing card: finding it, choosing a slot, and proving that one may change it."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..options import add_pin

if TYPE_CHECKING:
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import Slot
    from ecitizen.algorithms import KeyAlgorithm
    from ecitizen.secret import KeyBytes
    from ecitizen.session import CardSession

    from ..language import Words
    from ..prompts import Secrets


def slot(text: str) -> "Slot":
    """A slot on the command line: its key reference in hex. Raise ArgumentTypeError that says which there are."""
    from cardapps.piv.layout import Slot

    try:
        return Slot(int(text, 16))
    except ValueError:
        known = "9A, 9C, 9D, 9E, 82 to 95 (retired keys) or F9 (attestation)"
        raise argparse.ArgumentTypeError(f"{text!r} is no slot; take {known}") from None


def key_algorithm(text: str) -> "KeyAlgorithm":
    """A kind of key on the command line. Raise ArgumentTypeError that says which there are."""
    from ecitizen.algorithms import KeyAlgorithm

    try:
        return KeyAlgorithm(text.casefold())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no kind of key; take {', '.join(KeyAlgorithm)}") from None


def add_slot(parser: argparse.ArgumentParser) -> None:
    """Let a command name a slot."""
    parser.add_argument("slot", type=slot, metavar="SLOT", help="the key's place: 9A, 9C, 9D, 9E, 82 to 95, F9")


def add_key_use(parser: argparse.ArgumentParser) -> None:
    """Let a command use a key on the card."""
    add_pin(parser)
    parser.add_argument(
        "--public-key", metavar="FILE", help="the public half (PEM), for a card that does not tell it itself"
    )


@contextmanager
def card(arguments: argparse.Namespace) -> "Iterator[CardSession]":
    """The card that the command line names."""
    from ecitizen.usecases.open_card import open_card

    with open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session:
        yield session


@contextmanager
def selected(session: "CardSession") -> "Iterator[PivSession]":
    """The signing application, selected, and other programs kept off the card: ask nobody in here."""
    from cardapps.piv.driver import PivSession  # late: only cards need it, not the command line

    with session.transaction():
        yield PivSession.select(session)


@contextmanager
def using_key(
    session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace
) -> "Iterator[tuple[PivSession, bytes | None]]":
    """The application and the public key that the command line gives, for work that may ask for the PIN.

    Other programs can use the card meanwhile, but not with the PIN that was asked for here: the card is told to
    forget it at the end.
    """
    from cardapps.piv.driver import PivSession

    public_key = _public_key(arguments.public_key) if arguments.public_key is not None else None
    piv = PivSession.select(session)
    try:
        yield piv, public_key
    finally:
        if secrets.pin_was_asked:
            end_verification(session)


def end_verification(session: "CardSession") -> None:
    """Have the card forget that the PIN was verified; a card that can't, or is gone, is no error."""
    from ecitizen.errors import EcitizenError

    with suppress(EcitizenError), selected(session) as piv:
        piv.end_verification()


def _public_key(path: str) -> bytes:
    from pki.keys import load_public_key

    from ..files import LABEL_PUBLIC_KEY, block_in, read_file

    der = block_in(read_file(path), LABEL_PUBLIC_KEY, path)
    load_public_key(der)
    return der


@contextmanager
def managed(session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace) -> "Iterator[PivSession]":
    """The same, with the right to change what is on the card; asks for the management key, if it must, before."""
    key = _known_management_key(session, secrets, arguments) or secrets.management_key()
    with selected(session) as piv:
        try:
            piv.authenticate_management(key)
        finally:
            key.wipe()
        yield piv


def _known_management_key(
    session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace
) -> "KeyBytes | None":
    """The key that everybody knows, if the caller says so or else the card does and no other key was given."""
    from cardapps.piv.layout import DEFAULT_MANAGEMENT_KEY
    from ecitizen.secret import KeyBytes

    if secrets.has_management_key:
        return None
    if not arguments.management_key_default:
        with selected(session) as piv:
            metadata = piv.management_metadata()
        if metadata is None or not metadata.is_default:
            return None
        _warn_of_default(arguments.words)
    return KeyBytes(DEFAULT_MANAGEMENT_KEY)


def _warn_of_default(words: "Words") -> None:
    from ..output import talk

    _ = words.translate
    talk(_("This card still has the management key that everybody knows: anyone may change its keys."))
