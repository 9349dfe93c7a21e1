"""The operating system of the emulated card: power, channels, selection, and the rules of T=0 and T=1.

Applets answer with all they have to say. This module makes of it what the protocol allows in one answer: the rest
waits for GET RESPONSE (61xx), a wrong length is named (6Cxx). ISO/IEC 7816-3:2006, 10.3.3 and 12.2;
ISO/IEC 7816-4:2020, 5.3, 5.4 and 7.6.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..errors import DecodeError, ImageError
from ..iso7816.apdu import (
    CHANNEL_MAX,
    CLA_CHAINING,
    CLA_FURTHER,
    LC_MAX,
    NE_SHORT,
    CardProtocol,
    CommandApdu,
    ResponseApdu,
    logical_channel,
)
from ..iso7816.command import P1_SELECT_BY_DF_NAME, Ins
from ..iso7816.status import StatusWord
from .applet import Applet, Refusal, Selection, ok

CLA_PROPRIETARY = 0x80
CLA_INVALID = 0xFF
CLA_SECURED = 0x04
"""GlobalPlatform's secure messaging on channels 0 to 3 (Card Specification 2.3.1, 11.1.4.1)."""
CLA_SECURING = 0x0C
"""Where a class of channels 0 to 3 says which secure messaging it has."""
CLA_SECURED_FURTHER = 0x20
"""GlobalPlatform's secure messaging on channels 4 to 19 (11.1.4.2)."""
P1_OPEN_CHANNEL = 0x00
P1_CLOSE_CHANNEL = 0x80
P2_GET_RESPONSE = frozenset({0x00, 0x01})
"""01 is the form that the oldest Thai chips want (thai-card.md, section 1)."""
P2_NO_RESPONSE = 0x0C
"""SELECT: bits 4 and 3 both set, the caller wants no answer data."""

_NEVER_CHAINED = frozenset({Ins.SELECT, Ins.GET_RESPONSE, Ins.MANAGE_CHANNEL})


class _Channel:
    """A logical channel: the application selected on it, an answer that still waits, a chain that goes on."""

    def __init__(self, applet: Applet | None, manager: Applet | None) -> None:
        self._manager = manager
        self._bare: Selection | None = None
        self.applet: Applet | None = None
        self.selection: Selection | None = None
        self.waiting = ResponseApdu(b"", StatusWord.NO_ERROR)
        self.chain: CommandApdu | None = None
        if applet is not None:
            self.select(applet)

    def select(self, applet: Applet) -> None:
        """Use this applet from now on; a secure channel to what was selected is over."""
        if self._bare is not None and applet is self.applet:
            self._bare = applet.reopen(self._bare)
        else:
            self.applet, self._bare = applet, applet.open()
        self.selection = self._manager.guarded(applet, self._bare) if self._manager else self._bare

    @property
    def secured(self) -> bool:
        """Whether what is selected takes secure messaging."""
        return self.applet is not None and (self.applet.secured or self.selection is not self._bare)

    def chains(self, command: CommandApdu) -> bool:
        """Whether this command may come in a chain: below secure messaging any, or else by the applet's leave."""
        return self.applet is not None and (self.applet.chaining or (self.secured and _is_secured(command.cla)))


