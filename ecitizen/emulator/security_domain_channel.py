"""SCP03 channels on the card: opened with a domain's keys, by the domain itself or by an application that is in it.

GlobalPlatform Card Specification 2.3.1, 7.3 and 10; Amendment D 1.1.2, 7.1.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import CryptogramWrong, ImageError, SecureMessagingError
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.status import StatusWord
from ..secure_channel.handshake import (
    DIVERSIFICATION_LEN,
    INS_EXTERNAL_AUTHENTICATE,
    INS_INITIALIZE_UPDATE,
    Scp03Option,
    SecurityLevel,
)
from .applet import Applet, Refusal, ok
from .card import CLA_PROPRIETARY, CLA_SECURED
from .security_domain_keys import DomainKeys, KeySet

if TYPE_CHECKING:
    from ..secure_channel.scp03 import (
        CardChannel,
        CardOpening,
    )  # need `cryptography`: late, when a channel is asked for
    from .card_registry import CardRegistry
    from .domain_applet import DomainApplet

OPTIONS: Final = Scp03Option.PSEUDO_RANDOM | Scp03Option.R_MAC | Scp03Option.R_ENC
"""i = 70: what cards of today announce."""

SW_AUTHENTICATION_FAILED: Final = 0x6300
"""The host's cryptogram is wrong (Card Specification 2.3.1, E.5.2.7; Amendment D, 7.1.2)."""

CLASSES: Final = frozenset({0x00, CLA_PROPRIETARY})


@dataclass(frozen=True, slots=True)
class OpenedBy:
    """Whose keys a channel was opened with, and how far it protects."""

    holder: "DomainApplet"
    keys: KeySet
    level: SecurityLevel


class Channelled(ABC):
    """What answers behind a channel, and without one: a domain, or an application in one."""

    def __init__(self, applet: Applet, registry: "CardRegistry") -> None:
        self.applet = applet
        self.registry = registry

    def allows(self, ins: int) -> bool:  # noqa: ARG002 - for those whose life cycle takes commands away
        """Tell whether the life cycle leaves this command."""
        return True

    @abstractmethod
    def needs_channel(self, command: CommandApdu) -> bool:
        """Tell whether this command is refused without a channel."""

    @abstractmethod
    def plain_command(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command that came without a channel, or refuse it."""

    @abstractmethod
    def secured_command(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        """Answer a command that came through the channel, with its plain class, or refuse it."""

    @abstractmethod
    def forget(self) -> None:
        """The channel is over, and what was begun in it."""


class ChannelSelection:
    """One selection of an applet that can be reached through a channel, and the channel that may be open in it."""

    def __init__(self, inside: Channelled) -> None:
        self._inside = inside
        self._opening: CardOpening | None = None
        self._channel: CardChannel | None = None
        self._opened_by: OpenedBy | None = None

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command: through the channel if one is open, and then nothing but that.

        INITIALIZE UPDATE without protection ends a channel and begins another.
        """
        if command.cla & ~CLA_SECURED not in CLASSES:
            if self._channel is None and not self._inside.applet.secured:
                return self._inside.plain_command(command)
            raise Refusal(StatusWord.CLASS_NOT_SUPPORTED)
        secured = bool(command.cla & CLA_SECURED)
        if not self._inside.allows(command.ins):
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        opening, self._opening = self._opening, None  # which only the very next command can use
        if command.ins == INS_INITIALIZE_UPDATE and command.cla == CLA_PROPRIETARY:
            return self._initialize_update(command)
        if self._channel is not None:
            return self._through(self._channel, command)
        if secured and command.ins == INS_EXTERNAL_AUTHENTICATE and opening is not None:
            return self._external_authenticate(command, opening)
        if secured or self._inside.needs_channel(command):
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        return self._inside.plain_command(command)

    def _initialize_update(self, command: CommandApdu) -> ResponseApdu:
        """Choose keys and a challenge (Amendment D, 7.1.1)."""
        from ..secure_channel.scp03 import CardOpening, pseudo_random_challenge  # late: brings `cryptography`

        self._close()
        if command.p2:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if len(command.data) != OPTIONS.mode:
            raise Refusal(StatusWord.WRONG_LENGTH)
        holder = self._inside.registry.key_holder(self._inside.applet.aid)
        if holder is None:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        found = DomainKeys(holder.memory).find(command.p1)
        if found is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        if not found.usable:
            raise Refusal(StatusWord.AUTHENTICATION_METHOD_BLOCKED)
        invoker = self._inside.applet.aid
        challenge = pseudo_random_challenge(found.keys.enc, found.sequence, invoker, OPTIONS.mode)
        self._opening = CardOpening(
            found.keys,
            OPTIONS,
            command.data,
            challenge,
            diversification=self._diversification(holder),
            sequence=found.sequence,
        )
        self._opened_by = OpenedBy(holder, found, SecurityLevel.C_MAC)
        return ok(self._opening.answer.encode())

    def _diversification(self, holder: Applet) -> bytes:
        """What a host derives this card's keys from: the end of the domain's name and the chip's number."""
        data = holder.aid[-2:] + self._inside.registry.issuer.chip_serial
        return data.ljust(DIVERSIFICATION_LEN, b"\x00")

    def _external_authenticate(self, command: CommandApdu, opening: "CardOpening") -> ResponseApdu:
        """Let the host prove its keys; a failure is counted before it is known (Amendment D, 7.1.2)."""
        before = self._opened_by
        assert before is not None
        if command.p2 or command.p1 not in set(SecurityLevel):
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if len(command.data) != 2 * OPTIONS.mode:
            raise Refusal(StatusWord.WRONG_LENGTH)
        keys = DomainKeys(before.holder.memory)
        found = keys.find(before.keys.keys.kvn)
        holder = self._inside.registry.key_holder(self._inside.applet.aid)
        if found is None or holder is not before.holder or found.keys != before.keys.keys or not found.usable:
            raise Refusal(StatusWord.AUTHENTICATION_METHOD_BLOCKED)  # by what went on on another channel
        keys.count_failure(found.keys.kvn)
        try:
            channel = opening.authenticate(command)
        except CryptogramWrong:
            raise Refusal(SW_AUTHENTICATION_FAILED) from None
        except SecureMessagingError:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED) from None
        keys.count_success(found.keys.kvn)
        self._channel = channel
        self._opened_by = OpenedBy(holder, found, channel.level)
        return ok()

    def _through(self, channel: "CardChannel", command: CommandApdu) -> ResponseApdu:
        """Unwrap a command, carry it out, wrap the answer; what was not wrapped well ends the channel."""
        assert self._opened_by is not None
        try:
            bare = channel.unwrap_command(command)
        except SecureMessagingError:
            self._close()
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED) from None
        try:
            response = self._inside.secured_command(bare, self._opened_by)
        except Refusal as refusal:
            response = ResponseApdu(b"", refusal.sw)
        except ImageError:  # the write has not happened, and the channel goes on
            response = ResponseApdu(b"", StatusWord.MEMORY_FAILURE)
        return channel.wrap_response(response)

    def _close(self) -> None:
        self._inside.forget()
        for each in (self._opening, self._channel):
            if each is not None:
                each.close()
        self._opening = self._channel = self._opened_by = None
