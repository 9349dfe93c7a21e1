"""How long a command takes to start, in units of an empty Python: `python -c pass` is 1.

The commands are run in turn, many times; each figure is the least of its runs, which a busy machine disturbs least.
They run as an installed package does, from bytecode: the first run writes what is not there or out of date.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.iso7816.apdu import CardProtocol

RUNS = 25
AIMS = {"ecitizen --help": 4.0, "ecitizen card read (virtual card)": 8.0}


def seconds(command: list[str]) -> float:
    """One run."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begun


def main() -> None:
    """Print the ratios and write them beside this script."""
    script = str(Path(sys.executable).with_name("ecitizen"))
    with tempfile.TemporaryDirectory() as folder:
        image = str(Path(folder) / "wanida.card")
        CardImage.create(image, sections_for(find_persona("wanida"), CardProtocol.T0)).close()
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import ecitizen": [sys.executable, "-c", "import ecitizen"],
            "ecitizen --help": [script, "--help"],
            "ecitizen card read (virtual card)": [script, "card", "read", "--reader", f"virtual:{image}", "--json"],
        }
        least = dict.fromkeys(commands, float("inf"))
        for _ in range(RUNS):
            for name, command in commands.items():
                least[name] = min(least[name], seconds(command))
    base = least["python -c pass"]
    ratios = {name: spent / base for name, spent in least.items()}
    for name, ratio in ratios.items():
        aim = f"  (aim: under {AIMS[name]:.0f})" if name in AIMS else ""
        print(f"{name:36}{ratio:6.1f}{aim}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(ratios, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
