"""`ecitizen sign` and `sign extend`: which files, which keys, when the PIN is asked, and what is refused before."""

import argparse
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.exit_codes import ExitCode
from cli.language import asked_for
from cli.letter import letter_pdf
from cli.prompts import Secrets
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import PinState
from ecitizen.secret import Pin
from pki.key_source import KeySource
from pki.keys import FileSigner, private_key_info
from pki.pem import pem
from tests.signing_people import SigningPeople
from tests.unit.small_pki import MOMENT

LETTER = b"what was agreed on"
PIN = "123456"


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


Give = Callable[..., str]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter in each form, in the folder where we are."""
    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_bytes(LETTER)
    Path("second.txt").write_bytes(b"and this, too")
    Path("letter.pdf").write_bytes(letter_pdf(["what was agreed on (by both)"]))
    Path("letter.xml").write_bytes(b"<letter>what was agreed on</letter>")


# On the card


@pytest.mark.parametrize(
    ("file", "options", "form", "out"),
    [
        ("letter.txt", [], "cades", "letter.txt.p7s"),
        ("letter.txt", ["--format", "cades", "--attached"], "cades", "letter.txt.p7m"),
        ("letter.txt", ["--format", "asic-s"], "asic-s", "letter.txt.asics"),
        ("letter.txt", ["--format", "asic-e"], "asic-e", "letter.txt.asice"),
        ("letter.pdf", [], "pades", "letter.signed.pdf"),
        ("letter.pdf", ["--format", "cades", "--hash", "sha256"], "cades", "letter.pdf.p7s"),
        ("letter.xml", [], "xades", "letter.signed.xml"),
        ("letter.xml", ["--xades-form", "baseline"], "xades", "letter.signed.xml"),
        ("letter.txt", ["--out", "here.p7s"], "cades", "here.p7s"),
    ],
)
def test_a_file_is_signed_in_its_format_and_valid(
    run: Run, give: Give, sealed: str, file: str, options: list[str], form: str, out: str
) -> None:
    before = Path(file).read_bytes()
    done = run("sign", file, *options, "--reader", sealed, "--pin-fd", give(PIN), "--json")
    assert done.code == ExitCode.OK, done.err
    (signed,) = done.json()["signed"]
    assert (signed["files"], signed["out"], signed["format"], signed["hash"]) == ([file], out, form, "sha256")
    assert f"Digest (sha256): {signed['digest']}\n" in done.err
    assert done.err.endswith(f"The signed file was saved as {out}.\n")
    assert Path(file).read_bytes() == before
    content = ["--content", file] if out == "here.p7s" else []
    checked = run("verify", out, *content, "--test", "--json")
    assert (checked.code, checked.json()["verdict"]) == (ExitCode.OK, "valid")
    (signature,) = checked.json()["signatures"]
    assert signature["signer"]["name_th"] == "นาง วนิดา รักษ์แผ่นดิน"
    assert signature["level"] == "b"
    assert (b"SigningCertificateV2" in Path(out).read_bytes()) == ("baseline" in options)


def test_the_digest_is_shown_before_the_pin_is_asked(
    run: Run, sealed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def type_it(text: str) -> str:
        asked.append(capsys.readouterr().err)
        assert "PIN" in text
        return PIN

    monkeypatch.setattr("getpass.getpass", type_it)
    assert run("sign", "letter.txt", "--reader", sealed).code == ExitCode.OK
    (said,) = asked
    assert "To be signed: letter.txt\nDigest (sha256): " in said
    assert Path("letter.txt.p7s").exists()


def test_a_wrong_pin_leaves_nothing(run: Run, give: Give, sealed: str) -> None:
    done = run("sign", "letter.txt", "--reader", sealed, "--pin-fd", give("654321"))
    assert done.code == ExitCode.CARD
    assert "Digest (sha256): " in done.err
    assert {path.name for path in Path().iterdir() if path.name.startswith("letter.txt")} == {"letter.txt"}
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 2


def test_several_files_under_one_pin_with_a_key_that_wants_it_once(run: Run, give: Give, sealed: str) -> None:
    arguments = ["--slot", "9A", "--reader", sealed, "--pin-fd", give(PIN)]
    done = run("sign", "letter.txt", "second.txt", "letter.pdf", *arguments, "--json")
    assert done.code == ExitCode.OK, done.err
    assert [each["out"] for each in done.json()["signed"]] == ["letter.txt.p7s", "second.txt.p7s", "letter.signed.pdf"]
    assert done.err.index("3 files are to be signed") < done.err.index("To be signed: letter.txt")
    checked = run("verify", "letter.txt", "second.txt", "letter.signed.pdf", "--test", "--json")
    assert (checked.code, len(checked.json()["signatures"])) == (ExitCode.OK, 3)
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["verified"] is False


def test_a_pin_is_not_sent_again_to_a_key_that_wants_it_each_time(run: Run, give: Give, sealed: str) -> None:
    done = run("sign", "letter.txt", "second.txt", "--reader", sealed, "--pin-fd", give("654321"))
    assert done.code == ExitCode.USAGE
    assert "never kept to be sent again" in done.err
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3
    assert not list(Path().glob("*.p7s"))


def test_at_a_terminal_such_a_key_asks_for_each_file(run: Run, sealed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def type_it(text: str) -> str:
        asked.append(text)
        return PIN

    monkeypatch.setattr("getpass.getpass", type_it)
    assert run("sign", "letter.txt", "second.txt", "--reader", sealed).code == ExitCode.OK
    assert len(asked) == 2


def test_one_container_for_several_files_is_one_signature(run: Run, give: Give, sealed: str) -> None:
    arguments = ["--format", "asic-e", "--out", "both.asice", "--reader", sealed, "--pin-fd", give(PIN)]
    assert run("sign", "letter.txt", "second.txt", *arguments).code == ExitCode.OK
    checked = run("verify", "both.asice", "--test")
    assert checked.code == ExitCode.OK
    assert "  What was signed: letter.txt, second.txt\n" in checked.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["letter.txt", "letter.txt"], "named twice"),
        (["letter.txt", "second.txt", "--out", "one.p7s"], "--out names one file"),
        (["letter.pdf", "--attached"], "--attached goes with cades"),
        (["letter.txt", "--reason", "why"], "are for PDF"),
        (["letter.txt", "--xades-form", "etax"], "--xades-form goes with XML"),
        (["letter.xml", "letter.pdf", "--xades-form", "etax"], "--xades-form goes with XML"),
        (["letter.pdf", "--page", "2"], "--page goes with --visible"),
        (["letter.pdf", "--font", "a.ttf"], "--visible BOX"),
        (["letter.pdf", "--visible", "1,2,3,4", "--page", "0"], "counted from 1"),
        (["letter.pdf", "--visible", "1,2,3"], "is no box"),
        (["letter.txt", "--out", "letter.txt"], "is what is to be signed"),
        (["letter.txt", "--level", "t"], "--tsa URL"),
        (["letter.txt", "--tsa", "ftp://example.org/", "--level", "t"], "http"),
        (["letter.txt", "--slot", "9F"], "is no slot"),
        (["letter.txt", "--slot", "9D", "--algorithm", "rsa-pss"], "can't sign so"),
        (["letter.txt", "--format", "pades"], "PDF"),
        (["nothing.txt"], "nothing.txt"),
    ],
)
def test_what_is_refused_before_the_card_is_asked_for_a_pin(
    run: Run, give: Give, sealed: str, arguments: list[str], said: str
) -> None:
    done = run("sign", *arguments, "--reader", sealed, "--pin-fd", give("654321"))
    assert done.code in {ExitCode.USAGE, ExitCode.FILE}
    assert said in done.err
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3


def test_what_is_there_is_not_replaced_unless_it_is_named(run: Run, give: Give, sealed: str) -> None:
    Path("letter.txt.p7s").write_bytes(b"somebody's signature")
    done = run("sign", "letter.txt", "--reader", sealed, "--pin-fd", give(PIN))
    assert (done.code, Path("letter.txt.p7s").read_bytes()) == (ExitCode.USAGE, b"somebody's signature")
    done = run("sign", "letter.txt", "--reader", sealed, "--pin-fd", give(PIN), "--out", "letter.txt.p7s")
    assert done.code == ExitCode.OK


def test_a_slot_without_a_certificate_wants_one_by_name(run: Run, give: Give, sealed: str) -> None:
    run("piv", "certificate", "9C", "--reader", sealed, "--out", "mine.pem")
    run("piv", "certificate", "9C", "--reader", sealed, "--delete", "--management-key-default")
    arguments = ["--reader", sealed, "--pin-fd"]
    done = run("sign", "letter.txt", *arguments, give(PIN))
    assert done.code == ExitCode.USAGE
    assert "--certificate FILE" in done.err
    assert run("sign", "letter.txt", *arguments, give(PIN), "--certificate", "mine.pem").code == ExitCode.OK


def test_a_visible_signature_with_a_portrait_in_a_certified_pdf(run: Run, give: Give, sealed: str) -> None:
    run("card", "read", "--reader", sealed, "--photo", "me.jpg")
    looks = ["--visible", "72,72,300,150", "--page", "-1", "--portrait", "me.jpg", "--reason", "รับรองสำเนา"]
    arguments = [*looks, "--location", "เชียงใหม่", "--certify", "forms", "--field", "Official"]
    done = run("sign", "letter.pdf", *arguments, "--reader", sealed, "--pin-fd", give(PIN))
    assert done.code == ExitCode.OK, done.err
    signed = Path("letter.signed.pdf").read_bytes()
    assert b"/DCTDecode" in signed
    assert b"Official" in signed
    assert run("verify", "letter.signed.pdf", "--test").code == ExitCode.OK
    second = run("sign", "letter.signed.pdf", "--reader", sealed, "--pin-fd", give(PIN), "--out", "letter.signed.pdf")
    assert second.code == ExitCode.OK, second.err
    both = run("verify", "letter.signed.pdf", "--test", "--json").json()
    assert (both["verdict"], len(both["signatures"])) == ("valid", 2)


@pytest.mark.parametrize(
    ("file", "form", "signed"),
    [
        ("letter.txt", "cades", "letter.txt.p7s"),
        ("letter.txt", "asic-e", "letter.txt.asice"),
        ("letter.pdf", "pades", "letter.signed.pdf"),
    ],
)
def test_a_second_person_signs_beside_the_first(
    run: Run, give: Give, sealed: str, desk: list[str], file: str, form: str, signed: str
) -> None:
    assert run("sign", file, "--format", form, *desk).code == ExitCode.OK
    card = ["--reader", sealed, "--pin-fd"]
    named = file if form == "cades" else signed
    done = run("sign", named, "--add", *card, give(PIN), "--json")
    assert done.code == ExitCode.OK, done.err
    assert (done.json()["signed"][0]["out"], done.json()["signed"][0]["format"]) == (signed, None)
    names = {each["signer"]["name_en"] for each in run("verify", signed, "--test", "--json").json()["signatures"]}
    assert names == {"Somchai Signer", "Mrs. Wanida Rakphaendin"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["letter.txt", "--add"], "nobody has signed"),
        (["letter.txt", "--add", "--format", "cades"], "--add keeps the format"),
        (["letter.txt", "second.txt", "--add", "--out", "x"], "--out names one file"),
        (["letter.txt", "--add", "--reason", "why"], "are for PDF"),
    ],
)
def test_what_can_not_be_added_costs_no_pin(run: Run, give: Give, sealed: str, arguments: list[str], said: str) -> None:
    done = run("sign", *arguments, "--reader", sealed, "--pin-fd", give("654321"))
    assert done.code == ExitCode.USAGE
    assert said in done.err
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3


def test_a_pin_from_a_descriptor_is_given_once_and_then_forgotten(give: Give) -> None:
    asked = argparse.Namespace(words=asked_for("en"), pin_fd=int(give(PIN)), last_try=False)
    secrets = Secrets(asked)
    state = PinState(retries_left=3, verified=False)
    before = secrets.has_pin
    assert secrets.pin_once(state) == Pin(PIN)
    assert (before, secrets.has_pin) == (True, False)
    with pytest.raises(UsageError, match="never kept to be sent again"):
        secrets.pin_once(state)


# Without a card, and levels


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> SigningPeople:
    return SigningPeople(tmp_path_factory.mktemp("people"))


@pytest.fixture
def desk(people: SigningPeople, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that name a key in a file and its certificates; the time is that of the people."""
    monkeypatch.setattr("pki.template.utc_now", lambda: MOMENT)
    Path("key.pem").write_bytes(pem(private_key_info(people.signer_party.key).reveal(), "PRIVATE KEY"))
    Path("mine.pem").write_bytes(b"".join(pem(der, "CERTIFICATE") for der in (people.signer_party.der, *people.chain)))
    return ["--key", "key.pem", "--certificate", "mine.pem"]


