"""`ecitizen exchange create`: a data package for one agency, or a credential for the holder, signed at a desk."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_secret
from ..piv.work import card
from ..signing.keys import (
    add_card_key,
    certificates_in,
    key_on_card,
    key_without_card,
    with_certificates,
)
from ..signing.showing import DigestShown
from ..signing.trusting import add_trust, now, trust_store
from .choosing import (
    add_choice,
    by_application,
    check_chosen,
    check_sealed,
    chosen_lines,
    read_chosen,
    read_seals,
    sealed_lines,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ecitizen.model import BilingualText
    from ecitizen.session import CardSession
    from pki.exchange import Consent, ExchangePackage, Party, Purpose
    from pki.trust import TrustStore

    from ..language import Words
    from ..prompts import Secrets
    from .choosing import Chosen

GIVEN_BY = ("holder", "parent", "guardian", "representative")
USUAL_HOURS = 24


def add_create(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = create.__doc__
    parser.add_argument("--from", dest="sender", required=True, metavar="AGENCY", help="who hands the data over")
    parser.add_argument("--to", dest="recipient", metavar="AGENCY", help="who may use the data, and nobody else")
    parser.add_argument("--purpose", metavar="CODE", help="what for, as programs compare it: medical_treatment")
    parser.add_argument("--purpose-th", metavar="TEXT", help="what for, in Thai")
    parser.add_argument("--purpose-en", metavar="TEXT", help="what for, in English")
    add_choice(parser)
    parser.add_argument(
        "--seal",
        action="append",
        default=[],
        metavar="APP",
        help="add all data of this application with its agency's seal (repeatable)",
    )
    parser.add_argument("--consent-th", metavar="TEXT", help="what the person agrees to, in Thai")
    parser.add_argument("--consent-en", metavar="TEXT", help="what the person agrees to, in English")
    parser.add_argument("--consent-by", choices=GIVEN_BY, default="holder", help="who agrees (default: the holder)")
    parser.add_argument("--hours", type=float, metavar="N", help=f"how long it is valid (default: {USUAL_HOURS})")
    parser.add_argument(
        "--credential",
        action="store_true",
        help="make a credential, of which the holder shows to others what is needed",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="where to save it")
    add_card_key(parser, "9A")
    parser.add_argument("--desk-key", required=True, metavar="FILE", help="the desk's key: a file, or pkcs11:...")
    parser.add_argument("--desk-certificate", required=True, metavar="FILE", help="the certificate of the desk's key")
    add_secret(parser, "--passphrase-fd", "the passphrase of the desk's key file or the PIN of its token")
    add_trust(parser)
    parser.set_defaults(run=create)


def create(arguments: argparse.Namespace) -> ExitCode:
    """Hand over chosen fields of a card, or answers to questions about it, to one agency for one purpose.

    The person is told what is handed over and signs that with the card; the desk signs after that. Nothing else is
    read from the card. With --credential the desk alone signs, and the holder shows parts of it later.
    """
    from ..output import print_json, talk
    from ..prompts import Secrets

    fields, claims = by_application(arguments.field, "field"), by_application(arguments.claim, "claim")
    check_chosen(fields, claims)
    check_sealed(arguments.seal, fields)
    _check_options(arguments)
    store = trust_store(arguments)
    secrets = Secrets(arguments)
    make = _credential if arguments.credential else _package
    with card(arguments) as session:
        content, about = make(session, arguments, secrets, store, (fields, claims))
    _save(arguments.out, content)
    if arguments.json:
        print_json({"schema_version": 1, "out": arguments.out, **about})
    _ = arguments.words.translate
    talk(_("It was saved as {path}.").format(path=arguments.out))
    return ExitCode.OK


def _check_options(arguments: argparse.Namespace) -> None:
    from ecitizen.errors import UsageError

    of_packages = ("recipient", "purpose", "purpose_th", "purpose_en", "consent_th", "consent_en")
    if arguments.credential and any(getattr(arguments, name) is not None for name in of_packages):
        raise UsageError("a credential has no recipient, purpose or consent yet: the holder shows it to whom they will")
    if arguments.credential and arguments.seal:
        raise UsageError("a seal tells all that it is over, of which a holder may keep some back; leave --seal out")
    if not arguments.credential and (arguments.recipient is None or arguments.purpose is None):
        raise UsageError("a package is for one agency and one purpose: give --to and --purpose")


def _package(
    session: "CardSession",
    arguments: argparse.Namespace,
    secrets: "Secrets",
    store: "TrustStore | None",
    chosen: "tuple[Chosen, Chosen]",
) -> tuple[bytes, dict[str, str]]:
    """The package, signed by card and desk; and what JSON says of it."""
    from cardapps.piv.layout import Slot
    from pki.exchange import Party, Role, chosen_fields, new_package, sign_package
    from pki.exchange_claims import chosen_claims

    moment = now()
    purpose, consent = _purpose(arguments), _consent(arguments, moment)
    reading = read_chosen(session, *chosen)
    package = new_package(
        sender=arguments.sender,
        recipient=arguments.recipient,
        purpose=purpose,
        consent=consent,
        applications=chosen_fields(reading, chosen[0]),
        claims=chosen_claims(reading, chosen[1], moment),
        seals=read_seals(session, arguments.seal),
        moment=moment,
        valid_for=_duration(arguments),
    )
    _tell(package, chosen, arguments)
    with (
        _desk(arguments, secrets, store) as desk,
        key_on_card(session, arguments, secrets, Slot.AUTHENTICATION) as signer,
    ):
        own = with_certificates(signer, None, (), store, "the key on the card")
        holder = Party(Role.CARD, own.signer, own.certificate, tuple(own.chain))
        signed = sign_package(package, [holder, desk], moment=moment, show=DigestShown(arguments.words))
    return signed, {"kind": "package", "id": package.id, "expires_at": package.expires_at.isoformat()}


def _credential(
    session: "CardSession",
    arguments: argparse.Namespace,
    secrets: "Secrets",
    store: "TrustStore | None",
    chosen: "tuple[Chosen, Chosen]",
) -> tuple[bytes, dict[str, str]]:
    """The credential, signed by the desk for the holder's key 9A; and what JSON says of it."""
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import Slot
    from ecitizen.errors import UsageError
    from pki.exchange import chosen_fields
    from pki.exchange_claims import chosen_claims
    from pki.exchange_credential import issue_credential

    moment, valid_for = now(), _duration(arguments)
    reading = read_chosen(session, *chosen)
    certificate = PivSession.select(session).certificate(Slot.AUTHENTICATION)
    if certificate is None:
        raise UsageError("the card has no certificate for signing in (slot 9A), to which a credential is bound")
    with _desk(arguments, secrets, store) as desk:
        issued = issue_credential(
            desk,
            certificate,
            issuer=arguments.sender,
            moment=moment,
            applications=chosen_fields(reading, chosen[0]),
            claims=chosen_claims(reading, chosen[1], moment),
            valid_for=valid_for,
            show=DigestShown(arguments.words),
        )
    return f"{issued}\n".encode("ascii"), {"kind": "credential", "expires_at": (moment + valid_for).isoformat()}


