"""`ecitizen encrypt` and `decrypt`: for cards and for certificates, opened with the card or a key file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509

from cli.exit_codes import ExitCode
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.secret import KeyBytes
from pki.keys import PrivateKey, generate_key, save_private_key
from pki.pem import pem
from tests.unit.small_pki import MOMENT, YEAR, root

PIN = "123456"
LETTER = b"for your eyes only\n" * 100


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


Give = Callable[..., str]


@pytest.fixture(autouse=True)
def letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_bytes(LETTER)


@pytest.fixture(scope="module")
def keys() -> dict[KeyAlgorithm, PrivateKey]:
    return {kind: generate_key(kind) for kind in (KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048)}


def certificate(key: PrivateKey, *, for_signing: bool = False) -> bytes:
    """Somebody's certificate for encryption, PEM."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    authority = root()
    names = ("data_encipherment", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only", "content_commitment")
    usage = x509.KeyUsage(
        digital_signature=for_signing,
        key_encipherment=not for_signing,
        key_agreement=not for_signing,
        **dict.fromkeys(names, False),
    )
    builder = x509.CertificateBuilder(authority.certificate.subject, authority.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(MOMENT - YEAR).not_valid_after(MOMENT + 30 * YEAR)
    made = builder.add_extension(usage, critical=True).sign(authority.key, SHA256())
    return pem(made.public_bytes(Encoding.DER), "CERTIFICATE")


def test_for_the_card_in_the_reader_and_opened_with_it(run: Run, give: Give, sealed: str) -> None:
    done = run("encrypt", "letter.txt", "--reader", sealed, "--json")
    assert (done.code, done.err) == (ExitCode.OK, "The encrypted file was saved as letter.txt.p7m.\n")
    assert done.json() == {
        "schema_version": 1,
        "out": "letter.txt.p7m",
        "cipher": "aes-256-gcm",
        "recipients": 1,
        "bytes": Path("letter.txt.p7m").stat().st_size,
    }
    Path("letter.txt").unlink()
    done = run("decrypt", "letter.txt.p7m", "--reader", sealed, "--pin-fd", give(PIN), "--json")
    assert done.code == ExitCode.OK, done.err
    assert done.json() == {
        "schema_version": 1,
        "out": "letter.txt",
        "cipher": "aes-256-gcm",
        "authenticated": True,
        "bytes": len(LETTER),
        "warnings": [],
    }
    assert Path("letter.txt").read_bytes() == LETTER
    assert Path("letter.txt").stat().st_mode & 0o777 == 0o600
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["verified"] is False


def test_a_retired_key_opens_what_was_encrypted_before(run: Run, give: Give, sealed: str) -> None:
    run("encrypt", "letter.txt", "--reader", sealed)
    run("piv", "certificate", "9D", "--reader", sealed, "--out", "old.pem")
    image = Path(sealed.removeprefix("virtual:"))
    image.write_text(
        image.read_text("utf-8").replace('"key 9D"', '"key 82"').replace('"object 5FC10B"', '"object 5FC10D"')
    )
    done = run("decrypt", "letter.txt.p7m", "--out", "opened", "--reader", sealed, "--pin-fd", give(PIN))
    assert done.code == ExitCode.OK, done.err
    assert Path("opened").read_bytes() == LETTER


@pytest.mark.parametrize("kind", [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048])
@pytest.mark.parametrize("cbc", [False, True])
def test_for_certificates_and_opened_with_a_key_file(
    run: Run, give: Give, sealed: str, keys: dict[KeyAlgorithm, PrivateKey], kind: KeyAlgorithm, *, cbc: bool
) -> None:
    for name, key in keys.items():
        Path(f"{name}.pem").write_bytes(certificate(key))
    save_private_key(Path("key.pem"), keys[kind], KeyBytes(b"open sesame"))
    recipients = [each for name in keys for each in ("--to", f"{name}.pem")]
    done = run("encrypt", "letter.txt", *recipients, *(["--cbc"] if cbc else []), "--json")
    assert done.code == ExitCode.OK, done.err
    assert done.json()["recipients"] == 2
    own = ["--key", "key.pem", "--certificate", f"{kind}.pem", "--passphrase-fd", give("open sesame")]
    opened = run("decrypt", "letter.txt.p7m", "--out", "opened", *own, "--json")
    assert opened.code == ExitCode.OK, opened.err
    assert Path("opened").read_bytes() == LETTER
    assert opened.json()["authenticated"] is not cbc
    assert len(opened.json()["warnings"]) == (1 if cbc else 0)
    assert ("alter" in done.err) is ("alter" in opened.err) is cbc
    stranger = run("decrypt", "letter.txt.p7m", "--out", "x", "--reader", sealed, "--pin-fd", give("654321"), "--json")
    assert (stranger.code, stranger.json()["error"]["code"]) == (ExitCode.USAGE, "not_a_recipient")
    assert json.loads(run("pin", "status", "--reader", sealed, "--json").out)["pin"]["retries_left"] == 3


def test_an_altered_message_opens_for_nobody_and_leaves_nothing(run: Run, give: Give, sealed: str) -> None:
    run("encrypt", "letter.txt", "--reader", sealed)
    message = bytearray(Path("letter.txt.p7m").read_bytes())
    message[-40] ^= 1
    Path("letter.txt.p7m").write_bytes(message)
    arguments = ["letter.txt.p7m", "--reader", sealed, "--pin-fd", give(PIN), "--json"]
    done = run("decrypt", *arguments, "--out", "opened")
    assert (done.code, done.json()["error"]["code"]) == (ExitCode.PROBLEMS, "not_opened")
    assert not [path for path in Path().iterdir() if "opened" in path.name or "part" in path.name]


def test_recipients_who_are_not_to_be_trusted(run: Run, sealed: str, keys: dict[KeyAlgorithm, PrivateKey]) -> None:
    Path("stranger.pem").write_bytes(certificate(keys[KeyAlgorithm.P_256]))
    Path("signer.pem").write_bytes(certificate(keys[KeyAlgorithm.P_256], for_signing=True))
    done = run("encrypt", "letter.txt", "--to", "stranger.pem", "--test")
    assert done.code == ExitCode.USAGE
    assert "not to be trusted" in done.err
    assert "not for encryption" in run("encrypt", "letter.txt", "--to", "signer.pem").err
    assert run("encrypt", "letter.txt", "--reader", sealed, "--test").code == ExitCode.OK


def test_an_rsa_key_on_the_card(run: Run, give: Give, signing_card: str) -> None:
    assert run("encrypt", "letter.txt", "--reader", signing_card, "--trust", trust_nobody()).code == ExitCode.USAGE
    run("piv", "certificate", "9D", "--reader", signing_card, "--out", "own.pem")
    assert run("encrypt", "letter.txt", "--to", "own.pem").code == ExitCode.OK
    done = run("decrypt", "letter.txt.p7m", "--out", "opened", "--reader", signing_card, "--pin-fd", give(PIN))
    assert (done.code, Path("opened").read_bytes()) == (ExitCode.OK, LETTER)


def trust_nobody() -> str:
    Path("nobody").mkdir()
    return "nobody"


def test_a_card_that_can_not_be_encrypted_for(run: Run, sealed: str) -> None:
    run("piv", "certificate", "9D", "--reader", sealed, "--delete", "--management-key-default")
    done = run("encrypt", "letter.txt", "--reader", sealed)
    assert done.code == ExitCode.USAGE
    assert "no certificate for encryption" in done.err


def test_a_key_file_goes_with_its_certificate(run: Run, sealed: str) -> None:
    run("encrypt", "letter.txt", "--reader", sealed)
    done = run("decrypt", "letter.txt.p7m", "--out", "opened", "--key", "letter.txt")
    assert done.code == ExitCode.USAGE
    assert "--key goes with --certificate FILE" in done.err


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        ("encrypt", ["letter.txt", "--to", "letter.txt"], ExitCode.USAGE),
        ("encrypt", ["nothing.txt", "--to", "own.pem"], ExitCode.FILE),
        ("encrypt", ["letter.txt", "--to", "own.pem", "--out", "letter.txt"], ExitCode.FILE),
        ("decrypt", ["letter.txt"], ExitCode.USAGE),
        ("decrypt", ["letter.txt", "--out", "x"], ExitCode.USAGE),
        ("decrypt", ["letter.p7m", "--key", "letter.txt"], ExitCode.FILE),
        ("decrypt", ["nothing.p7m", "--out", "letter.txt"], ExitCode.FILE),
    ],
)
def test_what_can_not_be_meant(
    run: Run, keys: dict[KeyAlgorithm, PrivateKey], command: str, arguments: list[str], code: ExitCode
) -> None:
    Path("own.pem").write_bytes(certificate(keys[KeyAlgorithm.P_256]))
    assert run(command, *arguments).code == code
    assert Path("letter.txt").read_bytes() == LETTER
