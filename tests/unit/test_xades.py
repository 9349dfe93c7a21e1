"""XML signed with XAdES, read back with lxml alone, and checked."""

import base64
import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from pki import xades
from pki.errors import KeyUnsupported, Malformed
from pki.keys import FileSigner, digest, generate_key
from pki.signed import DocumentVerdict, Level
from pki.trust import TrustStore
from pki.xades import XadesForm
from pki.xml_reading import XmlBounds
from tests.unit.signed_xml import (
    C14N,
    ENVELOPED,
    INVOICE,
    NAMES,
    XADES,
    certificate_of,
    filled,
    person,
    private,
    reference,
    root,
    signature,
    stamps,
    trust_in,
)
from tests.unit.small_pki import MOMENT, YEAR

KINDS = [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384]
P_256 = KeyAlgorithm.P_256


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return trust_in(tmp_path_factory.mktemp("trust"))


def signed(document: bytes = INVOICE, kind: KeyAlgorithm = P_256, **wishes: Any) -> bytes:
    who = person(kind)
    return xades.sign(document, who.signer, who.certificate, moment=MOMENT, **wishes)


def found(document: bytes, path: str) -> list[Any]:
    return list(etree.fromstring(document).xpath(path, namespaces=NAMES))


# --- what is written ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", XadesForm)
def test_what_was_signed_is_valid(kind: KeyAlgorithm, form: XadesForm, trust: TrustStore) -> None:
    report = xades.verify(signed(kind=kind, form=form), trust, MOMENT)
    (one,) = report.signatures
    assert (report.verdict, report.format, one.format, one.level) == ("valid", "xades", "xades", Level.B)
    assert (one.covers, one.changed, one.claimed_at, one.proven_at) == ("whole document", (), MOMENT, None)
    assert one.signer is not None
    assert one.signer.name_en == "Somchai"
    assert one.path is not None
    assert one.path.chain[-1] == root().der


def test_the_form_of_the_samples() -> None:
    """What is in ETDA's samples (pki.md, 4), read with nothing of ours."""
    document = signed(kind=KeyAlgorithm.RSA_2048)
    assert found(document, "/*/*[last()]/self::ds:Signature")
    assert found(document, "//ds:CanonicalizationMethod/@Algorithm") == [C14N]
    assert found(document, "//ds:SignatureMethod/@Algorithm") == ["http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"]
    assert set(found(document, "//ds:DigestMethod/@Algorithm")) == {"http://www.w3.org/2001/04/xmlenc#sha512"}
    assert found(document, "//ds:Reference[@URI='']/ds:Transforms/ds:Transform/@Algorithm") == [ENVELOPED]
    (properties,) = found(document, "//ds:Reference[@Type='http://uri.etsi.org/01903#SignedProperties']")
    assert properties.find("ds:Transforms", NAMES) is None
    (of_signature,) = found(document, "//xades:SignedProperties/xades:SignedSignatureProperties")
    assert [each.tag.split("}")[1] for each in of_signature] == ["SigningTime", "SigningCertificate"]
    certificate = x509.load_der_x509_certificate(person(KeyAlgorithm.RSA_2048).certificate)
    assert found(document, "string(//ds:X509SerialNumber)") == list(str(certificate.serial_number))
    assert "".join(found(document, "string(//ds:X509IssuerName)")) == "CN=Root of signers"
    named = base64.b64decode("".join(found(document, "string(//xades:CertDigest/ds:DigestValue)")))
    assert named == hashlib.sha512(person(KeyAlgorithm.RSA_2048).certificate).digest()


def test_the_digest_is_of_the_whole_tree_without_the_signature() -> None:
    """Its processing instructions too: what other libraries miss (pki.md, finding 10)."""
    document = signed()
    value = base64.b64decode("".join(found(document, "string(//ds:Reference[@URI='']/ds:DigestValue)")))
    whole = etree.tostring(etree.fromstring(INVOICE).getroottree(), method="c14n", with_comments=False)
    assert whole.startswith(b"<?xml-model")
    assert whole.endswith(b'<?end of="file"?>')
    assert value == hashlib.sha256(whole).digest()


def test_the_document_is_otherwise_as_it_was() -> None:
    copy = etree.fromstring(signed())
    (signature,) = copy.findall("ds:Signature", NAMES)
    copy.remove(signature)
    assert etree.tostring(copy.getroottree(), method="c14n") == etree.tostring(
        etree.fromstring(INVOICE).getroottree(), method="c14n"
    )


