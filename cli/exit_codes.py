"""What the exit code of a command says. The same table stands in docs/cli.md."""

from enum import IntEnum, unique
from types import MappingProxyType

from ecitizen.errors import (
    CardError,
    CardMute,
    CardProtocolError,
    CardRemoved,
    CardReset,
    EcitizenError,
    FileFailed,
    ImageBusy,
    ImageError,
    IssuanceError,
    JournalFailed,
    NoCard,
    PcscUnavailable,
    PlanMismatch,
    ReaderBusy,
    TransportError,
    UsageError,
)


@unique
class ExitCode(IntEnum):
    """Exit codes, the same for all commands."""

    OK = 0
    """Complete success."""
    PROBLEMS = 1
    """Done, but something is wrong with part of it; the output says what."""
    USAGE = 2
    """The command line or its input is wrong."""
    NO_READER = 3
    """No reader, several that would do, or no PC/SC on this machine."""
    NO_CARD = 4
    """No card, or it was pulled out, reset by another program, or does not answer."""
    BUSY = 5
    """Another program uses the card or the card image."""
    CARD = 6
    """The card refused, is not one that we know, or answered outside the standard."""
    FILE = 7
    """A card image, a journal or an output file can't be used."""
    OTHER = 8
    """Anything else that is wrong on this machine."""
    ALTERED = 10
    """`card verify` and `verify`: data were changed. The codes up to 18 are one for each verdict but a good one."""
    CLONED = 11
    """The data are those of another card."""
    UNTRUSTED = 12
    """Signed by somebody who may not."""
    REVOKED = 13
    """Revoked."""
    SUSPENDED = 14
    """Suspended."""
    EXPIRED = 15
    """Expired."""
    INCOMPLETE = 16
    """Half-personalised, or something was taken away."""
    UNSIGNED = 17
    """Of a generation that signs nothing."""
    CANNOT_TELL = 18
    """Something needed to be sure is missing."""
    NOT_YET_VALID = 19
    """`trust check`: the certificate is not valid yet."""
    REFUSED = 20
    """`exchange verify` and `auth check`: it breaks a rule of such packages or tokens."""
    WRONG_RECIPIENT = 21
    """`exchange verify`: it was made for somebody else."""
    WRONG_PURPOSE = 22
    """`exchange verify`: it was made for something else."""
    REPLAYED = 23
    """`exchange verify`: it was taken before."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""


def exit_code(error: EcitizenError) -> ExitCode:
    """The exit code for an error."""
    from pki.errors import PkiError, SignatureInvalid  # late: most commands need no more of pki than this

    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    pki: _Codes = ((SignatureInvalid, ExitCode.PROBLEMS), (PkiError, ExitCode.USAGE))
    for kind, code in (*_CODES, *pki):
        if isinstance(error, kind):
            return code
    return ExitCode.OTHER


_Codes = tuple[tuple[type[EcitizenError], ExitCode], ...]

_CODES: _Codes = (
    (UsageError, ExitCode.USAGE),
    (PcscUnavailable, ExitCode.NO_READER),
    (NoCard, ExitCode.NO_CARD),
    (CardRemoved, ExitCode.NO_CARD),
    (CardReset, ExitCode.NO_CARD),
    (CardMute, ExitCode.NO_CARD),
    (ReaderBusy, ExitCode.BUSY),
    (TransportError, ExitCode.NO_READER),
    (CardError, ExitCode.CARD),
    (CardProtocolError, ExitCode.CARD),
    (PlanMismatch, ExitCode.USAGE),
    (JournalFailed, ExitCode.FILE),
    (IssuanceError, ExitCode.CARD),
    (ImageBusy, ExitCode.BUSY),
    (ImageError, ExitCode.FILE),
    (FileFailed, ExitCode.FILE),
)

_BY_CODE = MappingProxyType(
    {
        "timestamp_unavailable": ExitCode.OTHER,
        "evidence_missing": ExitCode.OTHER,
        "not_opened": ExitCode.PROBLEMS,
        "token_refused": ExitCode.REFUSED,
    }
)
"""Errors named by their code, because the modules that have their classes are slow to import."""
