"""`ecitizen sign`: files signed with the card, one by one or several in one container."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exit_codes import ExitCode
from .appearance import add_appearance, settings
from .keys import SigningKey, add_algorithm, add_key, algorithm_of, signing_key
from .showing import DigestShown
from .trusting import (
    add_offline,
    add_timestamps,
    add_trust,
    check_level,
    now,
    revocation_source,
    timestamp_source,
    trust_store,
)

if TYPE_CHECKING:
    from pki.documents import SignatureFormat

    from ..language import Words

FORMATS = ("pades", "cades", "asic-e", "asic-s", "xades")
LEVELS = ("b", "t", "lt", "lta")
XADES_FORMS = ("etax", "baseline")


def add_sign(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = sign.__doc__
    parser.epilog = "To raise the level of what is signed already: ecitizen sign extend FILE."
    parser.add_argument("files", metavar="FILE", nargs="+", help="what to sign")
    parser.add_argument("--format", choices=FORMATS, help="how (default: pades for PDF, xades for XML, else cades)")
    parser.add_argument("--level", choices=LEVELS, default="b", help="how much evidence to add (default: b)")
    parser.add_argument("--out", metavar="FILE", help="where to save the result (default: beside the file)")
    parser.add_argument("--add", action="store_true", help="sign what others have signed, beside their signatures")
    parser.add_argument("--attached", action="store_true", help="cades: put the content into the signature file")
    parser.add_argument(
        "--xades-form", choices=XADES_FORMS, help="xades: as the national e-tax invoice (default), or ETSI baseline"
    )
    add_key(parser, "9C")
    add_algorithm(parser)
    add_timestamps(parser)
    add_trust(parser)
    add_offline(parser)
    add_appearance(parser)
    parser.set_defaults(run=sign)


@dataclass(frozen=True, slots=True)
class _Work:
    """One signature: over one file, or over all those of one container."""

    path: Path
    more: Sequence[Path]
    form: "SignatureFormat | None"
    """None to add to the signatures that are there, whatever their format."""
    out: Path | None
    """None for the usual place."""


def sign(arguments: argparse.Namespace) -> ExitCode:
    """Sign files with the card: PDF as PAdES, XML as XAdES, others as CAdES or in an ASiC container.

    What the card is about to sign is shown as a digest, then the PIN is asked for. With several files and a key that
    wants the PIN once, it is asked for once; otherwise for each file.
    """
    from cardapps.piv.layout import Slot
    from ecitizen.errors import UsageError
    from pki.documents import FileKind, kind_of
    from pki.signed import Level

    from ..output import print_json, talk
    from ..prompts import Secrets

    level = Level(arguments.level)
    works = _added(arguments) if arguments.add else _works(arguments)
    options = settings(arguments)
    if options and not all(kind_of(work.path) is FileKind.PDF and work.form in {None, "pades"} for work in works):
        raise UsageError("fields, looks, reasons and certifications are for PDF; sign other files without")
    options |= _xades_options(arguments, works)
    store = trust_store(arguments)
    check_level(level, arguments, store)
    secrets = Secrets(arguments)
    sources = {
        "timestamps": timestamp_source(arguments),
        "revocation": revocation_source(arguments, store),
        "trust": store,
    }
    _ = arguments.words.translate
    done = []
    with signing_key(arguments, secrets, Slot.SIGNATURE, store, uses=len(works)) as key:
        if len(works) > 1:
            _tell_all(works, arguments.words)
        common = {**sources, **options, "level": level, "algorithm": algorithm_of(key.signer, arguments)}
        for work in works:
            done.append(_signed(work, key, arguments, common))
            talk(_("The signed file was saved as {path}.").format(path=done[-1]["out"]))
    if arguments.json:
        print_json({"schema_version": 1, "level": level.value, "signed": done})
    return ExitCode.OK


def _tell_all(works: Sequence[_Work], words: "Words") -> None:
    """All that one PIN may be for, before it is asked: each file with the digest of what is in it."""
    from pki.signed_files import Document

    from ..output import printable, talk

    _ = words.translate
    talk(_("{count} files are to be signed (SHA-256):").format(count=len(works)))
    for work in works:
        with Document(work.path) as document:
            digest = document.whole().digests(["sha256"])["sha256"]
        talk(printable(f"  {digest.hex()}  {work.path}"))


def _signed(work: _Work, key: SigningKey, arguments: argparse.Namespace, common: dict[str, Any]) -> dict[str, Any]:
    """Make one signature; give what JSON says of it."""
    from pki.documents import add_signature, sign_file

    shown = DigestShown(arguments.words, (work.path, *work.more))
    wishes = {**common, "moment": now(), "out": work.out, "show": shown}
    by = (key.signer, key.certificate, key.chain)
    if work.form is None:
        out = add_signature(work.path, *by, **wishes)
    else:
        wishes |= {"form": work.form, "more": work.more, "attached": arguments.attached}
        out = sign_file(work.path, *by, **wishes)
    return {
        "files": [str(path) for path in (work.path, *work.more)],
        "out": str(out),
        "format": work.form.value if work.form else None,
        "hash": shown.algorithm,
        "digest": shown.digest,
    }


def _xades_options(arguments: argparse.Namespace, works: Sequence[_Work]) -> dict[str, Any]:
    """What the command line says of XML. Raise UsageError if it does, and something else is to be signed too."""
    from ecitizen.errors import UsageError

    if arguments.xades_form is None:
        return {}
    if any(work.form != "xades" for work in works):
        raise UsageError("--xades-form goes with XML that is signed as xades; sign other files without")
    from pki.xades import XadesForm

    return {"xades_form": XadesForm(arguments.xades_form)}


def _paths(arguments: argparse.Namespace) -> list[Path]:
    """What is to be signed. Raise UsageError for a file that is named twice."""
    from ecitizen.errors import UsageError

    paths = [Path(each) for each in arguments.files]
    if len(set(paths)) != len(paths):
        raise UsageError("a file is named twice; name each once")
    return paths


def _added(arguments: argparse.Namespace) -> list[_Work]:
    """What others have signed, which keeps its format. Raise UsageError for what can't be meant."""
    from ecitizen.errors import UsageError

    paths = _paths(arguments)
    if arguments.format is not None or arguments.attached:
        raise UsageError("--add keeps the format that the signatures of others have; leave --format and --attached out")
    if arguments.out is not None and len(paths) > 1:
        raise UsageError("--out names one file; leave it out to add to several")
    return [_Work(path, (), None, Path(arguments.out) if arguments.out else None) for path in paths]


