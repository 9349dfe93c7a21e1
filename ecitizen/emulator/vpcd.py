"""The way into pcscd's virtual reader: the emulated card speaks to the vpcd driver over TCP.

Every message, both ways, is a length of 2 bytes (big endian) and a body. A body from the driver is one of the
bytes in `Control`, or else a command APDU. The driver takes an empty answer, like the end of the connection,
for the card being pulled out. Source: vsmartcard, virtualsmartcard/src/vpcd/vpcd.c and
virtualsmartcard/src/ifd-vpcd/ifd-vpcd.c.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum, unique
from time import monotonic
from typing import Protocol

from ..errors import CardMute, CardRemoved, ConfigError, UsageError

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 35963

_LENGTH_LEN = 2
_MAX_BODY_LEN = 0xFFFF
_RECEIVE_LEN = 1 << 16
_RETRY_SECONDS = 0.1
_POLL_SECONDS = 0.1  # how soon `stop` is noticed
_CONNECT_SECONDS = 1.0
# What the card says where its own answer can't be carried: status 6F00, no precise diagnosis.
_NO_ANSWER = b"\x6f\x00"
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


@unique
class Control(IntEnum):
    """Control codes of the driver. Only `ATR` is answered."""

    POWER_OFF = 0x00
    POWER_ON = 0x01
    RESET = 0x02
    ATR = 0x04


class Powerable(Protocol):
    """A card with contacts, as a reader sees it."""

    @property
    def atr(self) -> bytes:
        """Answer to reset, 2 to 33 bytes; known without power."""
        ...

    def power_on(self) -> bytes:
        """Start cold and give the ATR."""
        ...

    def power_off(self) -> None:
        """Lose everything that is not in persistent memory."""
        ...

    def reset(self) -> bytes:
        """Start warm and give the ATR."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Answer a command APDU with data and status word."""
        ...


