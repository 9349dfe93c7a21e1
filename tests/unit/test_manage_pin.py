"""Looking, asking, doing: what the person is asked and when, and what the card then gets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from ecitizen import apps
from ecitizen.entry_points import EntryPoint
from ecitizen.errors import (
    AppNotFound,
    ConfigError,
    LastTryRefused,
    NotSupported,
    PinBlocked,
    PinIncorrect,
    UsageError,
)
from ecitizen.ports import PinHolder, PinState
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.usecases import manage_pin
from ecitizen.usecases.manage_pin import Asked

Deed = Callable[..., manage_pin.PinStatus]


class Session:
    """A session that notes when it keeps others off the card."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.log.append("begin")
        try:
            yield
        finally:
            self.log.append("end")


class Holder:
    """An application with a PIN and a PUK that notes what is done with it."""

    def __init__(self, log: list[str], pin: PinState, puk: PinState) -> None:
        self.log, self.pin, self.puk = log, pin, puk
        self.shown: list[Pin] = []

    def pin_state(self) -> PinState:
        return self.pin

    def puk_state(self) -> PinState:
        return self.puk

    def _do(self, deed: str, *pins: Pin, last_try: bool) -> None:
        self.shown += pins
        revealed = " ".join(pin.reveal().decode() for pin in pins)
        self.log.append(f"{deed} {revealed}{' last' if last_try else ''}")
        if pins[0].reveal() == b"000000":
            raise PinIncorrect("wrong", 0x63C1, 1)

    def verify_pin(self, pin: Pin, *, last_try: bool = False) -> None:
        self._do("verify", pin, last_try=last_try)

    def end_verification(self) -> None:
        self.log.append("forget")
        raise NotSupported("not every card can", 0x6D00)

    def change_pin(self, old: Pin, new: Pin, *, last_try: bool = False) -> None:
        self._do("change", old, new, last_try=last_try)

    def change_puk(self, old: Pin, new: Pin, *, last_try: bool = False) -> None:
        self._do("change_puk", old, new, last_try=last_try)

    def unblock_pin(self, puk: Pin, new: Pin, *, last_try: bool = False) -> None:
        self._do("unblock", puk, new, last_try=last_try)


class Person:
    """Somebody who answers what is asked."""

    def __init__(self, log: list[str], answers: dict[Asked, str], *, daring: bool = False) -> None:
        self.log, self.answers, self.daring = log, answers, daring
        self.states: list[PinState | None] = []

    def ask(self, wanted: Asked, state: PinState | None) -> Pin:
        self.log.append(f"ask {wanted}")
        self.states.append(state)
        return Pin.puk(self.answers[wanted])

    def confirm_last_try(self, wanted: Asked) -> bool:
        self.log.append(f"dare {wanted}")
        return self.daring


