"""`card verify`: its answer in words, JSON and exit codes, and whom it trusts for which reader."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.exit_codes import ExitCode
from cli.folders import sample_hierarchy_folder, trust_folder
from cli.verdicts import exit_code_of
from ecitizen.emulator.persona import installed_personas
from ecitizen.testing import virtual_card
from ecitizen.transport import pcsc
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.open_card import open_card
from ecitizen.verdict import CardVerdict

BAD = ("altered", "cloned", "revoked", "expired", "untrusted", "suspended")


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


New = Callable[..., str]


@pytest.fixture
def new(run: Run, tmp_path: Path) -> New:
    """`new("cloned")` makes that card and gives the reader's name of it."""

    def make(persona: str, *options: str) -> str:
        path = tmp_path / f"{persona}.card"
        quick = () if "--no-piv" in options else ("--key", "9C=p256", "--key", "9D=p256")
        assert run("emulator", "new", str(path), "--persona", persona, "--force", *quick, *options).code == 0
        return f"virtual:{path}"

    return make


@pytest.mark.parametrize("persona", BAD)
@pytest.mark.parametrize("protocol", ["t0", "t1"])
def test_each_bad_persona_has_its_verdict_and_exit_code(run: Run, new: New, persona: str, protocol: str) -> None:
    done = run("card", "verify", "--reader", new(persona, "--protocol", protocol), "--json")
    assert done.json()["verdict"] == persona
    assert done.code == ExitCode[persona.upper()]
    assert done.json()["test"] is True


def test_json_of_a_genuine_card(run: Run, new: New) -> None:
    done = run("card", "verify", "--reader", new("wanida"), "--json")
    assert done.code == ExitCode.OK
    value = done.json()
    assert list(value) == ["schema_version", "verdict", "test", "moment", "findings", "link"]
    assert (value["schema_version"], value["verdict"], value["test"]) == (1, "genuine", True)
    assert {tuple(finding) for finding in value["findings"]} == {("application", "check", "result", "text", "evidence")}
    assert {finding["result"] for finding in value["findings"]} == {"passed"}
    assert all(finding["text"]["th"] and finding["text"]["en"] for finding in value["findings"])
    checks = [each["check"] for each in value["findings"] if each["application"] == "citizen_id"]
    assert checks == ["signature", "data", "signer", "binding", "certificate", "challenge", "expiry"]
    assert "crl_this_update" in json.dumps(value)


def test_a_card_without_a_signing_application_is_unsigned(run: Run, new: New) -> None:
    done = run("card", "verify", "--reader", new("somchai", "--no-piv"))
    assert done.code == ExitCode.UNSIGNED
    assert "unsigned, so nobody can tell it from a copy" in done.out


def test_every_verdict_has_an_exit_code_of_its_own_and_only_genuine_is_0() -> None:
    codes = [exit_code_of(verdict) for verdict in CardVerdict]
    assert len(set(codes)) == len(codes)
    assert [verdict for verdict in CardVerdict if exit_code_of(verdict) == 0] == [CardVerdict.GENUINE]


def test_what_a_person_sees(run: Run, new: New) -> None:
    reader = new("suspended")
    done = run("card", "verify", "--reader", reader, "--lang", "en")
    assert done.code == ExitCode.SUSPENDED
    assert done.out.startswith("Verdict: suspended (by authorities for tests)\n\nCitizen ID card\n+ ")
    assert "! the application's certificate: a certificate of the path is suspended [" in done.out
    assert "reason: certificate_hold" in done.out
    done = run("card", "verify", "--reader", reader, "--lang", "th")
    assert done.out.startswith("ผลการตรวจสอบ: ถูกระงับ (โดยผู้ออกใบรับรองสำหรับการทดสอบ)\n")


def test_another_moment(run: Run, new: New) -> None:
    reader = new("somchai")
    for moment, verdict in (
        ("2031-04-15T00:00:00+07:00", "expired"),
        ("2031-04-14T23:59:59+07:00", "cannot-tell"),
        ("2020-01-01", "cannot-tell"),
    ):
        assert run("card", "verify", "--reader", reader, "--moment", moment, "--json").json()["verdict"] == verdict
    assert run("card", "verify", "--reader", reader, "--moment", "tomorrow").code == ExitCode.USAGE


def test_a_trust_directory_of_ones_own(run: Run, new: New, tmp_path: Path) -> None:
    reader = new("somchai")
    trust = sample_hierarchy_folder() / "trust"
    done = run("card", "verify", "--reader", reader, "--trust", str(trust), "--offline", "--json")
    assert (done.json()["verdict"], done.json()["test"]) == ("genuine", True)
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run("card", "verify", "--reader", reader, "--trust", str(empty), "--json")
    assert (done.json()["verdict"], done.json()["test"]) == ("untrusted", False)
    done = run("card", "verify", "--reader", reader, "--trust", str(tmp_path / "nothing"))
    assert (done.code, "no trust directory" in done.err) == (ExitCode.OTHER, True)


@pytest.fixture
def plastic(monkeypatch: pytest.MonkeyPatch, new: New) -> None:
    """A genuine test card in a PC/SC reader."""
    image = new("somchai")

    def connect(*_: object, **__: object) -> Any:
        return open_card(image).transport

    monkeypatch.setattr(pcsc, "connect", connect)


def test_in_a_pcsc_reader_the_test_hierarchy_is_not_trusted_by_itself(run: Run, plastic: None) -> None:
    done = run("card", "verify", "--json")
    assert (done.json()["verdict"], done.json()["test"]) == ("untrusted", False)
    done = run("card", "verify", "--trust", str(sample_hierarchy_folder() / "trust"), "--json")
    assert (done.json()["verdict"], done.json()["test"]) == ("genuine", True)


def test_in_a_pcsc_reader_the_users_own_trust_directory_counts(run: Run, plastic: None) -> None:
    trust = trust_folder()
    trust.mkdir(parents=True)
    (trust / "policy.toml").write_text("[")
    done = run("card", "verify")
    assert (done.code, "policy.toml" in done.err) == (ExitCode.OTHER, True)


def test_todays_card_in_a_pcsc_reader(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcsc, "connect", lambda *_, **__: VirtualReader(virtual_card("somchai")).connect())
    assert run("card", "verify").code == ExitCode.UNSIGNED


def test_the_hierarchy_is_in_the_users_state_and_for_nobody_else(run: Run, new: New) -> None:
    new("somchai")
    folder = sample_hierarchy_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("persona", ["wanida", *BAD])
def test_no_personal_data_come_out(run: Run, new: New, persona: str) -> None:
    reader = new(persona)
    record: Any = installed_personas()[persona].applications["citizen_id"]
    for options in ((), ("--json",)):
        shown = run("card", "verify", "--reader", reader, *options).out
        for secret in (record.cid, record.name_th.first, record.name_en.last, record.address.house_no + " "):
            assert secret not in shown
