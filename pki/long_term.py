"""Evidence that lets a signature be checked for decades: certificates and revocation data, collected while they are
to be had (level LT of CAdES, PAdES and XAdES).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.x509 import ocsp

from .certificates import load_certificate
from .errors import PkiError
from .path import PathReport, RevocationRule, Verdict, validate
from .signed import DocumentVerdict, RevocationSource
from .signed_trust import SignerJudgement, SigningTrust, judge_signer, made_by
from .trust import TrustStore

_BROKEN: Final = (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension)


class EvidenceMissing(PkiError):
    """The evidence for a long-term signature is not to be had, or says that the certificate is not good."""

    code = "evidence_missing"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What lets somebody judge a certificate later; all DER."""

    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    ocsps: tuple[bytes, ...] = field(default=(), repr=False)

    def __add__(self, other: "Evidence") -> "Evidence":
        """Both, each piece once."""
        return Evidence(
            tuple(dict.fromkeys((*self.certificates, *other.certificates))),
            tuple(dict.fromkeys((*self.crls, *other.crls))),
            tuple(dict.fromkeys((*self.ocsps, *other.ocsps))),
        )


def collect(
    certificate: bytes,
    chain: Sequence[bytes],
    *,
    store: TrustStore | None,
    source: RevocationSource | None,
    moment: datetime,
    known: Evidence = Evidence(),
    proven_at: datetime | None = None,
    usage: str | None = None,
) -> Evidence:
    """What is needed to judge a certificate (DER) by itself: its path, and revocation data for all but the anchor.

    Looks into `known` (what the document has already), then the trust store, then asks `source`. `proven_at` is when
    the signature is proven to have been there, `usage` an extended key usage that the certificate must have. Raise
    EvidenceMissing if what is found does not make the certificate good; without a store it can't be made sure of.
    """
    if store is None:
        raise EvidenceMissing("evidence is collected for trusted certificates only; give a trust directory")
    return _Collection(store, source, moment, proven_at, usage).of(certificate, chain, known)


@dataclass(frozen=True, slots=True)
class _Anchors:
    """The trusted roots, and nothing else that a trust directory knows."""

    anchors: tuple[bytes, ...]
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    def check(self, certificate: bytes, **settings: Any) -> PathReport:
        """As that of a trust directory."""
        return validate(certificate, anchors=self.anchors, **settings)


@dataclass(frozen=True, slots=True)
class _Collection:
    store: TrustStore
    source: RevocationSource | None
    moment: datetime
    proven_at: datetime | None
    usage: str | None

    def of(self, certificate: bytes, chain: Sequence[bytes], known: Evidence) -> Evidence:
        path = self._path(certificate, (*chain, *known.certificates))
        here = Evidence(path, known.crls, known.ocsps)
        judged = self._judge(certificate, here)
        if judged.verdict is DocumentVerdict.VALID:
            return here
        stored = here + _concerning(path, self.store.crls, self.store.ocsps)
        judged = self._judge(certificate, stored)
        if judged.verdict is not DocumentVerdict.VALID and self.source is not None:
            fetched = self.source.fetch(path)
            stored = here + Evidence((), fetched.crls, fetched.ocsps)
            judged = self._judge(certificate, stored)
        if judged.verdict is not DocumentVerdict.VALID:
            why = judged.findings[0].text.en if judged.findings else str(judged.verdict)
            raise EvidenceMissing(f"the evidence for a long-term signature can't be collected: {why}")
        return stored

    def _path(self, certificate: bytes, others: Sequence[bytes]) -> tuple[bytes, ...]:
        """From the certificate to its anchor, as it was when the signature was there."""
        report = self.store.check(
            certificate,
            moment=self.proven_at or self.moment,
            others=others,
            usage=self.usage,
            revocation=RevocationRule.OFF,
        )
        if report.verdict is not Verdict.VALID:
            raise EvidenceMissing(
                "no valid path leads from the certificate to a trusted authority; add what is between to the trust "
                "directory"
            )
        return report.chain

    def _judge(self, certificate: bytes, evidence: Evidence) -> SignerJudgement:
        """What the certificate is worth to somebody who has the anchors and nothing but this evidence."""
        anchors = _Anchors(tuple(each.certificate for each in self.store.anchors))
        return judge_signer(
            SigningTrust(anchors, made_by(self.moment, evidence.crls, evidence.ocsps)),
            certificate,
            evidence.certificates,
            evidence.crls,
            evidence.ocsps,
            proven_at=self.proven_at,
            usage=self.usage,
        )


def _concerning(path: Sequence[bytes], crls: Iterable[bytes], ocsps: Iterable[bytes]) -> Evidence:
    """Of many CRLs and OCSP responses those that speak of these certificates."""
    certificates = [load_certificate(each) for each in path]
    issuers = {each.issuer for each in certificates}
    points = {name for each in certificates for name in _points(each)}
    serials = {each.serial_number for each in certificates}
    return Evidence(
        (),
        tuple(crl for crl in crls if _speaks_of(crl, issuers, points)),
        tuple(answer for answer in ocsps if _answers(answer, serials)),
    )


def _speaks_of(crl: bytes, issuers: set[x509.Name], points: set[str]) -> bool:
    """Whether the CRL is by one of the issuers, and for the part of its certificates that these belong to."""
    with suppress(*_BROKEN):
        parsed = x509.load_der_x509_crl(crl)
        if parsed.issuer not in issuers:
            return False
        try:
            point = parsed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        except x509.ExtensionNotFound:
            return True
        names = {str(name.value) for name in point.full_name or ()}
        return not names or bool(names & points)
    return False


def _points(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for point in points for name in point.full_name or ()]


def _answers(answer: bytes, serials: set[int]) -> bool:
    with suppress(*_BROKEN):
        return any(each.serial_number in serials for each in ocsp.load_der_ocsp_response(answer).responses)
    return False
