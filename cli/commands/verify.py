"""`ecitizen verify`: signed documents checked."""

import argparse

from ..signing.checking import add_verify


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_verify(parser)
