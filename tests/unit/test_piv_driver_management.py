"""The management key: the card proves itself too, whatever it calls its algorithm."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cardapps.piv.driver_management import ManagementCommands
from cardapps.piv.layout import DEFAULT_MANAGEMENT_KEY, MANAGEMENT_KEY_LENS, AlgorithmId
from ecitizen.errors import (
    DecodeError,
    KeyIncorrect,
    NotSupported,
    SecurityStatusNotSatisfied,
    StatusError,
    UsageError,
)
from ecitizen.secret import KeyBytes
from tests.unit.piv_scripts import ascending, playing

NO_METADATA = "> 00 F7 00 9B 00\n< 6D 00\n"
DEFAULT = KeyBytes(DEFAULT_MANAGEMENT_KEY)
TRIPLE_DES = "03"


def ask(algorithm: str) -> str:
    return f"> 00 87 {algorithm} 9B 04 7C 02 80 00 00\n"


def enciphered(key: bytes, block: bytes, *, triple: bool) -> str:
    cipher = Cipher(TripleDES(key) if triple else algorithms.AES(key), modes.ECB())
    return cipher.encryptor().update(block).hex()


def whole(key: bytes, algorithm: str, *, triple: bool = False) -> str:
    """Mutual authentication as SP 800-73-5 part 2, appendix A.1 has it; our challenge is 00 01 02 and so on."""
    size = 8 if triple else 16
    witness = b"\xa5" * size
    answer = enciphered(key, ascending(size), triple=triple)
    return (
        f"{ask(algorithm)}"
        f"< 7C {size + 2:02X} 80 {size:02X} {enciphered(key, witness, triple=triple)} 90 00\n"
        f"> 00 87 {algorithm} 9B {2 * size + 6:02X} 7C {2 * size + 4:02X} 80 {size:02X} {witness.hex()}"
        f" 81 {size:02X} {ascending(size).hex()} 00\n"
        f"< 7C {size + 2:02X} 82 {size:02X} {answer} 90 00"
    )


def test_triple_des_as_the_standard_shows_it() -> None:
    with playing(NO_METADATA + whole(DEFAULT_MANAGEMENT_KEY, TRIPLE_DES, triple=True)) as piv:
        piv.authenticate_management(DEFAULT)


@pytest.mark.parametrize("refusal", ["6A 86", "6A 80", "6A 88"])
def test_cards_that_call_triple_des_00(refusal: str) -> None:
    script = NO_METADATA + ask("03") + f"< {refusal}\n" + whole(DEFAULT_MANAGEMENT_KEY, "00", triple=True)
    with playing(script) as piv:
        piv.authenticate_management(DEFAULT)


def test_the_kind_follows_from_the_length_and_what_the_card_takes() -> None:
    for length, algorithm in ((16, "08"), (32, "0C")):
        with playing(NO_METADATA + whole(bytes(length), algorithm)) as piv:
            piv.authenticate_management(KeyBytes(bytes(length)))
    script = NO_METADATA + ask("03") + "< 6A 86\n" + ask("00") + "< 6A 86\n" + whole(bytes(24), "0A")
    with playing(script) as piv:
        piv.authenticate_management(KeyBytes(bytes(24)))


def test_the_kind_follows_from_what_the_card_listed() -> None:
    with playing(NO_METADATA + whole(bytes(24), "0A"), algorithms=frozenset({0x0A, 0x07})) as piv:
        assert piv.management_algorithm() is AlgorithmId.AES_192
        piv.authenticate_management(KeyBytes(bytes(24)))


def test_the_kind_follows_from_metadata() -> None:
    script = "> 00 F7 00 9B 00\n< 01 01 0A 02 02 00 01 05 01 00 90 00\n" + whole(bytes(24), "0A")
    with playing(script) as piv:
        piv.authenticate_management(KeyBytes(bytes(24)))
    with playing("> 00 F7 00 9B 00\n< 01 01 0C 90 00\n" * 2) as piv:
        assert piv.management_algorithm() is AlgorithmId.AES_256
        with pytest.raises(UsageError, match="one of 24 bytes"):
            piv.authenticate_management(DEFAULT)


@pytest.mark.parametrize("answer", ["01 01 00", "05 01 01", "01 01 77", "01 01 11", ""])
def test_metadata_that_tell_nothing_useful(answer: str) -> None:
    with playing(f"> 00 F7 00 9B 00\n< {answer} 90 00") as piv:
        kind = piv.management_algorithm()
    assert kind is (AlgorithmId.TRIPLE_DES_DEFAULT if answer == "01 01 00" else AlgorithmId.TRIPLE_DES)


def test_the_caller_knows_the_kind() -> None:
    with playing(whole(bytes(24), "0A")) as piv:
        piv.authenticate_management(KeyBytes(bytes(24)), AlgorithmId.AES_192)


@pytest.mark.parametrize(
    ("length", "algorithm"), [(0, None), (23, None), (33, None), (16, 0x0C), (32, 0x11), (0, 0x11)]
)
def test_impossible_keys_are_not_tried(length: int, algorithm: int | None) -> None:
    script = "" if algorithm else NO_METADATA
    with playing(script) as piv, pytest.raises(UsageError):
        piv.authenticate_management(KeyBytes(bytes(length)), AlgorithmId(algorithm) if algorithm else None)


def test_a_card_without_a_key_of_this_kind() -> None:
    with (
        playing(ask("0C") + "< 6A 86") as piv,
        pytest.raises(NotSupported, match="no management key of this kind"),
    ):
        piv.authenticate_management(KeyBytes(bytes(32)), AlgorithmId.AES_256)


def test_a_card_that_refuses_to_begin() -> None:
    with playing(ask("0C") + "< 69 82") as piv, pytest.raises(SecurityStatusNotSatisfied):
        piv.authenticate_management(KeyBytes(bytes(32)), AlgorithmId.AES_256)


@pytest.mark.parametrize("answer", ["69 82", "63 00", "63 C2", "69 83", "6A 80", "69 85"])
def test_a_wrong_key(answer: str) -> None:
    right = whole(DEFAULT_MANAGEMENT_KEY, TRIPLE_DES, triple=True)
    script = right.rsplit("\n", 1)[0] + f"\n< {answer}"
    with playing(script) as piv, pytest.raises(KeyIncorrect, match="not this card's key") as error:
        piv.authenticate_management(DEFAULT, AlgorithmId.TRIPLE_DES)
    assert error.value.sw == int(answer.replace(" ", ""), 16)


def test_a_card_that_fails_amid_authentication() -> None:
    right = whole(DEFAULT_MANAGEMENT_KEY, TRIPLE_DES, triple=True)
    with playing(right.rsplit("\n", 1)[0] + "\n< 65 81") as piv, pytest.raises(StatusError, match="6581") as error:
        piv.authenticate_management(DEFAULT, AlgorithmId.TRIPLE_DES)
    assert not isinstance(error.value, KeyIncorrect)


@pytest.mark.parametrize("answer", ["00" * 8, "0001020304050607", "", "00"])
def test_a_false_card_does_not_pass(answer: str) -> None:
    """It can take any witness for right, but not encipher our challenge; echoing it is no use either."""
    right = whole(DEFAULT_MANAGEMENT_KEY, TRIPLE_DES, triple=True)
    size = len(answer) // 2
    script = right.rsplit("\n", 1)[0] + f"\n< 7C {size + 2:02X} 82 {size:02X} {answer} 90 00"
    with playing(script) as piv, pytest.raises(KeyIncorrect, match="does not have this key itself"):
        piv.authenticate_management(DEFAULT, AlgorithmId.TRIPLE_DES)


@pytest.mark.parametrize(
    "answer",
    [
        "7C 06 80 04 01 02 03 04",
        "7C 12 80 10 00*16",
        "7C 02 80 00",
        "7C 00",
        "7C 0A 81 08 00*8",
        "80 08 00*8",
        "7C 0A 80 08 00*4",
        "",
    ],
)
def test_nonsense_for_a_witness(answer: str) -> None:
    with playing(ask("03") + f"< {answer} 90 00") as piv, pytest.raises(DecodeError):
        piv.authenticate_management(DEFAULT, AlgorithmId.TRIPLE_DES)


@pytest.mark.parametrize(("algorithm", "length"), MANAGEMENT_KEY_LENS.items())
def test_replacement(algorithm: AlgorithmId, length: int) -> None:
    command = f"> 00 FF FF FF {length + 3:02X} {algorithm:02X} 9B {length:02X} 2A*{length}\n"
    with playing(command + "< 90 00") as piv:
        piv.set_management_key(KeyBytes(b"*" * length), algorithm)
    with playing(command + "< 69 82") as piv, pytest.raises(SecurityStatusNotSatisfied):
        piv.set_management_key(KeyBytes(b"*" * length), algorithm)
    with playing(command + "< 6D 00") as piv, pytest.raises(NotSupported):
        piv.set_management_key(KeyBytes(b"*" * length), algorithm)
    with playing("") as piv, pytest.raises(UsageError):
        piv.set_management_key(KeyBytes(b"*" * (length - 1)), algorithm)


def test_metadata_of_the_management_key() -> None:
    with playing("> 00 F7 00 9B 00\n< 01 01 03 02 02 00 01 05 01 01 90 00") as piv:
        metadata = piv.management_metadata()
    assert metadata is not None
    assert (metadata.algorithm, metadata.is_default) == (AlgorithmId.TRIPLE_DES, True)
    assert issubclass(type(piv), ManagementCommands)
