"""Signing any file as CAdES, and raising signatures to higher levels (ETSI EN 319 122-1, 6).

The key is used once for each signature, and only for the digest that was shown before. Content of any size is read
piece by piece. What is signed is never touched again: levels add unsigned attributes, certificates, revocation data.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.x509.oid import ExtendedKeyUsageOID

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .algorithm_identifiers import hash_identifier
from .certificate_parts import certificate_parts
from .certificates import certified_key
from .cms_algorithms import digest_for, written_signature
from .cms_archive import archive_digest, hash_index, with_index
from .cms_attributes import signed_attributes
from .cms_check import Digests, check_signers
from .cms_forms import (
    ARCHIVE_TIMESTAMP_V3,
    DATA,
    SIGNATURE_TIMESTAMP,
    SignedData,
    SignerInfo,
    read_attributes,
    read_signed_data,
    signer_info_version,
)
from .errors import Malformed
from .keys import digest, load_public_key, public_key_info, verify_signature
from .long_term import Evidence, collect
from .signed import DEFAULT_BOUNDS, DocumentVerdict, Level, RevocationSource, Show, TimestampSource
from .signed_files import Content, Document, Readable, WatchedContent, content_of
from .signing_key import usual_algorithm
from .timestamp_info import read_token
from .trust import TrustStore

TIMESTAMP_HASH: Final = HashAlgorithm.SHA_256
_TIME_STAMPING: Final = ExtendedKeyUsageOID.TIME_STAMPING.dotted_string


@dataclass(frozen=True, slots=True)
class Raising:
    """What a signature needs to reach a level: `timestamps` from T on, `trust` and maybe `revocation` from LT on."""

    level: Level
    moment: datetime
    timestamps: TimestampSource | None = None
    revocation: RevocationSource | None = None
    trust: TrustStore | None = None
    renew: bool = False
    """Add an archive timestamp even if there is one."""

    def source(self) -> TimestampSource:
        """Where timestamps come from; raise UsageError if that was not said."""
        if self.timestamps is None:
            raise UsageError(f"level {self.level} needs a timestamp authority; name one")
        return self.timestamps


def checked_key(signer: Signer, certificate: bytes, algorithm: SignatureAlgorithm | None) -> SignatureAlgorithm:
    """How this key will sign; raise UsageError if the certificate is another key's, or the key can't sign so."""
    if public_key_info(load_public_key(signer.public_key)) != certified_key(certificate):
        raise UsageError("the certificate is not for this key; give the two that belong together")
    chosen = algorithm or usual_algorithm(signer)
    if chosen not in signer.algorithms:
        raise UsageError("the key does not sign with that algorithm; take another one")
    return chosen


def signed_once(signer: Signer, message: bytes, algorithm: SignatureAlgorithm, show: Show | None) -> bytes:
    """The one use of the key: over this message, after its digest was shown; the signature is checked at once."""
    shown_by = digest_for(algorithm)
    if show is not None:
        show(digest(message, shown_by), shown_by)
    signature = signer.sign(message, algorithm)
    # A faulty card or HSM must be found out here, not by whoever relies on the signature.
    verify_signature(signer.public_key, message, signature, algorithm)
    return signature


def new_signer(
    content: Content,
    signer: Signer,
    certificate: bytes,
    *,
    moment: datetime,
    algorithm: SignatureAlgorithm | None = None,
    content_type: bytes = DATA,
    mime_type: str | None = None,
    show: Show | None = None,
) -> tuple[SignerInfo, Digests]:
    """A signature of level B over content, and the digests that were made for it."""
    chosen = checked_key(signer, certificate, algorithm)
    digests = Digests(content)
    by = digest_for(chosen)
    attributes = signed_attributes(digests.of(by), certificate, chosen, moment, content_type, mime_type)
    signature = signed_once(signer, attributes, chosen, show)
    parts = certificate_parts(certificate)
    info = SignerInfo(
        signer_info_version(None),
        parts.issuer,
        parts.serial_number,
        None,
        hash_identifier(by),
        attributes,
        written_signature(chosen),
        signature,
        read_attributes(attributes),
        (),
    )
    return info, digests


def sign(  # noqa: PLR0913 - the parts of a signature, most of them by name
    data: Readable | Content,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    moment: datetime,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    attached: bool = False,
    mime_type: str | None = None,
) -> bytes:
    """Sign a file or bytes; give the CMS signature, DER: detached, or with `attached` the content in it.

    Certificates (`certificate`, the `chain` above it) are DER. Level T and above need `timestamps`, LT and above
    `trust`. For attached content that is too long for memory take `signing` and `signed_files.write_whole`. Raise
    UsageError for parts that don't belong together, TimestampUnavailable, EvidenceMissing, FileFailed, and what the
    signer raises.
    """
    raising = Raising(level, moment, timestamps, revocation, trust)
    with signing(
        data,
        signer,
        certificate,
        chain,
        raising,
        show=show,
        algorithm=algorithm,
        attached=attached,
        mime_type=mime_type,
    ) as signed:
        if signed.content is not None and signed.content.size > DEFAULT_BOUNDS.document_max_len:
            raise UsageError("the content is too long to be returned with its signature; sign it detached")
        return signed.written()


@contextmanager
def signing(  # noqa: PLR0913 - as `sign`
    data: Readable | Content,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes],
    raising: Raising,
    *,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    attached: bool = False,
    mime_type: str | None = None,
) -> Iterator[SignedData]:
    """As `sign`; the signature's `pieces` are to be taken inside, for attached content is read again for them."""
    with ExitStack() as stack:
        content = content_of(data, stack)
        info, digests = new_signer(
            content, signer, certificate, moment=raising.moment, algorithm=algorithm, mime_type=mime_type, show=show
        )
        by = digest_for(algorithm or usual_algorithm(signer))
        kept = WatchedContent.of(content, by, digests.of(by)) if attached else None
        signed = SignedData((), DATA, kept, (), (), ()).with_signers([info])
        yield raised(signed.adding([certificate, *chain]), digests, raising)


