import hashlib
import os
import stat
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import FileFailed, UsageError
from ecitizen.ports import Signer
from ecitizen.secret import KeyBytes
from pki.errors import KeyUnsupported, Malformed, PassphraseWrong, PkiError, SignatureInvalid
from pki.keys import (
    FileSigner,
    PrivateKey,
    digest,
    generate_key,
    key_algorithm,
    load_private_key,
    load_public_key,
    private_key_info,
    public_key_info,
    save_private_key,
    signature_algorithms,
    supported_public_key,
    verify_signature,
)

PASSPHRASE = KeyBytes(b"correct horse battery staple")
EVERY_KIND = pytest.mark.parametrize("kind", list(KeyAlgorithm))
SIGNING_KINDS = [kind for kind in KeyAlgorithm if kind is not KeyAlgorithm.X25519]
EVERY_SIGNATURE = pytest.mark.parametrize(
    ("kind", "algorithm"), [(kind, algorithm) for kind in SIGNING_KINDS for algorithm in signature_algorithms(kind)]
)


@cache
def key(kind: KeyAlgorithm) -> PrivateKey:
    return generate_key(kind)


def der(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def unsupported_keys() -> list[object]:
    return [
        rsa.generate_private_key(65537, 1024),
        rsa.generate_private_key(65537, 2056),
        rsa.generate_private_key(3, 2048),
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        dsa.generate_private_key(2048),
        ed448.Ed448PrivateKey.generate(),
        b"not a key",
    ]


# Kinds


@EVERY_KIND
def test_a_generated_key_is_of_the_kind_that_was_asked_for(kind: KeyAlgorithm) -> None:
    assert key_algorithm(key(kind)) is kind
    assert key_algorithm(key(kind).public_key()) is kind


def test_weak_and_foreign_kinds_are_refused() -> None:
    for unsupported in unsupported_keys():
        with pytest.raises(KeyUnsupported) as refused:
            key_algorithm(unsupported)
        assert isinstance(refused.value, UsageError)


@pytest.mark.parametrize("exponent", ["010000", "00FFFF", "000011", "000003", "000001", "000000"])
def test_unsafe_rsa_exponents_are_refused(exponent: str) -> None:
    info = public_key_info(key(KeyAlgorithm.RSA_2048))
    assert info.endswith(bytes.fromhex("0203010001"))
    with pytest.raises(PkiError):
        load_public_key(info[:-3] + bytes.fromhex(exponent))


@pytest.mark.parametrize("exponent", [3, 65535, 2**256 + 1])
def test_unsafe_rsa_exponents_are_named_as_the_reason(exponent: int) -> None:
    private = key(KeyAlgorithm.RSA_2048)
    assert isinstance(private, rsa.RSAPrivateKey)
    public = rsa.RSAPublicNumbers(exponent, private.public_key().public_numbers().n).public_key()
    with pytest.raises(KeyUnsupported, match="exponent"):
        key_algorithm(public)


def test_a_larger_odd_exponent_is_accepted() -> None:
    private = key(KeyAlgorithm.RSA_2048)
    assert isinstance(private, rsa.RSAPrivateKey)
    public = rsa.RSAPublicNumbers(65539, private.public_key().public_numbers().n).public_key()
    assert key_algorithm(public) is KeyAlgorithm.RSA_2048


# Public keys


@EVERY_KIND
def test_a_public_key_comes_back_from_its_info(kind: KeyAlgorithm) -> None:
    info = public_key_info(key(kind))
    assert public_key_info(load_public_key(info)) == info
    assert public_key_info(key(kind).public_key()) == info


def test_public_keys_of_unsupported_kinds_are_refused() -> None:
    for private in unsupported_keys()[:-1]:
        info = private.public_key().public_bytes(  # type: ignore[attr-defined]
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(KeyUnsupported):
            load_public_key(info)


def test_a_public_key_of_an_unknown_kind_is_refused() -> None:
    info = public_key_info(key(KeyAlgorithm.ED25519))
    with pytest.raises(KeyUnsupported):
        load_public_key(info.replace(bytes.fromhex("06032B6570"), bytes.fromhex("06032B6567")))


def test_a_private_key_is_no_public_one() -> None:
    with pytest.raises(KeyUnsupported, match="private"):
        supported_public_key(key(KeyAlgorithm.P_256))


def test_a_point_off_the_curve_is_no_key() -> None:
    info = bytearray(public_key_info(key(KeyAlgorithm.P_256)))
    info[-1] ^= 1
    with pytest.raises(Malformed):
        load_public_key(bytes(info))


def test_bytes_after_a_public_key_are_refused() -> None:
    with pytest.raises(Malformed):
        load_public_key(public_key_info(key(KeyAlgorithm.P_256)) + b"\x00")


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x30\x80")
def test_random_bytes_are_no_public_key(data: bytes) -> None:
    with pytest.raises(PkiError):
        load_public_key(data)


@given(st.sampled_from(list(KeyAlgorithm)), st.data())
def test_a_damaged_public_key_is_refused_or_another_key(kind: KeyAlgorithm, data: st.DataObject) -> None:
    damaged = data.draw(damage(public_key_info(key(kind))))
    try:
        loaded = load_public_key(damaged)
    except PkiError:
        return
    assert key_algorithm(loaded) in KeyAlgorithm


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with some bytes changed, cut off or added."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(damaged) - 1, 0)))
        piece = draw(st.binary(max_size=3))
        damaged[at : at + draw(st.integers(0, 3))] = piece
    return bytes(damaged)


# Private keys


@EVERY_KIND
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
@pytest.mark.parametrize("encryption", [NoEncryption(), BestAvailableEncryption(PASSPHRASE.reveal())])
def test_pkcs8_is_read(
    kind: KeyAlgorithm, encoding: Encoding, encryption: NoEncryption | BestAvailableEncryption
) -> None:
    saved = key(kind).private_bytes(encoding, PrivateFormat.PKCS8, encryption)
    assert public_key_info(load_private_key(saved, PASSPHRASE)) == public_key_info(key(kind))


@pytest.mark.parametrize("kind", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384])
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_pkcs1_and_sec1_are_read(kind: KeyAlgorithm, encoding: Encoding) -> None:
    saved = key(kind).private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert public_key_info(load_private_key(saved)) == public_key_info(key(kind))


def test_text_before_a_pem_key_does_no_harm() -> None:
    saved = key(KeyAlgorithm.P_256).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    loaded = load_private_key(b"Bag Attributes\n    friendlyName: mine\n" + saved)
    assert public_key_info(loaded) == public_key_info(key(KeyAlgorithm.P_256))


@EVERY_KIND
def test_a_private_key_info_comes_back_and_shows_nothing(kind: KeyAlgorithm) -> None:
    info = private_key_info(key(kind))
    assert repr(info) == "KeyBytes(…)"
    assert private_key_info(load_private_key(info.reveal())) == info


@pytest.mark.parametrize("passphrase", [None, KeyBytes(b""), KeyBytes(b"wrong")])
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_key_stays_closed_to_a_wrong_passphrase(passphrase: KeyBytes | None, encoding: Encoding) -> None:
    encryption = BestAvailableEncryption(PASSPHRASE.reveal())
    saved = key(KeyAlgorithm.P_256).private_bytes(encoding, PrivateFormat.PKCS8, encryption)
    with pytest.raises(PassphraseWrong) as refused:
        load_private_key(saved, passphrase)
    assert refused.value.__cause__ is None
    assert "wrong" not in str(refused.value)


def test_private_keys_of_unsupported_kinds_are_refused() -> None:
    for private in unsupported_keys()[:-1]:
        saved = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
        with pytest.raises(PkiError) as refused:
            load_private_key(saved)
        assert isinstance(refused.value, KeyUnsupported | Malformed)


def test_the_halves_of_a_curve_key_must_belong_together() -> None:
    ours, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    points = [
        private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for private in (ours, other)
    ]
    assert points[0] in der(ours)
    with pytest.raises(Malformed):
        load_private_key(der(ours).replace(points[0], points[1]))


@pytest.mark.parametrize(
    "part",
    [
        lambda numbers: numbers.public_numbers.n,
        lambda numbers: numbers.d,
        lambda numbers: numbers.p,
        lambda numbers: numbers.q,
        lambda numbers: numbers.dmp1,
        lambda numbers: numbers.dmq1,
        lambda numbers: numbers.iqmp,
    ],
)
def test_the_parts_of_an_rsa_key_must_fit_together(part: Callable[[rsa.RSAPrivateNumbers], int]) -> None:
    private = key(KeyAlgorithm.RSA_2048)
    assert isinstance(private, rsa.RSAPrivateKey)
    number = part(private.private_numbers())
    right = number.to_bytes((number.bit_length() + 7) // 8, "big")
    wrong = right[:-2] + bytes((right[-2] ^ 4,)) + right[-1:]
    assert der(private).count(right) == 1
    with pytest.raises(Malformed):
        load_private_key(der(private).replace(right, wrong))


@given(st.binary(max_size=200), st.sampled_from([None, PASSPHRASE]))
@example(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None)
@example(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", PASSPHRASE)
@example(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None)
def test_random_bytes_are_no_private_key(data: bytes, passphrase: KeyBytes | None) -> None:
    with pytest.raises(PkiError) as refused:
        load_private_key(data, passphrase)
    assert refused.value.__suppress_context__


@given(st.sampled_from([KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519]), st.data())
def test_a_damaged_private_key_is_refused_or_another_key(kind: KeyAlgorithm, data: st.DataObject) -> None:
    damaged = data.draw(damage(private_key_info(key(kind)).reveal()))
    try:
        loaded = load_private_key(damaged)
    except PkiError:
        return
    assert key_algorithm(loaded) in KeyAlgorithm


# Files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


def test_a_saved_key_comes_back(path: Path) -> None:
    save_private_key(path, key(KeyAlgorithm.P_384), PASSPHRASE)
    loaded = load_private_key(path.read_bytes(), PASSPHRASE)
    assert private_key_info(loaded) == private_key_info(key(KeyAlgorithm.P_384))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_saved_key_can_be_had_with_its_passphrase_only(path: Path) -> None:
    save_private_key(path, key(KeyAlgorithm.P_256), PASSPHRASE)
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(PassphraseWrong):
        load_private_key(path.read_bytes(), KeyBytes(b"guess"))


def test_the_same_key_is_never_saved_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_private_key(tmp_path / name, key(KeyAlgorithm.P_256), PASSPHRASE)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_key_is_not_saved_without_a_passphrase(path: Path) -> None:
    with pytest.raises(UsageError, match="passphrase"):
        save_private_key(path, key(KeyAlgorithm.P_256), KeyBytes(b""))
    assert not path.exists()


def test_a_file_is_never_overwritten(path: Path) -> None:
    path.write_bytes(b"somebody's key")
    with pytest.raises(FileFailed, match="exists"):
        save_private_key(path, key(KeyAlgorithm.P_256), PASSPHRASE)
    assert path.read_bytes() == b"somebody's key"


@pytest.mark.parametrize("name", ["no/such/folder/key.pem", "a\0b"])
def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileFailed, match="can't write the key"):
        save_private_key(tmp_path / name, key(KeyAlgorithm.P_256), PASSPHRASE)


def test_half_a_key_is_not_left_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileFailed, match="No space left"):
        save_private_key(path, key(KeyAlgorithm.P_256), PASSPHRASE)
    assert not path.exists()


# Signatures


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
def test_digests_are_of_the_hash_that_was_named(algorithm: HashAlgorithm) -> None:
    expected = {
        HashAlgorithm.SHA_256: hashlib.sha256,
        HashAlgorithm.SHA_384: hashlib.sha384,
        HashAlgorithm.SHA_512: hashlib.sha512,
    }[algorithm](b"abc").digest()
    assert digest(b"abc", algorithm) == expected
    assert len(expected) == algorithm.digest_len


def test_each_kind_of_key_has_its_usual_signature_first() -> None:
    first = {kind: signature_algorithms(kind)[0] for kind in SIGNING_KINDS}
    rsa_usual = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_512)
    assert first == {
        KeyAlgorithm.RSA_2048: rsa_usual,
        KeyAlgorithm.RSA_3072: rsa_usual,
        KeyAlgorithm.RSA_4096: rsa_usual,
        KeyAlgorithm.P_256: SignatureAlgorithm(SignatureScheme.ECDSA, HashAlgorithm.SHA_256),
        KeyAlgorithm.P_384: SignatureAlgorithm(SignatureScheme.ECDSA, HashAlgorithm.SHA_384),
        KeyAlgorithm.ED25519: SignatureAlgorithm(SignatureScheme.EDDSA, None),
    }
    assert signature_algorithms(KeyAlgorithm.X25519) == ()


