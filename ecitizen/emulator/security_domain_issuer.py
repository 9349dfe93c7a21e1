"""What the issuer's security domain manages besides its keys: the life cycles of the card and its applications.

GlobalPlatform Card Specification 2.3.1, 5.1, 5.3, 6.6, 11.4 and 11.10.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum, unique
from itertools import pairwise
from typing import Final

from ..errors import ImageDamaged
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.command import Ins
from ..iso7816.status import StatusWord
from ..secure_channel.handshake import INS_EXTERNAL_AUTHENTICATE, INS_INITIALIZE_UPDATE
from .applet import Applet, Refusal, ok
from .image import Section, Value
from .security_domain import SecurityDomain
from .security_domain_keys import KeySet
from .security_domain_store import INS_STORE_DATA, P1_FORM, StoreForm, data_objects

INS_GET_STATUS: Final = 0xF2
INS_SET_STATUS: Final = 0xF0

TAG_REGISTRY_ENTRY: Final = 0xE3
TAG_AID: Final = 0x4F
TAG_TAG_LIST: Final = 0x5C
TAG_LIFE_CYCLE: Final = 0x9F70
TAG_PRIVILEGES: Final = 0xC5
TAG_ASSOCIATED_DOMAIN: Final = 0xCC

NUMBERS: Final = {0x42: "iin", 0x45: "cin"}
"""What a host may store in the issuer's domain: issuer and card identification number (11.11.3, H.4)."""
NUMBER_MAX_LEN: Final = 64
DGI_OF_ISSUER: Final = 0x0070

P1_ISSUER_DOMAIN: Final = 0x80
P1_APPLICATIONS: Final = 0x40
P1_LOAD_FILES: Final = frozenset({0x10, 0x20})
P2_TLV: Final = 0x02
"""GET STATUS: the first occurrence, in the form that is not deprecated (11.4.2.2)."""

PRIVILEGES_ISSUER: Final = bytes.fromhex("9CCC00")
"""Security domain, card lock, card terminate, card reset; trusted path, authorized management, global lock, global
registry (6.6.1, table 6-1 and 11.1.2)."""
PRIVILEGES_NONE: Final = bytes(3)

STATE_SELECTABLE: Final = 0x07
STATE_LOCKED_BIT: Final = 0x80
"""The life cycle of an application (5.3.1, 11.1.1, table 11-4)."""


