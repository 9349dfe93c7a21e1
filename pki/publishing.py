"""Revocation lists as files: made when they are due, and replaced in one step, so that readers see the old or the new.

A list's number is taken from the register, for good, before the list is signed; a full list counts as published, and
delta lists build on it, when its file is on the medium. So after a power cut a number may be missing, but none comes
twice, and no delta list builds on what nobody has.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final

from ecitizen.errors import FileFailed, UsageError
from ecitizen.ports import Signer

from .addresses import crl_path, delta_path, issuer_path
from .crl import CrlHead, CrlWriter
from .register_records import is_root
from .store import PublishedList, Store
from .template import checked_moment

FULL_EVERY: Final = timedelta(days=1)
FULL_VALIDITY: Final = timedelta(days=7)
DELTA_VALIDITY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class PublishRules:
    """How often lists are made, and how long they hold: longer, so that one failure is no outage."""

    full_every: timedelta = FULL_EVERY
    full_validity: timedelta = FULL_VALIDITY
    delta_validity: timedelta = DELTA_VALIDITY


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A list that was made."""

    path: Path
    number: int
    entries: int
    size: int
    delta: bool


class CrlPublisher:
    """Makes the lists of one authority, as files below a folder that `ca serve` serves."""

    def __init__(
        self,
        store: Store,
        authority: str,
        signer: Signer,
        folder: str | os.PathLike[str],
        rules: PublishRules | None = None,
    ) -> None:
        record = store.authority(authority)
        self._store = store
        self._authority = authority
        self._base_uri = record.base_uri
        self._certificate = record.certificate
        # A root's list says of itself that it is whole: the root's own certificate, which some programs look up as
        # well, points to no part of it.
        self._parted = not is_root(record.certificate)
        self._writer = CrlWriter(signer, record.certificate)
        self._folder = Path(folder)
        self._rules = rules or PublishRules()

    def publish(self, moment: datetime, *, full: bool | None = None) -> tuple[PublishedFile, ...]:
        """Make the lists of all shards: a full one where it is due (or `full` says so), and a delta list always.

        Raise UsageError for a moment before that of the last full list, FileFailed, StoreFailed, and what the signer
        raises.
        """
        now = checked_moment(moment)
        write_content(self._folder / issuer_path(self._authority)[1:], self._certificate)
        made: list[PublishedFile] = []
        for shard in self._store.shards(self._authority):
            made += self._publish_shard(shard, now, full)
        return tuple(made)

    def _publish_shard(self, shard: int, now: datetime, full: bool | None) -> list[PublishedFile]:
        base = self._store.published(self._authority, shard)
        if base is not None and now < base.this_update:
            raise UsageError("the newest full list is from later than that; set this machine's clock")
        due = base is None or now - base.this_update >= self._rules.full_every
        if not (due if full is None else full or base is None):
            assert base is not None
            number = self._store.next_crl_number(self._authority, shard)
            return [self._delta(shard, now, number, base)]
        # A delta list that is made together with a full one has its number and says the same (RFC 5280, 5.2.3); it is
        # for those who still have the full list before.
        number = self._store.next_crl_number(self._authority, shard)
        last_change = self._store.last_change()
        new = PublishedList(number, last_change, now, now + self._rules.full_validity)
        written = self._full(shard, new)
        delta = self._delta(shard, now, number, base or new)
        self._store.record_published(self._authority, shard, new)
        return [written, delta]

    def _full(self, shard: int, new: PublishedList) -> PublishedFile:
        about = CrlHead(
            new.number,
            new.this_update,
            new.next_update,
            point=self._point(shard),
            freshest=self._base_uri + delta_path(self._authority, shard),
        )
        return self._write(crl_path(self._authority, shard), about, shard, None)

    def _delta(self, shard: int, now: datetime, number: int, base: PublishedList) -> PublishedFile:
        about = CrlHead(
            number,
            now,
            now + self._rules.delta_validity,
            point=self._point(shard),
            base_number=base.number,
        )
        return self._write(delta_path(self._authority, shard), about, shard, base.last_change)

    def _point(self, shard: int) -> str | None:
        return self._base_uri + crl_path(self._authority, shard) if self._parted else None

    def _write(self, path: str, about: CrlHead, shard: int, since: int | None) -> PublishedFile:
        target = self._folder / path[1:]
        rows = self._store.revoked_rows(self._authority, shard, since)
        count = 0

        def fill(file: IO[bytes]) -> None:
            nonlocal count
            count = self._writer.write(file, about, rows)

        write_file(target, fill)
        return PublishedFile(target, about.number, count, target.stat().st_size, about.base_number is not None)


def write_file(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file that everybody may read, durably and in one step: at any moment it is the old one or the new one."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise FileFailed(f"can't write {path}: {error.strerror}; nothing was replaced") from None


def write_content(path: Path, content: bytes) -> None:
    """The same with bytes that are at hand."""
    write_file(path, lambda file: file.write(content))


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the medium."""
    if sys.platform != "win32":  # which can't open folders, and keeps a journal of names itself
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
