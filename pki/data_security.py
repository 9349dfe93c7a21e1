"""The security object: an agency's signature over the hashes of what an application says (ICAO Doc 9303-10, 4.6.2).

It is CMS SignedData (RFC 5652) over LDSSecurityObject, the list of hashes by the number of their data group. Here it
is written and read in DER only, with one signer, whose certificate is in it; whatever differs from that is refused,
so that no two programs can take the same bytes for different things. Whether the signer may be believed is not asked
here: that is for `pki.trust`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .algorithm_identifiers import hash_by_identifier, hash_identifier, signature_identifier
from .certificate_parts import certificate_parts
from .certificates import certified_key
from .der import (
    CONTEXT_CONSTRUCTED,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    TAG_SET,
    TAG_UTC_TIME,
    Reader,
    der,
    explicit,
    integer,
    octet_string,
    oid,
    sequence,
    set_of,
    x509_time,
)
from .errors import Malformed
from .keys import digest, key_algorithm, load_public_key, public_key_info, signature_algorithms, verify_signature
from .signing_key import usual_algorithm
from .template import checked_moment

SECURITY_OBJECT_MAX_LEN: Final = 16 * 1024
"""Bytes of a security object that is read at all; an honest one has about 1,500."""

GROUP_KEY: Final = 15
"""The data group that is the public key by which the card proves that it is this card."""
GROUP_CHIP_SERIAL: Final = 16
"""The data group that is the chip's serial number."""
GROUPS: Final = range(1, 17)
"""Numbers of data groups; an application's own are below these two."""

_GROUPS_MIN = 2
# Object identifiers, DER: RFC 5652, 5.1 and 11.1 to 11.3; ICAO Doc 9303-10, appendix D.
_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = oid("1.2.840.113549.1.9.5")
_LDS_SECURITY_OBJECT = oid("2.23.136.1.1.1")

_SIGNED_DATA_VERSION = 3
"""The content is of another type than id-data (RFC 5652, 5.1)."""
_SIGNER_INFO_VERSION = 1
"""The signer is named by issuer and serial number (5.3)."""
_ATTRIBUTES_MAX = 8


@dataclass(frozen=True, slots=True)
class SecurityObject:
    """A security object that is well formed. Nothing in it is proven before `check_signature`."""

    hash_algorithm: HashAlgorithm
    hashes: Mapping[int, bytes]
    """By the number of the data group."""
    certificate: bytes
    """Of the document signer, DER."""
    signed_at: datetime | None
    """When, by the signer's own word."""
    content: bytes
    """The LDSSecurityObject, DER: what the message digest is of."""
    message_digest: bytes
    digest_algorithm: HashAlgorithm
    attributes: bytes
    """The signed attributes as SET OF, DER: what the signature is over."""
    signature: bytes
    signature_algorithm: bytes
    """AlgorithmIdentifier, DER."""


@dataclass(frozen=True, slots=True)
class HashComparison:
    """How data fit a security object: numbers of data groups that don't. All empty means that all is as sealed."""

    changed: tuple[int, ...] = ()
    """Their hashes differ."""
    missing: tuple[int, ...] = ()
    """They were sealed, and are not there."""
    unsealed: tuple[int, ...] = ()
    """They are there, and were not sealed."""

    @property
    def differing(self) -> tuple[int, ...]:
        """All of them, in order."""
        return tuple(sorted((*self.changed, *self.missing, *self.unsealed)))


# Writing


def seal(
    data_groups: Mapping[int, bytes],
    signer: Signer,
    certificate: bytes,
    *,
    moment: datetime,
    hash_algorithm: HashAlgorithm = HashAlgorithm.SHA_256,
) -> bytes:
    """The security object, DER, over these data groups (numbers 1 to 16, two at least) by a document signer.

    Raise UsageError for other groups, a certificate that is not the signer's, or a key that can't sign this (RSA,
    P-256 and P-384 can); Malformed for what is no certificate, and what the signer raises.
    """
    if len(data_groups) < _GROUPS_MIN or not all(number in GROUPS for number in data_groups):
        raise UsageError("a security object is over 2 to 16 data groups, numbered 1 to 16")
    if public_key_info(load_public_key(signer.public_key)) != certified_key(certificate):
        raise UsageError("the document signer's certificate is not for this key; give the two that belong together")
    algorithm = usual_algorithm(signer)
    if algorithm.hash is None:
        raise UsageError("security objects are signed by RSA, P-256 or P-384; take such a key")
    content = _lds_security_object(data_groups, hash_algorithm)
    attributes = set_of(
        [
            _attribute(_CONTENT_TYPE, _LDS_SECURITY_OBJECT),
            _attribute(_MESSAGE_DIGEST, octet_string(digest(content, algorithm.hash))),
            _attribute(_SIGNING_TIME, x509_time(checked_moment(moment))),
        ]
    )
    signature = signer.sign(attributes, algorithm)
    # A faulty card or HSM must be found out here, not by whoever relies on the seal.
    verify_signature(signer.public_key, attributes, signature, algorithm)
    return _signed_data(content, certificate, algorithm, attributes, signature)


