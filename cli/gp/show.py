"""`ecitizen gp info` and `ecitizen gp list`: what a card's management says, without a key and with one."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..exit_codes import ExitCode
from .work import add_domain, add_keys, add_token_pin, named, select

if TYPE_CHECKING:
    from ecitizen.globalplatform import DomainSession
    from ecitizen.globalplatform_objects import RegistryEntry
    from ecitizen.key_providers import KeyProvider
    from ecitizen.model import LinkStats, Problem

    from ..language import Words

T = TypeVar("T")

APPLICATION = "gp"
ABSENT = frozenset({"status", "not_supported", "security_status_not_satisfied"})
"""Errors by which a card says that it does not have what was asked for: many lack the one or the other."""


@dataclass(frozen=True, slots=True)
class KeyVersionFacts:
    """One version of keys that a domain has."""

    kvn: int
    algorithm: str
    """`aes128`, `aes192`, `aes256`, or the type that the card names, in hex."""
    keys: int
    """How many keys of this version there are."""
    test_keys: bool
    """They are the published test keys, as the card itself has proved."""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A security domain as it shows itself without a key; None is what it does not tell."""

    domain: str
    """AID, upper-case hex, as are all bytes here."""
    name: str | None
    chip_serial: str | None
    version: str | None
    """Of the GlobalPlatform Card Specification."""
    secure_channels: tuple[str, ...]
    """Protocol and its parameter, as `SCP03 i=70`."""
    keys: tuple[KeyVersionFacts, ...]
    sequence_counter: int | None
    iin: str | None
    cin: str | None
    test_keys: bool
    """Anybody can manage the card: it holds the published test keys."""
    problems: "tuple[Problem, ...]"
    link: "LinkStats"


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """Something that is installed on a card."""

    kind: str
    """`issuer_domain`, `domain`, `application` or `load_file`."""
    aid: str
    name: str | None
    life_cycle: str
    locked: bool
    privileges: tuple[str, ...]
    domain: str | None
    modules: tuple[str, ...]


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = show_info.__doc__
    add_domain(parser)
    parser.add_argument("--dry-run", action="store_true", help="the same: nothing is written in any case")
    parser.set_defaults(run=show_info)


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = show_list.__doc__
    add_keys(parser)
    add_token_pin(parser)
    parser.add_argument("--dry-run", action="store_true", help="open no channel, which the card would count")
    add_domain(parser)
    parser.set_defaults(run=show_list)


def show_info(arguments: argparse.Namespace) -> ExitCode:
    """Say what a security domain tells everybody: chip, standard, keys, numbers; and whether the keys are safe.

    Nothing on the card changes. The published test keys are known by the card's own proof, without trying them on it.
    """
    from ecitizen.jsonio import plain
    from ecitizen.usecases.open_card import open_card

    from ..output import print_json, printable

    with (
        open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session,
        session.transaction(),
    ):
        facts = _Look(select(session, arguments.domain)).facts()
    if arguments.json:
        print_json({"schema_version": 1, **plain(facts)})
    else:
        print("\n".join(map(printable, _lines(facts, arguments.words))))
    return ExitCode.PROBLEMS if facts.problems else ExitCode.OK


class _Look:
    """One look at a domain. What goes wrong with a part of it is noted, and the rest still told."""

    def __init__(self, domain: "DomainSession") -> None:
        self._domain = domain
        self._problems: list[Problem] = []

    def facts(self) -> DomainFacts:
        domain = self._domain
        begun = domain.session.stats
        serial = self._try("chip_serial", domain.chip_serial)
        recognition = self._try("version", domain.recognition)
        iin, cin = self._try("iin", domain.iin), self._try("cin", domain.cin)
        sequence = self._try("sequence_counter", domain.sequence_counter)
        keys = tuple(self._keys(known=serial is not None))
        version = ".".join(map(str, recognition.version)) if recognition else ""
        channels = recognition.secure_channels if recognition else ()
        return DomainFacts(
            domain=domain.aid.hex().upper(),
            name=named(domain.aid).name,
            chip_serial=_hex(serial),
            version=version or None,
            secure_channels=tuple(f"SCP{protocol:02X} i={options:02X}" for protocol, options in channels),
            keys=keys,
            sequence_counter=sequence,
            iin=_hex(iin),
            cin=_hex(cin),
            test_keys=any(each.test_keys for each in keys),
            problems=tuple(self._problems),
            link=domain.session.stats_since(begun),
        )

    def _keys(self, *, known: bool) -> Iterator[KeyVersionFacts]:
        from ecitizen.globalplatform_objects import versions
        from ecitizen.key_providers import StaticKeys

        found = self._try("keys", self._domain.key_information) or ()
        test = StaticKeys.published()
        for kvn in versions(found):
            keys = [each for each in found if each.kvn == kvn]
            probing = known and kvn == test.kvn  # a version by another number is not tried: some cards count that
            proved = bool(probing and self._try("keys", lambda: self._domain.probe(test)))
            yield KeyVersionFacts(kvn, _algorithm(keys[0].key_type, keys[0].length), len(keys), proved)

    def _try(self, part: str, look: Callable[[], T]) -> T | None:
        from ecitizen.errors import CardError, CardProtocolError
        from ecitizen.model import Problem

        try:
            return look()
        except (CardError, CardProtocolError) as error:
            if error.code not in ABSENT:
                self._problems.append(Problem(APPLICATION, part, error.code, str(error)))
            return None


def _algorithm(key_type: int, length: int) -> str:
    from ecitizen.secure_channel.handshake import KEY_TYPE_AES

    return f"aes{8 * length}" if key_type == KEY_TYPE_AES else f"{key_type:02X}"


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex().upper()


