"""Documents as they lie about, in memory or in files of any size, and files written whole or not at all."""

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from ecitizen.errors import FileFailed

PIECE_LEN: Final = 1024 * 1024

Readable = bytes | str | os.PathLike[str]
"""A document: its bytes, or where its file is."""


class Document:
    """The bytes of a document, read piece by piece. A context manager, which closes the file.

    Raise FileFailed if the file can't be read.
    """

    def __init__(self, data: Readable) -> None:
        self._bytes = data if isinstance(data, bytes) else None
        self._file: BinaryIO | None = None
        self.name = ""
        """Of the file, without its folder; empty for bytes."""
        if isinstance(data, bytes):
            self.size = len(data)
            return
        path = Path(data)
        self.name = path.name
        try:
            self._file = path.open("rb")
            self.size = os.fstat(self._file.fileno()).st_size
        except (OSError, ValueError) as error:
            raise _failed("read", path, error) from None

    def __enter__(self) -> "Document":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it is one."""
        if self._file is not None:
            self._file.close()

    def read(self, at: int, count: int) -> bytes:
        """Up to `count` bytes from a position on."""
        if self._bytes is not None:
            return self._bytes[at : at + count]
        assert self._file is not None
        try:
            self._file.seek(at)
            return self._file.read(count)
        except (OSError, ValueError) as error:
            raise _failed("read", self.name, error) from None

    def whole(self) -> "Content":
        """All of it."""
        return Content(self, array("Q", (0, self.size)))


@dataclass(frozen=True, slots=True)
class Content:
    """Ranges of a document, one after the other: what is signed."""

    document: Document = field(repr=False)
    ranges: "array[int]" = field(repr=False)
    """Position, length, position, length..."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.ranges[1::2])

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in pieces of a megabyte at most; raise FileFailed if the file became shorter meanwhile."""
        ranges = iter(self.ranges)
        for begin, count in zip(ranges, ranges, strict=True):
            at, end = begin, begin + count
            while at < end:
                piece = self.document.read(at, min(PIECE_LEN, end - at))
                if not piece:
                    raise FileFailed("the file became shorter while it was read; leave it alone and try again")
                yield piece
                at += len(piece)

    def digests(self, algorithms: Iterable[str]) -> Mapping[str, bytes]:
        """Digests by these hashes (names of hashlib), in one go over the content."""
        states = {name: hashlib.new(name) for name in algorithms}
        for piece in self.pieces() if states else ():
            for state in states.values():
                state.update(piece)
        return {name: state.digest() for name, state in states.items()}

    def joined(self) -> bytes:
        """All of it in memory; for what is known to be small."""
        return b"".join(self.pieces())


def content_of(data: "Readable | Content", stack: ExitStack) -> Content:
    """All of a document, which stays open as long as the stack."""
    return data if isinstance(data, Content) else stack.enter_context(Document(data)).whole()


@dataclass(frozen=True, slots=True)
class WatchedContent(Content):
    """Content that must be as it was when its digest was taken: reading to the end finds out."""

    hash: str
    """As hashlib names it."""
    digest: bytes
    content: Content

    @classmethod
    def of(cls, content: Content, name: str, digest: bytes | None = None) -> "WatchedContent":
        """Content and its digest by that hash; it is taken now if it is not known."""
        known = content.digests([name])[name] if digest is None else digest
        return cls(content.document, content.ranges, name, known, content)

    def pieces(self) -> Iterator[bytes]:
        """The bytes; raise FileFailed at the end if they are others than before."""
        state = hashlib.new(self.hash)
        for piece in self.content.pieces():
            state.update(piece)
            yield piece
        if state.digest() != self.digest:
            raise FileFailed("the file was changed while it was signed; leave it alone and sign it again")


@contextmanager
def writing_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file for its owner alone, which gets its name only when all of it is on the medium.

    If what is done inside fails, nothing is left of it; what was under the name before is replaced only at the end.
    Raise FileFailed if it can't be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except (OSError, ValueError) as error:
        raise _failed("write", target, error) from None
    try:
        with os.fdopen(fd, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise _failed("write", target, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write a file from its pieces, as `writing_whole` does."""
    with writing_whole(path) as file:
        for piece in pieces:
            file.write(piece)


def _failed(doing: str, path: object, error: Exception) -> FileFailed:
    reason = getattr(error, "strerror", None) or "this can't be a file's name"
    return FileFailed(f"cannot {doing} {path}: {reason}")
