from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cardapps.card_admin import layout as card_admin
from cardapps.citizen_id import layout as citizen_id
from cardapps.civil_servant import layout as civil_servant
from cardapps.fields import (
    TEXT,
    CitizenNumber,
    Codec,
    Count,
    Date,
    Digits,
    Field,
    Parts,
    check_digit,
    decode_field,
    encode_field,
)
from cardapps.health_insurance import layout as health_insurance
from ecitizen.errors import CheckDigitWrong, DecodeError, EncodeError
from ecitizen.model import Address, BilingualText, CardDate, OfficialStatus, PersonName, Sex

# Weights 13 to 2 over the first twelve digits, by hand: 13 + 2*9*... = 235 = 21*11 + 4, so the check digit is 11 - 4.
CID = "1990100001017"

RECORD_FIELDS = (
    *citizen_id.TEXT_FIELDS_0003,
    *citizen_id.TEXT_FIELDS_0002,
    *health_insurance.FIELDS,
    card_admin.LASER_NUMBER,
)


def thai() -> st.SearchStrategy[str]:
    """Text that is mostly what registers write, sometimes anything."""
    letters = st.text(st.sampled_from("กขคงจนมยรลวสหอะาิีุู่้ ๑๒abc012/-."), max_size=40)
    return letters | st.text(max_size=12)


def dates() -> st.SearchStrategy[CardDate]:
    """Dates of every kind: known, known in part, lifelong, blank."""
    known = st.dates(max_value=date(9456, 12, 31)).map(CardDate.from_date)
    partial = st.builds("{:04d}{:02d}00".format, st.integers(544, 9999), st.integers(0, 12)).map(CardDate.parse)
    special = st.sampled_from(["99999999", " " * 8, "\0" * 8, " \0" * 4]).map(CardDate.parse)
    return known | partial | special


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


def cids() -> st.SearchStrategy[str]:
    return digits(12).map(lambda first: first + check_digit(first))


def codecs_and_values() -> st.SearchStrategy[tuple[Codec[Any], Any, int]]:
    """A codec, a value of its kind (most of them good), and a length for the field."""
    names = st.builds(PersonName, thai(), thai(), thai(), thai())
    addresses = st.builds(Address, thai(), thai(), thai(), thai(), thai(), thai(), thai(), thai())
    return st.one_of(
        st.tuples(st.just(TEXT), st.none() | thai(), st.integers(0, 60)),
        st.tuples(st.just(Digits()), st.none() | digits(8) | thai(), st.just(8)),
        st.tuples(st.just(CitizenNumber()), st.none() | cids() | digits(13) | thai(), st.just(13)),
        st.tuples(st.just(Date()), dates(), st.just(8)),
        st.tuples(st.just(Parts(PersonName)), st.none() | names, st.sampled_from([100, 20])),
        st.tuples(st.just(Parts(Address)), st.none() | addresses, st.sampled_from([160, 150])),
        st.tuples(st.just(citizen_id.SEX), st.none() | st.sampled_from(Sex), st.just(1)),
        st.tuples(st.just(Count()), st.none() | st.integers(-1, 12), st.just(1)),
        st.tuples(st.just(Count()), st.none() | st.integers(-1, 1200), st.just(3)),
        st.tuples(
            st.just(card_admin.LaserNumber()),
            st.none() | st.from_regex(r"[A-Z]{2}[0-9]{10}", fullmatch=True) | thai(),
            st.just(16),
        ),
    )


@given(codecs_and_values())
def test_what_is_encoded_decodes_the_same_or_is_refused(case: tuple[Codec[Any], Any, int]) -> None:
    codec, value, length = case
    try:
        raw = codec.encode(value, length)
    except EncodeError as error:
        assert str(error)  # noqa: PT017 - refusing is one of the two right ends
        return
    assert len(raw) == length
    assert codec.decode(raw) == value


def raws(field: Field) -> st.SearchStrategy[bytes]:
    alphabet = st.sampled_from(b"0123456789#  \0\0ABJC\xa1\xb9\xd2\xf1\xdb\xff")
    likely = st.lists(alphabet, min_size=field.length, max_size=field.length).map(bytes)
    return st.binary(min_size=field.length, max_size=field.length) | likely


@given(st.data())
def test_any_bytes_give_a_value_or_a_problem(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(RECORD_FIELDS))
    raw = data.draw(raws(field))
    value, problem = decode_field("app", field, raw)
    if problem is not None:
        assert value is None
        assert problem.code in {"not_decodable", "check_digit", "blank"}
        return
    again = encode_field(field, value)
    assert decode_field("app", field, again) == (value, None)


def officer_values() -> st.SearchStrategy[tuple[str, Any]]:
    texts = st.builds(BilingualText, st.text(max_size=60), st.text(max_size=60))
    number = st.from_regex(r"[A-Za-z0-9-]{0,34}", fullmatch=True) | st.text(max_size=5)
    return st.one_of(
        st.tuples(st.just("officer_number"), number),
        st.tuples(
            st.sampled_from(["ministry", "department", "position", "level", "issuing_authority", "legal_reference"]),
            texts,
        ),
        st.tuples(st.just("status"), st.sampled_from(OfficialStatus)),
        st.tuples(st.sampled_from(["appointed_date", "expiry_date"]), dates()),
    )


