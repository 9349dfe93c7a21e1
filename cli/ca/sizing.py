"""`ecitizen ca sizing`: what so many cards need of machines like this one."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from pki.sizing import Sizing

    from ..language import Words

KEYS = ("p256", "p384", "rsa2048", "rsa3072")


def add_sizing(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = show.__doc__
    parser.add_argument("--cards", type=int, required=True, metavar="N", help="how many cards")
    parser.add_argument(
        "--revoked", type=float, default=5.0, metavar="PERCENT", help="of unexpired certificates (default: 5)"
    )
    parser.add_argument(
        "--checks", type=float, default=1.0, metavar="N", help="OCSP questions for a card in a day (default: 1)"
    )
    parser.add_argument(
        "--peak", type=float, default=10.0, metavar="N", help="the busiest second against the average (default: 10)"
    )
    parser.add_argument("--key", choices=KEYS, default="p256", help="of authorities and responders (default: p256)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=show)


def show(arguments: argparse.Namespace) -> ExitCode:
    """Measure this machine for a few seconds, and say what lists, answers and storage that many cards come to.

    Lists are those of the persons' authority, which has four certificates on each card; a card has seven in all.
    """
    from dataclasses import asdict

    from ecitizen.algorithms import KeyAlgorithm
    from pki.sizing import Demand, sizing

    from ..output import print_json

    demand = Demand(
        arguments.cards,
        revoked_share=arguments.revoked / 100,
        checks_per_card_and_day=arguments.checks,
        peak=arguments.peak,
        algorithm=KeyAlgorithm(arguments.key),
    )
    found = sizing(demand)
    if arguments.json:
        print_json({"schema_version": 1, **asdict(found)})
    else:
        _print(found, arguments.words)
    return ExitCode.OK


def _print(found: "Sizing", words: "Words") -> None:
    _ = words.translate
    measured, demand = found.measured, found.demand
    print(_("Measured here, on one core, with {key} keys:").format(key=demand.algorithm))
    for label, value in (
        (_("Signatures in a second"), measured.signatures_per_second),
        (_("Certificates issued and recorded in a second"), measured.certificates_per_second),
        (_("OCSP answers in a second"), measured.ocsp_answers_per_second),
        (_("List entries written in a second"), measured.entries_per_second),
        (_("Durable revocations in a second"), measured.revocations_per_second),
    ):
        print(f"  {label}: {value:,.0f}")
    print(
        _("For {cards:,} cards, {share:.1%} of certificates revoked:").format(
            cards=demand.cards, share=demand.revoked_share
        )
    )
    megabytes = found.list_bytes / 1e6
    print(_("  One list: {entries:,} entries, {size:,.1f} MB").format(entries=found.list_entries, size=megabytes))
    kilobytes = found.part_bytes / 1e3
    print(_("  Lists (crl_shards): {count:,}, each {size:,.1f} kB").format(count=found.shards, size=kilobytes))
    print(_("  All lists are made in {seconds:,.1f} s").format(seconds=found.build_seconds))
    text = _("  OCSP: {rate:,.0f} answers in the busiest second, {cores:,.2f} cores")
    print(text.format(rate=found.ocsp_per_second, cores=found.ocsp_cores))
    print(_("  Register: {size:,.1f} GB").format(size=found.register_bytes / 1e9))
    print(_("  Issuing all certificates: {hours:,.1f} hours").format(hours=found.issue_hours))
