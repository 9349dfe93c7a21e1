"""Cards and disks that play the faults of a list.

card = FaultyCard(virtual_card("somchai"), [RemoveAt(5)])
image = CardImage.open("card.json", disk=FaultyDisk([PowerCutAt(1, byte=20)]))
"""

import errno
from collections.abc import Callable, Iterable, Sequence
from hashlib import shake_128
from time import sleep as _sleep
from typing import Protocol

from ..errors import CardMute, CardRemoved, CardReset, NoReader, UsageError
from ..iso7816.apdu import CardProtocol
from ..iso7816.atr import Atr
from ..iso7816.link_time import LinkTiming
from .faults import (
    AtExchange,
    ExtraAt,
    Fault,
    FaultScript,
    GarbleAt,
    Latency,
    LinkLatency,
    MuteAt,
    OtherResetAt,
    PowerCutAt,
    ReaderGoneAt,
    RemoveAt,
    ResetAt,
    StatusAt,
    TruncateAt,
)
from .image_store import Disk
from .vpcd import Powerable

_STATUS_LEN = 2
_BYTES_PER_FLIP = 16


class Contacts(Powerable, Protocol):
    """A card as FaultyCard wraps it, and as FaultyCard is one."""

    @property
    def protocol(self) -> CardProtocol:
        """The protocol that the card speaks."""
        ...


class FaultyCard:
    """A card that plays faults; for the rest it is the card that it wraps.

    Put it into a VirtualReader, a VpcdClient, or talk to it directly. `script` may be replaced at any time, from any
    thread: then those faults are played, counted anew. `sleep` is called with the seconds of a latency.

    Raise CardRemoved, CardMute, CardReset and NoReader as the faults have it. Through vpcd the first closes the
    connection and the second is silence; the other two can't be played there. Raise UsageError for PowerCutAt in a
    list: it belongs to FaultyDisk (give both one FaultScript).
    """

    def __init__(
        self, card: Contacts, faults: FaultScript | Iterable[Fault] = (), *, sleep: Callable[[float], object] = _sleep
    ) -> None:
        if not isinstance(faults, FaultScript):
            faults = FaultScript(faults)
            if any(isinstance(fault, PowerCutAt) for fault in faults.faults):
                raise UsageError("a power cut is played by FaultyDisk: open the card image with one")
        self.script = faults
        self._card = card
        self._sleep = sleep
        self._out = False

    @property
    def out(self) -> bool:
        """Whether the card was pulled out by a fault, and not powered since."""
        return self._out

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return self._card.atr

    @property
    def protocol(self) -> CardProtocol:
        """The protocol that the card speaks."""
        return self._card.protocol

    def power_on(self) -> bytes:
        """Start cold and give the ATR; the card is in the reader again if it was out."""
        script = self.script
        _recover(script)
        _check(script)
        self._out = False
        return self._card.power_on()

    def power_off(self) -> None:
        """Take the power away."""
        _recover(self.script)
        self._card.power_off()

    def reset(self) -> bytes:
        """Start warm and give the ATR."""
        self._require_in()
        script = self.script
        if isinstance(script.stuck, OtherResetAt):
            script.stuck = None
        _check(script)
        return self._card.reset()

    def transmit(self, command: bytes) -> bytes:
        """Answer a command as the card does, or as the faults of this exchange have it."""
        self._require_in()
        script = self.script
        script.exchanges += 1
        _check(script)
        due = [fault for fault in script.faults if isinstance(fault, AtExchange) and fault.exchange == script.exchanges]
        try:
            answer = self._answer(command, due, script)
        except CardRemoved:  # by a fault, or by the power cut of a FaultyDisk
            self._out = True
            self._card.power_off()
            raise
        for fault in due:
            answer = _spoiled(answer, fault)
        self._take_time(script, command, answer)
        return answer

    def _answer(self, command: bytes, due: Sequence[AtExchange], script: FaultScript) -> bytes:
        for fault in due:
            if isinstance(fault, ResetAt | OtherResetAt):
                self._card.reset()
            if isinstance(fault, MuteAt | OtherResetAt | ReaderGoneAt):
                script.stuck = fault
                _check(script)
            if isinstance(fault, RemoveAt) and not fault.after:
                raise _removed()
        words = [fault.sw for fault in due if isinstance(fault, StatusAt)]
        answer = words[0].to_bytes(_STATUS_LEN, "big") if words else self._card.transmit(command)
        if any(isinstance(fault, RemoveAt) for fault in due):
            raise _removed()
        return answer

    def _take_time(self, script: FaultScript, command: bytes, answer: bytes) -> None:
        seconds = 0.0
        for fault in script.faults:
            if isinstance(fault, Latency):
                seconds += fault.seconds + fault.per_byte * (len(command) + len(answer))
            elif isinstance(fault, LinkLatency):
                timing = LinkTiming(Atr.parse(self.atr), protocol=self.protocol)
                seconds += timing.exchange_seconds(command, answer)
        if seconds:
            self._sleep(seconds)

    def _require_in(self) -> None:
        if self._out:
            raise _removed()


