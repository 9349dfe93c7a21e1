"""What a card is to become, and everything that can be known to be wrong with it before a card is touched."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from ..algorithms import KeyAlgorithm
from ..errors import EncodeError, PlanMismatch, UsageError
from ..issuing_ports import CardAuthorities, CardDomain, CardScheme
from ..model import ApplicationRecord, CardAdmin, Photo, Problem
from ..ports import IssuableDriver

_NO_SERIAL: Final = bytes(8)
_CHIP_SERIAL: Final = re.compile(r"[0-9A-Fa-f]{16}")
_PUBLIC_KEY_LATER: Final = b""
_ISSUER: Final = "issuer"
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class CardOrder:
    """What is ordered: the applications of a card with their records, and the keys to be made on it."""

    applications: Mapping[str, ApplicationRecord] = field(repr=False)
    """By the application's name."""
    keys: Mapping[int, KeyAlgorithm] | None = None
    """By slot, as 0x9A; None for the usual ones, empty for a card without keys, which then can't be sealed."""
    chip_serial: bytes | None = None
    """The 8 bytes of the card that it must be; None for any blank one."""

    def canonical(self) -> bytes:
        """One form of the whole order: two orders are the same if and only if this is. It has personal data."""
        keys = None if self.keys is None else {f"{slot:02X}": str(kind) for slot, kind in sorted(self.keys.items())}
        records = {name: _canonical(record) for name, record in sorted(self.applications.items())}
        content = {"applications": records, "keys": keys}
        return json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class ApplicationPlan:
    """What is written for one application."""

    name: str
    aid: bytes
    domain: CardDomain
    contents: Mapping[int, bytes] = field(repr=False)
    """Each file by its identifier; empty for the application with the keys."""
    sealed: bool
    """Its agency signs the data and certifies the card's key for it."""

    @property
    def content_len(self) -> int:
        """Bytes of all its files, without the seal, whose length only its making tells."""
        return sum(map(len, self.contents.values()))


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One thing that will be done, in words for people and names for programs; without personal data."""

    name: str
    """As the journal calls it."""
    words: str
    content_len: int = 0
    """Bytes that are written, as far as they are known."""


@dataclass(frozen=True, slots=True)
class IssuePlan:
    """What `issue_card` will do. Making one touches nothing."""

    order: CardOrder
    keys: Mapping[int, KeyAlgorithm]
    domains: Sequence[CardDomain]
    """Those that the card gets, the issuer's first."""
    applications: Sequence[ApplicationPlan]

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """Everything that will be written, in order."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[PlannedStep]:
        for domain in self.domains[1:]:
            yield PlannedStep(
                f"domain {domain.name}", f"install the security domain {domain.name} with keys of its own"
            )
        for plan in self.applications:
            yield PlannedStep(
                f"install {plan.name}", f"install {plan.name} and give it to the domain {plan.domain.name}"
            )
        for slot, algorithm in self.keys.items():
            yield PlannedStep(f"key {slot:02X}", f"make a key {algorithm} on the card in slot {slot:02X}, certify it")
        if self.keys:
            yield PlannedStep("codes", "set a random PIN and PUK, and a management key of this card")
        for plan in self.applications:
            if plan.contents:
                files = ", ".join(f"{fid:04X} ({len(content):,} bytes)" for fid, content in plan.contents.items())
                words = f"store {plan.name}: {files}" + (
                    ", and the agency's seal" if plan.sealed else ", without a seal"
                )
                yield PlannedStep(f"store {plan.name}", words, plan.content_len)
        yield PlannedStep("read back", "read everything back and compare it; refuse what everybody knows")
        yield PlannedStep("rotate", "replace the transport keys by keys of this card")
        yield PlannedStep("secured", "deliver PIN and PUK, and secure the card")


def plan_issue(order: CardOrder, scheme: CardScheme, authorities: CardAuthorities, moment: datetime) -> IssuePlan:
    """What `issue_card` would write for this order; raise PlanMismatch with all that is wrong with it."""
    keys = scheme.key_application.usual_keys if order.keys is None else order.keys
    problems = [*_order_problems(order, scheme, moment), *_key_problems(order, scheme, authorities, keys, moment)]
    if problems:
        raise plan_mismatch(problems)
    wanted = [name for name in scheme.drivers if name in order.applications]
    names = [*([scheme.key_application.name] if keys else []), *wanted]
    plans = [_application(name, order, scheme, authorities, bool(keys)) for name in names]
    lived_in = {plan.domain.name for plan in plans}
    domains = [each for each in scheme.domains if each is scheme.domains[0] or each.name in lived_in]
    return IssuePlan(order, MappingProxyType(dict(keys)), domains, plans)


def plan_mismatch(problems: Sequence[Problem]) -> PlanMismatch:
    """The error that lists all problems by their fields; their values are not in it."""
    listed = "; ".join(
        f"{each.application}{'.' + each.field if each.field else ''}: {_bare(each)}" for each in problems
    )
    return PlanMismatch(f"this can't be written, and the card was not touched: {listed}", tuple(problems))


def domain_of(scheme: CardScheme, application: str) -> CardDomain:
    """The domain that an application lives in: one that names it, or the issuer's."""
    return next((each for each in scheme.domains if application in each.applications), scheme.domains[0])


def issuable(scheme: CardScheme, application: str) -> IssuableDriver:
    """The driver of an application that can be written; raise UsageError for another."""
    driver = scheme.drivers.get(application)
    if driver is None:
        raise UsageError(f"no application {application} can be written; there are {', '.join(scheme.drivers)}")
    return driver


