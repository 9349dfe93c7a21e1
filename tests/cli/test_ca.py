"""`ecitizen ca`, from making authorities to checking how they were made."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import main as command
from cli.exit_codes import ExitCode
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.secret import KeyBytes
from pki.certificates import load_certificate
from pki.keys import FileSigner, generate_key, public_key_info, save_private_key
from pki.pem import der_from, pem
from pki.plan import standard_plan
from pki.requests import certification_request
from tests.cli.conftest import Give, Outcome, Run

CARD = "412300A1B2010417"
PASSPHRASE = "correct horse"
PERSON = {
    "cid": "1999900100425",
    "name_th": {"prefix": "นาย", "first": "สมชาย", "middle": "", "last": "ใจดี"},
    "name_en": {"prefix": "Mr.", "first": "Somchai", "last": "Jaidee"},
}
Authorities = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def registered_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command._COMMANDS, "ca", "the authorities behind the cards")


@pytest.fixture
def ca(run: Run, give: Give) -> Authorities:
    """Run a command that opens keys."""

    def run_it(*arguments: str) -> Outcome:
        return run("ca", *arguments, "--passphrase-fd", give(PASSPHRASE))

    return run_it


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ca init` makes, once: each of its many keys takes a passphrase's time."""
    folder = tmp_path_factory.mktemp("made") / "ca"
    reading, writing = os.pipe()
    os.write(writing, f"{PASSPHRASE}\n".encode())
    os.close(writing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(command._COMMANDS, "ca", "the authorities behind the cards")
        init = ["ca", "init", str(folder), "--base-uri", "http://127.0.0.1:8080", "--passphrase-fd", str(reading)]
        assert command.main(init) == ExitCode.OK
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "authorities"))


@pytest.fixture
def csr(tmp_path: Path) -> str:
    path = tmp_path / "request.pem"
    signer = FileSigner(generate_key(KeyAlgorithm.P_256))
    path.write_bytes(pem(certification_request(signer, "CN=Somebody"), "CERTIFICATE REQUEST"))
    return str(path)


def issued(ca: Authorities, folder: Path, csr: str, authority: str, profile: str, *more: str) -> str:
    out = str(folder.parent / f"{profile}.pem")
    done = ca("issue", str(folder), authority, "--profile", profile, "--csr", csr, "--out", out, *more)
    assert done.code == ExitCode.OK, done.err
    return out


def test_init_makes_what_the_plan_says(folder: Path, run: Run, ca: Authorities) -> None:
    names = {"root", "interior", "civil-service", "health", "persons"}
    assert {path.stem for path in folder.glob("*.pem")} == names
    assert {path.name for path in (folder / "www" / "crl").iterdir()} == {
        f"{name}-0{suffix}.crl" for name in names for suffix in ("", "-delta")
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder, *(folder / "keys").iterdir()])
    again = ca("init", str(folder), "--base-uri", "http://127.0.0.1:8080")
    assert (again.code, again.out) == (ExitCode.FILE, "")


@pytest.mark.parametrize("uri", ["ftp://x", "x", "http://pki.example/"])
def test_a_wrong_address_is_refused(ca: Authorities, tmp_path: Path, uri: str) -> None:
    assert ca("init", str(tmp_path / "new"), "--base-uri", uri).code == ExitCode.USAGE


def test_a_person_gets_a_certificate(ca: Authorities, folder: Path, csr: str, tmp_path: Path) -> None:
    (tmp_path / "person.json").write_text(json.dumps(PERSON), encoding="utf-8")
    out = issued(
        ca, folder, csr, "persons", "authentication", "--card", CARD, "--person", str(tmp_path / "person.json")
    )
    [der] = der_from(Path(out).read_bytes(), "CERTIFICATE")
    subject = load_certificate(der).subject.rfc4514_string()
    assert "CN=Somchai Jaidee" in subject
    assert str(PERSON["cid"]).encode() not in der


def test_a_service_gets_a_certificate(ca: Authorities, folder: Path, csr: str) -> None:
    out = issued(ca, folder, csr, "persons", "desk_tls", "--service", "Desk 1", "--dns", "desk.example.go.th")
    [der] = der_from(Path(out).read_bytes(), "CERTIFICATE")
    assert b"desk.example.go.th" in der


def test_an_authority_keeps_to_its_own_kinds(ca: Authorities, folder: Path, csr: str, tmp_path: Path) -> None:
    out = tmp_path / "none.pem"
    refused = ca(
        "issue", str(folder), "health", "--profile", "signature", "--csr", csr, "--out", str(out), "--card", CARD
    )
    assert refused.code == ExitCode.USAGE
    assert not out.exists()


