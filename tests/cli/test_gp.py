"""`ecitizen gp`: every command as its user calls it, on a blank card."""

import io
import json
import stat
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.doctor import cards
from cli.doctor.child import Outcome as ChildOutcome
from cli.doctor.finding import Severity
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections
from ecitizen.globalplatform import DomainSession
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.key_providers import KeyContext, StaticKeys
from ecitizen.usecases.open_card import open_card
from tests.unit.gp_card import ChannelCard, same_keys

SERIAL = "1122334455667788"
ISSUER = "A000000151000000"


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


class Give(Protocol):
    def __call__(self, *texts: str) -> str: ...


@pytest.fixture(params=CardProtocol, ids=str)
def card(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The image of a blank card, as `blank.json` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "blank.json"
    CardImage.create(path, blank_sections(request.param, bytes.fromhex(SERIAL))).close()
    return path


@pytest.fixture
def gp(run: Run, card: Path) -> Run:
    """`gp("info")` on the blank card."""

    def call(*arguments: str) -> Outcome:
        return run("gp", *arguments, "--reader", f"virtual:{card}")

    return call


@pytest.fixture
def master(run: Run, card: Path) -> str:
    assert run("gp", "keys", "new", "master.json").code == 0
    return "master.json"


def rotate(gp: Run, *further: str, keys: str = "test", new: str = "master.json") -> Outcome:
    return gp("keys", "rotate", "--keys", keys, "--new-keys", new, *further)


# info


def test_info_calls_the_test_keys_unsafe(gp: Run) -> None:
    shown = gp("info")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        f"Security domain: {ISSUER} (ผู้ออกบัตร · Card issuer)",
        f"Chip serial: {SERIAL}",
        "GlobalPlatform: 2.3.1",
        "Secure channels: SCP03 i=70",
        "Channels opened: 0",
        "IIN: –",
        "CIN: –",
        "Keys 30: 3 × aes128, the published test keys",
        "! Everybody knows these keys: whoever has this card can manage it. For tests only.",
    ]


def test_info_as_json(gp: Run, card: Path) -> None:
    before = card.read_bytes()
    facts = gp("info", "--json", "--dry-run").json()
    assert facts["schema_version"] == 1
    assert (facts["domain"], facts["name"], facts["chip_serial"]) == (ISSUER, "issuer", SERIAL)
    assert facts["keys"] == [{"kvn": 0x30, "algorithm": "aes128", "keys": 3, "test_keys": True}]
    assert (facts["test_keys"], facts["problems"], facts["sequence_counter"]) == (True, [], 0)
    assert card.read_bytes() == before


def test_info_of_other_keys_of_the_same_version(gp: Run, card: Path) -> None:
    sections = blank_sections(CardProtocol.T1, bytes.fromhex(SERIAL), keys=same_keys(0x30, 0x80))
    CardImage.create(card, sections, overwrite=True).close()
    facts = gp("info", "--json").json()
    assert (facts["test_keys"], facts["keys"][0]["kvn"], facts["problems"]) == (False, 0x30, [])


def test_info_of_a_card_that_has_no_keys(run: Run, image: Any) -> None:
    shown = run("gp", "info", "--reader", f"virtual:{image('somchai')}")
    assert shown.code == 0
    assert "Keys: none" in shown.out.splitlines()


def test_a_domain_that_is_not_there(gp: Run) -> None:
    assert (gp("info", "--domain", "interior").code, gp("info", "--domain", "F000000000").code) == (6, 6)
    refused = gp("info", "--domain", "nowhere")
    assert refused.code == 2
    assert "issuer, interior" in refused.err


def test_info_tells_of_a_card_that_answers_garbage(gp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecitizen.errors import DecodeError

    def garbage(_: object) -> object:
        raise DecodeError("the card's key information has something else in it than keys")

    monkeypatch.setattr(DomainSession, "key_information", garbage)
    shown = gp("info")
    assert shown.code == 1
    assert "! gp.keys: the card's key information" in shown.out


# list


def test_list(gp: Run) -> None:
    shown = gp("list", "--keys", "test")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0] == f"Issuer's domain {ISSUER} (issuer): op_ready"
    assert "Load file A0000001515350: loaded" in lines
    assert "  modules: A000000151535041" in lines
    facts = gp("list", "--keys", "test", "--json").json()
    assert [each["kind"] for each in facts["entries"]] == ["issuer_domain", "load_file", "load_file"]
    assert facts["entries"][0]["life_cycle"] == "op_ready"
    assert gp("info", "--json").json()["sequence_counter"] == 2


