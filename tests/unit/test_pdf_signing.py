"""PDF signed and extended: one use of the key, all levels, fields, certifications, and what is refused."""

import asyncio
import builtins
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import CardRemoved, ConfigError, FileFailed, UsageError
from pki import pdf
from pki.errors import Malformed
from pki.long_term import EvidenceMissing
from pki.pdf import Appearance, Certify
from pki.signed import DocumentReport, DocumentVerdict, Level
from pki.trust import TrustStore
from tests.pdf_files import CATALOG, CONTENT, last_object, small_objects, updated
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import CountingSigner, Stamps, certificate_for, p384_key, rsa_key, town
from tests.thai_font import needs_thai_font
from tests.unit.small_pki import MOMENT, YEAR, root

BOX = Appearance(box=(72, 300, 300, 380))
DOCUMENT = pdf_file()


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return town().store(tmp_path_factory.mktemp("trust"), *town().lists().crls)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    """The root, and nothing about revocation."""
    return town().store(tmp_path_factory.mktemp("bare"))


def signed(document: bytes = DOCUMENT, signer: CountingSigner | None = None, **wishes: Any) -> bytes:
    place = town()
    using = signer or place.signer()
    certificate = using.certificate or place.citizen.der
    return pdf.sign(document, using, certificate, place.chain, **{"moment": MOMENT, **wishes})


def at_level(level: Level, trust: TrustStore | None, document: bytes = DOCUMENT, **wishes: Any) -> bytes:
    return signed(document, level=level, timestamps=town().stamps(), trust=trust, revocation=town().lists(), **wishes)


def verdicts(report: DocumentReport) -> list[str]:
    return [str(each.verdict) for each in report.signatures]


# One use of the key


@pytest.mark.parametrize("level", Level)
def test_the_key_is_used_once_and_what_it_signs_is_shown_before(level: Level, bare: TrustStore) -> None:
    signer, shown = town().signer(), []

    def show(digest: bytes, algorithm: HashAlgorithm) -> None:
        shown.append((signer.used, len(digest), algorithm))

    made = at_level(level, bare, signer=signer, show=show)
    assert signer.used == 1
    assert shown == [(0, 32, HashAlgorithm.SHA_256)]
    assert made.startswith(DOCUMENT)


def test_who_does_not_like_the_digest_stops_the_signature() -> None:
    signer = town().signer()

    def show(_digest: bytes, _algorithm: HashAlgorithm) -> None:
        raise CardRemoved("the card is gone")

    with pytest.raises(CardRemoved):
        signed(signer=signer, show=show)
    assert signer.used == 0


def test_an_authority_that_does_not_answer_costs_no_use_of_the_key() -> None:
    class Silent(Stamps):
        def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
            raise CardRemoved("nobody there")

    signer = town().signer()
    with pytest.raises(CardRemoved):
        signed(signer=signer, level=Level.T, timestamps=Silent(town().stamps().authority))
    assert signer.used == 0


def test_an_authority_that_sends_nonsense_is_told_apart() -> None:
    class Odd(Stamps):
        def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
            return b"\x30\x03\x02\x01\x00"

    with pytest.raises(Malformed, match="timestamp"):
        signed(level=Level.T, timestamps=Odd(town().stamps().authority))


# Keys


@pytest.mark.parametrize("scheme", [SignatureScheme.RSA_PKCS1, SignatureScheme.RSA_PSS])
@pytest.mark.parametrize("hashed", HashAlgorithm)
def test_rsa_of_both_kinds(scheme: SignatureScheme, hashed: HashAlgorithm, trust: TrustStore) -> None:
    signer = CountingSigner(rsa_key(), certificate_for(rsa_key()))
    made = signed(signer=signer, algorithm=SignatureAlgorithm(scheme, hashed))
    assert pdf.verify(made, trust, MOMENT).verdict is DocumentVerdict.VALID


def test_p384(trust: TrustStore) -> None:
    key = p384_key()
    made = signed(signer=CountingSigner(key, certificate_for(key)))
    assert pdf.verify(made, trust, MOMENT).verdict is DocumentVerdict.VALID


