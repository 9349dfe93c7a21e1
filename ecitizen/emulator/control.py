"""Remote control of a running emulator: lines over a Unix socket, for tests in any language.

A request is one line of UTF-8: `status`, `insert [FILE]`, `remove`, `swap FILE`, `fault FAULT...` or `clear`. The
answer is one line of JSON: {"ok": true, "status": {...}}, or {"ok": false, "error": {"code": ..., "message": ...}}.
"""

import json
import os
import selectors
import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from ..errors import (
    CardRemoved,
    ConfigError,
    EcitizenError,
    ImageBusy,
    ImageDamaged,
    ImageError,
    ImageTooNew,
    UsageError,
)
from .faults import parse_fault
from .slot import SlotStatus, VirtualSlot

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "status": "say what is in the slot",
        "insert": "put the card in again, or the card image FILE",
        "remove": "pull the card out",
        "swap": "put the card image FILE in instead of the card that is there",
        "fault": "play these faults from now on",
        "clear": "play no more faults",
    }
)
MAX_LINE_LEN = 64 * 1024
MAX_CONNECTIONS = 16
_MAX_ANSWER_LEN = 16 * MAX_LINE_LEN
_RECEIVE_LEN = 1 << 16
_POLL_SECONDS = 0.1  # how soon the end is noticed
# What a control may answer; another error comes back as its root.
_ERRORS = {
    kind.code: kind for kind in (CardRemoved, ConfigError, ImageBusy, ImageDamaged, ImageError, ImageTooNew, UsageError)
}


# The emulator's side


class EmulatorControl:
    """Lets other programs control a slot through a socket of mode 0600 at `path`, from `with` to its end.

    The folder of the socket is made, or must be its owner's alone. Whatever comes over the socket is answered with
    an error at worst. Of more than 16 connections, the one that was silent longest is dropped. Entering raises
    ConfigError if this system has no Unix sockets (Windows), if another emulator listens there, or if the socket
    can't be made; UsageError if the path is that of something else or the folder is open to others.
    """

    def __init__(self, slot: VirtualSlot, path: str | os.PathLike[str]) -> None:
        self._slot = slot
        self._path = Path(path)
        self._callers: dict[socket.socket, bytearray] = {}  # in the order in which they were last heard
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        listener = _listen(self._path)
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="ecitizen control")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            with suppress(OSError):
                self._path.unlink()

    def _serve(self, listener: socket.socket) -> None:
        with listener, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while not self._stop.is_set():
                ready = [key.fileobj for key, _ in selector.select(_POLL_SECONDS)]
                for caller in list(self._callers):
                    if caller in ready and not self._hear(caller):
                        self._drop(caller, selector)
                if listener in ready:
                    self._accept(listener, selector)
            for caller in list(self._callers):
                self._drop(caller, selector)

    def _accept(self, listener: socket.socket, selector: selectors.BaseSelector) -> None:
        if len(self._callers) >= MAX_CONNECTIONS:
            silent = next(iter(self._callers))
            _send(silent, _refusal(ConfigError("too many connections, and this one was silent longest; connect again")))
            self._drop(silent, selector)
        try:
            caller, _ = listener.accept()
        except OSError:  # out of files, or the caller is gone: don't spin
            self._stop.wait(_POLL_SECONDS)
            return
        caller.setblocking(False)
        self._callers[caller] = bytearray()
        selector.register(caller, selectors.EVENT_READ)

    def _drop(self, caller: socket.socket, selector: selectors.BaseSelector) -> None:
        selector.unregister(caller)
        caller.close()
        del self._callers[caller]

    def _hear(self, caller: socket.socket) -> bool:
        """Answer the lines that have come; false if the caller is to be dropped."""
        try:
            segment = caller.recv(_RECEIVE_LEN)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not segment:
            return False
        buffer = self._callers.pop(caller)
        self._callers[caller] = buffer
        buffer += segment
        *lines, rest = buffer.split(b"\n")
        buffer[:] = rest
        if max(map(len, (rest, *lines))) > MAX_LINE_LEN:
            _send(caller, _refusal(UsageError(f"a line of the control has at most {MAX_LINE_LEN} bytes")))
            return False
        return all(_send(caller, answer(self._slot, bytes(line))) for line in lines)


