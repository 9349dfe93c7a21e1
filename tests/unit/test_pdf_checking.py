"""Signed PDF checked: other makers' signatures, timestamps that are not over the document, and forms filled in."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, core, keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ecitizen.algorithms import HashAlgorithm
from pki import pdf
from pki.pdf import Appearance, Certify
from pki.pdf_library import SourceTimeStamper
from pki.signed import DocumentReport, DocumentVerdict, Level
from pki.trust import TrustStore
from tests.pdf_files import CATALOG, CONTENT, FIELD, last_object, small_objects, stream, updated
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import Stamps, Town, town
from tests.thai_font import needs_thai_font
from tests.unit.small_pki import MOMENT, root

DOCUMENT = pdf_file()
OTHER = stream(b"BT /F1 24 Tf 72 700 Td (Something else) Tj ET")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return town().store(tmp_path_factory.mktemp("trust"), *town().lists().crls)


def signed(document: bytes = DOCUMENT, place: Town | None = None, **wishes: Any) -> bytes:
    place = place or town()
    return pdf.sign(document, place.signer(), place.citizen.der, place.chain, **{"moment": MOMENT, **wishes})


def check(document: bytes, trust: TrustStore | None) -> DocumentReport:
    return pdf.verify(document, trust, MOMENT)


def said(report: DocumentReport) -> str:
    """All findings, in English."""
    found = [*report.findings, *(finding for each in report.signatures for finding in each.findings)]
    return "\n".join(each.text.en for each in found)


# Who signed


def test_it_says_who_signed_and_what(trust: TrustStore) -> None:
    (found,) = check(signed(reason="เห็นชอบ"), trust).signatures
    assert found.signer is not None
    assert found.signer.name_th == "สมชาย ใจดี"
    assert found.claimed_at == MOMENT
    assert found.proven_at is None
    assert found.format == "pades"
    assert found.path is not None
    assert found.path.chain[-1] == town().root.der


def test_nobody_vouches_for_a_stranger(trust: TrustStore) -> None:
    stranger = root("Somebody")
    place = replace(town(), citizen=stranger.issue("สมชาย ใจดี"), issuer=stranger)
    assert check(signed(place=place), trust).verdict is DocumentVerdict.UNTRUSTED
    assert check(signed(), None).verdict is DocumentVerdict.UNTRUSTED


def test_without_revocation_data_nobody_can_tell(tmp_path: Path) -> None:
    assert check(signed(), town().store(tmp_path)).verdict is DocumentVerdict.CANNOT_TELL


def test_revocation_data_may_be_fetched(tmp_path: Path) -> None:
    report = pdf.verify(signed(), town().store(tmp_path), MOMENT, revocation=town().lists())
    assert report.verdict is DocumentVerdict.VALID


def test_one_bad_signature_spoils_the_document(trust: TrustStore) -> None:
    stranger = root("Somebody")
    place = replace(town(), citizen=stranger.issue("Mallory"), issuer=stranger)
    report = check(signed(signed(), place), trust)
    assert [each.verdict for each in report.signatures] == [DocumentVerdict.VALID, DocumentVerdict.UNTRUSTED]
    assert report.verdict is DocumentVerdict.UNTRUSTED


def test_what_is_covered_and_changed_is_told_in_both_languages(trust: TrustStore) -> None:
    document = signed()
    (found,) = check(document, trust).signatures
    told = [each.text for each in found.findings if each.check == "coverage"]
    assert [(each.th, each.en) for each in told] == [
        ("ลายมือชื่อครอบคลุมเอกสารทั้งฉบับ", "the signature covers the whole document")
    ]
    for later, thai, english in (
        (filled(document, b"500"), "ช่อง Amount", "field Amount"),
        (updated(document, {CONTENT: OTHER}), "หน้า 1", "page 1"),
    ):
        (found,) = check(later, trust).signatures
        coverage, change = (each.text for each in found.findings if each.check in {"coverage", "change"})
        assert "ฉบับที่ 2 จากทั้งหมด 3" in coverage.th
        assert "revision 2 of 3" in coverage.en
        assert f"(ฉบับที่ 3 {thai})" in change.th
        assert f"(revision 3, {english})" in change.en


# Other makers


@dataclass
class OtherMaker:
    """pyHanko with its own ways, and our keys."""

    subfilter: Any = fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    stamped: bool = False

    def sign(self, document: bytes = DOCUMENT, *, strict: bool = True) -> bytes:
        place = town()
        private = place.citizen.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        known = SimpleCertificateStore.from_certs([asn1_x509.Certificate.load(each) for each in place.chain])
        signer = SimpleSigner(asn1_x509.Certificate.load(place.citizen.der), keys.PrivateKeyInfo.load(private), known)
        metadata = PdfSignatureMetadata(field_name="Theirs", subfilter=self.subfilter, md_algorithm="sha256")
        stamper = SourceTimeStamper(place.stamps()) if self.stamped else None
        output = BytesIO()
        writer = IncrementalPdfFileWriter(BytesIO(document), strict=strict)
        PdfSigner(metadata, signer, timestamper=stamper).sign_pdf(writer, output=output)
        return output.getvalue()


@pytest.mark.parametrize("stamped", [False, True])
def test_signatures_as_adobe_makes_them(stamped: bool, trust: TrustStore) -> None:
    document = OtherMaker(stamped=stamped).sign()
    report = check(document, trust)
    assert report.verdict is DocumentVerdict.VALID
    assert (report.signatures[0].format, report.signatures[0].level) == ("pdf", None)
    assert (report.signatures[0].proven_at == MOMENT) == stamped
    altered = check(updated(document, {CONTENT: OTHER}), trust)
    assert altered.verdict is DocumentVerdict.ALTERED
    assert altered.signatures[0].changed == ("revision 3: page 1",)


def test_a_file_that_breaks_rules_is_what_was_signed_until_something_is_added(trust: TrustStore) -> None:
    twice = small_objects()
    twice[FIELD] = twice[FIELD].replace(b"/FT /Tx", b"/FT /Tx /FT /Tx")
    document = OtherMaker().sign(pdf_file(twice), strict=False)
    report = check(document, trust)
    assert report.verdict is DocumentVerdict.VALID
    assert "breaks rules" in said(report)
    later = updated(document, {80: b"null"})
    assert check(later, trust).verdict is DocumentVerdict.CANNOT_TELL


def renamed(document: bytes, name: bytes) -> bytes:
    """Another SubFilter, which is not noticed in what was signed, since it is signed again by nobody."""
    found = re.search(rb"/SubFilter ?/[A-Za-z0-9.#]+", document)
    assert found
    new = b"/SubFilter " + name
    return document.replace(found[0], new.ljust(len(found[0])))


@pytest.mark.parametrize("name", [b"/adbe.pkcs7.sha1", b"/adbe.x509.rsa_sha1", b"/Somebody.new"])
def test_weak_and_unknown_kinds_are_told_apart_from_good_ones(name: bytes, trust: TrustStore) -> None:
    report = check(renamed(signed(), name), trust)
    assert report.verdict is DocumentVerdict.CANNOT_TELL
    assert report.signatures[0].verdict is DocumentVerdict.CANNOT_TELL


# What is in the signature


def with_cms(document: bytes, change: Callable[[Any], None]) -> bytes:
    """The CMS signature changed; it is not covered by itself."""
    found = list(re.finditer(rb"/Contents ?<([0-9a-fA-F]+)>", document))[-1]
    info = cms.ContentInfo.load(bytes.fromhex(found[1].decode()))
    change(info["content"])
    dumped: bytes = info.dump(force=True)
    new = dumped.hex().encode().ljust(len(found[1]), b"0")
    assert len(new) == len(found[1])
    return document[: found.start(1)] + new + document[found.end(1) :]


def _flip(data: Any) -> None:
    signer = data["signer_infos"][0]
    signature = bytearray(signer["signature"].native)
    signature[-1] ^= 1
    signer["signature"] = bytes(signature)


def _no_certificates(data: Any) -> None:
    data["certificates"] = []


def _other_content(data: Any) -> None:
    data["encap_content_info"] = {"content_type": "data", "content": core.OctetString(b"x")}


def _no_signer(data: Any) -> None:
    data["signer_infos"] = []


def _two_signers(data: Any) -> None:
    data["signer_infos"] = [data["signer_infos"][0], data["signer_infos"][0]]


@pytest.mark.parametrize("change", [_flip, _no_certificates, _other_content, _no_signer, _two_signers])
def test_a_changed_signature_is_never_valid(change: Callable[[Any], None], trust: TrustStore) -> None:
    document = with_cms(signed(), change)
    report = check(document, trust)
    expected = DocumentVerdict.ALTERED if change is _flip else DocumentVerdict.CANNOT_TELL
    assert report.verdict is expected


def test_certificates_by_the_thousand(trust: TrustStore) -> None:
    """They are left out beyond a bound, and the report says so; those of the path are in the trust directory or not."""
    place, key = town(), town().citizen.key
    crowd = [place.issuer.issue("Somebody", key=key).der for _ in range(300)]
    document = pdf.sign(DOCUMENT, place.signer(), place.citizen.der, [*place.chain, *crowd], moment=MOMENT)
    report = check(document, trust)
    assert report.verdict in {DocumentVerdict.VALID, DocumentVerdict.CANNOT_TELL, DocumentVerdict.UNTRUSTED}
    assert "left out" in said(report)


# Time


class Elsewhere(Stamps):
    """Stamps something else than it is asked for."""

    def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
        return super().stamp(bytes(len(digest)), algorithm)


@pytest.mark.parametrize("level", [Level.T])
def test_a_timestamp_over_something_else_proves_nothing(level: Level, trust: TrustStore) -> None:
    document = signed(level=level, timestamps=Elsewhere(town().stamps().authority))
    (found,) = check(document, trust).signatures
    assert found.proven_at is None
    assert "not over this" in said(check(document, trust))


def test_a_document_timestamp_over_something_else_is_none(trust: TrustStore) -> None:
    document = pdf.extend(signed(), Level.T, timestamps=Elsewhere(town().stamps().authority), moment=MOMENT)
    report = check(document, trust)
    assert report.verdict is DocumentVerdict.ALTERED
    assert report.signatures[0].proven_at is None


def test_a_strangers_timestamp_proves_nothing(trust: TrustStore) -> None:
    stranger = root("Somebody")
    place = replace(town(), stamper=stranger.issue("Stamper", extensions=_only_for_timestamps()), issuer=stranger)
    document = signed(level=Level.T, timestamps=place.stamps())
    assert check(document, trust).signatures[0].proven_at is None


def _only_for_timestamps() -> Any:
    return [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)]


def test_a_timestamp_of_tomorrow_proves_nothing(trust: TrustStore) -> None:
    document = signed(level=Level.T, timestamps=town().stamps(MOMENT + timedelta(days=1)))
    assert check(document, trust).signatures[0].proven_at is None


def test_a_document_timestamp_does_not_cover_what_came_later(trust: TrustStore) -> None:
    document = pdf.extend(signed(), Level.T, timestamps=town().stamps(), moment=MOMENT)
    report = check(signed(document), trust)
    assert report.verdict is DocumentVerdict.VALID
    assert [each.proven_at for each in report.signatures] == [MOMENT, MOMENT, None]
    assert [each.level for each in report.signatures] == [Level.T, None, Level.B]


# Forms


def filled(document: bytes, value: bytes, look: bytes = b"") -> bytes:
    field = re.sub(rb"/V \([^)]*\)", b"", last_object(document, FIELD))
    entries = b"/V (%s)" % value
    if not look:
        return updated(document, {FIELD: field[:-2] + entries + b" >>"})
    number = 90
    drawn = stream(look, b"/Subtype /Form /BBox [0 0 200 20]")
    return updated(document, {FIELD: field[:-2] + entries + b" /AP << /N 90 0 R >> >>", number: drawn})


@pytest.mark.parametrize("look", [b"", b"/Tx BMC BT /F1 12 Tf (500) Tj ET EMC"])
def test_an_empty_field_may_be_filled_in_later_and_it_is_told(look: bytes, trust: TrustStore) -> None:
    report = check(filled(signed(), b"500", look), trust)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].changed == ("revision 3: filled Amount",)


def test_a_filled_field_may_not_say_something_else_later(trust: TrustStore) -> None:
    document = signed(filled(DOCUMENT, b"100"))
    report = check(filled(document, b"900"), trust)
    assert report.verdict is DocumentVerdict.ALTERED
    assert report.signatures[0].changed == ("revision 4: refilled Amount",)


def test_a_field_that_shows_something_is_not_empty(trust: TrustStore) -> None:
    shown = filled(DOCUMENT, b"", b"BT /F1 12 Tf (100) Tj ET")
    document = signed(shown)
    report = check(filled(document, b"900", b"BT /F1 12 Tf (900) Tj ET"), trust)
    assert report.verdict is DocumentVerdict.ALTERED


def test_a_certification_for_forms_lets_fields_be_corrected(trust: TrustStore) -> None:
    document = signed(filled(DOCUMENT, b"100"), certify=Certify.FORMS)
    report = check(filled(document, b"900"), trust)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].changed == ("revision 4: refilled Amount",)


def test_what_the_second_signer_saw_counts_for_the_second(trust: TrustStore) -> None:
    document = signed(filled(signed(), b"100"))
    assert check(document, trust).verdict is DocumentVerdict.VALID
    report = check(filled(document, b"900"), trust)
    assert [each.verdict for each in report.signatures] == [DocumentVerdict.VALID, DocumentVerdict.ALTERED]


def test_a_new_field_of_a_form_is_a_change(trust: TrustStore) -> None:
    document = signed()
    catalog = last_object(document, CATALOG).replace(b"/Fields [", b"/Fields [91 0 R ")
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (New) /V (evil) /Rect [72 500 272 520] /F 4 >>"
    assert check(updated(document, {CATALOG: catalog, 91: field}), trust).verdict is DocumentVerdict.ALTERED


@needs_thai_font
def test_a_visible_signature_may_follow_another_one(trust: TrustStore) -> None:
    look = Appearance(box=(72, 300, 300, 380))
    assert check(signed(signed(appearance=look), appearance=replace(look, page=-1)), trust).verdict is (
        DocumentVerdict.VALID
    )


def test_a_file_without_a_form_or_pages_is_refused_or_undecided() -> None:
    for objects in ({CATALOG: b"<< /Type /Catalog >>"}, {**small_objects(), CATALOG: b"null"}):
        assert check(pdf_file(objects), None).verdict is DocumentVerdict.CANNOT_TELL
