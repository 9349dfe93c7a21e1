"""One HTTP/1.1 connection of the service: reads requests within bounds, and sends answers as the peer takes them.

httptools (llhttp) parses. Whatever a peer does costs a bounded amount of memory and ends at a deadline. The socket is
used directly: a request that is there when its connection is accepted, as most are, is answered without a turn of the
event loop, which is asked to watch only those peers that keep us waiting.
"""

import asyncio
import socket
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

import httptools

from .service_routes import Answer, told

CHUNK_LEN: Final = 64 * 1024
"""Bytes that are taken from the system, or handed to it, at a time."""
CHUNKS_AT_ONCE: Final = 16
"""So many go to one peer before others have their turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may take; seconds and bytes."""

    connections: int = 512
    """At the same time. When one more comes, the one that was used longest ago is closed."""
    head_len: int = 8 * 1024
    """Request line and headers."""
    body_len: int = 16 * 1024
    request_seconds: float = 10.0
    """From the connection, or the first byte of a later request, to the request's last byte; and for a peer that
    receives a large answer, to take the next piece."""
    idle_seconds: float = 15.0
    """Between requests."""
    connection_seconds: float = 300.0
    """After that the next answer is the last."""
    stop_seconds: float = 5.0
    """That answers on their way are waited for at the end."""


