"""Errors of keys, certificates and trust: a branch of the tree in `ecitizen.errors`.

PkiError
├─ Malformed            bytes are not the key, certificate or request that they should be
├─ KeyUnsupported       a key of a kind that is too weak, or not used here   (a UsageError too)
├─ PassphraseWrong      a private key stays closed
├─ RequestRejected      the issuer's rules forbid this certificate           (a UsageError too)
├─ SignatureInvalid     a signature is not by that key over that message
├─ KeyUnavailable       a key is not where it should be kept                 (a ConfigError too)
├─ SharesWrong          these shares don't make the secret                   (a UsageError too)
├─ TranscriptWrong      a ceremony's transcript is not what happened
├─ NotIssued            no such certificate is in the register               (a UsageError too)
├─ SerialTaken          the authority has issued that serial number before
└─ StoreFailed          the register of certificates can't be used           (a FileFailed too)

Messages never quote what was in the bytes.
"""

from ecitizen.errors import ConfigError, EcitizenError, FileFailed, UsageError


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


class KeyUnavailable(PkiError, ConfigError):
    """A key is not where it should be kept: no such file, token, object or card."""

    code = "key_unavailable"


class SharesWrong(PkiError, UsageError):
    """Shares of a secret are too few, damaged, or of different secrets."""

    code = "shares_wrong"


class TranscriptWrong(PkiError):
    """The transcript of a ceremony is damaged, was altered, or tells what can't have happened."""

    code = "transcript_wrong"


class NotIssued(PkiError, UsageError):
    """No such certificate, card or authority is in the register."""

    code = "not_issued"


class SerialTaken(PkiError):
    """The authority has issued a certificate with that serial number before."""

    code = "serial_taken"


class StoreFailed(PkiError, FileFailed):
    """The register of certificates can't be used: damaged, busy, of a later version, or the disk is full."""

    code = "store"
