"""Cards in PC/SC readers, through pyscard's low-level binding: the only module that knows pyscard.

The low level is used because it gives every error code; each is mapped to an error that says what to do next.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from ..errors import (
    CardMute,
    CardRemoved,
    CardReset,
    EcitizenError,
    NoCard,
    NoReader,
    PcscUnavailable,
    ReaderAmbiguous,
    ReaderBusy,
    TransmitFailed,
    TransportError,
)
from ..iso7816.apdu import CardProtocol
from .base import ReaderInfo

_POLL_SECONDS = 0.2
"""How long one wait for a card lasts, so that a reader plugged in meanwhile is seen too."""

_REMOVAL_SECONDS = 1.0
"""How long the service may take to notice that a card is gone: pcscd looks every 0.4 seconds."""


def list_readers() -> tuple[ReaderInfo, ...]:
    """All PC/SC readers and what is in them. Raise PcscUnavailable if there is no PC/SC here."""
    with _Context() as context:
        return context.readers()


def connect(part: str | None = None, *, exclusive: bool = False, wait: float = 0.0) -> "PcscTransport":
    """Connect to the card in the reader whose name contains `part` (in any case), or in the only one with a card.

    `wait` is how many seconds to wait for a reader and a card. Raise NoReader, NoCard, ReaderAmbiguous if several
    readers with cards would do, ReaderBusy, CardMute, PcscUnavailable.
    """
    context = _Context()
    try:
        reader = _choose(context, part, time.monotonic() + wait)
        return PcscTransport(context, reader.name, exclusive=exclusive)
    except EcitizenError:
        context.release()
        raise


def _choose(context: "_Context", part: str | None, deadline: float) -> ReaderInfo:
    while True:
        readers = context.readers()
        matching = [reader for reader in readers if part is None or part.casefold() in reader.name.casefold()]
        exact = [reader for reader in matching if reader.name == part]
        with_card = [reader for reader in exact or matching if reader.card_present]
        if len(with_card) == 1:
            return with_card[0]
        if len(with_card) > 1:
            names = ", ".join(reader.name for reader in with_card)
            raise ReaderAmbiguous(f"there are cards in several readers; name one of them: {names}")
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        context.wait_for_change(min(remaining, _POLL_SECONDS))
    if matching:
        raise NoCard(f"there is no card in {' or '.join(reader.name for reader in matching)}; insert one")
    if part is not None and readers:
        names = ", ".join(reader.name for reader in readers)
        raise NoReader(f"no reader's name contains {part!r}; there are: {names}")
    raise NoReader("there is no card reader; plug one in and see `ecitizen reader list`")


class _Context:
    """One connection to the PC/SC service."""

    def __init__(self) -> None:
        self.scard = _binding()
        self._seen: list[tuple[str, int]] = []
        result, self.handle = self.scard.SCardEstablishContext(self.scard.SCARD_SCOPE_USER)
        self.check(result, "asking the PC/SC service for readers")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """End the connection. Nothing can be done if that fails."""
        self.scard.SCardReleaseContext(self.handle)

    def check(self, result: int, doing: str) -> None:
        """Raise the error that a PC/SC result stands for."""
        if result != self.scard.SCARD_S_SUCCESS:
            raise _error(self.scard, result, doing)

    def readers(self) -> tuple[ReaderInfo, ...]:
        """All readers and what is in them."""
        self._seen = []
        result, names = self.scard.SCardListReaders(self.handle, [])
        if result == self.scard.SCARD_E_NO_READERS_AVAILABLE:
            return ()
        self.check(result, "listing the readers")
        if not names:
            return ()
        states = self._status([(name, self.scard.SCARD_STATE_UNAWARE) for name in names], 0.0)
        self._seen = [(name, flags) for name, flags, _ in states]
        return tuple(self._info(state) for state in states)

    def wait_for_change(self, seconds: float) -> None:
        """Sleep until something changes in one of the readers that `readers` gave, or the time is over."""
        if self._seen:
            self._status(self._seen, seconds)
        else:
            time.sleep(seconds)

    def atr(self, reader: str) -> bytes:
        """The ATR of the card in a reader; empty if there is none any more."""
        return b"".join(bytes(atr) for _, _, atr in self._status([(reader, self.scard.SCARD_STATE_UNAWARE)], 0.0))

    def card_goes(self, reader: str, seconds: float) -> bool:
        """Whether the reader is empty, or becomes so within the time."""
        deadline = time.monotonic() + seconds
        state = (reader, self.scard.SCARD_STATE_UNAWARE)
        while (remaining := deadline - time.monotonic()) > 0:
            for name, flags, _ in self._status([state], remaining):
                if not flags & self.scard.SCARD_STATE_PRESENT:
                    return True
                state = (name, flags)
        return False

    def _status(self, known: list[tuple[str, int]], seconds: float) -> list[tuple[str, int, list[int]]]:
        """What is in these readers, once that is something else than what is known, or the time is over."""
        scard = self.scard
        result, states = scard.SCardGetStatusChange(self.handle, int(seconds * 1000), known)
        if result not in {scard.SCARD_E_TIMEOUT, scard.SCARD_E_UNKNOWN_READER}:
            self.check(result, "asking what is in the readers")
        return list(states or [])

    def _info(self, state: tuple[str, int, list[int]]) -> ReaderInfo:
        name, flags, atr = state
        present = bool(flags & self.scard.SCARD_STATE_PRESENT)
        return ReaderInfo(name, present, bytes(atr) if present and atr else None, changes=flags >> 16)


class PcscTransport:
    """A card in a PC/SC reader. Made by `connect`."""

    def __init__(self, context: _Context, name: str, *, exclusive: bool) -> None:
        self.name = name
        self._context = context
        scard = self._scard = context.scard
        mode = scard.SCARD_SHARE_EXCLUSIVE if exclusive else scard.SCARD_SHARE_SHARED
        self._mode = mode
        self._card: Any = None
        result, card, protocol = scard.SCardConnect(context.handle, name, mode, self._either_protocol)
        context.check(result, f"connecting to the card in {name}")
        self._card = card
        self._learn(protocol)

    @property
    def _either_protocol(self) -> int:
        protocols: int = self._scard.SCARD_PROTOCOL_T0 | self._scard.SCARD_PROTOCOL_T1
        return protocols

    def _learn(self, protocol: int) -> None:
        """Take down ATR and protocol of the card as it is now.

        SCardStatus would tell both, but waits for other programs' transactions.
        """
        self.atr = self._context.atr(self.name)
        t1 = protocol == self._scard.SCARD_PROTOCOL_T1
        self.protocol = CardProtocol.T1 if t1 else CardProtocol.T0
        self._pci = self._scard.SCARD_PCI_T1 if t1 else self._scard.SCARD_PCI_T0

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU; raise CardRemoved, CardReset or another TransportError if that fails."""
        scard = self._scard
        result, answer = scard.SCardTransmit(self._card, self._pci, list(command))
        if answer and result == scard.SCARD_S_SUCCESS:
            return bytes(answer)
        if self._may_be_removal(result) and self._context.card_goes(self.name, _REMOVAL_SECONDS):
            result = scard.SCARD_W_REMOVED_CARD
        self._context.check(result, f"talking to the card in {self.name}")
        return b""

    def _may_be_removal(self, result: int) -> bool:
        """A card pulled out amid a command: the exchange fails, or brings nothing, before its absence is noticed."""
        scard = self._scard
        return result in {scard.SCARD_S_SUCCESS, scard.SCARD_E_NOT_TRANSACTED, scard.SCARD_E_COMM_DATA_LOST}

    def reset(self) -> None:
        """Reset the card (warm)."""
        scard = self._scard
        result, protocol = scard.SCardReconnect(self._card, self._mode, self._either_protocol, scard.SCARD_RESET_CARD)
        self._context.check(result, f"resetting the card in {self.name}")
        self._learn(protocol)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep other programs off the card. Raise CardReset if one reset it before we began."""
        self._context.check(self._scard.SCardBeginTransaction(self._card), f"reserving the card in {self.name}")
        try:
            yield
        finally:  # a removed card ends the transaction by itself, so a failure here says nothing new
            if self._card is not None:
                self._scard.SCardEndTransaction(self._card, self._scard.SCARD_LEAVE_CARD)

    def close(self) -> None:
        """Let go of the card and leave it as it is. May be called twice."""
        if self._card is not None:
            self._scard.SCardDisconnect(self._card, self._scard.SCARD_LEAVE_CARD)
            self._context.release()
            self._card = None


class PcscSource:
    """The PC/SC readers of this machine, to be watched by one thread; survives the service going and coming."""

    def __init__(self) -> None:
        self._context: _Context | None = None

    def wait(self, seconds: float) -> tuple[ReaderInfo, ...]:
        """All readers, as soon as a card comes or goes, or after `seconds`."""
        try:
            if self._context is None:
                self._context = _Context()
            else:
                self._context.wait_for_change(seconds)
            return self._context.readers()
        except EcitizenError:
            self.close()
            raise

    def connect(self, name: str) -> PcscTransport:
        """Connect to the card in the reader of exactly this name."""
        context = _Context()
        try:
            return PcscTransport(context, name, exclusive=False)
        except EcitizenError:
            context.release()
            raise

    def close(self) -> None:
        """Let go of the service; the next `wait` asks for it again."""
        if self._context is not None:
            self._context.release()
            self._context = None


def _binding() -> Any:
    """pyscard's low-level module; late, so that everything but PC/SC works without it."""
    try:
        from smartcard import scard
    except ImportError:
        raise PcscUnavailable(
            "PC/SC readers need pyscard: pip install pyscard "
            "(on Debian first: apt install swig gcc python3-dev libpcsclite-dev pcscd)"
        ) from None
    return scard


