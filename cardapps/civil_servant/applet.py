"""Card side of the official's application."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ecitizen.emulator.applet import Applet, DataGrouping, Selection
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.emulator.image import Value
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.iso7816.files import TAG_CARD_CAPABILITIES, TAG_DATA_LEN, TAG_DF_NAME, TAG_FCI
from ecitizen.model import CivilServant

from ..file_groupings import file_changes
from ..seal_files_applet import files_of
from ..thai_record import CARD_CAPABILITIES
from . import contents, layout


class CivilServantApplet(Applet):
    """The official's applet; its memory has `officer`, the content of its EF, and may have the seals."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID
    managed: ClassVar[bool] = True
    contents: ClassVar[tuple[str, ...]] = ("officer",)

    @classmethod
    def personalise(cls, record: CivilServant) -> dict[str, Value]:
        """The applet's memory for this official; raise EncodeError for what the layout can't hold."""
        return {"officer": contents.officer(record)}

    def fci(self) -> bytes:
        """Name and length of the EF; on T=1 also that extended length is understood."""
        content = tlv.encode(TAG_DF_NAME, self.aid)
        content += tlv.encode(TAG_DATA_LEN, len(self._officer).to_bytes(2, "big"))
        if self.protocol is CardProtocol.T1:
            content += tlv.encode(TAG_CARD_CAPABILITIES, CARD_CAPABILITIES)
        return tlv.encode(TAG_FCI, content)

    def open(self) -> Selection:
        """A new use; no EF is current yet."""
        seals = files_of(self)
        if self.blank:
            return FileSelection(seals)
        officer = TransparentFile(layout.FID_OFFICER, layout.SFI_OFFICER, self._officer, layout.ACCESS)
        return FileSelection([officer, *seals])

    def store(self, groupings: Sequence[DataGrouping]) -> Mapping[str, Value]:
        """The official's file and the seals, by their file identifiers."""
        return file_changes(self, {layout.FID_OFFICER: "officer"}, groupings)

    @property
    def _officer(self) -> bytes:
        """The file's content; nothing as long as the applet is blank."""
        return b"" if self.blank else self.content("officer")
