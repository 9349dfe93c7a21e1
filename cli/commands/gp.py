"""`ecitizen gp`: the management of cards (GlobalPlatform): what it says, and its keys."""

import argparse

from ..gp import keys, show


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen gp")
    show.add_info(group.add_parser("info", help="say what a card's management is, and whether its keys are safe"))
    show.add_list(group.add_parser("list", help="list what is installed on the card"))
    of_keys = group.add_parser("keys", help="make master keys, and give cards their keys")
    below = of_keys.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen gp keys")
    keys.add_new(below.add_parser("new", help="make a master key"))
    keys.add_rotate(below.add_parser("rotate", help="replace the keys of a domain on the card"))
