"""Countersignatures of CAdES: signatures over signatures, checked as such, and those that are not what they seem."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from pki import asic, cms
from pki.asic_files import open_container
from pki.asic_signing import signature_names
from pki.cms_archive import hash_index, read_index, with_index
from pki.cms_attributes import signed_attributes
from pki.cms_forms import (
    ARCHIVE_TIMESTAMP_V3,
    COUNTERSIGNATURE,
    DATA,
    SIGNATURE_TIMESTAMP,
    read_signed_data,
)
from pki.der import octet_string, set_of
from pki.keys import FileSigner, digest
from pki.signed import DocumentReport, DocumentVerdict, Level, SignatureReport, SignedBounds
from pki.signing_key import usual_algorithm
from pki.timestamp_info import read_token
from tests.signing_people import SigningPeople
from tests.unit.countersigned import countersigned, countersigner, value_of, with_attributes
from tests.unit.small_pki import MOMENT, YEAR

CONTENT = b"what was agreed on"
LATER = MOMENT + timedelta(days=1)
VALID, ALTERED, CANNOT_TELL = DocumentVerdict.VALID, DocumentVerdict.ALTERED, DocumentVerdict.CANNOT_TELL


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def witness(people: SigningPeople) -> FileSigner:
    return people.certified(KeyAlgorithm.P_256, "Wanida Witness")


def signed(people: SigningPeople, level: Level = Level.B) -> bytes:
    return cms.sign(
        CONTENT,
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        level=level,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )


def judged(people: SigningPeople, signature: bytes, data: bytes | None = CONTENT, **settings: object) -> DocumentReport:
    given = {"trust": people.trust(MOMENT), "moment": LATER, **settings}
    return cms.verify(signature, data, **given)  # type: ignore[arg-type]  # each test knows what it gives


@pytest.fixture(scope="module")
def both(people: SigningPeople, witness: FileSigner) -> bytes:
    """A signature and the witness's over it."""
    assert witness.certificate
    first = signed(people)
    return countersigned(first, countersigner(witness, value_of(first)).written, witness.certificate)


def test_a_countersignature_has_its_own_report(people: SigningPeople, both: bytes) -> None:
    report = judged(people, both)
    assert report.verdict is VALID
    first, over = report.signatures
    assert (first.format, over.format) == (cms.FORMAT, cms.COUNTERSIGNATURE_FORMAT)
    assert over.signer
    assert (over.signer.name_en, over.covers, over.level, over.claimed_at) == (
        "Wanida Witness",
        "signature 1",
        Level.B,
        MOMENT,
    )
    assert over.path
    assert len(over.path.chain) == 3


def test_it_is_over_the_signature_and_not_over_the_content(people: SigningPeople, both: bytes) -> None:
    first, over = judged(people, both, b"something else").signatures
    assert (first.verdict, over.verdict) == (ALTERED, VALID)


def test_a_countersignature_over_a_countersignature(people: SigningPeople, witness: FileSigner) -> None:
    assert witness.certificate
    first = signed(people)
    inner = countersigner(people.signer, value_of(first))
    outer = inner.with_unsigned(COUNTERSIGNATURE, countersigner(witness, inner.signature).written)
    report = judged(people, countersigned(first, outer.written, witness.certificate))
    assert report.verdict is VALID
    assert [each.covers for each in report.signatures] == [None, "signature 1", "signature 2"]
    few = judged(
        people, countersigned(first, outer.written, witness.certificate), bounds=SignedBounds(signatures_max=2)
    )
    assert (few.verdict, len(few.signatures)) == (CANNOT_TELL, 2)


def test_in_a_container_it_is_told_which_signature_it_is_over(people: SigningPeople, witness: FileSigner) -> None:
    assert witness.certificate
    for form, covers in (
        (asic.AsicForm.SIMPLE, "signature 1"),
        (asic.AsicForm.EXTENDED, "META-INF/signature001.p7s, signature 1"),
    ):
        settings = {"moment": MOMENT, "form": form}
        files = {"letter.txt": CONTENT}
        whole = asic.sign(files, people.signer, people.signer_party.der, people.chain, **settings)  # type: ignore[arg-type]
        with open_container(whole) as container:
            name = signature_names(container)[0]
            alone = container.read(name, 100_000)
        changed = countersigned(alone, countersigner(witness, value_of(alone)).written, witness.certificate)
        report = asic.verify(_with(whole, name, changed), trust=people.trust(MOMENT), moment=LATER)
        assert report.verdict is VALID
        assert report.signatures[1].covers == covers


