"""`ecitizen trust`: whom this machine believes, and whether a certificate is to be believed."""

import argparse
from typing import TYPE_CHECKING, Any

from ..exit_codes import ExitCode
from ..options import add_moment

if TYPE_CHECKING:
    from pki.path import PathReport
    from pki.trust import Anchor

    from ..language import Words

REVOCATION_FILE_MAX_LEN = 10 * 1024 * 1024
"""The longest CRL or OCSP response that is read, in bytes."""


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen trust")
    shown = group.add_parser("list", help="list the trusted roots", description=list_anchors.__doc__)
    _add_directory(shown)
    shown.set_defaults(run=list_anchors)

    add = group.add_parser("add", help="trust a root", description=add_anchor.__doc__)
    add.add_argument("file", metavar="FILE", help="its certificate, PEM or DER")
    _add_directory(add)
    add.set_defaults(run=add_anchor)

    remove = group.add_parser("remove", help="trust a root no more", description=remove_anchor.__doc__)
    remove.add_argument("fingerprint", metavar="SHA256", help="its fingerprint, or 8 hex digits of the beginning")
    _add_directory(remove)
    remove.set_defaults(run=remove_anchor)

    check = group.add_parser("check", help="validate a certificate", description=check_certificate.__doc__)
    check.add_argument("file", metavar="CERT", help="the certificate, PEM or DER; others in a PEM file go with it")
    for option, text in (
        ("--anchor", "a trusted root, instead of those of the trust directory (may be repeated)"),
        ("--with", "certificates that may stand between (may be repeated)"),
        ("--crl", "a revocation list (may be repeated)"),
        ("--ocsp", "an OCSP response (may be repeated)"),
    ):
        check.add_argument(option, action="append", default=[], metavar="FILE", dest=f"{option[2:]}_files", help=text)
    add_moment(check)
    check.add_argument(
        "--revocation",
        choices=["require", "if-named", "off"],
        default="require",
        help="whose revocation status must be known (default: require)",
    )
    check.add_argument("--policy", action="append", default=[], metavar="OID", help="an acceptable policy (repeatable)")
    check.add_argument("--explicit-policy", action="store_true", help="the path must be good for an acceptable policy")
    check.add_argument("--no-policy-mapping", action="store_true", help="authorities may not map policies")
    check.add_argument("--no-any-policy", action="store_true", help="anyPolicy does not count")
    _add_directory(check)
    check.set_defaults(run=check_certificate)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", metavar="DIR", help="the trust directory (default: this user's); docs/trust.md")
    parser.add_argument("--json", action="store_true", help="print JSON")


def list_anchors(arguments: argparse.Namespace) -> ExitCode:
    """List the trusted roots: the fingerprint of each, its name, and until when it is valid."""
    from pki.trust import TrustStore

    from ..output import print_json, printable, talk

    _ = arguments.words.translate
    directory = _directory(arguments)
    store = TrustStore.open(directory)
    for line in store.refused:
        talk(_("Left out: {what}").format(what=line))
    if arguments.json:
        print_json({"schema_version": 1, "anchors": [_anchor_json(anchor) for anchor in store.anchors]})
        return ExitCode.OK
    if not store.anchors:
        talk(_("Nobody is trusted. Trust a root: ecitizen trust add FILE"))
    for anchor in store.anchors:
        about = _anchor_json(anchor)
        print(printable(f"{about['sha256']}  {about['subject']}  {about['not_after']}"))
    return ExitCode.OK


def add_anchor(arguments: argparse.Namespace) -> ExitCode:
    """Trust a root from now on. Compare the fingerprint that is shown with one from a source that you trust."""
    from pki.trust import add_anchor as add

    from ..output import print_json, talk

    anchor = add(_directory(arguments), _certificates(arguments.file)[0])
    about = _anchor_json(anchor)
    if arguments.json:
        print_json({"schema_version": 1, **about})
        return ExitCode.OK
    _ = arguments.words.translate
    talk(_("Trusted from now on: {subject}").format(subject=about["subject"]))
    print(about["sha256"])
    return ExitCode.OK


def remove_anchor(arguments: argparse.Namespace) -> ExitCode:
    """Trust a root no more: the one of this SHA-256 fingerprint."""
    from pki.trust import remove_anchor as remove

    from ..output import print_json, talk

    about = _anchor_json(remove(_directory(arguments), arguments.fingerprint))
    if arguments.json:
        print_json({"schema_version": 1, **about})
        return ExitCode.OK
    _ = arguments.words.translate
    talk(_("Trusted no more: {subject}").format(subject=about["subject"]))
    return ExitCode.OK


def check_certificate(arguments: argparse.Namespace) -> ExitCode:
    """Validate a certificate (RFC 5280): is it to be believed, at this moment, by the trusted roots?"""
    from datetime import UTC, datetime

    from pki.path import PolicyRules, RevocationRule, validate

    from ..output import print_json

    anchors = [der for path in arguments.anchor_files for der in _certificates(path)]
    others = [der for path in arguments.with_files for der in _certificates(path)]
    crls = _revocation_data(arguments.crl_files, "X509 CRL")
    ocsps = _revocation_data(arguments.ocsp_files, "OCSP RESPONSE")
    if not anchors or arguments.trust is not None:
        from pki.trust import TrustStore

        store = TrustStore.open(_directory(arguments))
        anchors += [anchor.certificate for anchor in store.anchors]
        others += store.issuers
        crls += store.crls
        ocsps += store.ocsps
    certificate, *companions = _certificates(arguments.file)
    report = validate(
        certificate,
        anchors=anchors,
        others=[*companions, *others],
        crls=crls,
        ocsps=ocsps,
        moment=arguments.moment or datetime.now(UTC),
        revocation=RevocationRule(arguments.revocation),
        policies=PolicyRules(
            frozenset(arguments.policy),
            explicit=arguments.explicit_policy,
            mapping=not arguments.no_policy_mapping,
            any_policy=not arguments.no_any_policy,
        ),
    )
    if arguments.json:
        from ..signing.reports import path_json

        print_json({"schema_version": 1, **path_json(report)})
    else:
        print("\n".join(_report_lines(report, arguments.words)))
    return _exit_code(report)


def _directory(arguments: argparse.Namespace) -> str:
    from ..folders import trust_folder

    return str(arguments.trust if arguments.trust is not None else trust_folder())


def _certificates(path: str) -> list[bytes]:
    from pki.pem import der_from

    from ..files import read_file

    return der_from(read_file(path), "CERTIFICATE")


def _revocation_data(paths: list[str], label: str) -> list[bytes]:
    from pki.pem import der_from

    from ..files import read_file

    return [der for path in paths for der in der_from(read_file(path, REVOCATION_FILE_MAX_LEN), label)]


def _anchor_json(anchor: "Anchor") -> dict[str, Any]:
    from pki.path_candidates import read_candidate

    certificate = read_candidate(anchor.certificate).loose
    return {
        "sha256": anchor.fingerprint,
        "file": anchor.file,
        "subject": certificate.subject.human_friendly,
        "not_after": certificate.not_valid_after.date().isoformat(),
    }


def _report_lines(report: "PathReport", words: "Words") -> list[str]:
    from pki.path import Result

    from ..output import printable

    _ = words.translate
    marks = {Result.PASSED: "+", Result.FAILED: "!", Result.UNKNOWN: "?", Result.NOTED: "-"}
    lines = [f"{_('Verdict')}: {report.verdict.value}"]
    for finding in report.findings:
        details = ", ".join(f"{name}: {value}" for name, value in finding.evidence.items() if value)
        lines.append(
            f"{marks[finding.result]} {words.choose(finding.text)}{f' [{printable(details)}]' if details else ''}"
        )
    return lines


def _exit_code(report: "PathReport") -> ExitCode:
    from pki.path import Verdict

    if report.verdict is Verdict.VALID:
        return ExitCode.OK
    return ExitCode[report.verdict.name]
