from dataclasses import replace

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes
from pki.errors import RequestRejected
from pki.profiles import CitizenNumberForm, Profile, standard_profiles
from pki.subjects import authority_subject, card_subject, person_alternative_name, person_subject

PERSON = standard_profiles()["authentication"]
CARD = standard_profiles()["card_authentication"]
KEY = KeyBytes(bytes(range(16)))
NUMBER = "1999900100425"
PSEUDONYM = "4199d1d025ac028e90f306f71aa32d3b"  # openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…0f, cut
THAI = PersonName("นาย", "สมชาย", "", "ใจดี")
ENGLISH = PersonName("Mr.", "Somchai", "", "Jaidee")


def with_number(form: CitizenNumberForm) -> Profile:
    return replace(PERSON, citizen_number=form)


def person(
    name_en: PersonName | None = ENGLISH, name_th: PersonName | None = THAI, number: str | None = NUMBER
) -> CertificateRequest:
    return CertificateRequest("authentication", b"", name_th, name_en, number)


def card(serial: str | None) -> CertificateRequest:
    return CertificateRequest("card_authentication", b"", THAI, ENGLISH, NUMBER, serial)


def shown(name: x509.Name) -> str:
    """From the general to the particular, as in DER."""
    names = {"2.5.4.12": "title", "2.5.4.5": "serialNumber", "2.5.4.4": "SN", "2.5.4.42": "GN"}
    return ",".join(f"{names.get(a.oid.dotted_string, a.rfc4514_attribute_name)}={a.value!s}" for a in name)


def test_a_person_is_named_in_english_with_a_pseudonym() -> None:
    subject = person_subject(PERSON, person(), KEY)
    assert shown(subject) == f"C=TH,title=Mr.,SN=Jaidee,GN=Somchai,serialNumber={PSEUDONYM},CN=Somchai Jaidee"


def test_the_thai_name_stands_beside_it() -> None:
    name = person_alternative_name(person())
    assert name is not None
    assert shown(name) == "C=TH,title=นาย,SN=ใจดี,GN=สมชาย"


def test_thai_letters_are_utf8_and_what_is_ascii_by_definition_is_printable() -> None:
    encoded = person_subject(PERSON, person(name_en=None), KEY).public_bytes()
    assert b"\x0c\x0c" + "ใจดี".encode() in encoded
    assert b"\x13\x02TH" in encoded
    assert b"\x13\x20" + PSEUDONYM.encode() in encoded


@pytest.mark.parametrize("absent", [None, PersonName()])
def test_a_person_without_an_english_name_is_named_in_thai_once(absent: PersonName | None) -> None:
    request = person(name_en=absent)
    assert shown(person_subject(PERSON, request, KEY)).endswith("CN=สมชาย ใจดี")
    assert person_alternative_name(request) is None


@pytest.mark.parametrize("absent", [None, PersonName()])
def test_a_person_without_a_thai_name_has_no_second_one(absent: PersonName | None) -> None:
    assert person_alternative_name(person(name_th=absent)) is None


def test_middle_names_belong_to_the_given_ones() -> None:
    subject = person_subject(PERSON, person(PersonName("", "Anna", "Maria", "Berg")), KEY)
    assert shown(subject) == f"C=TH,SN=Berg,GN=Anna Maria,serialNumber={PSEUDONYM},CN=Anna Maria Berg"


@pytest.mark.parametrize(
    ("name", "parts"),
    [(PersonName(first="Kla"), "GN=Kla"), (PersonName(last="Kla"), "SN=Kla"), (PersonName(middle="Kla"), "GN=Kla")],
)
def test_one_name_is_enough(name: PersonName, parts: str) -> None:
    assert shown(person_subject(PERSON, person(name), KEY)) == f"C=TH,{parts},serialNumber={PSEUDONYM},CN=Kla"


def test_a_long_name_is_cut_in_the_common_name_only() -> None:
    subject = person_subject(PERSON, person(PersonName("", "A" * 40, "", "B" * 40)), KEY)
    parts = dict(part.split("=") for part in shown(subject).split(","))
    assert parts["CN"] == "A" * 40 + " " + "B" * 23
    assert parts["GN"] == "A" * 40
    assert parts["SN"] == "B" * 40


def test_a_long_thai_name_is_cut_between_letters() -> None:
    name = PersonName("นาย", "ก" * 30, "", "ข" * 30)
    subject = person_subject(PERSON, person(None, name), KEY)
    assert shown(subject).endswith("CN=" + "ก" * 21)
    beside = person_alternative_name(person(name_th=name))
    assert beside is not None
    assert shown(beside) == f"C=TH,title=นาย,SN={'ข' * 30},GN={'ก' * 30}"


