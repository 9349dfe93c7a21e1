"""Host side of the official's application."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from ecitizen.errors import CardError, CardProtocolError, DecodeError, TransmitFailed
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import NE_SHORT, CardProtocol, CommandApdu
from ecitizen.iso7816.command import OFFSET_MAX, P1_SFI, Ins
from ecitizen.iso7816.files import FileInfo
from ecitizen.model import BilingualText, CivilServant, Problem
from ecitizen.ports import ApplicationResult, PhotoCache, Reading
from ecitizen.session import CardSession

from ..seal_files_words import seal_words
from . import contents, layout


class CivilServantDriver:
    """Reads the official's applet: one EF of BER-TLV."""

    name: ClassVar[str] = layout.NAME
    title: ClassVar[BilingualText] = BilingualText("บัตรประจำตัวเจ้าหน้าที่ของรัฐ", "Civil servant card")
    rank: ClassVar[int] = 30
    aid: ClassVar[bytes] = layout.AID
    fields: ClassVar[Mapping[str, BilingualText]] = MappingProxyType(
        {
            "officer_number": BilingualText("เลขประจำตัวเจ้าหน้าที่", "Officer number"),
            "ministry": BilingualText("กระทรวง", "Ministry"),
            "department": BilingualText("กรม", "Department"),
            "position": BilingualText("ตำแหน่ง", "Position"),
            "level": BilingualText("ระดับ", "Level"),
            "status": BilingualText("สถานะ", "Status"),
            "appointed_date": BilingualText("วันบรรจุ", "Date of appointment"),
            "expiry_date": BilingualText("วันบัตรหมดอายุ", "Date of expiry"),
            "issuing_authority": BilingualText("หน่วยงานผู้ออกบัตร", "Issuing authority"),
            "legal_reference": BilingualText("กฎหมายที่ใช้บังคับ", "Legal reference"),
        }
    )
    photo_field: ClassVar[str | None] = None
    data_groups: ClassVar[Mapping[int, tuple[str, ...]]] = layout.DATA_GROUPS
    expiry_field: ClassVar[str | None] = "expiry_date"

    def expected_exchanges(self, fields: frozenset[str], protocol: CardProtocol) -> int:  # noqa: ARG002 - one file
        """SELECT, and a file of about 1,000 bytes."""
        return 2 if protocol is CardProtocol.T1 else 5

    def command_words(self, command: CommandApdu) -> str | None:
        """Where in the officer's file a read begins."""
        if (found := seal_words(command)) is not None:
            return found
        by_sfi = command.p1 & P1_SFI
        if command.cla != 0x00 or command.ins != Ins.READ_BINARY or command.data:
            return None
        if by_sfi and command.p1 != P1_SFI | layout.SFI_OFFICER:
            return None
        return f"the officer's file from byte {command.p2 if by_sfi else command.p1 << 8 | command.p2}"

    def read(self, session: CardSession, fields: frozenset[str], photos: PhotoCache) -> Reading:  # noqa: ARG002 - has no photo
        """Read the whole EF, and give the fields that are asked for."""
        info = FileInfo.parse(session.select(layout.AID))
        content = bytearray()
        yield from _read_file(session, info, content)
        record, problems = decode(bytes(content), fields)
        yield ApplicationResult(record, tuple(problems))

    # What goes into the card when it is issued or changed; satisfies `ecitizen.ports.IssuableDriver`

    record_type: ClassVar[type[CivilServant]] = CivilServant

    def check(self, record: CivilServant, moment: datetime) -> tuple[Problem, ...]:
        """All that is wrong with a record that is to be on a card from `moment`."""
        return tuple(contents.problems(record, moment))

    def contents(self, record: CivilServant) -> dict[int, bytes]:
        """What its file holds, by identifier; raise EncodeError for what the layout can't hold."""
        return {layout.FID_OFFICER: contents.officer(record)}

    def changed(self, before: Mapping[int, bytes], changes: Mapping[str, Any]) -> dict[int, bytes]:
        """The same file with these fields changed."""
        return {layout.FID_OFFICER: contents.changed(before[layout.FID_OFFICER], changes)}

    def record_of(self, found: Mapping[int, bytes]) -> CivilServant:
        """What a reader makes of the file."""
        return decode(found[layout.FID_OFFICER], frozenset(self.fields))[0]

    def read_contents(self, session: CardSession, *, selected: bytes | None = None) -> dict[int, bytes]:
        """Read the whole file, as long as its template says."""
        content = bytearray()
        information = session.select(layout.AID) if selected is None else selected
        for _ in _read_file(session, FileInfo.parse(information), content):
            pass
        return {layout.FID_OFFICER: bytes(content)}


def _read_file(session: CardSession, info: FileInfo, content: bytearray) -> Iterator[None]:
    """Read the EF into `content`: at once where card and reader take extended length, else in short pieces."""
    link = session.link
    if info.extended_length and link.extended_length is None and session.protocol is CardProtocol.T1:
        link.extended_length = True
    if link.extended_length and info.data_len:
        try:
            content += session.read_binary(0, info.data_len, sfi=layout.SFI_OFFICER)
            yield
        except (CardError, CardProtocolError, TransmitFailed):
            session.require_whole_channel()
            link.extended_length = False
    total = tlv.total_len(bytes(content))
    while total is None or len(content) < total:
        length = NE_SHORT if total is None else min(NE_SHORT, total - len(content))
        content += session.read_binary(len(content), length, sfi=None if content else layout.SFI_OFFICER)
        yield
        total = tlv.total_len(bytes(content))
        if total is None or total > OFFSET_MAX:
            raise DecodeError("the official's application does not begin with a data object that fits its file")


def decode(content: bytes, wanted: frozenset[str]) -> tuple[CivilServant, list[Problem]]:
    """The official's record from the content of its EF; raise DecodeError if it has another form altogether."""
    total = tlv.total_len(content)
    template = tlv.parse_one(content[:total])
    if template.tag != layout.TAG_OFFICER:
        raise DecodeError(f"the official's application has tag {template.tag:X} where {layout.TAG_OFFICER:X} must be")
    children = template.children()
    taken = {entry.tag: entry for entry in children}
    objects = {tag: entry.value for tag, entry in taken.items()}
    problems: list[Problem] = []
    if objects.get(layout.TAG_VERSION) != bytes((layout.VERSION,)):
        message = "the official's application has a version that this reader does not know; it was read as version 1"
        problems.append(Problem(layout.NAME, None, "unknown_layout", message))
    values: dict[str, Any] = {}
    raw: dict[str, bytes] = {}
    if wanted >= {entry.name for entry in layout.OBJECTS}:  # of a part nobody can tell whether it is as sealed
        raw[layout.RAW_REST] = _rest(children, taken)
    for entry in layout.OBJECTS:
        data = objects.get(entry.tag)
        if entry.name not in wanted:
            continue
        if data is None:
            if entry.required:
                problems.append(Problem(layout.NAME, entry.name, "blank", "the card has nothing in this field"))
            continue
        raw[entry.name] = data
        try:
            values[entry.name] = entry.codec.decode(data)
        except DecodeError as error:
            problems.append(Problem(layout.NAME, entry.name, error.code, str(error)))
    return CivilServant(**values, raw=raw), problems


def _rest(children: Sequence[tlv.Tlv], taken: Mapping[int, tlv.Tlv]) -> bytes:
    """All objects but those that a field's value was taken from."""
    fields = {entry.tag for entry in layout.OBJECTS}
    return b"".join(child.encode() for child in children if child.tag not in fields or taken[child.tag] is not child)
