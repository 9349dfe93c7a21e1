"""Card management from the host's side: one security domain of a card, its keys, and what it manages.

GlobalPlatform Card Specification 2.3.1, 11; SCP03 as in Amendment D 1.1.2. One `DomainSession` is one domain, or an
application that is managed through its domain, selected on a card. What it asks first is plain; `open_channel` proves
the keys of a KeyProvider, and from there on all commands of the card's session go through the channel, those of other
parts of the toolkit too, until something else is selected.

Wrap an operation in `session.transaction()` where other programs may use the reader.
"""

from collections.abc import Iterable
from typing import Final

from .errors import CardProtocolError, UsageError
from .globalplatform_channel import DomainChannel, require
from .globalplatform_objects import (
    LOCKED,
    PRIVILEGES_NONE,
    TAG_AID,
    CardLifeCycle,
    DataGrouping,
    Privilege,
    RegistryEntry,
    RegistryKind,
    check_aid,
    parse_registry,
)
from .iso7816 import tlv
from .iso7816.apdu import NE_SHORT, CommandApdu, ResponseApdu
from .iso7816.status import StatusWord, status_error
from .key_providers import KeyProvider
from .secure_channel.handshake import CLA_GLOBALPLATFORM, KVN_MAX

INS_PUT_KEY: Final = 0xD8
INS_STORE_DATA: Final = 0xE2
INS_DELETE: Final = 0xE4
INS_INSTALL: Final = 0xE6
INS_SET_STATUS: Final = 0xF0
INS_GET_STATUS: Final = 0xF2

# INSTALL, P1 (11.5.2.1).
P1_REGISTRY_UPDATE: Final = 0x40
P1_FOR_PERSONALIZATION: Final = 0x20
P1_FOR_EXTRADITION: Final = 0x10
P1_INSTALL_AND_MAKE_SELECTABLE: Final = 0x0C

P2_STATUS_TLV: Final = 0x02
P2_STATUS_NEXT: Final = 0x03
"""GET STATUS: the first occurrences, and the next, in TLV form (11.4.2.2)."""
SW_MORE_DATA: Final = 0x6310
"""GET STATUS: there are more entries than fit (11.4.3.2)."""
PAGES_MAX: Final = 256
"""A registry of so many pages is no card's."""

P2_DELETE_RELATED: Final = 0x80
"""DELETE: a load file goes with all that was installed from it (11.2.2.2)."""
TAG_KEY_VERSION: Final = 0xD2
P2_THREE_KEYS: Final = 0x81
"""PUT KEY: several keys, the first of which is key 1 (11.8.2.2)."""

P1_LAST_BLOCK: Final = 0x80
P1_ENCRYPTED: Final = 0x60
P1_DGI: Final = 0x08
P1_BER_TLV: Final = 0x10
BLOCKS_MAX: Final = 256
"""STORE DATA, P1 and P2 (11.11.2)."""

PARAMETERS_NONE: Final = bytes.fromhex("C900")
"""Install parameters without anything for the application (11.5.2.3.7)."""