@pytest.fixture
def trust(people: SigningPeople) -> list[str]:
    """The option that names a trust directory with the people's authorities and their current lists."""
    folder = people.trust(MOMENT).directory
    (folder / "issuers").mkdir(exist_ok=True)
    (folder / "issuers" / "authority.crt").write_bytes(people.authority.der)
    return ["--trust", str(folder)]


@contextmanager
def timestamps_served(people: SigningPeople) -> Iterator[str]:
    """The timestamp authority of the people over HTTP; gives its address."""
    authority = people.timestamps._authority

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("file", ["letter.txt", "letter.pdf"])
def test_levels_from_the_first_to_the_renewed_archive(
    run: Run, people: SigningPeople, desk: list[str], trust: list[str], file: str
) -> None:
    out = "letter.signed.pdf" if file.endswith("pdf") else "letter.txt.p7s"

    def level() -> str:
        found = run("verify", out, *trust, "--json")
        assert found.code == ExitCode.OK, found.out
        ours = next(each for each in found.json()["signatures"] if each["format"] != "pades-timestamp")
        return str(ours["level"])

    assert run("sign", file, *desk).code == ExitCode.OK
    assert level() == "b"
    with timestamps_served(people) as tsa:
        for wanted in ("t", "lt", "lta"):
            done = run("sign", "extend", out, "--level", wanted, "--tsa", tsa, *trust, "--json")
            assert done.code == ExitCode.OK, done.err
            assert done.json() == {"schema_version": 1, "level": wanted, "extended": [{"file": out, "out": out}]}
            assert level() == wanted
        size = Path(out).stat().st_size
        done = run("sign", "extend", out, "--level", "lta", "--renew", "--tsa", tsa, *trust, "--out", "renewed")
        assert done.code == ExitCode.OK, done.err
        assert Path("renewed").stat().st_size > size
        assert Path(out).stat().st_size == size


