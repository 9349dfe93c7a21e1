"""XML by those who mean harm: never valid for a document that was not signed as it stands."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ecitizen.algorithms import KeyAlgorithm
from pki import xades
from pki.trust import TrustStore
from tests.unit.signed_xml import (
    DS,
    ENVELOPED,
    INVOICE,
    NAMES,
    XADES,
    checked,
    made,
    person,
    reference,
    signature,
    the,
    trust_in,
    words,
)
from tests.unit.small_pki import MOMENT

P_256, RSA = KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048
PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
WHOLE = reference("", ENVELOPED)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return trust_in(tmp_path_factory.mktemp("trust"))


def signed(document: bytes = INVOICE) -> bytes:
    who = person(P_256)
    return xades.sign(document, who.signer, who.certificate, moment=MOMENT)


def edited(edit: Callable[[Any], None], document: bytes | None = None) -> bytes:
    """A signed document that somebody has changed."""
    root = etree.fromstring(document or signed())
    edit(root)
    return bytes(etree.tostring(root.getroottree()))


# --- wrapping ---


def test_the_signed_document_moved_into_the_signature(trust: TrustStore) -> None:
    """The old root is hidden where nobody looks, and a new document stands in its place."""
    document = made(f'<a Id="r"><pay>100</pay>{signature(reference("#r", ENVELOPED))}</a>')

    def hide(root: Any) -> None:
        one = the(root, "ds:Signature")
        copy = etree.fromstring(etree.tostring(root))
        copy.remove(the(copy, "ds:Signature"))
        etree.SubElement(one, f"{{{DS}}}Object").append(copy)
        root.set("Id", "evil")
        the(root, "pay").text = "1000000"

    report = checked(edited(hide, document), trust)
    assert report.verdict != "valid"
    assert report.covers != "whole document"


@pytest.mark.parametrize("keep_name", [True, False])
def test_a_signed_part_moved_away(keep_name: bool, trust: TrustStore) -> None:
    document = made(f'<a><pay Id="p">100</pay>{signature(reference("#p"))}</a>')

    def move(root: Any) -> None:
        signed_part = the(root, "pay")
        wrapper = etree.SubElement(root, "wrapper")
        forged = etree.Element("pay")
        forged.text = "1000000"
        if keep_name:
            forged.set("Id", "p")
        root.replace(signed_part, forged)
        wrapper.append(signed_part)

    report = checked(edited(move, document), trust)
    assert report.verdict == "cannot-tell"
    if keep_name:
        assert "several elements have the name that was signed; nobody can tell which one was" in words(report)
    else:
        assert report.changed == ("/a/pay", "/a/wrapper")


@pytest.mark.parametrize("attribute", ["Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_a_second_element_of_the_same_name(attribute: str, trust: TrustStore) -> None:
    def add(root: Any) -> None:
        properties = the(root, "//xades:SignedProperties")
        unsigned = etree.SubElement(properties.getparent(), f"{{{XADES}}}UnsignedProperties")
        etree.SubElement(unsigned, "x").set(attribute, properties.get("Id"))

    report = checked(edited(add), trust)
    assert report.verdict == "altered"
    assert report.claimed_at is None


def test_properties_that_were_moved(trust: TrustStore) -> None:
    def move(root: Any) -> None:
        properties = the(root, "//xades:SignedProperties")
        forged = etree.fromstring(etree.tostring(properties))
        forged.set("Id", "forged")
        the(forged, "//xades:SigningTime").text = "2020-01-01T00:00:00Z"
        properties.getparent().replace(properties, forged)
        unsigned = etree.SubElement(forged.getparent(), f"{{{XADES}}}UnsignedProperties")
        unsigned.append(properties)

    report = checked(edited(move), trust)
    assert report.verdict == "altered"
    assert report.claimed_at is None
    assert "the signature's own properties were moved: what was signed is not what it shows" in words(report)


def test_properties_for_another_signature(trust: TrustStore) -> None:
    report = checked(edited(lambda root: the(root, "//xades:QualifyingProperties").set("Target", "#other")), trust)
    assert report.verdict == "altered"


def test_properties_that_are_there_twice(trust: TrustStore) -> None:
    def add(root: Any) -> None:
        holder = etree.SubElement(the(root, "ds:Signature"), f"{{{DS}}}Object")
        etree.SubElement(holder, f"{{{XADES}}}QualifyingProperties", Target="#other")

    report = checked(edited(add), trust)
    assert (report.verdict, report.signer) == ("cannot-tell", None)


def test_a_second_signature_element_inside(trust: TrustStore) -> None:
    def nest(root: Any) -> None:
        properties = the(root, "//xades:QualifyingProperties")
        unsigned = etree.SubElement(properties, f"{{{XADES}}}UnsignedProperties")
        unsigned.append(etree.fromstring(etree.tostring(the(root, "ds:Signature"))))

    report = checked(edited(nest), trust)
    assert report.verdict != "valid"  # all its names are there twice


# --- contents ---


def _text(root: Any) -> None:
    the(root, "//*[local-name()='Total']").text = "107.01"


def _attribute(root: Any) -> None:
    the(root, "//*[local-name()='Total']").set("currency", "USD")


def _name(root: Any) -> None:
    the(root, "//*[local-name()='Total']").tag = "{urn:ram}Totals"


def _space(root: Any) -> None:
    root[0].tail += " "


def _namespace(root: Any) -> None:
    the(root, "//*[local-name()='Total']").tag = "{urn:other}Total"


def _added(root: Any) -> None:
    etree.SubElement(root, "more")


def _order(root: Any) -> None:
    root.insert(0, root[1])


def _language(root: Any) -> None:
    root.set("{http://www.w3.org/XML/1998/namespace}lang", "en")


def _instruction(root: Any) -> None:
    root.addprevious(etree.ProcessingInstruction("xml-stylesheet", 'href="evil.xsl"'))


def _after(root: Any) -> None:
    root.getnext().text = 'of="other"'


def _time(root: Any) -> None:
    the(root, "//xades:SigningTime").text = "2026-11-21T12:00:00Z"


def _value(root: Any) -> None:
    value = the(root, "//ds:SignatureValue")
    value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]


def _method(root: Any) -> None:
    the(root, "//ds:SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384")


def _id(root: Any) -> None:
    the(root, "//ds:Reference").set("Id", "other")


@pytest.mark.parametrize(
    "edit",
    [
        _text, _attribute, _name, _space, _namespace, _added, _order, _language, _instruction, _after, _time, _value,
        _method, _id,
    ],
)  # fmt: skip
def test_whatever_is_changed_is_noticed(edit: Callable[[Any], None], trust: TrustStore) -> None:
    report = checked(edited(edit), trust)
    assert report.verdict == "altered"
    expected: dict[Any, tuple[str, ...]] = {
        _time: ("signed properties",),
        _language: ("whole document", "signed properties"),  # which inherit it
    }
    if edit not in (_value, _method, _id):  # which change the signature and nothing else
        assert report.changed == expected.get(edit, ("whole document",))


def test_comments_are_not_signed_and_that_is_said(trust: TrustStore) -> None:
    report = checked(signed().replace(b">107.00<", b">107<!-- 000 -->.00<"), trust)
    assert report.verdict == "valid"  # XML Signature, 4.4.3.3: a reference to the document leaves comments out
    assert "the document has comments, which nobody signed" in {each.text.en for each in report.findings}


def test_an_object_that_nobody_signed(trust: TrustStore) -> None:
    def add(root: Any) -> None:
        etree.SubElement(the(root, "ds:Signature"), f"{{{DS}}}Object").append(etree.fromstring("<pay>1000000</pay>"))

    report = checked(edited(add), trust)
    assert report.verdict == "cannot-tell"
    assert report.changed == ("/rsm:Invoice/ds:Signature/ds:Object[2]",)


# --- transforms and references ---


@pytest.mark.parametrize(
    "transform",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        f"{DS}base64",
        "http://www.w3.org/2002/07/decrypt#XML",
        "",
        "http://evil.example/",
    ],
)
def test_transforms_that_are_not_followed(transform: str, trust: TrustStore) -> None:
    one = f'<ds:Transform Algorithm="{transform}"/>'
    listed = signature(WHOLE).replace("</ds:Transforms>", f"{one}</ds:Transforms>")
    report = checked(made(f"<a>{listed}</a>"), trust)
    assert report.verdict == "cannot-tell"
    assert "the signature transforms the document in a way that is not followed here" in words(report)
    with_parameters = listed.replace(one, f'<ds:Transform Algorithm="{transform}"><x/></ds:Transform>')
    assert checked(made(f"<a>{with_parameters}</a>"), trust).verdict == "cannot-tell"


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:9/x", "file:///etc/passwd", "other.xml", "#xpointer(/)", "#xpointer(id('b'))", "data:,x", "//x"],
)
def test_references_out_of_the_document_are_not_followed(uri: str, trust: TrustStore) -> None:
    document = made(f"<a><b Id='b'/>{signature(WHOLE)}</a>").replace(b'URI=""', f'URI="{uri}"'.encode())
    report = checked(document, trust)
    assert report.verdict == "altered"  # the signature itself does not fit any more
    assert "what was signed is not in the document, and is not fetched" in words(report)


def test_a_reference_without_a_name(trust: TrustStore) -> None:
    report = checked(made(f"<a>{signature(WHOLE)}</a>").replace(b' URI=""', b""), trust)
    assert report.verdict == "altered"


@pytest.mark.parametrize("references", [[], [WHOLE] * 17], ids=["none", "too many"])
def test_how_many_references(references: list[str], trust: TrustStore) -> None:
    assert checked(made(f"<a>{signature(*references)}</a>"), trust).verdict == "cannot-tell"


def test_a_manifest_is_a_list_of_other_things(trust: TrustStore) -> None:
    objects = f'<ds:Object><ds:Manifest Id="m">{reference("http://x.example/")}</ds:Manifest></ds:Object>'
    document = made(signature(reference("#m", kind=f"{DS}Manifest"), objects=objects))
    report = checked(document, trust)
    assert report.verdict == "cannot-tell"
    assert "what was signed is a list of other things, which were not checked" in words(report)


def test_a_signature_that_takes_itself_out_of_nothing(trust: TrustStore) -> None:
    document = made(f'<a><b Id="b"/>{signature(reference("#b"))}</a>')
    enveloped = f'<ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/></ds:Transforms>'.encode()
    assert checked(document.replace(b'URI="#b">', b'URI="#b">' + enveloped), trust).verdict == "altered"
    alone = made(signature(reference("#d"), objects='<ds:Object Id="d"/>'))
    assert checked(alone.replace(b'URI="#d">', b'URI="">' + enveloped), trust).verdict == "cannot-tell"


SIGNED = signed()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_was_changed_at_random_is_not_valid_unless_it_says_the_same(data: st.DataObject) -> None:
    changed = bytearray(SIGNED)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"<!-- -->", b"&#9;", b" ", b"ds:", b'Id="x"'])
        )
    report = xades.verify(bytes(changed), None, MOMENT)
    if report.verdict == "untrusted":  # as good as it gets without trust
        before, after = (
            etree.tostring(_bare(each), method="c14n", with_comments=False) for each in (SIGNED, bytes(changed))
        )
        assert before == after


def _bare(document: bytes) -> Any:
    root = etree.fromstring(document)
    for one in root.findall("ds:Signature", NAMES):
        root.remove(one)
    return root.getroottree()
