"""Who may be asked for revocation data while a card is judged, and when."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from cardapps.seal_evaluator import SealEvaluator
from pki.path import Verdict
from pki.trust import key_fingerprint
from tests.unit.loopback import Server, loopback
from tests.unit.small_pki import MOMENT, Party, root

USAGE = "2.25.1.1"


@pytest.fixture
def server() -> Iterator[Server]:
    with loopback(b"") as server:
        yield server


class Trust:
    """A trust directory with a root, an authority for citizen_id, and no list of that authority."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.root = root()
        self.authority = self.root.issue("Authority", authority=True)
        for name, content in (
            ("anchors/root.cer", self.root.der),
            ("issuers/authority.cer", self.authority.der),
            ("crls/root.crl", self.root.crl()),
        ):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.policy(key_fingerprint(self.authority.der))

    def policy(self, authority: str, hosts: str | None = None) -> None:
        hosts = hosts if hosts is not None else f'"localhost:{self.server.port}"'
        (self.folder / "policy.toml").write_text(
            f'[fetch]\nhosts = [{hosts}]\n[application.citizen_id]\nauthorities = ["{authority}"]\n'
            f'document_signer_usage = "{USAGE}"\ncertificate_usage = "2.25.1.2"\n'
        )

    def signer(self, issuer: Party | None = None, usage: str = USAGE) -> bytes:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(self.server.url())], None, None, None)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.CRLDistributionPoints([point]), False),
            (x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), True),
        ]
        return (issuer or self.authority).issue("Signer", extensions=extensions).der

    def judge(self, certificate: bytes, *, offline: bool = False) -> Verdict:
        evaluator = SealEvaluator.open(self.folder, offline=offline)
        return evaluator._check(certificate, "citizen_id", USAGE, MOMENT).verdict


@pytest.fixture
def trust(tmp_path: Path, server: Server) -> Trust:
    return Trust(tmp_path / "trust", server)


def answers(server: Server, crl: bytes) -> None:
    from tests.unit.loopback import send

    server.answer = send(200, crl)


def test_a_missing_list_is_fetched_from_an_allowed_host(trust: Trust, server: Server) -> None:
    signer = trust.signer()
    answers(server, trust.authority.crl())
    assert trust.judge(signer) is Verdict.VALID
    assert server.asked == ["GET /a.crl"]
    revoked = [(x509.load_der_x509_certificate(signer).serial_number, x509.ReasonFlags.key_compromise)]
    answers(server, trust.authority.crl(revoked))
    assert trust.judge(signer) is Verdict.REVOKED


def test_offline_nothing_is_fetched(trust: Trust, server: Server) -> None:
    answers(server, trust.authority.crl())
    assert trust.judge(trust.signer(), offline=True) is Verdict.CANNOT_TELL
    trust.policy(key_fingerprint(trust.authority.der), hosts="")
    assert trust.judge(trust.signer()) is Verdict.CANNOT_TELL
    trust.policy(key_fingerprint(trust.authority.der), hosts='"crl.example.go.th"')
    assert trust.judge(trust.signer()) is Verdict.CANNOT_TELL
    assert server.asked == []


def test_whoever_is_not_trusted_makes_nobody_call(trust: Trust, server: Server) -> None:
    """Strangers, other agencies, and certificates for another use may name any address: it is never asked."""
    stranger = root("Root")
    impostor = stranger.issue("Authority", authority=True)
    other = trust.root.issue("Other", authority=True)
    (trust.folder / "issuers" / "other.cer").write_bytes(other.der)
    answers(server, trust.authority.crl())
    for certificate in (
        trust.signer(impostor),
        trust.signer(other),
        trust.signer(usage="2.25.1.2"),
        trust.signer()[:-4] + b"\x00\x00\x00\x00",
    ):
        assert trust.judge(certificate) is Verdict.UNTRUSTED
    trust.policy("00" * 32)
    assert trust.judge(trust.signer()) is Verdict.UNTRUSTED
    assert server.asked == []


@pytest.mark.parametrize("kind", ["rubbish", "empty", "stale", "of another", "too long"])
def test_a_bad_answer_proves_nothing(trust: Trust, server: Server, kind: str) -> None:
    past = MOMENT - timedelta(days=9)
    stale = trust.authority.crl(this_update=past, next_update=past + timedelta(days=1))
    bad = {"rubbish": b"<html>", "empty": b"", "stale": stale, "of another": root("Authority").crl()}
    answers(server, bad.get(kind, bytes(11 * 1024 * 1024)))
    assert trust.judge(trust.signer()) is Verdict.CANNOT_TELL
