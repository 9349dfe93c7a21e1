"""CRLs and OCSP responses as they were given: read strictly, and only those that concern a path are handed on."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.x509 import ocsp

from .certificate_form import check_crl_form, check_signature_bits
from .crl_entries import entries_about
from .errors import Malformed
from .path_algorithms import weakness
from .path_candidates import Bounds, Candidate, Search
from .path_names import CertificateList

EMBEDDED_MAX: Final = 16
"""Certificates in an OCSP response, of which one is the signer's; nothing protects them, and more only cost time."""

_BROKEN: Final = (
    Malformed,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,  # of odd dates and numbers, where the program has made warnings errors
)


class CompleteCrl(CertificateList):
    """A complete CRL, of which certvalidator is told whether a delta CRL goes with it.

    By itself it would look at FreshestCRL: without that extension a delta CRL that is at hand would not be used, and
    with it the complete CRL alone would prove nothing, though it is current. Delta CRLs are an offer (RFC 5280, 6.3.3
    with `use-deltas`): one that is at hand is used, for it knows more; one that is not leaves the complete CRL as good
    as it says itself.
    """

    delta: asn1_crl.CertificateList | None = None

    @property
    def freshest_crl_value(self) -> tuple[asn1_crl.CertificateList, ...]:
        """What certvalidator asks for; only whether it is empty counts."""
        return () if self.delta is None else (self.delta,)


@dataclass(frozen=True, slots=True, eq=False)
class Crl:
    """A CRL that reads well."""

    parsed: asn1_crl.CertificateList
    strict: x509.CertificateRevocationList
    issuer: str
    size: int
    this_update: datetime
    next_update: datetime | None
    indirect: bool
    """It may speak of other issuers' certificates."""
    scope: tuple[str, bytes | None, bytes | None]
    """Issuer, issuing distribution point and authority key: a delta CRL has those of its complete CRL."""
    number: int | None
    base_number: int | None
    """Of a delta CRL: the least number of a complete CRL that it adds to."""
    names_delta: bool
    """It says where a delta CRL may be."""

    def about(self, serial_numbers: Sequence[bytes]) -> "Crl":
        """The same CRL, of which certvalidator sees only the entries of these certificates (INTEGERs, DER).

        Its signature is checked over all that was signed: asn1crypto keeps the bytes of what it has read. Raise
        Malformed if the entries can't be read.
        """
        body = self.parsed["tbs_cert_list"]
        every = body["revoked_certificates"]
        if not isinstance(every, asn1_crl.RevokedCertificates):
            return self
        shown = _view(body)
        shown.children = [
            entries_about(every.contents, serial_numbers) if each is every else each for each in body.children
        ]
        parsed = _view(self.parsed)
        parsed.children = [shown if each is body else each for each in self.parsed.children]
        return replace(self, parsed=parsed)

    def adds_to(self, complete: "Crl", moment: datetime) -> bool:
        """Whether this is a current delta CRL to that complete CRL (RFC 5280, 5.2.4 and 6.3.3 c)."""
        if self.base_number is None or self.number is None or complete.number is None or self.next_update is None:
            return False
        in_order = self.base_number <= complete.number < self.number
        return in_order and self.scope == complete.scope and self.this_update <= moment <= self.next_update


@dataclass(frozen=True, slots=True, eq=False)
class OcspAnswer:
    """A successful OCSP response that reads well."""

    parsed: asn1_ocsp.OCSPResponse
    size: int
    serial_numbers: frozenset[int]
    """Of the certificates that it speaks of."""
    embedded: tuple[bytes, ...]
    """Serial numbers, INTEGER in DER, of the certificates that came in it: its signer's status is checked too."""


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

    def relevant(self, path: Sequence[Candidate], search: Search, bounds: Bounds) -> tuple["RevocationData", bool]:
        """What concerns these certificates, the smallest first as far as the bounds go; True if there was more.

        CRLs must be signed by somebody who leads to an anchor.
        """
        names = {each.issuer for each in path}
        serial_numbers = {each.loose.serial_number for each in path}
        left = bounds.revocation_bytes
        crls: list[Crl] = []
        ocsps: list[OcspAnswer] = []
        for crl in sorted(self.all_crls, key=lambda each: each.size):
            if (crl.indirect or crl.issuer in names) and search.vouches(crl.strict, crl.issuer):
                left -= crl.size
                crls += [crl] if left >= 0 else []
        for answer in sorted(self.all_ocsps, key=lambda each: each.size):
            if answer.serial_numbers & serial_numbers:
                left -= answer.size
                ocsps += [answer] if left >= 0 else []
        most = bounds.revocation_lists
        kept = replace(self, all_crls=tuple(crls[:most]), all_ocsps=tuple(ocsps[:most]))
        return kept, left < 0 or len(crls) > most or len(ocsps) > most

    def about(self, certificates: Iterable[Candidate]) -> "RevocationData":
        """The same, with only those entries of the CRLs that concern these certificates or an OCSP response's signer.

        A CRL whose entries can't be read is left out.
        """
        serial_numbers = [each.loose["tbs_certificate"]["serial_number"].dump() for each in certificates]
        serial_numbers += [number for answer in self.all_ocsps for number in answer.embedded]
        crls: list[Crl] = []
        for crl in self.all_crls:
            with suppress(*_BROKEN):
                crls.append(crl.about(tuple(dict.fromkeys(serial_numbers))))
        return replace(self, all_crls=tuple(crls))

    def freshness(self, path: Iterable[Candidate]) -> dict[str, str]:
        """When the newest CRL about these certificates was made, and until when it holds (ISO 8601)."""
        names = {each.issuer for each in path}
        concerned = [each for each in self.all_crls if each.issuer in names]
        if not concerned:
            return {}
        oldest = min(concerned, key=lambda each: each.this_update)
        until = oldest.next_update.isoformat() if oldest.next_update else ""
        return {"crl_this_update": oldest.this_update.isoformat(), "crl_next_update": until}

    @property
    def lacks_delta(self) -> bool:
        """Whether a complete CRL names a delta CRL that is not at hand, or not current."""
        return any(
            each.names_delta and isinstance(each.parsed, CompleteCrl) and each.parsed.delta is None
            for each in self.all_crls
        )


