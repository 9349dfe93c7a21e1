"""The key that signs: on a card, in a file, or on a PKCS#11 token; and the certificates that go with it."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import add_pin, add_reader, add_secret
from ..piv.use import HASHES, SCHEMES, algorithm_for
from ..piv.work import card, end_verification, slot

if TYPE_CHECKING:
    from datetime import datetime

    from cardapps.piv.driver import PivSession
    from cardapps.piv.layout import Slot
    from ecitizen.algorithms import SignatureAlgorithm
    from ecitizen.ports import Signer
    from ecitizen.session import CardSession
    from pki.key_source import KeySource
    from pki.keys import PrivateKey
    from pki.pkcs11_keys import AskPin
    from pki.trust import TrustStore

    from ..prompts import Secrets


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, its certificate and what leads from that to a root (DER)."""

    signer: "Signer"
    certificate: bytes
    chain: Sequence[bytes]


def add_key(parser: argparse.ArgumentParser, usual_slot: str) -> None:
    """Let a command choose the key that signs."""
    add_card_key(parser, usual_slot)
    parser.add_argument(
        "--key", metavar="FILE", help="a key in this file, or pkcs11:token=...;id=...?module-path=..., and no card"
    )
    parser.add_argument("--certificate", metavar="FILE", help="the key's certificate, for a key that is on no card")
    parser.add_argument(
        "--chain", action="append", default=[], metavar="FILE", help="certificates that lead to a root (repeatable)"
    )
    add_secret(parser, "--passphrase-fd", "the passphrase of the key file or the PIN of the token")


def add_card_key(parser: argparse.ArgumentParser, usual_slot: str) -> None:
    """Let a command choose the key of a card that signs."""
    add_reader(parser)
    parser.add_argument(
        "--slot", type=slot, metavar="SLOT", help=f"the key's place on the card (default: {usual_slot})"
    )
    add_pin(parser)


def add_algorithm(parser: argparse.ArgumentParser) -> None:
    """Let a command choose how the key signs."""
    parser.add_argument("--algorithm", choices=SCHEMES, help="how to sign (default: as is usual for the key)")
    parser.add_argument("--hash", choices=HASHES, help="the hash function (default: as is usual for the key)")


def algorithm_of(signer: "Signer", arguments: argparse.Namespace) -> "SignatureAlgorithm | None":
    """How the command line wants the key to sign; None if it says nothing. Raise UsageError if the key can't."""
    if arguments.algorithm is None and arguments.hash is None:
        return None
    return algorithm_for(signer, arguments, "this key")


@contextmanager
def signing_key(
    arguments: argparse.Namespace, secrets: "Secrets", usual_slot: "Slot", store: "TrustStore | None", *, uses: int = 1
) -> Iterator[SigningKey]:
    """The key that the command line names, for so many signatures.

    Whatever opens it, PIN or passphrase, is asked for when it is first used, after the digest was shown. Raise
    UsageError if there is no certificate of it, or if a PIN that can be given once would be wanted each time.
    """
    given = [der for path in (arguments.certificate, *arguments.chain) if path for der in certificates_in(path)]
    certificate = given[0] if arguments.certificate else None
    chain = given[1:] if arguments.certificate else given
    if arguments.key is not None:
        with _late_key(arguments.key, certificate, secrets, uses) as signer:
            yield with_certificates(signer, certificate, chain, store, "the key")
        return
    with card(arguments) as session, key_on_card(session, arguments, secrets, usual_slot, uses=uses) as signer:
        yield with_certificates(signer, certificate, chain, store, "the key on the card")


@contextmanager
def key_on_card(
    session: "CardSession", arguments: argparse.Namespace, secrets: "Secrets", usual_slot: "Slot", *, uses: int = 1
) -> "Iterator[Signer]":
    """A key of a card, for so many signatures; the card forgets the PIN at the end."""
    from cardapps.piv.driver import PivSession

    chosen = arguments.slot if arguments.slot is not None else usual_slot
    piv = PivSession.select(session)
    signer = piv.signer(chosen, secrets.pin_once)
    if uses > 1 and secrets.has_pin and _wants_pin_each_time(piv, chosen):
        raise _pin_not_kept(f"the key in slot {chosen}")
    try:
        yield signer
    finally:
        if secrets.pin_was_asked:
            end_verification(session)


def _wants_pin_each_time(piv: "PivSession", chosen: "Slot") -> bool:
    from cardapps.piv.layout import PinPolicy, default_pin_policy

    metadata = piv.metadata(chosen)
    policy = (metadata.pin_policy if metadata else None) or default_pin_policy(chosen)
    return policy is PinPolicy.ALWAYS


