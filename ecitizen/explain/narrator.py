"""A conversation in words: knows which application is selected, so it can say more than a single command tells."""

from ..errors import DecodeError
from ..iso7816.apdu import CommandApdu, logical_channel
from ..iso7816.command import P1_SELECT_BY_DF_NAME, Ins
from .commands import command_line
from .vocabulary import Vocabulary


class Narrator:
    """Follows the commands to one card; `words` is the `narrate` of a TracingTransport.

    It takes every SELECT as granted: what comes after a refused one is told as if it were for that application.
    """

    def __init__(self, known: Vocabulary | None = None) -> None:
        self._known = Vocabulary.installed() if known is None else known
        self._selected: dict[int, str] = {}

    def words(self, raw: bytes) -> str:
        """What a command is for. Nothing of its data is in it but names of applications, and places to read from."""
        try:
            command = CommandApdu.parse(raw)
        except DecodeError:
            return "not a command APDU"
        channel = logical_channel(command.cla)
        if command.ins == Ins.SELECT and command.p1 == P1_SELECT_BY_DF_NAME:
            if command.data:
                self._selected[channel] = self._known.selected_by(command.data) or ""
            else:
                self._selected.pop(channel, None)  # the default application: any driver may know its commands
        return command_line(command, self._known, self._selected.get(channel))
