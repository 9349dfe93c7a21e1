"""GET STATUS and SET STATUS: what is on the card and in which state (Card Specification 2.3.1, 11.4 and 11.10).

The issuer's domain sees and sets everything; another domain itself, and what belongs to it.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final

from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, ResponseApdu
from ..iso7816.globalplatform import (
    AID_LENS,
    LOCKED,
    TAG_AID,
    TAG_DOMAIN,
    TAG_LIFE_CYCLE,
    TAG_LOAD_FILE,
    TAG_LOAD_FILE_VERSION,
    TAG_MODULE,
    TAG_PRIVILEGES,
    TAG_REGISTRY_ENTRY,
    ApplicationLifeCycle,
    CardLifeCycle,
)
from ..iso7816.status import StatusWord
from .applet import Refusal, ok
from .card_registry import LIFE_CYCLE, CardRegistry, RegistryEntry
from .catalogue import LOAD_FILE_VERSION, LoadFile, load_files
from .domain_applet import DomainApplet
from .image import Section
from .security_domain_channel import OpenedBy

TAG_TAG_LIST: Final = 0x5C

P1_ISSUER_DOMAIN: Final = 0x80
P1_DOMAIN_WITH_APPLICATIONS: Final = 0x60
"""SET STATUS: a domain and all that belongs to it."""
P1_APPLICATIONS: Final = 0x40
P1_LOAD_FILES: Final = 0x20
P1_LOAD_FILES_AND_MODULES: Final = 0x10
P2_NEXT: Final = 0x01
P2_TLV: Final = 0x02
"""GET STATUS: the next entries, not the first ones; as data objects, not in the deprecated form (11.4.2.2)."""

PAGE_MAX_LEN: Final = 239
"""Bytes of entries in one answer: with padding and MAC they fit into a short response APDU at every level."""
SW_MORE_DATA: Final = 0x6310
"""GET STATUS: there are more entries (11.4.3.2, table 11-38)."""

PRIVILEGES_ISSUER: Final = bytes.fromhex("9CCC00")
"""Security domain, card lock, card terminate, card reset; trusted path, authorized management, global lock, global
registry (6.6.1, table 6-1 and 11.1.2)."""

STATE_LOADED: Final = 0x01
"""The life cycle of a load file (11.1.1, table 11-3)."""

_STEPS: Final = frozenset(
    {
        *pairwise(
            (CardLifeCycle.OP_READY, CardLifeCycle.INITIALIZED, CardLifeCycle.SECURED, CardLifeCycle.CARD_LOCKED)
        ),
        (CardLifeCycle.CARD_LOCKED, CardLifeCycle.SECURED),
    }
)
"""From one state to another (5.1.1, figure 5-1); every state may also become TERMINATED."""

Entry = tuple[bytes, list[tuple[int, bytes]]]
"""AID of an entry, and its data objects in the order of table 11-36."""


class StatusCommands:
    """What one selection of a domain tells of the card, and changes in its states."""

    def __init__(self, applet: DomainApplet, registry: CardRegistry) -> None:
        self._applet = applet
        self._registry = registry
        self._is_issuer = applet is registry.issuer
        self._asked: tuple[int, int, bytes] | None = None
        self._pages: Iterator[list[bytes]] = iter(())

    def forget(self) -> None:
        """Another command came: the list that was begun is over."""
        self._asked, self._pages = None, iter(())

    # GET STATUS

    def get_status(self, command: CommandApdu, _: OpenedBy) -> ResponseApdu:
        """GET STATUS: entries of one kind whose AID begins as asked, a page at a time (11.4)."""
        kinds = {P1_ISSUER_DOMAIN, P1_APPLICATIONS, P1_LOAD_FILES, P1_LOAD_FILES_AND_MODULES}
        if command.p1 not in kinds or command.p2 & ~(P2_NEXT | P2_TLV):
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        question = (command.p1, command.p2 & P2_TLV, command.data)
        if command.p2 & P2_NEXT:
            if self._asked != question:
                self.forget()
                raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
            return self._page()
        self.forget()
        begins, tags = status_question(command.data)
        modules = command.p1 == P1_LOAD_FILES_AND_MODULES
        found = [
            _data_objects(parts, tags) if command.p2 & P2_TLV else _deprecated(aid, parts, modules=modules)
            for aid, parts in self._entries(command.p1)
            if aid.startswith(begins)
        ]
        if not found:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        self._asked, self._pages = question, iter(_pages(found))
        return self._page()

    def _page(self) -> ResponseApdu:
        """The next page; 6310 with all but the last."""
        page = b"".join(next(self._pages))
        following = next(self._pages, None)
        if following is None:
            self.forget()
            return ok(page)
        self._pages = iter((following, *self._pages))
        return ResponseApdu(page, SW_MORE_DATA)

    def _entries(self, kind: int) -> Iterator[Entry]:
        if kind == P1_ISSUER_DOMAIN:
            return self._issuer()
        if kind == P1_APPLICATIONS:
            return map(_application, self._visible())
        return (
            _load_file(each, self._registry.issuer.aid, modules=kind == P1_LOAD_FILES_AND_MODULES)
            for each in load_files()
        )

    def _issuer(self) -> Iterator[Entry]:
        if self._is_issuer:
            yield (
                self._applet.aid,
                [
                    (TAG_AID, self._applet.aid),
                    (TAG_LIFE_CYCLE, bytes((self._registry.life_cycle,))),
                    (TAG_PRIVILEGES, PRIVILEGES_ISSUER),
                    (TAG_DOMAIN, self._applet.aid),
                ],
            )

    def _visible(self) -> Iterable[RegistryEntry]:
        """Everything for the issuer's domain, for another itself and what belongs to it."""
        own = self._applet.aid
        return (each for each in self._registry.entries if self._is_issuer or own in {each.aid, each.domain})

    # SET STATUS

    def set_status(self, command: CommandApdu, _: OpenedBy) -> ResponseApdu:
        """SET STATUS: the card's life cycle, or the state of applications and domains (11.10)."""
        if command.p1 == P1_ISSUER_DOMAIN:
            return self._set_card(command)
        if command.p1 not in {P1_APPLICATIONS, P1_DOMAIN_WITH_APPLICATIONS}:
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        if self._registry.life_cycle is CardLifeCycle.CARD_LOCKED:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        found = next((each for each in self._registry.entries if each.aid == command.data), None)
        if found is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        wanted = command.p2
        self._require_right(found, wanted)
        changed = [found]
        if command.p1 == P1_DOMAIN_WITH_APPLICATIONS:
            if not found.is_domain:
                raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
            changed += self._registry.within(found.aid)
            wanted &= LOCKED  # what is common to all of them
        states = {each.aid: _next_state(each, wanted) for each in changed}
        if any(each.state != states[each.aid] for each in changed):
            self._registry.set_states(states)
        return ok()

    def _require_right(self, entry: RegistryEntry, wanted: int) -> None:
        """The issuer's domain may set all states, another those of what belongs to it, and its own but for the lock."""
        own = self._applet.aid
        itself = entry.aid == own and not wanted & LOCKED
        if not (self._is_issuer or entry.domain == own or itself):
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)

    def _set_card(self, command: CommandApdu) -> ResponseApdu:
        if not self._is_issuer:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        if command.data not in {b"", self._applet.aid}:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        wanted = command.p2
        if wanted not in set(CardLifeCycle):
            raise Refusal(StatusWord.INCORRECT_PARAMETERS_P1_P2)
        step = (self._registry.life_cycle, CardLifeCycle(wanted))
        if wanted != CardLifeCycle.TERMINATED and step not in _STEPS:
            raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
        memory = self._registry.memory
        assert isinstance(memory, Section)
        memory.write({LIFE_CYCLE: wanted})
        return ok()


