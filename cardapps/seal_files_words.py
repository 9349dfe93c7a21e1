"""Reads of an application's seals in words, for traces and `ecitizen explain`."""

from ecitizen.iso7816.apdu import CommandApdu
from ecitizen.iso7816.command import P1_SFI, Ins

from .seal_files import SFI_APPLICATION_CERTIFICATE, SFI_SECURITY_OBJECT

_CHANNEL_BITS = 0x03
_WORDS = {
    P1_SFI | SFI_APPLICATION_CERTIFICATE: "the application's certificate for this card",
    P1_SFI | SFI_SECURITY_OBJECT: "the security object, which signs the application's data",
}


def seal_words(command: CommandApdu) -> str | None:
    """Which of the two files a READ BINARY begins to read; None for any other command.

    A READ BINARY without a short identifier may go on with them: the command alone does not tell.
    """
    if command.cla & ~_CHANNEL_BITS or command.ins != Ins.READ_BINARY or command.data:
        return None
    return _WORDS.get(command.p1)
