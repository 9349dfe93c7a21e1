"""`openssl ts` makes requests and checks the timestamps that our authority sends back over HTTP by curl."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecitizen.algorithms import KeyAlgorithm
from pki.keys import FileSigner
from pki.service_routes import timestamp_route
from pki.timestamp import TimestampAuthority
from tests.service_authorities import POLICY, SmallAuthority, der, key, pem, running

KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]
CURL_HEADER = "Content-Type: application/timestamp-query"


class Desk:
    """A folder with a document, and the programs that get a timestamp for it."""

    def __init__(self, folder: Path, port: int, program: Callable[[str], str]) -> None:
        self.folder = folder
        self._url = f"http://127.0.0.1:{port}/timestamp"
        self._program = program
        (folder / "document").write_bytes(b"what was there")

    def run(self, program: str, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [self._program(program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    def stamp(self, *arguments: str) -> str:
        """Ask for a timestamp; what OpenSSL reads in the answer."""
        self.run("openssl", "ts", "-query", "-data", "document", "-out", "request.tsq", *arguments)
        send = ["-sSf", "-H", CURL_HEADER, "--data-binary", "@request.tsq", "-o", "answer.tsr", self._url]
        self.run("curl", *send)
        return self.run("openssl", "ts", "-reply", "-in", "answer.tsr", "-text")

    def verify(self, *arguments: str, expect: int = 0) -> str:
        return self.run(
            "openssl", "ts", "-verify", "-in", "answer.tsr", "-CAfile", "issuer.pem", *arguments, expect=expect
        )


@pytest.fixture
def desk(foreign_program: Callable[[str], str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    kind = getattr(request, "param", KeyAlgorithm.P_256)
    authority = SmallAuthority(kind=kind)
    (tmp_path / "issuer.pem").write_bytes(pem(authority.issuer))
    (tmp_path / "stamper.pem").write_bytes(pem(authority.stamper))
    stamper = TimestampAuthority(
        FileSigner(key(kind, "timestamp")), der(authority.stamper), policy=POLICY, chain=[der(authority.issuer)]
    )
    with running({"/timestamp": timestamp_route(stamper)}) as port:
        yield Desk(tmp_path, port, foreign_program)


@pytest.mark.parametrize("desk", KINDS, indirect=True)
@pytest.mark.parametrize("hashed", ["-sha256", "-sha384", "-sha512"])
def test_openssl_believes_it(desk: Desk, hashed: str) -> None:
    told = desk.stamp(hashed, "-cert")
    assert "Status: Granted." in told
    assert f"Policy OID: {POLICY}" in told
    assert "Accuracy: 0x01 seconds" in told
    assert "CN=Stamper" in told
    assert "Verification: OK" in desk.verify("-queryfile", "request.tsq")
    assert "Verification: OK" in desk.verify("-data", "document")


@pytest.mark.parametrize("desk", KINDS, indirect=True)
def test_without_certificates_it_needs_the_stampers(desk: Desk) -> None:
    desk.stamp("-sha256", "-no_nonce")
    assert "Verification: OK" in desk.verify("-queryfile", "request.tsq", "-untrusted", "stamper.pem")
    desk.verify("-queryfile", "request.tsq", expect=1)


def test_a_timestamp_is_for_one_document_and_one_request(desk: Desk) -> None:
    desk.stamp("-sha256", "-cert")
    (desk.folder / "document").write_bytes(b"what was not there")
    assert "message imprint mismatch" in desk.verify("-data", "document", expect=1)
    desk.run("openssl", "ts", "-query", "-data", "document", "-out", "request.tsq", "-sha256", "-cert")
    desk.verify("-queryfile", "request.tsq", expect=1)


def test_serial_numbers_differ(desk: Desk) -> None:
    found = {line for _ in range(3) for line in desk.stamp("-sha256").splitlines() if line.startswith("Serial number")}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("arguments", "failure"),
    [
        (["-sha1"], "unrecognized or unsupported algorithm identifier"),
        (["-sha256", "-tspolicy", "1.2.3.4"], "the requested TSA policy is not supported by the TSA"),
    ],
)
def test_openssl_is_told_why_not(desk: Desk, arguments: list[str], failure: str) -> None:
    told = desk.stamp(*arguments)
    assert "Status: Rejected." in told
    assert failure in told