def test_list_of_what_was_installed(gp: Run, card: Path) -> None:
    from cardapps.citizen_id.layout import AID
    from cardapps.domains import AGENCIES, LOAD_FILE_APPLICATIONS, LOAD_FILE_DOMAINS, MODULE_DOMAIN
    from ecitizen.globalplatform_objects import Privilege

    with open_card(f"virtual:{card}") as session:
        domain = DomainSession.select(session)
        domain.open_channel(StaticKeys.published())
        domain.install_and_make_selectable(
            LOAD_FILE_DOMAINS, MODULE_DOMAIN, AGENCIES[0].aid, privileges=Privilege.SECURITY_DOMAIN
        )
        domain.install_and_make_selectable(LOAD_FILE_APPLICATIONS, AID, AID)
        domain.extradite(AID, AGENCIES[0].aid)
        domain.lock(AID)
    lines = gp("list", "--keys", "test", "--lang", "en").out.splitlines()
    aid = AGENCIES[0].aid.hex().upper()
    assert f"Security domain {aid} (interior): selectable" in lines
    at = lines.index(f"Application {AID.hex().upper()} (citizen_id): selectable, locked")
    assert lines[at + 1] == f"  belongs to {aid} (Interior)"
    told = gp("info", "--domain", "interior", "--json").json()
    assert (told["domain"], told["name"], told["keys"], told["chip_serial"]) == (aid, "interior", [], SERIAL)


def test_what_an_agency_may_see(gp: Run, card: Path, master: str) -> None:
    from cardapps.domains import AGENCIES, LOAD_FILE_DOMAINS, MODULE_DOMAIN
    from cli.gp.key_source import load_master
    from ecitizen.globalplatform_objects import Privilege

    health = AGENCIES[1]
    with open_card(f"virtual:{card}") as session:
        domain = DomainSession.select(session)
        domain.open_channel(StaticKeys.published())
        domain.install_and_make_selectable(
            LOAD_FILE_DOMAINS, MODULE_DOMAIN, health.aid, privileges=Privilege.SECURITY_DOMAIN
        )
        domain = domain.at(health.aid)
        domain.open_channel(StaticKeys.published(), keys_of=bytes.fromhex(ISSUER))
        domain.put_keys(load_master(master))
    shown = gp("list", "--keys", master, "--domain", health.aid.hex(), "--json").json()
    assert shown["domain"] == health.aid.hex().upper()
    assert "domain" in [each["kind"] for each in shown["entries"]]
    second = rotate(gp, "--yes", "--domain", "health", keys=master, new="test")
    assert second.code == 0, second.err
    assert gp("info", "--domain", "health", "--json").json()["test_keys"]


def test_list_in_a_dry_run_opens_no_channel(gp: Run, card: Path) -> None:
    before = card.read_bytes()
    shown = gp("list", "--keys", "test", "--dry-run")
    assert shown.out == (
        f"A channel to card {SERIAL} would be opened with keys of version 30. Nothing else would change.\n"
    )
    assert gp("list", "--keys", "test", "--dry-run", "--json").json()["entries"] == []
    assert card.read_bytes() == before


def test_list_with_keys_that_are_not_the_cards(gp: Run, master: str) -> None:
    refused = gp("list", "--keys", master, "--json")
    assert (refused.code, refused.json()["error"]["code"]) == (6, "key_incorrect")


