"""What an authority says of a certificate it may have issued: good, revoked, or nothing at all."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum, unique

from ecitizen.errors import UsageError


@unique
class RevocationReason(IntEnum):
    """Why a certificate is revoked: CRLReason of RFC 5280, 5.3.1; 7 is not used there."""

    UNSPECIFIED = 0
    """Never written: a list or answer then has no reason at all."""
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    """Suspended: the only one that can be taken back."""
    REMOVE_FROM_CRL = 8
    """In delta CRLs only: what was on hold is good again."""
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10


@unique
class CertificateState(StrEnum):
    """The three answers that OCSP has (RFC 6960, 2.2)."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """The authority has not issued such a certificate."""


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """The state of a certificate; `at` and `reason` only where it is revoked. Raise UsageError if they don't fit."""

    state: CertificateState
    at: datetime | None = None
    """Since when, in UTC."""
    reason: RevocationReason | None = None

    def __post_init__(self) -> None:
        revoked = self.state is CertificateState.REVOKED
        if revoked != (self.at is not None) or (self.reason is not None and not revoked):
            raise UsageError("a revoked certificate is so since a moment, and no other has a moment or a reason")
        if self.at is not None and self.at.tzinfo is None:
            raise UsageError("the moment of a revocation needs a time zone")
