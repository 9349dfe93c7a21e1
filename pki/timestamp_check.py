"""Whether a timestamp proves that something was there: over what, when, and by whom (RFC 3161, 2.3 and 2.4.2)."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecitizen.algorithms import HashAlgorithm

from .certificates import load_certificate
from .cms_check import Digests, check_signers
from .cms_forms import SignedData
from .errors import Malformed, PkiError
from .path import PathReport
from .signed import DEFAULT_BOUNDS, DocumentVerdict, Finding, failed, passed, unknown
from .signed_trust import SKEW_MAX, SigningTrust, judge_signer
from .timestamp_info import TimestampInfo, read_token

__all__ = ["SKEW_MAX", "DigestOf", "TimestampReport", "verify_timestamp"]

DigestOf = Callable[[HashAlgorithm], bytes]
"""The digest, by that hash, of what the timestamp should be over."""


@dataclass(frozen=True, slots=True)
class TimestampReport:
    """What a timestamp is worth; its moment proves something only if the verdict is `valid`."""

    verdict: DocumentVerdict
    moment: datetime | None
    """None if the timestamp can't be read."""
    findings: tuple[Finding, ...]
    certificate: bytes | None = field(default=None, repr=False)
    """Of the authority, DER."""
    path: PathReport | None = None


def verify_timestamp(
    token: bytes,
    digest_of: DigestOf,
    trust: SigningTrust,
    *,
    others: Sequence[bytes] = (),
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    proven_at: datetime | None = None,
    archived_at: datetime | None = None,
) -> TimestampReport:
    """Check a timestamp token (ContentInfo, DER or BER); what is wrong with it is the answer, never an error.

    `others`, `crls` and `ocsps` may help to judge the authority; `proven_at` is a later time at which the token is
    proven to have been there, `archived_at` one at which the revocation data were (see `judge_signer`).
    """
    try:
        signed_data, info = read_token(token)
    except Malformed:
        return TimestampReport(DocumentVerdict.CANNOT_TELL, None, (unknown("timestamp", "timestamp_unread"),))
    certificate, broken = _signer(signed_data, info, digest_of, others)
    if certificate is None or broken is not None:
        return broken or TimestampReport(DocumentVerdict.CANNOT_TELL, info.moment, ())
    if info.moment > trust.moment + SKEW_MAX:
        finding = unknown("timestamp", "timestamp_future", time=info.moment.isoformat())
        return TimestampReport(DocumentVerdict.CANNOT_TELL, info.moment, (finding,), certificate)
    judged = judge_signer(
        trust,
        certificate,
        (*signed_data.certificates[: DEFAULT_BOUNDS.embedded_certificates_max], *others),
        (*signed_data.crls[: DEFAULT_BOUNDS.embedded_revocations_max], *crls),
        (*signed_data.ocsps[: DEFAULT_BOUNDS.embedded_revocations_max], *ocsps),
        proven_at=proven_at,
        archived_at=archived_at,
        usage=ExtendedKeyUsageOID.TIME_STAMPING.dotted_string,
    )
    return TimestampReport(
        judged.verdict, info.moment, (_about(judged.verdict, info), *judged.findings), certificate, judged.path
    )


def _signer(
    signed_data: SignedData, info: TimestampInfo, digest_of: DigestOf, others: Sequence[bytes]
) -> tuple[bytes | None, TimestampReport | None]:
    """The certificate of whoever signed the timestamp; or what is wrong with the timestamp itself."""

    def broken(verdict: DocumentVerdict, *findings: Finding) -> tuple[None, TimestampReport]:
        return None, TimestampReport(verdict, info.moment, findings)

    content = signed_data.content
    if info.hash is None or content is None:
        return broken(DocumentVerdict.CANNOT_TELL, unknown("algorithm", "algorithm_weak"))
    said = {"time": info.moment.isoformat()}
    if not hmac.compare_digest(digest_of(info.hash), info.digest):
        return broken(DocumentVerdict.ALTERED, failed("timestamp", "timestamp_wrong", **said))
    checks = check_signers(signed_data, Digests(content), others)
    findings = [failed("timestamp", "timestamp_unread", **said), *(each for one in checks for each in one.findings)]
    if len(checks) != 1 or not checks[0].names_certificate:
        return broken(DocumentVerdict.ALTERED, *findings)
    if checks[0].verdict is not DocumentVerdict.VALID or checks[0].certificate is None:
        return broken(checks[0].verdict, *findings)
    if not _only_for_timestamps(checks[0].certificate):
        return broken(DocumentVerdict.UNTRUSTED, failed("usage", "timestamp_untrusted", **said))
    return checks[0].certificate, None


def _about(verdict: DocumentVerdict, info: TimestampInfo) -> Finding:
    said = {"time": info.moment.isoformat()}
    if verdict is DocumentVerdict.VALID:
        return passed("timestamp", "timestamp_valid", **said)
    if verdict in {DocumentVerdict.CANNOT_TELL, DocumentVerdict.EXPIRED}:
        return unknown("timestamp", "timestamp_unknown", **said)
    return failed("timestamp", "timestamp_untrusted", **said)


def _only_for_timestamps(certificate: bytes) -> bool:
    """Its only purpose, and critical (2.3)."""
    try:
        purpose = load_certificate(certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (PkiError, x509.ExtensionNotFound):
        return False
    return purpose.critical and list(purpose.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
