"""What the commands of `ecitizen gp` share: naming a domain, and looking at it before anything is done."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import add_reader, add_secret

if TYPE_CHECKING:
    from ecitizen.globalplatform import DomainSession
    from ecitizen.session import CardSession

    from ..language import Words

ISSUER = "issuer"


@dataclass(frozen=True, slots=True)
class NamedDomain:
    """A security domain on the command line: by the name that we have for it, or by its AID."""

    aid: bytes
    name: str | None

    def shown(self, words: "Words") -> str:
        """How a person knows it."""
        from cardapps.domains import DOMAINS

        known = DOMAINS.get(self.name or "")
        return f"{self.aid.hex().upper()} ({words.choose(known.title)})" if known else self.aid.hex().upper()


def domain(text: str) -> NamedDomain:
    """A domain on the command line. Raise ArgumentTypeError that says which there are."""
    from cardapps.domains import DOMAINS

    if text in DOMAINS:
        return NamedDomain(DOMAINS[text].aid, text)
    try:
        aid = bytes.fromhex(text)
    except ValueError:
        aid = b""
    if not 5 <= len(aid) <= 16:
        known = ", ".join(DOMAINS)
        raise argparse.ArgumentTypeError(f"{text!r} is no domain; take {known}, or an AID in hex")
    return named(aid)


def named(aid: bytes) -> NamedDomain:
    """The domain of an AID, with the name that we have for it."""
    from cardapps.domains import DOMAINS

    return NamedDomain(aid, next((name for name, each in DOMAINS.items() if each.aid == aid), None))


def add_domain(parser: argparse.ArgumentParser, default: str | None = ISSUER, words: str = "default: issuer") -> None:
    """Let a command name the card and the security domain."""
    parser.add_argument(
        "--domain", type=domain, default=default, metavar="DOMAIN", help=f"name or AID of a domain ({words})"
    )
    add_reader(parser)


def add_keys(
    parser: argparse.ArgumentParser,
    option: str = "--keys",
    what: str = "the keys that the card has",
    *,
    required: bool = True,
) -> None:
    """Let a command name keys of cards."""
    parser.add_argument(
        option, metavar="KEYS", required=required, help=f"{what}: test, a file of `gp keys new`, or pkcs11:..."
    )


def add_token_pin(parser: argparse.ArgumentParser) -> None:
    """Let a command open a token."""
    add_secret(parser, "--passphrase-fd", "the PIN of the token with the master key")


def select(session: "CardSession", wanted: NamedDomain, chip_serial: bytes | None = None) -> "DomainSession":
    """Select a domain; for the issuer's, whatever the card has in its place.

    What the chip's number is, is asked of the issuer's domain, since others need not know it.
    """
    from ecitizen.errors import AppNotFound
    from ecitizen.globalplatform import DomainSession

    if wanted.name == ISSUER:
        try:
            return DomainSession.select(session, wanted.aid, chip_serial=chip_serial)
        except AppNotFound:
            return DomainSession.select(session, None, chip_serial=chip_serial)
    if chip_serial is None:
        chip_serial = select(session, domain(ISSUER)).chip_serial()
    return DomainSession.select(session, wanted.aid, chip_serial=chip_serial)
