"""`ecitizen trust`: roots come and go, and certificates are checked as `pki.path.validate` does."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pki.pem import pem
from tests.unit.small_pki import MOMENT, root

from .conftest import Run

ROOT = root("Trusted Root")
AUTHORITY = ROOT.issue("Authority", authority=True)
PERSON = AUTHORITY.issue("Somchai", serial=77)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, der in (("root", ROOT.der), ("authority", AUTHORITY.der), ("person", PERSON.der)):
        (tmp_path / f"{name}.pem").write_bytes(pem(der, "CERTIFICATE"))
    (tmp_path / "root.crl").write_bytes(ROOT.crl())
    (tmp_path / "authority.crl").write_bytes(pem(AUTHORITY.crl(), "X509 CRL"))
    (tmp_path / "revoked.crl").write_bytes(AUTHORITY.crl([(77, None)]))
    return tmp_path


def check(run: Run, files: Path, *options: str, moment: str = MOMENT.isoformat()) -> tuple[int, dict[str, object]]:
    done = run(
        *("trust", "check", str(files / "person.pem"), "--with", str(files / "authority.pem")),
        *("--crl", str(files / "root.crl"), "--moment", moment, "--json", *options),
    )
    return done.code, json.loads(done.out)


def test_check_with_anchor_files(run: Run, files: Path) -> None:
    anchor, crl = ("--anchor", str(files / "root.pem")), ("--crl", str(files / "authority.crl"))
    code, report = check(run, files, *anchor, *crl)
    assert (code, report["verdict"]) == (0, "valid")
    assert len(report["chain"]) == 3  # type: ignore[arg-type]  # a list in the JSON
    assert check(run, files, *anchor)[1]["verdict"] == "cannot-tell"
    assert check(run, files, *anchor)[0] == 18
    assert check(run, files, *anchor, "--revocation", "off")[0] == 0
    assert check(run, files, *anchor, "--revocation", "if-named")[0] == 0
    assert check(run, files, *anchor, *crl, "--explicit-policy")[0] == 12
    code, report = check(run, files, *anchor, "--crl", str(files / "revoked.crl"))
    assert (code, report["verdict"]) == (13, "revoked")
    assert report["revoked_at"] == (MOMENT - timedelta(days=2)).isoformat()
    assert check(run, files, *anchor, *crl, moment="2099-01-01")[0] == 15
    assert check(run, files, *anchor, *crl, moment="2001-01-01")[0] == 19
    assert check(run, files, "--anchor", str(files / "person.pem"), *crl)[0] == 0, "who trusts it needs no path"


def test_the_words_for_people(run: Run, files: Path) -> None:
    words = ("trust", "check", str(files / "person.pem"), "--anchor", str(files / "root.pem"))
    done = run(*words, "--moment", MOMENT.isoformat(), "--lang", "en")
    assert done.code == 12
    assert done.out.splitlines()[0] == "Verdict: untrusted"
    assert "no path leads to a trusted authority" in done.out
    assert "ไม่มีเส้นทาง" in run(*words, "--moment", MOMENT.isoformat(), "--lang", "th").out


def test_roots_come_and_go(run: Run, files: Path, tmp_path: Path) -> None:
    trust = ("--trust", str(tmp_path / "trust"))
    added = json.loads(run("trust", "add", str(files / "root.pem"), *trust, "--json").out)
    assert added.pop("schema_version") == 1
    assert "Trusted Root" in added["subject"]
    assert run("trust", "add", str(files / "root.pem"), *trust).out.split() == [added["sha256"]], "twice is once"
    listed = json.loads(run("trust", "list", *trust, "--json").out)
    assert listed == {"schema_version": 1, "anchors": [added]}
    assert added["sha256"] in run("trust", "list", *trust).out
    code, report = check(run, files, *trust, "--crl", str(files / "authority.crl"))
    assert (code, report["verdict"]) == (0, "valid")
    assert run("trust", "remove", added["sha256"][:4], *trust).code == 2, "too short to be sure"
    assert run("trust", "remove", added["sha256"][:8], *trust).code == 0
    assert json.loads(run("trust", "list", *trust, "--json").out)["anchors"] == []
    assert check(run, files, *trust, "--crl", str(files / "authority.crl"))[0] == 12


def test_what_can_not_be_trusted_or_read(run: Run, files: Path, tmp_path: Path) -> None:
    trust = ("--trust", str(tmp_path / "trust"))
    assert run("trust", "add", str(files / "person.pem"), *trust).code == 2
    assert run("trust", "add", str(files / "root.crl"), *trust).code == 2
    assert run("trust", "add", str(files / "absent.pem"), *trust).code == 2
    assert run("trust", "list", *trust).code == 8, "no such directory"
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "policy.toml").write_text("[application]\ncitizen_id = 3\n")
    done = run("trust", "list", *trust)
    assert done.code == 8
    assert "policy.toml" in done.err
