"""What a check found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum, unique

Translate = Callable[[str], str]
"""Gives an English text in the language of the person."""


@unique
class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """Cards can be read, but not as they could be, or not safely."""
    ERROR = "error"
    """Keeps cards from being read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about this machine. `code` is stable; `text` is for people, and `cure` says what to do."""

    code: str
    severity: Severity
    text: str
    cure: str | None = None


Check = Callable[[Translate], Iterator[Finding]]
