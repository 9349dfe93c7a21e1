"""`ecitizen trace`: another command, with a transcript of what it says to the card."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from ecitizen.transport.trace import Redaction

RAW_TIMES = 2
"""How often --raw must be said: a raw trace of a real card is personal data."""


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = run.__doc__
    parser.usage = "ecitizen trace [-h] [--json] [--raw --raw] [--out FILE] -- COMMAND ..."
    parser.add_argument("--json", action="store_true", dest="json_lines", help="write JSON Lines in place of text")
    parser.add_argument(
        "--raw", action="count", default=0, help="hide nothing, neither PINs nor personal data; must be given twice"
    )
    parser.add_argument("--out", metavar="FILE", help="write the trace to this file, in place of standard error")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run, as in: -- card read")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Run another command of ours and write down every exchange with the card: bytes, words and times.

    PINs, keys and personal data are hidden. The exit code and the output are those of the command.
    """
    from ecitizen.errors import UsageError
    from ecitizen.explain import Narrator
    from ecitizen.transport.base import Transport
    from ecitizen.transport.trace import JsonLinesTrace, TextTrace, TracingTransport

    from ..main import parser  # late: it imports this module
    from ..output import talk

    _ = arguments.words.translate
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words:
        raise UsageError("trace what? Give a command behind --, as in: ecitizen trace -- card read")
    redaction = _redaction(arguments.raw)
    inner = parser().parse_args(words, argparse.Namespace(words=arguments.words))
    if inner.run is run:
        raise UsageError("a trace can't be traced; leave the second `trace` out")
    arguments.json = getattr(inner, "json", False)  # errors look as the command's own would
    sessions = 0

    with _destination(arguments.out) as write:
        sink = JsonLinesTrace(write) if arguments.json_lines else TextTrace(write)

        def wrap(card: Transport) -> Transport:
            nonlocal sessions
            sessions += 1
            return TracingTransport(card, sink, redaction=redaction, narrate=Narrator().words)

        inner.wrap = wrap
        code: ExitCode = inner.run(inner)
    if not sessions:
        talk(_("This command did not talk to a card, so there is nothing in the trace."))
    return code


def _redaction(raw_times: int) -> "Redaction":
    from ecitizen.errors import UsageError
    from ecitizen.transport.trace import Redaction

    if raw_times == 0:
        return Redaction.PINS_KEYS_AND_PERSONAL_DATA
    if raw_times < RAW_TIMES:
        raise UsageError("a raw trace shows PINs and personal data; if you mean it, give --raw twice")
    return Redaction.NOTHING_SHOW_ALL_SECRETS


@contextmanager
def _destination(path: str | None) -> Iterator[Callable[[str], object]]:
    """Where the lines go; a file is for its owner's eyes only. Raise FileFailed if it can't be written."""
    from ecitizen.errors import FileFailed

    from ..files import for_the_owner

    if path is None:
        yield sys.stderr.write
        return

    def failed(error: OSError) -> FileFailed:
        return FileFailed(f"can't write {path}: {error.strerror or error}; choose another place")

    try:
        file = open(path, "w", encoding="utf-8", opener=for_the_owner)  # noqa: SIM115 - closed below
    except OSError as error:
        raise failed(error) from None

    def write(lines: str) -> None:
        try:
            file.write(lines)
            file.flush()  # whatever ends this program, what was said until then is there
        except OSError as error:
            raise failed(error) from None

    try:
        yield write
    finally:
        with suppress(OSError):  # all was flushed, so this says nothing new
            file.close()
