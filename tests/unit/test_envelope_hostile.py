"""Messages by others, in all forms that BER allows, and messages by those who mean harm."""

import hashlib
import io
import tracemalloc
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.errors import DecodeError, EcitizenError, UsageError
from pki import der
from pki.certificate_parts import certificate_parts
from pki.envelope import ContentCipher, EnvelopeBounds, RecipientKey, decrypt, recipients_of
from pki.envelope_errors import NotARecipient, NotOpened
from pki.envelope_reading import content_pieces, read_envelope
from pki.envelope_recipients import recipient_info
from pki.errors import KeyUnsupported, Malformed
from tests.unit.enveloped import Holder, holder, opened, sealed

P_256, RSA = KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048
KEY, NONCE = bytes(range(32)), bytes(range(12))
AUTHENTICATED, ENVELOPED = "1.2.840.113549.1.9.16.1.23", "1.2.840.113549.1.7.3"
DATA = der.oid("1.2.840.113549.1.7.1")
GCM = der.oid("2.16.840.1.101.3.4.1.46")
CBC = der.oid("2.16.840.1.101.3.4.1.42")
END = bytes(2)


def indefinite(tag: int, *parts: bytes) -> bytes:
    """A value whose end is marked."""
    return bytes((tag, 0x80)) + b"".join(parts) + END


def gcm(
    text: bytes,
    infos: Iterable[bytes],
    *,
    attributes: bytes = b"",
    parameters: bytes | None = None,
    cut: int = 16,
    content_type: bytes = DATA,
    end: bytes = b"",
) -> bytes:
    """An AuthEnvelopedData made by hand."""
    seen = der.der(0x31, attributes) if attributes else b""
    encrypted = AESGCM(KEY).encrypt(NONCE, text, seen)
    chosen = der.sequence(der.octet_string(NONCE), der.integer(16)) if parameters is None else parameters
    return message(
        AUTHENTICATED,
        der.set_of(infos),
        der.sequence(content_type, der.sequence(GCM, chosen), der.implicit(0, encrypted[:-16])),
        der.explicit(1, attributes) if attributes else b"",
        der.octet_string(encrypted[-16:][:cut]),
        end,
    )


def cbc(text: bytes, infos: Iterable[bytes], *, end: bytes = b"") -> bytes:
    """An EnvelopedData made by hand; the text comes with its padding."""
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
    content = der.implicit(0, encryptor.update(text) + encryptor.finalize())
    cipher = der.sequence(CBC, der.octet_string(bytes(16)))
    return message(ENVELOPED, der.set_of(infos), der.sequence(DATA, cipher, content), end)


def message(kind: str, *parts: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.explicit(0, der.sequence(der.integer(0), *parts)))


def info(kind: KeyAlgorithm = P_256) -> bytes:
    return recipient_info(holder(kind).certificate, KEY)


def rsa_info(encrypted: bytes, algorithm: bytes, to: Holder | None = None) -> bytes:
    parts = certificate_parts((to or holder(RSA)).certificate)
    named = der.sequence(parts.issuer, der.integer(parts.serial_number))
    return der.sequence(der.integer(0), named, algorithm, der.octet_string(encrypted))


def old_rsa(content_key: bytes = KEY) -> bytes:
    """RSAES-PKCS1-v1_5."""
    private = holder(RSA).private
    assert isinstance(private, rsa.RSAPrivateKey)
    encrypted = private.public_key().encrypt(content_key, padding.PKCS1v15())
    return rsa_info(encrypted, der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL))


# --- forms ---


def test_what_is_made_by_hand_opens() -> None:
    for kind in (P_256, RSA):
        assert opened(gcm(b"text", [info(kind)]), holder(kind).key)[0] == b"text"
        assert opened(cbc(b"text" + b"\x0c" * 12, [info(kind)]), holder(kind).key)[0] == b"text"


def test_attributes_are_under_the_tag() -> None:
    """RFC 5083, 2.2: as SET OF; an attribute that was changed makes all of it worthless."""
    attribute = der.sequence(der.oid("1.2.840.113549.1.9.3"), der.der(0x31, DATA))
    whole = gcm(b"text", [info()], attributes=attribute)
    assert opened(whole, holder(P_256).key)[0] == b"text"
    at = whole.index(attribute) + len(attribute) - 1
    with pytest.raises(NotOpened):
        opened(whole[:at] + b"\x02" + whole[at + 1 :], holder(P_256).key)


