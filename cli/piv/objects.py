"""`ecitizen piv objects`: the data objects of a signing card."""

import argparse
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from ..options import add_management_key, add_pin, add_reader
from .work import card, end_verification, managed, selected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cardapps.piv.driver import PivSession
    from ecitizen.session import CardSession

    from ..prompts import Secrets


def add_objects(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = show_objects.__doc__
    add_reader(parser)
    deed = parser.add_mutually_exclusive_group()
    deed.add_argument("--read", metavar="TAG", type=tag, help="print an object in hex, or save it with --out")
    deed.add_argument("--write", metavar="TAG", type=tag, help="write FILE into an object")
    deed.add_argument("--delete", metavar="TAG", type=tag, help="empty an object")
    parser.add_argument("file", metavar="FILE", nargs="?", help="with --write: the new content")
    parser.add_argument("--out", metavar="FILE", help="with --read: where to save the content")
    add_pin(parser)
    add_management_key(parser)
    parser.set_defaults(run=show_objects)


def tag(text: str) -> int:
    """An object on the command line: its tag in hex or its name. Raise ArgumentTypeError for what is neither."""
    from cardapps.piv.layout import ObjectId

    try:
        return ObjectId[text.upper().replace("-", "_")].value
    except KeyError:
        pass
    try:
        value = int(text, 16)
    except ValueError:
        value = 0
    if not 0 < value <= 0xFFFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no object; take a tag as 5FC102, or a name as chuid")
    return value


def show_objects(arguments: argparse.Namespace) -> ExitCode:
    """List the data objects that the card has; or read, write or delete one.

    TAG is a tag in hex, as 5FC102, or a name from the list. Content is what stands inside the outer tag.
    """
    from ecitizen.errors import UsageError

    from ..prompts import Secrets

    if (arguments.file is None) != (arguments.write is None):
        raise UsageError("--write TAG and FILE go together")
    if arguments.out is not None and arguments.read is None:
        raise UsageError("--out goes with --read TAG")
    secrets = Secrets(arguments)
    if arguments.read is not None:
        return _read(arguments, secrets)
    if arguments.write is not None or arguments.delete is not None:
        return _write(arguments, secrets)
    return _list(arguments)


def _list(arguments: argparse.Namespace) -> ExitCode:
    from ..output import print_json

    with card(arguments) as session, selected(session) as piv:
        found = list(_found(piv))
    if arguments.json:
        objects = [{"tag": f"{number:X}", "name": name, "bytes": length} for number, name, length in found]
        print_json({"schema_version": 1, "objects": objects})
        return ExitCode.OK
    _ = arguments.words.translate
    for number, name, length in found:
        size = _("{len:,} bytes").format(len=length) if length is not None else _("readable with the PIN")
        print(f"{number:X} {name}: {size}")
    return ExitCode.OK


def _found(piv: "PivSession") -> "Iterator[tuple[int, str, int | None]]":
    """Tag, name and length of each object that is there; no length where it wants the PIN first."""
    from cardapps.piv.layout import ObjectId
    from ecitizen.errors import SecurityStatusNotSatisfied

    for each in ObjectId:
        try:
            content = piv.read_object(each)
        except SecurityStatusNotSatisfied:
            yield each, each.name.lower(), None
            continue
        if content is not None:
            yield each, each.name.lower(), len(content)


def _read(arguments: argparse.Namespace, secrets: "Secrets") -> ExitCode:
    from ecitizen.errors import SecurityStatusNotSatisfied, UsageError

    from ..files import write_secret_file
    from ..output import print_json

    with card(arguments) as session:
        try:
            content = _content(session, arguments.read)
        except SecurityStatusNotSatisfied:
            with selected(session) as piv:
                state = piv.pin_state()
            pin = secrets.pin(state)
            try:
                with selected(session) as piv:
                    piv.verify_pin(pin, last_try=state.retries_left == 1)  # whoever was asked knows
                    content = piv.read_object(arguments.read)
            finally:
                pin.wipe()
                end_verification(session)
    if content is None:
        raise UsageError(f"the card has no object {arguments.read:X}; `ecitizen piv objects` lists what it has")
    if arguments.out is not None:
        write_secret_file(arguments.out, content)
    if arguments.json:
        hexadecimal = None if arguments.out is not None else content.hex().upper()
        print_json({"schema_version": 1, "tag": f"{arguments.read:X}", "bytes": len(content), "content": hexadecimal})
    elif arguments.out is None:
        print(content.hex().upper())
    return ExitCode.OK


def _content(session: "CardSession", number: int) -> bytes | None:
    with selected(session) as piv:
        return piv.read_object(number)


def _write(arguments: argparse.Namespace, secrets: "Secrets") -> ExitCode:
    from ..files import read_file
    from ..output import talk

    _ = arguments.words.translate
    content = read_file(arguments.file) if arguments.file is not None else b""
    with card(arguments) as session, managed(session, secrets, arguments) as piv:
        if arguments.delete is not None:
            piv.delete_object(arguments.delete)
            talk(_("The object {tag:X} is empty now.").format(tag=arguments.delete))
        else:
            piv.write_object(arguments.write, content)
            talk(_("The object {tag:X} was written.").format(tag=arguments.write))
    return ExitCode.OK
