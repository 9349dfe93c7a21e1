"""Reading hostile files in bounded time and memory.

pyHanko is written in Python and has no clock: a file of a few kilobytes can keep it busy for years (references that
fan out, trees without end), and one of some megabytes can become a gigabyte of small objects. A process for each
document would be safe but costs a second of start. So the work runs in a thread of its own, which is watched, and
CPython is asked to raise an exception in it when it has had enough: it arrives at the next step of Python code, and
what runs in C meanwhile is short, since the sizes of files and of decoded streams are bounded.
"""

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LOOK: Final = 0.05
"""Seconds from one look at the thread to the next."""
_AGAIN: Final = 0.25
"""Seconds after which a thread that has not ended yet is told again."""
_TELL_MAX: Final = 40

_MIB: Final = 1024 * 1024
_SECONDS, _SECONDS_PER_MIB, _SECONDS_PER_SIGNATURE, _SECONDS_MAX = 4.0, 0.4, 0.1, 20.0
_SIGNATURES_MAX: Final = 64
_BLOCKS, _BLOCKS_PER_MIB = 1_500_000, 50_000
"""An object takes a block or two, of some 80 bytes each; honest documents of 2,000 pages stay below."""


class OutOfTime(Exception):
    """The work was not done in its time."""


class OutOfMemory(Exception):
    """The work took more objects than it may."""


class _Stop(BaseException):
    """What is raised in the thread: no `except Exception` on its way swallows it."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much one piece of work may take."""

    seconds: float
    blocks: int = sys.maxsize
    """Pieces of memory that Python may have in use more than before; of the whole process, for it counts no others."""

    @classmethod
    def for_reading(cls, document: bytes, seconds: float) -> "Allowance":
        """What an honest document of this size and with as many signatures could need, `seconds` at most."""
        size = len(document) / _MIB
        signatures = min(document.count(b"/ByteRange"), _SIGNATURES_MAX)
        needed = _SECONDS + size * _SECONDS_PER_MIB + signatures * _SECONDS_PER_SIGNATURE
        return cls(min(seconds, needed, _SECONDS_MAX), _BLOCKS + int(size * _BLOCKS_PER_MIB))


def within(allowance: Allowance, work: Callable[[], T]) -> T:
    """Do the work and return what it returns, or raise what it raises; OutOfTime or OutOfMemory if it takes more."""
    task = _Task(work)
    refusal = task.watched(allowance)
    task.stop()
    if task.results:
        return task.results[0]
    if task.errors:
        raise task.errors[0]
    raise refusal


class _Task(Generic[T]):
    """The work and its thread."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.results: list[T] = []
        self.errors: list[BaseException] = []
        self._work: Callable[[], T] | None = work
        self._thread = threading.Thread(target=self._run, name="reading a PDF", daemon=True)
        self._telling = threading.Lock()
        self._ended = False

    def watched(self, allowance: Allowance) -> OutOfTime | OutOfMemory:
        """Start, and wait until it has ended or had enough; of what it had enough."""
        end, blocks_max = time.monotonic() + allowance.seconds, allowance.blocks + sys.getallocatedblocks()
        self._thread.start()
        while self._thread.is_alive() and (left := end - time.monotonic()) > 0:
            self._thread.join(min(_LOOK, left))
            if sys.getallocatedblocks() > blocks_max:
                return OutOfMemory()
        return OutOfTime()

    def stop(self) -> None:
        """Tell it to stop until it does."""
        for _ in range(_TELL_MAX):
            with self._telling:
                if self._ended:
                    return
                self._raise(_Stop)
            self._thread.join(_AGAIN)

    def _run(self) -> None:
        while True:
            try:
                self._try()
                with self._telling:  # from here on nobody tells it to stop, and what was told before is taken back
                    self._ended = True
                    self._raise(None)
            except _Stop:
                continue
            return

    def _try(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            try:
                self.results.append(work())
            except _Stop:
                raise
            except BaseException as error:
                self.errors.append(error)

    def _raise(self, exception: type[_Stop] | None) -> None:
        assert self._thread.ident is not None
        wanted = ctypes.py_object() if exception is None else ctypes.py_object(exception)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), wanted)
