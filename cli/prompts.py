"""PINs, keys and passphrases: from the person at the terminal or a file descriptor, never from argv or environment.

A descriptor is read before a card is opened, since by then its number may be that of something else. One that is named
for several secrets gives a line for each, in the order of `_SOURCES`.
"""

import argparse
import os
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from ecitizen.errors import UsageError
from ecitizen.secret import KeyBytes, Pin
from ecitizen.usecases.manage_pin import Asked

if TYPE_CHECKING:
    from ecitizen.ports import PinState

    from .language import Words

LINE_MAX_LEN = 1024
"""The longest line that a descriptor may give, in bytes without its end."""
AFFIRMATION = "yes"
_LAST_STANDARD_DESCRIPTOR = 2


def _pin(line: bytes) -> Pin:
    return Pin(line.decode("utf-8", "replace"))


def _puk(line: bytes) -> Pin:
    return Pin.puk(line.decode("utf-8", "replace"))


def _key(line: bytes) -> KeyBytes:
    """A key as hex digits, with or without spaces or colons."""
    try:
        return KeyBytes(bytes.fromhex(line.replace(b":", b" ").decode("ascii")))
    except ValueError:
        raise UsageError("the management key must be hex digits; the card was not asked") from None


_SOURCES: MappingProxyType[str, Callable[[bytes], Pin | KeyBytes]] = MappingProxyType(
    {
        "management_key_fd": _key,
        "pin_fd": _pin,
        "puk_fd": _puk,
        "new_pin_fd": _pin,
        "new_puk_fd": _puk,
        "passphrase_fd": KeyBytes,
    }
)
"""Options that name descriptors, as argparse calls them, and what becomes of a line."""

_OPTIONS = MappingProxyType(
    {Asked.PIN: "pin_fd", Asked.PUK: "puk_fd", Asked.NEW_PIN: "new_pin_fd", Asked.NEW_PUK: "new_puk_fd"}
)


class Secrets:
    """The secrets that one command needs. It is a `PinPrompt`.

    Making it reads the descriptors that the command line names; raise UsageError for one that can't be read, and
    PinMalformed for a line that can't be a PIN.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._words: Words = arguments.words
        self._last_try: bool = getattr(arguments, "last_try", False)
        self._given = _read_descriptors(arguments)
        self.pin_was_asked = False
        self._pin_spent = False

    def ask(self, wanted: Asked, state: "PinState | None") -> Pin:
        """A PIN or PUK; what is new is asked for twice, for nobody sees what they type."""
        option = _OPTIONS[wanted]
        given = self._given.get(option)
        make = _SOURCES[option]
        if given is None:
            given = make(self._hidden(wanted, state, option).encode())
            if state is None and make(self._hidden(wanted, None, option, again=True).encode()) != given:
                raise UsageError("these two were not the same; nothing was changed")
            assert isinstance(given, Pin)
            return given
        return Pin.puk(given.reveal().decode())  # a copy, which whoever asked may wipe

    def pin(self, state: "PinState") -> Pin:
        """The PIN, for a key that wants it; raise LastTryRefused as `may_try` does."""
        from ecitizen.usecases.manage_pin import may_try

        may_try(self, Asked.PIN, state)
        self.pin_was_asked = True
        return self.ask(Asked.PIN, state)

    def pin_once(self, state: "PinState") -> Pin:
        """The same for keys that may want the PIN again: one that a descriptor gave is given once and then forgotten.

        Raise UsageError if it is wanted again; whoever sits at the terminal is asked each time.
        """
        self._check_unspent()
        pin = self.pin(state)
        given = self._given.pop("pin_fd", None)
        if given is not None:
            given.wipe()
            self._pin_spent = True
        return pin

    def _check_unspent(self) -> None:
        if self._pin_spent:
            raise UsageError(
                "the key wants the PIN once more, and a PIN is never kept to be sent again: go on without "
                "--pin-fd, or file by file"
            )

    @property
    def has_pin(self) -> bool:
        """Whether a descriptor gave the PIN."""
        return "pin_fd" in self._given

    def confirm_last_try(self, wanted: Asked) -> bool:
        """Whether the last try may be used: `--last-try` says so, or the person at the terminal."""
        if self._last_try or self._given.get(_OPTIONS[wanted]) is not None or not _somebody_there():
            return self._last_try
        _ = self._words.translate
        text = _("One try is left; if it is wrong, the {pin} is blocked. Type yes to use it: ")
        return _line(text.format(pin=wanted)) == AFFIRMATION

    def management_key(self) -> KeyBytes:
        """The management key, in hex."""
        given = self._given.get("management_key_fd")
        if given is not None:
            return KeyBytes(given.reveal())
        _ = self._words.translate
        return _key(_hidden(_("Management key (hex): "), "the management key", "--management-key-fd").encode())

    @property
    def has_management_key(self) -> bool:
        """Whether a descriptor gave it."""
        return "management_key_fd" in self._given

    def passphrase(self) -> KeyBytes:
        """What a key file is encrypted with."""
        given = self._given.get("passphrase_fd")
        if given is not None:
            return KeyBytes(given.reveal())
        _ = self._words.translate
        return KeyBytes(_hidden(_("Passphrase of the key file: "), "the passphrase", "--passphrase-fd").encode())

    def token_pin(self) -> KeyBytes:
        """What a PKCS#11 token wants before it lets anybody in; from the descriptor of passphrases it is given once."""
        given = self._given.pop("passphrase_fd", None)
        if isinstance(given, KeyBytes):
            return given
        _ = self._words.translate
        return KeyBytes(_hidden(_("PIN of the token: "), "the PIN of the token", "--passphrase-fd").encode())

    def signature_pin(self) -> KeyBytes:
        """The PIN for one signature with a key on a token that wants it each time; from a descriptor it is given once.

        Raise UsageError if it is wanted again, as `pin_once` does.
        """
        self._check_unspent()
        given = self._given.pop("pin_fd", None)
        if given is None:
            return self.typed_signature_pin()
        self._pin_spent = True
        pin = KeyBytes(given.reveal())
        given.wipe()
        return pin

    def typed_signature_pin(self) -> KeyBytes:
        """The same where the descriptor's PIN is another person's: somebody must be there to type it."""
        _ = self._words.translate
        text = _("PIN of the token, for this signature: ")
        return KeyBytes(_hidden(text, "the token's PIN for this signature", "--pin-fd").encode())

    def _hidden(self, wanted: Asked, state: "PinState | None", option: str, *, again: bool = False) -> str:
        _ = self._words.translate
        if again:
            text = _("The same again")
        else:
            text = {
                Asked.PIN: _("PIN"),
                Asked.PUK: _("PUK"),
                Asked.NEW_PIN: _("New PIN, 6 to 8 digits"),
                Asked.NEW_PUK: _("New PUK, 6 to 8 letters, digits or signs"),
            }[wanted]
        if state is not None and state.retries_left is not None:
            text += _(" (tries left: {count})").format(count=state.retries_left)
        return _hidden(f"{text}: ", f"the {wanted}", f"--{option.replace('_', '-')}")


