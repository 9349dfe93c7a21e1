"""Whether a CMS signature holds: its certificate, what it says about itself, the content, and the key.

For signatures over files and for timestamps alike. Whether the signer may be believed is for `signed_trust`.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509

from .certificates import load_certificate
from .cms_algorithms import Contradiction, Method, check_signature, hash_name, read_method
from .cms_attributes import SignerClaims, read_claims
from .cms_forms import DATA, MESSAGE_DIGEST, SignedData, SignerInfo, members_of, read_attributes
from .der import NULL, TAG_OID, TAG_SET, Reader, set_of
from .errors import KeyUnsupported, Malformed, PkiError, SignatureInvalid
from .signed import DEFAULT_BOUNDS, DocumentVerdict, Finding, SignedBounds, failed, noted, passed, unknown, worst
from .signed_files import Content

_MESSAGE_MAX_LEN = 16 * 1024 * 1024
"""Bytes of content that is held in memory where a signature without attributes needs it as a whole."""


class Digests:
    """Digests of the content, each computed once; several in one go over it where they are known beforehand."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self._known: dict[str, bytes] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Compute these (names of hashlib) in one go."""
        self._known.update(self.content.digests(set(names) - self._known.keys()))

    def of(self, name: str) -> bytes:
        """The digest by that hash."""
        if name not in self._known:
            self.prepare([name])
        return self._known[name]


@dataclass(frozen=True, slots=True)
class SignerCheck:
    """How the check of a signature went, apart from trust."""

    verdict: DocumentVerdict
    """`valid` means that it holds; `altered` and `cannot-tell` that it doesn't, or that nobody knows."""
    certificate: bytes | None = field(repr=False)
    claims: SignerClaims
    names_certificate: bool
    """By a hash among what is signed."""
    findings: tuple[Finding, ...]


class _Certificates:
    """The certificates that may be a signer's."""

    def __init__(self, ders: Sequence[bytes]) -> None:
        self._ders = ders

    @cached_property
    def _parsed(self) -> list[tuple[bytes, x509.Certificate]]:
        found = []
        for der in self._ders:
            with suppress(PkiError):
                found.append((der, load_certificate(der)))
        return found

    def of(self, signer: SignerInfo) -> list[bytes]:
        """Those that the signer's identifier fits."""
        return [der for der, certificate in self._parsed if _fits(certificate, signer)]


def _fits(certificate: x509.Certificate, signer: SignerInfo) -> bool:
    if signer.key_identifier is not None:
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return False
        return extension.value.digest == signer.key_identifier
    if certificate.serial_number != signer.serial_number:
        return False
    return certificate.issuer.public_bytes() == signer.issuer or _same_name(certificate, signer.issuer or b"")


def _same_name(certificate: x509.Certificate, issuer: bytes) -> bool:
    """Names compare without regard to how their letters are encoded (RFC 5280, 7.1)."""
    from asn1crypto import x509 as asn1_x509

    try:
        return bool(asn1_x509.Name.load(certificate.issuer.public_bytes()) == asn1_x509.Name.load(issuer))
    except (ValueError, TypeError, LookupError, RecursionError):
        return False


def check_signers(
    signed_data: SignedData,
    digests: Digests | None,
    others: Sequence[bytes] = (),
    bounds: SignedBounds = DEFAULT_BOUNDS,
) -> list[SignerCheck]:
    """Check each signer of a signature over content whose digests are given; None if the content is missing.

    `others` are more certificates (DER) among which a signer's may be. Never raises for what is wrong with them.
    """
    embedded = signed_data.certificates[: bounds.embedded_certificates_max]
    certificates = _Certificates([*embedded, *others])
    if digests is not None:
        names = []
        for signer in signed_data.signers:
            with suppress(PkiError):
                names.append(hash_name(signer.digest_algorithm))
        digests.prepare(names)
    return [_Check(signed_data.content_type, signer, digests).run(certificates) for signer in signed_data.signers]


def check_countersigner(
    signed_data: SignedData, countersigner: SignerInfo, signature: Digests, bounds: SignedBounds = DEFAULT_BOUNDS
) -> SignerCheck:
    """Check a countersignature (RFC 5652, 11.4) over the value of another signature of the same file."""
    certificates = _Certificates(signed_data.certificates[: bounds.embedded_certificates_max])
    return _Check(None, countersigner, signature).run(certificates)