@pytest.mark.parametrize("content", ["{}", "[]", "1", '{"cid": 1, "name_en": {}}', '{"cid": "1", "name_en": 5}', "\0"])
def test_a_file_that_tells_of_no_person_is_refused(
    ca: Authorities, folder: Path, csr: str, tmp_path: Path, content: str
) -> None:
    path, out = tmp_path / "person.json", str(tmp_path / "out.pem")
    path.write_text(content)
    options = ["--profile", "signature", "--csr", csr, "--out", out, "--person", str(path)]
    assert ca("issue", str(folder), "persons", *options).code == ExitCode.USAGE


def test_a_lost_card_and_a_suspended_application(ca: Authorities, run: Run, folder: Path, csr: str) -> None:
    card = ["--card", CARD]
    first = issued(ca, folder, csr, "persons", "card_authentication", *card)
    issued(ca, folder, csr, "interior", "application_citizen_id", *card)
    issued(ca, folder, csr, "civil-service", "application_civil_servant", *card)
    suspended = run("ca", "suspend", str(folder), *card, "--application", "civil_servant", "--json").json()
    assert suspended["done"] == "suspended"
    assert [each["authority"] for each in suspended["certificates"]] == ["civil-service"]
    reinstated = run("ca", "reinstate", str(folder), *card, "--json").json()
    assert [each["authority"] for each in reinstated["certificates"]] == ["civil-service"]
    revoked = run("ca", "revoke", str(folder), *card, "--reason", "key_compromise", "--json").json()
    assert [each["authority"] for each in revoked["certificates"]] == ["persons", "interior", "civil-service"]
    again = run("ca", "revoke", str(folder), "--certificate", first)
    assert (again.code, again.out) == (ExitCode.USAGE, "")
    lists = ca("crl", str(folder), "--full", "--json").json()
    entries = {each["authority"]: each["entries"] for each in lists["lists"] if each["kind"] == "full"}
    assert entries == {"interior": 1, "civil-service": 1, "health": 0, "persons": 1}
    assert lists["renewed"] == []


def test_certificates_are_named_in_three_ways(ca: Authorities, run: Run, folder: Path, csr: str) -> None:
    path = issued(ca, folder, csr, "persons", "card_authentication", "--card", CARD)
    [der] = der_from(Path(path).read_bytes(), "CERTIFICATE")
    serial = f"{load_certificate(der).serial_number:X}"
    assert run("ca", "suspend", str(folder), "--serial", serial, "--authority", "persons").code == ExitCode.OK
    assert (
        run("ca", "reinstate", str(folder), "--certificate", path, "--at", "2026-11-22T09:30+07:00").code == ExitCode.OK
    )
    assert run("ca", "suspend", str(folder), "--serial", serial).code == ExitCode.USAGE
    assert run("ca", "suspend", str(folder), "--serial", serial, "--authority", "health").code == ExitCode.USAGE
    assert run("ca", "suspend", str(folder), "--certificate", str(folder / "root.pem")).code == ExitCode.USAGE
    assert run("ca", "suspend", str(folder), "--card", "NONE").code == ExitCode.USAGE
    assert run("ca", "suspend", str(folder), "--card", CARD, "--application", "none").code == ExitCode.USAGE
    assert run("ca", "suspend", str(folder), "--card", CARD, "--at", "yesterday").code == ExitCode.USAGE


def test_lists_are_shown(ca: Authorities, folder: Path) -> None:
    shown = ca("crl", str(folder), "--authority", "persons")
    assert re.fullmatch(r"\S+persons-0-delta.crl: number 2, 0 entries, \d+ bytes\n", shown.out)
    assert ca("crl", str(folder), "--authority", "nobody").code == ExitCode.USAGE


def test_a_wrong_passphrase_opens_nothing(run: Run, give: Give, folder: Path) -> None:
    done = run("ca", "crl", str(folder), "--passphrase-fd", give("wrong"))
    assert done.code == ExitCode.USAGE
    assert "wrong" not in done.err.replace("a wrong", "")


def test_a_folder_without_authorities_is_told(run: Run, give: Give, tmp_path: Path) -> None:
    assert run("ca", "revoke", str(tmp_path), "--card", CARD).code == ExitCode.FILE
    assert run("ca", "serve", str(tmp_path), "--passphrase-fd", give("x")).code == ExitCode.FILE


