"""The tree of commands that the argument parsers form."""

import argparse
from collections.abc import Iterator


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands below this one by name; none if it is no group."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """This command, or all those below it that are no groups."""
    below = subcommands(parser)
    if not below:
        yield parser
    for each in below.values():
        yield from leaves(each)
