"""OCSP answers laid out in DER: whatever is the same in the next answer is written once (RFC 6960, 4.2.1)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from .der import (
    CONTEXT_CONSTRUCTED,
    TAG_BIT_STRING,
    TAG_OCTET_STRING,
    TAG_SEQUENCE,
    enumerated,
    explicit,
    generalized_time,
    head,
    implicit,
    octet_string,
    oid,
    sequence,
)
from .ocsp_request import NONCE_MAX_LEN, nonce_extensions
from .status import CertificateState, CertificateStatus

_BASIC_RESPONSE = oid("1.3.6.1.5.5.7.48.1.1")
_SUCCESSFUL = enumerated(0)
_GOOD = implicit(0, b"")
_UNKNOWN = implicit(2, b"")
_STATE_GOOD: Final = CertificateState.GOOD
"""At hand, for to look a member up in its class takes Python 3.11 half a microsecond."""
_FRAMES_MAX: Final = 256
"""Frames that are remembered: one for each length of data and signature."""


def told(status: CertificateStatus) -> bytes:
    """A certificate's status as CertStatus."""
    if status.at is None:
        return _GOOD if status.state is _STATE_GOOD else _UNKNOWN
    reason = explicit(0, enumerated(status.reason)) if status.reason else b""
    return explicit(1, generalized_time(status.at), reason)


def responder_id(key: bytes) -> bytes:
    """ResponderID by key: the SHA-1 digest of the public key itself, as the standard has it."""
    return explicit(2, octet_string(hashlib.sha1(key, usedforsecurity=False).digest()))


def refusal(response_status: int) -> bytes:
    """An OCSPResponse without an answer: only why."""
    return sequence(enumerated(response_status))


class ResponseFrame:
    """What stands around the signed data: OCSPResponse, BasicOCSPResponse, signature, certificate (DER or empty)."""

    def __init__(self, signature_identifier: bytes, certificate: bytes) -> None:
        self._signature_identifier = signature_identifier
        self._end = explicit(0, sequence(certificate)) if certificate else b""
        self._frame = lru_cache(maxsize=_FRAMES_MAX)(self._laid_out)

    def response(self, data: bytes, signature: bytes) -> bytes:
        """The whole OCSPResponse."""
        front, middle = self._frame(len(data), len(signature))
        return b"".join((front, data, middle, signature, self._end))

    def _laid_out(self, data_len: int, signature_len: int) -> tuple[bytes, bytes]:
        """All before the data, and all between them and the signature: the same for the same lengths."""
        middle = self._signature_identifier + head(TAG_BIT_STRING, 1 + signature_len) + b"\0"
        count = data_len + len(middle) + signature_len + len(self._end)
        front = b""
        # From the inside out: BasicOCSPResponse, its OCTET STRING, ResponseBytes, [0], OCSPResponse.
        for tag, first in (
            (TAG_SEQUENCE, b""),
            (TAG_OCTET_STRING, b""),
            (TAG_SEQUENCE, _BASIC_RESPONSE),
            (CONTEXT_CONSTRUCTED, b""),
            (TAG_SEQUENCE, _SUCCESSFUL),
        ):
            inner = first + front
            front = head(tag, len(inner) + count) + inner
        return front, middle


class SecondLayout:
    """What all answers of the same second have in common: who answers, when, and until when it holds."""

    def __init__(self, responder: bytes, begin: datetime, until: datetime) -> None:
        produced_at = generalized_time(begin)
        self.begin = begin
        self.end = begin + timedelta(seconds=1)
        self._responder = responder + produced_at
        self._updates = produced_at + explicit(0, generalized_time(until))
        self._fronts: dict[tuple[int, int], bytes] = {}

    def data_of_one(self, certificate_id: bytes, status: bytes, nonce: bytes | None = None) -> bytes:
        """ResponseData about one certificate; all before its CertID is the same for the same lengths."""
        extensions = b"" if nonce is None else _extensions(nonce)
        lengths = (len(certificate_id) + len(status), len(extensions))
        front = self._fronts.get(lengths)
        if front is None:
            count = lengths[0] + len(self._updates)
            single = head(TAG_SEQUENCE, count)
            inner = self._responder + head(TAG_SEQUENCE, len(single) + count) + single
            front = self._fronts[lengths] = head(TAG_SEQUENCE, len(inner) + count + lengths[1]) + inner
        return b"".join((front, certificate_id, status, self._updates, extensions))

    def data(self, singles: Iterable[tuple[bytes, bytes]], nonce: bytes | None) -> bytes:
        """ResponseData about several certificates, as CertID and CertStatus."""
        responses = [sequence(certificate_id, status, self._updates) for certificate_id, status in singles]
        return sequence(self._responder, sequence(*responses), b"" if nonce is None else _extensions(nonce))


def _extensions(nonce: bytes) -> bytes:
    """[1] responseExtensions with the nonce."""
    return _before_nonce(len(nonce)) + nonce


@lru_cache(maxsize=NONCE_MAX_LEN)
def _before_nonce(nonce_len: int) -> bytes:
    return explicit(1, nonce_extensions(bytes(nonce_len)))[:-nonce_len]
