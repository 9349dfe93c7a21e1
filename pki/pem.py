"""PEM around DER (RFC 7468): certificates, CRLs and the like, as files bring them in either form."""

import base64
import binascii
import re

from .errors import Malformed

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END ([A-Z0-9 ]{1,40})-----")
_DER_SEQUENCE = b"\x30"
_LINE_LEN = 64


def der_from(content: bytes, label: str) -> list[bytes]:
    """All DER objects in a file: the file itself, or its PEM blocks of this label (`CERTIFICATE`, `X509 CRL`...).

    Raise Malformed if there is none, or one that is damaged.
    """
    if content.startswith(_DER_SEQUENCE):
        return [content]
    found = []
    for begin, body, end in _BLOCK.findall(content):
        if begin != end:
            raise Malformed("a PEM block ends with another label than it begins with")
        if begin.decode("ascii") == label:
            found.append(_decoded(body))
    if not found:
        raise Malformed(f"there is no {label} in this file, in PEM or DER")
    return found


def pem(der: bytes, label: str) -> bytes:
    """DER as a PEM block with its line end."""
    text = base64.b64encode(der)
    lines = [text[at : at + _LINE_LEN] for at in range(0, len(text), _LINE_LEN)]
    name = label.encode("ascii")
    return b"\n".join((b"-----BEGIN " + name + b"-----", *lines, b"-----END " + name + b"-----", b""))


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise Malformed("a PEM block is not base64; get the file again") from None
