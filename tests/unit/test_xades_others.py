"""XML signed by others, in forms and with algorithms that are known, and in those that are not."""

import base64
import hashlib
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from pki import xades, xades_references
from pki.signed import SignedBounds
from pki.trust import TrustStore
from pki.xml_reading import XmlBounds
from tests.unit.signed_xml import (
    C14N,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    RSA_SHA_256,
    SHA_256,
    XADES,
    certificate_of,
    checked,
    made,
    person,
    private,
    reference,
    signature,
    the,
    trust_in,
    words,
)
from tests.unit.small_pki import MOMENT

P_256, RSA = KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048
PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
WHOLE = reference("", ENVELOPED)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return trust_in(tmp_path_factory.mktemp("trust"))


# --- other makers ---


@pytest.mark.parametrize("form", [C14N, EXCLUSIVE, f"{EXCLUSIVE}WithComments", "http://www.w3.org/2006/12/xml-c14n11"])
@pytest.mark.parametrize("inside", [None, EXCLUSIVE, C14N, f"{EXCLUSIVE}WithComments"])
def test_canonical_forms_of_others(form: str, inside: str | None, trust: TrustStore) -> None:
    one = reference("", ENVELOPED, *([inside] if inside else []))
    document = made(f'<a xmlns:x="urn:x" xmlns:unused="urn:u"><x:b/><!-- c -->{signature(one, form=form)}</a>')
    report = checked(document, trust)
    assert (report.verdict, report.format, report.level, report.covers) == ("valid", "xmldsig", None, "whole document")


def test_rsa_of_others(trust: TrustStore) -> None:
    assert checked(made(f"<a>{signature(WHOLE, method=RSA_SHA_256)}</a>", RSA), trust).verdict == "valid"


def test_a_document_that_is_the_signature(trust: TrustStore) -> None:
    document = made(signature(reference("#data"), objects='<ds:Object Id="data"><a>text</a></ds:Object>'))
    report = checked(document, trust)
    assert (report.verdict, report.covers) == ("valid", "/ds:Signature/ds:Object #data")
    assert checked(document.replace(b"text", b"test"), trust).verdict == "altered"
    added = document.replace(b"</ds:Signature>", b"<ds:Object><a>more</a></ds:Object></ds:Signature>")
    report = checked(added, trust)
    assert (report.verdict, report.changed) == ("cannot-tell", ("/ds:Signature/ds:Object[2]",))


def test_the_root_by_its_name(trust: TrustStore) -> None:
    one = signature(reference("#r", ENVELOPED))
    assert checked(made(f'<a Id="r"><b/>{one}</a>'), trust).verdict == "valid"
    report = checked(
        b"<?xml-stylesheet href='other'?>" + made(f'<a Id="r"><b/>{one}</a>').split(b"?>")[-1].lstrip(), trust
    )
    assert (report.verdict, report.changed) == ("cannot-tell", ("<?xml-stylesheet?>",))


def test_a_part_of_a_document_is_not_the_document(trust: TrustStore) -> None:
    document = made(f'<a><b Id="part">signed</b>{signature(reference("#part"))}<c>not signed</c></a>')
    report = checked(document, trust)
    assert (report.verdict, report.covers, report.changed) == ("cannot-tell", "/a/b #part", ("/a/c",))
    assert words(report) == {"only a part of the document was signed; the rest can be anybody's"}
    assert checked(document.replace(b">signed<", b">Signed<"), trust).verdict == "altered"


def test_several_signatures_and_the_worst_counts(trust: TrustStore) -> None:
    """A second one, over the first and all the rest; by another, whom nobody believes."""
    inner = made(f"<a><b/>{signature(WHOLE)}</a>").decode().split("?>")[-1].strip().removesuffix("</a>")
    stranger = ec.generate_private_key(ec.SECP256R1())
    template = signature(WHOLE).replace('Id="sig"', 'Id="other"')
    document = etree.fromstring(f"{inner}</a>")
    assert xades.verify(etree.tostring(document), trust, MOMENT).verdict == "valid"
    outer = etree.fromstring(template.replace("{CERT}", base64.b64encode(certificate_of(stranger, "Other")).decode()))
    digest = hashlib.sha256(etree.tostring(document, method="c14n")).digest()
    the(outer, "//ds:DigestValue").text = base64.b64encode(digest).decode()
    document.append(outer)
    report = xades.verify(etree.tostring(document), trust, MOMENT)
    assert len(report.signatures) == 2
    assert report.verdict == "altered"  # by adding the second, the first was broken; and the second has no value
    assert [each.verdict for each in report.signatures] == ["altered", "altered"]


