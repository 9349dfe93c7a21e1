"""What a timestamp says: TSTInfo, and the token around it (RFC 3161, 2.4.2)."""

from dataclasses import dataclass, field
from datetime import datetime

from ecitizen.algorithms import HashAlgorithm

from .algorithm_identifiers import hash_by_identifier
from .cms_attributes import read_time
from .cms_ber import normalised
from .cms_forms import TST_INFO, SignedData, read_signed_data
from .der import TAG_GENERALIZED_TIME, TAG_INTEGER, TAG_OCTET_STRING, TAG_OID, TAG_SEQUENCE, Reader
from .errors import Malformed
from .signed import DEFAULT_BOUNDS, SignedBounds

TOKEN_MAX_LEN = 4 * 1024 * 1024
"""Bytes; archive timestamps of some makers carry CRLs."""


@dataclass(frozen=True, slots=True)
class TimestampInfo:
    """The content of a timestamp."""

    moment: datetime
    hash: HashAlgorithm | None
    """None if it is too weak, or not known here."""
    digest: bytes = field(repr=False)
    policy: bytes
    """OBJECT IDENTIFIER, DER."""
    nonce: int | None


def read_token(token: bytes, bounds: SignedBounds = DEFAULT_BOUNDS) -> tuple[SignedData, TimestampInfo]:
    """Take a timestamp token apart; raise Malformed for anything else. Nothing is proven by that."""
    if len(token) > TOKEN_MAX_LEN:
        raise Malformed(f"the timestamp is longer than {TOKEN_MAX_LEN} bytes, which no honest one is")
    signed_data = read_signed_data(token, bounds)
    if signed_data.content_type != TST_INFO or signed_data.content is None:
        raise Malformed("this is no timestamp")
    return signed_data, _read(normalised(signed_data.content.joined()))


def _read(data: bytes) -> TimestampInfo:
    info = Reader(data).inside()
    info.integer()
    policy = info.element(TAG_OID)
    imprint = info.inside()
    algorithm = hash_by_identifier(imprint.element(TAG_SEQUENCE))
    digest = imprint.content(TAG_OCTET_STRING)
    imprint.close()
    info.integer()
    moment = read_time(info.element(TAG_GENERALIZED_TIME))
    if info.peek() == TAG_SEQUENCE:  # accuracy
        info.element(TAG_SEQUENCE)
    info.flag()
    nonce = info.integer() if info.peek() == TAG_INTEGER else None
    return TimestampInfo(moment, algorithm, digest, policy, nonce)