def _lines(facts: DomainFacts, words: "Words") -> Iterator[str]:
    from ..output import NOTHING, problem_text

    _ = words.translate
    yield f"{_('Security domain')}: {named(bytes.fromhex(facts.domain)).shown(words)}"
    yield f"{_('Chip serial')}: {facts.chip_serial or NOTHING}"
    yield f"GlobalPlatform: {facts.version or NOTHING}"
    yield f"{_('Secure channels')}: {', '.join(facts.secure_channels) or NOTHING}"
    yield f"{_('Channels opened')}: {NOTHING if facts.sequence_counter is None else facts.sequence_counter}"
    yield f"IIN: {facts.iin or NOTHING}"
    yield f"CIN: {facts.cin or NOTHING}"
    if not facts.keys:
        yield f"{_('Keys')}: {_('none')}"
    for each in facts.keys:
        unsafe = _(", the published test keys") if each.test_keys else ""
        yield f"{_('Keys')} {each.kvn:02X}: {each.keys} × {each.algorithm}{unsafe}"
    if facts.test_keys:
        yield "! " + _("Everybody knows these keys: whoever has this card can manage it. For tests only.")
    for problem in facts.problems:
        yield f"! {problem_text(problem, words)}"


def show_list(arguments: argparse.Namespace) -> ExitCode:
    """Say what is installed on the card: domains, applications, and what they were installed from.

    Opens a secure channel, which the card counts; all else stays as it is.
    """
    from ecitizen.jsonio import plain
    from ecitizen.usecases.open_card import open_card

    from ..output import print_json, printable
    from ..prompts import Secrets
    from .key_source import CardKeySource

    with CardKeySource(Secrets(arguments)) as source:
        keys = source.open(arguments.keys)
        with (
            open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session,
            session.transaction(),
        ):
            domain = select(session, arguments.domain)
            serial = domain.chip_serial()
            entries = () if arguments.dry_run else tuple(_entries(domain, keys))
    if arguments.json:
        facts = {"domain": domain.aid.hex().upper(), "chip_serial": serial.hex().upper()}
        print_json({"schema_version": 1, **facts, "dry_run": arguments.dry_run, "entries": plain(entries)})
    elif arguments.dry_run:
        _ = arguments.words.translate
        text = _("A channel to card {serial} would be opened with keys of version {kvn}. Nothing else would change.")
        print(text.format(serial=serial.hex().upper(), kvn=f"{keys.kvn:02X}"))
    else:
        print("\n".join(map(printable, _entry_lines(entries, arguments.words))))
    return ExitCode.OK


def _entries(domain: "DomainSession", keys: "KeyProvider") -> Iterator[EntryFacts]:
    from ecitizen.errors import StatusError
    from ecitizen.globalplatform_objects import Privilege, RegistryKind
    from ecitizen.secure_channel.handshake import SecurityLevel

    domain.open_channel(keys, at_least=SecurityLevel.C_MAC)
    for entry in domain.get_status(RegistryKind.ISSUER_DOMAIN):
        yield _entry("issuer_domain", entry)
    for entry in domain.get_status(RegistryKind.APPLICATIONS):
        yield _entry("domain" if Privilege.SECURITY_DOMAIN in entry.privileges else "application", entry)
    try:
        files = domain.get_status(RegistryKind.LOAD_FILES_AND_MODULES)
    except StatusError:  # many cards do not list modules, and refuse in one way or another
        files = domain.get_status(RegistryKind.LOAD_FILES)
    for entry in files:
        yield _entry("load_file", entry)


def _entry(kind: str, entry: "RegistryEntry") -> EntryFacts:
    return EntryFacts(
        kind,
        entry.aid.hex().upper(),
        _name(entry.aid),
        _life_cycle(kind, entry),
        kind != "issuer_domain" and entry.locked,
        tuple((each.name or "").lower() for each in entry.privileges),
        _hex(entry.domain),
        tuple(each.hex().upper() for each in entry.modules),
    )


def _name(aid: bytes) -> str | None:
    """What we call a domain or an application."""
    from ecitizen.apps import installed_drivers

    domain = named(aid).name
    return domain or next((driver.name for driver in installed_drivers() if driver.aid == aid), None)


def _life_cycle(kind: str, entry: "RegistryEntry") -> str:
    """A name of the standard, or what the application made of it, in hex."""
    from ecitizen.globalplatform_objects import LOCKED, ApplicationLifeCycle, CardLifeCycle

    try:
        if kind == "issuer_domain":
            return CardLifeCycle(entry.life_cycle).name.lower()
        if kind == "load_file":
            return "loaded" if entry.life_cycle == 1 else f"{entry.life_cycle:02X}"
        return ApplicationLifeCycle(entry.life_cycle & ~LOCKED).name.lower()
    except ValueError:
        return f"{entry.life_cycle:02X}"


def _entry_lines(entries: tuple[EntryFacts, ...], words: "Words") -> Iterator[str]:
    _ = words.translate
    kinds = {
        "issuer_domain": _("Issuer's domain"),
        "domain": _("Security domain"),
        "application": _("Application"),
        "load_file": _("Load file"),
    }
    for each in entries:
        name = f" ({each.name})" if each.name else ""
        locked = f", {_('locked')}" if each.locked else ""
        yield f"{kinds[each.kind]} {each.aid}{name}: {each.life_cycle}{locked}"
        if each.domain and each.kind != "issuer_domain":
            yield f"  {_('belongs to')} {named(bytes.fromhex(each.domain)).shown(words)}"
        if each.privileges:
            yield f"  {_('may')}: {', '.join(each.privileges)}"
        if each.modules:
            yield f"  {_('modules')}: {', '.join(each.modules)}"
