"""One way in for signed documents of all kinds: the format is found by content, and its module does the rest.

PDF is signed as PAdES (`pdf`), XML as XAdES (`xades`), containers are ASiC (`asic`), all other files get a CAdES
signature beside them (`cms`). The modules are imported when they are needed: some need packages that few have.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, Final

from ecitizen.algorithms import SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from .signed import (
    DEFAULT_BOUNDS,
    DocumentReport,
    DocumentVerdict,
    Level,
    RevocationSource,
    Show,
    SignedBounds,
    TimestampSource,
    no_signature,
    unknown,
)
from .signed_batch import RememberingTrust
from .signed_files import Document, Readable, write_whole, writing_whole
from .signed_trust import Vouching
from .trust import TrustStore

_LOOK_LEN: Final = 1024
"""Bytes at the beginning, in which a PDF names itself (ISO 32000-1, annex H, implementation note 13)."""
_SPACE: Final = b"\xef\xbb\xbf\x00 \t\r\n"
DETACHED_SUFFIX: Final = ".p7s"
_UTF16: Final = (b"\xff\xfe<", b"\xfe\xff\x00<")


@unique
class SignatureFormat(StrEnum):
    """How a file is signed, by the names that commands and reports have."""

    PADES = "pades"
    CADES = "cades"
    ASIC_E = "asic-e"
    ASIC_S = "asic-s"
    XADES = "xades"


@unique
class FileKind(StrEnum):
    """What a file is, by its content."""

    PDF = "pdf"
    XML = "xml"
    ZIP = "zip"
    CMS = "cms"
    OTHER = "other"


_MAYBE_SIGNED_BESIDE: Final = frozenset({FileKind.OTHER, FileKind.ZIP})
"""Files whose signature may be another file."""
_USUAL: Final = {FileKind.PDF: SignatureFormat.PADES, FileKind.XML: SignatureFormat.XADES}
_SUFFIXES: Final = {
    SignatureFormat.CADES: DETACHED_SUFFIX,
    SignatureFormat.ASIC_E: ".asice",
    SignatureFormat.ASIC_S: ".asics",
}


def kind_of(data: Readable) -> FileKind:
    """What a file is; raise FileFailed if it can't be read."""
    with Document(data) as document:
        begin = document.read(0, _LOOK_LEN)
    if b"%PDF-" in begin:
        return FileKind.PDF
    if begin.startswith(b"PK\x03\x04"):
        return FileKind.ZIP
    if begin.startswith((b"-----BEGIN CMS-----", b"-----BEGIN PKCS7-----")) or begin[:1] == b"\x30":
        return FileKind.CMS
    if begin.lstrip(_SPACE).startswith(b"<") or begin.startswith(_UTF16):
        return FileKind.XML
    return FileKind.OTHER


def usual_format(data: Readable) -> SignatureFormat:
    """How a file like this is usually signed."""
    return _USUAL.get(kind_of(data), SignatureFormat.CADES)


# Signing


def usual_target(path: Path, form: SignatureFormat, *, attached: bool = False) -> Path:
    """Where the signed file goes if nobody says: beside the original, which is never replaced."""
    if form in {SignatureFormat.PADES, SignatureFormat.XADES}:
        return path.with_name(f"{path.stem}.signed{path.suffix}")
    suffix = ".p7m" if attached else _SUFFIXES[form]
    return path.with_name(path.name + suffix)