@EVERY_SIGNATURE
def test_a_signature_is_good_for_its_message_and_key_alone(kind: KeyAlgorithm, algorithm: SignatureAlgorithm) -> None:
    signer = FileSigner(key(kind))
    signature = signer.sign(b"message", algorithm)
    verify_signature(signer.public_key, b"message", signature, algorithm)
    with pytest.raises(SignatureInvalid):
        verify_signature(signer.public_key, b"massage", signature, algorithm)
    with pytest.raises(SignatureInvalid):
        verify_signature(signer.public_key, b"message", signature[:-1] + bytes((signature[-1] ^ 1,)), algorithm)
    other = FileSigner(generate_key(KeyAlgorithm.RSA_2048 if kind.is_rsa else kind))
    with pytest.raises(SignatureInvalid):
        verify_signature(other.public_key, b"message", signature, algorithm)


@EVERY_SIGNATURE
def test_a_digest_is_signed_as_its_message_is(kind: KeyAlgorithm, algorithm: SignatureAlgorithm) -> None:
    signer = FileSigner(key(kind))
    if algorithm.hash is None:
        with pytest.raises(UsageError, match="whole messages"):
            signer.sign_digest(bytes(32), algorithm)
        return
    signature = signer.sign_digest(digest(b"message", algorithm.hash), algorithm)
    verify_signature(signer.public_key, b"message", signature, algorithm)
    with pytest.raises(UsageError, match="bytes"):
        signer.sign_digest(bytes(20), algorithm)


