"""Showing what a key is about to sign, before it does."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecitizen.algorithms import HashAlgorithm

    from ..language import Words


class DigestShown:
    """Shows the digest, and what it is over, before the key is used; remembers it for JSON."""

    def __init__(self, words: "Words", about: Iterable[object] = ()) -> None:
        self._words = words
        self._about = tuple(about)
        self.algorithm = ""
        self.digest = ""

    def __call__(self, digest: bytes, algorithm: "HashAlgorithm") -> None:
        """Show it on standard error, where the PIN is asked for next."""
        from ..output import printable, talk

        self.algorithm, self.digest = algorithm.value, digest.hex()
        _ = self._words.translate
        for what in self._about:
            talk(printable(_("To be signed: {path}").format(path=what)))
        talk(_("Digest ({algorithm}): {digest}").format(algorithm=self.algorithm, digest=self.digest))
