"""Timestamps: asked for, taken apart, judged."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError
from pki.keys import FileSigner, digest
from pki.long_term import Evidence, EvidenceMissing, collect
from pki.signed import DocumentVerdict
from pki.signed_trust import SigningTrust
from pki.timestamp import TimestampAuthority
from pki.timestamp_check import TimestampReport, verify_timestamp
from pki.timestamp_client import LocalTimestampSource, TimestampUnavailable, TsaClient, timestamp_query
from pki.timestamp_info import read_token
from tests.signing_people import POLICY, DigestOf, SigningPeople
from tests.unit.small_pki import MOMENT, YEAR

CONTENT = b"what was there"
DAY = timedelta(days=1)
SHA_256 = HashAlgorithm.SHA_256


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def token(people: SigningPeople) -> bytes:
    return people.timestamps.stamp(digest(CONTENT, SHA_256), SHA_256)


def judged(
    people: SigningPeople, token: bytes, content: bytes = CONTENT, at: datetime = MOMENT, crls_at: datetime = MOMENT
) -> TimestampReport:
    return verify_timestamp(
        token, DigestOf(content), SigningTrust(people.trust(crls_at), at), others=(people.authority.der,)
    )


@pytest.mark.parametrize("hashed", list(HashAlgorithm))
def test_a_timestamp_proves_when_something_was_there(people: SigningPeople, hashed: HashAlgorithm) -> None:
    report = judged(people, people.timestamps.stamp(digest(CONTENT, hashed), hashed))
    assert (report.verdict, report.moment) == (DocumentVerdict.VALID, MOMENT)
    assert report.certificate


def test_a_timestamp_over_something_else_proves_nothing(people: SigningPeople, token: bytes) -> None:
    assert judged(people, token, b"something else").verdict is DocumentVerdict.ALTERED


def test_a_timestamp_by_nobody_who_is_trusted(token: bytes, tmp_path: Path) -> None:
    strangers = SigningPeople(tmp_path)
    assert judged(strangers, token).verdict is DocumentVerdict.UNTRUSTED
    assert verify_timestamp(token, DigestOf(CONTENT), SigningTrust(None, MOMENT)).verdict is DocumentVerdict.UNTRUSTED


def test_a_timestamp_from_the_future_can_not_be_told(people: SigningPeople, token: bytes) -> None:
    assert judged(people, token, at=MOMENT - timedelta(minutes=1)).verdict is DocumentVerdict.VALID
    assert judged(people, token, at=MOMENT - timedelta(hours=1)).verdict is DocumentVerdict.CANNOT_TELL


def test_a_timestamp_does_not_outlive_its_authority(people: SigningPeople, token: bytes) -> None:
    later = MOMENT + 6 * YEAR
    assert judged(people, token, at=later, crls_at=later).verdict is DocumentVerdict.EXPIRED


@pytest.mark.parametrize("purposes", [[], ["emailProtection"], ["timeStamping", "emailProtection"], ["not critical"]])
def test_a_certificate_for_other_uses_makes_no_timestamps(people: SigningPeople, purposes: list[str]) -> None:
    known = {"timeStamping": ExtendedKeyUsageOID.TIME_STAMPING, "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION}
    usages = [known.get(each, ExtendedKeyUsageOID.TIME_STAMPING) for each in purposes]
    extensions = [(x509.ExtendedKeyUsage(usages), purposes != ["not critical"])] if usages else []
    party = people.authority.issue("No stamper", extensions=extensions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pki.timestamp._check_purpose", lambda _: None)
        authority = TimestampAuthority(FileSigner(party.key), party.der, policy=POLICY, clock=people.clock)
    token = LocalTimestampSource(authority).stamp(digest(CONTENT, SHA_256), SHA_256)
    assert judged(people, token).verdict is DocumentVerdict.UNTRUSTED


def test_every_changed_byte_is_noticed(people: SigningPeople, token: bytes) -> None:
    parts, _ = read_token(token)
    assert parts.content
    assert parts.signers[0].signed_attributes
    for part in (parts.content.joined(), parts.signers[0].signed_attributes[1:], parts.signers[0].signature):
        begin = token.index(part)
        for position in range(begin, begin + len(part), 5):
            changed = bytearray(token)
            changed[position] ^= 0x04
            assert judged(people, bytes(changed)).verdict is not DocumentVerdict.VALID, position


@given(st.binary(max_size=200))
def test_any_bytes_are_a_timestamp_or_not(data: bytes) -> None:
    report = verify_timestamp(data, DigestOf(CONTENT), SigningTrust(None, MOMENT))
    assert (report.verdict, report.moment) == (DocumentVerdict.CANNOT_TELL, None)


def test_a_token_says_what_it_is_over(token: bytes) -> None:
    _, info = read_token(token)
    assert (info.hash, info.digest, info.moment) == (SHA_256, digest(CONTENT, SHA_256), MOMENT)


# Asking


@contextmanager
def served(status: int, body: bytes, people: SigningPeople | None = None) -> Iterator[str]:
    """An HTTP server that answers one request: with these bytes, or by our timestamp authority."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            answer = people.timestamps._authority.answer(query) if people else body
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/timestamp"
        thread.join()


