"""CMS signatures that are not what they seem: none of them is ever valid, and none takes long."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki import cms, cms_ber
from pki.cms_attributes import signed_attributes
from pki.cms_ber import DEPTH_MAX, normalised
from pki.cms_forms import (
    CONTENT_TYPE,
    DATA,
    MESSAGE_DIGEST,
    SIGNING_CERTIFICATE_V2,
    TST_INFO,
    Attribute,
    SignedData,
    SignerInfo,
    read_attributes,
    read_signed_data,
)
from pki.der import TAG_OCTET_STRING, der, integer, octet_string, oid, sequence, set_of
from pki.errors import Malformed
from pki.keys import digest
from pki.signed import DocumentReport, DocumentVerdict, Level, SignedBounds
from pki.signed_files import Document
from pki.signing_key import usual_algorithm
from tests.signing_people import SigningPeople
from tests.unit.small_pki import MOMENT, Party

CONTENT = b"what was agreed on"
VALID, ALTERED, CANNOT_TELL = DocumentVerdict.VALID, DocumentVerdict.ALTERED, DocumentVerdict.CANNOT_TELL


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def signature(people: SigningPeople) -> bytes:
    return cms.sign(CONTENT, people.signer, people.signer_party.der, people.chain, moment=MOMENT)


@pytest.fixture(scope="module")
def archived(people: SigningPeople) -> bytes:
    return cms.sign(
        CONTENT,
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        level=Level.LTA,
        timestamps=people.timestamps,
        revocation=people,
        trust=people.trust(),
    )


def judged(
    people: SigningPeople, signature: bytes, data: bytes | None = CONTENT, bounds: SignedBounds | None = None
) -> DocumentReport:
    return cms.verify(
        signature, data, trust=people.trust(MOMENT), moment=MOMENT + timedelta(days=1), bounds=bounds or SignedBounds()
    )


def made(people: SigningPeople, signature: bytes, attributes: bytes | None, **fields: object) -> bytes:
    """The signature with other signed attributes, really signed by its signer: who signs may lie, too."""
    parts = read_signed_data(signature)
    signer = parts.signers[0]
    message = CONTENT if attributes is None else attributes
    value = people.signer.sign(message, usual_algorithm(people.signer))
    signed = () if attributes is None else read_attributes(attributes)
    info = replace(signer, signed_attributes=attributes, signed=signed, signature=value, **fields)  # type: ignore[arg-type]
    return replace(parts, signers=(info,)).written()


def attributes_of(people: SigningPeople) -> list[Attribute]:
    algorithm = usual_algorithm(people.signer)
    assert algorithm.hash
    whole = signed_attributes(digest(CONTENT, algorithm.hash), people.signer_party.der, algorithm, MOMENT, DATA)
    return list(read_attributes(whole))


def written(attributes: list[Attribute]) -> bytes:
    return set_of(each.written for each in attributes)


def test_what_the_tests_make_would_be_valid(people: SigningPeople, signature: bytes) -> None:
    assert judged(people, made(people, signature, written(attributes_of(people)))).verdict is VALID
    assert judged(people, made(people, signature, None)).verdict is VALID


def _twice(attributes: list[Attribute]) -> None:
    found = next(each for each in attributes if each.type == MESSAGE_DIGEST)
    attributes.append(Attribute(MESSAGE_DIGEST, (octet_string(bytes(32)),)))
    assert found


def _two_values(attributes: list[Attribute]) -> None:
    at = next(number for number, each in enumerate(attributes) if each.type == MESSAGE_DIGEST)
    attributes[at] = Attribute(MESSAGE_DIGEST, (*attributes[at].values, octet_string(bytes(32))))


def _without(kind: bytes) -> Callable[[list[Attribute]], None]:
    def change(attributes: list[Attribute]) -> None:
        attributes[:] = [each for each in attributes if each.type != kind]

    return change


def _with(kind: bytes, value: bytes) -> Callable[[list[Attribute]], None]:
    def change(attributes: list[Attribute]) -> None:
        attributes[:] = [Attribute(kind, (value,)) if each.type == kind else each for each in attributes]

    return change


WRONG = {
    "an attribute twice": _twice,
    "an attribute with two values": _two_values,
    "no digest": _without(MESSAGE_DIGEST),
    "no content type": _without(CONTENT_TYPE),
    "another content type": _with(CONTENT_TYPE, TST_INFO),
    "another digest": _with(MESSAGE_DIGEST, octet_string(bytes(32))),
    "a digest that is none": _with(MESSAGE_DIGEST, integer(1)),
    "another certificate": _with(SIGNING_CERTIFICATE_V2, sequence(sequence(sequence(octet_string(bytes(32)))))),
    "a certificate that is none": _with(SIGNING_CERTIFICATE_V2, octet_string(b"")),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_attributes_are_never_valid_though_signed(people: SigningPeople, signature: bytes, name: str) -> None:
    attributes = attributes_of(people)
    WRONG[name](attributes)
    assert judged(people, made(people, signature, written(attributes))).verdict is ALTERED


def test_a_missing_reference_to_the_certificate_is_told(people: SigningPeople, signature: bytes) -> None:
    attributes = attributes_of(people)
    _without(SIGNING_CERTIFICATE_V2)(attributes)
    report = judged(people, made(people, signature, written(attributes)))
    assert (report.verdict, report.signatures[0].level) == (VALID, None)


def test_signed_attributes_are_not_taken_for_content(people: SigningPeople, signature: bytes) -> None:
    """A signature over attributes fits them as content of a signature without attributes, too."""
    parts = read_signed_data(signature)
    signer = parts.signers[0]
    assert signer.signed_attributes
    moved = replace(parts, signers=(replace(signer, signed_attributes=None, signed=()),)).written()
    assert judged(people, moved, signer.signed_attributes).verdict is ALTERED


def test_content_of_another_type_needs_attributes(people: SigningPeople, signature: bytes) -> None:
    parts = read_signed_data(made(people, signature, None))
    assert judged(people, replace(parts, content_type=TST_INFO).written()).verdict is ALTERED


SHA_384 = sequence(oid("2.16.840.1.101.3.4.2.2"))
ECDSA_SHA_384 = sequence(oid("1.2.840.10045.4.3.3"))
RSA = sequence(oid("1.2.840.113549.1.1.1"))
MD5 = sequence(oid("1.2.840.113549.2.5"))
UNKNOWN = sequence(oid("1.2.3.4"))


@pytest.mark.parametrize(
    ("field", "value", "verdict"),
    [
        ("digest_algorithm", SHA_384, ALTERED),
        ("signature_algorithm", ECDSA_SHA_384, ALTERED),
        ("signature_algorithm", RSA, ALTERED),
        ("digest_algorithm", MD5, CANNOT_TELL),
        ("signature_algorithm", UNKNOWN, CANNOT_TELL),
    ],
)
def test_algorithms_must_go_together(
    people: SigningPeople, signature: bytes, field: str, value: bytes, verdict: DocumentVerdict
) -> None:
    parts = read_signed_data(signature)
    changed = replace(parts.signers[0], **{field: value})  # type: ignore[arg-type]
    assert judged(people, replace(parts, signers=(changed,)).written()).verdict is verdict


def test_somebody_elses_certificate_of_the_same_name_is_not_taken(people: SigningPeople, signature: bytes) -> None:
    serial = people.signer_party.certificate.serial_number
    impostor = Party(people.authority.name, people.root.key, people.root.certificate).issue("Impostor", serial=serial)
    parts = read_signed_data(signature)
    both = replace(parts, certificate_choices=(impostor.der, *parts.certificate_choices)).written()
    report = judged(people, both)
    assert report.verdict is VALID
    assert report.signatures[0].signer
    assert report.signatures[0].signer.name_en == "Somchai Signer"
    alone = replace(parts, certificate_choices=(impostor.der,)).written()
    assert judged(people, alone).verdict is ALTERED


def test_a_signature_without_its_certificate_can_not_be_told(people: SigningPeople, signature: bytes) -> None:
    parts = read_signed_data(signature)
    assert judged(people, replace(parts, certificate_choices=()).written()).verdict is CANNOT_TELL


def test_a_file_without_signers_has_no_signature(people: SigningPeople, signature: bytes) -> None:
    report = judged(people, replace(read_signed_data(signature), signers=()).written())
    assert (report.verdict, report.signatures) == (CANNOT_TELL, ())


def test_certificates_by_the_thousand_are_left_out_quickly(people: SigningPeople, signature: bytes) -> None:
    parts = read_signed_data(signature)
    crowd = tuple(people.signer_party.der[:-2] + number.to_bytes(2, "big") for number in range(2000))
    many = replace(parts, certificate_choices=(*parts.certificate_choices, *crowd)).written()
    begin = time.monotonic()
    report = judged(people, many)
    assert report.verdict is not VALID
    assert any(each.evidence.get("bound") == "embedded_certificates_max" for each in report.findings)
    assert time.monotonic() - begin < 5
    bound = SignedBounds(others_max=100)
    assert judged(people, many, bounds=bound).signatures == ()


def test_signers_by_the_hundred_are_refused(people: SigningPeople, signature: bytes) -> None:
    parts = read_signed_data(signature)
    many = replace(parts, signers=parts.signers * 100).written()
    assert judged(people, many).signatures == ()


def test_the_time_for_checking_is_bounded(people: SigningPeople, signature: bytes) -> None:
    ticks = iter(range(0, 10_000, 10))
    report = cms.verify(
        signature,
        CONTENT,
        trust=people.trust(MOMENT),
        moment=MOMENT,
        bounds=SignedBounds(seconds=5),
        clock=lambda: next(ticks),
    )
    assert report.verdict is CANNOT_TELL


def test_another_file_beside_an_attached_signature_is_noticed(people: SigningPeople) -> None:
    attached = cms.sign(CONTENT, people.signer, people.signer_party.der, moment=MOMENT, attached=True)
    assert judged(people, attached, CONTENT + b"!").verdict is ALTERED


def test_every_changed_byte_of_what_is_signed_is_noticed(people: SigningPeople, signature: bytes) -> None:
    parts = read_signed_data(signature)
    signed = parts.signers[0].signed_part
    at = signature.index(parts.signers[0].signed_attributes[1:])  # type: ignore[index]
    assert signed
    for position in range(at, len(signature), 7):
        changed = bytearray(signature)
        changed[position] ^= 0x01
        assert judged(people, bytes(changed)).verdict is not VALID, position


def test_every_signature_cut_short_is_refused(people: SigningPeople, archived: bytes) -> None:
    for count in range(0, len(archived), 97):
        report = judged(people, archived[:count])
        assert (report.verdict, report.signatures) == (CANNOT_TELL, ())


def test_something_behind_the_signature_is_refused(people: SigningPeople, signature: bytes) -> None:
    assert judged(people, signature + b"\0").signatures == ()


# BER


def indefinite(value: bytes, depth: int = 3) -> bytes:
    """A value with an unknown length, and so those in it down to a depth; octet strings in two pieces."""
    tag, count = value[0], value[1]
    begin = 2 if count < 0x80 else 2 + (count & 0x7F)
    content = value[begin:]
    if tag == TAG_OCTET_STRING and depth > 0:
        middle = len(content) // 2
        pieces = der(TAG_OCTET_STRING, content[:middle]) + der(TAG_OCTET_STRING, content[middle:])
        return bytes((tag | 0x20, 0x80)) + pieces + b"\0\0"
    if not tag & 0x20 or depth <= 0:
        return value
    members = []
    at = 0
    while at < len(content):
        count = content[at + 1]
        head = 2 if count < 0x80 else 2 + (count & 0x7F)
        size = count if count < 0x80 else int.from_bytes(content[at + 2 : at + head], "big")
        members.append(content[at : at + head + size])
        at += head + size
    return bytes((tag, 0x80)) + b"".join(indefinite(each, depth - 1) for each in members) + b"\0\0"


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6, 8, 12])
def test_values_of_unknown_length_are_read(people: SigningPeople, archived: bytes, depth: int) -> None:
    assert judged(people, indefinite(archived, depth)).verdict is VALID


@pytest.mark.parametrize("cut", [1, 2, 3, 50])
def test_values_of_unknown_length_that_do_not_end_are_refused(
    people: SigningPeople, signature: bytes, cut: int
) -> None:
    assert judged(people, indefinite(signature)[:-cut]).signatures == ()


VALUES = st.recursive(
    st.binary(max_size=200).map(octet_string) | st.integers().map(integer),
    lambda inner: st.lists(inner, max_size=4).map(lambda members: sequence(*members)),
    max_leaves=12,
)


@given(VALUES, st.integers(0, 6))
def test_rewriting_undoes_unknown_lengths(value: bytes, depth: int) -> None:
    assert normalised(indefinite(value, depth)) == value


@given(st.binary(max_size=300))
def test_any_bytes_are_one_value_or_refused(data: bytes) -> None:
    try:
        value = normalised(data)
    except Malformed:
        return
    assert normalised(value) == value


def test_values_that_nest_too_deep_are_refused() -> None:
    value = b""
    for _ in range(DEPTH_MAX + 2):
        value = sequence(value)
    with pytest.raises(Malformed):
        normalised(value)
    with pytest.raises(Malformed):
        normalised(b"\x30\x80" * 10_000)


def test_content_in_too_many_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms_ber, "PIECES_MAX", 1000)
    begin = (
        b"\x30\x80" + oid("1.2.840.113549.1.7.2") + b"\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80" + DATA + b"\xa0\x80"
    )
    with pytest.raises(Malformed, match="pieces"):
        read_signed_data(begin + b"\x24\x80" + b"\x04\x00" * 1100)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_signature_or_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_signed_data(Document(data))


def test_a_signature_reads_as_it_was_written(archived: bytes) -> None:
    parts = read_signed_data(archived)
    assert isinstance(parts, SignedData)
    assert all(isinstance(each, SignerInfo) for each in parts.signers)
    assert parts.written() == archived
