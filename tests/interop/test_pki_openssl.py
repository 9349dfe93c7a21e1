"""What OpenSSL, which we did not write, says of keys, signatures, requests and certificates."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.certificates import load_certificate
from pki.errors import PassphraseWrong
from pki.keys import (
    FileSigner,
    generate_key,
    load_private_key,
    load_public_key,
    public_key_info,
    save_private_key,
    signature_algorithms,
    verify_signature,
)
from pki.requests import certification_request, request_public_key, self_signed_certificate

PASSPHRASE = KeyBytes(b"correct horse")
EVERY_KIND = pytest.mark.parametrize("kind", list(KeyAlgorithm))
SIGNING_KINDS = [kind for kind in KeyAlgorithm if kind is not KeyAlgorithm.X25519]
DIGEST_SIGNATURES = [
    (kind, algorithm)
    for kind in (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384)
    for algorithm in signature_algorithms(kind)
]
GENERATE = {
    KeyAlgorithm.RSA_2048: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    KeyAlgorithm.RSA_3072: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    KeyAlgorithm.RSA_4096: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    KeyAlgorithm.P_256: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    KeyAlgorithm.P_384: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    KeyAlgorithm.ED25519: ["-algorithm", "ED25519"],
    KeyAlgorithm.X25519: ["-algorithm", "X25519"],
}


MadeKeys = Callable[[KeyAlgorithm], bytes]


class Openssl(Protocol):
    """Runs the program in the test's folder, wants that exit code, and gives what it printed."""

    def __call__(self, *arguments: str, expect: int = 0) -> str: ...


@pytest.fixture
def openssl(foreign_program: Callable[[str], str], tmp_path: Path) -> Openssl:
    program = foreign_program("openssl")

    def run(*arguments: str, expect: int = 0) -> str:
        done = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def made(foreign_program: Callable[[str], str]) -> MadeKeys:
    """Private keys that OpenSSL made, PEM; one of each kind, for large RSA keys take seconds."""
    program = foreign_program("openssl")

    @cache
    def key(kind: KeyAlgorithm) -> bytes:
        return subprocess.run([program, "genpkey", *GENERATE[kind]], capture_output=True, check=True).stdout

    return key


def write_pem(folder: Path, name: str, certificate: bytes) -> None:
    (folder / f"{name}.pem").write_bytes(load_certificate(certificate).public_bytes(Encoding.PEM))


# Keys


@EVERY_KIND
def test_openssl_opens_a_saved_key(
    openssl: Openssl,
    made: MadeKeys,
    tmp_path: Path,
    kind: KeyAlgorithm,
) -> None:
    key = load_private_key(made(kind))
    save_private_key(tmp_path / "key.pem", key, PASSPHRASE)
    openssl("pkey", "-in", "key.pem", "-passin", "pass:correct horse", "-pubout", "-out", "public.pem")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert (tmp_path / "public.pem").read_bytes() == public
    openssl("pkey", "-in", "key.pem", "-passin", "pass:wrong", "-noout", expect=1)


@EVERY_KIND
@pytest.mark.parametrize("form", ["PEM", "DER", "encrypted", "scrypt"])
def test_a_key_that_openssl_made_is_read(
    openssl: Openssl,
    made: MadeKeys,
    tmp_path: Path,
    kind: KeyAlgorithm,
    form: str,
) -> None:
    (tmp_path / "made.pem").write_bytes(made(kind))
    convert = {
        "PEM": ["pkey"],
        "DER": ["pkey", "-outform", "DER"],
        "encrypted": ["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-passout", "pass:correct horse"],
        "scrypt": ["pkcs8", "-topk8", "-scrypt", "-passout", "pass:correct horse", "-outform", "DER"],
    }[form]
    openssl(*convert, "-in", "made.pem", "-out", "key")
    openssl("pkey", "-in", "made.pem", "-pubout", "-outform", "DER", "-out", "public.der")
    key = load_private_key((tmp_path / "key").read_bytes(), PASSPHRASE)
    public = (tmp_path / "public.der").read_bytes()
    assert public_key_info(key) == public
    assert public_key_info(load_public_key(public)) == public


