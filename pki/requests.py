"""Certification requests (PKCS#10, RFC 2986) and self-signed certificates, for keys on cards and in files.

Subjects are written as in RFC 4514, the particular before the general: `CN=Somchai Jaidee,O=Example,C=TH`.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .errors import KeyUnsupported, Malformed, SignatureInvalid
from .keys import HASH_PRIMITIVES, load_public_key, public_key_info, supported_public_key, verify_signature
from .signing_key import signing_key, usual_algorithm, usual_hash
from .template import BACKDATING, checked_moment, random_serial_number, signed_certificate, utc_now

SELF_SIGNED_VALIDITY: Final = timedelta(days=365)

_STRONG_HASHES = frozenset(primitive.name for primitive in HASH_PRIMITIVES.values())


def certification_request(signer: Signer, subject: str) -> bytes:
    """A request, DER, that a certificate be issued for the signer's key; the signature proves that it is at hand.

    Raise UsageError for a subject that is none or a key that can't sign, and whatever the signer raises.
    """
    template = x509.CertificateSigningRequestBuilder().subject_name(_parsed(subject))
    request = template.sign(signing_key(signer), usual_hash(signer))
    # A faulty card must be found out here, not by the authority.
    verify_signature(signer.public_key, request.tbs_certrequest_bytes, request.signature, usual_algorithm(signer))
    return request.public_bytes(Encoding.DER)


def request_public_key(csr: bytes) -> bytes:
    """The public key (SubjectPublicKeyInfo, DER) of a request whose signature proves that the sender has the key.

    Raise Malformed, KeyUnsupported as `keys.key_algorithm` does, or SignatureInvalid, for a hash like SHA-1 too.
    """
    try:
        request = x509.load_der_x509_csr(csr)
        key = supported_public_key(request.public_key())
        hashed = request.signature_hash_algorithm
        proven = (hashed is None or hashed.name in _STRONG_HASHES) and request.is_signature_valid
    except UnsupportedAlgorithm:
        raise KeyUnsupported("the request has a key or a signature of a kind that is not used here") from None
    except (ValueError, TypeError, x509.InvalidVersion):
        raise Malformed("these bytes are no certification request (PKCS#10, DER) that can be used") from None
    if not proven:
        raise SignatureInvalid("the request is not signed by the key that it names; ask its sender for a new one")
    return public_key_info(key)


def self_signed_certificate(
    signer: Signer,
    subject: str,
    *,
    validity: timedelta = SELF_SIGNED_VALIDITY,
    moment: datetime | None = None,
) -> bytes:
    """A certificate, DER, by which a key names itself: for software that wants one before any authority has issued.

    It is no authority's. Raise UsageError as `certification_request` does, and for a validity of no time at all.
    """
    start = checked_moment(moment or utc_now())
    if not timedelta(0) < validity <= timedelta(days=36_525):
        raise UsageError("a certificate is valid for some time, and for a hundred years at most")
    name = _parsed(subject)
    key = load_public_key(signer.public_key)
    template = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    template = template.serial_number(random_serial_number())
    template = template.not_valid_before(start - BACKDATING).not_valid_after(start + validity)
    template = template.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    template = template.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return signed_certificate(template, signer)


def _parsed(subject: str) -> x509.Name:
    try:
        name = x509.Name.from_rfc4514_string(subject)
    except (ValueError, TypeError):
        raise UsageError("the subject is not a name like CN=Somchai Jaidee,O=Example,C=TH") from None
    if not list(name):
        raise UsageError("the subject is empty; write a name like CN=Somchai Jaidee,O=Example,C=TH")
    return name