def test_a_card_of_another_maker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its manager has another AID, it lists no modules, and an application has a life cycle of its own."""
    from ecitizen.session import CardSession

    name = "A000000003000000"
    plastic = ChannelCard(
        {
            "00A4040008A000000151000000": "6A82",
            "00A40400": f"6F108408{name}A5049F6501FF9000",
            "80F28002024F00": f"E3134F08{name}9F70010FC5039EFE809000",
            "80F24002024F00": "E3114F08A0000000030000019F700127C501009000",
            "80F21002024F00": "6A86",
            "80F22002024F00": "E30D4F07A00000000300029F7001019000",
        },
        aid=bytes.fromhex(name),
    )
    monkeypatch.setattr("ecitizen.usecases.open_card.open_card", lambda *_, **__: CardSession(plastic))
    shown = run("gp", "list", "--keys", "test", "--lang", "en")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines() == [
        f"Issuer's domain {name}: secured",
        "  may: security_domain, card_lock, card_terminate, card_reset, cvm_management, trusted_path, "
        "authorized_management, token_verification, global_delete, global_lock, global_registry, final_application, "
        "receipt_generation",
        "Application A000000003000001: 27",
        "Load file A0000000030002: loaded",
    ]
    facts = run("gp", "info", "--json").json()
    assert (facts["domain"], facts["name"], facts["test_keys"], facts["problems"]) == (name, None, True, [])


# keys new


def test_a_master_key_is_its_owners_alone_and_never_overwritten(run: Run, master: str) -> None:
    path = Path(master)
    content = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = json.loads(content)
    assert (made["kvn"], len(bytes.fromhex(made["key"]))) == (1, 32)
    again = run("gp", "keys", "new", master)
    assert (again.code, path.read_text()) == (2, content)
    assert "never overwritten" in again.err


def test_a_master_key_of_another_version(run: Run, card: Path) -> None:
    made = run("gp", "keys", "new", "second.json", "--key-version", "2", "--json")
    assert made.json() == {"schema_version": 1, "keys": "second.json", "kvn": 2}
    assert json.loads(Path("second.json").read_text())["kvn"] == 2
    assert Path("second.json").read_text().split('"')[-2] not in made.out + made.err
    for wrong in ("0", "128", "x"):
        assert run("gp", "keys", "new", "third.json", "--key-version", wrong).code == 2
    assert run("gp", "keys", "new", "test").code == 2
    assert run("gp", "keys", "new", "no/such/folder.json").code == 7


def test_a_master_key_that_others_may_read_is_refused(gp: Run, master: str) -> None:
    Path(master).chmod(0o640)
    refused = rotate(gp, "--yes")
    assert refused.code == 2
    assert "chmod 600" in refused.err


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "\xff",
        '{"schema_version": 1, "kind": "ecitizen master key of cards", "kvn": 0, "key": "%s"}' % ("00" * 32),
        '{"schema_version": 1, "kind": "ecitizen master key of cards", "kvn": true, "key": "%s"}' % ("00" * 32),
        '{"schema_version": 1, "kind": "ecitizen master key of cards", "kvn": 1, "key": "%s"}' % ("00" * 31),
        '{"schema_version": 1, "kind": "ecitizen master key of cards", "kvn": 1, "key": "zz"}',
        '{"schema_version": 1, "kind": "ecitizen master key of cards", "kvn": 1, "key": 5}',
        '{"schema_version": 2, "kind": "ecitizen master key of cards", "kvn": 1, "key": "%s"}' % ("00" * 32),
        '{"schema_version": 1, "kind": "another", "kvn": 1, "key": "%s"}' % ("00" * 32),
    ],
    ids=["empty", "object", "list", "no text", "kvn 0", "kvn true", "short", "no hex", "number", "later", "other kind"],
)
def test_a_file_that_is_no_master_key(gp: Run, content: str) -> None:
    Path("wrong.json").write_text(content, encoding="latin-1")
    Path("wrong.json").chmod(0o600)
    refused = rotate(gp, "--yes", new="wrong.json")
    assert (refused.code, "is no master key" in refused.err) == (2, True)
    assert rotate(gp, "--yes", new="absent.json").code == 2


# keys rotate


def check_values(master: str) -> str:
    from cli.gp.key_source import load_master

    return " ".join(
        each.hex().upper()
        for each in load_master(master).check_values(KeyContext(bytes.fromhex(ISSUER), bytes.fromhex(SERIAL)))
    )


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(gp: Run, card: Path, master: str) -> None:
    before = card.read_bytes()
    shown = rotate(gp, "--dry-run")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        f"Nothing was written. With card {SERIAL} this would be done:",
        f"  {ISSUER} (ผู้ออกบัตร · Card issuer): keys of version 01 in the place of version 30, check values "
        + check_values(master),
    ]
    facts = rotate(gp, "--dry-run", "--json").json()
    write = {"domain": ISSUER, "replaces": 0x30, "kvn": 1, "check_values": check_values(master).split()}
    told = {"schema_version": 1, "chip_serial": SERIAL, "dry_run": True, "management_key": False}
    assert facts == {**told, "writes": [write]}
    assert card.read_bytes() == before


def test_a_rotation_and_a_second_one_that_does_nothing(gp: Run, card: Path, master: str) -> None:
    done = rotate(gp, "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json()["writes"][0]["kvn"] == 1
    facts = gp("info", "--json").json()
    assert facts["keys"] == [{"kvn": 1, "algorithm": "aes256", "keys": 3, "test_keys": False}]
    before = card.read_bytes()
    again = rotate(gp, "--yes")
    assert (again.code, again.err) == (0, f"Card {SERIAL} has these keys already; nothing was written.\n")
    assert rotate(gp, "--yes", "--json").json()["writes"] == []
    assert card.read_bytes() == before
    assert gp("list", "--keys", master).code == 0


def test_back_to_the_test_keys_is_called_unsafe(gp: Run, master: str) -> None:
    rotate(gp, "--yes")
    back = rotate(gp, "--yes", keys=master, new="test")
    assert (back.code, "Everybody knows these keys" in back.err) == (0, True)
    assert gp("info", "--json").json()["test_keys"]


def test_a_rotation_asks_for_the_serial(gp: Run, card: Path, master: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = card.read_bytes()
    nobody = rotate(gp)
    assert (nobody.code, "--yes" in nobody.err) == (2, True)
    for typed, code in (("yes", 2), (SERIAL, 0)):
        assert card.read_bytes() == before
        answer = io.StringIO(typed + "\n")
        monkeypatch.setattr(answer, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", answer)
        asked = rotate(gp)
        assert asked.code == code
        assert f"The keys of card {SERIAL} will be replaced. Type its serial to go on: " in asked.err
    assert gp("info", "--json").json()["keys"][0]["kvn"] == 1


def test_a_card_that_is_swapped_while_we_ask(gp: Run, card: Path, master: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was confirmed is one card, by its serial."""
    from cli import prompts

    def swap(*_: str) -> None:
        monkeypatch.setattr(DomainSession, "chip_serial", lambda _: bytes(8))

    monkeypatch.setattr(prompts, "confirm", swap)
    before = card.read_bytes()
    refused = rotate(gp)
    assert (refused.code, "another one now" in refused.err) == (2, True)
    assert card.read_bytes() == before


