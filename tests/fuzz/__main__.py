"""`make fuzz`: every target under atheris, two at a time; prints what each did, and the total.

    python -m tests.fuzz [--runs 20000 | --total 10000000] [--jobs 2] [TARGET...]

`--runs` is for each target; `--total` is shared out, the quick targets get more. What was found stays in build/fuzz:
a corpus for each target, which the next run begins with, its log, and the input of a crash. Ends with 1 if there was
a crash, a hang of more than 10 seconds, or a memory of more than 2 GiB.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .target import Target
from .targets import TARGETS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "fuzz"
HANG_SECONDS = 10
MEMORY_MIB = 2048


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target did."""

    name: str
    runs: int
    seconds: float
    features: int
    """Coverage as libFuzzer counts it: edges, and how often each was passed."""
    sound: bool
    log: Path


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Coverage-guided fuzzing.")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all unless named")
    parser.add_argument("--runs", type=int, default=20_000, help="executions of each target")
    parser.add_argument("--total", type=int, help="executions of all targets together, instead of --runs")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    options = parser.parse_args(arguments)
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    weights = sum(target.weight for target in chosen)
    runs = {
        target.name: -(-options.total * target.weight // weights) if options.total else options.runs
        for target in chosen
    }
    begun = time.monotonic()
    slowest_first = sorted(chosen, key=lambda target: target.weight)
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = []
        for outcome in pool.map(lambda target: fuzz(target, runs[target.name]), slowest_first):
            outcomes.append(outcome)
            print(line(outcome), flush=True)
    total = sum(outcome.runs for outcome in outcomes)
    found = [outcome.name for outcome in outcomes if not outcome.sound]
    print(f"{total:,} executions of {len(outcomes)} targets in {time.monotonic() - begun:,.0f} seconds")
    print(f"FOUND something: {', '.join(found)}" if found else "no crash, no hang")
    return 1 if found else 0


def fuzz(target: Target, runs: int) -> Outcome:
    """Run one target in a process of its own, from its seeds and what earlier runs have kept."""
    corpus, seeds, finds = (FOLDER / kind / target.name for kind in ("corpus", "seeds", "finds"))
    for folder in (corpus, seeds, finds):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        content = seed[: target.max_len]
        (seeds / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    log = FOLDER / f"{target.name}.log"
    command = [sys.executable, "-m", "tests.fuzz.one", target.name]
    command += [f"-runs={runs}", f"-max_len={target.max_len}", f"-timeout={HANG_SECONDS}"]
    command += [f"-rss_limit_mb={MEMORY_MIB}", f"-artifact_prefix={finds}/", "-print_final_stats=1"]
    begun = time.monotonic()
    with log.open("wb") as sink:
        done = subprocess.run([*command, str(corpus), str(seeds)], cwd=ROOT, stdout=sink, stderr=sink, check=False)
    text = log.read_text(encoding="utf-8", errors="replace")
    executed = re.findall(r"stat::number_of_executed_units:\s+(\d+)", text)
    features = re.findall(r"\bft: (\d+)", text)
    return Outcome(
        target.name,
        int(executed[-1]) if executed else 0,
        time.monotonic() - begun,
        int(features[-1]) if features else 0,
        done.returncode == 0 and bool(executed),
        log,
    )


def line(outcome: Outcome) -> str:
    mark = "ok" if outcome.sound else f"FOUND, see {outcome.log.relative_to(ROOT)} and build/fuzz/finds"
    return (
        f"{outcome.name:12} {outcome.runs:>10,} executions {outcome.seconds:>7,.0f} s "
        f"{outcome.features:>6,} features  {mark}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