def test_sha_1_is_too_weak(trust: TrustStore) -> None:
    document = made(f"<a>{signature(reference('', ENVELOPED, hashed=f'{DS}sha1'))}</a>")
    report = checked(document, trust)
    assert report.verdict == "cannot-tell"
    assert any("too weak" in each for each in words(report))
    assert checked(document.replace(b"<a>", b"<a>x"), trust).verdict == "altered"


@pytest.mark.parametrize(
    ("time", "meant"),
    [
        ("2026-06-10T09:49:24.798+07:00", "2026-06-10T02:49:24.798000+00:00"),
        ("2026-06-10T09:49:24Z", "2026-06-10T09:49:24+00:00"),
        ("2026-06-10T09:49:24", "2026-06-10T09:49:24+00:00"),
        ("2026-06-10T09:49:24.123456789Z", "2026-06-10T09:49:24.123456+00:00"),
    ],
)
def test_times_of_others(time: str, meant: str, trust: TrustStore) -> None:
    report = checked(made(with_properties(time)), trust)
    assert report.verdict == "valid"
    assert report.claimed_at is not None
    assert report.claimed_at.isoformat() == meant


@pytest.mark.parametrize("time", ["", "yesterday", "2026-13-10T09:49:24Z", "2026-06-10", "0001-01-01T00:00:00+14:00"])
def test_times_that_are_none(time: str, trust: TrustStore) -> None:
    assert checked(made(with_properties(time)), trust).verdict == "cannot-tell"


def with_properties(time: str = "2026-11-22T12:00:00Z", *, digest: str | None = None, hashed: str = SHA_256) -> str:
    """A template as xades4j makes them; the certificate is named by its digest."""
    given = certificate()
    name = "sha256" if hashed == SHA_256 else "sha1"
    value = digest or base64.b64encode(hashlib.new(name, given).digest()).decode()
    properties = (
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#sig">'
        '<xades:SignedProperties Id="props">'
        f"<xades:SignedSignatureProperties><xades:SigningTime>{time}</xades:SigningTime><xades:SigningCertificate>"
        f'<xades:Cert><xades:CertDigest><ds:DigestMethod Algorithm="{hashed}"/><ds:DigestValue>{value}</ds:DigestValue>'
        "</xades:CertDigest></xades:Cert></xades:SigningCertificate></xades:SignedSignatureProperties>"
        "</xades:SignedProperties></xades:QualifyingProperties></ds:Object>"
    )
    own = base64.b64encode(given).decode()
    one = signature(WHOLE, reference("#props", kind=PROPERTIES), objects=properties).replace("{CERT}", own)
    return f"<a><b>text</b>{one}</a>"


def certificate() -> bytes:
    return person(P_256).certificate


def test_text_around_the_signature(trust: TrustStore) -> None:
    for template in ("<a>before{}behind</a>", "<a>{}behind</a>", "<a><b/>between{}behind<c/></a>"):
        document = made(template.replace("{}", signature(WHOLE)))
        assert checked(document, trust).verdict == "valid"
        assert checked(document.replace(b"behind", b"Behind"), trust).verdict == "altered"


def test_properties_that_nobody_signed(trust: TrustStore) -> None:
    template = with_properties().replace(reference("#props", kind=PROPERTIES), "")
    report = checked(made(template), trust)
    assert (report.verdict, report.level, report.claimed_at) == ("cannot-tell", None, None)


def test_a_certificate_named_by_sha_1_is_mentioned(trust: TrustStore) -> None:
    report = checked(made(with_properties(hashed=f"{DS}sha1")), trust)
    assert report.verdict == "valid"
    assert "the signature names its certificate by SHA-1 only" in {each.text.en for each in report.findings}


def test_another_certificate_of_the_same_key(trust: TrustStore) -> None:
    other = base64.b64encode(certificate_of(private(P_256), "Somebody Else")).decode()
    own = base64.b64encode(certificate()).decode()
    document = made(with_properties()).replace(own.encode(), other.encode())
    report = checked(document, trust)
    assert (report.verdict, words(report)) == ("altered", {"the certificate is not the one that the signature names"})


# --- keys and algorithms ---