class Card:
    """A card: applets behind one set of contacts. The first applet is the one selected after reset.

    `applets` may change while the card runs, but for those that are selected.

    Whatever bytes come, `transmit` answers with a status word of the standard.
    """

    def __init__(self, applets: Sequence[Applet], *, atr: bytes, protocol: CardProtocol) -> None:
        self.atr = atr
        self.protocol = protocol
        self.applets = applets
        self._channels: dict[int, _Channel] = {}

    def power_on(self) -> bytes:
        """Cold reset: forget everything that was selected or verified; gives the ATR."""
        self._channels = {0: _Channel(self._manager, self._manager)}
        if self._manager is not None:
            self._manager.selected = self._selected
        return self.atr

    @property
    def _manager(self) -> Applet | None:
        """The first applet, which is selected unless another is."""
        return self.applets[0] if self.applets else None

    def _selected(self) -> list[Applet]:
        return [channel.applet for channel in self._channels.values() if channel.applet is not None]

    def power_off(self) -> None:
        """Take the power away."""
        self._channels = {}

    def reset(self) -> bytes:
        """Warm reset: the same as power on, for a card that speaks one protocol."""
        return self.power_on()

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU. A card without power answers 6F00."""
        try:
            return self._answer(command).encode()
        except Refusal as refusal:
            return refusal.sw.to_bytes(2, "big")
        except ImageError:  # a write that could not be made durable, and so has not happened
            return StatusWord.MEMORY_FAILURE.to_bytes(2, "big")

    def _answer(self, raw: bytes) -> ResponseApdu:
        if not self._channels:
            raise Refusal(StatusWord.NO_PRECISE_DIAGNOSIS)
        try:
            command = CommandApdu.parse(raw)
        except DecodeError:
            raise Refusal(StatusWord.WRONG_LENGTH) from None
        if command.extended and self.protocol is CardProtocol.T0:
            raise Refusal(StatusWord.WRONG_LENGTH)
        channel = self._channel(command)
        cla = _base_class(command.cla)
        begun, channel.chain = channel.chain, None  # which only the very next command can continue
        if cla in {0x00, CLA_PROPRIETARY} and command.cla & CLA_CHAINING:
            channel.waiting = ResponseApdu(b"", StatusWord.NO_ERROR)
            channel.chain = _joined(begun, command, channel)
            return ok()
        if command.ins == Ins.GET_RESPONSE and cla in {0x00, CLA_PROPRIETARY}:
            return self._get_response(channel, command)
        channel.waiting = ResponseApdu(b"", StatusWord.NO_ERROR)
        secured = CLA_SECURED if _is_secured(command.cla) else 0
        if cla == 0x00 and not secured and command.ins == Ins.MANAGE_CHANNEL:
            return self._manage_channel(channel, command)
        if cla == 0x00 and not secured and command.ins == Ins.SELECT and command.p1 == P1_SELECT_BY_DF_NAME:
            return self._respond(channel, command, self._select(channel, command))
        if channel.selection is None:
            raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        if begun is not None:
            command = _joined(begun, command, channel)
        cla |= secured
        plain = CommandApdu(cla, command.ins, command.p1, command.p2, command.data, command.ne, command.extended)
        return self._respond(channel, command, channel.selection.process(plain))

    def _channel(self, command: CommandApdu) -> _Channel:
        """The open channel that the class byte names; refuse what no applet can get."""
        if command.cla == CLA_INVALID or 0x20 <= command.cla < CLA_FURTHER:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        if command.ins & 0xF0 in {0x60, 0x90}:  # never an instruction: these are procedure bytes of T=0
            raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        if _base_class(command.cla) not in {0x00, CLA_PROPRIETARY}:
            return self._channels[0]  # a class of somebody's own has no channel bits that we know
        channel = self._channels.get(logical_channel(command.cla))
        if channel is None:
            raise Refusal(StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED)
        securing = command.cla & (CLA_SECURED_FURTHER if command.cla & CLA_FURTHER else CLA_SECURING)
        if securing and not (channel.secured and _is_secured(command.cla)):
            raise Refusal(StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
        return channel

    def _respond(self, channel: _Channel, command: CommandApdu, response: ResponseApdu) -> ResponseApdu:
        """What of an applet's answer goes out now."""
        if not response.data:
            return response
        if self.protocol is CardProtocol.T1:
            ne = command.ne or 0
        elif command.data or command.ins == Ins.SELECT:
            ne = 0  # T=0 has no case 4: the answer waits
        else:
            ne = command.ne or NE_SHORT
            if ne > len(response.data):
                raise Refusal(0x6C00 | len(response.data))
        channel.waiting = response
        return self._take(channel, ne)

    def _take(self, channel: _Channel, ne: int) -> ResponseApdu:
        """The next `ne` bytes of the answer that waits."""
        data, rest, sw = channel.waiting.data[:ne], channel.waiting.data[ne:], channel.waiting.sw
        channel.waiting = ResponseApdu(rest, sw)
        return ResponseApdu(data, 0x6100 | (len(rest) if len(rest) < NE_SHORT else 0) if rest else sw)

    def _get_response(self, channel: _Channel, command: CommandApdu) -> ResponseApdu:
        left = len(channel.waiting.data)
        if command.data:
            raise Refusal(StatusWord.WRONG_LENGTH)
        if command.p1 or command.p2 not in P2_GET_RESPONSE:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if not left:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        ne = command.ne or NE_SHORT  # hosts send it without Le and mean all (card-stack.md, 2.3)
        if self.protocol is CardProtocol.T0 and ne > left:
            raise Refusal(0x6C00 | left)
        return self._take(channel, ne)

    def _select(self, channel: _Channel, command: CommandApdu) -> ResponseApdu:
        if command.p2 & 0xF0:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        found = self._find(command.data, command.p2 & 0x03, channel.applet)
        if found is None:  # and what was selected stays selected
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        channel.select(found)
        unwanted = command.p2 & P2_NO_RESPONSE == P2_NO_RESPONSE
        bare = unwanted or (self.protocol is CardProtocol.T1 and command.ne is None)
        return ResponseApdu(b"" if bare else found.fci(), found.selected_sw())

    def _find(self, name: bytes, occurrence: int, current: Applet | None) -> Applet | None:
        """The applet of this full or partial name: first, last, next or previous (P2 bits 2 and 1).

        One that may not be selected is passed over (GlobalPlatform Card Specification 2.3.1, 6.4.2).
        """
        manager = self._manager
        if not name or manager is None:
            return manager
        named = [applet for applet in self.applets if applet.aid.startswith(name) or name in applet.aliases]
        found = [applet for applet in named if manager.permits(applet)]
        if current in found and occurrence in {2, 3}:
            step = found.index(current) + (1 if occurrence == 2 else -1)
            return found[step] if 0 <= step < len(found) else None
        if not found:
            return None
        return found[-1] if occurrence in {1, 3} else found[0]

    def _manage_channel(self, channel: _Channel, command: CommandApdu) -> ResponseApdu:
        """MANAGE CHANNEL: open one, by the card's choice or the host's, or close one (11.1.2)."""
        if command.data:
            raise Refusal(StatusWord.WRONG_LENGTH)
        if command.p1 == P1_OPEN_CHANNEL:
            return self._open_channel(channel, command)
        number = command.p2 or logical_channel(command.cla)
        if command.p1 != P1_CLOSE_CHANNEL or not 0 < number <= CHANNEL_MAX:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if self._channels.pop(number, None) is None:
            raise Refusal(StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED)
        return ok()

    def _open_channel(self, channel: _Channel, command: CommandApdu) -> ResponseApdu:
        assigned = command.p2 == 0
        free = (number for number in range(1, CHANNEL_MAX + 1) if number not in self._channels)
        number = next(free, None) if assigned else command.p2
        if number is None or number in self._channels:
            raise Refusal(StatusWord.FUNCTION_NOT_SUPPORTED)
        if number > CHANNEL_MAX:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if assigned and self.protocol is CardProtocol.T0 and command.ne != 1:
            raise Refusal(0x6C01)  # before anything is opened: the host will ask again
        basic = channel is self._channels[0]
        self._channels[number] = _Channel(self._manager if basic else channel.applet, self._manager)
        return self._respond(channel, command, ok(bytes((number,)))) if assigned else ok()


