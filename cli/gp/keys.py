"""`ecitizen gp keys new` and `ecitizen gp keys rotate`: master keys, and from them the keys of a card."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..exit_codes import ExitCode
from .work import ISSUER, add_domain, add_keys, add_token_pin, named, select
from .work import domain as named_domain

if TYPE_CHECKING:
    from ecitizen.globalplatform import DomainSession
    from ecitizen.key_providers import KeyProvider
    from ecitizen.session import CardSession

    from ..language import Words
    from .key_source import CardKeySource

KVN_MAX = 0x7F


@dataclass(frozen=True, slots=True)
class KeyWrite:
    """What PUT KEY writes into a domain."""

    domain: str
    """AID, upper-case hex."""
    replaces: int
    """The key version that goes; the new ones stand in its place."""
    kvn: int
    """The key version that comes."""
    check_values: tuple[str, ...]
    """Of the new keys ENC, MAC and DEK: three bytes each, by which they are recognised without being shown."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What `gp keys rotate` does to a card."""

    chip_serial: str
    writes: tuple[KeyWrite, ...]
    management_key: bool
    """That of the signing application (9B) is replaced, too."""
    unsafe: bool
    """Everybody knows the new keys."""

    @property
    def changes(self) -> bool:
        """Whether anything is written."""
        return bool(self.writes) or self.management_key


