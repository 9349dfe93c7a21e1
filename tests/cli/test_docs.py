"""The documentation is true: its examples run and give what it shows, its tables are those of the code.

How examples are written in docs/*.md and README.md:

    ```console      lines `$ ecitizen ...` and `$ echo $?` are run; what follows is all that they print, to the letter
    ```python       is run, its test functions too; a ```text block right after it is all that it prints, to the letter
    ```python NAME  is written to the file NAME, as is ```toml NAME, and ```text NAME if the name has a dot
    ```json         is JSON, and is written to a file as well if a name is there
    ```sh           is not run: it needs root, a daemon of the machine or a reader; nor is ``` and ```text

In what a command prints, `[...]` stands for what differs from run to run, in one line. `3<<<TEXT` behind a command
gives it a line on that descriptor, as in bash; with `3>FILE` options like --pin-out may say 3.

The blocks of a page share one empty folder and one Python namespace. In place of the machine's PC/SC two readers are
seen: one with the card of the persona wanida on T=0, and an empty one.
"""

import argparse
import ast
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import pytest

from cardapps.civil_servant import layout
from cardapps.civil_servant.applet import CivilServantApplet
from cardapps.civil_servant.driver import CivilServantDriver, decode
from cli.exit_codes import ExitCode, exit_code
from cli.issuing.work import Outcome
from cli.main import main, parser
from cli.tree import leaves
from ecitizen import errors
from ecitizen.apps import installed_drivers
from ecitizen.emulator.card import Card
from ecitizen.emulator.pcscd import PORTS
from ecitizen.emulator.slot import SlotStatus
from ecitizen.errors import EcitizenError, NoReader
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.jsonio import plain, to_json
from ecitizen.model import (
    Address,
    BilingualText,
    CardAdmin,
    CardDate,
    CardReading,
    CitizenId,
    CivilServant,
    HealthInsurance,
    LinkStats,
    OfficialStatus,
    PersonName,
    Photo,
    Problem,
)
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport import pcsc
from ecitizen.transport.base import ReaderInfo
from ecitizen.transport.replay import ReplayTransport, Transcript
from ecitizen.transport.virtual import VirtualReader, VirtualTransport
from ecitizen.usecases.card_info import CardInfo
from ecitizen.usecases.read_card import read_card
from pki import envelope_errors, long_term, timestamp_client, token_errors
from pki import errors as pki_errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
CLI_PAGE = (DOCS / "cli.md").read_text(encoding="utf-8")

ERROR_MODULES = {
    module.__name__ for module in (errors, pki_errors, envelope_errors, long_term, timestamp_client, token_errors)
}

