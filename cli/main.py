"""The `ecitizen` command: parses the command line, runs one command, turns errors into words and an exit code."""

import argparse
import gc
import io
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from ecitizen.errors import EcitizenError, UsageError
from ecitizen.version import __version__

from . import language
from .exit_codes import ExitCode, exit_code
from .tree import Parser, leaves

_COMMANDS = {
    "demo": "see it work: a card inserted, read and shown",
    "reader": "card readers of this machine",
    "card": "what is on a card",
    "pin": "the PIN of a card: tries left, change, unblock",
    "piv": "the signing card: keys, certificates, signatures",
    "gp": "the management of cards: what is installed, and keys",
    "sign": "sign documents with the card; `sign extend` makes signatures last",
    "verify": "check signed documents: by whom, when, and whether they were changed",
    "encrypt": "encrypt files for the holders of cards",
    "decrypt": "open encrypted files with the card",
    "exchange": "hand data of a card from one agency to another, and check them",
    "auth": "sign in to web servers with the card",
    "trust": "whom this machine believes, and which certificates",
    "ca": "the authorities that certify cards and persons",
    "emulator": "emulated cards for tests and training",
    "trace": "run a command and write down what it says to the card",
    "explain": "say what bytes between a program and a card mean",
    "doctor": "look for what keeps cards from being read here, and say what to do",
    "completion": "print a script that lets a shell complete our commands",
}
"""Name and help of each command or group; its module in `commands` fills in the rest."""

_COLLECT_SELDOM = 100_000
"""New objects between two searches for garbage. Imports make many, all to stay: with the usual 700, searching takes a
sixth of the time of a short command."""


def parser() -> Parser:
    """The command line. A command's module is imported when the command is used, or looked at with `tree`."""
    top = Parser(
        prog="ecitizen",
        description="Read, emulate and issue multi-application smart identity cards.",
        epilog="`ecitizen COMMAND --help` tells more. Exit codes and JSON forms: docs/cli.md.",
    )
    top.add_argument("--version", action="version", version=f"ecitizen {__version__}")
    language.add_option(top, default=language.of_locale(os.environ))
    top.set_defaults(wrap=None)  # what `trace` puts around the transport of every card that a command opens
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen")
    for name, summary in _COMMANDS.items():
        commands.add_parser(name, help=summary, fill=partial(_fill, name))
    return top


def _fill(name: str, command: Parser) -> None:
    import_module(f".commands.{name}", __package__).fill(command)
    for leaf in leaves(command):
        language.add_option(leaf)  # before or after the command, as one likes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT_SELDOM)
    try:
        return _main(argv)
    finally:
        gc.set_threshold(*usual)
        if argv is None:
            gc.freeze()  # the process ends here, and all its memory with it: Python need not search that for garbage


def _main(argv: Sequence[str] | None) -> int:
    _take_any_text()
    line = sys.argv[1:] if argv is None else argv
    arguments = _parse(line)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
    except EcitizenError as error:
        return _report(error, arguments.words, as_json=getattr(arguments, "json", False))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone; Python would complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OTHER
    return int(code)


def _parse(line: Sequence[str]) -> argparse.Namespace:
    """The command line, parsed. What the parser has to say is English; where Thai is spoken, what it means follows."""
    arguments = argparse.Namespace()
    try:
        return parser().parse_args(line, arguments)
    except SystemExit as stop:
        if stop.code == ExitCode.USAGE and arguments.words.language is language.Language.TH:
            print(f"ecitizen: {arguments.words.meaning(UsageError.code)}", file=sys.stderr)
        raise


def _take_any_text() -> None:
    """Print what the terminal's character set lacks (Thai, in the C locale) as escapes: never fail for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: EcitizenError, words: language.Words, *, as_json: bool) -> ExitCode:
    if as_json:
        from .output import print_json  # late: only errors of programs' calls need it

        print_json({"error": {"code": error.code, "message": str(error)}})
    print(f"ecitizen: {words.error(error)}", file=sys.stderr)
    return exit_code(error)
