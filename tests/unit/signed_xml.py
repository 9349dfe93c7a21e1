"""Signers, whom a trust directory believes, and signed XML made by hand, for tests of XAdES."""

import base64
import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree

from ecitizen.algorithms import KeyAlgorithm
from pki import xades
from pki.keys import FileSigner, PrivateKey, generate_key
from pki.signed import SignatureReport
from pki.timestamp import TimestampAuthority
from pki.timestamp_client import LocalTimestampSource
from pki.trust import TrustStore, add_anchor
from tests.service_authorities import POLICY, SettableClock
from tests.unit import small_pki
from tests.unit.enveloped import NO_USAGE
from tests.unit.small_pki import MOMENT, YEAR

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
NAMES = {"ds": DS, "xades": XADES}
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
SHA_256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA_256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA_256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
HASHES = {SHA_256: "sha256", f"{DS}sha1": "sha1", "http://www.w3.org/2001/04/xmlenc#sha512": "sha512"}

INVOICE = """<?xml version="1.0" encoding="UTF-8"?><?xml-model href="schema.sch"?>
<rsm:Invoice xmlns:rsm="urn:rsm" xmlns:ram="urn:ram" xmlns:unused="urn:unused" xml:lang="th">
\t<ram:ID schemeID="TXID">0105500000001</ram:ID>
\t<ram:Name note='a "quoted" &amp; &#9; note'>ใบกำกับภาษี &lt;1&gt; &#13;<![CDATA[<&]]></ram:Name>
\t<ram:Total currency="THB">107.00</ram:Total>
</rsm:Invoice>
<?end of="file"?>
""".encode()


@cache
def root() -> small_pki.Party:
    return small_pki.root("Root of signers")


@cache
def private(kind: KeyAlgorithm) -> PrivateKey:
    return generate_key(kind)


def certificate_of(key: Any, subject: str = "Somchai", *, expired: bool = False) -> bytes:
    """A certificate for signing."""
    end = MOMENT - timedelta(days=1) if expired else MOMENT + YEAR
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(small_pki.name(root().name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(MOMENT - YEAR)
        .not_valid_after(end)
        .add_extension(x509.KeyUsage(**{**NO_USAGE, "content_commitment": True}), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root().key.public_key()), critical=False)
    )
    return builder.sign(root().key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Person:
    """Somebody who signs."""

    signer: FileSigner
    certificate: bytes


@cache
def person(kind: KeyAlgorithm) -> Person:
    return Person(FileSigner(private(kind)), certificate_of(private(kind)))


def stamps(moment: Any = MOMENT) -> LocalTimestampSource:
    """A timestamp authority that the same root vouches for."""
    usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
    party = root().issue("Timestamps", extensions=[usage], not_after=MOMENT + 5 * YEAR)
    authority = TimestampAuthority(FileSigner(party.key), party.der, policy=POLICY, clock=SettableClock(moment))
    return LocalTimestampSource(authority)


def trust_in(folder: Path, *revoked: int, at: Sequence[datetime] = (MOMENT,)) -> TrustStore:
    """A trust directory that believes the root, and knows who was revoked, at these times."""
    add_anchor(folder, root().der)
    (folder / "crls").mkdir(exist_ok=True)
    entries = [(number, x509.ReasonFlags.key_compromise) for number in revoked]
    for number, moment in enumerate(at):
        begin, end = moment - timedelta(days=1), moment + timedelta(days=7)
        crl = root().crl(entries, this_update=begin, next_update=end)
        (folder / "crls" / f"{number}.crl").write_bytes(crl)
    return TrustStore.open(folder)


def filled(xml: str, key: Any, *, certificate: bytes | None = None) -> bytes:
    """A template with its digests and signature value put in; `{CERT}` stands for the certificate.

    Only what the tests need, and by nothing of the code under test: references to the whole document or to an Id.
    """
    given = certificate or certificate_of(key)
    document = etree.fromstring(xml.replace("{CERT}", base64.b64encode(given).decode())).getroottree()
    (signature,) = document.xpath("//ds:Signature[not(ancestor::ds:Signature)]", namespaces=NAMES)
    for reference in signature.findall("ds:SignedInfo/ds:Reference", NAMES):
        hashed = HASHES[reference.find("ds:DigestMethod", NAMES).get("Algorithm")]
        digest = hashlib.new(hashed, _referenced(document, reference)).digest()
        reference.find("ds:DigestValue", NAMES).text = base64.b64encode(digest).decode()
    info = signature.find("ds:SignedInfo", NAMES)
    value = _signature(key, _c14n(info, info.find("ds:CanonicalizationMethod", NAMES).get("Algorithm")))
    signature.find("ds:SignatureValue", NAMES).text = base64.b64encode(value).decode()
    return bytes(etree.tostring(document, encoding="UTF-8"))


def _referenced(document: Any, reference: Any) -> bytes:
    transforms = [each.get("Algorithm") for each in reference.findall("ds:Transforms/ds:Transform", NAMES)]
    form = next((each for each in transforms if each != ENVELOPED), C14N)
    if ENVELOPED in transforms:
        document = copy.deepcopy(document)
        etree.strip_elements(document, f"{{{DS}}}Signature", with_tail=False)
    name = reference.get("URI").removeprefix("#")
    return _c14n(document.xpath("//*[@Id=$name]", name=name)[0] if name else document, form)


def _c14n(what: Any, algorithm: str) -> bytes:
    form = etree.tostring(what, method="c14n", exclusive=algorithm.startswith(EXCLUSIVE), with_comments=False)
    return bytes(form)


def _signature(key: Any, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def reference(uri: str, *transforms: str, kind: str = "", hashed: str = SHA_256) -> str:
    """A Reference without its digest."""
    inside = "".join(f'<ds:Transform Algorithm="{each}"/>' for each in transforms)
    listed = f"<ds:Transforms>{inside}</ds:Transforms>" if transforms else ""
    typed = f' Type="{kind}"' if kind else ""
    digest = f'<ds:DigestMethod Algorithm="{hashed}"/><ds:DigestValue/>'
    return f'<ds:Reference URI="{uri}"{typed}>{listed}{digest}</ds:Reference>'


def signature(*references: str, objects: str = "", form: str = C14N, method: str = ECDSA_SHA_256) -> str:
    """A Signature without its values."""
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="sig"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{form}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/>{"".join(references)}</ds:SignedInfo><ds:SignatureValue/>'
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{CERT}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        f"{objects}</ds:Signature>"
    )


def checked(document: bytes, trust: TrustStore | None, **wishes: Any) -> SignatureReport:
    """The report on the only signature."""
    (one,) = xades.verify(document, trust, MOMENT, **wishes).signatures
    return one


def words(report: SignatureReport) -> set[str]:
    """What was found to be wrong or not to be known."""
    return {each.text.en for each in report.findings if each.result in {"failed", "unknown"}}


def the(root: Any, path: str) -> Any:
    """The first thing at a path."""
    return root.xpath(path, namespaces=NAMES)[0]


def made(template: str, kind: KeyAlgorithm = KeyAlgorithm.P_256, **wishes: Any) -> bytes:
    """A template, filled by the person with a key of this kind."""
    return filled(template, private(kind), **wishes)
