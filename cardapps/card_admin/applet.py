"""Card side of card administration: the ADM applet. The chip serial is the card manager's own."""

from typing import ClassVar

from ecitizen.emulator.applet import Applet, Refusal, Selection, ok, require
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.emulator.image import Value
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins
from ecitizen.iso7816.files import TAG_DF_NAME
from ecitizen.iso7816.status import StatusWord
from ecitizen.model import CardAdmin

from ..fields import encode_field
from ..seal_files_applet import files_of
from . import layout


class CardAdminApplet(Applet):
    """The ADM applet; its memory has `state`, the 23 bytes that it answers, and may have the seals."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID
    contents: ClassVar[tuple[str, ...]] = ("state",)

    @classmethod
    def personalise(cls, record: CardAdmin) -> dict[str, Value]:
        """The applet's memory for this card."""
        return {"state": layout.STATE_HEAD + encode_field(layout.LASER_NUMBER, record.laser_number)}

    def fci(self) -> bytes:
        """The AID, in the form of the other Thai applets."""
        return tlv.encode(TAG_DF_NAME, self.aid)

    def open(self) -> Selection:
        """It remembers at most which seal was read last."""
        return _AdminSelection(self.content("state"), files_of(self))


class _AdminSelection:
    def __init__(self, state: bytes, seals: list[TransparentFile]) -> None:
        self._state = state
        self._seals = FileSelection(seals) if seals else None

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Give the state, the one command that is published; and the seals, by the standard's commands."""
        if command.cla == 0x00 and self._seals is not None:
            return self._seals.process(command)
        if command.cla not in {0x00, layout.CLA_ADM}:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        if command.cla == 0x00 and command.ins == Ins.SELECT:
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        if command.cla == 0x00 or command.ins != layout.INS_GET_STATE:
            raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        if command.p1 or command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if command.data:
            raise Refusal(StatusWord.WRONG_LENGTH)
        require(layout.ACCESS.read)
        return ok(self._state)
