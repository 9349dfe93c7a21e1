"""A Signature element taken apart; whatever is odd about it is Malformed (XML Signature, 4; EN 319 132-1, 5)."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from .errors import KeyUnsupported, Malformed
from .signed import SignedBounds
from .xades_names import CANONICALIZATIONS, EXCLUSIVE_PREFIXES, INCLUSIVE, ds, xades
from .xml_reading import Element, Form

REFERENCES_MAX: Final = 16
"""To what is in the document, for each is canonical form anew; files beside it are as many as a container may have."""
_PREFIXES_MAX: Final = 32
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class Method:
    """An algorithm by its URI, with the prefixes that some canonical forms have besides."""

    uri: str
    prefixes: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """The canonical form that it names; raise KeyUnsupported if it is none that is known here."""
        found = CANONICALIZATIONS.get(self.uri)
        if found is None:
            raise KeyUnsupported("the signature uses a canonical form of XML that is not known here")
        return replace(found, prefixes=self.prefixes)


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that was signed."""

    uri: str | None
    type: str
    transforms: tuple[Method, ...]
    digest_method: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Stamp:
    """A timestamp over the signature value in one canonical form."""

    form: Method
    token: bytes


@dataclass(frozen=True, slots=True)
class Properties:
    """What XAdES says about a signature."""

    signed: Element
    """The SignedProperties, which mean something if they were signed."""
    target: str
    claimed_at: datetime | None
    certificates: tuple[tuple[str, bytes], ...]
    """Digests of the certificate that signed: URI of the hash, digest."""
    stamps: tuple[Stamp, ...]
    embedded: tuple[bytes, ...]
    """Certificates for those who check later, DER."""
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    more: bool
    """There is evidence of levels above T."""


@dataclass(frozen=True, slots=True)
class SignatureParts:
    """All of a Signature."""

    element: Element
    id: str
    info: Element
    info_form: Method
    method: str
    references: tuple[Reference, ...]
    value_element: Element
    value: bytes
    certificates: tuple[bytes, ...]
    """Of its KeyInfo, DER; other ways to name a key are not looked at."""
    objects: tuple[Element, ...]
    """Its Objects but the one with the properties."""
    properties: Properties | None


def read_signature(element: Element, bounds: SignedBounds) -> SignatureParts:
    """Take a Signature apart; raise Malformed for what is not one, KeyUnsupported for what is too much or unknown."""
    children = list(_children(element))
    tags = [child.tag for child in children]
    has_key = ds("KeyInfo") in tags[2:3]
    if tags[:2] != [ds("SignedInfo"), ds("SignatureValue")] or set(tags[2 + has_key :]) - {ds("Object")}:
        raise Malformed("the signature has not the parts that belong there")
    info, value = children[:2]
    said = list(_children(info))
    expected = [ds("CanonicalizationMethod"), ds("SignatureMethod"), *[ds("Reference")] * max(len(said) - 2, 1)]
    if [each.tag for each in said] != expected:
        raise Malformed("the signature does not say what was signed")
    form, method, *references = said
    inside = [each for each in references if (each.get("URI") or "#").startswith("#")]
    if len(inside) > REFERENCES_MAX or len(references) > bounds.entries_max:
        raise KeyUnsupported(f"the signature is over more than {REFERENCES_MAX} things, or more files than are read")
    if len(method):
        raise KeyUnsupported("the signature's algorithm has parameters, which none that is known here has")
    objects = children[2 + has_key :]
    qualifying = [each for holder in objects for each in _children(holder) if each.tag == xades("QualifyingProperties")]
    if len(qualifying) > 1:
        raise Malformed("the signature has properties twice")
    return SignatureParts(
        element=element,
        id=element.get("Id", ""),
        info=info,
        info_form=_method(form),
        method=method.get("Algorithm", ""),
        references=tuple(_reference(each) for each in references),
        value_element=value,
        value=_bytes(value),
        certificates=tuple(_certificates(children[2])) if has_key else (),
        objects=tuple(each for each in objects if not (qualifying and _only(each, qualifying[0]))),
        properties=_properties(qualifying[0], bounds) if qualifying else None,
    )


def _reference(element: Element) -> Reference:
    children = list(_children(element))
    transforms: tuple[Method, ...] = ()
    if children and children[0].tag == ds("Transforms"):
        transforms = tuple(_transform(each) for each in _children(children.pop(0)))
    if [child.tag for child in children] != [ds("DigestMethod"), ds("DigestValue")]:
        raise Malformed("a reference of the signature has not the parts that belong there")
    method, value = children
    return Reference(
        element.get("URI"), element.get("Type", ""), transforms, method.get("Algorithm", ""), _bytes(value)
    )


def _transform(element: Element) -> Method:
    if element.tag != ds("Transform"):
        raise Malformed("a reference of the signature has not the parts that belong there")
    return _method(element)


