"""`ecitizen piv certificate`: certificates on a signing card, and requests for them."""

import argparse
import sys
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_management_key, add_reader
from .work import add_key_use, add_slot, card, managed, selected, using_key

if TYPE_CHECKING:
    from ecitizen.session import CardSession

    from ..prompts import Secrets

DEFAULT_DAYS = 365


def add_certificate(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = work_with_certificate.__doc__
    add_slot(parser)
    deed = parser.add_mutually_exclusive_group()
    deed.add_argument("--out", metavar="FILE", help="save the certificate (PEM)")
    deed.add_argument("--load", metavar="FILE", help="write this certificate (PEM or DER) into the slot")
    deed.add_argument("--delete", action="store_true", help="take the certificate off the card")
    deed.add_argument("--request", metavar="FILE", help="save a request for a certificate, signed by the card")
    deed.add_argument("--self-signed", action="store_true", help="make a certificate signed by the key itself")
    parser.add_argument("--subject", metavar="NAME", help="the holder, as CN=Somchai Jaidee,C=TH (default: as it is)")
    parser.add_argument(
        "--days", type=days, metavar="DAYS", help=f"with --self-signed: how long it is valid (default: {DEFAULT_DAYS})"
    )
    parser.add_argument("--force", action="store_true", help="with --load: even a certificate of another key")
    add_reader(parser)
    add_key_use(parser)
    add_management_key(parser)
    parser.set_defaults(run=work_with_certificate)


def days(text: str) -> int:
    """A number of days on the command line, 1 or more. Raise ValueError, of which argparse makes a message."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def work_with_certificate(arguments: argparse.Namespace) -> ExitCode:
    """Print the certificate of a slot; or save, write or delete it, ask an authority for one, or make one."""
    from ecitizen.errors import UsageError

    from ..prompts import Secrets

    signing = arguments.request is not None or arguments.self_signed
    if arguments.subject is not None and not signing:
        raise UsageError("--subject goes with --request or --self-signed")
    if arguments.days is not None and not arguments.self_signed:
        raise UsageError("--days goes with --self-signed")
    secrets = Secrets(arguments)
    with card(arguments) as session:
        if arguments.request is not None:
            return _request(session, secrets, arguments)
        if arguments.self_signed:
            return _self_signed(session, secrets, arguments)
        if arguments.load is not None:
            return _load(session, secrets, arguments)
        if arguments.delete:
            return _delete(session, secrets, arguments)
        return _show(session, arguments)


def _show(session: "CardSession", arguments: argparse.Namespace) -> ExitCode:
    from ecitizen.jsonio import plain
    from pki.pem import pem

    from ..files import LABEL_CERTIFICATE
    from ..output import print_json, talk
    from ..photo import write_file
    from .info import certificate_facts

    _ = arguments.words.translate
    der = _certificate(session, arguments)
    text = pem(der, LABEL_CERTIFICATE)
    if arguments.out is not None:
        write_file(arguments.out, text)
        talk(_("The certificate was saved as {path}.").format(path=arguments.out))
    if arguments.json:
        facts = plain(certificate_facts(der))
        print_json({"schema_version": 1, "slot": str(arguments.slot), **facts, "pem": text.decode("ascii")})
    elif arguments.out is None:
        sys.stdout.write(text.decode("ascii"))
    return ExitCode.OK


def _certificate(session: "CardSession", arguments: argparse.Namespace) -> bytes:
    from ecitizen.errors import UsageError

    with selected(session) as piv:
        der = piv.certificate(arguments.slot)
    if der is None:
        raise UsageError(f"slot {arguments.slot} has no certificate; `ecitizen piv info` says what the card has")
    return der


def _load(session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace) -> ExitCode:
    from ecitizen.errors import UsageError

    from ..files import certificate_in, read_file

    _ = arguments.words.translate
    der = certificate_in(read_file(arguments.load), arguments.load)
    if der is None:
        raise UsageError(f"{arguments.load} has no certificate")
    if not arguments.force:
        check_key_of_card(session, arguments, der)
    _write(session, secrets, arguments, der)
    return _told(arguments, _("The certificate is in slot {slot} now."))


def _delete(session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace) -> ExitCode:
    _ = arguments.words.translate
    with managed(session, secrets, arguments) as piv:
        piv.delete_certificate(arguments.slot)
    return _told(arguments, _("Slot {slot} has no certificate any more."))


def _request(session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace) -> ExitCode:
    from pki.pem import pem
    from pki.requests import certification_request

    from ..files import LABEL_CERTIFICATE_REQUEST
    from ..photo import write_file

    _ = arguments.words.translate
    subject = _subject(session, arguments)
    with using_key(session, secrets, arguments) as (piv, public_key):
        signer = piv.signer(arguments.slot, secrets.pin, public_key=public_key)
        request = certification_request(signer, subject)
    write_file(arguments.request, pem(request, LABEL_CERTIFICATE_REQUEST))
    return _told(
        arguments, _("The request was saved. Have an authority answer it, then: piv certificate {slot} --load")
    )


def _self_signed(session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace) -> ExitCode:
    from datetime import timedelta

    from pki.requests import self_signed_certificate

    _ = arguments.words.translate
    subject = _subject(session, arguments)
    with using_key(session, secrets, arguments) as (piv, public_key):
        signer = piv.signer(arguments.slot, secrets.pin, public_key=public_key)
        der = self_signed_certificate(signer, subject, validity=timedelta(days=arguments.days or DEFAULT_DAYS))
    _write(session, secrets, arguments, der)
    return _told(arguments, _("Slot {slot} has a certificate now that its own key has signed."))


def _subject(session: "CardSession", arguments: argparse.Namespace) -> str:
    """The holder's name: what was said, or that of the certificate which is in the slot."""
    from ecitizen.errors import UsageError
    from pki.certificates import load_certificate

    if arguments.subject is not None:
        return str(arguments.subject)
    with selected(session) as piv:
        der = piv.certificate(arguments.slot)
    if der is None:
        raise UsageError("whose certificate? Say --subject, as in --subject 'CN=Somchai Jaidee,C=TH'")
    return load_certificate(der).subject.rfc4514_string()


def _write(session: "CardSession", secrets: "Secrets", arguments: argparse.Namespace, der: bytes) -> None:
    with managed(session, secrets, arguments) as piv:
        piv.write_certificate(arguments.slot, der)


def _told(arguments: argparse.Namespace, text: str) -> ExitCode:
    from ..output import print_json, talk

    if arguments.json:
        print_json({"schema_version": 1, "slot": str(arguments.slot)})
    talk(text.format(slot=arguments.slot))
    return ExitCode.OK


def check_key_of_card(session: "CardSession", arguments: argparse.Namespace, der: bytes) -> None:
    """Raise UsageError if the card says that the key in the slot is another one than the certificate's."""
    with selected(session) as piv:
        metadata = piv.metadata(arguments.slot)
    if metadata is not None and metadata.public_key is not None:
        check_key(der, metadata.public_key)


def check_key(der: bytes, public_key: bytes) -> None:
    """Raise UsageError if the certificate is not for this key (SubjectPublicKeyInfo)."""
    from ecitizen.errors import UsageError
    from pki.certificates import certified_key

    if certified_key(der) != public_key:
        raise UsageError("the certificate is for another key than this one; take the one that belongs to it")


def check_attestation(statement: bytes, authority: bytes | None, public_key: bytes | None) -> None:
    """Raise SignatureInvalid if the card's statement is not about this key, or not signed by its attestation key."""
    from cryptography.exceptions import InvalidSignature

    from ecitizen.errors import UsageError
    from pki.certificates import certified_key, load_certificate
    from pki.errors import SignatureInvalid

    if authority is None or public_key is None:
        raise UsageError("the card does not give its attestation certificate (F9) or the public key: nothing to check")
    if certified_key(statement) != public_key:
        raise SignatureInvalid("the card's statement is about another key than the one in the slot; don't trust it")
    try:
        load_certificate(statement).verify_directly_issued_by(load_certificate(authority))
    except (InvalidSignature, ValueError, TypeError):
        raise SignatureInvalid("the card's statement is not signed by its attestation key; don't trust it") from None
