"""Signed attributes of CAdES: what a signature says about itself (ETSI EN 319 122-1, 5; RFC 5652, 11)."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError

from .algorithm_identifiers import hash_identifier
from .certificate_parts import certificate_parts
from .cms_algorithms import digest_for, hash_name, written_signature
from .cms_forms import (
    ALGORITHM_PROTECTION,
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    MIME_TYPE,
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2,
    SIGNING_TIME,
    Attribute,
    SignerInfo,
)
from .der import (
    CONTEXT_CONSTRUCTED,
    TAG_GENERALIZED_TIME,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    TAG_UTC_TIME,
    TAG_UTF8_STRING,
    Reader,
    der,
    explicit,
    integer,
    octet_string,
    sequence,
    set_of,
    x509_time,
)
from .errors import KeyUnsupported, Malformed
from .keys import digest

_MIME_TYPE_MAX_LEN = 255
_DIRECTORY_NAME = 4
"""The choice of GeneralName (RFC 5280, 4.2.1.6)."""
_SIGNATURE_ALGORITHM = CONTEXT_CONSTRUCTED | 1


# Writing


def signed_attributes(
    message_digest: bytes,
    certificate: bytes,
    algorithm: SignatureAlgorithm,
    moment: datetime,
    content_type: bytes,
    mime_type: str | None = None,
) -> bytes:
    """The attributes to sign, as SET OF, DER; raise UsageError for a moment without a time zone, or no MIME type."""
    if moment.tzinfo is None:
        raise UsageError("the moment of a signature needs a time zone")
    digest_algorithm = hash_identifier(digest_for(algorithm))
    protected = written_signature(algorithm)
    values = {
        CONTENT_TYPE: content_type,
        MESSAGE_DIGEST: octet_string(message_digest),
        SIGNING_TIME: x509_time(moment),
        SIGNING_CERTIFICATE_V2: sequence(sequence(certificate_identifier(certificate))),
        ALGORITHM_PROTECTION: sequence(digest_algorithm, der(_SIGNATURE_ALGORITHM, protected[_head_len(protected) :])),
    }
    if mime_type is not None:
        if not mime_type.isascii() or not mime_type.isprintable() or not 0 < len(mime_type) <= _MIME_TYPE_MAX_LEN:
            raise UsageError("a MIME type is like text/plain; give such a one, or none")
        values[MIME_TYPE] = der(TAG_UTF8_STRING, mime_type.encode("ascii"))
    return set_of(Attribute(kind, (value,)).written for kind, value in values.items())


def certificate_identifier(certificate: bytes) -> bytes:
    """ESSCertIDv2 by SHA-256, which is left out since it is the default (RFC 5035, 4)."""
    parts = certificate_parts(certificate)
    issuer = sequence(explicit(_DIRECTORY_NAME, parts.issuer))
    hashed = octet_string(digest(certificate, HashAlgorithm.SHA_256))
    return sequence(hashed, sequence(issuer, integer(parts.serial_number)))


def _head_len(value: bytes) -> int:
    return 2 if value[1] < 0x80 else 2 + (value[1] & 0x7F)


# Reading


@dataclass(frozen=True, slots=True)
class CertificateHash:
    """How a signature names its certificate."""

    hash: str
    """As hashlib names it; `sha1` in the old form."""
    value: bytes = field(repr=False)

    def fits(self, certificate: bytes) -> bool:
        """Whether it is this certificate (DER)."""
        found = hashlib.new(self.hash, certificate, usedforsecurity=self.hash != "sha1").digest()
        return hmac.compare_digest(found, self.value)


@dataclass(frozen=True, slots=True)
class SignerClaims:
    """What a signature says about itself. None is what it does not say."""

    content_type: bytes | None
    message_digest: bytes | None
    signed_at: datetime | None
    mime_type: str | None
    certificate: CertificateHash | None
    """The newer form, if both are there."""
    both_certificates: tuple[CertificateHash, ...]
    algorithms: tuple[bytes, bytes] | None
    """Digest and signature algorithm, AlgorithmIdentifiers, DER (RFC 6211)."""
    twice: bool
    """An attribute is there twice, or has several values where one is right."""
    wrong: bool
    """An attribute can't be read."""


