"""`ecitizen ca init` and `crl`: making authorities, and publishing their lists."""

import argparse
from pathlib import Path

from ..exit_codes import ExitCode
from .work import add_folder, add_keys, authorities, keys


def add_init(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = make.__doc__
    add_folder(parser)
    parser.add_argument("--base-uri", required=True, metavar="URI", help="where it will be served: http://pki.example")
    parser.add_argument("--plan", metavar="FILE", help="who issues what (TOML; default: root and four authorities)")
    add_keys_at(parser)
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=make)


def add_keys_at(parser: argparse.ArgumentParser) -> None:
    """Let a command say where new keys are made."""
    parser.add_argument(
        "--keys-at",
        default="file:",
        metavar="WHERE",
        help="make the authorities' keys on a token: pkcs11:token=NAME?module-path=FILE (default: in encrypted files)",
    )


def add_crl(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = publish.__doc__
    add_folder(parser)
    parser.add_argument(
        "--authority",
        action="append",
        metavar="NAME",
        help="only this one (may be repeated; default: all but the root)",
    )
    parser.add_argument("--full", action="store_true", help="make full lists even if they are not due")
    add_keys(parser, shares=True)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=publish)


def make(arguments: argparse.Namespace) -> ExitCode:
    """Make a root and its authorities in a new folder, with lists to serve. Who they are stands in a plan."""
    from pki.hierarchy import FolderActs, Hierarchy, create, new_folder
    from pki.plan import ROOT, Plan, standard_plan

    from ..files import read_file
    from ..output import print_json, talk

    script = read_file(arguments.plan).decode("utf-8", "replace") if arguments.plan else standard_plan()
    plan = Plan.parse(script, base_uri=arguments.base_uri)
    folder = Path(arguments.folder)
    with keys(arguments) as source:
        acts = FolderActs(source, plan, folder=folder, keys_at=arguments.keys_at)
        new_folder(folder)
        create(folder, script, plan, acts)
        with Hierarchy.open(folder, source) as made:
            made.make_services()
            names = [record.name for record in made.store.authorities()]
            for name in names:
                if name != ROOT:
                    made.publish(name)
    if arguments.json:
        print_json({"schema_version": 1, "authorities": names})
    _ = arguments.words.translate
    talk(_("Made in {folder}: {names}.").format(folder=folder, names=", ".join(names)))
    talk(_("Serve it with: ecitizen ca serve {folder}").format(folder=folder))
    return ExitCode.OK


def publish(arguments: argparse.Namespace) -> ExitCode:
    """Publish revocation lists: full ones when they are due, and what has changed since. To be run every few hours.

    The OCSP responders and the timestamp authority get new keys and certificates before theirs run out.
    """
    from pki.plan import ROOT

    from ..output import print_json, talk

    _ = arguments.words.translate
    made = []
    with authorities(arguments) as opened:
        known = [record.name for record in opened.store.authorities()]
        names = arguments.authority or [name for name in known if name != ROOT]
        renewed = [] if arguments.authority else [record.name for record in opened.make_services()]
        for name in names:
            for each in opened.publish(name, full=True if arguments.full else None):
                kind = "delta" if each.delta else "full"
                made.append(
                    {
                        "authority": name,
                        "file": str(each.path),
                        "kind": kind,
                        "number": each.number,
                        "entries": each.entries,
                        "bytes": each.size,
                    }
                )
                if not arguments.json:
                    text = _("{file}: number {number}, {entries:,} entries, {size:,} bytes")
                    print(text.format(file=each.path, number=each.number, entries=each.entries, size=each.size))
    if arguments.json:
        print_json({"schema_version": 1, "lists": made, "renewed": renewed})
    for name in renewed:
        text = _("{name} has a new key and certificate; a running `ecitizen ca serve` takes it by itself.")
        talk(text.format(name=name))
    return ExitCode.OK
