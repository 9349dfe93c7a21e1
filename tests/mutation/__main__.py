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
PIV_OBJECTS = "cardapps/piv/objects.py"
EXPLAINED = frozenset(
    {
        ("ecitizen/emulator/issuer_domain.py", 'name: ClassVar[str] = "card"', "'care'"),
        (PIV_OBJECTS, "packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)", "0x11"),
        (
            PIV_OBJECTS,
            "unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip, or zlib as some cards have it",
            "0x21",
        ),
        (PIV_OBJECTS, "certificate = unpacker.decompress(packed, CERTIFICATE_MAX_LEN + 1)", "2"),
        (PIV_OBJECTS, 'guid = values.get(TAG_GUID, b"")', r"b'\x01'"),
        (PIV_OBJECTS, 'policy = values.get(TAG_PIN_USAGE_POLICY, b"")', r"b'\x01'"),
    }
)
"""Survivors (file, line, new value) that mean nothing to a card; docs/assurance.md says why."""


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
    unexplained = [case for case in survivors if (case[0], line_of(*case), case[1].new) not in EXPLAINED]
    if survivors:
        print(f"{len(survivors) - len(unexplained)} survivors are explained in docs/assurance.md")
    return 1 if unexplained else 0


def shared_files() -> list[str]:
    """The modules whose constants both sides of an application share."""
    layouts = sorted(ROOT.glob("cardapps/*/layout.py"))
    named = ("cardapps/piv/objects.py", "cardapps/thai_record.py", "ecitizen/emulator/issuer_domain.py")
    return [*(str(path.relative_to(ROOT)) for path in layouts), *named]


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def line_of(file: str, mutant: Mutant) -> str:
    """The line that a mutant changes."""
    return read(file).splitlines()[mutant.line - 1].strip()


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
    # Value vectors first: they are quick, and notice most.
    judges = sorted(map(str, tree.glob(f"{JUDGES}/test_*.py")), key=lambda name: not name.endswith("vectors.py"))
    command = [sys.executable, "-B", "-c", check, *judges, "-x", "-q", "-p", "no:cacheprovider", "--no-header"]
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
