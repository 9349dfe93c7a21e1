"""The timestamp authority, seen through asn1crypto's structures."""

import hashlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from asn1crypto import cms, core, tsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm, SignatureAlgorithm
from ecitizen.errors import ReaderBusy, UsageError
from pki.der import NULL, explicit, integer, octet_string, oid, sequence
from pki.keys import FileSigner, verify_signature
from pki.signing_key import usual_algorithm
from pki.timestamp import TimestampAuthority
from pki.timestamp_request import TimestampRefused, parse_timestamp_request
from tests.service_authorities import BEGIN, END, POLICY, SettableClock, SmallAuthority, der, key, timestamp_request

MESSAGE = b"what was there"
KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]
AUTHORITY = SmallAuthority()


def desk(
    kind: KeyAlgorithm = KeyAlgorithm.P_256, signer: FileSigner | None = None, **settings: Any
) -> TimestampAuthority:
    authority = SmallAuthority(kind=kind)
    settings = {"policy": POLICY, "clock": SettableClock(), **settings}
    return TimestampAuthority(signer or FileSigner(key(kind, "timestamp")), der(authority.stamper), **settings)


def request(hashed: str = "sha256", **fields: Any) -> bytes:
    return timestamp_request(MESSAGE, hashed, **fields)


class Response(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """TimeStampResp, with a token that may be absent (RFC 3161, 2.4.2): asn1crypto's own wants one."""

    _fields: ClassVar = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]


def ask(authority: TimestampAuthority, message: bytes) -> Any:
    """The answer, which has nothing behind it."""
    return Response.load(authority.answer(message), strict=True)


def token(authority: TimestampAuthority, message: bytes) -> Any:
    """SignedData of a granted timestamp."""
    answer = ask(authority, message)
    assert answer["status"]["status"].native == "granted"
    assert answer["time_stamp_token"]["content_type"].native == "signed_data"
    return answer["time_stamp_token"]["content"]


def info(authority: TimestampAuthority, message: bytes) -> Any:
    """TSTInfo of a granted timestamp."""
    return token(authority, message)["encap_content_info"]["content"].parsed


def refused(authority: TimestampAuthority, message: bytes) -> str:
    """The failure of a timestamp that is not granted."""
    answer = ask(authority, message)
    assert answer["status"]["status"].native == "rejection"
    assert isinstance(answer["time_stamp_token"], core.Void)
    assert answer["status"]["status_string"].native
    (failure,) = answer["status"]["fail_info"].native
    return str(failure)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hashed", ["sha256", "sha384", "sha512"])
def test_the_token_is_signed_and_says_what_was_asked(kind: KeyAlgorithm, hashed: str) -> None:
    signed = token(desk(kind), request(hashed, nonce=77))
    content = signed["encap_content_info"]["content"]
    stamp = content.parsed
    assert stamp["version"].native == "v1"
    assert stamp["policy"].native == POLICY
    assert stamp["message_imprint"]["hashed_message"].native == hashlib.new(hashed, MESSAGE).digest()
    assert stamp["message_imprint"]["hash_algorithm"]["algorithm"].native == hashed
    assert stamp["nonce"].native == 77
    assert stamp["gen_time"].native == SettableClock().moment
    assert stamp["accuracy"].native == {"seconds": 1, "millis": None, "micros": None}
    assert not stamp["ordering"].native
    assert stamp["tsa"].chosen.native["common_name"] == "Stamper"
    (signer,) = signed["signer_infos"]
    algorithm = usual_algorithm(FileSigner(key(kind, "timestamp")))
    assert algorithm.hash is not None
    attributes = {each["type"].native: each["values"][0] for each in signer["signed_attrs"]}
    assert attributes["content_type"].native == "tst_info"
    assert attributes["message_digest"].native == hashlib.new(algorithm.hash, bytes(content)).digest()
    assert signer["digest_algorithm"]["algorithm"].native == algorithm.hash
    verify_signature(
        FileSigner(key(kind, "timestamp")).public_key,
        signer["signed_attrs"].untag().dump(),
        signer["signature"].native,
        algorithm,
    )


