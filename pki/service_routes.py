"""What the HTTP service answers: OCSP, timestamps, and files (lists of revoked certificates, issuers' certificates).

Routes are data: a path leads to a Route, which makes an Answer of an HttpRequest and knows nothing of connections.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from .ocsp import OcspResponder
from .timestamp import TimestampAuthority

CERTIFICATE: Final = "application/pkix-cert"
"""RFC 2585, 4.1, as the next one."""
CRL: Final = "application/pkix-crl"
OCSP_RESPONSE: Final = "application/ocsp-response"
"""RFC 6960, A.1."""
TIMESTAMP_REPLY: Final = "application/timestamp-reply"
"""RFC 3161, 3.4."""
TEXT: Final = "text/plain; charset=utf-8"

CERTIFICATE_MAX_AGE: Final = 86_400
CRL_MAX_AGE: Final = 60
"""Seconds that others on the way may keep a list: a new one must not wait long to be seen."""
FILES_KEPT: Final = 64 * 1024 * 1024
"""Bytes of files that stay in memory."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_CONTENT_TYPES = MappingProxyType({".crl": (CRL, CRL_MAX_AGE), ".cer": (CERTIFICATE, CERTIFICATE_MAX_AGE)})
"""Files that are served, by their suffix: all DER."""


class HttpRequest(NamedTuple):
    """What is asked of a route."""

    method: str
    """GET (HEAD is told to routes as GET) or POST."""
    rest: str = ""
    """What follows the route's own path, still percent-encoded."""
    body: bytes = b""


class Answer(NamedTuple):
    """What is sent back."""

    status: HTTPStatus
    content_type: str
    body: bytes
    max_age: int | None = None
    """Seconds that others may keep it; None says that nobody may."""
    tag: str = ""
    """Names this very content (RFC 9110, 8.8.3), so that whoever has it need not get it again."""


@dataclass(frozen=True, slots=True)
class Route:
    """How requests for a path are answered."""

    answer: Callable[[HttpRequest], Answer]
    """Called between other requests, so it takes milliseconds at most: a signature by a key in memory or an HSM."""
    methods: tuple[str, ...] = ("GET", "HEAD")


Routes = Mapping[str, Route]
"""Routes by their path, which begins with / and does not end with it; longer ones go first."""


def told(status: HTTPStatus) -> Answer:
    """An answer that says only how it went."""
    return Answer(status, TEXT, f"{status.phrase}\n".encode())


def ocsp_route(responder: OcspResponder) -> Route:
    """OCSP by POST, and by GET with the request in the path as base64 (RFC 6960, A.1)."""
    max_age, ok = int(responder.rules.unasked.total_seconds()), HTTPStatus.OK

    def answer(request: HttpRequest) -> Answer:
        message = request.body
        if request.method == "GET":
            try:
                message = base64.b64decode(unquote_to_bytes(request.rest).lstrip(b"/"), validate=True)
            except binascii.Error:
                return told(HTTPStatus.BAD_REQUEST)
        found = responder.respond(message)
        return Answer(ok, OCSP_RESPONSE, found.der, max_age if found.shared else None)

    return Route(answer, ("GET", "HEAD", "POST"))


def timestamp_route(authority: TimestampAuthority) -> Route:
    """Timestamps by POST (RFC 3161, 3.4)."""

    def answer(request: HttpRequest) -> Answer:
        return Answer(HTTPStatus.OK, TIMESTAMP_REPLY, authority.answer(request.body))

    return Route(answer, ("POST",))


def document_route(content: bytes, content_type: str = CERTIFICATE, max_age: int = CERTIFICATE_MAX_AGE) -> Route:
    """A content that stays the same, such as an issuer's certificate, DER."""
    known = Answer(HTTPStatus.OK, content_type, content, max_age, _tag(content))

    def answer(request: HttpRequest) -> Answer:
        return told(HTTPStatus.NOT_FOUND) if request.rest else known

    return Route(answer)


def folder_route(folder: Path) -> Route:
    """The `.crl` and `.cer` files of a folder, each as it is at that time; those behind a point or a slash never.

    A new version must come by renaming, in one step, as CRLs are published here.
    """
    return Route(_Folder(folder))


class _Folder:
    """Files, which are read again when they have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int, int], Answer]] = {}

    def __call__(self, request: HttpRequest) -> Answer:
        name = request.rest
        content_type, max_age = _CONTENT_TYPES.get(Path(name).suffix, (TEXT, 0))
        if content_type is TEXT or not _FILE_NAME.fullmatch(name):
            return told(HTTPStatus.NOT_FOUND)
        path = self._folder / name
        try:
            status = path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._known.get(name)
            if known is None or known[0] != version:
                content = path.read_bytes()
                known = version, Answer(HTTPStatus.OK, content_type, content, max_age, _tag(content))
                self._keep(name, known)
        except FileNotFoundError:
            self._known.pop(name, None)
            return told(HTTPStatus.NOT_FOUND)
        except OSError:
            return told(HTTPStatus.INTERNAL_SERVER_ERROR)
        return known[1]

    def _keep(self, name: str, known: tuple[tuple[int, int, int], Answer]) -> None:
        self._known.pop(name, None)
        self._known[name] = known
        while sum(len(answer.body) for _, answer in self._known.values()) > FILES_KEPT:
            del self._known[next(iter(self._known))]  # the one that was read first


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
