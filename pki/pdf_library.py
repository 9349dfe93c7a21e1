"""pyHanko behind our interfaces: our timestamps as it takes them, its errors as ours, its reading within bounds.

pyHanko is the optional extra `sign`. Modules that import it are themselves imported late, through `pdf.py`.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final, TypeVar

from asn1crypto import cms
from pyhanko.pdf_utils.decode_limits import DecodeLimits, DecodePurpose, DocumentDecodeBudget, StreamDecodeLimits
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError
from pyhanko.sign.timestamps.api import TimeStamper

from ecitizen.algorithms import HashAlgorithm
from ecitizen.errors import UsageError

from .errors import Malformed
from .signed import TimestampSource
from .timestamp_info import read_token

T = TypeVar("T")

_MIB: Final = 1024 * 1024

HOSTILE: Final = (
    PdfError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    OSError,
)
"""What pyHanko and asn1crypto raise for files that they did not expect."""


def decode_limits() -> DecodeLimits:
    """Tighter than pyHanko's own: nothing that is read here is larger. Pictures and fonts are never decoded.

    The budget is for each revision that is looked at, so what is kept of revisions must be small.
    """
    small = StreamDecodeLimits(max_ratio=200, ratio_floor=_MIB, max_output_size=_MIB)
    return DecodeLimits(
        per_stream=StreamDecodeLimits(max_ratio=200, ratio_floor=_MIB, max_output_size=16 * _MIB),
        per_purpose={
            DecodePurpose.GENERIC: small,
            DecodePurpose.XMP_METADATA: small,
            DecodePurpose.CERTIFICATE: small,
            DecodePurpose.OBJECT_STREAM: StreamDecodeLimits(100, 4 * _MIB, 8 * _MIB),
        },
        document_budget=DocumentDecodeBudget(base_allowance=64 * _MIB, max_ratio=20),
    )


class SourceTimeStamper(TimeStamper):
    """A TimestampSource of ours. Its first token, over zeros, tells how much room one takes and that it answers."""

    def __init__(self, source: TimestampSource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pyHanko says no types here
        self._source = source
        self._trials: dict[HashAlgorithm, bytes] = {}

    def token(self, hashed: bytes, algorithm: HashAlgorithm) -> bytes:
        """A token over a digest, DER; raise what the source raises, Malformed if it gives no token."""
        token = self._source.stamp(hashed, algorithm)
        try:
            read_token(token)
        except Malformed as error:
            raise Malformed("the timestamp authority did not send a timestamp; try another one") from error
        return token

    def trial(self, algorithm: HashAlgorithm) -> bytes:
        """A token over zeros, asked for once."""
        if algorithm not in self._trials:
            self._trials[algorithm] = self.token(bytes(algorithm.digest_len), algorithm)
        return self._trials[algorithm]

    def room(self, algorithm: HashAlgorithm) -> int:
        """Bytes to keep free for a token: another one may be longer, by a serial number or a certificate."""
        return len(self.trial(algorithm)) * 3 // 2

    async def async_dummy_response(self, md_algorithm: str) -> cms.ContentInfo:
        """The trial, as pyHanko asks for it."""
        return cms.ContentInfo.load(self.trial(HashAlgorithm(md_algorithm)))

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """A token, as pyHanko asks for it."""
        return cms.ContentInfo.load(self.token(message_digest, HashAlgorithm(md_algorithm)))


def complete(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what pyHanko wrote as a coroutine; with a stamper of ours nothing in it ever waits for an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise AssertionError("something waited for an event loop")


@contextmanager
def pdf_errors(doing: str) -> Iterator[None]:
    """Turn pyHanko's errors into ours: Malformed for what is wrong in the file, UsageError for what it forbids."""
    try:
        yield
    except SigningError as error:
        raise UsageError(f"can't {doing}: {_first_line(error)}") from error
    except HOSTILE as error:
        raise Malformed(f"can't {doing}: the file is damaged, or breaks the rules of PDF; write it anew") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def open_for_update(document: bytes) -> IncrementalPdfFileWriter:
    """Get a document ready for one more revision; all that is there stays as it is.

    Raise Malformed for what is no PDF, or one that programs would read differently; UsageError for an encrypted one.
    """
    with pdf_errors("read this PDF"):
        reader = PdfFileReader(BytesIO(document), strict=True, decode_limits=decode_limits())
        if "/Encrypt" in reader.trailer:
            raise UsageError("the document is encrypted; save it without a password, and sign that")
        return IncrementalPdfFileWriter.from_reader(reader)
