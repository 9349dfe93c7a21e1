"""The office that issues cards, opened: authorities, keys of cards, journal, as one file says.

The file is TOML, and no secret is in it. Names of files are as seen from where it lies:

    issuer = "Department of Provincial Administration"   printed on cards; ASCII
    authorities = "ca"                                   a folder of `ecitizen ca init`, or "test"
    keys = "master.json"                                 a master key, as for --keys
    transport = "test"                                   keys of cards as they come from their maker
    journal = "journal.sqlite"                           what was begun and done on which card

Without a file only card images are issued, by the test hierarchy and with the keys that --keys names.
"""

import argparse
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ecitizen.errors import FileFailed, UsageError

from ..gp.key_source import PKCS11, TEST_KEYS, CardKeySource

if TYPE_CHECKING:
    from datetime import datetime

    from ecitizen.registry.journal import SqliteJournal
    from ecitizen.usecases.issue_plan import CardOrder
    from ecitizen.usecases.issuing_office import CardKeys, IssuingOffice

TEST_AUTHORITIES: Final = "test"
_NAMES: Final = ("issuer", "authorities", "keys", "transport", "journal")


@dataclass(frozen=True, slots=True)
class OfficeSettings:
    """What an office's file says."""

    authorities: str
    """A folder, or `test` for the test hierarchy."""
    keys: str
    """Of issued cards, by a name as for --keys."""
    transport: str
    """Of cards as they come from their maker, by such a name."""
    journal: Path
    issuer: str | None
    """As it is printed on cards; None for the usual words."""


def office_settings(arguments: argparse.Namespace) -> OfficeSettings:
    """What the office's file says, and the command line beside it.

    Raise UsageError if there is no such file where one is needed, or it says what can't be.
    """
    from ..folders import journal_file

    content, folder = _content(arguments)
    keys = arguments.keys or _from(folder, content.get("keys"))
    if keys is None:
        raise UsageError("say whose keys the cards have: --keys KEYS, or keys = ... in the office's file")
    journal = _from(folder, content.get("journal"))
    return OfficeSettings(
        authorities=_from(folder, content.get("authorities")) or TEST_AUTHORITIES,
        keys=keys,
        transport=_from(folder, content.get("transport")) or TEST_KEYS,
        journal=Path(journal) if journal else journal_file(),
        issuer=content.get("issuer"),
    )


