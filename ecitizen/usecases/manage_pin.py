"""What people do about the PIN of their card: see how many tries are left, verify, change and unblock it.

Every act looks at the card, then asks the person, then does it. Nobody is kept off the card while a person thinks and
types: the looking and the doing are two short transactions. The application is selected anew for the second one, since
another program may have selected something else meanwhile. Afterwards the card forgets that the PIN was shown.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Protocol

from ..apps import installed_pins
from ..errors import AppNotFound, LastTryRefused, PinBlocked, StatusError
from ..iso7816.status import StatusWord
from ..ports import PinHolder, PinState
from ..secret import Pin
from ..session import CardSession


@unique
class Asked(StrEnum):
    """What a person is asked for."""

    PIN = "PIN"
    PUK = "PUK"
    NEW_PIN = "new PIN"
    NEW_PUK = "new PUK"


class PinPrompt(Protocol):
    """The person who knows the PIN: at a terminal, at a kiosk's screen, or behind a file descriptor."""

    def ask(self, wanted: Asked, state: PinState | None) -> Pin:
        """What the person enters; `state` tells of the tries that are left, and is None for what is new."""
        ...

    def confirm_last_try(self, wanted: Asked) -> bool:
        """Whether the only try that is left shall be used; a wrong PIN or PUK is blocked after it."""
        ...


@dataclass(frozen=True, slots=True)
class PinStatus:
    """PIN and PUK of one application."""

    application: str
    pin: PinState
    puk: PinState


def pin_holder(session: CardSession, application: str | None = None) -> PinHolder:
    """Select the named application, or the first one with a PIN that the card has.

    Raise AppNotFound if the card has none, UsageError for a name that is not installed.
    """
    return _select(session, application)[1]


def pin_status(session: CardSession, application: str | None = None) -> PinStatus:
    """How many tries PIN and PUK have left, without using one. Raise as `pin_holder` does."""
    with session.transaction():
        return _status(*_select(session, application))


def verify_pin(session: CardSession, prompt: PinPrompt, application: str | None = None) -> PinStatus:
    """Have the card verify the PIN that the person enters, and give how things stand afterwards.

    Raise PinIncorrect with the tries left, PinBlocked without asking if there is none, LastTryRefused if the person
    did not want to use the last one; and as `pin_holder` does.
    """

    def deed(holder: PinHolder, pin: Pin, *, last_try: bool) -> None:
        holder.verify_pin(pin, last_try=last_try)

    return _act(session, prompt, application, (Asked.PIN,), deed)


def change_pin(session: CardSession, prompt: PinPrompt, application: str | None = None) -> PinStatus:
    """Replace the PIN: the person enters the one that is, and the new one. Raise as `verify_pin` does."""

    def deed(holder: PinHolder, old: Pin, new: Pin, *, last_try: bool) -> None:
        holder.change_pin(old, new, last_try=last_try)

    return _act(session, prompt, application, (Asked.PIN, Asked.NEW_PIN), deed)


def change_puk(session: CardSession, prompt: PinPrompt, application: str | None = None) -> PinStatus:
    """Replace the PUK: the person enters the one that is, and the new one. Raise as `verify_pin` does."""

    def deed(holder: PinHolder, old: Pin, new: Pin, *, last_try: bool) -> None:
        holder.change_puk(old, new, last_try=last_try)

    return _act(session, prompt, application, (Asked.PUK, Asked.NEW_PUK), deed)


def unblock_pin(session: CardSession, prompt: PinPrompt, application: str | None = None) -> PinStatus:
    """Set a new PIN by means of the PUK, whether or not the old one is blocked. Raise as `verify_pin` does."""

    def deed(holder: PinHolder, puk: Pin, new: Pin, *, last_try: bool) -> None:
        holder.unblock_pin(puk, new, last_try=last_try)

    return _act(session, prompt, application, (Asked.PUK, Asked.NEW_PIN), deed)


def may_try(prompt: PinPrompt, wanted: Asked, state: PinState) -> bool:
    """Whether the try that comes may be the last one, as the person says if it is.

    Raise PinBlocked if none is left, LastTryRefused if the person does not want to use it.
    """
    if state.blocked:
        cure = "unblock it with the PUK" if wanted is Asked.PIN else "only whoever issued the card can help"
        raise PinBlocked(f"the {wanted} is blocked; {cure}", StatusWord.AUTHENTICATION_METHOD_BLOCKED)
    if state.retries_left != 1:
        return False
    if not prompt.confirm_last_try(wanted):
        raise LastTryRefused(
            f"one try is left, after which the {wanted} is blocked; the card was not asked. --last-try uses it"
        )
    return True


def _act(
    session: CardSession,
    prompt: PinPrompt,
    application: str | None,
    wanted: tuple[Asked, ...],
    deed: Callable[..., None],
) -> PinStatus:
    """Look, ask for what is wanted (the card checks the first of it), and do the deed with it."""
    checked = wanted[0]
    with session.transaction():
        name, holder = _select(session, application)
        state = holder.pin_state() if checked is Asked.PIN else holder.puk_state()
    last_try = may_try(prompt, checked, state)
    entered: list[Pin] = []
    try:
        for each in wanted:
            entered.append(prompt.ask(each, state if each is checked else None))
        with session.transaction():
            name, holder = _select(session, name)
            deed(holder, *entered, last_try=last_try)
            with suppress(StatusError):  # not every card can forget; it does when it loses power
                holder.end_verification()
            return _status(name, holder)
    finally:
        for pin in entered:
            pin.wipe()


def _select(session: CardSession, application: str | None) -> tuple[str, PinHolder]:
    for name, select in installed_pins(application).items():
        try:
            return name, select(session)
        except AppNotFound:
            continue
    raise AppNotFound("this card has no application with a PIN", StatusWord.FILE_OR_APPLICATION_NOT_FOUND)


def _status(name: str, holder: PinHolder) -> PinStatus:
    return PinStatus(name, holder.pin_state(), holder.puk_state())
