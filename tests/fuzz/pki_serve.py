"""Targets: what reaches an authority's services from outside: OCSP and timestamp requests, and HTTP itself."""

import re
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, cast

from asn1crypto import core, tsp
from cryptography.x509 import ocsp

from ecitizen.algorithms import KeyAlgorithm
from pki.errors import Malformed
from pki.keys import FileSigner
from pki.ocsp import OcspResponder
from pki.ocsp_request import parse_ocsp_request
from pki.service import Service
from pki.service_connection import Connection, Limits
from pki.service_routes import TEXT, Answer, Route, Routes, document_route, ocsp_route
from pki.status import CertificateState, CertificateStatus
from pki.timestamp import TimestampAuthority
from pki.timestamp_request import TimestampRefused, parse_timestamp_request
from tests.service_authorities import POLICY, SettableClock, SmallAuthority, der, key, ocsp_request, timestamp_request

from .target import Cursor, Target, piece

AUTHORITY = SmallAuthority()
GOOD = CertificateStatus(CertificateState.GOOD)
_SMALL = Limits(head_len=200, body_len=300)


class OcspCheck:
    """Any request gets an answer that `cryptography` can read; a good one names the certificates as they were named."""

    def __init__(self) -> None:
        self._responder: OcspResponder | None = None

    def __call__(self, data: bytes) -> None:
        if self._responder is None:  # keys take time, which is not for those who only import this
            self._responder = ocsp_responder()
        answer = ocsp.load_der_ocsp_response(self._responder.answer(data))
        try:
            asked = parse_ocsp_request(data).asked
        except Malformed:
            assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
            return
        if answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
            assert [each.serial_number for each in answer.responses] == [each.serial_number for each in asked]
        else:
            assert answer.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def ocsp_responder() -> OcspResponder:
    return OcspResponder(
        FileSigner(key(KeyAlgorithm.P_256, "ocsp")),
        der(AUTHORITY.responder),
        der(AUTHORITY.issuer),
        lambda _: GOOD,
        clock=SettableClock(),
    )


def ocsp_seeds() -> Iterator[bytes]:
    yield ocsp_request(AUTHORITY.leaf, AUTHORITY.issuer)
    yield ocsp_request(AUTHORITY.leaf, AUTHORITY.issuer, nonce=bytes(16))


class TimestampCheck:
    """Any request gets an answer that asn1crypto can read, with a token if and only if the request can be read."""

    def __init__(self) -> None:
        self._authority: TimestampAuthority | None = None

    def __call__(self, data: bytes) -> None:
        if self._authority is None:
            signer = FileSigner(key(KeyAlgorithm.P_256, "timestamp"))
            self._authority = TimestampAuthority(signer, der(AUTHORITY.stamper), policy=POLICY, clock=SettableClock())
        answer = core.Sequence.load(self._authority.answer(data), strict=True)
        status = tsp.PKIStatusInfo.load(answer[0].dump())
        try:
            imprint = parse_timestamp_request(data).imprint
        except TimestampRefused:
            assert status["status"].native == "rejection"
            return
        if status["status"].native == "granted":
            assert imprint in answer.dump()
        else:
            assert status["fail_info"].native == {"unaccepted_policy"}


def timestamp_seeds() -> Iterator[bytes]:
    yield timestamp_request(b"")
    yield timestamp_request(b"", "sha512", nonce=2**60 + 1, cert_req=True)


class _Peer:
    """Instead of a socket: says what the fuzzer says, and takes as much at a time as it says."""

    def __init__(self, source: Cursor) -> None:
        self._source = source
        self.sent = bytearray()
        self.closed = False

    def recv(self, _: int) -> bytes:
        assert not self.closed
        return self._source.piece()

    def send(self, data: memoryview, flags: int = 0) -> int:
        assert not self.closed
        slow = self._source.byte()
        if slow & 1:
            raise BlockingIOError
        taken = data[: slow or None]
        self.sent += taken
        return len(taken)

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class _Loop:
    """Instead of an event loop: remembers what is to be watched."""

    def __init__(self) -> None:
        self.reads: Callable[[], None] | None = None
        self.writes: Callable[[], None] | None = None

    def add_reader(self, _: object, callback: Callable[[], None]) -> None:
        self.reads = callback

    def add_writer(self, _: object, callback: Callable[[], None]) -> None:
        self.writes = callback

    def remove_reader(self, _: object) -> None:
        self.reads = None

    def remove_writer(self, _: object) -> None:
        self.writes = None


class _WatchedService(Service):
    """The service on that loop."""

    def __init__(self, routes: Routes, watched: _Loop) -> None:
        super().__init__(routes, limits=_SMALL, clock=SettableClock(), monotonic=lambda: 0.0)
        self._watched = watched

    @property
    def loop(self) -> Any:
        return self._watched


class HttpCheck:
    """A connection takes any bytes in any pieces: whole answers come, and after the last one it is closed."""

    def __init__(self) -> None:
        self._responder: OcspResponder | None = None

    def __call__(self, data: bytes) -> None:
        self._responder = self._responder or ocsp_responder()
        routes = {
            "/ocsp": ocsp_route(self._responder),
            "/file": document_route(b"content"),
            "/echo": Route(lambda request: Answer(HTTPStatus.OK, TEXT, request.body), ("GET", "POST")),
        }
        watched, peer = _Loop(), _Peer(Cursor(data))
        connection = Connection(_WatchedService(routes, watched), cast("socket.socket", peer))
        connection.read()
        while not peer.closed:
            assert (watched.reads is None) is connection.sending, "it reads, or it sends"
            go_on = watched.writes or watched.reads
            assert go_on is not None
            go_on()
        assert watched.reads is watched.writes is None
        if b"HEAD" not in data:  # whose answers tell of bodies that don't come
            _check_answers(bytes(peer.sent))


def _check_answers(sent: bytes) -> None:
    """One whole answer after the other."""
    while sent:
        assert sent.startswith(b"HTTP/1.1 ")
        head, end, sent = sent.partition(b"\r\n\r\n")
        assert end
        length = int((re.findall(rb"Content-Length: (\d+)", head) or [b"0"])[0])
        assert len(sent) >= length
        sent = sent[length:]


def http_seeds() -> Iterator[bytes]:
    messages = (
        b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /file HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b'GET /ocsp/MEow HTTP/1.1\r\nIf-None-Match: "x"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    )
    for message in messages:
        yield piece(message)
        yield piece(message[:20]) + b"\1\7" + piece(message[20:])
    yield b"".join(piece(message) + bytes(2) for message in messages)


TARGETS = (
    Target("ocsp", OcspCheck(), ocsp_seeds, max_len=400, weight=40),
    Target("timestamp", TimestampCheck(), timestamp_seeds, max_len=400, weight=40),
    Target("http", HttpCheck(), http_seeds, max_len=2048, weight=40),
)
