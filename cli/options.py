"""Options that many commands take: the reader, and where PINs and keys come from."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

WAIT_SECONDS = 2.0
"""How long a command waits for a card, unless told otherwise: a reader takes a moment to notice one."""

DESCRIPTOR_MAX = (1 << 31) - 1
"""What a file descriptor can be: a C int."""


def add_reader(parser: argparse.ArgumentParser) -> None:
    """Let a command choose the card, how long to wait for it, and its output."""
    parser.add_argument(
        "--reader", metavar="NAME", help="part of a PC/SC reader's name, or virtual:FILE for a card image"
    )
    parser.add_argument(
        "--wait", type=seconds, default=WAIT_SECONDS, metavar="SECONDS", help="how long to wait for a card (default: 2)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_secret(parser: argparse.ArgumentParser, option: str, what: str) -> None:
    """Let a command read one secret from a file descriptor; without the option it asks at the terminal."""
    parser.add_argument(
        option, type=descriptor, metavar="N", help=f"read {what} from file descriptor N, not from the terminal"
    )


def add_pin(parser: argparse.ArgumentParser) -> None:
    """Let a command have the card verify the PIN."""
    add_secret(parser, "--pin-fd", "the PIN")
    add_last_try(parser)


def add_last_try(parser: argparse.ArgumentParser) -> None:
    """Let the caller say beforehand that the last try may be used."""
    parser.add_argument("--last-try", action="store_true", help="go on even if one try is left before it is blocked")


def add_management_key(parser: argparse.ArgumentParser) -> None:
    """Let a command change what is on the card."""
    add_secret(parser, "--management-key-fd", "the management key, in hex,")
    parser.add_argument(
        "--management-key-default", action="store_true", help="use the management key that tokens are delivered with"
    )


def add_moment(parser: argparse.ArgumentParser) -> None:
    """Let a command check things as of another time than now."""
    parser.add_argument(
        "--moment", type=moment, metavar="T", help="as of this time, as 2026-11-22T09:00:00+07:00; without zone UTC"
    )


def moment(text: str) -> "datetime":
    """A time on the command line, ISO 8601; UTC if it names no zone. Raise ValueError as `seconds` does."""
    from datetime import UTC, datetime  # late: few commands need it

    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def seconds(text: str) -> float:
    """A time on the command line, 0 or more. Raise ValueError, of which argparse makes a message with our name."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def descriptor(text: str) -> int:
    """A number of an open file on the command line. Raise ValueError as `seconds` does."""
    value = int(text)
    if not 0 <= value <= DESCRIPTOR_MAX:
        raise ValueError
    return value