def add_signature(  # noqa: PLR0913 - as `sign`
    signature: Readable,
    data: Readable | Content | None,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    moment: datetime,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
) -> bytes:
    """Sign what others have signed already, beside them; give the signature file with all of them.

    `data` is what a detached signature is over. Raise as `sign` does; Malformed if `signature` is no CMS signature,
    UsageError if it is not over this content.
    """
    with _opened(signature, data) as (signed, content):
        checks = check_signers(signed, Digests(content))
        if any(check.verdict is DocumentVerdict.ALTERED for check in checks):
            raise UsageError("the file is not what the others have signed; get the right one")
        info, digests = new_signer(
            content,
            signer,
            certificate,
            moment=moment,
            algorithm=algorithm,
            content_type=signed.content_type,
            show=show,
        )
        alone = signed.with_signers([info]).adding([certificate, *chain])
        alone = raised(alone, digests, Raising(level, moment, timestamps, revocation, trust))
        return alone.with_signers([*signed.signers, *alone.signers]).written()


def extend(
    signature: Readable,
    data: Readable | Content | None = None,
    *,
    moment: datetime,
    level: Level,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    renew: bool = False,
) -> bytes:
    """Raise all signatures of a file to a level; those that have it stay as they are.

    With `renew` one more archive timestamp is added even so. `data` is what a detached signature is over, needed for
    level LTA. Raise Malformed, UsageError, TimestampUnavailable, EvidenceMissing or FileFailed.
    """
    raising = Raising(level, moment, timestamps, revocation, trust, renew)
    if data is None and level is not Level.LTA:
        with Document(signature) as document:
            return raised(read_signed_data(document), None, raising).written()
    with _opened(signature, data) as (signed, content):
        return raised(signed, Digests(content), raising).written()


@contextmanager
def _opened(signature: Readable, data: Readable | Content | None) -> Iterator[tuple[SignedData, Content]]:
    """A signature file, and what it is over: in it, or beside it."""
    with ExitStack() as stack:
        signed = read_signed_data(stack.enter_context(Document(signature)))
        if signed.content is not None:
            yield signed, signed.content
        elif data is None:
            raise UsageError("what was signed is not in the signature; give the signed file too")
        else:
            yield signed, content_of(data, stack)


