"""A PC/SC service of one's own with virtual readers: the real stack, without touching the machine's service.

`PrivatePcscd` starts pcscd on its own socket, with vsmartcard's vpcd as reader driver, in a mount namespace
where pcscd's run folder and the drivers of real readers are out of sight. It needs Linux, but no root.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from ..errors import ConfigError, UsageError

# pcsc-lite allows 16 readers in all (src/PCSC/pcsclite.h.in), and every vpcd entry makes two of them.
MAX_READERS: Final = 8
SLOTS_PER_READER: Final = 2
DRIVER: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")

# Below the ports that Linux gives to outgoing connections: a card that dials one of those while nobody
# listens there may be connected to itself.
PORTS: Final = range(20000, 32000, SLOTS_PER_READER)

START_SECONDS: Final = 15.0
STOP_SECONDS: Final = 5.0

# Where the programs are looked for: pcscd is not on a plain user's PATH.
_SEARCH_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES: Final = {
    "pcscd": "pcscd",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
_SYSTEM_SOCKET: Final = Path("/run/pcscd/pcscd.comm")
NAMESPACE_PERMISSION: Final = "permission to make a mount namespace"

# The listening socket comes as standard input and becomes file 3, where systemd's protocol has it
# (sd_listen_fds(3)); `exec` keeps the process id that LISTEN_PID must name. Every reader gets its own copy of
# the driver, since vpcd holds its slots in static memory; the copies lie in the new /run, which allows
# execution even where /tmp does not. The drivers' folder is hidden last: this pcscd finds no driver for real
# readers.
_LAUNCH: Final = """\
set -e
exec 3<&0 </dev/null
hidden=$1 source=$2 copies=$3 readers=$4
shift 4
if [ "$hidden" = yes ]; then mount -t tmpfs -o mode=755 tmpfs /run; fi
mkdir -p /run/pcscd "$copies"
while [ "$readers" -gt 0 ]; do
  readers=$((readers - 1))
  cp "$source" "$copies/reader$readers.so"
