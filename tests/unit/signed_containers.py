"""Containers signed with XAdES as other makers do it, made with lxml and zipfile alone, for tests."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from tests.unit.signed_xml import C14N, DS, ECDSA_SHA_256, HASHES, SHA_256, XADES

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
EXTENDED, SIMPLE = "application/vnd.etsi.asic-e+zip", "application/vnd.etsi.asic-s+zip"
SIGNATURES = "META-INF/signatures0.xml"


def file_reference(uri: str, data: bytes, *, hashed: str = SHA_256, inside: str = "", kind: str = "") -> str:
    """A reference to a file beside the signature."""
    digest = base64.b64encode(hashlib.new(HASHES[hashed], data).digest()).decode()
    typed = f' Type="{kind}"' if kind else ""
    return (
        f'<ds:Reference URI="{uri}"{typed}>{inside}<ds:DigestMethod Algorithm="{hashed}"/>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )


def xades_signature(
    *references: str, key: Any, certificate: bytes, name: str = "S0", unsigned: str = "", objects: str = ""
) -> str:
    """A Signature over these references and its own properties (EN 319 132-1), complete."""
    digest = base64.b64encode(hashlib.sha256(certificate).digest()).decode()
    properties = (
        f'<xades:SignedProperties Id="{name}-props"><xades:SignedSignatureProperties><xades:SigningTime>'
        "2026-11-22T12:00:00Z</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f'<ds:DigestMethod Algorithm="{SHA_256}"/><ds:DigestValue>{digest}</ds:DigestValue></xades:CertDigest>'
        "</xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties></xades:SignedProperties>"
    )
    own = (
        f'<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#{name}-props">'
        f'<ds:DigestMethod Algorithm="{SHA_256}"/><ds:DigestValue/></ds:Reference>'
    )
    whole = (
        f'<asic:XAdESSignatures xmlns:asic="{ASIC}"><ds:Signature xmlns:ds="{DS}" Id="{name}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{C14N}"/><ds:SignatureMethod Algorithm="{ECDSA_SHA_256}"/>'
        f"{''.join(references)}{own}</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>"
        f"{base64.b64encode(certificate).decode()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo><ds:Object>"
        f'<xades:QualifyingProperties xmlns:xades="{XADES}" Target="#{name}">{properties}{unsigned}'
        f"</xades:QualifyingProperties></ds:Object>{objects}</ds:Signature></asic:XAdESSignatures>"
    )
    root = etree.fromstring(whole)
    signed = root.find(f".//{{{XADES}}}SignedProperties")
    info = root.find(f".//{{{DS}}}SignedInfo")
    info[-1][-1].text = base64.b64encode(hashlib.sha256(_c14n(signed)).digest()).decode()
    r, s = decode_dss_signature(key.sign(_c14n(info), ec.ECDSA(hashes.SHA256())))
    value = base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()
    root.find(f".//{{{DS}}}SignatureValue").text = value
    return str(etree.tostring(root[0], encoding="unicode"))


def signatures_file(*signatures: str) -> bytes:
    """The file that holds them."""
    return f'<asic:XAdESSignatures xmlns:asic="{ASIC}">{"".join(signatures)}</asic:XAdESSignatures>'.encode()


def container(files: Mapping[str, bytes], mimetype: str = EXTENDED) -> bytes:
    """The container of these files, its type first."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped:
        for name, data in {"mimetype": mimetype.encode(), **files}.items():
            zipped.writestr(name, data)
    return target.getvalue()


def references_to(files: Mapping[str, bytes]) -> list[str]:
    """One to each file, by its name as a URI has it."""
    return [file_reference(quote(name), data) for name, data in files.items()]


def _c14n(element: Any) -> bytes:
    return bytes(etree.tostring(element, method="c14n"))
