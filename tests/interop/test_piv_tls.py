"""Signing in to a TLS server with the card: by `openssl` through its PKCS#11 engine, and by NSS, the browsers' library.

The server, `openssl s_server`, lets nobody in whose certificate does not lead to the card's test authority.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecitizen.emulator.card import Card
from tests.interop.signing_card import (
    BOTH_PROTOCOLS,
    PIN,
    REQUEST,
    CardKind,
    Insert,
    Programs,
    TestAuthority,
    tls_server,
)

MODULE = "opensc-pkcs11.so"
ENGINE = ["-engine", "pkcs11", "-keyform", "engine", "-key"]
NAME_IN_NSS = "OpenSC"
PROTOCOL_VERSIONS = {"tls1.2": "TLSv1.2", "tls1.3": "TLSv1.3"}


@pytest.fixture(scope="module", params=BOTH_PROTOCOLS, ids=str)
def kind(request: pytest.FixtureRequest) -> CardKind:
    kind: CardKind = request.param
    return kind


@pytest.fixture(scope="module", params=["9A on P-256", "9A with RSA"])
def keys(request: pytest.FixtureRequest) -> str:
    keys: str = request.param
    return keys


@pytest.fixture(scope="module")
def card(kind: CardKind, keys: str, insert: Insert, signing_card: Callable[[CardKind, str], Card]) -> Iterator[None]:
    with insert(signing_card(kind, keys)):
        yield


@pytest.fixture
def place(card: None, keys: str, programs: Programs, signing_authorities: Mapping[str, bytes]) -> Programs:
    """A folder with a server's certificate of `ca.pem`, and with `holders.pem`, the authority of the card's own."""
    TestAuthority.found(programs).server_certificate()
    programs.write("holders.der", signing_authorities[keys])
    programs.run("openssl", "x509", "-inform", "DER", "-in", "holders.der", "-out", "holders.pem")
    return programs


KEY_9A = f"pkcs11:id=%01;type=private;pin-value={PIN}"
"""The key by its PKCS#11 URI (RFC 7512), with the PIN of this sample card."""


def certificate_of_9a(programs: Programs) -> str:
    """The certificate (PEM), which is put into `01.crt` too."""
    programs.public_key("01")
    return programs.read("01.crt").decode().strip()


# openssl and its engine


@pytest.fixture
def engine(foreign_library: Callable[[str], Path]) -> list[str]:
    assert foreign_library("engines-3/pkcs11.so")
    return ENGINE


def test_a_request_for_a_certificate_is_signed_by_the_card(place: Programs, engine: list[str]) -> None:
    request = ["-new", *engine, KEY_9A, "-subj", "/CN=Asked for with the card", "-out", "card.csr"]
    place.run("openssl", "req", *request)
    done = place.attempt("openssl", "req", "-in", "card.csr", "-verify", "-noout", "-pubkey")
    assert "self-signature verify OK" in done.stderr
    place.public_key("01")
    assert done.stdout.encode() == place.read("01.pub")


@pytest.mark.parametrize("version", PROTOCOL_VERSIONS)
def test_openssl_signs_in(version: str, place: Programs, engine: list[str]) -> None:
    certificate = certificate_of_9a(place)
    with tls_server(place, trusted="holders.pem") as port:
        client = ["-connect", f"localhost:{port}", "-servername", "localhost", "-CAfile", "ca.pem", "-quiet"]
        client += ["-verify_return_error", "-cert", "01.crt", *engine, KEY_9A, "-" + version.replace(".", "_")]
        page = place.run("openssl", "s_client", *client, stdin=REQUEST)
    assert PROTOCOL_VERSIONS[version] in page
    assert certificate in page  # of the client, as the server has it


@pytest.mark.parametrize("version", PROTOCOL_VERSIONS)
def test_nobody_signs_in_without_the_card(version: str, place: Programs) -> None:
    with tls_server(place, trusted="holders.pem") as port:
        client = ["-connect", f"localhost:{port}", "-CAfile", "ca.pem", "-quiet", "-" + version.replace(".", "_")]
        done = place.attempt("openssl", "s_client", *client, stdin=REQUEST)
    assert "HTTP/1.0 200" not in done.stdout
    assert "alert" in done.stderr


# NSS


@dataclass(frozen=True)
class Profile:
    """A browser's profile: a database that knows OpenSC's module and trusts the server's authority."""

    programs: Programs
    token: str

    def run(self, name: str, *arguments: str, stdin: str = "") -> str:
        return self.programs.run(name, "-d", "sql:nss", *arguments, stdin=stdin)


@pytest.fixture
def profile(place: Programs, foreign_library: Callable[[str], Path]) -> Profile:
    (place.folder / "nss").mkdir()
    place.write("pin", PIN)
    place.run("certutil", "-N", "-d", "sql:nss", "--empty-password")
    place.run("certutil", "-A", "-d", "sql:nss", "-n", "server's authority", "-t", "C,,", "-i", "ca.pem")
    module = str(foreign_library(MODULE))
    place.run("modutil", "-dbdir", "sql:nss", "-add", NAME_IN_NSS, "-libfile", module, "-force")
    modules = place.attempt("modutil", "-dbdir", "sql:nss", "-list", NAME_IN_NSS).stdout
    found = re.search(r"Token Name: (.*\S)", modules)
    assert found, modules
    return Profile(place, found[1])


def test_nss_finds_a_private_key_for_every_certificate(profile: Profile) -> None:
    rows = profile.run("certutil", "-L", "-h", profile.token, "-f", "pin").splitlines()
    ours = [row.rsplit(maxsplit=1) for row in rows if row.startswith(profile.token)]
    assert len(ours) == len(
        re.findall("^X.509 Certificate", profile.programs.run("pkcs15-tool", "--list-certificates"), re.MULTILINE)
    )
    assert {trust for _, trust in ours} == {"u,u,u"}  # u: the key is there


@pytest.mark.parametrize("version", PROTOCOL_VERSIONS)
def test_nss_signs_in(version: str, profile: Profile) -> None:
    place = profile.programs
    certificate = certificate_of_9a(place)
    with tls_server(place, trusted="holders.pem") as port:
        client = ["-h", "localhost", "-4", "-p", str(port), "-V", f"{version}:{version}", "-W", "pin", "-f"]
        key = ["-n", f"{profile.token}:Certificate for PIV Authentication"]
        page = profile.run("tstclnt", *client, *key, "-A", place.write("request", REQUEST))
    assert PROTOCOL_VERSIONS[version] in page
    assert certificate in page  # of the client, as the server has it