def _works(arguments: argparse.Namespace) -> list[_Work]:
    """What is to be signed, and where it goes. Raise UsageError for what can't be meant."""
    from ecitizen.errors import UsageError
    from pki.documents import SignatureFormat, usual_format, usual_target

    paths = _paths(arguments)
    form = SignatureFormat(arguments.format) if arguments.format else None
    given = Path(arguments.out) if arguments.out else None
    if given is not None and len(paths) > 1 and form is not SignatureFormat.ASIC_E:
        raise UsageError("--out names one file; leave it out to sign several, or put them into one with asic-e")
    groups = [paths] if form is SignatureFormat.ASIC_E else [[path] for path in paths]
    works = []
    for first, *more in groups:
        chosen = form or usual_format(first)
        works.append(_Work(first, more, chosen, given or usual_target(first, chosen, attached=arguments.attached)))
    for work in works:
        if given is None and work.out is not None and work.out.exists():
            raise UsageError(f"{work.out} exists already; name another file with --out")
        if work.form not in {"pades", "xades"} and work.out in {work.path, *work.more}:
            raise UsageError(f"{work.out} is what is to be signed; name another file with --out")
    if arguments.attached and any(work.form != "cades" for work in works):
        raise UsageError("--attached goes with cades; other formats hold what was signed anyway")
    return works
