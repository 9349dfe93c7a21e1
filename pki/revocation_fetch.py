"""Fetching revocation data for a path that already leads to a trusted root: CRLs and OCSP, from allowed hosts only.

Whoever calls this has made sure of the path: the addresses stand in its certificates. All requests go out at once;
after `seconds` whatever has not come is left out. No redirects, no proxies, nothing but http and https.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import pairwise
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from .certificates import load_certificate

SECONDS_MAX: Final = 2.0
BYTES_MAX: Final = 10 * 1024 * 1024
"""Bytes of all answers together."""
REQUESTS_MAX: Final = 12

_PIECE_LEN = 64 * 1024
_OK = 200
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, as it came; reading it strictly is for path validation."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Request:
    url: str
    body: bytes | None
    """An OCSP request; None asks for a CRL."""


class RevocationFetcher:
    """Fetches from `hosts`: a name means its usual port, `name:port` another one. Remembers what it has fetched."""

    def __init__(self, hosts: frozenset[str], *, seconds: float = SECONDS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._seconds = seconds
        self._bytes_left = bytes_max
        self._lock = threading.Lock()
        self._answers: dict[_Request, bytes | None] = {}

    def fetch(self, chain: Sequence[bytes]) -> Fetched:
        """What the certificates of a path (DER, the anchor last) say where to get, as far as it comes. Never raises."""
        requests = list(dict.fromkeys(_requests(chain)))[:REQUESTS_MAX]
        wanted = [each for each in requests if each not in self._answers and self._allowed(each.url)]
        deadline = time.monotonic() + self._seconds
        threads = [threading.Thread(target=self._run, args=(each, deadline), daemon=True) for each in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:  # a name that resolves slowly can't be stopped, but it is waited for no longer
            thread.join(max(deadline - time.monotonic(), 0))
        with self._lock:
            for each in wanted:
                self._answers.setdefault(each, None)
            answers = [(each, self._answers.get(each)) for each in requests]
        return Fetched(
            tuple(answer for each, answer in answers if answer is not None and each.body is None),
            tuple(answer for each, answer in answers if answer is not None and each.body is not None),
        )

    def _allowed(self, url: str) -> bool:
        place = _place(url)
        if place is None:
            return False
        host = (place.hostname or "").lower()
        port = place.port or _PORTS[place.scheme]
        return f"{host}:{port}" in self._hosts or (host in self._hosts and port == _PORTS[place.scheme])

    def _run(self, request: _Request, deadline: float) -> None:
        try:
            answer = self._answer(request, deadline)
        except (OSError, HTTPException, ValueError):
            answer = None
        with self._lock:
            self._answers.setdefault(request, answer)

    def _answer(self, request: _Request, deadline: float) -> bytes | None:
        place = _place(request.url)
        assert place is not None
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        connection = kind(place.hostname or "", place.port, timeout=self._seconds)
        try:
            target = f"{place.path or '/'}{'?' + place.query if place.query else ''}"
            headers = {"Accept-Encoding": "identity"}
            if request.body is not None:
                headers["Content-Type"] = "application/ocsp-request"
            connection.request("GET" if request.body is None else "POST", target, request.body, headers)
            response = connection.getresponse()
            if response.status != _OK:
                return None
            answer = bytearray()
            while piece := response.read1(_PIECE_LEN):
                answer += piece
                if time.monotonic() > deadline or not self._take(len(piece)):
                    return None
            return bytes(answer) if not response.length else None
        finally:
            connection.close()

    def _take(self, count: int) -> bool:
        with self._lock:
            self._bytes_left -= count
            return self._bytes_left >= 0


def _place(url: str) -> SplitResult | None:
    """The parts of an address that may be asked; None for one that is no plain http or https address."""
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError:
        return None
    if place.scheme not in _PORTS or not place.hostname or place.username is not None or place.password is not None:
        return None
    return place if url.isascii() and url.isprintable() and " " not in url else None


def _requests(chain: Sequence[bytes]) -> Iterator[_Request]:
    certificates = [load_certificate(der) for der in chain]
    for certificate, issuer in pairwise(certificates):
        for url in _responders(certificate):
            query = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1())  # noqa: S303 - RFC 5019, 2.1.1
            yield _Request(url, query.build().public_bytes(Encoding.DER))
        for url in (*_points(certificate, x509.CRLDistributionPoints), *_points(certificate, x509.FreshestCRL)):
            yield _Request(url, None)


def _responders(certificate: x509.Certificate) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [
        each.access_location.value
        for each in access
        if each.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    ]


def _points(
    certificate: x509.Certificate, kind: type[x509.CRLDistributionPoints] | type[x509.FreshestCRL]
) -> list[str]:
    try:
        points: x509.CRLDistributionPoints | x509.FreshestCRL
        points = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return []
    names = [name for point in points for name in point.full_name or ()]
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
