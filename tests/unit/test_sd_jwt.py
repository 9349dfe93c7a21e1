"""Selective disclosure: the RFC's own examples, tokens of ours, and every rule that a token can break."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.algorithms import HashAlgorithm, KeyAlgorithm
from ecitizen.errors import EcitizenError, UsageError
from pki import jws
from pki.errors import Malformed, SignatureInvalid
from pki.jwk import jwk_of, key_of
from pki.keys import FileSigner, generate_key
from pki.keys import digest as hash_of
from pki.sd_jwt import (
    Binding,
    Disclosure,
    Hidden,
    SdJwt,
    hidden_paths,
    issue,
    new_nonce,
    present,
    read_sd_jwt,
    select,
    verify,
)
from pki.strict_json import to_base64url, write_json
from pki.token_errors import TokenProblem, TokenRefused
from tests.signing_people import Counting
from tests.unit import sd_jwt_examples as rfc

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = int(MOMENT.timestamp())
THEN = datetime.fromtimestamp(rfc.PRESENTED_AT, UTC)
EXAMPLE = frozenset({"example+sd-jwt"})
CLINIC, NONCE = "https://clinic.example.go.th", "N" * 22
ISSUER = FileSigner(generate_key(KeyAlgorithm.P_256))
HOLDER = FileSigner(generate_key(KeyAlgorithm.P_384))
CLAIMS = {
    "iss": "desk",
    "exp": NOW + 3600,
    "address": Hidden({"province": Hidden("เชียงใหม่"), "house_no": "1"}),
    "scheme": {"code": Hidden("UCS"), "open": True},
    "names": ["a", Hidden("b"), Hidden(["c", Hidden("d")])],
}


# The RFC's examples


def test_the_rfc_s_issued_token_says_what_the_rfc_says() -> None:
    verified = verify(read_sd_jwt(rfc.ISSUED_5), key_of(rfc.ISSUER), moment=THEN, types=EXAMPLE, unbound=True)
    assert verified.claims == rfc.CLAIMS_5
    assert set(verified.disclosed) == set(rfc.PATHS_5)
    assert verified.holder_key == key_of(rfc.HOLDER)


def test_the_rfc_s_presentation_says_what_the_rfc_says() -> None:
    binding = Binding(rfc.AUDIENCE, rfc.NONCE)
    token = read_sd_jwt(rfc.PRESENTED_5)
    verified = verify(token, key_of(rfc.ISSUER), moment=THEN, types=EXAMPLE, binding=binding)
    assert verified.claims == rfc.PROCESSED_5
    assert verified.bound_at == THEN
    assert str(token) == rfc.PRESENTED_5


def test_the_rfc_s_element_that_hides_more() -> None:
    token = read_sd_jwt(rfc.PRESENTED_A2)
    verified = verify(token, key_of(rfc.ISSUER), moment=THEN, types=EXAMPLE, unbound=True)
    assert verified.claims == rfc.PROCESSED_A2
    assert ("verified_claims", "verification", "evidence", 0, "method") in verified.disclosed


def test_the_rfc_s_disclosures_in_disclosures() -> None:
    payload = write_json(rfc.PAYLOAD_6_3)
    signed = jws.compact(payload, jws.sign(payload, ISSUER, header={"typ": "dc+sd-jwt"}))
    both = read_sd_jwt("~".join((signed, rfc.ADDRESS_6_3, rfc.REGION_6_3, "")))
    verified = verify(both, ISSUER.public_key, moment=THEN, unbound=True)
    assert verified.claims["address"] == {"region": "Sachsen-Anhalt"}
    assert both.disclosures[1].digest(both.hash_algorithm) == rfc.REGION_DIGEST
    alone = read_sd_jwt("~".join((signed, rfc.REGION_6_3, "")))
    with refused(TokenProblem.DISCLOSURE):
        verify(alone, ISSUER.public_key, moment=THEN, unbound=True)


@pytest.mark.parametrize("number", range(len(rfc.DISCLOSURES_5)))
def test_a_disclosure_of_the_rfc_with_one_letter_changed_is_refused(number: int) -> None:
    texts = list(rfc.DISCLOSURES_5)
    letter = "A" if texts[number][10] != "A" else "B"
    texts[number] = texts[number][:10] + letter + texts[number][11:]
    with pytest.raises((TokenRefused, Malformed)):
        check(read_sd_jwt("~".join((rfc.JWT_5, *texts, ""))), key_of(rfc.ISSUER), types=EXAMPLE, moment=THEN)


# Ours


def check(token: SdJwt, key: bytes = ISSUER.public_key, **options: Any) -> Any:
    return verify(token, key, **{"moment": MOMENT, "unbound": True, **options})


def refused(problem: TokenProblem) -> Any:
    return pytest.raises(TokenRefused, check=lambda error: error.problem is problem)


@pytest.fixture(scope="module")
def issued() -> SdJwt:
    return issue(CLAIMS, ISSUER, holder=HOLDER.public_key, decoys=2)


def shown(issued: SdJwt, *paths: tuple[str | int, ...], **options: Any) -> SdJwt:
    wanted = {"audience": CLINIC, "nonce": NONCE, "moment": MOMENT, **options}
    return read_sd_jwt(present(issued, paths, HOLDER, **wanted))


def test_everything_disclosed_is_what_was_issued(issued: SdJwt) -> None:
    again = read_sd_jwt(str(issued))
    assert again == issued
    claims = check(again).claims
    assert claims["address"] == {"province": "เชียงใหม่", "house_no": "1"}
    assert claims["scheme"] == {"code": "UCS", "open": True}
    assert claims["names"] == ["a", "b", ["c", "d"]]
    assert claims["cnf"] == {"jwk": jwk_of(HOLDER.public_key)}


def test_nothing_disclosed_says_nothing_hidden(issued: SdJwt) -> None:
    claims = check(select(issued, [])).claims
    assert claims["names"] == ["a"]
    assert claims["scheme"] == {"open": True}
    assert "address" not in claims
    for hidden in ("เชียงใหม่", "house_no", "UCS", "province"):
        assert hidden.encode() not in issued.jwt.payload


def test_a_path_brings_what_is_around_it_and_no_more(issued: SdJwt) -> None:
    binding = Binding(CLINIC, NONCE)
    token = shown(issued, ("address", "province"), ("names", 2))
    verified = check(token, binding=binding)
    assert verified.claims["address"] == {"province": "เชียงใหม่", "house_no": "1"}
    assert verified.claims["names"] == ["a", ["c"]]
    assert set(verified.disclosed) == {("address",), ("address", "province"), ("names", 2)}
    assert verified.bound_at == MOMENT


def test_each_use_of_a_key_is_one() -> None:
    issuer, holder = Counting(ISSUER), Counting(HOLDER)
    told: list[int] = []
    token = issue(CLAIMS, issuer, holder=HOLDER.public_key, show=lambda digest, _: told.append(len(digest)))
    present(token, [], holder, audience=CLINIC, nonce=NONCE, moment=MOMENT, show=lambda d, _: told.append(len(d)))
    assert (issuer.used, holder.used, told) == (1, 1, [32, 48])


def test_decoys_look_like_digests_and_are_none(issued: SdJwt) -> None:
    digests = issued.payload["_sd"]
    assert len(digests) == 3
    assert digests == sorted(digests)
    assert {len(each) for each in digests} == {43}
    assert len(hidden_paths(issued)) == len(issued.disclosures) == 6


def test_salts_are_never_the_same() -> None:
    one, two = (issue({"a": [Hidden(1), Hidden(1)]}, ISSUER) for _ in range(2))
    assert len({each.text for each in (*one.disclosures, *two.disclosures)}) == 4


# What may not be


@pytest.mark.parametrize(
    "claims",
    [{"exp": Hidden(1)}, {"iss": Hidden("x")}, {"cnf": Hidden({})}, {"_sd": []}, {"a": {"...": 1}}, {"a": {1: 2}}],
    ids=str,
)
def test_claims_that_can_t_be_issued(claims: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        issue(claims, ISSUER)


def test_what_can_t_be_presented(issued: SdJwt) -> None:
    with pytest.raises(UsageError, match="hides nothing at iss"):
        shown(issued, ("iss",))
    with pytest.raises(UsageError, match="bound to another key"):
        present(issued, [], ISSUER, audience=CLINIC, nonce=NONCE, moment=MOMENT)
    with pytest.raises(UsageError, match="16 characters"):
        shown(issued, nonce="short")
    with refused(TokenProblem.BINDING_MISSING):
        present(issue({"a": 1}, ISSUER), [], HOLDER, audience=CLINIC, nonce=NONCE, moment=MOMENT)


def test_a_check_says_what_it_wants_of_the_holder(issued: SdJwt) -> None:
    with pytest.raises(UsageError, match="holder's proof"):
        check(issued, unbound=False)
    with pytest.raises(UsageError, match="time zone"):
        check(issued, moment=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


# Times


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"exp": NOW}, TokenProblem.EXPIRED),
        ({"exp": NOW - 0.5}, TokenProblem.EXPIRED),
        ({"nbf": NOW + 1}, TokenProblem.NOT_YET_VALID),
    ],
    ids=str,
)
def test_times(claims: dict[str, Any], problem: TokenProblem) -> None:
    with refused(problem):
        check(issue(claims, ISSUER))


def test_times_at_their_edge() -> None:
    assert check(issue({"exp": NOW + 1, "nbf": NOW}, ISSUER)).claims["nbf"] == NOW


@pytest.mark.parametrize("value", ["1", True, None, 1e300, [1]], ids=str)
def test_times_that_are_none(value: Any) -> None:
    with pytest.raises(Malformed):
        check(issue({"exp": value}, ISSUER))


# The holder's proof


@pytest.mark.parametrize(
    ("options", "binding", "problem"),
    [
        ({"audience": "https://other.example"}, Binding(CLINIC, NONCE), TokenProblem.AUDIENCE),
        ({"nonce": "M" * 22}, Binding(CLINIC, NONCE), TokenProblem.NONCE),
        ({"moment": MOMENT - timedelta(seconds=301)}, Binding(CLINIC, NONCE), TokenProblem.BINDING_STALE),
        ({"moment": MOMENT + timedelta(seconds=61)}, Binding(CLINIC, NONCE), TokenProblem.BINDING_STALE),
    ],
    ids=["audience", "nonce", "old", "from the future"],
)
def test_a_proof_for_others(issued: SdJwt, options: dict[str, Any], binding: Binding, problem: TokenProblem) -> None:
    with refused(problem):
        check(shown(issued, **options), binding=binding)


def test_a_proof_that_is_not_there(issued: SdJwt) -> None:
    with refused(TokenProblem.BINDING_MISSING):
        check(issued, binding=Binding(CLINIC, NONCE))


def test_a_proof_is_over_what_is_shown(issued: SdJwt) -> None:
    token = shown(issued, ("scheme", "code"))
    for texts in ((), (*(each.text for each in token.disclosures), issued.disclosures[-1].text)):
        other = read_sd_jwt("~".join((token.token, *texts, str(token.binding))))
        for binding in (Binding(CLINIC, NONCE), None):
            with refused(TokenProblem.BINDING_WRONG):
                check(other, binding=binding)


def forged_proof(issued: SdJwt, change: Callable[[dict[str, Any]], None], typ: str = "kb+jwt") -> SdJwt:
    """A token with a proof by the holder's own key that says something else."""
    token = shown(issued)
    claims = {"iat": NOW, "aud": CLINIC, "nonce": NONCE, "sd_hash": to_base64url(hash_of(token.bound.encode(), H))}
    change(claims)
    content = write_json(claims)
    return read_sd_jwt(token.bound + jws.compact(content, jws.sign(content, HOLDER, header={"typ": typ})))


