"""Many documents checked at one moment: what was found out about a certificate is not found out again.

Most of the time that a check takes goes into path validation. At a desk or a kiosk the same few people and timestamp
authorities have signed one document after the other.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from ecitizen.errors import UsageError

from .path import PathReport, RevocationRule
from .signed_trust import Vouching

ANSWERS_MAX: Final = 1024
"""Of each the path is kept: some kilobytes of certificates, and findings."""


class RememberingTrust:
    """Somebody who vouches and, asked the very same question again, gives the same answer; a `Vouching`.

    A question is the same only if all of it is: the certificate, the moment, the usage, the rule, and all certificates,
    CRLs and OCSP responses that came along. So nothing is believed longer, or on less, than without it. The store must
    not change meanwhile, as `pki.trust.TrustStore` does not. Not for several threads at once.
    """

    def __init__(self, store: Vouching, answers_max: int = ANSWERS_MAX) -> None:
        if answers_max < 1:
            raise UsageError("at least one answer must be kept; give a larger number")
        self.store = store
        self._answers_max = answers_max
        self._answers: OrderedDict[bytes, PathReport] = OrderedDict()

    @property
    def crls(self) -> tuple[bytes, ...]:
        """Those of the store."""
        return self.store.crls

    @property
    def ocsps(self) -> tuple[bytes, ...]:
        """Those of the store."""
        return self.store.ocsps

    def check(
        self,
        certificate: bytes,
        *,
        moment: datetime,
        usage: str | None = None,
        others: Iterable[bytes] = (),
        crls: Iterable[bytes] = (),
        ocsps: Iterable[bytes] = (),
        revocation: RevocationRule = RevocationRule.REQUIRE,
    ) -> PathReport:
        """As the store's."""
        given = tuple(others), tuple(crls), tuple(ocsps)
        said = (f"{moment.isoformat()} {usage} {revocation}".encode(),)
        key = _digest(((certificate,), said, *given))
        answer = self._answers.get(key)
        if answer is None:
            answer = self.store.check(
                certificate,
                moment=moment,
                usage=usage,
                others=given[0],
                crls=given[1],
                ocsps=given[2],
                revocation=revocation,
            )
            self._answers[key] = answer
            if len(self._answers) > self._answers_max:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        return answer


def _digest(lists: Iterable[Iterable[bytes]]) -> bytes:
    """One digest for lists of pieces, in which no piece can be taken for a part of another."""
    state = hashlib.sha256()
    for piece in _framed(lists):
        state.update(piece)
    return state.digest()


def _framed(lists: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    for pieces in lists:
        for piece in pieces:
            yield b"+" + len(piece).to_bytes(8, "big")
            yield piece
        yield b"."
