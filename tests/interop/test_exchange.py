"""Foreign judges of signed JSON: jwcrypto checks what we sign and signs what we check; openssl checks a package."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwcrypto import jwk as foreign_jwk
from jwcrypto import jws as foreign_jws
from jwcrypto.common import json_decode

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from pki import jws
from pki.exchange import Role, chosen_fields
from pki.exchange_claims import claims_of
from pki.exchange_credential import issue_credential, present
from pki.jwk import jwk_of, key_of
from pki.keys import FileSigner, PrivateKey, digest, generate_key, load_public_key, public_key_info
from pki.pem import pem
from pki.sd_jwt import Binding, Hidden, issue, read_sd_jwt, verify
from pki.strict_json import from_base64url, to_base64url, write_json
from tests.interop.signing_card import Programs
from tests.unit.exchange_desk import AGENCY, CLINIC, READING, Desk
from tests.unit.small_pki import MOMENT

PAYLOAD = '{"ชื่อ":"สมชาย"}'.encode()
NONCE = "a nonce of the clinic"
KINDS = {
    "ES256": KeyAlgorithm.P_256,
    "ES384": KeyAlgorithm.P_384,
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), KeyAlgorithm.RSA_2048),
    "EdDSA": KeyAlgorithm.ED25519,
}


@cache
def key(kind: KeyAlgorithm) -> PrivateKey:
    return generate_key(kind)


@cache
def their_private(kind: KeyAlgorithm) -> Any:
    """The key as jwcrypto holds it."""
    return foreign_jwk.JWK.from_pem(key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def their_public(public_key: bytes) -> Any:
    """A public key as jwcrypto reads our JWK of it."""
    return foreign_jwk.JWK(**jwk_of(public_key))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.mark.parametrize("name", KINDS)
def test_jwcrypto_accepts_ours(name: str) -> None:
    signer = FileSigner(key(KINDS[name]))
    made = jws.sign(PAYLOAD, signer, algorithm=name, header={"typ": "test"})
    for text in (jws.compact(PAYLOAD, made), jws.general(PAYLOAD, [made]).decode()):
        judge = foreign_jws.JWS()
        judge.deserialize(text, their_public(signer.public_key))
        assert judge.payload == PAYLOAD
    other = jws.compact(PAYLOAD + b" ", made)
    with pytest.raises(foreign_jws.InvalidJWSSignature):
        foreign_jws.JWS().deserialize(other, their_public(signer.public_key))


@pytest.mark.parametrize("name", KINDS)
def test_we_accept_jwcrypto_s(name: str) -> None:
    made = foreign_jws.JWS(PAYLOAD)
    made.add_signature(their_private(KINDS[name]), None, json.dumps({"alg": name, "typ": "test"}))
    read = jws.read_compact(made.serialize(compact=True))
    public = public_key_info(key(KINDS[name]))
    assert jws.verify(read.payload, read.signatures[0], public) == jws.ALGORITHMS[name].algorithm
    assert read.payload == PAYLOAD


def test_several_signatures_both_ways() -> None:
    kinds = (KeyAlgorithm.P_256, KeyAlgorithm.P_384)
    ours = jws.general(PAYLOAD, [jws.sign(PAYLOAD, FileSigner(key(kind))) for kind in kinds]).decode()
    theirs = foreign_jws.JWS(PAYLOAD)
    for kind, name in zip(kinds, ("ES256", "ES384"), strict=True):
        theirs.add_signature(their_private(kind), None, json.dumps({"alg": name}))
        foreign_jws.JWS().deserialize(ours, their_public(public_key_info(key(kind))))
    read = jws.read_general(theirs.serialize())
    for kind, signature in zip(kinds, read.signatures, strict=True):
        jws.verify(read.payload, signature, public_key_info(key(kind)))


@pytest.mark.parametrize("kind", sorted(set(KINDS.values())))
def test_keys_both_ways(kind: KeyAlgorithm) -> None:
    public = public_key_info(key(kind))
    assert key_of(json_decode(their_private(kind).export_public())) == public
    as_pem = their_public(public).export_to_pem()
    assert as_pem == load_public_key(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_jwcrypto_accepts_both_signatures_of_a_package(desk: Desk) -> None:
    signed = desk.signed()
    for party in (desk.card, desk.desk):
        judge = foreign_jws.JWS()
        judge.deserialize(signed.decode(), their_public(party.signer.public_key))
        assert json.loads(judge.payload)["recipient"] == CLINIC
    roles = [json.loads(from_base64url(each["protected"]))["role"] for each in json.loads(signed)["signatures"]]
    assert roles == list(Role)


def test_jwcrypto_accepts_both_signatures_of_a_presented_credential(desk: Desk) -> None:
    claims = claims_of(READING, MOMENT)
    fields = chosen_fields(READING, {"citizen_id": ["name_th"]})
    issued = issue_credential(
        desk.desk, desk.holder.der, issuer=AGENCY, moment=MOMENT, applications=fields, claims=claims
    )
    path = ("claims", "health_insurance", "entitled")
    signer = FileSigner(desk.holder.key)
    token, disclosure, binding = present(issued, [path], signer, audience=CLINIC, nonce=NONCE, moment=MOMENT).split("~")
    for text, public in ((token, desk.desk.signer.public_key), (binding, signer.public_key)):
        foreign_jws.JWS().deserialize(text, their_public(public))
    assert json.loads(from_base64url(disclosure))[1:] == ["entitled", True]


def test_we_accept_a_credential_that_jwcrypto_signed() -> None:
    """Of all of it only the disclosures are ours: issuer and holder sign with jwcrypto."""
    issuer, holder = (key(kind) for kind in (KeyAlgorithm.P_256, KeyAlgorithm.P_384))
    model = issue({"a": Hidden("b")}, FileSigner(issuer), holder=public_key_info(holder))
    token = foreign_jws.JWS(model.jwt.payload)
    token.add_signature(their_private(KeyAlgorithm.P_256), None, json.dumps({"alg": "ES256", "typ": "dc+sd-jwt"}))
    text = "~".join((token.serialize(compact=True), model.disclosures[0].text, ""))
    over = to_base64url(digest(text.encode(), HashAlgorithm.SHA_256))
    proof = {"aud": CLINIC, "nonce": NONCE, "iat": int(MOMENT.timestamp()), "sd_hash": over}
    binding = foreign_jws.JWS(write_json(proof))
    binding.add_signature(their_private(KeyAlgorithm.P_384), None, json.dumps({"alg": "ES384", "typ": "kb+jwt"}))
    whole = read_sd_jwt(text + binding.serialize(compact=True))
    verified = verify(
        whole, public_key_info(issuer), moment=MOMENT + timedelta(seconds=1), binding=Binding(CLINIC, NONCE)
    )
    assert verified.claims["a"] == "b"


def test_openssl_accepts_the_signatures_of_a_package(
    desk: Desk, foreign_program: Callable[[str], str], tmp_path: Path
) -> None:
    programs = Programs(foreign_program, tmp_path)
    read = jws.read_general(desk.signed())
    for number, signature in enumerate(read.signatures):
        message = f"{signature.protected}.{to_base64url(read.payload)}".encode()
        certificate = programs.write("c.pem", pem(signature.certificates[0], "CERTIFICATE"))
        public = programs.write("p.pem", programs.run("openssl", "x509", "-in", certificate, "-pubkey", "-noout"))
        r, s = (int.from_bytes(signature.signature[at : at + 32], "big") for at in (0, 32))
        der = programs.write("s.der", encode_dss_signature(r, s))
        name = programs.write(f"m{number}.txt", message)
        said = programs.run("openssl", "dgst", "-sha256", "-verify", public, "-signature", der, name)
        assert said == "Verified OK\n"
