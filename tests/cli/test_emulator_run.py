"""`emulator run` against a driver of our own that speaks vpcd's wire protocol (card-stack.md, 1.1)."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.main import main

ROOT = Path(__file__).parents[2]
LIMIT = 20.0  # seconds after which a test gives up; none waits for it when all is well
POWER_OFF, POWER_ON, RESET, GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"
SELECT_CITIZEN_ID = bytes.fromhex("00A4040008A000000054480001")


class Driver:
    """A slot of vpcd: listens, powers the card that connects, and sends it commands."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._card: socket.socket | None = None

    def take_card(self) -> bytes:
        """Wait for a card, power it, and give its answer to reset."""
        self._card, _ = self._listener.accept()
        self._card.settimeout(LIMIT)
        self.send(POWER_ON)
        return self.ask(GET_ATR)

    def send(self, body: bytes) -> None:
        assert self._card
        self._card.sendall(len(body).to_bytes(2, "big"))
        self._card.sendall(body)

    def ask(self, body: bytes) -> bytes:
        self.send(body)
        return self._receive(int.from_bytes(self._receive(2), "big"))

    def card_has_gone(self) -> bool:
        assert self._card
        return self._card.recv(1) == b""

    def drop_card(self) -> None:
        assert self._card
        self._card.close()
        self._card = None

    def _receive(self, length: int) -> bytes:
        assert self._card
        data = b""
        while len(data) < length:
            part = self._card.recv(length - len(data))
            assert part, "the card closed the connection"
            data += part
        return data

    def close(self) -> None:
        if self._card:
            self._card.close()
        self._listener.close()


@pytest.fixture
def driver() -> Iterator[Driver]:
    slot = Driver()
    yield slot
    slot.close()


@contextmanager
def running(path: str, address: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "cli", "emulator", "run", path, "--vpcd", address, *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=lambda stop: stop.name)
def test_it_attaches_says_so_in_one_line_answers_and_stops_cleanly(
    stop: signal.Signals, driver: Driver, image: Callable[..., str]
) -> None:
    path = image("somchai")
    with running(path, driver.address) as process:
        assert driver.take_card().startswith(b"\x3b\x79")
        assert process.stdout
        assert process.stdout.readline() == f"attached to {driver.address}\n"
        assert driver.ask(SELECT_CITIZEN_ID) == b"\x61\x0a"
        assert driver.ask(bytes.fromhex("00C000000A")) == bytes.fromhex("8408A000000054480001 9000")
        process.send_signal(stop)
        assert driver.card_has_gone()
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert driver.address in err
    assert main(["emulator", "show", path]) == 0, "the image is free again"


def test_it_comes_back_when_the_daemon_does(driver: Driver, image: Callable[..., str]) -> None:
    with running(image("wanida", "t1"), driver.address) as process:
        first = driver.take_card()
        driver.drop_card()
        assert driver.take_card() == first
        assert driver.ask(SELECT_CITIZEN_ID + b"\x00")[-2:] == b"\x90\x00"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0


def test_a_running_emulator_can_be_controlled(
    driver: Driver, image: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    control = str(tmp_path / "control" / "socket")
    path = image("somchai")
    with running(path, driver.address, "--control", control) as process:
        driver.take_card()
        assert process.stdout
        process.stdout.readline()
        assert main(["emulator", "control", control, "status", "--json"]) == 0
        status = json.loads(capsys.readouterr().out)
        assert " ".join(status) == "schema_version inserted powered image exchanges writes faults"
        assert (status["inserted"], status["powered"], status["image"]) == (True, True, path)
        assert main(["emulator", "control", control, "remove"]) == 0
        assert capsys.readouterr().out.startswith("Card: out\n")
        assert driver.card_has_gone()
        assert main(["emulator", "control", control, "remove"]) == 2
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert main(["emulator", "control", control, "status"]) == 8
    assert "no emulator answers" in capsys.readouterr().err


def test_it_can_be_stopped_while_nobody_listens(image: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # then nobody else gets this port
        port = taken.getsockname()[1]
    with running(image("somchai"), f"127.0.0.1:{port}") as process:
        assert process.stderr
        assert "Waiting for vpcd" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (0, "")


@pytest.mark.parametrize("port", ["", ":", ":x", ":0", ":65536", ":" + "9" * 5000], ids=lambda port: port[:6] or "none")
def test_an_address_that_is_none_is_a_usage_error(port: str, image: Callable[..., str]) -> None:
    with running(image("somchai"), f"localhost{port}") as process:
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("ecitizen: ")
    assert "Traceback" not in err


def test_a_host_that_is_not_known_is_an_error_of_this_machine(image: Callable[..., str]) -> None:
    with running(image("somchai"), "no.such.host.invalid:35963") as process:
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (8, "")
    assert "no.such.host.invalid" in err
    assert "Traceback" not in err
