"""The OCSP responder, seen through `cryptography`'s own requests and responses."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm
from ecitizen.errors import ReaderBusy, UsageError
from pki.der import NULL, explicit, integer, octet_string, oid, sequence
from pki.errors import Malformed
from pki.keys import FileSigner, verify_signature
from pki.ocsp import AnswerRules, OcspResponder
from pki.ocsp_request import CERTIFICATES_MAX, parse_ocsp_request
from pki.signing_key import usual_algorithm
from pki.status import CertificateState, CertificateStatus, RevocationReason
from tests.service_authorities import BEGIN, END, SettableClock, SmallAuthority, der, key, ocsp_request

AUTHORITY = SmallAuthority()
OTHER = SmallAuthority("Other issuer")
SERIAL = AUTHORITY.leaf.serial_number
GOOD = CertificateStatus(CertificateState.GOOD)
UNKNOWN = CertificateStatus(CertificateState.UNKNOWN)
LOST_AT = BEGIN + timedelta(days=10, seconds=7)
LOST = CertificateStatus(CertificateState.REVOKED, LOST_AT, RevocationReason.KEY_COMPROMISE)
NONCE = bytes(range(16))
Status = ocsp.OCSPResponseStatus


class Register(dict[int, CertificateStatus]):
    """Statuses by serial number; counts how often it was asked."""

    asked = 0

    def status(self, serial_number: int) -> CertificateStatus:
        self.asked += 1
        return self.get(serial_number, UNKNOWN)


class CountingSigner(FileSigner):
    """Counts its signatures, and fails when it is told to."""

    signed = 0
    fails = False

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        if self.fails:
            raise ReaderBusy("another program holds the card")
        self.signed += 1
        return super().sign(message, algorithm)


class Desk:
    """A responder with everything around it."""

    def __init__(self, authority: SmallAuthority = AUTHORITY, **rules: object) -> None:
        self.register = Register({SERIAL: GOOD})
        self.clock = SettableClock()
        self.signer = CountingSigner(key(authority.kind, "ocsp"))
        self.responder = OcspResponder(
            self.signer,
            der(authority.responder),
            der(authority.issuer),
            self.register.status,
            clock=self.clock,
            rules=AnswerRules(**rules),  # type: ignore[arg-type]
        )

    def ask(self, request: bytes) -> ocsp.OCSPResponse:
        return ocsp.load_der_ocsp_response(self.responder.answer(request))

    def status(self, request: bytes | None = None) -> ocsp.OCSPCertStatus:
        return self.ask(request or plain_request()).certificate_status


def plain_request(
    certificate: x509.Certificate = AUTHORITY.leaf,
    issuer: x509.Certificate = AUTHORITY.issuer,
    algorithm: hashes.HashAlgorithm | None = None,
    nonce: bytes | None = None,
) -> bytes:
    return ocsp_request(certificate, issuer, algorithm, nonce)


def certificate_id(serial: bytes, issuer: bytes | None = None) -> bytes:
    """CertID with a serial number as DER has it."""
    return sequence(issuer or parse_ocsp_request(plain_request()).asked[0].issuer, serial)


def request_of(*certificate_ids: bytes, front: bytes = b"", back: bytes = b"", behind: bytes = b"") -> bytes:
    """OCSPRequest of CertIDs, with whatever else stands in it."""
    return sequence(sequence(front, sequence(*map(sequence, certificate_ids)), back), behind)


def extensions(*each: bytes) -> bytes:
    return explicit(2, sequence(*each))


def extension(dotted: str, value: bytes, critical: bytes = b"") -> bytes:
    return sequence(oid(dotted), critical, octet_string(value))


OWN_ID = certificate_id(integer(SERIAL))
NONCE_OID = "1.3.6.1.5.5.7.48.1.2"
CRITICAL = b"\x01\x01\xff"


def test_good_until_the_next_update() -> None:
    desk = Desk(validity=timedelta(minutes=40))
    answer = desk.ask(plain_request())
    assert answer.response_status is Status.SUCCESSFUL
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.serial_number == SERIAL
    assert answer.this_update_utc == answer.produced_at_utc == desk.clock.moment
    assert answer.next_update_utc == desk.clock.moment + timedelta(minutes=40)
    assert answer.revocation_time_utc is None
    assert not list(answer.extensions)


@pytest.mark.parametrize("kind", [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048])
def test_signed_by_the_delegate_whose_certificate_goes_along(kind: KeyAlgorithm) -> None:
    authority = SmallAuthority(kind=kind)
    answer = Desk(authority).ask(plain_request(authority.leaf, authority.issuer))
    assert answer.certificates == [authority.responder]
    assert (
        answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(authority.responder.public_key()).digest
    )
    public = answer.certificates[0].public_key()
    algorithm = answer.signature_hash_algorithm
    assert algorithm is not None
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))


def test_signed_by_ed25519() -> None:
    authority = SmallAuthority(kind=KeyAlgorithm.ED25519)
    answer = Desk(authority).ask(plain_request(authority.leaf, authority.issuer))
    signer = FileSigner(key(KeyAlgorithm.ED25519, "ocsp"))
    verify_signature(signer.public_key, answer.tbs_response_bytes, answer.signature, usual_algorithm(signer))


def test_the_issuer_itself_may_answer_and_sends_no_certificate() -> None:
    issuer = der(AUTHORITY.issuer)
    responder = OcspResponder(AUTHORITY.signer, issuer, issuer, Register({SERIAL: GOOD}).status, clock=SettableClock())
    answer = ocsp.load_der_ocsp_response(responder.answer(plain_request()))
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert not answer.certificates


@pytest.mark.parametrize("reason", [each for each in RevocationReason if each is not RevocationReason.REMOVE_FROM_CRL])
def test_revoked_when_and_why(reason: RevocationReason) -> None:
    desk = Desk()
    desk.register[SERIAL] = CertificateStatus(CertificateState.REVOKED, LOST_AT, reason)
    answer = desk.ask(plain_request())
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_time_utc == LOST_AT
    if reason is RevocationReason.UNSPECIFIED:
        assert answer.revocation_reason is None
    else:
        assert answer.revocation_reason is not None
        assert answer.revocation_reason.name == reason.name.lower()


def test_revoked_for_no_reason_told() -> None:
    desk = Desk()
    desk.register[SERIAL] = CertificateStatus(CertificateState.REVOKED, LOST_AT)
    assert desk.ask(plain_request()).revocation_reason is None


def test_never_issued_is_unknown() -> None:
    desk = Desk()
    desk.register.clear()
    assert desk.status() is ocsp.OCSPCertStatus.UNKNOWN


@pytest.mark.parametrize("number", [0, -1, -(2**128)])
def test_no_authority_issues_such_a_number_and_nobody_is_asked(number: int) -> None:
    desk = Desk()
    answer = desk.responder.answer(request_of(certificate_id(integer(number))))
    assert b"\x82\x00" in answer
    assert desk.register.asked == 0


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_the_certificate_is_named_as_in_the_request(algorithm: hashes.HashAlgorithm) -> None:
    request = plain_request(algorithm=algorithm)
    answer = Desk().ask(request)
    asked = ocsp.load_der_ocsp_request(request)
    assert isinstance(answer.hash_algorithm, type(algorithm))
    assert (answer.issuer_name_hash, answer.issuer_key_hash) == (asked.issuer_name_hash, asked.issuer_key_hash)
    assert parse_ocsp_request(request).asked[0].certificate_id in answer.public_bytes(Encoding.DER)


def test_the_hash_may_be_named_without_parameters() -> None:
    with_null = parse_ocsp_request(plain_request()).asked[0].issuer
    algorithm = sequence(oid("1.3.14.3.2.26"), NULL)
    assert with_null.startswith(algorithm)
    without = sequence(oid("1.3.14.3.2.26")) + with_null.removeprefix(algorithm)
    request = request_of(certificate_id(integer(SERIAL), without))
    desk = Desk()
    assert desk.status(request) is ocsp.OCSPCertStatus.GOOD
    assert certificate_id(integer(SERIAL), without) in desk.responder.answer(request)


def test_several_certificates_at_once() -> None:
    desk = Desk()
    desk.register[7] = LOST
    other = parse_ocsp_request(plain_request(OTHER.leaf, OTHER.issuer)).asked[0].certificate_id
    numbers = [integer(SERIAL), integer(7), integer(8)]
    answer = desk.ask(request_of(*map(certificate_id, numbers), other))
    assert [each.certificate_status for each in answer.responses] == [
        ocsp.OCSPCertStatus.GOOD,
        ocsp.OCSPCertStatus.REVOKED,
        ocsp.OCSPCertStatus.UNKNOWN,
        ocsp.OCSPCertStatus.UNKNOWN,
    ]
    assert desk.signer.signed == 1
    assert desk.register.asked == 3, "nobody is asked about another issuer's numbers"


def test_another_issuers_certificates_only_is_unauthorized() -> None:
    desk = Desk()
    assert desk.ask(plain_request(OTHER.leaf, OTHER.issuer)).response_status is Status.UNAUTHORIZED
    assert desk.signer.signed == 0


@pytest.mark.parametrize("length", [1, 16, 32])
def test_a_nonce_comes_back(length: int) -> None:
    nonce = bytes(range(length))
    answer = Desk().ask(plain_request(nonce=nonce))
    found = answer.extensions.get_extension_for_class(x509.OCSPNonce)
    assert found.value.nonce == nonce
    assert not found.critical


BAD_REQUESTS = {
    "nothing": b"",
    "no DER": b"GET / HTTP/1.0",
    "nobody asked about": request_of(),
    "too many": request_of(*[OWN_ID] * (CERTIFICATES_MAX + 1)),
    "too long": request_of(OWN_ID, front=explicit(1, octet_string(bytes(20_000)))),
    "version 2": request_of(OWN_ID, front=explicit(0, integer(1))),
    "more behind it": request_of(OWN_ID) + NULL,
    "more inside": request_of(OWN_ID, back=NULL),
    "more behind the signature": request_of(OWN_ID, behind=explicit(0, sequence()) + NULL),
    "no signature": request_of(OWN_ID, behind=NULL),
    "more in a CertID": request_of(certificate_id(integer(SERIAL) + NULL)),
    "no serial number": request_of(certificate_id(b"")),
    "empty serial number": request_of(certificate_id(b"\x02\x00")),
    "padded serial number": request_of(certificate_id(b"\x02\x02\x00\x01")),
    "padded negative serial number": request_of(certificate_id(b"\x02\x02\xff\x81")),
    "serial number of 21 bytes": request_of(certificate_id(integer(1 << 159))),
    "long form of a short length": b"\x30\x81" + request_of(OWN_ID)[1:],
    "indefinite length": b"\x30\x80" + request_of(OWN_ID)[2:] + b"\0\0",
    "length of lengths": b"\x30\x85\0\0\0\0\x01\0",
    "cut off": request_of(OWN_ID)[:-1],
    "empty nonce": request_of(OWN_ID, back=extensions(extension(NONCE_OID, octet_string(b"")))),
    "nonce of 33 bytes": request_of(OWN_ID, back=extensions(extension(NONCE_OID, octet_string(bytes(33))))),
    "bare nonce": request_of(OWN_ID, back=extensions(extension(NONCE_OID, bytes(16)))),
    "nonce and more": request_of(OWN_ID, back=extensions(extension(NONCE_OID, octet_string(NONCE) + NULL))),
    "two nonces": request_of(OWN_ID, back=extensions(*[extension(NONCE_OID, octet_string(NONCE))] * 2)),
    "critical and unknown": request_of(OWN_ID, back=extensions(extension("1.2.3", b"", CRITICAL))),
    "critical of one certificate": sequence(
        sequence(sequence(sequence(OWN_ID, explicit(0, sequence(extension("1.2.3", b"", CRITICAL))))))
    ),
    "more in an extension": request_of(OWN_ID, back=extensions(extension("1.2.3", b"")[:-2] + b"\x04\x00\x05\x00")),
    "TRUE that is not FF": request_of(OWN_ID, back=extensions(extension("1.2.3", b"", b"\x01\x01\x01"))),
    "extensions and more": request_of(OWN_ID, back=extensions() + NULL),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_request_is_told_to_be_one(name: str) -> None:
    desk = Desk()
    answer = desk.responder.respond(BAD_REQUESTS[name])
    assert ocsp.load_der_ocsp_response(answer.der).response_status is Status.MALFORMED_REQUEST
    assert not answer.shared
    assert desk.signer.signed == 0
    with pytest.raises(Malformed):
        parse_ocsp_request(BAD_REQUESTS[name])


@pytest.mark.parametrize(
    "request_",
    [
        request_of(OWN_ID, front=explicit(0, integer(0))),
        request_of(OWN_ID, front=explicit(1, explicit(4, sequence()))),
        request_of(OWN_ID, behind=explicit(0, sequence(b"\x30\x00"))),
        request_of(OWN_ID, back=extensions(extension("1.2.3", b"whatever"))),
        request_of(OWN_ID, back=extensions(extension("1.3.6.1.5.5.7.48.1.4", sequence(), CRITICAL))),
        sequence(sequence(sequence(sequence(OWN_ID, explicit(0, sequence(extension("1.2.3", b""))))))),
    ],
    ids=["version", "requestor", "signed", "extension", "response types", "extension of one"],
)
def test_what_a_request_may_have_besides(request_: bytes) -> None:
    assert Desk().status(request_) is ocsp.OCSPCertStatus.GOOD


def test_kept_for_some_seconds_without_asking() -> None:
    desk = Desk(unasked=timedelta(seconds=10))
    first = desk.responder.respond(plain_request())
    desk.register[SERIAL] = LOST
    desk.clock.go(seconds=9.9)
    assert desk.responder.respond(plain_request()) is first
    assert first.shared
    assert (desk.signer.signed, desk.register.asked) == (1, 1)
    desk.clock.go(seconds=0.1)
    assert desk.status() is ocsp.OCSPCertStatus.REVOKED


def test_given_again_while_the_status_is_the_same() -> None:
    desk = Desk(unasked=timedelta(0), again=timedelta(minutes=10))
    first = desk.responder.answer(plain_request())
    desk.clock.go(minutes=9)
    assert desk.responder.answer(plain_request()) == first
    assert (desk.signer.signed, desk.register.asked) == (1, 2)
    desk.clock.go(minutes=1)
    assert desk.ask(plain_request()).this_update_utc == desk.clock.moment
    assert desk.signer.signed == 2


def test_suspended_and_good_again() -> None:
    desk = Desk(unasked=timedelta(0))
    told = [desk.status()]
    desk.register[SERIAL] = CertificateStatus(CertificateState.REVOKED, LOST_AT, RevocationReason.CERTIFICATE_HOLD)
    told.append(desk.status())
    desk.register[SERIAL] = GOOD
    told.append(desk.status())
    assert told == [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.GOOD]


def test_an_answer_with_a_nonce_is_for_one_asker() -> None:
    desk = Desk()
    request = plain_request(nonce=NONCE)
    answers = [desk.responder.respond(request) for _ in range(2)]
    assert not any(answer.shared for answer in answers)
    assert desk.signer.signed == 2


def test_unknown_is_never_kept_for_it_may_be_issued_next() -> None:
    desk = Desk()
    desk.register.clear()
    desk.status()
    desk.register[SERIAL] = GOOD
    assert desk.status() is ocsp.OCSPCertStatus.GOOD


def test_a_clock_that_was_set_back_makes_a_new_answer() -> None:
    desk = Desk()
    desk.status()
    desk.clock.go(hours=-1)
    assert desk.ask(plain_request()).this_update_utc == desk.clock.moment


def test_no_more_answers_are_kept_than_allowed() -> None:
    desk = Desk(kept=2)
    desk.register.update(dict.fromkeys((1, 2, 3), GOOD))
    requests = [request_of(certificate_id(integer(number))) for number in (1, 2, 3)]
    for request in requests:
        desk.responder.answer(request)
    for request in reversed(requests):
        desk.responder.answer(request)
    assert desk.signer.signed == 4, "3 and 2 were kept, 1 was not"


def test_prepared_answers_need_no_signature() -> None:
    desk = Desk()
    desk.register[7] = LOST
    assert desk.responder.prepare([SERIAL, 7]) == 4
    desk.signer.fails = True
    desk.clock.go(minutes=20)
    assert desk.status() is ocsp.OCSPCertStatus.GOOD
    assert desk.status(plain_request(algorithm=hashes.SHA256())) is ocsp.OCSPCertStatus.GOOD
    assert desk.status(request_of(certificate_id(integer(7)))) is ocsp.OCSPCertStatus.REVOKED
    desk.register[SERIAL] = LOST
    desk.signer.fails = False
    assert desk.status() is ocsp.OCSPCertStatus.REVOKED, "a prepared answer never outlives a revocation"


def test_an_answer_holds_no_longer_than_the_responders_certificate() -> None:
    desk = Desk()
    desk.clock.moment = END - timedelta(minutes=5)
    assert desk.ask(plain_request()).next_update_utc == END
    desk.clock.go(minutes=5)
    assert desk.ask(plain_request()).response_status is Status.INTERNAL_ERROR
    desk.clock.moment = BEGIN - timedelta(seconds=1)
    assert desk.ask(plain_request()).response_status is Status.INTERNAL_ERROR


def test_a_signer_that_fails_is_an_internal_error_and_names_nobody(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.signer.fails = True
    with caplog.at_level(logging.DEBUG):
        assert desk.ask(plain_request()).response_status is Status.INTERNAL_ERROR
    assert "reader_busy" in caplog.text
    assert str(SERIAL) not in caplog.text
    desk.signer.fails = False
    assert desk.status() is ocsp.OCSPCertStatus.GOOD


def test_a_register_that_fails_is_an_internal_error() -> None:
    def broken(_: int) -> CertificateStatus:
        raise Malformed("the register is damaged")

    responder = OcspResponder(
        FileSigner(key(KeyAlgorithm.P_256, "ocsp")),
        der(AUTHORITY.responder),
        der(AUTHORITY.issuer),
        broken,
        clock=SettableClock(),
    )
    answer = ocsp.load_der_ocsp_response(responder.answer(plain_request()))
    assert answer.response_status is Status.INTERNAL_ERROR


def test_the_size_of_an_answer_does_not_matter() -> None:
    """Lengths of one, two and three bytes."""
    desk = Desk()
    for count in (1, 2, 3, 5, 20, CERTIFICATES_MAX):
        answer = desk.ask(request_of(*[OWN_ID] * count))
        assert len(list(answer.responses)) == count


def no_purpose() -> bytes:
    return der(AUTHORITY.certificate("Plain", key(KeyAlgorithm.P_256, "ocsp")))


def other_purpose() -> bytes:
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    return der(AUTHORITY.certificate("Client", key(KeyAlgorithm.P_256, "ocsp"), purpose=purpose))


@pytest.mark.parametrize(
    "responder", [no_purpose, other_purpose, lambda: der(OTHER.responder), lambda: der(AUTHORITY.leaf)]
)
def test_a_responder_that_nobody_would_believe_is_refused(responder: Callable[[], bytes]) -> None:
    signer = FileSigner(key(KeyAlgorithm.P_256, "ocsp"))
    with pytest.raises(UsageError):
        OcspResponder(signer, responder(), der(AUTHORITY.issuer), Register().status)


def test_no_certificate_is_malformed() -> None:
    with pytest.raises(Malformed):
        OcspResponder(AUTHORITY.signer, der(AUTHORITY.issuer), b"0\x00", Register().status)


@pytest.mark.parametrize(("validity", "again", "unasked"), [(0, 0, 0), (10, 11, 0), (10, 5, 6), (10, 5, -1)])
def test_rules_that_contradict_each_other(validity: int, again: int, unasked: int) -> None:
    with pytest.raises(UsageError):
        AnswerRules(timedelta(seconds=validity), timedelta(seconds=unasked), timedelta(seconds=again))


@pytest.mark.parametrize(
    ("state", "at", "reason"),
    [
        (CertificateState.GOOD, LOST_AT, None),
        (CertificateState.REVOKED, None, None),
        (CertificateState.UNKNOWN, None, RevocationReason.SUPERSEDED),
        (CertificateState.REVOKED, datetime(2026, 1, 1), None),  # noqa: DTZ001 - this is the point
    ],
)
def test_a_status_that_contradicts_itself(
    state: CertificateState, at: datetime | None, reason: RevocationReason | None
) -> None:
    with pytest.raises(UsageError):
        CertificateStatus(state, at, reason)


DESK = Desk()


@given(
    st.integers(1, 2**159 - 1), st.sampled_from([None, hashes.SHA256()]), st.none() | st.binary(min_size=1, max_size=32)
)
def test_any_number_is_answered(number: int, algorithm: hashes.HashAlgorithm | None, nonce: bytes | None) -> None:
    certificate = AUTHORITY.certificate("Any", key(KeyAlgorithm.P_256, "leaf"), serial_number=number)
    request = plain_request(certificate, algorithm=algorithm, nonce=nonce)
    assert parse_ocsp_request(request).asked[0].serial_number == number
    DESK.register[number] = GOOD
    answer = DESK.ask(request)
    assert (answer.serial_number, answer.certificate_status) == (number, ocsp.OCSPCertStatus.GOOD)


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    assert DESK.ask(data).response_status is Status.MALFORMED_REQUEST


@given(st.integers(0, 200), st.binary(max_size=3), st.integers(0, 3))
def test_a_changed_request_gets_an_answer(at: int, put: bytes, removed: int) -> None:
    request = plain_request(nonce=NONCE)
    assert DESK.ask(request[:at] + put + request[at + removed :]).response_status in set(Status)
