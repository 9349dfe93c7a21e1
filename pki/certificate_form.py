"""What RFC 5280 demands of the form of certificates and CRLs, where the libraries that read them let it pass."""

from typing import Final

from .der import (
    CONTEXT,
    CONTEXT_CONSTRUCTED,
    TAG_BIT_STRING,
    TAG_GENERALIZED_TIME,
    TAG_INTEGER,
    TAG_SEQUENCE,
    TAG_UTC_TIME,
    Reader,
)
from .errors import Malformed

SERIAL_NUMBER_MAX: Final = (1 << 159) - 1
"""Twenty bytes, and positive (RFC 5280, 4.1.2.2)."""

_VERSION_1 = 0
_VERSION_3 = 2
_CRL_VERSION_2 = 1
_TAGS_TIME = (TAG_UTC_TIME, TAG_GENERALIZED_TIME)
_TAG_VERSION = CONTEXT_CONSTRUCTED | 0
_TAG_UNIQUE_IDENTIFIERS = (CONTEXT | 1, CONTEXT | 2)
_TAG_EXTENSIONS = CONTEXT_CONSTRUCTED | 3


def check_certificate_form(certificate: bytes) -> None:
    """Raise Malformed for a certificate, DER, of a form that RFC 5280 does not have.

    That is: values not encoded as DER has it; two signature algorithms (4.1.1.2), a signature that does not end with a
    byte; a serial number that is not positive or too long (4.1.2.2), an empty issuer (4.1.2.4), a version that has not
    what follows (4.1.2.1, 4.1.2.8), an empty list of extensions (4.1). What is inside the names, the key and the
    extensions is for others to read.
    """
    tbs, algorithm = _opened(certificate)
    version = _VERSION_1
    if tbs.peek() == _TAG_VERSION:
        wrapped = tbs.inside(_TAG_VERSION)
        version = wrapped.integer()
        wrapped.close()
        _expect(_VERSION_1 < version <= _VERSION_3, "has a version that there is not")
    _expect(0 < tbs.integer() <= SERIAL_NUMBER_MAX, "has a serial number that is not positive, or over 20 bytes long")
    _expect(tbs.element(TAG_SEQUENCE) == algorithm, "names two signature algorithms")
    _expect(bool(tbs.content(TAG_SEQUENCE)), "names no issuer")
    for _ in ("validity", "subject", "subjectPublicKeyInfo"):
        tbs.element(TAG_SEQUENCE)
    for tag in _TAG_UNIQUE_IDENTIFIERS:
        if tbs.peek() == tag:
            tbs.content(tag)
            _expect(version > _VERSION_1, "has what its version has not")
    if tbs.peek() == _TAG_EXTENSIONS:
        wrapped = tbs.inside(_TAG_EXTENSIONS)
        _expect(bool(wrapped.content(TAG_SEQUENCE)), "has an empty list of extensions")
        wrapped.close()
        _expect(version == _VERSION_3, "has extensions, which its version has not")
    tbs.close()


def check_crl_form(crl: bytes) -> None:
    """Raise Malformed for a CRL, DER, of a form that RFC 5280 does not have; its entries are not looked at.

    That is: values not encoded as DER has it; two signature algorithms (5.1.1.2), a signature that does not end with a
    byte; another version than 2 where there is one or where there are extensions (5.1.2.1), an empty list of these.
    """
    tbs, algorithm = _opened(crl)
    is_version_2 = tbs.peek() == TAG_INTEGER
    _expect(not is_version_2 or tbs.integer() == _CRL_VERSION_2, "has a version that there is not")
    _expect(tbs.element(TAG_SEQUENCE) == algorithm, "names two signature algorithms")
    _expect(bool(tbs.content(TAG_SEQUENCE)), "names no issuer")
    while tbs.peek() in _TAGS_TIME:
        tbs.content(tbs.peek())
    if tbs.peek() == TAG_SEQUENCE:
        tbs.inside()  # the entries, of which there may be millions
    if tbs.peek() == CONTEXT_CONSTRUCTED:
        wrapped = tbs.inside(CONTEXT_CONSTRUCTED)
        _expect(bool(wrapped.content(TAG_SEQUENCE)), "has an empty list of extensions")
        wrapped.close()
        _expect(is_version_2, "has extensions, which its version has not")
    tbs.close()


def serial_number(certificate: bytes) -> int:
    """The serial number of a certificate, DER, as it is written; raise Malformed where none can be found."""
    tbs = Reader(certificate).inside().inside()
    if tbs.peek() == _TAG_VERSION:
        tbs.content(_TAG_VERSION)
    return tbs.integer()


def _opened(signed: bytes) -> tuple[Reader, bytes]:
    """A reader of the signed half, and the signature algorithm as it is named outside of that."""
    whole = Reader(signed)
    parts = whole.inside()
    whole.close()
    tbs, algorithm = parts.inside(), parts.element(TAG_SEQUENCE)
    check_signature_bits(parts.content(TAG_BIT_STRING))
    parts.close()
    return tbs, algorithm


def check_signature_bits(content: bytes) -> None:
    """Raise Malformed for a BIT STRING, given without tag and length, that is no signature: whole bytes, some at least.

    Bits that don't count can be changed without breaking the signature.
    """
    _expect(len(content) > 1 and content[0] == 0, "has a signature that is empty, or ends within a byte")


def _expect(right: bool, otherwise: str) -> None:
    if not right:
        raise Malformed(f"the certificate or CRL {otherwise}")
