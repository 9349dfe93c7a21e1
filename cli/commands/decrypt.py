"""`ecitizen decrypt`: encrypted files opened with the card."""

import argparse

from ..signing.encrypting import add_decrypt


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_decrypt(parser)
