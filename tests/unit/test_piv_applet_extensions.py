"""GENERATE, and the commands beyond the standard, on the card side (card-stack.md, 2.1)."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import Value
from ecitizen.iso7816 import tlv as codec
from ecitizen.ports import CertificateRequest
from pki.authority import Authority
from pki.keys import public_key_info
from tests.piv_card import (
    ALGORITHM_BYTES,
    MANAGEMENT_KEY,
    PIN_ALWAYS,
    PIN_NEVER,
    PIN_ONCE,
    PIN_STATE,
    VERIFY,
    WRONG_PIN,
    Hand,
    memory,
    private_key,
    stored,
    template,
    tlv,
)

EVERY_KIND = pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
QUICK = [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.ED25519, KeyAlgorithm.X25519]


def elements(data: bytes) -> dict[int, bytes]:
    return {each.tag: each.value for each in codec.parse(data)}


def public_key(data: bytes, algorithm: KeyAlgorithm) -> Any:
    """The key that elements 81 and 82, or 86, describe."""
    parts = elements(data)
    if algorithm.is_rsa:
        assert set(parts) == {0x81, 0x82}
        assert (parts[0x82], len(parts[0x81])) == (b"\1\0\1", int(algorithm[3:]) // 8)
        return rsa.RSAPublicNumbers(65537, int.from_bytes(parts[0x81])).public_key()
    assert set(parts) == {0x86}
    if algorithm is KeyAlgorithm.ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(parts[0x86])
    if algorithm is KeyAlgorithm.X25519:
        return x25519.X25519PublicKey.from_public_bytes(parts[0x86])
    curve = ec.SECP256R1() if algorithm is KeyAlgorithm.P_256 else ec.SECP384R1()
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, parts[0x86])


def key_in(hand: Hand, slot: str) -> dict[str, Value]:
    value = hand.section[f"key {slot}"]
    assert isinstance(value, dict)
    return value


def generate(hand: Hand, slot: str, algorithm: KeyAlgorithm, further: str = "") -> Any:
    """Generate a key and give its public half."""
    wish = bytes.fromhex(f"8001{ALGORITHM_BYTES[algorithm]:02X}{further}")
    answer, sw = hand.send(f"004700{slot}", tlv("AC", wish))
    assert sw == 0x9000
    outer = codec.parse_one(answer)
    assert outer.tag == 0x7F49
    return public_key(outer.value, algorithm)


# --- GENERATE ASYMMETRIC KEY PAIR ---


@EVERY_KIND
def test_generate_each_kind(algorithm: KeyAlgorithm) -> None:
    hand = Hand()
    hand.manage()
    public = generate(hand, "82", algorithm)
    private = key_in(hand, "82").pop("private")
    assert isinstance(private, bytes)
    assert load_der_private_key(private, None).public_key() == public
    hand.image.read("piv").write({"key 82": None})
    assert hand.contents() == memory()


@pytest.mark.parametrize(
    ("slot", "policy"),
    [("9A", PIN_ONCE), ("9C", PIN_ALWAYS), ("9D", PIN_ONCE), ("9E", PIN_NEVER), ("82", PIN_ONCE), ("95", PIN_ONCE)],
)
def test_a_new_key_replaces_the_old_one_has_its_slots_policy_and_leaves_the_certificate(slot: str, policy: int) -> None:
    certificates = {"9A": "5FC105", "9C": "5FC10A", "9D": "5FC10B", "9E": "5FC101", "82": "5FC10D", "95": "5FC120"}
    certificate = f"object {certificates[slot]}"
    hand = Hand({certificate: b"old"})
    hand.manage()
    first, second = (generate(hand, slot, KeyAlgorithm.P_256) for _ in range(2))
    assert first != second
    key = key_in(hand, slot)
    assert (key["pin_policy"], key["origin"], hand.section[certificate]) == (policy, 1, b"old")


def test_the_policy_that_the_host_wishes() -> None:
    hand = Hand()
    hand.manage()
    for policy, kept in (("00", PIN_ALWAYS), ("01", PIN_NEVER), ("02", PIN_ONCE), ("03", PIN_ALWAYS)):
        generate(hand, "9C", KeyAlgorithm.P_256, f"AA01{policy}AB0101")
        assert key_in(hand, "9C")["pin_policy"] == kept
    generate(hand, "9C", KeyAlgorithm.P_256, "AB0100 8103010001")
    assert key_in(hand, "9C")["pin_policy"] == PIN_ALWAYS


@pytest.mark.parametrize(
    ("parameters", "data", "sw"),
    [
        ("009B", "AC03800111", 0x6A86),
        ("0080", "AC03800111", 0x6A86),
        ("0096", "AC03800111", 0x6A86),
        ("019A", "AC03800111", 0x6A86),
        ("009A", "", 0x6A80),
        ("009A", "AC00", 0x6A80),
        ("009A", "AC038001", 0x6A80),
        ("009A", "AD03800111", 0x6A80),
        ("009A", "800111", 0x6A80),
        ("009A", "AC03800106", 0x6A80),  # RSA 1024
        ("009A", "AC03800103", 0x6A80),
        ("009A", "AC038001FF", 0x6A80),
        ("009A", "AC0480020011", 0x6A80),
        ("009A", "AC028000", 0x6A80),
        ("009A", "AC06800111800114", 0x6A80),
        ("009A", "AC06800111820101", 0x6A80),
        ("009A", "AC06800111AA0104", 0x6A80),  # fingerprints
        ("009A", "AC07800111AA020001", 0x6A80),
        ("009A", "AC05800111AA00", 0x6A80),
        ("009A", "AC06800111AB0102", 0x6A80),  # there is nothing to touch
        ("009A", "AC06800111AB0103", 0x6A80),
        ("009A", "AC06800107810103", 0x6A80),  # exponent 3
        ("009A", "AC03800111AC03800111", 0x6A80),
    ],
)
def test_wishes_that_cannot_be_met_change_nothing(parameters: str, data: str, sw: int) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw(f"0047{parameters}", data) == sw
    assert hand.contents() == memory()


def test_without_extensions_keys_have_no_wishes_and_there_is_no_attestation_key() -> None:
    hand = Hand({"extensions": False})
    hand.manage()
    before = hand.contents()
    assert hand.sw("0047009A", "AC06800111AA0102") == 0x6A80
    assert hand.sw("0047009A", "AC06800111AB0100") == 0x6A80
    assert hand.sw("004700F9", "AC03800111") == 0x6A86
    assert hand.contents() == before
    assert hand.sw("0047009A", "AC03800111") == 0x9000


@pytest.mark.parametrize(
    "command",
    [
        "0047009A05AC0380011100",
        "00FE119E22 0620" + "11" * 32,
        "00F69582",
        "00F6FF9A",
        "00FFFFFF1B039B18" + "11" * 24,
        "00FA0505",
    ],
)
def test_what_wants_the_management_key(command: str) -> None:
    hand = Hand({"key 82": stored(KeyAlgorithm.P_256, PIN_ONCE)})
    before = hand.contents()
    hand.talk(f"{VERIFY} > 9000 \n {command} > 6982")
    assert hand.contents() == before


# --- import ---


def parts_of(algorithm: KeyAlgorithm) -> bytes:
    """A key in the parts that hosts send."""
    key = private_key(algorithm)
    if algorithm.is_rsa:
        numbers, half = key.private_numbers(), key.key_size // 16
        values = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        return b"".join(tlv(f"0{tag}", value.to_bytes(half)) for tag, value in enumerate(values, 1))
    if algorithm.is_nist_curve:
        return tlv("06", key.private_numbers().private_value.to_bytes(key.key_size // 8))
    return tlv("07" if algorithm is KeyAlgorithm.ED25519 else "08", key.private_bytes_raw())


@EVERY_KIND
def test_import_each_kind(algorithm: KeyAlgorithm) -> None:
    hand = Hand()
    hand.manage()
    head = f"00FE{ALGORITHM_BYTES[algorithm]:02X}83"
    assert hand.send(head, parts_of(algorithm)) == (b"", 0x9000)
    data, sw = hand.send("00F70083")
    metadata = elements(data)
    assert (sw, metadata[0x02], metadata[0x03]) == (0x9000, bytes((PIN_ONCE, 1)), b"\2")
    assert public_key(metadata[0x04], algorithm) == private_key(algorithm).public_key()
    assert hand.sw(head, parts_of(algorithm) + bytes.fromhex("AA0101AB0101")) == 0x9000
    assert key_in(hand, "83")["pin_policy"] == PIN_NEVER


def changed(at: int, value: bytes | None) -> bytes:
    """An RSA key with one part replaced, or left out."""
    parts = list(codec.parse(parts_of(KeyAlgorithm.RSA_2048)))
    if value is None:
        del parts[at]
    else:
        parts[at] = codec.Tlv(parts[at].tag, value)
    return b"".join(part.encode() for part in parts)


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize(
    "value", [None, b"", bytes(128), bytes(127) + b"\1", b"\xff" * 128, b"\x55" * 128, bytes(129), b"\xc1" * 127]
)
def test_rsa_parts_that_are_no_key(at: int, value: bytes | None) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw("00FE079A", changed(at, value)) == 0x6A80
    assert hand.contents() == memory()


def test_an_rsa_key_of_one_prime_or_of_none() -> None:
    """All parts fit together; only what they should be made of is wrong."""
    hand = Hand()
    hand.manage()
    numbers = private_key(KeyAlgorithm.RSA_2048).private_numbers()
    composite = next(number for number in range(numbers.p - 2, 0, -2) if number % 3 == 0)
    for p, q in ((numbers.p, numbers.p), (composite, numbers.q)):
        values = (p, q, pow(65537, -1, p - 1), pow(65537, -1, q - 1), pow(q, -1, p) if p != q else 1)
        data = b"".join(tlv(f"0{tag}", value.to_bytes(128)) for tag, value in enumerate(values, 1))
        assert hand.sw("00FE079A", data) == 0x6A80
    assert hand.contents() == memory()


P_256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize(
    ("parameters", "data", "sw"),
    [
        ("119A", tlv("06", bytes(32)), 0x6A80),
        ("119A", tlv("06", P_256_ORDER.to_bytes(32)), 0x6A80),
        ("119A", tlv("06", b"\xff" * 32), 0x6A80),
        ("119A", tlv("06", bytes(30) + b"\1"), 0x6A80),
        ("119A", tlv("06", bytes(32) + b"\1"), 0x6A80),
        ("149A", tlv("06", bytes(31) + b"\1"), 0x6A80),
        ("119A", tlv("07", bytes(31) + b"\1"), 0x6A80),
        ("119A", tlv("06", bytes(31) + b"\1") * 2, 0x6A80),
        ("119A", tlv("06", bytes(31) + b"\1") + tlv("01", b"\1"), 0x6A80),
        ("119A", tlv("06", bytes(31) + b"\1") + tlv("AA", b"\4"), 0x6A80),
        ("119A", tlv("06", bytes(31) + b"\1") + tlv("AB", b"\2"), 0x6A80),
        ("119A", b"", 0x6A80),
        ("119A", b"\6\x20", 0x6A80),
        ("E09A", tlv("07", bytes(31)), 0x6A80),
        ("E09A", tlv("08", bytes(32)), 0x6A80),
        ("E19A", tlv("08", bytes(33)), 0x6A80),
        ("E19A", tlv("07", bytes(32)), 0x6A80),
        ("069A", b"", 0x6A86),
        ("039A", b"", 0x6A86),
        ("FF9A", b"", 0x6A86),
        ("119B", tlv("06", bytes(31) + b"\1"), 0x6A86),
        ("1180", tlv("06", bytes(31) + b"\1"), 0x6A86),
    ],
)
def test_keys_that_are_none_are_not_imported(parameters: str, data: bytes, sw: int) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw(f"00FE{parameters}", data) == sw
    assert hand.contents() == memory()


def test_the_scalars_at_the_ends_are_keys() -> None:
    hand = Hand()
    hand.manage()
    for scalar in (1, P_256_ORDER - 1):
        assert hand.sw("00FE119A", tlv("06", scalar.to_bytes(32))) == 0x9000


# --- version, serial, metadata ---


def test_version_and_serial() -> None:
    hand = Hand()
    hand.talk("00FD000000 > 050700 9000 \n 00F8000000 > 00A1B2C3 9000")
    hand.talk("00FD0000 > 6103 \n 00C00000 > 050700 9000")  # as yubikit asks in extended format
    for command, sw in (("00FD000100", "6A86"), ("00F8010000", "6A86"), ("00FD000001AA", "6700")):
        hand.talk(f"{command} > {sw}")


def test_metadata_of_pin_puk_and_management_key() -> None:
    hand = Hand()
    hand.talk(
        f"""
        00F7008000 > 0101FF 050101 06020303 9000
        00F7008100 > 0101FF 050101 06020303 9000
        00F7009B00 > 010103 02020001 050101 9000
        {WRONG_PIN} > 63C2
        0024008110 4142434445464748 4142434445464748 > 63C2
        00F7008000 > 0101FF 050101 06020302 9000
        00F7008100 > 0101FF 050101 06020302 9000
        0024008010 313233343536FFFF 363534333231FFFF > 9000
        0024008110 3132333435363738 4142434445464748 > 9000
        00F7008000 > 0101FF 050100 06020303 9000
        00F7008100 > 0101FF 050100 06020303 9000
        """
    )
    Hand({"management_algorithm": 0x0A}).talk("00F7009B00 > 01010A 02020001 050100 9000")
    Hand({"management_key": bytes(24)}).talk("00F7009B00 > 010103 02020001 050100 9000")


@EVERY_KIND
def test_metadata_of_keys(algorithm: KeyAlgorithm) -> None:
    hand = Hand({"key 9D": stored(algorithm, PIN_ALWAYS, origin=2)})
    data, sw = hand.send("00F7009D")
    metadata = elements(data)
    assert (sw, set(metadata)) == (0x9000, {1, 2, 3, 4})
    assert (metadata[1], metadata[2], metadata[3]) == (bytes((ALGORITHM_BYTES[algorithm],)), b"\3\1", b"\2")
    assert public_key(metadata[4], algorithm) == private_key(algorithm).public_key()


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("00F7008200", "6A88"),
        ("00F700F900", "6A88"),
        ("00F7009600", "6A88"),
        ("00F7000000", "6A88"),
        ("00F7019A00", "6A86"),
        ("00F7009A01AA", "6700"),
    ],
)
def test_metadata_of_what_is_not_there(command: str, sw: str) -> None:
    Hand().talk(f"{command} > {sw}")


# --- moving and deleting ---


def test_move_and_delete() -> None:
    hand = Hand({"object 5FC105": b"certificate"})
    hand.manage()
    key = key_in(hand, "9A")
    hand.talk("00F6829A > 9000 \n 00F7009A00 > 6A88")
    assert key_in(hand, "82") == key
    assert hand.section["object 5FC105"] == b"certificate"
    hand.talk("00F6FF82 > 9000 \n 00F7008200 > 6A88 \n 00F6FF82 > 6A88 \n 00F69A82 > 6A88")


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("00F69C9A", "6985"),  # there is a key already
        ("00F69A9A", "6A86"),
        ("00F6F99A", "6A86"),
        ("00F69BF9", "6A86"),
        ("00F695F9", "6A86"),
        ("00F6809A", "6A86"),
        ("00F69500", "6A86"),
        ("00F6959A01AA", "6700"),
    ],
)
def test_moves_that_are_refused(command: str, sw: str) -> None:
    hand = Hand({"key F9": stored(KeyAlgorithm.P_256, PIN_NEVER)})
    hand.manage()
    before = hand.contents()
    hand.talk(f"{command} > {sw}")
    assert hand.contents() == before


# --- management key ---


@pytest.mark.parametrize(("algorithm", "length"), [(0x03, 24), (0x08, 16), (0x0A, 24), (0x0C, 32)])
def test_set_management_key(algorithm: int, length: int) -> None:
    hand = Hand()
    hand.manage()
    key = bytes(range(length))
    assert hand.sw("00FFFFFF", bytes((algorithm, 0x9B, length)) + key) == 0x9000
    assert hand.contents() == {**memory(), "management_algorithm": algorithm, "management_key": key}
    assert hand.sw("00FFFFFF", bytes((0x03, 0x9B, 24)) + MANAGEMENT_KEY) == 0x9000  # still authenticated


@pytest.mark.parametrize(
    ("parameters", "data", "sw"),
    [
        ("FFFE", "089B10" + "11" * 16, 0x6A86),  # after a touch only
        ("00FF", "089B10" + "11" * 16, 0x6A86),
        ("FFFF", "", 0x6A80),
        ("FFFF", "08", 0x6A80),
        ("FFFF", "089B", 0x6A80),
        ("FFFF", "089B00", 0x6A80),
        ("FFFF", "089B0F" + "11" * 15, 0x6A80),
        ("FFFF", "089B11" + "11" * 17, 0x6A80),
        ("FFFF", "089B10" + "11" * 15, 0x6A80),
        ("FFFF", "089B0F" + "11" * 16, 0x6A80),
        ("FFFF", "0C9B18" + "11" * 24, 0x6A80),
        ("FFFF", "039B10" + "11" * 16, 0x6A80),
        ("FFFF", "009B18" + "11" * 24, 0x6A80),
        ("FFFF", "079B10" + "11" * 16, 0x6A80),
        ("FFFF", "089A10" + "11" * 16, 0x6A80),
    ],
)
def test_management_keys_that_do_not_fit(parameters: str, data: str, sw: int) -> None:
    hand = Hand()
    hand.manage()
    assert hand.sw(f"00FF{parameters}", data) == sw
    assert hand.contents() == memory()


# --- retries and reset ---


def test_set_retries() -> None:
    hand = Hand({"pin": b"654321\xff\xff", "puk": b"ABCDEFGH"})
    hand.manage()
    hand.talk(f"00FA050F > 6982 \n 0020008008363534333231FFFF > 9000 \n 00FA050F > 9000 \n {PIN_STATE} > 63C5")
    tries = {"pin_tries": 5, "pin_tries_max": 5, "puk_tries": 15, "puk_tries_max": 15}
    assert hand.contents() == {**memory(), **tries}


@pytest.mark.parametrize(
    ("command", "sw"), [("00FA0005", "6A86"), ("00FA0500", "6A86"), ("00FA1005", "6A86"), ("00FA050501AA", "6700")]
)
def test_numbers_of_retries_that_do_not_fit(command: str, sw: str) -> None:
    hand = Hand()
    hand.manage()
    hand.talk(f"{VERIFY} > 9000 \n {command} > {sw}")
    assert hand.contents() == memory()


@pytest.mark.parametrize(("pin_tries", "puk_tries"), [(1, 0), (0, 1), (3, 3)])
def test_no_reset_while_there_is_a_try(pin_tries: int, puk_tries: int) -> None:
    hand = Hand({"pin_tries": pin_tries, "puk_tries": puk_tries})
    hand.manage()
    before = hand.contents()
    hand.talk("00FB0000 > 6985")
    assert hand.contents() == before


def test_reset_leaves_what_belongs_to_the_card() -> None:
    kept: dict[str, Value] = {
        "key F9": stored(KeyAlgorithm.P_256, PIN_NEVER),
        "object 5FFF01": b"certificate",
        "authority": b"certificate",
        "serial": 0x11223344,
    }
    used: dict[str, Value] = {
        "pin": b"654321\xff\xff",
        "pin_tries": 0,
        "pin_tries_max": 7,
        "puk_tries": 0,
        "management_algorithm": 0x08,
        "management_key": bytes(16),
        "object 5FFF00": b"tool's own",
        "object 7E": b"discovery",
    }
    hand = Hand({**kept, **used})
    hand.talk("00FB0001 > 6A86 \n 00FB0100 > 6A86 \n 00FB000001AA > 6700 \n 00FB0000 > 9000")
    delivered = {name: value for name, value in memory().items() if not name.startswith(("key ", "object "))}
    assert hand.contents() == {**delivered, **kept}
    hand.talk(f"{PIN_STATE} > 63C3 \n {VERIFY} > 9000")
    hand.manage()


def test_reset_ends_the_authentication() -> None:
    hand = Hand({"pin_tries": 1, "puk_tries": 0})
    hand.manage()
    hand.talk(f"{WRONG_PIN} > 63C0 \n 00FB0000 > 9000")
    assert hand.sw("00DB3FFF", "5C035FC1055300") == 0x6982


# --- attestation ---


def attesting(changes: dict[str, Value], voucher: KeyAlgorithm = KeyAlgorithm.P_256) -> Hand:
    """A card with an attestation key and its certificate."""
    authority = Authority.self_signed("test authority")
    request = CertificateRequest("attestation", public_key_info(private_key(voucher).public_key()), card_serial="00A1")
    content = tlv("70", authority.issue(request)) + tlv("71", b"\0") + tlv("FE")
    return Hand({"key F9": stored(voucher, PIN_NEVER), "object 5FFF01": content, **changes})


def issuer_of(hand: Hand) -> x509.Certificate:
    content = hand.section["object 5FFF01"]
    assert isinstance(content, bytes)
    return x509.load_der_x509_certificate(elements(content)[0x70])


@EVERY_KIND
def test_attestation_of_each_kind(algorithm: KeyAlgorithm) -> None:
    hand = attesting({"key 9D": stored(algorithm, PIN_ALWAYS)})
    answer, sw = hand.send("00F99D00")
    assert sw == 0x9000
    certificate, issuer = x509.load_der_x509_certificate(answer), issuer_of(hand)
    assert certificate.public_key() == private_key(algorithm).public_key()
    certificate.verify_directly_issued_by(issuer)
    assert certificate.not_valid_before_utc == issuer.not_valid_before_utc
    assert certificate.not_valid_after_utc == issuer.not_valid_after_utc
    assert certificate.subject.rfc4514_string() == "CN=PIV attestation 9D"
    extensions = {
        each.oid.dotted_string: each.value.value
        for each in certificate.extensions
        if isinstance(each.value, x509.UnrecognizedExtension)
    }
    assert extensions == {
        "1.3.6.1.4.1.41482.3.3": bytes((5, 7, 0)),
        "1.3.6.1.4.1.41482.3.7": bytes.fromhex("020400A1B2C3"),
        "1.3.6.1.4.1.41482.3.8": bytes((PIN_ALWAYS, 1)),
    }
    again = x509.load_der_x509_certificate(hand.send("00F99D00")[0])
    assert again.serial_number != certificate.serial_number
    assert 0 < certificate.serial_number < 1 << 127


@pytest.mark.parametrize("voucher", [KeyAlgorithm.P_384, KeyAlgorithm.ED25519, KeyAlgorithm.RSA_2048])
def test_attestation_by_each_kind(voucher: KeyAlgorithm) -> None:
    hand = attesting({}, voucher)
    answer, sw = hand.send("00F99A00")
    assert sw == 0x9000
    x509.load_der_x509_certificate(answer).verify_directly_issued_by(issuer_of(hand))


def test_attestation_is_of_keys_made_on_the_card() -> None:
    hand = attesting({"key 82": stored(KeyAlgorithm.P_256, PIN_ONCE, origin=2)})
    hand.talk("00F98200 > 6A80 \n 00F98300 > 6A88 \n 00F9F900 > 6A86 \n 00F99B00 > 6A86 \n 00F99A01 > 6A86")
    hand.talk("00F99A0001AA > 6700")


@pytest.mark.parametrize(
    "changes",
    [
        {"key F9": None},
        {"object 5FFF01": None},
        {"object 5FFF01": b"\x70\x01\x30\x71\x01\x00\xfe\x00"},
        {"object 5FFF01": b"\x70"},
        {"object 5FFF01": b""},
        {"key F9": "another"},
        {"key F9": "cannot sign"},
    ],
)
def test_no_attestation_without_a_key_and_its_certificate(changes: dict[str, Value]) -> None:
    hand = attesting({})
    replaced: dict[str, Value] = {
        "another": stored(KeyAlgorithm.P_384, PIN_NEVER),
        "cannot sign": stored(KeyAlgorithm.X25519, PIN_NEVER),
    }
    hand.section.write({name: replaced[value] if isinstance(value, str) else value for name, value in changes.items()})
    assert hand.sw("00F99A00") == 0x6A88


def test_the_attestation_key_is_replaced_like_any_other_and_signs_nothing_else() -> None:
    hand = attesting({})
    hand.manage()
    generate(hand, "F9", KeyAlgorithm.P_256)
    assert hand.sw("00F99A00") == 0x6A88  # the certificate is not this key's
    assert hand.sw("008711F9", template("82", b"", "81", bytes(32))) == 0x6A86
    assert hand.sw("00FE11F9", tlv("06", bytes(31) + b"\1")) == 0x9000
    hand.talk("00F6FFF9 > 9000 \n 00F700F900 > 6A88")


# --- keys stay where they are ---


def test_no_command_gives_a_private_key_away() -> None:
    """All instructions, with parameters and data that name the key: no part of it is in any answer."""
    hand = attesting(
        {"key 9E": stored(KeyAlgorithm.P_256, PIN_NEVER), "key 9A": stored(KeyAlgorithm.ED25519, PIN_ONCE)}
    )
    secrets = [
        private_key(KeyAlgorithm.P_256).private_numbers().private_value.to_bytes(32),
        private_key(KeyAlgorithm.ED25519).private_bytes_raw(),
        MANAGEMENT_KEY,
        b"123456\xff\xff",
        b"12345678",
    ]
    hand.manage()
    hand.talk(f"{VERIFY} > 9000")
    answers = b""
    for ins in set(range(256)) - {0xFB, 0xFA, 0xFF, 0xFE, 0x47, 0x24, 0x2C, 0xF6, 0xA4, 0x70}:
        for parameters in (
            "0000",
            "009A",
            "119A",
            "E09A",
            "009E",
            "119E",
            "9E00",
            "9A00",
            "009B",
            "039B",
            "0080",
            "3FFF",
        ):
            for data in ("", "7C028100", "7C028000", "7C0782008103010203", "5C017E", "5C035FC102"):
                answers += hand.send(f"00{ins:02X}{parameters}", data)[0]
    assert len(answers) > 1000
    assert not [secret for secret in secrets if secret in answers]
