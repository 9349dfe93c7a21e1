"""Nothing that is not asked for personal data has any: each output is searched for every persona's own words.

Searched for: citizen number, names in both languages, house number with street, laser number and pieces of the
portrait, as text, as the bytes of the chip in hex, and in JSON escapes.
"""

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import Persona, installed_personas
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.errors import CardRemoved, EcitizenError
from ecitizen.explain import Narrator, Vocabulary
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.model import CitizenId, Problem
from ecitizen.session import CardSession
from ecitizen.transport.trace import JsonLinesTrace, TextTrace, TracingTransport
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.read_card import read_card

PERSONAS = sorted(installed_personas().values(), key=lambda persona: persona.name)


def secrets(persona: Persona) -> set[str]:
    """What must not be found, in every form that it could take."""
    record = persona.applications["citizen_id"]
    assert isinstance(record, CitizenId)
    admin: Any = persona.applications["card_admin"]
    words = {record.cid, admin.laser_number}
    for name in (record.name_th, record.name_en):
        words |= {name.first, name.last} if name else set()
    if record.address:
        words.add(f"{record.address.house_no} {record.address.moo}".strip())
    texts = {word for word in words if word and len(word) > 3}
    chip = {text.encode("cp874") for text in texts}
    if record.photo:
        jpeg = record.photo.jpeg
        chip |= {jpeg[at : at + 12] for at in range(700, len(jpeg) - 12, 400) if len(set(jpeg[at : at + 12])) > 6}
    found = set(texts)
    for data in chip:
        found |= {data.hex(), data.hex(" "), data.hex().upper(), data.hex(" ").upper(), repr(data)[2:-1]}
    return found | {json.dumps(text)[1:-1] for text in texts}


def damaged(persona: Persona) -> CardImage:
    """The persona's card with a byte out of place in every text field: problems tell of each without its content."""
    sections = sections_for(persona, CardProtocol.T0)
    block = "block1" if isinstance(sections["citizen_id"].get("block1"), bytes) else "block0"
    record = sections["citizen_id"][block]
    assert isinstance(record, bytes)
    content = bytearray(record)
    for offset in (5, 20, 120, 217, 225, 359, 367):
        content[offset] = 0xFF  # no Thai character, no digit
    return CardImage.in_memory({**sections, "citizen_id": {**sections["citizen_id"], block: bytes(content)}})


def traces(persona: Persona) -> Iterator[str]:
    """A redacted trace in both forms, of both protocols."""
    for protocol in CardProtocol:
        for sink in (TextTrace, JsonLinesTrace):
            lines: list[str] = []
            card = card_from_image(CardImage.in_memory(sections_for(persona, protocol)))
            transport = TracingTransport(
                VirtualReader(card).connect(), sink(lines.append), narrate=Narrator(Vocabulary.installed()).words
            )
            read_card(CardSession(transport))
            yield "".join(lines)


def errors(persona: Persona) -> Iterator[str]:
    """Errors, with their tracebacks: of a card pulled out at every tenth exchange, and of data that don't fit."""
    for at in range(1, 60, 10):
        reader = VirtualReader(card_from_image(CardImage.in_memory(sections_for(persona, CardProtocol.T0))))
        transport = reader.connect()
        answer, count = transport.transmit, 0

        def transmit(command: bytes) -> bytes:
            nonlocal count
            count += 1
            if count == at:  # noqa: B023 - called before the next turn
                reader.remove()  # noqa: B023
            return answer(command)  # noqa: B023

        transport.transmit = transmit  # type: ignore[method-assign]
        try:
            read_card(CardSession(transport))
        except CardRemoved as error:
            yield told(error)
    record = persona.applications["citizen_id"]
    assert isinstance(record, CitizenId)
    for bad in (replace(record, cid=f"{record.cid}0"), replace(record, issue_place="x" * 101)):
        try:
            sections_for(replace(persona, applications={**persona.applications, "citizen_id": bad}), CardProtocol.T0)
        except EcitizenError as error:
            yield told(error)


def told(error: EcitizenError) -> str:
    return f"{error} {error!r} {error.args} {''.join(traceback.format_exception(error))}"


def problems(persona: Persona) -> Iterator[str]:
    found: tuple[Problem, ...] = read_card(VirtualReader(card_from_image(damaged(persona)))).problems
    assert len(found) >= 5
    yield from map(repr, found)


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
@pytest.mark.parametrize("source", [traces, errors, problems])
def test_the_library_tells_nothing(persona: Persona, source: Callable[[Persona], Iterator[str]]) -> None:
    words = secrets(persona)
    assert len(words) > 5
    texts = list(source(persona))
    assert texts
    for text in texts:
        assert not [word for word in words if word in text]


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_the_command_tells_nothing(
    persona: Persona, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Commands that are not asked for personal data, on standard output; all commands, on standard error."""
    caplog.set_level(logging.DEBUG)
    image = tmp_path / "card"
    reader = ["--reader", f"virtual:{image}"]
    trace = ["trace", "--out", str(tmp_path / "trace"), "--"]
    main(["emulator", "new", str(image), "--persona", persona.name])
    for arguments in (
        ["emulator", "show", str(image)],
        ["card", "info", *reader],
        ["card", "info", "--json", *reader],
        ["card", "read", "--field", "citizen_id.card_type", *reader],
        ["card", "read", "--field", "citizen_id.card_type", "--json", *reader],
        ["card", "read", "--field", "citizen_id.shoe_size", *reader],
        [*trace, "card", "info", *reader],
    ):
        main(arguments)
    silent = capsys.readouterr()
    main([*trace, "card", "read", "--photo", str(tmp_path / "none" / "photo.jpg"), *reader])
    main([*trace, "card", "read", "--json", *reader])
    main(["card", "read", *reader])
    asked = capsys.readouterr()
    words = secrets(persona)
    for text in (silent.out, silent.err, asked.err, (tmp_path / "trace").read_text("utf-8"), caplog.text):
        assert not [word for word in words if word in text]
    assert [word for word in words if word in asked.out], "the search finds nothing even where it must"
