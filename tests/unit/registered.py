"""A root and an issuing authority with a register, in memory, for tests of what they issue and publish."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.model import PersonName
from ecitizen.ports import CertificateRequest
from ecitizen.secret import KeyBytes
from pki.authority import Authority
from pki.certificates import load_certificate
from pki.issuing import IssuingAuthority
from pki.keys import FileSigner, generate_key, public_key_info
from pki.publishing import CrlPublisher, PublishRules
from pki.store import AuthorityRecord, Store

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BASE_URI = "http://pki.example.go.th"
CARD = "412300A1B2010417"
PSEUDONYM_KEY = KeyBytes(bytes(range(32)))


@dataclass
class Registered:
    """The register, its two authorities, and their keys."""

    store: Store
    root: IssuingAuthority
    persons: IssuingAuthority
    root_signer: FileSigner
    persons_signer: FileSigner

    def publisher(self, folder: Path, name: str = "persons", rules: PublishRules | None = None) -> CrlPublisher:
        signer = self.root_signer if name == "root" else self.persons_signer
        return CrlPublisher(self.store, name, signer, folder, rules)

    def card(self, serial: str = CARD) -> bytes:
        return self.persons.issue(card_request(serial), moment=MOMENT)


def registered(
    store: Store | None = None,
    *,
    kind: KeyAlgorithm = KeyAlgorithm.P_256,
    crl_shards: int = 1,
    profiles: tuple[str, ...] = (),
) -> Registered:
    store = store or Store.in_memory()
    root_signer, persons_signer = FileSigner(generate_key(kind)), FileSigner(generate_key(kind))
    establish = MOMENT - DAY
    root = Authority.establish(
        root_signer, "Root", organisation="Ministry", pseudonym_key=PSEUDONYM_KEY, moment=establish
    )
    store.add_authority(AuthorityRecord("root", root.certificate, "file:root.pem", BASE_URI))
    issuing_root = IssuingAuthority(store, "root", root)
    certificate = issuing_root.issue_authority(
        persons_signer.public_key, "Persons", organisation="Ministry", moment=establish
    )
    persons = Authority(persons_signer, certificate, pseudonym_key=PSEUDONYM_KEY)
    store.add_authority(AuthorityRecord("persons", certificate, "file:persons.pem", BASE_URI, crl_shards, profiles))
    return Registered(store, issuing_root, IssuingAuthority(store, "persons", persons), root_signer, persons_signer)


def card_request(serial: str = CARD, profile: str = "card_authentication") -> CertificateRequest:
    return CertificateRequest(profile, PUBLIC_KEYS[KeyAlgorithm.P_256], card_serial=serial)


def person_request(profile: str = "authentication", kind: KeyAlgorithm = KeyAlgorithm.P_256) -> CertificateRequest:
    thai, english = PersonName("นาย", "สมชาย", "", "ใจดี"), PersonName("Mr.", "Somchai", "", "Jaidee")
    return CertificateRequest(profile, PUBLIC_KEYS[kind], thai, english, "1999900100425", CARD)


def serial_of(certificate: bytes) -> int:
    return load_certificate(certificate).serial_number


PUBLIC_KEYS = {
    kind: public_key_info(generate_key(kind))
    for kind in (KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048)
}
