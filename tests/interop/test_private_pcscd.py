"""The private PC/SC stack itself, judged by pyscard's bare calls, OpenSC and the kernel."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from ecitizen.emulator import pcscd as module
from ecitizen.emulator.pcscd import PrivatePcscd, missing
from ecitizen.errors import ConfigError, UsageError

PATIENCE = 10.0
SELECT_MF = [0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00]
ATR_OF_EACH_READER = (bytes.fromhex("3B00"), bytes.fromhex("3B0141"))


@contextmanager
def card(port: int, atr: bytes) -> Iterator[None]:
    """A card that says 9000 to everything, in vpcd's frames: two bytes of length, then the body."""

    def serve() -> None:
        with suppress(ConnectionError):
            while header := link.recv(2, socket.MSG_WAITALL):
                body = link.recv(int.from_bytes(header), socket.MSG_WAITALL)
                if body == b"\x04":  # get ATR
                    link.sendall(len(atr).to_bytes(2) + atr)
                elif len(body) > 1:  # power and reset have one byte and no answer
                    link.sendall(b"\x00\x02\x90\x00")

    with socket.create_connection(("127.0.0.1", port), PATIENCE) as link:
        link.settimeout(None)
        thread = Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):  # the other side may be gone
                link.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(fact: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def readers_seen(service: PrivatePcscd, opensc_tool: str) -> str:
    """The reader list of a client in a process of its own: a client library remembers its first socket."""
    environment = {**os.environ, **service.environment}
    command = [opensc_tool, "--list-readers"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_bare_pyscard_talks_to_the_card_in_each_reader(pcscd: PrivatePcscd) -> None:
    scard = importlib.import_module("smartcard.scard")  # not at the top: without pyscard the fixture says so
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    assert result == scard.SCARD_S_SUCCESS
    try:
        for name, port, atr in zip(pcscd.reader_names, pcscd.ports, ATR_OF_EACH_READER, strict=True):
            with card(port, atr):
                state = scard.SCARD_STATE_EMPTY
                while not state & scard.SCARD_STATE_PRESENT:
                    wait = int(PATIENCE * 1000)
                    result, states = scard.SCardGetStatusChange(context, wait, [(name, state)])
                    assert result == scard.SCARD_S_SUCCESS
                    state = states[0][1]
                assert bytes(states[0][2]) == atr
                result, handle, protocol = scard.SCardConnect(
                    context, name, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T0
                )
                assert result == scard.SCARD_S_SUCCESS
                result, answer = scard.SCardTransmit(handle, protocol, SELECT_MF)
                assert (result, answer) == (scard.SCARD_S_SUCCESS, [0x90, 0x00])
                scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    finally:
        scard.SCardReleaseContext(context)


@pytest.mark.usefixtures("needs_pcscd")
def test_stop_and_start_keep_socket_ports_and_names(foreign_program: Callable[[str], str]) -> None:
    opensc_tool = foreign_program("opensc-tool")
    with PrivatePcscd(readers=3) as service:
        known = (service.environment, service.ports, service.reader_names)
        first_pid = service.pid
        assert all(name in readers_seen(service, opensc_tool) for name in service.reader_names)

        service.stop()
        assert not Path(f"/proc/{first_pid}").exists()
        assert "No smart card readers found" in readers_seen(service, opensc_tool)
        service.stop()  # once more does no harm

        service.start()
        assert service.pid != first_pid
        assert (service.environment, service.ports, service.reader_names) == known
        assert all(name in readers_seen(service, opensc_tool) for name in service.reader_names)


@pytest.mark.usefixtures("needs_pcscd")
def test_it_comes_back_while_cards_are_in(foreign_program: Callable[[str], str]) -> None:
    with PrivatePcscd() as service:
        with card(service.ports[0], ATR_OF_EACH_READER[0]):
            service.stop()
        service.start()
        assert service.reader_names[0] in readers_seen(service, foreign_program("opensc-tool"))


@pytest.mark.usefixtures("needs_pcscd")
def test_two_services_live_side_by_side() -> None:
    with PrivatePcscd() as one, PrivatePcscd() as other:
        assert one.environment != other.environment
        assert set(one.ports).isdisjoint(other.ports)


@pytest.mark.usefixtures("needs_pcscd")
def test_nothing_is_left_behind() -> None:
    with PrivatePcscd() as service:
        folder = Path(service.environment["PCSCLITE_CSOCK_NAME"]).parent
        process = Path(f"/proc/{service.pid}")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert "pcscd" in (process / "cmdline").read_text()
        assert listening(service.ports[0])
    assert not folder.exists()
    assert not process.exists()
    assert not listening(service.ports[0])


@pytest.mark.usefixtures("needs_pcscd")
def test_it_ends_when_its_program_is_killed() -> None:
    program = """
import sys
from ecitizen.emulator.pcscd import PrivatePcscd
with PrivatePcscd() as service:
    print(service.ports[0], service.environment["PCSCLITE_CSOCK_NAME"], flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        port, _, name = owner.stdout.readline().strip().partition(" ")
        owner.send_signal(signal.SIGKILL)
    for leftover in Path(name).parent.iterdir():  # a killed program can't tidy up
        leftover.unlink()
    Path(name).parent.rmdir()
    assert eventually(lambda: not listening(int(port)))


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(module, "DRIVER", tmp_path / "libifdvpcd.so")
    assert missing() == ["mount", "pcscd", "util-linux", "vsmartcard-vpcd"]
    with pytest.raises(ConfigError, match="Missing: mount, pcscd, util-linux, vsmartcard-vpcd"):
        PrivatePcscd().__enter__()


@pytest.mark.usefixtures("needs_pcscd")
def test_a_missing_permission_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess(args=[], returncode=1, stdout=b"", stderr=b"")
    monkeypatch.setattr(module, "_run", lambda *command: refused)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing() == [module.NAMESPACE_PERMISSION]


@pytest.mark.usefixtures("needs_pcscd")
def test_root_may_do_without_a_namespace_where_no_other_pcscd_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = subprocess.CompletedProcess(args=[], returncode=1, stdout=b"", stderr=b"")
    monkeypatch.setattr(module, "_run", lambda *command: refused)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    system_socket = tmp_path / "pcscd.comm"
    monkeypatch.setattr(module, "_SYSTEM_SOCKET", system_socket)
    assert missing() == []
    system_socket.touch()
    assert missing() == [module.NAMESPACE_PERMISSION]


@pytest.mark.usefixtures("needs_pcscd")
def test_a_driver_that_does_not_load_is_an_error_with_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "drivers" / "serial" / "libifdvpcd.so"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(module, "DRIVER", broken)
    service = PrivatePcscd()
    with pytest.raises(ConfigError, match=r"without Virtual PCD 1 00 01.*log says:.*reader0\.so"):
        service.__enter__()
    assert not Path(service.environment["PCSCLITE_CSOCK_NAME"]).parent.exists()
    assert service.pid is None


@pytest.mark.usefixtures("needs_pcscd")
def test_a_launch_that_fails_is_an_error_with_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAUNCH", "echo no such luck >&2; exit 1")
    service = PrivatePcscd()
    with pytest.raises(ConfigError, match=r"did not start.*no such luck"):
        service.__enter__()
    assert not Path(service.environment["PCSCLITE_CSOCK_NAME"]).parent.exists()


@pytest.mark.usefixtures("needs_pcscd")
def test_a_port_that_was_taken_while_it_was_stopped_is_an_error() -> None:
    with PrivatePcscd() as service:
        service.stop()
        with (
            socket.create_server(("", service.ports[0])),
            pytest.raises(ConfigError, match="Address already in use"),
        ):
            service.start()
        service.start()


@pytest.mark.usefixtures("needs_pcscd")
def test_ports_in_use_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "PORTS", range(port, port + 1))
        with pytest.raises(ConfigError, match="needs free TCP ports"):
            PrivatePcscd().__enter__()


@pytest.mark.parametrize("readers", [0, 9])
def test_a_number_of_readers_that_pcscd_can_not_have_is_refused(readers: int) -> None:
    with pytest.raises(UsageError, match=f"not {readers}"):
        PrivatePcscd(readers)


@pytest.mark.usefixtures("needs_pcscd")
def test_start_belongs_inside_the_block_and_after_stop() -> None:
    service = PrivatePcscd()
    with pytest.raises(UsageError, match="`with`"):
        service.start()
    with service, pytest.raises(UsageError, match="running already"):
        service.start()
