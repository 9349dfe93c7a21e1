"""A hierarchy in a few lines, for tests of validation: certificates and CRLs as odd as a test wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class Party:
    """A name, its key, and the certificate that somebody gave it."""

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def issue(
        self,
        subject: str,
        *,
        authority: bool = False,
        key: ec.EllipticCurvePrivateKey | None = None,
        serial: int | None = None,
        not_before: datetime = MOMENT - YEAR,
        not_after: datetime = MOMENT + YEAR,
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
        identifiers: bool = True,
        signed_by: ec.EllipticCurvePrivateKey | None = None,
    ) -> "Party":
        """A certificate by this party."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self.name, own, serial, not_before, not_after, authority=authority)
        if identifiers:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            ).add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return Party(subject, own, builder.sign(signed_by or self.key, hashes.SHA256()))

    def crl(
        self,
        revoked: Iterable[tuple[int, x509.ReasonFlags | None]] = (),
        *,
        this_update: datetime = MOMENT - timedelta(days=1),
        next_update: datetime = MOMENT + timedelta(days=7),
        revoked_at: datetime = MOMENT - timedelta(days=2),
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        """A CRL by this party, DER."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(name(self.name))
        builder = builder.last_update(this_update).next_update(next_update)
        for serial, reason in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(revoked_at)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def root(subject: str = "Root", *, not_after: datetime = MOMENT + 10 * YEAR) -> Party:
    """A self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(subject, subject, key, None, MOMENT - YEAR, not_after, authority=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return Party(subject, key, builder.sign(key, hashes.SHA256()))


def _builder(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    serial: int | None,
    not_before: datetime,
    not_after: datetime,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
    builder = builder.public_key(key.public_key()).serial_number(serial or x509.random_serial_number())
    builder = builder.not_valid_before(not_before).not_valid_after(not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return builder.add_extension(
        x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage),
        critical=True,
    )
