"""Full records decoded to typed values and to JSON per second, beside a bare read of the same virtual card.

The difference between the two is what decoding costs.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import ecitizen
from ecitizen.apps import installed_drivers
from ecitizen.testing import virtual_card
from ecitizen.transport.base import Transport
from ecitizen.transport.virtual import VirtualReader

PERSONA = "wanida"


class _Recorded:
    """A card that answers from memory, so that only our host side is measured."""

    def __init__(self, inner: Transport) -> None:
        self.name, self.atr, self.protocol = inner.name, inner.atr, inner.protocol
        self._inner = inner
        self._answers: list[bytes] = []
        self._at = 0

    def transmit(self, command: bytes) -> bytes:
        """The answer that the card gave at this place the first time."""
        if self._at == len(self._answers):
            self._answers.append(self._inner.transmit(command))
        self._at += 1
        return self._answers[self._at - 1]

    def rewind(self) -> None:
        """From the beginning."""
        self._at = 0

    def reset(self) -> None:
        """Nothing to reset."""

    def transaction(self) -> object:
        """Nobody else is there."""
        return self._inner.transaction()

    def close(self) -> None:
        """Stays open for the next round."""


def per_second(call: Callable[[], object], count: int) -> float:
    """Calls per second, the best of five batches."""
    best = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(count):
            call()
        best = max(best, count / (time.perf_counter() - begun))
    return best


def main() -> None:
    """Print the rates and write them beside this script."""
    recorded = _Recorded(VirtualReader(virtual_card(PERSONA, "t1")).connect())

    def read() -> ecitizen.CardReading:
        recorded.rewind()
        return ecitizen.read_card(ecitizen.CardSession(recorded))  # type: ignore[arg-type]

    installed_drivers()
    reading = read()
    rates = {
        "read and decode all applications (recorded answers)": per_second(read, 100),
        "typed values to JSON": per_second(lambda: json.dumps(ecitizen.to_json(reading)), 500),
    }
    for name, value in rates.items():
        print(f"{name:56}{value:10,.0f} records/s")
    Path(__file__).with_suffix(".json").write_text(json.dumps(rates, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
