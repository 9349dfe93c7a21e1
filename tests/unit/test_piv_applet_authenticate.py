"""GENERAL AUTHENTICATE on the card side (SP 800-73-5 part 2, 3.2.4): the management key, and private keys at work.

What the card computes is judged by `cryptography` with the public keys, and by plain modular arithmetic.
"""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils, x25519
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cardapps.piv import applet_keys
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import Value
from tests.piv_card import (
    ALGORITHM_BYTES,
    GET_CHUID,
    MANAGEMENT_KEY,
    PIN_ALWAYS,
    PIN_NEVER,
    PIN_ONCE,
    PIN_STATE,
    SELECT,
    VERIFY,
    WRONG_PIN,
    Hand,
    encipher,
    memory,
    private_key,
    stored,
    template,
    tlv,
)

WITNESS = "7C028000"
CHALLENGE = "7C028100"
MANAGED = 0x6A82
"""What PUT DATA of an unknown object answers to who has the management key; else 6982."""


def managed(hand: Hand) -> bool:
    """Ask in a way that changes nothing."""
    sw = hand.sw("00DB3FFF", "5C035FC1045301AA")
    assert sw in {MANAGED, 0x6982}
    return sw == MANAGED


MANAGEMENT_KEYS: list[tuple[int, bytes, Callable[[bytes], Any], int]] = [
    (0x03, MANAGEMENT_KEY, TripleDES, 8),
    (0x03, bytes(range(100, 124)), TripleDES, 8),
    (0x08, bytes(range(16)), AES, 16),
    (0x0A, bytes(range(24)), AES, 16),
    (0x0C, bytes(range(32)), AES, 16),
]
KINDS = pytest.mark.parametrize(
    ("algorithm", "key", "cipher", "length"),
    MANAGEMENT_KEYS,
    ids=["3DES default", "3DES", "AES-128", "AES-192", "AES-256"],
)


def hand_with(algorithm: int, key: bytes) -> Hand:
    return Hand({"management_algorithm": algorithm, "management_key": key})


def inner(answer: bytes, tag: str) -> bytes:
    """The value in an answer of one element, which is short."""
    assert answer[:1] == b"\x7c"
    assert answer[2:3] == bytes.fromhex(tag)
    assert len(answer) == 2 + answer[1] == 4 + answer[3]
    return answer[4:]


@KINDS
def test_external_authentication(algorithm: int, key: bytes, cipher: Callable[[bytes], Any], length: int) -> None:
    hand = hand_with(algorithm, key)
    head = f"0087{algorithm:02X}9B"
    answer, sw = hand.send(head, CHALLENGE)
    challenge = inner(answer, "81")
    assert (sw, len(challenge)) == (0x9000, length)
    assert hand.send(head, template("82", encipher(cipher(key), challenge))) == (b"", 0x9000)
    assert managed(hand)


@KINDS
def test_mutual_authentication(algorithm: int, key: bytes, cipher: Callable[[bytes], Any], length: int) -> None:
    for tail in ((), ("82", b"")):
        hand = hand_with(algorithm, key)
        head = f"0087{algorithm:02X}9B"
        answer, sw = hand.send(head, WITNESS)
        witness = decipher(cipher(key), inner(answer, "80"))
        assert (sw, len(witness)) == (0x9000, length)
        mine = bytes(range(length))
        answer, sw = hand.send(head, template("80", witness, "81", mine, *tail))
        assert (sw, inner(answer, "82")) == (0x9000, encipher(cipher(key), mine))
        assert managed(hand)


