"""Security objects: written, read back, judged by other software's reader, and refused in every bent form."""

from datetime import UTC, datetime

import pytest
from asn1crypto import cms, core
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError
from pki.authority import Authority
from pki.data_security import (
    SECURITY_OBJECT_MAX_LEN,
    check_signature,
    compare_hashes,
    open_security_object,
    seal,
)
from pki.der import TAG_SET, der, explicit, integer, octet_string, oid, sequence, set_of
from pki.errors import Malformed, PkiError, SignatureInvalid
from pki.keys import FileSigner, digest, generate_key
from pki.requests import self_signed_certificate

MOMENT = datetime(2026, 11, 22, 12, 30, 15, tzinfo=UTC)
GROUPS = {1: b"one", 2: b"two", 13: b"\xff\xd8picture\xff\xd9", 15: b"key", 16: bytes(8)}


def signer(algorithm: KeyAlgorithm = KeyAlgorithm.P_256) -> tuple[FileSigner, bytes]:
    """A key and a certificate for it; whose certificate it is does not matter here."""
    key = FileSigner(generate_key(algorithm))
    return key, Authority.self_signed("Root", moment=MOMENT).issue_authority(key.public_key, "Signer", moment=MOMENT)


KEY, CERTIFICATE = signer()
SEALED = seal(GROUPS, KEY, CERTIFICATE, moment=MOMENT)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.RSA_2048])
@pytest.mark.parametrize("hashed", HashAlgorithm)
def test_what_is_sealed_opens_and_is_signed(algorithm: KeyAlgorithm, hashed: HashAlgorithm) -> None:
    key, certificate = signer(algorithm)
    sealed = open_security_object(seal(GROUPS, key, certificate, moment=MOMENT, hash_algorithm=hashed))
    check_signature(sealed)
    assert sealed.hash_algorithm is hashed
    assert dict(sealed.hashes) == {number: digest(data, hashed) for number, data in GROUPS.items()}
    assert (sealed.certificate, sealed.signed_at) == (certificate, MOMENT)


def test_another_parser_sees_the_form_of_the_standard() -> None:
    info = cms.ContentInfo.load(SEALED, strict=True)
    assert info["content_type"].dotted == "1.2.840.113549.1.7.2"
    signed = info["content"]
    assert signed["version"].native == "v3"
    assert signed["encap_content_info"]["content_type"].dotted == "2.23.136.1.1.1"
    assert [each.chosen.dump() for each in signed["certificates"]] == [CERTIFICATE]
    (one,) = signed["signer_infos"]
    assert one["sid"].chosen["serial_number"].native == signed["certificates"][0].chosen.serial_number
    attributes = {each["type"].native: each["values"][0].native for each in one["signed_attrs"]}
    assert attributes["signing_time"] == MOMENT
    content = signed["encap_content_info"]["content"].native
    assert attributes["message_digest"] == digest(content, HashAlgorithm.SHA_256)
    lds = core.Sequence.load(content)
    assert (lds[0].native, lds[1][0].dotted) == (0, "2.16.840.1.101.3.4.2.1")
    listed = [lds[2][at] for at in range(len(lds[2]))]
    assert [(each[0].native, each[1].native) for each in listed] == [
        (number, digest(GROUPS[number], HashAlgorithm.SHA_256)) for number in sorted(GROUPS)
    ]


def test_the_comparison_names_what_differs() -> None:
    sealed = open_security_object(SEALED)
    assert compare_hashes(sealed, GROUPS).differing == ()
    other = {**GROUPS, 1: b"uno", 7: b"new"}
    del other[13]
    comparison = compare_hashes(sealed, other)
    assert (comparison.changed, comparison.missing, comparison.unsealed) == ((1,), (13,), (7,))
    assert comparison.differing == (1, 7, 13)


@pytest.mark.parametrize("groups", [{}, {1: b""}, {0: b"", 1: b""}, {1: b"", 17: b""}])
def test_what_is_no_set_of_data_groups_is_not_sealed(groups: dict[int, bytes]) -> None:
    with pytest.raises(UsageError, match="2 to 16 data groups"):
        seal(groups, KEY, CERTIFICATE, moment=MOMENT)