_BLOCK = re.compile(r"^```(?P<kind>\w*)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE_STRING = re.compile(r"([0-9]+)<<<(.*)")
_COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    name: str | None
    text: str
    line: int
    expected: str | None = None
    """Of Python: what the block after it shows."""


def blocks(page: str) -> Iterator[Block]:
    found = [*_BLOCK.finditer(page), None]
    for this, following in pairwise(found):
        assert this
        expected = None
        if following and following["kind"] == "text" and not page[this.end() : following.start()].strip():
            expected = following["text"]
        yield Block(this["kind"], this["name"], this["text"], page.count("\n", 0, this.start()) + 1, expected)


class Example:
    """Runs the blocks of one page."""

    def __init__(self) -> None:
        self.namespace: dict[str, object] = {"__name__": "__main__"}
        self.last_code = 0

    def shell(self, command: str) -> str:
        """What a line of a console prints, standard error included."""
        if command == "echo $?":
            return f"{self.last_code}\n"
        name, *arguments = shlex.split(command)
        assert name == "ecitizen", f"a console block runs ecitizen only, not {name}"
        with Printed() as output, redirected(arguments) as line:
            self.last_code = main(with_descriptors(line))
        return output.text

    def python(self, text: str) -> str:
        """What a piece of Python prints."""
        with Printed() as output:
            known = set(self.namespace)
            exec(compile(text, "<example>", "exec"), self.namespace)
            for name in [name for name in self.namespace if name.startswith("test_") and name not in known]:
                function = self.namespace[name]
                assert callable(function)
                function()
        return output.text


def with_descriptors(arguments: list[str]) -> list[str]:
    """The arguments without `3<<<TEXT`, and where an option like --pin-fd says 3 a descriptor that gives that line."""
    lines = {found[1]: found[2] for each in arguments if (found := _HERE_STRING.fullmatch(each))}
    rest = [each for each in arguments if not _HERE_STRING.fullmatch(each)]
    for number, text in lines.items():
        reading, writing = os.pipe()
        os.write(writing, f"{text}\n".encode())
        os.close(writing)
        named = [at for at, option in enumerate(rest[:-1]) if option.endswith("-fd") and rest[at + 1] == number]
        assert named, f"no option reads descriptor {number}"
        for at in named:
            rest[at + 1] = str(reading)
    return rest


def fits(shown: str, printed: str) -> bool:
    """Whether this is what a page shows, where `[...]` is anything within a line."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("[...]"))), printed) is not None


@contextmanager
def redirected(arguments: list[str]) -> Iterator[list[str]]:
    """The arguments without `3>FILE`; the file is open where they say 3, at a number that nobody else uses."""
    line, opened = [], {}
    for argument in arguments:
        number, redirects, path = argument.partition(">")
        if redirects and number.isdigit():
            opened[number] = str(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        else:
            line.append(argument)
    try:
        yield [opened.get(argument, argument) for argument in line]
    finally:
        for number in opened.values():
            with suppress(OSError):  # the command has closed it
                os.close(int(number))


class Printed:
    """Standard output and error in the order in which they came."""

    def __enter__(self) -> "Printed":
        self._buffer = io.BytesIO()
        stream = io.TextIOWrapper(self._buffer, encoding="utf-8", write_through=True)
        self._redirections = (redirect_stdout(stream), redirect_stderr(stream))
        for redirection in self._redirections:
            redirection.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for redirection in self._redirections:
            redirection.__exit__(None, None, None)
        self.text = self._buffer.getvalue().decode()


@pytest.fixture
def fake_pcsc(monkeypatch: pytest.MonkeyPatch) -> None:
    full = VirtualReader(virtual_card("wanida"), "ACS ACR39U ICC Reader 00 00")
    empty = VirtualReader(None, "Virtual PCD 00 00")

    def list_readers() -> tuple[ReaderInfo, ...]:
        assert full.card is not None
        return (ReaderInfo(full.name, True, virtual_card("wanida").atr), ReaderInfo(empty.name, False, None))

    def connect(part: str | None = None, **_: object) -> VirtualTransport:
        for reader in (full, empty):
            if part is None or part.casefold() in reader.name.casefold():
                return reader.connect()
        raise NoReader(f"no reader's name contains {part!r}; there are: {full.name}, {empty.name}")

    monkeypatch.setattr(pcsc, "list_readers", list_readers)
    monkeypatch.setattr(pcsc, "connect", connect)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_and_print_what_it_shows(
    page: Path, fake_pcsc: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = Example()
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}, line {block.line}"
        if block.name and (block.kind in {"python", "toml"} or (block.kind == "text" and "." in block.name)):
            Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.kind == "json":
            json.loads(block.text)
            if block.name:
                Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            printed = example.python(block.text)
            assert block.expected in {None, printed}, where
        elif block.kind == "console":
            commands = list(_COMMAND.finditer(block.text))
            assert "".join(found.group() for found in commands) == block.text, where
            for found in commands:
                printed = example.shell(found["command"])
                if not fits(found["output"], printed):
                    assert printed == found["output"], f"{where}: {found['command']}"


def test_no_page_has_a_block_of_a_kind_that_nobody_checks() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(re.findall("^```", text, re.MULTILINE)) == 2 * len(list(blocks(text))), page
        kinds = {block.kind for block in blocks(text)}
        assert kinds <= {"console", "python", "toml", "json", "sh", "text", ""}, page


def test_every_link_inside_the_documentation_leads_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text("utf-8")):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall("^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
                assert anchor in slugs, f"{page.name}: {target}#{anchor}"


# docs/cli.md


def _section(heading: str, page: str = CLI_PAGE) -> str:
    """The text under a heading, up to the next one of the same level or a higher one."""
    level = heading.index(" ")
    lines: list[str] = []
    inside = fenced = False
    for line in page.splitlines(keepends=True):
        if not fenced and re.match(rf"#{{1,{level if inside else 6}}} ", line):
            if inside:
                break
            inside = line.rstrip("\n") == heading
        elif inside:
            lines.append(line)
        if line.startswith("```"):
            fenced = not fenced  # a comment in an example is no heading
    assert inside, f"there is no heading {heading}"
    return "".join(lines)


def _rows(text: str, head: str) -> list[list[str]]:
    """The cells of all tables whose first column is called `head`."""
    rows: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        inside = bool(cells) and (inside or cells[0] == head)
        if inside and cells[0] != head and not set(cells[0]) <= {"-"}:
            rows.append([cell.strip("`") for cell in cells])
    return rows


def _first(text: str, head: str) -> list[str]:
    return [row[0] for row in _rows(text, head)]


@pytest.mark.parametrize("command", list(leaves(parser())), ids=lambda command: command.prog)
def test_every_command_and_option_is_described_in_its_section(command: argparse.ArgumentParser) -> None:
    name, section = _section_of(command)
    assert f"[`{name}`](#" in CLI_PAGE
    rest = command.prog.removeprefix(name).removeprefix(" PATH").strip()
    assert rest in ["", *(row.split()[0] for row in _first(section, "command of the control"))]
    for action in command._actions:
        if isinstance(action, argparse._HelpAction) or "--lang" in action.option_strings:
            continue  # every command has them; the page says so once
        names = [each for each in action.option_strings if each.startswith("--")] or [str(action.metavar)]
        for option in names:
            described = rf"^\| `{option}\b"
            assert re.search(described, section, re.MULTILINE) or f"{command.prog} {option}` " in section, option


def _section_of(command: argparse.ArgumentParser) -> tuple[str, str]:
    """The command whose section describes this one, and the section: the control's commands share one."""
    name = command.prog.partition(" PATH")[0]
    return name, _section(f"## `{name}`")


def test_no_option_is_described_that_does_not_exist() -> None:
    for command in leaves(parser()):
        known = {name for action in command._actions for name in action.option_strings}
        section = _section_of(command)[1].split("### JSON")[0]
        if command.prog.startswith("ecitizen emulator control"):
            known |= {"--control"}  # of the command that the control belongs to
        described = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"```.*?```", "", section, flags=re.DOTALL)))
        assert described <= known, command.prog