def test_a_timestamp_over_http(people: SigningPeople) -> None:
    with served(200, b"", people) as url:
        token = TsaClient(url).stamp(digest(CONTENT, SHA_256), SHA_256)
    assert judged(people, token).verdict is DocumentVerdict.VALID


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_answers_that_are_no_timestamp(status: int) -> None:
    with served(status, b"hello") as url, pytest.raises(TimestampUnavailable):
        TsaClient(url).stamp(bytes(32), SHA_256)


def test_an_endless_answer_is_not_read(people: SigningPeople) -> None:
    with served(200, bytes(3_000_000)) as url, pytest.raises(TimestampUnavailable, match="too long"):
        TsaClient(url).stamp(bytes(32), SHA_256)


def test_a_timestamp_that_was_made_before_is_refused(people: SigningPeople) -> None:
    first = LocalTimestampSource(people.timestamps._authority, numbers=lambda _: 1)

    class Replaying(TimestampAuthority):
        def __init__(self) -> None:
            pass

        def answer(self, request: bytes) -> bytes:
            assert request
            return recorded

    recorded = people.timestamps._authority.answer(timestamp_query(digest(CONTENT, SHA_256), SHA_256, 1))
    assert first.stamp(digest(CONTENT, SHA_256), SHA_256)
    with pytest.raises(TimestampUnavailable, match="asked for"):
        LocalTimestampSource(Replaying()).stamp(digest(CONTENT, SHA_256), SHA_256)


def test_nobody_at_the_address() -> None:
    with pytest.raises(TimestampUnavailable, match="reached"):
        TsaClient("http://127.0.0.1:9/", seconds=2).stamp(bytes(32), SHA_256)


@pytest.mark.parametrize(
    "url", ["", "ftp://a.example/", "tsa.example", "http://", "http://a:b@c.example/", "http://a b/", "http://a:x/"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError):
        TsaClient(url)


def test_a_digest_of_the_wrong_length(people: SigningPeople) -> None:
    with pytest.raises(UsageError):
        people.timestamps.stamp(b"short", SHA_256)


def test_an_answer_drop_by_drop_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        begin = time.monotonic()
        with pytest.raises(TimestampUnavailable):
            TsaClient(url, seconds=0.3).stamp(bytes(32), SHA_256)
        assert time.monotonic() - begin < 5


# Evidence


def test_evidence_is_collected_once(people: SigningPeople) -> None:
    people.clock.now = MOMENT
    settings = {"store": people.trust(), "source": people, "moment": MOMENT}
    found = collect(people.signer_party.der, people.chain, **settings)  # type: ignore[arg-type]
    assert found.certificates == (people.signer_party.der, people.authority.der, people.root.der)
    assert len(found.crls) == 2
    settings["source"] = None
    again = collect(people.signer_party.der, people.chain, known=found, **settings)  # type: ignore[arg-type]
    assert (again.certificates, again.crls) == (found.certificates, found.crls)


def test_evidence_comes_from_the_trust_directory(people: SigningPeople) -> None:
    found = collect(
        people.signer_party.der, people.chain, store=people.trust(MOMENT), source=None, moment=MOMENT, known=Evidence()
    )
    assert len(found.crls) == 2


def test_evidence_that_was_made_while_it_was_waited_for(people: SigningPeople) -> None:
    """The moment is when signing began; a responder that is asked a little later answers with its own time."""
    begun = MOMENT - timedelta(hours=1, minutes=2)  # the lists are an hour older than the clock
    store = people.trust()
    assert collect(people.signer_party.der, people.chain, store=store, source=people, moment=begun).crls
    report = SigningTrust(store, begun, people).check(people.signer_party.der, people.chain)
    assert report.verdict == "valid"
    too_early = begun - timedelta(hours=1)
    with pytest.raises(EvidenceMissing):
        collect(people.signer_party.der, people.chain, store=store, source=people, moment=too_early)


def test_no_evidence_for_strangers_or_without_data(people: SigningPeople, tmp_path: Path) -> None:
    strangers = SigningPeople(tmp_path)
    for store in (None, people.trust(), strangers.trust(MOMENT)):
        with pytest.raises(EvidenceMissing):
            collect(people.signer_party.der, people.chain, store=store, source=None, moment=MOMENT)
