"""`ecitizen exchange`: data of a card handed from one agency to another, and credentials that holders show."""

import argparse

from ..exchange import checking, making, presenting


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen exchange")
    making.add_create(group.add_parser("create", help="hand over fields of a card, signed by the card and the desk"))
    presenting.add_present(group.add_parser("present", help="show parts of a credential to one verifier"))
    checking.add_verify(group.add_parser("verify", help="check what was handed over, and take it once"))