def test_the_table_of_exit_codes_is_the_enumeration() -> None:
    rows = [(int(row[0]), row[1]) for row in _rows(_section("## Exit codes"), "code")]
    assert rows == [(code.value, code.name) for code in ExitCode]


def _kinds_of_error(root: type[EcitizenError] = EcitizenError) -> Iterator[type[EcitizenError]]:
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ in ERROR_MODULES:
            yield from _kinds_of_error(kind)


def test_every_error_code_is_described_with_its_exit_code() -> None:
    rows = {row[0]: int(row[1]) for row in _rows(_section("## Errors"), "code")}
    assert rows == {kind.code: int(exit_code(kind.__new__(kind))) for kind in _kinds_of_error()}


def _problem_codes() -> set[str]:
    """The codes that stand as words in calls that make a Problem, in all packages."""
    found: set[str] = set()
    for package in ("cardapps", "ecitizen"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    place = {"Problem": 2, "problem": 0}.get(node.func.id)
                    if node.func.id in {"_problem", "_refuse"} and len(node.args) == 3:  # field, code, message
                        place = 1
                    word = node.args[place] if place is not None else None
                    if isinstance(word, ast.Constant):
                        found.add(str(word.value))
    return found


def test_every_problem_code_is_described() -> None:
    described = set(_first(_section("## Problems"), "code"))
    found = _problem_codes()
    assert found - {kind.code for kind in _kinds_of_error()} <= described
    assert described <= found | {"check_digit"}
    assert "check_digit" in described


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if field.name != "raw"]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("#### `citizen_id`", CitizenId),
        ("#### `health_insurance`", HealthInsurance),
        ("#### `civil_servant`", CivilServant),
        ("#### `card_admin`", CardAdmin),
        ("#### Name", PersonName),
        ("#### Address", Address),
        ("#### Text in Thai and English", BilingualText),
        ("#### Problem", Problem),
        ("#### Link", LinkStats),
    ],
)
def test_every_json_key_is_described(heading: str, kind: type) -> None:
    assert _first(_section(heading), "key") == _names(kind)


def test_the_other_json_keys_are_described() -> None:
    reading = read_card(VirtualReader(virtual_card("wanida")), photo=False)
    assert _first(_section("#### The whole"), "key") == list(to_json(reading))
    assert _first(_section("#### Date"), "key") == list(plain(CardDate.parse("25690101")))
    assert _first(_section("#### Photo"), "key") == list(plain(Photo(b"")))
    assert _first(_section("## `ecitizen card info`"), "key") == ["schema_version", *_names(CardInfo)]
    assert _first(_section("## `ecitizen emulator control`"), "key") == ["schema_version", *_names(SlotStatus)]
    assert _first(_section("#### What was done to a card"), "key") == ["schema_version", *_names(Outcome)]


