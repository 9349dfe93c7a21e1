"""`ecitizen card issue` as an officer calls it: on a blank card, with a record, an office, and everything that can be
wrong with each."""

import base64
import hashlib
import io
import json
import os
import re
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cardapps.piv.driver import PivSession
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.image_values import Edit
from ecitizen.errors import CardRemoved
from ecitizen.issuing_ports import CardTask
from ecitizen.registry.journal import SqliteJournal
from ecitizen.secret import Pin
from ecitizen.transport.virtual import VirtualTransport
from ecitizen.usecases.open_card import open_card
from tests.cli.conftest import Run
from tests.cli.issuing import OFFICE, RECORD, Issuing, everything_below


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def issuing(folder: Path, run: Run) -> Issuing:
    """A desk with a blank card in the reader."""
    desk = Issuing(folder, run)
    (folder / "office.toml").write_text(OFFICE)
    assert run("gp", "keys", "new", str(folder / "master.json")).code == 0
    desk.put_in_a_blank_card()
    return desk


def test_a_blank_card_becomes_a_persons(issuing: Issuing, run: Run) -> None:
    done = issuing("issue", "--from", issuing.record())
    assert done.code == 0, done.err
    assert done.err.splitlines() == [
        "The authorities are those for tests: what they certify is for tests only.",
        f"Card {issuing.serial} is issued, and everything on it was read back.",
        "Everybody knows the keys that it came with, and may have listened: for tests only.",
    ]
    codes = issuing.codes()
    with open_card(issuing.reader) as session:
        PivSession.select(session).verify_pin(Pin(codes.pin))
    assert codes.puk is not None
    assert len(codes.puk) == 8
    assert codes.pin not in done.out + done.err
    verified = run("card", "verify", "--reader", issuing.reader, "--json")
    assert verified.json()["verdict"] == "genuine"
    read = run("card", "read", "--reader", issuing.reader, "--json").json()
    assert read["citizen_id"]["cid"] == RECORD["applications"]["citizen_id"]["cid"]
    info = run("gp", "info", "--reader", issuing.reader, "--json").json()
    assert (info["test_keys"], [key["kvn"] for key in info["keys"]]) == (False, [1])

    before = issuing.image.read_bytes()
    again = issuing("issue", "--from", issuing.record(), yes=False)
    assert (again.code, issuing.codes_written()) == (0, b"")
    assert "was issued from this record already" in again.err
    assert issuing.image.read_bytes() == before
    foreseen = issuing("issue", "--from", issuing.record(), "--dry-run", "--json").json()
    assert (foreseen["state"], foreseen["changed"], foreseen["writes"]) == ("issued", False, [])
    assert "nothing would be" in issuing("issue", "--from", issuing.record(), "--dry-run").out

    other = json.loads(json.dumps(RECORD))
    other["applications"]["citizen_id"]["name_en"]["first"] = "Another"
    refused = issuing("issue", "--from", issuing.record(other), "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (6, "wrong_card")
    assert issuing.image.read_bytes() == before


def test_json_of_what_was_done(issuing: Issuing) -> None:
    told = issuing(
        "issue", "--from", issuing.record(keys={"9A": "p256", "9E": "p256"}), "--json", "--lang", "th"
    ).json()
    steps = told.pop("writes")
    assert told == {
        "schema_version": 1,
        "card_serial": issuing.serial,
        "dry_run": False,
        "state": "blank",
        "changed": True,
        "revoked": 0,
    }
    assert [step["name"] for step in steps] == [
        "domain interior",
        "domain persons",
        "install piv",
        "install citizen_id",
        "install card_admin",
        "key 9A",
        "key 9E",
        "codes",
        "store citizen_id",
        "store card_admin",
        "read back",
        "rotate",
        "secured",
    ]
    assert all(step["words"].isascii() for step in steps), "JSON does not change with the language"
    assert {step["name"]: step["bytes"] for step in steps if step["bytes"]} == {
        "store citizen_id": 5950,
        "store card_admin": 23,
    }


def test_a_dry_run_writes_nothing_anywhere(
    issuing: Issuing, folder: Path, shared_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the card, not in a journal, not at the authorities, not the folders that they would lie in."""
    nowhere = folder / "new state"
    monkeypatch.setenv("XDG_STATE_HOME", str(nowhere))
    record = issuing.record()
    before = everything_below(folder)
    shown = issuing("issue", "--from", record, "--dry-run", pin_out=False)
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0] == f"Nothing was written. With card {issuing.serial} this would be done:"
    assert "  write citizen_id: file 0101 (5,950 bytes); sealed by its agency" in lines
    assert everything_below(folder) == before
    thai = issuing("issue", "--from", record, "--dry-run", "--lang", "th", pin_out=False).out.splitlines()
    assert len(thai) == len(lines)
    assert not set(thai) & set(lines)

    monkeypatch.setenv("XDG_STATE_HOME", str(shared_state))
    assert issuing("issue", "--from", issuing.record(keys={"9E": "p256"})).code == 0
    issued, state = everything_below(folder), everything_below(shared_state)
    for arguments in (["issue", "--from", str(folder / "record.json")], ["retire"], ["lock", "citizen_id"]):
        assert issuing(*arguments, "--dry-run", "--yes", pin_out=False).code == 0
    assert (everything_below(folder), everything_below(shared_state)) == (issued, state)


def test_a_card_without_keys_has_no_codes(issuing: Issuing) -> None:
    foreseen = issuing("issue", "--from", issuing.record(keys={}), "--dry-run", pin_out=False)
    assert foreseen.out.splitlines()[-1] == "  secure the card"
    assert "  write citizen_id: file 0101 (5,950 bytes); not sealed" in foreseen.out.splitlines()
    done = issuing("issue", "--from", issuing.record(keys={}), pin_out=False)
    assert done.code == 0, done.err


# Asking


def test_it_asks_for_the_serial(issuing: Issuing, monkeypatch: pytest.MonkeyPatch) -> None:
    before = issuing.image.read_bytes()
    nobody = issuing("issue", "--from", issuing.record(), yes=False)
    assert (nobody.code, "--yes" in nobody.err) == (2, True)
    for typed, code in (("yes", 2), (issuing.serial, 0)):
        assert issuing.image.read_bytes() == before
        answer = io.StringIO(typed + "\n")
        monkeypatch.setattr(answer, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", answer)
        asked = issuing("issue", "--from", issuing.record(keys={"9E": "p256"}), yes=False)
        assert asked.code == code, asked.err
        assert f"Card {issuing.serial} will be issued. Type its serial to go on: " in asked.err


def test_the_order_may_name_its_card(issuing: Issuing) -> None:
    before = issuing.image.read_bytes()
    refused = issuing("issue", "--from", issuing.record(chip_serial="0011223344556677"), "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (6, "wrong_card")
    assert issuing.image.read_bytes() == before


def test_a_card_that_is_not_blank(issuing: Issuing, run: Run) -> None:
    persona = str(issuing.folder / "persona.json")
    assert run("emulator", "new", persona, "--persona", "somchai", "--no-piv").code == 0
    before = Path(persona).read_bytes()
    refused = run(
        "card", "issue", "--from", issuing.record(), *issuing.office, "--reader", f"virtual:{persona}", "--dry-run"
    )
    assert refused.code == 6, refused.err
    assert Path(persona).read_bytes() == before


# PIN and PUK


def test_codes_need_a_place_to_go_before_the_card_is_touched(issuing: Issuing) -> None:
    before = issuing.image.read_bytes()
    reading, writing = os.pipe()
    for given in ([], ["--pin-out", str(reading)], ["--pin-out", "999999"], ["--pin-out", "1", "--json"]):
        refused = issuing("issue", "--from", issuing.record(), *given, pin_out=False)
        assert refused.code == 2, given
    assert issuing("issue", "--from", issuing.record(), "--pin-out", "7", "--keys-pin-fd", "7", pin_out=False).code == 2
    os.close(reading)
    os.close(writing)
    assert issuing.image.read_bytes() == before


def test_codes_that_nobody_takes_leave_an_unfinished_card(issuing: Issuing) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    record = issuing.record(keys={"9E": "p256"})
    failed = issuing("issue", "--from", record, "--pin-out", str(writing), pin_out=False)
    os.close(writing)
    assert (failed.code, "do the same again" in failed.err) == (7, True)
    done = issuing("issue", "--from", record)
    assert done.code == 0, done.err
    assert f"An earlier try on card {issuing.serial} was cut, and this goes on from there" in done.err
    with open_card(issuing.reader) as session:
        PivSession.select(session).verify_pin(Pin(issuing.codes().pin))


# A card that is pulled out


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is(issuing: Issuing, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        assert issuing("issue", "--from", issuing.record()).code == 0
    bars = re.findall(r"(\d+) % (\S.*?) *[\r\n]", terminal.getvalue())
    percents, steps = [int(percent) for percent, _ in bars], [step for _, step in bars]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert percents[-1] > 90
    assert {"key 9A", "store citizen_id", "secured"} <= set(steps)
    shown = terminal.getvalue().rpartition("\r")[2]
    assert shown.startswith(f"Card {issuing.serial} is issued")  # the bar is gone
    assert issuing.codes().pin not in terminal.getvalue()


@pytest.mark.parametrize("exchange", [3, 20, 40, 60, 90, 120])
def test_a_run_that_was_cut_goes_on(issuing: Issuing, exchange: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    record = issuing.record(keys={"9E": "p256"})
    with monkeypatch.context() as patch:
        pull_out_at(exchange, patch)
        cut = issuing("issue", "--from", record, "--json")
        assert (cut.code, cut.json()["error"]["code"]) == (4, "card_removed")
    first = issuing.codes_written()
    told = issuing("issue", "--from", record, "--json")
    assert told.code == 0, told.err
    begun = exchange > 10  # the first exchanges only look
    assert told.json()["state"] == ("unfinished" if begun else "blank")
    assert ("and this goes on from there" in told.err) == begun
    codes = issuing.codes()
    assert f"PIN {codes.pin}".encode() not in first
    with open_card(issuing.reader) as session:
        PivSession.select(session).verify_pin(Pin(codes.pin))
    assert run("card", "verify", "--reader", issuing.reader, "--json").json()["verdict"] == "genuine"


@pytest.mark.parametrize("write", [2, 12, 24])
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_a_run_whose_power_went_at_a_write_goes_on(
    issuing: Issuing, write: int, written: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = issuing.record(keys={"9E": "p256"})
    with monkeypatch.context() as patch:
        cut_power_at(write, patch, written=written)
        assert issuing("issue", "--from", record).code == 4
    done = issuing("issue", "--from", record)
    assert done.code == 0, done.err
    with open_card(issuing.reader) as session:
        PivSession.select(session).verify_pin(Pin(issuing.codes().pin))
    assert run("card", "verify", "--reader", issuing.reader, "--json").json()["verdict"] == "genuine"


def cut_power_at(write: int, patch: pytest.MonkeyPatch, *, written: bool) -> None:
    """Let the card lose its power before or after this write of its memory."""
    usual, left = CardImage._commit, iter(range(write - 1, -1, -1))

    def commit(self: CardImage, edits: list[Edit]) -> None:
        last = not next(left)
        if written or not last:
            usual(self, edits)
        if last:
            raise CardRemoved("the power went")

    patch.setattr(CardImage, "_commit", commit)


def test_ctrl_c_is_a_cut_like_any_other(issuing: Issuing, monkeypatch: pytest.MonkeyPatch) -> None:
    record = issuing.record(keys={"9E": "p256"})
    with monkeypatch.context() as patch:
        pull_out_at(70, patch, KeyboardInterrupt)
        assert issuing("issue", "--from", record).code == 130
    done = issuing("issue", "--from", record, "--json")
    assert (done.code, done.json()["state"]) == (0, "unfinished"), done.err


def test_another_record_does_not_go_on_where_one_was_cut(issuing: Issuing, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        pull_out_at(40, patch)
        assert issuing("issue", "--from", issuing.record(keys={"9E": "p256"})).code == 4
    before = issuing.image.read_bytes()
    refused = issuing("issue", "--from", issuing.record(keys={}), "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (6, "wrong_card")
    locked = issuing("lock", "citizen_id", "--json", pin_out=False)
    assert locked.code == 6
    assert issuing.image.read_bytes() == before


def pull_out_at(exchange: int, patch: pytest.MonkeyPatch, how: type[BaseException] = CardRemoved) -> None:
    """Let the card be pulled out before this exchange."""
    usual, left = VirtualTransport.transmit, iter(range(exchange - 1, -1, -1))

    def transmit(self: VirtualTransport, command: bytes) -> bytes:
        if not next(left):
            raise how("the card was pulled out")
        return usual(self, command)

    patch.setattr(VirtualTransport, "transmit", transmit)


# Records with every kind of damage


def changed(**fields: Any) -> dict[str, Any]:
    """The record with other fields of citizen_id."""
    record: dict[str, Any] = json.loads(json.dumps(RECORD))
    record["applications"]["citizen_id"] |= fields
    return record


DAMAGED: dict[str, tuple[object, str]] = {
    "empty": (b"", "record: "),
    "no JSON": (b"{", "record: "),
    "cut": (json.dumps(RECORD).encode()[:-40], "record: "),
    "no UTF-8": (b"\xff\xfe{}", "record: "),
    "TIS-620": (json.dumps(RECORD, ensure_ascii=False).encode("utf-8").decode("utf-8").encode("cp874"), "record: "),
    "a list": (b"[]", "record: "),
    "nested without end": (b"[" * 100_000, "record: "),
    "twice": (b'{"schema_version": 1, "schema_version": 1}', "record: "),
    "no version": ({"applications": {}}, "record.schema_version: "),
    "of tomorrow": ({**RECORD, "schema_version": 2}, "record.schema_version: "),
    "an unknown key": ({**RECORD, "card": 1}, "record.card: "),
    "no application": ({**RECORD, "applications": {}}, "card: "),
    "an unknown application": ({**RECORD, "applications": {"farmer": {}}}, "record.applications.farmer: "),
    "an unknown field": (changed(shoe_size=44), "citizen_id.shoe_size: "),
    "a check digit": (changed(cid="1999900100426"), "citizen_id.cid: "),
    "a number in place of text": (changed(cid=1999900100425), "citizen_id.cid: "),
    "a short number": (changed(cid="19999001004"), "citizen_id.cid: "),
    "the 30th of February": (changed(birth_date="25280230"), "citizen_id.birth_date: "),
    "no date": (changed(birth_date="yesterday"), "citizen_id.birth_date: "),
    "dates in the wrong order": (changed(birth_date="25690419"), "citizen_id.issue_date: "),
    "expired": (changed(issue_date="25550101", expiry_date="25560101"), "citizen_id.expiry_date: "),
    "a letter that TIS-620 lacks": (changed(issue_place="Zürich"), "citizen_id.issue_place: "),
    "too long": (changed(issue_place="ก" * 101), "citizen_id.issue_place: "),
    "half a surrogate": (json.dumps(changed(issue_place="\ud800")).encode(), "citizen_id.issue_place: "),
    "keys that no card makes": ({**RECORD, "keys": {"9A": "rsa512"}}, "record.keys.9A: "),
    "a slot that no card has": ({**RECORD, "keys": {"00": "p256", "9E": "p256"}}, "piv.00: "),
    "no key that binds": ({**RECORD, "keys": {"9A": "p256"}}, "piv.9E: "),
    "a serial that is none": ({**RECORD, "chip_serial": "12"}, "record.chip_serial: "),
    "a portrait that is missing": ({**RECORD, "portrait": "nobody.jpg"}, "record: "),
    "a portrait elsewhere": ({**RECORD, "portrait": "../secret.jpg"}, "record.portrait: "),
    "no base64": ({**RECORD, "portrait": {"base64": "?"}}, "record.portrait: "),
    "no picture": ({**RECORD, "portrait": {"base64": base64.b64encode(b"GIF89a").decode()}}, "citizen_id.photo: "),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_is_told_by_its_field_and_no_card_is_touched(issuing: Issuing, name: str) -> None:
    content, where = DAMAGED[name]
    before = issuing.image.read_bytes()
    path = issuing.folder / "damaged.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    refused = issuing("issue", "--from", str(path), "--json")
    assert refused.code == 2, refused.err
    error = refused.json()["error"]
    assert error["code"] == "plan"
    told = [line for line in refused.err.splitlines() if line.startswith("! ")]
    assert len(told) == len(error["problems"]) > 0
    assert any(line.startswith(f"! {where}") for line in told), told
    assert "\x1b" not in refused.err
    assert issuing.image.read_bytes() == before
    assert not issuing.journal.exists()


def test_all_that_is_wrong_is_told_at_once_and_in_thai(issuing: Issuing) -> None:
    record = issuing.record(changed(cid="1999900100426", issue_place="Zürich"))
    refused = issuing("issue", "--from", record, "--lang", "th")
    told = [line for line in refused.err.splitlines() if line.startswith("! ")]
    assert {line.split()[1] for line in told} == {"citizen_id.cid:", "citizen_id.issue_place:"}
    assert "เขียนไม่ได้" in refused.err


# CSV

HEADER = "citizen_id.layout_version,citizen_id.cid,citizen_id.name_th.first,citizen_id.name_th.last,citizen_id.name_th.prefix,citizen_id.birth_date,citizen_id.issue_date,citizen_id.expiry_date,citizen_id.card_type,citizen_id.sex,keys.9E"  # noqa: E501 - a line of CSV
GOOD = "0003,1999900100425,สมชาย,ใจงาม,นาย,25280415,25690418,99999999,01,male,p256"


def csv_file(issuing: Issuing, *lines: str) -> str:
    path = issuing.folder / "cards.csv"
    path.write_text("".join(f"{line}\n" for line in (HEADER, *lines)), encoding="utf-8")
    return str(path)


def test_a_line_of_csv(issuing: Issuing) -> None:
    path = csv_file(issuing, GOOD.replace("0425", "0426"), GOOD)
    assert issuing("issue", "--from", path).code == 2
    wrong = issuing("issue", "--from", path, "--line", "2", "--json")
    assert wrong.json()["error"]["problems"][0]["field"] == "cid"
    assert "there are 2, 3" in issuing("issue", "--from", path, "--line", "4").err
    done = issuing("issue", "--from", path, "--line", "3")
    assert done.code == 0, done.err
    assert issuing("issue", "--from", issuing.record(), "--line", "2").code == 2


@pytest.mark.parametrize(
    "line",
    ["0003", f"{GOOD},more", '"0003', GOOD.replace("male", "x"), GOOD.replace("p256", "p1"), f"{GOOD[:-4]}\x00"],
    ids=["short", "long", "quote", "sex", "key", "nul"],
)
def test_a_damaged_line_of_csv(issuing: Issuing, line: str) -> None:
    before = issuing.image.read_bytes()
    refused = issuing("issue", "--from", csv_file(issuing, line), "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (2, "plan"), refused.err
    assert issuing.image.read_bytes() == before


def test_a_header_that_is_none(issuing: Issuing) -> None:
    path = issuing.folder / "cards.CSV"
    for content in ("", "a,b\n1,2\n", "citizen_id.cid,citizen_id.cid\n1,2\n"):
        path.write_text(content)
        assert issuing("issue", "--from", str(path)).code == 2


# The journal


@pytest.mark.parametrize("damage", ["no journal", "another program's", "torn", "of tomorrow", "a folder"])
def test_no_card_is_touched_without_a_journal(issuing: Issuing, damage: str) -> None:
    before = issuing.image.read_bytes()
    journal = issuing.journal
    if damage == "a folder":
        journal.mkdir()
    elif damage == "no journal":
        journal.write_bytes(b"this is a letter\n" * 100)
    else:
        connection = sqlite3.connect(journal)
        connection.execute("CREATE TABLE letter (text)")
        connection.commit()
        if damage == "of tomorrow":
            connection.execute(f"PRAGMA application_id = {0x65634A4C}")
            connection.execute("PRAGMA user_version = 9")
        connection.close()
        if damage == "torn":
            journal.write_bytes(journal.read_bytes()[:1000])
    for more in ([], ["--dry-run"]):
        refused = issuing("issue", "--from", issuing.record(), "--json", *more)
        assert refused.code == 7, refused.err
        assert refused.json()["error"]["code"] in {"journal", "file"}
    assert issuing.image.read_bytes() == before


def test_a_journal_that_was_lost_makes_a_half_issued_card_a_wrong_one(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = issuing.record(keys={"9E": "p256"})
    with monkeypatch.context() as patch:
        pull_out_at(60, patch)
        assert issuing("issue", "--from", record).code == 4
    issuing.journal.rename(issuing.folder / "lost")
    before = issuing.image.read_bytes()
    refused = issuing("issue", "--from", record, "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (6, "wrong_card")
    assert issuing.image.read_bytes() == before


# The office


@pytest.mark.parametrize(
    ("office", "says"),
    [
        ("authorities", "is not the TOML of an office"),
        ('keys = "master.json"', "names no authorities"),
        ('authorities = "test"', "say whose keys"),
        ('authorities = "test"\nkeys = 1', "keys must be a text"),
        ('authorities = "test"\nkeys = ""', "keys must be a text"),
        ('authorities = "test"\nkeys = "test"', "keys that everybody knows"),
        ('authorities = "test"\nkeys = "nothing.json"', "can't read"),
        ('authorities = "test"\nkeys = "master.json"\nprinter = "x"', "there are issuer, authorities"),
        ('authorities = "test"\nkeys = "master.json"\nissuer = "กรมการปกครอง"', "issuer is printed on cards in ASCII"),
        ('authorities = "nowhere"\nkeys = "master.json"', "register"),
        ('authorities = "test"\nkeys = "master.json"\ntransport = "nothing.json"', "can't read"),
    ],
)
def test_an_office_that_can_not_work(issuing: Issuing, office: str, says: str) -> None:
    before = issuing.image.read_bytes()
    path = issuing.folder / "wrong.toml"
    path.write_text(office)
    refused = issuing("issue", "--from", issuing.record(), "--office", str(path), "--dry-run")
    assert refused.code in {2, 7}
    assert says in refused.err
    assert issuing.image.read_bytes() == before


def test_a_journal_where_none_can_be(issuing: Issuing) -> None:
    office = issuing.folder / "wrong.toml"
    office.write_text(OFFICE.replace("journal.sqlite", "office.toml/journal.sqlite"))
    before = issuing.image.read_bytes()
    refused = issuing("issue", "--from", issuing.record(), "--office", str(office), "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (7, "file")
    assert issuing.image.read_bytes() == before


def test_a_dry_run_knows_what_another_desk_has_just_entered(issuing: Issuing) -> None:
    """It still lies in the log beside the journal, which must not be touched."""
    with SqliteJournal.open(issuing.journal) as journal:
        moment = datetime.now(UTC)
        journal.begin(issuing.serial, CardTask.ISSUE, b"", moment)
        journal.spoil(issuing.serial, "registry", moment)
        before = everything_below(issuing.folder)
        assert before["journal.sqlite-wal"]
        record = issuing.record()
        refused = issuing("issue", "--from", record, "--dry-run", "--json", pin_out=False)
        assert (refused.code, refused.json()["error"]["code"]) == (6, "spoiled")
        Path(record).unlink()
        assert everything_below(issuing.folder) == before


def test_without_an_office_only_card_images_are_issued(issuing: Issuing, run: Run) -> None:
    record, keys = issuing.record(keys={"9E": "p256"}), str(issuing.folder / "master.json")
    refused = run("card", "issue", "--from", record, "--keys", keys, "--dry-run")
    assert (refused.code, "no office is set up" in refused.err) == (2, True)
    shown = run("card", "issue", "--from", record, "--keys", keys, "--dry-run", "--reader", issuing.reader)
    assert shown.code == 0, shown.err


def test_the_usual_place_of_an_office(issuing: Issuing, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    config = issuing.folder / "config"
    (config / "ecitizen").mkdir(parents=True)
    text = (issuing.folder / "office.toml").read_text().replace('"master.json"', f'"{issuing.folder}/master.json"')
    (config / "ecitizen" / "office.toml").write_text(text)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    record = issuing.record(keys={"9E": "p256"})
    shown = run("card", "issue", "--from", record, "--dry-run", "--reader", issuing.reader)
    assert shown.code == 0, shown.err


def test_another_master_key_is_told_and_not_tried(issuing: Issuing, run: Run) -> None:
    assert issuing("issue", "--from", issuing.record(keys={"9E": "p256"})).code == 0
    other = str(issuing.folder / "other.json")
    assert run("gp", "keys", "new", other).code == 0
    digest = hashlib.sha256(issuing.image.read_bytes()).digest()
    refused = issuing("lock", "citizen_id", "--keys", other, "--json", pin_out=False)
    assert (refused.code, refused.json()["error"]["code"]) == (6, "cryptogram_wrong")
    assert hashlib.sha256(issuing.image.read_bytes()).digest() == digest
