"""Reading certificates: DER in, `cryptography`'s types or our errors out."""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from .certificate_form import serial_number
from .errors import KeyUnsupported, Malformed
from .keys import public_key_info, supported_public_key

_NOT_DECODABLE: Final = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    Warning,  # of odd certificates, where the program has made warnings errors
)


def load_certificate(der: bytes) -> x509.Certificate:
    """Read an X.509 certificate whose names and extensions can be decoded; raise Malformed for any other."""
    certificate = _loaded(der)
    try:
        _ = certificate.subject, certificate.issuer, certificate.extensions  # these are decoded when asked for
    except _NOT_DECODABLE:
        raise Malformed("the certificate has names or extensions that can't be decoded") from None
    return certificate


def certified_key(der: bytes) -> bytes:
    """The public key that a certificate is about: SubjectPublicKeyInfo, DER; the rest of it may be odd.

    Raise Malformed, or KeyUnsupported as `keys.key_algorithm` does.
    """
    certificate = _loaded(der)
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        raise KeyUnsupported("the certificate's key is of a kind or on a curve that is not used here") from None
    except _NOT_DECODABLE:
        raise Malformed("the certificate's public key is damaged") from None
    return public_key_info(supported_public_key(key))


def _loaded(der: bytes) -> x509.Certificate:
    try:
        if serial_number(der) > 0:  # otherwise `cryptography` would write a warning to whoever looks, and go on
            return x509.load_der_x509_certificate(der)
    except (Malformed, *_NOT_DECODABLE):
        raise Malformed("these bytes are no X.509 certificate (DER) that can be used") from None
    raise Malformed("the certificate's serial number is not positive (RFC 5280, 4.1.2.2)")
