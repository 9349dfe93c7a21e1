"""For whom a message is encrypted: RecipientInfos written for certificates, read from others' messages, and opened.

RSA keys get the content key by RSAES-OAEP (RFC 3560), keys on P-256 and P-384 by ephemeral-static ECDH (RFC 5753).
Sources: RFC 5652, 6.2 (structures); RFC 5753, 7.1; RFC 4055, 4.1 (OAEP's parameters); RFC 3565 (AES key wrap).
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import DecodeError
from ecitizen.ports import Decipherer, KeyAgreement

from .algorithm_identifiers import hash_by_identifier, hash_identifier
from .certificate_parts import certificate_parts
from .certificates import certified_key, load_certificate
from .der import (
    CONTEXT,
    CONTEXT_CONSTRUCTED,
    TAG_BIT_STRING,
    TAG_NULL,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Reader,
    explicit,
    integer,
    octet_string,
    oid,
    sequence,
)
from .envelope_keys import agreement_hash, ephemeral_agreement, transport, unwrapped, wrapping_key
from .errors import KeyUnsupported, Malformed
from .keys import key_algorithm, load_public_key

OID_RSA_PKCS1: Final = "1.2.840.113549.1.1.1"
OID_RSA_OAEP: Final = "1.2.840.113549.1.1.7"
OID_MGF1: Final = "1.2.840.113549.1.1.8"
OID_P_SPECIFIED: Final = "1.2.840.113549.1.1.9"
OID_AES256_WRAP: Final = "2.16.840.1.101.3.4.1.45"
_AGREEMENTS: Final = MappingProxyType(
    {
        oid(dotted): name
        for dotted, name in (
            ("1.3.133.16.840.63.0.2", "sha1"),
            ("1.3.132.1.11.1", "sha256"),
            ("1.3.132.1.11.2", "sha384"),
            ("1.3.132.1.11.3", "sha512"),
        )
    }
)
"""dhSinglePass-stdDH-*kdf-scheme to the hash that derives the key (RFC 5753, 7.1.4)."""
_AGREEMENT_OIDS: Final = MappingProxyType({name: identifier for identifier, name in _AGREEMENTS.items()})
_WRAPS: Final = MappingProxyType(
    {
        oid("2.16.840.1.101.3.4.1.5"): 16,
        oid("2.16.840.1.101.3.4.1.25"): 24,
        oid(OID_AES256_WRAP): 32,
    }
)
"""AES key wraps to the bytes of their key."""

_VERSION_BY_ISSUER, _VERSION_AGREEMENT = 0, 3
_TAG_AGREEMENT = CONTEXT_CONSTRUCTED | 1


@dataclass(frozen=True, slots=True)
class RecipientId:
    """The certificate that a message names: by issuer and serial number, or by its subject key identifier."""

    issuer: bytes = b""
    """Name, DER; empty if the identifier is given instead."""
    serial_number: int = 0
    key_identifier: bytes = b""

    def names(self, certificate: bytes) -> bool:
        """Whether it is this certificate (DER) that is meant; raise Malformed if it is none."""
        if self.issuer:
            parts = certificate_parts(certificate)
            return (self.issuer, self.serial_number) == (parts.issuer, parts.serial_number)
        return bool(self.key_identifier) and self.key_identifier == _subject_key_identifier(certificate)


@dataclass(frozen=True, slots=True)
class Transported:
    """A content key enciphered to an RSA key."""

    recipient: RecipientId
    algorithm: bytes
    """AlgorithmIdentifier, DER."""
    encrypted_key: bytes


@dataclass(frozen=True, slots=True)
class Agreed:
    """A content key wrapped for one of those who agree with the sender's key."""

    recipient: RecipientId
    algorithm: bytes
    """AlgorithmIdentifier of the agreement with that of the key wrap in it, DER."""
    originator: bytes
    """OriginatorIdentifierOrKey, DER."""
    ukm: bytes | None
    encrypted_key: bytes


