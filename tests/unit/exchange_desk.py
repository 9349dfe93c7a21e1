"""A desk, a card and a recipient that exchange data, for tests: keys, certificates, a trust directory, a reading."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ecitizen.model import (
    Address,
    BilingualText,
    CardDate,
    CardReading,
    CitizenId,
    CivilServant,
    HealthInsurance,
    LinkStats,
    OfficialStatus,
    PersonName,
    Photo,
)
from pki.data_security import seal
from pki.exchange import Consent, ExchangePackage, Party, Purpose, Role, chosen_fields, new_package, sign_package
from pki.exchange_check import check_package
from pki.exchange_package import SealedApplication
from pki.keys import FileSigner
from pki.oids import PURPOSES
from pki.trust import TrustStore, key_fingerprint
from tests.signing_people import SigningPeople
from tests.unit import small_pki
from tests.unit.small_pki import MOMENT

AGENCY, CLINIC = "Department of Provincial Administration", "https://clinic.example.go.th"
PURPOSE = Purpose("health.treatment", BilingualText("รักษาพยาบาล", "treatment"))
CONSENT = Consent(
    BilingualText("ยินยอมให้ส่งสิทธิแก่คลินิก", "I agree that the clinic learns of it"), MOMENT - timedelta(minutes=1)
)
GROUPS = {1: b"UCS", 2: b"", 7: b"25701231", 15: b"key of the card", 16: b"\x01\x02\x03\x04\x05\x06\x07\x08"}
"""Data groups as an application of a card has them, small."""

READING = CardReading(
    {
        "citizen_id": CitizenId(
            cid="1999900000011",
            name_th=PersonName("นาย", "สมชาย", "", "ใจงาม"),
            birth_date=CardDate.parse("25190229"),
            expiry_date=CardDate.parse("25700101"),
            address=Address(house_no="99/9", province="จังหวัดเชียงใหม่"),
            photo=Photo(b"\xff\xd8 a picture \xff\xd9"),
            raw={"cid": b"1999900000011"},
        ),
        "health_insurance": HealthInsurance(
            main_scheme="สิทธิหลักประกันสุขภาพแห่งชาติ (UCS)",
            issue_date=CardDate.parse("25600101"),
            expiry_date=CardDate.parse("25701231"),
        ),
        "civil_servant": CivilServant(status=OfficialStatus.ACTIVE, expiry_date=CardDate.parse("99999999")),
        "card_admin": None,
    },
    (),
    LinkStats("T=1", 1, 1, 1),
)
FIELDS = {"health_insurance": ("main_scheme", "expiry_date")}


@dataclass
class Desk:
    """The people of one exchange. Certificates are good around MOMENT, and lists of the revoked are at hand."""

    folder: Path

    @cached_property
    def people(self) -> SigningPeople:
        return SigningPeople(self.folder)

    def party(self, name: str, *purposes: str, critical: bool = False, **settings: Any) -> small_pki.Party:
        """Somebody whom the authority certified for purposes, by their names in `oids`."""
        usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(PURPOSES[each]) for each in purposes])
        extensions = [(usage, critical)] if purposes else []
        return self.people.authority.issue(name, extensions=extensions, **settings)

    @cached_property
    def officer(self) -> small_pki.Party:
        return self.party("Officer", "client_authentication", "officer")

    @cached_property
    def holder(self) -> small_pki.Party:
        return self.party("Somchai", "client_authentication")

    def officer_of(self, agency: str) -> Party:
        """An officer whose certificate names the agency."""
        key = self.officer.key
        builder = x509.CertificateBuilder(
            self.people.authority.certificate.subject,
            x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, agency)]),
            key.public_key(),
            x509.random_serial_number(),
            self.officer.certificate.not_valid_before_utc,
            self.officer.certificate.not_valid_after_utc,
            list(self.officer.certificate.extensions),
        )
        der = builder.sign(self.people.authority.key, SHA256()).public_bytes(Encoding.DER)
        return Party(Role.DESK, FileSigner(key), der, self.people.chain)

    @cached_property
    def sealer(self) -> small_pki.Party:
        return self.party("Sealer", "health_insurance_data", critical=True)

    @property
    def desk(self) -> Party:
        return self.signing(Role.DESK, self.officer)

    @property
    def card(self) -> Party:
        return self.signing(Role.CARD, self.holder)

    def signing(self, role: Role, who: small_pki.Party) -> Party:
        return Party(role, FileSigner(who.key), who.der, self.people.chain)

    def trust(self, at: datetime = MOMENT, policy: str = "", name: str = "trust") -> TrustStore:
        """The recipient's trust directory, with a policy besides."""
        store = self.people.trust(at, name)
        (store.directory / "issuers").mkdir(exist_ok=True)
        (store.directory / "issuers" / "authority.cer").write_bytes(self.people.authority.der)
        (store.directory / "policy.toml").write_text(policy, encoding="utf-8")
        return TrustStore.open(store.directory)

    def policy(self, application: str = "health_insurance", authority: small_pki.Party | None = None) -> str:
        """What policy.toml says if an authority speaks for an application."""
        fingerprint = key_fingerprint((authority or self.people.authority).der)
        return (
            f'[application.{application}]\nauthorities = ["{fingerprint}"]\n'
            f'document_signer_usage = "{PURPOSES["health_insurance_data"]}"\n'
            f'certificate_usage = "{PURPOSES["health_insurance_card"]}"\n'
        )

    def sealed(self, groups: dict[int, bytes] | None = None) -> SealedApplication:
        """An application's data groups as its agency sealed them."""
        sealed = seal(groups or GROUPS, FileSigner(self.sealer.key), self.sealer.der, moment=MOMENT)
        return SealedApplication(sealed, groups or GROUPS)

    def package(self, **changes: Any) -> ExchangePackage:
        """A package as it should be, but for changes."""
        settings: dict[str, Any] = {
            "sender": AGENCY,
            "recipient": CLINIC,
            "purpose": PURPOSE,
            "consent": CONSENT,
            "applications": chosen_fields(READING, FIELDS),
            "claims": {"health_insurance": {"entitled": True, "valid": True}},
            "moment": MOMENT,
        }
        return new_package(**{**settings, **changes})

    def signed(self, package: ExchangePackage | None = None, **changes: Any) -> bytes:
        """The same, signed by both."""
        return sign_package(package or self.package(**changes), [self.card, self.desk], moment=MOMENT)

    def check(self, data: bytes, trust: TrustStore | None, moment: datetime = MOMENT, **wishes: Any) -> Any:
        """What the clinic's check says."""
        return check_package(data, trust, moment, **{"recipient": CLINIC, "guard": None, **wishes})
