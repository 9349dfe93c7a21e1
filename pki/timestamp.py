"""A timestamp authority: signs that a digest was there at a moment (RFC 3161, with ESSCertIDv2 of RFC 5816).

Tokens are CMS SignedData (RFC 5652) over TSTInfo, signed by RSA or on P-256 or P-384 wherever the key may be.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.errors import EcitizenError, UsageError
from ecitizen.ports import Signer

from .algorithm_identifiers import hash_identifier, signature_identifier
from .certificate_parts import certificate_parts
from .certificates import certified_key, load_certificate
from .der import (
    CONTEXT_CONSTRUCTED,
    TAG_GENERALIZED_TIME,
    TAG_SET,
    TAG_UTF8_STRING,
    der,
    explicit,
    implicit,
    integer,
    named_bit,
    octet_string,
    oid,
    sequence,
    set_of,
)
from .keys import digest, load_public_key, public_key_info
from .oids import is_object_identifier
from .signing_key import usual_algorithm
from .template import Clock, random_serial_number, utc_now
from .timestamp_request import TimestampFailure, TimestampRefused, TimestampRequest, parse_timestamp_request

DEFAULT_ACCURACY: Final = timedelta(seconds=1)

_GRANTED = 0
_REJECTION = 2
_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_TST_INFO = oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")
_DIRECTORY_NAME = 4
"""The choice of GeneralName (RFC 5280, 4.2.1.6)."""

_log = logging.getLogger(__name__)


class TimestampAuthority:
    """Answers requests for timestamps.

    `chain` are certificates that go along with the own one when the asker wants it; `policy` is the dotted identifier
    of what this authority promises. Serial numbers must never come twice: the default are 128 random bits.
    Raise UsageError for parts that don't belong together or a key that signs no timestamps, Malformed for what is no
    certificate.
    """

    def __init__(
        self,
        signer: Signer,
        certificate: bytes,
        *,
        policy: str,
        chain: Sequence[bytes] = (),
        clock: Clock = utc_now,
        serial_numbers: Callable[[], int] = random_serial_number,
        accuracy: timedelta = DEFAULT_ACCURACY,
    ) -> None:
        if public_key_info(load_public_key(signer.public_key)) != certified_key(certificate):
            raise UsageError("the timestamp certificate is not for this key; give the two that belong together")
        if signer.key_algorithm is KeyAlgorithm.ED25519:
            raise UsageError("programs don't check timestamps by Ed25519; take RSA, P-256 or P-384")
        if not is_object_identifier(policy):
            raise UsageError("a timestamp policy is a dotted object identifier")
        own = load_certificate(certificate)
        _check_purpose(own)
        self._not_before, self._not_after = own.not_valid_before_utc, own.not_valid_after_utc
        self._signer = signer
        self._algorithm = usual_algorithm(signer)
        self._clock = clock
        self._serial_numbers = serial_numbers
        self._policy = oid(policy)
        self._accuracy = _accuracy(accuracy)
        parts = certificate_parts(certificate)
        self._name = explicit(0, explicit(_DIRECTORY_NAME, parts.subject))
        self._signer_id = sequence(parts.issuer, integer(parts.serial_number))
        self._certificates = set_of({certificate, *chain}, CONTEXT_CONSTRUCTED)
        # ESSCertIDv2; its hash algorithm is left out where it is SHA-256 (RFC 5816, 2.2.1).
        issuer = sequence(explicit(_DIRECTORY_NAME, parts.issuer))
        identified = octet_string(digest(certificate, HashAlgorithm.SHA_256))
        whole = sequence(identified, sequence(issuer, integer(parts.serial_number)))
        self._signing_certificate = _attribute(_SIGNING_CERTIFICATE_V2, sequence(sequence(whole)))

    def answer(self, request: bytes) -> bytes:
        """The TimeStampResp to a TimeStampReq, both DER. A bad request gets a rejection that says why."""
        try:
            return self._granted(parse_timestamp_request(request))
        except TimestampRefused as refused:
            return _rejection(str(refused), refused.failure)
        except EcitizenError as error:
            _log.error("a timestamp could not be made: %s", error.code)
            return _rejection("the timestamp can't be made now; try again later", TimestampFailure.SYSTEM_FAILURE)

    def _granted(self, request: TimestampRequest) -> bytes:
        if request.policy not in (None, self._policy):
            raise TimestampRefused("this authority has another policy", TimestampFailure.UNACCEPTED_POLICY)
        moment = self._clock()
        if not self._not_before <= moment < self._not_after:
            _log.error("the timestamp certificate is not valid now; renew it, or set the clock")
            raise TimestampRefused("this authority can't tell the time now", TimestampFailure.TIME_NOT_AVAILABLE)
        token = self._token(self._content(request, moment), with_certificates=request.wants_certificate)
        return sequence(sequence(integer(_GRANTED)), token)

    def _content(self, request: TimestampRequest, moment: datetime) -> bytes:
        """TSTInfo (2.4.2)."""
        return sequence(
            integer(1),
            self._policy,
            request.imprint,
            integer(self._serial_numbers()),
            _milliseconds(moment),
            self._accuracy,
            request.nonce or b"",
            self._name,
        )

    def _token(self, content: bytes, *, with_certificates: bool) -> bytes:
        """ContentInfo with SignedData over TSTInfo (RFC 5652, 5.1 and 5.3)."""
        assert self._algorithm.hash is not None
        hashed = hash_identifier(self._algorithm.hash)
        attributes = set_of(
            [
                _attribute(_CONTENT_TYPE, _TST_INFO),
                _attribute(_MESSAGE_DIGEST, octet_string(digest(content, self._algorithm.hash))),
                self._signing_certificate,
            ]
        )
        signer_info = sequence(
            integer(1),
            self._signer_id,
            hashed,
            bytes((CONTEXT_CONSTRUCTED,)) + attributes[1:],  # signed as SET OF, written as [0] IMPLICIT
            signature_identifier(self._algorithm),
            octet_string(self._signer.sign(attributes, self._algorithm)),
        )
        signed_data = sequence(
            integer(3),
            der(TAG_SET, hashed),
            sequence(_TST_INFO, explicit(0, octet_string(content))),
            self._certificates if with_certificates else b"",
            der(TAG_SET, signer_info),
        )
        return sequence(_SIGNED_DATA, explicit(0, signed_data))


def _rejection(text: str, failure: TimestampFailure) -> bytes:
    status_string = sequence(der(TAG_UTF8_STRING, text.encode()))
    return sequence(sequence(integer(_REJECTION), status_string, named_bit(failure)))


def _attribute(name: bytes, value: bytes) -> bytes:
    return sequence(name, der(TAG_SET, value))


def _milliseconds(moment: datetime) -> bytes:
    """GeneralizedTime to the millisecond, its fraction without zeros at the end (2.4.2)."""
    utc = moment.astimezone(UTC)
    fraction = f".{utc.microsecond // 1000:03}".rstrip("0").rstrip(".")
    return der(TAG_GENERALIZED_TIME, f"{utc:%Y%m%d%H%M%S}{fraction}Z".encode())


def _accuracy(accuracy: timedelta) -> bytes:
    """Accuracy: seconds, and what is left in milliseconds and microseconds, each only if it is not zero."""
    if accuracy <= timedelta(0):
        raise UsageError("a clock's accuracy is more than nothing")
    seconds = accuracy // timedelta(seconds=1)
    milliseconds, microseconds = divmod(accuracy.microseconds, 1000)
    parts = [integer(seconds)] if seconds else []
    parts += [
        implicit(number, integer(value)[2:]) for number, value in enumerate((milliseconds, microseconds)) if value
    ]
    return sequence(*parts)


def _check_purpose(certificate: x509.Certificate) -> None:
    """Whether anybody will take timestamps by this certificate: its only purpose, and critical (2.3)."""
    try:
        purpose = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise UsageError("the certificate is not for timestamps; take the profile timestamp") from None
    if list(purpose.value) != [ExtendedKeyUsageOID.TIME_STAMPING] or not purpose.critical:
        raise UsageError("the certificate must be for timestamps only, and say so as critical")
