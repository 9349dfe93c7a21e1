"""How long a command takes to start, in units of an empty Python: `python -c pass` is 1.

The commands are run in turn, many times; each figure is the least processor time of its runs, which a busy machine
disturbs least: none of them waits for anything.
They run as an installed package does, from bytecode: the first run writes what is not there or out of date.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.iso7816.apdu import CardProtocol

RUNS = 25
AIMS = {"ecitizen --help": 4.0, "card read (four applications)": 8.0, "card read (as of `emulator new`)": 8.0}


def seconds(command: list[str]) -> float:
    """Processor time of one run."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = spent()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return spent() - begun


def spent() -> float:
    """Processor time of all programs that were run so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the ratios and write them beside this script."""
    script = str(Path(sys.executable).with_name("ecitizen"))
    with tempfile.TemporaryDirectory() as folder:
        image = str(Path(folder) / "wanida.card")
        CardImage.create(image, sections_for(find_persona("wanida"), CardProtocol.T0)).close()
        full = str(Path(folder) / "full.card")
        new = [script, "emulator", "new", "--persona", "wanida", full]
        subprocess.run(new, check=True, capture_output=True, env={**os.environ, "XDG_STATE_HOME": folder})
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import ecitizen": [sys.executable, "-c", "import ecitizen"],
            "ecitizen --help": [script, "--help"],
            "card read (four applications)": [script, "card", "read", "--reader", f"virtual:{image}", "--json"],
            "card read (as of `emulator new`)": [script, "card", "read", "--reader", f"virtual:{full}", "--json"],
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
