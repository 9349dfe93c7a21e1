"""An issuing office for tests: the test hierarchy, a master key, a journal in memory, and blank cards."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cardapps.card_authorities import RegisteredAuthorities
from cardapps.card_scheme import card_scheme
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.image import CardImage, Sections, Value
from ecitizen.emulator.persona import find_persona
from ecitizen.emulator.personalise import blank_sections, card_from_image
from ecitizen.iso7816.apdu import CardProtocol
from ecitizen.issuing_ports import CardAuthorities
from ecitizen.key_providers import DiversifiedKeys, StaticKeys
from ecitizen.model import ApplicationRecord, CardAdmin, CardDate, CitizenId
from ecitizen.ports import CertificateRequest, Signer
from ecitizen.registry.journal import SqliteJournal
from ecitizen.secret import KeyBytes, Pin
from ecitizen.session import CardSession
from ecitizen.transport.virtual import VirtualReader
from ecitizen.usecases.issue_plan import CardOrder
from ecitizen.usecases.issuing_office import CardKeys, IssuingOffice
from pki.authority import Authority
from pki.keys import FileSigner, generate_key
from pki.profiles import Profile
from pki.status import CertificateState
from pki.store import AuthorityRecord, Store

SERIAL = bytes.fromhex("412300A1B2C3D4E5")
MOMENT = datetime.now(UTC).replace(microsecond=0)
MASTER = bytes(range(0x60, 0x70))

EXPIRY = "25990414"
"""In the common era 2056: the order of a card for tests does not grow old."""


def order_for(persona: str, **changes: Any) -> CardOrder:
    """A persona's data as an order for a new card: not of its own chip, and good for a while."""
    applications: dict[str, ApplicationRecord] = dict(find_persona(persona).applications)
    citizen = applications["citizen_id"]
    assert isinstance(citizen, CitizenId)
    applications["citizen_id"] = replace(citizen, expiry_date=CardDate.parse(EXPIRY))
    admin = applications.get("card_admin")
    if isinstance(admin, CardAdmin):
        applications["card_admin"] = replace(admin, chip_serial=None)
    return CardOrder(applications, **changes)


def blank_card(protocol: CardProtocol = CardProtocol.T1, serial: bytes = SERIAL) -> CardImage:
    """A card as it comes from its maker, in memory."""
    return CardImage.in_memory(blank_sections(protocol, serial))


def session_with(image: CardImage) -> CardSession:
    """A session with the card whose memory the image is."""
    return CardSession(VirtualReader(card_from_image(image)).connect())


def memory_of(image: CardImage) -> dict[str, dict[str, Value]]:
    """All that the card remembers, as a copy."""
    return {name: dict(image.read(name)) for name in image.sections()}


def copy_of(sections: Sections | Mapping[str, Mapping[str, Value]]) -> CardImage:
    """Another card with the same memory."""
    return CardImage.in_memory({name: dict(values) for name, values in sections.items()})


class QuickAuthorities(RegisteredAuthorities):
    """One authority in memory for everything, whose register can be copied as it is at any moment."""

    def __init__(self, store: Store, authority: Authority, sealer: tuple[Signer, bytes]) -> None:
        super().__init__(store)
        self._authority = authority
        self._sealer = sealer
        self.published = 0

    @classmethod
    def new(cls) -> "QuickAuthorities":
        authority = Authority.self_signed("Quick Authority", moment=MOMENT - timedelta(days=1))
        store = Store.in_memory()
        store.add_authority(AuthorityRecord("quick", authority.certificate, "memory", "http://quick.invalid"))
        signer = FileSigner(generate_key(KeyAlgorithm.P_256))
        certificate = authority.issue_service(
            signer.public_key, "Document Signer", profile="document_signer_citizen_id", moment=MOMENT
        )
        return cls(store, authority, (signer, certificate))

    @property
    def applications(self) -> frozenset[str]:
        return frozenset({"citizen_id", "health_insurance", "civil_servant"})

    def _profile(self, name: str) -> Profile:
        return self._authority.profiles[name]

    def _application_profile(self, application: str) -> str:
        return f"application_{application}"

    def _issue(self, application: str, request: CertificateRequest, moment: datetime) -> bytes:
        certificate = self._authority.issue(request, moment=moment)
        self._store.record_certificate(
            "quick", certificate, profile=request.profile, card_serial=request.card_serial, application=application
        )
        return certificate

    def _document_signer(self, application: str) -> tuple[Signer, bytes]:
        return self._sealer

    def _publish(self) -> None:
        self.published += 1

    def good(self, card_serial: str) -> list[bytes]:
        """Certificates of a card that are good."""
        return [
            record.certificate
            for record in self._store.certificates_of_card(card_serial)
            if self._store.status("quick", record.serial).state is CertificateState.GOOD
        ]

    def copy(self) -> "QuickAuthorities":
        """Another register with the same in it."""
        return QuickAuthorities(Store(_copied(self._store._connection)), self._authority, self._sealer)


def _copied(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same tables in another database in memory."""
    other = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(other)
    return other


class Desk:
    """An office whose deliveries are kept; everything durable about it can be copied, as after a cut."""

    def __init__(
        self,
        authorities: CardAuthorities,
        journal: SqliteJournal | None = None,
        keys: CardKeys | None = None,
    ) -> None:
        self.authorities = authorities
        self.journal = journal or SqliteJournal.in_memory()
        self.office = IssuingOffice(
            card_scheme(),
            authorities,
            keys or DiversifiedKeys(KeyBytes(MASTER)),
            StaticKeys.published(),
            self.journal,
        )
        self.delivered: list[tuple[str, str | None]] = []

    def deliver(self, pin: Pin, puk: Pin | None) -> None:
        self.delivered.append((pin.reveal().decode(), puk.reveal().decode() if puk else None))

    def state(self) -> bytes:
        """The journal as bytes."""
        return "\n".join(self.journal._connection.iterdump()).encode()

    def copy(self) -> "Desk":
        """Another office with the same journal and register; only of quick authorities."""
        assert isinstance(self.authorities, QuickAuthorities)
        return Desk(self.authorities.copy(), SqliteJournal(_copied(self.journal._connection)), self.office.keys)