def test_attributes_that_nobody_vouches_for_are_passed_over() -> None:
    attribute = der.sequence(der.oid("2.5.4.3"), der.der(0x31))
    assert opened(gcm(b"text", [info()], end=der.explicit(2, attribute)), holder(P_256).key)[0] == b"text"
    enveloped = cbc(b"text" + b"\x0c" * 12, [info()], end=der.explicit(1, attribute))
    assert opened(enveloped, holder(P_256).key)[0] == b"text"


@pytest.mark.parametrize("cut", [12, 13, 14, 15, 16])
def test_shorter_tags(cut: int) -> None:
    """RFC 5084, 3.2: 12 to 16 bytes; 12 if nothing is said."""
    said = der.sequence(der.octet_string(NONCE), *([der.integer(cut)] if cut != 12 else []))
    assert opened(gcm(b"text", [info()], parameters=said, cut=cut), holder(P_256).key)[0] == b"text"


def test_every_length_indefinite_and_the_content_in_pieces() -> None:
    encrypted = AESGCM(KEY).encrypt(NONCE, b"a longer text", b"")
    pieces = [der.octet_string(encrypted[at : at + 3]) for at in range(0, len(encrypted) - 16, 3)]
    pieces[-1] = der.octet_string(encrypted[12:-16])
    content = indefinite(0xA0, pieces[0], indefinite(0x24, *pieces[1:3]), der.octet_string(b""), *pieces[3:])
    cipher = indefinite(0x30, GCM, indefinite(0x30, indefinite(0x24, der.octet_string(NONCE)), der.integer(16)))
    whole = indefinite(
        0x30,
        der.oid(AUTHENTICATED),
        indefinite(
            0xA0,
            indefinite(
                0x30,
                der.integer(0),
                indefinite(0x31, info()),
                indefinite(0x30, DATA, cipher, content),
                indefinite(0x24, der.octet_string(encrypted[-16:-8]), der.octet_string(encrypted[-8:])),
            ),
        ),
    )
    assert opened(whole, holder(P_256).key)[0] == b"a longer text"
    for cut in range(len(whole)):
        with pytest.raises(Malformed):
            read_envelope(io.BytesIO(whole[:cut]))


def test_lengths_in_more_bytes_than_they_need() -> None:
    whole = sealed(b"text", [holder(P_256)])
    assert whole[1] == 0x82
    assert opened(b"\x30\x88" + bytes(6) + whole[2:], holder(P_256).key)[0] == b"text"


def test_a_recipient_by_subject_key_identifier() -> None:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(holder(RSA).certificate)
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    fields = der.Reader(info(RSA)).inside()
    fields.integer()
    fields.element(0x30)
    rest = fields.element(0x30) + fields.element(0x04)
    named = der.sequence(der.integer(2), der.implicit(0, identifier), rest)
    assert opened(gcm(b"text", [named]), holder(RSA).key)[0] == b"text"
    other = der.sequence(der.integer(2), der.implicit(0, identifier[:-1] + b"x"), rest)
    with pytest.raises(NotARecipient):
        opened(gcm(b"text", [other]), holder(RSA).key)


