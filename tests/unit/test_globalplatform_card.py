"""The host of `globalplatform` at the emulated card: domains, applications, keys, life cycles, over both protocols."""

from collections.abc import Callable, Iterator

import pytest

from cardapps.citizen_id import layout as citizen_id
from cardapps.domains import AGENCIES, ISSUER, LOAD_FILE_APPLICATIONS, LOAD_FILE_DOMAINS, MODULE_DOMAIN
from ecitizen.emulator.image import CardImage
from ecitizen.emulator.personalise import blank_sections, card_from_image
from ecitizen.emulator.security_domain_keys import DomainKeys
from ecitizen.errors import (
    AppNotFound,
    CardRemoved,
    CryptogramWrong,
    EcitizenError,
    KeyIncorrect,
    SecurityStatusNotSatisfied,
    StatusError,
)
from ecitizen.globalplatform import DomainSession
from ecitizen.globalplatform_objects import CardLifeCycle, Privilege, RegistryEntry, RegistryKind
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.key_providers import DiversifiedKeys, KeyProvider, StaticKeys
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import SecurityLevel
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader, VirtualTransport

SERIAL = bytes.fromhex("1122334455667788")
TEST = StaticKeys.published()
NEW = DiversifiedKeys(KeyBytes(bytes(range(32))))
INTERIOR, HEALTH = AGENCIES[:2]
APP = citizen_id.AID


def image(protocol: CardProtocol = CardProtocol.T1) -> CardImage:
    return CardImage.in_memory(blank_sections(protocol, SERIAL))


def session_at(card: CardImage) -> CardSession:
    return CardSession(VirtualReader(card_from_image(card)).connect())


@pytest.fixture(params=CardProtocol, ids=str)
def issuer(request: pytest.FixtureRequest) -> Iterator[DomainSession]:
    """The issuer's domain of a blank card, with a channel open."""
    with session_at(image(request.param)) as session:
        domain = DomainSession.select(session)
        domain.open_channel(TEST)
        yield domain


def install_agency(issuer: DomainSession, keys: KeyProvider = NEW) -> DomainSession:
    """The domain of the interior with keys of its own and its application; gives the domain with a channel open."""
    issuer.install_and_make_selectable(
        LOAD_FILE_DOMAINS, MODULE_DOMAIN, INTERIOR.aid, privileges=Privilege.SECURITY_DOMAIN
    )
    issuer.install_and_make_selectable(LOAD_FILE_APPLICATIONS, APP, APP)
    issuer.extradite(APP, INTERIOR.aid)
    domain = issuer.at(INTERIOR.aid)
    domain.open_channel(TEST, keys_of=ISSUER.aid)
    domain.put_keys(keys)
    assert domain.open_channel(keys) is SecurityLevel.FULL
    return domain


def test_a_blank_card_tells_what_it_is(issuer: DomainSession) -> None:
    assert issuer.chip_serial() == SERIAL
    assert issuer.recognition().version == (2, 3, 1)
    assert {each.kvn for each in issuer.key_information()} == {0x30}
    (entry,) = issuer.get_status(RegistryKind.ISSUER_DOMAIN)
    assert (entry.aid, CardLifeCycle(entry.life_cycle)) == (ISSUER.aid, CardLifeCycle.OP_READY)
    assert issuer.get_status(RegistryKind.APPLICATIONS) == ()
    files = {each.aid: each.modules for each in issuer.get_status(RegistryKind.LOAD_FILES_AND_MODULES)}
    assert files[LOAD_FILE_DOMAINS] == (MODULE_DOMAIN,)
    assert APP in files[LOAD_FILE_APPLICATIONS]


def test_an_agency_gets_its_domain_keys_and_application(issuer: DomainSession) -> None:
    domain = install_agency(issuer)
    assert {(each.kvn, each.length) for each in domain.key_information()} == {(1, 32)}
    issuer = domain.at(ISSUER.aid)
    issuer.open_channel(TEST)
    agency, application = issuer.get_status(RegistryKind.APPLICATIONS)
    assert (agency.aid, agency.privileges) == (INTERIOR.aid, Privilege.SECURITY_DOMAIN)
    assert application == RegistryEntry(APP, 0x07, Privilege(0), INTERIOR.aid, LOAD_FILE_APPLICATIONS)


def test_keys_of_one_domain_open_no_other(issuer: DomainSession) -> None:
    domain = install_agency(issuer)
    with pytest.raises(KeyIncorrect, match="no keys of version 30"):
        domain.open_channel(TEST)
    other = DiversifiedKeys(KeyBytes(b"another master k"))
    assert not domain.probe(other)
    with pytest.raises(CryptogramWrong):
        domain.open_channel(other)
    application = domain.at(APP)
    with pytest.raises((CryptogramWrong, KeyIncorrect)):
        application.open_channel(NEW, keys_of=HEALTH.aid)
    application.open_channel(NEW, keys_of=INTERIOR.aid)


def test_an_application_is_locked_unlocked_and_deleted(issuer: DomainSession) -> None:
    domain = install_agency(issuer).at(ISSUER.aid)
    domain.open_channel(TEST)
    domain.lock(APP)
    assert [each.locked for each in domain.get_status(RegistryKind.APPLICATIONS, APP)] == [True]
    with pytest.raises(AppNotFound):
        domain.at(APP)
    domain = domain.at(ISSUER.aid)
    domain.open_channel(TEST)
    domain.unlock(APP)
    domain.delete(APP)
    assert domain.get_status(RegistryKind.APPLICATIONS, APP) == ()


