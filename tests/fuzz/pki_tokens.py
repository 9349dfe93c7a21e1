"""Targets: signed JSON that somebody hands in: JWS, SD-JWT, data packages, sign-in tokens."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from ecitizen.algorithms import KeyAlgorithm
from ecitizen.errors import EcitizenError
from pki import jws
from pki.exchange import ExchangeVerdict, Party, Role, sign_package
from pki.exchange_check import check_package
from pki.exchange_package import ExchangePackage, new_package
from pki.jwk import jwk_of, key_of
from pki.keys import FileSigner, generate_key
from pki.sd_jwt import Hidden, SdJwt, issue, present, read_sd_jwt, verify
from pki.strict_json import from_base64url, read_json, to_base64url, write_json
from pki.web_eid import check_signature, read_token, sign_in
from tests.unit.exchange_desk import CLINIC, CONSENT, PURPOSE
from tests.unit.small_pki import MOMENT, root
from tests.unit.small_pki import Party as Certified

from .target import Cursor, Target

CLAIMS = {"iss": "desk", "a": Hidden({"b": Hidden(1)}), "c": ["d", Hidden("e"), Hidden([Hidden("f")])]}
ORIGIN, NONCE = "https://service.example.go.th", "N" * 44
JSON_MAX_LEN = 5000
EDITS_MAX = 6


@cache
def person() -> Certified:
    """Whoever signs in this run; nobody else has the key."""
    return root()


@cache
def signer() -> FileSigner:
    return FileSigner(person().key)


@cache
def token() -> SdJwt:
    return issue(CLAIMS, signer(), holder=signer().public_key, decoys=1)


@cache
def package() -> ExchangePackage:
    claims = {"health_insurance": {"entitled": True}}
    settings: dict[str, Any] = {"sender": "Desk", "recipient": CLINIC, "purpose": PURPOSE, "consent": CONSENT}
    return new_package(**settings, applications={}, claims=claims, moment=MOMENT)


@cache
def signed() -> bytes:
    other = root("Card")
    parties = [Party(Role.DESK, signer(), person().der), Party(Role.CARD, FileSigner(other.key), other.der)]
    return sign_package(package(), parties, moment=MOMENT)


# JSON and JWS


def check_json(data: bytes) -> None:
    """What is read is written and read as the same; all else is an error of ours."""
    try:
        value = read_json(data, max_len=JSON_MAX_LEN)
    except EcitizenError:
        return
    assert read_json(write_json(value), max_len=10 * JSON_MAX_LEN) == value


def json_seeds() -> Iterator[bytes]:
    yield b'{"a":[1,-2.5e3,true,null,"\\u0e01\\ud83d\\ude00"],"b":{"c":{}}}'
    yield b'{"a":1,"a":2}'
    yield write_json(jwk_of(signer().public_key))


def check_jws(data: bytes) -> None:
    """Any text is a JWS or an error; a signature holds over its own payload only."""
    text = data.decode("latin-1")
    for read in (jws.read_compact, jws.read_general):
        try:
            found = read(text)
            for one in found.signatures:
                jws.verify(found.payload, one, signer().public_key)
        except EcitizenError:
            continue
        assert found.payload in {token().jwt.payload, jws.read_general(signed()).payload, b"payload"}


def jws_seeds() -> Iterator[bytes]:
    made = jws.sign(b"payload", signer(), certificates=[person().der], header={"typ": "test"})
    yield jws.compact(b"payload", made).encode()
    yield jws.general(b"payload", [made, made])
    yield token().token.encode()
    yield signed()


def check_jwk(data: bytes) -> None:
    """Any JSON is a key that comes back, or an error."""
    try:
        key = key_of(read_json(data, max_len=JSON_MAX_LEN))
    except EcitizenError:
        return
    assert key_of(jwk_of(key)) == key


def jwk_seeds() -> Iterator[bytes]:
    for kind in (KeyAlgorithm.P_256, KeyAlgorithm.P_384, KeyAlgorithm.ED25519, KeyAlgorithm.RSA_2048):
        yield write_json(jwk_of(FileSigner(generate_key(kind)).public_key))


# SD-JWT


def check_sd_jwt(data: bytes) -> None:
    """Any text is refused in order, or says nothing that the issuer did not sign for."""
    try:
        found = read_sd_jwt(data.decode("latin-1"))
        claims = verify(found, signer().public_key, moment=MOMENT, unbound=True).claims
    except EcitizenError:
        return
    whole = verify(token(), signer().public_key, moment=MOMENT, unbound=True).claims
    assert claims.keys() <= whole.keys()
    assert claims.get("a", {}).items() <= whole["a"].items()


def sd_jwt_seeds() -> Iterator[bytes]:
    yield str(token()).encode()
    yield present(token(), [("a", "b")], signer(), audience=CLINIC, nonce=NONCE, moment=MOMENT).encode()
    yield (token().token + "~").encode()


def check_payload(data: bytes) -> None:
    """Whatever an issuer signs as payload, with disclosures, is refused in order or free of digests."""
    script = Cursor(data)
    payload = script.piece()
    made = jws.sign(payload, signer(), header={"typ": "dc+sd-jwt"})
    texts = []
    while script:
        texts.append(to_base64url(script.piece()))
    try:
        found = read_sd_jwt("~".join((jws.compact(payload, made), *texts, "")))
        claims = verify(found, signer().public_key, moment=MOMENT, unbound=True).claims
    except EcitizenError:
        return
    assert "_sd" not in names(claims)
    assert "..." not in names(claims)


def names(value: Any) -> set[str]:
    """Names of all members, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    if isinstance(value, list):
        return set().union(*map(names, value))
    return set()