@pytest.mark.parametrize("parameters", [b"", der.NULL, der.oid("1.2.840.10045.3.1.7"), der.oid("1.3.132.0.34")])
@pytest.mark.parametrize("ukm", [None, b"from the sender"])
def test_key_agreement_as_others_write_it(parameters: bytes, ukm: bytes | None) -> None:
    """RFC 5753, 3.1.1 and 7.1.2: keying material of the sender's; the curve may be named, but not another one."""
    own = holder(P_256)
    assert isinstance(own.private, ec.EllipticCurvePrivateKey)
    once = ec.generate_private_key(ec.SECP256R1())
    wrap = der.sequence(der.oid("2.16.840.1.101.3.4.1.5"))
    added = b"" if ukm is None else der.explicit(0, der.octet_string(ukm))
    shared = der.sequence(wrap, added, der.explicit(2, der.octet_string(b"\x00\x00\x00\x80")))
    secret = once.exchange(ec.ECDH(), own.private.public_key())
    wrapped = aes_key_wrap(hashlib.sha256(secret + b"\x00\x00\x00\x01" + shared).digest()[:16], KEY)
    point = once.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    originator = der.explicit(1, der.sequence(der.oid("1.2.840.10045.2.1"), parameters), der.bit_string(point))
    parts = certificate_parts(own.certificate)
    named = der.sequence(parts.issuer, der.integer(parts.serial_number))
    agreed = der.explicit(
        1,
        der.integer(3),
        der.explicit(0, originator),
        b"" if ukm is None else der.explicit(1, der.octet_string(ukm)),
        der.sequence(der.oid("1.3.132.1.11.1"), wrap),
        der.sequence(der.sequence(named, der.octet_string(wrapped))),
    )
    if parameters == der.oid("1.3.132.0.34"):
        with pytest.raises(Malformed, match="another curve"):
            opened(gcm(b"text", [agreed]), own.key)
    else:
        assert opened(gcm(b"text", [agreed]), own.key)[0] == b"text"


def test_senders_with_lasting_keys_or_keys_of_other_kinds() -> None:
    fields = der.Reader(info()).inside(0xA1)
    fields.integer()
    fields.element(0xA0)
    rest = fields.element(0x30) + fields.element(0x30)
    ed25519 = der.explicit(1, der.sequence(der.oid("1.3.101.112")), der.bit_string(bytes(32)))
    for originator, refused in (
        (der.sequence(), KeyUnsupported),
        (der.implicit(0, b"x"), KeyUnsupported),
        (ed25519, Malformed),
    ):
        bad = der.explicit(1, der.integer(3), der.explicit(0, originator), rest)
        with pytest.raises(refused):
            opened(gcm(b"text", [bad]), holder(P_256).key)
    zero = der.explicit(1, der.sequence(der.oid("1.2.840.10045.2.1")), der.bit_string(b"\x04" + bytes(64)))
    with pytest.raises(Malformed):  # a point that is not on the curve
        opened(gcm(b"text", [der.explicit(1, der.integer(3), der.explicit(0, zero), rest)]), holder(P_256).key)


@pytest.mark.parametrize("mask", ["1.3.14.3.2.26", "2.16.840.1.101.3.4.2.2"])
def test_oaep_with_a_mask_of_another_hash(mask: str) -> None:
    sha_256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
    generator = der.sequence(der.oid("1.2.840.113549.1.1.8"), der.sequence(der.oid(mask)))
    parameters = der.sequence(der.explicit(0, sha_256), der.explicit(1, generator))
    algorithm = der.sequence(der.oid("1.2.840.113549.1.1.7"), parameters)
    with pytest.raises(KeyUnsupported):
        opened(gcm(b"text", [rsa_info(bytes(256), algorithm)]), holder(RSA).key)


@pytest.mark.parametrize(("label", "opens"), [(b"", True), (b"label", False)], ids=["written out", "not empty"])
def test_labels_of_oaep(label: bytes, opens: bool) -> None:
    private = holder(RSA).private
    assert isinstance(private, rsa.RSAPrivateKey)
    sha_384 = der.sequence(der.oid("2.16.840.1.101.3.4.2.2"), der.NULL)
    parameters = der.sequence(
        der.explicit(0, sha_384),
        der.explicit(1, der.sequence(der.oid("1.2.840.113549.1.1.8"), sha_384)),
        der.explicit(2, der.sequence(der.oid("1.2.840.113549.1.1.9"), der.octet_string(label))),
    )
    oaep = padding.OAEP(padding.MGF1(hashes.SHA384()), hashes.SHA384(), label)
    algorithm = der.sequence(der.oid("1.2.840.113549.1.1.7"), parameters)
    whole = gcm(b"text", [rsa_info(private.public_key().encrypt(KEY, oaep), algorithm)])
    if opens:
        assert opened(whole, holder(RSA).key)[0] == b"text"
    else:
        with pytest.raises(KeyUnsupported):
            opened(whole, holder(RSA).key)


def test_old_rsa_padding_opens_with_a_warning() -> None:
    content, about = opened(gcm(b"text", [old_rsa()]), holder(RSA).key)
    assert content == b"text"
    assert [each.en for each in about.warnings] == [
        "the sender's software used RSA's old padding (PKCS #1 v1.5); it should be updated"
    ]


