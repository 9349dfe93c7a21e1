"""What of a document a signature is over: references followed inside it only, digests compared, and what is left.

Of transforms there are the enveloped signature and canonical forms. A signature counts as good only if it covers the
whole document (or, where the document is the signature, all that is in it): what an application reads need not be what
a reference points at, and signature wrapping lives on that.
"""

import hmac
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import new as new_hash
from itertools import islice
from typing import Final, Protocol

from .errors import KeyUnsupported, Malformed
from .signed import DocumentVerdict, Finding, Result, failed, passed, unknown
from .xades_names import CANONICALIZATIONS, DS, ENVELOPED, HASHES, INCLUSIVE, SHA_1, SIGNED_PROPERTIES_TYPE, ds
from .xades_parts import Method, Reference, SignatureParts
from .xades_words import finding
from .xml_reading import Element, Tree, canonical, twin_of, without

_WHOLE: Final = "whole document"
_PROPERTIES: Final = "signed properties"
_UNCOVERED_MAX: Final = 16
"""Places that are named; more are not."""
_MANIFEST_TYPE: Final = f"{DS}Manifest"


@dataclass(frozen=True, slots=True)
class Document:
    """A document, and the time until which it is looked at."""

    tree: Tree
    names: dict[str, list[Element]]
    deadline: float
    clock: Callable[[], float]

    def check_time(self) -> None:
        """Raise OutOfTime if the time is over."""
        if self.clock() > self.deadline:
            raise OutOfTime("the time for checking is over")

    def canonical(self, what: Element | Tree, method: Method, *, comments: bool = False) -> bytes:
        """A canonical form; raise OutOfTime, or KeyUnsupported for a form that is not known."""
        self.check_time()
        form = method.form
        return canonical(what, form if comments else replace(form, comments=False))


class FilesBeside(Protocol):
    """The files beside a signature, as in a container, which its references may name."""

    def name_of(self, uri: str) -> str:
        """The file that a reference names; raise Malformed if it can't be told, or must not be followed."""
        ...

    def digest(self, name: str, algorithm: str) -> bytes | None:
        """The digest of a file by that hash (as hashlib names it); None if there is no such file."""
        ...


class OutOfTime(KeyUnsupported):
    """No more canonical forms are computed."""


@dataclass(slots=True)
class Evidence:
    """What was found of a signature so far."""

    findings: list[Finding] = field(default_factory=list)
    verdicts: list[DocumentVerdict] = field(default_factory=list)

    def wrong(self, found: Finding) -> None:
        """The document is not what was signed."""
        self.verdicts.append(DocumentVerdict.ALTERED)
        self.findings.append(found)

    def doubt(self, found: Finding) -> None:
        """Nobody can tell."""
        self.verdicts.append(DocumentVerdict.CANNOT_TELL)
        self.findings.append(found)