def test_the_demo_in_the_pages_is_what_the_demo_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ecitizen.emulator.pcscd.missing", lambda: ["pcscd"])
    main(["demo", "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    assert shown.startswith("บัตรประจำตัวประชาชน · Citizen ID card\n")
    for page in ("docs/cli.md", "README.md"):
        assert shown in (ROOT / page).read_text("utf-8"), page


# docs/civil-servant-layout.md

LAYOUT_PAGE = (DOCS / "civil-servant-layout.md").read_text(encoding="utf-8")
OFFICER = CivilServant(
    officer_number="A-1",
    department=BilingualText("กรม", "Dept"),
    status=OfficialStatus.ACTIVE,
    appointed_date=CardDate.parse("25600401"),
)


def _layout_blocks(name: str) -> list[str]:
    return [block.text for block in blocks(LAYOUT_PAGE) if block.name == name]


def _officer_example() -> bytes:
    (text,) = _layout_blocks("officer")
    return bytes.fromhex("".join(line[:42] for line in text.splitlines()))


def test_the_table_of_tags_is_the_layout() -> None:
    rows = _rows(_section("## Fields", LAYOUT_PAGE), "tag")
    assert rows[0][:2] == [f"{layout.TAG_VERSION:02X}", "version"]
    assert [(int(row[0], 16), row[1]) for row in rows[1:]] == [(entry.tag, entry.name) for entry in layout.OBJECTS]
    assert [row[1] for row in rows if "required" in row[2]] == [each.name for each in layout.OBJECTS if each.required]
    for code, status in ((1, "active"), (2, "retired"), (3, "suspended")):
        assert f"`{code:02X}` {status}" in LAYOUT_PAGE
        assert layout.OBJECTS[5].codec.decode(bytes((code,))) == status


def test_the_identifiers_in_the_page_are_those_of_the_layout() -> None:
    assert f"`{layout.AID.hex(' ').upper()}`" in LAYOUT_PAGE
    assert f"identifier `{layout.FID_OFFICER:04X}`, short identifier `{layout.SFI_OFFICER:02X}`" in LAYOUT_PAGE
    assert f"tag `{layout.TAG_OFFICER:02X}`" in LAYOUT_PAGE
    assert f"`{layout.TAG_TEXT_TH:02X}` for Thai and `{layout.TAG_TEXT_EN:02X}` for English" in LAYOUT_PAGE


def test_the_example_of_the_page_is_what_it_says() -> None:
    record, problems = decode(_officer_example(), frozenset(CivilServantDriver.fields))
    assert (record, problems) == (OFFICER, [])
    assert CivilServantApplet.personalise(OFFICER) == {"officer": _officer_example()}


@pytest.mark.parametrize("number", [0, 1])
def test_the_exchanges_of_the_page_are_those_of_reader_and_card(number: int) -> None:
    transcript = Transcript.parse(_layout_blocks("exchange")[number])
    assert transcript.protocol == CardProtocol(number)
    with CardSession(ReplayTransport(transcript)) as session:
        reading = read_card(session, apps=["civil_servant"])
    assert (reading.civil_servant, reading.problems) == (OFFICER, ())

    applet = CivilServantApplet({"officer": _officer_example()}, transcript.protocol)
    card = Card([applet], atr=b"\x3b\x00", protocol=transcript.protocol)
    card.power_on()
    for command, answer in transcript.exchanges:
        assert card.transmit(command) == answer


# docs/cards.md


def test_the_applications_of_the_page_are_the_installed_ones() -> None:
    rows = {row[0]: row[1] for row in _rows((DOCS / "cards.md").read_text("utf-8"), "application")}
    assert rows == {driver.name: driver.aid.hex().upper() for driver in installed_drivers()}


def _exchanges(persona: str, protocol: str, apps: list[str], *, photo: bool) -> int:
    reading: CardReading = read_card(VirtualReader(virtual_card(persona, protocol)), apps=apps, photo=photo)
    return reading.link.exchanges


@pytest.mark.parametrize("row", _rows((DOCS / "cards.md").read_text("utf-8"), "read"), ids=lambda row: row[0])
def test_the_exchange_counts_of_the_page_are_measured(row: list[str]) -> None:
    _, apps, persona, photo, t0, t1 = row
    names = apps.replace("`", "").split(", ")
    measured = [_exchanges(persona, protocol, names, photo=photo == "yes") for protocol in ("t0", "t1")]
    assert measured == [int(t0), int(t1)]


# docs/emulator.md


def test_the_ports_in_the_page_are_those_of_the_private_daemon() -> None:
    assert f"TCP ports from {PORTS.start} to {PORTS.stop - 1}" in (DOCS / "emulator.md").read_text("utf-8")


def test_a_package_of_ones_own_brings_a_persona_and_an_application(tmp_path: Path) -> None:
    for block in blocks((DOCS / "emulator.md").read_text("utf-8")):
        if block.name:
            (tmp_path / block.name).write_text(block.text, encoding="utf-8")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))

    def ecitizen(*arguments: str) -> str:
        environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONUTF8": "1", "XDG_STATE_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "cli", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    page = (DOCS / "emulator.md").read_text("utf-8")
    ecitizen("emulator", "new", "nok.json", "--persona", "nok", "--protocol", "t1")
    shown = ecitizen("card", "read", "--reader", "virtual:nok.json")
    (expected,) = (block.text for block in blocks(page) if block.name == "nok")
    assert expected == shown
