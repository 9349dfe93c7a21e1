"""Signing files in a container: ASiC-E and ASiC-S with CAdES (ETSI EN 319 162-1, 4.3.3.2 and 4.4.4)."""

import io
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import IO, Final

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm
from ecitizen.errors import UsageError
from ecitizen.ports import Signer

from . import cms
from .asic_files import META, MIMETYPE, Container, container_written, is_safe_name, open_container
from .asic_manifest import read_manifest, written_manifest
from .cms_signing import Raising
from .errors import Malformed
from .signed import DEFAULT_BOUNDS, Level, RevocationSource, Show, TimestampSource
from .signed_files import Content, Readable, WatchedContent, content_of
from .trust import TrustStore

SIGNATURE_MAX_LEN: Final = DEFAULT_BOUNDS.signature_max_len
SIMPLE_SIGNATURE: Final = f"{META}signature.p7s"
MANIFEST_PART: Final = "ASiCManifest"


@unique
class AsicForm(StrEnum):
    """The two kinds of containers, by the names of formats in commands and reports."""

    EXTENDED = "asic-e"
    """Any number of files, and of signatures, each over some of them."""
    SIMPLE = "asic-s"
    """One file."""

    @property
    def mimetype(self) -> str:
        """What a container of this kind begins with (4.3.3.1, 4.4.3.1)."""
        return f"application/vnd.etsi.{self}+zip"


@dataclass(frozen=True, slots=True)
class _By:
    """Who signs, and how."""

    signer: Signer
    certificate: bytes
    chain: Sequence[bytes]
    raising: Raising
    show: Show | None
    algorithm: SignatureAlgorithm | None

    def over(self, data: Content | bytes, mime_type: str | None = None) -> bytes:
        """A detached signature."""
        with cms.signing(
            data,
            self.signer,
            self.certificate,
            self.chain,
            self.raising,
            show=self.show,
            algorithm=self.algorithm,
            mime_type=mime_type,
        ) as signed:
            return signed.written()


def sign(  # noqa: PLR0913 - the parts of a signature, most of them by name
    files: Mapping[str, Readable],
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    moment: datetime,
    form: AsicForm = AsicForm.EXTENDED,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    into: IO[bytes] | None = None,
) -> bytes:
    """Sign files, which `files` has under the names that they get in the container; give the container.

    With `into`, a file that can be read and written (`signed_files.writing_whole`), it is written there, and nothing
    is returned. Raise as `cms.sign` does, and UsageError for names that can't stand in a container.
    """
    if not files or not all(is_safe_name(name) and not _is_reserved(name) for name in files):
        raise UsageError("a container has files in it, under plain relative names")
    if form is AsicForm.SIMPLE and len(files) != 1:
        raise UsageError("an ASiC-S container has one file; take asic-e for several")
    by = _By(signer, certificate, chain, Raising(level, moment, timestamps, revocation, trust), show, algorithm)
    with ExitStack() as stack, _target(into) as target:
        contents = {
            name: WatchedContent.of(content_of(data, stack), HashAlgorithm.SHA_256) for name, data in files.items()
        }
        if form is AsicForm.SIMPLE:
            ((name, content),) = contents.items()
            added = {SIMPLE_SIGNATURE: by.over(content, _mime_type(name))}
        else:
            added = _signed_manifest(contents, 1, by)
        with container_written(target, form.mimetype, moment) as writer:
            for name, content in contents.items():
                writer.add(name, content.pieces())
            for name, data in added.items():
                writer.add(name, [data])
        return target.getvalue() if into is None and isinstance(target, io.BytesIO) else b""


def add_signature(  # noqa: PLR0913 - as `sign`
    container: Readable,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes] = (),
    *,
    moment: datetime,
    level: Level = Level.B,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    show: Show | None = None,
    algorithm: SignatureAlgorithm | None = None,
    into: IO[bytes] | None = None,
) -> bytes:
    """Sign the files of a container beside those who have signed them; gives or writes it as `sign` does."""
    by = _By(signer, certificate, chain, Raising(level, moment, timestamps, revocation, trust), show, algorithm)
    with open_container(container) as old, _target(into) as target:
        if form_of(old) is AsicForm.SIMPLE:
            settings = {"moment": moment, "level": level, "timestamps": timestamps, "revocation": revocation}
            changed = {
                SIMPLE_SIGNATURE: cms.add_signature(
                    old.read(SIMPLE_SIGNATURE, SIGNATURE_MAX_LEN),
                    old.content(_only_file(old)),
                    signer,
                    certificate,
                    chain,
                    trust=trust,
                    show=show,
                    algorithm=algorithm,
                    **settings,  # type: ignore[arg-type]  # as above
                )
            }
        else:
            contents = {name: WatchedContent.of(old.content(name), HashAlgorithm.SHA_256) for name in old.files}
            changed = _signed_manifest(contents, _free_number(old), by)
        return _rewritten(old, changed, moment, target, into)


