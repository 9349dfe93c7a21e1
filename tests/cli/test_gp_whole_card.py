"""`ecitizen gp keys rotate` on an issued card: all its domains, the management key, and the office's journal."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cardapps.domains import AGENCIES, ISSUER
from ecitizen.errors import CardRemoved
from ecitizen.issuing_ports import CardTask, TaskState
from ecitizen.registry.journal import SqliteJournal
from ecitizen.transport.virtual import VirtualTransport
from tests.cli.conftest import Outcome, Run
from tests.cli.issuing import OFFICE, Issuing, everything_below

INS_PUT_KEY = 0xD8
DOMAINS = [AGENCIES[0], AGENCIES[3], ISSUER]
"""Those of a card with citizen_id, card_admin and keys: interior, persons, issuer."""


@pytest.fixture
def issued(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Issuing:
    """A card that the desk in this folder has issued, and the master key after the present one."""
    monkeypatch.chdir(tmp_path)
    desk = Issuing(tmp_path, run)
    (tmp_path / "office.toml").write_text(OFFICE)
    assert run("gp", "keys", "new", "master.json").code == 0
    assert run("gp", "keys", "new", "second.json", "--key-version", "2").code == 0
    desk.put_in_a_blank_card()
    done = desk("issue", "--from", desk.record(keys={"9A": "p256", "9E": "p256"}))
    assert done.code == 0, done.err
    return desk


@pytest.fixture
def rotate(issued: Issuing, run: Run) -> Callable[..., Outcome]:
    """`rotate("--yes")` with the office, to the second master key."""

    def call(*arguments: str, new: str = "second.json", office: bool = True) -> Outcome:
        named = issued.office if office else []
        return run("gp", "keys", "rotate", "--new-keys", new, *named, "--reader", issued.reader, *arguments)

    return call


def versions(desk: Issuing, run: Run) -> list[list[int]]:
    """Of the keys of each domain."""
    return [
        [each["kvn"] for each in run("gp", "info", "--domain", name, "--reader", desk.reader, "--json").json()["keys"]]
        for name in (domain.name for domain in DOMAINS)
    ]


def last_task(desk: Issuing) -> tuple[CardTask, TaskState]:
    with SqliteJournal.open(desk.journal) as journal:
        entry = journal.latest(desk.serial)
    assert entry is not None
    return entry.kind, entry.state


def test_all_domains_get_new_keys(issued: Issuing, run: Run, rotate: Callable[..., Outcome]) -> None:
    done = rotate("--yes", "--json")
    assert done.code == 0, done.err
    told = done.json()
    assert [each["domain"] for each in told["writes"]] == [domain.aid.hex().upper() for domain in DOMAINS]
    assert {(each["replaces"], each["kvn"]) for each in told["writes"]} == {(1, 2)}
    assert (told["chip_serial"], told["management_key"], told["dry_run"]) == (issued.serial, True, False)
    assert versions(issued, run) == [[2], [2], [2]]
    assert last_task(issued) == (CardTask.ROTATE, TaskState.DONE)
    # From now on it belongs to an office with the second master key, and to no other.
    assert issued("lock", "citizen_id", pin_out=False).code == 6
    assert issued("lock", "citizen_id", "--keys", "second.json", pin_out=False).code == 0
    before = issued.image.read_bytes()
    again = rotate("--yes")
    assert (again.code, again.err) == (0, f"Card {issued.serial} has these keys already; nothing was written.\n")
    assert issued.image.read_bytes() == before


def test_a_dry_run_names_every_domain_and_writes_nothing(
    issued: Issuing, rotate: Callable[..., Outcome], run: Run
) -> None:
    before = everything_below(issued.folder)
    shown = rotate("--dry-run")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[:2] == [
        f"Nothing was written. With card {issued.serial} this would be done:",
        "  replace the management key (9B) of the signing application",
    ]
    assert [line.split()[0] for line in lines[2:]] == [domain.aid.hex().upper() for domain in DOMAINS]
    assert all("keys of version 02 in the place of version 01" in line for line in lines[2:])
    facts: Any = rotate("--dry-run", "--json").json()
    assert [each["domain"] for each in facts["writes"]] == [domain.aid.hex().upper() for domain in DOMAINS]
    assert everything_below(issued.folder) == before
    done = rotate("--yes", "--json").json()
    assert done == {**facts, "dry_run": False}


def test_it_asks_for_the_serial(
    issued: Issuing, rotate: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = issued.image.read_bytes()
    nobody = rotate()
    assert (nobody.code, "--yes" in nobody.err) == (2, True)
    answer = io.StringIO("yes\n")
    monkeypatch.setattr(answer, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", answer)
    asked = rotate()
    assert (asked.code, f"The keys of card {issued.serial} will be replaced." in asked.err) == (2, True)
    assert issued.image.read_bytes() == before
    assert last_task(issued) == (CardTask.ISSUE, TaskState.DONE)


def test_a_run_that_was_cut_goes_on(
    issued: Issuing, run: Run, rotate: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each domain has its new keys, and before the card can say so it is pulled out."""
    for done in range(1, len(DOMAINS) + 1):
        with monkeypatch.context() as patch:
            pull_out_after_new_keys(patch)
            cut = rotate("--yes", "--json")
        assert (cut.code, cut.json()["error"]["code"]) == (4, "card_removed")
        assert sum(2 in found for found in versions(issued, run)) == done
        assert issued("lock", "citizen_id", pin_out=False).code == 6  # that task comes first
        foreseen = rotate("--dry-run", "--json").json()
        assert (len(foreseen["writes"]), foreseen["management_key"]) == (len(DOMAINS) - done, True)
    last = rotate("--yes")
    assert (last.code, "was cut, and this goes on from there" in last.err) == (0, True)
    assert versions(issued, run) == [[2], [2], [2]]
    assert last_task(issued) == (CardTask.ROTATE, TaskState.DONE)
    assert "was cut" not in rotate("--yes").err