SERVER = """
import sys
from cli import main
main._COMMANDS["ca"] = "the authorities behind the cards"
sys.exit(main.main())
"""


def test_serve_answers_until_it_is_stopped(folder: Path) -> None:
    read, write = os.pipe()
    os.write(write, f"{PASSPHRASE}\n".encode())
    os.close(write)
    command = [sys.executable, "-c", SERVER, "ca", "serve", str(folder), "--port", "0", "--passphrase-fd", str(read)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[read]) as server:
        os.close(read)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        for path, kind in (("/crl/persons-0.crl", "pkix-crl"), ("/issuers/persons.cer", "pkix-cert")):
            with urllib.request.urlopen(f"{address}{path}", timeout=10) as answer:
                assert answer.headers["Content-Type"] == f"application/{kind}"
                assert answer.read() == (folder / "www" / path[1:]).read_bytes()
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def test_sizing_says_what_is_needed(run: Run) -> None:
    found = run("ca", "sizing", "--cards", "66000000", "--json").json()
    assert found["shards"] == 8192
    assert found["list_entries"] == 13_200_000
    shown = run("ca", "sizing", "--cards", "1000", "--revoked", "10", "--checks", "2")
    assert "For 1,000 cards, 10.0% of certificates revoked:" in shown.out
    assert run("ca", "sizing", "--cards", "0").code == ExitCode.USAGE


# The ceremony


@pytest.fixture
def ceremony(tmp_path: Path) -> dict[str, str]:
    key = generate_key(KeyAlgorithm.P_256)
    save_private_key(tmp_path / "witness.pem", key, KeyBytes(PASSPHRASE.encode()))
    script = tmp_path / "script.toml"
    script.write_text(
        f'base_uri = "http://127.0.0.1:8080"\n{standard_plan()}\n[shares]\nthreshold = 2\n'
        f'holders = ["Anong", "Boonmee", "Chai"]\n[[witness]]\nname = "Auditor"\n'
        f'public_key = "{public_key_info(key).hex()}"\n'
    )
    return {
        "folder": str(tmp_path / "ca"),
        "script": str(script),
        "shares": str(tmp_path / "shares"),
        "key": f"file:{tmp_path}/witness.pem",
        "transcript": str(tmp_path / "ca" / "transcript.jsonl"),
    }


def test_a_ceremony_from_script_to_signatures(ca: Authorities, run: Run, ceremony: dict[str, Any]) -> None:
    made = ca("ceremony", ceremony["folder"], ceremony["script"], "--shares", ceremony["shares"])
    assert made.code == ExitCode.PROBLEMS, made.err
    assert "Not signed yet by: Auditor" in made.err
    shares = sorted(Path(ceremony["shares"]).iterdir())
    assert [path.stat().st_mode & 0o777 for path in shares] == [0o600] * 3
    assert not any(path.read_text().strip() in made.err for path in shares)
    signed = ca("ceremony", "--sign", ceremony["transcript"], "--witness", "Auditor", "--key", ceremony["key"])
    assert signed.code == ExitCode.OK, signed.err
    checked = run("ca", "ceremony", "--check", ceremony["transcript"], "--json").json()
    assert (checked["signed_by"], checked["missing"]) == (["root", "Auditor"], [])
    assert list(checked["shares"]) == ["Anong", "Boonmee", "Chai"]
    by_two = run(
        "ca", "crl", ceremony["folder"], "--authority", "root", "--share", str(shares[0]), "--share", str(shares[2])
    )
    assert by_two.code == ExitCode.OK, by_two.err
    by_one = run("ca", "crl", ceremony["folder"], "--authority", "root", "--share", str(shares[0]))
    assert by_one.code == ExitCode.USAGE
    Path(ceremony["transcript"]).write_text(Path(ceremony["transcript"]).read_text().replace("Example", "Exemple"))
    assert run("ca", "ceremony", "--check", ceremony["transcript"]).code == ExitCode.USAGE


def test_a_ceremony_wants_all_its_parts(ca: Authorities, run: Run, ceremony: dict[str, str]) -> None:
    for arguments in (
        [],
        [ceremony["folder"]],
        [ceremony["folder"], ceremony["script"]],
        ["--sign", ceremony["script"]],
        ["--check", ceremony["script"]],
        ["--check", ceremony["script"], "--sign", ceremony["script"]],
    ):
        assert run("ca", "ceremony", *arguments).code == ExitCode.USAGE
    assert not Path(ceremony["folder"]).exists()
