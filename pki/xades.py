"""XML signed as national electronic documents are: XAdES, enveloped, inclusive canonical form over the whole document.

The default form is that of the e-tax invoice samples of ETDA (reference: pki.md, section 4): one Signature as the last
child of the root, over everything else in the document, its processing instructions too, and over the signer's time and
certificate. `XadesForm.BASELINE` says the same in the words of ETSI EN 319 132-1, 6.
"""

import base64
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .certificates import certified_key, load_certificate
from .keys import digest, key_algorithm, load_public_key
from .signed import Level, Show, TimestampSource
from .xades_check import verify
from .xades_names import (
    DS,
    ENVELOPED,
    HASH_NAMES,
    INCLUSIVE,
    SIGNATURE_NAMES,
    SIGNED_PROPERTIES_TYPE,
    XADES,
    ds,
    xades,
)
from .xml_reading import XML_BOUNDS, Element, Tree, XmlBounds, canonical, lxml_etree, parse_xml

__all__ = ["XadesForm", "extend", "sign", "verify"]

_ID_LEN: Final = 16
_FIELD_LENS: Final = {KeyAlgorithm.P_256: 32, KeyAlgorithm.P_384: 48}
_MIME_TYPE: Final = "text/xml"
_DECLARATION_MAX_LEN: Final = 1024


@unique
class XadesForm(StrEnum):
    """In which words a signature names its certificate and what it is over."""

    ETAX = "etax"
    """SigningCertificate with issuer and serial number, as the samples of the national e-tax invoice."""
    BASELINE = "baseline"
    """SigningCertificateV2 and DataObjectFormat (ETSI EN 319 132-1, 6.3)."""


def sign(  # noqa: PLR0913 - as the other kinds of signatures have it
    document: bytes,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    moment: datetime,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    form: XadesForm = XadesForm.ETAX,
    random_bytes: Callable[[int], bytes] = os.urandom,
    bounds: XmlBounds = XML_BOUNDS,
) -> bytes:
    """Sign an XML document; gives it with the Signature in it, in its own encoding.

    `certificate` and the `chain` above it are DER; `moment` is the signer's time; `algorithm` is the signer's best
    unless it is given. The key is used once, after `show` was told the digest. Raise Malformed or KeyUnsupported for
    a document that can't be read, UsageError for levels above T, for T without `timestamps`, for a certificate of
    another key, and for a document with signatures, which a further one would break; and what signer and timestamps
    raise.
    """
    _check_level(level, timestamps)
    chosen = _algorithm(signer, algorithm)
    if certified_key(certificate) != signer.public_key:
        raise UsageError("the certificate is of another key than the one that signs; give the key's own")
    if moment.tzinfo is None:
        raise UsageError("the moment of signing needs a time zone")
    tree = parse_xml(document, bounds)
    root = tree.getroot()
    if next(root.iter(ds("Signature")), None) is not None:
        raise UsageError("the document is signed already, and a second signature inside it would break the first")
    over = canonical(tree)
    assert chosen.hash is not None
    name = f"xmldsig-{random_bytes(_ID_LEN).hex()}"
    signature = _signature(name, chosen, over, (certificate, *chain))
    root.append(signature)
    properties = _properties(name, chosen.hash, certificate, moment, form)
    signature.append(properties)
    signed_properties = properties.find(f".//{xades('SignedProperties')}")
    info = signature[0]
    info[3][1].text = _base64(digest(canonical(signed_properties), chosen.hash))
    _set_value(signature, info, signer, chosen, show)
    if level is Level.T:
        assert timestamps is not None
        _stamp(signature, timestamps)
    return _written(tree, document)


def extend(
    document: bytes,
    *,
    level: Level,
    timestamps: TimestampSource | None,
    bounds: XmlBounds = XML_BOUNDS,
) -> bytes:
    """Raise a signed document to level T: a timestamp over its signature; one that has it gets a second.

    Raise UsageError for another level, and for a document that has not exactly one signature, Malformed for what is no
    signed XML, and what `timestamps` raises.
    """
    if level is not Level.T:
        raise _too_high(level)
    _check_level(level, timestamps)
    assert timestamps is not None
    tree = parse_xml(document, bounds)
    signatures = list(tree.getroot().iter(ds("Signature")))
    if len(signatures) != 1:
        raise UsageError(f"the document has {len(signatures)} signatures; only one that stands alone can be raised")
    if signatures[0].find(f"{ds('Object')}/{xades('QualifyingProperties')}") is None:
        raise UsageError("the document's signature is no XAdES signature and can't be raised; sign anew")
    _stamp(signatures[0], timestamps)
    return _written(tree, document)


def _check_level(level: Level, timestamps: TimestampSource | None) -> None:
    if level.rank > Level.T.rank:
        raise _too_high(level)
    if level is Level.T and timestamps is None:
        raise UsageError("level T needs timestamps; name an authority for them with --tsa")


def _too_high(level: Level) -> UsageError:
    return UsageError(
        f"XML is signed with level B or raised to T, not {level}; for keeping, put the document into a container: "
        "--format asic-e --level lta"
    )


def _algorithm(signer: Signer, algorithm: SignatureAlgorithm | None) -> SignatureAlgorithm:
    chosen = algorithm or next((each for each in signer.algorithms if each in SIGNATURE_NAMES), None)
    if chosen is None or chosen not in SIGNATURE_NAMES or chosen.scheme is SignatureScheme.RSA_PSS:
        raise UsageError("XML is signed with RSA (PKCS #1) or ECDSA here; take another key or algorithm")
    return chosen


