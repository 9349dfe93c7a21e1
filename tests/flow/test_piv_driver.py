"""Our driver and our applet: everything a PIV card can do, on both protocols, with and without the extensions."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import (
    AID,
    DEFAULT_MANAGEMENT_KEY,
    EXTENSION_VERSION,
    KEY_ALGORITHM_IDS,
    MANAGEMENT_KEY_LENS,
    AlgorithmId,
    ObjectId,
    Origin,
    PinPolicy,
    Slot,
)
from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, record_for, sections_for
from ecitizen.errors import (
    AppNotFound,
    EcitizenError,
    KeyIncorrect,
    LastTryRefused,
    NotSupported,
    PinBlocked,
    PinIncorrect,
    SecurityStatusNotSatisfied,
    StatusError,
)
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.ports import PinState
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from pki import keys

PIN, NEW_PIN, WRONG_PIN = Pin("123456"), Pin("87654321"), Pin("000000")
PUK, NEW_PUK, WRONG_PUK = Pin.puk("12345678"), Pin.puk("s3cret!?"), Pin.puk("wrong-wr")
DEFAULT_KEY = KeyBytes(DEFAULT_MANAGEMENT_KEY)
PERSONA_SLOTS = (Slot.AUTHENTICATION, Slot.SIGNATURE, Slot.KEY_MANAGEMENT, Slot.CARD_AUTHENTICATION)

New = Callable[..., PivSession]


@cache
def record(*, extensions: bool) -> Any:
    return record_for("piv", find_persona("somchai"), extensions=extensions)


@cache
def key_of(algorithm: KeyAlgorithm) -> keys.PrivateKey:
    return keys.generate_key(algorithm)


def ask(_: PinState) -> Pin:
    return PIN


@pytest.fixture(params=CardProtocol, ids=str)
def new(request: pytest.FixtureRequest) -> New:
    """Make a new card and select its application."""

    def make(*, extensions: bool = True, managed: bool = False) -> PivSession:
        further = {"piv": record(extensions=extensions)}
        image = CardImage.in_memory(sections_for(find_persona("somchai"), request.param, further=further))
        piv = PivSession.select(CardSession(VirtualReader(card_from_image(image)).connect()))
        if managed:
            piv.authenticate_management(DEFAULT_KEY)
        return piv

    return make


both = pytest.mark.parametrize("extensions", [True, False], ids=["extensions", "standard"])


@both
def test_a_new_card(new: New, *, extensions: bool) -> None:
    piv = new(extensions=extensions)
    assert piv.properties.aid == AID
    assert {7, 0x11} <= piv.properties.algorithms
    assert piv.version() == (EXTENSION_VERSION if extensions else None)
    assert (piv.serial() is not None) == extensions
    told = (3, True) if extensions else (None, None)
    assert piv.pin_state() == PinState(3, told[0], is_default=told[1])
    assert piv.puk_state() == PinState(3 if extensions else None, told[0], is_default=told[1])
    assert piv.management_algorithm() is AlgorithmId.TRIPLE_DES
    chuid = piv.chuid()
    assert chuid is not None
    assert len(chuid.guid) == 16
    discovery = piv.discovery()
    assert discovery is not None
    assert discovery.application_pin
    history = piv.key_history()
    assert history is not None
    assert history.on_card == 0


def test_a_card_without_the_application() -> None:
    session = CardSession(VirtualReader(virtual_card("somchai")).connect())
    with pytest.raises(AppNotFound, match="no PIV application"):
        PivSession.select(session)


@both
def test_signatures_with_the_keys_of_a_new_card(new: New, *, extensions: bool) -> None:
    piv = new(extensions=extensions)
    for slot in PERSONA_SLOTS:
        signer = piv.signer(slot, ask)
        assert signer.certificate == piv.certificate(slot)
        for algorithm in signer.algorithms:
            signature = signer.sign(b"message", algorithm)
            keys.verify_signature(signer.public_key, b"message", signature, algorithm)
        assert piv.public_key(slot) == signer.public_key
        metadata = piv.metadata(slot)
        assert (metadata is not None) == extensions
        if metadata:
            assert metadata.public_key == signer.public_key
            assert metadata.algorithm is KEY_ALGORITHM_IDS[signer.key_algorithm]


@both
@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_generated_keys(new: New, algorithm: KeyAlgorithm, *, extensions: bool) -> None:
    piv = new(extensions=extensions, managed=True)
    public_key = piv.generate_key(Slot.RETIRED_1, algorithm)
    assert piv.public_key(Slot.RETIRED_1) == public_key
    use(piv, Slot.RETIRED_1, algorithm)
    if extensions:
        metadata = piv.metadata(Slot.RETIRED_1)
        assert metadata is not None
        assert (metadata.origin, metadata.public_key) == (Origin.GENERATED, public_key)
        assert piv.attest(Slot.RETIRED_1)[:1] == b"\x30"
    else:
        with pytest.raises(NotSupported):
            piv.attest(Slot.RETIRED_1)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_imported_keys(new: New, algorithm: KeyAlgorithm) -> None:
    piv = new(managed=True)
    key = key_of(algorithm)
    assert piv.import_key(Slot.KEY_MANAGEMENT, keys.private_key_info(key)) is algorithm
    metadata = piv.metadata(Slot.KEY_MANAGEMENT)
    assert metadata is not None
    assert (metadata.origin, metadata.public_key) == (Origin.IMPORTED, keys.public_key_info(key))
    use(piv, Slot.KEY_MANAGEMENT, algorithm)
    with pytest.raises(StatusError):
        piv.attest(Slot.KEY_MANAGEMENT)  # the card did not make it


def use(piv: PivSession, slot: Slot, algorithm: KeyAlgorithm) -> None:
    """Sign, agree and decipher, whatever the key can; the other side is the cryptography package."""
    public_key = piv.public_key(slot)
    assert public_key is not None
    if algorithm is not KeyAlgorithm.X25519:
        signer = piv.signer(slot, ask)
        for each in signer.algorithms:
            keys.verify_signature(public_key, b"message", signer.sign(b"message", each), each)
    theirs, mine = key_of(algorithm), keys.load_public_key(public_key)
    if isinstance(theirs, ec.EllipticCurvePrivateKey) and isinstance(mine, ec.EllipticCurvePublicKey):
        secret = piv.agreement(slot, ask).agree(keys.public_key_info(theirs))
        assert secret == theirs.exchange(ec.ECDH(), mine)
    elif isinstance(theirs, x25519.X25519PrivateKey) and isinstance(mine, x25519.X25519PublicKey):
        assert piv.agreement(slot, ask).agree(keys.public_key_info(theirs)) == theirs.exchange(mine)
    elif isinstance(mine, rsa.RSAPublicKey):
        sha256 = hashes.SHA256()
        decipherer = piv.decipherer(slot, ask)
        assert decipherer.decipher(mine.encrypt(b"message", padding.PKCS1v15())) == b"message"
        oaep = padding.OAEP(padding.MGF1(sha256), sha256, None)
        assert decipherer.decipher(mine.encrypt(b"message", oaep), HashAlgorithm.SHA_256) == b"message"


def test_moved_and_deleted_keys(new: New) -> None:
    piv = new(managed=True)
    old = piv.public_key(Slot.AUTHENTICATION)
    piv.move_key(Slot.AUTHENTICATION, Slot.RETIRED_20)
    assert piv.metadata(Slot.AUTHENTICATION) is None
    assert piv.public_key(Slot.RETIRED_20) == old
    piv.delete_key(Slot.RETIRED_20)
    assert piv.public_key(Slot.RETIRED_20) is None
    with pytest.raises(StatusError):
        piv.delete_key(Slot.RETIRED_20)


def test_pin_policies(new: New) -> None:
    piv = new(managed=True)
    for policy, asked in ((PinPolicy.NEVER, 0), (PinPolicy.ONCE, 1), (PinPolicy.ALWAYS, 2)):
        piv.generate_key(Slot.RETIRED_1, KeyAlgorithm.P_256, pin_policy=policy)
        piv.end_verification()
        told: list[PinState] = []

        def count(state: PinState, told: list[PinState] = told) -> Pin:
            told.append(state)
            return PIN

        signer = piv.signer(Slot.RETIRED_1, count)
        for _ in range(2):
            signer.sign(b"", signer.algorithms[0])
        assert len(told) == asked


@both
def test_objects_and_certificates(new: New, *, extensions: bool) -> None:
    piv = new(extensions=extensions)
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.write_object(ObjectId.SECURITY_OBJECT, b"x")
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.read_object(ObjectId.PRINTED_INFORMATION)
    piv.verify_pin(PIN)
    assert piv.read_object(ObjectId.PRINTED_INFORMATION)
    piv.authenticate_management(DEFAULT_KEY)
    for length in (1, 126, 127, 128, 246, 255, 256, 1000, 5000):
        content = os.urandom(length)
        piv.write_object(ObjectId.SECURITY_OBJECT, content)
        assert piv.read_object(ObjectId.SECURITY_OBJECT) == content
    piv.delete_object(ObjectId.SECURITY_OBJECT)
    assert piv.read_object(ObjectId.SECURITY_OBJECT) is None
    certificate = piv.certificate(Slot.AUTHENTICATION)
    assert certificate is not None
    for compress in (None, True, False):
        piv.write_certificate(Slot.RETIRED_20, certificate, compress=compress)
        assert piv.certificate(Slot.RETIRED_20) == certificate
    too_long = certificate + bytes(17_000)  # which packs well, and then fits
    piv.write_certificate(Slot.RETIRED_20, too_long)
    assert piv.certificate(Slot.RETIRED_20) == too_long
    with pytest.raises(StatusError, match="6A84"):
        piv.write_certificate(Slot.RETIRED_20, certificate + os.urandom(17_000))
    assert piv.certificate(Slot.RETIRED_20) == too_long
    piv.delete_certificate(Slot.RETIRED_20)
    assert piv.certificate(Slot.RETIRED_20) is None


def test_the_management_key(new: New) -> None:
    piv = new()
    with pytest.raises(KeyIncorrect):
        piv.authenticate_management(KeyBytes(bytes(24)))
    with pytest.raises(SecurityStatusNotSatisfied):
        piv.generate_key(Slot.AUTHENTICATION, KeyAlgorithm.P_256)
    piv.authenticate_management(DEFAULT_KEY)
    for algorithm, length in MANAGEMENT_KEY_LENS.items():
        key = KeyBytes(os.urandom(length))
        piv.set_management_key(key, algorithm)
        assert piv.management_algorithm() is algorithm
        for known in (None, algorithm):
            piv.authenticate_management(key, known)
        metadata = piv.management_metadata()
        assert metadata is not None
        assert not metadata.is_default


def test_the_management_key_of_a_card_without_extensions(new: New) -> None:
    piv = new(extensions=False)
    assert piv.management_metadata() is None
    with pytest.raises(KeyIncorrect):
        piv.authenticate_management(KeyBytes(bytes(24)))
    piv.authenticate_management(DEFAULT_KEY)
    for algorithm in (AlgorithmId.TRIPLE_DES, AlgorithmId.TRIPLE_DES_DEFAULT):
        piv.authenticate_management(DEFAULT_KEY, algorithm)
    with pytest.raises(NotSupported):
        piv.authenticate_management(KeyBytes(bytes(32)))


def test_what_a_card_without_extensions_can_t(new: New) -> None:
    piv = new(extensions=False, managed=True)
    piv.verify_pin(PIN)
    deeds: list[Callable[[], object]] = [
        lambda: piv.import_key(Slot.AUTHENTICATION, keys.private_key_info(key_of(KeyAlgorithm.P_256))),
        lambda: piv.move_key(Slot.AUTHENTICATION, Slot.RETIRED_1),
        lambda: piv.delete_key(Slot.AUTHENTICATION),
        lambda: piv.set_retries(5, 5),
        lambda: piv.set_management_key(KeyBytes(bytes(16)), AlgorithmId.AES_128),
        piv.reset,
    ]
    for deed in deeds:
        with pytest.raises(NotSupported):
            deed()
    assert piv.pin_state().verified  # reset, above all, has spoilt nothing


@both
def test_the_life_of_a_pin(new: New, *, extensions: bool) -> None:
    piv = new(extensions=extensions)
    piv.change_pin(PIN, NEW_PIN)
    piv.verify_pin(NEW_PIN)
    assert piv.pin_state().verified
    piv.end_verification()
    assert not piv.pin_state().verified
    for left in (2, 1):
        with pytest.raises(PinIncorrect) as error:
            piv.verify_pin(WRONG_PIN)
        assert error.value.retries_left == left
    with pytest.raises(LastTryRefused):
        piv.verify_pin(NEW_PIN)
    assert piv.pin_state().retries_left == 1
    with pytest.raises(PinBlocked):
        piv.verify_pin(WRONG_PIN, last_try=True)
    with pytest.raises(PinBlocked):
        piv.verify_pin(NEW_PIN)
    assert piv.pin_state().blocked
    with pytest.raises(PinIncorrect, match="the PUK is wrong; 2 tries are left"):
        piv.unblock_pin(WRONG_PUK, PIN)
    piv.change_puk(PUK, NEW_PUK)
    piv.unblock_pin(NEW_PUK, PIN)
    assert piv.pin_state().retries_left == 3
    piv.verify_pin(PIN)


def test_the_end_of_a_puk(new: New) -> None:
    piv = new()
    for _ in range(2):
        with pytest.raises(PinIncorrect):
            piv.change_puk(WRONG_PUK, NEW_PUK)
    with pytest.raises(LastTryRefused):
        piv.unblock_pin(PUK, PIN)
    with pytest.raises(PinBlocked):
        piv.unblock_pin(WRONG_PUK, PIN, last_try=True)
    for deed in (piv.unblock_pin, piv.change_puk):
        with pytest.raises(PinBlocked, match="only whoever issued the card"):
            deed(PUK, NEW_PUK)
    assert piv.puk_state().blocked


def test_number_of_tries(new: New) -> None:
    piv = new(managed=True)
    piv.change_pin(PIN, NEW_PIN)
    piv.verify_pin(NEW_PIN)
    piv.set_retries(5, 10)
    assert piv.pin_state() == PinState(5, 5, is_default=True)
    assert piv.puk_state() == PinState(10, 10, is_default=True)


@pytest.mark.parametrize("blocked", [False, True])
def test_reset(new: New, *, blocked: bool) -> None:
    piv = new(managed=True)
    piv.set_management_key(KeyBytes(bytes(16)), AlgorithmId.AES_128)
    piv.generate_key(Slot.RETIRED_1, KeyAlgorithm.P_256)
    piv.change_pin(PIN, NEW_PIN)
    for kind in [PinIncorrect, PinIncorrect, PinBlocked] if blocked else []:
        with pytest.raises(kind):
            piv.verify_pin(WRONG_PIN, last_try=True)
    piv.reset()
    assert all(piv.public_key(slot) is None for slot in (*PERSONA_SLOTS, Slot.RETIRED_1))
    assert piv.chuid() is None
    piv.verify_pin(PIN)
    piv.change_puk(PUK, NEW_PUK)
    piv.authenticate_management(DEFAULT_KEY)


def test_another_application_was_selected_meanwhile(new: New) -> None:
    """What then comes is an error of ours, and selecting again cures it, but for the PIN."""
    piv = new()
    piv.verify_pin(PIN)
    piv.session.select(b"")
    for deed in (piv.pin_state, piv.puk_state, piv.version, piv.chuid):
        try:
            deed()
        except EcitizenError:
            continue
    piv = PivSession.select(piv.session)
    assert piv.pin_state() == PinState(3, 3, is_default=True)


def test_no_secret_shows_in_errors(new: New) -> None:
    piv = new()
    with pytest.raises(PinIncorrect) as wrong:
        piv.change_pin(Pin("13572468"), NEW_PIN)
    with pytest.raises(KeyIncorrect) as key:
        piv.authenticate_management(KeyBytes(b"\xab" * 24))
    for error in (wrong.value, key.value):
        said = f"{error!r} {error} {error.args}".lower()
        assert not any(secret in said for secret in ("13572468", "87654321", "abab"))
