"""`pdfsig`, `qpdf` and pyHanko's own validator judge PDF that were signed here, by the card and through OpenSC too.

poppler (22.12) does not check document timestamps, so of level LTA it judges the signature only.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import crl, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import Slot
from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.emulator.card import Card
from ecitizen.ports import PinState, Signer
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.transport.pcsc import connect
from pki import pdf
from pki.errors import KeyUnavailable, KeyUnsupported, PassphraseWrong
from pki.keys import generate_key
from pki.pdf import Appearance, Certify
from pki.pdf_report import report_pdf
from pki.pkcs11_keys import Pkcs11Token, Pkcs11Uri, certificate_on_token
from pki.signed import DocumentVerdict, Level
from pki.trust import TrustStore
from tests.interop.signing_card import PIN, CardKind, Insert, Programs
from tests.pdf_files import CATALOG, CONTENT, small_objects, updated
from tests.pdf_files import pdf as pdf_file
from tests.pdf_signers import CountingSigner, certificate_for, town
from tests.thai_font import needs_thai_font
from tests.unit.small_pki import MOMENT

KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]
DOCUMENT = pdf_file()
LOOK = Appearance(box=(72, 300, 300, 380))


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return town().store(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def signers() -> Mapping[KeyAlgorithm, CountingSigner]:
    keys = {kind: generate_key(kind) for kind in KINDS}
    return {kind: CountingSigner(key, certificate_for(key)) for kind, key in keys.items()}


@dataclass(frozen=True)
class Judges:
    """The programs that are asked, and what they say."""

    programs: Programs

    def qpdf(self, document: bytes) -> None:
        """It has nothing to say against the file."""
        said = self.programs.run("qpdf", "--check", self.programs.write("judged.pdf", document))
        assert "No syntax or stream encoding errors found" in said

    def pdfsig(self, document: bytes) -> list[str]:
        """What it says of each signature, document timestamps aside."""
        said = self.programs.attempt("pdfsig", self.programs.write("judged.pdf", document)).stdout
        found = re.findall(r"Signature Type: (.*)\n(?:.*\n)*?.*Signature Validation: (.*)", said)
        return [validation for kind, validation in found if kind.startswith(("ETSI.CAdES", "adbe"))]


@pytest.fixture
def judges(programs: Programs) -> Judges:
    return Judges(programs)


def made(signer: CountingSigner, level: Level, trust: TrustStore, **wishes: object) -> bytes:
    place = town()
    assert signer.certificate
    return pdf.sign(
        DOCUMENT,
        signer,
        signer.certificate,
        place.chain,
        level=level,
        timestamps=place.stamps(),
        trust=trust,
        revocation=place.lists(),
        moment=MOMENT,
        **wishes,  # type: ignore[arg-type]  # of pdf.sign
    )


def context() -> ValidationContext:
    """What pyHanko is to believe."""
    return ValidationContext(
        trust_roots=[x509.Certificate.load(town().root.der)],
        crls=[crl.CertificateList.load(each) for each in town().lists().crls],
        moment=MOMENT,
        revocation_mode="require",
        allow_fetching=False,
    )


def pyhanko_says(document: bytes) -> bool:
    """pyHanko's bottom line on the first signature, by its own path validation."""
    signature = PdfFileReader(BytesIO(document)).embedded_regular_signatures[0]
    usage = KeyUsageConstraints(key_usage={"digital_signature"})
    return bool(validate_pdf_signature(signature, context(), key_usage_settings=usage).bottom_line)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("kind", KINDS)
def test_all_of_them_accept_every_level_and_key(
    kind: KeyAlgorithm, level: Level, judges: Judges, trust: TrustStore, signers: Mapping[KeyAlgorithm, CountingSigner]
) -> None:
    document = made(signers[kind], level, trust)
    judges.qpdf(document)
    assert judges.pdfsig(document) == ["Signature is Valid."]
    assert pyhanko_says(document)


@pytest.mark.parametrize("hashed", HashAlgorithm)
def test_rsa_pss_has_the_salt_that_it_says(
    hashed: HashAlgorithm, judges: Judges, trust: TrustStore, signers: Mapping[KeyAlgorithm, CountingSigner]
) -> None:
    algorithm = SignatureAlgorithm(SignatureScheme.RSA_PSS, hashed)
    document = made(signers[KeyAlgorithm.RSA_2048], Level.B, trust, algorithm=algorithm)
    assert judges.pdfsig(document) == ["Signature is Valid."]
    assert pyhanko_says(document)


def test_pyhanko_believes_the_document_timestamps(trust: TrustStore) -> None:
    first = made(town().signer(), Level.LTA, trust)
    renewed = pdf.extend(
        first, Level.LTA, timestamps=town().stamps(), trust=trust, revocation=town().lists(), moment=MOMENT
    )
    stamps = PdfFileReader(BytesIO(renewed)).embedded_timestamp_signatures
    assert len(stamps) == 2
    for each in stamps:
        status = validate_pdf_timestamp(each, context())
        assert status.intact
        assert status.valid
        assert status.trusted
    signature = PdfFileReader(BytesIO(renewed)).embedded_regular_signatures[0]
    assert signature.compute_integrity_info() is None
    assert signature.summarise_integrity_info()["docmdp_ok"]


