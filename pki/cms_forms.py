"""CMS SignedData, taken apart and put together (RFC 5652, 5): its parts stay as they were, byte for byte.

Reading takes BER of other makers and content of any size; writing gives DER. Nothing is believed here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from .cms_ber import ALL_LEVELS, Walk, element, normalised
from .der import (
    CONTEXT,
    CONTEXT_CONSTRUCTED,
    TAG_INTEGER,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    TAG_SET,
    Reader,
    der,
    explicit,
    head,
    integer,
    octet_string,
    oid,
    sequence,
    set_of,
)
from .errors import Malformed
from .signed import DEFAULT_BOUNDS, SignedBounds
from .signed_files import Content, Document, Readable

# Object identifiers, DER. RFC 5652 where nothing else is said.
DATA: Final = oid("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = oid("1.2.840.113549.1.7.2")
TST_INFO: Final = oid("1.2.840.113549.1.9.16.1.4")
"""RFC 3161, 2.4.2."""
CONTENT_TYPE: Final = oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = oid("1.2.840.113549.1.9.4")
SIGNING_TIME: Final = oid("1.2.840.113549.1.9.5")
COUNTERSIGNATURE: Final = oid("1.2.840.113549.1.9.6")
SIGNING_CERTIFICATE: Final = oid("1.2.840.113549.1.9.16.2.12")
"""By SHA-1 (RFC 2634, 5.4)."""
SIGNING_CERTIFICATE_V2: Final = oid("1.2.840.113549.1.9.16.2.47")
"""RFC 5035, 3."""
ALGORITHM_PROTECTION: Final = oid("1.2.840.113549.1.9.52")
"""RFC 6211, 2."""
MIME_TYPE: Final = oid("0.4.0.1733.2.1")
"""ETSI EN 319 122-1, 5.2.5.2."""
SIGNATURE_TIMESTAMP: Final = oid("1.2.840.113549.1.9.16.2.14")
"""RFC 3161, appendix A."""
ARCHIVE_TIMESTAMP_V3: Final = oid("0.4.0.1733.2.4")
"""ETSI EN 319 122-1, 5.5.3."""
ATS_HASH_INDEX_V3: Final = oid("0.4.0.19122.1.5")
"""ETSI EN 319 122-1, 5.5.2."""
OCSP_RESPONSE: Final = oid("1.3.6.1.5.5.7.16.2")
"""id-ri-ocsp-response (RFC 5940, 2.1)."""

_OTHER_REVOCATION: Final = CONTEXT_CONSTRUCTED | 1
_SUBJECT_KEY_IDENTIFIER: Final = CONTEXT
_VERSION_OF_ISSUER_AND_SERIAL: Final = 1
_VERSION_OF_KEY_IDENTIFIER: Final = 3


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a signer (5.3)."""

    type: bytes
    """OBJECT IDENTIFIER, DER."""
    values: tuple[bytes, ...] = field(repr=False)

    @property
    def written(self) -> bytes:
        """DER."""
        return sequence(self.type, set_of(self.values))


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signature (5.3)."""

    version: int
    issuer: bytes | None = field(repr=False)
    """Name, DER; None if the signer is named by key identifier."""
    serial_number: int | None
    key_identifier: bytes | None
    digest_algorithm: bytes = field(repr=False)
    """AlgorithmIdentifier, DER."""
    signed_attributes: bytes | None = field(repr=False)
    """As SET OF; None if there are none, and the signature is over the content itself."""
    signature_algorithm: bytes = field(repr=False)
    """AlgorithmIdentifier, DER."""
    signature: bytes = field(repr=False)
    signed: tuple[Attribute, ...] = field(repr=False)
    """The signed attributes, in their order."""
    unsigned: tuple[Attribute, ...] = field(repr=False)

    @property
    def identifier(self) -> bytes:
        """SignerIdentifier, DER."""
        if self.key_identifier is not None:
            return der(_SUBJECT_KEY_IDENTIFIER, self.key_identifier)
        assert self.issuer is not None
        assert self.serial_number is not None
        return sequence(self.issuer, integer(self.serial_number))

    @property
    def signed_part(self) -> bytes:
        """All fields but the unsigned attributes, one after the other: what an archive timestamp covers."""
        attributes = self.signed_attributes
        return b"".join(
            (
                integer(self.version),
                self.identifier,
                self.digest_algorithm,
                b"" if attributes is None else bytes((CONTEXT_CONSTRUCTED,)) + attributes[1:],
                self.signature_algorithm,
                octet_string(self.signature),
            )
        )

    @property
    def written(self) -> bytes:
        """DER."""
        unsigned = set_of((each.written for each in self.unsigned), CONTEXT_CONSTRUCTED | 1) if self.unsigned else b""
        return sequence(self.signed_part, unsigned)

    def values(self, kind: bytes) -> tuple[bytes, ...]:
        """All values of the unsigned attributes of a type."""
        return tuple(value for each in self.unsigned if each.type == kind for value in each.values)

    def with_unsigned(self, kind: bytes, value: bytes) -> "SignerInfo":
        """The same with one unsigned attribute more."""
        return replace(self, unsigned=(*self.unsigned, Attribute(kind, (value,))))


@dataclass(frozen=True, slots=True)
class SignedData:
    """A signature file: what it is over, if that is in it, who signed, and what helps to check it (5.1)."""

    digest_algorithms: tuple[bytes, ...] = field(repr=False)
    content_type: bytes = field(repr=False)
    """OBJECT IDENTIFIER, DER."""
    content: Content | None = field(repr=False)
    """None in a detached signature."""
    certificate_choices: tuple[bytes, ...] = field(repr=False)
    """As they are in it; certificates among others."""
    revocation_choices: tuple[bytes, ...] = field(repr=False)
    signers: tuple[SignerInfo, ...]

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """X.509 certificates, DER."""
        return tuple(each for each in self.certificate_choices if each[0] == TAG_SEQUENCE)

    @property
    def crls(self) -> tuple[bytes, ...]:
        """CRLs, DER."""
        return tuple(each for each in self.revocation_choices if each[0] == TAG_SEQUENCE)

    @property
    def ocsps(self) -> tuple[bytes, ...]:
        """OCSP responses, DER (RFC 5940)."""
        found = (_ocsp_response(each) for each in self.revocation_choices)
        return tuple(each for each in found if each is not None)

    def adding(
        self, certificates: Iterable[bytes] = (), crls: Iterable[bytes] = (), ocsps: Iterable[bytes] = ()
    ) -> "SignedData":
        """The same with what is not in it yet."""
        others = [*crls, *(explicit(1, OCSP_RESPONSE, each) for each in ocsps)]
        return replace(
            self,
            certificate_choices=tuple(dict.fromkeys((*self.certificate_choices, *certificates))),
            revocation_choices=tuple(dict.fromkeys((*self.revocation_choices, *others))),
        )

    def with_signers(self, signers: Sequence[SignerInfo]) -> "SignedData":
        """The same with these signers, and their digest algorithms."""
        algorithms = (*self.digest_algorithms, *(each.digest_algorithm for each in signers))
        return replace(self, signers=tuple(signers), digest_algorithms=tuple(dict.fromkeys(algorithms)))

    @property
    def version(self) -> int:
        """Which the parts ask for (5.1)."""
        if any(each[0] == _OTHER_REVOCATION for each in self.revocation_choices):
            return 5
        tags = {each[0] for each in self.certificate_choices}
        if CONTEXT_CONSTRUCTED | 3 in tags:
            return 5
        if CONTEXT_CONSTRUCTED | 2 in tags:
            return 4
        if self.content_type != DATA or any(each.key_identifier is not None for each in self.signers):
            return 3
        return 3 if CONTEXT_CONSTRUCTED | 1 in tags else 1

    def pieces(self) -> Iterator[bytes]:
        """ContentInfo, DER: content that is in it passes through and is never in memory as a whole."""
        begin = (integer(self.version), set_of(self.digest_algorithms))
        tail = b"".join(
            (
                set_of(self.certificate_choices, CONTEXT_CONSTRUCTED) if self.certificate_choices else b"",
                set_of(self.revocation_choices, CONTEXT_CONSTRUCTED | 1) if self.revocation_choices else b"",
                set_of(each.written for each in self.signers),
            )
        )
        heads = b""
        size = 0
        if self.content is not None:
            size = self.content.size
            heads = head(TAG_OCTET_STRING, size)
            heads = head(CONTEXT_CONSTRUCTED, len(heads) + size) + heads
        encapsulated = head(TAG_SEQUENCE, len(self.content_type) + len(heads) + size) + self.content_type + heads
        count = sum(map(len, begin)) + len(encapsulated) + size + len(tail)
        signed_data = head(TAG_SEQUENCE, count)
        wrapped = head(CONTEXT_CONSTRUCTED, len(signed_data) + count)
        outer = head(TAG_SEQUENCE, len(SIGNED_DATA) + len(wrapped) + len(signed_data) + count)
        yield b"".join((outer, SIGNED_DATA, wrapped, signed_data, *begin, encapsulated))
        if self.content is not None:
            yield from self.content.pieces()
        yield tail

    def written(self) -> bytes:
        """The same in memory."""
        return b"".join(self.pieces())


def signer_info_version(key_identifier: bytes | None) -> int:
    """How a signer's version depends on the way it is named (5.3)."""
    return _VERSION_OF_ISSUER_AND_SERIAL if key_identifier is None else _VERSION_OF_KEY_IDENTIFIER


