"""`Driver` plays the driver's side and frames messages as vpcd.c does: length and body in two sends."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import pytest

from ecitizen.emulator.vpcd import Control, VpcdClient
from ecitizen.errors import ConfigError, EcitizenError, UsageError

ATR = bytes.fromhex("3b796000 00544820 4e494420 3137")
LIMIT = 10.0  # seconds after which a test gives up; none waits for it when all is well


class Card:
    """Answers a command with itself and 9000, and writes down what happens to it."""

    def __init__(self) -> None:
        self.atr = ATR
        self.events: list[str] = []
        self.reply: Callable[[bytes], bytes] = lambda command: command + b"\x90\x00"

    def power_on(self) -> bytes:
        self.events.append("on")
        return self.atr

    def power_off(self) -> None:
        self.events.append("off")

    def reset(self) -> bytes:
        self.events.append("reset")
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        self.events.append(command.hex())
        return self.reply(command)


class Driver:
    """The listening side of the vpcd driver."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(LIMIT)
        self.port: int = self._listener.getsockname()[1]
        self._card: socket.socket | None = None

    @property
    def card(self) -> socket.socket:
        if self._card is None:
            self._card, _ = self._listener.accept()
            self._card.settimeout(LIMIT)
            self._card.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._card

    def send(self, body: bytes) -> None:
        self.card.sendall(len(body).to_bytes(2, "big"))
        self.card.sendall(body)

    def receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def ask(self, body: bytes) -> bytes:
        self.send(body)
        return self.receive()

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.card.recv(length - len(data))
            assert part, "the card closed the connection"
            data += part
        return data

    def sees_removal(self) -> bool:
        try:
            return self.card.recv(1) == b""
        except ConnectionError:
            return True

    def drop_card(self) -> None:
        self.card.close()
        self._card = None

    def close(self) -> None:
        if self._card is not None:
            self._card.close()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def running(client: VpcdClient, work: Callable[[], object]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        client.detach()
        thread.join(LIMIT)
        assert not thread.is_alive()


@contextmanager
def inserted(card: Card) -> Iterator[tuple[Driver, VpcdClient, threading.Thread]]:
    with Driver() as driver:
        client = VpcdClient(card, "127.0.0.1", driver.port)
        assert client.attach(LIMIT)
        with running(client, client.serve) as thread:
            yield driver, client, thread


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_control_codes_are_obeyed_and_only_the_atr_is_answered() -> None:
    card = Card()
    with inserted(card) as (driver, _, _):
        driver.send(bytes([Control.POWER_ON]))
        assert driver.ask(bytes([Control.ATR])) == ATR
        assert driver.ask(bytes.fromhex("00a4040000")) == bytes.fromhex("00a40400009000")
        driver.send(bytes([Control.RESET]))
        driver.send(bytes([Control.POWER_OFF]))
        assert driver.ask(bytes([Control.ATR])) == ATR
    assert card.events == ["on", "00a4040000", "reset", "off", "off"]


@pytest.mark.parametrize("code", [0x03, 0x05, 0x7F, 0xFF])
def test_any_other_single_byte_is_a_command(code: int) -> None:
    with inserted(Card()) as (driver, _, _):
        assert driver.ask(bytes([code])) == bytes([code, 0x90, 0x00])


def test_messages_merged_into_one_segment() -> None:
    card = Card()
    with inserted(card) as (driver, _, _):
        driver.card.sendall(bytes.fromhex("0001 02 0001 04 0005 00b0000000 0001 00 0001 04 0000 0001 04"))
        assert [driver.receive() for _ in range(4)] == [ATR, bytes.fromhex("00b00000009000"), ATR, ATR]
    assert card.events == ["reset", "00b0000000", "off", "off"]


def test_messages_split_at_every_byte() -> None:
    with inserted(Card()) as (driver, _, _):
        for byte in bytes.fromhex("0001 01 0001 04 0005 00b0000000"):
            driver.card.sendall(bytes([byte]))
        assert driver.receive() == ATR
        assert driver.receive() == bytes.fromhex("00b00000009000")


def test_longest_command_and_longest_answer() -> None:
    card = Card()
    card.reply = lambda command: command[:-2] + b"\x90\x00"
    with inserted(card) as (driver, _, _):
        command = bytes(range(256)) * 255 + bytes(255)
        assert len(command) == 0xFFFF
        assert driver.ask(command) == command[:-2] + b"\x90\x00"


@pytest.mark.parametrize("answer", [b"", bytes(0x10000)], ids=["empty", "too long"])
def test_an_answer_that_cannot_be_carried_does_not_remove_the_card(answer: bytes) -> None:
    card = Card()
    card.reply = lambda _: answer
    with inserted(card) as (driver, _, _):
        assert driver.ask(b"\x00\xb0\x00\x00\x00") == b"\x6f\x00"
        assert driver.ask(bytes([Control.ATR])) == ATR


def test_powered_means_that_the_reader_took_the_atr_of_a_powered_card() -> None:
    with inserted(Card()) as (driver, client, thread):
        assert driver.ask(bytes([Control.ATR])) == ATR  # the daemon's poll for presence
        driver.ask(b"\x00\xb0\x00\x00\x00")
        assert not client.powered.is_set()
        driver.send(bytes([Control.POWER_ON]))
        assert driver.ask(bytes([Control.ATR])) == ATR
        assert client.powered.wait(LIMIT)
        driver.drop_card()
        thread.join(LIMIT)
        assert not client.powered.is_set()


@pytest.mark.parametrize("last", ["", "00", "0005", "0005 00b0", "ffff 00"])
def test_driver_closes_in_the_middle_of_a_message(last: str) -> None:
    card = Card()
    with inserted(card) as (driver, _, thread):
        driver.card.sendall(bytes.fromhex(last))
        driver.drop_card()
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert card.events == ["off"]


def test_driver_goes_away_without_reading_the_answer() -> None:
    card = Card()
    driver_gone = threading.Event()

    def reply(command: bytes) -> bytes:
        assert driver_gone.wait(LIMIT)
        return command * 10_000

    card.reply = reply
    with inserted(card) as (driver, _, thread):
        driver.send(b"\x00\xb0\x00\x00\x00")
        driver.drop_card()
        driver_gone.set()
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_detach_removes_an_idle_card() -> None:
    card = Card()
    with inserted(card) as (driver, client, thread):
        assert driver.ask(bytes([Control.ATR])) == ATR
        client.detach()
        thread.join(LIMIT)
        assert driver.sees_removal()
    assert card.events == ["off"]


def test_stop_ends_an_idle_card() -> None:
    stop = threading.Event()
    with Driver() as driver:
        client = VpcdClient(Card(), "127.0.0.1", driver.port)
        client.attach(LIMIT)
        with running(client, lambda: client.serve(stop)) as thread:
            driver.ask(bytes([Control.ATR]))
            stop.set()
            thread.join(LIMIT)
            assert not thread.is_alive()
            assert driver.sees_removal()


@pytest.mark.parametrize("by_stop", [True, False])
def test_ends_while_the_driver_does_not_read(by_stop: bool) -> None:
    stop = threading.Event()
    called = threading.Event()
    card = Card()

    def reply(_: bytes) -> bytes:
        called.set()
        return bytes(0xFFFF)

    card.reply = reply
    with Driver() as driver:
        client = VpcdClient(card, "127.0.0.1", driver.port)
        client.attach(LIMIT)
        with running(client, lambda: client.serve(stop)) as thread:
            driver.card.sendall(bytes.fromhex("000500b0000000") * 1_000)  # 65 MB of answers: no buffer holds them
            assert called.wait(LIMIT)
            if by_stop:
                stop.set()
            else:
                client.detach()
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_an_error_of_the_card_comes_through_and_frees_the_reader() -> None:
    card = Card()

    def broken(_: bytes) -> bytes:
        raise EcitizenError("the memory is full")

    card.reply = broken
    with Driver() as driver:
        client = VpcdClient(card, "127.0.0.1", driver.port)
        client.attach(LIMIT)
        driver.send(b"\x00\xb0\x00\x00\x00")
        with pytest.raises(EcitizenError, match="the memory is full"):
            client.serve()
        assert driver.sees_removal()


def test_card_can_be_inserted_again() -> None:
    with Driver() as driver:
        client = VpcdClient(Card(), "127.0.0.1", driver.port)
        for _ in range(2):
            assert client.attach(LIMIT)
            with running(client, client.serve):
                assert driver.ask(bytes([Control.ATR])) == ATR
                client.detach()
                assert driver.sees_removal()
            driver.drop_card()


def test_run_comes_back_after_the_daemon_restarted() -> None:
    attached = threading.Semaphore(0)
    stop = threading.Event()
    driver = Driver()
    client = VpcdClient(Card(), "127.0.0.1", driver.port)
    with running(client, lambda: client.run(stop, attached.release)) as thread:
        for _ in range(3):
            assert driver.ask(bytes([Control.ATR])) == ATR
            assert attached.acquire(timeout=LIMIT)
            driver.close()
            driver = Driver(driver.port)
        stop.set()
        thread.join(LIMIT)
        assert not thread.is_alive()
    driver.close()


def test_run_waits_for_a_daemon_that_starts_later_and_ends_by_detach() -> None:
    client = VpcdClient(Card(), "127.0.0.1", free_port())
    with running(client, client.run) as thread, Driver(client._port) as driver:
        assert driver.ask(bytes([Control.ATR])) == ATR
        client.detach()
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_run_frees_the_reader_when_its_caller_fails() -> None:
    def fail() -> None:
        raise EcitizenError("no")

    with Driver() as driver:
        client = VpcdClient(Card(), "127.0.0.1", driver.port)
        with pytest.raises(EcitizenError):
            client.run(on_attached=fail)
        assert driver.sees_removal()


def test_detach_between_attach_and_serve() -> None:
    with Driver() as driver:
        client = VpcdClient(Card(), "127.0.0.1", driver.port)
        client.attach(LIMIT)
        client.detach()
        client.serve()
        assert driver.sees_removal()


def test_detach_ends_a_waiting_attach(monkeypatch: pytest.MonkeyPatch) -> None:
    client = VpcdClient(Card(), "127.0.0.1", free_port())
    waiting = threading.Event()
    outcome: list[bool] = []

    def attach() -> None:
        outcome.append(client.attach())

    def refuse(*args: object, **kwargs: object) -> socket.socket:
        waiting.set()
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with running(client, attach):
        assert waiting.wait(LIMIT)
    assert outcome == [False]


@pytest.mark.parametrize("timeout", [0.0, 0.05])
def test_nobody_listens(timeout: float) -> None:
    port = free_port()
    with pytest.raises(ConfigError, match=f"{port}.*vsmartcard-vpcd"):
        VpcdClient(Card(), "127.0.0.1", port).attach(timeout)


@pytest.mark.parametrize("host", ["no such host", "a..b", "\0", "x" * 300])
def test_unknown_host(host: str) -> None:
    with pytest.raises(ConfigError):
        VpcdClient(Card(), host, 35963).attach(None)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_impossible_port(port: int) -> None:
    with pytest.raises(UsageError, match="65535"):
        VpcdClient(Card(), "localhost", port)


def test_attach_twice_and_serve_unattached() -> None:
    with Driver() as driver:
        client = VpcdClient(Card(), "127.0.0.1", driver.port)
        with pytest.raises(UsageError, match="attach it first"):
            client.serve()
        client.attach(LIMIT)
        with pytest.raises(UsageError, match="already"):
            client.attach(LIMIT)
        client.detach()


def test_serve_from_two_threads() -> None:
    with inserted(Card()) as (driver, client, _):
        driver.ask(bytes([Control.ATR]))
        with pytest.raises(UsageError, match="one thread"):
            client.serve()


def test_a_connection_to_ourselves_is_not_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    looped = socket.socket()
    looped.bind(("127.0.0.1", 0))
    looped.connect(looped.getsockname())
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: looped)
    with pytest.raises(ConfigError, match="No virtual reader"):
        VpcdClient(Card(), "127.0.0.1", 35963).attach(0)
    assert looped.fileno() == -1
