"""A secret parted among people, so that any M of the N can put it together and fewer know nothing (Shamir, 1979).

The secret is the value at 0 of a polynomial of degree M-1 with random coefficients, over the numbers modulo a prime;
each share is its value at another place. A share is a line of text that can be typed: it names its set, its place and
how many are needed, and ends with a check value against slips of the finger.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ecitizen.errors import UsageError
from ecitizen.secret import KeyBytes

from .errors import SharesWrong

SECRET_LEN: Final = 32
SHARES_MAX: Final = 32
PRIME: Final = 2**256 + 297
"""The smallest prime that is larger than every secret."""

_VALUE_LEN = 33
_SET_LEN = 8
_CHECK_LEN = 4
_VERSION = "ecitizen-share-1"


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    """One part of a secret. It shows itself to nobody who does not ask for `text`."""

    set_id: bytes
    """Which secret it is of: random, the same in all shares of the set."""
    threshold: int
    place: int
    value: int

    @property
    def text(self) -> str:
        """The share as its holder keeps it: secret."""
        body = f"{_VERSION}:{self.set_id.hex()}:{self.threshold}:{self.place}:{self.value:0{2 * _VALUE_LEN}x}"
        return f"{body}:{_check_value(body)}"

    @property
    def commitment(self) -> str:
        """SHA-256 of the text, hex: published, so that a holder can prove that theirs is the share that was given."""
        return hashlib.sha256(self.text.encode("ascii")).hexdigest()

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read a share; blanks, line breaks and capitals do no harm. Raise SharesWrong for a slip or another text."""
        body, _, check = "".join(text.split()).lower().rpartition(":")
        parts = body.split(":")
        if len(parts) != 5 or parts[0] != _VERSION or not body.isascii() or check != _check_value(body):
            raise SharesWrong("this is no share, or a letter of it is wrong: compare it with what was written down")
        try:
            share = cls(bytes.fromhex(parts[1]), int(parts[2]), int(parts[3]), int(parts[4], 16))
        except ValueError:
            raise SharesWrong("this is no share that this version of the toolkit can read") from None
        if not 1 <= share.threshold <= SHARES_MAX or not 1 <= share.place <= SHARES_MAX or share.value >= PRIME:
            raise SharesWrong("this is no share that this version of the toolkit can read")
        return share

    def __repr__(self) -> str:
        return f"Share(place={self.place}, …)"


def split(
    secret: KeyBytes, threshold: int, count: int, *, randbelow: Callable[[int], int] = secrets.randbelow
) -> tuple[Share, ...]:
    """Part a secret of 32 bytes into `count` shares, of which `threshold` are needed; raise UsageError for others."""
    if len(secret) != SECRET_LEN:
        raise UsageError(f"a secret that is parted has {SECRET_LEN} bytes")
    if not 1 <= threshold <= count <= SHARES_MAX:
        raise UsageError(f"of up to {SHARES_MAX} shares, at least one and at most all are needed")
    coefficients = [int.from_bytes(secret.reveal(), "big"), *(randbelow(PRIME) for _ in range(threshold - 1))]
    set_id = randbelow(1 << 8 * _SET_LEN).to_bytes(_SET_LEN, "big")
    return tuple(Share(set_id, threshold, place, _value(coefficients, place)) for place in range(1, count + 1))


def combine(shares: Iterable[Share]) -> KeyBytes:
    """Put the secret together; raise SharesWrong if the shares are too few, or of different secrets."""
    by_place = {share.place: share for share in shares}
    kept = list(by_place.values())
    if not kept or len({(share.set_id, share.threshold) for share in kept}) != 1:
        raise SharesWrong("the shares are not of one secret; look at the second part of each, which must be the same")
    if len(kept) < kept[0].threshold:
        raise SharesWrong(f"{kept[0].threshold} different shares are needed, and these are {len(kept)}")
    secret = _value_at_zero(kept[: kept[0].threshold])
    if secret >> 8 * SECRET_LEN:
        raise SharesWrong("one of the shares is not genuine: these make no secret")
    return KeyBytes(secret.to_bytes(SECRET_LEN, "big"))


def _value(coefficients: Sequence[int], place: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * place + coefficient) % PRIME
    return value


def _value_at_zero(shares: Sequence[Share]) -> int:
    """Lagrange's interpolation at 0."""
    total = 0
    for share in shares:
        above, below = 1, 1
        for other in shares:
            if other.place != share.place:
                above = above * other.place % PRIME
                below = below * (other.place - share.place) % PRIME
        total += share.value * above * pow(below, -1, PRIME)
    return total % PRIME


def _check_value(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()[: 2 * _CHECK_LEN]
