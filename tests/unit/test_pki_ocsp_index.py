"""What an OCSP responder keeps in memory: the status of certificates, and the shape of requests."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from pki.der import explicit, integer, octet_string, sequence
from pki.errors import Malformed, NotIssued
from pki.ocsp_index import FRESH_SECONDS, StatusIndex
from pki.ocsp_request import OcspRequest, RequestReader, nonce_extensions, parse_ocsp_request
from pki.status import CertificateState, CertificateStatus, RevocationReason
from pki.store import Store
from tests.unit.registered import MOMENT, Registered, registered


class Seconds:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def authorities() -> Iterator[Registered]:
    made = registered()
    yield made
    made.store.close()


def serial_of(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number


@pytest.mark.parametrize("certificates_max", [100, 0])
def test_it_says_what_the_register_says(authorities: Registered, certificates_max: int) -> None:
    store, seconds = authorities.store, Seconds()
    first, second = serial_of(authorities.card("01")), serial_of(authorities.card("02"))
    store.revoke("persons", second, RevocationReason.KEY_COMPROMISE, MOMENT)
    index = StatusIndex(store, "persons", certificates_max=certificates_max, monotonic=seconds)
    assert index(first).state is CertificateState.GOOD
    assert index(second) == CertificateStatus(CertificateState.REVOKED, MOMENT, RevocationReason.KEY_COMPROMISE)
    assert index(4711).state is CertificateState.UNKNOWN
    third = serial_of(authorities.card("03"))
    store.suspend("persons", first, MOMENT + timedelta(hours=1))
    seconds.now += FRESH_SECONDS
    assert index(third).state is CertificateState.GOOD
    assert index(first).reason is RevocationReason.CERTIFICATE_HOLD
    store.reinstate("persons", first, MOMENT + timedelta(hours=2))
    seconds.now += FRESH_SECONDS
    assert index(first) == store.status("persons", first) == CertificateStatus(CertificateState.GOOD)


def test_it_asks_again_only_after_a_while(authorities: Registered) -> None:
    seconds = Seconds()
    index = StatusIndex(authorities.store, "persons", monotonic=seconds)
    serial = serial_of(authorities.card())
    assert index(serial).state is CertificateState.GOOD
    authorities.store.revoke("persons", serial, RevocationReason.SUPERSEDED, MOMENT)
    assert index(serial).state is CertificateState.GOOD
    seconds.now += FRESH_SECONDS
    assert index(serial).state is CertificateState.REVOKED


def test_authorities_are_kept_apart(authorities: Registered) -> None:
    card = serial_of(authorities.card())
    assert StatusIndex(authorities.store, "root")(card).state is CertificateState.UNKNOWN
    with pytest.raises(NotIssued, match="no authority"):
        StatusIndex(Store.in_memory(), "nobody")


# Requests that are like one before

ISSUER = sequence(sequence(b"\x06\x05\x2b\x0e\x03\x02\x1a"), octet_string(bytes(20)), octet_string(bytes(20)))[2:]


def request(serial: bytes, nonce: bytes = b"", behind: bytes = b"") -> bytes:
    """OCSPRequest, with the serial number's content as it is given."""
    asked = sequence(sequence(sequence(ISSUER, b"\x02", bytes((len(serial),)), serial)))
    return sequence(sequence(asked, explicit(2, nonce_extensions(nonce)) if nonce else b""), behind)


def outcome(read: object, der: bytes) -> OcspRequest | None:
    try:
        return read(der)  # type: ignore[operator, no-any-return]  # a function of the test's choice
    except Malformed:
        return None


SERIALS = st.binary(min_size=1, max_size=21)
NONCES = st.binary(max_size=34)


@given(st.lists(st.tuples(SERIALS, NONCES), min_size=1, max_size=6))
def test_a_reader_reads_what_the_parser_reads(asked: list[tuple[bytes, bytes]]) -> None:
    reader = RequestReader({ISSUER})
    for serial, nonce in [*asked, *reversed(asked)]:
        der = request(serial, nonce)
        assert outcome(reader.read, der) == outcome(parse_ocsp_request, der)


@given(SERIALS, SERIALS, NONCES, st.integers(0, 200), st.integers(0, 255))
def test_a_changed_request_is_read_anew(one: bytes, other: bytes, nonce: bytes, place: int, value: int) -> None:
    reader = RequestReader({ISSUER})
    outcome(reader.read, request(one, nonce))
    changed = bytearray(request(other, nonce))
    changed[place % len(changed)] = value
    assert outcome(reader.read, bytes(changed)) == outcome(parse_ocsp_request, bytes(changed))


def test_what_is_usual_is_known_from_then_on() -> None:
    reader = RequestReader({ISSUER})
    reader.read(request(b"\x01\x02", b"nonce"))
    reader.read(request(b"\x01\x02"))
    assert [len(request(b"\x11\x12", b"other")), len(request(b"\x11\x12"))] == list(reader._shapes)
    found = reader.read(request(b"\x11\x12", b"other"))
    assert (found.asked[0].serial_number, found.nonce) == (0x1112, b"other")
    assert found == parse_ocsp_request(request(b"\x11\x12", b"other"))


def test_what_is_unusual_or_of_strangers_is_not_kept() -> None:
    reader = RequestReader({ISSUER})
    signed = request(b"\x01", behind=explicit(0, sequence(b"")))
    assert reader.read(signed) == parse_ocsp_request(signed)
    several = sequence(sequence(sequence(*[sequence(sequence(ISSUER, integer(each))) for each in (1, 2)])))
    assert len(reader.read(several).asked) == 2
    stranger = RequestReader(frozenset())
    stranger.read(request(b"\x01"))
    assert not reader._shapes
    assert not stranger._shapes
