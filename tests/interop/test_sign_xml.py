"""`xmlsec1` verifies what was signed here, and what it has signed from templates is checked here."""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.emulator.card import Card
from ecitizen.ports import PinState
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.transport.pcsc import connect
from pki import xades
from pki.pem import pem
from pki.signed import Level
from pki.xades import XadesForm
from tests.interop.signing_card import PIN, CardKind, Insert, Programs
from tests.unit.signed_xml import (
    C14N,
    ECDSA_SHA_256,
    ENVELOPED,
    EXCLUSIVE,
    INVOICE,
    RSA_SHA_256,
    certificate_of,
    person,
    private,
    reference,
    root,
    signature,
    stamps,
    trust_in,
)
from tests.unit.small_pki import MOMENT

KINDS = [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384]
ID = ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
AT = ["--verification-time", f"{MOMENT:%Y-%m-%d %H:%M:%S}"]
DOCUMENTS = {
    "invoice": INVOICE,
    "small": b"<a/>",
    "windows-874": '<?xml version="1.0" encoding="windows-874"?><a>ใบกำกับภาษี</a>'.encode("cp874"),
    "UTF-16": '<?xml version="1.0" encoding="UTF-16"?><a>ใบกำกับภาษี</a>'.encode("utf-16"),
    "inherited": b'<r xmlns="urn:r" xmlns:u="urn:u" xml:lang="th" xml:id="i" xml:base="http://b/"> <a/></r>',
    "comments": b"<!-- before --><r><!-- inside -->text<!-- between -->text</r><!-- behind -->",
}


def verified(programs: Programs, document: bytes, trusted: bytes, *options: str) -> bool:
    """Whether xmlsec1 says OK, trusting one certificate (DER)."""
    programs.write("trusted.pem", pem(trusted, "CERTIFICATE"))
    programs.write("signed.xml", document)
    done = programs.attempt("xmlsec1", "--verify", *ID, *options, "--trusted-pem", "trusted.pem", "signed.xml")
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "FAIL" in said or "Error" in said, said
    return done.returncode == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_xmlsec1_verifies_it(name: str, kind: KeyAlgorithm, programs: Programs) -> None:
    who = person(kind)
    for form in XadesForm:
        document = xades.sign(DOCUMENTS[name], who.signer, who.certificate, moment=MOMENT, form=form)
        assert verified(programs, document, root().der, *AT)
    altered = document.replace(b"2026-11-22T12", b"2026-11-22T13")
    if altered != document:  # not in UTF-16
        assert not verified(programs, altered, root().der, *AT)


def test_xmlsec1_verifies_what_was_raised(programs: Programs) -> None:
    who = person(KeyAlgorithm.P_256)
    document = xades.sign(INVOICE, who.signer, who.certificate, moment=MOMENT, level=Level.T, timestamps=stamps())
    assert verified(programs, document, root().der, *AT)


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("form", [C14N, EXCLUSIVE, "http://www.w3.org/2006/12/xml-c14n11", f"{EXCLUSIVE}WithComments"])
def test_what_xmlsec1_has_signed_is_valid(form: str, kind: KeyAlgorithm, programs: Programs, tmp_path: Path) -> None:
    key = programs.write("key.pem", private(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    programs.write("own.pem", pem(certificate_of(private(kind)), "CERTIFICATE"))
    method = RSA_SHA_256 if kind is KeyAlgorithm.RSA_2048 else ECDSA_SHA_256
    trust = trust_in(tmp_path / "trust")
    inside = f"<!-- c --><x:b xmlns:x='urn:x'/>{signature(reference('', ENVELOPED, form), form=form, method=method)}"
    enveloped = f"<?pi here?><a xml:lang='th' xmlns:unused='urn:u'>{inside}</a>"
    data = '<ds:Object Id="data"><a xmlns="urn:a"><!-- c -->text</a></ds:Object>'
    enveloping = signature(reference("#data", form), objects=data, form=form, method=method)
    inner = signature(reference("#data", form), objects=data, form=form, method=method)
    inside_of = f'<a xml:lang="th" xml:id="i" xml:space="preserve" xmlns:u="urn:u">{inner}</a>'
    for template, covers, verdict in (
        (enveloped, "whole document", "valid"),
        (enveloping, "/ds:Signature/ds:Object #data", "valid"),
        (inside_of, "/a/ds:Signature/ds:Object #data", "cannot-tell"),  # it does not cover the whole
    ):
        programs.write("template.xml", template.replace("{CERT}", ""))
        sign = ["--sign", "--id-attr:Id", "Object", "--privkey-pem", f"{key},own.pem", "--output", "done.xml"]
        programs.run("xmlsec1", *sign, "template.xml")
        (report,) = xades.verify(programs.read("done.xml"), trust, MOMENT).signatures
        assert (report.verdict, report.covers) == (verdict, covers)
        altered = programs.read("done.xml").replace(b"urn:", b"urn:changed:")
        assert xades.verify(altered, trust, MOMENT).verdict == "altered"


def test_the_card_signs_and_xmlsec1_verifies(
    insert: Insert, signing_card: Callable[..., Card], signing_authorities: Mapping[str, bytes], programs: Programs
) -> None:
    def pin(state: PinState) -> Pin:
        return Pin(PIN)

    for keys, kind in (("9A on P-256", CardKind.THAI_T0), ("9A with RSA", CardKind.THAI_T1)):
        with insert(signing_card(kind, keys)) as (reader,), closing(connect(reader)) as connection:
            signer = PivSession.select(CardSession(connection)).signer(Slot.SIGNATURE, pin)
            assert signer.certificate
            document = xades.sign(INVOICE, signer, signer.certificate, moment=datetime.now(UTC))
        assert verified(programs, document, signing_authorities[keys])
        assert not verified(programs, document.replace(b"107.00", b"107.01"), signing_authorities[keys])
