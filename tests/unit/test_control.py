"""A slot with cards that come and go, and its control over a socket; `Driver` plays vpcd's side."""

import errno
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecitizen.emulator import control as module
from ecitizen.emulator.control import COMMANDS, MAX_CONNECTIONS, MAX_LINE_LEN, EmulatorControl, answer, as_json, ask
from ecitizen.emulator.faults import (
    Latency,
    MuteAt,
    OtherResetAt,
    PowerCutAt,
    ReaderGoneAt,
    RemoveAt,
    StatusAt,
    TruncateAt,
)
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import sections_for
from ecitizen.emulator.slot import VirtualSlot
from ecitizen.errors import ConfigError, EcitizenError, ImageBusy, ImageDamaged, ImageError, UsageError
from ecitizen.iso7816.apdu import CardProtocol

LIMIT = 20.0  # seconds after which a test gives up; none waits for it when all is well
POWER_OFF, POWER_ON, RESET, GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"
SELECT = bytes.fromhex("00A4040008A000000054480001")
SELECTED = b"\x61\x0a"


class Driver:
    """A slot of vpcd: listens, powers the card that connects, and sends it commands."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self.port: int = self._listener.getsockname()[1]
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

    def receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def ask(self, body: bytes) -> bytes:
        self.send(body)
        return self.receive()

    def sees_removal(self) -> bool:
        assert self._card
        return self._card.recv(1) == b""

    def _exactly(self, length: int) -> bytes:
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


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make(tmp_path / "somchai.json")


def make(path: Path, protocol: CardProtocol = CardProtocol.T0) -> Path:
    CardImage.create(path, sections_for(find_persona("somchai"), protocol)).close()
    return path


@pytest.fixture
def slot(driver: Driver, image: Path) -> Iterator[VirtualSlot]:
    with VirtualSlot(image, "127.0.0.1", driver.port) as slot:
        yield slot


def eventually(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.001)


def is_free(image: Path) -> bool:
    try:
        CardImage.open(image).close()
    except ImageBusy:
        return False
    return True


# The slot


def test_a_card_goes_in_and_out_and_in(slot: VirtualSlot, driver: Driver, image: Path) -> None:
    assert not slot.status.inserted
    for _ in range(2):
        slot.insert()
        assert driver.take_card().startswith(b"\x3b")
        assert driver.ask(SELECT) == SELECTED
        assert slot.wait_powered(LIMIT)
        assert (slot.status.inserted, slot.status.powered) == (True, True)
        assert not is_free(image)
        slot.remove()
        assert driver.sees_removal()
        assert (slot.status.inserted, slot.status.powered) == (False, False)
        assert is_free(image)
    assert slot.status.exchanges == 2
    assert not slot.wait_powered(0)


def test_swap(slot: VirtualSlot, driver: Driver, image: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other.json", CardProtocol.T1)
    slot.swap(image)  # into an empty slot
    first = driver.take_card()
    slot.swap(other)
    assert driver.sees_removal()
    second = driver.take_card()
    assert first != second
    assert is_free(image)
    assert slot.status.image == str(other)
    slot.swap(other)  # the same one, out and in
    assert driver.sees_removal()
    assert driver.take_card() == second
    slot.remove()
    slot.insert()
    assert driver.take_card() == second, "the card that was in last"


def test_a_swap_for_a_card_that_can_not_be_opened_leaves_the_old_one(
    slot: VirtualSlot, driver: Driver, image: Path, tmp_path: Path
) -> None:
    slot.insert()
    driver.take_card()
    (tmp_path / "damaged.json").write_text("{}")
    with pytest.raises(ImageDamaged):
        slot.swap(tmp_path / "damaged.json")
    with pytest.raises(ImageError):
        slot.swap(tmp_path / "absent.json")
    CardImage.create(tmp_path / "empty.json", {}).close()
    with pytest.raises(ImageDamaged):
        slot.swap(tmp_path / "empty.json")
    assert is_free(tmp_path / "empty.json")
    assert driver.ask(SELECT) == SELECTED
    assert slot.status.image == str(image)


def test_in_and_out_in_the_wrong_order_is_a_usage_error(slot: VirtualSlot) -> None:
    with pytest.raises(UsageError, match="insert one"):
        slot.remove()
    slot.insert()
    with pytest.raises(UsageError, match="already"):
        slot.insert()


def test_closing_an_empty_slot_does_nothing(slot: VirtualSlot) -> None:
    slot.close()
    slot.insert()
    slot.close()
    assert not slot.status.inserted


def test_on_attached_is_called_for_each_connection(driver: Driver, image: Path) -> None:
    attached = threading.Semaphore(0)
    with VirtualSlot(image, "127.0.0.1", driver.port, on_attached=attached.release) as slot:
        slot.insert()
        for _ in range(2):
            assert attached.acquire(timeout=LIMIT)
            driver.take_card()
            slot.swap(image)
        assert attached.acquire(timeout=LIMIT)


def test_an_error_that_ends_the_card_is_kept(image: Path) -> None:
    with VirtualSlot(image, "no.such.host.invalid", 35963) as slot:
        slot.check()
        slot.insert()
        eventually(lambda: not slot.status.inserted)
        with pytest.raises(ConfigError, match="not known"):
            slot.check()


# Faults through vpcd


def test_a_removal_closes_the_connection_and_the_card_stays_out(slot: VirtualSlot, driver: Driver, image: Path) -> None:
    slot.set_faults([RemoveAt(2)])
    slot.insert()
    driver.take_card()
    assert driver.ask(SELECT) == SELECTED
    driver.send(SELECT)
    assert driver.sees_removal()
    assert not slot.status.inserted
    slot.insert()
    driver.take_card()
    assert driver.ask(SELECT) == SELECTED, "a fault of one exchange happens once"
    assert slot.status.exchanges == 3


def test_a_mute_card_is_silent_until_it_is_pulled_out(slot: VirtualSlot, driver: Driver) -> None:
    slot.set_faults([MuteAt(1)])
    slot.insert()
    driver.take_card()
    driver.send(SELECT)
    driver.send(RESET)
    assert driver.ask(GET_ATR).startswith(b"\x3b"), "the driver asks itself whether there is a card"
    slot.remove()
    assert driver.sees_removal(), "nothing else came"


def test_a_mute_card_answers_again_after_its_power_was_away(slot: VirtualSlot, driver: Driver) -> None:
    slot.set_faults([MuteAt(1)])
    slot.insert()
    driver.take_card()
    driver.send(SELECT)
    driver.send(POWER_OFF)
    driver.send(POWER_ON)
    assert driver.ask(SELECT) == SELECTED


def test_a_dead_card_is_there_and_says_nothing(slot: VirtualSlot, driver: Driver) -> None:
    slot.set_faults([MuteAt(0)])
    slot.insert()
    driver.take_card()
    driver.send(SELECT)
    driver.send(POWER_OFF)
    driver.send(POWER_ON)
    driver.send(SELECT)
    slot.remove()
    assert driver.sees_removal()


def test_answers_are_changed_and_faults_set_while_the_card_is_in(slot: VirtualSlot, driver: Driver) -> None:
    slot.insert()
    driver.take_card()
    assert driver.ask(SELECT) == SELECTED
    slot.set_faults([StatusAt(1, 0x6F00), TruncateAt(2, 1), TruncateAt(3, 0)])
    assert [driver.ask(SELECT) for _ in range(4)] == [b"\x6f\x00", b"\x61", b"\x6f\x00", SELECTED]
    assert slot.status.exchanges == 4
    slot.set_faults()
    assert slot.status.exchanges == 0


def test_a_card_is_pulled_out_while_it_takes_its_time(slot: VirtualSlot, driver: Driver) -> None:
    slot.set_faults([Latency(3600)])
    slot.insert()
    driver.take_card()
    driver.send(SELECT)
    eventually(lambda: slot.status.exchanges == 1)
    slot.remove()
    assert driver.sees_removal()


def test_power_cuts_reach_the_image(slot: VirtualSlot, driver: Driver, image: Path) -> None:
    slot.set_faults([PowerCutAt(1, 0)])
    slot.insert()
    driver.take_card()
    insertion = slot._insertion
    assert insertion is not None
    with pytest.raises(EcitizenError), insertion._image.transaction() as change:
        change.put("card", "persona", "other")
    assert slot.status.writes == 1
    slot.remove()
    with CardImage.open(image) as kept:
        assert kept.read("card")["persona"] == "somchai"


@pytest.mark.parametrize("fault", [OtherResetAt(1), ReaderGoneAt(1)])
def test_what_can_not_go_through_vpcd_is_refused(slot: VirtualSlot, fault: OtherResetAt | ReaderGoneAt) -> None:
    slot.set_faults([RemoveAt(1)])
    with pytest.raises(UsageError, match="vpcd"):
        slot.set_faults([fault])
    assert slot.status.faults == (RemoveAt(1),)


# The control

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("this system has no Unix sockets", allow_module_level=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control"


@pytest.fixture
def control(slot: VirtualSlot, path: Path) -> Iterator[EmulatorControl]:
    with EmulatorControl(slot, path) as control:
        yield control


class Caller:
    """A program that speaks to the control without our library."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        self.socket.connect(str(path))
        self._stream = self.socket.makefile("rb")

    def ask(self, data: bytes) -> Any:
        self.socket.sendall(data)
        return self.hear()

    def hear(self) -> Any:
        line = self._stream.readline()
        assert line.endswith(b"\n")
        return json.loads(line)

    def is_dropped(self) -> bool:
        try:
            return self._stream.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


