"""What an exchange costs: our session over bare pyscard, our emulated card, and the way through vpcd.

Ratios and rates of one run on one machine. The command is GET CHALLENGE for 8 bytes. Parts that need what this
machine lacks say so and are left out.

Bare pyscard is SCardTransmit with a list made beforehand, and a look at result and status word. It and our session
take turns in short batches, each as often first as the other; the cost is the median of the ratios of neighbours, and
the rates are those of the median batch. A virtual machine changes its speed by half from one second to the next, and
single batches lose milliseconds to other work: sums over long batches would tell who was hit, not who is slower.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ecitizen.emulator.image import CardImage
from ecitizen.emulator.pcscd import PrivatePcscd, missing
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport import pcsc

COMMAND = bytes.fromhex("0084000008")
VICC = Path("/usr/lib/python3/site-packages/virtualsmartcard")  # where Debian's python3-virtualsmartcard lies
WARM_UP, ROUNDS, BATCH = 500, 400, 50


def rate(call: Callable[[], object], count: int) -> float:
    """Calls per second."""
    begun = time.perf_counter()
    for _ in range(count):
        call()
    return count / (time.perf_counter() - begun)


def in_process() -> dict[str, float]:
    """Our card, and Debian's vicc operating system beside it: best of several batches, taken in turn."""
    card = virtual_card("somchai")
    card.power_on()
    contenders: dict[str, Callable[[], object]] = {"ours": lambda: card.transmit(COMMAND)}
    if (vicc := vicc_system()) is not None:
        contenders["vicc"] = lambda: vicc(COMMAND)
    best = dict.fromkeys(contenders, 0.0)
    for _ in range(10):
        for name, call in contenders.items():
            best[name] = max(best[name], rate(call, 5_000))
    return best


def vicc_system() -> Callable[[bytes], bytes] | None:
    """The operating system of vicc, without its reader; Debian's package leaves it outside the path."""
    sys.path.insert(0, str(VICC))
    try:
        from virtualsmartcard.CardGenerator import CardGenerator
        from virtualsmartcard.VirtualSmartcard import Iso7816OS
    except ImportError as error:
        print(f"vicc can't be run here ({error}): apt install python3-virtualsmartcard, pip install pycryptodome")
        return None
    finally:
        sys.path.remove(str(VICC))
    files, sam = CardGenerator("iso7816").getCard()
    execute: Callable[[bytes], bytes] = Iso7816OS(files, sam).execute
    return execute


@contextmanager
def card_in_its_own_process(image: Path, port: int) -> Iterator[None]:
    """The emulated card as other programs meet it; inside this process it would wait for our own interpreter lock."""
    CardImage.create(image, sections_for(find_persona("somchai"), CardProtocol.T0)).close()
    command = [sys.executable, "-m", "cli", "emulator", "run", str(image), "--vpcd", f"localhost:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


def through_pcscd() -> dict[str, float]:
    """Bare pyscard and our session on the same connection, in turn: exchanges per second, and the cost of ours."""
    with PrivatePcscd() as daemon, tempfile.TemporaryDirectory() as folder:
        os.environ.update(daemon.environment)
        with card_in_its_own_process(Path(folder) / "somchai.card", daemon.ports[0]):
            transport = pcsc.connect(daemon.reader_names[0], wait=5.0)
            with CardSession(transport) as session:
                from smartcard import scard

                card, pci, listed = transport._card, transport._pci, list(COMMAND)
                command = CommandApdu(0x00, 0x84, 0x00, 0x00, ne=8)

                def bare() -> None:
                    result, answer = scard.SCardTransmit(card, pci, listed)
                    assert result == scard.SCARD_S_SUCCESS
                    assert answer[-2:] == [0x90, 0x00]

                def ours() -> None:
                    assert session.transmit(command).sw == 0x9000

                rate(bare, WARM_UP)
                rate(ours, WARM_UP)
                rates: list[tuple[float, float]] = []
                for _ in range(ROUNDS // 2):
                    rates.append((rate(bare, BATCH), rate(ours, BATCH)))
                    rates.append((rate(ours, BATCH), rate(bare, BATCH))[::-1])
    return {
        "bare pyscard": statistics.median(theirs for theirs, _ in rates),
        "ours": statistics.median(own for _, own in rates),
        "cost": statistics.median(theirs / own for theirs, own in rates),
    }


def main() -> None:
    """Print what was measured and write it beside this script."""
    result: dict[str, dict[str, float]] = {"in process": in_process()}
    inside = result["in process"]
    print(f"emulated card in process: {inside['ours']:,.0f} exchanges/s", end="")
    print(f", {inside['ours'] / inside['vicc']:.1f} times vicc's {inside['vicc']:,.0f}" if "vicc" in inside else "")
    if lacking := missing():
        print(f"through pcscd: can't be measured here, missing: {', '.join(lacking)}")
    else:
        result["through pcscd"] = pcscd = through_pcscd()
        print(f"through pcscd and vpcd: bare pyscard {pcscd['bare pyscard']:,.0f} exchanges/s, ", end="")
        print(f"our session {pcscd['ours']:,.0f}/s: {pcscd['cost']:.2f} times the cost of an exchange")
        print(f"one round trip over vpcd: {1e6 / pcscd['ours']:.0f} microseconds")
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