def test_every_authority_has_pseudonyms_of_its_own() -> None:
    other = person_subject(PERSON, person(), KeyBytes(bytes(16)))
    assert PSEUDONYM not in shown(other)


def test_a_number_is_shown_or_left_out_only_if_the_profile_says_so() -> None:
    assert "serialNumber=1999900100425" in shown(person_subject(with_number(CitizenNumberForm.PLAIN), person(), KEY))
    assert "serialNumber" not in shown(person_subject(with_number(CitizenNumberForm.ABSENT), person(number=None), KEY))
    assert NUMBER not in shown(person_subject(with_number(CitizenNumberForm.PSEUDONYM), person(), KEY))


@pytest.mark.parametrize(
    "number", [None, "", "123", "1-9999-00100-42-5", "๑๙๙๙๙๐๐๑๐๐๔๒๕", "19999001004250", f"{NUMBER}\n"]
)
def test_what_is_no_number_is_refused(number: str | None) -> None:
    with pytest.raises(RequestRejected, match="13 digits") as refused:
        person_subject(PERSON, person(number=number), KEY)
    assert isinstance(refused.value, UsageError)
    assert not number or number not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        PersonName("Mr."),
        PersonName("Mr.", " ", "", " "),
        PersonName("Mr.", "Som\nchai", "", "Jaidee"),
        PersonName("Mr.", "Som\0chai", "", "Jaidee"),
        PersonName("M\u202er.", "Somchai", "", "Jaidee"),
        PersonName("Mr.", "Somchai", "", "\ud800"),
        PersonName("Mr.", "S" * 101, "", "Jaidee"),
        PersonName("M" * 65, "Somchai", "", "Jaidee"),
    ],
)
def test_a_name_that_can_not_be_written_is_refused_and_not_repeated(name: PersonName) -> None:
    with pytest.raises(RequestRejected) as refused:
        person_subject(PERSON, person(name), KEY)
    assert "Jaidee" not in str(refused.value)


@pytest.mark.parametrize("absent", [None, PersonName()])
def test_a_person_without_any_name_is_refused(absent: PersonName | None) -> None:
    with pytest.raises(RequestRejected, match="needs the person's name"):
        person_subject(PERSON, person(absent, absent), KEY)


@given(st.builds(PersonName, st.text(), st.text(), st.text(), st.text()))
def test_any_name_is_written_whole_or_refused(name: PersonName) -> None:
    try:
        subject = person_subject(PERSON, person(name, None), KEY)
    except RequestRejected:
        return
    assert x509.Name(list(subject)).public_bytes() == subject.public_bytes()
    given_name = [a.value for a in subject.get_attributes_for_oid(x509.NameOID.GIVEN_NAME)]
    assert given_name == (
        [" ".join(part for part in (name.first, name.middle) if part)] if name.first or name.middle else []
    )


def test_a_card_is_named_by_its_serial_number_alone() -> None:
    subject = card_subject(CARD, card("412300A1B2010417"))
    assert shown(subject) == "C=TH,serialNumber=412300A1B2010417,CN=Card 412300A1B2010417"


@pytest.mark.parametrize("serial", [None, "", "a b", "๑", "x" * 41, "A1\n"])
def test_what_is_no_serial_number_is_refused(serial: str | None) -> None:
    with pytest.raises(RequestRejected, match="serial number"):
        card_subject(CARD, card(serial))


def test_a_cards_name_is_cut_before_it_is_too_long() -> None:
    subject = card_subject(replace(CARD, common_name="บัตร" * 10), card("A1"))
    assert shown(subject) == f"C=TH,serialNumber=A1,CN={('บัตร' * 10)[:21]}"


def test_an_authority_is_named_with_its_organisation() -> None:
    assert shown(authority_subject("Root 1")) == "C=TH,CN=Root 1"
    assert shown(authority_subject("Root 1", "Ministry")) == "C=TH,O=Ministry,CN=Root 1"


@pytest.mark.parametrize(
    ("name", "organisation"), [("", ""), ("x" * 65, ""), ("ก" * 22, ""), ("Root", "x" * 65), ("Root", "\t")]
)
def test_an_authority_with_an_impossible_name_is_refused(name: str, organisation: str) -> None:
    with pytest.raises(RequestRejected):
        authority_subject(name, organisation)
