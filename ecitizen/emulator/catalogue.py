"""The modules that every emulated card has in its chip: what can be installed on it.

Loading of code is out of scope; instead, the installed packages' applets are the modules of one load file, and the
security domains come from GlobalPlatform's own (Card Specification 2.3.1, 11.5.2.3 and H.6).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ..entry_points import entry_points
from ..errors import ConfigError
from ..iso7816.apdu import CardProtocol
from ..iso7816.globalplatform import AID_LOAD_FILE_OF_DOMAINS, AID_MODULE_OF_DOMAINS
from .applet import Applet
from .image import Section, Value

GROUP_APPLETS: Final = "ecitizen.applets"
"""Entry points of Applet classes, under their application's name."""

LOAD_FILE_APPLICATIONS: Final = b"\xf0ECITIZEN-APPS"
"""Proprietary category, not registered: first half-byte F (ISO/IEC 7816-5:2004, 8.2.1)."""
LOAD_FILE_VERSION: Final = bytes.fromhex("0100")


class AppletModule(Protocol):
    """An Applet class as its entry point gives it."""

    name: str
    aid: bytes
    managed: bool

    def __call__(self, memory: Section, protocol: CardProtocol) -> Applet:
        """The applet over its memory."""
        ...

    def personalise(self, record: Any) -> dict[str, Value]:
        """The memory of an applet that says what the application's record says."""
        ...

    def blank_memory(self, chip_serial: bytes) -> dict[str, Value]:
        """The memory of a newly installed applet."""
        ...


@dataclass(frozen=True, slots=True)
class LoadFile:
    """A load file of the chip, and the AIDs of its modules."""

    aid: bytes
    modules: tuple[bytes, ...]


def modules_named(names: Iterable[str]) -> dict[str, AppletModule]:
    """The applet classes of these applications; raise ConfigError for one that is not installed."""
    found = {entry.name: entry for entry in entry_points(GROUP_APPLETS)}
    wanted = list(names)
    absent = sorted(set(wanted) - found.keys())
    if absent:
        raise ConfigError(f"no applet {', '.join(absent)} is installed; install the package that brings it")
    return {name: found[name].load() for name in wanted}


def modules_by_aid() -> Mapping[bytes, AppletModule]:
    """The applet classes that can be installed on a card, by the AID that module and application share."""
    modules = modules_named(sorted({entry.name for entry in entry_points(GROUP_APPLETS)}))
    return {module.aid: module for module in modules.values() if module.managed}


def load_files() -> tuple[LoadFile, ...]:
    """The load files of every card."""
    return (
        LoadFile(AID_LOAD_FILE_OF_DOMAINS, (AID_MODULE_OF_DOMAINS,)),
        LoadFile(LOAD_FILE_APPLICATIONS, tuple(sorted(modules_by_aid()))),
    )
