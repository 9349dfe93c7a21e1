"""Host side of the health entitlement application."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.model import BilingualText, HealthInsurance, Problem
from ecitizen.ports import ApplicationResult, PhotoCache, Reading
from ecitizen.session import CardSession
from ecitizen.usecases.read_plan import Span, plan_reads

from ..fields import decode_field
from ..seal_files_words import seal_words
from ..thai_record import READ_LEN_MAX
from ..thai_record_contents import blocks_in, files
from ..thai_record_driver import RecordReader, read_blocks
from ..thai_record_words import read_words
from . import contents, layout


class HealthInsuranceDriver:
    """Reads the NHSO applet."""

    name: ClassVar[str] = layout.NAME
    title: ClassVar[BilingualText] = BilingualText("สิทธิหลักประกันสุขภาพ", "Health insurance")
    rank: ClassVar[int] = 20
    aid: ClassVar[bytes] = layout.AID
    fields: ClassVar[Mapping[str, BilingualText]] = MappingProxyType(
        {
            "main_scheme": BilingualText("สิทธิหลัก", "Main scheme"),
            "sub_scheme": BilingualText("สิทธิย่อย", "Sub-scheme"),
            "main_hospital": BilingualText("หน่วยบริการหลัก", "Main hospital"),
            "sub_hospital": BilingualText("หน่วยบริการรอง", "Secondary hospital"),
            "paid_type": BilingualText("ประเภทการชำระ", "Payment type"),
            "issue_date": BilingualText("วันเริ่มสิทธิ", "Date of issue"),
            "expiry_date": BilingualText("วันสิ้นสุดสิทธิ", "Date of expiry"),
            "update_date": BilingualText("วันปรับปรุงข้อมูล", "Date of update"),
            "hospital_changes": BilingualText("จำนวนครั้งที่เปลี่ยนหน่วยบริการ", "Hospital changes"),
        }
    )
    photo_field: ClassVar[str | None] = None
    data_groups: ClassVar[Mapping[int, tuple[str, ...]]] = layout.DATA_GROUPS
    expiry_field: ClassVar[str | None] = None

    def expected_exchanges(self, fields: frozenset[str], protocol: CardProtocol) -> int:
        """SELECT, and the reads."""
        spans = (Span(field.offset, field.end) for field in layout.FIELDS if field.name in fields)
        return 1 + len(plan_reads(spans, READ_LEN_MAX)) * (2 if protocol is CardProtocol.T0 else 1)

    def command_words(self, command: CommandApdu) -> str | None:
        """Which fields a read brings."""
        return seal_words(command) or read_words(command, layout.FIELDS)

    def read(self, session: CardSession, fields: frozenset[str], photos: PhotoCache) -> Reading:  # noqa: ARG002 - has no photo
        """All fields that are asked for, at once."""
        reader = RecordReader(session, layout.AID)
        table = [field for field in layout.FIELDS if field.name in fields]
        yield from reader.fetch_fields(table)
        problems = [Problem(layout.NAME, None, error.code, str(error)) for error in reader.refusals]
        values: dict[str, Any] = {}
        for field in table:
            values[field.name], problem = decode_field(layout.NAME, field, reader.field(field))
            problems += [problem] if problem else []
        raw = {field.name: data for field in table if (data := reader.field(field))}
        yield ApplicationResult(HealthInsurance(**values, raw=raw), tuple(problems))

    # What goes into the card when it is issued or changed; satisfies `ecitizen.ports.IssuableDriver`

    record_type: ClassVar[type[HealthInsurance]] = HealthInsurance

    def check(self, record: HealthInsurance, moment: datetime) -> tuple[Problem, ...]:
        """All that is wrong with a record that is to be on a card from `moment`."""
        return tuple(contents.problems(record, moment))

    def contents(self, record: HealthInsurance) -> dict[int, bytes]:
        """What its file holds, by identifier; raise EncodeError for what the layout can't hold."""
        return files(contents.blocks(record))

    def changed(self, before: Mapping[int, bytes], changes: Mapping[str, Any]) -> dict[int, bytes]:
        """The same file with these fields changed."""
        return files(contents.changed(blocks_in(before), changes))

    def record_of(self, found: Mapping[int, bytes]) -> HealthInsurance:
        """What a reader makes of the file."""
        return contents.record_of(blocks_in(found))

    def read_contents(self, session: CardSession, *, selected: bytes | None = None) -> dict[int, bytes]:
        """Read the whole file."""
        return files(read_blocks(RecordReader(session, layout.AID, selected), {0: layout.RECORD_LEN}))