@pytest.mark.parametrize(
    ("document", "start"),
    [
        (
            '<?xml version="1.0" encoding="windows-874"?><a>ใบกำกับ</a>'.encode("cp874"),
            b"<?xml version='1.0' encoding='windows-874'?>",
        ),
        ("<a>ใบกำกับ</a>".encode(), b"<a>\xe0\xb9\x83"),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), b"\xff\xfe<\x00?\x00"),
        (b'<?xml version="1.0" standalone="yes"?><a/>', b"<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"),
        (b'<?xml version="1.0" standalone="no"?><a/>', b"<?xml version='1.0' encoding='UTF-8' standalone='no'?>"),
        (b"\xef\xbb\xbf<a/>", b"<a>"),
    ],
    ids=["windows-874", "no declaration", "UTF-16", "standalone", "not standalone", "mark"],
)
def test_encodings(document: bytes, start: bytes, trust: TrustStore) -> None:
    out = signed(document)
    assert out.startswith(start)
    assert xades.verify(out, trust, MOMENT).verdict == "valid"


def test_the_baseline_form() -> None:
    document = signed(form=XadesForm.BASELINE)
    assert len(found(document, "//xades:SigningCertificateV2/xades:Cert/xades:CertDigest")) == 1
    assert not found(document, "//xades:SigningCertificate")
    (kind,) = found(document, "//xades:DataObjectFormat")
    assert [kind.get("ObjectReference")] == [f"#{each}" for each in found(document, "//ds:Reference[@URI='']/@Id")]


def test_a_chain_comes_along() -> None:
    certificates = found(signed(chain=[root().der]), "//ds:X509Certificate/text()")
    assert [base64.b64decode(each) for each in certificates] == [person(P_256).certificate, root().der]


def test_the_key_is_used_once_and_the_digest_shown_before() -> None:
    said: list[Any] = []

    class Counting(FileSigner):
        def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
            said.append(("sign", digest))
            return super().sign_digest(digest, algorithm)

        def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
            raise AssertionError

    def show(to_sign: bytes, hashed: HashAlgorithm) -> None:
        assert len(to_sign) == hashed.digest_len
        said.append(("show", to_sign))

    plain = b'<r xmlns:x="urn:x" xmlns="urn:r"><x:a/></r>'
    document = xades.sign(plain, Counting(private(P_256)), person(P_256).certificate, moment=MOMENT, show=show)
    (info,) = found(document, "//ds:SignedInfo")
    expected = digest(etree.tostring(info, method="c14n", with_comments=False), HashAlgorithm.SHA_256)
    assert said == [("show", expected), ("sign", expected)]


def test_who_says_no_when_the_digest_is_shown_has_not_signed() -> None:
    class Unused(FileSigner):
        def sign_digest(self, digest: bytes, algorithm: SignatureAlgorithm) -> bytes:
            raise AssertionError

    def refuse(to_sign: bytes, hashed: HashAlgorithm) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError, match=r"^no$"):
        xades.sign(INVOICE, Unused(private(P_256)), person(P_256).certificate, moment=MOMENT, show=refuse)


def test_times_keep_their_zone() -> None:
    bangkok = MOMENT.astimezone(timezone(timedelta(hours=7)))
    who = person(P_256)
    document = xades.sign(INVOICE, who.signer, who.certificate, moment=bangkok)
    assert found(document, "//xades:SigningTime/text()") == ["2026-11-22T19:00:00+07:00"]
    assert found(signed(), "//xades:SigningTime/text()") == ["2026-11-22T12:00:00Z"]
    assert xades.verify(document, None, MOMENT).signatures[0].claimed_at == MOMENT


# --- what is refused ---


def test_what_is_not_signed() -> None:
    who = person(P_256)
    for junk in (b"", b"text", b"<a>", b"<!DOCTYPE a><a/>", b"<a/><b/>", b"%PDF-1.7"):
        with pytest.raises(Malformed):
            signed(junk)
    with pytest.raises(KeyUnsupported, match="larger"):
        signed(b"<a>" + b" " * 100 + b"</a>", bounds=XmlBounds(document_max_len=50))
    with pytest.raises(UsageError, match="signed already"):
        signed(signed())
    with pytest.raises(UsageError, match="another key"):
        xades.sign(INVOICE, who.signer, person(KeyAlgorithm.P_384).certificate, moment=MOMENT)
    with pytest.raises(UsageError, match="time zone"):
        xades.sign(INVOICE, who.signer, who.certificate, moment=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(Malformed):
        signed(chain=[b"no certificate"])


@pytest.mark.parametrize("level", [Level.LT, Level.LTA])
def test_levels_that_xml_does_not_get_here(level: Level) -> None:
    with pytest.raises(UsageError, match="asic-e"):
        signed(level=level, timestamps=stamps())
    with pytest.raises(UsageError, match="asic-e"):
        xades.extend(signed(), level=level, timestamps=stamps())


def test_algorithms_that_xml_does_not_get_here() -> None:
    ed = generate_key(KeyAlgorithm.ED25519)
    with pytest.raises(UsageError, match="RSA"):
        xades.sign(INVOICE, FileSigner(ed), certificate_of(ed), moment=MOMENT)
    pss = SignatureAlgorithm(SignatureScheme.RSA_PSS, HashAlgorithm.SHA_256)
    with pytest.raises(UsageError, match="PKCS #1"):
        signed(kind=KeyAlgorithm.RSA_2048, algorithm=pss)
    chosen = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_256)
    document = signed(kind=KeyAlgorithm.RSA_2048, algorithm=chosen)
    assert found(document, "//ds:SignatureMethod/@Algorithm") == ["http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"]


