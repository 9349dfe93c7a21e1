"""The memory of one emulated card, in a file that survives any power cut or only in this process.

Images hold secret keys in clear. They are for fictional test cards, and say so.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from ..errors import ImageError, UsageError
from .image_store import MIGRATIONS, Disk, ImageStore, Migration, StoredPath, located, require_file
from .image_values import (
    Edit,
    Memory,
    Sections,
    Value,
    apply_edit,
    checked,
    checked_name,
    checked_sections,
    copied,
)

__all__ = ["CardImage", "Change", "Disk", "Migration", "Section", "Sections", "StoredPath", "Value"]


class Change:
    """What one transaction writes; nothing of it shows before the transaction ends."""

    __slots__ = ("_edits", "_open")

    def __init__(self) -> None:
        self._edits: list[Edit] = []
        self._open = True

    def put(self, section: str, key: str, value: Value) -> None:
        """Set a value, and make its section if there is none.

        Raises UsageError for a value that an image can't hold: another type, a number over 64 bits, text that
        is not Unicode, a name that is empty or starts with `$`, nesting over 12 levels.
        """
        self._add(("put", checked_name(section), checked_name(key), checked(value)))

    def delete(self, section: str, key: str) -> None:
        """Remove a value; no change if it is not there."""
        self._add(("delete", checked_name(section), checked_name(key)))

    def drop(self, section: str) -> None:
        """Remove a section with all its values; no change if it is not there."""
        self._add(("drop", checked_name(section)))

    def _add(self, edit: Edit) -> None:
        if not self._open:
            raise UsageError("This transaction is over: start a new one with `image.transaction()`.")
        self._edits.append(edit)

    def _finish(self) -> list[Edit]:
        self._open = False
        return self._edits


class CardImage:
    """The memory of one card: a section for each applet and one for the card itself, each of named values.

    Made by `create`, `open` or `in_memory`; a context manager. While it is open nobody else can open the same
    file. It belongs to one thread, the one that runs the card.
    """

    def __init__(self, memory: Memory, store: ImageStore | None) -> None:
        self._memory = memory
        self._store = store
        self._busy = False
        self._closed = False

    @classmethod
    def create(cls, path: StoredPath, sections: Sections, *, overwrite: bool = False, disk: Disk | None = None) -> Self:
        """Write a new image file, mode 0600, and open it.

        Raises UsageError if the file exists and `overwrite` is not set, or for a value that can't be held;
        ImageBusy if somebody has that image open; ImageError if it can't be written.
        """
        memory = checked_sections(sections)
        store = ImageStore(located(path), disk or Disk())
        try:
            store.start(memory, overwrite=overwrite)
        except BaseException:
            store.release()
            raise
        return cls(memory, store)

    @classmethod
    def open(
        cls,
        path: StoredPath,
        *,
        migrations: Mapping[int, Migration] = MIGRATIONS,
        disk: Disk | None = None,
    ) -> Self:
        """Open an image file with all that was written before the last close, crash or power cut.

        The snapshot is written anew only if there are changes to fold into it or an older version to migrate.
        Raises ImageBusy if somebody has it open, ImageDamaged if it is no image or a broken one, ImageTooNew
        if a later version of the toolkit wrote it, ImageError if it can't be read.
        """
        file = located(path)
        require_file(file)
        store = ImageStore(file, disk or Disk())
        try:
            return cls(store.load(migrations), store)
        except BaseException:
            store.release()
            raise

    @classmethod
    def in_memory(cls, sections: Sections) -> Self:
        """Make an image without a file, for tests and for cards that live as long as the program."""
        return cls(checked_sections(sections), None)

    def sections(self) -> tuple[str, ...]:
        """Names of the sections, sorted."""
        return tuple(sorted(self._memory))

    def read(self, section: str) -> "Section":
        """Give a live view of a section; one that does not exist is empty."""
        return Section(self, section)

    @contextmanager
    def transaction(self) -> Iterator[Change]:
        """Collect changes and make them durable together when the block ends; an exception drops them all.

        Raises UsageError inside another transaction or after `close`, ImageError if the changes can't be
        stored: then nothing has changed.
        """
        if self._closed:
            raise UsageError("This card image is closed: open it again to change it.")
        if self._busy:
            raise UsageError("A transaction is already open: put all changes into that one.")
        self._busy = True
        change = Change()
        try:
            yield change
            self._commit(change._finish())
        finally:
            change._finish()
            self._busy = False

    def _commit(self, edits: list[Edit]) -> None:
        if not edits:
            return
        memory = dict(self._memory)
        for section in {edit[1] for edit in edits if edit[1] in memory}:
            memory[section] = dict(memory[section])
        for edit in edits:
            apply_edit(memory, edit)
        if self._store is not None:
            self._store.commit(memory, edits)
        self._memory = memory

    def close(self) -> None:
        """Fold the journal into the snapshot and let others open the image; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._store is None:
            return
        try:
            # Nothing is lost if this fails: the journal is kept and the next `open` folds it.
            with suppress(ImageError):
                self._store.fold(self._memory)
        finally:
            self._store.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Section(Mapping[str, Value]):
    """One section as it is now; it holds the name, not the values, so it stays live.

    Lists and dicts come out as copies, so that memory changes only through a transaction.
    """

    __slots__ = ("_image", "_name")

    def __init__(self, image: CardImage, name: str) -> None:
        self._image = image
        self._name = name

    def write(self, changes: Mapping[str, Value]) -> None:
        """Put these values durably, all of them or none, and remove the keys whose value is None.

        Raises as `CardImage.transaction` and `Change.put` do.
        """
        with self._image.transaction() as change:
            for key, value in changes.items():
                if value is None:
                    change.delete(self._name, key)
                else:
                    change.put(self._name, key, value)

    def _values(self) -> Mapping[str, Value]:
        return self._image._memory.get(self._name, {})

    def __getitem__(self, key: str) -> Value:
        return copied(self._values()[key])

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values()))

    def __len__(self) -> int:
        return len(self._values())