def _content(arguments: argparse.Namespace) -> tuple[dict[str, str], Path]:
    from ecitizen.usecases.open_card import VIRTUAL_PREFIX

    from ..files import read_file
    from ..folders import office_file

    named = arguments.office or str(office_file())
    if arguments.office is None and not office_file().is_file():
        if (arguments.reader or "").startswith(VIRTUAL_PREFIX):
            return {}, Path()
        raise UsageError(f"no office is set up: write {named}, or name a file with --office; docs/issuing.md")
    try:
        content = tomllib.loads(read_file(named).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{named} is not the TOML of an office: {error}") from None
    for name, value in content.items():
        if name not in _NAMES:
            raise UsageError(f"{named} says {name!r}, which no office has; there are {', '.join(_NAMES)}")
        if not isinstance(value, str) or not value or not value.isprintable():
            raise UsageError(f"{named}: {name} must be a text, not empty and of one line")
    if not content.get("issuer", "").isascii():
        raise UsageError(f"{named}: issuer is printed on cards in ASCII; give the Latin form of the name")
    if "authorities" not in content:
        raise UsageError(f'{named} names no authorities: a folder of `ecitizen ca init`, or "test"')
    return content, Path(named).parent


def _from(folder: Path, name: str | None) -> str | None:
    """A name as seen from the current folder; a token, and what is called test, are where they are."""
    if name is None or name in {TEST_AUTHORITIES, TEST_KEYS} or name.startswith(PKCS11):
        return name
    return str(folder / name)


@contextmanager
def open_office(
    arguments: argparse.Namespace,
    moment: "datetime",
    *,
    certifying: bool = False,
    source: CardKeySource | None = None,
) -> "Iterator[IssuingOffice]":
    """The office of the command line, until the block is left. In a dry run nothing of it is written.

    `source` opens the keys of cards, if there is one already: no token is opened twice. An office that is
    `certifying` opens a key of its authorities at once, so that a passphrase is asked for before a card is touched.
    Raise UsageError, KeyUnavailable, PassphraseWrong, StoreFailed, JournalFailed for what can't be opened.
    """
    from cardapps.card_scheme import PRINTED_ISSUER, card_scheme
    from ecitizen.usecases.issuing_office import IssuingOffice

    from ..output import talk
    from ..prompts import Secrets
    from .authorities import foreseen_authorities, open_authorities

    _ = arguments.words.translate
    settings = office_settings(arguments)
    _require_own_descriptors(arguments)
    token = Secrets(argparse.Namespace(words=arguments.words, passphrase_fd=arguments.keys_pin_fd))
    with ExitStack() as closing:
        if source is None:
            source = closing.enter_context(CardKeySource(token))
        keys = issuing_keys(source, settings.keys)
        if certifying and settings.authorities == TEST_AUTHORITIES:
            talk(_("The authorities are those for tests: what they certify is for tests only."))
        yield IssuingOffice(
            scheme=card_scheme(settings.issuer or PRINTED_ISSUER),
            authorities=closing.enter_context(
                foreseen_authorities(arguments, settings.authorities)
                if arguments.dry_run
                else open_authorities(arguments, settings.authorities, moment, certifying=certifying)
            ),
            keys=keys,
            transport=source.open(settings.transport),
            journal=closing.enter_context(_journal(settings.journal, dry_run=arguments.dry_run)),
        )


def is_known(arguments: argparse.Namespace, serial: str) -> bool:
    """Whether the journal of the command line's office has something of a card; without an office, the usual one."""
    from ecitizen.issuing_ports import TaskState

    from ..folders import journal_file, office_file

    there = arguments.office is not None or office_file().is_file()
    content, folder = _content(arguments) if there else ({}, Path())
    path = Path(_from(folder, content.get("journal")) or journal_file())
    if not path.exists():
        return False
    with _journal(path, dry_run=True) as journal:
        entry = journal.latest(serial)
    return entry is not None and entry.state is not TaskState.ABANDONED


def check_order(arguments: argparse.Namespace, order: "CardOrder", moment: "datetime") -> None:
    """Raise PlanMismatch with all that is wrong with an order, before anything is opened or asked for."""
    from cardapps.card_scheme import card_scheme
    from ecitizen.usecases.issue_plan import plan_issue

    from .authorities import foreseen_authorities

    with foreseen_authorities(arguments, office_settings(arguments).authorities) as authorities:
        plan_issue(order, card_scheme(), authorities, moment)


def issuing_keys(source: CardKeySource, name: str) -> "CardKeys":
    """Keys of that name for issued cards; raise UsageError for those that everybody knows."""
    from ecitizen.key_providers import DerivedKeys

    keys = source.open(name)
    if not isinstance(keys, DerivedKeys):
        raise UsageError(
            "cards are never issued with keys that everybody knows; make a master key with `ecitizen gp keys new`"
        )
    return keys


def _require_own_descriptors(arguments: argparse.Namespace) -> None:
    """Each secret has a descriptor of its own here: they are for different holders of keys."""
    given = [
        number
        for number in (getattr(arguments, name, None) for name in ("passphrase_fd", "pin_fd", "keys_pin_fd", "pin_out"))
        if number is not None
    ]
    if len(set(given)) != len(given):
        raise UsageError("each secret needs a file descriptor of its own here")


@contextmanager
def _journal(path: Path, *, dry_run: bool) -> "Iterator[SqliteJournal]":
    """The journal; in a dry run a copy of it, since even reading one in place may write beside it."""
    from ecitizen.registry.journal import SqliteJournal

    if not dry_run:
        _make_folder(path.parent)
        with SqliteJournal.open(path) as journal:
            yield journal
    elif not path.exists():
        with SqliteJournal.in_memory() as journal:
            yield journal
    else:
        with tempfile.TemporaryDirectory() as folder, SqliteJournal.open(_copied(path, Path(folder))) as journal:
            yield journal


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailed(f"can't make {folder}: {error.strerror or error}; choose another place") from None


def _copied(path: Path, folder: Path) -> Path:
    """A copy of a journal, with what of it still lies beside it (SQLite's write-ahead log)."""
    copy = folder / "journal"
    try:
        shutil.copyfile(path, copy)
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name(f"{copy.name}-wal"))
    except OSError as error:
        raise FileFailed(f"can't read the journal {path}: {error.strerror or error}") from None
    return copy
