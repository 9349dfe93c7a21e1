"""CRLs and OCSP responses as they were given: read strictly, and only those that concern a path are handed on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.x509 import ocsp

from .path_algorithms import weakness
from .path_candidates import Candidate

_BROKEN: Final = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True, eq=False)
class Crl:
    """A CRL that reads well."""

    parsed: asn1_crl.CertificateList
    issuer: str
    size: int
    this_update: datetime
    next_update: datetime | None
    indirect: bool
    """It may speak of other issuers' certificates."""


@dataclass(frozen=True, slots=True, eq=False)
class OcspAnswer:
    """A successful OCSP response that reads well."""

    parsed: asn1_ocsp.OCSPResponse
    size: int


@dataclass(frozen=True, slots=True)
class RevocationData:
    """What is at hand about revocation."""

    all_crls: tuple[Crl, ...] = ()
    all_ocsps: tuple[OcspAnswer, ...] = ()
    refused: tuple[str, ...] = ()
    """Why something was left out."""

    @property
    def crls(self) -> list[asn1_crl.CertificateList]:
        """As certvalidator takes them."""
        return [each.parsed for each in self.all_crls]

    @property
    def ocsps(self) -> list[asn1_ocsp.OCSPResponse]:
        """As certvalidator takes them."""
        return [each.parsed for each in self.all_ocsps]

    @property
    def issuers(self) -> tuple[str, ...]:
        """Canonical names of those who signed the CRLs."""
        return tuple(dict.fromkeys(each.issuer for each in self.all_crls))

    def without_ocsps(self) -> "RevocationData":
        """The CRLs alone."""
        return replace(self, all_ocsps=())

    def relevant(self, path: Iterable[Candidate], bytes_max: int) -> tuple["RevocationData", bool]:
        """What concerns these certificates, the smallest first up to `bytes_max`; True if there was more."""
        names = {each.issuer for each in path}
        crls = [each for each in self.all_crls if each.indirect or each.issuer in names]
        left = bytes_max
        kept_crls, kept_ocsps = [], []
        for crl in sorted(crls, key=lambda each: each.size):
            left -= crl.size
            kept_crls += [crl] if left >= 0 else []
        for answer in sorted(self.all_ocsps, key=lambda each: each.size):
            left -= answer.size
            kept_ocsps += [answer] if left >= 0 else []
        return replace(self, all_crls=tuple(kept_crls), all_ocsps=tuple(kept_ocsps)), left < 0

    def freshness(self, path: Iterable[Candidate]) -> dict[str, str]:
        """When the newest CRL about these certificates was made, and until when it holds (ISO 8601)."""
        names = {each.issuer for each in path}
        concerned = [each for each in self.all_crls if each.issuer in names]
        if not concerned:
            return {}
        oldest = min(concerned, key=lambda each: each.this_update)
        until = oldest.next_update.isoformat() if oldest.next_update else ""
        return {"crl_this_update": oldest.this_update.isoformat(), "crl_next_update": until}


def read_revocation_data(crls: Iterable[bytes], ocsps: Iterable[bytes]) -> RevocationData:
    """Read all that is given; what is not well formed, or signed too weakly, is left out and named in `refused`."""
    refused: list[str] = []
    good_crls, good_ocsps = [], []
    for der in crls:
        try:
            good_crls.append(_read_crl(der))
        except _BROKEN:
            refused.append("a CRL that is malformed, or signed too weakly")
    for der in ocsps:
        try:
            good_ocsps.append(_read_ocsp(der))
        except _BROKEN:
            refused.append("an OCSP response that is malformed, unsuccessful, or signed too weakly")
    return RevocationData(tuple(good_crls), tuple(good_ocsps), tuple(refused))


def _read_crl(der: bytes) -> Crl:
    strict = x509.load_der_x509_crl(der)
    parsed = asn1_crl.CertificateList.load(der, strict=True)
    try:
        point = strict.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        indirect = point.indirect_crl
    except x509.ExtensionNotFound:
        indirect = False
    if weakness(parsed["signature_algorithm"], None, strict.last_update_utc):
        raise ValueError
    name = str(parsed.issuer.hashable)
    return Crl(parsed, name, len(der), strict.last_update_utc, strict.next_update_utc, indirect)


def _read_ocsp(der: bytes) -> OcspAnswer:
    strict = ocsp.load_der_ocsp_response(der)
    parsed = asn1_ocsp.OCSPResponse.load(der, strict=True)
    basic = parsed.basic_ocsp_response
    if weakness(basic["signature_algorithm"], None, strict.produced_at_utc):
        raise ValueError
    return OcspAnswer(parsed, len(der))
