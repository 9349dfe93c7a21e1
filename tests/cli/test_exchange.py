"""`ecitizen exchange`: packages and credentials made at a desk, shown by holders, taken once by whom they are for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from cardapps.hierarchy import Hierarchy
from cardapps.hierarchy_plan import PERSONS
from cardapps.seal_files import SECURITY_OBJECT
from cli.exit_codes import ExitCode
from cli.folders import taken_packages_file
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage, Sections
from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes
from pki.data_security import compare_hashes, open_security_object
from pki.exchange import ExchangeVerdict, read_package
from pki.jws import read_general
from pki.keys import generate_key, private_key_info, public_key_info, save_private_key
from pki.pem import pem

PIN = "123456"
NONCE = "Zx3kP0aT9uQe4rWm7y"
HOSPITAL, CLINIC = "โรงพยาบาลเมืองสายน้ำผึ้ง", "คลินิกในเมือง"
ADDRESS = "ดอยหมอกงาม"
SEAL = ["--field", "citizen_id.name_th", "--seal"]


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


Give = Callable[..., str]
Made = tuple[bytes, bytes, Any]


@pytest.fixture(scope="module")
def officer(shared_state: Path) -> Made:
    """An officer's certificate by the test hierarchy and the key to it, both PEM, and the key itself."""
    key = generate_key(KeyAlgorithm.P_256)
    name = PersonName("Mr.", "Somsak", "", "Raksa")
    request = CertificateRequest("officer", public_key_info(key), name_en=name, citizen_number="1999900000014")
    with Hierarchy.open(shared_state / "ecitizen" / "test-hierarchy") as hierarchy:
        certificate = hierarchy.issue(PERSONS, request, "desk", None)
    return pem(certificate, "CERTIFICATE"), pem(private_key_info(key).reveal(), "PRIVATE KEY"), key


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, officer: Made) -> list[str]:
    """The options of a desk, whose files are in the folder where we are."""
    monkeypatch.chdir(tmp_path)
    Path("desk.pem").write_bytes(officer[0])
    Path("desk.key").write_bytes(officer[1])
    return ["--desk-key", "desk.key", "--desk-certificate", "desk.pem"]


def create(run: Run, desk: list[str], sealed: str, pin: str, *options: str) -> Outcome:
    """A package for the hospital."""
    whom = ["--from", "District office", "--to", HOSPITAL, "--purpose", "medical_treatment"]
    what = ["--field", "citizen_id.name_th", "--claim", "health_insurance.entitled"]
    arguments = [*whom, *what, *desk, "--out", "package.json", "--reader", sealed, "--pin-fd", pin]
    return run("exchange", "create", *arguments, *options)


def test_every_verdict_has_an_exit_code() -> None:
    assert {verdict.name for verdict in ExchangeVerdict} - {"VALID"} <= set(ExitCode.__members__)


def test_a_package_is_made_and_taken_once(run: Run, give: Give, desk: list[str], sealed: str) -> None:
    consent = ["--consent-th", "ยินยอมให้โรงพยาบาลดูข้อมูลนี้", "--consent-by", "parent", "--hours", "2"]
    done = create(run, desk, sealed, give(PIN), *consent, "--json")
    assert done.code == ExitCode.OK, done.err
    assert (done.json()["out"], done.json()["kind"]) == ("package.json", "package")
    left = datetime.fromisoformat(done.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=58) < left <= timedelta(hours=2)
    told = ["is entitled to health care", "Consent: ยินยอมให้โรงพยาบาลดูข้อมูลนี้", "Digest (sha256): "]
    assert [text for text in told if text not in done.err] == []
    assert done.err.index("Consent: ") < done.err.index("Digest")
    assert Path("package.json").stat().st_mode & 0o777 == 0o600
    payload = Path("package.json").read_text("utf-8")
    assert ADDRESS not in payload

    check = ["exchange", "verify", "package.json", "--recipient", HOSPITAL, "--test", "--json"]
    found = run(*check, "--purpose", "medical_treatment")
    assert found.code == ExitCode.OK, found.out
    value = found.json()
    assert list(value) == [
        *("schema_version", "verdict", "test", "moment", "format"),
        *("signatures", "findings", "sender", "purpose", "data"),
    ]
    assert (value["verdict"], value["test"], value["format"]) == ("valid", True, "exchange-package")
    assert [each["covers"] for each in value["signatures"]] == ["card", "desk"]
    assert value["data"]["claims"] == {"health_insurance": {"entitled": True}}
    assert value["data"]["applications"]["citizen_id"]["name_th"]["first"] == "วนิดา"

    again = run(*check)
    assert (again.code, again.json()["verdict"], again.json()["data"]) == (ExitCode.REPLAYED, "replayed", None)
    assert taken_packages_file().stat().st_mode & 0o777 == 0o600
    assert run(*check, "--again").code == ExitCode.OK
    assert run(*check, "--taken", "other.sqlite").code == ExitCode.OK


