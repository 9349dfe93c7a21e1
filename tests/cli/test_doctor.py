"""Every finding of `doctor`, on machines that have what it is about; and that nothing it looks at can make it hang."""

import ast
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.commands import doctor as command
from cli.doctor import child, daemon, installation, pcsc, vpcd
from cli.doctor.child import Outcome, run_python
from cli.doctor.daemon import Answer
from cli.doctor.finding import Check, Finding, Severity

ROOT = Path(__file__).parents[2]
OK, WARNING, ERROR = Severity.OK, Severity.WARNING, Severity.ERROR


class Done(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Done: ...


def findings(check: Check) -> list[Finding]:
    """What a check finds. What is not as it should be has a cure, and what is has none."""
    found = list(check(str))
    for finding in found:
        assert (finding.cure is None) == (finding.severity is OK), finding
    return found


def found(check: Check) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in findings(check)]


# The command


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`checks(finding, ...)` lets the doctor find exactly these."""

    def use(*results: Finding) -> None:
        monkeypatch.setattr(command, "_checks", lambda: (lambda _: iter(results),))

    return use


GOOD = Finding("python", OK, "Python.")
BAD = Finding("pcscd_stopped", ERROR, "It does not run.", "sudo pcscd")
SO_SO = Finding("no_reader", WARNING, "There is none.", "Plug one in.")


def test_findings_are_printed_with_their_cures_and_errors_decide_the_exit_code(
    run: Run, checks: Callable[..., None]
) -> None:
    checks(GOOD, SO_SO, BAD)
    done = run("doctor")
    assert (done.code, done.err) == (1, "")
    assert done.out == (
        "+ Python. [python]\n! There is none. [no_reader]\n    Plug one in.\n"
        "x It does not run. [pcscd_stopped]\n    sudo pcscd\nErrors: 1\n"
    )
    checks(GOOD, SO_SO)
    done = run("doctor")
    assert done.code == 0
    assert done.out.endswith("\nNothing keeps cards from being read here.\n")
    assert "ไม่พบสิ่งที่ทำให้" in run("doctor", "--lang", "th").out


def test_json_has_the_promised_keys(run: Run, checks: Callable[..., None]) -> None:
    checks(GOOD, BAD)
    done = run("doctor", "--json")
    assert (done.code, done.err) == (1, "")
    assert done.json() == {
        "schema_version": 1,
        "findings": [
            {"code": "python", "severity": "ok", "text": "Python.", "cure": None},
            {"code": "pcscd_stopped", "severity": "error", "text": "It does not run.", "cure": "sudo pcscd"},
        ],
    }


def test_json_is_english_whatever_is_spoken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_checks", lambda: (installation.terminal,))
    assert run("doctor", "--json", "--lang", "th").json()["findings"][0]["text"] == "The output is UTF-8."
    assert run("doctor", "--lang", "th").out.startswith("+ รหัสอักขระ")


def test_every_finding_is_described() -> None:
    codes: set[str] = set()
    for path in (ROOT / "cli" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                assert isinstance(node.args[0], ast.Constant)
                codes.add(str(node.args[0].value))
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    table = page.split("| finding | severity | meaning |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == codes


def test_the_whole_doctor_ends_in_time_without_a_working_pyscard(tmp_path: Path) -> None:
    (tmp_path / "smartcard").mkdir()
    (tmp_path / "smartcard" / "__init__.py").write_text("raise ImportError('no libpcsclite here')")
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "cli", "doctor", "--json"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert time.monotonic() - begun < 4 * child.SECONDS
    assert done.returncode == 1, done.stderr
    codes = {each["code"]: each["severity"] for each in json.loads(done.stdout)["findings"]}
    assert codes["python"] == "ok"
    assert {"pyscard_missing", "pyscard_broken"} & set(codes)
    assert codes["readers_failed"] == "error"


# A process of its own


def test_a_child_has_a_time_limit_and_its_crash_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_python("-c", "print('ก')") == Outcome(0, "ก\n", "exit code 0")
    assert run_python("-c", "raise ValueError('so')") == Outcome(1, "", "ValueError: so")
    assert run_python("-c", "import os; os.abort()") == Outcome(-6, "", "exit code -6")
    monkeypatch.setattr(child, "SECONDS", 0.5)
    assert run_python("-c", "import time; time.sleep(60)") == Outcome(None, "", "")


def test_a_child_imports_what_we_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cli.py").write_text("raise SystemExit('foreign')")
    monkeypatch.chdir(tmp_path)
    assert run_python("-c", "import cli; print(cli.__file__)").out.strip() == str(ROOT / "cli" / "__init__.py")


# Installation


def distribution(folder: Path, name: str, *files: str, entry_points: str = "") -> None:
    """Make it seem that a distribution is installed in a folder."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    if entry_points:
        (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where Python looks first."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_this_installation_is_well() -> None:
    assert found(installation.python) == [("python", OK)]
    assert found(installation.packages) == [("packages", OK)]
    assert found(installation.applications) == [("entry_points", OK)]


def test_another_owner_of_our_packages_is_named(site: Path) -> None:
    distribution(site, "click-tools", "cli/__init__.py", "pki/x.py", "click_tools.py")
    distribution(site, "harmless", "harmless/cli/__init__.py", "cli.txt")
    (finding,) = findings(installation.packages)
    assert (finding.code, finding.severity) == ("package_claimed", ERROR)
    assert "click-tools owns our package cli, pki too" in finding.text
    assert finding.cure
    assert finding.cure.startswith("pip uninstall click-tools; ")


def test_a_folder_in_the_way_is_named(site: Path) -> None:
    (site / "pki").mkdir()
    (site / "pki" / "__init__.py").touch()
    (finding,) = findings(installation.packages)
    assert (finding.code, finding.severity) == ("packages_scattered", ERROR)
    assert f"pki: {site.resolve()}" in finding.text


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "PACKAGES", ("ecitizen", "no_such_package"))
    (finding,) = findings(installation.packages)
    assert (finding.code, finding.severity) == ("package_missing", ERROR)
    assert "no_such_package" in finding.text


