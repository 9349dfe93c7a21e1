"""OpenSC's PKCS#11 module uses the keys of the card, every mechanism that it offers; `openssl` judges the results.

The numbers are OpenSC's ids: 01 to 04 are the keys 9A, 9C, 9D and 9E, then come the retired ones.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from ecitizen.emulator.card import Card
from tests.interop.signing_card import KINDS_FOR_OPENSC, PIN, CardKind, Insert, Programs

TEXT = b"The holder of this card agrees to everything above this line."

RSA_SIGNER, RSA_DECIPHERERS = "02", ["03", "07"]
EC_SIGNERS = {"01": "sha256", "04": "sha384"}
EC_AGREERS = {"05": "P-256", "06": "P-384"}


@pytest.fixture(scope="module", params=KINDS_FOR_OPENSC, ids=str)
def card(request: pytest.FixtureRequest, insert: Insert, signing_card: Callable[[CardKind], Card]) -> Iterator[None]:
    with insert(signing_card(request.param)):
        yield


@dataclass(frozen=True)
class Mechanisms:
    """What `pkcs11-tool -M` says that the card can do, by the word for it."""

    table: str

    def that(self, verb: str) -> list[str]:
        lines = (line.strip().split(", ") for line in self.table.splitlines())
        return [name for name, *words in lines if verb in words]


@pytest.fixture
def mechanisms(card: None, programs: Programs) -> Mechanisms:
    return Mechanisms(programs.run("pkcs11-tool", "--list-mechanisms"))


def use_key(programs: Programs, verb: str, mechanism: str, key_id: str, content: bytes, *further: str) -> bytes:
    """What the card makes of the content with a key."""
    given, made = programs.write("given", content), "made"
    what = [verb, "--mechanism", mechanism, "--id", key_id, "--input-file", given, "--output-file", made]
    programs.run("pkcs11-tool", "--login", "--pin", PIN, *what, *further)
    return programs.read(made)


def test_it_lists_a_token_with_the_name_of_the_holder(card: None, programs: Programs) -> None:
    slots = programs.run("pkcs11-tool", "--list-token-slots")
    assert re.search(r"token label +: .*\bSomchai\b", slots, re.IGNORECASE)
    assert "login required" in slots
    assert "PIN initialized" in slots


def test_it_lists_a_certificate_and_a_key_for_each_slot(card: None, programs: Programs) -> None:
    objects = programs.run("pkcs11-tool", "--list-objects", "--login", "--pin", PIN)
    for kind in ("Certificate Object", "Public Key Object", "Private Key Object"):
        found = re.findall(rf"^{kind}.*?^  ID: +(\d+)$", objects, re.MULTILINE | re.DOTALL)
        assert sorted(found) == ["01", "02", "03", "04", "05", "06", "07"], kind
    assert objects.count("always authenticate") == 1  # 9C alone


def test_a_stranger_sees_only_the_key_that_needs_no_pin(card: None, programs: Programs) -> None:
    shown = programs.run("pkcs11-tool", "--list-objects", "--type", "privkey")
    assert re.findall(r"^  ID: +(\d+)$", shown, re.MULTILINE) == ["04"]


def test_its_own_test_finds_nothing(card: None, programs: Programs) -> None:
    done = programs.run("pkcs11-tool", "--test", "--login", "--pin", PIN)
    assert done.splitlines()[-1] == "No errors"
    assert "ERR" not in done


def test_openssl_verifies_rsa_signatures_of_every_mechanism(mechanisms: Mechanisms, programs: Programs) -> None:
    offered = [name for name in mechanisms.that("sign") if "RSA" in name]
    assert {"RSA-X-509", "RSA-PKCS", "SHA256-RSA-PKCS", "RSA-PKCS-PSS", "SHA256-RSA-PKCS-PSS"} <= set(offered)
    public = programs.public_key(RSA_SIGNER)
    for mechanism in offered:
        verify_rsa(programs, mechanism, public)


def verify_rsa(programs: Programs, mechanism: str, public: str) -> None:
    """Sign with a mechanism: hash and padding of it may be the card's or the caller's."""
    hash_name, _, padding = mechanism.rpartition("RSA-")
    hash_name = hash_name.rstrip("-").lower()
    further = ["--hash-algorithm", "SHA256"] if mechanism == "RSA-PKCS-PSS" else []
    content = {
        "RSA-X-509": b"\x00\x01" + b"\xff" * (256 - 3 - len(TEXT)) + b"\x00" + TEXT,
        "RSA-PKCS-PSS": sha(programs, "sha256"),
    }.get(mechanism, TEXT)
    programs.write("signature", use_key(programs, "--sign", mechanism, RSA_SIGNER, content, *further))
    pss = ["rsa_padding_mode:pss", "rsa_pss_saltlen:digest"]
    if hash_name:
        options = [word for option in pss for word in ("-sigopt", option)] if padding.endswith("PSS") else []
        programs.write("text", TEXT)
        verify = ["-verify", public, "-signature", "signature", *options, "text"]
        assert "Verified OK" in programs.run("openssl", "dgst", f"-{hash_name}", *verify), mechanism
    elif padding.endswith("PSS"):
        verify = ["-verify", "-pubin", "-inkey", public, "-in", "given", "-sigfile", "signature"]
        options = [word for option in [*pss, "digest:sha256"] for word in ("-pkeyopt", option)]
        assert "Verified Successfully" in programs.run("openssl", "pkeyutl", *verify, *options)
    else:
        recover = ["-verifyrecover", "-pubin", "-inkey", public, "-in", "signature"]
        assert programs.run("openssl", "pkeyutl", *recover).encode() == TEXT, mechanism


def sha(programs: Programs, name: str) -> bytes:
    """The digest of the text, as `openssl` computes it."""
    programs.run("openssl", "dgst", f"-{name}", "-binary", "-out", "digest", programs.write("text", TEXT))
    return programs.read("digest")


@pytest.mark.parametrize("key_id", EC_SIGNERS)
def test_openssl_verifies_ec_signatures_of_every_mechanism(
    key_id: str, mechanisms: Mechanisms, programs: Programs
) -> None:
    offered = [name for name in mechanisms.that("sign") if name.startswith("EC")]
    assert {"ECDSA", "ECDSA-SHA256", "ECDSA-SHA384"} <= set(offered)
    public = programs.public_key(key_id)
    digest = EC_SIGNERS[key_id]
    for mechanism in offered:
        hash_name = mechanism.removeprefix("ECDSA").removeprefix("-").lower()
        content = TEXT if hash_name else sha(programs, digest)
        signature = use_key(programs, "--sign", mechanism, key_id, content, "--signature-format", "openssl")
        verify = ["-verify", public, "-signature", programs.write("signature", signature), programs.write("text", TEXT)]
        assert "Verified OK" in programs.run("openssl", "dgst", f"-{hash_name or digest}", *verify), mechanism


@pytest.mark.parametrize("key_id", RSA_DECIPHERERS)
def test_it_opens_what_openssl_has_enciphered(key_id: str, mechanisms: Mechanisms, programs: Programs) -> None:
    offered = mechanisms.that("decrypt")
    assert sorted(offered) == ["RSA-PKCS", "RSA-PKCS-OAEP", "RSA-X-509"]
    public = programs.public_key(key_id)
    options = {
        "RSA-PKCS": ["rsa_padding_mode:pkcs1"],
        "RSA-PKCS-OAEP": ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"],
        "RSA-X-509": ["rsa_padding_mode:pkcs1"],
    }
    for mechanism in offered:
        padding = [word for option in options[mechanism] for word in ("-pkeyopt", option)]
        encipher = ["-encrypt", "-pubin", "-inkey", public, "-in", programs.write("text", TEXT), "-out", "cipher"]
        programs.run("openssl", "pkeyutl", *encipher, *padding)
        further = ["--hash-algorithm", "SHA256"] if mechanism == "RSA-PKCS-OAEP" else []
        opened = use_key(programs, "--decrypt", mechanism, key_id, programs.read("cipher"), *further)
        assert opened[-len(TEXT) :] == TEXT
        padded = opened[: -len(TEXT)]
        assert (padded[:2], padded[-1:]) == (b"\x00\x02", b"\x00") if mechanism == "RSA-X-509" else padded == b""


@pytest.mark.parametrize("key_id", EC_AGREERS)
def test_it_derives_the_same_secret_as_openssl(key_id: str, mechanisms: Mechanisms, programs: Programs) -> None:
    offered = mechanisms.that("derive")
    assert "ECDH1-DERIVE" in offered
    public = programs.public_key(key_id)
    new_key = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{EC_AGREERS[key_id]}", "-out", "peer.key"]
    programs.run("openssl", "genpkey", *new_key)
    programs.run("openssl", "pkey", "-in", "peer.key", "-pubout", "-outform", "DER", "-out", "peer.der")
    derive = ["-derive", "-inkey", "peer.key", "-peerkey", public, "-out", "secret"]
    programs.run("openssl", "pkeyutl", *derive)
    for mechanism in offered:
        agreed = use_key(programs, "--derive", mechanism, key_id, programs.read("peer.der"))
        assert agreed == programs.read("secret"), mechanism