def read_signed_data(data: Readable | Document, bounds: SignedBounds = DEFAULT_BOUNDS) -> SignedData:
    """Take a ContentInfo with SignedData apart, DER or BER; `content` reads from the document, if it is a file.

    Raise Malformed for anything else, and for more than the bounds allow; FileFailed for a file that can't be read.
    """
    try:
        return _read(data if isinstance(data, Document) else Document(data), bounds)
    except (IndexError, OverflowError, RecursionError):
        raise Malformed("the signature ends too early, or nests too deep") from None


def _read(document: Document, bounds: SignedBounds) -> SignedData:
    outer = Walk(document, 0, document.size)
    content_info = outer.enter(TAG_SEQUENCE)
    if content_info.skip_primitive() != SIGNED_DATA:
        raise Malformed("this is no CMS signed data")
    wrapped = content_info.enter(CONTEXT_CONSTRUCTED)
    signed_data = wrapped.enter(TAG_SEQUENCE)
    if signed_data.tag != TAG_INTEGER:
        raise Malformed("a version is missing")
    signed_data.skip_primitive()
    algorithms = signed_data.enter(TAG_SET)
    hashes: list[bytes] = []
    while algorithms.more:
        if len(hashes) == bounds.signatures_max:
            raise Malformed("more hash algorithms are named than there may be signatures")
        hashes.append(algorithms.skip_small())
    signed_data.leave(algorithms)
    encapsulated = signed_data.enter(TAG_SEQUENCE)
    content_type = encapsulated.skip_primitive()
    content = None
    if encapsulated.tag == CONTEXT_CONSTRUCTED:
        holder = encapsulated.enter(CONTEXT_CONSTRUCTED)
        content = holder.octet_string()
        encapsulated.leave(holder)
    signed_data.leave(encapsulated)
    certificates, revocations, signers = _read_tail(signed_data, bounds)
    wrapped.leave(signed_data)
    content_info.leave(wrapped)
    outer.leave(content_info)
    if outer.at != document.size:
        raise Malformed("something follows behind the signature")
    return SignedData(tuple(hashes), content_type, content, certificates, revocations, signers)


