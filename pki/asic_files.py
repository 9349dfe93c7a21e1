"""Containers as files: ZIP (ISO/IEC 21320-1), read so strictly that it holds the files that it lists and nothing else.

Two programs must not see two things in one container: no data before, between or behind the files, no name twice, no
path that leads out of it, nothing encrypted, and bounds on what it unpacks to.
"""

import io
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from ecitizen.errors import FileFailed, UsageError

from .errors import Malformed
from .signed import DEFAULT_BOUNDS, SignedBounds
from .signed_files import PIECE_LEN, Content, Document, Readable

MIMETYPE: Final = "mimetype"
META: Final = "META-INF/"

_LOCAL: Final = b"PK\x03\x04"
_END: Final = b"PK\x05\x06"
_END_LEN: Final = 22
_LOCATOR_64: Final = b"PK\x06\x07"
_LOCATOR_64_LEN: Final = 20
_LISTING_MAX_LEN: Final = 16 * 1024 * 1024
_ENCRYPTED: Final = 0x1
_LENGTH_BEHIND: Final = 0x8
_DESCRIPTOR_LENS: Final[tuple[int, ...]] = (12, 16)
_UNICODE_PATH: Final = 0x7075
"""Info-ZIP's second name (APPNOTE 4.6.9)."""
_BROKEN: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class EntryContent(Content):
    """A file in a container, unpacked piece by piece."""

    container: "Container" = field(repr=False)
    name: str

    def pieces(self) -> Iterator[bytes]:
        """Its bytes; raise Malformed if they can't be unpacked."""
        return self.container.pieces(self.name)


class Container:
    """A container that was read strictly; a context manager. Names are in the order of the files."""

    def __init__(self, zipped: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], *, hidden: bool) -> None:
        self._zipped = zipped
        self._entries = entries
        self.hidden = hidden
        """Whether there is something before, between or behind the files."""
        self.comment = bool(zipped.comment)

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        self._zipped.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all files, folders left out."""
        return tuple(self._entries)

    @property
    def files(self) -> tuple[str, ...]:
        """Of the files that people put in."""
        return tuple(name for name in self._entries if name != MIMETYPE and not name.startswith(META))

    def is_stored(self, name: str) -> bool:
        """Whether it is there byte for byte."""
        return self._entries[name].compress_type == zipfile.ZIP_STORED and not self._entries[name].extra

    def content(self, name: str) -> EntryContent:
        """A file, to be read piece by piece."""
        return EntryContent(Document(b""), array("Q", (0, self._entries[name].file_size)), self, name)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file; raise Malformed if they can't be unpacked."""
        try:
            with self._zipped.open(self._entries[name]) as file:
                while piece := file.read(PIECE_LEN):
                    yield piece
        except _BROKEN:
            raise Malformed(f"the file {name} in the container is damaged") from None
        except OSError as error:
            raise FileFailed(f"cannot read the container: {error.strerror or type(error).__name__}") from None

    def read(self, name: str, max_len: int) -> bytes:
        """A small file; raise Malformed if it is longer, or damaged."""
        if self._entries[name].file_size > max_len:
            raise Malformed(f"the file {name} in the container is longer than {max_len} bytes")
        return b"".join(self.pieces(name))


def open_container(data: Readable, bounds: SignedBounds = DEFAULT_BOUNDS) -> Container:
    """Read a container; raise Malformed for what is none, for one that could be read in two ways, and for too much.

    Raise FileFailed if the file can't be read.
    """
    try:
        with Document(data) as document:
            _check_end(document, bounds)
            zipped = zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else Path(data))
            entries = _entries(zipped, bounds)
            hidden = _has_gaps(document, zipped, list(entries.values()))
        named = {name: entry for name, entry in entries.items() if not name.endswith("/")}
        return Container(zipped, named, hidden=hidden)
    except _BROKEN:
        raise Malformed("this is no ZIP container that can be read") from None
    except OSError as error:
        raise FileFailed(f"cannot read the container: {error.strerror or type(error).__name__}") from None


def _check_end(document: Document, bounds: SignedBounds) -> None:
    """The list of files must be of a size to be read, before anything reads it."""
    tail = document.read(max(document.size - _END_LEN - 0xFFFF, 0), _END_LEN + 0xFFFF)
    at = tail.rfind(_END)
    if at < 0 or at + _END_LEN > len(tail):
        raise Malformed("this is no ZIP container")
    count, listing_len = struct.unpack_from("<HI", tail, at + 10)
    if tail[max(at - _LOCATOR_64_LEN, 0) : at].startswith(_LOCATOR_64) or count == 0xFFFF:
        raise Malformed("the container is in the form for more than 4 GB, which is not read here")
    if count > bounds.entries_max or listing_len > _LISTING_MAX_LEN:
        raise Malformed(f"the container has more than {bounds.entries_max} files")


