"""The HTTP service of an authority: answers everybody, whatever a single peer does, on one thread.

No peer can hold it up: each has deadlines, little memory, and when there are too many of them, the one that has been
waiting longest makes room. Nothing that tells of persons is logged: no addresses, no serial numbers.
"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

from ecitizen.errors import ConfigError, EcitizenError, UsageError

from .service_connection import Connection, KnownHeads, Limits
from .service_routes import Answer, HttpRequest, Route, Routes, told
from .template import Clock, utc_now

BACKLOG: Final = 256
ACCEPTED_AT_ONCE: Final = 64
"""New connections before others have their turn."""
SWEEP_SECONDS: Final = 0.5
"""How often deadlines are looked at."""

_log = logging.getLogger(__name__)


class Service:
    """Answers the routes' paths once it is started; `start` and `stop` belong to one event loop.

    Raise UsageError for paths that are none. `monotonic` gives seconds for deadlines, `clock` the Date of answers.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        limits: Limits | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if any(not path.startswith("/") or (path.endswith("/") and path != "/") for path in routes):
            raise UsageError("a route's path begins with / and does not end with it")
        self.limits = limits or Limits()
        self.now = monotonic
        self.heads = KnownHeads()
        self._clock = clock
        self._routes = routes
        self._depth = max((path.count("/") for path in routes), default=0)
        self._connections: dict[Connection, None] = {}
        """Those that were used longest ago first."""
        self._gone = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: list[socket.socket] = []
        self._sweeping: asyncio.Task[None] | None = None
        self._date_at = datetime.min.replace(tzinfo=UTC)
        self._date = b""

    async def start(self, host: str, port: int) -> int:
        """Listen; give the port, which the system chooses for 0. Raise ConfigError if the address is not to be had."""
        if port not in range(65_536):  # getaddrinfo would take it for another one
            raise ConfigError(f"there is no port {port}; choose one up to 65535")
        try:
            self._listeners = _listen(host, port)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "there is no such address"
            raise ConfigError(f"can't listen on {host} port {port}: {reason}; choose another one") from None
        self._loop = asyncio.get_running_loop()
        for listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)
        self._sweeping = self._loop.create_task(self._sweep())
        chosen: int = self._listeners[0].getsockname()[1]
        _log.info("listening on %s port %d", host, chosen)
        return chosen

    async def stop(self) -> None:
        """Listen no longer, let answers on their way arrive for `limits.stop_seconds`, and close all connections."""
        if self._sweeping is None:
            return
        for listener in self._listeners:
            self.loop.remove_reader(listener)
            listener.close()
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            self._gone.clear()
            try:
                await asyncio.wait_for(self._gone.wait(), self.limits.stop_seconds)
            except TimeoutError:
                for connection in list(self._connections):
                    connection.close()
        self._sweeping.cancel()
        self._sweeping = None
        _log.info("stopped")

    def _accept(self, listener: socket.socket) -> None:
        """Take in who is waiting, and answer those who have said what they want."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                peer, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError:  # no more files can be open: the one that waits longest makes room
                self._make_room()
                return
            peer.setblocking(False)
            if len(self._connections) >= self.limits.connections:
                self._make_room()
            connection = Connection(self, peer)
            self._connections[connection] = None
            connection.read()

    def _make_room(self) -> None:
        """Close the connection that was used longest ago; one that is being sent an answer only if all are."""
        waiting = (each for each in self._connections if not each.sending)
        longest = next(waiting, next(iter(self._connections), None))
        if longest is not None:
            longest.close()

    # What connections need

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that watches sockets."""
        assert self._loop is not None
        return self._loop

    def date(self) -> bytes:
        """The time as HTTP writes it (RFC 9110, 5.6.7)."""
        second = self._clock().replace(microsecond=0)
        if second != self._date_at:
            self._date_at, self._date = second, format_datetime(second.astimezone(UTC), usegmt=True).encode("ascii")
        return self._date

    def used(self, connection: Connection) -> None:
        """A request was answered: this one makes room last."""
        if self._connections.pop(connection, connection) is None:
            self._connections[connection] = None

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._gone.set()

    def answer(self, path: str, method: str, body: bytes) -> tuple[Answer, tuple[str, ...]]:
        """The answer of the route for a path, and its methods if this is none of them."""
        route, rest = self._find(path)
        if route is None:
            return told(HTTPStatus.NOT_FOUND), ()
        if method not in route.methods:
            return told(HTTPStatus.METHOD_NOT_ALLOWED), route.methods
        try:
            return route.answer(HttpRequest(method, rest, body)), ()
        except EcitizenError as error:
            _log.error("a request could not be answered: %s", error.code)
            return told(HTTPStatus.INTERNAL_SERVER_ERROR), ()

    def _find(self, path: str) -> tuple[Route | None, str]:
        """The route with the longest path that the path is or begins with, and what follows it."""
        exact = self._routes.get(path)
        if exact is not None:
            return exact, ""
        pieces = path.split("/", self._depth + 1)
        for count in range(len(pieces) - 1, 0, -1):
            base = "/".join(pieces[:count])
            route = self._routes.get(base or "/")
            if route is not None:
                return route, path[len(base) + 1 :]
        return None, ""

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self.now()
            for connection in list(self._connections):
                if now > connection.deadline:
                    connection.close()


def serve(
    routes: Routes,
    host: str,
    port: int,
    *,
    limits: Limits | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Answer until the program gets SIGINT or SIGTERM; `ready` is told the port when it listens.

    Raise ConfigError if the address is not to be had.
    """
    # Sockets are watched as only this loop can on all systems.
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_serve(routes, host, port, limits, ready))


def _listen(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of the host; for the first one only if the system is to choose the port."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
    listeners: list[socket.socket] = []
    try:
        for family, address in list(addresses)[: None if port else 1]:
            listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
            listeners.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # connections inherit it
            if sys.platform == "linux":  # wait for the first bytes in the system, where it costs us nothing
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


async def _serve(
    routes: Routes, host: str, port: int, limits: Limits | None, ready: Callable[[int], None] | None
) -> None:
    service = Service(routes, limits=limits)
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C still ends it, as KeyboardInterrupt
            loop.add_signal_handler(number, asked_to_stop.set)
    chosen = await service.start(host, port)
    if ready is not None:
        ready(chosen)
    try:
        await asked_to_stop.wait()
    finally:
        await service.stop()
