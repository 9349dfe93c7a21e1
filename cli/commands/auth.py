"""`ecitizen auth`: signing in to web servers with the card, by tokens of Web eID."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..exit_codes import ExitCode
from ..options import add_moment
from ..signing.keys import add_key, signing_key
from ..signing.trusting import add_offline, add_trust, now, revocation_source, trust_store

if TYPE_CHECKING:
    from pki.errors import PkiError
    from pki.web_eid import SignIn

TOKEN_MAX_LEN = 10_000
"""In bytes; the library counts characters, of which a token has no other than ASCII."""
_SESSION = "here"
"""The one browser session that a check at the command line stands for."""


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen auth")
    token = group.add_parser("token", help="answer a server's challenge with the card", description=make.__doc__)
    _add_challenge(token)
    token.add_argument("--out", metavar="FILE", help="where to save the token (default: print it)")
    add_key(token, "9A")
    token.set_defaults(run=make)

    check_ = group.add_parser("check", help="check such an answer, as a server does", description=check.__doc__)
    check_.add_argument("file", metavar="FILE", help="the token; - for standard input")
    _add_challenge(check_)
    add_trust(check_)
    add_offline(check_)
    add_moment(check_)
    check_.add_argument("--json", action="store_true", help="print JSON")
    check_.set_defaults(run=check)


def _add_challenge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--origin", required=True, metavar="URL", help="the server, as https://service.example.go.th")
    parser.add_argument("--nonce", required=True, metavar="TEXT", help="its challenge: 44 characters of base64 or more")


def make(arguments: argparse.Namespace) -> ExitCode:
    """Answer a web server's challenge with the card: a token (web-eid:1.0) that is good for this server only, once."""
    from cardapps.piv.layout import Slot
    from pki.signed_files import write_whole
    from pki.web_eid import check_origin, sign_in

    from ..output import printable, talk
    from ..prompts import Secrets
    from ..signing.showing import DigestShown

    _ = arguments.words.translate
    origin = check_origin(arguments.origin)
    secrets = Secrets(arguments)
    talk(printable(_("To sign in at {origin}:").format(origin=origin)))
    with signing_key(arguments, secrets, Slot.AUTHENTICATION, None) as key:
        show = DigestShown(arguments.words)
        token = sign_in(key.signer, key.certificate, origin, arguments.nonce, show=show)
    if arguments.out is None:
        print(token)
        return ExitCode.OK
    write_whole(arguments.out, [f"{token}\n".encode("ascii")])
    talk(_("It was saved as {path}.").format(path=arguments.out))
    return ExitCode.OK


def check(arguments: argparse.Namespace) -> ExitCode:
    """Check the answer to a challenge as a server does: who signs in, and whether to believe it.

    A server must also see to it that each challenge is its own, and is answered once, within five minutes.
    """
    from datetime import timedelta

    from ecitizen.errors import UsageError
    from pki.errors import PkiError
    from pki.web_eid import WebEidValidator, check_origin
    from pki.web_eid_nonces import MemoryNonces

    from ..output import print_json

    check_origin(arguments.origin)
    store = trust_store(arguments)
    if store is None:
        raise UsageError("nobody is trusted, so nobody can sign in; name a trust directory with --trust DIR")
    moment = arguments.moment or now()
    nonces = MemoryNonces()
    nonces.put(_SESSION, arguments.nonce, moment + timedelta(seconds=1), moment)
    validator = WebEidValidator(arguments.origin, store, nonces, revocation=revocation_source(arguments, store))
    token = _read(arguments.file)
    try:
        who = validator.validate(token, _SESSION, moment)
    except PkiError as error:
        return _refused(error, arguments)
    if arguments.json:
        print_json({"schema_version": 1, "verdict": "valid", "test": store.policy.test, **_json_of(who)})
    else:
        print("\n".join(_lines(who, arguments, test=store.policy.test)))
    return ExitCode.OK


def _read(path: str) -> bytes:
    from ..files import read_file

    return sys.stdin.buffer.read(TOKEN_MAX_LEN + 1) if path == "-" else read_file(path, TOKEN_MAX_LEN)


def _json_of(who: "SignIn") -> dict[str, Any]:
    from ..signing.reports import path_json, signer_json

    return {
        "origin": who.origin,
        "moment": who.moment.isoformat(),
        "subject": {**signer_json(who.subject), "serial_number": who.serial_number},
        "path": path_json(who.path),
    }


def _lines(who: "SignIn", arguments: argparse.Namespace, *, test: bool) -> list[str]:
    from ..output import printable
    from ..signing.reports import signer_name

    _ = arguments.words.translate
    line = _("Signed in at {origin}: {name}").format(origin=who.origin, name=signer_name(who.subject, arguments.words))
    return [printable(f"{line} {_('(by authorities for tests)')}" if test else line)]


def _refused(error: "PkiError", arguments: argparse.Namespace) -> ExitCode:
    """A token that is not accepted is an answer, too: why, in words, JSON and the exit code."""
    from ecitizen.jsonio import plain
    from pki.errors import SignatureInvalid
    from pki.token_errors import TokenProblem, TokenRefused
    from pki.web_eid import reason

    from ..output import print_json

    _ = arguments.words.translate
    if arguments.json:
        text = plain(error.text) if isinstance(error, TokenRefused) else None
        evidence = error.evidence if isinstance(error, TokenRefused) else {}
        about = {"message": str(error), "text": text, "evidence": evidence}
        print_json({"schema_version": 1, "verdict": reason(error), **about})
    else:
        said = arguments.words.choose(error.text) if isinstance(error, TokenRefused) else arguments.words.error(error)
        print(f"{_('Not signed in')}: {said}")
    if isinstance(error, SignatureInvalid):
        return ExitCode.ALTERED
    codes = {
        TokenProblem.REVOKED: ExitCode.REVOKED,
        TokenProblem.UNTRUSTED: ExitCode.UNTRUSTED,
        TokenProblem.CERTIFICATE_EXPIRED: ExitCode.EXPIRED,
        TokenProblem.STATUS_UNKNOWN: ExitCode.CANNOT_TELL,
    }
    return codes.get(error.problem, ExitCode.REFUSED) if isinstance(error, TokenRefused) else ExitCode.REFUSED
