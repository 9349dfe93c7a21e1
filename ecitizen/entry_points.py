"""Entry points of installed packages, found by reading their metadata files.

The standard library's importlib.metadata does the same, but importing it loads an e-mail parser, which takes longer
than reading a whole card. It is still asked where the files are not where pip puts them.
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from .errors import ConfigError

_METADATA_FOLDERS = (".dist-info", ".egg-info")
_FILE = "entry_points.txt"


class EntryPoint(NamedTuple):
    """One object that an installed package offers under a name."""

    name: str
    value: str
    """`module:attribute`."""

    def load(self) -> Any:
        """Import the module and give the object; raise ConfigError if the package that offers it is broken."""
        module, _, attribute = self.value.replace(" ", "").partition(":")
        try:
            found: Any = import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(f"{self.value} can't be loaded ({error}); repair or remove its package") from error
        return found


@cache  # packages don't come and go while a program runs
def entry_points(group: str) -> tuple[EntryPoint, ...]:
    """What installed packages offer in this group; of a package installed twice, what comes first on the path."""
    found: dict[tuple[str, str], EntryPoint] = {}
    for package, lines in _metadata(tuple(sys.path)):
        for entry in _section(lines, group):
            found.setdefault((package, entry.name), entry)
    if found:
        return tuple(found.values())
    from importlib.metadata import entry_points as ask  # late: slow, see above

    return tuple(EntryPoint(entry.name, entry.value) for entry in ask(group=group))


@cache  # a command asks for several groups, and folders take longer to read than a card
def _metadata(folders: tuple[str, ...]) -> tuple[tuple[str, list[str]], ...]:
    """Name of a package, and the lines of its entry points file, for every package that has one."""
    found = []
    for folder in folders:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - pathlib is slow to import, too
        except OSError:
            continue  # a zip file or a folder that is not there
        for name in sorted(names):
            if name.endswith(_METADATA_FOLDERS):
                try:
                    with open(os.path.join(folder, name, _FILE), encoding="utf-8", errors="replace") as file:  # noqa: PTH118, PTH123
                        stem, _ = os.path.splitext(name)  # noqa: PTH122
                        found.append((stem.split("-")[0].casefold(), file.read().splitlines()))
                except OSError:
                    continue  # a package without entry points
    return tuple(found)


def _section(lines: list[str], group: str) -> Iterator[EntryPoint]:
    """The entries of one section of an INI file."""
    here = False
    for line in lines:
        text = line.strip()
        if text.startswith("["):
            here = text == f"[{group}]"
        elif here and "=" in text and not text.startswith("#"):
            name, _, value = text.partition("=")
            yield EntryPoint(name.strip(), value.split("[")[0].strip())
