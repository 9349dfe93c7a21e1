"""Finding what is installed, host side: applications, and who judges cards (entry point groups `ecitizen.*`)."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .entry_points import entry_points
from .errors import ConfigError, UsageError

if TYPE_CHECKING:  # what reading a card does without
    from .issuing_ports import CardScheme
    from .ports import Driver, PinHolder, TrustEvaluator
    from .session import CardSession

GROUP_DRIVERS = "ecitizen.drivers"
GROUP_ISSUER = "ecitizen.issuer"
GROUP_TRUST = "ecitizen.trust"
GROUP_PINS = "ecitizen.pins"
"""Entry points of callables that select an application with a PIN, and raise AppNotFound if the card lacks it."""

SelectPinHolder = Callable[["CardSession"], "PinHolder"]


def installed_drivers(allow: Iterable[str] | None = None) -> "tuple[Driver, ...]":
    """The drivers of all installed applications, or of those on the list `allow`, in their order of showing.

    Code of an application that is not allowed is never imported. Raise UsageError for a name on the list that is
    not installed, ConfigError if none is.
    """
    found = {entry.name: entry for entry in entry_points(GROUP_DRIVERS)}
    names = found.keys() if allow is None else dict.fromkeys(allow)
    unknown = sorted(set(names) - found.keys())
    if unknown:
        raise UsageError(f"no application {', '.join(unknown)} here; there are {', '.join(sorted(found))}")
    if not names:
        raise ConfigError("no card applications are installed; install the package (pip install ecitizen)")
    drivers: list[Driver] = [found[name].load()() for name in names]
    return tuple(sorted(drivers, key=lambda driver: (driver.rank, driver.name)))


def installed_pins(application: str | None = None) -> dict[str, SelectPinHolder]:
    """How to select each installed application that has a PIN, by name; or only the one that is named.

    Raise UsageError if it is not installed, ConfigError if none is.
    """
    found = {entry.name: entry for entry in entry_points(GROUP_PINS)}
    if not found:
        raise ConfigError("no applications with a PIN are installed; install the package (pip install ecitizen)")
    if application is not None and application not in found:
        raise UsageError(f"no application {application} with a PIN here; there are {', '.join(sorted(found))}")
    names = sorted(found) if application is None else [application]
    return {name: found[name].load() for name in names}


def card_scheme() -> "CardScheme":
    """What cards are made of here, for whoever issues them; raise ConfigError if nobody says it, or several do."""
    found = entry_points(GROUP_ISSUER)
    if len(found) != 1:
        raise ConfigError(f"{len(found)} packages say what cards are made of; install the package ecitizen alone")
    scheme: CardScheme = found[0].load()()
    return scheme


def trust_evaluator(
    directory: str | os.PathLike[str] | None, *, offline: bool, random_bytes: Callable[[int], bytes]
) -> "TrustEvaluator":
    """Who judges cards by a trust directory; with None, by one in which nobody is trusted.

    Raise ConfigError if nobody is installed who can, or several are, or the directory is no trust directory.
    """
    found = entry_points(GROUP_TRUST)
    if len(found) != 1:
        raise ConfigError(f"{len(found)} packages judge cards here, where one must; install the package ecitizen")
    evaluator: TrustEvaluator = found[0].load()(directory, offline=offline, random_bytes=random_bytes)
    return evaluator
