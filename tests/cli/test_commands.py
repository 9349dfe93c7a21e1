"""Every command as its user calls it: data on standard output, talk on standard error, and the exit code."""

import gc
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from cli import output
from cli.language import of_locale
from cli.main import main
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona, installed_personas
from ecitizen.emulator.personalise import SECTION_CARD
from ecitizen.errors import ConfigError, PcscUnavailable
from ecitizen.model import CardDate, CitizenId
from ecitizen.transport import pcsc
from ecitizen.transport.base import ReaderInfo
from ecitizen.version import __version__

ROOT = Path(__file__).parents[2]


class Outcome(Protocol):
    """What the fixture `run` gives."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


class MakeImage(Protocol):
    def __call__(self, persona: str, protocol: str = "t0") -> str: ...


def portrait_of(persona: str) -> bytes:
    record = find_persona(persona).applications["citizen_id"]
    assert isinstance(record, CitizenId)
    assert record.photo
    return record.photo.jpeg


# card read


def test_reading_shows_every_application_in_both_languages(run: Run, image: MakeImage) -> None:
    done = run("card", "read", "--reader", f"virtual:{image('wanida')}")
    assert (done.code, done.err) == (0, "")
    for title in ("บัตรประจำตัวประชาชน · Citizen ID card", "Health insurance", "Civil servant card", "ข้อมูลบัตร · Card"):
        assert title in done.out
    assert "Mrs. Wanida Rakphaendin" in done.out
    assert done.out.splitlines()[-1].startswith("T=0, 58 exchanges, ")


def test_the_json_of_a_card_has_exactly_the_promised_keys(run: Run, image: MakeImage) -> None:
    done = run("card", "read", "--reader", f"virtual:{image('wanida', 't1')}", "--json")
    value = done.json()
    assert (done.code, done.err) == (0, "")
    applications = ["citizen_id", "health_insurance", "civil_servant", "card_admin"]
    assert list(value) == ["schema_version", *applications, "problems", "link"]
    assert value["schema_version"] == 1
    assert value["problems"] == []
    citizen, link = value["citizen_id"], value["link"]
    assert isinstance(citizen, dict)
    assert isinstance(link, dict)
    assert " ".join(citizen) == (
        "cid name_th name_en birth_date sex request_number issue_place issuer_code issue_date expiry_date card_type"
        " address photo_number layout_version photo"
    )
    assert " ".join(citizen["address"]) == "house_no moo trok soi road tambon amphoe province"
    assert list(citizen["name_th"]) == ["prefix", "first", "middle", "last"]
    assert citizen["birth_date"] == {"raw": "25310922", "iso": "1988-09-22", "precision": "day", "lifelong": False}
    jpeg = portrait_of("wanida")
    assert citizen["photo"] == {"bytes": len(jpeg), "sha256": hashlib.sha256(jpeg).hexdigest()}
    assert list(link) == ["protocol", "exchanges", "bytes_sent", "bytes_received"]
    assert (link["protocol"], link["exchanges"]) == ("T=1", 12)


def test_an_application_that_the_card_lacks_is_null_and_no_problem(run: Run, image: MakeImage) -> None:
    done = run("card", "read", "--reader", f"virtual:{image('somchai')}", "--json")
    assert done.code == 0
    assert done.json()["civil_servant"] is None


def test_an_application_that_was_named_and_is_lacking_is_a_problem(run: Run, image: MakeImage) -> None:
    reader = f"virtual:{image('somchai')}"
    done = run("card", "read", "--reader", reader, "--app", "civil_servant", "--app", "card_admin")
    assert done.code == 1
    assert "! civil_servant: " in done.out
    assert "[app_not_found]" in done.out
    assert "Laser number" in done.out


def test_a_card_without_anything_that_was_named_gives_that_as_a_problem(run: Run, image: MakeImage) -> None:
    done = run("card", "read", "--reader", f"virtual:{image('somchai')}", "--app", "civil_servant", "--json")
    assert done.code == 1
    (problem,) = _list(done.json()["problems"])
    assert (problem["application"], problem["field"], problem["code"]) == ("civil_servant", None, "app_not_found")


def _list(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value


def test_problems_of_a_card_are_told_and_the_exit_code_is_1(run: Run, image: MakeImage) -> None:
    done = run("card", "read", "--reader", f"virtual:{image('kla')}", "--json")
    assert done.code == 1
    found = [(problem["application"], problem["field"], problem["code"]) for problem in _list(done.json()["problems"])]
    assert found == [("citizen_id", "photo", "blank"), ("card_admin", "laser_number", "blank")]


def test_naming_an_application_reads_that_one(run: Run, image: MakeImage) -> None:
    value = run("card", "read", "--reader", f"virtual:{image('wanida')}", "--app", "health_insurance", "--json").json()
    assert [name for name in ("citizen_id", "civil_servant", "card_admin") if value[name] is not None] == []
    assert value["health_insurance"] is not None


def test_naming_a_field_reads_and_shows_that_one(run: Run, image: MakeImage) -> None:
    reader = f"virtual:{image('wanida')}"
    done = run("card", "read", "--reader", reader, "--field", "citizen_id.cid", "--field", "civil_servant.status")
    assert done.code == 0
    assert [line for line in done.out.splitlines() if line.startswith("  ")] == [
        "  เลขประจำตัวประชาชน · Citizen number: 1-9999-00200-25-0",
        "  สถานะ · Status: ปฏิบัติราชการ · active",
    ]


def test_without_photo_the_read_is_short(run: Run, image: MakeImage) -> None:
    value = run("card", "read", "--reader", f"virtual:{image('somchai')}", "--no-photo", "--json").json()
    citizen, link = value["citizen_id"], value["link"]
    assert isinstance(citizen, dict)
    assert isinstance(link, dict)
    assert citizen["photo"] is None
    assert citizen["cid"] is not None
    assert link["exchanges"] < 20


@pytest.mark.parametrize("persona", sorted(name for name in installed_personas() if name != "kla"))
@pytest.mark.parametrize("protocol", ["t0", "t1"])
def test_the_saved_photo_is_exactly_the_jpeg(
    persona: str, protocol: str, run: Run, image: MakeImage, tmp_path: Path
) -> None:
    target = tmp_path / "portrait.jpg"
    reader = f"virtual:{image(persona, protocol)}"
    done = run("card", "read", "--reader", reader, "--app", "card_admin", "--photo", str(target))
    assert (done.code, done.err) == (0, f"The photo was saved as {target}.\n")
    assert target.read_bytes() == portrait_of(persona)


def test_a_photo_that_was_asked_for_and_is_not_there_is_no_success(run: Run, image: MakeImage, tmp_path: Path) -> None:
    target = tmp_path / "portrait.jpg"
    done = run(
        "card", "read", "--reader", f"virtual:{image('kla')}", "--field", "citizen_id.cid", "--photo", str(target)
    )
    assert done.code == 1
    assert "no photo" in done.err
    assert not target.exists()


def test_a_photo_that_cannot_be_saved_is_an_error_about_the_file(run: Run, image: MakeImage, tmp_path: Path) -> None:
    done = run("card", "read", "--reader", f"virtual:{image('somchai')}", "--photo", str(tmp_path / "no" / "such.jpg"))
    assert done.code == 7
    assert "such.jpg" in done.err


# What goes wrong, and its exit code


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["card", "read", "--reader", "virtual:nobody.json"], 7, "image"),
        (["card", "info", "--reader", "virtual:nobody.json"], 7, "image"),
        (["card", "read", "--reader", "virtual:damaged.json"], 7, "image_damaged"),
        (["card", "read", "--reader", "virtual:newer.json"], 7, "image_too_new"),
        (["card", "read", "--reader", "virtual:."], 7, "image"),
        (["card", "read", "--reader", "virtual:"], 2, "usage"),
        (["card", "read", "--reader", "virtual:card.json", "--app", "driving_licence"], 2, "usage"),
        (["card", "read", "--reader", "virtual:card.json", "--field", "citizen_id.religion"], 2, "usage"),
        (["card", "read", "--reader", "virtual:card.json", "--field", "cid"], 2, "usage"),
    ],
)
def test_each_failure_has_its_exit_code_and_a_json_error(
    arguments: list[str],
    code: int,
    error: str,
    run: Run,
    image: MakeImage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    content = json.loads(Path(image("somchai")).read_text("utf-8"))
    (tmp_path / "card.json").write_text(json.dumps(content))
    (tmp_path / "newer.json").write_text(json.dumps({**content, "version": 99}))
    (tmp_path / "damaged.json").write_text("{")
    done = run(*arguments, "--json")
    assert done.code == code
    assert list(done.json()) == ["error"]
    detail = done.json()["error"]
    assert isinstance(detail, dict)
    assert list(detail) == ["code", "message"]
    assert detail["code"] == error
    assert done.err == f"ecitizen: {detail['message']}\n"
    plain = run(*arguments)
    assert (plain.code, plain.out, plain.err) == (code, "", done.err)


def test_an_image_that_another_program_uses_is_busy(run: Run, image: MakeImage) -> None:
    path = image("somchai")
    holder = (
        "import sys; from ecitizen.emulator.image import CardImage\n"
        "with CardImage.open(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", holder, path], cwd=ROOT, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == b"held\n"
        done = run("card", "read", "--reader", f"virtual:{path}", "--json")
        other.communicate()
    assert done.code == 5
    assert done.json() == {"error": {"code": "image_busy", "message": done.err.removeprefix("ecitizen: ").rstrip()}}
    assert run("card", "read", "--reader", f"virtual:{path}").code == 0


@pytest.mark.parametrize("arguments", [[], ["card"], ["card", "eat"], ["card", "read", "--wait", "nan"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], run: Run) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "usage: ecitizen" in done.err


@pytest.mark.parametrize(("columns", "lines"), [("50", 3), ("200", 1), ("0", 2), ("many", 2)])
def test_help_is_as_wide_as_the_terminal(columns: str, lines: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))  # what some terminals say
    description = run("card", "read", "--help").out.split("\n\n")[1]
    assert " ".join(description.splitlines()).startswith("Read the card: all its applications, or those")
    assert len(description.splitlines()) == lines


def test_ctrl_c_is_exit_code_130(run: Run, image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecitizen.usecases.read_card.read_card", interrupted)
    done = run("card", "read", "--reader", f"virtual:{image('somchai')}")
    assert (done.code, done.out) == (130, "")


# card info, reader list


def test_card_info_says_what_the_card_is_and_has(run: Run, image: MakeImage) -> None:
    reader = f"virtual:{image('somchai')}"
    done = run("card", "info", "--reader", reader, "--json")
    value = done.json()
    assert done.code == 0
    keys = "schema_version reader atr historical protocols fi di bits_per_second applications link"
    assert " ".join(value) == keys
    assert value["reader"] == reader
    assert value["protocols"] == ["T=0"]
    assert value["applications"] == {
        "citizen_id": True,
        "health_insurance": True,
        "civil_servant": False,
        "card_admin": True,
        "piv": False,
    }
    shown = run("card", "info", "--reader", reader)
    assert shown.code == 0
    assert f"ATR: {value['atr']} ({value['historical']})" in shown.out
    assert "[civil_servant]: no" in shown.out


def test_readers_are_listed_for_people_and_programs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = (ReaderInfo("A 00", True, b"\x3b\x00"), ReaderInfo("B 00", False, None), ReaderInfo("C 00", True, None))
    monkeypatch.setattr(pcsc, "list_readers", lambda: readers)
    assert run("reader", "list").out == "A 00: 3B00\nB 00: empty\nC 00: mute card\n"
    value = run("reader", "list", "--json").json()
    assert list(value) == ["schema_version", "readers"]
    assert _list(value["readers"]) == [
        {"name": "A 00", "card_present": True, "atr": "3B00"},
        {"name": "B 00", "card_present": False, "atr": None},
        {"name": "C 00", "card_present": True, "atr": None},
    ]


def test_no_reader_is_said_but_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcsc, "list_readers", tuple)
    done = run("reader", "list")
    assert (done.code, done.out) == (0, "")
    assert "no card reader" in done.err


def test_without_pyscard_asking_for_a_reader_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    for arguments in (["reader", "list"], ["card", "read"], ["card", "info", "--reader", "ACS"]):
        done = run(*arguments)
        assert done.code == 3
        assert "pip install pyscard" in done.err


def test_without_a_pcsc_service_the_exit_code_is_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> None:
        raise PcscUnavailable("the PC/SC service does not run")

    monkeypatch.setattr(pcsc, "list_readers", unavailable)
    done = run("reader", "list", "--json")
    assert done.code == 3
    assert done.json() == {"error": {"code": "pcsc_unavailable", "message": "the PC/SC service does not run"}}


# emulator


def test_personas_are_listed_a_line_each_with_the_name_first(run: Run) -> None:
    done = run("emulator", "personas")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in lines] == sorted(installed_personas())
    assert all(line.split(maxsplit=1)[1] == installed_personas()[line.split()[0]].description for line in lines)


@pytest.mark.parametrize("protocol", ["t0", "t1"])
def test_a_new_image_is_private_and_says_whose_card_it_is(protocol: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    done = run("emulator", "new", str(path), "--persona", "wanida", "--protocol", protocol)
    assert (done.code, done.out) == (0, "")
    assert str(path) in done.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = run("emulator", "show", str(path))
    assert shown.code == 0
    assert "Persona: wanida\n" in shown.out
    assert f"Protocol: T={protocol[1]}\n" in shown.out
    assert "[civil_servant]" in shown.out
    assert "Rakphaendin" not in shown.out


def test_a_file_that_exists_is_replaced_only_by_force(run: Run, image: MakeImage) -> None:
    path = image("somchai")
    before = Path(path).read_bytes()
    done = run("emulator", "new", path, "--persona", "wanida")
    assert done.code == 2
    assert "exists already" in done.err
    assert Path(path).read_bytes() == before
    assert run("emulator", "new", path, "--persona", "wanida", "--force").code == 0
    assert "Persona: wanida\n" in run("emulator", "show", path).out


def test_an_unknown_persona_is_a_usage_error_that_names_the_known_ones(run: Run, tmp_path: Path) -> None:
    done = run("emulator", "new", str(tmp_path / "card.json"), "--persona", "nobody")
    assert done.code == 2
    assert "somchai" in done.err
    assert not (tmp_path / "card.json").exists()


def test_an_image_where_none_can_be_written_is_an_error_about_the_file(run: Run, tmp_path: Path) -> None:
    assert run("emulator", "new", str(tmp_path / "no" / "card.json"), "--persona", "somchai").code == 7


@pytest.mark.parametrize("persona", [None, ["somchai"], 7])
def test_an_image_with_an_odd_persona_in_it_is_shown(persona: object, run: Run, image: MakeImage) -> None:
    path = image("somchai")
    with CardImage.open(path) as opened, opened.transaction() as change:
        change.put(SECTION_CARD, "persona", persona)  # type: ignore[arg-type]
    assert run("emulator", "show", path).code == 0


# demo


@pytest.fixture
def no_pcscd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecitizen.emulator.pcscd.missing", lambda: ["pcscd", "vsmartcard-vpcd"])


def test_the_demo_without_pcsc_says_so_and_saves_the_same(run: Run, no_pcscd: None, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    done = run("demo", "--out", str(folder))
    assert done.code == 0
    assert "missing: pcscd, vsmartcard-vpcd" in done.err
    assert "in this process" in done.err
    assert "Wanida" in done.out
    assert (folder / "wanida.jpg").read_bytes() == portrait_of("wanida")
    value = json.loads((folder / "wanida.json").read_text("utf-8"))
    assert value["citizen_id"]["name_en"]["first"] == "Wanida"
    assert value["problems"] == []
    assert {path.name for path in folder.iterdir()} == {"wanida.jpg", "wanida.json", "wanida.pdf"}
    assert run("verify", str(folder / "wanida.pdf"), "--test").code == 0


def test_the_demo_without_the_packages_for_pdf_says_so(
    run: Run, no_pcscd: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> bytes:
        raise ConfigError("run: pip install ecitizen[sign]")

    monkeypatch.setattr("pki.pdf.sign", missing)
    done = run("demo", "--out", str(tmp_path))
    assert done.code == 0
    assert "pip install ecitizen[sign]" in done.err
    assert "signed with the card" not in done.out
    assert {path.name for path in tmp_path.iterdir()} == {"wanida.jpg", "wanida.json"}


def test_the_demo_needs_a_folder_to_write_to(run: Run, no_pcscd: None, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = run("demo", "--out", str(tmp_path / "taken"))
    assert done.code == 7
    assert "--out" in done.err


# The process: streams, character sets, signals


def ecitizen(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False)


def test_the_command_runs_as_a_process_and_says_its_version() -> None:
    done = ecitizen("--version")
    assert (done.returncode, done.stdout.decode().strip(), done.stderr) == (0, f"ecitizen {__version__}", b"")


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_thai_on_an_ascii_terminal_is_escaped_and_does_not_crash(image: MakeImage) -> None:
    reader = f"virtual:{image('wanida')}"
    done = ecitizen("card", "read", "--reader", reader, **ASCII)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Citizen ID card" in done.stdout
    assert "บัตร".encode("ascii", "backslashreplace") in done.stdout
    as_json = ecitizen("card", "read", "--reader", reader, "--json", **ASCII)
    assert (as_json.returncode, as_json.stderr) == (0, b"")
    assert json.loads(as_json.stdout.decode("ascii"))["citizen_id"]["name_th"]["first"] == "วนิดา"


def test_json_of_a_name_outside_unicode_is_still_json(tmp_path: Path) -> None:
    """A path whose bytes are no UTF-8 comes back as lone surrogates."""
    path = os.fsencode(tmp_path) + b"/\xff.json"
    command: list[str | bytes] = [sys.executable, "-m", "cli"]
    made = subprocess.run([*command, "emulator", "new", path, "--persona", "somchai"], cwd=ROOT, check=False)
    assert made.returncode == 0
    shown = subprocess.run([*command, "emulator", "show", path], cwd=ROOT, capture_output=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    info = [*command, "card", "info", "--json", "--reader", b"virtual:" + path]
    done = subprocess.run(info, cwd=ROOT, capture_output=True, check=False)
    assert json.loads(done.stdout)["reader"].endswith("\udcff.json")


def test_a_reader_of_our_output_that_goes_away_is_no_crash(image: MakeImage) -> None:
    command = [sys.executable, "-m", "cli", "card", "read", "--json", "--reader", f"virtual:{image('wanida')}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 8


def test_reading_a_virtual_card_imports_nothing_that_costs_time_in_vain(image: MakeImage) -> None:
    program = (
        "import sys; from cli.main import main; main(sys.argv[1:]); print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "card", "read", "--json", "--reader", f"virtual:{image('wanida')}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["citizen_id"]
    loaded = set(done.stderr.split())
    assert {"ecitizen.model", "ecitizen.emulator.image_store"} <= loaded
    assert not loaded & {"pathlib", "importlib.metadata", "shutil", "tempfile", "socket", "subprocess", "logging"}
    assert not loaded & {"ecitizen.transport.pcsc", "ecitizen.station", "ecitizen.explain", "ecitizen.emulator.persona"}


def test_only_the_command_of_a_process_leaves_the_garbage_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    assert main(["explain", "9000"]) == 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
    monkeypatch.setattr(sys, "argv", ["ecitizen", "explain", "9000"])
    try:
        assert main() == 0
        assert gc.get_freeze_count() > before[1]
    finally:
        gc.unfreeze()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_is_for_terminals_only(image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["card", "read", "--reader", f"virtual:{image('somchai')}"]) == 0
    drawn = terminal.getvalue()
    assert "100 %" in drawn
    assert drawn.endswith("\r")
    bar = output.ProgressBar()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    silent = output.ProgressBar()
    silent.show(50, "citizen_id")
    bar.clear()
    assert isinstance(sys.stderr, io.StringIO)
    assert "50 %" not in sys.stderr.getvalue()


# How values look


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("25310922", "22 กันยายน 2531 · 22 September 1988"),
        ("25310900", "กันยายน 2531 · September 1988"),
        ("25310000", "พ.ศ. 2531 · 1988"),
        ("99999999", "ตลอดชีพ · lifelong"),
        ("        ", "–"),
    ],
)
def test_dates_are_shown_in_both_eras_as_far_as_they_are_known(raw: str, text: str) -> None:
    assert output.show_date(CardDate.parse(raw), of_locale({})) == text


def test_what_a_card_says_does_not_steer_the_terminal() -> None:
    from cli.language import asked_for
    from cli.output import show
    from ecitizen.model import BilingualText

    assert show("a\x1b[2Jb\r\n", asked_for("en")) == "a\\x1b[2Jb\\r\\n"
    assert show(BilingualText("ชื่อ", "na\x9bme"), asked_for("en")) == "na\\x9bme"
    assert show("นาง วนิดา รักษ์แผ่นดิน", asked_for("th")) == "นาง วนิดา รักษ์แผ่นดิน"
