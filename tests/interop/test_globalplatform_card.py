"""`yubikit`, the library of YubiKeys' maker, opens SCP03 channels on our card through PC/SC and rotates its keys."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ecitizen.emulator.card import Card
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import card_from_image, sections_for
from ecitizen.iso7816.apdu import CardProtocol
from tests.unit.gp_host import KVN, published_keys, sections_with

if not os.environ.get("CI"):  # where a judge that stays away is a failure
    pytest.importorskip("ykman.pcsc", reason="Foreign judges can't come. Missing: yubikey-manager, pyscard.")

from smartcard.System import readers
from ykman.pcsc import ScardSmartCardConnection
from yubikit.core.smartcard import SW, ApduError
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, ScpKid, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

TEST_KEY = bytes(range(0x40, 0x50))
NEW_KEYS = StaticKeys(bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)))
NEW_KVN = 0x31


def params(kvn: int, keys: StaticKeys) -> Scp03KeyParams:
    return Scp03KeyParams(KeyRef(ScpKid.SCP03, kvn), keys)


PUBLISHED = params(KVN, StaticKeys(TEST_KEY, TEST_KEY, TEST_KEY))
ROTATED = params(NEW_KVN, NEW_KEYS)


@pytest.fixture
def image() -> CardImage:
    return sections_with(sections_for(find_persona("somchai"), CardProtocol.T1), published_keys())


@pytest.fixture
def session(image: CardImage, insert: Callable[..., Any]) -> Iterator[Callable[[], SecurityDomainSession]]:
    """Begin a session at the card, each time from a new connection to it."""
    card: Card = card_from_image(image)
    opened: list[ScardSmartCardConnection] = []
    with insert(card) as (name,):

        def begin() -> SecurityDomainSession:
            while opened:
                opened.pop().close()
            (reader,) = [each for each in readers() if each.name == name]
            connection = reader.createConnection()
            connection.connect()
            opened.append(ScardSmartCardConnection(connection))
            return SecurityDomainSession(opened[0])

        yield begin
        while opened:
            opened.pop().close()


def test_a_channel_at_the_level_that_it_offers(session: Callable[[], SecurityDomainSession]) -> None:
    """It always asks for all: C-MAC, C-ENC, R-MAC, R-ENC."""
    domain = session()
    domain.authenticate(PUBLISHED)
    assert domain.get_data(0x00C1).hex() == "c103000001"
    assert domain.get_data(0x9F7F)[:3].hex() == "9f7f2a"


def test_keys_are_rotated(session: Callable[[], SecurityDomainSession], image: CardImage) -> None:
    domain = session()
    domain.authenticate(PUBLISHED)
    domain.put_key(ROTATED.ref, NEW_KEYS, replace_kvn=KVN)
    assert {name for name in image.read("card") if name.startswith("keys_")} == {"keys_31"}
    domain = session()
    domain.authenticate(ROTATED)
    assert domain.get_data(0x00E0).hex().upper() == "E012" + "".join(f"C004{kid:02X}318810" for kid in (1, 2, 3))
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):  # its words for 6A88: no such key version
        session().authenticate(PUBLISHED)


def test_keys_are_added_and_deleted(session: Callable[[], SecurityDomainSession]) -> None:
    domain = session()
    domain.authenticate(PUBLISHED)
    domain.put_key(ROTATED.ref, NEW_KEYS)
    domain = session()
    domain.authenticate(ROTATED)
    domain.delete_key(kvn=KVN)
    with pytest.raises(ApduError) as caught:
        domain.delete_key(kvn=NEW_KVN)  # the keys of this very channel
    assert caught.value.sw == SW.CONDITIONS_NOT_SATISFIED


def test_wrong_keys_are_recognised_by_the_host(session: Callable[[], SecurityDomainSession]) -> None:
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):  # by our cryptogram: it sends no more
        session().authenticate(params(KVN, NEW_KEYS))
    session().authenticate(PUBLISHED)


def test_nothing_is_managed_without_a_channel(session: Callable[[], SecurityDomainSession]) -> None:
    with pytest.raises(ApduError) as caught:
        session().delete_key(kvn=KVN)
    assert caught.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED


def test_the_standard_form_of_key_information_is_not_what_it_reads(
    session: Callable[[], SecurityDomainSession],
) -> None:
    """YubiKeys leave out the outer tag E0 that the standard has (card-stack.md, 3.1): ours keeps it."""
    domain = session()
    assert domain.get_data(0x00E0)[:2].hex() == "e012"
    with pytest.raises(ValueError, match="got 0xe0 expected 0xc0"):
        domain.get_key_information()


def test_card_recognition_data(session: Callable[[], SecurityDomainSession]) -> None:
    """The same of tag 66: we keep it, and it expects the 73 that stands inside."""
    domain = session()
    assert domain.get_data(0x0066)[:4].hex() == "6631732f"
    with pytest.raises(ValueError, match="got 0x66 expected 0x73"):
        domain.get_card_recognition_data()
