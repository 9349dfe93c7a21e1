"""Fictional holders of sample cards: one JSON file each, and a portrait that `draw` made.

All are invented. Their citizen numbers have valid check digits and registration offices that do not exist.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from ecitizen.emulator.persona import Condition, Persona
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.jsonio import record_from_json
from ecitizen.model import ApplicationRecord, CardAdmin, CitizenId, CivilServant, HealthInsurance, Photo

_RECORDS: Mapping[str, type[ApplicationRecord]] = MappingProxyType(
    {
        "citizen_id": CitizenId,
        "health_insurance": HealthInsurance,
        "civil_servant": CivilServant,
        "card_admin": CardAdmin,
    }
)


def personas() -> Iterator[Persona]:
    """All personas of this package, in order of name (entry point `ecitizen.personas`)."""
    folder = files(__name__)
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            yield _load(folder, json.loads(entry.read_text(encoding="utf-8")))


def _load(folder: Traversable, data: dict[str, Any]) -> Persona:
    applications: dict[str, ApplicationRecord] = {}
    for name, kind in _RECORDS.items():
        if data[name] is not None:
            content = dict(data[name])
            photo = content.pop("photo", None)
            record: Any = record_from_json(kind, content)
            if photo:
                record = replace(record, photo=Photo(folder.joinpath(photo).read_bytes()))
            applications[name] = record
    return Persona(
        data["name"],
        data["description"],
        {
            CardProtocol.T0: bytes.fromhex(data["atr"]["t0"]),
            CardProtocol.T1: bytes.fromhex(data["atr"]["t1"]),
        },
        bytes.fromhex(data["card_admin"]["chip_serial"]),
        applications,
        Condition(data.get("condition", Condition.GENUINE)),
    )