@unique
class CardLifeCycle(IntEnum):
    """The life cycle of the card (Card Specification 2.3.1, 5.1 and 11.1.1, table 11-6)."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


_STEPS: Final = frozenset(
    {
        *pairwise(
            (CardLifeCycle.OP_READY, CardLifeCycle.INITIALIZED, CardLifeCycle.SECURED, CardLifeCycle.CARD_LOCKED)
        ),
        (CardLifeCycle.CARD_LOCKED, CardLifeCycle.SECURED),
    }
)
"""From one state to another (5.1.1, figure 5-1); every state may also become TERMINATED."""

_WHEN_LOCKED: Final = frozenset(
    {INS_INITIALIZE_UPDATE, INS_EXTERNAL_AUTHENTICATE, Ins.GET_DATA, INS_GET_STATUS, INS_SET_STATUS}
)
_WHEN_TERMINATED: Final = frozenset({Ins.GET_DATA})


class IssuerManagement(SecurityDomain):
    """The management of the card behind its card manager.

    Further in memory: `life_cycle` of the card (SECURED if not there), `locked`, the AIDs of locked applications.
    """

    @property
    def life_cycle(self) -> CardLifeCycle:
        """The state of the card; raise ImageDamaged if memory has none of the standard's."""
        value = self.memory.get("life_cycle", int(CardLifeCycle.SECURED))
        if not isinstance(value, int) or value not in set(CardLifeCycle):
            raise ImageDamaged("the image's life cycle is none of a card; make a new one with `ecitizen emulator new`")
        return CardLifeCycle(value)

    def allows(self, ins: int) -> bool:
        """A locked card can be looked at and unlocked, a terminated one says what chip it was (5.1.1.4, 5.1.1.5)."""
        state = self.life_cycle
        if state is CardLifeCycle.TERMINATED:
            return ins in _WHEN_TERMINATED
        return state is not CardLifeCycle.CARD_LOCKED or ins in _WHEN_LOCKED

    def permits(self, applet: Applet) -> bool:
        """Nothing but the card manager on a locked or terminated card, and no locked application."""
        if applet is self.applet:
            return True
        closed = self.life_cycle in {CardLifeCycle.CARD_LOCKED, CardLifeCycle.TERMINATED}
        return not closed and applet.aid not in self._locked()

    def managing_commands(self) -> Mapping[int, Callable[[CommandApdu, KeySet], ResponseApdu]]:
        """Those of every domain, and the card's life cycles."""
        own = {
            INS_GET_STATUS: self._get_status,
            INS_SET_STATUS: self._set_status,
            INS_STORE_DATA: self._store_data,
        }
        return {**super().managing_commands(), **own}

    def _store_data(self, command: CommandApdu, opened_by: KeySet) -> ResponseApdu:
        """STORE DATA: the numbers of issuer and card, as tags 42 and 45, also in grouping 0070 (11.11)."""
        data = self.blocks.take(command)
        if data is None:
            return ok()
        changes: dict[str, Value] = {}
        for tag, value in self._numbers(command.p1, data, opened_by):
            if tag not in NUMBERS or not 0 < len(value) <= NUMBER_MAX_LEN:
                raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
            changes[NUMBERS[tag]] = value
        self._write(changes)
        return ok()

    def _numbers(self, p1: int, data: bytes, opened_by: KeySet) -> list[tuple[int, bytes]]:
        """The data objects in what was stored, whatever the form."""
        found = data_objects(p1, data, opened_by.keys.dek)
        if p1 & P1_FORM != StoreForm.DGI:
            return found
        if any(dgi != DGI_OF_ISSUER for dgi, _ in found):
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        inside = (data_objects(StoreForm.BER_TLV, value, opened_by.keys.dek) for _, value in found)
        return [each for objects in inside for each in objects]

    def _get_status(self, command: CommandApdu, _: KeySet) -> ResponseApdu:
        """GET STATUS: the card manager, or the applications whose AID begins as asked (11.4)."""
        if command.p2 != P2_TLV or command.p1 not in {P1_ISSUER_DOMAIN, P1_APPLICATIONS, *P1_LOAD_FILES}:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        asked, tags = _status_question(command.data)
        kind = {P1_ISSUER_DOMAIN: (self.applet,), P1_APPLICATIONS: self._applications()}.get(command.p1, ())
        entries = [self._registry_entry(each, tags) for each in kind if each.aid.startswith(asked)]
        if not entries:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        return ok(b"".join(entries))

    def _registry_entry(self, applet: Applet, tags: frozenset[int]) -> bytes:
        """Tag E3 with those data objects that are asked for, or all."""
        issuer = applet is self.applet
        locked = STATE_LOCKED_BIT if applet.aid in self._locked() else 0
        content = {
            TAG_AID: applet.aid,
            TAG_LIFE_CYCLE: bytes((self.life_cycle if issuer else STATE_SELECTABLE | locked,)),
            TAG_PRIVILEGES: PRIVILEGES_ISSUER if issuer else PRIVILEGES_NONE,
            TAG_ASSOCIATED_DOMAIN: self.applet.aid,
        }
        parts = (tlv.encode(tag, value) for tag, value in content.items() if not tags or tag in tags)
        return tlv.encode(TAG_REGISTRY_ENTRY, b"".join(parts))

    def _set_status(self, command: CommandApdu, _: KeySet) -> ResponseApdu:
        """SET STATUS: the card's life cycle, or an application's lock (11.10)."""
        if command.p1 == P1_ISSUER_DOMAIN:
            return self._set_card_status(command.p2)
        if command.p1 != P1_APPLICATIONS:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if self.life_cycle is CardLifeCycle.CARD_LOCKED:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        if command.data not in [applet.aid for applet in self._applications()]:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        locked: list[Value] = [aid for aid in self._locked() if aid != command.data]
        if command.p2 & STATE_LOCKED_BIT:
            locked.append(command.data)
        self._write({"locked": locked})
        return ok()

    def _set_card_status(self, wanted: int) -> ResponseApdu:
        known = wanted in set(CardLifeCycle)
        terminated = wanted == CardLifeCycle.TERMINATED
        if not known or not (terminated or (self.life_cycle, CardLifeCycle(wanted)) in _STEPS):
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD if known else StatusWord.INCORRECT_PARAMETERS_P1_P2)
        self._write({"life_cycle": wanted})
        return ok()

    def _applications(self) -> tuple[Applet, ...]:
        return tuple(applet for applet in self.applet.neighbours if applet is not self.applet)

    def _locked(self) -> list[bytes]:
        value = self.memory.get("locked", [])
        if not isinstance(value, list) or not all(isinstance(each, bytes) for each in value):
            raise ImageDamaged(
                "the image's list of locked applications is broken; make a new one with `ecitizen emulator new`"
            )
        return [each for each in value if isinstance(each, bytes)]

    def _write(self, changes: Mapping[str, Value]) -> None:
        assert isinstance(self.memory, Section)  # commands that write need keys, which only a card image has
        self.memory.write(changes)


def _status_question(data: bytes) -> tuple[bytes, frozenset[int]]:
    """How the AIDs begin that GET STATUS asks for, and the tags that it wants to know of them, none for all."""
    asked, rest = _taken(data, TAG_AID)
    tags = set()
    if rest:
        wanted, rest = _taken(rest, TAG_TAG_LIST)
        while wanted:
            length = 2 if wanted[0] & 0x1F == 0x1F else 1
            if rest or len(wanted) < length:
                raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
            tags.add(int.from_bytes(wanted[:length], "big"))
            wanted = wanted[length:]
    return asked, frozenset(tags)


def _taken(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The value that begins with this tag and one byte of length, and what comes after it."""
    if len(data) < 2 or data[0] != tag or len(data) < 2 + data[1]:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
    end = 2 + data[1]
    return data[2:end], data[end:]
