"""The card is pulled out at every exchange of what changes it: then it is as it was, or as it was to become.

Removal between exchanges, before the card acts or after; what happens when the power goes amid its writing is in
`test_piv_power_cut`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import DEFAULT_MANAGEMENT_KEY, AlgorithmId, Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.faults import FaultScript, RemoveAt
from ecitizen.emulator.faulty import FaultyCard
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, record_for, sections_for
from ecitizen.errors import CardRemoved, KeyIncorrect, PinBlocked, PinIncorrect
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.ports import PinState
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from pki import keys

PIN, NEW_PIN, WRONG_PIN = Pin("123456"), Pin("87654321"), Pin("000000")
PUK, NEW_PUK, WRONG_PUK = Pin.puk("12345678"), Pin.puk("s3cret!?"), Pin.puk("wrong-wr")
DEFAULT_KEY, NEW_KEY = KeyBytes(DEFAULT_MANAGEMENT_KEY), KeyBytes(bytes(range(32)))
SLOT = Slot.AUTHENTICATION

Deed = Callable[[PivSession], object]
State = tuple[object, ...]


@cache
def record() -> Any:
    return record_for("piv", find_persona("somchai"))


@cache
def imported_key() -> KeyBytes:
    return keys.private_key_info(keys.generate_key(KeyAlgorithm.RSA_2048))


@cache
def long_certificate() -> bytes:
    return bytes(record_certificate() * 3)


@cache
def record_certificate() -> bytes:
    certificate = select(new_card(CardProtocol.T1)).certificate(SLOT)
    assert certificate is not None
    return certificate


def new_card(protocol: CardProtocol) -> FaultyCard:
    sections = sections_for(find_persona("somchai"), protocol, further={"piv": record()})
    return FaultyCard(card_from_image(CardImage.in_memory(sections)))


def select(card: FaultyCard) -> PivSession:
    return PivSession.select(CardSession(VirtualReader(card).connect()))


# What is done; each from the moment that the card is in the reader


def generate(piv: PivSession) -> None:
    piv.authenticate_management(DEFAULT_KEY)
    piv.generate_key(SLOT, KeyAlgorithm.P_384)


def import_key(piv: PivSession) -> None:
    piv.authenticate_management(DEFAULT_KEY)
    piv.import_key(SLOT, imported_key())


def move(piv: PivSession) -> None:
    piv.authenticate_management(DEFAULT_KEY)
    piv.move_key(SLOT, Slot.RETIRED_1)


def write_certificate(piv: PivSession) -> None:
    piv.authenticate_management(DEFAULT_KEY)
    piv.write_certificate(SLOT, long_certificate())


def set_management_key(piv: PivSession) -> None:
    piv.authenticate_management(DEFAULT_KEY)
    piv.set_management_key(NEW_KEY, AlgorithmId.AES_256)


def change_pin(piv: PivSession) -> None:
    piv.change_pin(PIN, NEW_PIN)


def change_puk(piv: PivSession) -> None:
    piv.change_puk(PUK, NEW_PUK)


def unblock(piv: PivSession) -> None:
    piv.unblock_pin(PUK, NEW_PIN)


DEEDS: tuple[Deed, ...] = (
    generate,
    import_key,
    move,
    write_certificate,
    set_management_key,
    change_pin,
    change_puk,
    unblock,
)


def state_of(card: FaultyCard) -> State:
    """All that these deeds change, as a new session sees it; the card is the same afterwards."""
    card.script = FaultScript([])
    piv = select(card)
    tries = piv.pin_state(), piv.puk_state()
    found = [piv.metadata(slot) for slot in (SLOT, Slot.RETIRED_1)]
    for slot, metadata in zip((SLOT, Slot.RETIRED_1), found, strict=True):
        if metadata is not None:  # the key is whole: what it signs is checked against the public key
            signer = piv.signer(slot, lambda _: pin_of(piv))
            signer.sign(b"message", signer.algorithms[0])
    kinds = [None if metadata is None else (metadata.algorithm, metadata.origin) for metadata in found]
    return (*tries, *kinds, piv.certificate(SLOT), pin_of(piv).reveal(), puk_of(piv).reveal(), management_key_of(piv))


def pin_of(piv: PivSession) -> Pin:
    try:
        piv.verify_pin(PIN, last_try=True)
    except PinIncorrect:
        piv.verify_pin(NEW_PIN, last_try=True)
        return NEW_PIN
    return PIN


def puk_of(piv: PivSession) -> Pin:
    for puk in (PUK, NEW_PUK):
        try:
            piv.change_puk(puk, puk, last_try=True)
        except PinIncorrect:
            continue
        return puk
    raise AssertionError("neither the old PUK nor the new one")


def management_key_of(piv: PivSession) -> bytes:
    for key, algorithm in ((DEFAULT_KEY, AlgorithmId.TRIPLE_DES), (NEW_KEY, AlgorithmId.AES_256)):
        if piv.management_algorithm() is algorithm:
            piv.authenticate_management(key)
            return key.reveal()
    raise AssertionError("neither the old management key nor the new one")


def exchanges_of(deed: Deed, protocol: CardProtocol) -> tuple[int, State]:
    """How many exchanges it takes, and what the card is like afterwards."""
    card = new_card(protocol)
    card.script = FaultScript([])
    deed(select(card))
    return card.script.exchanges, state_of(card)


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_pulled_out_at_every_exchange(deed: Deed, protocol: CardProtocol) -> None:
    old = state_of(new_card(protocol))
    count, new = exchanges_of(deed, protocol)
    assert old != new
    assert state_of(new_card(protocol)) == old  # looking changes nothing
    seen = set()
    for at in range(1, count + 1):
        for after in (False, True):
            card = new_card(protocol)
            card.script = FaultScript([RemoveAt(at, after)])
            with pytest.raises(CardRemoved):
                deed(select(card))
            assert card.out
            found = state_of(card)
            assert found in (old, new), f"exchange {at}, {'after' if after else 'before'} the card acted"
            seen.add((found == new, after))
    assert seen >= {(False, False), (False, True), (True, True)}


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
@pytest.mark.parametrize(
    ("guess", "of_puk"),
    [
        (lambda piv: piv.verify_pin(WRONG_PIN, last_try=True), False),
        (lambda piv: piv.change_pin(WRONG_PIN, NEW_PIN, last_try=True), False),
        (lambda piv: piv.change_puk(WRONG_PUK, NEW_PUK, last_try=True), True),
        (lambda piv: piv.unblock_pin(WRONG_PUK, NEW_PIN, last_try=True), True),
    ],
    ids=["verify", "change-pin", "change-puk", "unblock"],
)
def test_no_free_try_by_pulling_the_card_out(guess: Deed, protocol: CardProtocol, *, of_puk: bool) -> None:
    card = new_card(protocol)
    card.script = FaultScript([])
    piv = select(card)
    before = card.script.exchanges
    with pytest.raises(PinIncorrect):
        guess(piv)
    last = card.script.exchanges
    assert last > before
    for left in (1, 0):
        card.script = FaultScript([RemoveAt(last, after=True)])
        with pytest.raises(CardRemoved):
            guess(select(card))
        card.script = FaultScript([])
        piv = select(card)
        state = piv.puk_state() if of_puk else piv.pin_state()
        assert (state.retries_left, state.verified) == (left, False)
    with pytest.raises(PinBlocked):
        guess(piv)


def test_verification_ends_with_the_power() -> None:
    card = new_card(CardProtocol.T1)
    piv = select(card)
    piv.verify_pin(PIN)
    piv.authenticate_management(DEFAULT_KEY)
    card.script = FaultScript([RemoveAt(1)])
    with pytest.raises(CardRemoved):
        piv.delete_certificate(SLOT)
    assert piv.known_pin_state is None
    card.script = FaultScript([])
    piv = select(card)
    assert piv.pin_state() == PinState(3, 3, verified=False, is_default=True)
    with pytest.raises(KeyIncorrect):
        piv.authenticate_management(KeyBytes(bytes(24)))


@pytest.mark.parametrize("protocol", CardProtocol, ids=str)
def test_pulled_out_amid_a_reset(protocol: CardProtocol) -> None:
    """PIN and PUK may be blocked then, which is what a reset does; another reset goes through, and all is gone."""
    card = new_card(protocol)
    card.script = FaultScript([])
    select(card).reset()
    for at in range(1, card.script.exchanges + 1):
        card = new_card(protocol)
        card.script = FaultScript([RemoveAt(at, after=True)])
        with pytest.raises(CardRemoved):
            select(card).reset()
        card.script = FaultScript([])
        piv = select(card)
        assert piv.version() is not None
        piv.reset()
        assert piv.metadata(SLOT) is None
        assert piv.certificate(SLOT) is None
        piv.verify_pin(PIN)
