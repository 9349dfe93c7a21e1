"""`ecitizen exchange present`: the holder shows parts of a credential to one verifier."""

import argparse

from ..exit_codes import ExitCode
from ..signing.keys import add_key, signing_key
from ..signing.showing import DigestShown
from ..signing.trusting import now
from .choosing import add_choice, by_application, chosen_lines

CREDENTIAL_MAX_LEN = 4 << 20
"""In bytes; what the library takes."""


def add_present(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = present.__doc__
    parser.add_argument("file", metavar="FILE", help="the credential, as `exchange create --credential` saved it")
    parser.add_argument("--to", dest="recipient", required=True, metavar="AGENCY", help="to whom it is shown")
    parser.add_argument("--nonce", required=True, metavar="TEXT", help="what they gave for this time (16 characters)")
    add_choice(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="where to save what is shown")
    add_key(parser, "9A")
    parser.set_defaults(run=present)


def present(arguments: argparse.Namespace) -> ExitCode:
    """Show chosen parts of a credential to one verifier, signed with the card that it was issued to.

    What is not chosen stays hidden: neither names nor values of it can be found in what is saved.
    """
    from cardapps.piv.layout import Slot
    from ecitizen.errors import UsageError
    from pki.exchange_credential import present as shown
    from pki.exchange_credential import read_sd_jwt
    from pki.signed_files import write_whole

    from ..files import read_file
    from ..output import print_json, printable, talk
    from ..prompts import Secrets

    fields, claims = by_application(arguments.field, "field"), by_application(arguments.claim, "claim")
    if not fields and not claims:
        raise UsageError("say what to show: --field APP.FIELD or --claim APP.CLAIM")
    issued = read_sd_jwt(read_file(arguments.file, CREDENTIAL_MAX_LEN).decode("utf-8", "replace").strip())
    groups = (("applications", fields), ("claims", claims))
    paths = [(group, name, each) for group, chosen in groups for name, names in chosen.items() for each in names]
    secrets = Secrets(arguments)
    _ = arguments.words.translate
    talk(printable(_("To be shown to {recipient}:").format(recipient=arguments.recipient)))
    for line in chosen_lines(fields, claims, arguments.words):
        talk(line)
    with signing_key(arguments, secrets, Slot.AUTHENTICATION, None) as key:
        text = shown(
            issued,
            paths,
            key.signer,
            audience=arguments.recipient,
            nonce=arguments.nonce,
            moment=now(),
            show=DigestShown(arguments.words),
        )
    write_whole(arguments.out, [f"{text}\n".encode("ascii")])
    if arguments.json:
        print_json({"schema_version": 1, "out": arguments.out})
    talk(_("It was saved as {path}.").format(path=arguments.out))
    return ExitCode.OK
