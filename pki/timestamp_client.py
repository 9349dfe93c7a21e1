"""Asking for timestamps (RFC 3161, 2.4): over HTTP, or from an authority in this program."""

import secrets
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError

from .algorithm_identifiers import hash_identifier
from .der import TAG_SEQUENCE, TRUE, Reader, integer, octet_string, sequence
from .errors import Malformed, PkiError
from .timestamp import TimestampAuthority
from .timestamp_info import TimestampInfo, read_token

SECONDS_MAX: Final = 10.0
ANSWER_MAX_LEN: Final = 1024 * 1024

_VERSION = 1
_GRANTED: Final = frozenset({0, 1})
"""PKIStatus granted, and granted with modifications (2.4.2)."""
_NONCE_BITS = 63
_PIECE_LEN = 64 * 1024
_OK = 200

Numbers = Callable[[int], int]
"""A random number of so many bits."""


class TimestampUnavailable(PkiError):
    """The timestamp authority can't be reached, refuses, or answers something else than a timestamp."""

    code = "timestamp_unavailable"


class LocalTimestampSource:
    """Timestamps by an authority in this program; a `TimestampSource`."""

    def __init__(self, authority: TimestampAuthority, *, numbers: Numbers = secrets.randbits) -> None:
        self._authority = authority
        self._numbers = numbers

    def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
        """A timestamp token over a digest, DER; raise TimestampUnavailable if the authority refuses."""
        nonce = self._numbers(_NONCE_BITS)
        return token_of(self._authority.answer(timestamp_query(digest, algorithm, nonce)), digest, algorithm, nonce)


class TsaClient:
    """A timestamp authority at an http or https address; a `TimestampSource`. Follows no redirects, uses no proxy."""

    def __init__(self, url: str, *, seconds: float = SECONDS_MAX, numbers: Numbers = secrets.randbits) -> None:
        self._place = _place(url)
        self._seconds = seconds
        self._numbers = numbers

    def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
        """A timestamp token over a digest, DER; raise TimestampUnavailable."""
        nonce = self._numbers(_NONCE_BITS)
        query = timestamp_query(digest, algorithm, nonce)
        answers: list[bytes | Exception] = []
        # In a thread, for a server that sends its answer drop by drop can't be stopped otherwise.
        asking = threading.Thread(target=self._run, args=(query, answers), daemon=True)
        asking.start()
        asking.join(self._seconds)
        answer = answers[0] if answers else TimeoutError()
        if isinstance(answer, TimestampUnavailable):
            raise answer
        if isinstance(answer, Exception):
            reason = getattr(answer, "strerror", None) or type(answer).__name__
            raise TimestampUnavailable(
                f"the timestamp authority at {self._place.hostname} can't be reached ({reason}); try again, or another"
            )
        return token_of(answer, digest, algorithm, nonce)

    def _run(self, query: bytes, answers: list[bytes | Exception]) -> None:
        try:
            answers.append(self._ask(query))
        except (OSError, HTTPException, ValueError, TimestampUnavailable) as error:
            answers.append(error)

    def _ask(self, query: bytes) -> bytes:
        place = self._place
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        deadline = time.monotonic() + self._seconds
        connection = kind(place.hostname or "", place.port, timeout=self._seconds)
        try:
            target = f"{place.path or '/'}{'?' + place.query if place.query else ''}"
            headers = {"Content-Type": "application/timestamp-query", "Accept-Encoding": "identity"}
            connection.request("POST", target, query, headers)
            with connection.getresponse() as response:
                if response.status != _OK:
                    raise TimestampUnavailable(
                        f"the timestamp authority answered HTTP {response.status}; check its address"
                    )
                answer = bytearray()
                while piece := response.read1(_PIECE_LEN):
                    answer += piece
                    if len(answer) > ANSWER_MAX_LEN or time.monotonic() > deadline:
                        raise TimestampUnavailable("the timestamp authority's answer is too long, or takes too long")
                return bytes(answer)
        finally:
            connection.close()


def timestamp_query(digest: bytes, algorithm: HashAlgorithm, nonce: int) -> bytes:
    """A TimeStampReq, DER, that asks for the certificate too; raise UsageError for a digest of the wrong length."""
    if len(digest) != algorithm.digest_len:
        raise UsageError(f"a digest of {algorithm} has {algorithm.digest_len} bytes")
    imprint = sequence(hash_identifier(algorithm), octet_string(digest))
    return sequence(integer(_VERSION), imprint, integer(nonce), TRUE)


def token_of(answer: bytes, digest: bytes, algorithm: HashAlgorithm, nonce: int) -> bytes:
    """The token in a TimeStampResp, DER, if it is what was asked for; raise TimestampUnavailable if not."""
    try:
        response = Reader(answer).inside()
        status = response.inside().integer()
        if status not in _GRANTED:
            raise TimestampUnavailable(f"the timestamp authority refused (status {status}); ask who runs it")
        token = response.element(TAG_SEQUENCE)
        info: TimestampInfo = read_token(token)[1]
    except Malformed:
        raise TimestampUnavailable("the timestamp authority answered something else than a timestamp") from None
    if (info.hash, info.digest, info.nonce) != (algorithm, digest, nonce):
        raise TimestampUnavailable("the timestamp is not the one that was asked for; don't use this authority")
    return token


def _place(url: str) -> SplitResult:
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError:
        place = urlsplit("")
    plain = url.isascii() and url.isprintable() and " " not in url
    if place.scheme not in {"http", "https"} or not place.hostname or "@" in place.netloc or not plain:
        raise UsageError("a timestamp authority has an address like http://tsa.example.go.th/timestamp")
    return place
