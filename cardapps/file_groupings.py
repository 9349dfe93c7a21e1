"""Personal data for applications that are made of files: each file is a data grouping, whole or in part.

The data grouping identifier is the file's identifier, and the value the whole content. With the highest bit set it is
a change inside a file that is there: two bytes of offset, and the bytes that go there. The standard leaves the
identifiers to the application (GlobalPlatform Card Specification 2.3.1, 11.11; Common Personalization 2.0).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ecitizen.emulator.applet import CONTENT_MAX, Applet, DataGrouping, Refusal
from ecitizen.emulator.image import Value
from ecitizen.iso7816.status import StatusWord

from . import seal_files

DGI_PART: Final = 0x8000
"""Beside a file identifier: the value is an offset and a part of the content."""
OFFSET_LEN: Final = 2

SEAL_FILES: Final[Mapping[int, str]] = {
    seal_files.FID_APPLICATION_CERTIFICATE: seal_files.APPLICATION_CERTIFICATE,
    seal_files.FID_SECURITY_OBJECT: seal_files.SECURITY_OBJECT,
}
"""The seals, which every such application may have: places in memory by file identifier."""


def file_changes(applet: Applet, files: Mapping[int, str], groupings: Sequence[DataGrouping]) -> dict[str, Value]:
    """What the groupings change in an applet's memory; `files` names the places of its own files in memory.

    Refuse with 6A80 what is no such file, is empty, or does not fit into the file.
    """
    places = {**files, **SEAL_FILES}
    changes: dict[str, Value] = {}
    for each in groupings:
        place = places.get(each.dgi & ~DGI_PART)
        if place is None or not each.value:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        longest = seal_files.FILE_MAX_LEN if place in seal_files.SEALS else CONTENT_MAX
        if len(each.value) > longest:
            raise Refusal(StatusWord.NOT_ENOUGH_MEMORY)
        if each.dgi & DGI_PART:
            before = changes.get(place, applet.memory.get(place))
            changes[place] = _changed(before, each.value)
        else:
            changes[place] = each.value
    return changes


def _changed(before: Value, part: bytes) -> bytes:
    """The content with a part of it replaced."""
    begin, new = int.from_bytes(part[:OFFSET_LEN]), part[OFFSET_LEN:]
    if not isinstance(before, bytes) or not new or begin + len(new) > len(before):
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    return before[:begin] + new + before[begin + len(new) :]
