"""What the commands that issue and change cards share: options, where PIN and PUK go, asking, and telling."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from ecitizen.errors import FileFailed, PlanMismatch, UsageError

from ..exit_codes import ExitCode, exit_code
from ..options import add_reader, add_secret, descriptor

if TYPE_CHECKING:
    from ecitizen.secret import Pin
    from ecitizen.session import CardSession
    from ecitizen.usecases.issuing_office import IssuingOffice

    from ..language import Words

Run = Callable[[argparse.Namespace], ExitCode]
_STANDARD_OUTPUT: Final = 1
_LAST_STANDARD_DESCRIPTOR: Final = 2


@dataclass(frozen=True, slots=True)
class Write:
    """One thing that is done to the card."""

    name: str
    """As the journal calls it."""
    words: str
    bytes: int = 0
    """How many are written, as far as that is known before."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did to a card, or in a dry run would do."""

    card_serial: str
    dry_run: bool
    state: str
    """Before: `blank`, `unfinished` or `issued`."""
    changed: bool
    """False if the card was as it should be already."""
    revoked: int
    """Certificates that are no longer good."""
    writes: tuple[Write, ...]


def add_office(parser: argparse.ArgumentParser, *, certifying: bool = False) -> None:
    """Let a command name the office, the card, and how it asks and tells."""
    parser.add_argument("--office", metavar="FILE", help="who issues: authorities, keys, journal; docs/issuing.md")
    parser.add_argument(
        "--keys", metavar="KEYS", help="master key of the cards: a file of `gp keys new`, or pkcs11:... (else: office)"
    )
    add_secret(parser, "--keys-pin-fd", "the PIN of the token with the master key")
    if certifying:
        add_secret(parser, "--passphrase-fd", "the passphrase of the authorities' keys or the PIN of their token")
        add_secret(parser, "--pin-fd", "the PIN of a card that has an authority's key")
    parser.add_argument("--dry-run", action="store_true", help="write nothing anywhere, say what would be written")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    add_reader(parser)


def add_pin_out(parser: argparse.ArgumentParser, what: str) -> None:
    """Let a command say where new codes go."""
    parser.add_argument(
        "--pin-out",
        type=descriptor,
        metavar="N",
        help=f"write {what} to file descriptor N, once; they are kept nowhere",
    )


class PinOut:
    """Hands the holder's codes on: a line `PIN 123456`, and one `PUK 12345678` if that is new too.

    Making it raises UsageError if there is no descriptor that can be written, which must be known before a card is
    touched; in a dry run, or if no codes will come, there need be none.
    """

    def __init__(self, arguments: argparse.Namespace, *, codes: bool = True) -> None:
        number: int | None = arguments.pin_out
        self._number = number
        if number is None:
            if arguments.dry_run or not codes:
                return
            raise UsageError("say where the new PIN goes: --pin-out N, as in --pin-out 3 3>letter")
        if number == _STANDARD_OUTPUT and arguments.json:
            raise UsageError("JSON is on standard output already; give the PIN another descriptor")
        try:
            os.write(number, b"")
        except OSError as error:
            raise UsageError(f"file descriptor {number} can't be written: {error.strerror}") from None

    def __call__(self, pin: "Pin", puk: "Pin | None") -> None:
        """Write the codes; raise FileFailed if that failed, and the card must be done again."""
        assert self._number is not None
        lines = bytearray(b"PIN " + pin.reveal() + b"\n")
        if puk is not None:
            lines += b"PUK " + puk.reveal() + b"\n"
        try:
            done = 0
            while done < len(lines):
                done += os.write(self._number, lines[done:])
            with suppress(OSError):  # a pipe has nothing to wait for
                os.fsync(self._number)
        except OSError as error:
            raise FileFailed(
                f"the PIN could not be written to file descriptor {self._number}: {error.strerror}; do the same again"
            ) from None
        finally:
            lines[:] = bytes(len(lines))

    def close(self) -> None:
        """Let whoever reads the codes see their end."""
        if self._number is not None and self._number > _LAST_STANDARD_DESCRIPTOR:
            with suppress(OSError):
                os.close(self._number)


def reporting(run: Run) -> Run:
    """Have a command tell each thing that is wrong with a record in a line of its own, in the language spoken."""

    @wraps(run)
    def reported(arguments: argparse.Namespace) -> ExitCode:
        try:
            return run(arguments)
        except PlanMismatch as error:
            _tell_problems(error, arguments)
            return exit_code(error)

    return reported


def _tell_problems(error: PlanMismatch, arguments: argparse.Namespace) -> None:
    from ecitizen.jsonio import plain

    from ..output import print_json, printable, problem_text, talk

    _ = arguments.words.translate
    if arguments.json:
        told = {"code": error.code, "message": str(error), "problems": plain(error.problems)}
        print_json({"error": told})
    talk(_("This can't be written, and the card was not touched:"))
    for problem in error.problems:
        bare = replace(problem, message=problem.message.removeprefix(f"{problem.field}: "))
        talk(f"! {printable(problem_text(bare, arguments.words))}")


def confirm_card(arguments: argparse.Namespace, question: str, serial: str) -> None:
    """Ask for the card's serial, unless the command line said yes. The question has a place for it."""
    from ..prompts import confirm

    if not arguments.yes:
        confirm(question.format(serial=serial), serial, "--yes")


def require_same_card(session: "CardSession", office: "IssuingOffice", moment: Any, serial: str) -> None:
    """Raise UsageError if the card is no longer the one that was looked at and asked about."""
    from ecitizen.usecases.issuing_office import CardAtDesk

    with session.transaction():
        if CardAtDesk(session, office, moment).serial != serial:
            raise UsageError("the card in the reader is another one now; nothing was written")


def words_of(arguments: argparse.Namespace) -> "Words":
    """What is said of writes: to programs always in English."""
    from ..language import asked_for

    return asked_for("en") if arguments.json else arguments.words


def show(arguments: argparse.Namespace, outcome: Outcome, done: str) -> ExitCode:
    """Tell what was done, or in a dry run what would be."""
    from ecitizen.jsonio import plain

    from ..output import print_json, printable, talk

    if arguments.json:
        print_json({"schema_version": 1, **plain(outcome)})
    if not arguments.dry_run:
        talk(done.format(serial=outcome.card_serial, revoked=outcome.revoked))
    elif not arguments.json:
        print("\n".join(map(printable, _foreseen(outcome, arguments.words))))
    return ExitCode.OK


def _foreseen(outcome: Outcome, words: "Words") -> Iterator[str]:
    _ = words.translate
    if not outcome.writes:
        yield _("Nothing was written, and nothing would be: card {serial} is like that already.").format(
            serial=outcome.card_serial
        )
        return
    yield _("Nothing was written. With card {serial} this would be done:").format(serial=outcome.card_serial)
    for write in outcome.writes:
        yield f"  {write.words}"
