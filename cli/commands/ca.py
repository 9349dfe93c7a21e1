"""`ecitizen ca`: the authorities that certify cards and persons, and what they publish."""

import argparse

from ..ca import ceremony, issue, making, serving, sizing, status


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen ca")
    making.add_init(group.add_parser("init", help="make a root and its authorities in a new folder"))
    ceremony.add_ceremony(group.add_parser("ceremony", help="make them before witnesses, or check how it was done"))
    issue.add_issue(group.add_parser("issue", help="issue a certificate for a request"))
    status.add_revoke(group.add_parser("revoke", help="revoke a certificate, or all of a lost card"))
    status.add_suspend(group.add_parser("suspend", help="put a certificate on hold, or all of a card"))
    status.add_reinstate(group.add_parser("reinstate", help="make good again what was suspended"))
    making.add_crl(group.add_parser("crl", help="publish revocation lists, and renew the services' certificates"))
    serving.add_serve(group.add_parser("serve", help="answer OCSP, timestamps and lists over HTTP"))
    sizing.add_sizing(group.add_parser("sizing", help="measure this machine, and say what so many cards need"))
