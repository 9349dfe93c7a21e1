"""`make mutate`: every constant that both sides of an application share, changed one at a time.

    python -m tests.mutation [--jobs 2] [FILE...]

Driver and applet would agree on a wrong constant, so only values and conversations that were written by hand from the
specification (tests/vectors) may kill a mutant here. Each is tried in a copy of the tree. Prints the score and every
survivor; ends with 1 if there is one that docs/assurance.md does not explain (EXPLAINED).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
COPIED = ("ecitizen", "cardapps", "pki", "cli", "tests/vectors", "fixtures", "pyproject.toml")
JUDGES = "tests/vectors"
HANG_SECONDS = 120
EXPLAINED = frozenset({("ecitizen/emulator/issuer_domain.py", "'card'", "'care'")})
"""Survivors (file, old, new) that mean nothing to a card; docs/assurance.md says why."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Mutation of shared constants.")
    parser.add_argument("files", nargs="*", help="all layouts unless named")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    options = parser.parse_args(arguments)
    cases = [(file, mutant) for file in options.files or shared_files() for mutant in mutants(read(file))]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="ecitizen-mutants-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            tree = Path(folder, str(number))
            copy_to(tree)
            if not passes(tree):
                print("without any change, the judges fail: nothing can be said of mutants")
                return 2
            trees.put(tree)
        for (file, mutant), killed in zip(cases, pool.map(lambda case: kills(trees, *case), cases), strict=True):
            if not killed:
                survivors.append((file, mutant))
                print(f"SURVIVED {file} {mutant}", flush=True)
    killed_count = len(cases) - len(survivors)
    print(f"{killed_count} of {len(cases)} mutants killed ({killed_count / max(len(cases), 1):.1%})")
    unexplained = [case for case in survivors if (case[0], case[1].old, case[1].new) not in EXPLAINED]
    if survivors:
        print(f"{len(survivors) - len(unexplained)} survivors are explained in docs/assurance.md")
    return 1 if unexplained else 0


def shared_files() -> list[str]:
    """The modules whose constants both sides of an application share."""
    layouts = sorted(ROOT.glob("cardapps/*/layout.py"))
    named = (ROOT / "cardapps/thai_record.py", ROOT / "ecitizen/emulator/issuer_domain.py")
    return [str(path.relative_to(ROOT)) for path in (*layouts, *named)]


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def copy_to(tree: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, tree / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def kills(trees: "SimpleQueue[Path]", file: str, mutant: Mutant) -> bool:
    """Whether the judges notice this mutant."""
    tree = trees.get()
    original = (tree / file).read_bytes()
    try:
        (tree / file).write_text(mutant.source, encoding="utf-8")
        return not passes(tree)
    finally:
        (tree / file).write_bytes(original)
        trees.put(tree)


def passes(tree: Path) -> bool:
    """Whether the judges are content with the tree; first of all, that it is this tree which they see."""
    check = "import cardapps, ecitizen, os; assert {os.getcwd()} == {os.path.dirname(os.path.dirname(each.__file__))"
    check += " for each in (cardapps, ecitizen)}; import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-B", "-c", check, JUDGES, "-x", "-q", "-p", "no:cacheprovider", "--no-header"]
    try:
        done = subprocess.run(
            command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=HANG_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    assert b"AssertionError" not in done.stderr, done.stderr.decode()
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
