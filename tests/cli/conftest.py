"""Running the command in this process, and card images to run it on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.language import LOCALE_VARIABLES
from cli.main import main
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
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


@pytest.fixture(autouse=True)
def no_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests, the command speaks English unless a test says otherwise."""
    for name in LOCALE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONUTF8", "1")  # without a locale, processes started by tests would speak ASCII


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