def _lds_security_object(data_groups: Mapping[int, bytes], algorithm: HashAlgorithm) -> bytes:
    hashes = (
        sequence(integer(number), octet_string(digest(data, algorithm))) for number, data in sorted(data_groups.items())
    )
    return sequence(integer(0), hash_identifier(algorithm), sequence(*hashes))


def _signed_data(
    content: bytes, certificate: bytes, algorithm: SignatureAlgorithm, attributes: bytes, signature: bytes
) -> bytes:
    assert algorithm.hash is not None
    hashed = hash_identifier(algorithm.hash)
    parts = certificate_parts(certificate)
    signer_info = sequence(
        integer(_SIGNER_INFO_VERSION),
        sequence(parts.issuer, integer(parts.serial_number)),
        hashed,
        _retagged(attributes, CONTEXT_CONSTRUCTED),
        signature_identifier(algorithm),
        octet_string(signature),
    )
    signed_data = sequence(
        integer(_SIGNED_DATA_VERSION),
        der(TAG_SET, hashed),
        sequence(_LDS_SECURITY_OBJECT, explicit(0, octet_string(content))),
        explicit(0, certificate),
        der(TAG_SET, signer_info),
    )
    return sequence(_SIGNED_DATA, explicit(0, signed_data))


def _attribute(name: bytes, value: bytes) -> bytes:
    return sequence(name, der(TAG_SET, value))


def _retagged(value: bytes, tag: int) -> bytes:
    """Signed attributes are signed as SET OF and written as [0] IMPLICIT (RFC 5652, 5.4)."""
    return bytes((tag,)) + value[1:]


# Reading


def open_security_object(data: bytes) -> SecurityObject:
    """Read a security object. Raise Malformed for anything that is not one in the form that `seal` gives it."""
    if len(data) > SECURITY_OBJECT_MAX_LEN:
        raise Malformed(f"the security object is longer than {SECURITY_OBJECT_MAX_LEN} bytes, which no honest one is")
    outer = Reader(data)
    content_info = outer.inside()
    outer.close()
    _expect(content_info.element(TAG_OID) == _SIGNED_DATA, "is not CMS signed data")
    wrapped = content_info.inside(CONTEXT_CONSTRUCTED)
    content_info.close()
    signed_data = wrapped.inside()
    wrapped.close()
    return _read_signed_data(signed_data)


def _read_signed_data(signed_data: Reader) -> SecurityObject:
    _expect(signed_data.integer() == _SIGNED_DATA_VERSION, "has a version that is not used here")
    algorithms = signed_data.inside(TAG_SET)
    hashed = _hash(algorithms)
    algorithms.close()
    content = _content(signed_data.inside())
    certificates = signed_data.inside(CONTEXT_CONSTRUCTED)
    certificate = certificates.element(TAG_SEQUENCE)
    certificates.close()  # the document signer's alone
    signers = signed_data.inside(TAG_SET)
    signer = signers.inside()
    signers.close()  # one alone
    signed_data.close()

    _expect(signer.integer() == _SIGNER_INFO_VERSION, "names its signer in a way that is not used here")
    identifier = signer.inside()
    named = (identifier.element(TAG_SEQUENCE), identifier.integer())
    identifier.close()
    parts = certificate_parts(certificate)
    _expect(named == (parts.issuer, parts.serial_number), "has another certificate than its signer's")
    _expect(_hash(signer) is hashed, "names two hash algorithms")
    attributes = _retagged(signer.element(CONTEXT_CONSTRUCTED), TAG_SET)
    signature_algorithm = signer.element(TAG_SEQUENCE)
    signature = signer.content(TAG_OCTET_STRING)
    signer.close()  # unsigned attributes are not used: anybody could put them there
    message_digest, signed_at = _read_attributes(attributes)
    hash_algorithm, hashes = _read_hashes(content)
    return SecurityObject(
        hash_algorithm,
        hashes,
        certificate,
        signed_at,
        content,
        message_digest,
        hashed,
        attributes,
        signature,
        signature_algorithm,
    )


def _content(encapsulated: Reader) -> bytes:
    _expect(encapsulated.element(TAG_OID) == _LDS_SECURITY_OBJECT, "is over something else than hashes of data groups")
    wrapped = encapsulated.inside(CONTEXT_CONSTRUCTED)
    content = wrapped.content(TAG_OCTET_STRING)
    wrapped.close()
    encapsulated.close()
    return content


