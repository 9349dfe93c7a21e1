"""Errors of opening encrypted messages, besides those of `errors`.

PkiError
├─ NotARecipient        the message was encrypted for others
└─ NotOpened            it was altered, or its key is not what it should be: which of them is never told
"""

from .errors import PkiError


class NotARecipient(PkiError):
    """None of the keys at hand is one that the message was encrypted for."""

    code = "not_a_recipient"


class NotOpened(PkiError):
    """The message was altered, or was not made with the recipient's key; nothing of it was kept."""

    code = "not_opened"
