"""Transparent elementary files, and the standard commands that read them (ISO/IEC 7816-4:2020, 7.2, 7.3, 11.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..iso7816 import tlv
from ..iso7816.access import FREE_TO_READ, TAG_COMPACT_SECURITY_ATTRIBUTES, AccessRule
from ..iso7816.apdu import NE_MAX, NE_SHORT, CommandApdu, ResponseApdu
from ..iso7816.command import P1_SFI, Ins
from ..iso7816.files import FDB_TRANSPARENT_EF, TAG_DATA_LEN, TAG_FCP, TAG_FID, TAG_FILE_DESCRIPTOR, TAG_SFI
from ..iso7816.status import StatusWord
from .applet import Refusal, ok, require

P1_SELECT_EF = frozenset({0x00, 0x02})
"""SELECT by file identifier: any file, or an EF under the current DF."""


@dataclass(frozen=True, slots=True)
class TransparentFile:
    """A file of plain bytes, with its 2-byte identifier and its short one (1 to 30)."""

    fid: int
    sfi: int
    content: bytes
    access: AccessRule = FREE_TO_READ

    def fcp(self) -> bytes:
        """File control parameters."""
        return tlv.encode(
            TAG_FCP,
            tlv.encode(TAG_DATA_LEN, len(self.content).to_bytes(2, "big"))
            + tlv.encode(TAG_FILE_DESCRIPTOR, bytes((FDB_TRANSPARENT_EF,)))
            + tlv.encode(TAG_FID, self.fid.to_bytes(2, "big"))
            + tlv.encode(TAG_SFI, bytes((self.sfi << 3,)))
            + tlv.encode(TAG_COMPACT_SECURITY_ATTRIBUTES, self.access.compact()),
        )


class FileSelection:
    """One channel's place in an application's files."""

    def __init__(self, files: Sequence[TransparentFile], current: TransparentFile | None = None) -> None:
        self._files = files
        self._current = current

    def process(self, command: CommandApdu) -> ResponseApdu:
        """SELECT an EF, READ BINARY, and a refusal of UPDATE BINARY; 6D00 to everything else."""
        if command.cla != 0x00:
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        if command.ins == Ins.SELECT:
            return self._select(command)
        if command.ins == Ins.READ_BINARY:
            return self._read_binary(command)
        if command.ins == Ins.UPDATE_BINARY:
            require(self._named(command.p1, command.p2)[0].access.update)
        raise Refusal(StatusWord.INSTRUCTION_NOT_SUPPORTED)

    def _select(self, command: CommandApdu) -> ResponseApdu:
        if command.p1 not in P1_SELECT_EF or command.p2 & ~0x0C:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        fid = int.from_bytes(command.data, "big")
        found = next((file for file in self._files if len(command.data) == 2 and file.fid == fid), None)
        if found is None:
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        self._current = found
        return ok(b"" if command.p2 == 0x0C else found.fcp())

    def _read_binary(self, command: CommandApdu) -> ResponseApdu:
        if command.data:
            raise Refusal(StatusWord.WRONG_LENGTH)
        file, offset = self._named(command.p1, command.p2)
        require(file.access.read)
        if offset >= len(file.content):
            raise Refusal(StatusWord.WRONG_PARAMETERS_P1_P2)
        self._current = file
        ne = command.ne or NE_SHORT
        data = file.content[offset : offset + ne]
        everything = ne in {NE_SHORT, NE_MAX}  # Le = 00: all there is, so no warning that there is less
        whole = everything or len(data) == ne
        return ResponseApdu(data, StatusWord.NO_ERROR if whole else StatusWord.END_REACHED_BEFORE_NE_BYTES)

    def _named(self, p1: int, p2: int) -> tuple[TransparentFile, int]:
        """The file and the offset that P1-P2 of READ BINARY name."""
        if not p1 & P1_SFI:
            if self._current is None:
                raise Refusal(StatusWord.COMMAND_NOT_ALLOWED_NO_CURRENT_EF)
            return self._current, p1 << 8 | p2
        if p1 & 0x60:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        sfi = p1 & 0x1F
        if not sfi and self._current is not None:
            return self._current, p2
        found = next((file for file in self._files if file.sfi == sfi), None)
        if found is None:
            raise Refusal(StatusWord.FILE_OR_APPLICATION_NOT_FOUND)
        return found, p2
