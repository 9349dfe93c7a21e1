"""What telling genuine cards from others needs of the packages above `ecitizen`: who judges seals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .model import ApplicationRecord, Problem
from .ports import Driver
from .session import CardSession

if TYPE_CHECKING:
    from datetime import datetime

    from .verdict import CardFinding


@dataclass(frozen=True, slots=True)
class ApplicationReading:
    """What an application of a card said when it was read for verification."""

    driver: Driver
    record: ApplicationRecord
    problems: tuple[Problem, ...]


class TrustEvaluator(Protocol):
    """Tells whether a card's data were sealed by those who may, for this very card.

    Entry point group `ecitizen.trust`: a callable of a trust directory (or None, to trust nobody) that takes the
    keywords `offline` and `random_bytes`.
    """

    @property
    def test(self) -> bool:
        """The trusted authorities are for tests only."""
        ...

    def question(self, session: CardSession, readings: Sequence[ApplicationReading]) -> Any:
        """Read the seals of these applications and challenge the card; give the answers for `judge`.

        Raise TransportError if the way to the card fails. All that the card itself does wrong is part of the answers.
        """
        ...

    def judge(
        self, answers: Any, readings: Sequence[ApplicationReading], chip_serial: bytes | None, moment: "datetime"
    ) -> "tuple[CardFinding, ...]":
        """What seals, signers, certificates and answers come to at `moment`; the card is not needed any more."""
        ...
