"""Whether signed XML is what was signed, and who signed it.

How much of the document a signature covers is told by `xades_references`; only one that covers the whole is valid.
"""

import hmac
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from hashlib import new as new_hash
from typing import TYPE_CHECKING, Final

from ecitizen.algorithms import KeyAlgorithm, SignatureScheme
from ecitizen.errors import UsageError

from .certificates import certified_key
from .errors import KeyUnsupported, Malformed, PkiError, SignatureInvalid
from .keys import digest, key_algorithm, load_public_key, verify_digest
from .signed import (
    DEFAULT_BOUNDS,
    DocumentReport,
    DocumentVerdict,
    Finding,
    Level,
    Result,
    RevocationSource,
    SignatureReport,
    SignedBounds,
    failed,
    no_signature,
    noted,
    passed,
    unknown,
    verdict_of,
    worst,
)
from .xades_names import (
    HASHES,
    SHA_1,
    SIGNATURES,
    ds,
)
from .xades_parts import Properties, SignatureParts, read_signature
from .xades_references import Coverage, Document, Evidence, FilesBeside, OutOfTime, shown
from .xades_words import finding
from .xml_reading import (
    XML_BOUNDS,
    Element,
    XmlBounds,
    elements_by_id,
    has_comments,
    parse_xml,
)

if TYPE_CHECKING:
    from .signed_trust import SigningTrust, Vouching
    from .timestamp_check import TimestampReport

FORMAT: Final = "xades"
FORMAT_PLAIN: Final = "xmldsig"
_FIELD_LENS: Final = {KeyAlgorithm.P_256: 32, KeyAlgorithm.P_384: 48}


def verify(
    document: bytes,
    trust: "Vouching | None",
    moment: datetime,
    bounds: SignedBounds = DEFAULT_BOUNDS,
    revocation: RevocationSource | None = None,
    *,
    beside: FilesBeside | None = None,
    xml_bounds: XmlBounds = XML_BOUNDS,
    clock: Callable[[], float] = time.monotonic,
) -> DocumentReport:
    """Check all signatures of an XML document at `moment`; a document of any kind gives a report.

    With `beside` the document holds signatures over these files, and what else is in it does not count; without it
    nothing outside the document is looked at. Without `trust` nobody is believed. Raise UsageError for a moment without
    a time zone, ConfigError if the package lxml is missing.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a check needs a time zone")
    from .signed_trust import SigningTrust  # late: path validation is slow to import

    try:
        tree = parse_xml(document, xml_bounds)
    except PkiError as error:
        return no_signature(moment, finding("form", Result.UNKNOWN, "xml_refused", detail=str(error)), form=FORMAT)
    root = tree.getroot()
    found = [each for each in root.iter(ds("Signature")) if next(each.iterancestors(ds("Signature")), None) is None]
    if not found:
        return no_signature(moment)
    findings = [unknown("bounds", "bounds")] if len(found) > bounds.signatures_max else []
    whole = Document(tree, elements_by_id(root), clock() + bounds.seconds, clock)
    judge = SigningTrust(trust, moment, revocation)
    reports = tuple(_report(whole, judge, bounds, each, beside) for each in found[: bounds.signatures_max])
    return DocumentReport(verdict_of(reports, findings), moment, FORMAT, reports, tuple(findings))


def _report(
    document: Document, trust: "SigningTrust", bounds: SignedBounds, element: Element, beside: FilesBeside | None
) -> SignatureReport:
    """The report on a Signature element, whatever it is like."""
    evidence = Evidence()
    try:
        parts = read_signature(element, bounds)
    except PkiError as error:
        evidence.doubt(_refused(error))
        return SignatureReport(worst(evidence.verdicts), None, FORMAT, None, findings=tuple(evidence.findings))
    return _Check(document, trust, bounds, parts, Coverage(document, parts, evidence, beside)).run()


def _refused(error: PkiError) -> Finding:
    """What it means that a signature can't be followed."""
    if isinstance(error, OutOfTime):
        return unknown("bounds", "out_of_time")
    if isinstance(error, KeyUnsupported):
        return unknown("algorithm", "algorithm_weak", detail=str(error))
    return unknown("form", "not_readable", detail=str(error))