def test_a_sealed_application_goes_whole(run: Run, give: Give, desk: list[str], sealed: str) -> None:
    """What the agency sealed is handed over byte for byte, and the person is told that it is all of it."""
    seal = ["--field", "health_insurance.main_scheme", "--seal", "health_insurance", "--lang", "en"]
    done = create(run, desk, sealed, give(PIN), *seal)
    assert done.code == ExitCode.OK, done.err
    assert done.err.index("all of ") < done.err.index("with the seal of its agency") < done.err.index("Digest")
    signed = read_general(Path("package.json").read_bytes())
    package = read_package(signed.payload)
    whole = package.seals["health_insurance"]
    assert list(package.seals) == ["health_insurance"]
    assert compare_hashes(open_security_object(whole.security_object), whole.data_groups).differing == ()
    assert len(whole.data_groups) > 2
    check = ["exchange", "verify", "package.json", "--recipient", HOSPITAL, "--test", "--json"]
    found = run(*check).json()
    assert found["verdict"] == "valid", found
    assert [each["result"] for each in found["findings"] if each["check"] == "seal"] == ["passed"]


def test_a_card_that_nobody_sealed_has_no_seal_to_hand_over(
    run: Run, give: Give, desk: list[str], sealed_sections: Sections, tmp_path: Path
) -> None:
    sections = {name: dict(memory) for name, memory in sealed_sections.items()}
    del sections["citizen_id"][SECURITY_OBJECT]
    CardImage.create(tmp_path / "unsealed.json", sections).close()
    done = create(run, desk, f"virtual:{tmp_path / 'unsealed.json'}", give("654321"), "--seal", "citizen_id")
    assert (done.code, "nobody has sealed citizen_id" in done.err) == (ExitCode.USAGE, True), done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--recipient", CLINIC, "--test"], ExitCode.WRONG_RECIPIENT),
        (["--recipient", HOSPITAL, "--test", "--purpose", "marketing"], ExitCode.WRONG_PURPOSE),
        (["--recipient", HOSPITAL, "--test", "--moment", "2126-01-01"], ExitCode.EXPIRED),
        (["--recipient", HOSPITAL, "--test", "--moment", "2026-01-01"], ExitCode.UNTRUSTED),
        (["--recipient", HOSPITAL], ExitCode.UNTRUSTED),
        (["--recipient", HOSPITAL, "--test", "--nonce", NONCE], ExitCode.USAGE),
    ],
)
def test_a_package_that_may_not_be_used_gives_no_data(
    run: Run, give: Give, desk: list[str], sealed: str, arguments: list[str], code: ExitCode
) -> None:
    assert create(run, desk, sealed, give(PIN)).code == ExitCode.OK
    found = run("exchange", "verify", "package.json", *arguments)
    assert found.code == code
    assert "citizen_id.name_th" not in found.out
    taking = run("exchange", "verify", "package.json", "--recipient", HOSPITAL, "--test")
    assert (taking.code, "citizen_id.name_th: " in taking.out) == (ExitCode.OK, True), "it counts as taken already"


def test_an_altered_package(run: Run, give: Give, desk: list[str], sealed: str) -> None:
    create(run, desk, sealed, give(PIN))
    value = json.loads(Path("package.json").read_text("utf-8"))
    value["signatures"][0]["signature"], value["signatures"][1]["signature"] = (
        value["signatures"][1]["signature"],
        value["signatures"][0]["signature"],
    )
    Path("package.json").write_text(json.dumps(value))
    found = run("exchange", "verify", "package.json", "--recipient", HOSPITAL, "--test", "--json")
    assert (found.code, found.json()["verdict"]) == (ExitCode.ALTERED, "altered")
    Path("package.json").write_text("{}")
    assert run("exchange", "verify", "package.json", "--recipient", HOSPITAL).code == ExitCode.REFUSED


def test_the_holder_shows_two_answers_and_nothing_else(run: Run, give: Give, desk: list[str], sealed: str) -> None:
    answers = ["--claim", "health_insurance.entitled", "--claim", "health_insurance.valid"]
    more = ["--field", "citizen_id.address", "--claim", "citizen_id.over_20"]
    arguments = ["--from", "District office", *answers, *more, *desk, "--reader", sealed]
    issued = run("exchange", "create", "--credential", *arguments, "--out", "credential", "--json")
    assert (issued.code, issued.json()["kind"]) == (ExitCode.OK, "credential"), issued.err

    whom = ["--to", CLINIC, "--nonce", NONCE, "--out", "shown", "--reader", sealed]
    done = run("exchange", "present", "credential", *whom, *answers, "--pin-fd", give(PIN), "--json")
    assert (done.code, done.json()) == (ExitCode.OK, {"schema_version": 1, "out": "shown"}), done.err

    check = ["exchange", "verify", "shown", "--recipient", CLINIC, "--test", "--json", "--nonce"]
    other = run(*check, "0123456789abcdef")
    assert (other.code, other.json()["data"]) == (ExitCode.REPLAYED, None)
    found = run(*check, NONCE)
    assert found.code == ExitCode.OK, found.out
    assert found.json()["data"] == {
        "applications": {},
        "claims": {"health_insurance": {"entitled": True, "valid": True}},
    }
    assert run(*check, NONCE).code == ExitCode.REPLAYED
    assert run("exchange", "verify", "shown", "--recipient", "Other", "--nonce", NONCE, "--test").code == 21

    nothing = run("exchange", "present", "credential", *whom, "--claim", "citizen_id.over_60", "--pin-fd", give(PIN))
    assert nothing.code == ExitCode.USAGE
    assert "hides nothing at" in nothing.err