def add_new(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = new_master.__doc__
    parser.add_argument(
        "name", metavar="KEYS", help="the file to write, or pkcs11:token=...;object=...?module-path=..."
    )
    parser.add_argument(
        "--key-version",
        type=key_version,
        default=1,
        metavar="N",
        help="version of the cards' keys, 1 to 127 (default: 1)",
    )
    add_token_pin(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=new_master)


def add_rotate(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = rotate.__doc__
    add_keys(parser, what="the keys that it has; of an issued card, if not given, the office's", required=False)
    add_keys(parser, "--new-keys", "the keys that it gets")
    parser.add_argument("--office", metavar="FILE", help="who has issued the card; docs/issuing.md")
    add_token_pin(parser)
    parser.add_argument("--dry-run", action="store_true", help="write nothing, say what would be written")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    add_domain(parser, None, "default: the whole card if an office has issued it, else the issuer's")
    parser.set_defaults(run=rotate)


def key_version(text: str) -> int:
    """A key version on the command line. Raise ValueError, of which argparse makes a message with our name."""
    value = int(text)
    if not 0 < value <= KVN_MAX:
        raise ValueError
    return value


def new_master(arguments: argparse.Namespace) -> ExitCode:
    """Make a master key, of which every card and every domain gets keys of its own.

    In a file, which only its owner may read, or better in a token, which never lets it out. Whoever has it can manage
    all its cards.
    """
    from ..output import print_json, talk
    from ..prompts import Secrets
    from .key_source import CardKeySource

    with CardKeySource(Secrets(arguments)) as source:
        source.new(arguments.name, arguments.key_version)
    if arguments.json:
        print_json({"schema_version": 1, "keys": arguments.name, "kvn": arguments.key_version})
    _ = arguments.words.translate
    talk(_("The master key is made. Keep it well: without it no card that has its keys can be managed again."))
    return ExitCode.OK


def rotate(arguments: argparse.Namespace) -> ExitCode:
    """Replace the keys of a card: of all domains of one that an office has issued, else of one domain.

    If the card has the new keys already, nothing is done, and a run that was cut goes on: it can be repeated.
    """
    from ecitizen.usecases.open_card import open_card

    from ..output import talk
    from ..prompts import Secrets
    from .key_source import CardKeySource
    from .whole_card import is_whole, rotate_card

    _ = arguments.words.translate
    with (
        CardKeySource(Secrets(arguments)) as source,
        open_card(arguments.reader, wait=arguments.wait, wrap=arguments.wrap) as session,
    ):
        with session.transaction():
            serial = _serial_of(session)
        if is_whole(arguments, session, serial):
            rotation = rotate_card(arguments, session, serial, source)
        else:
            rotation = _rotate_domain(arguments, session, serial, source)
    _show(arguments, rotation)
    if rotation.unsafe:
        talk(_("Everybody knows these keys: whoever has this card can manage it. For tests only."))
    return ExitCode.OK


def ask(arguments: argparse.Namespace, serial: str) -> None:
    """Have the card's serial typed, unless the command line said yes."""
    from ..prompts import confirm

    _ = arguments.words.translate
    if not arguments.yes:
        question = _("The keys of card {serial} will be replaced. Type its serial to go on: ")
        confirm(question.format(serial=serial), serial, "--yes")


def require_card(session: "CardSession", serial: str) -> None:
    """Raise UsageError if the card is no longer the one that was looked at and asked about."""
    from ecitizen.errors import UsageError

    with session.transaction():
        if _serial_of(session) != serial:
            raise UsageError("the card in the reader is another one now; nothing was written")


def _serial_of(session: "CardSession") -> str:
    """The chip's, 16 hex digits."""
    return select(session, named_domain(ISSUER)).chip_serial().hex().upper()


def _rotate_domain(
    arguments: argparse.Namespace, session: "CardSession", serial: str, source: "CardKeySource"
) -> Rotation:
    from ecitizen.errors import UsageError

    if arguments.keys is None:
        raise UsageError("say which keys the domain has: --keys KEYS")
    old, new = source.open(arguments.keys), source.open(arguments.new_keys)
    wanted, chip_serial = arguments.domain or named_domain(ISSUER), bytes.fromhex(serial)
    with session.transaction():
        write = _wanted(select(session, wanted, chip_serial), old, new)
    if write is not None and not arguments.dry_run:
        ask(arguments, serial)
        with session.transaction():
            require_card(session, serial)
            _write(select(session, wanted, chip_serial), old, new)
    return Rotation(serial, () if write is None else (write,), False, new.unsafe)


def _wanted(domain: "DomainSession", old: "KeyProvider", new: "KeyProvider") -> KeyWrite | None:
    """What must be written, None if it stands there already. Nothing is written to find out, and no key is tried.

    Raise KeyIncorrect or CryptogramWrong if the card does not have the keys that it should have, UsageError if the
    new version is taken by others.
    """
    from ecitizen.errors import CryptogramWrong, KeyIncorrect, UsageError
    from ecitizen.iso7816.status import StatusWord

    known = {each.kvn for each in domain.key_information()}
    if new.kvn in known and domain.probe(new):
        return None
    if old.kvn not in known:
        raise KeyIncorrect(
            f"the domain has no keys of version {old.kvn:02X}; look with `ecitizen gp info` which ones it has",
            StatusWord.REFERENCED_DATA_NOT_FOUND,
        )
    if not domain.probe(old):
        raise CryptogramWrong(f"the domain has other keys of version {old.kvn:02X} than these; none was tried on it")
    if new.kvn in known - {old.kvn}:
        raise UsageError(
            f"the domain has other keys of version {new.kvn:02X} already; make new ones of another version"
        )
    values = new.check_values(domain.context())
    return KeyWrite(domain.aid.hex().upper(), old.kvn, new.kvn, tuple(each.hex().upper() for each in values))


def _write(domain: "DomainSession", old: "KeyProvider", new: "KeyProvider") -> None:
    """Replace the keys of a domain, and prove that it has the new ones."""
    domain.open_channel(old)
    domain.put_keys(new, replace=old.kvn)
    domain.open_channel(new)


def _show(arguments: argparse.Namespace, rotation: Rotation) -> None:
    from ecitizen.jsonio import plain

    from ..output import print_json, talk

    _ = arguments.words.translate
    serial = rotation.chip_serial
    if arguments.json:
        facts = {"chip_serial": serial, "dry_run": arguments.dry_run, "management_key": rotation.management_key}
        print_json({"schema_version": 1, **facts, "writes": plain(rotation.writes)})
    if not rotation.changes:
        talk(_("Card {serial} has these keys already; nothing was written.").format(serial=serial))
    elif not arguments.dry_run:
        talk(_("Card {serial} has new keys, and only these open it now.").format(serial=serial))
    elif not arguments.json:
        print("\n".join(_foreseen(rotation, arguments.words)))


def _foreseen(rotation: Rotation, words: "Words") -> Iterator[str]:
    _ = words.translate
    yield _("Nothing was written. With card {serial} this would be done:").format(serial=rotation.chip_serial)
    if rotation.management_key:
        yield _("  replace the management key (9B) of the signing application")
    text = _("  {domain}: keys of version {new} in the place of version {old}, check values {values}")
    for write in rotation.writes:
        shown, values = named(bytes.fromhex(write.domain)).shown(words), " ".join(write.check_values)
        yield text.format(domain=shown, new=f"{write.kvn:02X}", old=f"{write.replaces:02X}", values=values)
