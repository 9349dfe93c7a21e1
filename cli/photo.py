"""Saving portraits."""

from pathlib import Path

from ecitizen.errors import FileFailed
from ecitizen.model import CardReading, Photo


def photo_of(reading: CardReading) -> Photo | None:
    """The portrait that a reading has, in whichever application."""
    for record in reading.applications.values():
        photo = getattr(record, "photo", None)
        if isinstance(photo, Photo):
            return photo
    return None


def save(photo: Photo, path: str | Path) -> None:
    """Write the JPEG file; raise FileFailed if that can't be done."""
    write_file(path, photo.jpeg)


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file that was asked for; raise FileFailed if that can't be done."""
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise FileFailed(f"can't write {path}: {error.strerror or error}; choose another place") from None