def test_the_numbers_of_issuer_and_card(issuer: DomainSession) -> None:
    assert (issuer.iin(), issuer.cin()) == (None, None)
    assert issuer.store_objects(bytes.fromhex("42030102034502AABB")) == 1
    assert (issuer.iin(), issuer.cin()) == (b"\x01\x02\x03", b"\xaa\xbb")
    assert issuer.sequence_counter() == 1


def test_keys_are_rotated_and_deleted(issuer: DomainSession) -> None:
    issuer.put_keys(NEW)
    with pytest.raises(StatusError):
        issuer.delete_keys(0x30)  # those of this channel
    issuer.open_channel(NEW)
    issuer.delete_keys(0x30)
    assert {each.kvn for each in issuer.key_information()} == {1}
    newer = DiversifiedKeys(KeyBytes(bytes(24)), kvn=2)
    issuer.put_keys(newer, replace=1)
    issuer.open_channel(newer)
    assert {(each.kvn, each.length) for each in issuer.key_information()} == {(2, 24)}
    with pytest.raises(KeyIncorrect):
        issuer.open_channel(TEST)
    again = DiversifiedKeys(KeyBytes(bytes(range(16))), kvn=2)
    issuer.open_channel(newer)
    issuer.put_keys(again, replace=2)  # of the same version, and their counter begins anew
    issuer.open_channel(again)


def test_the_card_goes_through_its_life(issuer: DomainSession) -> None:
    for state in (CardLifeCycle.INITIALIZED, CardLifeCycle.SECURED, CardLifeCycle.CARD_LOCKED, CardLifeCycle.SECURED):
        issuer.set_card_status(state)
        (entry,) = issuer.get_status(RegistryKind.ISSUER_DOMAIN)
        assert entry.life_cycle == state
    with pytest.raises(StatusError, match="OP_READY"):
        issuer.set_card_status(CardLifeCycle.OP_READY)


@pytest.mark.parametrize("level", SecurityLevel)
def test_every_level_manages(level: SecurityLevel) -> None:
    with session_at(image()) as session:
        domain = DomainSession.select(session)
        domain.open_channel(TEST, level)
        domain.put_keys(NEW, replace=0x30)
        domain.open_channel(NEW, level)
        assert len(domain.get_status(RegistryKind.LOAD_FILES_AND_MODULES)) == 2


def test_an_agency_can_not_write_for_another(issuer: DomainSession) -> None:
    domain = install_agency(issuer)
    issuer = domain.at(ISSUER.aid)
    issuer.open_channel(TEST)
    issuer.install_and_make_selectable(
        LOAD_FILE_DOMAINS, MODULE_DOMAIN, HEALTH.aid, privileges=Privilege.SECURITY_DOMAIN
    )
    health = issuer.at(HEALTH.aid)
    health.open_channel(TEST, keys_of=ISSUER.aid)
    health.put_keys(NEW)
    health.open_channel(NEW)
    acts: list[Callable[[], object]] = [
        lambda: health.install_for_personalization(APP),
        lambda: health.delete(APP),
        lambda: health.lock(APP),
        lambda: health.extradite(APP, HEALTH.aid),
    ]
    for act in acts:
        with pytest.raises((StatusError, SecurityStatusNotSatisfied)):
            act()


class Cut:
    """A transport whose card is pulled out before or after the exchange of a number: its answer never comes."""

    def __init__(self, transport: VirtualTransport, left: int, *, after: bool) -> None:
        self._transport, self.left, self._after = transport, left, after
        self.name, self.atr, self.protocol = transport.name, transport.atr, transport.protocol
        self.reset, self.transaction, self.close = transport.reset, transport.transaction, transport.close

    def transmit(self, command: bytes) -> bytes:
        if self.left == 0 and not self._after:
            raise CardRemoved("the card was pulled out")
        answer = self._transport.transmit(command)
        self.left -= 1
        if self.left < 0:
            raise CardRemoved("the card was pulled out")
        return answer


def rotate(session: CardSession) -> None:
    """As `ecitizen gp keys rotate` does: whatever went before, the card ends with the new keys."""
    domain = DomainSession.select(session)
    if not domain.probe(NEW):
        domain.open_channel(TEST)
        domain.put_keys(NEW, replace=TEST.kvn)
    domain.open_channel(NEW)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_rotation_cut_at_any_exchange_is_finished_by_the_next_run(after: bool) -> None:
    card = image()
    with session_at(card) as session:
        rotate(session)
        total = session.stats.exchanges
    survived = 0
    for index in range(total):
        card = image()
        transport = VirtualReader(card_from_image(card)).connect()
        with CardSession(Cut(transport, index, after=after)) as session, pytest.raises(EcitizenError):
            rotate(session)
        with session_at(card) as session:
            rotate(session)
        found = [each.keys.kvn for each in DomainKeys(card.read("card"))]
        survived += found == [NEW.kvn]
    print(f"key rotation: {survived} of {total} cut points survived")
    assert survived == total