class VpcdClient:
    """Holds a card in a slot of the virtual reader.

    One thread attaches and serves; `detach` may be called from any other. `powered` is set once the reader
    has powered the card and taken its ATR, so that PC/SC programs see it, and cleared when the connection
    ends.
    """

    def __init__(self, card: Powerable, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
        if not 0 < port <= 0xFFFF:
            raise UsageError(f"{port} is not a TCP port: give a number from 1 to 65535.")
        self.powered = threading.Event()
        self._card = card
        self._host = host
        self._port = port
        self._pulled = threading.Event()
        self._has_power = False  # only the serving thread uses this
        self._lock = threading.Lock()  # guards the two below
        self._connection: socket.socket | None = None
        self._serving = False

    def attach(self, timeout: float | None = None) -> bool:
        """Connect to the driver: the card is in the slot. Waits while nobody listens there.

        `timeout` is in seconds, None waits without limit. False means that `detach` came first. Raises
        ConfigError if the host is not known or nobody listened in time, UsageError if the card is attached
        already.
        """
        self._pulled.clear()
        return self._attach(timeout, threading.Event())

    def serve(self, stop: threading.Event | None = None) -> None:
        """Answer the reader until it closes the connection, `detach` is called or `stop` is set.

        A card that raises CardRemoved pulls itself out, as `detach` does; one that raises CardMute stays silent.
        Afterwards the card is without power and detached. Raises UsageError if it was never attached or is
        being served; other errors of the card come through.
        """
        with self._lock:
            if self._serving:
                raise UsageError("The card is being served already: serve it from one thread.")
            connection = self._connection
            if connection is None:
                if self._pulled.is_set():
                    return
                raise UsageError("The card is not in the reader: attach it first.")
            self._serving = True
        try:
            self._converse(connection, stop or threading.Event())
        finally:
            with self._lock:
                connection.close()
                self._connection = None
                self._serving = False
            self.powered.clear()
            self._card.power_off()

    def run(self, stop: threading.Event | None = None, on_attached: Callable[[], None] | None = None) -> None:
        """Attach and serve, again whenever the daemon went away, until `stop` is set or `detach` is called.

        `on_attached` is called after each connection. Raises ConfigError if the host is not known, UsageError
        if the card is attached already.
        """
        stop = stop or threading.Event()
        self._pulled.clear()
        while self._attach(None, stop):
            try:
                if on_attached is not None:
                    on_attached()
                self.serve(stop)
            except BaseException:
                self.detach()  # a card that nobody serves would block the reader
                raise
            if not self._pulled.is_set():
                stop.wait(_RETRY_SECONDS)

    def detach(self) -> None:
        """Pull the card out: `attach`, `serve` and `run` return. Does nothing if it is not in the reader."""
        self._pulled.set()
        with self._lock:
            if self._connection is None:
                return
            with suppress(OSError):  # the driver may have closed it a moment ago
                self._connection.shutdown(socket.SHUT_RDWR)
            if not self._serving:  # else `serve` closes it: it may be waiting on this very socket
                self._connection.close()
                self._connection = None

    def _attach(self, timeout: float | None, stop: threading.Event) -> bool:
        with self._lock:
            if self._connection is not None:
                raise UsageError("The card is in the reader already: detach it first.")
        deadline = None if timeout is None else monotonic() + timeout
        while not stop.is_set() and not self._pulled.is_set():
            connection = _connect(self._host, self._port)
            if connection is not None:
                return self._keep(connection)
            if deadline is not None and monotonic() >= deadline:
                raise ConfigError(
                    f"No virtual reader listens on {self._host}:{self._port}. Install vsmartcard-vpcd, start"
                    " pcscd (`systemctl start pcscd`, or list the readers once), and check the port in its"
                    " reader.conf."
                )
            stop.wait(_RETRY_SECONDS)
        return False

    def _keep(self, connection: socket.socket) -> bool:
        with self._lock:
            if self._pulled.is_set():
                connection.close()
                return False
            self._connection = connection
            return True

    def _converse(self, connection: socket.socket, stop: threading.Event) -> None:
        self._has_power = False
        for body in _bodies(connection, stop):
            try:
                answer = self._obey(body)
            except CardMute:
                continue  # the reader waits until the card is pulled out
            except CardRemoved:
                self._pulled.set()
                return
            if answer is None:
                continue
            if not _send(connection, answer, stop):
                return
            if self._has_power and body == bytes((Control.ATR,)):
                self.powered.set()

    def _obey(self, body: bytes) -> bytes | None:
        """Do what the driver wants; gives the answer if there is one to this message."""
        control = body[0] if len(body) == 1 else None
        if control == Control.POWER_OFF:
            self._has_power = False
            self._card.power_off()
        elif control == Control.POWER_ON:
            self._card.power_on()
            self._has_power = True
        elif control == Control.RESET:
            self._card.reset()
            self._has_power = True
        elif control == Control.ATR:
            return self._card.atr
        else:
            return self._card.transmit(body)
        return None


def _connect(host: str, port: int) -> socket.socket | None:
    """Give a connection to the driver, or None if nobody listens."""
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
    except (socket.gaierror, ValueError) as error:
        raise ConfigError(f"The host {host} is not known: check its name, or use {DEFAULT_HOST}.") from error
    except OSError:
        return None
    try:
        # The port lies among those that the system gives to outgoing connections. If we try long enough, it
        # may connect us to ourselves, and the driver could not listen there any more.
        if connection.getsockname() != connection.getpeername():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_POLL_SECONDS)
            return connection
    except OSError:
        pass  # closed by the driver at once
    connection.close()
    return None


def _bodies(connection: socket.socket, stop: threading.Event) -> Iterator[bytes]:
    """Give the messages of the driver, however they were cut into segments; empty ones mean nothing."""
    buffer = bytearray()
    while not stop.is_set():
        end = _LENGTH_LEN + int.from_bytes(buffer[:_LENGTH_LEN], "big")
        if len(buffer) < max(end, _LENGTH_LEN):
            segment = _receive(connection, stop)
            if not segment:
                return
            buffer += segment
            continue
        body = bytes(buffer[_LENGTH_LEN:end])
        del buffer[:end]
        if body:
            yield body


def _receive(connection: socket.socket, stop: threading.Event) -> bytes:
    """Give the next bytes, or none if the connection ended or `stop` is set."""
    while not stop.is_set():
        try:
            segment = connection.recv(_RECEIVE_LEN)
            if _QUICKACK is not None:
                # The driver sends length and body apart and waits for the first to be acknowledged, which the
                # system delays by 40 ms. It forgets this option, so it is set each time.
                connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except TimeoutError:
            continue
        except OSError:
            return b""
        return segment
    return b""


def _send(connection: socket.socket, answer: bytes, stop: threading.Event) -> bool:
    """Send an answer in one piece; false if the connection ended or `stop` was set before all of it went."""
    if not 0 < len(answer) <= _MAX_BODY_LEN:
        answer = _NO_ANSWER
    rest = memoryview(len(answer).to_bytes(_LENGTH_LEN, "big") + answer)
    while True:
        try:
            rest = rest[connection.send(rest) :]
        except TimeoutError:
            pass  # the driver does not read at the moment
        except OSError:
            return False
        if not rest:
            return True
        if stop.is_set():
            return False
