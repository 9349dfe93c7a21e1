"""Archive timestamps of CAdES: what they are over, and whether they still cover it (ETSI EN 319 122-1, 5.5.2, 5.5.3).

A hash index in the timestamp lists certificates, revocation data and unsigned attributes as they were then; the
timestamp itself is over the content, the signature and that index. So more may be added later, and nothing removed.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ecitizen.algorithms import HashAlgorithm

from .algorithm_identifiers import hash_by_identifier, hash_identifier
from .cms_forms import ATS_HASH_INDEX_V3, SignedData, SignerInfo, members_of, read_signed_data
from .der import TAG_OCTET_STRING, TAG_SEQUENCE, Reader, octet_string, sequence
from .errors import Malformed
from .keys import digest
from .long_term import Evidence

DigestOfContent = Callable[[HashAlgorithm], bytes]


@dataclass(frozen=True, slots=True)
class HashIndex:
    """What an archive timestamp covers, by digests."""

    written: bytes = field(repr=False)
    """ATSHashIndexV3, as it stands in the timestamp."""
    hash: HashAlgorithm
    certificates: frozenset[bytes] = field(repr=False)
    revocations: frozenset[bytes] = field(repr=False)
    attributes: frozenset[bytes] = field(repr=False)

    def missing(self, signed_data: SignedData, signer: SignerInfo) -> bool:
        """Whether something that it covers is not there any more."""
        there = _Parts(signed_data, signer, self.hash)
        return bool(
            self.certificates - there.certificates
            or self.revocations - there.revocations
            or self.attributes - there.attributes
        )

    def covers(self, kind: bytes, value: bytes) -> bool:
        """Whether it is over this value of an unsigned attribute (its type: OBJECT IDENTIFIER, DER)."""
        return digest(kind + value, self.hash) in self.attributes

    def covered(self, signed_data: SignedData) -> Evidence:
        """The evidence of a signature that it covers."""
        kept = SignedData(
            (),
            signed_data.content_type,
            None,
            tuple(each for each in signed_data.certificate_choices if digest(each, self.hash) in self.certificates),
            tuple(each for each in signed_data.revocation_choices if digest(each, self.hash) in self.revocations),
            (),
        )
        return Evidence(kept.certificates, kept.crls, kept.ocsps)


class _Parts:
    """Digests of all that an index lists."""

    def __init__(self, signed_data: SignedData, signer: SignerInfo, algorithm: HashAlgorithm) -> None:
        self.certificates = {digest(each, algorithm): None for each in signed_data.certificate_choices}.keys()
        self.revocations = {digest(each, algorithm): None for each in signed_data.revocation_choices}.keys()
        values = (attribute.type + value for attribute in signer.unsigned for value in attribute.values)
        self.attributes = {digest(each, algorithm): None for each in values}.keys()


def hash_index(signed_data: SignedData, signer: SignerInfo, algorithm: HashAlgorithm) -> bytes:
    """The index of all that is there now: ATSHashIndexV3, DER."""
    parts = _Parts(signed_data, signer, algorithm)
    lists = (parts.certificates, parts.revocations, parts.attributes)
    return sequence(hash_identifier(algorithm), *(sequence(*map(octet_string, each)) for each in lists))


def archive_digest(
    signed_data: SignedData, signer: SignerInfo, index: bytes, content: DigestOfContent, algorithm: HashAlgorithm
) -> bytes:
    """The digest that an archive timestamp is over."""
    state = hashlib.new(algorithm)
    for part in (signed_data.content_type, content(algorithm), signer.signed_part, index):
        state.update(part)
    return state.digest()


def with_index(token: bytes, index: bytes) -> bytes:
    """The timestamp token with the index among its unsigned attributes."""
    parts = read_signed_data(token)
    if len(parts.signers) != 1:
        raise Malformed("a timestamp has one signer")
    return parts.with_signers([parts.signers[0].with_unsigned(ATS_HASH_INDEX_V3, index)]).written()


def read_index(token: SignedData) -> HashIndex:
    """The index in an archive timestamp; raise Malformed if there is not exactly one, or it is of a weak hash."""
    found = [value for signer in token.signers for value in signer.values(ATS_HASH_INDEX_V3)]
    if len(found) != 1:
        raise Malformed("an archive timestamp has one index of what it covers")
    inside = Reader(found[0]).inside()
    algorithm = hash_by_identifier(inside.element(TAG_SEQUENCE))
    if algorithm is None:
        raise Malformed("the index of an archive timestamp uses a hash that is too weak, or not known here")
    lists = [_digests(members_of(inside.element(TAG_SEQUENCE))) for _ in range(3)]
    inside.close()
    return HashIndex(found[0], algorithm, *lists)


def _digests(members: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(Reader(each).content(TAG_OCTET_STRING) for each in members)
