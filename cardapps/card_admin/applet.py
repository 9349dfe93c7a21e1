"""Card side of card administration: the ADM applet. The chip serial is the card manager's own."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ecitizen.emulator.applet import Applet, DataGrouping, Refusal, Selection, ok, require
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.emulator.image import Value
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins
from ecitizen.iso7816.files import TAG_DF_NAME
from ecitizen.iso7816.status import StatusWord
from ecitizen.model import CardAdmin

from ..file_groupings import file_changes
from ..seal_files_applet import files_of
from . import contents, layout


class CardAdminApplet(Applet):
    """The ADM applet; its memory has `state`, the 23 bytes that it answers, and may have the seals."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID
    managed: ClassVar[bool] = True
    contents: ClassVar[tuple[str, ...]] = ("state",)

    @classmethod
    def personalise(cls, record: CardAdmin) -> dict[str, Value]:
        """The applet's memory for this card."""
        return {"state": contents.state(record)}

    def fci(self) -> bytes:
        """The AID, in the form of the other Thai applets."""
        return tlv.encode(TAG_DF_NAME, self.aid)

    def open(self) -> Selection:
        """It remembers at most which seal was read last."""
        state = None if self.blank else self.content("state")
        return _AdminSelection(state, files_of(self))

    def store(self, groupings: Sequence[DataGrouping]) -> Mapping[str, Value]:
        """State and seals, by the file identifiers that they would have."""
        return file_changes(self, {layout.FID_STATE: "state"}, groupings)


class _AdminSelection:
    def __init__(self, state: bytes | None, seals: list[TransparentFile]) -> None:
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
        if self._state is None:  # installed, and not personalised yet
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        return ok(self._state)