@needs_thai_font
@pytest.mark.parametrize("certify", [None, *Certify])
def test_pictures_and_certifications_are_well_formed(
    certify: Certify | None, judges: Judges, trust: TrustStore
) -> None:
    document = made(town().signer(), Level.B, trust, appearance=LOOK, certify=certify, reason="เพื่อรับรองสำเนาถูกต้อง")
    judges.qpdf(document)
    assert judges.pdfsig(document) == ["Signature is Valid."]
    text = judges.programs.run("pdftotext", "judged.pdf", "-")
    assert "เพื่อรับรองสำเนาถูกต้อง" in text
    assert "22 พ.ย. 2569" in text


@needs_thai_font
def test_several_signatures_are_all_valid(judges: Judges, trust: TrustStore) -> None:
    place = town()
    document = made(place.signer(), Level.T, trust)
    for look in (None, LOOK):
        document = pdf.sign(document, place.signer(), place.citizen.der, place.chain, moment=MOMENT, appearance=look)
    judges.qpdf(document)
    assert judges.pdfsig(document) == ["Signature is Valid."] * 3


def test_they_see_a_change_that_we_see(judges: Judges, trust: TrustStore) -> None:
    document = made(town().signer(), Level.B, trust)
    altered = document.replace(b"Pay 100 baht", b"Pay 999 baht")
    assert judges.pdfsig(altered) == ["Digest Mismatch."]
    assert not pyhanko_says(altered)
    assert pdf.verify(altered, trust, MOMENT).verdict is DocumentVerdict.ALTERED
    appended = updated(document, {CONTENT: small_objects(b"BT ET")[CONTENT]})
    judges.qpdf(appended)  # a good file, and another document
    assert not pyhanko_says(appended)
    assert pdf.verify(appended, trust, MOMENT).verdict is DocumentVerdict.ALTERED


def test_what_qpdf_writes_can_be_signed(judges: Judges, trust: TrustStore) -> None:
    """With object streams, and linearised: files as other programs write them."""
    judges.programs.write("plain.pdf", DOCUMENT)
    for options in (["--object-streams=generate"], ["--linearize"], ["--qdf"]):
        judges.programs.run("qpdf", *options, "plain.pdf", "written.pdf")
        place = town()
        document = pdf.sign(
            judges.programs.read("written.pdf"), place.signer(), place.citizen.der, place.chain, moment=MOMENT
        )
        judges.qpdf(document)
        assert judges.pdfsig(document) == ["Signature is Valid."]
        report = pdf.verify(document, trust, MOMENT, revocation=place.lists())
        assert report.verdict is DocumentVerdict.VALID


def test_what_qpdf_encrypts_is_told(judges: Judges) -> None:
    judges.programs.write("plain.pdf", DOCUMENT)
    judges.programs.run("qpdf", "--encrypt", "", "owner", "256", "--", "plain.pdf", "closed.pdf")
    report = pdf.verify(judges.programs.read("closed.pdf"), None, MOMENT)
    assert report.verdict is DocumentVerdict.CANNOT_TELL
    assert "encrypted" in report.findings[0].text.en


@needs_thai_font
def test_a_report_can_be_read_and_printed(judges: Judges, trust: TrustStore) -> None:
    report = pdf.verify(made(town().signer(), Level.LTA, trust), trust, MOMENT)
    document = report_pdf([("หนังสือรับรอง.pdf", report)])
    judges.qpdf(document)
    text = judges.programs.run("pdftotext", "judged.pdf", "-")
    assert "รายงานผลการตรวจสอบลายมือชื่ออิเล็กทรอนิกส์" in text
    assert "หนังสือรับรอง.pdf" in text
    judges.programs.run("pdftoppm", "-r", "40", "-gray", "judged.pdf", "page")
    (page,) = judges.programs.folder.glob("page*.pgm")
    assert len(set(page.read_bytes()[20:])) > 20  # shades of grey: there is writing on it
    fonts = judges.programs.run("pdffonts", "judged.pdf").splitlines()[2:]
    assert fonts
    assert all(re.search(r"yes +yes +yes", line) for line in fonts)  # embedded, a subset, and copied as text


