"""The installation: Python, the four packages, the applications they bring, the terminal."""

import importlib.machinery
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from ecitizen.version import __version__

from .child import run_python
from .finding import Finding, Severity, Translate

DISTRIBUTION = "ecitizen"
PACKAGES = ("ecitizen", "cardapps", "pki", "cli")
"""What the distribution owns. Three of the names are generic, so others might claim them too."""
GROUPS = ("ecitizen.drivers", "ecitizen.applets", "ecitizen.personas")

_LOAD_ALL = """\
import sys
from ecitizen.entry_points import entry_points
for group in sys.argv[1:]:
    for entry in entry_points(group):
        print(group, entry.name, flush=True)
        entry.load()
"""


def python(_: Translate) -> Iterator[Finding]:
    """Which Python runs which version of the toolkit."""
    text = _("Python {python}, ecitizen {version}.").format(python=platform.python_version(), version=__version__)
    yield Finding("python", Severity.OK, text)


def packages(_: Translate) -> Iterator[Finding]:
    """The four packages come from one directory and have one owner."""
    found = [*_owners(_, distributions()), *_directories(_, sys.path)]
    places = _places(PACKAGES[0], sys.path)
    text = _("The four packages come from {directory}.").format(directory=places[0] if places else "?")
    yield from found or [Finding("packages", Severity.OK, text)]


def _owners(_: Translate, installed: Iterable[Distribution]) -> Iterator[Finding]:
    """What other distributions claim of our names, and whether our own is installed."""
    ours: list[Distribution] = []
    for distribution in installed:
        name = distribution.metadata["Name"] or "?"
        if name.casefold() == DISTRIBUTION:
            ours.append(distribution)
            continue
        claimed = sorted({file.parts[0] for file in distribution.files or () if len(file.parts) > 1} & set(PACKAGES))
        if claimed:
            text = _("The distribution {name} owns our package {packages} too.")
            yield Finding(
                "package_claimed",
                Severity.ERROR,
                text.format(name=name, packages=", ".join(claimed)),
                f"pip uninstall {name}; {_in_our_folder(_)}",
            )
    if not ours:
        text = _("ecitizen runs, but is not installed, so it can't find card applications.")
        yield Finding("not_installed", Severity.ERROR, text, _in_our_folder(_))
    elif ours[0].version != __version__:
        text = _("Version {installed} is installed, but version {running} runs.")
        yield Finding(
            "version_differs",
            Severity.WARNING,
            text.format(installed=ours[0].version, running=__version__),
            _in_our_folder(_),
        )


def _in_our_folder(_: Translate) -> str:
    """How to install again: from our own folder, since on a public index the name may be somebody else's."""
    return _("In the folder of the toolkit's source: pip install --force-reinstall .")


def _directories(_: Translate, path: Sequence[str]) -> Iterator[Finding]:
    """Whether Python would find all four in one directory."""
    firsts: dict[str, str] = {}
    for package in PACKAGES:
        places = _places(package, path)
        if places:
            firsts[package] = places[0]
        else:
            text = _("The package {name} can't be found.").format(name=package)
            yield Finding("package_missing", Severity.ERROR, text, _in_our_folder(_))
    if len(set(firsts.values())) > 1:
        where = ", ".join(f"{package}: {place}" for package, place in firsts.items())
        text = _("The packages come from several directories ({where}).").format(where=where)
        cure = _("Move or rename what is not ours, or use a virtual environment: python -m venv .venv")
        yield Finding("packages_scattered", Severity.ERROR, text, cure)


def _places(package: str, path: Sequence[str]) -> list[str]:
    """The directory that Python would import a package from; several, if it would be put together of pieces."""
    spec = importlib.machinery.PathFinder.find_spec(package, list(path))
    locations = spec.submodule_search_locations if spec else None
    return [str(Path(location).resolve().parent) for location in locations or ()]


def applications(_: Translate) -> Iterator[Finding]:
    """All that installed packages offer under our entry points can be imported, and does not take for ever."""
    outcome = run_python("-c", _LOAD_ALL, *GROUPS)
    seen = outcome.out.split("\n")[:-1]
    last = seen[-1] if seen else ", ".join(GROUPS)
    if outcome.code is None:
        text = _("Loading an entry point takes too long: {name}.").format(name=last)
    elif outcome.code:
        text = _("An entry point can't be loaded: {name} ({error}).").format(name=last, error=outcome.last_words)
    elif not all(any(line.startswith(f"{group} ") for line in seen) for group in GROUPS):
        text = _("No card applications are installed.")
    else:
        text = _("{count} entry points load.").format(count=len(seen))
        yield Finding("entry_points", Severity.OK, text)
        return
    yield Finding("entry_points", Severity.ERROR, text, _in_our_folder(_))


def terminal(_: Translate) -> Iterator[Finding]:
    """Thai can be printed."""
    encoding = getattr(sys.stdout, "encoding", None) or "?"
    if encoding.casefold().replace("-", "") == "utf8":
        yield Finding("encoding", Severity.OK, _("The output is UTF-8."))
        return
    text = _("The output is {encoding}: Thai letters are shown as escapes.").format(encoding=encoding)
    cure = "set PYTHONUTF8=1" if os.name == "nt" else "export LC_ALL=C.UTF-8 PYTHONUTF8=1"
    yield Finding("encoding", Severity.WARNING, text, cure)
