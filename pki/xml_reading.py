"""XML of strangers, read without being led astray, and in canonical form (Canonical XML 1.0 and 1.1, exclusive 1.0).

No document type, so no entities, no default attributes and no external parts; nothing is ever fetched. What canonical
form costs is bounded before it is asked for: it is quadratic in the attributes of an element and the namespaces in
scope.
"""

import copy
from dataclasses import dataclass
from typing import Any, Final

from ecitizen.errors import ConfigError

from .errors import KeyUnsupported, Malformed

Element = Any
"""An element of lxml, which has no types."""
Tree = Any
"""A whole document of lxml, with what stands before and behind its root."""

XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"
_XML: Final = f"{{{XML_NAMESPACE}}}"
_ID_NAMES: Final = ("Id", "ID", "id", f"{_XML}id")
"""Attributes that name an element for a reference. Without a document type nobody says which they are."""


@dataclass(frozen=True, slots=True)
class XmlBounds:
    """How much XML is read. More is refused."""

    document_max_len: int = 64 * 1024 * 1024
    tags_max: int = 2_000_000
    """Signs of markup (`<` and `=`), each of which may cost some hundred bytes of memory."""
    attributes_max: int = 256
    """Attributes of one element."""
    namespaces_max: int = 128
    """Namespace declarations in scope at one place."""
    namespace_work_max: int = 4_000_000
    """The same, added up over all elements: canonical form takes about a second for each million."""


XML_BOUNDS: Final = XmlBounds()


def lxml_etree() -> Any:
    """The module that reads XML, imported when the first document comes; raise ConfigError if it is not installed."""
    try:
        from lxml import etree  # late: it is part of the extra `sign`
    except ImportError:
        raise ConfigError("signed XML needs the package lxml; install ecitizen[sign]") from None
    return etree


def parse_xml(data: bytes, bounds: XmlBounds = XML_BOUNDS) -> Tree:
    """Read a document; raise Malformed for what is not XML or has a document type, KeyUnsupported for too much."""
    etree = lxml_etree()
    if len(data) > bounds.document_max_len or data.count(b"<") + data.count(b"=") > bounds.tags_max:
        raise KeyUnsupported("the XML document is larger than what is read here")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_blank_text=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Malformed("this is not well-formed XML that can be used; get the document again") from None
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None:
        raise Malformed("the XML document has a document type (DOCTYPE), which may change what it says; it is refused")
    _check_shape(root, bounds)
    return tree


def _check_shape(root: Element, bounds: XmlBounds) -> None:
    in_scope, work = 0, 0
    for event, value in lxml_etree().iterwalk(root, events=("start", "start-ns", "end-ns")):
        if event == "start":
            work += in_scope
            if work > bounds.namespace_work_max:
                raise KeyUnsupported("the XML document declares more namespaces than is read here")
            if len(value.attrib) > bounds.attributes_max:
                raise KeyUnsupported(f"an element has more than {bounds.attributes_max} attributes; it is not read")
        else:
            in_scope += 1 if event == "start-ns" else -1
            if in_scope > bounds.namespaces_max:
                raise KeyUnsupported(f"more than {bounds.namespaces_max} namespaces are declared at one place")


def elements_by_id(root: Element) -> dict[str, list[Element]]:
    """All elements that have a name for references, by that name; a name may be there several times."""
    found: dict[str, list[Element]] = {}
    for element in root.xpath("//*[@Id or @ID or @id or @xml:id]"):
        for name in {element.get(attribute) for attribute in _ID_NAMES} - {None}:
            found.setdefault(name, []).append(element)
    return found


def has_comments(tree: Tree) -> bool:
    """Whether there is a comment anywhere in a document."""
    root, kind = tree.getroot(), lxml_etree().Comment
    around = (root.itersiblings(kind, preceding=True), root.itersiblings(kind), root.iter(kind))
    return any(next(each, None) is not None for each in around)


@dataclass(frozen=True, slots=True)
class Form:
    """A canonical form of XML."""

    exclusive: bool = False
    comments: bool = False
    inherits_id: bool = True
    """Whether an element has the `xml:id` of those that it is inside of: so Canonical XML 1.0, and 1.1 not."""
    prefixes: tuple[str, ...] = ()
    """Those that the exclusive form treats as the inclusive one does."""


INCLUSIVE_FORM: Final = Form()


def canonical(what: Element | Tree, form: Form = INCLUSIVE_FORM) -> bytes:
    """The canonical form of a document or an element as it stands in its document.

    In the inclusive form an element has the namespaces and `xml:` attributes of those that it is inside of (Canonical
    XML 1.0, 2.4). Raise Malformed if it has none, as with relative namespace names.
    """
    etree = lxml_etree()
    inherited = {} if form.exclusive or not hasattr(what, "attrib") else _inherited(what, form)
    for name, value in inherited.items():
        what.set(name, value)
    try:
        octets: bytes = etree.tostring(
            what,
            method="c14n",
            exclusive=form.exclusive,
            with_comments=form.comments,
            inclusive_ns_prefixes=list(form.prefixes) or None,
            **({"with_tail": False} if hasattr(what, "attrib") else {}),
        )
    except (etree.LxmlError, ValueError):
        raise Malformed("the XML has no canonical form; it names a namespace that can't be") from None
    finally:
        for name in inherited:
            del what.attrib[name]
    return octets


def _inherited(element: Element, form: Form) -> dict[str, str]:
    """The `xml:` attributes that an element gets from those around it."""
    found: dict[str, str] = {}
    for ancestor in element.iterancestors():
        for name, value in ancestor.attrib.items():
            if name.startswith(_XML) and (form.inherits_id or name != f"{_XML}id"):
                found.setdefault(name, value)
    return {name: value for name, value in found.items() if name not in element.attrib}


def without(tree: Tree, element: Element) -> Tree:
    """A copy of a document from which one element is missing; the text behind it is still there."""
    path = _path(element)
    copied = copy.deepcopy(tree)
    twin = copied.getroot()
    for index in path:
        twin = twin[index]
    parent = twin.getparent()
    if parent is None:
        raise Malformed("a document can't be without its root")
    tail = twin.tail or ""
    before = twin.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    twin.tail = None
    parent.remove(twin)
    return copied


def twin_of(element: Element, tree: Tree) -> Element:
    """The same element in a copy of its document that `without` has made, if what is missing there is inside of it."""
    twin = tree.getroot()
    for index in _path(element):
        twin = twin[index]
    return twin


def _path(element: Element) -> list[int]:
    """Numbers of the children to go to from the root."""
    found = []
    while (parent := element.getparent()) is not None:
        found.append(parent.index(element))
        element = parent
    return found[::-1]
