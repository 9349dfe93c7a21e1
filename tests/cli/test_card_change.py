"""`ecitizen card update`, `renew`, `unblock`, `lock`, `unlock` and `retire` on an issued card."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import AlgorithmId, Slot
from cli.main import main
from ecitizen.errors import CardRemoved, PinIncorrect
from ecitizen.secret import Pin
from ecitizen.transport.virtual import VirtualTransport
from ecitizen.usecases.open_card import open_card
from tests.cli.conftest import Give, Outcome, Run
from tests.cli.issuing import OFFICE, RECORD, Issuing, everything_below

FEW = {"9A": "p256", "9E": "p256"}
MOVED = {"address": {"house_no": "118/7", "province": "จังหวัดเชียงใหม่"}}


def issue_in(folder: Path, run: Run) -> Issuing:
    """A desk in this folder, with a card that it has issued."""
    desk = Issuing(folder, run)
    (folder / "office.toml").write_text(OFFICE)
    assert run("gp", "keys", "new", str(folder / "master.json")).code == 0
    desk.put_in_a_blank_card()
    done = desk("issue", "--from", desk.record(keys=FEW))
    assert done.code == 0, done.err
    return desk


@pytest.fixture
def issued(tmp_path: Path, run: Run) -> Issuing:
    """An issued card for this test alone."""
    return issue_in(tmp_path, run)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, shared_state: Path) -> Path:
    """The desk of a card that no test changes."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(shared_state))
        issue_in(folder, lambda *line: Outcome(main(line), "", ""))
    return folder


@pytest.fixture
def unchanged(shared_folder: Path, run: Run) -> Iterator[Issuing]:
    """An issued card that is afterwards as it was."""
    desk = Issuing(shared_folder, run)
    before = desk.image.read_bytes()
    yield desk
    assert desk.image.read_bytes() == before


def changes(desk: Issuing, content: object = MOVED) -> str:
    path = desk.folder / "changes.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def verdict(desk: Issuing, run: Run) -> str:
    found: str = run("card", "verify", "--reader", desk.reader, "--json").json()["verdict"]
    return found


# update


def test_an_update_changes_a_field_and_is_sealed_again(issued: Issuing, run: Run) -> None:
    shown = issued("update", "citizen_id", "--from", changes(issued), "--dry-run", pin_out=False)
    assert shown.out.splitlines() == [
        f"Nothing was written. With card {issued.serial} this would be done:",
        "  write 32 bytes inside file 0101 of citizen_id",
        "  have the agency of citizen_id seal it again",
    ]
    before = run("card", "read", "--reader", issued.reader, "--json").json()
    done = issued("update", "citizen_id", "--from", changes(issued), "--json", pin_out=False)
    assert done.code == 0, done.err
    told = done.json()
    assert (told["state"], told["changed"]) == ("issued", True)
    assert [(write["name"], write["bytes"]) for write in told["writes"]] == [("file 0101", 32), ("seal", 0)]
    after = run("card", "read", "--reader", issued.reader, "--json").json()
    assert after["citizen_id"]["address"]["house_no"] == "118/7"
    assert verdict(issued, run) == "genuine"
    for reading in (before, after):
        del reading["citizen_id"]["address"], reading["link"]
    assert after == before

    image = issued.image.read_bytes()
    again = issued("update", "citizen_id", "--from", changes(issued), yes=False, pin_out=False)
    assert (again.code, f"Card {issued.serial} is like that already; nothing was written." in again.err) == (0, True)
    foreseen = issued("update", "citizen_id", "--from", changes(issued), "--dry-run", pin_out=False)
    assert foreseen.out.startswith("Nothing was written, and nothing would be")
    assert issued.image.read_bytes() == image


