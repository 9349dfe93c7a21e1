"""PC/SC through a stand-in for pyscard's low-level module; the real service is asked in tests/interop.

Constants have the values of the PC/SC specification (part 3 and pcsc-lite's pcsclite.h), written here by hand.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ecitizen import errors
from ecitizen.errors import (
    CardMute,
    CardRemoved,
    CardReset,
    NoCard,
    NoReader,
    PcscUnavailable,
    ReaderAmbiguous,
    ReaderBusy,
    TransmitFailed,
    TransportError,
)
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.transport import pcsc
from ecitizen.transport.base import ReaderInfo

CONSTANTS = {
    "SCARD_S_SUCCESS": 0x00000000,
    "SCARD_E_INVALID_HANDLE": 0x80100003,
    "SCARD_E_UNKNOWN_READER": 0x80100009,
    "SCARD_E_TIMEOUT": 0x8010000A,
    "SCARD_E_SHARING_VIOLATION": 0x8010000B,
    "SCARD_E_NO_SMARTCARD": 0x8010000C,
    "SCARD_E_PROTO_MISMATCH": 0x8010000F,
    "SCARD_E_NOT_TRANSACTED": 0x80100016,
    "SCARD_E_READER_UNAVAILABLE": 0x80100017,
    "SCARD_E_NO_SERVICE": 0x8010001D,
    "SCARD_E_SERVICE_STOPPED": 0x8010001E,
    "SCARD_F_COMM_ERROR": 0x80100013,
    "SCARD_E_NO_READERS_AVAILABLE": 0x8010002E,
    "SCARD_E_COMM_DATA_LOST": 0x8010002F,
    "SCARD_W_UNSUPPORTED_CARD": 0x80100065,
    "SCARD_W_UNRESPONSIVE_CARD": 0x80100066,
    "SCARD_W_UNPOWERED_CARD": 0x80100067,
    "SCARD_W_RESET_CARD": 0x80100068,
    "SCARD_W_REMOVED_CARD": 0x80100069,
    "SCARD_SCOPE_USER": 0,
    "SCARD_SHARE_EXCLUSIVE": 1,
    "SCARD_SHARE_SHARED": 2,
    "SCARD_PROTOCOL_T0": 1,
    "SCARD_PROTOCOL_T1": 2,
    "SCARD_PCI_T0": 10,
    "SCARD_PCI_T1": 11,
    "SCARD_LEAVE_CARD": 0,
    "SCARD_RESET_CARD": 1,
    "SCARD_STATE_UNAWARE": 0x0000,
    "SCARD_STATE_CHANGED": 0x0002,
    "SCARD_STATE_UNKNOWN": 0x0004,
    "SCARD_STATE_EMPTY": 0x0010,
    "SCARD_STATE_PRESENT": 0x0020,
}
SECURITY_VIOLATION = 0x8010006A

ATR = [0x3B, 0x00]
CONTEXT, CARD = 4711, 815


class FakeScard(ModuleType):
    """Readers by name with the ATR of the card in each, or None; `fail` makes one function give a result code."""

    def __init__(self) -> None:
        super().__init__("smartcard.scard")
        vars(self).update(CONSTANTS)
        self.readers: dict[str, list[int] | None] = {}
        self.fail: dict[str, int] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.protocol = CONSTANTS["SCARD_PROTOCOL_T0"]
        self.answer = [0x90, 0x00]
        self.now = 100.0
        self.later: list[tuple[float, Callable[[], None]]] = []

    def _result(self, *call: Any) -> int:
        self.calls.append(call)
        return self.fail.get(call[0], 0)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    # The clock that `pcsc` sees, too.
    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0001)  # time passes in a wait of no time, too
        while self.later and self.later[0][0] <= self.now:
            self.later.pop(0)[1]()

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]:  # noqa: N802 - names of PC/SC, here and below
        return self._result("SCardEstablishContext", scope), CONTEXT

    def SCardReleaseContext(self, context: int) -> int:  # noqa: N802
        assert context == CONTEXT
        return self._result("SCardReleaseContext")

    def SCardListReaders(self, context: int, groups: list[str]) -> tuple[int, list[str]]:  # noqa: N802
        return self._result("SCardListReaders"), list(self.readers)

    def SCardGetStatusChange(  # noqa: N802
        self, context: int, timeout: int, known: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        states = self._states([name for name, _ in known])
        if all(flags for _, flags in known) and states == [
            (name, flags & ~CONSTANTS["SCARD_STATE_CHANGED"], atr)
            for (name, flags), (_, _, atr) in zip(known, states, strict=True)
        ]:
            self.sleep(timeout / 1000)
            return CONSTANTS["SCARD_E_TIMEOUT"], self._states([name for name, _ in known])
        return self._result("SCardGetStatusChange", timeout), states

    def _states(self, names: list[str]) -> list[tuple[str, int, list[int]]]:
        return [
            (name, CONSTANTS["SCARD_STATE_EMPTY" if atr is None else "SCARD_STATE_PRESENT"], atr or [])
            if name in self.readers
            else (name, CONSTANTS["SCARD_STATE_UNKNOWN"], [])
            for name in names
            for atr in [self.readers.get(name)]
        ]

    def SCardConnect(self, context: int, reader: str, mode: int, protocols: int) -> tuple[int, int, int]:  # noqa: N802
        return self._result("SCardConnect", reader, mode, protocols), CARD, self.protocol

    def SCardReconnect(self, card: int, mode: int, protocols: int, init: int) -> tuple[int, int]:  # noqa: N802
        return self._result("SCardReconnect", card, mode, protocols, init), self.protocol

    def SCardTransmit(self, card: int, pci: int, command: list[int]) -> tuple[int, list[int]]:  # noqa: N802
        return self._result("SCardTransmit", card, pci, command), self.answer

    def SCardBeginTransaction(self, card: int) -> int:  # noqa: N802
        return self._result("SCardBeginTransaction", card)

    def SCardEndTransaction(self, card: int, disposition: int) -> int:  # noqa: N802
        return self._result("SCardEndTransaction", card, disposition)

    def SCardDisconnect(self, card: int, disposition: int) -> int:  # noqa: N802
        return self._result("SCardDisconnect", card, disposition)


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    fake = FakeScard()
    package = ModuleType("smartcard")
    vars(package)["scard"] = fake
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", fake)
    monkeypatch.setattr(pcsc, "time", fake)
    return fake


# --- readers ---


def test_readers_and_what_is_in_them(scard: FakeScard) -> None:
    scard.readers = {"Desk 00": ATR, "Desk 01": None, "Window": []}
    assert pcsc.list_readers() == (
        ReaderInfo("Desk 00", True, b"\x3b\x00"),
        ReaderInfo("Desk 01", False),
        ReaderInfo("Window", True),  # a card that does not answer
    )
    assert scard.called("SCardEstablishContext") == [(0,)]
    assert scard.called("SCardReleaseContext") == [()]


def test_no_readers_is_an_empty_list(scard: FakeScard) -> None:
    assert pcsc.list_readers() == ()
    scard.fail["SCardListReaders"] = CONSTANTS["SCARD_E_NO_READERS_AVAILABLE"]
    assert pcsc.list_readers() == ()


@pytest.mark.parametrize("part", ["ACS ACR39U 00", "acr39", "ACS", None])
def test_a_reader_is_chosen_by_part_of_its_name(scard: FakeScard, part: str | None) -> None:
    scard.readers = {"Gemalto 01": None, "ACS ACR39U 00": ATR}
    assert pcsc.connect(part).name == "ACS ACR39U 00"


def test_the_exact_name_wins_over_a_longer_one(scard: FakeScard) -> None:
    scard.readers = {"Desk 1": ATR, "Desk 10": ATR}
    assert pcsc.connect("Desk 1").name == "Desk 1"


def test_of_several_the_one_with_a_card(scard: FakeScard) -> None:
    scard.readers = {"Virtual 00 00": None, "Virtual 00 01": ATR, "Other": ATR}
    assert pcsc.connect("virtual").name == "Virtual 00 01"


def test_several_with_cards_must_be_told_apart(scard: FakeScard) -> None:
    scard.readers = {"Desk 00": ATR, "Desk 01": ATR}
    for part in (None, "desk"):
        with pytest.raises(ReaderAmbiguous, match="Desk 00, Desk 01"):
            pcsc.connect(part)
    assert len(scard.called("SCardReleaseContext")) == 2


def test_no_card_no_reader_no_such_reader(scard: FakeScard) -> None:
    with pytest.raises(NoReader, match="plug one in"):
        pcsc.connect()
    with pytest.raises(NoReader, match="plug one in"):
        pcsc.connect("desk")
    scard.readers = {"Desk 00": None, "Desk 01": None, "Window": ATR}
    with pytest.raises(NoCard, match="Desk 00 or Desk 01"):
        pcsc.connect("Desk")
    with pytest.raises(NoReader, match=r"'kiosk'.*Desk 00, Desk 01, Window"):
        pcsc.connect("kiosk")
    assert scard.now == 100.0  # none of these waited


def test_waiting_for_a_card(scard: FakeScard) -> None:
    scard.readers = {"Desk": None, "Window": ATR}
    scard.later = [(105.0, lambda: scard.readers.update(Desk=ATR))]
    assert pcsc.connect("Desk", wait=10.0).name == "Desk"
    assert 105.0 <= scard.now < 105.5


def test_waiting_for_a_reader(scard: FakeScard) -> None:
    scard.later = [(101.0, lambda: scard.readers.update(Desk=None)), (102.0, lambda: scard.readers.update(Desk=ATR))]
    assert pcsc.connect(wait=10.0).name == "Desk"
    assert 102.0 <= scard.now < 102.5


def test_waiting_ends(scard: FakeScard) -> None:
    scard.readers = {"Desk": None, "Window": ATR}
    with pytest.raises(NoCard):
        pcsc.connect("Desk", wait=3.0)
    assert 103.0 <= scard.now < 103.3
    assert len(scard.calls) < 100  # it slept, also with a card in a reader that was not asked for


# --- a connection ---


@pytest.mark.parametrize(("exclusive", "mode"), [(False, 2), (True, 1)])
def test_shared_or_exclusive(scard: FakeScard, exclusive: bool, mode: int) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect(exclusive=exclusive)
    assert scard.called("SCardConnect") == [("Desk", mode, 3)]
    transport.reset()
    assert scard.called("SCardReconnect") == [(CARD, mode, 3, 1)]


@pytest.mark.parametrize(("protocol", "known_as", "pci"), [(1, CardProtocol.T0, 10), (2, CardProtocol.T1, 11)])
def test_the_protocol_is_the_one_that_was_agreed_on(
    scard: FakeScard, protocol: int, known_as: CardProtocol, pci: int
) -> None:
    scard.readers = {"Desk": ATR}
    scard.protocol = protocol
    scard.answer = [0x61, 0x0A]
    transport = pcsc.connect()
    assert (transport.atr, transport.protocol) == (b"\x3b\x00", known_as)
    assert transport.transmit(b"\x00\xa4\x04\x00") == b"\x61\x0a"
    assert scard.called("SCardTransmit") == [(CARD, pci, [0x00, 0xA4, 0x04, 0x00])]


def test_a_reset_may_change_the_protocol(scard: FakeScard) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    scard.protocol = 2
    transport.reset()
    assert transport.protocol is CardProtocol.T1


def test_a_transaction_is_begun_and_ended(scard: FakeScard) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    with transport.transaction():
        assert scard.called("SCardEndTransaction") == []
    assert scard.called("SCardBeginTransaction") == [(CARD,)]
    assert scard.called("SCardEndTransaction") == [(CARD, 0)]


def test_a_transaction_ends_with_the_error_that_happened_in_it(scard: FakeScard) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    scard.fail = dict.fromkeys(("SCardTransmit", "SCardEndTransaction"), CONSTANTS["SCARD_W_REMOVED_CARD"])
    with pytest.raises(CardRemoved), transport.transaction():
        transport.transmit(b"\x00\xa4\x04\x00")
    assert scard.called("SCardEndTransaction") == [(CARD, 0)]


def test_closing_leaves_the_card_and_may_be_done_twice(scard: FakeScard) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    transport.close()
    transport.close()
    assert scard.called("SCardDisconnect") == [(CARD, 0)]
    assert scard.called("SCardReleaseContext") == [()]


def test_a_card_pulled_out_amid_a_command(scard: FakeScard) -> None:
    """The service needs a moment to see that the card is gone; until then the exchange just fails."""
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    for result in ("SCARD_E_NOT_TRANSACTED", "SCARD_E_COMM_DATA_LOST"):
        scard.readers = {"Desk": ATR}
        scard.fail["SCardTransmit"] = CONSTANTS[result]
        scard.later = [(scard.now + 0.4, lambda: scard.readers.update(Desk=None))]
        with pytest.raises(CardRemoved):
            transport.transmit(b"\x00\xa4\x04\x00")
    scard.readers = {}
    with pytest.raises(CardRemoved):
        transport.transmit(b"\x00\xa4\x04\x00")


def test_nothing_is_an_answer_only_while_the_card_is_there(scard: FakeScard) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    scard.answer = []
    assert transport.transmit(b"\x00\xa4\x04\x00") == b""
    scard.later = [(scard.now + 0.4, lambda: scard.readers.update(Desk=None))]
    with pytest.raises(CardRemoved):
        transport.transmit(b"\x00\xa4\x04\x00")


def test_an_exchange_that_failed_with_the_card_still_there(scard: FakeScard) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    scard.fail["SCardTransmit"] = CONSTANTS["SCARD_E_NOT_TRANSACTED"]
    with pytest.raises(TransmitFailed, match="80100016"):
        transport.transmit(b"\x00\xa4\x04\x00")
    assert scard.now <= 102.0


# --- errors ---

ERRORS: list[tuple[int, type[errors.EcitizenError], str]] = [
    (CONSTANTS["SCARD_E_NO_SERVICE"], PcscUnavailable, "start it"),
    (CONSTANTS["SCARD_E_SERVICE_STOPPED"], PcscUnavailable, "start it again"),
    (CONSTANTS["SCARD_F_COMM_ERROR"], PcscUnavailable, "start it"),
    (CONSTANTS["SCARD_E_NO_READERS_AVAILABLE"], NoReader, "plug one in"),
    (CONSTANTS["SCARD_E_UNKNOWN_READER"], NoReader, "plug it in again"),
    (CONSTANTS["SCARD_E_READER_UNAVAILABLE"], NoReader, "plug it in again"),
    (CONSTANTS["SCARD_E_NO_SMARTCARD"], NoCard, "insert one"),
    (CONSTANTS["SCARD_W_REMOVED_CARD"], CardRemoved, "insert it again"),
    (CONSTANTS["SCARD_W_RESET_CARD"], CardReset, "start again"),
    (CONSTANTS["SCARD_W_UNRESPONSIVE_CARD"], CardMute, "clean its contacts"),
    (CONSTANTS["SCARD_W_UNPOWERED_CARD"], CardMute, "insert it again"),
    (CONSTANTS["SCARD_W_UNSUPPORTED_CARD"], CardMute, "does not understand"),
    (CONSTANTS["SCARD_E_PROTO_MISMATCH"], CardMute, "no protocol in common"),
    (CONSTANTS["SCARD_E_SHARING_VIOLATION"], ReaderBusy, "close that program"),
    (CONSTANTS["SCARD_E_INVALID_HANDLE"], TransportError, "connect again"),
    (SECURITY_VIOLATION, PcscUnavailable, "polkit"),
    (0x80100001, TransmitFailed, "80100001"),
    (0x8010002F, TransmitFailed, "8010002F"),
]


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(("result", "kind", "advice"), ERRORS, ids=[f"{result:08X}" for result, *_ in ERRORS])
def test_every_result_is_an_error_with_advice(
    scard: FakeScard, result: int, kind: type[errors.EcitizenError], advice: str, signed: bool
) -> None:
    scard.readers = {"Desk": ATR}
    scard.fail["SCardConnect"] = result - (1 << 32) if signed else result
    with pytest.raises(errors.EcitizenError, match=f"^connecting to the card in Desk: .*{advice}") as caught:
        pcsc.connect()
    assert type(caught.value) is kind
    assert scard.called("SCardReleaseContext") == [()]


@pytest.mark.parametrize(
    ("function", "doing", "use"),
    [
        ("SCardEstablishContext", "asking the PC/SC service", pcsc.list_readers),
        ("SCardListReaders", "listing the readers", pcsc.list_readers),
        ("SCardGetStatusChange", "asking what is in the readers", pcsc.list_readers),
    ],
)
def test_every_step_says_what_it_was_doing(
    scard: FakeScard, function: str, doing: str, use: Callable[[], object]
) -> None:
    scard.readers = {"Desk": ATR}
    scard.fail[function] = CONSTANTS["SCARD_E_NO_SERVICE"]
    with pytest.raises(PcscUnavailable, match=doing):
        use()


@pytest.mark.parametrize("function", ["SCardTransmit", "SCardReconnect", "SCardBeginTransaction"])
def test_a_connection_breaks_with_the_reason(scard: FakeScard, function: str) -> None:
    scard.readers = {"Desk": ATR}
    transport = pcsc.connect()
    scard.fail[function] = CONSTANTS["SCARD_W_RESET_CARD"]
    use: dict[str, Callable[[], object]] = {
        "SCardTransmit": lambda: transport.transmit(b"\x00"),
        "SCardReconnect": transport.reset,
        "SCardBeginTransaction": transport.transaction().__enter__,
    }
    with pytest.raises(CardReset, match="another program reset the card"):
        use[function]()


def test_without_pyscard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    monkeypatch.setitem(sys.modules, "smartcard.scard", None)
    with pytest.raises(PcscUnavailable, match=r"pip install pyscard.*apt install"):
        pcsc.list_readers()