H = HashAlgorithm.SHA_256


def test_a_proof_of_another_kind(issued: SdJwt) -> None:
    assert check(forged_proof(issued, lambda _: None), binding=Binding(CLINIC, NONCE)).bound_at == MOMENT
    with refused(TokenProblem.BINDING_WRONG):
        check(forged_proof(issued, lambda _: None, "JWT"), binding=Binding(CLINIC, NONCE))


@pytest.mark.parametrize("name", ["iat", "aud", "nonce", "sd_hash"])
def test_a_proof_that_lacks_something(issued: SdJwt, name: str) -> None:
    for change in (lambda claims: claims.pop(name), lambda claims: claims.update({name: [CLINIC]})):
        with pytest.raises(Malformed):
            check(forged_proof(issued, change), binding=Binding(CLINIC, NONCE))


def test_a_proof_by_another_key(issued: SdJwt) -> None:
    token = shown(issued)
    content = jws.read_compact(str(token.binding)).payload
    other = jws.compact(content, jws.sign(content, ISSUER, header={"typ": "kb+jwt"}))
    with pytest.raises(SignatureInvalid):
        check(read_sd_jwt(token.bound + other), binding=Binding(CLINIC, NONCE))


# The issuer's signature and digests


def signed_by_issuer(payload: dict[str, Any], *disclosures: str, typ: str = "dc+sd-jwt") -> SdJwt:
    content = write_json(payload)
    return read_sd_jwt(
        "~".join((jws.compact(content, jws.sign(content, ISSUER, header={"typ": typ})), *disclosures, ""))
    )


