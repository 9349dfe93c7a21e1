"""Keys on cards as signers: when the PIN is asked for, and that nothing wrong that a card makes gets out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from cardapps.piv.driver import ApplicationProperties, PivSession
from cardapps.piv.layout import KEY_ALGORITHM_IDS, PinPolicy, Slot
from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import (
    CardProtocolError,
    DecodeError,
    EcitizenError,
    LastTryRefused,
    PinBlocked,
    PinIncorrect,
    SecurityStatusNotSatisfied,
    UsageError,
)
from ecitizen.iso7816 import tlv
from ecitizen.iso7816.apdu import CardProtocol, CommandApdu
from ecitizen.ports import Decipherer, KeyAgreement, PinState, Signer
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from pki import keys

PIN, WRONG_PIN = Pin("123456"), Pin("000000")
SHA_256, SHA_384, SHA_512 = HashAlgorithm
ECDSA_SHA_256 = SignatureAlgorithm(SignatureScheme.ECDSA, SHA_256)
RSA_SHA_256 = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, SHA_256)
PSS_SHA_256 = SignatureAlgorithm(SignatureScheme.RSA_PSS, SHA_256)
EDDSA = SignatureAlgorithm(SignatureScheme.EDDSA, None)
SIGNING = [algorithm for algorithm in KeyAlgorithm if algorithm is not KeyAlgorithm.X25519]


@cache
def key_of(algorithm: KeyAlgorithm, number: int = 0) -> keys.PrivateKey:
    return keys.generate_key(algorithm)


class OneKeyCard:
    """A card with one key in every slot, as simple as can be and not by our own hand in what it computes."""

    name, atr, protocol = "one key", b"\x3b\x00", CardProtocol.T1

    def __init__(self, key: keys.PrivateKey, policy: PinPolicy | None = PinPolicy.NEVER) -> None:
        self.key = key
        self.policy = policy
        self.certificate: bytes | None = None
        self.retries = 3
        self.verified = self.fresh = False
        self.spoil: Callable[[bytes], bytes] = bytes
        self.instructions: list[int] = []
        self.chain = b""
        self.waiting = b""
        self.in_transaction = False

    def transmit(self, raw: bytes) -> bytes:
        command = CommandApdu.parse(raw)
        assert self.in_transaction
        if command.cla & 0x10:
            self.chain += command.data
            return b"\x90\x00"
        if command.ins == 0xC0:
            return self.part()
        self.instructions.append(command.ins)
        data, self.chain = self.chain + command.data, b""
        answers = {0xA4: lambda _: 0x9000, 0x20: self.verify, 0xF7: self.metadata, 0xCB: self.read, 0x87: self.use}
        answer = answers[command.ins](data)
        if isinstance(answer, int):
            return answer.to_bytes(2, "big")
        self.waiting = answer
        return self.part()

    def part(self) -> bytes:
        now, self.waiting = self.waiting[:256], self.waiting[256:]
        return now + (b"\x61" + bytes((min(len(self.waiting), 256) & 0xFF,)) if self.waiting else b"\x90\x00")

    def verify(self, data: bytes) -> int:
        if data == b"":
            return 0x9000 if self.verified else 0x63C0 | self.retries if self.retries else 0x6983
        self.verified = self.fresh = bool(self.retries) and data == b"123456\xff\xff"
        self.retries = 3 if self.verified else max(self.retries - 1, 0)
        return 0x9000 if self.verified else 0x63C0 | self.retries

    def metadata(self, _: bytes) -> bytes | int:
        if self.policy is None:
            return 0x6D00
        algorithm = KEY_ALGORITHM_IDS[keys.key_algorithm(self.key)]
        values = [(1, bytes((algorithm,))), (2, bytes((self.policy, 1))), (4, public_form(self.key))]
        return b"".join(tlv.encode(tag, value) for tag, value in values)

    def read(self, _: bytes) -> bytes | int:
        return tlv.encode(0x53, tlv.encode(0x70, self.certificate)) if self.certificate else 0x6A82

    def use(self, data: bytes) -> bytes | int:
        if self.policy in {None, PinPolicy.ONCE} and not self.verified:
            return 0x6982
        if self.policy is PinPolicy.ALWAYS and not self.fresh:
            return 0x6982
        self.fresh = False
        values = {element.tag: element.value for element in tlv.parse_one(data).children()}
        result = agreed(self.key, values[0x85]) if 0x85 in values else operated(self.key, values[0x81])
        return tlv.encode(0x7C, tlv.encode(0x82, self.spoil(result)))

    def reset(self) -> None:
        self.verified = self.fresh = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        assert not self.in_transaction
        self.in_transaction = True
        try:
            yield
        finally:
            self.in_transaction = False

    def close(self) -> None:
        pass


def public_form(key: keys.PrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        modulus = key.private_numbers().public_numbers.n.to_bytes(key.key_size // 8, "big")
        return tlv.encode(0x81, modulus) + tlv.encode(0x82, b"\x01\x00\x01")
    point_len = {91: 65, 120: 97, 44: 32}[len(keys.public_key_info(key))]
    return tlv.encode(0x86, keys.public_key_info(key)[-point_len:])


def operated(key: keys.PrivateKey, block: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        assert len(block) == key.key_size // 8
        return pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(len(block), "big")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        hashed = {32: hashes.SHA256(), 48: hashes.SHA384()}[key.curve.key_size // 8]
        assert len(block) == hashed.digest_size
        return key.sign(block, ec.ECDSA(Prehashed(hashed)))
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.sign(block)


def agreed(key: keys.PrivateKey, point: bytes) -> bytes:
    if isinstance(key, x25519.X25519PrivateKey):
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(point))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point))


def session(card: OneKeyCard) -> PivSession:
    return PivSession(CardSession(card), ApplicationProperties())


class Asker:
    """The holder at the keyboard."""

    def __init__(self, card: OneKeyCard, *answers: Pin) -> None:
        self.card = card
        self.answers = list(answers)
        self.told: list[PinState] = []

    def __call__(self, state: PinState) -> Pin:
        assert not self.card.in_transaction  # nobody is kept off the card while a person thinks
        self.told.append(state)
        return self.answers.pop(0)


# --- signatures ---


@pytest.mark.parametrize("algorithm", SIGNING)
def test_signatures_of_every_kind(algorithm: KeyAlgorithm) -> None:
    card = OneKeyCard(key_of(algorithm))
    signer: Signer = session(card).signer(Slot.AUTHENTICATION)
    assert signer.key_algorithm is algorithm
    assert signer.public_key == keys.public_key_info(card.key)
    assert signer.algorithms == keys.signature_algorithms(algorithm)
    for each in signer.algorithms:
        keys.verify_signature(signer.public_key, b"message", signer.sign(b"message", each), each)
        if each.hash is not None:
            digest = keys.digest(b"message", each.hash)
            keys.verify_signature(signer.public_key, b"message", signer.sign_digest(digest, each), each)


def test_what_a_signer_refuses() -> None:
    signer = session(OneKeyCard(key_of(KeyAlgorithm.P_256))).signer(Slot.AUTHENTICATION)
    for algorithm in (RSA_SHA_256, EDDSA):
        with pytest.raises(UsageError):
            signer.sign(b"", algorithm)
        with pytest.raises(UsageError):
            signer.sign_digest(bytes(32), algorithm)
    with pytest.raises(UsageError, match="has 32 bytes"):
        signer.sign_digest(bytes(31), ECDSA_SHA_256)
    signer = session(OneKeyCard(key_of(KeyAlgorithm.ED25519))).signer(Slot.AUTHENTICATION)
    with pytest.raises(UsageError, match="whole messages"):
        signer.sign_digest(bytes(32), EDDSA)
    with pytest.raises(UsageError, match="can't sign"):
        session(OneKeyCard(key_of(KeyAlgorithm.X25519))).signer(Slot.AUTHENTICATION)


@pytest.mark.parametrize(
    ("algorithm", "scheme"),
    [
        (KeyAlgorithm.RSA_2048, RSA_SHA_256),
        (KeyAlgorithm.RSA_2048, PSS_SHA_256),
        (KeyAlgorithm.P_256, ECDSA_SHA_256),
        (KeyAlgorithm.P_384, ECDSA_SHA_256),
        (KeyAlgorithm.ED25519, EDDSA),
    ],
)
def test_a_wrong_signature_does_not_get_out(algorithm: KeyAlgorithm, scheme: SignatureAlgorithm) -> None:
    card = OneKeyCard(key_of(algorithm))
    signer = session(card).signer(Slot.AUTHENTICATION)
    card.spoil = lambda right: right[:-1] + bytes((right[-1] ^ 1,))
    with pytest.raises(CardProtocolError, match="does not fit the public key of slot 9A"):
        signer.sign(b"message", scheme)
    card.spoil = lambda right: right + b"\x01"
    with pytest.raises(CardProtocolError):
        signer.sign(b"message", scheme)
    card.spoil = lambda right: b""
    with pytest.raises(CardProtocolError):
        signer.sign(b"message", scheme)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.ED25519])
def test_a_later_signature_is_checked_too(algorithm: KeyAlgorithm) -> None:
    card = OneKeyCard(key_of(algorithm))
    signer = session(card).signer(Slot.AUTHENTICATION)
    signer.sign(b"message", signer.algorithms[0])
    card.spoil = lambda right: right[:-1] + bytes((right[-1] ^ 1,))
    with pytest.raises(CardProtocolError):
        signer.sign(b"message", signer.algorithms[0])


def test_zeros_that_a_card_leaves_out_are_put_back() -> None:
    """One RSA signature of 256 begins with a zero, which some cards take for no part of the number."""
    card = OneKeyCard(key_of(KeyAlgorithm.RSA_2048))
    card.spoil = lambda right: right.lstrip(b"\x00")
    signer = session(card).signer(Slot.AUTHENTICATION)
    numbers = card.key.private_numbers().public_numbers if isinstance(card.key, rsa.RSAPrivateKey) else None
    assert numbers
    for number in range(4000):
        message = b"%d" % number
        quick = key_of(KeyAlgorithm.RSA_2048)
        assert isinstance(quick, rsa.RSAPrivateKey)
        if quick.sign(message, padding.PKCS1v15(), hashes.SHA256())[0] == 0:
            break
    signature = signer.sign(message, RSA_SHA_256)
    assert (len(signature), signature[0]) == (256, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda right: tlv.encode(0x31, right[2:]),
        lambda right: tlv.encode(0x30, right[2:] + b"\x02\x01\x01"),
        lambda right: tlv.encode(0x30, b"\x04\x01\x01\x02\x01\x01"),
        lambda right: b"\x30\x80" + right[2:],
        lambda right: b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(right)),
        lambda right: tlv.encode(
            0x30, b"".join(tlv.encode(0x02, number.to_bytes(34, "big")) for number in decode_dss_signature(right))
        ),
    ],
    ids=["set", "three-numbers", "no-number", "indefinite", "bare", "more-zeros"],
)
def test_ecdsa_signatures_of_another_form(spoil: Callable[[bytes], bytes]) -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256))
    card.spoil = spoil
    with pytest.raises(CardProtocolError):
        session(card).signer(Slot.AUTHENTICATION).sign(b"message", ECDSA_SHA_256)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_answer_gives_an_error_of_ours(answer: bytes) -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256))
    card.spoil = lambda _: answer
    with pytest.raises(EcitizenError):
        session(card).signer(Slot.AUTHENTICATION).sign(b"message", ECDSA_SHA_256)


# --- the PIN ---


def test_a_key_without_pin() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.NEVER)
    asker = Asker(card)
    session(card).signer(Slot.AUTHENTICATION, asker).sign(b"", ECDSA_SHA_256)
    assert card.instructions == [0xF7, 0x87]


def test_a_key_that_wants_the_pin_once() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)
    asker = Asker(card, PIN)
    signer = session(card).signer(Slot.SIGNATURE, asker)
    signer.sign(b"", ECDSA_SHA_256)
    assert card.instructions == [0xF7, 0x20, 0xA4, 0x20, 0x20, 0x87]
    signer.sign(b"", ECDSA_SHA_256)
    assert card.instructions[6:] == [0x87]
    assert asker.told == [PinState(3)]


def test_a_key_that_wants_the_pin_always() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ALWAYS)
    asker = Asker(card, PIN, PIN)
    signer = session(card).signer(Slot.AUTHENTICATION, asker)
    signer.sign(b"", ECDSA_SHA_256)
    assert card.instructions == [0xF7, 0x20, 0xA4, 0x20, 0x20, 0x87]
    signer.sign(b"", ECDSA_SHA_256)
    assert card.instructions[6:] == [0xA4, 0x20, 0x20, 0x87]
    assert asker.told == [PinState(3), PinState(None, verified=True)]


@pytest.mark.parametrize(
    ("slot", "asked"), [(Slot.AUTHENTICATION, 1), (Slot.SIGNATURE, 2), (Slot.KEY_MANAGEMENT, 1), (Slot.RETIRED_1, 1)]
)
def test_without_metadata_the_standard_s_policy_holds(slot: Slot, asked: int) -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), None)
    asker = Asker(card, PIN, PIN)
    signer = session(card).signer(slot, asker, public_key=keys.public_key_info(card.key))
    for _ in range(2):
        signer.sign(b"", ECDSA_SHA_256)
    assert len(asker.told) == asked


def test_a_card_that_wants_the_pin_where_the_standard_does_not() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), None)
    asker = Asker(card, PIN)
    signer = session(card).signer(Slot.CARD_AUTHENTICATION, asker, public_key=keys.public_key_info(card.key))
    signer.sign(b"", ECDSA_SHA_256)
    assert asker.told == [PinState(3)]


def test_another_program_ends_the_verification() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)
    asker = Asker(card, PIN, PIN)
    signer = session(card).signer(Slot.AUTHENTICATION, asker)
    signer.sign(b"", ECDSA_SHA_256)
    card.verified = False
    card.retries = 2
    signer.sign(b"", ECDSA_SHA_256)
    assert asker.told == [PinState(3), PinState(2)]


def test_the_pin_was_verified_already() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)
    piv = session(card)
    piv.verify_pin(PIN)
    asker = Asker(card)
    piv.signer(Slot.AUTHENTICATION, asker).sign(b"", ECDSA_SHA_256)
    piv.signer(Slot.AUTHENTICATION).sign(b"", ECDSA_SHA_256)


def test_nobody_to_ask() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ALWAYS)
    with pytest.raises(SecurityStatusNotSatisfied):
        session(card).signer(Slot.AUTHENTICATION).sign(b"", ECDSA_SHA_256)


def test_a_wrong_pin_is_not_asked_for_again() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)
    asker = Asker(card, WRONG_PIN, PIN)
    signer = session(card).signer(Slot.AUTHENTICATION, asker)
    with pytest.raises(PinIncorrect) as error:
        signer.sign(b"", ECDSA_SHA_256)
    assert error.value.retries_left == 2
    assert card.retries == 2
    signer.sign(b"", ECDSA_SHA_256)
    assert asker.told == [PinState(3), PinState(2)]


def test_the_last_try_is_the_holder_s_to_take() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)
    card.retries = 1
    asker = Asker(card, PIN)
    session(card).signer(Slot.AUTHENTICATION, asker).sign(b"", ECDSA_SHA_256)
    assert asker.told == [PinState(1)]


def test_the_last_try_is_not_taken_if_the_holder_was_told_of_more() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)

    def slow_typist(state: PinState) -> Pin:
        assert state == PinState(3)
        card.retries = 1  # by another program, meanwhile
        return PIN

    with pytest.raises(LastTryRefused):
        session(card).signer(Slot.AUTHENTICATION, slow_typist).sign(b"", ECDSA_SHA_256)
    assert card.retries == 1


def test_a_blocked_pin_is_not_asked_for() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), PinPolicy.ONCE)
    card.retries = 0
    asker = Asker(card, PIN)
    signer = session(card).signer(Slot.AUTHENTICATION, asker)
    for _ in range(2):
        with pytest.raises(PinBlocked):
            signer.sign(b"", ECDSA_SHA_256)
    assert asker.told == []
    card.retries = 3  # unblocked by another program
    signer.sign(b"", ECDSA_SHA_256)


# --- the public key and its certificate ---


def certificate_of(key: keys.PrivateKey) -> bytes:
    issuer = key_of(KeyAlgorithm.P_256, 99)
    assert isinstance(issuer, ec.EllipticCurvePrivateKey)
    name = x509.Name([])
    public = keys.load_public_key(keys.public_key_info(key))
    builder = x509.CertificateBuilder(name, name, public, 1)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2040, 1, 1, tzinfo=UTC)
    )
    return builder.sign(issuer, hashes.SHA256()).public_bytes(Encoding.DER)


def test_the_certificate_is_read_when_it_is_wanted() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256))
    card.certificate = certificate_of(card.key)
    signer = session(card).signer(Slot.AUTHENTICATION)
    assert card.instructions == [0xF7]
    assert [signer.certificate, signer.certificate] == [card.certificate] * 2
    assert card.instructions == [0xF7, 0xCB]


def test_a_certificate_of_another_key_is_not_the_signer_s() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256))
    card.certificate = certificate_of(key_of(KeyAlgorithm.P_256, 1))
    assert session(card).signer(Slot.AUTHENTICATION).certificate is None
    card.certificate = None
    assert session(card).signer(Slot.AUTHENTICATION).certificate is None


def test_without_metadata_the_certificate_tells_the_public_key() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256), None)
    card.certificate = certificate_of(card.key)
    signer = session(card).signer(Slot.AUTHENTICATION, Asker(card, PIN))
    signer.sign(b"", ECDSA_SHA_256)
    card.certificate = certificate_of(key_of(KeyAlgorithm.P_256, 1))
    signer = session(card).signer(Slot.AUTHENTICATION, Asker(card, PIN))
    with pytest.raises(CardProtocolError, match="the certificate is of another key"):
        signer.sign(b"", ECDSA_SHA_256)


def test_no_public_key_at_all() -> None:
    with pytest.raises(UsageError, match="no key in slot 9A, or"):
        session(OneKeyCard(key_of(KeyAlgorithm.P_256), None)).signer(Slot.AUTHENTICATION)


# --- agreement ---


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.X25519])
def test_agreement(algorithm: KeyAlgorithm) -> None:
    card = OneKeyCard(key_of(algorithm), PinPolicy.ONCE)
    mine: KeyAgreement = session(card).agreement(Slot.KEY_MANAGEMENT, Asker(card, PIN))
    assert mine.public_key == keys.public_key_info(card.key)
    theirs = key_of(algorithm, 1)
    point = public_form(card.key)[2:]
    assert mine.agree(keys.public_key_info(theirs)) == agreed(theirs, point)


def test_agreement_with_a_key_of_another_kind() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.P_256))
    agreement = session(card).agreement(Slot.KEY_MANAGEMENT)
    for other in (KeyAlgorithm.P_384, KeyAlgorithm.X25519, KeyAlgorithm.ED25519):
        with pytest.raises(UsageError, match="not on the curve"):
            agreement.agree(keys.public_key_info(key_of(other)))
    off_the_curve = bytearray(keys.public_key_info(key_of(KeyAlgorithm.P_256, 1)))
    off_the_curve[-1] ^= 1
    with pytest.raises(EcitizenError):
        agreement.agree(bytes(off_the_curve))
    with pytest.raises(UsageError, match="can't agree"):
        session(OneKeyCard(key_of(KeyAlgorithm.ED25519))).agreement(Slot.KEY_MANAGEMENT)


def _instead(answer: bytes, _: bytes) -> bytes:
    return answer


def test_a_secret_that_is_none() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.X25519))
    agreement = session(card).agreement(Slot.KEY_MANAGEMENT)
    for wrong in (bytes(32), b"\x01" * 31, b"\x01" * 33, b""):
        card.spoil = partial(_instead, wrong)
        with pytest.raises(CardProtocolError):
            agreement.agree(keys.public_key_info(key_of(KeyAlgorithm.X25519, 1)))


# --- deciphering ---


def oaep(hashed: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashed), hashed, None)


def test_deciphering() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.RSA_2048), PinPolicy.ONCE)
    decipherer: Decipherer = session(card).decipherer(Slot.KEY_MANAGEMENT, Asker(card, PIN))
    public = keys.load_public_key(decipherer.public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    assert decipherer.decipher(public.encrypt(b"message", padding.PKCS1v15())) == b"message"
    for hashed, primitive in keys.HASH_PRIMITIVES.items():
        assert decipherer.decipher(public.encrypt(b"message", oaep(primitive)), hashed) == b"message"
    with pytest.raises(UsageError, match="no RSA key"):
        session(OneKeyCard(key_of(KeyAlgorithm.P_256))).decipherer(Slot.KEY_MANAGEMENT)


def test_whatever_does_not_open_says_the_same() -> None:
    card = OneKeyCard(key_of(KeyAlgorithm.RSA_2048))
    decipherer = session(card).decipherer(Slot.KEY_MANAGEMENT)
    public = keys.load_public_key(decipherer.public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    wrong = [b"", bytes(255), bytes(257), b"\xff" * 256, bytes(256), b"\x00" * 255 + b"\x02"]
    wrong += [public.encrypt(b"x", oaep(hashes.SHA384())), public.encrypt(b"x", padding.PKCS1v15())]
    said = set()
    for ciphertext in wrong:
        with pytest.raises(DecodeError) as error:
            decipherer.decipher(ciphertext, SHA_256)
        said.add(str(error.value))
    with pytest.raises(DecodeError) as error:
        decipherer.decipher(public.encrypt(b"x", oaep(hashes.SHA384())))
    assert said == {str(error.value)}
