"""`ecitizen auth`: tokens that servers of Web eID take, and the check that they make."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.exit_codes import ExitCode
from pki.web_eid_nonces import new_nonce

PIN = "123456"
ORIGIN = "https://service.example.go.th"
NONCE = new_nonce(lambda length: bytes(range(length)))


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


Give = Callable[..., str]


@pytest.fixture
def token(run: Run, give: Give, sealed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A token in token.json, in the folder where we are, and what it says."""
    monkeypatch.chdir(tmp_path)
    challenge = ["--origin", ORIGIN, "--nonce", NONCE]
    done = run("auth", "token", *challenge, "--out", "token.json", "--reader", sealed, "--pin-fd", give(PIN))
    assert done.code == ExitCode.OK, done.err
    assert f"To sign in at {ORIGIN}:\nDigest (sha256): " in done.err
    found: dict[str, Any] = json.loads(Path("token.json").read_text("utf-8"))
    return found


def check(run: Run, *options: str, origin: str = ORIGIN, nonce: str = NONCE) -> Outcome:
    return run("auth", "check", "token.json", "--origin", origin, "--nonce", nonce, *options)


def test_a_token_is_as_web_eid_has_it(token: dict[str, Any]) -> None:
    assert set(token) == {"unverifiedCertificate", "algorithm", "signature", "format", "appVersion"}
    assert (token["format"], token["algorithm"]) == ("web-eid:1.0", "ES256")


def test_it_is_printed_where_no_file_is_named(run: Run, give: Give, sealed: str) -> None:
    done = run("auth", "token", "--origin", ORIGIN, "--nonce", NONCE, "--reader", sealed, "--pin-fd", give(PIN))
    assert json.loads(done.out)["format"] == "web-eid:1.0"


def test_who_signs_in(run: Run, token: dict[str, Any]) -> None:
    assert token
    done = check(run, "--test", "--json")
    assert done.code == ExitCode.OK, done.out
    value = done.json()
    assert list(value) == ["schema_version", "verdict", "test", "origin", "moment", "subject", "path"]
    assert (value["verdict"], value["test"], value["origin"]) == ("valid", True, ORIGIN)
    assert value["subject"]["name_en"] == "Mrs. Wanida Rakphaendin"
    assert len(value["subject"]["serial_number"]) == 32, "a pseudonym"
    assert check(run, "--test").out.startswith(f"Signed in at {ORIGIN}: นาง วนิดา")


def test_from_standard_input(run: Run, token: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(token).encode())))
    assert run("auth", "check", "-", "--origin", ORIGIN, "--nonce", NONCE, "--test").code == ExitCode.OK


@pytest.mark.parametrize(
    ("changes", "options", "verdict", "code"),
    [
        ({"origin": "https://phisher.example.com"}, ["--test"], "signature_invalid", ExitCode.ALTERED),
        ({"nonce": new_nonce(bytes)}, ["--test"], "signature_invalid", ExitCode.ALTERED),
        ({}, ["--test", "--moment", "2126-01-01"], "certificate-expired", ExitCode.EXPIRED),
        ({}, ["--trust", "empty"], "untrusted", ExitCode.UNTRUSTED),
    ],
)
def test_who_does_not_sign_in(
    run: Run,
    token: dict[str, Any],
    changes: dict[str, str],
    options: list[str],
    verdict: str,
    code: ExitCode,
) -> None:
    assert token
    Path("empty").mkdir()
    done = check(run, *options, "--json", **changes)
    assert (done.code, done.json()["verdict"]) == (code, verdict)
    assert list(done.json()) == ["schema_version", "verdict", "message", "text", "evidence"]
    assert check(run, *options, **changes).out.startswith("Not signed in: ")


def test_a_key_that_is_not_for_signing_in(run: Run, give: Give, sealed: str, token: dict[str, Any]) -> None:
    challenge = ["--origin", ORIGIN, "--nonce", NONCE, "--slot", "9C"]
    run("auth", "token", *challenge, "--out", "token.json", "--reader", sealed, "--pin-fd", give(PIN))
    assert json.loads(Path("token.json").read_text("utf-8")) != token
    done = check(run, "--test", "--json")
    assert (done.code, done.json()["verdict"]) == (ExitCode.REFUSED, "purpose")


def test_what_is_no_token(run: Run, token: dict[str, Any]) -> None:
    Path("token.json").write_text(json.dumps({**token, "format": "web-eid:2"}), encoding="utf-8")
    done = check(run, "--test", "--json")
    assert (done.code, done.json()["verdict"]) == (ExitCode.REFUSED, "malformed")


@pytest.mark.parametrize(
    ("origin", "nonce"),
    [(f"{ORIGIN}/", NONCE), ("http://service.example.go.th", NONCE), (ORIGIN, "short"), (f"{ORIGIN}:443", NONCE)],
)
def test_a_challenge_that_is_none_costs_no_pin(run: Run, give: Give, sealed: str, origin: str, nonce: str) -> None:
    done = run("auth", "token", "--origin", origin, "--nonce", nonce, "--reader", sealed, "--pin-fd", give("654321"))
    assert done.code == ExitCode.USAGE
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3


def test_nobody_is_trusted_unless_somebody_is_named(run: Run, token: dict[str, Any]) -> None:
    assert token
    done = check(run)
    assert done.code == ExitCode.USAGE
    assert "--trust DIR" in done.err