def _signature(name: str, algorithm: SignatureAlgorithm, over: bytes, certificates: Sequence[bytes]) -> Element:
    """A Signature without its value, its properties, and their digest."""
    etree = lxml_etree()
    assert algorithm.hash is not None
    signature = etree.Element(ds("Signature"), {"Id": name}, nsmap={"ds": DS})
    info = _add(signature, ds("SignedInfo"))
    _add(info, ds("CanonicalizationMethod"), Algorithm=INCLUSIVE)
    _add(info, ds("SignatureMethod"), Algorithm=SIGNATURE_NAMES[algorithm])
    document = _add(info, ds("Reference"), Id=f"{name}-ref0", URI="")
    _add(_add(document, ds("Transforms")), ds("Transform"), Algorithm=ENVELOPED)
    _add_digest(document, algorithm.hash, over)
    properties = _add(info, ds("Reference"), Type=SIGNED_PROPERTIES_TYPE, URI=f"#{name}-signedprops")
    _add_digest(properties, algorithm.hash, b"")
    _add(signature, ds("SignatureValue"), Id=f"{name}-sigvalue")
    data = _add(_add(signature, ds("KeyInfo")), ds("X509Data"))
    for certificate in certificates:
        load_certificate(certificate)
        _add(data, ds("X509Certificate")).text = _base64(certificate)
    return signature


def _properties(name: str, hashed: HashAlgorithm, certificate: bytes, moment: datetime, form: XadesForm) -> Element:
    """The Object with the signer's time and certificate."""
    etree = lxml_etree()
    holder = etree.Element(ds("Object"), nsmap={"ds": DS})
    qualifying = etree.SubElement(holder, xades("QualifyingProperties"), {"Target": f"#{name}"}, nsmap={"xades": XADES})
    signed = _add(qualifying, xades("SignedProperties"), Id=f"{name}-signedprops")
    of_signature = _add(signed, xades("SignedSignatureProperties"))
    _add(of_signature, xades("SigningTime")).text = _time(moment)
    version = "" if form is XadesForm.ETAX else "V2"
    named = _add(_add(of_signature, xades(f"SigningCertificate{version}")), xades("Cert"))
    _add_digest(_add(named, xades("CertDigest")), hashed, certificate)
    if form is XadesForm.ETAX:
        loaded = x509.load_der_x509_certificate(certificate)
        issuer = _add(named, xades("IssuerSerial"))
        _add(issuer, ds("X509IssuerName")).text = loaded.issuer.rfc4514_string()
        _add(issuer, ds("X509SerialNumber")).text = str(loaded.serial_number)
    else:
        data = _add(signed, xades("SignedDataObjectProperties"))
        kind = _add(data, xades("DataObjectFormat"), ObjectReference=f"#{name}-ref0")
        _add(kind, xades("MimeType")).text = _MIME_TYPE
    return holder


def _set_value(
    signature: Element, info: Element, signer: Signer, algorithm: SignatureAlgorithm, show: Show | None
) -> None:
    assert algorithm.hash is not None
    to_sign = digest(canonical(info), algorithm.hash)
    if show is not None:
        show(to_sign, algorithm.hash)
    value = signer.sign_digest(to_sign, algorithm)
    if algorithm.scheme is SignatureScheme.ECDSA:
        # XML has r and s one after the other, as long as the field (RFC 6931, 2.3.6)
        field_len = _FIELD_LENS[key_algorithm(load_public_key(signer.public_key))]
        value = b"".join(number.to_bytes(field_len, "big") for number in decode_dss_signature(value))
    signature.find(ds("SignatureValue")).text = _base64(value)


def _stamp(signature: Element, timestamps: TimestampSource) -> None:
    """Add a SignatureTimeStamp (EN 319 132-1, 5.3) over the SignatureValue as it stands in its document."""
    hashed = HashAlgorithm.SHA_256
    token = timestamps.stamp(digest(canonical(signature.find(ds("SignatureValue"))), hashed), hashed)
    qualifying = signature.find(f"{ds('Object')}/{xades('QualifyingProperties')}")
    unsigned = qualifying.find(xades("UnsignedProperties"))
    if unsigned is None:
        unsigned = _add(qualifying, xades("UnsignedProperties"))
    of_signature = unsigned.find(xades("UnsignedSignatureProperties"))
    if of_signature is None:
        of_signature = lxml_etree().Element(xades("UnsignedSignatureProperties"))
        unsigned.insert(0, of_signature)
    stamp = _add(of_signature, xades("SignatureTimeStamp"))
    _add(stamp, ds("CanonicalizationMethod"), Algorithm=INCLUSIVE)
    _add(stamp, xades("EncapsulatedTimeStamp")).text = _base64(token)


def _written(tree: Tree, document: bytes) -> bytes:
    """The document in the encoding that it had; with an XML declaration if it had one."""
    info = tree.docinfo
    start = document[:_DECLARATION_MAX_LEN].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")  # in any encoding
    declared = start.startswith(b"<?xml ")
    said = declared and b"standalone" in start.partition(b"?>")[0]
    content: bytes = lxml_etree().tostring(
        tree,
        encoding=info.encoding or "UTF-8",
        xml_declaration=declared,
        standalone=info.standalone if said else None,
    )
    return content


def _add(parent: Element, tag: str, **attributes: str) -> Element:
    return lxml_etree().SubElement(parent, tag, attributes)


def _add_digest(parent: Element, hashed: HashAlgorithm, over: bytes) -> None:
    _add(parent, ds("DigestMethod"), Algorithm=HASH_NAMES[hashed])
    _add(parent, ds("DigestValue")).text = _base64(digest(over, hashed))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _time(moment: datetime) -> str:
    """An xsd:dateTime in whole seconds, in the time zone of the moment."""
    text = moment.isoformat(timespec="seconds")
    return text.replace("+00:00", "Z") if moment.utcoffset() == UTC.utcoffset(None) else text