def test_a_desk_key_under_a_passphrase(run: Run, give: Give, desk: list[str], sealed: str, officer: Made) -> None:
    save_private_key(Path("locked.key"), officer[2], KeyBytes(b"open sesame"))
    locked = ["--desk-key", "locked.key", *desk[2:]]
    wrong = create(run, locked, sealed, give("654321"), "--passphrase-fd", give("open barley"))
    assert wrong.code == ExitCode.USAGE
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3
    assert create(run, locked, sealed, give(PIN), "--passphrase-fd", give("open sesame")).code == ExitCode.OK


def test_where_it_can_not_be_remembered_it_is_not_taken(run: Run, give: Give, desk: list[str], sealed: str) -> None:
    create(run, desk, sealed, give(PIN))
    check = ["exchange", "verify", "package.json", "--recipient", HOSPITAL, "--test", "--taken"]
    for place in ("desk.pem/taken.sqlite", "desk.pem"):
        done = run(*check, place)
        assert done.code == ExitCode.FILE, done.out
        assert "วนิดา" not in done.out


def test_a_credential_is_checked_as_one(run: Run, give: Give, desk: list[str], sealed: str) -> None:
    arguments = ["--from", "A", "--claim", "citizen_id.valid", *desk, "--out", "credential", "--reader", sealed]
    assert run("exchange", "create", "--credential", *arguments).code == ExitCode.OK
    assert "--nonce" in run("exchange", "verify", "credential", "--recipient", CLINIC).err
    alone = run("exchange", "verify", "credential", "--recipient", CLINIC, "--nonce", NONCE, "--test")
    assert alone.code == ExitCode.REFUSED, "nothing shows that it is the holder who presents it"
    nothing = ["--to", CLINIC, "--nonce", NONCE, "--out", "shown", "--reader", sealed, "--pin-fd", give(PIN)]
    assert "say what to show" in run("exchange", "present", "credential", *nothing).err
    run("piv", "certificate", "9A", "--reader", sealed, "--delete", "--management-key-default")
    assert "slot 9A" in run("exchange", "create", "--credential", *arguments).err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", CLINIC, "--purpose", "care"], "say what to hand over"),
        (["--to", CLINIC, "--purpose", "care", "--field", "name_th"], "is no field"),
        (["--to", CLINIC, "--purpose", "care", "--field", "citizen_id.shoe_size"], "no field citizen_id.shoe_size"),
        (["--to", CLINIC, "--purpose", "care", "--claim", "citizen_id.rich"], "no claim citizen_id.rich"),
        (["--to", CLINIC, "--purpose", "care", *["--claim", "citizen_id.valid"] * 2], "named twice"),
        (["--to", CLINIC, "--purpose", "care", *SEAL, "piv"], "no application that agencies seal"),
        (["--to", CLINIC, "--purpose", "care", *SEAL, "health_insurance"], "--field health_insurance.NAME"),
        (["--credential", *SEAL, "citizen_id"], "leave --seal out"),
        (["--to", CLINIC, "--claim", "citizen_id.valid"], "--to and --purpose"),
        (["--to", CLINIC, "--credential", "--claim", "citizen_id.valid"], "a credential has no recipient"),
        (["--to", CLINIC, "--purpose", "Care!", "--claim", "citizen_id.valid"], "can't be made"),
        (["--to", CLINIC, "--purpose", "care", "--claim", "citizen_id.valid", "--hours", "900"], "31 days"),
        (["--to", CLINIC, "--purpose", "care", "--claim", "citizen_id.valid", "--hours", "nan"], "31 days"),
    ],
)
def test_what_is_refused_before_a_pin_is_asked(
    run: Run, give: Give, desk: list[str], sealed: str, arguments: list[str], said: str
) -> None:
    common = ["--from", "District office", *desk, "--out", "package.json", "--reader", sealed]
    done = run("exchange", "create", *common, *arguments, "--pin-fd", give("654321"))
    assert done.code == ExitCode.USAGE
    assert said in done.err
    assert not Path("package.json").exists()
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3