def _read_tail(walk: Walk, bounds: SignedBounds) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[SignerInfo, ...]]:
    """Certificates, revocation data and signers, which fit into memory."""
    rest = walk.rest(bounds.signature_max_len)
    found = {}
    at = 0
    for tag, levels in ((CONTEXT_CONSTRUCTED, 1), (CONTEXT_CONSTRUCTED | 1, 1), (TAG_SET, 2)):
        if at < len(rest) and rest[at] == tag:
            found[tag], at = element(rest, at, len(rest), levels)
    walk.at += at
    if TAG_SET not in found:
        raise Malformed("the list of signers is missing")
    signers = _split(found[TAG_SET], bounds.signatures_max, "signers")
    return (
        _split(found.get(CONTEXT_CONSTRUCTED, b""), bounds.others_max, "certificates"),
        _split(found.get(CONTEXT_CONSTRUCTED | 1, b""), bounds.others_max, "revocation data"),
        tuple(read_signer_info(each, bounds) for each in signers),
    )


def _split(value: bytes, most: int, what: str) -> tuple[bytes, ...]:
    """The members of a set, whole."""
    if not value:
        return ()
    inside = Reader(value).inside(value[0])
    members: list[bytes] = []
    while inside.more:
        if len(members) == most:
            raise Malformed(f"there are more {what} than {most}")
        members.append(inside.element(inside.peek()))
    return tuple(members)