def test_another_message_inside_is_mentioned() -> None:
    kind = der.oid("1.2.840.113549.1.7.2")
    said = der.sequence(der.oid("1.2.840.113549.1.9.3"), der.der(0x31, kind))
    _, about = opened(gcm(b"text", [info()], content_type=kind, attributes=said), holder(P_256).key)
    assert [each.en for each in about.warnings] == ["what was inside is another CMS message; open or check that next"]
    for attributes in (b"", said[:-1] + b"\x03", der.sequence(der.oid("2.5.4.3"), der.der(0x31, kind))):
        with pytest.raises(Malformed, match="not under"):
            opened(gcm(b"text", [info()], content_type=kind, attributes=attributes), holder(P_256).key)


# --- harm ---


def test_no_bit_of_an_authenticated_message_can_be_changed() -> None:
    whole = sealed(b"pay 100 baht", [holder(P_256)])
    opens = 0
    for at in range(len(whole)):
        for bit in (0x01, 0x80):
            changed = bytearray(whole)
            changed[at] ^= bit
            try:
                content, _ = opened(bytes(changed), holder(P_256).key)
            except EcitizenError:
                continue
            assert content == b"pay 100 baht"
            opens += 1
    assert opens <= 4  # the version numbers, on which nothing depends


def test_every_cut_is_noticed_before_the_key_is_used() -> None:
    class NeverUsed:
        public_key = b""

        def agree(self, peer: bytes) -> bytes:
            raise AssertionError

    whole = sealed(b"text", [holder(P_256)])
    for cut in range(len(whole)):
        with pytest.raises(Malformed):
            opened(whole[:cut], RecipientKey(holder(P_256).certificate, agreement=NeverUsed()))
    with pytest.raises(Malformed, match="something follows"):
        opened(whole + b"\x00", RecipientKey(holder(P_256).certificate, agreement=NeverUsed()))


def test_whatever_is_wrong_with_the_key_or_the_tag_says_the_same() -> None:
    """A sender who tries out ciphertexts learns nothing from the answers (RFC 3218)."""
    said = set()
    block = old_rsa()
    wrong_padding = rsa_info(b"\x01" * 256, der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL))
    wrong_length = rsa_info(b"\x01" * 255, der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL))
    altered = gcm(b"text", [block])
    for bad in (
        gcm(b"text", [wrong_padding]),
        gcm(b"text", [wrong_length]),
        gcm(b"text", [old_rsa(bytes(32))]),
        gcm(b"text", [old_rsa(KEY[:16])]),
        gcm(b"text", [old_rsa(b"")]),
        altered[:-1] + bytes((altered[-1] ^ 1,)),
    ):
        with pytest.raises(NotOpened) as refusal:
            opened(bad, holder(RSA).key)
        said.add(str(refusal.value))
    for bad_end in (b"\x00", b"\x11", b"\x02"):
        with pytest.raises(NotOpened) as refusal:
            opened(cbc(b"x" * 15 + bad_end, [block]), holder(RSA).key)
        said.add(str(refusal.value))
    assert len(said) == 1


def test_a_wrapped_key_that_was_changed() -> None:
    whole = gcm(b"text", [info()])
    wrapped = der.Reader(info()).inside(0xA1)
    assert wrapped.more
    one = info()
    bad = one[:-1] + bytes((one[-1] ^ 1,))
    with pytest.raises(NotOpened):
        opened(gcm(b"text", [bad]), holder(P_256).key)
    assert opened(whole, holder(P_256).key)[0] == b"text"


@pytest.mark.parametrize(
    "parameters",
    [
        der.sequence(der.octet_string(NONCE), der.integer(4)),
        der.sequence(der.octet_string(NONCE), der.integer(17)),
        der.sequence(der.octet_string(NONCE), der.integer(15)),
        der.sequence(der.octet_string(b""), der.integer(16)),
        der.sequence(der.octet_string(bytes(100)), der.integer(16)),
        der.octet_string(NONCE),
        b"",
    ],
    ids=["4 bytes", "17 bytes", "not as long as said", "no nonce", "long nonce", "cbc's", "none"],
)
def test_wrong_parameters_of_gcm(parameters: bytes) -> None:
    with pytest.raises(Malformed):
        opened(gcm(b"text", [info()], parameters=parameters), holder(P_256).key)


