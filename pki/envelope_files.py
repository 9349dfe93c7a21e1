"""Files that appear only when they are whole: written beside their place, for their owner alone, renamed at the end."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ecitizen.errors import FileFailed


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file to write, which gets its name when the block ends well and is gone when it doesn't.

    Until then it has another name in the same folder; its mode is 0600 and stays so. Raise FileFailed if there is a
    file of that name, which is never overwritten, or the disk has no room.
    """
    target = Path(path)
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        if target.exists():
            raise FileFailed(f"{target} exists and is not overwritten; choose another name")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except (OSError, ValueError) as error:
        raise _not_written(target, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    except OSError as error:
        raise _not_written(target, error) from None
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to read; raise FileFailed if it can't be."""
    try:
        with Path(path).open("rb") as file:
            yield file
    except (OSError, ValueError) as error:
        raise FileFailed(f"can't read {path}: {_reason(error)}") from None


def _not_written(path: Path, error: Exception) -> FileFailed:
    return FileFailed(f"can't write {path}: {_reason(error)}; choose another place")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "this can't be a file"
