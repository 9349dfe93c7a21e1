"""Providers of card keys: the derivation against NIST's vectors and a second implementation, and what leaves them."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from ecitizen.key_providers import (
    DiversifiedKeys,
    KeyContext,
    KeyProvider,
    KeyPurpose,
    StaticKeys,
    counter_mode,
    derive,
)
from ecitizen.secret import KeyBytes
from ecitizen.secure_channel.handshake import TEST_KEY, CardAnswer, Scp03Keys, Scp03Option, SecurityLevel
from ecitizen.secure_channel.key_blocks import check_value, decode_keys
from ecitizen.secure_channel.scp03 import HostChannel, pseudo_random_challenge, session_keys

CARD = KeyContext(bytes.fromhex("A000000151000000"), bytes.fromhex("1122334455667788"))
OTHER_CARD = KeyContext(CARD.domain_aid, bytes.fromhex("1122334455667789"))
OTHER_DOMAIN = KeyContext(b"\xf0ECITIZEN-SD-MOI", CARD.chip_serial)
VECTORS = Path(cryptography_vectors.__file__).parent / "KDF" / "nist-800-108-KBKDF-CTR.txt"
_FIELD = re.compile(r"^(COUNT|L|KI|FixedInputData|KO)\s*=\s*(\S+)", re.MULTILINE)


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def nist() -> Iterator[dict[str, str]]:
    """The vectors of NIST's CAVP for AES-CMAC with a counter of 32 bits before the fixed input."""
    for section in VECTORS.read_text().split("[PRF=")[1:]:
        if section.startswith("CMAC_AES") and "BEFORE_FIXED" in section and "[RLEN=32_BITS]" in section:
            for each in section.split("COUNT")[1:]:
                yield dict(_FIELD.findall("COUNT" + each))


