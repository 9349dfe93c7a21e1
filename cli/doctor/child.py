"""Python in a process of its own, with a time limit: what hangs or crashes there does neither here."""

import os
import subprocess
import sys
from dataclasses import dataclass

SECONDS = 15.0
"""Long enough for a slow disk, short enough for a person who waits."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `code` is None if it had to be stopped; `out` is then what it said before."""

    code: int | None
    out: str
    last_words: str
    """The last line on standard error, where Python says what failed."""


def run_python(*arguments: str) -> Outcome:
    """Run Python with these arguments, and with the modules that this process would import."""
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and words
            [sys.executable, "-P", *arguments],
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome(None, str(late.stdout or b"", "utf-8", "replace"), "")  # bytes, whatever encoding was asked for
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return Outcome(done.returncode, done.stdout, lines[-1])
