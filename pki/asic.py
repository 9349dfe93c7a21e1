"""ASiC: files and their signatures in one container (ETSI EN 319 162-1), signed here with CAdES.

`sign` makes one, `add_signature` has another person sign the same files, `extend` raises levels, `verify` checks.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from ecitizen.errors import ConfigError, UsageError

from . import cms
from .asic_files import META, MIMETYPE, Container, open_container
from .asic_manifest import Manifest, read_manifest
from .asic_signing import (
    SIGNATURE_MAX_LEN,
    AsicForm,
    add_signature,
    extend,
    form_of,
    manifest_names,
    sign,
    signature_names,
)
from .asic_words import found
from .asic_xades import FilesOfContainer, xades_names
from .errors import Malformed
from .path import Finding, Result
from .signed import (
    DEFAULT_BOUNDS,
    DocumentReport,
    DocumentVerdict,
    RevocationSource,
    SignatureReport,
    SignedBounds,
    no_signature,
    unknown,
    verdict_of,
    worst,
)
from .signed_files import Readable
from .signed_trust import Vouching

__all__ = ["AsicForm", "add_signature", "extend", "sign", "verify"]

_KNOWN_META: Final = frozenset({f"{META}manifest.xml", f"{META}container.xml", f"{META}metadata.xml"})
"""Names that containers of other formats have too (4.4.4.1)."""


def verify(
    data: Readable,
    *,
    trust: Vouching | None,
    moment: datetime,
    bounds: SignedBounds = DEFAULT_BOUNDS,
    revocation: RevocationSource | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> DocumentReport:
    """Check a container at a moment: each signature, and that every file is covered by one.

    What is wrong with it is the answer, never an error; raise FileFailed for a file that can't be read,
    UsageError for a moment without a time zone.
    """
    if moment.tzinfo is None:
        raise UsageError("the moment of a check needs a time zone")
    try:
        with open_container(data, bounds) as container:
            settings = {"trust": trust, "moment": moment, "bounds": bounds, "revocation": revocation}
            return _Verification(container, settings, clock() + bounds.seconds, clock).run()
    except Malformed as error:
        return no_signature(moment, found("form", Result.UNKNOWN, "not_container", detail=str(error)))


class _Verification:
    def __init__(
        self, container: Container, settings: dict[str, Any], deadline: float, clock: Callable[[], float]
    ) -> None:
        self.container = container
        self.settings = settings
        self.moment: datetime = settings["moment"]
        self.bounds: SignedBounds = settings["bounds"]
        self.deadline = deadline
        self.clock = clock
        self.findings: list[Finding] = []
        self.covered: set[str] = set()
        self.digests: dict[tuple[str, str], bytes] = {}

    def run(self) -> DocumentReport:
        form = form_of(self.container)
        self._check_form()
        reports: list[SignatureReport] = []
        names = signature_names(self.container)
        if len(names) > self.bounds.signatures_max:
            self.findings.append(unknown("bounds", "bounds", bound="signatures_max"))
        for name in names[: self.bounds.signatures_max]:
            if self.clock() > self.deadline:
                self.findings.append(unknown("bounds", "out_of_time"))
                break
            try:
                reports += self._simple(name) if form is AsicForm.SIMPLE else self._extended(name)
            except Malformed as error:
                wrong = found("form", Result.UNKNOWN, "manifest_wrong", file=name, detail=str(error))
                reports.append(SignatureReport(DocumentVerdict.CANNOT_TELL, None, "cades", None, findings=(wrong,)))
        if form is AsicForm.SIMPLE and len(self.container.files) != 1:
            self.findings.append(found("form", Result.FAILED, "several_files"))
        for name in xades_names(self.container)[: self.bounds.signatures_max]:
            reports += self._xades(name)
        if not reports:
            return no_signature(self.moment, found("form", Result.UNKNOWN, "no_signature"), *self.findings, form=form)
        for name in self.container.files:
            if name not in self.covered:
                self.findings.append(found("covers", Result.FAILED, "not_covered", file=name))
        return DocumentReport(
            verdict_of(reports, self.findings), self.moment, form, tuple(reports), tuple(self.findings)
        )

    def _check_form(self) -> None:
        container = self.container
        if container.hidden:
            self.findings.append(found("form", Result.FAILED, "hidden_data"))
        if container.comment:
            self.findings.append(found("form", Result.NOTED, "comment"))
        if container.names[:1] != (MIMETYPE,) or not container.is_stored(MIMETYPE):
            self.findings.append(found("form", Result.NOTED, "mimetype"))
        signatures, manifests = signature_names(container), manifest_names(container)
        for name in container.names:
            if name.startswith(META) and name not in {*signatures, *manifests, *_KNOWN_META, *xades_names(container)}:
                self.findings.append(found("form", Result.NOTED, "other_evidence", file=name))

    def _simple(self, name: str) -> list[SignatureReport]:
        """ASiC-S: the signature is over the one file."""
        if len(self.container.files) != 1:
            return self._unlisted(name)
        only = self.container.files[0]
        self.covered.add(only)
        signature = self.container.read(name, SIGNATURE_MAX_LEN)
        report = cms.verify(signature, self.container.content(only), covers=only, **self.settings)
        changed = (f"changed: {only}",)
        reports = [
            replace(each, changed=changed) if each.changed and each.format == cms.FORMAT else each
            for each in report.signatures
        ]
        return self._with_document_findings(reports, report)

    def _extended(self, name: str) -> list[SignatureReport]:
        """ASiC-E: the signature is over a list of files with their digests."""
        listed = self._manifest(name)
        if listed is None:
            return self._unlisted(name)
        written, manifest = listed
        report = cms.verify(self.container.read(name, SIGNATURE_MAX_LEN), written, **self.settings)
        findings, changed = self._check_files(manifest)
        covers = ", ".join(each.name for each in manifest.files)
        reports = [
            replace(
                each,
                verdict=worst([each.verdict, DocumentVerdict.ALTERED]) if changed else each.verdict,
                covers=covers,
                changed=(*(("changed: the list of files",) if each.changed else ()), *changed),
                findings=(*each.findings, *findings),
            )
            if each.format == cms.FORMAT
            else replace(each, covers=f"{name}, {each.covers}")
            for each in report.signatures
        ]
        return self._with_document_findings(reports, report)

    def _with_document_findings(self, reports: list[SignatureReport], report: DocumentReport) -> list[SignatureReport]:
        """What was found about a signature file as a whole holds for each signature in it."""
        self.findings += report.findings if reports else ()
        if reports:
            return reports
        return [SignatureReport(report.verdict, None, cms.FORMAT, None, findings=report.findings)]

    def _unlisted(self, name: str) -> list[SignatureReport]:
        missing = found("covers", Result.UNKNOWN, "manifest_missing", file=name)
        return [SignatureReport(DocumentVerdict.CANNOT_TELL, None, cms.FORMAT, None, findings=(missing,))]

    def _manifest(self, signature: str) -> tuple[bytes, Manifest] | None:
        """The one list of files that names this signature."""
        listed = []
        for name in manifest_names(self.container)[: self.bounds.signatures_max]:
            written = self.container.read(name, SIGNATURE_MAX_LEN)
            with suppress(Malformed):
                manifest = read_manifest(written)
                if manifest.signature == signature:
                    listed.append((written, manifest))
        return listed[0] if len(listed) == 1 else None

    def _check_files(self, manifest: Manifest) -> tuple[list[Finding], tuple[str, ...]]:
        findings, changed = [], []
        for each in manifest.files:
            if each.name not in self.container.names:
                findings.append(found("covers", Result.FAILED, "file_missing", file=each.name))
                changed.append(f"missing: {each.name}")
                continue
            self.covered.add(each.name)
            if self._digest(each.name, each.hash) == each.digest:
                findings.append(found("digest", Result.PASSED, "file_unchanged", file=each.name))
            else:
                findings.append(found("digest", Result.FAILED, "file_changed", file=each.name))
                changed.append(f"changed: {each.name}")
        return findings, tuple(changed)

    def _digest(self, name: str, algorithm: str) -> bytes:
        if (name, algorithm) not in self.digests:
            self.digests[name, algorithm] = self.container.content(name).digests([algorithm])[algorithm]
        return self.digests[name, algorithm]

    def _xades(self, name: str) -> list[SignatureReport]:
        """A file of XAdES signatures, which name the files that they are over."""
        left = self.deadline - self.clock()
        if left < 0:
            return [_unread(unknown("bounds", "out_of_time"))]
        files = FilesOfContainer(self.container, name, self._digest)
        try:
            from . import xades  # late: it needs lxml, which is an extra

            settings = {**self.settings, "bounds": replace(self.bounds, seconds=left), "clock": self.clock}
            report = xades.verify(self.container.read(name, SIGNATURE_MAX_LEN), beside=files, **settings)
        except (ConfigError, Malformed) as error:
            return [_unread(found("covers", Result.UNKNOWN, "xades_unknown", file=name, detail=str(error)))]
        self.covered |= files.asked
        self.findings += report.findings if report.signatures else ()
        return list(report.signatures) or [_unread(*report.findings)]


def _unread(*findings: Finding) -> SignatureReport:
    return SignatureReport(DocumentVerdict.CANNOT_TELL, None, "xades", None, findings=findings)