# --- timestamps ---


def test_level_t(trust: TrustStore) -> None:
    for document in (
        signed(level=Level.T, timestamps=stamps()),
        xades.extend(signed(), level=Level.T, timestamps=stamps()),
    ):
        (one,) = xades.verify(document, trust, MOMENT + timedelta(minutes=1)).signatures
        assert (one.verdict, one.level, one.proven_at) == ("valid", Level.T, MOMENT)


def test_a_second_timestamp_and_the_earliest_counts(trust: TrustStore) -> None:
    twice = xades.extend(
        signed(level=Level.T, timestamps=stamps()), level=Level.T, timestamps=stamps(MOMENT + timedelta(hours=1))
    )
    (one,) = xades.verify(twice, trust, MOMENT + timedelta(hours=2)).signatures
    assert (one.verdict, one.proven_at) == ("valid", MOMENT)
    assert len(found(twice, "//xades:SignatureTimeStamp")) == 2


def test_a_timestamp_saves_a_signature_whose_certificate_has_expired(tmp_path: Path) -> None:
    later = MOMENT + YEAR + timedelta(days=1)
    store = trust_in(tmp_path, at=(MOMENT, later))
    assert xades.verify(signed(), store, later).verdict == "expired"
    (stamped,) = xades.verify(signed(level=Level.T, timestamps=stamps()), store, later).signatures
    assert (stamped.verdict, stamped.proven_at) == ("valid", MOMENT)


def test_a_timestamp_of_another_signature_proves_nothing(trust: TrustStore) -> None:
    one, other = (etree.fromstring(signed(level=Level.T, timestamps=stamps())) for _ in range(2))
    path = "//xades:EncapsulatedTimeStamp"
    one.xpath(path, namespaces=NAMES)[0].text = other.xpath(path, namespaces=NAMES)[0].text
    (report,) = xades.verify(etree.tostring(one.getroottree()), trust, MOMENT + timedelta(minutes=1)).signatures
    assert (report.verdict, report.level, report.proven_at) == ("valid", Level.B, None)
    assert "the timestamp is not over this" in {each.text.en for each in report.findings}


@pytest.mark.parametrize("token", ["", "AAAA", base64.b64encode(b"\x30\x80" * 50).decode()])
def test_timestamps_that_are_none(token: str, trust: TrustStore) -> None:
    document = etree.fromstring(signed(level=Level.T, timestamps=stamps()))
    document.xpath("//xades:EncapsulatedTimeStamp", namespaces=NAMES)[0].text = token
    (report,) = xades.verify(etree.tostring(document.getroottree()), trust, MOMENT).signatures
    assert (report.level, report.proven_at) == (Level.B, None)


def test_a_timestamp_in_a_form_that_is_not_known(trust: TrustStore) -> None:
    document = etree.fromstring(signed(level=Level.T, timestamps=stamps()))
    form = document.xpath("//xades:SignatureTimeStamp/ds:CanonicalizationMethod", namespaces=NAMES)[0]
    form.set("Algorithm", "http://example/")
    (report,) = xades.verify(etree.tostring(document.getroottree()), trust, MOMENT).signatures
    assert (report.verdict, report.level, report.proven_at) == ("valid", Level.B, None)


def test_a_timestamp_by_somebody_who_is_not_trusted(tmp_path: Path) -> None:
    """Whether the expired signer signed in time can't be told."""
    later = MOMENT + YEAR + timedelta(days=1)
    store = trust_in(tmp_path, at=(later,))  # nothing is known of the time of signing
    (report,) = xades.verify(signed(level=Level.T, timestamps=stamps()), store, later).signatures
    assert report.level is Level.T
    assert report.verdict in {"valid", "cannot-tell"}