def confirm(text: str, expected: str, option: str) -> None:
    """Ask the person to type `expected`. Raise UsageError for anything else, or if nobody is there; `option` helps."""
    if not _somebody_there():
        raise UsageError(f"there is nobody to ask at this terminal; if you mean it, say {option}")
    if _line(text) != expected:
        raise UsageError("that was not it; nothing was done")


def _somebody_there() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()  # None where it was closed before we began


def _line(text: str) -> str:
    print(text, end="", file=sys.stderr, flush=True)
    try:
        return sys.stdin.readline().strip()
    except UnicodeDecodeError:  # whatever that was, it was not a yes
        return ""


def _hidden(text: str, what: str, option: str) -> str:
    """What the person types, without showing it."""
    import getpass  # late: most commands ask for nothing
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would go on without hiding
            return getpass.getpass(text)
    except getpass.GetPassWarning:
        raise UsageError(
            f"there is no terminal to ask for {what} at; give it over a file descriptor: {option} N"
        ) from None
    except EOFError:
        raise UsageError(f"{what} was not typed; nothing was done") from None
    except UnicodeDecodeError:
        raise UsageError(f"{what} has characters that this terminal can't take; nothing was done") from None


def _read_descriptors(arguments: argparse.Namespace) -> dict[str, Pin | KeyBytes]:
    numbers = {name: getattr(arguments, name, None) for name in _SOURCES}
    named = {name: number for name, number in numbers.items() if number is not None}
    try:
        return {name: _SOURCES[name](_read_line(number)) for name, number in named.items()}
    finally:
        for number in set(named.values()):
            if number > _LAST_STANDARD_DESCRIPTOR:  # what it still holds is nobody's business
                _close(number)


def _read_line(number: int) -> bytes:
    """One line of a descriptor, without its end; not a byte more is read, for the next line may be another secret."""
    line = bytearray()
    try:
        if os.isatty(number):
            raise UsageError(f"file descriptor {number} is a terminal, which shows what is typed; leave the option out")
        while (byte := os.read(number, 1)) not in {b"", b"\n"}:
            line += byte
            if len(line) > LINE_MAX_LEN:
                raise UsageError(f"file descriptor {number} gives a line of over {LINE_MAX_LEN} bytes: that is no PIN")
    except OSError as error:
        raise UsageError(f"file descriptor {number} can't be read: {error.strerror}") from None
    if not line and not byte:
        raise UsageError(f"file descriptor {number} gave nothing; write the secret to it, and a line end")
    return bytes(line.removesuffix(b"\r"))


def _close(number: int) -> None:
    from contextlib import suppress

    with suppress(OSError):
        os.close(number)
