"""Host side of the citizen's ID application."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from ecitizen.errors import DecodeError, StatusError
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.model import BilingualText, CitizenId, Photo, Problem
from ecitizen.ports import ApplicationResult, PhotoCache, Reading
from ecitizen.session import CardSession
from ecitizen.usecases.read_plan import Span, plan_reads, widen

from ..fields import BLANK, Field, decode_field
from ..seal_files_words import seal_words
from ..thai_record import READ_LEN_MAX
from ..thai_record_contents import blocks_in, files
from ..thai_record_driver import RecordReader, read_blocks
from ..thai_record_words import read_words
from . import contents, layout
from .jpeg import find_end

_PHOTO_KEY = frozenset({"cid", "request_number"})
"""What tells that a portrait read earlier is of this very card."""


class CitizenIdDriver:
    """Reads the MOI applet: layouts 0003 and 0002."""

    name: ClassVar[str] = layout.NAME
    title: ClassVar[BilingualText] = BilingualText("บัตรประจำตัวประชาชน", "Citizen ID card")
    rank: ClassVar[int] = 10
    aid: ClassVar[bytes] = layout.AID
    fields: ClassVar[Mapping[str, BilingualText]] = MappingProxyType(
        {
            "cid": BilingualText("เลขประจำตัวประชาชน", "Citizen number"),
            "name_th": BilingualText("ชื่อภาษาไทย", "Name in Thai"),
            "name_en": BilingualText("ชื่อภาษาอังกฤษ", "Name in English"),
            "birth_date": BilingualText("วันเกิด", "Date of birth"),
            "sex": BilingualText("เพศ", "Sex"),
            "request_number": BilingualText("เลขคำขอมีบัตร", "Request number"),
            "issue_place": BilingualText("สถานที่ออกบัตร", "Place of issue"),
            "issuer_code": BilingualText("รหัสผู้ออกบัตร", "Issuer code"),
            "issue_date": BilingualText("วันออกบัตร", "Date of issue"),
            "expiry_date": BilingualText("วันบัตรหมดอายุ", "Date of expiry"),
            "card_type": BilingualText("ประเภทบัตร", "Card type"),
            "address": BilingualText("ที่อยู่", "Address"),
            "photo_number": BilingualText("เลขใต้รูปถ่าย", "Number under the photo"),
            "layout_version": BilingualText("รุ่นของข้อมูล", "Layout version"),
            "photo": BilingualText("รูปถ่าย", "Photo"),
        }
    )
    photo_field: ClassVar[str | None] = layout.PHOTO_NAME
    data_groups: ClassVar[Mapping[int, tuple[str, ...]]] = layout.DATA_GROUPS
    expiry_field: ClassVar[str | None] = "expiry_date"

    def expected_exchanges(self, fields: frozenset[str], protocol: CardProtocol) -> int:
        """SELECT, and the reads of layout 0003 with a photo that fills its field."""
        reads = _text_reads(fields, READ_LEN_MAX)
        photo = Span(layout.PHOTO_0003.offset, layout.PHOTO_0003.end)
        if layout.PHOTO_NAME in fields:
            reads = plan_reads([*widen(reads, photo, READ_LEN_MAX), photo], READ_LEN_MAX)
        return 1 + len(reads) * (2 if protocol is CardProtocol.T0 else 1)

    def command_words(self, command: CommandApdu) -> str | None:
        """Which fields a read brings: of layout 0003, and of block 1, which only layout 0002 has."""
        fields_0002 = (*layout.TEXT_FIELDS_0002, layout.PHOTO_0002)
        old = (field for field in fields_0002 if field.block != layout.LAYOUT_VERSION.block)
        return seal_words(command) or read_words(command, (*layout.TEXT_FIELDS_0003, layout.PHOTO_0003, *old))

    def read(self, session: CardSession, fields: frozenset[str], photos: PhotoCache) -> Reading:
        """Text first, then the photo, unless `photos` has it."""
        reader = RecordReader(session, layout.AID)
        with_photo = layout.PHOTO_NAME in fields
        needed = fields | _PHOTO_KEY if with_photo else fields

        yield from reader.fetch(0, _text_reads(needed, reader.longest)[0])
        if reader.field(layout.LAYOUT_VERSION) is None:  # a shorter block than the read: ask for the version alone
            yield from reader.fetch(0, Span(0, layout.LAYOUT_VERSION.end))
        text_fields, photo = _layout_of(reader)
        table = [field for field in text_fields if field.name in needed]
        yield from reader.fetch_fields(table, bonus=photo if with_photo else None)

        values, problems = _decode(reader, table, fields)
        raw = {field.name: data for field in table if field.name in fields and (data := reader.field(field))}
        yield ApplicationResult(CitizenId(**values, raw=raw), tuple(problems))
        if not with_photo:
            return

        key = _photo_key(reader, table)
        jpeg = photos.get(key) if key else None
        if jpeg is None:
            refused = len(reader.refusals)
            yield from _fetch_photo(reader, photo)
            problems += _refusals(reader.refusals[refused:])
            raw[photo.name] = reader.block(photo.block).prefix(Span(photo.offset, photo.end))
            jpeg, problem = _decode_photo(raw[photo.name], photo.length)
            problems += [problem] if problem else []
            if key and jpeg:
                photos[key] = jpeg
        result = CitizenId(**values, photo=Photo(jpeg) if jpeg else None, raw=raw)
        yield ApplicationResult(result, tuple(problems))

    # What goes into the card when it is issued or changed; satisfies `ecitizen.ports.IssuableDriver`

    record_type: ClassVar[type[CitizenId]] = CitizenId

    def check(self, record: CitizenId, moment: datetime) -> tuple[Problem, ...]:
        """All that is wrong with a record that is to be issued at `moment`."""
        return tuple(contents.problems(record, moment))

    def contents(self, record: CitizenId) -> dict[int, bytes]:
        """What its files hold, by identifier; raise EncodeError for what the layout can't hold."""
        return files(contents.blocks(record))

    def changed(self, before: Mapping[int, bytes], changes: Mapping[str, Any]) -> dict[int, bytes]:
        """The same files with these fields changed."""
        return files(contents.changed(blocks_in(before), changes))

    def record_of(self, found: Mapping[int, bytes]) -> CitizenId:
        """What a reader makes of these files."""
        return contents.record_of(blocks_in(found))

    def read_contents(self, session: CardSession, *, selected: bytes | None = None) -> dict[int, bytes]:
        """Read whole files: one of layout 0003, two of 0002."""
        reader = RecordReader(session, layout.AID, selected)
        found = read_blocks(reader, {0: layout.RECORD_LEN})
        old = found[0].startswith(layout.VERSION_0002.encode())
        return files(read_blocks(reader, layout.BLOCK_LENS_0002) if old else found)