def test_the_derivation_is_that_of_nists_vectors() -> None:
    checked = 0
    for vector in nist():
        key = bytes.fromhex(vector["KI"])
        fixed, expected = (bytes.fromhex(vector[name]) for name in ("FixedInputData", "KO"))
        assert counter_mode(partial(cmac, key), fixed, int(vector["L"]) // 8) == expected
        checked += 1
    assert checked >= 40


@given(
    master=st.sampled_from([16, 24, 32]).flatmap(lambda length: st.binary(min_size=length, max_size=length)),
    label=st.sampled_from([each.encode() for each in KeyPurpose]),
    context=st.binary(min_size=13, max_size=24),
    length=st.sampled_from([16, 24, 32]),
)
def test_the_derivation_is_that_of_another_implementation(
    master: bytes, label: bytes, context: bytes, length: int
) -> None:
    other = KBKDFCMAC(AES, Mode.CounterMode, length, 4, 4, CounterLocation.BeforeFixed, label, context, None)
    assert derive(lambda message: cmac(master, message), label, context, length).reveal() == other.derive(master)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_keys_of_a_card_by_hand(length: int) -> None:
    """What goes under the CMAC, written out: counter, purpose, 00, AID, serial, length in bits."""
    master = bytes(range(length))
    bits = (8 * length).to_bytes(4, "big").hex()
    expected = []
    for label in ("454E43", "4D4143", "44454B", "3942"):
        rounds = (
            cmac(master, bytes.fromhex(f"0000000{number}{label}00A0000001510000001122334455667788{bits}"))
            for number in (1, 2)
        )
        expected.append(b"".join(rounds)[:length])
    keys = DiversifiedKeys(KeyBytes(master))
    assert keys.check_values(CARD) == tuple(check_value(KeyBytes(each)) for each in expected[:3])
    assert keys.management_key(CARD).reveal() == expected[3]


def test_every_card_domain_and_purpose_has_keys_of_its_own() -> None:
    keys = DiversifiedKeys(KeyBytes(bytes(32)))
    values = [value for card in (CARD, OTHER_CARD, OTHER_DOMAIN) for value in keys.check_values(card)]
    values += [check_value(keys.management_key(card)) for card in (CARD, OTHER_CARD, OTHER_DOMAIN)]
    assert len(set(values)) == 12


def test_what_the_card_says_of_its_keys_is_not_derived_from() -> None:
    """Diversification data come from the card, which a thief may have made."""
    keys = DiversifiedKeys(KeyBytes(bytes(16)))
    named = KeyContext(CARD.domain_aid, CARD.chip_serial, b"\xff" * 10)
    assert keys.check_values(named) == keys.check_values(CARD)


def providers() -> list[KeyProvider]:
    return [StaticKeys.published(), DiversifiedKeys(KeyBytes(bytes(range(32))), kvn=2)]


def static_keys_of(provider: KeyProvider) -> Scp03Keys:
    """The keys as a card gets them, unwrapped with the data key of a provider whose keys we know."""
    data = provider.put_key_blocks(CARD, StaticKeys.published())
    assert data[0] == provider.kvn
    enc, mac, dek = decode_keys(KeyBytes(TEST_KEY), data[1:])
    return Scp03Keys(enc, mac, dek, provider.kvn)


@pytest.mark.parametrize("provider", providers(), ids=["static", "diversified"])
def test_a_provider_does_all_with_the_same_keys(provider: KeyProvider) -> None:
    keys = static_keys_of(provider)
    host, card = bytes(range(8)), bytes(range(8, 16))
    answer = CardAnswer(bytes(10), provider.kvn, Scp03Option.PSEUDO_RANDOM, card, bytes(8), 5)
    opened = provider.open_channel(CARD, answer, host)
    expected = session_keys(keys, host, card)
    assert (opened.enc, opened.mac, opened.rmac) == (expected.enc, expected.mac, expected.rmac)
    challenge = pseudo_random_challenge(keys.enc, 5, CARD.domain_aid, 8)
    assert provider.card_challenge(CARD, 5, CARD.domain_aid, 8) == challenge
    cipher = Cipher(AES(keys.dek.reveal()), CBC(bytes(16))).encryptor()
    assert provider.encrypt(CARD, bytes(32)) == cipher.update(bytes(32))
    assert provider.check_values(CARD) == tuple(map(check_value, (keys.enc, keys.mac, keys.dek)))


@pytest.mark.parametrize("plain", [b"", bytes(15), bytes(17)])
def test_only_whole_blocks_are_encrypted(plain: bytes) -> None:
    with pytest.raises(UsageError, match="16 bytes"):
        StaticKeys.published().encrypt(CARD, plain)


def test_new_keys_are_wrapped_under_those_of_the_domain_above() -> None:
    new, above = DiversifiedKeys(KeyBytes(b"n" * 16)), DiversifiedKeys(KeyBytes(b"a" * 16))
    wrapped = new.put_key_blocks(OTHER_DOMAIN, above, CARD)
    assert wrapped == new.put_key_blocks(OTHER_DOMAIN, above, CARD)
    assert wrapped != new.put_key_blocks(OTHER_DOMAIN, above)
    assert wrapped != new.put_key_blocks(CARD, above, CARD)


def test_a_channel_between_a_provider_and_the_keys_it_put() -> None:
    provider = DiversifiedKeys(KeyBytes(bytes(24)))
    keys = static_keys_of(provider)
    host, card = bytes(8), bytes(range(8))
    answer = CardAnswer(bytes(10), 1, Scp03Option.R_MAC, card, _cryptogram(keys, host, card), None)
    channel = HostChannel(provider.open_channel(CARD, answer, host), host, answer, SecurityLevel.C_MAC)
    assert not channel.closed


def _cryptogram(keys: Scp03Keys, host: bytes, card: bytes) -> bytes:
    session = session_keys(keys, host, card)
    return cmac(session.mac.reveal(), bytes(11) + b"\x00\x00\x00\x40\x01" + host + card)[:8]


def test_which_keys_are_unsafe() -> None:
    assert StaticKeys.published().unsafe
    assert not StaticKeys(Scp03Keys.same(KeyBytes(bytes(16)), 1)).unsafe
    assert not DiversifiedKeys(KeyBytes(bytes(16))).unsafe


def test_keys_are_overwritten() -> None:
    own = Scp03Keys.same(KeyBytes(bytes(range(16))), 1)
    provider = StaticKeys(own)
    own.wipe()
    assert provider.check_values(CARD)
    provider.close()
    with pytest.raises(UsageError, match="closed"):
        provider.check_values(CARD)
    master = DiversifiedKeys(KeyBytes(bytes(16)))
    master.close()
    with pytest.raises(UsageError, match="closed"):
        master.check_values(CARD)


def test_nothing_shows_a_key() -> None:
    key = bytes(range(16))
    for provider in (StaticKeys(Scp03Keys.same(KeyBytes(key), 1)), DiversifiedKeys(KeyBytes(key))):
        assert key.hex() not in repr(provider).lower()
        assert repr(key) not in repr(provider)
        assert repr(provider).endswith("(kvn=0x01)")


@pytest.mark.parametrize(("aid", "serial"), [(b"1234", bytes(8)), (bytes(17), bytes(8)), (bytes(8), bytes(7))])
def test_a_context_names_a_domain_and_a_chip(aid: bytes, serial: bytes) -> None:
    with pytest.raises(UsageError, match="8 bytes"):
        KeyContext(aid, serial)


@pytest.mark.parametrize("kvn", [0, 128, -1])
def test_a_version_is_from_1_to_127(kvn: int) -> None:
    with pytest.raises(UsageError, match="127"):
        DiversifiedKeys(KeyBytes(bytes(16)), kvn=kvn)


def test_a_master_key_is_an_aes_key() -> None:
    with pytest.raises(UsageError, match="AES"):
        DiversifiedKeys(KeyBytes(bytes(15)))