def _purpose(arguments: argparse.Namespace) -> "Purpose":
    from ecitizen.model import BilingualText
    from pki.exchange import Purpose

    texts = (arguments.purpose_th, arguments.purpose_en)
    th, en = (own or next(filter(None, texts), arguments.purpose) for own in texts)
    return Purpose(arguments.purpose, BilingualText(th, en))


def _consent(arguments: argparse.Namespace, moment: "datetime") -> "Consent | None":
    """What the person agrees to, at that moment; in one language where only that is given."""
    from ecitizen.model import BilingualText
    from pki.exchange import Consent

    texts = (arguments.consent_th, arguments.consent_en)
    if not any(texts):
        return None
    th, en = (own or next(filter(None, texts)) for own in texts)
    return Consent(BilingualText(th, en), moment, arguments.consent_by)


def _duration(arguments: argparse.Namespace) -> "timedelta":
    from datetime import timedelta

    from ecitizen.errors import UsageError

    hours = USUAL_HOURS if arguments.hours is None else arguments.hours
    if not 0 < hours < 1_000:
        raise UsageError("a package is valid for some hours, and at most 31 days")
    return timedelta(seconds=int(hours * 3600))


def _tell(package: "ExchangePackage", chosen: "tuple[Chosen, Chosen]", arguments: argparse.Namespace) -> None:
    """What the person is about to sign, in words, before the digest and the PIN."""
    from ..output import printable, talk

    words = arguments.words
    _ = words.translate
    until = package.expires_at.isoformat(sep=" ")
    talk(printable(_("{sender} hands over to {recipient}:").format(sender=package.sender, recipient=package.recipient)))
    for line in (*chosen_lines(*chosen, words), *sealed_lines(arguments.seal, words)):
        talk(line)
    talk(printable(f"{_('What for')}: {_said(package.purpose.text, words)} [{package.purpose.code}]"))
    if package.consent is not None:
        talk(printable(f"{_('Consent')}: {_said(package.consent.text, words)}"))
    talk(f"{_('Valid until')}: {until}")


def _said(text: "BilingualText", words: "Words") -> str:
    """A text in two languages, or in the one that there is."""
    return text.th if text.th == text.en else words.choose(text)


@contextmanager
def _desk(arguments: argparse.Namespace, secrets: "Secrets", store: "TrustStore | None") -> "Iterator[Party]":
    """The desk, its key opened: its passphrase is asked for before the person's PIN."""
    from pki.exchange import Party, Role

    certificate, *chain = certificates_in(arguments.desk_certificate)
    with key_without_card(arguments.desk_key, secrets) as signer:
        own = with_certificates(signer, certificate, chain, store, "the desk's key")
        yield Party(Role.DESK, own.signer, own.certificate, tuple(own.chain))


def _save(path: str, content: bytes) -> None:
    from pki.signed_files import write_whole

    write_whole(path, [content])
