"""Names in signed XML: namespaces and algorithms.

Sources: XML Signature Syntax and Processing 1.1, 6; RFC 6931 and RFC 9231, 2 (algorithms by URI); ETSI EN 319 132-1, 4
and 5, and ETSI TS 101 903, 7 (XAdES).
"""

from types import MappingProxyType
from typing import Final

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme

from .xml_reading import Form

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
XADES_141: Final = "http://uri.etsi.org/01903/v1.4.1#"
NAMESPACES: Final = MappingProxyType({"ds": DS, "xades": XADES, "xades141": XADES_141})

SIGNED_PROPERTIES_TYPE: Final = "http://uri.etsi.org/01903#SignedProperties"
ENVELOPED: Final = f"{DS}enveloped-signature"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_MORE_2007: Final = "http://www.w3.org/2007/05/xmldsig-more#"
_ENC: Final = "http://www.w3.org/2001/04/xmlenc#"

SHA_1: Final = f"{DS}sha1"
HASHES: Final = MappingProxyType(
    {
        f"{_ENC}sha256": HashAlgorithm.SHA_256,
        f"{_MORE}sha384": HashAlgorithm.SHA_384,
        f"{_ENC}sha512": HashAlgorithm.SHA_512,
    }
)
HASH_NAMES: Final = MappingProxyType({hashed: uri for uri, hashed in HASHES.items()})

SIGNATURES: Final = MappingProxyType(
    {
        f"{space}{prefix}{hashed}{suffix}": SignatureAlgorithm(scheme, hashed)
        for hashed in HashAlgorithm
        for space, prefix, suffix, scheme in (
            (_MORE, "rsa-", "", SignatureScheme.RSA_PKCS1),
            (_MORE, "ecdsa-", "", SignatureScheme.ECDSA),
            (_MORE_2007, "", "-rsa-MGF1", SignatureScheme.RSA_PSS),
        )
    }
)
"""Signatures that are believed; no others, as by SHA-1 or HMAC, are. PSS has a salt as long as the digest."""
SIGNATURE_NAMES: Final = MappingProxyType({algorithm: uri for uri, algorithm in SIGNATURES.items()})


INCLUSIVE: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_INCLUSIVE_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
CANONICALIZATIONS: Final = MappingProxyType(
    {
        INCLUSIVE: Form(),
        f"{INCLUSIVE}#WithComments": Form(comments=True),
        _INCLUSIVE_11: Form(inherits_id=False),
        f"{_INCLUSIVE_11}#WithComments": Form(inherits_id=False, comments=True),
        _EXCLUSIVE: Form(exclusive=True),
        f"{_EXCLUSIVE}WithComments": Form(exclusive=True, comments=True),
    }
)
"""Canonical forms. Of an element inside a relative `xml:base`, which 1.1 resolves, the digest will not fit."""
EXCLUSIVE_PREFIXES: Final = f"{{{_EXCLUSIVE}}}InclusiveNamespaces"


def ds(name: str) -> str:
    """A name of XML Signature, as lxml writes it."""
    return f"{{{DS}}}{name}"


def xades(name: str) -> str:
    """A name of XAdES 1.3.2, as lxml writes it."""
    return f"{{{XADES}}}{name}"
