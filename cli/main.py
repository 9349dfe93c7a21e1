"""The `ecitizen` command: parses the command line, runs one command, turns errors into words and an exit code."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from ecitizen.errors import EcitizenError
from ecitizen.version import __version__

from .commands import card, demo, emulator, explain, reader, trace
from .exit_codes import ExitCode, exit_code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="ecitizen",
        description="Read, emulate and issue multi-application smart identity cards.",
        epilog="`ecitizen COMMAND --help` tells more. Exit codes and JSON forms: docs/cli.md.",
    )
    top.add_argument("--version", action="version", version=f"ecitizen {__version__}")
    top.set_defaults(wrap=None)  # what `trace` puts around the transport of every card that a command opens
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (demo, reader, card, emulator, trace, explain):
        module.add_to(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    _take_any_text()
    arguments = parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
    except EcitizenError as error:
        return _report(error, as_json=getattr(arguments, "json", False))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone; Python would complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OTHER
    return int(code)


def _take_any_text() -> None:
    """Print what the terminal's character set lacks (Thai, in the C locale) as escapes: never fail for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: EcitizenError, *, as_json: bool) -> ExitCode:
    if as_json:
        from .output import print_json  # late: only errors of programs' calls need it

        print_json({"error": {"code": error.code, "message": str(error)}})
    print(f"ecitizen: {error}", file=sys.stderr)
    return exit_code(error)
