"""Certificates and CRLs that are signed rightly and wrong all the same: refused wherever they come in."""

import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509

from ecitizen.errors import EcitizenError
from pki.certificates import certified_key, load_certificate
from pki.data_security import check_signature, open_security_object, seal
from pki.errors import Malformed, PkiError
from pki.keys import FileSigner
from pki.ocsp_request import parse_ocsp_request
from pki.path import PathReport, Verdict, validate
from pki.pem import der_from
from pki.requests import request_public_key
from tests.unit.crafted_certificates import crafted, crafted_crls
from tests.unit.small_pki import MOMENT, root

ROOT = root()
AUTHORITY = ROOT.issue("Authority", authority=True)
PERSON = AUTHORITY.issue("Somchai", serial=77)
LOWER = AUTHORITY.issue("Lower", authority=True)
BELOW = LOWER.issue("Below")
ROOT_CRL, LOWER_CRL = ROOT.crl(), LOWER.crl()
CRL = AUTHORITY.crl(extensions=[(x509.CRLNumber(7), False)])

LEAVES = crafted(PERSON.der, AUTHORITY)
AUTHORITIES = crafted(LOWER.der, AUTHORITY)
CRLS = crafted_crls(CRL, AUTHORITY)
UNREAD_IN_AN_ANCHOR = {"RSA named for ECDSA", "Ed25519 named for ECDSA", "MD5", "SHA-1", "an unknown algorithm"}
"""Nobody asks who signed an anchor, nor how: its name and key are trusted (RFC 5280, 6.1.1 d)."""

VECTORS = Path(cryptography_vectors.__file__).parent / "x509"
FILES = sorted(
    path
    for folder in ("", "custom", "custom/ca", "ocsp", "requests")
    for path in (VECTORS / folder).glob("*.[dp]e[rm]")
)


@pytest.fixture(params=["error", "ignore"])
def _warnings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a program does with warnings, ours are the same answers."""
    with warnings.catch_warnings():
        warnings.simplefilter(request.param)
        yield


def check(leaf: bytes, others: tuple[bytes, ...] = (AUTHORITY.der,), crl: bytes = CRL) -> PathReport:
    return validate(leaf, anchors=[ROOT.der], others=others, crls=[ROOT_CRL, crl, LOWER_CRL], moment=MOMENT)


def test_the_good_ones_are_valid() -> None:
    assert check(PERSON.der).verdict is Verdict.VALID
    assert check(BELOW.der, (AUTHORITY.der, LOWER.der)).verdict is Verdict.VALID


@pytest.mark.usefixtures("_warnings")
@pytest.mark.parametrize("name", LEAVES)
def test_a_certificate(name: str) -> None:
    report = check(LEAVES[name])
    assert report.verdict in {Verdict.UNTRUSTED, Verdict.EXPIRED, Verdict.NOT_YET_VALID}
    assert check(PERSON.der, (AUTHORITY.der, LEAVES[name])).verdict is Verdict.VALID, "as a companion it does no harm"


@pytest.mark.parametrize("name", AUTHORITIES)
def test_an_authority(name: str) -> None:
    assert check(BELOW.der, (AUTHORITY.der, AUTHORITIES[name])).verdict is not Verdict.VALID


@pytest.mark.parametrize("name", AUTHORITIES)
def test_an_anchor(name: str) -> None:
    verdict = None
    with suppress(Malformed):
        verdict = validate(BELOW.der, anchors=[AUTHORITIES[name]], crls=[LOWER_CRL], moment=MOMENT).verdict
    assert (verdict is Verdict.VALID) == (name in UNREAD_IN_AN_ANCHOR)


@pytest.mark.parametrize("name", LEAVES)
def test_the_readers_of_certificates_and_of_seals(name: str) -> None:
    for read in (load_certificate, certified_key):
        with suppress(PkiError):
            read(LEAVES[name])
    written = seal({1: b"data", 2: b"more"}, FileSigner(PERSON.key), PERSON.der, moment=MOMENT)
    with suppress(PkiError):
        check_signature(open_security_object(written.replace(PERSON.der, LEAVES[name])))


@pytest.mark.parametrize("name", CRLS)
def test_a_revocation_list(name: str) -> None:
    report = check(PERSON.der, crl=CRLS[name])
    assert report.verdict is Verdict.CANNOT_TELL, report.findings


@pytest.mark.parametrize("name", ["serial number zero", "a negative serial number"])
def test_nothing_is_whispered_about_serial_numbers(name: str) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for read in (load_certificate, certified_key):
            with pytest.raises(Malformed, match="serial number"):
                read(LEAVES[name])
        assert check(LEAVES[name]).verdict is Verdict.UNTRUSTED
    assert heard == []


@pytest.mark.usefixtures("_warnings")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_other_peoples_odd_files(path: Path) -> None:
    """What `cryptography` tests itself with, in every place: an answer or an error of ours, and nobody is trusted."""
    content = path.read_bytes()
    for label in ("CERTIFICATE", "X509 CRL", "CERTIFICATE REQUEST"):
        with suppress(EcitizenError):
            content = der_from(content, label)[0]
    report = check(content)
    assert report.verdict is Verdict.UNTRUSTED
    report = validate(
        PERSON.der,
        anchors=[ROOT.der],
        others=[AUTHORITY.der, content],
        crls=[ROOT_CRL, CRL, content],
        ocsps=[content],
        moment=MOMENT,
    )
    assert report.verdict is Verdict.VALID
    with suppress(PkiError):
        assert (
            validate(PERSON.der, anchors=[content], others=[AUTHORITY.der], moment=MOMENT).verdict is not Verdict.VALID
        )
    for read in (load_certificate, certified_key, request_public_key, parse_ocsp_request, open_security_object):
        with suppress(PkiError):
            read(content)
