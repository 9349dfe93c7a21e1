"""People who sign, and those who vouch for them, for tests: an authority, signers, a timestamp authority, trust."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm
from pki.keys import FileSigner, PrivateKey, digest, generate_key
from pki.revocation_fetch import Fetched
from pki.timestamp import TimestampAuthority
from pki.timestamp_client import LocalTimestampSource
from pki.trust import TrustStore, add_anchor
from tests.unit.small_pki import MOMENT, YEAR, Party, root

POLICY = "2.25.90166640209361737573623263581298659732.2.1"
HOUR = timedelta(hours=1)


SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


WITH_OCSP = (
    x509.AuthorityInformationAccess(
        [x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier("http://ocsp.test/"))]
    ),
    False,
)


class Counting:
    """A signer that counts how often its key is used."""

    def __init__(self, signer: FileSigner) -> None:
        self.signer = signer
        self.key_algorithm = signer.key_algorithm
        self.public_key = signer.public_key
        self.certificate = signer.certificate
        self.algorithms = signer.algorithms
        self.used = 0

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        self.used += 1
        return self.signer.sign(message, algorithm)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        self.used += 1
        return self.signer.sign_digest(digest, algorithm)


@dataclass
class Clock:
    now: datetime = MOMENT

    def __call__(self) -> datetime:
        return self.now


@dataclass
class SigningPeople:
    """A root, an authority below it, and those that it certified; all on P-256 but where a test wants another key."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    revoked: dict[int, datetime] = field(default_factory=dict)

    @cached_property
    def root(self) -> Party:
        return root("Root of the signers", not_after=MOMENT + 30 * YEAR)

    @cached_property
    def authority(self) -> Party:
        return self.root.issue("Authority of the signers", authority=True, not_after=MOMENT + 20 * YEAR)

    @cached_property
    def signer_party(self) -> Party:
        return self.authority.issue("Somchai Signer", extensions=[WITH_OCSP])

    @cached_property
    def signer(self) -> FileSigner:
        return FileSigner(self.signer_party.key, self.signer_party.der)

    @property
    def chain(self) -> tuple[bytes, ...]:
        return (self.authority.der,)

    def certified(self, kind: KeyAlgorithm, name: str = "Another Signer") -> FileSigner:
        """A signer with a key of some kind."""
        key: PrivateKey = generate_key(kind)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(self.authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(MOMENT - YEAR)
            .not_valid_after(MOMENT + YEAR)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(SIGNING, critical=True)
        )
        certificate = builder.sign(self.authority.key, SHA256())
        return FileSigner(key, certificate.public_bytes(Encoding.DER))

    def stamping(self, name: str = "Stamper", not_after: datetime = MOMENT + 5 * YEAR) -> LocalTimestampSource:
        """A timestamp authority that runs by `clock`."""
        purposes = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True), WITH_OCSP]
        party = self.authority.issue(name, extensions=purposes, not_after=not_after)
        authority = TimestampAuthority(FileSigner(party.key), party.der, policy=POLICY, clock=self.clock)
        return LocalTimestampSource(authority)

    @cached_property
    def timestamps(self) -> LocalTimestampSource:
        return self.stamping()

    def crls(self, at: datetime) -> tuple[bytes, ...]:
        """What both authorities publish: made an hour before, good for a week."""
        begin, end = at - HOUR, at + timedelta(days=7)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.authority.certificate.subject)
        builder = builder.last_update(begin).next_update(end)
        for serial, when in self.revoked.items():
            if when <= at:
                entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
                builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(self.authority.key, SHA256()).public_bytes(Encoding.DER)
        return (self.root.crl(this_update=begin, next_update=end), crl)

    def ocsp(self, certificate: x509.Certificate, at: datetime) -> bytes:
        """The authority's own word on a certificate, good for a day."""
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=certificate,
            issuer=self.authority.certificate,
            algorithm=SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=at - HOUR,
            next_update=at + timedelta(days=1),
            revocation_time=None,
            revocation_reason=None,
        )
        purposes: list[tuple[x509.ExtensionType, bool]] = [
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
            (x509.OCSPNoCheck(), False),
        ]
        responder = self.authority.issue("Responder", extensions=purposes)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        builder = builder.certificates([responder.certificate])
        return builder.sign(responder.key, SHA256()).public_bytes(Encoding.DER)

    def fetch(self, chain: Sequence[bytes]) -> Fetched:
        """A `RevocationSource`: what is published by the clock."""
        assert chain
        return Fetched(self.crls(self.clock.now), ())

    def trust(self, at: datetime | None = None, name: str = "trust") -> TrustStore:
        """A trust directory with the root, and with CRLs of that time if one is given."""
        folder = self.folder / f"{name}-{at:%Y%m%d%H%M%S}" if at else self.folder / name
        add_anchor(folder, self.root.der)
        (folder / "crls").mkdir(exist_ok=True)
        for number, crl in enumerate(self.crls(at) if at else ()):
            (folder / "crls" / f"{number}.crl").write_bytes(crl)
        return TrustStore.open(folder)


@dataclass(frozen=True)
class DigestOf:
    """Digests of content, as `verify_timestamp` takes them."""

    content: bytes

    def __call__(self, algorithm: HashAlgorithm) -> bytes:
        return digest(self.content, algorithm)
