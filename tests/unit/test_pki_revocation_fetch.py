"""Fetching revocation data from a loopback server: what is asked, from whom, how long, and what is refused."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from pki.revocation_fetch import RevocationFetcher
from tests.unit.loopback import Server, loopback, send
from tests.unit.small_pki import Party, root

CRL = b"a list" * 1000


@pytest.fixture
def server() -> Iterator[Server]:
    with loopback(CRL) as server:
        yield server


ROOT = root()


def leaf(crl: str | None = None, delta: str | None = None, ocsp: str | None = None) -> Party:
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if crl:
        extensions.append((x509.CRLDistributionPoints([_point(crl)]), False))
    if delta:
        extensions.append((x509.FreshestCRL([_point(delta)]), False))
    if ocsp:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        extensions.append((x509.AuthorityInformationAccess([access]), False))
    return ROOT.issue("Leaf", extensions=extensions)


def _point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def test_everything_that_a_certificate_names_is_asked_for_once(server: Server) -> None:
    party = leaf(server.url("/a.crl"), server.url("/d.crl?x=1"), server.url("/ocsp"))
    fetcher = RevocationFetcher(server.hosts)
    fetched = fetcher.fetch([party.der, ROOT.der])
    assert (fetched.crls, fetched.ocsps) == ((CRL, CRL), (CRL,))
    assert sorted(server.asked) == ["GET /a.crl", "GET /d.crl?x=1", "POST /ocsp"]
    assert fetcher.fetch([party.der, ROOT.der]) == fetched
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/a.crl",
        "https://localhost:PORT/a.crl",
        "http://127.0.0.1:PORT/a.crl",
        "http://user@localhost:PORT/a.crl",
        "http://localhost:PORT@evil.example/a.crl",
        "http://evil.example:PORT/a.crl",
        "http://localhost.evil.example:PORT/a.crl",
        "ftp://localhost:PORT/a.crl",
        "file:///etc/passwd",
        "ldap://localhost:PORT/a",
        "http://localhost:PORT/a b",
        "http://localhost:PORT/a\r\nX: y",
        "http://localhost:99999/",
        "http://[::1/",
        "//localhost:PORT/a.crl",
        "",
    ],
)
def test_nobody_else_is_ever_asked(server: Server, url: str) -> None:
    party = leaf(url.replace("PORT", str(server.port)) or " ")
    began = time.monotonic()
    assert RevocationFetcher(server.hosts, seconds=0.5).fetch([party.der, ROOT.der]).crls == ()
    assert server.asked == []
    assert time.monotonic() - began < 2


def test_a_host_means_its_usual_port_and_letters_of_either_case() -> None:
    fetcher = RevocationFetcher(frozenset({"CRL.Example", "other.example:8080"}))
    for url, allowed in (
        ("http://crl.example/a", True),
        ("https://CRL.EXAMPLE:443/a", True),
        ("http://crl.example:8080/a", False),
        ("http://other.example:8080/a", True),
        ("http://other.example/a", False),
    ):
        assert fetcher._allowed(url) is allowed, url


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 500, 206])
def test_redirects_and_errors_bring_nothing(server: Server, status: int) -> None:
    server.answer = send(status, CRL, Location=server.url("/elsewhere"))
    assert RevocationFetcher(server.hosts).fetch([leaf(server.url()).der, ROOT.der]).crls == ()
    assert server.asked == ["GET /a.crl"]


def test_a_slow_server_is_not_waited_for(server: Server) -> None:
    gone = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not gone.wait(0.05):
            handler.wfile.write(b"x")

    server.answer = drip
    party = leaf(server.url("/1"), server.url("/2"), server.url("/3"))
    began = time.monotonic()
    fetched = RevocationFetcher(server.hosts, seconds=0.5).fetch([party.der, ROOT.der])
    gone.set()
    assert (fetched.crls, fetched.ocsps) == ((), ())
    assert time.monotonic() - began < 1.0


def test_too_much_and_too_little_are_left_out(server: Server) -> None:
    party = leaf(server.url())
    assert RevocationFetcher(server.hosts, bytes_max=len(CRL)).fetch([party.der, ROOT.der]).crls == (CRL,)
    assert RevocationFetcher(server.hosts, bytes_max=len(CRL) - 1).fetch([party.der, ROOT.der]).crls == ()
    server.answer = send(200, CRL, **{"Content-Length": str(len(CRL) + 1)})
    assert RevocationFetcher(server.hosts, seconds=0.5).fetch([party.der, ROOT.der]).crls == ()


def test_nobody_listens() -> None:
    party = leaf("http://localhost:1/a.crl")
    assert RevocationFetcher(frozenset({"localhost:1"})).fetch([party.der, ROOT.der]).crls == ()
    assert RevocationFetcher(frozenset()).fetch([ROOT.der]).crls == ()
