"""Card side of the Thai record form: blocks of bytes, and the commands that read them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ecitizen.emulator.applet import INSTALLED, Applet, DataGrouping, Refusal, Selection, ok, require
from ecitizen.emulator.filesystem import FileSelection, TransparentFile
from ecitizen.emulator.image import Value
from ecitizen.errors import ImageDamaged
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu, ResponseApdu
from ecitizen.iso7816.command import Ins
from ecitizen.iso7816.status import StatusWord

from . import seal_files, thai_record
from .file_groupings import file_changes
from .seal_files_applet import files_of

BLOCK_PREFIX = "block"
BLOCKS_MAX = 27
"""Each block is an EF with a short identifier from 1 up; 1C and 1D are those of the seals."""


def memory_of(blocks: Mapping[int, bytes]) -> dict[str, bytes]:
    """The blocks as an applet's memory."""
    return {f"{BLOCK_PREFIX}{number}": content for number, content in blocks.items()}


_PLACES = {thai_record.fid_of(number): f"{BLOCK_PREFIX}{number}" for number in range(BLOCKS_MAX)}
"""Where the blocks are in memory, by file identifier."""


class ThaiRecordApplet(Applet):
    """An applet of blocks; its memory has `block0`, `block1` and so on, and may have the seals."""

    managed: ClassVar[bool] = True
    contents: ClassVar[tuple[str, ...]] = (f"{BLOCK_PREFIX}0",)

    def __init__(self, memory: Any, protocol: CardProtocol) -> None:
        super().__init__(memory, protocol)
        if not set(memory) <= {*_PLACES.values(), *seal_files.SEALS, INSTALLED}:
            raise ImageDamaged(
                f"the image's section {self.name} has something that is no block or seal; make a new image"
            )
        self._blocks()
        files_of(self)

    def _blocks(self) -> dict[int, bytes]:
        """The blocks that are there now; the first one is missing as long as the applet is blank."""
        places = enumerate(_PLACES.values())
        return {number: self.content(name) for number, name in places if name in self.memory}

    def fci(self) -> bytes:
        """The AID, and on T=1 what can be done with the record."""
        return thai_record.fci(self.aid, self.protocol, len(self._blocks().get(0, b"")))

    def open(self) -> Selection:
        """A new use of the record as it is now."""
        blocks, seals = self._blocks(), files_of(self)
        if self.protocol is CardProtocol.T0:
            return _RecordSelection(blocks, FileSelection(seals))
        files = [
            TransparentFile(thai_record.fid_of(number), thai_record.sfi_of(number), content, thai_record.ACCESS)
            for number, content in blocks.items()
        ]
        first = files[0] if 0 in blocks else None
        return _RecordSelection(blocks, FileSelection([*files, *seals], first))

    def store(self, groupings: Sequence[DataGrouping]) -> Mapping[str, Value]:
        """Blocks and seals, by their file identifiers."""
        return file_changes(self, _PLACES, groupings)


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
