import copy
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from pki.keys import FileSigner, generate_key, public_key_info
from pki.signing_key import SigningKey, signing_key

KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519]


@cache
def key(kind: KeyAlgorithm) -> SigningKey:
    return signing_key(FileSigner(generate_key(kind)))


def rsa_key() -> rsa.RSAPrivateKey:
    found = key(KeyAlgorithm.RSA_2048)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


def ec_key() -> ec.EllipticCurvePrivateKey:
    found = key(KeyAlgorithm.P_256)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "demand",
    [
        copy.copy,
        copy.deepcopy,
        lambda key: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    ],
)
def test_the_key_is_not_to_be_had(kind: KeyAlgorithm, demand: Callable[[SigningKey], object]) -> None:
    with pytest.raises(UsageError, match="only signs"):
        demand(key(kind))


def test_the_key_does_nothing_but_sign() -> None:
    with pytest.raises(UsageError, match="only signs"):
        rsa_key().private_numbers()
    with pytest.raises(UsageError, match="only signs"):
        rsa_key().decrypt(bytes(256), padding.PKCS1v15())
    with pytest.raises(UsageError, match="only signs"):
        ec_key().private_numbers()
    with pytest.raises(UsageError, match="only signs"):
        ec_key().exchange(ec.ECDH(), ec_key().public_key())


def test_the_public_half_is_the_signers() -> None:
    for kind in KINDS:
        signer = FileSigner(generate_key(kind))
        assert public_key_info(signing_key(signer).public_key()) == signer.public_key
    assert rsa_key().key_size == 2048
    assert ec_key().key_size == 256
    assert ec_key().curve.name == "secp256r1"


def test_signatures_are_good() -> None:
    rsa_key().public_key().verify(
        rsa_key().sign(b"message", padding.PKCS1v15(), SHA256()), b"message", padding.PKCS1v15(), SHA256()
    )
    ec_key().public_key().verify(ec_key().sign(b"message", ec.ECDSA(SHA256())), b"message", ec.ECDSA(SHA256()))


def test_only_whole_messages_with_strong_hashes_are_signed() -> None:
    for hashed in (SHA1(), Prehashed(SHA256())):
        with pytest.raises(UsageError, match="over the message"):
            ec_key().sign(bytes(32), ec.ECDSA(hashed))
    for algorithm in (SHA1(), Prehashed(SHA256()), NoDigestInfo()):
        with pytest.raises(UsageError, match="over the message"):
            rsa_key().sign(bytes(32), padding.PKCS1v15(), algorithm)
    with pytest.raises(UsageError, match=r"PKCS#1 v1.5"):
        rsa_key().sign(b"message", padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
