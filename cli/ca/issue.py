"""`ecitizen ca issue`: a certificate for the key in a request."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..exit_codes import ExitCode
from .work import add_folder, add_keys, authorities

if TYPE_CHECKING:
    from ecitizen.model import PersonName


def add_issue(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = issue.__doc__
    add_folder(parser)
    parser.add_argument("authority", metavar="AUTHORITY", help="who issues it")
    parser.add_argument("--profile", required=True, metavar="NAME", help="what kind of certificate, as authentication")
    parser.add_argument("--csr", required=True, metavar="FILE", help="the certification request (PKCS#10, PEM or DER)")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to save the certificate (PEM)")
    parser.add_argument("--person", metavar="FILE", help="JSON with cid, name_th and name_en, as `card read --json`")
    parser.add_argument("--card", metavar="SERIAL", help="the serial number of the chip that the key is on")
    parser.add_argument("--service", metavar="NAME", help="the name of a service or document signer")
    parser.add_argument("--organisation", default="", metavar="NAME", help="whose service it is")
    parser.add_argument("--dns", action="append", default=[], metavar="NAME", help="a web server's name (repeatable)")
    add_keys(parser, shares=True)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=issue)


def issue(arguments: argparse.Namespace) -> ExitCode:
    """Issue a certificate for the key in a request. What the request says of its subject does not count."""
    from pki.certificates import load_certificate
    from pki.pem import der_from, pem
    from pki.requests import request_public_key

    from ..files import read_file, writable
    from ..output import print_json, talk
    from ..photo import write_file

    [csr, *_more] = der_from(read_file(arguments.csr), "CERTIFICATE REQUEST")
    person = _person(arguments.person) if arguments.person else {}
    with writable(arguments.out), authorities(arguments) as opened:
        issuer = opened.issuing(arguments.authority)
        if arguments.service is not None:
            certificate = issuer.issue_service(
                request_public_key(csr),
                arguments.service,
                profile=arguments.profile,
                organisation=arguments.organisation,
                dns_names=arguments.dns,
            )
        else:
            certificate = issuer.issue_from_csr(csr, arguments.profile, card_serial=arguments.card, **person)
        write_file(arguments.out, pem(certificate, "CERTIFICATE"))
    serial = f"{load_certificate(certificate).serial_number:X}"
    if arguments.json:
        print_json({"schema_version": 1, "authority": arguments.authority, "serial": serial, "file": arguments.out})
    _ = arguments.words.translate
    talk(_("The certificate {serial} was saved as {path}.").format(serial=serial, path=arguments.out))
    return ExitCode.OK


def _person(path: str) -> "dict[str, Any]":
    """Whom a certificate is about. Raise UsageError, without quoting it, for a file of another form."""
    from ecitizen.errors import UsageError

    from ..files import read_file

    try:
        data = json.loads(read_file(path, 1 << 16))
        number = _text(data["cid"])
        names = {name: _name(data[name]) for name in ("name_th", "name_en") if data.get(name)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UsageError(f"{path} is not JSON with cid, and name_th or name_en with first and last") from None
    return {"citizen_number": number, **names}


def _name(parts: dict[str, str]) -> "PersonName":
    from ecitizen.model import PersonName

    return PersonName(*(_text(parts.get(part) or "") for part in ("prefix", "first", "middle", "last")))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
