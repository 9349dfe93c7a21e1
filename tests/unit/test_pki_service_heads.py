"""The HTTP service knows heads that came before, and answers them as it did the first time."""

import re
import socket
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from pki.service_connection import HEADS_KEPT, KnownHeads, _Asked
from pki.service_routes import TEXT, Answer, HttpRequest, Route
from tests.service_authorities import running

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"


def echo(request: HttpRequest) -> Answer:
    return Answer(HTTPStatus.OK, TEXT, request.method.encode() + b" " + request.body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running({"/echo": Route(echo, ("POST",))}) as port:
        yield port


def say(port: int, data: bytes) -> bytes:
    """All that comes back to this on a connection of its own; the time, which changes, left out."""
    pieces = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        while piece := peer.recv(65536):
            pieces.append(piece)
    return re.sub(rb"Date: [^\r]*\r\n", b"", b"".join(pieces))


@pytest.mark.parametrize(
    "again",
    [
        HEAD + b"two",
        HEAD + b"two" + HEAD + b"six",
        HEAD + b"tw",
        HEAD + b"four",
        HEAD.replace(b"1.1", b"1.0") + b"two",
        HEAD.replace(b"Host", b"Connection: close\r\nHost") + b"two",
        HEAD.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"3\r\ntwo\r\n0\r\n\r\n",
        HEAD.replace(b"Host: x", b"Connection: upgrade\r\nUpgrade: h2c") + b"two",
        HEAD.replace(b"/echo", b"nothing") + b"two",
        HEAD.replace(b"Host: x", b"X: " + b"y" * 2000) + b"two",
        b"GET /echo HTTP/1.1\r\n\r\n",
    ],
    ids=lambda data: data[:24].hex() + str(len(data)),
)
def test_the_second_answer_is_as_the_first(port: int, again: bytes) -> None:
    first = say(port, again)
    assert first.startswith(b"HTTP/1.1 ") or len(again) == len(HEAD) + 2
    say(port, HEAD + b"one")
    assert say(port, again) == say(port, again) == first


def test_a_known_head_gets_its_own_body() -> None:
    known, asked = KnownHeads(), _Asked("POST", "/echo", b"one", b"", True, "1.1")
    assert known.read(HEAD + b"one") is None
    known.remember(HEAD + b"one", asked)
    assert known.read(HEAD + b"two") == asked._replace(body=b"two")
    assert known.read(HEAD + b"four") is None
    assert known.read(HEAD[:-2]) is None


def test_only_so_many_are_known_and_only_whole_posts() -> None:
    known = KnownHeads()
    for number in range(HEADS_KEPT + 1):
        head = HEAD.replace(b"x", b"%d" % number)
        known.remember(head + b"one", _Asked("POST", "/echo", b"one", b"", True, "1.1"))
    assert known.read(HEAD.replace(b"x", b"0") + b"two") is None
    assert known.read(HEAD.replace(b"x", b"1") + b"two") is not None
    for method, body in (("GET", b"one"), ("POST", b"on")):
        known.remember(HEAD + b"one", _Asked(method, "/echo", body, b"", True, "1.1"))
    assert known.read(HEAD + b"two") is None