def _same_chain(begun: CommandApdu, command: CommandApdu) -> bool:
    """Whether both are of one chain: the same but for the chaining bit and the data."""
    parts = ((each.cla & ~CLA_CHAINING, each.ins, each.p1, each.p2) for each in (begun, command))
    return next(parts) == next(parts)


def _joined(begun: CommandApdu | None, command: CommandApdu, channel: _Channel) -> CommandApdu:
    """A command with the data of the chain that it continues, if it does."""
    if not channel.chains(command) or command.ins in _NEVER_CHAINED:
        raise Refusal(StatusWord.COMMAND_CHAINING_NOT_SUPPORTED)
    if begun is None or not _same_chain(begun, command):
        return command
    data = begun.data + command.data
    if len(data) > LC_MAX:
        raise Refusal(StatusWord.WRONG_LENGTH)
    return replace(command, data=data)


def _base_class(cla: int) -> int:
    """The class without channel, chaining and secure messaging: 00, 80 (GlobalPlatform's coding), or as it is."""
    if cla < CLA_PROPRIETARY:
        return 0x00
    ours = cla & 0xA0 == CLA_PROPRIETARY or cla & 0xE0 == CLA_PROPRIETARY | CLA_FURTHER | CLA_SECURED_FURTHER
    return CLA_PROPRIETARY if ours else cla


def _is_secured(cla: int) -> bool:
    """Whether a class has GlobalPlatform's secure messaging, on whatever channel."""
    if cla & CLA_FURTHER:
        return bool(cla & CLA_SECURED_FURTHER)
    return cla & 0x20 == 0 and cla & CLA_SECURING == CLA_SECURED