def read_signer_info(data: bytes, bounds: SignedBounds = DEFAULT_BOUNDS) -> SignerInfo:
    """Take a SignerInfo apart, whose own length must be known; raise Malformed for anything else."""
    fields = Reader(data).inside()
    version = fields.integer()
    issuer = serial_number = key_identifier = None
    if fields.peek() == TAG_SEQUENCE:
        named = Reader(normalised(fields.element(TAG_SEQUENCE))).inside()
        issuer, serial_number = named.element(TAG_SEQUENCE), named.integer()
        named.close()
    else:
        key_identifier = fields.content(_SUBJECT_KEY_IDENTIFIER)
    digest_algorithm = normalised(fields.element(TAG_SEQUENCE))
    attributes = None
    if fields.peek() == CONTEXT_CONSTRUCTED:
        attributes = normalised(fields.element(CONTEXT_CONSTRUCTED), ALL_LEVELS)
        attributes = bytes((TAG_SET,)) + attributes[1:]
    signature_algorithm = normalised(fields.element(TAG_SEQUENCE))
    signature = Reader(normalised(fields.element(fields.peek()))).content(TAG_OCTET_STRING)
    unsigned = b""
    if fields.peek() == CONTEXT_CONSTRUCTED | 1:
        unsigned = normalised(fields.element(CONTEXT_CONSTRUCTED | 1), 3)
    fields.close()
    return SignerInfo(
        version,
        issuer,
        serial_number,
        key_identifier,
        digest_algorithm,
        attributes,
        signature_algorithm,
        signature,
        () if attributes is None else read_attributes(attributes, bounds),
        read_attributes(unsigned, bounds) if unsigned else (),
    )


def members_of(value: bytes) -> tuple[bytes, ...]:
    """The members of a set or sequence, whole."""
    return _split(value, DEFAULT_BOUNDS.others_max, "members")


def read_attributes(data: bytes, bounds: SignedBounds = DEFAULT_BOUNDS) -> tuple[Attribute, ...]:
    """The attributes of a set, whatever its tag."""
    found = []
    for each in _split(data, bounds.attributes_max, "attributes"):
        attribute = Reader(each).inside()
        kind, values = attribute.element(TAG_OID), attribute.element(TAG_SET)
        attribute.close()
        found.append(Attribute(kind, _split(values, bounds.attributes_max, "values of an attribute")))
    return tuple(found)


def _ocsp_response(choice: bytes) -> bytes | None:
    """The response in a RevocationInfoChoice, if it is one."""
    if choice[0] != _OTHER_REVOCATION:
        return None
    try:
        inside = Reader(choice).inside(_OTHER_REVOCATION)
        if inside.element(TAG_OID) != OCSP_RESPONSE:
            return None
        return inside.element(TAG_SEQUENCE)
    except Malformed:
        return None