def pull_out_after_new_keys(patch: pytest.MonkeyPatch) -> None:
    """Pull the card out after it has taken keys, before it can say so."""
    transmit = VirtualTransport.transmit

    def cutting(self: VirtualTransport, command: bytes) -> bytes:
        answer = transmit(self, command)
        if command[1] == INS_PUT_KEY:
            raise CardRemoved("cut")
        return answer

    patch.setattr(VirtualTransport, "transmit", cutting)


def test_one_domain_of_an_issued_card_is_refused(issued: Issuing, rotate: Callable[..., Outcome]) -> None:
    before = issued.image.read_bytes()
    for domain in ("interior", "issuer"):
        refused = rotate("--yes", "--domain", domain, "--keys", "master.json")
        assert (refused.code, "leave out --domain" in refused.err) == (2, True)
    assert issued.image.read_bytes() == before


def test_keys_for_which_no_office_is_meant(issued: Issuing, rotate: Callable[..., Outcome], run: Run) -> None:
    before = issued.image.read_bytes()
    assert run("gp", "keys", "new", "same.json").code == 0
    same = rotate("--yes", new="same.json")
    assert (same.code, "another version" in same.err) == (2, True)
    test = rotate("--yes", new="test")
    assert (test.code, "keys that everybody knows" in test.err) == (2, True)
    assert issued.image.read_bytes() == before


def test_a_card_of_another_office_has_domains_and_is_never_rotated_in_part(
    issued: Issuing, rotate: Callable[..., Outcome], run: Run
) -> None:
    """This machine has no journal of it: its domains say that it is issued."""
    issued.journal.unlink()
    done = rotate("--yes", "--keys", "master.json", office=False)
    assert done.code == 0, done.err
    assert versions(issued, run) == [[2], [2], [2]]


def test_the_card_that_is_not_issued_to_the_end(
    issued: Issuing, rotate: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    issued.serial = issued.serial[::-1]
    issued.put_in_a_blank_card()
    with monkeypatch.context() as patch:
        pull_out_after_new_keys(patch)
        assert issued("issue", "--from", str(issued.folder / "record.json")).code == 4
    before = issued.image.read_bytes()
    refused = rotate("--yes", "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (6, "wrong_card")
    assert issued.image.read_bytes() == before
