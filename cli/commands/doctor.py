"""`ecitizen doctor`: what keeps cards from being read on this machine."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from ..doctor.finding import Check, Finding, Translate

MARKS = {"ok": "+", "warning": "!", "error": "x"}


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = run.__doc__
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Look at everything that must be right for cards to be read here, and say of what is not how to cure it.

    Works without a reader, and without pyscard. The exit code is 1 if something keeps cards from being read.
    """
    from ..doctor.finding import Severity
    from ..output import print_json

    found: list[Finding] = []
    if arguments.json:
        found += findings(str)  # English, whatever the person speaks: programs and reports compare it
        rows = [
            {"code": each.code, "severity": each.severity.value, "text": each.text, "cure": each.cure} for each in found
        ]
        print_json({"schema_version": 1, "findings": rows})
    else:
        _ = arguments.words.translate
        for finding in findings(_):
            found.append(finding)
            print(f"{MARKS[finding.severity]} {finding.text} [{finding.code}]", flush=True)
            if finding.cure:
                print(f"    {finding.cure}", flush=True)
        count = sum(finding.severity is Severity.ERROR for finding in found)
        print(_("Errors: {count}").format(count=count) if count else _("Nothing keeps cards from being read here."))
    return ExitCode.PROBLEMS if any(each.severity is Severity.ERROR for each in found) else ExitCode.OK


def findings(translate: "Translate") -> "Iterator[Finding]":
    """What all checks find, in the order in which one would cure it."""
    for check in _checks():
        yield from check(translate)


def _checks() -> "tuple[Check, ...]":
    from ..doctor import cards, installation, pcsc, vpcd

    return (
        installation.python,
        installation.packages,
        installation.applications,
        installation.terminal,
        pcsc.binding,
        pcsc.service,
        pcsc.readers,
        cards.keys,
        vpcd.virtual_reader,
    )
