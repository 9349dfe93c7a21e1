"""A disk under SQLite that fails when a test says so: a virtual file system whose writes are counted and cut.

SQLite's own file operations do the work; of each file that it opens, writing, cutting off and synchronising go through
Python. At the cut, the write that is on its way is done in part, and nothing is written after it. With `forget`, what
was not yet synchronised is taken back too, as when a machine loses its power.
"""

import ctypes
import ctypes.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path
from typing import Any

IO_ERROR = 10
_METHODS = 19  # of sqlite3_io_methods, all pointers but the first, which is a version
_WRITE, _TRUNCATE, _SYNC = 3, 4, 5
_NAME = b"failing"

_Open: Any = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    _fields_ = [
        ("version", c_int),
        ("file_len", c_int),
        ("path_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("others", c_void_p * 15),
    ]


class FailingDisk:
    """Counts writes from 1; at number `cut` the power goes."""

    def __init__(self) -> None:
        self.cut = 0
        self.part = 0
        """How many bytes of the write at the cut still arrive."""
        self.count = 0
        self.off = False
        self.synced: dict[str, bytes | None] = {}
        """Each file as it was synchronised last."""

    def arm(self, cut: int, part: int = 0) -> None:
        """Begin to count again."""
        self.cut, self.part, self.count, self.off = cut, part, 0, False

    def forget(self) -> None:
        """Take back what was not synchronised."""
        for name, content in self.synced.items():
            path = Path(name)
            if content is None:
                path.unlink(missing_ok=True)
            elif path.exists():
                path.write_bytes(content)

    def counts(self) -> bool:
        """One more write; True if it is the one that is cut."""
        self.count += 1
        self.off = self.off or self.count == self.cut
        return self.count == self.cut


@contextmanager
def failing_disk() -> Iterator[FailingDisk]:
    """All databases that are opened in the block lie on this disk."""
    disk = FailingDisk()
    library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))  # the one that Python's module is linked with
    library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    usual = library.sqlite3_vfs_find(None)
    kept: list[Any] = []
    vfs = _Vfs.from_buffer_copy(usual.contents)
    vfs.name, vfs.next = _NAME, None
    opened = _Open(usual.contents.open)

    def open_file(_this: int, place: int | None, file: int, flags: int, out: Any) -> int:
        name = None if place is None else os.fsdecode(ctypes.string_at(place))
        content = Path(name).read_bytes() if name and Path(name).exists() else None
        done = opened(ctypes.addressof(usual.contents), place, file, flags, out)
        methods = cast(file, POINTER(c_void_p))[0]
        if done == 0 and methods and name:
            replaced = _methods(disk, name, methods, kept)
            cast(file, POINTER(c_void_p))[0] = ctypes.addressof(replaced)
            disk.synced.setdefault(name, content)
        return int(done)

    callback = _Open(open_file)
    vfs.open = cast(callback, c_void_p)
    kept += [callback, vfs]
    assert library.sqlite3_vfs_register(byref(vfs), 1) == 0
    try:
        yield disk
    finally:
        library.sqlite3_vfs_unregister(byref(vfs))
        assert library.sqlite3_vfs_register(usual, 1) == 0


def _methods(disk: FailingDisk, name: str, methods: int, kept: list[Any]) -> Any:
    """The methods of a file, of which three are replaced."""
    table: Any = (c_void_p * _METHODS).from_address(methods)
    copied = (c_void_p * _METHODS)(*table)
    write, truncate, sync = _Write(table[_WRITE]), _Truncate(table[_TRUNCATE]), _Sync(table[_SYNC])

    def write_some(file: int, data: int, length: int, offset: int) -> int:
        if disk.off:
            return IO_ERROR
        if disk.counts():
            if disk.part:
                write(file, data, min(disk.part, length), offset)
            return IO_ERROR
        return int(write(file, data, length, offset))

    def truncate_it(file: int, length: int) -> int:
        return IO_ERROR if disk.off or disk.counts() else int(truncate(file, length))

    def sync_it(file: int, flags: int) -> int:
        if disk.off or disk.counts():
            return IO_ERROR
        done = int(sync(file, flags))
        disk.synced[name] = Path(name).read_bytes()
        return done

    replaced: list[tuple[int, Callable[..., Any]]] = [
        (_WRITE, _Write(write_some)),
        (_TRUNCATE, _Truncate(truncate_it)),
        (_SYNC, _Sync(sync_it)),
    ]
    for place, function in replaced:
        copied[place] = cast(function, c_void_p)  # type: ignore[arg-type]
    kept += [copied, *(function for _, function in replaced)]
    return copied
