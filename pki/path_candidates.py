"""From certificates of any origin to the few paths that are worth checking.

The path builder of certvalidator tries every order of certificates that share a name: with nine of them it runs for
half a minute (pki.md, finding 4). Here a certificate joins a path only if its name, its key identifier and its very
signature fit, no key comes twice, and there are bounds on everything, so that hostile input costs little.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from .certificate_form import check_certificate_form
from .certificates import load_certificate
from .errors import Malformed
from .path_names import Certificate

CERTIFICATE_MAX_LEN: Final = 64 * 1024
"""Bytes of a certificate that is read at all."""
RSA_BITS_MAX: Final = 16_384
"""Of a key that is used at all; longer ones only cost time."""
_POINT_FORMS: Final = (0x02, 0x03, 0x04)
"""Compressed and uncompressed; not hybrid (RFC 5480, 2.2)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much work one validation may be. What is over a bound is left out, and the report says so."""

    others: int = 500
    """Certificates that come with the one to be checked."""
    depth: int = 10
    """Certificates of a path."""
    signatures: int = 200
    """Signatures tried while looking for paths."""
    paths: int = 16
    """Paths that are checked in full."""
    revocation_lists: int = 64
    """CRLs, and as many OCSP responses, that concern the path."""
    revocation_bytes: int = 10 * 1024 * 1024
    """Bytes of CRLs and OCSP responses that concern the path."""
    seconds: float = 1.0
    """Time after which no further path is begun."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A certificate, read strictly, in the two forms that checking needs."""

    der: bytes
    strict: x509.Certificate | None
    """None for a DSA key that inherits its parameters (RFC 3279, 2.3.2), which `cryptography` can't read."""
    loose: asn1_x509.Certificate
    name: str
    """The subject, in the canonical form that names are compared in (RFC 5280, 7.1)."""
    issuer: str
    key: bytes
    """SubjectPublicKeyInfo."""

    def as_anchor(self) -> asn1_x509.Certificate:
        """The certificate of an anchor: its name and key count, and nobody above it.

        certvalidator looks for the issuer of an anchor that is not self-signed when it comes to that anchor's CRLs,
        so such a one is presented as its own issuer. Its signature is never looked at.
        """
        if self.name == self.issuer:
            return self.loose
        anchor = Certificate.load(self.der)
        body = anchor["tbs_certificate"]
        body["issuer"] = body["subject"]
        body["extensions"] = [
            each for each in body["extensions"] if each["extn_id"].native != "authority_key_identifier"
        ]
        return Certificate.load(anchor.dump(force=True))


def read_candidate(certificate: bytes | Candidate) -> Candidate:
    """Read a certificate (DER) strictly; one that was read before is taken as it is.

    Raise Malformed for anything else than one well-formed X.509 certificate.
    """
    if isinstance(certificate, Candidate):
        return certificate
    der = certificate
    if len(der) > CERTIFICATE_MAX_LEN:
        raise Malformed(f"the certificate is longer than {CERTIFICATE_MAX_LEN} bytes, which no honest one is")
    check_certificate_form(der)
    try:
        loose = Certificate.load(der, strict=True)
        public_key = loose["tbs_certificate"]["subject_public_key_info"]
        inherits = (
            public_key["algorithm"]["algorithm"].native == "dsa" and not public_key["algorithm"]["parameters"].native
        )
        name, issuer = str(loose.subject.hashable), str(loose.issuer.hashable)
        _ = loose.native if inherits else None  # decodes every part
        key = public_key.dump()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise Malformed("these bytes are no X.509 certificate (DER) that can be used") from None
    strict = None
    if not inherits:
        strict = load_certificate(der)
        _check_key(strict, public_key)
    return Candidate(der, strict, loose, name, issuer, key)


def _check_key(certificate: x509.Certificate, info: asn1_keys.PublicKeyInfo) -> None:
    """Nobody may believe in a key that is none: a point beside its curve, a curve that the key itself brings."""
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError, TypeError):
        raise Malformed("the certificate's public key is damaged, or of a kind that is not used here") from None
    if isinstance(key, rsa.RSAPublicKey):
        right = key.key_size <= RSA_BITS_MAX and key.public_numbers().n % 2 == 1
    elif isinstance(key, ec.EllipticCurvePublicKey):
        point = bytes(info["public_key"])
        right = info["algorithm"]["parameters"].name == "named" and point[0] in _POINT_FORMS
    else:
        right = True
    if not right:
        raise Malformed("the certificate's public key is written as none may be (RFC 5480, 2.1.1 and 2.2), or too long")