@pytest.mark.parametrize(
    "method",
    [
        f"{DS}hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        f"{DS}rsa-sha1",
        f"{DS}dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "",
    ],
)
def test_algorithms_that_are_not_believed(method: str, trust: TrustStore) -> None:
    """HMAC among them: its key would be whatever the document says."""
    report = checked(made(f"<a>{signature(WHOLE, method=method)}</a>"), trust)
    assert report.verdict == "cannot-tell"
    assert any("too weak" in each for each in words(report))


def test_an_algorithm_of_another_kind_of_key(trust: TrustStore) -> None:
    assert checked(made(f"<a>{signature(WHOLE, method=RSA_SHA_256)}</a>"), trust).verdict == "altered"
    assert checked(made(f"<a>{signature(WHOLE)}</a>", RSA), trust).verdict == "altered"


def test_parameters_of_an_algorithm(trust: TrustStore) -> None:
    """HMACOutputLength 0 once made every signature fit (CVE-2009-0217)."""
    document = made(f"<a>{signature(WHOLE)}</a>")
    at = document.index(b"/>", document.index(b"<ds:SignatureMethod"))
    changed = document[:at] + b"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>" + document[at + 2 :]
    assert checked(changed, trust).verdict == "cannot-tell"


def test_ecdsa_values_of_other_forms(trust: TrustStore) -> None:
    key = private(P_256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    root = etree.fromstring(made(f"<a>{signature(WHOLE)}</a>"))
    der = key.sign(etree.tostring(the(root, "//ds:SignedInfo"), method="c14n"), ec.ECDSA(hashes.SHA256()))
    raw = base64.b64decode(the(root, "//ds:SignatureValue").text)
    for value in (
        der,
        raw[:32] + b"\x00" + raw[32:],
        b"\x00" + raw,
        b"",
        bytes(64),
        bytes(63) + b"\x01" * 1,
        b"\xff" * 64,
        bytes(96),
    ):
        the(root, "//ds:SignatureValue").text = base64.b64encode(value).decode()
        assert checked(etree.tostring(root), trust).verdict == "altered"


def test_keys_without_certificates(trust: TrustStore) -> None:
    document = made(f"<a>{signature(WHOLE)}</a>")
    begin, end = document.index(b"<ds:KeyInfo>"), document.index(b"</ds:KeyInfo>")
    for info in (b"", b"<ds:KeyInfo><ds:KeyName>root</ds:KeyName></ds:KeyInfo>"):
        report = checked(document[:begin] + info + document[end + 13 :], trust)
        assert report.verdict == "cannot-tell"
        assert "the signer's certificate is not there; get it and check again" in words(report)
    junk = b"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    assert checked(document[:begin] + junk + document[end + 13 :], trust).verdict != "valid"


def test_keys_too_small_or_odd(trust: TrustStore) -> None:
    for key in (ec.generate_private_key(ec.SECP521R1()), ec.generate_private_key(ec.SECP256K1())):
        document = made(f"<a>{signature(WHOLE)}</a>", certificate=certificate_of(key))
        assert checked(document, trust).verdict not in {"valid", "untrusted"}


def test_certificates_by_the_thousand(trust: TrustStore) -> None:
    stranger = base64.b64encode(certificate_of(ec.generate_private_key(ec.SECP256R1()))).decode()
    many = f"<ds:X509Certificate>{stranger}</ds:X509Certificate>" * 2000
    template = f"<a>{signature(WHOLE)}</a>".replace("<ds:X509Data>", f"<ds:X509Data>{many}")
    begin = time.monotonic()
    assert checked(made(template), trust).verdict == "altered"
    assert time.monotonic() - begin < 5


# --- forms ---


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<ds:SignatureValue", b"<ds:Object/><ds:SignatureValue"),
        (b"</ds:KeyInfo>", b"</ds:KeyInfo><evil/>"),
        (b"<ds:KeyInfo>", b"text<ds:KeyInfo>"),
        (b"<ds:SignedInfo>", b"<ds:SignedInfo><evil/>"),
        (b"<ds:DigestValue>", b"<ds:DigestValue><!-- x -->"),
        (b"<ds:DigestValue>", b"<ds:DigestValue>*"),
        (b"<ds:X509Certificate>", b"<ds:X509Certificate><x/>"),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo><ds:SignedInfo/>"),
        (b"<ds:SignedInfo>", b"<ds:SignedInfo/><ds:SignedInfo>"),
        (b"<ds:CanonicalizationMethod ", b"<ds:SignatureMethod "),
    ],
)
def test_signatures_with_other_parts(old: bytes, new: bytes, trust: TrustStore) -> None:
    document = made(f"<a>{signature(WHOLE)}</a>")
    assert old in document
    assert checked(document.replace(old, new, 1), trust).verdict == "cannot-tell"


