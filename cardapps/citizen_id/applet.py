"""Card side of the citizen's ID application."""

from typing import ClassVar

from ecitizen.emulator.image import Value
from ecitizen.errors import EncodeError
from ecitizen.model import CitizenId

from ..thai_record_applet import ThaiRecordApplet, memory_of, write_fields
from . import layout


class CitizenIdApplet(ThaiRecordApplet):
    """The MOI applet, in layout 0003 or 0002."""

    name: ClassVar[str] = layout.NAME
    aid: ClassVar[bytes] = layout.AID

    @classmethod
    def personalise(cls, record: CitizenId) -> dict[str, Value]:
        """The applet's memory for this holder; raise EncodeError for what the layout can't hold."""
        if record.layout_version == layout.VERSION_0002:
            blocks = {number: bytearray(b" " * length) for number, length in layout.BLOCK_LENS_0002.items()}
            fields = (*layout.TEXT_FIELDS_0002, layout.VERSION_AGAIN_0002)
            photo_field = layout.PHOTO_0002
        else:
            blocks = {0: bytearray(layout.RECORD_LEN)}
            fields, photo_field = layout.TEXT_FIELDS_0003, layout.PHOTO_0003
        write_fields(fields, record, blocks)
        jpeg = record.photo.jpeg if record.photo else b""
        if len(jpeg) > photo_field.length:
            raise EncodeError(f"photo: the JPEG has {len(jpeg)} bytes; the field holds {photo_field.length}")
        blocks[photo_field.block][photo_field.offset : photo_field.end] = jpeg.ljust(photo_field.length)
        return dict(memory_of(blocks))
