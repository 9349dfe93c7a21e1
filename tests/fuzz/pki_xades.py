"""Target: signed XML that somebody hands in."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

from lxml import etree

from ecitizen.algorithms import KeyAlgorithm
from pki import xades
from pki.signed import DocumentReport, DocumentVerdict, SignedBounds
from pki.xml_reading import XmlBounds
from tests.unit.signed_xml import (
    ENVELOPED,
    EXCLUSIVE,
    INVOICE,
    NAMES,
    filled,
    person,
    private,
    reference,
    signature,
)
from tests.unit.small_pki import MOMENT

from .target import Cursor, Target

ATTRIBUTES = ("Id", "ID", "id", "URI", "Algorithm", "Target", "Type")
EDITS_MAX = 6
BOUNDS = SignedBounds(signatures_max=4, embedded_certificates_max=4)
XML = XmlBounds(document_max_len=100_000, tags_max=10_000)


@cache
def signed() -> tuple[bytes, ...]:
    """Signed documents of this run, whose key nobody else has."""
    who = person(KeyAlgorithm.P_256)
    own = [xades.sign(INVOICE, who.signer, who.certificate, moment=MOMENT, form=form) for form in xades.XadesForm]
    data = '<ds:Object Id="data"><a>text</a></ds:Object>'
    templates = (
        f"<a><b/>{signature(reference('', ENVELOPED, EXCLUSIVE), form=EXCLUSIVE)}</a>",
        signature(reference("#data"), objects=data),
        f'<a><b Id="p">1</b>{signature(reference("#p"))}</a>',
    )
    return (*own, *(filled(template, private(KeyAlgorithm.P_256)) for template in templates))


@cache
def contents() -> frozenset[bytes]:
    """What these documents say."""
    return frozenset(said(document) for document in signed())


def said(document: bytes) -> bytes:
    """What a document says apart from its signatures; of one that is a signature, what is in its Object."""
    root: Any = etree.fromstring(document)
    if root.tag == f"{{{NAMES['ds']}}}Signature":
        objects = root.findall("ds:Object", NAMES)
        return b"".join(etree.tostring(each, method="c14n", exclusive=True, with_comments=False) for each in objects)
    for one in root.findall(".//ds:Signature", NAMES):
        one.getparent().remove(one)
    return bytes(etree.tostring(root.getroottree(), method="c14n", with_comments=False))


def holds(report: DocumentReport) -> bool:
    """Whether the document would be valid if the signer were trusted, which nobody is here."""
    doubts = [each for one in report.signatures for each in one.findings if each.result in {"failed", "unknown"}]
    return report.verdict is DocumentVerdict.UNTRUSTED and all(each.check == "path" for each in doubts)


def check_document(data: bytes) -> None:
    """Any bytes give a report; signatures hold only on documents that say what was signed."""
    report = xades.verify(data, None, MOMENT, BOUNDS, xml_bounds=XML)
    if holds(report):
        assert said(data) in contents()


def document_seeds() -> Iterator[bytes]:
    yield from signed()
    yield INVOICE
    yield b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'


def check_edits(data: bytes) -> None:
    """The same of documents in which elements were moved, copied, renamed, wrapped: signature wrapping by chance."""
    script = Cursor(data)
    root = etree.fromstring(signed()[script.byte() % len(signed())])
    for _ in range(EDITS_MAX):
        if not script:
            break
        root = edited(root, script).getroottree().getroot()
    check_document(etree.tostring(root.getroottree()))


def edited(root: Any, script: Cursor) -> Any:
    """One edit that the script tells; gives the root, which may be another one."""
    elements = list(root.iter("*"))
    what, other = (elements[script.byte() % len(elements)] for _ in range(2))
    operation, choice = script.byte() % 8, script.byte()
    if operation == 0 and what not in (other, *other.iterancestors()):
        other.insert(choice % (len(other) + 1), what)
    elif operation == 1:
        other.insert(choice % (len(other) + 1), copy.deepcopy(what))
    elif operation == 2 and what is not root:
        what.getparent().remove(what)
    elif operation == 3:
        what.tag = other.tag
    elif operation == 4:
        what.text = other.text if choice else "x"
    elif operation == 5:
        values = ["", "#sig", "#p", "#data", *(value for each in elements for value in each.attrib.values())]
        what.set(ATTRIBUTES[choice % len(ATTRIBUTES)], values[script.byte() % len(values)])
    elif operation == 6:
        what.addnext(etree.Comment("x"))
    elif operation == 7:
        wrapper = etree.Element(other.tag)
        if what is root:
            root = wrapper
        else:
            what.getparent().replace(what, wrapper)
        wrapper.append(what)
    return root


def edit_seeds() -> Iterator[bytes]:
    for number in range(len(signed())):
        yield bytes((number,))
        for operation in range(8):
            yield bytes((number, 3, 1, operation, 1, 9, 7, 0, 5, 2, operation, 2))


TARGETS = (
    Target("signed_xml", check_document, document_seeds, max_len=8000, weight=5),
    Target("signed_xml_edits", check_edits, edit_seeds, max_len=40, weight=5),
)
