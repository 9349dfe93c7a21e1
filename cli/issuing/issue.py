"""`ecitizen card issue`: a blank card becomes a person's."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from ecitizen.errors import UsageError

from ..exit_codes import ExitCode
from .work import Outcome, PinOut, Write, add_office, add_pin_out, confirm_card, reporting, show, words_of

if TYPE_CHECKING:
    from ecitizen.secret import Pin
    from ecitizen.usecases.issue_plan import CardOrder, IssuePlan, PlannedStep
    from ecitizen.usecases.issuing_office import Deliver

    from ..language import Words


def add_issue(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = issue.__doc__
    parser.add_argument(
        "--from",
        dest="record",
        required=True,
        metavar="RECORD",
        help="what the card is to be: JSON or CSV; docs/issuing.md",
    )
    parser.add_argument("--line", type=int, metavar="N", help="of a CSV file with several cards: which line, from 2")
    add_pin_out(parser, "PIN and PUK")
    add_office(parser, certifying=True)
    parser.set_defaults(run=reporting(issue))


def issue(arguments: argparse.Namespace) -> ExitCode:
    """Make a blank card the card of a record, with keys of its own, certificates and seals; then read it back.

    A run that was cut goes on when the same card and record come again, with a new PIN and PUK.
    """
    from ecitizen.usecases.issue_card import CardTaskState, issue_card, plan_issue_on
    from ecitizen.usecases.open_card import open_card
    from pki.template import utc_now

    from ..output import talk
    from .office import check_order, open_office

    _ = arguments.words.translate
    order, moment = _order(arguments), utc_now()
    check_order(arguments, order, moment)
    deliver = PinOut(arguments, codes=order.keys is None or bool(order.keys))
    with (
        open_office(arguments, moment, certifying=True) as office,
        open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session,
    ):
        found = plan_issue_on(session, order, office, moment=moment)
        serial, issued = found.card_serial, found.state is CardTaskState.ISSUED
        outcome = Outcome(serial, arguments.dry_run, found.state, not issued, 0, ())
        if found.state is CardTaskState.UNFINISHED:
            text = _("An earlier try on card {serial} was cut, and this goes on from there; its PIN and PUK are void.")
            talk(text.format(serial=serial))
        if not issued:
            outcome = replace(outcome, writes=tuple(_writes(found.plan, words_of(arguments))))
        if not arguments.dry_run:
            if not issued:
                confirm_card(arguments, _("Card {serial} will be issued. Type its serial to go on: "), serial)
            meant = replace(order, chip_serial=bytes.fromhex(serial))
            with _Progress(outcome.writes) as progress:
                watched = replace(office, on_step=progress.show)
                done = issue_card(session, meant, watched, deliver=progress.interrupted_by(deliver), moment=moment)
            outcome = replace(outcome, changed=done.changed, revoked=done.revoked)
        deliver.close()
    text = _("Card {serial} is issued, and everything on it was read back.")
    if issued:
        text = _("Card {serial} was issued from this record already; it was read back, and nothing was written.")
    show(arguments, outcome, text)
    if outcome.changed and office.transport.unsafe:
        talk(_("Everybody knows the keys that it came with, and may have listened: for tests only."))
    return ExitCode.OK


class _Progress:
    """A bar while a card is issued, which takes seconds on plastic. It is a context manager."""

    def __init__(self, writes: Sequence[Write]) -> None:
        from ..output import ProgressBar

        self._bar = ProgressBar()
        self._percent = 0
        self._at = {write.name: 100 * number // len(writes) for number, write in enumerate(writes)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.clear()

    def show(self, step: str) -> None:
        """A step begins; some are not in the plan, and stand where the last one that is does."""
        self._percent = max(self._percent, self._at.get(step, 0))
        self._bar.show(self._percent, step)

    def interrupted_by(self, deliver: "Deliver") -> "Deliver":
        """The same, but without a bar where the codes may be written."""

        def delivered(pin: "Pin", puk: "Pin | None") -> None:
            self._bar.clear()
            deliver(pin, puk)

        return delivered


def _order(arguments: argparse.Namespace) -> "CardOrder":
    """The order in the file; raise PlanMismatch with all that is wrong with it."""
    from pathlib import Path

    from cardapps.issuance_record import RECORD_MAX_LEN, load_order, orders_from_csv
    from ecitizen.usecases.issue_plan import plan_mismatch

    from ..files import read_file

    path, line = arguments.record, arguments.line
    if not path.lower().endswith(".csv"):
        if line is not None:
            raise UsageError("--line is for CSV files; a JSON record is one card")
        return load_order(path)
    rows = list(orders_from_csv(read_file(path, RECORD_MAX_LEN), folder=Path(path).parent))
    wanted = [row for row in rows if line in {None, row.line}]
    if len(wanted) != 1:
        there = ", ".join(str(row.line) for row in rows[:10]) or "none"
        raise UsageError(f"say which line with --line N; there are {there}{' ...' if len(rows) > 10 else ''}")
    [row] = wanted
    if row.order is None:
        raise plan_mismatch(row.problems)
    return row.order


def _writes(plan: "IssuePlan", words: "Words") -> Iterator[Write]:
    """All that is done, in order; the names are those of the plan's steps."""
    for step in plan.steps:
        yield Write(step.name, _words(step, plan, words), step.content_len)


def _words(step: "PlannedStep", plan: "IssuePlan", words: "Words") -> str:
    """What a step is, in the language spoken."""
    _ = words.translate
    kind, _space, what = step.name.partition(" ")
    if kind == "store":
        return _store_words(what, plan, words)
    texts = {
        "domain": _("install the security domain {what}, with keys of its own"),
        "install": _("install {what} in the domain {domain}"),
        "key": _("make a key {algorithm} on the card in slot {what}, and certify it"),
        "codes": _("set a random PIN and PUK, and a management key of this card"),
        "read": _("read everything back and compare it"),
        "rotate": _("replace the keys of the card's maker by keys of this card"),
        "secured": _("hand out PIN and PUK, and secure the card") if plan.keys else _("secure the card"),
    }
    domains = {each.name: each.domain.name for each in plan.applications}
    keys = {f"{slot:02X}": algorithm for slot, algorithm in plan.keys.items()}
    return texts[kind].format(what=what, domain=domains.get(what), algorithm=keys.get(what))


def _store_words(name: str, plan: "IssuePlan", words: "Words") -> str:
    _ = words.translate
    [application] = [each for each in plan.applications if each.name == name]
    files = ", ".join(
        _("file {file} ({len:,} bytes)").format(file=f"{fid:04X}", len=len(content))
        for fid, content in application.contents.items()
    )
    sealed = _("write {application}: {files}; sealed by its agency")
    unsealed = _("write {application}: {files}; not sealed")
    return (sealed if application.sealed else unsealed).format(application=name, files=files)
