"""OpenSC's tools see a PIV card behind a Thai ATR and behind one that tells of PIV, enrol it, and manage its PIN."""

import gzip
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ecitizen.emulator.card import Card
from tests.interop.signing_card import (
    KINDS_FOR_OPENSC,
    PIN,
    PUK,
    CardInPlace,
    CardKind,
    Insert,
    Programs,
    TestAuthority,
)

MANAGEMENT_KEY = ":".join(["01:02:03:04:05:06:07:08"] * 3)
SELECT_PIV = "00A404000BA000000308000010000100"
METADATA_9A = "00:F7:00:9A:00"
DELETE_CERTIFICATE_9A = "00:DB:3F:FF:07:5C:03:5F:C1:05:53:00"
OPENSC_CONF = Path(__file__).parents[2] / "docs" / "opensc.conf"
OTHER_PIN, THIRD_PIN = "654321", "24680246"


@pytest.fixture(scope="module", params=KINDS_FOR_OPENSC, ids=str)
def reader(
    request: pytest.FixtureRequest, insert: Insert, signing_card: Callable[[CardKind], Card]
) -> Iterator[tuple[CardKind, CardInPlace]]:
    card = CardInPlace(signing_card(request.param))
    with insert(card):
        yield request.param, card


@pytest.fixture
def card(reader: tuple[CardKind, CardInPlace], signing_card: Callable[[CardKind], Card]) -> CardKind:
    """A new card for every test."""
    kind, place = reader
    place.replace(signing_card(kind))
    return kind


def test_it_names_the_card(card: CardKind, programs: Programs) -> None:
    assert "Personal Identity Verification Card" in programs.run("opensc-tool", "--name")


def test_with_our_configuration_it_knows_a_thai_card_by_its_atr(card: CardKind, programs: Programs) -> None:
    name = "Personal Identity Verification Card" if card.atr else "Thai ID card with PIV"
    assert programs.run("opensc-tool", "--name", OPENSC_CONF=str(OPENSC_CONF)).strip() == name


def test_the_dump_shows_pins_keys_certificates_and_objects(card: CardKind, programs: Programs) -> None:
    dump = programs.run("pkcs15-tool", "--dump")
    headings = re.findall(r"^(\S.*?) \[(.*)\]$", dump, re.MULTILINE)
    assert [name for kind, name in headings if kind == "PIN"] == ["PIN", "PIV PUK"]
    keys = ["PIV AUTH", "SIGN", "KEY MAN", "CARD AUTH", *(f"Retired KEY MAN {number}" for number in (1, 2, 3))]
    private = [name.removesuffix(" key") for kind, name in headings if kind.startswith("Private")]
    public = [name.removesuffix(" pubkey") for kind, name in headings if kind.startswith("Public")]
    assert private == public == keys
    assert [kind for kind, _ in headings if kind.startswith("Private")] == [
        f"Private {kind} Key" for kind in ("EC", "RSA", "RSA", "EC", "EC", "EC", "RSA")
    ]
    assert len([name for kind, name in headings if kind == "X.509 Certificate"]) == len(keys)
    for name in (
        "Card Capability Container",
        "Card Holder Unique Identifier",
        "Discovery Object",
        "Key History Object",
    ):
        assert re.search(rf"Data object '{name}'\n(?:\t.*\n)*?\tData \(\d+ bytes\)", dump.replace("    ", "\t")), name


def test_two_readings_of_a_certificate_are_the_same(card: CardKind, programs: Programs) -> None:
    [first, second] = [programs.run("pkcs15-tool", "--read-certificate", "02") for _ in range(2)]
    assert first == second
    assert "BEGIN CERTIFICATE" in first


def test_a_card_without_extensions_is_as_good(
    reader: tuple[CardKind, CardInPlace], signing_card: Callable[[CardKind, str], Card], programs: Programs
) -> None:
    kind, place = reader
    place.replace(signing_card(kind, "without extensions"))
    assert "SW1=0x6D, SW2=0x00" in programs.run("piv-tool", "--send-apdu", METADATA_9A)
    signing = ["--sign", "--mechanism", "ECDSA-SHA256", "--id", "01", "--signature-format", "openssl"]
    files = ["--input-file", programs.write("text", "agreed"), "--output-file", "signature"]
    programs.run("pkcs11-tool", "--login", "--pin", PIN, *signing, *files)
    verify = ["-verify", programs.public_key("01"), "-signature", "signature", "text"]
    assert "Verified OK" in programs.run("openssl", "dgst", "-sha256", *verify)


# Enrolment


def as_administrator(programs: Programs, *arguments: str) -> str:
    """What piv-tool prints.

    Its exit status tells nothing: after loading it is a number of bytes; after generating the 0.23 of Debian fails
    to write down the new public key, whichever card made it.
    """
    secret = {"PIV_EXT_AUTH_KEY": str(programs.folder / programs.write("management.key", MANAGEMENT_KEY))}
    done = programs.attempt("piv-tool", "--admin", "M:9B:03", *arguments, **secret)
    assert "admin_mode failed" not in done.stderr
    assert "gen_key failed" not in done.stderr
    return done.stdout


def public_key_on_card(programs: Programs) -> dict[int, bytes]:
    """The parts of key 9A's public key, by their tags, as the card's metadata have it."""
    sends = ["--send-apdu", SELECT_PIV, "--send-apdu", METADATA_9A]
    shown = programs.run("opensc-tool", "--card-driver", "default", *sends).split("Received ")[2]
    lines = [line[:48] for line in shown.splitlines()[1:] if re.match("([0-9A-F]{2} )+", line)]
    metadata = bytes.fromhex("".join(lines))
    return fields(fields(metadata)[0x04])


