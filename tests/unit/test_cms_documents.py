"""One way in for documents of all kinds, and who signed them."""

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ecitizen.errors import FileFailed, UsageError
from pki import documents
from pki.documents import FileKind, SignatureFormat, extend_file, sign_file, usual_target, verify_file
from pki.pem import pem
from pki.signed import NO_FORMAT, DocumentVerdict, Level, SignedBounds
from pki.signed_trust import identity_of
from tests.signing_people import SigningPeople
from tests.unit.small_pki import MOMENT, YEAR

LATER = MOMENT + timedelta(days=1)
XML = '<?xml version="1.0"?><letter>ตกลง</letter>'.encode()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.doc"
    path.write_bytes(b"what was agreed on")
    return path


def signed(people: SigningPeople, path: Path, form: SignatureFormat | None = None, level: Level = Level.B) -> Path:
    return sign_file(
        path,
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        form=form,
        level=level,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (None, "letter.doc.p7s"),
        (SignatureFormat.CADES, "letter.doc.p7s"),
        (SignatureFormat.ASIC_E, "letter.doc.asice"),
        (SignatureFormat.ASIC_S, "letter.doc.asics"),
    ],
)
def test_a_file_is_signed_extended_and_checked(
    people: SigningPeople, letter: Path, form: SignatureFormat | None, name: str
) -> None:
    target = signed(people, letter, form)
    assert target.name == name
    trust = people.trust(MOMENT)
    assert verify_file(target, trust=trust, moment=LATER).verdict is DocumentVerdict.VALID
    extended = extend_file(
        target,
        moment=MOMENT,
        level=Level.LTA,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )
    assert extended == target
    later = MOMENT + 2 * YEAR
    report = verify_file(target, trust=people.trust(later), moment=later)
    assert report.verdict is DocumentVerdict.VALID
    assert report.signatures[0].level is Level.LTA


def test_signature_and_file_are_found_by_their_names(people: SigningPeople, letter: Path) -> None:
    target = signed(people, letter)
    trust = people.trust(MOMENT)
    for path, data in ((target, None), (target, letter), (letter, None)):
        report = verify_file(path, data, trust=trust, moment=LATER)
        assert report.verdict is DocumentVerdict.VALID
        assert report.signatures[0].covers == "letter.doc"
    letter.write_bytes(b"something else")
    assert verify_file(letter, trust=trust, moment=LATER).verdict is DocumentVerdict.ALTERED
    letter.unlink()
    assert verify_file(target, trust=trust, moment=LATER).verdict is DocumentVerdict.CANNOT_TELL


def test_the_content_may_be_in_the_signature(people: SigningPeople, letter: Path) -> None:
    target = sign_file(
        letter,
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        attached=True,
        mime_type="text/plain",
    )
    assert target.name == "letter.doc.p7m"
    letter.unlink()
    assert verify_file(target, trust=people.trust(MOMENT), moment=LATER).verdict is DocumentVerdict.VALID


def test_xml_is_signed_as_xades(people: SigningPeople, tmp_path: Path) -> None:
    path = tmp_path / "letter.xml"
    path.write_bytes(XML)
    target = signed(people, path)
    assert target.name == "letter.signed.xml"
    report = verify_file(target, trust=people.trust(MOMENT), moment=LATER)
    assert (report.verdict, report.format) == (DocumentVerdict.VALID, "xades")


def test_several_files_go_into_a_container(people: SigningPeople, letter: Path, tmp_path: Path) -> None:
    annex = tmp_path / "annex.csv"
    annex.write_bytes(b"1,2,3")
    settings = {"moment": MOMENT, "more": [annex]}
    made = (people.signer, people.signer_party.der, people.chain)
    target = sign_file(letter, *made, form=SignatureFormat.ASIC_E, **settings)  # type: ignore[arg-type]
    report = verify_file(target, trust=people.trust(MOMENT), moment=LATER)
    assert report.signatures[0].covers == "letter.doc, annex.csv"
    with pytest.raises(UsageError):
        sign_file(letter, *made, form=SignatureFormat.CADES, **settings)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        sign_file(letter, *made, form=SignatureFormat.ASIC_E, moment=MOMENT, more=[letter])


def test_nothing_is_left_of_a_signature_that_failed(people: SigningPeople, letter: Path) -> None:
    before = set(letter.parent.iterdir())

    def refuse(*_: object) -> None:
        raise UsageError("no")

    for form in (SignatureFormat.CADES, SignatureFormat.ASIC_E):
        with pytest.raises(UsageError):
            sign_file(letter, people.signer, people.signer_party.der, moment=MOMENT, form=form, show=refuse)
    assert set(letter.parent.iterdir()) == before


