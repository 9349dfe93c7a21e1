"""`ecitizen encrypt` and `decrypt`: files for the holders of certificates, opened with the card."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_pin, add_reader, add_secret
from ..piv.work import card, end_verification
from .keys import certificates_in, load_key
from .trusting import add_trust, now, trust_store

if TYPE_CHECKING:
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import Slot
    from pki.envelope import RecipientId, RecipientKey

    from ..prompts import Secrets

SUFFIX = ".p7m"


def add_encrypt(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = encrypt.__doc__
    parser.add_argument("file", metavar="FILE", help="what to encrypt")
    parser.add_argument(
        "--to", action="append", metavar="FILE", help="a recipient's certificate (repeatable; default: the card's own)"
    )
    parser.add_argument("--out", metavar="FILE", help=f"where to save the result (default: FILE{SUFFIX})")
    parser.add_argument("--cbc", action="store_true", help="AES-CBC, for old software: nobody notices an alteration")
    add_trust(parser)
    add_reader(parser)
    parser.set_defaults(run=encrypt)


def add_decrypt(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = decrypt.__doc__
    parser.add_argument("file", metavar="FILE", help="what was encrypted")
    parser.add_argument("--out", metavar="FILE", help=f"where to save what is in it (default: FILE without {SUFFIX})")
    add_reader(parser)
    add_pin(parser)
    parser.add_argument("--key", metavar="FILE", help="open it with the key in this file, and no card")
    parser.add_argument("--certificate", metavar="FILE", help="with --key: the certificate of that key")
    add_secret(parser, "--passphrase-fd", "the passphrase of the key file")
    parser.set_defaults(run=decrypt)


def encrypt(arguments: argparse.Namespace) -> ExitCode:
    """Encrypt a file for the holders of certificates, each of whom can open it with the key of their card.

    Without --to it is for the card in the reader. Certificates must be in force and for encryption; with a trust
    directory they must be trusted, too.
    """
    from pki.envelope import ContentCipher, encrypt_file

    from ..output import print_json, talk

    out = arguments.out or f"{arguments.file}{SUFFIX}"
    _new(out)
    recipients = (
        [certificates_in(path)[0] for path in arguments.to] if arguments.to else [_certificate_of_card(arguments)]
    )
    cipher = ContentCipher.AES_256_CBC if arguments.cbc else ContentCipher.AES_256_GCM
    encrypt_file(arguments.file, out, recipients, moment=now(), trust=trust_store(arguments), cipher=cipher)
    if arguments.json:
        size = Path(out).stat().st_size
        about = {"out": out, "cipher": cipher.value, "recipients": len(recipients), "bytes": size}
        print_json({"schema_version": 1, **about})
    _ = arguments.words.translate
    if arguments.cbc:
        from pki.envelope_words import words

        talk(arguments.words.choose(words("not_authenticated")))
    talk(_("The encrypted file was saved as {path}.").format(path=out))
    return ExitCode.OK


def decrypt(arguments: argparse.Namespace) -> ExitCode:
    """Open an encrypted file with the key on the card that it was encrypted for. Only you may read what is saved."""
    from pki.envelope import decrypt_file

    from ..output import print_json, talk
    from ..prompts import Secrets

    out = arguments.out or _without_suffix(arguments.file)
    _new(out)
    secrets = Secrets(arguments)
    wanted = _recipients(arguments.file)
    with _recipient_keys(arguments, secrets, wanted) as keys:
        opened = decrypt_file(arguments.file, out, keys)
    if arguments.json:
        about = {"out": out, "cipher": opened.cipher, "authenticated": opened.authenticated}
        warnings = [{"th": warning.th, "en": warning.en} for warning in opened.warnings]
        print_json({"schema_version": 1, **about, "bytes": opened.content_len, "warnings": warnings})
    for warning in opened.warnings:
        talk(arguments.words.choose(warning))
    _ = arguments.words.translate
    talk(_("What was in it was saved as {path}.").format(path=out))
    return ExitCode.OK


def _new(path: str) -> None:
    """Raise FileFailed if there is a file of that name: better before the PIN than after it."""
    from ecitizen.errors import FileFailed

    if os.path.lexists(path):
        raise FileFailed(f"{path} exists and is not overwritten; choose another name with --out")


def _without_suffix(path: str) -> str:
    from ecitizen.errors import UsageError

    if not path.endswith(SUFFIX) or Path(path).name == SUFFIX:
        raise UsageError(f"{path} does not end in {SUFFIX}; say with --out where to save what is in it")
    return path.removesuffix(SUFFIX)


def _recipients(path: str) -> "tuple[RecipientId, ...]":
    """Whom the message names, so that the right key is used and no PIN is asked for in vain."""
    from pki.envelope import recipients_of
    from pki.envelope_files import reading

    with reading(path) as message:
        return recipients_of(message)


def _slots() -> "tuple[Slot, ...]":
    """Where keys for decryption are: the present one, and those that were in its place once."""
    from cardapps.piv.layout import Slot

    return (Slot.KEY_MANAGEMENT, *(each for each in Slot if each.is_retired))


def _certificate_of_card(arguments: argparse.Namespace) -> bytes:
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import Slot
    from ecitizen.errors import UsageError

    with card(arguments) as session:
        certificate = PivSession.select(session).certificate(Slot.KEY_MANAGEMENT)
    if certificate is None:
        raise UsageError("the card has no certificate for encryption (slot 9D); name recipients with --to")
    return certificate


@contextmanager
def _recipient_keys(
    arguments: argparse.Namespace, secrets: "Secrets", wanted: "tuple[RecipientId, ...]"
) -> "Iterator[list[RecipientKey]]":
    """The key to open it with, if there is one: in a file, or on the card, which forgets the PIN at the end."""
    if arguments.key is not None:
        yield [_key_in_file(arguments, secrets)]
        return
    from cardapps.piv.driver import PivSession

    with card(arguments) as session:
        piv = PivSession.select(session)
        try:
            yield _keys_of_card(piv, secrets, wanted)
        finally:
            if secrets.pin_was_asked:
                end_verification(session)


def _keys_of_card(piv: "PivSession", secrets: "Secrets", wanted: "tuple[RecipientId, ...]") -> "list[RecipientKey]":
    from pki.certificates import certified_key
    from pki.envelope import RecipientKey
    from pki.keys import key_algorithm, load_public_key

    for slot in _slots():
        certificate = piv.certificate(slot)
        if certificate is None or not any(recipient.names(certificate) for recipient in wanted):
            continue
        if key_algorithm(load_public_key(certified_key(certificate))).is_rsa:
            return [RecipientKey(certificate, decipherer=piv.decipherer(slot, secrets.pin_once))]
        return [RecipientKey(certificate, agreement=piv.agreement(slot, secrets.pin_once))]
    return []


def _key_in_file(arguments: argparse.Namespace, secrets: "Secrets") -> "RecipientKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from ecitizen.errors import UsageError
    from pki.envelope import RecipientKey
    from pki.envelope_keys import FileDecipherer, FileKeyAgreement

    if arguments.certificate is None:
        raise UsageError("--key goes with --certificate FILE, by which the message names its recipient")
    certificate = certificates_in(arguments.certificate)[0]
    key = load_key(arguments.key, secrets)
    if isinstance(key, RSAPrivateKey):
        return RecipientKey(certificate, decipherer=FileDecipherer(key))
    return RecipientKey(certificate, agreement=FileKeyAgreement(key))
