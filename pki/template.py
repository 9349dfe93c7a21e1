"""What every certificate that is signed here has in common: its number, its times, its use, its checked signature."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .errors import RequestRejected
from .keys import key_algorithm, load_public_key, verify_signature
from .profiles import KeyUsage, Profile, possible_usages
from .signing_key import signing_key, usual_algorithm, usual_hash

Clock = Callable[[], datetime]

BACKDATING: Final = timedelta(minutes=10)
"""How long before its issue a certificate begins to be valid."""

_SERIAL_NUMBER_BITS = 128
_YEARS = range(1951, 9800)
"""What a certificate can say (RFC 5280, 4.1.2.5), with room for its validity."""


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def checked_moment(moment: datetime) -> datetime:
    """The moment in UTC and whole seconds; raise UsageError if it has no time zone or certificates can't say it."""
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise UsageError("the moment of issue needs a time zone, and a year that certificates can say")
    return moment.astimezone(UTC).replace(microsecond=0)


def random_serial_number() -> int:
    """A positive number of 128 random bits: nobody can guess the next one, and none comes twice."""
    while not (number := secrets.randbits(_SERIAL_NUMBER_BITS)):
        pass
    return number


def certificate_template(profile: Profile, public_key: bytes, path_length: int | None) -> x509.CertificateBuilder:
    """A certificate with the key, and what the profile says of its use.

    Raise RequestRejected for a kind of key that the profile does not certify, or what `load_public_key` raises.
    """
    key = load_public_key(public_key)
    algorithm = key_algorithm(key)
    if algorithm not in profile.keys:
        raise RequestRejected(f"the profile {profile.name} certifies no {algorithm} keys; take one that it does")
    usages = profile.key_usage & possible_usages(algorithm)
    bits = {str(usage): usage in usages for usage in KeyUsage}
    template = x509.CertificateBuilder().public_key(key)
    if profile.is_authority:
        template = template.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    template = template.add_extension(x509.KeyUsage(**bits, encipher_only=False, decipher_only=False), critical=True)
    if profile.extended_key_usage:
        purposes = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in profile.extended_key_usage])
        template = template.add_extension(purposes, critical=profile.extended_key_usage_critical)
    if profile.certificate_policies:
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in profile.certificate_policies]
        template = template.add_extension(x509.CertificatePolicies(policies), critical=False)
    if profile.ocsp_no_check:
        template = template.add_extension(x509.OCSPNoCheck(), critical=False)
    return template.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def signed_certificate(template: x509.CertificateBuilder, signer: Signer) -> bytes:
    """The finished certificate, DER. Raise SignatureInvalid if the signer's signature is wrong, or what it raises."""
    certificate = template.sign(signing_key(signer), usual_hash(signer))
    tbs, signature = certificate.tbs_certificate_bytes, certificate.signature
    # A faulty card or HSM must be found out here, not by whoever relies on the certificate.
    verify_signature(signer.public_key, tbs, signature, usual_algorithm(signer))
    return certificate.public_bytes(Encoding.DER)