def test_an_authenticated_cipher_in_a_message_without_a_tag() -> None:
    cipher = der.sequence(GCM, der.sequence(der.octet_string(NONCE), der.integer(16)))
    inside = der.sequence(DATA, cipher, der.implicit(0, b"text"))
    with pytest.raises(KeyUnsupported):
        opened(message(ENVELOPED, der.set_of([info()]), inside), holder(P_256).key)


@pytest.mark.parametrize("cipher", ["1.2.840.113549.3.7", "2.16.840.1.101.3.4.1.1", "1.2.840.113549.1.5.13", "1.2.3"])
def test_ciphers_that_are_not_known(cipher: str) -> None:
    """Triple DES, ECB, PBES2."""
    inside = der.sequence(DATA, der.sequence(der.oid(cipher), der.octet_string(bytes(16))), der.implicit(0, bytes(16)))
    with pytest.raises(KeyUnsupported):
        opened(message(ENVELOPED, der.set_of([info()]), inside), holder(P_256).key)


@pytest.mark.parametrize(
    "algorithm",
    [
        der.sequence(der.oid("1.2.840.113549.1.1.7"), der.sequence()),
        der.sequence(der.oid("1.2.3"), der.NULL),
        der.sequence(der.oid("1.2.840.113549.1.5.13")),
    ],
    ids=["OAEP with SHA-1", "unknown", "PBES2"],
)
def test_key_encryptions_that_are_not_known(algorithm: bytes) -> None:
    with pytest.raises(KeyUnsupported):
        opened(gcm(b"text", [rsa_info(bytes(256), algorithm)]), holder(RSA).key)


def test_recipients_without_certificates() -> None:
    """KEKRecipientInfo, PasswordRecipientInfo, OtherRecipientInfo (RFC 5652, 6.2)."""
    others = [der.explicit(number, der.integer(0)) for number in (2, 3, 4)]
    with pytest.raises(NotARecipient, match="password or a shared key"):
        opened(gcm(b"text", others), holder(P_256).key)
    assert opened(gcm(b"text", [*others, info()]), holder(P_256).key)[0] == b"text"


def test_messages_of_other_kinds() -> None:
    for kind in ("1.2.840.113549.1.7.2", "1.2.840.113549.1.7.6"):
        with pytest.raises(KeyUnsupported, match="not an encrypted one"):
            read_envelope(io.BytesIO(message(kind)))
    for junk in (
        b"",
        b"0",
        b"\x30\x00",
        b"plain text",
        b"\x30\x80",
        b"\x30\x89" + bytes(20),
        b"\x1f" * 40,
        b"\xff" * 9,
    ):
        with pytest.raises(Malformed):
            recipients_of(io.BytesIO(junk))


def test_a_content_that_is_elsewhere_or_no_string() -> None:
    cipher = der.sequence(CBC, der.octet_string(bytes(16)))
    for content in (b"", der.octet_string(bytes(16)), der.explicit(0, der.integer(1)), der.explicit(0, der.sequence())):
        with pytest.raises(Malformed):
            read_envelope(io.BytesIO(message(ENVELOPED, der.set_of([info()]), der.sequence(DATA, cipher, content))))


def test_a_length_beyond_all_measure() -> None:
    for size in (2**32, 2**40, 2**63, 2**64 - 1):
        head = b"\x30\x88" + size.to_bytes(8, "big")
        with pytest.raises(Malformed, match="ends before"):
            read_envelope(io.BytesIO(head + sealed(b"text", [holder(P_256)])[3:]))


def test_values_that_are_longer_than_what_they_are_in() -> None:
    inner = der.integer(0) + b"\x31\x50" + info()
    with pytest.raises(Malformed):
        read_envelope(io.BytesIO(der.sequence(der.oid(ENVELOPED), der.explicit(0, der.sequence(inner)))))


def test_too_many_recipients() -> None:
    many = [info()] * 1001
    with pytest.raises(KeyUnsupported, match="more than 1000 recipients"):
        opened(gcm(b"text", many), holder(P_256).key)
    keys = der.Reader(info()).inside(0xA1)
    start = keys.element(0x02) + keys.element(0xA0) + keys.element(0x30)
    crowd = der.explicit(1, start, der.sequence(*[keys.inside().element(0x30)] * 1001))
    with pytest.raises(KeyUnsupported, match="more than 1000 recipients"):
        opened(gcm(b"text", [crowd]), holder(P_256).key)