class _Check:
    """One signature's check."""

    def __init__(
        self,
        document: Document,
        trust: "SigningTrust",
        bounds: SignedBounds,
        parts: SignatureParts,
        coverage: Coverage,
    ) -> None:
        self.document = document
        self.trust = trust
        self.bounds = bounds
        self.parts = parts
        self.evidence = coverage.evidence
        self.coverage = coverage

    def run(self) -> SignatureReport:
        """Check form, references and signature; then the signer."""
        certificate = None
        try:
            self._check_form()
            for reference in self.parts.references:
                self.coverage.check(reference)
            certificate = self._check_signature()
        except (KeyUnsupported, Malformed) as error:
            self.evidence.doubt(_refused(error))
        if self.coverage.beside is not None and not self.coverage.files and not self.coverage.changed:
            self.evidence.doubt(finding("covers", Result.UNKNOWN, "no_file"))
        changed = tuple(self.coverage.changed)
        if not changed and (changed := self.coverage.uncovered()):
            self.evidence.doubt(finding("covers", Result.FAILED, "part_only", parts=", ".join(changed)))
        return self._report(certificate, changed)

    def _check_form(self) -> None:
        if self.parts.properties is None:
            self.evidence.findings.append(finding("form", Result.NOTED, "plain"))
        elif not self.parts.id or self.parts.properties.target != f"#{self.parts.id}":
            self.evidence.wrong(finding("form", Result.FAILED, "properties_elsewhere"))
        if next(self.parts.element.iterdescendants(ds("Signature")), None) is not None:
            self.evidence.findings.append(finding("form", Result.NOTED, "nested"))
        if has_comments(self.document.tree):
            self.evidence.findings.append(finding("covers", Result.NOTED, "comments"))

    def _check_signature(self) -> bytes | None:
        """Check the signature value; gives the certificate (DER) of the key that it is by, or is said to be by."""
        algorithm = SIGNATURES.get(self.parts.method)
        if algorithm is None:
            self.evidence.doubt(unknown("algorithm", "algorithm_weak", algorithm=shown(self.parts.method)))
        candidates = self._candidates()
        if not candidates:
            return None
        if algorithm is None:
            return candidates[0]
        assert algorithm.hash is not None
        signed = digest(self.document.canonical(self.parts.info, self.parts.info_form, comments=True), algorithm.hash)
        refusals: list[Finding] = []
        for certificate in candidates:
            try:
                spki = certified_key(certificate)
                verify_digest(spki, signed, _signature_value(self.parts.value, spki, algorithm.scheme), algorithm)
            except SignatureInvalid:
                refusals.append(failed("signature", "signature_wrong"))
            except KeyUnsupported as error:
                refusals.append(unknown("algorithm", "algorithm_weak", detail=str(error)))
            except Malformed as error:
                refusals.append(unknown("form", "not_readable", detail=str(error)))
            except UsageError:
                refusals.append(failed("algorithm", "algorithm_mismatch"))
            else:
                self.evidence.findings.append(passed("signature", "signature_valid"))
                return certificate
        wrong = [each for each in refusals if each.result is Result.FAILED]
        if wrong:
            self.evidence.wrong(wrong[0])
        else:
            self.evidence.doubt(refusals[0])
        return candidates[0]

    def _candidates(self) -> list[bytes]:
        """Certificates whose key may have signed: those that the signed properties name, or any if nothing does."""
        given = list(self.parts.certificates[: self.bounds.embedded_certificates_max])
        if not given:
            self.evidence.doubt(unknown("path", "no_certificate"))
            return []
        named = (
            self.parts.properties.certificates
            if self.parts.properties is not None and self.coverage.properties_signed
            else ()
        )
        if not named:
            self.evidence.findings.append(noted("form", "certificate_not_named"))
            return given
        fitting = [each for each in given if any(_names(one, each) for one in named)]
        if not fitting:
            self.evidence.wrong(failed("form", "certificate_other"))
            return given[:1]
        if all(uri == SHA_1 for uri, _ in named):
            self.evidence.findings.append(noted("form", "certificate_by_sha1"))
        return fitting

    def _report(self, certificate: bytes | None, changed: tuple[str, ...]) -> SignatureReport:
        from .signed_trust import identity_of, judge_signer  # late: path validation is slow to import
        from .timestamp_check import SKEW_MAX

        properties = self.parts.properties if self.coverage.properties_signed else None
        if self.parts.properties is not None and properties is None:
            self.evidence.doubt(finding("form", Result.UNKNOWN, "properties_unsigned"))
        embedded = self._embedded(properties)
        stamps = self._stamps(properties, embedded)
        proven_at = min(
            (stamp.moment for stamp in stamps if stamp.moment and _is(stamp, DocumentVerdict.VALID)), default=None
        )
        claimed_at = properties.claimed_at if properties is not None else None
        if claimed_at is not None and proven_at is not None and claimed_at > proven_at + SKEW_MAX:
            self.evidence.findings.append(noted("time", "claimed_later"))
        path = None
        if certificate is not None:
            judgement = judge_signer(self.trust, certificate, *embedded, proven_at=proven_at)
            path = judgement.path
            # That nothing proves the time can't be said where a timestamp might, if more were known of it.
            expired = judgement.verdict is DocumentVerdict.EXPIRED
            in_doubt = expired and any(_is(stamp, DocumentVerdict.CANNOT_TELL) for stamp in stamps)
            self.evidence.verdicts.append(DocumentVerdict.CANNOT_TELL if in_doubt else judgement.verdict)
            self.evidence.findings += judgement.findings
        return SignatureReport(
            worst(self.evidence.verdicts),
            _level(properties, stamps),
            FORMAT if self.parts.properties is not None else FORMAT_PLAIN,
            identity_of(certificate) if certificate is not None else None,
            claimed_at,
            proven_at,
            ", ".join(self.coverage.places()) or None,
            changed,
            path,
            tuple(self.evidence.findings),
        )

    def _embedded(self, properties: Properties | None) -> tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes]]:
        """Certificates, CRLs and OCSP responses that came along."""
        if properties is None:
            return self.parts.certificates[: self.bounds.embedded_certificates_max], (), ()
        certificates = (*self.parts.certificates, *properties.embedded)
        return certificates[: self.bounds.embedded_certificates_max], properties.crls, properties.ocsps

    def _stamps(
        self, properties: Properties | None, embedded: tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes]]
    ) -> list["TimestampReport"]:
        """What the timestamps over the signature are worth; a bad one proves nothing, and spoils nothing."""
        from .timestamp_check import verify_timestamp  # late: as above

        if properties is None:
            return []
        if properties.more:
            self.evidence.findings.append(finding("form", Result.NOTED, "higher_level"))
        others, crls, ocsps = embedded
        reports = []
        for stamp in properties.stamps:
            try:
                over = self.document.canonical(self.parts.value_element, stamp.form)
            except PkiError:
                self.evidence.findings.append(unknown("timestamp", "timestamp_unread"))
                continue
            report = verify_timestamp(
                stamp.token, partial(digest, over), self.trust, others=others, crls=crls, ocsps=ocsps
            )
            self.evidence.findings += report.findings
            reports.append(report)
        return reports