def extend(
    container: Readable,
    *,
    moment: datetime,
    level: Level,
    timestamps: TimestampSource | None = None,
    revocation: RevocationSource | None = None,
    trust: TrustStore | None = None,
    renew: bool = False,
    into: IO[bytes] | None = None,
) -> bytes:
    """Raise all CAdES signatures of a container to a level, as `cms.extend` does; gives or writes it as `sign` does."""
    with open_container(container) as old, _target(into) as target:
        changed = {}
        for name in signature_names(old):
            content: Content | bytes = (
                old.content(_only_file(old))
                if form_of(old) is AsicForm.SIMPLE
                else old.read(manifest_of(old, name), SIGNATURE_MAX_LEN)
            )
            changed[name] = cms.extend(
                old.read(name, SIGNATURE_MAX_LEN),
                content,
                moment=moment,
                level=level,
                timestamps=timestamps,
                revocation=revocation,
                trust=trust,
                renew=renew,
            )
        if not changed:
            raise UsageError("the container has no CAdES signature that could be extended")
        return _rewritten(old, changed, moment, target, into)


# What is where in a container


def form_of(container: Container) -> AsicForm:
    """Which kind it is: by its type if it has one, otherwise by its signature."""
    if MIMETYPE in container.names:
        told = container.read(MIMETYPE, SIGNATURE_MAX_LEN).strip()
        for form in AsicForm:
            if told == form.mimetype.encode("ascii"):
                return form
    return AsicForm.SIMPLE if SIMPLE_SIGNATURE in container.names else AsicForm.EXTENDED


def signature_names(container: Container) -> list[str]:
    """The CAdES signatures."""
    return [name for name in container.names if name.startswith(META) and name.lower().endswith(".p7s")]


def manifest_names(container: Container) -> list[str]:
    """The lists of signed files."""
    return [
        name
        for name in container.names
        if name.startswith(META) and MANIFEST_PART in name and name.lower().endswith(".xml")
    ]


def manifest_of(container: Container, signature: str) -> str:
    """The list of files that a signature is over; raise Malformed if there is none, or several."""
    found = []
    for name in manifest_names(container):
        if read_manifest(container.read(name, SIGNATURE_MAX_LEN)).signature == signature:
            found.append(name)
    if len(found) != 1:
        raise Malformed("the list of files that a signature is over is not there, or there are two")
    return found[0]


def _only_file(container: Container) -> str:
    if len(container.files) != 1:
        raise Malformed("a container of one file (ASiC-S) has several, or none")
    return container.files[0]


# Writing


def _signed_manifest(contents: Mapping[str, WatchedContent], number: int, by: _By) -> dict[str, bytes]:
    """A manifest over all files, and a signature over that."""
    signature = f"{META}signature{number:03}.p7s"
    types = {name: kind for name in contents if (kind := _mime_type(name)) is not None}
    manifest = written_manifest(signature, {name: each.digest for name, each in contents.items()}, types)
    return {f"{META}{MANIFEST_PART}{number:03}.xml": manifest, signature: by.over(manifest, "application/xml")}


def _free_number(container: Container) -> int:
    taken = set(container.names)
    return next(
        number
        for number in range(1, DEFAULT_BOUNDS.entries_max * 2)
        if not {f"{META}signature{number:03}.p7s", f"{META}{MANIFEST_PART}{number:03}.xml"} & taken
    )


def _rewritten(
    old: Container, changed: Mapping[str, bytes], moment: datetime, target: IO[bytes], into: IO[bytes] | None
) -> bytes:
    """The container with some files replaced or added; all others as they are."""
    with container_written(target, form_of(old).mimetype, moment) as writer:
        for name in old.names:
            if name != MIMETYPE and name not in changed:
                writer.add(name, old.pieces(name))
        for name, data in changed.items():
            writer.add(name, [data])
    return target.getvalue() if into is None and isinstance(target, io.BytesIO) else b""


@contextmanager
def _target(into: IO[bytes] | None) -> Iterator[IO[bytes]]:
    yield io.BytesIO() if into is None else into


def _is_reserved(name: str) -> bool:
    return name == MIMETYPE or name.upper().startswith(META)


def _mime_type(name: str) -> str | None:
    return mimetypes.guess_type(name)[0]
