"""One HTTP/1.1 connection of the service: reads requests within bounds, and sends answers as the peer takes them.

httptools (llhttp) parses; the head of a POST that came before, byte for byte, need not be parsed again. Whatever a peer
does costs a bounded amount of memory and ends at a deadline. The socket is used directly: a request that is there when
its connection is accepted, as most are, is answered without a turn of the event loop, which is asked to watch only
those peers that keep us waiting.
"""

import asyncio
import socket
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

import httptools

from .service_routes import Answer, told

CHUNK_LEN: Final = 64 * 1024
"""Bytes that are taken from the system, or handed to it, at a time."""
CHUNKS_AT_ONCE: Final = 16
"""So many go to one peer before others have their turn."""
HEADS_KEPT: Final = 256
HEAD_KEPT_MAX_LEN: Final = 1024
_WITH_END: Final[int] = getattr(socket, "MSG_MORE", 0)
"""Linux: hold the last bytes back until the connection is closed, which follows at once: one packet instead of two."""
_HEAD_END: Final = b"\r\n\r\n"


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
    heads: "KnownHeads"

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
    path: str
    """Empty if there is none."""
    body: bytes
    tag: bytes
    keep_alive: bool
    version: str


class KnownHeads:
    """Heads of POST requests, as programs send them again and again, and what the parser made of them."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, _Asked]] = {}
        """By their bytes: the length of the body, and the request."""

    def read(self, data: bytes) -> _Asked | None:
        """The request, if its head is known and this is exactly one whole request."""
        body_at = data.find(_HEAD_END, 0, HEAD_KEPT_MAX_LEN) + len(_HEAD_END)
        body_len, asked = self._known.get(data[:body_at], (-1, None))
        if asked is None or len(data) - body_at != body_len:
            return None
        method, path, _, tag, keep_alive, version = asked
        return _Asked(method, path, data[body_at:], tag, keep_alive, version)

    def remember(self, data: bytes, asked: _Asked) -> None:
        """Know the head of a request that these bytes are, and nothing else."""
        body_at = data.find(_HEAD_END, 0, HEAD_KEPT_MAX_LEN) + len(_HEAD_END)
        if asked.method != "POST" or body_at < len(_HEAD_END) or data[body_at:] != asked.body:  # in chunks, say
            return
        if len(self._known) >= HEADS_KEPT:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[data[:body_at]] = len(asked.body), asked


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
        self._parser: httptools.HttpRequestParser | None = None
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
                ending = self._last and len(self._outgoing) == 1
                sent = self._peer.send(piece[:CHUNK_LEN], _WITH_END if ending else 0)
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
        fresh = self._parser is None
        if fresh and (known := self._host.heads.read(data)) is not None:
            asked = [known]
        else:
            clean = self._parse(data)
            asked, self._asked = self._asked, []
            if fresh and clean and len(asked) == self._messages == 1:
                self._host.heads.remember(data, asked[0])
        for each in asked:
            if not self._last:
                self._answer(each)
        if self._refusal is not None and not self._last:
            self._last = True
            self._send(told(self._refusal), (), None)

    def _parse(self, data: bytes) -> bool:
        """Hand these bytes to the parser; give whether it had nothing to object."""
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        head_of = self._head_of
        clean = False
        try:
            self._parser.feed_data(data)
            clean = True
        except httptools.HttpParserUpgrade:  # to a protocol that nobody speaks here: the request counts as it is
            self._asked[-1:] = [each._replace(keep_alive=False) for each in self._asked[-1:]]
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if head_of and head_of == self._head_of:  # a head in many pieces, which the parser keeps until they fit
            self._head_fed += len(data)
            self._check_head(self._head_fed)
        return clean and self._refusal is None

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
        parser = self._parser
        if self._refusal is None and parser is not None:
            method = parser.get_method().decode("ascii")
            keep_alive, version = parser.should_keep_alive(), parser.get_http_version()
            self._asked.append(_Asked(method, _path(self._url), self._body, self._tag, keep_alive, version))

    def _check_head(self, count: int) -> None:
        if count > self._limits.head_len:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, status: HTTPStatus) -> None:
        if self._refusal is None:
            self._refusal = status

    # Answering

    def _answer(self, asked: _Asked) -> None:
        if not asked.path:
            self._last = True
            self._send(told(HTTPStatus.BAD_REQUEST), (), asked)
            return
        method = "GET" if asked.method == "HEAD" else asked.method
        answer, allowed = self._host.answer(asked.path, method, asked.body)
        long_enough = self._host.now() - self._born > self._limits.connection_seconds
        self._last = self._last or not asked.keep_alive or long_enough
        self._send(answer, allowed, asked)
        self._host.used(self)

    def _send(self, answer: Answer, allowed: tuple[str, ...], asked: _Asked | None) -> None:
        status, body = answer.status, answer.body
        if asked is not None and answer.tag and asked.tag.decode("latin-1") == answer.tag:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        cache_control = _cache_control(answer) if asked is None or asked.method != "POST" else b""
        connection = b"close" if self._last else b"keep-alive" if asked and asked.version == "1.0" else b""
        head = _head(status, answer.content_type, allowed, answer.tag, cache_control, connection)
        length = b"" if status is HTTPStatus.NOT_MODIFIED else b"Content-Length: %d\r\n" % len(body)
        if asked is not None and asked.method == "HEAD":
            body = b""
        self.deadline = self._host.now() + self._limits.idle_seconds
        whole = b"%bDate: %b\r\n%b\r\n" % (head, self._host.date(), length)
        if len(body) > CHUNK_LEN:
            self._outgoing += (memoryview(whole), memoryview(body))
        else:
            self._outgoing.append(memoryview(whole + body))


def _cache_control(answer: Answer) -> bytes:
    """RFC 9111, 5.2; as RFC 5019, 6.2 wants it for OCSP."""
    if answer.max_age is None:
        return b"no-store"
    return b"max-age=%d, public, no-transform, must-revalidate" % answer.max_age


@lru_cache(maxsize=HEADS_KEPT)
def _head(
    status: HTTPStatus, content_type: str, allowed: tuple[str, ...], tag: str, cache_control: bytes, connection: bytes
) -> bytes:
    """Status line and headers, but for the time and the length."""
    lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode("ascii"))]
    if status is not HTTPStatus.NOT_MODIFIED:
        lines.append(b"Content-Type: " + content_type.encode("ascii"))
    for name, value in (
        (b"Allow: ", ", ".join(allowed).encode("ascii")),
        (b"ETag: ", tag.encode("ascii")),
        (b"Cache-Control: ", cache_control),
        (b"Connection: ", connection),
    ):
        if value:
            lines.append(name + value)
    return b"".join(line + b"\r\n" for line in lines)


def _path(url: bytes) -> str:
    """The path of a request's target; empty if there is none."""
    try:
        path: bytes = httptools.parse_url(url).path or b"/"
    except httptools.HttpParserInvalidURLError:
        return ""
    return path.decode("latin-1") if path.startswith(b"/") else ""
