"""Completion scripts, in the shells that are here, and what they contain."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from cli.commands.completion import SHELLS
from cli.completion import describe
from cli.main import parser
from cli.tree import leaves


class Outcome(Protocol):
    code: int
    out: str


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


LIMIT = 20.0

FIELDS = ["health_insurance.main_scheme", "health_insurance.main_hospital"]
CASES: list[tuple[list[str], list[str]]] = [
    (["car"], ["card"]),
    (["card", "rea"], ["read"]),
    (["card", "read", "--no"], ["--no-photo"]),
    (["card", "read", "--app", "civ"], ["civil_servant"]),
    (["card", "read", "--field", "health_insurance.main"], FIELDS),
    (["card", "read", "--reader", "card", "--photo", "por"], ["portrait of me.jpg", "portrait.jpg"]),
    (["emulator", "new", "--persona", "wan"], ["wanida"]),
    (["emulator", "new", "--protocol", ""], ["t0", "t1"]),
    (["emulator", "show", "portrait."], ["portrait.jpg"]),
    (["emulator", "control", "sock", "sw"], ["swap"]),
    (["emulator", "control", "sock", "swap", "portrait."], ["portrait.jpg"]),
    (["explain", "--as", "a"], ["atr"]),
    (["--lang", "t"], ["th"]),
    (["reader", "list", "--lang", "e"], ["en"]),
    (["--lang", "th", "doctor", "--j"], ["--json"]),
    (["completion", "f"], ["fish"]),
    (["pin", "un"], ["unblock"]),
    (["pin", "verify", "--pin"], ["--pin-fd"]),
    (["piv", "sign", "9A", "por"], ["portrait of me.jpg", "portrait.jpg"]),
    (["piv", "sign", "9A", "--algorithm", "e"], ["ecdsa", "eddsa"]),
    (["piv", "attest", "F"], ["F9"]),
    (["piv", "generate", "--pin-policy", "o"], ["once"]),
    (["piv", "objects", "--read", "chu"], ["chuid"]),
    (["emulator", "new", "--atr", ""], ["piv", "thai"]),
    (["sign", "ext"], ["extend"]),
    (["sign", "por"], ["portrait of me.jpg", "portrait.jpg"]),
    (["sign", "--ren"], []),
    (["sign", "extend", "--ren"], ["--renew"]),
    (["sign", "extend", "--level", "lt"], ["lt", "lta"]),
    (["piv", "sign", "--cert"], []),
    (["encrypt", "--to", "por"], ["portrait of me.jpg", "portrait.jpg"]),
    (["exchange", "pre"], ["present"]),
]
ONLY_BASH: list[tuple[list[str], list[str]]] = [
    (["trace", "--", "card", "inf"], ["info"]),
    (["card", "read", "--reader", ""], []),
]


@pytest.fixture
def script(tmp_path: Path, run: Run) -> Callable[[str], Path]:
    """`script("bash")` writes the script for that shell into a folder with two portraits in it."""

    def write(shell: str) -> Path:
        done = run("completion", shell)
        path = tmp_path / f"script.{shell}"
        path.write_text(done.out, encoding="utf-8")
        for name in ("portrait.jpg", "portrait of me.jpg"):
            (tmp_path / name).touch()
        return path

    return write


def shell(name: str, text: str, folder: Path, *arguments: str) -> str:
    command = [name, "-c", text, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def need(name: str) -> None:
    """Skip where a plain user lacks this shell; in CI `make setup` has installed it, so its absence is a failure."""
    if shutil.which(name) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the shell {name} is missing (apt install {name})")


@pytest.mark.parametrize("name", SHELLS)
def test_the_shell_itself_can_read_the_script(name: str, script: Callable[[str], Path]) -> None:
    need(name)
    path = script(name)
    done = subprocess.run([name, "-n", str(path)], capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


# compopt only works while the shell itself completes; all else is what happens when Tab is pressed.
BASH = """
source "$1"; shift
complete -p ecitizen | grep -q -- '-F _ecitizen' || exit 3
compopt() { :; }
COMP_WORDS=(ecitizen "$@"); COMP_CWORD=$#
_ecitizen
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("line", "offered"), CASES + ONLY_BASH, ids=" ".join)
def test_bash_offers_what_fits(line: list[str], offered: list[str], script: Callable[[str], Path]) -> None:
    need("bash")
    path = script("bash")
    found = shell("bash", BASH, path.parent, "bash", str(path), *line).splitlines()
    assert sorted(word for word in found if word) == sorted(offered)


@pytest.mark.parametrize(("line", "offered"), CASES, ids=" ".join)
def test_fish_offers_what_fits(line: list[str], offered: list[str], script: Callable[[str], Path]) -> None:
    need("fish")
    path = script("fish")
    text = f"source script.fish; complete -C 'ecitizen {' '.join(line)}'"
    found = [row.split("\t")[0] for row in shell("fish", text, path.parent).splitlines()]
    assert sorted(found) == sorted(offered)


@pytest.mark.parametrize("name", SHELLS)
def test_a_script_knows_every_command_and_every_long_option(name: str, run: Run) -> None:
    text = run("completion", name).out
    for leaf in leaves(parser()):
        assert re.search(rf"\b{leaf.prog.split()[-1]}\b", text), leaf.prog
        for action in leaf._actions:
            for option in (each for each in action.option_strings if each.startswith("--")):
                written = f"-l {option[2:]} " if name == "fish" else option
                assert written in text, f"{leaf.prog} {option}"


def test_the_description_is_that_of_the_parsers() -> None:
    commands = {command.path: command for command in describe(parser())}
    assert {" ".join(("ecitizen", *path)) for path, command in commands.items() if not command.is_group} == {
        leaf.prog.replace(" PATH", "") for leaf in leaves(parser())
    }
    read = commands["card", "read"]
    options = {option.names[-1]: option.value for option in read.options}
    assert options["--json"] is None
    assert options["--photo"] is not None
    assert options["--photo"].files


def test_a_shell_that_we_do_not_know_is_a_wrong_command_line(run: Run) -> None:
    done = run("completion", "csh")
    assert (done.code, done.out) == (2, "")