def error_of(reply: Any) -> str:
    assert set(reply) == {"ok", "error"}
    assert reply["ok"] is False
    assert set(reply["error"]) == {"code", "message"}
    code: str = reply["error"]["code"]
    return code


@pytest.mark.usefixtures("control")
def test_a_session_over_the_socket(slot: VirtualSlot, driver: Driver, image: Path, path: Path, tmp_path: Path) -> None:
    empty = {"inserted": False, "powered": False, "image": str(image), "exchanges": 0, "writes": 0, "faults": []}
    other = make(tmp_path / "a name with spaces กขค.json", CardProtocol.T1)
    with closing(Caller(path)) as caller:
        assert caller.ask(b"status\n") == {"ok": True, "status": empty}
        assert caller.ask(b"insert\n")["status"]["inserted"]
        first = driver.take_card()
        assert slot.wait_powered(LIMIT)
        assert caller.ask(b"status\n")["status"] == {**empty, "inserted": True, "powered": True}
        assert caller.ask(f"swap {other}\n".encode())["status"]["image"] == str(other)
        assert driver.sees_removal()
        assert driver.take_card() != first
        faults = ["remove@1", "latency=0.001"]
        assert caller.ask(f"fault {' '.join(faults)}\r\n".encode())["status"]["faults"] == faults
        driver.send(SELECT)
        assert driver.sees_removal()
        after = {**empty, "image": str(other), "exchanges": 1, "faults": faults}
        assert caller.ask(b"status\n")["status"] == after
        assert caller.ask(b"clear\n")["status"]["faults"] == []
        assert caller.ask(f"insert {image}\n".encode())["status"]["image"] == str(image)
        assert driver.take_card() == first
        assert not caller.ask(b"remove\n")["status"]["inserted"]


