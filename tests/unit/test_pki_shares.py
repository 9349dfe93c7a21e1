from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecitizen.errors import UsageError
from ecitizen.secret import KeyBytes
from pki.errors import SharesWrong
from pki.shares import PRIME, Share, combine, split

SECRET = KeyBytes(bytes(range(32)))


@settings(max_examples=60)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 6), st.data())
def test_enough_shares_make_the_secret(secret: bytes, count: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, count))
    shares = split(KeyBytes(secret), threshold, count)
    chosen = data.draw(st.permutations(shares))[: data.draw(st.integers(threshold, count))]
    assert combine(Share.parse(share.text) for share in chosen) == KeyBytes(secret)


def test_all_pairs_of_five_do() -> None:
    shares = split(SECRET, 2, 5)
    assert all(combine(pair) == SECRET for pair in combinations(shares, 2))


def test_too_few_are_told() -> None:
    shares = split(SECRET, 3, 5)
    with pytest.raises(SharesWrong, match="3 different shares"):
        combine(shares[:2])
    with pytest.raises(SharesWrong, match="3 different shares"):
        combine([shares[0]] * 5)
    with pytest.raises(SharesWrong):
        combine([])


def test_too_few_fit_every_secret() -> None:
    """With one share less than is needed, each secret is as likely: there is a last share that makes it."""
    one, other, _ = split(SECRET, 3, 3)
    wanted = 12345
    # The value at 3 with which the three make `wanted` at 0, by Lagrange: weights are 3, -3, 1.
    forged = Share(one.set_id, 3, 3, (wanted - 3 * one.value + 3 * other.value) % PRIME)
    assert combine([one, other, forged]) == KeyBytes(wanted.to_bytes(32, "big"))


def test_shares_of_two_secrets_do_not_mix() -> None:
    with pytest.raises(SharesWrong, match="not of one secret"):
        combine([split(SECRET, 2, 2)[0], split(SECRET, 2, 2)[1]])


def test_a_share_is_typed_as_one_likes() -> None:
    share = split(SECRET, 2, 3)[1]
    assert Share.parse(share.text.upper()) == share
    assert Share.parse(f"\n {share.text[:30]} \r\n {share.text[30:]} ") == share


@given(st.data())
def test_a_slip_of_the_finger_is_noticed(data: st.DataObject) -> None:
    text = split(SECRET, 2, 3)[0].text
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0123456789abcdef:xz"))
    if letter != text[place]:
        with pytest.raises(SharesWrong):
            Share.parse(text[:place] + letter + text[place + 1 :])


@given(st.text())
def test_random_text_is_no_share(text: str) -> None:
    with pytest.raises(SharesWrong):
        Share.parse(text)


@pytest.mark.parametrize(
    "changed", [{"threshold": 0}, {"threshold": 99}, {"place": 0}, {"place": 33}, {"value": PRIME}]
)
def test_an_impossible_share_is_refused(changed: dict[str, int]) -> None:
    values = {"threshold": 2, "place": 1, "value": 5, **changed}
    with pytest.raises(SharesWrong):
        Share.parse(Share(bytes(8), **values).text)


def test_a_false_share_is_noticed_if_it_makes_no_secret() -> None:
    one, other = Share(bytes(8), 2, 1, PRIME - 1), Share(bytes(8), 2, 2, 0)
    with pytest.raises(SharesWrong, match="not genuine"):
        combine([one, Share(bytes(8), 2, 2, (PRIME - 2 - 2**256) % PRIME)])
    assert other.value == 0


@pytest.mark.parametrize(("threshold", "count"), [(0, 1), (3, 2), (1, 33), (-1, 5)])
def test_a_split_that_can_not_be_is_refused(threshold: int, count: int) -> None:
    with pytest.raises(UsageError):
        split(SECRET, threshold, count)


def test_a_secret_has_32_bytes() -> None:
    with pytest.raises(UsageError):
        split(KeyBytes(b"short"), 1, 1)


def test_a_share_does_not_show_itself() -> None:
    share = split(SECRET, 1, 1)[0]
    assert SECRET.reveal().hex() in share.text  # one of one is the secret
    for shown in (repr(share), str(share), share.commitment):
        assert SECRET.reveal().hex() not in shown


def test_the_prime_is_prime() -> None:
    """Miller and Rabin, with enough bases for a number that nobody chose to deceive us."""
    odd, twos = PRIME - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53):
        value = pow(base, odd, PRIME)
        powers = [value := value * value % PRIME if step else value for step in range(twos)]
        assert powers[0] == 1 or PRIME - 1 in powers
