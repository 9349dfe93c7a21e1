"""The card is pulled out at every exchange of a full read, of every persona, on both protocols."""

from collections.abc import Iterable, Mapping

import pytest

import ecitizen
from ecitizen.emulator.faults import FaultScript, RemoveAt
from ecitizen.emulator.faulty import FaultyCard
from ecitizen.emulator.persona import installed_personas
from ecitizen.errors import CardRemoved
from ecitizen.model import CitizenId
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.read_card import CardEvent, DataRead


def said(event: DataRead) -> Mapping[str, bytes]:
    """What an application gave, but for a photo that may be on its way."""
    return {name: raw for name, raw in event.record.raw.items() if name != "photo"}


def pull_out_everywhere(name: str, protocol: str, *, after: bool) -> int:
    """Cut a read at each exchange; each time it says so, gave nothing wrong, and the card then reads as ever."""
    card = FaultyCard(virtual_card(name, protocol))
    reader = VirtualReader(card)
    whole = ecitizen.read_card(reader)
    for at in range(1, whole.link.exchanges + 1):
        card.script = FaultScript([RemoveAt(at, after)])
        given: list[CardEvent] = []
        with pytest.raises(CardRemoved):
            ecitizen.read_card(reader, on_event=given.append)
        assert card.script.exchanges == at
        assert reader.card is None
        for event in given:
            if isinstance(event, DataRead):
                record = whole.applications[event.application]
                assert record is not None
                assert said(event).items() <= record.raw.items()
                assert not isinstance(event.record, CitizenId) or event.record.photo is None
        reader.insert(card)
        assert ecitizen.read_card(reader) == whole
    return whole.link.exchanges


@pytest.mark.parametrize(
    ("names", "after"),
    [(sorted(installed_personas()), False), (["wanida"], True)],
    ids=["before-a-command", "before-an-answer"],
)
@pytest.mark.parametrize("protocol", ["t0", "t1"])
def test_card_pulled_out_at_every_exchange(
    protocol: str, names: Iterable[str], after: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = sum(pull_out_everywhere(name, protocol, after=after) for name in names)
    with capsys.disabled():
        print(f"[{protocol}: {cuts} cuts survived] ", end="")
    assert cuts >= 10
