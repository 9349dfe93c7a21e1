"""`make soak`: the station under thousands of cards, good and faulty, and removal at every exchange through pcscd.

    python -m tests.soak [--insertions 9000] [--through-pcscd 1000] [--seed 1] [PART...]

The parts are `virtual` (readers of this process), `pcscd` (a private one, eight slots) and `removal` (every exchange
of a full read of every persona, both protocols, through the same). Each has a process of its own. Ends with 1 if a
good card was not delivered, something was taken for what it is not, memory grew by 5 % or more, or anything was left.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.emulator.persona import installed_personas
from ecitizen.station import StationSettings

from .desk import PcscDesk, VirtualDesk
from .insertions import Report, Soak, pcsc_fault, virtual_fault
from .removal import pull_out_everywhere, slots_of

PARTS = ("virtual", "pcscd", "removal")
READERS = 4
GROWTH_MAX = 0.05
_IN_PROCESS = StationSettings(settle=0.0, retry_pause=0.0, poll=0.02)
_THROUGH_PCSCD = StationSettings(settle=0.02, retry_pause=0.02, poll=0.1, card_silence=2.0)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Long tests.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all unless named")
    parser.add_argument("--insertions", type=int, default=9000, help="into readers of this process")
    parser.add_argument("--through-pcscd", type=int, default=1000, help="insertions through pcscd")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other cards and faults")
    options = parser.parse_args(arguments)
    parts = options.parts or PARTS
    if set(parts) - set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    if len(parts) > 1:
        shared = [word for word in arguments if word not in PARTS]
        command = [sys.executable, "-m", "tests.soak", *shared]
        return max(subprocess.run([*command, part], check=False).returncode for part in parts)
    begun = time.monotonic()
    part = parts[0]
    if part == "virtual":
        soak = Soak(VirtualDesk(READERS), seed=options.seed, faults=virtual_fault, settings=_IN_PROCESS)
        good = told(part, soak.run(options.insertions))
    else:
        with PrivatePcscd(readers=READERS) as service:
            os.environ.update(service.environment)
            slots = slots_of(service)
            if part == "pcscd":
                desk = PcscDesk(slots)
                soak = Soak(desk, seed=options.seed, faults=pcsc_fault, settings=_THROUGH_PCSCD)
                good = told(part, soak.run(options.through_pcscd))
            else:
                cards = [(name, protocol) for name in sorted(installed_personas()) for protocol in ("t0", "t1")]
                print(f"removal: {pull_out_everywhere(slots, cards):,} cuts survived, {len(cards)} cards")
                good = True
    print(f"{part}: {time.monotonic() - begun:,.0f} seconds", flush=True)
    return 0 if good else 1


def told(part: str, report: Report) -> bool:
    """Print the report; true if it is as it must be."""
    print(f"{part}: {report.insertions:,} insertions, {report.delivered:,} of {report.good:,} good ones delivered")
    print(f"{part}: faults played: {', '.join(f'{name} {count}' for name, count in sorted(report.faults.items()))}")
    print(f"{part}: {report.cured:,} of them read in full all the same; failures told: {dict(report.failures)}")
    before, after = report.resident
    print(f"{part}: memory {before:,} KiB after the warm-up, {after:,} KiB at the end ({report.growth:+.1%})")
    print(f"{part}: {report.threads_left} threads and {report.files_left} files left")
    for line in report.wrong[:20]:
        print(f"{part}: WRONG: {line}")
    kept = report.growth < GROWTH_MAX and not report.threads_left and report.files_left <= 0
    return kept and not report.wrong and report.delivered == report.good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
