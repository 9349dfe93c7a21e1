"""OpenSSH uses the card: it lists its keys, and logs in to a real `sshd` on loopback."""

import getpass
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecitizen.emulator.card import Card
from tests.interop.signing_card import BOTH_PROTOCOLS, PATIENCE, PIN, CardKind, Insert, Programs

PRIVILEGE_SEPARATION = Path("/run/sshd")
"""`sshd` wants this folder when root starts it; normally the system's service makes it."""
LABEL_9A, LABEL_9C = "PIV AUTH pubkey", "SIGN pubkey"


@pytest.fixture(scope="module", params=BOTH_PROTOCOLS, ids=str)
def card(request: pytest.FixtureRequest, insert: Insert, signing_card: Callable[[CardKind], Card]) -> Iterator[None]:
    with insert(signing_card(request.param)):
        yield


@dataclass(frozen=True)
class Key:
    """A line that `ssh-keygen -D` prints."""

    kind: str
    key: str
    label: str


@pytest.fixture
def module(card: None, foreign_library: Callable[[str], Path]) -> str:
    return str(foreign_library("opensc-pkcs11.so"))


@pytest.fixture
def keys(module: str, programs: Programs) -> list[Key]:
    return [Key(*line.split(maxsplit=2)) for line in programs.run("ssh-keygen", "-D", module).splitlines()]


def test_it_lists_the_keys_of_the_card(keys: list[Key]) -> None:
    kinds = {key.label: key.kind for key in keys}
    assert len(kinds) == len(keys) == 7
    assert kinds[LABEL_9A] == "ecdsa-sha2-nistp256"
    assert kinds[LABEL_9C] == "ssh-rsa"


@pytest.fixture
def privilege_separation() -> Iterator[None]:
    made = os.geteuid() == 0 and not PRIVILEGE_SEPARATION.exists()
    if made:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    yield
    if made:
        PRIVILEGE_SEPARATION.rmdir()


@contextmanager
def ssh_server(programs: Programs, authorized: Key) -> Iterator[int]:
    """An `sshd` that lets in the current user with this key only, for one connection; gives its port on loopback.

    It is started for the connection, in the way of inetd, so that it can't lose its port to another program.
    """
    programs.write("authorized", f"{authorized.kind} {authorized.key}\n")
    programs.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "host.key")
    host_key = " ".join(programs.read("host.key.pub").decode().split()[:2])
    settings = {
        "HostKey": programs.folder / "host.key",
        "AuthorizedKeysFile": programs.folder / "authorized",
        "StrictModes": "no",  # the folder of the tests lies where others may write
        "UsePAM": "no",
        "AuthenticationMethods": "publickey",
        "PermitRootLogin": "prohibit-password",
        "ForceCommand": "echo Welcome, holder of the card",
    }
    programs.write("sshd.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
    command = [programs.find("sshd"), "-i", "-e", "-f", str(programs.folder / "sshd.conf")]
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (programs.folder / "sshd.log").open("wb") as log,
    ):
        port = listener.getsockname()[1]
        programs.write("known", f"[127.0.0.1]:{port} {host_key}\n")

        def serve() -> None:
            with suppress(OSError):  # nobody came
                connection, _ = listener.accept()
                with connection:
                    line = connection.fileno()
                    subprocess.run(command, stdin=line, stdout=line, stderr=log, timeout=PATIENCE, check=False)

        visitor = threading.Thread(target=serve)
        visitor.start()
        try:
            yield port
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            visitor.join()


def log_in(programs: Programs, module: str, port: int, pin: str) -> subprocess.CompletedProcess[str]:
    """`ssh` with the keys of the card and no others; a program answers its question for the PIN."""
    answer = programs.folder / programs.write("answer", f"#!/bin/sh\necho {pin}\n")
    answer.chmod(0o700)
    options = {
        "PKCS11Provider": module,
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "NumberOfPasswordPrompts": 1,
        "UserKnownHostsFile": programs.folder / "known",
        "StrictHostKeyChecking": "yes",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    asking = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
    return programs.attempt("ssh", "-F", "none", *words, "-p", str(port), f"{getpass.getuser()}@127.0.0.1", **asking)


@pytest.mark.parametrize("label", [LABEL_9A, LABEL_9C], ids=["9A-P-256", "9C-RSA-2048"])
def test_the_card_logs_in(
    label: str, keys: list[Key], module: str, programs: Programs, privilege_separation: None
) -> None:
    [key] = [key for key in keys if key.label == label]
    with ssh_server(programs, key) as port:
        done = log_in(programs, module, port, PIN)
    log = programs.read("sshd.log").decode()
    assert (done.returncode, done.stdout) == (0, "Welcome, holder of the card\n"), f"{done.stderr}\n{log}"


def test_a_wrong_pin_does_not(keys: list[Key], module: str, programs: Programs, privilege_separation: None) -> None:
    with ssh_server(programs, keys[0]) as port:
        done = log_in(programs, module, port, "654321")
    assert (done.returncode, done.stdout) == (255, "")
    assert "PIN incorrect" in done.stderr
