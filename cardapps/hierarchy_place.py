"""The folder of the test hierarchy: made beside its place, moved there whole, and replaced when its plan is another.

Several programs may do so at once: one of them wins, and the others take what it has made.
"""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

FINGERPRINT: Final = "plan.sha256"
"""The file that says by which plan the folder was made."""


def prepare(place: Path, fingerprint: str, build: Callable[[Path], None]) -> None:
    """Have a folder there that was made by the plan of this fingerprint.

    `build` fills a new one. What was made by another plan is moved aside, to a name that begins with this one's and
    `-old-`: somebody may still have cards of it. Raise OSError.
    """
    if made_by(place, fingerprint):
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))  # 0700
    try:
        build(draft)
        (draft / FINGERPRINT).write_text(f"{fingerprint}\n", encoding="ascii")
        if place.exists() and not made_by(place, fingerprint):
            _replace(place, draft, fingerprint)
        else:
            _put(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def made_by(place: Path, fingerprint: str) -> bool:
    """Whether the folder is there, and was made by the plan of this fingerprint."""
    try:
        return (place / FINGERPRINT).read_text(encoding="ascii").strip() == fingerprint
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def _replace(place: Path, draft: Path, fingerprint: str) -> None:
    with _locked(place.with_name(f".{place.name}.lock")):
        if made_by(place, fingerprint):
            return  # another program was quicker
        with suppress(FileNotFoundError):
            place.rename(place.with_name(f"{place.name}-old-{secrets.token_hex(4)}"))
        _put(draft, place)


def _put(draft: Path, place: Path) -> None:
    """Move it to its place; if somebody was quicker, theirs stands."""
    try:
        draft.rename(place)
    except OSError:
        if not place.exists():
            raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other program is in such a block. The system frees the lock of one that ends, however it ends."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
