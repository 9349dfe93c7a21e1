"""An OCSP responder: signed answers about single certificates of one authority (RFC 6960, RFC 8954).

An answer is laid out once: names, times and identifiers stand ready in DER, and only the certificate, its status and
the signature are put in. An answer without a nonce is kept and given again: for a few seconds unasked, then for as
long as the status is still the same, so that a revocation is told within these seconds.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecitizen.errors import EcitizenError, UsageError
from ecitizen.ports import Signer

from .algorithm_identifiers import signature_identifier
from .certificate_parts import CertificateParts, certificate_parts
from .certificates import certified_key, load_certificate
from .der import NULL, integer, octet_string, oid, sequence
from .errors import Malformed
from .keys import load_public_key, public_key_info
from .ocsp_layout import ResponseFrame, SecondLayout, refusal, responder_id, told
from .ocsp_request import AskedCertificate, RequestReader
from .signing_key import usual_algorithm
from .status import CertificateState, CertificateStatus
from .template import Clock, utc_now

StatusSource = Callable[[int], CertificateStatus]
"""Tells the status of a certificate by its serial number."""

# OCSPResponseStatus (RFC 6960, 4.2.1)
_MALFORMED_REQUEST = 1
_INTERNAL_ERROR = 2
_UNAUTHORIZED = 6

_ID_HASHES: Final = MappingProxyType(
    {
        "sha1": "1.3.14.3.2.26",
        "sha256": "2.16.840.1.101.3.4.2.1",
        "sha384": "2.16.840.1.101.3.4.2.2",
        "sha512": "2.16.840.1.101.3.4.2.3",
    }
)
"""Hashes by which a request may name the issuer; SHA-1 only names here, nothing rests on its strength."""
_PREPARED_HASHES: Final = ("sha1", "sha256")
_NO_TIME = timedelta(0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """How long answers hold, and how many are kept."""

    validity: timedelta = timedelta(hours=1)
    """From thisUpdate to nextUpdate."""
    unasked: timedelta = timedelta(seconds=10)
    """So long a kept answer is given again without asking for the status."""
    again: timedelta = timedelta(minutes=30)
    """So long it is given again if the status is the same."""
    kept: int = 20_000
    """About 1 kB each."""

    def __post_init__(self) -> None:
        if not _NO_TIME <= self.unasked <= self.again <= self.validity or not self.validity:
            raise UsageError("an answer is given again within its validity, and unasked for a part of that time")


class OcspAnswer(NamedTuple):
    """An answer, and whether others may get the same one."""

    der: bytes
    """OCSPResponse."""
    shared: bool = False


class _Kept(NamedTuple):
    answer: OcspAnswer
    asked: AskedCertificate
    status: CertificateStatus
    signed_at: datetime


class OcspResponder:
    """Answers about the certificates of one issuer, with a key of its own or the issuer's.

    `status` is asked with serial numbers of up to 159 bits, above 0. A responder's own certificate is by that issuer,
    for OCSP signing, and goes along with every answer. Raise Malformed for what is no certificate, UsageError for
    certificates and keys that don't belong together.
    """

    def __init__(
        self,
        signer: Signer,
        responder_certificate: bytes,
        issuer_certificate: bytes,
        status: StatusSource,
        *,
        clock: Clock = utc_now,
        rules: AnswerRules | None = None,
    ) -> None:
        if public_key_info(load_public_key(signer.public_key)) != certified_key(responder_certificate):
            raise UsageError("the responder's certificate is not for this key; give the two that belong together")
        own = load_certificate(responder_certificate)
        delegated = responder_certificate != issuer_certificate
        if delegated:
            _check_delegation(own, load_certificate(issuer_certificate))
        self.rules = rules or AnswerRules()
        self._signer = signer
        self._algorithm = usual_algorithm(signer)
        self._status = status
        self._clock = clock
        self._not_before, self._not_after = own.not_valid_before_utc, own.not_valid_after_utc
        issuer = certificate_parts(issuer_certificate)
        # Programs write a hash's parameters as NULL (most of them) or leave them out.
        self._issuers = frozenset(_issuer_id(issuer, name, null) for name in _ID_HASHES for null in (NULL, b""))
        self._prepared = [_issuer_id(issuer, name, NULL) for name in _PREPARED_HASHES]
        self._kept: dict[bytes, _Kept] = {}
        self._requests = RequestReader(self._issuers)
        self._second: SecondLayout | None = None
        self._responder_id = responder_id(certificate_parts(responder_certificate).key)
        self._frame = ResponseFrame(signature_identifier(self._algorithm), responder_certificate if delegated else b"")

    def answer(self, request: bytes) -> bytes:
        """The OCSPResponse to an OCSPRequest, both DER. A bad request gets an answer that says so."""
        return self.respond(request).der

    def respond(self, request: bytes) -> OcspAnswer:
        """The same, telling whether the answer may be kept by others on the way."""
        moment = self._clock()
        try:
            if (kept := self._kept.get(request)) is not None and self._holds(kept, moment):
                return kept.answer
            return self._new_answer(request, moment)
        except EcitizenError as error:
            _log.error("an OCSP answer could not be made: %s", error.code)
            return _refusal(_INTERNAL_ERROR)

    def prepare(self, serial_numbers: Iterable[int]) -> int:
        """Sign the answers about these certificates beforehand, for requests with SHA-1 and SHA-256; give their number.

        They are given as long as any kept answer, so this is to be repeated within `rules.again`. Only the last
        `rules.kept` answers stay. Raise what the source of status and the signer raise.
        """
        prepared = 0
        for serial_number in serial_numbers:
            for issuer in self._prepared:
                certificate_id = sequence(issuer, integer(serial_number))
                request = sequence(sequence(sequence(sequence(certificate_id))))
                self._new_shared_answer(request, AskedCertificate(certificate_id, issuer, serial_number), self._clock())
                prepared += 1
        return prepared

    def _holds(self, kept: _Kept, moment: datetime) -> bool:
        """Whether a kept answer is still good to give."""
        age = moment - kept.signed_at
        if not _NO_TIME <= age < self.rules.again or moment >= self._not_after:
            return False
        return age < self.rules.unasked or self._status_of(kept.asked) == kept.status

    def _new_answer(self, request: bytes, moment: datetime) -> OcspAnswer:
        try:
            certificates, nonce = self._requests.read(request)
        except Malformed:
            return _refusal(_MALFORMED_REQUEST)
        if self._issuers.isdisjoint([asked.issuer for asked in certificates]):
            return _refusal(_UNAUTHORIZED)
        if not self._not_before <= moment < self._not_after:
            _log.error("the OCSP responder's certificate is not valid now; renew it")
            return _refusal(_INTERNAL_ERROR)
        first, *others = certificates
        if others:
            singles = [(asked.certificate_id, told(self._status_of(asked))) for asked in certificates]
            return OcspAnswer(self._signed(self._second_of(moment).data(singles, nonce)))
        if nonce is None:
            return self._new_shared_answer(request, first, moment)
        status = told(self._status_of(first))
        return OcspAnswer(self._signed(self._second_of(moment).data_of_one(first.certificate_id, status, nonce)))

    def _new_shared_answer(self, request: bytes, asked: AskedCertificate, moment: datetime) -> OcspAnswer:
        """Sign an answer about one certificate, and keep it."""
        status = self._status_of(asked)
        data = self._second_of(moment).data_of_one(asked.certificate_id, told(status))
        answer = OcspAnswer(self._signed(data), shared=True)
        # Numbers that were made up must not push the answers about real certificates out.
        if self.rules.kept and status.state is not CertificateState.UNKNOWN:
            self._kept.pop(request, None)
            if len(self._kept) >= self.rules.kept:
                del self._kept[next(iter(self._kept))]  # the oldest
            self._kept[request] = _Kept(answer, asked, status, moment)
        return answer

    def _status_of(self, asked: AskedCertificate) -> CertificateStatus:
        if asked.issuer not in self._issuers or asked.serial_number <= 0:
            return CertificateStatus(CertificateState.UNKNOWN)
        return self._status(asked.serial_number)

    def _second_of(self, moment: datetime) -> SecondLayout:
        second = self._second
        if second is None or not second.begin <= moment < second.end:
            begin = moment.replace(microsecond=0)
            second = SecondLayout(self._responder_id, begin, min(begin + self.rules.validity, self._not_after))
            self._second = second
        return second

    def _signed(self, data: bytes) -> bytes:
        return self._frame.response(data, self._signer.sign(data, self._algorithm))


def _refusal(response_status: int) -> OcspAnswer:
    return OcspAnswer(refusal(response_status))


def _check_delegation(responder: x509.Certificate, issuer: x509.Certificate) -> None:
    """Whether anybody will take this responder's word for the issuer's (RFC 6960, 4.2.2.2)."""
    try:
        responder.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise UsageError("the responder's certificate is not by that issuer; have it issued there") from None
    try:
        purposes = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        purposes = x509.ExtendedKeyUsage([])
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        raise UsageError("the responder's certificate is not for OCSP signing; take the profile ocsp")


def _issuer_id(issuer: CertificateParts, hash_name: str, parameters: bytes) -> bytes:
    """What a request calls the issuer: a CertID's content without the serial number."""
    digests = [hashlib.new(hash_name, part, usedforsecurity=False).digest() for part in (issuer.subject, issuer.key)]
    return b"".join((sequence(oid(_ID_HASHES[hash_name]), parameters), *map(octet_string, digests)))