def disclosed(*parts: Any) -> tuple[str, str]:
    text = to_base64url(write_json(list(parts)))
    return text, Disclosure(text, None, None).digest(H)


def test_another_issuer(issued: SdJwt) -> None:
    with pytest.raises(SignatureInvalid):
        check(issued, FileSigner(generate_key(KeyAlgorithm.P_256)).public_key)


def test_another_type() -> None:
    with refused(TokenProblem.WRONG_TYPE):
        check(signed_by_issuer({}, typ="JWT"))


@pytest.mark.parametrize("algorithm", ["sha-1", "md5", "SHA-256", ["sha-256"], None], ids=str)
def test_another_hash(algorithm: Any) -> None:
    with pytest.raises(Malformed):
        check(signed_by_issuer({"_sd_alg": algorithm}))


def broken() -> dict[str, SdJwt]:
    """Tokens whose issuer signed them as they are, each against one rule."""
    text, digest = disclosed("salt", "name", 1)
    element, element_digest = disclosed("salt", 1)
    named_sd, named_sd_digest = disclosed("salt", "_sd", [])
    dots, dots_digest = disclosed("salt", "...", 1)
    plain, plain_digest = disclosed("salt", "exp", NOW + 9)
    outer, outer_digest = disclosed("salt", "outer", {"_sd": [digest]})
    inner_alg, inner_alg_digest = disclosed("salt", "x", {"_sd_alg": "sha-256"})
    return {
        "digest twice": signed_by_issuer({"_sd": [digest, digest]}, text),
        "digest at two places": signed_by_issuer({"_sd": [digest], "a": {"_sd": [digest]}}, text),
        "hidden digest twice": signed_by_issuer({"_sd": [digest, digest]}),
        "digest again in a disclosure": signed_by_issuer({"_sd": [digest, outer_digest]}, text, outer),
        "disclosure twice": signed_by_issuer({"_sd": [digest]}, text, text),
        "no digest": signed_by_issuer({"_sd": []}, text),
        "name is there": signed_by_issuer({"_sd": [digest], "name": 2}, text),
        "name is reserved": signed_by_issuer({"_sd": [named_sd_digest]}, named_sd),
        "name is dots": signed_by_issuer({"_sd": [dots_digest]}, dots),
        "name decides": signed_by_issuer({"_sd": [plain_digest]}, plain),
        "element in an object": signed_by_issuer({"_sd": [element_digest]}, element),
        "member in an array": signed_by_issuer({"a": [{"...": digest}]}, text),
        "dots beside others": signed_by_issuer({"a": [{"...": element_digest, "b": 1}]}, element),
        "dots outside an array": signed_by_issuer({"a": {"...": element_digest}}, element),
        "sd is no array": signed_by_issuer({"_sd": digest}, text),
        "digest is no text": signed_by_issuer({"_sd": [1]}),
        "element's digest is no text": signed_by_issuer({"a": [{"...": None}]}),
        "algorithm inside": signed_by_issuer({"_sd": [inner_alg_digest]}, inner_alg),
    }


