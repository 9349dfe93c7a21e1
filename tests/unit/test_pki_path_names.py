"""Names that remember what they are compared by are compared as asn1crypto compares them."""

from asn1crypto import x509 as asn1_x509
from hypothesis import given
from hypothesis import strategies as st

from pki.path_names import Certificate, CertificateList
from tests.unit.small_pki import root

TYPES = ("common_name", "country_name", "surname")
VALUES = ("Somchai", "SOMCHAI", " somchai", "som  chai", "som chai", "สมชาย", "", "a\x1e", "a")
RDN = st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(VALUES)), min_size=1, max_size=2)


def name(rdns: list[list[tuple[str, str]]]) -> asn1_x509.Name:
    sequence = [
        [{"type": kind, "value": asn1_x509.DirectoryString("utf8_string", value)} for kind, value in rdn]
        for rdn in rdns
    ]
    built = asn1_x509.Name("", asn1_x509.RDNSequence(sequence))
    return asn1_x509.Name.load(built.dump())  # DER has an order of its own in a set


def remembering(other: asn1_x509.Name) -> asn1_x509.Name:
    """The same name as a certificate of ours has it."""
    certificate = Certificate.load(root().der)
    kind = type(certificate.subject)
    assert kind is not asn1_x509.Name
    return kind.load(other.dump())


@given(st.lists(RDN, max_size=3), st.lists(RDN, max_size=3))
def test_names_are_the_same_where_they_were(
    first: list[list[tuple[str, str]]], second: list[list[tuple[str, str]]]
) -> None:
    one, two = name(first), name(second)
    ours, theirs = remembering(one), remembering(two)
    for left in (ours, one):
        for right in (theirs, two):
            assert (left == right) is (one == two)
            assert (left != right) is (one != two)
    assert ours.hashable == one.hashable


def test_certificates_and_lists_have_such_names() -> None:
    party = root("Ministry")
    certificate, crl = Certificate.load(party.der), CertificateList.load(party.crl())
    assert type(certificate.subject) is type(certificate.issuer) is type(crl.issuer) is not asn1_x509.Name
    assert certificate.subject == crl.issuer
    assert certificate.subject != "Ministry"
