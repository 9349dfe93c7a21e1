"""The `ecitizen` command: parses the command line, runs one command, turns errors into words and an exit code."""

import argparse
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ecitizen.errors import EcitizenError, UsageError
from ecitizen.version import __version__

from . import language
from .exit_codes import ExitCode, exit_code
from .tree import leaves

_COMMANDS = {
    "demo": "see it work: a card inserted, read and shown",
    "reader": "card readers of this machine",
    "card": "what is on a card",
    "emulator": "emulated cards for tests and training",
    "trace": "run a command and write down what it says to the card",
    "explain": "say what bytes between a program and a card mean",
    "doctor": "look for what keeps cards from being read here, and say what to do",
    "completion": "print a script that lets a shell complete our commands",
}
"""Name and help of each command or group; its module in `commands` fills in the rest."""

_COLUMNS = 80


_COLLECT_SELDOM = 100_000
"""New objects between two searches for garbage. Imports make many, all to stay: with the usual 700, searching takes a
sixth of the time of a short command."""


class _Formatter(argparse.HelpFormatter):
    """Learns the terminal's width by itself: argparse, which makes one for every option, imports shutil for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_terminal_width() - 2)


class _Parser(argparse.ArgumentParser):
    """Its subcommands' parsers are such parsers too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, **options)


def _terminal_width() -> int:
    """Columns of the terminal: as COLUMNS says, as it says itself, or 80."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or _COLUMNS
    except OSError:  # standard output is no terminal
        return _COLUMNS


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The command line: the whole of it, or with the options of one command only, which is much quicker to make."""
    top = _Parser(
        prog="ecitizen",
        description="Read, emulate and issue multi-application smart identity cards.",
        epilog="`ecitizen COMMAND --help` tells more. Exit codes and JSON forms: docs/cli.md.",
    )
    top.add_argument("--version", action="version", version=f"ecitizen {__version__}")
    language.add_option(top, default=language.of_locale(os.environ))
    top.set_defaults(wrap=None)  # what `trace` puts around the transport of every card that a command opens
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen")
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if only in {None, name}:
            import_module(f".commands.{name}", __package__).fill(command)
            for leaf in leaves(command):
                language.add_option(leaf)  # before or after the command, as one likes
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT_SELDOM)
    try:
        return _main(argv)
    finally:
        gc.set_threshold(*usual)


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
        return parser(only=next((word for word in line if word in _COMMANDS), "")).parse_args(line, arguments)
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
