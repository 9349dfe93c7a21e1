"""Conversations written by hand from the reference, played against both sides.

(a) against the driver: it must send exactly these commands, and its record must be the facts beside the transcript.
(b) against the applet: a card personalised from the facts must give exactly these answers.

A transcript's head says what it is for: `# facts: FILE`, `# driver: APPLICATION [without photo]` or `none`, and
`# applet: yes` or `no`.
"""

import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ecitizen.apps import installed_drivers
from ecitizen.emulator.persona import Persona
from ecitizen.errors import AppNotFound
from ecitizen.jsonio import plain, record_from_json
from ecitizen.model import ApplicationRecord, CardAdmin, CitizenId, CivilServant, HealthInsurance, Photo
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.replay import ReplayTransport, Transcript

FOLDER = Path(__file__).parents[2] / "fixtures" / "transcripts"
RECORDS: dict[str, type[ApplicationRecord]] = {
    "citizen_id": CitizenId,
    "health_insurance": HealthInsurance,
    "civil_servant": CivilServant,
    "card_admin": CardAdmin,
}


@dataclass(frozen=True, slots=True)
class Play:
    """A transcript and what its head says."""

    transcript: Transcript
    facts: dict[str, Any]
    application: str | None
    """The driver to play it against."""
    with_photo: bool
    for_applet: bool


def load(path: Path) -> Play:
    text = path.read_text(encoding="utf-8")
    head = dict(re.findall(r"^# (facts|driver|applet): (.+)$", text, re.MULTILINE))
    application, _, rest = head["driver"].partition(" ")
    assert rest in {"", "without photo"}
    assert head["applet"] in {"yes", "no"}
    return Play(
        Transcript.parse(text),
        json.loads((FOLDER / head["facts"]).read_text(encoding="utf-8")),
        None if application == "none" else application,
        with_photo=not rest,
        for_applet=head["applet"] == "yes",
    )


PLAYS = {
    path.stem: load(path) for path in sorted(FOLDER.glob("*.transcript")) if not path.stem.startswith(("piv_", "gp_"))
}
FOR_DRIVER = {name: play for name, play in PLAYS.items() if play.application}
FOR_APPLET = {name: play for name, play in PLAYS.items() if play.for_applet}


def jpeg_of(facts: dict[str, Any]) -> bytes:
    return Transcript.parse(f"> 00\n< {facts['jpeg']}").exchanges[0][1]


def records(facts: dict[str, Any]) -> dict[str, ApplicationRecord]:
    """The facts as values of the model, to make a card of them."""
    result: dict[str, ApplicationRecord] = {}
    for name, content in facts["applications"].items():
        written = {key: value["raw"] if key.endswith("_date") else value for key, value in content.items()}
        photo = written.pop("photo", None)
        record: Any = record_from_json(RECORDS[name], written)
        result[name] = replace(record, photo=Photo(jpeg_of(facts))) if photo else record
    return result


@pytest.mark.parametrize("play", FOR_DRIVER.values(), ids=FOR_DRIVER)
def test_driver_sends_these_commands_and_understands_the_answers(play: Play) -> None:
    assert play.application
    (driver,) = installed_drivers([play.application])
    fields = frozenset(name for name in driver.fields if play.with_photo or name != driver.photo_field)
    with CardSession(ReplayTransport(play.transcript)) as session:
        if play.application not in play.facts["applications"]:
            with pytest.raises(AppNotFound):
                list(driver.read(session, fields, {}))
            return
        results = [result for result in driver.read(session, fields, {}) if result]
    expected = play.facts["applications"][play.application]
    if not play.with_photo:
        expected = expected | {"photo": None}
    assert plain(results[-1].record) == expected
    assert results[-1].problems == ()


@pytest.mark.parametrize("play", FOR_APPLET.values(), ids=FOR_APPLET)
def test_applet_gives_these_answers(play: Play) -> None:
    transcript = play.transcript
    persona = Persona(
        "facts",
        play.facts["about"],
        {transcript.protocol: transcript.atr},
        bytes.fromhex(play.facts["chip_serial"]),
        records(play.facts),
    )
    card = virtual_card(persona, transcript.protocol)
    assert card.power_on() == transcript.atr
    for number, (command, answer) in enumerate(transcript.exchanges, 1):
        assert (number, card.transmit(command).hex(" ")) == (number, answer.hex(" "))


def test_every_application_is_played_on_both_protocols_against_both_sides() -> None:
    played = {
        (play.application, play.transcript.protocol.value)
        for play in PLAYS.values()
        if play.for_applet and play.application in play.facts["applications"]
    }
    assert played == {(name, protocol) for name in RECORDS for protocol in (0, 1)}


def test_every_facts_file_is_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.transcript")]
    used = {name for text in texts for name in re.findall(r"^# facts: (.+)$", text, re.MULTILINE)}
    assert used == {path.name for path in FOLDER.glob("*.json")}


def test_the_portrait_of_the_transcripts_is_a_picture() -> None:
    jpeg = jpeg_of(FOR_DRIVER["citizen_id_0003_t0_photo"].facts)
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.load()
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (1, 1), "L")
    assert jpeg.index(b"\xff\xd9") < jpeg.rindex(b"\xff\xd9") == len(jpeg) - 2
    assert b" " in jpeg
