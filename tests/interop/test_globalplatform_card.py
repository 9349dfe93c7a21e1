"""`yubikit`, the library of YubiKeys' maker, manages our card through PC/SC: channels, keys, numbers, the signing key.

It knows the issuer's domain, and opens channels to applications; agencies' domains are selected with its own means.
What it offers of SCP11, certificates and reset is YubiKeys' own, and refused.
"""

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
from tests.unit.gp_issued import (
    CITIZEN_ID,
    INTERIOR,
    PIV,
    application,
    blank,
    dgi,
    issued,
    manager,
    personalisation,
)
from tests.unit.test_piv_applet_personalising import PERSONAL

if not os.environ.get("CI"):  # where a judge that stays away is a failure
    pytest.importorskip("ykman.pcsc", reason="Foreign judges can't come. Missing: yubikey-manager, pyscard.")

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from smartcard.System import readers
from ykman.pcsc import ScardSmartCardConnection
from yubikit.core.smartcard import SW, ApduError
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, ScpKid, StaticKeys
from yubikit.piv import KEY_TYPE, OBJECT_ID, SLOT, PivSession
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


class Desk:
    """A reader with a card in it, and a new connection for each session."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._opened: list[ScardSmartCardConnection] = []

    def connect(self) -> ScardSmartCardConnection:
        self.close()
        (reader,) = [each for each in readers() if each.name == self._name]
        connection = reader.createConnection()
        connection.connect()
        self._opened.append(ScardSmartCardConnection(connection))
        return self._opened[0]

    def domain(self) -> SecurityDomainSession:
        return SecurityDomainSession(self.connect())

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


@pytest.fixture
def desk(image: CardImage, insert: Callable[..., Any]) -> Iterator[Desk]:
    card: Card = card_from_image(image)
    with insert(card) as (name,):
        desk = Desk(name)
        yield desk
        desk.close()


@pytest.fixture
def session(desk: Desk) -> Callable[[], SecurityDomainSession]:
    """Begin a session at the card, each time from a new connection to it."""
    return desk.domain


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


def test_numbers_of_issuer_and_card(session: Callable[[], SecurityDomainSession], image: CardImage) -> None:
    """It sends STORE DATA in class 00, which the standard has as 80: our domains take both."""
    domain = session()
    with pytest.raises(ApduError) as caught:
        domain.store_data(bytes.fromhex("4203764123"))
    assert caught.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
    domain.authenticate(PUBLISHED)
    domain.store_data(bytes.fromhex("42037641234506") + b"card 1")
    assert (domain.get_data(0x0042).hex(), domain.get_data(0x0045)) == ("4203764123", b"\x45\x06card 1")
    assert image.read("card")["iin"] == bytes.fromhex("764123")


def test_what_is_of_yubikeys_alone(session: Callable[[], SecurityDomainSession], image: CardImage) -> None:
    domain = session()
    domain.authenticate(PUBLISHED)
    assert domain.get_supported_ca_identifiers() == {}
    assert domain.get_certificate_bundle(KeyRef(ScpKid.SCP11b, 0x13)) == []
    before = dict(image.read("card"))
    for refused, sw in (
        (lambda: domain.generate_ec_key(KeyRef(ScpKid.SCP11b, 0x13)), SW.INVALID_INSTRUCTION),
        (lambda: domain.put_key(KeyRef(ScpKid.SCP11a, 3), ec.generate_private_key(ec.SECP256R1())), 0x6A86),
        (lambda: domain.store_ca_issuer(KeyRef(ScpKid.SCP11a, 3), bytes(20)), 0x6A80),
        (lambda: domain.delete_key(kid=0x13), 0x6A80),
        (lambda: domain.delete_key(kvn=KVN, delete_last=True), 0x6A86),
    ):
        with pytest.raises(ApduError) as caught:
            refused()
        assert caught.value.sw == sw
    with pytest.raises(ValueError, match="got 0xe0 expected 0xc0"):  # the form of key information again
        domain.reset()
    assert dict(image.read("card")) == before


class TestAgency:
    """An agency's domain and its application, each selected by the library's own protocol."""

    @pytest.fixture
    def image(self) -> CardImage:
        return issued()

    KEYS = StaticKeys(*[bytes(range(0x50, 0x60))] * 3)

    def test_it_rotates_an_agencys_keys(self, session: Callable[[], SecurityDomainSession]) -> None:
        domain = session()
        domain.protocol.select(INTERIOR)
        domain.authenticate(params(0x01, self.KEYS))
        domain.put_key(ROTATED.ref, NEW_KEYS, replace_kvn=0x01)
        domain = session()
        domain.protocol.select(INTERIOR)
        domain.authenticate(ROTATED)
        with pytest.raises(ApduError) as caught:
            domain.protocol.send_apdu(0x80, 0xE4, 0x00, 0x00, b"\x4f\x08" + CITIZEN_ID)
        assert caught.value.sw == SW.CONDITIONS_NOT_SATISFIED  # content is the issuer's

    @pytest.mark.parametrize("through_domain", [True, False])
    def test_it_personalises_an_application(
        self, session: Callable[[], SecurityDomainSession], image: CardImage, through_domain: bool
    ) -> None:
        domain = session()
        domain.protocol.select(INTERIOR if through_domain else CITIZEN_ID)
        domain.authenticate(params(0x01, self.KEYS))
        if through_domain:
            assert domain.protocol.send_apdu(0x80, 0xE6, 0x20, 0x00, personalisation(CITIZEN_ID)) == b"\x00"
        content = b"0003" + bytes(1500)  # in a chain below the MAC, or in one extended command
        domain.protocol.send_apdu(0x80, 0xE2, 0x88, 0x00, dgi(0x0101, content))
        assert image.read("citizen_id")["block0"] == content


class TestSigningApplication:
    """The library's session for PIV, in the channel of the domain that is in charge of it."""

    @pytest.fixture
    def image(self) -> CardImage:
        made = blank()
        host = manager(made)
        host.install(application(PIV))
        host.install(personalisation(PIV), 0x20)
        assert host.store(PERSONAL, 0xE8) == 0x9000
        return made

    def test_it_generates_a_key_without_the_management_key(self, desk: Desk) -> None:
        piv = PivSession(desk.connect(), PUBLISHED)
        key = piv.generate_key(SLOT.AUTHENTICATION, KEY_TYPE.ECCP256)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        piv.put_object(OBJECT_ID.CHUID, b"\x30\x01\x01")
        plain = PivSession(desk.connect())
        assert plain.get_object(OBJECT_ID.CHUID) == b"\x30\x01\x01"
        plain.verify_pin("654321")
        signature = plain.sign(SLOT.AUTHENTICATION, KEY_TYPE.ECCP256, b"text", SHA256())
        key.verify(signature, b"text", ec.ECDSA(SHA256()))
        with pytest.raises(ApduError) as caught:
            plain.generate_key(SLOT.AUTHENTICATION, KEY_TYPE.ECCP256)
        assert caught.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
