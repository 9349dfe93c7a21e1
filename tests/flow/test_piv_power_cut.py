"""The power goes at every write of the PIV card's memory, at several bytes of it: the old state is left or the new one.

And the rule that protects PIN and PUK: before anything is compared, a try is gone for good.
"""

import hmac
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.faults import PowerCutAt
from ecitizen.emulator.faulty import FaultyDisk
from ecitizen.emulator.image import CardImage, Disk, Value
from ecitizen.errors import CardRemoved
from tests.piv_card import PIN_NEVER, PIN_ONCE, PIN_STATE, SELECT, VERIFY, WRONG_PIN, Hand, memory, stored, tlv

PIN_12, PIN_65, PIN_00 = "313233343536FFFF", "363534333231FFFF", "303030303030FFFF"
PUK, PUK_OTHER = "3132333435363738", "4142434445464748"
State = dict[str, Value]


@dataclass(frozen=True)
class Case:
    """A command whose power is cut: the state before it, what it answers, which parts of the memory it may change."""

    command: bytes
    changes: frozenset[str]
    before: State = field(default_factory=dict)
    managed: bool = False
    answer: str = "9000"
    counter: str = ""
    """The tries that must be taken away before the comparison."""


def short(text: str) -> bytes:
    return bytes.fromhex(text)


def extended(head: str, data: bytes) -> bytes:
    return bytes.fromhex(head) + b"\0" + len(data).to_bytes(2) + data + b"\0\0"


def put(tag: str, content: bytes) -> bytes:
    return extended("00DB3FFF", bytes.fromhex("5C03" + tag) + tlv("53", content))


USED: State = {"pin_tries": 2, "puk_tries": 2}
CASES = {
    "VERIFY": Case(short(VERIFY), frozenset({"pin_tries"}), USED, counter="pin_tries"),
    "VERIFY wrong": Case(short(WRONG_PIN), frozenset({"pin_tries"}), USED, answer="63C1", counter="pin_tries"),
    "VERIFY the last try": Case(
        short(WRONG_PIN), frozenset({"pin_tries"}), {"pin_tries": 1}, answer="63C0", counter="pin_tries"
    ),
    "CHANGE PIN": Case(
        short(f"0024008010{PIN_12}{PIN_65}"), frozenset({"pin", "pin_tries"}), USED, counter="pin_tries"
    ),
    "CHANGE PIN wrong": Case(
        short(f"0024008010{PIN_00}{PIN_65}"), frozenset({"pin_tries"}), USED, answer="63C1", counter="pin_tries"
    ),
    "CHANGE PUK": Case(
        short(f"0024008110{PUK}{PUK_OTHER}"), frozenset({"puk", "puk_tries"}), USED, counter="puk_tries"
    ),
    "RESET RETRY": Case(
        short(f"002C008010{PUK}{PIN_65}"),
        frozenset({"pin", "pin_tries", "puk_tries"}),
        {"pin_tries": 0, "puk_tries": 2},
        counter="puk_tries",
    ),
    "RESET RETRY wrong": Case(
        short(f"002C008010{PUK_OTHER}{PIN_65}"), frozenset({"puk_tries"}), USED, answer="63C1", counter="puk_tries"
    ),
    "GENERATE": Case(short("0047009A05AC0380011100"), frozenset({"key 9A"}), managed=True, answer=""),
    "IMPORT": Case(short("00FE119E220620" + "11" * 32), frozenset({"key 9E"}), managed=True),
    "PUT DATA": Case(put("5FC102", b"new" * 300), frozenset({"object 5FC102"}), managed=True),
    "PUT DATA, another": Case(put("5FC105", b"new" * 300), frozenset({"object 5FC105"}), managed=True),
    "PUT DATA, removing": Case(put("5FC109", b""), frozenset({"object 5FC109"}), managed=True),
    "MOVE KEY": Case(short("00F6959A"), frozenset({"key 9A", "key 95"}), managed=True),
    "DELETE KEY": Case(short("00F6FF9A"), frozenset({"key 9A"}), managed=True),
    "SET MANAGEMENT KEY": Case(
        short("00FFFFFF13089B10" + "22" * 16), frozenset({"management_algorithm", "management_key"}), managed=True
    ),
    "SET RETRIES": Case(
        short("00FA0405"),
        frozenset({"pin", "puk", "pin_tries", "puk_tries", "pin_tries_max", "puk_tries_max"}),
        {"puk": b"ABCDEFGH", "puk_tries": 1},
        managed=True,
    ),
    "RESET": Case(
        short("00FB0000"),
        frozenset(memory()) - {"serial", "extensions"} | {"object 5FFF00", "key 82"},
        {
            "pin": b"654321\xff\xff",
            "pin_tries": 0,
            "puk_tries": 0,
            "management_algorithm": 0x08,
            "management_key": bytes(16),
            "object 5FFF00": b"tool's own",
            "key F9": stored(KeyAlgorithm.P_256, PIN_NEVER),
            "key 82": stored(KeyAlgorithm.ED25519, PIN_ONCE),
        },
    ),
}


class QuickDisk(Disk):
    """Waits for no medium, and remembers how long each write was."""

    def __init__(self) -> None:
        self.written: list[int] = []

    def write(self, fd: int, data: bytes) -> None:
        self.written.append(len(data))
        super().write(fd, data)

    def fsync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


