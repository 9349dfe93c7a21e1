import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.algorithms import SignatureAlgorithm
from ecitizen.errors import FileFailed, UsageError
from pki.addresses import crl_path, delta_path, issuer_path
from pki.certificates import load_certificate
from pki.crl import CrlHead, CrlRow, CrlWriter, encoded_entries, rows_from
from pki.errors import SignatureInvalid
from pki.keys import FileSigner
from pki.publishing import PublishedFile, PublishRules
from pki.register_records import RevokedEntry
from pki.status import RevocationReason
from tests.unit.registered import BASE_URI, DAY, HOUR, MOMENT, Registered, registered, serial_of

STOLEN = RevocationReason.KEY_COMPROMISE
REASONS = [reason for reason in RevocationReason if reason is not RevocationReason.REMOVE_FROM_CRL]
FLAGS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.CA_COMPROMISE: x509.ReasonFlags.ca_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    RevocationReason.CERTIFICATE_HOLD: x509.ReasonFlags.certificate_hold,
    RevocationReason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
    RevocationReason.AA_COMPROMISE: x509.ReasonFlags.aa_compromise,
}
HEAD = CrlHead(7, MOMENT, MOMENT + DAY, point=f"{BASE_URI}/a.crl", freshest=f"{BASE_URI}/d.crl")


@pytest.fixture(scope="module")
def authorities() -> Registered:
    return registered()


@pytest.fixture(scope="module")
def writer(authorities: Registered) -> CrlWriter:
    return CrlWriter(authorities.persons_signer, authorities.persons.certificate)


def read(der: bytes) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(der)


# The writer


ENTRIES = st.lists(
    st.builds(
        RevokedEntry,
        st.integers(min_value=1, max_value=2**159 - 1),
        st.integers(-631_152_000, 2_524_607_999).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
        st.sampled_from(REASONS),
    ),
    max_size=20,
    unique_by=lambda entry: entry.serial,
)


@settings(max_examples=50, deadline=None)
@given(ENTRIES)
def test_cryptography_reads_what_was_written(
    authorities: Registered, writer: CrlWriter, entries: list[RevokedEntry]
) -> None:
    crl = read(writer.to_bytes(HEAD, rows_from(entries)))
    key = load_certificate(authorities.persons.certificate).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    for entry, wanted in zip(crl, entries, strict=True):
        assert entry.serial_number == wanted.serial
        assert entry.revocation_date_utc == wanted.at
        assert [extension.value for extension in entry.extensions] == (
            [x509.CRLReason(FLAGS[wanted.reason])] if wanted.reason else []
        )