def payload_seeds() -> Iterator[bytes]:
    pieces = [token().jwt.payload, *(from_base64url(each.text) for each in token().disclosures)]
    yield b"".join(b"\xff" + len(each).to_bytes(2, "big") + each for each in pieces)


# Packages


def check_signed(data: bytes) -> None:
    """Any bytes give a report, never "valid" since nobody is trusted; and never out of order."""
    report = check_package(data, None, MOMENT, recipient=CLINIC, guard=None)
    assert report.verdict is not ExchangeVerdict.VALID
    assert report.package is None
    if report.verdict is ExchangeVerdict.UNTRUSTED and report.signatures:
        assert jws.read_general(data).payload == jws.read_general(signed()).payload


def signed_seeds() -> Iterator[bytes]:
    yield signed()


def check_edits(data: bytes) -> None:
    """The same of packages in which members were changed, moved and copied, by chance."""
    script = Cursor(data)
    whole = json.loads(signed())
    payload = json.loads(from_base64url(whole["payload"]))
    for _ in range(EDITS_MAX):
        if script:
            edit(payload, script)
    whole["payload"] = to_base64url(write_json(payload))
    check_signed(write_json(whole))


def edit(root_value: dict[str, Any], script: Cursor) -> None:
    """One edit that the script tells."""
    places = list(objects(root_value))
    what, other = (places[script.byte() % len(places)] for _ in range(2))
    source = sorted(other)[script.byte() % len(other)] if other else "schema"
    target = sorted(what)[script.byte() % len(what)] if what else "a"
    value = json.loads(json.dumps(other.get(source)))  # a copy: nothing may hold itself
    what[target] = (value, None, {}, [], 1, "", {source: value}, [value])[script.byte() % 8]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a value."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects(each)


def edit_seeds() -> Iterator[bytes]:
    for number in range(8):
        yield bytes((number, 1, 2, 3, number, 4, 0, 1, 2, number))


# Sign-in


def check_web_eid(data: bytes) -> None:
    """Any bytes are refused in order, or hold for this origin and nonce by the certificate in them."""
    try:
        found = read_token(data)
        check_signature(found, ORIGIN, NONCE)
    except EcitizenError:
        return
    assert found.algorithm == "ES256"


def web_eid_seeds() -> Iterator[bytes]:
    yield sign_in(signer(), person().der, ORIGIN, NONCE).encode()


TARGETS = (
    Target("token_json", check_json, json_seeds, max_len=400, weight=10),
    Target("token_jws", check_jws, jws_seeds, max_len=3000, weight=6),
    Target("token_jwk", check_jwk, jwk_seeds, max_len=600, weight=4),
    Target("token_sd_jwt", check_sd_jwt, sd_jwt_seeds, max_len=2000, weight=6),
    Target("token_payload", check_payload, payload_seeds, max_len=1200, weight=4),
    Target("token_package", check_signed, signed_seeds, max_len=4000, weight=3),
    Target("token_package_edits", check_edits, edit_seeds, max_len=40, weight=2),
    Target("token_web_eid", check_web_eid, web_eid_seeds, max_len=2000, weight=4),
)
