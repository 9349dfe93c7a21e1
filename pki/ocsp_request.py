"""Requests for the status of certificates, read strictly and with bounds (RFC 6960, 4.1)."""

from typing import Final, NamedTuple

from .der import CONTEXT_CONSTRUCTED, TAG_OCTET_STRING, TAG_OID, TAG_SEQUENCE, Reader, oid
from .errors import Malformed

REQUEST_MAX_LEN: Final = 16_384
CERTIFICATES_MAX: Final = 64
"""A request may ask about this many."""
SERIAL_NUMBER_MAX_BITS: Final = 159
"""Twenty bytes, and positive (RFC 5280, 4.1.2.2)."""
NONCE_MAX_LEN: Final = 32
"""And 1 at least (RFC 8954, 2.1)."""
NONCE: Final = oid("1.3.6.1.5.5.7.48.1.2")
"""The name of the extension, DER."""

_PLAIN_LEN = 8
_VERSION_1 = b"\x02\x01\x00"
_TAG_VERSION = _TAG_SINGLE_EXTENSIONS = _TAG_SIGNATURE = CONTEXT_CONSTRUCTED | 0
_TAG_REQUESTOR = CONTEXT_CONSTRUCTED | 1
_TAG_EXTENSIONS = CONTEXT_CONSTRUCTED | 2
_DECORATION = frozenset(map(oid, ("1.3.6.1.5.5.7.48.1.4", "1.3.6.1.5.5.7.48.1.7", "1.3.6.1.5.5.7.48.1.8")))
"""Extensions that change nothing here, even if critical: the response types and the signature algorithms that the
asker likes, and where it thinks the status is known (RFC 6960, 4.4.3, 4.4.6 and 4.4.7)."""


class AskedCertificate(NamedTuple):
    """One certificate that is asked about."""

    certificate_id: bytes
    """CertID, DER: the answer repeats it byte for byte."""
    issuer: bytes
    """All of its content but the serial number: a hash algorithm, and the digests of the issuer's name and key."""
    serial_number: int


class OcspRequest(NamedTuple):
    """What is asked; one certificate at least."""

    asked: tuple[AskedCertificate, ...]
    nonce: bytes | None


def parse_ocsp_request(der: bytes) -> OcspRequest:
    """Read an OCSPRequest. Raise Malformed for anything else, an odd nonce, or a critical extension nobody knows.

    Whoever signed the request does not matter here, for everybody gets the same answer.
    """
    if len(der) > REQUEST_MAX_LEN:
        raise Malformed(f"a request has at most {REQUEST_MAX_LEN} bytes")
    if _is_plain(der):
        return OcspRequest((_certificate(der[_PLAIN_LEN:]),), None)
    whole = Reader(der)
    request = whole.inside()
    whole.close()
    tbs = request.inside()
    if request.more:
        request.inside(_TAG_SIGNATURE).inside()
        request.close()
    if tbs.peek() == _TAG_VERSION and tbs.content(_TAG_VERSION) != _VERSION_1:
        raise Malformed("this is a request of a later version")
    if tbs.peek() == _TAG_REQUESTOR:
        tbs.content(_TAG_REQUESTOR)
    asked = _certificates(tbs.inside())
    nonce = None
    if tbs.more:
        nonce = _nonce_among(tbs.inside(_TAG_EXTENSIONS))
        tbs.close()
    return OcspRequest(asked, nonce)


def _is_plain(der: bytes) -> bool:
    """Whether it asks about one certificate and has nothing else: a CertID in four SEQUENCEs, all below 128 bytes.

    Nearly all requests do, and need not be taken apart layer by layer.
    """
    count = len(der)
    return _PLAIN_LEN + 2 <= count < 130 and der[: _PLAIN_LEN + 2] == bytes(
        (0x30, count - 2, 0x30, count - 4, 0x30, count - 6, 0x30, count - 8, 0x30, count - 10)
    )


def _certificates(requests: Reader) -> tuple[AskedCertificate, ...]:
    found: list[AskedCertificate] = []
    while requests.more:
        if len(found) == CERTIFICATES_MAX:
            raise Malformed(f"a request asks about at most {CERTIFICATES_MAX} certificates")
        request = requests.inside()
        found.append(_certificate(request.element(TAG_SEQUENCE)))
        if request.more:
            _nonce_among(request.inside(_TAG_SINGLE_EXTENSIONS))
            request.close()
    if not found:
        raise Malformed("the request asks about no certificate")
    return tuple(found)


def _certificate(der: bytes) -> AskedCertificate:
    parts = Reader(der).inside()
    issuer = parts.element(TAG_SEQUENCE) + parts.element(TAG_OCTET_STRING) + parts.element(TAG_OCTET_STRING)
    serial_number = parts.integer()
    parts.close()
    if serial_number.bit_length() > SERIAL_NUMBER_MAX_BITS:
        raise Malformed("a serial number has at most 20 bytes")
    return AskedCertificate(der, issuer, serial_number)


def _nonce_among(explicit: Reader) -> bytes | None:
    """The nonce, if it is among these extensions."""
    extensions = explicit.inside()
    explicit.close()
    nonce = None
    while extensions.more:
        extension = extensions.inside()
        name, critical, value = extension.element(TAG_OID), extension.flag(), extension.content(TAG_OCTET_STRING)
        extension.close()
        if name == NONCE:
            if nonce is not None:
                raise Malformed("the request has more than one nonce")
            nonce = _nonce(value)
        elif critical and name not in _DECORATION:
            raise Malformed("the request has a critical extension that is not known here")
    return nonce


def _nonce(value: bytes) -> bytes:
    reader = Reader(value)
    nonce = reader.content(TAG_OCTET_STRING)
    reader.close()
    if not 1 <= len(nonce) <= NONCE_MAX_LEN:
        raise Malformed(f"a nonce has 1 to {NONCE_MAX_LEN} bytes")
    return nonce