@pytest.mark.parametrize("name", broken())
def test_a_token_that_breaks_a_rule(name: str) -> None:
    with refused(TokenProblem.DISCLOSURE):
        check(broken()[name])


@pytest.mark.parametrize("parts", [[], ["s"], ["s", "n", 1, 2], [1, "n", 1], ["s", 1, 1], {"s": 1}, "s"], ids=str)
def test_a_disclosure_that_is_none(parts: Any) -> None:
    with pytest.raises(Malformed):
        signed_by_issuer({}, to_base64url(write_json(parts)))


@pytest.mark.parametrize("text", ["", "a.b.c", "~", "a~", "~~~", "e30.e30.e30~", rfc.JWT_5])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(Malformed):
        read_sd_jwt(text)


def test_too_much_is_not_read(issued: SdJwt) -> None:
    with pytest.raises(Malformed, match="longer"):
        read_sd_jwt(str(issued), max_len=100)
    with pytest.raises(Malformed, match="1024"):
        read_sd_jwt(issued.token + "~" * 1026)


def chained(depth: int) -> SdJwt:
    """A token whose disclosures hide one another."""
    text, digest = disclosed("salt", "end")
    texts = [text]
    for _ in range(depth):
        text, digest = disclosed("salt", [{"...": digest}])
        texts.append(text)
    return signed_by_issuer({"a": [{"...": digest}]}, *texts)


