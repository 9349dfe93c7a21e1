"""PIN and PUK, host side: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-5 part 2, 3.2.1 to 3.2.3).

A PIN is sent once, by whoever asked for it, and never again by itself. Before that the card is asked how many tries
are left; the last one is used only by those who say so.
"""

from dataclasses import replace
from typing import Final

from ecitizen.errors import LastTryRefused, PinBlocked, SecurityStatusNotSatisfied, StatusError, UsageError
from ecitizen.iso7816.status import StatusWord, retries_left, status_error
from ecitizen.ports import PinState
from ecitizen.secret import Pin

from . import layout
from .driver_link import PivLink
from .driver_metadata import retry_metadata
from .layout import ExtensionIns, Ins, KeyReference

RETRIES_MAX: Final = 0xFF
_UNKNOWN: Final = PinState(retries_left=None)
_VERIFIED: Final = PinState(retries_left=None, verified=True)
_WORDS: Final = {KeyReference.APPLICATION_PIN: "PIN", KeyReference.PUK: "PUK"}
_WRONG_WITHOUT_NUMBER: Final = frozenset({StatusWord.WARNING_MEMORY_CHANGED, StatusWord.SECURITY_STATUS_NOT_SATISFIED})
"""What some cards answer to a wrong PIN in place of 63Cx; they tell the tries when they are asked."""