def _read_attributes(attributes: bytes) -> tuple[bytes, datetime | None]:
    """The message digest and the signing time; each attribute is there once, in DER's order."""
    members: list[bytes] = []
    values: dict[bytes, Reader] = {}
    inside = Reader(attributes).inside(TAG_SET)
    while inside.more:
        members.append(inside.element(TAG_SEQUENCE))
        attribute = Reader(members[-1]).inside()
        name = attribute.element(TAG_OID)
        value = attribute.inside(TAG_SET)
        attribute.close()
        _expect(name not in values and len(members) <= _ATTRIBUTES_MAX, "says something twice, or too much")
        values[name] = value
    _expect(members == sorted(members), "is not in DER's order")
    _expect(_CONTENT_TYPE in values and _MESSAGE_DIGEST in values, "lacks a signed attribute")
    content_type = values[_CONTENT_TYPE].element(TAG_OID)
    message_digest = values[_MESSAGE_DIGEST].content(TAG_OCTET_STRING)
    values[_CONTENT_TYPE].close()
    values[_MESSAGE_DIGEST].close()
    _expect(content_type == _LDS_SECURITY_OBJECT, "contradicts itself about what it is over")
    time = values.get(_SIGNING_TIME)
    return message_digest, None if time is None else _time(time)


def _read_hashes(content: bytes) -> tuple[HashAlgorithm, Mapping[int, bytes]]:
    outer = Reader(content)
    lds = outer.inside()
    outer.close()
    _expect(lds.integer() == 0, "has a list of hashes of a version that is not used here")
    algorithm = _hash(lds)
    groups = lds.inside()
    lds.close()
    hashes: dict[int, bytes] = {}
    while groups.more:
        group = groups.inside()
        number, value = group.integer(), group.content(TAG_OCTET_STRING)
        group.close()
        _expect(number in GROUPS and number not in hashes, "numbers its data groups wrongly")
        _expect(len(value) == algorithm.digest_len, "has a hash of the wrong length")
        hashes[number] = value
    _expect(len(hashes) >= _GROUPS_MIN, "has too few hashes")
    return algorithm, MappingProxyType(hashes)


def _hash(reader: Reader) -> HashAlgorithm:
    algorithm = hash_by_identifier(reader.element(TAG_SEQUENCE))
    if algorithm is None:
        raise Malformed("the security object uses a hash that is too weak, or not known here")
    return algorithm


def _time(reader: Reader) -> datetime:
    form = "%y%m%d%H%M%SZ" if reader.peek() == TAG_UTC_TIME else "%Y%m%d%H%M%SZ"
    text = reader.content(reader.peek())
    reader.close()
    try:
        return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("the security object's signing time is none") from None


def _expect(right: bool, otherwise: str) -> None:
    if not right:
        raise Malformed(f"the security object {otherwise}")


# Checking


def check_signature(sealed: SecurityObject) -> None:
    """Make sure that its signer signed it. Raise SignatureInvalid, Malformed or KeyUnsupported if not.

    Whether the signer may be believed is for `pki.trust`.
    """
    key = certified_key(sealed.certificate)
    algorithm = _signature_algorithm(sealed, key)
    verify_signature(key, sealed.attributes, sealed.signature, algorithm)
    if digest(sealed.content, sealed.digest_algorithm) != sealed.message_digest:
        raise Malformed("the security object's list of hashes is not the one that was signed")


def _signature_algorithm(sealed: SecurityObject, key: bytes) -> SignatureAlgorithm:
    """The algorithm that it names, if it is one that such a key signs with, over the hash that it names."""
    for algorithm in signature_algorithms(key_algorithm(load_public_key(key))):
        if algorithm.hash is sealed.digest_algorithm and _written(algorithm) == sealed.signature_algorithm:
            return algorithm
    raise Malformed("the security object is signed by an algorithm that is not used here")


def _written(algorithm: SignatureAlgorithm) -> bytes | None:
    try:
        return signature_identifier(algorithm)
    except UsageError:  # RSA-PSS
        return None


def compare_hashes(sealed: SecurityObject, data_groups: Mapping[int, bytes]) -> HashComparison:
    """Hold data against what was sealed: exactly the same groups must be there, with the same content."""
    there, listed = data_groups.keys(), sealed.hashes.keys()
    return HashComparison(
        changed=tuple(
            number
            for number in sorted(there & listed)
            if digest(data_groups[number], sealed.hash_algorithm) != sealed.hashes[number]
        ),
        missing=tuple(sorted(listed - there)),
        unsealed=tuple(sorted(there - listed)),
    )
