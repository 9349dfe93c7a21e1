"""Foreign judges of sign-in: openssl checks our tokens by the rule of Web eID, and makes tokens that we check."""

import hashlib
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from cardapps.piv.driver import PivSession
from cardapps.piv.layout import Slot
from ecitizen.algorithms import KeyAlgorithm
from ecitizen.secret import Pin
from ecitizen.session import CardSession
from ecitizen.testing import virtual_card
from ecitizen.transport.virtual import VirtualReader
from pki.keys import FileSigner, private_key_info
from pki.pem import pem
from pki.strict_json import from_base64, to_base64
from pki.web_eid import check_signature, read_token, sign_in
from pki.web_eid_nonces import new_nonce
from tests.interop.signing_card import Programs
from tests.signing_people import SigningPeople

ORIGIN = "https://service.example.go.th"
HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
CASES = {
    "ES256": KeyAlgorithm.P_256,
    "ES384": KeyAlgorithm.P_384,
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), KeyAlgorithm.RSA_2048),
}


@pytest.fixture(scope="module")
def programs(foreign_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(foreign_program, tmp_path_factory.mktemp("judges"))


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> dict[KeyAlgorithm, FileSigner]:
    people = SigningPeople(tmp_path_factory.mktemp("people"))
    return {kind: people.certified(kind) for kind in sorted(set(CASES.values()))}


def message(name: str, nonce: str) -> bytes:
    """What is signed, worked out without our code."""
    hashed = HASHES[name[2:]]
    return hashed(ORIGIN.encode()).digest() + hashed(nonce.encode()).digest()


def options(name: str) -> list[str]:
    padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
    return [f"-sha{name[2:]}", *(padding if name.startswith("PS") else [])]


def openssl_accepts(programs: Programs, token_text: str, nonce: str) -> None:
    token = json.loads(token_text)
    name, signature = token["algorithm"], from_base64(token["signature"])
    if name.startswith("ES"):
        half = len(signature) // 2
        signature = encode_dss_signature(
            *(int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        )
    certificate = programs.write("c.pem", pem(from_base64(token["unverifiedCertificate"]), "CERTIFICATE"))
    public = programs.write("p.pem", programs.run("openssl", "x509", "-in", certificate, "-pubkey", "-noout"))
    files = [programs.write("s.bin", signature), programs.write("m.bin", message(name, nonce))]
    said = programs.run("openssl", "dgst", *options(name), "-verify", public, "-signature", *files)
    assert said == "Verified OK\n"


@pytest.mark.parametrize("name", CASES)
def test_openssl_accepts_our_tokens(programs: Programs, signers: dict[KeyAlgorithm, FileSigner], name: str) -> None:
    signer, nonce = signers[CASES[name]], new_nonce()
    assert signer.certificate is not None
    openssl_accepts(programs, sign_in(signer, signer.certificate, ORIGIN, nonce, algorithm=name), nonce)


@pytest.mark.parametrize("name", CASES)
def test_we_accept_openssl_s_tokens(programs: Programs, signers: dict[KeyAlgorithm, FileSigner], name: str) -> None:
    signer, nonce = signers[CASES[name]], new_nonce()
    assert signer.certificate is not None
    key = programs.write("k.pem", pem(private_key_info(signer._key).reveal(), "PRIVATE KEY"))
    content = programs.write("m.bin", message(name, nonce))
    programs.run("openssl", "dgst", *options(name), "-sign", key, "-out", "s.bin", content)
    signature = programs.read("s.bin")
    if name.startswith("ES"):
        half = int(name[2:]) // 8
        signature = b"".join(number.to_bytes(half, "big") for number in decode_dss_signature(signature))
    token = {
        "unverifiedCertificate": to_base64(signer.certificate),
        "algorithm": name,
        "signature": to_base64(signature),
        "format": "web-eid:1.0",
        "appVersion": "https://web-eid.eu/web-eid-app/releases/2.5.0+0",
    }
    check_signature(read_token(json.dumps(token)), ORIGIN, nonce)


def test_openssl_accepts_what_a_card_signs(programs: Programs) -> None:
    piv = PivSession.select(CardSession(VirtualReader(virtual_card("somchai", piv=True)).connect()))
    signer = piv.signer(Slot.AUTHENTICATION, lambda state: Pin("123456"))
    assert signer.certificate is not None
    nonce = new_nonce()
    openssl_accepts(programs, sign_in(signer, signer.certificate, ORIGIN, nonce), nonce)
