"""`ecitizen ca ceremony`: making a root before witnesses, and checking how one was made."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from .making import add_keys_at
from .work import add_keys, keys

if TYPE_CHECKING:
    from pki.shares import Share


def add_ceremony(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = ceremony.__doc__
    parser.add_argument("folder", metavar="DIR", nargs="?", help="the new folder of the authorities")
    parser.add_argument(
        "script", metavar="SCRIPT", nargs="?", help="what is to be made, for whom and before whom (TOML)"
    )
    parser.add_argument("--shares", metavar="DIR", help="where each holder's share is written, for the owner alone")
    add_keys_at(parser)
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--check", metavar="FILE", help="replay a transcript, and check every line and signature")
    other.add_argument("--sign", metavar="FILE", help="check a transcript, and sign it as a witness")
    parser.add_argument("--witness", metavar="NAME", help="with --sign: who signs, as the script names them")
    parser.add_argument("--key", metavar="KEY", help="with --sign: their key, file:PATH or piv:9C")
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=ceremony)


def ceremony(arguments: argparse.Namespace) -> ExitCode:
    """Make a root and its authorities by a script, and write each step into a transcript that the new root signs.

    DIR/transcript.jsonl tells all that was done, and nothing secret: anybody can replay it with --check.
    """
    from ecitizen.errors import UsageError

    if arguments.check is not None:
        return _check(arguments)
    if arguments.sign is not None:
        return _sign(arguments)
    if arguments.folder is None or arguments.script is None:
        raise UsageError("a ceremony needs a folder and a script; or say --check or --sign and a transcript")
    return _conduct(arguments)


def _conduct(arguments: argparse.Namespace) -> ExitCode:
    from ecitizen.errors import UsageError
    from pki.hierarchy import FolderActs, Hierarchy, create, new_folder
    from pki.plan import ROOT, Plan
    from pki.transcript import TranscriptFile

    from ..files import read_file
    from ..output import talk

    _ = arguments.words.translate
    script = read_file(arguments.script).decode("utf-8", "replace")
    plan = Plan.parse(script)
    if bool(plan.holders) != bool(arguments.shares):
        raise UsageError("--shares DIR is needed where the script has holders of shares, and only there")
    folder = Path(arguments.folder)

    def give(holder: str, share: "Share") -> None:
        path = Path(arguments.shares) / f"share-{share.place}.txt"
        _write_share(path, share)
        talk(_("{holder}: take {path}, and let nobody see it.").format(holder=holder, path=path))

    with keys(arguments) as source:
        acts = FolderActs(source, plan, folder=folder, keys_at=arguments.keys_at, give_share=give)
        new_folder(folder)
        transcript = TranscriptFile(folder / "transcript.jsonl")
        create(folder, script, plan, acts, transcript.record)
        transcript.sign(ROOT, acts.root_signer())
        with Hierarchy.open(folder, source) as made:
            made.make_services()
            for record in made.store.authorities():
                if record.name != ROOT:
                    made.publish(record.name)
    return _tell(arguments, folder / "transcript.jsonl")


def _write_share(path: Path, share: "Share") -> None:
    from ecitizen.errors import FileFailed

    from ..files import write_secret_file

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailed(f"can't make the folder {path.parent}: {error.strerror}") from None
    if path.exists():
        raise FileFailed(f"{path} exists, and a share is never overwritten; give an empty folder")
    write_secret_file(str(path), f"{share.text}\n".encode("ascii"))


def _check(arguments: argparse.Namespace) -> ExitCode:
    return _tell(arguments, Path(arguments.check))


def _sign(arguments: argparse.Namespace) -> ExitCode:
    from ecitizen.errors import UsageError
    from pki.transcript import append, witness_line

    if arguments.witness is None or arguments.key is None:
        raise UsageError("a witness signs with --witness NAME and --key KEY")
    path = Path(arguments.sign)
    reference = arguments.key
    if reference.startswith("file:"):  # not one of the folder of keys, but where the witness says
        reference = f"file:{Path(reference.removeprefix('file:')).absolute()}"
    with keys(arguments) as source:
        append(path, witness_line(_read(path), arguments.witness, source.open(reference)))
    return _tell(arguments, path)


def _read(path: Path) -> str:
    from pki.transcript import TRANSCRIPT_MAX_LEN

    from ..files import read_file

    return read_file(str(path), TRANSCRIPT_MAX_LEN).decode("utf-8", "replace")


def _tell(arguments: argparse.Namespace, path: Path) -> ExitCode:
    """Check the transcript, and say what it proves; exit code 1 while a witness has not signed."""
    import hashlib

    from pki.transcript import check

    from ..output import print_json, talk

    checked = check(_read(path))
    fingerprint = hashlib.sha256(checked.root).hexdigest()
    if arguments.json:
        print_json(
            {
                "schema_version": 1,
                "transcript": str(path),
                "at": checked.at.isoformat(),
                "steps": checked.steps,
                "root_sha256": fingerprint,
                "authorities": list(checked.certificates),
                "signed_by": list(checked.signed_by),
                "missing": list(checked.missing),
                "shares": dict(checked.shares),
            }
        )
    _ = arguments.words.translate
    talk(
        _("All {count} steps are as the script asks, and every certificate comes out the same.").format(
            count=checked.steps
        )
    )
    talk(_("Root, SHA-256: {fingerprint}").format(fingerprint=fingerprint))
    talk(_("Signed by: {names}").format(names=", ".join(checked.signed_by)))
    if checked.missing:
        talk(_("Not signed yet by: {names}").format(names=", ".join(checked.missing)))
    return ExitCode.PROBLEMS if checked.missing else ExitCode.OK
