"""XAdES signatures in containers: each reference is followed to a file of the container, and nowhere else.

That is the form of ASiC-E in the Baltic states and elsewhere (ETSI EN 319 162-1, 4.4.3): `META-INF/signatures*.xml`
with signatures whose references name the files beside them, relative to the container and percent-encoded.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from .asic_files import META, Container, is_safe_name
from .asic_signing import MANIFEST_PART
from .errors import Malformed

_PART: Final = "signatures"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def xades_names(container: Container) -> list[str]:
    """The files of XAdES signatures (4.3.3.3, 4.4.3.2)."""
    return [
        name
        for name in container.names
        if name.startswith(META)
        and _PART in name.lower()
        and name.lower().endswith(".xml")
        and MANIFEST_PART not in name
    ]


class FilesOfContainer:
    """The files of a container, for the references of one of its signature files; a `FilesBeside`."""

    def __init__(self, container: Container, signature: str, digest: Callable[[str, str], bytes]) -> None:
        self._container = container
        self._signature = signature
        self._digest = digest
        self.asked: set[str] = set()
        """The files whose digests were compared with those that were signed."""

    def name_of(self, uri: str) -> str:
        """The file that a reference names, whether it is there or not.

        Raise Malformed for what leads out of the container, could be two files, or is the signature's own file.
        """
        if _SCHEME.match(uri) or uri.startswith("//") or set(uri) & set("#?"):
            raise Malformed("the reference leads out of the container")
        written = uri.removeprefix("./").removeprefix("/")
        try:
            name = unquote(written, errors="strict")
        except UnicodeDecodeError:
            raise Malformed("the reference is no name that can be read") from None
        if not is_safe_name(name):
            raise Malformed("the reference leads out of the container, or can't be a file's name")
        if name != written and {name, written} <= set(self._container.names):
            raise Malformed("the reference may mean either of two files")
        if name == self._signature:
            raise Malformed("the reference is to the signature's own file")
        return name

    def digest(self, name: str, algorithm: str) -> bytes | None:
        """The digest of a file by that hash (as hashlib names it); None if it is not there."""
        if name not in self._container.names:
            return None
        self.asked.add(name)
        return self._digest(name, algorithm)
