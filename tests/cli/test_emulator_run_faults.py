"""`emulator run --fault` and `emulator control`, against a driver of our own that speaks vpcd's wire protocol."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from ecitizen.emulator.image import CardImage

ROOT = Path(__file__).parents[2]
LIMIT = 20.0  # seconds after which a test gives up; none waits for it when all is well
POWER_ON, GET_ATR = b"\x01", b"\x04"
SELECT = bytes.fromhex("00A4040008A000000054480001")
SELECTED = b"\x61\x0a"

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")


class Driver:
    """A slot of vpcd: listens, powers the card that connects, and sends it commands."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._card: socket.socket | None = None

    def take_card(self) -> bytes:
        """Wait for a card, power it, and give its answer to reset."""
        if self._card is not None:
            self._card.close()
        self._card, _ = self._listener.accept()
        self._card.settimeout(LIMIT)
        self.send(POWER_ON)
        return self.ask(GET_ATR)

    def send(self, body: bytes) -> None:
        assert self._card
        self._card.sendall(len(body).to_bytes(2, "big") + body)

    def ask(self, body: bytes) -> bytes:
        self.send(body)
        return self._receive(int.from_bytes(self._receive(2), "big"))

    def sees_removal(self) -> bool:
        assert self._card
        return self._card.recv(1) == b""

    def _receive(self, length: int) -> bytes:
        assert self._card
        data = b""
        while len(data) < length:
            part = self._card.recv(length - len(data))
            assert part, "the card closed the connection"
            data += part
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._card is not None:
            self._card.close()
        self._listener.close()


@pytest.fixture
def driver() -> Iterator[Driver]:
    with Driver() as driver:
        yield driver


@contextmanager
def emulator(path: str, driver: Driver, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`emulator run` with the card powered; stopped at the end, as cleanly as it must."""
    command = [sys.executable, "-m", "cli", "emulator", "run", path, "--vpcd", driver.address, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert driver.take_card().startswith(b"\x3b")
            assert process.stdout
            assert process.stdout.readline() == f"attached to {driver.address}\n"
            yield process
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=LIMIT)
            assert (process.returncode, "Traceback" in err) == (0, False)
        finally:
            process.kill()


def test_faults_of_the_command_line_are_played(driver: Driver, image: Callable[..., str]) -> None:
    with emulator(image("somchai"), driver, "--fault", "sw@2=6F00", "--fault", "remove@3"):
        assert [driver.ask(SELECT), driver.ask(SELECT)] == [SELECTED, b"\x6f\x00"]
        driver.send(SELECT)
        assert driver.sees_removal()


@pytest.mark.parametrize("fault", ["explode@1", "", "remove@0", "other-reset@1", "reader-gone@1"])
def test_a_fault_that_can_not_be_played_is_a_usage_error(
    run: Callable[..., Any], fault: str, image: Callable[..., str]
) -> None:
    outcome = run("emulator", "run", image("somchai"), "--fault", fault)
    assert (outcome.code, outcome.out) == (2, "")


def test_a_session_of_control(
    driver: Driver, image: Callable[..., str], run: Callable[..., Any], tmp_path: Path
) -> None:
    path, other = image("somchai"), image("wanida", "t1")
    socket_path = str(tmp_path / "run" / "control")

    def control(*arguments: str) -> list[str]:
        outcome = run("emulator", "control", socket_path, *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        lines: list[str] = outcome.out.splitlines()
        return lines

    with emulator(path, driver, "--control", socket_path):
        first = driver.ask(GET_ATR)
        assert control("status") == [
            "Card: in the slot, powered",
            f"Image: {path}",
            "Exchanges: 0",
            "Image writes: 0",
            "Faults: none",
        ]
        assert control("fault", "sw@1=6A82", "remove@2")[2:] == [
            "Exchanges: 0",
            "Image writes: 0",
            "Faults: sw@1=6A82 remove@2",
        ]
        assert driver.ask(SELECT) == b"\x6a\x82"
        driver.send(SELECT)
        assert driver.sees_removal()
        assert control("status")[0] == "Card: out"
        assert control("clear")[-1] == "Faults: none"
        assert control("insert")[0].startswith("Card: in the slot")
        assert driver.take_card() == first
        assert control("swap", other)[1] == f"Image: {other}"
        assert driver.sees_removal()
        assert driver.take_card() != first
        assert control("remove")[0] == "Card: out"
        assert driver.sees_removal()
        assert control("insert", path)[1] == f"Image: {path}"
        assert driver.take_card() == first
    assert not Path(socket_path).exists()


def test_control_for_programs_and_its_errors(
    driver: Driver,
    image: Callable[..., str],
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    socket_path = str(tmp_path / "run" / "control")
    path = image("somchai")

    def control(*arguments: str) -> tuple[int, Any]:
        outcome = run("emulator", "control", socket_path, *arguments, "--json")
        return outcome.code, outcome.json()

    assert control("status")[0] == 8
    with emulator(path, driver, "--control", socket_path):
        status = {"inserted": True, "powered": True, "image": path, "exchanges": 0, "writes": 0, "faults": []}
        assert control("status") == (0, {"schema_version": 1, **status})
        for expected, *words in (
            (2, "insert"),
            (2, "fault", "explode"),
            (2, "fault", "reader-gone@2"),
            (7, "swap", "no.json"),
        ):
            reply = control(*words)
            assert reply[0] == expected
            assert set(reply[1]["error"]) == {"code", "message"}
        control("remove")
        monkeypatch.chdir(tmp_path)
        with CardImage.open(path):
            code, error = control("insert", Path(path).name)  # a name in the caller's folder, not in the emulator's
        assert (code, error["error"]["code"]) == (5, "image_busy")
        assert control("insert")[0] == 0


def test_a_control_that_can_not_be_had_ends_the_emulator(
    image: Callable[..., str], run: Callable[..., Any], tmp_path: Path
) -> None:
    path = image("somchai")
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    outcome = run("emulator", "run", path, "--control", str(tmp_path / "open" / "control"))
    assert outcome.code == 2
    assert "0700" in outcome.err
    CardImage.open(path).close()  # it is free
