"""Card side of the health entitlement application."""

from typing import ClassVar

from ecitizen.emulator.image import Value
from ecitizen.model import HealthInsurance

from ..thai_record_applet import ThaiRecordApplet, memory_of
from . import contents, layout


class HealthInsuranceApplet(ThaiRecordApplet):
    """The NHSO applet."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID

    @classmethod
    def personalise(cls, record: HealthInsurance) -> dict[str, Value]:
        """The applet's memory for this holder; raise EncodeError for what the layout can't hold."""
        return dict(memory_of(contents.blocks(record)))