# Levels


def raised(signed: SignedData, digests: Digests | None, raising: Raising) -> SignedData:
    """The same with all its signatures at that level at least; `digests` are of the content, for archive timestamps."""
    for number in range(len(signed.signers)):
        signed = _Step(signed, number, digests, raising).raised()
    return signed


class _Step:
    """Raises one signature of several."""

    def __init__(self, signed: SignedData, number: int, digests: Digests | None, raising: Raising) -> None:
        self.signed = signed
        self.number = number
        self.digests = digests
        self.raising = raising

    @property
    def signer(self) -> SignerInfo:
        return self.signed.signers[self.number]

    def raised(self) -> SignedData:
        level = self.raising.level
        if level.rank >= Level.T.rank and not self.signer.values(SIGNATURE_TIMESTAMP):
            token = self.raising.source().stamp(digest(self.signer.signature, TIMESTAMP_HASH), TIMESTAMP_HASH)
            self._add(SIGNATURE_TIMESTAMP, token)
        archived = bool(self.signer.values(ARCHIVE_TIMESTAMP_V3))
        archive = level is Level.LTA and (self.raising.renew or not archived)
        if archive or (level.rank >= Level.LT.rank and not self.signed.revocation_choices) or self._lacks(level):
            self._add_evidence()
        if archive:
            self._archive()
        return self.signed

    def _lacks(self, level: Level) -> bool:
        """Whether other signatures of the file brought evidence, but there may be none for this one."""
        return level is Level.LT and len(self.signed.signers) > 1

    def _add(self, kind: bytes, value: bytes) -> None:
        signers = list(self.signed.signers)
        signers[self.number] = self.signer.with_unsigned(kind, value)
        self.signed = self.signed.with_signers(signers)

    def _add_evidence(self) -> None:
        """All that is needed to judge the signer and the authorities of the timestamps, as of now."""
        check = check_signers(self.signed, None)[self.number]
        if check.certificate is None:
            raise Malformed("the signer's certificate is not in the signature; it can't be raised any more")
        tokens = [read_token(each) for each in self.signer.values(SIGNATURE_TIMESTAMP)]
        archives = [read_token(each) for each in self.signer.values(ARCHIVE_TIMESTAMP_V3)]
        moments = sorted(info.moment for _, info in (*tokens, *archives))
        newest = max(archives, key=lambda each: each[1].moment, default=None)
        evidence = Evidence()
        if newest is None:  # otherwise it has the evidence, proven to be as old as the oldest archive timestamp
            evidence = self._collect(check.certificate, self.signed.certificates, moments[0] if moments else None)
        for token, _ in tokens if newest is None else [newest]:
            authority = check_signers(token, None, self.signed.certificates)[0].certificate
            if authority is None:
                raise Malformed("a timestamp lacks its authority's certificate; it can't be kept for long")
            others = (*token.certificates, *self.signed.certificates)
            evidence += self._collect(authority, others, None, _TIME_STAMPING)
        self.signed = self.signed.adding(evidence.certificates, evidence.crls, evidence.ocsps)

    def _collect(
        self, certificate: bytes, others: Sequence[bytes], proven_at: datetime | None, usage: str | None = None
    ) -> Evidence:
        return collect(
            certificate,
            others,
            store=self.raising.trust,
            source=self.raising.revocation,
            moment=self.raising.moment,
            known=Evidence((), self.signed.crls, self.signed.ocsps),
            proven_at=proven_at,
            usage=usage,
        )

    def _archive(self) -> None:
        if self.digests is None:
            raise UsageError("level lta needs the signed file; give it too")
        index = hash_index(self.signed, self.signer, TIMESTAMP_HASH)
        value = archive_digest(self.signed, self.signer, index, self.digests.of, TIMESTAMP_HASH)
        self._add(ARCHIVE_TIMESTAMP_V3, with_index(self.raising.source().stamp(value, TIMESTAMP_HASH), index))
