"""Authorities' keys in SoftHSM: a PKCS#11 module that we did not write."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import UsageError
from ecitizen.secret import KeyBytes
from pki.certificates import load_certificate
from pki.errors import KeyUnavailable, PassphraseWrong
from pki.hierarchy import FolderActs, Hierarchy, create, new_folder
from pki.key_source import KeySource
from pki.keys import digest, verify_signature
from pki.plan import Plan, standard_plan

PIN = "12345678"
KINDS = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048]


@pytest.fixture(scope="module")
def module(
    foreign_program: Callable[[str], str],
    foreign_library: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """SoftHSM with a new token of its own. The module reads its settings once for each process."""
    library = foreign_library("softhsm/libsofthsm2.so")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        command = [foreign_program("softhsm2-util"), "--init-token", "--free", "--label", "The ministry"]
        subprocess.run(
            [*command, "--so-pin", "87654321", "--pin", PIN], check=True, capture_output=True, env=os.environ
        )
        yield library


@pytest.fixture
def keys(module: Path, tmp_path: Path) -> Iterator[KeySource]:
    secret = KeyBytes(PIN.encode())
    with KeySource(tmp_path / "ca" / "keys", passphrase=lambda _: secret, pin=lambda _: secret) as opened:
        yield opened


def reference(module: Path, label: str) -> str:
    return f"pkcs11:token=The%20ministry;object={label}?module-path={module}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_in_every_way_of_its_kind(keys: KeySource, module: Path, kind: KeyAlgorithm) -> None:
    made = keys.generate(reference(module, f"key-{kind}"), kind)
    signer = keys.open(reference(module, f"key-{kind}"))
    assert signer.public_key == made.public_key
    assert signer.key_algorithm is kind
    for algorithm in signer.algorithms:
        assert algorithm.hash is not None
        verify_signature(signer.public_key, b"message", signer.sign(b"message", algorithm), algorithm)
        signature = signer.sign_digest(digest(b"message", algorithm.hash), algorithm)
        verify_signature(signer.public_key, b"message", signature, algorithm)
    with pytest.raises(UsageError, match="already"):
        keys.generate(reference(module, f"key-{kind}"), kind)


def test_a_new_key_needs_a_name(keys: KeySource, module: Path) -> None:
    with pytest.raises(UsageError, match="object=NAME"):
        keys.generate(f"pkcs11:token=The%20ministry;id=%01?module-path={module}", KeyAlgorithm.P_256)


def test_what_is_wrong_is_told(keys: KeySource, module: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="no such key"):
        keys.open(reference(module, "nobody"))
    wrong = KeyBytes(b"00000000")
    with (
        KeySource(tmp_path, passphrase=lambda _: wrong, pin=lambda _: wrong) as others,
        pytest.raises(KeyUnavailable, match="no such key or token"),
    ):
        others.open(reference(module, "x").replace("ministry", "secretary"))


def test_a_wrong_pin_is_told(module: Path, tmp_path: Path) -> None:
    wrong = KeyBytes(b"00000000")
    with KeySource(tmp_path, passphrase=lambda _: wrong, pin=lambda _: wrong) as keys, pytest.raises(PassphraseWrong):
        keys.open(reference(module, "x"))


def test_a_hierarchy_lives_in_a_token(keys: KeySource, module: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    plan = Plan.parse(standard_plan(), base_uri="http://pki.example.go.th")
    new_folder(folder)
    at = f"pkcs11:token=The%20ministry?module-path={module}"
    create(folder, standard_plan(), plan, FolderActs(keys, plan, folder=folder, keys_at=at))
    with Hierarchy.open(folder, keys) as opened:
        root, persons = (load_certificate(opened.store.authority(name).certificate) for name in ("root", "persons"))
        persons.verify_directly_issued_by(root)
        assert [each.number for each in opened.publish("persons")] == [1, 1]
        opened.make_services()
    assert not (folder / "keys" / "persons.pem").exists()
    assert (folder / "keys" / "persons-pseudonyms.pem").exists()