@pytest.mark.usefixtures("control")
def test_requests_may_come_in_pieces_or_together(path: Path) -> None:
    with closing(Caller(path)) as caller:
        for byte in b"status\n":
            caller.socket.sendall(bytes([byte]))
        assert caller.hear()["ok"]
        caller.socket.sendall(b"status\nnonsense\nstatus\n")
        assert [caller.hear()["ok"] for _ in range(3)] == [True, False, True]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "usage"),
        ("explode", "usage"),
        ("STATUS", "usage"),
        ("status now", "usage"),
        ("remove it", "usage"),
        ("clear all", "usage"),
        ("remove", "usage"),
        ("swap", "usage"),
        ("fault", "usage"),
        ("fault explode@1", "usage"),
        ("fault remove@1 other-reset@1", "usage"),
        ("insert a\0b", "usage"),
        ("insert /no/such/file", "image"),
        ("swap /", "image"),
        ("insert " + "x" * 5000, "image"),
        ("\udcff\udc80", "usage"),
        ("insert \udcff", "image"),
    ],
    ids=lambda value: repr(value[:12]),
)
@pytest.mark.usefixtures("control")
def test_bad_requests_are_answered_with_an_error(line: str, code: str, slot: VirtualSlot, path: Path) -> None:
    before = slot.status
    with closing(Caller(path)) as caller:
        assert error_of(caller.ask(line.encode(errors="surrogateescape") + b"\n")) == code
        assert caller.ask(b"status\n")["ok"]
    assert slot.status == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    line=st.binary(max_size=200)
    | st.builds(lambda name, rest: f"{name} ".encode() + rest, st.sampled_from(list(COMMANDS)), st.binary(max_size=60))
)
def test_any_line_is_answered(line: bytes, slot: VirtualSlot) -> None:
    reply = json.loads(answer(slot, line))
    assert reply["ok"] in {True, False}


