"""Errors of keys, certificates and trust: a branch of the tree in `ecitizen.errors`.

PkiError
├─ Malformed            bytes are not the key, certificate or request that they should be
├─ KeyUnsupported       a key of a kind that is too weak, or not used here   (a UsageError too)
├─ PassphraseWrong      a private key stays closed
├─ RequestRejected      the issuer's rules forbid this certificate           (a UsageError too)
└─ SignatureInvalid     a signature is not by that key over that message

Messages never quote what was in the bytes.
"""

from ecitizen.errors import EcitizenError, UsageError


class PkiError(EcitizenError):
    """Keys, certificates or signatures are not what they must be."""

    code = "pki"


class Malformed(PkiError):
    """Bytes are not the key, certificate or request that they should be."""

    code = "malformed"


class KeyUnsupported(PkiError, UsageError):
    """The key is too weak, or of a kind that this toolkit does not use."""

    code = "key_unsupported"


class PassphraseWrong(PkiError):
    """A private key is encrypted, and the passphrase is missing or does not open it."""

    code = "passphrase_wrong"


class RequestRejected(PkiError, UsageError):
    """The rules of the issuer or its profile forbid the certificate that was asked for."""

    code = "request_rejected"


class SignatureInvalid(PkiError):
    """The signature is not by that key over that message."""

    code = "signature_invalid"
