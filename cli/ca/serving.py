"""`ecitizen ca serve`: the authorities' answers over HTTP."""

import argparse

from ..exit_codes import ExitCode
from .work import add_folder, add_keys, authorities

PORT_MAX = 65_535


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = serve.__doc__
    add_folder(parser)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="listen there (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8080, metavar="N", help="port; 0 is a free one (default: 8080)")
    add_keys(parser)
    parser.set_defaults(run=serve)


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= PORT_MAX:
        raise ValueError
    return value


def serve(arguments: argparse.Namespace) -> ExitCode:
    """Answer OCSP, timestamps, revocation lists and issuers' certificates over HTTP, until stopped.

    The address is printed when it answers. The authorities' own keys are not opened.
    """
    from pki.service import serve as answer
    from pki.serving import hierarchy_routes

    def tell(port: int) -> None:
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        print(f"http://{host}:{port}", flush=True)

    with authorities(arguments) as opened:
        answer(hierarchy_routes(opened), arguments.host, arguments.port, ready=tell)
    return ExitCode.OK
