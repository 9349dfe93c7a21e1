"""The tree of commands that the argument parsers form."""

import argparse
import os
from collections.abc import Callable, Iterator
from typing import Any

_COLUMNS = 80


class Parser(argparse.ArgumentParser):
    """Its subcommands' parsers are such parsers too. A `fill` adds what it takes, but not before it is used.

    So a command line costs what the command in it costs, however many others there are. Options are given in full: a
    `--pin 123456` must not be taken for the beginning of another one.
    """

    help = ""
    """What it does, in a few words, for lists of commands."""

    def __init__(self, *, fill: "Callable[[Parser], None] | None" = None, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **options)
        self._fill = fill
        self.beside: dict[str, Parser] = {}
        """Commands that begin with this one's name, though it is no group, as `sign extend` is beside `sign FILE`."""

    def add_beside(self, name: str, *, help: str) -> "Parser":  # noqa: A002 - as `add_parser` calls it
        """A command of two words, of which this one is the first: taken where the first argument is `name`."""
        below = Parser(prog=f"{self.prog} {name}")
        below.help = help
        self.beside[name] = below
        return below

    def complete(self) -> None:
        """Add what it takes, if that is still to be done."""
        if self._fill is not None:
            fill, self._fill = self._fill, None
            fill(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse with it; argparse, too, comes this way when it is a subcommand that was named."""
        self.complete()
        if args and args[0] in self.beside:
            return self.beside[args[0]].parse_known_args(args[1:], namespace)
        return super().parse_known_args(args, namespace)


class _Formatter(argparse.HelpFormatter):
    """Learns the terminal's width by itself: argparse, which makes one for every option, imports shutil for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_terminal_width() - 2)


def _terminal_width() -> int:
    """Columns of the terminal: as COLUMNS says, as it says itself, or 80."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or _COLUMNS
    except OSError:  # standard output is no terminal
        return _COLUMNS


def subcommands(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The commands below this one by name; none if it is no group."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                below.complete()
            return dict(action.choices)
    return {}


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """This command, or all those below it that are no groups."""
    below = subcommands(parser)
    if not below:
        yield parser
    beside = parser.beside if isinstance(parser, Parser) else {}
    for each in (*below.values(), *beside.values()):
        yield from leaves(each)
