"""The HTTP service, spoken to byte by byte over loopback."""

import base64
import contextlib
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.x509 import ocsp

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import ConfigError, ReaderBusy, UsageError
from pki.keys import FileSigner
from pki.ocsp import OcspResponder
from pki.ocsp_request import parse_ocsp_request
from pki.service import Service, serve
from pki.service_connection import CHUNK_LEN, Limits
from pki.service_routes import (
    CRL_MAX_AGE,
    TEXT,
    Answer,
    HttpRequest,
    Route,
    Routes,
    document_route,
    folder_route,
    ocsp_route,
    timestamp_route,
)
from pki.status import CertificateState, CertificateStatus
from pki.timestamp import TimestampAuthority
from tests.service_authorities import POLICY, SmallAuthority, der, key, ocsp_request, running, timestamp_request

AUTHORITY = SmallAuthority()
LARGE = os.urandom(40 * CHUNK_LEN)
QUICK = Limits(request_seconds=0.6, idle_seconds=0.6, stop_seconds=0.5)
GET_ECHO = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"


def echo(request: HttpRequest) -> Answer:
    return Answer(HTTPStatus.OK, TEXT, f"{request.method} {request.rest} ".encode() + request.body)


def failing(_: HttpRequest) -> Answer:
    raise ReaderBusy("another program holds the card")


ROUTES: Routes = {
    "/echo": Route(echo, ("GET", "HEAD", "POST")),
    "/echo/deeper": Route(lambda _: Answer(HTTPStatus.OK, TEXT, b"deeper")),
    "/large": document_route(LARGE, "application/octet-stream", 5),
    "/broken": Route(failing),
}


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        yield peer