class DomainSession(DomainChannel):
    """A security domain, or an application below one, selected on a card. Make it with `select`.

    What is asked here goes through a channel that `open_channel` has opened, and raises UsageError without one.
    """

    def get_status(self, kind: RegistryKind, aid: bytes = b"") -> tuple[RegistryEntry, ...]:
        """All entries of the card's registry of one kind whose AID begins with `aid`; none if there are none.

        That there are none is an error status word, which carries no MAC: what must be there has to be read in a way
        that proves it.
        """
        entries: list[RegistryEntry] = []
        p2 = P2_STATUS_TLV
        for _ in range(PAGES_MAX):
            response = self._manage(INS_GET_STATUS, kind, p2, tlv.encode(TAG_AID, aid))
            if response.sw == StatusWord.REFERENCED_DATA_NOT_FOUND and p2 == P2_STATUS_TLV:
                return ()
            if response.sw != SW_MORE_DATA:
                return (*entries, *parse_registry(require(response, "asking what is installed")))
            page = parse_registry(response.data)
            if not page:
                raise CardProtocolError("asking what is installed: the card promises more and gives nothing")
            entries += page
            p2 = P2_STATUS_NEXT
        raise CardProtocolError("asking what is installed: the card's answer has no end")

    def set_card_status(self, state: CardLifeCycle) -> None:
        """Move the card to another life cycle; TERMINATED is for ever."""
        self._do(INS_SET_STATUS, RegistryKind.ISSUER_DOMAIN, state, b"", f"making the card {state.name}", ne=None)

    def set_status(self, aid: bytes, state: int) -> None:
        """Move an application or domain to another life cycle."""
        doing = f"setting the life cycle of {aid.hex().upper()}"
        self._do(INS_SET_STATUS, RegistryKind.APPLICATIONS, state, check_aid(aid), doing, ne=None)

    def lock(self, aid: bytes) -> None:
        """Keep an application or domain from being selected."""
        self.set_status(aid, self._life_cycle(aid) | LOCKED)

    def unlock(self, aid: bytes) -> None:
        """Let an application or domain be selected again."""
        self.set_status(aid, self._life_cycle(aid) & ~LOCKED)

    def _life_cycle(self, aid: bytes) -> int:
        for entry in self.get_status(RegistryKind.APPLICATIONS, check_aid(aid)):
            if entry.aid == aid:
                return entry.life_cycle
        raise status_error(StatusWord.REFERENCED_DATA_NOT_FOUND, f"looking for {aid.hex().upper()}")

    def install_and_make_selectable(
        self,
        load_file: bytes,
        module: bytes,
        aid: bytes,
        *,
        privileges: Privilege = PRIVILEGES_NONE,
        parameters: bytes = PARAMETERS_NONE,
    ) -> None:
        """Make an application or domain of a module, and let it be selected."""
        names = _lv(check_aid(load_file)) + _lv(check_aid(module)) + _lv(check_aid(aid))
        data = names + _lv(privileges.encode()) + _lv(parameters) + _lv(b"")
        self._do(INS_INSTALL, P1_INSTALL_AND_MAKE_SELECTABLE, 0, data, f"installing {aid.hex().upper()}")

    def install_for_personalization(self, aid: bytes) -> None:
        """Say that STORE DATA from now on is for an application of this domain, not for the domain itself."""
        data = _lv(b"") * 2 + _lv(check_aid(aid)) + _lv(b"") * 3
        self._do(INS_INSTALL, P1_FOR_PERSONALIZATION, 0, data, f"beginning to personalise {aid.hex().upper()}")

    def extradite(self, aid: bytes, domain: bytes) -> None:
        """Give an application to another domain."""
        data = _lv(check_aid(domain)) + _lv(b"") + _lv(check_aid(aid)) + _lv(b"") * 3
        self._do(INS_INSTALL, P1_FOR_EXTRADITION, 0, data, f"giving {aid.hex().upper()} to {domain.hex().upper()}")

    def registry_update(
        self, aid: bytes, *, domain: bytes = b"", privileges: Privilege | None = None, parameters: bytes = b""
    ) -> None:
        """Change what the registry says of an application: its domain, its privileges, or both."""
        names = _lv(domain) + _lv(b"") + _lv(check_aid(aid))
        data = names + _lv(b"" if privileges is None else privileges.encode()) + _lv(parameters) + _lv(b"")
        self._do(INS_INSTALL, P1_REGISTRY_UPDATE, 0, data, f"changing the registry's entry of {aid.hex().upper()}")

    def delete(self, aid: bytes, *, related: bool = False) -> None:
        """Remove an application or domain; with `related` a load file and all that was installed from it."""
        data = tlv.encode(TAG_AID, check_aid(aid))
        self._do(INS_DELETE, 0, P2_DELETE_RELATED if related else 0, data, f"deleting {aid.hex().upper()}")

    def store_groupings(self, groupings: Iterable[DataGrouping], *, encrypted: bool = False) -> int:
        """STORE DATA in the form DGI, all as one; gives the number of blocks.

        With `encrypted` each value goes padded and encrypted under the data key of the channel's keys. Raise
        EncodeError for what no grouping holds, UsageError for more than 256 blocks carry: nothing is sent then.
        """
        if encrypted:
            groupings = map(self._encrypted, groupings)
        data = b"".join(each.encode() for each in groupings)
        return self._store(data, P1_DGI | (P1_ENCRYPTED if encrypted else 0))

    def store_objects(self, data: bytes) -> int:
        """STORE DATA of data objects in BER-TLV, all as one; gives the number of blocks."""
        return self._store(data, P1_BER_TLV)

    def _encrypted(self, grouping: DataGrouping) -> DataGrouping:
        from .secure_channel.aes import pad

        keys, card = self.opened_by()
        return DataGrouping(grouping.dgi, keys.encrypt(card, pad(grouping.value)))

    def _store(self, data: bytes, p1: int) -> int:
        size = self.block_len
        blocks = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        if len(blocks) > BLOCKS_MAX:
            raise UsageError(f"{len(data):,} bytes are more than one STORE DATA sequence carries; store them in parts")
        for number, block in enumerate(blocks):
            last = P1_LAST_BLOCK if number == len(blocks) - 1 else 0
            self._do(INS_STORE_DATA, p1 | last, number, block, "storing data", ne=None)
        return len(blocks)

    def put_keys(self, new: KeyProvider, *, replace: int = 0) -> None:
        """Put keys of a new version into this domain, or in the place of version `replace`.

        The card answers with check values of what it has got; raise CardProtocolError if they are not of these keys.
        """
        if not 0 <= replace <= KVN_MAX:
            raise UsageError("a key version number is from 1 to 127")
        keys, card = self.opened_by()
        own = self.context()
        data = new.put_key_blocks(own, keys, card)
        said = self._do(INS_PUT_KEY, replace, P2_THREE_KEYS, data, f"putting keys of version {new.kvn:02X}")
        if said != bytes((new.kvn,)) + b"".join(new.check_values(own)):
            raise CardProtocolError(
                "putting keys: the card's check values are not those of the new keys; it may hold keys that nobody "
                "has, so keep it apart"
            )
        self._sequences.pop(new.kvn, None)  # new keys count from zero

    def delete_keys(self, kvn: int) -> None:
        """Remove a whole version of this domain's keys."""
        if not 0 < kvn <= KVN_MAX:
            raise UsageError("a key version number is from 1 to 127")
        self._do(
            INS_DELETE, 0, 0, tlv.encode(TAG_KEY_VERSION, bytes((kvn,))), f"deleting the keys of version {kvn:02X}"
        )

    def _do(self, ins: int, p1: int, p2: int, data: bytes, doing: str, *, ne: int | None = NE_SHORT) -> bytes:
        return require(self._manage(ins, p1, p2, data, ne), doing)

    def _manage(self, ins: int, p1: int, p2: int, data: bytes, ne: int | None = NE_SHORT) -> ResponseApdu:
        self.opened_by()  # never in clear by mistake
        return self.session.transmit(CommandApdu(CLA_GLOBALPLATFORM, ins, p1, p2, data, ne))


def _lv(value: bytes) -> bytes:
    if len(value) > 0x7F:
        raise UsageError("a field of INSTALL has at most 127 bytes here")
    return bytes((len(value),)) + value