def test_a_certificate_of_another_key_is_refused() -> None:
    with pytest.raises(UsageError, match="not for this key"):
        pdf.sign(DOCUMENT, town().signer(), town().issuer.der, moment=MOMENT)


def test_an_algorithm_of_another_key_is_refused() -> None:
    with pytest.raises(UsageError, match="does not sign with"):
        signed(algorithm=SignatureAlgorithm(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_256))


# Levels


@pytest.mark.parametrize("level", Level)
def test_each_level_says_that_it_is_one(level: Level, trust: TrustStore) -> None:
    report = pdf.verify(at_level(level, trust), trust, MOMENT)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].level is level
    assert (report.signatures[0].proven_at is not None) == (level is not Level.B)


@pytest.mark.parametrize("level", [Level.T, Level.LT, Level.LTA])
def test_a_signature_can_be_raised_later(level: Level, trust: TrustStore) -> None:
    begin = signed()
    made = pdf.extend(begin, level, timestamps=town().stamps(), revocation=town().lists(), trust=trust, moment=MOMENT)
    assert made.startswith(begin)
    report = pdf.verify(made, trust, MOMENT)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].level is level
    assert [each.format for each in report.signatures][1:] == ["pades-timestamp"] * (2 if level is Level.LTA else 1)


def test_what_a_level_outlives(trust: TrustStore, tmp_path: Path) -> None:
    """Two years on the citizen's certificate has run out; the authorities' have not."""
    later = MOMENT + 2 * YEAR
    then = town().store(tmp_path / "then", *town().lists(later).crls)
    found = {level: pdf.verify(at_level(level, trust), then, later).verdict for level in Level}
    assert found == {
        Level.B: DocumentVerdict.EXPIRED,
        Level.T: DocumentVerdict.CANNOT_TELL,
        Level.LT: DocumentVerdict.VALID,
        Level.LTA: DocumentVerdict.VALID,
    }


def test_an_archive_timestamp_is_renewed(trust: TrustStore, tmp_path: Path) -> None:
    """Before the first timestamp authority's certificate runs out; then it may."""
    place, soon, later = town(), MOMENT + 4 * YEAR, MOMENT + 6 * YEAR
    first = at_level(Level.LTA, trust)
    younger = replace(
        place, stamper=place.issuer.issue("Stamper 2", extensions=_for_timestamps(), not_after=later + YEAR)
    )
    then = place.store(tmp_path / "soon", *place.lists(soon).crls)
    renewed = pdf.extend(first, Level.LTA, timestamps=younger.stamps(soon), trust=then, moment=soon)
    at_last = place.store(tmp_path / "later", *place.lists(later).crls)
    assert pdf.verify(first, at_last, later).verdict is not DocumentVerdict.VALID
    report = pdf.verify(renewed, at_last, later)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].proven_at == MOMENT


def _for_timestamps() -> Any:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    return [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)]


def test_revoked_before_and_after_the_proven_time(bare: TrustStore, tmp_path: Path) -> None:
    place, later = town(), MOMENT + timedelta(days=30)
    made = at_level(Level.LTA, bare)
    serial = place.citizen.certificate.serial_number
    lists = place.lists(later, serial).crls  # revoked two days before
    assert pdf.verify(signed(), place.store(tmp_path / "a", *lists), later).verdict is DocumentVerdict.REVOKED
    assert pdf.verify(made, place.store(tmp_path / "b", *lists), later).verdict is DocumentVerdict.VALID


def test_nothing_is_added_twice(trust: TrustStore) -> None:
    made = at_level(Level.LT, trust)
    again = pdf.extend(made, Level.LT, trust=trust, moment=MOMENT)
    assert again == made
    assert pdf.extend(made, Level.T, timestamps=town().stamps(), moment=MOMENT) == made


def test_evidence_without_revocation_data_is_none(bare: TrustStore) -> None:
    signer = town().signer()
    with pytest.raises(EvidenceMissing):
        signed(signer=signer, level=Level.LT, timestamps=town().stamps(), trust=bare)
    assert signer.used == 0


