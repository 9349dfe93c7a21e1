"""A station on the real PC/SC stack, with other programs that use the same readers, bad cards and a dying daemon."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from ecitizen.emulator.faults import MuteAt
from ecitizen.emulator.faulty import FaultyCard
from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.errors import CardMute, ReaderBusy
from ecitizen.station import CardRead, CardTaken, Failed, ReadProgress, Station, StationEvent, StationSettings
from ecitizen.testing import pcsc_reader, virtual_card

Insert = Callable[..., AbstractContextManager[tuple[str, ...]]]
PATIENCE = 30.0

OTHER_PROGRAM = """
import sys
from smartcard.scard import *

reader, act = sys.argv[1:]
result, context = SCardEstablishContext(SCARD_SCOPE_USER)
mode = SCARD_SHARE_EXCLUSIVE if act == "exclusive" else SCARD_SHARE_SHARED
result, card, protocol = SCardConnect(context, reader, mode, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
assert result == SCARD_S_SUCCESS, hex(result)
if act == "transaction":
    assert SCardBeginTransaction(card) == SCARD_S_SUCCESS
print("ready", flush=True)
sys.stdin.readline()
if act == "transaction":
    SCardEndTransaction(card, SCARD_LEAVE_CARD)
SCardDisconnect(card, SCARD_RESET_CARD if act == "reset" else SCARD_LEAVE_CARD)
print("done", flush=True)
sys.stdin.readline()
"""


class OtherProgram:
    """A program on bare pyscard that holds the card in its way until told to let go."""

    def __init__(self, reader: str, act: str) -> None:
        command = [sys.executable, "-c", OTHER_PROGRAM, reader, act]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._expect("ready")

    def let_go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("done")

    def end(self) -> None:
        self._process.communicate("\n", timeout=PATIENCE)

    def _expect(self, word: str) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline().strip() == word


@contextmanager
def other_program(reader: str, act: str) -> Iterator[OtherProgram]:
    program = OtherProgram(reader, act)
    try:
        yield program
    finally:
        program.end()


def station(pcscd: PrivatePcscd, **settings: Any) -> Station:
    """A station that knows the two readers as `left` and `right`, and no other of their slots."""
    left, right = pcscd.reader_names
    return Station(StationSettings(aliases={"left": left, "right": right}, settle=0.05, poll=0.1, **settings))


def until(events: Iterator[StationEvent], *kinds: type[StationEvent], reader: str | None = None) -> StationEvent:
    for event in events:
        if isinstance(event, kinds) and reader in {None, event.reader}:
            return event
    pytest.fail(f"no {' or '.join(kind.__name__ for kind in kinds)} came")


def first_name(event: StationEvent) -> str:
    assert isinstance(event, CardRead)
    assert event.reading.complete, event.reading.problems
    assert event.reading.citizen_id is not None
    assert event.reading.citizen_id.name_en is not None
    return event.reading.citizen_id.name_en.first


def test_two_readers_at_once(pcscd: PrivatePcscd, insert: Insert) -> None:
    with station(pcscd) as desk:
        events = desk.events(PATIENCE)
        with insert(virtual_card("somchai"), virtual_card("wanida", "t1")):
            read = [until(events, CardRead) for _ in range(2)]
        taken = {until(events, CardTaken).reader for _ in range(2)}
    assert {(event.reader, first_name(event)) for event in read} == {("left", "Somchai"), ("right", "Wanida")}
    assert taken == {"left", "right"}


def test_a_card_swapped_in_the_middle_of_a_read(pcscd: PrivatePcscd) -> None:
    with station(pcscd) as desk:
        events = desk.events(PATIENCE)
        card = virtual_card("somchai")
        answer = card.transmit

        def transmit(command: bytes) -> bytes:
            time.sleep(0.02)
            return answer(command)

        card.transmit = transmit  # type: ignore[method-assign]
        with pcsc_reader(card, port=pcscd.ports[0]):
            until(events, ReadProgress)
        with pcsc_reader(virtual_card("wanida"), port=pcscd.ports[0]):
            read = until(events, CardRead)
        until(events, CardTaken)
    assert first_name(read) == "Wanida"


def test_an_exclusive_program_is_waited_for(pcscd: PrivatePcscd, insert: Insert) -> None:
    with (
        insert(virtual_card("somchai")) as (name,),
        other_program(name, "exclusive") as program,
        station(pcscd) as desk,
    ):
        program.let_go()
        assert first_name(until(desk.events(PATIENCE), CardRead)) == "Somchai"


def test_an_exclusive_program_that_stays_is_told(pcscd: PrivatePcscd, insert: Insert) -> None:
    with insert(virtual_card("somchai")) as (name,), other_program(name, "exclusive") as program:
        with station(pcscd, busy_patience=0.3) as desk:
            failed = until(desk.events(PATIENCE), Failed)
        program.let_go()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ReaderBusy)


def test_another_programs_reset_in_the_middle_of_a_read(pcscd: PrivatePcscd, insert: Insert) -> None:
    """The other one waits for our transaction; so its reset comes between two reads of ours, never inside one."""
    with (
        insert(virtual_card("somchai")) as (name,),
        other_program(name, "reset") as program,
        station(pcscd) as desk,
    ):
        events = desk.events(PATIENCE)
        until(events, ReadProgress)
        program.let_go()
        assert first_name(until(events, CardRead)) == "Somchai"


def test_a_transaction_that_another_program_keeps_open(pcscd: PrivatePcscd, insert: Insert) -> None:
    with (
        insert(virtual_card("somchai"), virtual_card("wanida")) as (left, _),
        other_program(left, "transaction") as program,
        station(pcscd, card_silence=0.5) as desk,
    ):
        events = desk.events(PATIENCE)
        seen = [until(events, CardRead, Failed) for _ in range(2)]
        program.let_go()
        late = until(events, CardRead, reader="left")
    failed = next(event for event in seen if isinstance(event, Failed))
    assert failed.reader == "left"
    assert isinstance(failed.error, ReaderBusy)
    assert first_name(next(event for event in seen if isinstance(event, CardRead))) == "Wanida"
    assert first_name(late) == "Somchai"


@pytest.mark.parametrize("at", [1, 2, 30])
def test_a_silent_card_beside_a_good_one(pcscd: PrivatePcscd, insert: Insert, at: int) -> None:
    silent = FaultyCard(virtual_card("somchai"), [MuteAt(at)])
    with station(pcscd, card_silence=0.5) as desk:
        events = desk.events(PATIENCE)
        with pcsc_reader(silent, port=pcscd.ports[0]), pcsc_reader(virtual_card("wanida"), port=pcscd.ports[1]):
            seen = [until(events, CardRead, Failed) for _ in range(2)]
        for _ in range(2):
            until(events, CardTaken)
        with pcsc_reader(virtual_card("ploy"), port=pcscd.ports[0]):
            assert first_name(until(events, CardRead, reader="left")) == "Ploy"
        until(events, CardTaken, reader="left")
    failed = next(event for event in seen if isinstance(event, Failed))
    assert (failed.reader, type(failed.error)) == ("left", CardMute)
    assert first_name(next(event for event in seen if isinstance(event, CardRead))) == "Wanida"