def _pin_not_kept(what: str) -> Exception:
    from ecitizen.errors import UsageError

    return UsageError(
        f"{what} wants the PIN for every signature, and a PIN is never kept to be sent again: sign "
        "one file at a time, or several without --pin-fd and type it for each; the card was not asked"
    )


@contextmanager
def key_without_card(reference: str, secrets: "Secrets") -> "Iterator[Signer]":
    """The key in a file or on a token, opened at once: whoever minds it is asked before anybody else signs."""
    from pki.pkcs11_keys import SCHEME

    if not reference.startswith(SCHEME):
        from pki.keys import FileSigner

        yield FileSigner(load_key(reference, secrets))
        return
    with _tokens(secrets, secrets.typed_signature_pin) as source:  # --pin-fd is for the card of another person
        yield source.open(reference)


@contextmanager
def _late_key(reference: str, certificate: bytes | None, secrets: "Secrets", uses: int) -> "Iterator[Signer]":
    """The same, and its passphrase or PIN is asked for when it first signs. A token may have the certificate."""
    from pki.pkcs11_keys import SCHEME

    from .late_key import LateKey

    if not reference.startswith(SCHEME):
        yield _late_file(reference, certificate, secrets)
        return
    from pki.pkcs11_keys import Pkcs11Uri, certificate_on_token

    if uses > 1 and secrets.has_pin:
        raise _pin_not_kept("the key on the token")
    with _tokens(secrets, secrets.signature_pin) as source:
        own = certificate or certificate_on_token(Pkcs11Uri.parse(reference))
        if own is None:
            raise _no_certificate("the key on the token")
        yield LateKey(own, lambda: source.open(reference))


def _tokens(secrets: "Secrets", signature_pin: "AskPin") -> "KeySource":
    from pki.key_source import KeySource

    return KeySource(
        Path(),
        passphrase=lambda _: secrets.passphrase(),
        pin=lambda _: secrets.token_pin(),
        signature_pin=signature_pin,
    )


def _late_file(path: str, certificate: bytes | None, secrets: "Secrets") -> "Signer":
    """The key in a file: now if it has no passphrase, so that what is wrong with it is told before all else."""
    from pki.errors import PassphraseWrong
    from pki.keys import FileSigner, load_private_key

    from .late_key import LateKey

    encoded = _encoded_key(path)
    try:
        return FileSigner(load_private_key(encoded))
    except PassphraseWrong:
        if certificate is None:
            raise _no_certificate("the key") from None
        return LateKey(certificate, lambda: FileSigner(load_private_key(encoded, secrets.passphrase())))


def load_key(path: str, secrets: "Secrets") -> "PrivateKey":
    """The private key in a file; the person is asked for a passphrase only if it has one."""
    from pki.errors import PassphraseWrong
    from pki.keys import load_private_key

    encoded = _encoded_key(path)
    try:
        return load_private_key(encoded)
    except PassphraseWrong:
        return load_private_key(encoded, secrets.passphrase())


def _encoded_key(path: str) -> bytes:
    """The private key of a file, as it stands there. Raise UsageError if it has none."""
    from ecitizen.errors import UsageError

    from ..files import private_key_in, read_file

    encoded = private_key_in(read_file(path))
    if encoded is None:
        raise UsageError(f"{path} has no private key (PKCS#8, PEM or DER)")
    return encoded


def certificates_in(path: str) -> list[bytes]:
    """The certificates of a PEM or DER file, DER. Raise UsageError if it has none, Malformed for a damaged one."""
    from pki.pem import der_from

    from ..files import read_file

    return der_from(read_file(path), "CERTIFICATE")


def with_certificates(
    signer: "Signer", certificate: bytes | None, chain: Sequence[bytes], store: "TrustStore | None", what: str
) -> SigningKey:
    """A key and its certificates: those that were given, otherwise the card's and what the trust directory knows.

    Raise UsageError if there is none; `what` is what the key is called in that.
    """
    own = certificate or signer.certificate
    if own is None:
        raise _no_certificate(what)
    return SigningKey(signer, own, tuple(chain) or chain_of(own, store))


def _no_certificate(what: str) -> Exception:
    from ecitizen.errors import UsageError

    return UsageError(f"there is no certificate of {what}; give it with --certificate FILE")


def chain_of(certificate: bytes, store: "TrustStore | None", moment: "datetime | None" = None) -> tuple[bytes, ...]:
    """The authorities between a certificate and its root, as far as the trust directory knows them."""
    if store is None:
        return ()
    from pki.path import RevocationRule

    from .trusting import now

    return store.check(certificate, moment=moment or now(), revocation=RevocationRule.OFF).chain[1:-1]