def test_a_timestamp_authority_that_nobody_vouches_for_costs_no_use_of_the_key(trust: TrustStore) -> None:
    stranger = root("Somebody")
    place = replace(town(), stamper=stranger.issue("Stamper", extensions=_for_timestamps()), issuer=stranger)
    signer = town().signer()
    with pytest.raises(EvidenceMissing):
        signed(signer=signer, level=Level.LTA, timestamps=place.stamps(), trust=trust)
    assert signer.used == 0


@pytest.mark.parametrize(("level", "missing"), [(Level.T, "timestamp"), (Level.LTA, "timestamp")])
def test_a_level_without_its_sources_is_refused_before_the_key_is_used(level: Level, missing: str) -> None:
    signer = town().signer()
    with pytest.raises(UsageError, match=missing):
        signed(signer=signer, level=level)
    with pytest.raises(UsageError, match="trust"):
        signed(signer=signer, level=Level.LT, timestamps=town().stamps())
    assert signer.used == 0


def test_what_can_not_be_extended(trust: TrustStore) -> None:
    stamps = town().stamps()
    with pytest.raises(UsageError, match="sign it first"):
        pdf.extend(DOCUMENT, Level.T, timestamps=stamps, moment=MOMENT)
    altered = updated(signed(), {CONTENT: small_objects(b"BT ET")[CONTENT]})
    with pytest.raises(UsageError, match="does not hold"):
        pdf.extend(altered, Level.T, timestamps=stamps, moment=MOMENT)
    with pytest.raises(UsageError, match="no timestamp yet"):
        pdf.extend(signed(), Level.LT, trust=trust, moment=MOMENT)
    with pytest.raises(UsageError, match="level b"):
        pdf.extend(signed(), Level.B, moment=MOMENT)


# Fields and certifications


@needs_thai_font
def test_several_people_sign_in_turn(trust: TrustStore) -> None:
    made = signed(signed(signed(), appearance=BOX), field="Third", reason="เห็นชอบ")
    report = pdf.verify(made, trust, MOMENT)
    assert report.verdict is DocumentVerdict.VALID
    assert [each.covers for each in report.signatures] == ["revision 2 of 4", "revision 3 of 4", "whole document"]
    assert report.signatures[0].changed == ("revision 3: signed Signature2", "revision 4: signed Third")


@needs_thai_font
@pytest.mark.parametrize("certify", [None, Certify.FORMS])
def test_a_field_that_is_there_is_filled(certify: Certify | None, trust: TrustStore) -> None:
    begin = pdf.add_field(DOCUMENT, "Officer", BOX)
    made = signed(signed(begin, certify=certify), field="Officer", reason="เห็นชอบ")
    assert pdf.verify(made, trust, MOMENT).verdict is DocumentVerdict.VALID
    assert len(re.findall(rb"/T \(Officer\)", made)) >= 1
    with pytest.raises(UsageError, match="signed already"):
        signed(made, field="Officer")


def test_a_form_is_filled_in_after_a_certification(trust: TrustStore) -> None:
    made = signed(certify=Certify.FORMS)
    filled = last_object(made, 6).replace(b"/FT /Tx", b"/FT /Tx /V (500)")
    report = pdf.verify(updated(made, {6: filled}), trust, MOMENT)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].changed == ("revision 3: filled Amount",)
    closed = signed(certify=Certify.NOTHING)
    assert pdf.verify(updated(closed, {6: filled}), trust, MOMENT).verdict is DocumentVerdict.ALTERED


@pytest.mark.parametrize("certify", Certify)
def test_evidence_and_timestamps_may_follow_every_certification(certify: Certify, trust: TrustStore) -> None:
    report = pdf.verify(at_level(Level.LTA, trust, certify=certify), trust, MOMENT)
    assert report.verdict is DocumentVerdict.VALID