def _application(
    name: str, order: CardOrder, scheme: CardScheme, authorities: CardAuthorities, keyed: bool
) -> ApplicationPlan:
    domain = domain_of(scheme, name)
    if name == scheme.key_application.name:
        return ApplicationPlan(name, scheme.key_application.aid, domain, MappingProxyType({}), sealed=False)
    contents = issuable(scheme, name).contents(order.applications[name])
    sealed = keyed and name in authorities.applications
    return ApplicationPlan(name, scheme.drivers[name].aid, domain, MappingProxyType(contents), sealed)


def _order_problems(order: CardOrder, scheme: CardScheme, moment: datetime) -> Iterator[Problem]:
    """Every field of every application that can't be written."""
    if not order.applications:
        yield Problem("card", None, "empty", "nothing is ordered; give at least one application")
    for name, record in order.applications.items():
        driver = scheme.drivers.get(name)
        if driver is None:
            yield Problem(name, None, "unknown", f"there is no such application; there are {', '.join(scheme.drivers)}")
        elif not isinstance(record, driver.record_type):
            yield Problem(name, None, "unknown", "the record is of another application")
        else:
            found = [*driver.check(record, moment), *text_problems(name, record)]
            yield from found
            if not found:
                yield from _unwritable(name, driver, record)
    yield from _contradictions(order)


def text_problems(application: str, record: Any) -> Iterator[Problem]:
    """Each text of a record that has characters which nobody sees: commands to a terminal, turns of the direction of
    writing, ends of lines. A card would hold many of them, and whoever shows it might obey them."""
    for each in fields(record):
        for text in _texts(getattr(record, each.name)):
            unseen = unseen_character(text)
            if unseen is not None:
                message = f"{each.name}: the character {unseen} can't be seen and is not for cards; take it out"
                yield Problem(application, each.name, EncodeError.code, message)
                break


def unseen_character(text: str) -> str | None:
    """The first character of a text that is none to be read, as U+001B; None without any.

    By its general category (Unicode 15.0, 4.5): controls, format characters, surrogates, ends of lines.
    """
    found = next((each for each in text if unicodedata.category(each) in _UNSEEN), None)
    return None if found is None else f"U+{ord(found):04X}"


def _texts(value: Any) -> Iterator[str]:
    """The texts that a field has in it; a part that is only bytes has none."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _texts(getattr(value, each.name))


def _unwritable(name: str, driver: IssuableDriver, record: ApplicationRecord) -> Iterator[Problem]:
    """What the check did not find: that the record can be written is tried, too."""
    try:
        driver.contents(record)
    except EncodeError as error:
        yield Problem(name, None, error.code, str(error))


def _contradictions(order: CardOrder) -> Iterator[Problem]:
    """What no application can find alone: a chip serial that is none, or of another card."""
    admin = order.applications.get("card_admin")
    named = admin.chip_serial if isinstance(admin, CardAdmin) else None
    if named is None:
        return
    if not _CHIP_SERIAL.fullmatch(named):
        yield Problem("card_admin", "chip_serial", EncodeError.code, "a chip serial is 16 hex digits")
    elif order.chip_serial is not None and bytes.fromhex(named) != order.chip_serial:
        yield Problem("card_admin", "chip_serial", "order", "the order names two chips")


def _key_problems(
    order: CardOrder,
    scheme: CardScheme,
    authorities: CardAuthorities,
    keys: Mapping[int, KeyAlgorithm],
    moment: datetime,
) -> Iterator[Problem]:
    """Keys that can't be made, and names that no authority writes into a certificate."""
    application = scheme.key_application
    found = [*application.check(order.applications, keys, moment)]
    if keys and not found:
        found += _issuer_problems(order, scheme, moment)
    yield from found
    if found:
        return
    for slot, algorithm in keys.items():
        request = application.request(slot, _PUBLIC_KEY_LATER, order.applications, _NO_SERIAL.hex().upper())
        refusal = authorities.check(request, algorithm)
        if refusal is not None:
            yield Problem(application.name, f"{slot:02X}", "certificate", refusal)


def _issuer_problems(order: CardOrder, scheme: CardScheme, moment: datetime) -> Iterator[Problem]:
    """The office's own name, which is printed on cards with keys."""
    application, unseen = scheme.key_application, unseen_character(scheme.issuer)
    if unseen is not None:
        message = f"the office's name has the character {unseen}, which can't be seen; take it out"
        yield Problem(application.name, _ISSUER, EncodeError.code, message)
        return
    try:
        application.objects(order.applications, _NO_SERIAL, scheme.issuer, moment, bytes)
    except EncodeError as error:
        yield Problem(application.name, _ISSUER, error.code, str(error))


def expected_serial(order: CardOrder) -> bytes | None:
    """The chip that a planned order is for, if it names one, in either of the two places."""
    admin = order.applications.get("card_admin")
    if order.chip_serial is None and isinstance(admin, CardAdmin) and admin.chip_serial is not None:
        return bytes.fromhex(admin.chip_serial)
    return order.chip_serial


def _canonical(record: Any) -> Any:
    """A record as JSON values, the picture by its digest."""
    from ..jsonio import plain  # late: the record may be checked without

    picture = getattr(record, "photo", None)
    digest = hashlib.sha256(picture.jpeg).hexdigest() if isinstance(picture, Photo) else None
    known = {each.name for each in fields(record)} - {"photo", "raw"}
    return {**{name: plain(getattr(record, name)) for name in sorted(known)}, "photo": digest}


def _bare(problem: Problem) -> str:
    """The message without the field's name, which codecs put before it."""
    return problem.message.removeprefix(f"{problem.field}: ")