def test_what_poppler_signs_is_checked_here(judges: Judges) -> None:
    """Its files break rules of PDF (generations of objects), which is noted; the signature covers all of it."""
    programs = judges.programs
    subject = ["-subj", "/CN=Foreign Maker", "-newkey", "rsa:2048", "-noenc", "-days", "2"]
    programs.run("openssl", "req", "-x509", *subject, "-keyout", "key.pem", "-out", "own.pem")
    bundle = ["-inkey", "key.pem", "-in", "own.pem", "-out", "own.p12", "-passout", "pass:x", "-name", "maker"]
    programs.run("openssl", "pkcs12", "-export", *bundle)
    programs.run("certutil", "-N", "-d", ".", "--empty-password")
    programs.run("pk12util", "-i", "own.p12", "-d", ".", "-W", "x")
    objects = small_objects()
    objects[CATALOG] = b"<< /Type /Catalog /Pages 2 0 R >>"
    programs.write("plain.pdf", pdf_file(objects))
    signing = ["-add-signature", "-nssdir", ".", "-nick", "maker", "-nss-pwd", ""]
    programs.attempt("pdfsig", "plain.pdf", "theirs.pdf", *signing)
    document = programs.read("theirs.pdf")
    (report,) = pdf.verify(document, None, datetime.now(UTC)).signatures
    assert (report.verdict, report.format, report.covers) == (DocumentVerdict.UNTRUSTED, "pdf", "whole document")
    assert report.signer
    assert report.signer.name_en == "Foreign Maker"
    altered = document.replace(b"Pay 100 baht", b"Pay 999 baht")
    assert pdf.verify(altered, None, datetime.now(UTC)).verdict is DocumentVerdict.ALTERED


# The card


def by(signer: Signer, certificate: bytes, authority: bytes) -> bytes:
    return pdf.sign(DOCUMENT, signer, certificate, [authority], moment=datetime.now(UTC))


@pytest.mark.parametrize(
    ("keys", "kind"), [("9A on P-256", CardKind.THAI_T0), ("9A with RSA", CardKind.THAI_T1)], ids=["rsa", "p384"]
)
def test_the_card_signs_through_pcsc(
    keys: str,
    kind: CardKind,
    insert: Insert,
    signing_card: Callable[..., Card],
    signing_authorities: Mapping[str, bytes],
    judges: Judges,
    tmp_path: Path,
) -> None:
    asked = []

    def pin(state: PinState) -> Pin:
        asked.append(state)
        return Pin(PIN)

    with insert(signing_card(kind, keys)) as (reader,), closing(connect(reader)) as connection:
        signer = PivSession.select(CardSession(connection)).signer(Slot.SIGNATURE, pin)
        assert signer.certificate
        document = by(signer, signer.certificate, signing_authorities[keys])
    assert len(asked) == 1  # the key of this slot wants the PIN each time
    judges.qpdf(document)
    assert judges.pdfsig(document) == ["Signature is Valid."]
    assert pdf.verify(document, None, datetime.now(UTC) + timedelta(minutes=1)).signatures[0].level is Level.B


@pytest.mark.parametrize(("key_id", "asked"), [(b"\x01", 0), (b"\x02", 2)], ids=["9a", "9c"])
def test_opensc_signs_for_us(
    key_id: bytes,
    asked: int,
    insert: Insert,
    signing_card: Callable[..., Card],
    signing_authorities: Mapping[str, bytes],
    foreign_library: Callable[[str], Path],
    judges: Judges,
) -> None:
    """The same card as a PKCS#11 token, which has the certificate too. 9C wants the PIN for each of two signatures."""
    keys, typed = "9A on P-256", []

    def pin() -> KeyBytes:
        typed.append(KeyBytes(PIN.encode("ascii")))
        return typed[-1]

    with insert(signing_card(CardKind.THAI_T1, keys)):
        label = re.search(r"token label +: (.*)", judges.programs.run("pkcs11-tool", "--list-token-slots"))
        assert label
        uri = Pkcs11Uri(label[1].strip(), "", str(foreign_library("opensc-pkcs11.so")), key_id)
        certificate = certificate_on_token(uri)
        with Pkcs11Token(uri, KeyBytes(PIN.encode("ascii"))) as token:
            signer = token.signer(key_id=key_id, ask_pin=pin)
            assert signer.certificate
            assert signer.certificate == certificate
            documents = [by(signer, signer.certificate, signing_authorities[keys]) for _ in range(2)]
            assert len(typed) == asked
            assert all(PIN.encode("ascii") not in bytes(each.reveal()) for each in typed)
            if asked:
                with pytest.raises(KeyUnsupported, match="every signature"):
                    token.signer(key_id=key_id)
            with pytest.raises(KeyUnavailable):
                token.signer(key_id=b"\x63")
        assert certificate_on_token(replace(uri, id=b"\x63")) is None
    for document in documents:
        assert judges.pdfsig(document) == ["Signature is Valid."]


def test_a_wrong_pin_for_one_signature_is_told(
    insert: Insert, signing_card: Callable[..., Card], foreign_library: Callable[[str], Path], judges: Judges
) -> None:
    with insert(signing_card(CardKind.THAI_T1, "9A on P-256")):
        label = re.search(r"token label +: (.*)", judges.programs.run("pkcs11-tool", "--list-token-slots"))
        assert label
        uri = Pkcs11Uri(label[1].strip(), "SIGN key", str(foreign_library("opensc-pkcs11.so")))
        with Pkcs11Token(uri, KeyBytes(PIN.encode("ascii"))) as token:
            signer = token.signer("SIGN key", ask_pin=lambda: KeyBytes(b"654321"))
            with pytest.raises(PassphraseWrong):
                signer.sign(b"message", signer.algorithms[0])
