"""`ecitizen completion`: scripts that let a shell complete our commands."""

import argparse

from ..exit_codes import ExitCode

SHELLS = ("bash", "zsh", "fish")


def fill(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = run.__doc__
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Print a script that lets a shell complete commands, options, and the names and files that they take."""
    from .. import completion
    from ..main import parser  # late: it imports this module

    script = {"bash": completion.bash, "zsh": completion.zsh, "fish": completion.fish}[arguments.shell]
    print(script(completion.describe(parser())), end="")
    return ExitCode.OK