def _is(stamp: "TimestampReport", verdict: DocumentVerdict) -> bool:
    return stamp.verdict is verdict


def _level(properties: Properties | None, stamps: Sequence["TimestampReport"]) -> Level | None:
    if properties is None or not properties.certificates:
        return None
    stamped = any(stamp.moment is not None and not _is(stamp, DocumentVerdict.ALTERED) for stamp in stamps)
    return Level.T if stamped else Level.B


def _signature_value(value: bytes, spki: bytes, scheme: SignatureScheme) -> bytes:
    """A signature as `keys` takes it: XML has r and s of ECDSA one after the other (RFC 6931, 2.3.6)."""
    if scheme is not SignatureScheme.ECDSA:
        return value
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    field_len = _FIELD_LENS.get(key_algorithm(load_public_key(spki)))
    if field_len is None:
        raise UsageError("not a key that signs with ECDSA")
    if len(value) != 2 * field_len:
        raise SignatureInvalid("an ECDSA signature in XML has two numbers as long as the field")
    r, s = (int.from_bytes(half, "big") for half in (value[:field_len], value[field_len:]))
    return encode_dss_signature(r, s)


def _names(named: tuple[str, bytes], certificate: bytes) -> bool:
    uri, expected = named
    hashed = "sha1" if uri == SHA_1 else HASHES.get(uri)
    found = new_hash(hashed, certificate, usedforsecurity=False).digest() if hashed else b""
    return bool(hashed) and hmac.compare_digest(found, expected)