def test_the_signers_certificate_is_bound_by_its_sha256() -> None:
    certificate = AUTHORITY.stamper
    authority = TimestampAuthority(
        FileSigner(key(KeyAlgorithm.P_256, "timestamp")), der(certificate), policy=POLICY, clock=SettableClock()
    )
    (signer,) = token(authority, request())["signer_infos"]
    (bound,) = next(
        each["values"][0]["certs"] for each in signer["signed_attrs"] if each["type"].native == "signing_certificate_v2"
    )
    assert bound["cert_hash"].native == hashlib.sha256(der(certificate)).digest()
    assert bound["hash_algorithm"]["algorithm"].native == "sha256"
    assert bound["issuer_serial"]["serial_number"].native == certificate.serial_number
    assert bound["issuer_serial"]["issuer"][0].chosen.native["common_name"] == "Issuer"
    assert signer["sid"].chosen["serial_number"].native == certificate.serial_number


def test_certificates_come_when_asked_for() -> None:
    issuer = der(AUTHORITY.issuer)
    authority = desk(chain=[issuer])
    assert isinstance(token(authority, request())["certificates"], core.Void)
    sent = [each.chosen.dump() for each in token(authority, request(cert_req=True))["certificates"]]
    assert len(sent) == 2
    assert issuer in sent
    assert sent == sorted(sent)


@pytest.mark.parametrize("nonce", [0, 1, -1, 2**64, 2**160 - 1, -(2**64)])
def test_a_nonce_comes_back(nonce: int) -> None:
    assert info(desk(), request(nonce=nonce))["nonce"].native == nonce


def test_no_nonce_unless_asked() -> None:
    assert info(desk(), request())["nonce"].native is None


def test_the_policy_may_be_named() -> None:
    assert info(desk(), request(req_policy=POLICY))["policy"].native == POLICY


def test_serial_numbers_are_never_the_same() -> None:
    authority = desk()
    assert len({info(authority, request())["serial_number"].native for _ in range(50)}) == 50


def test_serial_numbers_may_come_from_elsewhere() -> None:
    numbers = iter((5, 6))
    authority = desk(serial_numbers=lambda: next(numbers))
    assert [info(authority, request())["serial_number"].native for _ in range(2)] == [5, 6]


@pytest.mark.parametrize(
    ("microseconds", "written"),
    [
        (0, b"20261028000000Z"),
        (999, b"20261028000000Z"),
        (120_000, b"20261028000000.12Z"),
        (7_900, b"20261028000000.007Z"),
    ],
)
def test_the_time_is_to_the_millisecond(microseconds: int, written: bytes) -> None:
    clock = SettableClock()
    clock.go(microseconds=microseconds)
    assert info(desk(clock=clock), request())["gen_time"].contents == written


@pytest.mark.parametrize(
    ("accuracy", "told"),
    [
        (timedelta(seconds=300), {"seconds": 300, "millis": None, "micros": None}),
        (timedelta(milliseconds=500), {"seconds": None, "millis": 500, "micros": None}),
        (timedelta(seconds=1, microseconds=2003), {"seconds": 1, "millis": 2, "micros": 3}),
    ],
)
def test_how_exact_the_clock_is(accuracy: timedelta, told: dict[str, int | None]) -> None:
    assert info(desk(accuracy=accuracy), request())["accuracy"].native == told


def made(*parts: bytes, behind: bytes = b"") -> bytes:
    return sequence(integer(1), *parts) + behind