done
if [ "$hidden" = yes ]; then mount -t tmpfs tmpfs "${source%/*/*}"; fi
LISTEN_FDS=1 LISTEN_PID=$$
export LISTEN_FDS LISTEN_PID
exec "$@"
"""

# pcsc-lite's own protocol (src/winscard_msg.h): a header of length and command, then the body.
_CMD_VERSION: Final = 0x11
_CMD_GET_READERS_STATE: Final = 0x12
_PROTOCOL_VERSION: Final = (4, 4)
_VERSION_ANSWER_LEN: Final = 12


class PrivatePcscd:
    """A running pcscd with virtual readers, from `with` to the end of its block.

    `environment` holds what a program must have in its environment to use this service instead of the
    machine's (set it before that program's first PC/SC call); `ports` the TCP port of each reader's first
    slot, to which a card connects (each reader has a second slot on the next port); `reader_names` the PC/SC
    names of these first slots. They stay the same over `stop` and `start`.

    pcscd ends with the thread that started it, also when that dies without a word. While it runs, vpcd
    listens on all network interfaces without authentication. Raises UsageError for a number of readers
    outside 1 to 8; entering raises ConfigError if something is missing (see `missing`) or pcscd does not
    start.
    """

    def __init__(self, readers: int = 1) -> None:
        if not 1 <= readers <= MAX_READERS:
            raise UsageError(f"A private pcscd can have 1 to {MAX_READERS} readers, not {readers}.")
        self.environment: dict[str, str] = {}
        self.ports: tuple[int, ...] = ()
        self.reader_names = tuple(_slot_name(number, slot=0) for number in range(readers))
        self._hiding: tuple[str, ...] | None = None
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if lacking := missing():
            raise ConfigError(f"A private pcscd can't run here. Missing: {', '.join(lacking)}.")
        self._hiding = _way_to_hide()
        try:
            # Not where TMPDIR says: a socket's name has at most 107 bytes, and /run will be out of sight.
            self._folder = Path(tempfile.mkdtemp(prefix="ecitizen-pcscd-", dir="/tmp"))
        except OSError as error:
            raise ConfigError(f"A private pcscd needs a folder in /tmp: {error}.") from error
        self.environment = {"PCSCLITE_CSOCK_NAME": str(self._folder / "pcscd.comm")}
        with ExitStack() as undo:
            undo.callback(self._remove_folder)
            undo.callback(self.stop)
            self.ports = _free_ports(len(self.reader_names))
            self.start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._remove_folder()

    @property
    def pid(self) -> int | None:
        """The process id of the running service, None while it is stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the service again after `stop`, on the same socket, ports and reader names.

        Returns when it answers and shows all its readers. Raises UsageError if it runs already or outside the
        `with` block, ConfigError with the end of its log if it does not start.
        """
        if self._folder is None:
            raise UsageError("A private pcscd is started by `with`; start() is for starting it again inside.")
        if self._process is not None:
            raise UsageError("This private pcscd is running already.")
        try:
            self._launch(self._folder)
            states = self._ask_for_readers()
        except OSError as error:
            self._give_up(self._folder, str(error))
        # pcscd also lists a reader whose driver it could not load, but only with its first slot.
        count = len(self.reader_names)
        slots = [_slot_name(number, slot) for number in range(count) for slot in range(SLOTS_PER_READER)]
        absent = [name for name in slots if name.encode() + b"\0" not in states]
        if absent:
            self._give_up(self._folder, f"it came up without {', '.join(absent)}")

    def stop(self) -> None:
        """End the service, as when it crashes: clients lose their connection, cards theirs. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:  # it waits for a silent card
                process.kill()
                process.wait()
        if self._folder is not None:
            (self._folder / "pcscd.comm").unlink(missing_ok=True)

    def _launch(self, folder: Path) -> None:
        configuration = folder / "reader.conf"
        copies = Path("/run/pcscd") if self._hiding else folder / "drivers"
        configuration.write_text("".join(_reader_entries(self.ports, copies)), encoding="ascii")
        command = [*(self._hiding or ()), "sh", "-c", _LAUNCH, "sh", "yes" if self._hiding else "no"]
        command += [str(DRIVER), str(copies), str(len(self.ports))]
        command += ["setpriv", "--pdeathsig", "TERM", "pcscd", "--foreground", "--config", str(configuration)]
        if _knows_polkit():
            command.append("--disable-polkit")  # only this user reaches the socket; containers have no polkit
        with (folder / "pcscd.log").open("wb") as log, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.environment["PCSCLITE_CSOCK_NAME"])
            listener.listen()
            # Our copy of the listener is closed below: a client then notices at once when pcscd is gone.
            self._process = subprocess.Popen(  # noqa: S603  fixed words and names of our own
                command,
                stdin=listener.fileno(),
                stdout=log,
                stderr=log,
                env={"PATH": _SEARCH_PATH},
                start_new_session=True,  # Ctrl-C is for the program in front; it ends its pcscd in good order
            )

    def _ask_for_readers(self) -> bytes:
        """Greet the service and return the state of all its readers. OSError if it dies or is silent."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(START_SECONDS)
            client.connect(self.environment["PCSCLITE_CSOCK_NAME"])
            client.sendall(struct.pack("=IIiiI", _VERSION_ANSWER_LEN, _CMD_VERSION, *_PROTOCOL_VERSION, 0))
            if len(client.recv(_VERSION_ANSWER_LEN, socket.MSG_WAITALL)) < _VERSION_ANSWER_LEN:
                raise ConnectionResetError("it ended at once")
            client.sendall(struct.pack("=II", 0, _CMD_GET_READERS_STATE))
            return client.recv(1 << 16)

    def _give_up(self, folder: Path, reason: str) -> NoReturn:
        self.stop()
        log = (folder / "pcscd.log").read_text(encoding="utf-8", errors="replace")
        last_words = " / ".join(log.splitlines()[-5:]) or "nothing"
        raise ConfigError(f"The private pcscd did not start: {reason}. Its log says: {last_words}")

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def missing() -> list[str]:
    """Return what this machine lacks for a private pcscd: nothing, if it can run.

    The items are names of Debian packages, "Linux", or `NAMESPACE_PERMISSION`.
    """
    if sys.platform != "linux":
        return ["Linux"]
    lacking = {package for program, package in _PACKAGES.items() if not shutil.which(program, path=_SEARCH_PATH)}
    if not DRIVER.exists():
        lacking.add("vsmartcard-vpcd")
    if not lacking and _way_to_hide() is None:
        return [NAMESPACE_PERMISSION]
    return sorted(lacking)


def _way_to_hide() -> tuple[str, ...] | None:
    """Return the command prefix that gives a program its own mounts; None if this user can't have them.

    Empty: root in a container that allows no mounts, and where no other pcscd runs that could be disturbed.
    """
    for prefix in (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount")):
        if _run(*prefix, "mount", "-t", "tmpfs", "tmpfs", "/run").returncode == 0:
            return prefix
    return () if os.geteuid() == 0 and not _SYSTEM_SOCKET.exists() else None


def _knows_polkit() -> bool:
    return b"--disable-polkit" in _run("pcscd", "--help").stdout


def _run(*command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603  fixed words, no shell
        command, env={"PATH": _SEARCH_PATH}, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


def _free_ports(count: int) -> tuple[int, ...]:
    """Return the first ports of `count` free blocks. Neighbouring processes look far from each other."""
    start = os.getpid() * 2 * MAX_READERS % len(PORTS)
    free = tuple(islice(filter(_is_free, (*PORTS[start:], *PORTS[:start])), count))
    if len(free) < count:
        raise ConfigError(f"A private pcscd needs free TCP ports from {PORTS.start} to {PORTS.stop}.")
    return free


def _is_free(first_port: int) -> bool:
    try:
        for port in range(first_port, first_port + SLOTS_PER_READER):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("", port))
    except OSError:
        return False
    return True


def _friendly_name(number: int) -> str:
    # Of several readers with one name, pcscd would show each as "00".
    return f"Virtual PCD {number + 1}"


def _slot_name(number: int, slot: int) -> str:
    return f"{_friendly_name(number)} 00 {slot:02X}"


def _reader_entries(ports: tuple[int, ...], drivers: Path) -> Iterator[str]:
    """Yield an entry of reader.conf(5) for each reader."""
    for number, port in enumerate(ports):
        yield (
            f'FRIENDLYNAME "{_friendly_name(number)}"\nDEVICENAME /dev/null:{port:#x}\n'
            f"LIBPATH {drivers}/reader{number}.so\nCHANNELID {port:#x}\n\n"
        )
