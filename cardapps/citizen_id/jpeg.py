"""Finding where a JPEG file ends, by walking its segments (ITU-T T.81, B.1 and B.2).

The bytes FF D9 may stand inside a segment, and anything may follow the file on the card, so only the walk tells.
"""

from ecitizen.errors import DecodeError

_SOI = b"\xff\xd8"
_EOI = 0xD9
_SOS = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, and the restart markers RST0 to RST7."""


def find_end(data: bytes) -> int | None:
    """The length in bytes of the JPEG file at the beginning of `data`; None if it goes on behind its end.

    Raise DecodeError if this is no JPEG file.
    """
    if not _SOI.startswith(data[:2]):
        raise DecodeError("the photo on the card is not a JPEG file")
    at = 2
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in {0x00, 0xD8}:
            raise DecodeError("the photo on the card is a damaged JPEG file")
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == _EOI:
            return at + 2
        elif marker in _STANDALONE:
            at += 2
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if at + 4 <= len(data) and length < 2:
                raise DecodeError("the photo on the card is a damaged JPEG file")
            at += 2 + max(length, 2)
            if marker == _SOS:
                at = _scan_end(data, at)
    return None


def _scan_end(data: bytes, at: int) -> int:
    """The next marker that is not part of the compressed picture (stuffed FF 00, restart markers)."""
    while (at := data.find(b"\xff", at)) >= 0:
        if at + 1 == len(data):
            break
        if data[at + 1] != 0x00 and data[at + 1] not in _STANDALONE:
            return at
        at += 2
    return len(data)
