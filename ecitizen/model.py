"""What is on a card, as values: the national data dictionary.

All values are frozen. A field that the card leaves blank, or that can't be understood, is None; what could not be
understood also stands in `CardReading.problems`, and the bytes as they were read stay in the record's `raw`.
Names of fields are those of the JSON (`jsonio`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum, unique
from typing import Protocol, TypeVar

from .errors import DecodeError

T = TypeVar("T")

BUDDHIST_ERA = 543
"""Years to take from a Thai (Buddhist era) year for the common era."""

LIFELONG = "99999999"
"""An expiry date that never comes; on cards of holders past the age of renewal."""


@unique
class DatePrecision(StrEnum):
    """How much of a date is known."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CardDate:
    """A date as Thai chips hold it: eight characters YYYYMMDD of the Buddhist era.

    Month or day may be 00 where a register never knew them, all blank where nothing was written, and 99999999 means
    lifelong. `raw` is what is on the card. Source: thai-card.md, section 4.
    """

    raw: str
    precision: DatePrecision
    year: int | None = None
    """Common era."""
    month: int | None = None
    day: int | None = None

    @classmethod
    def parse(cls, raw: str) -> "CardDate":
        """Read the eight characters `raw`; raise DecodeError if they are no date."""
        if len(raw) != 8:
            raise DecodeError("a date on the card has eight characters YYYYMMDD")
        if not raw.strip(" \0") or raw == LIFELONG:
            return cls(raw, DatePrecision.NONE)
        if not (raw.isascii() and raw.isdigit()):
            raise DecodeError("a date on the card must be eight digits, or blank")
        year, month, day = int(raw[:4]) - BUDDHIST_ERA, int(raw[4:6]), int(raw[6:])
        if month > 12 or day > 31 or year < 1:
            raise DecodeError("a date on the card is not in the calendar (Buddhist era, YYYYMMDD)")
        if not month:
            return cls(raw, DatePrecision.YEAR, year)
        if not day:
            return cls(raw, DatePrecision.MONTH, year, month)
        try:
            date(year, month, day)
        except ValueError:
            raise DecodeError("a date on the card is not in the calendar (Buddhist era, YYYYMMDD)") from None
        return cls(raw, DatePrecision.DAY, year, month, day)

    @classmethod
    def from_date(cls, value: date) -> "CardDate":
        """The card's form of a known day."""
        return cls.parse(f"{value.year + BUDDHIST_ERA:04d}{value.month:02d}{value.day:02d}")

    @property
    def lifelong(self) -> bool:
        """True for an expiry date that never comes."""
        return self.raw == LIFELONG

    @property
    def value(self) -> date | None:
        """The day, where it is known."""
        if self.year is None or self.month is None or self.day is None:
            return None
        return date(self.year, self.month, self.day)

    @property
    def iso(self) -> str | None:
        """The day as YYYY-MM-DD of the common era, or None where the day is not known."""
        return None if self.value is None else self.value.isoformat()


@unique
class Sex(StrEnum):
    """Sex as the register has it."""

    MALE = "male"
    FEMALE = "female"
    UNSPECIFIED = "unspecified"


@unique
class OfficialStatus(StrEnum):
    """Whether an official serves."""

    ACTIVE = "active"
    RETIRED = "retired"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name in the parts that the register keeps; an absent part is the empty string."""

    prefix: str = ""
    first: str = ""
    middle: str = ""
    last: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.prefix, self.first, self.middle, self.last) if part)


@dataclass(frozen=True, slots=True)
class Address:
    """A registered address in its eight parts; the labels (หมู่ที่, ถนน, ตำบล) stand inside the text."""

    house_no: str = ""
    moo: str = ""
    trok: str = ""
    soi: str = ""
    road: str = ""
    tambon: str = ""
    amphoe: str = ""
    province: str = ""

    def __str__(self) -> str:
        parts = (
            self.house_no,
            self.moo,
            self.trok,
            self.soi,
            self.road,
            self.tambon,
            self.amphoe,
            self.province,
        )
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class BilingualText:
    """The same words in Thai and English."""

    th: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class Photo:
    """The holder's portrait: exactly the JPEG file, without the padding that follows it on the card."""

    jpeg: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Digest of the JPEG, in lower-case hex."""
        import hashlib  # late: most reads that ask for text only never need it

        return hashlib.sha256(self.jpeg).hexdigest()


class ApplicationRecord(Protocol):
    """What one application of a card says: a frozen dataclass whose fields may each be None, and `raw`."""

    @property
    def raw(self) -> Mapping[str, bytes]:
        """Each field's bytes as they were read, without any interpretation."""
        ...


