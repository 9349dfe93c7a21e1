"""Requests for the status of certificates, read strictly and with bounds (RFC 6960, 4.1)."""

from collections.abc import Container
from typing import Final, NamedTuple

from .der import (
    CONTEXT_CONSTRUCTED,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Reader,
    explicit,
    octet_string,
    oid,
    sequence,
)
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

_SHAPES_MAX = 64
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


class _Shape(NamedTuple):
    """All of a request but the serial number and the nonce: where these two are, and what is before each."""

    front: bytes
    id_at: int
    serial_at: int
    serial_end: int
    middle: bytes
    nonce_at: int
    issuer: bytes

    def read(self, der: bytes) -> OcspRequest | None:
        """A request of the same length as the one before; None if it is of another shape, or to be looked at closer."""
        if der[: self.serial_at] != self.front or der[self.serial_end : self.nonce_at] != self.middle:
            return None
        serial = der[self.serial_at : self.serial_end]
        if not (0 < serial[0] < 0x80 or (serial[0] == 0 and len(serial) > 1 and serial[1] >= 0x80)):
            return None  # not positive, or longer than it needs to be
        asked = AskedCertificate(der[self.id_at : self.serial_end], self.issuer, int.from_bytes(serial, "big"))
        return OcspRequest((asked,), der[self.nonce_at :] or None)


class RequestReader:
    """Reads requests as `parse_ocsp_request` does, and quicker those that are like one before.

    Nearly all requests ask about one certificate and differ from others only in its number and the nonce, so that
    nothing is learned from taking each of them apart. Shapes are kept of those about certificates of `issuers`.
    """

    def __init__(self, issuers: Container[bytes]) -> None:
        self._issuers = issuers
        self._shapes: dict[int, list[_Shape]] = {}
        """By the length of the request."""
        self._count = 0

    def read(self, der: bytes) -> OcspRequest:
        """Read an OCSPRequest; raise Malformed as `parse_ocsp_request`."""
        for shape in self._shapes.get(len(der), ()):
            if (found := shape.read(der)) is not None:
                return found
        request = parse_ocsp_request(der)
        if self._count < _SHAPES_MAX:
            self._remember(der, request)
        return request

    def _remember(self, der: bytes, request: OcspRequest) -> None:
        """Know requests of this shape from now on, if it is the usual one."""
        (asked, *others), nonce = request
        if others or asked.serial_number <= 0 or asked.issuer not in self._issuers:
            return
        before_nonce = b"" if nonce is None else _nonce_extension(nonce)[: -len(nonce)]
        request_of_one = sequence(sequence(asked.certificate_id))
        if der != sequence(sequence(request_of_one, before_nonce, nonce or b"")):
            return  # it has something besides
        nonce_at = len(der) - len(nonce or b"")
        serial_end = nonce_at - len(before_nonce)
        serial_at = serial_end - (asked.serial_number.bit_length() // 8 + 1)
        id_at = serial_end - len(asked.certificate_id)
        middle = der[serial_end:nonce_at]
        shape = _Shape(der[:serial_at], id_at, serial_at, serial_end, middle, nonce_at, asked.issuer)
        known = self._shapes.setdefault(len(der), [])
        if shape not in known:
            known.append(shape)
            self._count += 1


def _nonce_extension(nonce: bytes) -> bytes:
    """The extensions of a request that has only this one."""
    return explicit(2, nonce_extensions(nonce))


def nonce_extensions(nonce: bytes) -> bytes:
    """Extensions, DER, of which the nonce is the only one: for requests and answers."""
    return sequence(sequence(NONCE, octet_string(octet_string(nonce))))


def parse_ocsp_request(der: bytes) -> OcspRequest:
    """Read an OCSPRequest. Raise Malformed for anything else, an odd nonce, or a critical extension nobody knows.

    Whoever signed the request does not matter here, for everybody gets the same answer.
    """
    if len(der) > REQUEST_MAX_LEN:
        raise Malformed(f"a request has at most {REQUEST_MAX_LEN} bytes")
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