Recipient = Transported | Agreed


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A key that may open messages, and its certificate: on a card, or in a file."""

    certificate: bytes
    """DER."""
    agreement: KeyAgreement | None = None
    """Of a key on P-256 or P-384."""
    decipherer: Decipherer | None = None
    """Of an RSA key."""


# Writing


def recipient_info(certificate: bytes, content_key: bytes) -> bytes:
    """The RecipientInfo, DER, by which the holder of a certificate gets the content key.

    Raise Malformed for what is no certificate, KeyUnsupported for a key that neither deciphers nor agrees.
    """
    parts = certificate_parts(certificate)
    named = sequence(parts.issuer, integer(parts.serial_number))
    public = load_public_key(certified_key(certificate))
    if isinstance(public, rsa.RSAPublicKey):
        hashed = HashAlgorithm.SHA_256
        return sequence(
            integer(_VERSION_BY_ISSUER),
            named,
            oaep_identifier(hashed),
            octet_string(transport(public, content_key, hashed)),
        )
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise KeyUnsupported("nothing is encrypted for a key of this kind; take a certificate for RSA, P-256 or P-384")
    hashed = agreement_hash(key_algorithm(public))
    once, secret = ephemeral_agreement(public)
    wrap = sequence(oid(OID_AES256_WRAP))
    wrapped = aes_key_wrap(wrapping_key(secret, wrap, 32, hashed), content_key)
    return explicit(
        1,  # [1] KeyAgreeRecipientInfo
        integer(_VERSION_AGREEMENT),
        explicit(0, explicit(1, _originator_key(once))),
        sequence(_AGREEMENT_OIDS[hashed], wrap),
        sequence(sequence(named, octet_string(wrapped))),
    )


def oaep_identifier(hashed: HashAlgorithm) -> bytes:
    """The AlgorithmIdentifier of RSAES-OAEP with MGF1 of the same hash and no label."""
    digest = hash_identifier(hashed)
    return sequence(oid(OID_RSA_OAEP), sequence(explicit(0, digest), explicit(1, sequence(oid(OID_MGF1), digest))))


def _originator_key(spki: bytes) -> bytes:
    """Content of OriginatorPublicKey (RFC 5753, 7.1.2): without the curve, which is the recipient's."""
    info = Reader(spki).inside()
    algorithm = info.inside()
    kind = algorithm.element(TAG_OID)
    return sequence(kind) + info.element(TAG_BIT_STRING)


# Reading


def read_recipient(info: bytes) -> tuple[Recipient, ...]:
    """The recipients of one RecipientInfo (DER); none if it is of a kind without certificates: passwords, shared keys.

    Raise Malformed if it is not what its tag says.
    """
    outer = Reader(info)
    if outer.peek() == TAG_SEQUENCE:
        fields = outer.inside()
        fields.integer()
        recipient = _recipient_id(fields, CONTEXT)
        return (Transported(recipient, fields.element(TAG_SEQUENCE), fields.content(TAG_OCTET_STRING)),)
    if outer.peek() != _TAG_AGREEMENT:
        return ()
    fields = outer.inside(_TAG_AGREEMENT)
    fields.integer()
    originator = fields.content(CONTEXT_CONSTRUCTED)
    ukm = None
    if fields.peek() == CONTEXT_CONSTRUCTED | 1:
        ukm = fields.inside(CONTEXT_CONSTRUCTED | 1).content(TAG_OCTET_STRING)
    algorithm = fields.element(TAG_SEQUENCE)
    keys = fields.inside()
    found = []
    while keys.more:
        one = keys.inside()
        recipient = _recipient_id(one, CONTEXT_CONSTRUCTED)
        found.append(Agreed(recipient, algorithm, originator, ukm, one.content(TAG_OCTET_STRING)))
    return tuple(found)


def _recipient_id(fields: Reader, tag: int) -> RecipientId:
    """RecipientIdentifier or KeyAgreeRecipientIdentifier: `tag` is that of [0], the subject key identifier."""
    if fields.peek() != tag:
        named = fields.inside()
        return RecipientId(issuer=named.element(TAG_SEQUENCE), serial_number=named.integer())
    if tag == CONTEXT:
        return RecipientId(key_identifier=fields.content(tag))
    return RecipientId(key_identifier=fields.inside(tag).content(TAG_OCTET_STRING))


