"""Reading whole cards in this process: what comes out, in how many exchanges, and in which order."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from ecitizen.emulator.card import Card
from ecitizen.emulator.persona import Persona, find_persona, installed_personas
from ecitizen.errors import UsageError
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.jsonio import to_json
from ecitizen.model import CardReading, CitizenId, Problem
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.open_card import open_card
from ecitizen.usecases.read_card import CardEvent, DataRead, Progress, ReadFinished, read_card, stream_card

T0, T1 = CardProtocol.T0, CardProtocol.T1


class CountedCard:
    """A card that keeps the commands it got."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self.protocol = card.protocol
        self.power_on = card.power_on
        self.power_off = card.power_off
        self.reset = card.reset
        self.commands: list[str] = []

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command.hex().upper())
        return self._card.transmit(command)

    @property
    def selected(self) -> list[str]:
        """The AIDs that were selected."""
        selects = [command for command in self.commands if command[2:8] == "A40400"]
        return [command[10 : 10 + 2 * int(command[8:10] or "0", 16)] for command in selects]


@cache
def persona(name: str) -> Persona:
    return find_persona(name)


def card_of(name: str, protocol: CardProtocol = T0) -> Card:
    return virtual_card(persona(name), protocol)


def read(name: str, protocol: CardProtocol = T0, **options: Any) -> CardReading:
    return read_card(VirtualReader(card_of(name, protocol)), **options)


TEXT_ONLY: Mapping[str, Any] = {"apps": ["citizen_id"], "photo": False}
ALL_BUT_CIVIL_SERVANT: Mapping[str, Any] = {"apps": ["citizen_id", "health_insurance", "card_admin"]}

MOI, NHSO, ADM, CIVIL_SERVANT, CARD_MANAGER = (
    "A000000054480001",
    "A000000054480083",
    "A000000084060002",
    "F045434954495A454E2D4353",
    "",
)

# --- how many exchanges ---

COUNTS = [
    # On T=0 a read is two exchanges. All text: SELECT, and 3 reads; they take along 377 bytes of the photo, so a
    # full-size one is another 20 reads, and one of 4,960 bytes another 19.
    ("somchai", T0, TEXT_ONLY, 7),
    ("siriporn", T0, {"apps": ["citizen_id"]}, 47),
    ("somchai", T0, {"apps": ["citizen_id"]}, 45),
    ("somchai", T0, {"apps": ["health_insurance"]}, 5),
    ("somchai", T0, {"apps": ["card_admin"]}, 4),
    ("somchai", T0, ALL_BUT_CIVIL_SERVANT, 54),
    ("siriporn", T0, ALL_BUT_CIVIL_SERVANT, 56),
    # On T=1 a read is one exchange with extended length.
    ("somchai", T1, TEXT_ONLY, 3),
    ("somchai", T1, {"apps": ["citizen_id"]}, 4),
    ("siriporn", T1, {"apps": ["citizen_id"]}, 4),
    ("somchai", T1, {"apps": ["health_insurance"]}, 2),
    ("wanida", T1, {"apps": ["civil_servant"]}, 2),
    ("somchai", T1, {"apps": ["card_admin"]}, 4),
    ("wanida", T1, {}, 12),
    # Layout 0002, which the first read tells: that one brings version and address (block 0), and then block 1
    # is read from the number to the end of the photo: 1 + 2 for text, and on T=0 20 reads of photo behind it.
    ("vichai", T0, TEXT_ONLY, 7),
    ("vichai", T0, {"apps": ["citizen_id"]}, 45),
    ("vichai", T1, {"apps": ["citizen_id"]}, 4),
    # One field costs what it must.
    ("somchai", T0, {"fields": ["citizen_id.cid"]}, 3),
    ("somchai", T0, {"fields": ["citizen_id.address"]}, 5),
    ("somchai", T0, {"fields": ["citizen_id.cid", "citizen_id.name_th", "citizen_id.name_en"]}, 3),
    ("somchai", T0, {"fields": ["health_insurance.main_hospital"]}, 3),
    ("somchai", T0, {"fields": ["card_admin.laser_number"]}, 2),
    ("somchai", T0, {"fields": ["card_admin.chip_serial"]}, 2),
]