class PinCommands(PivLink):
    """The part of a PIV session that satisfies `ecitizen.ports.PinHolder`."""

    _known: PinState | None = None
    """What the last answers said of the PIN; None: nothing, or too much happened since."""

    def _forget(self) -> None:
        super()._forget()
        self._known = None

    @property
    def known_pin_state(self) -> PinState | None:
        """What was learned of the PIN since the card was last reset, without asking; other programs may differ."""
        return self._known

    def pin_state(self) -> PinState:
        """Tries left and whether the PIN is verified, without using a try; more where the card has metadata."""
        return self._with_metadata(self.ask_pin_state(), KeyReference.APPLICATION_PIN)

    def ask_pin_state(self) -> PinState:
        """The same in one exchange: what VERIFY without data tells, which is part of the standard."""
        sw = self._send(Ins.VERIFY, layout.P1_VERIFY, KeyReference.APPLICATION_PIN).sw
        self._known = _VERIFIED if sw == StatusWord.NO_ERROR else PinState(retries_left(sw))
        return self._known

    def puk_state(self) -> PinState:
        """Tries left of the PUK: known on cards with metadata only, since the standard has no question for it."""
        return self._with_metadata(_UNKNOWN, KeyReference.PUK)

    def verify_pin(self, pin: Pin, *, last_try: bool = False) -> None:
        """Show the PIN to the card.

        Raise PinIncorrect with the tries left, PinBlocked, LastTryRefused if one try is left and `last_try` is not
        set (then nothing was sent), or StatusError where a card says no without a number of tries.
        """
        with self.transaction():
            self._check_tries(self.ask_pin_state(), KeyReference.APPLICATION_PIN, last_try=last_try)
            self._show(Ins.VERIFY, KeyReference.APPLICATION_PIN, _padded(pin), "verifying the PIN")
        self._known = _VERIFIED

    def end_verification(self) -> None:
        """Make the card forget that the PIN was verified; NotSupported or another StatusError if it can't."""
        self._known = None
        self._must(
            "ending the PIN's verification", Ins.VERIFY, layout.P1_END_VERIFICATION, KeyReference.APPLICATION_PIN
        )

    def change_pin(self, old: Pin, new: Pin, *, last_try: bool = False) -> None:
        """Replace the PIN; raises as `verify_pin` does."""
        with self.transaction():
            self._check_tries(self.ask_pin_state(), KeyReference.APPLICATION_PIN, last_try=last_try)
            self._change(KeyReference.APPLICATION_PIN, old, new)

    def change_puk(self, old: Pin, new: Pin, *, last_try: bool = False) -> None:
        """Replace the PUK; raises as `verify_pin` does. The tries left are known on cards with metadata only."""
        with self.transaction():
            self._check_tries(self.puk_state(), KeyReference.PUK, last_try=last_try)
            self._change(KeyReference.PUK, old, new)

    def unblock_pin(self, puk: Pin, new: Pin, *, last_try: bool = False) -> None:
        """Set a new PIN with the PUK, and give it all its tries; what is raised speaks of the PUK."""
        with self.transaction():
            self._check_tries(self.puk_state(), KeyReference.PUK, last_try=last_try)
            self._show(
                Ins.RESET_RETRY_COUNTER,
                KeyReference.APPLICATION_PIN,
                _padded(puk) + _padded(new),
                "unblocking the PIN",
                of=KeyReference.PUK,
            )

    def set_retries(self, pin: int, puk: int) -> None:
        """Set how many tries PIN and PUK have, 1 to 255, which gives both their default values (extension).

        The management key must be authenticated and the PIN verified. Raise NotSupported if the card can't.
        """
        if not (1 <= pin <= RETRIES_MAX and 1 <= puk <= RETRIES_MAX):
            raise UsageError(f"PIN and PUK can have 1 to {RETRIES_MAX} tries each")
        self._known = None
        self._extension("setting the number of tries", ExtensionIns.SET_RETRIES, pin, puk)

    def _change(self, reference: KeyReference, old: Pin, new: Pin) -> None:
        data = _padded(old) + _padded(new)
        self._show(Ins.CHANGE_REFERENCE_DATA, reference, data, f"changing the {_WORDS[reference]}")

    def _check_tries(self, state: PinState, reference: KeyReference, *, last_try: bool) -> None:
        """Refuse to send a PIN that can't help, or that may block itself without anybody wanting it."""
        word = _WORDS[reference]
        if state.blocked:
            raise status_error(StatusWord.AUTHENTICATION_METHOD_BLOCKED, f"asking for the {word}", shown=word)
        if state.retries_left == 1 and not last_try:
            raise LastTryRefused(
                f"one try is left for the {word}: the card was not asked; allow the last try to use it"
            )

    def _show(self, ins: Ins, p2: KeyReference, data: bytes, doing: str, *, of: KeyReference | None = None) -> None:
        """Send PINs, the first of which is that of `of` (`p2` if not named), and say what the card thinks of it."""
        shown = of or p2
        self._known = None
        sw = self._send(ins, 0x00, p2, data).sw
        if sw == StatusWord.NO_ERROR:
            return
        if sw in _WRONG_WITHOUT_NUMBER:
            raise self._wrong_without_number(sw, shown, doing)
        raise status_error(sw, doing, shown=_WORDS[shown])

    def _wrong_without_number(self, sw: int, reference: KeyReference, doing: str) -> StatusError:
        state = self.ask_pin_state() if reference is KeyReference.APPLICATION_PIN else self.puk_state()
        word = _WORDS[reference]
        if state.retries_left is not None:
            counter = StatusWord.WARNING_MEMORY_CHANGED | 0xC0 | min(state.retries_left, 0x0F)
            return status_error(counter, doing, shown=word)
        kind = SecurityStatusNotSatisfied if sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED else StatusError
        return kind(f"{doing}: the {word} is wrong, and this card does not tell how many tries are left ({sw:04X})", sw)

    def _with_metadata(self, state: PinState, reference: KeyReference) -> PinState:
        answer = self._ask(f"asking about the {_WORDS[reference]}", ExtensionIns.GET_METADATA, reference)
        if answer is None:
            return state
        told = retry_metadata(answer)
        left = state.retries_left if told.retries_left is None else told.retries_left  # 63Cx ends at 15
        return replace(told, retries_left=left, verified=state.verified)

    def _block(self, reference: KeyReference) -> None:
        """Use up all tries with made-up PINs."""
        for _ in range(2 * RETRIES_MAX):
            wrong = _digits(self.random(layout.REFERENCE_DATA_LEN))
            try:
                if reference is KeyReference.APPLICATION_PIN:
                    self._show(Ins.VERIFY, reference, wrong, "blocking the PIN")
                else:
                    self._show(Ins.CHANGE_REFERENCE_DATA, reference, wrong * 2, "blocking the PUK")
            except PinBlocked:
                return
            except StatusError as error:
                if retries_left(error.sw) is None:
                    raise


def _padded(pin: Pin) -> bytes:
    """A PIN as the card takes it: 8 bytes, FF at the end."""
    return pin.reveal().ljust(layout.REFERENCE_DATA_LEN, bytes((layout.REFERENCE_DATA_PADDING,)))


def _digits(random: bytes) -> bytes:
    return bytes(0x30 + byte % 10 for byte in random)