def _method(element: Element) -> Method:
    prefixes: tuple[str, ...] = ()
    for child in _children(element):
        if child.tag != EXCLUSIVE_PREFIXES or prefixes:
            raise KeyUnsupported("an algorithm of the signature has parameters that are not known here")
        prefixes = tuple(child.get("PrefixList", "").split())
    if len(prefixes) > _PREFIXES_MAX:
        raise KeyUnsupported("an algorithm of the signature has too many parameters")
    return Method(element.get("Algorithm", ""), prefixes)


def _certificates(key_info: Element) -> Iterator[bytes]:
    for data in key_info.iterfind(ds("X509Data")):
        for certificate in data.iterfind(ds("X509Certificate")):
            yield _bytes(certificate)


def _properties(qualifying: Element, bounds: SignedBounds) -> Properties:
    signed = [child for child in _children(qualifying) if child.tag == xades("SignedProperties")]
    if len(signed) != 1:
        raise Malformed("the signature's properties are not signed, or are there twice")
    of_signature = signed[0].find(xades("SignedSignatureProperties"))
    times, named = [], []
    for child in _children(of_signature) if of_signature is not None else ():
        if child.tag == xades("SigningTime"):
            times.append(_moment(_text(child)))
        elif child.tag in {xades("SigningCertificate"), xades("SigningCertificateV2")}:
            named += [_certificate_digest(each) for each in _children(child)]
    if len(times) > 1:
        raise Malformed("the signature has two times of signing")
    unsigned = f"{xades('UnsignedProperties')}/{xades('UnsignedSignatureProperties')}"
    stamps = [_stamp(each) for each in qualifying.iterfind(f"{unsigned}/{xades('SignatureTimeStamp')}")]
    embedded = _values(qualifying, f"{unsigned}/{xades('CertificateValues')}/{xades('EncapsulatedX509Certificate')}")
    revocation = f"{unsigned}/{xades('RevocationValues')}"
    crls = _values(qualifying, f"{revocation}/{xades('CRLValues')}/{xades('EncapsulatedCRLValue')}")
    ocsps = _values(qualifying, f"{revocation}/{xades('OCSPValues')}/{xades('EncapsulatedOCSPValue')}")
    if len(stamps) > bounds.timestamps_max or len(crls) + len(ocsps) > bounds.embedded_revocations_max:
        raise KeyUnsupported("the signature brings along more timestamps or revocation data than are looked at")
    extra = qualifying.find(unsigned)
    return Properties(
        signed=signed[0],
        target=qualifying.get("Target", ""),
        claimed_at=times[0] if times else None,
        certificates=tuple(named),
        stamps=tuple(stamps),
        embedded=embedded[: bounds.embedded_certificates_max],
        crls=crls,
        ocsps=ocsps,
        more=extra is not None and any(child.tag != xades("SignatureTimeStamp") for child in _children(extra)),
    )


def _certificate_digest(named: Element) -> tuple[str, bytes]:
    method = named.find(f"{xades('CertDigest')}/{ds('DigestMethod')}")
    value = named.find(f"{xades('CertDigest')}/{ds('DigestValue')}")
    if named.tag != xades("Cert") or method is None or value is None:
        raise Malformed("the signature does not name its certificate as it must")
    return method.get("Algorithm", ""), _bytes(value)


def _stamp(element: Element) -> Stamp:
    form = element.find(ds("CanonicalizationMethod"))
    tokens = element.findall(xades("EncapsulatedTimeStamp"))
    if len(tokens) != 1 or element.find(xades("Include")) is not None:
        raise KeyUnsupported("a timestamp of the signature is of a kind that is not known here")
    return Stamp(Method(INCLUSIVE) if form is None else _method(form), _bytes(tokens[0]))


def _values(qualifying: Element, path: str) -> tuple[bytes, ...]:
    return tuple(_bytes(each) for each in qualifying.iterfind(path))


def _moment(text: str) -> datetime:
    """An xsd:dateTime; without a time zone it is taken for UTC."""
    if not _TIME.fullmatch(text):
        raise Malformed("the time of signing is not written as a time")
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("the time of signing is none that can be") from None


def _children(element: Element) -> Iterator[Element]:
    """The elements in an element; text between them must be white, comments are passed over."""
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise Malformed("there is text in the signature where none belongs")
    return element.iterchildren("*")  # type: ignore[no-any-return]  # lxml has no types


def _only(holder: Element, child: Element) -> bool:
    return list(holder.iterchildren("*")) == [child]


def _text(element: Element) -> str:
    if len(element):
        raise Malformed("there is something in a value of the signature that is no text")
    return (element.text or "").strip()


def _bytes(element: Element) -> bytes:
    try:
        return base64.b64decode("".join(_text(element).split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a value in the signature is not base64") from None