class Desk:
    """A card, a person, and the log of what happens between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pin: PinState, puk: PinState) -> None:
        self.log: list[str] = []
        self.holder = Holder(self.log, pin, puk)
        self.session = cast("CardSession", Session(self.log))

        def absent(_: CardSession) -> PinHolder:
            raise AppNotFound("not here", 0x6A82)

        def present(_: CardSession) -> PinHolder:
            self.log.append("select")
            return self.holder

        known = {"absent": absent, "present": present}
        monkeypatch.setattr(
            manage_pin,
            "installed_pins",
            lambda name=None: {each: known[each] for each in known if name in {None, each}},
        )

    def person(self, answers: dict[str, str], *, daring: bool = False) -> Person:
        return Person(self.log, {Asked[name.upper()]: text for name, text in answers.items()}, daring=daring)


FULL, LAST, NONE, UNTOLD = PinState(3, 3), PinState(1, 3), PinState(0, 3), PinState(None)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Desk]:
    def make(pin: PinState = FULL, puk: PinState = FULL) -> Desk:
        return Desk(monkeypatch, pin, puk)

    return make


LOOK = ["begin", "select", "end"]

DEEDS = [
    (manage_pin.verify_pin, {"pin": "111111"}, "verify 111111"),
    (manage_pin.change_pin, {"pin": "111111", "new_pin": "222222"}, "change 111111 222222"),
    (manage_pin.change_puk, {"puk": "333333", "new_puk": "444444"}, "change_puk 333333 444444"),
    (manage_pin.unblock_pin, {"puk": "333333", "new_pin": "222222"}, "unblock 333333 222222"),
]


@pytest.mark.parametrize(("deed", "answers", "done"), DEEDS)
def test_nobody_is_kept_off_the_card_while_the_person_is_asked(
    deed: Deed, answers: dict[str, str], done: str, desk: Callable[..., Desk]
) -> None:
    here = desk()
    person = here.person(answers)
    status = deed(here.session, person)
    asked = [f"ask {Asked[name.upper()]}" for name in answers]
    assert here.log == [*LOOK, *asked, "begin", "select", done, "forget", "end"]
    assert person.states == [FULL, None][: len(answers)], "what is new has no tries"
    assert (status.application, status.pin, status.puk) == ("present", FULL, FULL)


@pytest.mark.parametrize(("deed", "answers", "done"), DEEDS)
def test_pins_are_wiped_when_they_were_used(
    deed: Deed, answers: dict[str, str], done: str, desk: Callable[..., Desk]
) -> None:
    here = desk()
    deed(here.session, here.person(answers))
    assert len(here.holder.shown) == len(answers)
    assert all(pin.reveal() == b"" for pin in here.holder.shown)


def test_they_are_wiped_after_a_failure_too_and_nothing_is_tried_again(desk: Callable[..., Desk]) -> None:
    here = desk()
    with pytest.raises(PinIncorrect):
        manage_pin.verify_pin(here.session, here.person({"pin": "000000"}))
    assert here.log == [*LOOK, "ask PIN", "begin", "select", "verify 000000", "end"]
    assert here.holder.shown[0].reveal() == b""


@pytest.mark.parametrize(("deed", "answers", "done"), DEEDS)
def test_of_what_is_blocked_nobody_is_asked(
    deed: Deed, answers: dict[str, str], done: str, desk: Callable[..., Desk]
) -> None:
    here = desk(NONE, NONE)
    with pytest.raises(PinBlocked, match="PUK" if "pin" in answers else "issued the card") as raised:
        deed(here.session, here.person(answers))
    assert raised.value.sw == 0x6983
    assert here.log == LOOK


@pytest.mark.parametrize(("deed", "answers", "done"), DEEDS)
def test_the_last_try_is_used_only_if_the_person_wants_it(
    deed: Deed, answers: dict[str, str], done: str, desk: Callable[..., Desk]
) -> None:
    here = desk(LAST, LAST)
    dare = f"dare {Asked[next(iter(answers)).upper()]}"
    with pytest.raises(LastTryRefused):
        deed(here.session, here.person(answers))
    assert here.log == [*LOOK, dare]
    deed(here.session, here.person(answers, daring=True))
    assert f"{done} last" in here.log


def test_a_blocked_pin_is_unblocked_and_tries_that_are_not_told_are_no_hindrance(desk: Callable[..., Desk]) -> None:
    here = desk(NONE, UNTOLD)
    manage_pin.unblock_pin(here.session, here.person({"puk": "333333", "new_pin": "222222"}))
    assert "unblock 333333 222222" in here.log


def test_the_status_is_one_look(desk: Callable[..., Desk]) -> None:
    here = desk(LAST, UNTOLD)
    status = manage_pin.pin_status(here.session)
    assert (status.pin, status.puk) == (LAST, UNTOLD)
    assert here.log == LOOK


def test_the_holder_is_the_first_that_the_card_has_or_the_one_that_is_named(desk: Callable[..., Desk]) -> None:
    here = desk()
    assert manage_pin.pin_holder(here.session) is here.holder
    assert manage_pin.pin_holder(here.session, "present") is here.holder
    with pytest.raises(AppNotFound, match="no application with a PIN"):
        manage_pin.pin_holder(here.session, "absent")


# Which applications there are


def test_the_installed_applications_with_a_pin_are_found() -> None:
    assert list(apps.installed_pins()) == ["piv"]
    assert list(apps.installed_pins("piv")) == ["piv"]
    with pytest.raises(UsageError, match="there are piv"):
        apps.installed_pins("health_insurance")


def test_only_what_is_named_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (EntryPoint("good", "ecitizen.secret:Pin"), EntryPoint("broken", "no_such_module:Thing"))
    monkeypatch.setattr(apps, "entry_points", lambda _: found)
    assert list(apps.installed_pins("good")) == ["good"]
    with pytest.raises(ConfigError):
        apps.installed_pins()


def test_without_any_the_installation_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "entry_points", lambda _: ())
    with pytest.raises(ConfigError, match="install"):
        apps.installed_pins()
