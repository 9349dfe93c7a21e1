"""Removal at every exchange, through pcscd: `CardRemoved`, and a clean read of the card that is put in again."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import ecitizen
from ecitizen.emulator.faults import FaultScript, RemoveAt
from ecitizen.emulator.faulty import FaultyCard
from ecitizen.emulator.pcscd import PrivatePcscd
from ecitizen.emulator.vpcd import VpcdClient
from ecitizen.errors import CardRemoved
from ecitizen.model import CardReading
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader

PATIENCE = 20.0
Slot = tuple[str, int]
"""A PC/SC reader's name, and the port of its card."""


def slots_of(service: PrivatePcscd) -> tuple[Slot, ...]:
    """All slots of the virtual readers: each reader has two."""
    first = list(zip(service.reader_names, service.ports, strict=True))
    second = [(f"{name[:-1]}1", port + 1) for name, port in first]
    return (*first, *second)


@contextmanager
def in_slot(card: FaultyCard, port: int) -> Iterator[None]:
    """The card in a virtual reader, until the end of the block or until a fault pulls it out."""
    client = VpcdClient(card, port=port)
    client.attach(PATIENCE)
    thread = threading.Thread(target=client.serve, name=f"card at {port}")
    thread.start()
    try:
        assert client.powered.wait(PATIENCE), "pcscd does not see the card"
        yield
    finally:
        client.detach()
        thread.join()


def pull_out_everywhere(slots: Sequence[Slot], cards: Sequence[tuple[str, str]]) -> int:
    """Cut a read of each card (persona, protocol) at each exchange, in all slots at once; returns how many cuts."""
    free: SimpleQueue[Slot] = SimpleQueue()
    for slot in slots:
        free.put(slot)
    wholes = {each: ecitizen.read_card(VirtualReader(virtual_card(*each))) for each in cards}
    cuts = [(each, at) for each, whole in wholes.items() for at in range(1, whole.link.exchanges + 1)]

    def cut(case: tuple[tuple[str, str], int]) -> None:
        each, at = case
        slot = free.get()
        try:
            _cut(slot, FaultyCard(virtual_card(*each)), at, wholes[each])
        finally:
            free.put(slot)

    with ThreadPoolExecutor(len(slots)) as hands:
        list(hands.map(cut, cuts))
    return len(cuts)


def _cut(slot: Slot, card: FaultyCard, at: int, whole: CardReading) -> None:
    name, port = slot
    card.script = FaultScript([RemoveAt(at)])
    with in_slot(card, port):
        try:
            ecitizen.read_card(name, wait=PATIENCE)
        except CardRemoved:
            assert card.script.exchanges == at
        else:
            raise AssertionError(f"the cut at exchange {at} was not noticed")
    with in_slot(card, port):
        assert ecitizen.read_card(name, wait=PATIENCE) == whole
