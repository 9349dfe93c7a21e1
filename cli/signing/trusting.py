"""Whom a command believes about signers and recipients, and where it gets evidence and timestamps."""

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pki.signed import Level, RevocationSource, TimestampSource
    from pki.trust import TrustStore


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Let a command be told whom to believe."""
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--trust", metavar="DIR", help="believe those whom this trust directory names; docs/trust.md")
    whom.add_argument(
        "--test", action="store_true", help="believe the authorities of fictional holders' cards, and nobody else"
    )


def add_offline(parser: argparse.ArgumentParser) -> None:
    """Let a command be told to fetch nothing."""
    parser.add_argument("--offline", action="store_true", help="fetch no revocation data: use what is there")


def add_timestamps(parser: argparse.ArgumentParser) -> None:
    """Let a command ask a timestamp authority."""
    parser.add_argument("--tsa", metavar="URL", help="the timestamp authority, from level t on")


def now() -> datetime:
    """The present, to the second: no signature's time is finer."""
    from pki.template import utc_now

    return utc_now().replace(microsecond=0)


def trust_store(arguments: argparse.Namespace) -> "TrustStore | None":
    """The trust directory to judge by: one that was named, that of the fictional holders, or this user's.

    The second one is also taken for a card image in place of a card. None if the user has none.
    """
    from ecitizen.usecases.open_card import VIRTUAL_PREFIX
    from pki.trust import TrustStore

    from ..folders import sample_hierarchy_folder, trust_folder

    if arguments.trust is not None:
        return TrustStore.open(arguments.trust)
    if arguments.test or (getattr(arguments, "reader", None) or "").startswith(VIRTUAL_PREFIX):
        from cardapps.hierarchy import Hierarchy

        with Hierarchy.open(sample_hierarchy_folder()) as hierarchy:
            return TrustStore.open(hierarchy.trust_folder)
    usual = trust_folder()
    return TrustStore.open(usual) if usual.is_dir() else None


def revocation_source(arguments: argparse.Namespace, store: "TrustStore | None") -> "RevocationSource | None":
    """Where to fetch what the trust directory does not know; None if it names no such place, or nobody wants that."""
    if store is None or arguments.offline or not store.policy.hosts:
        return None
    from pki.revocation_fetch import RevocationFetcher

    return RevocationFetcher(store.policy.hosts)


def timestamp_source(arguments: argparse.Namespace) -> "TimestampSource | None":
    """The timestamp authority that the command line names. Raise UsageError for what is no address."""
    if arguments.tsa is None:
        return None
    from pki.timestamp_client import TsaClient

    return TsaClient(arguments.tsa)


def check_level(level: "Level", arguments: argparse.Namespace, store: "TrustStore | None") -> None:
    """Raise UsageError if a level needs something that the command line does not name."""
    from ecitizen.errors import UsageError
    from pki.signed import Level

    if level.rank >= Level.T.rank and arguments.tsa is None:
        raise UsageError(f"level {level} needs a timestamp authority: give its address with --tsa URL")
    if level.rank >= Level.LT.rank and store is None:
        raise UsageError(f"level {level} needs a trust directory, by which evidence is chosen: --trust DIR")
