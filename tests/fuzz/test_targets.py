"""The fuzz targets without a fuzzer: their seeds, and blind changes of these. `make fuzz` is the thorough one."""

import random
from importlib import import_module
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CHANGES = 150


def changed(seed: bytes, chance: random.Random) -> bytes:
    """A seed with some bytes replaced, put in or left out."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        data[at : at + chance.choice((0, 1, 1, 2, 8))] = chance.randbytes(chance.choice((0, 1, 1, 2, 5)))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds(name: str) -> None:
    target = TARGETS[name]
    seeds = [seed[: target.max_len] for seed in target.seeds()]
    assert seeds
    chance = random.Random(name)
    for data in (b"", *seeds[:100], *(changed(chance.choice(seeds), chance) for _ in range(CHANGES))):
        target.check(data)


def test_every_target_has_a_name_of_its_own() -> None:
    """Otherwise one would take the other's place, and nobody would fuzz that any more."""
    stems = {path.stem for path in Path(__file__).parent.glob("*.py")} - BESIDE
    names = [target.name for stem in stems for target in import_module(f"tests.fuzz.{stem}").TARGETS]
    assert sorted(names) == sorted(set(names))


BESIDE = {"__init__", "__main__", "one", "target", "targets", "test_targets"}
"""Modules of this folder that have no targets of their own; `one` needs atheris."""