@pytest.mark.usefixtures("control")
def test_a_line_without_end_is_refused(path: Path) -> None:
    with closing(Caller(path)) as caller, closing(Caller(path)) as other:
        assert error_of(caller.ask(b"x" * (MAX_LINE_LEN + 1))) == "usage"
        assert caller.is_dropped()
        assert other.ask(b"status\n")["ok"]


@pytest.mark.usefixtures("control")
def test_a_flood_of_connections_locks_nobody_out(path: Path) -> None:
    crowd = [Caller(path) for _ in range(MAX_CONNECTIONS)]
    try:
        for caller in crowd:
            assert caller.ask(b"status\n")["ok"]
        assert crowd[0].ask(b"status\n")["ok"]  # now the second is the one that was silent longest
        with closing(Caller(path)) as late:
            assert late.ask(b"status\n")["ok"]
            assert error_of(crowd[1].hear()) == "config"
            assert crowd[1].is_dropped()
            assert all(caller.ask(b"status\n")["ok"] for caller in crowd if caller is not crowd[1])
    finally:
        for caller in crowd:
            caller.close()


@pytest.mark.usefixtures("control")
def test_a_caller_that_does_not_read_its_answers_is_dropped(path: Path) -> None:
    with closing(Caller(path)) as deaf, closing(Caller(path)) as other:
        flood = b"status\n" * 1_000_000  # 100 MB of answers: no buffer holds them
        with pytest.raises(ConnectionError):
            deaf.socket.sendall(flood)
        assert other.ask(b"status\n")["ok"]


@pytest.mark.usefixtures("control")
def test_callers_that_vanish_do_no_harm(path: Path) -> None:
    for data in (b"", b"sta", b"status\n", b"status\n" * 100):
        caller = Caller(path)
        caller.socket.sendall(data)
        caller.close()
    with closing(Caller(path)) as caller:
        assert caller.ask(b"status\n")["ok"]


def test_the_control_outlives_a_failing_accept(control: EmulatorControl, path: Path) -> None:
    class Listener:
        def __init__(self) -> None:
            self.calls = 0

        def accept(self) -> None:
            self.calls += 1
            raise OSError(errno.EMFILE, "Too many open files")

    listener: Any = Listener()
    control._accept(listener, None)  # type: ignore[arg-type]
    assert listener.calls == 1
    with closing(Caller(path)) as caller:
        assert caller.ask(b"status\n")["ok"]


# The socket


