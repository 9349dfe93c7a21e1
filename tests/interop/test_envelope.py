"""`openssl cms` opens what was encrypted here; what it has encrypted is opened with keys in files and on the card."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.card import Card
from ecitizen.ports import PinState
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.transport.pcsc import connect
from pki.envelope import ContentCipher, RecipientKey, decrypt_file, encrypt_file
from pki.errors import KeyUnsupported
from pki.pem import pem
from tests.interop.signing_card import PIN, CardKind, Insert, Programs
from tests.unit.enveloped import KINDS, MOMENT, Holder, holder

CONTENT = os.urandom(100_003)
OAEP = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
WAYS = {
    KeyAlgorithm.RSA_2048: [(), OAEP, ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha512")],
    KeyAlgorithm.P_256: [(), ("-keyopt", "ecdh_kdf_md:sha256"), ("-keyopt", "ecdh_kdf_md:sha512")],
    KeyAlgorithm.P_384: [(), ("-keyopt", "ecdh_kdf_md:sha384")],
}


def in_files(programs: Programs, each: Holder, name: str) -> tuple[str, str]:
    """Certificate and private key, PEM."""
    private = each.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = programs.write(f"{name}.pem", pem(each.certificate, "CERTIFICATE"))
    return certificate, programs.write(f"{name}.key", private)


@pytest.mark.parametrize("cipher", ContentCipher)
def test_openssl_opens_it_for_each_recipient(cipher: ContentCipher, programs: Programs) -> None:
    holders = [holder(kind) for kind in KINDS]
    plain = programs.folder / programs.write("plain", CONTENT)
    encrypt_file(
        plain, programs.folder / "message", [each.certificate for each in holders], moment=MOMENT, cipher=cipher
    )
    for number, each in enumerate(holders):
        certificate, key = in_files(programs, each, str(number))
        decrypt = ["-decrypt", "-inform", "DER", "-in", "message", "-recip", certificate, "-inkey", key, "-binary"]
        programs.run("openssl", "cms", *decrypt, "-out", "opened")
        assert programs.read("opened") == CONTENT
    shown = programs.run("openssl", "asn1parse", "-inform", "DER", "-in", "message")
    assert ("aes-256-gcm" in shown) is (cipher is ContentCipher.AES_256_GCM)


def test_openssl_opens_what_came_through_a_pipe(programs: Programs) -> None:
    """Its length was not known when it was begun."""
    certificate, key = in_files(programs, holder(KeyAlgorithm.P_256), "one")
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    encrypt_file(
        f"/dev/fd/{reading}", programs.folder / "message", [holder(KeyAlgorithm.P_256).certificate], moment=MOMENT
    )
    os.close(reading)
    decrypt = ["-decrypt", "-inform", "DER", "-in", "message", "-recip", certificate, "-inkey", key]
    assert programs.run("openssl", "cms", *decrypt) == "through a pipe"


@pytest.mark.parametrize("kind", KINDS)
def test_what_openssl_has_encrypted_is_opened(kind: KeyAlgorithm, programs: Programs) -> None:
    each = holder(kind)
    certificate, _ = in_files(programs, each, "one")
    programs.write("plain", CONTENT)
    forms = product(WAYS[kind], ("aes-256-gcm", "aes-128-gcm", "aes-256-cbc", "aes-192-cbc"), ((), ("-stream",)))
    for number, (way, cipher, stream) in enumerate(forms):
        identified = ["-keyid"] if number % 2 else []
        encrypt = ["-encrypt", "-binary", "-in", "plain", "-outform", "DER", "-out", "message", f"-{cipher}", *stream]
        programs.run("openssl", "cms", *encrypt, *identified, "-recip", certificate, *way)
        target = programs.folder / f"opened {number}"
        about = decrypt_file(programs.folder / "message", target, [each.key])
        assert target.read_bytes() == CONTENT
        assert (about.cipher, about.authenticated) == (cipher, cipher.endswith("gcm"))
        assert len(about.warnings) == (not about.authenticated) + (way == ())


def test_what_openssl_encrypts_in_other_ways_is_refused(programs: Programs) -> None:
    rsa, ec = holder(KeyAlgorithm.RSA_2048), holder(KeyAlgorithm.P_256)
    programs.write("plain", b"text")
    for each, wishes in (
        (rsa, ["-des3"]),
        (ec, ["-camellia256"]),
        (rsa, ["-aes256", "-keyopt", "rsa_padding_mode:oaep"]),  # with SHA-1
    ):
        certificate, _ = in_files(programs, each, "one")
        cipher, *way = wishes
        encrypt = [
            "-encrypt",
            "-in",
            "plain",
            "-outform",
            "DER",
            "-out",
            "message",
            cipher,
            "-recip",
            certificate,
            *way,
        ]
        programs.run("openssl", "cms", *encrypt)
        with pytest.raises(KeyUnsupported):
            decrypt_file(programs.folder / "message", programs.folder / "opened", [each.key])
        assert not (programs.folder / "opened").exists()


# --- the card ---


@contextmanager
def keys_of(card: Card, insert: Insert, slots: list[Slot]) -> Iterator[list[RecipientKey]]:
    """Keys on a card in a reader, behind pcscd; the PIN is given when they want it."""

    def pin(state: PinState) -> Pin:
        return Pin(PIN)

    with insert(card) as (reader,), closing(connect(reader)) as connection:
        piv = PivSession.select(CardSession(connection))
        keys = []
        for slot in slots:
            certificate = piv.certificate(slot)
            assert certificate
            public = x509.load_der_x509_certificate(certificate).public_key()
            if hasattr(public, "curve"):
                keys.append(RecipientKey(certificate, agreement=piv.agreement(slot, pin)))
            else:
                keys.append(RecipientKey(certificate, decipherer=piv.decipherer(slot, pin)))
        yield keys


@pytest.mark.parametrize("kind", [CardKind.THAI_T0, CardKind.THAI_T1], ids=str)
def test_the_card_opens_what_openssl_has_encrypted(
    kind: CardKind, insert: Insert, signing_card: Callable[..., Card], programs: Programs, tmp_path: Path
) -> None:
    programs.write("plain", CONTENT)
    slots = [Slot.KEY_MANAGEMENT, Slot.RETIRED_1, Slot.RETIRED_2, Slot.RETIRED_3]
    with keys_of(signing_card(kind), insert, slots) as keys:
        for number, key in enumerate(keys):
            certificate = programs.write(f"{number}.pem", pem(key.certificate, "CERTIFICATE"))
            way = OAEP if key.decipherer else ("-keyopt", "ecdh_kdf_md:sha256")
            encrypt = ["-encrypt", "-binary", "-in", "plain", "-outform", "DER", "-out", "message", "-aes-256-gcm"]
            programs.run("openssl", "cms", *encrypt, "-recip", certificate, *way)
            target = tmp_path / f"opened {number}"
            about = decrypt_file(programs.folder / "message", target, keys)
            assert target.read_bytes() == CONTENT
            assert about.authenticated
            assert about.recipient.names(key.certificate)