def everything(peer: socket.socket) -> bytes:
    """What comes until the service closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := peer.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def say(port: int, data: bytes) -> bytes:
    with connected(port) as peer:
        peer.sendall(data)
        return everything(peer)


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(ROUTES, Limits(request_seconds=5, idle_seconds=5)) as port:
        yield port


@pytest.fixture
def quick() -> Iterator[int]:
    with running(ROUTES, QUICK) as port:
        yield port


def test_get(port: int) -> None:
    response, body = ask(port, "GET", "/echo")
    assert (response.status, response.getheader("Content-Type"), body) == (200, TEXT, b"GET  ")
    assert response.getheader("Cache-Control") == "no-store"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", response.getheader("Date", ""))


def test_post(port: int) -> None:
    response, body = ask(port, "POST", "/echo", b"\0\xff")
    assert body == b"POST  \0\xff"
    assert response.getheader("Cache-Control") is None


def test_head_has_the_headers_of_get_and_no_body(port: int) -> None:
    response, body = ask(port, "HEAD", "/echo")
    assert (response.status, response.getheader("Content-Length"), body) == (200, "5", b"")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/echo/", b"GET  "),
        ("/echo/a/b?c=d", b"GET a/b "),
        ("/echo//a", b"GET /a "),
        ("/echo/%2e%2e", b"GET %2e%2e "),
        ("/echo/deeper", b"deeper"),
        ("/echo/deeper/a", b"deeper"),
        ("http://other/echo/a", b"GET a "),
    ],
)
def test_the_longest_path_answers_and_is_given_the_rest(port: int, path: str, told: bytes) -> None:
    assert ask(port, "GET", path)[1] == told


@pytest.mark.parametrize("path", ["/", "/nothing", "/ech", "/echoes", "//echo", "/" + "a/" * 500])
def test_no_such_path(port: int, path: str) -> None:
    assert ask(port, "GET", path)[0].status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_another_method(port: int, method: str) -> None:
    response, _ = ask(port, method, "/echo")
    assert response.status == HTTPStatus.METHOD_NOT_ALLOWED
    assert response.getheader("Allow") == "GET, HEAD, POST"


def test_what_fails_is_an_internal_error_and_tells_nothing(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        response, body = ask(port, "GET", "/broken")
    assert (response.status, body) == (500, b"Internal Server Error\n")
    assert "reader_busy" in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_a_large_answer_arrives_whole(port: int) -> None:
    response, body = ask(port, "GET", "/large")
    assert body == LARGE
    assert response.getheader("Cache-Control", "").startswith("max-age=5,")


def test_what_one_has_is_not_sent_again(port: int) -> None:
    tag = ask(port, "HEAD", "/large")[0].getheader("ETag", "")
    response, body = ask(port, "GET", "/large", If_None_Match=tag)
    assert (response.status, body, response.getheader("ETag")) == (304, b"", tag)
    assert ask(port, "GET", "/large", If_None_Match='"other"')[0].status == HTTPStatus.OK


def test_connections_are_kept(port: int) -> None:
    with connected(port) as peer:
        for _ in range(3):
            peer.sendall(GET_ECHO)
            assert peer.recv(4096).endswith(b"GET  ")


def test_requests_that_come_together_are_answered_in_order(port: int) -> None:
    requests = [b"GET /echo/%d HTTP/1.1\r\n\r\n" % number for number in range(200)]
    requests[100] = b"GET /large HTTP/1.1\r\n\r\n"
    requests[-1] = b"GET /echo/last HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = say(port, b"".join(requests))
    assert statuses(answer) == [200] * 200
    assert re.findall(rb"GET (\d+|last) ", answer.replace(LARGE, b"GET 100 ")) == [
        *(b"%d" % number for number in range(199)),
        b"last",
    ]


def test_a_request_in_single_bytes(port: int) -> None:
    with connected(port) as peer:
        for byte in b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc":
            peer.sendall(bytes((byte,)))
        assert everything(peer).endswith(b"POST  abc")


def test_chunks(port: int) -> None:
    head = b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert say(port, head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").endswith(b"POST  abcde")


@pytest.mark.parametrize(
    ("version", "header", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive", True),
    ],
)
def test_who_wants_the_connection_kept(port: int, version: bytes, header: bytes, kept: bool) -> None:
    with connected(port) as peer:
        peer.sendall(b"GET /echo HTTP/%b\r\nX: y\r\n%b\r\n\r\n" % (version, header or b"Y: z"))
        answer = peer.recv(4096)
        assert answer.endswith(b"GET  ")
        assert (b"Connection: close" in answer) is not kept
        if version == b"1.0":
            assert (b"Connection: keep-alive" in answer) is kept
        if not kept:
            assert peer.recv(1) == b""


def test_who_only_stops_sending_is_still_answered(port: int) -> None:
    with connected(port) as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        assert everything(peer).endswith(LARGE)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET  HTTP/1.1\r\n\r\n", 400),
        (b"GET /echo HTTP/7\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nA\0: b\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 10_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000 + b"\r\n", 431),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 20000\r\n\r\n" + b"a" * 20_000, 413),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + b"a" * 20_000, 413),
    ],
)
def test_bad_requests_are_told_so_and_end_the_connection(port: int, data: bytes, status: int) -> None:
    answer = say(port, data)
    assert statuses(answer) == [status]
    assert b"Connection: close" in answer


def test_requests_before_a_bad_one_are_answered(port: int) -> None:
    assert statuses(say(port, GET_ECHO * 2 + b"nonsense\r\n\r\n" + GET_ECHO)) == [200, 200, 400]


def test_another_protocol_is_not_taken_up(port: int) -> None:
    answer = say(port, b"GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0")
    assert statuses(answer) == [200]
    assert b"Connection: close" in answer


def test_an_endless_header_does_not_fill_the_memory(port: int) -> None:
    with connected(port) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        peer.sendall(b"GET / HTTP/1.1\r\nA: ")
        for _ in range(40):
            peer.sendall(b"a" * 1000)
            time.sleep(0.005)
        pytest.fail("40 kB of header were taken")


@pytest.mark.parametrize(
    "begun", [b"", b"GE", b"GET / HTTP/1.1\r\nA: b", b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"]
)
def test_who_says_nothing_more_is_closed(quick: int, begun: bytes) -> None:
    with connected(quick) as peer:
        peer.sendall(begun)
        start = time.monotonic()
        assert everything(peer) == b""
        assert time.monotonic() - start < 3


def test_who_sends_byte_after_byte_is_closed(quick: int) -> None:
    with connected(quick) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for byte in b"GET / HTTP/1.1\r\nA: " + b"a" * 100:
            peer.sendall(bytes((byte,)))
            time.sleep(0.05)
        pytest.fail("it held the connection for 5 seconds")


def test_who_is_idle_after_an_answer_is_closed(quick: int) -> None:
    with connected(quick) as peer:
        peer.sendall(GET_ECHO)
        assert everything(peer).endswith(b"GET  ")


def test_who_does_not_read_is_closed(quick: int) -> None:
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(10)
        peer.connect(("127.0.0.1", quick))
        peer.sendall(b"GET /large HTTP/1.1\r\n\r\n" * 20)
        time.sleep(2.5)
        assert len(everything(peer)) < 20 * len(LARGE)


def test_a_connection_ends_some_time() -> None:
    with running(ROUTES, Limits(connection_seconds=0.0)) as port:
        answer = say(port, GET_ECHO)
        assert b"Connection: close" in answer


def test_others_are_answered_meanwhile() -> None:
    """Ten times as many silent, half-open and slow peers as there is room for."""
    with running(ROUTES, Limits(connections=20)) as port, contextlib.ExitStack() as crowd:
        for number in range(200):
            peer = crowd.enter_context(connected(port))
            with contextlib.suppress(ConnectionError):
                peer.sendall(
                    (b"", b"G", b"GET /large HTTP/1.1\r\n\r\n", b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\n")[
                        number % 4
                    ]
                )
            if number % 20 == 0:
                assert ask(port, "GET", "/echo")[1] == b"GET  "
        for _ in range(5):
            with connected(port):
                pass
        assert ask(port, "GET", "/large")[1] == LARGE


def test_who_was_used_last_stays() -> None:
    def use(peer: socket.socket) -> None:
        peer.sendall(GET_ECHO)
        assert peer.recv(4096).endswith(b"GET  ")

    with running(ROUTES, Limits(connections=3)) as port, connected(port) as first, connected(port) as second:
        use(second)
        for _ in range(5):
            use(first)
            with connected(port) as other, connected(port) as one_more:
                use(other)
                use(one_more)
        with contextlib.suppress(ConnectionResetError):
            assert second.recv(1) == b""


def test_stopping_lets_an_answer_arrive() -> None:
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as peers:
        with running(ROUTES, Limits(stop_seconds=10)) as port:
            reading, idle = peers.enter_context(connected(port)), peers.enter_context(connected(port))
            idle.sendall(GET_ECHO)
            assert idle.recv(4096).endswith(b"GET  ")
            reading.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            begun = reading.recv(100)
            rest = pool.submit(everything, reading)
        assert (begun + rest.result(10)).endswith(LARGE)
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError), connected(port):
        pass


def test_stopping_waits_for_nobody_for_ever() -> None:
    start = time.monotonic()
    with running(ROUTES, QUICK) as port, connected(port) as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\n\r\n" * 20)
        peer.recv(1)
    assert time.monotonic() - start < 5


def test_an_address_that_is_not_to_be_had(port: int) -> None:
    with pytest.raises(ConfigError, match="choose another"):
        serve(ROUTES, "127.0.0.1", port)
    with pytest.raises(ConfigError):
        serve(ROUTES, "no.such.host.invalid", 0)
    with pytest.raises(ConfigError):
        serve(ROUTES, "127.0.0.1", 70_000)


@pytest.mark.parametrize("path", ["echo", "/echo/", ""])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(UsageError):
        Service({path: Route(echo)})


# What is served


@pytest.fixture(scope="module")
def authority_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    good = CertificateStatus(CertificateState.GOOD)
    responder = OcspResponder(
        FileSigner(key(KeyAlgorithm.P_256, "ocsp")), der(AUTHORITY.responder), der(AUTHORITY.issuer), lambda _: good
    )
    stamper = TimestampAuthority(
        FileSigner(key(KeyAlgorithm.P_256, "timestamp")), der(AUTHORITY.stamper), policy=POLICY
    )
    routes: Routes = {
        "/ocsp": ocsp_route(responder),
        "/timestamp": timestamp_route(stamper),
        "/issuer.cer": document_route(der(AUTHORITY.issuer)),
    }
    with running(routes) as port:
        yield port


def plain_request(nonce: bytes | None = None) -> bytes:
    return ocsp_request(AUTHORITY.leaf, AUTHORITY.issuer, nonce=nonce)


def test_ocsp_by_post(authority_port: int) -> None:
    response, body = ask(authority_port, "POST", "/ocsp", plain_request(), Content_Type="application/ocsp-request")
    assert response.getheader("Content-Type") == "application/ocsp-response"
    assert ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.GOOD


def paths_of(message: bytes) -> list[str]:
    text = base64.b64encode(message).decode()
    return [f"/ocsp/{text}", f"/ocsp//{text}", f"/ocsp/{quote(text, safe='')}"]


@pytest.mark.parametrize("form", range(3))
def test_ocsp_by_get(authority_port: int, form: int) -> None:
    # A serial number whose request has slashes and plus signs in base64, as most have.
    request = next(made for made in _requests() if {"/", "+"} <= set(base64.b64encode(made).decode()))
    response, body = ask(authority_port, "GET", paths_of(request)[form])
    assert ocsp.load_der_ocsp_response(body).serial_number == parse_ocsp_request(request).asked[0].serial_number
    assert response.getheader("Cache-Control") == "max-age=10, public, no-transform, must-revalidate"


def _requests() -> Iterator[bytes]:
    while True:
        certificate = AUTHORITY.certificate("Some", key(KeyAlgorithm.P_256, "leaf"))
        yield ocsp_request(certificate, AUTHORITY.issuer)


def test_ocsp_with_a_nonce_is_kept_by_nobody(authority_port: int) -> None:
    response, _ = ask(authority_port, "GET", paths_of(plain_request(nonce=b"once"))[0])
    assert response.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize("rest", ["/MEow", "", "/"])
def test_bad_ocsp_requests_get_ocsp_answers(authority_port: int, rest: str) -> None:
    response, body = ask(authority_port, "GET", f"/ocsp{rest}")
    assert response.status == HTTPStatus.OK
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    assert response.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize("rest", ["/M", "/####", "/%zz", "/MEow\xe0", "/../../etc/passwd"])
def test_what_is_no_base64_is_a_bad_request(authority_port: int, rest: str) -> None:
    answer = say(authority_port, f"GET /ocsp{rest} HTTP/1.1\r\nConnection: close\r\n\r\n".encode("latin-1"))
    assert statuses(answer) in ([400], [200])
    assert b"ocsp-response" not in answer or b"\x0a\x01\x01" in answer, "malformedRequest"


def test_timestamps(authority_port: int) -> None:
    response, body = ask(authority_port, "POST", "/timestamp", timestamp_request(b"what was there"))
    assert response.getheader("Content-Type") == "application/timestamp-reply"
    assert body[4:9] == bytes.fromhex("3003020100")
    assert ask(authority_port, "GET", "/timestamp")[0].status == HTTPStatus.METHOD_NOT_ALLOWED


def test_the_issuers_certificate(authority_port: int) -> None:
    response, body = ask(authority_port, "GET", "/issuer.cer")
    assert (response.getheader("Content-Type"), body) == ("application/pkix-cert", der(AUTHORITY.issuer))
    assert ask(authority_port, "GET", "/issuer.cer/more")[0].status == HTTPStatus.NOT_FOUND


def test_a_folder_of_lists(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (tmp_path / "outside.crl").write_bytes(b"secret")
    (folder / "key.pem").write_bytes(b"secret")
    (folder / ".hidden.crl").write_bytes(b"secret")
    (folder / "folder.crl").mkdir()
    (folder / "0.crl").write_bytes(b"first")
    with running({"/crl": folder_route(folder)}) as port:
        response, body = ask(port, "GET", "/crl/0.crl")
        assert (response.getheader("Content-Type"), body) == ("application/pkix-crl", b"first")
        assert response.getheader("Cache-Control", "").startswith(f"max-age={CRL_MAX_AGE},")
        (folder / "new").write_bytes(b"other")
        (folder / "new").replace(folder / "0.crl")
        changed, body = ask(port, "GET", "/crl/0.crl", If_None_Match=response.getheader("ETag", ""))
        assert (changed.status, body) == (200, b"other")
        (folder / "0.crl").unlink()
        assert ask(port, "GET", "/crl/0.crl")[0].status == HTTPStatus.NOT_FOUND
        for name in (
            "key.pem",
            ".hidden.crl",
            "../outside.crl",
            "%2e%2e/outside.crl",
            "..%2foutside.crl",
            "",
            "x/0.crl",
        ):
            assert ask(port, "GET", f"/crl/{name}")[0].status == HTTPStatus.NOT_FOUND
        assert ask(port, "GET", "/crl/folder.crl")[0].status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert ask(port, "POST", "/crl/0.crl", b"")[0].status == HTTPStatus.METHOD_NOT_ALLOWED


def test_files_leave_the_memory_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pki.service_routes.FILES_KEPT", 10)
    route = folder_route(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.crl").write_bytes(b"%d" % number * 6)
    for _ in range(2):
        for number in range(5):
            assert route.answer(HttpRequest("GET", f"{number}.crl")).body == b"%d" % number * 6