def test_a_new_portrait(issued: Issuing, run: Run, tmp_path: Path) -> None:
    from importlib.resources import files

    picture = tmp_path / "new.jpg"
    picture.write_bytes(files("cardapps.personas").joinpath("somchai.jpg").read_bytes())
    assert issued("update", "citizen_id", "--portrait", str(picture), pin_out=False).code == 0
    saved = tmp_path / "saved.jpg"
    assert run("card", "read", "--reader", issued.reader, "--photo", str(saved)).code == 0
    assert saved.read_bytes().startswith(b"\xff\xd8")
    picture.write_bytes(b"GIF89a")
    refused = issued("update", "citizen_id", "--portrait", str(picture), "--json", pin_out=False)
    assert (refused.code, refused.json()["error"]["code"]) == (2, "portrait")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "usage"),
        (b"\xff", "usage"),
        (b"[" * 100_000, "usage"),
        (b"[]", "plan"),
        (b"{}", "usage"),
        (b'{"shoe_size": 44}', "plan"),
        (b'{"cid": "1999900100426"}', "plan"),
        (b'{"issue_place": 5}', "plan"),
        ('{"issue_place": "Zürich"}'.encode(), "plan"),
    ],
    ids=["empty", "bytes", "deep", "list", "nothing", "unknown", "check digit", "number", "letter"],
)
def test_changes_that_can_not_be_written(unchanged: Issuing, content: bytes, code: str) -> None:
    path = unchanged.folder / "changes.json"
    path.write_bytes(content)
    refused = unchanged("update", "citizen_id", "--from", str(path), "--json", pin_out=False)
    assert (refused.code, refused.json()["error"]["code"]) == (2, code), refused.err


def test_an_update_needs_something_to_change(unchanged: Issuing) -> None:
    assert unchanged("update", "citizen_id", pin_out=False).code == 2
    assert unchanged("update", "farmer", "--from", changes(unchanged), pin_out=False).code == 2
    absent = unchanged("update", "health_insurance", "--from", changes(unchanged, {"paid_type": "1"}), pin_out=False)
    assert absent.code == 6


# renew


def test_renewed_keys_are_certified_and_the_old_ones_revoked(issued: Issuing, run: Run) -> None:
    old = certificate(issued, Slot.AUTHENTICATION)
    shown = issued("renew", "--dry-run", pin_out=False).out.splitlines()
    assert shown[1:] == [
        "  replace the key in slot 9A by a new one, p256, and certify it",
        "  revoke the certificates of the old keys",
    ]
    assert certificate(issued, Slot.AUTHENTICATION) == old
    done = issued("renew", "--json", pin_out=False)
    assert (done.code, done.json()["revoked"]) == (0, 1), done.err
    assert certificate(issued, Slot.AUTHENTICATION) != old
    assert verdict(issued, run) == "genuine"
    assert issued("renew", "--key", "9A=p384", pin_out=False).code == 0
    with open_card(issued.reader) as session:
        found = PivSession.select(session).metadata(Slot.AUTHENTICATION)
    assert found is not None
    assert found.algorithm == AlgorithmId.P_384


def certificate(desk: Issuing, slot: Slot) -> bytes | None:
    with open_card(desk.reader) as session:
        return PivSession.select(session).certificate(slot)


@pytest.mark.parametrize("key", ["9A", "9A=rsa512", "XX=p256", "9E=p256", "9D=p256"])
def test_keys_that_are_not_renewed(unchanged: Issuing, key: str) -> None:
    assert unchanged("renew", "--key", key, pin_out=False).code == 2


# unblock


def test_a_blocked_pin_is_set_anew_without_the_puk(issued: Issuing) -> None:
    old = issued.codes()
    with open_card(issued.reader) as session:
        piv = PivSession.select(session)
        for _ in range(2):
            with pytest.raises(PinIncorrect):
                piv.verify_pin(Pin("999888"))
    foreseen = issued("unblock", "--dry-run", pin_out=False)
    assert foreseen.out.splitlines()[1:] == ["  set a new random PIN"]
    assert issued("unblock", pin_out=False).code == 2
    done = issued("unblock")
    assert done.code == 0, done.err
    new = issued.codes()
    assert (new.puk, new.pin in done.out + done.err) == (None, False)
    with open_card(issued.reader) as session:
        piv = PivSession.select(session)
        piv.verify_pin(Pin(new.pin))
        assert old.puk is not None
        piv.unblock_pin(Pin.puk(old.puk), Pin("246813"))


