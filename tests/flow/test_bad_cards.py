"""Reading cards and through readers that are not as they should be: no failure loses what was good.

`Meddler` stands between reader and card, and does what bad readers and bad cards do.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage, Value
from ecitizen.emulator.issuer_domain import IssuerSecurityDomain
from ecitizen.emulator.persona import Persona, find_persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import AppNotFound, CardRemoved, EcitizenError, TransmitFailed
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.jsonio import to_json
from ecitizen.model import CardReading, LinkStats
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import InsertableCard, VirtualReader, VirtualTransport
from ecitizen.usecases.open_card import open_card
from ecitizen.usecases.read_card import CardEvent, read_card

T0, T1 = CardProtocol.T0, CardProtocol.T1

MOI = "A000000054480001"
NHSO = "A000000054480083"
CIVIL_SERVANT = "F045434954495A454E2D4353"

Transmit = Callable[[bytes], bytes]


class Meddler:
    """A card that passes every command through `meddle`, and keeps the commands it got."""

    def __init__(self, card: Card, meddle: Callable[[bytes, Transmit], bytes]) -> None:
        self._card = card
        self._meddle = meddle
        self.protocol = card.protocol
        self.power_on = card.power_on
        self.power_off = card.power_off
        self.reset = card.reset
        self.commands: list[str] = []

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command.hex().upper())
        return self._meddle(command, self._card.transmit)


@cache
def persona(name: str) -> Persona:
    return find_persona(name)


def card_of(name: str, protocol: CardProtocol = T0) -> Card:
    return virtual_card(persona(name), protocol)


def read(name: str, protocol: CardProtocol = T0, **options: Any) -> CardReading:
    return read_card(VirtualReader(card_of(name, protocol)), **options)


# --- cards that are not as they should be ---


def patch(sections: dict[str, dict[str, Value]], application: str, offset: int, data: bytes) -> None:
    block = sections[application]["block0"]
    assert isinstance(block, bytes)
    sections[application]["block0"] = block[:offset] + data + block[offset + len(data) :]


def reader_of(sections: dict[str, dict[str, Value]]) -> VirtualReader:
    return VirtualReader(card_from_image(CardImage.in_memory(sections)))


# Offsets are those of thai-card.md, 3.2 and 3.3.
BAD_FIELDS = [
    ("citizen_id", 0x0004, b"1999900100426", "cid", "check_digit"),
    ("citizen_id", 0x0004, b"19999O0100425", "cid", "not_decodable"),
    ("citizen_id", 0x0004, b" " * 13, "cid", "blank"),
    ("citizen_id", 0x0011, b"no parts".ljust(100), "name_th", "not_decodable"),
    ("citizen_id", 0x0075, b"\xff".ljust(100), "name_en", "not_decodable"),
    ("citizen_id", 0x00D9, b"25281315", "birth_date", "not_decodable"),
    ("citizen_id", 0x00D9, b"25300230", "birth_date", "not_decodable"),
    ("citizen_id", 0x00E1, b"9", "sex", "not_decodable"),
    ("citizen_id", 0x016F, b"\xe0\xe1\xe2 2569", "expiry_date", "not_decodable"),
    ("citizen_id", 0x1579, b"42#5".ljust(160), "address", "not_decodable"),
    ("health_insurance", 0x0145, b"1 JAN 23", "issue_date", "not_decodable"),
    ("health_insurance", 0x015D, b"X", "hospital_changes", "not_decodable"),
]


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize(("application", "offset", "data", "field", "code"), BAD_FIELDS)
def test_a_bad_field_loses_nothing_else(
    application: str, offset: int, data: bytes, field: str, code: str, protocol: CardProtocol
) -> None:
    good = read("somchai", protocol)
    sections = sections_for(persona("somchai"), protocol)
    patch(sections, application, offset, data)
    reading = read_card(reader_of(sections))
    assert [(problem.application, problem.field, problem.code) for problem in reading.problems] == [
        (application, field, code)
    ]
    assert reading.problems[0].message
    bad, right = to_json(reading), to_json(good)
    assert bad[application].pop(field) is None
    assert right[application].pop(field) is not None
    for key in ("citizen_id", "health_insurance", "civil_servant", "card_admin"):
        assert bad[key] == right[key]
    record = reading.applications[application]
    assert record is not None
    assert record.raw[field] == data
    assert reading.link.exchanges == good.link.exchanges


def test_a_layout_of_tomorrow_is_read_and_told() -> None:
    sections = sections_for(persona("somchai"), T0)
    patch(sections, "citizen_id", 0, b"0004")
    reading = read_card(reader_of(sections), apps=["citizen_id"])
    assert [(problem.field, problem.code) for problem in reading.problems] == [("layout_version", "unknown_layout")]
    assert reading.citizen_id is not None
    assert (reading.citizen_id.layout_version, reading.citizen_id.cid) == ("0004", "1999900100425")


PHOTO = 0x017B
DAMAGED_PHOTOS = [
    (0, b"\x00", "not_decodable"),  # does not begin as a JPEG file
    (2, b"\x00", "not_decodable"),  # no marker where one must be
    (20, b"\xff", None),  # inside a segment: nothing that a reader can see
    (0, b" " * 5118, "blank"),
    (0, b"\xff\xd8\xff\xe0\xff\xff" + b" " * 5112, "not_decodable"),  # a segment longer than the field
]


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize(("at", "data", "code"), DAMAGED_PHOTOS)
def test_a_damaged_photo_loses_no_text(at: int, data: bytes, code: str | None, protocol: CardProtocol) -> None:
    good = read("somchai", protocol).citizen_id
    sections = sections_for(persona("somchai"), protocol)
    patch(sections, "citizen_id", PHOTO + at, data)
    reading = read_card(reader_of(sections), apps=["citizen_id"])
    assert [(problem.field, problem.code) for problem in reading.problems] == ([("photo", code)] if code else [])
    assert good is not None
    assert reading.citizen_id is not None
    assert (reading.citizen_id.photo is None) == (code is not None)
    assert replace(reading.citizen_id, photo=None) == replace(good, photo=None)
    assert reading.citizen_id.raw["photo"][at : at + 100] == (data + good.raw["photo"][at + len(data) :])[:100]


def test_what_can_not_become_a_photo_is_not_read_on() -> None:
    sections = sections_for(persona("somchai"), T0)
    patch(sections, "citizen_id", PHOTO, b"\x00")
    reading = read_card(reader_of(sections), apps=["citizen_id"])
    assert reading.link.exchanges == 7
    patch(sections, "citizen_id", PHOTO, b" " * 5118)
    reading = read_card(reader_of(sections), apps=["citizen_id"])
    assert reading.link.exchanges == 7


def test_a_card_of_something_else_is_not_found() -> None:
    for protocol in CardProtocol:
        with pytest.raises(AppNotFound, match="right card"):
            read_card(VirtualReader(Card([], atr=b"\x3b\x00", protocol=protocol)))


def test_a_bare_chip_gives_its_serial() -> None:
    domain = IssuerSecurityDomain({"cplc": IssuerSecurityDomain.cplc(bytes.fromhex("1122334455667788"))}, T0)
    reading = read_card(VirtualReader(Card([domain], atr=b"\x3b\x00", protocol=T0)))
    assert reading.card_admin is not None
    assert reading.card_admin.chip_serial == "1122334455667788"
    assert [(problem.application, problem.field, problem.code) for problem in reading.problems] == [
        ("card_admin", "laser_number", "app_not_found")
    ]


@pytest.mark.parametrize("protocol", CardProtocol)
def test_an_absent_application_is_worth_telling_to_who_named_it(protocol: CardProtocol) -> None:
    assert read("anong", protocol).complete
    for options in (
        {"apps": ["citizen_id", "health_insurance"]},
        {"fields": ["citizen_id.cid", "health_insurance.paid_type"]},
    ):
        reading = read("anong", protocol, photo=False, **options)
        assert reading.citizen_id is not None
        assert reading.health_insurance is None
        assert [(problem.application, problem.field, problem.code) for problem in reading.problems] == [
            ("health_insurance", None, "app_not_found")
        ]
    alone = read("anong", protocol, apps=["health_insurance"])
    assert not alone.complete


@pytest.mark.parametrize("protocol", CardProtocol)
@pytest.mark.parametrize(
    ("refused", "application"),
    [(MOI, "citizen_id"), (NHSO, "health_insurance"), (CIVIL_SERVANT, "civil_servant")],
)
def test_an_application_that_fails_takes_no_other_with_it(
    refused: str, application: str, protocol: CardProtocol
) -> None:
    """Whatever it fails at, from SELECT to the last command: the others are there."""
    good = to_json(read("wanida", protocol))
    for start, answer in (("00A40400", b"\x69\x99"), ("B0", b"\x6f\x00"), ("", b"\xff\xff"), ("B0", b"")):
        selected = False

        def meddle(command: bytes, card: Transmit, start: str = start, answer: bytes = answer) -> bytes:
            nonlocal selected
            text = command.hex().upper()
            if text.startswith("00A40400"):
                selected = text[10 : 10 + len(refused)] == refused
            hit = start == "" or text.startswith(start) or text[2:].startswith(start)
            return answer if selected and hit else card(command)

        reading = read_card(VirtualReader(Meddler(card_of("wanida", protocol), meddle)))
        result = to_json(reading)
        assert {problem.application for problem in reading.problems} == {application}
        for key in {"citizen_id", "health_insurance", "civil_servant", "card_admin"} - {application}:
            assert result[key] == good[key]


# --- readers that are not as they should be ---


def is_extended(command: bytes) -> bool:
    return len(command) == 7 and command[4] == 0


def refusing(command: bytes, card: Transmit) -> bytes:
    """A card that announces extended length and refuses it."""
    return b"\x67\x00" if is_extended(command) else card(command)


def failing(command: bytes, card: Transmit) -> bytes:
    """A reader that can't send extended commands."""
    if is_extended(command):
        raise TransmitFailed("the reader does not take this command")
    return card(command)