def test_a_list_is_as_cryptography_would_write_it(authorities: Registered, writer: CrlWriter) -> None:
    """Byte for byte in all that is signed."""
    issuer = x509.load_der_x509_certificate(authorities.persons.certificate)
    key = authorities.persons_signer._key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    entries = [RevokedEntry(4711, MOMENT - DAY, STOLEN), RevokedEntry(1 << 127, MOMENT, RevocationReason.UNSPECIFIED)]
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
    builder = builder.last_update(HEAD.this_update).next_update(HEAD.next_update)
    for entry in entries:
        revoked = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.at)
        if entry.reason:
            revoked = revoked.add_extension(x509.CRLReason(FLAGS[entry.reason]), critical=False)
        builder = builder.add_revoked_certificate(revoked.build())
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    freshest = x509.DistributionPoint([x509.UniformResourceIdentifier(str(HEAD.freshest))], None, None, None)
    point = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier(str(HEAD.point))], None, False, False, None, False, False
    )
    for extension, critical in (
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
        (x509.CRLNumber(7), False),
        (point, True),
        (x509.FreshestCRL([freshest]), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    theirs = builder.sign(key, hashes.SHA256())
    assert read(writer.to_bytes(HEAD, rows_from(entries))).tbs_certlist_bytes == theirs.tbs_certlist_bytes


def test_an_empty_list_has_no_entries_at_all(writer: CrlWriter) -> None:
    assert list(read(writer.to_bytes(HEAD, ()))) == []


def test_a_delta_list_names_its_base(writer: CrlWriter) -> None:
    about = CrlHead(9, MOMENT, MOMENT + DAY, point=f"{BASE_URI}/a.crl", base_number=7)
    removed = RevokedEntry(5, MOMENT, RevocationReason.REMOVE_FROM_CRL)
    crl = read(writer.to_bytes(about, rows_from([removed])))
    delta = crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (delta.critical, delta.value.crl_number) == (True, 7)
    [entry] = crl
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.remove_from_crl


@pytest.mark.parametrize("year", [2049, 2050])
def test_times_from_2050_are_written_in_full(writer: CrlWriter, year: int) -> None:
    at = datetime(year, 6, 1, tzinfo=UTC)
    crl = read(writer.to_bytes(CrlHead(1, at, at + DAY), ()))
    assert crl.last_update_utc == at


def test_the_rows_are_asked_for_as_they_are_needed(writer: CrlWriter) -> None:
    """Many entries, of which never more than a chunk is held."""
    alive = most = 0

    class Row(tuple):  # type: ignore[type-arg]
        def __new__(cls, *values: object) -> "Row":
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return super().__new__(cls, values)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def rows() -> Iterator[CrlRow]:
        for number in range(50_000):
            yield Row(b"\x01" + number.to_bytes(3, "big"), 1_700_000_000, 1)

    out = io.BytesIO()
    assert writer.write(out, HEAD, rows()) == 50_000
    assert most <= 20_001
    assert len(list(read(out.getvalue()))) == 50_000


@pytest.mark.parametrize(
    "row",
    [
        (b"\x01", 1_700_000_000, 7),
        (b"\x01", 1_700_000_000, 11),
        (b"\x01", 2_600_000_000, 1),
        (b"\x01", -700_000_000, 1),
        (bytes(21), 1_700_000_000, 1),
    ],
)
def test_what_no_list_can_have_is_refused(writer: CrlWriter, row: CrlRow) -> None:
    with pytest.raises(UsageError, match="no list can have"):
        writer.to_bytes(HEAD, [row])


@pytest.mark.parametrize(
    "entry",
    [RevokedEntry(-1, MOMENT, STOLEN), RevokedEntry(1, datetime(2026, 1, 1), STOLEN)],  # noqa: DTZ001
)
def test_what_is_no_entry_is_refused(entry: RevokedEntry) -> None:
    with pytest.raises(UsageError):
        list(rows_from([entry]))


@pytest.mark.parametrize(
    "about",
    [
        CrlHead(0, MOMENT, MOMENT + DAY),
        CrlHead(1 << 160, MOMENT, MOMENT + DAY),
        CrlHead(1, MOMENT, MOMENT),
        CrlHead(1, MOMENT, MOMENT + timedelta(days=400)),
        CrlHead(1, MOMENT.replace(tzinfo=None), MOMENT + DAY),
        CrlHead(1, MOMENT, MOMENT + DAY, base_number=2),
        CrlHead(1, MOMENT, MOMENT + DAY, base_number=0),
        CrlHead(2, MOMENT, MOMENT + DAY, base_number=1, freshest="http://a"),
        CrlHead(1, MOMENT, MOMENT + DAY, point="http://ก"),
    ],
)
def test_a_head_that_can_not_be_is_refused(writer: CrlWriter, about: CrlHead) -> None:
    with pytest.raises(UsageError):
        writer.to_bytes(about, ())


def test_a_key_that_can_not_sign_lists_is_refused(authorities: Registered) -> None:
    with pytest.raises(UsageError, match="not for this key"):
        CrlWriter(authorities.root_signer, authorities.persons.certificate)


class Faulty(FileSigner):
    """Signs something else."""

    @classmethod
    def like(cls, signer: FileSigner) -> "Faulty":
        key = signer._key
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return super().sign_digest(bytes(len(digest)), algorithm)


def test_a_faulty_key_is_found_out(authorities: Registered) -> None:
    faulty = Faulty.like(authorities.persons_signer)
    out = io.BytesIO()
    with pytest.raises(SignatureInvalid):
        CrlWriter(faulty, authorities.persons.certificate).write(out, HEAD, ())
    assert out.getvalue() == b""


def test_a_full_disk_is_told(writer: CrlWriter) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(FileFailed, match="No space"):
        writer.write(Full(), HEAD, ())


def test_entries_come_with_their_count() -> None:
    rows = [(b"\x05", 1_700_000_000, 0)] * 25_000
    parts = list(encoded_entries(rows))
    assert sum(count for count, _ in parts) == 25_000
    assert {part for _, whole in parts for part in (whole[:20],)} == {b"\x30\x12\x02\x01\x05\x17\x0d231114221320Z"}


# Publishing


def numbers(files: Iterable[PublishedFile]) -> list[tuple[bool, int, int]]:
    return [(each.delta, each.number, each.entries) for each in files]


@pytest.fixture
def fresh() -> Registered:
    return registered()


def test_full_lists_come_daily_and_deltas_between(fresh: Registered, tmp_path: Path) -> None:
    publisher = fresh.publisher(tmp_path)
    serials = [serial_of(fresh.card()) for _ in range(3)]
    assert numbers(publisher.publish(MOMENT)) == [(False, 1, 0), (True, 1, 0)]
    fresh.store.revoke("persons", serials[0], STOLEN, MOMENT + HOUR)
    assert numbers(publisher.publish(MOMENT + 2 * HOUR)) == [(True, 2, 1)]
    fresh.store.revoke("persons", serials[1], STOLEN, MOMENT + 3 * HOUR)
    assert numbers(publisher.publish(MOMENT + 4 * HOUR)) == [(True, 3, 2)]
    assert numbers(publisher.publish(MOMENT + DAY)) == [(False, 4, 2), (True, 4, 2)]
    assert numbers(publisher.publish(MOMENT + DAY + HOUR)) == [(True, 5, 0)]
    assert numbers(publisher.publish(MOMENT + DAY + 2 * HOUR, full=True)) == [(False, 6, 2), (True, 6, 0)]


def test_what_is_served_says_where_it_is_served(fresh: Registered, tmp_path: Path) -> None:
    fresh.publisher(tmp_path).publish(MOMENT)
    crl = read((tmp_path / crl_path("persons", 0)[1:]).read_bytes())
    delta = read((tmp_path / delta_path("persons", 0)[1:]).read_bytes())
    certificate = x509.load_der_x509_certificate(fresh.card())
    named = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name
    assert [name.value for name in named or ()] == [BASE_URI + crl_path("persons", 0)]
    for each in (crl, delta):
        point = each.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert point.critical
        assert point.value.full_name == named
    freshest = certificate.extensions.get_extension_for_class(x509.FreshestCRL).value
    assert crl.extensions.get_extension_for_class(x509.FreshestCRL).value == freshest
    assert [name.value for name in freshest[0].full_name or ()] == [BASE_URI + delta_path("persons", 0)]
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [each.access_location.value for each in access] == [
        f"{BASE_URI}/ocsp/persons",
        BASE_URI + issuer_path("persons"),
    ]
    assert (tmp_path / issuer_path("persons")[1:]).read_bytes() == fresh.persons.certificate


def test_a_root_has_one_list_for_all_and_no_responder(fresh: Registered, tmp_path: Path) -> None:
    full, delta = fresh.publisher(tmp_path, "root").publish(MOMENT)
    for each in (full, delta):
        extensions = read(each.path.read_bytes()).extensions
        assert not any(isinstance(extension.value, x509.IssuingDistributionPoint) for extension in extensions)
    below = x509.load_der_x509_certificate(fresh.persons.certificate)
    access = below.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [each.access_location.value for each in access] == [BASE_URI + issuer_path("root")]


def test_nothing_is_left_half_written(fresh: Registered, tmp_path: Path) -> None:
    fresh.publisher(tmp_path).publish(MOMENT)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.crl")}
    broken = Faulty.like(fresh.persons_signer)
    fresh.persons_signer = broken
    with pytest.raises(SignatureInvalid):
        fresh.publisher(tmp_path).publish(MOMENT + DAY)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix == ".crl"} == before


def test_a_clock_that_went_back_is_told(fresh: Registered, tmp_path: Path) -> None:
    publisher = fresh.publisher(tmp_path)
    publisher.publish(MOMENT)
    with pytest.raises(UsageError, match="clock"):
        publisher.publish(MOMENT - HOUR)


def test_a_folder_that_can_not_be_written_is_told(fresh: Registered, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileFailed):
        fresh.publisher(tmp_path / "file").publish(MOMENT)


def test_rules_say_how_long_lists_hold(fresh: Registered, tmp_path: Path) -> None:
    rules = PublishRules(full_every=HOUR, full_validity=2 * HOUR, delta_validity=3 * HOUR)
    publisher = fresh.publisher(tmp_path, rules=rules)
    full, delta = (read(each.path.read_bytes()) for each in publisher.publish(MOMENT))
    assert (full.next_update_utc, delta.next_update_utc) == (MOMENT + 2 * HOUR, MOMENT + 3 * HOUR)
    assert len(publisher.publish(MOMENT + HOUR)) == 2