@pytest.mark.parametrize("kind", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_384])
def test_an_old_kind_of_file_is_read(
    openssl: Openssl,
    made: MadeKeys,
    tmp_path: Path,
    kind: KeyAlgorithm,
) -> None:
    (tmp_path / "made.pem").write_bytes(made(kind))
    encrypted = ["-traditional", "-aes256", "-passout", "pass:correct horse"]
    openssl("pkey", *encrypted, "-in", "made.pem", "-out", "old.pem")
    assert b"DEK-Info" in (tmp_path / "old.pem").read_bytes()
    key = load_private_key((tmp_path / "old.pem").read_bytes(), PASSPHRASE)
    assert public_key_info(key) == public_key_info(load_private_key(made(kind)))
    with pytest.raises(PassphraseWrong):
        load_private_key((tmp_path / "old.pem").read_bytes(), KeyBytes(b"wrong"))


# Signatures


def options(algorithm: SignatureAlgorithm) -> list[str]:
    assert algorithm.hash is not None
    padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{algorithm.hash.digest_len}"]
    return [f"-{algorithm.hash}", *(padding if algorithm.scheme is SignatureScheme.RSA_PSS else [])]


@pytest.mark.parametrize(("kind", "algorithm"), DIGEST_SIGNATURES)
def test_openssl_and_we_take_each_others_signatures(
    openssl: Openssl,
    made: MadeKeys,
    tmp_path: Path,
    kind: KeyAlgorithm,
    algorithm: SignatureAlgorithm,
) -> None:
    (tmp_path / "key.pem").write_bytes(made(kind))
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    signer = FileSigner(load_private_key((tmp_path / "key.pem").read_bytes()))
    (tmp_path / "message").write_bytes(b"message")
    (tmp_path / "ours").write_bytes(signer.sign(b"message", algorithm))
    dgst = ["dgst", *options(algorithm)]
    assert "Verified OK" in openssl(*dgst, "-verify", "public.pem", "-signature", "ours", "message")
    openssl(*dgst, "-sign", "key.pem", "-out", "theirs", "message")
    verify_signature(signer.public_key, b"message", (tmp_path / "theirs").read_bytes(), algorithm)


def test_openssl_and_we_take_each_others_ed25519_signatures(
    openssl: Openssl,
    made: MadeKeys,
    tmp_path: Path,
) -> None:
    (tmp_path / "key.pem").write_bytes(made(KeyAlgorithm.ED25519))
    signer = FileSigner(load_private_key((tmp_path / "key.pem").read_bytes()))
    [algorithm] = signer.algorithms
    (tmp_path / "message").write_bytes(b"message")
    (tmp_path / "ours").write_bytes(signer.sign(b"message", algorithm))
    raw = ["pkeyutl", "-rawin", "-inkey", "key.pem", "-in", "message"]
    assert "Verified Successfully" in openssl(*raw, "-verify", "-sigfile", "ours")
    openssl(*raw, "-sign", "-out", "theirs")
    verify_signature(signer.public_key, b"message", (tmp_path / "theirs").read_bytes(), algorithm)


# Requests


@pytest.mark.parametrize("kind", SIGNING_KINDS)
def test_openssl_takes_a_request_and_we_take_its(
    openssl: Openssl,
    made: MadeKeys,
    tmp_path: Path,
    kind: KeyAlgorithm,
) -> None:
    signer = FileSigner(load_private_key(made(kind)))
    (tmp_path / "ours.der").write_bytes(certification_request(signer, "CN=Somchai Jaidee,C=TH"))
    shown = openssl("req", "-inform", "DER", "-in", "ours.der", "-verify", "-noout", "-subject")
    assert "CN = Somchai Jaidee" in shown
    (tmp_path / "key.pem").write_bytes(made(kind))
    openssl("req", "-new", "-key", "key.pem", "-subj", "/CN=x", "-outform", "DER", "-out", "theirs.der")
    theirs = load_private_key((tmp_path / "key.pem").read_bytes())
    assert request_public_key((tmp_path / "theirs.der").read_bytes()) == public_key_info(theirs)


# Certificates


def request(profile: str, kind: KeyAlgorithm) -> CertificateRequest:
    thai, english = PersonName("นาย", "สมชาย", "", "ใจดี"), PersonName("Mr.", "Somchai", "", "Jaidee")
    key = public_key_info(generate_key(kind))
    return CertificateRequest(profile, key, thai, english, "1999900100425", "412300A1B2010417")


