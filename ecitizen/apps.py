"""Finding the applications that are installed, host side (entry point group `ecitizen.drivers`)."""

from collections.abc import Iterable

from .entry_points import entry_points
from .errors import ConfigError, UsageError
from .ports import Driver

GROUP_DRIVERS = "ecitizen.drivers"


def installed_drivers(allow: Iterable[str] | None = None) -> tuple[Driver, ...]:
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
