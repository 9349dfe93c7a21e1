"""CAdES: signing, levels, and what the passing of time, revocation and mistrust make of a signature."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from pki import cms
from pki.cms_forms import ARCHIVE_TIMESTAMP_V3, SIGNATURE_TIMESTAMP, read_signed_data
from pki.keys import signature_algorithms
from pki.long_term import EvidenceMissing
from pki.signed import DocumentReport, DocumentVerdict, Level
from pki.signed_files import write_whole
from tests.signing_people import Counting, SigningPeople
from tests.unit.small_pki import MOMENT, YEAR

CONTENT = b"what was agreed on"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


def signed(people: SigningPeople, level: Level = Level.B, **settings: object) -> bytes:
    people.clock.now = MOMENT
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
        **settings,  # type: ignore[arg-type]  # each test knows what it gives
    )


def judged(people: SigningPeople, signature: bytes, data: bytes | None = CONTENT, **settings: object) -> DocumentReport:
    given = {"trust": people.trust(MOMENT), "moment": MOMENT + DAY, **settings}
    return cms.verify(signature, data, **given)  # type: ignore[arg-type]


def test_a_signature_is_one_use_of_the_key_after_its_digest_was_shown(people: SigningPeople) -> None:
    signer = Counting(people.signer)
    shown: list[tuple[int, bytes]] = []
    signature = cms.sign(
        CONTENT,
        signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        show=lambda digest, _: shown.append((signer.used, digest)),
    )
    attributes = read_signed_data(signature).signers[0].signed_attributes
    assert attributes
    assert shown == [(0, hashlib.sha256(attributes).digest())]
    assert signer.used == 1


def test_an_error_while_showing_means_that_nothing_is_signed(people: SigningPeople) -> None:
    signer = Counting(people.signer)

    def refuse(*_: object) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        cms.sign(CONTENT, signer, people.signer_party.der, moment=MOMENT, show=refuse)
    assert signer.used == 0


@pytest.mark.parametrize("level", list(Level))
def test_each_level_is_valid_and_told(people: SigningPeople, level: Level) -> None:
    report = judged(people, signed(people, level))
    assert (report.verdict, report.format) == (DocumentVerdict.VALID, "cades")
    (one,) = report.signatures
    assert (one.verdict, one.level, one.claimed_at) == (DocumentVerdict.VALID, level, MOMENT)
    assert one.proven_at == (None if level is Level.B else MOMENT)
    assert one.signer
    assert one.signer.name_en == "Somchai Signer"


@pytest.mark.parametrize("attached", [False, True])
def test_content_is_beside_the_signature_or_in_it(people: SigningPeople, attached: bool) -> None:
    signature = signed(people, attached=attached)
    assert (CONTENT in signature) is attached
    report = judged(people, signature, None)
    assert report.verdict is (DocumentVerdict.VALID if attached else DocumentVerdict.CANNOT_TELL)
    assert judged(people, signature).verdict is DocumentVerdict.VALID
    changed = judged(people, signature, CONTENT + b".")
    assert changed.verdict is DocumentVerdict.ALTERED
    assert changed.signatures[0].changed == ("content",)


KEYS = [KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519]


@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_of_key_signs_with_all_its_algorithms(people: SigningPeople, kind: KeyAlgorithm) -> None:
    signer = people.certified(kind)
    assert signer.certificate
    for algorithm in signature_algorithms(kind):
        signature = cms.sign(CONTENT, signer, signer.certificate, people.chain, moment=MOMENT, algorithm=algorithm)
        assert judged(people, signature).verdict is DocumentVerdict.VALID
        assert judged(people, signature, b"something else").verdict is DocumentVerdict.ALTERED


def test_an_algorithm_of_another_key_is_refused(people: SigningPeople) -> None:
    other = SignatureAlgorithm(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_256)
    with pytest.raises(UsageError):
        signed(people, algorithm=other)


def test_a_certificate_of_another_key_is_refused(people: SigningPeople) -> None:
    with pytest.raises(UsageError):
        cms.sign(CONTENT, people.signer, people.authority.der, moment=MOMENT)


def test_a_file_is_signed_and_written_piece_by_piece(people: SigningPeople, tmp_path: Path) -> None:
    source, target = tmp_path / "report.bin", tmp_path / "report.p7m"
    source.write_bytes(bytes(3_000_000))
    raising = cms.Raising(Level.T, MOMENT, people.timestamps)
    with cms.signing(source, people.signer, people.signer_party.der, people.chain, raising, attached=True) as signature:
        write_whole(target, signature.pieces())
    report = cms.verify(target, None, trust=people.trust(MOMENT), moment=MOMENT + DAY)
    assert report.verdict is DocumentVerdict.VALID
    assert target.stat().st_mode & 0o777 == 0o600
    detached = cms.sign(source, people.signer, people.signer_party.der, people.chain, moment=MOMENT)
    report = cms.verify(detached, source, trust=people.trust(MOMENT), moment=MOMENT + DAY)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].covers == "report.bin"


def test_several_people_sign_one_file(people: SigningPeople) -> None:
    first = signed(people, Level.LTA)
    other = people.certified(KeyAlgorithm.P_384, "Somying Signer")
    assert other.certificate
    both = cms.add_signature(
        first,
        CONTENT,
        other,
        other.certificate,
        people.chain,
        moment=MOMENT,
        level=Level.T,
        timestamps=people.timestamps,
    )
    report = judged(people, both)
    assert report.verdict is DocumentVerdict.VALID
    names = {each.signer.name_en for each in report.signatures if each.signer}
    assert names == {"Somchai Signer", "Somying Signer"}
    with pytest.raises(UsageError):
        cms.add_signature(first, b"other content", other, other.certificate, moment=MOMENT)


def test_levels_are_raised_one_by_one_and_what_is_signed_stays(people: SigningPeople) -> None:
    signature = signed(people)
    signer = read_signed_data(signature).signers[0]
    for level in (Level.T, Level.LT, Level.LTA, Level.LTA):
        settings = {"moment": MOMENT, "level": level, "timestamps": people.timestamps, "revocation": people}
        signature = cms.extend(signature, CONTENT, trust=people.trust(), **settings)  # type: ignore[arg-type]
        again = cms.extend(signature, CONTENT, trust=people.trust(), **settings)  # type: ignore[arg-type]
        assert again == signature
        report = judged(people, signature)
        assert report.verdict is DocumentVerdict.VALID
        assert report.signatures[0].level is level
        assert read_signed_data(signature).signers[0].signed_part == signer.signed_part


def test_levels_need_what_they_are_made_of(people: SigningPeople) -> None:
    signature = signed(people)
    with pytest.raises(UsageError, match="timestamp authority"):
        cms.extend(signature, moment=MOMENT, level=Level.T)
    with pytest.raises(EvidenceMissing):
        cms.extend(signature, moment=MOMENT, level=Level.LT, timestamps=people.timestamps, trust=people.trust())
    with pytest.raises(UsageError, match="signed file"):
        cms.extend(
            signature,
            moment=MOMENT,
            level=Level.LTA,
            timestamps=people.timestamps,
            trust=people.trust(),
            revocation=people,
        )


# The passing of time


@pytest.mark.parametrize(
    ("level", "verdict"),
    [
        (Level.B, DocumentVerdict.EXPIRED),
        (Level.T, DocumentVerdict.CANNOT_TELL),
        (Level.LT, DocumentVerdict.VALID),
        (Level.LTA, DocumentVerdict.VALID),
    ],
)
def test_two_years_later_the_certificate_has_expired(
    people: SigningPeople, level: Level, verdict: DocumentVerdict
) -> None:
    later = MOMENT + 2 * YEAR
    report = judged(people, signed(people, level), trust=people.trust(later), moment=later)
    assert report.verdict is verdict


def test_a_renewed_archive_timestamp_outlives_its_authorities(people: SigningPeople) -> None:
    signature = signed(people, Level.LTA)
    people.clock.now = renewed_at = MOMENT + 4 * YEAR
    newer = people.stamping("Newer stamper", not_after=MOMENT + 12 * YEAR)
    renewed = cms.extend(
        signature,
        CONTENT,
        moment=renewed_at,
        level=Level.LTA,
        timestamps=newer,
        revocation=people,
        trust=people.trust(),
        renew=True,
    )
    people.clock.now = MOMENT
    much_later = MOMENT + 10 * YEAR  # the first timestamp authority expired after five years
    trust = people.trust(much_later)
    assert judged(people, renewed, trust=trust, moment=much_later).verdict is DocumentVerdict.VALID
    assert judged(people, signature, trust=trust, moment=much_later).verdict is not DocumentVerdict.VALID
    assert len(read_signed_data(renewed).signers[0].values(ARCHIVE_TIMESTAMP_V3)) == 2


@pytest.mark.parametrize("level", [Level.B, Level.T])
@pytest.mark.parametrize("days", [-1, 1])
def test_a_revoked_certificate_counts_if_the_signature_is_proven_to_be_older(
    tmp_path: Path, level: Level, days: int
) -> None:
    people = SigningPeople(tmp_path)
    signature = signed(people, level)
    people.revoked[people.signer_party.certificate.serial_number] = MOMENT + days * DAY
    later = MOMENT + 2 * DAY
    report = judged(people, signature, trust=people.trust(later), moment=later)
    older = level is Level.T and days > 0
    assert report.verdict is (DocumentVerdict.VALID if older else DocumentVerdict.REVOKED)


def test_without_trust_nobody_is_trusted(people: SigningPeople) -> None:
    for level in (Level.B, Level.LTA):
        assert judged(people, signed(people, level), trust=None).verdict is DocumentVerdict.UNTRUSTED


def test_without_revocation_data_nobody_can_tell(people: SigningPeople) -> None:
    assert judged(people, signed(people), trust=people.trust()).verdict is DocumentVerdict.CANNOT_TELL
    people.clock.now = MOMENT
    asked = judged(people, signed(people), trust=people.trust(), moment=MOMENT, revocation=people)
    assert asked.verdict is DocumentVerdict.VALID


def test_evidence_taken_out_is_noticed(people: SigningPeople) -> None:
    parts = read_signed_data(signed(people, Level.LTA))
    report = judged(people, replace(parts, revocation_choices=parts.revocation_choices[:1]).written())
    assert report.signatures[0].level is not Level.LTA
    assert any(each.text.en.startswith("the archive timestamp is not over") for each in report.signatures[0].findings)


def test_the_timestamp_is_over_the_signature_value(people: SigningPeople) -> None:
    first, second = read_signed_data(signed(people, Level.T)), read_signed_data(signed(people))
    token = first.signers[0].values(SIGNATURE_TIMESTAMP)[0]
    moved = second.with_signers([second.signers[0].with_unsigned(SIGNATURE_TIMESTAMP, token)]).written()
    (one,) = judged(people, moved).signatures
    assert one.proven_at is None
    assert one.level is Level.B
