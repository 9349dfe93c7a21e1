"""The certificate that says "this key was made on this card", signed by the card. Needs `cryptography`; import it late.

Subject, dates, serial number and the extensions are as on YubiKeys, whose checking tools read them
(docs.yubico.com, "PIV Attestation OID Arc").
"""

from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ecitizen.emulator.applet import Refusal
from ecitizen.errors import DecodeError
from ecitizen.iso7816.status import StatusWord

from . import layout
from .layout import PinPolicy, Slot, TouchPolicy
from .objects import CertificateObject

SERIAL_LEN: Final = 16
"""Random bytes of a certificate's serial number."""

OID_VERSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.41482.3.3")
"""The level of extensions: three bytes."""
OID_SERIAL: Final = x509.ObjectIdentifier("1.3.6.1.4.1.41482.3.7")
"""The card's number: a DER INTEGER."""
OID_POLICIES: Final = x509.ObjectIdentifier("1.3.6.1.4.1.41482.3.8")
"""PIN policy and touch policy: one byte each."""

_SERIAL_POSITIVE: Final = 0x7F
_DER_INTEGER: Final = 0x02


def certificate(
    slot: Slot,
    public_key: Any,
    *,
    pin_policy: PinPolicy,
    card_serial: int,
    issuer_object: bytes,
    issuer_key: Any,
    certificate_serial: bytes,
) -> bytes:
    """The certificate, DER; its dates are those of the attestation key's own.

    Refuse with 6A88 if the object in the card has no certificate of that key, or the key can't sign.
    """
    try:
        issuer = x509.load_der_x509_certificate(CertificateObject.parse(issuer_object).certificate)
        fitting = issuer.public_key() == issuer_key.public_key() and not isinstance(issuer_key, x25519.X25519PrivateKey)
    except (DecodeError, ValueError):
        fitting = False
    if not fitting:
        raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
    number = int.from_bytes(bytes((certificate_serial[0] & _SERIAL_POSITIVE, *certificate_serial[1:]))) or 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"PIV attestation {slot}")]))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(number)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
    )
    for oid, value in (
        (OID_VERSION, bytes(layout.EXTENSION_VERSION)),
        (OID_SERIAL, _der_integer(card_serial)),
        (OID_POLICIES, bytes((pin_policy, TouchPolicy.NEVER))),
    ):
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    digest = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, digest).public_bytes(Encoding.DER)


def _der_integer(number: int) -> bytes:
    value = number.to_bytes(number.bit_length() // 8 + 1)
    return bytes((_DER_INTEGER, len(value))) + value