def test_the_socket_is_its_owners_and_goes_with_the_control(slot: VirtualSlot, path: Path) -> None:
    with EmulatorControl(slot, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        caller = Caller(path)
        assert caller.ask(b"status\n")["ok"]
    assert caller.is_dropped()
    caller.close()
    assert not path.exists()
    assert not any(thread.name == "ecitizen control" for thread in threading.enumerate())


def test_a_control_can_be_opened_again(slot: VirtualSlot, path: Path) -> None:
    control = EmulatorControl(slot, path)
    control.__exit__(None, None, None)  # without having been entered
    for _ in range(2):
        with control:
            assert ask(path, "status") == as_json(slot.status)


def test_the_socket_of_a_killed_emulator_is_replaced(slot: VirtualSlot, path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
    with EmulatorControl(slot, path):
        assert ask(path, "status") == as_json(slot.status)


@pytest.mark.usefixtures("control")
def test_the_socket_of_a_living_emulator_is_not(slot: VirtualSlot, path: Path) -> None:
    with pytest.raises(ConfigError, match="another emulator"):
        EmulatorControl(slot, path).__enter__()
    assert ask(path, "status") == as_json(slot.status)


def test_a_file_is_not_replaced(slot: VirtualSlot, path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")
    with pytest.raises(UsageError, match="not a socket"):
        EmulatorControl(slot, path).__enter__()
    assert path.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_refused(slot: VirtualSlot, path: Path, mode: int) -> None:
    path.parent.mkdir()
    path.parent.chmod(mode)
    with pytest.raises(UsageError, match="0700"):
        EmulatorControl(slot, path).__enter__()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 120, "a\0b", "file/control"], ids=["long", "nul", "below a file"])
def test_a_path_that_can_not_be_a_socket(slot: VirtualSlot, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="no control can be had"):
        EmulatorControl(slot, tmp_path / name).__enter__()


def test_without_unix_sockets_it_says_so(slot: VirtualSlot, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ConfigError, match="Windows"):
        EmulatorControl(slot, path).__enter__()
    with pytest.raises(ConfigError, match="Windows"):
        ask(path, "status")


# The caller's side


@pytest.mark.usefixtures("control")
def test_ask_gives_the_status_or_raises_what_the_emulator_raised(slot: VirtualSlot, image: Path, path: Path) -> None:
    assert ask(path, "insert")["inserted"]
    assert ask(str(path), "fault sw@1=6F00")["faults"] == ["sw@1=6F00"]
    with pytest.raises(UsageError, match="explode"):
        ask(path, "explode")
    with pytest.raises(ImageError, match="no such file"):
        ask(path, "swap /no/such/file")
    ask(path, "remove")
    with CardImage.open(image), pytest.raises(ImageBusy, match="in use"):
        ask(path, "insert")


@pytest.mark.parametrize("request_", ["status\nremove", "insert " + "x" * MAX_LINE_LEN], ids=["two lines", "long"])
def test_a_request_is_one_line(path: Path, request_: str) -> None:
    with pytest.raises(UsageError, match="one line"):
        ask(path, request_)


def test_nobody_answers(path: Path) -> None:
    for where in (path, "a\0b", "x" * 200):
        with pytest.raises(ConfigError, match="no emulator answers"):
            ask(where, "status")


@pytest.mark.parametrize(
    "reply",
    [b"", b"\n", b"[]\n", b"3\n", b"nonsense\n", b'{"ok": true}\n', b'{"ok": false}\n', b'{"ok": false, "error": 1}\n'],
)
def test_something_else_answers(tmp_path: Path, reply: bytes) -> None:
    path = tmp_path / "other"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(100)
                caller.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ConfigError, match="no emulator answers"):
            ask(path, "status")
        thread.join(LIMIT)


def test_an_error_that_the_caller_does_not_know_is_still_ours(
    control: EmulatorControl, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Novel(EcitizenError):
        code = "novel"

    def obey(*_: object) -> None:
        raise Novel("something new")

    monkeypatch.setattr(module, "_obey", obey)
    with pytest.raises(EcitizenError, match="something new"):
        ask(path, "status")


def test_every_command_of_the_list_is_one(slot: VirtualSlot) -> None:
    for name in COMMANDS:
        reply = json.loads(answer(slot, name.encode()))
        assert reply["ok"] or "not a command" not in reply["error"]["message"]
    assert os.linesep not in answer(slot, b"status").decode()[:-1]
