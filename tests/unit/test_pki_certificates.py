import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm
from pki.certificates import certified_key, load_certificate
from pki.errors import KeyUnsupported, Malformed, PkiError
from pki.keys import FileSigner, generate_key
from pki.requests import self_signed_certificate

SIGNER = FileSigner(generate_key(KeyAlgorithm.P_256))


@cache
def sound() -> bytes:
    return self_signed_certificate(SIGNER, "CN=Somchai,C=TH")


def of_key(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey) -> bytes:
    template = x509.load_der_x509_certificate(sound())
    builder = x509.CertificateBuilder(template.issuer, template.subject, key.public_key(), 1)
    builder = builder.not_valid_before(template.not_valid_before_utc).not_valid_after(template.not_valid_after_utc)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_certificate_is_read() -> None:
    assert load_certificate(sound()).subject.rfc4514_string() == "CN=Somchai,C=TH"
    assert certified_key(sound()) == SIGNER.public_key


@pytest.mark.parametrize(
    "weak",
    [
        lambda: rsa.generate_private_key(65537, 1024),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: dsa.generate_private_key(2048),
    ],
)
def test_certificates_of_unsupported_keys_have_no_key_for_us(
    weak: Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey],
) -> None:
    with pytest.raises(KeyUnsupported):
        certified_key(of_key(weak()))


def test_a_key_off_its_curve_is_told() -> None:
    point = SIGNER.public_key[-64:]
    assert sound().count(point) == 1
    with pytest.raises(Malformed):
        certified_key(sound().replace(point, point[:-1] + bytes((point[-1] ^ 1,))))


def test_the_key_of_an_odd_certificate_is_still_a_key() -> None:
    longer = sound().replace(b"\x13\x02TH", b"\x16\x02\xff\xff")
    assert certified_key(longer) == SIGNER.public_key
    with pytest.raises(Malformed):
        load_certificate(longer)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_certificate(data: bytes) -> None:
    with pytest.raises(Malformed):
        load_certificate(data)
    with pytest.raises(Malformed):
        certified_key(data)


@pytest.mark.parametrize("strict", [True, False], ids=["warnings are errors", "warnings are not heard"])
@given(st.data())
def test_a_damaged_certificate_is_read_or_refused(strict: bool, data: st.DataObject) -> None:
    damaged = bytearray(sound())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("error" if strict else "ignore")
        for read in (load_certificate, certified_key):
            with suppress(PkiError):  # and nothing else
                assert read(bytes(damaged))