def sign_file(  # noqa: PLR0913 - the parts of a signature, by name
    path: Path,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    moment: datetime,
    form: SignatureFormat | None = None,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    more: Sequence[Path] = (),
    attached: bool = False,
    out: Path | None = None,
    **options: Any,
) -> Path:
    """Sign a file with one use of the key, and write the result whole; give where it is.

    `form` is by content if it is not given, and so is `out` (see `usual_target`). `more` are further files of an
    ASiC-E container. `attached` puts the content into a CAdES signature. `options` are those of the format's own
    `sign` (a PDF's `appearance`...), and `xades_form` (a `xades.XadesForm`). Raise what that raises, and FileFailed.
    """
    chosen = form or usual_format(path)
    target = out or usual_target(path, chosen, attached=attached)
    if more and chosen is not SignatureFormat.ASIC_E:
        raise UsageError("only an asic-e container takes several files; sign the others one by one")
    common: dict[str, Any] = {"moment": moment, "level": level, "timestamps": timestamps, "show": show, **options}
    common["algorithm"] = algorithm
    match chosen:
        case SignatureFormat.CADES:
            from . import cms

            raising = cms.Raising(level, moment, timestamps, revocation, trust)
            settings = {"show": show, "algorithm": algorithm, "attached": attached, **options}
            with cms.signing(path, signer, certificate, chain, raising, **settings) as signed:
                write_whole(target, signed.pieces())
        case SignatureFormat.ASIC_E | SignatureFormat.ASIC_S:
            from . import asic

            files = {each.name: each for each in (path, *more)}
            if len(files) != len(more) + 1:
                raise UsageError("two files have the same name; rename one")
            kind = asic.AsicForm(chosen)
            with writing_whole(target) as into:
                settings = {**common, "form": kind, "revocation": revocation, "trust": trust, "into": into}
                asic.sign(files, signer, certificate, chain, **settings)
        case SignatureFormat.PADES:
            from . import pdf

            settings = {**common, "revocation": revocation, "trust": trust}
            write_whole(target, [pdf.sign(path, signer, certificate, chain, **settings)])
        case SignatureFormat.XADES:
            from . import xades

            if "xades_form" in common:  # `form` is another thing here than there
                common["form"] = common.pop("xades_form")
            write_whole(target, [xades.sign(_content(path), signer, certificate, chain, **common)])
    return target


def add_signature(  # noqa: PLR0913 - as `sign_file`
    path: Path,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    data: Path | None = None,
    *,
    moment: datetime,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    out: Path | None = None,
    **options: Any,
) -> Path:
    """Sign what somebody has signed already, with one use of the key, beside that signature; give where the result is.

    `path` is the signed document, or a file beside which its signature lies; without `out` the signed document is
    replaced, once all of the new one is on the medium. `data` is what a detached CMS signature is over, if it does not
    lie beside it. `options` are those of `pdf.sign`. Raise UsageError for what nobody has signed, or is not any more
    what others have signed, and for XML, which has room for one signature; otherwise as `sign_file` does.
    """
    signed, kind = path, kind_of(path)
    if kind in _MAYBE_SIGNED_BESIDE and (beside := Path(f"{path}{DETACHED_SUFFIX}")).is_file():
        signed, data, kind = beside, path, FileKind.CMS
    _check_signed(verify_file(signed, data, trust=None, moment=moment))
    target = out or signed
    common: dict[str, Any] = {"moment": moment, "level": level, "timestamps": timestamps, "revocation": revocation}
    common |= {"trust": trust, "show": show, "algorithm": algorithm, **options}
    by = (signer, certificate, chain)
    match kind:
        case FileKind.CMS:
            from . import cms

            write_whole(target, [cms.add_signature(signed, data or _beside(signed), *by, **common)])
        case FileKind.ZIP:
            from . import asic

            with writing_whole(target) as into:
                asic.add_signature(signed, *by, into=into, **common)
        case FileKind.PDF:
            from . import pdf

            write_whole(target, [pdf.sign(signed, *by, **common)])
        case _:
            raise UsageError("an XML document has room for one signature; put it into a container: --format asic-e")
    return target


def _check_signed(report: DocumentReport) -> None:
    if not report.signatures:
        raise UsageError("nobody has signed this file yet; sign it, and others can add their signatures to that")
    if report.verdict is DocumentVerdict.ALTERED:
        raise UsageError("the file is not what the others have signed, or a signature does not hold; get the right one")


# Long-term care


