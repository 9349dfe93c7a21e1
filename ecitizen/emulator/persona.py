"""The people on emulated cards: fictional holders, brought by any installed package."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from ..entry_points import entry_points
from ..errors import ConfigError, UsageError
from ..iso7816.apdu import CardProtocol
from ..model import ApplicationRecord

GROUP_PERSONAS = "ecitizen.personas"
"""Entry points of callables without arguments that give Personas."""


@unique
class Condition(StrEnum):
    """What a holder's card is when it is verified, for whoever makes it."""

    GENUINE = "genuine"
    ALTERED = "altered"
    CLONED = "cloned"
    REVOKED = "revoked"
    EXPIRED = "expired"
    """Its own date says so; nothing else is wrong."""
    UNTRUSTED = "untrusted"
    SUSPENDED = "suspended"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Persona:
    """A fictional holder and the card that they carry."""

    name: str
    description: str
    atrs: Mapping[CardProtocol, bytes]
    """The answer to reset for each protocol that the card can be made for."""
    chip_serial: bytes
    """Eight bytes."""
    applications: Mapping[str, ApplicationRecord]
    """What each application on the card says; an application that is not here is not on the card."""
    condition: Condition = Condition.GENUINE


def installed_personas() -> dict[str, Persona]:
    """All personas by name. Raise ConfigError if two packages bring the same name."""
    found: dict[str, Persona] = {}
    for entry in entry_points(GROUP_PERSONAS):
        source: Callable[[], Iterable[Persona]] = entry.load()
        for persona in source():
            if found.setdefault(persona.name, persona) is not persona:
                raise ConfigError(f"two packages bring a persona {persona.name}; remove one of them")
    return found


def find_persona(name: str) -> Persona:
    """The persona of that name; raise UsageError that lists what there is."""
    found = installed_personas()
    if name not in found:
        raise UsageError(f"no persona {name}; there are {', '.join(sorted(found)) or 'none installed'}")
    return found[name]
