"""Target: path validation, whatever certificates, CRLs and OCSP responses come."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.path import Bounds, RevocationRule, Verdict, validate
from tests.unit.small_pki import MOMENT, Party, root

from .target import Cursor, Target, piece

BOUNDS = Bounds(others=64, seconds=0.5)
SECONDS_MAX = 1.0
"""Processor time that one validation may take, at most."""
GUESSES_MAX = 12
CIRCLE_PERSON, CIRCLE, CIRCLE_CRLS = 9, range(10, 14), range(14, 16)
"""Among what is signed: two authorities of one name that certify each other, whom one of them certified, and CRLs."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What is known of this run, DER."""

    anchor: bytes
    signed: tuple[bytes, ...]
    """Certificates, CRLs and an OCSP response, by number."""
    person: int
    authority: int


@cache
def hierarchy() -> Hierarchy:
    top = root()
    authority = top.issue("Authority", authority=True)
    other = top.issue("Other", authority=True)
    crossed = other.issue("Authority", authority=True, key=authority.key)
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier("http://ocsp.test/"))]
    )
    person = authority.issue("Somchai", serial=77, extensions=[(access, False)])
    lost = authority.issue("Lost", serial=78)
    number = (x509.CRLNumber(5), False)
    first, second = (top.issue("Same", authority=True) for _ in range(2))
    circle = [
        issuer.issue("Same", authority=True, key=subject.key) for issuer, subject in ((first, second), (second, first))
    ]
    delta = [(x509.CRLNumber(6), False), (x509.DeltaCRLIndicator(5), True)]
    signed = (
        person.der,
        authority.der,
        other.der,
        crossed.der,
        lost.der,
        top.crl(),
        authority.crl([(78, x509.ReasonFlags.key_compromise)], extensions=[number]),
        authority.crl(extensions=delta),
        _good(person, authority),
        second.issue("Malee").der,
        *(each.der for each in (first, second, *circle)),
        *(each.crl() for each in (first, second)),
    )
    return Hierarchy(top.der, signed, 0, 1)


def _good(person: Party, issuer: Party) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        person.certificate,
        issuer.certificate,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        MOMENT - timedelta(hours=1),
        MOMENT + timedelta(hours=1),
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def check_path(data: bytes) -> None:
    """A verdict for whatever comes, in time; valid is only the certificate that our authority signed, unchanged."""
    source, known = Cursor(data), hierarchy()
    rule = list(RevocationRule)[source.byte() % len(RevocationRule)]
    kinds: tuple[list[bytes], ...] = ([], [], [])  # others, CRLs, OCSP responses
    certificate = _piece(source, known)
    for _ in range(GUESSES_MAX):
        if source:
            kinds[source.byte() % len(kinds)].append(_piece(source, known))
    others, crls, ocsps = kinds
    begun = time.process_time()
    report = validate(
        certificate,
        anchors=[known.anchor],
        others=others,
        crls=crls,
        ocsps=ocsps,
        moment=MOMENT,
        revocation=rule,
        bounds=BOUNDS,
        clock=time.process_time,
    )
    assert time.process_time() - begun < SECONDS_MAX
    assert report.findings
    assert all(finding.text.th and finding.text.en for finding in report.findings)
    if report.verdict is Verdict.VALID:
        assert report.chain[0] == certificate
        assert set(report.chain) <= {known.anchor, *known.signed}
    if report.verdict is Verdict.REVOKED:
        assert report.chain[0] == known.signed[4]  # nobody else is


def _piece(source: Cursor, known: Hierarchy) -> bytes:
    """Something that was signed here, by its number, with a change or two; or whatever bytes come."""
    kind = source.byte()
    if kind == 0xFF:
        return source.piece()
    changed = bytearray(known.signed[kind % len(known.signed)])
    for _ in range(source.byte() % 4):
        at = source.byte() << 8 | source.byte()
        end = at + source.byte() % 4
        changed[at:end] = source.piece()
    return bytes(changed)


def path_seeds() -> Iterator[bytes]:
    """Good and bad hierarchies, and the same with a change at a place of each piece."""
    for rule in range(len(RevocationRule)):
        for leaf in (0, 4, 2, 3):
            yield bytes((rule, leaf, 0)) + b"".join(
                bytes((kind, number, 0)) for kind, number in ((0, 1), (0, 2), (0, 3), (1, 5), (1, 6), (1, 7), (2, 8))
            )
    for place in (0, 3, 9, 40, 120, 200, 300, 420):
        change = bytes((1,)) + place.to_bytes(2, "big") + b"\x01" + piece(b"\x81")
        for changed in range(5):
            parts = [(0, 1), (1, 5), (1, 6), (2, 8)]
            yield (
                b"\x00\x00"
                + (change if changed == 0 else b"\x00")
                + b"".join(
                    bytes((kind, number)) + (change if changed == order else b"\x00")
                    for order, (kind, number) in enumerate(parts, 1)
                )
            )
    same = [*((0, number) for number in CIRCLE), *((1, number) for number in (5, *CIRCLE_CRLS))]
    yield bytes((0, CIRCLE_PERSON, 0)) + b"".join(bytes((kind, number, 0)) for kind, number in same)
    person = hierarchy().signed[hierarchy().person]
    yield b"\x00\xff" + piece(person) + b"\x00\xff" + piece(hierarchy().signed[hierarchy().authority])


TARGETS = (Target("path", check_path, path_seeds, max_len=2000, weight=4),)
