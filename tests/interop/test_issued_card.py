"""A card that `ecitizen card issue` has made of a blank one through pcscd and vpcd, before foreign judges.

Nothing of this toolkit reads here but `card verify`: the readers are pyscard with commands written by hand, as public
Thai readers send them, and OpenSC's tools for PIV.
"""

import importlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections, card_from_image
from ecitizen.iso7816.apdu import CardProtocol
from tests.interop.signing_card import Insert, Programs
from tests.interop.test_bare_pyscard import (
    MOI,
    NHSO,
    PHOTO,
    PHOTO_LEN,
    SELECT_ADM,
    SELECT_MOI,
    SELECT_NHSO,
    BareCard,
    expected,
    text,
)

PERSON = "wanida"
APPLICATIONS = ("citizen_id", "health_insurance", "civil_servant", "card_admin")
EXPIRY = "25990414"
OFFICE = 'authorities = "test"\nkeys = "master.json"\njournal = "journal.sqlite"\n'
PORTRAIT_MAX_LEN = 5100
SERIALS = {CardProtocol.T0: "4123000000000A00", CardProtocol.T1: "4123000000000A01"}


@dataclass(frozen=True)
class Issued:
    """An issued card in a reader, and what its holder was told."""

    reader: str
    protocol: CardProtocol
    pin: str
    puk: str
    order: dict[str, Any]
    """The applications as they were ordered."""
    folder: Path

    @property
    def serial(self) -> str:
        return SERIALS[self.protocol]


@pytest.fixture(scope="module", params=CardProtocol, ids=str)
def issued(
    request: pytest.FixtureRequest,
    insert: Insert,
    person: Callable[[str], dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Issued]:
    """A blank card that the command has issued in its reader, and that stays there."""
    protocol: CardProtocol = request.param
    folder = tmp_path_factory.mktemp("office")
    told = person(PERSON)
    order = {name: {**told[name]} for name in APPLICATIONS}
    portrait = order["citizen_id"].pop("photo")
    order["citizen_id"]["expiry_date"] = EXPIRY
    del order["card_admin"]["chip_serial"]
    (folder / "portrait.jpg").write_bytes(portrait)
    record = {"schema_version": 1, "applications": order, "portrait": "portrait.jpg"}
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "office.toml").write_text(OFFICE)
    image = CardImage.in_memory(blank_sections(protocol, bytes.fromhex(SERIALS[protocol])))
    with pytest.MonkeyPatch.context() as patch, insert(card_from_image(image)) as (reader,):
        patch.setenv("XDG_STATE_HOME", str(folder))
        assert main(["gp", "keys", "new", str(folder / "master.json")]) == 0
        reading, writing = os.pipe()
        line = ["card", "issue", "--from", str(folder / "record.json"), "--office", str(folder / "office.toml")]
        assert main([*line, "--reader", reader, "--yes", "--pin-out", str(writing)]) == 0
        with os.fdopen(reading) as letter:
            codes = dict(each.split() for each in letter)
        yield Issued(reader, protocol, codes["PIN"], codes["PUK"], order, folder)


@pytest.fixture
def card(issued: Issued) -> Iterator[BareCard]:
    with BareCard(issued.reader) as found:
        assert found.on_t0 == (issued.protocol is CardProtocol.T0)
        yield found


# Thai readers


def test_field_by_field(card: BareCard, issued: Issued) -> None:
    card.select(SELECT_MOI)
    found = {name: text(card.read(*place)) for name, place in MOI.items()}
    assert found == expected(issued.order["citizen_id"], MOI)


def test_the_portrait_in_20_blocks(card: BareCard) -> None:
    """A whole JPEG of the card's size is in the 5,100 bytes that public readers take."""
    card.select(SELECT_MOI)
    field = card.read_all(PHOTO, [255] * 20)
    jpeg = field[: field.rindex(b"\xff\xd9") + 2]
    assert len(jpeg) <= PORTRAIT_MAX_LEN
    with importlib.import_module("PIL.Image").open(io.BytesIO(jpeg)) as picture:
        picture.load()
        assert picture.size == (148, 178)
    assert field[len(jpeg) :].strip(b" ") == b""
    rest = card.read(PHOTO + PORTRAIT_MAX_LEN, PHOTO_LEN - PORTRAIT_MAX_LEN)
    assert rest.strip(b" ") == b""


def test_health_entitlement(card: BareCard, issued: Issued) -> None:
    card.select(SELECT_NHSO)
    found = {name: text(card.read(*place)) for name, place in NHSO.items()}
    assert found == expected(issued.order["health_insurance"], NHSO)


