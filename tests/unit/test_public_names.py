"""`import ecitizen` offers its names late, and to type checkers the same ones."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ecitizen


def test_names_are_those_that_type_checkers_see() -> None:
    tree = ast.parse(Path(ecitizen.__file__).read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    assert [ast.unparse(block.test) for block in blocks] == ["TYPE_CHECKING"]
    imports = [node for node in blocks[0].body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(blocks[0].body)
    seen = {alias.asname: node.module for node in imports for alias in node.names if alias.asname == alias.name}
    assert seen == ecitizen._HOME
    assert sum(len(node.names) for node in imports) == len(seen)  # each is re-exported: `as` itself


def test_every_name_resolves_to_the_thing_at_its_home() -> None:
    for name, home in ecitizen._HOME.items():
        assert getattr(ecitizen, name) is getattr(import_module(f"ecitizen.{home}"), name)
    assert dir(ecitizen) == sorted(["__version__", *ecitizen._HOME])
    assert set(ecitizen.__all__) == set(dir(ecitizen))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'read_cards'"):
        ecitizen.read_cards  # noqa: B018 - the access is the test


def test_a_star_import_brings_them_all() -> None:
    names: dict[str, object] = {}
    exec("from ecitizen import *", names)
    assert set(ecitizen.__all__) <= names.keys()


def test_the_import_brings_nothing_that_costs_time() -> None:
    program = "import sys; before = set(sys.modules); import ecitizen; print(*sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert loaded <= {"ecitizen", "ecitizen.version", "typing", *_imported_by("typing")}
    assert not loaded & {"json", "socket", "smartcard", "cardapps", "pki", "cli", "subprocess", "dataclasses"}


def _imported_by(module: str) -> set[str]:
    program = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
