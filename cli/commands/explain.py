"""`ecitizen explain`: what bytes between a program and a card mean."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from ecitizen.explain import Explanation, Part

KINDS = ("command", "response", "tlv", "atr", "sw")
SHOWN_MAX = 32
"""Bytes of a piece that are shown to a person; JSON has them all."""


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = run.__doc__
    parser.add_argument("hex", nargs="+", metavar="HEX", help="bytes in hex; spaces and colons don't matter")
    parser.add_argument("--as", dest="kind", choices=KINDS, help="what they are, where the guess is wrong")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Say what bytes mean: a command, a response, data objects (BER-TLV), an answer to reset or a status word.

    What they look like most comes first, with its parts; what they could be as well, after it. PINs and keys in
    commands are not shown. The exit code is 1 if the bytes make no sense.
    """
    from ecitizen.explain import Kind, explain

    found = explain(" ".join(arguments.hex), Kind(arguments.kind) if arguments.kind else None)
    if arguments.json:
        from ..output import print_json

        print_json({"schema_version": 1, **_as_json(found)})
    else:
        print("\n".join(_lines(found)))
    return ExitCode.OK if found.fits else ExitCode.PROBLEMS


def _lines(found: "Explanation") -> Iterator[str]:
    yield found.summary
    for part in found.parts:
        yield from _part_lines(part, 1)
    for other in found.alternatives:
        yield f"or, with --as {other.kind}: {other.summary}"


def _part_lines(part: "Part", depth: int) -> Iterator[str]:
    data = part.data[:SHOWN_MAX].hex(" ").upper() + (" …" if len(part.data) > SHOWN_MAX else "")
    # A piece that is taken apart below need not be shown twice.
    shown = [text for text in (part.name, "" if part.parts else data) if text]
    yield f"{'  ' * depth}{' '.join(shown)}{f': {part.meaning}' if part.meaning else ''}"
    for each in part.parts:
        yield from _part_lines(each, depth + 1)


def _as_json(found: "Explanation") -> dict[str, object]:
    return {
        "kind": found.kind,
        "fits": found.fits,
        "summary": found.summary,
        "parts": [_part_json(part) for part in found.parts],
        "alternatives": [{"kind": other.kind, "summary": other.summary} for other in found.alternatives],
    }


def _part_json(part: "Part") -> dict[str, object]:
    return {
        "name": part.name,
        "data": part.data.hex().upper(),
        "meaning": part.meaning,
        "parts": [_part_json(each) for each in part.parts],
    }
