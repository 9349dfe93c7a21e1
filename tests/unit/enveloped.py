"""Holders of encryption keys, and messages for them, for tests of encryption."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ecitizen.algorithms import KeyAlgorithm
from pki.envelope import ContentCipher, Opened, RecipientKey, decrypt, encrypt
from pki.envelope_keys import FileDecipherer, FileKeyAgreement
from pki.keys import PrivateKey, generate_key
from tests.unit.small_pki import Party

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KINDS = (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384)
NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@cache
def authority_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Holder:
    """A key and its certificate."""

    private: PrivateKey
    certificate: bytes

    @property
    def key(self) -> RecipientKey:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return RecipientKey(self.certificate, agreement=FileKeyAgreement(self.private))
        return RecipientKey(self.certificate, decipherer=FileDecipherer(self.private))


def certified(private: PrivateKey, *usages: str, by: Party | None = None) -> Holder:
    """A holder whose certificate names these usages of the key, or says nothing about them."""
    begin = MOMENT - timedelta(days=1)
    issuer, signing_key = (by.name, by.key) if by else ("Authority", authority_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Holder")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    if usages:
        builder = builder.add_extension(x509.KeyUsage(**{**NO_USAGE, **dict.fromkeys(usages, True)}), critical=True)
    certificate = builder.sign(signing_key, hashes.SHA256())
    return Holder(private, certificate.public_bytes(Encoding.DER))


@cache
def holder(kind: KeyAlgorithm, number: int = 0) -> Holder:
    """The same one in every test of a run."""
    return certified(generate_key(kind), "key_encipherment" if kind.is_rsa else "key_agreement")


def sealed(
    content: bytes,
    recipients: Sequence[Holder],
    cipher: ContentCipher = ContentCipher.AES_256_GCM,
    *,
    told: bool = True,
) -> bytes:
    """A message; `told` is whether its length was known when it was begun."""
    out = io.BytesIO()
    size = len(content) if told else None
    encrypt(io.BytesIO(content), out, [each.certificate for each in recipients], size=size, cipher=cipher)
    return out.getvalue()


def opened(message: bytes, *keys: RecipientKey) -> tuple[bytes, Opened]:
    """The content of a message, and what is told of it."""
    out = io.BytesIO()
    told = decrypt(io.BytesIO(message), out, keys)
    return out.getvalue(), told
