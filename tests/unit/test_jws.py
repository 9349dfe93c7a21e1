"""JSON Web Signatures, their JSON and their keys: a published example, all algorithms, and what is refused."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.errors import EcitizenError, UsageError
from pki import jws
from pki.errors import KeyUnsupported, Malformed, SignatureInvalid
from pki.jwk import jwk_of, key_of
from pki.keys import FileSigner, generate_key, public_key_info
from pki.strict_json import (
    from_base64,
    from_base64url,
    read_json,
    read_object,
    text_member,
    to_base64,
    to_base64url,
    write_json,
)
from tests.signing_people import Counting
from tests.unit.small_pki import root

PAYLOAD = '{"ชื่อ":"สมชาย"}'.encode()
KINDS = {
    "ES256": KeyAlgorithm.P_256,
    "ES384": KeyAlgorithm.P_384,
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), KeyAlgorithm.RSA_2048),
    **dict.fromkeys(("EdDSA", "Ed25519"), KeyAlgorithm.ED25519),
}

# RFC 7515, appendix A.3: ECDSA P-256
EXAMPLE_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
EXAMPLE = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


@cache
def signer(kind: KeyAlgorithm) -> FileSigner:
    return FileSigner(generate_key(kind))


def P256() -> FileSigner:  # noqa: N802 - the name of the curve
    return signer(KeyAlgorithm.P_256)


# Signatures


def test_the_rfc_s_example_holds() -> None:
    read = jws.read_compact(EXAMPLE)
    assert jws.verify(read.payload, read.signatures[0], key_of(EXAMPLE_KEY)).hash is HashAlgorithm.SHA_256
    assert json.loads(read.payload) == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}


@pytest.mark.parametrize("name", jws.ALGORITHMS)
def test_each_algorithm_signs_and_holds(name: str) -> None:
    key = Counting(signer(KINDS[name]))
    shown: list[bytes] = []
    made = jws.sign(PAYLOAD, key, algorithm=name, show=lambda digest, _: shown.append(digest))
    assert (key.used, len(shown)) == (1, 1)
    for read in (jws.read_compact(jws.compact(PAYLOAD, made)), jws.read_general(jws.general(PAYLOAD, [made]))):
        assert read == jws.Jws(PAYLOAD, (made,))
        assert jws.verify(PAYLOAD, read.signatures[0], key.public_key) == jws.ALGORITHMS[name].algorithm
        with pytest.raises(SignatureInvalid):
            jws.verify(PAYLOAD + b" ", read.signatures[0], key.public_key)


@pytest.mark.parametrize("name", jws.ALGORITHMS)
@pytest.mark.parametrize("kind", sorted(set(KINDS.values())))
def test_an_algorithm_is_bound_to_its_kind_of_key(name: str, kind: KeyAlgorithm) -> None:
    made = jws.sign(PAYLOAD, signer(KINDS[name]), algorithm=name)
    if KINDS[name] is not kind:
        with pytest.raises(SignatureInvalid, match="does not have"):
            jws.verify(PAYLOAD, made, signer(kind).public_key)
        with pytest.raises(UsageError):
            jws.sign(PAYLOAD, signer(kind), algorithm=name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("p256", "ES256"), ("p384", "ES384"), ("rsa2048", "RS512"), ("ed25519", "EdDSA")],
)
def test_the_best_algorithm_of_a_key(kind: str, name: str) -> None:
    assert jws.jose_algorithm(signer(KeyAlgorithm(kind))) == name


def test_a_refusal_to_sign_uses_no_key() -> None:
    key = Counting(P256())

    def refuse(_digest: bytes, _algorithm: HashAlgorithm) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        jws.sign(PAYLOAD, key, show=refuse)
    assert key.used == 0


def test_certificates_go_along_and_must_fit() -> None:
    party = root()
    made = jws.sign(PAYLOAD, FileSigner(party.key), certificates=[party.der, party.der])
    assert jws.read_compact(jws.compact(PAYLOAD, made)).signatures[0].certificates == (party.der, party.der)
    assert len(from_base64url(made.header["x5t#S256"])) == 32
    with pytest.raises(UsageError, match="not for this key"):
        jws.sign(PAYLOAD, P256(), certificates=[party.der])


@pytest.mark.parametrize("name", ["alg", "crit", "b64", "x5c", "x5t#S256"])
def test_a_header_does_not_set_what_is_set_here(name: str) -> None:
    with pytest.raises(UsageError):
        jws.sign(PAYLOAD, P256(), header={name: "none"})


def test_several_signatures_are_over_one_payload() -> None:
    signers = [signer(kind) for kind in (KeyAlgorithm.P_256, KeyAlgorithm.P_384)]
    text = jws.general(PAYLOAD, [jws.sign(PAYLOAD, each, header={"role": each.key_algorithm}) for each in signers])
    read = jws.read_general(text)
    for each, made in zip(signers, read.signatures, strict=True):
        jws.verify(read.payload, made, each.public_key)
    with pytest.raises(SignatureInvalid):
        jws.verify(read.payload, read.signatures[0], signers[1].public_key)
    with pytest.raises(UsageError):
        jws.general(PAYLOAD, [])


# What is refused


def forged(header: dict[str, Any] | bytes, signature: str = "AAAA") -> str:
    text = header if isinstance(header, bytes) else write_json(header)
    return f"{to_base64url(text)}.{to_base64url(PAYLOAD)}.{signature}"


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES512"},
        {"alg": ["ES256"]},
        {"alg": {"ES256": 1}},
        {"alg": "ES256", "crit": ["exp"], "exp": 1},
        {"alg": "ES256", "crit": []},
        {"alg": "ES256", "b64": False},
        {"alg": "ES256", "x5c": []},
        {"alg": "ES256", "x5c": "MIIB"},
        {"alg": "ES256", "x5c": [1]},
        {"alg": "ES256", "x5c": ["not base64"]},
        {"alg": "ES256", "x5c": ["AAAA"] * 9},
        {"alg": "ES256", "x5c": ["AAAA"], "x5t#S256": "AAAA"},
        b'{"alg":"ES256","alg":"ES256"}',
        b'{"alg":"ES256"',
        b'["ES256"]',
        b'{"alg":"ES256","x":"\\ud800"}',
        b'{"alg":"ES256","x":' + b" " * 70_000 + b"1}",
    ],
    ids=lambda each: str(each)[:50],
)
def test_headers_that_are_refused(header: Any) -> None:
    with pytest.raises(Malformed):
        jws.read_compact(forged(header))


@pytest.mark.parametrize(
    "text", ["", "a", "a.b", "a.b.c.d", "..", forged({"alg": "ES256"}, "A"), forged({"alg": "ES256"}, "AB==")]
)
def test_compact_texts_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        jws.read_compact(text)


def entry(**members: Any) -> dict[str, Any]:
    protected, _, signature = forged({"alg": "ES256"}).split(".")
    return {"protected": protected, "signature": signature, **members}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"payload": "AAAA"},
        {"payload": "AAAA", "signatures": []},
        {"payload": "AAAA", "signatures": {}},
        {"payload": "AAAA", "signatures": [1]},
        {"payload": "AAAA", "signatures": [entry()] * 17},
        {"payload": "AAAA", "signatures": [entry(header={"kid": "1"})]},
        {"payload": "AAAA", "signatures": [entry(protected=None)]},
        {"payload": "AAAA", "signatures": [entry(signature="A" * 1400)]},
        {"payload": {"a": 1}, "signatures": [entry()]},
        {"payload": "AAB", "signatures": [entry()]},
    ],
    ids=lambda each: str(each)[:60],
)
def test_general_texts_that_are_none(value: Any) -> None:
    with pytest.raises(Malformed):
        jws.read_general(write_json(value))


def test_members_that_nobody_signed_are_left_behind() -> None:
    text = write_json({"payload": "AAAA", "signatures": [entry(more=1)], "more": 2})
    assert jws.read_general(text).payload == b"\0\0\0"


@pytest.mark.parametrize("length", [0, 63, 65, 70])
def test_ecdsa_signatures_have_one_length(length: int) -> None:
    made = jws.sign(PAYLOAD, P256())
    other = jws.JwsSignature(made.protected, made.header, bytes(length))
    with pytest.raises(SignatureInvalid, match="64 bytes"):
        jws.verify(PAYLOAD, other, P256().public_key)


def test_der_is_no_signature_of_jws() -> None:
    made = jws.sign(PAYLOAD, P256())
    message = f"{made.protected}.{to_base64url(PAYLOAD)}".encode()
    der = P256().sign(message, jws.ALGORITHMS["ES256"].algorithm)
    with pytest.raises(SignatureInvalid):
        jws.verify(PAYLOAD, jws.JwsSignature(made.protected, made.header, der), P256().public_key)


def test_too_much_is_not_read() -> None:
    for read in (jws.read_compact, jws.read_general):
        with pytest.raises(Malformed, match="longer"):
            read("A" * 101, max_len=100)


# Keys


@pytest.mark.parametrize("kind", [each for each in KeyAlgorithm if each.value in set(KINDS.values())])
def test_a_key_as_jwk_and_back(kind: KeyAlgorithm) -> None:
    key = signer(kind).public_key
    assert key_of(jwk_of(key)) == key
    assert key_of({**jwk_of(key), "kid": "x", "use": "sig"}) == key


def test_x25519_signs_nothing() -> None:
    with pytest.raises(UsageError):
        jwk_of(public_key_info(generate_key(KeyAlgorithm.X25519)))


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct"},
        {"kty": ["EC"]},
        {"crv": "P-521"},
        {"crv": 1},
        {"x": EXAMPLE_KEY["y"]},
        {"x": "AAAA"},
        {"y": None},
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "AQAB", "e": "AAEA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "X25519"},
    ],
    ids=str,
)
def test_a_jwk_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        key_of({**EXAMPLE_KEY, **change})


def test_a_jwk_that_is_too_weak() -> None:
    with pytest.raises(KeyUnsupported):
        key_of({"kty": "RSA", "n": to_base64url((1 << 1023 | 1).to_bytes(128, "big")), "e": "AQAB"})
    with pytest.raises(Malformed):
        key_of([])


# JSON


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1,"a":1}',
        b'[{"a":1,"\\u0061":2}]',
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"9" * 41,
        b'"\\udfff"',
        b'{"\\ud83d":1}',
        b'"\xff"',
        "﻿{}".encode(),
        b"[" * 34 + b"]" * 34,
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
    ids=lambda each: str(each)[:40],
)
def test_json_that_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        read_json(text, max_len=200_000)


def test_json_at_its_bounds() -> None:
    assert read_json(b"[" * 32 + b"]" * 32, max_len=64) is not None
    assert read_json(b"9" * 40, max_len=40) == int("9" * 40)
    assert read_json('"\\ud83d\\ude00"', max_len=14) == "😀"
    with pytest.raises(Malformed, match="longer"):
        read_json(b"123", max_len=2)
    with pytest.raises(Malformed, match="no object"):
        read_object(b"[]", max_len=2)
    with pytest.raises(Malformed, match="name"):
        text_member({"name": 1}, "name")


@pytest.mark.parametrize("text", ["A", "AAAAA", "AB==", "AB", "A+AA", "A/AA", "AA AA", "AAA\n", "ก", None, 1, b"AAAA"])
def test_base64url_that_is_none(text: Any) -> None:
    with pytest.raises(Malformed):
        from_base64url(text)


@pytest.mark.parametrize("text", ["A", "AA", "AAA", "AB==", "A-AA", "AA AA", "AAAA=", "AA==\n", "====", None, b"AAAA"])
def test_base64_that_is_none(text: Any) -> None:
    with pytest.raises(Malformed):
        from_base64(text)


@given(st.binary(max_size=50))
def test_base64_comes_back(data: bytes) -> None:
    assert from_base64url(to_base64url(data)) == data
    assert from_base64(to_base64(data)) == data


@given(st.text(max_size=20))
def test_there_is_one_base64url_for_each_value(text: str) -> None:
    try:
        data = from_base64url(text)
    except Malformed:
        return
    assert to_base64url(data) == text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_comes_back(value: Any) -> None:
    assert read_json(write_json(value), max_len=100_000) == value


READERS: list[Callable[[bytes], Any]] = [
    jws.read_general,
    lambda data: jws.read_compact(data.decode("latin-1")),
    lambda data: jws.read_compact(forged(data)),
    lambda data: read_json(data, max_len=1000),
]


@pytest.mark.parametrize("number", range(len(READERS)))
@given(data=st.binary(max_size=60) | JSON.map(write_json))
def test_any_bytes_are_read_or_refused_in_order(number: int, data: bytes) -> None:
    with suppress(EcitizenError):
        READERS[number](data)


@given(JSON)
def test_any_jwk_is_read_or_refused_in_order(value: Any) -> None:
    for jwk in (value, {"kty": value}, {**EXAMPLE_KEY, "x": value}, {"kty": "RSA", "n": value, "e": value}):
        with pytest.raises(EcitizenError):
            key_of(jwk)
