"""`ecitizen encrypt`: files encrypted for the holders of cards."""

import argparse

from ..signing.encrypting import add_encrypt


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_encrypt(parser)
