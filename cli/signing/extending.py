"""`ecitizen sign extend`: what is signed, made to last longer."""

import argparse
from pathlib import Path

from ..exit_codes import ExitCode
from .files import LEVELS
from .trusting import (
    add_offline,
    add_timestamps,
    add_trust,
    now,
    revocation_source,
    timestamp_source,
    trust_store,
)


def add_extend(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = extend.__doc__
    parser.add_argument("files", metavar="FILE", nargs="+", help="the signed file, or the signature beside it")
    parser.add_argument("--level", choices=LEVELS[1:], required=True, help="the level to raise it to")
    parser.add_argument(
        "--renew", action="store_true", help="with lta: add an archive timestamp to those that are there"
    )
    parser.add_argument("--content", metavar="FILE", help="what the signature is over, if it does not lie beside it")
    parser.add_argument("--out", metavar="FILE", help="where to save the result (default: in place of the file)")
    add_timestamps(parser)
    add_trust(parser)
    add_offline(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=extend)


def extend(arguments: argparse.Namespace) -> ExitCode:
    """Raise signatures to a higher level: t adds a timestamp, lt evidence, lta an archive timestamp. No card is needed.

    An archive timestamp must be renewed before the certificate of the last one runs out.
    """
    from ecitizen.errors import UsageError
    from pki.documents import extend_file
    from pki.signed import Level

    from ..output import print_json, talk

    if len(arguments.files) > 1 and (arguments.out is not None or arguments.content is not None):
        raise UsageError("--out and --content go with one file; extend several without, or one by one")
    level = Level(arguments.level)
    if arguments.renew and level is not Level.LTA:
        raise UsageError("--renew goes with --level lta: it is archive timestamps that are renewed")
    store = trust_store(arguments)
    sources = {
        "timestamps": timestamp_source(arguments),
        "revocation": revocation_source(arguments, store),
        "trust": store,
    }
    if sources["timestamps"] is None and level is not Level.LT:
        raise UsageError(f"level {level} needs a timestamp authority: give its address with --tsa URL")
    content = Path(arguments.content) if arguments.content else None
    out = Path(arguments.out) if arguments.out else None
    _ = arguments.words.translate
    done = []
    for each in arguments.files:
        settings = {**sources, "moment": now(), "level": level, "renew": arguments.renew, "out": out}
        path = extend_file(Path(each), content, **settings)
        done.append({"file": each, "out": str(path)})
        talk(_("The signed file was saved as {path}.").format(path=path))
    if arguments.json:
        print_json({"schema_version": 1, "level": level.value, "extended": done})
    return ExitCode.OK