def extend_file(  # noqa: PLR0913 - as `sign_file`
    path: Path,
    data: Path | None = None,
    *,
    moment: datetime,
    level: Level,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    renew: bool = False,
    out: Path | None = None,
) -> Path:
    """Raise the signatures of a file to a level, or add an archive timestamp with `renew`; give where the result is.

    Without `out` the file itself is replaced, once all of the new one is on the medium. `data` is what a detached CMS
    signature is over; without it the file of the same name without `.p7s` is taken if it is there.
    """
    common: dict[str, Any] = {"moment": moment, "level": level, "timestamps": timestamps}
    evidence: dict[str, Any] = {"revocation": revocation, "trust": trust}
    target = out or path
    match kind_of(path):
        case FileKind.CMS:
            from . import cms

            write_whole(target, [cms.extend(path, data or _beside(path), renew=renew, **common, **evidence)])
        case FileKind.ZIP:
            from . import asic

            with writing_whole(target) as into:
                asic.extend(path, renew=renew, into=into, **common, **evidence)
        case FileKind.PDF:
            from . import pdf

            write_whole(target, [pdf.extend(path, **common, **evidence)])
        case FileKind.XML:
            from . import xades

            write_whole(target, [xades.extend(_content(path), level=level, timestamps=timestamps)])
        case FileKind.OTHER:
            raise UsageError("this file is no signed document; give the signature, or the signed PDF, XML or container")
    return target


# Checking


def verify_file(
    path: Readable,
    data: Readable | None = None,
    *,
    trust: Vouching | None,
    moment: datetime,
    bounds: SignedBounds = DEFAULT_BOUNDS,
    revocation: RevocationSource | None = None,
) -> DocumentReport:
    """Check a signed document, or the signature of a file, at a moment.

    `data` is what a detached CMS signature is over; without it a file beside it is taken: `letter.doc` for
    `letter.doc.p7s`, and the other way round. What is wrong with the document is the answer; raise FileFailed for a
    file that can't be read, ConfigError if a package for this format is missing.
    """
    common: dict[str, Any] = {"trust": trust, "moment": moment, "bounds": bounds, "revocation": revocation}
    kind = kind_of(path)
    beside = None if isinstance(path, bytes) else Path(f"{Path(path)}{DETACHED_SUFFIX}")
    if data is None and kind in _MAYBE_SIGNED_BESIDE and beside is not None and beside.is_file():
        return verify_file(beside, path, **common)
    if kind is FileKind.OTHER:
        return no_signature(moment)
    if kind is FileKind.CMS:
        from . import cms

        found = data if data is not None or isinstance(path, bytes) else _beside(Path(path))
        return cms.verify(path, found, **common)
    if kind is FileKind.ZIP:
        from . import asic

        return asic.verify(path, **common)
    return _verify_in_memory(path, kind, common)


def verify_files(
    paths: Iterable[Readable],
    *,
    trust: Vouching | None,
    moment: datetime,
    bounds: SignedBounds = DEFAULT_BOUNDS,
    revocation: RevocationSource | None = None,
) -> Iterator[DocumentReport]:
    """Check many documents at one moment, as `verify_file` does, in their order; a report comes when it is made.

    What was found out about a signer's certificate is not found out again for the next document (`signed_batch`).
    """
    remembering = None if trust is None else RememberingTrust(trust)
    for path in paths:
        yield verify_file(path, trust=remembering, moment=moment, bounds=bounds, revocation=revocation)


def _verify_in_memory(path: Readable, kind: FileKind, common: dict[str, Any]) -> DocumentReport:
    """PDF and XML, which have to be in memory as a whole."""
    with Document(path) as document:
        if document.size > common["bounds"].document_max_len:
            return no_signature(common["moment"], unknown("bounds", "bounds", bound="document_max_len"))
        content = document.read(0, document.size)
    if kind is FileKind.PDF:
        from . import pdf

        return pdf.verify(content, **common)
    from . import xades

    return xades.verify(content, **common)


def _beside(path: Path) -> Path | None:
    """What a detached signature is over, if it lies beside it."""
    original = path.with_suffix("")
    return original if path.suffix.lower() in {DETACHED_SUFFIX, ".p7m"} and original.is_file() else None


def _content(path: Path) -> bytes:
    with Document(path) as document:
        if document.size > DEFAULT_BOUNDS.document_max_len:
            raise UsageError("the document is too long for this format; take cades")
        return document.read(0, document.size)
