"""What pkilint, a judge by RFC 5280 and RFC 6960, says of all certificates, revocation lists and OCSP answers."""

import json
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from ecitizen.algorithms import KeyAlgorithm
from pki.certificates import load_certificate
from pki.keys import FileSigner, generate_key
from pki.ocsp import OcspResponder
from pki.oids import OWN_ARC
from pki.pem import pem
from pki.profiles import Profile, SubjectKind, standard_profiles
from pki.publishing import CrlPublisher
from pki.status import CertificateState, CertificateStatus, RevocationReason
from tests.service_authorities import ocsp_request
from tests.unit.registered import HOUR, MOMENT, PUBLIC_KEYS, Registered, person_request, registered, serial_of

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # pkilint leaves the file open

SEVERITIES = {"NOTICE", "WARNING", "ERROR", "FATAL"}
KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]
LARGE_ARC = "itu.invalid_asn1_syntax"
"""pkilint's decoder reads arcs of 32 bits; ours under a UUID has 128. The profiles concerned say so."""


def findings(tool: str, *arguments: str | Path) -> list[tuple[str, str]]:
    """Code and message of all that is worth a notice."""
    said, complained = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(complained):  # in this process: the program is slow to start
        import_module(f"pkilint.bin.{tool}").main(["lint", "-f", "JSON", "-s", "NOTICE", *map(str, arguments)])
    assert not complained.getvalue()
    return [
        (each["code"], each.get("message") or "")
        for result in json.loads(said.getvalue())["results"]
        for each in result["finding_descriptions"]
        if each["severity"] in SEVERITIES
    ]


def issued(authorities: Registered, profile: Profile, kind: KeyAlgorithm) -> bytes:
    if profile.name == "root":
        return authorities.root.certificate
    if profile.subject is SubjectKind.AUTHORITY:
        return authorities.persons.certificate
    if profile.subject is SubjectKind.SERVICE:
        names = ("desk.example.go.th",) if profile.name == "desk_tls" else ()
        return authorities.persons.issue_service(
            PUBLIC_KEYS[kind], "A service", profile=profile.name, dns_names=names, moment=MOMENT
        )
    issuer = authorities.root if profile.is_authority else authorities.persons
    return issuer.issue(person_request(profile.name, kind), moment=MOMENT)


@pytest.fixture(scope="module", params=KINDS, ids=str)
def authorities(request: pytest.FixtureRequest) -> Registered:
    return registered(kind=request.param)


@pytest.mark.parametrize("profile", standard_profiles().values(), ids=lambda profile: profile.name)
def test_certificates_are_without_fault(authorities: Registered, profile: Profile, tmp_path: Path) -> None:
    kind = authorities.root_signer.key_algorithm
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem(issued(authorities, profile, kind), "CERTIFICATE"))
    found = findings("lint_pkix_cert", path)
    if any(oid.startswith(OWN_ARC) for oid in profile.extended_key_usage):
        [(code, message)] = found
        assert code == LARGE_ARC
        assert "larger than 32-bits" in message
    else:
        assert found == []


@pytest.mark.parametrize(("name", "kind"), [("root", "ARL"), ("persons", "CRL")])
def test_revocation_lists_are_without_fault(authorities: Registered, name: str, kind: str, tmp_path: Path) -> None:
    certificate = authorities.card() if name == "persons" else authorities.persons.certificate
    authorities.store.revoke(name, serial_of(certificate), RevocationReason.SUPERSEDED, MOMENT)
    publisher: CrlPublisher = authorities.publisher(tmp_path, name)
    made = publisher.publish(MOMENT)
    assert [each.entries for each in made] == [1, 0]
    for each in made:
        path = tmp_path / "list.pem"
        path.write_bytes(pem(each.path.read_bytes(), "X509 CRL"))
        assert findings("lint_crl", "-t", kind, "-p", "PKIX", path) == []


STATUSES = {
    "good": CertificateStatus(CertificateState.GOOD),
    "revoked": CertificateStatus(CertificateState.REVOKED, MOMENT - HOUR, RevocationReason.KEY_COMPROMISE),
    "revoked without a reason": CertificateStatus(
        CertificateState.REVOKED, MOMENT - HOUR, RevocationReason.UNSPECIFIED
    ),
    "on hold": CertificateStatus(CertificateState.REVOKED, MOMENT - HOUR, RevocationReason.CERTIFICATE_HOLD),
    "unknown": CertificateStatus(CertificateState.UNKNOWN),
}


@pytest.mark.parametrize(
    ("status", "delegated", "hashed", "nonce"),
    [
        ("good", True, hashes.SHA256(), bytes(range(32))),
        ("good", False, hashes.SHA1(), None),
        ("revoked", True, hashes.SHA1(), None),
        ("revoked without a reason", True, hashes.SHA256(), None),
        ("on hold", False, hashes.SHA256(), bytes(range(8))),
        ("unknown", True, hashes.SHA1(), None),
    ],
    ids=["good with a nonce", "good by the issuer", "revoked", "revoked without a reason", "on hold", "unknown"],
)
def test_ocsp_answers_are_without_fault(
    authorities: Registered,
    status: str,
    delegated: bool,
    hashed: hashes.HashAlgorithm,
    nonce: bytes | None,
    tmp_path: Path,
) -> None:
    signer, certificate = authorities.persons_signer, authorities.persons.certificate
    if delegated:
        signer = FileSigner(generate_key(KeyAlgorithm.P_256))
        certificate = authorities.persons.issue_service(signer.public_key, "OCSP", profile="ocsp", moment=MOMENT - HOUR)
    issuer = authorities.persons.certificate
    responder = OcspResponder(signer, certificate, issuer, lambda _: STATUSES[status], clock=lambda: MOMENT)
    request = ocsp_request(load_certificate(authorities.card()), load_certificate(issuer), hashed, nonce)
    path = tmp_path / "answer.der"
    path.write_bytes(responder.answer(request))
    assert findings("lint_ocsp_response", "--document-format", "DER", path) == []
