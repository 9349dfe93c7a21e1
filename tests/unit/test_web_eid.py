"""Sign-in by card: tokens of ours, a published token of another country's card, and everything a server must refuse."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.errors import EcitizenError, UsageError
from pki.errors import Malformed, SignatureInvalid, StoreFailed
from pki.keys import FileSigner
from pki.oids import PURPOSES
from pki.strict_json import from_base64, to_base64
from pki.token_errors import TokenProblem, TokenRefused
from pki.trust import TrustStore
from pki.web_eid import (
    FORMAT,
    MOBILE_POLICIES,
    SignIn,
    WebEidValidator,
    check_origin,
    check_signature,
    read_token,
    reason,
    sign_in,
)
from pki.web_eid_nonces import FileNonces, MemoryNonces, NonceStore, new_nonce
from tests.signing_people import SIGNING, Counting, SigningPeople
from tests.unit.small_pki import MOMENT, Party

P = TokenProblem
ORIGIN = "https://service.example.go.th"
SESSION = "a browser's session"
CLIENT = x509.ExtendedKeyUsage([x509.ObjectIdentifier(PURPOSES["client_authentication"])])

# A token by a test card of Estonia, as the official validators' tests have it
# (web-eid/web-eid-authtoken-validation-php, tests/testutil/AbstractTestWithValidator.php). The person is invented.
ESTONIAN_ORIGIN = "https://ria.ee"
ESTONIAN_NONCE = "12345678123456781234567812345678912356789123"
ESTONIAN = {
    "algorithm": "ES384",
    "unverifiedCertificate": (
        "MIIEBDCCA2WgAwIBAgIQY5OGshxoPMFg+Wfc0gFEaTAKBggqhkjOPQQDBDBgMQswCQYDVQQGEwJFRTEbMBkGA1UECgwSU0sgSUQgU29s"
        "dXRpb25zIEFTMRcwFQYDVQRhDA5OVFJFRS0xMDc0NzAxMzEbMBkGA1UEAwwSVEVTVCBvZiBFU1RFSUQyMDE4MB4XDTIxMDcyMjEyNDMw"
        "OFoXDTI2MDcwOTIxNTk1OVowfzELMAkGA1UEBhMCRUUxKjAoBgNVBAMMIUrDlUVPUkcsSkFBSy1LUklTVEpBTiwzODAwMTA4NTcxODEQ"
        "MA4GA1UEBAwHSsOVRU9SRzEWMBQGA1UEKgwNSkFBSy1LUklTVEpBTjEaMBgGA1UEBRMRUE5PRUUtMzgwMDEwODU3MTgwdjAQBgcqhkjO"
        "PQIBBgUrgQQAIgNiAAQmwEKsJTjaMHSaZj19hb9EJaJlwbKc5VFzmlGMFSJVk4dDy+eUxa5KOA7tWXqzcmhh5SYdv+MxcaQKlKWLMa36"
        "pfgv20FpEDb03GCtLqjLTRZ7649PugAQ5EmAqIic29CjggHDMIIBvzAJBgNVHRMEAjAAMA4GA1UdDwEB/wQEAwIDiDBHBgNVHSAEQDA+"
        "MDIGCysGAQQBg5EhAQIBMCMwIQYIKwYBBQUHAgEWFWh0dHBzOi8vd3d3LnNrLmVlL0NQUzAIBgYEAI96AQIwHwYDVR0RBBgwFoEUMzgw"
        "MDEwODU3MThAZWVzdGkuZWUwHQYDVR0OBBYEFPlp/ceABC52itoqppEmbf71TJz6MGEGCCsGAQUFBwEDBFUwUzBRBgYEAI5GAQUwRzBF"
        "Fj9odHRwczovL3NrLmVlL2VuL3JlcG9zaXRvcnkvY29uZGl0aW9ucy1mb3ItdXNlLW9mLWNlcnRpZmljYXRlcy8TAkVOMCAGA1UdJQEB"
        "/wQWMBQGCCsGAQUFBwMCBggrBgEFBQcDBDAfBgNVHSMEGDAWgBTAhJkpxE6fOwI09pnhClYACCk+ezBzBggrBgEFBQcBAQRnMGUwLAYI"
        "KwYBBQUHMAGGIGh0dHA6Ly9haWEuZGVtby5zay5lZS9lc3RlaWQyMDE4MDUGCCsGAQUFBzAChilodHRwOi8vYy5zay5lZS9UZXN0X29m"
        "X0VTVEVJRDIwMTguZGVyLmNydDAKBggqhkjOPQQDBAOBjAAwgYgCQgDCAgybz0u3W+tGI+AX+PiI5CrE9ptEHO5eezR1Jo4j7iGaO0i3"
        "9xTGUB+NSC7P6AQbyE/ywqJjA1a62jTLcS9GHAJCARxN4NO4eVdWU3zVohCXm8WN3DWA7XUcn9TZiLGQ29P4xfQZOXJi/z4PNRRsR4pl"
        "vSNB3dfyBvZn31HhC7my8woi"
    ),
    "appVersion": "https://web-eid.eu/web-eid-app/releases/2.5.0+0",
    "signature": (
        "0Ov7ME6pTY1K2GXMj8Wxov/o2fGIMEds8OMY5dKdkB0nrqQX7fG1E5mnsbvyHpMDecMUH6Yg+p1HXdgB/lLqOcFZjt/OVXPjAAApC5d1"
        "YgRYATDcxsR1zqQwiNcHdmWn"
    ),
    "format": "web-eid:1.0",
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def trust(people: SigningPeople) -> TrustStore:
    store = people.trust(MOMENT)
    (store.directory / "issuers").mkdir()
    (store.directory / "issuers" / "authority.cer").write_bytes(people.authority.der)
    return TrustStore.open(store.directory)


@pytest.fixture(scope="module")
def holder(people: SigningPeople) -> Party:
    return people.authority.issue("Somchai", extensions=[(CLIENT, False)])


class Server:
    """A server with a challenge for the session, and a browser with a card."""

    def __init__(self, trust: TrustStore, nonces: NonceStore | None = None, **settings: Any) -> None:
        self.validator = WebEidValidator(ORIGIN, trust, nonces or MemoryNonces(), **settings)
        self.nonce = self.validator.challenge(SESSION, MOMENT)

    def answered(self, who: Party, **settings: Any) -> str:
        return sign_in(FileSigner(who.key), who.der, ORIGIN, self.nonce, **settings)

    def validate(self, token: str | bytes, moment: datetime = MOMENT, session: str = SESSION) -> SignIn:
        return self.validator.validate(token, session, moment)


def refused(problem: TokenProblem) -> Any:
    return pytest.raises(TokenRefused, check=lambda error: error.problem is problem)


# As it should be


def test_a_card_signs_in(trust: TrustStore, holder: Party) -> None:
    server = Server(trust)
    token = server.answered(holder)
    assert list(json.loads(token)) == ["unverifiedCertificate", "algorithm", "signature", "format", "appVersion"]
    assert json.loads(token)["format"] == FORMAT
    who = server.validate(token)
    assert (who.subject.name_en, who.origin, who.moment) == ("Somchai", ORIGIN, MOMENT)
    assert who.path.chain[0] == holder.der


def test_the_key_is_used_once(holder: Party) -> None:
    key = Counting(FileSigner(holder.key))
    told: list[bytes] = []
    sign_in(key, holder.der, ORIGIN, new_nonce(), show=lambda digest, _: told.append(digest))
    assert (key.used, len(told)) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (KeyAlgorithm.P_256, ["ES256"]),
        (KeyAlgorithm.P_384, ["ES384"]),
        (KeyAlgorithm.RSA_2048, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ],
)
def test_each_algorithm(people: SigningPeople, kind: KeyAlgorithm, names: list[str]) -> None:
    signer = people.certified(kind)
    assert signer.certificate is not None
    nonce = new_nonce()
    for name in names:
        token = read_token(sign_in(signer, signer.certificate, ORIGIN, nonce, algorithm=name))
        assert token.algorithm == name
        check_signature(token, ORIGIN, nonce)
        for origin, other in ((ORIGIN + ".evil.example", nonce), (ORIGIN, new_nonce()), (nonce, ORIGIN)):
            with pytest.raises(SignatureInvalid):
                check_signature(token, origin, other)


def test_a_published_token_of_another_country_holds() -> None:
    token = read_token(json.dumps(ESTONIAN))
    check_signature(token, ESTONIAN_ORIGIN, ESTONIAN_NONCE)
    for origin, nonce in ((ORIGIN, ESTONIAN_NONCE), (ESTONIAN_ORIGIN, ESTONIAN_NONCE[:-1] + "4")):
        with pytest.raises(SignatureInvalid):
            check_signature(token, origin, nonce)


def test_a_published_token_of_another_country_needs_its_root(trust: TrustStore) -> None:
    moment = datetime.fromisoformat("2024-01-01T00:00:00Z")
    nonces = MemoryNonces()
    nonces.put(SESSION, ESTONIAN_NONCE, moment + timedelta(minutes=5), moment)
    with refused(P.UNTRUSTED):
        WebEidValidator(ESTONIAN_ORIGIN, trust, nonces).validate(json.dumps(ESTONIAN), SESSION, moment)


@pytest.mark.parametrize("change", [{"format": "web-eid:1"}, {"format": "web-eid:1.1"}, {"new": [1]}], ids=str)
def test_later_minor_versions(trust: TrustStore, holder: Party, change: dict[str, Any]) -> None:
    server = Server(trust)
    assert server.validate(json.dumps({**json.loads(server.answered(holder)), **change})).origin == ORIGIN


def test_the_program_s_version_is_not_needed(trust: TrustStore, holder: Party) -> None:
    server = Server(trust)
    token = json.loads(server.answered(holder))
    del token["appVersion"]
    assert server.validate(json.dumps(token).encode()).origin == ORIGIN


# Challenges


@pytest.fixture(params=["memory", "file"])
def nonces(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[NonceStore]:
    if request.param == "memory":
        yield MemoryNonces()
    else:
        with FileNonces.open(tmp_path / "nonces") as store:
            yield store


def test_a_challenge_is_good_once(trust: TrustStore, holder: Party, nonces: NonceStore) -> None:
    server = Server(trust, nonces)
    token = server.answered(holder)
    assert server.validate(token).origin == ORIGIN
    with refused(P.NONCE_UNKNOWN):
        server.validate(token)


def test_a_wrong_answer_uses_the_challenge_up(trust: TrustStore, holder: Party, nonces: NonceStore) -> None:
    server = Server(trust, nonces)
    with pytest.raises(Malformed):
        server.validate("{}")
    with refused(P.NONCE_UNKNOWN):
        server.validate(server.answered(holder))


def test_a_challenge_is_of_one_session(trust: TrustStore, holder: Party, nonces: NonceStore) -> None:
    server = Server(trust, nonces)
    with refused(P.NONCE_UNKNOWN):
        server.validate(server.answered(holder), session="another")
    server.validator.challenge("another", MOMENT)
    with pytest.raises(SignatureInvalid):
        server.validate(server.answered(holder), session="another")
    assert server.validate(server.answered(holder)).origin == ORIGIN


@pytest.mark.parametrize(("after", "good"), [(timedelta(seconds=299), True), (timedelta(seconds=300), False)])
def test_a_challenge_is_good_for_five_minutes(
    trust: TrustStore, holder: Party, nonces: NonceStore, after: timedelta, good: bool
) -> None:
    server = Server(trust, nonces)
    if good:
        assert server.validate(server.answered(holder), MOMENT + after).moment == MOMENT + after
    else:
        with refused(P.NONCE_UNKNOWN):
            server.validate(server.answered(holder), MOMENT + after)


def test_a_new_challenge_takes_the_old_one_s_place(trust: TrustStore, holder: Party, nonces: NonceStore) -> None:
    server = Server(trust, nonces)
    server.validator.challenge(SESSION, MOMENT)
    with pytest.raises(SignatureInvalid):
        server.validate(server.answered(holder))


def test_challenges_are_long_random_and_forgotten(tmp_path: Path) -> None:
    assert len({new_nonce() for _ in range(10)}) == 10
    assert len(from_base64(new_nonce())) == 32
    assert len(new_nonce()) == 44
    with FileNonces.open(tmp_path / "nonces") as one:
        one.put("a", "n", MOMENT + timedelta(minutes=5), MOMENT)
        one.put("b", "m", MOMENT + timedelta(minutes=15), MOMENT + timedelta(minutes=10))
    with FileNonces.open(tmp_path / "nonces") as two, two.transaction() as connection:
        assert [row[0] for row in connection.execute("SELECT nonce FROM nonce")] == ["m"]
    assert (tmp_path / "nonces").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreFailed):
        FileNonces.open(tmp_path)


def test_memory_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pki.web_eid_nonces._SESSIONS_MAX", 3)
    memory, until = MemoryNonces(), MOMENT + timedelta(minutes=5)
    for session in "abcd":
        memory.put(session, session, until, MOMENT)
    assert [memory.take(session, MOMENT) for session in "abcd"] == [None, "b", "c", "d"]
    for session in "abc":
        memory.put(session, session, until, MOMENT)
    memory.put("d", "d", until + timedelta(minutes=5), until)
    assert [memory.take(session, MOMENT) for session in "abcd"] == [None, None, None, "d"]


# Origins and nonces


@pytest.mark.parametrize(
    "origin",
    [
        ORIGIN,
        "https://localhost",
        "https://host:8443",
        "https://[2001:db8::1]",
        "https://xn--12c1fe0br.th",
        "https://10.0.0.1:1",
    ],
)
def test_origins_as_browsers_write_them(origin: str) -> None:
    assert check_origin(origin) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "http://service.example.go.th",
        "https://",
        ORIGIN + "/",
        ORIGIN + "/path",
        ORIGIN + "?a",
        ORIGIN + "#a",
        ORIGIN + ":",
        ORIGIN + ":443",
        ORIGIN + ":0443",
        ORIGIN + ":65536",
        ORIGIN + ".",
        ORIGIN + " ",
        ORIGIN + "\n",
        "https://Service.example",
        "HTTPS://service.example",
        "https://user@service.example",
        "https://a..b",
        "https://-a.b",
        "https://ไทย.th",
        "https://" + "a." * 130 + "b",
        "https://*.example",
    ],
)
def test_origins_that_are_none(trust: TrustStore, holder: Party, origin: str) -> None:
    with pytest.raises(UsageError, match="origin"):
        check_origin(origin)
    with pytest.raises(UsageError):
        WebEidValidator(origin, trust, MemoryNonces())
    with pytest.raises(UsageError):
        sign_in(FileSigner(holder.key), holder.der, origin, new_nonce())


@pytest.mark.parametrize("nonce", ["", "A" * 43, "A" * 129, "A" * 43 + " ", "ก" * 44, "=" * 44, "A" * 44 + "\n"])
def test_nonces_that_no_card_signs(holder: Party, nonce: str) -> None:
    with pytest.raises(UsageError, match="challenge"):
        sign_in(FileSigner(holder.key), holder.der, ORIGIN, nonce)


def test_what_can_t_sign_in(holder: Party, people: SigningPeople) -> None:
    with pytest.raises(UsageError, match="not for this key"):
        sign_in(people.signer, holder.der, ORIGIN, new_nonce())
    signer = people.certified(KeyAlgorithm.ED25519)
    assert signer.certificate is not None
    with pytest.raises(UsageError, match="Ed25519"):
        sign_in(signer, signer.certificate, ORIGIN, new_nonce())


def test_a_refusal_to_sign_uses_no_key(holder: Party) -> None:
    key = Counting(FileSigner(holder.key))

    def refuse(_digest: bytes, _algorithm: HashAlgorithm) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        sign_in(key, holder.der, ORIGIN, new_nonce(), show=refuse)
    assert key.used == 0


# Tokens that are none


@pytest.mark.parametrize(
    "change",
    [
        {"format": "web-eid:2.0"},
        {"format": "web-eid:10"},
        {"format": "web-eid:1."},
        {"format": "web-eid:1.0\n"},
        {"format": None},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"algorithm": "EdDSA"},
        {"algorithm": ["ES256"]},
        {"unverifiedCertificate": "AAAA"},
        {"unverifiedCertificate": ""},
        {"unverifiedCertificate": None},
        {"unverifiedCertificate": "MIIB-_"},
        {"signature": "A"},
        {"signature": None},
        {"appVersion": 2},
        {"more": "x" * 10_000},
    ],
    ids=lambda each: str(each)[:40],
)
def test_tokens_that_are_none(trust: TrustStore, holder: Party, change: dict[str, Any]) -> None:
    server = Server(trust)
    token = {**json.loads(server.answered(holder)), **change}
    with pytest.raises(Malformed):
        server.validate(json.dumps(token))


def test_a_member_that_stands_twice(trust: TrustStore, holder: Party) -> None:
    server = Server(trust)
    token = server.answered(holder)
    with pytest.raises(Malformed):
        server.validate(token[:-1] + ',"format":"web-eid:1.0"}')


@pytest.mark.parametrize("name", ["RS256", "ES384", "PS256"])
def test_an_algorithm_of_another_key(trust: TrustStore, holder: Party, name: str) -> None:
    server = Server(trust)
    token = {**json.loads(server.answered(holder)), "algorithm": name}
    with pytest.raises(SignatureInvalid):
        server.validate(json.dumps(token))


def test_another_person_s_certificate(trust: TrustStore, people: SigningPeople, holder: Party) -> None:
    server = Server(trust)
    other = people.authority.issue("Other", extensions=[(CLIENT, False)])
    token = {**json.loads(server.answered(holder)), "unverifiedCertificate": to_base64(other.der)}
    with pytest.raises(SignatureInvalid):
        server.validate(json.dumps(token))


# Certificates that will not do


def policies(*oids: str) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in oids]), False


def purposes(*names: str) -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(PURPOSES[each]) for each in names]), False


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        ([], None),  # no purposes, as on Belgian cards: the key usage says enough
        ([purposes("email_protection", "client_authentication")], None),
        ([(CLIENT, False), policies("1.3.6.1.4.1.51361.1.2.1")], None),
        ([(CLIENT, False), policies("1.3.6.1.4.1.10015.1.30")], None),
        ([purposes("email_protection")], P.PURPOSE),
        ([purposes("piv_card_authentication")], P.PURPOSE),
        ([(x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")]), False)], P.PURPOSE),
        *(([(CLIENT, False), policies("1.2.3", each)], P.POLICY) for each in MOBILE_POLICIES),
        ([(CLIENT, False), policies("1.3.6.1.4.1.10015.1.3.1")], P.POLICY),
    ],
    ids=lambda each: None if isinstance(each, list) else str(each),
)
def test_certificates_by_purpose_and_policy(
    trust: TrustStore, people: SigningPeople, extensions: Any, problem: TokenProblem | None
) -> None:
    server = Server(trust)
    who = people.authority.issue("Somebody", extensions=extensions)
    if problem is None:
        assert server.validate(server.answered(who)).subject.name_en == "Somebody"
    else:
        with refused(problem):
            server.validate(server.answered(who))


def test_a_certificate_for_signatures_does_not_sign_in(trust: TrustStore, people: SigningPeople) -> None:
    server = Server(trust)
    assert SIGNING.content_commitment
    certificate = people.signer_party  # digitalSignature without purposes will do; with nonRepudiation it will not
    assert server.validate(server.answered(certificate)).origin == ORIGIN
    signer = people.certified(KeyAlgorithm.P_256)
    assert signer.certificate is not None
    nonce = server.validator.challenge(SESSION, MOMENT)
    with refused(P.PURPOSE):
        server.validate(sign_in(signer, signer.certificate, ORIGIN, nonce))


def test_policies_can_be_chosen(trust: TrustStore, people: SigningPeople) -> None:
    server = Server(trust, refused_policies=("1.2",))
    on_phone = people.authority.issue("Phone", extensions=[(CLIENT, False), policies(MOBILE_POLICIES[0])])
    assert server.validate(server.answered(on_phone)).origin == ORIGIN
    other = Server(trust, refused_policies=("1.2",))
    with refused(P.POLICY):
        other.validate(other.answered(people.authority.issue("A", extensions=[(CLIENT, False), policies("1.2.3")])))


def test_an_authority_s_key_does_not_sign_in(trust: TrustStore, people: SigningPeople) -> None:
    server = Server(trust)
    with refused(P.PURPOSE):
        server.validate(server.answered(people.authority))


def test_whom_the_server_does_not_trust(trust: TrustStore, tmp_path: Path) -> None:
    server = Server(trust)
    stranger = SigningPeople(tmp_path).authority.issue("Stranger", extensions=[(CLIENT, False)])
    with refused(P.UNTRUSTED):
        server.validate(server.answered(stranger))


def test_a_revoked_an_expired_and_an_unknown_certificate(tmp_path: Path) -> None:
    people = SigningPeople(tmp_path)
    good, lost = (people.authority.issue(name, extensions=[(CLIENT, False)]) for name in ("Good", "Lost"))
    old = people.authority.issue("Old", extensions=[(CLIENT, False)], not_after=MOMENT - timedelta(hours=1))
    people.revoked[lost.certificate.serial_number] = MOMENT - timedelta(hours=2)
    for at, who, problem in (
        (MOMENT, lost, P.REVOKED),
        (MOMENT, old, P.CERTIFICATE_EXPIRED),
        (MOMENT - timedelta(days=30), good, P.STATUS_UNKNOWN),
    ):
        store = people.trust(at)
        (store.directory / "issuers").mkdir(exist_ok=True)
        (store.directory / "issuers" / "authority.cer").write_bytes(people.authority.der)
        server = Server(TrustStore.open(store.directory))
        with refused(problem):
            server.validate(server.answered(who))


def test_what_a_server_lacks_is_fetched(people: SigningPeople, holder: Party) -> None:
    store = people.trust(MOMENT - timedelta(days=30), "stale")
    (store.directory / "issuers").mkdir()
    (store.directory / "issuers" / "authority.cer").write_bytes(people.authority.der)
    server = Server(TrustStore.open(store.directory), revocation=people)
    assert server.validate(server.answered(holder)).origin == ORIGIN


def test_every_refusal_has_words() -> None:
    for problem in TokenProblem:
        error = TokenRefused(problem, at="x")
        assert error.text.th
        assert str(error) == error.text.en
        assert reason(error) == problem.value
    assert reason(SignatureInvalid("x")) == "signature_invalid"


def test_a_moment_needs_a_time_zone(trust: TrustStore) -> None:
    with pytest.raises(UsageError, match="time zone"):
        Server(trust).validate("", datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


JSON = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2)


@given(st.dictionaries(st.sampled_from(list(ESTONIAN)), JSON, min_size=1), st.text(max_size=30))
def test_whatever_comes_is_refused_in_order(trust: TrustStore, change: dict[str, Any], text: str) -> None:
    for token in (json.dumps({**ESTONIAN, **change}), text, json.dumps(change)):
        with pytest.raises(EcitizenError):
            Server(trust).validate(token)


@given(st.text(max_size=30) | st.from_regex(r"https://[a-z.:0-9\[\]]{1,20}", fullmatch=True))
def test_whatever_comes_as_origin_is_refused_in_order_or_taken(origin: str) -> None:
    try:
        check_origin(origin)
    except UsageError:
        return
    assert not origin.endswith(("/", ":443"))