def officer_codec(name: str) -> civil_servant.OfficerCodec:
    return next(entry.codec for entry in civil_servant.OBJECTS if entry.name == name)


@given(officer_values())
@example(("ministry", BilingualText("\ud800", "")))
def test_officer_values_round_trip_or_are_refused(case: tuple[str, Any]) -> None:
    name, value = case
    codec = officer_codec(name)
    try:
        raw = codec.encode(value)
    except EncodeError as error:
        assert str(error)  # noqa: PT017 - refusing is one of the two right ends
        return
    assert codec.decode(raw) == value


@given(
    st.sampled_from(civil_servant.OBJECTS),
    st.binary(max_size=40) | st.text("0123456789AZ- ", max_size=34).map(str.encode),
)
def test_any_officer_bytes_give_a_value_or_a_decode_error(entry: civil_servant.OfficerObject, raw: bytes) -> None:
    try:
        value = entry.codec.decode(raw)
    except DecodeError as error:
        assert str(error)  # noqa: PT017 - one of the two right ends
        return
    assert entry.codec.decode(entry.codec.encode(value)) == value


@given(digits(12), st.sampled_from("0123456789"))
def test_one_check_digit_is_right(first: str, last: str) -> None:
    weights = range(13, 1, -1)
    remainder = sum(weight * int(digit) for weight, digit in zip(weights, first, strict=True)) % 11
    right = {0: "1", 1: "0"}.get(remainder, str(11 - remainder))
    codec = CitizenNumber()
    raw = (first + last).encode()
    if last == right:
        assert codec.decode(raw) == first + last
        assert codec.encode(first + last, 13) == raw
    else:
        with pytest.raises(CheckDigitWrong):
            codec.decode(raw)
        with pytest.raises(EncodeError, match="check digit"):
            codec.encode(first + last, 13)


REFUSED: list[tuple[Callable[[], bytes], str]] = [
    (lambda: TEXT.encode("abcd", 3), "4 bytes"),
    (lambda: TEXT.encode("", 3), "empty"),
    (lambda: TEXT.encode("a ", 3), "ends with a space"),
    (lambda: TEXT.encode("a\0", 3), "ends with a space"),
    (lambda: TEXT.encode("é", 3), "TIS-620"),
    (lambda: TEXT.encode("中", 3), "TIS-620"),
    (lambda: Digits().encode("12", 3), "3 digits"),
    (lambda: Digits().encode("12x", 3), "3 digits"),
    (lambda: Digits().encode("๑๒๓", 3), "3 digits"),
    (lambda: Date().encode(CardDate.parse("25300215"), 7), "7 characters"),
    (lambda: Parts(PersonName).encode(PersonName("a#b"), 100), "can't be inside"),
    (lambda: Parts(PersonName).encode(PersonName(last="ก" * 98), 100), "101 bytes"),
    (lambda: Parts(PersonName).encode(PersonName(last="ก "), 100), "ends with a space"),
    (lambda: Parts(Address).encode(Address(province="ก" * 154), 160), "161 bytes"),
    (lambda: Count().encode(10, 1), "1 digits"),
    (lambda: Count().encode(-1, 1), "1 digits"),
    (lambda: card_admin.LaserNumber().encode("jc1234567890", 16), "two letters"),
    (lambda: card_admin.LaserNumber().encode("JC12345678901", 16), "two letters"),
    (lambda: card_admin.LaserNumber().encode("", 16), "two letters"),
]


@pytest.mark.parametrize(("attempt", "message"), REFUSED)
def test_refused_with_a_reason(attempt: Callable[[], bytes], message: str) -> None:
    with pytest.raises(EncodeError, match=message):
        attempt()


def test_parts_fill_the_field_to_the_last_byte() -> None:
    assert len(Parts(PersonName).encode(PersonName(last="ก" * 97), 100)) == 100
    assert len(Parts(Address).encode(Address(province="ก" * 153), 160)) == 160


def test_error_of_a_field_names_it_and_not_the_value() -> None:
    field = Field("cid", 4, 13, CitizenNumber())
    with pytest.raises(EncodeError, match=r"^cid: ") as caught:
        encode_field(field, "1990100001018")
    assert "1990100001018" not in str(caught.value)
    _, problem = decode_field("citizen_id", field, b"1990100001018")
    assert problem
    assert problem.code == "check_digit"
    assert "1990100001018" not in problem.message


def test_blank_is_a_problem_only_where_it_is_required() -> None:
    field = Field("x", 0, 3, TEXT)
    assert decode_field("app", field, b" \0 ") == (None, None)
    required = Field("x", 0, 3, TEXT, required=True)
    assert [entry and entry.code for entry in decode_field("app", required, b"   ")] == [None, "blank"]


@pytest.mark.parametrize("raw", [None, b"", b"12"])
def test_too_few_bytes_are_a_problem(raw: bytes | None) -> None:
    value, problem = decode_field("app", Field("x", 0, 3, TEXT), raw)
    assert value is None
    assert problem
    assert (problem.application, problem.field, problem.code) == ("app", "x", "missing")


def test_none_is_written_as_blank() -> None:
    for field in RECORD_FIELDS:
        if field.name in {"birth_date", "issue_date", "expiry_date", "update_date"}:
            continue  # a blank date is a date, of no precision
        raw = encode_field(field, None)
        assert len(raw) == field.length
        assert not raw.strip(b" \0")
        assert decode_field("app", field, raw)[0] is None