def test_keys_that_the_card_does_not_have_are_not_tried(gp: Run, card: Path, master: str, run: Run) -> None:
    run("gp", "keys", "new", "second.json")
    run("gp", "keys", "new", "third.json", "--key-version", "3")
    before = card.read_bytes()
    absent = rotate(gp, "--yes", "--json", keys="second.json")
    assert (absent.code, absent.json()["error"]["code"]) == (6, "key_incorrect")
    assert card.read_bytes() == before
    rotate(gp, "--yes")
    before = card.read_bytes()
    others = rotate(gp, "--yes", "--json", keys="second.json", new="third.json")
    assert (others.code, others.json()["error"]["code"]) == (6, "cryptogram_wrong")
    assert rotate(gp, "--yes", keys="master.json", new="second.json").code == 0  # of the same version
    assert card.read_bytes() != before


def test_a_version_that_is_taken_by_other_keys(gp: Run, card: Path, master: str) -> None:
    with open_card(f"virtual:{card}") as session:
        domain = DomainSession.select(session)
        domain.open_channel(StaticKeys.published())
        domain.put_keys(StaticKeys(same_keys(1, 0x80)))
    refused = rotate(gp, "--yes")
    assert (refused.code, "already" in refused.err) == (2, True)


def test_no_key_in_what_is_said_or_traced(run: Run, card: Path, master: str) -> None:
    key = json.loads(Path(master).read_text())["key"]
    line = ["gp", "keys", "rotate", "--keys", "test", "--new-keys", master, "--yes", "--reader", f"virtual:{card}"]
    done = run("trace", "--out", "trace.txt", "--", *line)
    assert done.code == 0, done.err
    said = (done.out + done.err + Path("trace.txt").read_text()).lower().replace(" ", "")
    assert "84d8" in said
    assert bytes(range(0x40, 0x50)).hex() not in said
    assert key not in said


# doctor


@pytest.mark.parametrize(
    ("listed", "info", "found"),
    [
        ('{"readers": [{"name": "R", "card_present": true, "atr": "3B00"}]}', '{"test_keys": true}', ["test_keys"]),
        ('{"readers": [{"name": "R", "card_present": true, "atr": "3B00"}]}', '{"test_keys": false}', []),
        ('{"readers": [{"name": "R", "card_present": true, "atr": "3B00"}]}', '{"error": {"code": "no_card"}}', []),
        ('{"readers": [{"name": "R", "card_present": true, "atr": "3B00"}]}', "", []),
        ('{"readers": [{"name": "R", "card_present": true, "atr": null}]}', '{"test_keys": true}', []),
        ('{"readers": [{"name": "R", "card_present": false, "atr": null}]}', '{"test_keys": true}', []),
        ('{"error": {"code": "pcsc_unavailable"}}', '{"test_keys": true}', []),
        ("", '{"test_keys": true}', []),
    ],
    ids=["test keys", "others", "no card", "crashed", "mute", "empty", "no PC/SC", "no list"],
)
def test_doctor_calls_the_test_keys_out(
    listed: str, info: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*arguments: str) -> ChildOutcome:
        return ChildOutcome(0, listed if "list" in arguments else info, "")

    monkeypatch.setattr(cards, "run_python", answer)
    findings = list(cards.keys(str))
    assert [each.code for each in findings] == found
    assert all(each.severity is Severity.WARNING and each.cure for each in findings)
