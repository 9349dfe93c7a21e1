"""What of a card is handed over: fields and answers, as the command line names them, and how the person is told."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecitizen.model import BilingualText, CardReading
    from ecitizen.session import CardSession
    from pki.exchange_package import SealedApplication

    from ..language import Words

Chosen = Mapping[str, tuple[str, ...]]
"""Names by application."""


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Let a command choose what is handed over."""
    parser.add_argument(
        "--field", action="append", default=[], metavar="APP.FIELD", help="hand over this field (repeatable)"
    )
    parser.add_argument(
        "--claim", action="append", default=[], metavar="APP.CLAIM", help="answer this question (repeatable)"
    )


def by_application(names: list[str], what: str) -> dict[str, tuple[str, ...]]:
    """Names as `health_insurance.entitled` by what stands before the dot. Raise UsageError for others."""
    from ecitizen.errors import UsageError

    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        application, dot, rest = name.partition(".")
        if not (application and dot and rest):
            raise UsageError(f"{name!r} is no {what}; it is written like health_insurance.{what}")
        if rest in found.get(application, ()):
            raise UsageError(f"{name} is named twice; name it once")
        found[application] = (*found.get(application, ()), rest)
    return found


def check_chosen(fields: Chosen, claims: Chosen) -> None:
    """Raise UsageError if nothing is chosen, or something that there is not: before a card is asked for anything."""
    from ecitizen.apps import installed_drivers
    from ecitizen.errors import UsageError
    from pki.exchange_claims import CLAIMS

    if not fields and not claims:
        raise UsageError("say what to hand over: --field APP.FIELD or --claim APP.CLAIM")
    known = {driver.name: tuple(driver.fields) for driver in installed_drivers()}
    for application, names in fields.items():
        for name in names:
            if name not in known.get(application, ()):
                raise UsageError(f"there is no field {application}.{name}; `ecitizen card read --json` shows them")
    answers = [f"{claim.application}.{claim.name}" for claim in CLAIMS]
    for application, names in claims.items():
        for name in names:
            if f"{application}.{name}" not in answers:
                raise UsageError(f"there is no claim {application}.{name}; there are {', '.join(answers)}")


def read_chosen(session: "CardSession", fields: Chosen, claims: Chosen) -> "CardReading":
    """Read what is handed over, and what the answers rest on; nothing else leaves the card."""
    from ecitizen.usecases.read_card import read_card
    from pki.exchange_claims import CLAIMS

    needed = {f"{application}.{name}" for application, names in fields.items() for name in names}
    for claim in CLAIMS:
        if claim.name in claims.get(claim.application, ()):
            needed |= {f"{claim.application}.{name}" for name in claim.fields}
    return read_card(session, fields=sorted(needed))


def check_sealed(applications: list[str], fields: Chosen) -> None:
    """Raise UsageError for a seal over what can't have one, or of which nothing is handed over by name."""
    from cardapps.sealed_application import can_be_sealed
    from ecitizen.errors import UsageError

    for application in applications:
        if not can_be_sealed(application):
            raise UsageError(f"{application} is no application that agencies seal")
        if application not in fields:
            raise UsageError(f"--seal {application} goes with a field of it: --field {application}.NAME")


def read_seals(session: "CardSession", applications: list[str]) -> "dict[str, SealedApplication]":
    """Whole applications with the seals of their agencies."""
    if not applications:
        return {}
    from cardapps.sealed_application import read_sealed

    return {name: read_sealed(session, name) for name in applications}


def sealed_lines(applications: list[str], words: "Words") -> list[str]:
    """The same for the person: with a seal goes everything that it is over."""
    from ecitizen.apps import installed_drivers

    names = {driver.name: driver.title for driver in installed_drivers()}
    _ = words.translate
    text = _("all of {application}, with the seal of its agency")
    return [f"  {text.format(application=words.choose(names[application]))}" for application in applications]


def chosen_lines(fields: Chosen, claims: Chosen, words: "Words") -> list[str]:
    """What is handed over, for the person whose card it is; without the values."""
    from ecitizen.apps import installed_drivers
    from pki.exchange_claims import CLAIMS

    labels: dict[str, BilingualText] = {
        f"{driver.name}.{name}": label for driver in installed_drivers() for name, label in driver.fields.items()
    }
    answers = {f"{claim.application}.{claim.name}": claim.text for claim in CLAIMS}
    return [
        f"  {words.choose(texts[f'{application}.{name}'])}"
        for chosen, texts in ((fields, labels), (claims, answers))
        for application, names in chosen.items()
        for name in names
    ]
