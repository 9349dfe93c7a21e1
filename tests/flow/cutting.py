"""Pulling a card out while an office works on it: at every exchange and at every write, each in two ways; and the end
of the program itself, at every call of the journal and of the authorities.

The cut is real: CardRemoved goes through all the code that is on its way, the card forgets what is not in its memory,
and then the office, with its journal, is asked for the same thing again.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import Any

from ecitizen.emulator.image import CardImage, Sections
from ecitizen.emulator.image_values import Edit
from ecitizen.emulator.personalise import card_from_image
from ecitizen.errors import CardRemoved
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader, VirtualTransport
from tests.issuing_desk import Desk

WHOLE = bool(os.environ.get("ECITIZEN_SOAK"))
"""`make soak`: every place, on a card with all its applications. Otherwise few, on one with as few as will do."""
STRIDE = 12

Act = Callable[[CardSession, Desk], object]
Check = Callable[[CardImage, Desk], None]


@unique
class CutAt(StrEnum):
    """Where the card loses its contacts or its power."""

    COMMAND = "before a command arrives"
    ANSWER = "before an answer arrives"
    WRITE = "before memory is written"
    WRITTEN = "after memory was written"
    CALL = "before the journal or an authority is asked"
    RETURN = "after the journal or an authority has done it"


@dataclass
class Scissors:
    """Counts what can be cut, and cuts once."""

    at: CutAt | None = None
    number: int = 0
    passed: dict[CutAt, list[str]] = field(default_factory=lambda: {each: [] for each in CutAt})
    """Where it could have cut, each with the step of the journal that was under way."""
    step: str = ""
    done: bool = False

    def pass_by(self, place: CutAt) -> None:
        self.passed[place].append(self.step)
        if place is self.at and len(self.passed[place]) == self.number:
            self.done = True
            raise CardRemoved("cut")


class CutImage(CardImage):
    """A memory whose power goes at a write: it is made, or it is not."""

    scissors = Scissors()

    def _commit(self, edits: list[Edit]) -> None:
        if not edits:
            return
        self.scissors.pass_by(CutAt.WRITE)
        super()._commit(edits)
        self.scissors.pass_by(CutAt.WRITTEN)


class CutTransport(VirtualTransport):
    """A way to the card that ends at an exchange."""

    scissors: Scissors

    def transmit(self, command: bytes) -> bytes:
        self.scissors.pass_by(CutAt.COMMAND)
        answer = super().transmit(command)
        self.scissors.pass_by(CutAt.ANSWER)
        return answer


class CutCalls:
    """A journal or authorities whose calls are cut."""

    def __init__(self, inner: object, scissors: Scissors) -> None:
        self._inner = inner
        self._scissors = scissors

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            if name == "before":
                self._scissors.step = arguments[1]
            self._scissors.pass_by(CutAt.CALL)
            result = found(*arguments, **named)
            self._scissors.pass_by(CutAt.RETURN)
            return result

        return call


@contextmanager
def inserted(image: CardImage, scissors: Scissors) -> Iterator[CardSession]:
    """A session with a card that will be cut."""
    if isinstance(image, CutImage):
        image.scissors = scissors
    reader = VirtualReader(card_from_image(image))
    assert reader.card is not None
    transport = CutTransport(reader, reader.card)
    transport.scissors = scissors
    with CardSession(transport) as session:
        yield session


@dataclass(frozen=True)
class Trial:
    """What is done to a card, from which beginning, and what must hold at the end."""

    begin: Callable[[], tuple[Sections, Desk]]
    act: Act
    check: Check

    def run(self, scissors: Scissors) -> tuple[CardImage, Desk]:
        """Do it on a fresh beginning; a cut ends it."""
        sections, desk = self.begin()
        image = CutImage.in_memory({name: dict(values) for name, values in sections.items()})
        whole = desk.office
        calls: Any = CutCalls(whole.journal, scissors), CutCalls(whole.authorities, scissors)
        desk.office = replace(whole, journal=calls[0], authorities=calls[1])
        try:
            with inserted(image, scissors) as session:
                self.act(session, desk)
        except CardRemoved:
            assert scissors.done
        desk.office = whole
        return image, desk

    def run_uncut(self) -> tuple[CardImage, Desk]:
        """What it comes to without any cut."""
        return self.run(Scissors())

    def places(self, at: CutAt) -> list[str]:
        """The places where it can be cut so, by the steps of the journal that they are in."""
        scissors = Scissors()
        image, desk = self.run(scissors)
        found = list(scissors.passed[at])  # before the check, which opens channels too
        self.check(image, desk)
        return found

    def survives(self, at: CutAt, number: int) -> None:
        """Cut it there, do it again, and check."""
        scissors = Scissors(at, number)
        image, desk = self.run(scissors)
        assert scissors.done, f"nothing was cut {at}, number {number}"
        with inserted(image, Scissors()) as session:
            self.act(session, desk)
        self.check(image, desk)


def campaign(name: str, trial: Trial, at: CutAt) -> None:
    """Cut at every place, print how many were survived, and fail unless all were.

    Without ECITIZEN_SOAK only at some: see `everyday`.
    """
    places = trial.places(at)
    assert places
    wanted = range(1, len(places) + 1) if WHOLE else everyday(places, at)
    failed = {}
    for number in wanted:
        try:
            trial.survives(at, number)
        except Exception as error:
            failed[number] = repr(error)
    print(f"{name}, {at}: {len(wanted) - len(failed)} of {len(wanted)} cut points survived (of {len(places)} in all)")
    assert not failed, failed


def everyday(places: Sequence[str], at: CutAt) -> list[int]:
    """Numbers of a few places: one of STRIDE, and the first of every other step of the journal, the last one too.

    The ways to cut take turns, so that those of a pair (before and after something) touch all steps between them.
    """
    turn = list(CutAt).index(at)
    begins = [number for number, step in enumerate(places, 1) if number == 1 or step != places[number - 2]]
    strided = range(1 + turn * STRIDE // len(CutAt), len(places) + 1, STRIDE)
    return sorted({*begins[turn % 2 :: 2], *strided, len(places)})