def _data_objects(parts: list[tuple[int, bytes]], tags: AbstractSet[int]) -> bytes:
    """An entry with all its parts, or with those of these tags (table 11-36)."""
    wanted = (tlv.encode(tag, value) for tag, value in parts if not tags or tag in tags)
    return tlv.encode(TAG_REGISTRY_ENTRY, b"".join(wanted))


def _deprecated(aid: bytes, parts: list[tuple[int, bytes]], *, modules: bool) -> bytes:
    """An entry as older hosts ask for it: AID behind its length, state, a byte of privileges, how many modules and
    which (Card Specification 2.1.1, 9.4.3.1)."""
    known = dict(parts)
    entry = bytes((len(aid),)) + aid + known[TAG_LIFE_CYCLE] + known.get(TAG_PRIVILEGES, b"\x00")[:1]
    if not modules:
        return entry
    inside = [value for tag, value in parts if tag == TAG_MODULE]
    return entry + bytes((len(inside),)) + b"".join(bytes((len(each),)) + each for each in inside)


def _application(entry: RegistryEntry) -> Entry:
    return (
        entry.aid,
        [
            (TAG_AID, entry.aid),
            (TAG_LIFE_CYCLE, bytes((entry.state,))),
            (TAG_PRIVILEGES, entry.privileges),
            (TAG_LOAD_FILE, entry.load_file),
            (TAG_DOMAIN, entry.domain),
        ],
    )


def _load_file(file: LoadFile, issuer: bytes, *, modules: bool) -> Entry:
    head = [(TAG_AID, file.aid), (TAG_LIFE_CYCLE, bytes((STATE_LOADED,))), (TAG_LOAD_FILE_VERSION, LOAD_FILE_VERSION)]
    inside = [(TAG_MODULE, aid) for aid in file.modules] if modules else []
    return file.aid, [*head, *inside, (TAG_DOMAIN, issuer)]


def _next_state(entry: RegistryEntry, wanted: int) -> int:
    """The state after SET STATUS: locked and unlocked by bit 8 alone, or else a step of the life cycle (5.3.1)."""
    if wanted & LOCKED:
        return entry.state | LOCKED
    if entry.locked:
        return entry.state & ~LOCKED
    if wanted in {0, entry.state}:
        return entry.state
    if (entry.state, wanted) == (ApplicationLifeCycle.SELECTABLE, ApplicationLifeCycle.PERSONALIZED):
        return wanted
    raise Refusal(StatusWord.INCORRECT_DATA_FIELD)


def _pages(entries: Iterable[bytes]) -> list[list[bytes]]:
    """Whole entries, as many together as fit into one answer."""
    pages: list[list[bytes]] = []
    room = 0
    for entry in entries:
        if not pages or len(entry) > room:
            pages.append([])
            room = PAGE_MAX_LEN
        pages[-1].append(entry)
        room -= len(entry)
    return pages


def status_question(data: bytes) -> tuple[bytes, frozenset[int]]:
    """How the AIDs begin that GET STATUS asks for, and the tags that it wants to know of them, none for all.

    Refuse with 6A80 what can't be a question.
    """
    asked, rest = _taken(data, TAG_AID)
    if len(asked) >= AID_LENS.stop:
        raise Refusal(StatusWord.INCORRECT_DATA_FIELD)
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