def _with(container: bytes, name: str, data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(info, data if info.filename == name else old.read(info))
    return target.getvalue()


# Not what they seem


def _of_another_signature(people: SigningPeople, witness: FileSigner, first: bytes) -> bytes:
    return countersigner(witness, value_of(first) + b".").written


def _damaged(people: SigningPeople, witness: FileSigner, first: bytes) -> bytes:
    info = countersigner(witness, value_of(first))
    return replace(info, signature=countersigner(witness, b"").signature).written


def _names_a_content_type(people: SigningPeople, witness: FileSigner, first: bytes) -> bytes:
    """A file of the witness's whose content happens to be the signature: nobody countersigned."""
    assert witness.certificate
    algorithm = usual_algorithm(witness)
    assert algorithm.hash
    over = digest(value_of(first), algorithm.hash)
    whole = signed_attributes(over, witness.certificate, algorithm, MOMENT, DATA)
    return with_attributes(countersigner(witness, b""), witness, whole).written


def _without_digest(people: SigningPeople, witness: FileSigner, first: bytes) -> bytes:
    info = countersigner(witness, value_of(first))
    kept = [each.written for each in info.signed if len(each.values[0]) != 2 + HashAlgorithm.SHA_256.digest_len]
    return with_attributes(info, witness, set_of(kept)).written


def _by_somebody_else(people: SigningPeople, witness: FileSigner, first: bytes) -> bytes:
    return replace(countersigner(witness, value_of(first)), serial_number=1).written


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        (_of_another_signature, ALTERED),
        (_damaged, ALTERED),
        (_names_a_content_type, ALTERED),
        (_without_digest, ALTERED),
        (_by_somebody_else, CANNOT_TELL),
        (lambda *_: octet_string(b"nothing"), CANNOT_TELL),
        (lambda *_: b"\x30\x00", CANNOT_TELL),
    ],
    ids=["other", "damaged", "content-type", "no-digest", "no-certificate", "octets", "empty"],
)
def test_what_does_not_hold_is_never_valid(
    people: SigningPeople,
    witness: FileSigner,
    make: Callable[[SigningPeople, FileSigner, bytes], bytes],
    verdict: DocumentVerdict,
) -> None:
    assert witness.certificate
    first = signed(people)
    report = judged(people, countersigned(first, make(people, witness, first), witness.certificate))
    assert (report.verdict, report.signatures[0].verdict, report.signatures[1].verdict) == (verdict, VALID, verdict)


def test_whoever_countersigns_must_be_trusted(people: SigningPeople, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = SigningPeople(tmp_path_factory.mktemp("stranger")).signer
    assert stranger.certificate
    first = signed(people)
    report = judged(
        people, countersigned(first, countersigner(stranger, value_of(first)).written, stranger.certificate)
    )
    assert [each.verdict for each in report.signatures] == [VALID, DocumentVerdict.UNTRUSTED]


def test_time_out_leaves_it_open(people: SigningPeople, both: bytes) -> None:
    ticks = iter([0.0, 0.0])
    report = judged(people, both, clock=lambda: next(ticks, 100.0))
    assert report.verdict is CANNOT_TELL
    assert len(report.signatures) == 2


# Proof of time


def _years_later(people: SigningPeople, signature: bytes) -> SignatureReport:
    later = MOMENT + 2 * YEAR
    return judged(people, signature, trust=people.trust(later), moment=later).signatures[1]


def test_its_own_timestamp_and_the_archive_timestamp_around_it_prove_its_time(
    people: SigningPeople, witness: FileSigner
) -> None:
    assert witness.certificate
    first = signed(people)
    info = countersigner(witness, value_of(first))
    plain = countersigned(first, info.written, witness.certificate)
    assert _years_later(people, plain).verdict is DocumentVerdict.EXPIRED
    hashed = HashAlgorithm.SHA_256
    token = people.timestamps.stamp(digest(info.signature, hashed), hashed)
    stamped = info.with_unsigned(SIGNATURE_TIMESTAMP, token).written
    assert _years_later(people, countersigned(first, stamped, witness.certificate)).proven_at == MOMENT
    archived = cms.extend(
        plain,
        CONTENT,
        moment=MOMENT,
        level=Level.LTA,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )
    over = _years_later(people, archived)
    assert (over.verdict, over.proven_at) == (VALID, MOMENT)


def test_an_archive_timestamp_from_before_proves_nothing(people: SigningPeople, witness: FileSigner) -> None:
    assert witness.certificate
    first = signed(people, Level.LTA)
    late = countersigned(first, countersigner(witness, value_of(first)).written, witness.certificate)
    over = _years_later(people, late)
    assert (over.verdict, over.proven_at) == (DocumentVerdict.EXPIRED, None)


def test_the_index_knows_what_it_covers(people: SigningPeople) -> None:
    parts = read_signed_data(signed(people, Level.T))
    stamp = parts.signers[0].values(SIGNATURE_TIMESTAMP)[0]
    index = hash_index(parts, parts.signers[0], HashAlgorithm.SHA_256)
    token = with_index(people.timestamps.stamp(bytes(32), HashAlgorithm.SHA_256), index)
    read = read_index(read_token(token)[0])
    assert read.covers(SIGNATURE_TIMESTAMP, stamp)
    assert not read.covers(SIGNATURE_TIMESTAMP, stamp + b".")
    assert not read.covers(ARCHIVE_TIMESTAMP_V3, stamp)