@pytest.mark.parametrize("form", ["cades", "asic-e", "asic-s"])
def test_a_signature_for_the_archive_at_once(
    run: Run, people: SigningPeople, desk: list[str], trust: list[str], form: str
) -> None:
    with timestamps_served(people) as tsa:
        done = run("sign", "letter.txt", *desk, "--format", form, "--level", "lta", "--tsa", tsa, *trust, "--json")
    assert done.code == ExitCode.OK, done.err
    found = run("verify", done.json()["signed"][0]["out"], *trust, "--json").json()
    assert (found["verdict"], found["signatures"][0]["level"]) == ("valid", "lta")
    assert found["signatures"][0]["proven_at"] == MOMENT.isoformat()


def test_a_key_file_with_a_passphrase(run: Run, give: Give, people: SigningPeople, desk: list[str]) -> None:
    from ecitizen.secret import KeyBytes
    from pki.keys import save_private_key

    save_private_key(Path("locked.pem"), people.signer_party.key, KeyBytes(b"open sesame"))
    arguments = ["--key", "locked.pem", "--certificate", "mine.pem", "--passphrase-fd"]
    assert run("sign", "letter.txt", *arguments, give("open barley")).code == ExitCode.USAGE
    assert run("sign", "letter.txt", *arguments, give("open sesame")).code == ExitCode.OK
    for wrong, said in ((["letter.txt", *desk[2:]], "no private key"), (["key.pem"], "--certificate FILE")):
        done = run("sign", "second.txt", "--key", *wrong)
        assert done.code == ExitCode.USAGE
        assert said in done.err