def test_source_that_is_not_installed_and_a_stale_version_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(installation, "__version__", "99.0")
        assert found(installation.packages) == [("version_differs", WARNING)]
    monkeypatch.setattr(installation, "distributions", lambda: iter(()))
    assert found(installation.packages) == [("not_installed", ERROR)]


def test_an_entry_point_that_does_not_load_is_named(site: Path) -> None:
    distribution(site, "torn", entry_points="[ecitizen.drivers]\ntorn = no_such_module:Driver\n")
    (finding,) = findings(installation.applications)
    assert (finding.code, finding.severity) == ("entry_points", ERROR)
    assert "ecitizen.drivers torn" in finding.text
    assert "No module named 'no_such_module'" in finding.text


def test_an_entry_point_that_hangs_is_named_and_not_waited_for(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "sleeper.py").write_text("import time; time.sleep(60)")
    distribution(site, "sleeper", entry_points="[ecitizen.drivers]\nsleeper = sleeper:Driver\n")
    monkeypatch.setattr(child, "SECONDS", 3.0)
    (finding,) = findings(installation.applications)
    assert "takes too long: ecitizen.drivers sleeper" in finding.text


def test_a_toolkit_without_applications_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "GROUPS", ("ecitizen.no_such_group",))
    (finding,) = findings(installation.applications)
    assert (finding.severity, finding.text) == (ERROR, "No card applications are installed.")


@pytest.mark.parametrize(("encoding", "severity"), [("utf-8", OK), ("ascii", WARNING), ("cp874", WARNING)])
def test_an_output_without_thai_is_a_warning(
    encoding: str, severity: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), encoding=encoding))
    assert found(installation.terminal) == [("encoding", severity)]


# pcscd, spoken to directly

VERSION_ANSWER = struct.pack("=iiI", 4, 4, 0)
REFUSAL = 0x8010006A


@contextmanager
def pcscd(path: Path, *answers: bytes | None) -> Iterator[list[bytes]]:
    """A daemon that gives one answer after another to one client, and hangs up for None; gives what it received."""
    received: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            for answer in answers:
                received.append(client.recv(100))
                if answer is None:
                    return
                client.sendall(answer)
            done.wait()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield received
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([VERSION_ANSWER, struct.pack("=III", 2, 77, 0)], Answer.SERVES),
        ([VERSION_ANSWER, struct.pack("=III", 2, 0, REFUSAL)], Answer.REFUSES),
        ([struct.pack("=iiI", 4, 4, REFUSAL)], Answer.REFUSES),
        ([], Answer.SILENT),
        ([b"\x04"], Answer.SILENT),
        ([None], Answer.SILENT),
        ([VERSION_ANSWER], Answer.SILENT),
        ([VERSION_ANSWER, None], Answer.SILENT),
    ],
)
def test_what_the_daemon_says(answers: list[bytes | None], said: Answer, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pcscd(tmp_path / "socket", *answers) as received:
        assert daemon.ask(str(tmp_path / "socket"), 0.3) is said
    assert time.monotonic() - begun < 5
    if received:
        assert received[0] == struct.pack("=IIiiI", 12, 0x11, 4, 4, 0)
    if received[1:]:
        assert received[1] == struct.pack("=IIIII", 12, 0x01, 2, 0, 0)


def test_a_socket_that_nobody_listens_to_or_that_is_closed_to_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "socket")
    assert daemon.ask(path) is Answer.ABSENT
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert daemon.ask(path) is Answer.ABSENT
    assert daemon.ask("x" * 500) is Answer.ABSENT

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    assert daemon.ask(path) is Answer.FORBIDDEN


