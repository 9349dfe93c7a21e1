"""`ecitizen` itself through the real PC/SC stack: the same as in-process, and what only a real stack can do to it."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

import ecitizen
from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.emulator.persona import installed_personas
from ecitizen.emulator.vpcd import VpcdClient
from ecitizen.errors import CardRemoved, CardReset, NoCard, NoReader, ReaderAmbiguous, ReaderBusy
from ecitizen.model import ApplicationRecord, CardReading
from ecitizen.testing import virtual_card, virtual_reader
from ecitizen.usecases.read_card import CardEvent, DataRead

Insert = Callable[..., AbstractContextManager[tuple[str, ...]]]

PATIENCE = 10.0

OTHER_PROGRAM = """
import sys
from smartcard.scard import *

reader, mode, disposition = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
result, context = SCardEstablishContext(SCARD_SCOPE_USER)
assert result == SCARD_S_SUCCESS
result, card, protocol = SCardConnect(context, reader, mode, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
print(result & 0xFFFFFFFF, flush=True)
sys.stdin.read()
if result == SCARD_S_SUCCESS:
    SCardDisconnect(card, disposition)
"""
EXCLUSIVE, SHARED = 1, 2
LEAVE_CARD, RESET_CARD = 0, 1
SUCCESS, SHARING_VIOLATION = 0, 0x8010000B


@contextmanager
def other_program(reader: str, mode: int, disposition: int = LEAVE_CARD) -> Iterator[int]:
    """A program on bare pyscard that is connected to the card during the block; gives its result of connecting."""
    command = [sys.executable, "-c", OTHER_PROGRAM, reader, str(mode), str(disposition)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def everything(reading: CardReading) -> object:
    """All of a reading, with the bytes that comparison leaves out."""
    raw = {name: record.raw for name, record in reading.applications.items() if record is not None}
    return reading, raw


@pytest.mark.parametrize("name", sorted(installed_personas()))
def test_every_persona_reads_as_it_does_in_process(name: str, insert: Insert) -> None:
    with insert(virtual_card(name, "t0"), virtual_card(name, "t1")) as (t0, t1):
        through_pcscd = [ecitizen.read_card(t0), ecitizen.read_card(t1)]
    in_process = []
    for protocol in ("t0", "t1"):
        with virtual_reader(virtual_card(name, protocol)) as reader:
            in_process.append(ecitizen.read_card(reader))
    assert [everything(reading) for reading in through_pcscd] == [everything(reading) for reading in in_process]
    assert [reading.link.protocol for reading in through_pcscd] == ["T=0", "T=1"]


def test_short_reads_on_t0_are_few(insert: Insert) -> None:
    with insert(virtual_card("wanida", "t0")) as (name,):
        all_but_ours = ecitizen.read_card(name, apps=["citizen_id", "health_insurance", "card_admin"])
    assert all_but_ours.complete
    assert all_but_ours.citizen_id
    assert all_but_ours.citizen_id.photo
    assert len(all_but_ours.citizen_id.photo.jpeg) == 4960
    assert all_but_ours.link.exchanges <= 54


def test_extended_length_passes_through_pcscd_on_t1(insert: Insert) -> None:
    counts = {"citizen_id": 4, "health_insurance": 2, "civil_servant": 2, "card_admin": 4}
    with insert(virtual_card("wanida", "t1")) as (name,):
        readings = {app: ecitizen.read_card(name, apps=[app]) for app in counts}
    assert all(reading.complete for reading in readings.values())
    assert {app: reading.link.exchanges for app, reading in readings.items()} == counts
    # More than 4 short answers can carry: the answers were long.
    assert readings["citizen_id"].link.bytes_received > 4 * 258


def test_readers_are_listed_with_what_is_in_them(pcscd: PrivatePcscd, insert: Insert) -> None:
    card = virtual_card("somchai")
    with insert(None, card):
        listed = {reader.name: reader for reader in ecitizen.list_readers()}
    assert set(pcscd.reader_names) < set(listed)
    with_card = [(name, reader.atr) for name, reader in listed.items() if reader.card_present]
    assert with_card == [(pcscd.reader_names[1], card.atr)]
    assert listed[pcscd.reader_names[0]].atr is None


def test_a_reader_is_chosen_by_part_of_its_name(pcscd: PrivatePcscd, insert: Insert) -> None:
    def official(reader: str | None) -> bool:
        return ecitizen.read_card(reader, apps=["civil_servant"]).civil_servant is not None

    with insert(virtual_card("somchai"), virtual_card("wanida")):
        for part in ("Virtual PCD 2 00 00", "virtual pcd 2", "D 2"):
            assert official(part)
        with ecitizen.open_card("pcd 1") as session:
            assert session.name == pcscd.reader_names[0]
        for unclear in (None, "Virtual"):
            with pytest.raises(ReaderAmbiguous, match=r"Virtual PCD 1 00 00, Virtual PCD 2 00 00"):
                ecitizen.read_card(unclear)


def test_the_only_reader_with_a_card_is_chosen(pcscd: PrivatePcscd, insert: Insert) -> None:
    with insert(None, virtual_card("somchai")):
        for part in (None, "Virtual"):
            with ecitizen.open_card(part) as session:
                assert session.name == pcscd.reader_names[1]


def test_an_empty_reader_is_no_card(insert: Insert) -> None:
    with insert(None, virtual_card("somchai")), pytest.raises(NoCard, match="Virtual PCD 1 00 00"):
        ecitizen.read_card("PCD 1")


def test_a_reader_that_is_not_there_is_no_reader(pcscd: PrivatePcscd) -> None:
    with pytest.raises(NoReader, match=r"'gemalto'.*Virtual PCD 1 00 00"):
        ecitizen.read_card("gemalto")


def test_a_card_that_comes_later_is_waited_for(pcscd: PrivatePcscd, insert: Insert) -> None:
    """Meanwhile there is a card in the other reader, which is not meant."""
    with ExitStack() as readers:
        readers.enter_context(insert(None, virtual_card("somchai")))
        hand = threading.Timer(0.2, lambda: readers.enter_context(insert(virtual_card("wanida"))))
        hand.start()
        try:
            reading = ecitizen.read_card("PCD 1", apps=["civil_servant"], wait=PATIENCE)
        finally:
            hand.join()
    assert reading.civil_servant


def test_exclusive_use_keeps_another_program_off(insert: Insert) -> None:
    with insert(virtual_card("somchai")) as (name,):
        with ecitizen.open_card(name, exclusive=True), other_program(name, SHARED) as result:
            assert result == SHARING_VIOLATION
        with other_program(name, SHARED) as result:
            assert result == SUCCESS


def test_a_reader_that_another_program_holds_is_busy(insert: Insert) -> None:
    with insert(virtual_card("somchai")) as (name,):
        with other_program(name, EXCLUSIVE) as result:
            assert result == SUCCESS
            with pytest.raises(ReaderBusy, match="another program"):
                ecitizen.read_card(name)
        with other_program(name, SHARED) as result:
            assert result == SUCCESS
            with pytest.raises(ReaderBusy, match="another program"):
                ecitizen.open_card(name, exclusive=True)
            assert ecitizen.read_card(name, photo=False).complete


def test_another_programs_reset_is_told(insert: Insert) -> None:
    with insert(virtual_card("somchai")) as (name,):
        with ecitizen.open_card(name) as session:
            assert ecitizen.read_card(session, apps=["card_admin"]).complete
            with other_program(name, SHARED, RESET_CARD) as result:
                assert result == SUCCESS
            with pytest.raises(CardReset, match="start again"):
                ecitizen.read_card(session)
        assert ecitizen.read_card(name, apps=["card_admin"]).complete


def test_a_reset_of_our_own_is_no_surprise(insert: Insert) -> None:
    card = virtual_card("wanida", "t1")
    with insert(card) as (name,), ecitizen.open_card(name) as session:
        before = ecitizen.read_card(session)
        session.reset()
        assert session.atr == card.atr
        assert ecitizen.read_card(session) == before


@pytest.mark.parametrize("protocol", ["t0", "t1"])
def test_a_card_pulled_out_between_two_commands_is_removed(protocol: str, insert: Insert) -> None:
    given: list[ApplicationRecord] = []
    with ExitStack() as reader:
        (name,) = reader.enter_context(insert(virtual_card("wanida", protocol)))

        def pull_when_the_text_is_there(event: CardEvent) -> None:
            if isinstance(event, DataRead) and event.application == "citizen_id":
                given.append(event.record)
                reader.close()

        with pytest.raises(CardRemoved, match="pulled out"):
            ecitizen.read_card(name, on_event=pull_when_the_text_is_there)
    [record] = given  # the text; the photo never came
    assert isinstance(record, ecitizen.CitizenId)
    assert record.name_th
    assert record.photo is None
    with pytest.raises(NoCard):
        ecitizen.read_card(name)


@pytest.mark.parametrize("protocol", ["t0", "t1"])
@pytest.mark.parametrize("at", [1, 9])
def test_a_card_pulled_out_amid_a_command_is_removed(protocol: str, at: int, pcscd: PrivatePcscd) -> None:
    card = virtual_card("wanida", protocol)
    client = VpcdClient(card, port=pcscd.ports[0])
    answer, commands = card.transmit, 0

    def transmit(command: bytes) -> bytes:
        nonlocal commands
        commands += 1
        if commands == at:
            client.detach()
        return answer(command)

    card.transmit = transmit  # type: ignore[method-assign]
    client.attach(PATIENCE)
    hand = threading.Thread(target=client.serve)
    hand.start()
    try:
        with pytest.raises(CardRemoved, match="pulled out"):
            ecitizen.read_card(pcscd.reader_names[0], wait=PATIENCE)
    finally:
        client.detach()
        hand.join()
    assert commands == at
