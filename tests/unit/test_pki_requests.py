from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from pki.certificates import certified_key
from pki.errors import KeyUnsupported, Malformed, PkiError, SignatureInvalid
from pki.keys import FileSigner, generate_key
from pki.requests import SELF_SIGNED_VALIDITY, certification_request, request_public_key, self_signed_certificate
from pki.template import BACKDATING

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
SUBJECT = "CN=Somchai Jaidee,O=Example,C=TH"
SIGNING_KINDS = pytest.mark.parametrize(
    "kind", [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519]
)


@cache
def signer(kind: KeyAlgorithm) -> FileSigner:
    return FileSigner(generate_key(kind))


@cache
def sound_request() -> bytes:
    return certification_request(signer(KeyAlgorithm.P_256), SUBJECT)


def foreign_request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, hashed: hashes.SHA256 | hashes.SHA224
) -> bytes:
    template = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(SUBJECT))
    return template.sign(key, hashed).public_bytes(Encoding.DER)


@SIGNING_KINDS
def test_a_request_proves_its_key(kind: KeyAlgorithm) -> None:
    csr = certification_request(signer(kind), SUBJECT)
    assert request_public_key(csr) == signer(kind).public_key
    assert x509.load_der_x509_csr(csr).subject.rfc4514_string() == SUBJECT


def test_thai_subjects_are_written() -> None:
    csr = certification_request(signer(KeyAlgorithm.P_256), "CN=สมชาย ใจดี,C=TH")
    assert "สมชาย ใจดี".encode() in csr


@pytest.mark.parametrize(
    "subject", ["", "Somchai", "CN=", "C=Thailand", "XX=1", f"CN={'x' * 65}", "CN=a,,C=TH", "CN=\ud800"]
)
def test_a_subject_that_is_none_is_refused(subject: str) -> None:
    with pytest.raises(UsageError, match="subject"):
        certification_request(signer(KeyAlgorithm.P_256), subject)
    with pytest.raises(UsageError, match="subject"):
        self_signed_certificate(signer(KeyAlgorithm.P_256), subject)


@given(st.text())
def test_any_text_is_a_subject_or_refused(subject: str) -> None:
    try:
        csr = certification_request(signer(KeyAlgorithm.P_256), subject)
    except UsageError:
        return
    assert request_public_key(csr) == signer(KeyAlgorithm.P_256).public_key


def test_a_request_that_was_changed_proves_nothing() -> None:
    changed = sound_request().replace(b"Somchai", b"Somsong")
    with pytest.raises(SignatureInvalid):
        request_public_key(changed)


def test_requests_for_weak_keys_or_with_weak_hashes_are_refused() -> None:
    with pytest.raises(KeyUnsupported):
        request_public_key(foreign_request(rsa.generate_private_key(65537, 1024), hashes.SHA256()))
    with pytest.raises(KeyUnsupported):
        request_public_key(foreign_request(ec.generate_private_key(ec.SECP521R1()), hashes.SHA256()))
    with pytest.raises(SignatureInvalid):
        request_public_key(foreign_request(ec.generate_private_key(ec.SECP256R1()), hashes.SHA224()))


@given(st.binary(max_size=100))
def test_random_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(Malformed):
        request_public_key(data)


@given(st.data())
def test_a_damaged_request_is_refused(data: st.DataObject) -> None:
    damaged = bytearray(sound_request())
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PkiError):
        request_public_key(bytes(damaged))


@SIGNING_KINDS
def test_a_key_can_name_itself(kind: KeyAlgorithm) -> None:
    der = self_signed_certificate(signer(kind), SUBJECT, moment=NOW)
    certificate = x509.load_der_x509_certificate(der)
    assert certified_key(der) == signer(kind).public_key
    assert certificate.subject == certificate.issuer
    assert certificate.not_valid_before_utc == NOW - BACKDATING
    assert certificate.not_valid_after_utc == NOW + SELF_SIGNED_VALIDITY
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("validity", [timedelta(0), timedelta(days=-1), timedelta(days=400_000)])
def test_a_certificate_is_valid_for_some_time(validity: timedelta) -> None:
    with pytest.raises(UsageError, match="valid for"):
        self_signed_certificate(signer(KeyAlgorithm.P_256), SUBJECT, validity=validity)
