"""What OpenSSL and our own path validation say of revocation lists: full, parted, delta."""

import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from ecitizen.algorithms import KeyAlgorithm
from pki.addresses import crl_path, delta_path
from pki.path import Verdict, validate
from pki.pem import pem
from pki.status import RevocationReason
from pki.store import shard_of
from tests.unit.registered import CARD, DAY, HOUR, MOMENT, Registered, registered, serial_of

KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]
Verify = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "www"


@pytest.fixture
def openssl(foreign_program: Callable[[str], str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = foreign_program("openssl")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def verify(openssl: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> Verify:
    """Ask openssl verify with these lists; `OK`, or what it complains of."""

    def ask(authorities: Registered, certificate: bytes, crls: list[bytes], moment: datetime = MOMENT) -> str:
        write(tmp_path / "root.pem", authorities.root.certificate)
        write(tmp_path / "persons.pem", authorities.persons.certificate)
        write(tmp_path / "leaf.pem", certificate)
        (tmp_path / "crls.pem").write_bytes(b"".join(pem(crl, "X509 CRL") for crl in crls))
        done = openssl(
            *("verify", "-x509_strict", "-crl_check_all", "-extended_crl", "-use_deltas", "-policy_check"),
            *("-policy", "2.5.29.32.0", "-attime", str(int(moment.timestamp()))),
            *("-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "persons.pem"),
            *("-CRLfile", tmp_path / "crls.pem", tmp_path / "leaf.pem"),
        )
        if done.returncode == 0:
            return "OK"
        return next(line.split("lookup: ")[-1] for line in done.stderr.splitlines() if line.startswith("error "))

    return ask


def write(path: Path, certificate: bytes) -> None:
    path.write_bytes(pem(certificate, "CERTIFICATE"))


def all_lists(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("crl/*.crl"))]


def lists_of(folder: Path, authority: str, shard: int) -> list[bytes]:
    return [(folder / path(authority, shard)[1:]).read_bytes() for path in (crl_path, delta_path)]


def ours(authorities: Registered, certificate: bytes, crls: list[bytes], moment: datetime = MOMENT) -> Verdict:
    anchors, others = [authorities.root.certificate], [authorities.persons.certificate]
    return validate(certificate, anchors=anchors, others=others, crls=crls, moment=moment).verdict


@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_certificate_is_refused_and_a_good_one_passes(
    verify: Verify, folder: Path, kind: KeyAlgorithm
) -> None:
    authorities = registered(kind=kind)
    good, bad = authorities.card(), authorities.card()
    authorities.store.revoke("persons", serial_of(bad), RevocationReason.KEY_COMPROMISE, MOMENT - HOUR)
    for name in ("root", "persons"):
        authorities.publisher(folder, name).publish(MOMENT - HOUR)
    lists = all_lists(folder)
    assert verify(authorities, good, lists) == "OK"
    assert "certificate revoked" in verify(authorities, bad, lists)
    assert ours(authorities, good, lists) is Verdict.VALID
    assert ours(authorities, bad, lists) is Verdict.REVOKED


def test_a_delta_list_tells_what_the_full_one_does_not_know(verify: Verify, folder: Path) -> None:
    authorities = registered()
    held, revoked, good = (authorities.card() for _ in range(3))
    authorities.store.suspend("persons", serial_of(held), MOMENT - 5 * HOUR)
    authorities.publisher(folder, "root").publish(MOMENT - 4 * HOUR)
    publisher = authorities.publisher(folder)
    publisher.publish(MOMENT - 4 * HOUR)
    for judge in (verify, ours):
        assert judge(authorities, held, all_lists(folder)) != judge(authorities, good, all_lists(folder))
    authorities.store.revoke("persons", serial_of(revoked), RevocationReason.SUPERSEDED, MOMENT - 3 * HOUR)
    authorities.store.reinstate("persons", serial_of(held), MOMENT - 3 * HOUR)
    assert verify(authorities, revoked, all_lists(folder)) == "OK"  # nobody has been told yet
    [delta] = publisher.publish(MOMENT - 2 * HOUR)
    assert delta.delta
    assert delta.entries == 2
    lists = all_lists(folder)
    assert "certificate revoked" in verify(authorities, revoked, lists)
    assert verify(authorities, held, lists) == "OK"
    assert verify(authorities, good, lists) == "OK"
    assert ours(authorities, revoked, lists) is Verdict.REVOKED
    assert ours(authorities, held, lists) is Verdict.VALID


def test_every_certificate_is_on_the_list_that_it_names(verify: Verify, folder: Path) -> None:
    authorities = registered(crl_shards=4)
    by_shard: dict[int, bytes] = {}
    while len(by_shard) < 4:
        certificate = authorities.card()
        by_shard.setdefault(shard_of(serial_of(certificate), 4), certificate)
    authorities.store.revoke_card(CARD, RevocationReason.KEY_COMPROMISE, MOMENT - HOUR)
    for name in ("root", "persons"):
        authorities.publisher(folder, name).publish(MOMENT - HOUR)
    root = lists_of(folder, "root", 0)
    for shard, certificate in by_shard.items():
        own, other = (lists_of(folder, "persons", each % 4) for each in (shard, shard + 1))
        assert "certificate revoked" in verify(authorities, certificate, root + own)
        assert "CRL scope" in verify(authorities, certificate, root + other)
        assert ours(authorities, certificate, root + own) is Verdict.REVOKED
        assert ours(authorities, certificate, root + other) is Verdict.CANNOT_TELL


def test_lists_that_ran_out_prove_nothing(verify: Verify, folder: Path) -> None:
    authorities = registered()
    good = authorities.card()
    for name in ("root", "persons"):
        authorities.publisher(folder, name).publish(MOMENT)
    late = MOMENT + 8 * DAY
    assert "CRL has expired" in verify(authorities, good, all_lists(folder), late)
    assert ours(authorities, good, all_lists(folder), late) is Verdict.CANNOT_TELL


def test_an_authority_is_revoked_by_its_root(verify: Verify, folder: Path) -> None:
    authorities = registered()
    card = authorities.card()
    authorities.store.revoke(
        "root", serial_of(authorities.persons.certificate), RevocationReason.CESSATION_OF_OPERATION, MOMENT - HOUR
    )
    for name in ("root", "persons"):
        authorities.publisher(folder, name).publish(MOMENT - HOUR)
    assert "certificate revoked" in verify(authorities, card, all_lists(folder))
    assert ours(authorities, card, all_lists(folder)) is Verdict.REVOKED


def test_openssl_reads_every_field_of_a_list(
    openssl: Callable[..., subprocess.CompletedProcess[str]], folder: Path, tmp_path: Path
) -> None:
    authorities = registered()
    certificates = [authorities.card() for _ in RevocationReason]
    for reason, certificate in zip(RevocationReason, certificates, strict=True):
        if reason is not RevocationReason.REMOVE_FROM_CRL:
            authorities.store.revoke("persons", serial_of(certificate), reason, MOMENT)
    full, delta = authorities.publisher(folder).publish(MOMENT)
    write(tmp_path / "persons.pem", authorities.persons.certificate)
    shown = openssl("crl", "-inform", "DER", "-in", full.path, "-text", "-noout", "-CAfile", tmp_path / "persons.pem")
    assert "verify OK" in shown.stderr
    for text in ("Key Compromise", "CA Compromise", "Certificate Hold", "Privilege Withdrawn", "AA Compromise"):
        assert text in shown.stdout
    assert shown.stdout.count("Serial Number: ") == len(certificates) - 1
    assert shown.stdout.count("CRL Reason Code") == len(certificates) - 2  # unspecified is not written
    assert "URI:http://pki.example.go.th/crl/persons-0-delta.crl" in shown.stdout
    assert "X509v3 Issuing Distribution Point: critical" in shown.stdout
    shown = openssl("crl", "-inform", "DER", "-in", delta.path, "-text", "-noout", "-CAfile", tmp_path / "persons.pem")
    assert "X509v3 Delta CRL Indicator: critical" in shown.stdout
    assert "Freshest CRL" not in shown.stdout
