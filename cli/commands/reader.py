"""`ecitizen reader`: the card readers of this machine."""

import argparse

from ..exit_codes import ExitCode


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen reader")
    listing = group.add_parser("list", help="list the PC/SC readers and what is in them")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=list_readers)


def list_readers(arguments: argparse.Namespace) -> ExitCode:
    """List the PC/SC readers and what is in them."""
    from ecitizen.usecases.open_card import list_readers as find

    from ..output import print_json, talk

    readers = find()
    if arguments.json:
        rows = [
            {
                "name": reader.name,
                "card_present": reader.card_present,
                "atr": reader.atr.hex().upper() if reader.atr else None,
            }
            for reader in readers
        ]
        print_json({"schema_version": 1, "readers": rows})
    else:
        for reader in readers:
            content = "empty" if not reader.card_present else reader.atr.hex().upper() if reader.atr else "mute card"
            print(f"{reader.name}: {content}")
        if not readers:
            talk("There is no card reader. Plug one in, or try the emulated card: ecitizen emulator --help")
    return ExitCode.OK