def fields(content: bytes) -> dict[int, bytes]:
    """BER-TLV with tags of one byte."""
    found = {}
    while content:
        tag, length, head = content[0], content[1], 2
        if length > 0x80:
            head += length & 0x7F
            length = int.from_bytes(content[2:head], "big")
        found[tag], content = content[head : head + length], content[head + length :]
    return found


def test_a_card_is_enrolled_with_a_key_that_it_made(card: CardKind, programs: Programs) -> None:
    as_administrator(programs, "--send-apdu", DELETE_CERTIFICATE_9A, "--genkey", "9A:11")
    point = public_key_on_card(programs)[0x86]
    key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    in_place_of_certificate = {"PIV_9A_KEY": str(programs.folder / programs.write("9a.der", der))}

    engine = ["-engine", "pkcs11", "-keyform", "engine", "-key", f"pkcs11:id=%01;type=private;pin-value={PIN}"]
    request = ["-new", *engine, "-subj", "/CN=Enrolled by OpenSC", "-out", "9a.csr"]
    programs.run("openssl", "req", *request, **in_place_of_certificate)
    certificate = TestAuthority.found(programs).certify("9a.csr", "9a.crt")

    as_administrator(programs, "--cert", "9A", "--in", certificate)
    assert programs.loaded_public_key("01") == key
    assert programs.read("01.crt") == programs.read("9a.crt")

    programs.run("openssl", "x509", "-in", certificate, "-outform", "DER", "-out", "9a.crt.der")
    as_administrator(programs, "--send-apdu", DELETE_CERTIFICATE_9A)
    assert programs.attempt("pkcs15-tool", "--read-certificate", "01").returncode != 0
    packed = programs.write("9a.crt.gz", gzip.compress(programs.read("9a.crt.der"), mtime=0))
    as_administrator(programs, "--compresscert", "9A", "--in", packed)
    assert programs.loaded_public_key("01") == key


def test_a_card_makes_an_rsa_key(card: CardKind, programs: Programs) -> None:
    before = public_key_on_card(programs)
    as_administrator(programs, "--genkey", "9A:07")
    after = public_key_on_card(programs)
    assert set(before) == {0x86}
    assert (len(after[0x81]), after[0x82]) == (256, bytes.fromhex("010001"))


def test_a_retired_key_is_seen_wherever_our_driver_put_it(card: CardKind, programs: Programs) -> None:
    def piv(*arguments: str, stdin: str = "") -> None:
        programs.run(sys.executable, "-m", "cli", "piv", *arguments, "--reader", "Virtual", stdin=stdin)

    piv("generate", "89", "p256", "--out", "89.pub")
    piv("certificate", "89", "--self-signed", "--subject", "CN=retired", "--pin-fd", "0", stdin=f"{PIN}\n")
    assert "Ref:0x89" in programs.run("pkcs15-tool", "--list-keys", "--short")
    assert programs.loaded_public_key("12") == load_pem_public_key(programs.read("89.pub"))


def test_nobody_writes_without_the_management_key(card: CardKind, programs: Programs) -> None:
    before = programs.public_key("01")
    wrong = programs.write("wrong.key", MANAGEMENT_KEY.replace("08", "07"))
    done = programs.attempt(
        "piv-tool", "--admin", "M:9B:03", "--genkey", "9A:11", PIV_EXT_AUTH_KEY=str(programs.folder / wrong)
    )
    assert "admin_mode failed" in done.stderr
    refused = programs.run("piv-tool", "--send-apdu", DELETE_CERTIFICATE_9A)
    assert "SW1=0x69, SW2=0x82" in refused
    assert programs.public_key("01") == before


# PIN and PUK


def opens(programs: Programs, pin: str) -> bool:
    """Whether the PIN opens the card, for `pkcs11-tool`."""
    done = programs.attempt("pkcs11-tool", "--login", "--pin", pin, "--list-objects", "--type", "privkey")
    return done.returncode == 0


def test_the_holder_changes_the_pin(card: CardKind, programs: Programs) -> None:
    changing = ["--login", "--pin", PIN, "--change-pin", "--new-pin", OTHER_PIN]
    assert "PIN successfully changed" in programs.run("pkcs11-tool", *changing)
    assert [opens(programs, pin) for pin in (PIN, OTHER_PIN)] == [False, True]
    back = ["--change-pin", "--auth-id", "01", "--pin", OTHER_PIN, "--new-pin", PIN]
    programs.run("pkcs15-tool", *back)
    assert [opens(programs, pin) for pin in (OTHER_PIN, PIN)] == [False, True]


def test_a_blocked_pin_is_unblocked_with_the_puk(card: CardKind, programs: Programs) -> None:
    assert [opens(programs, OTHER_PIN) for _ in range(3)] == [False, False, False]
    assert not opens(programs, PIN)
    configuration = {"OPENSC_CONF": str(OPENSC_CONF)}
    unlocking = ["--unlock-pin", "--puk", PUK, "--new-pin", OTHER_PIN]
    assert "PIN successfully changed" in programs.run("pkcs11-tool", *unlocking, **configuration)
    assert opens(programs, OTHER_PIN)

    assert [opens(programs, PIN) for _ in range(3)] == [False, False, False]
    programs.run("pkcs15-tool", "--unblock-pin", "--auth-id", "01", "--puk", PUK, "--new-pin", THIRD_PIN)
    assert opens(programs, THIRD_PIN)
