"""ASiCManifest: the list of files that a signature of an ASiC-E container is over (ETSI EN 319 162-1, 4.4.4.2, A.4)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from ecitizen.algorithms import HashAlgorithm

from .errors import Malformed

MANIFEST_MAX_LEN: Final = 4 * 1024 * 1024
SIGNATURE_TYPE: Final = "application/pkcs7-signature"

_ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_METHODS: Final = MappingProxyType(
    {
        HashAlgorithm.SHA_256: "http://www.w3.org/2001/04/xmlenc#sha256",
        HashAlgorithm.SHA_384: "http://www.w3.org/2001/04/xmldsig-more#sha384",
        HashAlgorithm.SHA_512: "http://www.w3.org/2001/04/xmlenc#sha512",
    }
)


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file that is signed."""

    name: str
    hash: HashAlgorithm
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a signature is over."""

    signature: str
    """Name of the signature's file."""
    files: tuple[FileDigest, ...]


def written_manifest(signature: str, files: Mapping[str, bytes], types: Mapping[str, str]) -> bytes:
    """A manifest over files by their SHA-256 digests; `types` are MIME types of those that have one."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<asic:ASiCManifest xmlns:asic="{_ASIC}" xmlns:ds="{_DS}">',
        f"<asic:SigReference URI={quoteattr(quote(signature))} MimeType={quoteattr(SIGNATURE_TYPE)}/>",
    ]
    for name, digest in files.items():
        mime_type = f" MimeType={quoteattr(types[name])}" if name in types else ""
        lines += [
            f"<asic:DataObjectReference URI={quoteattr(quote(name))}{mime_type}>",
            f'<ds:DigestMethod Algorithm="{_METHODS[HashAlgorithm.SHA_256]}"/>',
            f"<ds:DigestValue>{base64.b64encode(digest).decode('ascii')}</ds:DigestValue>",
            "</asic:DataObjectReference>",
        ]
    return "\n".join((*lines, "</asic:ASiCManifest>", "")).encode()


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest; raise Malformed for anything else, for a file twice, and for hashes not known here."""
    root = _parsed(data)
    if root.tag != f"{{{_ASIC}}}ASiCManifest":
        raise Malformed("this is no list of signed files")
    signatures = root.findall(f"{{{_ASIC}}}SigReference")
    references = root.findall(f"{{{_ASIC}}}DataObjectReference")
    if len(signatures) != 1 or not references:
        raise Malformed("a list of signed files names one signature, and files")
    files = tuple(_file(each) for each in references)
    if len({each.name for each in files}) != len(files):
        raise Malformed("a list of signed files names one twice")
    return Manifest(_name(signatures[0]), files)


class _NoDoctype(ElementTree.TreeBuilder):
    """Builds trees of documents that define nothing: without a document type there are no entities of their own."""

    def doctype(self, *_: object) -> None:
        """Called where a document type begins."""
        raise Malformed("a list of signed files has a document type, which it can't have")


def _parsed(data: bytes) -> Any:
    if len(data) > MANIFEST_MAX_LEN:
        raise Malformed(f"a list of signed files is longer than {MANIFEST_MAX_LEN} bytes")
    try:
        parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314 - see _NoDoctype
        parser.feed(data)
        return parser.close()
    except (ElementTree.ParseError, ValueError, LookupError, AssertionError):
        raise Malformed("a list of signed files is no XML") from None


def _name(element: Any) -> str:
    """The name of a file in the container, as the URI gives it."""
    uri = element.get("URI") or ""
    try:
        return unquote(uri, errors="strict").removeprefix("./").removeprefix("/")
    except UnicodeDecodeError:
        raise Malformed("a list of signed files has a name that can't be read") from None


def _file(element: Any) -> FileDigest:
    method, value = element.find(f"{{{_DS}}}DigestMethod"), element.find(f"{{{_DS}}}DigestValue")
    named = None if method is None else method.get("Algorithm")
    algorithm = next((each for each, uri in _METHODS.items() if uri == named), None)
    if algorithm is None or value is None:
        raise Malformed("a list of signed files uses a hash that is too weak, or not known here")
    try:
        digest = base64.b64decode("".join((value.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a list of signed files has a digest that is none") from None
    if len(digest) != algorithm.digest_len:
        raise Malformed("a list of signed files has a digest of the wrong length")
    return FileDigest(_name(element), algorithm, digest)