@pytest.mark.parametrize(
    ("answer", "installed", "code", "severity", "cure"),
    [
        (Answer.SERVES, True, "pcscd", OK, None),
        (Answer.REFUSES, True, "pcscd_refuses", ERROR, "/etc/polkit-1/rules.d/"),
        (Answer.SILENT, True, "pcscd_silent", ERROR, "pcscd"),
        (Answer.FORBIDDEN, True, "pcscd_forbidden", ERROR, "pcscd"),
        (Answer.ABSENT, True, "pcscd_stopped", ERROR, "pcscd"),
        (Answer.ABSENT, False, "pcscd_missing", ERROR, "sudo apt install pcscd"),
    ],
)
def test_the_daemon_is_judged_by_what_it_says(
    answer: Answer, installed: bool, code: str, severity: Severity, cure: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(path: str) -> Answer:
        asked.append(path)
        return answer

    monkeypatch.delenv(pcsc.SOCKET_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(daemon, "ask", ask)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/sbin/pcscd" if installed else None)
    (finding,) = findings(pcsc.service)
    assert (finding.code, finding.severity) == (code, severity)
    assert asked == ["/run/pcscd/pcscd.comm"]
    assert (cure or "") in (finding.cure or "")


def test_a_daemon_elsewhere_is_a_warning_and_that_one_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv(pcsc.SOCKET_VARIABLE, str(tmp_path / "socket"))
    with pcscd(tmp_path / "socket", VERSION_ANSWER, struct.pack("=III", 2, 77, 0)):
        assert found(pcsc.service) == [("pcscd_elsewhere", WARNING), ("pcscd", OK)]


def test_other_systems_have_no_pcscd_and_no_vpcd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert found(pcsc.service) == []
    assert found(vpcd.virtual_reader) == []


def test_the_polkit_rule_is_one_that_a_shell_writes_as_meant() -> None:
    command = pcsc._POLKIT_RULE.split("| sudo tee")[0]
    rule = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    name = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert rule == (
        'polkit.addRule(function (action, subject) { if (action.id.indexOf("org.debian.pcsc-lite.access_") === 0 '
        f'&& subject.user === "{name}") {{ return polkit.Result.YES; }} }});\n'
    )


# pyscard and readers


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcome], None]:
    """`outcome(result)` is what every child process brings."""
    return lambda result: monkeypatch.setattr(pcsc, "run_python", lambda *_: result)


def test_pyscard_works_is_broken_or_missing(
    outcome: Callable[[Outcome], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcsc, "version", lambda _: "2.3.1")
    outcome(Outcome(0, "", ""))
    assert found(pcsc.binding) == [("pyscard", OK)]
    outcome(Outcome(1, "", "ImportError: libpcsclite.so.1"))
    (finding,) = findings(pcsc.binding)
    assert (finding.code, finding.severity) == ("pyscard_broken", ERROR)
    assert "ImportError: libpcsclite.so.1" in finding.text
    outcome(Outcome(None, "", ""))
    assert found(pcsc.binding) == [("pyscard_broken", ERROR)]

    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(pcsc, "version", missing)
    assert found(pcsc.binding) == [("pyscard_missing", ERROR)]


def listing(*readers: tuple[str, bool, str | None]) -> Outcome:
    rows = [{"name": name, "card_present": present, "atr": atr} for name, present, atr in readers]
    return Outcome(0, json.dumps({"schema_version": 1, "readers": rows}), "")


FAILURE = json.dumps({"error": {"code": "pcsc_unavailable", "message": "the PC/SC service does not run"}})


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (listing(), [("no_reader", WARNING)]),
        (listing(("A", False, None)), [("reader", OK)]),
        (listing(("A", True, "3B00"), ("B", True, None)), [("reader", OK), ("card_mute", WARNING)]),
        (Outcome(3, FAILURE, "ecitizen: …"), [("readers_failed", ERROR)]),
        (Outcome(-11, "", "exit code -11"), [("readers_failed", ERROR)]),
        (Outcome(None, "", ""), [("readers_silent", ERROR)]),
    ],
)
def test_readers_and_what_is_in_them(
    result: Outcome, expected: list[tuple[str, Severity]], outcome: Callable[[Outcome], None]
) -> None:
    outcome(result)
    assert found(pcsc.readers) == expected


