"""Targets: what stands in the applications' records, and the records in JSON."""

import contextlib
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from cardapps.card_admin import layout as card_admin
from cardapps.citizen_id import layout as citizen_id
from cardapps.citizen_id.jpeg import find_end
from cardapps.civil_servant import layout as civil_servant
from cardapps.civil_servant.driver import decode as decode_officer
from cardapps.fields import decode_field, encode_field
from cardapps.health_insurance import layout as health_insurance
from ecitizen.emulator.persona import installed_personas
from ecitizen.errors import DecodeError
from ecitizen.jsonio import plain, record_from_json
from ecitizen.model import ApplicationRecord, CardAdmin, CitizenId, CivilServant, HealthInsurance

from .target import Target, transcripts

FIELDS = (
    *citizen_id.TEXT_FIELDS_0003,
    *citizen_id.TEXT_FIELDS_0002,
    *health_insurance.FIELDS,
    card_admin.LASER_NUMBER,
)
RECORDS: dict[str, type[ApplicationRecord]] = {
    "citizen_id": CitizenId,
    "health_insurance": HealthInsurance,
    "civil_servant": CivilServant,
    "card_admin": CardAdmin,
}
KINDS = tuple(RECORDS.values())


def check_fields(data: bytes) -> None:
    """A field is decoded or refused; what is decoded is written so that it decodes alike."""
    field = FIELDS[data[0] % len(FIELDS)] if data else FIELDS[0]
    raw = data[1 : 1 + field.length]
    value, problem = decode_field("fuzz", field, raw)
    assert problem is None or value is None
    if len(raw) < field.length:
        assert problem
        value, problem = decode_field("fuzz", field, raw.ljust(field.length))
    if value is not None:
        json.dumps(plain(value))
        again = encode_field(field, value)
        assert len(again) == field.length
        assert decode_field("fuzz", field, again) == (value, None)


def field_seeds() -> Iterator[bytes]:
    numbers = {id(field): number for number, field in enumerate(FIELDS)}
    for persona in installed_personas().values():
        for name, fields in (
            ("citizen_id", citizen_id.TEXT_FIELDS_0003),
            ("health_insurance", health_insurance.FIELDS),
            ("card_admin", (card_admin.LASER_NUMBER,)),
        ):
            record = persona.applications.get(name)
            for field in fields if record else ():
                yield bytes((numbers[id(field)],)) + encode_field(field, getattr(record, field.name))


def check_officer(data: bytes) -> None:
    """The official's file, which is BER-TLV of our own layout."""
    wanted = frozenset(entry.name for entry in civil_servant.OBJECTS)
    with contextlib.suppress(DecodeError):
        record, _ = decode_officer(data, wanted)
        json.dumps(plain(record))
        for entry in civil_servant.OBJECTS:
            value = getattr(record, entry.name)
            if value is not None:
                assert entry.codec.decode(entry.codec.encode(value)) == value
    for entry in civil_servant.OBJECTS:
        with contextlib.suppress(DecodeError):
            json.dumps(plain(entry.codec.decode(data)))


def officer_seeds() -> Iterator[bytes]:
    for transcript in transcripts():
        yield from (answer[:-2] for _, answer in transcript.exchanges if answer[:1] == b"\xe0")
    for persona in installed_personas().values():
        record = persona.applications.get("civil_servant")
        for entry in civil_servant.OBJECTS if record else ():
            if (value := getattr(record, entry.name)) is not None:
                yield entry.codec.encode(value)


def check_jpeg(data: bytes) -> None:
    """The end of a picture is the same, however much of what follows is known, and unknown while it is not there."""
    try:
        end = find_end(data)
    except DecodeError:
        return
    if end is None:
        return
    assert 2 <= end <= len(data)
    assert data[end - 2 : end] == b"\xff\xd9"
    assert find_end(data[:end]) == end
    assert find_end(data[:end] + b"  \xff\xd9 ") == end
    for short in {0, 1, 2, end // 2, end - 1}:
        assert find_end(data[:short]) is None


def jpeg_seeds() -> Iterator[bytes]:
    head = b"\xff\xd8\xff\xe0\x00\x04JF"
    yield head + b"\xff\xc0\x00\x04ab\xff\xda\x00\x04cd12\xff\x00\xff\xd0 3\xff\xd9   "
    yield head + b"\xff\xff\xfe\x00\x04\xff\xd9\xff\xda\x00\x02\xff\xff\xd9"
    for persona in installed_personas().values():
        record = persona.applications.get("citizen_id")
        if isinstance(record, CitizenId) and record.photo:
            yield record.photo.jpeg[:700] + record.photo.jpeg[-40:]


def check_record_json(data: bytes) -> None:
    """JSON from anywhere becomes a record or a DecodeError; a record's own JSON becomes the same record."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    for kind in KINDS:
        with contextlib.suppress(DecodeError):
            record: Any = record_from_json(kind, document)
            written = {name: value for name, value in plain(record).items() if name != "photo"}
            assert record_from_json(kind, json.loads(json.dumps(written))) == record


def record_seeds() -> Iterator[bytes]:
    for persona in installed_personas().values():
        for record in persona.applications.values():
            content = {name: value for name, value in plain(record).items() if name != "photo"}
            yield json.dumps(content, ensure_ascii=False).encode()
            for one, other in pairwise(content):  # small ones are quicker to change
                yield json.dumps({one: content[one], other: content[other]}).encode()


TARGETS = (
    Target("fields", check_fields, field_seeds, max_len=170, weight=150),
    Target("officer", check_officer, officer_seeds, max_len=1024, weight=50),
    Target("jpeg", check_jpeg, jpeg_seeds, max_len=1024, weight=200),
    Target("record_json", check_record_json, record_seeds, max_len=2048, weight=30),
)
