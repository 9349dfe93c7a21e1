"""`ecitizen piv`: every command as its user calls it, on a card with and without extensions; openssl is the judge."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import DEFAULT_MANAGEMENT_KEY, AlgorithmId, Slot
from cli.piv import certificates
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.secret import KeyBytes
from ecitizen.usecases.open_card import open_card
from pki.certificates import certified_key
from pki.errors import SignatureInvalid
from pki.keys import FileSigner, generate_key
from pki.requests import self_signed_certificate

ROOT = Path(__file__).parents[2]
PIN = "123456"
DEFAULT_KEY = DEFAULT_MANAGEMENT_KEY.hex()


class Outcome(Protocol):
    code: int
    out: str
    err: str

    def json(self) -> Any: ...


class Run(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


class Give(Protocol):
    def __call__(self, *texts: str) -> str: ...


class Piv(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


@pytest.fixture
def piv(run: Run, signing_card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Piv:
    """`piv("sign", ...)` on a fresh card, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run("piv", *arguments, "--reader", signing_card)


@pytest.fixture
def plain(run: Run, plain_card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Piv:
    """The same on a card without extensions."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run("piv", *arguments, "--reader", plain_card)


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def follow(recipe: str) -> None:
    """Run the commands that `piv sign` tells, as somebody who copies them."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for line in recipe.splitlines():
        if line.startswith(("  openssl", "  ecitizen")):
            subprocess.run(["sh", "-c", line], check=True, capture_output=True, env={**os.environ, "PATH": path})


def error(done: Outcome) -> tuple[int, str]:
    return done.code, done.json()["error"]["code"]


# info


def test_the_info_tells_every_slot(piv: Piv) -> None:
    done = piv("info", "--json")
    value = done.json()
    assert done.code == 0
    assert value["version"] == "5.7.0"
    assert value["management_key"] == {"algorithm": "triple_des", "is_default": True}
    slots = [(slot["slot"], slot["algorithm"], slot["origin"], slot["pin_policy"]) for slot in value["slots"]]
    assert slots == [
        ("9A", "p256", "generated", "once"),
        ("9C", "rsa2048", "generated", "always"),
        ("9D", "rsa2048", "generated", "once"),
        ("9E", "p256", "generated", "never"),
        ("F9", "p256", "generated", "never"),
    ]
    assert value["slots"][0]["certificate"]["subject"].startswith("CN=Somchai")
    assert value["problems"] == []
    shown = piv("info").out
    assert "9C Signature: rsa2048, generated on the card, PIN for every use\n  Holder: CN=Somchai" in shown
    assert "PIN: tries left: 3 of 3, the one that everybody knows: change it\n" in shown


def test_the_info_of_a_card_without_extensions_is_what_its_certificates_say(plain: Piv) -> None:
    value = plain("info", "--json").json()
    assert (value["version"], value["serial"], value["management_key"]["is_default"]) == (None, None, None)
    assert [(slot["slot"], slot["origin"]) for slot in value["slots"]] == [
        ("9A", None),
        ("9C", None),
        ("9D", None),
        ("9E", None),
    ]
    assert "Extensions: none\n" in plain("info").out


def test_a_damaged_certificate_loses_nothing_else(piv: Piv, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(bytes.fromhex("7003010203710100FE00"))
    piv("objects", "--write", "5FC10A", "junk")
    done = piv("info", "--json")
    assert done.code == 1
    (problem,) = done.json()["problems"]
    assert (problem["application"], problem["field"], problem["code"]) == ("piv", "9C.certificate", "malformed")
    assert len(done.json()["slots"]) == 5
    assert "! piv.9C.certificate: " in piv("info").out


def test_what_a_card_says_does_not_steer_the_terminal(piv: Piv, give: Give, tmp_path: Path) -> None:
    subject = r"CN=Somchai \1B[2J\0A9C Signature: สมชาย"
    assert piv("certificate", "9A", "--self-signed", "--subject", subject, "--pin-fd", give(PIN)).code == 0
    (tmp_path / "chuid").write_bytes(b"\x34\x10" + bytes(16) + b"\x35\x08\x1b[2J\n123")
    assert piv("objects", "--write", "chuid", "chuid").code == 0
    shown = piv("info").out
    assert "\n  Holder: CN=Somchai \\x1b[2J\\n9C Signature: สมชาย\n" in shown
    assert "\nValid until: –\n" in shown
    assert piv("info", "--json").json()["expiration_date"] is None


# sign, decrypt


@pytest.mark.parametrize(
    ("slot", "options", "used"),
    [
        ("9A", [], ("ecdsa", "sha256")),
        ("9a", ["--hash", "sha512"], ("ecdsa", "sha512")),
        ("9C", [], ("rsa-pkcs1", "sha512")),
        ("9C", ["--hash", "sha256"], ("rsa-pkcs1", "sha256")),
        ("9C", ["--algorithm", "rsa-pss"], ("rsa-pss", "sha512")),
        ("9C", ["--algorithm", "rsa-pss", "--hash", "sha384"], ("rsa-pss", "sha384")),
    ],
)
def test_openssl_verifies_a_signature_as_it_is_told(
    slot: str, options: list[str], used: tuple[str, str], piv: Piv, give: Give, tmp_path: Path
) -> None:
    (tmp_path / "a letter").write_text("to whom it may concern")
    signed = piv("sign", slot, "a letter", "--out", "a signature", *options, "--pin-fd", give(PIN), "--json")
    assert signed.code == 0
    value = signed.json()
    assert (value["algorithm"], value["hash"]) == used
    assert value["bytes"] == len((tmp_path / "a signature").read_bytes())
    follow(signed.err)
    (tmp_path / "a letter").write_text("to somebody else")
    with pytest.raises(subprocess.CalledProcessError):
        follow(signed.err)


def test_ed25519_signs_the_file_itself(run: Run, piv: Piv, give: Give, tmp_path: Path) -> None:
    piv("generate", "82", "ed25519", "--out", "public.pem")
    piv("certificate", "82", "--self-signed", "--subject", "CN=E", "--pin-fd", give(PIN))
    (tmp_path / "m").write_bytes(bytes(range(256)) * 3)
    signed = piv("sign", "82", "m", "--out", "s", "--pin-fd", give(PIN))
    assert signed.code == 0
    assert "pkeyutl -verify" in signed.err
    follow(signed.err)
    (tmp_path / "m").write_bytes(bytes(1 << 16))
    assert error(piv("sign", "82", "m", "--out", "s", "--pin-fd", give(PIN), "--json")) == (2, "usage")


def test_a_key_without_certificate_is_checked_with_the_public_key_that_was_given(
    plain: Piv, give: Give, tmp_path: Path
) -> None:
    (tmp_path / "m").write_text("x")
    assert plain("generate", "83", "p256", "--out", "its key.pem", "--management-key-default").code == 0
    signed = plain("sign", "83", "m", "--out", "s", "--public-key", "its key.pem", "--pin-fd", give(PIN))
    assert signed.code == 0
    assert "certificate" not in signed.err
    follow(signed.err)


def test_the_card_authentication_key_needs_no_pin(piv: Piv, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("x")
    assert piv("sign", "9E", "m", "--out", "s").code == 0


def test_the_pin_is_forgotten_when_the_signature_is_made(
    run: Run, signing_card: str, give: Give, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").write_text("x")
    trace = tmp_path / "trace"
    command = ["piv", "sign", "9A", "m", "--out", "s", "--pin-fd", give(PIN), "--reader", signing_card]
    run("trace", "--out", str(trace), "--json", "--", *command)
    heads = [line["command"]["head"] for line in map(json.loads, trace.read_text().splitlines()) if "command" in line]
    assert heads[-1].replace(" ", "").upper().startswith("0020FF80")


def test_what_a_key_can_not_do_is_refused_before_the_pin_is_used(
    run: Run, piv: Piv, signing_card: str, give: Give, tmp_path: Path
) -> None:
    (tmp_path / "m").write_text("x")
    for command in (
        ["sign", "9A", "m", "--algorithm", "rsa-pss"],
        ["sign", "9A", "m", "--algorithm", "eddsa", "--hash", "sha256"],
        ["sign", "95", "m"],
        ["sign", "9A", "no such file"],
        ["decrypt", "9A", "m"],
        ["decrypt", "9D", "no such file"],
    ):
        done = piv(*command, "--out", "out", "--pin-fd", give("999999"), "--json")
        assert error(done) == (2, "usage"), command
    assert run("pin", "status", "--reader", signing_card, "--json").json()["pin"]["retries_left"] == 3
    assert not (tmp_path / "out").exists()


def test_a_wrong_pin_signs_nothing(piv: Piv, give: Give, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("x")
    done = piv("sign", "9C", "m", "--out", "s", "--pin-fd", give("999999"), "--json")
    assert error(done) == (6, "pin_incorrect")
    assert not (tmp_path / "s").exists()


def test_a_signature_that_can_not_be_saved_is_an_error_about_the_file(piv: Piv, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("x")
    assert error(piv("sign", "9E", "m", "--out", "no/s", "--json")) == (7, "file")


@pytest.mark.parametrize("oaep", [None, "sha256", "sha512"])
def test_what_openssl_encrypts_the_card_decrypts(oaep: str | None, piv: Piv, give: Give, tmp_path: Path) -> None:
    piv("certificate", "9D", "--out", "c.pem")
    (tmp_path / "plain").write_bytes(b"a secret")
    padding = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", f"rsa_oaep_md:{oaep}"] if oaep else []
    openssl("pkeyutl", "-encrypt", "-certin", "-inkey", "c.pem", "-in", "plain", "-out", "cipher", *padding)
    options = ["--oaep", oaep] if oaep else []
    (tmp_path / "out").touch(mode=0o644)  # what was there before, anybody could read
    done = piv("decrypt", "9D", "cipher", "--out", "out", *options, "--pin-fd", give(PIN), "--json")
    assert (done.code, done.json()["bytes"]) == (0, 8)
    assert (tmp_path / "out").read_bytes() == b"a secret"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_what_does_not_decrypt_is_told_and_nothing_is_saved(piv: Piv, give: Give, tmp_path: Path) -> None:
    (tmp_path / "cipher").write_bytes(b"\x01" * 256)
    done = piv("decrypt", "9D", "cipher", "--oaep", "sha256", "--out", "out", "--pin-fd", give(PIN), "--json")
    assert error(done) == (6, "not_decodable")
    assert not (tmp_path / "out").exists()


# generate, certificate


@pytest.mark.parametrize("algorithm", ["p256", "P384", "ed25519", "x25519", "rsa2048"])
def test_a_new_key_is_made_and_its_public_half_saved(algorithm: str, piv: Piv) -> None:
    done = piv("generate", "83", algorithm, "--out", "public.pem", "--pin-policy", "never", "--json")
    assert (done.code, done.json()["algorithm"]) == (0, algorithm.lower())
    openssl("pkey", "-pubin", "-in", "public.pem", "-noout")
    slot = next(slot for slot in piv("info", "--json").json()["slots"] if slot["slot"] == "83")
    assert (slot["algorithm"], slot["pin_policy"], slot["certificate"]) == (algorithm.lower(), "never", None)


def test_a_key_is_replaced_by_force_only(piv: Piv, tmp_path: Path) -> None:
    before = piv("certificate", "9A").out
    assert error(piv("generate", "9A", "p256", "--out", "p.pem", "--json")) == (2, "usage")
    assert not (tmp_path / "p.pem").exists()
    assert piv("certificate", "9A").out == before
    assert piv("generate", "9A", "p256", "--out", "p.pem", "--force").code == 0


def test_no_key_is_made_whose_public_half_can_not_be_saved(plain: Piv, piv: Piv, tmp_path: Path) -> None:
    before = piv("certificate", "9A").out
    generate = ["generate", "9A", "p256", "--force", "--json"]
    assert error(piv(*generate, "--out", "no/p.pem")) == (7, "file")
    assert piv("attest", "9A", "--out", "a.pem", "--check").code == 0, "the key is the one of before"
    assert piv("certificate", "9A").out == before
    assert plain(*generate, "--out", "p.pem").code == 2, "for want of a management key"
    assert not (tmp_path / "p.pem").exists()


def test_a_request_is_signed_by_the_card(piv: Piv, give: Give) -> None:
    subject = "CN=Somchai Jaidee,O=Example,C=TH"
    done = piv("certificate", "9C", "--request", "r.pem", "--subject", subject, "--pin-fd", give(PIN))
    assert done.code == 0
    assert "verify OK" in openssl("req", "-in", "r.pem", "-noout", "-verify", "-subject")
    assert "O = Example" in openssl("req", "-in", "r.pem", "-noout", "-subject")
    piv("certificate", "9C", "--request", "again.pem", "--pin-fd", give(PIN))
    assert "Chaingam" in openssl("req", "-in", "again.pem", "-noout", "-subject"), "the subject of its certificate"


def test_a_self_signed_certificate_goes_into_the_slot(piv: Piv, give: Give) -> None:
    piv("generate", "84", "p384", "--out", "public.pem")
    assert error(piv("certificate", "84", "--self-signed", "--json")) == (2, "usage"), "whose?"
    made = piv("certificate", "84", "--self-signed", "--subject", "CN=Me", "--days", "10", "--pin-fd", give(PIN))
    assert made.code == 0
    shown = piv("certificate", "84", "--json").json()
    assert (shown["subject"], shown["issuer"]) == ("CN=Me", "CN=Me")
    assert piv("certificate", "84", "--out", "c.pem").code == 0
    assert "c.pem: OK" in openssl("verify", "-CAfile", "c.pem", "c.pem")


def test_a_certificate_is_shown_saved_deleted_and_written_again(piv: Piv, tmp_path: Path) -> None:
    shown = piv("certificate", "9D")
    assert shown.out.startswith("-----BEGIN CERTIFICATE-----\n")
    piv("certificate", "9D", "--out", "c.pem")
    assert (tmp_path / "c.pem").read_text() == shown.out
    assert piv("certificate", "9D", "--delete").code == 0
    assert error(piv("certificate", "9D", "--json")) == (2, "usage")
    assert piv("certificate", "9D", "--load", "c.pem").code == 0
    assert piv("certificate", "9D").out == shown.out
    (tmp_path / "c.der").write_bytes(x509.load_pem_x509_certificate(shown.out.encode()).public_bytes(Encoding.DER))
    assert piv("certificate", "9D", "--load", "c.der").code == 0


def test_a_certificate_of_another_key_is_written_by_force_only(piv: Piv) -> None:
    piv("certificate", "9A", "--out", "a.pem")
    assert error(piv("certificate", "9E", "--load", "a.pem", "--json")) == (2, "usage")
    assert error(piv("import", "9E", "a.pem", "--json")) == (2, "usage")
    assert piv("certificate", "9E", "--load", "a.pem", "--force").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--subject", "CN=x"],
        ["--days", "3", "--request", "r"],
        ["--days", "0", "--self-signed"],
        ["--delete", "--out", "x"],
        ["--load", "no such file"],
        ["--request", "r", "--subject", "x", "--pin-fd", "PIN"],
    ],
)
def test_a_certificate_command_that_makes_no_sense_is_refused(arguments: list[str], piv: Piv, give: Give) -> None:
    assert piv("certificate", "9A", *(give(PIN) if each == "PIN" else each for each in arguments)).code == 2


def test_a_card_that_tells_no_public_key_is_told_it(plain: Piv, give: Give) -> None:
    key = ("--management-key-fd", give(DEFAULT_KEY))
    assert plain("generate", "82", "p256", "--out", "public.pem", *key).code == 0
    request = ["certificate", "82", "--request", "r.pem", "--subject", "CN=Me", "--json"]
    assert error(plain(*request)) == (2, "usage")
    assert plain(*request, "--public-key", "public.pem", "--pin-fd", give(PIN)).code == 0
    assert "verify OK" in openssl("req", "-in", "r.pem", "-noout", "-verify")


def test_a_public_key_file_must_be_one(piv: Piv, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("x")
    for content in (b"", b"-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n", b"\x30\x00"):
        (tmp_path / "p.pem").write_bytes(content)
        assert piv("sign", "9E", "m", "--out", "s", "--public-key", "p.pem").code == 2


# import


@pytest.fixture
def both(tmp_path: Path) -> bytes:
    """A key with the passphrase `secret`, and its certificate, PEM."""
    key = generate_key(KeyAlgorithm.P_256)
    certificate = x509.load_der_x509_certificate(self_signed_certificate(FileSigner(key), "CN=Imported"))
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    content = encrypted + certificate.public_bytes(Encoding.PEM)
    (tmp_path / "both.pem").write_bytes(content)
    return content


def test_key_and_certificate_come_from_one_file(piv: Piv, both: bytes, give: Give, tmp_path: Path) -> None:
    done = piv("import", "85", "both.pem", "--passphrase-fd", give("secret"), "--json")
    assert (done.code, done.json()) == (0, {"schema_version": 1, "slot": "85", "key": True, "certificate": True})
    assert "both.pem" in done.err
    (tmp_path / "m").write_text("x")
    signed = piv("sign", "85", "m", "--out", "s", "--pin-fd", give(PIN))
    follow(signed.err)
    slot = next(slot for slot in piv("info", "--json").json()["slots"] if slot["slot"] == "85")
    assert slot["origin"] == "imported"
    assert piv("attest", "85", "--out", "a.pem").code == 6, "a card vouches for keys that it made only"


def test_a_wrong_or_missing_passphrase_imports_nothing(piv: Piv, both: bytes, give: Give) -> None:
    assert error(piv("import", "85", "both.pem", "--passphrase-fd", give("wrong"), "--json")) == (2, "passphrase_wrong")
    assert error(piv("import", "85", "both.pem", "--json")) == (2, "usage"), "there is nobody to ask"
    assert all(slot["slot"] != "85" for slot in piv("info", "--json").json()["slots"])


def test_keys_in_der_and_of_old_forms_are_taken(piv: Piv, tmp_path: Path) -> None:
    curve, large = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)
    old = PrivateFormat.TraditionalOpenSSL
    (tmp_path / "k1").write_bytes(curve.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "k2").write_bytes(curve.private_bytes(Encoding.PEM, old, NoEncryption()))
    (tmp_path / "k3").write_bytes(large.private_bytes(Encoding.PEM, old, NoEncryption()))
    for number, slot in enumerate(("86", "87", "88"), 1):
        assert piv("import", slot, f"k{number}", "--pin-policy", "never").code == 0
    assert piv("import", "86", "k3").code == 2, "what is there is kept"
    assert piv("import", "86", "k3", "--force").code == 0


def test_a_file_that_is_no_key_is_refused(piv: Piv, both: bytes, tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    certificate = both[both.index(b"-----BEGIN CERTIFICATE") :]
    mixed = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content, code in (
        (b"", "usage"),
        (b"hello", "usage"),
        (public, "usage"),
        (mixed, "usage"),
        (b"\x30\x03\x02\x01\x00", "malformed"),
        (b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n", "usage"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "malformed"),
        (b"x" * ((1 << 20) + 1), "usage"),
    ):
        (tmp_path / "file").write_bytes(content)
        assert error(piv("import", "89", "file", "--json")) == (2, code), content[:40]


def test_a_card_without_extensions_takes_no_keys(plain: Piv, give: Give, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "k").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = plain("import", "82", "k", "--management-key-default", "--json")
    assert error(done) == (6, "not_supported")


# The management key


def set_management_key(card: str, key: bytes) -> None:
    with open_card(card) as session:
        piv = PivSession.select(session)
        piv.authenticate_management(KeyBytes(DEFAULT_MANAGEMENT_KEY))
        piv.set_management_key(KeyBytes(key), AlgorithmId.AES_256)


def test_the_default_key_is_used_where_the_card_says_so_with_a_warning(piv: Piv) -> None:
    done = piv("generate", "8A", "p256", "--out", "p.pem")
    assert "the management key that everybody knows" in done.err


def test_another_key_must_be_given_and_is_not_guessed(piv: Piv, signing_card: str, give: Give) -> None:
    key = bytes(range(32))
    set_management_key(signing_card, key)
    generate = ["generate", "8A", "p256", "--out", "p.pem", "--json"]
    asked = piv(*generate)
    assert error(asked) == (2, "usage")
    assert "--management-key-fd N" in asked.err
    assert error(piv(*generate, "--management-key-fd", give(bytes(32).hex()))) == (6, "key_incorrect")
    assert error(piv(*generate, "--management-key-fd", give("not hex"))) == (2, "usage")
    assert error(piv(*generate, "--management-key-default")) == (2, "usage"), "of another length"
    assert piv(*generate, "--management-key-fd", give(key.hex(" ").upper())).code == 0
    assert piv("info", "--json").json()["management_key"] == {"algorithm": "aes_256", "is_default": False}


def test_a_card_that_does_not_tell_is_not_given_the_default_key_unasked(plain: Piv, give: Give) -> None:
    generate = ["generate", "8A", "p256", "--out", "p.pem"]
    assert plain(*generate).code == 2
    assert plain(*generate, "--management-key-default").code == 0
    assert plain(*generate, "--force", "--management-key-fd", give(DEFAULT_KEY)).code == 0


# objects


def test_the_objects_are_listed_read_written_and_deleted(piv: Piv, give: Give, tmp_path: Path) -> None:
    listed = piv("objects").out.splitlines()
    assert "7E discovery: 18 bytes" in listed
    assert "5FC109 printed_information: readable with the PIN" in listed
    objects = {each["name"]: each for each in piv("objects", "--json").json()["objects"]}
    assert objects["chuid"] == {"tag": "5FC102", "name": "chuid", "bytes": 59}
    assert objects["printed_information"]["bytes"] is None
    by_name, by_tag = piv("objects", "--read", "chuid"), piv("objects", "--read", "5fc102")
    assert (by_name.code, by_name.out) == (0, by_tag.out)
    assert len(bytes.fromhex(by_name.out)) == 59
    assert piv("objects", "--read", "CHUID", "--json").json()["content"] == by_name.out.strip()
    assert piv("objects", "--read", "chuid", "--out", "o").code == 0
    assert (tmp_path / "o").read_bytes() == bytes.fromhex(by_name.out)
    assert piv("objects", "--write", "5FFF42", "o").code == 0
    assert piv("objects", "--read", "5FFF42").out == by_name.out
    assert piv("objects", "--delete", "5FFF42").code == 0
    assert error(piv("objects", "--read", "5FFF42", "--json")) == (2, "usage")


def test_a_protected_object_is_read_with_the_pin(piv: Piv, give: Give) -> None:
    done = piv("objects", "--read", "printed-information", "--pin-fd", give(PIN))
    assert (done.code, done.err) == (0, "")
    assert b"Somchai" in bytes.fromhex(done.out)
    assert error(piv("objects", "--read", "5FC109", "--pin-fd", give("999999"), "--json")) == (6, "pin_incorrect")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--read", "nonsense"],
        ["--read", "0"],
        ["--read", "1000000"],
        ["--write", "5FFF42"],
        ["file"],
        ["--out", "x"],
        ["--read", "chuid", "file"],
        ["--read", "chuid", "--delete", "chuid"],
        ["--write", "5FFF42", "no such file"],
    ],
)
def test_an_objects_command_that_makes_no_sense_is_refused(arguments: list[str], piv: Piv) -> None:
    assert piv("objects", *arguments).code == 2


# attest, reset


def test_the_card_vouches_for_keys_that_it_made(piv: Piv) -> None:
    done = piv("attest", "9A", "--out", "a.pem", "--check", "--json")
    assert (done.code, done.json()) == (0, {"schema_version": 1, "slot": "9A", "checked": True})
    piv("certificate", "F9", "--out", "f9.pem")
    assert "a.pem: OK" in openssl("verify", "-partial_chain", "-trusted", "f9.pem", "a.pem")


def test_a_statement_that_is_not_true_is_found_out(piv: Piv) -> None:
    piv("attest", "9A", "--out", "a.pem")
    piv("attest", "9C", "--out", "c.pem")

    def der(path: str) -> bytes:
        return x509.load_pem_x509_certificate(Path(path).read_bytes()).public_bytes(Encoding.DER)

    piv("certificate", "F9", "--out", "f9.pem")
    piv("certificate", "9E", "--out", "9e.pem")
    own, f9 = certified_key(der("a.pem")), der("f9.pem")
    certificates.check_attestation(der("a.pem"), f9, own)
    with pytest.raises(SignatureInvalid, match="another key"):
        certificates.check_attestation(der("c.pem"), f9, own)
    for stranger in (der("9e.pem"), der("c.pem")):
        with pytest.raises(SignatureInvalid, match="not signed"):
            certificates.check_attestation(der("a.pem"), stranger, own)


def test_a_check_that_fails_is_exit_code_1(piv: Piv, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = PivSession.attest
    monkeypatch.setattr(PivSession, "attest", lambda self, _: honest(self, Slot.SIGNATURE))
    assert error(piv("attest", "9A", "--out", "a.pem", "--check", "--json")) == (1, "signature_invalid")
    assert not Path("a.pem").exists()


def test_a_reset_is_asked_for_and_destroys_everything(run: Run, piv: Piv, signing_card: str) -> None:
    assert error(piv("reset", "--json")) == (2, "usage")
    assert len(piv("info", "--json").json()["slots"]) == 5
    assert piv("reset", "--yes").code == 0
    assert [slot["slot"] for slot in piv("info", "--json").json()["slots"]] == ["F9"]
    assert run("pin", "status", "--reader", signing_card, "--json").json()["pin"]["retries_left"] == 3
    assert run("card", "read", "--app", "card_admin", "--reader", signing_card).code == 0, "the rest is as it was"


def test_the_serial_number_that_is_typed_resets(piv: Piv, monkeypatch: pytest.MonkeyPatch) -> None:
    serial = str(piv("info", "--json").json()["serial"])
    typed: list[str] = []

    def line(text: str) -> str:
        assert serial in text
        return typed[0]

    monkeypatch.setattr("cli.prompts._somebody_there", lambda: True)
    monkeypatch.setattr("cli.prompts._line", line)
    typed[:] = ["yes"]
    assert piv("reset").code == 2
    typed[:] = [serial]
    assert piv("reset").code == 0


def test_a_card_without_extensions_can_not_be_reset(plain: Piv) -> None:
    assert error(plain("reset", "--yes", "--json")) == (6, "not_supported")
    assert len(plain("info", "--json").json()["slots"]) == 4


# Command lines


def test_what_needs_no_cryptography_does_not_wait_for_it(signing_card: str) -> None:
    for command in (["pin", "status"], ["card", "info"], ["piv", "objects"], ["piv", "sign", "--help"]):
        reader = [] if "--help" in command else ["--reader", signing_card]
        program = (
            "import sys\nfrom cli.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
            "sys.exit('cryptography' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, *command, *reader], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, command


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sign"],
        ["sign", "9B", "m", "--out", "s"],
        ["sign", "9A", "m"],
        ["generate", "9A", "rsa1024", "--out", "p"],
        ["generate", "zz", "p256", "--out", "p"],
        ["generate", "9A", "p256", "--out", "p", "--pin-policy", "sometimes"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], piv: Piv) -> None:
    done = piv(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "usage: ecitizen piv" in done.err


# emulator new


@pytest.mark.parametrize(
    ("options", "applications"),
    [([], ["piv"]), (["--no-piv"], []), (["--no-extensions"], ["piv"]), (["--key", "9c=P384"], ["piv"])],
)
def test_a_new_image_has_the_signing_application_unless_it_is_not_wanted(
    options: list[str], applications: list[str], run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "card.json"
    done = run("emulator", "new", str(path), "--persona", "somchai", *options)
    assert done.code == 0
    assert ("PIN 123456, PUK 12345678" in done.err) == bool(applications)
    shown = run("emulator", "show", str(path)).out
    assert ("[piv]" in shown) == bool(applications)
    assert "Somchai" not in shown
    info = run("card", "info", "--reader", f"virtual:{path}", "--json").json()
    assert info["applications"]["piv"] == bool(applications)


def test_keys_of_other_kinds_and_places_are_made(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "card.json")
    run("emulator", "new", path, "--persona", "malee", "--key", "9A=ed25519", "--key", "82=p384", "--protocol", "t1")
    slots = run("piv", "info", "--reader", f"virtual:{path}", "--json").json()["slots"]
    found = {slot["slot"]: slot["algorithm"] for slot in slots}
    assert (found["9A"], found["82"], found["9C"]) == ("ed25519", "p384", "rsa2048")


@pytest.mark.parametrize(
    ("protocol", "atr", "expected"),
    [
        ("t0", "piv", "3B1B1180F9A00000030800001000"),
        ("t1", "piv", "3B9B118131FE4580F9A0000003080000100043"),
        ("t1", "3b80018 1", "3B800181"),
        ("t0", "thai", "3B799600005448204E4944203137"),
    ],
)
def test_the_answer_to_reset_is_chosen(protocol: str, atr: str, expected: str, run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "card.json")
    new = ["emulator", "new", path, "--persona", "somchai", "--no-piv", "--protocol", protocol]
    done = run(*new, "--atr", atr.replace(" ", ""))
    assert done.code == 0, done.err
    assert f"ATR: {expected}\n" in run("emulator", "show", path).out


@pytest.mark.parametrize(
    "options",
    [
        ["--key", "9A"],
        ["--key", "9B=p256"],
        ["--key", "9A=dsa"],
        ["--key", "9A=x25519=p256"],
        ["--no-piv", "--key", "9A=p256"],
        ["--no-piv", "--no-extensions"],
        ["--atr", "xyz"],
        ["--atr", "00"],
        ["--atr", "3B800181"],
    ],
)
def test_an_image_that_can_not_be_is_refused(options: list[str], run: Run, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    done = run("emulator", "new", str(path), "--persona", "somchai", *options)
    assert (done.code, done.out) == (2, "")
    assert not path.exists()
