"""Countersignatures of CMS, made for tests."""

from dataclasses import replace

from ecitizen.ports import Signer
from pki.cms_attributes import signed_attributes
from pki.cms_forms import CONTENT_TYPE, COUNTERSIGNATURE, DATA, SignerInfo, read_attributes, read_signed_data
from pki.cms_signing import new_signer
from pki.der import set_of
from pki.keys import FileSigner, digest
from pki.signed_files import Document
from pki.signing_key import usual_algorithm
from tests.unit.small_pki import MOMENT


def countersigner(signer: FileSigner, over: bytes) -> SignerInfo:
    """A countersignature over the value of a signature, as RFC 5652, 11.4, has it."""
    assert signer.certificate
    info, _ = new_signer(Document(over).whole(), signer, signer.certificate, moment=MOMENT)
    algorithm = usual_algorithm(signer)
    assert algorithm.hash
    whole = signed_attributes(digest(over, algorithm.hash), signer.certificate, algorithm, MOMENT, DATA)
    kept = set_of(each.written for each in read_attributes(whole) if each.type != CONTENT_TYPE)
    return with_attributes(info, signer, kept)


def with_attributes(info: SignerInfo, signer: Signer, attributes: bytes) -> SignerInfo:
    signature = signer.sign(attributes, usual_algorithm(signer))
    return replace(
        info, signed_attributes=attributes, signed=read_attributes(attributes), signature=signature, unsigned=()
    )


def countersigned(signature: bytes, info: bytes, *certificates: bytes) -> bytes:
    """The signature file with a countersignature over its only signature."""
    parts = read_signed_data(signature)
    signers = [parts.signers[0].with_unsigned(COUNTERSIGNATURE, info)]
    return parts.with_signers(signers).adding(certificates).written()


def value_of(signature: bytes) -> bytes:
    return read_signed_data(signature).signers[0].signature