@EVERY_SIGNATURE
def test_a_signature_of_another_algorithm_is_not_taken(kind: KeyAlgorithm, algorithm: SignatureAlgorithm) -> None:
    signer = FileSigner(key(kind))
    signature = signer.sign(b"message", algorithm)
    for other in signature_algorithms(kind):
        if other != algorithm:
            with pytest.raises(SignatureInvalid):
                verify_signature(signer.public_key, b"message", signature, other)


@pytest.mark.parametrize("kind", [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519])
@given(signature=st.binary(max_size=600))
@example(signature=b"")
@example(signature=bytes.fromhex("3006020100020100"))
@example(signature=bytes(256))
@example(signature=bytes(64))
def test_random_bytes_are_no_signature(kind: KeyAlgorithm, signature: bytes) -> None:
    for algorithm in signature_algorithms(kind):
        with pytest.raises(SignatureInvalid):
            verify_signature(public_key_info(key(kind)), b"message", signature, algorithm)


def test_an_algorithm_of_another_kind_of_key_is_a_mistake_of_the_caller() -> None:
    rsa_only = SignatureAlgorithm(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_256)
    signer = FileSigner(key(KeyAlgorithm.P_256))
    with pytest.raises(UsageError):
        signer.sign(b"message", rsa_only)
    with pytest.raises(UsageError):
        signer.sign_digest(bytes(32), rsa_only)
    with pytest.raises(UsageError):
        verify_signature(signer.public_key, b"message", b"", rsa_only)


def test_a_file_signer_is_a_signer() -> None:
    private = key(KeyAlgorithm.P_256)
    signer: Signer = FileSigner(private, b"certificate")
    assert signer.certificate == b"certificate"
    assert signer.key_algorithm is KeyAlgorithm.P_256
    assert signer.public_key == public_key_info(private)
    assert signer.algorithms == signature_algorithms(KeyAlgorithm.P_256)


def test_a_key_for_agreement_does_not_sign() -> None:
    with pytest.raises(UsageError, match="can't sign"):
        FileSigner(key(KeyAlgorithm.X25519))