def _entries(zipped: zipfile.ZipFile, bounds: SignedBounds) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    expanded = 0
    for entry in zipped.infolist():
        name = entry.orig_filename
        if name in found:
            raise Malformed("a name is twice in the container")
        if not is_safe_name(name.rstrip("/")):
            raise Malformed("a name in the container leads out of it, or can't be a file's")
        if entry.flag_bits & _ENCRYPTED:
            raise Malformed("a file in the container is encrypted")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Malformed("a file in the container is packed in a way that is not used here")
        expanded += entry.file_size
        if expanded > bounds.expanded_max_len or len(found) == bounds.entries_max:
            raise Malformed("the container unpacks to more than will be read")
        found[name] = entry
    if len({name.casefold() for name in found}) != len(found):
        raise Malformed("two names in the container differ in capital letters only")
    return found


def is_safe_name(name: str) -> bool:
    """Whether a name stays in the container, and can be a file's on every system."""
    parts = name.split("/")
    return (
        name.isprintable()
        and not set(name) & set('\\:*?"<>|')
        and len(name) <= 1024
        and all(part not in {"", ".", ".."} for part in parts)
    )


def _has_gaps(document: Document, zipped: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> bool:
    """Whether the files don't lie one behind the other, from the beginning up to the list of them at the end."""
    at = 0
    behind: tuple[int, ...] = (0,)
    for entry in sorted(entries, key=lambda each: each.header_offset):
        head = document.read(entry.header_offset, 30)
        if entry.header_offset - at not in behind or head[:4] != _LOCAL or len(head) < 30:
            return True
        name_len, extra_len = struct.unpack_from("<HH", head, 26)
        behind_head = document.read(entry.header_offset + 30, name_len + extra_len)
        if behind_head[:name_len] != _raw_name(entry) or _contradicts(head, entry):
            return True
        if _renames(entry.extra) or _renames(behind_head[name_len:]):
            return True
        at = entry.header_offset + 30 + name_len + extra_len + entry.compress_size
        behind = _DESCRIPTOR_LENS if entry.flag_bits & _LENGTH_BEHIND else (0,)
    end = document.size - _END_LEN - len(zipped.comment)
    listing = zipped.start_dir
    return listing - at not in behind or document.read(end, 4) != _END


def _contradicts(head: bytes, entry: zipfile.ZipInfo) -> bool:
    """Whether a file's own head says something else than the list of files."""
    flags, method = struct.unpack_from("<HH", head, 6)
    sizes = struct.unpack_from("<III", head, 14)
    known = (entry.CRC, entry.compress_size, entry.file_size)
    return bool(
        (flags, method) != (entry.flag_bits, entry.compress_type)
        or (sizes != known and not (flags & _LENGTH_BEHIND and sizes == (0, 0, 0)))
    )


def _renames(extra: bytes) -> bool:
    """Whether extra fields give the file another name, which some programs take and others don't."""
    at = 0
    while at + 4 <= len(extra):
        kind, count = struct.unpack_from("<HH", extra, at)
        if kind == _UNICODE_PATH:
            return True
        at += 4 + count
    return False


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")


# Writing


class ContainerWriter:
    """Writes a container: its type first, then files as they come, all of them stored byte for byte."""

    def __init__(self, file: IO[bytes], mimetype: str, moment: datetime) -> None:
        self._zipped = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False)
        year = moment.astimezone(UTC)
        self._time = (min(max(year.year, 1980), 2107), year.month, year.day, year.hour, year.minute, year.second)
        self.add(MIMETYPE, [mimetype.encode("ascii")])

    def add(self, name: str, pieces: Iterator[bytes] | list[bytes]) -> None:
        """Add a file; raise UsageError if there would be more than 4 GB."""
        entry = zipfile.ZipInfo(name, self._time)
        entry.external_attr = 0o644 << 16
        try:
            with self._zipped.open(entry, "w") as file:
                for piece in pieces:
                    file.write(piece)
        except (zipfile.LargeZipFile, RuntimeError):
            raise UsageError("a container holds less than 4 GB; sign the file alone, detached") from None

    def close(self) -> None:
        """Write the list of files."""
        self._zipped.close()


@contextmanager
def container_written(file: IO[bytes], mimetype: str, moment: datetime) -> Iterator[ContainerWriter]:
    """A writer whose container is complete when the block ends well."""
    writer = ContainerWriter(file, mimetype, moment)
    try:
        yield writer
    finally:
        writer.close()
