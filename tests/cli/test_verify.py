"""`ecitizen verify`: a verdict and an exit code for each document, in words, JSON and on paper."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.exit_codes import ExitCode
from cli.language import asked_for
from cli.letter import letter_pdf
from cli.signing.reports import exit_code_of, verdict_text
from pki.documents import SignatureFormat, sign_file
from pki.revocation_fetch import Fetched
from pki.signed import DocumentVerdict, Level
from tests.signing_people import SigningPeople
from tests.unit.small_pki import MOMENT, YEAR

PIN = "123456"
LATER = MOMENT + timedelta(days=2)


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


Give = Callable[..., str]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture(autouse=True)
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, people: SigningPeople) -> None:
    """A signed letter as text and as PDF, and a text without a signature, in the folder where we are."""
    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_bytes(b"what was agreed on")
    Path("letter.pdf").write_bytes(letter_pdf(["what was agreed on"]))
    Path("unsigned.txt").write_bytes(b"what nobody agreed on")
    for name in ("letter.txt", "letter.pdf"):
        sign_file(Path(name), people.signer, people.signer_party.der, people.chain, moment=MOMENT)


@pytest.fixture(scope="module")
def trust(people: SigningPeople) -> list[str]:
    """Whom to believe, and when: two hours after the letter was signed."""
    moment = (MOMENT + timedelta(hours=2)).isoformat()
    return ["--trust", str(people.trust(MOMENT).directory), "--moment", moment]


def test_every_verdict_has_words_and_an_exit_code_of_its_own() -> None:
    assert len({verdict_text(verdict, asked_for("th")) for verdict in DocumentVerdict}) == len(DocumentVerdict)
    codes = {verdict: exit_code_of(verdict) for verdict in DocumentVerdict}
    assert len(set(codes.values())) == len(codes)
    assert codes[DocumentVerdict.VALID] is ExitCode.OK
    assert codes[DocumentVerdict.CANNOT_TELL] is ExitCode.CANNOT_TELL


@pytest.mark.parametrize("name", ["letter.txt", "letter.txt.p7s", "letter.signed.pdf"])
def test_valid(run: Run, trust: list[str], name: str) -> None:
    done = run("verify", name, *trust)
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert done.out.startswith(f"{name}\nVerdict: ถูกต้อง · valid\n\nSignature (")
    assert "  Signed by: Somchai Signer\n" in done.out
    assert "  Signed at: 2026-11-22 12:00:00+00:00 (by the clock of the signer)\n" in done.out


def test_altered(run: Run, trust: list[str]) -> None:
    Path("letter.txt").write_bytes(b"what was not agreed on")
    done = run("verify", "letter.txt", *trust, "--json")
    assert (done.code, done.json()["verdict"]) == (ExitCode.ALTERED, "altered")
    changed = Path("letter.signed.pdf").read_bytes().replace(b"agreed", b"argued")
    Path("letter.signed.pdf").write_bytes(changed)
    assert run("verify", "letter.signed.pdf", *trust).code == ExitCode.ALTERED


def test_untrusted(run: Run) -> None:
    done = run("verify", "letter.txt", "--json")
    assert (done.code, done.json()["verdict"]) == (ExitCode.UNTRUSTED, "untrusted")
    assert run("verify", "letter.txt", "--test").code == ExitCode.UNTRUSTED


def test_expired_and_valid_with_proof_of_time(run: Run, people: SigningPeople) -> None:
    later = MOMENT + 2 * YEAR
    at = ["--trust", str(people.trust(later).directory), "--moment", later.isoformat()]
    assert run("verify", "letter.txt", *at).code == ExitCode.EXPIRED
    sources: dict[str, Any] = {"timestamps": people.timestamps, "revocation": people, "trust": people.trust()}
    sign_file(
        Path("letter.txt"),
        people.signer,
        people.signer_party.der,
        people.chain,
        moment=MOMENT,
        level=Level.LTA,
        form=SignatureFormat.ASIC_E,
        **sources,
    )
    done = run("verify", "letter.txt.asice", *at)
    assert done.code == ExitCode.OK, done.out
    assert "  Signed before: 2026-11-22 12:00:00+00:00 (proven by a timestamp)\n" in done.out


def test_revoked(run: Run, tmp_path: Path) -> None:
    people = SigningPeople(tmp_path)
    sign_file(Path("letter.txt"), people.signer, people.signer_party.der, people.chain, moment=MOMENT)
    people.revoked[people.signer_party.certificate.serial_number] = MOMENT - timedelta(hours=3)
    trust = ["--trust", str(people.trust(LATER).directory), "--moment", LATER.isoformat()]
    done = run("verify", "letter.txt", *trust, "--json")
    assert (done.code, done.json()["verdict"]) == (ExitCode.REVOKED, "revoked")
    assert done.json()["signatures"][0]["path"]["revoked_at"] == (MOMENT - timedelta(hours=3)).isoformat()


def test_cannot_tell(run: Run, trust: list[str], people: SigningPeople) -> None:
    done = run("verify", "unsigned.txt", *trust)
    assert done.code == ExitCode.CANNOT_TELL
    assert "no signature was found" in done.out
    bare = run("verify", "letter.txt", "--trust", str(people.trust().directory), "--moment", MOMENT.isoformat())
    assert bare.code == ExitCode.CANNOT_TELL
    assert "whether the certificate was revoked can't be told" in bare.out


def test_of_several_files_the_worst_verdict_counts(run: Run, trust: list[str]) -> None:
    done = run("verify", "letter.signed.pdf", "unsigned.txt", "letter.txt", *trust, "--json")
    assert done.code == ExitCode.CANNOT_TELL
    value = done.json()
    assert list(value) == ["schema_version", "verdict", "test", "moment", "documents", "signatures"]
    assert value["verdict"] == "cannot-tell"
    assert [(each["file"], each["verdict"], each["format"]) for each in value["documents"]] == [
        ("letter.signed.pdf", "valid", "pades"),
        ("unsigned.txt", "cannot-tell", "none"),
        ("letter.txt", "valid", "cades"),
    ]
    assert [each["file"] for each in value["signatures"]] == ["letter.signed.pdf", "letter.txt"]
    signature = value["signatures"][1]
    assert list(signature) == [
        *("file", "verdict", "format", "level", "signer", "claimed_at", "proven_at"),
        *("covers", "changed", "path", "findings"),
    ]
    assert list(signature["signer"]) == ["name_th", "name_en", "office", "agency", "subject", "certificate_sha256"]
    assert list(signature["path"]) == ["verdict", "moment", "revoked_at", "reason", "findings", "chain"]
    assert len(signature["path"]["chain"]) == 3
    assert {tuple(each) for each in signature["findings"]} == {("check", "result", "text", "evidence")}


def test_a_signature_far_from_what_it_is_over(run: Run, trust: list[str]) -> None:
    Path("elsewhere.txt").write_bytes(Path("letter.txt").read_bytes())
    Path("alone.p7s").write_bytes(Path("letter.txt.p7s").read_bytes())
    assert run("verify", "alone.p7s", *trust).code == ExitCode.CANNOT_TELL
    assert run("verify", "alone.p7s", "--content", "elsewhere.txt", *trust).code == ExitCode.OK
    assert run("verify", "alone.p7s", "--content", "unsigned.txt", *trust).code == ExitCode.ALTERED


def test_revocation_data_are_fetched_from_hosts_that_are_named_unless_nobody_wants_that(
    run: Run, people: SigningPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = people.trust(name="online").directory
    (folder / "policy.toml").write_text('[fetch]\nhosts = ["crl.example"]\n', encoding="utf-8")
    asked: list[int] = []

    def fetch(_self: object, chain: Sequence[bytes]) -> Fetched:
        asked.append(len(chain))
        return Fetched(people.crls(MOMENT), ())

    monkeypatch.setattr("pki.revocation_fetch.RevocationFetcher.fetch", fetch)
    at = ["--trust", str(folder), "--moment", MOMENT.isoformat()]
    assert run("verify", "letter.txt", *at, "--offline").code == ExitCode.CANNOT_TELL
    assert asked == []
    assert run("verify", "letter.txt", *at).code == ExitCode.OK
    assert asked == [3]


def test_in_thai(run: Run, trust: list[str]) -> None:
    done = run("--lang", "th", "verify", "letter.txt", *trust)
    assert "valid" not in done.out
    assert "ผลการตรวจสอบ: ถูกต้อง\n" in done.out


def test_a_report_for_paper(run: Run, trust: list[str]) -> None:
    done = run("verify", "letter.txt", "letter.signed.pdf", *trust, "--report", "report.pdf")
    assert (done.code, done.err) == (ExitCode.OK, "The report was saved as report.pdf.\n")
    report = Path("report.pdf")
    assert report.read_bytes().startswith(b"%PDF-")
    assert report.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["letter.txt", "unsigned.txt", "--content", "letter.txt"], ExitCode.USAGE),
        (["letter.txt", "--font", "a.ttf"], ExitCode.USAGE),
        (["letter.txt", "--trust", "a", "--test"], ExitCode.USAGE),
        (["letter.txt", "--moment", "yesterday"], ExitCode.USAGE),
        (["letter.txt", "--trust", "nowhere"], ExitCode.OTHER),
        (["nothing.txt"], ExitCode.FILE),
        (["letter.txt", "--report", "no/such/folder.pdf"], ExitCode.FILE),
        ([], ExitCode.USAGE),
    ],
)
def test_what_can_not_be_meant(run: Run, arguments: list[str], code: ExitCode) -> None:
    assert run("verify", *arguments).code == code


def test_the_terminal_is_not_steered_by_a_document(run: Run) -> None:
    name = "bad\x1b[31m.txt"
    Path(name).write_bytes(b"")
    assert "\x1b" not in run("verify", name).out
