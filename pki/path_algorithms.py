"""Which signature algorithms and keys are too weak to believe, and from when on.

SHA-1 and DSA keys of 1024 bits may not sign anything new since 2014, while what was signed before may still be
checked ("legacy use": NIST SP 800-131A revision 2, tables 2 and 8). MD5 and weaker are never believed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from asn1crypto import algos, keys, x509
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

LEGACY_UNTIL: Final = datetime(2014, 1, 1, tzinfo=UTC)

_HASHES: Final = frozenset({"sha224", "sha256", "sha384", "sha512", "sha512_256", "sha3_256", "sha3_384", "sha3_512"})
_HASHES_LEGACY: Final = frozenset({"sha1"})
_WITHOUT_HASH: Final = frozenset({"ed25519", "ed448"})
_KEY_BITS: Final = {"rsa": 2048, "rsassa_pss": 2048, "dsa": 2048, "ec": 224}
_KEY_BITS_LEGACY: Final = {**_KEY_BITS, "dsa": 1024}


def weakness(signature: algos.SignedDigestAlgorithm, key: keys.PublicKeyInfo | None, signed_at: datetime) -> str | None:
    """Name what is too weak in something signed at that time; None if nothing is.

    `key` is the signer's; None leaves it out.
    """
    legacy = signed_at < LEGACY_UNTIL
    name = signature["algorithm"].native
    if name not in _WITHOUT_HASH:
        try:
            hash_name = signature.hash_algo
        except ValueError:
            return str(name)
        if hash_name not in (_HASHES | _HASHES_LEGACY if legacy else _HASHES):
            return str(hash_name)
    if key is None or key.algorithm in _WITHOUT_HASH:
        return None
    least = (_KEY_BITS_LEGACY if legacy else _KEY_BITS).get(key.algorithm)
    if least is None:
        return str(key.algorithm)
    if key.algorithm == "dsa" and not key["algorithm"]["parameters"].native:
        return None  # inherited; the key that they come from was looked at
    return f"{key.algorithm} {key.bit_size}" if key.bit_size < least else None


class InheritingSignatureValidator(DefaultSignatureValidator):
    """Checks signatures by DSA keys too whose parameters stand in the certificate above (RFC 3279, 2.3.2).

    certvalidator hands parameters down a path, but not to the CRLs of it.
    """

    def __init__(self, path: Sequence[x509.Certificate]) -> None:
        self._whole: dict[bytes, keys.PublicKeyInfo] = {}
        parameters = None
        for certificate in path:  # from the anchor down
            key = certificate.public_key
            if key.algorithm != "dsa":
                parameters = None
            elif key["algorithm"]["parameters"].native is not None:
                parameters = key["algorithm"]["parameters"]
            elif parameters is not None:
                whole = key.copy()
                whole["algorithm"]["parameters"] = parameters
                self._whole[key.dump()] = whole

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: keys.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Check with the whole key, where only a part was in the certificate."""
        key = self._whole.get(public_key_info.dump(), public_key_info) if self._whole else public_key_info
        try:
            super().validate_signature(signature, signed_data, key, signature_algorithm, context)
        except AssertionError:  # the algorithm is not one of such a key
            raise InvalidSignature from None
