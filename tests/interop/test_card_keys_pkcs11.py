"""Keys of cards from a master key in SoftHSM, a PKCS#11 module that we did not write, which never lets it out."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections
from ecitizen.errors import UsageError
from ecitizen.globalplatform import DomainSession
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.key_providers import DiversifiedKeys, KeyContext, StaticKeys
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import SecurityLevel
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from pki.errors import KeyUnavailable, KeyUnsupported, PassphraseWrong
from pki.pkcs11_card_keys import CardKeysToken
from pki.pkcs11_keys import Pkcs11Uri
from tests.unit.gp_host import SERIAL, Host, blank_image

PIN = "12345678"
KNOWN = bytes(range(32))
CARD = KeyContext(bytes.fromhex("A000000151000000"), SERIAL)


@pytest.fixture(scope="module")
def module(
    foreign_program: Callable[[str], str],
    foreign_library: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """SoftHSM with a new token of its own. It reads its settings when it is loaded, and other tests have others."""
    import pkcs11

    library = foreign_library("softhsm/libsofthsm2.so")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    pkcs11.unload(str(library))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        command = [foreign_program("softhsm2-util"), "--init-token", "--free", "--label", "Cards"]
        subprocess.run(
            [*command, "--so-pin", "87654321", "--pin", PIN], check=True, capture_output=True, env=os.environ
        )
        yield library
    pkcs11.unload(str(library))


@pytest.fixture
def token(module: Path) -> Iterator[CardKeysToken]:
    with CardKeysToken(uri(module), KeyBytes(PIN.encode()), writing=True) as opened:
        yield opened


def uri(module: Path, label: str = "master") -> Pkcs11Uri:
    return Pkcs11Uri("Cards", label, str(module))


def put_in(token: CardKeysToken, label: str, value: bytes, **further: Any) -> None:
    """A key of known value, as no master key should be: to compare with a calculation of our own."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    token._session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: further.get("kind", KeyType.AES),
            Attribute.VALUE: value,
            Attribute.LABEL: label,
            Attribute.ID: further.get("name", b"\x05"),
            Attribute.SIGN: True,
            Attribute.SENSITIVE: not further.get("extractable", False),
            Attribute.EXTRACTABLE: further.get("extractable", False),
        }
    )


@pytest.mark.parametrize("length", [16, 24, 32])
def test_the_token_derives_what_we_derive(token: CardKeysToken, length: int) -> None:
    put_in(token, f"known {length}", KNOWN[:length])
    keys = token.card_keys(f"known {length}")
    twin = DiversifiedKeys(KeyBytes(KNOWN[:length]), kvn=5)
    assert (keys.kvn, keys.unsafe) == (5, False)
    assert keys.check_values(CARD) == twin.check_values(CARD)
    assert keys.management_key(CARD) == twin.management_key(CARD)
    assert keys.put_key_blocks(CARD, StaticKeys.published()) == twin.put_key_blocks(CARD, StaticKeys.published())
    assert keys.encrypt(CARD, bytes(32)) == twin.encrypt(CARD, bytes(32))


def test_a_card_gets_its_keys_from_the_token(token: CardKeysToken) -> None:
    keys = token.generate_master("rotation", kvn=2)
    session = CardSession(VirtualReader(Host.at(blank_image()).card).connect())
    domain = DomainSession.select(session)
    domain.open_channel(StaticKeys.published())
    domain.put_keys(keys, replace=0x30)
    assert domain.open_channel(keys) is SecurityLevel.FULL
    assert {each.kvn for each in domain.key_information()} == {2}
    assert {each.length for each in domain.key_information()} == {32}


def test_a_master_key_does_not_come_out(token: CardKeysToken) -> None:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism

    token.generate_master("inside")
    key: Any = token._session.get_key(label="inside")
    assert key[Attribute.SENSITIVE]
    assert not key[Attribute.EXTRACTABLE]
    with pytest.raises(pkcs11.exceptions.PKCS11Error):
        _ = key[Attribute.VALUE]
    with pytest.raises((pkcs11.exceptions.PKCS11Error, AttributeError, NotImplementedError)):
        key.encrypt(bytes(16), mechanism=Mechanism.AES_ECB)
    wrapping: Any = token._session.generate_key(KeyType.AES, 256)
    with pytest.raises(pkcs11.exceptions.PKCS11Error):
        wrapping.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP)


def test_the_command_line_names_a_token_and_no_key(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The PIN comes over a descriptor, once for all keys of the token."""
    sections = blank_sections(CardProtocol.T1, SERIAL)
    CardImage.create(tmp_path / "card.json", sections).close()
    first, second = (f"pkcs11:token=Cards;object=cli-{kvn}?module-path={module}" for kvn in (1, 2))

    def gp(*arguments: str) -> str:
        reading, writing = os.pipe()
        os.write(writing, f"{PIN}\n".encode())
        os.close(writing)
        assert main(["gp", *arguments, "--passphrase-fd", str(reading)]) == 0
        return capsys.readouterr().out

    gp("keys", "new", first)
    gp("keys", "new", second, "--key-version", "2")
    at_card = ("--reader", f"virtual:{tmp_path / 'card.json'}", "--json")
    gp("keys", "rotate", "--keys", "test", "--new-keys", first, "--yes", *at_card)
    done = gp("keys", "rotate", "--keys", first, "--new-keys", second, "--yes", *at_card)
    assert json.loads(done)["writes"][0]["kvn"] == 2
    assert json.loads(gp("list", "--keys", second, *at_card))["entries"]


def test_a_label_is_taken_once(token: CardKeysToken) -> None:
    token.generate_master("once")
    with pytest.raises(UsageError, match="already"):
        token.generate_master("once")
    with pytest.raises(UsageError, match="127"):
        token.generate_master("never", kvn=128)


def test_what_is_no_master_key_is_refused(token: CardKeysToken) -> None:
    from pkcs11 import KeyType

    put_in(token, "leaks", KNOWN, extractable=True)
    put_in(token, "no version", KNOWN, name=b"")
    put_in(token, "wrong version", KNOWN, name=b"\xff")
    put_in(token, "no AES", KNOWN, kind=KeyType.GENERIC_SECRET)
    for label in ("leaks", "no version", "wrong version", "no AES"):
        with pytest.raises(KeyUnsupported):
            token.card_keys(label)
    with pytest.raises(KeyUnavailable, match="no such key"):
        token.card_keys("nobody")


def test_a_wrong_pin_is_told(module: Path) -> None:
    with pytest.raises(PassphraseWrong):
        CardKeysToken(uri(module), KeyBytes(b"00000000"))
