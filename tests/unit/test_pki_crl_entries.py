"""Long CRLs: what concerns a path is found quickly, all else is never looked at, and the signature covers it all."""

import time
from datetime import timedelta

import pytest
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.crl_entries import entries_about
from pki.der import (
    TAG_INTEGER,
    TAG_SEQUENCE,
    TAG_UTC_TIME,
    Reader,
    bit_string,
    enumerated,
    integer,
    octet_string,
    oid,
    sequence,
    x509_time,
)
from pki.errors import Malformed
from pki.path import PathReport, Verdict, validate
from pki.revocation_data import EMBEDDED_MAX
from tests.unit.small_pki import MOMENT, Party, root

ROOT = root()
AUTHORITY = ROOT.issue("Authority", authority=True)
ENTRIES = 100_000
FIRST_SERIAL = 0x5A << 120
OID_REASON, OID_CERTIFICATE_ISSUER = "2.5.29.21", "2.5.29.29"


def entry(serial: int, *extensions: bytes) -> bytes:
    """A revoked certificate as RFC 5280, 5.1 has it."""
    more = (sequence(*extensions),) if extensions else ()
    return sequence(integer(serial), x509_time(MOMENT - timedelta(days=2)), *more)


def reason(number: int) -> bytes:
    return sequence(oid(OID_REASON), octet_string(enumerated(number)))


def certificate_issuer(common_name: str) -> bytes:
    names = x509.CertificateIssuer(
        [x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]))]
    )
    return sequence(oid(OID_CERTIFICATE_ISSUER), b"\x01\x01\xff", octet_string(names.public_bytes()))


def signed_list(entries: bytes) -> bytes:
    """A CRL of AUTHORITY with these entries, however many."""
    fields = Reader(AUTHORITY.crl([(1, None)])).inside().inside()
    version, algorithm, issuer = fields.element(TAG_INTEGER), fields.element(TAG_SEQUENCE), fields.element(TAG_SEQUENCE)
    times = [fields.element(TAG_UTC_TIME) for _ in range(2)]
    tbs = sequence(version, algorithm, issuer, *times, sequence(entries))
    return sequence(tbs, algorithm, bit_string(AUTHORITY.key.sign(tbs, ec.ECDSA(hashes.SHA256()))))


@pytest.fixture(scope="module")
def many() -> bytes:
    before, behind = entry(FIRST_SERIAL, reason(1)).split(FIRST_SERIAL.to_bytes(16, "big"))
    return b"".join(before + (FIRST_SERIAL + 7 * number).to_bytes(16, "big") + behind for number in range(ENTRIES))


def check(person: Party, crl: bytes) -> tuple[PathReport, float]:
    begun = time.process_time()
    report = validate(person.der, anchors=[ROOT.der], others=[AUTHORITY.der], crls=[ROOT.crl(), crl], moment=MOMENT)
    return report, time.process_time() - begun


