from pathlib import Path

import pytest

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import FileFailed, UsageError
from ecitizen.secret import KeyBytes
from pki.errors import KeyUnavailable, KeyUnsupported, Malformed, PassphraseWrong
from pki.key_source import KeySource
from pki.keys import FileSigner, digest, generate_key, verify_signature
from pki.pkcs11_keys import Pkcs11Uri

KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]
MESSAGE = b"message"


def source(folder: Path, passphrase: bytes = b"pass") -> KeySource:
    return KeySource(folder, passphrase=lambda _: KeyBytes(passphrase), pin=lambda _: KeyBytes(passphrase))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_in_a_file_is_there_again(tmp_path: Path, kind: KeyAlgorithm) -> None:
    with source(tmp_path) as keys:
        made = keys.generate("file:own.pem", kind)
        again = keys.open("file:own.pem")
    assert again.public_key == made.public_key
    algorithm = again.algorithms[0]
    assert algorithm.hash is not None
    signature = again.sign_digest(digest(MESSAGE, algorithm.hash), algorithm)
    verify_signature(made.public_key, MESSAGE, signature, algorithm)
    with pytest.raises(FileFailed, match="never overwritten"):
        keys.generate("file:own.pem", kind)


def test_a_secret_is_there_again(tmp_path: Path) -> None:
    with source(tmp_path) as keys:
        secret = keys.generate_secret("file:secret.pem")
        assert keys.open_secret("file:secret.pem") == secret
        assert len(secret) == 32
        assert keys.generate_secret("file:other.pem") != secret
        keys.generate("file:key.pem", KeyAlgorithm.P_256)
        with pytest.raises(KeyUnavailable, match="signing key"):
            keys.open_secret("file:key.pem")
        with pytest.raises(UsageError):
            keys.open("file:secret.pem")  # agrees on keys, and can't sign
    assert secret.reveal() not in (tmp_path / "secret.pem").read_bytes()


def test_what_does_not_open_is_told(tmp_path: Path) -> None:
    with source(tmp_path) as keys:
        keys.generate("file:own.pem", KeyAlgorithm.P_256)
    (tmp_path / "junk.pem").write_bytes(b"junk")
    with source(tmp_path, b"wrong") as keys:
        with pytest.raises(PassphraseWrong):
            keys.open("file:own.pem")
        with pytest.raises(Malformed):
            keys.open("file:junk.pem")
        with pytest.raises(KeyUnavailable, match="can't be read"):
            keys.open("file:absent.pem")


def test_a_key_elsewhere_is_opened_by_whoever_knows_how(tmp_path: Path) -> None:
    signer = FileSigner(generate_key(KeyAlgorithm.P_256))
    asked = []

    def opener(place: str) -> FileSigner:
        asked.append(place)
        return signer

    secret = KeyBytes(b"x")
    with KeySource(tmp_path, passphrase=lambda _: secret, pin=lambda _: secret, openers={"piv": opener}) as keys:
        assert keys.open("piv:9c@Reader 1") is signer
        with pytest.raises(KeyUnsupported, match="piv generate"):
            keys.generate("piv:9c", KeyAlgorithm.P_256)
    assert asked == ["9c@Reader 1"]


@pytest.mark.parametrize(
    "reference", ["", "file:", "file:a\0b", "key.pem", "tpm:1", "piv:9c", "pkcs11:", "pkcs11:token=a"]
)
def test_a_reference_that_is_none_is_refused(tmp_path: Path, reference: str) -> None:
    with source(tmp_path) as keys, pytest.raises(UsageError):
        keys.open(reference)


def test_a_key_in_a_module_is_named_as_in_rfc_7512() -> None:
    uri = Pkcs11Uri.parse("pkcs11:token=The%20token;object=persons?module-path=/usr/lib/softhsm/libsofthsm2.so")
    assert uri == Pkcs11Uri("The token", "persons", "/usr/lib/softhsm/libsofthsm2.so")
    assert Pkcs11Uri.parse("pkcs11:token=a;id=%01%FF?module-path=c") == Pkcs11Uri("a", "", "c", b"\x01\xff")
    assert Pkcs11Uri.parse("pkcs11:id=%02;object=b;token=a?module-path=c") == Pkcs11Uri("a", "b", "c", b"\x02")
    for wrong in (
        "pkcs11:token=a?module-path=c",
        "pkcs11:token=a;id=?module-path=c",
        "pkcs11:token=a;object=b",
        "pkcs11:token=a;object=b?module-path=",
        "pkcs11:token=a;object=b;slot-id=1?module-path=c",
        "pkcs11:token=%ff;object=b?module-path=c",
        "pkcs11:token;object=b?module-path=c",
    ):
        with pytest.raises(UsageError):
            Pkcs11Uri.parse(wrong)


def test_a_module_that_is_not_there_is_told(tmp_path: Path) -> None:
    with source(tmp_path) as keys, pytest.raises(KeyUnavailable, match="module"):
        keys.open(f"pkcs11:token=a;object=b?module-path={tmp_path}/none.so")
