"""Keys in slots: made, imported, moved, described, used on blocks."""

from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from cardapps.piv.driver import KeyMetadata, PivSession
from cardapps.piv.layout import FIELD_LENS, KEY_ALGORITHM_IDS, AlgorithmId, Origin, PinPolicy, Slot, TouchPolicy
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import DecodeError, NotSupported, SecurityStatusNotSatisfied, StatusError, UsageError
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.secret import KeyBytes
from pki import keys
from pki.errors import Malformed
from tests.unit.piv_scripts import playing

P_256_KEY = keys.generate_key(KeyAlgorithm.P_256)
P_256 = keys.public_key_info(P_256_KEY)
POINT = P_256[-65:].hex()
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()
NO_METADATA = "> 00 F7 00 9A 00\n< 6D 00\n"
GENERATE_P_256 = "> 00 47 00 9A 05 AC 03 80 01 11 00\n"
GENERATED = f"< 7F 49 43 86 41 {POINT} 90 00\n"


@cache
def key_of(algorithm: KeyAlgorithm) -> keys.PrivateKey:
    return keys.generate_key(algorithm)


@pytest.mark.parametrize(
    ("answer", "metadata"),
    [
        pytest.param(
            f"01 01 11 02 02 02 01 03 01 01 04 43 86 41 {POINT}",
            KeyMetadata(AlgorithmId.P_256, PinPolicy.ONCE, TouchPolicy.NEVER, Origin.GENERATED, P_256),
            id="all-of-it",
        ),
        pytest.param("01 01 11", KeyMetadata(AlgorithmId.P_256), id="one-tag"),
        pytest.param("01 01 06 03 01 02", KeyMetadata(6, origin=Origin.IMPORTED), id="unknown-algorithm"),
        pytest.param("01 01 00 02 01 03", KeyMetadata(AlgorithmId(0), PinPolicy.ALWAYS), id="half-of-the-policies"),
        pytest.param("02 02 09 09 03 01 09 05 01 01", KeyMetadata(is_default=True), id="later-values"),
        pytest.param("01 00 02 00 03 00 04 00 05 00 99 01 00", KeyMetadata(), id="empty-values"),
        pytest.param(f"04 43 86 41 {POINT}", KeyMetadata(), id="a-public-key-of-no-kind"),
    ],
)
def test_metadata(answer: str, metadata: KeyMetadata) -> None:
    with playing(f"> 00 F7 00 9A 00\n< {answer} 90 00") as piv:
        assert piv.metadata(Slot.AUTHENTICATION) == metadata


@pytest.mark.parametrize("sw", ["6A 88", "6A 80", "69 85", "6A 82", "6A 86"])
def test_no_key_is_no_metadata(sw: str) -> None:
    with playing(f"> 00 F7 00 9A 00\n< {sw}\n> 00 F7 00 9C 00\n< {sw}") as piv:
        assert piv.metadata(Slot.AUTHENTICATION) is None
        assert piv.metadata(Slot.SIGNATURE) is None


@pytest.mark.parametrize("sw", ["6D 00", "6E 00", "6A 81", "68 00"])
def test_a_card_without_metadata_is_asked_once(sw: str) -> None:
    with playing(f"> 00 F7 00 9A 00\n< {sw}") as piv:
        assert piv.metadata(Slot.AUTHENTICATION) is None
        assert piv.metadata(Slot.SIGNATURE) is None


@pytest.mark.parametrize(
    "answer", ["01 05 11", "01 01 11 04 05 86 03 04 01 02", "01 01 E0 04 03 86 01 00", "01 01 07 04 02 81 00"]
)
def test_damaged_metadata(answer: str) -> None:
    with playing(f"> 00 F7 00 9A 00\n< {answer} 90 00") as piv, pytest.raises(DecodeError):
        piv.metadata(Slot.AUTHENTICATION)