def _text_reads(wanted: frozenset[str], longest: int) -> list[Span]:
    """The reads for layout 0003; the first one begins with the layout's version, which says whether it is that."""
    fields = [field for field in layout.TEXT_FIELDS_0003 if field.name in wanted]
    return plan_reads((Span(field.offset, field.end) for field in [layout.LAYOUT_VERSION, *fields]), longest)


def _layout_of(reader: RecordReader) -> tuple[tuple[Field, ...], Field]:
    """Text fields and photo field of the layout that this card has."""
    version = reader.field(layout.LAYOUT_VERSION)
    if version == layout.VERSION_0002.encode():
        return layout.TEXT_FIELDS_0002, layout.PHOTO_0002
    return layout.TEXT_FIELDS_0003, layout.PHOTO_0003


def _decode(reader: RecordReader, table: list[Field], wanted: frozenset[str]) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems = _refusals(reader.refusals)
    for field in table:
        if field.name not in wanted:
            continue
        values[field.name], problem = decode_field(layout.NAME, field, reader.field(field))
        if problem:
            problems.append(problem)
    version = values.get("layout_version")
    if version is not None and version not in {layout.VERSION_0002, layout.VERSION_0003}:
        message = "the card has a layout that this version does not know; it was read as 0003"
        problems.append(Problem(layout.NAME, "layout_version", "unknown_layout", message))
    return values, problems


def _refusals(errors: list[StatusError]) -> list[Problem]:
    return [Problem(layout.NAME, None, error.code, str(error)) for error in errors]


def _photo_key(reader: RecordReader, table: list[Field]) -> tuple[str, str] | None:
    values = {
        field.name: decode_field(layout.NAME, field, reader.field(field))[0]
        for field in table
        if field.name in _PHOTO_KEY
    }
    cid, request_number = values["cid"], values["request_number"]
    return (cid, request_number) if cid and request_number else None


def _fetch_photo(reader: RecordReader, photo: Field) -> Iterator[None]:
    """Read on until the JPEG ends, or it shows that there is none."""
    block, span = reader.block(photo.block), Span(photo.offset, photo.end)
    while gaps := block.gaps(span):
        known = block.prefix(span)
        try:
            if find_end(known) is not None:
                return
        except DecodeError:
            return
        start, end = gaps[0]
        yield from reader.fetch(photo.block, Span(start, min(end, start + reader.longest)))
        if len(block.prefix(span)) == len(known):
            return  # refused: what there is will be judged as it is


def _decode_photo(data: bytes, length: int) -> tuple[bytes | None, Problem | None]:
    def problem(code: str, message: str) -> Problem:
        return Problem(layout.NAME, layout.PHOTO_NAME, code, message)

    if not data.strip(BLANK):
        return None, problem("blank", "the card has nothing in this field")
    try:
        end = find_end(data)
    except DecodeError as error:
        return None, problem(error.code, str(error))
    if end is None and len(data) < length:
        return None, problem("missing", "the card gave less data than the field has")
    if end is None:
        return None, problem(DecodeError.code, "the photo on the card has no end; its last part is missing")
    return data[:end], None
