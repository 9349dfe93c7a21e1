"""Card side of the Thai record form: blocks of bytes, and the commands that read them."""

from collections.abc import Iterable
from typing import Any

from ecitizen.emulator.applet import Applet, Refusal, Selection, ok, require
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.errors import ImageDamaged
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins
from ecitizen.iso7816.status import StatusWord

from . import thai_record
from .fields import Field, encode_field

BLOCK_PREFIX = "block"
BLOCKS_MAX = 30
"""Each block is an EF, and short EF identifiers go from 1 to 30 (ISO/IEC 7816-4:2020, 7.3.2)."""


def write_fields(fields: Iterable[Field], record: Any, blocks: dict[int, bytearray]) -> None:
    """Write each field of `record` into its place; raise EncodeError that names a field which doesn't fit."""
    for field in fields:
        blocks[field.block][field.offset : field.end] = encode_field(field, getattr(record, field.name))


def memory_of(blocks: dict[int, bytearray]) -> dict[str, bytes]:
    """The blocks as an applet's memory."""
    return {f"{BLOCK_PREFIX}{number}": bytes(content) for number, content in blocks.items()}


class ThaiRecordApplet(Applet):
    """An applet of blocks; its memory has `block0`, `block1` and so on."""

    def __init__(self, memory: Any, protocol: CardProtocol) -> None:
        super().__init__(memory, protocol)
        if len(self.memory) > BLOCKS_MAX:
            raise ImageDamaged(f"the image's section {self.name} has more than {BLOCKS_MAX} blocks; make a new image")
        numbers = range(max(len(self.memory), 1))
        self._blocks = {number: self.content(f"{BLOCK_PREFIX}{number}") for number in numbers}
        self._files = [
            TransparentFile(thai_record.fid_of(number), thai_record.sfi_of(number), content, thai_record.ACCESS)
            for number, content in sorted(self._blocks.items())
        ]

    def fci(self) -> bytes:
        """The AID, and on T=1 what can be done with the record."""
        return thai_record.fci(self.aid, self.protocol, len(self._blocks[0]))

    def open(self) -> Selection:
        """A new use of the record."""
        return _RecordSelection(self._blocks, self._files if self.protocol is CardProtocol.T1 else [])


class _RecordSelection:
    def __init__(self, blocks: dict[int, bytes], files: list[TransparentFile]) -> None:
        self._blocks = blocks
        self._files = FileSelection(files, files[0] if files else None)

    def process(self, command: CommandApdu) -> ResponseApdu:
        """The Thai READ, and the standard file commands."""
        if command.cla == 0x00:
            return self._files.process(command)
        if command.cla != thai_record.CLA_READ:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        if command.ins != Ins.READ_BINARY:
            raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        require(thai_record.ACCESS.read)
        if len(command.data) != 2 or not command.data[1]:
            raise Refusal(StatusWord.WRONG_LENGTH)
        number, length = command.data
        block = self._blocks.get(number)
        offset = command.p1 << 8 | command.p2
        if block is None:
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        if offset >= len(block):
            raise Refusal(StatusWord.WRONG_PARAMETERS_P1_P2)
        return ok(block[offset : offset + length])
