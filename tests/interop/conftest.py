"""What foreign judges need: a PC/SC stack of our own, and other people's programs.

Where something is missing these tests are skipped with the reason, except in CI (environment variable `CI`),
where a judge that stays away is a failure.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from ecitizen.emulator.pcscd import PrivatePcscd, missing

DEBIAN_PACKAGE = {"opensc-tool": "opensc", "scriptor": "pcsc-tools"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def needs_pcscd() -> None:
    """The machine can run a private pcscd and speak PC/SC from Python."""
    lacking = missing()
    if importlib.util.find_spec("smartcard") is None:
        lacking.append("pyscard (pip install 'ecitizen[pcsc]')")
    if lacking:
        _stay_away(lacking)


@pytest.fixture(scope="session")
def pcscd(needs_pcscd: None) -> Iterator[PrivatePcscd]:
    """A private pcscd with two readers, which this process and its children talk to.

    The PC/SC library remembers the first service it has seen: before this fixture, no test of the same run
    may have called PC/SC, and this service is never stopped by a test (for that, take one of your own, and a
    client in a process of its own).
    """
    with PrivatePcscd(readers=2) as service, pytest.MonkeyPatch.context() as patch:
        for name, value in service.environment.items():
            patch.setenv(name, value)
        yield service


@pytest.fixture(scope="session")
def foreign_program() -> Callable[[str], str]:
    """The path of another project's program, by its name."""

    def find(name: str) -> str:
        return shutil.which(name) or _stay_away([DEBIAN_PACKAGE.get(name, name)])

    return find


def _stay_away(lacking: list[str]) -> NoReturn:
    reason = f"Foreign judges can't come. Missing: {', '.join(lacking)}."
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