IMPRINT = parse_timestamp_request(request()).imprint
SHA_256 = oid("2.16.840.1.101.3.4.2.1")
REFUSED = {
    "nothing": (b"", "bad_data_format"),
    "no DER": (b"hello", "bad_data_format"),
    "too long": (made(IMPRINT, integer(1 << 40_000)), "bad_data_format"),
    "no imprint": (made(), "bad_data_format"),
    "more in the imprint": (made(sequence(sequence(SHA_256), octet_string(bytes(32)), NULL)), "bad_data_format"),
    "digest of another length": (made(sequence(sequence(SHA_256), octet_string(bytes(20)))), "bad_data_format"),
    "parameters of a hash": (made(sequence(sequence(SHA_256, integer(1)), octet_string(bytes(32)))), "bad_alg"),
    "SHA-1": (request("sha1"), "bad_alg"),
    "MD5": (request("md5"), "bad_alg"),
    "version 2": (sequence(integer(2), IMPRINT), "bad_request"),
    "another policy": (request(req_policy="1.2.3.4"), "unaccepted_policy"),
    "extensions": (made(IMPRINT, explicit(0, sequence(oid("1.2.3"), octet_string(b"")))), "unaccepted_extensions"),
    "certReq FALSE written out": (made(IMPRINT, b"\x01\x01\x00"), "bad_data_format"),
    "parts out of order": (made(IMPRINT, integer(5), oid(POLICY)), "bad_data_format"),
    "nonce of 65 bytes": (made(IMPRINT, integer(1 << 512)), "bad_data_format"),
    "more behind it": (made(IMPRINT, behind=NULL), "bad_data_format"),
    "cut off": (request()[:-1], "bad_data_format"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_right_reason(name: str) -> None:
    message, failure = REFUSED[name]
    assert refused(desk(), message) == failure


def test_a_hash_may_have_null_parameters() -> None:
    imprint = sequence(sequence(SHA_256, NULL), octet_string(bytes(32)))
    stamp = info(desk(), made(imprint))
    assert stamp["message_imprint"].dump() == imprint


def test_no_time_outside_the_certificates_validity() -> None:
    clock = SettableClock(END)
    authority = desk(clock=clock)
    assert refused(authority, request()) == "time_not_available"
    clock.go(seconds=-1)
    assert info(authority, request())["gen_time"].native == END - timedelta(seconds=1)
    clock.moment = BEGIN - timedelta(seconds=1)
    assert refused(authority, request()) == "time_not_available"


class BrokenSigner(FileSigner):
    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        raise ReaderBusy("another program holds the card")


def test_a_signer_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert refused(desk(signer=BrokenSigner(key(KeyAlgorithm.P_256, "timestamp"))), request()) == "system_failure"
    assert "reader_busy" in caplog.text


def certified_for(purpose: Any, *, critical: bool = True) -> Callable[[], bytes]:
    stamper = key(KeyAlgorithm.P_256, "timestamp")
    return lambda: der(AUTHORITY.certificate("Odd", stamper, purpose=purpose, critical=critical))


@pytest.mark.parametrize(
    "certificate",
    [
        certified_for(None),
        certified_for(ExtendedKeyUsageOID.TIME_STAMPING, critical=False),
        certified_for(ExtendedKeyUsageOID.OCSP_SIGNING),
        lambda: der(AUTHORITY.leaf),
    ],
)
def test_a_certificate_that_nobody_would_believe_is_refused(certificate: Callable[[], bytes]) -> None:
    with pytest.raises(UsageError):
        TimestampAuthority(FileSigner(key(KeyAlgorithm.P_256, "timestamp")), certificate(), policy=POLICY)


@pytest.mark.parametrize("settings", [{"policy": "policy"}, {"policy": ""}, {"accuracy": timedelta(0)}])
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        desk(**settings)


def test_ed25519_is_refused() -> None:
    with pytest.raises(UsageError):
        desk(KeyAlgorithm.ED25519)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert refused(DESK, data) in {"bad_data_format", "bad_request"}


@given(st.integers(0, 80), st.binary(max_size=3), st.integers(0, 3))
def test_a_changed_request_gets_an_answer(at: int, put: bytes, removed: int) -> None:
    message = request(nonce=2**62 + 1, cert_req=True, req_policy=POLICY)
    changed = message[:at] + put + message[at + removed :]
    try:
        parse_timestamp_request(changed)
        expected = "granted"
    except TimestampRefused:
        expected = "rejection"
    status = ask(DESK, changed)["status"]
    assert status["status"].native == expected or status["fail_info"].native == {"unaccepted_policy"}


DESK = desk()


@pytest.mark.parametrize("message", [request(nonce=5), request("sha1")], ids=["granted", "rejection"])
def test_the_answer_is_der_to_the_last_byte(message: bytes) -> None:
    answer = DESK.answer(message)
    assert Response.load(answer, strict=True).dump(force=True) == answer


def test_signed_data_is_what_cms_wants() -> None:
    answer = DESK.answer(request(cert_req=True))
    content = cms.ContentInfo.load(tsp.TimeStampResp.load(answer)["time_stamp_token"].dump())
    signed = content["content"]
    assert signed["version"].native == "v3"
    assert signed["encap_content_info"]["content_type"].native == "tst_info"
    assert [each["algorithm"].native for each in signed["digest_algorithms"]] == ["sha256"]
    assert [each["version"].native for each in signed["signer_infos"]] == ["v1"]