def test_generation() -> None:
    with playing(GENERATE_P_256 + GENERATED) as piv:
        assert piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256) == P_256
        assert piv.public_key(Slot.AUTHENTICATION) == P_256  # no metadata, no certificate: it is remembered
    with playing(f"> 00 47 00 9A 08 AC 06 80 01 11 AA 01 03 00\n{GENERATED}") as piv:
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256, pin_policy=PinPolicy.ALWAYS)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
@pytest.mark.parametrize("protocol", CardProtocol)
def test_public_keys_of_every_kind(algorithm: KeyAlgorithm, protocol: CardProtocol) -> None:
    key = key_of(algorithm)
    spki = keys.public_key_info(key)
    answer = tlv.encode(0x7F49, card_form(key)) + b"\x90\x00"
    le = " 00" if protocol is CardProtocol.T1 else ""
    script = f"> 00 47 00 9A 05 AC 03 80 01 {KEY_ALGORITHM_IDS[algorithm]:02X}{le}\n"
    data = answer[:-2]
    if le:
        script += f"< {data[:256].hex()} {'90 00' if len(data) <= 256 else '61 00'}\n"
        data = data[256:]
    else:
        script += "< 61 00\n"
    while data:
        script += f"> 00 C0 00 00 00\n< {data[:256].hex()} {'90 00' if len(data) <= 256 else '61 00'}\n"
        data = data[256:]
    with playing(script, protocol) as piv:
        assert piv.generate_key(Slot.AUTHENTICATION, algorithm) == spki


