"""`openssl ocsp` asks our responder over real HTTP, beside bad company; curl gets what else is served."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ecitizen.algorithms import KeyAlgorithm
from pki.keys import FileSigner
from pki.ocsp import OcspResponder
from pki.service_routes import document_route, folder_route, ocsp_route
from pki.signing_key import signing_key
from pki.status import CertificateState, CertificateStatus, RevocationReason
from tests.service_authorities import SmallAuthority, der, key, pem, running

KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519]
HOLD_AT = datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)
REVOKED = CertificateStatus(CertificateState.REVOKED, HOLD_AT, RevocationReason.CERTIFICATE_HOLD)
GOOD = CertificateStatus(CertificateState.GOOD)
UNKNOWN = CertificateStatus(CertificateState.UNKNOWN)

Run = Callable[..., str]


class Served:
    """A responder with three certificates, and their files."""

    def __init__(self, kind: KeyAlgorithm, folder: Path) -> None:
        authority = SmallAuthority(kind=kind)
        self.authority = authority
        certified = key(KeyAlgorithm.P_256, "leaf")
        self.leaves = {name: authority.certificate(name, certified) for name in ("good", "revoked", "unknown")}
        statuses = {self.leaves["good"].serial_number: GOOD, self.leaves["revoked"].serial_number: REVOKED}
        self.responder = OcspResponder(
            FileSigner(key(kind, "ocsp")),
            der(authority.responder),
            der(authority.issuer),
            lambda serial: statuses.get(serial, UNKNOWN),
        )
        (folder / "issuer.pem").write_bytes(pem(authority.issuer))
        for name, leaf in self.leaves.items():
            (folder / f"{name}.pem").write_bytes(pem(leaf))


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Served:
    return Served(getattr(request, "param", KeyAlgorithm.P_256), tmp_path)


@pytest.fixture
def port(served: Served) -> Iterator[int]:
    with running({"/ocsp/citizen": ocsp_route(served.responder)}) as port:
        yield port


@pytest.fixture
def openssl(foreign_program: Callable[[str], str], tmp_path: Path) -> Run:
    program = foreign_program("openssl")

    def run(port: int, *arguments: str, expect: int = 0) -> str:
        fixed = [
            "ocsp",
            "-issuer",
            "issuer.pem",
            "-CAfile",
            "issuer.pem",
            "-url",
            f"http://127.0.0.1:{port}/ocsp/citizen",
        ]
        done = subprocess.run(
            [program, *fixed, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("served", KINDS, indirect=True)
@pytest.mark.parametrize("nonce", [["-nonce"], ["-no_nonce"]])
@pytest.mark.parametrize("digest", [["-sha1"], ["-sha256"]])
def test_openssl_is_told_all_three_states(openssl: Run, port: int, nonce: list[str], digest: list[str]) -> None:
    several = [each for name in ("good", "revoked", "unknown") for each in (*digest, "-cert", f"{name}.pem")]
    told = openssl(port, *nonce, *several)
    assert "Response verify OK" in told
    assert "good.pem: good" in told
    assert "revoked.pem: revoked" in told
    assert "Reason: certificateHold" in told
    assert "Revocation Time: Mar  1 04:05:06 2026 GMT" in told
    assert "unknown.pem: unknown" in told
    assert "WARNING" not in told, "a nonce came back when it was sent"


@pytest.mark.parametrize("name", ["good", "revoked", "unknown"])
def test_the_same_from_the_answers_that_are_kept(openssl: Run, port: int, served: Served, name: str) -> None:
    served.responder.prepare(leaf.serial_number for leaf in served.leaves.values())
    first, second = (openssl(port, "-no_nonce", "-cert", f"{name}.pem") for _ in range(2))
    assert first == second
    assert f"{name}.pem: {name}" in first


def test_by_serial_number(openssl: Run, port: int, served: Served) -> None:
    assert "good" in openssl(port, "-serial", f"0x{served.leaves['good'].serial_number:x}")
    assert "unknown" in openssl(port, "-serial", "0x01")


def test_the_answer_is_valid_now_and_signed_by_the_delegate(openssl: Run, port: int) -> None:
    told = openssl(port, "-cert", "good.pem", "-status_age", "60", "-resp_text")
    assert "Response verify OK" in told
    assert "Responder Id: " in told
    assert "Signature Algorithm: ecdsa-with-SHA256" in told


def test_another_issuer_is_unauthorized(openssl: Run, port: int, tmp_path: Path) -> None:
    (tmp_path / "issuer.pem").write_bytes(pem(SmallAuthority("Another issuer").issuer))
    assert "unauthorized (6)" in openssl(port, "-serial", "0x01", expect=1)


def test_curl_gets_it_in_the_path(foreign_program: Callable[[str], str], port: int, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        program = foreign_program(command[0])
        done = subprocess.run([program, *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    asked = ["-issuer", "issuer.pem", "-cert", "good.pem"]
    run("openssl", "ocsp", *asked, "-no_nonce", "-reqout", "request.der")
    encoded = run("openssl", "base64", "-A", "-in", "request.der")
    run("curl", "-sSf", "-o", "answer.der", f"http://127.0.0.1:{port}/ocsp/citizen/{encoded}")
    assert "good.pem: good" in run("openssl", "ocsp", *asked, "-respin", "answer.der", "-CAfile", "issuer.pem")


def test_bad_company_does_not_disturb(openssl: Run, port: int) -> None:
    """An empty connection is enough to make `openssl ocsp` deaf as a responder."""
    with ExitStack() as crowd:
        for number in range(120):
            peer = crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            with suppress(ConnectionError):
                peer.sendall((b"", b"P", b"POST /ocsp/citizen HTTP/1.1\r\nContent-Length: 99\r\n\r\n0")[number % 3])
                if number % 4 == 0:
                    peer.close()
        assert "good.pem: good" in openssl(port, "-cert", "good.pem")
        assert "revoked.pem: revoked" in openssl(port, "-cert", "revoked.pem")


def test_openssl_verifies_by_crls_that_we_serve(
    foreign_program: Callable[[str], str], served: Served, tmp_path: Path
) -> None:
    """curl gets the list and the issuer's certificate, OpenSSL reads them."""
    now = datetime.now(UTC)
    listed = x509.RevokedCertificateBuilder().serial_number(served.leaves["revoked"].serial_number)
    builder = x509.CertificateRevocationListBuilder().issuer_name(served.authority.issuer.subject)
    builder = builder.last_update(now).next_update(now + timedelta(hours=1))
    builder = builder.add_revoked_certificate(listed.revocation_date(now).build())
    published = tmp_path / "published"
    published.mkdir()
    crl = builder.sign(signing_key(served.authority.signer), hashes.SHA256())
    (published / "0.crl").write_bytes(crl.public_bytes(Encoding.DER))
    routes = {"/crl": folder_route(published), "/issuer.cer": document_route(der(served.authority.issuer))}
    with running(routes) as port:
        for name in ("crl/0.crl", "issuer.cer"):
            command = [foreign_program("curl"), "-sSf", "-O", f"http://127.0.0.1:{port}/{name}"]
            subprocess.run(command, cwd=tmp_path, check=True)
    openssl = foreign_program("openssl")
    for kind, name in (("x509", "issuer.cer"), ("crl", "0.crl")):
        command = [openssl, kind, "-inform", "DER", "-in", name, "-out", f"{name}.pem"]
        subprocess.run(command, cwd=tmp_path, check=True)
    for name, expected in (("good", 0), ("revoked", 2)):
        verify = ["verify", "-CAfile", "issuer.cer.pem", "-CRLfile", "0.crl.pem", "-crl_check", f"{name}.pem"]
        done = subprocess.run([openssl, *verify], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == expected, done.stderr
