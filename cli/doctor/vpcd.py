"""vpcd, the virtual reader of pcscd that takes emulated cards. Only Linux has the one that we know.

Its port is looked up in the kernel's table of sockets: to connect to it would be to insert a card.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .finding import Finding, Severity, Translate
from .pcsc import SOCKET_VARIABLE, restart_command

PACKAGE = "vsmartcard-vpcd"
SLOTS = 2
_LISTENING = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_LOOPBACK = frozenset({"0100007F", "00000000000000000000000001000000"})
"""127.0.0.1 and ::1 as /proc/net/tcp and tcp6 write them: words of four bytes, each in the machine's order."""
_LIBRARY = re.compile(r"^\s*LIBPATH\s+\S*libifdvpcd\S*", re.MULTILINE)
_DEVICE = re.compile(r"^\s*DEVICENAME\s+(?P<host>[^:\s]+):(?P<port>\w+)", re.MULTILINE)
_SERVES = "/dev/null"
"""The host for which vpcd itself listens. For any other it calls there, which Debian's version does not survive."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look; tests look elsewhere."""

    driver: Path = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
    configurations: Path = Path("/etc/reader.conf.d")
    sockets: tuple[Path, ...] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def virtual_reader(_: Translate, machine: Machine = Machine()) -> Iterator[Finding]:
    """The driver is there, configured, loaded, and who can reach it."""
    if sys.platform != "linux":
        return
    if not machine.driver.exists():
        text = _("vpcd is not installed; only emulated cards in PC/SC need it (sudo apt install {package}).")
        yield Finding("vpcd", Severity.OK, text.format(package=PACKAGE))
        return
    if os.environ.get(SOCKET_VARIABLE):
        yield Finding("vpcd", Severity.OK, _("vpcd is installed."))  # the other daemon's configuration is not known
        return
    configured = _configured(machine.configurations)
    if not configured:
        text = _("vpcd is installed, but pcscd has no configuration for it.")
        cure = f"sudo apt install --reinstall {PACKAGE} && {restart_command()}"
        yield Finding("vpcd_unconfigured", Severity.WARNING, text, cure)
        return
    host, port = configured
    if host != _SERVES:
        text = _("vpcd is configured to call {host}:{port}; Debian's version makes pcscd crash when nobody answers.")
        cure = _("Write DEVICENAME /dev/null:{port:#x} in {folder}, then: {restart}")
        yield Finding(
            "vpcd_calls_out",
            Severity.WARNING,
            text.format(host=host, port=port),
            cure.format(port=port, folder=machine.configurations, restart=restart_command()),
        )
        return
    yield _port(_, port, _addresses(port, machine.sockets))


def _configured(folder: Path) -> tuple[str, int] | None:
    """Host and port of the first entry for vpcd (reader.conf(5))."""
    for file in sorted(folder.glob("*")):
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # a folder, or nothing for us
        device = _DEVICE.search(text)
        if _LIBRARY.search(text) and device:
            try:
                return device["host"], int(device["port"], 0)
            except ValueError:
                continue
    return None


def _addresses(port: int, tables: tuple[Path, ...]) -> set[str]:
    """The local addresses at which somebody listens on a port, as the kernel writes them."""
    found: set[str] = set()
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue  # a kernel without IPv6
        for line in lines:
            local, _, state = line.split()[1:4]
            address, _, number = local.rpartition(":")
            if state == _LISTENING and int(number, 16) == port:
                found.add(address)
    return found


def _port(_: Translate, port: int, addresses: set[str]) -> Finding:
    if not addresses:
        text = _("vpcd does not listen on port {port}: pcscd does not run, or has not loaded it.")
        return Finding("vpcd_silent", Severity.WARNING, text.format(port=port), restart_command())
    if addresses <= _LOOPBACK:
        return Finding("vpcd", Severity.OK, _("vpcd listens on port {port}.").format(port=port))
    text = _("vpcd listens on port {port} of all network interfaces: any machine in the network can insert a card.")
    drop = f"sudo iptables -I INPUT -p tcp --dport {port}:{port + SLOTS - 1} ! -i lo -j DROP"
    cure = _("{drop}; or, where no emulated cards are needed: sudo apt remove {package}")
    return Finding("vpcd_open", Severity.WARNING, text.format(port=port), cure.format(drop=drop, package=PACKAGE))