class FaultyDisk(Disk):
    """The disk under a card image, whose power goes as PowerCutAt has it: CardRemoved, and nothing is written any more.

    The image has to be opened again, with another disk, and then has its old content or its new one. Raise UsageError
    for other faults in a list: they belong to FaultyCard (give both one FaultScript).
    """

    def __init__(self, faults: FaultScript | Iterable[Fault]) -> None:
        if not isinstance(faults, FaultScript):
            faults = FaultScript(faults)
            if not all(isinstance(fault, PowerCutAt) for fault in faults.faults):
                raise UsageError("a disk has power cuts only; give the other faults to FaultyCard")
        self.script = faults
        self._dead = False

    def create(self, path: str) -> int:
        """Create a file, while there is power."""
        self._require_power()
        return super().create(path)

    def write(self, fd: int, data: bytes) -> None:
        """Append all of `data`, or as much as a power cut allows."""
        self._require_power()
        script = self.script
        script.writes += 1
        for fault in script.faults:
            if isinstance(fault, PowerCutAt) and fault.write == script.writes:
                super().write(fd, data[: fault.byte])
                self._dead = True
                raise CardRemoved("the power went while the card wrote its memory; insert it again")
        super().write(fd, data)

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file back, while there is power."""
        self._require_power()
        super().truncate(fd, length)

    def replace(self, source: str, target: str) -> None:
        """Put `source` in the place of `target`, while there is power."""
        self._require_power()
        super().replace(source, target)

    def remove(self, path: str) -> None:
        """Remove a file, while there is power."""
        self._require_power()
        super().remove(path)

    def _require_power(self) -> None:
        if self._dead:
            raise OSError(errno.EIO, "the power is off")


def _spoiled(answer: bytes, fault: AtExchange) -> bytes:
    """The answer as it arrives."""
    if isinstance(fault, TruncateAt):
        return answer[: fault.keep]
    if isinstance(fault, ExtraAt):
        return answer[:-_STATUS_LEN] + fault.data + answer[-_STATUS_LEN:]
    if isinstance(fault, GarbleAt) and answer:
        return _garbled(answer, fault)
    return answer


def _garbled(answer: bytes, fault: GarbleAt) -> bytes:
    """Flip bits that the seed chooses, by a hash: the same on every Python."""
    flips = 1 + len(answer) // _BYTES_PER_FLIP
    stream = shake_128(str(fault).encode()).digest(4 * flips)
    places = {int.from_bytes(stream[at : at + 4], "big") % (8 * len(answer)) for at in range(0, len(stream), 4)}
    garbled = bytearray(answer)
    for place in places:
        garbled[place // 8] ^= 1 << place % 8
    return bytes(garbled)


def _recover(script: FaultScript) -> None:
    """What the loss of power cures: a card that fell silent, and the trace of another program's reset."""
    stuck = script.stuck
    if isinstance(stuck, OtherResetAt) or (isinstance(stuck, MuteAt) and stuck.exchange):
        script.stuck = None


def _check(script: FaultScript) -> None:
    """Raise what a fault that lasts has to say."""
    if isinstance(script.stuck, MuteAt):
        raise CardMute("the card does not answer; take it out, clean its contacts and insert it again")
    if isinstance(script.stuck, OtherResetAt):
        raise CardReset("another program reset the card; start again")
    if isinstance(script.stuck, ReaderGoneAt):
        raise NoReader("the reader is gone; plug it in again")


def _removed() -> CardRemoved:
    return CardRemoved("the card was pulled out; insert it again and start anew")