def decipher(cipher: Any, block: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    decryptor = Cipher(cipher, ECB()).decryptor()
    return decryptor.update(block) + decryptor.finalize()


def test_known_values_of_the_default_key() -> None:
    """By `openssl enc -des-ede3-ecb -nopad -K 0102030405060708…` (thrice), OpenSSL 3."""
    block = bytes.fromhex("1122334455667788")
    enciphered = bytes.fromhex("6C5E94DCADD39F1D")
    hand = Hand(random_bytes=lambda count: block[:count])
    hand.talk(
        "0087039B047C02810000 > 7C0A81081122334455667788 9000 \n 0087039B0C7C0A8208" + enciphered.hex() + " > 9000"
    )
    hand.talk("0087039B047C02800000 > 7C0A8008" + enciphered.hex().upper() + " 9000")
    hand.talk(
        "0087039B167C1480081122334455667788 81081122334455667788 00 > 7C0A8208" + enciphered.hex().upper() + " 9000"
    )


def test_the_default_algorithm_is_3des() -> None:
    hand = Hand()
    answer, _ = hand.send("0087009B", CHALLENGE)
    assert hand.sw("0087039B", template("82", encipher(TripleDES(MANAGEMENT_KEY), inner(answer, "81")))) == 0x9000
    assert hand_with(0x08, bytes(16)).sw("0087009B", CHALLENGE) == 0x6A86


@pytest.mark.parametrize("p1", ["08", "0A", "0C", "07", "11", "01", "FF"])
def test_another_algorithm_than_the_keys(p1: str) -> None:
    hand = Hand()
    for data in (CHALLENGE, WITNESS, "7C0A82080000000000000000"):
        assert hand.sw(f"0087{p1}9B", data) == 0x6A86


def test_every_challenge_is_another() -> None:
    hand = Hand()
    answers = {hand.send("0087039B", form)[0] for form in (CHALLENGE, WITNESS) for _ in range(20)}
    assert len(answers) == 40


# --- what must not authenticate ---


def external(hand: Hand) -> bytes:
    """Ask for a challenge; give the right answer to it."""
    return template("82", encipher(TripleDES(MANAGEMENT_KEY), inner(hand.send("0087039B", CHALLENGE)[0], "81")))


def mutual(hand: Hand) -> bytes:
    """Ask for a witness; give the right answer to it."""
    witness = decipher(TripleDES(MANAGEMENT_KEY), inner(hand.send("0087039B", WITNESS)[0], "80"))
    return template("80", witness, "81", bytes(8))


@pytest.mark.parametrize("ask", [external, mutual])
def test_a_challenge_is_answered_once(ask: Callable[[Hand], bytes]) -> None:
    hand = Hand()
    answer = ask(hand)
    assert hand.sw("0087039B", answer) == 0x9000
    assert hand.sw("0087039B", answer) == 0x6982
    assert not managed(hand)


@pytest.mark.parametrize("ask", [external, mutual])
@pytest.mark.parametrize(
    "between",
    [
        PIN_STATE,
        VERIFY,
        WRONG_PIN,
        GET_CHUID,
        "00FD000000",
        "00CADF3000",
        "80FD000000",
        SELECT,
        "0087119A047C02820000",
        "0087039B00",
        "8087039B047C02810000",  # a class that PIV does not have
        "0087089B047C02810000",
        "0087039B047C02810000",
        "0087039B047C02800000",
        "0087039B0E7C0C8200 8108 0000000000000000",
    ],
)
def test_only_the_very_next_command_can_answer(ask: Callable[[Hand], bytes], between: str) -> None:
    hand = Hand()
    answer = ask(hand)
    hand.card.transmit(bytes.fromhex(between))
    assert hand.sw("0087039B", answer) == 0x6982
    assert not managed(hand)


def test_a_challenge_is_bound_to_its_form() -> None:
    hand = Hand()
    challenge = inner(hand.send("0087039B", CHALLENGE)[0], "81")
    assert hand.sw("0087039B", template("80", challenge, "81", bytes(8))) == 0x6982
    witness = inner(hand.send("0087039B", WITNESS)[0], "80")
    assert hand.sw("0087039B", template("82", witness)) == 0x6982
    witness = decipher(TripleDES(MANAGEMENT_KEY), inner(hand.send("0087039B", WITNESS)[0], "80"))
    assert hand.sw("0087039B", template("82", encipher(TripleDES(MANAGEMENT_KEY), witness))) == 0x6982
    assert not managed(hand)


def test_a_challenge_is_bound_to_its_key() -> None:
    """The key is replaced on another channel while the challenge waits."""
    hand = Hand()
    hand.talk(f"00700001 > 9000 \n 01{SELECT[2:]} > 9000")
    answer = inner(hand.send("0187039B", CHALLENGE)[0], "81")
    assert hand.sw("0187039B", template("82", encipher(TripleDES(MANAGEMENT_KEY), answer))) == 0x9000
    right = external(hand)
    hand.talk("01FFFFFF1B 03 9B 18 0102030405060708 0102030405060708 0102030405060709 > 9000")
    assert hand.sw("0087039B", right) == 0x6982
    assert not managed(hand)


def test_the_reflection_of_a_challenge_is_refused() -> None:
    """A host without the key asks the card to answer the card's own challenge, and shows that answer."""
    hand = Hand()
    for internal in ("81", "82 81", "81 82"):
        challenge = inner(hand.send("0087039B", CHALLENGE)[0], "81")
        reflected = [part for tag in internal.split() for part in (tag, challenge if tag == "81" else b"")]
        assert hand.send("0087039B", template(*reflected)) == (b"", 0x6A80)
        right = template("82", encipher(TripleDES(MANAGEMENT_KEY), challenge))
        assert hand.sw("0087039B", right) == 0x6982  # the challenge is gone, even for who knows the answer
        assert not managed(hand)


@pytest.mark.parametrize(
    "answer",
    [
        "7C0A82080000000000000000",
        "7C098207 00000000000000",
        "7C128210 00000000000000000000000000000000",
        "7C148008 0000000000000000 8108 0000000000000000",
    ],
)
def test_a_wrong_answer_ends_an_earlier_authentication(answer: str) -> None:
    for ask in (CHALLENGE, WITNESS, None):
        hand = Hand()
        hand.manage()
        assert managed(hand)
        if ask:
            hand.send("0087039B", ask)
        assert hand.sw("0087039B", answer) in {0x6982, 0x6A80}
        assert not managed(hand)


def test_asking_for_a_challenge_ends_nothing() -> None:
    hand = Hand()
    hand.manage()
    for form in (CHALLENGE, WITNESS):
        assert hand.sw("0087039B", form) == 0x9000
        assert managed(hand)


def test_the_management_key_opens_nothing_that_is_the_holders() -> None:
    hand = Hand()
    hand.manage()
    hand.talk(f"{PIN_STATE} > 63C3")
    assert hand.sw("0087119A", template("82", b"", "81", bytes(32))) == 0x6982


@pytest.mark.parametrize(
    "data",
    [
        "",
        "7C00",
        "7C",
        "7C0281",
        "7C018100",
        "7C028200",
        "7C0481008000",
        "7C0480008100",
        "7C0482008100",
        "7C0481008100",
        "7C028500",
        "7C03810100",
        "7C038001AA",
        "7C028300",
        "7D028100",
        "8100",
        "7C0281007C028100",
        "7C0E8200 8008 0000000000000000 8100",
        "7C168008 0000000000000000 8107 00000000000000 8200",
        "7C178008 0000000000000000 8108 0000000000000000 8201AA",
        "7C148008 0000000000000000 8508 0000000000000000",
        "7C138008 0000000000000000 8107 00000000000000",
        "7C158008 0000000000000000 8109 000000000000000000",
    ],
)
def test_malformed_templates_for_the_management_key(data: str) -> None:
    hand = Hand()
    hand.send("0087039B", WITNESS)
    assert hand.sw("0087039B", data) == 0x6A80
    assert not managed(hand)
    assert hand.contents() == memory()


# --- private keys ---


def hand_of(algorithm: KeyAlgorithm, policy: int = PIN_NEVER) -> tuple[Hand, str, Any]:
    """A card with this key in 9A; the head of the command that uses it; the public key."""
    hand = Hand({"key 9A": stored(algorithm, policy)})
    return hand, f"0087{ALGORITHM_BYTES[algorithm]:02X}9A", private_key(algorithm).public_key()


def signature(hand: Hand, head: str, challenge: bytes) -> bytes:
    answer, sw = hand.send(head, template("82", b"", "81", challenge))
    assert sw == 0x9000
    return response(answer)


def response(answer: bytes) -> bytes:
    """The response in an answer of any length."""
    from ecitizen.iso7816 import tlv as codec

    outer = codec.parse_one(answer)
    inside = codec.parse_one(outer.value)
    assert (outer.tag, inside.tag) == (0x7C, 0x82)
    return inside.value


RSA = pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072, KeyAlgorithm.RSA_4096])
CURVES = pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.P_384])


