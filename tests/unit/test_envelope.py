"""Messages for the holders of certificates: what goes in comes out, seen through asn1crypto's structures."""

import hashlib
import io
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asn1crypto import cms, core
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import FileFailed, UsageError
from pki.envelope import (
    ContentCipher,
    RecipientKey,
    check_recipient,
    decrypt_file,
    encrypt,
    encrypt_file,
    recipients_of,
)
from pki.envelope_errors import NotARecipient, NotOpened
from pki.envelope_keys import FileDecipherer, FileKeyAgreement, wrapping_key
from pki.errors import KeyUnsupported, Malformed
from pki.keys import generate_key, public_key_info
from pki.trust import TrustStore, add_anchor
from tests.unit import small_pki
from tests.unit.enveloped import KINDS, MOMENT, certified, holder, opened, sealed

LENGTHS = [0, 1, 15, 16, 17, 127, 128, 255, 256, 65_535, 65_536, 300_000]
CIPHERS = list(ContentCipher)
P_256 = KeyAlgorithm.P_256


class AuthEnvelopedData(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """RFC 5083, 2.1; asn1crypto's own is of the older draft."""

    _fields: ClassVar = [
        ("version", cms.CMSVersion),
        ("recipient_infos", cms.RecipientInfos),
        ("content", cms.EncryptedContentInfo),
        ("mac", core.OctetString),
    ]


class ContentInfo(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [("type", core.ObjectIdentifier), ("content", core.Any, {"explicit": 0})]


def body(message: bytes) -> Any:
    """EnvelopedData or AuthEnvelopedData of a message, which is DER."""
    info = ContentInfo.load(message, strict=True)
    assert info.dump(force=True) == message
    kinds = {"1.2.840.113549.1.7.3": cms.EnvelopedData, "1.2.840.113549.1.9.16.1.23": AuthEnvelopedData}
    return info["content"].parse(kinds[info["type"].native], {"explicit": 0})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("told", [True, False], ids=["definite", "indefinite"])
def test_what_goes_in_comes_out(kind: KeyAlgorithm, cipher: ContentCipher, told: bool) -> None:
    for length in LENGTHS:
        content = os.urandom(length)
        found, about = opened(sealed(content, [holder(kind)], cipher, told=told), holder(kind).key)
        assert found == content
        assert (about.content_len, about.cipher) == (length, cipher)
        assert about.authenticated is (cipher is ContentCipher.AES_256_GCM)
        assert len(about.warnings) == (0 if about.authenticated else 1)


def test_gcm_says_what_rfc_5083_and_5084_want() -> None:
    data = body(sealed(b"text", [holder(P_256)]))
    assert data["version"].native == "v0"
    assert data["content"]["content_type"].native == "data"
    assert data["content"]["content_encryption_algorithm"]["algorithm"].dotted == "2.16.840.1.101.3.4.1.46"
    assert len(data["content"]["encrypted_content"].native) == 4
    assert len(data["mac"].native) == 16


def test_cbc_says_what_rfc_5652_wants() -> None:
    for kinds, version in ((KINDS[:1], "v0"), (KINDS, "v2")):
        data = body(sealed(b"text", [holder(kind) for kind in kinds], ContentCipher.AES_256_CBC))
        assert data["version"].native == version
        info = data["encrypted_content_info"]
        assert info["content_encryption_algorithm"]["algorithm"].native == "aes256_cbc"
        assert len(info["encrypted_content"].native) == 16


def test_an_rsa_recipient_gets_oaep_with_sha_256() -> None:
    infos = body(sealed(b"text", [holder(KeyAlgorithm.RSA_2048)]))["recipient_infos"]
    info = infos[0].chosen
    assert infos[0].name == "ktri"
    assert info["version"].native == "v0"
    algorithm = info["key_encryption_algorithm"]
    assert algorithm["algorithm"].native == "rsaes_oaep"
    assert algorithm["parameters"]["hash_algorithm"]["algorithm"].native == "sha256"
    assert algorithm["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native == "sha256"
    assert info["rid"].name == "issuer_and_serial_number"


@pytest.mark.parametrize(("kind", "scheme"), [(P_256, "1.3.132.1.11.1"), (KeyAlgorithm.P_384, "1.3.132.1.11.2")])
def test_an_ec_recipient_gets_a_new_key_each_time(kind: KeyAlgorithm, scheme: str) -> None:
    keys = set()
    for _ in range(3):
        info = body(sealed(b"text", [holder(kind)]))["recipient_infos"][0].chosen
        assert info["version"].native == "v3"
        assert info["key_encryption_algorithm"]["algorithm"].dotted == scheme
        assert info["originator"].name == "originator_key"
        keys.add(info["originator"].chosen["public_key"].native)
        assert [each["rid"].name for each in info["recipient_encrypted_keys"]] == ["issuer_and_serial_number"]
    assert len(keys) == 3


@pytest.mark.parametrize("hashed", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("ukm", [None, b"", b"added by the sender"])
def test_the_wrapping_key_by_another_calculation(hashed: str, ukm: bytes | None) -> None:
    secret, wrap = bytes(range(48)), bytes.fromhex("300B060960864801650304012D")
    added = b"" if ukm is None else bytes((0xA0, len(ukm) + 2, 0x04, len(ukm))) + ukm
    for length in (16, 24, 32):
        inside = wrap + added + bytes.fromhex("A2060404") + (8 * length).to_bytes(4, "big")
        shared = bytes((0x30, len(inside))) + inside
        blocks = (hashlib.new(hashed, secret + bytes((0, 0, 0, number)) + shared).digest() for number in (1, 2))
        assert wrapping_key(secret, wrap, length, hashed, ukm) == b"".join(blocks)[:length]


def test_each_of_several_recipients_opens_it_alone() -> None:
    holders = [holder(kind, number) for kind in KINDS for number in range(2)]
    message = sealed(b"for all of you", holders)
    for each in holders:
        assert opened(message, each.key)[0] == b"for all of you"
    named = recipients_of(io.BytesIO(message))
    assert len(named) == 6
    for each in holders:
        assert sum(one.names(each.certificate) for one in named) == 1


def test_the_first_key_that_is_named_is_used() -> None:
    message = sealed(b"text", [holder(P_256)])
    content, about = opened(message, holder(KeyAlgorithm.P_384).key, holder(P_256).key)
    assert content == b"text"
    assert about.recipient.names(holder(P_256).certificate)


def test_somebody_else_does_not_open_it() -> None:
    message = sealed(b"text", [holder(P_256)])
    for other in (holder(P_256, 1), holder(KeyAlgorithm.RSA_2048)):
        with pytest.raises(NotARecipient):
            opened(message, other.key)
    with pytest.raises(NotARecipient):
        opened(message)


def test_a_key_of_the_wrong_kind_behind_the_right_certificate() -> None:
    rsa_holder, ec_holder = holder(KeyAlgorithm.RSA_2048), holder(P_256)
    with pytest.raises(KeyUnsupported):
        opened(sealed(b"text", [rsa_holder]), RecipientKey(rsa_holder.certificate, agreement=ec_holder.key.agreement))
    with pytest.raises(KeyUnsupported):
        opened(sealed(b"text", [ec_holder]), RecipientKey(ec_holder.certificate, decipherer=rsa_holder.key.decipherer))
    for kind, other in ((P_256, holder(P_256, 1)), (KeyAlgorithm.RSA_2048, holder(KeyAlgorithm.RSA_2048, 1))):
        key = RecipientKey(holder(kind).certificate, other.key.agreement, other.key.decipherer)
        with pytest.raises(NotOpened):
            opened(sealed(b"text", [holder(kind)]), key)


def test_nobody_or_a_crowd() -> None:
    with pytest.raises(UsageError, match="1 to 1000"):
        encrypt(io.BytesIO(), io.BytesIO(), [], size=0)
    with pytest.raises(UsageError, match="1 to 1000"):
        encrypt(io.BytesIO(), io.BytesIO(), [b""] * 1001, size=0)


@pytest.mark.parametrize("kind", [KeyAlgorithm.ED25519, KeyAlgorithm.X25519])
def test_keys_for_which_nothing_is_encrypted(kind: KeyAlgorithm) -> None:
    with pytest.raises(KeyUnsupported):
        sealed(b"text", [certified(generate_key(kind))])
    for port in (FileKeyAgreement, FileDecipherer):
        with pytest.raises(UsageError):
            port(generate_key(kind))


def test_more_than_gcm_may_encrypt() -> None:
    with pytest.raises(UsageError, match="64 GiB"):
        encrypt(io.BytesIO(), io.BytesIO(), [holder(P_256).certificate], size=2**36 - 31)


@pytest.mark.parametrize("size", [3, 5, 0])
def test_another_number_of_bytes_than_was_announced(size: int) -> None:
    with pytest.raises(FileFailed, match="changed while"):
        encrypt(io.BytesIO(b"text"), io.BytesIO(), [holder(P_256).certificate], size=size)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(CIPHERS), st.booleans())
def test_any_content(content: bytes, cipher: ContentCipher, told: bool) -> None:
    assert opened(sealed(content, [holder(P_256)], cipher, told=told), holder(P_256).key)[0] == content


# --- the recipient's certificate ---


def test_a_certificate_whose_key_is_for_something_else() -> None:
    for kind, wrong, right in (
        (KeyAlgorithm.RSA_2048, "key_agreement", "key_encipherment"),
        (P_256, "key_encipherment", "key_agreement"),
        (P_256, "digital_signature", "key_agreement"),
    ):
        private = holder(kind).private
        with pytest.raises(UsageError, match="not for encryption"):
            check_recipient(certified(private, wrong).certificate, moment=MOMENT)
        assert check_recipient(certified(private, right).certificate, moment=MOMENT) is None
        assert check_recipient(certified(private).certificate, moment=MOMENT) is None


def test_a_certificate_that_is_not_in_force() -> None:
    certificate = holder(P_256).certificate
    for moment in (MOMENT - timedelta(days=2), MOMENT + timedelta(days=60)):
        with pytest.raises(UsageError, match="not in force"):
            check_recipient(certificate, moment=moment)
    with pytest.raises(Malformed):
        check_recipient(b"no certificate", moment=MOMENT)


def test_trust_in_a_recipient(tmp_path: Path) -> None:
    root = small_pki.root()
    add_anchor(tmp_path, root.der)
    leaf = root.issue("Recipient", key=ec.generate_private_key(ec.SECP256R1()), identifiers=True)
    certificate = certified(leaf.key, "key_agreement").certificate
    with pytest.raises(UsageError, match="not to be trusted: untrusted"):
        check_recipient(certificate, moment=MOMENT, trust=TrustStore.open(tmp_path))
    good = certified(leaf.key, "key_agreement", by=root).certificate
    with pytest.raises(UsageError, match="not to be trusted: cannot-tell"):
        check_recipient(good, moment=MOMENT, trust=TrustStore.open(tmp_path))
    (tmp_path / "crls").mkdir()
    (tmp_path / "crls" / "root.crl").write_bytes(root.crl())
    report = check_recipient(good, moment=MOMENT, trust=TrustStore.open(tmp_path))
    assert report is not None
    assert report.chain == (good, root.der)
    source = tmp_path / "letter"
    source.write_bytes(b"text")
    with pytest.raises(UsageError, match="not to be trusted"):
        encrypt_file(source, tmp_path / "out", [certificate], moment=MOMENT, trust=TrustStore.open(tmp_path))
    assert not (tmp_path / "out").exists()


# --- files ---


def test_files(tmp_path: Path) -> None:
    plain, message, again = tmp_path / "letter", tmp_path / "letter.p7m", tmp_path / "letter.again"
    plain.write_bytes(b"Dear agency,")
    encrypt_file(plain, message, [holder(P_256).certificate], moment=MOMENT)
    about = decrypt_file(message, again, [holder(P_256).key])
    assert again.read_bytes() == b"Dear agency,"
    assert about.content_len == 12
    assert stat.S_IMODE(again.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter", "letter.again", "letter.p7m"]


def test_nothing_is_left_of_a_message_that_does_not_open(tmp_path: Path) -> None:
    message = bytearray(sealed(os.urandom(600_000), [holder(P_256)]))
    message[-1] ^= 1
    source, target = tmp_path / "message", tmp_path / "out"
    source.write_bytes(message)
    with pytest.raises(NotOpened):
        decrypt_file(source, target, [holder(P_256).key])
    assert [path.name for path in tmp_path.iterdir()] == ["message"]


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    source, target = tmp_path / "message", tmp_path / "out"
    source.write_bytes(sealed(b"new", [holder(P_256)]))
    target.write_bytes(b"old")
    with pytest.raises(FileFailed, match="not overwritten"):
        decrypt_file(source, target, [holder(P_256).key])
    with pytest.raises(FileFailed, match="not overwritten"):
        encrypt_file(source, target, [holder(P_256).certificate], moment=MOMENT)
    assert target.read_bytes() == b"old"


def test_files_that_can_not_be_read_or_written(tmp_path: Path) -> None:
    source = tmp_path / "letter"
    source.write_bytes(b"text")
    recipients = [holder(P_256).certificate]
    with pytest.raises(FileFailed, match="can't read"):
        encrypt_file(tmp_path / "none", tmp_path / "out", recipients, moment=MOMENT)
    with pytest.raises(FileFailed, match="can't read"):
        decrypt_file(tmp_path / "none", tmp_path / "out", [holder(P_256).key])
    for target in (tmp_path / "no folder" / "out", tmp_path / "letter" / "out", Path("\0")):
        with pytest.raises(FileFailed, match="can't write"):
            encrypt_file(source, target, recipients, moment=MOMENT)


def test_the_ports_of_keys_in_files() -> None:
    ec_key, rsa_key = holder(P_256).private, holder(KeyAlgorithm.RSA_2048).private
    assert isinstance(ec_key, ec.EllipticCurvePrivateKey)
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    mine, theirs = FileKeyAgreement(ec_key), FileKeyAgreement(ec.generate_private_key(ec.SECP256R1()))
    assert mine.agree(theirs.public_key) == theirs.agree(mine.public_key)
    for kind in (KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048):
        with pytest.raises(UsageError, match="not on the curve"):
            mine.agree(public_key_info(holder(kind).private))
    assert FileDecipherer(rsa_key).public_key == public_key_info(rsa_key)
