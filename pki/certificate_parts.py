"""Parts of a certificate byte for byte as they stand in it, where a digest or a copy of them is needed."""

from dataclasses import dataclass

from .certificates import load_certificate
from .der import CONTEXT_CONSTRUCTED, TAG_BIT_STRING, TAG_SEQUENCE, Reader


@dataclass(frozen=True, slots=True)
class CertificateParts:
    """Values of a certificate's signed half (RFC 5280, 4.1), each whole in DER but the key."""

    serial_number: int
    issuer: bytes
    subject: bytes
    key: bytes
    """The public key itself: the content of its BIT STRING, as OCSP takes the digest of it (RFC 6960, 4.1.1)."""


def certificate_parts(certificate: bytes) -> CertificateParts:
    """Take a certificate (DER) apart; raise Malformed for what is none."""
    tbs = Reader(load_certificate(certificate).tbs_certificate_bytes).inside()
    if tbs.peek() == CONTEXT_CONSTRUCTED:  # [0] version
        tbs.element(CONTEXT_CONSTRUCTED)
    serial_number = tbs.integer()
    tbs.element(TAG_SEQUENCE)  # signature algorithm
    issuer = tbs.element(TAG_SEQUENCE)
    tbs.element(TAG_SEQUENCE)  # validity
    subject = tbs.element(TAG_SEQUENCE)
    info = tbs.inside()
    info.element(TAG_SEQUENCE)  # algorithm
    return CertificateParts(serial_number, issuer, subject, info.content(TAG_BIT_STRING)[1:])
