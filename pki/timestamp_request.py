"""Requests for timestamps, read strictly and with bounds (RFC 3161, 2.4.1)."""

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

from ecitizen.algorithms import HashAlgorithm

from .algorithm_identifiers import hash_by_identifier
from .der import CONTEXT_CONSTRUCTED, TAG_INTEGER, TAG_OCTET_STRING, TAG_OID, TAG_SEQUENCE, Reader, integer
from .errors import Malformed

REQUEST_MAX_LEN: Final = 4096
NONCE_MAX_LEN: Final = 64
"""Bytes of the number; the standard sets no limit, programs take 8 to 20."""

_VERSION = 1


@unique
class TimestampFailure(IntEnum):
    """Why there is no timestamp: the bits of PKIFailureInfo (RFC 3161, 2.4.2)."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    ADD_INFO_NOT_AVAILABLE = 17
    SYSTEM_FAILURE = 25


class TimestampRefused(Malformed):
    """This request gets no timestamp; `failure` says why, and the text for people too."""

    def __init__(self, message: str, failure: TimestampFailure) -> None:
        super().__init__(message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """What is to get a timestamp, and how."""

    imprint: bytes
    """MessageImprint, DER: the timestamp repeats it byte for byte."""
    hash: HashAlgorithm
    policy: bytes | None
    """The policy that is asked for: OBJECT IDENTIFIER, DER."""
    nonce: bytes | None
    """INTEGER, DER."""
    wants_certificate: bool


def parse_timestamp_request(der: bytes) -> TimestampRequest:
    """Read a TimeStampReq; raise TimestampRefused for anything else, and for what it may not ask for."""
    try:
        return _parsed(der)
    except TimestampRefused:
        raise
    except Malformed as error:
        raise TimestampRefused(f"not a timestamp request: {error}", TimestampFailure.BAD_DATA_FORMAT) from None


def _parsed(der: bytes) -> TimestampRequest:
    if len(der) > REQUEST_MAX_LEN:
        raise Malformed(f"it has more than {REQUEST_MAX_LEN} bytes")
    whole = Reader(der)
    request = whole.inside()
    whole.close()
    if request.integer() != _VERSION:
        raise TimestampRefused("only version 1 of timestamp requests is known here", TimestampFailure.BAD_REQUEST)
    imprint = request.element(TAG_SEQUENCE)
    policy = request.element(TAG_OID) if request.peek() == TAG_OID else None
    nonce = integer(request.integer()) if request.peek() == TAG_INTEGER else None
    wants_certificate = request.flag()
    if request.peek() == CONTEXT_CONSTRUCTED:  # [0] extensions
        raise TimestampRefused("timestamps have no extensions here", TimestampFailure.UNACCEPTED_EXTENSION)
    request.close()
    if nonce is not None and len(nonce) > NONCE_MAX_LEN + 2:
        raise Malformed(f"its nonce has more than {NONCE_MAX_LEN} bytes")
    return TimestampRequest(imprint, _hash_of(imprint), policy, nonce, wants_certificate)


def _hash_of(imprint: bytes) -> HashAlgorithm:
    """The hash by which the message is stamped, if it is a strong one and the digest of its length."""
    parts = Reader(imprint).inside()
    algorithm = hash_by_identifier(parts.element(TAG_SEQUENCE))
    digest = parts.content(TAG_OCTET_STRING)
    parts.close()
    if algorithm is None:
        raise TimestampRefused("take SHA-256, SHA-384 or SHA-512", TimestampFailure.BAD_ALG)
    if len(digest) != algorithm.digest_len:
        raise Malformed("its digest has the wrong length")
    return algorithm