class Host(Protocol):
    """The service, as its connections know it."""

    limits: Limits

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Watches sockets."""
        ...

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def date(self) -> bytes:
        """The time as HTTP writes it."""
        ...

    def used(self, connection: "Connection") -> None:
        """A request was answered on it."""
        ...

    def closed(self, connection: "Connection") -> None:
        """It is gone."""
        ...

    def answer(self, path: str, method: str, body: bytes) -> tuple[Answer, tuple[str, ...]]:
        """The answer to a request, and the methods of its route if the method was wrong."""
        ...


class _Asked(NamedTuple):
    """A whole request."""

    method: str
    url: bytes
    body: bytes
    tag: bytes
    keep_alive: bool
    version: str


class Connection:
    """A peer's connection over a socket that does not block; the methods named `on_` are called by the parser."""

    def __init__(self, host: Host, peer: socket.socket) -> None:
        self._host = host
        self._peer = peer
        self._limits = host.limits
        self._watching_reads = self._watching_writes = False
        self._open = True
        self._born = host.now()
        self.deadline = self._born + self._limits.request_seconds
        self._parser = httptools.HttpRequestParser(self)
        self._outgoing: deque[memoryview] = deque()
        self._asked: list[_Asked] = []
        self._last = False
        self._refusal: HTTPStatus | None = None
        self._messages = 0
        self._head_of = 0
        self._begin()

    def _begin(self) -> None:
        """Nothing is known of the next request."""
        self._url = b""
        self._body = b""
        self._tag = b""
        self._head_len = 0
        self._head_fed = 0

    @property
    def sending(self) -> bool:
        """An answer is on its way."""
        return bool(self._outgoing)

    def finish(self) -> None:
        """Close it when what is to be sent is sent."""
        self._last = True
        self._go_on()

    def close(self) -> None:
        """Close it at once."""
        if self._open:
            self._open = False
            self._watch(reads=False, writes=False)
            self._outgoing.clear()
            self._peer.close()
            self._host.closed(self)

    # Reading and writing

    def read(self) -> None:
        """Take what the peer has sent, and answer it."""
        try:
            data = self._peer.recv(CHUNK_LEN)
        except (BlockingIOError, InterruptedError):
            self._go_on()
        except OSError:
            self.close()
        else:
            if data:
                self._received(data)
            else:  # the peer sends no more, but may still read
                self._last = True
            self._go_on()

    def _write(self) -> None:
        """The peer has taken something."""
        self.deadline = self._host.now() + self._limits.request_seconds
        self._go_on()

    def _go_on(self) -> None:
        """Send what the system takes; then wait for what is next. While something is to be sent, nothing is read."""
        try:
            for _ in range(CHUNKS_AT_ONCE):
                if not self._outgoing:
                    break
                piece = self._outgoing[0]
                sent = self._peer.send(piece[:CHUNK_LEN])
                if sent < len(piece):
                    self._outgoing[0] = piece[sent:]
                else:
                    self._outgoing.popleft()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
            return
        if self._last and not self._outgoing:
            self.close()
        else:
            self._watch(reads=not self._outgoing, writes=bool(self._outgoing))

    def _watch(self, *, reads: bool, writes: bool) -> None:
        if reads != self._watching_reads:
            self._watching_reads = reads
            if reads:
                self._host.loop.add_reader(self._peer, self.read)
            else:
                self._host.loop.remove_reader(self._peer)
        if writes != self._watching_writes:
            self._watching_writes = writes
            if writes:
                self._host.loop.add_writer(self._peer, self._write)
            else:
                self._host.loop.remove_writer(self._peer)

    def _received(self, data: bytes) -> None:
        head_of = self._head_of
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # to a protocol that nobody speaks here: the request counts as it is
            self._asked[-1:] = [each._replace(keep_alive=False) for each in self._asked[-1:]]
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if head_of and head_of == self._head_of:  # a head in many pieces, which the parser keeps until they fit
            self._head_fed += len(data)
            self._check_head(self._head_fed)
        asked, self._asked = self._asked, []
        for each in asked:
            if not self._last:
                self._answer(each)
        if self._refusal is not None and not self._last:
            self._last = True
            self._send(told(self._refusal), (), None)

    # What the parser tells

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._begin()
        self._messages += 1
        self._head_of = self._messages
        if self._messages > 1:  # the first has its deadline since the connection was made
            self.deadline = self._host.now() + self._limits.request_seconds

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._url += url
        self._head_len += len(url)
        self._check_head(self._head_len)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._head_len += len(name) + len(value)
        self._check_head(self._head_len)
        if name.lower() == b"if-none-match":
            self._tag = value

    def on_headers_complete(self) -> None:
        """The end of its head."""
        self._head_of = 0

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        if len(self._body) + len(body) > self._limits.body_len:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """Its end."""
        if self._refusal is None:
            method = self._parser.get_method().decode("ascii")
            keep_alive, version = self._parser.should_keep_alive(), self._parser.get_http_version()
            self._asked.append(_Asked(method, self._url, self._body, self._tag, keep_alive, version))

    def _check_head(self, count: int) -> None:
        if count > self._limits.head_len:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, status: HTTPStatus) -> None:
        if self._refusal is None:
            self._refusal = status

    # Answering

    def _answer(self, asked: _Asked) -> None:
        try:
            path = httptools.parse_url(asked.url).path or b"/"
        except httptools.HttpParserInvalidURLError:
            path = b""
        if not path.startswith(b"/"):
            self._last = True
            self._send(told(HTTPStatus.BAD_REQUEST), (), asked)
            return
        method = "GET" if asked.method == "HEAD" else asked.method
        answer, allowed = self._host.answer(path.decode("latin-1"), method, asked.body)
        long_enough = self._host.now() - self._born > self._limits.connection_seconds
        self._last = self._last or not asked.keep_alive or long_enough
        self._send(answer, allowed, asked)
        self._host.used(self)

    def _send(self, answer: Answer, allowed: tuple[str, ...], asked: _Asked | None) -> None:
        status, body = answer.status, answer.body
        if asked is not None and answer.tag and asked.tag.decode("latin-1") == answer.tag:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        head = [
            b"HTTP/1.1 %d %b\r\nDate: %b" % (status, status.phrase.encode("ascii"), self._host.date()),
        ]
        if status is not HTTPStatus.NOT_MODIFIED:
            head.append(b"Content-Type: %b\r\nContent-Length: %d" % (answer.content_type.encode("ascii"), len(body)))
        if allowed:
            head.append(b"Allow: " + ", ".join(allowed).encode("ascii"))
        if answer.tag:
            head.append(b"ETag: " + answer.tag.encode("ascii"))
        if asked is None or asked.method != "POST":
            head.append(_cache_control(answer))
        if self._last:
            head.append(b"Connection: close")
        elif asked is not None and asked.version == "1.0":
            head.append(b"Connection: keep-alive")
        if asked is not None and asked.method == "HEAD":
            body = b""
        self.deadline = self._host.now() + self._limits.idle_seconds
        whole = b"\r\n".join((*head, b"", b"" if len(body) > CHUNK_LEN else body))
        self._outgoing.append(memoryview(whole))
        if len(body) > CHUNK_LEN:
            self._outgoing.append(memoryview(body))


def _cache_control(answer: Answer) -> bytes:
    """RFC 9111, 5.2; as RFC 5019, 6.2 wants it for OCSP."""
    if answer.max_age is None:
        return b"Cache-Control: no-store"
    return b"Cache-Control: max-age=%d, public, no-transform, must-revalidate" % answer.max_age
