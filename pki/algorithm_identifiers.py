"""AlgorithmIdentifiers of hashes and signatures, as the structures that are written here have them, DER.

Sources: RFC 5754, 2 (SHA-2; no parameters); RFC 4055, 5 (RSA PKCS #1 v1.5; NULL); RFC 5758, 3.2 (ECDSA; none);
RFC 8410, 3 (Ed25519; none).
"""

from types import MappingProxyType

from ecitizen.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme
from ecitizen.errors import UsageError

from .der import NULL, oid, sequence

_HASHES = MappingProxyType(
    {
        HashAlgorithm.SHA_256: "2.16.840.1.101.3.4.2.1",
        HashAlgorithm.SHA_384: "2.16.840.1.101.3.4.2.2",
        HashAlgorithm.SHA_512: "2.16.840.1.101.3.4.2.3",
    }
)
_SIGNATURES = MappingProxyType(
    {
        (SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_256): ("1.2.840.113549.1.1.11", NULL),
        (SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_384): ("1.2.840.113549.1.1.12", NULL),
        (SignatureScheme.RSA_PKCS1, HashAlgorithm.SHA_512): ("1.2.840.113549.1.1.13", NULL),
        (SignatureScheme.ECDSA, HashAlgorithm.SHA_256): ("1.2.840.10045.4.3.2", b""),
        (SignatureScheme.ECDSA, HashAlgorithm.SHA_384): ("1.2.840.10045.4.3.3", b""),
        (SignatureScheme.ECDSA, HashAlgorithm.SHA_512): ("1.2.840.10045.4.3.4", b""),
        (SignatureScheme.EDDSA, None): ("1.3.101.112", b""),
    }
)


def hash_identifier(algorithm: HashAlgorithm) -> bytes:
    """The AlgorithmIdentifier of a hash, without parameters."""
    return sequence(oid(_HASHES[algorithm]))


def hash_by_identifier(identifier: bytes) -> HashAlgorithm | None:
    """The hash of an AlgorithmIdentifier; without parameters or with NULL. None for one not used here, as SHA-1."""
    for algorithm, dotted in _HASHES.items():
        if identifier in (sequence(oid(dotted)), sequence(oid(dotted), NULL)):
            return algorithm
    return None


def signature_identifier(algorithm: SignatureAlgorithm) -> bytes:
    """The AlgorithmIdentifier of a signature; raise UsageError for RSA-PSS, which is not written here."""
    found = _SIGNATURES.get((algorithm.scheme, algorithm.hash))
    if found is None:
        raise UsageError(f"signatures by {algorithm.scheme} are not written here; take another algorithm")
    dotted, parameters = found
    return sequence(oid(dotted), parameters)