class QuickFaultyDisk(FaultyDisk):
    """Waits for no medium."""

    def fsync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: str) -> None:
        pass


def prepared(case: Case, image: CardImage) -> Hand:
    """The card just before the command, after commands that write nothing, or as often for every card."""
    hand = Hand(image=image)
    if case.managed:
        hand.manage()
    if case.command[1] == 0xFA:
        hand.talk(f"{VERIFY} > 9000")
    return hand


def new_image(path: Path, case: Case) -> None:
    CardImage.create(path, {"piv": {**memory(), **case.before}}, disk=QuickDisk()).close()


def left(path: Path) -> State:
    """What is in the memory after the power came back."""
    with CardImage.open(path, disk=QuickDisk()) as image:
        return dict(image.read("piv"))


def whole_run(path: Path, case: Case) -> tuple[State, State, list[int]]:
    """State before and after the command without any cut, and the lengths of its writes, after those before it."""
    new_image(path, case)
    disk = QuickDisk()
    with CardImage.open(path, disk=disk) as image:
        hand = prepared(case, image)
        before, earlier = hand.contents(), len(disk.written)
        answer = hand.card.transmit(case.command).hex().upper()
        assert answer.endswith(case.answer)
        assert answer.endswith(("9000", "63C0", "63C1"))
        lengths = [0] * earlier + disk.written[earlier:]
        after = hand.contents()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= case.changes
    return before, after, lengths


def cuts(lengths: list[int]) -> Iterator[PowerCutAt]:
    """At the beginning, in the middle and at the end of each write of the command."""
    for number, length in enumerate(lengths, 1):
        for byte in sorted({0, 1, length // 2, length - 1, length} if length else ()):
            yield PowerCutAt(number, byte)


@pytest.mark.parametrize("name", CASES)
def test_the_old_state_or_the_new_one(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    before, after, lengths = whole_run(tmp_path / "whole.json", case)
    between = {**before, case.counter: count(before, case) - 1} if case.counter else before
    seen = []
    for cut in cuts(lengths):
        path = tmp_path / f"{cut.write}-{cut.byte}.json"
        new_image(path, case)
        with CardImage.open(path, disk=QuickFaultyDisk([cut])) as image:
            hand = prepared(case, image)
            with pytest.raises(CardRemoved):
                hand.card.transmit(case.command)
        state = left(path)
        seen.append(state)
        assert same(state, before) or same(state, between) or same(state, after, but=case), cut
    assert same(seen[0], before)
    assert same(seen[-1], after, but=case)
    assert len(seen) >= 4


def count(state: State, case: Case) -> int:
    tries = state[case.counter]
    assert isinstance(tries, int)
    return tries


def same(one: State, other: State, *, but: Case | None = None) -> bool:
    """Equal; a key that was generated is another each time, so there its place counts."""
    if but is CASES["GENERATE"]:
        return one.keys() == other.keys() and one["key 9A"] != memory()["key 9A"]
    return one == other


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.counter])
def test_nothing_is_compared_before_the_try_is_gone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the comparison the files are copied, as they would be after a power cut, and opened."""
    case = CASES[name]
    path, copy = tmp_path / "card.json", tmp_path / "copy.json"
    new_image(path, case)
    compared: list[object] = []
    right: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        for suffix in ("", ".journal"):
            source = Path(f"{path}{suffix}")
            if source.exists():
                Path(f"{copy}{suffix}").write_bytes(source.read_bytes())
        os.chmod(copy, 0o600)  # noqa: PTH101
        compared.append(left(copy)[case.counter])
        return right(one, other)

    with CardImage.open(path, disk=QuickDisk()) as image:
        hand = prepared(case, image)
        before = count(hand.contents(), case)
        monkeypatch.setattr(hmac, "compare_digest", watched)
        hand.card.transmit(case.command)
    assert compared == [before - 1]


def test_pulling_the_card_at_every_try_blocks_the_pin(tmp_path: Path) -> None:
    """Somebody tries PINs and takes the power away at the end of each write, before any answer comes."""
    path = tmp_path / "card.json"
    new_image(path, CASES["RESET RETRY wrong"])
    attempts = 0
    while left(path)["pin_tries"]:
        attempts += 1
        with CardImage.open(path, disk=QuickFaultyDisk([PowerCutAt(1, 10_000)])) as image, pytest.raises(CardRemoved):
            Hand(image=image).talk(f"{WRONG_PIN} > no answer")
    assert attempts == 2
    with CardImage.open(path, disk=QuickDisk()) as image:
        Hand(image=image).talk(f"{VERIFY} > 6983 \n {PIN_STATE} > 6983")


def test_a_verification_does_not_outlive_the_power(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    new_image(path, CASES["VERIFY"])
    with CardImage.open(path, disk=QuickFaultyDisk([PowerCutAt(2, 10_000)])) as image:
        hand = Hand(image=image)
        with pytest.raises(CardRemoved):
            hand.card.transmit(short(VERIFY))
        hand.card.power_on()
        hand.talk(f"{SELECT} > 9000")
        assert hand.card.transmit(short(PIN_STATE)).startswith(b"\x63")