@pytest.mark.parametrize("root_kind", [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048])
@pytest.mark.parametrize(
    ("profile", "kind", "purpose"),
    [
        ("authentication", KeyAlgorithm.P_256, "sslclient"),
        ("signature", KeyAlgorithm.RSA_2048, "smimesign"),
        ("key_management", KeyAlgorithm.RSA_2048, "smimeencrypt"),
        ("card_authentication", KeyAlgorithm.P_256, "any"),
    ],
)
def test_openssl_takes_a_path_for_its_purpose(
    openssl: Openssl,
    tmp_path: Path,
    root_kind: KeyAlgorithm,
    profile: str,
    kind: KeyAlgorithm,
    purpose: str,
) -> None:
    root_key, issuing_key = FileSigner(generate_key(root_kind)), FileSigner(generate_key(KeyAlgorithm.P_256))
    pseudonym_key = KeyBytes(bytes(16))
    root = Authority.establish(root_key, "Root", organisation="Ministry", pseudonym_key=pseudonym_key)
    certificate = root.issue_authority(issuing_key.public_key, "Persons", organisation="Ministry")
    issuing = Authority(issuing_key, certificate, pseudonym_key=pseudonym_key)
    write_pem(tmp_path, "root", root.certificate)
    write_pem(tmp_path, "issuing", issuing.certificate)
    write_pem(tmp_path, "holder", issuing.issue(request(profile, kind)))
    verify = ["verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root.pem", "-untrusted", "issuing.pem"]
    assert openssl(*verify, "-purpose", purpose, "holder.pem") == "holder.pem: OK\n"
    openssl(*verify, "-purpose", "sslserver", "holder.pem", expect=2)


def test_nothing_under_an_attestation_key_signs_in_or_signs_mail(
    openssl: Openssl,
    tmp_path: Path,
) -> None:
    root = Authority.self_signed("Root")
    attestation_key, holder_key = (FileSigner(generate_key(KeyAlgorithm.P_256)) for _ in range(2))
    wanted = CertificateRequest("attestation", attestation_key.public_key, card_serial="A1")
    card = Authority(attestation_key, root.issue(wanted), pseudonym_key=KeyBytes(bytes(16)))
    forged = card.issue(
        CertificateRequest("authentication", holder_key.public_key, PersonName(first="X"), None, "1" * 13)
    )
    for name, der in {"root": root.certificate, "card": card.certificate, "forged": forged}.items():
        write_pem(tmp_path, name, der)
    verify = ["verify", "-x509_strict", "-CAfile", "root.pem"]
    assert openssl(*verify, "card.pem") == "card.pem: OK\n"
    openssl(*verify, "-untrusted", "card.pem", "-purpose", "sslclient", "forged.pem", expect=2)


def test_openssl_reads_all_of_a_certificate(
    openssl: Openssl,
    tmp_path: Path,
) -> None:
    moment = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    root = Authority.self_signed("Root", moment=moment)
    write_pem(tmp_path, "holder", root.issue(request("signature", KeyAlgorithm.P_256), moment=moment))
    shown = openssl("x509", "-in", "holder.pem", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus")
    for line in [
        "Version: 3 (0x2)",
        "Issuer: C=TH,CN=Root",
        "Subject: C=TH,title=Mr.,SN=Jaidee,GN=Somchai,serialNumber=",
        "Not Before: Nov 22 05:50:00 2026 GMT",
        "Not After : Nov 21 06:00:00 2031 GMT",
        "X509v3 Key Usage: critical\n                Digital Signature, Non Repudiation",
        "E-mail Protection, 1.3.6.1.5.5.7.3.36",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
        "DirName:/C=TH/title=",
    ]:
        assert line in shown
    assert "CA:TRUE" not in shown


def test_openssl_takes_a_self_signed_certificate(
    openssl: Openssl,
    tmp_path: Path,
) -> None:
    write_pem(tmp_path, "me", self_signed_certificate(FileSigner(generate_key(KeyAlgorithm.P_256)), "CN=Me"))
    assert openssl("verify", "-check_ss_sig", "-CAfile", "me.pem", "me.pem") == "me.pem: OK\n"