@RSA
def test_rsa_gives_the_block_to_the_private_power(algorithm: KeyAlgorithm) -> None:
    hand, head, public = hand_of(algorithm)
    numbers, length = public.public_numbers(), public.key_size // 8
    digest_info = bytes.fromhex("3031300D060960864801650304020105000420") + bytes(range(32))
    blocks = {
        "PKCS#1 v1.5": b"\0\x01" + b"\xff" * (length - 3 - len(digest_info)) + b"\0" + digest_info,
        "of type 1, the shortest padding": b"\0\x01" + b"\xff" * 8 + b"\0" + b"x" * (length - 11),
        "of type 1, too short a padding": b"\0\x01" + b"\xff" * 7 + b"\0" + b"x" * (length - 10),
        "of type 1, without content": b"\0\x01" + b"\xff" * (length - 3) + b"\0",
        "of type 2": b"\0\x02" + b"\x55" * (length - 7) + b"\0text",
        "zero": bytes(length),
        "one": bytes(length - 1) + b"\1",
        "as for PSS": b"\x3a" + bytes(range(256)) * 2,
        "the greatest": (numbers.n - 1).to_bytes(length),
        "a multiple of p": private_key(algorithm).private_numbers().p.to_bytes(length),
    }
    for name, block in blocks.items():
        number = int.from_bytes(block[:length])
        assert number < numbers.n, name
        power = int.from_bytes(signature(hand, head, block[:length]))
        assert pow(power, numbers.e, numbers.n) == number, name


