"""Containers of other makers, signed with XAdES: what their references name is checked, and nothing else is."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ecitizen.algorithms import HashAlgorithm
from pki import asic
from pki.asic_files import open_container
from pki.asic_xades import FilesOfContainer
from pki.documents import verify_file
from pki.errors import Malformed
from pki.keys import digest
from pki.signed import DocumentReport, DocumentVerdict, Level, SignedBounds
from tests.signing_people import SigningPeople
from tests.unit.signed_containers import (
    SIGNATURES,
    SIMPLE,
    container,
    file_reference,
    references_to,
    signatures_file,
    xades_signature,
)
from tests.unit.signed_xml import C14N, DS, ENVELOPED, XADES
from tests.unit.small_pki import MOMENT

LETTER = b"what was agreed on"
FILES = {"letter.txt": LETTER, "annex/table 1.csv": b"1,2,3", "หนังสือ.txt": "ตกลง".encode()}
ONE = {"letter.txt": LETTER}
MANIFEST = "META-INF/manifest.xml"
LATER = MOMENT + timedelta(days=1)
VALID, ALTERED, CANNOT_TELL = DocumentVerdict.VALID, DocumentVerdict.ALTERED, DocumentVerdict.CANNOT_TELL


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


def signature(people: SigningPeople, *references: str, **settings: Any) -> str:
    given = {"key": people.signer_party.key, "certificate": people.signer_party.der, **settings}
    return xades_signature(*references, **given)


def judged(people: SigningPeople, whole: bytes, **settings: Any) -> DocumentReport:
    trust = people.trust(MOMENT, "with the authority")
    return asic.verify(whole, **{"trust": trust, "moment": LATER, **settings})


@pytest.fixture(scope="module", autouse=True)
def authority_is_known(people: SigningPeople) -> None:
    """These signatures bring no chain."""
    people.trust(MOMENT, "with the authority")
    folder = people.folder / f"with the authority-{MOMENT:%Y%m%d%H%M%S}" / "issuers"
    folder.mkdir()
    (folder / "authority.der").write_bytes(people.authority.der)


def signed(people: SigningPeople, references: list[str], files: dict[str, bytes], **settings: Any) -> bytes:
    return container({**files, SIGNATURES: signatures_file(signature(people, *references, **settings))})


def test_a_container_of_another_maker_is_valid(people: SigningPeople) -> None:
    whole = signed(people, references_to(FILES), {**FILES, MANIFEST: b"<manifest/>"})
    report = judged(people, whole)
    assert (report.verdict, report.format, report.findings) == (VALID, "asic-e", ())
    (one,) = report.signatures
    assert (one.format, one.level, one.covers, one.claimed_at) == ("xades", Level.B, ", ".join(FILES), MOMENT)
    assert one.signer
    assert one.signer.name_en == "Somchai Signer"
    trust = people.trust(MOMENT, "with the authority")
    assert verify_file(whole, trust=trust, moment=LATER) == report


def test_its_timestamp_proves_the_time(people: SigningPeople) -> None:
    bare = signature(people, *references_to(ONE))
    value = etree.fromstring(signatures_file(bare)).find(f".//{{{DS}}}SignatureValue")
    form = "http://www.w3.org/2001/10/xml-exc-c14n#"
    over = digest(etree.tostring(value, method="c14n", exclusive=True), HashAlgorithm.SHA_256)
    token = base64.b64encode(people.timestamps.stamp(over, HashAlgorithm.SHA_256)).decode()
    unsigned = (
        "<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp>"
        f'<ds:CanonicalizationMethod Algorithm="{form}"/><xades:EncapsulatedTimeStamp>{token}'
        "</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp></xades:UnsignedSignatureProperties>"
        "</xades:UnsignedProperties></xades:QualifyingProperties>"
    )
    assert XADES in bare
    stamped = bare.replace("</xades:QualifyingProperties>", unsigned)
    (one,) = judged(people, container({**ONE, SIGNATURES: signatures_file(stamped)})).signatures
    assert (one.verdict, one.level, one.proven_at) == (VALID, Level.T, MOMENT)


@pytest.mark.parametrize("together", [True, False])
def test_several_people_sign(people: SigningPeople, together: bool) -> None:
    both = [signature(people, *references_to(FILES), name=name) for name in ("S0", "S1")]
    files = {SIGNATURES: signatures_file(*both)}
    if not together:
        files = {f"META-INF/signatures{number}.xml": signatures_file(each) for number, each in enumerate(both)}
    report = judged(people, container({**FILES, **files}))
    assert (report.verdict, len(report.signatures)) == (VALID, 2)


def test_a_container_may_have_many_files(people: SigningPeople) -> None:
    many = {f"{number}.txt": b"%d" % number for number in range(50)}
    whole = signed(people, references_to(many), many)
    assert judged(people, whole).verdict is VALID
    report = judged(people, whole, bounds=SignedBounds(entries_max=40))
    assert (report.verdict, report.signatures) == (CANNOT_TELL, ())


def test_many_references_into_the_signature_are_not_followed(people: SigningPeople) -> None:
    inside = [file_reference("#S0-props", b"") for _ in range(20)]
    report = judged(people, signed(people, [*references_to(ONE), *inside], ONE))
    assert (report.verdict, report.signatures[0].covers) == (CANNOT_TELL, None)


def test_a_container_of_one_file(people: SigningPeople) -> None:
    written = signatures_file(signature(people, *references_to(ONE)))
    report = judged(people, container({**ONE, "META-INF/signatures.xml": written}, SIMPLE))
    assert (report.verdict, report.format) == (VALID, "asic-s")
    two = container({**FILES, "META-INF/signatures.xml": written}, SIMPLE)
    assert judged(people, two).verdict is CANNOT_TELL


def test_someone_signs_a_container_of_another_maker_with_cades(people: SigningPeople) -> None:
    whole = signed(people, references_to(FILES), FILES)
    both = asic.add_signature(whole, people.signer, people.signer_party.der, people.chain, moment=MOMENT)
    report = judged(people, both)
    assert (report.verdict, {each.format for each in report.signatures}) == (VALID, {"xades", "cades"})


# Not what was signed


def test_a_changed_file_is_named(people: SigningPeople) -> None:
    whole = signed(people, references_to(FILES), {**FILES, "letter.txt": b"what was never agreed on"})
    report = judged(people, whole)
    assert (report.verdict, report.signatures[0].changed) == (ALTERED, ("changed: letter.txt",))
    assert "letter.txt" not in (report.signatures[0].covers or "")


def test_a_missing_file_is_named(people: SigningPeople) -> None:
    report = judged(people, signed(people, references_to(FILES), ONE))
    assert report.verdict is ALTERED
    assert report.signatures[0].changed == ("missing: annex/table 1.csv", "missing: หนังสือ.txt")


def test_a_renamed_file_is_missing(people: SigningPeople) -> None:
    report = judged(people, signed(people, references_to(ONE), {"Letter.txt": LETTER}))
    assert (report.verdict, report.signatures[0].changed) == (ALTERED, ("missing: letter.txt",))


def test_a_file_that_nobody_signed_makes_it_doubtful(people: SigningPeople) -> None:
    report = judged(people, signed(people, references_to(ONE), {**ONE, "added.txt": b"pay ten times that"}))
    assert (report.verdict, report.signatures[0].verdict) == (CANNOT_TELL, VALID)
    assert [each.evidence.get("file") for each in report.findings] == ["added.txt"]


def test_a_signature_value_of_something_else(people: SigningPeople) -> None:
    forged = signature(people, *references_to(ONE)).replace('URI="letter.txt"', 'URI="./letter.txt"')
    assert judged(people, container({**ONE, SIGNATURES: signatures_file(forged)})).verdict is ALTERED


# Names


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("letter.txt", "letter.txt"),
        ("./letter.txt", "letter.txt"),
        ("/letter.txt", "letter.txt"),
        ("%6Cetter.txt", "letter.txt"),
        ("annex/table%201.csv", "annex/table 1.csv"),
        ("annex%2Ftable 1.csv", "annex/table 1.csv"),
        ("a+b.txt", "a+b.txt"),
        ("%E0%B8%81.txt", "ก.txt"),
        ("ก.txt", "ก.txt"),
        ("100%25.txt", "100%.txt"),
    ],
)
def test_names_are_read_as_uris_have_them(people: SigningPeople, uri: str, name: str) -> None:
    report = judged(people, signed(people, [file_reference(uri, LETTER)], {name: LETTER}))
    assert (report.verdict, report.signatures[0].covers) == (VALID, name)


@pytest.mark.parametrize(
    "uri",
    [
        "../letter.txt",
        "annex/../letter.txt",
        "%2e%2e/letter.txt",
        "..%2Fletter.txt",
        "//host/letter.txt",
        "http://host/letter.txt",
        "file:///etc/passwd",
        "file:letter.txt",
        "C:/letter.txt",
        "..\\letter.txt",
        "letter.txt?x",
        "letter.txt#x",
        "letter.txt%00",
        "letter%FF.txt",
        "letter.txt/",
        "/",
        ".",
        "",
        SIGNATURES,
        f"./{SIGNATURES}",
        "META-INF%2Fsignatures0.xml",
    ],
)
def test_names_that_must_not_be_followed(people: SigningPeople, uri: str) -> None:
    report = judged(people, signed(people, [file_reference(uri, LETTER), *references_to(ONE)], ONE))
    assert (report.verdict, report.signatures[0].verdict) == (CANNOT_TELL, CANNOT_TELL)
    assert judged(people, signed(people, [file_reference(uri, LETTER)], ONE)).verdict is CANNOT_TELL


def test_a_name_that_may_mean_two_files(people: SigningPeople) -> None:
    files = {"a b.txt": LETTER, "a%20b.txt": b"something else"}
    report = judged(people, signed(people, [*references_to(files)], files))
    assert report.verdict is CANNOT_TELL


def test_the_type_of_the_container_may_be_signed_and_is_no_file(people: SigningPeople) -> None:
    kind = file_reference("mimetype", b"application/vnd.etsi.asic-e+zip")
    assert judged(people, signed(people, [kind, *references_to(ONE)], ONE)).verdict is VALID
    report = judged(people, signed(people, [kind], ONE))
    assert (report.verdict, report.signatures[0].verdict) == (CANNOT_TELL, VALID)
    assert [each.evidence.get("file") for each in report.findings] == ["letter.txt"]


# References of other kinds


@pytest.mark.parametrize("transform", [C14N, ENVELOPED, f"{DS}base64", "http://www.w3.org/TR/1999/REC-xslt-19991116"])
def test_no_transform_is_followed(people: SigningPeople, transform: str) -> None:
    inside = f'<ds:Transforms><ds:Transform Algorithm="{transform}"/></ds:Transforms>'
    one = file_reference("letter.txt", LETTER, inside=inside)
    assert judged(people, signed(people, [one], ONE)).verdict is CANNOT_TELL


def test_a_file_is_not_the_signed_properties(people: SigningPeople) -> None:
    one = file_reference("letter.txt", LETTER, kind="http://uri.etsi.org/01903#SignedProperties")
    assert judged(people, signed(people, [one], ONE)).verdict is ALTERED


def test_a_list_of_other_things_is_doubtful(people: SigningPeople) -> None:
    one = file_reference("letter.txt", LETTER, kind=f"{DS}Manifest")
    assert judged(people, signed(people, [one], ONE)).verdict is CANNOT_TELL


def test_sha_1_is_doubtful_and_a_wrong_one_is_wrong(people: SigningPeople) -> None:
    for data, verdict in ((LETTER, CANNOT_TELL), (b"something else", ALTERED)):
        one = file_reference("letter.txt", data, hashed=f"{DS}sha1")
        assert judged(people, signed(people, [one], ONE)).verdict is verdict


def test_an_unsigned_object_in_the_signature_is_told(people: SigningPeople) -> None:
    whole = signed(people, references_to(ONE), ONE, objects="<ds:Object>pay ten times that</ds:Object>")
    assert judged(people, whole).verdict is CANNOT_TELL


def test_a_signature_over_nothing(people: SigningPeople) -> None:
    report = judged(people, signed(people, [], ONE))
    assert (report.verdict, report.signatures[0].verdict) == (CANNOT_TELL, CANNOT_TELL)


@pytest.mark.parametrize("written", [b"", b"<x/>", b"<!DOCTYPE x [<!ENTITY y 'z'>]><x>&y;</x>", b"\xff"])
def test_a_file_without_signatures(people: SigningPeople, written: bytes) -> None:
    report = judged(people, container({**ONE, SIGNATURES: written}))
    assert (report.verdict, report.signatures[0].format) == (CANNOT_TELL, "xades")
    assert report.signatures[0].findings


def test_time_and_number_are_bounded(people: SigningPeople) -> None:
    whole = signed(people, references_to(ONE), ONE)
    ticks = iter([0.0])
    assert judged(people, whole, clock=lambda: next(ticks, 100.0)).verdict is CANNOT_TELL
    both = signatures_file(*(signature(people, *references_to(ONE), name=f"S{number}") for number in range(3)))
    few = judged(people, container({**ONE, SIGNATURES: both}), bounds=SignedBounds(signatures_max=2))
    assert (few.verdict, len(few.signatures)) == (CANNOT_TELL, 2)


@given(uri=st.text(st.sampled_from("abc%2eEfF/.:#?\\ \x00กé+"), max_size=12))
def test_whatever_a_reference_says_it_stays_in_the_container(uri: str) -> None:
    with open_container(container({"a/b": b"", "abc": b""})) as opened:
        files = FilesOfContainer(opened, SIGNATURES, lambda *_: b"")
        try:
            name = files.name_of(uri)
        except Malformed:
            return
        assert ".." not in name.split("/")
        assert not name.startswith("/")
        assert (files.digest(name, "sha256") is None) == (name not in {"mimetype", "a/b", "abc"})
