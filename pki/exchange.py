"""Data packages between agencies: made and signed at a desk, checked offline by the one recipient.

    package = new_package(sender=..., recipient=..., purpose=..., consent=..., applications=..., moment=now)
    signed = sign_package(package, [card, desk], moment=now)
    report = check_package(signed, trust, now, recipient=..., guard=...)

The signed package is a JWS in the general JSON serialisation with two signatures: the card's, by which the person
consents (key 9A, or 9C for one that stands for the hand), and the desk's, by which the agency answers for the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Any, Final

from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from . import jws
from .errors import Malformed
from .exchange_package import (
    Consent,
    ExchangePackage,
    Purpose,
    SealedApplication,
    chosen_fields,
    new_package,
    payload_of,
    read_package,
)
from .jws import JwsSignature, Show
from .path import Finding
from .signed import DocumentVerdict, SignatureReport

__all__ = [
    "Consent",
    "ExchangePackage",
    "ExchangeReport",
    "ExchangeVerdict",
    "Party",
    "Purpose",
    "Role",
    "SealedApplication",
    "add_signature",
    "chosen_fields",
    "new_package",
    "read_package",
    "sign_package",
    "verdict_of",
]

TYPE: Final = "ecitizen-exchange-package+json"
"""`typ` in the header of each signature, so that no signature over something else can be taken for one of these."""


@unique
class Role(StrEnum):
    """As what somebody signs a package; in the header that the signature covers."""

    CARD = "card"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who signs a package."""

    role: Role
    signer: Signer
    certificate: bytes = field(repr=False)
    """DER."""
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    """Authorities between the certificate and a root, DER."""
    algorithm: str | None = None
    """One of `jws.ALGORITHMS`; None is the key's best."""


@unique
class ExchangeVerdict(StrEnum):
    """What a package or a credential comes to; the worst first, and of several the worst counts."""

    REFUSED = "refused"
    """It can't be read, or breaks a rule that all packages follow."""
    ALTERED = "altered"
    """It is not what was signed, or a signature does not hold."""
    WRONG_RECIPIENT = "wrong-recipient"
    WRONG_PURPOSE = "wrong-purpose"
    REPLAYED = "replayed"
    """The recipient has taken it before."""
    REVOKED = "revoked"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    CANNOT_TELL = "cannot-tell"
    VALID = "valid"

    @classmethod
    def of_document(cls, verdict: DocumentVerdict) -> "ExchangeVerdict":
        """The same verdict on a signature."""
        return cls(verdict.value)


@dataclass(frozen=True, slots=True)
class ExchangeReport:
    """What a package or a credential is worth, at a moment, and what that rests on."""

    verdict: ExchangeVerdict
    moment: datetime
    format: str
    """`exchange-package` or `exchange-credential`."""
    signatures: tuple[SignatureReport, ...]
    findings: tuple[Finding, ...]
    package: ExchangePackage | None = field(default=None, repr=False)
    """What was handed over. None unless the verdict is valid: data that may not be used are not given."""
    claims: Mapping[str, Any] | None = field(default=None, repr=False)
    """The same of a credential: all that was disclosed, as the schema has it."""


def verdict_of(verdicts: Sequence[ExchangeVerdict]) -> ExchangeVerdict:
    """The worst of them; valid if there is none."""
    order = list(ExchangeVerdict)
    return min(verdicts, key=order.index, default=ExchangeVerdict.VALID)


def sign_package(
    package: ExchangePackage, parties: Sequence[Party], *, moment: datetime, show: Show | None = None
) -> bytes:
    """The package signed by each party with one use of its key, in UTF-8.

    Nothing is signed if the package breaks a rule. Raise UsageError for that, for two parties in one role, and for a
    certificate that is not of the party's key; and what a signer raises.
    """
    if len({party.role for party in parties}) != len(parties) or not parties:
        raise UsageError("a package is signed once by each: the card, and the desk")
    payload = payload_of(package)
    _check_signable(payload)
    return jws.general(payload, [_signed(payload, party, moment, show) for party in parties])


def add_signature(signed: bytes, party: Party, *, moment: datetime, show: Show | None = None) -> bytes:
    """A signed package with one more signature, for a card and a desk that are not in one place.

    What is signed already is not checked. Raise UsageError if the role has signed, Malformed for what is no package.
    """
    read = jws.read_general(signed)
    read_package(read.payload)
    if any(each.header.get("role") == party.role for each in read.signatures):
        raise UsageError(f"the package has a signature of the {party.role} already")
    return jws.general(read.payload, [*read.signatures, _signed(read.payload, party, moment, show)])


def _check_signable(payload: bytes) -> None:
    try:
        read_package(payload)
    except Malformed as error:
        raise UsageError(f"such a package can't be signed: {error}") from None


def _signed(payload: bytes, party: Party, moment: datetime, show: Show | None) -> JwsSignature:
    # iat is the signer's own clock, as JAdES has it (ETSI TS 119 182-1, 5.1.11)
    header = MappingProxyType({"typ": TYPE, "role": party.role.value, "iat": int(moment.timestamp())})
    certificates = (party.certificate, *party.chain)
    return jws.sign(
        payload, party.signer, certificates=certificates, header=header, algorithm=party.algorithm, show=show
    )
