"""Running the command in this process, and card images to run it on."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.language import LOCALE_VARIABLES
from cli.main import main
from ecitizen.emulator.image import CardImage, Sections
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import record_for, sections_for
from ecitizen.iso7816.apdu import CardProtocol


@dataclass(frozen=True)
class Outcome:
    """What a command gave back."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        import json

        return json.loads(self.out)


Run = Callable[..., Outcome]
MakeImage = Callable[..., str]
Give = Callable[..., str]


@pytest.fixture(autouse=True)
def no_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests, the command speaks English unless a test says otherwise."""
    for name in LOCALE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONUTF8", "1")  # without a locale, processes started by tests would speak ASCII


@pytest.fixture(autouse=True)
def folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, shared_state: Path) -> None:
    """The command's own folders are of the test run; the test hierarchy, whose keys take time, is made once."""
    monkeypatch.setenv("XDG_STATE_HOME", str(shared_state))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture(scope="session")
def shared_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands of all tests keep their state."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("card", "read", ...)` in this process; an exit from the argument parser is an exit code too."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def image(tmp_path: Path) -> MakeImage:
    """`image("wanida", "t1")` makes the file of that persona's card and gives its name."""

    def make(persona: str, protocol: str = "t0") -> str:
        path = tmp_path / f"{persona}-{protocol}.json"
        sections = sections_for(find_persona(persona), CardProtocol[protocol.upper()])
        CardImage.create(path, sections, overwrite=True).close()
        return str(path)

    return make


@pytest.fixture(scope="session")
def signing_sections() -> Callable[[bool], Sections]:
    """Memory of the card of somchai with the signing application, with its extensions or without; made once."""
    made: dict[bool, Sections] = {}

    def sections(extensions: bool) -> Sections:
        if extensions not in made:
            persona = find_persona("somchai")
            record = record_for("piv", persona, extensions=extensions)
            made[extensions] = sections_for(persona, CardProtocol.T1, further={"piv": record})
        return made[extensions]

    return sections


@pytest.fixture
def signing_card(tmp_path: Path, signing_sections: Callable[[bool], Sections]) -> str:
    """A fresh card that signs, as `--reader` takes it. PIN 123456, PUK 12345678, default management key."""
    path = tmp_path / "signer.json"
    CardImage.create(path, signing_sections(True)).close()
    return f"virtual:{path}"


@pytest.fixture
def plain_card(tmp_path: Path, signing_sections: Callable[[bool], Sections]) -> str:
    """The same without extensions."""
    path = tmp_path / "plain.json"
    CardImage.create(path, signing_sections(False)).close()
    return f"virtual:{path}"


@pytest.fixture(scope="session")
def sealed_sections(shared_state: Path) -> Sections:
    """Memory of wanida's card, sealed and certified by the test hierarchy, with quick keys; made once."""
    from cardapps.hierarchy import Hierarchy
    from cardapps.piv.layout import Slot
    from cardapps.sample_cards import sealed_card
    from ecitizen.algorithms import KeyAlgorithm

    keys = dict.fromkeys((Slot.SIGNATURE, Slot.KEY_MANAGEMENT), KeyAlgorithm.P_256)
    with Hierarchy.open(shared_state / "ecitizen" / "test-hierarchy") as hierarchy:
        return sealed_card(find_persona("wanida"), CardProtocol.T1, hierarchy, keys=keys)


@pytest.fixture
def sealed(tmp_path: Path, sealed_sections: Sections) -> str:
    """A fresh card of wanida that signs and is trusted with `--test`, as `--reader` takes it; PIN 123456."""
    path = tmp_path / "wanida.json"
    CardImage.create(path, sealed_sections).close()
    return f"virtual:{path}"


@pytest.fixture
def give() -> Give:
    """`give("123456")` is the number of a descriptor that gives these lines; the command closes it."""

    def lines(*texts: str) -> str:
        reading, writing = os.pipe()
        os.write(writing, "".join(f"{text}\n" for text in texts).encode())
        os.close(writing)
        return str(reading)

    return lines
