"""The office's own parts: codes by chance, one hash of several things, and what makes two cards different."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import chain, repeat
from random import Random
from typing import Any

import pytest

from ecitizen.emulator.image import CardImage
from ecitizen.errors import ReadBackMismatch, UsageError
from ecitizen.key_providers import StaticKeys
from ecitizen.usecases.end_state import end_state
from ecitizen.usecases.issue_card import issue_card
from ecitizen.usecases.issue_plan import CardOrder
from ecitizen.usecases.issuing_office import CardAtDesk, digest, random_code, require_same
from tests.issuing_desk import MOMENT, Desk, QuickAuthorities, blank_card, copy_of, memory_of, order_for, session_with


def digits_of(*texts: str) -> Callable[[int], bytes]:
    """A source of randomness that gives these digits, then eights and nines."""
    stream = chain("".join(texts), *repeat("89", 50))
    return lambda _: bytes((int(next(stream)),))


def test_codes_are_not_what_everybody_tries_first() -> None:
    assert random_code(6, digits_of("123456", "111111", "654321", "270593")).reveal() == b"270593"
    assert random_code(8, digits_of("12345678", "00000000", "87654321", "27059318")).reveal() == b"27059318"


def test_each_digit_is_as_likely_as_any_other() -> None:
    source = Random(1)
    found = Counter(chain.from_iterable(random_code(8, source.randbytes).reveal() for _ in range(4000)))
    assert set(found) == set(b"0123456789")
    assert max(found.values()) / min(found.values()) < 1.12
    high = iter(bytes((250, 251, 252, 253, 254, 255, 1, 2, 3, 4, 5, 7)))  # which would favour the digits 0 to 5
    assert random_code(6, lambda _: bytes((next(high),))).reveal() == b"123457"


def test_a_digest_tells_files_apart() -> None:
    assert digest({1: b"a", 2: b"b"}) == digest({2: b"b", 1: b"a"})
    different = [{}, {1: b""}, {1: b"ab"}, {2: b"ab"}, {1: b"a", 2: b"b"}, {1: b"a", 2: b""}]
    assert len({digest(each) for each in different}) == len(different)


@pytest.mark.parametrize(
    ("found", "words"), [(b"abX", "from byte 2"), (b"ab", "length: 2 of 3"), (b"abcd", "length: 4 of 3")]
)
def test_a_difference_is_named_by_its_place(found: bytes, words: str) -> None:
    require_same("file", {0x0101: b"abc"}, {0x0101: b"abc", 0x011D: b"more"})
    with pytest.raises(ReadBackMismatch, match=f"file 0101 on the card differs .*{words}"):
        require_same("file", {0x0101: b"abc"}, {0x0101: found})


def test_an_office_tells_new_and_issued_cards_apart() -> None:
    desk = Desk(QuickAuthorities.new())
    with pytest.raises(UsageError, match="another key version"):
        replace(desk.office, transport=StaticKeys.published(kvn=0x01))
    with session_with(blank_card()) as session, pytest.raises(UsageError, match="time zone"):
        CardAtDesk(session, desk.office, datetime(2026, 11, 22))  # noqa: DTZ001 - that is what is wrong


@pytest.fixture(scope="module")
def issued() -> tuple[Any, Desk]:
    desk, image = Desk(QuickAuthorities.new()), blank_card()
    with session_with(image) as session:
        issue_card(session, order_for("wanida"), desk.office, deliver=desk.deliver, moment=MOMENT)
    return memory_of(image), desk


def changed(image: CardImage, section: str, **values: Any) -> None:
    image.read(section).write(values)


DIFFERENT: dict[str, Callable[[CardImage], None]] = {
    "a byte of a file": lambda image: changed(image, "citizen_id", block0=_flipped(image, "citizen_id", "block0")),
    "another official": lambda image: changed(image, "civil_servant", officer=_suspended(image)),
    "no seal": lambda image: changed(image, "citizen_id", security_object=None),
    "a certificate less": lambda image: changed(image, "piv", **{"object 5FC105": None}),
    "another key history": lambda image: changed(
        image, "piv", **{"object 5FC10C": b"\xc1\x01\x01\xc2\x01\x00\xf3\x00\xfe\x00"}
    ),
    "a try less": lambda image: changed(image, "piv", pin_tries=2),
    "the card's life": lambda image: changed(image, "card", life_cycle=0x07),
}


def _suspended(image: CardImage) -> bytes:
    value = image.read("civil_servant")["officer"]
    assert isinstance(value, bytes)
    return value.replace(b"\xc8\x01\x01", b"\xc8\x01\x03")


def _flipped(image: CardImage, section: str, key: str) -> bytes:
    value = image.read(section)[key]
    assert isinstance(value, bytes)
    return value[:-1] + bytes((value[-1] ^ 1,))


@pytest.mark.parametrize("name", DIFFERENT)
def test_whatever_differs_is_seen(name: str, issued: tuple[Any, Desk]) -> None:
    sections, desk = issued
    one, other = copy_of(sections), copy_of(sections)
    DIFFERENT[name](other)
    states = []
    for image in (one, other):
        with session_with(image) as session:
            states.append(end_state(session, desk.office, MOMENT))
    assert states[0] != states[1]


def test_what_chance_made_is_not_compared(issued: tuple[Any, Desk]) -> None:
    sections, desk = issued
    again = blank_card()
    other = Desk(QuickAuthorities.new())
    with session_with(again) as session:
        issue_card(session, order_for("wanida"), other.office, deliver=other.deliver, moment=MOMENT)
    states = []
    for image in (copy_of(sections), again):
        with session_with(image) as session:
            states.append(end_state(session, desk.office, MOMENT))
    assert states[0] == states[1]
    assert memory_of(again) != sections


def test_orders_are_the_same_if_their_canonical_form_is() -> None:
    order = order_for("wanida")
    assert order.canonical() == order_for("wanida").canonical()
    assert CardOrder(dict(reversed(list(order.applications.items())))).canonical() == order.canonical()
    citizen: Any = order.applications["citizen_id"]
    for changes in ({"cid": "1999900100425"}, {"photo": None}):
        other = CardOrder({**order.applications, "citizen_id": replace(citizen, **changes)})
        assert other.canonical() != order.canonical()
    assert replace(order, keys={}).canonical() != order.canonical()
    assert replace(order, chip_serial=bytes(8)).canonical() == order.canonical()  # it is the card's, not the order's