def _subject_key_identifier(certificate: bytes) -> bytes | None:
    try:
        extension = load_certificate(certificate).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return extension.value.digest


# Opening


def content_key(recipient: Recipient, key: RecipientKey) -> bytes | None:
    """The content key that a message has for this key: one operation with it; None if it does not open.

    Raise KeyUnsupported for a way of encrypting that is not known here or is not the key's, and what the key raises
    (a wrong PIN, a card that was removed).
    """
    if isinstance(recipient, Transported):
        if key.decipherer is None:
            raise KeyUnsupported("the message was encrypted for an RSA key, which the certificate's is not")
        try:
            return key.decipherer.decipher(recipient.encrypted_key, _padding(recipient.algorithm))
        except DecodeError:
            return None
    if key.agreement is None:
        raise KeyUnsupported("the message was encrypted by key agreement, which the certificate's key can't do")
    hashed, wrap, length = _agreement(recipient.algorithm)
    secret = key.agreement.agree(_public_key(recipient.originator, key.agreement.public_key))
    return unwrapped(wrapping_key(secret, wrap, length, hashed, recipient.ukm), recipient.encrypted_key)


def _padding(algorithm: bytes) -> HashAlgorithm | None:
    """The hash of OAEP, or None for PKCS #1 v1.5."""
    fields = Reader(algorithm).inside()
    kind = fields.element(TAG_OID)
    if kind == oid(OID_RSA_PKCS1):
        return None
    if kind == oid(OID_RSA_OAEP):
        hashed = _oaep_hash(fields.inside())
        if hashed is not None:
            return hashed
    raise KeyUnsupported("the content key was encrypted in a way that is not known here; ask for RSAES-OAEP, SHA-256")


def _oaep_hash(parameters: Reader) -> HashAlgorithm | None:
    """The hash of OAEP, if the mask has the same and the label is empty; None for all else, as the default SHA-1."""
    hashed = hash_by_identifier(parameters.content(CONTEXT_CONSTRUCTED)) if parameters.peek() == _TAGS[0] else None
    mask = None
    if parameters.peek() == _TAGS[1]:
        generator = parameters.inside(_TAGS[1]).inside()
        if generator.element(TAG_OID) == oid(OID_MGF1):
            mask = hash_by_identifier(generator.element(TAG_SEQUENCE))
    if parameters.peek() == _TAGS[2]:
        label = parameters.content(_TAGS[2])
        if label != sequence(oid(OID_P_SPECIFIED), octet_string(b"")):
            return None
    parameters.close()
    return hashed if hashed is mask else None


_TAGS: Final = tuple(CONTEXT_CONSTRUCTED | number for number in range(3))


def _agreement(algorithm: bytes) -> tuple[str, bytes, int]:
    """The hash of the key derivation, the AlgorithmIdentifier of the key wrap, and the bytes of its key."""
    fields = Reader(algorithm).inside()
    hashed = _AGREEMENTS.get(fields.element(TAG_OID))
    wrap = fields.element(TAG_SEQUENCE)
    length = _WRAPS.get(Reader(wrap).inside().element(TAG_OID))
    if hashed is None or length is None:
        raise KeyUnsupported("the content key was encrypted in a way that is not known here; ask for ECDH and AES wrap")
    return hashed, wrap, length


def _public_key(originator: bytes, own: bytes) -> bytes:
    """The sender's key as SubjectPublicKeyInfo, on the curve of one's own key."""
    if Reader(originator).peek() != _TAG_AGREEMENT:
        raise KeyUnsupported("the message was encrypted with a lasting key of the sender, which is not supported")
    fields = Reader(originator).inside(_TAG_AGREEMENT)
    algorithm = fields.inside()
    kind = algorithm.element(TAG_OID)
    own_algorithm = Reader(own).inside().inside()
    if kind != own_algorithm.element(TAG_OID):
        raise Malformed("the sender's key is not of the kind of the certificate's")
    curve = own_algorithm.element(TAG_OID)
    if algorithm.more and algorithm.peek() != TAG_NULL and algorithm.element(TAG_OID) != curve:
        raise Malformed("the sender's key is on another curve than the certificate's")
    return sequence(sequence(kind, curve), fields.element(TAG_BIT_STRING))