class Search:
    """The paths from one certificate to the anchors, found one after another within the bounds."""

    def __init__(
        self,
        anchors: Sequence[Candidate],
        others: Iterable[Candidate],
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.exhausted: str | None = None
        """Which bound stopped the search, if one did."""
        self._anchors = _by_name(anchors)
        self._others = _by_name(others)
        self._bounds = bounds
        self._clock = clock
        self._deadline = clock() + bounds.seconds
        self._signatures: dict[tuple[bytes, bytes], bool] = {}
        self._anchored: dict[bytes, bool] = {}

    @property
    def half_time(self) -> bool:
        """Whether the first half is over, in which everything should have been read."""
        return self._clock() > self._deadline - self._bounds.seconds / 2

    @property
    def out_of_time(self) -> bool:
        """Whether no further work may be begun."""
        return self._clock() > self._deadline

    def paths(self, leaf: Candidate) -> Iterator[tuple[Candidate, ...]]:
        """Paths from `leaf` to an anchor, both included; the shortest branches first."""
        found = 0
        pending: list[tuple[Candidate, ...]] = [(leaf,)]
        while pending:
            if self.out_of_time:
                self.exhausted = "seconds"
                return
            path = pending.pop(0)
            for anchor in self._issuers(path[-1], self._anchors):
                if found == self._bounds.paths:
                    self.exhausted = "paths"
                    return
                found += 1
                yield (*path, anchor)
            if len(path) > self._bounds.depth:
                self.exhausted = "depth"
                continue
            pending += [(*path, issuer) for issuer in self._issuers(path[-1], self._others) if _is_new(issuer, path)]

    def closure(self, names: Iterable[str]) -> list[Candidate]:
        """The other certificates of these names, and those above them: what CRL and OCSP issuers need."""
        found: dict[bytes, Candidate] = {}
        pending = [each for name in dict.fromkeys(names) for each in self._others.get(name, ())]
        while pending and len(found) <= self._bounds.paths:
            each = pending.pop()
            if each.der not in found:  # authorities may have certified each other
                found[each.der] = each
                pending += self._issuers(each, self._others)
        return [each for each in found.values() if self._is_anchored(each)]

    def anchors_named(self, names: Iterable[str]) -> list[Candidate]:
        """The anchors of these names."""
        return [each for name in dict.fromkeys(names) for each in self._anchors.get(name, ())]

    def vouches(self, crl: x509.CertificateRevocationList, issuer: str) -> bool:
        """Whether a CRL by this name is signed by somebody who leads to an anchor; others would only cost time."""
        for each in (*self._anchors.get(issuer, ()), *self._others.get(issuer, ())):
            if self.out_of_time:
                self.exhausted = "seconds"
                return False
            if _signed_list(crl, each.strict) and self._is_anchored(each):
                return True
        return False

    def _is_anchored(self, candidate: Candidate) -> bool:
        """Whether a path leads from it to an anchor, whatever that path is worth."""
        known = self._anchored.get(candidate.der)
        if known is None:
            known = any(candidate.der == each.der for each in self._anchors.get(candidate.name, ()))
            known = known or next(self.paths(candidate), None) is not None
            self._anchored[candidate.der] = known
        return known

    def _issuers(self, child: Candidate, pool: dict[str, list[Candidate]]) -> list[Candidate]:
        """Certificates that signed `child`."""
        return [
            each
            for each in pool.get(child.issuer, ())
            if each.der != child.der and _identifiers_fit(child, each) and self._signed(child, each)
        ]

    def _signed(self, child: Candidate, issuer: Candidate) -> bool:
        known = self._signatures.get((child.der, issuer.key))
        if known is not None:
            return known
        if len(self._signatures) >= self._bounds.signatures or self.out_of_time:
            self.exhausted = "seconds" if self.out_of_time else "signatures"
            return False
        return self._signatures.setdefault((child.der, issuer.key), _fits(child.strict, issuer.strict))


def _by_name(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, dict[bytes, Candidate]] = defaultdict(dict)
    for each in candidates:
        found[each.name].setdefault(each.der, each)
    return {name: list(each.values()) for name, each in found.items()}


def _is_new(issuer: Candidate, path: tuple[Candidate, ...]) -> bool:
    """Whether the path gains something: the same key under the same name again would be a circle."""
    return all((issuer.name, issuer.key) != (each.name, each.key) for each in path)


def _identifiers_fit(child: Candidate, issuer: Candidate) -> bool:
    wanted, there = child.loose.authority_key_identifier, issuer.loose.key_identifier
    return not wanted or there is None or wanted in {None, there}


def _signed_list(crl: x509.CertificateRevocationList, issuer: x509.Certificate | None) -> bool:
    """Whether the signature is by that key; True also where this can't say, since the full check will."""
    if issuer is None:
        return True
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return True
    try:
        return crl.is_signature_valid(key)
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return False


def _fits(child: x509.Certificate | None, issuer: x509.Certificate | None) -> bool:
    """Whether the signature is by that key; True also where this can't say, since the full check will."""
    if child is None or issuer is None:
        return True
    try:
        key = issuer.public_key()
        parameters = child.signature_algorithm_parameters
        signature, message, used = child.signature, child.tbs_certificate_bytes, child.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey):
            if not isinstance(parameters, padding.PKCS1v15 | padding.PSS) or used is None:
                return False
            key.verify(signature, message, parameters, used)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if not isinstance(parameters, ec.ECDSA):
                return False
            key.verify(signature, message, parameters)
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, message)
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return True
    return True
