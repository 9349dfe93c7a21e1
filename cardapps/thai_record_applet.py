"""Card side of the Thai record form: blocks of bytes, and the commands that read them."""

from collections.abc import Iterable
from typing import Any

from ecitizen.emulator.applet import Applet, Refusal, Selection, ok, require
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.errors import ImageDamaged
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins
from ecitizen.iso7816.status import StatusWord

from . import seal_files, thai_record
from .fields import Field, encode_field
from .seal_files_applet import files_of

BLOCK_PREFIX = "block"
BLOCKS_MAX = 27
"""Each block is an EF with a short identifier from 1 up; 1C and 1D are those of the seals."""


def write_fields(fields: Iterable[Field], record: Any, blocks: dict[int, bytearray]) -> None:
    """Write each field of `record` into its place; raise EncodeError that names a field which doesn't fit."""
    for field in fields:
        blocks[field.block][field.offset : field.end] = encode_field(field, getattr(record, field.name))


def memory_of(blocks: dict[int, bytearray]) -> dict[str, bytes]:
    """The blocks as an applet's memory."""
    return {f"{BLOCK_PREFIX}{number}": bytes(content) for number, content in blocks.items()}


class ThaiRecordApplet(Applet):
    """An applet of blocks; its memory has `block0`, `block1` and so on, and may have the seals."""

    def __init__(self, memory: Any, protocol: CardProtocol) -> None:
        super().__init__(memory, protocol)
        blocks = len(self.memory) - sum(name in self.memory for name in seal_files.SEALS)
        if blocks > BLOCKS_MAX:
            raise ImageDamaged(f"the image's section {self.name} has more than {BLOCKS_MAX} blocks; make a new image")
        numbers = range(max(blocks, 1))
        self._blocks = {number: self.content(f"{BLOCK_PREFIX}{number}") for number in numbers}
        self._files = [
            TransparentFile(thai_record.fid_of(number), thai_record.sfi_of(number), content, thai_record.ACCESS)
            for number, content in sorted(self._blocks.items())
        ]
        self._seals = files_of(self)

    def fci(self) -> bytes:
        """The AID, and on T=1 what can be done with the record."""
        return thai_record.fci(self.aid, self.protocol, len(self._blocks[0]))

    def open(self) -> Selection:
        """A new use of the record."""
        if self.protocol is CardProtocol.T1:
            return _RecordSelection(self._blocks, FileSelection([*self._files, *self._seals], self._files[0]))
        return _RecordSelection(self._blocks, FileSelection(self._seals))


class _RecordSelection:
    def __init__(self, blocks: dict[int, bytes], files: FileSelection) -> None:
        self._blocks = blocks
        self._files = files

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
