"""Cards by the authorities of a folder, as `ecitizen ca init` makes it: certified, sealed, revoked, and asked twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509

from cardapps.card_authorities import FolderAuthorities
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import CertificateRequest, Signer
from ecitizen.secret import KeyBytes
from ecitizen.usecases.change_card import retire_card
from ecitizen.usecases.issue_card import issue_card
from pki.hierarchy import FolderActs, Hierarchy, create, new_folder
from pki.key_source import KeySource
from pki.keys import generate_key, public_key_info
from pki.plan import Plan, standard_plan
from pki.status import CertificateState
from tests.issuing_desk import MOMENT, SERIAL, Desk, blank_card, order_for, session_with

NAME = SERIAL.hex().upper()
APPLICATIONS = {
    "citizen_id": "interior",
    "health_insurance": "health",
    "civil_servant": "civil-service",
    "card_admin": "interior",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeySource]:
    folder = tmp_path_factory.mktemp("production")
    passphrase = KeyBytes(b"a passphrase for tests")
    with KeySource(folder / "ca" / "keys", passphrase=lambda _: passphrase, pin=lambda _: passphrase) as found:
        yield found


@pytest.fixture(scope="module")
def folder(keys: KeySource) -> Iterator[Hierarchy]:
    place = keys.folder.parent
    plan = Plan.parse(standard_plan(), base_uri="http://pki.example.go.th")
    new_folder(place)
    create(place, standard_plan(), plan, FolderActs(keys, plan, folder=place, clock=lambda: MOMENT - timedelta(days=1)))
    with Hierarchy.open(place, keys) as opened:
        yield opened


@pytest.fixture(scope="module")
def authorities(folder: Hierarchy, keys: KeySource) -> FolderAuthorities:
    found = FolderAuthorities(folder, keys)
    assert found.applications == frozenset()
    made = found.make_document_signers(MOMENT)
    assert {record.authority for record in made} == set(APPLICATIONS.values())
    assert found.make_document_signers(MOMENT) == ()
    return found


def test_a_card_of_real_authorities(folder: Hierarchy, authorities: FolderAuthorities) -> None:
    image, desk = blank_card(), Desk(authorities)
    with session_with(image) as session:
        done = issue_card(session, order_for("wanida"), desk.office, deliver=desk.deliver, moment=MOMENT)
    sealed = {plan.name for plan in done.plan.applications if plan.sealed}
    assert sealed == set(APPLICATIONS)
    records = folder.store.certificates_of_card(NAME)
    assert sorted(record.profile for record in records) == [
        "application_card_admin",
        "application_citizen_id",
        "application_civil_servant",
        "application_health_insurance",
        "authentication",
        "card_authentication",
        "key_management",
        "signature",
    ]
    assert {record.application for record in records} == {*APPLICATIONS, "piv"}
    for record in records:
        authority = x509.load_der_x509_certificate(folder.store.authority(record.authority).certificate)
        x509.load_der_x509_certificate(record.certificate).verify_directly_issued_by(authority)
    with session_with(image) as session:
        assert retire_card(session, desk.office, moment=MOMENT).revoked == len(records)
    states = {folder.store.status(record.authority, record.serial).state for record in records}
    assert states == {CertificateState.REVOKED}


def test_each_key_is_opened_once(folder: Hierarchy, keys: KeySource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a passphrase that takes a good part of the time that a card needs."""
    opened: list[str] = []
    secrets: list[KeyBytes] = []
    load, load_secret = keys.open, keys.open_secret

    def counting(reference: str) -> Signer:
        opened.append(reference)
        return load(reference)

    def counting_secret(reference: str) -> KeyBytes:
        secrets.append(load_secret(reference))
        return secrets[-1]

    monkeypatch.setattr(keys, "open", counting)
    monkeypatch.setattr(keys, "open_secret", counting_secret)
    with FolderAuthorities(folder, keys) as authorities:
        authorities.make_document_signers(MOMENT)
        opened.clear()
        desk = Desk(authorities)
        with session_with(blank_card(serial=bytes(7) + b"\x01")) as session:
            issue_card(session, order_for("wanida"), desk.office, deliver=desk.deliver, moment=MOMENT)
        assert len(opened) == len(set(opened)) == 8  # four authorities, four document signers
        assert all(any(each.reveal()) for each in secrets)
    assert not any(any(each.reveal()) for each in secrets)


def test_asked_again_it_is_the_same_certificate(folder: Hierarchy, authorities: FolderAuthorities) -> None:
    one, other = (public_key_info(generate_key(KeyAlgorithm.P_256)) for _ in range(2))
    request = CertificateRequest("card_authentication", one, card_serial="AA")
    first = authorities.certify("piv", request, MOMENT)
    assert authorities.certify("piv", request, MOMENT + timedelta(hours=1)) == first
    for different in (
        CertificateRequest("card_authentication", other, card_serial="AA"),
        CertificateRequest("card_authentication", one, card_serial="AB"),
    ):
        assert authorities.certify("piv", different, MOMENT) != first
    assert authorities.application_certificate("citizen_id", one, "AA", MOMENT) != first
    assert authorities.revoke_others("AA", [first], MOMENT) == 2
    assert authorities.revoke_others("AA", [first], MOMENT) == 0
    assert authorities.certify("piv", request, MOMENT) == first
    assert authorities.revoke_card("AA", MOMENT) == 1
    assert authorities.certify("piv", request, MOMENT) != first  # that one is no longer good
    assert authorities.revoke_card("nobody's", MOMENT) == 0


def test_what_no_authority_does(authorities: FolderAuthorities) -> None:
    request = CertificateRequest("card_authentication", b"", card_serial="AA")
    assert authorities.check(request, KeyAlgorithm.P_256) is None
    assert "not for keys of the kind x25519" in str(authorities.check(request, KeyAlgorithm.X25519))
    for wrong in ("attestation", "no such profile"):
        assert authorities.check(CertificateRequest(wrong, b""), KeyAlgorithm.P_256)
    assert authorities.check(CertificateRequest("card_authentication", b"", card_serial=" "), KeyAlgorithm.P_256)
    with pytest.raises(UsageError):
        authorities.seal("farmer", order_for("wanida").applications["card_admin"], b"", SERIAL, MOMENT)