_ErrorMaker = Callable[[str], EcitizenError]

_SECURITY_VIOLATION = 0x8010006A
"""SCARD_W_SECURITY_VIOLATION: on Linux, polkit does not let this user talk to pcscd."""


def _error(scard: Any, result: int, doing: str) -> EcitizenError:
    """The error for a PC/SC result code, with what to do about it."""
    known: dict[int, tuple[_ErrorMaker, str]] = {
        scard.SCARD_E_NO_SERVICE: (
            PcscUnavailable,
            "the PC/SC service does not run; start it (systemctl start pcscd)",
        ),
        scard.SCARD_F_COMM_ERROR: (PcscUnavailable, "the PC/SC service went away; start it (systemctl start pcscd)"),
        scard.SCARD_E_SERVICE_STOPPED: (PcscUnavailable, "the PC/SC service was stopped; start it again"),
        scard.SCARD_E_NO_READERS_AVAILABLE: (NoReader, "there is no card reader; plug one in"),
        scard.SCARD_E_UNKNOWN_READER: (NoReader, "the reader is gone; plug it in again"),
        scard.SCARD_E_READER_UNAVAILABLE: (NoReader, "the reader is gone; plug it in again"),
        scard.SCARD_E_NO_SMARTCARD: (NoCard, "there is no card in the reader; insert one"),
        scard.SCARD_W_REMOVED_CARD: (CardRemoved, "the card was pulled out; insert it again"),
        scard.SCARD_W_RESET_CARD: (CardReset, "another program reset the card; start again"),
        scard.SCARD_W_UNRESPONSIVE_CARD: (
            CardMute,
            "the card does not answer; turn it over, or clean its contacts",
        ),
        scard.SCARD_W_UNPOWERED_CARD: (CardMute, "the card has no power; take it out and insert it again"),
        scard.SCARD_W_UNSUPPORTED_CARD: (CardMute, "the reader does not understand this card"),
        scard.SCARD_E_PROTO_MISMATCH: (CardMute, "reader and card have no protocol in common"),
        scard.SCARD_E_SHARING_VIOLATION: (
            ReaderBusy,
            "another program holds the card for itself; close that program",
        ),
        scard.SCARD_E_INVALID_HANDLE: (TransportError, "the PC/SC service was restarted; connect again"),
        _SECURITY_VIOLATION: (
            PcscUnavailable,
            "this user may not use card readers (polkit); see docs/troubleshooting.md",
        ),
    }
    codes = {code & 0xFFFFFFFF: entry for code, entry in known.items()}  # signed or not, by platform
    make, advice = codes.get(result & 0xFFFFFFFF, (TransmitFailed, f"PC/SC error {result & 0xFFFFFFFF:08X}"))
    return make(f"{doing}: {advice}")
