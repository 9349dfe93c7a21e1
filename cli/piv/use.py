"""`ecitizen piv sign` and `decrypt`: a key on a signing card at work."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_reader
from .work import add_key_use, add_slot, card, using_key

if TYPE_CHECKING:
    from ecitizen.algorithms import SignatureAlgorithm
    from ecitizen.ports import Signer

SCHEMES = ("rsa-pkcs1", "rsa-pss", "ecdsa", "eddsa")
HASHES = ("sha256", "sha384", "sha512")
MESSAGE_MAX_LEN = 1 << 15
"""Of a message that the card must see as a whole (EdDSA), in bytes; cards take at most a command of 65,535."""


def add_sign(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = sign.__doc__
    add_slot(parser)
    parser.add_argument("file", metavar="FILE", help="what to sign")
    parser.add_argument("--out", metavar="FILE", required=True, help="where to save the signature")
    parser.add_argument("--algorithm", choices=SCHEMES, help="how to sign (default: as is usual for the key)")
    parser.add_argument("--hash", choices=HASHES, help="the hash function (default: as is usual for the key)")
    add_reader(parser)
    add_key_use(parser)
    parser.set_defaults(run=sign)


def add_decrypt(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = decrypt.__doc__
    add_slot(parser)
    parser.add_argument("file", metavar="FILE", help="what was encrypted for the key in the slot")
    parser.add_argument("--out", metavar="FILE", required=True, help="where to save what was in it")
    parser.add_argument("--oaep", choices=HASHES, help="it is RSA-OAEP with this hash (default: RSA PKCS#1 v1.5)")
    add_reader(parser)
    add_key_use(parser)
    parser.set_defaults(run=decrypt)


def sign(arguments: argparse.Namespace) -> ExitCode:
    """Sign a file with a key on the card. The signature alone is saved, and how to check it with openssl is told."""
    from ..output import print_json, talk
    from ..photo import write_file
    from ..prompts import Secrets

    secrets = Secrets(arguments)
    with card(arguments) as session, using_key(session, secrets, arguments) as (piv, public_key):
        signer = piv.signer(arguments.slot, secrets.pin, public_key=public_key)
        algorithm = algorithm_for(signer, arguments, f"the key in slot {arguments.slot}")
        signature = _signature(signer, algorithm, arguments.file)
    write_file(arguments.out, signature)
    if arguments.json:
        used = {"algorithm": algorithm.scheme.value, "hash": algorithm.hash.value if algorithm.hash else None}
        print_json({"schema_version": 1, "slot": str(arguments.slot), **used, "bytes": len(signature)})
    _ = arguments.words.translate
    talk(_("The signature was saved as {path}. To check it:").format(path=arguments.out))
    for line in _recipe(algorithm, arguments):
        talk(f"  {line}")
    return ExitCode.OK


def decrypt(arguments: argparse.Namespace) -> ExitCode:
    """Decrypt a file, which was encrypted with RSA for a key on the card. Only you may read what is saved."""
    from ecitizen.algorithms import HashAlgorithm

    from ..files import read_file, write_secret_file
    from ..output import print_json, talk
    from ..prompts import Secrets

    secrets = Secrets(arguments)
    ciphertext = read_file(arguments.file)
    oaep = HashAlgorithm(arguments.oaep) if arguments.oaep else None
    with card(arguments) as session, using_key(session, secrets, arguments) as (piv, public_key):
        content = piv.decipherer(arguments.slot, secrets.pin, public_key=public_key).decipher(ciphertext, oaep)
    write_secret_file(arguments.out, content)
    if arguments.json:
        print_json({"schema_version": 1, "slot": str(arguments.slot), "bytes": len(content)})
    _ = arguments.words.translate
    talk(_("What was in it was saved as {path}.").format(path=arguments.out))
    return ExitCode.OK


def algorithm_for(signer: "Signer", arguments: argparse.Namespace, key: str) -> "SignatureAlgorithm":
    """The first algorithm of a key that is as the command line says; UsageError, which calls it `key`, if none is."""
    from ecitizen.errors import UsageError

    for each in signer.algorithms:
        scheme, hashed = each.scheme.value, each.hash.value if each.hash else None
        if arguments.algorithm in {None, scheme} and arguments.hash in {None, hashed}:
            return each
    known = ", ".join(" ".join(filter(None, each)) for each in signer.algorithms) or "nothing"
    raise UsageError(f"{key} ({signer.key_algorithm}) can't sign so; it can sign with {known}")


def _signature(signer: "Signer", algorithm: "SignatureAlgorithm", path: str) -> bytes:
    """The signature of a file, of which only EdDSA has the card see more than a digest."""
    import hashlib
    from pathlib import Path

    from ecitizen.errors import UsageError

    from ..files import read_file

    if algorithm.hash is None:
        return signer.sign(read_file(path, MESSAGE_MAX_LEN), algorithm)
    try:
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, algorithm.hash.value).digest()
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None
    return signer.sign_digest(digest, algorithm)


def _recipe(algorithm: "SignatureAlgorithm", arguments: argparse.Namespace) -> list[str]:
    """Commands that check the signature with openssl, and the public key that was given or else the certificate's."""
    import shlex

    from ecitizen.algorithms import SignatureScheme

    message, signature = shlex.quote(arguments.file), shlex.quote(arguments.out)
    if arguments.public_key is not None:
        public, lines = shlex.quote(arguments.public_key), []
    else:
        reader = f" --reader {shlex.quote(arguments.reader)}" if arguments.reader else ""
        public = "public.pem"
        lines = [
            f"ecitizen piv certificate {arguments.slot}{reader} --out certificate.pem",
            f"openssl x509 -in certificate.pem -pubkey -noout > {public}",
        ]
    if algorithm.hash is None:
        return [*lines, f"openssl pkeyutl -verify -pubin -inkey {public} -rawin -in {message} -sigfile {signature}"]
    pss = ""
    if algorithm.scheme is SignatureScheme.RSA_PSS:
        pss = " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"
    return [*lines, f"openssl dgst -{algorithm.hash} -verify {public}{pss} -signature {signature} {message}"]
