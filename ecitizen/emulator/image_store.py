"""The files of one card image, written so that a power cut at any moment leaves the old state or the new one.

Beside the image `card.json` there may be:

    card.json.journal   changes since the snapshot, one line for each transaction
    card.json.lock      empty; the system's lock on it is held while the image is open
    card.json.tmp       the next snapshot while it is being written

The snapshot carries a generation number, and every journal line carries the generation it adds to. A new
snapshot raises the number, so a journal that outlived its snapshot is recognised and never replayed.
"""

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TypeAlias, TypeGuard
from zlib import crc32

from ..errors import ImageBusy, ImageDamaged, ImageError, ImageTooNew, UsageError
from .image_values import MAX_INT_BITS, Edit, Memory, checked_name, decoded, encoded_bytes

StoredPath: TypeAlias = str | os.PathLike[str]
Migration: TypeAlias = Callable[[dict[str, object]], dict[str, object]]

FORMAT = "ecitizen card image"
VERSION = 1
WARNING = "Fictional test card with its keys in clear: never for real personal data or real keys."

# From a version to the next one: takes and gives the whole snapshot as JSON has it (bytes still as
# {"$hex": ...}), with the journal already applied.
MIGRATIONS: Mapping[int, Migration] = MappingProxyType({})

MAX_FILE_LEN = 16 * 1024 * 1024
MAX_JOURNAL_LEN = 64 * 1024
# A full journal, pretty printed at the greatest depth, must still fit into the file beside the snapshot.
_MAX_COMMIT_LEN = MAX_FILE_LEN - 32 * MAX_JOURNAL_LEN
# A planted link is not followed, and a planted pipe does not make us wait.
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Disk:
    """The file operations of a card image, each one the smallest that a power cut can fall between.

    Tests subclass it to cut the power, to fill the disk or to lose what was not yet synchronised. Every
    method raises OSError as the system does.
    """

    def read(self, path: str) -> bytes:
        """Read a regular file whole, but at most one byte more than `MAX_FILE_LEN`."""
        fd = os.open(path, os.O_RDONLY | _FLAGS)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            content = bytearray()
            while len(content) <= MAX_FILE_LEN and (part := os.read(fd, MAX_FILE_LEN + 1 - len(content))):
                content += part
            return bytes(content)
        finally:
            os.close(fd)

    def create(self, path: str) -> int:
        """Create a file that only its owner can read, and open it for appending."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)

    def write(self, fd: int, data: bytes) -> None:
        """Append all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def fsync(self, fd: int) -> None:
        """Wait until the file's content is on the medium."""
        os.fsync(fd)

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file back to `length` bytes."""
        os.ftruncate(fd, length)

    def replace(self, source: str, target: str) -> None:
        """Put `source` in the place of `target`, in one step."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(path)

    def sync_folder(self, folder: str) -> None:
        """Wait until the folder's names are on the medium."""
        if sys.platform != "win32":  # which can't open folders, and keeps a journal of names itself
            fd = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