@pytest.mark.parametrize("place", [0, ENTRIES // 2, ENTRIES - 1])
def test_who_is_in_a_long_list_is_revoked(many: bytes, place: int) -> None:
    report, seconds = check(AUTHORITY.issue("Lost", serial=FIRST_SERIAL + 7 * place), signed_list(many))
    assert (report.verdict, report.reason) == (Verdict.REVOKED, "key_compromise")
    assert report.revoked_at == MOMENT - timedelta(days=2)
    assert seconds < 1


def test_who_is_not_in_it_is_valid(many: bytes) -> None:
    report, seconds = check(AUTHORITY.issue("Kept", serial=FIRST_SERIAL + 3), signed_list(many))
    assert report.verdict is Verdict.VALID
    assert seconds < 1


def test_a_serial_number_within_another_entry_is_nobodys(many: bytes) -> None:
    """The bytes are there, and the entry is not."""
    inside = integer(4711) + x509_time(MOMENT)
    long = int.from_bytes(b"\x01" + inside + b"\x02", "big")
    report, _ = check(AUTHORITY.issue("Kept", serial=4711), signed_list(entry(long) + many))
    assert report.verdict is Verdict.VALID


def test_the_signature_covers_the_entries_that_are_not_looked_at(many: bytes) -> None:
    changed = bytearray(signed_list(many))
    changed[changed.index(integer(FIRST_SERIAL + 7)) + 5] ^= 1
    report, _ = check(AUTHORITY.issue("Kept", serial=FIRST_SERIAL + 3), bytes(changed))
    assert report.verdict is Verdict.CANNOT_TELL


def serials(entries: asn1_crl.RevokedCertificates) -> list[int]:
    return [each["user_certificate"].native for each in entries]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [((1,), [1]), ((3,), [2, 3]), ((5,), [4, 5]), ((3, 5), [2, 3, 4, 5]), ((2,), [2]), ((6, 4), [4, 6]), ((9,), [])],
)
def test_the_issuer_that_an_entry_inherits_comes_along(wanted: tuple[int, ...], shown: list[int]) -> None:
    """An indirect CRL names an issuer once, for all entries that follow (RFC 5280, 5.3.3)."""
    one, other = certificate_issuer("One"), certificate_issuer("Other")
    listed = b"".join((entry(1), entry(2, one), entry(3), entry(4, other), entry(5), entry(6)))
    assert serials(entries_about(listed, [integer(number) for number in wanted])) == shown


def test_an_issuer_that_is_no_directory_name_makes_the_list_unreadable() -> None:
    names = x509.CertificateIssuer([x509.DNSName("issuer.test")]).public_bytes()
    wrong = sequence(oid(OID_CERTIFICATE_ISSUER), b"\x01\x01\xff", octet_string(names))
    with pytest.raises(Malformed):
        entries_about(entry(1, wrong) + entry(2), [integer(2)])


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0, 1, 200])), max_size=30),
    st.lists(st.integers(1, 40), max_size=4) | st.lists(st.integers(1, 80), min_size=33, max_size=40),
)
def test_it_finds_what_looking_at_each_finds(listed: list[tuple[int, int]], wanted: list[int]) -> None:
    padding = sequence(oid("2.25.99"), octet_string(bytes(200)))
    entries = b"".join(entry(serial, *{0: (), 1: (reason(1),), 200: (padding,)}[kind]) for serial, kind in listed)
    found = entries_about(entries, [integer(number) for number in wanted])
    assert serials(found) == [serial for serial, _ in listed if serial in wanted]


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_bytes_that_are_no_entries_are_malformed_or_nobodys(content: bytes) -> None:
    wanted = integer(4711)
    for entries in (content, entry(4711) + content, content + entry(4711)):
        try:
            found = entries_about(entries, [wanted])
        except Malformed:
            continue
        assert all(each["user_certificate"].dump() == wanted for each in found)


def url(number: int) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(f"http://a.test/{number}.crl")]


def named_list(number: int) -> tuple[x509.ExtensionType, bool]:
    """In a certificate: which list tells of it."""
    return x509.CRLDistributionPoints([x509.DistributionPoint(url(number), None, None, None)]), False


def answer_of(responder: Party, person: Party, embedded: int = 1) -> bytes:
    """A good OCSP response about a person by a responder of AUTHORITY."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        person.certificate,
        AUTHORITY.certificate,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        MOMENT - timedelta(hours=1),
        MOMENT + timedelta(hours=1),
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    builder = builder.certificates([responder.certificate] * embedded)
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("revoked", "embedded", "verdict"),
    [(556, 1, Verdict.VALID), (555, 1, Verdict.CANNOT_TELL), (556, EMBEDDED_MAX + 1, Verdict.CANNOT_TELL)],
    ids=["another", "the-responder", "too-many-certificates"],
)
def test_the_entry_of_an_ocsp_responder_is_seen(revoked: int, embedded: int, verdict: Verdict) -> None:
    """Its certificate is in nothing but its own answer."""
    signing = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    responder = AUTHORITY.issue("Responder", serial=555, extensions=[signing, named_list(2)])
    where = [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, *url(1))]
    asked = (x509.AuthorityInformationAccess(where), False)
    person = AUTHORITY.issue("Somchai", serial=77, extensions=[named_list(1), asked])
    point = x509.IssuingDistributionPoint(url(2), None, False, False, None, False, False)
    crl = AUTHORITY.crl([(revoked, None)], extensions=[(point, True)])
    report = validate(
        person.der,
        anchors=[ROOT.der],
        others=[AUTHORITY.der],
        crls=[ROOT.crl(), crl],
        ocsps=[answer_of(responder, person, embedded)],
        moment=MOMENT,
    )
    assert report.verdict is verdict