def test_the_digest_is_shown_before_a_passphrase_is_asked(
    run: Run,
    people: SigningPeople,
    desk: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once for all files: the key is open then."""
    from ecitizen.secret import KeyBytes
    from pki.keys import save_private_key

    save_private_key(Path("locked.pem"), people.signer_party.key, KeyBytes(b"open sesame"))
    asked: list[str] = []

    def type_it(text: str) -> str:
        asked.append(capsys.readouterr().err)
        assert "Passphrase" in text
        return "open sesame"

    monkeypatch.setattr("getpass.getpass", type_it)
    done = run("sign", "letter.txt", "second.txt", "--key", "locked.pem", *desk[2:])
    assert done.code == ExitCode.OK, done.err
    (said,) = asked
    assert (
        said.index("2 files are to be signed")
        < said.index("To be signed: letter.txt")
        < said.index("Digest (sha256): ")
    )
    assert "second.txt.p7s" in done.err
    unknown = run("sign", "letter.pdf", "--key", "locked.pem")
    assert (unknown.code, len(asked)) == (ExitCode.USAGE, 1)
    assert "--certificate FILE" in unknown.err


def test_a_passphrase_opens_another_key_than_the_certificate_names(
    run: Run, give: Give, people: SigningPeople, desk: list[str]
) -> None:
    from ecitizen.secret import KeyBytes
    from pki.keys import generate_key, save_private_key

    save_private_key(Path("other.pem"), generate_key(KeyAlgorithm.P_256), KeyBytes(b"open sesame"))
    done = run("sign", "letter.txt", "--key", "other.pem", *desk[2:], "--passphrase-fd", give("open sesame"))
    assert (done.code, "of another key" in done.err) == (ExitCode.USAGE, True)
    assert not Path("letter.txt.p7s").exists()


def test_a_key_on_a_token(
    run: Run, give: Give, people: SigningPeople, desk: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_key(source: KeySource, reference: str) -> FileSigner:
        opened.append(reference)
        assert source._pin("the token").reveal() == b"987654"
        return people.signer

    monkeypatch.setattr(KeySource, "open", open_key)
    key = "pkcs11:token=Ministry;object=persons?module-path=/usr/lib/module.so"
    done = run("sign", "letter.txt", "--key", key, *desk[2:], "--passphrase-fd", give("987654"))
    assert (done.code, opened) == (ExitCode.OK, [key])
    assert "987654" not in done.out + done.err


def test_a_token_that_wants_the_pin_each_time_gets_a_given_one_once(run: Run, give: Give, desk: list[str]) -> None:
    key = "pkcs11:token=Ministry;id=%02?module-path=/usr/lib/module.so"
    both = give("123456", "123456")
    arguments = ["--key", key, *desk[2:], "--passphrase-fd", both, "--pin-fd", both]
    done = run("sign", "letter.txt", "second.txt", *arguments)
    assert (done.code, "never kept to be sent again" in done.err) == (ExitCode.USAGE, True)
    secrets = Secrets(argparse.Namespace(words=asked_for("en"), pin_fd=int(give(PIN)), last_try=False))
    assert secrets.signature_pin().reveal() == PIN.encode()
    with pytest.raises(UsageError, match="never kept to be sent again"):
        secrets.signature_pin()


def test_the_pin_of_a_card_is_never_sent_to_the_token_of_a_desk(give: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(argparse.Namespace(words=asked_for("en"), pin_fd=int(give(PIN)), last_try=False))
    monkeypatch.setattr("getpass.getpass", lambda text: f"typed after {text}")
    assert secrets.typed_signature_pin().reveal() == b"typed after PIN of the token, for this signature: "
    assert secrets.token_pin().reveal() == b"typed after PIN of the token: "
    assert secrets.has_pin


def test_evidence_that_is_missing_is_an_error_of_its_own(run: Run, people: SigningPeople, desk: list[str]) -> None:
    trust = ["--trust", str(people.trust().directory)]  # without revocation lists
    with timestamps_served(people) as tsa:
        done = run("sign", "letter.txt", *desk, "--level", "lt", "--tsa", tsa, *trust, "--offline", "--json")
    assert (done.code, done.json()["error"]["code"]) == (ExitCode.OTHER, "evidence_missing")
    assert not Path("letter.txt.p7s").exists()
    done = run("sign", "letter.txt", *desk, "--level", "t", "--tsa", "http://127.0.0.1:9/", "--json")
    assert (done.code, done.json()["error"]["code"]) == (ExitCode.OTHER, "timestamp_unavailable")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["letter.txt", "--level", "lta"], "--tsa URL"),
        (["letter.txt", "--level", "lt", "--renew"], "--renew goes with --level lta"),
        (["letter.txt", "second.txt", "--level", "lt", "--out", "x"], "go with one file"),
        (["letter.txt", "--level", "lt", "--test"], "no signed document"),
        (["letter.txt"], "--level"),
    ],
)
def test_what_can_not_be_extended(run: Run, arguments: list[str], said: str) -> None:
    done = run("sign", "extend", *arguments)
    assert done.code == ExitCode.USAGE
    assert said in done.err


def test_a_file_called_extend_is_signed_by_its_path(run: Run, give: Give, sealed: str) -> None:
    Path("extend").write_bytes(LETTER)
    assert run("sign", "./extend", "--reader", sealed, "--pin-fd", give(PIN)).code == ExitCode.OK
    assert Path("extend.p7s").exists()
