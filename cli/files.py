"""Files that commands read and write: keys, certificates, signatures, with care for whose eyes they are."""

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecitizen.errors import FileFailed, UsageError

LABEL_CERTIFICATE = "CERTIFICATE"
LABEL_CERTIFICATE_REQUEST = "CERTIFICATE REQUEST"
LABEL_PUBLIC_KEY = "PUBLIC KEY"
_LABELS_OF_PRIVATE_KEYS = frozenset({"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_SEQUENCE = b"\x30"
"""First byte of anything in DER that is taken here."""

FILE_MAX_LEN = 1 << 20
"""No key, certificate or data object is as long as this, in bytes."""


def read_file(path: str, max_len: int = FILE_MAX_LEN) -> bytes:
    """The content of a file that was named. Raise UsageError if it can't be read or is longer than `max_len`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(max_len + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > max_len:
        raise UsageError(f"{path} is too long for this: over {max_len:,} bytes")
    return content


def write_secret_file(path: str, content: bytes) -> None:
    """Write a file that only its owner may read; raise FileFailed if that can't be done."""
    try:
        with open(path, "wb", opener=for_the_owner) as file:
            file.write(content)
    except OSError as error:
        raise FileFailed(f"can't write {path}: {error.strerror or error}; choose another place") from None


@contextmanager
def writable(path: str) -> Iterator[None]:
    """Make sure that a file can be written before the block does what can't be done twice.

    Raise FileFailed if it can't; if the block fails, no file is left that was not there before.
    """
    file = Path(path)
    before = file.exists()
    try:
        file.open("ab").close()
    except OSError as error:
        raise FileFailed(f"can't write {path}: {error.strerror or error}; choose another place") from None
    try:
        yield
    except BaseException:
        if not before:
            file.unlink(missing_ok=True)
        raise


def for_the_owner(path: str, flags: int) -> int:
    """What `open` takes as its opener for a file that only its owner may read, also if it was there before."""
    descriptor = os.open(path, flags, 0o600)
    # A file that was there before keeps its mode otherwise; a device or a pipe must keep it.
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    return descriptor


def certificate_in(content: bytes, path: str) -> bytes | None:
    """The first certificate of a PEM or DER file, DER; None if it has none.

    Raise UsageError for a damaged PEM block, Malformed for one that has something else in it than a certificate.
    """
    from pki.certificates import load_certificate  # late: slow to import
    from pki.errors import Malformed

    der = _block(content, LABEL_CERTIFICATE, path)
    if der is not None:
        load_certificate(der)
        return der
    if not content.startswith(_SEQUENCE):
        return None
    try:
        load_certificate(content)
    except Malformed:
        return None  # a key, perhaps
    return content


def private_key_in(content: bytes) -> bytes | None:
    """What of a PEM or DER file may be a private key, as it stands there; None if nothing is."""
    for match in _PEM.finditer(content):
        if match[1].decode("ascii") in _LABELS_OF_PRIVATE_KEYS:
            return match[0] + b"\n"
    return content if content.startswith(_SEQUENCE) else None


def block_in(content: bytes, label: str, path: str) -> bytes:
    """The first PEM block of this kind, DER, or the file if it is DER itself. Raise UsageError if there is none."""
    der = _block(content, label, path)
    if der is None and not content.startswith(_SEQUENCE):
        raise UsageError(f"{path} has no PEM block {label}")
    return content if der is None else der


def _block(content: bytes, label: str, path: str) -> bytes | None:
    for match in _PEM.finditer(content):
        if match[1].decode("ascii") == label:
            try:
                return base64.b64decode(b"".join(match[2].split()), validate=True)
            except binascii.Error:
                raise UsageError(f"{path} has a PEM block that is damaged; export it again") from None
    return None
