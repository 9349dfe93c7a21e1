"""What foreign judges need: a PC/SC stack of our own, and other people's programs.

Where something is missing these tests are skipped with the reason, except in CI (environment variable `CI`),
where a judge that stays away is a failure.
"""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import pytest

from cardapps.piv.layout import Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.pcscd import PrivatePcscd, missing
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, record_for, sections_for
from ecitizen.emulator.vpcd import Powerable
from ecitizen.testing import pcsc_reader
from tests.interop.signing_card import CardKind, Programs

DEBIAN_PACKAGE = {
    "certutil": "libnss3-tools",
    "crlutil": "libnss3-tools",
    "java": "openjdk-17-jdk-headless",
    "javac": "openjdk-17-jdk-headless",
    "libsofthsm2.so": "softhsm2",
    "modutil": "libnss3-tools",
    "opensc-pkcs11.so": "opensc-pkcs11",
    "opensc-tool": "opensc",
    "pdfsig": "poppler-utils",
    "piv-tool": "opensc",
    "pkcs11-tool": "opensc",
    "pkcs11.so": "libengine-pkcs11-openssl",
    "pkcs15-tool": "opensc",
    "qpdf": "qpdf",
    "scriptor": "pcsc-tools",
    "softhsm2-util": "softhsm2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "tstclnt": "libnss3-tools",
    "vfychain": "libnss3-tools",
    "xmlsec1": "xmlsec1",
}
SIGNING_KEYS = {
    "9A on P-256": {
        Slot.AUTHENTICATION: KeyAlgorithm.P_256,
        Slot.SIGNATURE: KeyAlgorithm.RSA_2048,
        Slot.KEY_MANAGEMENT: KeyAlgorithm.RSA_2048,
        Slot.CARD_AUTHENTICATION: KeyAlgorithm.P_384,
        Slot.RETIRED_1: KeyAlgorithm.P_256,
        Slot.RETIRED_2: KeyAlgorithm.P_384,
        Slot.RETIRED_3: KeyAlgorithm.RSA_3072,
    },
    "9A with RSA": {
        Slot.AUTHENTICATION: KeyAlgorithm.RSA_2048,
        Slot.SIGNATURE: KeyAlgorithm.P_384,
        Slot.KEY_MANAGEMENT: KeyAlgorithm.P_256,
    },
}
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
    def insert(*cards: Powerable | None) -> Iterator[tuple[str, ...]]:
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
        places = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # sshd is not on a plain user's PATH
        return shutil.which(name, path=places) or _stay_away([DEBIAN_PACKAGE.get(name, name)])

    return find


@pytest.fixture(scope="session")
def foreign_library() -> Callable[[str], Path]:
    """The path of another project's library in the system's folders of libraries, by its name there."""

    def find(name: str) -> Path:
        found = sorted(Path("/usr/lib").glob(f"*/{name}")) or sorted(Path("/usr/lib").glob(name))
        return found[0] if found else _stay_away([DEBIAN_PACKAGE.get(Path(name).name, name)])

    return find


@pytest.fixture(autouse=True)
def opensc_lets_go() -> Iterator[None]:
    """OpenSC's module, once loaded into this process, keeps hold of the readers: after each test it must let go."""
    yield
    loaded = sys.modules.get("pkcs11")
    for name, library in (loaded._loaded if loaded else {}).items():
        if "opensc" in name and library.initialized:
            library.finalize()


@pytest.fixture
def programs(foreign_program: Callable[[str], str], tmp_path: Path) -> Programs:
    """Other projects' programs, run in a folder of the test."""
    return Programs(foreign_program, tmp_path)


@pytest.fixture(scope="session")
def signing_records() -> Mapping[str, Any]:
    """The PIV application of somchai, made once for each set of keys: all kinds of keys that OpenSC 0.23 knows."""
    somchai = find_persona("somchai")
    records = {name: record_for("piv", somchai, keys=keys) for name, keys in SIGNING_KEYS.items()}
    return {**records, "without extensions": replace(records["9A on P-256"], extensions=False)}


@pytest.fixture(scope="session")
def signing_authorities(signing_records: Mapping[str, Any]) -> Mapping[str, bytes]:
    """The certificates that all certificates of such a card lead to, DER."""
    return {name: record.authority for name, record in signing_records.items()}


@pytest.fixture(scope="session")
def signing_card(signing_records: Mapping[str, Any]) -> Callable[..., Card]:
    """Make a card with all of somchai's applications, as it is when it is new."""

    def make(kind: CardKind, keys: str = "9A on P-256") -> Card:
        further = {"piv": signing_records[keys]}
        sections = sections_for(find_persona("somchai"), kind.protocol, further=further, atr=kind.atr)
        return card_from_image(CardImage.in_memory(sections))

    return make


def _stay_away(lacking: list[str]) -> NoReturn:
    reason = f"Foreign judges can't come. Missing: {', '.join(lacking)}."
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
