"""`ecitizen exchange verify`: whether a data package or a credential may be used here, and what is in it."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exit_codes import ExitCode
from ..options import add_moment
from ..signing.trusting import add_offline, add_trust, now, revocation_source, trust_store

if TYPE_CHECKING:
    from pki.exchange import ExchangeReport, ExchangeVerdict
    from pki.exchange_replay import ReplayGuard

    from ..language import Words

PACKAGE_MAX_LEN = 4 << 20
"""In bytes; what the library takes."""


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = verify.__doc__
    parser.add_argument("file", metavar="FILE", help="a package, or what the holder shows of a credential")
    parser.add_argument("--recipient", required=True, metavar="AGENCY", help="who we are: for others it is refused")
    parser.add_argument(
        "--purpose", action="append", metavar="CODE", help="what the data are used for here (repeatable; default: any)"
    )
    parser.add_argument("--nonce", metavar="TEXT", help="of a credential: what we gave the holder for this time")
    memory = parser.add_mutually_exclusive_group()
    memory.add_argument("--taken", metavar="FILE", help="remember here what was taken (default: this user's own file)")
    memory.add_argument("--again", action="store_true", help="do not ask whether it was taken before, nor remember it")
    add_trust(parser)
    add_offline(parser)
    add_moment(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=verify)


def verify(arguments: argparse.Namespace) -> ExitCode:
    """Check a data package, or what a holder shows of a credential, and give the data if they may be used.

    Each is taken once: what was taken is remembered until it expires.
    """
    from ..files import read_file
    from ..output import print_json

    content = read_file(arguments.file, PACKAGE_MAX_LEN)
    store = trust_store(arguments)
    common: dict[str, Any] = {
        "trust": store,
        "moment": arguments.moment or now(),
        "recipient": arguments.recipient,
        "revocation": revocation_source(arguments, store),
    }
    with _memory(arguments) as guard:
        report = _checked(content, arguments, {**common, "guard": guard})
    test = store is not None and store.policy.test
    if arguments.json:
        print_json(_json_of(report, test=test))
    else:
        print("\n".join(_lines(report, arguments.words, test=test)))
    return _exit_code(report.verdict)


def _checked(content: bytes, arguments: argparse.Namespace, common: dict[str, Any]) -> "ExchangeReport":
    """What it is shows in its first byte: a package is JSON, a credential base64url."""
    from ecitizen.errors import UsageError

    if content.lstrip()[:1] == b"{":
        from pki.exchange_check import check_package

        if arguments.nonce is not None:
            raise UsageError("--nonce goes with a credential; this is a package")
        purposes = None if arguments.purpose is None else frozenset(arguments.purpose)
        return check_package(content, purposes=purposes, **common)
    from pki.exchange_credential import check_credential

    if arguments.nonce is None or arguments.purpose is not None:
        raise UsageError("of a credential say with --nonce what you gave the holder; it has no --purpose")
    return check_credential(content.decode("utf-8", "replace").strip(), nonce=arguments.nonce, **common)


@contextmanager
def _memory(arguments: argparse.Namespace) -> "Iterator[ReplayGuard | None]":
    """What was taken before. Raise FileFailed if its folder can't be made, StoreFailed if the file can't be used."""
    from ecitizen.errors import FileFailed
    from pki.exchange_replay import FileGuard

    from ..folders import taken_packages_file

    if arguments.again:
        yield None
        return
    path = Path(arguments.taken) if arguments.taken else taken_packages_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailed(
            f"can't make the folder {path.parent}: {error.strerror}; name another file with --taken"
        ) from None
    with FileGuard.open(path) as guard:
        yield guard


def _exit_code(verdict: "ExchangeVerdict") -> ExitCode:
    from pki.exchange import ExchangeVerdict

    return ExitCode.OK if verdict is ExchangeVerdict.VALID else ExitCode[verdict.name]


def _data(report: "ExchangeReport") -> dict[str, Any] | None:
    """What was handed over; None unless it may be used."""
    if report.package is not None:
        return {"applications": report.package.applications, "claims": report.package.claims}
    if report.claims is not None:
        groups = {name: report.claims.get(name, {}) for name in ("applications", "claims")}
        # Of an application that nothing was shown of, a credential still has the name.
        return {name: {each: values for each, values in group.items() if values} for name, group in groups.items()}
    return None


def _json_of(report: "ExchangeReport", *, test: bool) -> dict[str, Any]:
    from ecitizen.jsonio import plain

    from ..signing.reports import findings_json, signature_json

    package = report.package
    return {
        "schema_version": 1,
        "verdict": report.verdict.value,
        "test": test,
        "moment": report.moment.isoformat(),
        "format": report.format,
        "signatures": [signature_json(each) for each in report.signatures],
        "findings": findings_json(report.findings),
        "sender": package.sender if package else None,
        "purpose": package.purpose.code if package else None,
        "data": plain(_data(report)),
    }


def _lines(report: "ExchangeReport", words: "Words", *, test: bool) -> Iterator[str]:
    from pki.exchange_words import words as text

    from ..output import printable
    from ..signing.reports import finding_lines, signer_name

    _ = words.translate
    verdict = words.choose(text(f"verdict_{report.verdict.value}"))
    yield f"{_('Verdict')}: {verdict}{' ' + _('(by authorities for tests)') if test else ''}"
    yield from finding_lines(report.findings, words)
    roles = {"card": _("The card"), "desk": _("The desk")}
    for signature in report.signatures:
        yield ""
        who = signer_name(signature.signer, words) if signature.signer else _("none")
        yield printable(f"{roles.get(signature.covers or '', '')}: {who}")
        yield from finding_lines(signature.findings, words)
    data = _data(report)
    if data is not None:
        yield ""
        for name, values in ((name, values) for group in data.values() for name, values in group.items()):
            for field, value in sorted(values.items()):
                yield printable(f"{name}.{field}: {_shown(value)}")


def _shown(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