def failing_on_answers(command: bytes, card: Transmit) -> bytes:
    """A reader whose buffer is too small for long answers."""
    answer = card(command)
    if len(answer) > 258:
        raise TransmitFailed("the answer is too long for the reader")
    return answer


def truncating(command: bytes, card: Transmit) -> bytes:
    """A reader that cuts long answers, status word and all."""
    return card(command)[:258]


def dropping(command: bytes, card: Transmit) -> bytes:
    """A reader that gives nothing in place of long answers."""
    answer = card(command)
    return answer if len(answer) <= 258 else b""


@pytest.mark.parametrize(
    "meddle", [refusing, failing, failing_on_answers, truncating, dropping], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("name", ["wanida", "siriporn", "vichai"])
def test_without_extended_length_it_falls_back_once(name: str, meddle: Callable[[bytes, Transmit], bytes]) -> None:
    card = Meddler(card_of(name, T1), meddle)
    with open_card(VirtualReader(card)) as session:
        reading = read_card(session)
        assert reading.complete
        assert reading.applications == read(name, T1).applications
        assert sum(is_extended(bytes.fromhex(command)) for command in card.commands) == 1
        assert session.link.extended_length is False
        card.commands.clear()
        assert read_card(session).complete
        assert not any(is_extended(bytes.fromhex(command)) for command in card.commands)


@pytest.mark.parametrize("most", [160, 231])
def test_a_reader_that_gives_less_than_was_asked_for_is_asked_again(most: int) -> None:
    def meddle(command: bytes, card: Transmit) -> bytes:
        answer = card(command)
        return answer[:most] + b"\x90\x00" if len(answer) > most + 2 and answer[-2:] == b"\x90\x00" else answer

    card = Meddler(card_of("wanida", T1), meddle)
    reading = read_card(VirtualReader(card))
    assert reading.complete
    assert reading.applications == read("wanida", T1).applications


# --- cards pulled out ---


@pytest.mark.parametrize("protocol", CardProtocol)
def test_a_card_pulled_out_at_any_moment_is_removed(protocol: CardProtocol) -> None:
    exchanges = read("wanida", protocol).link.exchanges
    for last in range(exchanges):
        reader = VirtualReader()

        commands: list[bytes] = []

        def meddle(
            command: bytes,
            card: Transmit,
            last: int = last,
            reader: VirtualReader = reader,
            commands: list[bytes] = commands,
        ) -> bytes:
            commands.append(command)
            if len(commands) > last:
                reader.remove()
                raise CardRemoved("the card was pulled out")
            return card(command)

        reader.insert(Meddler(card_of("wanida", protocol), meddle))
        with pytest.raises(CardRemoved):
            read_card(reader)
        assert len(commands) == last + 1


def test_pulled_out_by_who_gets_the_events() -> None:
    reader = VirtualReader(card_of("somchai"))
    with pytest.raises(CardRemoved):
        read_card(reader, on_event=lambda _: reader.remove())


class Watched:
    """A transport that notes when the transaction and the session end."""

    def __init__(self, card: InsertableCard) -> None:
        self._inner = VirtualReader(card).connect()
        self.name, self.atr, self.protocol = self._inner.name, self._inner.atr, self._inner.protocol
        self.events: list[str] = []
        self.transmit = self._inner.transmit
        self.reset = self._inner.reset

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.events.append("begin")
        try:
            yield
        finally:
            self.events.append("end")

    def close(self) -> None:
        self.events.append("close")


def test_the_card_is_let_go_whatever_the_receiver_of_events_does() -> None:
    class Unforeseen(Exception):
        pass

    def receive(event: CardEvent) -> None:
        raise Unforeseen

    transport = Watched(card_of("somchai"))
    with pytest.raises(Unforeseen), CardSession(transport) as session:
        read_card(session, on_event=receive)
    assert transport.events == ["begin", "end", "close"]


# --- any card ---

STATUS_WORDS = [
    bytes.fromhex(sw) for sw in ("9000", "6110", "6282", "6101", "6100", "6C04", "6A82", "6A86", "6982", "6F00")
]
BEGINNINGS = [
    b"0003",
    b"0002",
    bytes.fromhex("FFD8FFE00004"),
    bytes.fromhex("E08203E8C00101"),
    bytes.fromhex("6F054703D4015F"),
    bytes.fromhex("9F7F2A"),
]
"""What makes a reader go on: layouts, a JPEG file, a template, announced extended length."""
ANSWERS = st.lists(
    st.binary(max_size=6)
    | st.builds(bytes.__add__, st.binary(max_size=300), st.sampled_from(STATUS_WORDS))
    | st.sampled_from(STATUS_WORDS)
    | st.builds(bytes.__add__, st.sampled_from(BEGINNINGS), st.sampled_from(STATUS_WORDS[:2])),
    min_size=1,
    max_size=12,
)
MOST_EXCHANGES = 200_000
"""Far more than any card needs: 32,767 bytes of a file, one by one, each with a GET RESPONSE or two."""


class Babbler:
    """A card that answers anything."""

    def __init__(self, protocol: CardProtocol, atr: bytes, answers: list[bytes]) -> None:
        self.protocol = protocol
        self.atr = atr
        self.answers = answers
        self.exchanges = 0

    def power_on(self) -> bytes:
        return self.atr

    def power_off(self) -> None:
        pass

    def reset(self) -> bytes:
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        self.exchanges += 1
        assert self.exchanges < MOST_EXCHANGES
        return self.answers[self.exchanges % len(self.answers)]


@settings(deadline=None)
@given(st.sampled_from(CardProtocol), st.sampled_from([b"", b"\x3b\x67"]) | st.binary(max_size=33), ANSWERS)
def test_a_card_that_answers_anything_is_read_or_refused(
    protocol: CardProtocol, atr: bytes, answers: list[bytes]
) -> None:
    card = Babbler(protocol, atr, answers)
    try:
        reading = read_card(VirtualReader(card))
    except EcitizenError:
        return
    json.dumps(to_json(reading))
    assert reading.link == LinkStats(
        str(protocol), card.exchanges, reading.link.bytes_sent, reading.link.bytes_received
    )


@settings(deadline=None)
@given(
    protocol=st.sampled_from(CardProtocol),
    which=st.sampled_from(["wanida", "vichai", "kla"]),
    disturb=st.dictionaries(st.integers(0, 30), st.binary(max_size=5) | st.sampled_from([b"\x6a\x82", b"\x61\x00"])),
)
def test_a_good_card_with_some_bad_answers_is_read_or_refused(
    protocol: CardProtocol, which: str, disturb: dict[int, bytes]
) -> None:
    def meddle(command: bytes, card: Transmit) -> bytes:
        at = len(meddler.commands) - 1
        return disturb[at] if at in disturb else card(command)

    meddler = Meddler(card_of(which, protocol), meddle)
    try:
        reading = read_card(VirtualReader(meddler))
    except EcitizenError:
        return
    json.dumps(to_json(reading))


def test_a_card_that_gives_231_bytes_at_a_time_is_read_whole_by_short_reads() -> None:
    card = virtual_card("somchai")

    class Stingy(VirtualTransport):
        """Answers the Thai READ with at most 231 bytes, whatever was asked."""

        def transmit(self, command: bytes) -> bytes:
            if command[:2] == b"\x80\xb0" and command[6] > 231:
                command = command[:6] + b"\xe7"
            return super().transmit(command)

    reading = read_card(CardSession(Stingy(VirtualReader(card), card)))
    assert reading.complete
    assert reading.applications == read_card(VirtualReader(virtual_card("somchai"))).applications