def test_the_certificate_must_be_the_signers() -> None:
    with pytest.raises(UsageError, match="belong together"):
        seal(GROUPS, signer()[0], CERTIFICATE, moment=MOMENT)
    key = FileSigner(generate_key(KeyAlgorithm.ED25519))
    certificate = self_signed_certificate(key, "CN=Signer", moment=MOMENT)
    with pytest.raises(UsageError, match="P-256"):
        seal(GROUPS, key, certificate, moment=MOMENT)


class LyingSigner(FileSigner):
    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return super().sign(message + b"!", algorithm)


def test_a_faulty_signer_is_found_out_before_anybody_relies_on_it() -> None:
    key = generate_key(KeyAlgorithm.P_256)
    liar = LyingSigner(key)
    certificate = Authority.self_signed("Root", moment=MOMENT).issue_authority(liar.public_key, "Signer", moment=MOMENT)
    with pytest.raises(SignatureInvalid):
        seal(GROUPS, liar, certificate, moment=MOMENT)


# Bent objects. They are put together here again, part by part, so that each part can be another one.

SIGNED_DATA, LDS = oid("1.2.840.113549.1.7.2"), oid("2.23.136.1.1.1")
CONTENT_TYPE, MESSAGE_DIGEST = oid("1.2.840.113549.1.9.3"), oid("1.2.840.113549.1.9.4")
SHA_256 = sequence(oid("2.16.840.1.101.3.4.2.1"))
SHA_1 = sequence(oid("1.3.14.3.2.26"))
ECDSA_SHA_256 = sequence(oid("1.2.840.10045.4.3.2"))
ES256 = SignatureAlgorithm(SignatureScheme.ECDSA, HashAlgorithm.SHA_256)


def lds(*, version: int = 0, hashed: bytes = SHA_256, groups: list[tuple[int, bytes]] | None = None) -> bytes:
    pairs = groups if groups is not None else [(1, bytes(32)), (15, bytes(32))]
    listed = (sequence(integer(number), octet_string(value)) for number, value in pairs)
    return sequence(integer(version), hashed, sequence(*listed))


def attribute(name: bytes, *values: bytes) -> bytes:
    return sequence(name, der(TAG_SET, *values))


def bent(
    content: bytes | None = None,
    *,
    version: int = 3,
    digests: bytes = SHA_256,
    content_type: bytes = LDS,
    said_type: bytes = LDS,
    certificates: bytes = CERTIFICATE,
    signer_version: int = 1,
    sid: bytes | None = None,
    attributes: list[bytes] | None = None,
    ordered: bool = True,
    algorithm: bytes = ECDSA_SHA_256,
    after: bytes = b"",
    signers: int = 1,
) -> bytes:
    content = lds() if content is None else content
    if sid is None:
        loaded = cms.Certificate.load(CERTIFICATE)
        sid = sequence(loaded.issuer.dump(), integer(loaded.serial_number))
    if attributes is None:
        value = octet_string(digest(content, HashAlgorithm.SHA_256))
        attributes = [attribute(CONTENT_TYPE, said_type), attribute(MESSAGE_DIGEST, value)]
    signed = set_of(attributes) if ordered else der(TAG_SET, *sorted(attributes, reverse=True))
    signature = KEY.sign(signed, ES256)
    info = sequence(
        integer(signer_version), sid, SHA_256, b"\xa0" + signed[1:], algorithm, octet_string(signature), after
    )
    data = sequence(
        integer(version),
        der(TAG_SET, digests),
        sequence(content_type, explicit(0, octet_string(content))),
        explicit(0, certificates),
        der(TAG_SET, *[info] * signers),
    )
    return sequence(SIGNED_DATA, explicit(0, data))


def test_the_unbent_object_is_good() -> None:
    check_signature(open_security_object(bent()))


