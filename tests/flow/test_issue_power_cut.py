"""The power goes while the card's file is written, and only a part of the write arrives.

The image is opened again and has its old content or its new one, and the same call ends as it should.
"""

from contextlib import suppress
from pathlib import Path

import pytest

from ecitizen.emulator.faults import FaultScript, PowerCutAt
from ecitizen.emulator.faulty import FaultyDisk
from ecitizen.emulator.image import CardImage, Disk
from ecitizen.errors import CardRemoved
from tests.flow.cutting import WHOLE, Trial
from tests.flow.issued_cards import at_a_blank_card, check_issued, issue
from tests.flow.test_change_cuts import TRIALS
from tests.issuing_desk import session_with

PARTS = (0, 20, 400)
"""Bytes of the write that arrive: none, a few, the most of a short one."""
WORK = {"issue": Trial(at_a_blank_card, issue, check_issued), **TRIALS}


class QuickFaultyDisk(FaultyDisk):
    """Waits for no medium."""

    def fsync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


class QuickDisk(Disk):
    """The same without faults."""

    def fsync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


def writes_of(trial: Trial, folder: Path) -> int:
    """How many writes of the file the work makes, after those of opening it."""
    script = FaultScript()
    cut(trial, folder, script)
    return script.writes


def cut(trial: Trial, folder: Path, script: FaultScript) -> None:
    """Do it on a new card whose file is on a disk with these faults, and then again on a good disk if it was cut."""
    sections, desk = trial.begin()
    path = folder / "card.json"
    CardImage.create(path, sections, overwrite=True, disk=QuickDisk()).close()
    image = CardImage.open(path, disk=QuickFaultyDisk(script))
    done = False
    try:
        with session_with(image) as session:
            trial.act(session, desk)
        done = True
    except CardRemoved:
        assert script.faults
    finally:
        with suppress(CardRemoved):  # the power may go when the file is folded, too
            image.close()
    with CardImage.open(path, disk=QuickDisk()) as again:
        if not done:
            with session_with(again) as session:
                trial.act(session, desk)
        trial.check(again, desk)


@pytest.mark.parametrize("name", WORK)
def test_a_part_of_a_write_is_survived(name: str, tmp_path: Path) -> None:
    trial = WORK[name]
    total = writes_of(trial, tmp_path)
    assert total >= 3
    stride = 1 if WHOLE else 6 if name == "issue" else 2
    places = [(number, part) for number in range(1, total + 1, stride) for part in (PARTS if WHOLE else PARTS[1:2])]
    for number, part in places:
        cut(trial, tmp_path, FaultScript([PowerCutAt(number, part)]))
    print(f"{name}: {len(places)} of {len(places)} power cuts survived")