def test_rsa_signs_and_deciphers_for_others() -> None:
    hand, head, public = hand_of(KeyAlgorithm.RSA_2048)
    hashed = hashes.Hash(hashes.SHA256())
    hashed.update(b"message")
    digest_info = bytes.fromhex("3031300D060960864801650304020105000420") + hashed.finalize()
    signed = signature(hand, head, b"\0\x01" + b"\xff" * 202 + b"\0" + digest_info)
    public.verify(signed, b"message", padding.PKCS1v15(), hashes.SHA256())
    block = signature(hand, head, public.encrypt(b"secret", padding.PKCS1v15()))
    assert block.startswith(b"\0\2")
    assert block.endswith(b"\0secret")


@pytest.mark.parametrize("length", [0, 1, 255, 257, 512])
def test_an_rsa_block_is_as_long_as_the_modulus(length: int) -> None:
    hand, head, _ = hand_of(KeyAlgorithm.RSA_2048)
    assert hand.sw(head, template("82", b"", "81", bytes(length))) == 0x6A80


def test_an_rsa_block_is_less_than_the_modulus() -> None:
    hand, head, public = hand_of(KeyAlgorithm.RSA_2048)
    for block in (public.public_numbers().n, (1 << 2048) - 1):
        assert hand.sw(head, template("82", b"", "81", block.to_bytes(256))) == 0x6A80