def test_evidence_of_higher_levels_helps_and_is_mentioned(tmp_path: Path) -> None:
    """CRLs and certificates in the signature, as others put them there for level LT."""
    later = MOMENT + YEAR + timedelta(days=1)
    store = trust_in(tmp_path, at=(later,))
    crl = root().crl(this_update=MOMENT - timedelta(days=1), next_update=MOMENT + timedelta(days=7))
    document = etree.fromstring(signed(level=Level.T, timestamps=stamps()))
    (unsigned,) = document.xpath("//xades:UnsignedSignatureProperties", namespaces=NAMES)
    values = f'<v xmlns:xades="{XADES}"><xades:CertificateValues><xades:EncapsulatedX509Certificate>'
    values += f"{base64.b64encode(root().der).decode()}</xades:EncapsulatedX509Certificate></xades:CertificateValues>"
    values += f"<xades:RevocationValues><xades:CRLValues><xades:EncapsulatedCRLValue>{base64.b64encode(crl).decode()}"
    values += "</xades:EncapsulatedCRLValue></xades:CRLValues></xades:RevocationValues></v>"
    unsigned.extend(list(etree.fromstring(values)))
    (report,) = xades.verify(etree.tostring(document.getroottree()), store, later).signatures
    assert (report.verdict, report.level, report.proven_at) == ("valid", Level.T, MOMENT)
    assert any("archive timestamps were not checked" in each.text.en for each in report.findings)


def test_what_can_not_be_raised() -> None:
    with pytest.raises(UsageError, match="0 signatures"):
        xades.extend(INVOICE, level=Level.T, timestamps=stamps())
    with pytest.raises(UsageError, match="--tsa"):
        xades.extend(signed(), level=Level.T, timestamps=None)
    with pytest.raises(UsageError, match="--tsa"):
        signed(level=Level.T)
    plain = filled(f"<a>{signature(reference('', ENVELOPED))}</a>", private(P_256))
    with pytest.raises(UsageError, match="no XAdES"):
        xades.extend(plain, level=Level.T, timestamps=stamps())
    with pytest.raises(UsageError, match="not b"):
        xades.extend(signed(), level=Level.B, timestamps=stamps())


# --- who signed ---


def test_nobody_is_believed_without_trust(trust: TrustStore) -> None:
    assert xades.verify(signed(), None, MOMENT).verdict == "untrusted"
    with pytest.raises(UsageError, match="time zone"):
        xades.verify(signed(), trust, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_revoked_signer(tmp_path: Path) -> None:
    serial = x509.load_der_x509_certificate(person(P_256).certificate).serial_number
    assert xades.verify(signed(), trust_in(tmp_path, serial), MOMENT).verdict == "revoked"


def test_an_expired_signer(trust: TrustStore) -> None:
    key = private(P_256)
    certificate = certificate_of(key, expired=True)
    document = xades.sign(INVOICE, FileSigner(key), certificate, moment=MOMENT - timedelta(days=30))
    assert xades.verify(document, trust, MOMENT).verdict == "expired"


def test_documents_without_signatures(trust: TrustStore) -> None:
    for document, form in ((INVOICE, "none"), (b"text", "xades"), (b"<!DOCTYPE a><a/>", "xades")):
        report = xades.verify(document, trust, MOMENT)
        assert (report.verdict, report.format, report.signatures) == (DocumentVerdict.CANNOT_TELL, form, ())
        assert report.findings


# --- any document ---

NAME = st.sampled_from(["a", "b", "x:c", "x:d"])
TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFFFD, exclude_categories=["Cs", "Cn"], exclude_characters="]>"),
    max_size=12,
)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


ELEMENTS = st.recursive(
    st.builds(_escaped, TEXT),
    lambda inner: st.builds(
        lambda name, value, parts: f'<{name} v="{_escaped(value)}">{"".join(parts)}</{name}>',
        NAME,
        TEXT,
        st.lists(inner | st.sampled_from(["<?pi here?>", "<!-- note -->", "<![CDATA[<&]]>", "&#13;"]), max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(ELEMENTS, st.data())
def test_any_document_is_valid_as_signed_and_altered_with_another_text(content: str, data: st.DataObject) -> None:
    document = f'<r xmlns:x="urn:x" xmlns="urn:r" xml:space="preserve">{content}<total>107</total></r>'.encode()
    out = signed(document)
    (one,) = xades.verify(out, None, MOMENT).signatures
    assert (one.verdict, one.covers) == ("untrusted", "whole document")
    changed = out.replace(
        b"<total>107<", data.draw(st.sampled_from([b"<total>701<", b"<total >107 <", b"<Total>107<"]))
    )
    assert (
        xades.verify(changed.replace(b"<Total>107</total>", b"<Total>107</Total>"), None, MOMENT).verdict == "altered"
    )