BOMB = "".join(f'<!ENTITY x{number + 1} "{f"&x{number};" * 10}">' for number in range(10))


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE a>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ATTLIST b Id ID "part">]>',
        f'<!DOCTYPE a [<!ENTITY x0 "lol">{BOMB}]>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
    ],
    ids=["plain", "external", "entity", "default attribute", "bomb", "parameter"],
)
def test_document_types_are_refused(head: str, trust: TrustStore) -> None:
    document = head.encode() + made(f"<a>{signature(WHOLE)}</a>").split(b"?>")[-1].strip()
    if "ENTITY x" in head:
        document = document.replace(b"<a>", b"<a>&x9;" if "x9" in head else b"<a>&x;")
    begin = time.monotonic()
    report = xades.verify(document, trust, MOMENT)
    assert (report.verdict, report.signatures) == ("cannot-tell", ())
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    "document",
    [
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"<a " + b" ".join(b'x%d="1"' % number for number in range(300)) + b"/>",
        b"<a " + b" ".join(b'xmlns:x%d="u:%d"' % (number, number) for number in range(200)) + b"/>",
        b"<a " + b" ".join(b'xmlns:x%d="u:%d"' % (n, n) for n in range(100)) + b">" + b"<b/>" * 50_000 + b"</a>",
        b"<a/>" * 3_000_000,
    ],
    ids=["deep", "attributes", "namespaces", "namespaces times elements", "tags"],
)
def test_documents_that_would_take_too_long(document: bytes, trust: TrustStore) -> None:
    begin = time.monotonic()
    report = xades.verify(document, trust, MOMENT)
    assert (report.verdict, report.signatures) == ("cannot-tell", ())
    assert time.monotonic() - begin < 5


def test_parts_by_the_thousand(trust: TrustStore) -> None:
    """The report names a few; to name each would take a time by the square."""
    document = made(f'<a><b Id="p"/>{signature(reference("#p"))}{"<c/>" * 100_000}</a>')
    begin = time.monotonic()
    report = checked(document, trust)
    assert (report.verdict, report.changed[:2], len(report.changed)) == ("cannot-tell", ("/a/c[1]", "/a/c[2]"), 16)
    assert time.monotonic() - begin < 5


def test_pss_of_others(trust: TrustStore) -> None:
    """RFC 9231, 2.3.10; with the salt as long as the digest."""
    name = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
    root = etree.fromstring(made(f"<a>{signature(WHOLE, method=name)}</a>", RSA))
    info = etree.tostring(the(root, "//ds:SignedInfo"), method="c14n")
    for algorithm in person(RSA).signer.algorithms:
        value = person(RSA).signer.sign(info, algorithm)
        the(root, "//ds:SignatureValue").text = base64.b64encode(value).decode()
        right = algorithm == SignatureAlgorithm(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_256)
        assert checked(etree.tostring(root), trust).verdict == ("valid" if right else "altered")


def test_bounds(trust: TrustStore) -> None:
    document = made(f"<a>{signature(WHOLE)}</a>")
    report = xades.verify(document, trust, MOMENT, xml_bounds=XmlBounds(document_max_len=len(document) - 1))
    assert (report.verdict, report.signatures) == ("cannot-tell", ())
    crowd = b"<r>" + document.split(b"?>")[-1].strip() * 3 + b"</r>"
    report = xades.verify(crowd, trust, MOMENT, SignedBounds(signatures_max=2))
    assert len(report.signatures) == 2
    assert report.findings


def test_the_time_for_checking(trust: TrustStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is over, nothing that takes long is begun."""

    def unused(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(xades_references, "without", unused)
    monkeypatch.setattr(xades_references, "canonical", unused)
    late = iter([0.0, *[100.0] * 100])
    report = checked(made(f"<a>{signature(WHOLE)}</a>"), trust, clock=lambda: next(late))
    assert (report.verdict, words(report)) == (
        "cannot-tell",
        {"the time for checking is over", "only a part of the document was signed; the rest can be anybody's"},
    )


def test_namespaces_that_have_no_canonical_form(trust: TrustStore) -> None:
    document = made(f"<a>{signature(WHOLE)}</a>").replace(b"<a>", b'<a xmlns:x="relative/name">')
    assert checked(document, trust).verdict == "cannot-tell"
