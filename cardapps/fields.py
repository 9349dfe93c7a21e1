"""Fields of fixed place and length in an application's record: codecs, and tables made of them.

A codec turns the bytes of one field into a value and back: what it decodes it encodes to a field that decodes
alike, and what it can't hold it refuses with EncodeError. Blank (all spaces or zero bytes) is None.
Encodings: thai-card.md, section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from ecitizen.errors import CheckDigitWrong, DecodeError, EncodeError
from ecitizen.model import Address, CardDate, PersonName, Problem

BLANK = b" \0"
SEPARATOR = "#"
CHARSET = "cp874"
"""Windows-874: TIS-620 with a few more characters, some of which registers have written."""

T = TypeVar("T")
PartsT = TypeVar("PartsT", PersonName, Address)
CodeT = TypeVar("CodeT", bound=StrEnum)


class Codec(Protocol[T]):
    """How one kind of field is written."""

    def decode(self, raw: bytes) -> T | None:
        """The value; None where the field is blank. Raise DecodeError if it is malformed."""
        ...

    def encode(self, value: T | None, length: int) -> bytes:
        """Exactly `length` bytes. Raise EncodeError if the value does not fit or would not read back the same."""
        ...


class Text:
    """Text in TIS-620, left-justified; spaces fill the rest of the field."""

    def decode(self, raw: bytes) -> str | None:
        """The text without the padding behind it."""
        try:
            return raw.rstrip(BLANK).decode(CHARSET) or None
        except UnicodeDecodeError:
            raise DecodeError("text on the card has bytes that are no Thai character (TIS-620)") from None

    def encode(self, value: str | None, length: int) -> bytes:
        """The text and its padding."""
        try:
            raw = (value or "").encode(CHARSET)
        except UnicodeEncodeError:
            raise EncodeError("the card's character set (TIS-620) holds Thai and basic Latin letters only") from None
        if len(raw) > length:
            raise EncodeError(f"the text is {len(raw)} bytes long; the field holds {length}")
        if value == "" or raw[-1:] in {b" ", b"\0"}:
            raise EncodeError("the text is empty or ends with a space, which the card can't tell from padding")
        return raw.ljust(length)


TEXT = Text()


class Digits:
    """A number of exactly as many ASCII digits as the field is long."""

    def decode(self, raw: bytes) -> str | None:
        """The digits."""
        if not raw.strip(BLANK):
            return None
        if not raw.isdigit():
            raise DecodeError(f"a number on the card must be {len(raw)} digits")
        return raw.decode("ascii")

    def encode(self, value: str | None, length: int) -> bytes:
        """The digits; spaces for None."""
        if value is None:
            return b" " * length
        if not (value.isascii() and value.isdigit() and len(value) == length):
            raise EncodeError(f"the number must be {length} digits")
        return value.encode("ascii")


DIGITS = Digits()


class CitizenNumber:
    """The 13-digit citizen number, whose last digit is a check digit."""

    def decode(self, raw: bytes) -> str | None:
        """The number; raise CheckDigitWrong if the last digit contradicts the others."""
        cid = DIGITS.decode(raw)
        if cid is not None and check_digit(cid[:-1]) != cid[-1]:
            raise CheckDigitWrong("the check digit of the citizen number is wrong; read the card again")
        return cid

    def encode(self, value: str | None, length: int) -> bytes:
        """The number; raise EncodeError for a wrong check digit."""
        raw = DIGITS.encode(value, length)
        if value is not None and check_digit(value[:-1]) != value[-1]:
            raise EncodeError("the check digit of the citizen number is wrong; check what was typed")
        return raw


def check_digit(first_digits: str) -> str:
    """The check digit for the first 12 digits of a citizen number (thai-card.md, section 4)."""
    weighted = sum(int(digit) * (len(first_digits) + 1 - at) for at, digit in enumerate(first_digits))
    return str((11 - weighted % 11) % 10)


class Date:
    """Eight digits YYYYMMDD of the Buddhist era; blank and lifelong are dates too."""

    def decode(self, raw: bytes) -> CardDate | None:
        """The date; a blank one has precision `none`."""
        try:
            return CardDate.parse(raw.decode("ascii"))
        except UnicodeDecodeError:
            raise DecodeError("a date on the card must be eight digits, or blank") from None

    def encode(self, value: CardDate | None, length: int) -> bytes:
        """The date as it stands on the card; spaces for None."""
        raw = b" " * length if value is None else value.raw.encode("ascii")
        if len(raw) != length:
            raise EncodeError(f"a date takes {length} characters")
        return raw


class Parts(Generic[PartsT]):
    """Several texts in one field, with # between them; the parts are the fields of `kind`."""

    def __init__(self, kind: type[PartsT]) -> None:
        self.kind: type[PartsT] = kind

    def decode(self, raw: bytes) -> PartsT | None:
        """The parts; raise DecodeError if there are more or fewer than there must be."""
        text = TEXT.decode(raw)
        if text is None:
            return None
        parts = text.split(SEPARATOR)
        expected = len(fields(self.kind))
        if len(parts) != expected:
            raise DecodeError(f"expected {expected} parts with {SEPARATOR} between them, found {len(parts)}")
        return self.kind(*parts)

    def encode(self, value: PartsT | None, length: int) -> bytes:
        """The parts, joined."""
        if value is None:
            return b" " * length
        parts: Sequence[str] = astuple(value)
        if any(SEPARATOR in part for part in parts):
            raise EncodeError(f"the character {SEPARATOR} separates parts on the card and can't be inside one")
        return TEXT.encode(SEPARATOR.join(parts), length)


