"""Thai and English: what is said in which language, and that nothing is left untranslated."""

import ast
import gettext
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from cli import output
from cli.language import CATALOGUE, CONTEXT_CODE, Language, Words, asked_for, of_locale
from ecitizen import errors
from ecitizen.errors import EcitizenError, NoReader
from ecitizen.model import BilingualText, CardDate, Problem
from pki import envelope_errors, long_term, timestamp_client, token_errors
from pki import errors as pki_errors

ROOT = Path(__file__).parents[2]
SOURCE = Path(CATALOGUE).with_suffix(".po")
COMPILE = "pybabel compile --domain ecitizen --directory cli/locale"
ERROR_MODULES = {
    module.__name__ for module in (errors, pki_errors, envelope_errors, long_term, timestamp_client, token_errors)
}
THAI_LETTER = re.compile("[ก-ฮ]")


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


class MakeImage(Protocol):
    def __call__(self, persona: str, protocol: str = "t0") -> str: ...


# The catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with SOURCE.open("rb") as file:
        return read_po(file)


def texts_in_the_source() -> Iterator[str]:
    """What stands in calls of `_`."""
    for path in (ROOT / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: only a plain string is found"
                yield str(argument.value)


def kinds_of_error(root: type[EcitizenError] = EcitizenError) -> Iterator[type[EcitizenError]]:
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ in ERROR_MODULES:
            yield from kinds_of_error(kind)


def problem_codes() -> set[str]:
    """Those of docs/cli.md, which another test holds against the code."""
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    return set(re.findall(r"^\| `(\w+)` \|", page.split("\n## Problems\n")[1], re.MULTILINE))


def test_the_catalogue_has_every_text_and_every_code_and_nothing_else(catalogue: Catalog) -> None:
    texts = {message.id for message in catalogue if message.id and not message.context}
    assert texts == set(texts_in_the_source())
    codes = {message.id for message in catalogue if message.context == CONTEXT_CODE}
    assert codes == {kind.code for kind in kinds_of_error()} | problem_codes()


def test_every_message_is_translated_and_keeps_its_placeholders(catalogue: Catalog) -> None:
    for message in catalogue:
        if not message.id:
            continue
        assert message.string, message.id
        assert not message.fuzzy, message.id
        original, translated = (
            {(name, spec, how) for _, name, spec, how in string.Formatter().parse(str(text)) if name}
            for text in (message.id, message.string)
        )
        assert translated == original, message.id


def test_every_error_and_problem_means_something_in_thai() -> None:
    thai = asked_for("th")
    for code in {kind.code for kind in kinds_of_error()} | problem_codes():
        meaning = thai.meaning(code)
        assert meaning, code
        assert THAI_LETTER.search(meaning), code


def test_the_compiled_catalogue_is_that_of_the_source(catalogue: Catalog) -> None:
    with Path(CATALOGUE).open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in catalogue:
        if message.id and message.context:
            found = compiled.pgettext(message.context, str(message.id))
        else:
            found = compiled.gettext(str(message.id))
        assert not message.id or found == message.string, f"{message.id}: {COMPILE}"
    assert len(vars(compiled)["_catalog"]) == len(catalogue) + 1, COMPILE  # and the header


# Choosing the language


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "th_TH.UTF-8"}, "th"),
        ({"LANG": "th"}, "th"),
        ({"LANG": "tha"}, "en"),
        ({"LANG": "th_TH.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "th_TH"}, "th"),
        ({"LANG": "th_TH.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "th_TH.UTF-8", "LC_ALL": ""}, "th"),
    ],
)
def test_the_locale_decides_where_nobody_asked(environment: dict[str, str], language: str) -> None:
    words = of_locale(environment)
    assert words.language == language
    assert words.both


def test_who_asks_gets_that_language_before_or_after_the_command(run: Run, image: MakeImage) -> None:
    read = ["card", "read", "--reader", f"virtual:{image('wanida')}", "--no-photo"]
    thai = run("--lang", "th", *read)
    assert thai.out == run(*read, "--lang", "th").out
    assert thai.out.startswith("บัตรประจำตัวประชาชน\n  เลขประจำตัวประชาชน: 1-9999")
    assert "  วันเกิด: 22 กันยายน 2531 (ค.ศ. 1988)\n" in thai.out
    assert "  เพศ: หญิง\n" in thai.out
    assert "  กระทรวง: กระทรวงมหาดไทย\n" in thai.out
    english = run(*read, "--lang", "en").out
    assert english.startswith("Citizen ID card\n  Citizen number: 1-9999")
    assert "  Date of birth: 22 September 1988 (B.E. 2531)\n" in english
    assert "  Sex: female\n" in english
    assert "  Ministry: Ministry of Interior\n" in english
    assert "  Name in Thai: นาง วนิดา รักษ์แผ่นดิน\n" in english


def test_in_a_thai_locale_data_is_in_both_languages_and_talk_in_thai(
    run: Run, image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "th_TH.UTF-8")
    done = run("card", "read", "--reader", f"virtual:{image('kla')}")
    assert "บัตรประจำตัวประชาชน · Citizen ID card\n" in done.out
    assert "! citizen_id.photo: บัตรไม่มีข้อมูลในช่องนี้ (the card has nothing in this field) [blank]\n" in done.out
    assert run("card", "read", "--reader", f"virtual:{image('kla')}", "--lang", "en").out.startswith(
        "Citizen ID card\n"
    )


def test_a_language_that_is_not_spoken_is_a_wrong_command_line(run: Run) -> None:
    done = run("--lang", "xx", "reader", "list")
    assert done.code == 2
    assert "'xx' is not a language spoken here; say th or en" in done.err


@pytest.mark.parametrize("command", [["card", "read"], ["card", "info"], ["trace", "--", "card", "info"]])
def test_nothing_depends_on_how_wide_thai_letters_are(command: list[str], run: Run, image: MakeImage) -> None:
    done = run("--lang", "th", *command, "--reader", f"virtual:{image('wanida')}")
    assert done.code == 0
    for line in done.out.splitlines():
        assert re.fullmatch(r"( {2})?\S+( \S+)*|", line), "indented or not, and no columns"


# Errors


def test_an_error_says_in_thai_what_to_do_and_keeps_the_details(run: Run) -> None:
    english = run("card", "read", "--reader", "virtual:nobody.json", "--json")
    thai = run("card", "read", "--reader", "virtual:nobody.json", "--json", "--lang", "th")
    assert thai.code == english.code == 7
    assert thai.out == english.out, "JSON is for programs"
    message = english.json()["error"]["message"]
    assert english.err == f"ecitizen: {message}\n"
    assert thai.err == f"ecitizen: {asked_for('th').meaning('image')} ({message})\n"


def test_what_the_argument_parser_refuses_is_explained_in_thai(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    thai = f"ecitizen: {asked_for('th').meaning('usage')}\n"
    assert run("--lang", "th", "card", "eat").err.endswith(thai)
    assert thai not in run("card", "eat").err
    monkeypatch.setenv("LANG", "th_TH.UTF-8")
    done = run("card", "eat")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(thai)
    assert thai not in run("card", "--help").err


def test_a_trace_passes_its_language_on(run: Run, image: MakeImage) -> None:
    info = ["card", "info", "--reader", f"virtual:{image('somchai')}"]
    assert "เครื่องอ่านบัตร" in run("--lang", "th", "trace", "--", *info).out
    assert "เครื่องอ่านบัตร" in run("trace", "--", *info, "--lang", "th").out
    assert "Reader: " in run("--lang", "th", "trace", "--", *info, "--lang", "en").out


def test_an_error_of_somebody_elses_is_given_as_it_is() -> None:
    class Foreign(EcitizenError):
        code = "foreign"

    assert asked_for("th").error(Foreign("the door is open")) == "the door is open"
    assert asked_for("en").error(NoReader("no reader")) == "no reader"
    assert asked_for("en").problem(Problem("a", None, "blank", "nothing there")) == "nothing there"


# Values


@pytest.mark.parametrize(
    ("raw", "th", "en"),
    [
        ("25310922", "22 กันยายน 2531 (ค.ศ. 1988)", "22 September 1988 (B.E. 2531)"),
        ("25310900", "กันยายน 2531 (ค.ศ. 1988)", "September 1988 (B.E. 2531)"),
        ("25310000", "พ.ศ. 2531 (ค.ศ. 1988)", "1988 (B.E. 2531)"),
        ("99999999", "ตลอดชีพ", "lifelong"),
        ("        ", "–", "–"),
    ],
)
def test_dates_are_in_both_eras_in_either_language(raw: str, th: str, en: str) -> None:
    date = CardDate.parse(raw)
    assert output.show_date(date, asked_for("th")) == th
    assert output.show_date(date, asked_for("en")) == en


def test_what_there_is_in_one_language_only_is_shown_in_that_one() -> None:
    for words in (asked_for("th"), asked_for("en"), Words(Language.EN, both=True)):
        assert words.choose(BilingualText("", "Level 3")) == "Level 3"
        assert words.choose(BilingualText("ระดับ 3", "")) == "ระดับ 3"
        assert output.show(BilingualText(), words) == "–"