def test_what_is_no_document_has_no_signature(letter: Path) -> None:
    report = verify_file(letter, trust=None, moment=LATER)
    assert (report.verdict, report.format) == (DocumentVerdict.CANNOT_TELL, NO_FORMAT)
    with pytest.raises(UsageError):
        extend_file(letter, moment=MOMENT, level=Level.T)
    with pytest.raises(FileFailed):
        verify_file(letter.with_name("nothing"), trust=None, moment=LATER)


def test_a_moment_has_a_time_zone(people: SigningPeople, letter: Path) -> None:
    naive = MOMENT.replace(tzinfo=None)
    for form in (SignatureFormat.CADES, SignatureFormat.ASIC_E):
        target = signed(people, letter, form)
        with pytest.raises(UsageError):
            verify_file(target, trust=None, moment=naive)
    with pytest.raises(UsageError):
        sign_file(letter, people.signer, people.signer_party.der, moment=naive)


def test_long_documents_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.xml"
    path.write_bytes(XML)
    bounds = SignedBounds(document_max_len=10)
    assert verify_file(path, trust=None, moment=LATER, bounds=bounds).verdict is DocumentVerdict.CANNOT_TELL


def _zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped:
        zipped.writestr("a", b"")
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", FileKind.OTHER),
        (b"%PDF-1.7\n", FileKind.PDF),
        (b"\x00junk%PDF-1.7\n", FileKind.PDF),
        (XML, FileKind.XML),
        (b"\xef\xbb\xbf\n <a/>", FileKind.XML),
        ("<a/>".encode("utf-16"), FileKind.XML),
        (_zip(), FileKind.ZIP),
        (b"\x30\x80\x06", FileKind.CMS),
        (pem(b"\x30\x00", "CMS"), FileKind.CMS),
        (b"hello", FileKind.OTHER),
    ],
    ids=["empty", "pdf", "pdf-behind-junk", "xml", "xml-with-mark", "xml-utf-16", "zip", "ber", "pem", "text"],
)
def test_what_a_file_is_shows_in_its_content(data: bytes, kind: FileKind) -> None:
    assert documents.kind_of(data) is kind


def test_targets_lie_beside_the_original() -> None:
    names = {form: usual_target(Path("a/b.pdf"), form).name for form in SignatureFormat}
    assert list(names.values()) == ["b.signed.pdf", "b.pdf.p7s", "b.pdf.asice", "b.pdf.asics", "b.signed.pdf"]


# Who signed


def certificate(people: SigningPeople, *subject: tuple[x509.ObjectIdentifier, str], thai: str = "") -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(*each) for each in subject]))
        .issuer_name(people.root.certificate.subject)
        .public_key(people.signer_party.key.public_key())
        .serial_number(1)
        .not_valid_before(MOMENT)
        .not_valid_after(MOMENT + YEAR)
    )
    if thai:
        given, last = thai.split()
        attributes = [x509.NameAttribute(NameOID.SURNAME, last), x509.NameAttribute(NameOID.GIVEN_NAME, given)]
        name = x509.DirectoryName(x509.Name(attributes))
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return builder.sign(people.root.key, SHA256()).public_bytes(Encoding.DER)


def test_a_citizen_has_a_title_and_two_names(people: SigningPeople) -> None:
    parts = [(NameOID.TITLE, "Mr."), (NameOID.SURNAME, "Jaidee"), (NameOID.GIVEN_NAME, "Somchai")]
    who = identity_of(certificate(people, *parts, (NameOID.COMMON_NAME, "x"), thai="สมชาย ใจดี"))
    assert (who.name_th, who.name_en, who.office, who.agency) == ("สมชาย ใจดี", "Mr. Somchai Jaidee", "", "")
    assert "Somchai" not in repr(who)


def test_an_officer_has_an_office_and_an_agency(people: SigningPeople) -> None:
    parts = [(NameOID.COMMON_NAME, "สมหญิง รักงาน"), (NameOID.TITLE, "Registrar")]
    agency = [(NameOID.ORGANIZATIONAL_UNIT_NAME, "Registry"), (NameOID.ORGANIZATION_NAME, "District")]
    who = identity_of(certificate(people, *parts, *agency))
    assert (who.name_th, who.name_en, who.office, who.agency) == ("สมหญิง รักงาน", "", "Registrar, Registry", "District")


def test_what_is_no_certificate_names_nobody() -> None:
    who = identity_of(b"nobody")
    assert (who.name_th, who.name_en, who.agency, who.subject) == ("", "", "", "")