_KNOWN = (
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    SIGNING_TIME,
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2,
    ALGORITHM_PROTECTION,
    MIME_TYPE,
)


def read_claims(signer: SignerInfo) -> SignerClaims:
    """What the signed attributes say; never raises, `wrong` and `twice` tell of what can't be taken as it is."""
    found: dict[bytes, bytes] = {}
    twice = False
    for attribute in signer.signed:
        if attribute.type in _KNOWN:
            twice |= attribute.type in found or len(attribute.values) != 1
            if attribute.values:
                found.setdefault(attribute.type, attribute.values[0])
        else:
            twice |= sum(each.type == attribute.type for each in signer.signed) > 1
    try:
        hashes = tuple(_certificate_hashes(found))
        time = found.get(SIGNING_TIME)
        mime_type = found.get(MIME_TYPE)
        message_digest = found.get(MESSAGE_DIGEST)
        protection = found.get(ALGORITHM_PROTECTION)
        return SignerClaims(
            found.get(CONTENT_TYPE),
            None if message_digest is None else Reader(message_digest).content(TAG_OCTET_STRING),
            None if time is None else read_time(time),
            None if mime_type is None else Reader(mime_type).content(TAG_UTF8_STRING).decode("utf-8"),
            hashes[0] if hashes else None,
            hashes,
            None if protection is None else _algorithms(protection),
            twice,
            wrong=False,
        )
    except (Malformed, KeyUnsupported, ValueError):
        return SignerClaims(None, None, None, None, None, (), None, twice, wrong=True)


def read_time(value: bytes) -> datetime:
    """UTCTime or GeneralizedTime in UTC, to the second or finer; raise Malformed for anything else."""
    tag = value[0] if value else 0
    if tag not in {TAG_UTC_TIME, TAG_GENERALIZED_TIME}:
        raise Malformed("a time is none")
    form = "%y%m%d%H%M%SZ" if tag == TAG_UTC_TIME else "%Y%m%d%H%M%SZ"
    try:
        text = Reader(value).content(tag).decode("ascii")
        whole, dot, fraction = text.removesuffix("Z").partition(".")
        moment = datetime.strptime(f"{whole}Z", form).replace(tzinfo=UTC)
        if not text.endswith("Z") or (dot and not fraction.isdecimal()):
            raise Malformed("a time is not written in UTC")
        return moment.replace(microsecond=int(fraction.ljust(6, "0")[:6])) if dot else moment
    except ValueError:
        raise Malformed("a time is none") from None


def _certificate_hashes(found: dict[bytes, bytes]) -> Iterable[CertificateHash]:
    """The first certificate that each form of the attribute names is the signer's (RFC 5035, 3)."""
    newer, older = found.get(SIGNING_CERTIFICATE_V2), found.get(SIGNING_CERTIFICATE)
    if newer is not None:
        identifier = Reader(newer).inside().inside().inside()
        name = hash_name(identifier.element(TAG_SEQUENCE)) if identifier.peek() == TAG_SEQUENCE else "sha256"
        yield CertificateHash(name, identifier.content(TAG_OCTET_STRING))
    if older is not None:
        yield CertificateHash("sha1", Reader(older).inside().inside().inside().content(TAG_OCTET_STRING))


def _algorithms(value: bytes) -> tuple[bytes, bytes]:
    inside = Reader(value).inside()
    digest_algorithm = inside.element(TAG_SEQUENCE)
    implicit = inside.element(_SIGNATURE_ALGORITHM)
    return digest_algorithm, bytes((TAG_SEQUENCE,)) + implicit[1:]


def oid_of(value: bytes) -> bytes:
    """An OBJECT IDENTIFIER, DER, if that is what it is; raise Malformed otherwise."""
    return Reader(value).element(TAG_OID)
