"""Card side of the citizen's ID application."""

from typing import ClassVar

from ecitizen.emulator.image import Value
from ecitizen.model import CitizenId

from ..thai_record_applet import ThaiRecordApplet, memory_of
from . import contents, layout


class CitizenIdApplet(ThaiRecordApplet):
    """The MOI applet, in layout 0003 or 0002."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID

    @classmethod
    def personalise(cls, record: CitizenId) -> dict[str, Value]:
        """The applet's memory for this holder; raise EncodeError for what the layout can't hold."""
        return dict(memory_of(contents.blocks(record)))
