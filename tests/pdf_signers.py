"""Who signs PDF in tests: a small hierarchy with a citizen, a timestamp authority and revocation lists."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm
from pki.keys import FileSigner, PrivateKey, generate_key
from pki.pem import pem
from pki.signed import Fetched
from pki.timestamp import TimestampAuthority
from pki.trust import TrustStore, add_anchor
from tests.service_authorities import POLICY
from tests.unit.small_pki import MOMENT, YEAR, Party, root


class CountingSigner:
    """A key that counts how often it is used."""

    def __init__(self, key: PrivateKey, certificate: bytes | None = None) -> None:
        self._signer = FileSigner(key, certificate)
        self.key_algorithm = self._signer.key_algorithm
        self.algorithms = self._signer.algorithms
        self.public_key = self._signer.public_key
        self.certificate = certificate
        self.used = 0

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        self.used += 1
        return self._signer.sign(message, algorithm)

    def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
        self.used += 1
        return self._signer.sign_digest(digest, algorithm)


@dataclass
class Stamps:
    """A timestamp authority without HTTP, and what it was asked for."""

    authority: TimestampAuthority
    asked: list[bytes] = field(default_factory=list)

    def stamp(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
        self.asked.append(digest)
        imprint = {"hash_algorithm": {"algorithm": str(algorithm)}, "hashed_message": digest}
        request = tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "cert_req": True}).dump()
        token: bytes = tsp.TimeStampResp.load(self.authority.answer(request))["time_stamp_token"].dump()
        return token


@dataclass
class Lists:
    """Revocation lists that somebody has at hand."""

    crls: tuple[bytes, ...]

    def fetch(self, chain: Sequence[bytes]) -> Fetched:
        return Fetched(self.crls if chain else ())


@dataclass
class Town:
    """Root, issuer, a citizen who signs, and a timestamp authority."""

    root: Party
    issuer: Party
    citizen: Party
    stamper: Party
    revoked: tuple[int, ...] = ()
    now: datetime = MOMENT

    @property
    def chain(self) -> list[bytes]:
        return [self.issuer.der, self.root.der]

    def signer(self) -> CountingSigner:
        return CountingSigner(self.citizen.key, self.citizen.der)

    def stamps(self, at: datetime | None = None) -> Stamps:
        signer = FileSigner(self.stamper.key, self.stamper.der)
        return Stamps(
            TimestampAuthority(signer, self.stamper.der, policy=POLICY, chain=self.chain, clock=lambda: at or self.now)
        )

    def lists(self, at: datetime | None = None, *revoked: int) -> Lists:
        when = at or self.now
        begin, end = when - timedelta(hours=1), when + timedelta(days=7)
        gone = [(serial, None) for serial in revoked]
        by_issuer = self.issuer.crl(gone, revoked_at=when - timedelta(days=2), this_update=begin, next_update=end)
        return Lists((self.root.crl(this_update=begin, next_update=end), by_issuer))

    def store(self, folder: Path, *crls: bytes) -> TrustStore:
        """A trust directory with the root, and with revocation lists if any are given."""
        add_anchor(folder, self.root.der)
        (folder / "crls").mkdir(exist_ok=True)
        for number, each in enumerate(crls):
            (folder / "crls" / f"{number}.pem").write_bytes(pem(each, "X509 CRL"))
        return TrustStore.open(folder)


@cache
def town() -> Town:
    """The usual one, made once."""
    top = root("Root of Town")
    issuer = top.issue("Issuer of Town", authority=True, not_after=MOMENT + 10 * YEAR)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    stamper = issuer.issue("Stamper", extensions=[(purpose, True)], not_after=MOMENT + 5 * YEAR)
    return Town(top, issuer, issuer.issue("สมชาย ใจดี"), stamper)


@cache
def rsa_key() -> PrivateKey:
    return generate_key(KeyAlgorithm.RSA_2048)


def certificate_for(key: PrivateKey, name: str = "Somchai Jaidee") -> bytes:
    """The issuer's certificate for a key of any kind."""
    issuer = town().issuer
    party = issuer.issue(name, key=key)  # type: ignore[arg-type]  # the builder takes every kind of key
    return party.certificate.public_bytes(Encoding.DER)


def p384_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP384R1())
