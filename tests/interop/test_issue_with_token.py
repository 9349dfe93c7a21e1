"""`ecitizen card issue` with a master key in SoftHSM, a PKCS#11 module of others, which never lets it out."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import main
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections
from ecitizen.iso7816.apdu import CardProtocol
from tests.cli.issuing import RECORD

PIN = "24681357"
SERIAL = "4123000000000B00"


@pytest.fixture
def keys(
    foreign_program: Callable[[str], str], foreign_library: Callable[[str], Path], tmp_path: Path
) -> Iterator[str]:
    """How the command is told of a master key in a new token. The module reads its settings when it is loaded."""
    import pkcs11

    library = foreign_library("softhsm/libsofthsm2.so")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    pkcs11.unload(str(library))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
        patch.setenv("XDG_STATE_HOME", str(tmp_path))
        command = [foreign_program("softhsm2-util"), "--init-token", "--free", "--label", "Office"]
        given = [*command, "--so-pin", "87654321", "--pin", PIN]
        subprocess.run(given, check=True, capture_output=True, env=os.environ)
        name = f"pkcs11:token=Office;object=master-1?module-path={library}"
        assert main(["gp", "keys", "new", name, "--passphrase-fd", descriptor(PIN)]) == 0
        yield name
    pkcs11.unload(str(library))


def descriptor(text: str) -> str:
    """The number of an open file that gives one line."""
    reading, writing = os.pipe()
    os.write(writing, f"{text}\n".encode())
    os.close(writing)
    return str(reading)


def test_a_card_whose_keys_come_from_a_token(keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, record, office = tmp_path / "card.json", tmp_path / "record.json", tmp_path / "office.toml"
    CardImage.create(image, blank_sections(CardProtocol.T1, bytes.fromhex(SERIAL))).close()
    record.write_text(json.dumps({**RECORD, "keys": {"9E": "p256"}}), encoding="utf-8")
    office.write_text(f'authorities = "test"\nkeys = "{keys}"\njournal = "journal.sqlite"\n')
    card = ["--office", str(office), "--reader", f"virtual:{image}"]
    letter = os.open(tmp_path / "letter", os.O_WRONLY | os.O_CREAT, 0o600)
    issue = ["card", "issue", "--from", str(record), *card, "--yes"]
    assert main([*issue, "--pin-out", str(letter), "--keys-pin-fd", descriptor(PIN)]) == 0
    assert (tmp_path / "letter").read_text().startswith("PIN ")
    later = keys.replace("master-1", "master-2")
    assert main(["gp", "keys", "new", later, "--key-version", "2", "--passphrase-fd", descriptor(PIN)]) == 0
    rotate = ["gp", "keys", "rotate", "--new-keys", later, *card, "--yes", "--json"]
    capsys.readouterr()
    assert main([*rotate, "--passphrase-fd", descriptor(PIN)]) == 0  # both are in one token, which is opened once
    assert len(json.loads(capsys.readouterr().out)["writes"]) == 3
    office.write_text(f'authorities = "test"\nkeys = "{later}"\njournal = "journal.sqlite"\n')
    assert main(["card", "lock", "citizen_id", *card, "--yes", "--keys-pin-fd", descriptor(PIN)]) == 0
    before = image.read_bytes()
    capsys.readouterr()
    lock = ["card", "unlock", "citizen_id", *card, "--yes", "--json", "--keys-pin-fd", descriptor("00000000")]
    assert main(lock) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "passphrase_wrong"
    assert image.read_bytes() == before