class _Check:
    def __init__(self, content_type: bytes | None, signer: SignerInfo, digests: Digests | None) -> None:
        self.content_type = content_type
        """None of a countersignature, which can't name one."""
        self.signer = signer
        self.digests = digests
        self.claims = read_claims(signer)
        self.findings: list[Finding] = []
        self.verdicts: list[DocumentVerdict] = []

    def run(self, certificates: _Certificates) -> SignerCheck:
        certificate = None
        try:
            method = read_method(self.signer.signature_algorithm, self.signer.digest_algorithm)
            self._check_claims()
            self._check_content()
            certificate = self._certificate(certificates.of(self.signer))
            if certificate is not None:
                self._check_signature(certificate, method)
        except KeyUnsupported:
            self._doubt(unknown("algorithm", "algorithm_weak"))
        except Contradiction:
            self._wrong(failed("algorithm", "algorithm_mismatch"))
        except Malformed:
            self._doubt(unknown("form", "not_readable"))
        return SignerCheck(
            worst(self.verdicts), certificate, self.claims, self.claims.certificate is not None, tuple(self.findings)
        )

    def _wrong(self, finding: Finding) -> None:
        self.verdicts.append(DocumentVerdict.ALTERED)
        self.findings.append(finding)

    def _doubt(self, finding: Finding) -> None:
        self.verdicts.append(DocumentVerdict.CANNOT_TELL)
        self.findings.append(finding)

    def _check_claims(self) -> None:
        """What the signature says about itself must be there once, and must be so."""
        claims = self.claims
        if self.signer.signed_attributes is None:
            if self.content_type not in {DATA, None} or self._content_is_attributes():
                self._wrong(failed("form", "attribute_missing"))
            self.findings.append(noted("form", "unsigned_attributes"))
            return
        if claims.twice:
            self._wrong(failed("form", "attribute_twice"))
        if claims.wrong or (self.content_type is None and claims.content_type is not None):
            self._wrong(failed("form", "attribute_wrong"))
        elif (self.content_type is not None and claims.content_type is None) or claims.message_digest is None:
            self._wrong(failed("form", "attribute_missing"))
        elif claims.content_type != self.content_type:
            self._wrong(failed("form", "content_changed"))
        used = (self.signer.digest_algorithm, self.signer.signature_algorithm)
        if claims.algorithms is not None and not all(map(_same_algorithm, claims.algorithms, used)):
            self._wrong(failed("algorithm", "algorithm_mismatch"))

    def _content_is_attributes(self) -> bool:
        """Whether somebody passes signed attributes off as content, for the signature fits both."""
        if self.digests is None or self.digests.content.size > _MESSAGE_MAX_LEN:
            return False
        content = self.digests.content.joined()
        if not content or content[0] != TAG_SET:
            return False
        try:
            return any(each.type == MESSAGE_DIGEST for each in read_attributes(content))
        except Malformed:
            return False

    def _check_content(self) -> None:
        if self.digests is None:
            self._doubt(unknown("digest", "content_missing"))
            return
        if self.signer.signed_attributes is None or self.claims.message_digest is None:
            return
        digest = self.digests.of(hash_name(self.signer.digest_algorithm))
        if hmac.compare_digest(digest, self.claims.message_digest):
            self.findings.append(passed("digest", "content_unchanged", digest=digest.hex()))
        else:
            self._wrong(failed("digest", "content_changed", digest=digest.hex()))

    def _certificate(self, found: list[bytes]) -> bytes | None:
        """The signer's certificate: of those that its identifier fits, the one that the signature names by hash."""
        if not found:
            self._doubt(unknown("path", "no_certificate"))
            return None
        if self.signer.signed_attributes is not None and not self.claims.wrong:
            if not self.claims.both_certificates:
                self.findings.append(noted("form", "certificate_not_named"))
            elif self.claims.certificate is not None and self.claims.certificate.hash == "sha1":
                self.findings.append(noted("form", "certificate_by_sha1"))
        named = [each for each in found if all(one.fits(each) for one in self.claims.both_certificates)]
        if not named:
            self._wrong(failed("form", "certificate_other"))
        return (named or found)[0]

    def _check_signature(self, certificate: bytes, method: Method) -> None:
        attributes = self.signer.signed_attributes
        if attributes is None:
            if self.digests is None:
                return
            small = self.digests.content.size <= _MESSAGE_MAX_LEN
            candidates = [(self.digests.content.joined() if small else None, self.digests.of(method.hash))]
        else:
            # DER sorts the set, and so do those who sign; some don't, and sign it as it stands.
            forms = dict.fromkeys((attributes, _sorted(attributes)))
            candidates = [(form, _digest(form, method.hash)) for form in forms]
        for message, digest in candidates:
            with suppress(SignatureInvalid):
                check_signature(certificate, method, self.signer.signature, message, digest)
                self.findings.append(passed("signature", "signature_valid"))
                return
        self._wrong(failed("signature", "signature_wrong"))


def _same_algorithm(one: bytes, other: bytes) -> bool:
    """Whether two AlgorithmIdentifiers are the same; parameters of NULL and none at all are."""
    return _named(one) == _named(other)


def _named(identifier: bytes) -> tuple[bytes, bytes]:
    parts = Reader(identifier).inside()
    name = parts.element(TAG_OID)
    parameters = parts.element(parts.peek()) if parts.more else b""
    return name, b"" if parameters == NULL else parameters


def _digest(message: bytes, name: str) -> bytes:
    return hashlib.new(name, message).digest()


def _sorted(attributes: bytes) -> bytes:
    return set_of(members_of(attributes))
