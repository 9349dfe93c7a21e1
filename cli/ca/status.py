"""`ecitizen ca revoke`, `suspend` and `reinstate`: certificates one by one, or all of a card."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from .work import add_folder, add_moment, now_or

if TYPE_CHECKING:
    from datetime import datetime

    from pki.status import RevocationReason
    from pki.store import Store

REASONS = (
    "unspecified",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "privilege_withdrawn",
)


def add_revoke(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = revoke.__doc__
    _add_what(parser)
    parser.add_argument("--reason", choices=REASONS, default="unspecified", help="why (default: unspecified)")
    parser.set_defaults(run=revoke)


def add_suspend(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = suspend.__doc__
    _add_what(parser)
    parser.set_defaults(run=suspend)


def add_reinstate(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = reinstate.__doc__
    _add_what(parser)
    parser.set_defaults(run=reinstate)


def _add_what(parser: argparse.ArgumentParser) -> None:
    add_folder(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--card", metavar="SERIAL", help="all certificates of the card with this chip serial")
    what.add_argument("--certificate", metavar="FILE", help="this certificate (PEM or DER)")
    what.add_argument("--serial", metavar="HEX", type=_serial, help="the certificate with this serial number")
    parser.add_argument("--authority", metavar="NAME", help="with --serial: who has issued it")
    parser.add_argument("--application", metavar="APP", help="with --card: only the certificates of this application")
    add_moment(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _serial(text: str) -> int:
    return int(text.replace(":", ""), 16)


def revoke(arguments: argparse.Namespace) -> ExitCode:
    """Revoke a certificate, or with --card all certificates of a lost card, of all applications at once. For ever.

    OCSP tells it within seconds, lists when `ecitizen ca crl` has run.
    """
    from pki.status import RevocationReason

    return _change(arguments, RevocationReason[arguments.reason.upper()])


def suspend(arguments: argparse.Namespace) -> ExitCode:
    """Put a certificate on hold, or those of a card: of all applications, or with --application of one."""
    from pki.status import RevocationReason

    return _change(arguments, RevocationReason.CERTIFICATE_HOLD)


def reinstate(arguments: argparse.Namespace) -> ExitCode:
    """Make a certificate good again that was suspended, or those of a card that are."""
    return _change(arguments, None)


def _change(arguments: argparse.Namespace, reason: "RevocationReason | None") -> ExitCode:
    """Revoke or suspend for a reason, or reinstate for none; all in one transaction."""
    from pathlib import Path

    from pki.hierarchy import REGISTER
    from pki.store import Store

    from ..output import print_json, talk

    at = now_or(arguments.at)
    with Store.open(Path(arguments.folder) / REGISTER, create=False) as store, store.transaction():
        if arguments.card is not None:
            changed = _of_card(arguments, store, reason, at)
        else:
            authority, serial = _named(arguments, store)
            _set(store, authority, serial, reason, at)
            changed = [(authority, serial)]
    done = "reinstated" if reason is None else "suspended" if reason.name == "CERTIFICATE_HOLD" else "revoked"
    if arguments.json:
        listed = [{"authority": authority, "serial": f"{serial:X}"} for authority, serial in changed]
        print_json({"schema_version": 1, "done": done, "certificates": listed})
    _ = arguments.words.translate
    words = {
        "reinstated": _("{count} certificates were reinstated."),
        "suspended": _("{count} certificates were suspended."),
        "revoked": _("{count} certificates were revoked."),
    }
    talk(words[done].format(count=len(changed)))
    return ExitCode.OK


def _of_card(
    arguments: argparse.Namespace, store: "Store", reason: "RevocationReason | None", at: "datetime"
) -> list[tuple[str, int]]:
    from pki.errors import NotIssued
    from pki.status import RevocationReason

    if reason is not None and arguments.application is None:
        return [(each.authority, each.serial) for each in store.revoke_card(arguments.card, reason, at)]
    records = store.certificates_of_card(arguments.card)
    if arguments.application is not None:
        records = tuple(each for each in records if each.application == arguments.application)
    if not records:
        raise NotIssued("no such certificate was issued for a card of this serial number; check it")
    held = RevocationReason.CERTIFICATE_HOLD
    changed = []
    for each in records:
        state = store.status(each.authority, each.serial).reason
        wanted = (held,) if reason is None else (None,) if reason is held else (None, held)
        if state in wanted:
            _set(store, each.authority, each.serial, reason, at)
            changed.append((each.authority, each.serial))
    return changed


def _named(arguments: argparse.Namespace, store: "Store") -> tuple[str, int]:
    """The authority and serial number that the command line names."""
    from ecitizen.errors import UsageError

    if arguments.serial is not None:
        if arguments.authority is None:
            raise UsageError("a serial number alone names no certificate; say --authority too")
        return arguments.authority, arguments.serial
    from pki.certificates import load_certificate
    from pki.errors import NotIssued
    from pki.pem import der_from

    from ..files import read_file

    [der, *_] = der_from(read_file(arguments.certificate), "CERTIFICATE")
    serial = load_certificate(der).serial_number
    for record in store.authorities():
        try:
            if store.certificate(record.name, serial).certificate == der:
                return record.name, serial
        except NotIssued:
            continue
    raise NotIssued("none of these authorities has issued this certificate")


def _set(store: "Store", authority: str, serial: int, reason: "RevocationReason | None", at: "datetime") -> None:
    if reason is None:
        store.reinstate(authority, serial, at)
    else:
        store.revoke(authority, serial, reason, at)
