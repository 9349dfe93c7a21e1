"""`ecitizen reader`: the card readers of this machine."""

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from ecitizen.ports import Driver
    from ecitizen.station import StationEvent, StationSettings

    from ..language import Words

EVENT_SCHEMA_VERSION = 1
POLL_SECONDS = 0.2
"""How soon `watch` notices that it is to stop."""


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this group."""
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="ecitizen reader")
    listing = group.add_parser("list", help="list the PC/SC readers and what is in them")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=list_readers)

    watch = group.add_parser("watch", help="read every card that is put in", description=watch_readers.__doc__)
    watch.add_argument(
        "--reader",
        action="append",
        metavar="ALIAS=PART",
        help="watch the reader whose name contains PART, and call it ALIAS (may be repeated; default: all readers)",
    )
    watch.add_argument("--app", action="append", metavar="APP", help="read this application (may be repeated)")
    watch.add_argument(
        "--field", action="append", metavar="APP.FIELD", help="read this field, as citizen_id.name_th (may be repeated)"
    )
    watch.add_argument("--no-photo", action="store_true", help="leave the portrait out: much quicker")
    watch.add_argument("--json", action="store_true", help="print JSON Lines: an object for each event")
    watch.set_defaults(run=watch_readers)


def list_readers(arguments: argparse.Namespace) -> ExitCode:
    """List the PC/SC readers and what is in them."""
    from ecitizen.usecases.open_card import list_readers as find

    from ..output import print_json, talk

    _ = arguments.words.translate
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
            empty, mute = _("empty"), _("mute card")
            content = empty if not reader.card_present else reader.atr.hex().upper() if reader.atr else mute
            print(f"{reader.name}: {content}")
        if not readers:
            talk(_("There is no card reader. Plug one in, or try the emulated card: ecitizen emulator --help"))
    return ExitCode.OK


def watch_readers(arguments: argparse.Namespace) -> ExitCode:
    """Read every card that is put into a reader, and print what happens, until stopped with Ctrl-C.

    Lines for people tell what happens, and of the card's data what --app or --field name.
    """
    from importlib.util import find_spec

    from ecitizen.station import Station
    from ecitizen.usecases.open_card import list_readers as find

    from ..output import talk
    from ..stopping import StopSignals

    _ = arguments.words.translate
    if find_spec("smartcard") is None:
        find()  # raises, and says what to install; a service that is away is waited for, but pyscard won't come
    lines = _json_line if arguments.json else _lines_for(arguments)
    with StopSignals() as signals, Station(_settings(arguments), wrap=arguments.wrap) as station:
        if not arguments.json:
            talk(_("Watching; Ctrl-C stops."))
        while not signals.came():
            for event in station.events(POLL_SECONDS):
                for line in lines(event):
                    print(line, flush=True)
                if signals.came():
                    break
    return ExitCode.OK


def _settings(arguments: argparse.Namespace) -> "StationSettings":
    from ecitizen.errors import UsageError
    from ecitizen.station import StationSettings

    aliases: dict[str, str] = {}
    for text in arguments.reader or ():
        alias, _, part = text.partition("=")
        if not alias or not part or alias in aliases:
            raise UsageError("--reader takes ALIAS=PART, as in desk=ACR39U, with every alias once")
        aliases[alias] = part
    return StationSettings(apps=arguments.app, fields=arguments.field, photo=not arguments.no_photo, aliases=aliases)


def _json_line(event: "StationEvent") -> Iterator[str]:
    import json

    yield json.dumps(event_json(event))  # ASCII: a consumer need not guess the character set


def event_json(event: "StationEvent") -> dict[str, Any]:
    """An event as JSON values: `event` says which, and the keys after `reader` are its own."""
    from ecitizen import station
    from ecitizen.jsonio import plain, to_json

    own: dict[str, Any] = {}
    match event:
        case station.CardInserted(atr=atr):
            own = {"atr": atr.hex().upper() if atr else None}
        case station.ReadProgress(percent=percent, application=application):
            own = {"percent": percent, "application": application}
        case station.DataArrived(application=application, record=record, problems=problems):
            own = {"application": application, "record": plain(record), "problems": plain(problems)}
        case station.CardRead(reading=reading):
            own = {"reading": to_json(reading)}
        case station.Failed(error=error):
            own = {"error": {"code": error.code, "message": str(error)}}
    moment = event.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(event).__name__)
    return {
        "schema_version": EVENT_SCHEMA_VERSION,
        "event": name.lstrip("_"),
        "moment": moment,
        "reader": event.reader,
        **own,
    }


def _lines_for(arguments: argparse.Namespace) -> "Callable[[StationEvent], Iterator[str]]":
    from ecitizen.apps import installed_drivers

    drivers = installed_drivers()
    named = bool(arguments.app or arguments.field)
    return lambda event: _lines(event, arguments.words, drivers if named else ())


def _lines(event: "StationEvent", words: "Words", shown: "tuple[Driver, ...]") -> Iterator[str]:
    """An event for people; of data, that of the applications that are to be shown."""
    from ecitizen import station

    from ..output import problem_text, reading_lines

    what = _what(event, words)
    if what is None:
        return
    time = event.moment.astimezone().strftime("%H:%M:%S")
    yield f"{time} {event.reader}: {what}" if event.reader else f"{time} {what}"
    if isinstance(event, station.CardRead):
        if shown:
            yield from reading_lines(event.reading, shown, words)
        else:
            yield from (f"! {problem_text(problem, words)}" for problem in event.reading.problems)


def _what(event: "StationEvent", words: "Words") -> str | None:
    """What happened, in a few words; None for what only programs want to know."""
    from ecitizen import station

    _ = words.translate
    if isinstance(event, station.CardRead):
        found = ", ".join(name for name, record in event.reading.applications.items() if record is not None)
        return _("card read: {applications}").format(applications=found)
    if isinstance(event, station.Failed):
        return words.error(event.error)
    return {
        station.ReaderAttached: _("reader attached"),
        station.ReaderGone: _("reader gone"),
        station.CardInserted: _("card inserted"),
        station.CardTaken: _("card taken out"),
    }.get(type(event))
