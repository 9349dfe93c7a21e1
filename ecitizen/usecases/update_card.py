"""Changing what one application of an issued card says: its bytes that differ, and its agency's seal, in one write."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from ..errors import (
    EncodeError,
    KeyIncorrect,
    StatusError,
    UsageError,
    WrongCard,
)
from ..globalplatform_objects import DataGrouping
from ..issuing_ports import CardTask
from ..jsonio import plain
from ..model import Photo, Problem
from ..ports import IssuableDriver
from ..session import CardSession
from .issue_plan import domain_of, issuable, plan_mismatch, text_problems
from .issuing_office import CardAtDesk, ChangedCard, IssuingOffice, digest, require_same

DGI_PART: Final = 0x8000
"""Beside a file's identifier: the value is two bytes of offset and what goes there."""
_PART_OVERHEAD: Final = 6
"""Bytes that another part costs: identifier, length, offset, and a little for the card's work."""


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """What `update_card` writes on this card. Making one reads the card, and changes nothing."""

    application: str
    fields: tuple[str, ...]
    card_serial: str
    groupings: tuple[tuple[int, int], ...]
    """Identifier and length of each data grouping, the security object left out, whose length its making tells."""
    sealed: bool
    after: Mapping[int, bytes] = field(repr=False)
    parts: Sequence[DataGrouping] = field(repr=False)

    @property
    def changes(self) -> bool:
        """Whether the card says something else now."""
        return bool(self.parts)


def plan_update(
    session: CardSession, application: str, changes: Mapping[str, Any], office: IssuingOffice, *, moment: datetime
) -> UpdatePlan:
    """What `update_card` would write; raise as it does."""
    with session.transaction():
        return _plan_update(CardAtDesk(session, office, moment), application, changes, proved=False)


def update_card(
    session: CardSession, application: str, changes: Mapping[str, Any], office: IssuingOffice, *, moment: datetime
) -> ChangedCard:
    """Change fields of one application, and have its agency sign what it says then; one write, all of it or nothing.

    What stays the same is read through the application's channel before it is signed, so that nobody on the way gets
    something else signed.
    `changes` has values of the model by the names of fields; None blanks one. Raise PlanMismatch for values that
    can't be written, WrongCard for a card that does not have the application or has another task to be finished;
    ReadBackMismatch if the card does not say what was written: then call again.
    """
    with session.transaction():
        desk = CardAtDesk(session, office, moment)
        plan = _plan_update(desk, application, changes, proved=False)
        if plan.changes:  # a card that stays as it is does not even count a channel
            plan = _plan_update(desk, application, changes, proved=True)
        order = json.dumps({"application": application, "changes": _plain_changes(changes)}, sort_keys=True).encode()
        if plan.changes:
            desk.begin_or_resume(CardTask.UPDATE, order)
            _write_update(desk, plan)
            desk.finish()
        elif desk.resume_if(CardTask.UPDATE, order):  # cut after the card had taken it
            desk.finish()
    return ChangedCard(desk.serial, plan.changes)


def _plan_update(desk: CardAtDesk, application: str, changes: Mapping[str, Any], *, proved: bool) -> UpdatePlan:
    scheme = desk.office.scheme
    driver = issuable(scheme, application)
    unknown = [name for name in changes if name not in driver.fields]
    if unknown or not changes:
        raise UsageError(
            f"{application} has no field {', '.join(unknown)}; there are {', '.join(driver.fields)}"
            if unknown
            else "name at least one field to change"
        )
    try:
        before = desk.read_contents(application, proved=proved)
    except KeyIncorrect:
        raise
    except StatusError as error:
        raise WrongCard(f"card {desk.serial} has no readable application {application}: {error}") from error
    seal = scheme.read_file(desk.session, scheme.seal_file)
    known = _problems(driver, application, before, desk.moment)  # which refuses what is no record to begin with
    try:
        after = driver.changed(before, changes)
    except EncodeError as error:
        raise plan_mismatch([_encode_problem(application, error)]) from None
    problems = [each for each in _problems(driver, application, after, desk.moment) if each not in known]
    if problems:
        raise plan_mismatch(problems)
    parts = smallest_changes(before, after)
    sealed = seal is not None
    if sealed and application not in desk.office.authorities.applications:
        raise WrongCard(
            f"{application} is sealed on this card, and nobody in this office seals it; nothing was changed"
        )
    named = tuple((each.dgi, len(each.value)) for each in parts)
    return UpdatePlan(application, tuple(changes), desk.serial, named, sealed, after, parts)


def _problems(driver: IssuableDriver, name: str, contents: Mapping[int, bytes], moment: datetime) -> list[Problem]:
    record = driver.record_of(contents)
    return [*driver.check(record, moment), *text_problems(name, record)]


def _write_update(desk: CardAtDesk, plan: UpdatePlan) -> None:
    scheme, driver = desk.office.scheme, issuable(desk.office.scheme, plan.application)
    groupings = list(plan.parts)
    wanted = dict(plan.after)
    if plan.sealed:
        public_key = desk.binding_key()
        record = driver.record_of(plan.after)
        wanted[scheme.seal_file] = desk.office.authorities.seal(
            plan.application, record, public_key, desk.chip_serial, desk.moment
        )
        groupings.append(DataGrouping(scheme.seal_file, wanted[scheme.seal_file]))
    with desk.step(f"store {plan.application}", partial(digest, wanted)):
        selected = desk.open_to_store(driver.aid, domain_of(scheme, plan.application))
        selected.store_groupings(groupings)
    require_same(f"{plan.application}: file", wanted, desk.read_files(plan.application, sealed=plan.sealed))


def smallest_changes(before: Mapping[int, bytes], after: Mapping[int, bytes]) -> list[DataGrouping]:
    """Data groupings that make one content of another: parts of files that keep their length, and else whole files."""
    found = []
    for fid, content in after.items():
        old = before.get(fid, b"")
        if len(old) != len(content):
            found.append(DataGrouping(fid, content))
            continue
        for begin, end in _differing(old, content):
            found.append(DataGrouping(fid | DGI_PART, begin.to_bytes(2, "big") + content[begin:end]))
    return found


def _differing(old: bytes, new: bytes) -> list[tuple[int, int]]:
    """Where they differ; runs with less between them than another one costs are one."""
    runs: list[tuple[int, int]] = []
    for at, (one, other) in enumerate(zip(old, new, strict=True)):
        if one == other:
            continue
        if runs and at - runs[-1][1] <= _PART_OVERHEAD:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def _encode_problem(application: str, error: EncodeError) -> Problem:
    """The error of a codec, which begins with the field's name."""
    name, separator, message = str(error).partition(": ")
    return (
        Problem(application, name, error.code, message) if separator else Problem(application, None, error.code, name)
    )


def _plain_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as JSON values, a picture by its digest."""
    return {name: value.sha256 if isinstance(value, Photo) else plain(value) for name, value in sorted(changes.items())}
