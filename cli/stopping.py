"""Commands that run until they are stopped."""

import signal
from types import TracebackType
from typing import Any, Self


class StopSignals:
    """Inside its `with` block Ctrl-C and SIGTERM only make `came` true."""

    def __init__(self) -> None:
        self._came = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def came(self) -> bool:
        """Whether the command is to stop."""
        return self._came

    def _stop(self, *_: object) -> None:
        self._came = True  # no more than this: a handler may come between any two steps of the main thread
