"""The power goes at every write of a card manager's memory, at several bytes of it: the old state or the new one.

And the rule that protects the keys: before a host is believed or not, a try is gone for good.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecitizen.emulator.faults import PowerCutAt
from ecitizen.emulator.faulty import FaultyDisk
from ecitizen.emulator.image import CardImage, Disk, Value
from ecitizen.emulator.security_domain_keys import TRIES_MAX, DomainKeys, key_memory
from ecitizen.errors import CardRemoved
from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.secure_channel.key_blocks import encode_key
from tests.unit.gp_host import KVN, SERIAL, Host, published_keys

State = dict[str, Value]
Deed = Callable[[Host], object]

NEW_KEYS = bytes((0x31,)) + encode_key(published_keys().dek, published_keys(0x31, 16, 0x80).enc) * 3
FORGED = CommandApdu(0x84, 0x82, 0x33, 0x00, bytes(16))

MANAGING: dict[str, CommandApdu] = {
    "PUT KEY, new": CommandApdu(0x80, 0xD8, 0x00, 0x81, NEW_KEYS, 256),
    "PUT KEY, rotated": CommandApdu(0x80, 0xD8, KVN, 0x81, NEW_KEYS, 256),
    "DELETE [key]": CommandApdu(0x80, 0xE4, 0x00, 0x00, b"\xd2\x01\x32", 256),
    "SET STATUS": CommandApdu(0x80, 0xF0, 0x80, 0x7F),
    "STORE DATA": CommandApdu(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("4203764123" + "4506636172642031")),
}


class QuickDisk(Disk):
    """A disk that does not wait for the platters, and remembers how long its writes were."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[int] = []

    def write(self, fd: int, data: bytes) -> None:
        self.written.append(len(data))
        super().write(fd, data)

    def fsync(self, fd: int) -> None:
        """Not in this test: the file is read by the same system."""


class QuickFaultyDisk(FaultyDisk):
    """The same with faults."""

    def fsync(self, fd: int) -> None:
        """Not in this test either."""


def new_image(path: Path) -> None:
    memory: State = {"cplc": bytes(10) + SERIAL + bytes(24), "registry": []}
    memory |= key_memory(published_keys()) | key_memory(published_keys(0x32, 16, 0x90))
    CardImage.create(path, {"card": memory}, disk=QuickDisk()).close()


def left(path: Path) -> State:
    """What is in the memory after the power came back."""
    with CardImage.open(path, disk=QuickDisk()) as image:
        return dict(image.read("card"))


def whole_run(path: Path, prepare: Deed, deed: Deed) -> tuple[State, State, list[int]]:
    """State before and after without any cut, and the lengths of the writes, those before it as 0."""
    new_image(path)
    disk = QuickDisk()
    with CardImage.open(path, disk=disk) as image:
        host = Host.at(image)
        prepare(host)
        before, earlier = dict(image.read("card")), len(disk.written)
        deed(host)
        return before, dict(image.read("card")), [0] * earlier + disk.written[earlier:]


def states_after_cuts(folder: Path, prepare: Deed, deed: Deed, lengths: list[int]) -> Iterator[State]:
    """At the beginning, in the middle and at the end of each write."""
    for number, length in enumerate(lengths, 1):
        for byte in sorted({0, 1, length // 2, length - 1, length} if length else ()):
            path = folder / f"{number}-{byte}.json"
            new_image(path)
            with CardImage.open(path, disk=QuickFaultyDisk([PowerCutAt(number, byte)])) as image:
                host = Host.at(image)
                prepare(host)
                with pytest.raises(CardRemoved):
                    deed(host)
            yield left(path)


def tries(state: State) -> int:
    found = DomainKeys(state).find(KVN)
    assert found is not None
    return found.tries


@pytest.mark.parametrize("name", MANAGING)
def test_the_old_state_or_the_new_one(name: str, tmp_path: Path) -> None:
    def deed(host: Host) -> None:
        assert host.send(MANAGING[name]).sw == 0x9000

    before, after, lengths = whole_run(tmp_path / "whole.json", Host.open, deed)
    assert before != after
    seen = list(states_after_cuts(tmp_path, Host.open, deed, lengths))
    assert all(state in (before, after) for state in seen)
    assert (seen[0], seen[-1]) == (before, after)
    assert len(seen) >= 4


def test_no_cut_gives_a_wrong_host_a_try_back(tmp_path: Path) -> None:
    def begin(host: Host) -> None:
        host.begin(published_keys())

    def deed(host: Host) -> None:
        assert host.plain(FORGED).sw == 0x6300

    before, after, lengths = whole_run(tmp_path / "whole.json", begin, deed)
    assert (tries(before), tries(after)) == (TRIES_MAX, TRIES_MAX - 1)
    seen = [tries(state) for state in states_after_cuts(tmp_path, begin, deed, lengths)]
    assert seen == sorted(seen, reverse=True)
    assert set(seen) == {TRIES_MAX, TRIES_MAX - 1}


def test_a_right_host_that_is_cut_off_loses_one_try_at_most(tmp_path: Path) -> None:
    def deed(host: Host) -> None:
        host.open()

    before, after, lengths = whole_run(tmp_path / "whole.json", lambda _: None, deed)
    seen = list(states_after_cuts(tmp_path, lambda _: None, deed, lengths))
    assert {tries(state) for state in seen} == {TRIES_MAX, TRIES_MAX - 1}
    assert (seen[0], seen[-1]) == (before, after)