def test_what_a_certification_forbids() -> None:
    closed, forms = signed(certify=Certify.NOTHING), signed(certify=Certify.FORMS)
    signer = town().signer()
    with pytest.raises(UsageError, match="certified against all changes"):
        signed(closed, signer)
    with pytest.raises(UsageError, match="without a new picture"):
        signed(forms, signer, appearance=BOX)
    with pytest.raises(UsageError, match="first signature"):
        signed(forms, signer, certify=Certify.FORMS)
    with pytest.raises(UsageError, match="no field can be added"):
        pdf.add_field(forms, "Late", BOX)
    assert signer.used == 0


@needs_thai_font
def test_a_field_that_names_its_own_timestamp_authority_does_not_get_us_there() -> None:
    begin = pdf.add_field(DOCUMENT, "Officer", BOX)
    number = int(re.findall(rb"[\r\n](\d+) 0 obj\s*<<(?:(?!endobj).)*?/T \(Officer\)", begin, re.DOTALL)[-1])
    wants = b" /SV << /Type /SV /TimeStamp << /URL (http://evil.example/) /Ff 1 >> >> >>"
    asking = updated(begin, {number: last_object(begin, number)[:-2] + wants})
    signer = town().signer()
    with pytest.raises(UsageError, match="your own"):
        signed(asking, signer, field="Officer")
    assert signer.used == 0


@pytest.mark.parametrize("field", ["a.b", "  "])
def test_names_that_no_field_can_have(field: str) -> None:
    with pytest.raises(UsageError, match="name of a new signature field"):
        signed(field=field)


@needs_thai_font
@pytest.mark.parametrize("box", [(10, 10, 10, 50), (10, 50, 90, 10)])
def test_boxes_without_room(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(UsageError, match="box"):
        signed(appearance=Appearance(box=box))


@needs_thai_font
def test_a_page_that_is_not_there() -> None:
    with pytest.raises((UsageError, Malformed)):
        signed(appearance=Appearance(box=(72, 300, 300, 380), page=7))


def test_long_reasons_are_refused() -> None:
    with pytest.raises(UsageError, match="500"):
        signed(reason="x" * 501)


# Documents


@pytest.mark.parametrize("document", [b"", b"%PDF-1.7\n", b"hello", DOCUMENT[:300]])
def test_what_is_no_pdf_is_refused(document: bytes) -> None:
    with pytest.raises(Malformed):
        signed(document)


def test_what_other_programs_would_read_differently_is_not_signed() -> None:
    twice = small_objects()
    twice[CATALOG] = twice[CATALOG].replace(b"/Type /Catalog", b"/Type /Catalog /Type /Catalog")
    with pytest.raises(Malformed, match="write it anew"):
        signed(pdf_file(twice))


def test_an_encrypted_document_is_refused() -> None:
    with pytest.raises(UsageError, match="encrypted"):
        signed(pdf_file(trailer=b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <00> /U <00> >>"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileFailed):
        pdf.verify(tmp_path / "nothing.pdf", None, MOMENT)


def test_the_moment_has_a_time_zone() -> None:
    with pytest.raises(UsageError, match="time zone"):
        signed(moment=MOMENT.replace(tzinfo=None))
    with pytest.raises(UsageError, match="time zone"):
        pdf.verify(DOCUMENT, None, MOMENT.replace(tzinfo=None))


def test_signing_works_inside_an_event_loop_too(trust: TrustStore) -> None:
    async def inside() -> bytes:
        return at_level(Level.LTA, trust)

    assert pdf.verify(asyncio.run(inside()), trust, MOMENT).signatures[0].level is Level.LTA


CALLS: dict[str, Callable[[], object]] = {
    "sign": signed,
    "verify": lambda: pdf.verify(DOCUMENT, None, MOMENT),
    "extend": lambda: pdf.extend(DOCUMENT, Level.T, timestamps=town().stamps(), moment=MOMENT),
    "add a field": lambda: pdf.add_field(DOCUMENT, "a", BOX),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_pyhanko_it_says_what_to_install(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> ModuleType:
        if name.startswith("pdf_"):
            raise ModuleNotFoundError("No module named 'pyhanko'", name="pyhanko")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=re.escape("pip install ecitizen[sign]")):
        CALLS[call]()
