"""Sealed cards for tests: made by the test hierarchy in a folder of the test, then bent in one way or another."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from cardapps.hierarchy import Hierarchy
from cardapps.piv.layout import Slot
from cardapps.sample_cards import sealed_card
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.verify_card import verify_card
from ecitizen.verdict import CardFinding, CardVerification

QUICK_KEYS = {Slot.SIGNATURE: KeyAlgorithm.P_256, Slot.KEY_MANAGEMENT: KeyAlgorithm.P_256}

Sections = dict[str, dict[str, Any]]


class Workshop:
    """A test hierarchy, and the cards that it has sealed: each is made once, and given as a copy."""

    def __init__(self, folder: Path) -> None:
        self.hierarchy = Hierarchy.open(folder)
        self.trust = self.hierarchy.trust_folder
        self._made: Callable[[str, CardProtocol], Sections] = cache(self.make)

    def make(self, persona: str, protocol: CardProtocol) -> Sections:
        return sealed_card(find_persona(persona), protocol, self.hierarchy, keys=QUICK_KEYS)

    def card(self, persona: str = "somchai", protocol: CardProtocol = CardProtocol.T1) -> Sections:
        return deepcopy(self._made(persona, protocol))

    def verify(self, sections: Sections, **options: Any) -> CardVerification:
        options.setdefault("trust", self.trust)
        return verify_card(reader_with(sections), **options)


def reader_with(sections: Sections) -> VirtualReader:
    return VirtualReader(card_from_image(CardImage.in_memory(sections)))


def against(found: CardVerification) -> list[tuple[str | None, str, str]]:
    """Application, check and meaning of all that speaks against the card."""
    return [_row(finding) for finding in found.findings if finding.means is not None]


def _row(finding: CardFinding) -> tuple[str | None, str, str]:
    assert finding.means is not None
    return (finding.application, finding.check, finding.means.value)