class ImageStore:
    """The files of one image: lock, snapshot and journal.

    `_sound` is false from before a step that can leave file and memory different until after it. A store that
    is not sound takes no more changes; opening the image again finds the old state or the new one.
    """

    def __init__(self, path: str, disk: Disk) -> None:
        self._path = path
        self._folder = os.path.dirname(path)
        self._journal_path = f"{path}.journal"
        self._temp_path = f"{path}.tmp"
        self._disk = disk
        self._generation = 0
        self._sequence = 0
        self._journal: int | None = None
        self._journal_len = 0
        self._sound = True
        self._lock: int | None = _locked(f"{path}.lock", path)

    def start(self, memory: Memory, *, overwrite: bool) -> None:
        """Write the first snapshot."""
        with _file_errors("write", self._path):
            exists = os.path.lexists(self._path)
        if exists and not overwrite:
            raise UsageError(f"{self._path} exists already: choose another name, or ask to overwrite it.")
        if exists:
            require_file(self._path)
        # A journal that an older card left here must not be taken for this card's.
        lines = self._journal_lines()
        old = _parsed_line(lines[0]) if lines else None
        self._generation = old[0] if old is not None else 0
        self._write_snapshot(memory, _MAX_COMMIT_LEN)

    def load(self, migrations: Mapping[int, Migration]) -> Memory:
        """Read the snapshot, replay the journal, migrate, and fold if there was anything to do."""
        with _file_errors("read", self._path):
            content = self._disk.read(self._path)
        document = _json_object(content, self._path)
        version = _check_header(document, self._path)
        raw, self._generation = _raw_sections(document, self._path)
        lines = self._journal_lines()
        replayed = self._replay(raw, lines)
        if version < VERSION:
            raw = _migrated(document, version, migrations, self._path)
        memory = _decoded_sections(raw, self._path)
        if replayed or version < VERSION:
            self._write_snapshot(memory, MAX_FILE_LEN)
        else:  # also an empty one, which the power left between its creation and its first line
            with _file_errors("remove", self._journal_path):
                self._disk.remove(self._journal_path)
        with suppress(OSError):  # left by a power cut; the next snapshot would remove it too
            self._disk.remove(self._temp_path)
        return memory

    def commit(self, memory: Memory, edits: list[Edit]) -> None:
        """Make one transaction durable: a line in the journal, or a new snapshot if the journal is full."""
        if not self._sound:
            raise ImageError(f"{self._path} could not be written before: close it, check the disk and open it again.")
        line = _line(self._generation, self._sequence + 1, edits)
        if self._journal_len + len(line) > MAX_JOURNAL_LEN:
            self._write_snapshot(memory, _MAX_COMMIT_LEN)
        else:
            self._append(line)

    def fold(self, memory: Memory) -> None:
        """Move the journal's content into the snapshot, if there is any and memory surely agrees with it."""
        if self._journal is not None and self._sound:
            self._write_snapshot(memory, MAX_FILE_LEN)

    def release(self) -> None:
        """Close the files and give up the lock."""
        self._close_journal()
        if self._lock is not None:
            # The lock file stays: if it were removed, two openers could lock two files of the same name.
            os.close(self._lock)
            self._lock = None

    def _append(self, line: bytes) -> None:
        with _file_errors("write", self._journal_path):
            if self._journal is None:
                self._journal = self._disk.create(self._journal_path)
            self._sound = False
            try:
                self._disk.write(self._journal, line)
                self._disk.fsync(self._journal)
                if not self._journal_len:
                    self._disk.sync_folder(self._folder)
            except OSError:
                # A half-written line must not stay in front of the next one.
                self._disk.truncate(self._journal, self._journal_len)
                self._disk.fsync(self._journal)
                self._sound = True
                raise
        self._journal_len += len(line)
        self._sequence += 1
        self._sound = True

    def _write_snapshot(self, memory: Memory, limit: int) -> None:
        generation = (self._generation + 1) % (1 << MAX_INT_BITS)
        content = _snapshot(memory, generation)
        if len(content) > limit:
            raise ImageError(f"The memory of this card is full ({limit} bytes): store less on it.")
        with _file_errors("write", self._path):
            self._disk.remove(self._temp_path)
            temp = self._disk.create(self._temp_path)
            try:
                self._disk.write(temp, content)
                self._disk.fsync(temp)
            except OSError:
                with suppress(OSError):
                    self._disk.remove(self._temp_path)
                raise
            finally:
                os.close(temp)
            self._sound = False
            self._disk.replace(self._temp_path, self._path)
            self._disk.sync_folder(self._folder)
            # From here on the journal is of an older generation, whether it is removed or not.
            self._close_journal()
            self._disk.remove(self._journal_path)
        self._generation = generation
        self._sequence = 0
        self._sound = True

    def _close_journal(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
        self._journal_len = 0

    def _journal_lines(self) -> list[bytes]:
        with _file_errors("read", self._journal_path):
            try:
                content = self._disk.read(self._journal_path)
            except FileNotFoundError:
                return []
        if len(content) > MAX_FILE_LEN:
            raise self._journal_damaged()
        *whole, torn = content.split(b"\n")
        return [line + b"\n" for line in whole] + ([torn] if torn else [])

    def _replay(self, raw: dict[str, dict[str, object]], lines: list[bytes]) -> bool:
        """Apply the journal's lines to the sections as JSON has them; true if any were of this generation."""
        for number, line in enumerate(lines, 1):
            record = _parsed_line(line)
            if record is None:
                if number < len(lines):
                    raise self._journal_damaged()
                return number > 1  # the last line was being written when the power failed
            generation, sequence, edits = record
            if number == 1 and generation != self._generation:
                return False
            if (generation, sequence) != (self._generation, number) or not _replay_edits(raw, edits):
                raise self._journal_damaged()
        return bool(lines)

    def _journal_damaged(self) -> ImageDamaged:
        return ImageDamaged(
            f"{self._journal_path} is damaged: restore it with its card image from a copy, or remove it to go"
            " back to the state before its changes."
        )


# Files


def located(path: StoredPath) -> str:
    """Follow links, so that every name of an image leads to the same lock and the same journal."""
    try:
        name = os.fsdecode(path)
        if name:
            return os.path.realpath(name)
    except (TypeError, ValueError) as error:
        raise UsageError("This can't be the name of a file: give the path of a card image.") from error
    except OSError as error:
        raise ImageError(f"Cannot find {path}: {error.strerror}.") from error
    raise UsageError("The name of the card image is empty: give its path.")


def require_file(path: str) -> None:
    """Raise ImageError for a path with nothing behind it, or something else than a file."""
    with _file_errors("open", path):
        mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise ImageError(f"{path} is not a file: give the path of a card image.")


@contextmanager
def _file_errors(doing: str, path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(
            f"Cannot {doing} {path}: there is no such file or folder. Check the path, or make a card image"
            " with `ecitizen emulator new`."
        ) from error
    except OSError as error:
        raise ImageError(
            f"Cannot {doing} {path}: {error.strerror or type(error).__name__}. A card image needs a folder"
            " where you may write, with space left."
        ) from error


def _locked(lock_path: str, path: str) -> int:
    """Take the image's lock or fail at once. The system frees it when the process ends, however it ends."""
    with _file_errors("lock", path):
        fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
                message = f"{path} is in use: stop the other program, or use a copy of the file."
                raise ImageBusy(message) from error
            raise
    return fd


# The snapshot


def _snapshot(memory: Memory, generation: int) -> bytes:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "test_only": True,
        "warning": WARNING,
        "generation": generation,
        "sections": memory,
    }
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2, default=encoded_bytes)
    return text.encode() + b"\n"