def card_form(key: keys.PrivateKey) -> bytes:
    """The public key as SP 800-73-5 part 2, table 11 has it."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        modulus = numbers.n.to_bytes(key.key_size // 8, "big")
        return tlv.encode(0x81, modulus) + tlv.encode(0x82, numbers.e.to_bytes(3, "big"))
    algorithm = keys.key_algorithm(key)
    size = FIELD_LENS[KEY_ALGORITHM_IDS[algorithm]]
    return tlv.encode(0x86, keys.public_key_info(key)[-(2 * size + 1 if algorithm.is_nist_curve else size) :])


@pytest.mark.parametrize(
    "answer",
    [
        "7F 49 02 86 00",
        "7F 49 43 86 41 04 11*64",
        f"7F 49 43 81 41 {POINT}",
        f"7F 49 44 86 41 {POINT}",
        "7F 49 00",
        f"86 41 {POINT}",
        "",
    ],
)
def test_nonsense_for_a_public_key(answer: str) -> None:
    with playing(f"{GENERATE_P_256}< {answer} 90 00") as piv, pytest.raises(DecodeError):
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)


def test_an_rsa_key_of_another_size_than_was_asked_for() -> None:
    small = "7F 49 81 88 81 81 80 80 00*126 01 82 03 01 00 01"
    with playing(f"> 00 47 00 9A 05 AC 03 80 01 07 00\n< {small} 90 00") as piv, pytest.raises(DecodeError):
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.RSA_2048)


@pytest.mark.parametrize("sw", ["6A 80", "6A 86", "6A 81"])
def test_kinds_of_keys_that_the_card_can_t_make(sw: str) -> None:
    with playing(f"{GENERATE_P_256}< {sw}") as piv, pytest.raises(NotSupported, match="does not take p256 there"):
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)


def test_generation_without_the_management_key() -> None:
    with playing(f"{GENERATE_P_256}< 69 82") as piv, pytest.raises(SecurityStatusNotSatisfied):
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)


def test_nothing_is_believed_of_a_slot_whose_key_may_have_changed() -> None:
    script = (
        f"{GENERATE_P_256}{GENERATED}{GENERATE_P_256}< 65 81\n{NO_METADATA}> 00 CB 3F FF 05 5C 03 5F C1 05 00\n< 6A 82"
    )
    with playing(script) as piv:
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)
        with pytest.raises(StatusError):
            piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)
        assert piv.public_key(Slot.AUTHENTICATION) is None


def test_the_public_key_comes_from_metadata_or_the_certificate() -> None:
    with playing(f"> 00 F7 00 9A 00\n< 01 01 11 04 43 86 41 {POINT} 90 00") as piv:
        assert piv.public_key(Slot.AUTHENTICATION) == P_256
    certificate = made_certificate()
    content = tlv.encode(0x53, tlv.encode(0x70, certificate))
    assert len(content) <= 256
    with playing(f"{NO_METADATA}> 00 CB 3F FF 05 5C 03 5F C1 05 00\n< {content.hex()} 90 00") as piv:
        assert piv.public_key(Slot.AUTHENTICATION) == keys.public_key_info(ED25519_KEY)
    with (
        playing(f"{NO_METADATA}> 00 CB 3F FF 05 5C 03 5F C1 05 00\n< 53 04 70 02 30 00 90 00") as piv,
        pytest.raises(DecodeError, match="certificate on the card is damaged"),
    ):
        piv.public_key(Slot.AUTHENTICATION)


def made_certificate() -> bytes:
    """As short a certificate as there can be."""
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), ED25519_KEY.public_key(), 1)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2040, 1, 1, tzinfo=UTC)
    )
    return builder.sign(ED25519_KEY, None).public_bytes(Encoding.DER)


def import_data(key: keys.PrivateKey) -> bytes:
    """The data of IMPORT KEY as tokens take them (card-stack.md 2.1)."""
    size = FIELD_LENS[KEY_ALGORITHM_IDS[keys.key_algorithm(key)]]
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        parts = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        return b"".join(tlv.encode(tag, part.to_bytes(size // 2, "big")) for tag, part in enumerate(parts, 1))
    der = keys.private_key_info(key).reveal()
    match keys.key_algorithm(key):
        case KeyAlgorithm.ED25519:
            return tlv.encode(0x07, der[-32:])
        case KeyAlgorithm.X25519:
            return tlv.encode(0x08, der[-32:])
        case _:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return tlv.encode(0x06, key.private_numbers().private_value.to_bytes(size, "big"))


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_import(algorithm: KeyAlgorithm) -> None:
    key = key_of(algorithm)
    data = import_data(key)
    script = ""
    while len(data) > 255:
        script += f"> 10 FE {KEY_ALGORITHM_IDS[algorithm]:02X} 9D FF {data[:255].hex()}\n< 90 00\n"
        data = data[255:]
    script += f"> 00 FE {KEY_ALGORITHM_IDS[algorithm]:02X} 9D {len(data):02X} {data.hex()}\n< 90 00"
    with playing(script) as piv:
        assert piv.import_key(Slot.KEY_MANAGEMENT, keys.private_key_info(key)) is algorithm
        assert piv.public_key(Slot.KEY_MANAGEMENT) == keys.public_key_info(key)


def test_import_with_a_policy() -> None:
    data = import_data(P_256_KEY) + b"\xaa\x01\x01"
    with playing(f"> 00 FE 11 9D {len(data):02X} {data.hex()}\n< 90 00") as piv:
        piv.import_key(Slot.KEY_MANAGEMENT, keys.private_key_info(P_256_KEY), pin_policy=PinPolicy.NEVER)


def test_import_into_a_card_that_takes_no_keys() -> None:
    data = import_data(P_256_KEY)
    for sw in ("6D 00", "6E 00", "6A 80", "6A 86"):
        with (
            playing(f"> 00 FE 11 9D {len(data):02X} {data.hex()}\n< {sw}") as piv,
            pytest.raises(NotSupported),
        ):
            piv.import_key(Slot.KEY_MANAGEMENT, keys.private_key_info(P_256_KEY))


def test_import_of_what_cards_don_t_take() -> None:
    with playing("") as piv:
        with pytest.raises(Malformed):
            piv.import_key(Slot.KEY_MANAGEMENT, KeyBytes(b"no key"))
        unusual = rsa.generate_private_key(3, 2048)
        with pytest.raises(UsageError):
            piv.import_key(Slot.KEY_MANAGEMENT, keys.private_key_info(unusual))


def rsa_key(p: int, q: int, e: int) -> KeyBytes:
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return keys.private_key_info(numbers.private_key())


def primes(size: int) -> tuple[int, int]:
    numbers = rsa.generate_private_key(65537, size).private_numbers()
    return numbers.p, numbers.q


def test_import_of_rsa_keys_of_unusual_making() -> None:
    (long, _), (short, _) = primes(2080), primes(2016)
    with playing("") as piv:
        with pytest.raises(UsageError, match="exponent 65537"):
            piv.import_key(Slot.KEY_MANAGEMENT, rsa_key(*primes(2048), 2**17 + 29))
        with pytest.raises(UsageError, match="two primes of the same length"):
            piv.import_key(Slot.KEY_MANAGEMENT, rsa_key(long, short, 65537))


def test_moving_and_deleting() -> None:
    with playing(
        f"{GENERATE_P_256}{GENERATED}> 00 F6 82 9A\n< 90 00\n{NO_METADATA}> 00 CB 3F FF 05 5C 03 5F C1 05 00\n< 6A 82"
    ) as piv:
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)
        piv.move_key(Slot.AUTHENTICATION, Slot.RETIRED_1)
        assert piv.public_key(Slot.RETIRED_1) == P_256
        assert piv.public_key(Slot.AUTHENTICATION) is None
    with playing("> 00 F6 82 9A\n< 90 00\n> 00 F6 FF 82\n< 90 00") as piv:
        piv.move_key(Slot.AUTHENTICATION, Slot.RETIRED_1)
        piv.delete_key(Slot.RETIRED_1)
    with playing("> 00 F6 FF 82\n< 6D 00") as piv, pytest.raises(NotSupported):
        piv.delete_key(Slot.RETIRED_1)
    with playing("> 00 F6 82 9A\n< 6A 80") as piv, pytest.raises(StatusError, match="moving the key in slot 9A"):
        piv.move_key(Slot.AUTHENTICATION, Slot.RETIRED_1)


def test_attestation() -> None:
    with playing("> 00 F9 9A 00 00\n< 30 03 02 01 00 90 00") as piv:
        assert piv.attest(Slot.AUTHENTICATION) == bytes.fromhex("3003020100")
    for answer in ("30 03 02 01", "31 03 02 01 00", "30 03 02 01 00 00", ""):
        with playing(f"> 00 F9 9A 00 00\n< {answer} 90 00") as piv, pytest.raises(DecodeError):
            piv.attest(Slot.AUTHENTICATION)
    with playing("> 00 F9 9A 00 00\n< 6D 00") as piv, pytest.raises(NotSupported):
        piv.attest(Slot.AUTHENTICATION)
    for sw in ("6A 80", "6A 88"):  # an imported key, or none
        with playing(f"> 00 F9 9A 00 00\n< {sw}") as piv, pytest.raises(StatusError, match="made on this card"):
            piv.attest(Slot.AUTHENTICATION)
    with playing("> 00 F9 9A 00 00\n< 69 85") as piv, pytest.raises(StatusError, match="conditions of use"):
        piv.attest(Slot.AUTHENTICATION)


def test_general_authenticate() -> None:
    with playing("> 00 87 11 9A 08 7C 06 82 00 81 02 AB CD 00\n< 7C 04 82 02 12 34 90 00") as piv:
        assert piv.sign_block(Slot.AUTHENTICATION, AlgorithmId.P_256, b"\xab\xcd") == b"\x12\x34"
    with playing("> 00 87 11 9D 08 7C 06 82 00 85 02 04 CD 00\n< 7C 06 81 00 82 02 12 34 90 00") as piv:
        assert piv.agree_point(Slot.KEY_MANAGEMENT, AlgorithmId.P_256, b"\x04\xcd") == b"\x12\x34"
    with (
        playing("> 00 87 11 9A 08 7C 06 82 00 81 02 AB CD 00\n< 69 82") as piv,
        pytest.raises(SecurityStatusNotSatisfied),
    ):
        piv.sign_block(Slot.AUTHENTICATION, AlgorithmId.P_256, b"\xab\xcd")


@pytest.mark.parametrize(
    "answer", ["", "7C 00", "7C 03 82 02 12", "82 02 12 34", "7C 04 81 02 12 34", "7C 04 82 02 12"]
)
def test_nonsense_for_a_response(answer: str) -> None:
    script = f"> 00 87 11 9A 08 7C 06 82 00 81 02 AB CD 00\n< {answer} 90 00"
    with playing(script) as piv, pytest.raises(DecodeError):
        piv.sign_block(Slot.AUTHENTICATION, AlgorithmId.P_256, b"\xab\xcd")


def test_the_parts_make_one_session() -> None:
    names = {name for name in dir(PivSession) if not name.startswith("_")}
    assert {"verify_pin", "authenticate_management", "read_object", "generate_key", "signer", "reset"} <= names
