"""A security domain: it opens SCP03 channels, and manages what its keys and its privileges allow.

GlobalPlatform Card Specification 2.3.1, 7 and 11. The commands stand by concern in the modules beside this one:
`security_domain_key_commands`, `security_domain_status`, `security_domain_install`, `security_domain_personalising`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.command import Ins
from ..iso7816.globalplatform import (
    TAG_CARD_RECOGNITION_DATA,
    TAG_KEY,
    TAG_KEY_INFORMATION,
    TAG_SEQUENCE_COUNTER,
    CardLifeCycle,
)
from ..iso7816.status import StatusWord
from ..secure_channel.handshake import (
    INS_EXTERNAL_AUTHENTICATE,
    INS_INITIALIZE_UPDATE,
    KEY_TYPE_AES,
    SEQUENCE_LEN,
)
from .applet import Refusal, ok
from .card import CLA_PROPRIETARY
from .card_registry import CardRegistry
from .security_domain_channel import OPTIONS, Channelled, ChannelSelection, OpenedBy
from .security_domain_install import ContentCommands, InstallPurpose
from .security_domain_key_commands import KEY_IDENTIFIERS, KeyCommands, names_keys
from .security_domain_keys import DomainKeys, KeySet
from .security_domain_personalising import PersonalisingCommands
from .security_domain_status import StatusCommands
from .security_domain_store import INS_STORE_DATA

if TYPE_CHECKING:
    from .domain_applet import DomainApplet

INS_PUT_KEY: Final = 0xD8
INS_DELETE: Final = 0xE4
INS_INSTALL: Final = 0xE6
INS_LOAD: Final = 0xE8
INS_SET_STATUS: Final = 0xF0
INS_GET_STATUS: Final = 0xF2

_WHEN_LOCKED: Final = frozenset(
    {INS_INITIALIZE_UPDATE, INS_EXTERNAL_AUTHENTICATE, Ins.GET_DATA, INS_GET_STATUS, INS_SET_STATUS}
)
_WHEN_TERMINATED: Final = frozenset({Ins.GET_DATA})

# Card recognition data: GlobalPlatform 1.2.840.114283, version 2.3.1, identification 3, SCP03 (Card Specification
# 2.3.1, H.2; the last byte of the last OID is the parameter i).
_OID: Final = bytes.fromhex("2A864886FC6B")

Command = Callable[[CommandApdu, OpenedBy], ResponseApdu]


def recognition_data() -> bytes:
    """Tag 66: which standard and which secure channel the card has."""

    def oid(*arcs: int) -> bytes:
        return tlv.encode(0x06, _OID + bytes(arcs))

    parts = oid(1) + tlv.encode(0x60, oid(2, 2, 3, 1)) + tlv.encode(0x63, oid(3)) + tlv.encode(0x64, oid(4, 3, OPTIONS))
    return tlv.encode(TAG_CARD_RECOGNITION_DATA, tlv.encode(0x73, parts))


def domain_selection(applet: "DomainApplet", registry: CardRegistry) -> ChannelSelection:
    """A selection of a domain on a card with keys."""
    return ChannelSelection(SecurityDomain(applet, registry))


class SecurityDomain(Channelled):
    """What one selection of a domain can do."""

    applet: "DomainApplet"

    def __init__(self, applet: "DomainApplet", registry: CardRegistry) -> None:
        super().__init__(applet, registry)
        self._status = StatusCommands(applet, registry)
        self._content = ContentCommands(applet, registry)
        self._personalising = PersonalisingCommands(applet, registry)
        keys = KeyCommands(applet)
        self._commands: Mapping[int, Command] = {
            INS_PUT_KEY: keys.put_key,
            INS_DELETE: lambda command, opened_by: (
                keys.delete_key(command, opened_by)
                if names_keys(command.data)
                else self._content.delete(command, opened_by)
            ),
            INS_INSTALL: self._install,
            INS_LOAD: _refuse_load,
            INS_SET_STATUS: self._status.set_status,
            INS_GET_STATUS: self._status.get_status,
            INS_STORE_DATA: self._personalising.store_data,
        }

    def allows(self, ins: int) -> bool:
        """A locked card can be looked at and unlocked, a terminated one says what chip it was (5.1.1.4, 5.1.1.5)."""
        state = self.registry.life_cycle
        if self.applet is not self.registry.issuer and not self.registry.permits(self.applet):
            return False
        if state is CardLifeCycle.TERMINATED:
            return ins in _WHEN_TERMINATED
        return state is not CardLifeCycle.CARD_LOCKED or ins in _WHEN_LOCKED

    def needs_channel(self, command: CommandApdu) -> bool:
        """All that manages something."""
        return command.ins in self._commands

    def plain_command(self, command: CommandApdu) -> ResponseApdu:
        """What tells of keys and channels, and what the applet tells anybody."""
        found = self._data(command.p1 << 8 | command.p2) if command.ins == Ins.GET_DATA else None
        return self.applet.process(command) if found is None else ok(found)

    def secured_command(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        """Manage; a sequence of STORE DATA or GET STATUS ends with any other command.

        Who opened the channel with the keys of a domain above manages until this one has keys of its own.
        """
        if command.ins != INS_STORE_DATA:
            self._personalising.forget()
        if command.ins != INS_GET_STATUS:
            self._status.forget()
        managing = self._commands.get(command.ins)
        anyway = command.ins == INS_STORE_DATA  # in class 00 too, as hosts for YubiKeys send it
        if managing is not None and (command.cla == CLA_PROPRIETARY or anyway):
            if self.registry.key_holder(self.applet.aid) is not opened_by.holder:
                raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
            return managing(command, opened_by)
        return self.plain_command(command)

    def forget(self) -> None:
        """The channel is over."""
        self._personalising.forget()
        self._status.forget()

    def _install(self, command: CommandApdu, opened_by: OpenedBy) -> ResponseApdu:
        if command.p1 == InstallPurpose.PERSONALIZATION:
            return self._personalising.begin(command)
        return self._content.install(command, opened_by)

    def _data(self, tag: int) -> bytes | None:
        """The data object of a tag that tells of keys and channels, with its tag; None if it is none of these."""
        if tag == TAG_KEY_INFORMATION:
            keys = DomainKeys(self.applet.memory)
            return tlv.encode(TAG_KEY_INFORMATION, b"".join(map(_key_information, keys)))
        if tag == TAG_SEQUENCE_COUNTER:
            holder = self.registry.key_holder(self.applet.aid)
            default = DomainKeys(holder.memory).find(0) if holder is not None else None
            counter = default and default.sequence.to_bytes(SEQUENCE_LEN, "big")
            return tlv.encode(TAG_SEQUENCE_COUNTER, counter) if counter else None
        return recognition_data() if tag == TAG_CARD_RECOGNITION_DATA else None


def _refuse_load(command: CommandApdu, _: OpenedBy) -> ResponseApdu:  # noqa: ARG001 - whatever it brings
    """LOAD: code can't be loaded into this card; its modules are in the chip."""
    raise Refusal(StatusWord.FUNCTION_NOT_SUPPORTED)


def _key_information(found: KeySet) -> bytes:
    """Tag C0 for each key of a version: identifier, version, type AES, length (Card Specification 2.3.1, 11.3.3.1)."""
    length = len(found.keys.enc)
    parts = ((kid, found.keys.kvn, KEY_TYPE_AES, length) for kid in KEY_IDENTIFIERS)
    return b"".join(tlv.encode(TAG_KEY, bytes(part)) for part in parts)