# lock, unlock, retire


def test_a_locked_application_can_not_be_read_until_it_is_unlocked(issued: Issuing, run: Run) -> None:
    read = ["card", "read", "--app", "citizen_id", "--no-photo", "--reader", issued.reader]
    assert issued("lock", "citizen_id", pin_out=False).code == 0
    assert run(*read).code != 0
    assert issued("lock", "citizen_id", "--json", pin_out=False).json()["changed"] is False
    assert issued("unlock", "citizen_id", pin_out=False).code == 0
    assert run(*read).code == 0
    assert issued("lock", "farmer", "--dry-run", pin_out=False).code == 2
    assert issued("unlock", "farmer", pin_out=False).code == 2
    assert issued("lock", "civil_servant", pin_out=False).code == 6
    assert issued("lock", "piv", pin_out=False).code == 0


def test_a_retired_card_is_revoked_and_of_no_use(issued: Issuing, run: Run) -> None:
    done = issued("retire", "--json", pin_out=False)
    assert (done.code, done.json()["revoked"]) == (0, 4), done.err
    assert run("card", "read", "--reader", issued.reader, "--json").json()["citizen_id"] is None
    again = issued("retire", pin_out=False)
    assert again.code == 0, again.err
    assert issued("update", "citizen_id", "--from", changes(issued), pin_out=False).code == 6


