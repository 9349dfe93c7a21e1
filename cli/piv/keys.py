"""`ecitizen piv generate`, `import`, `attest` and `reset`: keys that come onto a signing card and leave it never."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_management_key, add_reader, add_secret
from .work import add_slot, card, key_algorithm, managed, selected

if TYPE_CHECKING:
    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import PinPolicy, Slot
    from ecitizen.secret import KeyBytes
    from pki.keys import PrivateKey

    from ..prompts import Secrets

PIN_POLICIES = ("default", "never", "once", "always")


def add_generate(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = generate.__doc__
    add_slot(parser)
    parser.add_argument("algorithm", type=key_algorithm, metavar="ALGORITHM", help="rsa2048, p256, ed25519, ...")
    parser.add_argument("--out", metavar="FILE", required=True, help="where to save the public key (PEM)")
    _add_key_options(parser)
    parser.set_defaults(run=generate)


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = import_file.__doc__
    add_slot(parser)
    parser.add_argument("file", metavar="FILE", help="a private key, a certificate, or both (PEM or DER)")
    add_secret(parser, "--passphrase-fd", "the passphrase of the key file")
    _add_key_options(parser)
    parser.set_defaults(run=import_file)


def _add_key_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pin-policy", choices=PIN_POLICIES, default="default", help="when the key wants the PIN (default: as usual)"
    )
    parser.add_argument("--force", action="store_true", help="replace the key that is in the slot")
    add_reader(parser)
    add_management_key(parser)


def add_attest(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = attest.__doc__
    add_slot(parser)
    parser.add_argument("--out", metavar="FILE", required=True, help="where to save the card's statement (PEM)")
    parser.add_argument("--check", action="store_true", help="check it against the key and the card's own certificate")
    add_reader(parser)
    parser.set_defaults(run=attest)


def add_reset(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = reset.__doc__
    parser.add_argument("--yes", action="store_true", help="don't ask")
    add_reader(parser)
    parser.set_defaults(run=reset)


def generate(arguments: argparse.Namespace) -> ExitCode:
    """Make a new key on the card and save its public half. The private half never leaves the card."""
    from pki.pem import pem

    from ..files import LABEL_PUBLIC_KEY, writable
    from ..output import print_json, talk
    from ..photo import write_file
    from ..prompts import Secrets

    secrets = Secrets(arguments)
    with card(arguments) as session:
        with selected(session) as piv:
            _check_free(piv, arguments.slot, force=arguments.force)
        with writable(arguments.out), managed(session, secrets, arguments) as piv:
            spki = piv.generate_key(arguments.slot, arguments.algorithm, pin_policy=_pin_policy(arguments))
    write_file(arguments.out, pem(spki, LABEL_PUBLIC_KEY))
    if arguments.json:
        print_json({"schema_version": 1, "slot": str(arguments.slot), "algorithm": arguments.algorithm.value})
    _ = arguments.words.translate
    text = _("A new key ({algorithm}) is in slot {slot}. Its public half: {path}")
    talk(text.format(algorithm=arguments.algorithm.value, slot=arguments.slot, path=arguments.out))
    return ExitCode.OK


def import_file(arguments: argparse.Namespace) -> ExitCode:
    """Put a private key, its certificate, or both from a file onto the card."""
    from ..output import print_json, talk
    from ..prompts import Secrets
    from .certificates import check_key_of_card

    secrets = Secrets(arguments)
    key, certificate = _content(arguments.file, secrets)
    with card(arguments) as session:
        if key is not None:
            with selected(session) as piv:
                _check_free(piv, arguments.slot, force=arguments.force)
        elif certificate is not None and not arguments.force:
            check_key_of_card(session, arguments, certificate)
        with managed(session, secrets, arguments) as piv:
            if key is not None:
                piv.import_key(arguments.slot, key, pin_policy=_pin_policy(arguments))
                key.wipe()
            if certificate is not None:
                piv.write_certificate(arguments.slot, certificate)
    if arguments.json:
        done = {"key": key is not None, "certificate": certificate is not None}
        print_json({"schema_version": 1, "slot": str(arguments.slot), **done})
    _ = arguments.words.translate
    if key is not None:
        text = _("The key is in slot {slot} now. Destroy {path} if nobody else needs it.")
        talk(text.format(slot=arguments.slot, path=arguments.file))
    if certificate is not None:
        talk(_("The certificate is in slot {slot} now.").format(slot=arguments.slot))
    return ExitCode.OK


def _content(path: str, secrets: "Secrets") -> "tuple[KeyBytes | None, bytes | None]":
    """The private key (PKCS#8, DER) and the certificate (DER) of a file. Raise UsageError if it has neither."""
    from ecitizen.errors import UsageError
    from pki.keys import private_key_info, public_key_info

    from ..files import certificate_in, private_key_in, read_file
    from .certificates import check_key

    content = read_file(path)
    certificate = certificate_in(content, path)
    encoded = private_key_in(content) if content != certificate else None
    if encoded is None:
        if certificate is None:
            raise UsageError(f"{path} has neither a private key nor a certificate")
        return None, certificate
    key = _load(encoded, secrets)
    if certificate is not None:
        check_key(certificate, public_key_info(key))
    return private_key_info(key), certificate


def attest(arguments: argparse.Namespace) -> ExitCode:
    """Have the card state, in a certificate, that the key in a slot was made on it; with --check, check that."""
    from pki.pem import pem

    from ..files import LABEL_CERTIFICATE
    from ..output import print_json, talk
    from ..photo import write_file
    from .certificates import check_attestation

    with card(arguments) as session, selected(session) as piv:
        statement = piv.attest(arguments.slot)
        if arguments.check:
            check_attestation(statement, piv.certificate(_attestation_slot()), piv.public_key(arguments.slot))
    write_file(arguments.out, pem(statement, LABEL_CERTIFICATE))
    if arguments.json:
        print_json({"schema_version": 1, "slot": str(arguments.slot), "checked": arguments.check})
    _ = arguments.words.translate
    talk(_("The statement was saved as {path}.").format(path=arguments.out))
    if arguments.check:
        talk(
            _("It is about the key in slot {slot}, and signed with the card's attestation key (F9).").format(
                slot=arguments.slot
            )
        )
    return ExitCode.OK


def reset(arguments: argparse.Namespace) -> ExitCode:
    """Destroy all keys, certificates and data of the signing application, and give it default PIN, PUK and key."""
    from ..output import print_json, talk
    from ..prompts import confirm

    _ = arguments.words.translate
    with card(arguments) as session:
        if not arguments.yes:
            with selected(session) as piv:
                serial = piv.serial()
            word = "reset" if serial is None else str(serial)
            text = _("All keys and certificates of the signing application will be destroyed. Type {word} to go on: ")
            confirm(text.format(word=word), word, "--yes")
        with selected(session) as piv:
            piv.reset()
    if arguments.json:
        print_json({"schema_version": 1})
    talk(_("The signing application is empty, and PIN, PUK and management key are those that everybody knows."))
    return ExitCode.OK


def _check_free(piv: "PivSession", slot: "Slot", *, force: bool) -> None:
    """Raise UsageError if the slot has something that would be lost, unless that is wanted."""
    from ecitizen.errors import UsageError

    if not force and (piv.metadata(slot) is not None or piv.certificate(slot) is not None):
        raise UsageError(f"slot {slot} has a key or a certificate, and a key that is replaced is lost; --force does it")


def _pin_policy(arguments: argparse.Namespace) -> "PinPolicy":
    from cardapps.piv.layout import PinPolicy

    return PinPolicy[arguments.pin_policy.upper()]


def _attestation_slot() -> "Slot":
    from cardapps.piv.layout import Slot

    return Slot.ATTESTATION


def _load(encoded: bytes, secrets: "Secrets") -> "PrivateKey":
    """The private key; the person is asked for a passphrase only if it has one."""
    from pki.errors import PassphraseWrong
    from pki.keys import load_private_key

    try:
        return load_private_key(encoded)
    except PassphraseWrong:
        return load_private_key(encoded, secrets.passphrase())
