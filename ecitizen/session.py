"""A conversation with one card: a transport, the exchange rules, and a count of what went over the link."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from .errors import AppNotFound, DecodeError, KeyIncorrect, SecureMessagingError, UsageError
from .iso7816.apdu import NE_MAX, NE_SHORT, CardProtocol, CommandApdu, ResponseApdu
from .iso7816.command import P1_SELECT_BY_DF_NAME, Ins, read_binary, select
from .iso7816.exchange import LinkState, exchange, is_plain, plain_response
from .iso7816.status import StatusWord, describe, is_success, is_warning, status_error
from .model import LinkStats

if TYPE_CHECKING:
    from .secure_channel.handshake import SecurityLevel
    from .secure_channel.scp03 import HostChannel  # needs `cryptography`, which few conversations do
    from .transport.base import Transport  # a Protocol: nothing of it is needed to talk to a card

_ATR_OLDEST = b"\x3b\x67"
"""The oldest Thai chips: GET RESPONSE with P2 = 01 (thai-card.md, section 1)."""


class CardSession:
    """A powered card to talk to; closes the transport when left.

    One session belongs to one thread.
    """

    def __init__(self, transport: "Transport") -> None:
        self.transport = transport
        self.link = LinkState(
            transport.protocol, get_response_p2=0x01 if transport.atr.startswith(_ATR_OLDEST) else 0x00
        )
        self._exchanges = 0
        self._sent = 0
        self._received = 0
        self._closed = False
        self._channel: HostChannel | None = None

    def __enter__(self) -> "CardSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The reader's name."""
        return self.transport.name

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self.transport.atr

    @property
    def protocol(self) -> CardProtocol:
        """The protocol that reader and card agreed on."""
        return self.link.protocol

    @property
    def stats(self) -> LinkStats:
        """What went over the link since the session began."""
        return LinkStats(str(self.protocol), self._exchanges, self._sent, self._received)

    def stats_since(self, begun: LinkStats) -> LinkStats:
        """What went over the link since `begun`, an earlier `stats`."""
        return LinkStats(
            str(self.protocol),
            self._exchanges - begun.exchanges,
            self._sent - begun.bytes_sent,
            self._received - begun.bytes_received,
        )

    @property
    def security_level(self) -> "SecurityLevel | None":
        """What protects the commands of now; None outside of a secure channel."""
        return None if self._channel is None or self._channel.closed else self._channel.level

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        """Send a command and give the whole answer, whatever its status word.

        Raise TransportError if the way to the card fails, CardProtocolError if the card breaks the standard,
        UsageError if the session is closed. While a secure channel is open the command goes through it; SELECT of an
        application ends it, here as on the card.
        """
        self._require_open()
        if self._channel is not None:
            if not _selects_an_application(command):
                return self._through(self._channel, command)
            self.close_channel()
        return self._exchange(command)

    def open_channel(self, channel: "HostChannel") -> None:
        """Prove our keys to the card, which has answered INITIALIZE UPDATE: from here on all goes through `channel`.

        A channel that fails stays in the way of further commands, lest they be sent without protection, until
        `close_channel`, a reset, or the next SELECT of an application. Raise KeyIncorrect if the card does not accept
        our keys, UsageError if there is a channel already.
        """
        self._require_open()
        if self._channel is not None:
            raise UsageError("there is a secure channel already; close it first")
        try:
            response = self._exchange(channel.external_authenticate())
        except BaseException:
            channel.close()
            raise
        if response.sw != StatusWord.NO_ERROR:
            channel.close()
            raise KeyIncorrect(
                f"opening a secure channel: the card did not accept the keys ({response.sw:04X}); look up its key "
                "version before you try others, since a card locks itself after a few wrong ones",
                response.sw,
            )
        self._channel = channel

    def close_channel(self) -> None:
        """End the secure channel on our side, if there is one: commands go plain again. The card isn't told."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def require_whole_channel(self) -> None:
        """Raise SecureMessagingError if a secure channel broke and is in the way: no other command can go."""
        if self._channel is not None and self._channel.closed:
            raise SecureMessagingError("the secure channel to the card broke; open it again")

    def _through(self, channel: "HostChannel", command: CommandApdu) -> ResponseApdu:
        """One logical command, wrapped once: what the link below makes of it are the same wrapped bytes."""
        wide = self.protocol is CardProtocol.T1 and bool(self.link.extended_length)
        wrapped = channel.wrap_command(command, extended_link=wide)
        if not wide and wrapped.ne is not None and (self.protocol is CardProtocol.T0 or wrapped.ne > NE_SHORT):
            wrapped = wrapped.with_ne(NE_MAX)  # Le can't say how much: the card gives all it has, to the end of the MAC
        try:
            return channel.unwrap_response(self._exchange(wrapped))
        except BaseException:  # card and host may have counted differently: nothing can follow
            channel.close()
            raise

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        answer = None
        if is_plain(command, self.link):  # the common case, without the cost of a generator
            answer = self._send(command.encode())
            response = plain_response(command, answer)
            if response is not None:
                return response
        steps = exchange(command, self.link)
        raw = next(steps)  # for a plain command: what was sent just now
        if answer is None:
            answer = self._send(raw)
        while True:
            try:
                raw = steps.send(answer)
            except StopIteration as done:
                whole: ResponseApdu = done.value
                return whole
            answer = self._send(raw)

    def _send(self, raw: bytes) -> bytes:
        self._exchanges += 1
        self._sent += len(raw)
        answer = self.transport.transmit(raw)
        self._received += len(answer)
        return answer

    def command(self, command: CommandApdu, doing: str) -> bytes:
        """Send a command that must succeed and give its data; `doing` begins the message of a StatusError."""
        response = self.transmit(command)
        if is_success(response.sw) or is_warning(response.sw):
            return response.data
        raise status_error(response.sw, doing)

    def select(self, aid: bytes) -> bytes:
        """SELECT an application and give its file control information.

        On T=0 that would cost a second exchange, so it is left unread and the result is empty.
        Raise AppNotFound if the card does not have the application.
        """
        ne = NE_SHORT if self.protocol is CardProtocol.T1 else None
        response = self.transmit(select(aid, ne=ne))
        if response.sw == StatusWord.FILE_OR_APPLICATION_NOT_FOUND:
            raise AppNotFound(f"selecting {aid.hex().upper()}: {describe(response.sw)}", response.sw)
        if not is_success(response.sw) and not is_warning(response.sw):
            raise status_error(response.sw, f"selecting {aid.hex().upper()}")
        return response.data

    def read_binary(self, offset: int, length: int, *, sfi: int | None = None) -> bytes:
        """READ BINARY up to `length` bytes of the current EF, or of the EF `sfi`; fewer where the file or card ends."""
        data = self.command(read_binary(offset, length, sfi=sfi), "reading a file")
        if not data:
            raise DecodeError("reading a file: the card answered without data")
        return data

    def transaction(self) -> AbstractContextManager[None]:
        """Keep other programs off the card for the time of one operation."""
        self._require_open()
        return self.transport.transaction()

    def reset(self) -> None:
        """Reset the card (warm): what was selected, verified and opened is gone."""
        self._require_open()
        self.close_channel()
        self.transport.reset()

    def close(self) -> None:
        """Let go of the card. May be called twice."""
        self._closed = True
        self.close_channel()
        self.transport.close()

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError("this session is closed; open the card again")


def _selects_an_application(command: CommandApdu) -> bool:
    return command.ins == Ins.SELECT and command.cla == 0x00 and command.p1 == P1_SELECT_BY_DF_NAME
