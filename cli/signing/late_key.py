"""A key that is opened when it is first used: the digest is shown before that, and the passphrase asked for after."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecitizen.algorithms import SignatureAlgorithm
    from ecitizen.ports import Signer


class LateKey:
    """A key of which nothing but its certificate (DER) is known until it signs; satisfies `ecitizen.ports.Signer`.

    What opening it raises, its first signature raises, and UsageError if the certificate is another key's.
    """

    def __init__(self, certificate: bytes, open_key: "Callable[[], Signer]") -> None:
        from pki.certificates import certified_key
        from pki.keys import key_algorithm, load_public_key, signature_algorithms

        self.certificate: bytes | None = certificate
        self.public_key = certified_key(certificate)
        self.key_algorithm = key_algorithm(load_public_key(self.public_key))
        self.algorithms = signature_algorithms(self.key_algorithm)
        self._open = open_key
        self._opened: Signer | None = None

    def sign(self, message: bytes, algorithm: "SignatureAlgorithm") -> bytes:
        """As the key does."""
        return self._signer().sign(message, algorithm)

    def sign_digest(self, digest: bytes, algorithm: "SignatureAlgorithm") -> bytes:
        """As the key does."""
        return self._signer().sign_digest(digest, algorithm)

    def _signer(self) -> "Signer":
        from ecitizen.errors import UsageError

        if self._opened is None:
            signer = self._open()
            if signer.public_key != self.public_key:
                raise UsageError("the certificate is of another key than the one that signs; give the key's own")
            self._opened = signer
        return self._opened
