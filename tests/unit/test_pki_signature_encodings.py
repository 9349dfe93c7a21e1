"""Every place where a signature of others is checked, given signatures in wrong encodings: not one takes them."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from cardapps.card_challenge import ChallengeResult, challenge
from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from pki import der
from pki.data_security import check_signature, open_security_object, seal
from pki.errors import Malformed, SignatureInvalid
from pki.keys import FileSigner, verify_digest, verify_signature
from pki.path import RevocationRule, Verdict, validate
from pki.requests import certification_request, request_public_key
from tests.ecdsa_encodings import wrong_encodings
from tests.unit.small_pki import MOMENT, Party, root

ECDSA = SignatureAlgorithm(SignatureScheme.ECDSA, HashAlgorithm.SHA_256)
ROOT = root()
AUTHORITY = ROOT.issue("Authority", authority=True)
RESPONDER = x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier("http://ocsp.test/"))
SIGNER = AUTHORITY.issue("Signer", extensions=[(x509.AuthorityInformationAccess([RESPONDER]), False)])
FULL_LEN = 72
"""Of a signature whose numbers both need a zero in front: then more can be wrong with it."""


def public_key(party: Party) -> bytes:
    return party.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(party: Party, message: bytes) -> bytes:
    """A signature whose numbers both have their highest bit set."""
    while len(signature := party.key.sign(message, ec.ECDSA(hashes.SHA256()))) != FULL_LEN:
        pass
    return signature


def resigned(signed: bytes, party: Party, encode: Callable[[bytes], bytes] = bytes) -> bytes:
    """A certificate, CRL or request, signed again: all are a body, an algorithm and a BIT STRING."""
    parts = der.Reader(signed).inside()
    body, algorithm = parts.element(der.TAG_SEQUENCE), parts.element(der.TAG_SEQUENCE)
    return der.sequence(body, algorithm, der.bit_string(encode(sign(party, body))))


NAMES = sorted(wrong_encodings(sign(SIGNER, b"")))
EACH = pytest.mark.parametrize("name", NAMES)


def wrongly(name: str) -> Callable[[bytes], bytes]:
    return lambda signature: wrong_encodings(signature)[name]


def verdict(person: bytes, *crls: bytes, ocsps: tuple[bytes, ...] = (), others: tuple[bytes, ...] = ()) -> Verdict:
    return validate(
        person, anchors=[ROOT.der], others=others or (AUTHORITY.der,), crls=crls, ocsps=ocsps, moment=MOMENT
    ).verdict


CRLS = (ROOT.crl(), AUTHORITY.crl())


def test_there_are_enough_of_them_and_good_ones_pass() -> None:
    assert len(NAMES) > 70
    assert verdict(resigned(SIGNER.der, AUTHORITY), *CRLS) is Verdict.VALID
    assert verdict(SIGNER.der, CRLS[0], resigned(CRLS[1], AUTHORITY)) is Verdict.VALID
    assert verdict(SIGNER.der, CRLS[0], ocsps=(answered(bytes),)) is Verdict.VALID
    check_signature(open_security_object(sealed(bytes)))
    assert asked(bytes) is ChallengeResult.PASSED


@EACH
def test_verify_signature(name: str) -> None:
    signature = wrongly(name)(sign(SIGNER, b"message"))
    with pytest.raises(SignatureInvalid):
        verify_signature(public_key(SIGNER), b"message", signature, ECDSA)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"message")
    with pytest.raises(SignatureInvalid):
        verify_digest(public_key(SIGNER), digest.finalize(), signature, ECDSA)


@EACH
def test_certificates(name: str) -> None:
    assert verdict(resigned(SIGNER.der, AUTHORITY, wrongly(name)), *CRLS) is Verdict.UNTRUSTED
    authority = resigned(AUTHORITY.der, ROOT, wrongly(name))
    assert verdict(SIGNER.der, *CRLS, others=(authority,)) is Verdict.UNTRUSTED
    report = validate(
        resigned(SIGNER.der, AUTHORITY, wrongly(name)),
        anchors=[AUTHORITY.der],
        moment=MOMENT,
        revocation=RevocationRule.OFF,
    )
    assert report.verdict is Verdict.UNTRUSTED


@EACH
def test_revocation_lists(name: str) -> None:
    assert verdict(SIGNER.der, CRLS[0], resigned(CRLS[1], AUTHORITY, wrongly(name))) is Verdict.CANNOT_TELL
    assert verdict(SIGNER.der, CRLS[1], resigned(CRLS[0], ROOT, wrongly(name))) is Verdict.CANNOT_TELL


@EACH
def test_ocsp_responses(name: str) -> None:
    assert verdict(SIGNER.der, CRLS[0], ocsps=(answered(wrongly(name)),)) is Verdict.CANNOT_TELL


@cache
def good_answer() -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        SIGNER.certificate,
        AUTHORITY.certificate,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        MOMENT - timedelta(hours=1),
        MOMENT + timedelta(hours=1),
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, AUTHORITY.certificate)
    return builder.sign(AUTHORITY.key, hashes.SHA256()).public_bytes(Encoding.DER)


def answered(encode: Callable[[bytes], bytes]) -> bytes:
    response = der.Reader(good_answer()).inside()
    status = response.element(der.TAG_ENUMERATED)
    wrapped = response.inside(der.CONTEXT_CONSTRUCTED).inside()
    kind = wrapped.element(der.TAG_OID)
    basic = resigned(wrapped.content(der.TAG_OCTET_STRING), AUTHORITY, encode)
    return der.sequence(status, der.explicit(0, der.sequence(kind, der.octet_string(basic))))


@EACH
def test_requests(name: str) -> None:
    request = certification_request(FileSigner(SIGNER.key), "CN=Somchai")
    assert request_public_key(resigned(request, SIGNER)) == public_key(SIGNER)
    with pytest.raises(SignatureInvalid):
        request_public_key(resigned(request, SIGNER, wrongly(name)))


@EACH
def test_security_objects(name: str) -> None:
    with pytest.raises((SignatureInvalid, Malformed)):
        check_signature(open_security_object(sealed(wrongly(name))))


def sealed(encode: Callable[[bytes], bytes]) -> bytes:
    """A security object, signed again: the signature is the last value in it."""
    outer = der.Reader(unsealed()).inside()
    kind = outer.element(der.TAG_OID)
    signed_data = outer.inside(der.CONTEXT_CONSTRUCTED).inside()
    tags = (der.TAG_INTEGER, der.TAG_SET, der.TAG_SEQUENCE, der.CONTEXT_CONSTRUCTED)
    parts = [signed_data.element(tag) for tag in tags]
    signer = signed_data.inside(der.TAG_SET).inside()
    tags = (der.TAG_INTEGER, der.TAG_SEQUENCE, der.TAG_SEQUENCE, der.CONTEXT_CONSTRUCTED)
    fields = [signer.element(tag) for tag in (*tags, der.TAG_SEQUENCE)]
    signature = encode(sign(SIGNER, open_security_object(unsealed()).attributes))
    signer_info = der.sequence(*fields, der.octet_string(signature))
    return der.sequence(kind, der.explicit(0, der.sequence(*parts, der.der(der.TAG_SET, signer_info))))


@cache
def unsealed() -> bytes:
    return seal({1: b"data", 2: b"more"}, FileSigner(SIGNER.key), SIGNER.der, moment=MOMENT)


class SigningCard:
    """A card that answers GENERAL AUTHENTICATE with key 9E in some encoding, and knows little else of PIV."""

    protocol = CardProtocol.T1

    def __init__(self, encode: Callable[[bytes], bytes]) -> None:
        self._encode = encode

    def power_on(self) -> bytes:
        return bytes.fromhex("3B00")

    reset = power_on

    def power_off(self) -> None:
        """Nothing to forget."""

    def transmit(self, command: bytes) -> bytes:
        if command[1] == 0xA4:
            return bytes.fromhex("61114F0600001000010079074F05A0000003089000")
        if command[1] != 0x87:
            return bytes.fromhex("6A82")
        digest = command[command.index(b"\x81\x20") + 2 :][:32]
        while len(signature := SIGNER.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))) != FULL_LEN:
            pass
        return der.der(0x7C, der.der(0x82, self._encode(signature))) + b"\x90\x00"


def asked(encode: Callable[[bytes], bytes]) -> ChallengeResult:
    with CardSession(VirtualReader(SigningCard(encode)).connect()) as session:
        return challenge(session, public_key(SIGNER), lambda count: bytes(range(count))).result


@EACH
def test_a_card_that_is_challenged(name: str) -> None:
    assert asked(wrongly(name)) is ChallengeResult.FAILED


def test_the_vectors_are_what_they_say() -> None:
    signature = sign(SIGNER, b"x")
    r, s = decode_dss_signature(signature)
    wrong = wrong_encodings(signature)
    assert decode_dss_signature(wrong["exchanged"]) == (s, r)
    assert len(set(wrong.values())) >= len(wrong) - 2