def read_revocation_data(
    crls: Iterable[bytes | Crl],
    ocsps: Iterable[bytes],
    moment: datetime,
    *,
    late: Callable[[], bool] = lambda: False,
) -> RevocationData:
    """Read all that is given; what is not well formed, or signed too weakly, is left out and named in `refused`.

    So is what there is no time for: all that comes once `late` says so. Delta CRLs that are not current at `moment`, or
    add to none of the complete CRLs, are left out too.
    """
    refused: list[str] = []
    good_crls, good_ocsps = [], []
    for der in crls:
        if not isinstance(der, bytes):
            good_crls.append(der)
            continue
        if late():
            refused.append("a CRL for which there was no time")
            continue
        try:
            good_crls.append(_read_crl(der))
        except _BROKEN:
            refused.append("a CRL that is malformed, or signed too weakly")
    for der in ocsps:
        if late():
            refused.append("an OCSP response for which there was no time")
            continue
        try:
            good_ocsps.append(_read_ocsp(der))
        except _BROKEN:
            refused.append("an OCSP response that is malformed, unsuccessful, or signed too weakly")
    return RevocationData(tuple(_with_deltas(good_crls, moment)), tuple(good_ocsps), tuple(dict.fromkeys(refused)))


def _with_deltas(crls: Sequence[Crl], moment: datetime) -> list[Crl]:
    """The complete CRLs, and of each scope the newest delta CRL that adds to one of them.

    certvalidator takes any delta CRL of the scope for any complete CRL of it: there must be no other.
    """
    complete = [each for each in crls if isinstance(each.parsed, CompleteCrl)]
    newest: dict[object, Crl] = {}
    for delta in sorted((each for each in crls if each.number is not None), key=lambda each: each.number or 0):
        if any(delta.adds_to(each, moment) for each in complete):
            newest[delta.scope] = delta
    return [*(_with_delta(each, newest.get(each.scope), moment) for each in complete), *newest.values()]


def _with_delta(complete: Crl, delta: Crl | None, moment: datetime) -> Crl:
    """The complete CRL with the delta CRL, if it adds to it; what was given stays as it is, for others have it too."""
    if delta is None or not delta.adds_to(complete, moment):
        return complete
    parsed = _view(complete.parsed)
    parsed.delta = delta.parsed
    return replace(complete, parsed=parsed)


def _view(parsed: Any) -> Any:
    """Another object of asn1crypto's of the same bytes and parts, to which something can be done."""
    view = object.__new__(type(parsed))
    vars(view).update(vars(parsed))
    return view


def read_crl(der: bytes) -> Crl | None:
    """Read a CRL once for many validations; None if it is malformed or signed too weakly."""
    try:
        return _read_crl(der)
    except _BROKEN:
        return None


def _read_crl(der: bytes) -> Crl:
    check_crl_form(der)
    strict = x509.load_der_x509_crl(der)
    extensions = {each.oid: each.value for each in strict.extensions}
    point = extensions.get(x509.IssuingDistributionPoint.oid)
    number, base = extensions.get(x509.CRLNumber.oid), extensions.get(x509.DeltaCRLIndicator.oid)
    kind = CompleteCrl if base is None else CertificateList
    parsed = kind.load(der, strict=True)
    if weakness(parsed["signature_algorithm"], None, strict.last_update_utc):
        raise ValueError
    name = str(parsed.issuer.hashable)
    return Crl(
        parsed,
        strict,
        name,
        len(der),
        strict.last_update_utc,
        strict.next_update_utc,
        isinstance(point, x509.IssuingDistributionPoint) and point.indirect_crl,
        (name, None if point is None else point.public_bytes(), parsed.authority_key_identifier),
        number.crl_number if isinstance(number, x509.CRLNumber) else None,
        base.crl_number if isinstance(base, x509.DeltaCRLIndicator) else None,
        x509.FreshestCRL.oid in extensions,
    )


def _read_ocsp(der: bytes) -> OcspAnswer:
    strict = ocsp.load_der_ocsp_response(der)
    parsed = asn1_ocsp.OCSPResponse.load(der, strict=True)
    basic = parsed.basic_ocsp_response
    check_signature_bits(basic["signature"].contents)
    if len(basic["certs"]) > EMBEDDED_MAX:
        raise ValueError
    if weakness(basic["signature_algorithm"], None, strict.produced_at_utc):
        raise ValueError
    return OcspAnswer(
        parsed,
        len(der),
        frozenset(each.serial_number for each in strict.responses),
        tuple(each["tbs_certificate"]["serial_number"].dump() for each in basic["certs"]),
    )