def test_a_service_that_never_answers_pyscard_is_not_waited_for(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "smartcard").mkdir()
    (site / "smartcard" / "__init__.py").touch()
    (site / "smartcard" / "scard.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(child, "SECONDS", 3.0)
    assert found(pcsc.readers) == [("readers_silent", ERROR)]


# vpcd

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
EVERYWHERE = "   0: 00000000:8C7B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n"
HERE = "   0: 0100007F:8C7B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n"
CONNECTED = "   0: 00000000:8C7B 0100007F:B822 01 00000000:00000000 00:00000000 00000000     0        0 1\n"
SIXTH = "00000000000000000000000000000000"
EVERYWHERE_6 = f"   0: {SIXTH}:8C7B {SIXTH}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n"


def entry(device: str) -> str:
    driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
    return f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME   {device}\nLIBPATH      {driver}\nCHANNELID    0x8C7B\n'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vpcd.Machine:
    """A machine with vpcd's driver and nothing else."""
    monkeypatch.delenv(pcsc.SOCKET_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "libifdvpcd.so").touch()
    (tmp_path / "reader.conf.d").mkdir()
    (tmp_path / "reader.conf.d" / "a-folder").mkdir()
    (tmp_path / "reader.conf.d" / "libccidtwin").write_text("# nothing\n")
    return vpcd.Machine(tmp_path / "libifdvpcd.so", tmp_path / "reader.conf.d", (tmp_path / "tcp", tmp_path / "tcp6"))


def judge(machine: vpcd.Machine) -> tuple[str, Severity]:
    ((code, severity),) = found(lambda translate: vpcd.virtual_reader(translate, machine))
    return code, severity


@pytest.mark.parametrize(
    ("table", "code", "severity"),
    [
        ("", "vpcd_silent", WARNING),
        (CONNECTED, "vpcd_silent", WARNING),
        (HERE, "vpcd", OK),
        (EVERYWHERE, "vpcd_open", WARNING),
        (HERE + EVERYWHERE, "vpcd_open", WARNING),
    ],
)
def test_who_can_reach_vpcd(table: str, code: str, severity: Severity, machine: vpcd.Machine) -> None:
    (machine.configurations / "vpcd").write_text(entry("/dev/null:0x8C7B"))
    machine.sockets[0].write_text(HEAD + table)
    assert judge(machine) == (code, severity)


def test_vpcd_on_all_interfaces_of_ipv6_is_open_too(machine: vpcd.Machine) -> None:
    (machine.configurations / "vpcd").write_text(entry("/dev/null:35963"))
    machine.sockets[1].write_text(HEAD + EVERYWHERE_6)
    assert judge(machine) == ("vpcd_open", WARNING)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "vpcd_unconfigured"),
        (entry("/dev/null:port"), "vpcd_unconfigured"),
        (entry("host:35963"), "vpcd_calls_out"),
    ],
)
def test_a_configuration_that_is_missing_or_dangerous(text: str, code: str, machine: vpcd.Machine) -> None:
    (machine.configurations / "vpcd").write_text(text)
    assert judge(machine) == (code, WARNING)


def test_a_machine_without_vpcd_lacks_nothing(machine: vpcd.Machine) -> None:
    machine.driver.unlink()
    assert judge(machine) == ("vpcd", OK)


def test_of_another_daemon_the_configuration_is_not_judged(
    machine: vpcd.Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pcsc.SOCKET_VARIABLE, "/elsewhere")
    assert judge(machine) == ("vpcd", OK)


@pytest.mark.parametrize(("address", "code"), [("127.0.0.1", "vpcd"), ("0.0.0.0", "vpcd_open")])
def test_the_kernels_own_table_is_read_and_nothing_is_connected(address: str, code: str, machine: vpcd.Machine) -> None:
    with socket.create_server((address, 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        (machine.configurations / "vpcd").write_text(entry(f"/dev/null:{port:#x}"))
        real = vpcd.Machine(machine.driver, machine.configurations)
        assert judge(real)[0] == code
        with pytest.raises(BlockingIOError):
            listener.accept()
