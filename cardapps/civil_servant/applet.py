"""Card side of the official's application."""

from typing import ClassVar

from ecitizen.emulator.applet import Applet, Selection
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.emulator.image import Value
from ecitizen.errors import EncodeError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.iso7816.command import OFFSET_MAX
from ecitizen.iso7816.files import TAG_CARD_CAPABILITIES, TAG_DATA_LEN, TAG_DF_NAME, TAG_FCI
from ecitizen.model import CivilServant

from ..seal_files_applet import files_of
from ..thai_record import CARD_CAPABILITIES
from . import layout


class CivilServantApplet(Applet):
    """The official's applet; its memory has `officer`, the content of its EF, and may have the seals."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID
    contents: ClassVar[tuple[str, ...]] = ("officer",)

    @classmethod
    def personalise(cls, record: CivilServant) -> dict[str, Value]:
        """The applet's memory for this official; raise EncodeError for what the layout can't hold."""
        content = tlv.encode(layout.TAG_VERSION, bytes((layout.VERSION,)))
        for entry in layout.OBJECTS:
            value = getattr(record, entry.name)
            if value is None:
                continue
            try:
                content += tlv.encode(entry.tag, entry.codec.encode(value))
            except EncodeError as error:
                raise EncodeError(f"{entry.name}: {error}") from None
        officer = tlv.encode(layout.TAG_OFFICER, content)
        if len(officer) > OFFSET_MAX:
            raise EncodeError("the official's data are too long for READ BINARY (32,767 bytes)")
        return {"officer": officer}

    def fci(self) -> bytes:
        """Name and length of the EF; on T=1 also that extended length is understood."""
        content = tlv.encode(TAG_DF_NAME, self.aid)
        content += tlv.encode(TAG_DATA_LEN, len(self._officer).to_bytes(2, "big"))
        if self.protocol is CardProtocol.T1:
            content += tlv.encode(TAG_CARD_CAPABILITIES, CARD_CAPABILITIES)
        return tlv.encode(TAG_FCI, content)

    def open(self) -> Selection:
        """A new use; no EF is current yet."""
        officer = TransparentFile(layout.FID_OFFICER, layout.SFI_OFFICER, self._officer, layout.ACCESS)
        return FileSelection([officer, *files_of(self)])

    @property
    def _officer(self) -> bytes:
        return self.content("officer")
