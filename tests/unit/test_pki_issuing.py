from datetime import UTC, datetime
from itertools import cycle

import pytest
from cryptography import x509

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import CertificateIssuer
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.certificates import load_certificate
from pki.errors import RequestRejected, SerialTaken
from pki.issuing import IssuingAuthority
from pki.keys import FileSigner, generate_key
from pki.oids import PURPOSES
from pki.requests import certification_request
from pki.status import CertificateState
from pki.store import AuthorityRecord, Store
from tests.unit.registered import (
    BASE_URI,
    CARD,
    DAY,
    MOMENT,
    PUBLIC_KEYS,
    Registered,
    card_request,
    person_request,
    registered,
    serial_of,
)

KEY = PUBLIC_KEYS[KeyAlgorithm.P_256]


@pytest.fixture
def authorities() -> Registered:
    return registered()


def test_it_is_an_issuer(authorities: Registered) -> None:
    issuer: CertificateIssuer = authorities.persons
    certificate = issuer.issue(person_request())
    assert load_certificate(certificate).issuer == load_certificate(issuer.certificate).subject


def test_what_is_issued_is_recorded_before_it_leaves(authorities: Registered) -> None:
    for certificate, profile, application in (
        (authorities.persons.issue(person_request(), moment=MOMENT), "authentication", "piv"),
        (authorities.persons.issue(card_request(profile="application_citizen_id"), moment=MOMENT),
         "application_citizen_id", "citizen_id"),
        (authorities.persons.issue_service(KEY, "Responder", profile="ocsp", moment=MOMENT), "ocsp", None),
    ):  # fmt: skip
        record = authorities.store.certificate("persons", serial_of(certificate))
        assert (record.certificate, record.profile, record.application) == (certificate, profile, application)


def test_the_authority_below_is_recorded_too(authorities: Registered) -> None:
    record = authorities.store.certificate("root", serial_of(authorities.persons.certificate))
    assert (record.profile, record.certificate) == ("issuing_authority", authorities.persons.certificate)


def test_a_request_is_enough(authorities: Registered) -> None:
    signer = FileSigner(generate_key(KeyAlgorithm.P_256))
    csr = certification_request(signer, "CN=Whoever")
    certificate = authorities.persons.issue_from_csr(csr, "card_authentication", card_serial=CARD, moment=MOMENT)
    assert authorities.store.certificate("persons", serial_of(certificate)).card_serial == CARD
    assert b"Whoever" not in certificate


def test_many_are_issued_together_or_not_at_all(authorities: Registered) -> None:
    issued = authorities.persons.issue_many([card_request() for _ in range(5)], moment=MOMENT)
    assert [each.certificate for each in authorities.store.certificates_of_card(CARD)] == issued
    requests = [card_request("ONE"), card_request("TWO", profile="nothing")]
    with pytest.raises(RequestRejected):
        authorities.persons.issue_many(requests, moment=MOMENT)
    count = authorities.store._connection.execute("SELECT count(*) FROM certificate WHERE card_serial = 'ONE'")
    assert count.fetchone() == (0,)


def test_a_serial_number_never_leaves_twice() -> None:
    store = Store.in_memory()
    signer = FileSigner(generate_key(KeyAlgorithm.P_256))
    numbers = cycle([4711])
    root = Authority.establish(signer, "Root", pseudonym_key=KeyBytes(bytes(16)), serial_numbers=lambda: next(numbers))
    store.add_authority(AuthorityRecord("root", root.certificate, "file:root.pem", BASE_URI))
    issuing = IssuingAuthority(store, "root", root)
    first = issuing.issue_authority(KEY, "First")
    with pytest.raises(SerialTaken):
        issuing.issue_authority(KEY, "Second")
    assert store.certificate("root", 4711).certificate == first


def test_an_authority_keeps_to_its_profiles() -> None:
    authorities = registered(profiles=("card_authentication", "ocsp"))
    authorities.card()
    with pytest.raises(RequestRejected, match="does not issue"):
        authorities.persons.issue(person_request())
    with pytest.raises(RequestRejected, match="does not issue"):
        authorities.persons.issue_service(KEY, "TSA", profile="timestamp")
    with pytest.raises(RequestRejected, match="does not issue"):
        authorities.persons.issue_from_csr(b"", "signature")
    with pytest.raises(RequestRejected, match="does not issue"):
        authorities.persons.issue_authority(KEY, "Below")


def test_the_key_must_be_the_one_of_the_register(authorities: Registered) -> None:
    with pytest.raises(UsageError, match="another certificate"):
        IssuingAuthority(authorities.store, "persons", Authority.self_signed("Other"))


def test_a_responder_points_nowhere_and_need_not_be_checked(authorities: Registered) -> None:
    der = authorities.persons.issue_service(KEY, "Persons OCSP", profile="ocsp", organisation="Ministry", moment=MOMENT)
    certificate = load_certificate(der)
    kinds = {type(extension.value) for extension in certificate.extensions}
    assert x509.OCSPNoCheck in kinds
    assert not kinds & {x509.CRLDistributionPoints, x509.FreshestCRL, x509.AuthorityInformationAccess}
    assert certificate.not_valid_after_utc - MOMENT == 60 * DAY
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid.dotted_string for oid in usage] == [PURPOSES["ocsp_signing"]]


def test_a_web_server_has_its_names(authorities: Registered) -> None:
    names = ("desk.example.go.th", "desk")
    der = authorities.persons.issue_service(KEY, "Desk", profile="desk_tls", dns_names=names, moment=MOMENT)
    found = load_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == list(names)


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ("desk_tls", ()),
        ("ocsp", ("desk.example",)),
        ("desk_tls", ("Desk.example",)),
        ("desk_tls", ("-desk.example",)),
        ("desk_tls", ("ก.example",)),
        ("desk_tls", ("a" * 64,)),
        ("desk_tls", ("*.example.go.th",)),
        ("authentication", ()),
        ("nothing", ()),
    ],
)
def test_a_service_that_can_not_be_is_refused(authorities: Registered, profile: str, names: tuple[str, ...]) -> None:
    with pytest.raises(RequestRejected):
        authorities.persons.issue_service(KEY, "Service", profile=profile, dns_names=names, moment=MOMENT)


@pytest.mark.parametrize("profile", ["ocsp", "issuing_authority"])
def test_a_service_is_no_person(authorities: Registered, profile: str) -> None:
    with pytest.raises(RequestRejected, match="neither person nor card"):
        authorities.persons.issue(person_request(profile))


def test_a_plain_authority_points_nowhere() -> None:
    certificate = load_certificate(Authority.self_signed("Root").issue(card_request()))
    assert not any(isinstance(each.value, x509.CRLDistributionPoints) for each in certificate.extensions)


def test_a_certificate_is_good_until_somebody_says_otherwise(authorities: Registered) -> None:
    certificate = authorities.persons.issue(card_request(), moment=datetime(2026, 11, 22, tzinfo=UTC))
    assert authorities.store.status("persons", serial_of(certificate)).state is CertificateState.GOOD