def test_laser_number_and_chip_serial(card: BareCard, issued: Issued) -> None:
    card.select(SELECT_ADM)
    state, status = card.send("80 00 00 00 17")
    assert (state[7:19].decode("ascii"), status) == (issued.order["card_admin"]["laser_number"], "9000")
    cplc, status = card.send("80 CA 9F 7F 2D" if card.on_t0 else "80 CA 9F 7F 00")
    if status != "9000":  # of the card's manager, on chips that ask for it
        card.send("00 A4 04 00")
        cplc, status = card.send("80 CA 9F 7F 2D" if card.on_t0 else "80 CA 9F 7F 00")
    assert (cplc[13:21].hex().upper(), status) == (issued.serial, "9000")


def test_nobody_writes_without_keys(card: BareCard) -> None:
    """STORE DATA, INSTALL and SET STATUS outside a channel, at the manager and at an application."""
    for select in ("00 A4 04 00", SELECT_MOI):
        card.send(select)
        for command in ("80 E2 88 00 05 01 01 02 41 42", "80 E6 0C 00 01 00", "80 F0 80 7F 00"):
            _data, status = card.send(command)
            assert status in {"6982", "6985", "6D00", "6E00"}, command


# OpenSC


def test_opensc_reads_the_citizen_number(issued: Issued, programs: Programs) -> None:
    command = ["--send-apdu", SELECT_MOI.replace(" ", ""), "--send-apdu", "80B0000402000D0D"]
    shown = programs.run("opensc-tool", "--reader", issued.reader, "--card-driver", "default", *command)
    assert shown.count("SW1=0x90, SW2=0x00") == 2
    assert issued.order["citizen_id"]["cid"] in "".join(re.findall(r"[0-9]{13}|(?<= )[0-9.]{13}$", shown, re.MULTILINE))


def test_opensc_sees_the_keys_and_certificates(issued: Issued, programs: Programs) -> None:
    dump = programs.run("pkcs15-tool", "--reader", issued.reader, "--dump")
    private = re.findall(r"^Private (\w+) Key \[(.*) key\]$", dump, re.MULTILINE)
    assert private == [("EC", name) for name in ("PIV AUTH", "SIGN", "KEY MAN", "CARD AUTH")]
    assert dump.count("X.509 Certificate [") == len(private)
    assert "Card Holder Unique Identifier" in dump


@pytest.mark.parametrize("key_id", ["01", "02", "04"])
def test_opensc_signs_with_the_pin_of_the_letter(issued: Issued, programs: Programs, key_id: str) -> None:
    signing = ["--sign", "--mechanism", "ECDSA-SHA256", "--id", key_id, "--signature-format", "openssl"]
    given = ["--input-file", programs.write("text", "agreed"), "--output-file", "signature"]
    programs.run("pkcs11-tool", "--login", "--pin", issued.pin, *signing, *given)
    verify = ["-verify", programs.public_key(key_id), "-signature", "signature", "text"]
    assert "Verified OK" in programs.run("openssl", "dgst", "-sha256", *verify)


def test_opensc_refuses_what_everybody_would_try(issued: Issued, programs: Programs) -> None:
    tries = programs.attempt("pkcs11-tool", "--login", "--pin", "123456", "--list-objects")
    assert "CKR_PIN_INCORRECT" in tries.stderr
    programs.run("pkcs11-tool", "--login", "--pin", issued.pin, "--list-objects")  # which gives the tries back


def test_openssl_finds_the_way_to_the_root(issued: Issued, programs: Programs) -> None:
    trust = issued.folder / "ecitizen" / "test-hierarchy" / "trust"
    certificate = programs.write("9a.pem", programs.run("pkcs15-tool", "--read-certificate", "01"))
    chain = programs.write("chain.pem", b"".join(path.read_bytes() for path in sorted(trust.glob("issuers/*.pem"))))
    root = str(trust / "anchors" / "root.pem")
    assert "OK" in programs.run("openssl", "verify", "-CAfile", root, "-untrusted", chain, certificate)


# And the verdict


def test_it_is_genuine(issued: Issued, capsys: pytest.CaptureFixture[str]) -> None:
    trust = issued.folder / "ecitizen" / "test-hierarchy" / "trust"
    capsys.readouterr()
    assert main(["card", "verify", "--reader", issued.reader, "--trust", str(trust), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "genuine"


def test_a_second_order_for_it_is_refused(issued: Issued, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((issued.folder / "record.json").read_text("utf-8"))
    record["keys"] = {"9E": "p256"}
    other = issued.folder / "other.json"
    other.write_text(json.dumps(record), encoding="utf-8")
    line = ["card", "issue", "--from", str(other), "--office", str(issued.folder / "office.toml"), "--json"]
    capsys.readouterr()
    assert main([*line, "--reader", issued.reader, "--dry-run"]) == 6
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "wrong_card"