def _json_object(content: bytes, path: str) -> dict[str, object]:
    if len(content) > MAX_FILE_LEN:
        raise _damaged(path, f"it is longer than {MAX_FILE_LEN} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not JSON") from error
    if not isinstance(document, dict):
        raise _damaged(path, "it is not a JSON object")
    return document


def _check_header(document: dict[str, object], path: str) -> int:
    version = document.get("version")
    if document.get("format") != FORMAT or type(version) is not int:
        raise _damaged(path, "it is not a card image")
    if version > VERSION:
        raise ImageTooNew(f"{path} is of version {version}, this toolkit knows up to {VERSION}: update the toolkit.")
    if document.get("test_only") is not True:
        raise _damaged(path, "it is not marked as a test card")
    return version


def _raw_sections(document: dict[str, object], path: str) -> tuple[dict[str, dict[str, object]], int]:
    """Sections as JSON has them, and the generation; both have this form in every version."""
    sections, generation = document.get("sections"), document.get("generation")
    if not isinstance(sections, dict) or not all(isinstance(values, dict) for values in sections.values()):
        raise _damaged(path, "its sections are malformed")
    if not _is_count(generation):
        raise _damaged(path, "its generation is not a number")
    return sections, generation


def _migrated(
    document: dict[str, object], version: int, migrations: Mapping[int, Migration], path: str
) -> dict[str, dict[str, object]]:
    for step in range(version, VERSION):
        if step not in migrations:
            raise _damaged(path, f"its version {version} was never in use")
        try:
            document = migrations[step](document)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(path, f"it does not have the form of version {step}") from error
    return _raw_sections(document, path)[0]


def _decoded_sections(raw: dict[str, dict[str, object]], path: str) -> Memory:
    try:
        return {
            checked_name(section): {checked_name(key): decoded(value) for key, value in values.items()}
            for section, values in raw.items()
        }
    except UsageError as error:
        raise _damaged(path, str(error)) from error


def _is_count(number: object) -> TypeGuard[int]:
    return type(number) is int and 0 <= number < 1 << MAX_INT_BITS


def _damaged(path: str, why: str) -> ImageDamaged:
    return ImageDamaged(
        f"{path} can't be used as a card image: {why}. Restore it from a copy, or make a new one with"
        " `ecitizen emulator new`."
    )


# The journal: {"generation":3,"sequence":1,"changes":[["put","card","tries",3]],"crc32":"89abcdef"}
# The CRC is over all bytes of the line before `,"crc32"`.


def _line(generation: int, sequence: int, edits: list[Edit]) -> bytes:
    record = {"generation": generation, "sequence": sequence, "changes": edits}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=encoded_bytes)
    body = text.removesuffix("}").encode()
    return body + _line_end(body)


def _line_end(body: bytes) -> bytes:
    return b',"crc32":"%08x"}\n' % crc32(body)


def _parsed_line(line: bytes) -> tuple[int, int, list[object]] | None:
    """Generation, sequence and changes of a line, or None for one that is not whole."""
    body = line.rpartition(b',"crc32":')[0]
    if line != body + _line_end(body):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    generation, sequence, edits = record.get("generation"), record.get("sequence"), record.get("changes")
    if not _is_count(generation) or not _is_count(sequence) or not isinstance(edits, list):
        return None
    return generation, sequence, edits


def _replay_edits(raw: dict[str, dict[str, object]], edits: list[object]) -> bool:
    """Apply changes as the journal has them; false if one of them is malformed."""
    for edit in edits:
        match edit:
            case ["put", str(section), str(key), value]:
                raw.setdefault(section, {})[key] = value
            case ["delete", str(section), str(key)]:
                raw.get(section, {}).pop(key, None)
            case ["drop", str(section)]:
                raw.pop(section, None)
            case _:
                return False
    return True