@pytest.mark.parametrize(
    ("command", "question"),
    [
        (["update", "citizen_id"], "What card {} says will be changed."),
        (["renew"], "Keys of the holder on card {} will be replaced."),
        (["unblock"], "Card {} gets a new PIN."),
        (["lock", "citizen_id"], "An application of card {} will be locked."),
        (["retire"], "Card {} will be ended for ever."),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_each_act_names_the_card_and_asks(
    unchanged: Issuing, command: list[str], question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [*command, "--from", changes(unchanged)] if command[0] == "update" else command
    pin_out = command[0] == "unblock"
    assert unchanged(*line, yes=False, pin_out=pin_out).code == 2
    answer = io.StringIO("no\n")
    monkeypatch.setattr(answer, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", answer)
    asked = unchanged(*line, yes=False, pin_out=pin_out)
    assert asked.code == 2
    assert f"{question.format(unchanged.serial)} Type its serial to go on: " in asked.err


def test_a_card_that_is_swapped_while_we_ask(unchanged: Issuing, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli.issuing import work
    from ecitizen.globalplatform import DomainSession

    def swap(*_: object) -> None:
        monkeypatch.setattr(DomainSession, "chip_serial", lambda _: bytes(8))

    monkeypatch.setattr("cli.issuing.change.confirm_card", swap)
    assert work.confirm_card is not swap
    refused = unchanged("lock", "citizen_id", pin_out=False)
    assert (refused.code, "another one now" in refused.err) == (2, True)


@pytest.mark.parametrize("command", ["update citizen_id", "renew", "unblock", "lock citizen_id", "retire"])
def test_an_act_that_was_cut_goes_on_and_says_so(
    issued: Issuing, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [*command.split(), *(["--from", changes(issued)] if command.startswith("update") else [])]
    pin_out = command == "unblock"
    with monkeypatch.context() as patch:
        pull_out_when_begun(issued, patch)
        assert issued(*line, pin_out=pin_out).code == 4
    foreseen = issued(*line, "--dry-run", "--json", pin_out=False)
    assert (foreseen.code, foreseen.json()["state"]) == (0, "unfinished"), foreseen.err
    done = issued(*line, pin_out=pin_out)
    assert done.code == 0, done.err
    assert f"An earlier task on card {issued.serial} was cut." in done.err
    if command != "retire":
        assert issued("lock", "piv", "--dry-run", "--json", pin_out=False).json()["state"] == "issued"


def pull_out_when_begun(desk: Issuing, patch: pytest.MonkeyPatch) -> None:
    """Let the card be pulled out at the second exchange after the journal has an unfinished task."""
    from ecitizen.issuing_ports import TaskState
    from ecitizen.registry.journal import SqliteJournal

    usual, left = VirtualTransport.transmit, [2]

    def transmit(self: VirtualTransport, command: bytes) -> bytes:
        with SqliteJournal.open(desk.journal) as journal:
            entry = journal.latest(desk.serial)
        if entry is not None and entry.state is TaskState.BEGUN:
            left[0] -= 1
            if left[0] <= 0:
                raise CardRemoved("the card was pulled out")
        return usual(self, command)

    patch.setattr(VirtualTransport, "transmit", transmit)


def test_a_blank_card_is_not_changed(issued: Issuing) -> None:
    issued.image.unlink()
    issued.put_in_a_blank_card()
    before = issued.image.read_bytes()
    for command in (["renew"], ["lock", "citizen_id"], ["retire"], ["unblock"]):
        refused = issued(*command, pin_out=command == ["unblock"])
        assert (refused.code, "is not issued yet" in refused.err) == (6, True), command
    assert issued.image.read_bytes() == before


# Authorities of a folder

PASSPHRASE = "correct horse"
PLAN = """
organisation = "Office of Tests"
[root]
common_name = "Root"
key = "p256"
[[authority]]
name = "interior"
common_name = "Interior"
key = "p256"
profiles = ["document_signer_citizen_id", "application_citizen_id"]
[[authority]]
name = "persons"
common_name = "Persons"
key = "p256"
profiles = ["authentication", "card_authentication"]
"""
"""As few as will do: each key is encrypted, and opening one takes its time."""


def test_a_card_by_the_authorities_of_a_folder(issued: Issuing, run: Run, give: Give) -> None:
    folder = issued.folder / "ca"
    (issued.folder / "plan.toml").write_text(PLAN)
    plan = ("--plan", str(issued.folder / "plan.toml"))
    init = ("ca", "init", str(folder), "--base-uri", "http://127.0.0.1:8080", *plan)
    assert run(*init, "--passphrase-fd", give(PASSPHRASE)).code == 0
    (issued.folder / "office.toml").write_text(OFFICE.replace('"test"', '"ca"', 1) + 'issuer = "Office of Tests"\n')
    issued.image.unlink()
    issued.journal.unlink()
    issued.put_in_a_blank_card()
    record = issued.record(RECORD, keys=FEW)
    before = everything_below(issued.folder)
    shown = issued("issue", "--from", record, "--dry-run", pin_out=False)
    assert shown.code == 0, shown.err
    assert "  write citizen_id: file 0101 (5,950 bytes); sealed by its agency" in shown.out.splitlines()
    assert "  write card_admin: file 0101 (23 bytes); not sealed" in shown.out.splitlines()
    assert everything_below(issued.folder) == before
    wrong = issued("issue", "--from", record, "--passphrase-fd", give("another"), "--json")
    assert (wrong.code, wrong.json()["error"]["code"]) == (2, "passphrase_wrong")
    assert issued.image.read_bytes() == before["card.json"]
    done = issued("issue", "--from", record, "--passphrase-fd", give(PASSPHRASE))
    assert done.code == 0, done.err
    assert "The document signer citizen-id-document-signer was made" in done.err
    moved = issued(
        "update", "citizen_id", "--from", changes(issued), "--passphrase-fd", give(PASSPHRASE), pin_out=False
    )
    assert (moved.code, "document signer" in moved.err) == (0, False), moved.err
    retired = issued("retire", "--json", pin_out=False)
    assert (retired.code, retired.json()["revoked"]) == (0, 3), retired.err