def test_a_large_part_is_not_read_into_memory() -> None:
    bounds = EnvelopeBounds(part_max_len=10_000)
    pieces = [der.octet_string(bytes(20))] * 1000
    empty = (der.explicit(2, bytes(2 * 900)), indefinite(0xA2, *[der.NULL] * 900))
    for part in (der.explicit(2, bytes(20_000)), der.explicit(2, *pieces), indefinite(0xA2, *pieces), *empty):
        with pytest.raises(KeyUnsupported, match="larger than"):
            read_envelope(io.BytesIO(gcm(b"text", [info()], end=part)), bounds)


def test_nesting_without_end() -> None:
    deep = der.octet_string(b"x")
    for _ in range(40):
        deep = der.der(0x24, deep)
    for content in (der.der(0xA0, deep), b"\xa0\x80" + b"\x24\x80" * 3000):
        cipher = der.sequence(CBC, der.octet_string(bytes(16)))
        bad = message(ENVELOPED, der.set_of([info()]), b"\x30\x80" + DATA + cipher + content)
        with pytest.raises(Malformed):
            read_envelope(io.BytesIO(bad))


def test_nesting_without_end_beside_the_content() -> None:
    whole = gcm(b"text", [info()])
    attributes = b"\xa2\x80" + b"\x30\x80" * 5000
    bad = b"\x30\x80" + der.oid(AUTHENTICATED) + b"\xa0\x80\x30\x80" + body_of(whole) + attributes
    with pytest.raises(Malformed, match="nested too deeply"):
        read_envelope(io.BytesIO(bad))


def body_of(whole: bytes) -> bytes:
    """What is inside the AuthEnvelopedData of a message."""
    reader = der.Reader(whole).inside()
    reader.element(0x06)
    return reader.inside(0xA0).content(0x30)


def test_bounds_of_the_content() -> None:
    whole = sealed(bytes(100), [holder(P_256)], told=False)
    for bounds in (EnvelopeBounds(content_max_len=99), EnvelopeBounds(strings_max=0)):
        with pytest.raises(KeyUnsupported, match="larger than"):
            decrypt(io.BytesIO(whole), io.BytesIO(), [holder(P_256).key], bounds=bounds)


@pytest.mark.parametrize("told", [True, False], ids=["definite", "indefinite"])
def test_memory_stays_flat(told: bool) -> None:
    length = 8 << 20
    whole = io.BytesIO(sealed(bytes(length), [holder(P_256)], told=told))
    envelope = read_envelope(whole)
    tracemalloc.start()
    try:
        assert sum(len(piece) for piece in content_pieces(whole, envelope)) == length
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_key_that_fails_says_so_itself() -> None:
    class Refusing:
        public_key = b""

        def decipher(self, ciphertext: bytes, oaep: HashAlgorithm | None = None) -> bytes:
            raise UsageError("no PIN")

    with pytest.raises(UsageError, match="no PIN"):
        opened(gcm(b"text", [info(RSA)]), RecipientKey(holder(RSA).certificate, decipherer=Refusing()))


def test_a_key_is_used_once_however_often_a_message_names_it() -> None:
    class Counting:
        public_key, count = b"", 0

        def decipher(self, ciphertext: bytes, oaep: HashAlgorithm | None = None) -> bytes:
            self.count += 1
            raise DecodeError("no")

    key = Counting()
    with pytest.raises(NotOpened):
        opened(gcm(b"text", [info(RSA)] * 50), RecipientKey(holder(RSA).certificate, decipherer=key))
    assert key.count == 1


SEEDS = [
    sealed(b"text" * 10, [holder(kind)], cipher, told=told)
    for kind in (P_256, RSA)
    for cipher in ContentCipher
    for told in (True, False)
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_was_changed_at_random_gives_the_content_or_an_error_of_ours(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        content, about = opened(bytes(whole), holder(P_256).key, holder(RSA).key)
    except EcitizenError:
        return
    assert not about.authenticated or content == b"text" * 10