@dataclass(frozen=True, slots=True)
class CitizenId:
    """The citizen's ID card (Ministry of Interior)."""

    cid: str | None = None
    """Citizen number: 13 digits, the last one a check digit."""
    name_th: PersonName | None = None
    name_en: PersonName | None = None
    birth_date: CardDate | None = None
    sex: Sex | None = None
    request_number: str | None = None
    """Number of the application for this card; a new card has a new one."""
    issue_place: str | None = None
    issuer_code: str | None = None
    issue_date: CardDate | None = None
    expiry_date: CardDate | None = None
    card_type: str | None = None
    """`01` is a citizen's card; no other value is published."""
    address: Address | None = None
    photo_number: str | None = None
    """The number printed under the photo (not on cards of layout 0002)."""
    layout_version: str | None = None
    photo: Photo | None = None
    raw: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class HealthInsurance:
    """The health entitlement (National Health Security Office)."""

    main_scheme: str | None = None
    sub_scheme: str | None = None
    main_hospital: str | None = None
    sub_hospital: str | None = None
    paid_type: str | None = None
    issue_date: CardDate | None = None
    expiry_date: CardDate | None = None
    update_date: CardDate | None = None
    hospital_changes: int | None = None
    raw: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CivilServant:
    """The official's card. This layout is the toolkit's own: none is published (docs/civil-servant-layout.md)."""

    officer_number: str | None = None
    ministry: BilingualText | None = None
    department: BilingualText | None = None
    position: BilingualText | None = None
    level: BilingualText | None = None
    status: OfficialStatus | None = None
    appointed_date: CardDate | None = None
    expiry_date: CardDate | None = None
    issuing_authority: BilingualText | None = None
    legal_reference: BilingualText | None = None
    raw: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CardAdmin:
    """The card itself: its printed and its electronic number."""

    laser_number: str | None = None
    """Two letters and ten digits, engraved on the back."""
    chip_serial: str | None = None
    """Fabrication date, serial number and batch of the chip (CPLC): 16 hex digits."""
    raw: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what was read, without the personal data itself."""

    application: str
    field: str | None
    """None where the whole application is meant."""
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LinkStats:
    """What went over the link: command-response pairs, and the bytes of the APDUs."""

    protocol: str
    """`T=0` or `T=1`."""
    exchanges: int
    bytes_sent: int
    bytes_received: int


@dataclass(frozen=True, slots=True)
class CardReading:
    """Everything that one read found.

    `applications` has a key for every application that the reader knows; None where the card has no such
    application, or it was not asked for.
    """

    applications: Mapping[str, ApplicationRecord | None]
    problems: tuple[Problem, ...]
    link: LinkStats

    @property
    def complete(self) -> bool:
        """True if all that was asked for is there and in order."""
        return not self.problems

    def _application(self, kind: type[T], name: str) -> T | None:
        record = self.applications.get(name)
        return record if isinstance(record, kind) else None

    @property
    def citizen_id(self) -> CitizenId | None:
        """The citizen's ID application."""
        return self._application(CitizenId, "citizen_id")

    @property
    def health_insurance(self) -> HealthInsurance | None:
        """The health entitlement application."""
        return self._application(HealthInsurance, "health_insurance")

    @property
    def civil_servant(self) -> CivilServant | None:
        """The official's application."""
        return self._application(CivilServant, "civil_servant")

    @property
    def card_admin(self) -> CardAdmin | None:
        """The card's own numbers."""
        return self._application(CardAdmin, "card_admin")