def answer(slot: VirtualSlot, line: bytes) -> bytes:
    """Do what a request line wants, and give the answer line. No input makes it raise."""
    name, _, rest = line.decode(errors="surrogateescape").strip().partition(" ")
    try:
        _obey(slot, name, rest.strip())
    except EcitizenError as error:
        return _refusal(error)
    return _line({"ok": True, "status": as_json(slot.status)})


def as_json(status: SlotStatus) -> dict[str, Any]:
    """A status as JSON has it: faults in their text forms."""
    return {
        "inserted": status.inserted,
        "powered": status.powered,
        "image": status.image,
        "exchanges": status.exchanges,
        "writes": status.writes,
        "faults": [str(fault) for fault in status.faults],
    }


def _obey(slot: VirtualSlot, name: str, rest: str) -> None:
    match name:
        case "status" | "remove" | "clear" if rest:
            raise UsageError(f"{name} takes nothing behind it")
        case "swap" | "fault" if not rest:
            raise UsageError(f"{name} needs {'a card image' if name == 'swap' else 'a fault, or use clear'}")
        case "status":
            pass
        case "insert":
            slot.insert(rest or None)
        case "remove":
            slot.remove()
        case "swap":
            slot.swap(rest)
        case "fault":
            slot.set_faults([parse_fault(word) for word in rest.split()])
        case "clear":
            slot.set_faults()
        case _:
            raise UsageError(f"{name[:40]!r} is not a command of the control; there are {', '.join(COMMANDS)}")


def _refusal(error: EcitizenError) -> bytes:
    return _line({"ok": False, "error": {"code": error.code, "message": str(error)}})


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _send(caller: socket.socket, data: bytes) -> bool:
    """Send all of it at once; false if the caller is gone or does not read its answers."""
    try:
        return caller.send(data) == len(data)
    except OSError:
        return False


# The socket


def _listen(path: Path) -> socket.socket:
    _require_unix_sockets()
    with _socket_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(path.parent)
        _remove_left_over(path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(os.fspath(path))
            path.chmod(0o600)  # before anybody can connect
            listener.listen()
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
    return listener


def _require_unix_sockets() -> None:
    if getattr(socket, "AF_UNIX", None) is None:
        raise ConfigError(
            "the emulator's control needs Unix sockets, which Python does not have on Windows; "
            "use ecitizen.emulator.slot.VirtualSlot from Python"
        )


def _require_private(folder: Path) -> None:
    facts = folder.stat()
    if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
        raise UsageError(
            f"{folder} is open to others, and who can reach the control's socket controls the emulator; "
            "name a folder that does not exist yet, or one of mode 0700 that is yours"
        )


def _remove_left_over(path: Path) -> None:
    """Remove the socket of an emulator that was killed; raise if it is something else, or alive."""
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise UsageError(f"{path} exists and is not a socket; name another path for the control")
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ConfigError(f"another emulator listens at {path}; stop it, or name another path")


@contextmanager
def _socket_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"no control can be had at {path}: {reason}; name a short path (at most 107 bytes) in a folder of yours"
        ) from error


# The caller's side


def ask(path: str | os.PathLike[str], request: str, timeout: float = 10.0) -> dict[str, Any]:
    """Send a request to the control of a running emulator; gives the slot's status after it, as JSON has it.

    Raise what the emulator raised (UsageError, ImageError and its kinds), or ConfigError if nobody answers at that
    path within `timeout` seconds.
    """
    _require_unix_sockets()
    if "\n" in request or len(request) > MAX_LINE_LEN:
        raise UsageError(f"a request to the control is one line of at most {MAX_LINE_LEN} bytes")
    try:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(timeout)
            connection.connect(os.fspath(path))
            connection.sendall(request.encode(errors="surrogateescape") + b"\n")
            with connection.makefile("rb") as stream:
                reply = json.loads(stream.readline(_MAX_ANSWER_LEN))
        if reply["ok"]:
            status: dict[str, Any] = reply["status"]
            return status
        code, message = reply["error"]["code"], reply["error"]["message"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"no emulator answers at {os.fspath(path)}; start one with `ecitizen emulator run FILE --control PATH`"
        ) from error
    raise _ERRORS.get(code, EcitizenError)(message)