def test_disclosures_in_disclosures_have_a_bound() -> None:
    assert len(check(chained(62)).disclosed) == 63
    for depth in (63, 1000):
        with pytest.raises(Malformed, match="deeper"):
            check(chained(depth))


def nested(depth: int) -> Any:
    return Hidden([nested(depth - 1)]) if depth else 1


@pytest.mark.parametrize(
    "claims",
    [{"a": nested(70)}, {"a": {"b": b""}}, {"a": Hidden({1, 2})}, {"a": float("nan")}, {"a": "\ud800"}],
    ids=["deep", "bytes", "set", "nan", "half a letter"],
)
def test_what_json_does_not_have_is_not_issued(claims: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        issue(claims, ISSUER)


def test_a_nonce_is_long_and_new() -> None:
    assert len({new_nonce() for _ in range(10)}) == 10
    assert len(new_nonce(bytes)) == 43


# Whatever comes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["_sd", "...", "_sd_alg", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.text(max_size=200) | st.lists(st.text("AZaz_-.~", max_size=9)).map("~".join))
def test_any_text_is_refused_in_order(text: str) -> None:
    with pytest.raises(EcitizenError):
        check(read_sd_jwt(text))


@given(JSON, st.lists(JSON, max_size=3))
def test_any_payload_is_refused_in_order_or_taken(payload: Any, parts: list[Any]) -> None:
    content = {"a": payload, "_sd_alg": "sha-256"}
    try:
        token = signed_by_issuer(content, *(disclosed("s", each)[0] for each in parts))
        claims = check(token).claims
    except EcitizenError:
        return
    assert not any(name in repr(claims) for name in ("'_sd'", "'...'"))


def hiding(value: Any, draw: Callable[[], bool]) -> Any:
    """The same value with parts of it hidden, by chance."""
    if isinstance(value, dict):
        value = {name: hiding(each, draw) for name, each in value.items()}
    elif isinstance(value, list):
        value = [hiding(each, draw) for each in value]
    return Hidden(value) if draw() else value


NESTED = st.recursive(
    st.booleans() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=2), NESTED, max_size=3), st.data())
def test_any_claims_hidden_anyhow_come_back(claims: dict[str, Any], data: st.DataObject) -> None:
    token = issue({name: hiding(each, lambda: data.draw(st.booleans())) for name, each in claims.items()}, ISSUER)
    assert check(read_sd_jwt(str(token))).claims == claims
    paths = hidden_paths(token)
    chosen = data.draw(st.lists(st.sampled_from(sorted(paths, key=str)), max_size=3)) if paths else []
    some = check(select(token, chosen))
    assert set(chosen) <= set(some.disclosed)