class Coverage:
    """The references of one signature."""

    def __init__(
        self, document: Document, parts: SignatureParts, evidence: Evidence, beside: FilesBeside | None = None
    ) -> None:
        self.document = document
        self.parts = parts
        self.evidence = evidence
        self.beside = beside
        self.files: list[str] = []
        """Of those beside the signature, what was signed and is as it was."""
        self.covered: list[Element | Tree] = []
        """What was signed and is as it was: elements, or the document."""
        self.changed: list[str] = []
        """What was signed and is not as it was, in words."""
        self.properties_signed = False

    def check(self, reference: Reference) -> None:
        """Find what a reference is over, and compare digests."""
        if self.beside is not None and not (reference.uri or "").startswith("#"):
            self._check_file(reference, self.beside)
            return
        target = self._target(reference)
        of_properties = reference.type == SIGNED_PROPERTIES_TYPE
        properties = self.parts.properties
        if of_properties and (properties is None or target is not properties.signed):
            self.evidence.wrong(finding("form", Result.FAILED, "properties_elsewhere", uri=shown(reference.uri)))
            return
        if target is None:
            return
        hashed = self._hash(reference)
        form = self._transformed(target, reference)
        if hashed is None or form is None:
            return
        if self._as_it_was(reference, new_hash(hashed, form, usedforsecurity=False).digest()):
            self.properties_signed |= of_properties
            self.covered.append(target)
        else:
            self.changed.append(self._named(target))

    def _check_file(self, reference: Reference, beside: FilesBeside) -> None:
        """Compare the digest of a file beside the signature, byte for byte: no transform is followed."""
        about = {"uri": shown(reference.uri)}
        if reference.type == SIGNED_PROPERTIES_TYPE:
            self.evidence.wrong(finding("form", Result.FAILED, "properties_elsewhere", **about))
            return
        if reference.transforms:
            refused = shown(reference.transforms[0].uri)
            self.evidence.doubt(finding("covers", Result.UNKNOWN, "transform_refused", transform=refused))
            return
        try:
            name = beside.name_of(reference.uri or "")
        except Malformed as error:
            self.evidence.doubt(finding("covers", Result.UNKNOWN, "reference_refused", **about, detail=str(error)))
            return
        hashed = self._hash(reference)
        if hashed is None:
            return
        self.document.check_time()
        found = beside.digest(name, hashed)
        if found is None:
            self.evidence.wrong(finding("covers", Result.FAILED, "file_missing", **about))
            self.changed.append(f"missing: {shown(name)}")
        elif self._as_it_was(reference, found):
            self.files.append(shown(name))
        else:
            self.changed.append(f"changed: {shown(name)}")

    def _as_it_was(self, reference: Reference, found: bytes) -> bool:
        """Compare the digest of what is there with the one that was signed."""
        about = {"uri": shown(reference.uri), "digest": found.hex()}
        if not hmac.compare_digest(found, reference.digest):
            self.evidence.wrong(failed("digest", "content_changed", **about))
            return False
        self.evidence.findings.append(passed("digest", "content_unchanged", **about))
        if reference.type == _MANIFEST_TYPE:
            self.evidence.doubt(finding("covers", Result.UNKNOWN, "manifest"))
        return True

    def _hash(self, reference: Reference) -> str | None:
        """The hash of a reference, as hashlib names it; None, with a finding, if it is none that is known."""
        found = HASHES.get(reference.digest_method)
        if found is None:
            self.evidence.doubt(unknown("algorithm", "algorithm_weak", hash=shown(reference.digest_method)))
            return "sha1" if reference.digest_method == SHA_1 else None  # a wrong digest says something all the same
        return found

    def _target(self, reference: Reference) -> Element | Tree | None:
        """The document or element that a reference is over; None, with a finding, if there is not exactly one."""
        uri = reference.uri
        if uri == "":
            return self.document.tree
        if uri is None or not uri.startswith("#") or uri.startswith("#xpointer("):
            self.evidence.doubt(finding("covers", Result.UNKNOWN, "reference_refused", uri=shown(uri)))
            return None
        found = self.document.names.get(uri[1:], [])
        if len(found) == 1:
            return found[0]
        word = "reference_twice" if found else "reference_missing"
        (self.evidence.doubt if found else self.evidence.wrong)(finding("covers", Result.FAILED, word, uri=shown(uri)))
        return None

    def _transformed(self, target: Element | Tree, reference: Reference) -> bytes | None:
        """The bytes that were digested; None, with a finding, if they were made in a way that is not followed."""
        transforms = list(reference.transforms)
        enveloped = bool(transforms) and transforms[0].uri == ENVELOPED
        if enveloped:
            transforms.pop(0)
        if len(transforms) > 1 or any(each.uri not in CANONICALIZATIONS for each in transforms):
            refused = next((each.uri for each in transforms if each.uri not in CANONICALIZATIONS), "")
            self.evidence.doubt(finding("covers", Result.UNKNOWN, "transform_refused", transform=shown(refused)))
            return None
        if enveloped:
            whole = target is self.document.tree
            if not whole and target not in self.parts.element.iterancestors():
                self.evidence.doubt(
                    finding("covers", Result.UNKNOWN, "transform_refused", transform="enveloped-signature")
                )
                return None
            if self.parts.element is self.document.tree.getroot():
                raise Malformed("the document is nothing but the signature, which is said not to count")
            self.document.check_time()
            rest = without(self.document.tree, self.parts.element)
            target = rest if whole else twin_of(target, rest)
        # A reference inside the document leaves comments out, whatever its canonical form says (XML Signature, 4.4.3.3)
        return self.document.canonical(target, transforms[0] if transforms else Method(INCLUSIVE))

    def uncovered(self) -> tuple[str, ...]:
        """What of the document was not signed, or is not as it was."""
        return tuple(islice(self._places(), _UNCOVERED_MAX))

    def _places(self) -> Iterator[str]:
        tree, root = self.document.tree, self.document.tree.getroot()
        yield from (_place(each, tree) for each in self.parts.objects if not self._covers_it(each))
        if self.beside is not None:
            return  # what people read are the files, and the document is nothing but their signatures
        if self.parts.element is root:
            if not self.parts.objects:
                yield _place(root, tree)
        elif self._covers_it(root):
            yield from (f"<?{each.target}?>" for each in _instructions(root))
        elif not self._covers_it(tree):
            nothing = object()
            parts = self._parts_not_covered(root)
            first = next(parts, nothing)
            yield _place(root if first is nothing else first, tree)
            yield from (_place(each, tree) for each in parts)

    def _covers_it(self, what: Element | Tree) -> bool:
        return any(each is what for each in self.covered)

    def _parts_not_covered(self, root: Element) -> Iterator[Element]:
        """The children of the root that were not signed, signatures excepted."""
        for child in root.iterchildren("*"):
            if child.tag != ds("Signature") and not self._covers_it(child):
                yield child

    def places(self) -> Iterator[str]:
        """What was signed and is as it was, in words; but for the signature's own properties."""
        yield from self.files
        yield from (name for name in map(self._named, self.covered) if name != _PROPERTIES)

    def _named(self, what: Element | Tree) -> str:
        if self.parts.properties is not None and what is self.parts.properties.signed:
            return _PROPERTIES
        return _WHOLE if what is self.document.tree else _place(what, self.document.tree)


def _instructions(root: Element) -> Iterator[Element]:
    """Processing instructions outside the root, which only a reference to the whole document covers."""
    for side in (root.itersiblings(preceding=True), root.itersiblings()):
        for node in side:
            with suppress(AttributeError):
                if node.target:
                    yield node


def _place(element: Element, tree: Tree) -> str:
    """Where an element stands, with its name for references if it has one."""
    name = element.get("Id") or element.get("ID") or element.get("id")
    path: str = tree.getpath(element)
    return shown(f"{path} #{name}" if name else path)


def shown(text: str | None) -> str:
    """As much of a name in a document as fits into a finding."""
    return (text or "")[:200]