@pytest.mark.parametrize(("name", "protocol", "options", "exchanges"), COUNTS)
def test_a_read_takes_exactly_as_many_exchanges(
    name: str, protocol: CardProtocol, options: Mapping[str, Any], exchanges: int
) -> None:
    card = CountedCard(card_of(name, protocol))
    reading = read_card(VirtualReader(card), **options)
    assert reading.complete
    assert len(card.commands) == exchanges
    assert (reading.link.protocol, reading.link.exchanges) == (str(protocol), exchanges)
    assert reading.link.bytes_sent == sum(len(command) // 2 for command in card.commands)


@pytest.mark.parametrize("protocol", CardProtocol)
def test_every_application_is_selected_once_and_the_one_with_the_photo_last(protocol: CardProtocol) -> None:
    card = CountedCard(card_of("wanida", protocol))
    assert read_card(VirtualReader(card)).complete
    assert card.selected == [NHSO, CIVIL_SERVANT, ADM, CARD_MANAGER, MOI]
    card.commands.clear()
    assert read_card(VirtualReader(card), photo=False).complete
    assert card.selected == [MOI, NHSO, CIVIL_SERVANT, ADM, CARD_MANAGER]


def test_the_first_read_of_the_record_tells_its_layout() -> None:
    for name in ("somchai", "vichai"):
        card = CountedCard(card_of(name))
        read_card(VirtualReader(card), apps=["citizen_id"])
        assert card.commands[1] == "80B00000" + "02" + "00FF"
        blocks = {command[10:12] for command in card.commands if command.startswith("80B0")}
        assert blocks == ({"00"} if name == "somchai" else {"00", "01"})


def test_the_oldest_chip_is_asked_in_its_form() -> None:
    card = CountedCard(card_of("malee"))
    assert read_card(VirtualReader(card)).complete
    forms = {command[:8] for command in card.commands if command[2:4] == "C0"}
    assert forms == {"00C00001"}


@pytest.mark.parametrize(("protocol", "text_only"), [(T0, 7), (T1, 3)])
def test_a_photo_that_the_caller_has_is_not_read_again(protocol: CardProtocol, text_only: int) -> None:
    photos: dict[tuple[str, str], bytes] = {}
    first = read("somchai", protocol, apps=["citizen_id"], photos=photos)
    again = read("somchai", protocol, apps=["citizen_id"], photos=photos)
    assert again.link.exchanges == text_only
    assert again.citizen_id == first.citizen_id
    assert again.complete
    other = read("wanida", protocol, apps=["citizen_id"], photos=photos)
    assert other.link.exchanges > text_only
    assert other.citizen_id != first.citizen_id
    assert len(photos) == 2


def test_a_new_card_of_the_same_person_has_its_photo_read() -> None:
    photos: dict[tuple[str, str], bytes] = {}
    somchai = persona("somchai")
    record = somchai.applications["citizen_id"]
    assert isinstance(record, CitizenId)
    read("somchai", photos=photos)
    renewed = {**somchai.applications, "citizen_id": replace(record, request_number="99016504031/99999999")}
    card = virtual_card(replace(somchai, applications=renewed))
    assert read_card(VirtualReader(card), photos=photos, apps=["citizen_id"]).link.exchanges == 45
    assert len(photos) == 2


# --- in which order ---


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("name", ["wanida", "siriporn", "anong", "kla", "vichai"])
def test_progress_goes_up_to_100_and_text_comes_before_the_photo(name: str, protocol: CardProtocol) -> None:
    events: list[CardEvent] = []
    reading = read(name, protocol, on_event=events.append)
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(0 <= percent < 100 for percent in percents[:-1])
    assert events[-1] == ReadFinished(reading)
    data = [event for event in events if isinstance(event, DataRead)]
    citizen = [event for event in data if event.application == "citizen_id"]
    assert data[-2:] == citizen
    text, whole = citizen
    assert reading.citizen_id is not None
    assert whole.record == reading.citizen_id
    assert text.record == replace(reading.citizen_id, photo=None)


def test_text_is_there_long_before_the_photo() -> None:
    """The text of every application, after 16 of 54 exchanges."""
    card = CountedCard(card_of("somchai"))
    when: dict[str, int] = {}

    def note(event: CardEvent) -> None:
        if isinstance(event, DataRead):
            when.setdefault(event.application, len(card.commands))

    read_card(VirtualReader(card), **ALL_BUT_CIVIL_SERVANT, on_event=note)
    assert when == {"health_insurance": 5, "card_admin": 9, "citizen_id": 16}
    assert len(card.commands) == 54


def test_events_can_be_iterated_over() -> None:
    with open_card(VirtualReader(card_of("somchai"))) as session:
        *_, last = stream_card(session, photo=False)
        assert isinstance(last, ReadFinished)
        assert last.reading.complete
        again = read_card(session, apps=["card_admin"])  # each read counts its own exchanges
        assert again.link.exchanges == 4


# --- what comes out ---

DATES = frozenset({"birth_date", "issue_date", "expiry_date", "update_date", "appointed_date"})


def expected(name: str, application: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a persona's file says, in the form of the issue's JSON; made from the file's text alone."""
    if record is None:
        return None
    result = {key: date_of(value, application) if key in DATES else value for key, value in record.items()}
    if photo := record.get("photo"):
        jpeg = files("cardapps.personas").joinpath(photo).read_bytes()
        result["photo"] = {"bytes": len(jpeg), "sha256": hashlib.sha256(jpeg).hexdigest()}
    return result


def date_of(raw: str | None, application: str) -> dict[str, Any] | None:
    if raw is None and application == "civil_servant":
        return None  # there, a field without a value is not on the card
    raw = raw or " " * 8
    year, month, day = raw[:4], raw[4:6], raw[6:]
    if raw in {" " * 8, "99999999"}:
        return {"raw": raw, "iso": None, "precision": "none", "lifelong": raw == "99999999"}
    iso = f"{int(year) - 543:04d}-{month}-{day}" if day != "00" else None
    precision = "year" if month == "00" else "month" if day == "00" else "day"
    return {"raw": raw, "iso": iso, "precision": precision, "lifelong": False}


HALF_PERSONALISED = "kla"
BLANK = "the card has nothing in this field"


def persona_names() -> list[str]:
    return [
        entry.name.removesuffix(".json")
        for entry in files("cardapps.personas").iterdir()
        if entry.name.endswith(".json")
    ]


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("name", persona_names())
def test_every_persona_reads_back_exactly(name: str, protocol: CardProtocol) -> None:
    data = json.loads(files("cardapps.personas").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    reading = read(name, protocol)
    result = to_json(reading)
    for application in ("citizen_id", "health_insurance", "civil_servant", "card_admin"):
        assert result[application] == expected(name, application, data[application])
    assert {key for key in result if key not in data} == {"schema_version", "problems", "link"}
    if name == HALF_PERSONALISED:
        assert reading.problems == (
            Problem("citizen_id", "photo", "blank", BLANK),
            Problem("card_admin", "laser_number", "blank", BLANK),
        )
    else:
        assert reading.problems == ()


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize("name", persona_names())
def test_every_persona_reads_back_as_its_records(name: str, protocol: CardProtocol) -> None:
    reading = read(name, protocol)
    found = {key: record for key, record in reading.applications.items() if record is not None}
    assert found == persona(name).applications


def test_there_is_a_persona_for_everything_that_the_issue_names() -> None:
    assert {"somchai", "wanida"} <= installed_personas().keys()
    assert len(installed_personas()) == len(persona_names()) == 20


def test_only_what_was_asked_for_comes_out() -> None:
    reading = read("wanida", fields=["citizen_id.name_en", "civil_servant.level", "card_admin.laser_number"])
    assert reading.complete
    assert reading.health_insurance is None
    assert reading.citizen_id is not None
    assert reading.citizen_id.name_en is not None
    assert (reading.citizen_id.cid, reading.citizen_id.photo) == (None, None)
    assert set(reading.citizen_id.raw) == {"name_en"}
    assert reading.civil_servant is not None
    assert (reading.civil_servant.officer_number, set(reading.civil_servant.raw)) == (None, {"level"})
    assert reading.card_admin is not None
    assert reading.card_admin.chip_serial is None


def test_photo_false_leaves_out_photos_that_were_not_named() -> None:
    text = read("somchai", photo=False).citizen_id
    assert text is not None
    assert (text.cid, text.photo) == ("1999900100425", None)
    named = read("somchai", fields=["citizen_id.photo"], photo=False).citizen_id
    assert named is not None
    assert named.photo is not None
    assert named.cid is None  # it was read to know the card, but nobody asked for it


@pytest.mark.parametrize(
    "options",
    [
        {"apps": ["driving_licence"]},
        {"apps": ["citizen_id", ""]},
        {"apps": "citizen_id"},
        {"fields": ["citizen_id.religion"]},
        {"fields": ["citizen_id"]},
        {"fields": ["cid"]},
        {"fields": ["."]},
        {"apps": []},
        {"fields": []},
        {"apps": [], "fields": []},
    ],
    ids=repr,
)
def test_names_that_nobody_knows_are_the_callers_fault(options: dict[str, Any]) -> None:
    card = CountedCard(card_of("somchai"))
    with pytest.raises(UsageError):
        read_card(VirtualReader(card), **options)
    assert card.commands == []