VALUE = octet_string(bytes(32))
BENT = {
    "version": bent(version=1),
    "digest algorithm": bent(digests=SHA_1),
    "two digest algorithms": bent(digests=SHA_256 + SHA_256),
    "content type": bent(content_type=oid("1.2.840.113549.1.7.1")),
    "said content type": bent(said_type=oid("1.2.840.113549.1.7.1")),
    "no certificate": bent(certificates=b""),
    "two certificates": bent(certificates=CERTIFICATE * 2),
    "another certificate": bent(certificates=signer()[1]),
    "no certificate at all": bent(certificates=sequence(integer(1))),
    "signer version": bent(signer_version=3),
    "signer identifier": bent(sid=sequence(sequence(), integer(1))),
    "no signer": bent(signers=0),
    "two signers": bent(signers=2),
    "unsigned attributes": bent(after=explicit(1, attribute(CONTENT_TYPE, LDS))),
    "no message digest": bent(attributes=[attribute(CONTENT_TYPE, LDS)]),
    "no content type": bent(attributes=[attribute(MESSAGE_DIGEST, VALUE)]),
    "two values": bent(attributes=[attribute(CONTENT_TYPE, LDS), attribute(MESSAGE_DIGEST, VALUE, VALUE)]),
    "attribute twice": bent(attributes=[attribute(CONTENT_TYPE, LDS), *[attribute(MESSAGE_DIGEST, VALUE)] * 2]),
    "attributes out of order": bent(ordered=False),
    "too many attributes": bent(
        attributes=[
            attribute(CONTENT_TYPE, LDS),
            attribute(MESSAGE_DIGEST, VALUE),
            *(attribute(oid(f"1.2.3.{number}"), VALUE) for number in range(9)),
        ]
    ),
    "signing time": bent(
        attributes=[
            attribute(CONTENT_TYPE, LDS),
            attribute(MESSAGE_DIGEST, VALUE),
            attribute(oid("1.2.840.113549.1.9.5"), der(0x17, b"991332000000Z")),
        ]
    ),
    "list version": bent(lds(version=1)),
    "list hash": bent(lds(hashed=SHA_1)),
    "hash length": bent(lds(groups=[(1, bytes(32)), (2, bytes(20))])),
    "group twice": bent(lds(groups=[(1, bytes(32)), (1, bytes(32))])),
    "group 0": bent(lds(groups=[(0, bytes(32)), (1, bytes(32))])),
    "group 17": bent(lds(groups=[(1, bytes(32)), (17, bytes(32))])),
    "negative group": bent(lds(groups=[(-1, bytes(32)), (1, bytes(32))])),
    "one group": bent(lds(groups=[(1, bytes(32))])),
    "bytes behind": bent() + b"\x00",
    "cut off": bent()[:-1],
    "empty": b"",
    "too long": der(0x30, bytes(SECURITY_OBJECT_MAX_LEN)),
    "indefinite length": b"\x30\x80" + bent()[4:] + b"\x00\x00",
}


@pytest.mark.parametrize("name", BENT)
def test_every_other_form_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        open_security_object(BENT[name])


def test_a_signature_over_another_list_is_found_out() -> None:
    wrong = octet_string(bytes(32))
    sealed = open_security_object(bent(attributes=[attribute(CONTENT_TYPE, LDS), attribute(MESSAGE_DIGEST, wrong)]))
    with pytest.raises(Malformed, match="not the one that was signed"):
        check_signature(sealed)


def test_an_algorithm_that_is_not_the_keys_is_refused() -> None:
    for dotted in ("1.2.840.10045.4.3.3", "1.2.840.113549.1.1.11", "1.2.840.10045.4.1"):
        sealed = open_security_object(bent(algorithm=sequence(oid(dotted))))
        with pytest.raises(Malformed, match="algorithm"):
            check_signature(sealed)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, flip: int) -> None:
    """A changed object does not open, is not signed, or says in its certificate alone something else."""
    changed = bytearray(SEALED)
    changed[at] ^= flip
    try:
        sealed = open_security_object(bytes(changed))
        check_signature(sealed)
    except PkiError:
        return
    assert sealed.certificate != CERTIFICATE  # which path validation then finds out
    assert sealed.content == open_security_object(SEALED).content