class Code(Generic[CodeT]):
    """One of a few values, each with its own characters on the card."""

    def __init__(self, values: Mapping[str, CodeT]) -> None:
        self.values = values

    def decode(self, raw: bytes) -> CodeT | None:
        """The value that these characters stand for."""
        text = TEXT.decode(raw)
        if text is None:
            return None
        if text not in self.values:
            raise DecodeError(f"a code on the card must be one of {', '.join(self.values)}")
        return self.values[text]

    def encode(self, value: CodeT | None, length: int) -> bytes:
        """The characters for the value."""
        codes = {meaning: code for code, meaning in self.values.items()}
        return TEXT.encode(None if value is None else codes[value], length)


class Count:
    """A small number in decimal digits."""

    def decode(self, raw: bytes) -> int | None:
        """The number."""
        text = raw.strip(BLANK)
        if not text:
            return None
        if not text.isdigit():
            raise DecodeError("a count on the card must be digits")
        return int(text)

    def encode(self, value: int | None, length: int) -> bytes:
        """The number with leading zeros; spaces for None."""
        if value is None:
            return b" " * length
        if not 0 <= value < 10**length:
            raise EncodeError(f"the count must fit {length} digits")
        return b"%0*d" % (length, value)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: where it is and how it is written. Offset and length are bytes."""

    name: str
    offset: int
    length: int
    codec: Codec[Any]
    block: int = 0
    required: bool = False
    """Blank is a problem: the card can't be used for what it is for."""

    @property
    def end(self) -> int:
        """The offset behind the field."""
        return self.offset + self.length


def decode_field(application: str, field: Field, raw: bytes | None) -> tuple[Any, Problem | None]:
    """A field's value and what is wrong with it: one of the two is None, or both where it is blank by right."""
    if raw is None or len(raw) < field.length:
        return None, Problem(application, field.name, "missing", "the card gave less data than the field has")
    try:
        value = field.codec.decode(raw)
    except DecodeError as error:
        return None, Problem(application, field.name, error.code, str(error))
    if value is None and field.required:
        return None, Problem(application, field.name, "blank", "the card has nothing in this field")
    return value, None


def encode_field(field: Field, value: Any) -> bytes:
    """A field's bytes; the EncodeError of a bad value names the field."""
    try:
        return field.codec.encode(value, field.length)
    except EncodeError as error:
        raise EncodeError(f"{field.name}: {error}") from None
