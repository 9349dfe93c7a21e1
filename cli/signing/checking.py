"""`ecitizen verify`: signed documents of all kinds checked, each with its verdict."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_moment
from .trusting import add_offline, add_trust, now, revocation_source, trust_store

if TYPE_CHECKING:
    from pki.signed import DocumentReport


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = verify.__doc__
    parser.add_argument("files", metavar="FILE", nargs="+", help="a signed document, or a signature beside its file")
    parser.add_argument("--content", metavar="FILE", help="what the signature is over, if it does not lie beside it")
    add_trust(parser)
    add_offline(parser)
    add_moment(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--report", metavar="PDF", help="save a report for printing")
    parser.add_argument("--font", metavar="FILE", help="with --report: a font with Thai letters")
    parser.set_defaults(run=verify)


def verify(arguments: argparse.Namespace) -> ExitCode:
    """Check signed documents: what was signed, by whom, when, whether it was changed since, and whom to believe.

    The exit code is that of the verdict: 0 valid, 10 altered, 12 untrusted, 13 revoked, 15 expired, 18 cannot tell; of
    several files, that of the worst.
    """
    from ecitizen.errors import UsageError
    from pki.documents import verify_file, verify_files
    from pki.signed import worst

    from ..output import print_json
    from .reports import exit_code_of, json_of, report_lines

    if arguments.content is not None and len(arguments.files) > 1:
        raise UsageError("--content goes with one file; check the others by themselves")
    if arguments.font is not None and arguments.report is None:
        raise UsageError("--font goes with --report PDF")
    store = trust_store(arguments)
    moment = arguments.moment or now()
    revocation = revocation_source(arguments, store)
    paths = [Path(name) for name in arguments.files]
    if arguments.content is None:
        found = verify_files(paths, trust=store, moment=moment, revocation=revocation)
    else:
        content = Path(arguments.content)
        found = iter([verify_file(paths[0], content, trust=store, moment=moment, revocation=revocation)])
    reports = list(zip(arguments.files, found, strict=True))
    verdict = worst(report.verdict for _, report in reports)
    if arguments.report is not None:
        _save_report(arguments, reports)
    test = store is not None and store.policy.test
    if arguments.json:
        print_json(json_of(reports, verdict, test=test))
    else:
        print("\n".join(report_lines(reports, arguments.words, test=test)))
    return exit_code_of(verdict)


def _save_report(arguments: argparse.Namespace, reports: "list[tuple[str, DocumentReport]]") -> None:
    from pki.pdf_report import report_pdf
    from pki.signed_files import write_whole

    from ..output import talk

    font = Path(arguments.font) if arguments.font else None
    write_whole(arguments.report, [report_pdf([(Path(name).name, report) for name, report in reports], font=font)])
    _ = arguments.words.translate
    talk(_("The report was saved as {path}.").format(path=arguments.report))