def test_a_computation_that_went_wrong_does_not_leave_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong half of a CRT computation tells a prime factor to who gets the result."""
    hand, head, _ = hand_of(KeyAlgorithm.RSA_2048)
    right = applet_keys._power
    monkeypatch.setattr(applet_keys, "_power", lambda key, number: right(key, number) ^ 1)
    assert hand.send(head, template("82", b"", "81", bytes(255) + b"\2")) == (b"", 0x6F00)


@CURVES
def test_ecdsa(algorithm: KeyAlgorithm) -> None:
    hand, head, public = hand_of(algorithm)
    length = public.key_size // 8
    fitting = {32: hashes.SHA256(), 48: hashes.SHA384()}[length]
    full = bytes(range(1, length + 1))
    for digest in (full, bytes(length), b"\xff" * length, full[:20], b"\1"):
        signed = signature(hand, head, digest)
        public.verify(signed, digest.rjust(length, b"\0"), ec.ECDSA(utils.Prehashed(fitting)))
    for wrong in (b"", full + b"\0"):
        assert hand.sw(head, template("82", b"", "81", wrong)) == 0x6A80


@CURVES
def test_ecdh(algorithm: KeyAlgorithm) -> None:
    hand, head, public = hand_of(algorithm)
    other = ec.generate_private_key(public.curve)
    point = other.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    answer, sw = hand.send(head, template("82", b"", "85", point))
    assert (sw, response(answer)) == (0x9000, other.exchange(ec.ECDH(), public))
    foreign = ec.generate_private_key(ec.SECP256K1() if algorithm is KeyAlgorithm.P_256 else ec.BrainpoolP384R1())
    for wrong in (
        b"",
        b"\0",
        b"\4",
        point[:-1],
        point + b"\0",
        b"\5" + point[1:],
        point[:-1] + bytes((point[-1] ^ 1,)),
        b"\4" + bytes(len(point) - 1),
        b"\4" + b"\xff" * (len(point) - 1),
        other.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        foreign.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    ):
        assert hand.send(head, template("82", b"", "85", wrong)) == (b"", 0x6A80)


def test_ed25519_signs_the_message_itself() -> None:
    hand, head, public = hand_of(KeyAlgorithm.ED25519)
    assert isinstance(public, ed25519.Ed25519PublicKey)
    for message in (b"", b"m", bytes(32), bytes(5000)):
        public.verify(signature(hand, head, message), message)


def test_x25519() -> None:
    hand, head, public = hand_of(KeyAlgorithm.X25519)
    other = x25519.X25519PrivateKey.generate()
    answer, sw = hand.send(head, template("82", b"", "85", other.public_key().public_bytes_raw()))
    assert (sw, response(answer)) == (0x9000, other.exchange(public))
    for wrong in (b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)):  # the last two agree with everybody
        assert hand.send(head, template("82", b"", "85", wrong)) == (b"", 0x6A80)


def test_the_order_of_elements_does_not_matter() -> None:
    hand, head, public = hand_of(KeyAlgorithm.ED25519)
    answer, sw = hand.send(head, template("81", b"message", "82", b""))
    assert sw == 0x9000
    public.verify(response(answer), b"message")


@pytest.mark.parametrize(
    ("algorithm", "tag"),
    [
        (KeyAlgorithm.RSA_2048, "85"),
        (KeyAlgorithm.ED25519, "85"),
        (KeyAlgorithm.X25519, "81"),
    ],
)
def test_a_key_does_what_its_kind_can(algorithm: KeyAlgorithm, tag: str) -> None:
    hand, head, _ = hand_of(algorithm)
    assert hand.sw(head, template("82", b"", tag, bytes(256 if algorithm.is_rsa else 32))) == 0x6A80


@pytest.mark.parametrize(
    "data",
    [
        "",
        "7C00",
        "7C028200",
        "7C0381010A",
        "7C0582010081010A",
        "7C0782008101 0A 8200",
        "7C0882008101 0A 8500",
        "7C058100 82010A",
        "7C0582008001 0A",
        "7C0582008301 0A",
        "7C0582008102 0A",
        "820081010A",
        "7C0582008101 0A 7C00",
    ],
)
def test_malformed_templates_for_a_private_key(data: str) -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000")
    assert hand.sw("0087119A", data) == 0x6A80
    assert hand.contents() == memory()


@pytest.mark.parametrize(
    "parameters",
    [
        "149A",  # another curve
        "079A",
        "009A",
        "039A",
        "119C",
        "FF9A",
        "1182",  # an empty slot
        "1195",
        "119F",  # no slot
        "1180",
        "1181",
        "1196",
        "1100",
        "11F9",  # signs attestations only
        "119B",
    ],
)
def test_references_that_name_no_such_key(parameters: str) -> None:
    hand = Hand({"key F9": stored(KeyAlgorithm.P_256, PIN_NEVER)})
    hand.talk(f"{VERIFY} > 9000")
    assert hand.sw(f"0087{parameters}", template("82", b"", "81", bytes(32))) == 0x6A86


# --- PIN policies ---

USE_9A = ("0087119A", template("82", b"", "81", bytes(32)))
USE_9C = ("0087079C", template("82", b"", "81", bytes(256)))
USE_9E = ("0087119E", template("82", b"", "81", bytes(32)))


def test_once_for_9a_always_for_9c_never_for_9e() -> None:
    hand = Hand()
    assert [hand.sw(*use) for use in (USE_9A, USE_9C, USE_9E)] == [0x6982, 0x6982, 0x9000]
    hand.talk(f"{VERIFY} > 9000")
    assert [hand.sw(*USE_9C) for _ in range(2)] == [0x9000, 0x6982]
    assert [hand.sw(*USE_9A) for _ in range(2)] == [0x9000, 0x9000]
    hand.talk(f"{PIN_STATE} > 9000")
    assert hand.sw(*USE_9C) == 0x6982
    hand.talk(f"{VERIFY} > 9000")
    assert hand.sw(*USE_9C) == 0x9000


def test_a_verification_for_9c_is_used_up_by_other_keys_that_need_it_and_by_no_other() -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000")
    assert [hand.sw(*use) for use in (USE_9E, USE_9C)] == [0x9000, 0x9000]
    hand.talk(f"{VERIFY} > 9000")
    assert [hand.sw(*use) for use in (USE_9A, USE_9C)] == [0x9000, 0x6982]


def test_a_command_that_fails_uses_nothing_up() -> None:
    hand = Hand()
    hand.talk(f"{VERIFY} > 9000")
    assert hand.sw("0087079C", template("82", b"", "81", bytes(255))) == 0x6A80
    assert hand.sw("0087119C", USE_9C[1]) == 0x6A86
    hand.talk(f"{PIN_STATE} > 9000 \n {SELECT} > 9000")
    assert hand.sw(*USE_9C) == 0x9000


def test_changing_the_pin_is_no_verification_for_9c() -> None:
    hand = Hand()
    hand.talk("0024008010 313233343536FFFF 313233343536FFFF > 9000")
    assert [hand.sw(*use) for use in (USE_9C, USE_9A)] == [0x6982, 0x9000]


@pytest.mark.parametrize(
    ("policy", "answers"),
    [
        (PIN_NEVER, [0x9000, 0x9000, 0x9000]),
        (PIN_ONCE, [0x6982, 0x9000, 0x9000]),
        (PIN_ALWAYS, [0x6982, 0x9000, 0x6982]),
    ],
)
def test_the_policy_of_the_key_counts_in_every_slot(policy: int, answers: list[int]) -> None:
    hand = Hand({"key 82": stored(KeyAlgorithm.P_256, policy)})
    use = ("00871182", USE_9A[1])
    before = hand.sw(*use)
    hand.talk(f"{VERIFY} > 9000")
    after = [hand.sw(*use) for _ in range(2)]
    assert [before, *after] == answers


def test_keys_are_opened_once_and_forgotten_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bytes] = []
    right = applet_keys.opened

    def counting(private: bytes, algorithm: Any) -> Any:
        opened.append(private)
        return right(private, algorithm)

    monkeypatch.setattr(applet_keys, "opened", counting)
    hand = Hand()
    for _ in range(3):
        assert hand.sw(*USE_9E) == 0x9000
    assert len(opened) == 1
    hand.manage()
    assert hand.sw("00FE119E", tlv("06", bytes(31) + b"\1") + bytes.fromhex("AA0101")) == 0x9000
    assert hand.sw(*USE_9E) == 0x9000
    key: Value = hand.section["key 9E"]
    assert isinstance(key, dict)
    assert opened[1:] == [key["private"]]
