"""What foreign judges need: a PC/SC stack of our own, and other people's programs.

Where something is missing these tests are skipped with the reason, except in CI (environment variable `CI`),
where a judge that stays away is a failure.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ecitizen.emulator.card import Card
from ecitizen.emulator.pcscd import PrivatePcscd, missing
from ecitizen.testing import pcsc_reader

DEBIAN_PACKAGE = {"opensc-tool": "opensc", "scriptor": "pcsc-tools"}
NOTICE_SECONDS = 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def needs_pcscd() -> None:
    """The machine can run a private pcscd and speak PC/SC from Python."""
    lacking = missing()
    if importlib.util.find_spec("smartcard") is None:
        lacking.append("pyscard (pip install pyscard)")
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
def insert(pcscd: PrivatePcscd) -> Callable[..., AbstractContextManager[tuple[str, ...]]]:
    """Put cards into the readers for the time of a block, which is given the names of these readers.

    The first card goes into the first reader and so on; a reader whose card is None stays empty. Programs see the
    cards when the block begins, and see the readers empty after it.
    """

    @contextmanager
    def insert(*cards: Card | None) -> Iterator[tuple[str, ...]]:
        places = zip(cards, pcscd.ports, pcscd.reader_names, strict=False)
        taken = [(card, port, name) for card, port, name in places if card]
        names = tuple(name for _, _, name in taken)
        try:
            with ExitStack() as readers:
                with ThreadPoolExecutor() as hands:  # at once: pcscd takes up to 0.4 seconds to notice a card
                    list(hands.map(readers.enter_context, [pcsc_reader(card, port=port) for card, port, _ in taken]))
                for name in names:
                    wait_until(name, "SCARD_STATE_PRESENT")
                yield names
        finally:
            for name in names:
                wait_until(name, "SCARD_STATE_EMPTY")

    return insert


def wait_until(reader: str, wanted: str) -> None:
    """Wait until PC/SC says this of a reader."""
    scard = importlib.import_module("smartcard.scard")  # not at the top: without pyscard the fixture says so
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    assert result == scard.SCARD_S_SUCCESS
    try:
        state = scard.SCARD_STATE_UNAWARE
        while not state & getattr(scard, wanted):
            result, states = scard.SCardGetStatusChange(context, NOTICE_SECONDS * 1000, [(reader, state)])
            assert result == scard.SCARD_S_SUCCESS, f"{reader}: no {wanted} in {NOTICE_SECONDS} seconds"
            state = states[0][1]
    finally:
        scard.SCardReleaseContext(context)


@pytest.fixture(scope="session")
def person() -> Callable[[str], dict[str, Any]]:
    """What is told of a fictional holder in the persona's own file, not by way of the code under test.

    The portrait stands in the place of its file's name.
    """

    def tell(name: str) -> dict[str, Any]:
        folder = files("cardapps.personas")
        data: dict[str, Any] = json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))
        data["citizen_id"]["photo"] = folder.joinpath(data["citizen_id"]["photo"]).read_bytes()
        return data

    return tell


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
